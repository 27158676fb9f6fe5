//! What was acknowledged survives `kill -9` of the process.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::*;
use mainstay_observe::{Batch, LogQuery, Options, Telemetry};

const DIR: &str = "MAINSTAY_TEST_TELEMETRY_DIR";
const FROM: &str = "MAINSTAY_TEST_TELEMETRY_FROM";

/// Not a test by itself: what the test below starts and kills.
#[tokio::test]
async fn child_writes_until_it_is_killed() {
    let (Ok(dir), Ok(from)) = (std::env::var(DIR), std::env::var(FROM)) else { return };
    let telemetry = Telemetry::open(dir, Options { min_free_bytes: 0, ..Options::default() }).expect("opens");
    let from: i64 = from.parse().expect("a number");
    let base = telemetry.now_ms() - 3_600_000;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let telemetry = telemetry.clone();
        senders.spawn(async move {
            for i in from.. {
                let name = format!("acked_{sender}");
                let batch = Batch {
                    samples: vec![sample(&name, base + i, i as f64)],
                    logs: vec![log(&name, base + i, 9, &i.to_string())],
                    ..Batch::default()
                };
                let outcome = telemetry.ingest(batch).await.expect("stored");
                assert_eq!(outcome.samples, 1, "{outcome:?}");
                println!("\nacked {sender} {i}");
            }
        });
    }
    senders.join_all().await;
}

#[tokio::test]
async fn acknowledged_telemetry_survives_the_death_of_the_process() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut acked: Vec<(i64, i64)> = Vec::new();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .env(FROM, (round * 10_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let stop_after = 50 + round as usize * 37;
        let mut seen = 0;
        for line in output.lines() {
            let line = line.expect("text");
            let Some(rest) = line.strip_prefix("acked ") else { continue };
            let (sender, number) = rest.split_once(' ').expect("two numbers");
            acked.push((sender.parse().expect("number"), number.parse().expect("number")));
            seen += 1;
            if seen == stop_after {
                child.kill().expect("killed with SIGKILL");
            }
        }
        child.wait().expect("reaped");
        assert!(seen >= stop_after, "round {round}: only {seen} acknowledged");
    }
    let telemetry = Telemetry::open(dir.path(), Options { min_free_bytes: 0, ..Options::default() })
        .expect("opens after kills");
    for sender in 0..4 {
        let name = format!("acked_{sender}");
        let values: std::collections::BTreeSet<i64> =
            only(&telemetry, &name).into_iter().map(|(_, value)| value as i64).collect();
        let mut bodies = std::collections::BTreeMap::<i64, usize>::new();
        let mut after = Some(0);
        while let Some(seq) = after {
            let query = LogQuery {
                service: Some(name.clone()),
                after: Some(seq),
                limit: 10_000,
                ..LogQuery::default()
            };
            let page = telemetry.logs(&query).expect("reads");
            after = page.last().map(|entry| entry.seq);
            for entry in page {
                *bodies.entry(entry.record.body.parse().expect("number")).or_default() += 1;
            }
        }
        for (_, number) in acked.iter().filter(|(by, _)| *by == sender) {
            assert!(values.contains(number), "sample {number} of {name} was acknowledged and is lost");
            assert_eq!(bodies.get(number), Some(&1), "log {number} of {name}");
        }
        // Sample and log of a batch live and die together.
        assert_eq!(values, bodies.keys().copied().collect(), "{name}");
    }
    println!("{} acknowledged batches, all there", acked.len());
}
