//! One value of the documentation by its path: `components.checkout.endpoint`, `alarms.X.rules[0].expr`.

use mainstay_model::problem::nearest;
use serde_json::Value;

/// Why a path leads to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GetError {
    /// The path itself is not understood.
    #[error("`{path}` is not a path: {why}")]
    Form {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing of this name.
    #[error("there is no `{missing}` in {within}")]
    Missing {
        /// The key or index that is not there.
        missing: String,
        /// Where it was looked for.
        within: String,
        /// What was probably meant.
        near: Option<String>,
        /// What there is, or a few of them.
        known: Vec<String>,
    },
}

impl GetError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Form { .. } => {
                Some("write keys with dots between them, `[0]` for a place in a list, and `[\"…\"]` for a key with dots".to_owned())
            }
            Self::Missing { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Missing { known, .. } if known.is_empty() => Some("it has nothing in it".to_owned()),
            Self::Missing { known, .. } => Some(format!("it has `{}`", known.join("`, `"))),
        }
    }
}

/// One part of a path.
enum Part {
    Key(String),
    Index(usize),
}

/// The most names an error lists.
const MAX_KNOWN: usize = 20;

/// The value at a path; the empty path is all of it.
pub fn get<'a>(value: &'a Value, path: &str) -> Result<&'a Value, GetError> {
    let mut at = value;
    let mut within = "the documentation".to_owned();
    for part in parts(path)? {
        let next = match (&part, at) {
            (Part::Key(key), Value::Object(map)) => map.get(key),
            (Part::Index(index), Value::Array(list)) => list.get(*index),
            _ => None,
        };
        let name = match &part {
            Part::Key(key) => key.clone(),
            Part::Index(index) => format!("[{index}]"),
        };
        let Some(next) = next else { return Err(missing(at, name, within)) };
        within = if within.starts_with('`') {
            format!("{}{}{name}`", within.trim_end_matches('`'), if name.starts_with('[') { "" } else { "." })
        } else {
            format!("`{name}`")
        };
        at = next;
    }
    Ok(at)
}

fn missing(at: &Value, name: String, within: String) -> GetError {
    let all: Vec<String> = match at {
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Array(list) => (0..list.len()).map(|index| format!("[{index}]")).collect(),
        _ => Vec::new(),
    };
    let near = nearest(&name, all.iter().map(String::as_str)).map(str::to_owned);
    let more = all.len() > MAX_KNOWN;
    let mut known: Vec<String> = all.into_iter().take(MAX_KNOWN).collect();
    if more {
        known.push("…".to_owned());
    }
    GetError::Missing { missing: name, within, near, known }
}

fn parts(path: &str) -> Result<Vec<Part>, GetError> {
    let wrong = |why: &str| GetError::Form { path: path.to_owned(), why: why.to_owned() };
    let mut parts = Vec::new();
    let mut rest = path.trim();
    let mut dotted = false;
    while !rest.is_empty() || dotted {
        if let Some(inner) = rest.strip_prefix('[').filter(|_| !dotted) {
            if let Some(quoted) = inner.strip_prefix('"') {
                let (key, after) = quoted.split_once("\"]").ok_or_else(|| wrong("a `[\"` is not closed"))?;
                parts.push(Part::Key(key.to_owned()));
                rest = after;
            } else {
                let (index, after) = inner.split_once(']').ok_or_else(|| wrong("a `[` is not closed"))?;
                let index = index
                    .parse()
                    .map_err(|_| wrong("between `[` and `]` a number or a quoted key is expected"))?;
                parts.push(Part::Index(index));
                rest = after;
            }
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"').ok_or_else(|| wrong("a quote is not closed"))?;
            parts.push(Part::Key(key.to_owned()));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err(wrong("a name is missing"));
            }
            parts.push(Part::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        dotted = rest.starts_with('.');
        if dotted {
            rest = &rest[1..];
        } else if !rest.is_empty() && !rest.starts_with('[') {
            return Err(wrong("after a quoted key a dot or `[` is expected"));
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values_and_what_is_missing_is_named() {
        let value = json!({"components": {"checkout": {"endpoint": "e", "l": [{"a.b": 7}]}}});
        assert_eq!(get(&value, "components.checkout.endpoint"), Ok(&json!("e")));
        assert_eq!(get(&value, "components.\"checkout\".l[0][\"a.b\"]"), Ok(&json!(7)));
        assert_eq!(get(&value, ""), Ok(&value));
        let error = get(&value, "components.chekout.endpoint").expect_err("there is none");
        assert_eq!(error.to_string(), "there is no `chekout` in `components`");
        assert_eq!(error.hint().as_deref(), Some("did you mean `checkout`?"));
        let error = get(&value, "components.checkout.l[3]").expect_err("there is none");
        assert_eq!(error.to_string(), "there is no `[3]` in `components.checkout.l`");
        let error = get(&value, "components.checkout.endpoint.x").expect_err("a scalar");
        assert_eq!(error.hint().as_deref(), Some("it has nothing in it"));
        for bad in [".", "a.", ".a", "a..b", "a[", "a[x]", "a[\"x", "\"a", "\"a\"b", "[]"] {
            assert!(matches!(get(&value, bad), Err(GetError::Form { .. })), "{bad}");
        }
    }
}
