//! Reading mappings that people wrote, with every problem found at its place.

use std::fmt;
use std::time::Duration;

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment, parse_duration};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

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

/// The value of a JSON text. A key that is there twice is refused: one of the two would be lost without a word.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Once.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| error.to_string())
}

struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            map.insert(key, entries.next_value_seed(Self)?);
        }
        Ok(Value::Object(map))
    }
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
