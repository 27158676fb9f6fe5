//! `mainstay metrics`, `mainstay logs` and `mainstay traces`.

use std::fmt::Write as _;
use std::time::Duration;

use mainstay_api::client::Client;
use mainstay_api::v1::{LogView, Page, SpanView, TraceView};
use mainstay_model::Timestamp;
use serde_json::Value;

use crate::args::{Logs, Metrics, Severity, Traces, TracesVerb};
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, Style, Tone, clean, count, say, shorten, table};
use crate::time::{clock, now, stamp};

/// How often new log records are asked for.
const LOOK: Duration = Duration::from_secs(1);

/// Points of a range, if nothing is said: what fits a screen.
const POINTS: u32 = 60;

/// Evaluates PromQL now, or over a range until now.
pub async fn metrics(screen: Screen, client: &Client, metrics: &Metrics) -> Result<(), Failure> {
    let mut query = vec![("query", metrics.query.clone())];
    let path = match metrics.range {
        None => "/api/v1/query",
        Some(range) => {
            let step = metrics.step.unwrap_or_else(|| (range / POINTS).max(Duration::from_secs(1)));
            if range.is_zero() || step.is_zero() {
                return Err(Failure::new(Exit::Usage, "A range and its step are longer than nothing"));
            }
            let end = now();
            query.push(("start", end.minus(range).to_string()));
            query.push(("end", end.to_string()));
            query.push(("step", format!("{}", step.as_secs_f64())));
            "/api/v1/query_range"
        }
    };
    let answer = client.prometheus(path, &query).await?;
    for key in ["warnings", "infos"] {
        for text in answer[key].as_array().into_iter().flatten().filter_map(Value::as_str) {
            say(&format!("{}: {}", key.trim_end_matches('s'), clean(text)));
        }
    }
    let data = &answer["data"];
    screen.show(data, |data| render_metrics(data, screen.style))
}

/// `name{label="value"}`
fn series(metric: &Value) -> String {
    let Some(labels) = metric.as_object() else { return "{}".to_owned() };
    let name = labels.get("__name__").and_then(Value::as_str).unwrap_or_default();
    let rest: Vec<String> = labels
        .iter()
        .filter(|(key, _)| *key != "__name__")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if rest.is_empty() && !name.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", rest.join(","))
    }
}

fn instant(point: &Value) -> Timestamp {
    Timestamp::from_millis((point[0].as_f64().unwrap_or_default() * 1000.0).round() as i64)
}

fn shown(point: &Value) -> String {
    point[1].as_str().map_or_else(|| point[1].to_string(), str::to_owned)
}

fn render_metrics(data: &Value, style: Style) -> String {
    let result = &data["result"];
    match data["resultType"].as_str() {
        Some("scalar" | "string") => format!("{}\n", clean(&shown(result))),
        Some("vector") => {
            let rows: Vec<_> = result
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| {
                    let point = if entry["value"].is_null() { &entry["histogram"] } else { &entry["value"] };
                    vec![shown(point).into(), series(&entry["metric"]).into()]
                })
                .collect();
            if rows.is_empty() {
                "No series: nothing matches now.\n".to_owned()
            } else {
                table(style, &["VALUE", "SERIES"], rows)
            }
        }
        _ => {
            let mut out = String::new();
            for entry in result.as_array().into_iter().flatten() {
                let _ = writeln!(out, "{}", style.bold(&clean(&series(&entry["metric"]))));
                for key in ["values", "histograms"] {
                    for point in entry[key].as_array().into_iter().flatten() {
                        let _ = writeln!(out, "  {}  {}", clock(instant(point)), clean(&shown(point)));
                    }
                }
            }
            if out.is_empty() { "No series: nothing matches in this time.\n".to_owned() } else { out }
        }
    }
}

/// Lists log records, oldest first, and goes on with `--follow`.
pub async fn logs(screen: Screen, client: &Client, logs: &Logs) -> Result<(), Failure> {
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(logs.service.clone().map(|text| ("service", text)));
    query.extend(logs.trace.clone().map(|text| ("trace", text)));
    query.extend(logs.contains.clone().map(|text| ("contains", text)));
    query.extend(logs.severity.map(|severity| ("severity", word(severity).to_owned())));
    let mut first = query.clone();
    first.push(("limit", logs.lines.to_string()));
    let mut page: Page<LogView> = client.list("/v1/logs", &first).await?;
    if !logs.follow {
        return screen.show(&page, |page| {
            if page.items.is_empty() {
                return "No log record matches.\n".to_owned();
            }
            page.items.iter().map(|record| log_line(record, screen.style)).collect()
        });
    }
    let mut last = 0;
    loop {
        for record in &page.items {
            last = last.max(record.seq);
            if screen.is_json() {
                screen.json_line(record)?;
            } else {
                screen.print(&log_line(record, screen.style))?;
            }
        }
        if page.items.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        let mut next = query.clone();
        next.push(("after", last.to_string()));
        next.push(("limit", "1000".to_owned()));
        page = client.list("/v1/logs", &next).await?;
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Trace => "trace",
        Severity::Debug => "debug",
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

fn log_line(record: &LogView, style: Style) -> String {
    let severity = if record.severity.is_empty() { "-" } else { record.severity.as_str() };
    let padded = format!("{severity:<5}");
    let severity = style.paint(crate::screen::tone(severity), &padded);
    let trace = record.trace_id.as_deref().map(|id| format!("  trace {id}")).unwrap_or_default();
    format!(
        "{}  {severity}  {}  {}{}\n",
        style.paint(Tone::Dim, &clock(record.time)),
        clean(&record.service),
        clean(&record.body),
        style.paint(Tone::Dim, &trace)
    )
}

/// Lists traces, or shows one.
pub async fn traces(screen: Screen, client: &Client, traces: &Traces) -> Result<(), Failure> {
    if let Some(TracesVerb::Show { id }) = &traces.verb {
        let page = client.trace(id).await?;
        return screen.show(&page, |page| render_trace(&page.items, screen.style));
    }
    let mut query = vec![("limit", traces.lines.to_string())];
    query.extend(traces.service.clone().map(|text| ("service", text)));
    let page: Page<TraceView> = client.list("/v1/traces", &query).await?;
    screen.show(&page, |page| render_traces(&page.items, screen.style))
}

fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 { format!("{:.2} s", ms / 1000.0) } else { format!("{ms:.1} ms") }
}

fn render_traces(traces: &[TraceView], style: Style) -> String {
    if traces.is_empty() {
        return "No trace matches.\n".to_owned();
    }
    let rows = traces.iter().map(|trace| {
        let errors = if trace.errors == 0 { String::new() } else { count(trace.errors, "error") };
        vec![
            trace.trace_id.clone().into(),
            stamp(trace.start).into(),
            milliseconds(trace.duration_ms).into(),
            trace.spans.to_string().into(),
            errors.into(),
            format!("{}: {}", trace.service, trace.name).into(),
        ]
    });
    table(style, &["TRACE", "STARTED", "TOOK", "SPANS", "ERRORS", "ROOT"], rows.collect())
}

fn render_trace(spans: &[SpanView], style: Style) -> String {
    let mut out = String::new();
    for span in spans {
        // A hostile trace may be very deep; from some depth on it is only told.
        let shown = span.depth.min(40);
        let deep = if span.depth > shown { format!("(depth {}) ", span.depth) } else { String::new() };
        let failed = span.status == "error";
        let name = format!(
            "{}{deep}{}: {}",
            "  ".repeat(shown),
            clean(&span.service),
            shorten(&clean(&span.name), 80)
        );
        let message = shorten(&clean(&span.status_message), 120);
        let error = match (failed, message.is_empty()) {
            (false, _) => String::new(),
            (true, true) => format!("  {}", style.paint(Tone::Bad, "error")),
            (true, false) => format!("  {}: {message}", style.paint(Tone::Bad, "error")),
        };
        let _ = writeln!(
            out,
            "{:>10}  {:>10}  {name} ({}){error}",
            format!("+{}", milliseconds(span.offset_ms)),
            milliseconds(span.duration_ms),
            span.kind
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_all_types_are_shown() {
        let vector = json!({"resultType": "vector", "result": [
            {"metric": {"__name__": "up", "job": "x"}, "value": [1.5, "1"]}, {"metric": {}, "value": [1.5, "NaN"]}]});
        assert_eq!(
            render_metrics(&vector, Style::default()),
            "VALUE  SERIES\n1      up{job=\"x\"}\nNaN    {}\n"
        );
        let matrix = json!({"resultType": "matrix", "result": [
            {"metric": {"__name__": "up"}, "values": [[0, "1"], [15, "0"]]}]});
        assert_eq!(render_metrics(&matrix, Style::default()), "up\n  00:00:00.000  1\n  00:00:15.000  0\n");
        let scalar = json!({"resultType": "scalar", "result": [0, "42"]});
        assert_eq!(render_metrics(&scalar, Style::default()), "42\n");
    }

    #[test]
    fn a_trace_is_a_tree() {
        let span = |depth, name: &str, status: &str| SpanView {
            span_id: String::new(),
            parent_span_id: None,
            depth,
            service: "checkout".to_owned(),
            name: name.to_owned(),
            kind: "server".to_owned(),
            status: status.to_owned(),
            status_message: String::new(),
            offset_ms: depth as f64,
            duration_ms: 1500.0,
            attributes: Default::default(),
        };
        assert_eq!(
            render_trace(&[span(0, "POST /checkout", "unset"), span(1, "charge", "error")], Style::default()),
            "   +0.0 ms      1.50 s  checkout: POST /checkout (server)\n\
             \x20  +1.0 ms      1.50 s    checkout: charge (server)  error\n"
        );
    }
}
