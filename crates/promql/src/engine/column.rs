//! One series over the steps of a query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indexmap::IndexMap;

use super::EvalError;
use crate::histogram::Histogram;
use crate::labels::Labels;
use crate::value::{Sample, SampleValue};

/// The bits that stand for "no float at this step". A NaN that arithmetic cannot produce, since arithmetic
/// only makes quiet NaNs.
const ABSENT_BITS: u64 = 0x7ff4_6d61_696e_7374;
pub(crate) const ABSENT: f64 = f64::from_bits(ABSENT_BITS);

#[inline]
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT_BITS
}

/// The steps at which an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub start: i64,
    pub step: i64,
    pub count: usize,
}

impl Grid {
    pub(crate) fn instant(at: i64) -> Self {
        Self { start: at, step: 1, count: 1 }
    }

    #[allow(clippy::cast_possible_wrap, reason = "the number of steps is bounded far below 2^63")]
    pub(crate) fn at(&self, i: usize) -> i64 {
        self.start + self.step * i as i64
    }

    pub(crate) fn end(&self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    pub(crate) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |i| self.at(i))
    }
}

/// How many samples a query holds at once, and how many it may.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    held: Arc<AtomicU64>,
    peak: Arc<AtomicU64>,
    most: u64,
}

impl Budget {
    pub(crate) fn new(most: u64) -> Self {
        Self { held: Arc::default(), peak: Arc::default(), most }
    }

    /// A budget of what is left of this one.
    pub(crate) fn rest(&self) -> Self {
        Self::new(self.most.saturating_sub(self.held.load(Ordering::Relaxed)))
    }

    pub(crate) fn hold(&self, samples: usize) -> Result<Hold, EvalError> {
        let samples = samples as u64;
        let now = self.held.fetch_add(samples, Ordering::Relaxed) + samples;
        let hold = Hold { held: Arc::clone(&self.held), samples };
        self.peak.fetch_max(now, Ordering::Relaxed);
        if now > self.most { Err(EvalError::TooManySamples) } else { Ok(hold) }
    }
}

/// Samples that are held; they are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    held: Arc<AtomicU64>,
    samples: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.fetch_sub(self.samples, Ordering::Relaxed);
    }
}

/// One series over all steps: at each a float, a histogram or nothing.
#[derive(Debug)]
pub(crate) struct Column {
    pub labels: Labels,
    /// Whether the metric's name is to be removed at the end of the query.
    pub drop_name: bool,
    /// One entry per step, `ABSENT` where there is no float.
    pub floats: Vec<f64>,
    /// One entry per step, when there is any histogram. A step never has both.
    pub histograms: Option<Vec<Option<Arc<Histogram>>>>,
    hold: Hold,
    histogram_hold: Option<Hold>,
}

/// What a column has at one step.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    None,
    Float(f64),
    Histogram(Arc<Histogram>),
}

impl Column {
    pub(crate) fn new(labels: Labels, grid: Grid, budget: &Budget) -> Result<Self, EvalError> {
        let hold = budget.hold(grid.count)?;
        Ok(Self {
            labels,
            drop_name: false,
            floats: vec![ABSENT; grid.count],
            histograms: None,
            hold,
            histogram_hold: None,
        })
    }

    #[inline]
    pub(crate) fn set_float(&mut self, i: usize, value: f64) {
        // Data that happens to hold our own marker must not vanish.
        self.floats[i] = if is_absent(value) { f64::NAN } else { value };
    }

    pub(crate) fn set_histogram(&mut self, i: usize, histogram: Arc<Histogram>) {
        let count = self.floats.len();
        self.floats[i] = ABSENT;
        self.histograms.get_or_insert_with(|| vec![None; count])[i] = Some(histogram);
    }

    /// Counts the histograms against the query's budget.
    pub(crate) fn hold_histograms(&mut self, budget: &Budget) -> Result<(), EvalError> {
        if let Some(list) = &self.histograms {
            let weight = list.iter().flatten().map(|histogram| histogram.weight()).sum();
            self.histogram_hold = Some(budget.hold(weight)?);
        }
        Ok(())
    }

    /// Counts the column against another budget than the one it was made with.
    pub(crate) fn hold_again(&mut self, budget: &Budget) -> Result<(), EvalError> {
        self.hold = budget.hold(self.floats.len())?;
        if let Some(hold) = &mut self.histogram_hold {
            *hold = budget.hold(usize::try_from(hold.samples).unwrap_or(usize::MAX))?;
        }
        Ok(())
    }

    pub(crate) fn set(&mut self, i: usize, cell: Cell) {
        match cell {
            Cell::None => {}
            Cell::Float(value) => self.set_float(i, value),
            Cell::Histogram(histogram) => self.set_histogram(i, histogram),
        }
    }

    pub(crate) fn histogram(&self, i: usize) -> Option<&Arc<Histogram>> {
        self.histograms.as_ref().and_then(|list| list[i].as_ref())
    }

    #[inline]
    pub(crate) fn has(&self, i: usize) -> bool {
        !is_absent(self.floats[i]) || self.histogram(i).is_some()
    }

    pub(crate) fn cell(&self, i: usize) -> Cell {
        if !is_absent(self.floats[i]) {
            return Cell::Float(self.floats[i]);
        }
        self.histogram(i).map_or(Cell::None, |h| Cell::Histogram(Arc::clone(h)))
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.floats.iter().all(|v| is_absent(*v))
            && self.histograms.as_ref().is_none_or(|list| list.iter().all(Option::is_none))
    }

    /// Removes what is at a step.
    pub(crate) fn clear(&mut self, i: usize) {
        self.floats[i] = ABSENT;
        if let Some(list) = &mut self.histograms {
            list[i] = None;
        }
    }

    pub(crate) fn samples(&self, grid: Grid) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(grid.count);
        for (i, t_ms) in grid.times().enumerate() {
            match self.cell(i) {
                Cell::None => {}
                Cell::Float(value) => samples.push(Sample::float(t_ms, value)),
                Cell::Histogram(h) => samples.push(Sample { t_ms, value: SampleValue::Histogram(h) }),
            }
        }
        samples
    }

    /// The column of a one-step grid spread over all steps of another.
    pub(crate) fn spread(&self, grid: Grid, budget: &Budget) -> Result<Self, EvalError> {
        let mut out = Self::new(self.labels.clone(), grid, budget)?;
        out.drop_name = self.drop_name;
        match self.cell(0) {
            Cell::None => {}
            Cell::Float(value) => out.floats.fill(value),
            Cell::Histogram(h) => out.histograms = Some(vec![Some(h); grid.count]),
        }
        Ok(out)
    }
}

/// Puts columns of equal labels together; two samples at one step are an error.
pub(crate) fn merge_same(columns: Vec<Column>) -> Result<Vec<Column>, EvalError> {
    // What comes from one selector is sorted and distinct already.
    if columns.windows(2).all(|pair| pair[0].labels < pair[1].labels) {
        return Ok(columns);
    }
    let mut at: IndexMap<Labels, usize> = IndexMap::with_capacity(columns.len());
    let mut out: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        match at.get(&column.labels) {
            None => {
                at.insert(column.labels.clone(), out.len());
                out.push(column);
            }
            Some(&known) => {
                let target = &mut out[known];
                for i in 0..column.floats.len() {
                    if !column.has(i) {
                        continue;
                    }
                    if target.has(i) {
                        return Err(EvalError::SameLabelset);
                    }
                    target.set(i, column.cell(i));
                }
            }
        }
    }
    Ok(out)
}
