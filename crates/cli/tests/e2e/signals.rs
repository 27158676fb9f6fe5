//! Telemetry that was acknowledged survives a kill.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::world::{World, request};

#[expect(clippy::disallowed_methods, reason = "telemetry is of now, or it is too old to be taken")]
fn nanoseconds() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos().to_string()
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

#[test]
fn telemetry_that_was_acknowledged_survives_a_kill() {
    let mut world = World::new();
    world.start_server();
    let at = nanoseconds();
    let resource = json!({ "attributes": [attribute("service.name", "till")] });
    let metrics = json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [
        { "name": "orders", "unit": "1", "sum": { "isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [
            { "timeUnixNano": at, "startTimeUnixNano": at, "asInt": "41", "attributes": [attribute("shop", "north")] }
        ] } },
    ] }] }] });
    let logs = json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [
        { "timeUnixNano": at, "severityNumber": 17, "severityText": "ERROR", "body": { "stringValue": "the drawer is stuck" },
          "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174" },
    ] }] }] });
    let spans = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [
        { "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "open drawer", "kind": 2,
          "startTimeUnixNano": at, "endTimeUnixNano": at, "status": { "code": 2, "message": "stuck" } },
    ] }] }] });
    for (port, path, body) in [
        (world.otlp, "/v1/metrics", &metrics),
        (world.otlp, "/v1/logs", &logs),
        (world.otlp, "/v1/traces", &spans),
    ] {
        let (status, answer) = request(port, "POST", path, &[], &body.to_string());
        assert_eq!(status, 200, "{path}: {answer}");
    }
    world.end_server(Signal::KILL);
    world.start_server();
    let orders = world.json(&["metrics", "orders_total"]);
    assert_eq!(orders["result"][0]["value"][1], "41", "{orders:#}");
    assert_eq!(orders["result"][0]["metric"]["shop"], "north", "{orders:#}");
    let logs = world.json(&["logs", "--service", "till"]);
    assert_eq!(logs["items"][0]["body"], "the drawer is stuck", "{logs:#}");
    let traces = world.json(&["traces"]);
    assert_eq!(traces["items"][0]["name"], "open drawer", "{traces:#}");
    assert_eq!(traces["items"][0]["errors"], 1, "{traces:#}");
    world.mainstay(&["traces", "show", "5b8efff798038103d269b633813fc60c"]).is(0, &["open drawer", "till"]);
    // The API's port takes telemetry too, also under kills right after each answer.
    for number in 0..5 {
        let text = format!("line {number}");
        let one = json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [
            { "timeUnixNano": nanoseconds(), "body": { "stringValue": text } },
        ] }] }] });
        assert_eq!(request(world.http, "POST", "/v1/logs", &[], &one.to_string()).0, 200);
        world.end_server(Signal::KILL);
        world.start_server();
        let found = world.json(&["logs", "--contains", &text]);
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found:#}");
    }
    // What is not understood is refused by name, and nothing of it is kept.
    let (status, answer) = request(world.otlp, "POST", "/v1/logs", &[], "{ not json");
    assert_eq!(status, 400, "{answer}");
    world.mainstay(&["metrics", "rate("]).is(4, &[]);
}
