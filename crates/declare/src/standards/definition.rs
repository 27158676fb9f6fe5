//! `standard.yaml`: what a standard says of itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::shape::standards::{PARAMETER, STANDARD, TYPES};
use crate::source::Source;
use crate::tree::{Node, NodeKind, Scalar, Typed};
use crate::workload::fields::Reader;
use crate::workload::standards::tag_policy;
use crate::workload::{Changes, TagRule, changes};

/// The longest duration that a parameter may have.
const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What `standard.yaml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The standard's name, as its authors call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What who uses it can say.
    pub parameters: BTreeMap<String, Parameter>,
    /// Which tags there have to be.
    pub tag_policy: Vec<TagRule>,
    /// Which changes wait for an approval, at least.
    pub changes: Changes,
}

/// A parameter of a standard.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `text`, `number`, `flag` or `duration`.
    pub kind: &'static str,
    /// What it means.
    pub description: Option<String>,
    /// Its value where none is given.
    pub default: Option<Value>,
    /// The values it may have; empty means any of its type.
    pub allowed: Vec<Value>,
}

/// What was read of a `standard.yaml`.
pub(crate) struct Read {
    /// `None` with any error.
    pub definition: Option<Definition>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads `standard.yaml`.
pub(crate) fn read(source: &Source, root: &Node) -> Read {
    let reader = Reader::new(source);
    let definition = definition(&reader, root).filter(|_| !reader.has_errors());
    Read { definition, diagnostics: crate::diagnostic::in_order(reader.into_diagnostics()) }
}

fn definition(reader: &Reader<'_>, root: &Node) -> Option<Definition> {
    let fields = reader.fields(root, &STANDARD)?;
    let name = fields
        .required("standard", "NAME")
        .and_then(|node| reader.text(node))
        .and_then(|text| reader.name(&text.text, text.span, "a standard"));
    if let Some(node) = fields.required("version", "1")
        && let Some(version) = reader.count(node, 0..=u32::MAX)
        && version != 1
    {
        let message =
            format!("Standards of version {version} are not known to this version of Mainstay: it reads 1");
        reader.push(reader.error("not-built", node.focus.clone(), message));
    }
    let mut parameters = BTreeMap::new();
    for entry in fields.get("parameters").and_then(|node| reader.entries(node)).unwrap_or_default() {
        parameter_name(reader, &entry.key, entry.key_span.clone());
        if let Some(read) = parameter(reader, &entry.value) {
            parameters.insert(entry.key.to_string(), read);
        }
    }
    let tag_policy = fields.get("tag_policy").map(|node| tag_policy(reader, node, None)).unwrap_or_default();
    let changes = fields.get("changes").map(|node| changes::read(reader, node)).unwrap_or_default();
    let description = fields.text("description");
    Some(Definition { name: name?, description, parameters, tag_policy, changes })
}

fn parameter_name(reader: &Reader<'_>, name: &str, span: Range<usize>) {
    let fits = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !fits {
        let message = format!("`{name}` is not a name for a parameter");
        let help = "such names have up to 64 letters, digits, `_` and `-`, and start with a letter";
        reader.push(reader.error("bad-name", span, message).help(help));
    }
}

fn parameter(reader: &Reader<'_>, node: &Node) -> Option<Parameter> {
    let fields = reader.fields(node, &PARAMETER)?;
    let words: Vec<(&str, &'static str)> = TYPES.iter().map(|word| (*word, *word)).collect();
    let kind = fields.required("type", "text").and_then(|node| reader.one_of(node, &words))?;
    let mut allowed = Vec::new();
    if let Some(node) = fields.get("allowed") {
        for item in reader.list(node).unwrap_or_default() {
            if is_of(reader, item, kind) {
                allowed.push(item.to_value());
            }
        }
        if matches!(&node.kind, NodeKind::List(items) if items.is_empty()) {
            let message = "With no value allowed, nobody could use this";
            reader.push(reader.error("bad-value", node.focus.clone(), message).help("remove `allowed`"));
        }
    }
    let default = fields.get("default").filter(|node| is_of(reader, node, kind));
    let out = Parameter {
        kind,
        description: fields.text("description"),
        default: default.map(Node::to_value),
        allowed,
    };
    if let Some(node) = default
        && let Some(message) = out.refuses(&node.to_value())
    {
        reader.push(reader.error("bad-value", node.focus.clone(), message));
    }
    Some(out)
}

/// Whether a value is of a parameter's type; if not, that is said.
pub(crate) fn is_of(reader: &Reader<'_>, node: &Node, kind: &str) -> bool {
    let NodeKind::Scalar(Scalar { typed, .. }) = &node.kind else {
        reader.wrong_type::<()>(node, expected(kind));
        return false;
    };
    match (kind, typed) {
        ("text", Typed::Text) | ("number", Typed::Number(_)) | ("flag", Typed::Bool(_)) => true,
        ("duration", _) => reader.duration(node, Duration::ZERO..=MAX_DURATION).is_some(),
        _ => {
            reader.wrong_type::<()>(node, expected(kind));
            false
        }
    }
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "number" => "a number",
        "flag" => "true or false",
        "duration" => "a duration",
        _ => "a text",
    }
}

impl Parameter {
    /// Why a value of its type is not possible.
    pub(crate) fn refuses(&self, value: &Value) -> Option<String> {
        if self.allowed.is_empty() || self.allowed.contains(value) {
            return None;
        }
        let word = |value: &Value| match value {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let list = self.allowed.iter().map(word).collect::<Vec<_>>().join(", ");
        Some(format!("{} is not possible here: expected one of {list}", word(value)))
    }
}
