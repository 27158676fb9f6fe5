//! PromQL over the telemetry, for rules, measures and people.

use std::sync::Arc;

use mainstay_detect::{Labels, Queries, Sample};
use mainstay_model::Timestamp;
use mainstay_observe::Telemetry;
use mainstay_promql::{Answer, Engine, Expr, Value};

/// Why a query has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not PromQL.
    #[error("{0}")]
    Parse(String),
    /// It cannot be evaluated.
    #[error("{0}")]
    Evaluate(String),
}

/// The answer of an instant query as samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Instant {
    /// The samples; a scalar is one without labels.
    pub samples: Vec<Sample>,
    /// Whether the query's selectors select any series at all, or it has none.
    pub had_data: bool,
}

/// The engine over the server's telemetry. Cheap to clone. Calls block while they compute and read; loops make them on
/// a blocking thread.
#[derive(Clone)]
pub struct Querier {
    telemetry: Arc<Telemetry>,
    engine: Arc<Engine>,
}

impl Querier {
    /// Over this telemetry.
    pub fn new(telemetry: Arc<Telemetry>) -> Self {
        Self { telemetry, engine: Arc::new(Engine::default()) }
    }

    /// Reads a query.
    pub fn parse(text: &str) -> Result<Expr, QueryError> {
        mainstay_promql::parse(text).map_err(|errors| {
            let texts: Vec<String> = errors
                .iter()
                .map(|error| format!("at character {}: {}", error.span.start + 1, error.message))
                .collect();
            QueryError::Parse(texts.join("; "))
        })
    }

    /// Evaluates at one instant.
    pub fn instant(&self, expr: &Expr, at: Timestamp) -> Result<Answer, QueryError> {
        self.engine
            .instant(&self.telemetry.snapshot(), expr, at.as_millis())
            .map_err(|error| QueryError::Evaluate(error.to_string()))
    }

    /// Evaluates over a range, both ends included.
    pub fn range(
        &self,
        expr: &Expr,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
    ) -> Result<Answer, QueryError> {
        self.engine
            .range(&self.telemetry.snapshot(), expr, start.as_millis(), end.as_millis(), step_ms)
            .map_err(|error| QueryError::Evaluate(error.to_string()))
    }

    /// Evaluates at one instant and says whether there was anything to evaluate.
    pub fn samples(&self, expr: &Expr, at: Timestamp) -> Result<Instant, QueryError> {
        let samples = samples(self.instant(expr, at)?.value)?;
        // A sample in the answer is data enough; only an empty answer has to be looked into.
        let had_data = !samples.is_empty() || self.selects_anything(expr, at)?;
        Ok(Instant { samples, had_data })
    }

    fn selects_anything(&self, expr: &Expr, at: Timestamp) -> Result<bool, QueryError> {
        let mut any_selector = false;
        for selector in expr.selectors() {
            any_selector = true;
            let bare =
                Expr::Selector(mainstay_promql::VectorSelector { extension: None, ..selector.clone() });
            let found = samples(self.instant(&bare, at)?.value)?;
            if !found.is_empty() {
                return Ok(true);
            }
        }
        Ok(!any_selector)
    }
}

fn samples(value: Value) -> Result<Vec<Sample>, QueryError> {
    let labels = |labels: &mainstay_promql::Labels| -> Labels {
        labels.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect()
    };
    match value {
        Value::Scalar(_, value) => Ok(vec![Sample { labels: Labels::new(), value }]),
        Value::Vector(vector) => vector
            .iter()
            .map(|sample| match sample.sample.as_float() {
                Some(value) => Ok(Sample { labels: labels(&sample.labels), value }),
                None => Err(QueryError::Evaluate(
                    "the answer holds native histograms, which rules and measures cannot be held against"
                        .to_owned(),
                )),
            })
            .collect(),
        Value::String(..) => Err(QueryError::Evaluate("the answer is a text, not numbers".to_owned())),
        Value::Matrix(_) => Err(QueryError::Evaluate("the answer is a range, not an instant".to_owned())),
    }
}

impl Queries for Querier {
    fn instant(&self, query: &str, at: Timestamp) -> Result<Vec<Sample>, String> {
        let expr = Self::parse(query).map_err(|error| error.to_string())?;
        self.samples(&expr, at).map(|instant| instant.samples).map_err(|error| error.to_string())
    }
}
