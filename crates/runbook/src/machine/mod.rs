//! The machine: `start` makes a run, `step` takes it further. Both are functions of values; neither knows a clock.

mod follow;
mod values;
mod words;

use std::time::Duration;

use mainstay_model::{Actor, Problem, Timestamp};
use serde_json::Map;

use crate::document::{Document, Step};
use crate::effect::{AttemptId, EffectKind, MAX_RUN_ID_BYTES, Outcome, TimerId};
use crate::event::{Body, RunEvent, StepName, StopReason};
use crate::parameters;
use crate::run::{Attempt, Position, Run, RunStatus, StepStatus};

use values::bounded;
pub(crate) use values::global;
pub use words::{Decision, Input, Start, Transition};

/// How long a cancellation may take, by the reference.
const CANCEL_LIMIT: Duration = Duration::from_secs(120);

/// How many bytes of outputs one attempt may leave, written as JSON.
pub const MAX_OUTPUT_BYTES: usize = 512 * 1024;

/// Starts a run. Parameters that do not fit are refused, all of them at once, located by their names.
pub fn start(document: &Document, start: Start) -> Result<Transition, Vec<Problem>> {
    if start.run.as_str().len() > MAX_RUN_ID_BYTES {
        return Err(vec![Problem::error(
            "bad-run-id",
            Vec::new(),
            format!(
                "A run id has at most {MAX_RUN_ID_BYTES} bytes, this one has {}",
                start.run.as_str().len()
            ),
        )]);
    }
    let parameters = parameters::bind(document, start.parameters, Some(&start.run), start.at)?;
    let event = RunEvent {
        run: start.run,
        procedure: start.procedure,
        workload: start.workload,
        number: 1,
        at: start.at,
        actor: start.by,
        cause: start.cause,
        body: Body::Started {
            document: document.source.clone(),
            digest: start.digest,
            parameters,
            steps: document
                .steps
                .iter()
                .map(|step| StepName {
                    name: step.name.clone(),
                    action: step.action.clone(),
                    parent: step.parent.clone(),
                })
                .collect(),
            variables: document
                .variables
                .iter()
                .filter_map(|(name, variable)| Some((name.clone(), variable.default.clone()?)))
                .collect(),
            host: start.host,
            reason: start.reason,
            library: document.library.clone(),
            outputs: document.outputs.iter().map(|(step, output)| format!("{step}.{output}")).collect(),
            parent: start.origin.parent,
            continues: start.origin.continues,
            queued: start.origin.queued,
            asked: start.origin.asked,
        },
    };
    let Ok(run) = Run::fold(None, &event) else {
        return Err(vec![Problem::error(
            "internal",
            Vec::new(),
            "A run could not be made from its first event",
        )]);
    };
    let mut machine = Machine { document, run, events: vec![event], at: start.at };
    machine.advance();
    Ok(Transition { run: machine.run, events: machine.events })
}

/// Takes a run further. `document` is the one the run is pinned to ([`Document::pinned`]).
pub fn step(document: &Document, run: &Run, input: Input, at: Timestamp) -> Transition {
    take(document, run.clone(), input, at)
}

/// [`step`] for whoever needs the run as it was no longer: a run of hundreds of steps is not copied for each of them.
pub fn take(document: &Document, run: Run, input: Input, at: Timestamp) -> Transition {
    let mut machine = Machine { document, run, events: Vec::new(), at };
    machine.take(input);
    machine.advance();
    Transition { run: machine.run, events: machine.events }
}

/// Where a step's end leads.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// To this step.
    Step(String),
    /// To the end of an iteration of this loop.
    Again(String),
    /// To the end of the run.
    End,
}

pub(crate) struct Machine<'a> {
    pub(crate) document: &'a Document,
    pub(crate) run: Run,
    events: Vec<RunEvent>,
    at: Timestamp,
}

impl Machine<'_> {
    pub(crate) fn emit(&mut self, body: Body) {
        self.emit_as(Actor::Run(self.run.id.to_string()), body);
    }

    fn emit_as(&mut self, actor: Actor, body: Body) {
        let event = RunEvent {
            run: self.run.id.clone(),
            procedure: self.run.procedure.clone(),
            workload: self.run.workload.clone(),
            number: self.run.events + 1,
            at: self.at,
            actor,
            cause: Some(self.run.started_event()),
            body,
        };
        let applied = self.run.apply(&event);
        debug_assert!(applied.is_ok(), "an event numbered after the run's last one applies: {applied:?}");
        self.events.push(event);
    }

    fn settle(&mut self, attempt: &Attempt, outcome: Outcome, decided_by: Option<Actor>) {
        let body = Body::AttemptSettled {
            step: attempt.step.clone(),
            attempt: attempt.attempt.clone(),
            outcome: bounded(outcome),
            decided: decided_by.is_some(),
        };
        match decided_by {
            Some(actor) => self.emit_as(actor, body),
            None => self.emit(body),
        }
    }

    fn take(&mut self, input: Input) {
        let position = self.run.position.clone();
        match (input, position) {
            (Input::Resume, _) | (_, Position::Over) => {}
            (Input::Cancel { by, reason }, _) if self.run.cancelling.is_none() => {
                let deadline = self.at.plus(CANCEL_LIMIT);
                self.emit_as(by, Body::Cancelling { reason, deadline });
            }
            (Input::Dispatched { attempt, commands }, Position::Trying { attempt: open })
                if open.attempt == attempt && open.dispatched.is_none() =>
            {
                let none = commands.is_empty();
                self.emit(Body::AttemptDispatched { step: open.step.clone(), attempt, commands });
                if none {
                    let targets = match &open.effect {
                        Some(EffectKind::Command(command)) => command.targets.to_string(),
                        _ => "its targets".to_owned(),
                    };
                    self.settle(&open, Outcome::failed(format!("No host matches: {targets}")), None);
                }
            }
            (Input::Settled { attempt, outcome }, Position::Trying { attempt: open })
                if open.attempt == attempt && open.effect.is_some() =>
            {
                self.settle(&open, outcome, None);
            }
            // A performer that finds out after all is believed.
            (Input::Settled { attempt, outcome }, Position::Undecided { attempt: open, .. })
                if open.attempt == attempt && !matches!(outcome, Outcome::Unknown { .. }) =>
            {
                self.settle(&open, outcome, None);
            }
            (Input::Child { attempt, waiting }, Position::Trying { attempt: open })
                if open.attempt == attempt && open.child_waits != waiting =>
            {
                if let Some(EffectKind::Child(child)) = &open.effect {
                    let child = child.run.clone();
                    self.emit(Body::ChildChanged { step: open.step, attempt, child, waiting });
                }
            }
            (Input::Release, Position::Queued { .. }) => self.emit(Body::Released {}),
            (Input::TimerDue { timer }, Position::Trying { attempt }) => self.timer_due(&timer, &attempt),
            (Input::TimerDue { timer }, Position::Paused { attempt, .. })
                if attempt.wake_timer().0 == timer && attempt.deadline.is_some_and(|at| self.at >= at) =>
            {
                let message = "Nobody resumed it in time".to_owned();
                self.settle(&attempt, Outcome::TimedOut { message, outputs: Map::new() }, None);
            }
            (
                Input::Decide { attempt, by, decision },
                Position::Undecided { attempt: open, .. } | Position::Paused { attempt: open, .. },
            ) if open.attempt == attempt => match decision {
                Decision::Succeeded { outputs } => {
                    self.settle(&open, Outcome::Succeeded { outputs }, Some(by));
                }
                Decision::Failed { message } => self.settle(&open, Outcome::failed(message), Some(by)),
                Decision::Retry => {
                    if let Some((index, step)) = self.document.step(&open.step) {
                        self.begin(index, step, by);
                    }
                }
            },
            _ => {}
        }
    }

    fn timer_due(&mut self, timer: &TimerId, attempt: &Attempt) {
        if attempt.effect.is_none() {
            let (wake, at) = attempt.wake_timer();
            if wake == *timer && self.at >= at {
                let in_time = attempt.until.is_none_or(|until| at >= until);
                let outcome = if in_time {
                    Outcome::succeeded()
                } else {
                    Outcome::TimedOut {
                        message: "It ran into its time limit before the sleep was over".to_owned(),
                        outputs: Map::new(),
                    }
                };
                self.settle(attempt, outcome, None);
            }
        } else if let Some((stop, at)) = attempt.stop_timer()
            && stop == *timer
            && self.at >= at
            && attempt.stopping.is_none()
        {
            self.stop(attempt, StopReason::TimedOut);
        }
    }

    fn stop(&mut self, attempt: &Attempt, because: StopReason) {
        self.emit(Body::AttemptStopping {
            step: attempt.step.clone(),
            attempt: attempt.attempt.clone(),
            because,
        });
    }

    /// Goes on until the run needs something from outside. Which events follow depends on the position alone, so a
    /// journal that ends between any two of them is continued in the same way.
    fn advance(&mut self) {
        loop {
            let leaving = self.run.cancelling.as_ref().is_some_and(|cancelling| !cancelling.on_way_out);
            match self.run.position.clone() {
                Position::Queued { .. } | Position::Before { .. } | Position::Iterated { .. } if leaving => {
                    self.finish();
                }
                Position::Before { step } if self.has_left_a_loop(&step) => self.leave_loop(&step),
                Position::Iterated { step } => self.iterate(&step),
                Position::Before { step } => match self.document.step(&step) {
                    Some((index, step)) => {
                        let by = Actor::Run(self.run.id.to_string());
                        self.begin(index, step, by);
                    }
                    None => self.foreign(&step),
                },
                Position::Trying { attempt } if leaving && attempt.effect.is_none() => {
                    self.settle(&attempt, Outcome::Cancelled, None);
                }
                Position::Trying { attempt } if leaving && attempt.stopping.is_none() => {
                    self.stop(&attempt, StopReason::Cancelled);
                }
                Position::Paused { attempt, .. } if leaving => {
                    self.settle(&attempt, Outcome::Cancelled, None);
                }
                // A pause: nothing is performed and no time is waited for.
                Position::Trying { attempt } if attempt.effect.is_none() && attempt.until.is_none() => {
                    self.emit(Body::Waiting {
                        step: attempt.step.clone(),
                        attempt: attempt.attempt.clone(),
                        reason: format!("Step {} pauses the run until somebody resumes it", attempt.step),
                    });
                }
                Position::Undecided { attempt, reason } if leaving => {
                    self.conclude(&attempt, Outcome::Unknown { reason }, true);
                }
                Position::Settled { attempt, outcome, decided } => self.conclude(&attempt, outcome, decided),
                Position::End => self.finish(),
                Position::Queued { .. }
                | Position::Trying { .. }
                | Position::Undecided { .. }
                | Position::Paused { .. }
                | Position::Over => return,
            }
        }
    }

    /// The document given is not the one the run is pinned to.
    pub(crate) fn foreign(&mut self, step: &str) {
        let failure =
            format!("The document does not have the step {step}: it is not the one the run is pinned to");
        self.emit(Body::Finished { status: RunStatus::Failed, outputs: Map::new(), failure: Some(failure) });
    }

    /// Begins an attempt of a step, or finishes the step at once where nothing has to be waited for.
    fn begin(&mut self, index: usize, step: &Step, by: Actor) {
        let limit = self.run.cancelling.as_ref().map(|cancelling| cancelling.deadline);
        if limit.is_some_and(|limit| self.at >= limit) {
            return self.finish();
        }
        if self.at_once(index, step) {
            return;
        }
        let (tried, earlier) = self.run.step(&step.name).map_or((0, 0), |record| {
            (u32::try_from(record.attempts.len()).unwrap_or(u32::MAX), record.earlier_attempts)
        });
        let number = tried.saturating_add(1);
        let attempt = AttemptId::of(&self.run.id, &step.name, index, number.saturating_add(earlier));
        match self.prepare(step, &attempt) {
            Ok((effect, until, deadline)) => {
                let deadline = match (deadline, limit) {
                    (Some(deadline), Some(limit)) => Some(deadline.min(limit)),
                    (deadline, limit) => deadline.or(limit),
                };
                self.emit_as(
                    by,
                    Body::AttemptStarted {
                        step: step.name.clone(),
                        action: step.action.clone(),
                        attempt,
                        attempt_number: number,
                        effect,
                        until,
                        deadline,
                    },
                );
            }
            // Inputs that do not resolve now will not the next time either.
            Err(message) => self.fail(index, step, StepStatus::Failed, message, Map::new()),
        }
    }
}
