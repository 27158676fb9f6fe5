//! The official OpenTelemetry SDK sends, this crate takes.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common {
    pub mod http;
    include!("common/mod.rs");
}

use std::sync::Arc;
use std::time::Duration;

use common::http::Server;
use common::*;
use mainstay_observe::{LogQuery, Options, Telemetry, otlp};
use opentelemetry::KeyValue;
use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::SdkTracerProvider;

/// The SDK's reader exports on a thread of its own, where the HTTP client needs to be given a runtime.
struct OnRuntime(MetricExporter, tokio::runtime::Handle);

impl PushMetricExporter for OnRuntime {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.1.block_on(self.0.export(metrics))
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.0.temporality()
    }
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_service_name("payments")
        .with_attribute(KeyValue::new("service.instance.id", "local:8103"))
        .build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_logs_and_traces_of_the_official_sdk_arrive() {
    let dir = tempfile::tempdir().expect("tempdir");
    let telemetry =
        Telemetry::open(dir.path(), Options { min_free_bytes: 0, ..Options::default() }).expect("opens");
    let server = Server::http(otlp::http(Arc::clone(&telemetry))).await;
    let handle = tokio::runtime::Handle::current();
    let url = |path: &str| server.url(path);
    let (metrics_url, logs_url, traces_url) = (url("/v1/metrics"), url("/v1/logs"), url("/v1/traces"));
    let trace_id = tokio::task::spawn_blocking(move || {
        metrics(&metrics_url, Temporality::Cumulative, handle.clone());
        metrics(&metrics_url, Temporality::Delta, handle);
        let trace_id = traces(&traces_url);
        logs(&logs_url);
        trace_id
    })
    .await
    .expect("no panic");

    let charged = read(&telemetry, "payments_charged_total");
    let cumulative =
        charged.iter().find(|(labels, _)| labels.get("temporality") == "Cumulative").expect("there");
    assert_eq!(values(&cumulative.1)[..2], [5.0, 12.0]);
    let delta = charged.iter().find(|(labels, _)| labels.get("temporality") == "Delta").expect("there");
    assert_eq!(values(&delta.1)[..2], [5.0, 12.0], "deltas add up");
    assert_eq!((delta.0.get("job"), delta.0.get("instance")), ("payments", "local:8103"));
    assert!(!read(&telemetry, "payments_duration_seconds_bucket").is_empty());
    assert_eq!(read(&telemetry, "pool_used_connections")[0].1[0].1, 3.0);

    let trace = telemetry.trace(&trace_id).expect("reads").expect("there");
    assert_eq!((trace.roots[0].span.name.as_str(), trace.roots[0].children.len()), ("charge", 1));
    assert_eq!(trace.roots[0].children[0].span.attributes["db.system"], "sqlite");
    let found = telemetry.logs(&LogQuery { service: Some("payments".to_owned()), ..LogQuery::default() });
    let found = found.expect("reads");
    assert_eq!((found[0].record.body.as_str(), found[0].record.severity), ("card declined", 17));
}

/// Shutting the SDK down may export once more; the first two are what was flushed.
fn values(samples: &[(i64, f64)]) -> Vec<f64> {
    samples.iter().map(|(_, value)| *value).collect()
}

fn metrics(url: &str, temporality: Temporality, handle: tokio::runtime::Handle) {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_endpoint(url)
        .with_temporality(temporality)
        .build()
        .expect("builds");
    // Only flushes export: the interval is longer than the test.
    let reader =
        PeriodicReader::builder(OnRuntime(exporter, handle)).with_interval(Duration::from_secs(3600)).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).with_resource(resource()).build();
    let meter = provider.meter("shop");
    let label = [KeyValue::new("temporality", format!("{temporality:?}"))];
    let charged = meter.u64_counter("payments.charged").build();
    let duration = meter.f64_histogram("payments.duration").with_unit("s").build();
    let used = meter.i64_up_down_counter("pool.used").with_unit("connections").build();
    charged.add(5, &label);
    used.add(3, &label);
    provider.force_flush().expect("exported");
    charged.add(7, &label);
    duration.record(0.2, &label);
    provider.force_flush().expect("exported");
    provider.shutdown().expect("ends");
}

fn traces(url: &str) -> String {
    let exporter = SpanExporter::builder().with_http().with_endpoint(url).build().expect("builds");
    let provider =
        SdkTracerProvider::builder().with_simple_exporter(exporter).with_resource(resource()).build();
    let tracer = provider.tracer("shop");
    let parent = tracer.span_builder("charge").with_kind(SpanKind::Server).start(&tracer);
    let trace_id = parent.span_context().trace_id().to_string();
    let context = opentelemetry::Context::new().with_span(parent);
    let mut child = tracer.start_with_context("ledger insert", &context);
    child.set_attribute(KeyValue::new("db.system", "sqlite"));
    child.end();
    context.span().end();
    trace_id
}

fn logs(url: &str) {
    let exporter = LogExporter::builder().with_http().with_endpoint(url).build().expect("builds");
    let provider =
        SdkLoggerProvider::builder().with_simple_exporter(exporter).with_resource(resource()).build();
    let logger = provider.logger("shop");
    let mut record = logger.create_log_record();
    record.set_body("card declined".into());
    record.set_severity_number(Severity::Error);
    logger.emit(record);
}
