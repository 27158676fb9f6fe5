//! Metrics, traces and logs by the official OpenTelemetry SDK, sent as OTLP over HTTP.
//!
//! Everything is configured by the standard variables. `OTEL_EXPORTER_OTLP_ENDPOINT` says where
//! telemetry goes; without it nothing is sent and only `/metrics` and the log on stderr remain.
//! `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say who sends it. `RUST_LOG` chooses what is logged.
//! Metrics leave every second (`OTEL_METRIC_EXPORT_INTERVAL` changes that), because an alarm can only be
//! as quick as the numbers it looks at.

use std::pin::pin;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData};
use tokio::runtime::Handle;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::ShopError;
use crate::prometheus::Exposition;

const EVERY: Duration = Duration::from_secs(1);

/// The SDK's providers, to flush and close at the end.
#[derive(Debug)]
pub struct Telemetry {
    exposition: Exposition,
    meters: SdkMeterProvider,
    tracers: SdkTracerProvider,
    loggers: SdkLoggerProvider,
}

impl Telemetry {
    /// Sets up the SDK's globals and the log for this process. Call it once, within the runtime.
    ///
    /// # Errors
    /// [`ShopError::Telemetry`] when an `OTEL_` variable makes no sense.
    pub fn start(service: &'static str) -> Result<Self, ShopError> {
        let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| service.to_owned());
        let resource = Resource::builder().with_service_name(name).build();
        let exposition = Exposition::default();
        let mut meters = SdkMeterProvider::builder()
            .with_resource(resource.clone())
            .with_reader(PeriodicReader::builder(exposition.clone()).with_interval(EVERY).build());
        let mut tracers = SdkTracerProvider::builder().with_resource(resource.clone());
        let mut loggers = SdkLoggerProvider::builder().with_resource(resource);

        let endpoint = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|text| !text.is_empty());
        if endpoint.is_some() {
            let runtime = Handle::current();
            let metrics = MetricExporter::builder().with_http().build().map_err(ShopError::Telemetry)?;
            let spans = SpanExporter::builder().with_http().build().map_err(ShopError::Telemetry)?;
            let logs = LogExporter::builder().with_http().build().map_err(ShopError::Telemetry)?;
            let mut reader = PeriodicReader::builder(OnRuntime { inner: metrics, runtime: runtime.clone() });
            if std::env::var_os("OTEL_METRIC_EXPORT_INTERVAL").is_none() {
                reader = reader.with_interval(EVERY);
            }
            meters = meters.with_reader(reader.build());
            let spans = BatchSpanProcessor::builder(OnRuntime { inner: spans, runtime: runtime.clone() })
                .with_batch_config(BatchConfigBuilder::default().with_scheduled_delay(EVERY).build());
            tracers = tracers.with_span_processor(spans.build());
            loggers = loggers.with_batch_exporter(OnRuntime { inner: logs, runtime });
        }

        let telemetry =
            Self { exposition, meters: meters.build(), tracers: tracers.build(), loggers: loggers.build() };
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_meter_provider(telemetry.meters.clone());
        global::set_tracer_provider(telemetry.tracers.clone());
        log(&telemetry.loggers);
        if endpoint.is_none() {
            tracing::info!("OTEL_EXPORTER_OTLP_ENDPOINT is not set: no telemetry is sent");
        }
        Ok(telemetry)
    }

    /// What `/metrics` shows.
    pub fn exposition(&self) -> Exposition {
        self.exposition.clone()
    }

    /// Sends what is still waiting to be sent and stops. Waits for the receiver up to the SDK's limit.
    pub async fn stop(self) {
        let stopping = tokio::task::spawn_blocking(move || {
            // A receiver that is away already is no reason to end with an error.
            let _ = self.tracers.shutdown();
            let _ = self.meters.shutdown();
            let _ = self.loggers.shutdown();
        });
        let _ = stopping.await;
    }
}

/// Logs go to stderr for people and, with the trace they belong to, to OTLP.
fn log(loggers: &SdkLoggerProvider) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let bridge = OpenTelemetryTracingBridge::new(loggers);
    // Only one log can be installed in a process; a test that starts two services keeps the first.
    let _ = tracing_subscriber::registry().with(filter).with(stderr).with(bridge).try_init();
}

/// An exporter whose HTTP client needs tokio, made usable on the SDK's own threads, which have none.
#[derive(Debug)]
struct OnRuntime<E> {
    inner: E,
    runtime: Handle,
}

impl<E> OnRuntime<E> {
    /// Polls `work` on this thread, with the runtime at hand for its sockets and timers.
    async fn run<T>(&self, work: impl Future<Output = T> + Send) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            let _entered = self.runtime.enter();
            work.as_mut().poll(context)
        })
        .await
    }
}

impl PushMetricExporter for OnRuntime<MetricExporter> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.run(self.inner.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}

impl opentelemetry_sdk::trace::SpanExporter for OnRuntime<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.run(self.inner.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl opentelemetry_sdk::logs::LogExporter for OnRuntime<LogExporter> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.run(self.inner.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
