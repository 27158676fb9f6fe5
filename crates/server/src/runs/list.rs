//! Which runs are listed: by what they are chosen, and where that is looked up.

use std::collections::BTreeSet;

use mainstay_model::Timestamp;
use mainstay_runbook::{Run, RunStatus};
use mainstay_store::{Journal, RowQuery, StoreError};

use super::fold::{FACTS_TABLE, Facts, ended_id, named, under};

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

    /// Whether a run started as late as is wanted.
    fn since_then(&self, facts: &Facts) -> bool {
        self.since.is_none_or(|since| facts.started_at >= since)
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
/// of the runs that it answers with; where a status is wanted, at none of the runs that ended with another.
pub fn list(
    journal: &dyn Journal,
    wanted: &Wanted,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Run>, StoreError> {
    const PAGE: usize = 1000;
    if wanted.active || !wanted.status.is_empty() {
        return by_status(journal, wanted, after, limit);
    }
    let mut found = Vec::new();
    let mut after = after;
    loop {
        // Where few are wanted, many small rows are looked at: in large pages.
        let size = if *wanted == Wanted::default() { limit.clamp(1, PAGE) } else { PAGE };
        let query = RowQuery::newest(size).from(after.clone());
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

/// The statuses with which a run is over.
const ENDS: [RunStatus; 4] =
    [RunStatus::Success, RunStatus::TimedOut, RunStatus::Cancelled, RunStatus::Failed];

/// The same where only some statuses are wanted.
fn by_status(
    journal: &dyn Journal,
    wanted: &Wanted,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Run>, StoreError> {
    let behind = after.map(|id| place(journal, id)).transpose()?;
    let mut found: Vec<(u64, String)> = Vec::new();
    for status in ENDS.into_iter().filter(|status| !wanted.active && wanted.in_state(*status)) {
        ended(journal, wanted, status, behind.as_ref(), limit, &mut found)?;
    }
    let is_behind = |facts: &Facts| behind.as_ref().is_none_or(|(place, _)| facts.place < *place);
    let active = super::fold::active(journal)?.into_iter();
    let active =
        active.filter(|(_, facts)| is_behind(facts) && wanted.since_then(facts) && wanted.may_be(facts));
    found.extend(active.map(|(id, facts)| (facts.place, id)));
    found.sort_by(|one, other| other.cmp(one));
    let mut runs = Vec::new();
    for (_, id) in found {
        if runs.len() == limit {
            break;
        }
        // How a run that goes on stands is in its own row, and it may have ended since.
        runs.extend(named(journal, &id)?.filter(|run| wanted.takes(run)));
    }
    Ok(runs)
}

/// The place of the event that began this run, and its id.
fn place(journal: &dyn Journal, id: String) -> Result<(u64, String), StoreError> {
    let row = journal.row(FACTS_TABLE, &id)?;
    match row.and_then(|row| serde_json::from_value::<Facts>(row).ok()) {
        Some(facts) => Ok((facts.place, id)),
        None => Err(StoreError::NoSuchRow { table: FACTS_TABLE.to_owned(), id }),
    }
}

/// Adds the first runs that ended with this status and are wanted, as many as are asked for in all.
fn ended(
    journal: &dyn Journal,
    wanted: &Wanted,
    status: RunStatus,
    behind: Option<&(u64, String)>,
    limit: usize,
    found: &mut Vec<(u64, String)>,
) -> Result<(), StoreError> {
    const PAGE: usize = 1000;
    let mut after = behind.map(|(place, id)| ended_id(status, *place, id));
    let most = found.len() + limit;
    loop {
        let asked = PAGE.min(limit.max(1));
        let page = under(journal, status.as_str(), after, asked)?;
        let is_last = page.len() < asked;
        after = page.last().map(|(id, facts)| ended_id(status, facts.place, id));
        for (id, facts) in page {
            if !wanted.since_then(&facts) || found.len() == most {
                return Ok(());
            }
            if wanted.may_be(&facts) {
                found.push((facts.place, id));
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Runs, the one that started last first.
pub fn newest(journal: &dyn Journal, after: Option<String>, limit: usize) -> Result<Vec<Run>, StoreError> {
    list(journal, &Wanted::default(), after, limit)
}
