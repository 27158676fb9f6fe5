//! JSON from outside, read strictly: what it says is what is kept, or it is refused with the place.
//!
//! A key that is there twice would be read as the last one here and as the first one elsewhere, so it is refused. Depth
//! is limited before it costs anything.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What is wrong with a text, as `Display` says it: with the keys that lead there, the line and the column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    message: String,
    /// The bytes of the text that it is about. Of text that is UTF-8 they are whole characters.
    pub span: Range<usize>,
    /// It is a key that is there twice. Nothing is known of what comes behind it.
    pub is_repeated_key: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

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

/// How a key that is there twice is told of.
const TWICE: &str = "a key is there twice";

/// Reads a text of at most so many levels. More than 126 are not read.
pub fn read(bytes: &[u8], levels: usize) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("it is not UTF-8: byte {at} is no character");
        let span = at..at + error.error_len().unwrap_or(1).min(bytes.len() - at);
        Fault { message, span, is_repeated_key: false }
    })?;
    read_text(text, levels)
}

/// The same of a text.
pub fn read_text(text: &str, levels: usize) -> Result<Value, Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Strict { at: &At::Root, levels: levels.min(126) }.deserialize(&mut reader);
    read.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let mut message = error.to_string();
        let is_repeated_key = message.starts_with(TWICE);
        let span = span(text, &error, is_repeated_key);
        if is_repeated_key && let Some((said, _)) = message.rsplit_once(" at line ") {
            // The reader has gone on behind the key by now.
            let before = &text[..span.start];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            message = format!("{said} at line {line} column {column}");
        }
        Fault { message, span, is_repeated_key }
    })
}

/// What an error is about: the key that is there twice, or the last character that was read.
fn span(text: &str, error: &serde_json::Error, is_repeated_key: bool) -> Range<usize> {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let end = text.ceil_char_boundary((before + error.column()).min(text.len()));
    let last = text[..end].chars().next_back().map_or(0, char::len_utf8);
    if !is_repeated_key {
        return end - last..end;
    }
    // Its quotes: the last one, as white space may have been read behind it, and before that one that is not escaped.
    let is_quote = |at: &usize| {
        let escapes = text[..*at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        escapes % 2 == 0
    };
    let mut quotes = text[..end].rmatch_indices('"').map(|(at, _)| at).filter(is_quote);
    let last = quotes.next().unwrap_or(0);
    quotes.next().unwrap_or(last)..last + 1
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
                return Err(A::Error::custom(format!("{TWICE}, {}", at.words())));
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
        read(text, 10).expect_err("refused").to_string()
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

    #[test]
    fn what_is_wrong_is_underlined() {
        let about = |text: &str| text[read_text(text, 10).expect_err("refused").span].to_owned();
        assert_eq!(about("{\n  \"\u{e9}\": [],\r\n  \"\u{e9}\": []\n}"), "\"\u{e9}\"");
        assert_eq!(about(r#"{"a\"b": 1, "c": {"\\": 1, "\u005c": 2}}"#), r#""\u005c""#);
        assert_eq!(about(r#"{"a\\\"": 1, "a\\\"" : 2}"#), r#""a\\\"""#);
        assert_eq!(about(r#"{"": 1, "": 2}"#), r#""""#);
        assert_eq!(about(r#"{"b": 1, "b"}"#), r#""b""#);
        assert_eq!(about("[1, \u{e9}]"), "\u{e9}");
        assert_eq!(about("[1"), "1");
        assert_eq!(about(""), "");
        let levels =
            |many: usize| read_text(&format!("{}{}", "[".repeat(many), "]".repeat(many)), usize::MAX);
        assert!(levels(126).is_ok());
        assert!(levels(127).expect_err("too many").to_string().contains("nested too deeply, at `[0][0]"));
    }
}
