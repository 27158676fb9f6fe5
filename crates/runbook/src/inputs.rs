//! The inputs of the actions that are performed: checked when a document is read, read when a step begins.
//!
//! Both go through the same readers. When a document is read (`draft`), a value that a reference decides is left open;
//! when a step begins all references have been replaced and everything must fit.

use std::time::Duration;

use mainstay_model::{HostId, Problem, Timestamp};
use serde_json::{Map, Value};

use crate::document::{ParameterType, Step, describe};
use crate::effect::{CommandEffect, Runtime, ScriptEffect, TagFilter, Targets};
use crate::reader::Reader;

/// How long a script may run where the document does not say, in seconds: the cap of `aws:executeScript`.
pub const SCRIPT_TIMEOUT_S: u64 = 600;

/// How long a command may take to reach its hosts where the document does not say, in seconds.
pub const DELIVERY_TIMEOUT_S: u64 = 3600;

/// How long a command may run where the document does not say, in seconds.
pub const EXECUTION_TIMEOUT_S: u64 = 3600;

/// The longest a script of a Command document may run, in seconds: 48 hours.
pub const MAX_EXECUTION_TIMEOUT_S: u64 = 172_800;

/// The longest sleep, in seconds: just under 7 days.
const MAX_SLEEP_S: u64 = 604_799;

/// The Command document whose work the agent does itself.
pub const SHELL_DOCUMENT: &str = "AWS-RunShellScript";

fn finally<T>(read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, String> {
    let mut problems = Vec::new();
    let value = read(&mut Reader { path: Vec::new(), problems: &mut problems, draft: false });
    match (value, problems.is_empty()) {
        (Some(value), true) => Ok(value),
        (_, true) => Err("Its inputs do not make sense together".to_owned()),
        _ => Err(problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")),
    }
}

pub(crate) fn command(inputs: &Map<String, Value>) -> Result<CommandEffect, String> {
    finally(|reader| read_command(inputs, reader))
}

pub(crate) fn script(inputs: &Map<String, Value>) -> Result<ScriptEffect, String> {
    finally(|reader| read_script(inputs, reader))
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

/// Inputs of `SendCommand` that do nothing here yet.
const COMMAND_LATER: [&str; 7] = [
    "CloudWatchOutputConfig",
    "DocumentHash",
    "DocumentHashType",
    "NotificationConfig",
    "OutputS3BucketName",
    "OutputS3KeyPrefix",
    "ServiceRoleArn",
];

pub(crate) fn shell_script(inputs: &Map<String, Value>) -> Result<ShellScript, String> {
    finally(|reader| read_shell_script(inputs, reader))
}

/// The inputs of `aws:runShellScript`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShellScript {
    pub(crate) commands: Vec<String>,
    pub(crate) working_directory: Option<String>,
    pub(crate) timeout_s: u64,
}

pub(crate) fn read_shell_script(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<ShellScript> {
    let commands = reader.texts(inputs, "runCommand");
    if commands.as_ref().is_some_and(Vec::is_empty) {
        reader.push(Problem::error("bad-value", reader.at("runCommand"), "`runCommand` holds no command"));
    }
    let working_directory = reader.text(inputs, "workingDirectory").filter(|text| !text.is_empty());
    let timeout_s = match inputs.get("timeoutSeconds") {
        None => EXECUTION_TIMEOUT_S,
        // Documents give an empty default to say that the usual limit is meant.
        Some(Value::String(text)) if text.is_empty() => EXECUTION_TIMEOUT_S,
        Some(_) => reader.whole(inputs, "timeoutSeconds", 1, MAX_EXECUTION_TIMEOUT_S)?,
    };
    Some(ShellScript { commands: commands?, working_directory, timeout_s })
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

pub(crate) fn read_command(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<CommandEffect> {
    for key in COMMAND_LATER.iter().filter(|key| inputs.contains_key(**key)) {
        reader.not_built(reader.at(key), &format!("`{key}` of aws:runCommand is"));
    }
    // The defaults of SendCommand may be written out; anything else needs rate control.
    for (key, default) in [("MaxConcurrency", "50"), ("MaxErrors", "0")] {
        let written = match inputs.get(key) {
            None => continue,
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if written != default {
            reader.not_built(reader.at(key), &format!("`{key}` other than {default} is"));
        }
    }
    if let Some(version) = inputs.get("DocumentVersion").and_then(Value::as_str)
        && !["$DEFAULT", "$LATEST"].contains(&version)
    {
        reader.not_built(reader.at("DocumentVersion"), "Choosing a version of a Command document is");
    }
    reader.text(inputs, "Comment");
    let document = document_name(inputs, reader);
    let delivery = reader.whole(inputs, "TimeoutSeconds", 30, 2_592_000).unwrap_or(DELIVERY_TIMEOUT_S);
    let targets = read_targets(inputs, reader);
    let shell = document.as_deref() == Some(SHELL_DOCUMENT);
    if shell && !inputs.contains_key("Parameters") {
        reader.missing("Parameters", "aws:runCommand with AWS-RunShellScript");
    }
    let parameters = reader.mapping(inputs, "Parameters");
    let (commands, working_directory, execution_timeout_s) = match parameters {
        Some(parameters) if shell => read_shell(parameters, &mut reader.inside("Parameters")),
        _ => (None, None, EXECUTION_TIMEOUT_S),
    };
    Some(CommandEffect {
        document: document?,
        commands: commands?,
        working_directory,
        execution_timeout_s,
        delivery_timeout_s: delivery,
        targets: targets?,
    })
}

fn document_name(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<String> {
    if !inputs.contains_key("DocumentName") {
        reader.missing("DocumentName", "aws:runCommand");
        return None;
    }
    let name = reader.text(inputs, "DocumentName")?;
    if reader.open(&Value::String(name.clone())) {
        reader.not_built(reader.at("DocumentName"), "Choosing the Command document by a reference is");
        return None;
    }
    if name != SHELL_DOCUMENT {
        let what = format!("Running the Command document `{name}` is");
        reader.problems.push(
            Problem::error("not-built", reader.at("DocumentName"), format!("{what} not built yet"))
                .help(format!("`{SHELL_DOCUMENT}` is built")),
        );
        return None;
    }
    Some(name)
}

fn read_shell(
    parameters: &Map<String, Value>,
    reader: &mut Reader<'_>,
) -> (Option<Vec<String>>, Option<String>, u64) {
    reader.unknown_keys(
        parameters,
        &["commands", "workingDirectory", "executionTimeout"],
        &format!("the parameters of {SHELL_DOCUMENT}"),
    );
    // Parameters of SendCommand are lists of texts; a list of one stands for the text in it.
    let mut single = |key: &str| -> Option<String> {
        let mut list = reader.texts(parameters, key)?;
        if list.len() > 1 {
            reader.problems.push(Problem::error(
                "wrong-type",
                reader.at(key),
                format!("`{key}` is one text, found a list of {}", list.len()),
            ));
        }
        list.pop()
    };
    let working_directory = single("workingDirectory").filter(|text| !text.is_empty());
    let timeout = match parameters.get("executionTimeout") {
        Some(Value::Number(_)) => reader.whole(parameters, "executionTimeout", 1, MAX_EXECUTION_TIMEOUT_S),
        Some(_) => match single("executionTimeout") {
            Some(text) => {
                let mut one = Map::new();
                one.insert("executionTimeout".to_owned(), text.into());
                reader.whole(&one, "executionTimeout", 1, MAX_EXECUTION_TIMEOUT_S)
            }
            None => None,
        },
        None => None,
    };
    if !parameters.contains_key("commands") {
        reader.missing("commands", SHELL_DOCUMENT);
    }
    let commands = reader.texts(parameters, "commands");
    if commands.as_ref().is_some_and(Vec::is_empty) {
        reader.push(Problem::error("bad-value", reader.at("commands"), "`commands` holds no command"));
    }
    (commands, working_directory, timeout.unwrap_or(EXECUTION_TIMEOUT_S))
}

fn host_ids(texts: Vec<String>, path: &[mainstay_model::Segment], reader: &mut Reader<'_>) -> Vec<HostId> {
    let mut hosts: Vec<HostId> = Vec::new();
    for text in texts {
        if text == "{{RESOURCE_ID}}" || text == "{{ RESOURCE_ID }}" {
            reader.not_built(path.to_vec(), "Maintenance windows (`{{RESOURCE_ID}}`) are");
            continue;
        }
        if reader.open(&Value::String(text.clone())) {
            continue;
        }
        match HostId::new(text) {
            Ok(host) if !hosts.contains(&host) => hosts.push(host),
            Ok(_) => {}
            Err(error) => reader.push(Problem::error("bad-value", path.to_vec(), error.to_string())),
        }
    }
    hosts
}

fn read_targets(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Targets> {
    match (inputs.get("InstanceIds"), inputs.get("Targets")) {
        (Some(_), Some(_)) => {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("Targets"),
                    "`InstanceIds` and `Targets` exclude each other",
                )
                .on_key(),
            );
            None
        }
        (None, None) => {
            reader.missing("InstanceIds` or `Targets", "aws:runCommand");
            None
        }
        (Some(value), None) => {
            if value.as_array().is_some_and(|list| list.len() > 50) {
                reader.push(Problem::error("bad-value", reader.at("InstanceIds"), "At most 50 hosts by id"));
            }
            let texts = reader.texts(inputs, "InstanceIds")?;
            let hosts = host_ids(texts, &reader.at("InstanceIds"), reader);
            if hosts.is_empty() && !reader.draft {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("InstanceIds"),
                    "`InstanceIds` names no host",
                ));
            }
            Some(Targets::Hosts(hosts))
        }
        (None, Some(Value::Array(list))) => {
            if list.is_empty() || list.len() > 5 {
                reader.push(Problem::error(
                    "bad-value",
                    reader.at("Targets"),
                    "`Targets` has 1 to 5 entries",
                ));
                return None;
            }
            let mut within = reader.inside("Targets");
            let filters: Vec<Option<TagFilter>> = list
                .iter()
                .enumerate()
                .map(|(index, entry)| read_target(entry, &mut within.inside(index)))
                .collect();
            filters.into_iter().collect::<Option<Vec<_>>>().map(Targets::Tags)
        }
        (None, Some(value)) if reader.open(value) => None,
        (None, Some(other)) => {
            reader.wrong(reader.at("Targets"), "Targets", "a list of `Key` and `Values`", other);
            None
        }
    }
}

fn read_target(entry: &Value, reader: &mut Reader<'_>) -> Option<TagFilter> {
    let Value::Object(map) = entry else {
        if !reader.open(entry) {
            reader.wrong(reader.path.clone(), "Targets", "a list of `Key` and `Values`", entry);
        }
        return None;
    };
    reader.unknown_keys(map, &["Key", "Values"], "a target");
    for key in ["Key", "Values"].iter().filter(|key| !map.contains_key(**key)) {
        reader.missing(key, "A target");
    }
    let key = reader.text(map, "Key")?;
    let values = reader.texts(map, "Values");
    if values.as_ref().is_some_and(|values| values.is_empty() || values.len() > 50) {
        reader.push(Problem::error("bad-value", reader.at("Values"), "`Values` has 1 to 50 entries"));
        return None;
    }
    if reader.open(&Value::String(key.clone())) {
        return None;
    }
    if let Some(tag) = key.strip_prefix("tag:") {
        return Some(TagFilter::Tag { key: tag.to_owned(), values: values? });
    }
    match key.as_str() {
        "tag-key" => Some(TagFilter::Key(values?)),
        "InstanceIds" | "instanceids" => {
            let path = reader.at("Values");
            Some(TagFilter::Host(host_ids(values?, &path, reader)))
        }
        _ if key.starts_with("resource-groups:") => {
            reader.not_built(reader.at("Key"), "Resource groups as targets are");
            None
        }
        _ => {
            reader.push(
                Problem::error("bad-value", reader.at("Key"), format!("`{key}` is not a key of targets"))
                    .help("Use `tag:KEY`, `tag-key` or `InstanceIds`"),
            );
            None
        }
    }
}

pub(crate) fn read_script(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<ScriptEffect> {
    if inputs.contains_key("Attachment") {
        reader.not_built(reader.at("Attachment"), "`Attachment` of aws:executeScript is");
    } else if !inputs.contains_key("Script") {
        reader.missing("Script", "aws:executeScript");
    }
    let runtime = if inputs.contains_key("Runtime") {
        let name = reader.text(inputs, "Runtime")?;
        read_runtime(&name, reader)
    } else {
        reader.missing("Runtime", "aws:executeScript");
        None
    };
    match runtime {
        Some(Runtime::Python) if !inputs.contains_key("Handler") => {
            reader.missing("Handler", "aws:executeScript with Python");
        }
        Some(Runtime::Bash) if inputs.contains_key("Handler") => reader.push(
            Problem::error("bad-value", reader.at("Handler"), "`Handler` is for Python; bash has none")
                .on_key(),
        ),
        _ => {}
    }
    let handler = reader.text(inputs, "Handler");
    if let Some(handler) = &handler
        && runtime == Some(Runtime::Python)
        && !reader.open(&Value::String(handler.clone()))
        && !handler_fits(handler, inputs.contains_key("Attachment"))
    {
        reader.push(
            Problem::error(
                "bad-value",
                reader.at("Handler"),
                format!("`{handler}` is not the name of a function"),
            )
            .label("expected a name such as `main`"),
        );
    }
    let script = reader.text(inputs, "Script");
    let payload = match inputs.get("InputPayload") {
        None => Some(Map::new()),
        Some(_) => reader.mapping(inputs, "InputPayload").cloned(),
    };
    Some(ScriptEffect { runtime: runtime?, handler, script: script?, payload: payload? })
}

/// A function's name; with an attachment, `file.function`.
fn handler_fits(text: &str, attached: bool) -> bool {
    match text.split_once('.') {
        Some((file, function)) if attached => is_identifier(file) && is_identifier(function),
        _ => is_identifier(text),
    }
}

fn is_identifier(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn read_runtime(name: &str, reader: &mut Reader<'_>) -> Option<Runtime> {
    if reader.open(&Value::String(name.to_owned())) {
        reader.not_built(reader.at("Runtime"), "Choosing the runtime by a reference is");
        return None;
    }
    let version =
        |rest: &str| rest.is_empty() || rest.strip_prefix('.').is_some_and(|v| v.parse::<u32>().is_ok());
    if name.strip_prefix("python3").is_some_and(version) {
        return Some(Runtime::Python);
    }
    if name == "bash" {
        return Some(Runtime::Bash);
    }
    if name.starts_with("PowerShell") {
        reader.not_built(reader.at("Runtime"), &format!("The runtime `{name}` is"));
    } else {
        reader.push(
            Problem::error("bad-value", reader.at("Runtime"), format!("`{name}` is not a runtime"))
                .help("Runtimes are python3.x (the host's python3 is used) and bash"),
        );
    }
    None
}

/// Checks the inputs of `aws:sleep`, and reads them where references have been replaced.
pub(crate) fn read_sleep(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Sleep> {
    let text = |key: &str| inputs.get(key).map(|value| (key.to_owned(), value));
    let (key, value) = match (text("Duration"), text("Timestamp")) {
        (Some(_), Some(_)) => {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("Timestamp"),
                    "`Duration` and `Timestamp` exclude each other",
                )
                .on_key(),
            );
            return None;
        }
        (None, None) => {
            reader.missing("Duration` or `Timestamp", "aws:sleep");
            return None;
        }
        (Some(one), None) | (None, Some(one)) => one,
    };
    if reader.open(value) {
        return None;
    }
    let Some(text) = value.as_str() else {
        reader.wrong(reader.at(&key), &key, "a text", value);
        return None;
    };
    if key == "Timestamp" {
        return match text.parse::<Timestamp>() {
            Ok(at) => Some(Sleep::Until(at)),
            Err(error) => {
                reader.push(Problem::error("bad-value", reader.at(&key), error.to_string()));
                None
            }
        };
    }
    match iso_duration(text) {
        Some(duration) if duration.as_secs() <= MAX_SLEEP_S => Some(Sleep::For(duration)),
        Some(_) => {
            reader.push(Problem::error(
                "bad-value",
                reader.at(&key),
                format!("A sleep takes at most {MAX_SLEEP_S} seconds, just under 7 days"),
            ));
            None
        }
        None => {
            reader.push(
                Problem::error("bad-value", reader.at(&key), format!("`{text}` is not an ISO 8601 duration"))
                    .label("expected a duration such as `PT10M`"),
            );
            None
        }
    }
}

/// What a sleep waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    For(Duration),
    Until(Timestamp),
}

pub(crate) fn sleep_until(inputs: &Map<String, Value>, at: Timestamp) -> Result<Timestamp, String> {
    match finally(|reader| read_sleep(inputs, reader))? {
        Sleep::For(duration) => Ok(at.plus(duration)),
        Sleep::Until(until) if until.since(at).as_secs() > MAX_SLEEP_S => {
            Err(format!("{until} is more than {MAX_SLEEP_S} seconds away, the longest sleep"))
        }
        Sleep::Until(until) => Ok(until),
    }
}

/// An ISO 8601 duration of weeks, days, hours, minutes and seconds (`P1DT2H`, `PT0.5S`). Months and years have no fixed
/// length and are refused.
fn iso_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let total = part(date, &[('W', 604_800), ('D', 86_400)])?
        .checked_add(part(time, &[('H', 3600), ('M', 60), ('S', 1)])?)?;
    Some(Duration::from_millis(total))
}

/// The milliseconds of one half of a duration; units in order, each at most once, a fraction only in seconds.
fn part(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total: u64 = 0;
    let mut units = units.iter();
    while !text.is_empty() {
        let length = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = text.split_at(length);
        let unit = tail.chars().next()?;
        text = &tail[unit.len_utf8()..];
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        let ms = match number.split_once('.') {
            None => number.parse::<u64>().ok()?.checked_mul(seconds.checked_mul(1000)?)?,
            Some((whole, fraction)) if unit == 'S' && !fraction.is_empty() && !fraction.contains('.') => {
                let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
                whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction.parse().ok()?)?
            }
            Some(_) => return None,
        };
        total = total.checked_add(ms)?;
    }
    Some(total)
}

/// The outputs of a step: those of its action and those it declares.
pub(crate) fn declared(step: &Step, outputs: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut all = outputs.clone();
    let root = Value::Object(outputs.clone());
    for declaration in &step.outputs {
        let selector = declaration.selector.as_str();
        let value = declaration.selector.select(&root).ok_or_else(|| {
            format!("Output {} has no value: there is nothing at {selector}", declaration.name)
        })?;
        if let Some(kind) = &declaration.kind
            && !kind.admits(&value)
        {
            return Err(format!(
                "Output {} is declared {}, and at {selector} there is {}",
                declaration.name,
                kind.name(),
                describe(&value)
            ));
        }
        all.insert(declaration.name.clone(), value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_iso_8601() {
        for (text, ms) in [
            ("PT10M", 600_000),
            ("PT2S", 2000),
            ("PT0S", 0),
            ("P1DT2H3M4.5S", 93_784_500),
            ("P1W", 604_800_000),
            ("PT0.25S", 250),
        ] {
            assert_eq!(iso_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1DT",
            "10M",
            "PT10",
            "PT-1S",
            "-PT1S",
            "P1Y",
            "P1M",
            "PT1S1M",
            "PT1.5M",
            "PT1.S",
            "PT1.2.3S",
            "pt1s",
            "PT99999999999999999999S",
            "PTé",
        ] {
            assert_eq!(iso_duration(bad), None, "{bad}");
        }
    }
}
