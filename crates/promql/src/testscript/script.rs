//! Reading scripts: which commands there are, and what each expects.

use std::sync::LazyLock;

use regex::Regex;

use super::description::{Description, parse_description, parse_labels};
use crate::labels::Labels;
use crate::lexer::{parse_number, unquote};
use crate::text::{parse_duration_ms, quote};

/// One command of a script and the line it begins at, from 1.
#[derive(Debug, Clone)]
pub struct Command {
    /// The line.
    pub line: usize,
    /// What to do, or why the command cannot be read.
    pub what: Result<Action, String>,
}

/// What a command does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Forget everything loaded.
    Clear,
    /// Load series.
    Load(Load),
    /// Evaluate an expression and compare.
    Eval(Box<Evaluation>),
}

/// Series to load.
#[derive(Debug, Clone)]
pub struct Load {
    /// The distance of the samples.
    pub step_ms: i64,
    /// Whether classic histograms are loaded as custom-bucket histograms too.
    pub with_custom: bool,
    /// The series, with offsets of their start timestamps from the samples where given.
    pub series: Vec<(Description, Vec<Option<i64>>)>,
}

/// When an expression is evaluated.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// Once.
    Instant(i64),
    /// At each step.
    Range {
        /// The first step.
        start: i64,
        /// The last step.
        end: i64,
        /// Their distance.
        step: i64,
    },
}

/// What a text must be like.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Anything.
    Any,
    /// Exactly this.
    Text(String),
    /// Somewhere matching this.
    Regex(Regex),
}

impl Pattern {
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(wanted) => wanted == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Text(text) => quote(text),
            Self::Regex(regex) => format!("/{regex}/"),
        }
    }
}

/// An evaluation and what it must yield.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// When.
    pub when: When,
    /// What.
    pub expr: String,
    /// Whether it must fail, and how.
    pub fail: Option<Pattern>,
    /// Warnings that must be there.
    pub warn: Vec<Pattern>,
    /// Infos that must be there.
    pub info: Vec<Pattern>,
    /// Whether there must be no warning.
    pub no_warn: bool,
    /// Whether there must be no info.
    pub no_info: bool,
    /// Whether there only has to be some annotation (the older form of the command).
    pub lenient: bool,
    /// Whether the order of the series counts.
    pub ordered: bool,
    /// The grid of expected values of a range vector.
    pub range_vector: Option<(i64, i64)>,
    /// The expected text.
    pub string: Option<String>,
    /// The expected number.
    pub scalar: Option<f64>,
    /// The expected series.
    pub series: Vec<Description>,
}

#[allow(clippy::expect_used, reason = "the patterns are literals that a test compiles")]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("pattern compiles")
}

static LOAD: LazyLock<Regex> = LazyLock::new(|| compiled(r"^load(?:_(with_nhcb))?\s+(.+?)$"));
static INSTANT: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$"));
static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$")
});
static EXPECT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$")
});
static EXPECT_RANGE: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$"));

/// Reads a script. A command that cannot be read does not keep the others from being read.
#[must_use]
pub fn parse_script(text: &str) -> Vec<Command> {
    let lines: Vec<&str> =
        text.split('\n').map(|line| if line.trim().starts_with('#') { "" } else { line.trim() }).collect();
    let mut commands = Vec::new();
    let mut room = MAX_VALUES;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let start = at;
        at += 1;
        if line.is_empty() {
            continue;
        }
        let word = line.split_whitespace().next().unwrap_or("").to_lowercase();
        let has_body = word.starts_with("load") || word.starts_with("eval");
        let mut body = Vec::new();
        while has_body && at < lines.len() && !lines[at].is_empty() {
            body.push((at + 1, lines[at]));
            at += 1;
        }
        let what = if word == "clear" {
            Ok(Action::Clear)
        } else if word.starts_with("load") {
            parse_load(line, &body, &mut room).map(Action::Load)
        } else if word.starts_with("eval") {
            parse_eval(line, &body, &mut room).map(|eval| Action::Eval(Box::new(eval)))
        } else {
            Err(format!("invalid command {}", quote(line)))
        };
        commands.push(Command { line: start + 1, what });
    }
    commands
}

fn duration(text: &str) -> Result<i64, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    parse_duration_ms(text.trim()).map(|ms| sign * ms).map_err(|error| error.to_string())
}

/// A script spells out so many values altogether.
const MAX_VALUES: usize = 5_000_000;

/// Takes some values out of the room that is left for the script.
fn take_room(room: &mut usize, values: usize) -> Result<(), String> {
    *room =
        room.checked_sub(values).ok_or_else(|| format!("the script has more than {MAX_VALUES} values"))?;
    Ok(())
}

fn parse_load(line: &str, body: &[(usize, &str)], room: &mut usize) -> Result<Load, String> {
    let captures = LOAD.captures(line).ok_or("invalid load command. (load[_with_nhcb] <step:duration>)")?;
    let step_ms = duration(&captures[2])?;
    let mut load = Load { step_ms, with_custom: captures.get(1).is_some(), series: Vec::new() };
    let mut starts: Option<(Labels, Vec<Option<i64>>)> = None;
    for (number, text) in body {
        let in_line = |error: String| format!("line {number}: {error}");
        let (labels, rest) = parse_labels(text).map_err(in_line)?;
        if let Some(offsets) = rest.strip_prefix("@st") {
            let offsets = start_offsets(offsets).map_err(in_line)?;
            take_room(room, offsets.len()).map_err(in_line)?;
            starts = Some((labels, offsets));
            continue;
        }
        let description = parse_description(text).map_err(in_line)?;
        take_room(room, description.items.len()).map_err(in_line)?;
        let offsets = match starts.take() {
            None => Vec::new(),
            Some((of, offsets)) if of == description.labels && offsets.len() == description.items.len() => {
                offsets
            }
            Some(_) => {
                return Err(in_line("start timestamps do not belong to the series that follows".to_owned()));
            }
        };
        load.series.retain(|(known, _)| known.labels != description.labels);
        load.series.push((description, offsets));
    }
    Ok(load)
}

/// Offsets of start timestamps from their samples: `_`, `_xN`, `D`, `DxN`, `D+DxN`, `D-DxN`.
fn start_offsets(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut offsets = Vec::new();
    for item in text.split_whitespace() {
        let (base, times) = match item.rsplit_once('x') {
            Some((base, times)) => (
                base,
                Some(times.parse::<usize>().map_err(|_| format!("invalid repetition in {}", quote(item)))?),
            ),
            None => (item, None),
        };
        if times.is_some_and(|times| times > 1_000_000) {
            return Err(format!("too many values in {}", quote(item)));
        }
        if base == "_" {
            offsets.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        let split = base.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map(|(i, _)| i);
        let (first, step) = match split {
            Some(i) => (duration(&base[..i])?, duration(base[i..].trim_start_matches('+'))?),
            None => (duration(base.trim_start_matches('+'))?, 0),
        };
        if offsets.len() > 1_000_000 {
            return Err("too many start timestamps".to_owned());
        }
        let mut value = first;
        for _ in 0..=times.unwrap_or(0) {
            offsets.push(Some(value));
            value = value.saturating_add(step);
        }
    }
    Ok(offsets)
}

fn parse_eval(line: &str, body: &[(usize, &str)], room: &mut usize) -> Result<Evaluation, String> {
    let mut eval = Evaluation {
        when: When::Instant(0),
        expr: String::new(),
        fail: None,
        warn: Vec::new(),
        info: Vec::new(),
        no_warn: false,
        no_info: false,
        lenient: false,
        ordered: false,
        range_vector: None,
        string: None,
        scalar: None,
        series: Vec::new(),
    };
    let mode;
    if let Some(captures) = INSTANT.captures(line) {
        mode = captures.get(1).map(|m| m.as_str());
        let at = captures.get(2).map_or(Ok(0), |at| duration(at.as_str()))?;
        eval.when = When::Instant(at);
        eval.expr = captures[3].to_owned();
    } else if let Some(captures) = RANGE.captures(line) {
        mode = captures.get(1).map(|m| m.as_str());
        let (start, end, step) = (duration(&captures[2])?, duration(&captures[3])?, duration(&captures[4])?);
        if end < start {
            return Err("invalid test definition, end timestamp is before start timestamp".to_owned());
        }
        eval.when = When::Range { start, end, step };
        eval.expr = captures[5].to_owned();
    } else {
        return Err("invalid evaluation command".to_owned());
    }
    match mode {
        Some("fail") => eval.fail = Some(Pattern::Any),
        Some("warn") => eval.warn.push(Pattern::Any),
        Some("info") => eval.info.push(Pattern::Any),
        Some("ordered") => eval.ordered = true,
        _ => {}
    }
    eval.lenient = mode.is_some();
    for (number, text) in body {
        let known = eval.series.len();
        expectation(&mut eval, text)
            .and_then(|()| eval.series[known..].iter().try_for_each(|new| take_room(room, new.items.len())))
            .map_err(|error| format!("line {number}: {error}"))?;
    }
    let both = (eval.no_warn && !eval.warn.is_empty()) || (eval.no_info && !eval.info.is_empty());
    if both {
        return Err("an annotation cannot be both expected and excluded".to_owned());
    }
    if matches!(eval.when, When::Instant(_))
        && eval.range_vector.is_none()
        && eval.series.iter().any(|series| series.items.len() != 1)
    {
        return Err("an instant query expects one value per series".to_owned());
    }
    Ok(eval)
}

fn expectation(eval: &mut Evaluation, text: &str) -> Result<(), String> {
    if let Some(message) = text.strip_prefix("expected_fail_message ") {
        eval.fail = Some(Pattern::Text(message.trim().to_owned()));
        return Ok(());
    }
    if let Some(pattern) = text.strip_prefix("expected_fail_regexp ") {
        eval.fail = Some(regex_pattern(pattern.trim())?);
        return Ok(());
    }
    if let Some(captures) = EXPECT_RANGE.captures(text) {
        let (start, end, step) = (duration(&captures[1])?, duration(&captures[2])?, duration(&captures[3])?);
        if end < start || step <= 0 {
            return Err("the grid of the expected range vector runs backwards".to_owned());
        }
        eval.range_vector = Some((start, step));
        return Ok(());
    }
    if let Some(literal) = text.strip_prefix("expect string ") {
        let literal = literal.trim();
        let quote = literal.chars().next().unwrap_or(' ');
        let (bytes, _) = unquote(literal, quote)?;
        eval.string = Some(String::from_utf8_lossy(&bytes).into_owned());
        return Ok(());
    }
    if text.starts_with("expect ") {
        let captures =
            EXPECT.captures(text).ok_or_else(|| format!("invalid expect statement {}", quote(text)))?;
        let pattern = match (captures.get(2).map(|m| m.as_str()), captures.get(3)) {
            (Some("msg"), Some(text)) => Pattern::Text(text.as_str().trim().to_owned()),
            (Some(_), Some(text)) => regex_pattern(text.as_str().trim())?,
            _ => Pattern::Any,
        };
        match &captures[1] {
            "ordered" => eval.ordered = true,
            "fail" if eval.fail.is_some() => return Err("at most one failure can be expected".to_owned()),
            "fail" => eval.fail = Some(pattern),
            "warn" => eval.warn.push(pattern),
            "info" => eval.info.push(pattern),
            "no_warn" => eval.no_warn = true,
            _ => eval.no_info = true,
        }
        return Ok(());
    }
    if let Some(number) = parse_number(text) {
        eval.scalar = Some(number);
        return Ok(());
    }
    if let Some(number) = text.strip_prefix(['-', '+']).and_then(parse_number) {
        eval.scalar = Some(if text.starts_with('-') { -number } else { number });
        return Ok(());
    }
    eval.series.push(parse_description(text)?);
    Ok(())
}

fn regex_pattern(text: &str) -> Result<Pattern, String> {
    Regex::new(text).map(Pattern::Regex).map_err(|error| format!("invalid regular expression: {error}"))
}
