//! Schedules: when a trigger fires by the clock, in the expressions of EventBridge rules and of EventBridge Scheduler.
//!
//! Pure: a schedule answers what comes after an instant that the caller names; waiting for it is the caller's. Zones are
//! those of the IANA database that is compiled in, so a schedule means the same on every machine.
//!
//! A firing has one *scheduled time*. Everything that follows from it takes its id from that time, so a firing that is
//! looked at twice, after a restart or after the clock went back, happens once. [`Schedule::due`] says what to do now.
//!
//! Rules, and where they are from:
//! - `cron(minutes hours day-of-month month day-of-week year)` has the values and wildcards of the service. Exactly one
//!   of the two days is `?`. Local times that a zone skips in spring do not fire; times that come twice in autumn fire
//!   the first time only (EventBridge Scheduler).
//! - `rate(n unit)` counts from `StartDate`, or from when the schedule came in force, and fires then for the first time.
//!   A day of it is 24 hours, whatever the clocks do.
//! - `at(yyyy-mm-ddThh:mm:ss)` fires once, whatever `StartDate` and `EndDate` say.
//! - Without a zone everything is UTC, as in rules.
//!
//! The `croner` crate was looked at for the fields and not taken: it runs jobs of a skipped hour after it and repeats
//! those with wildcards in a doubled one, and it does not hold that one of the days is `?`.

use std::time::Duration;

use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use mainstay_model::Timestamp;

mod cron;
mod due;
mod expression;
mod fields;
mod read;

use cron::Cron;

pub use due::{Due, MAX_MISSED, Progress, Setback};
pub use expression::{Dialect, ExpressionError};
pub(crate) use read::{KEYS, read};

/// When something fires by the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    text: String,
    expression: Expression,
    zone: TimeZone,
    /// Nothing fires before.
    start: Option<Timestamp>,
    /// Nothing fires after.
    end: Option<Timestamp>,
    /// A firing may be carried out up to this much later than scheduled.
    window: Duration,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Cron(Cron),
    /// Milliseconds, at least a minute.
    Rate(i64),
    At(jiff::civil::DateTime),
}

impl Schedule {
    /// Reads an expression as it stands in a rule, in UTC and without limits.
    pub fn parse(expression: &str) -> Result<Self, ExpressionError> {
        Ok(Self::new(expression, expression::parse(expression, Dialect::Rule)?, TimeZone::UTC))
    }

    /// Reads an expression as it stands in a schedule of EventBridge Scheduler, with its zone.
    pub fn parse_in(expression: &str, zone: &str) -> Result<Self, ExpressionError> {
        let zone = find_zone(zone).ok_or_else(|| ExpressionError {
            code: "unknown-zone",
            message: format!("There is no time zone `{zone}`"),
            span: 0..0,
            help: None,
        })?;
        Ok(Self::new(expression, expression::parse(expression, Dialect::Scheduler)?, zone))
    }

    fn new(text: &str, expression: Expression, zone: TimeZone) -> Self {
        Self { text: text.to_owned(), expression, zone, start: None, end: None, window: Duration::ZERO }
    }

    /// The expression, as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of the zone that `cron` and `at` are in.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// How much later than scheduled a firing may be carried out (`FlexibleTimeWindow`); zero when it may not.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Whether it fires once only.
    pub fn is_one_time(&self) -> bool {
        matches!(self.expression, Expression::At(_))
    }

    /// Whether its times depend on when it came in force: a rate without `StartDate`.
    pub fn counts_from_when_it_came_in_force(&self) -> bool {
        matches!(self.expression, Expression::Rate(_)) && self.start.is_none()
    }

    /// How much later than scheduled the firings of this name are carried out: a part of the window that follows from
    /// the name, the same for each firing, so that triggers of one time spread and each keeps its distance.
    pub fn delay(&self, name: &str) -> Duration {
        let seconds = self.window.as_secs();
        if seconds == 0 {
            return Duration::ZERO;
        }
        // FNV-1a: the delay of a name must not change from one version to the next.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Duration::from_secs((hash ^ hash >> 32) % seconds)
    }

    /// The first scheduled time after `after`. `since` is when the schedule came in force: nothing fires before, and a
    /// rate without a start counts from there. `None` when nothing comes any more.
    pub fn next_after(&self, after: Timestamp, since: Timestamp) -> Option<Timestamp> {
        let from = after.max(self.floor(since).minus(Duration::from_millis(1)));
        let next = match &self.expression {
            Expression::Cron(cron) => cron.after(&self.zone, from)?,
            Expression::Rate(every) => step(self.anchor(since), *every, from, true)?,
            Expression::At(at) => Some(instant(&self.zone, *at)?).filter(|at| *at > from)?,
        };
        self.within_end(next)
    }

    /// The last scheduled time up to and with `until`, as [`Schedule::next_after`] counts them.
    pub fn last_until(&self, until: Timestamp, since: Timestamp) -> Option<Timestamp> {
        let until = match (&self.expression, self.end) {
            (Expression::At(_), _) | (_, None) => until,
            (_, Some(end)) => until.min(end),
        };
        let last = match &self.expression {
            Expression::Cron(cron) => cron.until(&self.zone, until, self.floor(since))?,
            Expression::Rate(every) => step(self.anchor(since), *every, until, false)?,
            Expression::At(at) => instant(&self.zone, *at).filter(|at| *at <= until)?,
        };
        Some(last).filter(|last| *last >= self.floor(since))
    }

    /// The scheduled times after an instant, in order.
    pub fn upcoming(&self, after: Timestamp, since: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(after, since), move |last| self.next_after(*last, since))
    }

    /// The instant as people of the zone write it, with the offset: `2026-11-25T09:30:00+01:00`.
    pub fn local(&self, at: Timestamp) -> String {
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return at.to_string() };
        let offset = self.zone.to_offset(instant);
        let seconds = offset.seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = seconds.unsigned_abs() / 60;
        format!("{:.0}{sign}{:02}:{:02}", offset.to_datetime(instant), minutes / 60, minutes % 60)
    }

    /// Before this nothing is scheduled.
    fn floor(&self, since: Timestamp) -> Timestamp {
        match (&self.expression, self.start) {
            (Expression::At(_), _) | (_, None) => since,
            (_, Some(start)) => since.max(start),
        }
    }

    /// Where a rate counts from.
    fn anchor(&self, since: Timestamp) -> Timestamp {
        self.start.unwrap_or(since)
    }

    fn within_end(&self, at: Timestamp) -> Option<Timestamp> {
        match (&self.expression, self.end) {
            (Expression::At(_), _) | (_, None) => Some(at),
            (_, Some(end)) => Some(at).filter(|at| *at <= end),
        }
    }
}

/// The multiple of `every` from `anchor` that is the first after `at`, or the last up to it; none before the anchor.
fn step(anchor: Timestamp, every: i64, at: Timestamp, next: bool) -> Option<Timestamp> {
    let passed = at.as_millis() - anchor.as_millis();
    let steps = if next { (passed.div_euclid(every) + 1).max(0) } else { passed.div_euclid(every) };
    let found = every.checked_mul(steps).and_then(|passed| anchor.as_millis().checked_add(passed))?;
    let instant = Timestamp::from_millis(found);
    // Beyond what can be written there is nothing.
    (steps >= 0 && instant.as_millis() == found).then_some(instant)
}

/// The instant of a local time, the first one where it comes twice; `None` where the zone skips it.
fn instant(zone: &TimeZone, local: jiff::civil::DateTime) -> Option<Timestamp> {
    let offset = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset,
        AmbiguousOffset::Gap { .. } => return None,
    };
    offset.to_timestamp(local).ok().map(|instant| Timestamp::from_millis(instant.as_millisecond()))
}

/// The local time of an instant.
fn local(zone: &TimeZone, at: Timestamp) -> Option<jiff::civil::DateTime> {
    jiff::Timestamp::from_millisecond(at.as_millis()).ok().map(|instant| zone.to_datetime(instant))
}

fn find_zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "UTC" | "Etc/UTC") {
        return Some(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(name).ok()
}
