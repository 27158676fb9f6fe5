//! OTLP in: HTTP (protobuf and JSON) and gRPC, for metrics, logs and traces.
//!
//! A request is answered after its telemetry has been committed. What is refused is refused by name in the partial
//! success, with the rest of the request stored; too much at once is answered 429 or `RESOURCE_EXHAUSTED` with the
//! time to wait, so that nothing is lost silently. Profiles and exponential histograms are refused.

mod grpc;
mod http;
mod json;
mod logs;
mod metrics;
mod names;
mod status;
mod traces;
mod value;

pub use grpc::grpc;
pub use http::http;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1 as logs_service;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics_service;
use opentelemetry_proto::tonic::collector::trace::v1 as trace_service;

use crate::batch::{Batch, Outcome};
use crate::error::IngestError;
use crate::store::Telemetry;

/// A request may be this large after decompression, in bytes; what the OTLP specification recommends.
pub const MAX_REQUEST_BYTES: usize = 20 << 20;

/// A request, converted to what the store takes.
#[derive(Debug, Default)]
struct Converted {
    batch: Batch,
    /// Items in the request: data points, log records or spans.
    items: usize,
    /// Items refused, by reason.
    refused: BTreeMap<String, usize>,
}

impl Converted {
    fn refuse(&mut self, reason: impl Into<String>, items: usize) {
        if items > 0 {
            *self.refused.entry(reason.into()).or_default() += items;
        }
    }
}

/// What is said of a request that was stored in part.
#[derive(Debug, PartialEq, Eq)]
struct Partial {
    rejected: i64,
    message: String,
}

/// One kind of telemetry.
trait Signal: 'static {
    type Request: prost::Message + Default + serde::de::DeserializeOwned + Send + 'static;
    type Response: prost::Message + Default;
    /// The key of the number of refused items in a JSON response.
    const REJECTED: &'static str;
    fn convert(request: Self::Request, now_ms: i64) -> Converted;
    fn response(partial: Option<Partial>) -> Self::Response;
}

struct Metrics;
struct Logs;
struct Traces;

impl Signal for Metrics {
    type Request = metrics_service::ExportMetricsServiceRequest;
    type Response = metrics_service::ExportMetricsServiceResponse;
    const REJECTED: &'static str = "rejectedDataPoints";

    fn convert(request: Self::Request, now_ms: i64) -> Converted {
        metrics::convert(request, now_ms)
    }

    fn response(partial: Option<Partial>) -> Self::Response {
        Self::Response {
            partial_success: partial.map(|partial| metrics_service::ExportMetricsPartialSuccess {
                rejected_data_points: partial.rejected,
                error_message: partial.message,
            }),
        }
    }
}

impl Signal for Logs {
    type Request = logs_service::ExportLogsServiceRequest;
    type Response = logs_service::ExportLogsServiceResponse;
    const REJECTED: &'static str = "rejectedLogRecords";

    fn convert(request: Self::Request, now_ms: i64) -> Converted {
        logs::convert(request, now_ms)
    }

    fn response(partial: Option<Partial>) -> Self::Response {
        Self::Response {
            partial_success: partial.map(|partial| logs_service::ExportLogsPartialSuccess {
                rejected_log_records: partial.rejected,
                error_message: partial.message,
            }),
        }
    }
}

impl Signal for Traces {
    type Request = trace_service::ExportTraceServiceRequest;
    type Response = trace_service::ExportTraceServiceResponse;
    const REJECTED: &'static str = "rejectedSpans";

    fn convert(request: Self::Request, now_ms: i64) -> Converted {
        traces::convert(request, now_ms)
    }

    fn response(partial: Option<Partial>) -> Self::Response {
        Self::Response {
            partial_success: partial.map(|partial| trace_service::ExportTracePartialSuccess {
                rejected_spans: partial.rejected,
                error_message: partial.message,
            }),
        }
    }
}

/// Stores a converted request; `None` when all of it was stored.
async fn store(telemetry: &Telemetry, converted: Converted) -> Result<Option<Partial>, IngestError> {
    let Converted { batch, items, refused } = converted;
    let outcome = if batch.is_empty() { Outcome::default() } else { telemetry.ingest(batch).await? };
    Ok(partial(items, &refused, &outcome))
}

/// A histogram is one item and many samples: refused samples count as items, but never more than there were.
fn partial(items: usize, refused: &BTreeMap<String, usize>, outcome: &Outcome) -> Option<Partial> {
    let mut reasons: Vec<String> =
        refused.iter().map(|(reason, count)| format!("{count} refused: {reason}")).collect();
    for (reason, count) in &outcome.rejected {
        reasons.push(format!("{count} samples refused: {reason}"));
    }
    let rejected = refused.values().sum::<usize>().saturating_add(outcome.rejected_samples()).min(items);
    (!reasons.is_empty()).then(|| Partial {
        rejected: i64::try_from(rejected).unwrap_or(i64::MAX),
        message: reasons.join("; "),
    })
}
