//! Values: what references stand for, what an attempt is to do, and how much of what it leaves is kept.

use mainstay_model::Timestamp;
use serde_json::Value;

use super::{MAX_OUTPUT_BYTES, Machine};
use crate::child;
use crate::document::{Language, Step, Timeout, Work};
use crate::effect::{AttemptId, EffectKind, Outcome, seconds};
use crate::inputs;
use crate::library;
use crate::reader::json_bytes;
use crate::reference::{Reference, interpolate, interpolate_map};
use crate::run::{StepRecord, StepStatus};

/// What an attempt is to do, until when it sleeps, and when it has to be over.
type Prepared = (Option<EffectKind>, Option<Timestamp>, Option<Timestamp>);

impl Machine<'_> {
    /// What an attempt is to do, until when it sleeps, and when it has to be over.
    pub(super) fn prepare(&self, step: &Step, attempt: &AttemptId) -> Result<Prepared, String> {
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
                let command = library::bind(&self.document.library, inputs::command(&resolved)?, self.at)?;
                let limit = given.unwrap_or(command.delivery_timeout_s + command.execution_timeout_s);
                Ok((Some(EffectKind::Command(command)), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::ExecuteScript => {
                let script = inputs::script(&resolved)?;
                let limit = given.unwrap_or(inputs::SCRIPT_TIMEOUT_S);
                Ok((Some(EffectKind::Script(script)), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::RunScript(shell) => {
                let shell = self.shell(step, *shell, &resolved)?;
                let limit = given.unwrap_or(shell.delivery_timeout_s + shell.execution_timeout_s);
                Ok((Some(EffectKind::Shell(shell)), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::Plugin => {
                let plugin = self.plugin(step, &resolved)?;
                let limit = given.unwrap_or(plugin.delivery_timeout_s + plugin.execution_timeout_s);
                Ok((Some(EffectKind::Plugin(plugin)), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::Control => {
                let effect = inputs::control(&step.action, &resolved)?;
                let limit = given.unwrap_or_else(|| inputs::control_limit(&effect));
                Ok((Some(effect), None, Some(self.at.plus(seconds(limit)))))
            }
            Work::ExecuteAutomation => {
                let child = child::effect(&self.run, attempt, inputs::child(&resolved)?)?;
                let deadline = given.map(|number| self.at.plus(seconds(number)));
                Ok((Some(EffectKind::Child(child)), None, deadline))
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
            Reference::Named { space, name } if space == "variable" => match self.run.variables.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None => Err(format!("Variable {name} has no default, and no step has set it")),
            },
            Reference::Output { step, output } => {
                let Some(record) = self.run.step(step) else { return Ok(None) };
                match record.outputs.get(output) {
                    Some(value) => Ok(Some(value.clone())),
                    None => {
                        let step = self.document.step(step).map(|(_, step)| step);
                        Err(missing_output(step, record, output))
                    }
                }
            }
            Reference::Named { space, name } if space == "automation" && name == "EXECUTION_ID" => {
                Ok(Some(self.run.id.as_str().into()))
            }
            Reference::Named { space, name } => Ok(global(space, name, self.at)),
        }
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

fn missing_output(step: Option<&Step>, record: &StepRecord, output: &str) -> String {
    if !record.status.is_over() {
        return format!("Step {} has not run, so it has no output {output}", record.name);
    }
    let has: Vec<&str> = record.outputs.keys().map(String::as_str).collect();
    let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
    let declaration = step.and_then(|step| step.outputs.iter().find(|one| one.name == output));
    let found = match declaration {
        Some(declaration) if record.status == StepStatus::Success => {
            let root = Value::Object(record.outputs.clone());
            let what = if declaration.selector.select(&root).is_some() { "null" } else { "nothing" };
            format!("at `{}` there is {what}", declaration.selector.as_str())
        }
        _ => format!("it is {}", record.status.as_str()),
    };
    format!("Step {} left no output {output} ({found}; its outputs: {has})", record.name)
}

/// An outcome whose outputs can be journalled.
pub(super) fn bounded(outcome: Outcome) -> Outcome {
    let size = outcome.outputs().map_or(0, json_bytes);
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
