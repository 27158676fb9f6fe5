//! The part of JSONPath that the service knows: `$`, `.name`, `['name']`, `[0]`, and `*` for all of a list or a mapping.

use std::ops::Range;

use mainstay_model::{Problem, Segment};
use serde_json::Value;

/// A path to a value of the event. One with `*` leads to the list of all that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
    All,
}

impl JsonPath {
    /// Reads a path. The error is what is wrong, and the bytes it is about; filters, slices and the like are refused by
    /// name.
    pub fn parse(text: &str) -> Result<Self, (String, Range<usize>)> {
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err(("A path starts with `$`".to_owned(), 0..text.len()));
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let start = text.len() - rest.len();
            let fail = |message: &str| Err((message.to_owned(), start..text.len()));
            if rest.starts_with("..") {
                return fail("Descending with `..` is not supported in a path of an event");
            } else if let Some(tail) = rest.strip_prefix('.') {
                let end = tail.find(['.', '[']).unwrap_or(tail.len());
                match &tail[..end] {
                    "" => return fail("A name is missing after `.`"),
                    "*" => steps.push(Step::All),
                    name => steps.push(Step::Key(name.to_owned())),
                }
                rest = &tail[end..];
            } else if let Some(tail) = rest.strip_prefix('[') {
                let (step, tail) =
                    bracket(tail).map_err(|message| (message.to_owned(), start..text.len()))?;
                steps.push(step);
                rest = tail;
            } else {
                return fail("Expected `.` or `[` here");
            }
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value at the path, if there is one. A path with `*` gives the list of what it found, which is not empty.
    pub fn find(&self, value: &Value) -> Option<Value> {
        let mut found = vec![value];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                match (step, value) {
                    (Step::Key(key), Value::Object(map)) => next.extend(map.get(key)),
                    (Step::Index(index), Value::Array(list)) => next.extend(list.get(*index)),
                    (Step::All, Value::Object(map)) => next.extend(map.values()),
                    (Step::All, Value::Array(list)) => next.extend(list),
                    _ => {}
                }
            }
            found = next;
        }
        match found.as_slice() {
            [] => None,
            many if self.steps.contains(&Step::All) => Some(many.iter().copied().cloned().collect()),
            [one, ..] => Some((*one).clone()),
        }
    }
}

/// The inside of `[...]` and what follows it.
fn bracket(tail: &str) -> Result<(Step, &str), &'static str> {
    if let Some(quote @ ('\'' | '"')) = tail.chars().next() {
        let mut name = String::new();
        let mut chars = tail.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, escaped)) if escaped == quote || escaped == '\\' => name.push(escaped),
                    _ => return Err("Only the quote and `\\` can follow a backslash here"),
                },
                c if c == quote => {
                    let tail = tail[at + 1..].strip_prefix(']').ok_or("Expected `]` after the name")?;
                    return Ok((Step::Key(name), tail));
                }
                c => name.push(c),
            }
        }
        return Err("This quote is never closed");
    }
    let (inside, tail) = tail.split_once(']').ok_or("This `[` is never closed")?;
    if inside.trim() == "*" {
        return Ok((Step::All, tail));
    }
    if inside.contains(['*', '?', ':', ',', '(', '@']) {
        return Err("Filters, slices and lists are not supported in a path of an event");
    }
    if inside.starts_with('-') {
        return Err("Counting from the end is not supported");
    }
    inside
        .parse()
        .map(|index| (Step::Index(index), tail))
        .map_err(|_| "Expected a number or a quoted name in `[]`")
}

/// Reads a path in a file.
pub(super) fn read(text: &str, path: &[Segment], problems: &mut Vec<Problem>) -> Option<JsonPath> {
    if text.len() > 256 {
        problems.push(Problem::error("bad-path", path, "A path may have 256 bytes"));
        return None;
    }
    match JsonPath::parse(text) {
        Ok(parsed) => Some(parsed),
        Err((message, span)) => {
            problems.push(
                Problem::error("bad-path", path, message)
                    .within(span)
                    .help("paths look like `$.detail.state` or `$.resources[0]`"),
            );
            None
        }
    }
}
