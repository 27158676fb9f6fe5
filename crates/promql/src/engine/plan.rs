//! Turning an expression into what is evaluated: durations are numbers, modifiers are instants, parentheses
//! are gone, and parts that are the same at every step are marked.

use super::EvalError;
use crate::ast::{
    self, AggregateOp, At, BinaryOp, DurationExpr, DurationOp, Expr, Extension, Matching, Span, ValueType,
    VectorSelector,
};
use crate::functions::{Function, Kind, QueryFn};
use crate::labels::Matcher;
use crate::text::MAX_DURATION_MS;

/// The times of a query, in milliseconds; the step of an instant query is 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryTimes {
    pub start: i64,
    pub end: i64,
    pub step: i64,
}

/// A part of the query.
#[derive(Debug)]
pub(crate) struct Node {
    pub kind: NodeKind,
    pub span: Span,
    pub value_type: ValueType,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Number(f64),
    String(Vec<u8>),
    Select(Box<Select>),
    Range(Box<Select>, i64),
    Subquery(Box<Subquery>),
    Call(&'static Function, Vec<Node>),
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
    Negative(Box<Node>),
    /// A plus sign, which changes nothing.
    Plus(Box<Node>),
    /// Evaluated once; the value holds for every step.
    Invariant(Box<Node>),
}

#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub matchers: Vec<Matcher>,
    pub name: Option<String>,
    pub offset_ms: i64,
    pub at_ms: Option<i64>,
    pub extension: Option<Extension>,
    /// Only counts and sums of histograms are wanted; resets are then found while reading.
    pub stats: bool,
    pub span: Span,
}

#[derive(Debug)]
pub(crate) struct Subquery {
    pub expr: Box<Node>,
    pub range_ms: i64,
    pub step_ms: Option<i64>,
    pub offset_ms: i64,
    pub at_ms: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Aggregate {
    pub op: AggregateOp,
    pub expr: Box<Node>,
    pub param: Option<Box<Node>>,
    pub grouping: Vec<String>,
    pub without: bool,
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub op: BinaryOp,
    pub lhs: Box<Node>,
    pub rhs: Box<Node>,
    pub return_bool: bool,
    pub matching: Matching,
}

/// Plans a query.
///
/// # Errors
/// Durations that come out as nothing usable.
pub(crate) fn plan(expr: &Expr, times: QueryTimes) -> Result<Node, EvalError> {
    Planner { times }.node(expr, Around { wrap: true, stats: false, whole: false })
}

struct Planner {
    times: QueryTimes,
}

/// What is around a part of the query.
#[derive(Clone, Copy)]
struct Around {
    /// No part around this one is known to be the same at every step.
    wrap: bool,
    /// A function around it reads only counts and sums of histograms.
    stats: bool,
    /// Something around it reads whole histograms.
    whole: bool,
}

impl Planner {
    fn node(&self, expr: &Expr, around: Around) -> Result<Node, EvalError> {
        let expr = expr.without_parens();
        let value_type = expr.value_type();
        let span = expr.span();
        let wrappable =
            !matches!(expr, Expr::Number(_) | Expr::String(_) | Expr::Range(_) | Expr::Subquery(_));
        if around.wrap && wrappable && invariant(expr) {
            let inner = self.boxed(expr, Around { wrap: false, ..around })?;
            return Ok(Node { kind: NodeKind::Invariant(inner), span, value_type });
        }
        let kind = self.kind(expr, around)?;
        Ok(Node { kind, span, value_type })
    }

    /// Each kind has a function of its own, so that what one needs does not take stack from the others:
    /// this recursion is as deep as the expression.
    fn kind(&self, expr: &Expr, around: Around) -> Result<NodeKind, EvalError> {
        match expr {
            Expr::Number(number) => Ok(NodeKind::Number(number.value)),
            Expr::String(literal) => Ok(NodeKind::String(literal.value.clone())),
            Expr::Selector(selector) => Ok(NodeKind::Select(self.select(selector, around)?)),
            Expr::Range(range) => self.range(range, around),
            Expr::Subquery(subquery) => self.subquery(subquery),
            Expr::Call(call) => self.call(call, around),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, around),
            Expr::Binary(binary) => self.binary(binary, around),
            Expr::Unary(unary) => self.unary(unary, around),
            Expr::Paren(paren) => self.kind(&paren.expr, around),
        }
    }

    fn boxed(&self, expr: &Expr, around: Around) -> Result<Box<Node>, EvalError> {
        self.node(expr, around).map(Box::new)
    }

    fn range(&self, range: &ast::RangeSelector, around: Around) -> Result<NodeKind, EvalError> {
        let mut select = self.select(&range.selector, around)?;
        select.span = range.span;
        Ok(NodeKind::Range(select, self.positive(&range.range)?))
    }

    fn subquery(&self, subquery: &ast::Subquery) -> Result<NodeKind, EvalError> {
        Ok(NodeKind::Subquery(Box::new(Subquery {
            expr: self.boxed(&subquery.expr, Around { wrap: true, stats: false, whole: true })?,
            range_ms: self.positive(&subquery.range)?,
            step_ms: subquery.step.as_ref().map(|step| self.positive(step)).transpose()?,
            offset_ms: self.offset(subquery.offset.as_ref())?,
            at_ms: self.instant(subquery.at),
        })))
    }

    fn call(&self, call: &ast::Call, around: Around) -> Result<NodeKind, EvalError> {
        let kind = call.function.kind;
        if let Kind::Query(function) = kind {
            return Ok(NodeKind::Number(self.query_time(function)));
        }
        let around = Around {
            stats: around.stats || reads_stats(kind),
            whole: around.whole || reads_buckets(kind),
            ..around
        };
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.node(arg, around)?);
        }
        Ok(NodeKind::Call(call.function, args))
    }

    fn aggregate(&self, aggregate: &ast::Aggregate, around: Around) -> Result<NodeKind, EvalError> {
        let expr = self.boxed(&aggregate.expr, around)?;
        let param = aggregate.param.as_ref().map(|param| self.boxed(param, around)).transpose()?;
        Ok(NodeKind::Aggregate(Box::new(Aggregate {
            op: aggregate.op,
            expr,
            param,
            grouping: aggregate.grouping.clone(),
            without: aggregate.without,
        })))
    }

    fn binary(&self, binary: &ast::Binary, around: Around) -> Result<NodeKind, EvalError> {
        let lhs = self.boxed(&binary.lhs, operand(around, binary.op))?;
        let rhs = self.boxed(&binary.rhs, operand(around, binary.op))?;
        let (op, return_bool, matching) = (binary.op, binary.return_bool, binary.matching.clone());
        Ok(NodeKind::Binary(Box::new(Binary { op, lhs, rhs, return_bool, matching })))
    }

    fn unary(&self, unary: &ast::Unary, around: Around) -> Result<NodeKind, EvalError> {
        let inner = self.boxed(&unary.expr, around)?;
        Ok(if unary.negative { NodeKind::Negative(inner) } else { NodeKind::Plus(inner) })
    }

    fn select(&self, selector: &VectorSelector, around: Around) -> Result<Box<Select>, EvalError> {
        Ok(Box::new(Select {
            matchers: selector.matchers.clone(),
            name: selector.metric_name().map(str::to_owned),
            offset_ms: self.offset(selector.offset.as_ref())?,
            at_ms: self.instant(selector.at),
            extension: selector.extension,
            stats: around.stats && !around.whole,
            span: selector.span,
        }))
    }

    fn instant(&self, at: Option<At>) -> Option<i64> {
        at.map(|at| match at {
            At::Time(ms) => ms,
            At::Start => self.times.start,
            At::End => self.times.end,
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    fn query_time(&self, function: QueryFn) -> f64 {
        let ms = match function {
            QueryFn::Start => self.times.start,
            QueryFn::End => self.times.end,
            QueryFn::Range => self.times.end.saturating_sub(self.times.start),
            QueryFn::Step => self.times.step,
        };
        ms as f64 / 1000.0
    }

    fn positive(&self, duration: &DurationExpr) -> Result<i64, EvalError> {
        let seconds = self.seconds(duration)?;
        if seconds <= 0.0 {
            return Err(duration_problem(duration.span(), "duration must be greater than 0"));
        }
        // A length below one millisecond would select nothing at all.
        to_ms(seconds, duration.span()).map(|ms| ms.max(1))
    }

    fn offset(&self, duration: Option<&DurationExpr>) -> Result<i64, EvalError> {
        duration.map_or(Ok(0), |duration| to_ms(self.seconds(duration)?, duration.span()))
    }

    fn seconds(&self, duration: &DurationExpr) -> Result<f64, EvalError> {
        Ok(match duration {
            DurationExpr::Literal(literal) => literal.value,
            DurationExpr::Step(_) => self.query_time(QueryFn::Step),
            DurationExpr::Range(_) => self.query_time(QueryFn::Range),
            DurationExpr::MinOf(a, b, _) => go_min(self.seconds(a)?, self.seconds(b)?),
            DurationExpr::MaxOf(a, b, _) => go_max(self.seconds(a)?, self.seconds(b)?),
            DurationExpr::Negative(a, _) => -self.seconds(a)?,
            DurationExpr::Paren(a, _) => self.seconds(a)?,
            DurationExpr::Binary(op, a, b, _) => {
                let (left, right) = (self.seconds(a)?, self.seconds(b)?);
                match op {
                    DurationOp::Add => left + right,
                    DurationOp::Sub => left - right,
                    DurationOp::Mul => left * right,
                    DurationOp::Div if right == 0.0 => {
                        return Err(duration_problem(b.span(), "division by zero"));
                    }
                    DurationOp::Mod if right == 0.0 => {
                        return Err(duration_problem(b.span(), "modulo by zero"));
                    }
                    DurationOp::Div => left / right,
                    DurationOp::Mod => left % right,
                    DurationOp::Pow => left.powf(right),
                }
            }
        })
    }
}

/// Whether a function reads only counts and sums of histograms.
fn reads_stats(kind: Kind) -> bool {
    use crate::functions::HistogramStat::{Avg, Count, Sum};
    matches!(kind, Kind::HistogramStat(Count | Sum | Avg))
}

/// Whether a function reads the buckets of histograms.
fn reads_buckets(kind: Kind) -> bool {
    matches!(kind, Kind::HistogramQuantile | Kind::HistogramQuantiles | Kind::HistogramFraction)
}

/// Trimming reads buckets; other operators leave things as they are.
fn operand(around: Around, op: BinaryOp) -> Around {
    Around { whole: around.whole || matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower), ..around }
}

fn duration_problem(span: Span, what: &str) -> EvalError {
    EvalError::Query { message: format!("{}:{}: {what}", span.start, span.end), span: Some(span) }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range was checked")]
fn to_ms(seconds: f64, span: Span) -> Result<i64, EvalError> {
    if !seconds.is_finite() {
        return Err(duration_problem(span, "duration is NaN or infinite"));
    }
    let ms = seconds * 1000.0;
    if ms.abs() > MAX_DURATION_MS as f64 {
        return Err(duration_problem(span, "duration is out of range"));
    }
    // Durations such as 0.3 s would lose a millisecond to the representation of their product.
    let near = ms.round();
    Ok(if (ms - near).abs() < 1e-6 { near as i64 } else { ms.trunc() as i64 })
}

/// The smaller of two numbers; NaN when either is.
pub(crate) fn go_min(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { a } else { b }
    } else {
        a.min(b)
    }
}

/// The larger of two numbers; NaN when either is.
pub(crate) fn go_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else {
        a.max(b)
    }
}

/// Whether a function's answer depends on the step's time even when its arguments do not.
pub(crate) fn depends_on_step(kind: Kind) -> bool {
    matches!(kind, Kind::Date(_) | Kind::Query(_) | Kind::Time | Kind::Timestamp)
        || kind == Kind::Over(crate::functions::OverFn::PredictLinear)
}

/// Whether the expression has the same value at every step.
pub(crate) fn invariant(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Selector(selector) => selector.at.is_some(),
        Expr::Range(range) => range.selector.at.is_some(),
        Expr::Subquery(subquery) => subquery.at.is_some(),
        Expr::Paren(paren) => invariant(&paren.expr),
        Expr::Unary(unary) => invariant(&unary.expr),
        // Prometheus does not look at the parameter, and so answers `topk(time(), vector(1))` with the first
        // step's parameter at every step of a range query. That is an oversight we do not follow.
        Expr::Aggregate(aggregate) => {
            invariant(&aggregate.expr) && aggregate.param.as_deref().is_none_or(invariant)
        }
        Expr::Binary(binary) => invariant(&binary.lhs) && invariant(&binary.rhs),
        Expr::Call(call) if call.function.kind == Kind::Timestamp => {
            call.args.iter().all(|arg| matches!(arg.without_parens(), Expr::Selector(s) if s.at.is_some()))
        }
        Expr::Call(call) => !depends_on_step(call.function.kind) && call.args.iter().all(invariant),
    }
}
