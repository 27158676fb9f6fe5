//! Metrics in Prometheus' own API, logs and traces.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mainstay_api::v1::{LogView, Page, SpanView, Time, TraceView};
use mainstay_model::{Timestamp, parse_duration};
use mainstay_observe::{LogEntry, LogQuery, SpanKind, SpanStatus, TraceNode, TraceQuery};
use mainstay_promql::Answer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Failure;
use super::extract::{Asked, Form, Path};
use crate::app::App;
use crate::query::{Querier, QueryError};

/// Points of a range query, at most: what Prometheus allows.
const MAX_POINTS: i64 = 11_000;

/// `GET /api/v1/query`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
pub struct InstantQuery {
    /// The query.
    #[serde(default)]
    #[param(required = true)]
    query: String,
    /// At which time, as Unix seconds or RFC 3339; now if not said.
    time: Option<String>,
}

/// `GET /api/v1/query_range`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
pub struct RangeQuery {
    /// The query.
    #[serde(default)]
    #[param(required = true)]
    query: String,
    /// From when on, as Unix seconds or RFC 3339.
    #[param(required = true, nullable = false)]
    start: Option<String>,
    /// Until when.
    #[param(required = true, nullable = false)]
    end: Option<String>,
    /// In which steps: seconds, or a duration such as `15s`.
    #[param(required = true, nullable = false)]
    step: Option<String>,
}

/// An error as Prometheus words it.
pub(super) struct PrometheusError {
    status: StatusCode,
    kind: &'static str,
    text: String,
}

impl PrometheusError {
    pub(super) fn bad_data(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", text: text.into() }
    }
}

#[cfg(test)]
impl PrometheusError {
    /// What is said.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl From<QueryError> for PrometheusError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Parse(text) => Self::bad_data(format!("invalid parameter \"query\": {text}")),
            QueryError::Evaluate(text) => {
                Self { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "execution", text }
            }
        }
    }
}

impl IntoResponse for PrometheusError {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.text });
        (self.status, Json(body)).into_response()
    }
}

/// Unix seconds with fraction, or RFC 3339.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, PrometheusError> {
    let bad = || {
        PrometheusError::bad_data(format!(
            "invalid parameter \"{name}\": cannot parse \"{text}\" to a valid timestamp"
        ))
    };
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Ok(Timestamp::from_millis((seconds * 1000.0).round() as i64)),
        Ok(_) => Err(bad()),
        Err(_) => text.parse().map_err(|_| bad()),
    }
}

/// Seconds, or a Prometheus duration.
fn step(text: &str) -> Result<Duration, PrometheusError> {
    let bad = |what: &str| PrometheusError::bad_data(format!("invalid parameter \"step\": {what}"));
    let duration = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 && seconds < 1e9 => {
            Duration::from_secs_f64(seconds)
        }
        Ok(_) => {
            return Err(bad(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        Err(_) => {
            parse_duration(text).map_err(|_| bad(&format!("cannot parse \"{text}\" to a valid duration")))?
        }
    };
    if duration.as_millis() == 0 {
        return Err(bad(
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    Ok(duration)
}

/// `GET /api/v1/query`
pub async fn instant(State(app): State<Arc<App>>, Asked(query): Asked<InstantQuery>) -> Response {
    let work = move || -> Result<Answer, PrometheusError> {
        let expr = Querier::parse(&query.query)?;
        let at = query.time.as_deref().map_or(Ok(app.clock.now()), |text| time("time", text))?;
        Ok(app.querier.instant(&expr, at)?)
    };
    answer(tokio::task::spawn_blocking(work).await)
}

/// `GET /api/v1/query_range`
pub async fn range(State(app): State<Arc<App>>, Asked(query): Asked<RangeQuery>) -> Response {
    let work = move || -> Result<Answer, PrometheusError> {
        let needed = |name: &'static str, value: Option<String>| {
            value.ok_or_else(|| {
                PrometheusError::bad_data(format!("invalid parameter \"{name}\": it is missing"))
            })
        };
        let expr = Querier::parse(&query.query)?;
        let start = time("start", &needed("start", query.start)?)?;
        let end = time("end", &needed("end", query.end)?)?;
        let step = step(&needed("step", query.step)?)?;
        if end < start {
            return Err(PrometheusError::bad_data(
                "invalid parameter \"end\": end timestamp must not be before start time",
            ));
        }
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        if (end.as_millis() - start.as_millis()) / step_ms > MAX_POINTS {
            return Err(PrometheusError::bad_data(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            ));
        }
        Ok(app.querier.range(&expr, start, end, step_ms)?)
    };
    answer(tokio::task::spawn_blocking(work).await)
}

/// `POST /api/v1/query`
pub async fn instant_by_form(state: State<Arc<App>>, Form(query): Form<InstantQuery>) -> Response {
    instant(state, Asked(query)).await
}

/// `POST /api/v1/query_range`
pub async fn range_by_form(state: State<Arc<App>>, Form(query): Form<RangeQuery>) -> Response {
    range(state, Asked(query)).await
}

fn answer(outcome: Result<Result<Answer, PrometheusError>, tokio::task::JoinError>) -> Response {
    match outcome {
        Ok(Ok(answer)) => {
            let mut body = String::new();
            mainstay_promql::json::write_answer(&mut body, &answer);
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Ok(Err(error)) => error.into_response(),
        Err(error) => PrometheusError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "internal",
            text: error.to_string(),
        }
        .into_response(),
    }
}

/// `GET /v1/logs`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LogsQuery {
    /// What this service said.
    service: Option<String>,
    /// What belongs to this trace.
    trace: Option<String>,
    /// `debug`, `info`, `warn`, `error` or `fatal`: at least so severe.
    severity: Option<String>,
    /// What has this text in it.
    contains: Option<String>,
    /// From then on.
    #[param(value_type = Option<Time>)]
    since: Option<Timestamp>,
    /// Until then.
    #[param(value_type = Option<Time>)]
    until: Option<Timestamp>,
    /// Those that came in after this place, oldest first.
    after: Option<u64>,
    /// At most so many, 1 to 1000, 100 if not said.
    limit: Option<usize>,
}

fn severity_number(word: &str) -> Result<u8, Failure> {
    match word.to_ascii_lowercase().as_str() {
        "trace" => Ok(1),
        "debug" => Ok(5),
        "info" => Ok(9),
        "warn" | "warning" => Ok(13),
        "error" => Ok(17),
        "fatal" => Ok(21),
        _ => Err(Failure::bad_request(format!("`{word}` is not a severity"))
            .hint("give trace, debug, info, warn, error or fatal")),
    }
}

/// The word for an OpenTelemetry severity number.
pub(super) fn severity_word(number: u8) -> &'static str {
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "",
    }
}

fn attributes(value: &Value) -> BTreeMap<String, Value> {
    value.as_object().map(|map| map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default()
}

fn log_view(entry: LogEntry) -> LogView {
    let record = entry.record;
    let some = |text: String| (!text.is_empty()).then_some(text);
    LogView {
        seq: entry.seq,
        time: Timestamp::from_millis(record.time_ns / 1_000_000),
        service: record.service,
        severity: severity_word(record.severity).to_owned(),
        body: record.body,
        attributes: attributes(&record.attributes),
        trace_id: some(record.trace_id),
        span_id: some(record.span_id),
    }
}

/// `GET /v1/logs`: without `after` the newest records, in order of arrival.
pub async fn logs(
    State(app): State<Arc<App>>,
    Asked(query): Asked<LogsQuery>,
) -> Result<Json<Page<LogView>>, Failure> {
    let query = LogQuery {
        service: query.service,
        trace: query.trace,
        severity_at_least: query.severity.as_deref().map(severity_number).transpose()?,
        contains: query.contains,
        since_ms: query.since.map(Timestamp::as_millis),
        until_ms: query.until.map(Timestamp::as_millis),
        after: query.after,
        limit: query.limit.unwrap_or(100).clamp(1, 1000),
    };
    let telemetry = app.telemetry.clone();
    let entries = tokio::task::spawn_blocking(move || telemetry.logs(&query))
        .await
        .map_err(|error| Failure::internal("The logs could not be read", &error))?
        .map_err(|error| Failure::internal("The logs could not be read", &error))?;
    let next = entries.iter().map(|entry| entry.seq).max().map(|seq| seq.to_string());
    Ok(Json(Page { items: entries.into_iter().map(log_view).collect(), next }))
}

/// `GET /v1/traces`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TracesQuery {
    /// With a span of this service.
    service: Option<String>,
    /// With a span of this name.
    name: Option<String>,
    /// With an error in them.
    #[serde(default)]
    errors: bool,
    /// At least so long, in milliseconds.
    min_duration_ms: Option<u64>,
    /// From then on.
    #[param(value_type = Option<Time>)]
    since: Option<Timestamp>,
    /// Until then.
    #[param(value_type = Option<Time>)]
    until: Option<Timestamp>,
    /// At most so many, 1 to 1000, 50 if not said.
    limit: Option<usize>,
}

/// `GET /v1/traces`: newest first.
pub async fn traces(
    State(app): State<Arc<App>>,
    Asked(query): Asked<TracesQuery>,
) -> Result<Json<Page<TraceView>>, Failure> {
    let query = TraceQuery {
        service: query.service,
        name: query.name,
        errors_only: query.errors,
        min_duration_ms: query.min_duration_ms,
        since_ms: query.since.map(Timestamp::as_millis),
        until_ms: query.until.map(Timestamp::as_millis),
        limit: query.limit.unwrap_or(50).clamp(1, 1000),
    };
    let telemetry = app.telemetry.clone();
    let found = tokio::task::spawn_blocking(move || telemetry.spans(&query))
        .await
        .map_err(|error| Failure::internal("The traces could not be read", &error))?
        .map_err(|error| Failure::internal("The traces could not be read", &error))?;
    let items = found
        .into_iter()
        .map(|trace| TraceView {
            trace_id: trace.trace_id,
            service: trace.service,
            name: trace.name,
            start: Timestamp::from_millis(trace.start_ns / 1_000_000),
            duration_ms: trace.duration_ns as f64 / 1e6,
            spans: trace.spans,
            errors: trace.errors,
        })
        .collect();
    Ok(Json(Page { items, next: None }))
}

/// `GET /v1/traces/{id}`: the spans in the order of their tree.
pub async fn trace(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Page<SpanView>>, Failure> {
    let telemetry = app.telemetry.clone();
    let wanted = id.clone();
    let found = tokio::task::spawn_blocking(move || telemetry.trace(&wanted))
        .await
        .map_err(|error| Failure::internal("The trace could not be read", &error))?
        .map_err(|error| match error {
            mainstay_observe::QueryError::Invalid(reason) => Failure::bad_request(reason),
            error => Failure::internal("The trace could not be read", &error),
        })?
        .ok_or_else(|| Failure::not_found("trace", &id))?;
    let mut items = Vec::with_capacity(found.spans);
    // A worklist instead of recursion: a hostile trace may be very deep.
    let mut queue: Vec<(usize, TraceNode)> = found.roots.into_iter().rev().map(|root| (0, root)).collect();
    while let Some((depth, node)) = queue.pop() {
        queue.extend(node.children.iter().rev().cloned().map(|child| (depth + 1, child)));
        items.push(span_view(depth, node));
    }
    Ok(Json(Page { items, next: None }))
}

fn span_view(depth: usize, node: TraceNode) -> SpanView {
    let span = node.span;
    SpanView {
        span_id: span.span_id,
        parent_span_id: (!span.parent_span_id.is_empty()).then_some(span.parent_span_id),
        depth,
        service: span.service,
        name: span.name,
        kind: match span.kind {
            SpanKind::Unspecified => "unspecified",
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        }
        .to_owned(),
        status: match span.status {
            SpanStatus::Unset => "unset",
            SpanStatus::Ok => "ok",
            SpanStatus::Error => "error",
        }
        .to_owned(),
        status_message: span.status_message,
        offset_ms: node.offset_ns as f64 / 1e6,
        duration_ms: node.duration_ns as f64 / 1e6,
        attributes: attributes(&span.attributes),
    }
}
