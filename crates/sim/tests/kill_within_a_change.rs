//! The server is killed between every two journal writes of an apply, of one that fails and is rolled back, and of a
//! rollback. Each ends as the undisturbed one did: in what its plan describes, or in what was there before.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_api::v1::{FileBody, NewRevision};
use mainstay_model::{Actor, HostId, Tags, Timestamp};
use mainstay_server::app::Health;
use mainstay_server::apply::Applier;
use mainstay_server::catalogue::{Active, Catalogue};
use mainstay_server::changes::{self, Changes, newest, open};
use mainstay_server::placement::{Fleet, Placer};
use mainstay_server::{folds, revisions};
use mainstay_sim::{CrashPoint, CrashingJournal, SimClock, SimFleet};
use mainstay_store::{Journal, MemoryJournal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Two services on two hosts, the second depends on the first; the third is there only in one of them.
fn workload(a: &str, b: &str, more: bool) -> NewRevision {
    let service = |name: &str, run: &str, on: &str| {
        format!(
            "  {name}:\n    hosts: \"role=app\"\n    depends_on: [{on}]\n    service: {{ run: {run}, port: 7000, health: {{ tcp: 7000 }} }}\n"
        )
    };
    let mut text = "workload: shop\ncomponents:\n".to_owned();
    text += &service("a", a, "").replace("7000", "7001");
    text += &service("b", b, "a").replace("7000", "7002");
    if more {
        text += &service("c", "./c", "b").replace("7000", "7003");
    }
    NewRevision {
        files: vec![FileBody { path: "mainstay.yaml".to_owned(), content: text }],
        directory: "/srv/shop".to_owned(),
        message: None,
        git: None,
        keep: false,
        restores: None,
        expect: None,
    }
}

struct World {
    journal: Arc<dyn Journal>,
    fleet: Arc<SimFleet>,
    clock: Arc<SimClock>,
}

/// What a scenario comes to: what runs, what is wanted, and how each change ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    runs: BTreeMap<HostId, BTreeMap<String, String>>,
    wanted: String,
    ends: Vec<String>,
}

impl World {
    fn new() -> Self {
        let hosts = ["app-1", "app-2"]
            .map(|name| (HostId::new(name).expect("a host id"), Tags::from_iter([("role", "app")])));
        Self {
            journal: Arc::new(MemoryJournal::new(folds()).expect("a journal")),
            fleet: SimFleet::new(hosts.into()),
            clock: Arc::new(SimClock::starting_at(Timestamp::from_millis(1_795_359_845_000))),
        }
    }

    /// One life of the server: it takes up what is open, and works through the revisions that were not asked for yet,
    /// until all is over or it is killed. Answers with whether it got there and how many writes it made.
    async fn live(&self, asks: &[NewRevision], point: CrashPoint) -> (bool, u64) {
        let journal = CrashingJournal::new(self.journal.clone(), point);
        let catalogue = Arc::new(Catalogue::default());
        for revision in revisions::all(self.journal.as_ref()).expect("readable") {
            catalogue.put(Active::load(&revision).expect("it checks clean"));
        }
        let fleet: Arc<dyn Fleet> = self.fleet.clone();
        let health = Health::default();
        let shared: Arc<dyn Journal> = journal.clone();
        let changes = Changes::new(
            shared.clone(),
            catalogue.clone(),
            fleet.clone(),
            self.clock.clone(),
            health.clone(),
        );
        changes.recover().expect("readable");
        let applier =
            Applier::new(shared, catalogue.clone(), fleet.clone(), self.clock.clone(), changes.clone());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(Placer { catalogue, fleet, scraper: None, health }.run(stop.clone()));
        let running = changes.clone().run(stop.clone());
        tasks.spawn(async move { running.await.expect("the journal takes it") });
        let work = async {
            self.over().await;
            // What was asked for is in the journal; who got no answer asks again.
            let asked = newest(self.journal.as_ref(), |_| true, None, 100).expect("readable").len();
            for ask in asks.iter().skip(asked) {
                let begun = applier.apply(ask.clone(), Actor::Person("test".to_owned()), &|_| Ok(())).await;
                begun.expect("it is taken");
                self.over().await;
            }
        };
        let finished = tokio::select! {
            () = work => true,
            () = journal.killed() => false,
        };
        // Dead: no task of this life may go on.
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        (finished, journal.writes())
    }

    /// Until no change is open.
    async fn over(&self) {
        let mut watch = self.journal.watch();
        loop {
            watch.borrow_and_update();
            if open(self.journal.as_ref()).expect("readable").is_empty() {
                return;
            }
            watch.changed().await.expect("the journal lives");
        }
    }

    /// What is there once the hosts have been told the last word.
    async fn outcome(&self) -> Outcome {
        // A life that has nothing to do but to look.
        let (finished, writes) = self.live(&[], CrashPoint::Never).await;
        assert!(finished && writes == 0, "nothing is left to do");
        let records = newest(self.journal.as_ref(), |_| true, None, 100).expect("readable");
        let wanted = revisions::all(self.journal.as_ref()).expect("readable");
        Outcome {
            runs: self.fleet.runs(),
            wanted: wanted.into_iter().map(|revision| revision.revision.to_string()).collect(),
            ends: records.iter().map(|record| changes::summary(record).state).collect(),
        }
    }
}

/// Kills at every write of the last of these revisions, the others having been applied before.
async fn killed_everywhere(before: &[NewRevision], last: NewRevision, end: &str) -> Outcome {
    let mut all = before.to_vec();
    all.push(last);
    let prepared = || async {
        let world = World::new();
        assert!(world.live(before, CrashPoint::Never).await.0);
        world
    };
    let world = prepared().await;
    let (finished, writes) = world.live(&all, CrashPoint::Never).await;
    assert!(finished && writes > 1, "{writes} writes");
    let expected = world.outcome().await;
    assert_eq!(expected.ends.first().map(String::as_str), Some(end), "{expected:#?}");
    for write in 1..=writes {
        for point in [CrashPoint::Before(write), CrashPoint::After(write)] {
            let world = prepared().await;
            let (finished, _) = world.live(&all, point).await;
            assert!(!finished || point == CrashPoint::After(writes), "{point:?} killed nothing");
            assert!(world.live(&all, CrashPoint::Never).await.0);
            assert_eq!(world.outcome().await, expected, "{point:?}");
        }
    }
    expected
}

fn everywhere(outcome: &Outcome, component: &str, run: Option<&str>) {
    assert_eq!(outcome.runs.len(), 2);
    for (host, runs) in &outcome.runs {
        assert_eq!(runs.get(component).map(String::as_str), run, "{component} on {host}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_apply_ends_in_what_its_plan_describes() {
    let outcome =
        killed_everywhere(&[workload("./a1", "./b1", true)], workload("./a2", "./b2", false), "applied")
            .await;
    everywhere(&outcome, "a", Some("./a2"));
    everywhere(&outcome, "b", Some("./b2"));
    everywhere(&outcome, "c", None);
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_fails_ends_in_what_was_there_before() {
    let outcome = killed_everywhere(
        &[workload("./a1", "./b1", true)],
        workload("./a2", "./broken", true),
        "rolled back",
    )
    .await;
    everywhere(&outcome, "a", Some("./a1"));
    everywhere(&outcome, "b", Some("./b1"));
    everywhere(&outcome, "c", Some("./c"));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_ends_in_the_earlier_revision() {
    let (first, second) = (workload("./a1", "./b1", true), workload("./a2", "./b2", false));
    let outcome = killed_everywhere(&[first.clone(), second], first, "applied").await;
    everywhere(&outcome, "a", Some("./a1"));
    everywhere(&outcome, "b", Some("./b1"));
    everywhere(&outcome, "c", Some("./c"));
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_takes_nothing_of_what_was_begun_along() {
    let world = World::new();
    let journal = CrashingJournal::new(world.journal.clone(), CrashPoint::Never);
    let (catalogue, shared): (_, Arc<dyn Journal>) = (Arc::new(Catalogue::default()), journal.clone());
    let (fleet, clock): (Arc<dyn Fleet>, _) = (world.fleet.clone(), world.clock.clone());
    let changes =
        Changes::new(shared.clone(), catalogue.clone(), fleet.clone(), clock.clone(), Health::default());
    let applier = Applier::new(shared, catalogue.clone(), fleet, clock, changes.clone());
    let by = Actor::Person("test".to_owned());
    let mut running = catalogue.watch_running();
    let held = journal.hold().await;
    let begun = async {
        while journal.writes() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let ask = workload("./a", "./b", false);
    tokio::select! {
        biased;
        answer = applier.apply(ask, by.clone(), &|_| Ok(())) => panic!("it cannot be written: {answer:?}"),
        () = begun => {}
    }
    // Nobody waits for the answer any more.
    drop(held);
    while !catalogue.running().contains_key("shop") {
        running.changed().await.expect("the catalogue lives");
    }
    let [change] = &newest(journal.as_ref(), |_| true, None, 100).expect("readable")[..] else {
        panic!("one change was begun")
    };
    // The same of a decision.
    let id = change.about.change.clone();
    let mut written = world.journal.watch();
    written.borrow_and_update();
    let (held, before) = (journal.hold().await, journal.writes());
    let begun = async {
        while journal.writes() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = changes.refuse(&id, by, None) => panic!("it cannot be written"),
        () = begun => {}
    }
    drop(held);
    written.changed().await.expect("the journal lives");
    let after = &newest(journal.as_ref(), |_| true, None, 100).expect("readable")[0];
    assert!(after.state.is_going_back() || after.state.end().is_some(), "{:?}", after.state.phase);
}
