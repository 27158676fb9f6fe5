//! Quantiles, fractions and moments of native histograms.

use super::{Bucket, Histogram};
use crate::numeric::kahan;

/// What there is to remark about a quantile or fraction of a histogram that observed NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remark {
    ResultIsNaN,
    SkewedHigher,
    NaNExcluded,
}

impl Remark {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::ResultIsNaN => "input to histogram_quantile has NaN observations, result is NaN",
            Self::SkewedHigher => "input to histogram_quantile has NaN observations, result is skewed higher",
            Self::NaNExcluded => {
                "input to histogram_fraction has NaN observations, which are excluded from all fractions"
            }
        }
    }
}

/// How far into a bucket a value lies, as the share of the bucket's observations below it.
pub(super) fn share_below(h: &Histogram, bucket: &Bucket, value: f64) -> f64 {
    let zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
    if h.is_custom() || zero {
        return (value - bucket.lower) / (bucket.upper - bucket.lower);
    }
    let (low, high) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    let at = value.abs().log2();
    if value > 0.0 { (at - low) / (high - low) } else { 1.0 - (at - high) / (low - high) }
}

impl Histogram {
    /// A bucket that spans zero only reaches to the side on which there are observations.
    fn clip_at_zero(&self, mut bucket: Bucket) -> Bucket {
        if !self.is_custom() && bucket.lower < 0.0 && bucket.upper > 0.0 {
            if self.negative.is_empty() && !self.positive.is_empty() {
                bucket.lower = 0.0;
            } else if self.positive.is_empty() && !self.negative.is_empty() {
                bucket.upper = 0.0;
            }
        }
        bucket
    }

    pub(crate) fn quantile(&self, q: f64) -> (f64, Option<Remark>) {
        if q < 0.0 {
            return (f64::NEG_INFINITY, None);
        }
        if q > 1.0 {
            return (f64::INFINITY, None);
        }
        if self.count == 0.0 || q.is_nan() {
            return (f64::NAN, None);
        }
        let unknown_sum = self.sum.is_nan();
        let forward = unknown_sum || q < 0.5;
        let mut buckets: Vec<Bucket> = self.buckets();
        if !forward {
            buckets.reverse();
        }
        let mut rank = if forward { q * self.count } else { (1.0 - q) * self.count };
        let mut cumulative = 0.0;
        let mut found = None;
        let mut visited = 0;
        for bucket in &buckets {
            visited += 1;
            if bucket.count == 0.0 {
                continue;
            }
            cumulative += bucket.count;
            found = Some(*bucket);
            if cumulative >= rank {
                break;
            }
        }
        // A histogram may count observations that are in no bucket.
        let nowhere =
            Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 };
        let bucket = found.unwrap_or(nowhere);
        let mut bucket = match self.clip_custom(self.clip_at_zero(bucket)) {
            Ok(bucket) => bucket,
            Err(value) => return (value, None),
        };
        let reached = cumulative.min(self.count);
        if reached < rank {
            return if unknown_sum { (f64::NAN, Some(Remark::ResultIsNaN)) } else { (bucket.upper, None) };
        }
        rank = if forward { rank - (reached - bucket.count) } else { reached - rank };
        let mut remark = None;
        if unknown_sum {
            // Prometheus goes on over the rest to count it, and takes the quantile within the bucket it ends at.
            bucket = buckets[visited..].last().copied().unwrap_or(bucket);
            let rest: f64 = buckets[visited..].iter().map(|bucket| bucket.count).sum();
            if reached + rest < self.count {
                remark = Some(Remark::SkewedHigher);
            }
        }
        (self.interpolate(&bucket, rank / bucket.count), remark)
    }

    /// Gives an end to a custom bucket that has none; the error is the quantile itself.
    fn clip_custom(&self, mut bucket: Bucket) -> Result<Bucket, f64> {
        if self.is_custom() {
            if bucket.lower == f64::NEG_INFINITY {
                if bucket.upper <= 0.0 {
                    return Err(bucket.upper);
                }
                bucket.lower = 0.0;
            } else if bucket.upper == f64::INFINITY {
                return Err(bucket.lower);
            }
        }
        Ok(bucket)
    }

    fn interpolate(&self, bucket: &Bucket, fraction: f64) -> f64 {
        let (lower, upper) = (bucket.lower, bucket.upper);
        if self.is_custom() || (lower <= 0.0 && upper >= 0.0) {
            return lower + (upper - lower) * fraction;
        }
        let (low, high) = (lower.abs().log2(), upper.abs().log2());
        if lower > 0.0 {
            (low + (high - low) * fraction).exp2()
        } else {
            -(high + (low - high) * (1.0 - fraction)).exp2()
        }
    }

    pub(crate) fn fraction(&self, lower: f64, upper: f64) -> (f64, Option<Remark>) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, None);
        }
        if lower >= upper {
            return (0.0, None);
        }
        let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
        let mut total = 0.0;
        for bucket in self.buckets() {
            total += bucket.count;
            if bucket.count == 0.0 {
                continue;
            }
            let mut bucket = self.clip_at_zero(bucket);
            if self.is_custom() && bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
                bucket.lower = 0.0;
            }
            for (bound, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
                if found.is_some() {
                    continue;
                }
                if bucket.lower >= bound {
                    *found = Some(rank);
                } else if bucket.upper > bound {
                    let within = if self.is_custom() && bucket.lower == f64::NEG_INFINITY {
                        bucket.count
                    } else {
                        bucket.count * share_below(self, &bucket, bound)
                    };
                    *found = Some(rank + within);
                }
            }
            rank += bucket.count;
        }
        let mut remark = None;
        if self.sum.is_nan() {
            if total < self.count {
                remark = Some(Remark::NaNExcluded);
            }
        } else {
            total = self.count;
        }
        let within = |found: Option<f64>| found.filter(|r| *r <= total).unwrap_or(total);
        ((within(upper_rank) - within(lower_rank)) / self.count, remark)
    }

    /// The estimated population variance of the observations.
    pub(crate) fn variance(&self) -> f64 {
        let mean = self.sum / self.count;
        let (mut sum, mut c) = (0.0, 0.0);
        for bucket in self.buckets().iter().filter(|bucket| bucket.count != 0.0) {
            let middle = if self.is_custom() {
                (bucket.lower + bucket.upper) / 2.0
            } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                0.0
            } else {
                (bucket.lower * bucket.upper).sqrt().copysign(bucket.upper)
            };
            let delta = middle - mean;
            (sum, c) = kahan(bucket.count * delta * delta, sum, c);
        }
        (sum + c) / self.count
    }
}
