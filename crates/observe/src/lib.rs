//! Telemetry in: OTLP and Prometheus scrape; stored, kept within bounds, and queried.
//!
//! [`Telemetry`] is the one door. What [`Telemetry::ingest`] acknowledged has been committed and survives the
//! death of the process. Writers go through one thread that commits in groups; readers stand beside it. The
//! store behind the door is SQLite with the most recent samples in memory; the columnar store replaces it
//! without moving this edge.
//!
//! Not here: evaluating PromQL (`mainstay-promql`, through its `Series` trait, which [`Snapshot`] implements) and
//! deciding what a value means (`mainstay-detect`).

pub mod otlp;
pub mod scrape;

mod batch;
mod error;
mod query;
mod store;

pub use batch::{
    Batch, Labels, LogRecord, MetricKind, MetricMetadata, Outcome, Point, Rejection, STALE_NAN, Sample,
    SpanKind, SpanRecord, SpanStatus, is_stale,
};
pub use error::{IngestError, OpenError, QueryError};
pub use query::{LogEntry, LogQuery, MetricInfo, StoreStats, Trace, TraceNode, TraceQuery, TraceSummary};
pub use store::{Clock, Options, SeriesSamples, Snapshot, Telemetry, system_clock};
