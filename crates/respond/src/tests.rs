use mainstay_model::{Actor, Event, EventDraft, EventHash, EventId, Timestamp};
use serde_json::{Value, json};

use crate::{Desk, Incident, State, Status, resolved_by};

/// A journal and the desk that follows it.
struct Story {
    desk: Desk,
    events: Vec<Event>,
    goals: Vec<String>,
}

impl Story {
    fn new(goals: &[&str]) -> Self {
        Self {
            desk: Desk::default(),
            events: Vec::new(),
            goals: goals.iter().map(|goal| (*goal).to_owned()).collect(),
        }
    }

    fn append(&mut self, draft: EventDraft) {
        let seq = self.events.len() as u64 + 1;
        let event = Event { seq, prev_hash: EventHash::default(), hash: EventHash::default(), draft };
        self.desk.apply(&event);
        self.events.push(event);
    }

    /// Something happens at a second; then all that follows from it. Says which incident events followed.
    fn at(&mut self, second: i64, kind: &str, data: Value) -> Vec<String> {
        let id = EventId::new(format!("e{}", self.events.len() + 1)).expect("an id");
        let at = Timestamp::from_millis(second * 1000);
        self.append(EventDraft::new(id, kind, at, Actor::System("test".to_owned()), data).workload("shop"));
        let mut followed = Vec::new();
        while let Some(draft) = self.desk.decide(&self.goals) {
            assert_eq!(self.desk.decide(&self.goals), Some(draft.clone()), "asking twice");
            followed.push(draft.kind.clone());
            self.append(draft);
            assert!(followed.len() < 10, "decisions come to an end: {followed:?}");
        }
        followed
    }

    fn open(&self) -> &Incident {
        self.desk.open.as_ref().expect("an incident is open")
    }
}

fn alarm(name: &str, zone: &str) -> Value {
    json!({"alarm": name, "labels": {"zone": zone}, "annotations": {"summary": format!("{name} in {zone}")},
           "value": 0.5, "expr": "x < 1", "whole": false})
}

fn goal(name: &str) -> Value {
    json!({"goal": name, "measure": "x", "target": ">= 0.995", "value": 0.4})
}

#[test]
fn an_incident_opens_gathers_and_resolves() {
    let mut story = Story::new(&["Customers can pay"]);
    assert!(story.at(10, "revision.applied", json!({"revision": "r1"})).is_empty());
    assert!(story.at(3100, "revision.applied", json!({"revision": "r2"})).is_empty());
    assert!(story.at(3600, "fault.injected", json!({"component": "payments"})).is_empty());
    assert!(story.at(3601, "measure.off_target", goal("Customers can pay")).is_empty());
    assert!(story.at(3602, "alarm.pending", alarm("Failing", "a")).is_empty());
    assert_eq!(story.at(3604, "alarm.firing", alarm("Failing", "a")), ["incident.opened"]);
    assert!(story.at(3604, "trigger.matched", json!({"event": "e6", "runs": [{"run": "run1"}]})).is_empty());
    assert!(story.at(3604, "run.started", json!({"run": "run1", "procedure": "restore"})).is_empty());
    assert_eq!(story.at(3605, "alarm.firing", alarm("Slow", "a")), ["incident.joined"]);
    assert!(story.at(3606, "alarm.firing", alarm("Failing", "a")).is_empty(), "the same alarm joins once");

    let open = story.open();
    assert_eq!((open.title.as_str(), open.status, open.alarms.len()), ("Failing in a", Status::Open, 2));
    assert_eq!(open.from_seq, 2, "ten minutes before");
    assert_eq!(open.changes.len(), 2, "an hour before");
    assert_eq!(open.runs["run1"].because_of, EventId::new("e6").ok());
    assert_eq!(
        open.waiting_for(&story.goals),
        [
            "alarm Failing{zone=\"a\"} is firing",
            "alarm Slow{zone=\"a\"} is firing",
            "\"Customers can pay\" is off target",
            "run run1 of restore goes on",
        ]
    );
    assert!(story.at(3610, "alarm.resolved", alarm("Failing", "a")).is_empty());
    assert!(story.at(3611, "measure.on_target", goal("Customers can pay")).is_empty());
    assert!(story.at(3612, "alarm.inactive", alarm("Slow", "a")).is_empty());
    assert_eq!(
        story.at(3615, "run.finished", json!({"run": "run1", "status": "Success"})),
        ["incident.resolved"]
    );
    assert_eq!(story.desk.open, None);
    let last = Incident::told(story.events.last().expect("an event")).expect("told");
    assert_eq!((last.status, last.resolved_at), (Status::Resolved, Some(Timestamp::from_millis(3_615_000))));
    assert_eq!(last.runs["run1"].status, "Success");
    assert_eq!(story.at(3700, "alarm.firing", alarm("Failing", "a")), ["incident.opened"]);
    assert_ne!(story.open().id, last.id, "the next one is another one");
}

#[test]
fn nothing_known_is_not_good() {
    let mut story = Story::new(&["Pay", "Confirm"]);
    story.at(1, "alarm.firing", alarm("Failing", "a"));
    story.at(2, "measure.on_target", goal("Pay"));
    story.at(3, "alarm.resolved", alarm("Failing", "a"));
    assert_eq!(story.open().waiting_for(&story.goals), ["\"Confirm\" has not been measured"]);
    story.at(4, "measure.no_data", goal("Confirm"));
    assert_eq!(story.open().waiting_for(&story.goals), ["\"Confirm\" is unknown"]);
    let whole = |to: &str| json!({"alarm": "Failing", "labels": {}, "whole": true, "to": to});
    story.at(5, "alarm.no_data", whole("no_data"));
    story.at(6, "measure.on_target", goal("Confirm"));
    assert_eq!(story.open().waiting_for(&story.goals), ["alarm Failing{zone=\"a\"} is no data"]);
    assert_eq!(story.at(7, "alarm.inactive", whole("inactive")), ["incident.resolved"]);
}

#[test]
fn a_workload_without_priorities_resolves_on_its_alarms() {
    let mut story = Story::new(&[]);
    assert!(story.at(1, "alarm.pending", alarm("Failing", "a")).is_empty());
    assert!(story.at(2, "alarm.inactive", alarm("Failing", "a")).is_empty(), "pending alone opens nothing");
    assert_eq!(story.at(3, "alarm.firing", json!({"alarm": "Bare"})), ["incident.opened"]);
    assert_eq!(story.open().title, "Bare");
    assert_eq!(story.open().alarms["Bare"].state, State::Firing);
    assert_eq!(story.at(4, "alarm.resolved", json!({"alarm": "Bare"})), ["incident.resolved"]);
}

#[test]
fn a_run_that_began_before_the_incident_was_written_belongs_to_it() {
    let mut story = Story::new(&[]);
    // The journal has the alarm, the trigger and the run before anybody asked for a decision.
    for (kind, data) in [
        ("run.started", json!({"run": "old", "procedure": "nightly"})),
        ("run.finished", json!({"run": "old", "status": "Success"})),
        ("alarm.firing", alarm("Failing", "a")),
        ("trigger.matched", json!({"event": "e3", "runs": ["quick"]})),
        ("run.started", json!({"run": "quick", "procedure": "restore"})),
    ] {
        let id = EventId::new(format!("e{}", story.events.len() + 1)).expect("an id");
        let at = Timestamp::from_millis(1000);
        story.append(EventDraft::new(id, kind, at, Actor::System("test".to_owned()), data).workload("shop"));
    }
    assert_eq!(story.at(2, "run.finished", json!({"run": "quick", "status": "Failed"})), ["incident.opened"]);
    assert_eq!(story.open().runs.keys().collect::<Vec<_>>(), ["quick"]);
    story.at(3, "run.started", json!({"run": "manual", "procedure": "look"}));
    story.at(4, "run.waiting", json!({"run": "manual"}));
    assert_eq!(
        story.at(5, "alarm.resolved", alarm("Failing", "a")),
        ["incident.resolved"],
        "a person may take days"
    );
}

#[test]
fn other_workloads_and_strange_events_change_nothing() {
    let mut story = Story::new(&[]);
    story.at(1, "alarm.firing", alarm("Failing", "a"));
    let before = story.desk.clone();
    for (kind, data) in [
        ("alarm.firing", Value::Null),
        ("alarm.odd", alarm("Odd", "a")),
        ("incident.resolved", json!({"snapshot": {"id": "inc-1"}})),
        ("run.finished", json!({"run": "never seen", "status": "Success"})),
        ("trigger.matched", json!({"runs": 5})),
        ("nonsense", json!([])),
    ] {
        let id = EventId::new("x").expect("an id");
        let draft = EventDraft::new(id, kind, before.as_of, Actor::System("test".to_owned()), data);
        let event = |draft: EventDraft| Event {
            seq: 99,
            prev_hash: EventHash::default(),
            hash: EventHash::default(),
            draft,
        };
        let mut desk = before.clone();
        desk.apply(&event(draft.clone().workload("other")));
        desk.apply(&event(draft.clone()));
        assert_eq!(desk, before, "{kind}");
        desk.apply(&event(draft.workload("shop")));
        desk.recent.clone_from(&before.recent);
        assert_eq!(desk, before, "{kind}");
    }
}

#[test]
fn a_desk_reads_back_and_stays_small() {
    let mut story = Story::new(&["Pay"]);
    for second in 0..2000 {
        story.at(second, "service.restarting", json!({"component": "payments"}));
        story.at(second, "revision.applied", json!({"revision": format!("r{second}")}));
        let run = format!("run{second}");
        story.at(second, "trigger.matched", json!({"event": "e1", "runs": [run]}));
        story.at(second, "run.started", json!({"run": run, "procedure": "p"}));
        story.at(second, "run.finished", json!({"run": run, "status": "Success"}));
    }
    let text = serde_json::to_string(&story.desk).expect("JSON");
    assert_eq!(serde_json::from_str::<Desk>(&text).expect("reads back"), story.desk);
    assert!(text.len() < 300_000, "{} bytes", text.len());
}

#[test]
fn an_end_by_hand_is_the_end_and_loses_no_alarm() {
    let mut story = Story::new(&["Pay"]);
    story.at(1, "alarm.firing", alarm("Failing", "a"));
    let seen = story.open().clone();
    assert_eq!(seen.still_wrong(), ["alarm Failing{zone=\"a\"} is firing"]);
    // Another one joins while a person reads.
    assert_eq!(story.at(2, "alarm.firing", alarm("Slow", "a")), ["incident.joined"]);
    let jo = Actor::Person("jo".to_owned());
    let at = Timestamp::from_millis(3000);
    let end = resolved_by(&seen, &story.goals, jo, Some("seen to"), seen.cause.clone(), at);
    story.append(end);
    let told = Incident::told(story.events.last().expect("an event")).expect("told");
    let by_hand = told.by_hand.expect("by hand");
    assert_eq!((by_hand.by.as_str(), by_hand.message.as_deref()), ("person:jo", Some("seen to")));
    assert_eq!(by_hand.waited_for.len(), 2, "{by_hand:?}");
    assert_eq!(story.at(4, "service.ready", json!({})), ["incident.opened"], "the one that joined");
    let open = story.open();
    assert_ne!(open.id, told.id);
    assert_eq!(open.alarms.keys().collect::<Vec<_>>(), ["Slow{zone=\"a\"}"], "the other one had been seen");
    // It clears, and an alarm in which nothing is known holds nobody back.
    story.at(5, "alarm.no_data", json!({"alarm": "Slow", "labels": {}, "whole": true}));
    assert_eq!(story.open().still_wrong(), [""; 0]);
}
