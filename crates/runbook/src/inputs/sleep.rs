//! The inputs of `aws:sleep`.

use std::time::Duration;

use mainstay_model::{Problem, Timestamp};
use serde_json::{Map, Value};

use super::finally;
use crate::reader::Reader;

/// The longest sleep, in seconds: just under 7 days.
const MAX_SLEEP_S: u64 = 604_799;

/// Checks the inputs of `aws:sleep`, and reads them where references have been replaced.
pub(crate) fn read_sleep(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Sleep> {
    let text = |key: &str| inputs.get(key).map(|value| (key.to_owned(), value));
    let (key, value) = match (text("Duration"), text("Timestamp")) {
        (Some(_), Some(_)) => {
            reader.push(
                Problem::error(
                    "bad-value",
                    reader.at("Timestamp"),
                    "`Duration` and `Timestamp` exclude each other",
                )
                .on_key(),
            );
            return None;
        }
        (None, None) => {
            reader.missing("Duration` or `Timestamp", "aws:sleep");
            return None;
        }
        (Some(one), None) | (None, Some(one)) => one,
    };
    if reader.open(value) {
        return None;
    }
    let Some(text) = value.as_str() else {
        let wanted = if key == "Duration" { "a text such as `PT10M`" } else { "a text" };
        reader.wrong(reader.at(&key), &key, wanted, value);
        return None;
    };
    if key == "Timestamp" {
        return match text.parse::<Timestamp>() {
            Ok(at) => Some(Sleep::Until(at)),
            Err(error) => {
                reader.push(Problem::error("bad-value", reader.at(&key), error.to_string()));
                None
            }
        };
    }
    match iso_duration(text) {
        Some(duration) if duration.as_secs() <= MAX_SLEEP_S => Some(Sleep::For(duration)),
        Some(_) => {
            reader.push(Problem::error(
                "bad-value",
                reader.at(&key),
                format!("A sleep takes at most {MAX_SLEEP_S} seconds, just under 7 days"),
            ));
            None
        }
        None => {
            reader.push(
                Problem::error("bad-value", reader.at(&key), format!("`{text}` is not an ISO 8601 duration"))
                    .label("expected a duration such as `PT10M`")
                    .help("`PT30S` is 30 seconds, `PT10M` 10 minutes, `P1DT2H` a day and 2 hours"),
            );
            None
        }
    }
}

/// What a sleep waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    For(Duration),
    Until(Timestamp),
}

pub(crate) fn sleep_until(inputs: &Map<String, Value>, at: Timestamp) -> Result<Timestamp, String> {
    match finally(|reader| read_sleep(inputs, reader))? {
        Sleep::For(duration) => Ok(at.plus(duration)),
        Sleep::Until(until) if until.since(at).as_secs() > MAX_SLEEP_S => {
            Err(format!("{until} is more than {MAX_SLEEP_S} seconds away, the longest sleep"))
        }
        Sleep::Until(until) => Ok(until),
    }
}

/// An ISO 8601 duration of weeks, days, hours, minutes and seconds (`P1DT2H`, `PT0.5S`). Months and years have no fixed
/// length and are refused.
fn iso_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let total = part(date, &[('W', 604_800), ('D', 86_400)])?
        .checked_add(part(time, &[('H', 3600), ('M', 60), ('S', 1)])?)?;
    Some(Duration::from_millis(total))
}

/// The milliseconds of one half of a duration; units in order, each at most once, a fraction only in seconds.
fn part(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total: u64 = 0;
    let mut units = units.iter();
    while !text.is_empty() {
        let length = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = text.split_at(length);
        let unit = tail.chars().next()?;
        text = &tail[unit.len_utf8()..];
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        let ms = match number.split_once('.') {
            None => number.parse::<u64>().ok()?.checked_mul(seconds.checked_mul(1000)?)?,
            Some((whole, fraction)) if unit == 'S' && !fraction.is_empty() && !fraction.contains('.') => {
                let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
                whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction.parse().ok()?)?
            }
            Some(_) => return None,
        };
        total = total.checked_add(ms)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_iso_8601() {
        for (text, ms) in [
            ("PT10M", 600_000),
            ("PT2S", 2000),
            ("PT0S", 0),
            ("P1DT2H3M4.5S", 93_784_500),
            ("P1W", 604_800_000),
            ("PT0.25S", 250),
        ] {
            assert_eq!(iso_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1DT",
            "10M",
            "PT10",
            "PT-1S",
            "-PT1S",
            "P1Y",
            "P1M",
            "PT1S1M",
            "PT1.5M",
            "PT1.S",
            "PT1.2.3S",
            "pt1s",
            "PT99999999999999999999S",
            "PTé",
        ] {
            assert_eq!(iso_duration(bad), None, "{bad}");
        }
    }
}
