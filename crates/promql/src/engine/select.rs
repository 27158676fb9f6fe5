//! Selectors: the newest sample at each step, and windows of samples.

use std::sync::Arc;

use super::column::{Column, Grid, is_absent};
use super::over::Slider;
use super::plan::{Node, NodeKind, Select, Subquery};
use super::{Eval, EvalError, SeriesVisitor, Sink};
use crate::ast::Extension;
use crate::histogram::{Histogram, ResetHint};
use crate::labels::Labels;
use crate::series::{Hints, Selection, SeriesData};
use crate::value::{MatrixSeries, Sample, SampleValue, Samples, is_stale};

/// The samples of one series and where its windows lie.
#[derive(Debug)]
pub(super) struct Windowed {
    pub labels: Labels,
    pub drop_name: bool,
    pub samples: Samples,
}

/// Where the windows of a selector or subquery lie: at step time `t` from `end - range` (not included) to `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowShape {
    pub range_ms: i64,
    pub offset_ms: i64,
    pub at_ms: Option<i64>,
    /// How far before and after the window samples are wanted, for `anchored` and `smoothed`.
    pub before_ms: i64,
    pub after_ms: i64,
}

/// What is wanted of the store: the samples in `(from, to]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetch<'s> {
    pub select: &'s Select,
    pub from: i64,
    pub to: i64,
    pub range_ms: i64,
    pub function: &'s str,
}

impl WindowShape {
    pub(super) fn end(&self, t_ms: i64) -> i64 {
        self.at_ms.unwrap_or(t_ms).saturating_sub(self.offset_ms)
    }
}

impl Eval<'_> {
    /// Asks the store for series and hands them over one by one.
    pub(super) fn fetch(&self, fetch: &Fetch<'_>, visit: SeriesVisitor<'_>) -> Result<(), EvalError> {
        let selection = Selection {
            matchers: &fetch.select.matchers,
            start_ms: fetch.from.saturating_add(1),
            end_ms: fetch.to,
            hints: Hints { step_ms: self.times.step, range_ms: fetch.range_ms, function: fetch.function },
        };
        let mut count = 0;
        self.source.each(&selection, &mut |mut series| {
            count += 1;
            if count > self.options.max_series {
                return Err(EvalError::TooManySeries { most: self.options.max_series });
            }
            if fetch.select.stats {
                self.worked(series.samples.len())?;
                find_resets(&mut series.samples);
            }
            visit(series)
        })?;
        self.check_cancelled()
    }

    /// The newest sample at each step, not older than the lookback and not a marker of the series' end.
    pub(super) fn select_instant(
        &self,
        select: &Select,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        if select.extension == Some(Extension::Smoothed) {
            return self.select_smoothed(select, grid, sink);
        }
        let shape = self.newest_shape(select);
        let make = |eval: &Eval<'_>, data: &SeriesData| {
            eval.worked(data.samples.len().saturating_add(grid.count))?;
            let mut column = eval.column(data.labels.clone(), grid)?;
            walk_newest(&data.samples, grid, shape, &mut |i, sample| match sample {
                Newest::Float(_, value) => column.set_float(i, value),
                Newest::Histogram(_, histogram) => column.set_histogram(i, Arc::clone(histogram)),
            });
            column.hold_histograms(&eval.budget)?;
            Ok(Some(column))
        };
        self.each_series(&self.fetch_newest(select, grid), grid.count, &make, sink)
    }

    /// Walks the newest sample of each series at each step.
    pub(super) fn newest(
        &self,
        select: &Select,
        grid: Grid,
        visit: NewestVisitor<'_>,
    ) -> Result<(), EvalError> {
        let shape = self.newest_shape(select);
        self.fetch(&self.fetch_newest(select, grid), &mut |data| {
            let samples = &data.samples;
            let _hold = self.budget.hold(samples.len())?;
            self.worked(samples.len().saturating_add(grid.count))?;
            visit(&data, &mut |emit| walk_newest(samples, grid, shape, emit))
        })
    }

    fn newest_shape(&self, select: &Select) -> WindowShape {
        WindowShape {
            range_ms: self.options.lookback_ms,
            offset_ms: select.offset_ms,
            at_ms: select.at_ms,
            before_ms: 0,
            after_ms: 0,
        }
    }

    fn fetch_newest<'s>(&self, select: &'s Select, grid: Grid) -> Fetch<'s> {
        let shape = self.newest_shape(select);
        let from = shape.end(grid.start).saturating_sub(shape.range_ms);
        Fetch { select, from, to: shape.end(grid.end()), range_ms: 0, function: "" }
    }

    /// Makes one column of each series of a range selector or a subquery and delivers those that have a sample.
    pub(super) fn each_window(
        &self,
        node: &Node,
        grid: Grid,
        function: &str,
        make: MakeOfWindows<'_>,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let NodeKind::Range(select, range_ms) = &node.kind else {
            return self
                .windows(node, grid, function, &mut |series| match make(self, &series)?
                    .filter(|column| !column.is_blank())
                {
                    Some(column) => sink(column),
                    None => Ok(()),
                })
                .map(drop);
        };
        let fetch = fetch_windows(select, *range_ms, self.range_shape(node)?, grid, function);
        let make = |eval: &Eval<'_>, data: &SeriesData| {
            eval.worked(data.samples.len())?;
            let samples = data.samples.clone().without_stale();
            if samples.is_empty() {
                return Ok(None);
            }
            make(eval, &Windowed { labels: data.labels.clone(), drop_name: false, samples })
        };
        self.each_series(&fetch, grid.count, &make, sink)
    }

    /// Walks the series of a range selector or a subquery.
    pub(super) fn windows(
        &self,
        node: &Node,
        grid: Grid,
        function: &str,
        visit: &mut dyn FnMut(Windowed) -> Result<(), EvalError>,
    ) -> Result<WindowShape, EvalError> {
        match &node.kind {
            NodeKind::Range(select, range_ms) => {
                let shape = self.range_shape(node)?;
                let fetch = fetch_windows(select, *range_ms, shape, grid, function);
                self.fetch(&fetch, &mut |data| {
                    let _hold = self.budget.hold(data.samples.len())?;
                    self.worked(data.samples.len().saturating_add(grid.count))?;
                    let samples = data.samples.without_stale();
                    if samples.is_empty() {
                        return Ok(());
                    }
                    visit(Windowed { labels: data.labels, drop_name: false, samples })
                })?;
                Ok(shape)
            }
            NodeKind::Subquery(subquery) => {
                let shape = subquery_shape(subquery);
                let Some(inner) = self.subquery_grid(subquery, grid)? else { return Ok(shape) };
                self.stream(&subquery.expr, inner, &mut |column| {
                    self.worked(inner.count.saturating_add(grid.count))?;
                    let samples = column_samples(&column, inner);
                    if samples.is_empty() {
                        return Ok(());
                    }
                    visit(Windowed { labels: column.labels.clone(), drop_name: column.drop_name, samples })
                })?;
                Ok(shape)
            }
            _ => Err(EvalError::query("expected a range vector", node.span)),
        }
    }

    /// Where the windows of a range selector or subquery lie.
    pub(super) fn range_shape(&self, node: &Node) -> Result<WindowShape, EvalError> {
        match &node.kind {
            NodeKind::Range(select, range_ms) => {
                let lookback = self.options.lookback_ms;
                Ok(WindowShape {
                    range_ms: *range_ms,
                    offset_ms: select.offset_ms,
                    at_ms: select.at_ms,
                    before_ms: if select.extension.is_some() { lookback } else { 0 },
                    after_ms: if select.extension == Some(Extension::Smoothed) { lookback } else { 0 },
                })
            }
            NodeKind::Subquery(subquery) => Ok(subquery_shape(subquery)),
            _ => Err(EvalError::query("expected a range vector", node.span)),
        }
    }

    /// The steps of a subquery: absolute multiples of its interval that lie in any of its windows.
    fn subquery_grid(&self, subquery: &Subquery, grid: Grid) -> Result<Option<Grid>, EvalError> {
        let interval = subquery.step_ms.unwrap_or(self.options.subquery_step_ms).max(1);
        let shape = subquery_shape(subquery);
        let end = shape.end(grid.end());
        let open = shape.end(grid.start).saturating_sub(subquery.range_ms);
        let mut start = interval.saturating_mul(open / interval);
        if start <= open {
            start = start.saturating_add(interval);
        }
        if start > end {
            return Ok(None);
        }
        let count =
            usize::try_from(end.saturating_sub(start) / interval).unwrap_or(usize::MAX).saturating_add(1);
        if count as u64 > self.options.max_samples {
            return Err(EvalError::TooManySamples);
        }
        Ok(Some(Grid { start, step: interval, count }))
    }

    /// A range selector or subquery that is itself the query: the samples of its window.
    pub(super) fn bare_window(&self, node: &Node, grid: Grid) -> Result<Vec<MatrixSeries>, EvalError> {
        let mut matrix = Vec::new();
        let mut held = Vec::new();
        let shape = self.range_shape(node)?;
        let extension = match &node.kind {
            NodeKind::Range(select, _) => select.extension,
            _ => None,
        };
        self.windows(node, grid, "", &mut |series| {
            let samples: Vec<Sample> = match extension {
                Some(extension) => {
                    let window = Slider::new(&series.samples, false).slide(shape, grid.start);
                    super::extended::bare(&window, extension, node.span)?
                }
                None => {
                    let end = shape.end(grid.start);
                    series
                        .samples
                        .slice(end.saturating_sub(shape.range_ms).saturating_add(1), end)
                        .iter()
                        .collect()
                }
            };
            held.push(self.budget.hold(samples.len())?);
            if !samples.is_empty() {
                let labels = if series.drop_name { series.labels.without_metadata() } else { series.labels };
                matrix.push(MatrixSeries { labels, samples });
            }
            Ok(())
        })?;
        Ok(matrix)
    }
}

/// Makes the column of a series of windows; `None` where there is nothing to make one from.
pub(super) type MakeOfWindows<'m> =
    &'m (dyn Fn(&Eval<'_>, &Windowed) -> Result<Option<Column>, EvalError> + Sync);
/// What [`Eval::newest`] calls per series: the series and a walk over the steps.
pub(super) type NewestVisitor<'v> = &'v mut dyn FnMut(&SeriesData, NewestWalk<'_>) -> Result<(), EvalError>;
/// A walk over the steps that have a sample.
pub(super) type NewestWalk<'w> = &'w mut dyn FnMut(&mut dyn FnMut(usize, Newest<'_>));

/// The newest sample at a step, with the instant it was taken.
pub(super) enum Newest<'a> {
    Float(usize, f64),
    Histogram(usize, &'a Arc<Histogram>),
}

fn walk_newest(samples: &Samples, grid: Grid, shape: WindowShape, emit: &mut dyn FnMut(usize, Newest<'_>)) {
    let (times, values) = (samples.times(), samples.values());
    let (h_times, histograms) = (samples.histogram_times(), samples.histograms());
    let (mut f, mut h) = (0, 0);
    for (i, t) in grid.times().enumerate() {
        let reference = shape.end(t);
        let oldest = reference.saturating_sub(shape.range_ms);
        while f < times.len() && times[f] <= reference {
            f += 1;
        }
        while h < h_times.len() && h_times[h] <= reference {
            h += 1;
        }
        let float = f.checked_sub(1).map(|at| (times[at], at)).filter(|(t, _)| *t > oldest);
        let histogram = h.checked_sub(1).map(|at| (h_times[at], at)).filter(|(t, _)| *t > oldest);
        match (float, histogram) {
            (Some((ft, at)), other) if other.is_none_or(|(ht, _)| ft > ht) => {
                let value = values[at];
                if is_stale(value) { continue } else { emit(i, Newest::Float(at, value)) }
            }
            (_, Some((_, at))) => {
                let histogram = &histograms[at];
                if is_stale(histogram.sum) { continue } else { emit(i, Newest::Histogram(at, histogram)) }
            }
            _ => {}
        }
    }
}

/// Says of each histogram that follows another whether it comes after a reset.
fn find_resets(samples: &mut Samples) {
    if samples.histograms().len() < 2 {
        return;
    }
    let mut told = Samples::default();
    for (t, value) in samples.times().iter().zip(samples.values()) {
        told.push(Sample::float(*t, *value), 0);
    }
    let mut previous: Option<&Arc<Histogram>> = None;
    for (i, (t, histogram)) in samples.histogram_times().iter().zip(samples.histograms()).enumerate() {
        let mut value = Arc::clone(histogram);
        let stale = is_stale(histogram.sum);
        if let Some(previous) = previous.filter(|_| histogram.hint == ResetHint::Unknown && !stale) {
            let reset = histogram.is_reset_after(previous);
            let hint = if reset { ResetHint::Reset } else { ResetHint::NotReset };
            value = Arc::new(Histogram { hint, ..Histogram::clone(histogram) });
        }
        if !stale {
            previous = Some(histogram);
        }
        let start = samples.histogram_starts().get(i).copied().unwrap_or(0);
        told.push(Sample { t_ms: *t, value: SampleValue::Histogram(value) }, start);
    }
    *samples = told;
}

/// What a range selector needs of the store.
fn fetch_windows<'s>(
    select: &'s Select,
    range_ms: i64,
    shape: WindowShape,
    grid: Grid,
    function: &'s str,
) -> Fetch<'s> {
    let from = shape.end(grid.start).saturating_sub(range_ms).saturating_sub(shape.before_ms);
    let to = shape.end(grid.end()).saturating_add(shape.after_ms);
    Fetch { select, from, to, range_ms, function }
}

fn subquery_shape(subquery: &Subquery) -> WindowShape {
    WindowShape {
        range_ms: subquery.range_ms,
        offset_ms: subquery.offset_ms,
        at_ms: subquery.at_ms,
        before_ms: 0,
        after_ms: 0,
    }
}

/// The entries of a column as samples. What a subquery computed says nothing about counter resets.
fn column_samples(column: &Column, grid: Grid) -> Samples {
    if column.histograms.is_none() {
        let present = column.floats.iter().filter(|v| !is_absent(**v)).count();
        let mut times = Vec::with_capacity(present);
        let mut values = Vec::with_capacity(present);
        for (t, value) in grid.times().zip(&column.floats) {
            if !is_absent(*value) {
                times.push(t);
                values.push(*value);
            }
        }
        return Samples::from_floats(times, values);
    }
    Samples::from_samples(column.samples(grid).into_iter().map(|sample| match sample.value {
        SampleValue::Histogram(histogram) => {
            let value = SampleValue::Histogram(histogram.with_computed_hint());
            Sample { value, ..sample }
        }
        SampleValue::Float(_) => sample,
    }))
}
