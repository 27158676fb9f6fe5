//! What a grant on a selector reaches: where a workload's tags change, where little is known of it, and where a run acts for
//! somebody.

use serde_json::{Value, json};

use crate::access::{PASSWORD, Visitor, add_user};
use crate::world::{World, idle};

fn files(name: &str, site: &str, more: &[(&str, &str)]) -> Value {
    let text = format!(
        "workload: {name}\ntags: {{ site: {site} }}\nchanges: {{ approval: {{ resources: 0 }} }}\ncomponents:\n{}",
        idle("a", 1000)
    );
    let all = [("mainstay.yaml", text.as_str())].into_iter().chain(more.iter().copied());
    let files: Vec<Value> = all.map(|(path, content)| json!({ "path": path, "content": content })).collect();
    json!({ "files": files, "directory": "/tmp" })
}

/// Applies as somebody and answers with the id of the change, which is held.
#[track_caller]
fn held(who: &Visitor, files: &Value) -> String {
    let applied = who.is(200, "POST", "/v1/workloads", files);
    assert_eq!(applied["change"]["state"], "held", "{applied:#}");
    applied["change"]["id"].as_str().expect("an id").to_owned()
}

fn user(world: &World, name: &str, grants: &[&str]) -> Visitor {
    let arguments: Vec<&str> =
        std::iter::once(name).chain(grants.iter().flat_map(|grant| ["--grant", *grant])).collect();
    add_user(world, &arguments);
    Visitor::signed_in(world, name, PASSWORD)
}

#[test]
fn a_change_is_approved_by_who_has_a_say_on_what_is_and_what_is_to_be() {
    let mut world = World::up();
    let (nothing, machine) = (json!({}), Visitor::with_token(&world, &world.token()));
    let operator = user(&world, "olga", &["operator@site in (east,west)"]);
    let west = user(&world, "wim", &["approver@site=west"]);
    let east = user(&world, "eva", &["approver@site=east"]);
    let all_but_west = user(&world, "nora", &["approver@site!=west"]);

    // The first change of a workload: nobody knows the workload yet, and the change has its tags.
    let first = held(&operator, &files("shop", "west", &[]));
    let (one, approve) = (format!("/v1/changes/{first}"), format!("/v1/changes/{first}/approve"));
    operator.is(200, "GET", &one, &Value::Null);
    let listed = operator.is(200, "GET", "/v1/changes", &Value::Null);
    assert_eq!(listed["items"][0]["id"], first.as_str(), "{listed:#}");
    for other in [&east, &all_but_west] {
        // What they do not see is not there.
        let unknown = other.is(404, "GET", "/v1/changes/ffffffffffffffff", &Value::Null);
        let hidden = other.is(404, "GET", &one, &Value::Null);
        assert_eq!(unknown["type"], hidden["type"]);
        other.is(404, "POST", &approve, &nothing);
        assert_eq!(other.is(200, "GET", "/v1/changes", &Value::Null)["items"], json!([]));
    }
    west.is(200, "POST", &approve, &nothing);
    world.event("revision.applied", |event| event["data"]["workload"] == "shop");

    // Other tags: both have a say.
    let moved = held(&operator, &files("shop", "east", &[]));
    let approve = format!("/v1/changes/{moved}/approve");
    west.is(403, "POST", &approve, &nothing);
    east.is(404, "POST", &approve, &nothing);
    machine.is(200, "POST", &approve, &nothing);
    world.event("revision.applied", |event| event["data"]["parent"].is_string());
    east.is(200, "GET", "/v1/workloads/shop", &Value::Null);
    world.proves();
}

const BACK: &str = "schemaVersion: '0.3'
description: Goes back.
parameters:
  Revision: { type: String }
  Workload: { type: String, default: shop }
mainSteps:
  - name: back
    action: mainstay:applyRevision
    inputs: { Revision: '{{ Revision }}', Workload: '{{ Workload }}' }
";

#[test]
fn a_plan_tells_of_no_host_that_one_does_not_see() {
    let world = World::up();
    let plan = |who: &Visitor| {
        let text = "workload: brand\ncomponents:\n  b: { hosts: '*', service: { run: sleep 9 } }\n";
        let files = json!([{ "path": "mainstay.yaml", "content": text }]);
        let plan = who.is(200, "POST", "/v1/plans", &json!({ "files": files, "directory": "/tmp" }));
        (plan["partial"].as_bool(), plan["plan"].to_string().contains("\"here\""))
    };
    let viewer = user(&world, "vera", &["viewer@workload=brand"]);
    assert_eq!(plan(&viewer), (Some(true), false));
    let operator = user(&world, "olga", &["operator@workload=brand"]);
    assert_eq!(plan(&operator), (Some(false), true));
    let of_hosts = user(&world, "hedy", &["viewer@workload=brand", "viewer@role=app"]);
    assert_eq!(plan(&of_hosts), (Some(true), true));
}

#[test]
fn a_run_does_for_somebody_no_more_than_they_may() {
    let mut world = World::up();
    let nothing = json!({});
    let both = user(&world, "olga", &["operator@workload=shop", "approver@workload=shop"]);
    let machine = Visitor::with_token(&world, &world.token());
    let mut apply = |name: &str, more: &[(&str, &str)]| {
        let id = held(&machine, &files(name, "east", more));
        machine.is(200, "POST", &format!("/v1/changes/{id}/approve"), &json!({ "own": true }));
        world.event("revision.applied", |event| event["data"]["change"] == id.as_str())["data"]["revision"]
            .clone()
    };
    let first = apply("shop", &[("runbooks/back.yaml", BACK)]);
    let other = apply("other", &[]);
    apply("shop", &[("runbooks/back.yaml", BACK), ("runbooks/more.yaml", BACK)]);

    let run = |revision: &Value, workload: &str| {
        let parameters = json!({ "Revision": [revision], "Workload": [workload] });
        let new = json!({ "procedure": "back", "workload": "shop", "parameters": parameters });
        both.is(201, "POST", "/v1/runs", &new)["id"].as_str().expect("an id").to_owned()
    };
    // Not what belongs to another workload.
    let id = run(&other, "other");
    world.event("run.finished", |event| event["subject"] == format!("run/{id}").as_str());
    let shown = both.is(200, "GET", &format!("/v1/runs/{id}"), &Value::Null);
    assert!(shown.to_string().contains("changes no workload but its own"), "{shown:#}");

    // A change that one's own run asks for is one's own.
    let id = run(&first, "shop");
    let by = format!("run:{id}");
    let started = world.event("change.started", |event| event["actor"] == by.as_str());
    let change = started["data"]["change"].as_str().expect("an id").to_owned();
    let approve = format!("/v1/changes/{change}/approve");
    let refused = both.is(403, "POST", &approve, &nothing);
    assert!(refused.to_string().contains("should not be the one to approve it"), "{refused:#}");
    both.is(200, "POST", &approve, &json!({ "own": true }));
    let shown = both.is(200, "GET", &format!("/v1/changes/{change}"), &Value::Null);
    assert_eq!(shown["decision"]["own"], true, "{shown:#}");

    // What a handler refuses is on record, as what the table refuses.
    let silence = json!({
        "workload": "other", "matchers": [{ "name": "alertname", "value": "A" }], "reason": "quiet",
        "ends_at": "2100-01-01T00:00:00Z",
    });
    both.is(403, "POST", "/v1/silences", &silence);
    let refused = world.event("access.refused", |event| event["data"]["operation"] == "createSilence");
    assert_eq!(refused["actor"], "person:olga");
    world.proves();
}
