//! What happened to a workload, from the journal's tables.

use mainstay_learn::docs::{Change, History, Incident, Run};
use mainstay_model::{RevisionId, Timestamp};
use mainstay_store::{Journal, StoreError};

use crate::analysis::Story;
use crate::revisions::{Revision, revision};
use crate::{incidents, runs};

/// How many of each kind are told.
const RECENT: usize = 20;

/// How many incidents are read again to say what they suggest. Each takes the events of its time.
const WITH_LESSONS: usize = 5;

/// How many rows are looked at to find those of one workload.
const MAX_ROWS: usize = 500;

fn time(at: Timestamp) -> String {
    at.to_string()
}

/// A revision, as documentation tells it.
pub fn change(revision: &Revision) -> Change {
    Change {
        revision: revision.revision.to_string(),
        applied_at: time(revision.applied_at),
        applied_by: revision.applied_by.to_string(),
        message: revision.message.clone(),
    }
}

/// What happened lately, the newest first. Blocks while the journal is read.
pub fn history(journal: &dyn Journal, current: &Revision) -> Result<History, StoreError> {
    let workload = &current.workload;
    let runs = runs::newest(journal, None, MAX_ROWS)?
        .into_iter()
        .filter(|run| run.workload.as_deref() == Some(workload))
        .take(RECENT)
        .map(|run| Run {
            id: run.id.to_string(),
            procedure: run.procedure.clone(),
            status: run.status.as_str().to_owned(),
            started_at: time(run.started_at),
            ended_at: run.finished_at.map(time),
            started_by: run.reason.clone().unwrap_or_else(|| run.by.to_string()),
        })
        .collect();
    let mut told = Vec::new();
    let rows = incidents::newest(journal, incidents::Kind::Of(workload), |_| true, None, RECENT)?;
    for row in &rows {
        let incident = &row.incident;
        let lessons =
            if told.len() < WITH_LESSONS { Story::read(journal, row)?.suggestions() } else { Vec::new() };
        let mut alarms: Vec<String> = incident.alarms.values().map(|alarm| alarm.alarm.clone()).collect();
        alarms.sort();
        alarms.dedup();
        told.push(Incident {
            id: incident.id.to_string(),
            title: incident.title.clone(),
            status: incident.status.as_str().to_owned(),
            opened_at: time(incident.opened_at),
            resolved_at: incident.resolved_at.map(time),
            alarms,
            lessons,
        });
    }
    Ok(History { changes: changes(journal, current)?, runs, incidents: told })
}

/// The revision and those it followed, each found by its parent's id.
fn changes(journal: &dyn Journal, current: &Revision) -> Result<Vec<Change>, StoreError> {
    let mut out = vec![change(current)];
    let mut parent: Option<RevisionId> = current.parent.clone();
    while let Some(id) = parent.take().filter(|_| out.len() < RECENT) {
        let Some(revision) = revision(journal, id.as_str())? else { break };
        out.push(change(&revision));
        parent = revision.parent;
    }
    Ok(out)
}
