//! The store through its public door.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common;

use std::time::Duration;

use common::*;
use mainstay_observe::{
    Batch, IngestError, LogQuery, MetricKind, MetricMetadata, OpenError, Options, Point, QueryError,
    Rejection, STALE_NAN, Sample, Telemetry, TraceQuery, is_stale,
};

#[tokio::test]
async fn what_was_acknowledged_is_read_at_once_and_after_reopening() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    let batch = Batch {
        samples: vec![
            sample("a", NOW - 2000, 1.5),
            sample("a", NOW - 1000, -0.0),
            sample("a", NOW, f64::INFINITY),
            sample("b", NOW, STALE_NAN),
            sample("b", NOW + 1, f64::NAN),
        ],
        metadata: vec![MetricMetadata {
            name: "a".to_owned(),
            kind: MetricKind::Gauge,
            unit: "seconds".to_owned(),
            help: "An a".to_owned(),
        }],
        logs: vec![log("shop", NOW, 9, "hello")],
        spans: vec![span(1, 1, 0, NOW, 5)],
    };
    let outcome = telemetry.ingest(batch).await.expect("stored");
    assert_eq!((outcome.samples, outcome.rejected_samples(), outcome.log_seq), (5, 0, 1));
    let check = |telemetry: &std::sync::Arc<Telemetry>| {
        let a = only(telemetry, "a");
        assert_eq!(a.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [NOW - 2000, NOW - 1000, NOW]);
        assert_eq!(a[1].1.to_bits(), (-0.0_f64).to_bits());
        assert_eq!(a[2].1, f64::INFINITY);
        let b = only(telemetry, "b");
        assert!(is_stale(b[0].1) && b[1].1.is_nan() && !is_stale(b[1].1));
        let metrics = telemetry.metrics();
        assert_eq!(
            (metrics[0].name.as_str(), metrics[0].unit.as_str(), metrics[0].series),
            ("a", "seconds", 1)
        );
        assert_eq!(telemetry.logs(&LogQuery::default()).expect("reads")[0].record.body, "hello");
        assert_eq!(telemetry.spans(&TraceQuery::default()).expect("reads").len(), 1);
    };
    check(&telemetry);
    drop(telemetry);
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens again");
    check(&telemetry);
    assert_eq!(*telemetry.log_sequence().borrow(), 1);
    // The first write after opening brings the recent samples back into memory; nothing doubles or goes missing.
    telemetry.append_samples(vec![sample("a", NOW + 1000, 7.0)]).await.expect("stored");
    assert_eq!(only(&telemetry, "a").len(), 4);
    assert!(telemetry.stats().samples_in_memory >= 4);
}

#[tokio::test]
async fn repeated_late_and_impossible_samples() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    let age = i64::try_from(Options::default().retention_age.as_millis()).expect("small");
    let outcome = telemetry
        .append_samples(vec![
            sample("a", NOW, 1.0),
            sample("a", NOW, 1.0),
            sample("a", NOW, 2.0),
            sample("a", NOW - 5000, 0.5),
            sample("a", NOW - age - 1, 0.5),
            sample("a", NOW + 600_001, 0.5),
            Sample { labels: labels(&[("x", "y")]), t_ms: NOW, point: Point::Value(1.0) },
        ])
        .await
        .expect("stored");
    assert_eq!(outcome.samples, 3);
    let expected = [Rejection::Duplicate, Rejection::TooOld, Rejection::TooFarAhead, Rejection::NoName];
    assert_eq!(outcome.rejected, expected.into_iter().map(|reason| (reason, 1)).collect());
    assert_eq!(only(&telemetry, "a"), [(NOW - 5000, 0.5), (NOW, 1.0)]);
}

#[tokio::test]
async fn deltas_add_up_across_restarts_and_retries() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let add = |t_ms, amount| Sample { point: Point::Add(amount), ..sample("c_total", t_ms, 0.0) };
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    telemetry.append_samples(vec![add(NOW, 2.0), add(NOW + 1000, 3.0)]).await.expect("stored");
    // The same again, as after a lost answer: it is in the sum already.
    let outcome = telemetry.append_samples(vec![add(NOW + 1000, 3.0)]).await.expect("stored");
    assert_eq!(outcome.rejected_samples(), 0);
    drop(telemetry);
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    telemetry.append_samples(vec![sample("c_total", NOW + 1500, STALE_NAN)]).await.expect("stored");
    let outcome =
        telemetry.append_samples(vec![add(NOW + 2000, 5.0), add(NOW + 500, 1.0)]).await.expect("stored");
    assert_eq!(outcome.rejected.get(&Rejection::OutOfOrderDelta), Some(&1));
    let values: Vec<f64> = only(&telemetry, "c_total").into_iter().map(|(_, value)| value).collect();
    assert_eq!((values[0], values[1], values[3]), (2.0, 5.0, 10.0));
    let twice = vec![add(NOW + 3000, 1.0), add(NOW + 3000, 1.0)];
    let outcome = telemetry.append_samples(twice).await.expect("stored");
    assert_eq!(outcome.rejected.get(&Rejection::Duplicate), Some(&1));
}

#[tokio::test]
async fn samples_beyond_the_memory_window_come_from_disk() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let window = Duration::from_secs(60);
    let telemetry =
        Telemetry::open(dir.path(), Options { memory_window: window, ..options(&clock) }).expect("opens");
    for _ in 0..300 {
        clock.advance(Duration::from_secs(1));
        telemetry.append_samples(vec![sample("a", clock.now(), 1.0)]).await.expect("stored");
    }
    assert!(telemetry.stats().samples_in_memory <= 61, "{:?}", telemetry.stats());
    assert_eq!(only(&telemetry, "a").len(), 300);
    let between = |from, to| {
        telemetry
            .snapshot()
            .samples(Some("a"), |_| true, from, to)
            .expect("reads")
            .first()
            .map_or(0, |s| s.1.len())
    };
    let end = clock.now();
    assert_eq!(between(end - 30_000, end), 31);
    assert_eq!(between(end - 100_000, end - 50_000), 51);
    assert_eq!(between(end + 1, i64::MAX), 0);
    // A late sample lands in its place, on both sides of the window.
    telemetry
        .append_samples(vec![sample("a", end - 100_500, 9.0), sample("a", end - 10_500, 8.0)])
        .await
        .expect("stored");
    assert_eq!(between(end - 100_500, end - 100_500), 1);
    assert_eq!(between(end - 11_000, end - 10_000), 3);
}

#[tokio::test]
async fn the_number_of_series_is_bounded() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), Options { max_series: 3, ..options(&clock) }).expect("opens");
    let samples: Vec<Sample> = (0..5).map(|i| sample(&format!("m{i}"), NOW, 1.0)).collect();
    let outcome = telemetry.append_samples(samples).await.expect("stored");
    assert_eq!((outcome.samples, outcome.rejected.get(&Rejection::TooManySeries)), (3, Some(&2)));
    assert_eq!(telemetry.stats().series, 3);
    assert_eq!(telemetry.append_samples(vec![sample("m0", NOW + 1, 1.0)]).await.expect("stored").samples, 1);
}

#[tokio::test]
async fn many_senders_share_commits_and_too_much_is_turned_away() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..64 {
        let telemetry = telemetry.clone();
        senders.spawn(async move {
            for i in 0..20 {
                let batch = vec![sample(&format!("s{sender}"), NOW + i, 1.0)];
                assert_eq!(telemetry.append_samples(batch).await.expect("stored").samples, 1);
            }
        });
    }
    while let Some(result) = senders.join_next().await {
        result.expect("no panic");
    }
    let stats = telemetry.stats();
    assert_eq!(stats.samples_stored, 64 * 20);
    assert!(stats.commits < 64 * 20, "{stats:?}");
    drop(telemetry);

    let small = Options { max_waiting_bytes: 10_000, ..options(&clock) };
    let telemetry = Telemetry::open(dir.path(), small).expect("opens");
    let answers = futures_of(&telemetry, 500).await;
    let refused =
        answers.iter().filter(|answer| matches!(answer, Err(IngestError::Overloaded { .. }))).count();
    let stored = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(refused > 0 && stored > 0 && refused + stored == 500, "{refused} refused, {stored} stored");
    assert_eq!(telemetry.stats().overloaded, refused as u64);
    // What was stored and only that is there.
    assert_eq!(
        telemetry.logs(&LogQuery { limit: 10_000, ..LogQuery::default() }).expect("reads").len(),
        stored
    );
}

/// Sends many batches at once from one thread, so that they pile up.
async fn futures_of(
    telemetry: &std::sync::Arc<Telemetry>,
    count: i64,
) -> Vec<Result<mainstay_observe::Outcome, IngestError>> {
    let mut senders = tokio::task::JoinSet::new();
    for i in 0..count {
        let telemetry = telemetry.clone();
        senders.spawn(
            async move { telemetry.ingest(logs(vec![log("x", NOW + i, 9, &"y".repeat(2000))])).await },
        );
    }
    senders.join_all().await
}

#[tokio::test]
async fn logs_are_found_and_followed() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    let mut follower = telemetry.log_sequence();
    let mut traced = log("payments", NOW + 3, 17, "card declined");
    traced.trace_id = "ab".repeat(16);
    let records = vec![
        log("checkout", NOW, 9, "order 1 taken"),
        log("payments", NOW + 1, 9, "charging"),
        log("payments", NOW + 2, 13, "pool is nearly empty: 100% used_up"),
        traced,
    ];
    telemetry.ingest(logs(records)).await.expect("stored");
    follower.changed().await.expect("open");
    assert_eq!(*follower.borrow_and_update(), 4);
    let find = |query: LogQuery| -> Vec<u64> {
        telemetry.logs(&query).expect("reads").into_iter().map(|entry| entry.seq).collect()
    };
    let query = LogQuery::default;
    assert_eq!(find(LogQuery { service: Some("payments".to_owned()), ..query() }), [2, 3, 4]);
    assert_eq!(find(LogQuery { severity_at_least: Some(13), ..query() }), [3, 4]);
    assert_eq!(find(LogQuery { contains: Some("100% used_".to_owned()), ..query() }), [3]);
    assert_eq!(find(LogQuery { trace: Some("AB".repeat(16)), ..query() }), [4]);
    assert_eq!(find(LogQuery { since_ms: Some(NOW + 1), until_ms: Some(NOW + 3), ..query() }), [2, 3]);
    assert_eq!(find(LogQuery { limit: 2, ..query() }), [3, 4], "the newest without `after`");
    assert_eq!(find(LogQuery { limit: 2, after: Some(1), ..query() }), [2, 3], "the next with `after`");
    let entry = &telemetry.logs(&LogQuery { after: Some(3), ..query() }).expect("reads")[0];
    assert_eq!(entry.record.attributes, serde_json::json!({"k": "v"}));
}

#[tokio::test]
async fn traces_are_trees_whatever_the_sender_does() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    let good = vec![
        span(1, 3, 2, NOW + 20, 10),
        span(1, 1, 0, NOW, 100),
        span(1, 2, 1, NOW + 10, 50),
        span(1, 4, 1, NOW + 5, 5),
        span(1, 5, 99, NOW + 7, 5),
    ];
    telemetry.ingest(spans(good.clone())).await.expect("stored");
    telemetry.ingest(spans(good)).await.expect("stored again, as after a lost answer");
    let trace = telemetry.trace(&"01".repeat(16)).expect("reads").expect("there");
    assert_eq!((trace.spans, trace.duration_ns, trace.roots.len()), (5, 100_000_000, 2));
    let root = &trace.roots[0];
    assert_eq!(
        root.children.iter().map(|node| node.span.name.as_str()).collect::<Vec<_>>(),
        ["work-4", "work-2"]
    );
    assert_eq!(root.children[1].children[0].offset_ns, 20_000_000);
    assert!(trace.roots[1].orphan && !root.orphan);
    let summary = &telemetry.spans(&TraceQuery::default()).expect("reads")[0];
    assert_eq!((summary.service.as_str(), summary.errors, summary.has_root), ("service-1", 1, true));

    // A ring, a span that is its own parent, and a chain deeper than anyone recurses.
    telemetry
        .ingest(spans(vec![span(2, 1, 2, NOW, 1), span(2, 2, 1, NOW, 1), span(2, 4, 4, NOW, 1)]))
        .await
        .expect("stored");
    assert_eq!(count(&telemetry.trace(&"02".repeat(16)).expect("reads").expect("there").roots), 3);
    let chain = (0..5000u32).map(|i| {
        let mut link = span(3, 1, 0, NOW + i64::from(i), 1);
        link.span_id = format!("{:016x}", i + 1);
        link.parent_span_id = if i == 0 { String::new() } else { format!("{i:016x}") };
        link
    });
    telemetry.ingest(spans(chain.collect())).await.expect("stored");
    let deep = telemetry.trace(&"03".repeat(16)).expect("reads").expect("there");
    assert_eq!(count(&deep.roots), 5000);
    assert!(serde_json::to_string(&deep).is_ok());

    let find = |query: TraceQuery| telemetry.spans(&query).expect("reads").len();
    assert_eq!(find(TraceQuery::default()), 3);
    assert_eq!(find(TraceQuery { errors_only: true, ..TraceQuery::default() }), 1);
    assert_eq!(find(TraceQuery { min_duration_ms: Some(50), ..TraceQuery::default() }), 1);
    assert_eq!(find(TraceQuery { service: Some("service-4".to_owned()), ..TraceQuery::default() }), 2);
    assert_eq!(find(TraceQuery { limit: 2, ..TraceQuery::default() }), 2);
    assert!(matches!(telemetry.trace("xyz"), Err(QueryError::Invalid(_))));
    assert!(telemetry.trace(&"0f".repeat(16)).expect("reads").is_none());
}

fn count(nodes: &[mainstay_observe::TraceNode]) -> usize {
    nodes.iter().map(|node| 1 + count(&node.children)).sum()
}

#[tokio::test]
async fn what_cannot_be_opened_is_said() {
    let dir = tempfile::tempdir().expect("tempdir");
    let open = || Telemetry::open(dir.path(), options(&HandClock::new()));
    let first = open().expect("opens");
    assert!(matches!(open(), Err(OpenError::InUse { .. })));
    first
        .append_samples((0..5000).map(|i| sample(&format!("m{i}"), NOW, 1.0)).collect())
        .await
        .expect("stored");
    drop(first);
    drop(open().expect("opens again"));

    let file = dir.path().join("telemetry.db");
    let good = std::fs::read(&file).expect("reads");
    // A page overwritten in the middle, a file that is not a database, and an empty one with a later version.
    let mut torn = good.clone();
    torn[8192..good.len() / 2].fill(0x5a);
    std::fs::write(&file, torn).expect("writes");
    let error = open().expect_err("damaged");
    assert!(matches!(&error, OpenError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("restore"), "{error}");
    std::fs::write(&file, "not a database at all".repeat(1000)).expect("writes");
    assert!(matches!(open(), Err(OpenError::Corrupt { .. })));
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(&file, newer).expect("writes");
    assert!(matches!(open(), Err(OpenError::Newer { found: 99, .. })), "{:?}", open());
    std::fs::write(&file, &good).expect("writes");
    assert!(open().is_ok());

    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "x").expect("writes");
    let error =
        Telemetry::open(blocked.join("sub"), options(&HandClock::new())).expect_err("not a directory");
    assert!(matches!(error, OpenError::Directory { .. }), "{error:?}");
}
