//! The server is killed between every two journal writes of one run, and the run ends as the undisturbed one did, with
//! every effect performed exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_model::{Actor, HostId, RunId, Tags, Timestamp};
use mainstay_runbook::{Document, HostEnd, Run, RunStatus, Start};
use mainstay_server::runs::{ActiveFold, Engine, Order, RunsFold, run};
use mainstay_sim::{CrashPoint, CrashingJournal, SimClock, SimHosts, Work};
use mainstay_store::{Journal, MemoryJournal};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// A run with every kind of step that is performed today, a retry, a failure that is passed over, and a jump.
fn document() -> Arc<Document> {
    let value = json!({
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
    });
    Arc::new(Document::parse(&value).expect("the document is right"))
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

fn host(name: &str) -> HostId {
    HostId::new(name).expect("a host id")
}

struct World {
    journal: Arc<dyn Journal>,
    hosts: Arc<SimHosts>,
    clock: Arc<SimClock>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_millis(1_795_359_845_000)));
        let tags = |role: &str| Tags::from_iter([("role", role)]);
        let hosts = vec![
            (host("control"), tags("control")),
            (host("app-1"), tags("app")),
            (host("app-2"), tags("app")),
        ];
        let journal = MemoryJournal::new(vec![Arc::new(RunsFold), Arc::new(ActiveFold)]).expect("a journal");
        Self { journal: Arc::new(journal), hosts: SimHosts::new(hosts, clock.clone(), behaviour), clock }
    }

    /// One life of the server: it takes up what is unfinished, starts the run, and works until the run is over or the
    /// server is killed. Answers with how many writes it made.
    async fn live(&self, document: &Arc<Document>, id: &RunId, point: CrashPoint) -> (bool, u64) {
        let journal = CrashingJournal::new(self.journal.clone(), point);
        let stop = CancellationToken::new();
        let engine = Engine::new(journal.clone(), self.hosts.clone(), self.clock.clone(), stop.clone());
        let work = async {
            engine.recover().expect("the journal is readable");
            let start = Start {
                run: id.clone(),
                procedure: "restart".to_owned(),
                workload: Some("shop".to_owned()),
                digest: "digest".to_owned(),
                parameters: Map::new(),
                at: self.clock_now(),
                by: Actor::Person("test".to_owned()),
                reason: None,
                cause: None,
                host: None,
            };
            engine.start(document, start, Vec::new()).await.expect("the run starts");
            self.over(id).await;
        };
        let finished = tokio::select! {
            () = work => true,
            () = journal.killed() => false,
        };
        // Dead: no task of this life may go on.
        stop.cancel();
        engine.stopped().await;
        (finished, journal.writes())
    }

    fn clock_now(&self) -> Timestamp {
        use mainstay_server::clock::Clock as _;
        self.clock.now()
    }

    async fn over(&self, id: &RunId) {
        let mut watch = self.journal.watch();
        loop {
            watch.borrow_and_update();
            if self.find(id).is_some_and(|run| run.status.is_over()) {
                return;
            }
            watch.changed().await.expect("the journal lives");
        }
    }

    fn find(&self, id: &RunId) -> Option<Run> {
        run(self.journal.as_ref(), id).expect("the journal is readable")
    }
}

/// A run without the times, which differ by how long the server was away.
fn without_times(run: &Run) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !key.ends_with("_at") && key != "deadline" && key != "until");
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(run).expect("a run is JSON");
    strip(&mut value);
    value
}

async fn undisturbed(document: &Arc<Document>, id: &RunId) -> (Run, BTreeMap<String, u32>, u64) {
    let world = World::new();
    let (finished, writes) = world.live(document, id, CrashPoint::Never).await;
    assert!(finished);
    (world.find(id).expect("the run"), world.hosts.executed(), writes)
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_any_two_writes_changes_nothing_in_the_end() {
    let document = document();
    let id = RunId::new("run-1").expect("an id");
    let (expected, effects, writes) = undisturbed(&document, &id).await;
    assert_eq!(expected.status, RunStatus::Success, "{expected:?}");
    assert_eq!(effects["inspect payments"], 4, "two attempts on two hosts");
    assert_eq!(effects["restart"], 2);
    assert!(writes > 10, "{writes} writes");

    for write in 1..=writes {
        for point in [CrashPoint::Before(write), CrashPoint::After(write)] {
            let world = World::new();
            let (finished, _) = world.live(&document, &id, point).await;
            assert!(!finished || point == CrashPoint::After(writes), "{point:?} killed nothing");
            let (finished, _) = world.live(&document, &id, CrashPoint::Never).await;
            assert!(finished);
            let run = world.find(&id).expect("the run");
            assert_eq!(without_times(&run), without_times(&expected), "{point:?}");
            assert_eq!(world.hosts.executed(), effects, "{point:?}: every effect exactly once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_again_and_again_gets_there() {
    let document = document();
    let id = RunId::new("run-1").expect("an id");
    let (expected, effects, _) = undisturbed(&document, &id).await;
    let world = World::new();
    let mut lives = 0;
    // Each life makes one write and dies.
    loop {
        lives += 1;
        assert!(lives < 200, "it does not get there");
        let (finished, _) = world.live(&document, &id, CrashPoint::After(1)).await;
        if finished {
            break;
        }
    }
    assert_eq!(without_times(&world.find(&id).expect("the run")), without_times(&expected));
    assert_eq!(world.hosts.executed(), effects);
    assert!(lives > 10, "{lives} lives");
}
