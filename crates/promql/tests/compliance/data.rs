//! The series that both engines are asked about: the shapes that the queries of the compliance suite expect, made by
//! arithmetic alone so that every run sees the same.

use mainstay_promql::{Labels, MemorySeries, Sample, stale_marker};

/// The first instant with data.
pub const START_MS: i64 = 1_700_000_000_000;
/// How far the data goes. Below two hours, so that the server keeps it all in its head.
pub const SPAN_MS: i64 = 110 * 60 * 1000;
/// The time between two samples of a series.
pub const INTERVAL_MS: i64 = 5_000;
/// How far the samples of the three instances are off whole seconds. No two agree, as with real scrapes.
pub const JITTER_MS: [i64; 3] = [1_234, 2_567, 4_011];

const INSTANCES: [&str; 3] =
    ["demo.promlabs.com:10000", "demo.promlabs.com:10001", "demo.promlabs.com:10002"];

/// A fixed sequence of numbers (xorshift).
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 up to 1.
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Builder {
    store: MemorySeries,
    seed: u64,
}

impl Builder {
    /// Adds a series for an instance; `value` answers nothing where the series has no sample.
    fn add(
        &mut self,
        instance: usize,
        name: &str,
        labels: &[(&str, &str)],
        mut value: impl FnMut(i64, &mut Numbers) -> Option<f64>,
    ) {
        self.seed += 1;
        let mut numbers = Numbers::new(self.seed);
        let fixed = [("__name__", name), ("instance", INSTANCES[instance]), ("job", "demo")];
        let labels = Labels::from_pairs(fixed.iter().chain(labels).copied());
        for i in 0..SPAN_MS / INTERVAL_MS {
            if let Some(value) = value(i, &mut numbers) {
                let t_ms = START_MS + i * INTERVAL_MS + JITTER_MS[instance];
                self.store.push(&labels, Sample::float(t_ms, value));
            }
        }
    }

    /// A counter that begins anew now and then.
    fn counter(&mut self, instance: usize, name: &str, labels: &[(&str, &str)], pace: f64, resets: f64) {
        let mut total = 0.0;
        self.add(instance, name, labels, |_, numbers| {
            total = if numbers.next() < resets { 0.0 } else { total + numbers.next() * pace };
            Some(total)
        });
    }

    fn gauges(&mut self, instance: usize) {
        for (n, kind) in ["buffers", "cached", "free", "used"].into_iter().enumerate() {
            let base = 1e9 * (n as f64 + 1.0) + 1e7 * instance as f64;
            self.add(instance, "demo_memory_usage_bytes", &[("type", kind)], |_, numbers| {
                Some((base + 2e8 * numbers.next()).floor())
            });
        }
        let cpus = [4.0, 8.0, 16.0][instance];
        self.add(instance, "demo_num_cpus", &[], |_, _| Some(cpus));
        self.add(instance, "demo_disk_total_bytes", &[], |_, _| Some(250e9));
        self.add(instance, "demo_disk_usage_bytes", &[], |i, numbers| {
            Some(1e11 + i as f64 * 1e5 * (1.0 + numbers.next()))
        });
        self.add(instance, "demo_batch_last_success_timestamp_seconds", &[], |i, _| {
            let t = START_MS / 1000 + i * INTERVAL_MS / 1000;
            Some((t - t % (300 + 60 * instance as i64)) as f64)
        });
        // Present for eight minutes, marked as ended, and back after four more; the third ends without a marker.
        self.add(instance, "demo_intermittent_metric", &[], |i, numbers| match i % 144 {
            0..96 => Some(numbers.next()),
            96 if instance < 2 => Some(stale_marker()),
            _ => None,
        });
        // Values that arithmetic treats in ways of their own, and gaps longer than the lookback.
        self.add(instance, "demo_odd_values", &[("kind", "strange")], |i, numbers| match i % 200 {
            10 => Some(f64::NAN),
            20 => Some(f64::INFINITY),
            30 => Some(f64::NEG_INFINITY),
            40 => Some(-0.0),
            50 => Some(1e-310),
            60 => Some(1.7e308),
            100..180 => None,
            _ => Some(numbers.next() * 2e3 - 1e3),
        });
        self.add(
            instance,
            "demo_is_holiday",
            &[("empty", ""), ("text", "caf\u{e9} \"quoted\"\n")],
            |i, _| Some(f64::from(u8::from(i % 100 < 30))),
        );
    }

    fn counters(&mut self, instance: usize) {
        for (n, mode) in ["idle", "system", "user"].into_iter().enumerate() {
            let labels = [("mode", mode)];
            self.counter(instance, "demo_cpu_usage_seconds_total", &labels, 1.0 + n as f64, 0.004);
        }
        // A counter that vanishes with a marker and comes back from zero, as after a restart.
        let mut total = 0.0;
        self.add(instance, "demo_items_shipped_total", &[], |i, numbers| match i % 300 {
            250 => Some(stale_marker()),
            251..270 => {
                total = 0.0;
                None
            }
            _ => {
                total += (numbers.next() * 20.0).floor();
                Some(total)
            }
        });
    }

    fn histograms(&mut self, instance: usize) {
        for (method, path, status) in
            [("GET", "/api/foo", "200"), ("GET", "/api/foo", "500"), ("POST", "/api/bar", "200")]
        {
            let bounds = ["0.0001", "0.001", "0.01", "0.1", "1", "+Inf"];
            // All buckets follow one sequence, so that they are cumulative at every instant.
            let seed = 1000 + instance as u64 * 10 + path.len() as u64 + u64::from(status == "500");
            for part in 0..bounds.len() + 2 {
                let mut numbers = Numbers::new(seed);
                let (mut counts, mut sum) = ([0.0_f64; 6], 0.0);
                let labels = [("method", method), ("path", path), ("status", status)];
                let next = |i: i64, _: &mut Numbers| {
                    if i % 900 == 899 {
                        (counts, sum) = ([0.0; 6], 0.0);
                    }
                    for _ in 0..5 {
                        let taken = numbers.next().powi(4) * 2.0;
                        sum += taken;
                        for (count, bound) in
                            counts.iter_mut().zip([1e-4, 1e-3, 1e-2, 0.1, 1.0, f64::INFINITY])
                        {
                            *count += f64::from(u8::from(taken <= bound));
                        }
                    }
                    Some(match part {
                        6 => counts[5],
                        7 => sum,
                        bucket => counts[bucket],
                    })
                };
                let family = "demo_api_request_duration_seconds";
                match part {
                    6 => self.add(instance, &format!("{family}_count"), &labels, next),
                    7 => self.add(instance, &format!("{family}_sum"), &labels, next),
                    bucket => {
                        let with_bound = [labels[0], labels[1], labels[2], ("le", bounds[bucket])];
                        self.add(instance, &format!("{family}_bucket"), &with_bound, next);
                    }
                }
            }
        }
    }
}

/// All series.
pub fn series() -> MemorySeries {
    let mut builder = Builder { store: MemorySeries::new(), seed: 0 };
    for instance in 0..INSTANCES.len() {
        builder.gauges(instance);
        builder.counters(instance);
        builder.histograms(instance);
    }
    // Jobs that hold all of something else, for joins of one to many.
    let info = [("version", "1.2.3"), ("revision", "abc"), ("goversion", "go1.22")];
    for instance in 0..INSTANCES.len() {
        builder.add(instance, "demo_build_info", &info[..=instance], |_, _| Some(1.0));
    }
    builder.store
}
