//! Aggregations.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::column::{Column, Grid, Hold, is_absent};
use super::histogram_total::HistogramTotal;
use super::plan::{Aggregate, Node, NodeKind};
use super::{Eval, EvalError, Sink};
use crate::ast::{AggregateOp, Span};
use crate::labels::{Labels, NAME};
use crate::numeric::{self, Mean, kahan};

/// The labels of the group that a series belongs to.
pub(super) fn group_labels(aggregate: &Aggregate, labels: &Labels) -> Labels {
    let listed = |name: &str| aggregate.grouping.iter().any(|l| l == name);
    if aggregate.without {
        labels.retain(|name| name != NAME && !listed(name))
    } else if aggregate.grouping.is_empty() {
        Labels::empty()
    } else {
        labels.retain(listed)
    }
}

/// The smallest and the largest of some numbers; NaN is neither.
pub(super) fn bounds(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (least.min(*v), most.max(*v)))
}

/// Groups in the order in which their first series came.
struct Groups<G> {
    index: IndexMap<Labels, usize>,
    list: Vec<(Labels, bool, G)>,
}

impl<G> Groups<G> {
    fn new() -> Self {
        Self { index: IndexMap::new(), list: Vec::new() }
    }

    fn entry(&mut self, labels: Labels, drop_name: bool, new: impl FnOnce() -> G) -> &mut G {
        let at = match self.index.get(&labels) {
            Some(at) => *at,
            None => self.add(labels, new()),
        };
        self.at(at, drop_name)
    }

    fn try_entry(
        &mut self,
        labels: Labels,
        drop_name: bool,
        new: impl FnOnce() -> Result<G, EvalError>,
    ) -> Result<&mut G, EvalError> {
        let at = match self.index.get(&labels) {
            Some(at) => *at,
            None => self.add(labels, new()?),
        };
        Ok(self.at(at, drop_name))
    }

    fn add(&mut self, labels: Labels, group: G) -> usize {
        self.index.insert(labels.clone(), self.list.len());
        self.list.push((labels, false, group));
        self.list.len() - 1
    }

    fn at(&mut self, at: usize, drop_name: bool) -> &mut G {
        let (_, drop, group) = &mut self.list[at];
        *drop |= drop_name;
        group
    }
}

/// What is known of a group at one step while its series pass.
#[derive(Clone, Copy)]
enum Running {
    None,
    Sum { sum: f64, c: f64 },
    Mean(Mean),
    Extreme(f64),
    Count(f64),
    Spread { n: f64, mean: f64, m2: f64 },
}

impl Running {
    fn add(&mut self, op: AggregateOp, x: f64) {
        match self {
            Self::None => {
                *self = match op {
                    AggregateOp::Sum => Self::Sum { sum: x, c: 0.0 },
                    AggregateOp::Avg => Self::Mean(Mean::new(x)),
                    AggregateOp::Min | AggregateOp::Max => Self::Extreme(x),
                    AggregateOp::Stddev | AggregateOp::Stdvar => {
                        let m2 = if x.is_finite() { 0.0 } else { f64::NAN };
                        Self::Spread { n: 1.0, mean: x, m2 }
                    }
                    _ => Self::Count(1.0),
                };
            }
            Self::Sum { sum, c } => (*sum, *c) = kahan(x, *sum, *c),
            Self::Mean(mean) => mean.add(x),
            Self::Extreme(best) => {
                let better = if op == AggregateOp::Min { *best > x } else { *best < x };
                if better || best.is_nan() {
                    *best = x;
                }
            }
            Self::Count(n) => *n += 1.0,
            Self::Spread { n, mean, m2 } => {
                *n += 1.0;
                let delta = x - *mean;
                *mean += delta / *n;
                *m2 += delta * (x - *mean);
            }
        }
    }

    fn value(&self, op: AggregateOp) -> Option<f64> {
        Some(match self {
            Self::None => return None,
            Self::Sum { sum, c } => sum + c,
            Self::Mean(mean) => mean.value(),
            Self::Extreme(best) => *best,
            Self::Count(_) if op == AggregateOp::Group => 1.0,
            Self::Count(n) => *n,
            Self::Spread { n, m2, .. } if op == AggregateOp::Stddev => (m2 / n).sqrt(),
            Self::Spread { n, m2, .. } => m2 / n,
        })
    }
}

/// What is known of a group.
struct Group {
    hold: Hold,
    floats: Vec<Running>,
    /// Histograms are few; only steps that have one take room.
    histograms: BTreeMap<usize, HistogramTotal>,
}

impl Eval<'_> {
    pub(super) fn aggregate(
        &self,
        aggregate: &Aggregate,
        span: Span,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        match aggregate.op {
            AggregateOp::Topk | AggregateOp::Bottomk => self.top(aggregate, span, grid, sink),
            AggregateOp::Quantile => self.quantile_aggregate(aggregate, grid, sink),
            AggregateOp::CountValues => self.count_values(aggregate, grid, sink),
            AggregateOp::Limitk => self.limitk(aggregate, grid, sink),
            AggregateOp::LimitRatio => self.limit_ratio(aggregate, grid, sink),
            _ => self.running(aggregate, grid, sink),
        }
    }

    fn ignored_histograms(&self, aggregate: &Aggregate, column: &mut Column) {
        if column.histograms.take().is_some() {
            let text = format!("ignored histogram in {} aggregation", aggregate.op.keyword());
            self.info(&text, aggregate.expr.span);
        }
    }

    /// Aggregations that need only a few numbers per group and step, whatever the number of series.
    fn running(&self, aggregate: &Aggregate, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let op = aggregate.op;
        let span = aggregate.expr.span;
        let adds = matches!(op, AggregateOp::Sum | AggregateOp::Avg);
        let mut groups: Groups<Group> = Groups::new();
        self.stream(&aggregate.expr, grid, &mut |mut column| {
            if !adds && !matches!(op, AggregateOp::Count | AggregateOp::Group) {
                self.ignored_histograms(aggregate, &mut column);
            }
            self.worked(grid.count)?;
            let labels = group_labels(aggregate, &column.labels);
            let group = groups.try_entry(labels, column.drop_name, || {
                Ok(Group {
                    hold: self.budget.hold(grid.count)?,
                    floats: vec![Running::None; grid.count],
                    histograms: BTreeMap::new(),
                })
            })?;
            for (i, running) in group.floats.iter_mut().enumerate() {
                if !is_absent(column.floats[i]) {
                    running.add(op, column.floats[i]);
                } else if let Some(histogram) = column.histogram(i) {
                    if adds {
                        let metric = column.labels.metric_name();
                        group
                            .histograms
                            .entry(i)
                            .and_modify(|total| self.add_to_total(total, histogram, metric, span))
                            .or_insert_with(|| HistogramTotal::new(op == AggregateOp::Avg, histogram));
                    } else {
                        running.add(op, 1.0);
                    }
                }
            }
            Ok(())
        })?;
        for (labels, drop_name, group) in groups.list {
            // The group's numbers give way to its column.
            drop(group.hold);
            let mut column = self.column(labels, grid)?;
            column.drop_name = drop_name;
            for (i, running) in group.floats.iter().enumerate() {
                match (running.value(op), group.histograms.get(&i)) {
                    (Some(_), Some(_)) => {
                        self.warn("encountered a mix of histograms and floats for aggregation", span);
                    }
                    (Some(value), None) => column.set_float(i, value),
                    (None, Some(total)) => {
                        if let Some(histogram) = total.value() {
                            column.set_histogram(i, Arc::new(histogram.compacted()));
                        }
                    }
                    (None, None) => {}
                }
            }
            if !column.is_blank() {
                sink(column)?;
            }
        }
        Ok(())
    }

    pub(super) fn param<'n>(&self, aggregate: &'n Aggregate) -> Result<&'n Node, EvalError> {
        aggregate
            .param
            .as_deref()
            .ok_or_else(|| EvalError::query("the aggregation needs a parameter", aggregate.expr.span))
    }

    fn quantile_aggregate(&self, aggregate: &Aggregate, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let param = self.param(aggregate)?;
        let quantiles = self.scalar(param, grid)?;
        // Whatever the number of steps, only the worst values are worth a remark.
        let (least, most) = bounds(&quantiles);
        if least <= most {
            self.check_quantile(most, param.span);
            self.check_quantile(least, param.span);
        }
        if quantiles.iter().any(|q| q.is_nan()) {
            self.check_quantile(f64::NAN, param.span);
        }
        let mut groups: Groups<Vec<Column>> = Groups::new();
        self.stream(&aggregate.expr, grid, &mut |mut column| {
            self.ignored_histograms(aggregate, &mut column);
            let labels = group_labels(aggregate, &column.labels);
            groups.entry(labels, column.drop_name, Vec::new).push(column);
            Ok(())
        })?;
        let mut values = Vec::new();
        for (labels, drop_name, columns) in groups.list {
            let mut out = self.column(labels, grid)?;
            out.drop_name = drop_name;
            for (i, q) in quantiles.iter().enumerate() {
                self.worked(columns.len())?;
                values.clear();
                values.extend(columns.iter().map(|c| c.floats[i]).filter(|v| !is_absent(*v)));
                if !values.is_empty() {
                    out.set_float(i, numeric::quantile(*q, &mut values));
                }
            }
            if !out.is_blank() {
                sink(out)?;
            }
        }
        Ok(())
    }

    fn count_values(&self, aggregate: &Aggregate, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let param = self.param(aggregate)?;
        let label = match &param.kind {
            NodeKind::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(label) if !label.is_empty() => label.to_owned(),
                _ => {
                    let message = format!("invalid label name {}", crate::text::quote_bytes(bytes));
                    return Err(EvalError::query(message, param.span));
                }
            },
            _ => return Err(EvalError::query("expected a string literal", param.span)),
        };
        let mut groups: Groups<Column> = Groups::new();
        self.stream(&aggregate.expr, grid, &mut |column| {
            self.worked(grid.count.saturating_mul(4))?;
            let base = group_labels(aggregate, &column.labels);
            for i in (0..grid.count).filter(|i| column.has(*i)) {
                let value = match column.histogram(i) {
                    Some(histogram) => histogram.to_string(),
                    None => crate::text::decimal(column.floats[i]),
                };
                let labels = base.with(&label, &value);
                let group = groups.try_entry(labels.clone(), false, || self.column(labels, grid))?;
                let before = if is_absent(group.floats[i]) { 0.0 } else { group.floats[i] };
                group.set_float(i, before + 1.0);
            }
            Ok(())
        })?;
        // Sorted, because the order in which values are first seen differs between instant and range queries.
        groups.list.sort_by(|a, b| a.0.cmp(&b.0));
        groups.list.into_iter().try_for_each(|(_, _, column)| sink(column))
    }

    /// The whole-number parameter of `topk` and its kin per step; nothing when no step asks for any series.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    pub(super) fn whole_param(&self, param: &Node, grid: Grid) -> Result<Option<Vec<usize>>, EvalError> {
        let values = self.scalar(param, grid)?;
        let (least, most) = bounds(&values);
        if values.iter().any(|v| v.is_nan()) {
            return Err(EvalError::query("Parameter value is NaN", param.span));
        }
        if most < 1.0 {
            return Ok(None);
        }
        let shown = |v: f64| crate::text::general(v);
        if least <= -9_223_372_036_854_775_808.0 {
            return Err(EvalError::query(
                format!("Scalar value {} underflows int64", shown(least)),
                param.span,
            ));
        }
        if most >= 9_223_372_036_854_774_784.0 {
            return Err(EvalError::query(
                format!("Scalar value {} overflows int64", shown(most)),
                param.span,
            ));
        }
        Ok(Some(values.into_iter().map(|v| if v < 1.0 { 0 } else { v.trunc() as usize }).collect()))
    }

    fn top(&self, aggregate: &Aggregate, span: Span, grid: Grid, sink: Sink<'_>) -> Result<(), EvalError> {
        let Some(limits) = self.whole_param(self.param(aggregate)?, grid)? else { return Ok(()) };
        let largest = aggregate.op == AggregateOp::Topk;
        let mut groups: Groups<Vec<usize>> = Groups::new();
        let mut columns: Vec<Column> = Vec::new();
        self.stream(&aggregate.expr, grid, &mut |mut column| {
            if column.histograms.take().is_some() {
                self.info(&format!("ignored histogram in {} aggregation", aggregate.op.keyword()), span);
            }
            if !column.is_blank() {
                let labels = group_labels(aggregate, &column.labels);
                groups.entry(labels, false, Vec::new).push(columns.len());
                columns.push(column);
            }
            Ok(())
        })?;
        let better = |a: f64, b: f64| match (a.is_nan(), b.is_nan()) {
            (false, false) if largest => b.total_cmp(&a),
            (false, false) => a.total_cmp(&b),
            (a, b) => a.cmp(&b),
        };
        let mut order = Vec::new();
        for (_, _, members) in &groups.list {
            for (i, limit) in limits.iter().enumerate() {
                self.worked(members.len().saturating_mul(2))?;
                let mut present: Vec<usize> =
                    members.iter().copied().filter(|at| !is_absent(columns[*at].floats[i])).collect();
                // Of equal values the first come stay, as in a heap that only strictly better values enter.
                let order_of = |a: &usize, b: &usize| {
                    better(columns[*a].floats[i], columns[*b].floats[i]).then(a.cmp(b))
                };
                if *limit > 0 && *limit < present.len() {
                    present.select_nth_unstable_by(*limit - 1, order_of);
                }
                if grid.count == 1 {
                    let kept = (*limit).min(present.len());
                    present[..kept].sort_unstable_by(order_of);
                }
                for lost in present.iter().skip(*limit) {
                    columns[*lost].clear(i);
                }
                if grid.count == 1 {
                    order.extend(present.into_iter().take(*limit));
                }
            }
        }
        if grid.count > 1 {
            return columns.into_iter().filter(|column| !column.is_blank()).try_for_each(sink);
        }
        let mut slots: Vec<Option<Column>> = columns.into_iter().map(Some).collect();
        order.into_iter().filter_map(|at| slots[at].take()).try_for_each(sink)
    }
}
