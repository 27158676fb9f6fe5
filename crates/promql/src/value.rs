//! Samples going in, answers coming out.

use std::sync::Arc;

use crate::ast::{Span, ValueType};
use crate::histogram::Histogram;
use crate::labels::Labels;

/// The bits of the NaN that marks a series as ended, in the value of a float or the sum of a histogram.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that marks a series as ended.
#[must_use]
pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Whether a value marks a series as ended.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// What a sample holds.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// A value at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Milliseconds since the epoch.
    pub t_ms: i64,
    /// The value.
    pub value: SampleValue,
}

impl Sample {
    /// A number at an instant.
    #[must_use]
    pub fn float(t_ms: i64, value: f64) -> Self {
        Self { t_ms, value: SampleValue::Float(value) }
    }

    /// The number, when it is one.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match self.value {
            SampleValue::Float(value) => Some(value),
            SampleValue::Histogram(_) => None,
        }
    }
}

/// One series of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// The series.
    pub labels: Labels,
    /// Its sample, at the instant of the query.
    pub sample: Sample,
}

/// One series of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSeries {
    /// The series.
    pub labels: Labels,
    /// Its samples, in time order, never empty.
    pub samples: Vec<Sample>,
}

/// The value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An instant and a number.
    Scalar(i64, f64),
    /// An instant and a text.
    String(i64, String),
    /// One sample per series, in the order the expression gave them.
    Vector(Vec<VectorSample>),
    /// Samples per series, sorted by labels.
    Matrix(Vec<MatrixSeries>),
}

impl Value {
    /// The value's type.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Scalar(..) => ValueType::Scalar,
            Self::String(..) => ValueType::String,
            Self::Vector(_) => ValueType::Vector,
            Self::Matrix(_) => ValueType::Matrix,
        }
    }

    /// The samples of a vector; empty for other types.
    #[must_use]
    pub fn vector(&self) -> &[VectorSample] {
        match self {
            Self::Vector(samples) => samples,
            _ => &[],
        }
    }

    /// The series of a matrix; empty for other types.
    #[must_use]
    pub fn matrix(&self) -> &[MatrixSeries] {
        match self {
            Self::Matrix(series) => series,
            _ => &[],
        }
    }
}

/// How grave an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The answer may be wrong or incomplete.
    Warning,
    /// Something about the data that may surprise.
    Info,
}

/// A remark on an answer, as Prometheus makes it, with the place in the query it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// How grave it is.
    pub level: Level,
    /// The text, with its `PromQL warning: ` or `PromQL info: ` in front and without the position.
    pub message: String,
    /// The place it is about.
    pub span: Span,
}

impl std::fmt::Display for Annotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.message, self.span.line, self.span.column)
    }
}

/// A value and what there is to remark about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Remarks that the answer may be wrong or incomplete.
    pub warnings: Vec<Annotation>,
    /// Remarks about the data.
    pub infos: Vec<Annotation>,
}

/// The samples of one series, by columns: floats and histograms apart, each in time order.
///
/// Cloning and slicing share the columns, so a store that keeps them can hand them out for nothing.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    columns: Arc<Columns>,
    floats: (usize, usize),
    histograms: (usize, usize),
}

#[derive(Debug, Clone, Default)]
struct Columns {
    times: Vec<i64>,
    values: Vec<f64>,
    /// Start timestamps aligned with `times`, or empty when none is known.
    starts: Vec<i64>,
    histogram_times: Vec<i64>,
    histograms: Vec<Arc<Histogram>>,
    histogram_starts: Vec<i64>,
}

impl Samples {
    /// Builds the samples from columns of times and values of equal length, in time order.
    ///
    /// Surplus entries of the longer column are dropped.
    #[must_use]
    pub fn from_floats(mut times: Vec<i64>, mut values: Vec<f64>) -> Self {
        let length = times.len().min(values.len());
        times.truncate(length);
        values.truncate(length);
        let columns = Columns { times, values, ..Columns::default() };
        Self { columns: Arc::new(columns), floats: (0, length), histograms: (0, 0) }
    }

    /// Builds the samples from a list in time order.
    pub fn from_samples(samples: impl IntoIterator<Item = Sample>) -> Self {
        let mut built = Self::default();
        for sample in samples {
            built.push(sample, 0);
        }
        built
    }

    /// Adds a sample; `start_ms` is the instant its counter began, 0 when unknown.
    ///
    /// A sample that is older than the last of its kind is sorted in; one of the same instant replaces it.
    pub fn push(&mut self, sample: Sample, start_ms: i64) {
        let columns = Arc::make_mut(&mut self.columns);
        match sample.value {
            SampleValue::Float(value) => {
                let at = insert(
                    &mut columns.times,
                    &mut columns.values,
                    &mut columns.starts,
                    sample.t_ms,
                    value,
                    start_ms,
                );
                self.floats.1 += at;
            }
            SampleValue::Histogram(histogram) => {
                let at = insert(
                    &mut columns.histogram_times,
                    &mut columns.histograms,
                    &mut columns.histogram_starts,
                    sample.t_ms,
                    histogram,
                    start_ms,
                );
                self.histograms.1 += at;
            }
        }
    }

    /// The samples from `start_ms` to `end_ms`, both included, sharing the columns.
    #[must_use]
    pub fn slice(&self, start_ms: i64, end_ms: i64) -> Self {
        let cut = |times: &[i64], from: usize| {
            let first = seek(times, start_ms);
            let last = end_ms.checked_add(1).map_or(times.len(), |after| seek(times, after)).max(first);
            (from + first, from + last)
        };
        Self {
            columns: Arc::clone(&self.columns),
            floats: cut(self.times(), self.floats.0),
            histograms: cut(self.histogram_times(), self.histograms.0),
        }
    }

    /// The instants of the floats.
    #[must_use]
    pub fn times(&self) -> &[i64] {
        &self.columns.times[self.floats.0..self.floats.1]
    }

    /// The floats.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.columns.values[self.floats.0..self.floats.1]
    }

    /// The start timestamps of the floats, or nothing when none is known.
    #[must_use]
    pub fn starts(&self) -> &[i64] {
        self.columns.starts.get(self.floats.0..self.floats.1).unwrap_or(&[])
    }

    /// The instants of the histograms.
    #[must_use]
    pub fn histogram_times(&self) -> &[i64] {
        &self.columns.histogram_times[self.histograms.0..self.histograms.1]
    }

    /// The histograms.
    #[must_use]
    pub fn histograms(&self) -> &[Arc<Histogram>] {
        &self.columns.histograms[self.histograms.0..self.histograms.1]
    }

    /// The start timestamps of the histograms, or nothing when none is known.
    #[must_use]
    pub fn histogram_starts(&self) -> &[i64] {
        self.columns.histogram_starts.get(self.histograms.0..self.histograms.1).unwrap_or(&[])
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.floats.1 - self.floats.0) + (self.histograms.1 - self.histograms.0)
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All samples in time order; of a float and a histogram at one instant the float comes first.
    pub fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        let (mut f, mut h) = (0, 0);
        std::iter::from_fn(move || {
            let float = self.times().get(f).copied();
            let histogram = self.histogram_times().get(h).copied();
            match (float, histogram) {
                (Some(t_ms), other) if other.is_none_or(|o| t_ms <= o) => {
                    f += 1;
                    Some(Sample::float(t_ms, self.values()[f - 1]))
                }
                (_, Some(t_ms)) => {
                    h += 1;
                    Some(Sample {
                        t_ms,
                        value: SampleValue::Histogram(Arc::clone(&self.histograms()[h - 1])),
                    })
                }
                _ => None,
            }
        })
    }

    /// The samples without the markers that end a series. Shares the columns when there are none.
    #[must_use]
    pub(crate) fn without_stale(self) -> Self {
        let float_stale = self.values().iter().any(|v| is_stale(*v));
        let histogram_stale = self.histograms().iter().any(|h| is_stale(h.sum));
        if !float_stale && !histogram_stale {
            return self;
        }
        let mut kept = Self::default();
        for (i, (t, v)) in self.times().iter().zip(self.values()).enumerate() {
            if !is_stale(*v) {
                kept.push(Sample::float(*t, *v), self.starts().get(i).copied().unwrap_or(0));
            }
        }
        for (i, (t, h)) in self.histogram_times().iter().zip(self.histograms()).enumerate() {
            if !is_stale(h.sum) {
                let sample = Sample { t_ms: *t, value: SampleValue::Histogram(Arc::clone(h)) };
                kept.push(sample, self.histogram_starts().get(i).copied().unwrap_or(0));
            }
        }
        kept
    }
}

/// The first place whose instant is not before `bound`.
///
/// Instants are mostly evenly spaced, so the search begins where the place would then be: a plain binary search over a
/// long column touches a cold line of memory at each step, which is most of the cost of selecting a few samples.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a guess; any place of the column will do"
)]
fn seek(times: &[i64], bound: i64) -> usize {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return 0 };
    if bound <= first {
        return 0;
    }
    if bound > last {
        return times.len();
    }
    let share = bound.saturating_sub(first) as f64 / last.saturating_sub(first) as f64;
    let guess = ((share * (times.len() - 1) as f64) as usize).min(times.len() - 1);
    // From the guess in steps that double, until the bound lies between.
    let (mut low, mut high, mut step) = (guess, guess, 1);
    while low > 0 && times[low] >= bound {
        high = low;
        low = low.saturating_sub(step);
        step *= 2;
    }
    while high < times.len() && times[high] < bound {
        low = high;
        high = (high + step).min(times.len());
        step *= 2;
    }
    low + times[low..high].partition_point(|t| *t < bound)
}

/// Sorts an entry into parallel columns; answers how many entries were added.
fn insert<V>(
    times: &mut Vec<i64>,
    values: &mut Vec<V>,
    starts: &mut Vec<i64>,
    t_ms: i64,
    value: V,
    start: i64,
) -> usize {
    if start != 0 && starts.is_empty() {
        starts.resize(times.len(), 0);
    }
    let with_starts = start != 0 || !starts.is_empty();
    if times.last().is_none_or(|last| *last < t_ms) {
        times.push(t_ms);
        values.push(value);
        if with_starts {
            starts.push(start);
        }
        return 1;
    }
    match times.binary_search(&t_ms) {
        Ok(at) => {
            values[at] = value;
            if with_starts {
                starts[at] = start;
            }
            0
        }
        Err(at) => {
            times.insert(at, t_ms);
            values.insert(at, value);
            if with_starts {
                starts.insert(at, start);
            }
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However uneven the instants are, and wherever the bound lies.
        #[test]
        fn seek_finds_what_a_binary_search_finds(
            times in prop::collection::btree_set(prop_oneof![0_i64..100, 1_000_000_i64..1_000_100, any::<i64>()], 0..80),
            bound in prop_oneof![0_i64..100, 1_000_000_i64..1_000_100, any::<i64>()],
        ) {
            let times: Vec<i64> = times.into_iter().collect();
            for bound in times.iter().copied().chain([bound, i64::MIN, i64::MAX]) {
                prop_assert_eq!(seek(&times, bound), times.partition_point(|t| *t < bound));
            }
        }
    }
}
