//! From what the crates know to what the wire says.

use mainstay_api::{link, v1};
use mainstay_declare::Diagnostic;
use mainstay_model::{Severity, Timestamp};
use mainstay_plan::Unplaced;
use mainstay_runbook::run::{AttemptRecord, Position};
use mainstay_runbook::{Run, StepRecord};

use crate::hub::Host;

/// An error with everything behind it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// A problem in a file.
pub fn diagnostic(diagnostic: &Diagnostic) -> v1::DiagnosticView {
    v1::DiagnosticView {
        code: diagnostic.code.to_owned(),
        severity: match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
        .to_owned(),
        message: diagnostic.message.clone(),
        path: diagnostic.path.clone(),
        line: diagnostic.start.line,
        column: diagnostic.start.column,
        end_line: diagnostic.end.line,
        end_column: diagnostic.end.column,
        label: diagnostic.label.clone(),
        help: diagnostic.help.clone(),
        related: diagnostic
            .related
            .iter()
            .map(|related| v1::RelatedView {
                message: related.message.clone(),
                path: related.path.clone(),
                line: related.start.line,
                column: related.start.column,
            })
            .collect(),
    }
}

/// One line of the list of runs.
pub fn run_summary(run: &Run) -> v1::RunSummary {
    let waiting = run.waits_for();
    v1::RunSummary {
        id: run.id.to_string(),
        workload: run.workload.clone(),
        procedure: run.procedure.clone(),
        status: run.status.as_str().to_owned(),
        finished: run.status.is_over(),
        started_at: run.started_at,
        ended_at: run.finished_at,
        current_step: run
            .reached()
            .max_by_key(|step| (step.started_at, step.finished_at))
            .map(|step| step.name.clone()),
        started_by: run.reason.clone().unwrap_or_else(|| run.by.to_string()),
        message: waiting.or_else(|| run.failure.clone()),
    }
}

/// A run with its steps.
pub fn run_detail(run: &Run) -> v1::RunDetail {
    let mut steps: Vec<&StepRecord> = run.reached().collect();
    steps.sort_by_key(|step| step.started_at);
    let pending = run.steps.iter().filter(|step| !steps.iter().any(|reached| reached.name == step.name));
    let steps = steps.iter().copied().chain(pending).map(step).collect();
    v1::RunDetail {
        summary: run_summary(run),
        parameters: run.parameters.clone(),
        variables: run.variables.clone(),
        waiting: waiting(run),
        cause: run.cause.as_ref().map(ToString::to_string),
        digest: run.digest.clone(),
        outputs: run.outputs.clone(),
        steps,
        parent: run.parent.as_ref().map(|parent| parent.run.to_string()),
        continues: run.continues.as_ref().map(|(earlier, _)| earlier.to_string()),
    }
}

fn waiting(run: &Run) -> Option<v1::WaitView> {
    let (pause, attempt, reason) = match &run.position {
        Position::Undecided { attempt, reason } => (false, attempt, reason),
        Position::Paused { attempt, reason } => (true, attempt, reason),
        _ => return None,
    };
    Some(v1::WaitView {
        step: attempt.step.clone(),
        attempt: attempt.attempt.to_string(),
        reason: reason.clone(),
        pause,
    })
}

fn attempt(record: &AttemptRecord) -> v1::AttemptView {
    v1::AttemptView {
        id: record.attempt.to_string(),
        started_at: record.started_at,
        ended_at: record.settled_at,
        result: record.result.clone(),
        message: record.failure.clone(),
        hosts: record.commands.iter().map(|command| command.host.to_string()).collect(),
        inputs: None,
        outputs: serde_json::Map::new(),
        decided_by: None,
    }
}

fn step(step: &StepRecord) -> v1::StepView {
    v1::StepView {
        name: step.name.clone(),
        action: step.action.clone(),
        status: step.status.as_str().to_owned(),
        started_at: step.started_at,
        ended_at: step.finished_at,
        attempts: u32::try_from(step.attempts.len()).unwrap_or(u32::MAX),
        tries: step.attempts.iter().map(attempt).collect(),
        parent: step.parent.clone(),
        iteration: step.iteration,
        earlier_attempts: step.earlier_attempts,
        next: step.next.clone(),
        outputs: step.outputs.clone(),
        message: step
            .failure
            .clone()
            .or_else(|| step.attempts.last().and_then(|attempt| attempt.failure.clone())),
        child: step.attempts.last().and_then(|attempt| attempt.child.as_ref()).map(ToString::to_string),
        taken_from: step.taken_from.as_ref().map(ToString::to_string),
        commands: step
            .attempts
            .iter()
            .flat_map(|attempt| attempt.commands.iter().map(move |command| (attempt, command)))
            .map(|(attempt, command)| v1::CommandView {
                id: command.command.to_string(),
                host: command.host.to_string(),
                result: attempt
                    .result
                    .iter()
                    .map(|result| ("result".to_owned(), result.clone().into()))
                    .collect(),
            })
            .collect(),
    }
}

/// Components for which there is no host, as sentences.
pub fn unplaced(unplaced: &[Unplaced]) -> Vec<String> {
    unplaced.iter().map(|unplaced| format!("{}: {}", unplaced.component, unplaced.reason)).collect()
}

/// One host. What the services of a host that is away do is not known.
pub fn host(host: &Host) -> v1::HostView {
    v1::HostView {
        id: host.id.to_string(),
        tags: host.tags.clone(),
        connected: host.connected,
        last_seen: host.last_seen,
        version: host.version.clone(),
        services: host.services.iter().map(|state| service(host, state)).collect(),
    }
}

/// A service that a host should run and whose agent has not said anything of it.
pub fn unreported(host: &v1::HostView, workload: &str, component: &str) -> v1::ServiceView {
    let reason = if host.connected {
        "the host's agent has not reported it yet"
    } else {
        "the host's agent is away, and has not reported since the server started"
    };
    v1::ServiceView {
        name: component.to_owned(),
        workload: workload.to_owned(),
        host: host.id.clone(),
        state: "unknown".to_owned(),
        pid: None,
        since: None,
        restarts: 0,
        reason: Some(reason.to_owned()),
        log: None,
    }
}

fn service(host: &Host, state: &link::ServiceState) -> v1::ServiceView {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (word, reason) = if host.connected {
        (phase(state.phase()), some(&state.reason))
    } else {
        let before = phase(state.phase());
        (
            "unknown",
            Some(format!("the host's agent is away; the service was {before} when it was last heard of")),
        )
    };
    v1::ServiceView {
        name: state.component.clone(),
        workload: state.workload.clone(),
        host: host.id.to_string(),
        state: word.to_owned(),
        pid: state.pid,
        since: Some(Timestamp::from_millis(state.since_ms)),
        restarts: u64::from(state.restarts),
        reason,
        log: some(&state.log),
    }
}

pub(crate) fn phase(phase: link::Phase) -> &'static str {
    match phase {
        link::Phase::Unspecified => "unknown",
        link::Phase::Stopped => "stopped",
        link::Phase::Waiting => "waiting",
        link::Phase::Starting => "starting",
        link::Phase::Ready => "ready",
        link::Phase::Unhealthy => "unhealthy",
        link::Phase::Stopping => "stopping",
        link::Phase::Backoff => "restarting",
        link::Phase::Failed => "failed",
        link::Phase::Ended => "ended",
    }
}
