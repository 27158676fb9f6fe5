use std::time::Duration;

use mainstay_model::{Actor, Event, EventDraft, EventHash, EventId, IncidentId, Timestamp};
use serde_json::{Value, json};

use crate::{Case, Context, draft, sentence, timeline, times};

/// Collects events; each is given a second with a fraction.
#[derive(Default)]
struct Journal(Vec<Event>);

/// 2026-11-22T15:00:00Z.
const START: i64 = 1_795_359_600_000;

impl Journal {
    fn say(&mut self, second: f64, actor: &str, kind: &str, data: Value) -> &mut Event {
        let seq = self.0.len() as u64 + 1;
        let draft = EventDraft::new(
            EventId::new(format!("e{seq}")).expect("an id"),
            kind,
            Timestamp::from_millis(START + (second * 1000.0) as i64),
            Actor::try_from(actor.to_owned()).expect("an actor"),
            data,
        );
        let draft = if kind.starts_with("host.") { draft } else { draft.workload("shop") };
        self.0.push(Event { seq, prev_hash: EventHash::default(), hash: EventHash::default(), draft });
        self.0.last_mut().expect("just pushed")
    }

    fn step(
        &mut self,
        (from, to): (f64, f64),
        name: &str,
        action: &str,
        status: &str,
        attempts: u32,
        failure: Option<&str>,
    ) {
        let run = json!({"run": "r1", "procedure": "restore-checkout", "step": name, "action": action});
        let with = |more: Value| {
            let mut data = run.clone();
            for (key, value) in more.as_object().expect("a mapping") {
                data[key] = value.clone();
            }
            data
        };
        if attempts > 0 {
            self.say(from, "run:r1", "run.attempt.started", with(json!({"attempt_number": 1})));
            self.say(
                to,
                "run:r1",
                "run.attempt.settled",
                with(json!({"outcome": {"result": "succeeded", "outputs": {}}})),
            );
        }
        let end = json!({"status": status, "attempts": attempts, "failure": failure, "next": "x"});
        self.say(to, "run:r1", "run.step.finished", with(end));
    }
}

fn incident() -> IncidentId {
    IncidentId::new("inc-1").expect("an id")
}

fn alarm() -> Value {
    json!({"alarm": "CheckoutFailing", "labels": {"alertname": "CheckoutFailing", "severity": "page"}, "value": 0.43219,
           "annotations": {"summary": "Customers cannot pay"}, "expr": "x < 0.95"})
}

fn goal() -> Value {
    json!({"goal": "Customers can pay", "measure": "m", "target": ">= 0.995", "value": 0.9})
}

/// The story the demo tells: a leak, an alarm, a run that heals it.
fn checkout() -> Journal {
    let mut journal = Journal::default();
    journal.say(
        -1800.0,
        "person:maria",
        "revision.applied",
        json!({"revision": "r7", "message": "Bigger cache"}),
    );
    journal.say(
        -5.0,
        "system:alarms",
        "measure.on_target",
        json!({"goal": "Customers can pay", "value": 1.0, "target": ">= 0.995"}),
    );
    journal.say(
        0.0,
        "person:tester",
        "fault.injected",
        json!({"component": "payments", "fault": "Leak connections"}),
    );
    journal.say(1.5, "system:measures", "measure.off_target", goal());
    journal.say(2.0, "system:alarms", "alarm.pending", alarm());
    journal.say(4.0, "system:alarms", "alarm.firing", alarm());
    let snapshot = json!({
        "runs": {}, "alarms": {"CheckoutFailing": {"alarm": "CheckoutFailing"}},
        "changes": [{"seq": 1, "at": "2026-11-22T14:30:00Z", "revision": "r7"}],
    });
    let opened = journal.say(4.0, "system:incidents", "incident.opened",
        json!({"incident": "inc-1", "title": "Customers cannot pay", "alarm": "CheckoutFailing", "snapshot": snapshot}));
    opened.draft.cause = EventId::new("e6").ok();
    journal.say(4.1, "system:triggers", "trigger.matched",
        json!({"trigger": "restore", "event": "e6", "runs": [{"run": "r1", "procedure": "restore-checkout"}]}));
    journal.say(
        4.2,
        "system:triggers",
        "run.started",
        json!({"run": "r1", "procedure": "restore-checkout", "reason": "trigger restore"}),
    );
    journal.step((4.2, 5.0), "inspect", "aws:runCommand", "Success", 2, None);
    journal.step((5.0, 5.0), "judge", "aws:branch", "Success", 0, None);
    journal.step((5.0, 7.5), "restart", "aws:runCommand", "Success", 1, None);
    journal.say(
        6.0,
        "agent:local",
        "service.restarting",
        json!({"component": "payments", "host": "local", "reason": "asked to"}),
    );
    journal.say(
        7.0,
        "agent:local",
        "service.ready",
        json!({"component": "payments", "host": "local", "pid": 7}),
    );
    journal.say(
        8.0,
        "run:r1",
        "run.finished",
        json!({"run": "r1", "procedure": "restore-checkout", "status": "Success"}),
    );
    journal
        .say(9.0, "system:alarms", "run.started", json!({"run": "other", "procedure": "nightly"}))
        .draft
        .workload = Some("books".to_owned());
    journal.say(12.0, "system:alarms", "alarm.resolved", alarm());
    journal.say(
        13.5,
        "system:measures",
        "measure.on_target",
        json!({"goal": "Customers can pay", "value": 0.999, "target": ">= 0.995"}),
    );
    journal.say(13.5, "system:incidents", "incident.resolved",
        json!({"incident": "inc-1", "title": "Customers cannot pay", "duration_ms": 9500, "snapshot": {"runs": {"r1": {}}}}));
    journal.say(14.0, "system:incidents", "incident.drafted", json!({"incident": "inc-1"}));
    journal.say(99.0, "system:alarms", "alarm.pending", alarm());
    journal
}

fn golden(name: &str, text: &str) {
    let path = format!("{}/src/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let expected =
        std::fs::read_to_string(&path).expect("the golden file exists (make it with UPDATE_GOLDEN=1)");
    assert_eq!(text, expected, "{name} (write it anew with UPDATE_GOLDEN=1)");
}

#[test]
fn the_checkout_story_reads_as_it_happened() {
    let journal = checkout();
    let case = Case::find(&journal.0, &incident()).expect("the incident is there");
    let lines: Vec<String> = timeline(&journal.0, &case)
        .iter()
        .map(|entry| {
            format!("{:>8} {:<18} {} [{}]\n", entry.offset_ms, entry.actor, entry.text, entry.event_seq)
        })
        .collect();
    golden("checkout.timeline.txt", &lines.concat());
    let entries = timeline(&journal.0, &case);
    let of = |kind: &str| entries.iter().find(|entry| entry.kind == kind).expect(kind);
    assert_eq!(of("run.finished").outcome.as_deref(), Some("Success"));
    assert_eq!((of("alarm.firing").outcome.as_deref(), &of("alarm.firing").subject), (None, &None));
    let times = times(&case, &journal.0);
    assert_eq!(times.to_detect, Some(Duration::from_secs(4)));
    assert_eq!(times.to_respond, Some(Duration::from_millis(200)));
    assert_eq!(times.to_recover, Some(Duration::from_millis(13_500)));
    let context = Context { title: Some("Web shop".to_owned()), owner: Some("team-storefront".to_owned()) };
    let text = draft(&case, &journal.0, &context);
    assert_eq!(draft(&case, &journal.0, &context), text, "the same events give the same text");
    golden("checkout.md", &text);
}

#[test]
fn without_a_fault_the_first_sign_counts_and_without_a_sign_nothing_is_claimed() {
    let mut journal = checkout();
    journal.0.retain(|event| event.kind != "fault.injected");
    let case = Case::find(&journal.0, &incident()).expect("there");
    let began = times(&case, &journal.0).began.expect("a sign");
    assert_eq!(began.event_seq, 4, "the measure left its target: {began:?}");
    journal.0.retain(|event| event.kind != "measure.off_target");
    assert_eq!(
        times(&case, &journal.0).began.map(|moment| moment.event_seq),
        Some(5),
        "the alarm was pending"
    );
    journal.0.retain(|event| event.kind != "alarm.pending" && !event.kind.starts_with("run."));
    journal.0.retain(|event| event.kind != "incident.resolved");
    let case = Case::find(&journal.0, &incident()).expect("there");
    let unknown = times(&case, &journal.0);
    assert_eq!((unknown.to_detect, unknown.to_respond, unknown.to_recover), (None, None, None));
    golden("unknown.md", &draft(&case, &journal.0, &Context::default()));
    journal.0.retain(|event| event.kind != "incident.opened");
    assert_eq!(Case::find(&journal.0, &incident()), None);
}

#[test]
fn a_measure_that_came_back_is_not_the_beginning() {
    let mut journal = Journal::default();
    journal.say(0.0, "system:m", "measure.off_target", goal());
    journal.say(1.0, "system:m", "measure.on_target", goal());
    journal.say(2.0, "system:m", "measure.off_target", goal());
    journal.say(3.0, "system:a", "alarm.firing", alarm());
    journal.say(
        3.0,
        "system:i",
        "incident.opened",
        json!({"incident": "inc-1", "title": "x", "alarm": "CheckoutFailing"}),
    );
    let case = Case::find(&journal.0, &incident()).expect("there");
    let times = times(&case, &journal.0);
    assert_eq!(times.began.map(|moment| moment.event_seq), Some(3));
    assert_eq!(times.detected.map(|moment| moment.event_seq), Some(4), "found without its id too");
}

#[test]
fn hostile_texts_stay_texts() {
    let mut journal = Journal::default();
    let evil = "x | y\n# Owned <script>alert(1)</script> [a](javascript:b) `c` *d* ![e](http://f) @everyone \u{1b}[31m \u{202e}";
    let mut fired = alarm();
    fired["annotations"]["summary"] = evil.into();
    fired["alarm"] = evil.into();
    journal.say(1.0, "system:a", "alarm.firing", fired);
    journal.say(
        1.0,
        "system:i",
        "incident.opened",
        json!({"incident": "inc-1", "title": evil, "alarm": evil}),
    );
    journal.say(2.0, "person:eve", "run.started", json!({"run": "r1", "procedure": evil, "reason": evil}));
    journal.step((2.0, 3.0), evil, evil, "Failed", 1, Some(evil));
    journal.say(
        4.0,
        "run:r1",
        "run.finished",
        json!({"run": "r1", "procedure": evil, "status": evil, "failure": evil}),
    );
    let case = Case::find(&journal.0, &incident()).expect("there");
    let text =
        draft(&case, &journal.0, &Context { title: Some(evil.to_owned()), owner: Some(evil.to_owned()) });
    let bare = text.replace("\\]", "");
    assert!(!text.contains("<script") && !bare.contains("](") && !text.contains("\n# Owned"), "{text}");
    assert!(
        !text.contains(['\u{1b}', '\u{202e}']) && !text.contains("http://") && !text.contains("@everyone"),
        "{text}"
    );
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!([3, 6, 7, 8].contains(&bars), "{bars} cells: {line}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of all kinds")]
fn every_kind_has_its_sentence() {
    let run = |more: Value| {
        let mut data = json!({"run": "r1", "procedure": "restore", "step": "look"});
        for (key, value) in more.as_object().expect("a mapping") {
            data[key] = value.clone();
        }
        data
    };
    for (kind, data, expected) in [
        ("alarm.firing", alarm(), "Alarm CheckoutFailing fires (value 0.4322): Customers cannot pay"),
        (
            "alarm.pending",
            json!({"alarm": "A", "labels": {"zone": "a"}}),
            "Alarm A for zone=a is pending: its condition holds",
        ),
        ("alarm.resolved", json!({"alarm": "A", "value": 1.0}), "Alarm A has cleared (value 1)"),
        ("alarm.inactive", json!({"alarm": "A"}), "Alarm A is inactive again"),
        ("alarm.no_data", json!({"alarm": "A"}), "Alarm A has no data to judge by"),
        ("alarm.error", json!({"alarm": "A", "error": "no"}), "Alarm A cannot be evaluated: no"),
        ("measure.off_target", goal(), "\"Customers can pay\" is off target (value 0.9), target >= 0.995"),
        ("measure.on_target", goal(), "\"Customers can pay\" is on target (value 0.9), target >= 0.995"),
        ("measure.no_data", goal(), "\"Customers can pay\" has no data"),
        ("measure.error", json!({"goal": "G", "error": "bad"}), "\"G\" cannot be measured: bad"),
        ("service.starting", json!({"component": "c", "host": "h"}), "Service c on h is starting"),
        ("service.ready", json!({"service": "c"}), "Service c is ready"),
        ("service.unhealthy", json!({"service": "c", "reason": "503"}), "Service c is unhealthy: 503"),
        (
            "service.exited",
            json!({"service": "c", "exit_code": 3, "tail": ["a", "b"]}),
            "Service c ended with exit code 3; its last words: b",
        ),
        ("service.exited", json!({"service": "c", "signal": "SIGKILL"}), "Service c ended by SIGKILL"),
        (
            "service.restarting",
            json!({"service": "c", "reason": "asked to"}),
            "Service c is restarted: asked to",
        ),
        ("service.stopped", json!({"service": "c"}), "Service c is stopped"),
        ("service.adopted", json!({"service": "c"}), "Service c went on running and is supervised again"),
        (
            "service.failed",
            json!({"service": "c", "reason": "again and again"}),
            "Service c failed: again and again",
        ),
        (
            "trigger.matched",
            json!({"trigger": "t", "runs": [{"procedure": "p"}, {"procedure": "q"}]}),
            "Trigger t starts p, q",
        ),
        (
            "trigger.failed",
            json!({"trigger": "t", "reason": "no"}),
            "Trigger t could not start its procedure: no",
        ),
        ("run.started", run(json!({"reason": "trigger t"})), "Run of restore began, started by trigger t"),
        ("run.attempt.started", run(json!({"attempt_number": 2})), "Step look began, attempt 2"),
        (
            "run.attempt.dispatched",
            run(json!({"commands": [{"host": "a"}, {"host": "b"}]})),
            "Step look goes to a, b",
        ),
        (
            "run.attempt.stopping",
            run(json!({"because": "timed_out"})),
            "Step look ran into its time limit and is stopped",
        ),
        ("run.attempt.stopping", run(json!({"because": "cancelled"})), "Step look is stopped"),
        (
            "run.attempt.settled",
            run(json!({"outcome": {"result": "failed", "message": "no"}})),
            "An attempt of step look failed: no",
        ),
        (
            "run.attempt.settled",
            run(json!({"decided": true, "outcome": {"result": "succeeded"}})),
            "A person decided: the attempt of step look succeeded",
        ),
        (
            "run.step.finished",
            run(json!({"status": "Success", "next": "b", "outputs": {"Output": "x", "Found": "leak"}})),
            "Step look succeeded (Found: leak); next is b",
        ),
        (
            "run.step.finished",
            run(json!({"status": "Failed", "failure": "code 3"})),
            "Step look failed: code 3",
        ),
        (
            "run.waiting",
            run(json!({"reason": "nobody knows"})),
            "Run of restore waits for a person: nobody knows",
        ),
        ("run.cancelling", run(json!({"reason": "enough"})), "Run of restore is cancelled: enough"),
        ("run.finished", run(json!({"status": "TimedOut"})), "Run of restore timed out"),
        ("incident.opened", json!({"title": "x"}), "Incident opened: x"),
        ("incident.joined", json!({"alarm": "A"}), "Alarm A joined the incident"),
        ("incident.resolved", json!({"duration_ms": 9500}), "Incident resolved after 9.5 s"),
        ("incident.drafted", json!({}), "Draft of the post-incident analysis written"),
        ("server.started", json!({}), "Server started"),
        ("server.stopping", json!({}), "Server is stopping"),
        ("revision.applied", json!({"revision": "r1", "message": "Why"}), "Revision r1 applied: Why"),
        ("revision.proposed", json!({"revision": "r1"}), "Revision r1 was written down"),
        (
            "change.started",
            json!({"change": "c", "revision": "r1", "request": {"message": "Why"}, "plan": {"size": {"resources": 2}}}),
            "Change c of 2 resources to revision r1 began: Why",
        ),
        ("change.held", json!({"change": "c"}), "Change c waits for an approval"),
        (
            "change.approved",
            json!({"change": "c", "by": "ann", "message": "ok"}),
            "Change c was approved by ann: ok",
        ),
        ("change.refused", json!({"change": "c", "by": "ann"}), "Change c was refused by ann"),
        ("change.cancelled", json!({"change": "c", "by": "ann"}), "Change c was cancelled by ann"),
        ("change.wave.started", json!({"change": "c", "wave": 0}), "Change c: wave 1 began"),
        (
            "change.wave.started",
            json!({"change": "c", "wave": 1, "back": true}),
            "Change c: the way back of wave 2 began",
        ),
        ("change.action.returned", json!({"change": "c"}), "Change c: the host of a step is back"),
        ("change.action.lost", json!({"change": "c", "reason": "away"}), "Change c: a step is unknown: away"),
        (
            "change.action.finished",
            json!({"change": "c", "outcome": "rollback_failed", "reason": "no"}),
            "Change c: a step ended as rollback failed: no",
        ),
        ("change.rolling_back", json!({"change": "c", "reason": "no"}), "Change c is rolled back: no"),
        ("change.finished", json!({"change": "c", "end": "kept_part"}), "Change c is over: kept in part"),
        ("host.connected", json!({"host": "h"}), "Host h connected"),
        ("host.lost", json!({"host": "h", "reason": "silent"}), "Host h was lost: silent"),
        (
            "fault.injected",
            json!({"component": "payments", "fault": "leak"}),
            "Fault injected at payments: leak",
        ),
        ("something.else", json!({"x": 1}), "Event something.else"),
        ("run.finished", Value::Null, "Run of (unnamed) ended as"),
    ] {
        let mut journal = Journal::default();
        let event = journal.say(0.0, "system:test", kind, data);
        assert_eq!(sentence(event), expected, "{kind}");
    }
}
