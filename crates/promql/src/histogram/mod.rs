//! Native histograms: the value and its arithmetic.

mod arithmetic;
pub(crate) mod classic;
mod quantile;
mod trim;

use std::fmt;
use std::sync::Arc;

use crate::text::general;
pub(crate) use arithmetic::{Incompatible, MeanHistogram, Merge, Summed};

/// The schema of histograms whose bucket borders are listed one by one.
pub const CUSTOM_SCHEMA: i32 = -53;

/// What is known about a counter reset between a histogram and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    /// Nothing; the histograms must be compared.
    #[default]
    Unknown,
    /// The counter was reset.
    Reset,
    /// The counter was not reset.
    NotReset,
    /// The histogram is a gauge.
    Gauge,
}

/// A native histogram with float counts.
///
/// Buckets are pairs of index and count, sorted by index. Positive bucket `i` of an exponential schema `s`
/// holds observations in `(2^((i-1)*2^-s), 2^(i*2^-s)]`; with the custom schema it ends at `custom_values[i]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// The resolution, -4 to 8, or [`CUSTOM_SCHEMA`].
    pub schema: i32,
    /// The width of the zero bucket, which spans from minus to plus this value.
    pub zero_threshold: f64,
    /// The count of the zero bucket.
    pub zero_count: f64,
    /// The count of all observations.
    pub count: f64,
    /// The sum of all observations.
    pub sum: f64,
    /// Buckets of positive observations.
    pub positive: Vec<(i32, f64)>,
    /// Buckets of negative observations, by the index of their absolute value.
    pub negative: Vec<(i32, f64)>,
    /// The upper borders of the buckets of the custom schema, without the last one, which is +Inf.
    pub custom_values: Vec<f64>,
    /// What is known about a counter reset.
    pub hint: ResetHint,
}

/// One bucket with its borders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The lower border.
    pub lower: f64,
    /// The upper border.
    pub upper: f64,
    /// Whether an observation equal to the lower border is in the bucket.
    pub lower_inclusive: bool,
    /// Whether an observation equal to the upper border is in the bucket.
    pub upper_inclusive: bool,
    /// How many observations are in the bucket.
    pub count: f64,
}

/// The upper border of the exponential bucket of an index.
fn exponential_bound(index: i32, schema: i32) -> f64 {
    let (index, power) = if schema < 0 {
        (0, f64::from(index) * f64::from(1 << schema.saturating_neg().min(30)))
    } else {
        let per_power = 1 << schema.min(30);
        (index.rem_euclid(per_power), f64::from(index.div_euclid(per_power)))
    };
    let fraction = if schema > 0 { f64::from(index) / f64::from(1 << schema.min(30)) } else { 0.0 };
    if power >= 1024.0 && fraction == 0.0 && power < 1025.0 {
        // The largest finite observations belong into the last finite bucket.
        return f64::MAX;
    }
    fraction.exp2() * power.exp2()
}

impl Histogram {
    /// Whether the borders of the buckets are listed one by one.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// The upper border of a bucket by its index; of a negative bucket the absolute value.
    fn bound(&self, index: i32) -> f64 {
        if !self.is_custom() {
            return exponential_bound(index, self.schema);
        }
        if index < 0 {
            return f64::NEG_INFINITY;
        }
        usize::try_from(index).ok().and_then(|i| self.custom_values.get(i)).copied().unwrap_or(f64::INFINITY)
    }

    fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        let (lower, upper) = (self.bound(index.saturating_sub(1)), self.bound(index));
        let lower_inclusive = if self.is_custom() { index == 0 } else { lower < 0.0 };
        let upper_inclusive = self.is_custom() || upper > 0.0;
        Bucket { lower, upper, lower_inclusive, upper_inclusive, count }
    }

    fn negative_bucket(&self, index: i32, count: f64) -> Bucket {
        let (lower, upper) = (-self.bound(index), -self.bound(index.saturating_sub(1)));
        Bucket { lower, upper, lower_inclusive: lower < 0.0, upper_inclusive: upper > 0.0, count }
    }

    /// All buckets from the lowest to the highest, the zero bucket among them when it is populated.
    ///
    /// Buckets that reach into the zero bucket end at its border.
    #[must_use]
    pub fn buckets(&self) -> Vec<Bucket> {
        let clip = |mut bucket: Bucket| {
            if bucket.upper < 0.0 && bucket.upper > -self.zero_threshold {
                bucket.upper = -self.zero_threshold;
            } else if bucket.lower > 0.0 && bucket.lower < self.zero_threshold {
                bucket.lower = self.zero_threshold;
            }
            bucket
        };
        let mut buckets = Vec::with_capacity(self.negative.len() + self.positive.len() + 1);
        buckets.extend(self.negative.iter().rev().map(|(i, count)| clip(self.negative_bucket(*i, *count))));
        if self.zero_count > 0.0 {
            buckets.push(Bucket {
                lower: -self.zero_threshold,
                upper: self.zero_threshold,
                lower_inclusive: true,
                upper_inclusive: true,
                count: self.zero_count,
            });
        }
        buckets.extend(self.positive.iter().map(|(i, count)| clip(self.positive_bucket(*i, *count))));
        buckets
    }

    /// Removes buckets without observations.
    pub fn compact(&mut self) {
        self.positive.retain(|(_, count)| *count != 0.0);
        self.negative.retain(|(_, count)| *count != 0.0);
    }

    pub(crate) fn compacted(mut self) -> Self {
        self.compact();
        self
    }

    /// Whether two histograms are the same bit by bit, but for what is known about resets.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let buckets = |a: &[(i32, f64)], b: &[(i32, f64)]| {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.0 == y.0 && same(x.1, y.1))
        };
        self.schema == other.schema
            && same(self.count, other.count)
            && same(self.sum, other.sum)
            && self.custom_values == other.custom_values
            && self.zero_threshold == other.zero_threshold
            && same(self.zero_count, other.zero_count)
            && buckets(&self.positive, &other.positive)
            && buckets(&self.negative, &other.negative)
    }

    /// Every number of the histogram that is added up.
    fn components_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        [&mut self.zero_count, &mut self.count, &mut self.sum]
            .into_iter()
            .chain(self.positive.iter_mut().chain(&mut self.negative).map(|(_, count)| count))
    }

    /// The histogram with every count and the sum multiplied; a negative factor makes it a gauge.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut out = self.clone();
        out.components_mut().for_each(|value| *value *= factor);
        if factor < 0.0 {
            out.hint = ResetHint::Gauge;
        }
        out
    }

    /// The histogram with every count and the sum divided.
    #[must_use]
    pub fn divided(&self, divisor: f64) -> Self {
        let mut out = self.clone();
        out.components_mut().for_each(|value| *value /= divisor);
        if divisor == 0.0 {
            out.positive.clear();
            out.negative.clear();
        }
        if divisor < 0.0 {
            out.hint = ResetHint::Gauge;
        }
        out
    }

    /// How much of a query's sample budget the histogram takes, in floats of 16 bytes.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        let parts = 2 * (self.positive.len() + self.negative.len()) + self.custom_values.len();
        (168 + 8 * parts + 8) / 16
    }

    /// The histogram as the result of a computation: what it says about resets no longer holds.
    #[must_use]
    pub(crate) fn with_computed_hint(self: Arc<Self>) -> Arc<Self> {
        match self.hint {
            ResetHint::Reset | ResetHint::NotReset => {
                Arc::new(Self { hint: ResetHint::Unknown, ..Self::clone(&self) })
            }
            ResetHint::Unknown | ResetHint::Gauge => self,
        }
    }
}

impl fmt::Display for Histogram {
    /// Prints `{count:12, sum:18.4, [-0.001,0.001]:2, (1,2]:10}`; buckets without observations are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", general(self.count), general(self.sum))?;
        for bucket in self.buckets().iter().filter(|bucket| bucket.count != 0.0) {
            let open = if bucket.lower_inclusive { '[' } else { '(' };
            let close = if bucket.upper_inclusive { ']' } else { ')' };
            let (lower, upper) = (general(bucket.lower), general(bucket.upper));
            write!(f, ", {open}{lower},{upper}{close}:{}", general(bucket.count))?;
        }
        f.write_str("}")
    }
}
