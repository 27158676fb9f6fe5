//! JSON from outside, read strictly: what it says is what is kept, or it is refused with the place.
//!
//! A key that is there twice would be read as the last one here and as the first one elsewhere, so it is refused. Depth
//! is limited before it costs anything.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

/// Where a value stands: the keys and numbers that lead to it.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(At::Root, key) => f.write_str(key),
            Self::Key(before, key) => write!(f, "{before}.{key}"),
            Self::Index(before, index) => write!(f, "{before}[{index}]"),
        }
    }
}

impl At<'_> {
    /// The place in words.
    fn words(&self) -> String {
        let place: String = self.to_string().chars().take(200).collect();
        if place.is_empty() { "at the top".to_owned() } else { format!("at `{place}`") }
    }
}

/// Reads a text of at most so many levels.
pub fn read(bytes: &[u8], levels: usize) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Fault(format!("it is not UTF-8: byte {} is no character", error.valid_up_to())))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Strict { at: &At::Root, levels }.deserialize(&mut reader);
    read.and_then(|value| reader.end().map(|()| value))
        .map_err(|error| Fault(format!("it is not JSON that can be kept: {error}")))
}

struct Strict<'a> {
    at: &'a At<'a>,
    levels: usize,
}

impl<'a> Strict<'a> {
    fn deeper<E: serde::de::Error>(&self, at: &'a At<'a>) -> Result<Strict<'a>, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Strict { at, levels }),
            None => Err(E::custom(format!("it is nested too deeply, {}", self.at.words()))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom(format!("a number is too large, {}", self.at.words())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let at = At::Index(self.at, list.len());
            match items.next_element_seed(self.deeper(&at)?)? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let at = At::Key(self.at, &key);
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("a key is there twice, {}", at.words())));
            }
            let value = entries.next_value_seed(self.deeper(&at)?)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(text: &[u8]) -> String {
        read(text, 10).expect_err("refused").0
    }

    #[test]
    fn what_is_said_is_kept() {
        let text = br#"{"a": [1, -2, 0.5, null, true, "\u00e9"], "b": {"": {}}}"#;
        assert_eq!(read(text, 10), Ok(json!({"a": [1, -2, 0.5, null, true, "é"], "b": {"": {}}})));
    }

    #[test]
    fn what_is_not_clear_is_refused_with_its_place() {
        assert!(
            fault(br#"{"data": {"a": [1, {"x": 1, "y": 2, "x": 3}]}}"#).contains("twice, at `data.a[1].x`")
        );
        assert!(fault(b"{\"a\": \"\xff\"}").contains("byte 7"));
        assert!(fault(br#"{"a": 1} {"b": 2}"#).contains("column 10"));
        assert!(fault(br#"{"a": 1e400}"#).contains("out of range"));
        assert!(fault(br#"{"a": "\ud800"}"#).contains("line 1"));
        let deep = format!("{}{}", "[".repeat(12), "]".repeat(12));
        assert!(fault(deep.as_bytes()).contains("nested too deeply, at `[0][0]"));
        let bottomless = "[".repeat(1_000_000);
        assert!(fault(bottomless.as_bytes()).contains("nested too deeply"));
        assert!(fault(b"").contains("EOF"));
    }
}
