//! From what a step has to do to commands for hosts, and from what became of them to the step's outcome. A new kind of
//! effect is made known here: the engine looks at none of them.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::{CommandId, HostId, Timestamp};
use mainstay_runbook::{
    CommandEffect, Dispatch, Effect, EffectKind, HostResult, Outcome, Run, ScriptEffect, Targets, aggregate,
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
}

/// Where an effect is performed.
pub fn place(effect: &EffectKind) -> Where {
    match effect {
        EffectKind::Script(_) => Where::Control,
        EffectKind::Shell(shell) => match &shell.host {
            Some(host) => Where::Hosts(Targets::Hosts(vec![host.clone()])),
            None => Where::Control,
        },
        EffectKind::Command(command) => Where::Hosts(command.targets.clone()),
    }
}

/// What the commands of an attempt came to.
pub fn outcome(effect: &Effect, results: &[HostResult]) -> Outcome {
    match &effect.kind {
        EffectKind::Command(_) | EffectKind::Shell(_) => aggregate(&effect.attempt, results),
        EffectKind::Script(ScriptEffect { runtime, .. }) => match results.first() {
            Some(result) => script::outcome(*runtime, result),
            None => Outcome::failed("No host was chosen for the script"),
        },
    }
}

/// The command that performs an effect on one host.
pub fn order(run: &Run, effect: &Effect, command: Dispatch) -> Order {
    let Dispatch { host, command: id } = command;
    let mut order = match &effect.kind {
        EffectKind::Script(script) => {
            script::order(host, id, run.id.as_str(), script, script_seconds(run, effect))
        }
        EffectKind::Command(command) => shell_order(run, host, id, command),
        EffectKind::Shell(shell) => Order {
            interpreter: vec!["/bin/sh".to_owned()],
            script: shell.script(),
            working_directory: shell.working_directory.clone(),
            environment: shell.environment.clone(),
            timeout_s: shell.execution_timeout_s,
            deliver_by: Some(attempt_start(run).plus(Duration::from_secs(shell.delivery_timeout_s))),
            ..bare_order(host, id)
        },
    };
    order.environment.insert("MAINSTAY_RUN".to_owned(), run.id.to_string());
    order.environment.insert("MAINSTAY_ATTEMPT".to_owned(), effect.attempt.to_string());
    if let Some(workload) = &run.workload {
        order.environment.insert("MAINSTAY_WORKLOAD".to_owned(), workload.clone());
    }
    order
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

fn shell_order(run: &Run, host: HostId, id: CommandId, command: &CommandEffect) -> Order {
    Order {
        interpreter: vec!["/bin/sh".to_owned()],
        script: command.script(),
        working_directory: command.working_directory.clone(),
        timeout_s: command.execution_timeout_s,
        deliver_by: Some(attempt_start(run).plus(Duration::from_secs(command.delivery_timeout_s))),
        ..bare_order(host, id)
    }
}

/// When the attempt that is going on began.
fn attempt_start(run: &Run) -> Timestamp {
    run.open_attempt()
        .and_then(|open| run.step(&open.step))
        .and_then(|step| step.attempts.last())
        .map_or(run.started_at, |record| record.started_at)
}

fn bare_order(host: HostId, id: CommandId) -> Order {
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
        output_limit: SHELL_OUTPUT_LIMIT,
        maybe_sent: false,
    }
}
