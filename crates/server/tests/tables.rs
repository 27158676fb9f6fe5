//! Tables with more rows than anybody reads at once: nothing of them is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use mainstay_detect::{Condition, Labels, Transition};
use mainstay_model::{Actor, Event, EventDraft, EventId, HostId, RevisionId, Timestamp};
use mainstay_plan::{Observed, Plan, Request};
use mainstay_server::changes::{self, About};
use mainstay_server::clock::SystemClock;
use mainstay_server::hub::Hub;
use mainstay_server::revisions::{self, Revision};
use mainstay_server::{alarms, hosts, measures, responses};
use mainstay_store::{Fold, Head, Journal, MemoryJournal, RowQuery, StoreError};
use serde_json::{Value, json};
use tokio::sync::watch;

/// More than is asked for at once.
const MANY: usize = 1100;

/// A journal of which nobody may ask for very many rows at once, which would take them all into memory.
struct Narrow(MemoryJournal);

impl Journal for Narrow {
    fn append(&self, batch: Vec<EventDraft>) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
        self.0.append(batch)
    }
    fn read(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.0.read(after, limit)
    }
    fn read_before(&self, before: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.0.read_before(before, limit)
    }
    fn read_by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError> {
        self.0.read_by_id(source, id)
    }
    fn head(&self) -> Head {
        self.0.head()
    }
    fn watch(&self) -> watch::Receiver<u64> {
        self.0.watch()
    }
    fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        self.0.cursor(name)
    }
    fn advance(&self, name: &str, seq: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.advance(name, seq)
    }
    fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError> {
        self.0.row(table, id)
    }
    fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError> {
        assert!(query.limit <= 1000, "{} rows of {table} are asked for at once", query.limit);
        self.0.rows(table, query)
    }
}

async fn journal(folds: Vec<Arc<dyn Fold>>, drafts: Vec<EventDraft>) -> Arc<dyn Journal> {
    let journal = Narrow(MemoryJournal::new(folds).expect("a journal"));
    for some in drafts.chunks(500) {
        journal.append(some.to_vec()).await.expect("appended");
    }
    Arc::new(journal)
}

fn draft(id: String, kind: &str, data: Value) -> EventDraft {
    let id = EventId::new(id).expect("an id");
    EventDraft::new(id, kind, Timestamp::from_millis(1), Actor::System("test".to_owned()), data)
}

fn names() -> impl Iterator<Item = String> {
    (0..MANY).map(|number| format!("n{number:05}"))
}

#[tokio::test]
async fn every_host_is_remembered() {
    let joined = |name: String| {
        let data = json!({ "host": name, "tags": { "role": "app" } });
        draft(format!("joined-{name}"), "host.connected", data)
    };
    let journal = journal(vec![Arc::new(hosts::HostsFold)], names().map(joined).collect()).await;
    let hub = Hub::new(journal.clone(), Arc::new(SystemClock), "test");
    hosts::remember(journal.as_ref(), &hub).expect("readable");
    let known: Vec<String> = hub.hosts().iter().map(|host| host.id.to_string()).collect();
    assert_eq!(known, names().collect::<Vec<_>>());
    assert!(hub.host(&HostId::new("n01099").expect("an id")).is_some_and(|host| !host.tags.is_empty()));
}

fn revision(workload: String) -> Revision {
    Revision {
        revision: RevisionId::new(format!("r-{workload}")).expect("an id"),
        workload,
        parent: None,
        digest: "d".to_owned(),
        directory: "/srv".to_owned(),
        files: BTreeMap::new(),
        message: None,
        applied_at: Timestamp::from_millis(1),
        applied_by: Actor::Person("maria".to_owned()),
    }
}

#[tokio::test]
async fn the_wanted_revision_of_every_workload_is_found() {
    let applied = names().map(|name| revision(name).draft(&json!({}))).collect();
    let journal = journal(vec![Arc::new(revisions::WorkloadsFold)], applied).await;
    let found = revisions::all(journal.as_ref()).expect("readable");
    let found: Vec<String> = found.into_iter().map(|revision| revision.workload).collect();
    assert_eq!(found, names().collect::<Vec<_>>());
}

#[tokio::test]
async fn every_change_that_is_not_over_is_found() {
    let plan = Arc::new(plan("shop"));
    let begun = |name: String| {
        let about = About {
            change: format!("c-{name}"),
            workload: name.clone(),
            base: None,
            revision: revision(name).revision,
            restores: None,
        };
        let at = Timestamp::from_millis(1);
        let (_, events) = mainstay_plan::start(
            plan.clone(),
            Request::new(Actor::Person("maria".to_owned())),
            Vec::new(),
            at,
        );
        changes::beginning(&about, &events[..1], at)
    };
    let folds: Vec<Arc<dyn Fold>> = vec![Arc::new(changes::ChangesFold), Arc::new(changes::OpenFold)];
    let journal = journal(folds, names().flat_map(begun).collect()).await;
    let open = changes::open(journal.as_ref()).expect("readable");
    let found: Vec<String> = open.into_iter().map(|record| record.about.workload).collect();
    assert_eq!(found, names().collect::<Vec<_>>());
}

#[tokio::test]
async fn every_measure_is_known_again() {
    let told = |name: String| {
        let data = json!({ "goal": "Customers can pay", "measure": "up", "target": ">= 1" });
        draft(format!("told-{name}"), "measure.on_target", data).workload(name)
    };
    let journal = journal(vec![Arc::new(measures::MeasuresFold)], names().map(told).collect()).await;
    let found = measures::all(journal.as_ref()).expect("readable");
    let found: Vec<String> = found.into_iter().map(|measure| measure.workload).collect();
    assert_eq!(found, names().collect::<Vec<_>>());
}

#[tokio::test]
async fn every_alarm_of_a_workload_is_taken_up_again_and_none_of_another_one() {
    let fires = |workload: &str, name: &str| {
        let transition = Transition {
            alarm: name.to_owned(),
            whole: false,
            labels: Labels::from([("alertname".to_owned(), name.to_owned())]),
            annotations: Labels::new(),
            from: Condition::Pending,
            to: Condition::Firing,
            value: Some(1.0),
            at: Timestamp::from_millis(1),
            active_at: Some(Timestamp::from_millis(1)),
            error: None,
            expr: "x".to_owned(),
        };
        alarms::draft(workload, "a.yaml#g", &format!("alert:{name}{{}}"), transition)
    };
    let mut drafts: Vec<EventDraft> = names().map(|name| fires("shop", &name)).collect();
    drafts.extend(["sho", "shop-2", "shop0"].map(|workload| fires(workload, "Other")));
    let journal = journal(vec![Arc::new(alarms::AlarmsFold)], drafts).await;
    let groups = alarms::restore(journal.as_ref(), "shop").expect("readable");
    let known: Vec<&String> = groups["a.yaml#g"].alarms.keys().collect();
    assert_eq!(
        known,
        names().map(|name| format!("alert:{name}{{}}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
    assert_eq!((groups.len(), alarms::of(journal.as_ref(), "shop-2").expect("readable").len()), (1, 1));
}

#[tokio::test]
async fn a_silence_that_was_made_before_very_many_holds() {
    let silence = |name: &str, ends_at: i64| {
        let one = json!({ "name": "alertname", "value": name, "is_regex": false, "is_equal": true });
        let data = json!({
            "silence": format!("s-{name}"), "workload": null, "matchers": [one], "reason": "known",
            "starts_at": Timestamp::from_millis(1), "ends_at": Timestamp::from_millis(ends_at),
        });
        draft(format!("silence-{name}"), "silence.created", data)
    };
    let mut drafts = vec![silence("first", 1000)];
    drafts.extend(names().map(|name| silence(&name, 10)));
    let journal = journal(vec![Arc::new(responses::SilencesFold)], drafts).await;
    let held = responses::Silences::at(journal.as_ref(), Timestamp::from_millis(100));
    let held = held.expect("readable");
    let of = |alarm: &str| held.of("shop", alarm, &BTreeMap::new()).map(str::to_owned);
    assert_eq!((of("first"), of("n00000")), (Some("s-first".to_owned()), None));
}

fn plan(workload: &str) -> Plan {
    let file = mainstay_declare::SourceFile {
        path: "mainstay.yaml".to_owned(),
        bytes: format!("workload: {workload}\ncomponents: {{ a: {{}} }}\n").into_bytes(),
    };
    let declared = mainstay_declare::declare(&[file], &mainstay_server::languages::Spoken).declared;
    let declared = declared.expect("a workload");
    let version = mainstay_plan::Version { declared: &declared, digest: "d", directory: "/srv" };
    mainstay_plan::plan(version, None, &Observed::default())
}
