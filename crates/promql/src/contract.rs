//! What every store must do that implements [`Series`], as a check that stores run in their tests.

use std::ops::ControlFlow;

use crate::labels::{Labels, MatchOp, Matcher, NAME};
use crate::series::{Hints, Selection, Series, SeriesData};
use crate::value::{Sample, is_stale, stale_marker};

/// The series a store must hold for [`check`]: labelsets and samples in time order.
#[must_use]
pub fn fixture() -> Vec<(Labels, Vec<Sample>)> {
    let counted = |from: i64, to: i64| {
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        (from..=to).map(|i| Sample::float(i * 1000, i as f64)).collect::<Vec<_>>()
    };
    let mut ended = counted(1, 5);
    ended.push(Sample::float(6000, stale_marker()));
    vec![
        (Labels::from_pairs([(NAME, "requests_total"), ("job", "b"), ("path", "/a\nb")]), counted(1, 10)),
        (Labels::from_pairs([(NAME, "requests_total"), ("job", "a")]), counted(1, 10)),
        (Labels::from_pairs([(NAME, "requests_total"), ("Job", "A"), ("job", "c")]), counted(20, 30)),
        (Labels::from_pairs([(NAME, "up"), ("job", "a")]), ended),
        (Labels::from_pairs([(NAME, "utf8.näme"), ("label.x", "ü")]), vec![Sample::float(2000, f64::NAN)]),
    ]
}

/// Checks a store that holds the [`fixture`] and nothing else.
///
/// # Errors
/// What the store does wrong, with the selection that shows it.
pub fn check<S: Series>(store: &S) -> Result<(), String> {
    let all = fixture();
    let patterns = [
        (NAME, MatchOp::Equal, "requests_total"),
        (NAME, MatchOp::NotEqual, "up"),
        (NAME, MatchOp::Regex, "requests_.*|up"),
        (NAME, MatchOp::Regex, "requests"),
        (NAME, MatchOp::Equal, "utf8.näme"),
        ("job", MatchOp::Equal, ""),
        ("job", MatchOp::NotEqual, ""),
        ("job", MatchOp::Regex, "a|b"),
        ("job", MatchOp::NotRegex, "a|b"),
        ("path", MatchOp::Regex, "/a.b"),
        ("path", MatchOp::NotRegex, ".+"),
        ("label.x", MatchOp::NotEqual, "ü"),
        ("nowhere", MatchOp::Regex, ".*"),
        ("nowhere", MatchOp::Equal, "x"),
    ];
    let spans = [(i64::MIN, i64::MAX), (3000, 6000), (6000, 6000), (10_001, 19_999), (9_000, 20_000), (5, 4)];
    for (i, first) in patterns.iter().enumerate() {
        for second in &patterns[i..] {
            let matchers = [first, second]
                .into_iter()
                .map(|(name, op, value)| Matcher::new(*name, *op, *value))
                .collect::<Result<Vec<_>, _>>()?;
            for (start_ms, end_ms) in spans {
                let selection = Selection { matchers: &matchers, start_ms, end_ms, hints: Hints::default() };
                check_selection(store, &all, &selection)
                    .map_err(|error| format!("{first:?}, {second:?}, {start_ms} to {end_ms}: {error}"))?;
            }
        }
    }
    Ok(())
}

fn check_selection<S: Series>(
    store: &S,
    all: &[(Labels, Vec<Sample>)],
    selection: &Selection<'_>,
) -> Result<(), String> {
    let inside = |sample: &&Sample| (selection.start_ms..=selection.end_ms).contains(&sample.t_ms);
    let mut wanted: Vec<(&Labels, Vec<&Sample>)> = all
        .iter()
        .filter(|(labels, _)| selection.matches(labels))
        .map(|(labels, samples)| (labels, samples.iter().filter(inside).collect()))
        .filter(|(_, samples): &(_, Vec<_>)| !samples.is_empty())
        .collect();
    wanted.sort_by(|a, b| a.0.cmp(b.0));
    let found = store.select(selection).map_err(|error| format!("fails: {error}"))?;
    check_each(store, selection, &found)?;
    if found.windows(2).any(|pair| pair[0].labels >= pair[1].labels) {
        return Err("series are not sorted by labels, or one comes twice".to_owned());
    }
    let mut found = found.into_iter().filter_map(|series| {
        // More samples than asked for are allowed, and so are series that have none in the span.
        let samples: Vec<Sample> = series.samples.iter().filter(|sample| inside(&sample)).collect();
        (!samples.is_empty()).then_some((series.labels, samples))
    });
    for (labels, samples) in wanted {
        let Some((other, others)) = found.next() else { return Err(format!("{labels} is missing")) };
        if other != *labels {
            return Err(format!("found {other} instead of {labels}"));
        }
        let equal = samples.len() == others.len()
            && samples.iter().zip(&others).all(|(a, b)| a.t_ms == b.t_ms && same(a.as_float(), b.as_float()));
        if !equal {
            return Err(format!("{labels} has samples {others:?}, not {samples:?}"));
        }
    }
    found.next().map_or(Ok(()), |(labels, _)| Err(format!("{labels} does not match")))
}

/// Handing the series over one by one gives the same as all at once, and stops when it is told to.
fn check_each<S: Series>(store: &S, selection: &Selection<'_>, found: &[SeriesData]) -> Result<(), String> {
    let mut most = usize::MAX;
    loop {
        let mut visited = Vec::new();
        let visit = &mut |series: SeriesData| {
            visited.push(series);
            if visited.len() >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        store.each(selection, visit).map_err(|error| format!("fails one by one: {error}"))?;
        let wanted = &found[..most.min(found.len())];
        let equal = visited.len() == wanted.len()
            && visited.iter().zip(wanted).all(|(a, b)| {
                a.labels == b.labels
                    && a.samples.times() == b.samples.times()
                    && a.samples.histogram_times() == b.samples.histogram_times()
            });
        if !equal {
            return Err(format!(
                "one by one, of {} series {} were handed over, in another order, or after it was told to stop",
                wanted.len(),
                visited.len()
            ));
        }
        if most == 1 || found.is_empty() {
            return Ok(());
        }
        most = 1;
    }
}

/// The same number, or both the same kind of NaN.
fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) if a.is_nan() && b.is_nan() => is_stale(a) == is_stale(b),
        (a, b) => a == b,
    }
}
