//! Quantiles of classic histograms: cumulative counts per upper border.

/// What had to be repaired before a quantile could be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Repair {
    pub lowest: f64,
    pub highest: f64,
    pub largest_difference: f64,
}

/// Sorts buckets by border and puts equal borders together.
fn in_order(mut buckets: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::with_capacity(buckets.len());
    for (border, count) in buckets {
        match merged.last_mut() {
            Some(last) if last.0 == border => last.1 += count,
            _ => merged.push((border, count)),
        }
    }
    merged
}

/// Makes counts that fall from one border to the next equal to the one before.
fn make_monotonic(buckets: &mut [(f64, f64)]) -> Option<Repair> {
    let mut repair: Option<Repair> = None;
    let mut previous = buckets[0].1;
    for bucket in &mut buckets[1..] {
        let (border, count) = *bucket;
        if count == previous {
            continue;
        }
        if crate::numeric::almost_equal(previous, count, 1e-12) {
            bucket.1 = previous;
            continue;
        }
        if count < previous {
            bucket.1 = previous;
            let difference = previous - count;
            repair = Some(match repair {
                None => Repair { lowest: border, highest: border, largest_difference: difference },
                Some(r) => Repair {
                    lowest: r.lowest.min(border),
                    highest: r.highest.max(border),
                    largest_difference: r.largest_difference.max(difference),
                },
            });
            continue;
        }
        previous = count;
    }
    repair
}

/// The quantile of a classic histogram, and what was repaired to read it.
pub(crate) fn quantile(q: f64, buckets: Vec<(f64, f64)>) -> (f64, Option<Repair>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    let mut buckets = in_order(buckets);
    if buckets.last().is_none_or(|(border, _)| *border != f64::INFINITY) {
        return (f64::NAN, None);
    }
    let repair = make_monotonic(&mut buckets);
    let last = buckets.len() - 1;
    let total = buckets[last].1;
    if buckets.len() < 2 || total == 0.0 || total.is_nan() {
        return (f64::NAN, repair);
    }
    let mut rank = q * total;
    let at = buckets[..last].iter().position(|(_, count)| *count >= rank).unwrap_or(last);
    if at == last {
        return (buckets[last - 1].0, repair);
    }
    let (border, mut count) = buckets[at];
    if at == 0 && border <= 0.0 {
        return (border, repair);
    }
    let mut start = 0.0;
    if at > 0 {
        start = buckets[at - 1].0;
        count -= buckets[at - 1].1;
        rank -= buckets[at - 1].1;
    }
    (start + (border - start) * (rank / count), repair)
}

/// The fraction of observations between two values.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: Vec<(f64, f64)>) -> f64 {
    let buckets = in_order(buckets);
    let Some((top, total)) = buckets.last().copied() else { return f64::NAN };
    if top != f64::INFINITY || total == 0.0 || total.is_nan() || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    let mut bucket_lower = if buckets[0].0 > 0.0 { 0.0 } else { f64::NEG_INFINITY };
    for (bucket_upper, cumulative) in buckets {
        let interpolate = |value: f64| {
            if bucket_lower == f64::NEG_INFINITY {
                return cumulative;
            }
            rank + (cumulative - rank) * (value - bucket_lower) / (bucket_upper - bucket_lower)
        };
        for (bound, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_none() {
                if bucket_lower >= bound {
                    *found = Some(rank);
                } else if bucket_upper > bound {
                    *found = Some(interpolate(bound));
                }
            }
        }
        rank = cumulative;
        bucket_lower = bucket_upper;
    }
    let within = |found: Option<f64>| found.filter(|r| *r <= total).unwrap_or(total);
    (within(upper_rank) - within(lower_rank)) / total
}
