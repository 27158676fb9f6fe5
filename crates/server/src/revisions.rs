//! Revisions: a workload's files as they were applied, in the journal.

use std::collections::BTreeMap;

use mainstay_model::{Actor, Event, EventDraft, EventId, RevisionId, Timestamp};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError, rows_from};
use serde_json::{Value, json};

/// The kind of event that makes a revision the wanted one.
pub const APPLIED: &str = "revision.applied";

/// The kind of event that writes a revision down before it is carried out. It is not wanted yet, and may never be.
pub const PROPOSED: &str = "revision.proposed";

/// The table of wanted revisions, by workload.
pub const WORKLOADS_TABLE: &str = "workloads";

/// The table of all revisions that were ever proposed or applied, by their id.
pub const REVISIONS_TABLE: &str = "revisions";

/// A workload's files and who wanted them.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Revision {
    /// The workload.
    pub workload: String,
    /// Derived from the parent and the content.
    pub revision: RevisionId,
    /// The revision it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RevisionId>,
    /// BLAKE3 over the directory's path and every file's path and content, 64 hex digits.
    pub digest: String,
    /// The directory on the hosts.
    pub directory: String,
    /// Every file that was read: path to content.
    pub files: BTreeMap<String, String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When.
    pub applied_at: Timestamp,
    /// By whom.
    pub applied_by: Actor,
}

/// The digest of a directory's content. Lengths are part of it, so that no two contents can be told as one.
pub fn digest(directory: &str, files: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part(directory);
    for (path, content) in files {
        part(path);
        part(content);
    }
    hasher.finalize().to_hex().to_string()
}

/// The id of a content that follows this parent.
pub fn revision_id(parent: Option<&RevisionId>, digest: &str) -> RevisionId {
    let parent = parent.map_or("", RevisionId::as_str);
    let hex = blake3::hash(format!("{parent}\n{digest}").as_bytes()).to_hex();
    RevisionId::new(&hex[..12]).expect("hex digits are an id")
}

impl Revision {
    /// The event that makes it the wanted one.
    pub fn draft(&self, summary: &Value) -> EventDraft {
        let id = EventId::new(format!("revision:{}", self.revision)).expect("a revision id is an id");
        self.event(id, APPLIED, summary)
    }

    /// The same, for the revision that a change leads to.
    pub fn draft_of(&self, summary: &Value, change: &str) -> EventDraft {
        let mut draft = self.draft(summary);
        draft.data["change"] = change.into();
        draft
    }

    /// The event that writes it down before it is carried out. Who proposes the same content after the same parent
    /// again proposes the same revision.
    pub fn proposal(&self, summary: &Value) -> EventDraft {
        let id = EventId::new(format!("proposed:{}", self.revision)).expect("a revision id is an id");
        self.event(id, PROPOSED, summary)
    }

    fn event(&self, id: EventId, kind: &str, summary: &Value) -> EventDraft {
        let data = json!({
            "workload": self.workload,
            "revision": self.revision,
            "parent": self.parent,
            "digest": self.digest,
            "directory": self.directory,
            "message": self.message,
            "summary": summary,
            "files": self.files,
        });
        EventDraft::new(id, kind, self.applied_at, self.applied_by.clone(), data)
            .subject(format!("workload/{}", self.workload))
            .workload(&self.workload)
    }

    /// The revision an event holds.
    fn from_event(event: &Event) -> Option<Self> {
        let mut data = event.data.clone();
        let fields = data.as_object_mut()?;
        fields.remove("summary");
        fields.remove("change");
        fields.insert("applied_at".to_owned(), json!(event.time));
        fields.insert("applied_by".to_owned(), json!(event.actor));
        serde_json::from_value(data).ok()
    }
}

/// Keeps [`WORKLOADS_TABLE`].
pub struct WorkloadsFold;

impl Fold for WorkloadsFold {
    fn table(&self) -> &'static str {
        WORKLOADS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if event.kind == APPLIED
            && let Some(revision) = Revision::from_event(event)
            && let Ok(row) = serde_json::to_value(&revision)
        {
            rows.put(&revision.workload, &row);
        }
    }
}

/// Keeps [`REVISIONS_TABLE`].
pub struct RevisionsFold;

impl Fold for RevisionsFold {
    fn table(&self) -> &'static str {
        REVISIONS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if (event.kind == APPLIED || event.kind == PROPOSED)
            && let Some(revision) = Revision::from_event(event)
            && let Ok(row) = serde_json::to_value(&revision)
        {
            rows.put(revision.revision.as_str(), &row);
        }
    }
}

/// One revision, whether it became the wanted one or not.
pub fn revision(journal: &dyn Journal, id: &str) -> Result<Option<Revision>, StoreError> {
    journal.row(REVISIONS_TABLE, id)?.map(|row| read(REVISIONS_TABLE, id, row)).transpose()
}

fn read(table: &str, id: &str, row: Value) -> Result<Revision, StoreError> {
    serde_json::from_value(row).map_err(|error| StoreError::Fold {
        table: table.to_owned(),
        seq: 0,
        reason: format!("the row `{id}` cannot be read ({error}); run `mainstay journal rebuild`"),
    })
}

/// Which revision of a workload is wanted.
pub fn wanted(journal: &dyn Journal, workload: &str) -> Result<Option<RevisionId>, StoreError> {
    let Some(row) = journal.row(WORKLOADS_TABLE, workload)? else { return Ok(None) };
    read(WORKLOADS_TABLE, workload, row).map(|revision| Some(revision.revision))
}

/// The wanted revision of every workload.
pub fn all(journal: &dyn Journal) -> Result<Vec<Revision>, StoreError> {
    // Few at once: each has all its files with it.
    let rows = rows_from(journal, WORKLOADS_TABLE, RowQuery::by_id(32));
    rows.map(|row| row.and_then(|(id, row)| read(WORKLOADS_TABLE, &id, row))).collect()
}
