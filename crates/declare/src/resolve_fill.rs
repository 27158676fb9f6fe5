//! `${var.NAME}` and `${standard.NAME}`: values in place of their names, in the tree of a file.
//!
//! Values are put in after a file was parsed, so nothing that a value holds can change the form of the file, and every
//! place of the result still stands where it is written.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::{Diagnostic, Related};
use crate::source::Source;
use crate::tree::{Entry, Node, NodeKind, Scalar, Style, Typed, scalar};
use crate::workload::command::VARIABLES;

/// What the text around a name is, which says how a value is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Any text. `$${var.x}` there is `${var.x}`.
    Plain,
    /// A text in which `$$` stands for one `$` (a [`crate::Template`]).
    Text,
    /// A command line, in which a value stays part of one word whatever it holds.
    Command,
}

/// What the keys on the way to a scalar of a component say of its text.
pub(crate) fn place_in_component(path: &[&str]) -> Place {
    match path {
        ["service", "run"] | ["service", "health", "exec"] => Place::Command,
        ["service", "env", _] => Place::Text,
        _ => Place::Plain,
    }
}

/// Values by name, and the word that stands before the names.
pub(crate) struct Filler<'a> {
    /// `var` or `standard`.
    pub prefix: &'static str,
    /// The values. `None` is one that is known and broken, which has been said.
    pub values: BTreeMap<&'a str, Option<&'a Node>>,
    /// Where such names are declared, as advice.
    pub declared_in: &'static str,
}

/// One name in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// All of `${var.NAME}`.
    pub whole: Range<usize>,
    /// `NAME`.
    pub name: Range<usize>,
    /// A `$` before it says that it is meant as it stands.
    pub escaped: bool,
}

/// The names of a text. One that is never closed is left to whoever reads the text.
pub(crate) fn references(text: &str, prefix: &str) -> Vec<Reference> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        at = start + 2;
        let Some(rest) = text[at..].strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        let name = text.len() - rest.len();
        let Some(length) = rest.find('}') else { break };
        let escaped = text[..start].bytes().rev().take_while(|byte| *byte == b'$').count() % 2 == 1;
        at = name + length + 1;
        out.push(Reference { whole: start..at, name: name..name + length, escaped });
    }
    out
}

/// Whether any text of a file names one: most files do not, and are left as they are.
pub(crate) fn is_used(source: &Source, prefix: &str) -> bool {
    source.text.contains(&format!("${{{prefix}."))
}

impl<'a> Filler<'a> {
    /// Says of problems with values that were filled in where those values stand: what is underlined is only where they
    /// are used.
    pub fn point_home(
        &self,
        node: &Node,
        home: &dyn Fn(&str, &Node) -> Related,
        problems: &mut [Diagnostic],
    ) {
        let NodeKind::Scalar(scalar) = &node.kind else {
            match &node.kind {
                NodeKind::List(items) => {
                    items.iter().for_each(|item| self.point_home(item, home, problems));
                }
                NodeKind::Map(entries) => {
                    entries.iter().for_each(|entry| self.point_home(&entry.value, home, problems));
                }
                NodeKind::Scalar(_) => {}
            }
            return;
        };
        for found in references(&scalar.text, self.prefix).iter().filter(|found| !found.escaped) {
            let name = &scalar.text[found.name.clone()];
            let Some(Some(value)) = self.values.get(name) else { continue };
            for problem in problems.iter_mut().filter(|problem| problem.span == node.focus) {
                problem.related.push(home(name, value));
            }
        }
    }

    /// The tree with the values in place. `place` says of the keys on the way to a scalar what its text is.
    pub fn fill(
        &self,
        node: &Node,
        place: fn(&[&str]) -> Place,
        source: &Source,
        out: &mut Vec<Diagnostic>,
    ) -> Node {
        let mut path = Vec::new();
        self.walk(node, &mut path, place, source, out)
    }

    fn walk<'n>(
        &self,
        node: &'n Node,
        path: &mut Vec<&'n str>,
        place: fn(&[&str]) -> Place,
        source: &Source,
        out: &mut Vec<Diagnostic>,
    ) -> Node {
        let kind = match &node.kind {
            NodeKind::Scalar(scalar) => match self.scalar(node, scalar, place(path), source, out) {
                Some(filled) => NodeKind::Scalar(filled),
                None => return node.clone(),
            },
            NodeKind::List(items) => NodeKind::List(
                items
                    .iter()
                    .map(|item| {
                        path.push("-");
                        let filled = self.walk(item, path, place, source, out);
                        path.pop();
                        filled
                    })
                    .collect(),
            ),
            NodeKind::Map(entries) => NodeKind::Map(
                entries
                    .iter()
                    .map(|entry| {
                        path.push(&entry.key);
                        let value = self.walk(&entry.value, path, place, source, out);
                        path.pop();
                        Entry { key: entry.key.clone(), key_span: entry.key_span.clone(), value }
                    })
                    .collect(),
            ),
        };
        Node { kind, span: node.span.clone(), focus: node.focus.clone() }
    }

    /// `None` where nothing is to be filled in.
    fn scalar(
        &self,
        node: &Node,
        scalar: &Scalar,
        place: Place,
        source: &Source,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Scalar> {
        let text = &scalar.text;
        let found = references(text, self.prefix);
        if found.is_empty() {
            return None;
        }
        let mut filled = String::new();
        let mut from = 0;
        let mut broken = false;
        for reference in &found {
            let name = &text[reference.name.clone()];
            if reference.escaped {
                // Templates know `$$` themselves.
                let end =
                    if place == Place::Plain { reference.whole.start - 1 } else { reference.whole.start };
                filled.push_str(&text[from..end]);
                from = reference.whole.start;
                continue;
            }
            let Some(value) = self.values.get(name) else {
                out.push(self.unknown(name, node.within(reference.whole.clone(), source), source));
                broken = true;
                continue;
            };
            let Some(Node { kind: NodeKind::Scalar(value), .. }) = value else {
                broken = true;
                continue;
            };
            if reference.whole == (0..text.len()) && (place == Place::Plain || value.typed != Typed::Text) {
                return Some(Scalar { style: Style::Filled, ..value.clone() });
            }
            filled.push_str(&text[from..reference.whole.start]);
            filled.push_str(&written(&value.text, place, &text[..reference.whole.start]));
            from = reference.whole.end;
        }
        if broken {
            return Some(blank(text, &found));
        }
        filled.push_str(&text[from..]);
        let typed = if scalar.style == Style::Plain { scalar::plain(&filled) } else { Typed::Text };
        Some(Scalar { text: filled.into(), typed, style: Style::Filled })
    }

    fn unknown(&self, name: &str, span: Range<usize>, source: &Source) -> Diagnostic {
        let what = if self.prefix == "var" { "variable" } else { "parameter" };
        let message = format!("There is no {what} `{name}`");
        let diagnostic =
            source.error("unknown-variable", span, message).nearest(name, self.values.keys().copied());
        if self.prefix == "var" && VARIABLES.contains(&name) {
            return diagnostic.help(format!("did you mean `${{{name}}}`?"));
        }
        match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic.help(format!("declare it in {}", self.declared_in)),
        }
    }
}

/// A text of which a value is not known: said once, so it is given a form that nothing else complains of where that can
/// be, which is no text to read further.
fn blank(text: &str, found: &[Reference]) -> Scalar {
    let mut out = text.to_owned();
    for reference in found.iter().rev().filter(|reference| !reference.escaped) {
        out.replace_range(reference.whole.clone(), "0");
    }
    let typed = scalar::plain(&out);
    Scalar { text: out.into(), typed, style: Style::Filled }
}

/// A value as it is written at the end of `before`.
fn written(value: &str, place: Place, before: &str) -> String {
    match place {
        Place::Plain => value.to_owned(),
        Place::Text => value.replace('$', "$$"),
        Place::Command => {
            let value = value.replace('$', "$$");
            let safe = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,$".contains(c);
            match open_quote(before) {
                Some('\'') => value.replace('\'', "'\\''"),
                Some(_) => value.replace('\\', "\\\\").replace('"', "\\\""),
                None if !value.is_empty() && value.chars().all(safe) => value,
                None => format!("'{}'", value.replace('\'', "'\\''")),
            }
        }
    }
}

/// The quote that is open at the end of a part of a command line.
fn open_quote(text: &str) -> Option<char> {
    let mut open = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (None | Some('"'), '\\') => drop(chars.next()),
            (None, '\'' | '"') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Template, Variables};

    #[test]
    fn names_are_found_and_can_be_meant_as_they_stand() {
        let found = |text: &'static str| -> Vec<(&str, bool)> {
            references(text, "var").into_iter().map(|found| (&text[found.name], found.escaped)).collect()
        };
        assert_eq!(
            found("a ${var.x}${var.y} ${port} $${var.z} ${var."),
            [("x", false), ("y", false), ("z", true)]
        );
        assert_eq!(found("${var.${var.x}"), [("${var.x", false)]);
        assert_eq!(found("$$${var.x} ${variable}"), [("x", false)]);
    }

    #[test]
    fn a_value_stays_one_word_of_a_command() {
        for value in ["plain", "two words", "it's", "a\"b\\c", "$HOME ${port} `x` | y; z\n&", "", "é"] {
            for (before, after) in [("x ", " y"), ("x '", "' y"), ("x \"", "\" y"), ("x a=", " y")] {
                let text = format!("{before}{}{after}", written(value, Place::Command, before));
                let argv = Template::command(&text, false).expect(&text).argv(&Variables::default());
                let word = format!("{}{value}", if before.ends_with('=') { "a=" } else { "" });
                assert_eq!(argv, ["x", &word, "y"], "{text}");
            }
            let text = written(value, Place::Text, "");
            assert_eq!(Template::text(&text, false).expect(&text).expand(&Variables::default()), value);
        }
    }
}
