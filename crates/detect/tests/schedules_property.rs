//! Schedules against a second reading that is written in another way: it looks at every minute, with a calendar of its
//! own, and asks whether an expression names it.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use mainstay_detect::Schedule;
use mainstay_detect::schedule::Progress;
use mainstay_model::Timestamp;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// One item of a list.
#[derive(Clone, Debug)]
enum Item {
    All(Option<i64>),
    One(i64, Option<i64>),
    Range(i64, i64, Option<i64>),
}

impl Item {
    fn has(&self, value: i64, low: i64, high: i64) -> bool {
        let (from, to, step) = match self {
            Self::All(step) => (low, high, step),
            Self::One(from, None) => return value == *from,
            Self::One(from, step) => (*from, high, step),
            Self::Range(from, to, step) => (*from, *to, step),
        };
        // Walks the values as they are on a dial.
        let mut at = from;
        let mut walked = 0;
        loop {
            if at == value && walked % step.unwrap_or(1) == 0 {
                return true;
            }
            if at == to {
                return false;
            }
            walked += 1;
            at = if at == high { low } else { at + 1 };
        }
    }

    fn text(&self) -> String {
        let (base, step) = match self {
            Self::All(step) => ("*".to_owned(), step),
            Self::One(from, step) => (from.to_string(), step),
            Self::Range(from, to, step) => (format!("{from}-{to}"), step),
        };
        base + &step.map_or_else(String::new, |step| format!("/{step}"))
    }
}

fn item(low: i64, high: i64, wraps: bool) -> impl Strategy<Value = Item> {
    let step = move || prop::option::weighted(0.4, 1..=high.min(40));
    prop_oneof![
        2 => step().prop_map(Item::All),
        4 => (low..=high, step()).prop_map(|(from, step)| Item::One(from, step)),
        3 => (low..=high, low..=high, step()).prop_map(move |(a, b, step)| {
            if a > b && !wraps { Item::Range(b, a, step) } else { Item::Range(a, b, step) }
        }),
    ]
}

fn list(low: i64, high: i64, wraps: bool) -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec(item(low, high, wraps), 1..4)
}

fn texts(items: &[Item]) -> String {
    items.iter().map(Item::text).collect::<Vec<_>>().join(",")
}

#[derive(Clone, Debug)]
enum Days {
    Month(Vec<Item>),
    Last,
    LastWeekday,
    Near(i64),
    Week(Vec<Item>),
    LastOf(i64),
    Nth(i64, i64),
}

fn days() -> impl Strategy<Value = Days> {
    prop_oneof![
        3 => list(1, 31, true).prop_map(Days::Month),
        1 => Just(Days::Last),
        1 => Just(Days::LastWeekday),
        2 => (1..=31_i64).prop_map(Days::Near),
        3 => list(1, 7, true).prop_map(Days::Week),
        1 => (1..=7_i64).prop_map(Days::LastOf),
        2 => (1..=7_i64, 1..=5_i64).prop_map(|(day, which)| Days::Nth(day, which)),
    ]
}

impl Days {
    fn texts(&self) -> (String, String) {
        let none = || "?".to_owned();
        match self {
            Self::Month(items) => (texts(items), none()),
            Self::Last => ("L".to_owned(), none()),
            Self::LastWeekday => ("LW".to_owned(), none()),
            Self::Near(day) => (format!("{day}W"), none()),
            Self::Week(items) => (none(), texts(items)),
            Self::LastOf(day) => (none(), format!("{day}L")),
            Self::Nth(day, which) => (none(), format!("{day}#{which}")),
        }
    }

    fn has(&self, date: &Date) -> bool {
        match self {
            Self::Month(items) => items.iter().any(|item| item.has(date.day, 1, 31)),
            Self::Last => date.day == date.days,
            Self::LastWeekday => {
                (date.day + 1..=date.days).all(|day| !date.is_workday(day)) && date.is_workday(date.day)
            }
            Self::Near(day) => {
                let mut candidates: Vec<i64> =
                    (1..=date.days).filter(|other| date.is_workday(*other)).collect();
                // The nearest; of two as near, the one before: a Saturday's Friday, a Sunday's Monday.
                candidates.sort_by_key(|other| ((other - day).abs(), *other));
                *day <= date.days && candidates.first() == Some(&date.day)
            }
            Self::Week(items) => items.iter().any(|item| item.has(date.weekday(date.day), 1, 7)),
            Self::LastOf(day) => date.weekday(date.day) == *day && date.day + 7 > date.days,
            Self::Nth(day, which) => {
                let before = (1..=date.day).filter(|other| date.weekday(*other) == *day).count();
                date.weekday(date.day) == *day && i64::try_from(before) == Ok(*which)
            }
        }
    }
}

/// A date of a calendar that is counted day by day from 1970-01-01, a Thursday.
#[derive(Clone, Debug)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
    /// How many days its month has.
    days: i64,
    number: i64,
}

impl Date {
    /// 1 is Sunday.
    fn weekday(&self, day: i64) -> i64 {
        (self.number + day - self.day + 4).rem_euclid(7) + 1
    }

    fn is_workday(&self, day: i64) -> bool {
        (2..=6).contains(&self.weekday(day))
    }
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        [usize::try_from(month - 1).expect("a month")]
}

fn date(number: i64) -> Date {
    let (mut year, mut month, mut day) = (1970, 1, number + 1);
    loop {
        let of_year: i64 = (1..=12).map(|month| days_of(year, month)).sum();
        if day <= of_year {
            break;
        }
        day -= of_year;
        year += 1;
    }
    while day > days_of(year, month) {
        day -= days_of(year, month);
        month += 1;
    }
    Date { year, month, day, days: days_of(year, month), number }
}

#[derive(Clone, Debug)]
struct Cron {
    minutes: Vec<Item>,
    hours: Vec<Item>,
    days: Days,
    months: Vec<Item>,
    years: Vec<Item>,
}

impl Cron {
    fn text(&self) -> String {
        let (month, week) = self.days.texts();
        format!(
            "cron({} {} {month} {} {week} {})",
            texts(&self.minutes),
            texts(&self.hours),
            texts(&self.months),
            texts(&self.years)
        )
    }

    /// Local milliseconds, as if they were of UTC.
    fn has(&self, local: i64) -> bool {
        let any = |items: &[Item], value, low, high| items.iter().any(|item| item.has(value, low, high));
        let minute = local.rem_euclid(DAY) / MINUTE;
        if local.rem_euclid(MINUTE) != 0
            || !any(&self.minutes, minute % 60, 0, 59)
            || !any(&self.hours, minute / 60, 0, 23)
        {
            return false;
        }
        let date = date(local.div_euclid(DAY));
        any(&self.years, date.year, 1970, 2199)
            && any(&self.months, date.month, 1, 12)
            && self.days.has(&date)
    }
}

fn cron() -> impl Strategy<Value = Cron> {
    let every = |low, high| prop_oneof![2 => Just(vec![Item::All(None)]), 1 => list(low, high, low < 2)];
    (
        list(0, 59, true),
        prop_oneof![list(0, 23, true), list(0, 4, true)],
        prop_oneof![1 => Just(Days::Month(vec![Item::All(None)])), 2 => days()],
        every(1, 12),
        prop_oneof![3 => Just(vec![Item::All(None)]), 1 => list(2020, 2035, false)],
    )
        .prop_map(|(minutes, hours, days, months, years)| Cron { minutes, hours, days, months, years })
}

fn offset(zone: &TimeZone, at: i64) -> i64 {
    let at = jiff::Timestamp::from_millisecond(at).expect("an instant");
    i64::from(zone.to_offset(at).seconds()) * 1000
}

/// Every instant from one to another that the expression names; local times that come twice count the first time.
fn scan(cron: &Cron, zone: &TimeZone, from: i64, to: i64) -> Vec<i64> {
    let mut seen = BTreeSet::new();
    let start = (from - 3 * DAY).div_euclid(MINUTE) * MINUTE;
    let all = (0..).map(|n| start + n * MINUTE).take_while(|at| *at <= to);
    all.filter(|at| {
        let local = at + offset(zone, *at);
        seen.insert(local) && *at >= from && cron.has(local)
    })
    .collect()
}

/// Days around which the clocks of some zone change, and others.
const DAYS: [(&str, &str); 12] = [
    ("Europe/Berlin", "2027-03-28T00:00:00Z"),
    ("Europe/Berlin", "2026-10-25T00:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2027-04-03T15:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Asia/Kathmandu", "2026-02-28T18:15:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Scoresbysund", "2024-03-31T01:00:00Z"),
    ("Africa/Casablanca", "2027-02-07T02:00:00Z"),
    ("UTC", "2028-02-29T00:00:00Z"),
];

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn firings_are_those_of_a_scan_of_every_minute(cron in cron(), day in prop::sample::select(&DAYS[..]), shift in -3000_i64..3000, pick in any::<prop::sample::Index>()) {
        let (name, around) = day;
        let zone = TimeZoneDatabase::bundled().get(name).expect("a zone");
        let around: Timestamp = around.parse().expect("an instant");
        let from = around.as_millis() + shift * MINUTE / 4;
        let to = from + 2 * DAY;
        let expected = scan(&cron, &zone, from, to);
        let schedule = Schedule::parse_in(&cron.text(), name).unwrap_or_else(|error| panic!("{}: {error}", cron.text()));
        let since = at(0);
        let found: Vec<i64> = schedule.upcoming(at(from - 1), since).map(Timestamp::as_millis).take_while(|found| *found <= to).collect();
        prop_assert_eq!(&found, &expected, "{} in {}", cron.text(), name);
        // From any instant, forwards and backwards.
        if !expected.is_empty() {
            let index = pick.index(expected.len());
            for before in [1, MINUTE - 1] {
                let next = expected.iter().copied().find(|found| *found > expected[index] - before);
                prop_assert_eq!(schedule.next_after(at(expected[index] - before), since), next.map(at));
            }
            for after in [0, 1, MINUTE, 7 * MINUTE + 3] {
                let until = expected[index] + after;
                if until <= to {
                    let last = expected.iter().copied().rfind(|found| *found <= until);
                    prop_assert_eq!(schedule.last_until(at(until), since), last.map(at), "{} until {}", cron.text(), at(until));
                }
            }
        }
    }

    #[test]
    fn days_are_those_of_a_calendar_that_counts(days in days(), months in list(1, 12, true), years in list(1970, 2199, false), start in 0..84_000_i64) {
        let cron = Cron { minutes: vec![Item::One(7, None)], hours: vec![Item::One(12, None)], days, months, years };
        let schedule = Schedule::parse_in(&cron.text(), "UTC").unwrap_or_else(|error| panic!("{}: {error}", cron.text()));
        let noon = |day: i64| day * DAY + (12 * 60 + 7) * MINUTE;
        let expected: Vec<i64> = (start..start + 800).map(noon).filter(|local| date(local / DAY).year <= 2199 && cron.has(*local)).collect();
        let end = noon(start + 799);
        let found: Vec<i64> = schedule.upcoming(at(noon(start) - 1), at(0)).map(Timestamp::as_millis).take_while(|found| *found <= end).collect();
        prop_assert_eq!(&found, &expected, "{}", cron.text());
        prop_assert_eq!(schedule.last_until(at(end), at(noon(start))), expected.last().copied().map(at));
    }

    #[test]
    fn whatever_the_clock_does_nothing_fires_twice_and_what_is_not_fired_is_counted(
        cron in cron(), day in prop::sample::select(&DAYS[..]), looks in prop::collection::vec((-90_i64..400, 0..60_000_i64), 1..30), patience in 0..200_i64, delay in 0..40_i64,
    ) {
        let (name, around) = day;
        let schedule = Schedule::parse_in(&cron.text(), name).unwrap_or_else(|error| panic!("{}: {error}", cron.text()));
        let zone = TimeZoneDatabase::bundled().get(name).expect("a zone");
        let around: Timestamp = around.parse().expect("an instant");
        let since = around.minus(Duration::from_secs(12 * 3600));
        let (patience, delay) = (Duration::from_secs(60 * patience as u64), Duration::from_secs(60 * delay as u64));
        let mut now = since;
        let mut latest = since;
        let mut settled = None;
        let mut fired = Vec::new();
        let mut given_up = 0_usize;
        for (minutes, ms) in looks {
            now = at((now.as_millis() + minutes * MINUTE + ms).max(since.as_millis()));
            latest = latest.max(now);
            let due = schedule.due(Progress { since, settled }, now, delay, patience);
            prop_assert!(due.setback.is_none());
            prop_assert!(due.wake.is_none_or(|wake| wake > now));
            if let Some(fire) = due.fire {
                prop_assert!(now.since(fire) == delay + due.late && due.late <= patience);
                fired.push(fire);
            }
            prop_assert!(due.settled >= settled);
            given_up += due.missed as usize;
            settled = due.settled;
            // Asking again at once says that there is nothing.
            let again = schedule.due(Progress { since, settled }, now, delay, patience);
            prop_assert_eq!((again.fire, again.missed, again.wake), (None, 0, due.wake));
        }
        prop_assert!(fired.windows(2).all(|pair| pair[0] < pair[1]));
        let all = scan(&cron, &zone, since.as_millis(), latest.minus(delay).as_millis());
        prop_assert_eq!(fired.len() + given_up, all.len(), "{}", cron.text());
        prop_assert!(fired.iter().all(|fire| all.contains(&fire.as_millis())));
    }

    #[test]
    fn rates_are_their_multiples(every in 1..5000_i64, unit in 0..3_usize, since in 0..4_000_000_000_000_i64, after in -10_000_000_000_i64..10_000_000_000) {
        let (one, many, size) = [("minute", "minutes", MINUTE), ("hour", "hours", 60 * MINUTE), ("day", "days", DAY)][unit];
        let schedule = Schedule::parse(&format!("rate({every} {})", if every == 1 { one } else { many })).expect("valid");
        let period = every * size;
        let next = schedule.next_after(at(since + after), at(since)).expect("there is always a next").as_millis();
        prop_assert_eq!((next - since).rem_euclid(period), 0);
        prop_assert!(next > since + after && next >= since && (next - period <= since + after || next == since));
        let last = schedule.last_until(at(since + after), at(since)).map(Timestamp::as_millis);
        prop_assert_eq!(last, Some(next - period).filter(|last| *last >= since));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(cron|rate|at|x)?\\(?[-0-9*/,?LW#A-Za-z :TZ]{0,40}\\)?", zone in "[A-Za-z/_]{0,12}") {
        if let Err(error) = Schedule::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {text:?}", error.span);
        }
        let _ = Schedule::parse_in(&text, &zone);
    }
}
