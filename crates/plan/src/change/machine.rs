//! What follows from a change and what is heard: the next events.
//!
//! [`step`] takes at most one event from the input itself. Everything else follows from the state alone, one event after
//! the other, until nothing does. So the events of a step may be journalled one by one, and a crash between any two of
//! them loses nothing: whoever folds them and says [`Input::Resume`] gets the rest.

use std::sync::Arc;
use std::time::Duration;

use mainstay_model::{Actor, Timestamp};

use super::event::{ActionId, ChangeEvent, End, Outcome, Request};
use super::state::{ActionState, Change, Phase, Progress};
use crate::limits::Hold;
use crate::value::{Plan, Stage};

/// What is heard of an action: of the service on its host, held against what [`Change::wanted_of`] says of it now.
/// Who reports makes sure of that: what is said of a service as it was before its host was told is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is as it is wanted: it runs what is wanted and works, or is gone where nothing is wanted.
    Ready,
    /// It cannot be as it is wanted.
    Failed {
        /// Why, as the host says it.
        reason: String,
    },
    /// The host is away: nobody can say.
    HostLost,
    /// The host is back. What it runs is told by another report.
    HostBack,
}

/// What a change may hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing: after a restart, or because the time came that [`Change::next_deadline`] named.
    Resume,
    /// What is heard of an action.
    Report {
        /// The action.
        action: ActionId,
        /// What.
        report: Report,
    },
    /// Somebody approves it.
    Approve {
        /// Who.
        by: Actor,
        /// What they say.
        message: Option<String>,
    },
    /// Somebody refuses it.
    Refuse {
        /// Who.
        by: Actor,
        /// What they say.
        message: Option<String>,
    },
    /// Somebody wants it to end.
    Cancel {
        /// Who.
        by: Actor,
        /// What they say.
        message: Option<String>,
    },
}

/// Begins to carry a plan out: the first events, and the state they lead to. With holds it waits for an approval.
pub fn start(
    plan: Arc<Plan>,
    request: Request,
    holds: Vec<Hold>,
    at: Timestamp,
) -> (Change, Vec<ChangeEvent>) {
    let first = ChangeEvent::Started { plan, request, holds };
    let mut state = Change::fold(None, &first).expect("the first event is the one that begins");
    let mut events = vec![first];
    settle(&mut state, at, &mut events);
    (state, events)
}

/// What follows from an input at this time. Empty where it changes nothing; [`Change::refuses`] says why for what
/// people ask. Folding the events into the state gives the next one.
pub fn step(state: &Change, input: &Input, at: Timestamp) -> Vec<ChangeEvent> {
    let mut state = state.clone();
    let mut events = Vec::new();
    settle(&mut state, at, &mut events);
    if let Some(event) = state.heard(input) {
        push(&mut state, event, &mut events);
        settle(&mut state, at, &mut events);
    }
    events
}

fn push(state: &mut Change, event: ChangeEvent, events: &mut Vec<ChangeEvent>) {
    state.take(&event).expect("the machine's own events follow from its state");
    events.push(event);
}

/// Appends all that follows without an input.
fn settle(state: &mut Change, at: Timestamp, events: &mut Vec<ChangeEvent>) {
    while let Some(event) = state.due(at) {
        push(state, event, events);
    }
}

impl Change {
    /// Why an input of people is not taken, as they read it.
    pub fn refuses(&self, input: &Input) -> Option<String> {
        let asked = match input {
            Input::Approve { .. } => "approved",
            Input::Refuse { .. } => "refused",
            Input::Cancel { .. } => "cancelled",
            Input::Resume | Input::Report { .. } => return None,
        };
        if self.heard(input).is_some() {
            return None;
        }
        let now = match self.phase {
            Phase::Finished(end) => format!("it is over: {}", end.words()),
            Phase::RollingBack => "it is being rolled back".to_owned(),
            _ if self.cancelled.is_some() => "it was cancelled already".to_owned(),
            _ if self.decision.is_some() => "that was decided already".to_owned(),
            _ => "it waits for no approval".to_owned(),
        };
        Some(format!("The change cannot be {asked}: {now}"))
    }

    /// The one event that an input itself is.
    fn heard(&self, input: &Input) -> Option<ChangeEvent> {
        let undecided = self.phase == Phase::Held && self.decision.is_none() && self.cancelled.is_none();
        match input {
            Input::Resume => None,
            Input::Approve { by, message } => undecided.then(|| ChangeEvent::Approved {
                by: by.clone(),
                message: message.clone(),
                own: self.request.is_of(by),
            }),
            Input::Refuse { by, message } => {
                undecided.then(|| ChangeEvent::Refused { by: by.clone(), message: message.clone() })
            }
            Input::Cancel { by, message } => {
                let open = matches!(self.phase, Phase::Held | Phase::Applying) && self.cancelled.is_none();
                open.then(|| ChangeEvent::Cancelled { by: by.clone(), message: message.clone() })
            }
            Input::Report { action, report } => self.reported(*action, report),
        }
    }

    fn reported(&self, action: ActionId, report: &Report) -> Option<ChangeEvent> {
        let state = self.actions.get(action)?;
        let back = match self.phase {
            Phase::Applying => false,
            Phase::RollingBack => true,
            _ => return None,
        };
        let progress = if back { &state.back } else { &state.forward };
        let finished =
            |outcome, reason| Some(ChangeEvent::ActionFinished { actions: vec![action], outcome, reason });
        match (progress, report) {
            (Progress::Going, Report::HostLost) => {
                let reason = "its host is away".to_owned();
                Some(ChangeEvent::ActionLost { action, reason })
            }
            (Progress::Lost { .. }, Report::HostBack) => Some(ChangeEvent::ActionReturned { action }),
            (Progress::Going | Progress::Lost { .. }, Report::Ready) => {
                finished(if back { Outcome::RolledBack } else { Outcome::Applied }, None)
            }
            (Progress::Going | Progress::Lost { .. }, Report::Failed { reason }) => {
                if back {
                    let (outcome, reason) = self.failed_back(action, reason);
                    finished(outcome, Some(reason))
                } else {
                    finished(Outcome::Failed, Some(reason.clone()))
                }
            }
            // What was ready and fails while the change still goes on has not worked.
            (Progress::Done { outcome: Outcome::Applied, .. }, Report::Failed { reason })
                if self.plan.actions.get(action).is_some_and(|action| action.after.is_some()) =>
            {
                finished(Outcome::Failed, Some(format!("it was ready, and then {reason}")))
            }
            _ => None,
        }
    }

    /// What a failure on the way back is: where it did not work before, it need not work now.
    fn failed_back(&self, action: ActionId, reason: &str) -> (Outcome, String) {
        let was = self.plan.actions.get(action).and_then(|action| action.was.as_ref());
        if was.is_none_or(crate::Sighting::worked) {
            (Outcome::RollbackFailed, reason.to_owned())
        } else {
            (Outcome::RolledBack, format!("it did not work before the change either: {reason}"))
        }
    }

    /// The next event that follows from the state alone.
    fn due(&self, at: Timestamp) -> Option<ChangeEvent> {
        match self.phase {
            Phase::Finished(_) => None,
            Phase::Started if !self.holds.is_empty() => Some(ChangeEvent::Held { holds: self.holds.clone() }),
            Phase::Started => Some(self.next_wave(at)),
            Phase::Held => self.decided(at),
            Phase::Applying => self.forward(at),
            Phase::RollingBack => self.backward(at),
        }
    }

    fn decided(&self, at: Timestamp) -> Option<ChangeEvent> {
        if let Some(reason) = &self.cancelled {
            return Some(self.finished(End::Cancelled, Some(reason.clone())));
        }
        let decision = self.decision.as_ref()?;
        if decision.approved {
            return Some(self.next_wave(at));
        }
        let message = decision.message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        Some(self.finished(End::Refused, Some(format!("{} refused it{message}", decision.by))))
    }

    fn forward(&self, at: Timestamp) -> Option<ChangeEvent> {
        let wave = self.wave.as_ref()?;
        if self.plan.waves.get(wave.wave).is_some_and(|wave| wave.stage == Stage::Declarations) {
            let going = self.going(&wave.actions, |state| &state.forward);
            if !going.is_empty() {
                return Some(ChangeEvent::ActionFinished {
                    actions: going,
                    outcome: Outcome::Applied,
                    reason: None,
                });
            }
        }
        let stop = self.failure.as_ref().or(self.cancelled.as_ref());
        if let Some(reason) = stop.filter(|_| !self.request.keep) {
            return Some(ChangeEvent::RollingBack { reason: reason.clone() });
        }
        if let Some(late) = self.late(wave.deadline, at, &wave.actions, |state| &state.forward) {
            return Some(late);
        }
        let open = |action: &ActionId| {
            self.actions
                .get(*action)
                .is_some_and(|state| matches!(state.forward, Progress::Going | Progress::Lost { .. }))
        };
        if wave.actions.iter().any(open) {
            return None;
        }
        Some(match stop {
            None => self.next_wave(at),
            Some(reason) if self.cancelled.is_some() => self.finished(End::Cancelled, Some(reason.clone())),
            Some(reason) => self.finished(End::KeptPart, Some(reason.clone())),
        })
    }

    fn backward(&self, at: Timestamp) -> Option<ChangeEvent> {
        if let Some(wave) = &self.wave {
            if self.plan.waves.get(wave.wave).is_some_and(|wave| wave.stage == Stage::Declarations) {
                let going = self.going(&wave.actions, |state| &state.back);
                if !going.is_empty() {
                    let (outcome, reason) = (Outcome::RolledBack, None);
                    return Some(ChangeEvent::ActionFinished { actions: going, outcome, reason });
                }
            }
            if let Some(late) = self.late(wave.deadline, at, &wave.actions, |state| &state.back) {
                return Some(late);
            }
            let open = |action: &ActionId| {
                self.actions
                    .get(*action)
                    .is_some_and(|state| matches!(state.back, Progress::Going | Progress::Lost { .. }))
            };
            if wave.actions.iter().any(open) {
                return None;
            }
        }
        for wave in (0..self.plan.waves.len()).rev() {
            let actions: Vec<ActionId> = self
                .plan
                .in_wave(wave)
                .map(|(place, _)| place)
                .filter(|place| {
                    self.actions
                        .get(*place)
                        .is_some_and(|state| state.begun() && state.back == Progress::Waiting)
                })
                .collect();
            if !actions.is_empty() {
                return Some(self.wave_started(wave, true, actions, at));
            }
        }
        let whole = self
            .actions
            .iter()
            .filter(|state| state.begun())
            .all(|state| matches!(state.back, Progress::Done { outcome: Outcome::RolledBack, .. }));
        let reason = self.failure.clone().or_else(|| self.cancelled.clone());
        Some(match (whole, self.failure.is_some()) {
            (false, _) => {
                let what = reason.unwrap_or_default();
                self.finished(End::Failed, Some(format!("{what}; not all of it could be rolled back")))
            }
            (true, true) => self.finished(End::RolledBack, reason),
            (true, false) => self.finished(End::Cancelled, reason),
        })
    }

    /// The actions of a wave that are begun and not known to have worked.
    fn going(&self, actions: &[ActionId], way: fn(&ActionState) -> &Progress) -> Vec<ActionId> {
        let is_going =
            |place: &&ActionId| self.actions.get(**place).is_some_and(|state| *way(state) == Progress::Going);
        actions.iter().filter(is_going).copied().collect()
    }

    /// What became of actions whose time is over. An action whose host is away is unknown, and that is not good.
    fn late(
        &self,
        deadline: Timestamp,
        at: Timestamp,
        actions: &[ActionId],
        way: fn(&ActionState) -> &Progress,
    ) -> Option<ChangeEvent> {
        if at < deadline {
            return None;
        }
        let lost = actions.iter().find_map(|place| match self.actions.get(*place).map(way)? {
            Progress::Lost { reason } => Some((*place, reason)),
            _ => None,
        });
        if let Some((place, reason)) = lost {
            let reason = Some(format!("{reason}, and its time is over"));
            let outcome = Outcome::Unknown;
            return Some(ChangeEvent::ActionFinished { actions: vec![place], outcome, reason });
        }
        let going = self.going(actions, way);
        let first = *going.first()?;
        let reason = "it was not ready when its time was over".to_owned();
        if !self.is_going_back() {
            let outcome = Outcome::Failed;
            return Some(ChangeEvent::ActionFinished { actions: going, outcome, reason: Some(reason) });
        }
        let (outcome, reason) = self.failed_back(first, &reason);
        let same = going.into_iter().filter(|place| self.failed_back(*place, "").0 == outcome).collect();
        Some(ChangeEvent::ActionFinished { actions: same, outcome, reason: Some(reason) })
    }

    fn next_wave(&self, at: Timestamp) -> ChangeEvent {
        let next = self.wave.as_ref().map_or(0, |wave| wave.wave + 1);
        if next >= self.plan.waves.len() {
            return self.finished(End::Applied, None);
        }
        let actions = self.plan.in_wave(next).map(|(place, _)| place).collect();
        self.wave_started(next, false, actions, at)
    }

    fn wave_started(&self, wave: usize, back: bool, actions: Vec<ActionId>, at: Timestamp) -> ChangeEvent {
        let needed = actions.iter().filter_map(|place| self.plan.actions.get(*place));
        let needed = needed.map(|action| action.patience_ms).max().unwrap_or_default();
        let deadline = at.plus(Duration::from_millis(self.request.deadline_ms.unwrap_or(needed)));
        ChangeEvent::WaveStarted { wave, back, actions, deadline }
    }

    fn finished(&self, end: End, reason: Option<String>) -> ChangeEvent {
        let mut outcomes = self.outcomes();
        let counted: usize = outcomes.values().sum();
        if counted < self.actions.len() {
            *outcomes.entry(Outcome::Skipped).or_default() += self.actions.len() - counted;
        }
        ChangeEvent::Finished { end, reason, outcomes }
    }
}
