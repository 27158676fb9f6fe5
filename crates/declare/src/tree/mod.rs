//! A value with the place of each of its parts, read from YAML or JSON.

use std::ops::Range;

use compact_str::CompactString;
use mainstay_model::{Problem, Segment, Severity, Spot};
use serde_json::{Map, Value};

use crate::diagnostic::Diagnostic;
use crate::source::Source;

mod align;
mod json;
pub(crate) mod scalar;
mod yaml;

pub(crate) use scalar::Typed;

/// The deepest nesting that is read, so that nothing that walks a value can run out of stack.
pub(crate) const MAX_DEPTH: usize = 64;

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: NodeKind,
    /// All of its text.
    pub span: Range<usize>,
    /// What to underline when it is wrong as a whole: its text, or the key that names it where that would be many lines.
    pub focus: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// The text without quotes and escapes; for a number the way it was written.
    pub text: CompactString,
    pub typed: Typed,
    pub style: Style,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
    /// Not written like this: variables were filled in, so no part of it can be found in the file.
    Filled,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: CompactString,
    pub key_span: Range<usize>,
    pub value: Node,
}

impl Node {
    pub fn scalar(text: CompactString, typed: Typed, style: Style, span: Range<usize>) -> Self {
        Self { kind: NodeKind::Scalar(Scalar { text, typed, style }), focus: span.clone(), span }
    }

    /// A nothing at this place.
    pub fn null(span: Range<usize>) -> Self {
        Self::scalar(CompactString::default(), Typed::Null, Style::Plain, span)
    }

    /// A list or mapping. Its focus is its text if that is in brackets on one line, and else where it starts.
    pub fn container(kind: NodeKind, span: Range<usize>, source: &Source) -> Self {
        let mut node = Self { kind, focus: span.clone(), span };
        if !node.is_short(source) {
            node.focus = match &node.kind {
                NodeKind::Map(entries) if !entries.is_empty() => entries[0].key_span.clone(),
                // The bracket, or the dash of the first item.
                _ => source.clamp(node.span.start..node.span.start + 1),
            };
        }
        node
    }

    /// In brackets, on one line.
    fn is_short(&self, source: &Source) -> bool {
        let text = source.text.get(self.span.clone()).unwrap_or_default();
        text.starts_with(['{', '[']) && !text.contains('\n')
    }

    /// The same as the value of a key: where it takes many lines, the key stands for it.
    pub fn named(mut self, key_span: &Range<usize>, source: &Source) -> Self {
        if !matches!(self.kind, NodeKind::Scalar(_)) && !self.is_short(source) {
            self.focus = key_span.clone();
        }
        self
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// A copy of a mapping with these of its keys alone.
    pub fn with_keys(&self, keys: &[&str]) -> Self {
        let entries = match &self.kind {
            NodeKind::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        let wanted = entries.iter().filter(|entry| keys.contains(&entry.key.as_str()));
        Self {
            kind: NodeKind::Map(wanted.cloned().collect()),
            span: self.span.clone(),
            focus: self.focus.clone(),
        }
    }

    /// What it is, as people say it.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
            NodeKind::Scalar(scalar) => match scalar.typed {
                Typed::Null => "nothing",
                Typed::Bool(_) => "true or false",
                Typed::Number(_) | Typed::NotFinite => "a number",
                Typed::Text => "a text",
            },
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(Scalar { typed: Typed::Null, .. }))
    }

    /// The plain value. Numbers that JSON cannot write become their text.
    pub fn to_value(&self) -> Value {
        self.value(&[], false)
    }

    /// The same, where these keys hold texts however they are written, also further inside: `1.10` stays `1.10`.
    pub fn to_value_with_texts(&self, keys: &[&str]) -> Value {
        self.value(keys, false)
    }

    fn value(&self, keys: &[&str], is_text: bool) -> Value {
        match &self.kind {
            NodeKind::Scalar(scalar) => match &scalar.typed {
                Typed::Null => Value::Null,
                _ if is_text => Value::String(scalar.text.to_string()),
                Typed::Bool(value) => Value::Bool(*value),
                Typed::Number(number) => Value::Number(number.clone()),
                Typed::NotFinite | Typed::Text => Value::String(scalar.text.to_string()),
            },
            NodeKind::List(items) => {
                Value::Array(items.iter().map(|item| item.value(keys, is_text)).collect())
            }
            NodeKind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| {
                        let is_text = is_text || keys.contains(&entry.key.as_str());
                        (entry.key.to_string(), entry.value.value(keys, is_text))
                    })
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The text of a place. Where the path leads nowhere, the last value on the way stands for it.
    pub fn locate(&self, path: &[Segment], spot: &Spot, source: &Source) -> Range<usize> {
        let mut node = self;
        let mut key_span = None;
        let mut found = true;
        for segment in path {
            let next = match (segment, &node.kind) {
                (Segment::Key(key), _) => node.get(key).map(|entry| (&entry.value, Some(&entry.key_span))),
                (Segment::Index(index), NodeKind::List(items)) => items.get(*index).map(|item| (item, None)),
                _ => None,
            };
            match next {
                Some((inner, span)) => (node, key_span) = (inner, span),
                None => {
                    found = false;
                    break;
                }
            }
        }
        match (spot, key_span) {
            (Spot::Key, Some(span)) if found => span.clone(),
            (Spot::Within(bytes), _) if found => node.within(bytes.clone(), source),
            _ => node.focus.clone(),
        }
    }

    /// The text of some bytes of a scalar's value; all of it where they cannot be told apart.
    pub fn within(&self, bytes: Range<usize>, source: &Source) -> Range<usize> {
        match &self.kind {
            NodeKind::Scalar(scalar) => align::source_range(&source.text, self.span.clone(), scalar, bytes)
                .unwrap_or_else(|| self.focus.clone()),
            _ => self.focus.clone(),
        }
    }

    /// A language's problem with its place in the file.
    pub fn diagnostic(&self, problem: Problem, source: &Source) -> Diagnostic {
        let span = self.locate(&problem.path, &problem.spot, source);
        let made = match problem.severity {
            Severity::Error => source.error(problem.code, span, problem.message),
            Severity::Warning => source.warning(problem.code, span, problem.message),
        };
        Diagnostic { label: problem.label, help: problem.help, ..made }
    }
}

/// The documents of a file and everything wrong with its form.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// None of them where the form is wrong in a way that leaves the content unsure.
    pub documents: Vec<Node>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file as YAML or, by its name, as JSON.
pub(crate) fn parse(source: &Source) -> Parsed {
    if source.path.ends_with(".json") { json::parse(source) } else { yaml::parse(source) }
}

#[cfg(test)]
mod tests;
