//! `mainstay:applyRevision` and `mainstay:rollback`: the files of an earlier revision as a new change, which is made and
//! carried out like one of `mainstay apply`. Limits hold it, people approve it, and the step waits for its end.

use mainstay_api::v1::{ChangeSummary, FileBody, NewRevision};
use mainstay_model::Actor;
use mainstay_runbook::{ApplyRevisionEffect, Outcome, RollbackEffect};
use serde_json::Map;

use super::{Control, outputs, refused};
use crate::changes;
use crate::revisions::{self, Revision};
use crate::runs::Act;

/// How many of a workload's changes are looked through for the one that an earlier server began for this attempt.
const LOOKED_THROUGH: usize = 500;

pub(super) async fn apply(control: &Control, act: &Act, effect: &ApplyRevisionEffect) -> Outcome {
    let found = Control::workload(act, effect.workload.as_deref())
        .and_then(|workload| revision(control, &workload, &effect.revision));
    match found {
        Ok(revision) => carry_out(control, act, revision, "apply").await,
        Err(outcome) => outcome,
    }
}

pub(super) async fn rollback(control: &Control, act: &Act, effect: &RollbackEffect) -> Outcome {
    let workload = match Control::workload(act, effect.workload.as_deref()) {
        Ok(workload) => workload,
        Err(outcome) => return outcome,
    };
    // The change that an earlier server began has already made another revision the current one.
    if let Some(change) = begun(control, act, &workload) {
        return ended(control, act, &change).await;
    }
    let id = match &effect.revision {
        Some(id) => id.clone(),
        None => {
            let Some(active) = control.catalogue.get(&workload) else {
                return Outcome::failed(format!("There is no workload {workload}"));
            };
            match &active.revision.parent {
                Some(parent) => parent.to_string(),
                None => {
                    return Outcome::failed(format!(
                        "Revision {} of {workload} is the first; there is none to go back to",
                        active.revision.revision
                    ));
                }
            }
        }
    };
    match revision(control, &workload, &id) {
        Ok(revision) => carry_out(control, act, revision, "rollback").await,
        Err(outcome) => outcome,
    }
}

fn revision(control: &Control, workload: &str, id: &str) -> Result<Revision, Outcome> {
    match revisions::revision(control.journal.as_ref(), id) {
        Ok(Some(revision)) if revision.workload == workload => Ok(revision),
        Ok(Some(revision)) => {
            Err(Outcome::failed(format!("Revision {id} is one of {}, not of {workload}", revision.workload)))
        }
        Ok(None) => Err(Outcome::failed(format!("There is no revision {id}"))),
        Err(error) => Err(refused(&error)),
    }
}

/// What a change of this attempt says of itself; it is how the change is found again.
fn words(act: &Act) -> String {
    format!("by procedure {}, attempt {}", act.procedure, act.attempt)
}

/// The change that was begun for this attempt.
fn begun(control: &Control, act: &Act, workload: &str) -> Option<String> {
    let suffix = words(act);
    let by = Actor::Run(act.run.to_string()).to_string();
    let known =
        changes::newest(control.journal.as_ref(), |name| name == workload, None, LOOKED_THROUGH).ok()?;
    known
        .iter()
        .map(changes::summary)
        .find(|change| {
            change.by == by && change.message.as_ref().is_some_and(|words| words.ends_with(&suffix))
        })
        .map(|change| change.id)
}

async fn carry_out(control: &Control, act: &Act, revision: Revision, what: &str) -> Outcome {
    if let Some(change) = begun(control, act, &revision.workload) {
        return ended(control, act, &change).await;
    }
    if act.stop.is_cancelled() {
        return Outcome::Cancelled;
    }
    let files = revision.files.into_iter().map(|(path, content)| FileBody { path, content }).collect();
    let new = NewRevision {
        files,
        directory: revision.directory,
        message: Some(format!("{what} of revision {} {}", revision.revision, words(act))),
        git: None,
        keep: false,
        restores: Some(revision.revision.to_string()),
        expect: None,
    };
    match control.applier.apply(new, Actor::Run(act.run.to_string()), &|_| Ok(())).await {
        Err(failure) => {
            let hint = failure.0.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            Outcome::failed(format!("{}{hint}", failure.0.title))
        }
        Ok(applied) => match applied.change {
            Some(change) => ended(control, act, &change.id).await,
            // What is wanted is wanted already.
            None => Outcome::Succeeded { outputs: outputs([("Revision", applied.revision.into())]) },
        },
    }
}

/// Waits for the end of a change.
async fn ended(control: &Control, act: &Act, id: &str) -> Outcome {
    let mut events = control.journal.watch();
    loop {
        events.borrow_and_update();
        let change = match changes::change(control.journal.as_ref(), id) {
            Ok(Some(record)) => changes::summary(&record),
            Ok(None) => return Outcome::failed(format!("Change {id} is gone")),
            Err(error) => return refused(&error),
        };
        if change.finished {
            return verdict(&change);
        }
        tokio::select! {
            () = act.stop.cancelled() => {
                return Outcome::Failed {
                    message: format!(
                        "It was stopped; change {id} goes on by itself, and `mainstay refuse {id}` ends it"
                    ),
                    outputs: told(&change),
                };
            }
            changed = events.changed() => if changed.is_err() {
                return refused(&mainstay_store::StoreError::Closed);
            },
            () = control.deadline(act) => {
                let how = match change.state.as_str() {
                    "held" => "still waits for an approval".to_owned(),
                    state => format!("is still {state}"),
                };
                return Outcome::TimedOut {
                    message: format!("Change {id} {how}; it goes on by itself"),
                    outputs: told(&change),
                };
            }
        }
    }
}

fn told(change: &ChangeSummary) -> Map<String, serde_json::Value> {
    outputs([("Change", change.id.clone().into()), ("Revision", change.revision.clone().into())])
}

fn verdict(change: &ChangeSummary) -> Outcome {
    if change.state == "applied" {
        return Outcome::Succeeded { outputs: told(change) };
    }
    let why = change.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Outcome::Failed {
        message: format!("Change {} ended {}{why}", change.id, change.state),
        outputs: told(change),
    }
}
