//! Native histograms: the value and its arithmetic.

pub(crate) mod classic;

use std::sync::Arc;

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

impl Histogram {
    /// The histogram with every count and the sum multiplied; a negative factor makes it a gauge.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut out = self.clone();
        out.zero_count *= factor;
        out.count *= factor;
        out.sum *= factor;
        for (_, count) in out.positive.iter_mut().chain(&mut out.negative) {
            *count *= factor;
        }
        if factor < 0.0 {
            out.hint = ResetHint::Gauge;
        }
        out
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
