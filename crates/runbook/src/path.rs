//! JSONPath for the selectors of step outputs: child, index, wildcard and deep scan, as Systems Manager documents it.
//!
//! A path with a wildcard or a deep scan always gives a list. Filters, slices and unions are refused by name.

use serde_json::Value;

/// A parsed selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Key(String),
    Index(i64),
    All,
    Deep(Option<String>),
}

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// What is wrong.
    pub message: String,
    /// Whether it is JSONPath all right, but of a kind that is not built.
    pub not_built: bool,
    /// The byte at which it goes wrong.
    pub at: usize,
}

impl Path {
    /// Reads a selector. It starts with `$`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let error = |at, message: &str| PathError { message: message.to_owned(), not_built: false, at };
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err(error(0, "A selector starts with `$`"));
        };
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            if let Some(tail) = rest.strip_prefix("..") {
                let (name, tail) = word(tail);
                match (name, tail.strip_prefix('*')) {
                    ("", Some(tail)) => {
                        parts.push(Part::Deep(None));
                        rest = tail;
                    }
                    ("", None) => return Err(error(at, "Expected a name after `..`")),
                    (name, _) => {
                        parts.push(Part::Deep(Some(name.to_owned())));
                        rest = tail;
                    }
                }
            } else if let Some(tail) = rest.strip_prefix('.') {
                if let Some(tail) = tail.strip_prefix('*') {
                    parts.push(Part::All);
                    rest = tail;
                } else if tail.starts_with('[') {
                    // `$.a.[0]` is common, though not in the standard.
                    rest = tail;
                } else {
                    let (name, tail) = word(tail);
                    if name.is_empty() {
                        return Err(error(at, "Expected a name after `.`"));
                    }
                    parts.push(Part::Key(name.to_owned()));
                    rest = tail;
                }
            } else if let Some(tail) = rest.strip_prefix('[') {
                let (part, tail) = bracket(tail, at)?;
                parts.push(part);
                rest = tail;
            } else {
                return Err(error(at, "Expected `.` or `[`"));
            }
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// What the path selects, or nothing. A path that can select several values selects the list of them, be it empty.
    pub fn select(&self, root: &Value) -> Option<Value> {
        let many = self.parts.iter().any(|part| matches!(part, Part::All | Part::Deep(_)));
        let mut found = vec![root];
        for part in &self.parts {
            let mut next = Vec::new();
            for value in found {
                match part {
                    Part::Key(key) => next.extend(value.get(key)),
                    Part::Index(index) => next.extend(element(value, *index)),
                    Part::All => next.extend(children(value)),
                    Part::Deep(key) => deep(value, key.as_deref(), &mut next),
                }
            }
            found = next;
        }
        if many {
            return Some(Value::Array(found.into_iter().cloned().collect()));
        }
        found.first().map(|value| (*value).clone())
    }

    /// The first key it names below the root.
    pub fn first_key(&self) -> Option<&str> {
        match self.parts.first() {
            Some(Part::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// The selector as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The name at the front. Names may hold what is common in AWS answers (`foo-bar`, `aws:tag`, `a/b`, `@x`).
fn word(text: &str) -> (&str, &str) {
    let end = text.find(['.', '[', ']', '*', '(', ')', '\'', '"', ' ', ',', '?']).unwrap_or(text.len());
    text.split_at(end)
}

fn bracket(text: &str, at: usize) -> Result<(Part, &str), PathError> {
    let error = |message: &str| PathError { message: message.to_owned(), not_built: false, at };
    if let Some(quote @ ('\'' | '"')) = text.chars().next() {
        let inner = &text[1..];
        let end = inner.find(quote).ok_or_else(|| error("This quote is never closed"))?;
        let tail = &inner[end + 1..];
        if tail.trim_start().starts_with(',') {
            return Err(PathError {
                message: "Selecting several names at once is not built yet".to_owned(),
                not_built: true,
                at,
            });
        }
        let tail = tail.strip_prefix(']').ok_or_else(|| error("Expected `]`"))?;
        return Ok((Part::Key(inner[..end].to_owned()), tail));
    }
    let end = text.find(']').ok_or_else(|| error("This bracket is never closed"))?;
    let (inner, tail) = (text[..end].trim(), &text[end + 1..]);
    if inner == "*" {
        return Ok((Part::All, tail));
    }
    if let Ok(index) = inner.parse::<i64>() {
        return Ok((Part::Index(index), tail));
    }
    let kind = match inner {
        _ if inner.starts_with('?') => "Filters in selectors are",
        _ if inner.contains(':') => "Slices in selectors are",
        _ if inner.contains(',') => "Selecting several elements at once is",
        _ => return Err(error("Expected an index, a quoted name or `*` in the brackets")),
    };
    Err(PathError { message: format!("{kind} not built yet"), not_built: true, at })
}

fn element(value: &Value, index: i64) -> Option<&Value> {
    let list = value.as_array()?;
    let index = if index < 0 {
        list.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
    } else {
        usize::try_from(index).ok()?
    };
    list.get(index)
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn deep<'a>(value: &'a Value, key: Option<&str>, found: &mut Vec<&'a Value>) {
    match key {
        Some(key) => found.extend(value.get(key)),
        None => found.extend(children(value)),
    }
    for child in children(value) {
        deep(child, key, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn select(path: &str, root: &Value) -> Option<Value> {
        Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error:?}")).select(root)
    }

    #[test]
    fn definite_paths_keep_the_type_and_others_give_lists() {
        let root = json!({"Payload": {"a": [1, {"b": "x"}, {"b": "y"}], "c-d": true, "n": null}});
        assert_eq!(select("$", &root), Some(root.clone()));
        assert_eq!(select("$.Payload.a[0]", &root), Some(json!(1)));
        assert_eq!(select("$.Payload.a[-1].b", &root), Some(json!("y")));
        assert_eq!(select("$.Payload.a.[1].b", &root), Some(json!("x")));
        assert_eq!(select("$['Payload'][\"c-d\"]", &root), Some(json!(true)));
        assert_eq!(select("$.Payload.c-d", &root), Some(json!(true)));
        assert_eq!(select("$.Payload.n", &root), Some(json!(null)));
        assert_eq!(select("$.Payload.a[*].b", &root), Some(json!(["x", "y"])));
        assert_eq!(select("$..b", &root), Some(json!(["x", "y"])));
        assert_eq!(select("$..zzz", &root), Some(json!([])));
        assert_eq!(select("$.Payload.zzz", &root), None);
        assert_eq!(select("$.Payload.a[9]", &root), None);
        assert_eq!(select("$.Payload.a[-9]", &root), None);
    }

    #[test]
    fn what_is_not_a_path_is_refused_at_its_place() {
        for (text, at, not_built) in [
            ("Payload", 0, false),
            ("", 0, false),
            ("$.", 1, false),
            ("$x", 1, false),
            ("$.a[", 3, false),
            ("$.a[x]", 3, false),
            ("$.a['x", 3, false),
            ("$..", 1, false),
            ("$.a[?(@.b==1)]", 3, true),
            ("$.a[1:2]", 3, true),
            ("$.a[1,2]", 3, true),
            ("$['a','b']", 1, true),
        ] {
            let error = Path::parse(text).expect_err(text);
            assert_eq!((error.at, error.not_built), (at, not_built), "{text}: {}", error.message);
        }
    }
}
