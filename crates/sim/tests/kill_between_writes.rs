//! The server is killed between every two journal writes of one run, and the run ends as the undisturbed one did, with
//! every effect performed exactly once.

use std::time::Duration;

use mainstay_model::{Actor, RevisionId, RunId, Timestamp};
use mainstay_runbook::{HostEnd, RunStatus};
use mainstay_server::catalogue::Active;
use mainstay_server::revisions::{Revision, digest};
use mainstay_server::runs::Order;
use mainstay_sim::{CrashPoint, Library, RunWorld, Work};
use serde_json::{Value, json};

/// A run with every kind of step that is performed today, a retry, a failure that is passed over, and a jump.
fn document() -> Value {
    json!({
        "schemaVersion": "0.3",
        "description": "Restart what is exhausted",
        "parameters": { "Component": { "type": "String", "default": "payments" } },
        "mainSteps": [
            {
                "name": "inspect",
                "action": "aws:runCommand",
                "maxAttempts": 2,
                "inputs": {
                    "DocumentName": "AWS-RunShellScript",
                    "Targets": [{ "Key": "tag:role", "Values": ["app"] }],
                    "Parameters": { "commands": ["inspect {{ Component }}"] },
                },
            },
            {
                "name": "note",
                "action": "aws:runCommand",
                "onFailure": "Continue",
                "inputs": {
                    "DocumentName": "AWS-RunShellScript",
                    "InstanceIds": ["app-1"],
                    "Parameters": { "commands": ["note"] },
                },
            },
            {
                "name": "judge",
                "action": "aws:executeScript",
                "inputs": {
                    "Runtime": "bash",
                    "Script": "judge",
                    "InputPayload": { "component": "{{ Component }}" },
                },
                "outputs": [{ "Name": "Exhausted", "Selector": "$.Payload.exhausted", "Type": "Boolean" }],
            },
            {
                "name": "decide",
                "action": "aws:branch",
                "inputs": {
                    "Choices": [{ "NextStep": "restart", "Variable": "{{ judge.Exhausted }}", "BooleanEquals": true }],
                    "Default": "leave",
                },
            },
            { "name": "leave", "action": "aws:sleep", "inputs": { "Duration": "PT1S" }, "isEnd": true },
            {
                "name": "restart",
                "action": "aws:runCommand",
                "inputs": {
                    "DocumentName": "AWS-RunShellScript",
                    "Targets": [{ "Key": "tag:role", "Values": ["app"] }],
                    "Parameters": { "commands": ["restart"] },
                },
            },
            { "name": "settle", "action": "aws:sleep", "inputs": { "Duration": "PT2S" } },
            {
                "name": "verify",
                "action": "aws:executeScript",
                "inputs": { "Runtime": "bash", "Script": "verify" },
                "isEnd": true,
            },
        ],
        "outputs": ["judge.Exhausted"],
    })
}

fn behaviour(order: &Order) -> Work {
    let (ended, stdout) = match order.script.lines().next().unwrap_or_default() {
        "inspect payments" if order.id.as_str().contains(".1:") => (HostEnd::Exited(7), ""),
        "note" => (HostEnd::Exited(1), ""),
        "judge" => (HostEnd::Exited(0), "{\"exhausted\": true}"),
        _ => (HostEnd::Exited(0), "done"),
    };
    Work { ended, stdout: stdout.to_owned(), takes: Duration::from_millis(300) }
}

fn procedure(steps: &Value) -> Value {
    json!({ "schemaVersion": "0.3", "mainSteps": steps })
}

fn script(name: &str) -> Value {
    json!({ "name": name, "action": "aws:executeScript", "inputs": { "Runtime": "bash", "Script": name } })
}

fn call(name: &str, procedure: &str) -> Value {
    json!({ "name": name, "action": "aws:executeAutomation", "inputs": { "DocumentName": procedure } })
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_any_two_writes_changes_nothing_in_the_end() {
    let new = || RunWorld::new(Library::default().with("restart", &document()), behaviour);
    let expected = RunWorld::kill_everywhere(new, &[("run-1", "restart")]).await;
    let run = expected.find("run-1").expect("the run");
    assert_eq!(run.status, RunStatus::Success, "{run:?}");
    let effects = expected.hosts.executed();
    assert_eq!(effects["inspect payments"], 4, "two attempts on two hosts");
    assert_eq!(effects["restart"], 2);
}

/// A loop whose steps start a procedure that starts another; one attempt fails and is tried again; one child may not be
/// started at all.
fn family() -> Library {
    let mut look = call("look", "inner");
    look["inputs"]["RuntimeParameters"] = json!({ "Name": "{{ each.CurrentIteratorValue }}" });
    look["maxAttempts"] = 2.into();
    let mut lost = call("lost", "nowhere");
    lost["onFailure"] = "Continue".into();
    let mut outer = procedure(&json!([
        { "name": "each", "action": "aws:loop", "inputs": { "Iterators": ["a", "b"], "Steps": [look] } },
        lost,
        script("done"),
    ]));
    outer["outputs"] = json!(["each.CurrentIteratorValue"]);
    let mut once = script("once {{ Name }}");
    once["name"] = "once".into();
    let mut inner = procedure(&json!([once, call("deep", "innermost"), script("after")]));
    inner["parameters"] = json!({ "Name": { "type": "String" } });
    inner["outputs"] = json!(["once.Payload", "deep.Status"]);
    let innermost = procedure(&json!([
        { "name": "nap", "action": "aws:sleep", "inputs": { "Duration": "PT2S" } }, script("deepest"),
    ]));
    Library::default().with("outer", &outer).with("inner", &inner).with("innermost", &innermost)
}

#[tokio::test(start_paused = true)]
async fn children_are_started_once_whatever_is_killed() {
    let flaky = |order: &Order| {
        // The first child of the loop's second round fails, which its parent tries again.
        let fails = order.script.starts_with("after") && order.id.as_str().contains("after.1");
        let ended = HostEnd::Exited(i32::from(
            fails
                && order
                    .environment
                    .get("MAINSTAY_RUN")
                    .is_some_and(|run| run.ends_with(|last: char| last.is_ascii_digit())),
        ));
        Work { ended, stdout: "done".to_owned(), takes: Duration::from_millis(300) }
    };
    let new = || RunWorld::new(family(), flaky);
    let expected = RunWorld::kill_everywhere(new, &[("run-1", "outer")]).await;
    let run = expected.find("run-1").expect("the run");
    assert_eq!(
        run.step("lost").and_then(|step| step.failure.clone()).as_deref(),
        Some("There is no procedure nowhere")
    );
    assert!(expected.runs().len() > 4, "{:?}", expected.runs().keys());
    let runs = expected.runs();
    let child = runs.values().find(|run| run["procedure"] == "innermost").expect("a grandchild");
    assert_eq!(child["parent"]["chain"], json!(["outer", "inner"]));
}

#[tokio::test(start_paused = true)]
async fn runs_over_the_limit_stand_in_line_in_order_whatever_is_killed() {
    let slow =
        |_: &Order| Work { ended: HostEnd::Exited(0), stdout: String::new(), takes: Duration::from_secs(1) };
    let library = Library::default()
        .with("one", &procedure(&json!([script("work")])))
        .with("calls", &procedure(&json!([call("call", "one")])))
        .limit("one", 1);
    let runs = [("run-1", "one"), ("run-2", "one"), ("run-3", "calls"), ("run-4", "one")];
    let expected = RunWorld::kill_everywhere(|| RunWorld::new(library.clone(), slow), &runs).await;
    assert_eq!(expected.hosts.executed()["work"], 4);
    // Never two at once, in the order in which they were asked for.
    let mut going: Vec<String> = Vec::new();
    let mut order = Vec::new();
    for event in expected.journal.read(0, 1000).expect("readable") {
        let (run, procedure) = (event.data["run"].as_str(), event.data["procedure"].as_str());
        let (Some(run), Some("one")) = (run, procedure) else { continue };
        match event.kind.as_str() {
            "run.started" if event.data.get("queued").is_none() => going.push(run.to_owned()),
            "run.released" => going.push(run.to_owned()),
            "run.finished" => {
                order.push(run.to_owned());
                going.retain(|other| other != run);
            }
            _ => {}
        }
        assert!(going.len() <= 1, "{going:?}");
    }
    assert_eq!((order.len(), &order[0], &order[1]), (4, &"run-1".to_owned(), &"run-2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_reaches_the_children_and_those_who_wait_in_line() {
    let slow = |_: &Order| Work {
        ended: HostEnd::Exited(0),
        stdout: String::new(),
        takes: Duration::from_secs(1000),
    };
    let library = Library::default()
        .with("outer", &procedure(&json!([call("call", "inner")])))
        .with("inner", &procedure(&json!([call("call", "innermost")])))
        .with("innermost", &procedure(&json!([script("work")])))
        .limit("outer", 1);
    let world = RunWorld::new(library, slow);
    let runs = [("run-1", "outer"), ("run-2", "outer")];
    world
        .live(&runs, CrashPoint::Never, async |engine| {
            world.until(|world| world.hosts.executed().contains_key("work")).await;
            let by = || Actor::Person("maria".to_owned());
            for run in ["run-2", "run-1"] {
                let id = RunId::new(run).expect("an id");
                engine.cancel(&id, by(), "Enough".to_owned()).expect("it goes on");
            }
            world.over(&runs).await;
        })
        .await;
    let runs = world.runs();
    assert_eq!(runs.len(), 4);
    for run in runs.values() {
        assert_eq!(run["status"], "Cancelled", "{run}");
    }
    let innermost = runs.values().find(|run| run["procedure"] == "innermost").expect("it began");
    let inner = runs.values().find(|run| run["procedure"] == "inner").expect("it began");
    let failure = innermost["failure"].as_str().unwrap_or_default();
    let inner = inner["id"].as_str().unwrap_or_default();
    assert_eq!(
        failure,
        format!(
            "Cancelled by run:{inner}: Run {inner} is being cancelled: Run run-1 is being cancelled: Enough"
        )
    );
    assert_eq!(world.hosts.executed()["work"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_parent_says_what_its_child_waits_for_and_gives_up_in_time() {
    let mut outer = procedure(&json!([call("call", "inner")]));
    outer["mainSteps"][0]["timeoutSeconds"] = 60.into();
    let hold = json!([{ "name": "hold", "action": "aws:pause", "inputs": {} }]);
    let library = Library::default().with("outer", &outer).with("inner", &procedure(&hold));
    let world = RunWorld::new(library, behaviour);
    let runs = [("run-1", "outer")];
    let waits = |world: &RunWorld| world.find("run-1").and_then(|run| run.waits_for());
    world.live(&runs, CrashPoint::Never, async |_| world.until(|world| waits(world).is_some()).await).await;
    let words = waits(&world).expect("it waits");
    assert!(words.ends_with("of inner waits: Step hold pauses the run until somebody resumes it"), "{words}");
    assert_eq!(world.find("run-1").map(|run| run.status), Some(RunStatus::Waiting));
    world.live(&[], CrashPoint::Never, async |_| world.over(&runs).await).await;
    let statuses: Vec<Value> = world.runs().values().map(|run| run["status"].clone()).collect();
    assert_eq!(statuses, ["Cancelled", "TimedOut"]);
}

/// The procedures of an example workload, read as the server reads a revision.
fn example() -> Library {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/runbooks");
    let mut files = std::collections::BTreeMap::new();
    files.insert("mainstay.yaml".to_owned(), "workload: shop\n".to_owned());
    for entry in std::fs::read_dir(&folder).expect("the example is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        files.insert(format!("runbooks/{name}"), std::fs::read_to_string(&path).expect("readable"));
    }
    let revision = Revision {
        workload: "shop".to_owned(),
        revision: RevisionId::new("r1").expect("an id"),
        parent: None,
        digest: digest("/shop", &files),
        directory: "/shop".to_owned(),
        files,
        message: None,
        applied_at: Timestamp::from_millis(0),
        applied_by: Actor::Person("test".to_owned()),
    };
    let active = Active::load(&revision).expect("the example checks clean");
    let procedures = active.procedures.values();
    procedures.fold(Library::default(), |library, one| library.holding(&one.name, one.document.clone()))
}

#[tokio::test(start_paused = true)]
async fn the_procedures_of_the_example_survive_every_kill() {
    let library = example();
    let names = library.names();
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        // What the services would answer in trouble, and then; and a script that fails.
        for answer in ["{\"in_use\": 8, \"size\": 8, \"idle\": 0, \"waiting\": 5}", "no"] {
            let behaviour = move |order: &Order| Work {
                ended: HostEnd::Exited(i32::from(order.script.contains("exit 1") && answer == "no")),
                stdout: answer.to_owned(),
                takes: Duration::from_millis(200),
            };
            let new = || RunWorld::new(library.clone(), behaviour);
            let ended = RunWorld::kill_everywhere(new, &[("run-1", &name)]).await;
            let run = ended.find("run-1").expect("the run");
            assert!(run.status.is_over(), "{run:?}");
            assert!(run.reached().count() > 1, "{name}: {run:?}");
        }
    }
}
