//! The tables of runs: the runs as the machine folds them from their events, and what they are found by.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use mainstay_model::{Event, RunId, Timestamp};
use mainstay_runbook::{Body, Run, RunEvent, RunStatus};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError};

use super::rows::{self, Memo};

/// The table of runs; [`super::rows`] says how one lies there.
pub const RUNS_TABLE: &str = "runs";

/// The ids of runs that are not over, so that a restart need not read all runs.
pub const ACTIVE_TABLE: &str = "runs_active";

/// Keeps [`RUNS_TABLE`].
#[derive(Default)]
pub struct RunsFold {
    memo: Mutex<Memo>,
}

impl Fold for RunsFold {
    fn table(&self) -> &'static str {
        RUNS_TABLE
    }

    fn version(&self) -> u32 {
        2
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if let Some(event) = RunEvent::from_event(event) {
            self.memo.lock().unwrap_or_else(PoisonError::into_inner).apply(&event, rows);
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
        // Most events of a run are none of the two, and need not be read to see that.
        if !matches!(event.kind.as_str(), "run.started" | "run.finished") {
            return;
        }
        let Some(event) = RunEvent::from_event(event) else { return };
        match event.kind() {
            "run.started" => rows.put(event.run.as_str(), &serde_json::json!({ "since": event.at })),
            "run.finished" => rows.remove(event.run.as_str()),
            _ => {}
        }
    }
}

/// What runs are chosen by, in rows so small that very many of them are looked through in no time.
pub const FACTS_TABLE: &str = "runs_facts";

/// One row of [`FACTS_TABLE`]. It is written when a run begins and when it is over.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Facts {
    procedure: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<String>,
    started_at: Timestamp,
    /// How it ended; the status of a run that goes on is in its own row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<RunStatus>,
}

/// Keeps [`FACTS_TABLE`].
pub struct FactsFold;

impl Fold for FactsFold {
    fn table(&self) -> &'static str {
        FACTS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        // Most events of a run are none of the two, and need not be read to see that.
        if !matches!(event.kind.as_str(), "run.started" | "run.finished") {
            return;
        }
        let Some(event) = RunEvent::from_event(event) else { return };
        let id = event.run.as_str();
        let before = rows.read::<Facts>(id);
        let after = match (event.body, before) {
            (Body::Started { .. }, None) => Facts {
                procedure: event.procedure,
                workload: event.workload,
                started_at: event.at,
                status: None,
            },
            (Body::Finished { status, .. }, Some(before)) => Facts { status: Some(status), ..before },
            _ => return,
        };
        rows.write(id, &after);
    }
}

/// The workload of a run: nothing if there is no such run, or it belongs to none.
pub fn workload_of(journal: &dyn Journal, id: &str) -> Result<Option<Option<String>>, StoreError> {
    let facts = journal.row(FACTS_TABLE, id)?.and_then(|row| serde_json::from_value::<Facts>(row).ok());
    Ok(facts.map(|facts| facts.workload))
}

/// Which runs are wanted; all of them by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Those in one of these states, as they are written, in any case of letters.
    pub status: Vec<String>,
    /// Those that are not over.
    pub active: bool,
    /// Those of this procedure.
    pub procedure: Option<String>,
    /// Those of this workload.
    pub workload: Option<String>,
    /// Those of one of these workloads; what who asks may see.
    pub seen: Option<BTreeSet<String>>,
    /// Those that started then or later.
    pub since: Option<Timestamp>,
}

impl Wanted {
    fn sees(&self, workload: Option<&String>) -> bool {
        self.workload.as_ref().is_none_or(|name| workload == Some(name))
            && self.seen.as_ref().is_none_or(|seen| workload.is_some_and(|name| seen.contains(name)))
    }

    /// Whether the status is one that is wanted.
    fn in_state(&self, status: RunStatus) -> bool {
        self.status.is_empty()
            || self.status.iter().any(|wanted| wanted.eq_ignore_ascii_case(status.as_str()))
    }

    fn may_be(&self, facts: &Facts) -> bool {
        self.procedure.as_ref().is_none_or(|name| *name == facts.procedure)
            && self.sees(facts.workload.as_ref())
            && facts.status.is_none_or(|status| !self.active && self.in_state(status))
    }

    /// Whether a run is one of those that are wanted.
    pub fn takes(&self, run: &Run) -> bool {
        self.procedure.as_ref().is_none_or(|name| *name == run.procedure)
            && self.sees(run.workload.as_ref())
            && !(self.active && run.status.is_over())
            && self.in_state(run.status)
            && self.since.is_none_or(|since| run.started_at >= since)
    }
}

/// Runs that are wanted, the one that started last first, from behind `after` on. Looks at small rows only, and at those
/// of the runs that it answers with.
pub fn list(
    journal: &dyn Journal,
    wanted: &Wanted,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Run>, StoreError> {
    const PAGE: usize = 1000;
    let mut found = Vec::new();
    let mut after = after;
    loop {
        let query = RowQuery::newest(PAGE.min(limit.max(1))).from(after.clone());
        let page = journal.rows(FACTS_TABLE, &query)?;
        let full = page.len() == query.limit;
        after = page.last().map(|(id, _)| id.clone()).or(after);
        for (id, row) in page {
            let Ok(facts) = serde_json::from_value::<Facts>(row) else { continue };
            if wanted.since.is_some_and(|since| facts.started_at < since) {
                // Runs are in the order in which they began.
                return Ok(found);
            }
            if !wanted.may_be(&facts) {
                continue;
            }
            let Some(run) = named(journal, &id)? else { continue };
            if wanted.takes(&run) {
                found.push(run);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
        if !full {
            return Ok(found);
        }
    }
}

/// The run that a row of another table names.
fn named(journal: &dyn Journal, id: &str) -> Result<Option<Run>, StoreError> {
    RunId::new(id).ok().map_or(Ok(None), |id| rows::read(journal, &id))
}

/// One run.
pub fn run(journal: &dyn Journal, id: &RunId) -> Result<Option<Run>, StoreError> {
    rows::read(journal, id)
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
            runs.extend(named(journal, &id)?);
        }
        match last {
            Some(id) if full => query = RowQuery::by_id(PAGE).after(id),
            _ => return Ok(runs),
        }
    }
}

/// Runs, the one that started last first.
pub fn newest(journal: &dyn Journal, after: Option<String>, limit: usize) -> Result<Vec<Run>, StoreError> {
    list(journal, &Wanted::default(), after, limit)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use mainstay_model::Actor;
    use mainstay_runbook::{Document, Input, Origin, Start, Transition};
    use mainstay_store::MemoryJournal;
    use serde_json::json;

    use super::*;

    async fn append(journal: &MemoryJournal, step: &Transition) {
        let drafts = step.events.iter().map(RunEvent::draft).collect();
        journal.append(drafts).await.expect("durable");
    }

    /// Runs `r0` to `r9`, one a second, of the procedures `even` and `odd`; the first six are over, of which every third
    /// was cancelled.
    async fn journal() -> MemoryJournal {
        let folds: Vec<Arc<dyn Fold>> =
            vec![Arc::new(RunsFold::default()), Arc::new(ActiveFold), Arc::new(FactsFold)];
        let journal = MemoryJournal::new(folds).expect("folds");
        let value = json!({ "schemaVersion": "0.3", "mainSteps": [
            { "name": "p", "action": "aws:pause", "inputs": {} },
        ] });
        let document = Document::parse(&value).expect("right");
        for number in 0..10 {
            let at = Timestamp::from_millis(number * 1000);
            let start = Start {
                run: RunId::new(format!("r{number}")).expect("an id"),
                procedure: if number % 2 == 0 { "even" } else { "odd" }.to_owned(),
                workload: (number < 5).then(|| "shop".to_owned()),
                digest: String::new(),
                parameters: serde_json::Map::new(),
                at,
                by: Actor::Person("alice".to_owned()),
                reason: None,
                cause: None,
                host: None,
                origin: Origin::default(),
            };
            let started = mainstay_runbook::start(&document, start).expect("started");
            append(&journal, &started).await;
            if number < 6 {
                let by = Actor::Person("alice".to_owned());
                let input = match started.run.waiting() {
                    Some((attempt, _)) if number % 3 > 0 => {
                        let outputs = serde_json::Map::new();
                        let decision = mainstay_runbook::Decision::Succeeded { outputs };
                        Input::Decide { attempt: attempt.clone(), by, decision }
                    }
                    _ => Input::Cancel { by, reason: "enough".to_owned() },
                };
                let over = mainstay_runbook::step(&document, &started.run, input, at);
                assert!(over.run.status.is_over());
                append(&journal, &over).await;
            }
        }
        journal
    }

    /// Rows of one table, as a journal keeps them.
    #[derive(Clone, Default)]
    struct Kept(BTreeMap<String, String>);

    impl Rows for Kept {
        fn get(&mut self, id: &str) -> Option<serde_json::Value> {
            serde_json::from_str(self.0.get(id)?).ok()
        }

        fn get_text(&mut self, id: &str) -> Option<String> {
            self.0.get(id).cloned()
        }

        fn put(&mut self, id: &str, value: &serde_json::Value) {
            self.0.insert(id.to_owned(), value.to_string());
        }

        fn put_text(&mut self, id: &str, text: String) {
            self.0.insert(id.to_owned(), text);
        }

        fn remove(&mut self, id: &str) {
            self.0.remove(id);
        }
    }

    #[tokio::test]
    async fn what_is_remembered_of_runs_changes_no_row_also_after_a_transaction_was_taken_back() {
        let events = journal().await.read(0, 1000).expect("read");
        let mut plain = Kept::default();
        for event in &events {
            // A fold that has seen nothing before has to read every row.
            RunsFold::default().apply(event, &mut plain);
        }
        let fold = RunsFold::default();
        let mut rows = Kept::default();
        for (place, event) in events.iter().enumerate() {
            let before = rows.clone();
            fold.apply(event, &mut rows);
            if place % 3 == 0 {
                rows = before;
                fold.apply(event, &mut rows);
            }
        }
        assert_eq!(rows.0, plain.0);
        assert_eq!(rows.0.keys().filter(|id| id.ends_with("/now")).count(), 10);
    }

    #[tokio::test]
    async fn runs_are_chosen_and_paged() {
        let journal = journal().await;
        let ids = |wanted: &Wanted, after: Option<&str>, limit: usize| -> Vec<String> {
            let found = list(&journal, wanted, after.map(str::to_owned), limit).expect("read");
            found.iter().map(|run| run.id.to_string()).collect()
        };
        let all = Wanted::default();
        assert_eq!(ids(&all, None, 3), ["r9", "r8", "r7"]);
        let state = |status: &str| Wanted { status: vec![status.to_owned()], ..Wanted::default() };
        assert_eq!(ids(&state("success"), None, 9), ["r5", "r4", "r2", "r1"]);
        assert_eq!(ids(&state("success"), Some("r4"), 9), ["r2", "r1"]);
        assert_eq!(ids(&state("Cancelled"), None, 9), ["r3", "r0"]);
        assert_eq!(
            ids(&state("Waiting"), None, 2),
            ["r9", "r8"],
            "of runs that go on the status is known too"
        );
        let even = Wanted { procedure: Some("even".to_owned()), ..Wanted::default() };
        assert_eq!(ids(&even, None, 9), ["r8", "r6", "r4", "r2", "r0"]);
        let shop = Wanted { workload: Some("shop".to_owned()), active: true, ..Wanted::default() };
        assert!(ids(&shop, None, 9).is_empty());
        let recent = Wanted { since: Some(Timestamp::from_millis(8000)), ..Wanted::default() };
        assert_eq!(ids(&recent, None, 9), ["r9", "r8"]);
        let active = Wanted { active: true, ..Wanted::default() };
        assert_eq!(ids(&active, None, 9), ["r9", "r8", "r7", "r6"]);
    }
}
