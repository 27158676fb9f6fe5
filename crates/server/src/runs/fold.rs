//! The table of runs: each row is the run as the machine folds it from its events.

use mainstay_model::{Event, RunId};
use mainstay_runbook::{Run, RunEvent};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError};

/// The table's name.
pub const RUNS_TABLE: &str = "runs";

/// The ids of runs that are not over, so that a restart need not read all runs.
pub const ACTIVE_TABLE: &str = "runs_active";

/// Keeps [`RUNS_TABLE`].
pub struct RunsFold;

impl Fold for RunsFold {
    fn table(&self) -> &'static str {
        RUNS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(event) = RunEvent::from_event(event) else { return };
        let id = event.run.as_str();
        let before = rows.get(id).and_then(|row| serde_json::from_value::<Run>(row).ok());
        // An event that does not follow its run is left out of the table and stays in the journal; `journal rebuild`
        // after an upgrade that understands it puts it in.
        if let Ok(run) = Run::fold(before, &event)
            && let Ok(row) = serde_json::to_value(&run)
        {
            rows.put(id, &row);
        }
    }
}

/// Keeps [`ACTIVE_TABLE`].
pub struct ActiveFold;

impl Fold for ActiveFold {
    fn table(&self) -> &'static str {
        ACTIVE_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(event) = RunEvent::from_event(event) else { return };
        match event.kind() {
            "run.started" => rows.put(event.run.as_str(), &serde_json::json!({ "since": event.at })),
            "run.finished" => rows.remove(event.run.as_str()),
            _ => {}
        }
    }
}

fn read(id: &str, row: serde_json::Value) -> Result<Run, StoreError> {
    serde_json::from_value(row).map_err(|error| StoreError::Fold {
        table: RUNS_TABLE.to_owned(),
        seq: 0,
        reason: format!("the row `{id}` cannot be read ({error}); run `mainstay journal rebuild`"),
    })
}

/// One run.
pub fn run(journal: &dyn Journal, id: &RunId) -> Result<Option<Run>, StoreError> {
    journal.row(RUNS_TABLE, id.as_str())?.map(|row| read(id.as_str(), row)).transpose()
}

/// Every run that is not over, by id.
pub fn unfinished(journal: &dyn Journal) -> Result<Vec<Run>, StoreError> {
    const PAGE: usize = 256;
    let mut query = RowQuery::by_id(PAGE);
    let mut runs = Vec::new();
    loop {
        let page = journal.rows(ACTIVE_TABLE, &query)?;
        let last = page.last().map(|(id, _)| id.clone());
        let full = page.len() == PAGE;
        for (id, _) in page {
            if let Some(row) = journal.row(RUNS_TABLE, &id)? {
                runs.push(read(&id, row)?);
            }
        }
        match last {
            Some(id) if full => query = RowQuery::by_id(PAGE).after(id),
            _ => return Ok(runs),
        }
    }
}

/// Runs, the one that started last first.
pub fn newest(journal: &dyn Journal, after: Option<String>, limit: usize) -> Result<Vec<Run>, StoreError> {
    let query = RowQuery { newest_first: true, after_id: after, limit };
    journal.rows(RUNS_TABLE, &query)?.into_iter().map(|(id, row)| read(&id, row)).collect()
}
