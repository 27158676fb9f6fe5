//! What is sent twice is done once, for who sent it and for nothing else.

use serde_json::{Value, json};

use crate::world::{World, exchange, header, request};

struct Person {
    shown: Vec<String>,
}

impl Person {
    /// A user with this role on everything, signed in.
    fn new(world: &World, name: &str, role: &str) -> Self {
        let password = "a long enough one";
        let user = json!({ "user": name, "password": password, "grants": [{ "role": role, "on": "*" }] });
        let (made, body) = world.request("POST", "/v1/users", &user.to_string());
        assert_eq!(made, 201, "{body}");
        let who = json!({ "user": name, "password": password });
        let (head, _) = exchange(world.http, "POST", "/v1/sign-in", &[], &who.to_string());
        let cookie =
            header(&head, "set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
        Self { shown: vec![format!("Cookie: {cookie}"), "x-mainstay-request: test".to_owned()] }
    }

    fn ask(&self, world: &World, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let key = format!("Idempotency-Key: {key}");
        let headers: Vec<&str> = self.shown.iter().map(String::as_str).chain([key.as_str()]).collect();
        let (status, answer) = request(world.http, "POST", path, &headers, &body.to_string());
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }
}

#[track_caller]
fn is_refused(answer: &(u16, Value)) {
    let (status, body) = answer;
    assert_eq!((*status, &body["title"]), (422, &json!("This key was used for another request")), "{body:#}");
    assert!(body["id"].is_null() && body["hint"].is_string(), "{body:#}");
}

/// A step that waits for a person, and one that ends at once.
fn procedure(text: &str) -> String {
    format!(
        "schemaVersion: \"0.3\"\ndescription: {text}\nparameters:\n  Who: {{ type: String, default: nobody }}\nmainSteps:\n  - name: only\n    action: aws:sleep\n    inputs: {{ Duration: PT0S }}\n    isEnd: true\n"
    )
}

#[test]
fn a_key_starts_one_run_of_its_caller_and_no_other() {
    let mut world = World::new();
    world.start_server();
    world.write("mainstay.yaml", "workload: shop\n");
    for name in ["first", "second"] {
        world.write(&format!("runbooks/{name}.yaml"), &procedure(name));
    }
    world.apply();
    let (jo, al) = (Person::new(&world, "jo", "operator"), Person::new(&world, "al", "operator"));
    let run = |who: &Person, procedure: &str, parameters: Value| {
        who.ask(&world, "/v1/runs", "k", &json!({ "procedure": procedure, "parameters": parameters }))
    };
    let (status, hers) = run(&jo, "first", json!({}));
    assert_eq!(status, 201, "{hers:#}");
    assert_eq!(run(&jo, "first", json!({})).1["id"], hers["id"], "the same again");
    is_refused(&run(&jo, "second", json!({})));
    is_refused(&run(&jo, "first", json!({ "Who": "al" })));
    let (status, his) = run(&al, "first", json!({}));
    assert!(status == 201 && his["id"] != hers["id"], "{his:#}");

    world.event("run.finished", |event| {
        event["subject"] == format!("run/{}", hers["id"].as_str().unwrap_or_default())
    });
    world.event("run.finished", |event| {
        event["subject"] == format!("run/{}", his["id"].as_str().unwrap_or_default())
    });
    let resume = |who: &Person, run: &Value, key: &str| {
        let path = format!("/v1/runs/{}/resume", run["id"].as_str().expect("an id"));
        who.ask(&world, &path, key, &json!({ "from": "only" }))
    };
    let (status, resumed) = resume(&jo, &hers, "k");
    assert!(status == 201 && resumed["id"] != hers["id"], "the key is each operation's own: {resumed:#}");
    assert_eq!(resume(&jo, &hers, "k").1["id"], resumed["id"]);
    is_refused(&resume(&jo, &his, "k"));
    assert_eq!(world.events("run.started").len(), 3);
    assert_eq!(world.end_server(rustix::process::Signal::TERM), 0);
    world.proves();
}

#[test]
fn a_silence_a_note_and_a_replay_are_made_once_for_what_was_asked() {
    let mut world = World::new();
    world.start_server();
    world.write("mainstay.yaml", "workload: shop\n");
    world.write("runbooks/first.yaml", &procedure("first"));
    world.write(
        "triggers/all.yaml",
        "Name: all\nEventPattern: { source: [ci] }\nTargets: [{ Id: it, Arn: first }]\n",
    );
    world.write(
        "triggers/other.yaml",
        "Name: other\nEventPattern: { source: [cd] }\nTargets: [{ Id: it, Arn: first }]\n",
    );
    world.apply();
    let (jo, al) = (Person::new(&world, "jo", "operator"), Person::new(&world, "al", "operator"));
    let silence = |who: &Person, alarm: &str| {
        let matchers = json!([{ "name": "alertname", "value": alarm, "is_regex": false, "is_equal": true }]);
        let body = json!({ "matchers": matchers, "starts_at": "2999-01-01T00:00:00Z", "ends_at": "2999-01-02T00:00:00Z", "reason": "x" });
        who.ask(&world, "/v1/silences", "k", &body)
    };
    let (status, made) = silence(&jo, "Loud");
    assert_eq!(status, 201, "{made:#}");
    assert_eq!(silence(&jo, "Loud").1["id"], made["id"]);
    is_refused(&silence(&jo, "Slow"));
    assert_ne!(silence(&al, "Loud").1["id"], made["id"]);

    let replay = |who: &Person, trigger: &str, to: &str| {
        let body = json!({ "from": "2020-01-01T00:00:00Z", "to": to });
        who.ask(&world, &format!("/v1/triggers/{trigger}/replay"), "k", &body)
    };
    let (status, told) = replay(&jo, "all", "2021-01-01T00:00:00Z");
    assert_eq!((status, &told["matched"]), (200, &json!(0)), "{told:#}");
    assert_eq!(replay(&jo, "all", "2021-01-01T00:00:00Z"), (200, told));
    is_refused(&replay(&jo, "all", "2022-01-01T00:00:00Z"));
    is_refused(&replay(&jo, "other", "2021-01-01T00:00:00Z"));
    assert_eq!(replay(&al, "other", "2021-01-01T00:00:00Z").0, 200);
    assert_eq!(world.events("trigger.replayed").len(), 2);
}

#[test]
fn an_event_that_another_one_came_before_is_refused_and_not_answered_with_the_other() {
    let mut world = World::new();
    world.start_server();
    let event = |id: &str, data: Value| json!({ "specversion": "1.0", "id": id, "source": "ci", "type": "built", "data": data });
    let send = |body: &Value| world.request("POST", "/v1/events", &body.to_string());
    let first = event("e1", json!({ "secret": "plan" }));
    assert_eq!(send(&first).0, 201);
    assert_eq!(send(&first).0, 201, "the same again");
    let (status, body) = send(&event("e1", json!({ "n": 2 })));
    assert!(
        status == 422 && body.contains("says something else") && !body.contains("plan"),
        "{status} {body}"
    );
    let batch = json!([event("e2", json!({ "n": 3 })), event("e1", json!({ "n": 4 }))]);
    let token = format!("Bearer {}", world.token());
    let headers = [("authorization", token.as_str()), ("content-type", "application/cloudevents-batch+json")];
    let (status, _, body) = crate::intake::ask(&world, "/v1/events", &headers, batch.to_string().as_bytes());
    assert_eq!((status, &body["causes"]), (422, &json!(["`e1` of `ci`"])), "{body:#}");
    assert_eq!(world.events("built").len(), 2);
}
