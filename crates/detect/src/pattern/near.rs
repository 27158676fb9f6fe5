//! What a pattern that does not match may have meant: the same text in another case, a number that is a text, a field
//! that is somewhere else.

use serde_json::Value;

use super::Leaf;
use super::test::{Like, Test};

/// How many values of an event are looked through for a field of the same name.
const MOST_LOOKED_AT: usize = 10_000;

/// The literal of a test, as text, and whether it is one itself.
fn literal(test: &Test) -> Option<(String, bool)> {
    match test {
        Test::Text(text, _) | Test::Like(Like::Equal(text)) => Some((text.clone(), true)),
        Test::Number(number) => Some((number.to_string(), false)),
        Test::Constant(value) => Some((value.to_string(), false)),
        _ => None,
    }
}

fn same_but_case(a: &str, b: &str) -> bool {
    a != b && a.to_lowercase() == b.to_lowercase()
}

/// What is nearly right about a value that is there.
pub(super) fn of_values(leaf: &Leaf, found: &[Value]) -> Option<String> {
    let wanted = |value: &Value| {
        leaf.tests.iter().find_map(|test| match (test, value) {
            (Test::Like(Like::Prefix(text)), Value::String(found))
                if found.to_lowercase().starts_with(&text.to_lowercase()) =>
            {
                Some(format!(
                    "{value} begins so in another case; `equals-ignore-case` inside of `prefix` takes both"
                ))
            }
            (Test::Like(Like::Suffix(text)), Value::String(found))
                if found.to_lowercase().ends_with(&text.to_lowercase()) =>
            {
                Some(format!(
                    "{value} ends so in another case; `equals-ignore-case` inside of `suffix` takes both"
                ))
            }
            (Test::Numeric(_), Value::String(found)) if found.parse::<f64>().is_ok() => {
                Some(format!("{value} is a text, and `numeric` compares numbers only"))
            }
            _ => {
                let (text, is_text) = literal(test)?;
                match value {
                    Value::String(found) if is_text && same_but_case(found, &text) => {
                        Some(format!("{value} differs in case only; `equals-ignore-case` takes both"))
                    }
                    Value::String(found) if !is_text && *found == text => {
                        Some(format!("{value} is a text, and the pattern has {text} without quotes"))
                    }
                    Value::Number(_) | Value::Bool(_) | Value::Null
                        if is_text && text == value.to_string().as_str() =>
                    {
                        Some(format!("{value} is no text, and the pattern has it in quotes"))
                    }
                    _ => None,
                }
            }
        })
    };
    found.iter().find_map(wanted)
}

/// Where else the event has a field of the same name, or nearly.
pub(super) fn of_place(leaf: &Leaf, event: &Value) -> Option<String> {
    let name = leaf.path.rsplit('.').next().unwrap_or(&leaf.path);
    let mut left = MOST_LOOKED_AT;
    let mut best: Option<(u8, String)> = None;
    walk(event, "", &mut left, &mut |path, key| {
        let rank = if same_but_case(path, &leaf.path) {
            0
        } else if key == name {
            1
        } else if same_but_case(key, name) {
            2
        } else {
            return;
        };
        if best.as_ref().is_none_or(|(before, _)| rank < *before) {
            best = Some((rank, path.to_owned()));
        }
    });
    best.map(|(_, path)| format!("the event has `{path}`"))
}

fn walk(value: &Value, path: &str, left: &mut usize, found: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if *left == 0 {
                    return;
                }
                *left -= 1;
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                found(&path, key);
                walk(inner, &path, left, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| walk(element, path, left, found)),
        _ => {}
    }
}
