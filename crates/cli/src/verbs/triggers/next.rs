//! `mainstay triggers next`: when the schedule of a trigger's file fires, with no server.

use std::path::Path;

use mainstay_declare::{FileContent, Kind};
use mainstay_detect::{Schedule, Trigger};
use mainstay_model::Timestamp;
use serde_json::{Value, json};

use crate::diagnostics;
use crate::directory;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, clean, say};
use crate::time::{length, stamp};

/// Lists the next firings after a time.
pub fn run(screen: Screen, path: &Path, from: Timestamp, most: usize) -> Result<(), Failure> {
    let trigger = read(screen, path)?;
    let shown = path.display();
    let Some(schedule) = &trigger.schedule else {
        return Err(Failure::new(
            Exit::No,
            format!("The trigger `{}` of {shown} has no schedule", trigger.name),
        ));
    };
    let found: Vec<Timestamp> = schedule.upcoming(from, from).take(most).collect();
    let delay = schedule.delay(&trigger.name);
    if screen.is_json() {
        let firing = |at: &Timestamp| json!({ "scheduled": at, "local": schedule.local(*at), "carried_out": at.plus(delay) });
        let firings: Vec<Value> = found.iter().map(firing).collect();
        screen.json(&json!({
            "trigger": trigger.name,
            "schedule": schedule.text(),
            "zone": schedule.zone(),
            "enabled": trigger.enabled,
            "firings": firings,
        }))?;
    } else {
        let line = |at: &Timestamp| {
            format!("{}  {}  in {}\n", schedule.local(*at), stamp(*at), length(at.since(from)))
        };
        screen.print(&found.iter().map(line).collect::<String>())?;
        notes(&trigger, schedule, &found);
    }
    if found.is_empty() {
        return Err(Failure::new(
            Exit::No,
            format!("The schedule of {shown} does not fire after {}", stamp(from)),
        ));
    }
    Ok(())
}

/// What there is to know besides.
fn notes(trigger: &Trigger, schedule: &Schedule, found: &[Timestamp]) {
    if !trigger.enabled {
        say("note: the trigger is off, so none of these happen");
    }
    let delay = schedule.delay(&trigger.name);
    if !delay.is_zero() && !found.is_empty() {
        let (delay, window) = (length(delay), length(schedule.window()));
        say(&format!("note: each is carried out {delay} later; its time window is {window}"));
    }
    if schedule.counts_from_when_it_came_in_force() && !found.is_empty() {
        say("note: a rate without `StartDate` counts from when it is applied; here from the time asked for");
    }
}

fn read(screen: Screen, path: &Path) -> Result<Trigger, Failure> {
    let file = directory::read_single(path)?;
    let outcome =
        mainstay_declare::check_file(&file, Some(Kind::Trigger), &mainstay_server::languages::Spoken);
    if let Some(FileContent::Trigger(trigger)) = &outcome.content
        && let Ok(trigger) = Trigger::parse(&trigger.value)
    {
        return Ok(trigger);
    }
    if screen.is_json() {
        screen.json(&json!({ "diagnostics": diagnostics::to_json(&outcome.diagnostics) }))?;
    } else {
        say(diagnostics::render(&outcome.diagnostics, &outcome.sources, false).trim_end());
    }
    Err(Failure::new(Exit::Usage, format!("{} is not a trigger", clean(&path.display().to_string()))))
}
