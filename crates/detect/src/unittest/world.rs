//! The store that a test's series and rules live in.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use mainstay_promql::testscript::Item;
use mainstay_promql::{
    Engine, EvalError, Expr, Histogram, MemorySeries, Options, SampleValue, Value, VectorSample,
    VectorSelector, stale_marker,
};

use super::histogram::stored_hint;
use super::{Input, Test};
use crate::template::Queries;
use crate::{Labels, Sample};

/// A query of a test may hold so many samples at once.
const MAX_SAMPLES: u64 = 5_000_000;

/// An input series and how far it is loaded.
struct Feed<'t> {
    input: &'t Input,
    next: usize,
    /// The last histogram that was loaded, unless a number came after it.
    previous: Option<Histogram>,
}

/// Series, growing as a test goes on.
pub(super) struct World<'t> {
    engine: Engine,
    series: MemorySeries,
    /// The last sample of each series: its instant and its value's bits (none for a histogram).
    last: BTreeMap<mainstay_promql::Labels, (i64, Option<u64>)>,
    feeds: Vec<Feed<'t>>,
    start_ms: i64,
    interval_ms: i64,
}

/// The whole text of a failure.
fn full(error: &EvalError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

impl<'t> World<'t> {
    /// Without any sample yet.
    pub(super) fn new(test: &'t Test, subquery_step_ms: i64) -> Self {
        // A series that is written down twice is the one written last, in the place of the first.
        let mut latest: BTreeMap<&mainstay_promql::Labels, &Input> = BTreeMap::new();
        for input in &test.series {
            latest.insert(&input.labels, input);
        }
        let feeds = latest.into_values().map(|input| Feed { input, next: 0, previous: None }).collect();
        let options = Options { subquery_step_ms, max_samples: MAX_SAMPLES, ..Options::default() };
        Self {
            engine: Engine::new(options),
            series: MemorySeries::new(),
            last: BTreeMap::new(),
            feeds,
            start_ms: test.start.as_millis(),
            interval_ms: i64::try_from(test.interval.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Loads the samples of the input series up to an instant.
    pub(super) fn load_until(&mut self, until: Timestamp) {
        let until = until.as_millis();
        for feed in &mut self.feeds {
            while let Some(item) = feed.input.items.get(feed.next) {
                let steps = i64::try_from(feed.next).unwrap_or(i64::MAX);
                let t_ms = self.start_ms.saturating_add(self.interval_ms.saturating_mul(steps));
                if t_ms > until {
                    break;
                }
                feed.next += 1;
                let value = match item {
                    Item::Omitted => continue,
                    Item::Float(value) => {
                        feed.previous = None;
                        SampleValue::Float(*value)
                    }
                    Item::Histogram(histogram, _) => {
                        let hint = stored_hint(feed.previous.as_ref(), histogram);
                        let stored = Histogram { hint, ..Histogram::clone(histogram) };
                        feed.previous = Some(Histogram::clone(histogram));
                        SampleValue::Histogram(stored.into())
                    }
                };
                let bits = match &value {
                    SampleValue::Float(value) => Some(value.to_bits()),
                    SampleValue::Histogram(_) => None,
                };
                self.last.insert(feed.input.labels.clone(), (t_ms, bits));
                self.series.push(&feed.input.labels, mainstay_promql::Sample { t_ms, value });
            }
        }
    }

    /// Writes what a rule recorded. A sample that does not come after the last one of its series is refused, as a
    /// Prometheus server would: a rule that records a series which the test also loads is a mistake.
    pub(super) fn record(&mut self, series: &[Sample], at: Timestamp) -> Result<(), String> {
        let mut refused = None;
        for sample in series {
            if let Err(error) = self.append(&sample.labels, sample.value, at) {
                refused.get_or_insert(error);
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Marks series as ended. One that has a newer sample goes on.
    pub(super) fn end(&mut self, series: &[Labels], at: Timestamp) {
        for labels in series {
            let _ = self.append(labels, stale_marker(), at);
        }
    }

    fn append(&mut self, labels: &Labels, value: f64, at: Timestamp) -> Result<(), String> {
        let labels = mainstay_promql::Labels::from_pairs(labels);
        let t_ms = at.as_millis();
        match self.last.get(&labels) {
            Some((last, bits)) if *last == t_ms && *bits == Some(value.to_bits()) => return Ok(()),
            Some((last, _)) if *last == t_ms => {
                return Err(format!("{labels} already has another sample at this instant"));
            }
            Some((last, _)) if *last > t_ms => {
                return Err(format!("{labels} already has a newer sample"));
            }
            _ => {}
        }
        self.series.push(&labels, mainstay_promql::Sample::float(t_ms, value));
        self.last.insert(labels, (t_ms, Some(value.to_bits())));
        Ok(())
    }

    /// Evaluates an expression to a vector; a scalar is one sample without labels.
    pub(super) fn vector(&self, expr: &Expr, at: Timestamp) -> Result<Vec<VectorSample>, String> {
        let t_ms = at.as_millis();
        let answer = self.engine.instant(&self.series, expr, t_ms).map_err(|error| full(&error))?;
        match answer.value {
            Value::Vector(vector) => Ok(vector),
            Value::Scalar(_, value) => Ok(vec![VectorSample {
                labels: mainstay_promql::Labels::empty(),
                sample: mainstay_promql::Sample::float(t_ms, value),
            }]),
            other => {
                Err(format!("the answer is a {}, not a vector or a scalar", other.value_type().describe()))
            }
        }
    }

    /// The same as numbers, which is what rules and templates work on.
    pub(super) fn samples(&self, expr: &Expr, at: Timestamp) -> Result<Vec<Sample>, String> {
        let number = |sample: VectorSample| match sample.sample.as_float() {
            Some(value) => {
                let pairs = sample.labels.iter();
                let labels = pairs.map(|label| (label.name.to_string(), label.value.to_string())).collect();
                Ok(Sample { labels, value })
            }
            None => {
                Err("the answer holds native histograms, which rules and measures cannot be held against"
                    .to_owned())
            }
        };
        self.vector(expr, at)?.into_iter().map(number).collect()
    }

    /// Whether the selectors of an expression select anything, or it has none.
    pub(super) fn selects_anything(&self, expr: &Expr, at: Timestamp) -> bool {
        let selectors = expr.selectors();
        selectors.is_empty()
            || selectors.into_iter().any(|selector| {
                let bare = Expr::Selector(VectorSelector { extension: None, ..selector.clone() });
                self.vector(&bare, at).is_ok_and(|found| !found.is_empty())
            })
    }
}

impl Queries for World<'_> {
    fn instant(&self, query: &str, at: Timestamp) -> Result<Vec<Sample>, String> {
        let expr = mainstay_promql::parse(query).map_err(|errors| {
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            texts.join("; ")
        })?;
        self.samples(&expr, at)
    }
}
