//! Input transformers: a template with `<variable>` places that are filled from the event.
//!
//! Outside of quotes a variable stands for its JSON value; inside of quotes for its text, or for the JSON text of a
//! mapping, a list or a number. The template is read as JSON once and filled as a tree, so a value with quotes in it
//! stays a value: it can neither break the parameters nor add to them, as it could where texts are pasted.
//!
//! A variable whose path leads nowhere is dropped: inside of quotes nothing is written, a mapping loses the key whose
//! value it was, a list loses the element.
//!
//! A text of several lines, each in quotes of its own, is one text. As in the service a variable cannot be in a key.

use std::collections::BTreeMap;

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment};
use serde_json::{Map, Value};

use super::jsonpath::{self, JsonPath};
use crate::read::{at, json, kind, mapping, string, unknown_keys};

/// A transformer that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformer {
    variables: BTreeMap<String, JsonPath>,
    template: Node,
}

/// Variables that are always there.
const RESERVED: &[&str] = &[
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// A part of the template.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Constant(Value),
    Variable(String),
    Text(Vec<Piece>),
    List(Vec<Node>),
    Mapping(Vec<(String, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Variable(String),
}

/// Stands around the names of variables while the template is read as JSON. Cannot come up in JSON text itself except
/// as an escape, which is refused.
const MARK: char = '\u{0}';

/// In front of a variable that is a value by itself: two marks.
const WHOLE: &str = "\u{0}\u{0}";

impl Transformer {
    /// The variables, as they are declared: names and paths.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &JsonPath)> {
        self.variables.iter().map(|(name, path)| (name.as_str(), path))
    }

    /// The names of the parameters that the template makes, as far as they are written out.
    pub fn parameter_names(&self) -> Vec<&str> {
        let Node::Mapping(entries) = &self.template else { return Vec::new() };
        entries.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// Fills the template. Names of variables without a value go to `undefined`.
    pub(super) fn apply(&self, trigger: &str, event: &Value, undefined: &mut Vec<String>) -> Value {
        let mut filling = Filling { transformer: self, trigger, event, undefined };
        filling.node(&self.template).unwrap_or(Value::Null)
    }
}

struct Filling<'a> {
    transformer: &'a Transformer,
    trigger: &'a str,
    event: &'a Value,
    undefined: &'a mut Vec<String>,
}

impl Filling<'_> {
    fn variable(&mut self, name: &str) -> Option<Value> {
        let value = match name {
            "aws.events.rule-name" => Some(Value::from(self.trigger)),
            "aws.events.rule-arn" => Some(super::rule_arn(self.trigger).into()),
            // What Mainstay says itself comes in when it is said.
            "aws.events.event.ingestion-time" => {
                self.event.get("received").or_else(|| self.event.get("time")).cloned()
            }
            "aws.events.event.json" => Some(self.event.clone()),
            "aws.events.event" => {
                let mut event = self.event.clone();
                if let Some(map) = event.as_object_mut() {
                    map.remove("detail");
                }
                Some(event)
            }
            name => self.transformer.variables.get(name).and_then(|path| path.find(self.event)),
        };
        if value.is_none() && !self.undefined.iter().any(|known| known == name) {
            self.undefined.push(name.to_owned());
        }
        value
    }

    fn text(&mut self, pieces: &[Piece]) -> String {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Variable(name) => match self.variable(name) {
                    None => {}
                    Some(Value::String(text)) => out.push_str(&text),
                    Some(value) => out.push_str(&value.to_string()),
                },
            }
        }
        out
    }

    fn node(&mut self, node: &Node) -> Option<Value> {
        Some(match node {
            Node::Constant(value) => value.clone(),
            Node::Variable(name) => return self.variable(name),
            Node::Text(pieces) => self.text(pieces).into(),
            Node::List(nodes) => nodes.iter().filter_map(|node| self.node(node)).collect(),
            Node::Mapping(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    if let Some(value) = self.node(node) {
                        map.insert(key.clone(), value);
                    }
                }
                Value::Object(map)
            }
        })
    }
}

/// Reads an `InputTransformer`. The parameters of a procedure are a mapping; a body may be any JSON.
pub(super) fn read(
    value: &Value,
    path: &[Segment],
    is_body: bool,
    problems: &mut Vec<Problem>,
) -> Option<Transformer> {
    let map = mapping(value, path, "`InputTransformer`", problems)?;
    unknown_keys(map, path, &["InputPathsMap", "InputTemplate"], "An input transformer", problems);
    let variables = read_variables(map, path, problems);
    let Some(template) = map.get("InputTemplate") else {
        problems.push(
            Problem::error("missing-key", path, "An input transformer must have `InputTemplate`")
                .help("add `InputTemplate:`"),
        );
        return None;
    };
    let path = at(path, "InputTemplate");
    let text = string(template, &path, "`InputTemplate`", problems)?;
    if text.is_empty() || text.len() > 8192 {
        problems.push(Problem::error("bad-template", path, "`InputTemplate` must have 1 to 8192 bytes"));
        return None;
    }
    let template = read_template(text, &path, &variables, is_body, problems)?;
    Some(Transformer { variables, template })
}

fn read_variables(
    map: &Map<String, Value>,
    path: &[Segment],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, JsonPath> {
    let path = at(path, "InputPathsMap");
    let mut variables = BTreeMap::new();
    let entries = match map.get("InputPathsMap") {
        None | Some(Value::Null) => return variables,
        Some(value) => mapping(value, &path, "`InputPathsMap`", problems),
    };
    let Some(entries) = entries else { return variables };
    if entries.len() > 100 {
        problems.push(Problem::error(
            "too-many-variables",
            path.clone(),
            "`InputPathsMap` may have 100 entries",
        ));
    }
    for (name, value) in entries {
        let path = at(&path, name.as_str());
        if !is_name(name) {
            problems.push(
                Problem::error(
                    "bad-name",
                    path.clone(),
                    format!("`{name}` is not a variable: expected 1 to 256 letters, digits, `-` or `_`"),
                )
                .on_key(),
            );
        }
        let parsed = string(value, &path, &format!("`{name}`"), problems)
            .and_then(|text| jsonpath::read(text, &path, problems));
        if let Some(parsed) = parsed {
            variables.insert(name.clone(), parsed);
        }
    }
    variables
}

/// Names as the service takes them. Those of the variables that are always there have dots, too.
fn is_name(name: &str) -> bool {
    (1..=256).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// What stands between angle brackets is a variable if it could be one; a wrong one is then told by its name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Reads the template: finds the variables, then reads the rest as JSON.
fn read_template(
    text: &str,
    path: &[Segment],
    variables: &BTreeMap<String, JsonPath>,
    is_body: bool,
    problems: &mut Vec<Problem>,
) -> Option<Node> {
    let before = problems.len();
    let marked = mark(text, path, variables, problems);
    if problems.len() > before {
        return None;
    }
    let value = match json(&marked) {
        Ok(value) => value,
        Err(error) => match lines(&marked) {
            Some(text) => Value::String(text),
            None => {
                let message = format!("`InputTemplate` is not JSON: {}", unmarked(&error.to_string()));
                problems.push(Problem::error("bad-template", path, message).help(
                    "a variable outside of quotes stands for a whole value, inside of quotes for text",
                ));
                return None;
            }
        },
    };
    if let Some(key) = variable_key(&value) {
        let message = format!("A variable cannot be in a key, as in `{}`", unmarked(key));
        problems.push(Problem::error("bad-template", path, message).help("write the key out"));
        return None;
    }
    let node = node(value);
    match &node {
        Node::Mapping(_) | Node::Variable(_) => Some(node),
        _ if is_body => Some(node),
        other => {
            let found = match other {
                Node::Constant(value) => kind(value),
                Node::List(_) => "a list",
                _ => "a string",
            };
            problems.push(
                Problem::error(
                    "wrong-type",
                    path,
                    format!("`InputTemplate` must make a mapping of parameters, found {found}"),
                )
                .help("write `{\"Parameter\": \"<variable>\"}`"),
            );
            None
        }
    }
}

/// A text of several lines, each in quotes of its own.
fn lines(marked: &str) -> Option<String> {
    let lines = marked.lines().map(str::trim).filter(|line| !line.is_empty());
    let texts: Vec<String> = lines
        .map(|line| serde_json::from_str(line).ok().filter(|text: &String| !text.starts_with(WHOLE)))
        .collect::<Option<_>>()?;
    (texts.len() > 1).then(|| texts.join("\n"))
}

/// A key with a variable in it.
fn variable_key(value: &Value) -> Option<&str> {
    match value {
        Value::Array(values) => values.iter().find_map(variable_key),
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            key.contains(MARK).then_some(key.as_str()).or_else(|| variable_key(value))
        }),
        _ => None,
    }
}

/// Text as it was written, with `<` and `>` again for the marks.
fn unmarked(text: &str) -> String {
    let text = text.replace(WHOLE, "\u{0}");
    let parts = text.split(MARK).enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<{part}>") } else { part.to_owned() }).collect()
}

/// The template with each variable put between marks, as a string of its own where it stood outside of quotes.
fn mark(
    text: &str,
    path: &[Segment],
    variables: &BTreeMap<String, JsonPath>,
    problems: &mut Vec<Problem>,
) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if quoted && c == '\\' {
            let width = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
            if rest.to_ascii_lowercase().starts_with("\\u0000") {
                problems.push(
                    Problem::error(
                        "bad-template",
                        path,
                        "`InputTemplate` must not have the character U+0000",
                    )
                    .within(at..at + 6),
                );
            }
            out.push_str(&rest[..width]);
            at += width;
            continue;
        }
        if c == '<' {
            let name = rest[1..].split_once('>').map(|(name, _)| name).filter(|name| is_variable(name));
            if let Some(name) = name {
                let span = at..at + name.len() + 2;
                check_variable(name, quoted, path, variables, problems, &span);
                // Two marks in front tell a variable that stands by itself from one that is all of a text.
                out.push_str(&if quoted {
                    format!("\\u0000{name}\\u0000")
                } else {
                    format!("\"\\u0000\\u0000{name}\\u0000\"")
                });
                at = span.end;
                continue;
            }
        }
        quoted ^= c == '"';
        out.push(c);
        at += c.len_utf8();
    }
    out
}

fn check_variable(
    name: &str,
    quoted: bool,
    path: &[Segment],
    variables: &BTreeMap<String, JsonPath>,
    problems: &mut Vec<Problem>,
    span: &std::ops::Range<usize>,
) {
    if variables.contains_key(name) || RESERVED.contains(&name) {
        if quoted && matches!(name, "aws.events.event" | "aws.events.event.json") {
            problems.push(
                Problem::error("bad-template", path, format!("`<{name}>` cannot stand inside of quotes"))
                    .within(span.clone()),
            );
        }
        return;
    }
    let problem =
        Problem::error("unknown-variable", path, format!("`InputPathsMap` has no variable `{name}`"))
            .within(span.clone());
    problems.push(
        match nearest(name, variables.keys().map(String::as_str).chain(RESERVED.iter().copied())) {
            Some(near) => problem.help(format!("did you mean `<{near}>`?")),
            None => problem,
        },
    );
}

fn pieces(text: &str) -> Vec<Piece> {
    text.split(MARK)
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(
            |(index, part)| {
                if index % 2 == 1 { Piece::Variable(part.to_owned()) } else { Piece::Text(part.to_owned()) }
            },
        )
        .collect()
}

fn node(value: Value) -> Node {
    match value {
        Value::String(text) if text.contains(MARK) => {
            match text.strip_prefix(WHOLE).and_then(|rest| rest.strip_suffix(MARK)) {
                Some(name) => Node::Variable(name.to_owned()),
                None => Node::Text(pieces(&text)),
            }
        }
        Value::Array(values) => Node::List(values.into_iter().map(node).collect()),
        Value::Object(map) => Node::Mapping(map.into_iter().map(|(key, value)| (key, node(value))).collect()),
        other => Node::Constant(other),
    }
}
