//! What people do about an alarm: silence it, take it or its incident in hand, write what there is to know, and end the
//! incident.

use serde_json::{Value, json};

use crate::world::{World, idle};

const RULES: &str = "groups:
  - name: always
    interval: 1s
    rules:
      - alert: Loud
        expr: vector(1) > 0
        annotations: { summary: It is loud }
";

#[test]
fn an_alarm_is_silenced_and_its_incident_taken_in_hand() {
    let mut world = World::new();
    world.start_server();
    world.write("mainstay.yaml", &format!("workload: shop\ncomponents:\n{}", idle("a", 1000)));
    world.apply();
    let silence =
        ["silences", "create", "alertname=~Lou.*", "--workload", "shop", "--for", "1h", "--reason", "works"];
    let silence = world.json(&silence);
    assert_eq!((&silence["state"], &silence["by"]), (&json!("active"), &json!("person:operator")));
    let id = silence["id"].as_str().expect("an id").to_owned();

    // It fires, is seen to be silenced, and opens no incident.
    world.write("alarms/loud.yaml", RULES);
    world.apply();
    world.event("alarm.firing", |event| event["data"]["alarm"] == "Loud");
    let alarms = world.json(&["alarms"]);
    assert_eq!(alarms["items"][0]["silenced_by"], id.as_str(), "{alarms:#}");
    assert_eq!(world.json(&["incidents"])["items"], json!([]));

    // What is over is taken up: the alarm fires still.
    world.mainstay(&["silences", "expire", &id]).is(0, &["expired"]);
    let opened = world.event("incident.opened", |_| true);
    let incident = opened["data"]["incident"].as_str().expect("an id").to_owned();
    assert_eq!(world.json(&["alarms"])["items"][0]["incident"], incident.as_str());
    assert_eq!(world.events("alarm.firing").len(), 1);

    let summary = world.json(&["incidents", "ack", &incident, "-m", "on it"]);
    let acknowledged = &summary["acknowledged"];
    assert_eq!((&acknowledged["by"], &acknowledged["message"]), (&json!("person:operator"), &json!("on it")));
    world.json(&["incidents", "ack", &incident]);
    assert_eq!(world.events("incident.acknowledged").len(), 1, "to say it again changes nothing");

    let path = format!("/v1/incidents/{incident}/notes");
    let note = json!({ "text": "It is the <b>horn</b>.", "client_token": "once" }).to_string();
    let written: Vec<Value> = (0..2)
        .map(|_| {
            let (status, body) = world.request("POST", &path, &note);
            assert_eq!(status, 201, "{body}");
            serde_json::from_str(&body).expect("JSON")
        })
        .collect();
    assert_eq!(written[0], written[1]);
    let authorization = format!("Authorization: Bearer {}", world.token());
    let headers = [authorization.as_str(), "Idempotency-Key: once"];
    let (status, body) = crate::world::request(world.http, "POST", &path, &headers, r#"{"text":"again"}"#);
    assert!(status == 422 && body.contains("This key was used for another request"), "{status} {body}");
    let same = r#"{"text":"It is the <b>horn</b>."}"#;
    let (status, body) = crate::world::request(world.http, "POST", &path, &headers, same);
    assert_eq!((status, serde_json::from_str::<Value>(&body).expect("JSON")), (201, written[0].clone()));
    assert_eq!(world.request("POST", &path, r#"{"text":"  "}"#).0, 422);
    world.mainstay(&["incidents", "note", &incident, "The horn is off."]).is(0, &["The horn is off."]);
    let detail = world.json(&["incidents", "show", &incident]);
    let texts: Vec<&str> =
        detail["notes"].as_array().expect("notes").iter().filter_map(|one| one["text"].as_str()).collect();
    assert_eq!(texts, ["It is the <b>horn</b>.", "The horn is off."]);
    let timeline = detail["timeline"].as_array().expect("a timeline");
    let told = |text: &str| {
        timeline.iter().any(|entry| entry["text"].as_str().is_some_and(|told| told.contains(text)))
    };
    assert!(told("acknowledged: on it") && told("The horn is off."), "{timeline:#?}");

    // Nonsense is refused with what is wrong with it.
    let until = "2999-01-01T00:00:00Z";
    for (matchers, ends_at, why) in [
        (json!([]), "2000-01-01T00:00:00Z", "over before it begins"),
        (json!([]), until, "31 days"),
        (json!([{ "name": "a", "value": "(", "is_regex": true, "is_equal": true }]), "", "not a pattern"),
        (json!([{ "name": "a", "value": ".*", "is_regex": true, "is_equal": true }]), "", "every alarm"),
    ] {
        let soon = silence["ends_at"].as_str().expect("a time");
        let ends_at = if ends_at.is_empty() { soon } else { ends_at };
        let body = json!({ "matchers": matchers, "ends_at": ends_at, "reason": "x" });
        let (status, said) = world.request("POST", "/v1/silences", &body.to_string());
        assert!(status == 422 && said.contains(why), "{status} {said}");
    }
    assert_eq!(world.end_server(rustix::process::Signal::TERM), 0);
    world.proves();
}

#[test]
fn an_alarm_is_in_hand_until_it_clears_and_its_incident_ends_by_a_persons_word() {
    let mut world = World::new();
    world.start_server();
    world.write("mainstay.yaml", &format!("workload: shop\ncomponents:\n{}", idle("a", 1000)));
    world.write("alarms/loud.yaml", RULES);
    world.apply();
    let incident = world.event("incident.opened", |_| true)["data"]["incident"].clone();
    let incident = incident.as_str().expect("an id").to_owned();

    // In hand, once.
    world.mainstay(&["alarms", "ack", "Quiet"]).is(4, &["No alarm `Quiet`", "mainstay alarms"]);
    world.mainstay(&["alarms", "ack", "Loud", "--label", "zone"]).is(2, &["NAME=VALUE"]);
    world
        .mainstay(&["alarms", "ack", "Loud", "--label", "zone=a"])
        .is(4, &["does not hold for these labels"]);
    let page = world.json(&["alarms", "ack", "Loud", "-m", "on it"]);
    assert_eq!(page["items"][0]["acknowledged"]["message"], "on it", "{page:#}");
    world.json(&["alarms", "ack", "Loud"]);
    assert_eq!(world.events("alarm.acknowledged").len(), 1, "to say it again changes nothing");
    world.mainstay(&["alarms"]).is(0, &["in hand of person:operator"]);
    world.mainstay(&["status"]).is(0, &["in hand of person:operator"]);
    world.mainstay(&["alarms", "Loud"]).is(0, &["firing", "inactive"]);

    // While the alarm fires it has to be asked for.
    let resolve = ["incidents", "resolve", &incident, "--reason", "the horn is meant to be loud"];
    world.mainstay(&resolve).is(4, &["still hold", "alarm Loud", "is firing", "--force"]);
    let path = format!("/v1/incidents/{incident}/resolve");
    assert_eq!(world.request("POST", &path, r#"{"reason":" ","force":true}"#).0, 422);
    let mut forced = resolve.to_vec();
    forced.push("--force");
    let summary = world.json(&forced);
    assert_eq!(
        (&summary["status"], &summary["resolved_by"]["by"]),
        (&json!("resolved"), &json!("person:operator"))
    );
    assert!(summary["resolved_by"]["waited_for"].to_string().contains("Loud"), "{summary:#}");
    let shown = world.mainstay(&["incidents", "show", &incident]);
    shown.is(0, &["resolved by person:operator: the horn", "resolved by hand after", "to recover not known"]);
    world.json(&forced);
    let resolved = world.events("incident.resolved");
    assert_eq!((resolved.len(), &resolved[0]["actor"]), (1, &json!("person:operator")));
    world.mainstay(&["incidents", "ack", &incident]).is(4, &["is resolved"]);
    let detail = world.json(&["incidents", "show", &incident]);
    let timeline = detail["timeline"].as_array().expect("a timeline");
    let last = timeline.iter().find(|entry| entry["type"] == "incident.resolved").expect("its end");
    assert_eq!(last["subject"], format!("incident/{incident}"));
    world.event("incident.drafted", |_| true);
    assert!(detail["draft"].as_str().is_some_and(|draft| draft.contains("Somebody ended it")), "{detail:#}");

    // It fires on, and that is no news; when it has cleared it is nobody's, and the next time it opens another one.
    assert_eq!(world.json(&["alarms"])["items"][0]["state"], "firing");
    world.write("alarms/loud.yaml", &RULES.replace("vector(1)", "vector(0)"));
    world.apply();
    world.event("alarm.resolved", |_| true);
    let quiet = world.json(&["alarms"]);
    assert_eq!(
        (&quiet["items"][0]["state"], &quiet["items"][0]["acknowledged"]),
        (&json!("inactive"), &Value::Null)
    );
    world.mainstay(&["alarms", "ack", "Loud"]).is(4, &["is inactive"]);
    assert_eq!(world.events("incident.opened").len(), 1);
    world.write("alarms/loud.yaml", RULES);
    world.apply();
    world.event("incident.opened", |event| event["data"]["incident"] != incident.as_str());
    assert_eq!(world.json(&["alarms"])["items"][0]["acknowledged"], Value::Null);
    assert_eq!(world.end_server(rustix::process::Signal::TERM), 0);
    world.proves();
}
