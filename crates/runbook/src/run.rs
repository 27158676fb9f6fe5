//! A run as the fold of its events.

use mainstay_model::{Actor, EventId, HostId, RunId, Timestamp};
use serde_json::{Map, Value};

use crate::effect::{Action, AttemptId, Dispatch, Effect, EffectKind, Outcome, TimerId, seconds};
use crate::event::{Body, RunEvent, StopReason, Weight};

/// How long after an attempt's deadline the machine itself asks for its end. Performers end it at the deadline; this
/// is for the one that did not.
pub const STOP_GRACE_S: u64 = 5;

/// How a run stands. The words are those of `AutomationExecutionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RunStatus {
    /// Working.
    InProgress,
    /// Needs a person; [`Run::waiting`] says for what.
    Waiting,
    /// Cancelled, and stopping.
    Cancelling,
    /// Over, and good.
    Success,
    /// Over: a step that matters ran out of time.
    TimedOut,
    /// Over: stopped by a person.
    Cancelled,
    /// Over: a step that matters failed.
    Failed,
}

impl RunStatus {
    /// Whether the run is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::TimedOut | Self::Cancelled | Self::Failed)
    }

    /// The word, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Waiting => "Waiting",
            Self::Cancelling => "Cancelling",
            Self::Success => "Success",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
        }
    }
}

/// How a step stands. The words are those of Systems Manager, and one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum StepStatus {
    /// Not reached (yet).
    Pending,
    /// Working.
    InProgress,
    /// Waiting for a person's word or signal.
    Waiting,
    /// Being stopped.
    Cancelling,
    /// Over, and good.
    Success,
    /// Over: a loop was left by a jump.
    Exited,
    /// Over: a step of a Command document that is not for this host.
    Skipped,
    /// Over: out of time.
    TimedOut,
    /// Over: stopped by a person, or never begun because of that.
    Cancelled,
    /// Over: failed.
    Failed,
    /// Ours: nobody can say whether its effect happened. Neither good nor failed.
    OutcomeUnknown,
}

impl StepStatus {
    /// Whether the step is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Waiting | Self::Cancelling)
    }

    /// The word, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Waiting => "Waiting",
            Self::Cancelling => "Cancelling",
            Self::Success => "Success",
            Self::Exited => "Exited",
            Self::Skipped => "Skipped",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
            Self::OutcomeUnknown => "OutcomeUnknown",
        }
    }
}

/// One try of a step, for people.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AttemptRecord {
    /// Its id.
    pub attempt: AttemptId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// The commands it sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Dispatch>,
    /// How it ended: `succeeded`, `failed`, `timed out`, `cancelled`, `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// One step of a run, for people.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StepRecord {
    /// Its name.
    pub name: String,
    /// Its action.
    pub action: String,
    /// How it stands.
    pub status: StepStatus,
    /// When its first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Its tries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptRecord>,
    /// Its outputs.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The step that came next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The loop it stands in. Then everything above is of the loop's last iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The loop's iteration it was last begun in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    /// How many tries it had in earlier iterations.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_attempts: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A loop that is going on.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LoopFrame {
    /// The loop's step.
    pub step: String,
    /// Which iteration, from 1.
    pub iteration: u32,
    /// The elements it goes through, where it goes through a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
}

/// The attempt that is open, or was settled last.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// Its step.
    pub step: String,
    /// Its id.
    pub attempt: AttemptId,
    /// Which try of the step, from 1.
    pub number: u32,
    /// What is performed; nothing for a sleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectKind>,
    /// For a sleep: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it has to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The commands that were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched: Option<Vec<Dispatch>>,
    /// Whether and why it is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<StopReason>,
}

/// Where a run stands between its events.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum Position {
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
    /// The run after `event`. An event the run already has changes nothing, so reading twice is harmless.
    pub fn fold(run: Option<Self>, event: &RunEvent) -> Result<Self, ApplyError> {
        match run {
            Some(mut run) => {
                run.apply(event)?;
                Ok(run)
            }
            None => Self::begin(event).ok_or_else(|| ApplyError::NotStarted {
                run: event.run.clone(),
                number: event.number,
                kind: event.kind(),
            }),
        }
    }

    fn begin(event: &RunEvent) -> Option<Self> {
        let Body::Started { digest, parameters, steps, reason, variables, host, .. } = &event.body else {
            return None;
        };
        Some(Self {
            id: event.run.clone(),
            procedure: event.procedure.clone(),
            workload: event.workload.clone(),
            digest: digest.clone(),
            parameters: parameters.clone(),
            by: event.actor.clone(),
            reason: reason.clone(),
            cause: event.cause.clone(),
            status: RunStatus::InProgress,
            started_at: event.at,
            finished_at: None,
            steps: steps
                .iter()
                .map(|step| StepRecord {
                    name: step.name.clone(),
                    action: step.action.clone(),
                    status: StepStatus::Pending,
                    started_at: None,
                    finished_at: None,
                    attempts: Vec::new(),
                    outputs: Map::new(),
                    failure: None,
                    next: None,
                    parent: step.parent.clone(),
                    iteration: None,
                    earlier_attempts: 0,
                })
                .collect(),
            outputs: Map::new(),
            failure: None,
            events: event.number,
            position: match steps.first() {
                Some(step) => Position::Before { step: step.name.clone() },
                None => Position::End,
            },
            variables: variables.clone(),
            host: host.clone(),
            loops: Vec::new(),
            cancelling: None,
            verdict: None,
        })
    }

    /// Takes in the next event.
    pub fn apply(&mut self, event: &RunEvent) -> Result<(), ApplyError> {
        if event.run == self.id && event.number <= self.events {
            return Ok(());
        }
        if event.run != self.id || event.number != self.events + 1 {
            return Err(ApplyError::OutOfOrder {
                run: self.id.clone(),
                have: self.events,
                of: event.run.clone(),
                number: event.number,
            });
        }
        self.events = event.number;
        match &event.body {
            Body::Started { .. } => {}
            Body::AttemptStarted { step, attempt, attempt_number, effect, until, deadline, .. } => {
                self.attempt_started(
                    Attempt {
                        step: step.clone(),
                        attempt: attempt.clone(),
                        number: *attempt_number,
                        effect: effect.clone(),
                        until: *until,
                        deadline: *deadline,
                        dispatched: None,
                        stopping: None,
                    },
                    event.at,
                );
            }
            Body::AttemptDispatched { attempt, commands, .. } => {
                if let Position::Trying { attempt: open } = &mut self.position {
                    open.dispatched = Some(commands.clone());
                }
                if let Some(record) = self.attempt_record(attempt) {
                    record.commands.clone_from(commands);
                }
            }
            Body::AttemptStopping { step, because, .. } => {
                if let Position::Trying { attempt: open } = &mut self.position {
                    open.stopping = Some(*because);
                }
                if let Some(record) = self.step_mut(step) {
                    record.status = StepStatus::Cancelling;
                }
            }
            Body::AttemptSettled { step, attempt, outcome, decided } => {
                self.attempt_settled(step, attempt, outcome, *decided, event.at);
            }
            Body::LoopIterating { step, iteration, values, first } => {
                self.iterating(step, *iteration, values.as_deref(), first, event.at);
            }
            Body::StepFinished { .. } => self.step_finished(&event.body, event.at),
            Body::Waiting { step, reason, .. } => {
                match &self.position {
                    Position::Settled { attempt, .. } => {
                        self.position =
                            Position::Undecided { attempt: attempt.clone(), reason: reason.clone() };
                    }
                    Position::Trying { attempt } => {
                        self.position = Position::Paused { attempt: attempt.clone(), reason: reason.clone() };
                        if let Some(record) = self.step_mut(step) {
                            record.status = StepStatus::Waiting;
                        }
                    }
                    _ => {}
                }
                if self.cancelling.is_none() {
                    self.status = RunStatus::Waiting;
                }
            }
            Body::Cancelling { reason, deadline } => {
                self.status = RunStatus::Cancelling;
                self.cancelling = Some(Cancellation {
                    by: event.actor.clone(),
                    reason: reason.clone(),
                    deadline: *deadline,
                    on_way_out: false,
                });
            }
            Body::Finished { status, outputs, failure } => {
                self.status = *status;
                self.outputs.clone_from(outputs);
                self.failure.clone_from(failure);
                self.finished_at = Some(event.at);
                self.position = Position::Over;
            }
        }
        Ok(())
    }

    fn attempt_started(&mut self, attempt: Attempt, at: Timestamp) {
        if self.cancelling.is_none() {
            self.status = RunStatus::InProgress;
        }
        if let Some(record) = self.step_mut(&attempt.step) {
            record.status = StepStatus::InProgress;
            record.started_at.get_or_insert(at);
            record.attempts.push(AttemptRecord {
                attempt: attempt.attempt.clone(),
                started_at: at,
                settled_at: None,
                commands: Vec::new(),
                result: None,
                failure: None,
            });
        }
        self.position = Position::Trying { attempt };
    }

    fn attempt_settled(
        &mut self,
        step: &str,
        attempt: &AttemptId,
        outcome: &Outcome,
        decided: bool,
        at: Timestamp,
    ) {
        let (result, failure) = match outcome {
            Outcome::Succeeded { .. } => ("succeeded", None),
            Outcome::Failed { message, .. } => ("failed", Some(message)),
            Outcome::TimedOut { message, .. } => ("timed out", Some(message)),
            Outcome::Cancelled => ("cancelled", None),
            Outcome::Unknown { reason } => ("unknown", Some(reason)),
        };
        if let Some(record) = self.attempt_record(attempt) {
            record.settled_at = Some(at);
            record.result = Some(result.to_owned());
            record.failure = failure.cloned();
        }
        if matches!(outcome, Outcome::Unknown { .. })
            && let Some(record) = self.step_mut(step)
        {
            record.status = StepStatus::OutcomeUnknown;
        }
        if let Position::Trying { attempt }
        | Position::Undecided { attempt, .. }
        | Position::Paused { attempt, .. } = &self.position
        {
            let attempt = Attempt { effect: None, ..attempt.clone() };
            self.position = Position::Settled { attempt, outcome: outcome.clone(), decided };
        }
    }

    fn step_finished(&mut self, body: &Body, at: Timestamp) {
        let Body::StepFinished { step, status, outputs, failure, weight, next, again, set, .. } = body else {
            return;
        };
        if let Some(record) = self.step_mut(step) {
            record.status = *status;
            record.started_at.get_or_insert(at);
            record.finished_at = Some(at);
            record.outputs.clone_from(outputs);
            record.failure.clone_from(failure);
            record.next.clone_from(next);
        }
        if let Some(cancelling) = &mut self.cancelling {
            cancelling.on_way_out = true;
        } else {
            self.status = RunStatus::InProgress;
        }
        let verdict = match status {
            StepStatus::TimedOut => RunStatus::TimedOut,
            _ => RunStatus::Failed,
        };
        let words = || match failure {
            Some(failure) => format!("Step {step}: {failure}"),
            None => format!("Step {step} did not succeed"),
        };
        match weight {
            Some(Weight::Abort) => self.verdict = Some(Verdict { status: verdict, failure: words() }),
            Some(Weight::Critical) if self.verdict.is_none() => {
                self.verdict = Some(Verdict { status: verdict, failure: words() });
            }
            _ => {}
        }
        self.variables.extend(set.clone());
        if let Some(place) = self.loops.iter().position(|frame| frame.step == *step) {
            self.loops.truncate(place);
        }
        self.position = match (next, again) {
            (Some(step), _) => Position::Before { step: step.clone() },
            (None, Some(step)) => Position::Iterated { step: step.clone() },
            (None, None) => Position::End,
        };
    }

    fn iterating(
        &mut self,
        step: &str,
        iteration: u32,
        values: Option<&[Value]>,
        first: &str,
        at: Timestamp,
    ) {
        if !self.loops.iter().any(|frame| frame.step == step) {
            let values = values.map(<[Value]>::to_vec);
            self.loops.push(LoopFrame { step: step.to_owned(), iteration, values });
        }
        let mut value = None;
        if let Some(frame) = self.loops.last_mut() {
            frame.iteration = iteration;
            let place = usize::try_from(iteration).unwrap_or(usize::MAX).saturating_sub(1);
            value = frame.values.as_ref().and_then(|values| values.get(place)).cloned();
        }
        if let Some(record) = self.step_mut(step) {
            record.status = StepStatus::InProgress;
            record.started_at.get_or_insert(at);
            record.outputs.insert("CurrentIteration".to_owned(), iteration.into());
            if let Some(value) = value {
                record.outputs.insert("CurrentIteratorValue".to_owned(), value);
            }
        }
        for index in 0..self.steps.len() {
            let inside = self.inside(&self.steps[index], step);
            let direct = self.steps[index].parent.as_deref() == Some(step);
            let record = &mut self.steps[index];
            if inside {
                let tried = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
                record.earlier_attempts = record.earlier_attempts.saturating_add(tried);
                record.attempts.clear();
                record.status = StepStatus::Pending;
                record.outputs.clear();
                (record.started_at, record.finished_at) = (None, None);
                (record.failure, record.next) = (None, None);
                record.iteration = direct.then_some(iteration);
            }
        }
        if self.cancelling.is_none() {
            self.status = RunStatus::InProgress;
        }
        self.position = Position::Before { step: first.to_owned() };
    }

    /// Whether a step stands inside a loop, at any depth.
    fn inside(&self, record: &StepRecord, around: &str) -> bool {
        let mut parent = record.parent.as_deref();
        // Loops are nested a few deep; the bound keeps a journal that says otherwise from holding us up.
        for _ in 0..16 {
            match parent {
                Some(name) if name == around => return true,
                Some(name) => parent = self.step(name).and_then(|step| step.parent.as_deref()),
                None => return false,
            }
        }
        false
    }

    fn step_mut(&mut self, name: &str) -> Option<&mut StepRecord> {
        self.steps.iter_mut().find(|step| step.name == name)
    }

    fn attempt_record(&mut self, attempt: &AttemptId) -> Option<&mut AttemptRecord> {
        self.steps.iter_mut().flat_map(|step| &mut step.attempts).find(|record| record.attempt == *attempt)
    }

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

    /// For an effect with a deadline: the timer after which the machine asks for its end.
    pub(crate) fn stop_timer(&self) -> Option<(TimerId, Timestamp)> {
        let at = self.deadline?.plus(seconds(STOP_GRACE_S));
        Some((TimerId(format!("{}.stop", self.attempt)), at))
    }
}
