//! Old telemetry goes by age, by size and before the disk is full.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common;

use std::time::Duration;

use common::*;
use mainstay_observe::{Batch, IngestError, LogQuery, Options, Telemetry, TraceQuery};

#[tokio::test]
async fn what_is_too_old_goes_while_new_telemetry_comes_in() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let age = Duration::from_secs(3600);
    let telemetry =
        Telemetry::open(dir.path(), Options { retention_age: age, ..options(&clock) }).expect("opens");
    let fill = |offset: i64| Batch {
        samples: (0..20_000)
            .map(|i| sample(if i % 2 == 0 { "old" } else { "both" }, NOW + offset + i, 1.0))
            .collect(),
        logs: (0..3000).map(|i| log("x", NOW + offset + i, 9, "line")).collect(),
        spans: (1..200).map(|i| span(i, 1, 0, NOW + offset, 1)).collect(),
        ..Batch::default()
    };
    telemetry.ingest(fill(0)).await.expect("stored");
    clock.advance(Duration::from_secs(1800));
    telemetry.append_samples(vec![sample("both", clock.now(), 2.0)]).await.expect("stored");
    telemetry.ingest(logs(vec![log("y", clock.now(), 9, "newer")])).await.expect("stored");
    clock.advance(Duration::from_secs(1900));
    let (retained, stored) = tokio::join!(
        telemetry.enforce_retention(),
        telemetry.append_samples(vec![sample("new", clock.now(), 1.0)])
    );
    retained.expect("ran");
    assert_eq!(stored.expect("stored while retention ran").samples, 1);
    assert!(read(&telemetry, "old").is_empty());
    assert_eq!(only(&telemetry, "both").len(), 1);
    assert_eq!(telemetry.stats().series, 2, "a series without samples is forgotten");
    assert_eq!(telemetry.logs(&LogQuery::default()).expect("reads").len(), 1);
    assert!(telemetry.spans(&TraceQuery::default()).expect("reads").is_empty());
    assert_eq!(telemetry.stats().rows_expired, 20_000 + 3000 + 199);
    // Sequence numbers go on, so that no follower sees one twice.
    let outcome = telemetry.ingest(logs(vec![log("y", clock.now(), 9, "next")])).await.expect("stored");
    assert_eq!(outcome.log_seq, 3002);
    // The series that was forgotten can come back.
    telemetry.append_samples(vec![sample("old", clock.now(), 3.0)]).await.expect("stored");
    assert_eq!(only(&telemetry, "old").len(), 1);
}

#[tokio::test]
async fn the_oldest_goes_when_there_is_too_much() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let limit: u64 = 3 << 20;
    let telemetry =
        Telemetry::open(dir.path(), Options { retention_bytes: limit, ..options(&clock) }).expect("opens");
    let mut last = 0;
    for round in 0..40 {
        clock.advance(Duration::from_secs(60));
        let batch = Batch {
            samples: (0..500).map(|i| sample(&format!("m{}", i % 50), clock.now() - i, 1.0)).collect(),
            logs: (0..200).map(|i| log("x", clock.now() + i, 9, &"z".repeat(500))).collect(),
            ..Batch::default()
        };
        last = telemetry.ingest(batch).await.expect("stored").log_seq;
        if round % 5 == 4 {
            telemetry.enforce_retention().await.expect("ran");
        }
    }
    let stats = telemetry.stats();
    assert!(stats.rows_expired > 0, "{stats:?}");
    // The file gives its free pages back; the write-ahead log comes on top.
    assert!(stats.bytes < 2 * limit + (8 << 20), "{stats:?}");
    let kept = telemetry.logs(&LogQuery { limit: 10_000, ..LogQuery::default() }).expect("reads");
    assert_eq!(kept.last().map(|entry| entry.seq), Some(last), "the newest stays");
    assert!(kept.len() > 1000 && kept[0].seq > 1, "{} kept from {}", kept.len(), kept[0].seq);
}

#[tokio::test]
async fn nothing_is_taken_when_the_disk_would_become_full() {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let full = Options { min_free_bytes: u64::MAX / 2, ..options(&clock) };
    let telemetry = Telemetry::open(dir.path(), full).expect("opens");
    let error = telemetry.append_samples(vec![sample("a", NOW, 1.0)]).await.expect_err("no space");
    assert!(matches!(error, IngestError::NoSpace { .. }), "{error:?}");
    assert!(error.to_string().contains("make space"), "{error}");
    assert!(read(&telemetry, "a").is_empty());
    drop(telemetry);
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    assert_eq!(telemetry.append_samples(vec![sample("a", NOW, 1.0)]).await.expect("stored").samples, 1);
}
