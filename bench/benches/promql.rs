//! Twenty PromQL queries, instant and range, beside a real Prometheus over the same samples: 10,000 series, 6 hours at
//! 15 seconds. Prometheus answers over one kept HTTP connection on loopback; we evaluate in process and write the body
//! that its API has.
//!
//! `cargo bench -p mainstay-bench --bench promql`; needs `prometheus` on the path. `BENCH_SERIES` (10,000),
//! `BENCH_ROUNDS` (11): how often each range query is asked, an instant query ten times as often. Words after `--`
//! choose queries that contain one of them. `BENCH_KIND` (`instant` or `range`) leaves
//! the other out, `BENCH_ALONE=1` leaves Prometheus out, for a profiler.
//!
//! Both sides are asked in turn in each round, so that a busy machine disturbs both; beside the time on the clock stands
//! the time that the processors computed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mainstay_bench::{Failure, process, process::Memory, variable};
use mainstay_promql::{Engine, Expr, Labels, MemorySeries, Samples, parse};

#[path = "../../crates/promql/tests/compliance/answer.rs"]
mod answer;
#[path = "../../crates/promql/tests/compliance/prometheus.rs"]
mod prometheus;

use prometheus::Prometheus;

const QUERIES: [&str; 20] = [
    "http_requests_total",
    "rate(http_requests_total[5m])",
    "sum by (job) (rate(http_requests_total[5m]))",
    "sum(rate(http_requests_total{code=~\"5..\"}[5m])) / sum(rate(http_requests_total[5m]))",
    "histogram_quantile(0.99, sum by (job, le) (rate(latency_seconds_bucket[5m])))",
    "topk(10, rate(latency_seconds_sum[5m]))",
    "sum by (job, version) (rate(http_requests_total[5m]) * on (instance) group_left (version) instance_info)",
    "memory_bytes / memory_bytes offset 1h",
    "avg_over_time(memory_bytes[30m])",
    "max_over_time(temperature_celsius[1h])",
    "quantile_over_time(0.9, temperature_celsius[30m])",
    "max_over_time(sum by (job) (rate(http_requests_total[5m]))[30m:1m])",
    "quantile by (job) (0.95, memory_bytes)",
    "label_replace(up, \"host\", \"$1\", \"instance\", \"(.*):.*\")",
    "memory_bytes > 3e9",
    "absent(up{job=\"job-3\"})",
    "count_values(\"degrees\", round(temperature_celsius))",
    "deriv(temperature_celsius[15m])",
    "predict_linear(memory_bytes[1h], 3600) < 0",
    "increase(latency_seconds_count[1h])",
];

const START_MS: i64 = 1_700_000_000_000;
const INTERVAL_MS: i64 = 15_000;
const SPAN_MS: i64 = 6 * 3600 * 1000;
const STEP_MS: i64 = 60_000;
/// Off the samples' instants, because Prometheus 2 and 3 differ on samples that lie just on a window's edge.
const OFF_MS: i64 = 7_000;

/// A fixed sequence of numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    /// A number from 0 up to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Twenty series for each instance.
fn store(series: usize) -> MemorySeries {
    let mut store = MemorySeries::new();
    let mut numbers = Numbers(88_172_645_463_325_252);
    for i in 0..series.div_ceil(20) {
        let (job, instance) = (format!("job-{}", i % 20), format!("host-{i}.example:9100"));
        // Each target is scraped at an instant of its own.
        let jitter = i as i64 * 37 % INTERVAL_MS;
        let times: Vec<i64> =
            (0..SPAN_MS / INTERVAL_MS).map(|n| START_MS + n * INTERVAL_MS + jitter).collect();
        let mut add = |name: &str, label: (&str, &str), next: &mut dyn FnMut() -> f64| {
            let labels = [("__name__", name), ("job", &job), ("instance", &instance), label];
            let values = times.iter().map(|_| next()).collect();
            store.insert(&Labels::from_pairs(labels), Samples::from_floats(times.clone(), values));
        };
        add("up", ("", ""), &mut || f64::from(u8::from(numbers.next() > 0.01)));
        add("instance_info", ("version", ["1.0.0", "1.1.0", "2.0.0"][i % 3]), &mut || 1.0);
        add("memory_bytes", ("", ""), &mut || (2e9 + 1.5e9 * numbers.next()).floor());
        let mut degrees = 20.0;
        add("temperature_celsius", ("", ""), &mut || {
            degrees += (numbers.next() * 10.0).round() / 10.0 - 0.5;
            degrees
        });
        for (code, pace) in [("200", 200.0), ("404", 10.0), ("500", 3.0), ("503", 0.5)] {
            // The counters run already: how Prometheus 2 and 3 extrapolate towards zero differs, too.
            let mut total = 1e5;
            add("http_requests_total", ("code", code), &mut || {
                total = if numbers.next() < 0.0005 { 0.0 } else { total + (numbers.next() * pace).floor() };
                total
            });
        }
        let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
        let seed = numbers.0;
        for (n, bound) in bounds.iter().enumerate() {
            // One sequence for all buckets, so that they are cumulative.
            let (mut same, mut total) = (Numbers(seed), 1e6);
            add("latency_seconds_bucket", ("le", bound), &mut || {
                total += (same.next() * 100.0).floor() * (n + 1) as f64;
                total
            });
        }
        let (mut count, mut sum) = (1e6, 1e5);
        add("latency_seconds_count", ("", ""), &mut || {
            count += (numbers.next() * 1000.0).floor();
            count
        });
        add("latency_seconds_sum", ("", ""), &mut || {
            sum += numbers.next() * 100.0;
            sum
        });
    }
    store
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// One query, instant or range.
struct Case {
    query: &'static str,
    expr: Expr,
    range: bool,
    /// Seconds on the clock, one for each time it was asked.
    ours: Vec<f64>,
    theirs: Vec<f64>,
    our_cpu: Duration,
    their_cpu: Duration,
    /// One for each round.
    ratios: Vec<f64>,
    bytes: usize,
}

fn at(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

impl Case {
    fn new(query: &'static str, range: bool) -> Result<Self, Failure> {
        let expr = parse(query).map_err(|errors| format!("{query}: {errors:?}"))?;
        Ok(Self {
            query,
            expr,
            range,
            ours: Vec::new(),
            theirs: Vec::new(),
            our_cpu: Duration::ZERO,
            their_cpu: Duration::ZERO,
            ratios: Vec::new(),
            bytes: 0,
        })
    }

    fn ask_us(&self, engine: &Engine, store: &MemorySeries) -> Result<String, Failure> {
        let (start, end) = (START_MS + OFF_MS, START_MS + SPAN_MS + OFF_MS);
        let answer = if self.range {
            engine.range(store, &self.expr, start, end, STEP_MS)?
        } else {
            engine.instant(store, &self.expr, end)?
        };
        let mut body = String::new();
        mainstay_promql::json::write_answer(&mut body, &answer);
        Ok(body)
    }

    fn ask_them(&self, server: &mut Prometheus) -> Result<Vec<u8>, Failure> {
        let (start, end) = (at(START_MS + OFF_MS), at(START_MS + SPAN_MS + OFF_MS));
        let response = if self.range {
            let times = [("start", &*start), ("end", &*end), ("step", "60")];
            server.get("/api/v1/query_range", &[&[("query", self.query)], times.as_slice()].concat())?
        } else {
            server.get("/api/v1/query", &[("query", self.query), ("time", &end)])?
        };
        if response.status != 200 {
            return Err(format!("{}: {}", self.query, String::from_utf8_lossy(&response.body)).into());
        }
        Ok(response.body)
    }

    /// Both sides in turn; who begins alternates.
    fn round(
        &mut self,
        engine: &Engine,
        store: &MemorySeries,
        server: &mut Prometheus,
        n: usize,
    ) -> Result<(), Failure> {
        let times = if self.range { 1 } else { 10 };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for side in [n % 2, (n + 1) % 2] {
            let cpu = process::cpu_time("self");
            let their_cpu = process::cpu_time(&server.pid().to_string());
            for _ in 0..times {
                let start = now();
                if side == 0 {
                    self.bytes = black_box(self.ask_us(engine, store)?).len();
                    ours.push(start.elapsed().as_secs_f64());
                } else {
                    black_box(self.ask_them(server)?);
                    theirs.push(start.elapsed().as_secs_f64());
                }
            }
            if side == 0 {
                self.our_cpu += process::cpu_time("self").saturating_sub(cpu);
            } else {
                self.their_cpu += process::cpu_time(&server.pid().to_string()).saturating_sub(their_cpu);
            }
        }
        self.ratios.push(quantile(&theirs, 0.5) / quantile(&ours, 0.5));
        self.ours.append(&mut ours);
        self.theirs.append(&mut theirs);
        Ok(())
    }

    /// Nothing where a query computes too little for the kernel to see it.
    fn cpu_ratio(&self) -> Option<f64> {
        let ours = self.our_cpu.as_secs_f64();
        (ours > 0.001).then(|| self.their_cpu.as_secs_f64() / ours)
    }

    fn print(&self) {
        let ms = |values: &[f64], q| quantile(values, q) * 1000.0;
        let each = |cpu: Duration, n: usize| cpu.as_secs_f64() * 1000.0 / n as f64;
        println!(
            "{:>9.2} {:>9.2} {:>9.2} | {:>9.2} {:>9.2} {:>9.2} | {:>6.1}x {:>7} {:>10}  {}",
            ms(&self.theirs, 0.5),
            ms(&self.theirs, 0.99),
            each(self.their_cpu, self.theirs.len()),
            ms(&self.ours, 0.5),
            ms(&self.ours, 0.99),
            each(self.our_cpu, self.ours.len()),
            quantile(&self.ratios, 0.5),
            self.cpu_ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}x")),
            self.bytes,
            self.query
        );
    }
}

/// The value at a rank, 0 to 1 (nearest rank).
fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn summary(name: &str, cases: &[&Case]) {
    let wall: Vec<f64> = cases.iter().map(|case| quantile(&case.ratios, 0.5)).collect();
    let cpu: Vec<f64> = cases.iter().filter_map(|case| case.cpu_ratio()).collect();
    let slower = wall.iter().filter(|ratio| **ratio < 1.0).count();
    println!(
        "{name}: {} queries, median {:.1}x (computed {:.1}x), least {:.1}x (computed {:.1}x), {slower} slower",
        cases.len(),
        quantile(&wall, 0.5),
        quantile(&cpu, 0.5),
        quantile(&wall, 0.0),
        quantile(&cpu, 0.0),
    );
}

/// The engine alone, again and again, for a profiler.
fn alone(cases: &[Case], store: &MemorySeries, rounds: usize, before: Memory) -> Result<(), Failure> {
    let (engine, loaded) = (Engine::default(), process::memory("self"));
    for case in cases {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let start = now();
            black_box(case.ask_us(&engine, store)?);
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        let kind = if case.range { "range" } else { "instant" };
        println!("{:>9.2} ms  {kind:<8} {}", quantile(&times, 0.5), case.query);
    }
    let end = process::memory("self");
    println!(
        "memory of mainstay, MB: {:.0} loaded, {:.0} after the queries, {:.0} at most",
        megabytes(loaded.resident.saturating_sub(before.resident)),
        megabytes(end.resident.saturating_sub(before.resident)),
        megabytes(end.peak.saturating_sub(before.resident)),
    );
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn main() -> Result<(), Failure> {
    let (series, rounds) = (variable("BENCH_SERIES", 10_000)?, variable("BENCH_ROUNDS", 11)?);
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut cases = Vec::new();
    let kind = std::env::var("BENCH_KIND").unwrap_or_default();
    for range in [false, true].into_iter().filter(|range| kind != if *range { "instant" } else { "range" }) {
        for query in QUERIES {
            if words.is_empty() || words.iter().any(|word| query.contains(word.as_str())) {
                cases.push(Case::new(query, range)?);
            }
        }
    }
    let before = process::memory("self");
    let store = store(series);
    if std::env::var_os("BENCH_ALONE").is_some() {
        return alone(&cases, &store, rounds, before);
    }
    let Some(program) = prometheus::find("prometheus") else {
        println!("skipped: no prometheus");
        return Ok(());
    };
    let samples: usize = store.iter().map(|(_, samples)| samples.len()).sum();
    println!(
        "mainstay {}; prometheus {}; {} processors; {} series, {samples} samples, {rounds} rounds",
        env!("CARGO_PKG_VERSION"),
        prometheus::version(&program),
        std::thread::available_parallelism()?,
        store.len(),
    );
    let folder = tempfile::tempdir()?;
    // All six hours stay in the server's head: it has them in memory as we do, and compacts nothing meanwhile.
    let flags = ["--storage.tsdb.min-block-duration=1d", "--storage.tsdb.max-block-duration=1d"];
    let mut server = Prometheus::start(&program, folder.path(), &flags)?;
    println!("prometheus {} and retention.time=100y, else defaults; engine: defaults", flags.join(" "));
    let start = now();
    server.write(&store.iter().collect::<Vec<_>>())?;
    println!("written by remote write in {:.0} s", start.elapsed().as_secs_f64());
    let engine = Engine::default();
    for case in &cases {
        // A fast wrong answer is none.
        let (ours, theirs) = (case.ask_us(&engine, &store)?, case.ask_them(&mut server)?);
        answer::compare(&answer::theirs(ours.as_bytes()), &answer::theirs(&theirs), 1e-9)
            .map_err(|difference| format!("{}: {difference}", case.query))?;
    }
    let pid = server.pid().to_string();
    let theirs_ready = process::memory(&pid);
    for n in 0..rounds {
        for case in &mut cases {
            case.round(&engine, &store, &mut server, n)?;
        }
    }
    println!(
        "\n{:^29} | {:^29} |\n{:>9} {:>9} {:>9} | {:>9} {:>9} {:>9} | {:>7} {:>7} {:>10}  query",
        "prometheus, ms",
        "mainstay, ms",
        "median",
        "p99",
        "computed",
        "median",
        "p99",
        "computed",
        "clock",
        "cpu",
        "bytes"
    );
    for (name, range) in [("instant", false), ("range", true)] {
        println!("{name}");
        cases.iter().filter(|case| case.range == range).for_each(Case::print);
    }
    println!();
    for (name, range) in [("instant", false), ("range 6h/1m", true)] {
        summary(name, &cases.iter().filter(|case| case.range == range).collect::<Vec<_>>());
    }
    summary("all", &cases.iter().collect::<Vec<_>>());
    let their_end = process::memory(&pid);
    println!(
        "memory of prometheus, MB: {:.0} loaded, {:.0} after the queries, {:.0} at most",
        megabytes(theirs_ready.resident),
        megabytes(their_end.resident),
        megabytes(their_end.peak),
    );
    // In a process of its own, because comparing the answers took memory in this one.
    let own = std::process::Command::new(std::env::current_exe()?)
        .args(&words)
        .env("BENCH_ALONE", "1")
        .env("BENCH_ROUNDS", "1")
        .output()?;
    println!("{}", String::from_utf8_lossy(&own.stdout).lines().last().unwrap_or_default());
    Ok(())
}
