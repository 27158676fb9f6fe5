//! Plans and changes on the wire. The plan itself travels as the JSON that `mainstay plan --out` writes
//! (`mainstay.plan/v1`), so that a plan file, an answer and a record are one thing.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use serde_json::Value;

use super::DiagnosticView;

/// Where the files came from, as the version control there says. The caller's word.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct GitView {
    /// The full commit.
    pub commit: String,
    /// Whether files of the directory differ from that commit.
    pub dirty: bool,
}

/// What a plan would do.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PlanView {
    /// The workload.
    pub workload: String,
    /// The revision that is wanted now and that the plan starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The revision it would lead to.
    pub revision: String,
    /// The digest of the files it leads to.
    pub digest: String,
    /// False when the files are those of the wanted revision.
    pub changed: bool,
    /// The plan, in its own format.
    pub plan: Value,
    /// Why it would wait for an approval, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
    /// Where what runs differs from the wanted revision, in the plan crate's own shape. It is not part of the plan.
    #[serde(default)]
    #[schema(required = true)]
    pub drift: Value,
    /// Components for which there is no host now, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unplaced: Vec<String>,
    /// The change that is being carried out on this workload now: a second one has to wait for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// Warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<DiagnosticView>,
    /// Whether hosts were left out: who may not apply the workload is told of those hosts that they may see, and of those on
    /// which it runs.
    #[serde(default)]
    pub partial: bool,
}

/// One line of a workload's history.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ChangeSummary {
    /// Its id.
    pub id: String,
    /// The workload.
    pub workload: String,
    /// The revision it started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The revision it leads to.
    pub revision: String,
    /// The earlier revision whose files it brings back, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<String>,
    /// What it is doing, or how it ended.
    #[schema(value_type = super::ChangeState)]
    pub state: String,
    /// Whether it is over.
    pub finished: bool,
    /// When it was asked for.
    #[schema(value_type = super::Time)]
    pub started_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub ended_at: Option<Timestamp>,
    /// Who asked for it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the files came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitView>,
    /// How many resources it touches.
    pub resources: usize,
    /// How many of them are done.
    pub done: usize,
    /// How many waves it has, and in which it is, from 1; 0 before the first.
    pub waves: usize,
    /// See `waves`.
    pub wave: usize,
    /// Why it failed, is held, or was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A change with its plan and what became of each step.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ChangeDetail {
    /// The line of it in the history.
    #[serde(flatten)]
    pub summary: ChangeSummary,
    /// Its plan, in the plan's own format. Null for what was applied before changes were recorded.
    #[serde(default)]
    #[schema(required = true)]
    pub plan: Value,
    /// Its steps, in the order of the waves.
    pub actions: Vec<ActionView>,
    /// Why it is or was held, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
    /// Who approved or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// Whether it was asked to keep what is done when something fails.
    pub keep: bool,
}

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ActionView {
    /// What it is done to (`web-1/checkout`).
    pub address: String,
    /// What is done.
    #[schema(value_type = super::ChangeVerb)]
    pub action: String,
    /// The wave, from 1.
    pub wave: usize,
    /// How it stands, or what became of it.
    #[schema(value_type = super::ActionOutcome)]
    pub outcome: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who decided about a change that was held.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct DecisionView {
    /// What was decided.
    #[schema(value_type = super::DecisionWord)]
    pub decision: String,
    /// Who.
    pub by: String,
    /// Whether that is who asked for the change.
    pub own: bool,
    /// When.
    #[schema(value_type = super::Time)]
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Approves or refuses a change that is held, or stops one that is running.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Approve it although one asked for it oneself.
    #[serde(default)]
    pub own: bool,
}

/// A revision with its files.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RevisionDetail {
    /// The workload.
    pub workload: String,
    /// Its id.
    pub revision: String,
    /// The revision it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Whether it is the wanted one now.
    pub current: bool,
    /// The digest of its directory and files.
    pub digest: String,
    /// The directory on the hosts.
    pub directory: String,
    /// When it was applied, or proposed if it never was.
    #[schema(value_type = super::Time)]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its files: path to content.
    pub files: BTreeMap<String, String>,
}
