//! Evaluating expressions.
//!
//! A query is evaluated over all its steps at once: every part of it yields columns, one per series, with one
//! entry per step. An instant query is a query of one step. Parts that handle one series at a time pass their
//! columns on as they make them, so that an aggregation never holds its whole input.

mod aggregate;
mod binary;
mod call;
mod column;
mod extended;
mod histogram_functions;
mod histogram_total;
mod info;
mod label_functions;
mod limit;
mod matching;
mod notes;
mod over;
mod over_floats;
mod over_histograms;
mod parallel;
mod plan;
mod select;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::ast::{Expr, Span, ValueType};
use crate::series::{Selection, Series, SeriesData};
use crate::value::{Answer, Level, MatrixSeries, Sample, SampleValue, Value, VectorSample};
use column::{Budget, Cell, Column, Grid, merge_same};
use plan::{Node, NodeKind, QueryTimes};

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A part of the language that this engine does not evaluate yet.
    #[error("{what} is not supported by this engine")]
    Unsupported {
        /// What is not supported.
        what: String,
        /// Where it stands in the query.
        span: Span,
    },
    /// The query asks for something that its data does not allow.
    #[error("{message}")]
    Query {
        /// What is wrong.
        message: String,
        /// Where in the query, when one place is to blame.
        span: Option<Span>,
    },
    /// Two series of the answer would have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabelset,
    /// The query would hold more samples at once than it may.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// A selector found more series than a query may use.
    #[error("query selects more than {most} series")]
    TooManySeries {
        /// How many it may use.
        most: usize,
    },
    /// A range query has more steps than it may, or a step that is not above zero.
    #[error("{0}")]
    Steps(String),
    /// The query was cancelled, or its time ran out.
    #[error("query was canceled in expression evaluation")]
    Cancelled,
    /// The store failed.
    #[error("expanding series")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl EvalError {
    pub(crate) fn query(message: impl Into<String>, span: Span) -> Self {
        Self::Query { message: message.into(), span: Some(span) }
    }

    /// The place in the query that is to blame, when there is one.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Unsupported { span, .. } => Some(*span),
            Self::Query { span, .. } => *span,
            _ => None,
        }
    }
}

/// A question that is asked while a query runs: whether to stop.
pub type Cancel = Arc<dyn Fn() -> bool + Send + Sync>;

/// How queries are evaluated.
#[derive(Clone)]
pub struct Options {
    /// How far back a selector looks for the newest sample, in milliseconds. 5 minutes by default.
    pub lookback_ms: i64,
    /// The step of subqueries that do not state one, in milliseconds. 1 minute by default.
    pub subquery_step_ms: i64,
    /// How many samples a query may hold at once: those of the series that are being worked on, one per selector (and
    /// thread), and those of results, also of the parts of the query. 50 million by default.
    pub max_samples: u64,
    /// How many series one selector may find. 1 million by default.
    pub max_series: usize,
    /// How many steps a range query may have. 11,000 by default.
    pub max_steps: usize,
    /// Remove metric names at the end of the query instead of in each operation.
    pub delayed_name_removal: bool,
    /// Let `rate` and its kin use the instants at which counters began, where the store knows them.
    pub use_start_timestamps: bool,
    /// Judge by `__type__` instead of by the name whether a metric is a counter.
    pub type_and_unit_labels: bool,
    /// On how many threads the series of a selector are worked on, 1 by default, which makes none. The answer is the
    /// same to the last bit. Only large selections are shared out.
    pub parallel: usize,
    /// Asked again and again while a query runs, on each of its threads; the query stops when it answers true.
    pub cancel: Option<Cancel>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lookback_ms: 5 * 60 * 1000,
            subquery_step_ms: 60 * 1000,
            max_samples: 50_000_000,
            max_series: 1_000_000,
            max_steps: 11_000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
            parallel: 1,
            cancel: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("lookback_ms", &self.lookback_ms)
            .field("subquery_step_ms", &self.subquery_step_ms)
            .field("max_samples", &self.max_samples)
            .field("max_series", &self.max_series)
            .field("max_steps", &self.max_steps)
            .field("delayed_name_removal", &self.delayed_name_removal)
            .field("use_start_timestamps", &self.use_start_timestamps)
            .field("type_and_unit_labels", &self.type_and_unit_labels)
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}

/// Evaluates expressions.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    options: Options,
}

impl Engine {
    /// An engine with the given options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// The engine's options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Evaluates an expression at one instant, in milliseconds since the epoch.
    ///
    /// # Errors
    /// What [`EvalError`] lists.
    pub fn instant<S: Series>(&self, series: &S, expr: &Expr, at_ms: i64) -> Result<Answer, EvalError> {
        let times = QueryTimes { start: at_ms, end: at_ms, step: 0 };
        let node = plan::plan(expr, times)?;
        let source = Erased(series);
        let eval = self.evaluation(&source, times);
        let grid = Grid::instant(at_ms);
        let value = match node.value_type {
            ValueType::Scalar => {
                Value::Scalar(at_ms, eval.scalar(&node, grid)?.first().copied().unwrap_or(f64::NAN))
            }
            ValueType::String => match &node.kind {
                NodeKind::String(bytes) => Value::String(at_ms, String::from_utf8_lossy(bytes).into_owned()),
                _ => return Err(EvalError::query("expected a string literal", node.span)),
            },
            ValueType::Vector => {
                let columns = eval.finish(eval.collect(&node, grid)?)?;
                Value::Vector(columns.iter().filter_map(|column| vector_sample(column, at_ms)).collect())
            }
            ValueType::Matrix => Value::Matrix(sorted(eval.bare_window(&node, grid)?)),
        };
        Ok(eval.answer(value))
    }

    /// Evaluates an expression at `start_ms`, `start_ms + step_ms` and so on up to `end_ms`.
    ///
    /// The value is a matrix, also for expressions that are scalars.
    ///
    /// # Errors
    /// What [`EvalError`] lists; also when the expression is neither a scalar nor an instant vector.
    pub fn range<S: Series>(
        &self,
        series: &S,
        expr: &Expr,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<Answer, EvalError> {
        let times = QueryTimes { start: start_ms, end: end_ms, step: step_ms };
        if !matches!(expr.value_type(), ValueType::Scalar | ValueType::Vector) {
            let message = format!(
                "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                expr.value_type().describe()
            );
            return Err(EvalError::query(message, expr.span()));
        }
        if step_ms <= 0 {
            return Err(EvalError::Steps("the step of a range query must be above zero".to_owned()));
        }
        let node = plan::plan(expr, times)?;
        let source = Erased(series);
        let eval = self.evaluation(&source, times);
        if end_ms < start_ms {
            return Ok(eval.answer(Value::Matrix(Vec::new())));
        }
        let count = end_ms.saturating_sub(start_ms) / step_ms;
        let count = usize::try_from(count).unwrap_or(usize::MAX).saturating_add(1);
        if count > self.options.max_steps {
            let most = self.options.max_steps;
            return Err(EvalError::Steps(format!(
                "a range query of {count} steps exceeds the most of {most}"
            )));
        }
        let grid = Grid { start: start_ms, step: step_ms, count };
        let matrix = if node.value_type == ValueType::Scalar {
            let samples =
                grid.times().zip(eval.scalar(&node, grid)?).map(|(t, v)| Sample::float(t, v)).collect();
            vec![MatrixSeries { labels: crate::labels::Labels::empty(), samples }]
        } else {
            let columns = eval.finish(eval.collect(&node, grid)?)?;
            columns
                .into_iter()
                .map(|column| MatrixSeries { samples: column.samples(grid), labels: column.labels })
                .filter(|series| !series.samples.is_empty())
                .collect()
        };
        Ok(eval.answer(Value::Matrix(sorted(matrix))))
    }

    fn evaluation<'a>(&'a self, source: &'a dyn Source, times: QueryTimes) -> Eval<'a> {
        Eval::new(source, &self.options, Budget::new(self.options.max_samples), times)
    }
}

fn vector_sample(column: &Column, t_ms: i64) -> Option<VectorSample> {
    let value = match column.cell(0) {
        Cell::None => return None,
        Cell::Float(value) => SampleValue::Float(value),
        Cell::Histogram(histogram) => SampleValue::Histogram(histogram),
    };
    Some(VectorSample { labels: column.labels.clone(), sample: Sample { t_ms, value } })
}

fn sorted(mut matrix: Vec<MatrixSeries>) -> Vec<MatrixSeries> {
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    matrix
}

/// A store whose type is forgotten, so that evaluation is compiled once.
trait Source {
    /// Hands over the selected series until there are no more or one fails.
    fn each(&self, selection: &Selection<'_>, visit: SeriesVisitor<'_>) -> Result<(), EvalError>;
}

/// What is called with each selected series.
type SeriesVisitor<'v> = &'v mut dyn FnMut(SeriesData) -> Result<(), EvalError>;

struct Erased<'a, S>(&'a S);

impl<S: Series> Source for Erased<'_, S> {
    fn each(&self, selection: &Selection<'_>, visit: SeriesVisitor<'_>) -> Result<(), EvalError> {
        let mut failed = None;
        let visit = &mut |series| match visit(series) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        let asked = self.0.each(selection, visit);
        match failed {
            Some(error) => Err(error),
            None => asked.map_err(|error| EvalError::Storage(Box::new(error))),
        }
    }
}

/// Where a part of the query delivers its columns.
type Sink<'s> = &'s mut dyn FnMut(Column) -> Result<(), EvalError>;

/// One evaluation of one query.
struct Eval<'a> {
    source: &'a dyn Source,
    options: &'a Options,
    budget: Budget,
    times: QueryTimes,
    notes: notes::Notes,
    /// Units of work until it is asked again whether to stop.
    until_asked: std::cell::Cell<usize>,
}

/// How much work is done between two questions whether to stop: a unit is about one sample or step looked at, so
/// this is well below a millisecond.
const WORK_BETWEEN_QUESTIONS: usize = 50_000;

impl<'a> Eval<'a> {
    fn new(source: &'a dyn Source, options: &'a Options, budget: Budget, times: QueryTimes) -> Self {
        let until_asked = std::cell::Cell::new(WORK_BETWEEN_QUESTIONS);
        Self { source, options, budget, times, notes: notes::Notes::default(), until_asked }
    }
}

impl Eval<'_> {
    /// Notes that some work was done or is about to be, and asks now and then whether to stop.
    fn worked(&self, units: usize) -> Result<(), EvalError> {
        match self.until_asked.get().checked_sub(units) {
            Some(left) => {
                self.until_asked.set(left);
                Ok(())
            }
            None => {
                self.until_asked.set(WORK_BETWEEN_QUESTIONS);
                self.check_cancelled()
            }
        }
    }

    fn answer(self, value: Value) -> Answer {
        let (warnings, infos) =
            self.notes.into_annotations().into_iter().partition(|note| note.level == Level::Warning);
        Answer { value, warnings, infos }
    }

    fn warn(&self, text: &str, span: Span) {
        self.notes.warn(text, span);
    }

    fn info(&self, text: &str, span: Span) {
        self.notes.info(text, span);
    }

    fn check_cancelled(&self) -> Result<(), EvalError> {
        if self.options.cancel.as_ref().is_some_and(|cancel| cancel()) {
            Err(EvalError::Cancelled)
        } else {
            Ok(())
        }
    }

    fn column(&self, labels: crate::labels::Labels, grid: Grid) -> Result<Column, EvalError> {
        Column::new(labels, grid, &self.budget)
    }

    /// All columns of a part.
    fn collect(&self, node: &Node, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let mut columns = Vec::new();
        self.stream(node, grid, &mut |column| {
            columns.push(column);
            Ok(())
        })?;
        Ok(columns)
    }

    /// Removes the names that are to go and puts together what then has equal labels.
    fn finish(&self, mut columns: Vec<Column>) -> Result<Vec<Column>, EvalError> {
        columns.retain(|column| !column.is_blank());
        if !columns.iter().any(|column| column.drop_name) {
            return merge_same(columns);
        }
        for column in &mut columns {
            if column.drop_name {
                column.labels = column.labels.without_metadata();
                column.drop_name = false;
            }
        }
        merge_same(columns)
    }

    /// Delivers the columns of a part one by one.
    fn stream(&self, node: &Node, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        self.check_cancelled()?;
        match &node.kind {
            NodeKind::Invariant(inner) => {
                for column in self.collect(inner, Grid { count: 1, ..grid })? {
                    sink(column.spread(grid, &self.budget)?)?;
                }
                Ok(())
            }
            NodeKind::Select(select) => self.select_instant(select, grid, sink),
            NodeKind::Call(function, args) => self.call(function, args, node.span, grid, sink),
            NodeKind::Aggregate(aggregate) => self.aggregate(aggregate, node.span, grid, sink),
            NodeKind::Binary(binary) => self.binary(binary, node.span, grid, sink),
            NodeKind::Plus(inner) => self.stream(inner, grid, sink),
            NodeKind::Negative(inner) => self.dropping_names(inner, grid, sink, &mut |column| {
                column.floats.iter_mut().for_each(|value| {
                    if !column::is_absent(*value) {
                        *value = -*value;
                    }
                });
                for histogram in column.histograms.iter_mut().flatten().flatten() {
                    *histogram = Arc::new(histogram.scaled(-1.0));
                }
                Ok(())
            }),
            NodeKind::Number(_) | NodeKind::String(_) | NodeKind::Range(..) | NodeKind::Subquery(_) => {
                // The parser checked the types; only a mistake of ours leads here.
                Err(EvalError::query("expected an instant vector", node.span))
            }
        }
    }

    /// Delivers the columns of a part after a change that makes them lose their names.
    fn dropping_names(
        &self,
        node: &Node,
        grid: Grid,
        sink: Sink<'_>,
        change: &mut dyn FnMut(&mut Column) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        let mut merged = Vec::new();
        self.stream(node, grid, &mut |mut column| {
            change(&mut column)?;
            if self.options.delayed_name_removal {
                column.drop_name = true;
                return sink(column);
            }
            column.labels = column.labels.without_metadata();
            if single_name(node) {
                return sink(column);
            }
            merged.push(column);
            Ok(())
        })?;
        merge_same(merged)?.into_iter().try_for_each(sink)
    }
}

/// Whether all series of a part have the same metric name, so that removing it cannot make two of them equal.
fn single_name(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Select(select) | NodeKind::Range(select, _) => select.name.is_some(),
        NodeKind::Invariant(inner) | NodeKind::Negative(inner) | NodeKind::Plus(inner) => single_name(inner),
        _ => false,
    }
}
