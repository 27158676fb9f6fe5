//! The PromQL engine over the store: from memory, from disk and from both.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common;

use std::time::Duration;

use common::*;
use mainstay_observe::{Options, Point, STALE_NAN, Sample, Snapshot, Telemetry};
use mainstay_promql::{Engine, MemorySeries, Sample as PromSample, Value, parse};

fn instant(snapshot: &Snapshot, query: &str, at_ms: i64) -> Value {
    let expr = parse(query).expect("is PromQL");
    Engine::default().instant(snapshot, &expr, at_ms).expect("evaluates").value
}

#[tokio::test]
async fn the_store_answers_as_the_engines_own_series_do() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let window = Options { memory_window: Duration::from_secs(120), ..options(&clock) };
    let telemetry = Telemetry::open(dir.path(), window.clone()).expect("opens");
    let mut twin = MemorySeries::new();
    for tick in 0..600_i64 {
        clock.advance(Duration::from_secs(1));
        let mut samples = Vec::new();
        for (instance, factor) in [("a", 2.0), ("b", 3.0)] {
            for code in ["200", "500"] {
                let pairs = [("__name__", "requests_total"), ("instance", instance), ("code", code)];
                let value = match (code, tick) {
                    // One series ends, another begins again from zero.
                    ("500", 400) if instance == "a" => STALE_NAN,
                    ("500", 401..) if instance == "a" => continue,
                    ("200", 300..) => (tick - 300) as f64 * factor,
                    _ => tick as f64 * factor,
                };
                let labels = labels(&pairs);
                twin.push(&labels, PromSample::float(clock.now(), value));
                samples.push(Sample { labels, t_ms: clock.now(), point: Point::Value(value) });
            }
        }
        telemetry.append_samples(samples).await.expect("stored");
    }
    let queries = [
        "requests_total",
        "sum by (code) (rate(requests_total[1m]))",
        "sum(rate(requests_total{code=~\"5..\"}[5m])) / sum(rate(requests_total[5m]))",
        "increase(requests_total{instance!=\"b\"}[9m])",
        "{code=\"200\"}",
        "count_over_time(requests_total[30s])",
        "absent(requests_total{code=\"404\"})",
        "max_over_time(rate(requests_total[30s])[5m:10s])",
    ];
    let check = |telemetry: &std::sync::Arc<Telemetry>| {
        for query in queries {
            let expr = parse(query).expect("is PromQL");
            for at in [clock.now(), clock.now() - 190_000, clock.now() - 60_000, clock.now() + 400_000] {
                let expected = Engine::default().instant(&twin, &expr, at).expect("evaluates").value;
                let found = instant(&telemetry.snapshot(), query, at);
                assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{query} at {at}");
            }
        }
    };
    check(&telemetry);
    drop(telemetry);
    let telemetry = Telemetry::open(dir.path(), window).expect("opens again");
    check(&telemetry);
    let series = |selector: &str, since| {
        let Ok(mainstay_promql::Expr::Selector(selector)) = parse(selector) else {
            unreachable!("a selector")
        };
        telemetry.series(&[&selector.matchers], since).len()
    };
    let all = telemetry.series(&[], None);
    assert!(all.is_sorted() && all.len() == 4, "{all:?}");
    assert_eq!((series("{code=\"500\"}", None), series("{code=~\".+\",instance!=\"b\"}", None)), (2, 2));
    assert_eq!((series("nothing", None), series("requests_total", Some(clock.now() + 1))), (0, 0));
}

#[tokio::test]
async fn the_result_of_a_rule_is_there_for_the_next() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    let alert = labels(&[("__name__", "ALERTS"), ("alertname", "CheckoutFailing"), ("alertstate", "firing")]);
    let rule = |point| vec![Sample { labels: alert.clone(), t_ms: clock.now(), point }];
    telemetry.append_samples(rule(Point::Value(1.0))).await.expect("stored");
    let count =
        || instant(&telemetry.snapshot(), "count(ALERTS{alertstate=\"firing\"})", clock.now()).vector().len();
    assert_eq!(count(), 1);
    clock.advance(Duration::from_secs(1));
    telemetry.append_samples(rule(Point::Value(STALE_NAN))).await.expect("stored");
    assert_eq!(count(), 0);
}
