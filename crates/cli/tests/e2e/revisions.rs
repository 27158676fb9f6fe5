//! Procedures that apply revisions and roll back, with real services: one change for each step, whatever is killed.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::world::{World, idle};

const BACK: &str =
    "schemaVersion: \"0.3\"\nmainSteps: [{ name: back, action: \"mainstay:rollback\", inputs: {} }]\n";

const TO: &str = "schemaVersion: \"0.3\"
parameters: { Revision: { type: String } }
mainSteps:
  - { name: to, action: \"mainstay:applyRevision\", inputs: { Revision: \"{{ Revision }}\" } }
  - name: told
    action: aws:executeScript
    inputs: { Runtime: bash, Script: \"echo {{ to.Change }} {{ to.Revision }}\" }
";

/// Applies the workload with its service as it is told: the revision.
#[track_caller]
fn declare(world: &World, text: &str) -> String {
    world.write("mainstay.yaml", &format!("workload: one\n{text}"));
    world.write("runbooks/back.yaml", BACK);
    world.write("runbooks/to.yaml", TO);
    // What waits for an approval is answered with another exit code.
    let applied = world.mainstay(&["apply", "work", "--no-wait", "--output", "json"]).json();
    applied["revision"].as_str().expect("an id").to_owned()
}

fn sleeps(seconds: u32) -> String {
    format!("components:\n{}", idle("a", seconds))
}

#[track_caller]
fn start(world: &World, arguments: &[&str]) -> String {
    let mut all = vec!["run"];
    all.extend(arguments);
    all.push("--detach");
    world.json(&all)["id"].as_str().expect("an id").to_owned()
}

/// Waits for the end of a run: its record.
#[track_caller]
fn over(world: &mut World, run: &str) -> Value {
    let subject = format!("run/{run}");
    world.event("run.finished", |event| event["subject"] == subject);
    world.json(&["runs", "show", run])
}

#[track_caller]
fn run(world: &mut World, arguments: &[&str]) -> Value {
    let id = start(world, arguments);
    over(world, &id)
}

/// Waits until a service's process was started with this.
#[track_caller]
fn slept(world: &World, seconds: u32) {
    world.until(&format!("it sleeps {seconds}"), |world| {
        // A server that has just come back has not heard of it yet.
        let pid = world.service("a")["pid"].as_u64().unwrap_or_default();
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ").trim().ends_with(&format!("sleep {seconds}"))
    });
}

fn newest(world: &World) -> Value {
    world.json(&["history"])["items"][0].clone()
}

#[test]
fn a_procedure_applies_revisions_and_rolls_back() {
    let mut world = World::up();
    let first = declare(&world, &sleeps(1000));
    world.event("change.finished", |_| true);
    world.forget();
    let second = declare(&world, &sleeps(2000));
    world.event("change.finished", |_| true);
    slept(&world, 2000);

    let done = run(&mut world, &["to", "--param", &format!("Revision={first}")]);
    assert_eq!(done["status"], "Success", "{done:#}");
    slept(&world, 1000);
    let change = newest(&world);
    assert_eq!((&change["restores"], &change["base"]), (&json!(first), &json!(second)), "{change:#}");
    let told =
        format!("{} {}", change["id"].as_str().unwrap_or(""), change["revision"].as_str().unwrap_or(""));
    assert_eq!(done["steps"][1]["outputs"]["Payload"], json!(told), "{done:#}");
    assert!(
        change["by"].as_str().is_some_and(|by| by.contains(done["id"].as_str().expect("an id"))),
        "{change:#}"
    );

    // The one before the current one is the second.
    let done = run(&mut world, &["back"]);
    assert_eq!(done["status"], "Success", "{done:#}");
    slept(&world, 2000);
    assert_eq!(newest(&world)["restores"], json!(second));
    // What is wanted already is no change.
    let done = run(&mut world, &["to", "--param", &format!("Revision={second}")]);
    assert_eq!(done["steps"][0]["status"], "Success", "{done:#}");
    assert!(done["steps"][0]["outputs"].get("Change").is_none(), "{done:#}");
    let done = run(&mut world, &["to", "--param", "Revision=none-such"]);
    assert_eq!(done["steps"][0]["message"], "There is no revision none-such", "{done:#}");
    world.proves();
}

#[test]
fn a_revision_that_does_not_work_fails_its_step_and_is_taken_back() {
    let mut world = World::up();
    declare(&world, &sleeps(1000));
    world.event("change.finished", |_| true);
    world.forget();
    let broken =
        declare(&world, "components:\n  a:\n    hosts: \"role=app\"\n    service: { run: ./bin/absent }\n");
    world.event("change.finished", |event| event["data"]["end"] == "rolled_back");
    let done = run(&mut world, &["to", "--param", &format!("Revision={broken}")]);
    assert_eq!(done["status"], "Failed", "{done:#}");
    let message = done["steps"][0]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("Change ") && message.contains(" ended rolled back"), "{message}");
    assert!(message.contains("absent"), "it says why: {message}");
    slept(&world, 1000);
    world.proves();
}

#[test]
fn a_change_of_a_step_waits_for_its_approval_and_is_one_across_kills() {
    let mut world = World::up();
    let held = |seconds: u32| format!("changes: {{ approval: {{ resources: 0 }} }}\n{}", sleeps(seconds));
    let approve = |world: &mut World| {
        let event = world.event("change.held", |_| true);
        let id = event["data"]["change"].as_str().expect("an id").to_owned();
        world.mainstay(&["approve", &id, "--self"]).is(0, &["applied"]);
        world.forget();
        id
    };
    let first = declare(&world, &held(1000));
    approve(&mut world);
    declare(&world, &held(2000));
    approve(&mut world);
    let id = start(&world, &["to", "--param", &format!("Revision={first}")]);
    let held = world.event("change.held", |_| true);
    // The step waits; the server that comes back finds the change that was begun, and begins no other.
    for _ in 0..2 {
        world.end_server(Signal::KILL);
        world.start_server();
    }
    assert_eq!(world.json(&["runs", "show", &id])["steps"][0]["status"], "InProgress");
    slept(&world, 2000);
    let change = approve(&mut world);
    assert_eq!(held["data"]["change"], json!(change));
    let done = over(&mut world, &id);
    assert_eq!(done["status"], "Success", "{done:#}");
    assert_eq!(done["steps"][0]["outputs"]["Change"], json!(change));
    slept(&world, 1000);
    assert_eq!(world.events("change.started").len(), 3);

    // A rollback begun before a kill is not rolled back once more after it.
    let id = start(&world, &["back"]);
    let held = world.event("change.held", |_| true);
    world.end_server(Signal::KILL);
    world.start_server();
    let change = held["data"]["change"].as_str().expect("an id").to_owned();
    world.mainstay(&["refuse", &change, "--message", "Not tonight"]).is(0, &["refused", "Not tonight"]);
    let done = over(&mut world, &id);
    assert_eq!(done["status"], "Failed", "{done:#}");
    let message = done["steps"][0]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with(&format!("Change {change} ended refused")), "{message}");
    assert_eq!(world.events("change.started").len(), 4);
    slept(&world, 1000);
    world.proves();
}
