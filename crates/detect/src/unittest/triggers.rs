//! Unit tests of triggers: events with the triggers that match them and what their targets are given, and spans of time
//! with the firings of a schedule.
//!
//! The format is ours, in the manner of promtool's: `trigger_files` are tested, `tests` say what is expected. Files are
//! the caller's: it reads the test file, the trigger files and the files of events that it names.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment, Timestamp};
use serde_json::{Map, Value};

use super::{Failure, TestOutcome};
use crate::read::{at, list, mapping, string, unknown_keys};
use crate::trigger::Trigger;

/// The most firings that one test may have.
pub const MAX_FIRINGS: usize = 1_000;

/// A file of tests of triggers, read.
#[derive(Clone, Debug)]
pub struct TriggerTests {
    /// Patterns of the trigger files that are tested, relative to the file.
    pub trigger_files: Vec<String>,
    tests: Vec<TriggerTest>,
}

#[derive(Clone, Debug)]
struct TriggerTest {
    name: String,
    path: Vec<Segment>,
    given: Given,
}

#[derive(Clone, Debug)]
enum Given {
    Event { event: Event, matches: Vec<String>, inputs: Vec<Input> },
    Span { trigger: String, since: Timestamp, from: Timestamp, to: Timestamp, fires: Vec<Timestamp> },
}

#[derive(Clone, Debug)]
enum Event {
    Here(Value),
    File(String),
}

/// What a target is given.
#[derive(Clone, Debug)]
struct Input {
    trigger: String,
    target: String,
    input: Value,
}

const FILE_KEYS: &[&str] = &["trigger_files", "tests"];
const EVENT_KEYS: &[&str] = &["name", "event", "event_file", "matches", "inputs"];
const SPAN_KEYS: &[&str] = &["name", "schedule", "since", "from", "to", "fires"];

impl TriggerTests {
    /// Whether a test file is one of triggers; those of rules have `rule_files`.
    pub fn is_one(value: &Value) -> bool {
        value.get("trigger_files").is_some()
    }

    /// Reads a test file. All problems of its form are reported.
    pub fn parse(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        match read_file(value, &mut problems) {
            Some(file) if problems.is_empty() => Ok(file),
            _ => Err(problems),
        }
    }

    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.tests.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// The files of events that the tests name, relative to the test file, and where they are named.
    pub fn event_files(&self) -> impl Iterator<Item = (&str, Vec<Segment>)> {
        self.tests.iter().filter_map(|test| match &test.given {
            Given::Event { event: Event::File(file), .. } => {
                Some((file.as_str(), at(&test.path, "event_file")))
            }
            _ => None,
        })
    }

    /// Runs one test against triggers and the events of [`TriggerTests::event_files`], by the names they have there.
    /// `None` if there is no test of this number.
    pub fn run(
        &self,
        index: usize,
        triggers: &[Trigger],
        events: &BTreeMap<String, Value>,
    ) -> Option<TestOutcome> {
        let test = self.tests.get(index)?;
        let mut run = Run { test, triggers, failures: Vec::new() };
        let checks = match &test.given {
            Given::Event { event, matches, inputs } => {
                let event = match event {
                    Event::Here(event) => Some(event),
                    Event::File(file) => events.get(file),
                };
                match event {
                    Some(event) => run.event(event, matches, inputs),
                    None => run.fail(at(&test.path, "event_file"), "The event could not be read".to_owned()),
                }
                1 + inputs.len()
            }
            Given::Span { trigger, since, from, to, fires } => {
                run.span(trigger, *since, *from, *to, fires);
                1
            }
        };
        Some(TestOutcome { name: test.name.clone(), checks, failures: run.failures })
    }
}

// ---- reading ----

fn missing(path: &[Segment], what: &str, key: &str, problems: &mut Vec<Problem>) {
    problems.push(Problem::error("missing-key", path, format!("{what} must have `{key}`")));
}

fn strings(value: &Value, path: &[Segment], what: &str, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    let entries = list(value, path, what, problems)?;
    let mut out = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let name = format!("An element of {what}");
        out.extend(string(entry, &at(path, index), &name, problems).map(str::to_owned));
    }
    Some(out)
}

fn read_file(value: &Value, problems: &mut Vec<Problem>) -> Option<TriggerTests> {
    let map = mapping(value, &[], "A file of tests", problems)?;
    unknown_keys(map, &[], FILE_KEYS, "A file of tests of triggers", problems);
    let trigger_files = match map.get("trigger_files") {
        Some(files) => strings(files, &["trigger_files".into()], "`trigger_files`", problems),
        None => {
            missing(&[], "A file of tests of triggers", "trigger_files", problems);
            None
        }
    };
    let path = [Segment::from("tests")];
    let mut tests = Vec::new();
    match map.get("tests") {
        None => missing(&[], "A file of tests", "tests", problems),
        Some(entries) => {
            for (index, entry) in list(entries, &path, "`tests`", problems)?.iter().enumerate() {
                tests.extend(read_test(entry, index, at(&path, index), problems));
            }
        }
    }
    Some(TriggerTests { trigger_files: trigger_files?, tests })
}

fn read_test(
    value: &Value,
    index: usize,
    path: Vec<Segment>,
    problems: &mut Vec<Problem>,
) -> Option<TriggerTest> {
    let map = mapping(value, &path, "A test", problems)?;
    let name = match map.get("name") {
        None => format!("unnamed#{index}"),
        Some(name) => string(name, &at(&path, "name"), "`name`", problems)?.to_owned(),
    };
    let given = if map.contains_key("schedule") {
        unknown_keys(map, &path, SPAN_KEYS, "A test of a schedule", problems);
        read_span(map, &path, problems)?
    } else {
        unknown_keys(map, &path, EVENT_KEYS, "A test of an event", problems);
        read_event(map, &path, problems)?
    };
    Some(TriggerTest { name, path, given })
}

fn read_event(map: &Map<String, Value>, path: &[Segment], problems: &mut Vec<Problem>) -> Option<Given> {
    let event = match (map.get("event"), map.get("event_file")) {
        (Some(event), None) => {
            mapping(event, &at(path, "event"), "`event`", problems).map(|_| Event::Here(event.clone()))
        }
        (None, Some(file)) => string(file, &at(path, "event_file"), "`event_file`", problems)
            .map(|file| Event::File(file.to_owned())),
        (Some(_), Some(_)) => {
            let message = "A test has one of `event` and `event_file`";
            problems.push(Problem::error("two-inputs", at(path, "event_file"), message).on_key());
            None
        }
        (None, None) => {
            let message = "A test must have `event`, `event_file` or `schedule`";
            problems.push(Problem::error("missing-key", path, message));
            None
        }
    };
    let mut inputs = Vec::new();
    let inputs_path = at(path, "inputs");
    let by_trigger = map.get("inputs").map(|inputs| mapping(inputs, &inputs_path, "`inputs`", problems));
    for (trigger, targets) in by_trigger.flatten().into_iter().flatten() {
        let path = at(&inputs_path, trigger.as_str());
        for (target, input) in
            mapping(targets, &path, "What targets are given", problems).into_iter().flatten()
        {
            let (trigger, target) = (trigger.clone(), target.clone());
            inputs.push(Input { trigger, target, input: input.clone() });
        }
    }
    let matches = match map.get("matches") {
        Some(names) => strings(names, &at(path, "matches"), "`matches`", problems),
        // Who says what a trigger gives says that it matches.
        None if !inputs.is_empty() => {
            let names: BTreeSet<&String> = inputs.iter().map(|input| &input.trigger).collect();
            Some(names.into_iter().cloned().collect())
        }
        None => {
            let message = "A test of an event must have `matches`, the names of the triggers that match";
            problems.push(
                Problem::error("missing-key", path, message).help("write `matches: []` where none should"),
            );
            None
        }
    };
    Some(Given::Event { event: event?, matches: matches?, inputs })
}

fn instant(
    map: &Map<String, Value>,
    key: &str,
    path: &[Segment],
    problems: &mut Vec<Problem>,
) -> Option<Timestamp> {
    let Some(value) = map.get(key) else {
        missing(path, "A test of a schedule", key, problems);
        return None;
    };
    read_instant(value, &at(path, key), &format!("`{key}`"), problems)
}

fn read_instant(
    value: &Value,
    path: &[Segment],
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<Timestamp> {
    match string(value, path, what, problems)?.parse() {
        Ok(instant) => Some(instant),
        Err(error) => {
            let error: mainstay_model::TimestampError = error;
            problems.push(
                Problem::error("bad-date", path, error.to_string()).help("the offset or `Z` is required"),
            );
            None
        }
    }
}

fn read_span(map: &Map<String, Value>, path: &[Segment], problems: &mut Vec<Problem>) -> Option<Given> {
    let trigger = string(map.get("schedule")?, &at(path, "schedule"), "`schedule`", problems);
    let from = instant(map, "from", path, problems);
    let to = instant(map, "to", path, problems);
    let since = if map.contains_key("since") { Some(instant(map, "since", path, problems)?) } else { None };
    let fires_path = at(path, "fires");
    let mut fires = Vec::new();
    match map.get("fires") {
        None => missing(path, "A test of a schedule", "fires", problems),
        Some(entries) => {
            for (index, entry) in list(entries, &fires_path, "`fires`", problems)?.iter().enumerate() {
                fires.extend(read_instant(entry, &at(&fires_path, index), "A firing", problems));
            }
        }
    }
    let (from, to) = (from?, to?);
    if to < from {
        problems.push(Problem::error("bad-date", at(path, "to"), "`to` must not be before `from`"));
    }
    Some(Given::Span { trigger: trigger?.to_owned(), since: since.unwrap_or(from), from, to, fires })
}

// ---- running ----

struct Run<'a> {
    test: &'a TriggerTest,
    triggers: &'a [Trigger],
    failures: Vec<Failure>,
}

fn lines(value: &Value) -> Vec<String> {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    text.lines().map(str::to_owned).collect()
}

impl Run<'_> {
    fn fail(&mut self, path: Vec<Segment>, message: String) {
        self.failures.push(Problem::error("test-failed", path, message).into());
    }

    fn trigger(&self, name: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }

    /// A name that no trigger has is a mistake of the test.
    fn unknown(&mut self, name: &str, path: Vec<Segment>) {
        let message = format!("There is no trigger `{name}` in the files that are tested");
        let problem = Problem::error("unknown-trigger", path, message);
        let near = nearest(name, self.triggers.iter().map(|trigger| trigger.name.as_str()));
        self.failures.push(
            match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            }
            .into(),
        );
    }

    fn event(&mut self, event: &Value, matches: &[String], inputs: &[Input]) {
        let path = at(&self.test.path, "matches");
        let mut wanted: Vec<String> = Vec::new();
        for (index, name) in matches.iter().enumerate() {
            if self.trigger(name).is_none() {
                self.unknown(name, at(&path, index));
            } else if !wanted.contains(name) {
                wanted.push(name.clone());
            }
        }
        wanted.sort();
        let matching: Vec<&Trigger> = self.triggers.iter().filter(|trigger| trigger.matches(event)).collect();
        let mut found: Vec<String> = matching.iter().map(|trigger| trigger.name.clone()).collect();
        found.sort();
        if wanted != found {
            let mut problem =
                Problem::error("test-failed", path.clone(), "The event matches other triggers than expected");
            if let Some(why) =
                wanted.iter().find(|name| !found.contains(name)).and_then(|name| self.why(name, event))
            {
                problem = problem.help(why);
            }
            self.failures.push(Failure { problem, expected: wanted, got: found });
        }
        for trigger in matching {
            for call in trigger.calls(event) {
                if let Err(error) = call {
                    let message = format!("The trigger `{}` matches and cannot start: {error}", trigger.name);
                    self.fail(path.clone(), message);
                }
            }
        }
        for input in inputs {
            self.input(event, input);
        }
    }

    /// Why a trigger does not match, in one line.
    fn why(&self, name: &str, event: &Value) -> Option<String> {
        let trigger = self.trigger(name)?;
        if !trigger.enabled {
            return Some(format!("`{name}` is off"));
        }
        let Some(pattern) = &trigger.pattern else {
            return Some(format!("`{name}` has a schedule and no event pattern"));
        };
        let text = pattern.explain(event).to_string();
        Some(format!("`{name}` {}", text.split('\n').map(str::trim).collect::<Vec<_>>().join("; ")))
    }

    fn input(&mut self, event: &Value, input: &Input) {
        let path = at(&at(&self.test.path, "inputs"), input.trigger.as_str());
        let Some(trigger) = self.trigger(&input.trigger) else {
            return self.unknown(&input.trigger, path);
        };
        let path = at(&path, input.target.as_str());
        let Some(index) = trigger.targets.iter().position(|target| target.id == input.target) else {
            let message = format!("The trigger `{}` has no target `{}`", trigger.name, input.target);
            let problem = Problem::error("unknown-target", path, message).on_key();
            let near = nearest(&input.target, trigger.targets.iter().map(|target| target.id.as_str()));
            let problem = match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            };
            return self.failures.push(problem.into());
        };
        // What cannot start, and what does not match, has been told already.
        let Some(Ok(call)) = trigger.matches(event).then(|| trigger.calls(event).swap_remove(index)) else {
            return;
        };
        let got = call.input;
        if got != input.input {
            let message =
                format!("The target `{}` of `{}` is given something else", input.target, input.trigger);
            let mut problem = Problem::error("test-failed", path, message);
            if !call.undefined.is_empty() {
                problem = problem.help(format!("the event has nothing for {}", call.undefined.join(", ")));
            }
            self.failures.push(Failure { problem, expected: lines(&input.input), got: lines(&got) });
        }
    }

    fn span(&mut self, name: &str, since: Timestamp, from: Timestamp, to: Timestamp, fires: &[Timestamp]) {
        let path = at(&self.test.path, "schedule");
        let Some(trigger) = self.trigger(name) else { return self.unknown(name, path) };
        let Some(schedule) = &trigger.schedule else {
            return self.fail(path, format!("The trigger `{name}` has no schedule"));
        };
        let before = from.minus(std::time::Duration::from_millis(1));
        let off = !trigger.enabled;
        let found: Vec<Timestamp> = schedule
            .upcoming(before, since)
            .take_while(|at| *at < to && !off)
            .take(MAX_FIRINGS + 1)
            .collect();
        if found.len() > MAX_FIRINGS {
            let message = format!("The schedule fires more than {MAX_FIRINGS} times in this span");
            return self.fail(at(&self.test.path, "to"), message);
        }
        let mut wanted = fires.to_vec();
        wanted.sort_unstable();
        if wanted != found {
            let texts = |instants: &[Timestamp]| instants.iter().map(|at| schedule.local(*at)).collect();
            let message = format!("The schedule fires at other times than expected, in {}", schedule.zone());
            let mut problem = Problem::error("test-failed", at(&self.test.path, "fires"), message);
            if off {
                problem = problem.help(format!("`{name}` is off"));
            }
            self.failures.push(Failure { problem, expected: texts(&wanted), got: texts(&found) });
        }
    }
}
