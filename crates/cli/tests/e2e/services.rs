//! What applying does to services, services that do not work, and hosts that vanish.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::processes::{alive, signal};
use crate::world::{World, idle, tiny};

const HEAD: &str = "workload: pair\ncomponents:\n";

fn stopped(component: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["data"]["component"] == component
}

#[test]
fn a_directory_with_problems_changes_nothing() {
    let mut world = World::up();
    world.write("mainstay.yaml", &(HEAD.to_owned() + &idle("a", 1000) + &idle("b", 1000)));
    let applied = world.apply();
    let (a, b) = (world.ready("a"), world.ready("b"));
    world.forget();
    // One good change beside two bad ones: none of them happens.
    world.write("mainstay.yaml", &(HEAD.to_owned() + &idle("a", 2000) + "  b: { hosts: 3, servce: {} }\n"));
    world.write("alarms/a.yaml", "groups: [{ name: g, rules: [{ alert: A, expr: 'rate(x' }] }]\n");
    let said = world.mainstay(&["apply", "work"]).is(1, &["nothing was changed", "servce", "alarms/a.yaml"]);
    assert_eq!(said.stdout, "");
    // The server does not take the caller's word for it.
    let files = json!({
        "directory": world.work(),
        "files": [{ "path": "mainstay.yaml", "content": std::fs::read_to_string(world.work().join("mainstay.yaml")).expect("there") }],
    });
    let (status, body) = world.request("POST", "/v1/workloads", &files.to_string());
    assert_eq!(status, 422, "{body}");
    assert!(body.contains("servce"), "{body}");
    let status = &world.json(&["status"])["status"];
    assert_eq!(status["journal_seq"], world.mark, "no event was written: {status:#}");
    assert_eq!(status["workloads"][0]["revision"], applied["revision"]);
    assert!(alive(a) && alive(b));
}

#[test]
fn a_change_touches_only_what_it_changes() {
    let mut world = World::up();
    world.write("mainstay.yaml", &(HEAD.to_owned() + &idle("a", 1000) + &idle("b", 1000)));
    let first = world.apply();
    assert_eq!(first["changed"], true);
    let (a, b) = (world.ready("a"), world.ready("b"));
    world.forget();

    let again = world.apply();
    assert_eq!((&again["changed"], &again["revision"]), (&false.into(), &first["revision"]));
    world.mainstay(&["apply", "work"]).is(0, &["was wanted already; nothing to change"]);

    world.write("mainstay.yaml", &(HEAD.to_owned() + &idle("a", 1000) + &idle("b", 2000)));
    let second = world.apply();
    assert_eq!(second["parent"], first["revision"]);
    assert_eq!(
        second["changes"],
        json!([{ "host": "here", "component": "b", "change": "replace", "fields": ["service.run"] }])
    );
    let next = world.ready("b");
    assert!(next != b && !alive(b) && alive(next) && alive(a));
    world.forget();

    world.write("mainstay.yaml", &(HEAD.to_owned() + &idle("a", 1000)));
    let third = world.apply();
    assert_eq!(third["changes"], json!([{ "host": "here", "component": "b", "change": "remove" }]));
    world.event("service.stopped", stopped("b"));
    assert!(alive(a) && !alive(next));
    assert_eq!(world.events("service.starting").len(), 3, "a was started once, b twice");
    assert_eq!(u64::from(a), world.service("a")["pid"].as_u64().expect("a process"));
    world.proves();
}

#[test]
fn services_that_do_not_work_say_why_and_hinder_no_other() {
    let mut world = World::up();
    let broken = "  missing:
    hosts: \"role=app\"
    service: { run: ./bin/absent --flag, restart: on-failure }
  doomed:
    hosts: \"role=app\"
    service: { run: \"sh -c 'echo counting to three; echo doomed >&2; exit 3'\", restart: never }
  flapping:
    hosts: \"role=app\"
    service: { run: \"sh -c 'echo again; exit 4'\", restart: on-failure }
  elsewhere:
    hosts: \"role=database\"
    service: { run: sleep 1000 }
";
    let port = crate::world::port();
    world.write("mainstay.yaml", &tiny(port, broken));
    let applied = world.json(&["apply", "work", "--keep", "--no-wait"]);
    let unplaced = applied["unplaced"].to_string();
    assert!(unplaced.contains("elsewhere") && unplaced.contains("role=database"), "{unplaced}");
    world.ready("web");

    let said = world.event("service.failed", |event| event["data"]["component"] == "missing");
    assert!(said["data"]["reason"].as_str().expect("text").contains("bin/absent` does not exist"), "{said}");
    let ended = world.event("service.exited", |event| event["data"]["component"] == "doomed");
    assert_eq!(ended["data"]["exit_code"], 3, "{ended}");
    let tail = ended["data"]["tail"].to_string();
    assert!(tail.contains("counting to three") && tail.contains("doomed"), "{tail}");
    // The third start comes after the second pause.
    for _ in 0..3 {
        let again = world.event("service.restarting", |event| event["data"]["component"] == "flapping");
        world.mark = again["seq"].as_u64().expect("a place");
    }

    let doomed = world.service("doomed");
    assert_eq!(doomed["state"], "ended", "{doomed:#}");
    assert_eq!(doomed["reason"], "exited with code 3", "{doomed:#}");
    assert_eq!(world.service("missing")["state"], "failed");
    assert!(world.service("flapping")["restarts"].as_u64() >= Some(2));
    assert_eq!(world.service("web")["state"], "ready");
    // The workload is there once its first change is over, and stays although not all of it works.
    let end = world.event("change.finished", |_| true);
    assert_eq!(end["data"]["end"], "kept_part", "{end:#}");
    let shown = world.mainstay(&["status"]).is(0, &["missing", "doomed", "flapping", "elsewhere", "1 of "]);
    assert!(shown.stdout.contains("does not exist"), "{shown}");
    world.mainstay(&["service", "logs", "doomed"]).is(0, &["counting to three"]);
    world.mainstay(&["service", "restart", "absent"]).is(4, &["absent"]);
}

#[test]
fn a_port_in_use_is_said_with_who_has_it() {
    let mut world = World::up();
    let port = crate::world::port();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("free");
    world.write("mainstay.yaml", &tiny(port, ""));
    world.json(&["apply", "work", "--keep", "--no-wait"]);
    let said = world.event("service.failed", |event| event["data"]["component"] == "web");
    let reason = said["data"]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains(&port.to_string()) && reason.contains("in use"), "{said}");
    drop(taken);
    // It is tried again by itself; a person need not wait for that.
    world.mainstay(&["service", "restart", "web"]).is(0, &["is ready"]);
    world.ready("web");
}

#[test]
fn a_host_that_does_not_answer_is_lost_and_its_run_waits() {
    let mut world = World::up();
    let web = world.apply_tiny();
    let agent = world.agent.as_ref().expect("an agent runs").pid;
    world.forget();
    signal(agent, Signal::STOP);
    let run = world.start_run();
    let lost = world.event("host.lost", |_| true);
    assert_eq!(lost["data"]["host"], "here");
    assert_eq!(world.service("web")["state"], "unknown");
    world.mainstay(&["hosts"]).is(0, &["lost"]);
    assert_eq!(world.json(&["runs", "show", &run])["finished"], false);
    assert!(alive(web));
    signal(agent, Signal::CONT);
    world.event("host.connected", |_| true);
    world.step_runs();
    world.open_gate();
    world.ran_once(&run);
    assert_eq!(world.service("web")["state"], "ready");
    assert_eq!(world.service("web")["pid"], web);
    world.proves();
}

#[test]
fn a_run_for_a_host_that_is_away_waits_for_it() {
    let mut world = World::up();
    world.apply_tiny();
    world.end_agent(Signal::KILL);
    let lost = world.event("host.lost", |_| true);
    assert!(lost["data"]["reason"].is_string(), "{lost}");
    let run = world.start_run();
    // Also over a restart of the server, after which it knows the host from its journal only.
    world.end_server(Signal::KILL);
    world.start_server();
    assert_eq!(world.json(&["runs", "show", &run])["finished"], false);
    assert_eq!(world.json(&["hosts"])["items"][0]["connected"], false);
    // It has heard nothing of the service; that it should be there is known all the same.
    assert_eq!(world.service("web")["state"], "unknown");
    world.start_agent();
    world.step_runs();
    world.open_gate();
    world.ran_once(&run);
}
