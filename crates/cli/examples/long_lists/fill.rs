//! A journal as it is after years: hosts that have connected, and runs and incidents from their beginning to their end.

use mainstay_model::{Actor, EventDraft, EventId, IncidentId, RunId, Tags, Timestamp};
use mainstay_respond::{Alarm, Incident, State, Status};
use mainstay_runbook::{Document, Input, Origin, RunEvent, Start};
use mainstay_store::{Journal as _, SqliteJournal};
use serde_json::{Map, Value, json};

fn at(number: usize) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + i64::try_from(number).expect("small") * 60_000)
}

fn id(text: String) -> EventId {
    EventId::new(text).expect("an id")
}

fn host(number: usize) -> EventDraft {
    let host = format!("h{number:05}");
    let tags: Tags =
        [("role", "edge".to_owned()), ("zone", format!("z{}", number % 50))].into_iter().collect();
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

/// Writes so many hosts into a journal, and so many runs and incidents, each of these with all of its events.
pub async fn fill(journal: &SqliteJournal, hosts: usize, many: usize) {
    let value = json!({ "schemaVersion": "0.3", "mainSteps": [{ "name": "p", "action": "aws:pause", "inputs": {} }] });
    let document = Document::parse(&value).expect("right");
    let mut batch: Vec<EventDraft> = (0..hosts).map(host).collect();
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
