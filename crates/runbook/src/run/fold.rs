//! The fold: what each event makes of a run.

use mainstay_model::Timestamp;
use serde_json::{Map, Value};

use super::{
    ApplyError, Attempt, AttemptRecord, Cancellation, LoopFrame, Position, Run, RunStatus, StepRecord,
    StepStatus, Verdict,
};
use crate::effect::{AttemptId, EffectKind, Outcome};
use crate::event::{Body, Continued, RunEvent, Weight};

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
        let Body::Started {
            digest,
            parameters,
            steps,
            reason,
            variables,
            host,
            outputs,
            parent,
            continues,
            queued,
            ..
        } = &event.body
        else {
            return None;
        };
        let first = match continues {
            Some(continued) => Some(continued.from.clone()),
            None => steps.first().map(|step| step.name.clone()),
        };
        let mut run = Self {
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
            steps: steps.iter().map(StepRecord::pending).collect(),
            outputs: Map::new(),
            failure: None,
            events: event.number,
            position: match (queued, first) {
                (Some(_), step) => Position::Queued { step },
                (None, Some(step)) => Position::Before { step },
                (None, None) => Position::End,
            },
            output_names: outputs.clone(),
            parent: parent.clone(),
            continues: None,
            queued: queued.clone(),
            variables: variables.clone(),
            host: host.clone(),
            loops: Vec::new(),
            cancelling: None,
            verdict: None,
        };
        if queued.is_some() {
            run.status = RunStatus::Pending;
        }
        if let Some(continued) = continues {
            run.take_over(continued);
        }
        Some(run)
    }

    /// What another run left: the ends of its steps, its variables, and the loops it stood in.
    fn take_over(&mut self, continued: &Continued) {
        self.continues = Some((continued.run.clone(), continued.from.clone()));
        self.variables.extend(continued.variables.clone());
        for taken in &continued.steps {
            if let Some(record) = self.step_mut(&taken.step) {
                record.status = taken.status;
                record.outputs.clone_from(&taken.outputs);
                record.finished_at = taken.finished_at;
                record.taken_from = Some(continued.run.clone());
            }
        }
        for frame in &continued.loops {
            let value = frame.value().cloned();
            if let Some(record) = self.step_mut(&frame.step) {
                record.status = StepStatus::InProgress;
                record.outputs.insert("CurrentIteration".to_owned(), frame.iteration.into());
                if let Some(value) = value {
                    record.outputs.insert("CurrentIteratorValue".to_owned(), value);
                }
            }
            for record in self.steps.iter_mut().filter(|record| record.parent.as_ref() == Some(&frame.step)) {
                record.iteration = Some(frame.iteration);
            }
        }
        self.loops.clone_from(&continued.loops);
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
            Body::Released {} => self.released(),
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
                        child_waits: None,
                        event: event.number,
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
            Body::ChildChanged { step, waiting, .. } => self.child_changed(step, waiting.as_ref()),
            Body::AttemptSettled { step, attempt, outcome, decided } => {
                self.attempt_settled(step, attempt, outcome, *decided, event.at);
            }
            Body::LoopIterating { step, iteration, values, first } => {
                self.iterating(step, *iteration, values.as_deref(), first, event.at);
            }
            Body::StepFinished { .. } => self.step_finished(&event.body, event.at),
            Body::Waiting { step, reason, .. } => self.waits(step, reason),
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

    fn released(&mut self) {
        if let Position::Queued { step } = &self.position {
            self.position = match step {
                Some(step) => Position::Before { step: step.clone() },
                None => Position::End,
            };
            if self.cancelling.is_none() {
                self.status = RunStatus::InProgress;
            }
        }
    }

    fn waits(&mut self, step: &str, reason: &str) {
        match &self.position {
            Position::Settled { attempt, .. } => {
                self.position = Position::Undecided { attempt: attempt.clone(), reason: reason.to_owned() };
            }
            Position::Trying { attempt } => {
                self.position = Position::Paused { attempt: attempt.clone(), reason: reason.to_owned() };
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
                child: match &attempt.effect {
                    Some(EffectKind::Child(child)) => Some(child.run.clone()),
                    _ => None,
                },
                result: None,
                failure: None,
            });
        }
        self.position = Position::Trying { attempt };
    }

    fn child_changed(&mut self, step: &str, waiting: Option<&String>) {
        let Position::Trying { attempt } = &mut self.position else { return };
        attempt.child_waits = waiting.cloned();
        let stopping = attempt.stopping.is_some();
        let (run, status) = match waiting {
            Some(_) => (RunStatus::Waiting, StepStatus::Waiting),
            None => (RunStatus::InProgress, StepStatus::InProgress),
        };
        if self.cancelling.is_none() {
            self.status = run;
        }
        if let Some(record) = self.step_mut(step)
            && !stopping
        {
            record.status = status;
        }
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
            let left = (*status != StepStatus::Success).then(|| self.loops[place].clone());
            self.loops.truncate(place);
            if let Some(record) = self.step_mut(step) {
                record.left_at = left;
            }
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
            value = frame.value().cloned();
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
                (record.taken_from, record.left_at) = (None, None);
                record.iteration = direct.then_some(iteration);
            }
        }
        if self.cancelling.is_none() {
            self.status = RunStatus::InProgress;
        }
        self.position = Position::Before { step: first.to_owned() };
    }

    /// The places of the steps whose records an event may have changed, once it was applied. Whoever keeps each step for
    /// itself need not look at the others; that matters to runs of hundreds of steps, where nearly all stay as they are.
    pub fn touched_by(&self, event: &RunEvent) -> Vec<usize> {
        let of = |chosen: &dyn Fn(&StepRecord) -> bool| {
            let places = self.steps.iter().enumerate().filter(|(_, record)| chosen(record));
            places.map(|(place, _)| place).collect()
        };
        match &event.body {
            Body::Started { .. } => of(&|record| !record.is_untouched()),
            Body::AttemptStarted { step, .. }
            | Body::AttemptDispatched { step, .. }
            | Body::AttemptStopping { step, .. }
            | Body::ChildChanged { step, .. }
            | Body::AttemptSettled { step, .. }
            | Body::StepFinished { step, .. }
            | Body::Waiting { step, .. } => of(&|record| record.name == *step),
            Body::LoopIterating { step, .. } => {
                of(&|record| record.name == *step || self.inside(record, step))
            }
            Body::Released {} | Body::Cancelling { .. } | Body::Finished { .. } => Vec::new(),
        }
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
}
