//! Who goes on and who stands in line: limits on how many runs of a procedure go on at once.
//!
//! The truth is in the journal: a run that stands in line was journalled so, and so is its turn. What is kept here is an
//! index of the runs that are not over, read from the journal when it is first needed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_model::RunId;
use mainstay_runbook::{Queued, Run, RunStatus, Start};

use super::engine::{Inner, RunError, Word};

/// How many of the runs that go on are named where one stands in line behind them.
const NAMED: usize = 16;

/// What is limited: a procedure of a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    workload: Option<String>,
    procedure: String,
}

impl Key {
    pub(super) fn of(run: &Run) -> Self {
        Self { workload: run.workload.clone(), procedure: run.procedure.clone() }
    }
}

#[derive(Debug, Default)]
struct Line {
    running: BTreeSet<RunId>,
    waiting: VecDeque<RunId>,
}

/// The lines of all procedures.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Nothing until it was read from the journal.
    lines: Mutex<Option<BTreeMap<Key, Line>>>,
    /// One limited procedure is started at a time, so that who is first in the journal is first in line.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// Held from the look at the line until the run is in the journal.
pub(super) type Place = Option<tokio::sync::OwnedMutexGuard<()>>;

impl Inner {
    /// Does something with the lines, which are read from the journal if they have not been.
    fn lines<T>(&self, then: impl FnOnce(&mut BTreeMap<Key, Line>) -> T) -> Result<T, RunError> {
        let mut lines = self.lines.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lines) = lines.as_mut() {
            return Ok(then(lines));
        }
        let mut read: BTreeMap<Key, Line> = BTreeMap::new();
        let mut waiting: Vec<(u64, Key, RunId)> = Vec::new();
        for run in super::fold::unfinished(self.journal.as_ref())? {
            if run.status == RunStatus::Pending {
                let started = self
                    .journal
                    .read_by_id(mainstay_model::event::SOURCE_SERVER, &run.started_event())?
                    .map_or(u64::MAX, |event| event.seq);
                waiting.push((started, Key::of(&run), run.id));
            } else {
                read.entry(Key::of(&run)).or_default().running.insert(run.id);
            }
        }
        waiting.sort();
        for (_, key, run) in waiting {
            read.entry(key).or_default().waiting.push_back(run);
        }
        Ok(then(lines.insert(read)))
    }

    fn limit(&self, key: &Key) -> Option<usize> {
        let limit = self.procedures.limit(key.workload.as_deref(), &key.procedure)?;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Says in `start` whether the new run stands in line.
    pub(super) async fn place(&self, start: &mut Start) -> Result<Place, RunError> {
        let key = Key { workload: start.workload.clone(), procedure: start.procedure.clone() };
        // Read before the run is written: it must not be found there as well.
        self.lines(|_| ())?;
        let Some(limit) = self.limit(&key) else { return Ok(None) };
        let place = self.lines.gate.clone().lock_owned().await;
        start.origin.queued = self.lines(|lines| {
            let line = lines.get(&key)?;
            (line.running.len() >= limit || !line.waiting.is_empty()).then(|| Queued {
                limit: u32::try_from(limit).unwrap_or(u32::MAX),
                running: line.running.iter().take(NAMED).cloned().collect(),
                ahead: u32::try_from(line.waiting.len()).unwrap_or(u32::MAX),
            })
        })?;
        Ok(Some(place))
    }

    /// The run is in the journal.
    pub(super) fn join(&self, run: &Run) {
        // That the lines were read is seen to before; a failure here would be said there.
        let _ = self.lines(|lines| {
            if run.status.is_over() {
                return;
            }
            let line = lines.entry(Key::of(run)).or_default();
            if run.status == RunStatus::Pending {
                if !line.waiting.contains(&run.id) && !line.running.contains(&run.id) {
                    line.waiting.push_back(run.id.clone());
                }
            } else {
                line.running.insert(run.id.clone());
            }
        });
    }

    /// The run is over: whoever is next may go.
    pub(super) fn leave(&self, key: &Key, run: &RunId) {
        let left = self.lines(|lines| {
            if let Some(line) = lines.get_mut(key) {
                line.running.remove(run);
                line.waiting.retain(|waiting| waiting != run);
                if line.running.is_empty() && line.waiting.is_empty() {
                    lines.remove(key);
                }
            }
        });
        if let Err(error) = left.and_then(|()| self.let_go(key)) {
            tracing::error!(%error, procedure = key.procedure, "nobody knows whose turn it is");
        }
    }

    /// Whether it is the turn of a run that still stands in line by what the journal says.
    pub(super) fn may_go(&self, run: &Run) -> bool {
        run.status == RunStatus::Pending
            && self
                .lines(|lines| lines.get(&Key::of(run)).is_some_and(|line| line.running.contains(&run.id)))
                .unwrap_or(false)
    }

    pub(super) fn let_go(&self, key: &Key) -> Result<(), RunError> {
        let limit = self.limit(key).unwrap_or(usize::MAX);
        let go = self.lines(|lines| {
            let mut go = Vec::new();
            let Some(line) = lines.get_mut(key) else { return go };
            while line.running.len() < limit
                && let Some(next) = line.waiting.pop_front()
            {
                line.running.insert(next.clone());
                go.push(next);
            }
            go
        })?;
        for run in go {
            // One without a task hears it when it gets one.
            let _ = self.tell(&run, Word::Release);
        }
        Ok(())
    }

    /// Lets everybody go whose turn it is.
    pub(super) fn let_all_go(&self) -> Result<(), RunError> {
        let keys: Vec<Key> = self.lines(|lines| lines.keys().cloned().collect())?;
        keys.iter().try_for_each(|key| self.let_go(key))
    }
}
