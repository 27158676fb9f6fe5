//! What follows from the end of an attempt, of a step, and of the run.

use mainstay_model::Actor;
use serde_json::{Map, Value};

use super::{Machine, Then};
use crate::document::{OnFailure, Step};
use crate::effect::Outcome;
use crate::event::{Body, StopReason, Weight};
use crate::inputs;
use crate::run::{Attempt, RunStatus, StepStatus};

impl Machine<'_> {
    /// What follows from an attempt's outcome.
    pub(super) fn conclude(&mut self, attempt: &Attempt, outcome: Outcome, decided: bool) {
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

    /// What follows a success, and a failure that is passed over: the end if the step is one, `jump` if there is one, else
    /// the next in the same list, else the end. The steps of a loop are a procedure of their own, so an end among them is that of the iteration.
    pub(crate) fn after(&self, index: usize, step: &Step, jump: Option<&String>) -> Then {
        if step.is_end {
            return match &step.parent {
                Some(around) => Then::Again(around.clone()),
                None => Then::End,
            };
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
            other => {
                let jump = match other {
                    OnFailure::Step(name) => Some(name),
                    _ => step.next_step.as_ref(),
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

    pub(super) fn finish(&mut self) {
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
