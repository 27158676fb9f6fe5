//! The state of a change: the fold of its events.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_model::{HostId, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{ActionId, ChangeEvent, End, Outcome, Request, shared};
use crate::limits::Hold;
use crate::value::{Plan, Verb};

/// How far an action is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Not begun.
    #[default]
    Waiting,
    /// Begun, and not known to have worked.
    Going,
    /// Begun, and its host is away.
    Lost {
        /// What is known.
        reason: String,
    },
    /// Its outcome is known, or its time is over.
    Done {
        /// What became of it.
        outcome: Outcome,
        /// Why, where it is not good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// What is known of one action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionState {
    /// The way there.
    #[serde(default)]
    pub forward: Progress,
    /// The way back; waiting if there is none.
    #[serde(default)]
    pub back: Progress,
}

impl ActionState {
    /// Whether its host was ever told to do it.
    pub fn begun(&self) -> bool {
        !matches!(self.forward, Progress::Waiting | Progress::Done { outcome: Outcome::Skipped, .. })
    }

    /// What became of it so far, with why.
    pub fn outcome(&self) -> Option<(Outcome, Option<&str>)> {
        [&self.back, &self.forward].into_iter().find_map(|progress| match progress {
            Progress::Done { outcome, reason } => Some((*outcome, reason.as_deref())),
            _ => None,
        })
    }
}

/// A wave that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveState {
    /// Its place in the plan.
    pub wave: usize,
    /// Its actions.
    pub actions: Vec<ActionId>,
    /// When what is not known to have worked counts as failed.
    pub deadline: Timestamp,
}

/// What a change is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began, and nothing followed yet.
    #[default]
    Started,
    /// It waits for an approval.
    Held,
    /// Its waves go on.
    Applying,
    /// What was begun goes back.
    RollingBack,
    /// It is over.
    Finished(End),
}

/// What a host should run of a component while a change goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// What the revision says that the plan was made against.
    Current,
    /// What the plan leads to.
    Next,
    /// Nothing.
    Absent,
}

/// A change and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The plan.
    #[serde(with = "shared")]
    pub plan: Arc<Plan>,
    /// Who wants it, and how.
    pub request: Request,
    /// Why it needs an approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// What it is doing.
    pub phase: Phase,
    /// The approval or refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Why somebody wants it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<String>,
    /// What failed first, with why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The wave that goes on, forward or back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<WaveState>,
    /// Every action, in the order of the plan.
    pub actions: Vec<ActionState>,
    /// Why it ended, where it was not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What somebody decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether they approved.
    pub approved: bool,
    /// Who.
    pub by: mainstay_model::Actor,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether it is their own change.
    #[serde(default)]
    pub own: bool,
}

/// Why an event does not follow from the state: the journal was changed, or written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The first event is not `change.started`, or a later one is.
    #[error("`{kind}` cannot come here: a change begins with `change.started`, once")]
    NotStarted {
        /// The kind of the event.
        kind: &'static str,
    },
    /// An event after the last one.
    #[error("`{kind}` comes after `change.finished`")]
    Over {
        /// The kind of the event.
        kind: &'static str,
    },
    /// It names something that the plan does not have.
    #[error("`{kind}` names {what} {place}, which the plan does not have")]
    OutOfPlan {
        /// The kind of the event.
        kind: &'static str,
        /// `wave` or `action`.
        what: &'static str,
        /// Its place.
        place: usize,
    },
}

impl Change {
    /// The change that an event begins, or the change after one more event.
    pub fn fold(state: Option<Self>, event: &ChangeEvent) -> Result<Self, FoldError> {
        match (state, event) {
            (None, ChangeEvent::Started { plan, request, holds }) => Ok(Self {
                actions: vec![ActionState::default(); plan.actions.len()],
                plan: Arc::clone(plan),
                request: request.clone(),
                holds: holds.clone(),
                phase: Phase::Started,
                decision: None,
                cancelled: None,
                failure: None,
                wave: None,
                reason: None,
            }),
            (None, event) | (Some(_), event @ ChangeEvent::Started { .. }) => {
                Err(FoldError::NotStarted { kind: event.kind() })
            }
            (Some(mut state), event) => {
                state.take(event)?;
                Ok(state)
            }
        }
    }

    /// Takes one more event in.
    pub fn take(&mut self, event: &ChangeEvent) -> Result<(), FoldError> {
        self.belongs(event)?;
        match event {
            ChangeEvent::Started { .. } => {}
            ChangeEvent::Held { .. } => self.phase = Phase::Held,
            ChangeEvent::Approved { by, message, own } => {
                let (by, message) = (by.clone(), message.clone());
                self.decision = Some(Decision { approved: true, by, message, own: *own });
            }
            ChangeEvent::Refused { by, message } => {
                let (by, message) = (by.clone(), message.clone());
                self.decision = Some(Decision { approved: false, by, message, own: false });
            }
            ChangeEvent::Cancelled { by, message } => {
                let message = message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                self.cancelled = Some(format!("{by} cancelled it{message}"));
            }
            ChangeEvent::WaveStarted { wave, back, actions, deadline } => {
                self.phase = if *back { Phase::RollingBack } else { Phase::Applying };
                for action in actions {
                    *self.way(*action, *back) = Progress::Going;
                }
                self.wave = Some(WaveState { wave: *wave, actions: actions.clone(), deadline: *deadline });
            }
            ChangeEvent::ActionLost { action, reason } => {
                *self.way(*action, self.is_going_back()) = Progress::Lost { reason: reason.clone() };
            }
            ChangeEvent::ActionReturned { action } => {
                *self.way(*action, self.is_going_back()) = Progress::Going;
            }
            ChangeEvent::ActionFinished { actions, outcome, reason } => {
                let back = self.is_going_back();
                for action in actions {
                    *self.way(*action, back) = Progress::Done { outcome: *outcome, reason: reason.clone() };
                }
                if !back && matches!(outcome, Outcome::Failed | Outcome::Unknown) && self.failure.is_none() {
                    self.failure = Some(self.tell(actions, *outcome, reason.as_deref()));
                }
            }
            ChangeEvent::RollingBack { .. } => {
                self.phase = Phase::RollingBack;
                self.wave = None;
            }
            ChangeEvent::Finished { end, reason, .. } => {
                self.phase = Phase::Finished(*end);
                self.reason.clone_from(reason);
                self.wave = None;
                for action in &mut self.actions {
                    if action.forward == Progress::Waiting {
                        action.forward = Progress::Done { outcome: Outcome::Skipped, reason: None };
                    }
                }
            }
        }
        Ok(())
    }

    fn belongs(&self, event: &ChangeEvent) -> Result<(), FoldError> {
        let kind = event.kind();
        if matches!(self.phase, Phase::Finished(_)) {
            return Err(FoldError::Over { kind });
        }
        let actions = match event {
            ChangeEvent::Started { .. } => return Err(FoldError::NotStarted { kind }),
            ChangeEvent::WaveStarted { wave, .. } if *wave >= self.plan.waves.len() => {
                return Err(FoldError::OutOfPlan { kind, what: "wave", place: *wave });
            }
            ChangeEvent::WaveStarted { actions, .. } | ChangeEvent::ActionFinished { actions, .. } => {
                actions.as_slice()
            }
            ChangeEvent::ActionLost { action, .. } | ChangeEvent::ActionReturned { action } => {
                std::slice::from_ref(action)
            }
            _ => &[],
        };
        match actions.iter().find(|action| **action >= self.actions.len()) {
            Some(place) => Err(FoldError::OutOfPlan { kind, what: "action", place: *place }),
            None => Ok(()),
        }
    }

    fn way(&mut self, action: ActionId, back: bool) -> &mut Progress {
        let state = &mut self.actions[action];
        if back { &mut state.back } else { &mut state.forward }
    }

    /// What failed, as people read it.
    fn tell(&self, actions: &[ActionId], outcome: Outcome, reason: Option<&str>) -> String {
        let first = actions.first().and_then(|action| self.plan.actions.get(*action));
        let first = first.map_or("nothing", |action| action.resource.address.as_str());
        let more = actions.len().saturating_sub(1);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let word = if outcome == Outcome::Unknown { "is unknown" } else { "failed" };
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{first}{more} {word}{reason}")
    }

    /// Whether what was begun goes back.
    pub fn is_going_back(&self) -> bool {
        self.phase == Phase::RollingBack
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<End> {
        match self.phase {
            Phase::Finished(end) => Some(end),
            _ => None,
        }
    }

    /// When somebody has to say what time it is: what is not known to have worked then counts as failed.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.wave.as_ref().map(|wave| wave.deadline)
    }

    /// What the host of an action should run of its component now.
    pub fn wanted_of(&self, action: ActionId) -> Option<Wanted> {
        let (state, action) = (self.actions.get(action)?, self.plan.actions.get(action)?);
        let stays = match self.phase {
            Phase::Finished(End::Applied) => true,
            Phase::Finished(End::KeptPart | End::Cancelled) => self.request.keep && state.begun(),
            Phase::Finished(_) => false,
            // A wave's action goes back with its wave, so that a dependency is there as long as what needs it.
            Phase::RollingBack => state.begun() && state.back == Progress::Waiting,
            _ => state.begun(),
        };
        Some(match (stays, action.verb) {
            (true, Verb::Remove) | (false, Verb::Create) => Wanted::Absent,
            (true, _) => Wanted::Next,
            (false, _) => Wanted::Current,
        })
    }

    /// What each host should run of each component that the plan changes there. What is not named runs as the revision
    /// says that the plan was made against; for hosts that joined since, nothing is changed before the end.
    ///
    /// After the end this is what the end means: the next declaration after [`End::Applied`], the one before after the
    /// others, and what was begun after [`End::KeptPart`]. It stays true until another change or revision replaces it.
    pub fn wanted(&self) -> BTreeMap<(HostId, String), Wanted> {
        let mut out = BTreeMap::new();
        for (place, action) in self.plan.actions.iter().enumerate() {
            if let (Some(host), Some(wanted)) = (&action.resource.host, self.wanted_of(place)) {
                out.insert((host.clone(), action.resource.name.clone()), wanted);
            }
        }
        out
    }

    /// How many actions have which outcome so far.
    pub fn outcomes(&self) -> BTreeMap<Outcome, usize> {
        let mut out = BTreeMap::new();
        for state in &self.actions {
            if let Some((outcome, _)) = state.outcome() {
                *out.entry(outcome).or_default() += 1;
            }
        }
        out
    }
}
