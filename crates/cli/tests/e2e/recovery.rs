//! Processes are killed or ended at the worst moment: nothing runs twice, nothing is lost, services live on.

use rustix::process::Signal;
use serde_json::json;

use crate::processes::alive;
use crate::world::{World, pid};

#[test]
fn a_server_killed_while_a_step_runs_finishes_the_run() {
    let mut world = World::up();
    let web = world.apply_tiny();
    let run = world.start_run();
    world.step_runs();
    world.end_server(Signal::KILL);
    // The step ends while nobody listens: its agent keeps the result.
    world.open_gate();
    world.start_server();
    world.ran_once(&run);
    assert!(alive(web));
    assert_eq!(world.events("service.starting").len(), 1);
    world.proves();
    assert_eq!(world.end_server(Signal::TERM), 0);
    world.proves();
}

#[test]
fn a_server_killed_again_and_again_finishes_the_run() {
    let mut world = World::up();
    let web = world.apply_tiny();
    let run = world.start_run();
    world.step_runs();
    for _ in 0..4 {
        world.end_server(Signal::KILL);
        world.start_server();
    }
    world.open_gate();
    world.end_server(Signal::KILL);
    world.start_server();
    world.ran_once(&run);
    assert!(alive(web));
    world.proves();
}

#[test]
fn an_agent_killed_while_a_step_runs_takes_everything_up_again() {
    let mut world = World::up();
    let web = world.apply_tiny();
    let run = world.start_run();
    world.step_runs();
    world.end_agent(Signal::KILL);
    world.event("host.lost", |_| true);
    assert!(alive(web));
    assert_eq!(world.service("web")["state"], "unknown");
    world.open_gate();
    world.start_agent();
    let adopted = world.event("service.adopted", |event| event["data"]["component"] == "web");
    assert_eq!(pid(&adopted), web);
    world.ran_once(&run);
    assert_eq!(world.events("service.starting").len(), 1);
    assert_eq!(world.events("service.exited").len(), 0);
    world.proves();
}

#[test]
fn server_and_agent_killed_together_lose_nothing() {
    let mut world = World::up();
    let web = world.apply_tiny();
    let run = world.start_run();
    world.step_runs();
    world.end_agent(Signal::KILL);
    world.end_server(Signal::KILL);
    world.open_gate();
    world.start_server();
    world.start_agent();
    let adopted = world.event("service.adopted", |_| true);
    assert_eq!(pid(&adopted), web);
    world.ran_once(&run);
    assert_eq!(world.events("service.starting").len(), 1);
    world.proves();
}

#[test]
fn an_agent_without_a_server_goes_on_and_tells_later() {
    let mut world = World::up();
    let web = world.apply_tiny();
    world.end_server(Signal::KILL);
    // The agent restarts what ends by itself, also while nobody can be told; the port is the same.
    let restarted = world.mainstay(&["service", "restart", "web", "--output", "json"]).is(0, &[]).json();
    let next = restarted["pid"].as_u64().expect("a process");
    assert_ne!(next, u64::from(web));
    world.end_agent(Signal::KILL);
    world.start_agent();
    world.start_server();
    world.event("service.ready", |event| event["data"]["pid"] == next);
    let adopted = world.event("service.adopted", |_| true);
    assert_eq!(u64::from(pid(&adopted)), next);
    assert_eq!(world.events("service.starting").len(), 2);
    world.proves();
}

#[test]
fn a_server_that_is_asked_to_end_ends_and_its_runs_go_on_later() {
    let mut world = World::up();
    let web = world.apply_tiny();
    let run = world.start_run();
    world.step_runs();
    assert_eq!(world.end_server(Signal::TERM), 0);
    assert!(alive(web));
    world.start_server();
    world.open_gate();
    world.ran_once(&run);
    assert_eq!(world.events("server.stopping").len(), 1);
    world.proves();
}

#[test]
fn an_agent_leaves_services_on_sigterm_and_stops_them_on_sigint() {
    let mut world = World::up();
    let web = world.apply_tiny();
    assert_eq!(world.end_agent(Signal::TERM), 0);
    assert!(alive(web));
    world.start_agent();
    let adopted = world.event("service.adopted", |_| true);
    assert_eq!(pid(&adopted), web);
    assert_eq!(world.end_agent(Signal::INT), 0);
    assert!(!alive(web));
    // What was said while nothing was connected any more comes with the next agent, which starts the service again.
    world.start_agent();
    world.event("service.stopped", |event| event["data"]["component"] == "web");
    let again = world.event("service.starting", |event| event["data"]["pid"] != web);
    world.event("service.ready", |event| event["seq"].as_u64() > again["seq"].as_u64());
}

#[test]
fn a_trigger_whose_event_was_acknowledged_starts_one_run_whatever_is_killed() {
    let mut world = World::up();
    world.write(
        "triggers/order-lost.yaml",
        "Name: order-lost
State: ENABLED
EventPattern: { source: [e2e], detail-type: [order.lost] }
Targets:
  - { Id: work, Arn: procedure/work }
",
    );
    world.apply_tiny();
    world.say("order-1", "order.lost", &json!({ "order": 1 }));
    world.end_server(Signal::KILL);
    world.start_server();
    world.step_runs();
    world.end_server(Signal::KILL);
    world.open_gate();
    world.start_server();
    let started = world.event("run.started", |_| true);
    let run = started["subject"].as_str().and_then(|subject| subject.strip_prefix("run/")).expect("a run");
    world.ran_once(run);
    assert_eq!(world.events("run.started").len(), 1);
    assert_eq!(world.events("trigger.matched").len(), 1);
    // Saying it again changes nothing.
    world.say("order-1", "order.lost", &json!({ "order": 1 }));
    assert_eq!(world.events("order.lost").len(), 1);
    world.proves();
}
