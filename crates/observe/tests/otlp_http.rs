//! OTLP/HTTP over real connections.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common {
    pub mod http;
    pub mod requests;
    include!("common/mod.rs");
}

use std::io::Write;
use std::sync::Arc;

use common::http::Server;
use common::requests::*;
use common::*;
use mainstay_observe::{LogQuery, Options, Telemetry, TraceQuery, otlp};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality::{Cumulative, Delta, Unspecified};
use prost::Message;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PROTOBUF: &str = "application/x-protobuf";

struct Fixture {
    telemetry: Arc<Telemetry>,
    server: Server,
    client: reqwest::Client,
    _dir: tempfile::TempDir,
}

async fn fixture_with(change: impl Fn(&mut Options)) -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut options = options(&HandClock::new());
    change(&mut options);
    let telemetry = Telemetry::open(dir.path(), options).expect("opens");
    let server = Server::http(otlp::http(Arc::clone(&telemetry))).await;
    Fixture { telemetry, server, client: reqwest::Client::new(), _dir: dir }
}

async fn fixture() -> Fixture {
    fixture_with(|_| {}).await
}

impl Fixture {
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> reqwest::Response {
        let mut request = self.client.post(self.server.url(path)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("answered")
    }

    async fn post_json(&self, path: &str, body: &str) -> (StatusCode, serde_json::Value) {
        let response =
            self.post(path, &[("content-type", "application/json")], body.as_bytes().to_vec()).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        (response.status(), response.json().await.expect("JSON"))
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writes");
    encoder.finish().expect("finishes")
}

#[tokio::test]
async fn every_kind_of_metric_becomes_series() {
    let fixture = fixture().await;
    let metrics = vec![
        metric("http.server.requests", "{request}", sum(vec![point(NOW, 3.0)], Cumulative)),
        metric("queue.fill", "1", gauge(vec![point(NOW, 0.5)])),
        metric("http.server.request.duration", "s", histogram(NOW, &[0.005, 1.0], &[1, 2, 3])),
        metric("rpc.latency", "ms", summary(NOW)),
    ];
    let body = request(metrics).encode_to_vec();
    for headers in
        [vec![("content-type", PROTOBUF)], vec![("content-type", PROTOBUF), ("content-encoding", "gzip")]]
    {
        let body = if headers.len() == 2 { gzip(&body) } else { body.clone() };
        let response = fixture.post("/v1/metrics", &headers, body).await;
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &PROTOBUF.parse().expect("a header"))
        );
        let answer =
            ExportMetricsServiceResponse::decode(response.bytes().await.expect("a body")).expect("decodes");
        // The second time everything is there already, with the same values: not a word about it.
        assert_eq!(answer.partial_success, None);
    }
    let found = read(&fixture.telemetry, "http_server_requests_total");
    assert_eq!(
        mainstay_observe::Labels::from_pairs([
            ("__name__", "http_server_requests_total"),
            ("http_method", "GET"),
            ("instance", "web-1"),
            ("job", "shop/checkout"),
        ]),
        found[0].0
    );
    assert_eq!(found[0].1, [(NOW, 3.0)]);
    assert_eq!(only(&fixture.telemetry, "queue_fill_ratio"), [(NOW, 0.5)]);
    let mut buckets: Vec<(String, f64)> =
        read(&fixture.telemetry, "http_server_request_duration_seconds_bucket")
            .into_iter()
            .map(|(labels, samples)| (labels.get("le").to_owned(), samples[0].1))
            .collect();
    buckets.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(buckets, [("+Inf".to_owned(), 6.0), ("0.005".to_owned(), 1.0), ("1".to_owned(), 3.0)]);
    assert_eq!(only(&fixture.telemetry, "http_server_request_duration_seconds_sum"), [(NOW, 12.5)]);
    assert_eq!(only(&fixture.telemetry, "http_server_request_duration_seconds_count"), [(NOW, 6.0)]);
    assert_eq!(read(&fixture.telemetry, "rpc_latency_milliseconds")[0].0.get("quantile"), "0.99");
    assert_eq!(read(&fixture.telemetry, "target_info")[0].0.get("host_name"), "web-1.example");
    let info = fixture.telemetry.metrics();
    let duration =
        info.iter().find(|m| m.name == "http_server_request_duration_seconds_bucket").expect("listed");
    assert_eq!((duration.kind, duration.unit.as_str()), (mainstay_observe::MetricKind::Histogram, "seconds"));
}

#[tokio::test]
async fn deltas_become_cumulative_and_the_unsupported_is_refused_by_name() {
    let fixture = fixture().await;
    let metrics = vec![
        metric("orders", "", sum(vec![point(NOW, 3.0), point(NOW + 1000, 4.0)], Delta)),
        metric("latency.exp", "s", exponential(NOW)),
        metric("undecided", "", sum(vec![point(NOW, 1.0)], Unspecified)),
        metric("broken", "", histogram(NOW, &[2.0, 1.0], &[1, 1, 1])),
        metric("old", "", gauge(vec![point(1000, 1.0)])),
        metric("...", "", gauge(vec![point(NOW, 1.0)])),
    ];
    let body = serde_json::to_string(&request(metrics)).expect("JSON");
    let (status, answer) = fixture.post_json("/v1/metrics", &body).await;
    assert_eq!(status, StatusCode::OK);
    let partial = &answer["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "6", "{partial}");
    let message = partial["errorMessage"].as_str().expect("text");
    for expected in [
        "`latency.exp`: exponential histograms are not supported",
        "`undecided`: it has no aggregation temporality",
        "`broken`: histogram whose bounds do not rise",
        "older than the retention keeps",
        "`...`: it has no usable name",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(only(&fixture.telemetry, "orders_total"), [(NOW, 3.0), (NOW + 1000, 7.0)]);
}

#[tokio::test]
async fn the_examples_of_the_specification_are_accepted() {
    let default = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let corpora = std::env::var_os("MAINSTAY_CORPORA").map_or(default, Into::into);
    let examples = corpora.join("otlp-proto/examples");
    if !examples.is_dir() {
        println!("skipped: no corpora");
        return;
    }
    let fixture = fixture().await;
    for (file, path) in [("events.json", "/v1/logs"), ("logs.json", "/v1/logs"), ("trace.json", "/v1/traces")]
    {
        let body = std::fs::read_to_string(examples.join(file)).expect("reads");
        let (status, answer) = fixture.post_json(path, &body).await;
        assert_eq!((status, answer), (StatusCode::OK, serde_json::json!({})), "{file}");
    }
    let logs = fixture.telemetry.logs(&LogQuery::default()).expect("reads");
    assert_eq!(logs[0].record.event_name, "browser.page_view");
    assert_eq!(logs[1].record.body, "Example log record");
    assert_eq!(logs[1].record.trace_id, "5b8efff798038103d269b633813fc60c");
    assert_eq!(logs[1].record.attributes["map.attribute"]["some.map.key"], "some value");
    assert_eq!(fixture.telemetry.spans(&TraceQuery::default()).expect("reads")[0].name, "I'm a server span");
}

#[tokio::test]
async fn bad_requests_get_a_status_in_their_own_encoding() {
    let fixture = fixture().await;
    let json = ("content-type", "application/json");
    let protobuf = ("content-type", PROTOBUF);
    let cases = [
        ("not protobuf", vec![protobuf], b"\xff\xff\xff".to_vec(), 400_u16),
        ("not JSON", vec![json], b"{".to_vec(), 400),
        ("another JSON", vec![json], b"[1]".to_vec(), 400),
        ("not gzip", vec![json, ("content-encoding", "gzip")], b"{}".to_vec(), 400),
        ("half a gzip", vec![json, ("content-encoding", "gzip")], gzip(b"{}")[..12].to_vec(), 400),
        ("zstd", vec![json, ("content-encoding", "zstd")], b"{}".to_vec(), 415),
        ("no type", vec![], b"{}".to_vec(), 415),
        ("another type", vec![("content-type", "text/plain")], b"{}".to_vec(), 415),
        ("too large", vec![json], vec![b' '; otlp::MAX_REQUEST_BYTES + 1], 413),
        ("a bomb", vec![json, ("content-encoding", "gzip")], gzip(&vec![b' '; 200 << 20]), 413),
    ];
    for (name, headers, body, expected) in cases {
        let response = fixture.post("/v1/metrics", &headers, body).await;
        assert_eq!(response.status().as_u16(), expected, "{name}");
        if headers.first() == Some(&protobuf) {
            assert_eq!(response.headers()["content-type"], PROTOBUF);
            assert!(!response.bytes().await.expect("a body").is_empty());
        } else {
            let answer: serde_json::Value = response.json().await.expect("JSON");
            assert!(!answer["message"].as_str().expect("text").is_empty(), "{name}: {answer}");
            assert_eq!(answer["code"], 3, "{name}: {answer}");
        }
    }
    let empty = fixture.post("/v1/metrics", &[protobuf], Vec::new()).await;
    assert_eq!(empty.status(), StatusCode::OK, "an empty request is a success");
    let (status, _) = fixture.post_json("/v1development/profiles", "{}").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let get = fixture.client.get(fixture.server.url("/v1/metrics")).send().await.expect("answered");
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(fixture.telemetry.metrics().is_empty(), "nothing of all that was stored");
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let fixture = fixture().await;
    let body = request(vec![metric("m", "", gauge(vec![point(NOW, 1.0)]))]).encode_to_vec();
    let mut stream = tokio::net::TcpStream::connect(fixture.server.address).await.expect("connects");
    let head = format!(
        "POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("writes");
    stream.write_all(&body[..body.len() / 2]).await.expect("writes");
    stream.shutdown().await.expect("shuts down");
    let mut answer = String::new();
    // The server may answer 400 or just close: the sender is gone either way.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    // The server goes on.
    let response = fixture.post("/v1/metrics", &[("content-type", PROTOBUF)], body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(only(&fixture.telemetry, "m").len(), 1);
}

#[tokio::test]
async fn overload_and_a_full_disk_are_answered_with_the_time_to_wait() {
    let fixture = fixture_with(|options| options.min_free_bytes = u64::MAX / 2).await;
    let body = request(vec![metric("m", "", gauge(vec![point(NOW, 1.0)]))]).encode_to_vec();
    let response = fixture.post("/v1/metrics", &[("content-type", PROTOBUF)], body.clone()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "30");

    let fixture = Arc::new(fixture_with(|options| options.max_waiting_bytes = 1).await);
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (fixture, body) = (Arc::clone(&fixture), body.clone());
        senders.spawn(async move {
            let response = fixture.post("/v1/metrics", &[("content-type", PROTOBUF)], body).await;
            let retry =
                response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
            (response.status(), retry)
        });
    }
    let answers = senders.join_all().await;
    assert!(answers.iter().any(|(status, _)| *status == StatusCode::OK));
    for (status, retry) in answers {
        match status {
            StatusCode::OK => assert_eq!(retry, None),
            StatusCode::TOO_MANY_REQUESTS => assert_eq!(retry.as_deref(), Some("1")),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn spans_and_logs_that_are_broken_are_refused_by_name() {
    let fixture = fixture().await;
    let id = |bytes: usize| "ab".repeat(bytes);
    let span = |trace: String, span: String| serde_json::json!({"traceId": trace, "spanId": span, "name": "s", "startTimeUnixNano": "5", "endTimeUnixNano": "3"});
    let spans =
        [span(id(16), id(8)), span(id(15), id(8)), span("00".repeat(16), id(8)), span(id(16), String::new())];
    let body = serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string();
    let (status, answer) = fixture.post_json("/v1/traces", &body).await;
    assert_eq!(
        (status, &answer["partialSuccess"]["rejectedSpans"]),
        (StatusCode::OK, &"3".into()),
        "{answer}"
    );
    let trace = fixture.telemetry.trace(&id(16)).expect("reads").expect("there");
    assert_eq!((trace.spans, trace.roots[0].duration_ns), (1, 0));
    let records = [
        serde_json::json!({"body": {"stringValue": "fine"}, "severityNumber": 99, "traceId": "ab"}),
        serde_json::json!({"timeUnixNano": u64::MAX.to_string()}),
    ];
    let body = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string();
    let (_, answer) = fixture.post_json("/v1/logs", &body).await;
    assert_eq!(answer["partialSuccess"]["rejectedLogRecords"], "1", "{answer}");
    let logs = fixture.telemetry.logs(&LogQuery::default()).expect("reads");
    assert_eq!((logs.len(), logs[0].record.severity, logs[0].record.time_ns), (1, 0, NOW * 1_000_000));
}
