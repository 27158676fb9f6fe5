//! How a run lies in its table: under its id one row for what it began with, one for where it stands, and one for each
//! step that was touched. So an event writes what it changed, however long the run is.

use std::collections::BTreeMap;

use mainstay_model::RunId;
use mainstay_runbook::{Run, RunEvent, StepName, StepRecord};
use mainstay_store::{Journal, RowQuery, Rows, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};

use super::fold::RUNS_TABLE;

/// The runs that are remembered have rows of at most so many bytes together: thousands of runs that go on at once.
const MEMO_BYTES: usize = 64 << 20;

/// The row of what a run began with.
fn begin_id(run: &RunId) -> String {
    format!("{run}/begin")
}

/// The row of where a run stands.
fn now_id(run: &RunId) -> String {
    format!("{run}/now")
}

/// The row of the step at this place of the document. The places are in the order of their ids.
fn step_id(run: &RunId, place: usize) -> String {
    format!("{run}/step{place:05}")
}

/// What of a run never changes: its fields under their names, and the steps as the document has them.
fn begin_row(run: &Run) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Begin<'a> {
        procedure: &'a String,
        #[serde(skip_serializing_if = "Option::is_none")]
        workload: &'a Option<String>,
        digest: &'a String,
        parameters: &'a Map<String, Value>,
        by: &'a mainstay_model::Actor,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: &'a Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: &'a Option<mainstay_model::EventId>,
        started_at: mainstay_model::Timestamp,
        steps: Vec<StepName>,
        output_names: &'a Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parent: &'a Option<mainstay_runbook::Parent>,
        #[serde(skip_serializing_if = "Option::is_none")]
        continues: &'a Option<(RunId, String)>,
        #[serde(skip_serializing_if = "Option::is_none")]
        queued: &'a Option<mainstay_runbook::Queued>,
        #[serde(skip_serializing_if = "Option::is_none")]
        host: &'a Option<mainstay_model::HostId>,
    }
    serde_json::to_string(&Begin {
        procedure: &run.procedure,
        workload: &run.workload,
        digest: &run.digest,
        parameters: &run.parameters,
        by: &run.by,
        reason: &run.reason,
        cause: &run.cause,
        started_at: run.started_at,
        steps: run.steps.iter().map(StepRecord::step_name).collect(),
        output_names: &run.output_names,
        parent: &run.parent,
        continues: &run.continues,
        queued: &run.queued,
        host: &run.host,
    })
}

/// What of a run changes, but for its steps.
fn now_row(run: &Run) -> serde_json::Result<String> {
    // All fields by name: a new one has to find its row.
    let Run {
        id: _,
        procedure: _,
        workload: _,
        digest: _,
        parameters: _,
        by: _,
        reason: _,
        cause: _,
        started_at: _,
        output_names: _,
        parent: _,
        continues: _,
        queued: _,
        host: _,
        steps: _,
        status,
        finished_at,
        outputs,
        failure,
        events,
        position,
        variables,
        loops,
        cancelling,
        verdict,
    } = run;
    #[derive(Serialize)]
    struct Now<'a> {
        status: &'a mainstay_runbook::RunStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        finished_at: &'a Option<mainstay_model::Timestamp>,
        #[serde(skip_serializing_if = "Map::is_empty")]
        outputs: &'a Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: &'a Option<String>,
        events: u64,
        position: &'a mainstay_runbook::run::Position,
        #[serde(skip_serializing_if = "Map::is_empty")]
        variables: &'a Map<String, Value>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        loops: &'a [mainstay_runbook::run::LoopFrame],
        #[serde(skip_serializing_if = "Option::is_none")]
        cancelling: &'a Option<mainstay_runbook::run::Cancellation>,
        #[serde(skip_serializing_if = "Option::is_none")]
        verdict: &'a Option<mainstay_runbook::run::Verdict>,
    }
    serde_json::to_string(&Now {
        status,
        finished_at,
        outputs,
        failure,
        events: *events,
        position,
        variables,
        loops,
        cancelling,
        verdict,
    })
}

/// Puts a run together from its rows: what it began with, where it stands, and its steps by their places.
fn assemble(
    id: &RunId,
    begin: Value,
    now: Value,
    mut steps: BTreeMap<usize, Value>,
) -> Result<Run, serde_json::Error> {
    let shape = |what: &str| serde::de::Error::custom(format!("{what} is not a mapping"));
    let (Value::Object(mut fields), Value::Object(now)) = (begin, now) else { return Err(shape("it")) };
    let names: Vec<StepName> = serde_json::from_value(fields.remove("steps").unwrap_or_default())?;
    fields.extend(now);
    fields.insert("id".to_owned(), id.as_str().into());
    fields.insert("steps".to_owned(), Value::Array(Vec::new()));
    let mut run: Run = serde_json::from_value(Value::Object(fields))?;
    run.steps = names
        .iter()
        .enumerate()
        .map(|(place, name)| match steps.remove(&place) {
            Some(record) => serde_json::from_value(record),
            None => Ok(StepRecord::pending(name)),
        })
        .collect::<Result<_, _>>()?;
    Ok(run)
}

/// One run, as it was at one moment.
pub(super) fn read(journal: &dyn Journal, id: &RunId) -> Result<Option<Run>, StoreError> {
    let rows = journal.rows(RUNS_TABLE, &RowQuery::under(id.as_str()))?;
    let (mut begin, mut now, mut steps) = (None, None, BTreeMap::new());
    for (row, value) in rows {
        match &row[id.as_str().len() + 1..] {
            "begin" => begin = Some(value),
            "now" => now = Some(value),
            step => {
                if let Some(place) = step.strip_prefix("step").and_then(|place| place.parse().ok()) {
                    steps.insert(place, value);
                }
            }
        }
    }
    let (Some(begin), Some(now)) = (begin, now) else { return Ok(None) };
    assemble(id, begin, now, steps).map(Some).map_err(|error| StoreError::Fold {
        table: RUNS_TABLE.to_owned(),
        seq: 0,
        reason: format!("the rows of `{id}` cannot be read ({error}); run `mainstay journal rebuild`"),
    })
}

/// A run that is remembered.
struct Kept {
    run: Run,
    /// The text of the row that says where it stands.
    now: String,
    /// How many bytes each of its steps' rows has.
    steps: BTreeMap<usize, usize>,
    /// How many bytes all its rows have.
    bytes: usize,
    /// When it was last used.
    used: u64,
}

/// The runs that went on last.
///
/// To read a run from its rows takes longer than all the rest that an event asks for. So it is remembered, with the very
/// text of the row that says where it stands; where the row is not that text any more, because a transaction was taken
/// back or for whatever other reason, the rows are read.
#[derive(Default)]
pub(super) struct Memo {
    runs: BTreeMap<RunId, Kept>,
    by_use: BTreeMap<u64, RunId>,
    uses: u64,
    bytes: usize,
}

impl Memo {
    fn take(&mut self, id: &RunId) -> Option<Kept> {
        let kept = self.runs.remove(id)?;
        self.by_use.remove(&kept.used);
        self.bytes -= kept.bytes;
        Some(kept)
    }

    fn keep(&mut self, mut kept: Kept) {
        while self.bytes + kept.bytes > MEMO_BYTES {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.bytes -= self.runs.remove(&oldest).map_or(0, |kept| kept.bytes);
        }
        self.uses += 1;
        kept.used = self.uses;
        self.bytes += kept.bytes;
        self.by_use.insert(kept.used, kept.run.id.clone());
        self.runs.insert(kept.run.id.clone(), kept);
    }

    /// Takes in an event of a run. One that does not follow its run is left out of the table and stays in the journal;
    /// `journal rebuild` after an upgrade that understands it puts it in.
    pub(super) fn apply(&mut self, event: &RunEvent, rows: &mut dyn Rows) {
        let now_id = now_id(&event.run);
        let mut kept = match rows.get_text(&now_id) {
            None => None,
            Some(text) => match self.take(&event.run).filter(|kept| kept.now == text) {
                Some(kept) => Some(kept),
                None => load(&event.run, text, rows),
            },
        };
        let known = kept.as_ref().map_or(0, |kept| kept.run.events);
        let mut kept = match kept.take() {
            Some(mut before) => {
                if before.run.apply(event).is_err() {
                    // Nothing of it was taken in.
                    return self.keep(before);
                }
                before
            }
            None => {
                let Ok(run) = Run::fold(None, event) else { return };
                Kept { run, now: String::new(), steps: BTreeMap::new(), bytes: 0, used: 0 }
            }
        };
        if kept.run.events > known {
            kept.write(event, known == 0, &now_id, rows);
        }
        if !kept.run.status.is_over() {
            self.keep(kept);
        }
    }
}

impl Kept {
    fn write(&mut self, event: &RunEvent, begins: bool, now_id: &str, rows: &mut dyn Rows) {
        let id = &self.run.id;
        if begins && let Ok(row) = begin_row(&self.run) {
            self.bytes += row.len();
            rows.put_text(&begin_id(id), row);
        }
        for place in self.run.touched_by(event) {
            if let Ok(row) = serde_json::to_string(&self.run.steps[place]) {
                self.bytes += row.len();
                self.bytes -= self.steps.insert(place, row.len()).unwrap_or(0);
                rows.put_text(&step_id(id, place), row);
            }
        }
        if let Ok(row) = now_row(&self.run) {
            self.bytes += row.len();
            self.bytes -= self.now.len();
            self.now.clone_from(&row);
            rows.put_text(now_id, row);
        }
    }
}

/// A run that is not remembered, from its rows.
fn load(id: &RunId, now: String, rows: &mut dyn Rows) -> Option<Kept> {
    let begin = rows.get_text(&begin_id(id))?;
    let mut bytes = begin.len() + now.len();
    let begin: Value = serde_json::from_str(&begin).ok()?;
    let places = begin.get("steps").and_then(Value::as_array).map_or(0, Vec::len);
    let (mut steps, mut sizes) = (BTreeMap::new(), BTreeMap::new());
    for place in 0..places {
        if let Some(row) = rows.get_text(&step_id(id, place)) {
            bytes += row.len();
            sizes.insert(place, row.len());
            steps.insert(place, serde_json::from_str(&row).ok()?);
        }
    }
    let run = assemble(id, begin, serde_json::from_str(&now).ok()?, steps).ok()?;
    Some(Kept { run, now, steps: sizes, bytes, used: 0 })
}
