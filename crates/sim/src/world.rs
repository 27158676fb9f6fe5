//! A server's run engine, its journal and its hosts, which a scenario kills and starts again.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_model::{Actor, HostId, RunId, Tags, Timestamp};
use mainstay_runbook::{Document, Origin, Run, Start};
use mainstay_server::clock::Clock as _;
use mainstay_server::runs::{
    Engine, FactsFold, Found, Order, Procedures, RunsFold, StatesFold, newest, run, unfinished,
};
use mainstay_store::{Journal, MemoryJournal};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{CrashPoint, CrashingJournal, SimClock, SimHosts, Work};

/// Procedures by name, and how many runs of each may go on at once.
#[derive(Clone, Default)]
pub struct Library {
    documents: BTreeMap<String, Arc<Document>>,
    limits: BTreeMap<String, u32>,
}

impl Library {
    /// The same with a procedure more.
    #[must_use]
    pub fn with(mut self, name: &str, document: &Value) -> Self {
        let document =
            Document::parse(document).unwrap_or_else(|problems| unreachable!("{name}: {problems:?}"));
        self.documents.insert(name.to_owned(), Arc::new(document));
        self
    }

    /// The same with a procedure more that was read before.
    #[must_use]
    pub fn holding(mut self, name: &str, document: Arc<Document>) -> Self {
        self.documents.insert(name.to_owned(), document);
        self
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.documents.keys().cloned().collect()
    }

    /// The same with a limit more.
    #[must_use]
    pub fn limit(mut self, name: &str, limit: u32) -> Self {
        self.limits.insert(name.to_owned(), limit);
        self
    }

    /// One of them, which has to be there.
    pub fn document(&self, name: &str) -> &Arc<Document> {
        &self.documents[name]
    }
}

impl Procedures for Library {
    fn find(&self, _workload: Option<&str>, name: &str) -> Result<Found, String> {
        let document = self.documents.get(name).cloned();
        document
            .map(|document| Found { document, digest: format!("digest-of-{name}") })
            .ok_or_else(|| format!("There is no procedure {name}"))
    }

    fn limit(&self, _workload: Option<&str>, name: &str) -> Option<u32> {
        self.limits.get(name).copied()
    }
}

/// What is left when the server dies: the journal, the hosts, and the time.
pub struct RunWorld {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The hosts: `control`, and `app-1` and `app-2` with `role=app`.
    pub hosts: Arc<SimHosts>,
    clock: Arc<SimClock>,
    library: Library,
}

impl RunWorld {
    /// A world in which nothing has happened.
    pub fn new(library: Library, behaviour: impl Fn(&Order) -> Work + Send + Sync + 'static) -> Self {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_millis(1_795_359_845_000)));
        let host = |name: &str, role: &str| {
            (HostId::new(name).expect("a host id"), Tags::from_iter([("role", role)]))
        };
        let hosts = vec![host("control", "control"), host("app-1", "app"), host("app-2", "app")];
        let journal = MemoryJournal::new(vec![
            Arc::new(RunsFold::default()),
            Arc::new(StatesFold),
            Arc::new(FactsFold),
        ])
        .expect("a journal");
        Self {
            journal: Arc::new(journal),
            hosts: SimHosts::new(hosts, clock.clone(), behaviour),
            clock,
            library,
        }
    }

    /// One life of the server: it takes up what is unfinished, starts these runs (id and procedure), and works until all
    /// runs are over, the scenario has seen enough, or the server is killed. Answers with whether it was not killed and
    /// with how many writes it made.
    pub async fn live(
        &self,
        runs: &[(&str, &str)],
        point: CrashPoint,
        enough: impl AsyncFn(&Engine),
    ) -> (bool, u64) {
        let journal = CrashingJournal::new(self.journal.clone(), point);
        let stop = CancellationToken::new();
        let engine = Engine::new(
            journal.clone(),
            self.hosts.clone(),
            Arc::new(self.library.clone()),
            self.clock.clone(),
            stop.clone(),
        );
        let work = async {
            engine.recover().expect("the journal is readable");
            for (id, procedure) in runs {
                let document = self.library.document(procedure);
                engine.start(document, self.begin(id, procedure), Vec::new()).await.expect("the run starts");
            }
            enough(&engine).await;
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

    /// What a run of a procedure begins with.
    pub fn begin(&self, id: &str, procedure: &str) -> Start {
        Start {
            run: RunId::new(id).expect("an id"),
            procedure: procedure.to_owned(),
            workload: Some("shop".to_owned()),
            digest: format!("digest-of-{procedure}"),
            parameters: Map::new(),
            at: self.clock.now(),
            by: Actor::Person("test".to_owned()),
            reason: None,
            cause: None,
            host: None,
            origin: Origin::default(),
        }
    }

    /// Waits until something holds of the journal.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut watch = self.journal.watch();
        loop {
            watch.borrow_and_update();
            if holds(self) {
                return;
            }
            watch.changed().await.expect("the journal lives");
        }
    }

    /// Waits until these runs are over, and every run they started.
    pub async fn over(&self, runs: &[(&str, &str)]) {
        let known = |id: &str| self.find(id).is_some_and(|run| run.status.is_over());
        self.until(|world| {
            runs.iter().all(|(id, _)| known(id))
                && unfinished(world.journal.as_ref()).expect("the journal is readable").is_empty()
        })
        .await;
    }

    /// A run.
    pub fn find(&self, id: &str) -> Option<Run> {
        let id = RunId::new(id).expect("an id");
        run(self.journal.as_ref(), &id).expect("the journal is readable")
    }

    /// All runs, without what differs by how long the server was away.
    pub fn runs(&self) -> BTreeMap<String, Value> {
        let runs = newest(self.journal.as_ref(), None, 1000).expect("readable");
        let value = |run: &Run| serde_json::to_value(run).expect("a run is JSON");
        runs.iter().map(|run| (run.id.to_string(), without_times(value(run)))).collect()
    }

    /// Runs the scenario undisturbed; then once for each write with the server killed before it, and once killed after
    /// it; then with a server that dies after each single write. Every time the runs come out the same, and every effect
    /// happened as often. Answers with the undisturbed world.
    pub async fn kill_everywhere(new: impl Fn() -> Self, runs: &[(&str, &str)]) -> Self {
        let expected = new();
        let (finished, writes) =
            expected.live(runs, CrashPoint::Never, async |_| expected.over(runs).await).await;
        assert!(finished);
        for write in 1..=writes {
            for point in [CrashPoint::Before(write), CrashPoint::After(write)] {
                let world = new();
                let (finished, _) = world.live(runs, point, async |_| world.over(runs).await).await;
                assert!(!finished || point == CrashPoint::After(writes), "{point:?} killed nothing");
                let (finished, _) =
                    world.live(runs, CrashPoint::Never, async |_| world.over(runs).await).await;
                assert!(finished);
                world.same_as(&expected, &format!("{point:?}"));
            }
        }
        let world = new();
        for life in 0.. {
            assert!(life < 10 * writes, "it does not get there");
            if world.live(runs, CrashPoint::After(1), async |_| world.over(runs).await).await.0 {
                break;
            }
        }
        world.same_as(&expected, "one write a life");
        expected
    }

    fn same_as(&self, expected: &Self, when: &str) {
        let (found, expected_runs) = (self.runs(), expected.runs());
        let ids = |runs: &BTreeMap<String, Value>| runs.keys().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&expected_runs), "{when}");
        for (id, run) in &expected_runs {
            assert_eq!(found[id], *run, "{when}: {id}");
        }
        assert_eq!(self.hosts.executed(), expected.hosts.executed(), "{when}: every effect as often");
    }
}

fn without_times(mut value: Value) -> Value {
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
    strip(&mut value);
    value
}
