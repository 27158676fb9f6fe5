//! The days and times that a `cron` expression names, and the search for the nearest one.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use mainstay_model::Timestamp;

use super::{instant, local};

/// The years that an expression can name.
pub(super) const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

/// The longest time by which a zone has ever been set back, with room.
const MOST_SET_BACK_DAYS: i32 = 2;

/// What an expression names. Bit `n` of a set stands for the value `n`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cron {
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: Days,
    pub(super) months: u64,
    pub(super) years: Years,
}

/// The years from 1970 on, a bit for each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Years(pub(super) [u64; 4]);

/// The one field of the two that is not `?`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Days {
    OfMonth {
        /// The days by number.
        days: u64,
        /// The last one (`L`).
        last: bool,
        /// The last from Monday to Friday (`LW`).
        last_weekday: bool,
        /// The nearest from Monday to Friday to these (`15W`).
        near: u64,
    },
    /// 1 is Sunday.
    OfWeek {
        days: u64,
        /// The last of these in the month (`6L`).
        last: u64,
        /// The day and which one of the month (`3#2`).
        nth: Option<(i8, i8)>,
    },
}

impl Years {
    pub(super) fn add(&mut self, year: i16) {
        let at = usize::try_from(year - YEARS.start()).unwrap_or(usize::MAX);
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn has(&self, year: i16) -> bool {
        let at = usize::try_from(year - YEARS.start()).unwrap_or(usize::MAX);
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

fn has(set: u64, value: i8) -> bool {
    set >> value & 1 == 1
}

/// The day from Monday to Friday nearest to a day of a month, without leaving the month.
fn near(year: i16, month: i8, day: i8) -> Option<i8> {
    let date = Date::new(year, month, day).ok()?;
    Some(match date.weekday() {
        jiff::civil::Weekday::Saturday if day == 1 => 3,
        jiff::civil::Weekday::Saturday => day - 1,
        jiff::civil::Weekday::Sunday if day == date.days_in_month() => day - 2,
        jiff::civil::Weekday::Sunday => day + 1,
        _ => day,
    })
}

impl Days {
    fn has(&self, date: Date) -> bool {
        match self {
            Self::OfMonth { days, last, last_weekday, near: to } => {
                let (year, month, end) = (date.year(), date.month(), date.days_in_month());
                has(*days, date.day())
                    || *last && date.day() == end
                    || *last_weekday && near(year, month, end) == Some(date.day())
                    || (1..=31).any(|day| has(*to, day) && near(year, month, day) == Some(date.day()))
            }
            Self::OfWeek { days, last, nth } => {
                let day = date.weekday().to_sunday_one_offset();
                has(*days, day)
                    || has(*last, day) && date.day() > date.days_in_month() - 7
                    || nth.is_some_and(|(wanted, which)| wanted == day && (date.day() + 6) / 7 == which)
            }
        }
    }
}

impl Cron {
    /// The first instant after `after`.
    pub(super) fn after(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let first = Date::new(*YEARS.start(), 1, 1).ok()?.to_datetime(Time::midnight());
        // Local times up to this one are not after it: a local time that comes later never came earlier.
        let from = local(zone, after)?.max(first);
        let mut date = from.date();
        let mut past = Some(from.time());
        while YEARS.contains(&date.year()) {
            if self.has_day(date) {
                for time in self.times(past) {
                    if let Some(found) = instant(zone, date.to_datetime(time)).filter(|found| *found > after)
                    {
                        return Some(found);
                    }
                }
            }
            past = None;
            date = self.day_after(date)?;
        }
        None
    }

    /// The last instant up to `until`, but none before `floor`.
    pub(super) fn until(&self, zone: &TimeZone, until: Timestamp, floor: Timestamp) -> Option<Timestamp> {
        let end = Date::new(*YEARS.end(), 12, 31).ok()?;
        // A clock that was set back shows a time that is before some that came already.
        let latest = local(zone, until)?.date().checked_add(jiff::Span::new().days(MOST_SET_BACK_DAYS));
        let mut date = latest.unwrap_or(end).min(end);
        let floor = local(zone, floor)?.date().checked_sub(jiff::Span::new().days(MOST_SET_BACK_DAYS)).ok();
        while YEARS.contains(&date.year()) && floor.is_none_or(|floor| date >= floor) {
            if self.has_day(date) {
                let found = self
                    .times(None)
                    .rev()
                    .filter_map(|time| instant(zone, date.to_datetime(time)))
                    .find(|found| *found <= until);
                if found.is_some() {
                    return found;
                }
            }
            date = self.day_before(date)?;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        self.years.has(date.year()) && has(self.months, date.month()) && self.days.has(date)
    }

    /// The next day that is worth a look.
    fn day_after(&self, date: Date) -> Option<Date> {
        if !self.years.has(date.year()) {
            Date::new(date.year() + 1, 1, 1).ok()
        } else if !has(self.months, date.month()) {
            date.last_of_month().tomorrow().ok()
        } else {
            date.tomorrow().ok()
        }
    }

    fn day_before(&self, date: Date) -> Option<Date> {
        if !self.years.has(date.year()) {
            Date::new(date.year() - 1, 12, 31).ok()
        } else if !has(self.months, date.month()) {
            date.first_of_month().yesterday().ok()
        } else {
            date.yesterday().ok()
        }
    }

    /// The times of a day, after a certain one.
    fn times(&self, past: Option<Time>) -> impl DoubleEndedIterator<Item = Time> {
        let from = past.map_or(0, |past| past.hour());
        (from..24)
            .filter(|hour| has(self.hours, *hour))
            .flat_map(|hour| {
                (0..60)
                    .filter(|minute| has(self.minutes, *minute))
                    .map(move |minute| Time::constant(hour, minute, 0, 0))
            })
            .filter(move |time| past.is_none_or(|past| *time > past))
    }

    /// Whether it names any day at all in any year (`31 2` does not).
    pub(super) fn ever(&self, zone: &TimeZone) -> bool {
        let before = DateTime::constant(1969, 12, 30, 0, 0, 0, 0);
        TimeZone::UTC
            .to_timestamp(before)
            .ok()
            .and_then(|at| self.after(zone, Timestamp::from_millis(at.as_millisecond())))
            .is_some()
    }
}
