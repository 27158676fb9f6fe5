//! Keeping only the observations below (`</`) or above (`>/`) a value.

use super::quantile::share_below;
use super::{Bucket, Histogram};

/// What remains of a bucket: its count, and the value its observations are taken to have.
struct Part {
    count: f64,
    middle: f64,
}

impl Histogram {
    /// The histogram without the observations above (or, with `keep_above`, below) a value.
    pub(crate) fn trimmed(&self, at: f64, keep_above: bool) -> Self {
        let mut out = self.clone();
        let (mut count, mut sum) = (0.0, 0.0);
        let mut changed = false;
        let mut visit = |kept: &mut f64, bucket: Bucket, is_zero: bool| {
            if bucket.count == 0.0 {
                return;
            }
            let part = if is_zero {
                self.zero_part(&bucket, at, keep_above)
            } else {
                self.part(&bucket, at, keep_above)
            };
            changed |= part.count != bucket.count;
            *kept = part.count;
            count += part.count;
            if part.count != 0.0 {
                sum += part.count * part.middle;
            }
        };
        for (index, kept) in out.negative.iter_mut().rev() {
            visit(kept, self.negative_bucket(*index, *kept), false);
        }
        if !self.is_custom() && self.zero_count != 0.0 {
            let (mut lower, mut upper) = (-self.zero_threshold, self.zero_threshold);
            let populated = |buckets: &[(i32, f64)]| buckets.iter().any(|(_, count)| *count != 0.0);
            if !populated(&self.negative) && populated(&self.positive) {
                lower = 0.0;
            } else if populated(&self.negative) && !populated(&self.positive) {
                upper = 0.0;
            }
            let count = self.zero_count;
            let bucket = Bucket { lower, upper, lower_inclusive: true, upper_inclusive: true, count };
            visit(&mut out.zero_count, bucket, true);
        }
        for (index, kept) in &mut out.positive {
            visit(kept, self.positive_bucket(*index, *kept), false);
        }
        if !changed {
            return self.clone();
        }
        out.count = count;
        out.sum = sum;
        out.compacted()
    }

    fn part(&self, bucket: &Bucket, at: f64, keep_above: bool) -> Part {
        let (lower, upper, count) = (bucket.lower, bucket.upper, bucket.count);
        let whole = || Part { count, middle: self.middle(lower, upper) };
        let nothing = || Part { count: 0.0, middle: 0.0 };
        let (kept, dropped) =
            if keep_above { (lower >= at, upper <= at) } else { (upper <= at, lower >= at) };
        if kept {
            return whole();
        }
        if dropped {
            return nothing();
        }
        if lower == f64::NEG_INFINITY {
            return below_first_border(bucket, at, keep_above);
        }
        if upper == f64::INFINITY {
            return if keep_above && at <= lower {
                whole()
            } else if keep_above {
                Part { count, middle: at }
            } else {
                nothing()
            };
        }
        let under = count * share_below(self, bucket, at);
        if keep_above {
            Part { count: count - under, middle: self.middle(at, upper) }
        } else {
            Part { count: under, middle: self.middle(lower, at) }
        }
    }

    fn zero_part(&self, bucket: &Bucket, at: f64, keep_above: bool) -> Part {
        let (lower, upper, count) = (bucket.lower, bucket.upper, bucket.count);
        let (kept, dropped) =
            if keep_above { (at <= lower, at >= upper) } else { (at >= upper, at <= lower) };
        if kept {
            return Part { count, middle: (lower + upper) / 2.0 };
        }
        if dropped {
            return Part { count: 0.0, middle: 0.0 };
        }
        let (width, middle) =
            if keep_above { (upper - at, (at + upper) / 2.0) } else { (at - lower, (lower + at) / 2.0) };
        Part { count: count * width / (upper - lower), middle }
    }

    /// The value that stands for all observations between two borders.
    fn middle(&self, lower: f64, upper: f64) -> f64 {
        if lower == f64::NEG_INFINITY {
            return if upper.is_infinite() {
                0.0
            } else if upper > 0.0 {
                upper / 2.0
            } else {
                upper
            };
        }
        if upper == f64::INFINITY {
            return lower;
        }
        if self.is_custom() {
            return (lower + upper) / 2.0;
        }
        let middle = (lower * upper).abs().sqrt();
        if lower < 0.0 { -middle } else { middle }
    }
}

/// A split of the first custom bucket, which has no lower border: its observations are taken to begin at zero.
fn below_first_border(bucket: &Bucket, at: f64, keep_above: bool) -> Part {
    let (upper, count) = (bucket.upper, bucket.count);
    let finite = upper > 0.0 && upper.is_finite();
    if keep_above {
        if at == f64::NEG_INFINITY {
            return Part { count, middle: 0.0 };
        }
        if at >= 0.0 && at < upper && finite {
            return Part { count: count * (1.0 - at / upper), middle: (at + upper) / 2.0 };
        }
        return Part { count: 0.0, middle: 0.0 };
    }
    if at >= upper {
        Part { count, middle: 0.0 }
    } else if at > 0.0 && finite {
        Part { count: count * at / upper, middle: at / 2.0 }
    } else if upper <= 0.0 {
        Part { count, middle: at }
    } else {
        Part { count: 0.0, middle: 0.0 }
    }
}
