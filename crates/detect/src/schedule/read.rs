//! Reading the schedule of a trigger's file.

use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Segment, Timestamp};
use serde_json::{Map, Value};

use super::expression::{self, Dialect};
use super::{Expression, Schedule, find_zone, instant};
use crate::read::{at, mapping, string, unknown_keys};

/// The keys of a schedule: the first is of rules, the others are of EventBridge Scheduler.
pub(crate) const KEYS: &[&str] =
    &["ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "FlexibleTimeWindow"];

/// The schedule of a mapping that may have one. Without an expression the other keys are problems.
pub(crate) fn read(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<Schedule> {
    let Some(value) = map.get("ScheduleExpression") else {
        for key in KEYS.iter().filter(|key| map.contains_key(**key)) {
            let problem = Problem::error(
                "missing-key",
                [Segment::from(*key)],
                format!("`{key}` is part of a schedule, and there is no `ScheduleExpression`"),
            );
            problems.push(problem.on_key());
        }
        return None;
    };
    let before = problems.len();
    let path = [Segment::from("ScheduleExpression")];
    let dialect =
        if KEYS[1..].iter().any(|key| map.contains_key(*key)) { Dialect::Scheduler } else { Dialect::Rule };
    let zone = read_zone(map, problems);
    let start = date(map, "StartDate", problems);
    let end = date(map, "EndDate", problems);
    let window = read_window(map, problems);
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        problems.push(Problem::error(
            "bad-date",
            [Segment::from("EndDate")],
            "`EndDate` must not be before `StartDate`",
        ));
    }
    let text = string(value, &path, "`ScheduleExpression`", problems)?;
    let expression = match expression::parse(text, dialect) {
        Ok(expression) => expression,
        Err(error) => {
            let problem = Problem::error(error.code, path, error.message).within(error.span);
            problems.push(match error.help {
                Some(help) => problem.help(help),
                None => problem,
            });
            return None;
        }
    };
    let zone = zone?;
    check_ever(&expression, &zone, text, problems);
    let schedule = Schedule { text: text.to_owned(), expression, zone, start, end, window: window? };
    if let (Some(start), Some(_)) = (start, end)
        && problems.len() == before
        && schedule.next_after(start.minus(Duration::from_millis(1)), start).is_none()
    {
        problems.push(Problem::error(
            "never-fires",
            path,
            "This schedule never fires between `StartDate` and `EndDate`",
        ));
    }
    (problems.len() == before).then_some(schedule)
}

/// An expression that names no instant in its zone is a mistake.
fn check_ever(expression: &Expression, zone: &TimeZone, text: &str, problems: &mut Vec<Problem>) {
    let path = [Segment::from("ScheduleExpression")];
    match expression {
        Expression::Cron(cron) if !cron.ever(zone) => problems.push(
            Problem::error("never-fires", path, "This schedule never fires: there is no such day or time")
                .within(0..text.len()),
        ),
        Expression::At(at) if instant(zone, *at).is_none() => problems.push(
            Problem::error(
                "never-fires",
                path,
                format!(
                    "This schedule never fires: the clocks of {} skip {at}",
                    zone.iana_name().unwrap_or("this zone")
                ),
            )
            .within(0..text.len()),
        ),
        _ => {}
    }
}

fn read_zone(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<TimeZone> {
    let path = [Segment::from("ScheduleExpressionTimezone")];
    let name = match map.get("ScheduleExpressionTimezone") {
        None | Some(Value::Null) => return Some(TimeZone::UTC),
        Some(value) => string(value, &path, "`ScheduleExpressionTimezone`", problems)?,
    };
    let found = find_zone(name);
    if found.is_none() {
        let database = TimeZoneDatabase::bundled();
        let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
        let problem = Problem::error("unknown-zone", path, format!("There is no time zone `{name}`"));
        problems.push(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("zones have names of the IANA database, such as `Europe/Berlin` or `UTC`"),
        });
    }
    found
}

fn date(map: &Map<String, Value>, key: &str, problems: &mut Vec<Problem>) -> Option<Timestamp> {
    let path = [Segment::from(key)];
    let text = match map.get(key) {
        None | Some(Value::Null) => return None,
        Some(value) => string(value, &path, &format!("`{key}`"), problems)?,
    };
    match text.parse() {
        Ok(at) => Some(at),
        Err(error) => {
            let error: mainstay_model::TimestampError = error;
            let problem = Problem::error("bad-date", path, error.to_string());
            problems.push(problem.help("the offset or `Z` is required"));
            None
        }
    }
}

fn read_window(map: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let path = [Segment::from("FlexibleTimeWindow")];
    let window = match map.get("FlexibleTimeWindow") {
        None | Some(Value::Null) => return Some(Duration::ZERO),
        Some(value) => mapping(value, &path, "`FlexibleTimeWindow`", problems)?,
    };
    unknown_keys(window, &path, &["Mode", "MaximumWindowInMinutes"], "A time window", problems);
    let Some(mode) = window.get("Mode") else {
        problems.push(
            Problem::error("missing-key", path, "A time window must have `Mode`")
                .help("modes are OFF and FLEXIBLE"),
        );
        return None;
    };
    let mode = string(mode, &at(&path, "Mode"), "`Mode`", problems)?;
    let minutes = window.get("MaximumWindowInMinutes").filter(|value| !value.is_null());
    let minutes_path = at(&path, "MaximumWindowInMinutes");
    match (mode, minutes) {
        ("OFF", None) => Some(Duration::ZERO),
        ("OFF", Some(_)) => {
            problems.push(
                Problem::error("bad-window", minutes_path, "A time window that is off has no length")
                    .on_key(),
            );
            None
        }
        ("FLEXIBLE", None) => {
            problems.push(Problem::error(
                "missing-key",
                path,
                "A flexible time window must have `MaximumWindowInMinutes`",
            ));
            None
        }
        ("FLEXIBLE", Some(minutes)) => match minutes.as_u64() {
            Some(minutes @ 1..=1440) => Some(Duration::from_secs(minutes * 60)),
            _ => {
                problems.push(Problem::error(
                    "bad-window",
                    minutes_path,
                    "`MaximumWindowInMinutes` must be a whole number from 1 to 1440",
                ));
                None
            }
        },
        (other, _) => {
            let problem = Problem::error(
                "bad-window",
                at(&path, "Mode"),
                format!("`{other}` is not a mode of a time window"),
            );
            problems.push(match nearest(other, ["OFF", "FLEXIBLE"]) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("modes are OFF and FLEXIBLE"),
            });
            None
        }
    }
}
