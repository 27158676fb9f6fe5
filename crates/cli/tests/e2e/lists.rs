//! Lists at the size of a large fleet after years: 50,000 hosts, and 100,000 runs, events and incidents. What a page takes is
//! printed; that pages are whole and follow each other is asserted. It takes minutes to fill the journal, so it is asked for:
//! `cargo test -p mainstay --test e2e -- --ignored lists --nocapture`.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_model::{Actor, EventDraft, EventId, IncidentId, RunId, Tags, Timestamp};
use mainstay_respond::{Alarm, Incident, State, Status};
use mainstay_runbook::{Document, Input, Origin, RunEvent, Start};
use mainstay_store::{Journal as _, Options, SqliteJournal};
use serde_json::{Map, Value, json};

use crate::processes::now;
use crate::world::World;

const HOSTS: usize = 50_000;

/// How many runs and incidents there are; `MAINSTAY_LISTS=10000` fills the journal sooner.
fn many() -> usize {
    let asked = std::env::var("MAINSTAY_LISTS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(100_000_usize).max(10_000)
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + i64::try_from(number).expect("small") * 60_000)
}

fn id(text: String) -> EventId {
    EventId::new(text).expect("an id")
}

fn host(number: usize) -> EventDraft {
    let host = format!("h{number:05}");
    let tags: Tags =
        [("role", "app".to_owned()), ("zone", format!("z{}", number % 50))].into_iter().collect();
    let data = json!({ "host": host, "tags": tags, "version": "1" });
    EventDraft::new(
        id(format!("connected-{host}")),
        "host.connected",
        at(0),
        Actor::System("hub".into()),
        data,
    )
    .subject(format!("host/{host}"))
}

/// The alarm that keeps an incident open.
fn failing(number: usize) -> Alarm {
    Alarm {
        alarm: "Failing".to_owned(),
        labels: [].into(),
        annotations: [].into(),
        state: State::Firing,
        since: at(number),
        pending_since: None,
        value: None,
    }
}

/// An incident from its beginning to its draft; the last of each workload is open. One in a thousand is of `rare`.
fn incident(number: usize, many: usize) -> Vec<EventDraft> {
    let workload = if number % 1000 == 7 { "rare" } else { "shop" };
    let incident = Incident {
        id: IncidentId::new(format!("inc-{number:016x}")).expect("an id"),
        workload: workload.to_owned(),
        title: format!("Customers cannot pay ({number})"),
        status: Status::Open,
        opened_at: at(number),
        firing_since: at(number),
        resolved_at: None,
        by_hand: None,
        cause: id(format!("alarm-{number}")),
        from_seq: 1,
        alarms: [("Failing".to_owned(), failing(number))].into(),
        measures: [].into(),
        runs: [].into(),
        changes: Vec::new(),
    };
    let draft = |what: &str, data: Value| {
        let kind = format!("incident.{what}");
        EventDraft::new(
            id(format!("{}.{what}", incident.id)),
            kind,
            at(number),
            Actor::System("x".into()),
            data,
        )
        .subject(format!("incident/{}", incident.id))
        .workload(workload)
    };
    let opened = draft("opened", json!({ "incident": incident.id, "snapshot": incident }));
    if number >= many - 1 {
        return vec![opened];
    }
    let over = Incident { status: Status::Resolved, resolved_at: Some(at(number + 1)), ..incident.clone() };
    vec![
        opened,
        draft("resolved", json!({ "incident": incident.id, "snapshot": over })),
        draft("drafted", json!({ "incident": incident.id, "path": "x.md" })),
    ]
}

/// A run, cancelled but for the last ten. One in ten thousand is of the procedure `rare`.
fn run(document: &Document, number: usize, many: usize) -> Vec<EventDraft> {
    let by = || Actor::Person("alice".to_owned());
    let start = Start {
        run: RunId::new(format!("r{number:06}")).expect("an id"),
        procedure: if number % 10_000 == 5 { "rare" } else { "usual" }.to_owned(),
        workload: Some("shop".to_owned()),
        digest: String::new(),
        parameters: Map::new(),
        at: at(number),
        by: by(),
        reason: None,
        cause: None,
        host: None,
        origin: Origin::default(),
    };
    let started = mainstay_runbook::start(document, start).expect("started");
    let mut events: Vec<EventDraft> = started.events.iter().map(RunEvent::draft).collect();
    if number < many - 10 {
        let input = Input::Cancel { by: by(), reason: "enough".to_owned() };
        let over = mainstay_runbook::step(document, &started.run, input, at(number));
        events.extend(over.events.iter().map(RunEvent::draft));
    }
    events
}

async fn fill(journal: &SqliteJournal) {
    let value = json!({ "schemaVersion": "0.3", "mainSteps": [{ "name": "p", "action": "aws:pause", "inputs": {} }] });
    let document = Document::parse(&value).expect("right");
    let mut batch: Vec<EventDraft> = (0..HOSTS).map(host).collect();
    let many = many();
    for number in 0..many {
        batch.extend(incident(number, many));
        batch.extend(run(&document, number, many));
        if batch.len() > 2000 || number == many - 1 {
            for part in batch.chunks(2000) {
                journal.append(part.to_vec()).await.expect("durable");
            }
            batch.clear();
        }
    }
}

fn get(world: &World, path: &str) -> Value {
    let (status, body) = world.request("GET", path, "");
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// How long a page takes, the fastest of three: the first may find nothing in memory.
fn measure(world: &World, path: &str) -> Value {
    let mut took = Vec::new();
    let mut page = Value::Null;
    for _ in 0..3 {
        let began = now();
        page = get(world, path);
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let best = took.iter().copied().fold(f64::INFINITY, f64::min);
    let items = page["items"].as_array().map_or(0, Vec::len);
    println!("{best:8.1} ms (first {:.1})  {items:5} entries  {path}", took[0]);
    page
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
#[ignore = "it takes minutes to fill the journal; prints what pages take"]
fn pages_of_long_lists_are_measured() {
    let (many, mut world) = (many(), World::new());
    std::fs::create_dir_all(world.data()).expect("made");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let began = now();
    {
        let options = Options { folds: mainstay_server::folds(), ..Options::default() };
        let journal = SqliteJournal::open(world.data().join("journal"), options).expect("a journal");
        let journal = Arc::new(journal);
        runtime.block_on(fill(&journal));
        println!("{} events written in {:.0} s", journal.head().seq, began.elapsed().as_secs_f64());
    }
    let began = now();
    world.start_server();
    println!("the server was ready after {:.1} s", began.elapsed().as_secs_f64());
    world.write(
        "mainstay.yaml",
        "workload: shop\ncomponents:\n  a:\n    hosts: role=none\n    service: { run: sleep 1000 }\n",
    );
    world.apply();

    measure(&world, "/v1/status");
    measure(&world, "/v1/hosts?limit=100");
    measure(&world, "/v1/hosts?limit=1000");
    measure(&world, "/v1/hosts?limit=100&cursor=h40000");
    measure(&world, "/v1/hosts?limit=100&sort=trouble");
    assert_eq!(
        measure(&world, "/v1/hosts?limit=1000&selector=zone%3Dz7")["items"].as_array().map(Vec::len),
        Some(1000)
    );
    assert_eq!(ids(&measure(&world, "/v1/hosts?contains=h49999")), ["h49999"]);
    assert_eq!(ids(&measure(&world, "/v1/hosts?connected=true")), [""; 0]);
    let mut seen = BTreeSet::new();
    let mut path = "/v1/hosts?limit=1000&sort=trouble".to_owned();
    loop {
        let page = get(&world, &path);
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/hosts?limit=1000&sort=trouble&cursor={next}");
    }
    assert_eq!(seen.len(), HOSTS, "every host is on a page");

    let page = measure(&world, "/v1/runs?limit=50");
    assert_eq!(ids(&page)[0], format!("r{:06}", many - 1));
    measure(&world, "/v1/runs?limit=50&cursor=r005000");
    assert_eq!(ids(&measure(&world, "/v1/runs?active=true")).len(), 10);
    assert_eq!(ids(&measure(&world, "/v1/runs?status=Waiting,InProgress")).len(), 10);
    assert_eq!(ids(&measure(&world, "/v1/runs?procedure=rare")).len(), many / 10_000);
    assert_eq!(ids(&measure(&world, "/v1/runs?status=Failed")), [""; 0]);
    assert_eq!(ids(&measure(&world, "/v1/runs?workload=rare")), [""; 0]);

    let page = measure(&world, "/v1/incidents?limit=50");
    assert_eq!(ids(&page)[0], format!("inc-{:016x}", many - 1));
    measure(&world, &format!("/v1/incidents?limit=50&cursor=inc-{:016x}", 10_000));
    assert_eq!(ids(&measure(&world, "/v1/incidents?status=open")), [format!("inc-{:016x}", many - 1)]);
    let rare = measure(&world, "/v1/incidents?limit=6&workload=rare");
    let next = rare["next"].as_str().expect("more");
    let more = measure(&world, &format!("/v1/incidents?limit=500&workload=rare&cursor={next}"));
    assert_eq!((ids(&rare).len(), ids(&more).len(), &more["next"]), (6, many / 1000 - 6, &Value::Null));

    measure(&world, "/v1/events?limit=100");
    measure(&world, "/v1/events?limit=100&before=100000");
    measure(&world, "/v1/events?limit=100&subject=run/r005000");
    measure(&world, "/v1/events?limit=100&match=fault.injected");
    measure(&world, "/v1/events?limit=100&contains=needle");
    measure(&world, "/v1/alarms");
    measure(&world, "/v1/triggers");
    measure(&world, "/v1/workloads");
    assert_eq!(world.end_server(rustix::process::Signal::TERM), 0);
}
