//! Schedules: every line of `schedules/table.txt` holds. The times in it were worked out apart from this code.

#![allow(clippy::panic, reason = "a line that fails is told by a panic")]

use mainstay_detect::{Schedule, Trigger};
use mainstay_model::Timestamp;
use serde_json::{Value, json};

/// What the lines are about.
struct World<'t> {
    zone: &'t str,
    after: Timestamp,
    since: Timestamp,
    start: Option<&'t str>,
    end: Option<&'t str>,
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn times(world: &World<'_>, expression: &str, count: usize) -> Result<String, String> {
    let mut value = json!({
        "Name": "t", "Targets": [{"Id": "t", "Arn": "procedure/p"}],
        "ScheduleExpression": expression, "ScheduleExpressionTimezone": world.zone,
    });
    for (key, date) in [("StartDate", world.start), ("EndDate", world.end)] {
        if let Some(date) = date {
            value[key] = Value::from(date);
        }
    }
    let refused = |problems: Vec<mainstay_model::Problem>| problems[0].to_string();
    let schedule = Trigger::parse(&value).map_err(refused)?.schedule.ok_or("it has no schedule")?;
    let found: Vec<Timestamp> = schedule.upcoming(world.after, world.since).take(count + 1).collect();
    // Looking back from each time finds it, and from just before it the one before.
    for pair in found.windows(2) {
        let before = pair[1].minus(std::time::Duration::from_millis(1));
        if schedule.last_until(before, world.since) != Some(pair[0]) {
            return Err(format!("looking back from {} does not find {}", pair[1], pair[0]));
        }
    }
    let shown: Vec<String> = found.iter().take(count.max(1)).map(|at| schedule.local(*at)).collect();
    Ok(shown.join(" "))
}

fn refused(expression: &str, under: &str, in_rules_only: bool) -> Result<(), String> {
    let Err(error) = Schedule::parse(expression) else { return Err("a rule takes it".to_owned()) };
    let found = &expression[error.span.clone()];
    if found != under {
        return Err(format!("underlined is `{found}`: {error}"));
    }
    match (Schedule::parse_in(expression, "UTC"), in_rules_only) {
        (Ok(_), false) => Err("the Scheduler takes it".to_owned()),
        (Err(error), true) => Err(format!("the Scheduler refuses it: {error}")),
        _ => Ok(()),
    }
}

#[test]
fn every_line_of_the_table_holds() {
    let zero = Timestamp::from_millis(0);
    let mut world = World { zone: "UTC", after: zero, since: zero, start: None, end: None };
    let (mut pairs, mut failed) = (0, Vec::new());
    for line in include_str!("schedules/table.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((zone, after)) = line.strip_prefix("in ").and_then(|rest| rest.split_once(" after ")) {
            (world.zone, world.after) = (zone, instant(after));
            continue;
        }
        if let ["since", since, "starts", start, "ends", end] = line.split(' ').collect::<Vec<_>>().as_slice()
        {
            let date = |date: &'static str| (date != "-").then_some(date);
            world.since = instant(since);
            (world.start, world.end) = (date(start), date(end));
            continue;
        }
        pairs += 1;
        let (said, expected) =
            line.split_once(" => ").or_else(|| Some((line.strip_suffix(" =>")?, ""))).expect("a pair");
        let result = match said.split_once(' ') {
            Some(("refused", expression)) => refused(expression, expected, false),
            Some(("rule", expression)) => refused(expression, expected, true),
            _ => match times(&world, said, expected.split_whitespace().count()) {
                Ok(found) if found == expected => Ok(()),
                Ok(found) => Err(format!("found {found}")),
                Err(why) => Err(why),
            },
        };
        if let Err(why) = result {
            failed.push(format!("{line}\n    {why}"));
        }
    }
    assert!(failed.is_empty(), "{} lines fail:\n{}", failed.len(), failed.join("\n"));
    assert!(pairs >= 60, "{pairs} pairs");
}
