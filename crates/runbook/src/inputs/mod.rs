//! The inputs of the actions that are performed: checked when a document is read, read when a step begins.
//!
//! Both go through the same readers. When a document is read (`draft`), a value that a reference decides is left open;
//! when a step begins all references have been replaced and everything must fit.

mod command;
mod control;
mod plugin;
mod script;
mod sleep;
mod targets;
mod unbuilt;

use mainstay_model::{Problem, Severity};
use serde_json::{Map, Value};

use crate::child;
use crate::document::{ParameterType, Step, describe};
use crate::reader::Reader;

pub(crate) use command::{command, named_document, read_command};
pub(crate) use control::{control, limit as control_limit, read as read_control};
pub use plugin::is_loopback;
pub(crate) use plugin::{plugin, read_plugin, read_shell_script, shell_script};
pub use script::NEEDS_PROGRAM;
pub(crate) use script::{needs_pwsh, read_script, script};
pub(crate) use sleep::{read_sleep, sleep_until};
pub(crate) use unbuilt::read_unbuilt;

/// How long a script may run where the document does not say, in seconds: the cap of `aws:executeScript`.
pub const SCRIPT_TIMEOUT_S: u64 = 600;

/// How long a command may take to reach its hosts where the document does not say, in seconds.
pub const DELIVERY_TIMEOUT_S: u64 = 3600;

/// How long a command may run where the document does not say, in seconds.
pub const EXECUTION_TIMEOUT_S: u64 = 3600;

/// The longest a script of a Command document may run, in seconds: 48 hours.
pub const MAX_EXECUTION_TIMEOUT_S: u64 = 172_800;

/// The Command document that runs a shell script and nothing else.
pub const SHELL_DOCUMENT: &str = "AWS-RunShellScript";

/// The same for PowerShell.
pub const POWERSHELL_DOCUMENT: &str = "AWS-RunPowerShellScript";

fn finally<T>(read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, String> {
    let mut problems = Vec::new();
    let value = read(&mut Reader { path: Vec::new(), problems: &mut problems, draft: false });
    problems.retain(|problem| problem.severity == Severity::Error);
    match (value, problems.is_empty()) {
        (Some(value), true) => Ok(value),
        (_, true) => Err("Its inputs do not make sense together".to_owned()),
        _ => Err(problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")),
    }
}

pub(crate) fn child(inputs: &Map<String, Value>) -> Result<child::Inputs, String> {
    finally(|reader| child::read(inputs, reader))
}

/// Seconds from a parameter's value: a whole number of at least 1, also as text.
pub(crate) fn whole_seconds(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|number| *number >= 1)
}

/// The elements a loop goes through, each as the loop gives it to its steps.
pub(crate) fn iterators(value: &Value, kind: &ParameterType) -> Result<Vec<Value>, String> {
    let Value::Array(list) = value else {
        return Err(format!("A loop goes through a list, found {}", describe(value)));
    };
    if list.len() > MAX_ITERATIONS as usize {
        return Err(format!("A loop goes through at most {MAX_ITERATIONS} elements, found {}", list.len()));
    }
    list.iter()
        .map(|element| match (kind, element) {
            (kind, element) if kind.admits(element) => Ok(element.clone()),
            // The data type is a text where the loop does not say, and numbers have one.
            (ParameterType::String, Value::Number(_) | Value::Bool(_)) => {
                Ok(Value::String(element.to_string()))
            }
            _ => Err(format!("The loop's elements are {}, found {}", kind.name(), describe(element))),
        })
        .collect()
}

/// How often a loop repeats its steps at most.
pub(crate) const MAX_ITERATIONS: u32 = 100;

/// Why a value cannot be put into a variable of this type.
pub(crate) fn variable_problem(kind: &ParameterType, value: &Value) -> Option<String> {
    if !kind.admits(value) {
        return Some(format!("it is {}, found {}", kind.name(), describe(value)));
    }
    match value {
        Value::String(text) if text.is_empty() || text.chars().count() > 512 => {
            Some(format!("a text has 1 to 512 characters, found {}", text.chars().count()))
        }
        Value::Array(list) => {
            let most = if *kind == ParameterType::MapList { 200 } else { 50 };
            (list.len() > most)
                .then(|| format!("a {} has at most {most} elements, found {}", kind.name(), list.len()))
        }
        Value::Object(map) => map.keys().find(|key| key.is_empty() || key.chars().count() > 50).map(|key| {
            format!("a key has 1 to 50 characters, found {}", describe(&Value::from(key.as_str())))
        }),
        _ => None,
    }
}

/// The outputs of a step: those of its action and those it declares. A declared output with nothing at its place is left
/// out: a script returns one thing or another, and what comes after asks which. Reading it where a value is needed is
/// the error. A value of another type than the declared one is converted as the reference says, where it can be; without a
/// `Type` it stays what it is.
pub(crate) fn declared(step: &Step, outputs: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut all = outputs.clone();
    let root = Value::Object(outputs.clone());
    for declaration in &step.outputs {
        let selector = declaration.selector.as_str();
        let Some(value) = declaration.selector.select(&root).filter(|value| !value.is_null()) else {
            continue;
        };
        let value = match &declaration.kind {
            None => value,
            Some(kind) => converted(kind, &value).ok_or_else(|| {
                format!(
                    "Output {} is declared {}, and at {selector} there is {}",
                    declaration.name,
                    kind.name(),
                    describe(&value)
                )
            })?,
        };
        all.insert(declaration.name.clone(), value);
    }
    Ok(all)
}

/// A value as an output of this type, as far as Systems Manager converts: between a text, a whole number and a truth value
/// by how they are written, from one of them to a list of texts, and from a list with one of them to that one. Lists of
/// numbers and truth values have no type of their own, so they can be declared as lists of texts only.
fn converted(kind: &ParameterType, value: &Value) -> Option<Value> {
    if kind.admits(value) {
        return Some(value.clone());
    }
    let written = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let one = match value {
        Value::Array(list) => match list.as_slice() {
            [one] => one,
            _ => &Value::Null,
        },
        other => other,
    };
    match kind {
        ParameterType::String => written(one).map(Value::String),
        ParameterType::Integer => match one {
            Value::Number(number) => (number.is_i64() || number.is_u64()).then(|| one.clone()),
            Value::String(text) => text.trim().parse::<i64>().ok().map(Value::from),
            _ => None,
        },
        ParameterType::Boolean => match one {
            Value::Bool(_) => Some(one.clone()),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true.into()),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false.into()),
            _ => None,
        },
        ParameterType::StringList => match value {
            Value::Array(list) => list
                .iter()
                .map(|item| written(item).map(Value::String))
                .collect::<Option<_>>()
                .map(Value::Array),
            other => written(other).map(|text| Value::Array(vec![text.into()])),
        },
        _ => None,
    }
}
