//! Runs that other runs start: started once, followed to their end, cancelled with their parents.

use std::sync::{Arc, PoisonError};

use mainstay_model::{Actor, RunId};
use mainstay_runbook::document::Language;
use mainstay_runbook::{AttemptId, Input, Outcome, Run, child};

use super::drive::News;
use super::engine::{Inner, RunError, Word};

/// How a run stands, as far as the one that started it needs to know.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// Whether it is over.
    pub over: bool,
    /// What it waits for, in words for its parent.
    pub waits: Option<String>,
}

impl Inner {
    /// Starts the child of an attempt if it is not there and may be started, and answers with the next thing its parent
    /// has to know: that it is over, or that it waits for something else than before.
    pub(super) async fn follow_child(
        self: Arc<Self>,
        parent: Run,
        attempt: AttemptId,
        may_start: bool,
    ) -> News {
        let failed = |attempt: AttemptId, reason: String| {
            News::Input(Input::Settled { attempt, outcome: Outcome::failed(reason) })
        };
        let known = parent.open_attempt().and_then(|open| open.child_waits.clone());
        match self.child_of(&parent, may_start).await {
            Ok(Some(child)) if child.status.is_over() => News::ChildOver(attempt, Box::new(child)),
            Ok(Some(child)) => self.watch_child(child, attempt, known).await,
            Ok(None) => News::Input(Input::Settled { attempt, outcome: Outcome::Cancelled }),
            Err(Refusal::Never(reason)) => failed(attempt, reason),
            // The journal did not take it. Nothing was started, and asking again may help.
            Err(Refusal::NotNow(error)) => {
                tracing::error!(run = %parent.id, %error, "a child could not be started; trying again");
                self.clock.until(self.clock.now().plus(std::time::Duration::from_secs(1))).await;
                News::Nothing
            }
        }
    }

    async fn child_of(self: &Arc<Self>, parent: &Run, may_start: bool) -> Result<Option<Run>, Refusal> {
        let Some(effect) = parent.open_child() else { return Ok(None) };
        if let Some(run) = super::fold::run(self.journal.as_ref(), &effect.run).map_err(not_now)? {
            self.drive(run.clone(), None);
            return Ok(Some(run));
        }
        if !may_start {
            return Ok(None);
        }
        let found =
            self.procedures.find(parent.workload.as_deref(), &effect.procedure).map_err(Refusal::Never)?;
        if found.document.language == Language::Command {
            return Err(Refusal::Never(format!(
                "{} is a Command document: aws:runCommand runs those, on hosts",
                effect.procedure
            )));
        }
        let Some(start) = child::start(parent, found.digest, self.clock.now()) else { return Ok(None) };
        match self.start(&found.document, start, Vec::new()).await {
            Ok(run) => Ok(Some(run)),
            Err(RunError::Refused(problems)) => {
                let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let reasons = reasons.join("; ");
                Err(Refusal::Never(format!("{} could not be started: {reasons}", effect.procedure)))
            }
            Err(error) => Err(not_now(error)),
        }
    }

    async fn watch_child(self: Arc<Self>, child: Run, attempt: AttemptId, known: Option<String>) -> News {
        let seen = {
            let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            active.get(&child.id).map(|handle| handle.seen.clone())
        };
        if let Some(mut seen) = seen {
            loop {
                let now = seen.borrow_and_update().clone();
                if now.over {
                    break;
                }
                if now.waits != known {
                    return News::Input(Input::Child { attempt, waiting: now.waits });
                }
                if seen.changed().await.is_err() {
                    break;
                }
            }
        }
        match super::fold::run(self.journal.as_ref(), &child.id) {
            Ok(Some(run)) if run.status.is_over() => News::ChildOver(attempt, Box::new(run)),
            // Its task ended before the run did: the server stops, or the run cannot go on, which it has said.
            _ => std::future::pending().await,
        }
    }

    /// Cancels the child of an attempt that is being stopped, as soon as it is there. One that never was there needs
    /// none: whoever follows it says so.
    pub(super) async fn stop_child(self: Arc<Self>, parent: StoppingParent, child: RunId) {
        let mut head = self.journal.watch();
        loop {
            head.borrow_and_update();
            match super::fold::run(self.journal.as_ref(), &child) {
                Ok(Some(run)) if run.status.is_over() => return,
                Ok(Some(run)) => {
                    self.drive(run, None);
                    let by = Actor::Run(parent.run.to_string());
                    let word = Word::Cancel { by, reason: parent.reason.clone() };
                    if self.tell(&child, word).is_ok() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::error!(run = %child, %error, "a child cannot be cancelled yet"),
            }
            if head.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Who stops a child, and why.
pub(super) struct StoppingParent {
    run: RunId,
    reason: String,
}

impl StoppingParent {
    pub(super) fn of(run: &Run) -> Self {
        let step = run.open_attempt().map(|open| open.step.clone()).unwrap_or_default();
        let reason = match &run.cancelling {
            Some(cancelling) => format!("Run {} is being cancelled: {}", run.id, cancelling.reason),
            None => format!("Step {step} of run {} ran into its time limit", run.id),
        };
        Self { run: run.id.clone(), reason }
    }
}

/// Why a child is not there.
enum Refusal {
    /// It cannot be started, now or later.
    Never(String),
    /// The journal did not answer.
    NotNow(RunError),
}

fn not_now(error: impl Into<RunError>) -> Refusal {
    Refusal::NotNow(error.into())
}
