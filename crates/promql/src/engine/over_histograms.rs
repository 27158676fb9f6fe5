//! Functions over windows of native histograms.

use std::sync::Arc;

use super::Eval;
use super::column::Cell;
use super::histogram_total::HistogramTotal;
use super::over::{Call, Window, count, extrapolation, seconds, start_reset};
use crate::functions::OverFn;
use crate::histogram::{Histogram, Merge, ResetHint};
use crate::text::quote;

fn is_gauge(h: &Histogram) -> bool {
    h.hint == ResetHint::Gauge
}

/// Whether the counter was reset between histogram `i - 1` and histogram `i` of the window.
fn reset_at(w: &Window<'_>, i: usize) -> bool {
    start_reset(w.h_starts, w.h_times, i) || w.histograms[i].is_reset_after(&w.histograms[i - 1])
}

impl Eval<'_> {
    fn warn_not_counter(&self, call: &Call<'_>, span: crate::ast::Span) {
        self.warn(&format!("this native histogram metric is not a counter: {}", quote(call.metric)), span);
    }

    fn warn_not_gauge(&self, call: &Call<'_>, span: crate::ast::Span) {
        self.warn(&format!("this native histogram metric is not a gauge: {}", quote(call.metric)), span);
    }

    fn remark_on_reconciled(&self, merge: Merge, what: &str, span: crate::ast::Span) {
        if merge.reconciled {
            self.info(&format!("mismatched custom buckets were reconciled during {what}"), span);
        }
    }

    /// Start timestamps that lie before the previous sample cannot be right.
    pub(super) fn remark_on_overlaps(&self, call: &Call<'_>, w: &Window<'_>) {
        for (starts, times) in [(w.starts, w.times), (w.h_starts, w.h_times)] {
            let overlaps = (1..starts.len())
                .any(|i| starts[i] != 0 && starts[i] < times[i - 1] && starts[i] != starts[i - 1]);
            if overlaps {
                self.notes.overlap(call.metric, call.span);
                return;
            }
        }
    }

    /// `rate`, `increase` and `delta` of histograms.
    pub(super) fn extrapolated_histogram(&self, call: &Call<'_>, w: &Window<'_>) -> Cell {
        let counter = call.op != OverFn::Delta;
        let Some(first) = w.histograms.first() else { return Cell::None };
        let start = w.h_starts.first().copied().unwrap_or(0);
        let started = counter && start != 0 && w.start < start && start < w.h_times[0];
        let mut result = None;
        if w.histograms.len() > 1 {
            let Some(difference) = self.difference(call, w, counter) else { return Cell::None };
            result = Some(difference);
        }
        let zero_ratio = result
            .as_ref()
            .filter(|r| counter && r.count > 0.0 && first.count >= 0.0)
            .map(|r| first.count / r.count);
        if started {
            match &mut result {
                None => result = Some(Histogram::clone(first)),
                Some(result) => match result.add(first) {
                    Ok(merge) => self.remark_on_reconciled(merge, "addition", call.span),
                    Err(_) => {
                        self.warn_mixed_schemas(call.metric, call.span);
                        return Cell::None;
                    }
                },
            }
        }
        let (Some(result), Some(factor)) =
            (result, extrapolation(w.h_times, w, started.then_some(start), counter, zero_ratio))
        else {
            return Cell::None;
        };
        let factor = if call.op == OverFn::Rate { factor / seconds(w.end - w.start) } else { factor };
        let mut result = result.scaled(factor).compacted();
        result.hint = ResetHint::Gauge;
        Cell::Histogram(Arc::new(result))
    }

    /// The last histogram of the window minus the first, with what was lost in resets added.
    fn difference(&self, call: &Call<'_>, w: &Window<'_>, counter: bool) -> Option<Histogram> {
        let [first, .., last] = w.histograms else { return None };
        let second = &w.histograms[1];
        if counter && (is_gauge(first) || is_gauge(last)) {
            self.warn_not_counter(call, call.span);
        }
        let mut base = Histogram::clone(first);
        let first_is_reset = counter && reset_at(w, 1);
        if first_is_reset {
            // What came before the first reset does not count; only the layout of what follows does.
            base = Histogram {
                schema: second.schema,
                custom_values: second.custom_values.clone(),
                zero_threshold: second.zero_threshold,
                ..Histogram::default()
            };
        }
        if last.is_custom() != base.is_custom() {
            self.warn_mixed_schemas(call.metric, call.span);
            return None;
        }
        let mut schema = last.schema.min(base.schema);
        if counter {
            for histogram in &w.histograms[1..w.histograms.len() - 1] {
                if is_gauge(histogram) {
                    self.warn_not_counter(call, call.span);
                }
                if histogram.is_custom() != last.is_custom() {
                    self.warn_mixed_schemas(call.metric, call.span);
                    return None;
                }
                schema = schema.min(histogram.schema);
            }
        }
        let mut result = Histogram::clone(last);
        result.reduce(schema);
        let merge = result.sub(&base).ok()?;
        self.remark_on_reconciled(merge, "subtraction", call.span);
        if counter {
            // A reset between the first pair emptied the base, so nothing is missing from there.
            for i in 2..w.histograms.len() {
                if reset_at(w, i) {
                    let merge = result.add(&w.histograms[i - 1]).ok()?;
                    self.remark_on_reconciled(merge, "addition", call.span);
                }
            }
        } else if !is_gauge(first) || !is_gauge(last) {
            self.warn_not_gauge(call, call.span);
        }
        result.hint = ResetHint::Gauge;
        Some(result.compacted())
    }

    /// `irate` and `idelta` when the window has histograms.
    pub(super) fn instant_change_of_histograms(&self, call: &Call<'_>, w: &Window<'_>) -> Cell {
        let rate = call.op == OverFn::Irate;
        let merged = merged(w);
        let [.., before, now] = &merged[..] else { return Cell::None };
        if before.t == now.t {
            return Cell::None;
        }
        let span = call.first_span;
        let (Some(i), Some(j)) = (before.histogram, now.histogram) else {
            if before.histogram.is_none() && now.histogram.is_none() {
                let (a, b) = (before.value, now.value);
                let reset = b < a || start_reset(w.starts, w.times, w.times.len() - 1);
                let change = if rate && reset { b } else { b - a };
                return Cell::Float(if rate { change / seconds(now.t - before.t) } else { change });
            }
            self.warn_mixed(call.metric, span);
            return Cell::None;
        };
        let (a, b) = (&w.histograms[i], &w.histograms[j]);
        if rate && (is_gauge(a) || is_gauge(b)) {
            self.warn_not_counter(call, span);
        }
        if !rate && (!is_gauge(a) || !is_gauge(b)) {
            self.warn_not_gauge(call, span);
        }
        let mut result = Histogram::clone(b);
        if !(rate && reset_at(w, j)) {
            match result.sub(a) {
                Ok(merge) => self.remark_on_reconciled(merge, "subtraction", span),
                Err(_) => {
                    self.warn_mixed_schemas(call.metric, span);
                    return Cell::None;
                }
            }
        }
        if rate {
            result = result.divided(seconds(now.t - before.t));
        }
        result.hint = ResetHint::Gauge;
        Cell::Histogram(Arc::new(result.compacted()))
    }

    pub(super) fn sum_or_mean_of_histograms(&self, call: &Call<'_>, w: &Window<'_>) -> Cell {
        let Some((first, rest)) = w.histograms.split_first() else { return Cell::None };
        let mut total = HistogramTotal::new(call.op == OverFn::Avg, first);
        for histogram in rest {
            self.add_to_total(&mut total, histogram, call.metric, call.span);
        }
        total.value().map_or(Cell::None, |histogram| Cell::Histogram(Arc::new(histogram)))
    }
}

/// One sample of a window, wherever its value is.
struct Entry {
    t: i64,
    value: f64,
    histogram: Option<usize>,
}

/// Floats and histograms of a window in time order.
fn merged(w: &Window<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = w
        .times
        .iter()
        .zip(w.values)
        .map(|(t, value)| Entry { t: *t, value: *value, histogram: None })
        .chain(w.h_times.iter().enumerate().map(|(i, t)| Entry { t: *t, value: 0.0, histogram: Some(i) }))
        .collect();
    entries.sort_by_key(|entry| entry.t);
    entries
}

/// `changes` and `resets` when the window has histograms; a change of kind is both.
pub(super) fn transitions(op: OverFn, w: &Window<'_>) -> Cell {
    let entries = merged(w);
    let resets = op == OverFn::Resets;
    let mut float_at = 0;
    let mut found = 0;
    for (i, entry) in entries.iter().enumerate() {
        if entry.histogram.is_none() {
            float_at += 1;
        }
        let Some(before) = i.checked_sub(1).map(|i| &entries[i]) else { continue };
        let counts = match (before.histogram, entry.histogram) {
            (None, None) if resets => {
                entry.value < before.value || start_reset(w.starts, w.times, float_at - 1)
            }
            (None, None) => entry.value != before.value && !(entry.value.is_nan() && before.value.is_nan()),
            (Some(_), Some(j)) if resets => reset_at(w, j),
            (Some(i), Some(j)) => !w.histograms[j].same_as(&w.histograms[i]),
            _ => true,
        };
        found += usize::from(counts);
    }
    Cell::Float(count(found))
}
