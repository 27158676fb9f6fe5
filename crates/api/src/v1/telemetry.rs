//! Logs and traces on the wire.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use serde_json::Value;

/// One log record.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct LogView {
    /// Its place in the log store; pass it as `after` to go on.
    pub seq: u64,
    /// When.
    #[schema(value_type = super::Time)]
    pub time: Timestamp,
    /// The service that said it.
    pub service: String,
    /// How severe it is; empty when unknown.
    #[schema(value_type = super::LogSeverity)]
    pub severity: String,
    /// What it said.
    pub body: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, Value>,
    /// The trace it belongs to, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The span it belongs to, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
}

/// One trace at a glance.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TraceView {
    /// 32 hex digits.
    pub trace_id: String,
    /// The service of its root, or of its earliest span when the root is missing.
    pub service: String,
    /// The name of that span.
    pub name: String,
    /// When it began.
    #[schema(value_type = super::Time)]
    pub start: Timestamp,
    /// From its first start to its last end, in milliseconds.
    pub duration_ms: f64,
    /// How many spans it has.
    pub spans: usize,
    /// How many of them ended in an error.
    pub errors: usize,
}

/// One span of a trace.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SpanView {
    /// 16 hex digits.
    pub span_id: String,
    /// The span it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
    /// How deep it lies in the tree, from 0.
    pub depth: usize,
    /// The service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// What it is to its service.
    #[schema(value_type = super::SpanKindWord)]
    pub kind: String,
    /// How it ended.
    #[schema(value_type = super::SpanStatusWord)]
    pub status: String,
    /// What the status says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status_message: String,
    /// Milliseconds from the trace's start to this span's.
    pub offset_ms: f64,
    /// Its length, in milliseconds.
    pub duration_ms: f64,
    /// Its attributes.
    pub attributes: BTreeMap<String, Value>,
}
