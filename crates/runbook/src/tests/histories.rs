//! Journals of runs, kept as they were written: every later version reads them and comes to the same end.
//!
//! Each file of `histories/` holds the journal records of one run, one JSON object a line, and last the run's status
//! with those of its steps. A file, once here, is never changed: `NEW_HISTORIES=1` writes only those that are missing.

use std::fmt::Write as _;
use std::path::PathBuf;

use mainstay_model::{EventDraft, HostId};
use serde_json::{Map, Value, json};

use super::common;
use crate::testing::{Disturbance, Driven, begin, drive, fold};
use crate::{
    Body, Decision, Document, Effect, Head, HostEnd, HostResult, Input, Library, Outcome, ReadError, Run,
    RunEvent, aggregate, step,
};

const AUTOMATION: &str = r"
schemaVersion: '0.3'
parameters: {Names: {type: StringList, default: [a, b]}}
variables: {last: {type: String, default: none}}
outputs: [look.N]
mainSteps:
- {name: inspect, action: 'aws:runCommand', maxAttempts: 2, inputs: {DocumentName: AWS-RunShellScript, InstanceIds: [app-1, app-2], Parameters: {commands: [uptime]}}}
- name: each
  action: aws:loop
  inputs:
    Iterators: '{{ Names }}'
    Steps:
    - {name: nap, action: 'aws:sleep', inputs: {Duration: PT1S}}
    - {name: note, action: 'aws:updateVariable', inputs: {Name: 'variable:last', Value: '{{ each.CurrentIteratorValue }}'}}
- {name: hold, action: 'aws:pause', inputs: {}}
- name: look
  action: aws:executeScript
  onFailure: Continue
  onCancel: step:tidy
  inputs: {Runtime: python3.11, Handler: f, Script: 'def f(e, c): return e', InputPayload: {n: '{{ variable:last }}'}}
  outputs: [{Name: N, Selector: $.Payload.n}]
- name: judge
  action: aws:branch
  inputs: {Default: tidy, Choices: [{NextStep: tidy, Variable: '{{ variable:last }}', StringEquals: b}]}
- {name: tidy, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}}
";

const COMMAND: &str = r"
schemaVersion: '2.2'
parameters: {Token: {type: String, default: x, interpolationType: ENV_VAR}}
mainSteps:
- {name: one, action: 'aws:runShellScript', inputs: {runCommand: [uptime], onFailure: exit}}
- {name: win, action: 'aws:runPowerShellScript', precondition: {StringEquals: [platformType, Windows]}, inputs: {runCommand: [x]}}
- {name: two, action: 'aws:runShellScript', inputs: {runCommand: [uptime]}}
- {name: last, action: 'aws:runShellScript', inputs: {runCommand: [uptime], finallyStep: true}}
";

const FAMILY: &str = r"
schemaVersion: '0.3'
outputs: [call.look.Payload]
mainSteps:
- name: each
  action: aws:loop
  inputs:
    Iterators: [a, b]
    Steps:
    - {name: call, action: 'aws:executeAutomation', maxAttempts: 2, inputs: {DocumentName: child, RuntimeParameters: {Name: '{{ each.CurrentIteratorValue }}'}}}
- {name: tidy, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'echo {{ call.Output }}'}}
";

const CHILD: &str = r"
schemaVersion: '0.3'
parameters: {Name: {type: String}}
outputs: [look.Payload]
mainSteps:
- {name: hold, action: 'aws:pause', inputs: {}}
- {name: look, action: 'aws:executeScript', inputs: {Runtime: bash, Script: '{{ Name }}'}}
";

fn family(disturbance: Disturbance) -> Disturbance {
    let child = Document::parse(&common::value(CHILD)).expect("a document that is right");
    Disturbance { procedures: [("child".to_owned(), child)].into(), ..disturbance }
}

/// A run that stood in line, got its turn, and was done.
fn stood_in_line() -> Driven {
    let document = Document::parse(&common::value(COMMAND)).expect("a document that is right");
    let mut start = begin("r", Map::new());
    let running = vec![mainstay_model::RunId::new("q").expect("an id")];
    start.origin.queued = Some(crate::Queued { limit: 1, running, ahead: 0 });
    let disturbance = Disturbance { release_after: Some(1), ..Disturbance::default() };
    drive(&document, start, &[], &mut |effect| Some(perform(effect)), &disturbance)
}

/// A run that went on with one that failed inside a loop.
fn went_on() -> Driven {
    let document = Document::parse(&common::value(AUTOMATION)).expect("a document that is right");
    let hosts = ["app-1", "app-2"].map(|name| HostId::new(name).expect("an id"));
    let broken = Some(("procedure".to_owned(), "look".to_owned()));
    let decision = Some(Decision::Succeeded { outputs: Map::new() });
    let disturbance = Disturbance { broken, decision, cancel_after: Some(12), ..Disturbance::default() };
    let failed =
        drive(&document, begin("r", Map::new()), &hosts, &mut |effect| Some(perform(effect)), &disturbance);
    let id = mainstay_model::RunId::new("r2").expect("an id");
    let at = mainstay_model::Timestamp::from_millis(60_000);
    let by = mainstay_model::Actor::Person("tester".to_owned());
    let start = crate::resume::start(&document, &failed.run, "note", id, by, at).expect("it can go on");
    let disturbance = Disturbance { cancel_after: None, broken: None, ..disturbance };
    drive(&document, start, &hosts, &mut |effect| Some(perform(effect)), &disturbance)
}

fn perform(effect: &Effect) -> Outcome {
    match &effect.dispatched {
        Some(commands) => {
            let results: Vec<HostResult> = commands
                .iter()
                .map(|command| HostResult {
                    host: command.host.clone(),
                    ended: HostEnd::Exited(0),
                    stdout: "up\n".to_owned(),
                    stderr: String::new(),
                })
                .collect();
            aggregate(&effect.attempt, &results)
        }
        None => Outcome::Succeeded { outputs: Map::from_iter([("Payload".to_owned(), json!({"n": "b"}))]) },
    }
}

/// A run for each thing that can happen to one.
fn runs() -> Vec<(&'static str, Driven)> {
    let hosts = ["app-1", "app-2"].map(|name| HostId::new(name).expect("an id"));
    let go = |text: &str, broken: Option<(&'static str, Outcome)>, disturbance: Disturbance| {
        let document = Document::parse(&common::value(text)).expect("a document that is right");
        let mut performer = |effect: &Effect| {
            Some(match &broken {
                Some((attempt, outcome)) if effect.attempt.as_str() == *attempt => outcome.clone(),
                _ => perform(effect),
            })
        };
        drive(&document, begin("r", Map::new()), &hosts, &mut performer, &disturbance)
    };
    let yes = || Disturbance {
        decision: Some(Decision::Succeeded { outputs: Map::new() }),
        ..Disturbance::default()
    };
    let timed_out = Outcome::TimedOut { message: "Slow".to_owned(), outputs: Map::new() };
    let unknown = Outcome::Unknown { reason: "The host restarted".to_owned() };
    vec![
        ("success", go(AUTOMATION, None, yes())),
        ("second-attempt", go(AUTOMATION, Some(("r.inspect.1", timed_out)), yes())),
        ("failed-and-continued", go(AUTOMATION, Some(("r.look.1", Outcome::failed("No"))), yes())),
        ("unknown-and-decided", go(AUTOMATION, Some(("r.tidy.1", unknown)), yes())),
        ("paused", go(AUTOMATION, None, Disturbance::default())),
        ("cancelled-in-a-loop", go(AUTOMATION, None, Disturbance { cancel_after: Some(7), ..yes() })),
        ("with-children", go(FAMILY, None, family(yes()))),
        ("child-waits", go(FAMILY, None, family(Disturbance::default()))),
        (
            "cancelled-with-its-child",
            go(FAMILY, None, family(Disturbance { cancel_after: Some(5), ..Disturbance::default() })),
        ),
        ("stood-in-line", stood_in_line()),
        ("went-on", went_on()),
        ("command", go(COMMAND, None, yes())),
        ("command-failed", go(COMMAND, Some(("r.one.1", Outcome::failed("No"))), yes())),
    ]
}

fn summary(run: &Run) -> Value {
    let steps: Map<String, Value> =
        run.steps.iter().map(|step| (step.name.clone(), step.status.as_str().into())).collect();
    json!({
        "status": run.status.as_str(), "steps": steps, "outputs": run.outputs, "variables": run.variables,
        "failure": run.failure, "waiting": run.waits_for(),
    })
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

#[test]
fn journals_of_earlier_versions_come_to_the_same_end() {
    if std::env::var_os("NEW_HISTORIES").is_some() {
        std::fs::create_dir_all(folder()).expect("a folder");
        for (name, driven) in runs() {
            let path = folder().join(format!("{name}.jsonl"));
            if path.exists() {
                continue;
            }
            let mut text = String::new();
            for event in &driven.events {
                let record = serde_json::to_string(&event.draft()).expect("a record is JSON");
                writeln!(text, "{record}").expect("a string");
            }
            writeln!(text, "{}", summary(&driven.run)).expect("a string");
            std::fs::write(path, text).expect("a history can be written");
        }
    }
    let files = common::files(&folder());
    assert!(files.len() >= 8, "the histories are there");
    for path in files {
        let name = path.display();
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut lines: Vec<&str> = text.lines().collect();
        let expected: Value = serde_json::from_str(lines.pop().expect("an end")).expect("JSON");
        let records: Vec<EventDraft> =
            lines.iter().map(|line| serde_json::from_str(line).expect("a record")).collect();
        let read = |read: &dyn Fn(&EventDraft) -> Result<RunEvent, ReadError>| -> Vec<RunEvent> {
            let events = records.iter().map(read);
            events.collect::<Result<_, _>>().unwrap_or_else(|error| unreachable!("{name}: {error}"))
        };
        let events = read(&RunEvent::read);
        let run = fold(&events).expect("events of one run, in order");
        assert_eq!(summary(&run), expected, "{name}");
        let outlines = read(&RunEvent::outline);
        assert_eq!(fold(&outlines).as_ref(), Some(&run), "{name} folds without its document");
        assert_eq!(events[1..], outlines[1..], "{name}: only a run's first event has more to read");
        for (event, record) in events.iter().zip(&records) {
            let RunEvent { run, procedure, number, .. } = event.clone();
            assert_eq!(Head::read(record), Ok(Head { run, procedure, number }), "{name}");
        }
        // The document in the journal is still accepted, so that a run that is not over can go on.
        let document = Document::pinned(&events[0]).expect("the run's start").expect("a document");
        // The machine of today decides as the one did that wrote this: nothing is left to add.
        let at = events.last().map(|event| event.at).unwrap_or_default();
        let resumed = step(&document, &run, Input::Resume, at);
        assert_eq!(resumed.events, [], "{name}");
        for count in 1..events.len() {
            let part = fold(&events[..count]).expect("a beginning");
            let at = events[count].at;
            let resumed = step(&document, &part, Input::Resume, at);
            // What follows by itself is what followed then.
            for (new, old) in resumed.events.iter().zip(&events[count..]) {
                assert_eq!(new, old, "{name} after event {count}");
            }
        }
    }
}

#[test]
fn the_runs_of_the_histories_come_out_the_same_today() {
    for (name, driven) in runs() {
        let path = folder().join(format!("{name}.jsonl"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let expected: Option<Value> = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        assert_eq!(Some(summary(&driven.run)), expected, "{name}");
    }
}

#[test]
fn the_fold_of_a_run_reads_neither_its_document_nor_its_library() {
    let (_, driven) = runs().remove(0);
    let mut record = driven.events[0].draft();
    record.data["library"] = json!({ "files": { "a.sh": "x".repeat(1000) } });
    let (whole, outline) =
        (RunEvent::read(&record).expect("read"), RunEvent::outline(&record).expect("read"));
    assert!(
        matches!(&whole.body, Body::Started { document, library, .. } if document.is_object() && !library.is_empty())
    );
    let Body::Started { document, library, digest, parameters, .. } = &outline.body else { unreachable!() };
    assert_eq!((document, library), (&Value::Null, &Library::default()));
    let run = driven.run;
    assert_eq!((digest, parameters), (&run.digest, &run.parameters));
    // What cannot be read is the same to both.
    for (key, value) in [("steps", json!(1)), ("run", json!("")), ("v", json!(9))] {
        let mut bad = record.clone();
        bad.data[key] = value;
        assert_eq!(RunEvent::outline(&bad), RunEvent::read(&bad), "{key}");
        assert!(RunEvent::read(&bad).is_err());
    }
    let missing = |key: &str| {
        let mut bad = record.clone();
        bad.data.as_object_mut().expect("a mapping").remove(key);
        RunEvent::outline(&bad)
    };
    assert!(missing("document").is_err() && missing("parameters").is_err());
}
