//! Adding up histograms, for `sum` and `avg` over series and over time.

use super::Eval;
use crate::ast::Span;
use crate::histogram::{Histogram, Incompatible, MeanHistogram, Merge, ResetHint, Summed};

/// Histograms added up, and what there is to remark about them.
pub(super) struct HistogramTotal {
    total: Total,
    seen_reset: bool,
    seen_not_reset: bool,
    broken: bool,
}

enum Total {
    Sum(Summed),
    Mean(MeanHistogram),
}

impl HistogramTotal {
    pub(super) fn new(mean: bool, first: &Histogram) -> Self {
        let total =
            if mean { Total::Mean(MeanHistogram::new(first)) } else { Total::Sum(Summed::new(first)) };
        let mut new = Self { total, seen_reset: false, seen_not_reset: false, broken: false };
        new.see(first);
        new
    }

    fn see(&mut self, histogram: &Histogram) {
        self.seen_reset |= histogram.hint == ResetHint::Reset;
        self.seen_not_reset |= histogram.hint == ResetHint::NotReset;
    }

    fn add(&mut self, histogram: &Histogram) -> Result<Merge, Incompatible> {
        self.see(histogram);
        match &mut self.total {
            Total::Sum(total) => total.add(histogram),
            Total::Mean(total) => total.add(histogram),
        }
    }

    /// The total, unless histograms that cannot be added up were among the input.
    pub(super) fn value(&self) -> Option<Histogram> {
        if self.broken {
            return None;
        }
        Some(match &self.total {
            Total::Sum(total) => total.value(),
            Total::Mean(total) => total.value(),
        })
    }
}

impl Eval<'_> {
    pub(super) fn add_to_total(
        &self,
        total: &mut HistogramTotal,
        histogram: &Histogram,
        metric: &str,
        span: Span,
    ) {
        if total.broken {
            return;
        }
        match total.add(histogram) {
            Err(Incompatible) => {
                total.broken = true;
                self.warn_mixed_schemas(metric, span);
            }
            Ok(merge) => {
                if total.seen_reset && total.seen_not_reset {
                    self.warn("conflicting counter resets during histogram aggregation", span);
                }
                if merge.reconciled {
                    self.info("mismatched custom buckets were reconciled during aggregation", span);
                }
            }
        }
    }

    pub(super) fn warn_mixed_schemas(&self, metric: &str, span: Span) {
        let text = format!(
            "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
            crate::text::quote(metric)
        );
        self.warn(&text, span);
    }
}
