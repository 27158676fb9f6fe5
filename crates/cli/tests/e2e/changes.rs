//! Changes with real processes: what fails is taken back, what is kept stays, and what was read is what is carried out.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::world::{World, idle};

const HEAD: &str = "workload: pair\ncomponents:\n";

/// `b` depends on `a`, so it is in a later wave.
fn pair(a: u32, b: &str) -> String {
    format!(
        "{HEAD}{}  b:\n    hosts: \"role=app\"\n    depends_on: [a]\n    service: {{ run: {b} }}\n",
        idle("a", a)
    )
}

/// What a service's process was started with.
#[track_caller]
fn runs(world: &World, component: &str) -> String {
    let pid = world.service(component)["pid"].as_u64().expect("a process");
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
    let (program, arguments) = line.trim().split_once(' ').expect("arguments");
    format!("{} {arguments}", program.rsplit('/').next().unwrap_or_default())
}

fn wanted(world: &World) -> Value {
    world.json(&["status"])["status"]["workloads"][0]["revision"].clone()
}

fn newest(world: &World) -> Value {
    world.json(&["history"])["items"][0].clone()
}

#[test]
fn what_fails_is_rolled_back_and_what_is_kept_stays() {
    let world = World::up();
    world.write("mainstay.yaml", &pair(1000, "sleep 1000"));
    let first = world.apply();
    assert_eq!(first["change"]["state"], "applied", "{first:#}");
    assert_eq!(runs(&world, "a"), "sleep 1000");

    world.write("mainstay.yaml", &pair(2000, "./bin/absent"));
    let said = world.mainstay(&["apply", "work", "--message", "Too fast"]).is(1, &["rolled back", "here/b"]);
    assert!(said.stdout.contains("is still the wanted one"), "{}", said.stdout);
    assert_eq!(wanted(&world), first["revision"]);
    assert_eq!((runs(&world, "a"), runs(&world, "b")), ("sleep 1000".to_owned(), "sleep 1000".to_owned()));
    let change = newest(&world);
    assert_eq!((&change["state"], &change["message"]), (&json!("rolled back"), &json!("Too fast")));
    let shown = world.json(&["show", change["id"].as_str().expect("an id")]);
    let outcomes: Vec<&str> = shown["actions"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["outcome"].as_str())
        .collect();
    assert!(outcomes.iter().all(|outcome| *outcome == "rolled back"), "{shown:#}");

    world.mainstay(&["apply", "work", "--keep"]).is(1, &["not all of it works"]);
    assert_ne!(wanted(&world), first["revision"], "what is kept is what is declared");
    assert_eq!(runs(&world, "a"), "sleep 2000");
    world.proves();
}

#[test]
fn a_plan_that_no_longer_holds_is_refused() {
    let world = World::up();
    world.write("mainstay.yaml", &pair(1000, "sleep 1000"));
    let first = world.apply();
    world.write("mainstay.yaml", &pair(2000, "sleep 1000"));
    world
        .mainstay(&["plan", "work", "--out", "old.plan"])
        .is(0, &["replace here/a", "service.run", "old.plan"]);
    assert_eq!(wanted(&world), first["revision"], "a plan changes nothing");

    // The files are others than those that were read.
    world.write("mainstay.yaml", &pair(3000, "sleep 1000"));
    world.mainstay(&["apply", "old.plan"]).is(4, &["the files changed since the plan was made"]);
    // Somebody else was faster.
    world.apply();
    world.write("mainstay.yaml", &pair(2000, "sleep 1000"));
    world.mainstay(&["apply", "old.plan"]).is(4, &["the plan was made against", "mainstay history"]);
    assert_eq!(runs(&world, "a"), "sleep 3000");

    world.mainstay(&["plan", "work", "--out", "new.plan"]).is(0, &["against revision"]);
    world.mainstay(&["apply", "new.plan"]).is(0, &["is wanted now"]);
    assert_eq!(runs(&world, "a"), "sleep 2000");
    world.write("junk", "{}");
    world.mainstay(&["apply", "work/junk"]).is(5, &["is not a plan file"]);
}

#[test]
fn a_rollback_is_a_change_of_its_own() {
    let world = World::up();
    world.write("mainstay.yaml", &pair(1000, "sleep 1000"));
    let first = world.apply();
    world.mainstay(&["rollback"]).is(4, &["is the first"]);
    world.write("mainstay.yaml", &pair(1000, "sleep 2000"));
    let second = world.apply();
    let revision = |applied: &Value| applied["revision"].as_str().expect("an id").to_owned();
    world
        .mainstay(&["diff", &revision(&first), &revision(&second)])
        .is(0, &["-    service: { run: sleep 1000 }", "+    service: { run: sleep 2000 }", "replace here/b"]);

    world.mainstay(&["rollback", "--yes"]).is(0, &["is wanted now"]);
    assert_eq!(runs(&world, "b"), "sleep 1000");
    let third = newest(&world);
    assert_eq!(third["restores"], first["revision"]);
    assert_eq!(third["base"], second["revision"]);
    assert_ne!(third["revision"], first["revision"], "it is a revision of its own");
    assert_eq!(wanted(&world), third["revision"]);
    world.mainstay(&["show", &revision(&first)]).is(0, &["mainstay.yaml"]);
    world.mainstay(&["show", "absent"]).is(4, &["There is no change and no revision `absent`"]);
    world.proves();
}

#[test]
fn a_change_outlives_the_agent_and_the_server() {
    let mut world = World::up();
    world.write("mainstay.yaml", &pair(1000, "sleep 1000"));
    world.apply();
    world.end_agent(Signal::KILL);
    world.event("host.lost", |_| true);
    world.write("mainstay.yaml", &pair(2000, "sleep 2000"));
    let begun = world.json(&["apply", "work", "--no-wait"]);
    assert_eq!(begun["change"]["state"], "running", "{begun:#}");
    world.event("change.action.lost", |_| true);
    // Somebody else has to wait for its end, and is told so.
    world.write("mainstay.yaml", &pair(3000, "sleep 3000"));
    world.mainstay(&["apply", "work"]).is(4, &["is being carried out", "mainstay refuse"]);

    world.end_server(Signal::KILL);
    world.start_server();
    world.start_agent();
    let end = world.event("change.finished", |event| event["data"]["change"] == begun["change"]["id"]);
    assert_eq!(end["data"]["end"], "applied", "{end:#}");
    assert_eq!(wanted(&world), begun["revision"]);
    assert_eq!((runs(&world, "a"), runs(&world, "b")), ("sleep 2000".to_owned(), "sleep 2000".to_owned()));
    world.proves();
}

#[test]
fn a_change_that_is_stopped_goes_back() {
    let mut world = World::up();
    world.write("mainstay.yaml", &pair(1000, "sleep 1000"));
    let first = world.apply();
    // Its health check never answers, and has a minute to.
    let slow = "{ run: sleep 2000, port: 9, health: { tcp: 9, every: 1s, grace: 60s } }";
    let text = format!("{HEAD}{}  b:\n    hosts: \"role=app\"\n    service: {slow}\n", idle("a", 1000));
    world.write("mainstay.yaml", &text);
    let begun = world.json(&["apply", "work", "--no-wait"]);
    let id = begun["change"]["id"].as_str().expect("an id").to_owned();
    world.event("service.starting", |event| event["data"]["component"] == "b");
    world.mainstay(&["refuse", &id, "--message", "Not now"]).is(0, &["cancelled", "Not now"]);
    assert_eq!(wanted(&world), first["revision"]);
    assert_eq!(runs(&world, "b"), "sleep 1000");
    world.mainstay(&["refuse", &id]).is(4, &["it is over"]);
    world.mainstay(&["approve", &id]).is(4, &["it is over"]);
    world.proves();
}

#[test]
fn a_change_beyond_its_limits_waits_for_an_approval() {
    let mut world = World::up();
    let text = |a, b: u32| {
        pair(a, &format!("sleep {b}"))
            .replace("components:", "changes: { approval: { resources: 1 } }\ncomponents:")
    };
    world.write("mainstay.yaml", &text(1000, 1000));
    world.mainstay(&["apply", "work"]).is(1, &["waits for an approval", "mainstay approve"]);
    let first = newest(&world)["id"].as_str().expect("an id").to_owned();
    world.mainstay(&["status"]).is(0, &[&first, "held"]);
    world.mainstay(&["approve", &first]).is(4, &["who should not be the one to approve it", "--self"]);
    world
        .mainstay(&["approve", &first, "--self", "--message", "Alone tonight"])
        .is(0, &["applied", "Alone tonight"]);
    let shown = world.json(&["show", &first]);
    assert_eq!(
        (&shown["decision"]["own"], &shown["decision"]["decision"]),
        (&json!(true), &json!("approved"))
    );

    // One resource is within the limit; a change may not raise the limit it is measured by.
    world.write("mainstay.yaml", &text(1000, 2000));
    world.mainstay(&["apply", "work"]).is(0, &["is wanted now"]);
    world.forget();
    world.write("mainstay.yaml", &text(3000, 3000).replace("resources: 1", "resources: 50"));
    world.mainstay(&["apply", "work"]).is(1, &["waits for an approval"]);
    let second = newest(&world)["id"].as_str().expect("an id").to_owned();
    world.mainstay(&["refuse", &second, "--message", "Too much"]).is(0, &["refused", "Too much"]);
    assert_eq!(runs(&world, "a"), "sleep 1000");
    assert!(world.events("change.wave.started").iter().all(|event| event["data"]["change"] != second));
}
