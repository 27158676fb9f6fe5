//! Reading `cron(...)`, `rate(...)` and `at(...)`.

use std::ops::Range;

use jiff::civil::DateTime;
use mainstay_model::problem::nearest;

use super::{Expression, fields};

/// Where an expression stands, which decides a few of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// In an EventBridge rule: `cron` has six fields, and the unit of `rate` is singular for one and plural otherwise.
    Rule,
    /// In a schedule of EventBridge Scheduler: the year may be left out, and `rate(1 days)` is accepted too.
    Scheduler,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// A stable code in kebab case.
    pub code: &'static str,
    /// One sentence without a full stop.
    pub message: String,
    /// The bytes of the expression it is about.
    pub span: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

impl ExpressionError {
    pub(super) fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { code: "bad-schedule", message: message.into(), span, help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The longest expression of the service.
const MAX_LENGTH: usize = 256;

/// A rate of more than this is a mistake.
const MAX_RATE_DAYS: i64 = 366 * 100;

const SHAPES: &str = "expressions are `cron(0 9 * * ? *)`, `rate(5 minutes)` and `at(2026-12-24T18:00:00)`";

pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Expression, ExpressionError> {
    let whole = 0..text.len();
    if text.len() > MAX_LENGTH {
        return Err(ExpressionError::new(format!("An expression may have {MAX_LENGTH} bytes"), whole));
    }
    let Some((kind, rest)) = text.split_once('(') else {
        let error = ExpressionError::new("This is not a schedule", whole);
        // What crontabs have, or people write from memory.
        return Err(match text.split_whitespace().count() {
            5 | 6 => error.help(format!("write `cron(...)` around the fields; {SHAPES}")),
            _ => error.help(SHAPES),
        });
    };
    let Some(inside) = rest.strip_suffix(')') else {
        return Err(ExpressionError::new("A schedule ends with `)`", whole).help(SHAPES));
    };
    let start = kind.len() + 1;
    match kind {
        "cron" => fields::parse(inside, start, dialect).map(Expression::Cron),
        "rate" => rate(inside, start, dialect),
        "at" => at(inside, start),
        other => {
            let error = ExpressionError::new(format!("There is no schedule `{other}(...)`"), 0..kind.len());
            Err(match nearest(other, ["cron", "rate", "at"]) {
                Some(near) => error.help(format!("did you mean `{near}(...)`?")),
                None => error.help(SHAPES),
            })
        }
    }
}

/// The words of a text and where they are.
pub(super) fn words(text: &str, start: usize) -> Vec<(&str, Range<usize>)> {
    text.split_whitespace()
        .map(|word| {
            let at = start + (word.as_ptr() as usize - text.as_ptr() as usize);
            (word, at..at + word.len())
        })
        .collect()
}

const UNITS: [(&str, &str, i64); 3] =
    [("minute", "minutes", 60_000), ("hour", "hours", 3_600_000), ("day", "days", 86_400_000)];

fn rate(inside: &str, start: usize, dialect: Dialect) -> Result<Expression, ExpressionError> {
    let words = words(inside, start);
    let [(value, value_span), (unit, unit_span)] = words.as_slice() else {
        return Err(ExpressionError::new("A rate is a number and a unit", start..start + inside.len())
            .help("write `rate(5 minutes)`"));
    };
    let number: i64 = match value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse()) {
        Some(Ok(number)) if number > 0 => number,
        _ => {
            return Err(ExpressionError::new(
                format!("`{value}` is not a whole number greater than zero"),
                value_span.clone(),
            ));
        }
    };
    let Some((one, many, size)) = UNITS.into_iter().find(|(one, many, _)| unit == one || unit == many) else {
        let error = ExpressionError::new(format!("There is no unit `{unit}`"), unit_span.clone());
        return Err(match nearest(unit, UNITS.iter().flat_map(|(one, many, _)| [*one, *many])) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("units are minutes, hours and days"),
        });
    };
    let wanted = if number == 1 { one } else { many };
    // The Scheduler takes both spellings of one.
    if *unit != wanted && !(dialect == Dialect::Scheduler && number == 1) {
        return Err(ExpressionError::new(format!("The unit of {number} is `{wanted}`"), unit_span.clone())
            .help(format!("write `rate({number} {wanted})`")));
    }
    match number.checked_mul(size) {
        Some(every) if every <= MAX_RATE_DAYS * 86_400_000 => Ok(Expression::Rate(every)),
        _ => Err(ExpressionError::new("A rate may be a hundred years at most", value_span.clone())),
    }
}

fn at(inside: &str, start: usize) -> Result<Expression, ExpressionError> {
    let span = start..start + inside.len();
    let refuse = |message: String| {
        ExpressionError::new(message, span.clone())
            .help("write `at(yyyy-mm-ddThh:mm:ss)` and the zone in `ScheduleExpressionTimezone`")
    };
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = inside.len() == shape.len()
        && inside.bytes().zip(shape).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            wanted => byte == *wanted,
        });
    if !fits {
        return Err(refuse(format!("`{inside}` is not a local date and time")));
    }
    let number = |range: Range<usize>| inside[range].parse::<i16>().unwrap_or_default();
    let small = |range: Range<usize>| i8::try_from(number(range)).unwrap_or_default();
    DateTime::new(number(0..4), small(5..7), small(8..10), small(11..13), small(14..16), small(17..19), 0)
        .map(Expression::At)
        .map_err(|_| refuse(format!("There is no date and time `{inside}`")))
}
