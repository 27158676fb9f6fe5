//! Runs on the wire.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use serde_json::{Map, Value};

/// A request to start a procedure.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// The workload whose procedure it is; may be left out when there is only one workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The procedure's name: its file's name without folder and extension.
    pub procedure: String,
    /// Values for the document's parameters.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Makes the request safe to repeat: the same token starts one run only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// One line of the list of runs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub id: String,
    /// The workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The procedure's name.
    pub procedure: String,
    /// `Pending`, `InProgress`, `Waiting`, `Success`, `Failed`, `TimedOut`, `Cancelling` or `Cancelled`.
    pub status: String,
    /// Whether it will change no more.
    pub finished: bool,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The step it is at, or ended at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_step: Option<String>,
    /// Who or what started it.
    pub started_by: String,
    /// What it waits for, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A run with its steps.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunDetail {
    /// The line of the list.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The parameters it started with.
    pub parameters: Map<String, Value>,
    /// Its outputs, once it has ended.
    pub outputs: Map<String, Value>,
    /// Every step that was reached, in order; then those that were not.
    pub steps: Vec<StepView>,
    /// The run that started it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The run it goes on with, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StepView {
    /// Its name in the document.
    pub name: String,
    /// Its action (`aws:runCommand`).
    pub action: String,
    /// `Pending`, `InProgress`, `Waiting`, `Success`, `Failed`, `TimedOut`, `Cancelled` or `OutcomeUnknown`.
    pub status: String,
    /// When it was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Its outputs.
    pub outputs: Map<String, Value>,
    /// Why it failed, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The run it started, where it starts one; of several attempts the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// The run it was taken over from: nothing of it was done in this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<String>,
    /// What ran where for it, latest attempt last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandView>,
}

/// One command that a step sent to a host.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CommandView {
    /// The command's id, which is its idempotency key.
    pub id: String,
    /// The host.
    pub host: String,
    /// Further facts, as the step's attempt recorded them (exit code, output tails).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub result: BTreeMap<String, Value>,
}
