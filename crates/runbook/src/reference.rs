//! References in double braces: finding them in text, and putting values in their place.
//!
//! A text that is one reference and nothing else becomes the value itself, type and all. A reference inside a longer
//! text becomes text: strings as they are, everything else as JSON. Double braces that do not hold a reference
//! (`{{.State}}`, as other templates write) stay as they are.

use std::ops::Range;

use serde_json::{Map, Value};

/// What a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `{{ name }}`.
    Parameter(String),
    /// `{{ step.Output }}`.
    Output {
        /// The step.
        step: String,
        /// Its output.
        output: String,
    },
    /// `{{ variable:name }}`, `{{ global:DATE }}`, `{{ automation:EXECUTION_ID }}`, `{{ ssm:/path }}`.
    Named {
        /// What stands before the colon.
        space: String,
        /// What stands after it.
        name: String,
    },
}

/// Something in double braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Braced {
    /// A reference.
    Reference(Reference),
    /// Braces within braces.
    Nested,
    /// Something else, which stays as it is.
    Text,
}

/// Something in double braces and where it stands, braces included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// What it is.
    pub braced: Braced,
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn classify(inner: &str) -> Braced {
    let inner = inner.trim();
    if let Some((space, name)) = inner.split_once(':') {
        let path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.' | b':');
        if is_name(space) && !name.is_empty() && name.bytes().all(path) {
            return Braced::Reference(Reference::Named { space: space.to_owned(), name: name.to_owned() });
        }
        return Braced::Text;
    }
    match inner.split_once('.') {
        None if is_name(inner) => Braced::Reference(Reference::Parameter(inner.to_owned())),
        Some((step, output)) if is_name(step) && output.split('.').all(is_name) => {
            Braced::Reference(Reference::Output { step: step.to_owned(), output: output.to_owned() })
        }
        _ => Braced::Text,
    }
}

/// Everything in double braces, in order.
pub fn scan(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|offset| at + offset) {
        let body = open + 2;
        let Some(close) = text[body..].find("}}").map(|offset| body + offset) else { break };
        let inner = &text[body..close];
        match inner.rfind("{{") {
            Some(within) => {
                // `{{ {{x}} }}` is refused, but `{{` far away from a later reference is only text.
                let start = body + within;
                let nested = inner[..within].trim().is_empty();
                let (span, braced) = if nested {
                    (open..close + 2, Braced::Nested)
                } else {
                    (start..close + 2, classify(&text[start + 2..close]))
                };
                found.push(Found { span, braced });
            }
            None => found.push(Found { span: open..close + 2, braced: classify(inner) }),
        }
        at = close + 2;
    }
    found
}

/// Whether the text holds at least one reference.
pub fn refers(text: &str) -> bool {
    text.contains("{{") && scan(text).iter().any(|found| matches!(found.braced, Braced::Reference(_)))
}

/// The reference that is the whole text, if it is one.
pub fn whole(text: &str) -> Option<Reference> {
    match scan(text).as_slice() {
        [Found { span, braced: Braced::Reference(reference) }] if *span == (0..text.len()) => {
            Some(reference.clone())
        }
        _ => None,
    }
}

/// Gives the value of a reference, or says why there is none.
pub type Resolve<'a> = dyn Fn(&Reference) -> Result<Option<Value>, String> + 'a;

/// A value with every reference in it replaced. Where `resolve` answers `None` the braces stay as they are.
pub fn interpolate(value: &Value, resolve: &Resolve<'_>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => interpolate_text(text, resolve)?,
        Value::Array(list) => {
            Value::Array(list.iter().map(|item| interpolate(item, resolve)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => Value::Object(interpolate_map(map, resolve)?),
        other => other.clone(),
    })
}

/// The same for a mapping. Keys are never replaced.
pub fn interpolate_map(
    map: &Map<String, Value>,
    resolve: &Resolve<'_>,
) -> Result<Map<String, Value>, String> {
    map.iter().map(|(key, value)| Ok((key.clone(), interpolate(value, resolve)?))).collect()
}

fn interpolate_text(text: &str, resolve: &Resolve<'_>) -> Result<Value, String> {
    if !text.contains("{{") {
        return Ok(Value::String(text.to_owned()));
    }
    if let Some(reference) = whole(text) {
        return Ok(resolve(&reference)?.unwrap_or_else(|| Value::String(text.to_owned())));
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for found in scan(text) {
        let Braced::Reference(reference) = &found.braced else { continue };
        let Some(value) = resolve(reference)? else { continue };
        out.push_str(&text[at..found.span.start]);
        match value {
            Value::String(inner) => out.push_str(&inner),
            other => out.push_str(&other.to_string()),
        }
        at = found.span.end;
    }
    out.push_str(&text[at..]);
    Ok(Value::String(out))
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "{{{{ {name} }}}}"),
            Self::Output { step, output } => write!(f, "{{{{ {step}.{output} }}}}"),
            Self::Named { space, name } => write!(f, "{{{{ {space}:{name} }}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kinds(text: &str) -> Vec<String> {
        scan(text)
            .iter()
            .map(|found| {
                let word = match &found.braced {
                    Braced::Reference(reference) => reference.to_string(),
                    Braced::Nested => "nested".to_owned(),
                    Braced::Text => "text".to_owned(),
                };
                format!("{}..{} {word}", found.span.start, found.span.end)
            })
            .collect()
    }

    #[test]
    fn references_are_told_from_other_braces() {
        assert_eq!(kinds("a {{x}} b {{ s.Out }}"), ["2..7 {{ x }}", "10..21 {{ s.Out }}"]);
        assert_eq!(kinds("{{global:DATE}}"), ["0..15 {{ global:DATE }}"]);
        assert_eq!(kinds("{{ssm:/a/b.c}}"), ["0..14 {{ ssm:/a/b.c }}"]);
        assert_eq!(kinds("{{.State.Running}} {{ a b }}"), ["0..18 text", "19..28 text"]);
        assert_eq!(kinds("{{ {{x}} }}"), ["0..8 nested"]);
        assert_eq!(kinds("x = {{'a': 1\n {{y}}"), ["14..19 {{ y }}"]);
        assert_eq!(kinds("{{ never closed"), Vec::<String>::new());
        assert_eq!(kinds("{{}} }} {{é}}"), ["0..4 text", "8..14 text"]);
    }

    #[test]
    fn whole_values_keep_their_type_and_embedded_ones_become_text() {
        let resolve = |reference: &Reference| -> Result<Option<Value>, String> {
            match reference {
                Reference::Parameter(name) if name == "List" => Ok(Some(json!(["a", 1]))),
                Reference::Parameter(name) if name == "N" => Ok(Some(json!(5))),
                Reference::Parameter(name) if name == "S" => Ok(Some(json!("{{ N }}"))),
                Reference::Parameter(_) => Ok(None),
                other => Err(format!("no {other}")),
            }
        };
        let get = |value: Value| interpolate(&value, &resolve);
        assert_eq!(get(json!("{{ List }}")), Ok(json!(["a", 1])));
        assert_eq!(get(json!({"{{ N }}": [["{{N}}"], "n={{N}}"]})), Ok(json!({"{{ N }}": [[5], "n=5"]})));
        assert_eq!(get(json!("{{List}}!")), Ok(json!("[\"a\",1]!")));
        assert_eq!(get(json!("<{{S}}>")), Ok(json!("<{{ N }}>")), "what was put in is not read again");
        assert_eq!(get(json!("{{other}} {{.x}} {{N}}")), Ok(json!("{{other}} {{.x}} 5")));
        assert_eq!(get(json!("{{a.b}}")), Err("no {{ a.b }}".to_owned()));
    }
}
