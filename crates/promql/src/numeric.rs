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

/// The quantile of numbers by linear interpolation; sorts them, NaN first.
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
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => a.total_cmp(b),
    });
    #[allow(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    let rank = q * (values.len() - 1) as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rank lies within the list"
    )]
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Slope and intercept of the least-squares line through points, `x` in seconds relative to `origin_ms`.
#[allow(clippy::cast_precision_loss, reason = "differences of instants are far below 2^53 ms")]
pub(crate) fn regression(times: &[i64], values: &[f64], origin_ms: i64) -> (f64, f64) {
    let (mut n, mut x, mut cx, mut y, mut cy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut xy, mut cxy, mut x2, mut cx2) = (0.0, 0.0, 0.0, 0.0);
    let mut constant = true;
    let first = values.first().copied().unwrap_or(f64::NAN);
    for (t, value) in times.iter().zip(values) {
        constant &= *value == first;
        n += 1.0;
        let at = t.saturating_sub(origin_ms) as f64 / 1000.0;
        (x, cx) = kahan(at, x, cx);
        (y, cy) = kahan(*value, y, cy);
        (xy, cxy) = kahan(at * value, xy, cxy);
        (x2, cx2) = kahan(at * at, x2, cx2);
    }
    if constant {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (x, y, xy, x2) = (x + cx, y + cy, xy + cxy, x2 + cx2);
    let covariance = xy - x * y / n;
    let variance = x2 - x * x / n;
    let slope = covariance / variance;
    (slope, y / n - slope * x / n)
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
