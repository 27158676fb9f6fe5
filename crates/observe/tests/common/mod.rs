// What the tests share; included as text by those that need more of `common`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mainstay_observe::{
    Batch, Clock, Labels, LogRecord, Options, Point, Sample, SpanKind, SpanRecord, SpanStatus, Telemetry,
};

/// An instant of the tests: 2026-11-22.
pub const NOW: i64 = 1_795_000_000_000;

/// A clock that is set by hand.
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOW)))
    }

    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(i64::try_from(duration.as_millis()).expect("small"), Ordering::SeqCst);
    }

    pub fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn clock(&self) -> Clock {
        let own = self.clone();
        Arc::new(move || own.now())
    }
}

/// Options for tests: no demand on the disk of whoever runs them.
pub fn options(clock: &HandClock) -> Options {
    Options { clock: clock.clock(), min_free_bytes: 0, ..Options::default() }
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

pub fn sample(name: &str, t_ms: i64, value: f64) -> Sample {
    Sample { labels: labels(&[("__name__", name)]), t_ms, point: Point::Value(value) }
}

/// All samples of a metric, by series.
pub fn read(telemetry: &Arc<Telemetry>, name: &str) -> Vec<(Labels, Vec<(i64, f64)>)> {
    telemetry.snapshot().samples(Some(name), |_| true, i64::MIN, i64::MAX).expect("reads")
}

/// The samples of a metric that has one series.
pub fn only(telemetry: &Arc<Telemetry>, name: &str) -> Vec<(i64, f64)> {
    let mut found = read(telemetry, name);
    assert_eq!(found.len(), 1, "series of {name}: {found:?}");
    found.remove(0).1
}

pub fn log(service: &str, time_ms: i64, severity: u8, body: &str) -> LogRecord {
    LogRecord {
        time_ns: time_ms * 1_000_000,
        service: service.to_owned(),
        severity,
        severity_text: String::new(),
        body: body.to_owned(),
        trace_id: String::new(),
        span_id: String::new(),
        event_name: String::new(),
        scope: String::new(),
        attributes: serde_json::json!({"k": "v"}),
        resource: serde_json::json!({"service.name": service}),
    }
}

pub fn span(trace: u8, id: u8, parent: u8, start_ms: i64, length_ms: i64) -> SpanRecord {
    let hex =
        |byte: u8, count: usize| if byte == 0 { String::new() } else { format!("{byte:02x}").repeat(count) };
    SpanRecord {
        trace_id: hex(trace, 16),
        span_id: hex(id, 8),
        parent_span_id: hex(parent, 8),
        service: format!("service-{id}"),
        name: format!("work-{id}"),
        kind: SpanKind::Server,
        start_ns: start_ms * 1_000_000,
        end_ns: (start_ms + length_ms) * 1_000_000,
        status: if id == 3 { SpanStatus::Error } else { SpanStatus::Unset },
        status_message: String::new(),
        scope: String::new(),
        attributes: serde_json::json!({}),
        events: serde_json::json!([]),
        links: serde_json::json!([]),
        resource: serde_json::json!({}),
    }
}

pub fn logs(records: Vec<LogRecord>) -> Batch {
    Batch { logs: records, ..Batch::default() }
}

pub fn spans(records: Vec<SpanRecord>) -> Batch {
    Batch { spans: records, ..Batch::default() }
}
