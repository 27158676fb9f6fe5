//! The journal's promise under `kill -9`: what was acknowledged is there, once, and the chain and the tables are whole.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_store::{Fold, Journal, Options, Rows, SqliteJournal, rebuild, verify};
use serde_json::json;

const DIR: &str = "MAINSTAY_TEST_CRASH_DIR";
const ROUND: &str = "MAINSTAY_TEST_CRASH_ROUND";
const WRITERS: u64 = 8;

/// Counts events by writer and keeps one row for each event, so that tables grow and change.
struct Tally;

impl Fold for Tally {
    fn table(&self) -> &'static str {
        "tally"
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let writer = event.draft.data["writer"].to_string();
        let count = rows.get(&writer).and_then(|row| row["count"].as_u64()).unwrap_or(0);
        rows.put(&writer, &json!({ "count": count + 1, "last": event.id }));
        rows.put(event.id.as_str(), &event.draft.data);
        if count.is_multiple_of(3) {
            rows.remove(event.id.as_str());
        }
    }
}

fn folds() -> Vec<Arc<dyn Fold>> {
    vec![Arc::new(Tally)]
}

fn draft(id: String, writer: u64) -> EventDraft {
    EventDraft::new(
        EventId::new(id).expect("a valid id"),
        "test.appended",
        Timestamp::from_millis(0),
        Actor::System("test".to_owned()),
        json!({ "writer": writer, "filler": "x".repeat(300) }),
    )
}

/// Not a test by itself: the process that gets killed. It appends until then, from several tasks at once, batches of
/// one to three, and says which ids were acknowledged.
#[test]
fn child_appends_until_it_is_killed() {
    let (Some(dir), Ok(round)) = (std::env::var_os(DIR), std::env::var(ROUND)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let options = Options { folds: folds(), ..Options::default() };
        let journal = Arc::new(SqliteJournal::open(Path::new(&dir), options).expect("opens after a crash"));
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (journal, round) = (journal.clone(), round.clone());
            tasks.spawn(async move {
                for n in 0_u64.. {
                    let batch =
                        (0..=n % 3).map(|part| draft(format!("r{round}-w{writer}-{n}-{part}"), writer));
                    let written = journal.append(batch.collect()).await.expect("appends");
                    let ids: Vec<&str> = written.iter().map(|event| event.id.as_str()).collect();
                    // One write for one line: a line is whole or not there.
                    let line = format!("acknowledged {}\n", ids.join(" "));
                    std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent listens");
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    });
}

#[test]
fn killed_twenty_times_nothing_acknowledged_is_lost_or_doubled() {
    if std::env::var_os(DIR).is_some() {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for round in 0..20 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // From right after the first acknowledgement to some hundred transactions later.
        let patience = usize::try_from(random >> 56).expect("a byte fits") * 2;
        let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
            .args(["--exact", "child_appends_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("starts itself again");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut heard = 0;
        let mut line = String::new();
        while lines.read_line(&mut line).expect("reads") > 0 {
            // The first line may follow something the test harness has printed without an end of line.
            if let (true, Some((_, ids))) = (line.ends_with('\n'), line.split_once("acknowledged ")) {
                acknowledged.extend(ids.split_whitespace().map(str::to_owned));
                heard += 1;
            }
            if heard == patience + 1 {
                // SIGKILL. What it had written to the pipe by then is still read.
                child.kill().expect("it is our child");
            }
            line.clear();
        }
        let status = child.wait().expect("it is our child");
        assert!(heard > patience, "round {round}: the child ended by itself ({status})");

        let proved = verify(dir.path()).expect("the chain is whole");
        let rebuilt = rebuild(dir.path(), &folds(), false).expect("rebuilds");
        assert!(rebuilt.agrees(), "round {round}: {:?}", rebuilt.tables);
        assert_eq!(rebuilt.events, proved.events);
    }
    let journal =
        SqliteJournal::open(dir.path(), Options { folds: folds(), ..Options::default() }).expect("opens");
    let mut found = BTreeSet::new();
    let mut after = 0;
    loop {
        let events = journal.read(after, 1000).expect("reads");
        let Some(last) = events.last() else { break };
        after = last.seq;
        for event in events {
            assert!(found.insert(event.id.to_string()), "`{}` is there twice", event.id);
        }
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    println!("{} events acknowledged, {} written, 20 kills", acknowledged.len(), found.len());
}
