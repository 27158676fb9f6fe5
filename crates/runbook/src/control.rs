//! What the machine decides by itself, without an attempt: branches, loops, variables, and the rules of Command
//! documents.

use mainstay_model::HostId;
use serde_json::{Map, Value};

use crate::branch::Mismatch;
use crate::document::{AfterFailure, Loop, Over, PluginRules, Step, Work};
use crate::effect::{Plugin, PluginEffect, Shell, ShellEffect};
use crate::event::{Body, Weight};
use crate::inputs::{self, MAX_ITERATIONS};
use crate::machine::{Machine, Then};
use crate::parse::PLATFORM;
use crate::reference::{Reference, interpolate, whole};
use crate::run::{LoopFrame, RunStatus, StepStatus};

impl Machine<'_> {
    /// Does what a step does where nothing has to be waited for. Answers whether it was such a step.
    pub(crate) fn at_once(&mut self, index: usize, step: &Step) -> bool {
        if let Some(rules) = &step.plugin
            && self.skips(index, step, rules)
        {
            return true;
        }
        match &step.work {
            Work::Branch { choices, default } => {
                let chosen = choices.iter().find_map(|choice| {
                    match choice.condition.holds(&|variable| self.compared(variable)) {
                        Ok(true) => Some(Ok(Some(choice.next_step.clone()))),
                        Ok(false) => None,
                        Err(Mismatch(message)) => Some(Err(message)),
                    }
                });
                match chosen.unwrap_or_else(|| Ok(default.clone())) {
                    Ok(Some(next)) => {
                        let then = Then::Step(next);
                        self.finish_step(step, StepStatus::Success, Map::new(), None, then);
                    }
                    Ok(None) => {
                        let then = self.after(index, step, step.next_step.as_ref());
                        self.finish_step(step, StepStatus::Success, Map::new(), None, then);
                    }
                    Err(message) => self.fail(index, step, StepStatus::Failed, message, Map::new()),
                }
            }
            Work::Loop(work) => self.enter_loop(index, step, work),
            Work::UpdateVariable { name } => self.update_variable(index, step, name),
            Work::Skip { reason } => self.skip(index, step, reason.clone()),
            Work::RunCommand
            | Work::ExecuteScript
            | Work::ExecuteAutomation
            | Work::Sleep
            | Work::Pause
            | Work::RunScript(_)
            | Work::Plugin
            | Work::Control => {
                return false;
            }
        }
        true
    }

    /// A side of a comparison. An output that its step declares and left empty is nothing, which equals no constant;
    /// anywhere else it is an error.
    fn compared(&self, value: &Value) -> Result<Value, Mismatch> {
        if let Some(Reference::Output { step, output }) = value.as_str().and_then(whole)
            && let Some(record) = self.run.step(&step)
            && record.status == StepStatus::Success
            && !record.outputs.contains_key(&output)
        {
            return Ok(Value::Null);
        }
        self.resolve(value).map_err(Mismatch)
    }

    // ---- variables ----

    fn update_variable(&mut self, index: usize, step: &Step, name: &str) {
        let kind = self.document.variables.get(name).map(|variable| variable.kind.clone());
        let value = self.resolve(step.inputs.get("Value").unwrap_or(&Value::Null));
        let fits = value.and_then(|value| match &kind {
            Some(kind) => match inputs::variable_problem(kind, &value) {
                Some(reason) => Err(format!("The value does not fit the variable {name}: {reason}")),
                None => Ok(value),
            },
            None => Err(format!("There is no variable {name}")),
        });
        match fits {
            Ok(value) => {
                let then = self.after(index, step, step.next_step.as_ref());
                let set = Map::from_iter([(name.to_owned(), value)]);
                self.finish_step_setting(step, StepStatus::Success, Map::new(), None, then, set);
            }
            Err(message) => self.fail(index, step, StepStatus::Failed, message, Map::new()),
        }
    }

    // ---- loops ----

    fn enter_loop(&mut self, index: usize, step: &Step, work: &Loop) {
        let values = match &work.over {
            Over::While(_) => None,
            Over::Each { iterators, kind } => {
                match self.resolve(iterators).and_then(|value| inputs::iterators(&value, kind)) {
                    Ok(values) if values.is_empty() => {
                        let then = self.after(index, step, step.next_step.as_ref());
                        return self.finish_step(step, StepStatus::Success, Map::new(), None, then);
                    }
                    Ok(values) => Some(values),
                    Err(message) => {
                        return self.fail(index, step, StepStatus::Failed, message, Map::new());
                    }
                }
            }
        };
        self.emit(Body::LoopIterating {
            step: step.name.clone(),
            iteration: 1,
            values,
            first: work.first.clone(),
        });
    }

    /// An iteration is over: begins the next, or ends the loop.
    pub(crate) fn iterate(&mut self, name: &str) {
        let (Some((index, step)), Some(frame)) = (self.document.step(name), self.run.loops.last().cloned())
        else {
            return self.foreign(name);
        };
        let Work::Loop(work) = &step.work else { return self.foreign(name) };
        let outputs = self.run.step(name).map(|record| record.outputs.clone()).unwrap_or_default();
        let further = match (&work.over, &frame.values) {
            // Nothing is repeated on the way out of a cancellation.
            _ if self.run.cancelling.is_some() => {
                return self.finish_step(step, StepStatus::Cancelled, outputs, None, Then::End);
            }
            (Over::While(condition), _) => match condition.holds(&|variable| self.compared(variable)) {
                Ok(further) => further,
                Err(Mismatch(message)) => {
                    return self.fail(index, step, StepStatus::Failed, message, outputs);
                }
            },
            (Over::Each { .. }, Some(values)) => {
                values.len() > usize::try_from(frame.iteration).unwrap_or(usize::MAX)
            }
            (Over::Each { .. }, None) => false,
        };
        if further && frame.iteration < work.max_iterations.unwrap_or(MAX_ITERATIONS) {
            self.emit(Body::LoopIterating {
                step: step.name.clone(),
                iteration: frame.iteration + 1,
                values: None,
                first: work.first.clone(),
            });
        } else {
            let then = self.after(index, step, step.next_step.as_ref());
            self.finish_step(step, StepStatus::Success, outputs, None, then);
        }
    }

    /// Whether the step that comes next lies outside the innermost loop that is going on.
    pub(crate) fn has_left_a_loop(&self, next: &str) -> bool {
        let Some(frame) = self.run.loops.last() else { return false };
        let mut at = self.document.step(next).and_then(|(_, step)| step.parent.as_deref());
        while let Some(around) = at {
            if around == frame.step {
                return false;
            }
            at = self.document.step(around).and_then(|(_, step)| step.parent.as_deref());
        }
        true
    }

    /// Ends the innermost loop because a jump led out of it.
    pub(crate) fn leave_loop(&mut self, next: &str) {
        let then = Then::Step(next.to_owned());
        self.end_loop(StepStatus::Exited, then);
    }

    /// Ends all loops because the run is over.
    pub(crate) fn close_loops(&mut self) {
        while !self.run.loops.is_empty() {
            let status = match (&self.run.cancelling, &self.run.verdict) {
                (Some(_), _) => StepStatus::Cancelled,
                (None, Some(verdict)) if verdict.status == RunStatus::TimedOut => StepStatus::TimedOut,
                (None, Some(_)) => StepStatus::Failed,
                (None, None) => StepStatus::Exited,
            };
            self.end_loop(status, Then::End);
        }
    }

    fn end_loop(&mut self, status: StepStatus, then: Then) {
        let Some(LoopFrame { step, .. }) = self.run.loops.last().cloned() else { return };
        let record = self.run.step(&step);
        let outputs = record.map(|record| record.outputs.clone()).unwrap_or_default();
        let action = record.map(|record| record.action.clone()).unwrap_or_default();
        let next = match then {
            Then::Step(name) => Some(name),
            Then::Again(_) | Then::End => None,
        };
        self.emit(Body::StepFinished {
            step,
            action,
            status,
            attempts: 0,
            outputs,
            failure: None,
            weight: None,
            next,
            again: None,
            set: Map::new(),
        });
    }

    // ---- Command documents ----

    /// Skips a step of a Command document whose precondition does not hold. Answers whether it did.
    fn skips(&mut self, index: usize, step: &Step, rules: &PluginRules) -> bool {
        let Some(precondition) = &rules.precondition else { return false };
        match precondition.holds(PLATFORM, &|reference| self.value_of(reference)) {
            Ok(true) => false,
            Ok(false) => {
                self.skip(index, step, "Its precondition does not hold".to_owned());
                true
            }
            Err(message) => {
                self.fail(index, step, StepStatus::Failed, message, Map::new());
                true
            }
        }
    }

    fn skip(&mut self, index: usize, step: &Step, reason: String) {
        let then = self.after(index, step, None);
        self.finish_step(step, StepStatus::Skipped, Map::new(), Some((reason, None)), then);
    }

    /// The step that runs whatever came before, if there is one and it is still to come.
    pub(crate) fn finally(&self, index: usize) -> Then {
        match self.document.steps.last() {
            Some(last)
                if index + 1 < self.document.steps.len()
                    && last.plugin.as_ref().is_some_and(|rules| rules.finally) =>
            {
                Then::Step(last.name.clone())
            }
            _ => Then::End,
        }
    }

    pub(crate) fn fail_plugin(
        &mut self,
        index: usize,
        step: &Step,
        rule: AfterFailure,
        status: StepStatus,
        message: String,
        outputs: Map<String, Value>,
    ) {
        let (status, weight, then) = match rule {
            AfterFailure::GoOn => (status, Some(Weight::Critical), self.after(index, step, None)),
            AfterFailure::Exit => (status, Some(Weight::Critical), self.finally(index)),
            AfterFailure::SuccessAndExit => (StepStatus::Success, None, self.finally(index)),
        };
        self.finish_step(step, status, outputs, Some((message, weight)), then);
    }

    /// What another plugin does.
    pub(crate) fn plugin(&self, step: &Step, resolved: &Map<String, Value>) -> Result<PluginEffect, String> {
        let plugin = inputs::plugin(&step.action, &without_rules(resolved))?;
        // What a nested document does has limits of its own.
        let execution_timeout_s = match &plugin {
            Plugin::RunDocument { .. } => inputs::MAX_EXECUTION_TIMEOUT_S,
            _ => inputs::EXECUTION_TIMEOUT_S,
        };
        Ok(PluginEffect {
            host: self.run.host.clone(),
            plugin,
            execution_timeout_s,
            delivery_timeout_s: inputs::DELIVERY_TIMEOUT_S,
        })
    }

    /// The shell script of a step. Parameters that are handed over in the environment stay out of its text.
    pub(crate) fn shell(
        &self,
        step: &Step,
        shell: Shell,
        resolved: &Map<String, Value>,
    ) -> Result<ShellEffect, String> {
        let handed_over =
            |name: &str| self.document.parameters.get(name).is_some_and(|parameter| parameter.env_var);
        let mut inputs = without_rules(resolved);
        if let Some(script) = step.inputs.get("runCommand") {
            let script = interpolate(script, &|reference| match reference {
                Reference::Parameter(name) if handed_over(name) => Ok(None),
                other => self.value_of(other),
            })?;
            inputs.insert("runCommand".to_owned(), script);
        }
        let script = inputs::shell_script(&inputs)?;
        let environment = self
            .run
            .parameters
            .iter()
            .filter(|(name, _)| handed_over(name))
            .map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (format!("SSM_{name}"), text)
            })
            .collect();
        let host: Option<HostId> = self.run.host.clone();
        Ok(ShellEffect {
            host,
            shell,
            commands: script.commands,
            working_directory: script.working_directory,
            environment,
            execution_timeout_s: script.timeout_s,
            delivery_timeout_s: inputs::DELIVERY_TIMEOUT_S,
        })
    }
}

/// The inputs of the plugin itself: what follows from the step's end is none of them.
fn without_rules(resolved: &Map<String, Value>) -> Map<String, Value> {
    let mut inputs = resolved.clone();
    for key in crate::plugins::SHARED.iter().chain(&["id"]) {
        inputs.remove(*key);
    }
    inputs
}
