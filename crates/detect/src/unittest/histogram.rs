//! Native histograms in tests: their notation, and what storing them makes of their hints about resets.

use mainstay_promql::{Histogram, ResetHint, api_number, is_stale};

/// A histogram in the notation of test files, without what has no effect: `{{count:4 sum:5.6 buckets:[4]}}`.
///
/// Two histograms are equal for a test if their notations are.
pub(super) fn notation(histogram: &Histogram) -> String {
    let mut parts = Vec::new();
    let mut number = |name: &str, value: f64| {
        // Not-a-number is not zero and so is shown, as it should be.
        if value != 0.0 {
            parts.push(format!("{name}:{}", api_number(value)));
        }
    };
    number("schema", f64::from(histogram.schema));
    number("count", histogram.count);
    number("sum", histogram.sum);
    number("z_bucket", histogram.zero_count);
    number("z_bucket_w", histogram.zero_threshold);
    if histogram.is_custom() {
        parts.push(format!("custom_values:{}", listed(&histogram.custom_values)));
    }
    match histogram.hint {
        ResetHint::Unknown => {}
        ResetHint::Reset => parts.push("counter_reset_hint:reset".to_owned()),
        ResetHint::NotReset => parts.push("counter_reset_hint:not_reset".to_owned()),
        ResetHint::Gauge => parts.push("counter_reset_hint:gauge".to_owned()),
    }
    for (buckets, offset_name, name) in
        [(&histogram.positive, "offset", "buckets"), (&histogram.negative, "n_offset", "n_buckets")]
    {
        let Some((offset, counts)) = dense(buckets) else { continue };
        if offset != 0 {
            parts.push(format!("{offset_name}:{offset}"));
        }
        parts.push(format!("{name}:{counts}"));
    }
    format!("{{{{{}}}}}", parts.join(" "))
}

fn listed(values: &[f64]) -> String {
    let texts: Vec<String> = values.iter().map(|value| api_number(*value)).collect();
    format!("[{}]", texts.join(" "))
}

/// Gaps wider than this are counted instead of written out.
const MAX_GAP: i64 = 1000;

/// The index of the first populated bucket, and the counts from it to the last one.
fn dense(buckets: &[(i32, f64)]) -> Option<(i32, String)> {
    let mut populated = buckets.iter().filter(|(_, count)| *count != 0.0);
    let (first, count) = populated.next()?;
    let mut counts = vec![api_number(*count)];
    let mut last = i64::from(*first);
    for (index, count) in populated {
        let gap = i64::from(*index) - last - 1;
        if gap > MAX_GAP {
            counts.push(format!("0x{gap}"));
        } else {
            counts.extend((0..gap).map(|_| "0".to_owned()));
        }
        counts.push(api_number(*count));
        last = i64::from(*index);
    }
    Some((*first, format!("[{}]", counts.join(" "))))
}

/// What a histogram says about resets once it was stored after `previous`: what its literal said is lost, and whether
/// it fits behind the one before takes its place.
pub(super) fn stored_hint(previous: Option<&Histogram>, new: &Histogram) -> ResetHint {
    if new.hint == ResetHint::Gauge {
        return ResetHint::Gauge;
    }
    let Some(previous) = previous.filter(|previous| previous.hint != ResetHint::Gauge) else {
        return ResetHint::Unknown;
    };
    if is_stale(new.sum) {
        return ResetHint::NotReset;
    }
    let reset = new.hint == ResetHint::Reset
        || is_stale(previous.sum)
        || new.schema != previous.schema
        || new.zero_threshold != previous.zero_threshold
        || new.custom_values != previous.custom_values
        || new.count < previous.count
        || new.zero_count < previous.zero_count
        || shrinks(&previous.positive, &new.positive)
        || shrinks(&previous.negative, &new.negative);
    if reset { ResetHint::Unknown } else { ResetHint::NotReset }
}

fn shrinks(before: &[(i32, f64)], after: &[(i32, f64)]) -> bool {
    before.iter().any(|(index, count)| {
        let now = after.binary_search_by(|(known, _)| known.cmp(index)).map_or(0.0, |at| after[at].1);
        now < *count
    })
}
