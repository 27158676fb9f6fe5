//! Schedules: what expressions mean, what is refused and where, and what is due after a pause.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use std::time::Duration;

use mainstay_detect::schedule::{MAX_MISSED, Progress};
use mainstay_detect::{Schedule, Trigger};
use mainstay_model::{Problem, Spot, Timestamp};
use serde_json::{Value, json};

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn epoch() -> Timestamp {
    Timestamp::from_millis(0)
}

fn trigger(schedule: &Value) -> Result<Schedule, Vec<Problem>> {
    let mut full = json!({"Name": "tidy", "Targets": [{"Id": "t", "Arn": "procedure/tidy"}]});
    for (key, value) in schedule.as_object().expect("a mapping") {
        full[key] = value.clone();
    }
    Trigger::parse(&full).map(|trigger| trigger.schedule.expect("it has a schedule"))
}

/// The first firings after an instant, as the zone writes them.
fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule =
        Schedule::parse_in(expression, zone).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let after = instant(after);
    schedule.upcoming(after, epoch()).take(count).map(|at| schedule.local(at)).collect()
}

#[test]
fn fields_mean_what_the_service_says() {
    let after = "2026-11-25T10:07:30Z";
    for (expression, expected) in [
        ("cron(0 12 * * ? *)", ["2026-11-25T12:00:00", "2026-11-26T12:00:00"]),
        ("cron(15 10 ? * 6L 2026-2030)", ["2026-11-27T10:15:00", "2026-12-25T10:15:00"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-11-25T18:00:00", "2026-11-26T18:00:00"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01T08:00:00", "2027-01-01T08:00:00"]),
        ("cron(0/15 * * * ? *)", ["2026-11-25T10:15:00", "2026-11-25T10:30:00"]),
        ("cron(*/15 * * * ? *)", ["2026-11-25T10:15:00", "2026-11-25T10:30:00"]),
        ("cron(1/10 * * * ? *)", ["2026-11-25T10:11:00", "2026-11-25T10:21:00"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["2026-11-25T10:10:00", "2026-11-25T10:15:00"]),
        ("cron(0/30 20-2 ? * mon-fri *)", ["2026-11-25T20:00:00", "2026-11-25T20:30:00"]),
        ("cron(0 22-4/2 * * ? *)", ["2026-11-25T22:00:00", "2026-11-26T00:00:00"]),
        ("cron(0 0 L * ? *)", ["2026-11-30T00:00:00", "2026-12-31T00:00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-11-30T00:00:00", "2026-12-31T00:00:00"]),
        ("cron(0 0 3W * ? *)", ["2026-12-03T00:00:00", "2027-01-04T00:00:00"]),
        ("cron(0 0 1W * ? *)", ["2026-12-01T00:00:00", "2027-01-01T00:00:00"]),
        ("cron(0 0 1W 5,8 ? *)", ["2027-05-03T00:00:00", "2027-08-02T00:00:00"]),
        ("cron(0 0 31W 1 ? *)", ["2027-01-29T00:00:00", "2028-01-31T00:00:00"]),
        ("cron(0 0 1,15,L * ? *)", ["2026-11-30T00:00:00", "2026-12-01T00:00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["2026-12-08T00:00:00", "2027-01-12T00:00:00"]),
        ("cron(0 0 ? * tue#5 *)", ["2026-12-29T00:00:00", "2027-03-30T00:00:00"]),
        ("cron(0 0 ? * L *)", ["2026-11-28T00:00:00", "2026-12-05T00:00:00"]),
        ("cron(0 0 ? * FRIL *)", ["2026-11-27T00:00:00", "2026-12-25T00:00:00"]),
        ("cron(0 0 ? * FRI-MON *)", ["2026-11-27T00:00:00", "2026-11-28T00:00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
        ("cron(0 0 29 FEB ? 2096/2)", ["2096-02-29T00:00:00", "2104-02-29T00:00:00"]),
        ("cron(0 0 1 nov-JAN ? *)", ["2026-12-01T00:00:00", "2027-01-01T00:00:00"]),
        ("cron(0 0 31 * ? *)", ["2026-12-31T00:00:00", "2027-01-31T00:00:00"]),
        ("cron(5,10-12,58/1 10 * * ? *)", ["2026-11-25T10:10:00", "2026-11-25T10:11:00"]),
        ("cron(0 0 * * ? 2199)", ["2199-01-01T00:00:00", "2199-01-02T00:00:00"]),
        ("rate(1 minute)", ["2026-11-25T10:08:00", "2026-11-25T10:09:00"]),
        ("rate(6 hours)", ["2026-11-25T12:00:00", "2026-11-25T18:00:00"]),
    ] {
        let expected = expected.map(|at| format!("{at}+00:00"));
        assert_eq!(next(expression, "UTC", after, 2), expected, "{expression}");
    }
    assert_eq!(next("cron(0 0 31 12 ? 2199)", "UTC", after, 3), ["2199-12-31T00:00:00+00:00"]);
    assert_eq!(next("cron(0 0 * * ? 2020)", "UTC", after, 3), [] as [&str; 0]);
    assert_eq!(next("at(2026-12-24T18:00:05)", "UTC", after, 3), ["2026-12-24T18:00:05+00:00"]);
    assert_eq!(next("at(2026-11-25T10:07:30)", "UTC", after, 3), [] as [&str; 0]);
}

#[test]
fn clocks_that_change_skip_and_do_not_repeat() {
    // Berlin skips 02:00 to 03:00 on 2027-03-28.
    assert_eq!(
        next("cron(30 2 * * ? *)", "Europe/Berlin", "2027-03-26T12:00:00Z", 3),
        ["2027-03-27T02:30:00+01:00", "2027-03-29T02:30:00+02:00", "2027-03-30T02:30:00+02:00"]
    );
    assert_eq!(
        next("cron(0/30 * * * ? *)", "Europe/Berlin", "2027-03-28T00:29:00Z", 3),
        ["2027-03-28T01:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-28T03:30:00+02:00"]
    );
    // And has 02:00 to 03:00 twice on 2026-10-25.
    assert_eq!(
        next("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    );
    assert_eq!(
        next("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-10-24T23:59:00Z", 4),
        [
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T03:00:00+01:00",
            "2026-10-25T03:30:00+01:00"
        ]
    );
    // Half an hour (Lord Howe), and a whole day (Apia had no 2011-12-30).
    assert_eq!(
        next("cron(0/15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T15:00:00Z", 2),
        ["2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00"]
    );
    assert_eq!(
        next("cron(0 9 * * ? *)", "Pacific/Apia", "2011-12-29T12:00:00Z", 2),
        ["2011-12-29T09:00:00-10:00", "2011-12-31T09:00:00+14:00"]
    );
    // Days of a rate are 24 hours.
    let schedule = Schedule::parse_in("rate(1 days)", "Europe/Berlin").expect("valid");
    let since = instant("2027-03-27T08:00:00Z");
    let days: Vec<_> = schedule.upcoming(since, since).take(2).map(|at| schedule.local(at)).collect();
    assert_eq!(days, ["2027-03-28T10:00:00+02:00", "2027-03-29T10:00:00+02:00"]);
}

#[test]
fn what_is_not_an_expression_is_pointed_at() {
    for (expression, message, under) in [
        ("", "This is not a schedule", ""),
        ("0 9 * * *", "This is not a schedule", "0 9 * * *"),
        ("cron(0 9 * * ? *", "A schedule ends with `)`", "cron(0 9 * * ? *"),
        ("corn(0 9 * * ? *)", "There is no schedule `corn(...)`", "corn"),
        ("cron(0 9 * * ?)", "`cron` has six fields, found 5", "0 9 * * ?"),
        ("cron()", "`cron` has six fields, found 0", ""),
        ("cron(0 9 * * * *)", "One of day-of-month and day-of-week must be `?`", "* * *"),
        ("cron(0 9 1 * MON *)", "One of day-of-month and day-of-week must be `?`", "1 * MON"),
        ("cron(0 9 ? * ? *)", "Only one of day-of-month and day-of-week can be `?`", "? * ?"),
        ("cron(60 9 * * ? *)", "`60` is not a value of the field minutes: expected 0 to 59", "60"),
        ("cron(0 24 * * ? *)", "`24` is not a value of the field hours: expected 0 to 23", "24"),
        ("cron(0 9 32 * ? *)", "`32` is not a value of the field day-of-month: expected 1 to 31", "32"),
        (
            "cron(0 9 ? * 0 *)",
            "`0` is not a value of the field day-of-week: expected 1 to 7, or SUN to SAT",
            "0",
        ),
        (
            "cron(0 9 ? * MOO *)",
            "`MOO` is not a value of the field day-of-week: expected 1 to 7, or SUN to SAT",
            "MOO",
        ),
        (
            "cron(0 9 ? 13 2 *)",
            "`13` is not a value of the field month: expected 1 to 12, or JAN to DEC",
            "13",
        ),
        ("cron(0 9 * * ? 1969)", "`1969` is not a value of the field year: expected 1970 to 2199", "1969"),
        ("cron(0 9 * * ? 2030-2026)", "A range of the year goes from the lower to the higher", "2030-2026"),
        ("cron(? 9 * * ? *)", "`?` is not a value of the field minutes: expected 0 to 59", "?"),
        ("cron(0/0 9 * * ? *)", "A step of 0 leads nowhere", "0"),
        ("cron(0/60 9 * * ? *)", "`60` is not a step of the minutes: expected 1 to 59", "60"),
        ("cron(0/x 9 * * ? *)", "`x` is not a step of the minutes: expected 1 to 59", "x"),
        ("cron(1,,2 9 * * ? *)", "A value is missing in the field minutes", ""),
        ("cron(-5 9 * * ? *)", "A value is missing in the field minutes", ""),
        ("cron(0 9 W * ? *)", "A value is missing in the field day-of-month", ""),
        ("cron(0 9 ? * 3#6 *)", "A month has no weekday `#6`", "#6"),
        ("cron(0 9 ? * 3#1,6#3 *)", "`#` can only stand alone in day-of-week", "3#1,6#3"),
        (
            "cron(0 9 ? * 15W *)",
            "`15W` is not a value of the field day-of-week: expected 1 to 7, or SUN to SAT",
            "15W",
        ),
        ("cron(0 9 3#2 * ? *)", "`3#2` is not a value of the field day-of-month: expected 1 to 31", "3#2"),
        ("cron(0 9 L-3 * ? *)", "`L` is not a value of the field day-of-month: expected 1 to 31", "L"),
        ("cron(+5 9 * * ? *)", "`+5` is not a value of the field minutes: expected 0 to 59", "+5"),
        ("rate(5)", "A rate is a number and a unit", "5"),
        ("rate(0 minutes)", "`0` is not a whole number greater than zero", "0"),
        ("rate(-5 minutes)", "`-5` is not a whole number greater than zero", "-5"),
        ("rate(1.5 hours)", "`1.5` is not a whole number greater than zero", "1.5"),
        ("rate(1 hours)", "The unit of 1 is `hour`", "hours"),
        ("rate(5 hour)", "The unit of 5 is `hours`", "hour"),
        ("rate(5 seconds)", "There is no unit `seconds`", "seconds"),
        ("rate(5 weeks)", "There is no unit `weeks`", "weeks"),
        (
            "rate(99999999999999999999 days)",
            "`99999999999999999999` is not a whole number greater than zero",
            "99999999999999999999",
        ),
        ("rate(9999999999999999 days)", "A rate may be a hundred years at most", "9999999999999999"),
        ("at(2026-12-24)", "`2026-12-24` is not a local date and time", "2026-12-24"),
        (
            "at(2026-12-24T18:00:00Z)",
            "`2026-12-24T18:00:00Z` is not a local date and time",
            "2026-12-24T18:00:00Z",
        ),
        ("at(2026-02-29T18:00:00)", "There is no date and time `2026-02-29T18:00:00`", "2026-02-29T18:00:00"),
        ("at(2026-12-24T24:00:00)", "There is no date and time `2026-12-24T24:00:00`", "2026-12-24T24:00:00"),
    ] {
        let error = Schedule::parse(expression).expect_err(expression);
        assert_eq!(
            (error.code, error.message.as_str(), &expression[error.span.clone()]),
            ("bad-schedule", message, under),
            "{expression}"
        );
    }
    let long = format!("cron({} 9 * * ? *)", ["1"; 200].join(","));
    assert!(Schedule::parse(&long).is_err());
    // What only the Scheduler takes.
    assert!(Schedule::parse_in("cron(0 9 * * ?)", "UTC").is_ok());
    assert!(Schedule::parse_in("rate(1 hours)", "UTC").is_ok());
    assert!(Schedule::parse_in("rate(5 hour)", "UTC").is_err());
    assert!(Schedule::parse_in("cron(0 9 * * ? *)", "Mars/Olympus").is_err());
}

#[test]
fn triggers_have_schedules_with_all_that_belongs_to_them() {
    let schedule = trigger(&json!({
        "ScheduleExpression": "cron(0 9 * * ? *)", "ScheduleExpressionTimezone": "America/New_York",
        "StartDate": "2026-12-01T00:00:00Z", "EndDate": "2026-12-03T14:00:00Z",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
    }))
    .expect("valid");
    let all: Vec<_> = schedule.upcoming(epoch(), epoch()).map(|at| schedule.local(at)).collect();
    assert_eq!(all, ["2026-12-01T09:00:00-05:00", "2026-12-02T09:00:00-05:00", "2026-12-03T09:00:00-05:00"]);
    assert_eq!(
        schedule.last_until(instant("2030-01-01T00:00:00Z"), epoch()),
        Some(instant("2026-12-03T14:00:00Z"))
    );
    assert_eq!(schedule.last_until(instant("2026-12-01T13:59:59Z"), epoch()), None);
    assert_eq!((schedule.zone(), schedule.window()), ("America/New_York", Duration::from_secs(900)));
    // The delay follows from the name, lies within the window, and differs between names.
    let delays: Vec<Duration> = (0..50).map(|n| schedule.delay(&format!("tidy-{n}"))).collect();
    assert_eq!(delays[7], schedule.delay("tidy-7"));
    assert!(delays.iter().all(|delay| *delay < Duration::from_secs(900)));
    assert!(delays.iter().collect::<std::collections::BTreeSet<_>>().len() > 40);
    // `at` does not ask for the dates, and a rate counts from its start.
    let at =
        trigger(&json!({"ScheduleExpression": "at(2026-12-24T18:00:00)", "EndDate": "2026-12-01T00:00:00Z"}));
    assert!(at.expect("valid").next_after(epoch(), epoch()).is_some());
    let rate = trigger(&json!({"ScheduleExpression": "rate(2 days)", "StartDate": "2026-12-01T06:00:00Z"}))
        .expect("valid");
    assert_eq!(
        rate.next_after(instant("2026-11-01T00:00:00Z"), epoch()),
        Some(instant("2026-12-01T06:00:00Z"))
    );
    assert_eq!(
        rate.next_after(instant("2026-12-02T00:00:00Z"), epoch()),
        Some(instant("2026-12-03T06:00:00Z"))
    );
    // A pattern and a schedule may stand together, and the service's form of an event comes of a firing.
    let both = Trigger::parse(&json!({
        "Name": "both", "EventPattern": {"source": ["x"]}, "ScheduleExpression": "rate(1 minute)",
        "Targets": [{"Id": "t", "Arn": "procedure/tidy"}],
    }))
    .expect("valid");
    assert!(both.matches(&json!({"source": "x"})));
    let event = both.scheduled_event(instant("2026-11-25T10:00:00Z"));
    assert_eq!(event["id"], "schedule:both:2026-11-25T10:00:00.000Z");
    assert_eq!((&event["detail-type"], &event["detail"]), (&json!("Scheduled Event"), &json!({})));
}

#[test]
fn what_is_wrong_with_a_trigger_s_schedule_is_named() {
    for (schedule, expected) in [
        (
            json!({"ScheduleExpression": "cron(0 9 ? * 0 *)"}),
            "bad-schedule: ScheduleExpression: `0` is not a value of the field day-of-week: expected 1 to 7, or SUN to SAT [13..14] (Sunday is 1 and Saturday 7)",
        ),
        (
            json!({"ScheduleExpression": 5}),
            "wrong-type: ScheduleExpression: `ScheduleExpression` must be a string, found a number",
        ),
        (
            json!({"ScheduleExpression": "cron(0 0 30 2 ? *)"}),
            "never-fires: ScheduleExpression: This schedule never fires: there is no such day or time [0..18]",
        ),
        (
            json!({"ScheduleExpression": "at(2027-03-28T02:30:00)", "ScheduleExpressionTimezone": "Europe/Berlin"}),
            "never-fires: ScheduleExpression: This schedule never fires: the clocks of Europe/Berlin skip 2027-03-28T02:30:00 [0..23]",
        ),
        (
            json!({"ScheduleExpression": "rate(1 day)", "ScheduleExpressionTimezone": "Europe/Berlim"}),
            "unknown-zone: ScheduleExpressionTimezone: There is no time zone `Europe/Berlim` (did you mean `Europe/Berlin`?)",
        ),
        (
            json!({"ScheduleExpression": "rate(1 day)", "StartDate": "2026-12-24"}),
            "bad-date: StartDate: `2026-12-24` is not a time: expected RFC 3339 such as `2026-11-22T15:04:05Z` (the offset or `Z` is required)",
        ),
        (
            json!({"ScheduleExpression": "rate(1 day)", "StartDate": "2026-12-24T00:00:00Z", "EndDate": "2026-12-23T00:00:00Z"}),
            "bad-date: EndDate: `EndDate` must not be before `StartDate`",
        ),
        (
            json!({"ScheduleExpression": "cron(0 9 1 * ? *)", "StartDate": "2026-12-24T00:00:00Z", "EndDate": "2026-12-25T00:00:00Z"}),
            "never-fires: ScheduleExpression: This schedule never fires between `StartDate` and `EndDate`",
        ),
        (
            json!({"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "FLEXIBEL"}}),
            "bad-window: FlexibleTimeWindow.Mode: `FLEXIBEL` is not a mode of a time window (did you mean `FLEXIBLE`?)",
        ),
        (
            json!({"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}}),
            "bad-window: FlexibleTimeWindow.MaximumWindowInMinutes: `MaximumWindowInMinutes` must be a whole number from 1 to 1440",
        ),
        (
            json!({"EventPattern": {"source": ["x"]}, "StartDate": "2026-12-24T00:00:00Z"}),
            "missing-key: StartDate: `StartDate` is part of a schedule, and there is no `ScheduleExpression`",
        ),
        (
            json!({}),
            "missing-key: A trigger must have `EventPattern` or `ScheduleExpression` (add `EventPattern:`, or `ScheduleExpression: rate(5 minutes)`)",
        ),
        (
            json!({"ScheduleExpression": "rate(1 day)", "ActionAfterCompletion": "DELETE"}),
            "not-built: ActionAfterCompletion: `ActionAfterCompletion` is not supported: schedules that delete themselves are not built yet (leave it out, or write `NONE`: a schedule that is over does nothing more, and its file can be removed)",
        ),
    ] {
        let problems = trigger(&schedule).expect_err("refused");
        let [problem] = problems.as_slice() else { panic!("{schedule}: {problems:?}") };
        let place = match &problem.spot {
            Spot::Within(range) => format!(" [{range:?}]"),
            _ => String::new(),
        };
        let help = problem.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        assert_eq!(format!("{}: {problem}{place}{help}", problem.code), expected);
    }
}

#[test]
fn after_a_pause_the_last_missed_firing_is_made_up_for_if_it_is_not_too_late() {
    let hourly = Schedule::parse("cron(0 * * * ? *)").expect("valid");
    let hour = Duration::from_secs(3600);
    let since = instant("2026-11-25T00:30:00Z");
    let due = |settled: Option<&str>, now: &str, patience: Duration| {
        let progress = Progress { since, settled: settled.map(instant) };
        hourly.due(progress, instant(now), Duration::ZERO, patience)
    };
    let new = due(None, "2026-11-25T00:30:00Z", hour);
    assert_eq!((new.fire, new.missed, new.settled), (None, 0, None));
    assert_eq!(new.wake, Some(instant("2026-11-25T01:00:00Z")));
    let first = due(None, "2026-11-25T01:00:00.002Z", hour);
    assert_eq!((first.fire, first.late), (Some(instant("2026-11-25T01:00:00Z")), Duration::from_millis(2)));
    assert_eq!((first.missed, first.settled), (0, first.fire));
    assert_eq!(first.wake, Some(instant("2026-11-25T02:00:00Z")));
    let pause = due(Some("2026-11-25T01:00:00Z"), "2026-11-25T05:20:00Z", hour);
    assert_eq!((pause.fire, pause.missed), (Some(instant("2026-11-25T05:00:00Z")), 3));
    assert_eq!(pause.last_missed, Some(instant("2026-11-25T04:00:00Z")));
    let late = due(Some("2026-11-25T01:00:00Z"), "2026-11-25T05:20:00Z", Duration::from_secs(600));
    assert_eq!((late.fire, late.missed), (None, 4));
    assert_eq!((late.last_missed, late.settled), (Some(instant("2026-11-25T05:00:00Z")), late.last_missed));
    assert_eq!(late.wake, Some(instant("2026-11-25T06:00:00Z")));
    // Back in time nothing fires again, and what was fired is not waited for again.
    let back = due(Some("2026-11-25T05:00:00Z"), "2026-11-25T03:30:00Z", hour);
    assert_eq!((back.fire, back.missed, back.setback), (None, 0, None));
    assert_eq!(back.wake, Some(instant("2026-11-25T06:00:00Z")));
    // A clock that was wrong by years does not keep the schedule silent for as long.
    let wrong = due(Some("2036-11-25T05:00:00Z"), "2026-11-25T03:30:00Z", hour);
    assert_eq!((wrong.fire, wrong.settled), (None, Some(instant("2026-11-25T03:30:00Z"))));
    assert!(wrong.setback.is_some());
    assert_eq!(wrong.wake, Some(instant("2026-11-25T04:00:00Z")));
    // Years of minutes are not counted one by one.
    let minutes = Schedule::parse("cron(* * * * ? *)").expect("valid");
    let progress = Progress { since, settled: Some(since) };
    let years = minutes.due(progress, instant("2036-11-25T00:30:30Z"), Duration::ZERO, hour);
    assert_eq!((years.fire, years.missed), (Some(instant("2036-11-25T00:30:00Z")), MAX_MISSED));
    let rate = Schedule::parse("rate(1 minute)").expect("valid");
    let progress = Progress { since, settled: None };
    let due = rate.due(progress, instant("2026-11-25T00:40:30Z"), Duration::ZERO, hour);
    assert_eq!((due.fire, due.missed), (Some(instant("2026-11-25T00:40:00Z")), 10));
    // With a delay everything is that much later.
    let delay = Duration::from_secs(300);
    let progress = Progress { since, settled: None };
    assert_eq!(hourly.due(progress, instant("2026-11-25T01:04:59Z"), delay, hour).fire, None);
    let shifted = hourly.due(progress, instant("2026-11-25T01:05:00Z"), delay, hour);
    assert_eq!((shifted.fire, shifted.late), (Some(instant("2026-11-25T01:00:00Z")), Duration::ZERO));
    assert_eq!(shifted.wake, Some(instant("2026-11-25T02:05:00Z")));
    // Nothing comes after the one time.
    let once = Schedule::parse("at(2026-11-25T01:00:00)").expect("valid");
    let due = once.due(progress, instant("2026-11-25T01:00:00Z"), Duration::ZERO, hour);
    assert_eq!((due.fire, due.wake), (Some(instant("2026-11-25T01:00:00Z")), None));
    let over = Progress { settled: due.settled, ..progress };
    assert_eq!(once.due(over, instant("2026-11-25T01:00:01Z"), Duration::ZERO, hour).fire, None);
}
