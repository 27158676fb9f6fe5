//! Reading the six fields of `cron(...)`.

use std::ops::Range;

use super::cron::{Cron, Days, YEARS, Years};
use super::expression::{Dialect, ExpressionError, words};

/// A field: what it is called, the values it may have, and their names from the first one on.
struct Field {
    name: &'static str,
    low: i16,
    high: i16,
    names: &'static [&'static str],
    /// Whether a range may go over the end and on from the beginning (`20-2`).
    wraps: bool,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const MINUTES: Field = Field { name: "minutes", low: 0, high: 59, names: &[], wraps: true };
const HOURS: Field = Field { name: "hours", low: 0, high: 23, names: &[], wraps: true };
const DAY_OF_MONTH: Field = Field { name: "day-of-month", low: 1, high: 31, names: &[], wraps: true };
const MONTH: Field = Field { name: "month", low: 1, high: 12, names: &MONTHS, wraps: true };
const DAY_OF_WEEK: Field = Field { name: "day-of-week", low: 1, high: 7, names: &WEEKDAYS, wraps: true };
const YEAR: Field = Field { name: "year", low: *YEARS.start(), high: *YEARS.end(), names: &[], wraps: false };

type Word<'a> = (&'a str, Range<usize>);

pub(super) fn parse(inside: &str, start: usize, dialect: Dialect) -> Result<Cron, ExpressionError> {
    let mut words = words(inside, start);
    if words.len() == 5 && dialect == Dialect::Scheduler {
        words.push(("*", start + inside.len()..start + inside.len()));
    }
    let [minutes, hours, day_of_month, month, day_of_week, year] = words.as_slice() else {
        let error = ExpressionError::new(
            format!("`cron` has six fields, found {}", words.len()),
            start..start + inside.len(),
        );
        return Err(error.help("the fields are minutes, hours, day-of-month, month, day-of-week and year, such as `cron(0 9 * * ? *)`"));
    };
    let minutes = bits(&MINUTES, minutes)?;
    let hours = bits(&HOURS, hours)?;
    let days = days(day_of_month, day_of_week)?;
    let months = bits(&MONTH, month)?;
    let mut years = Years([0; 4]);
    values(&YEAR, year, &mut |value| years.add(value))?;
    Ok(Cron { minutes, hours, days, months, years })
}

/// One of the two fields says nothing, the other one says which days.
fn days(of_month: &Word<'_>, of_week: &Word<'_>) -> Result<Days, ExpressionError> {
    let both = of_month.1.start..of_week.1.end;
    match (of_month.0, of_week.0) {
        ("?", "?") => Err(ExpressionError::new("Only one of day-of-month and day-of-week can be `?`", both)
            .help("write `*` for every day in one of them")),
        (_, "?") => days_of_month(of_month),
        ("?", _) => days_of_week(of_week),
        _ => Err(ExpressionError::new("One of day-of-month and day-of-week must be `?`", both)
            .help("a schedule goes by days of the month or by days of the week, not by both")),
    }
}

fn days_of_month(word: &Word<'_>) -> Result<Days, ExpressionError> {
    let (mut days, mut last, mut last_weekday, mut near) = (0, false, false, 0);
    for item in items(word) {
        match item.0 {
            "L" => last = true,
            "LW" | "WL" => last_weekday = true,
            text => match text.strip_suffix('W') {
                Some(day) => {
                    near |= 1 << value(&DAY_OF_MONTH, day, item.1.start..item.1.end - 1)?;
                }
                None => item_values(&DAY_OF_MONTH, &item, &mut |day| days |= 1 << day)?,
            },
        }
    }
    Ok(Days::OfMonth { days, last, last_weekday, near })
}

fn days_of_week(word: &Word<'_>) -> Result<Days, ExpressionError> {
    let (mut days, mut last, mut nth) = (0, 0, None);
    let items = items(word);
    for item in &items {
        if let Some((day, which)) = item.0.split_once('#') {
            if items.len() > 1 {
                return Err(ExpressionError::new("`#` can only stand alone in day-of-week", word.1.clone()));
            }
            let split = item.1.start + day.len();
            let day = value(&DAY_OF_WEEK, day, item.1.start..split)?;
            let which = match which {
                "1" | "2" | "3" | "4" | "5" => which.parse().unwrap_or(1),
                _ => {
                    return Err(ExpressionError::new(
                        format!("A month has no weekday `#{which}`"),
                        split..item.1.end,
                    )
                    .help("write 1 to 5 after `#`"));
                }
            };
            nth = Some((day as i8, which));
        } else if item.0 == "L" {
            // The last day of the week.
            days |= 1 << 7;
        } else if let Some(day) = item.0.strip_suffix('L') {
            last |= 1 << value(&DAY_OF_WEEK, day, item.1.start..item.1.end - 1)?;
        } else {
            item_values(&DAY_OF_WEEK, item, &mut |day| days |= 1 << day)?;
        }
    }
    Ok(Days::OfWeek { days, last, nth })
}

fn bits(field: &Field, word: &Word<'_>) -> Result<u64, ExpressionError> {
    let mut bits = 0;
    values(field, word, &mut |value| bits |= 1 << value)?;
    Ok(bits)
}

fn values(field: &Field, word: &Word<'_>, found: &mut impl FnMut(i16)) -> Result<(), ExpressionError> {
    items(word).iter().try_for_each(|item| item_values(field, item, found))
}

/// What stands between the commas.
fn items<'a>(word: &Word<'a>) -> Vec<Word<'a>> {
    let mut at = word.1.start;
    word.0
        .split(',')
        .map(|item| {
            let start = at;
            at += item.len() + 1;
            (item, start..start + item.len())
        })
        .collect()
}

/// `*`, `5`, `5-9`, and each with `/3`.
fn item_values(field: &Field, item: &Word<'_>, found: &mut impl FnMut(i16)) -> Result<(), ExpressionError> {
    let (text, span) = item;
    let (base, step) = match text.split_once('/') {
        Some((base, step)) => (base, Some(read_step(field, step, span.start + base.len() + 1..span.end)?)),
        None => (*text, None),
    };
    let base_span = span.start..span.start + base.len();
    let (from, to) = match base.split_once('-') {
        _ if base == "*" => (field.low, field.high),
        Some((from, to)) => {
            let split = span.start + from.len();
            let from = value(field, from, span.start..split)?;
            let to = value(field, to, split + 1..base_span.end)?;
            if from > to && !field.wraps {
                return Err(ExpressionError::new(
                    format!("A range of the {} goes from the lower to the higher", field.name),
                    base_span,
                ));
            }
            (from, to)
        }
        None => {
            let from = value(field, base, base_span)?;
            // `5/10` goes on to the end, `5` is one.
            (from, if step.is_some() { field.high } else { from })
        }
    };
    let width = field.high - field.low + 1;
    let to = if to < from { to + width } else { to };
    for at in (from..=to).step_by(step.unwrap_or(1)) {
        found(if at > field.high { at - width } else { at });
    }
    Ok(())
}

fn read_step(field: &Field, text: &str, span: Range<usize>) -> Result<usize, ExpressionError> {
    let most = usize::try_from(field.high).unwrap_or(usize::MAX);
    match number(text) {
        Some(step) if (1..=most).contains(&usize::from(step)) => Ok(usize::from(step)),
        Some(0) => Err(ExpressionError::new("A step of 0 leads nowhere", span)),
        _ => Err(ExpressionError::new(
            format!("`{text}` is not a step of the {}: expected 1 to {most}", field.name),
            span,
        )),
    }
}

fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn value(field: &Field, text: &str, span: Range<usize>) -> Result<i16, ExpressionError> {
    let named = field.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    let found = match named {
        Some(at) => i16::try_from(at).ok().map(|at| at + field.low),
        None => number(text).and_then(|number| i16::try_from(number).ok()),
    };
    if let Some(found) = found.filter(|found| (field.low..=field.high).contains(found)) {
        return Ok(found);
    }
    Err(refuse(field, text, span))
}

fn refuse(field: &Field, text: &str, span: Range<usize>) -> ExpressionError {
    let names = match (field.names.first(), field.names.last()) {
        (Some(first), Some(last)) => format!(", or {first} to {last}"),
        _ => String::new(),
    };
    let error = if text.is_empty() {
        ExpressionError::new(format!("A value is missing in the field {}", field.name), span)
    } else {
        ExpressionError::new(
            format!(
                "`{text}` is not a value of the field {}: expected {} to {}{names}",
                field.name, field.low, field.high
            ),
            span,
        )
    };
    let only_in = |fields: &str| format!("`{text}` can only stand in {fields}");
    match text {
        "?" => error.help(only_in("day-of-month and day-of-week, alone")),
        "L" => error.help(only_in("day-of-month and day-of-week, and not in a range")),
        "0" if field.name == "day-of-week" => error.help("Sunday is 1 and Saturday 7"),
        _ if text.contains('#') => error.help("`#` can only stand in day-of-week"),
        _ if text.ends_with('W') => error.help("`W` can only stand in day-of-month, as in `15W`"),
        _ => error,
    }
}
