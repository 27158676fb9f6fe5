//! Comparing answers with what a script expects.

use std::collections::BTreeMap;

use super::description::{Description, Item};
use super::script::Evaluation;
use crate::histogram::Histogram;
use crate::labels::Labels;
use crate::numeric::almost_equal;
use crate::text::general;
use crate::value::{MatrixSeries, SampleValue, Value};

const EPSILON: f64 = 1e-6;

/// Compares the value of an instant query.
pub(super) fn instant(test: &Evaluation, value: &Value) -> Result<(), String> {
    match value {
        Value::String(_, text) => match &test.string {
            Some(wanted) if wanted == text => Ok(()),
            Some(wanted) => Err(format!("is the text {text:?}, expected {wanted:?}")),
            None => Err("is a text, which is not expected".to_owned()),
        },
        Value::Scalar(_, number) => match test.scalar {
            Some(wanted) if almost_equal(wanted, *number, EPSILON) => Ok(()),
            Some(wanted) => Err(format!("is {}, expected {}", general(*number), general(wanted))),
            None => Err("is a scalar, which is not expected".to_owned()),
        },
        Value::Matrix(series) => match test.range_vector {
            Some((start, step)) => matrix(test, series, start, step),
            None => Err("is a range vector, which is not expected".to_owned()),
        },
        Value::Vector(samples) => {
            if test.scalar.is_some() || test.string.is_some() || test.range_vector.is_some() {
                return Err("is an instant vector, which is not expected".to_owned());
            }
            let mut wanted: BTreeMap<&Labels, (usize, &Description)> =
                test.series.iter().enumerate().map(|(i, series)| (&series.labels, (i, series))).collect();
            for (position, sample) in samples.iter().enumerate() {
                let Some((expected_at, series)) = wanted.remove(&sample.labels) else {
                    return Err(format!(
                        "unexpected series {} {}",
                        sample.labels,
                        show(&sample.sample.value)
                    ));
                };
                if test.ordered && expected_at != position {
                    return Err(format!("{} comes at position {position}, not {expected_at}", sample.labels));
                }
                let item = series.items.first().unwrap_or(&Item::Omitted);
                same(item, Some(&sample.sample.value))
                    .map_err(|error| format!("{}: {error}", sample.labels))?;
            }
            match wanted.keys().next() {
                Some(missing) => Err(format!("missing series {missing}")),
                None => Ok(()),
            }
        }
    }
}

/// Compares series whose expected values lie on a grid.
pub(super) fn matrix(test: &Evaluation, found: &[MatrixSeries], start: i64, step: i64) -> Result<(), String> {
    if found.windows(2).any(|pair| pair[0].labels >= pair[1].labels) {
        return Err("the series are not sorted by labels".to_owned());
    }
    let mut wanted: BTreeMap<&Labels, &Description> =
        test.series.iter().map(|series| (&series.labels, series)).collect();
    let scalar =
        test.scalar.map(|value| Description { labels: Labels::empty(), items: vec![Item::Float(value)] });
    if let Some(scalar) = &scalar {
        wanted.insert(&scalar.labels, scalar);
    }
    for series in found {
        let Some(expected) = wanted.remove(&series.labels) else {
            return Err(format!("unexpected series {}", series.labels));
        };
        let mut by_time: BTreeMap<i64, &SampleValue> =
            series.samples.iter().map(|sample| (sample.t_ms, &sample.value)).collect();
        let mut t = start;
        for item in &expected.items {
            same(item, by_time.remove(&t))
                .map_err(|error| format!("{} at {t} ms: {error}", series.labels))?;
            t = t.saturating_add(step);
        }
        if let Some((t, value)) = by_time.into_iter().next() {
            return Err(format!("{} at {t} ms: unexpected {}", series.labels, show(value)));
        }
    }
    let missing = wanted.values().find(|series| series.items.iter().any(|item| *item != Item::Omitted));
    match missing {
        Some(series) => Err(format!("missing series {}", series.labels)),
        None => Ok(()),
    }
}

fn show(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => general(*value),
        SampleValue::Histogram(histogram) => {
            format!("{histogram} {:?} {:?}", histogram.hint, histogram.custom_values)
        }
    }
}

fn same(wanted: &Item, found: Option<&SampleValue>) -> Result<(), String> {
    match (wanted, found) {
        (Item::Omitted, None) => Ok(()),
        (Item::Float(wanted), Some(SampleValue::Float(found))) if almost_equal(*wanted, *found, EPSILON) => {
            Ok(())
        }
        (Item::Histogram(wanted, explicit), Some(SampleValue::Histogram(found)))
            if same_histogram(wanted, found, *explicit) =>
        {
            Ok(())
        }
        (wanted, found) => {
            let wanted = match wanted {
                Item::Omitted => "nothing".to_owned(),
                Item::Float(value) => general(*value),
                Item::Histogram(histogram, _) => {
                    show(&SampleValue::Histogram(std::sync::Arc::clone(histogram)))
                }
            };
            let found = found.map_or_else(|| "nothing".to_owned(), show);
            Err(format!("is {found}, expected {wanted}"))
        }
    }
}

fn same_histogram(wanted: &Histogram, found: &Histogram, compare_hint: bool) -> bool {
    let (wanted, found) = (wanted.clone().compacted(), found.clone().compacted());
    let near = |a: f64, b: f64| almost_equal(a, b, EPSILON);
    let buckets = |a: &[(i32, f64)], b: &[(i32, f64)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.0 == y.0 && near(x.1, y.1))
    };
    wanted.schema == found.schema
        && near(wanted.count, found.count)
        && near(wanted.sum, found.sum)
        && wanted.zero_threshold == found.zero_threshold
        && near(wanted.zero_count, found.zero_count)
        && wanted.custom_values == found.custom_values
        && buckets(&wanted.positive, &found.positive)
        && buckets(&wanted.negative, &found.negative)
        && (!compare_hint || wanted.hint == found.hint)
}
