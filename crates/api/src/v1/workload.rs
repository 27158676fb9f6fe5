//! Workloads, revisions and diagnostics on the wire.

use mainstay_model::Timestamp;
use serde_json::Value;

use super::{ChangeSummary, GitView};

/// One file of a workload directory. Text only: what Mainstay reads is text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileBody {
    /// Relative to the workload's directory, with `/`.
    pub path: String,
    /// Its content.
    pub content: String,
}

/// A request to make a directory's content the wanted state of its workload.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRevision {
    /// All its files.
    pub files: Vec<FileBody>,
    /// The directory they came from, as an absolute path on the host that runs the services: relative paths in `run`
    /// start there.
    pub directory: String,
    /// Why, in the words of who applies it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the files came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitView>,
    /// When something fails, leave what is done instead of rolling it back; the revision is the wanted one all the same.
    #[serde(default)]
    pub keep: bool,
    /// The earlier revision whose files these are, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<String>,
    /// What has to hold still; without it, whatever is wanted now is what the change starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// What somebody has seen and decided upon. If it no longer holds, nothing is applied.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The revision that is wanted; null for a workload that is not there yet.
    #[serde(default)]
    pub base: Option<String>,
    /// The digest of the files, as the plan said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The plan that was read, in its own format: the steps have to be the same still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
}

/// The answer to an apply.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Applied {
    /// The workload.
    pub workload: String,
    /// The revision it leads to. It is the wanted one once its change has ended well.
    pub revision: String,
    /// The one it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// False when the content was already the wanted one.
    pub changed: bool,
    /// What it changes on hosts that are connected now.
    pub changes: Vec<ChangeView>,
    /// Components for which there is no host now, with the reason.
    pub unplaced: Vec<String>,
    /// Warnings.
    pub warnings: Vec<DiagnosticView>,
    /// The change that carries it out; none when nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeSummary>,
}

/// One change to one host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ChangeView {
    /// The host.
    pub host: String,
    /// The component.
    pub component: String,
    /// What is done to it.
    #[schema(value_type = super::ChangeVerb)]
    pub change: String,
    /// The fields that differ, for an update.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// A workload's wanted state.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct WorkloadDetail {
    /// Its name.
    pub workload: String,
    /// Its title.
    pub title: String,
    /// Who owns it.
    pub owner: String,
    /// The wanted revision.
    pub revision: String,
    /// When it was applied.
    #[schema(value_type = super::Time)]
    pub applied_at: Timestamp,
    /// By whom.
    pub applied_by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its components.
    pub components: Vec<String>,
    /// Its procedures.
    pub procedures: Vec<String>,
    /// Its triggers.
    pub triggers: Vec<String>,
    /// Its alarms.
    pub alarms: Vec<String>,
}

/// A link that opens the documentation in a browser, once.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct DocsLink {
    /// The path with its code, to be put behind the server's address.
    pub path: String,
    /// Until when it may be opened.
    #[schema(value_type = super::Time)]
    pub expires_at: Timestamp,
}

/// One problem in one file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct DiagnosticView {
    /// A stable code.
    pub code: String,
    /// How bad it is.
    #[schema(value_type = super::DiagnosticSeverity)]
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// The file.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Where it ends; exclusive.
    pub end_line: usize,
    /// In characters, from 1; exclusive.
    pub end_column: usize,
    /// What stands under the underlined text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places it has to do with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedView>,
}

/// Another place a problem has to do with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RelatedView {
    /// What it has to do with it.
    pub message: String,
    /// The file.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}
