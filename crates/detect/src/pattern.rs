//! Event patterns, as Amazon EventBridge reads and matches them.
//!
//! An event is seen as pairs of a path and a scalar. Keys are joined with `.`, so `{"a": {"b": 1}}` and `{"a.b": 1}`
//! are one path, in patterns and in events. Lists leave no trace in the path: each scalar element is a pair of its own,
//! and a field matches when any of its pairs matches any of its values. Fields of one pattern that look into the same
//! list of objects must hold in the same element.
//!
//! Choices where the service's documentation and its published engine differ:
//! - A number matches a number of equal value: `300`, `300.0` and `3e2` are the same (the documentation says that the
//!   texts are compared; recorded behaviour says values). Integers compare exactly, everything else as IEEE doubles,
//!   because the text of a number is not kept once JSON was read.
//! - `anything-but` matches any value that is there and not excluded, `null`, booleans and values of another type too.
//! - A literal that is an IP address also matches other spellings of that address.
//! - The address of a `cidr` may have bits beyond its mask; they do not count. `/32` and `/128` are blocks of one.
//! - Where two spellings of one path stand beside each other in a pattern, both must hold.
//! - Of a key that is there twice the last one counts, as in the service, and we tell of it.

use mainstay_model::Problem;
use serde_json::Value;

mod compile;
mod explain;
mod fold;
mod near;
mod set;
mod solve;
mod test;
mod words;

use test::Test;

pub use explain::{Alternative, Element, Explanation, Miss, Reason};
pub use set::{EventError, MAX_EVENT_BYTES, MAX_EVENT_DEPTH, PatternSet, Scratch};

/// The most combinations that `$or` may spell out in one pattern.
pub const MAX_COMBINATIONS: usize = 1_000;

/// The deepest nesting of a pattern.
pub const MAX_DEPTH: usize = 100;

/// The longest pattern, in characters of its JSON text: what EventBridge's `PutRule` takes.
pub const MAX_CHARS: usize = 4096;

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    root: All,
    /// How many leaves there are; each knows its number.
    leaves: usize,
}

/// What to do about a pattern that is too long.
const LESS: &str =
    "ask for `prefix`, `suffix` or `wildcard` instead of many values, or make several triggers of it";

fn check_length(chars: usize, help: &str) -> Result<(), Vec<Problem>> {
    if chars <= MAX_CHARS {
        return Ok(());
    }
    let message = format!("The pattern has {chars} characters as JSON, and {MAX_CHARS} are the most");
    Err(vec![Problem::error("pattern-too-long", [], message).help(help)])
}

/// What must hold together.
#[derive(Clone, Debug, Default, PartialEq)]
struct All {
    leaves: Vec<Leaf>,
    /// Of each, one alternative must hold.
    ors: Vec<Or>,
}

#[derive(Clone, Debug, PartialEq)]
struct Or {
    /// The path of `$or` itself, for explanations.
    path: String,
    alternatives: Vec<All>,
}

/// One field and the values it may have.
#[derive(Clone, Debug, PartialEq)]
struct Leaf {
    /// Its number in the pattern, from 0.
    number: usize,
    path: String,
    tests: Vec<Test>,
    /// The list as it was written, for explanations.
    expected: String,
}

impl Pattern {
    /// Reads a pattern. Refuses what EventBridge refuses, all of it at once.
    ///
    /// Its length is that of its JSON without spaces.
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        check_length(value.to_string().chars().count(), LESS)?;
        compile::compile(value)
    }

    /// Reads a pattern from JSON text, as it stands in `EventPattern` of an API call. Its length is that of the text. What
    /// is wrong with the text itself is underlined in it; problems in what it says have its paths.
    pub fn parse_json(text: &str) -> Result<Self, Vec<Problem>> {
        Self::parse_told(text).map(|(pattern, _)| pattern)
    }

    /// The same, with a warning of a key that is there twice: the last one counts, as in EventBridge, and so the pattern is
    /// not what it seems to be.
    pub fn parse_told(text: &str) -> Result<(Self, Option<Problem>), Vec<Problem>> {
        let help = format!("write it without spaces between its parts, or as a mapping; else {LESS}");
        check_length(text.chars().count(), &help)?;
        let refused = |fault: &dyn std::fmt::Display| {
            Problem::error("bad-json", [], format!("The pattern is not JSON: {fault}"))
        };
        let (value, told) = match crate::read::json(text) {
            Ok(value) => (value, None),
            Err(fault) if fault.is_repeated_key => {
                let value = serde_json::from_str(text).map_err(|error| vec![refused(&error)])?;
                let message = format!("Of a key the last one counts, and {fault}");
                let help = "name it once, with all its values in one list; `$or` is for alternatives";
                let told = Problem::warning("duplicate-key", [], message).help(help).within(fault.span);
                (value, Some(told))
            }
            Err(fault) => return Err(vec![refused(&fault).within(fault.span)]),
        };
        Ok((compile::compile(&value)?, told))
    }

    /// Whether the event matches. An event that is not an object matches nothing.
    pub fn matches(&self, event: &Value) -> bool {
        event.is_object() && solve::holds(self, event)
    }

    /// Whether the event matches, and if not, which fields did not and what they had.
    pub fn explain(&self, event: &Value) -> Explanation {
        if self.matches(event) { Explanation::matched() } else { explain::explain(self, event) }
    }
}
