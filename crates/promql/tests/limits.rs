//! What stops a query, and what a store's failure looks like.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mainstay_promql::{
    Engine, EvalError, Labels, MemorySeries, Options, Sample, Selection, Series, SeriesData, contract, parse,
};

fn store() -> MemorySeries {
    let mut store = MemorySeries::new();
    for i in 0..100 {
        let labels = Labels::from_pairs([("__name__", "m"), ("i", &i.to_string())]);
        store.push(&labels, Sample::float(0, f64::from(i)));
    }
    store
}

fn run(options: Options, text: &str) -> Result<(), EvalError> {
    let expr = parse(text).expect("parses");
    Engine::new(options).range(&store(), &expr, 0, 60_000, 1_000).map(drop)
}

#[test]
fn queries_are_bounded() {
    assert!(run(Options::default(), "m").is_ok());
    // 100 series of 61 steps do not fit, but their sum is taken one series at a time.
    let few_samples = Options { max_samples: 1_000, ..Options::default() };
    assert!(matches!(run(few_samples.clone(), "m"), Err(EvalError::TooManySamples)));
    assert!(run(few_samples.clone(), "sum(m)").is_ok());
    let subquery = "max_over_time(vector(1)[1y:1ms])";
    assert!(matches!(run(few_samples, subquery), Err(EvalError::TooManySamples)));
    let few_series = Options { max_series: 99, ..Options::default() };
    assert!(matches!(run(few_series, "m"), Err(EvalError::TooManySeries { most: 99 })));
    let few_steps = Options { max_steps: 60, ..Options::default() };
    assert!(matches!(run(few_steps, "m"), Err(EvalError::Steps(_))));
    let expr = parse("m").expect("parses");
    let still = Engine::default().range(&store(), &expr, 0, 1, 0);
    assert!(matches!(still, Err(EvalError::Steps(_))));
}

#[test]
fn a_query_can_be_cancelled() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let cancel = move || count.fetch_add(1, Ordering::Relaxed) >= 2;
    let options = Options { cancel: Some(Arc::new(cancel)), ..Options::default() };
    assert!(matches!(run(options, "m + m + m + m"), Err(EvalError::Cancelled)));
    assert!(asked.load(Ordering::Relaxed) >= 3);
}

#[test]
fn the_ends_of_time_are_no_place_to_panic() {
    for text in [
        "m",
        "rate(m[5m])",
        "predict_linear(m[5m] @ 0, 1)",
        "m @ 0 offset -200y",
        "rate(m[200y] offset 200y)",
        "sum_over_time(m[1h:10m] @ 9223372036854000)",
        "max_over_time(m[1h:10m] offset -292y)",
        "increase(m[5m] smoothed)",
        "m smoothed",
        "day_of_year() + year(vector(1e300)) + month(vector(-Inf))",
        "timestamp(m @ -9223372036854000)",
        "absent_over_time(m[292y])",
    ] {
        let expr = parse(text).expect("parses");
        for at in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
            let _ = Engine::default().instant(&store(), &expr, at);
            let _ = Engine::default().range(&store(), &expr, at, at.saturating_add(3), 1);
            let _ = Engine::default().range(&store(), &expr, i64::MIN, i64::MAX, i64::MAX / 2);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is gone")]
struct Gone;

struct Broken;

impl Series for Broken {
    type Error = Gone;

    fn select(&self, _selection: &Selection<'_>) -> Result<Vec<SeriesData>, Gone> {
        Err(Gone)
    }
}

#[test]
fn a_failing_store_fails_the_query_with_its_reason() {
    let expr = parse("sum(m)").expect("parses");
    let error = Engine::default().instant(&Broken, &expr, 0).expect_err("fails");
    assert_eq!(error.to_string(), "expanding series");
    let source = std::error::Error::source(&error).expect("has a source");
    assert_eq!(source.to_string(), "the disk is gone");
}

#[test]
fn the_store_in_memory_keeps_the_contract() {
    let mut store = MemorySeries::new();
    for (labels, samples) in contract::fixture() {
        samples.into_iter().for_each(|sample| store.push(&labels, sample));
    }
    contract::check(&store).expect("keeps the contract");
    assert!(contract::check(&MemorySeries::new()).is_err());
}
