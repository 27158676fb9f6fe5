//! How many events per second the journal makes durable, with one writer and with many, beside a bare loop of
//! transactions on SQLite: same file system, same settings, same bytes.
//!
//! `cargo bench -p mainstay-bench --bench journal`; `BENCH_DIR` chooses the disk (a temporary directory otherwise),
//! `BENCH_SECONDS` how long each measurement takes (2), `BENCH_ROUNDS` how often it is repeated (5).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainstay_bench::{Failure, median, variable};
use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_store::{Fold, Journal, Options, Rows, SqliteJournal, TUNING, verify};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

/// Ids ascend in time, as those of UUIDv7 do.
fn id(n: u64) -> Result<EventId, Failure> {
    Ok(EventId::new(format!("0198c0de-{:04x}-7000-8000-{n:012x}", n >> 16))?)
}

/// An event of about 500 bytes, like those of a run's steps.
fn draft(n: u64) -> Result<EventDraft, Failure> {
    let mut draft = EventDraft::new(
        id(n)?,
        "run.step.finished",
        Timestamp::from_millis(1_795_359_845_250 + i64::try_from(n)?),
        Actor::Run("0198c0de-1111-7000-8000-0123456789ab".to_owned()),
        json!({
            "run": "0198c0de-1111-7000-8000-0123456789ab",
            "step": "restartPayments",
            "attempt": 1,
            "status": "Success",
            "host": "web-1.local",
            "exit_code": 0,
            "outputs": { "Payload": "payments restarted, pool 0 of 20 connections in use, 0 waiting" },
            "took_ms": n % 5000,
        }),
    )
    .subject("run/0198c0de-1111-7000-8000-0123456789ab")
    .workload("shop");
    draft.tags = [("environment", "local"), ("role", "app")].into_iter().collect();
    Ok(draft)
}

/// A fold as the server has several: one small row changes with each event.
struct Steps;

impl Fold for Steps {
    fn table(&self) -> &'static str {
        "steps"
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let id = event.draft.data["step"].as_str().unwrap_or("none");
        let count = rows.get(id).and_then(|row| row["count"].as_u64()).unwrap_or(0);
        rows.put(id, &json!({ "count": count + 1, "last": event.id, "time": event.time }));
    }
}

struct Measured {
    events: u64,
    took: Duration,
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// One row per transaction, prepared once, the way a program without a journal would do it.
fn bare_loop(dir: &Path, time: Duration, body: &str) -> Result<Measured, Failure> {
    let conn = Connection::open(dir.join("bare.sqlite"))?;
    for (name, value) in TUNING {
        conn.query_row(&format!("PRAGMA {name} = {value}"), [], |_| Ok(())).optional()?;
    }
    conn.execute_batch("CREATE TABLE events(seq INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    let mut insert = conn.prepare("INSERT INTO events(seq, body) VALUES(?, ?)")?;
    let start = now();
    let mut events = 0_u64;
    while start.elapsed() < time {
        events += 1;
        insert.execute(params![i64::try_from(events)?, body])?;
    }
    Ok(Measured { events, took: start.elapsed() })
}

/// So many tasks, each appending one event and waiting until it is durable before it appends the next.
async fn journal(
    dir: &Path,
    time: Duration,
    writers: u64,
    folds: Vec<Arc<dyn Fold>>,
) -> Result<Measured, Failure> {
    let journal = Arc::new(SqliteJournal::open(dir, Options { folds, ..Options::default() })?);
    let next = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    let start = now();
    for _ in 0..writers {
        let (journal, next, stop) = (journal.clone(), next.clone(), stop.clone());
        tasks.spawn(async move {
            // Making events is not what is measured, so all but the id is made before, and used again.
            let mut draft = draft(0)?;
            while !stop.load(Ordering::Relaxed) {
                draft.id = id(next.fetch_add(1, Ordering::Relaxed))?;
                let event = journal.append(vec![draft]).await?.pop().ok_or("an event that was appended")?;
                draft = Arc::unwrap_or_clone(event).draft;
            }
            Ok::<_, Failure>(())
        });
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let took = start.elapsed();
    let events = journal.head().seq;
    drop(journal);
    // A fast wrong answer is none.
    let proved = verify(dir)?;
    if proved.events != events || events != next.load(Ordering::Relaxed) {
        return Err(format!("{events} events were acknowledged, {} are there", proved.events).into());
    }
    Ok(Measured { events, took })
}

/// One line of the table.
struct Case {
    name: String,
    /// None for the bare loop.
    writers: Option<u64>,
    folds: Vec<Arc<dyn Fold>>,
    /// Events per second, one for each round.
    rates: Vec<f64>,
    /// Times the bare loop of the same round.
    ratios: Vec<f64>,
}

impl Case {
    fn new(name: &str, writers: Option<u64>, folds: Vec<Arc<dyn Fold>>) -> Self {
        Self { name: name.to_owned(), writers, folds, rates: Vec::new(), ratios: Vec::new() }
    }
}

fn main() -> Result<(), Failure> {
    let time = Duration::from_secs_f64(variable("BENCH_SECONDS", 2.0)?);
    let rounds: usize = variable("BENCH_ROUNDS", 5)?;
    let parent = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let body = serde_json::to_string(&draft(1)?)?;
    println!("journal append: durable events per second");
    println!(
        "mainstay {}, SQLite {}, {} processors, {}, {} bytes an event, median of {rounds} rounds of {time:?}",
        env!("CARGO_PKG_VERSION"),
        rusqlite::version(),
        std::thread::available_parallelism()?,
        TUNING.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
        body.len()
    );
    let mut cases = vec![
        Case::new("bare loop, one row per transaction", None, vec![]),
        Case::new("journal, 1 writer", Some(1), vec![]),
        Case::new("journal, 8 writers", Some(8), vec![]),
        Case::new("journal, 64 writers", Some(64), vec![]),
        Case::new("journal, 64 writers, a fold", Some(64), vec![Arc::new(Steps)]),
        Case::new("journal, 256 writers", Some(256), vec![]),
    ];
    // The bare loop always runs; the others as asked for (`-- "64 writers"`).
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    cases.retain(|case| {
        case.writers.is_none() || wanted.is_empty() || wanted.iter().any(|w| case.name.contains(w))
    });
    // Everything once in each round, so that a disk that changes its pace meets all of them.
    for _ in 0..rounds {
        let mut bare = f64::NAN;
        for case in &mut cases {
            let dir = tempfile::tempdir_in(&parent)?;
            let rate = match case.writers {
                None => bare_loop(dir.path(), time, &body)?.per_second(),
                Some(writers) => {
                    runtime.block_on(journal(dir.path(), time, writers, case.folds.clone()))?.per_second()
                }
            };
            if case.writers.is_none() {
                bare = rate;
            }
            case.rates.push(rate);
            case.ratios.push(rate / bare);
        }
    }
    println!("{:<36} {:>9} {:>9} {:>9} {:>12}", "", "per s", "least", "most", "times bare");
    for Case { name, rates, ratios, .. } in &cases {
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rates.iter().copied().fold(0.0, f64::max);
        println!("{name:<36} {:>9.0} {least:>9.0} {most:>9.0} {:>11.1}x", median(rates), median(ratios));
    }
    Ok(())
}
