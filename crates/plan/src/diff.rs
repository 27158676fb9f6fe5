//! Which fields of a resource differ, and what of them may be shown.
//!
//! A resource is a JSON object. Objects are compared key by key; lists of named objects (the steps of a document) by
//! name, so that a step that is put in between is one new step and not a change of all that follow; other lists of
//! objects by place; and lists of plain values as one value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::MAX_SHOWN_CHARS;
use crate::value::{FieldChange, Shown};

/// Deeper values are compared as one. Files are read with a smaller limit, so this is a bound and not a rule.
const MAX_DEPTH: usize = 128;

/// The keys that may name the objects of a list.
const NAMES: [&str; 3] = ["name", "Name", "Id"];

/// The fields in which two resources differ, in path order. `None` is a resource that is not there.
pub(crate) fn fields(old: Option<&Value>, new: Option<&Value>) -> Vec<FieldChange> {
    let mut out = Vec::new();
    compare(String::new(), old, new, false, 0, &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn compare(
    path: String,
    old: Option<&Value>,
    new: Option<&Value>,
    secret: bool,
    depth: usize,
    out: &mut Vec<FieldChange>,
) {
    if old == new {
        return;
    }
    // A side that is not there counts as empty, so that all fields of the other are named.
    let (no_map, no_list) = (Map::new(), Vec::new());
    if depth < MAX_DEPTH
        && let (Some(old), Some(new)) = (map(old, &no_map), map(new, &no_map))
        && !(old.is_empty() && new.is_empty())
    {
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let secret = secret || looks_secret(key);
            compare(below, old.get(key), new.get(key), secret, depth + 1, out);
        }
        return;
    }
    if depth < MAX_DEPTH
        && let (Some(old), Some(new)) = (objects(old, &no_list), objects(new, &no_list))
        && !(old.is_empty() && new.is_empty())
    {
        let (old_at, new_at) = match (by_name(old), by_name(new)) {
            (Some(old_at), Some(new_at)) => {
                out.extend(moved(&path, old, new));
                (old_at, new_at)
            }
            _ => (by_place(old), by_place(new)),
        };
        let keys: BTreeSet<&String> = old_at.keys().chain(new_at.keys()).collect();
        for key in keys {
            let (old, new) = (old_at.get(key).copied(), new_at.get(key).copied());
            compare(format!("{path}[{key}]"), old, new, secret, depth + 1, out);
        }
        return;
    }
    out.push(FieldChange { path, old: shown(old, secret), new: shown(new, secret) });
}

fn map<'a>(value: Option<&'a Value>, none: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    value.map_or(Some(none), Value::as_object)
}

/// A list of objects.
fn objects<'a>(value: Option<&'a Value>, none: &'a Vec<Value>) -> Option<&'a Vec<Value>> {
    value.map_or(Some(none), Value::as_array).filter(|list| list.iter().all(Value::is_object))
}

fn name(value: &Value) -> Option<&str> {
    NAMES.iter().find_map(|key| value.get(key)?.as_str())
}

/// The objects by their names, if each has one of its own.
fn by_name(list: &[Value]) -> Option<BTreeMap<String, &Value>> {
    let named: Option<BTreeMap<String, &Value>> =
        list.iter().map(|value| Some((name(value)?.to_owned(), value))).collect();
    named.filter(|named| named.len() == list.len())
}

/// The objects by their places, with leading zeros so that the order of paths is that of the places.
fn by_place(list: &[Value]) -> BTreeMap<String, &Value> {
    let width = list.len().to_string().len();
    list.iter().enumerate().map(|(at, value)| (format!("{at:0width$}"), value)).collect()
}

/// That named objects which both sides have come in another order.
fn moved(path: &str, old: &[Value], new: &[Value]) -> Option<FieldChange> {
    let names = |list: &[Value]| list.iter().filter_map(name).map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (names(old), names(new));
    let (in_old, in_new): (BTreeSet<&String>, BTreeSet<&String>) =
        (old.iter().collect(), new.iter().collect());
    let stay = |list: &[String], other: &BTreeSet<&String>| {
        list.iter().filter(|name| other.contains(name)).cloned().collect::<Vec<_>>()
    };
    let (old, new) = (stay(&old, &in_new), stay(&new, &in_old));
    (old != new).then(|| FieldChange {
        path: format!("{path}.order"),
        old: Shown::Value(old.into()),
        new: Shown::Value(new.into()),
    })
}

fn shown(value: Option<&Value>, secret: bool) -> Shown {
    match value {
        None => Shown::Absent,
        Some(_) if secret => Shown::Hidden,
        Some(value) if holds_secret(value, 0) => Shown::Hidden,
        Some(value) => Shown::Value(cut(value)),
    }
}

fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(MAX_SHOWN_CHARS) {
            Some((end, _)) => {
                let more = text[end..].chars().count();
                Value::String(format!("{}… ({more} more characters)", &text[..end]))
            }
            None => value.clone(),
        },
        Value::Array(list) => Value::Array(list.iter().map(cut).collect()),
        other => other.clone(),
    }
}

/// Whether what is called so is commonly a secret: `DB_PASSWORD`, `apiKey`, `auth-token`.
pub(crate) fn looks_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "credential",
        "apikey",
        "privatekey",
        "accesskey",
    ];
    // What only points at a secret is none: `TOKEN_FILE`, `SECRET_TTL`.
    const POINTERS: [&str; 8] = ["file", "path", "dir", "ttl", "timeout", "count", "size", "id"];
    let lower = name.to_lowercase();
    if lower.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().is_some_and(|last| POINTERS.contains(&last))
    {
        return false;
    }
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let ends_in_key = name.to_lowercase().trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("_key");
    ends_in_key || plain == "key" || WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a value holds what commonly is a secret: a reference to one, a URL with a password, an option of a command
/// line that gives one.
fn holds_secret(value: &Value, depth: usize) -> bool {
    match value {
        Value::String(text) => {
            text.contains("${secret:") || has_url_password(text) || has_secret_option(text)
        }
        Value::Array(list) => depth < MAX_DEPTH && list.iter().any(|one| holds_secret(one, depth + 1)),
        Value::Object(map) => {
            depth < MAX_DEPTH
                && map.iter().any(|(key, one)| looks_secret(key) || holds_secret(one, depth + 1))
        }
        _ => false,
    }
}

/// `postgres://user:password@host/`
fn has_url_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let rest = &text[at + 3..];
        let authority = rest.find(|c: char| c == '/' || c.is_whitespace()).map_or(rest, |end| &rest[..end]);
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// `--token abc`, `--password=abc`, `TOKEN=abc`
fn has_secret_option(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let named = word.split_once('=').map_or(word, |(name, _)| name);
        (word.starts_with("--") || word.contains('=')) && looks_secret(named)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(old: &Value, new: &Value) -> Vec<String> {
        let side = |shown: &Shown| match shown {
            Shown::Absent => "-".to_owned(),
            Shown::Hidden => "hidden".to_owned(),
            Shown::Value(value) => value.to_string(),
        };
        fields(Some(old), Some(new))
            .iter()
            .map(|field| format!("{} {} {}", field.path, side(&field.old), side(&field.new)))
            .collect()
    }

    #[test]
    fn a_step_that_is_put_in_between_is_one_new_step() {
        let old = json!({ "mainSteps": [{ "name": "a", "x": 1 }, { "name": "b", "x": 2 }] });
        let new = json!({ "mainSteps": [{ "name": "a", "x": 1 }, { "name": "c", "x": 3 }, { "name": "b", "x": 4 }] });
        assert_eq!(
            lines(&old, &new),
            ["mainSteps[b].x 2 4", "mainSteps[c].name - \"c\"", "mainSteps[c].x - 3"]
        );
        let turned = json!({ "mainSteps": [{ "name": "b", "x": 2 }, { "name": "a", "x": 1 }] });
        assert_eq!(lines(&old, &turned), ["mainSteps.order [\"a\",\"b\"] [\"b\",\"a\"]"]);
    }

    #[test]
    fn lists_without_names_are_compared_by_place_or_whole() {
        let old = json!({ "on": ["a"], "rules": [{ "a": 1 }], "none": {} });
        let new = json!({ "on": ["a", "b"], "rules": [{ "a": 2 }, {}], "none": [] });
        assert_eq!(
            lines(&old, &new),
            ["none {} []", "on [\"a\"] [\"a\",\"b\"]", "rules[0].a 1 2", "rules[1] - {}"]
        );
    }

    #[test]
    fn secrets_are_not_shown_wherever_they_stand() {
        let old = json!({ "env": { "DB_PASSWORD": "a", "MODE": "x", "URL": "http://h/" }, "run": "./a --token abc" });
        let new = json!({
            "env": { "DB_PASSWORD": "b", "MODE": "y", "URL": "http://u:p@h/", "K": "${secret:file:/etc/k}" },
            "run": "./a --token def",
        });
        let lines = lines(&old, &new);
        assert_eq!(
            lines,
            [
                "env.DB_PASSWORD hidden hidden",
                "env.K - hidden",
                "env.MODE \"x\" \"y\"",
                "env.URL \"http://h/\" hidden",
                "run hidden hidden"
            ]
        );
        for name in ["API_KEY", "apiKey", "auth-token", "SIGNING_KEY2", "client_secret"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["MODE", "KEYBOARD", "monkey", "PORT", "TOKEN_FILE"] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let long = "ä".repeat(MAX_SHOWN_CHARS + 5);
        let found = fields(None, Some(&json!({ "text": long })));
        let Shown::Value(Value::String(text)) = &found[0].new else { panic!("a text: {found:?}") };
        assert!(text.ends_with("… (5 more characters)"), "{text}");
    }
}
