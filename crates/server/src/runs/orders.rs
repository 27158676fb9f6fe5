//! From what a step has to do to commands for hosts, and from what became of them to the step's outcome. A new kind of
//! effect is made known here: the engine looks at none of them.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::{CommandId, HostId, Timestamp};
use mainstay_runbook::{
    Dispatch, Document, Effect, EffectKind, HostEnd, HostReport, HostResult, HostTask, HostWork, Library,
    MAX_REPORT_BYTES, Outcome, POWERSHELL_DOCUMENT, REPORT_MARK, Run, SHELL_DOCUMENT, ScriptEffect, Shell,
    Targets, aggregate,
};
use serde_json::{Map, Value};

use super::performer::Order;
use super::script;

/// How much of each output stream of a shell command is kept.
const SHELL_OUTPUT_LIMIT: u64 = 64 * 1024;

/// The same of what a host does by itself. The second half holds the report, however long it is.
const TASK_OUTPUT_LIMIT: u64 = 256 * 1024;
const _: () = assert!(MAX_REPORT_BYTES as u64 + 4096 < TASK_OUTPUT_LIMIT / 2);

/// Where an effect is performed.
pub enum Where {
    /// On the control plane's own host.
    Control,
    /// On hosts that are chosen when it begins.
    Hosts(Targets),
    /// By the control plane itself, and no host.
    Itself,
    /// On no host: it is a run of its own.
    Run,
}

/// Where an effect is performed.
pub fn place(effect: &EffectKind) -> Where {
    let one = |host: &Option<HostId>| match host {
        Some(host) => Where::Hosts(Targets::Hosts(vec![host.clone()])),
        None => Where::Control,
    };
    match effect {
        EffectKind::Script(_) => Where::Control,
        EffectKind::Shell(shell) => one(&shell.host),
        EffectKind::Plugin(plugin) => one(&plugin.host),
        EffectKind::Command(command) => Where::Hosts(command.targets.clone()),
        EffectKind::Webhook(_)
        | EffectKind::Query(_)
        | EffectKind::WaitForAlarm(_)
        | EffectKind::Notify(_)
        | EffectKind::ResolveIncident(_)
        | EffectKind::ApplyRevision(_)
        | EffectKind::Rollback(_) => Where::Itself,
        EffectKind::Child(_) => Where::Run,
    }
}

/// What the commands of an attempt came to.
pub fn outcome(effect: &Effect, results: &[HostResult]) -> Outcome {
    match &effect.kind {
        EffectKind::Script(ScriptEffect { runtime, .. }) => match results.first() {
            Some(result) => script::outcome(*runtime, result),
            None => Outcome::failed("No host was chosen for the script"),
        },
        EffectKind::Plugin(_) => tasks(effect, results),
        EffectKind::Command(command)
            if ![SHELL_DOCUMENT, POWERSHELL_DOCUMENT].contains(&command.document.as_str()) =>
        {
            tasks(effect, results)
        }
        _ => aggregate(&effect.attempt, results),
    }
}

/// What hosts came to that did more than run a script: each says of every step how it ended.
fn tasks(effect: &Effect, results: &[HostResult]) -> Outcome {
    let mut steps: Map<String, Value> = Map::new();
    let mut most = 0;
    let results: Vec<HostResult> = results
        .iter()
        .map(|result| {
            let (report, result) = reported(result.clone());
            if let Some(report) = report {
                most = most.max(report.steps.len());
                let list = serde_json::to_value(&report.steps).unwrap_or_default();
                steps.insert(result.host.to_string(), list);
            }
            result
        })
        .collect();
    let mut outcome = aggregate(&effect.attempt, &results);
    let outputs = match &mut outcome {
        Outcome::Succeeded { outputs }
        | Outcome::Failed { outputs, .. }
        | Outcome::TimedOut { outputs, .. } => outputs,
        Outcome::Cancelled | Outcome::Unknown { .. } => return outcome,
    };
    outputs.insert("Steps".to_owned(), steps.into());
    // By the reference: of several steps no single code can be told.
    if most > 1 {
        outputs.remove("ResponseCode");
    }
    outcome
}

/// A host's report, and what it makes of how its command ended.
fn reported(mut result: HostResult) -> (Option<HostReport>, HostResult) {
    let HostEnd::Exited(code) = result.ended else { return (None, result) };
    let line = result.stderr.trim_end().rsplit_once(REPORT_MARK);
    // What a script left running may write behind it.
    let Some((before, report)) = line.and_then(|(before, after)| {
        let line = after.lines().next()?;
        Some((before.trim_end().to_owned(), serde_json::from_str::<HostReport>(line).ok()?))
    }) else {
        return (None, result);
    };
    result.stderr = before;
    let bad: Vec<String> = report
        .steps
        .iter()
        .filter(|step| !["Success", "Skipped", "Pending"].contains(&step.status.as_str()))
        .map(|step| format!("step {} {}", step.name, step.message.as_deref().unwrap_or("did not succeed")))
        .collect();
    result.ended = match report.status.as_str() {
        "Success" => HostEnd::Exited(0),
        "TimedOut" => HostEnd::TimedOut(bad.join("; ")),
        _ => HostEnd::Failed { code, message: format!("failed: {}", bad.join("; ")) },
    };
    (Some(report), result)
}

/// The command that performs an effect on one host, or why it cannot be made.
pub fn order(run: &Run, document: &Document, effect: &Effect, command: Dispatch) -> Result<Order, String> {
    let Dispatch { host, command: id } = command;
    let deliver_by = |seconds: u64| Some(attempt_start(run).plus(Duration::from_secs(seconds)));
    let mut order = match &effect.kind {
        EffectKind::Script(script) => {
            let attached = script.attachment.as_deref();
            let attachment = attached.map(|name| script::attachment(name, document)).transpose()?;
            script::order(host, id, run.id.as_str(), script, attachment.as_ref(), seconds_left(run, effect))
        }
        EffectKind::Command(command) => {
            let order = match command.document.as_str() {
                SHELL_DOCUMENT => shell_order(host, id, Shell::Sh, command.script()),
                POWERSHELL_DOCUMENT => shell_order(host, id, Shell::PowerShell, command.script()),
                name => {
                    let (name, parameters) = (name.to_owned(), command.parameters.clone());
                    task_order(host, id, HostWork::Document { name, parameters }, document)
                }
            };
            Order {
                working_directory: command.working_directory.clone(),
                timeout_s: command.execution_timeout_s,
                deliver_by: deliver_by(command.delivery_timeout_s),
                ..order
            }
        }
        EffectKind::Plugin(plugin) => Order {
            timeout_s: plugin.execution_timeout_s,
            deliver_by: deliver_by(plugin.delivery_timeout_s),
            ..task_order(host, id, HostWork::Plugin(plugin.plugin.clone()), document)
        },
        EffectKind::Shell(shell) => Order {
            working_directory: shell.working_directory.clone(),
            environment: shell.shell.environment().into_iter().chain(shell.environment.clone()).collect(),
            timeout_s: shell.execution_timeout_s,
            deliver_by: deliver_by(shell.delivery_timeout_s),
            ..shell_order(host, id, shell.shell, shell.script())
        },
        other => return Err(format!("No host performs this: {other:?}")),
    };
    // The host itself ends what runs into the step's limit, so that what it wrote until then is not lost.
    order.timeout_s = order.timeout_s.min(seconds_left(run, effect));
    order.environment.insert("MAINSTAY_RUN".to_owned(), run.id.to_string());
    order.environment.insert("MAINSTAY_ATTEMPT".to_owned(), effect.attempt.to_string());
    if let Some(workload) = &run.workload {
        order.environment.insert("MAINSTAY_WORKLOAD".to_owned(), workload.clone());
    }
    Ok(order)
}

/// What an attempt does may take as long as the attempt may: from its start to its deadline.
fn seconds_left(run: &Run, effect: &Effect) -> u64 {
    let record =
        run.steps.iter().flat_map(|step| &step.attempts).find(|record| record.attempt == effect.attempt);
    match (record, effect.deadline) {
        (Some(record), Some(deadline)) => deadline.since(record.started_at).as_secs().max(1),
        _ => u64::MAX,
    }
}

/// What a host does by itself, with this binary (`mainstay perform`).
fn task_order(host: HostId, id: CommandId, work: HostWork, document: &Document) -> Order {
    // Attached files are for scripts of the control plane.
    let library = Library { documents: document.library.documents.clone(), ..Library::default() };
    let task = HostTask { work, library };
    Order {
        interpreter: vec!["mainstay".to_owned(), "perform".to_owned()],
        script: serde_json::to_string(&task).unwrap_or_default(),
        output_limit: TASK_OUTPUT_LIMIT,
        ..bare_order(host, id)
    }
}

/// A script as its shell runs it.
fn shell_order(host: HostId, id: CommandId, shell: Shell, script: String) -> Order {
    let (interpreter, environment) = (shell.interpreter(&script), shell.environment());
    Order { interpreter, script, environment, ..bare_order(host, id) }
}

/// When the attempt that is going on began.
fn attempt_start(run: &Run) -> Timestamp {
    run.open_attempt()
        .and_then(|open| run.step(&open.step))
        .and_then(|step| step.attempts.last())
        .map_or(run.started_at, |record| record.started_at)
}

pub(super) fn bare_order(host: HostId, id: CommandId) -> Order {
    Order {
        host,
        id,
        interpreter: Vec::new(),
        script: String::new(),
        stdin: String::new(),
        environment: BTreeMap::new(),
        working_directory: None,
        timeout_s: 0,
        deliver_by: None,
        memory_limit: None,
        output_limit: SHELL_OUTPUT_LIMIT,
        maybe_sent: false,
    }
}
