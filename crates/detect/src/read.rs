//! Reading mappings that people wrote, with every problem found at its place.

use std::time::Duration;

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment, json, parse_duration};
use serde_json::{Map, Value};

/// A path and one more segment.
pub(crate) fn at(path: &[Segment], segment: impl Into<Segment>) -> Vec<Segment> {
    let mut path = path.to_vec();
    path.push(segment.into());
    path
}

/// What a value is, as people say it.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// The deepest nesting of a JSON text: what is taken of it is put into events, which nest 100 deep.
const MAX_TEXT_DEPTH: usize = 120;

/// The value of a JSON text. A key that is there twice is refused: one of the two would be lost without a word.
pub(crate) fn json(text: &str) -> Result<Value, json::Fault> {
    json::read_text(text, MAX_TEXT_DEPTH)
}

/// The mapping a value is, or a problem.
pub(crate) fn mapping<'a>(
    value: &'a Value,
    path: &[Segment],
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a Map<String, Value>> {
    if value.is_object() {
        return value.as_object();
    }
    problems.push(
        Problem::error("wrong-type", path, format!("{what} must be a mapping, found {}", kind(value)))
            .label("expected a mapping"),
    );
    None
}

/// The list a value is, or a problem.
pub(crate) fn list<'a>(
    value: &'a Value,
    path: &[Segment],
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a Vec<Value>> {
    if value.is_array() {
        return value.as_array();
    }
    problems.push(
        Problem::error("wrong-type", path, format!("{what} must be a list, found {}", kind(value)))
            .label("expected a list"),
    );
    None
}

/// The string a value is, or a problem.
pub(crate) fn string<'a>(
    value: &'a Value,
    path: &[Segment],
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a str> {
    if value.is_string() {
        return value.as_str();
    }
    problems.push(
        Problem::error("wrong-type", path, format!("{what} must be a string, found {}", kind(value)))
            .label("expected a string"),
    );
    None
}

/// The text of a scalar: YAML people write `expr: 1` and `severity: 2`, and Prometheus takes it as text.
pub(crate) fn scalar(
    map: &Map<String, Value>,
    path: &[Segment],
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    match map.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null => None,
        value => {
            let message = format!("`{key}` must be a string, found {}", kind(value));
            problems.push(Problem::error("wrong-type", at(path, key), message).label("expected a string"));
            None
        }
    }
}

/// A length of time in the syntax of Prometheus.
pub(crate) fn duration(
    map: &Map<String, Value>,
    path: &[Segment],
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<Duration> {
    let text = scalar(map, path, key, problems)?;
    match parse_duration(&text) {
        Ok(duration) => Some(duration),
        Err(error) => {
            let problem = Problem::error("bad-duration", at(path, key), error.to_string());
            problems.push(problem.label("expected a duration"));
            None
        }
    }
}

/// Keys outside `known`, each a problem on the key with the nearest known one.
pub(crate) fn unknown_keys(
    map: &Map<String, Value>,
    path: &[Segment],
    known: &[&str],
    what: &str,
    problems: &mut Vec<Problem>,
) {
    for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
        let problem =
            Problem::error("unknown-key", at(path, key.as_str()), format!("{what} has no key `{key}`"))
                .on_key();
        problems.push(match nearest(key, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("known keys are {}", known.join(", "))),
        });
    }
}
