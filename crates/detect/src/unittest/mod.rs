//! Unit tests of rules, in the format that `promtool test rules` reads.
//!
//! A test loads series that are written down in a compact notation, evaluates rule groups over them again and again,
//! and compares alarms and query answers with what is expected. Rules take their steps through
//! [`crate::evaluate_rule`], the same function that a server calls; recorded series, `ALERTS` and staleness are visible
//! to later rules, as they are there.
//!
//! Files are the caller's: it reads the test file and the rule files that its patterns name.
//!
//! What promtool does, this does: samples are visible up to the last evaluation only, alarms of an instant are those of
//! the last evaluation at or before it, and the first rule that fails ends its test.

use std::time::Duration;

use mainstay_model::{Problem, Segment, Timestamp};
use mainstay_promql::Expr;
use mainstay_promql::testscript::Item;

use crate::Labels;

mod compare;
mod diff;
mod histogram;
mod read;
mod run;
mod triggers;
mod world;

pub use diff::Line;
pub use read::texts_written_as_numbers;
pub use run::Suite;
pub use triggers::{MAX_FIRINGS, TriggerTests};

/// The most evaluations that one test may take.
pub const MAX_EVALUATIONS: u64 = 2_000_000;

/// A file of unit tests, read.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Patterns of the rule files that are tested, relative to the file.
    pub rule_files: Vec<String>,
    /// How often rules are evaluated, and the step of subqueries that state none.
    pub evaluation_interval: Duration,
    /// Names of groups in order of evaluation; groups that are not listed come with the first.
    pub group_eval_order: Vec<String>,
    /// Whether neighbouring floating point numbers count as equal.
    pub fuzzy_compare: bool,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One test: series, and what is expected of rules and queries over them.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name, or `unnamed#` and its place in the file from 0.
    pub name: String,
    /// The distance of the samples of the series.
    interval: Duration,
    /// The instant of the first sample and of the first evaluation.
    start: Timestamp,
    external_labels: Labels,
    external_url: String,
    series: Vec<Input>,
    alarms: Vec<AlarmCheck>,
    queries: Vec<QueryCheck>,
    /// What is wrong with the test itself, so that it cannot be run.
    flaws: Vec<Problem>,
}

impl Test {
    /// How many expectations it has: instants of an alarm, and queries.
    pub fn checks(&self) -> usize {
        self.alarms.len() + self.queries.len()
    }
}

/// A series with one item for each interval.
#[derive(Clone, Debug)]
struct Input {
    labels: mainstay_promql::Labels,
    items: Vec<Item>,
}

/// `alert_rule_test`: which instances of an alarm fire at an instant.
#[derive(Clone, Debug)]
struct AlarmCheck {
    /// After the start.
    at: Duration,
    alarm: String,
    /// Labels, `alertname` included, and annotations, in order.
    expected: Vec<(Labels, Labels)>,
    path: Vec<Segment>,
}

/// `promql_expr_test`: what a query answers at an instant.
#[derive(Clone, Debug)]
struct QueryCheck {
    /// After the start.
    at: Duration,
    text: String,
    /// The expression and the samples, or what is wrong with them.
    parsed: Result<(Expr, Vec<ExpectedSample>), Vec<Problem>>,
    path: Vec<Segment>,
}

/// One sample of a query's answer.
#[derive(Clone, Debug)]
struct ExpectedSample {
    labels: mainstay_promql::Labels,
    value: f64,
    /// The histogram in its test notation, or the empty text.
    histogram: String,
}

/// What became of one test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// How many expectations were looked at. Fewer than the test has where a rule failed.
    pub checks: usize,
    /// What differs from what was expected; empty for a test that passed.
    pub failures: Vec<Failure>,
}

impl TestOutcome {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// One expectation that is not met, or one reason why a test could not be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What is wrong, located in the test file.
    pub problem: Problem,
    /// What was expected, in lines.
    pub expected: Vec<String>,
    /// What there was instead, in lines.
    pub got: Vec<String>,
}

impl Failure {
    /// The difference between what was expected and what there was, line by line; empty where nothing was compared.
    pub fn diff(&self) -> Vec<Line> {
        diff::lines(&self.expected, &self.got)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, expected: Vec::new(), got: Vec::new() }
    }
}
