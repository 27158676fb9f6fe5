//! Scripts against the machine: the status rules of the reference, refusals, and properties over random documents.

mod children;
#[path = "../../tests/common/mod.rs"]
mod common;
mod control;
mod histories;
mod in_use;
mod library_shapes;
mod machine;
mod properties;
mod refusals;
mod resume;
mod sheet;

use mainstay_model::HostId;
use serde_json::{Map, Value};

use crate::testing::{Driven, begin, drive};
use crate::{Document, Effect, Outcome};

fn document(text: &str) -> Document {
    Document::parse(&common::value(text)).unwrap_or_else(|problems| {
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        unreachable!("refused: {}\n{text}", list.join("\n"))
    })
}

fn hosts() -> Vec<HostId> {
    ["app-1", "app-2"].map(|name| HostId::new(name).expect("an id")).to_vec()
}

fn payload(value: Value) -> Outcome {
    let mut outputs = Map::new();
    outputs.insert("Payload".to_owned(), value);
    Outcome::Succeeded { outputs }
}

/// Runs a document; `answers` says what each attempt of a script comes to.
fn run(text: &str, answers: &[(&str, Outcome)]) -> Driven {
    let mut perform = |effect: &Effect| {
        let attempt = effect.attempt.as_str().strip_prefix("r.").unwrap_or_default();
        let known = answers.iter().find(|(name, _)| *name == attempt);
        Some(known.map_or_else(|| payload(Value::Null), |(_, outcome)| outcome.clone()))
    };
    drive(
        &document(text),
        begin("r", Map::new()),
        &hosts(),
        &mut perform,
        &crate::testing::Disturbance::default(),
    )
}

/// The run in one line: its status, and the steps that were reached with theirs.
fn line(driven: &Driven) -> String {
    let steps: Vec<String> =
        driven.run.reached().map(|step| format!("{} {}", step.name, step.status.as_str())).collect();
    format!("{}: {}", driven.run.status.as_str(), steps.join(", "))
}
