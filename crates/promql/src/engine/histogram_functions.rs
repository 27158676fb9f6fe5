//! Functions that read histograms, native and classic.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::column::{Cell, Column, Grid, is_absent, merge_same};
use super::plan::Node;
use super::{Eval, EvalError, Sink};
use crate::ast::Span;
use crate::functions::HistogramStat;
use crate::histogram::{Histogram, classic};
use crate::labels::Labels;
use crate::text::{open_metrics_float, quote};

/// Reads a number from the borders and counts of a classic histogram at a step.
type ReadClassic<'r> = &'r dyn Fn(usize, Vec<(f64, f64)>, &Labels) -> f64;

/// The histograms of a vector: native ones, and classic ones gathered from their buckets.
struct Histograms {
    natives: Vec<Column>,
    /// Where a classic histogram stands in the list, by its labels.
    known: IndexMap<Labels, usize>,
    classics: Vec<(Labels, Vec<(f64, Column)>)>,
}

impl Histograms {
    /// Removes what is both native and classic at a step; answers the names concerned.
    fn drop_mixed(&mut self, grid: Grid) -> Vec<Labels> {
        let mut mixed = Vec::new();
        for native in &mut self.natives {
            let Some(at) = self.known.get(&native.labels) else { continue };
            let (labels, buckets) = &mut self.classics[*at];
            for i in 0..grid.count {
                if native.histogram(i).is_some() && buckets.iter().any(|(_, column)| column.has(i)) {
                    native.clear(i);
                    buckets.iter_mut().for_each(|(_, column)| column.clear(i));
                    mixed.push(labels.clone());
                }
            }
        }
        mixed
    }
}

impl Eval<'_> {
    fn for_metric(&self, labels: &Labels) -> String {
        if self.options.delayed_name_removal {
            format!(" for metric name {}", quote(labels.metric_name()))
        } else {
            String::new()
        }
    }

    fn histograms(&self, vector: &Node, grid: Grid) -> Result<Histograms, EvalError> {
        let mut found = Histograms { natives: Vec::new(), known: IndexMap::new(), classics: Vec::new() };
        self.stream(vector, grid, &mut |mut column| {
            if column.histograms.is_some() {
                let mut native = self.column(column.labels.clone(), grid)?;
                native.histograms = column.histograms.take();
                found.natives.push(native);
            }
            if column.is_blank() {
                return Ok(());
            }
            let le = column.labels.get("le");
            let Some(border) = parse_border(le) else {
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of {}{}",
                    quote(le),
                    self.for_metric(&column.labels)
                );
                self.warn(&text, vector.span);
                return Ok(());
            };
            let labels = column.labels.retain(|name| name != "le");
            let at = *found.known.entry(labels.clone()).or_insert_with(|| {
                found.classics.push((labels, Vec::new()));
                found.classics.len() - 1
            });
            found.classics[at].1.push((border, column));
            Ok(())
        })?;
        for labels in found.drop_mixed(grid) {
            let text =
                format!("vector contains a mix of classic and native histograms{}", self.for_metric(&labels));
            self.warn(&text, vector.span);
        }
        Ok(found)
    }

    /// A column for what is read from a histogram.
    fn reading(&self, labels: &Labels, grid: Grid) -> Result<Column, EvalError> {
        let delayed = self.options.delayed_name_removal;
        let labels = if delayed { labels.clone() } else { labels.without_metadata() };
        let mut column = self.column(labels, grid)?;
        column.drop_name = delayed;
        Ok(column)
    }

    /// One number read from every histogram at every step.
    fn read(
        &self,
        found: &Histograms,
        grid: Grid,
        native: &dyn Fn(usize, &Histogram, &Labels) -> f64,
        classic: ReadClassic<'_>,
    ) -> Result<Vec<Column>, EvalError> {
        let mut columns = Vec::new();
        for source in &found.natives {
            let mut column = self.reading(&source.labels, grid)?;
            for i in 0..grid.count {
                if let Some(histogram) = source.histogram(i) {
                    self.worked(histogram.positive.len() + histogram.negative.len())?;
                    column.set_float(i, native(i, histogram, &source.labels));
                }
            }
            columns.push(column);
        }
        for (labels, buckets) in &found.classics {
            self.worked(grid.count.saturating_mul(buckets.len()))?;
            let mut column = self.reading(labels, grid)?;
            for i in 0..grid.count {
                let present: Vec<(f64, f64)> = buckets
                    .iter()
                    .map(|(border, bucket)| (*border, bucket.floats[i]))
                    .filter(|(_, count)| !is_absent(*count))
                    .collect();
                if !present.is_empty() {
                    column.set_float(i, classic(i, present, labels));
                }
            }
            columns.push(column);
        }
        columns.retain(|column| !column.is_blank());
        if self.options.delayed_name_removal { Ok(columns) } else { merge_same(columns) }
    }

    fn quantiles(
        &self,
        found: &Histograms,
        quantiles: &[f64],
        grid: Grid,
        span: Span,
    ) -> Result<Vec<Column>, EvalError> {
        self.read(
            found,
            grid,
            &|i, histogram, labels| {
                let (value, remark) = histogram.quantile(quantiles[i]);
                if let Some(remark) = remark {
                    self.info(&format!("{}{}", remark.text(), self.for_metric(labels)), span);
                }
                value
            },
            &|i, buckets, labels| {
                let (value, repair) = classic::quantile(quantiles[i], buckets);
                if let Some(repair) = repair {
                    let metric = self.options.delayed_name_removal.then(|| labels.metric_name());
                    self.notes.repaired(metric, repair, grid.at(i), span);
                }
                value
            },
        )
    }

    pub(super) fn histogram_quantile(
        &self,
        q: &Node,
        vector: &Node,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let quantiles = self.scalar(q, grid)?;
        quantiles.iter().for_each(|value| self.check_quantile(*value, q.span));
        let found = self.histograms(vector, grid)?;
        self.quantiles(&found, &quantiles, grid, vector.span)?.into_iter().try_for_each(sink)
    }

    pub(super) fn histogram_quantiles(
        &self,
        vector: &Node,
        label: &Node,
        quantiles: &[Node],
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let label = self.text_of(label)?;
        if label.is_empty() {
            return Err(EvalError::query("invalid label name \"\"", vector.span));
        }
        let found = self.histograms(vector, grid)?;
        let mut columns = Vec::new();
        for q in quantiles {
            let values = self.scalar(q, grid)?;
            values.iter().for_each(|value| self.check_quantile(*value, q.span));
            for column in self.quantiles(&found, &values, grid, vector.span)? {
                // The quantile is a scalar that may change from step to step, and the label with it.
                let mut parts: BTreeMap<String, Column> = BTreeMap::new();
                for (i, value) in values.iter().enumerate().filter(|(i, _)| column.has(*i)) {
                    let text = open_metrics_float(*value);
                    let part = match parts.entry(text) {
                        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            let labels = column.labels.with(&label, entry.key());
                            let mut new = self.column(labels, grid)?;
                            new.drop_name = column.drop_name;
                            entry.insert(new)
                        }
                    };
                    part.set_float(i, column.floats[i]);
                }
                columns.extend(parts.into_values());
            }
        }
        merge_same(columns)?.into_iter().try_for_each(sink)
    }

    pub(super) fn histogram_fraction(
        &self,
        lower: &Node,
        upper: &Node,
        vector: &Node,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let (lower, upper) = (self.scalar(lower, grid)?, self.scalar(upper, grid)?);
        let found = self.histograms(vector, grid)?;
        let columns = self.read(
            &found,
            grid,
            &|i, histogram, labels| {
                let (value, remark) = histogram.fraction(lower[i], upper[i]);
                if let Some(remark) = remark {
                    self.info(&format!("{}{}", remark.text(), self.for_metric(labels)), vector.span);
                }
                value
            },
            &|i, buckets, _| classic::fraction(lower[i], upper[i], buckets),
        )?;
        columns.into_iter().try_for_each(sink)
    }

    /// One number of each native histogram; floats are skipped.
    pub(super) fn histogram_stat(
        &self,
        stat: HistogramStat,
        vector: &Node,
        grid: Grid,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        self.dropping_names(
            vector,
            grid,
            &mut |column| if column.is_blank() { Ok(()) } else { sink(column) },
            &mut |column| {
                let histograms = column.histograms.take();
                for i in 0..grid.count {
                    column.clear(i);
                    let histogram: Option<&Arc<Histogram>> =
                        histograms.as_ref().and_then(|list| list[i].as_ref());
                    if let Some(histogram) = histogram {
                        column.set(i, Cell::Float(read_stat(stat, histogram)));
                    }
                }
                Ok(())
            },
        )
    }
}

fn read_stat(stat: HistogramStat, histogram: &Histogram) -> f64 {
    match stat {
        HistogramStat::Count => histogram.count,
        HistogramStat::Sum => histogram.sum,
        HistogramStat::Avg => histogram.sum / histogram.count,
        HistogramStat::Stdvar => histogram.variance(),
        HistogramStat::Stddev => histogram.variance().sqrt(),
    }
}

/// A bucket border as labels write it.
fn parse_border(text: &str) -> Option<f64> {
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => (-1.0, body),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if body.is_empty() || body.starts_with(['+', '-']) {
        return None;
    }
    crate::lexer::parse_number(body).map(|value| sign * value)
}
