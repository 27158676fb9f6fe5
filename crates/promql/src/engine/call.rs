//! Function calls: scalars, and functions of one instant vector.

use super::column::{Cell, Grid, is_absent, merge_same};
use super::over::seconds;
use super::plan::{Node, NodeKind, Select, go_max, go_min};
use super::select::Newest;
use super::{Eval, EvalError, Sink};
use crate::ast::Span;
use crate::date;
use crate::functions::{Function, Kind, MathFn, OverFn};
use crate::labels::{Labels, MatchOp, NAME};
use crate::series::SeriesData;

impl Eval<'_> {
    /// The value of a scalar at each step.
    pub(super) fn scalar(&self, node: &Node, grid: Grid) -> Result<Vec<f64>, EvalError> {
        // Nested scalars are held one within the other.
        let _hold = self.budget.hold(grid.count)?;
        match &node.kind {
            NodeKind::Number(value) => Ok(vec![*value; grid.count]),
            NodeKind::Invariant(inner) => {
                let once = self.scalar(inner, Grid { count: 1, ..grid })?;
                Ok(vec![once.first().copied().unwrap_or(f64::NAN); grid.count])
            }
            NodeKind::Plus(inner) => self.scalar(inner, grid),
            NodeKind::Negative(inner) => Ok(self.scalar(inner, grid)?.into_iter().map(|v| -v).collect()),
            NodeKind::Binary(binary) => {
                let lhs = self.scalar(&binary.lhs, grid)?;
                let rhs = self.scalar(&binary.rhs, grid)?;
                Ok(lhs.iter().zip(&rhs).map(|(l, r)| super::binary::scalar_op(binary.op, *l, *r)).collect())
            }
            NodeKind::Call(function, args) => match (function.kind, args.as_slice()) {
                (Kind::Pi, _) => Ok(vec![std::f64::consts::PI; grid.count]),
                (Kind::Time, _) => Ok(grid.times().map(seconds).collect()),
                (Kind::MinOf, [a, b]) => self.scalar_pair(a, b, grid, go_min),
                (Kind::MaxOf, [a, b]) => self.scalar_pair(a, b, grid, go_max),
                (Kind::Scalar, [vector]) => self.scalar_of_vector(vector, grid),
                _ => Err(EvalError::query("expected a scalar", node.span)),
            },
            _ => Err(EvalError::query("expected a scalar", node.span)),
        }
    }

    fn scalar_pair(
        &self,
        a: &Node,
        b: &Node,
        grid: Grid,
        f: impl Fn(f64, f64) -> f64,
    ) -> Result<Vec<f64>, EvalError> {
        let (a, b) = (self.scalar(a, grid)?, self.scalar(b, grid)?);
        Ok(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect())
    }

    /// The only float of each step, NaN where there is none or more than one.
    fn scalar_of_vector(&self, node: &Node, grid: Grid) -> Result<Vec<f64>, EvalError> {
        let mut values = vec![f64::NAN; grid.count];
        let mut found = vec![0u8; grid.count];
        self.stream(node, grid, &mut |column| {
            for (i, value) in column.floats.iter().enumerate().filter(|(_, v)| !is_absent(**v)) {
                found[i] = found[i].saturating_add(1);
                values[i] = if found[i] == 1 { *value } else { f64::NAN };
            }
            Ok(())
        })?;
        Ok(values)
    }

    pub(super) fn call(
        &self,
        function: &'static Function,
        args: &[Node],
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        match (function.kind, args) {
            (Kind::Over(op), _) => self.over_call(function, op, args, grid, sink),
            (Kind::AbsentOverTime, [range]) => self.absent_over_time(range, grid, sink),
            (Kind::Absent, [vector]) => self.absent(vector, grid, sink),
            (Kind::Math(f), [vector]) => self.floats(vector, grid, sink, &|_, v| math(f, v)),
            (Kind::Round, [vector, rest @ ..]) => {
                let to = rest.first().map(|to| self.scalar(to, grid)).transpose()?;
                self.floats(vector, grid, sink, &|i, v| {
                    let inverse = 1.0 / to.as_ref().map_or(1.0, |to| to[i]);
                    (v * inverse + 0.5).floor() / inverse
                })
            }
            (Kind::Clamp, [vector, low, high]) => {
                let (low, high) = (self.scalar(low, grid)?, self.scalar(high, grid)?);
                self.floats_or_none(vector, grid, sink, &|i, v| {
                    (high[i] >= low[i] || high[i].is_nan() || low[i].is_nan())
                        .then(|| go_max(low[i], go_min(high[i], v)))
                })
            }
            (Kind::ClampMin, [vector, low]) => {
                let low = self.scalar(low, grid)?;
                self.floats(vector, grid, sink, &|i, v| go_max(low[i], v))
            }
            (Kind::ClampMax, [vector, high]) => {
                let high = self.scalar(high, grid)?;
                self.floats(vector, grid, sink, &|i, v| go_min(high[i], v))
            }
            (Kind::Date(which), [vector]) => self.floats(vector, grid, sink, &|_, v| date::part(which, v)),
            (Kind::Date(which), []) => {
                let values = grid.times().map(|t| date::part(which, seconds(t))).collect();
                self.emit_scalar(values, grid, sink)
            }
            (Kind::Vector, [scalar]) => self.emit_scalar(self.scalar(scalar, grid)?, grid, sink),
            (Kind::Info, [base, rest @ ..]) => self.info_function(base, rest.first(), span, grid, sink),
            (Kind::StartTimestamp, [vector]) => self.start_timestamp(vector, grid, sink),
            (Kind::Timestamp, [vector]) => self.timestamp(vector, grid, sink),
            (Kind::Sort { descending }, [vector]) => self.sort(vector, descending, span, grid, sink),
            (Kind::SortByLabel { descending }, [vector, labels @ ..]) => {
                self.sort_by_label(vector, labels, descending, span, grid, sink)
            }
            (Kind::LabelReplace, [vector, strings @ ..]) => {
                self.label_replace(vector, strings, span, grid, sink)
            }
            (Kind::LabelJoin, [vector, strings @ ..]) => self.label_join(vector, strings, span, grid, sink),
            (Kind::HistogramQuantile, [q, vector]) => self.histogram_quantile(q, vector, grid, sink),
            (Kind::HistogramQuantiles, [vector, label, quantiles @ ..]) => {
                self.histogram_quantiles(vector, label, quantiles, grid, sink)
            }
            (Kind::HistogramFraction, [lower, upper, vector]) => {
                self.histogram_fraction(lower, upper, vector, grid, sink)
            }
            (Kind::HistogramStat(stat), [vector]) => self.histogram_stat(stat, vector, grid, sink),
            _ => Err(EvalError::Unsupported { what: format!("the function {}()", function.name), span }),
        }
    }

    /// The text of a string argument.
    pub(super) fn text_of(&self, node: &Node) -> Result<String, EvalError> {
        match &node.kind {
            NodeKind::String(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            _ => Err(EvalError::query("expected a string literal", node.span)),
        }
    }

    /// A function of each float; histograms are skipped.
    fn floats(
        &self,
        vector: &Node,
        grid: Grid,
        sink: Sink<'_>,
        f: &dyn Fn(usize, f64) -> f64,
    ) -> Result<(), EvalError> {
        self.floats_or_none(vector, grid, sink, &|i, v| Some(f(i, v)))
    }

    fn floats_or_none(
        &self,
        vector: &Node,
        grid: Grid,
        sink: Sink<'_>,
        f: &dyn Fn(usize, f64) -> Option<f64>,
    ) -> Result<(), EvalError> {
        self.dropping_names(vector, grid, sink, &mut |column| {
            column.histograms = None;
            for i in 0..grid.count {
                if !is_absent(column.floats[i]) {
                    match f(i, column.floats[i]) {
                        Some(value) => column.set_float(i, value),
                        None => column.clear(i),
                    }
                }
            }
            Ok(())
        })
    }

    fn emit_scalar(&self, values: Vec<f64>, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let mut column = self.column(Labels::empty(), grid)?;
        for (i, value) in values.into_iter().enumerate() {
            column.set_float(i, value);
        }
        sink(column)
    }

    /// The instant of each sample: its own for a selector, that of the step for anything computed.
    fn timestamp(&self, vector: &Node, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let Some(select) = plain_selector(vector) else {
            return self.dropping_names(vector, grid, sink, &mut |column| {
                for (i, t) in grid.times().enumerate() {
                    if column.has(i) {
                        column.set(i, Cell::Float(seconds(t)));
                    }
                }
                column.histograms = None;
                Ok(())
            });
        };
        self.of_newest(select, grid, sink, &|data, newest| match newest {
            Newest::Float(at, _) => data.samples.times()[at],
            Newest::Histogram(at, _) => data.samples.histogram_times()[at],
        })
    }

    /// The instant at which the counter behind each sample began; only a selector's samples know it.
    fn start_timestamp(&self, vector: &Node, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let Some(select) = plain_selector(vector).filter(|_| self.options.use_start_timestamps) else {
            return Ok(());
        };
        self.of_newest(select, grid, sink, &|data, newest| {
            let start = match newest {
                Newest::Float(at, _) => data.samples.starts().get(at),
                Newest::Histogram(at, _) => data.samples.histogram_starts().get(at),
            };
            start.copied().unwrap_or(0)
        })
    }

    /// An instant read from the newest sample of each series.
    fn of_newest(
        &self,
        select: &Select,
        grid: Grid,
        sink: Sink<'_>,
        read: &dyn Fn(&SeriesData, Newest<'_>) -> i64,
    ) -> Result<(), EvalError> {
        let delayed = self.options.delayed_name_removal;
        let mut columns = Vec::new();
        self.newest(select, grid, &mut |data, walk| {
            let labels = if delayed { data.labels.clone() } else { data.labels.without_metadata() };
            let mut column = self.column(labels, grid)?;
            column.drop_name = delayed;
            walk(&mut |i, newest| column.set_float(i, seconds(read(data, newest))));
            if !column.is_blank() {
                columns.push(column);
            }
            Ok(())
        })?;
        let columns = if delayed { columns } else { merge_same(columns)? };
        columns.into_iter().try_for_each(sink)
    }

    fn absent(&self, vector: &Node, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let mut column = self.column(absent_labels(vector), grid)?;
        column.floats.fill(1.0);
        self.stream(vector, grid, &mut |found| {
            (0..grid.count).filter(|i| found.has(*i)).for_each(|i| column.clear(i));
            Ok(())
        })?;
        if column.is_blank() { Ok(()) } else { sink(column) }
    }

    fn absent_over_time(&self, range: &Node, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        if let NodeKind::Range(select, _) = &range.kind
            && let Some(extension) = select.extension
        {
            super::extended::check(extension, None, "absent_over_time", range.span)?;
        }
        let mut column = self.column(absent_labels(range), grid)?;
        column.floats.fill(1.0);
        let shape = self.range_shape(range)?;
        self.windows(range, grid, "absent_over_time", &mut |series| {
            let mut slider = super::over::Slider::new(&series.samples, false);
            for (i, t) in grid.times().enumerate() {
                if !slider.slide(shape, t).is_empty() {
                    column.clear(i);
                }
            }
            Ok(())
        })?;
        if column.is_blank() { Ok(()) } else { sink(column) }
    }

    /// Sorting only means something for an instant query, whose vector has an order.
    fn sort(
        &self,
        vector: &Node,
        descending: bool,
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let mut columns = self.collect(vector, grid)?;
        for column in &mut columns {
            column.histograms = None;
        }
        columns.retain(|column| !column.is_blank());
        if self.is_range_query() {
            self.warn_sort(span);
        } else {
            columns.sort_by(|a, b| {
                let (x, y) = (a.floats[0], b.floats[0]);
                match (x.is_nan(), y.is_nan()) {
                    (false, false) if descending => y.total_cmp(&x),
                    (false, false) => x.total_cmp(&y),
                    (a, b) => a.cmp(&b),
                }
            });
        }
        columns.into_iter().try_for_each(sink)
    }

    pub(super) fn is_range_query(&self) -> bool {
        self.times.step != 0
    }

    pub(super) fn warn_sort(&self, span: Span) {
        self.warn("sort is ineffective for range queries since results are always ordered by labels", span);
    }
}

/// The selector that a part is, if it is nothing but one.
fn plain_selector(node: &Node) -> Option<&Select> {
    match &node.kind {
        NodeKind::Select(select) => Some(select),
        NodeKind::Invariant(inner) => plain_selector(inner),
        _ => None,
    }
}

/// The labels of an absent series: those that a plain selector fixes.
fn absent_labels(node: &Node) -> Labels {
    let select = match &node.kind {
        NodeKind::Select(select) | NodeKind::Range(select, _) => select,
        NodeKind::Invariant(inner) => return absent_labels(inner),
        _ => return Labels::empty(),
    };
    let mut fixed: Vec<(&str, &str)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in select.matchers.iter().filter(|m| m.name != NAME) {
        let name = matcher.name.as_str();
        if matcher.op == MatchOp::Equal && !seen.contains(&name) {
            fixed.push((name, &matcher.value));
        } else {
            fixed.retain(|(known, _)| *known != name);
        }
        seen.push(name);
    }
    Labels::from_pairs(fixed)
}

/// 2^28.
const LARGE: f64 = 268_435_456.0;

fn math(f: MathFn, v: f64) -> f64 {
    match f {
        MathFn::Abs => v.abs(),
        MathFn::Acos => v.acos(),
        // Beyond 2^28 the exact formulas only add digits that do not count, and overflow in the end.
        MathFn::Acosh if v > LARGE => v.ln() + std::f64::consts::LN_2,
        MathFn::Acosh => crate::numeric::acosh(v),
        MathFn::Asin => v.asin(),
        MathFn::Asinh if v.abs() > LARGE => (v.abs().ln() + std::f64::consts::LN_2).copysign(v),
        MathFn::Asinh => crate::numeric::asinh(v),
        MathFn::Atan => v.atan(),
        MathFn::Atanh => v.atanh(),
        MathFn::Ceil => v.ceil(),
        MathFn::Cos => v.cos(),
        MathFn::Cosh => v.cosh(),
        MathFn::Deg => v * 180.0 / std::f64::consts::PI,
        MathFn::Exp => v.exp(),
        MathFn::Floor => v.floor(),
        MathFn::Ln => v.ln(),
        MathFn::Log10 => v.log10(),
        MathFn::Log2 => v.log2(),
        MathFn::Rad => v * std::f64::consts::PI / 180.0,
        MathFn::Sgn if v > 0.0 => 1.0,
        MathFn::Sgn if v < 0.0 => -1.0,
        MathFn::Sgn => v,
        MathFn::Sin => v.sin(),
        MathFn::Sinh => v.sinh(),
        MathFn::Sqrt => v.sqrt(),
        MathFn::Tan => v.tan(),
        MathFn::Tanh => v.tanh(),
    }
}

/// Checks the factors of `double_exponential_smoothing` at every step.
pub(super) fn check_smoothing(op: OverFn, scalars: &[Vec<f64>]) -> Result<(), EvalError> {
    if op != OverFn::DoubleExponentialSmoothing {
        return Ok(());
    }
    for (values, what) in scalars.iter().zip(["smoothing", "trend"]) {
        if let Some(bad) = values.iter().find(|v| **v <= 0.0 || **v >= 1.0) {
            let symbol = if what == "smoothing" { "sf" } else { "tf" };
            let message = format!(
                "invalid {what} factor. Expected: 0 < {symbol} < 1, got: {}",
                crate::text::fixed(*bad)
            );
            return Err(EvalError::Query { message, span: None });
        }
    }
    Ok(())
}
