//! Which runs are listed: by what they are chosen, and where that is looked up.

use std::collections::{BTreeSet, BinaryHeap};

use mainstay_model::Timestamp;
use mainstay_runbook::{Run, RunStatus};
use mainstay_store::{Journal, RowQuery, StoreError, rows_from};

use super::fold::{Begun, FACTS_TABLE, Facts, STATES_TABLE, active, folder, named, over_id, read_over};

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

    /// Whether a run that goes on may be one of those that are wanted.
    fn may_be(&self, facts: &Facts) -> bool {
        self.procedure.as_ref().is_none_or(|name| *name == facts.procedure)
            && self.sees(facts.workload.as_ref())
            && self.is_since(facts.started_at)
    }

    /// Whether that is as late as is wanted.
    fn is_since(&self, started_at: Timestamp) -> bool {
        self.since.is_none_or(|since| started_at >= since)
    }

    /// Whether nothing is asked but when they started.
    fn are_all(&self) -> bool {
        *self == Self { since: self.since, ..Self::default() }
    }

    /// The folders in which those stand that are over, none twice.
    fn folders(&self) -> Vec<String> {
        let workloads: Vec<Option<&str>> = match (&self.workload, &self.seen) {
            (Some(name), _) if !self.sees(Some(name)) => Vec::new(),
            (Some(name), _) => vec![Some(name)],
            (None, Some(seen)) => seen.iter().map(|name| Some(name.as_str())).collect(),
            (None, None) => vec![None],
        };
        let procedure = self.procedure.as_deref();
        let statuses = ENDS.into_iter().filter(|status| !self.active && self.in_state(*status));
        statuses
            .flat_map(|status| workloads.iter().map(move |workload| folder(*workload, procedure, status)))
            .collect()
    }

    /// Whether a run is one of those that are wanted.
    pub fn takes(&self, run: &Run) -> bool {
        self.procedure.as_ref().is_none_or(|name| *name == run.procedure)
            && self.sees(run.workload.as_ref())
            && !(self.active && run.status.is_over())
            && self.in_state(run.status)
            && self.is_since(run.started_at)
    }
}

/// The statuses with which a run is over.
const ENDS: [RunStatus; 4] =
    [RunStatus::Success, RunStatus::TimedOut, RunStatus::Cancelled, RunStatus::Failed];

/// The most rows that are read at once.
const PAGE: usize = 1000;

/// Runs that are wanted, the one that started last first, from behind `after` on. Looks at the small rows of all runs that
/// go on, and of those that are over at no more than it answers with and a few behind them: whatever is asked, a page costs
/// the same however many runs there have been.
pub fn list(
    journal: &dyn Journal,
    wanted: &Wanted,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Run>, StoreError> {
    if !wanted.are_all() {
        return chosen(journal, wanted, after, limit);
    }
    let mut found = Vec::new();
    let mut rows = rows_from(journal, FACTS_TABLE, RowQuery::newest(limit.min(PAGE)).from(after));
    while found.len() < limit
        && let Some((id, row)) = rows.next().transpose()?
    {
        let Ok(facts) = serde_json::from_value::<Facts>(row) else { continue };
        if !wanted.is_since(facts.started_at) {
            // Runs are in the order in which they began.
            break;
        }
        found.extend(named(journal, &id)?);
    }
    Ok(found)
}

/// The same where not all are wanted.
fn chosen(
    journal: &dyn Journal,
    wanted: &Wanted,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Run>, StoreError> {
    let behind = after.map(|id| place(journal, id)).transpose()?;
    // First those that go on: one that ends meanwhile is found among the others then, and not missed.
    let mut going_on: Vec<Begun> = Vec::new();
    for (run, facts) in active(journal)? {
        let is_behind = behind.as_ref().is_none_or(|(place, _)| facts.place < *place);
        if is_behind && wanted.may_be(&facts) {
            going_on.push(Begun { place: facts.place, at: facts.started_at, run });
        }
    }
    going_on.sort_by(|one, other| other.cmp(one));
    let mut found = Merged::default();
    found.add(going_on.into_iter().map(Ok))?;
    let folders = wanted.folders();
    let page = (limit / folders.len().max(1)).clamp(8, PAGE);
    for folder in folders {
        let after = behind.as_ref().map(|(place, run)| over_id(&folder, *place, run));
        let query = RowQuery { limit: page, ..RowQuery::under(folder).from(after) };
        let rows = rows_from(journal, STATES_TABLE, query);
        let over = rows.filter_map(|row| row.map(|(id, row)| read_over(&id, row)).transpose());
        found.add(over.take_while(|begun| !begun.as_ref().is_ok_and(|begun| !wanted.is_since(begun.at))))?;
    }
    let mut runs = Vec::new();
    while runs.len() < limit
        && let Some(begun) = found.next()?
    {
        // How a run that goes on stands is in its own row, and it may have ended since.
        runs.extend(named(journal, &begun.run)?.filter(|run| wanted.takes(run)));
    }
    Ok(runs)
}

/// Several lists of runs, each with what began last first, as one. A run that is in several of them comes once.
#[derive(Default)]
struct Merged<'a> {
    lists: Vec<Box<dyn Iterator<Item = Result<Begun, StoreError>> + 'a>>,
    /// The next of each list that has one.
    heads: BinaryHeap<(Begun, usize)>,
    /// The place of the last one: each run has its own.
    last: Option<u64>,
}

impl<'a> Merged<'a> {
    fn add(&mut self, list: impl Iterator<Item = Result<Begun, StoreError>> + 'a) -> Result<(), StoreError> {
        self.lists.push(Box::new(list));
        self.advance(self.lists.len() - 1)
    }

    fn advance(&mut self, list: usize) -> Result<(), StoreError> {
        let next = self.lists[list].next().transpose()?;
        self.heads.extend(next.map(|begun| (begun, list)));
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Begun>, StoreError> {
        while let Some((begun, list)) = self.heads.pop() {
            self.advance(list)?;
            if self.last.replace(begun.place) != Some(begun.place) {
                return Ok(Some(begun));
            }
        }
        Ok(None)
    }
}

/// The place of the event that began this run, and its id.
fn place(journal: &dyn Journal, id: String) -> Result<(u64, String), StoreError> {
    let row = journal.row(FACTS_TABLE, &id)?;
    match row.and_then(|row| serde_json::from_value::<Facts>(row).ok()) {
        Some(facts) => Ok((facts.place, id)),
        None => Err(StoreError::NoSuchRow { table: FACTS_TABLE.to_owned(), id }),
    }
}

/// Runs, the one that started last first.
pub fn newest(journal: &dyn Journal, after: Option<String>, limit: usize) -> Result<Vec<Run>, StoreError> {
    list(journal, &Wanted::default(), after, limit)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::BoxFuture;
    use mainstay_model::{Actor, Event, EventDraft, EventId, RunId};
    use mainstay_runbook::{Decision, Input, Origin, RunEvent, Start};
    use mainstay_store::{Head, MemoryJournal};
    use serde_json::{Map, Value};
    use tokio::sync::watch;

    use super::super::fold::tests::beginning;
    use super::*;

    /// A journal that counts the rows it has given.
    struct Counted {
        journal: MemoryJournal,
        rows: AtomicUsize,
    }

    impl Journal for Counted {
        fn append(&self, batch: Vec<EventDraft>) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
            self.journal.append(batch)
        }

        fn read(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
            self.journal.read(after, limit)
        }

        fn read_before(&self, before: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
            self.journal.read_before(before, limit)
        }

        fn read_by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError> {
            self.journal.read_by_id(source, id)
        }

        fn head(&self) -> Head {
            self.journal.head()
        }

        fn watch(&self) -> watch::Receiver<u64> {
            self.journal.watch()
        }

        fn cursor(&self, name: &str) -> Result<u64, StoreError> {
            self.journal.cursor(name)
        }

        fn advance(&self, name: &str, seq: u64) -> BoxFuture<'_, Result<(), StoreError>> {
            self.journal.advance(name, seq)
        }

        fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError> {
            self.rows.fetch_add(1, Ordering::Relaxed);
            self.journal.row(table, id)
        }

        fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError> {
            let rows = self.journal.rows(table, query)?;
            self.rows.fetch_add(rows.len(), Ordering::Relaxed);
            Ok(rows)
        }
    }

    /// What separates the parts of an id, and what stands for any, is in names as well.
    const WORKLOADS: [Option<&str>; 4] = [None, Some("shop"), Some("shop/p"), Some("*")];
    const PROCEDURES: [&str; 3] = ["p", "p/Success", "*"];

    /// After so many runs everything is as before: workload, procedure and end.
    const PERIOD: usize = 4 * 3 * 5;

    fn began(number: usize) -> Timestamp {
        Timestamp::from_millis(i64::try_from(number).expect("small") * 1000)
    }

    /// So many runs, one a second, of each workload, procedure and end; the last eight go on.
    async fn history(runs: usize) -> Counted {
        let (journal, document) = beginning();
        let by = || Actor::Person("alice".to_owned());
        for number in 0..runs {
            let start = Start {
                run: RunId::new(format!("r{number}")).expect("an id"),
                procedure: PROCEDURES[number / 4 % 3].to_owned(),
                workload: WORKLOADS[number % 4].map(str::to_owned),
                digest: String::new(),
                parameters: Map::new(),
                at: began(number),
                by: by(),
                reason: None,
                cause: None,
                host: None,
                origin: Origin::default(),
            };
            let mut step = mainstay_runbook::start(&document, start).expect("started");
            journal.append(step.events.iter().map(RunEvent::draft).collect()).await.expect("durable");
            if number + 8 >= runs {
                continue;
            }
            let attempt = step.run.waiting().expect("it waits").0.clone();
            let decide = |decision| Input::Decide { attempt, by: by(), decision };
            let input = match number % 5 {
                0 => Input::Cancel { by: by(), reason: "enough".to_owned() },
                1 => decide(Decision::Failed { message: "no".to_owned() }),
                _ => decide(Decision::Succeeded { outputs: Map::new() }),
            };
            step = mainstay_runbook::step(&document, &step.run, input, began(number));
            assert!(step.run.status.is_over());
            journal.append(step.events.iter().map(RunEvent::draft).collect()).await.expect("durable");
        }
        Counted { journal, rows: AtomicUsize::new(0) }
    }

    /// Every combination of what may be asked, but for the time.
    fn asked() -> Vec<Wanted> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let mut all = vec![Wanted::default()];
        let mut each = |change: &dyn Fn(&mut Wanted)| {
            let changed = all.clone();
            all.extend(changed.into_iter().map(|mut wanted| {
                change(&mut wanted);
                wanted
            }));
        };
        for status in ["Cancelled", "success", "Waiting"] {
            each(&|wanted| wanted.status.push(status.to_owned()));
        }
        each(&|wanted| wanted.active = true);
        each(&|wanted| wanted.procedure = Some("p".to_owned()));
        each(&|wanted| wanted.workload = Some("shop".to_owned()));
        each(&|wanted| wanted.seen = Some(names(&["shop", "*", "none"])));
        let of = |wanted: &Wanted| (wanted.procedure.is_some(), wanted.workload.is_some());
        for (procedure, workload) in [("p/Success", "shop/p"), ("*", "*"), ("none", "none")] {
            for mut wanted in all.clone().into_iter().filter(|wanted| of(wanted) != (false, false)) {
                wanted.procedure = wanted.procedure.and(Some(procedure.to_owned()));
                wanted.workload = wanted.workload.and(Some(workload.to_owned()));
                all.push(wanted);
            }
        }
        all
    }

    fn ids(runs: &[Run]) -> Vec<&str> {
        runs.iter().map(|run| run.id.as_str()).collect()
    }

    #[tokio::test]
    async fn page_after_page_gives_what_looking_at_every_run_gives() {
        let journal = history(2 * PERIOD + 8).await;
        let all = newest(&journal, None, 1000).expect("read");
        assert_eq!(all.len(), 2 * PERIOD + 8);
        for wanted in asked() {
            for since in [None, Some(began(PERIOD + 3))] {
                let wanted = Wanted { since, ..wanted.clone() };
                let right: Vec<&str> =
                    all.iter().filter(|run| wanted.takes(run)).map(|run| run.id.as_str()).collect();
                for page in [1, 7, 1000] {
                    let mut found: Vec<Run> = Vec::new();
                    loop {
                        let after = found.last().map(|run| run.id.to_string());
                        let runs = list(&journal, &wanted, after, page).expect("read");
                        let is_last = runs.len() < page;
                        found.extend(runs);
                        if is_last {
                            break;
                        }
                    }
                    assert_eq!(ids(&found), right, "{wanted:?}, {page} at once");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_page_costs_the_same_however_many_runs_there_have_been() {
        // So long that the folder of one workload, procedure and status is fuller than a page.
        let (short, long) = (15 * PERIOD, 40 * PERIOD);
        let (shorter, longer) = (history(short).await, history(long).await);
        let cost = |journal: &Counted, wanted: &Wanted, after: usize| -> (usize, usize) {
            journal.rows.store(0, Ordering::Relaxed);
            let found = list(journal, wanted, Some(format!("r{after}")), 5).expect("read");
            (found.len(), journal.rows.load(Ordering::Relaxed))
        };
        for wanted in asked() {
            let (found, rows) = cost(&longer, &wanted, long - 1);
            // The eight that go on; what is answered, which is three rows each; and what is read ahead: eight of each folder
            // of at most four statuses and three workloads.
            assert!(rows <= 1 + 8 + 8 * 3 + 2 * 12 * 8, "{rows} rows for {found} runs: {wanted:?}");
            assert_eq!(cost(&shorter, &wanted, short - 1), (found, rows), "{wanted:?}");
        }
    }
}
