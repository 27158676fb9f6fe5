//! What goes in: samples, log records and spans, in one batch that is stored whole.

use std::fmt;

/// The labels of one series, its name among them as `__name__`.
pub use mainstay_promql::Labels;

/// The value Prometheus stores where a series ended: a NaN with this bit pattern.
pub const STALE_NAN: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is the staleness marker (other NaNs are not).
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN.to_bits()
}

/// How the value of a sample is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// The value of the series at that time; may be [`STALE_NAN`].
    Value(f64),
    /// An amount to add to the last stored value of the series (OTLP delta temporality). A series begins at zero.
    Add(f64),
}

/// One sample of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series, with its name as `__name__`.
    pub labels: Labels,
    /// Milliseconds since the epoch.
    pub t_ms: i64,
    /// The value.
    pub point: Point,
}

impl Sample {
    /// A sample with a value, at a time in milliseconds since the epoch.
    pub fn new(labels: Labels, t_ms: i64, value: f64) -> Self {
        Self { labels, t_ms, point: Point::Value(value) }
    }
}

/// What sort of numbers a metric holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Only goes up, or starts again from zero.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// Quantiles, sum and count.
    Summary,
    /// Constant 1 with facts as labels.
    Info,
    /// Not said.
    Unknown,
}

/// What is known of a metric besides its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricMetadata {
    /// The family's name, without `_bucket`, `_sum`, `_count`.
    pub name: String,
    /// What sort of numbers.
    pub kind: MetricKind,
    /// The unit in words (`seconds`), or empty.
    pub unit: String,
    /// What it means, or empty.
    pub help: String,
}

/// One log record, in the shape of the OpenTelemetry log data model.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LogRecord {
    /// When it happened, nanoseconds since the epoch.
    pub time_ns: i64,
    /// Which service said it; empty if unknown.
    pub service: String,
    /// 1 to 24 (TRACE 1, DEBUG 5, INFO 9, WARN 13, ERROR 17, FATAL 21); 0 if not said.
    pub severity: u8,
    /// The severity in the words of the source.
    pub severity_text: String,
    /// The text; a structured body is written as JSON.
    pub body: String,
    /// Lower-case hex, 32 digits, or empty.
    pub trace_id: String,
    /// Lower-case hex, 16 digits, or empty.
    pub span_id: String,
    /// The name of the event if the record is one, or empty.
    pub event_name: String,
    /// The library or file it came from, or empty.
    pub scope: String,
    /// A JSON object.
    pub attributes: serde_json::Value,
    /// The attributes of the resource: a JSON object.
    pub resource: serde_json::Value,
}

/// Which side of a call a span stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Within a service.
    Internal,
    /// Answers a call.
    Server,
    /// Makes a call.
    Client,
    /// Puts a message on a queue.
    Producer,
    /// Takes a message from a queue.
    Consumer,
}

/// How a span ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanStatus {
    /// Not said.
    #[default]
    Unset,
    /// Said to be well.
    Ok,
    /// Failed.
    Error,
}

/// One span.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SpanRecord {
    /// Lower-case hex, 32 digits.
    pub trace_id: String,
    /// Lower-case hex, 16 digits.
    pub span_id: String,
    /// Lower-case hex, 16 digits; empty for a root.
    pub parent_span_id: String,
    /// Which service it ran in; empty if unknown.
    pub service: String,
    /// What it did.
    pub name: String,
    /// Which side of a call.
    pub kind: SpanKind,
    /// Nanoseconds since the epoch.
    pub start_ns: i64,
    /// Nanoseconds since the epoch; not before `start_ns`.
    pub end_ns: i64,
    /// How it ended.
    pub status: SpanStatus,
    /// Why it failed, or empty.
    pub status_message: String,
    /// The library that made it, or empty.
    pub scope: String,
    /// A JSON object.
    pub attributes: serde_json::Value,
    /// An array of `{time_ns, name, attributes}`.
    pub events: serde_json::Value,
    /// An array of `{trace_id, span_id, attributes}`.
    pub links: serde_json::Value,
    /// The attributes of the resource: a JSON object.
    pub resource: serde_json::Value,
}

/// What is stored together, all or nothing apart from what is refused by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Samples.
    pub samples: Vec<Sample>,
    /// Facts about metrics; a later one replaces an earlier one of the same name.
    pub metadata: Vec<MetricMetadata>,
    /// Log records.
    pub logs: Vec<LogRecord>,
    /// Spans.
    pub spans: Vec<SpanRecord>,
}

impl Batch {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.metadata.is_empty() && self.logs.is_empty() && self.spans.is_empty()
    }

    /// About how much memory it takes, in bytes; what the bound on waiting batches counts.
    pub fn weight(&self) -> usize {
        let logs = self.logs.iter().map(|log| 512 + log.body.len() + 64 * size_of_object(&log.attributes));
        let spans = self.spans.iter().map(|span| 768 + 64 * size_of_object(&span.attributes));
        self.samples.len() * 256 + self.metadata.len() * 128 + logs.sum::<usize>() + spans.sum::<usize>()
    }
}

fn size_of_object(value: &serde_json::Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

/// Why a sample was refused while the rest of its batch was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// The series has another value at the same time already. The first value stays.
    Duplicate,
    /// Older than the retention keeps.
    TooOld,
    /// More than ten minutes ahead of the clock.
    TooFarAhead,
    /// An amount to add that is older than what has been added already.
    OutOfOrderDelta,
    /// It would begin a series beyond `Options::max_series`.
    TooManySeries,
    /// No metric name.
    NoName,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "another value is stored for the same series and time",
            Self::TooOld => "older than the retention keeps",
            Self::TooFarAhead => "more than 10 minutes ahead of this server's clock",
            Self::OutOfOrderDelta => "a delta older than one already added",
            Self::TooManySeries => "the limit on the number of series is reached",
            Self::NoName => "no metric name",
        })
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Samples stored, those that were there already with the same value included.
    pub samples: usize,
    /// Samples refused, by reason; empty when everything was stored.
    pub rejected: std::collections::BTreeMap<Rejection, usize>,
    /// The sequence number of the last log record stored so far (of any batch), 0 if there is none.
    pub log_seq: u64,
}

impl Outcome {
    /// How many samples were refused.
    pub fn rejected_samples(&self) -> usize {
        self.rejected.values().sum()
    }
}

/// Name and value of each label, by name.
pub(crate) fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|label| (&*label.name, &*label.value))
}

/// The labels as the database and error messages have them: a JSON object with sorted keys.
pub(crate) fn canonical(labels: &Labels) -> String {
    let mut text = String::from("{");
    for (index, (name, value)) in pairs(labels).enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(name).to_string());
        text.push(':');
        text.push_str(&serde_json::Value::from(value).to_string());
    }
    text.push('}');
    text
}

/// Reads back what [`canonical`] wrote.
pub(crate) fn from_canonical(text: &str) -> Result<Labels, serde_json::Error> {
    let map: std::collections::BTreeMap<String, String> = serde_json::from_str(text)?;
    Ok(Labels::from_pairs(map))
}
