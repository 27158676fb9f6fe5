//! What must hold for any input. The coverage-guided targets in `fuzz/` and the mutations of this test share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstay_promql::testscript::{self, Item, parse_description};
use mainstay_promql::{
    Engine, EvalError, MemorySeries, Options, ParseOptions, Sample, SampleValue, parse, parse_selector,
    parse_with,
};

/// Longer inputs find nothing that shorter ones do not.
pub const MOST_BYTES: usize = 4096;

/// How often a query may ask whether to go on. Queries ask about every so many units of work, so one that needs more
/// questions than this over the few samples here has run away.
const MOST_QUESTIONS: u64 = 200_000;

/// Series with gaps, ends, resets, odd numbers, odd names and every kind of histogram.
pub fn store() -> MemorySeries {
    let lines = [
        r#"a_total{job="x",instance="1"} 0+3x10 2+4x10 _x8 5+1x10"#,
        r#"a_total{job="x",instance="2"} 1+1x9 stale _x2 0+7x20"#,
        r#"a_total{job="y",instance="1"} 5+0x30"#,
        r#"b{job="x",instance="1"} 1 -2 3 NaN 5 -6 +Inf 8 9 1e300 _x5 4+4x15"#,
        r#"b{job="x",instance="3"} 0-1.5x35"#,
        r#"c_bucket{le="0.1",job="x"} 0+1x35"#,
        r#"c_bucket{le="1",job="x"} 0+2x35"#,
        r#"c_bucket{le="+Inf",job="x"} 0+5x35"#,
        r#"h{job="x"} {{schema:0 sum:5 count:6 buckets:[1 2 3]}}+{{schema:0 sum:2 count:3 buckets:[1 1 1]}}x12 _x3 {{schema:8 sum:1 count:2 z_bucket:1 z_bucket_w:0.01 buckets:[1] n_buckets:[1 0 2] n_offset:-5}}x12"#,
        r#"h{job="y"} {{schema:-53 sum:5 count:4 custom_values:[1 2 5] buckets:[1 2 1]}}x20 {{schema:-53 sum:5 count:4 custom_values:[2 7] buckets:[1 2 1]}}x9"#,
        r#"mixed{job="x"} 1 2 {{schema:-4 sum:NaN count:1 buckets:[1]}}x4 7 8 9 _x4 {{count:1}}x5 3+1x10"#,
        r#"some_info{job="x",instance="1",version="1"} 1x20 _x3 1x5"#,
        r#"{"größe.µ", "a b"="\\ \n\"", job="x"} 1x30"#,
    ];
    let mut store = MemorySeries::new();
    for line in lines {
        let Ok(description) = parse_description(line) else { continue };
        for (t_ms, item) in (0..).step_by(15_000).zip(&description.items) {
            let value = match item {
                Item::Omitted => continue,
                Item::Float(value) => SampleValue::Float(*value),
                Item::Histogram(histogram, _) => SampleValue::Histogram(Arc::clone(histogram)),
            };
            store.push_started(&description.labels, Sample { t_ms, value }, t_ms / 2);
        }
    }
    store
}

/// Options with narrow limits, and how often the query has asked.
fn bounded(delayed: bool) -> (Options, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let cancel = move || count.fetch_add(1, Ordering::Relaxed) >= MOST_QUESTIONS;
    let options = Options {
        max_samples: 100_000,
        max_series: 1_000,
        max_steps: 500,
        delayed_name_removal: delayed,
        use_start_timestamps: delayed,
        type_and_unit_labels: delayed,
        cancel: Some(Arc::new(cancel)),
        ..Options::default()
    };
    (options, asked)
}

/// A query: parsing, printing, evaluating in every mode and writing the answer end, within their bounds.
///
/// # Panics
/// Where a property does not hold.
pub fn query(store: &MemorySeries, text: &str) {
    let _ = parse_with(text, &ParseOptions::prometheus_defaults());
    let _ = parse_selector(text);
    let Ok(expr) = parse(text) else { return };
    let printed = expr.to_string();
    let again = parse(&printed).map(|again| again.to_string());
    assert_eq!(again, Ok(printed), "{text:?} is not printed as what it is");
    for (delayed, at, start, end, step) in
        [(true, 300_000, 0, 240_000, 30_000), (false, 120_000, -60_000, 600_000, 7_000)]
    {
        let (options, asked) = bounded(delayed);
        let engine = Engine::new(options);
        let instant = engine.instant(store, &expr, at);
        let range = engine.range(store, &expr, start, end, step);
        for answer in [instant, range] {
            match answer {
                Ok(answer) => {
                    let mut body = String::new();
                    mainstay_promql::json::write_answer(&mut body, &answer);
                    let read: Result<serde_json::Value, _> = serde_json::from_str(&body);
                    assert!(read.is_ok(), "{text:?} is answered with {body}");
                }
                Err(error) => {
                    let asked = asked.load(Ordering::Relaxed);
                    assert!(!matches!(error, EvalError::Cancelled), "{text:?} asked {asked} times");
                    drop(error.to_string());
                }
            }
        }
    }
}

/// A test script: reading and running it end, whatever it says.
pub fn script(text: &str) {
    let (options, _) = bounded(true);
    let report = testscript::run_with(text, &Engine::new(options));
    for outcome in &report.outcomes {
        let _ = outcome.failure.as_deref().map(str::len);
    }
    let _ = parse_description(text);
}
