//! A run's whole record: what its table holds, and what only its events say.

use std::collections::BTreeMap;

use mainstay_api::v1;
use mainstay_runbook::{Body, Outcome, Run, RunEvent};
use mainstay_store::{Journal, StoreError};
use serde_json::{Map, Value};

use crate::hub::Hub;
use crate::views;

/// The most events of a run that are looked at. A run with more is one that loops; its last ones say what its steps show.
const MAX_EVENTS: u64 = 20_000;

/// What the commands of a run's open attempt wrote last, as far as their hosts said. Hosts that said nothing are left out.
pub fn output(hub: &Hub, run: &Run) -> Vec<v1::OutputView> {
    let Some(open) = run.open_attempt() else { return Vec::new() };
    let commands = open.dispatched.iter().flatten();
    commands
        .map(|command| v1::OutputView {
            step: open.step.clone(),
            host: command.host.to_string(),
            lines: hub.lines(&command.host, &command.command),
        })
        .filter(|output| !output.lines.is_empty())
        .collect()
}

/// What the events say of an attempt.
#[derive(Default)]
struct Said {
    inputs: Option<Value>,
    outputs: Map<String, Value>,
    decided_by: Option<String>,
}

/// A run with its steps, and of each attempt what was performed, what it left, and who decided.
pub fn record(journal: &dyn Journal, run: &Run) -> Result<v1::RunDetail, StoreError> {
    let mut said: BTreeMap<String, Said> = BTreeMap::new();
    for number in run.events.saturating_sub(MAX_EVENTS) + 1..=run.events {
        let id = RunEvent::id_of(&run.id, number);
        let Some(event) = journal.read_by_id(mainstay_model::event::SOURCE_SERVER, &id)? else { continue };
        let Some(event) = RunEvent::from_event(&event) else { continue };
        match event.body {
            Body::AttemptStarted { attempt, effect, .. } => {
                let inputs = effect.and_then(|effect| serde_json::to_value(effect).ok());
                said.entry(attempt.to_string()).or_default().inputs = inputs;
            }
            Body::AttemptSettled { attempt, outcome, decided, .. } => {
                let entry = said.entry(attempt.to_string()).or_default();
                entry.decided_by = decided.then(|| event.actor.to_string());
                entry.outputs = match outcome {
                    Outcome::Succeeded { outputs }
                    | Outcome::Failed { outputs, .. }
                    | Outcome::TimedOut { outputs, .. } => outputs,
                    Outcome::Cancelled | Outcome::Unknown { .. } => Map::new(),
                };
            }
            _ => {}
        }
    }
    let mut detail = views::run_detail(run);
    for attempt in detail.steps.iter_mut().flat_map(|step| &mut step.tries) {
        if let Some(said) = said.remove(&attempt.id) {
            attempt.inputs = said.inputs;
            attempt.outputs = said.outputs;
            attempt.decided_by = said.decided_by;
        }
    }
    Ok(detail)
}
