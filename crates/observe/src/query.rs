//! What comes out besides series: metric listings, logs, traces.

use crate::batch::{LogRecord, MetricKind, SpanRecord};

/// Which log records. All given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Of this service.
    pub service: Option<String>,
    /// Of this trace (hex; any case).
    pub trace: Option<String>,
    /// At least this severe (see [`LogRecord::severity`]).
    pub severity_at_least: Option<u8>,
    /// The body contains this text; upper and lower case are different.
    pub contains: Option<String>,
    /// Happened at or after this time, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Happened before this time, milliseconds since the epoch.
    pub until_ms: Option<i64>,
    /// Only records with a greater sequence number. With it the answer begins with the oldest such record, which
    /// is what following needs; without it the answer holds the newest records.
    pub after: Option<u64>,
    /// At most so many; 0 means 1000. Never more than 10,000.
    pub limit: usize,
}

/// A stored log record.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LogEntry {
    /// Its place in the order of arrival, from 1.
    pub seq: u64,
    /// The record.
    pub record: LogRecord,
}

/// Which traces. All given conditions must hold for one span of the trace.
#[derive(Clone, Debug, Default)]
pub struct TraceQuery {
    /// A span of this service.
    pub service: Option<String>,
    /// A span of this name.
    pub name: Option<String>,
    /// Only traces with a failed span.
    pub errors_only: bool,
    /// A span that took at least so long, milliseconds.
    pub min_duration_ms: Option<u64>,
    /// Started at or after, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Started before, milliseconds since the epoch.
    pub until_ms: Option<i64>,
    /// At most so many; 0 means 100. Never more than 1,000.
    pub limit: usize,
}

/// One trace in a list.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TraceSummary {
    /// Hex.
    pub trace_id: String,
    /// The service of the root (or of the earliest span, while the root is not here).
    pub service: String,
    /// The name of that span.
    pub name: String,
    /// Nanoseconds since the epoch.
    pub start_ns: i64,
    /// From the earliest start to the latest end.
    pub duration_ns: i64,
    /// How many spans are here.
    pub spans: usize,
    /// How many of them failed.
    pub errors: usize,
    /// Whether the root span is here; a trace without it is incomplete.
    pub has_root: bool,
}

/// One trace, as a forest: one tree when all spans are here.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Trace {
    /// Hex.
    pub trace_id: String,
    /// Nanoseconds since the epoch.
    pub start_ns: i64,
    /// From the earliest start to the latest end.
    pub duration_ns: i64,
    /// How many spans.
    pub spans: usize,
    /// Spans without a parent here, by start.
    pub roots: Vec<TraceNode>,
}

/// A span and what it caused.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TraceNode {
    /// The span.
    pub span: SpanRecord,
    /// How long it took.
    pub duration_ns: i64,
    /// From the start of the trace to its start.
    pub offset_ns: i64,
    /// Whether it names a parent that is not here.
    pub orphan: bool,
    /// By start.
    pub children: Vec<TraceNode>,
}

/// One metric name in a listing.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct MetricInfo {
    /// The name.
    pub name: String,
    /// What sort of numbers.
    pub kind: MetricKind,
    /// The unit in words, or empty.
    pub unit: String,
    /// What it means, or empty.
    pub help: String,
    /// How many series have the name.
    pub series: usize,
}

/// What the store holds and has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct StoreStats {
    /// Series known.
    pub series: usize,
    /// Samples kept in memory.
    pub samples_in_memory: usize,
    /// Samples stored since opening.
    pub samples_stored: u64,
    /// Samples refused since opening.
    pub samples_rejected: u64,
    /// Log records stored since opening.
    pub logs_stored: u64,
    /// Spans stored since opening.
    pub spans_stored: u64,
    /// Group commits since opening.
    pub commits: u64,
    /// Batches turned away because too much was waiting.
    pub overloaded: u64,
    /// Bytes in use by the database, its log included.
    pub bytes: u64,
    /// Rows deleted by retention since opening.
    pub rows_expired: u64,
}
