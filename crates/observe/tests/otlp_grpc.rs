//! OTLP/gRPC over real connections.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common {
    pub mod http;
    pub mod requests;
    include!("common/mod.rs");
}

use std::sync::Arc;

use common::http::Server;
use common::requests::*;
use common::*;
use mainstay_observe::{LogQuery, Options, Telemetry, TraceQuery, otlp};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tonic::Code;
use tonic::codec::CompressionEncoding::Gzip;

async fn serve(options: Options) -> (Arc<Telemetry>, Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("tempdir");
    let telemetry = Telemetry::open(dir.path(), options).expect("opens");
    let server = Server::grpc(otlp::grpc(Arc::clone(&telemetry))).await;
    (telemetry, server, dir)
}

#[tokio::test]
async fn all_three_services_take_telemetry_with_and_without_gzip() {
    let (telemetry, server, _dir) = serve(options(&HandClock::new())).await;
    let mut plain = MetricsServiceClient::connect(server.url("")).await.expect("connects");
    let mut packed = MetricsServiceClient::connect(server.url(""))
        .await
        .expect("connects")
        .send_compressed(Gzip)
        .accept_compressed(Gzip);
    for (client, offset) in [(&mut plain, 0), (&mut packed, 1000)] {
        let answer = client
            .export(request(vec![
                metric("m", "", gauge(vec![point(NOW + offset, 1.0)])),
                metric("exp", "", exponential(NOW)),
            ]))
            .await
            .expect("stored")
            .into_inner();
        let partial = answer.partial_success.expect("partial");
        assert_eq!(partial.rejected_data_points, 2);
        assert!(partial.error_message.contains("`exp`: exponential histograms"), "{}", partial.error_message);
    }
    assert_eq!(only(&telemetry, "m").len(), 2);

    let record =
        LogRecord { time_unix_nano: NOW as u64 * 1_000_000, severity_number: 17, ..LogRecord::default() };
    let logs = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let logs = ResourceLogs { scope_logs: vec![logs], ..ResourceLogs::default() };
    let mut client =
        LogsServiceClient::connect(server.url("")).await.expect("connects").send_compressed(Gzip);
    let answer = client.export(ExportLogsServiceRequest { resource_logs: vec![logs] }).await.expect("stored");
    assert_eq!(answer.into_inner().partial_success, None);
    assert_eq!(telemetry.logs(&LogQuery::default()).expect("reads")[0].record.severity, 17);

    let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "s".to_owned(), ..Span::default() };
    let spans = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let spans = ResourceSpans { scope_spans: vec![spans], ..ResourceSpans::default() };
    let mut client = TraceServiceClient::connect(server.url("")).await.expect("connects");
    client.export(ExportTraceServiceRequest { resource_spans: vec![spans] }).await.expect("stored");
    assert_eq!(telemetry.spans(&TraceQuery::default()).expect("reads")[0].name, "s");
}

#[tokio::test]
async fn what_cannot_be_taken_says_so_and_when_to_come_back() {
    let (_telemetry, server, _dir) =
        serve(Options { min_free_bytes: u64::MAX / 2, ..options(&HandClock::new()) }).await;
    let mut client = MetricsServiceClient::connect(server.url("")).await.expect("connects");
    let status = client
        .export(request(vec![metric("m", "", gauge(vec![point(NOW, 1.0)]))]))
        .await
        .expect_err("no space");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(!status.details().is_empty(), "carries RetryInfo");

    // Larger than the limit, plainly and after unpacking.
    let large = "x".repeat(otlp::MAX_REQUEST_BYTES + 1);
    let status =
        client.export(request(vec![metric(&large, "", gauge(vec![]))])).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let mut packed = client.send_compressed(Gzip);
    let status = packed.export(request(vec![metric(&large, "", gauge(vec![]))])).await.expect_err("a bomb");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}
