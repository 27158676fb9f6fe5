//! How often a target is tried again, and how the matches of a trigger are handled.
//!
//! `RetryPolicy` is the service's. The service has no words for a throttle, for what to do while the work of an earlier
//! match still goes on, and for firings that were missed; those are in one block of ours, `Mainstay`.

use std::time::Duration;

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment};
use serde_json::{Map, Value};

use super::jsonpath::{self, JsonPath};
use crate::read::{at, kind, mapping, string, unknown_keys};

/// How often and for how long a target is tried again. The limits and defaults are the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first one (`MaximumRetryAttempts`): 0 to 185, 185 by default.
    pub retries: u32,
    /// How old a call may be at a try (`MaximumEventAgeInSeconds`): 60 s to a day, a day by default. Counted from when
    /// the event matched.
    pub max_age: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: 185, max_age: Duration::from_secs(86_400) }
    }
}

/// Once within a window, for each value at a path of the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// How long after a match further ones of the same key are only counted.
    pub window: Duration,
    /// Where in the event the key is; without it all events have the same key. An event that has nothing there has a
    /// key of its own kind: nothing.
    pub key: Option<JsonPath>,
}

impl Throttle {
    /// The key of an event, as JSON text.
    pub fn key_of(&self, event: &Value) -> String {
        let found = self.key.as_ref().and_then(|path| path.find(event));
        found.map(|value| value.to_string()).unwrap_or_default()
    }
}

/// What happens to a match while the work of an earlier one goes on: until the run it started is over, or until its
/// webhook has answered or is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concurrency {
    /// Both go on. The default.
    #[default]
    Allow,
    /// The new one waits for its turn.
    Queue,
    /// The new one is left out, and counted.
    Skip,
    /// The earlier one is stopped, and what waited behind it is left out.
    Replace,
}

impl Concurrency {
    /// Every policy with its word.
    pub const ALL: [(&'static str, Self); 4] =
        [("allow", Self::Allow), ("queue", Self::Queue), ("skip", Self::Skip), ("replace", Self::Replace)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, policy)| *policy == self).map_or("allow", |(word, _)| word)
    }
}

/// What happens to the firings of a schedule that fell into a time when no server ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// The last one is made up for. The default.
    #[default]
    Last,
    /// Each one is made up for, a thousand at most.
    All,
    /// They are left out.
    Skip,
}

impl Missed {
    /// Every policy with its word.
    pub const ALL: [(&'static str, Self); 3] =
        [("last", Self::Last), ("all", Self::All), ("skip", Self::Skip)];
}

/// How the matches of a trigger are handled (`Mainstay`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handling {
    /// Once within a window, if it is throttled.
    pub throttle: Option<Throttle>,
    /// What happens to a match while an earlier one is worked on.
    pub concurrency: Concurrency,
    /// What happens to missed firings.
    pub missed: Missed,
}

/// A whole number within limits, or a problem.
fn number(
    map: &Map<String, Value>,
    path: &[Segment],
    key: &str,
    limits: std::ops::RangeInclusive<u64>,
    problems: &mut Vec<Problem>,
) -> Option<u64> {
    let value = map.get(key)?;
    let found = value.as_u64();
    if found.is_some_and(|found| limits.contains(&found)) {
        return found;
    }
    let (from, to) = (limits.start(), limits.end());
    let shown = match value {
        Value::Number(number) => number.to_string(),
        other => kind(other).to_owned(),
    };
    problems.push(Problem::error(
        "bad-value",
        at(path, key),
        format!("`{key}` must be a whole number from {from} to {to}, found {shown}"),
    ));
    None
}

/// `RetryPolicy` of a target.
pub(super) fn retry(map: &Map<String, Value>, path: &[Segment], problems: &mut Vec<Problem>) -> RetryPolicy {
    let policy = RetryPolicy::default();
    let Some(value) = map.get("RetryPolicy") else { return policy };
    let path = at(path, "RetryPolicy");
    let Some(map) = mapping(value, &path, "`RetryPolicy`", problems) else { return policy };
    let known = ["MaximumRetryAttempts", "MaximumEventAgeInSeconds"];
    unknown_keys(map, &path, &known, "A retry policy", problems);
    let retries = number(map, &path, known[0], 0..=185, problems);
    let age = number(map, &path, known[1], 60..=86_400, problems);
    RetryPolicy {
        retries: retries.and_then(|n| u32::try_from(n).ok()).unwrap_or(policy.retries),
        max_age: age.map_or(policy.max_age, Duration::from_secs),
    }
}

/// One of these words, or a problem.
fn word<T: Copy>(
    map: &Map<String, Value>,
    path: &[Segment],
    key: &str,
    words: &[(&str, T)],
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let value = map.get(key)?;
    let path = at(path, key);
    let text = string(value, &path, &format!("`{key}`"), problems)?;
    if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*found);
    }
    let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let problem = Problem::error("bad-value", &*path, format!("`{text}` is not a value of `{key}`"));
    problems.push(match nearest(text, all.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("it is one of {}", all.join(", "))),
    });
    None
}

/// `Mainstay` of a trigger.
pub(super) fn handling(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Handling {
    let path = [Segment::from("Mainstay")];
    let Some(value) = map.get("Mainstay") else { return Handling::default() };
    let Some(map) = mapping(value, &path, "`Mainstay`", problems) else { return Handling::default() };
    unknown_keys(map, &path, &["Throttle", "Concurrency", "MissedFirings"], "`Mainstay`", problems);
    Handling {
        throttle: map.get("Throttle").and_then(|value| throttle(value, &at(&path, "Throttle"), problems)),
        concurrency: word(map, &path, "Concurrency", &Concurrency::ALL, problems).unwrap_or_default(),
        missed: word(map, &path, "MissedFirings", &Missed::ALL, problems).unwrap_or_default(),
    }
}

fn throttle(value: &Value, path: &[Segment], problems: &mut Vec<Problem>) -> Option<Throttle> {
    let map = mapping(value, path, "`Throttle`", problems)?;
    unknown_keys(map, path, &["WindowInSeconds", "KeyPath"], "A throttle", problems);
    if !map.contains_key("WindowInSeconds") {
        let problem = Problem::error("missing-key", path, "A throttle must have `WindowInSeconds`");
        problems.push(problem.help("add `WindowInSeconds: 600`"));
    }
    let window = number(map, path, "WindowInSeconds", 1..=86_400, problems).map(Duration::from_secs);
    let key = match map.get("KeyPath") {
        None => None,
        Some(value) => {
            let path = at(path, "KeyPath");
            let text = string(value, &path, "`KeyPath`", problems)?;
            Some(jsonpath::read(text, &path, problems)?)
        }
    };
    Some(Throttle { window: window?, key })
}
