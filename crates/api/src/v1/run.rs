//! Runs on the wire.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use serde_json::{Map, Value};

/// A request to start a procedure.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
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

/// A request to go on with a run that is over.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRun {
    /// The step to begin with.
    pub from: String,
    /// Makes the request safe to repeat: the same token starts one run only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// Why a run is cancelled.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRun {
    /// Why; part of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a person says of an attempt whose outcome is unknown, or of a pause.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, tag = "decision", rename_all = "snake_case")]
pub enum DecideRun {
    /// It worked.
    Succeeded {
        /// Its outputs, as far as they are known.
        #[serde(default)]
        outputs: Map<String, Value>,
    },
    /// It failed.
    Failed {
        /// Why.
        message: String,
    },
    /// It may safely be done again.
    Retry {},
}

/// One line of the list of runs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RunSummary {
    /// Its id.
    pub id: String,
    /// The workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The procedure's name.
    pub procedure: String,
    /// How it stands.
    #[schema(value_type = super::RunStatusWord)]
    pub status: String,
    /// Whether it will change no more.
    pub finished: bool,
    /// When it started.
    #[schema(value_type = super::Time)]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
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
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RunDetail {
    /// The line of the list.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The parameters it started with.
    pub parameters: Map<String, Value>,
    /// Its variables as they are now.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub variables: Map<String, Value>,
    /// What it waits for a person to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitView>,
    /// The event that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The digest of the document it is pinned to.
    #[serde(default)]
    #[schema(required = true)]
    pub digest: String,
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

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct WaitView {
    /// The step.
    pub step: String,
    /// The attempt that a decision is about.
    pub attempt: String,
    /// Why, in words.
    pub reason: String,
    /// Whether it is a pause, which only wants a word to go on, and not an outcome that nobody knows.
    pub pause: bool,
}

/// What a running command wrote last.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OutputView {
    /// The step it belongs to.
    pub step: String,
    /// The host it runs on.
    pub host: String,
    /// The last lines of both of its streams, oldest first.
    pub lines: Vec<String>,
}

/// One try of a step.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AttemptView {
    /// Its id, which is its idempotency key.
    pub id: String,
    /// When it began.
    #[schema(value_type = super::Time)]
    pub started_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub ended_at: Option<Timestamp>,
    /// What it came to; nothing while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::AttemptResult>)]
    pub result: Option<String>,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The hosts it was performed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What was performed, all references replaced; only in the whole record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// What it left; only in the whole record.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    /// Who decided what it came to, where nobody could know; only in the whole record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct StepView {
    /// Its name in the document.
    pub name: String,
    /// Its action (`aws:runCommand`).
    pub action: String,
    /// How it stands.
    #[schema(value_type = super::StepStatusWord)]
    pub status: String,
    /// When it was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub ended_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Its tries, oldest first; of a step in a loop, those of the last iteration it was begun in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<AttemptView>,
    /// The loop it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The loop's iteration it was last begun in, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    /// How many tries it had in earlier iterations.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_attempts: u32,
    /// The step that came next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
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
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct CommandView {
    /// The command's id, which is its idempotency key.
    pub id: String,
    /// The host.
    pub host: String,
    /// Further facts, as the step's attempt recorded them (exit code, output tails).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub result: BTreeMap<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
