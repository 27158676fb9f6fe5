//! A run as the fold of its events.

mod fold;
mod record;
mod status;

use mainstay_model::{Actor, EventId, HostId, RunId, Timestamp};
use serde_json::{Map, Value};

use crate::effect::{Action, AttemptId, ChildEffect, Effect, EffectKind, Outcome, TimerId, seconds};
use crate::event::{Parent, Queued, RunEvent};

pub use record::{Attempt, AttemptRecord, LoopFrame, StepRecord};
pub use status::{RunStatus, StepStatus};

/// How long after an attempt's deadline the machine itself asks for its end. Performers end it at the deadline; this
/// is for the one that did not.
pub const STOP_GRACE_S: u64 = 5;

/// Where a run stands between its events.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum Position {
    /// It stands in line and nothing of it has begun.
    Queued {
        /// The step it will begin with.
        step: Option<String>,
    },
    /// This step is to begin.
    Before {
        /// The step.
        step: String,
    },
    /// An attempt is going on.
    Trying {
        /// Which.
        attempt: Attempt,
    },
    /// An attempt is over and nothing has followed from it yet.
    Settled {
        /// Which.
        attempt: Attempt,
        /// What it came to.
        outcome: Outcome,
        /// Whether a person said so.
        decided: bool,
    },
    /// Nobody knows what an attempt came to; a person has to say.
    Undecided {
        /// Which.
        attempt: Attempt,
        /// Why nobody knows.
        reason: String,
    },
    /// A pause: a person has to say that the run goes on.
    Paused {
        /// Which attempt.
        attempt: Attempt,
        /// What for.
        reason: String,
    },
    /// An iteration of a loop is over.
    Iterated {
        /// The loop.
        step: String,
    },
    /// There is no further step.
    End,
    /// The run is over.
    Over,
}

/// A cancellation.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Cancellation {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// When it has to be over.
    pub deadline: Timestamp,
    /// Whether the step that was cancelled is over, so that what runs now is the way out it named.
    pub on_way_out: bool,
}

/// One execution of a document. Made by [`crate::start`], changed by [`Run::apply`] only.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The procedure's name.
    pub procedure: String,
    /// The workload it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The digest of the document it is pinned to. The document itself is in the run's first event.
    pub digest: String,
    /// Its parameters, defaults filled in.
    pub parameters: Map<String, Value>,
    /// Who started it.
    pub by: Actor,
    /// Why it was started, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<EventId>,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Its steps, in the document's order.
    pub steps: Vec<StepRecord>,
    /// The document's outputs, once it is over.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How many events it has.
    pub events: u64,
    /// Where it stands.
    pub position: Position,
    /// The names of the document's outputs, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_names: Vec<String>,
    /// The run that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The run it goes on with, and the step it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<(RunId, String)>,
    /// What it stood in line behind when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// The variables with their values.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub variables: Map<String, Value>,
    /// The host of a Command document, where it is not the control plane's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The loops that are going on, the innermost last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loops: Vec<LoopFrame>,
    /// Whether it is being cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling: Option<Cancellation>,
    /// The bad end that is settled already: of the first critical step, or of the step that aborts the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// A bad end that a run cannot escape any more.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// Failed or timed out.
    pub status: RunStatus,
    /// Why.
    pub failure: String,
}

/// Why an event does not belong where it was put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The first event is not the start of a run.
    #[error("event {number} of run {run} ({kind}) came before the run's start")]
    NotStarted {
        /// The run.
        run: RunId,
        /// The event's place.
        number: u64,
        /// Its kind.
        kind: &'static str,
    },
    /// An event is missing, or the event belongs to another run.
    #[error("run {run} has {have} events and was given event {number} of run {of}")]
    OutOfOrder {
        /// The run.
        run: RunId,
        /// How many it has.
        have: u64,
        /// The run of the event.
        of: RunId,
        /// The event's place.
        number: u64,
    },
}

impl Run {
    /// The record of a step.
    pub fn step(&self, name: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The steps that were reached, in the document's order.
    pub fn reached(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|step| step.status != StepStatus::Pending)
    }

    /// The attempt that is going on.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        match &self.position {
            Position::Trying { attempt } => Some(attempt),
            _ => None,
        }
    }

    /// What the run waits for a person to say, and for which attempt.
    pub fn waiting(&self) -> Option<(&AttemptId, &str)> {
        match &self.position {
            Position::Undecided { attempt, reason } | Position::Paused { attempt, reason } => {
                Some((&attempt.attempt, reason))
            }
            _ => None,
        }
    }

    /// What the run waits for, in sentence case: a person, a child that waits, or its turn.
    pub fn waits_for(&self) -> Option<String> {
        match &self.position {
            Position::Queued { .. } => self.queued.as_ref().map(|queued| self.turn(queued)),
            Position::Undecided { reason, .. } | Position::Paused { reason, .. } => Some(reason.clone()),
            Position::Trying { attempt } => attempt.child_waits.clone(),
            _ => None,
        }
    }

    fn turn(&self, queued: &Queued) -> String {
        let running: Vec<&str> = queued.running.iter().map(RunId::as_str).collect();
        let ahead = match queued.ahead {
            0 => String::new(),
            1 => "; one run stood in line before it".to_owned(),
            more => format!("; {more} runs stood in line before it"),
        };
        format!(
            "At most {} of {} may go on at once, and {} did when it was asked for{ahead}",
            match queued.limit {
                1 => "one run".to_owned(),
                more => format!("{more} runs"),
            },
            self.procedure,
            running.join(", "),
        )
    }

    /// The child that is going on.
    pub fn open_child(&self) -> Option<&ChildEffect> {
        match &self.open_attempt()?.effect {
            Some(EffectKind::Child(child)) => Some(child),
            _ => None,
        }
    }

    /// The event that holds the document this run is pinned to.
    pub fn started_event(&self) -> EventId {
        RunEvent::id_of(&self.id, 1)
    }

    /// What has to be done now, all of it, each time anew: performing any of it again is harmless. Empty for a run
    /// that is over, waits for a person, or has not been advanced since its last event ([`crate::Input::Resume`]).
    pub fn outstanding(&self) -> Vec<Action> {
        if let Position::Paused { attempt, .. } = &self.position {
            let wake = attempt.deadline.map(|at| Action::Wake { timer: attempt.wake_timer().0, at });
            return wake.into_iter().collect();
        }
        let Position::Trying { attempt } = &self.position else { return Vec::new() };
        let mut actions = Vec::new();
        match &attempt.effect {
            Some(_) if attempt.stopping.is_some() => actions.push(Action::Stop {
                attempt: attempt.attempt.clone(),
                dispatched: attempt.dispatched.clone(),
            }),
            Some(kind) => {
                actions.push(Action::Perform(Effect {
                    attempt: attempt.attempt.clone(),
                    deadline: attempt.deadline,
                    kind: kind.clone(),
                    dispatched: attempt.dispatched.clone(),
                }));
                if let Some((timer, at)) = attempt.stop_timer() {
                    actions.push(Action::Wake { timer, at });
                }
            }
            None => {
                let (timer, at) = attempt.wake_timer();
                actions.push(Action::Wake { timer, at });
            }
        }
        actions
    }
}

impl Attempt {
    /// For a sleep: the timer that ends it, at its end or at its deadline, whichever is first.
    pub(crate) fn wake_timer(&self) -> (TimerId, Timestamp) {
        let until = self.until.unwrap_or_default();
        let at = self.deadline.map_or(until, |deadline| deadline.min(until));
        (TimerId(format!("{}.wake", self.attempt)), at)
    }

    /// For an effect with a deadline: the timer after which the machine asks for its end. A child has no performer that
    /// could end it before.
    pub(crate) fn stop_timer(&self) -> Option<(TimerId, Timestamp)> {
        let grace = if matches!(self.effect, Some(EffectKind::Child(_))) { 0 } else { STOP_GRACE_S };
        let at = self.deadline?.plus(seconds(grace));
        Some((TimerId(format!("{}.stop", self.attempt)), at))
    }
}
