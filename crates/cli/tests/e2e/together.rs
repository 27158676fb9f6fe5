//! `mainstay up`: server and agent kept by one command.

use rustix::process::Signal;

use crate::processes::{Process, alive, processes_of, signal};
use crate::world::{World, port};

fn up(world: &World, http: u16) -> Process {
    let port = http.to_string();
    let arguments = ["up", "work", "--port", &port, "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "off"];
    Process::start("up", world.command(&arguments))
}

#[test]
fn up_ends_everything_that_it_started() {
    let world = World::new();
    world.write_tiny();
    for end in [Signal::TERM, Signal::INT] {
        let mut together = up(&world, 0);
        together.line("all ready");
        let web =
            world.service("web")["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process");
        assert!(alive(web));
        assert_eq!(together.end(end), 0, "{}", together.log());
        let left = processes_of(world.dir());
        assert!(left.is_empty(), "{left:?}");
        world.mainstay(&["status"]).is(3, &["No Mainstay server runs on"]);
        world.proves();
    }
}

#[test]
fn up_keeps_server_and_agent_and_services_do_not_notice() {
    let world = World::new();
    world.write_tiny();
    let mut together = up(&world, port());
    together.line("all ready");
    let web =
        world.service("web")["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process");
    let server = world.json(&["status"])["status"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let server = server.expect("a process");
    signal(server, Signal::KILL);
    together.line("the server ended unexpectedly");
    together.line("connected");
    let next = world.json(&["status"])["status"]["pid"].as_u64().expect("a process");
    assert_ne!(next, u64::from(server));
    assert!(alive(web));

    let agent = processes_of(world.dir()).into_iter().find(|(_, arguments)| arguments.contains(" agent "));
    signal(agent.expect("an agent runs").0, Signal::KILL);
    together.line("the agent ended unexpectedly");
    let adopted = together.line("still runs and is supervised again");
    assert!(adopted.contains(&format!("(process {web})")), "{adopted}");
    assert_eq!(together.end(Signal::TERM), 0, "{}", together.log());
    let left = processes_of(world.dir());
    assert!(left.is_empty(), "{left:?}");
    world.proves();
}

#[test]
fn what_up_started_does_not_outlive_it_but_for_services() {
    let world = World::new();
    world.write_tiny();
    let mut together = up(&world, 0);
    together.line("all ready");
    let web = world.service("web")["pid"].as_u64().expect("a process");
    together.end(Signal::KILL);
    // Nobody is told when they end; the next `up` gets their places only once they have.
    let mut again = up(&world, 0);
    again.line("all ready");
    assert_eq!(world.service("web")["pid"].as_u64(), Some(web));
    assert_eq!(again.end(Signal::INT), 0, "{}", again.log());
    assert!(processes_of(world.dir()).is_empty());
}
