//! Runs of a document with no server: real processes that are killed, interrupted and continued; counter files show that
//! nothing happened twice.

#![allow(clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod common;

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::folder;
use mainstay_store::{Journal as _, LookJournal};
use rustix::process::{Pid, Signal};
use serde_json::Value;

/// Nothing here takes nearly so long; it only keeps a broken test from waiting for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Four steps of every kind that has an effect here: each leaves a line in `count`.
const FOUR: &str = r#"
schemaVersion: '0.3'
description: Counts
parameters:
  Word: { type: String, default: four }
variables:
  Seen: { type: String, default: none }
outputs: [last.Payload]
mainSteps:
  - name: shell
    action: aws:runCommand
    inputs:
      DocumentName: AWS-RunShellScript
      Targets: [{ Key: 'tag:role', Values: [app] }]
      Parameters: { commands: ['echo shell >> {{ Folder }}/count', 'echo out'] }
  - name: note
    action: aws:updateVariable
    inputs: { Name: 'variable:Seen', Value: '{{ shell.Output }}' }
  - name: again
    action: aws:runCommand
    maxAttempts: 2
    inputs:
      DocumentName: AWS-RunShellScript
      Targets: [{ Key: 'tag:role', Values: [app] }]
      Parameters: { commands: ['echo again >> {{ Folder }}/count', '[ $(grep -c again {{ Folder }}/count) = 2 ]'] }
  - name: last
    action: aws:executeScript
    inputs:
      Runtime: bash
      Script: |
        echo last >> {{ Folder }}/count
        echo '{"word": "{{ Word }}"}'
"#;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(document: &str) -> Self {
        let folder = folder(&[]);
        let text = document.replace("{{ Folder }}", &folder.path().display().to_string());
        std::fs::write(folder.path().join("doc.yaml"), text).expect("written");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // As a terminal starts it: a run leaves alone a signal that it was started to ignore, and these tests may have been.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_mainstay")])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("USER", "alice")
            .env_remove("MAINSTAY_DATA")
            .env_remove("MAINSTAY_SERVER")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        said(self.command(arguments).spawn().expect("it starts"))
    }

    fn start(&self) -> Child {
        let arguments = ["run", "doc.yaml", "--journal", "j", "--tag", "role=app"];
        self.command(&arguments).spawn().expect("it starts")
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The run's record.
    fn record(&self, id: &str) -> Value {
        let (code, stdout, stderr) = self.run(&["runs", "show", id, "--journal", "j", "-o", "json"]);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).expect("JSON")
    }

    fn the_run(&self) -> String {
        let (code, stdout, stderr) = self.run(&["runs", "--journal", "j", "-o", "json"]);
        assert_eq!(code, 0, "{stderr}");
        let page: Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "one run: {page}");
        page["items"][0]["id"].as_str().expect("an id").to_owned()
    }

    /// How many events the journal holds.
    fn events(&self) -> u64 {
        LookJournal::open(self.path("j/journal"), Vec::new()).map_or(0, |journal| journal.head().seq)
    }

    fn whole(&self) {
        let (code, stdout, stderr) = self.run(&["journal", "verify", "--data", "j"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        let (code, stdout, stderr) = self.run(&["journal", "rebuild", "--check", "--data", "j"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
}

fn said(child: Child) -> (i32, String, String) {
    let pid = Pid::from_child(&child);
    let (ended, watched) = std::sync::mpsc::channel::<()>();
    // One that never ends is ended, so that the test fails and does not wait for ever.
    let watch = std::thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output().expect("it ends");
    drop(ended);
    watch.join().expect("no panic");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is on disk or in the process table is announced by nobody"
)]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came to pass: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn signal(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).expect("it lives");
}

fn kill(mut child: Child) -> ExitStatus {
    // It may have ended by itself just now.
    let _ = child.kill();
    child.wait().expect("waited for")
}

/// A run without what differs from one execution to another.
fn timeless(value: &Value, world: &World, id: &str) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !key.ends_with("_at") && *key != "digest")
            .map(|(key, value)| (key.clone(), timeless(value, world, id)))
            .collect(),
        Value::Array(list) => list.iter().map(|value| timeless(value, world, id)).collect(),
        Value::String(text) => {
            text.replace(id, "ID").replace(&world.folder.path().display().to_string(), "FOLDER").into()
        }
        other => other.clone(),
    }
}

#[test]
fn a_document_runs_with_no_server_and_leaves_its_record() {
    let world = World::new(FOUR);
    let (code, stdout, stderr) = world.run(&["run", "doc.yaml", "--tag", "role=app", "-p", "Word=w"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains(" of doc: Success\n") && stdout.contains("last.Payload = {\"word\":\"w\"}"),
        "{stdout}"
    );
    assert!(stderr.contains("doc: step again begins"), "{stderr}");
    assert_eq!(world.lines("count"), ["shell", "again", "again", "last"]);
    let (_, stdout, _) = world.run(&["runs", "--local"]);
    let id = stdout.lines().nth(1).and_then(|line| line.split(' ').next()).expect("a run").to_owned();
    let (code, stdout, stderr) = world.run(&["runs", "show", &id[..8], "--local"]);
    assert_eq!(code, 0, "{stderr}");
    for part in [
        "variable Seen = out",
        "attempt 1: failed",
        "attempt 2: succeeded",
        "echo again",
        "parameter Word = w",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let dir = world.path("state/mainstay/runs").join(&id);
    let mode = std::os::unix::fs::PermissionsExt::mode(&dir.metadata().expect("there").permissions());
    assert_eq!(mode & 0o777, 0o700, "for its owner only");
    let (code, stdout, _) = world.run(&["journal", "verify", "--data", &dir.display().to_string()]);
    assert!(code == 0 && stdout.starts_with("The journal is whole"), "{stdout}");
}

#[test]
fn json_is_the_events_and_then_the_run() {
    let world = World::new(FOUR);
    let (code, stdout, stderr) = world.run(&["run", "doc.yaml", "--tag", "role=app", "-o", "json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (last, events) = lines.split_last().expect("lines");
    assert!(events.iter().all(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("run."))));
    assert_eq!(events.first().map(|event| &event["type"]), Some(&"run.started".into()));
    assert_eq!(last["run"]["status"], "Success");
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let world = World::new(FOUR);
    let good = std::fs::read_to_string(world.path("doc.yaml")).expect("there");
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let (have, stdout, stderr) = world.run(arguments);
        assert_eq!((have, stdout.as_str()), (code, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert!(!world.path("state").exists() && !world.path("j").exists() && !world.path("count").exists());
    };
    refused(&["run", "doc.yaml", "-p", "No=1"], 2, "No");
    refused(&["run", "./none.yaml"], 5, "none.yaml");
    refused(&["run", "doc"], 3, "`mainstay run ./doc.yaml`");
    refused(&["run", "doc", "--journal", "j"], 2, "`doc` is a name");
    refused(&["run", "doc.yaml", "--detach"], 2, "`--detach`");
    refused(&["run", "--resume"], 4, "nothing to continue");
    refused(&["run", "--resume", "r1"], 4, "There is no run r1");
    refused(&["runs", "show", "r1", "--journal", "j"], 5, "There is no journal of runs in j");
    let bad = good.replace("aws:updateVariable", "mainstay:query");
    std::fs::write(world.path("bad.yaml"), bad).expect("written");
    refused(&["run", "bad.yaml"], 1, "bad.yaml:");
}

#[test]
fn killed_after_any_journal_write_it_goes_on_and_repeats_nothing() {
    let expected = {
        let world = World::new(FOUR);
        let (code, _, stderr) = said(world.start());
        assert_eq!(code, 0, "{stderr}");
        let id = world.the_run();
        (timeless(&world.record(&id), &world, &id), world.events())
    };
    assert!(expected.1 > 15, "{} events", expected.1);
    for number in 1..expected.1 {
        let world = World::new(FOUR);
        let child = world.start();
        until("the write", || world.events() >= number);
        kill(child);
        // Between the journal's first event and the run's there is nothing to continue.
        let (code, _, stderr) = world.run(&["run", "--resume", "--journal", "j", "--tag", "role=app"]);
        if stderr.contains("nothing to continue") {
            let (_, listed, _) = world.run(&["runs", "--journal", "j"]);
            assert!(
                listed.starts_with("No run") && number < 3 || listed.contains("Success"),
                "{number}: {listed}"
            );
            continue;
        }
        assert_eq!(code, 0, "killed after write {number}: {stderr}");
        assert_eq!(world.lines("count"), ["shell", "again", "again", "last"], "killed after write {number}");
        let id = world.the_run();
        assert_eq!(timeless(&world.record(&id), &world, &id), expected.0, "killed after write {number}");
        world.whole();
    }
}

/// A step that waits until it is let go, and one that follows.
const GATE: &str = r"
schemaVersion: '0.3'
mainSteps:
  - name: wait
    action: aws:executeScript
    onCancel: step:tidy
    inputs:
      Runtime: bash
      Script: |
        echo begun >> {{ Folder }}/count
        until [ -e {{ Folder }}/go ]; do sleep 0.01; done
        echo done >> {{ Folder }}/count
    nextStep: after
  - name: tidy
    action: aws:executeScript
    isEnd: true
    inputs: { Runtime: bash, Script: 'echo tidy >> {{ Folder }}/count' }
  - name: after
    action: aws:executeScript
    isEnd: true
    inputs: { Runtime: bash, Script: 'echo after >> {{ Folder }}/count' }
";

#[test]
fn a_step_that_goes_on_without_us_is_found_again() {
    let world = World::new(GATE);
    let child = world.start();
    until("the step begins", || world.lines("count") == ["begun"]);
    kill(child);
    let mut child = world.command(&["run", "--resume", "--journal", "j"]).spawn().expect("it starts");
    std::fs::write(world.path("go"), "").expect("written");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(world.lines("count"), ["begun", "done", "after"]);
    // What the host kept of the finished run is gone.
    let ledger = std::fs::read_dir(world.path("j/agent/ledger")).expect("there");
    let kept: Vec<_> =
        ledger.flatten().map(|entry| entry.file_name()).filter(|name| name != "forgotten").collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn one_process_at_a_time_has_the_journal_and_says_so() {
    let world = World::new(GATE);
    let child = world.start();
    until("the step begins", || world.lines("count") == ["begun"]);
    let id = world.the_run();
    assert_eq!(world.record(&id)["status"], "InProgress", "it can be looked at meanwhile");
    let (code, _, stderr) = world.run(&["run", "--resume", &id, "--journal", "j"]);
    assert!(code == 4 && stderr.contains(&format!("process {}", child.id())), "{code} {stderr}");
    std::fs::write(world.path("go"), "").expect("written");
    assert_eq!(said(child).0, 0);
    assert_eq!(world.lines("count"), ["begun", "done", "after"]);
}

#[test]
fn ctrl_c_cancels_in_order() {
    let world = World::new(GATE);
    let child = world.start();
    until("the step begins", || world.lines("count") == ["begun"]);
    signal(&child, Signal::INT);
    let (code, stdout, stderr) = said(child);
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.contains("Ctrl-C again leaves the run as it is"), "{stderr}");
    assert!(stdout.contains(": Cancelled"), "{stdout}");
    assert_eq!(world.lines("count"), ["begun", "tidy"]);
}

#[test]
fn a_second_ctrl_c_leaves_the_run_to_be_continued() {
    let slow = GATE.replace(
        "echo begun",
        "trap 'until [ -e {{ Folder }}/stop ]; do sleep 0.01; done; exit 0' TERM\n        echo begun",
    );
    let world = World::new(&slow);
    let mut child = world.start();
    until("the step begins", || world.lines("count") == ["begun"]);
    let before = world.events();
    signal(&child, Signal::INT);
    until("the cancellation is in the journal", || world.events() > before);
    signal(&child, Signal::INT);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    std::fs::write(world.path("stop"), "").expect("written");
    let (code, stdout, stderr) = world.run(&["run", "--resume", "--journal", "j"]);
    assert_eq!(code, 130, "{stderr}");
    assert!(stdout.contains(": Cancelled"), "{stdout}");
    assert_eq!(world.lines("count"), ["begun", "tidy"]);
}

/// The process of the shim of the only command.
fn shim(world: &World) -> Option<i32> {
    let ledger = std::fs::read_dir(world.path("j/agent/ledger")).ok()?;
    let status =
        ledger.flatten().map(|entry| entry.path().join("status.json")).find(|path| path.is_file())?;
    let status: Value = serde_json::from_str(&std::fs::read_to_string(status).ok()?).ok()?;
    (status["state"] == "running").then(|| i32::try_from(status["shim_pid"].as_i64()?).ok())?
}

#[test]
fn when_nobody_can_know_a_person_is_asked() {
    for (decision, end, count) in [
        ("succeeded", 0, &["begun", "after"][..]),
        ("failed", 1, &["begun"]),
        ("retry", 0, &["begun", "begun", "done", "after"]),
    ] {
        let world = World::new(GATE);
        let child = world.start();
        until("the step begins", || world.lines("count") == ["begun"] && shim(&world).is_some());
        let shim = shim(&world).and_then(Pid::from_raw).expect("a process");
        rustix::process::kill_process(shim, Signal::KILL).expect("it lives");
        let (code, stdout, stderr) = said(child);
        assert_eq!(code, 6, "{stderr}");
        assert!(stdout.contains("Nobody knows whether step wait happened"), "{stdout}");
        let id = world.the_run();
        let words = format!("`mainstay runs decide {id} --as succeeded|failed|retry --local --journal j`");
        assert!(stderr.contains(&words), "{stderr}");
        assert_eq!(world.run(&["run", "--resume", "--journal", "j"]).0, 6, "nothing is decided by going on");
        std::fs::write(world.path("go"), "").expect("written");
        let (code, _, stderr) = world.run(&["runs", "decide", &id, "--as", decision, "--journal", "j"]);
        assert_eq!(code, end, "{decision}: {stderr}");
        assert_eq!(world.lines("count"), count, "{decision}");
        let (code, _, stderr) = world.run(&["runs", "decide", &id, "--as", decision, "--journal", "j"]);
        assert!(code == 4 && stderr.contains("is over"), "{code} {stderr}");
    }
}

#[test]
fn a_run_that_was_left_can_be_cancelled() {
    let world = World::new(GATE);
    let child = world.start();
    until("the step begins", || world.lines("count") == ["begun"]);
    signal(&child, Signal::TERM);
    let (code, _, stderr) = said(child);
    assert!(code == 130 && stderr.contains("`mainstay run --resume "), "{code} {stderr}");
    let id = world.the_run();
    let arguments = ["runs", "cancel", &id, "--reason", "enough", "--journal", "j"];
    let (code, stdout, stderr) = world.run(&arguments);
    assert!(code == 130 && stdout.contains("enough"), "{code} {stdout} {stderr}");
    assert_eq!(world.lines("count"), ["begun", "tidy"]);
}

#[test]
fn what_was_started_to_ignore_a_hangup_goes_on() {
    let world = World::new(GATE);
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_mainstay")).args(["run", "doc.yaml", "--journal", "j"]);
    command
        .current_dir(world.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    until("the step begins", || world.lines("count") == ["begun"]);
    signal(&child, Signal::HUP);
    std::fs::write(world.path("go"), "").expect("written");
    let (code, _, stderr) = said(child);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(world.lines("count"), ["begun", "done", "after"]);
}

#[test]
fn a_pause_is_left_and_gone_on_with() {
    let pause = "schemaVersion: '0.3'\nmainSteps:\n  - { name: p, action: 'aws:pause', inputs: {} }\n  - name: a\n    action: aws:executeScript\n    inputs: { Runtime: bash, Script: 'echo a >> {{ Folder }}/count' }\n";
    let world = World::new(pause);
    let (code, _, stderr) = said(world.start());
    assert_eq!(code, 6, "{stderr}");
    let id = world.the_run();
    assert!(stderr.contains(&format!("`mainstay runs decide {id} --as succeeded --local")), "{stderr}");
    let (code, _, stderr) = world.run(&["runs", "decide", &id, "--as", "succeeded", "--journal", "j"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(world.lines("count"), ["a"]);
}

#[test]
fn a_run_starts_other_documents_of_its_folder_and_asks_for_what_they_wait_for() {
    let parent = r"
schemaVersion: '0.3'
outputs: [call.Output]
mainSteps:
  - name: call
    action: aws:executeAutomation
    inputs: { DocumentName: child }
  - name: after
    action: aws:executeScript
    inputs: { Runtime: bash, Script: 'echo after >> {{ Folder }}/count' }
";
    let world = World::new(parent);
    let child = GATE.replace("{{ Folder }}", &world.folder.path().display().to_string());
    std::fs::write(world.path("child.yaml"), child).expect("written");
    let process = world.start();
    until("the child's step begins", || world.lines("count") == ["begun"] && shim(&world).is_some());
    let shim = shim(&world).and_then(Pid::from_raw).expect("a process");
    rustix::process::kill_process(shim, Signal::KILL).expect("it lives");
    let (code, _, stderr) = said(process);
    assert_eq!(code, 6, "{stderr}");
    let id =
        stderr.split("`mainstay runs decide ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an id");
    std::fs::write(world.path("go"), "").expect("written");
    let (code, stdout, stderr) = world.run(&["runs", "decide", id, "--as", "retry", "--journal", "j"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains(" of doc: Success"), "the parent is what is followed: {stdout}");
    assert_eq!(world.lines("count"), ["begun", "begun", "done", "after", "after"]);
}

#[test]
fn another_run_goes_on_from_a_chosen_step() {
    let document = FOUR.replace("echo '{", "[ -e {{ Folder }}/mended ] || exit 3\n        echo '{");
    let world = World::new(&document);
    let (code, _, stderr) = said(world.start());
    assert_eq!(code, 1, "{stderr}");
    let id = world.the_run();
    std::fs::write(world.path("mended"), "").expect("written");
    let from = |step: &str| world.run(&["runs", "resume", &id, "--from", step, "--journal", "j"]);
    let (code, _, stderr) = from("none");
    assert!(code == 2 && stderr.contains("none"), "{code} {stderr}");
    let (code, stdout, stderr) = from("last");
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("last.Payload = {\"word\":\"four\"}"), "{stdout}");
    assert_eq!(world.lines("count"), ["shell", "again", "again", "last", "last"]);
}

#[test]
fn documents_come_from_standard_input_too() {
    let world = World::new(FOUR);
    let file = std::fs::File::open(world.path("doc.yaml")).expect("there");
    let mut command = world.command(&["run", "-", "--tag", "role=app"]);
    let (code, stdout, stderr) = said(command.stdin(file).spawn().expect("it starts"));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains(" of stdin: Success"), "{stdout}");
}

/// A journal as an earlier version left it, in `j`.
fn earlier(world: &World) {
    let dir = world.path("j/journal");
    std::fs::create_dir_all(&dir).expect("made");
    let text = include_str!("journals/runs-1.sql");
    let journal = rusqlite::Connection::open(dir.join("journal.sqlite")).expect("made");
    journal.execute_batch(text).expect("filled");
}

#[test]
fn a_journal_of_an_earlier_version_is_brought_up_to_date() {
    const RUN: &str = "pause-20261129-214646-c7b1";
    let world = World::new(FOUR);
    earlier(&world);
    assert_eq!(world.the_run(), RUN);
    assert_eq!(world.record(RUN)["status"], "Waiting");
    world.whole();
    // Continued at once, with nobody having looked before.
    let world = World::new(FOUR);
    earlier(&world);
    let (code, stdout, stderr) = world.run(&["run", "--resume", "--journal", "j"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(stdout.contains("Step wait pauses the run until somebody resumes it"), "{stdout}");
    let (code, stdout, stderr) =
        world.run(&["runs", "decide", RUN, "--as", "succeeded", "--journal", "j", "-o", "json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(world.record(RUN)["steps"][2]["outputs"]["Payload"], "seen noted");
    world.whole();
}

#[test]
fn a_journal_of_an_earlier_version_that_is_in_use_is_left_alone() {
    let world = World::new(FOUR);
    earlier(&world);
    // Whoever has it holds the lock of the directory, with its process in it.
    let path = world.path("j/journal/lock");
    std::fs::write(&path, std::process::id().to_string()).expect("written");
    let lock = std::fs::File::open(&path).expect("there");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("free");
    let before = std::fs::read(world.path("j/journal/journal.sqlite")).expect("there");
    let (code, stdout, stderr) = world.run(&["runs", "--journal", "j"]);
    assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
    let words = format!("was written by another version of mainstay, and process {}", std::process::id());
    assert!(stderr.contains(&words) && stderr.contains("wait for that run's end"), "{stderr}");
    assert_eq!(std::fs::read(world.path("j/journal/journal.sqlite")).expect("there"), before);
}
