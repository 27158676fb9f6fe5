//! Hosts that vanish while they do something, output without end, and what is not there: each step has an outcome that is
//! true.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::processes::{alive, processes_of, signal};
use crate::world::World;

/// A Command document of three steps, the second of which waits for a gate, and the procedure that runs it.
fn declare(world: &World) {
    let dir = world.dir().display().to_string();
    for name in ["began", "gate"] {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, world.dir().join(name), mode).expect("a FIFO");
    }
    world.write("mainstay.yaml", "workload: tiny\n");
    world.write(
        "runbooks/three.yaml",
        &format!(
            "schemaVersion: \"2.2\"
mainSteps:
  - {{ name: one, action: \"aws:runShellScript\", inputs: {{ runCommand: [\"echo one >> {dir}/counter\", \"echo said by one\"] }} }}
  - name: two
    action: aws:runShellScript
    inputs:
      runCommand:
        - echo two >> {dir}/counter
        - echo began > {dir}/began
        - cat {dir}/gate
  - {{ name: three, action: \"aws:runShellScript\", inputs: {{ runCommand: [\"echo three >> {dir}/counter\"] }} }}
"
        ),
    );
    world.write(
        "runbooks/all.yaml",
        "schemaVersion: \"0.3\"
mainSteps:
  - name: all
    action: aws:runCommand
    inputs: { DocumentName: three, Targets: [{ Key: \"tag:role\", Values: [app] }] }
  - name: after
    action: aws:executeScript
    inputs: { Runtime: bash, Script: \"echo after\" }
",
    );
    world.apply();
}

fn counted(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.dir().join("counter")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn start(world: &World) -> String {
    world.json(&["run", "all", "--detach"])["id"].as_str().expect("an id").to_owned()
}

#[track_caller]
fn over(world: &mut World, run: &str) -> Value {
    let subject = format!("run/{run}");
    world.event("run.finished", |event| event["subject"] == subject);
    world.json(&["runs", "show", run])
}

/// The processes that perform a document on this host, but for the agent: the shim, what it runs, and what that runs.
fn below_the_agent(world: &World) -> Vec<u32> {
    let ledger = world.data().join("agent/ledger");
    processes_of(&ledger).into_iter().map(|(pid, _)| pid).collect()
}

#[test]
fn a_document_goes_on_without_its_agent_and_is_not_begun_again() {
    let mut world = World::up();
    declare(&world);
    let run = start(&world);
    world.step_runs();
    world.end_agent(Signal::KILL);
    world.event("host.lost", |_| true);
    assert_eq!(world.json(&["runs", "show", &run])["status"], "InProgress");
    // The second step ends, the third begins and ends, and nobody is there to hear of it.
    world.open_gate();
    world.start_agent();
    let done = over(&mut world, &run);
    assert_eq!(done["status"], "Success", "{done:#}");
    assert_eq!(counted(&world), ["one", "two", "three"]);
    let steps = &done["steps"][0]["outputs"]["Steps"]["here"];
    let ended: Vec<&str> =
        steps.as_array().expect("steps").iter().filter_map(|step| step["status"].as_str()).collect();
    assert_eq!(ended, ["Success"; 3], "{done:#}");

    // Both are killed, and come back in the other order.
    let run = start(&world);
    world.step_runs();
    world.end_agent(Signal::KILL);
    world.end_server(Signal::KILL);
    world.start_agent();
    world.start_server();
    world.open_gate();
    let done = over(&mut world, &run);
    assert_eq!(done["status"], "Success", "{done:#}");
    assert_eq!(counted(&world), ["one", "two", "three", "one", "two", "three"]);
    world.proves();
}

#[test]
fn a_document_whose_processes_are_killed_with_the_agent_is_unknown() {
    let mut world = World::up();
    declare(&world);
    let run = start(&world);
    world.step_runs();
    let below = below_the_agent(&world);
    assert!(below.len() >= 2, "a shim and what it runs: {below:?}");
    world.end_agent(Signal::KILL);
    for pid in below {
        signal(pid, Signal::KILL);
    }
    world.start_agent();
    let subject = format!("run/{run}");
    let waiting = world.event("run.waiting", |event| event["subject"] == subject);
    let reason = waiting["data"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("here may or may not have run"), "{reason}");
    // What is known of the steps inside is said: a person has to decide on it.
    assert!(reason.contains("step one ended as Success; step two had begun"), "{reason}");
    let shown = world.json(&["runs", "show", &run]);
    assert_eq!(
        (&shown["status"], &shown["steps"][0]["status"]),
        (&json!("Waiting"), &json!("OutcomeUnknown")),
        "{shown:#}"
    );
    assert_eq!(counted(&world), ["one", "two"], "nothing is begun again by itself");
    world.mainstay(&["runs", "decide", &run, "--as", "succeeded"]).is(0, &[]);
    let done = over(&mut world, &run);
    assert_eq!(done["status"], "Success", "{done:#}");
    assert_eq!(counted(&world), ["one", "two"]);
    world.proves();
}

#[test]
fn a_host_that_stays_away_is_waited_for_as_long_as_the_step_says() {
    let mut world = World::up();
    declare(&world);
    world.write(
        "runbooks/all.yaml",
        "schemaVersion: \"0.3\"
mainSteps:
  - name: all
    action: aws:runCommand
    timeoutSeconds: 3
    inputs: { DocumentName: three, Targets: [{ Key: \"tag:role\", Values: [app] }] }
",
    );
    world.apply();
    world.end_agent(Signal::KILL);
    world.event("host.lost", |_| true);
    let run = start(&world);
    let subject = format!("run/{run}");
    world.event("run.attempt.stopping", |event| event["subject"] == subject);
    assert_eq!(counted(&world), Vec::<String>::new());
    // Back again it is told that the command is not wanted any more, and does not begin it.
    world.start_agent();
    let done = over(&mut world, &run);
    assert_eq!(done["steps"][0]["status"], "TimedOut", "{done:#}");
    assert_eq!(counted(&world), Vec::<String>::new());
    world.proves();
}

/// Where the host keeps what is known of the commands.
fn entries(world: &World) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.data().join("agent/ledger")).expect("a ledger").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.join("spec.json").exists() || is_begun(path))
        .collect()
}

fn is_begun(path: &Path) -> bool {
    path.join("begun.json").exists()
}

#[test]
fn output_without_end_is_kept_to_its_limit_and_says_so() {
    let mut world = World::up();
    world.write("mainstay.yaml", "workload: tiny\n");
    let step = |name: &str, seconds: u32, command: &str| {
        let command = serde_json::to_string(command).expect("a text");
        format!(
            "  - name: {name}\n    action: aws:runCommand\n    timeoutSeconds: {seconds}\n    onFailure: Continue\n    inputs:\n      DocumentName: AWS-RunShellScript\n      Targets: [{{ Key: \"tag:role\", Values: [app] }}]\n      Parameters: {{ commands: [{command}] }}\n"
        )
    };
    let mut steps = String::from("schemaVersion: \"0.3\"\nmainSteps:\n");
    steps.push_str(&step("large", 60, "yes large | head -c 3000000; echo the end"));
    steps.push_str(&step("loud", 60, "yes loud | head -c 3000000 >&2; exit 3"));
    steps.push_str(&step("endless", 2, "yes endless"));
    steps.push_str(&step("binary", 60, "head -c 100000 /dev/urandom; printf '\\000\\377\\033[2J'"));
    steps.push_str(&step("absent", 60, "#!/opt/none/bin/python9\nprint(1)"));
    let plain = world.dir().join("plain");
    std::fs::write(&plain, "no program").expect("written");
    steps.push_str(&step("plain", 60, &format!("#!{}\nprint(1)", plain.display())));
    world.write("runbooks/all.yaml", &steps);
    world.apply();
    let run = start(&world);
    let done = over(&mut world, &run);
    let step = |name: &str| -> Value {
        let found = done["steps"].as_array().expect("steps").iter().find(|step| step["name"] == name);
        found.unwrap_or_else(|| panic!("no step {name} in {done:#}")).clone()
    };
    const CUT: &str = "\n[cut after 24000 characters]";
    for name in ["large", "endless", "binary"] {
        let step = step(name);
        let output = step["outputs"]["Output"].as_str().unwrap_or_default();
        assert!(output.ends_with(CUT), "{name} does not say that it is cut");
        assert_eq!(output.chars().count(), 24_000 + CUT.chars().count(), "{name}");
    }
    assert_eq!(step("large")["status"], "Success");
    assert_eq!(step("binary")["status"], "Success");
    assert_eq!(step("endless")["status"], "TimedOut");
    let loud = step("loud");
    assert_eq!(loud["message"], "here ended with code 3");
    let error = loud["outputs"]["Hosts"]["here"]["StandardError"].as_str().unwrap_or_default();
    assert!(error.ends_with("\n[cut after 8000 characters]"), "{error}");
    for (name, words) in [
        ("absent", "here could not be started: `/opt/none/bin/python9` does not exist".to_owned()),
        ("plain", format!("here could not be started: `{}` is not executable", plain.display())),
        ("endless", "here ran longer than 2s and was ended".to_owned()),
    ] {
        let message = step(name)["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.starts_with(&words), "{name}: {message}");
    }
    world.until("what a finished run left on its host is gone", |world| entries(world).is_empty());
    // The whole is small enough to read and to keep.
    let events = world.json(&["events", "--after", "0"]).to_string();
    assert!(events.len() < 2_000_000, "{} bytes of events", events.len());
    assert!(alive(world.agent.as_ref().expect("an agent").pid));
    world.proves();
}
