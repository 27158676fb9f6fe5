//! Twenty queries, instant and range, over 10,000 series of 6 hours (`PROMQL_SERIES` sets another number).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mainstay_promql::{Engine, Labels, MemorySeries, Samples, parse};

const STEP_MS: i64 = 15_000;
const SAMPLES: i64 = 6 * 3600 * 1000 / STEP_MS;

const QUERIES: &[&str] = &[
    "up",
    "http_requests_total",
    "rate(http_requests_total[5m])",
    "sum(rate(http_requests_total[5m]))",
    "sum by (job) (rate(http_requests_total[5m]))",
    "sum without (instance) (rate(http_requests_total[5m]))",
    "topk(10, rate(http_requests_total[5m]))",
    "sum by (job) (rate(http_requests_total{code=~\"5..\"}[5m])) / sum by (job) (rate(http_requests_total[5m]))",
    "http_requests_total / on (job, instance, code) http_requests_total",
    "up * on (job, instance) group_right () http_requests_total",
    "avg_over_time(up[10m])",
    "max_over_time(up[1h])",
    "quantile_over_time(0.9, up[10m])",
    "quantile by (job) (0.9, up)",
    "histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))",
    "max_over_time(sum(rate(http_requests_total[5m]))[30m:1m])",
    "count by (job) (up == 1)",
    "stddev by (job) (http_requests_total)",
    "label_replace(up, \"host\", \"$1\", \"instance\", \"(.*):.*\")",
    "increase(http_requests_total[1h]) > 100",
];

/// A fixed sequence of numbers that looks random enough for values.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[allow(clippy::cast_precision_loss, reason = "any number will do")]
        let unit = (self.0 >> 11) as f64 / (1u64 << 53) as f64;
        unit
    }
}

fn store(series: usize) -> MemorySeries {
    let mut store = MemorySeries::new();
    let mut numbers = Numbers(88_172_645_463_325_252);
    let times: Vec<i64> = (0..=SAMPLES).map(|i| i * STEP_MS).collect();
    let mut add = |labels: &[(&str, &str)], counter: bool| {
        let mut total = 0.0;
        let values = times
            .iter()
            .map(|_| {
                let x = numbers.next();
                if !counter {
                    return f64::from(u8::from(x > 0.01));
                }
                total = if x < 0.001 { 0.0 } else { total + (x * 20.0).floor() };
                total
            })
            .collect();
        store
            .insert(&Labels::from_pairs(labels.iter().copied()), Samples::from_floats(times.clone(), values));
    };
    let instances = (series / 10).max(1);
    for i in 0..instances {
        let (job, instance) = (format!("job-{}", i % 20), format!("host-{i}:9100"));
        let base = [("job", job.as_str()), ("instance", instance.as_str())];
        add(&[base[0], base[1], ("__name__", "up")], false);
        for code in ["200", "201", "404", "500", "503"] {
            add(&[base[0], base[1], ("__name__", "http_requests_total"), ("code", code)], true);
        }
        for le in ["0.1", "0.5", "1", "+Inf"] {
            add(&[base[0], base[1], ("__name__", "latency_bucket"), ("le", le)], true);
        }
    }
    store
}

fn queries(c: &mut Criterion) {
    let series = std::env::var("PROMQL_SERIES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let store = store(series);
    let engine = Engine::default();
    let end = SAMPLES * STEP_MS;
    for (kind, step) in [("instant", None), ("range", Some(60_000))] {
        let mut group = c.benchmark_group(kind);
        group.sample_size(10).warm_up_time(std::time::Duration::from_millis(100));
        group.measurement_time(std::time::Duration::from_millis(500));
        for query in QUERIES {
            let expr = parse(query).expect("query parses");
            group.bench_function(*query, |b| {
                b.iter(|| match step {
                    None => black_box(engine.instant(&store, &expr, end).expect("evaluates")),
                    Some(step) => black_box(engine.range(&store, &expr, 0, end, step).expect("evaluates")),
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, queries);
criterion_main!(benches);
