//! Properties that hold for every expression: range queries agree with instant queries, printing round-trips,
//! and no text makes the engine panic.

use mainstay_promql::testscript::Item;
use mainstay_promql::testscript::parse_description;
use mainstay_promql::{
    Engine, Labels, MemorySeries, Options, ParseOptions, Sample, SampleValue, Value, parse, parse_with,
};
use proptest::prelude::*;

/// Series with gaps, ends, resets, odd numbers and both kinds of histogram.
fn series() -> MemorySeries {
    let lines = [
        r#"a_total{job="x",instance="1"} 0+3x10 2+4x10 _x8 5+1x10"#,
        r#"a_total{job="x",instance="2"} 1+1x9 stale _x2 0+7x20"#,
        r#"a_total{job="y",instance="1"} 5+0x30"#,
        r#"b{job="x",instance="1"} 1 -2 3 NaN 5 -6 +Inf 8 9 1e300 _x5 4+4x15"#,
        r#"b{job="x",instance="3"} 0-1.5x35"#,
        r#"b{job="y",instance="1"} _x10 3x10 _x6 -1+0.5x10"#,
        r#"c_bucket{le="0.1",job="x"} 0+1x35"#,
        r#"c_bucket{le="1",job="x"} 0+2x35"#,
        r#"c_bucket{le="+Inf",job="x"} 0+5x35"#,
        r#"h{job="x"} {{schema:0 sum:5 count:6 buckets:[1 2 3]}}+{{schema:0 sum:2 count:3 buckets:[1 1 1]}}x12 _x3 {{schema:1 sum:1 count:2 z_bucket:1 z_bucket_w:0.01 buckets:[1]}}x12"#,
        r#"h{job="y"} {{schema:-53 sum:5 count:4 custom_values:[1 2 5] buckets:[1 2 1]}}x20"#,
        r#"mixed{job="x"} 1 2 {{schema:0 sum:5 count:1 buckets:[1]}}x4 7 8 9 _x4 {{count:1}}x5 3+1x10"#,
        r#"some_info{job="x",instance="1",version="1"} 1x20 _x3 1x5"#,
    ];
    let mut store = MemorySeries::new();
    for line in lines {
        let description = parse_description(line).expect("line parses");
        for (i, item) in description.items.iter().enumerate() {
            let t_ms = i64::try_from(i).expect("few samples") * 15_000;
            let value = match item {
                Item::Omitted => continue,
                Item::Float(value) => SampleValue::Float(*value),
                Item::Histogram(histogram, _) => SampleValue::Histogram(histogram.clone()),
            };
            store.push(&description.labels, Sample { t_ms, value });
        }
    }
    store
}

/// The series of [`series`] many times over, so that there is work for several threads.
static MANY: std::sync::LazyLock<MemorySeries> = std::sync::LazyLock::new(|| {
    let mut many = MemorySeries::new();
    for (labels, samples) in series().iter() {
        for copy in 0..40 {
            many.insert(&labels.with("copy", &copy.to_string()), samples.clone());
        }
    }
    many
});

fn pick(words: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(words).prop_map(str::to_owned).boxed()
}

fn duration() -> impl Strategy<Value = String> {
    pick(&["15s", "30s", "1m", "100s", "2m", "5m", "7s", "1m-15s", "max_of(20s, 45s)"])
}

fn selector() -> impl Strategy<Value = String> {
    let name = pick(&[
        "a_total",
        "b",
        "c_bucket",
        "h",
        "mixed",
        "absent_metric",
        r#"{__name__=~"a.*|b"}"#,
        r#"{job="x"}"#,
        r#"b{instance!="1"}"#,
        r#"a_total{job=~"x|z"}"#,
    ]);
    let modifier =
        pick(&["", "", "", " offset 1m", " offset -30s", " @ 100", " @ 200 offset 15s", " smoothed"]);
    (name, modifier).prop_map(|(name, modifier)| format!("{name}{modifier}"))
}

fn range(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let plain = (
        pick(&["a_total", "b", "h", "mixed", r#"{job="x"}"#]),
        duration(),
        pick(&["", "", " offset 20s", " @ 150", " offset -10s"]),
    )
        .prop_map(|(name, range, modifier)| format!("{name}[{range}]{modifier}"));
    let subquery =
        (inner, duration(), pick(&["", "15s", "7s", "1m"]), pick(&["", "", " offset 10s", " @ 120"]))
            .prop_map(|(inner, range, step, modifier)| format!("({inner})[{range}:{step}]{modifier}"));
    prop_oneof![3 => plain, 1 => subquery].boxed()
}

fn scalar() -> impl Strategy<Value = String> {
    pick(&["0", "1", "2", "-1.5", "0.5", "NaN", "Inf", "time()", "pi()", "scalar(b{instance=\"3\"})", "1m"])
}

const OVER: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "avg_over_time",
    "sum_over_time",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "mad_over_time",
    "absent_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "ts_of_last_over_time",
];

const PLAIN: &[&str] = &[
    "abs",
    "ceil",
    "exp",
    "sgn",
    "ln",
    "timestamp",
    "absent",
    "histogram_count",
    "histogram_avg",
    "histogram_stddev",
    "minute",
    "day_of_week",
    "-",
    "+",
    "round",
    "vector(1) or ",
];

fn expression() -> BoxedStrategy<String> {
    let leaf = prop_oneof![4 => selector(), 1 => scalar().prop_map(|s| format!("vector({s})"))].boxed();
    leaf.prop_recursive(4, 24, 3, |inner| {
        let grouping = pick(&["", "by (job)", "without (instance)", "by (__name__, instance)", "by ()"]);
        let aggregation = pick(&["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"]);
        let with_param = (pick(&["topk", "bottomk", "quantile", "limitk", "limit_ratio"]), scalar());
        let operator = pick(&[
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            "atan2",
            "==",
            "!= bool",
            ">",
            "<= bool",
            "and",
            "or",
            "unless",
            "* on (job, instance)",
            "/ ignoring (instance)",
            "+ on (job) group_left ()",
            "and on (job)",
            "unless on (instance)",
            "or on (job)",
            "== on (job, instance) fill (0)",
            "- fill_left (1)",
            "</",
            ">/",
        ]);
        prop_oneof![
            (pick(PLAIN), inner.clone()).prop_map(|(f, e)| format!("{f}({e})")),
            (pick(OVER), range(inner.clone())).prop_map(|(f, r)| format!("{f}({r})")),
            (scalar(), range(inner.clone())).prop_map(|(s, r)| format!("quantile_over_time({s}, {r})")),
            (range(inner.clone()), scalar()).prop_map(|(r, s)| format!("predict_linear({r}, {s})")),
            (aggregation, grouping.clone(), inner.clone()).prop_map(|(a, g, e)| format!("{a} {g} ({e})")),
            (with_param, grouping, inner.clone()).prop_map(|((a, p), g, e)| format!("{a} {g} ({p}, {e})")),
            (inner.clone(), operator, inner.clone()).prop_map(|(l, o, r)| format!("({l}) {o} ({r})")),
            (inner.clone(), pick(&["+", "*", ">", "== bool", "%", "</"]), scalar())
                .prop_map(|(l, o, r)| format!("({l}) {o} {r}")),
            (scalar(), pick(&["-", "/", "<", ">= bool", "^"]), inner.clone())
                .prop_map(|(l, o, r)| format!("{l} {o} ({r})")),
            inner
                .clone()
                .prop_map(|e| format!("label_replace({e}, \"job\", \"$1-z\", \"instance\", \"(.+)\")")),
            inner.clone().prop_map(|e| format!("clamp({e}, -2, scalar(b))")),
            inner.clone().prop_map(|e| format!("info({e}, {{__name__=\"some_info\"}})")),
            (scalar(), inner.clone()).prop_map(|(s, e)| format!("histogram_quantile({s}, {e})")),
            inner.prop_map(|e| format!("count_values(\"v\", {e})")),
        ]
    })
    .boxed()
}

/// Values as text, so that NaN equals NaN and answers can be shown.
fn shown(labels: &Labels, sample: &Sample) -> (String, String) {
    let value = match &sample.value {
        // Sums may be taken in another order.
        SampleValue::Float(value) => format!("{value:.11e}"),
        SampleValue::Histogram(histogram) => histogram.to_string(),
    };
    (labels.to_string(), value)
}

fn options(delayed: bool) -> Options {
    Options { delayed_name_removal: delayed, lookback_ms: 60_000, ..Options::default() }
}

/// So many cases, or as many as `PROPTEST_CASES` asks for.
fn config(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_range_query_is_an_instant_query_at_each_step(text in expression(), delayed in any::<bool>()) {
        let store = series();
        let engine = Engine::new(options(delayed));
        let Ok(expr) = parse(&text) else { return Ok(()) };
        let (start, step, count) = (0, 20_000, 27);
        let ranged = engine.range(&store, &expr, start, start + step * (count - 1), step);
        let mut failed = false;
        for i in 0..count {
            let t = start + step * i;
            match (&ranged, engine.instant(&store, &expr, t)) {
                (_, Err(_)) => failed = true,
                // The step that fails comes later, or the steps together fail.
                (Err(_), Ok(_)) => {}
                (Ok(ranged), Ok(answer)) => {
                    let mut instant: Vec<_> =
                        answer.value.vector().iter().map(|s| shown(&s.labels, &s.sample)).collect();
                    let mut at: Vec<_> = ranged
                        .value
                        .matrix()
                        .iter()
                        .flat_map(|s| s.samples.iter().map(|sample| (&s.labels, sample)))
                        .filter(|(_, sample)| sample.t_ms == t)
                        .map(|(labels, sample)| shown(labels, sample))
                        .collect();
                    instant.sort();
                    at.sort();
                    prop_assert_eq!(&instant, &at, "{} at {}", text, t);
                }
            }
        }
        if failed {
            prop_assert!(ranged.is_err(), "{} fails at a step, but not over the range", text);
        }
    }

    #[test]
    fn printing_round_trips(text in expression()) {
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            let again = parse(&printed);
            prop_assert!(again.is_ok(), "{} was printed as {}", text, printed);
            if let Ok(again) = again {
                prop_assert_eq!(again.to_string(), printed);
            }
        }
    }

    #[test]
    fn no_text_panics(words in prop::collection::vec(pick(WORDS), 0..30), noise in ".{0,12}", spaced in any::<bool>()) {
        let mut text = words.join(if spaced { " " } else { "" });
        text.push_str(&noise);
        for options in [ParseOptions::default(), ParseOptions::prometheus_defaults()] {
            if let Ok(expr) = parse_with(&text, &options) {
                let store = series();
                let engine = Engine::new(options_for_noise());
                let _ = engine.instant(&store, &expr, 120_000);
                let _ = engine.range(&store, &expr, 0, 60_000, 30_000);
            }
        }
        let _ = mainstay_promql::testscript::run(&text);
        let _ = parse_description(&text);
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn several_threads_answer_as_one(text in expression(), delayed in any::<bool>(), most in 2_000_u64..400_000) {
        let Ok(expr) = parse(&text) else { return Ok(()) };
        let store = &*MANY;
        let ask = |parallel| {
            let options = Options { parallel, max_samples: most, ..options(delayed) };
            let engine = Engine::new(options);
            let range = engine.range(store, &expr, 0, 20_000 * 300, 20_000);
            let instant = engine.instant(store, &expr, 300_000);
            // Debug output tells floats apart to the last bit but for the payloads of NaN.
            (format!("{range:?}"), format!("{instant:?}"))
        };
        let alone = ask(1);
        prop_assert_eq!(&alone, &ask(2), "{}", text);
        prop_assert_eq!(&alone, &ask(5), "{}", text);
    }
}

fn options_for_noise() -> Options {
    Options { max_samples: 200_000, ..options(true) }
}

const WORDS: &[&str] = &[
    "a_total",
    "b",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "=",
    "=~",
    "!=",
    "\"x\"",
    "\"",
    "'",
    "`",
    ",",
    "5m",
    "1",
    "-",
    "+",
    "*",
    "/",
    "</",
    ">/",
    "^",
    "@",
    ":",
    "offset",
    "sum",
    "by",
    "rate",
    "start",
    "bool",
    "on",
    "group_left",
    "fill",
    "0x1F",
    "1e309",
    "NaN",
    "#",
    "\n",
    "\\",
    "\\xff",
    "anchored",
    "smoothed",
    "step()",
    "min_of",
    "1y",
    "info",
    "count_values",
    "histogram_quantile",
    "unless",
    "==",
    "é",
    "_",
    "~",
    "0",
    "99999999999999999999",
    "load 1m",
    "eval instant at 1m",
    "eval range from 0 to 5m step 1m",
    "{{",
    "}}",
    "x5",
    "schema:",
    "buckets:[1 2]",
    "expect fail",
    "stale",
    "@st",
];

#[test]
fn deep_and_long_queries_are_refused_not_fatal() {
    for text in [
        "(".repeat(50_000),
        "-".repeat(50_000),
        "sum(".repeat(10_000),
        format!("1{}", " + 1".repeat(100_000)),
        format!("1{}", " ^ 1".repeat(100_000)),
        format!("a{}", "[1m:]".repeat(5_000)),
        format!("a[{}1m]", "(".repeat(10_000)),
        format!("a[1m{}]", " + 1m".repeat(10_000)),
        "{".repeat(1_000),
    ] {
        assert!(parse(&text).is_err());
    }
    // What is just within the bounds evaluates on a test thread's stack.
    let store = series();
    for text in [
        format!("b{}", " + b".repeat(240)),
        format!("b{}", " + 1".repeat(240)),
        format!("{}b{}", "abs(".repeat(110), ")".repeat(110)),
    ] {
        let expr = parse(&text).expect("is within the bounds");
        let answer = Engine::default().instant(&store, &expr, 120_000).expect("evaluates");
        assert!(matches!(answer.value, Value::Vector(_)));
    }
}
