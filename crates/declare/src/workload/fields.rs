//! Reading typed values out of nodes, with a diagnostic for each that is not what it should be.
//!
//! Every reader answers `None` after it has said why, so that callers go on and all problems come out at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use mainstay_model::{Selector, format_duration, parse_duration};

use super::command::{Template, TemplateError};
use crate::diagnostic::Diagnostic;
use crate::read::MAX_PROBLEMS;
use crate::shape::Shape;
use crate::source::Source;
use crate::tree::{Entry, Node, NodeKind, Scalar, Typed, scalar};

/// A text and its place.
#[derive(Clone, Debug)]
pub(crate) struct Spanned {
    pub text: String,
    pub span: Range<usize>,
}

/// Reads one file.
pub(crate) struct Reader<'a> {
    pub source: &'a Source,
    out: RefCell<Vec<Diagnostic>>,
}

/// A mapping whose keys are known.
pub(crate) struct Fields<'r, 'n> {
    reader: &'r Reader<'r>,
    node: &'n Node,
    shape: &'static Shape,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Source) -> Self {
        Self { source, out: RefCell::default() }
    }

    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.out.into_inner()
    }

    pub fn push(&self, diagnostic: Diagnostic) {
        self.out.borrow_mut().push(diagnostic);
    }

    /// How many problems there are.
    pub fn len(&self) -> usize {
        self.out.borrow().len()
    }

    /// Shows the problems from this one on to a function that may add to them.
    pub fn since(&self, from: usize, change: impl FnOnce(&mut [Diagnostic])) {
        change(self.out.borrow_mut().get_mut(from..).unwrap_or_default());
    }

    pub fn has_errors(&self) -> bool {
        self.out.borrow().iter().any(Diagnostic::is_error)
    }

    pub fn error(&self, code: &'static str, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.source.error(code, span, message)
    }

    /// After so many problems nothing more is read: they are not shown either.
    fn is_full(&self) -> bool {
        self.out.borrow().len() > MAX_PROBLEMS
    }

    pub fn wrong_type<T>(&self, node: &Node, expected: &str) -> Option<T> {
        if self.is_full() {
            return None;
        }
        let message = format!("Expected {expected}, found {}", node.kind_name());
        let diagnostic =
            self.error("wrong-type", node.focus.clone(), message).label(format!("expected {expected}"));
        let text_expected = expected.starts_with("a text");
        let number_expected = expected.ends_with("number");
        self.push(match &node.kind {
            NodeKind::Scalar(Scalar { typed: Typed::Text, text, .. })
                if number_expected && matches!(scalar::number(text), Typed::Number(_)) =>
            {
                diagnostic.help(format!("write it without quotes: `{text}`"))
            }
            NodeKind::Scalar(Scalar {
                typed: Typed::Bool(_) | Typed::Number(_) | Typed::NotFinite,
                text,
                ..
            }) if text_expected => {
                diagnostic.help(format!("put it in quotes if it is meant as text: `\"{text}\"`"))
            }
            _ => diagnostic,
        });
        None
    }

    /// A mapping with these keys. What is known but not built, or a frequent mistake, has a sentence of its own.
    pub fn fields<'r, 'n>(&'r self, node: &'n Node, shape: &'static Shape) -> Option<Fields<'r, 'n>> {
        let Shape { what, not_built, .. } = shape;
        let entries = self.entries(node)?;
        for entry in entries {
            if self.is_full() {
                break;
            }
            if shape.key(&entry.key).is_some() {
                continue;
            }
            let span = entry.key_span.clone();
            if let Some((_, why)) = not_built.iter().find(|(key, _)| *key == entry.key) {
                // Nothing is asked for with an empty list.
                if matches!(&entry.value.kind, NodeKind::List(items) if items.is_empty()) {
                    continue;
                }
                self.push(self.error("not-built", span, *why));
                continue;
            }
            let known = shape.keys.iter().map(|key| key.name).chain(not_built.iter().map(|(key, _)| *key));
            let message = format!("There is no key `{}` in {what}", entry.key);
            let mut diagnostic = self.error("unknown-key", span, message).nearest(&entry.key, known);
            if diagnostic.help.is_none() {
                let list =
                    shape.keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
                diagnostic = diagnostic.help(format!("known keys are {list}"));
            }
            self.push(diagnostic);
        }
        Some(Fields { reader: self, node, shape })
    }

    /// A mapping with keys of the author's choice.
    pub fn entries<'n>(&self, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.kind {
            NodeKind::Map(_) if self.is_full() => None,
            NodeKind::Map(entries) => Some(entries),
            _ => self.wrong_type(node, "a mapping"),
        }
    }

    pub fn list<'n>(&self, node: &'n Node) -> Option<&'n [Node]> {
        match &node.kind {
            NodeKind::List(_) if self.is_full() => None,
            NodeKind::List(items) => Some(items),
            _ => self.wrong_type(node, "a list"),
        }
    }

    /// A text that is not empty.
    pub fn text(&self, node: &Node) -> Option<Spanned> {
        match &node.kind {
            NodeKind::Scalar(Scalar { typed: Typed::Text, text, .. }) => {
                if text.trim().is_empty() {
                    self.push(self.error("bad-value", node.focus.clone(), "This text is empty"));
                    return None;
                }
                Some(Spanned { text: text.to_string(), span: node.span.clone() })
            }
            _ => self.wrong_type(node, "a text"),
        }
    }

    /// Any scalar the way it is written: tags and environment variables are texts, and `1.10` stays `1.10`.
    pub fn written(&self, node: &Node) -> Option<String> {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.typed != Typed::Null => Some(scalar.text.to_string()),
            _ => self.wrong_type(node, "a text or a number"),
        }
    }

    /// A list of texts, none of them twice.
    pub fn texts(&self, node: &Node) -> Vec<Spanned> {
        let mut seen: BTreeMap<String, Range<usize>> = BTreeMap::new();
        let mut out = Vec::new();
        for text in self
            .list(node)
            .unwrap_or_default()
            .iter()
            .map_while(|item| if self.is_full() { None } else { Some(self.text(item)) })
            .flatten()
        {
            if let Some(first) = seen.get(&text.text) {
                self.push(
                    self.error(
                        "duplicate-entry",
                        text.span,
                        format!("`{}` is in this list twice", text.text),
                    )
                    .related(self.source.place(first.clone(), "first here")),
                );
                continue;
            }
            seen.insert(text.text.clone(), text.span.clone());
            out.push(text);
        }
        out
    }

    /// One of these words.
    pub fn one_of<T: Copy>(&self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.text) {
            return Some(*value);
        }
        let list = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let message = format!("`{}` is not possible here: expected one of {list}", text.text);
        let diagnostic = self
            .error("bad-value", text.span, message)
            .nearest(&text.text, words.iter().map(|(word, _)| *word));
        // `TERM` is nearer to `SIGTERM` than counting letters tells.
        let part = text.text.to_lowercase();
        let holds = words.iter().find(|(word, _)| part.len() > 2 && word.to_lowercase().contains(&part));
        self.push(match (diagnostic.help.is_none(), holds) {
            (true, Some((word, _))) => diagnostic.help(format!("did you mean `{word}`?")),
            _ => diagnostic,
        });
        None
    }

    pub fn count(&self, node: &Node, range: RangeInclusive<u32>) -> Option<u32> {
        let value = match &node.kind {
            NodeKind::Scalar(Scalar { typed: Typed::Number(number), .. }) => number.as_u64(),
            _ => return self.wrong_type(node, "a whole number"),
        };
        let value = value.and_then(|value| u32::try_from(value).ok()).filter(|value| range.contains(value));
        if value.is_none() {
            let message = format!("Expected a whole number from {} to {}", range.start(), range.end());
            self.push(self.error("bad-value", node.focus.clone(), message));
        }
        value
    }

    pub fn port(&self, node: &Node) -> Option<u16> {
        let value = match &node.kind {
            NodeKind::Scalar(Scalar { typed: Typed::Number(number), .. }) => number.as_u64(),
            _ => return self.wrong_type(node, "a port number"),
        };
        let value = value.and_then(|value| u16::try_from(value).ok()).filter(|value| *value > 0);
        if value.is_none() {
            self.push(self.error("bad-port", node.focus.clone(), "A port is a whole number from 1 to 65535"));
        }
        value
    }

    pub fn duration(&self, node: &Node, range: RangeInclusive<Duration>) -> Option<Duration> {
        let NodeKind::Scalar(scalar) = &node.kind else { return self.wrong_type(node, "a duration") };
        if scalar.typed == Typed::Null {
            return self.wrong_type(node, "a duration");
        }
        let refuse = |message: String, help: Option<String>| {
            let diagnostic = self.error("bad-duration", node.focus.clone(), message);
            self.push(Diagnostic { help, ..diagnostic });
            None
        };
        let help = match scalar.typed {
            Typed::Number(_) => format!("a duration has a unit: `{}s` or `{}ms`", scalar.text, scalar.text),
            _ => "write it as in `250ms`, `5s`, `1h30m`".to_owned(),
        };
        match parse_duration(&scalar.text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => {
                let [from, to] = [range.start(), range.end()].map(|end| format_duration(*end));
                refuse(format!("`{}` is out of range: expected {from} to {to}", scalar.text), None)
            }
            Err(_) => refuse(format!("`{}` is not a duration", scalar.text), Some(help)),
        }
    }

    /// A size in bytes, such as `256MiB`.
    pub fn size(&self, node: &Node) -> Option<u64> {
        let NodeKind::Scalar(scalar) = &node.kind else { return self.wrong_type(node, "a size") };
        if scalar.typed == Typed::Null {
            return self.wrong_type(node, "a size");
        }
        let size = parse_size(&scalar.text);
        if size.is_none() {
            let diagnostic =
                self.error("bad-size", node.focus.clone(), format!("`{}` is not a size", scalar.text));
            self.push(if matches!(scalar.typed, Typed::Number(_)) {
                diagnostic.help(format!("a size has a unit: `{}MiB`", scalar.text))
            } else {
                diagnostic.help(
                    "write a whole number and one of KiB, MiB, GiB, TiB, kB, MB, GB, TB, as in `256MiB`",
                )
            });
        }
        size
    }

    pub fn selector(&self, node: &Node) -> Option<Selector> {
        let text = self.text(node)?;
        match text.text.parse() {
            Ok(selector) => Some(selector),
            Err(mainstay_model::SelectorError { message, span }) => {
                let span = node.within(span, self.source);
                let message = format!("This is not a selector: {message}");
                self.push(
                    self.error("bad-selector", span, message)
                        .help("selectors look like `tag:environment=local` or `role in (web,api),zone!=b`; `*` is every host"),
                );
                None
            }
        }
    }

    /// A name that fits in paths, host names and metric labels.
    pub fn name(&self, text: &str, span: Range<usize>, what: &str) -> Option<String> {
        if is_name(text) {
            return Some(text.to_owned());
        }
        let message = format!("`{text}` is not a name for {what}");
        let diagnostic = self.error("bad-name", span, message);
        let fixed = suggested_name(text);
        self.push(if text.is_ascii() && is_name(&fixed) {
            diagnostic.help(format!("write `{fixed}`: names have lower-case letters, digits and `-`"))
        } else {
            diagnostic.help("names have 1 to 63 lower-case letters, digits and `-`, and start and end with a letter or digit")
        });
        None
    }

    /// A path inside the workload's directory.
    pub fn relative_path(&self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let refuse = |message: &str| {
            self.push(self.error("bad-path", text.span.clone(), message));
            None
        };
        if text.text.starts_with('/') {
            return refuse("This path is absolute: expected one relative to the workload's directory");
        }
        if text.text.split('/').any(|part| part == "..") {
            return refuse("This path leaves the workload's directory");
        }
        Some(text.text)
    }

    /// The path of a URL.
    pub fn url_path(&self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let wrong = if text.text.contains("://") {
            Some("Expected only the path: the host is the service's own and the port is its `port`")
        } else if !text.text.starts_with('/') {
            Some("A URL path starts with `/`")
        } else if text.text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            Some("A URL path has no spaces")
        } else {
            None
        };
        if let Some(message) = wrong {
            self.push(self.error("bad-path", text.span, message));
            return None;
        }
        Some(text.text)
    }

    /// A text with variables, or a command line.
    pub fn template(
        &self,
        node: &Node,
        text: &str,
        read: impl Fn(&str) -> Result<Template, Vec<TemplateError>>,
    ) -> Option<Template> {
        match read(text) {
            Ok(template) => Some(template),
            Err(errors) => {
                for error in errors {
                    let diagnostic =
                        self.error(error.code, node.within(error.span, self.source), error.message);
                    self.push(Diagnostic { help: error.help, ..diagnostic });
                }
                None
            }
        }
    }
}

impl<'n> Fields<'_, 'n> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        // What is read and what is known must be the same, or the schema for editors would lie.
        debug_assert!(
            self.shape.key(key).is_some() || self.shape.not_built.iter().any(|(name, _)| *name == key),
            "{} has no `{key}` in its shape",
            self.shape.what
        );
        self.node.get(key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there.
    pub fn required(&self, key: &str, example: impl Display) -> Option<&'n Node> {
        let value = self.get(key);
        if value.is_none() {
            let message = format!("{} has no `{key}`", capitalised(self.shape.what));
            self.reader.push(
                self.reader
                    .error("missing-key", self.node.focus.clone(), message)
                    .help(format!("add `{key}: {example}`")),
            );
        }
        value
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(|node| self.reader.text(node)).map(|text| text.text)
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default() + chars.as_str()
}

/// A DNS label.
pub(crate) fn is_name(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn suggested_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let dashed: String =
        lower.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    dashed.trim_matches('-').to_owned()
}

fn parse_size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 10] = [
        ("B", 1),
        ("kB", 1000),
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start_matches(' ');
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        for (text, size) in [("256MiB", 268_435_456), ("1 GiB", 1 << 30), ("512kB", 512_000), ("7B", 7)] {
            assert_eq!(parse_size(text), Some(size), "{text}");
        }
        for text in ["", "256", "MiB", "256M", "256mib", "1.5GiB", "-1MiB", "0MiB", "99999999999TiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_dns_labels() {
        for name in ["a", "shop", "web-1", "1a"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-", "a-", "-a", "Web", "a_b", "a b", "é", &"x".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
        assert_eq!(suggested_name("Web_Front End"), "web-front-end");
    }
}
