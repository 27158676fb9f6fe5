//! From what a step has to do to commands for hosts, and from what became of them to the step's outcome. A new kind of
//! effect is made known here: the engine looks at none of them.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::{CommandId, HostId, Timestamp};
use mainstay_runbook::{
    Dispatch, Document, Effect, EffectKind, HostResult, Outcome, POWERSHELL_DOCUMENT, Run, SHELL_DOCUMENT,
    ScriptEffect, Shell, Targets, aggregate,
};

use super::performer::Order;
use super::script;

/// How much of each output stream of a shell command is kept.
const SHELL_OUTPUT_LIMIT: u64 = 64 * 1024;

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
        _ => aggregate(&effect.attempt, results),
    }
}

/// The command that performs an effect on one host, or why it cannot be made.
pub fn order(run: &Run, document: &Document, effect: &Effect, command: Dispatch) -> Result<Order, String> {
    let Dispatch { host, command: id } = command;
    let deliver_by = |seconds: u64| Some(attempt_start(run).plus(Duration::from_secs(seconds)));
    let mut order = match &effect.kind {
        EffectKind::Script(script) => {
            let attached = script.attachment.as_deref();
            let attachment = attached.map(|name| script::attachment(name, document)).transpose()?;
            script::order(host, id, run.id.as_str(), script, attachment.as_ref(), script_seconds(run, effect))
        }
        EffectKind::Command(command) => {
            let shell = match command.document.as_str() {
                SHELL_DOCUMENT => Shell::Sh,
                POWERSHELL_DOCUMENT => Shell::PowerShell,
                other => {
                    return Err(format!("Running the Command document {other} on hosts is not built yet"));
                }
            };
            Order {
                working_directory: command.working_directory.clone(),
                timeout_s: command.execution_timeout_s,
                deliver_by: deliver_by(command.delivery_timeout_s),
                ..shell_order(host, id, shell, command.script())
            }
        }
        EffectKind::Shell(shell) => Order {
            working_directory: shell.working_directory.clone(),
            environment: shell.environment.clone(),
            timeout_s: shell.execution_timeout_s,
            deliver_by: deliver_by(shell.delivery_timeout_s),
            ..shell_order(host, id, shell.shell, shell.script())
        },
        other => return Err(format!("No host performs this: {other:?}")),
    };
    order.environment.insert("MAINSTAY_RUN".to_owned(), run.id.to_string());
    order.environment.insert("MAINSTAY_ATTEMPT".to_owned(), effect.attempt.to_string());
    if let Some(workload) = &run.workload {
        order.environment.insert("MAINSTAY_WORKLOAD".to_owned(), workload.clone());
    }
    Ok(order)
}

/// A script may run for as long as its attempt may: from the attempt's start to its deadline.
fn script_seconds(run: &Run, effect: &Effect) -> u64 {
    let record =
        run.steps.iter().flat_map(|step| &step.attempts).find(|record| record.attempt == effect.attempt);
    match (record, effect.deadline) {
        (Some(record), Some(deadline)) => deadline.since(record.started_at).as_secs().max(1),
        _ => script::MAX_SCRIPT_S,
    }
}

/// A script as its shell runs it.
fn shell_order(host: HostId, id: CommandId, shell: Shell, script: String) -> Order {
    let (interpreter, environment) = match shell {
        Shell::Sh => (vec!["/bin/sh".to_owned()], BTreeMap::new()),
        Shell::PowerShell => (script::powershell_interpreter(false), script::powershell_environment()),
    };
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
