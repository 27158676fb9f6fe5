//! What stops a query, and what a store's failure looks like.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use mainstay_promql::{
    Engine, EvalError, Labels, MemorySeries, Options, Sample, Samples, Selection, Series, SeriesData,
    contract, parse,
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

/// Long series, so that a few of them are much work.
fn long(series: usize, samples: i64) -> MemorySeries {
    let mut store = MemorySeries::new();
    for i in 0..series {
        let labels = Labels::from_pairs([("__name__", "m"), ("i", &i.to_string()), ("le", &i.to_string())]);
        let times: Vec<i64> = (0..samples).map(|n| n * 1_000).collect();
        let values = times.iter().map(|t| f64::from(u32::try_from(t % 97_000).unwrap_or(0))).collect();
        store.insert(&labels, Samples::from_floats(times, values));
    }
    store
}

/// Each of these would look at far more than a hundred million samples or steps, and asks on the way, whatever the
/// part of the engine that has the work.
#[test]
fn every_long_path_asks_whether_to_stop() {
    let store = long(40, 20_000);
    for text in [
        "quantile_over_time(0.5, m[5h])",
        "mad_over_time(m{i=\"1\"}[5h])",
        "avg_over_time(m[5h])",
        "count_over_time(m[4h] offset 1h) + deriv(m[5h])",
        "max_over_time(quantile_over_time(0.1, m[1h])[5h:1s])",
        "sum_over_time((m + on (i) m)[5h:1s])",
        "changes(m[5h])",
        "rate(m[5h] smoothed)",
    ] {
        let expr = parse(text).expect("parses");
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let cancel = move || count.fetch_add(1, Ordering::Relaxed) >= 20;
        let options = Options { cancel: Some(Arc::new(cancel)), ..Options::default() };
        let answer = Engine::new(options).range(&store, &expr, 18_000_000, 19_900_000, 1_000);
        assert!(matches!(answer, Err(EvalError::Cancelled)), "{text} did not ask 20 times");
        assert_eq!(asked.load(Ordering::Relaxed), 21, "{text} went on after it was told to stop");
    }
}

/// What a query holds besides columns counts, too.
#[test]
fn nothing_is_held_without_being_counted() {
    let store = long(40, 100);
    let narrow = |most: u64| Options { max_samples: most, ..Options::default() };
    let ask = |most: u64, text: &str| {
        let expr = parse(text).expect("parses");
        Engine::new(narrow(most)).range(&store, &expr, 0, 60_000, 1_000).map(drop)
    };
    // 40 series of 61 steps are 2,440 samples; one series after the other is handed out and made a column.
    for (text, needs) in [
        ("count(m)", 3 * 61),
        ("count by (i) (m)", 2_440 + 122),
        ("count(count by (i) (m))", 2_440 + 122),
        ("quantile by (i) (0.5, m)", 2_440 + 122),
        ("count(limitk by (i) (1, m))", 2_440 + 122),
        ("count(topk(1, m))", 2_440 + 122),
        ("count_values(\"v\", m)", 2_440 + 122),
    ] {
        assert!(
            matches!(ask(needs - 130, text), Err(EvalError::TooManySamples)),
            "{text} is within {}",
            needs - 130
        );
        assert!(ask(needs * 3, text).is_ok(), "{text} is not within {}", needs * 3);
    }
    let nested = format!("{}vector(1){}", "vector(time() + scalar(".repeat(20), "))".repeat(20));
    assert!(matches!(ask(1_000, &nested), Err(EvalError::TooManySamples)));
}

/// A store that makes each series when it is asked for it, as one that reads from a disk.
struct Lazy {
    series: usize,
    samples: i64,
    read: AtomicU32,
}

impl Series for Lazy {
    type Error = Infallible;

    /// Not what the engine asks for; where it did, it would find nothing.
    fn select(&self, _selection: &Selection<'_>) -> Result<Vec<SeriesData>, Infallible> {
        Ok(Vec::new())
    }

    fn each(
        &self,
        _selection: &Selection<'_>,
        visit: &mut dyn FnMut(SeriesData) -> ControlFlow<()>,
    ) -> Result<(), Infallible> {
        for i in 0..self.series {
            self.read.fetch_add(1, Ordering::Relaxed);
            let labels = Labels::from_pairs([("__name__", "m_total"), ("i", &format!("{i:06}"))]);
            let times: Vec<i64> = (0..self.samples).map(|n| n * 15_000).collect();
            let values = times.iter().map(|t| f64::from(u32::try_from(*t / 1_000).unwrap_or(0))).collect();
            let samples = Samples::from_floats(times, values);
            if visit(SeriesData { labels, samples }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// A selection far larger than the limit is no more than what is worked on and answered.
#[test]
fn samples_stream_through_a_query() {
    // A week at 15 s is 40,320 samples; 300 of them are twelve million.
    let store = Lazy { series: 300, samples: 40_320, read: AtomicU32::new(0) };
    for parallel in [1, 2] {
        let options = Options { max_samples: 150_000, parallel, ..Options::default() };
        for text in
            ["sum(rate(m_total[5m]))", "count(m_total)", "max(timestamp(m_total))", "m_total{} smoothed"]
        {
            let expr = parse(text).expect("parses");
            let end = 40_319 * 15_000;
            let answer = Engine::new(options.clone()).range(&store, &expr, 0, end, 3_600_000);
            let answer = answer.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(!answer.value.matrix().is_empty(), "{text}");
        }
    }
    // Where the answer itself is too large, nothing more is read.
    store.read.store(0, Ordering::Relaxed);
    let options = Options { max_samples: 50_000, ..Options::default() };
    let expr = parse("m_total").expect("parses");
    let answer = Engine::new(options).range(&store, &expr, 0, 40_319 * 15_000, 600_000);
    assert!(matches!(answer, Err(EvalError::TooManySamples)));
    let read = store.read.load(Ordering::Relaxed);
    assert!(read < 20, "{read} series were read");
}

#[test]
fn labels_do_not_grow_without_end() {
    let mut text = "label_replace(m{i=\"1\"}, \"a\", \"xxxxxxxx\", \"\", \"\")".to_owned();
    for _ in 0..40 {
        text = format!("label_replace({text}, \"a\", \"$1$1\", \"a\", \"(.*)\")");
    }
    let error = run(Options::default(), &text).expect_err("fails");
    assert!(error.to_string().contains("the new value of label \"a\" has 131072 bytes"), "{error}");
    assert!(error.span().is_some());
}

#[test]
fn many_instances_are_no_pattern_to_compile() {
    let mut store = MemorySeries::new();
    for i in 0..5_000 {
        let instance = format!("host-{i}.example:9100");
        for (name, extra) in [("m", ""), ("target_info", "1.2")] {
            let labels = [("__name__", name), ("instance", &instance), ("job", "node"), ("version", extra)];
            store.push(&Labels::from_pairs(labels), Sample::float(0, 1.0));
        }
    }
    let expr = parse("count by (version) (info(m))").expect("parses");
    let answer = Engine::default().instant(&store, &expr, 1_000).expect("evaluates");
    let [only] = answer.value.vector() else { panic!("one group") };
    assert_eq!((only.labels.get("version"), only.sample.as_float()), ("1.2", Some(5_000.0)));
}

#[test]
fn threads_are_used_when_they_are_asked_for() {
    let store = long(40, 3_000);
    for text in ["sum(m)", "sum by (i) (max_over_time(m[1m]))"] {
        let expr = parse(text).expect("parses");
        let threads = |parallel| {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let known = Arc::clone(&seen);
            let cancel = move || {
                let mut known = known.lock().expect("no thread panics");
                let own = std::thread::current().id();
                if !known.contains(&own) {
                    known.push(own);
                }
                false
            };
            let options = Options { parallel, cancel: Some(Arc::new(cancel)), ..Options::default() };
            Engine::new(options).range(&store, &expr, 0, 3_000_000, 3_000).expect("evaluates");
            let seen = seen.lock().expect("no thread panics");
            (seen.len(), seen.first().copied())
        };
        assert_eq!(threads(1), (1, Some(std::thread::current().id())), "{text}");
        assert!(threads(3).0 > 1, "{text} ran on one thread");
    }
}
