//! `anchored` and `smoothed` selectors, which look beyond the borders of their windows.

use std::sync::Arc;

use super::column::{Cell, Grid};
use super::over::{Call, Slider, Window, seconds};
use super::plan::Select;
use super::select::{Fetch, WindowShape};
use super::{Eval, EvalError, Sink};
use crate::ast::{Extension, Span};
use crate::functions::OverFn;
use crate::histogram::{Histogram, ResetHint};
use crate::text::quote;
use crate::value::{Sample, SampleValue, is_stale};

/// Refuses functions for which a modifier has no meaning.
pub(super) fn check(
    extension: Extension,
    op: Option<OverFn>,
    name: &str,
    span: Span,
) -> Result<(), EvalError> {
    let rated = matches!(op, Some(OverFn::Delta | OverFn::Increase | OverFn::Rate));
    let counted = matches!(op, Some(OverFn::Changes | OverFn::Resets));
    let (fits, list) = match extension {
        Extension::Anchored => (rated || counted, "changes, delta, increase, rate, resets"),
        Extension::Smoothed => (rated, "delta, increase, rate"),
    };
    if fits {
        return Ok(());
    }
    let word = extension.keyword();
    Err(EvalError::query(format!("{word} modifier can only be used with: {list} - not with {name}"), span))
}

/// The value between two samples; a counter that was reset began at zero.
fn between(t1: i64, y1: f64, t2: i64, y2: f64, t: i64, counter: bool) -> f64 {
    let y1 = if counter && y2 < y1 { 0.0 } else { y1 };
    y1 + (y2 - y1) * seconds(t - t1) / seconds(t2 - t1)
}

/// Which samples of an extended window stand for its borders: the first and the last that are used.
fn borders(times: &[i64], w: &Window<'_>, smoothed: bool) -> Option<(usize, usize)> {
    let end = times.len().checked_sub(1)?;
    let first = times[..end].iter().position(|t| *t > w.start).unwrap_or(end).saturating_sub(1);
    let last = if smoothed { times[..end].iter().position(|t| *t >= w.end).unwrap_or(end) } else { end };
    if times[last] <= w.start || (smoothed && times[first] > w.end) {
        return None;
    }
    Some((first, last))
}

/// The values at the borders of a window of floats.
fn border_values(w: &Window<'_>, first: usize, last: usize, smoothed: bool, counter: bool) -> (f64, f64) {
    let at = |i: usize, t: i64| between(w.times[i], w.values[i], w.times[i + 1], w.values[i + 1], t, counter);
    let left = if smoothed && w.times[first] < w.start { at(first, w.start) } else { w.values[first] };
    let right =
        if smoothed && last > 0 && w.times[last] > w.end { at(last - 1, w.end) } else { w.values[last] };
    (left, right)
}

impl Eval<'_> {
    /// A function of an extended window.
    pub(super) fn over_extended(&self, call: &Call<'_>, w: &Window<'_>, extension: Extension) -> Cell {
        if matches!(call.op, OverFn::Changes | OverFn::Resets) {
            let Some(w) = anchored(w) else { return Cell::None };
            return super::over_histograms::transitions(call.op, &w);
        }
        if w.is_mixed() {
            self.warn_mixed(call.metric, call.span);
            return Cell::None;
        }
        let smoothed = extension == Extension::Smoothed;
        let counter = call.op != OverFn::Delta;
        if w.times.is_empty() {
            return self.extended_histograms(call, w, smoothed, counter).map_or(Cell::None, |mut h| {
                if call.op == OverFn::Rate {
                    h = h.divided(seconds(w.end - w.start));
                }
                h.hint = ResetHint::Gauge;
                Cell::Histogram(Arc::new(h.compacted()))
            });
        }
        let Some((first, last)) = borders(w.times, w, smoothed) else { return Cell::None };
        let (left, right) = border_values(w, first, last, smoothed, counter);
        let mut result = right - left;
        if counter {
            self.remark_on_counter_name(call);
            let mut previous = left;
            let inner = (first..=last).filter(|i| {
                !(*i == first && w.times[first] <= w.start || *i == last && w.times[last] >= w.end)
            });
            for value in inner.map(|i| w.values[i]).chain([right]) {
                if value < previous {
                    result += previous;
                }
                previous = value;
            }
        }
        Cell::Float(if call.op == OverFn::Rate { result / seconds(w.end - w.start) } else { result })
    }

    fn extended_histograms(
        &self,
        call: &Call<'_>,
        w: &Window<'_>,
        smoothed: bool,
        counter: bool,
    ) -> Option<Histogram> {
        let (first, last) = borders(w.h_times, w, smoothed)?;
        let used = &w.histograms[first..=last];
        if used.iter().any(|h| h.is_custom() != used[0].is_custom()) {
            self.warn_mixed_schemas(call.metric, call.span);
            return None;
        }
        let gauge = |h: &Histogram| h.hint == ResetHint::Gauge;
        if counter && used.iter().any(|h| gauge(h)) {
            self.warn(
                &format!("this native histogram metric is not a counter: {}", quote(call.metric)),
                call.span,
            );
        }
        let point = |i: usize| (w.h_times[i], &*w.histograms[i]);
        let interpolated_left = smoothed && w.h_times[first] < w.start;
        let left = if interpolated_left {
            self.histogram_between(point(first), point(first + 1), w.start, counter, call.metric, call.span)?
        } else {
            Histogram::clone(&w.histograms[first])
        };
        let right = if smoothed && last > 0 && w.h_times[last] > w.end {
            self.histogram_between(point(last - 1), point(last), w.end, counter, call.metric, call.span)?
        } else {
            Histogram::clone(&w.histograms[last])
        };
        if !counter && (!gauge(&left) || !gauge(&right)) {
            self.warn(
                &format!("this native histogram metric is not a gauge: {}", quote(call.metric)),
                call.span,
            );
        }
        let mut result = right.clone();
        self.reconciled(result.sub(&left).ok()?.reconciled, "subtraction", call.span);
        if counter && first + 1 < last {
            let mut previous = &left;
            let mut inner = first + 1;
            if interpolated_left && w.histograms[first + 1].is_reset_after(&w.histograms[first]) {
                previous = &w.histograms[first + 1];
                inner += 1;
            }
            for histogram in w.histograms[inner..last].iter().map(|h| &**h).chain([&right]) {
                if histogram.is_reset_after(previous) {
                    self.reconciled(result.add(previous).ok()?.reconciled, "addition", call.span);
                }
                previous = histogram;
            }
        }
        Some(result)
    }

    fn reconciled(&self, reconciled: bool, what: &str, span: Span) {
        if reconciled {
            self.info(&format!("mismatched custom buckets were reconciled during {what}"), span);
        }
    }

    /// The histogram between two histograms.
    fn histogram_between(
        &self,
        (t1, h1): (i64, &Histogram),
        (t2, h2): (i64, &Histogram),
        t: i64,
        counter: bool,
        metric: &str,
        span: Span,
    ) -> Option<Histogram> {
        if t == t1 {
            return Some(h1.clone());
        }
        if t == t2 {
            return Some(h2.clone());
        }
        let fraction = seconds(t - t1) / seconds(t2 - t1);
        if counter && h2.is_reset_after(h1) {
            return Some(h2.scaled(fraction));
        }
        let mut result = h2.clone();
        let Ok(merge) = result.sub(h1) else {
            self.warn_mixed_schemas(metric, span);
            return None;
        };
        self.reconciled(merge.reconciled, "subtraction", span);
        let mut result = result.scaled(fraction);
        let merge = result.add(h1).ok()?;
        self.reconciled(merge.reconciled, "addition", span);
        Some(result)
    }

    /// `metric smoothed` as an instant selector: the value between the samples around each step.
    pub(super) fn select_smoothed(
        &self,
        select: &Select,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let lookback = self.options.lookback_ms;
        let shape = WindowShape {
            range_ms: lookback,
            offset_ms: select.offset_ms,
            at_ms: select.at_ms,
            before_ms: 0,
            after_ms: lookback,
        };
        let from = shape.end(grid.start).saturating_sub(lookback);
        let to = shape.end(grid.end()).saturating_add(lookback);
        self.fetch(&Fetch { select, from, to, range_ms: 0, function: "" }, &mut |data| {
            let _hold = self.budget.hold(data.samples.len())?;
            let metric = data.labels.metric_name().to_owned();
            let samples = data.samples.without_stale();
            let mut column = self.column(data.labels, grid)?;
            let mut slider = Slider::new(&samples, false);
            for (i, t) in grid.times().enumerate() {
                let w = slider.slide(shape, t);
                if w.is_mixed() {
                    self.warn_mixed(&metric, select.span);
                } else if w.times.is_empty() {
                    column.set(i, self.smoothed_histogram(&w, &metric, select.span));
                } else {
                    column.set(i, smoothed_float(&w));
                }
            }
            if column.is_blank() { Ok(()) } else { sink(column) }
        })
    }

    fn smoothed_histogram(&self, w: &Window<'_>, metric: &str, span: Span) -> Cell {
        let after = w.h_times.partition_point(|t| *t <= w.end);
        let Some(before) = after.checked_sub(1) else { return Cell::None };
        let (t1, h1) = (w.h_times[before], &w.histograms[before]);
        if t1 == w.end {
            return Cell::Histogram(Arc::clone(h1));
        }
        let Some(h2) = w.histograms.get(after) else {
            return Cell::Histogram(Arc::new(Histogram { hint: ResetHint::Unknown, ..Histogram::clone(h1) }));
        };
        if h1.is_custom() != h2.is_custom() {
            self.warn_mixed_schemas(metric, span);
            return Cell::None;
        }
        let counter = !(h1.hint == ResetHint::Gauge && h2.hint == ResetHint::Gauge);
        self.histogram_between((t1, h1), (w.h_times[after], h2), w.end, counter, metric, span)
            .map_or(Cell::None, |h| Cell::Histogram(Arc::new(h)))
    }
}

fn smoothed_float(w: &Window<'_>) -> Cell {
    let after = w.times.partition_point(|t| *t <= w.end);
    let Some(before) = after.checked_sub(1) else { return Cell::None };
    let (t1, y1) = (w.times[before], w.values[before]);
    match (w.times.get(after), w.values.get(after)) {
        (Some(t2), Some(y2)) if t1 != w.end => Cell::Float(between(t1, y1, *t2, *y2, w.end, false)),
        _ => Cell::Float(y1),
    }
}

/// The window from its anchor on: the newest sample at or before its start, then all samples after it.
fn anchored<'a>(w: &Window<'a>) -> Option<Window<'a>> {
    let f = w.times.partition_point(|t| *t <= w.start);
    let h = w.h_times.partition_point(|t| *t <= w.start);
    if f == w.times.len() && h == w.h_times.len() {
        return None;
    }
    let float = f.checked_sub(1).map(|i| w.times[i]);
    let histogram = h.checked_sub(1).map(|i| w.h_times[i]);
    let (f, h) = match (float, histogram) {
        (Some(t), other) if other.is_none_or(|o| t >= o) => (f - 1, h),
        (_, Some(_)) => (f, h - 1),
        _ => (f, h),
    };
    Some(Window {
        times: &w.times[f..],
        values: &w.values[f..],
        starts: w.starts.get(f..).unwrap_or(&[]),
        h_times: &w.h_times[h..],
        histograms: &w.histograms[h..],
        h_starts: w.h_starts.get(h..).unwrap_or(&[]),
        ..*w
    })
}

/// The samples of an extended window that is itself the query's result, its borders filled in.
pub(super) fn bare(w: &Window<'_>, extension: Extension, span: Span) -> Result<Vec<Sample>, EvalError> {
    if w.histograms.iter().any(|h| !is_stale(h.sum)) {
        let message = format!("{} modifier is not supported with histograms", extension.keyword());
        return Err(EvalError::query(message, span));
    }
    let smoothed = extension == Extension::Smoothed;
    let Some((first, last)) = borders(w.times, w, smoothed) else { return Ok(Vec::new()) };
    let (left, right) = border_values(w, first, last, smoothed, false);
    let inner = (first..=last).filter(|i| w.times[*i] > w.start && w.times[*i] < w.end);
    let mut samples = vec![Sample { t_ms: w.start, value: SampleValue::Float(left) }];
    samples.extend(inner.map(|i| Sample::float(w.times[i], w.values[i])));
    samples.push(Sample::float(w.end, right));
    Ok(samples)
}
