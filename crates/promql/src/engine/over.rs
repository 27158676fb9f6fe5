//! Functions over windows of samples.

use std::ops::Range;
use std::sync::Arc;

use super::column::{Cell, Column, Grid};
use super::plan::{Node, NodeKind};
use super::select::{WindowShape, Windowed};
use super::{Eval, EvalError, Sink, over_floats};
use crate::ast::{Extension, Span, ValueType};
use crate::functions::{Function, OverFn};
use crate::histogram::Histogram;
use crate::numeric;
use crate::value::Samples;

/// The samples a function sees at one step.
pub(super) struct Window<'a> {
    pub times: &'a [i64],
    pub values: &'a [f64],
    pub starts: &'a [i64],
    pub h_times: &'a [i64],
    pub histograms: &'a [Arc<Histogram>],
    pub h_starts: &'a [i64],
    /// The window's borders; the first is not part of it.
    pub start: i64,
    pub end: i64,
    /// The step's own instant, which differs from the end when the selector is shifted.
    pub step: i64,
}

impl Window<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty() && self.h_times.is_empty()
    }

    pub(super) fn is_mixed(&self) -> bool {
        !self.times.is_empty() && !self.h_times.is_empty()
    }
}

/// What a function needs besides the window.
pub(super) struct Call<'a> {
    pub op: OverFn,
    pub extension: Option<Extension>,
    /// The scalar arguments at this step.
    pub args: [f64; 2],
    /// Where the range vector argument stands, and the first argument.
    pub span: Span,
    pub first_span: Span,
    pub metric: &'a str,
    pub metric_type: &'a str,
    /// Whether it was already said of this series that it may be no counter.
    pub remarked: std::cell::Cell<bool>,
}

impl Eval<'_> {
    /// Evaluates a function over the windows of a range selector or subquery.
    pub(super) fn over_call(
        &self,
        function: &'static Function,
        op: OverFn,
        args: &[Node],
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let mut scalars: Vec<Vec<f64>> = Vec::new();
        let mut range = None;
        for arg in args {
            if arg.value_type == ValueType::Matrix {
                range = Some(arg);
            } else {
                scalars.push(self.scalar(arg, grid)?);
            }
        }
        let (Some(range), Some(first)) = (range, args.first()) else {
            return Err(EvalError::query("expected a range vector", Span::default()));
        };
        let extension = match &range.kind {
            NodeKind::Range(select, _) => select.extension,
            _ => None,
        };
        if let Some(extension) = extension {
            super::extended::check(extension, Some(op), function.name, range.span)?;
        }
        super::call::check_smoothing(op, &scalars)?;
        let keeps_name = matches!(op, OverFn::First | OverFn::Last);
        let direct = !keeps_name && !self.options.delayed_name_removal && !super::single_name(range);
        let mut merged = Vec::new();
        let shape = self.range_shape(range)?;
        let (range_span, first_span) = (range.span, first.span);
        let make = |eval: &Eval<'_>, series: &Windowed| {
            let call = Call {
                op,
                extension,
                args: [0.0; 2],
                span: range_span,
                first_span,
                metric: series.labels.metric_name(),
                metric_type: series.labels.get(crate::labels::TYPE),
                remarked: std::cell::Cell::new(false),
            };
            let mut column = eval.column(series.labels.clone(), grid)?;
            eval.over_series(call, series, shape, grid, &scalars, &mut column)?;
            column.drop_name = series.drop_name;
            if !keeps_name {
                column.drop_name = eval.options.delayed_name_removal;
                if !eval.options.delayed_name_removal {
                    column.labels = column.labels.without_metadata();
                }
            }
            Ok(Some(column))
        };
        self.each_window(range, grid, function.name, &make, &mut |column| {
            if direct {
                merged.push(column);
                return Ok(());
            }
            sink(column)
        })?;
        let mut seen = std::collections::BTreeSet::new();
        if merged.iter().any(|column: &Column| !seen.insert(column.labels.clone())) {
            return Err(EvalError::SameLabelset);
        }
        merged.into_iter().try_for_each(sink)
    }

    fn over_series(
        &self,
        mut call: Call<'_>,
        series: &Windowed,
        shape: WindowShape,
        grid: Grid,
        scalars: &[Vec<f64>],
        column: &mut Column,
    ) -> Result<(), EvalError> {
        let samples = &series.samples;
        let plain = samples.histograms().is_empty() && call.extension.is_none();
        let started = self.options.use_start_timestamps && !samples.starts().is_empty();
        if plain {
            match call.op {
                OverFn::Min | OverFn::Max => {
                    over_floats::extremes(samples, shape, grid, call.op == OverFn::Max, column);
                    return Ok(());
                }
                OverFn::Rate | OverFn::Increase | OverFn::Delta if !started => {
                    let any = over_floats::rates(call.op, samples, shape, grid, column);
                    if any && call.op != OverFn::Delta {
                        self.remark_on_counter_name(&call);
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
        let use_starts = self.options.use_start_timestamps;
        let mut slider = Slider::new(samples, use_starts);
        for (i, t) in grid.times().enumerate() {
            let window = slider.slide(shape, t);
            if window.is_empty() {
                continue;
            }
            // A bucket costs about as much as a sample.
            let buckets = window.histograms.first().map_or(0, |h| h.positive.len() + h.negative.len() + 8);
            self.worked(window.values.len() + window.histograms.len().saturating_mul(buckets))?;
            for (slot, values) in call.args.iter_mut().zip(scalars) {
                *slot = values[i];
            }
            column.set(i, self.over_window(&call, &window)?);
        }
        Ok(())
    }

    fn over_window(&self, call: &Call<'_>, w: &Window<'_>) -> Result<Cell, EvalError> {
        if let Some(extension) = call.extension {
            return Ok(self.over_extended(call, w, extension));
        }
        let float = |value: f64| Ok(Cell::Float(value));
        match call.op {
            OverFn::Count => float(count(w.times.len() + w.h_times.len())),
            OverFn::Present => float(1.0),
            OverFn::First => Ok(first(w)),
            OverFn::Last => Ok(last(w)),
            OverFn::TsOfFirst => float(seconds(
                w.times.first().into_iter().chain(w.h_times.first()).min().copied().unwrap_or(0),
            )),
            OverFn::TsOfLast => {
                float(seconds(w.times.last().into_iter().chain(w.h_times.last()).max().copied().unwrap_or(0)))
            }
            OverFn::Rate | OverFn::Increase | OverFn::Delta => self.extrapolated(call, w),
            OverFn::Irate | OverFn::Idelta => self.instant_change(call, w),
            OverFn::Changes | OverFn::Resets => self.transitions(call, w),
            OverFn::Avg | OverFn::Sum => self.sum_or_mean(call, w),
            _ => Ok(self.floats_only(call, w)),
        }
    }

    /// Functions that ignore histograms, with a remark when there are any beside floats.
    fn floats_only(&self, call: &Call<'_>, w: &Window<'_>) -> Cell {
        if w.values.is_empty() {
            return Cell::None;
        }
        let needs_two =
            matches!(call.op, OverFn::Deriv | OverFn::PredictLinear | OverFn::DoubleExponentialSmoothing);
        if w.is_mixed() {
            let text = format!(
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                crate::text::quote(call.metric)
            );
            let span = if call.op == OverFn::Quantile { call.first_span } else { call.span };
            self.info(&text, span);
        }
        if needs_two && w.values.len() < 2 {
            return Cell::None;
        }
        let value = match call.op {
            OverFn::Min => extreme(w.values, |x, best| x < best),
            OverFn::Max => extreme(w.values, |x, best| x > best),
            OverFn::TsOfMin => seconds(w.times[extreme_at(w.values, |x, best| x <= best)]),
            OverFn::TsOfMax => seconds(w.times[extreme_at(w.values, |x, best| x >= best)]),
            OverFn::Stddev => numeric::variance(w.values).sqrt(),
            OverFn::Stdvar => numeric::variance(w.values),
            OverFn::Quantile => {
                self.check_quantile(call.args[0], call.first_span);
                numeric::quantile(call.args[0], &mut w.values.to_vec())
            }
            OverFn::Mad => median_absolute_deviation(w.values),
            OverFn::Deriv => numeric::regression(w.times, w.values, w.times[0]).0,
            OverFn::PredictLinear => {
                let (slope, intercept) = numeric::regression(w.times, w.values, w.step);
                slope * call.args[0] + intercept
            }
            OverFn::DoubleExponentialSmoothing => smooth(w.values, call.args[0], call.args[1]),
            _ => return Cell::None,
        };
        Cell::Float(value)
    }

    pub(super) fn check_quantile(&self, q: f64, span: Span) {
        if !(0.0..=1.0).contains(&q) {
            let text = format!("quantile value should be between 0 and 1, got {}", crate::text::general(q));
            self.warn(&text, span);
        }
    }

    pub(super) fn warn_mixed(&self, metric: &str, span: Span) {
        let text = format!(
            "encountered a mix of histograms and floats for metric name {}",
            crate::text::quote(metric)
        );
        self.warn(&text, span);
    }

    fn sum_or_mean(&self, call: &Call<'_>, w: &Window<'_>) -> Result<Cell, EvalError> {
        if w.is_mixed() {
            self.warn_mixed(call.metric, call.span);
            return Ok(Cell::None);
        }
        if w.values.is_empty() {
            return Ok(self.sum_or_mean_of_histograms(call, w));
        }
        let value = if call.op == OverFn::Avg { numeric::mean(w.values) } else { numeric::sum(w.values) };
        Ok(Cell::Float(value))
    }

    /// `rate`, `increase` and `delta`: the difference over the samples, extended to the window's borders.
    fn extrapolated(&self, call: &Call<'_>, w: &Window<'_>) -> Result<Cell, EvalError> {
        let counter = call.op != OverFn::Delta;
        if w.is_mixed() {
            self.warn_mixed(call.metric, call.span);
            return Ok(Cell::None);
        }
        if counter {
            self.remark_on_overlaps(call, w);
        }
        if w.values.is_empty() {
            return Ok(self.extrapolated_histogram(call, w));
        }
        let (values, times) = (w.values, w.times);
        let (first, last) = (values[0], values[values.len() - 1]);
        let mut result = last - first;
        if counter {
            self.remark_on_counter_name(call);
            for i in 1..values.len() {
                if values[i] < values[i - 1] || start_reset(w.starts, times, i) {
                    result += values[i - 1];
                }
            }
        }
        let start = w.starts.first().copied().unwrap_or(0);
        let started = counter && start != 0 && w.start < start && start < times[0];
        if started {
            result += first;
        }
        let zero_ratio = (counter && result > 0.0 && first >= 0.0).then(|| first / result);
        let Some(factor) = extrapolation(times, w, started.then_some(start), counter, zero_ratio) else {
            return Ok(Cell::None);
        };
        Ok(Cell::Float(
            result * if call.op == OverFn::Rate { factor / seconds(w.end - w.start) } else { factor },
        ))
    }

    pub(super) fn remark_on_counter_name(&self, call: &Call<'_>) {
        if call.metric.is_empty() || call.remarked.replace(true) {
            return;
        }
        let name = crate::text::quote(call.metric);
        if self.options.type_and_unit_labels {
            if !matches!(call.metric_type, "counter" | "histogram") {
                let text = format!(
                    "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", \
                     got {}: {name}",
                    crate::text::quote(call.metric_type)
                );
                self.info(&text, call.span);
            }
        } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| call.metric.ends_with(suffix))
        {
            let text = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name}"
            );
            self.info(&text, call.span);
        }
    }

    fn instant_change(&self, call: &Call<'_>, w: &Window<'_>) -> Result<Cell, EvalError> {
        if !w.h_times.is_empty() {
            return Ok(self.instant_change_of_histograms(call, w));
        }
        let [.., before, now] = w.values else { return Ok(Cell::None) };
        let [.., t0, t1] = w.times else { return Ok(Cell::None) };
        if t0 == t1 {
            return Ok(Cell::None);
        }
        if call.op == OverFn::Idelta {
            return Ok(Cell::Float(now - before));
        }
        let reset = now < before || start_reset(w.starts, w.times, w.times.len() - 1);
        Ok(Cell::Float(if reset { *now } else { now - before } / seconds(t1 - t0)))
    }

    fn transitions(&self, call: &Call<'_>, w: &Window<'_>) -> Result<Cell, EvalError> {
        if !w.h_times.is_empty() {
            return Ok(super::over_histograms::transitions(call.op, w));
        }
        let resets = call.op == OverFn::Resets;
        let found = (1..w.values.len())
            .filter(|&i| {
                let (before, now) = (w.values[i - 1], w.values[i]);
                if resets {
                    now < before || start_reset(w.starts, w.times, i)
                } else {
                    now != before && !(now.is_nan() && before.is_nan())
                }
            })
            .count();
        Ok(Cell::Float(count(found)))
    }
}

/// The factor that extends a difference over samples to the whole window; nothing with too few samples.
///
/// `started` is the instant the counter began when it began within the window; `zero_ratio` is the first value
/// over the difference, which says how far back the counter was at zero.
pub(super) fn extrapolation(
    times: &[i64],
    w: &Window<'_>,
    started: Option<i64>,
    counter: bool,
    zero_ratio: Option<f64>,
) -> Option<f64> {
    let (first, last) = (times[0], times[times.len() - 1]);
    let mut to_start = seconds(first - w.start);
    let mut to_end = seconds(w.end - last);
    let mut sampled = seconds(last - first);
    let intervals = count(times.len() - 1);
    let average = if intervals > 0.0 { sampled / intervals } else { 0.0 };
    let threshold = average * 1.1;
    if let Some(start) = started {
        to_start = 0.0;
        sampled = seconds(last - start);
    } else {
        if times.len() < 2 {
            return None;
        }
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if counter {
            let to_zero = zero_ratio.map_or(to_start, |ratio| sampled * ratio);
            to_start = to_start.min(to_zero);
        }
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    Some(if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled })
}

/// Whether the start timestamps say that the counter began anew between sample `i - 1` and sample `i`.
pub(super) fn start_reset(starts: &[i64], times: &[i64], i: usize) -> bool {
    let (Some(&before), Some(&now)) = (starts.get(i - 1), starts.get(i)) else { return false };
    let (t_before, t_now) = (times[i - 1], times[i]);
    if now == 0 || now >= t_now {
        return false;
    }
    match now.cmp(&t_before) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => before <= t_before && before != 0 && before != t_before,
    }
}

/// Moves a window over the samples; steps come in order, so each sample is passed once.
pub(super) struct Slider<'a> {
    samples: &'a Samples,
    floats: Range<usize>,
    histograms: Range<usize>,
    use_starts: bool,
}

impl<'a> Slider<'a> {
    pub(super) fn new(samples: &'a Samples, use_starts: bool) -> Self {
        Self { samples, floats: 0..0, histograms: 0..0, use_starts }
    }

    pub(super) fn slide(&mut self, shape: WindowShape, t: i64) -> Window<'a> {
        let end = shape.end(t);
        let start = end.saturating_sub(shape.range_ms);
        let samples = self.samples;
        let (from, to) = (start.saturating_sub(shape.before_ms), end.saturating_add(shape.after_ms));
        advance(&mut self.floats, samples.times(), from, to);
        advance(&mut self.histograms, samples.histogram_times(), from, to);
        let (f, h) = (self.floats.clone(), self.histograms.clone());
        let starts = if self.use_starts { samples.starts() } else { &[] };
        let h_starts = if self.use_starts { samples.histogram_starts() } else { &[] };
        Window {
            times: &samples.times()[f.clone()],
            values: &samples.values()[f.clone()],
            starts: starts.get(f).unwrap_or(&[]),
            h_times: &samples.histogram_times()[h.clone()],
            histograms: &samples.histograms()[h.clone()],
            h_starts: h_starts.get(h).unwrap_or(&[]),
            start,
            end,
            step: t,
        }
    }
}

pub(super) fn advance(range: &mut Range<usize>, times: &[i64], start: i64, end: i64) {
    while range.end < times.len() && times[range.end] <= end {
        range.end += 1;
    }
    while range.start < range.end && times[range.start] <= start {
        range.start += 1;
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds and counts are far below 2^53")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
pub(super) fn count(n: usize) -> f64 {
    n as f64
}

fn first(w: &Window<'_>) -> Cell {
    match (w.times.first(), w.h_times.first()) {
        (Some(ft), other) if other.is_none_or(|ht| ft < ht) => Cell::Float(w.values[0]),
        (_, Some(_)) => Cell::Histogram(Arc::clone(&w.histograms[0])),
        _ => Cell::None,
    }
}

fn last(w: &Window<'_>) -> Cell {
    match (w.times.last(), w.h_times.last()) {
        (Some(ft), other) if other.is_none_or(|ht| ft > ht) => Cell::Float(w.values[w.values.len() - 1]),
        (_, Some(_)) => Cell::Histogram(Arc::clone(&w.histograms[w.histograms.len() - 1])),
        _ => Cell::None,
    }
}

/// The index of the extreme value; NaN gives way to any number.
fn extreme_at(values: &[f64], better: impl Fn(f64, f64) -> bool) -> usize {
    let mut best = 0;
    for (i, x) in values.iter().enumerate() {
        if better(*x, values[best]) || values[best].is_nan() {
            best = i;
        }
    }
    best
}

fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    values[extreme_at(values, better)]
}

fn median_absolute_deviation(values: &[f64]) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    let median = numeric::quantile(0.5, &mut sorted);
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    numeric::quantile(0.5, &mut deviations)
}

/// Holt's double exponential smoothing; the factors were checked.
fn smooth(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let (mut previous, mut current) = (0.0, values[0]);
    let mut slope = values[1] - values[0];
    for (i, value) in values.iter().enumerate().skip(1) {
        let x = smoothing * value;
        if i > 1 {
            slope = trend * (current - previous) + (1.0 - trend) * slope;
        }
        let y = (1.0 - smoothing) * (current + slope);
        (previous, current) = (current, x + y);
    }
    current
}
