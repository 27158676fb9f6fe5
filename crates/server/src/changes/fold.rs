//! The table of changes: each row is the change as the machine of `plan` folds it from its events, with what the journal
//! adds to it.

use mainstay_model::{Actor, Event, EventDraft, EventId, RevisionId, Timestamp};
use mainstay_plan::{Change, ChangeEvent};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError, all_rows, rows_from};
use serde_json::Value;

/// The table's name.
pub const CHANGES_TABLE: &str = "changes";

/// The ids of changes that are not over, so that a restart need not read all of them.
pub const OPEN_TABLE: &str = "changes_open";

/// What a change is about, said with its first event.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct About {
    /// Its id.
    pub change: String,
    /// The workload.
    pub workload: String,
    /// The revision that was wanted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<RevisionId>,
    /// The revision it leads to.
    pub revision: RevisionId,
    /// The earlier revision whose files it brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<RevisionId>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// What it is about.
    #[serde(flatten)]
    pub about: About,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When somebody approved or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// How many events it has.
    pub events: u64,
    /// What it does and how far it is.
    pub state: Change,
}

impl Record {
    /// Its events that follow, as the journal takes them. Their ids follow from their place, so that they can be
    /// appended again after an answer was lost.
    pub fn drafts(&self, events: &[ChangeEvent], at: Timestamp) -> Vec<EventDraft> {
        let place = self.events..;
        events.iter().zip(place).map(|(event, place)| draft(&self.about, event, place, at)).collect()
    }
}

/// The events that begin a change.
pub fn beginning(about: &About, events: &[ChangeEvent], at: Timestamp) -> Vec<EventDraft> {
    events.iter().zip(0..).map(|(event, place)| draft(about, event, place, at)).collect()
}

fn draft(about: &About, event: &ChangeEvent, place: u64, at: Timestamp) -> EventDraft {
    let id = EventId::new(format!("change:{}:{place}", about.change)).expect("a change's id is hex digits");
    let mut data = event.data();
    if let Value::Object(fields) = &mut data {
        fields.insert("change".to_owned(), about.change.clone().into());
        fields.insert("revision".to_owned(), about.revision.to_string().into());
        if matches!(event, ChangeEvent::Started { .. }) {
            fields.insert("about".to_owned(), serde_json::to_value(about).unwrap_or_default());
        }
    }
    let actor = match event {
        ChangeEvent::Started { request, .. } => request.by.clone(),
        ChangeEvent::Approved { by, .. }
        | ChangeEvent::Refused { by, .. }
        | ChangeEvent::Cancelled { by, .. } => by.clone(),
        _ => Actor::System("changes".to_owned()),
    };
    EventDraft::new(id, event.kind(), at, actor, data)
        .subject(format!("change/{}", about.change))
        .workload(&about.workload)
}

/// Keeps [`CHANGES_TABLE`].
pub struct ChangesFold;

impl Fold for ChangesFold {
    fn table(&self) -> &'static str {
        CHANGES_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some((id, happened)) = read_event(event) else { return };
        // An event that does not follow its change is left out of the table and stays in the journal.
        if let Some(record) = next(rows.read::<Record>(&id), &happened, event) {
            rows.write(&id, &record);
        }
    }
}

/// Keeps [`OPEN_TABLE`].
pub struct OpenFold;

impl Fold for OpenFold {
    fn table(&self) -> &'static str {
        OPEN_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(id) = event.data["change"].as_str() else { return };
        match event.kind.as_str() {
            "change.started" => {
                rows.put(id, &serde_json::json!({ "since": event.time, "workload": event.workload }));
            }
            "change.finished" => rows.remove(id),
            _ => {}
        }
    }
}

fn read_event(event: &Event) -> Option<(String, ChangeEvent)> {
    if !event.kind.starts_with("change.") {
        return None;
    }
    let happened = ChangeEvent::from_data(&event.data).ok()?;
    Some((event.data["change"].as_str()?.to_owned(), happened))
}

fn next(before: Option<Record>, happened: &ChangeEvent, event: &Event) -> Option<Record> {
    let Some(mut record) = before else {
        let about: About = serde_json::from_value(event.data["about"].clone()).ok()?;
        let state = Change::fold(None, happened).ok()?;
        let (started_at, ended_at, decided_at) = (event.time, None, None);
        return Some(Record { about, started_at, ended_at, decided_at, events: 1, state });
    };
    record.state.take(happened).ok()?;
    record.events += 1;
    match happened {
        ChangeEvent::Finished { .. } => record.ended_at = Some(event.time),
        ChangeEvent::Approved { .. } | ChangeEvent::Refused { .. } => record.decided_at = Some(event.time),
        _ => {}
    }
    Some(record)
}

fn read(id: &str, row: Value) -> Result<Record, StoreError> {
    serde_json::from_value(row).map_err(|error| StoreError::Fold {
        table: CHANGES_TABLE.to_owned(),
        seq: 0,
        reason: format!("the row `{id}` cannot be read ({error}); run `mainstay journal rebuild`"),
    })
}

/// One change.
pub fn change(journal: &dyn Journal, id: &str) -> Result<Option<Record>, StoreError> {
    journal.row(CHANGES_TABLE, id)?.map(|row| read(id, row)).transpose()
}

/// Every change that is not over, by id.
pub fn open(journal: &dyn Journal) -> Result<Vec<Record>, StoreError> {
    // There is one for each workload at most.
    let mut out = Vec::new();
    for row in all_rows(journal, OPEN_TABLE) {
        out.extend(change(journal, &row?.0)?);
    }
    Ok(out)
}

/// Changes, the one that was asked for last first; of one workload or of all.
pub fn newest(
    journal: &dyn Journal,
    wanted: impl Fn(&str) -> bool,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    rows_from(journal, CHANGES_TABLE, RowQuery::newest(100).from(after)).first(limit, |id, row| {
        let record = read(&id, row)?;
        Ok(wanted(&record.about.workload).then_some(record))
    })
}
