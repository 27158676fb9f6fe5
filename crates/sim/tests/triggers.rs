//! Triggers on a clock of their own: retries, windows, targets that hang, schedules over a time without a server, and a
//! server that is killed between every two writes while it delivers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_detect::delivery::TriggerId;
use mainstay_model::{Actor, EventDraft, EventId, HostId, RevisionId, Tags, Timestamp};
use mainstay_runbook::HostEnd;
use mainstay_server::catalogue::{Active, Catalogue};
use mainstay_server::clock::Clock;
use mainstay_server::folds;
use mainstay_server::once::Keyed;
use mainstay_server::revisions::Revision;
use mainstay_server::runs::Engine;
use mainstay_server::secrets::Secrets;
use mainstay_server::triggers::{CALLS_TABLE, Chosen, DEAD_TABLE, Did, Replay, Triggers, did};
use mainstay_sim::{Answer, Call, CrashPoint, CrashingJournal, SimClock, SimHosts, SimReceiver, To, Work};
use mainstay_store::{Journal, MemoryJournal, RowQuery};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const WORKLOAD: &str = "workload: shop
webhooks:
  chat: { url: \"http://chat.example/hook\", timeout: 5s, parallel: 2 }
  other: { url: \"http://other.example/hook\" }
";

const PROCEDURE: &str = "schemaVersion: \"0.3\"
parameters: { Number: { type: String, default: \"0\" } }
mainSteps:
  - name: settle
    action: aws:runCommand
    inputs:
      DocumentName: AWS-RunShellScript
      InstanceIds: [control]
      Parameters: { commands: [\"count {{ Number }}\"] }
";

struct World {
    journal: Arc<dyn Journal>,
    clock: Arc<SimClock>,
    receiver: Arc<SimReceiver>,
    hosts: Arc<SimHosts>,
    files: BTreeMap<String, String>,
}

/// One life of the server.
struct Server {
    triggers: Arc<Triggers>,
    journal: Arc<CrashingJournal>,
    engine: Engine,
    catalogue: Arc<Catalogue>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl World {
    fn new(triggers: &[(&str, &str)], behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_millis(1_795_359_600_000)));
        let mut files = BTreeMap::from([
            ("mainstay.yaml".to_owned(), WORKLOAD.to_owned()),
            ("runbooks/count.yaml".to_owned(), PROCEDURE.to_owned()),
        ]);
        for (name, text) in triggers {
            files.insert(format!("triggers/{name}.yaml"), format!("Name: {name}\n{text}"));
        }
        let host = HostId::new("control").expect("a host id");
        let done =
            |_: &_| Work { ended: HostEnd::Exited(0), stdout: String::new(), takes: Duration::from_secs(10) };
        Self {
            journal: Arc::new(MemoryJournal::new(folds()).expect("a journal")),
            receiver: SimReceiver::new(clock.clone(), behaviour),
            hosts: SimHosts::new(vec![(host, Tags::default())], clock.clone(), done),
            clock,
            files,
        }
    }

    fn revision(&self) -> Revision {
        Revision {
            workload: "shop".to_owned(),
            revision: RevisionId::new("r1").expect("an id"),
            parent: None,
            digest: String::new(),
            directory: "/srv/shop".to_owned(),
            files: self.files.clone(),
            message: None,
            applied_at: self.clock.now(),
            applied_by: Actor::Person("test".to_owned()),
        }
    }

    fn start(&self, point: CrashPoint) -> Server {
        let journal = CrashingJournal::new(self.journal.clone(), point);
        let catalogue = Arc::new(Catalogue::default());
        catalogue.put(Active::load(&self.revision()).expect("it checks clean"));
        let stop = CancellationToken::new();
        let engine = Engine::new(
            journal.clone(),
            self.hosts.clone(),
            catalogue.clone(),
            self.clock.clone(),
            stop.clone(),
        );
        engine.recover().expect("readable");
        let triggers = Triggers::new(
            journal.clone(),
            engine.clone(),
            self.clock.clone(),
            catalogue.clone(),
            Arc::new(Secrets::new(self.clock.clone())),
            Arc::new(To(self.receiver.clone())),
        );
        let running = triggers.clone().run(stop.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { running.await.expect("the journal takes it") });
        Server { triggers, journal, engine, catalogue, stop, task }
    }

    async fn send(&self, numbers: std::ops::Range<u64>) {
        self.journal.append(self.orders(numbers)).await.expect("appended");
    }

    fn orders(&self, numbers: std::ops::Range<u64>) -> Vec<EventDraft> {
        let drafts = numbers.map(|number| {
            let id = EventId::new(format!("order-{number}")).expect("an id");
            let mut draft = EventDraft::new(
                id,
                "order.placed",
                self.clock.now(),
                Actor::External("web".to_owned()),
                json!({ "number": number, "shop": format!("s{}", number % 2) }),
            );
            draft.source = "web".to_owned();
            draft
        });
        drafts.collect()
    }

    async fn wait(&self, seconds: u64) {
        self.clock.until(self.clock.now().plus(Duration::from_secs(seconds))).await;
    }

    fn did(&self, trigger: &str) -> Did {
        did(self.journal.as_ref(), "shop", trigger).expect("readable")
    }

    fn rows(&self, table: &str) -> Vec<Value> {
        let rows = self.journal.rows(table, &RowQuery::by_id(100_000)).expect("readable");
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn events(&self, kind: &str) -> usize {
        let events = self.journal.read(0, usize::MAX).expect("readable");
        events.iter().filter(|event| event.kind == kind).count()
    }

    /// Numbers of the orders that were sent to a URL, in order.
    fn sent(&self, host: &str) -> Vec<u64> {
        let calls = self.receiver.calls().into_iter().filter(|call| call.url.contains(host));
        calls.filter_map(|call| call.body["detail"]["number"].as_u64()).collect()
    }
}

impl Server {
    async fn kill(mut self) {
        self.stop.cancel();
        self.task.shutdown().await;
        self.engine.stopped().await;
    }
}

fn quick(_: &Call) -> Answer {
    Answer::Status(204, Duration::from_millis(5))
}

const TO_CHAT: &str = "EventPattern: { source: [web] }
Targets: [{ Id: chat, Arn: webhook/chat }]
";

#[tokio::test(start_paused = true)]
async fn what_matches_is_sent_once_and_told() {
    let world = World::new(&[("orders", TO_CHAT)], quick);
    let server = world.start(CrashPoint::Never);
    world.send(0..3).await;
    world.wait(1).await;
    let calls = world.receiver.calls();
    assert_eq!(world.sent("chat"), [0, 1, 2]);
    assert_eq!(calls[0].body["detail-type"], "order.placed");
    assert!(calls[0].key.starts_with("call:orders:") && calls[0].attempt == 1, "{calls:?}");
    let did = world.did("orders");
    assert_eq!((did.matched, did.delivered, did.failed), (3, 3, 0));
    assert!(world.rows(CALLS_TABLE).is_empty());
    // A life that begins anew has nothing left to do.
    server.kill().await;
    let server = world.start(CrashPoint::Never);
    world.wait(60).await;
    assert_eq!(world.receiver.calls().len(), 3);
    server.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_keeps_no_other_waiting() {
    let other = TO_CHAT.replace("chat", "other");
    let world = World::new(&[("hangs", TO_CHAT), ("works", &other)], |call| {
        if call.url.contains("chat") { Answer::Hangs } else { quick(call) }
    });
    let server = world.start(CrashPoint::Never);
    world.send(0..500).await;
    world.wait(1).await;
    // All of one are through while two of the other wait for their deadline.
    assert_eq!(world.sent("other").len(), 500);
    assert_eq!(world.sent("chat").len(), 2);
    assert_eq!(world.did("works").delivered, 500);
    let counts = server.triggers.counts().await.expect("it runs");
    let id = TriggerId { workload: "shop".to_owned(), trigger: "hangs".to_owned() };
    assert_eq!((counts[&id].queued, counts[&id].under_way), (498, 2));
    server.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_tried_again_with_the_same_key_until_its_policy_ends() {
    let trigger = format!(
        "{}, RetryPolicy: {{ MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 3600 }} }}]\n",
        TO_CHAT.trim_end().trim_end_matches("}]").trim_end()
    );
    let world = World::new(&[("orders", &trigger)], |_| Answer::Status(503, Duration::ZERO));
    let server = world.start(CrashPoint::Never);
    world.send(0..1).await;
    world.wait(60).await;
    let calls = world.receiver.calls();
    assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(calls.iter().all(|call| call.key == calls[0].key));
    let pauses: Vec<u64> = calls
        .windows(2)
        .map(|pair| u64::try_from(pair[1].at.since(pair[0].at).as_millis()).expect("short"))
        .collect();
    for (pause, most) in pauses.iter().zip([1000, 2000, 4000]) {
        assert!((most / 2..=most + 5).contains(pause), "{pauses:?}");
    }
    let dead = world.rows(DEAD_TABLE);
    assert_eq!((dead.len(), dead[0]["exhausted"].as_str()), (1, Some("MaximumRetryAttempts")));
    assert_eq!((world.did("orders").dead, world.events("trigger.dead")), (1, 1));
    // Tried again by a person, it begins anew.
    let by = Actor::Person("test".to_owned());
    assert_eq!(server.triggers.redrive(Chosen::default(), by.clone()).await.expect("done"), 1);
    world.wait(60).await;
    assert_eq!(world.receiver.calls().len(), 8);
    assert_eq!(world.rows(DEAD_TABLE).len(), 1);
    assert_eq!(server.triggers.drop_calls(Chosen::default(), false, None, by).await.expect("done"), 1);
    assert!(world.rows(DEAD_TABLE).is_empty() && world.rows(CALLS_TABLE).is_empty());
    server.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_trusted_is_tried_again_and_then_told_by_its_reason() {
    let trigger = format!(
        "{}, RetryPolicy: {{ MaximumRetryAttempts: 2 }} }}]\n",
        TO_CHAT.trim_end().trim_end_matches("}]").trim_end()
    );
    let world = World::new(&[("orders", &trigger)], |call| match call.body["detail"]["number"].as_u64() {
        // Renewed after the first try.
        Some(1) if call.attempt > 1 => Answer::Status(200, Duration::ZERO),
        _ => Answer::Untrusted("its certificate has expired".to_owned()),
    });
    let server = world.start(CrashPoint::Never);
    world.send(0..2).await;
    world.wait(60).await;
    let attempts = |n: u64| {
        let calls = world.receiver.calls();
        calls
            .iter()
            .filter(|call| call.body["detail"]["number"] == n)
            .map(|call| call.attempt)
            .collect::<Vec<_>>()
    };
    assert_eq!((attempts(0), attempts(1)), (vec![1, 2, 3], vec![1, 2]));
    let dead = world.rows(DEAD_TABLE);
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0]["code"].as_str(), Some("CERTIFICATE_REFUSED"));
    assert_eq!(dead[0]["reason"].as_str(), Some("its certificate has expired"));
    assert_eq!(world.did("orders").delivered, 1);
    server.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_throttle_lets_one_of_each_key_through_and_outlives_the_server() {
    let trigger =
        format!("{TO_CHAT}Mainstay: {{ Throttle: {{ WindowInSeconds: 600, KeyPath: $.detail.shop }} }}\n");
    let world = World::new(&[("orders", &trigger)], quick);
    let server = world.start(CrashPoint::Never);
    world.send(0..10).await;
    world.wait(1).await;
    assert_eq!(world.sent("chat"), [0, 1]);
    server.kill().await;
    let server = world.start(CrashPoint::Never);
    world.send(10..20).await;
    world.wait(300).await;
    assert_eq!(world.sent("chat"), [0, 1]);
    assert_eq!(world.did("orders").throttled, 18);
    world.wait(300).await;
    world.send(20..21).await;
    world.wait(1).await;
    assert_eq!(world.sent("chat"), [0, 1, 20]);
    // A replay is not kept back, and says what it is.
    let id = TriggerId { workload: "shop".to_owned(), trigger: "orders".to_owned() };
    let replay = |dry_run| Replay {
        trigger: id.clone(),
        from: Timestamp::from_millis(0),
        to: world.clock.now(),
        dry_run,
        once: None,
    };
    let by = Actor::Person("test".to_owned());
    let told = server.triggers.replay(replay(true), by.clone()).await.expect("counted");
    assert_eq!((told.matched, told.name), (21, None));
    let told = server.triggers.replay(replay(false), by).await.expect("replayed");
    world.wait(1).await;
    assert_eq!(world.sent("chat").len(), 24);
    let last = world.receiver.calls().pop().expect("calls");
    assert_eq!(last.body["replay-name"].as_str(), told.name.as_deref());
    server.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_done_once_under_a_key() {
    let world = World::new(&[("orders", TO_CHAT)], quick);
    let mut server = world.start(CrashPoint::Never);
    world.send(0..3).await;
    world.wait(1).await;
    assert_eq!(world.sent("chat").len(), 3);
    let replay = |key: &str, dry_run| Replay {
        trigger: TriggerId { workload: "shop".to_owned(), trigger: "orders".to_owned() },
        from: Timestamp::from_millis(0),
        to: world.clock.now(),
        dry_run,
        once: Some(Keyed::new(key, "asked")),
    };
    let by = Actor::Person("test".to_owned());
    let first = server.triggers.replay(replay("k1", false), by.clone()).await.expect("replayed");
    world.wait(1).await;
    assert_eq!((first.matched, world.sent("chat").len()), (3, 6));
    // It holds across a restart, whatever came in meanwhile.
    server.kill().await;
    server = world.start(CrashPoint::Never);
    world.send(3..4).await;
    world.wait(1).await;
    let again = server.triggers.replay(replay("k1", false), by.clone()).await.expect("told again");
    world.wait(1).await;
    assert_eq!((&again, world.sent("chat").len()), (&first, 7));
    let counted = server.triggers.replay(replay("k1", true), by.clone()).await.expect("counted");
    assert_eq!((counted.matched, counted.name), (4, None), "what only counts is not kept");
    let other = server.triggers.replay(replay("k2", false), by.clone()).await.expect("replayed");
    let theirs =
        server.triggers.replay(replay("k1", false), Actor::Person("x".to_owned())).await.expect("theirs");
    world.wait(1).await;
    assert_eq!((other.matched, theirs.matched, world.sent("chat").len()), (4, 4, 15));
    assert!(first.name.is_some() && other.name != first.name && theirs.name != first.name);
    let events = world.journal.read(0, 1000).expect("readable");
    let told: Vec<_> = events.iter().filter(|event| event.kind == "trigger.replayed").collect();
    assert_eq!(told.len(), 3, "one for each");
    assert_eq!((&told[0].data["matched"], &told[0].data["replay"]), (&json!(3), &json!(first.name)));
    assert_eq!(told[0].actor, by);
    server.kill().await;
}

/// Whether a trigger is for an event depends on which of them was first in the journal: the event, or the revision that
/// declares the trigger; not on when the loop hears of the revision.
#[tokio::test(start_paused = true)]
async fn events_are_matched_against_what_was_declared_when_they_came() {
    const REVISIONS: u64 = 24;
    let mut world = World::new(&[], quick);
    let server = world.start(CrashPoint::Never);
    world.wait(1).await;
    for number in 0..REVISIONS {
        // Each revision has a trigger more.
        let name = format!("t{number}");
        world.files.insert(format!("triggers/{name}.yaml"), format!("Name: {name}\n{TO_CHAT}"));
        let revision = RevisionId::new(format!("r{number}x")).expect("an id");
        let active = Active::load(&Revision { revision, ..world.revision() }).expect("it checks clean");
        let applied = active.revision.draft(&Value::Null);
        let drafts = |first: u64| {
            let mut drafts = world.orders(first..first + 1);
            drafts.push(applied.clone());
            drafts.extend(world.orders(first + 1..first + 3));
            drafts
        };
        // The catalogue is told right after the write, and sometimes the loop hears of the write first.
        world.journal.append(drafts(number * 3)).await.expect("appended");
        for _ in 0..number % 3 {
            tokio::task::yield_now().await;
        }
        server.catalogue.put(active);
        if number % 4 == 0 {
            world.wait(1).await;
        }
    }
    world.wait(20).await;
    for number in 0..REVISIONS {
        let did = world.did(&format!("t{number}"));
        let expected = (REVISIONS - number) * 3 - 1;
        assert_eq!((did.matched, did.delivered), (expected, expected), "t{number}");
    }
    server.kill().await;
}

const TO_PROCEDURE: &str = "EventPattern: { source: [web] }
Targets:
  - Id: count
    Arn: procedure/count
    InputTransformer:
      InputPathsMap: { number: $.detail.number }
      InputTemplate: '{\"Number\": \"<number>\"}'
";

#[tokio::test(start_paused = true)]
async fn runs_are_queued_skipped_and_replaced() {
    for (word, runs, counted) in [("queue", 4, (0, 0)), ("skip", 1, (3, 0)), ("replace", 2, (0, 2))] {
        let trigger = format!("{TO_PROCEDURE}Mainstay: {{ Concurrency: {word} }}\n");
        let world = World::new(&[("orders", &trigger)], quick);
        let server = world.start(CrashPoint::Never);
        for number in 0..4 {
            world.send(number..number + 1).await;
            world.wait(1).await;
        }
        world.wait(120).await;
        let did = world.did("orders");
        assert_eq!(world.events("run.started"), runs, "{word}");
        assert_eq!((did.skipped, did.replaced), counted, "{word}");
        assert!(world.rows(CALLS_TABLE).is_empty(), "{word}");
        // One at a time: a run takes ten seconds, unless it is stopped.
        let events = world.journal.read(0, usize::MAX).expect("readable");
        let mut going = 0;
        for event in &events {
            match event.kind.as_str() {
                "run.started" => going += 1,
                "run.finished" => going -= 1,
                _ => {}
            }
            assert!(going <= 1, "{word}");
        }
        server.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_is_off_holds_its_calls() {
    let world = World::new(&[("orders", TO_CHAT)], |_| Answer::Status(503, Duration::ZERO));
    let server = world.start(CrashPoint::Never);
    world.send(0..1).await;
    world.wait(1).await;
    let id = TriggerId { workload: "shop".to_owned(), trigger: "orders".to_owned() };
    let by = Actor::Person("test".to_owned());
    let off = |enabled| server.triggers.enable(id.clone(), enabled, Some("storm".to_owned()), by.clone());
    assert!(off(false).await.expect("done"));
    assert!(!off(false).await.expect("done"), "it was off");
    let before = world.receiver.calls().len();
    world.send(1..2).await;
    world.wait(1000).await;
    assert_eq!(world.receiver.calls().len(), before);
    let told = world.did("orders").off.expect("it is off");
    assert_eq!((told.by.as_str(), told.reason.as_deref()), ("person:test", Some("storm")));
    assert!(off(true).await.expect("done"));
    world.wait(10).await;
    assert!(world.receiver.calls().len() > before);
    assert_eq!(world.did("orders").matched, 1, "what came while it was off is not for it");
    server.kill().await;
}

#[tokio::test(start_paused = true)]
async fn schedules_fire_once_and_make_up_as_they_are_told() {
    let of = |policy: &str| {
        format!(
            "ScheduleExpression: rate(10 minutes)\nTargets: [{{ Id: t, Arn: webhook/chat }}]\nMainstay: {{ MissedFirings: {policy} }}\n"
        )
    };
    for (policy, after_pause) in [("last", 1), ("all", 6), ("skip", 0)] {
        let world = World::new(&[("tidy", &of(policy))], quick);
        let server = world.start(CrashPoint::Never);
        // At once, and then every ten minutes.
        world.wait(25 * 60).await;
        let calls = world.receiver.calls();
        assert_eq!(calls.len(), 3, "{policy}");
        assert_eq!(
            (&calls[0].body["source"], &calls[0].body["detail-type"]),
            (&json!("aws.events"), &json!("Scheduled Event"))
        );
        server.kill().await;
        world.wait(60 * 60).await;
        let server = world.start(CrashPoint::Never);
        world.wait(2).await;
        assert_eq!(world.receiver.calls().len(), 3 + after_pause, "{policy}");
        world.wait(10 * 60).await;
        let calls = world.receiver.calls();
        assert_eq!(calls.len(), 4 + after_pause, "{policy}");
        let keys: std::collections::BTreeSet<&str> = calls.iter().map(|call| call.key.as_str()).collect();
        assert_eq!(keys.len(), calls.len(), "{policy}: no firing twice");
        server.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_answers_with_events_is_stopped_in_its_circle() {
    let world = World::new(&[("orders", TO_CHAT)], quick);
    let server = world.start(CrashPoint::Never);
    world.send(0..1).await;
    world.wait(1).await;
    let key = world.receiver.calls()[0].key.clone();
    let mut draft = EventDraft::new(
        EventId::new("answer").expect("an id"),
        "order.checked",
        world.clock.now(),
        Actor::External("web".to_owned()),
        Value::Null,
    );
    draft.source = "web".to_owned();
    draft.cause = EventId::new(key).ok();
    world.journal.append(vec![draft]).await.expect("appended");
    world.wait(1).await;
    assert_eq!(world.receiver.calls().len(), 1);
    assert_eq!(world.events("trigger.failed"), 1);
    server.kill().await;
}

/// Killed before and after each write while it delivers to a webhook and starts runs: every event reaches both, runs
/// start once, and a webhook is called again only where nobody could know, with the same key.
#[tokio::test(start_paused = true)]
async fn killed_between_writes_nothing_is_lost() {
    let mut points = 0;
    for write in 1.. {
        let mut reached = false;
        for point in [CrashPoint::Before(write), CrashPoint::After(write)] {
            let world = World::new(&[("orders", TO_CHAT), ("counts", TO_PROCEDURE)], quick);
            world.send(0..5).await;
            let server = world.start(point);
            let died = tokio::select! {
                () = server.journal.killed() => true,
                () = world.wait(120) => false,
            };
            server.kill().await;
            reached |= died;
            let server = world.start(CrashPoint::Never);
            world.wait(200).await;
            let mut numbers = world.sent("chat");
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers, [0, 1, 2, 3, 4], "{point:?}");
            let keys: std::collections::BTreeSet<String> =
                world.receiver.calls().into_iter().map(|call| call.key).collect();
            assert_eq!(keys.len(), 5, "{point:?}: the same key at each try");
            let executed = world.hosts.executed();
            assert_eq!(executed.values().copied().collect::<Vec<_>>(), [1; 5], "{point:?}: {executed:?}");
            assert_eq!(world.events("run.started"), 5, "{point:?}");
            assert!(world.rows(CALLS_TABLE).is_empty(), "{point:?}");
            let (orders, counts) = (world.did("orders"), world.did("counts"));
            assert_eq!((orders.matched, orders.delivered), (5, 5), "{point:?}");
            assert_eq!((counts.matched, counts.delivered), (5, 5), "{point:?}");
            server.kill().await;
            points += 1;
        }
        if !reached {
            break;
        }
    }
    assert!(points > 20, "{points}");
}
