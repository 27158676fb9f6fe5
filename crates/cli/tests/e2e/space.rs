//! A disk that is full.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::processes::{alive, end_all_of, run};
use crate::world::{World, exchange, header, request};

/// A small disk in memory, mounted for the time of a test.
pub struct Disk(PathBuf);

impl Disk {
    /// None where mounting is not allowed.
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("made");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "mainstay-e2e"]).arg(at);
        let mounted = command.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(at.to_owned()))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).expect("made");
        let block = vec![0x55; 1 << 20];
        while file.write_all(&block).is_ok() {}
        for size in [4096, 1] {
            while file.write_all(&block[..size]).is_ok() {}
        }
    }

    pub fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("it was filled");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        end_all_of(&self.0);
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_recovers() {
    let mut world = World::new();
    let data = world.data();
    let Some(disk) = Disk::mount(&data, "360m") else {
        println!("skipped: a disk of its own cannot be mounted here");
        return;
    };
    world.start_server();
    world.start_agent();
    let web = world.apply_tiny();
    let run_id = world.start_run();
    world.step_runs();
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{ "body": { "stringValue": "x" } }] }] }] });
    assert_eq!(request(world.otlp, "POST", "/v1/logs", &[], &logs.to_string()).0, 200);

    disk.fill();
    world.write(
        "runbooks/other.yaml",
        &std::fs::read_to_string(world.work().join("runbooks/work.yaml")).expect("there"),
    );
    world.mainstay(&["apply", "work"]).is(4, &["no space for the journal", "free some space"]);
    world.mainstay(&["run", "work", "--detach"]).is(4, &["no space for the journal", "free some space"]);
    let (status, answer) = request(world.otlp, "POST", "/v1/logs", &[], &logs.to_string());
    assert_eq!(status, 503, "{answer}");
    // Events are refused with a time, so that their sender keeps them.
    let event = json!({ "specversion": "1.0", "id": "e", "source": "ci", "type": "built" }).to_string();
    let bearer = format!("Authorization: Bearer {}", world.token());
    let (head, answer) = exchange(world.http, "POST", "/v1/events", &[&bearer], &event);
    assert!(head.starts_with("HTTP/1.1 503"), "{head}{answer}");
    assert_eq!(header(&head, "retry-after"), Some("1"), "{head}");
    // What is known can be read all the while, and what runs goes on.
    assert_eq!(world.json(&["runs", "show", &run_id])["finished"], false);
    world.mainstay(&["status"]).is(0, &[]);
    world.mainstay(&["journal", "verify"]).is(0, &["The journal is whole"]);
    assert!(alive(web));
    // A start without space says so, and loses nothing.
    world.end_server(Signal::KILL);
    let refused = run(world.server_command()).is(5, &["no space", "free"]);
    assert!(refused.stderr.contains("error: "), "{refused}");

    disk.free();
    world.start_server();
    world.open_gate();
    world.ran_once(&run_id);
    assert_eq!(world.apply()["changed"], true);
    assert_eq!(request(world.otlp, "POST", "/v1/logs", &[], &logs.to_string()).0, 200);
    assert!(alive(web));
    assert_eq!(world.events("service.starting").len(), 1);
    world.proves();
}

#[test]
fn a_step_that_ends_while_the_disk_is_full_is_told_when_it_is_not() {
    let mut world = World::new();
    let data = world.data();
    let Some(disk) = Disk::mount(&data, "360m") else {
        println!("skipped: a disk of its own cannot be mounted here");
        return;
    };
    world.start_server();
    world.start_agent();
    world.apply_tiny();
    let run_id = world.start_run();
    world.step_runs();
    disk.fill();
    world.open_gate();
    // The journal is full before the disk is, so the run cannot go on; nobody restarts anything.
    world.mainstay(&["run", "work", "--detach"]).is(4, &["no space for the journal"]);
    disk.free();
    let subject = format!("run/{run_id}");
    world.event("run.finished", |event| event["subject"] == subject);
    let counted = std::fs::read_to_string(world.dir().join("counter")).expect("it ran");
    let detail = world.json(&["runs", "show", &run_id]);
    // The agent's ledger is on the full disk too: either it could note how the step ended, or it cannot be known.
    assert!(counted == "first\nsecond\n" && detail["status"] == "Success", "{counted:?} {detail:#}");
    world.proves();
}

#[test]
fn a_ledger_that_is_full_takes_no_command_and_loses_none() {
    let mut world = World::new();
    let Some(disk) = Disk::mount(&world.data().join("agent"), "4m") else {
        println!("skipped: a disk of its own cannot be mounted here");
        return;
    };
    world.start_server();
    world.start_agent();
    world.event("host.connected", |_| true);
    world.write_tiny();
    world.write("mainstay.yaml", "workload: tiny\n");
    let work = std::fs::read_to_string(world.work().join("runbooks/work.yaml")).expect("there");
    // What it says after the gate comes when the disk is full.
    world.write("runbooks/work.yaml", &work.replace("/gate\n", "/gate\n          - seq 1 500\n"));
    world.write(
        "runbooks/other.yaml",
        "schemaVersion: \"0.3\"\nmainSteps: [{ name: one, action: \"aws:executeScript\", inputs: { Runtime: bash, Script: \"echo other\" } }]\n",
    );
    world.apply();
    let under_way = world.start_run();
    world.step_runs();
    disk.fill();
    // What cannot be written down is not begun, and says so.
    let refused = world.json(&["run", "other", "--detach"])["id"].as_str().expect("an id").to_owned();
    let subject = format!("run/{refused}");
    world.event("run.finished", |event| event["subject"] == subject);
    let detail = world.json(&["runs", "show", &refused]);
    let message = detail["steps"][0]["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("The script could not be started: it cannot be recorded in `")
            && message.contains("what is not recorded is not run")
            && message.contains("No space left on device"),
        "{message}"
    );
    // What runs ends; its end is written down, and told, when there is room.
    world.open_gate();
    world.forget();
    disk.free();
    world.ran_once(&under_way);
    let detail = world.json(&["runs", "show", &under_way]);
    let output = detail["steps"][0]["outputs"]["Output"].as_str().unwrap_or_default();
    let numbers: Vec<String> = (1..=500).map(|number| number.to_string()).collect();
    assert_eq!(output.trim_end(), format!("go\n{}", numbers.join("\n")));
    let again = world.json(&["run", "other", "--detach"])["id"].as_str().expect("an id").to_owned();
    let subject = format!("run/{again}");
    let ended = world.event("run.finished", |event| event["subject"] == subject);
    assert_eq!(ended["data"]["status"], "Success");
    world.proves();
}
