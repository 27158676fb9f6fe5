//! Sums and quantiles that lose as little as Prometheus' do.

/// One step of Neumaier's summation: the new sum and the new compensation.
#[inline]
pub(crate) fn kahan(x: f64, sum: f64, c: f64) -> (f64, f64) {
    let t = sum + x;
    let c = if t.is_infinite() {
        0.0
    } else if sum.abs() >= x.abs() {
        c + ((sum - t) + x)
    } else {
        c + ((x - t) + sum)
    };
    (t, c)
}

/// The sum of numbers.
pub(crate) fn sum(values: &[f64]) -> f64 {
    let (s, c) = values.iter().fold((0.0, 0.0), |(s, c), x| kahan(*x, s, c));
    if f64::is_infinite(s) { s } else { s + c }
}

/// A mean that is summed first and becomes incremental when the sum overflows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mean {
    pub count: f64,
    sum: f64,
    c: f64,
    incremental: bool,
}

impl Mean {
    pub(crate) fn new(first: f64) -> Self {
        Self { count: 1.0, sum: first, c: 0.0, incremental: false }
    }

    pub(crate) fn add(&mut self, x: f64) {
        self.count += 1.0;
        if !self.incremental {
            let (sum, c) = kahan(x, self.sum, self.c);
            if !sum.is_infinite() {
                (self.sum, self.c) = (sum, c);
                return;
            }
            self.incremental = true;
            self.sum /= self.count - 1.0;
            self.c /= self.count - 1.0;
        }
        let q = (self.count - 1.0) / self.count;
        (self.sum, self.c) = kahan(x / self.count, q * self.sum, q * self.c);
    }

    pub(crate) fn value(&self) -> f64 {
        if self.incremental { self.sum + self.c } else { self.sum / self.count + self.c / self.count }
    }
}

/// The mean of numbers; NaN of none.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let Some((first, rest)) = values.split_first() else { return f64::NAN };
    let mut mean = Mean::new(*first);
    rest.iter().for_each(|x| mean.add(*x));
    mean.value()
}

/// The population variance of numbers, as `stdvar_over_time` computes it.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut c_mean, mut aux, mut c_aux) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for x in values {
        count += 1.0;
        let delta = x - (mean + c_mean);
        (mean, c_mean) = kahan(delta / count, mean, c_mean);
        (aux, c_aux) = kahan(delta * (x - (mean + c_mean)), aux, c_aux);
    }
    (aux + c_aux) / count
}

/// The quantile of numbers by linear interpolation, in their order with NaN first; moves them about.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    let rank = q * (values.len() - 1) as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rank lies within the list"
    )]
    let lower = rank.floor() as usize;
    let weight = rank - rank.floor();
    let order = |a: &f64, b: &f64| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => a.total_cmp(b),
    };
    // Two neighbours are wanted, not the whole order.
    let (_, &mut below, rest) = values.select_nth_unstable_by(lower, order);
    let above = rest.iter().copied().min_by(order).unwrap_or(below);
    below * (1.0 - weight) + above * weight
}

/// The sums of x, y, x*y and x*x over points.
type Sums = [f64; 4];

/// Adds up what `kahan` adds up, without its branches: Knuth's two-sum finds the same error of each addition exactly,
/// so that the sums are the same to the last bit. Nothing where a number overflows or is not finite.
fn sums_of_finite(points: impl Iterator<Item = Sums>) -> Option<Sums> {
    let (mut sum, mut c) = ([0.0_f64; 4], [0.0_f64; 4]);
    for point in points {
        for k in 0..4 {
            let t = sum[k] + point[k];
            let part = t - sum[k];
            c[k] += (sum[k] - (t - part)) + (point[k] - part);
            sum[k] = t;
        }
    }
    let out = std::array::from_fn(|k| sum[k] + c[k]);
    // An infinite or undefined number stays in a sum or its compensation to the end.
    sum.iter().chain(&c).all(|v| v.is_finite()).then_some(out)
}

/// The same for any numbers.
fn sums_of_any(points: impl Iterator<Item = Sums>) -> Sums {
    let (mut sum, mut c) = ([0.0_f64; 4], [0.0_f64; 4]);
    for point in points {
        for k in 0..4 {
            (sum[k], c[k]) = kahan(point[k], sum[k], c[k]);
        }
    }
    std::array::from_fn(|k| sum[k] + c[k])
}

/// Slope and intercept of the least-squares line through points, `x` in seconds relative to `origin_ms`.
#[allow(clippy::cast_precision_loss, reason = "differences of instants are far below 2^53 ms")]
pub(crate) fn regression(times: &[i64], values: &[f64], origin_ms: i64) -> (f64, f64) {
    let n = times.len().min(values.len()) as f64;
    let first = values.first().copied().unwrap_or(f64::NAN);
    if values.iter().all(|value| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let points = || {
        times.iter().zip(values).map(|(t, y)| {
            let x = t.saturating_sub(origin_ms) as f64 / 1000.0;
            [x, *y, x * y, x * x]
        })
    };
    let [x, y, xy, x2] = sums_of_finite(points()).unwrap_or_else(|| sums_of_any(points()));
    let covariance = xy - x * y / n;
    let variance = x2 - x * x / n;
    let slope = covariance / variance;
    (slope, y / n - slope * x / n)
}

/// The inverse hyperbolic sine; the standard library's overflows for numbers near the largest.
pub(crate) fn asinh(x: f64) -> f64 {
    if is_huge(x) { (x.abs().ln() + std::f64::consts::LN_2).copysign(x) } else { x.asinh() }
}

/// The inverse hyperbolic cosine; the standard library's overflows for numbers near the largest.
pub(crate) fn acosh(x: f64) -> f64 {
    if x > 0.0 && is_huge(x) { x.ln() + std::f64::consts::LN_2 } else { x.acosh() }
}

/// So large that one more or less is lost beside its square.
fn is_huge(x: f64) -> bool {
    x.is_finite() && x.abs() > 268_435_456.0
}

/// Whether two numbers are equal up to a relative error.
pub(crate) fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if crate::value::is_stale(a) || crate::value::is_stale(b) {
        return crate::value::is_stale(a) && crate::value::is_stale(b);
    }
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The sums without branches are those with branches, to the last bit, or there are none.
        #[test]
        fn sums_agree(points in prop::collection::vec(prop::array::uniform4(any::<f64>()), 0..50)) {
            if let Some(fast) = sums_of_finite(points.iter().copied()) {
                let slow = sums_of_any(points.iter().copied());
                prop_assert_eq!(fast.map(f64::to_bits), slow.map(f64::to_bits));
            }
        }

        #[test]
        fn sums_agree_at_like_sizes(points in prop::collection::vec(prop::array::uniform4(-1e6..1e6), 0..200)) {
            let fast = sums_of_finite(points.iter().copied()).expect("finite numbers have finite sums");
            prop_assert_eq!(fast.map(f64::to_bits), sums_of_any(points.iter().copied()).map(f64::to_bits));
        }

        #[test]
        fn quantiles_are_those_of_sorted_numbers(q in 0.0..=1.0_f64, mut values in prop::collection::vec(-1e3..1e3, 1..60)) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let rank: f64 = q * (sorted.len() - 1) as f64;
            let (low, high) = (rank.floor() as usize, (rank.floor() as usize + 1).min(sorted.len() - 1));
            let weight = rank - rank.floor();
            prop_assert_eq!(quantile(q, &mut values), sorted[low] * (1.0 - weight) + sorted[high] * weight);
        }
    }

    #[test]
    fn hyperbolic_inverses_do_not_overflow() {
        assert!((asinh(1.7e308) - 710.419_984_073_788_1).abs() < 1e-9);
        assert!((asinh(-1.7e308) + 710.419_984_073_788_1).abs() < 1e-9);
        assert!((acosh(1.7e308) - 710.419_984_073_788_1).abs() < 1e-9);
        assert!(acosh(-1.7e308).is_nan());
        assert!((asinh(2e9) - 2e9_f64.asinh()).abs() < 1e-12);
        assert!(asinh(f64::NEG_INFINITY).is_infinite() && acosh(f64::INFINITY).is_infinite());
    }
}
