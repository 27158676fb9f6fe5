//! The machine: `start` makes a run, `step` takes it further. Both are functions of values; neither knows a clock.

use std::time::Duration;

use mainstay_model::{Actor, EventId, HostId, Problem, RunId, Timestamp};
use serde_json::{Map, Value};

use crate::document::{Document, Language, OnFailure, Step, Timeout, Work};
use crate::effect::{AttemptId, Dispatch, EffectKind, MAX_RUN_ID_BYTES, Outcome, TimerId, seconds};
use crate::event::{Body, RunEvent, StepName, StopReason, Weight};
use crate::inputs;
use crate::parameters;
use crate::reference::{Reference, interpolate, interpolate_map};
use crate::run::{Attempt, Position, Run, RunStatus, StepStatus};

/// How long a cancellation may take, by the reference.
const CANCEL_LIMIT: Duration = Duration::from_secs(120);

/// How many bytes of outputs one attempt may leave, written as JSON.
pub const MAX_OUTPUT_BYTES: usize = 512 * 1024;

/// What a run begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The new run's id, at most 64 bytes.
    pub run: RunId,
    /// The procedure's name.
    pub procedure: String,
    /// The workload it belongs to.
    pub workload: Option<String>,
    /// The document's digest.
    pub digest: String,
    /// The values given: typed, or in the wire form of `StartAutomationExecution` (each a list of texts).
    pub parameters: Map<String, Value>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// Why, in words for people.
    pub reason: Option<String>,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// For a Command document: the host to run it on, where that is not the control plane's own.
    pub host: Option<HostId>,
}

/// What happens to a run from outside. An input that no longer fits (an attempt that is settled already, a timer of
/// the past, a run that is over) changes nothing, so every input may be repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Nothing: go on from wherever the journal ends. What a loop says to each run that is not over when it starts.
    Resume,
    /// The hosts of a command have been chosen. None at all fails the attempt.
    Dispatched {
        /// Which attempt.
        attempt: AttemptId,
        /// Which command goes to which host.
        commands: Vec<Dispatch>,
    },
    /// An attempt is over.
    Settled {
        /// Which attempt.
        attempt: AttemptId,
        /// What it came to.
        outcome: Outcome,
    },
    /// A timer is due.
    TimerDue {
        /// Which.
        timer: TimerId,
    },
    /// Somebody wants the run to stop.
    Cancel {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// A person says what came of an attempt of which nobody knew.
    Decide {
        /// Which attempt.
        attempt: AttemptId,
        /// Who.
        by: Actor,
        /// What they say.
        decision: Decision,
    },
}

/// What a person says of an attempt whose outcome is unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It did what it should; these are its outputs.
    Succeeded {
        /// The action's outputs, as far as the person knows them.
        outputs: Map<String, Value>,
    },
    /// It failed.
    Failed {
        /// Why.
        message: String,
    },
    /// It is safe to do it again.
    Retry,
}

/// What came of an input: the run as it is then, and the events that made it so, to be journalled in one go before
/// anything of [`Run::outstanding`] is performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The run, with the events applied.
    pub run: Run,
    /// The new events, in order.
    pub events: Vec<RunEvent>,
}

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
    let parameters = parameters::bind(document, start.parameters, start.at)?;
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
    let mut machine = Machine { document, run: run.clone(), events: Vec::new(), at };
    machine.take(input);
    machine.advance();
    Transition { run: machine.run, events: machine.events }
}

/// What an attempt is to do, until when it sleeps, and when it has to be over.
type Prepared = (Option<EffectKind>, Option<Timestamp>, Option<Timestamp>);

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
                Position::Before { .. } | Position::Iterated { .. } if leaving => self.finish(),
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
                Position::Trying { .. }
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
        match self.prepare(step) {
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
                        attempt: AttemptId::of(
                            &self.run.id,
                            &step.name,
                            index,
                            number.saturating_add(earlier),
                        ),
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

    /// What an attempt is to do, until when it sleeps, and when it has to be over.
    fn prepare(&self, step: &Step) -> Result<Prepared, String> {
        let given = match &step.timeout {
            None => None,
            Some(Timeout::Seconds(number)) => Some(*number),
            Some(Timeout::Parameter(name)) => {
                Some(inputs::whole_seconds(self.run.parameters.get(name)).ok_or_else(|| {
                    format!(
                        "timeoutSeconds is a number of seconds of at least 1, which parameter {name} is not"
                    )
                })?)
            }
        };
        let resolved = interpolate_map(&step.inputs, &|reference| self.value_of(reference))?;
        match &step.work {
            Work::Sleep => {
                let until = inputs::sleep_until(&resolved, self.at)?;
                Ok((None, Some(until), given.map(|number| self.at.plus(seconds(number)))))
            }
            Work::RunCommand => {
                let command = inputs::command(&resolved)?;
                let limit = given.unwrap_or(command.delivery_timeout_s + command.execution_timeout_s);
                Ok((Some(EffectKind::Command(command)), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::ExecuteScript => {
                let script = inputs::script(&resolved)?;
                let limit = given.unwrap_or(inputs::SCRIPT_TIMEOUT_S);
                Ok((Some(EffectKind::Script(script)), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::RunShellScript => {
                let shell = self.shell(step, &resolved)?;
                let limit = given.unwrap_or(shell.delivery_timeout_s + shell.execution_timeout_s);
                Ok((Some(EffectKind::Shell(shell)), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::Pause => Ok((None, None, given.map(|number| self.at.plus(seconds(number))))),
            Work::Branch { .. } | Work::Loop(_) | Work::UpdateVariable { .. } | Work::Skip { .. } => {
                Err(format!("{} has no attempts", step.action))
            }
        }
    }

    pub(crate) fn resolve(&self, value: &Value) -> Result<Value, String> {
        interpolate(value, &|reference| self.value_of(reference))
    }

    pub(crate) fn value_of(&self, reference: &Reference) -> Result<Option<Value>, String> {
        match reference {
            Reference::Parameter(name) => Ok(self.run.parameters.get(name).cloned()),
            // Command documents refer to parameters only; anything else belongs to their scripts.
            _ if self.document.language == Language::Command => Ok(None),
            Reference::Named { space, name } if space == "variable" => {
                Ok(self.run.variables.get(name).cloned())
            }
            Reference::Output { step, output } => {
                let Some(record) = self.run.step(step) else { return Ok(None) };
                match record.outputs.get(output) {
                    Some(value) => Ok(Some(value.clone())),
                    None => Err(missing_output(record, output)),
                }
            }
            Reference::Named { space, name } if space == "automation" && name == "EXECUTION_ID" => {
                Ok(Some(self.run.id.as_str().into()))
            }
            Reference::Named { space, name } => Ok(global(space, name, self.at)),
        }
    }

    /// What follows from an attempt's outcome.
    fn conclude(&mut self, attempt: &Attempt, outcome: Outcome, decided: bool) {
        let Some((index, step)) = self.document.step(&attempt.step) else {
            return self.foreign(&attempt.step);
        };
        let cancelled = self.run.cancelling.as_ref().is_some_and(|cancelling| !cancelling.on_way_out);
        // A time limit that came first explains why the performer was told to stop.
        let outcome = match outcome {
            Outcome::Cancelled if attempt.stopping == Some(StopReason::TimedOut) => Outcome::TimedOut {
                message: "It ran into its time limit and was stopped".to_owned(),
                outputs: Map::new(),
            },
            other => other,
        };
        let may_retry = !cancelled && !decided && attempt.number < step.max_attempts;
        match outcome {
            Outcome::Succeeded { outputs } => match inputs::declared(step, &outputs) {
                Ok(outputs) => {
                    let then = match &step.plugin {
                        Some(rules) if rules.exit_on_success => self.finally(index),
                        _ => self.after(index, step, step.next_step.as_ref()),
                    };
                    self.finish_step(step, StepStatus::Success, outputs, None, then);
                }
                // The effect happened; doing it again would not make its answer another one.
                Err(message) => self.fail(index, step, StepStatus::Failed, message, outputs),
            },
            Outcome::Failed { .. } | Outcome::TimedOut { .. } if may_retry => {
                let by = Actor::Run(self.run.id.to_string());
                self.begin(index, step, by);
            }
            Outcome::Failed { message, outputs } => {
                self.fail(index, step, StepStatus::Failed, message, outputs);
            }
            Outcome::TimedOut { message, outputs } => {
                self.fail(index, step, StepStatus::TimedOut, message, outputs);
            }
            Outcome::Cancelled if cancelled => {
                self.finish_step(step, StepStatus::Cancelled, Map::new(), None, Then::End);
            }
            Outcome::Cancelled => {
                let message = "It was stopped, though not by this run".to_owned();
                self.fail(index, step, StepStatus::Failed, message, Map::new());
            }
            Outcome::Unknown { reason } if cancelled => {
                let failure = Some((reason, None));
                self.finish_step(step, StepStatus::OutcomeUnknown, Map::new(), failure, Then::End);
            }
            Outcome::Unknown { reason } => self.emit(Body::Waiting {
                step: step.name.clone(),
                attempt: attempt.attempt.clone(),
                reason: format!("Nobody knows whether step {} happened: {reason}", step.name),
            }),
        }
    }

    /// What follows a success: the end if it ends the run, `jump` if there is one, else the next in the same list, else
    /// the end of the iteration of the loop around it.
    pub(crate) fn after(&self, index: usize, step: &Step, jump: Option<&String>) -> Then {
        if step.is_end {
            return Then::End;
        }
        if let Some(name) = jump {
            return Then::Step(name.clone());
        }
        let later = self.document.steps.get(index + 1..).unwrap_or_default();
        match (later.iter().find(|next| next.parent == step.parent), &step.parent) {
            (Some(next), _) => Then::Step(next.name.clone()),
            (None, Some(around)) => Then::Again(around.clone()),
            (None, None) => Then::End,
        }
    }

    pub(crate) fn fail(
        &mut self,
        index: usize,
        step: &Step,
        status: StepStatus,
        message: String,
        outputs: Map<String, Value>,
    ) {
        if let Some(rules) = &step.plugin {
            return self.fail_plugin(index, step, rules.on_failure, status, message, outputs);
        }
        let (weight, then) = match &step.on_failure {
            OnFailure::Abort => (Weight::Abort, Then::End),
            _ if step.is_end && step.is_critical() => (Weight::Critical, Then::End),
            _ if step.is_end => (Weight::Harmless, Then::End),
            other => {
                let jump = match other {
                    OnFailure::Step(name) => Some(name),
                    _ => None,
                };
                let weight = if step.is_critical() { Weight::Critical } else { Weight::Harmless };
                (weight, self.after(index, step, jump))
            }
        };
        self.finish_step(step, status, outputs, Some((message, Some(weight))), then);
    }

    /// Ends a step. While a cancellation stops it, the way on is the one the step names for that.
    pub(crate) fn finish_step(
        &mut self,
        step: &Step,
        status: StepStatus,
        outputs: Map<String, Value>,
        failure: Option<(String, Option<Weight>)>,
        then: Then,
    ) {
        let set = Map::new();
        self.finish_step_setting(step, status, outputs, failure, then, set);
    }

    /// The same, with the variables it sets.
    pub(crate) fn finish_step_setting(
        &mut self,
        step: &Step,
        status: StepStatus,
        outputs: Map<String, Value>,
        failure: Option<(String, Option<Weight>)>,
        then: Then,
        set: Map<String, Value>,
    ) {
        let leaving = self.run.cancelling.as_ref().is_some_and(|cancelling| !cancelling.on_way_out);
        let (failure, weight) = match failure {
            Some((failure, weight)) => (Some(failure), weight),
            None => (None, None),
        };
        let then = match (leaving, &step.on_cancel) {
            (false, _) => then,
            (true, Some(name)) => Then::Step(name.clone()),
            (true, None) => Then::End,
        };
        let (next, again) = match then {
            Then::Step(name) => (Some(name), None),
            Then::Again(name) => (None, Some(name)),
            Then::End => (None, None),
        };
        let attempts = self.run.step(&step.name).map_or(0, |record| record.attempts.len());
        self.emit(Body::StepFinished {
            step: step.name.clone(),
            action: step.action.clone(),
            status,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            outputs,
            failure,
            weight,
            next,
            again,
            set,
        });
    }

    fn finish(&mut self) {
        self.close_loops();
        let mut outputs = Map::new();
        for (step, output) in &self.document.outputs {
            if let Some(value) = self.run.step(step).and_then(|record| record.outputs.get(output)) {
                outputs.insert(format!("{step}.{output}"), value.clone());
            }
        }
        let (status, failure) = match (&self.run.cancelling, &self.run.verdict) {
            (Some(cancelling), _) => {
                (RunStatus::Cancelled, Some(format!("Cancelled by {}: {}", cancelling.by, cancelling.reason)))
            }
            (None, Some(verdict)) => (verdict.status, Some(verdict.failure.clone())),
            (None, None) => (RunStatus::Success, None),
        };
        self.emit(Body::Finished { status, outputs, failure });
    }
}

/// The value of `global:NAME` at a time, as far as it needs no AWS account.
pub(crate) fn global(space: &str, name: &str, at: Timestamp) -> Option<Value> {
    let text = at.to_string();
    let (date, time) = (text.get(..10)?, text.get(11..19)?);
    match (space, name) {
        ("global", "DATE") => Some(date.into()),
        ("global", "DATE_TIME") => Some(format!("{date}_{}", time.replace(':', ".")).into()),
        _ => None,
    }
}

fn missing_output(record: &crate::run::StepRecord, output: &str) -> String {
    if record.status.is_over() {
        let has: Vec<&str> = record.outputs.keys().map(String::as_str).collect();
        let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
        format!(
            "Step {} left no output {output} (it is {}; its outputs: {has})",
            record.name,
            record.status.as_str()
        )
    } else {
        format!("Step {} has not run, so it has no output {output}", record.name)
    }
}

/// An outcome whose outputs can be journalled.
fn bounded(outcome: Outcome) -> Outcome {
    let size = outcome.outputs().map_or(0, |outputs| {
        // Writing to a counter: the text itself is not needed.
        let mut counter = Counter(0);
        match serde_json::to_writer(&mut counter, outputs) {
            Ok(()) => counter.0,
            Err(_) => usize::MAX,
        }
    });
    if size <= MAX_OUTPUT_BYTES {
        return outcome;
    }
    let what = match &outcome {
        Outcome::Succeeded { .. } => "It succeeded, but its".to_owned(),
        Outcome::Failed { message, .. } | Outcome::TimedOut { message, .. } => format!("{message}; its"),
        Outcome::Cancelled | Outcome::Unknown { .. } => "Its".to_owned(),
    };
    Outcome::failed(format!("{what} outputs have {size} bytes, at most {MAX_OUTPUT_BYTES} can be kept"))
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
