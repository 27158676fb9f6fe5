//! The tables of runs: the runs as the machine folds them from their events, and what they are found by.

use std::sync::{Mutex, PoisonError};

use mainstay_model::{Actor, Event, RunId, Timestamp};
use mainstay_runbook::{Head, Run, RunEvent, RunStatus};
use mainstay_store::{Fold, Journal, RowQuery, Rows, StoreError};
use serde::Deserialize as _;
use serde_json::Value;

use super::rows::{self, Memo};

/// The table of runs; [`super::rows`] says how one lies there.
pub const RUNS_TABLE: &str = "runs";

/// What runs are found by: under [`ACTIVE`] those that are not over, so that a restart need not read all runs; and those that
/// are over under [`OVER`], by workload, procedure and status, the one that started last first. A run lies in a folder for
/// each way to ask ([`folder`]), so that none of them has to look at runs that are not wanted.
pub const STATES_TABLE: &str = "runs_by_status";

/// Keeps [`RUNS_TABLE`].
#[derive(Default)]
pub struct RunsFold {
    memo: Mutex<Memo>,
}

impl Fold for RunsFold {
    fn table(&self) -> &'static str {
        RUNS_TABLE
    }

    /// 3: what the document of a run looks like is no concern of it.
    fn version(&self) -> u32 {
        3
    }

    fn is_listed(&self) -> bool {
        // The order of runs is in the tables of their facts.
        false
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if let Ok(event) = RunEvent::outline(event) {
            self.memo.lock().unwrap_or_else(PoisonError::into_inner).apply(&event, rows);
        }
    }
}

/// What the runs that are not over stand under in [`STATES_TABLE`].
pub(super) const ACTIVE: &str = "active";

/// What the runs that are over stand under in [`STATES_TABLE`].
const OVER: &str = "over";

/// What is kept of a run in [`FACTS_TABLE`], and while it is not over in [`STATES_TABLE`]: what runs are chosen by.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Facts {
    pub procedure: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    pub started_at: Timestamp,
    /// The place of the event that began it.
    pub place: u64,
}

impl Facts {
    /// A run that begins with this event.
    fn begun(head: Head, event: &Event) -> Self {
        let workload = event.workload.clone();
        Self { procedure: head.procedure, workload, started_at: event.time, place: event.seq }
    }
}

/// The row of a run that is not over.
fn active_id(run: &str) -> String {
    format!("{ACTIVE}/{run}")
}

/// Where the runs stand that ended with this status: those of a workload, of a procedure, of both, or all of them.
pub(super) fn folder(workload: Option<&str>, procedure: Option<&str>, status: RunStatus) -> String {
    // What separates the parts, and what stands for any, may be in a name as well: names are of other people.
    let part = |name: Option<&str>| match name {
        Some(name) => name.replace('%', "%25").replace('/', "%2F").replace('*', "%2A"),
        None => "*".to_owned(),
    };
    format!("{OVER}/{}/{}/{}", part(workload), part(procedure), status.as_str())
}

/// The row of a run that is over in one of its folders: by the ids, what started last stands first.
pub(super) fn over_id(folder: &str, place: u64, run: &str) -> String {
    format!("{folder}/{:020}/{run}", u64::MAX - place)
}

/// When a run that is over started, and which it is, by its row in one of its folders.
pub(super) fn read_over(id: &str, row: Value) -> Option<Begun> {
    let (before, run) = id.rsplit_once('/')?;
    let place = u64::MAX - before.rsplit_once('/')?.1.parse::<u64>().ok()?;
    Some(Begun { place, run: run.to_owned(), at: serde_json::from_value(row).ok()? })
}

/// When a run began, and which it is. The one that began last is the greatest.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Begun {
    /// The place of the event that began it.
    pub place: u64,
    pub run: String,
    pub at: Timestamp,
}

/// Keeps [`STATES_TABLE`].
pub struct StatesFold;

impl Fold for StatesFold {
    fn table(&self) -> &'static str {
        STATES_TABLE
    }

    /// 2: runs that are over are found by procedure and by workload, too. 3: of a run's first and last event it reads what it
    /// keeps, and not the rest.
    fn version(&self) -> u32 {
        3
    }

    fn is_listed(&self) -> bool {
        // The order is in the ids.
        false
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        // The other events are none of its, and need not be read to see that.
        let is_first = event.kind == "run.started";
        if !is_first && event.kind != "run.finished" {
            return;
        }
        let Ok(head) = Head::read(event) else { return };
        let (run, active) = (head.run.clone(), active_id(head.run.as_str()));
        match rows.read::<Facts>(&active) {
            None if is_first => rows.write(&active, &Facts::begun(head, event)),
            Some(before) if !is_first => {
                let Ok(status) = RunStatus::deserialize(&event.data["status"]) else { return };
                rows.remove(&active);
                let workloads = [None, before.workload.as_deref()];
                for workload in &workloads[..workloads.iter().flatten().count() + 1] {
                    for procedure in [None, Some(before.procedure.as_str())] {
                        let id = over_id(&folder(*workload, procedure, status), before.place, run.as_str());
                        rows.write(&id, &before.started_at);
                    }
                }
            }
            _ => {}
        }
    }
}

/// What runs began with that anything is decided by, in small rows: the order in which they began is that of these.
pub const FACTS_TABLE: &str = "runs_facts";

/// Keeps [`FACTS_TABLE`]: a row is written when a run begins.
pub struct FactsFold;

impl Fold for FactsFold {
    fn table(&self) -> &'static str {
        FACTS_TABLE
    }

    /// 3: how a run ended is no longer in it; the folders of [`STATES_TABLE`] say that. 4: of the event it reads what it
    /// keeps, and not the rest.
    fn version(&self) -> u32 {
        4
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if event.kind != "run.started" {
            return;
        }
        if let Ok(head) = Head::read(event)
            && rows.get_text(head.run.as_str()).is_none()
        {
            let run = head.run.clone();
            rows.write(run.as_str(), &Facts::begun(head, event));
        }
    }
}

/// The workload of a run: nothing if there is no such run, or it belongs to none.
pub fn workload_of(journal: &dyn Journal, id: &str) -> Result<Option<Option<String>>, StoreError> {
    let facts = journal.row(FACTS_TABLE, id)?.and_then(|row| serde_json::from_value::<Facts>(row).ok());
    Ok(facts.map(|facts| facts.workload))
}

/// One run.
pub fn run(journal: &dyn Journal, id: &RunId) -> Result<Option<Run>, StoreError> {
    rows::read(journal, id)
}

/// The person who started a run, or the run above it that started it; nothing where it began by itself.
pub fn behind(journal: &dyn Journal, id: &str) -> Result<Option<Actor>, StoreError> {
    let mut next = named(journal, id)?;
    while let Some(run) = next {
        match run.parent {
            Some(parent) => next = self::run(journal, &parent.run)?,
            None => return Ok(Some(run.by).filter(|by| matches!(by, Actor::Person(_)))),
        }
    }
    Ok(None)
}

/// Every run that is not over, by id.
pub fn unfinished(journal: &dyn Journal) -> Result<Vec<Run>, StoreError> {
    let mut runs = Vec::new();
    for (id, _) in active(journal)? {
        runs.extend(named(journal, &id)?);
    }
    Ok(runs)
}

/// Id and facts of every run that is not over, by id.
pub(super) fn active(journal: &dyn Journal) -> Result<Vec<(String, Facts)>, StoreError> {
    let rows = journal.rows(STATES_TABLE, &RowQuery::under(ACTIVE))?.into_iter();
    let read = |(id, row): (String, Value)| {
        let run = id.rsplit_once('/').map(|(_, run)| run.to_owned())?;
        Some((run, serde_json::from_value(row).ok()?))
    };
    Ok(rows.filter_map(read).collect())
}

/// The run that a row of another table names.
pub(super) fn named(journal: &dyn Journal, id: &str) -> Result<Option<Run>, StoreError> {
    RunId::new(id).ok().map_or(Ok(None), |id| rows::read(journal, &id))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use mainstay_model::Actor;
    use mainstay_runbook::{Document, Input, Origin, Start, Transition};
    use mainstay_store::MemoryJournal;
    use serde_json::json;

    use super::super::list::{Wanted, list};
    use super::*;

    /// An empty journal with the tables of runs, and a document whose runs pause until somebody decides.
    pub(in super::super) fn beginning() -> (MemoryJournal, Document) {
        let folds: Vec<Arc<dyn Fold>> =
            vec![Arc::new(RunsFold::default()), Arc::new(StatesFold), Arc::new(FactsFold)];
        let journal = MemoryJournal::new(folds).expect("folds");
        let value = json!({ "schemaVersion": "0.3", "mainSteps": [
            { "name": "p", "action": "aws:pause", "inputs": {} },
        ] });
        let document = Document::parse(&value).expect("right");
        (journal, document)
    }

    async fn append(journal: &MemoryJournal, step: &Transition) {
        let drafts = step.events.iter().map(RunEvent::draft).collect();
        journal.append(drafts).await.expect("durable");
    }

    /// Runs `r0` to `r9`, one a second, of the procedures `even` and `odd`; the first six are over, of which every third
    /// was cancelled.
    async fn journal() -> MemoryJournal {
        let (journal, document) = beginning();
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
        assert_eq!(ids(&active, Some("r8"), 1), ["r7"]);
        assert_eq!(ids(&active, Some("r4"), 9), Vec::<String>::new());
        // What goes on and what is over stand in one order, wherever they are looked up.
        let several = Wanted {
            status: vec!["waiting".to_owned(), "CANCELLED".to_owned(), "Failed".to_owned()],
            ..Wanted::default()
        };
        assert_eq!(ids(&several, None, 9), ["r9", "r8", "r7", "r6", "r3", "r0"]);
        assert_eq!(ids(&several, Some("r7"), 2), ["r6", "r3"]);
        assert_eq!(ids(&Wanted { since: Some(Timestamp::from_millis(3000)), ..several }, None, 9).len(), 5);
        assert!(ids(&state("no such"), None, 9).is_empty());
        let gone = list(&journal, &state("Failed"), Some("none".to_owned()), 9);
        assert!(matches!(gone, Err(StoreError::NoSuchRow { .. })), "{gone:?}");
        let on: Vec<String> =
            unfinished(&journal).expect("read").iter().map(|run| run.id.to_string()).collect();
        assert_eq!(on, ["r6", "r7", "r8", "r9"]);
    }
}
