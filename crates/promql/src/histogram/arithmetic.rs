//! Adding, subtracting and comparing histograms of different layouts.

use super::{Histogram, ResetHint};
use crate::numeric::kahan;

/// What had to be done to combine two histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Merge {
    /// One was known to follow a reset and the other not to.
    pub collision: bool,
    /// Both had custom borders, and different ones.
    pub reconciled: bool,
}

/// One histogram has exponential buckets and the other custom ones, so they cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incompatible;

type Buckets = Vec<(i32, f64)>;

impl Histogram {
    /// Adds another histogram to this one.
    pub(crate) fn add(&mut self, other: &Self) -> Result<Merge, Incompatible> {
        self.combine(other, 1.0)
    }

    /// Subtracts another histogram from this one.
    pub(crate) fn sub(&mut self, other: &Self) -> Result<Merge, Incompatible> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &Self, sign: f64) -> Result<Merge, Incompatible> {
        let plain = |total: &mut f64, x: f64| *total += sign * x;
        let mut merge = Merge::default();
        let other = self.align(other, &mut merge)?;
        plain(&mut self.zero_count, other.zero_count);
        plain(&mut self.count, other.count);
        plain(&mut self.sum, other.sum);
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            *mine = merged(mine, theirs, |a, b| a + sign * b);
        }
        Ok(merge)
    }

    /// Brings this histogram and a copy of the other to one layout.
    fn align(&mut self, other: &Self, merge: &mut Merge) -> Result<Self, Incompatible> {
        if self.is_custom() != other.is_custom() {
            return Err(Incompatible);
        }
        let mut other = other.clone();
        (self.hint, merge.collision) = common_hint(self.hint, other.hint);
        if self.is_custom() {
            if self.custom_values != other.custom_values {
                merge.reconciled = true;
                let bounds = intersection(&self.custom_values, &other.custom_values);
                self.rebucket(&bounds);
                other.rebucket(&bounds);
            }
            return Ok(other);
        }
        loop {
            if self.zero_threshold > other.zero_threshold {
                other.widen_zero_bucket(self.zero_threshold);
            } else if self.zero_threshold < other.zero_threshold {
                self.widen_zero_bucket(other.zero_threshold);
            } else {
                break;
            }
        }
        let schema = self.schema.min(other.schema);
        self.reduce(schema);
        other.reduce(schema);
        Ok(other)
    }

    /// Lowers the resolution.
    pub(crate) fn reduce(&mut self, schema: i32) {
        if schema >= self.schema || self.is_custom() {
            return;
        }
        let shift = u32::try_from(self.schema - schema).unwrap_or(0).min(31);
        for buckets in [&mut self.positive, &mut self.negative] {
            let mut reduced: Buckets = Vec::with_capacity(buckets.len());
            for (index, count) in buckets.iter() {
                let index = (index.saturating_sub(1) >> shift) + 1;
                match reduced.last_mut() {
                    Some(last) if last.0 == index => last.1 += count,
                    _ => reduced.push((index, *count)),
                }
            }
            *buckets = reduced;
        }
        self.schema = schema;
    }

    /// The count of the zero bucket if it were as wide as `threshold`, and the width it really gets: a border
    /// within a populated bucket moves to that bucket's end.
    fn zero_count_for(&self, threshold: f64) -> (f64, f64) {
        let mut threshold = threshold;
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold);
        }
        loop {
            let mut count = self.zero_count;
            let mut again = false;
            for (side, buckets) in [&self.positive, &self.negative].into_iter().enumerate() {
                for (index, bucket) in buckets {
                    let (lower, upper) = (self.bound(index.saturating_sub(1)), self.bound(*index));
                    if lower >= threshold {
                        break;
                    }
                    count += bucket;
                    if upper > threshold {
                        if *bucket != 0.0 {
                            threshold = upper;
                            // The positive side was counted with the narrower border.
                            again = side == 1;
                        }
                        break;
                    }
                }
            }
            if !again {
                return (count, threshold);
            }
        }
    }

    fn widen_zero_bucket(&mut self, threshold: f64) {
        (self.zero_count, self.zero_threshold) = self.zero_count_for(threshold);
        let (schema, threshold) = (self.schema, self.zero_threshold);
        let outside =
            |(index, _): &(i32, f64)| super::exponential_bound(index.saturating_sub(1), schema) >= threshold;
        // A bucket around the border goes as well: either it was absorbed or it is empty.
        self.positive.retain(outside);
        self.negative.retain(outside);
    }

    /// Puts the counts of custom buckets into the buckets of other, fewer borders.
    fn rebucket(&mut self, bounds: &[f64]) {
        if self.custom_values == bounds {
            return;
        }
        self.positive = rolled_up(self, bounds).into_iter().filter(|(_, count)| *count != 0.0).collect();
        self.custom_values = bounds.to_vec();
    }

    /// Whether a counter was reset between the previous histogram and this one.
    pub(crate) fn is_reset_after(&self, previous: &Self) -> bool {
        match self.hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.is_custom() {
            if !previous.is_custom() {
                return true;
            }
            if self.custom_values != previous.custom_values {
                let bounds = intersection(&self.custom_values, &previous.custom_values);
                return any_smaller(&rolled_up(self, &bounds), &rolled_up(previous, &bounds));
            }
            return any_smaller(&self.positive, &previous.positive);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (zero_count, threshold) = previous.zero_count_for(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < zero_count {
            return true;
        }
        let mut previous = previous.clone();
        let (schema, threshold) = (previous.schema, self.zero_threshold);
        let outside = |(index, _): &(i32, f64)| super::exponential_bound(*index, schema) > threshold;
        previous.positive.retain(outside);
        previous.negative.retain(outside);
        previous.reduce(self.schema);
        any_smaller(&self.positive, &previous.positive) || any_smaller(&self.negative, &previous.negative)
    }
}

/// Whether any populated bucket of `before` is missing from `now`, or smaller there.
fn any_smaller(now: &[(i32, f64)], before: &[(i32, f64)]) -> bool {
    before.iter().filter(|(_, count)| *count != 0.0).any(|(index, count)| {
        now.binary_search_by_key(index, |(i, _)| *i).map_or(true, |at| now[at].1 < *count)
    })
}

fn common_hint(a: ResetHint, b: ResetHint) -> (ResetHint, bool) {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    match (a, b) {
        _ if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Unknown, _) | (_, Unknown) => (Unknown, false),
        (Reset, NotReset) | (NotReset, Reset) => (Unknown, true),
        _ => (Unknown, false),
    }
}

fn intersection(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            out.push(a[i]);
            i += 1;
            j += 1;
        } else if a[i] < b[j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}

/// The counts of custom buckets per border of another, coarser list, +Inf last.
fn rolled_up(h: &Histogram, bounds: &[f64]) -> Buckets {
    let mut out: Buckets = Vec::new();
    for (index, count) in &h.positive {
        let upper = h.bound(*index);
        let at = i32::try_from(bounds.partition_point(|bound| *bound < upper)).unwrap_or(i32::MAX);
        match out.last_mut() {
            Some(last) if last.0 == at => last.1 += count,
            _ => out.push((at, *count)),
        }
    }
    out
}

/// Two sorted lists of buckets combined by index; an index that one list lacks counts as zero there.
fn merged(a: &[(i32, f64)], b: &[(i32, f64)], mut f: impl FnMut(f64, f64) -> f64) -> Buckets {
    let mut out = Vec::with_capacity(a.len().max(b.len()));
    let (mut i, mut j) = (0, 0);
    loop {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x.0 == y.0 => {
                out.push((x.0, f(x.1, y.1)));
                i += 1;
                j += 1;
            }
            (Some(x), other) if other.is_none_or(|y| x.0 < y.0) => {
                out.push(*x);
                i += 1;
            }
            (_, Some(y)) => {
                out.push((y.0, f(0.0, y.1)));
                j += 1;
            }
            _ => return out,
        }
    }
}

/// Histograms added up with compensation for what the additions lose.
#[derive(Debug, Clone)]
pub(crate) struct Summed {
    pub total: Histogram,
    lost: Histogram,
}

impl Summed {
    pub(crate) fn new(first: &Histogram) -> Self {
        let mut lost = first.clone();
        lost.components_mut().for_each(|value| *value = 0.0);
        Self { total: first.clone(), lost }
    }

    pub(crate) fn add(&mut self, other: &Histogram) -> Result<Merge, Incompatible> {
        let mut merge = Merge::default();
        let before_zero = (self.total.zero_threshold, self.total.schema);
        let bounds = self.total.custom_values.clone();
        let other = self.total.align(other, &mut merge)?;
        // The compensation follows the layout of the total.
        if before_zero.0 != self.total.zero_threshold {
            self.lost.follow_zero_bucket(self.total.zero_threshold);
        }
        if before_zero.1 != self.total.schema {
            self.lost.reduce(self.total.schema);
        }
        if bounds != self.total.custom_values {
            self.lost.rebucket(&self.total.custom_values);
        }
        let (total, lost) = (&mut self.total, &mut self.lost);
        (total.zero_count, lost.zero_count) = kahan(other.zero_count, total.zero_count, lost.zero_count);
        (total.count, lost.count) = kahan(other.count, total.count, lost.count);
        (total.sum, lost.sum) = kahan(other.sum, total.sum, lost.sum);
        add_compensated(&mut total.positive, &mut lost.positive, &other.positive);
        add_compensated(&mut total.negative, &mut lost.negative, &other.negative);
        Ok(merge)
    }

    pub(crate) fn value(&self) -> Histogram {
        let mut value = self.total.clone();
        value.zero_count += self.lost.zero_count;
        value.count += self.lost.count;
        value.sum += self.lost.sum;
        value.positive = merged(&value.positive, &self.lost.positive, |a, b| a + b);
        value.negative = merged(&value.negative, &self.lost.negative, |a, b| a + b);
        value
    }

    /// Multiplies total and compensation.
    pub(crate) fn scale(&mut self, factor: f64) {
        let hint = self.total.hint;
        self.total = self.total.scaled(factor);
        self.lost = self.lost.scaled(factor);
        self.total.hint = hint;
    }

    /// Divides total and compensation.
    pub(crate) fn divide(&mut self, divisor: f64) {
        self.total = self.total.divided(divisor);
        self.lost = self.lost.divided(divisor);
    }

    pub(crate) fn overflows(&mut self) -> bool {
        self.total.components_mut().any(|value| value.is_infinite())
    }
}

impl Histogram {
    /// Moves into the zero bucket what a total of the same layout moved there.
    fn follow_zero_bucket(&mut self, threshold: f64) {
        let schema = self.schema;
        let inside =
            |(index, _): &(i32, f64)| super::exponential_bound(index.saturating_sub(1), schema) < threshold;
        for buckets in [&mut self.positive, &mut self.negative] {
            self.zero_count += buckets.iter().filter(|b| inside(b)).map(|(_, count)| count).sum::<f64>();
            buckets.retain(|b| !inside(b));
        }
        self.zero_threshold = threshold;
    }
}

fn add_compensated(total: &mut Buckets, lost: &mut Buckets, other: &[(i32, f64)]) {
    let zeros: Buckets = other.iter().map(|(index, _)| (*index, 0.0)).collect();
    *total = merged(total, &zeros, |a, _| a);
    let layout: Buckets = total.iter().map(|(index, _)| (*index, 0.0)).collect();
    *lost = merged(lost, &layout, |a, _| a);
    for (index, count) in other {
        let (Ok(at), Ok(at_lost)) =
            (total.binary_search_by_key(index, |(i, _)| *i), lost.binary_search_by_key(index, |(i, _)| *i))
        else {
            continue;
        };
        (total[at].1, lost[at_lost].1) = kahan(*count, total[at].1, lost[at_lost].1);
    }
}

/// The mean of histograms: summed first, incremental when the sum overflows.
#[derive(Debug, Clone)]
pub(crate) struct MeanHistogram {
    summed: Summed,
    count: f64,
    incremental: bool,
}

impl MeanHistogram {
    pub(crate) fn new(first: &Histogram) -> Self {
        Self { summed: Summed::new(first), count: 1.0, incremental: false }
    }

    pub(crate) fn add(&mut self, other: &Histogram) -> Result<Merge, Incompatible> {
        self.count += 1.0;
        if !self.incremental {
            let mut next = self.summed.clone();
            let merge = next.add(other)?;
            if !next.overflows() {
                self.summed = next;
                return Ok(merge);
            }
            self.incremental = true;
            self.summed.divide(self.count - 1.0);
        }
        self.summed.scale((self.count - 1.0) / self.count);
        self.summed.add(&other.divided(self.count))
    }

    pub(crate) fn value(&self) -> Histogram {
        if self.incremental {
            return self.summed.value();
        }
        let mut mean = self.summed.clone();
        mean.divide(self.count);
        mean.value()
    }
}
