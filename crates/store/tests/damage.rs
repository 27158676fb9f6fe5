//! What goes wrong with files and disks, and what the journal says to it.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_store::{
    FILE_NAME, Fault, Fold, Head, Journal, Options, RowQuery, Rows, SqliteJournal, StoreError, VerifyError,
    rebuild, verify, verify_since,
};
use rusqlite::Connection;
use serde_json::{Value, json};

/// Keeps the last event of each subject; what it keeps of it depends on the version.
struct Last(u32);

impl Fold for Last {
    fn table(&self) -> &'static str {
        "last"
    }

    fn version(&self) -> u32 {
        self.0
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        if let Some(subject) = &event.subject {
            rows.put(subject, &json!({ "version": self.0, "seq": event.seq }));
        }
    }
}

fn folds(version: u32) -> Vec<Arc<dyn Fold>> {
    vec![Arc::new(Last(version))]
}

fn draft(n: u64) -> EventDraft {
    EventDraft::new(
        EventId::new(format!("e{n}")).expect("a valid id"),
        "test.appended",
        Timestamp::from_millis(0),
        Actor::System("test".to_owned()),
        json!({ "filler": "x".repeat(400) }),
    )
    .subject(format!("s/{}", n % 10))
}

fn open(dir: &Path) -> Result<SqliteJournal, StoreError> {
    SqliteJournal::open(dir, Options { folds: folds(1), ..Options::default() })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn fill(journal: &SqliteJournal, events: std::ops::Range<u64>) {
    for n in events {
        runtime().block_on(journal.append(vec![draft(n)])).expect("appends");
    }
}

/// A closed journal of so many events.
fn journal_of(events: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fill(&open(dir.path()).expect("opens"), 0..events);
    dir
}

fn sql(dir: &Path, sql: &str) {
    Connection::open(dir.join(FILE_NAME))
        .expect("opens")
        .execute_batch(sql)
        .expect("someone has write access");
}

fn broken(dir: &Path) -> (u64, Fault) {
    match verify(dir).expect_err("it is broken") {
        VerifyError::Broken { seq, fault } => (seq, fault),
        other => unreachable!("{other}"),
    }
}

/// The whole story of an error, and that no part of it is told twice.
fn story(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        assert!(!text.contains(&error.to_string()), "`{text}` repeats its source");
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn a_whole_journal_is_proved() {
    let dir = journal_of(30);
    let proved = verify(dir.path()).expect("whole");
    let journal = open(dir.path()).expect("opens");
    assert_eq!(journal.head(), Head { seq: proved.events, hash: proved.head_hash.clone() });
    assert_eq!(proved.events, 30);
    assert!(!dir.path().join(format!("{FILE_NAME}-wal")).exists() || journal.path().exists());
    // Beside the running server, and with what was noted before.
    let noted = Head { seq: proved.events, hash: proved.head_hash };
    fill(&journal, 30..40);
    assert_eq!(verify_since(dir.path(), Some(&noted)).expect("still whole").events, 40);
    assert!(rebuild(dir.path(), &folds(1), false).expect("compares").agrees());
}

#[test]
fn every_manipulation_is_named_with_its_event() {
    let manipulations = [
        (
            "UPDATE events SET body = replace(body, 'test.appended', 'test.approved') WHERE seq = 17",
            17,
            Fault::Altered,
        ),
        ("UPDATE events SET body = CAST(body AS BLOB) || x'ff' WHERE seq = 3", 3, Fault::Altered),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 30", 30, Fault::Altered),
        ("UPDATE events SET prev = zeroblob(32) WHERE seq = 9", 9, Fault::Unlinked),
        ("UPDATE events SET id = 'e99' WHERE seq = 8", 8, Fault::Misfiled),
        ("DELETE FROM events WHERE seq = 12", 12, Fault::Missing { next: 13 }),
        ("DELETE FROM events WHERE seq = 1", 1, Fault::Missing { next: 2 }),
        ("DELETE FROM events WHERE seq > 25", 26, Fault::TailMissing { head: 30 }),
        ("UPDATE head SET seq = 29", 30, Fault::BehindHead),
        ("UPDATE head SET hash = zeroblob(32)", 30, Fault::NotHead),
        ("DELETE FROM head", 30, Fault::NotHead),
        ("UPDATE events SET seq = -5 WHERE seq = 1", 1, Fault::BehindHead),
    ];
    for (manipulation, seq, fault) in manipulations {
        let dir = journal_of(30);
        sql(dir.path(), manipulation);
        assert_eq!(broken(dir.path()), (seq, fault), "{manipulation}");
    }
    let dir = journal_of(30);
    sql(dir.path(), "DELETE FROM events WHERE seq = 12");
    let text = story(&verify(dir.path()).expect_err("broken"));
    assert!(text.contains("broken at event 12: it is missing, the next one is 13"), "{text}");
}

#[test]
fn rewritten_history_does_not_match_what_was_noted() {
    let dir = journal_of(30);
    let noted = verify(dir.path()).expect("whole");
    let noted = Head { seq: noted.events, hash: noted.head_hash };
    // A journal that is whole in itself, but another one, or an older state of the same.
    let other = tempfile::tempdir().expect("a temporary directory");
    fill(&open(other.path()).expect("opens"), 5..50);
    let error = verify_since(other.path(), Some(&noted)).expect_err("another history");
    assert!(matches!(error, VerifyError::Broken { seq: 30, fault: Fault::Rewritten }), "{error}");
    let older = journal_of(20);
    let error = verify_since(older.path(), Some(&noted)).expect_err("a shorter history");
    assert!(matches!(error, VerifyError::Broken { seq: 21, fault: Fault::Lost }), "{error}");
}

#[test]
fn a_damaged_page_is_found_and_says_up_to_where_the_journal_is_whole() {
    let dir = journal_of(400);
    let file = dir.path().join(FILE_NAME);
    let whole = fs::read(&file).expect("reads");
    let page = 8192;
    assert!(whole.len() > 20 * page, "the journal has pages to damage");
    let mut by_pages = 0;
    for damaged in 1..whole.len() / page {
        let mut bytes = whole.clone();
        // The header of a page and what follows, as a torn write leaves it.
        bytes[damaged * page..damaged * page + 512].fill(0xa5);
        fs::write(&file, bytes).expect("writes");
        match verify(dir.path()) {
            Err(VerifyError::Pages { whole_until, ref detail, .. }) => {
                by_pages += 1;
                assert!(whole_until < 400 || !detail.is_empty());
            }
            Err(VerifyError::Broken { .. } | VerifyError::Unreadable(StoreError::NotAJournal { .. })) => {}
            // Pages of a fold's table are not part of the proof of events, but the page check covers them.
            other => unreachable!("page {damaged}: {other:?}"),
        }
        // Opening or reading such a file may fail, with an error that says so; it never panics.
        if let Ok(journal) = open(dir.path()) {
            let _ = journal.read(0, 1000);
            let _ = journal.rows("last", &RowQuery::newest(100));
            let _ = runtime().block_on(journal.append(vec![draft(1000)]));
        }
        let _ = fs::remove_file(dir.path().join(format!("{FILE_NAME}-wal")));
        let _ = fs::remove_file(dir.path().join(format!("{FILE_NAME}-shm")));
    }
    assert!(by_pages > 10, "only {by_pages} damaged pages were called that");
    fs::write(&file, &whole[..whole.len() / 2]).expect("writes");
    let error = open(dir.path()).err().expect("half a file is not opened");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("restore the file from a backup"), "{error}");
    let error = verify(dir.path()).expect_err("half a file is not whole");
    assert!(matches!(error, VerifyError::Pages { .. }), "{error}");
}

#[test]
fn a_log_cut_short_loses_the_end_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path()).expect("opens");
    fill(&journal, 0..60);
    let head = journal.head();
    let main = fs::read(dir.path().join(FILE_NAME)).expect("reads");
    let log = fs::read(dir.path().join(format!("{FILE_NAME}-wal"))).expect("the log is there while it runs");
    let mut ends = std::collections::BTreeSet::new();
    for part in 0..=40 {
        let copy = tempfile::tempdir().expect("a temporary directory");
        let length = if part == 40 { log.len() } else { log.len() * part / 40 + part };
        fs::write(copy.path().join(FILE_NAME), &main).expect("writes");
        fs::write(copy.path().join(format!("{FILE_NAME}-wal")), &log[..length]).expect("writes");
        match open(copy.path()) {
            Ok(reopened) => {
                let end = reopened.head().seq;
                assert_eq!(
                    reopened.read(0, 100).expect("reads"),
                    journal.read(0, end as usize).expect("reads")
                );
                drop(reopened);
                assert_eq!(verify(copy.path()).expect("what is left is whole").events, end);
                assert!(rebuild(copy.path(), &folds(1), false).expect("compares").agrees());
                if end < 60 {
                    // The loss itself shows to whoever has noted the end.
                    let error = verify_since(copy.path(), Some(&head)).expect_err("the end is missing");
                    assert!(matches!(error, VerifyError::Broken { fault: Fault::Lost, .. }), "{error}");
                }
                ends.insert(end);
            }
            Err(error) => unreachable!("cut to {length} bytes: {error}"),
        }
    }
    assert!(ends.len() > 10 && ends.contains(&60), "{ends:?}");
}

#[test]
fn a_second_server_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path()).expect("opens");
    let error = open(dir.path()).err().expect("in use");
    let text = story(&error);
    assert!(
        matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{text}"
    );
    assert!(text.contains("stop that server first"), "{text}");
    let error = rebuild(dir.path(), &folds(1), true).expect_err("in use");
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(journal);
    assert!(rebuild(dir.path(), &folds(1), true).expect("free again").agrees());
    drop(open(dir.path()).expect("free again"));
}

#[test]
fn what_is_not_a_journal_is_told_apart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for offline in [
        verify(dir.path()).map(drop),
        rebuild(dir.path(), &[], true).map(drop).map_err(VerifyError::Unreadable),
    ] {
        let error = offline.expect_err("nothing is there");
        assert!(matches!(error, VerifyError::Unreadable(StoreError::Missing { .. })), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 0, "a proof leaves nothing behind");

    let file = dir.path().join(FILE_NAME);
    fs::write(&file, "this is a shopping list, ".repeat(100)).expect("writes");
    assert!(matches!(open(dir.path()), Err(StoreError::NotAJournal { .. })));
    assert!(matches!(verify(dir.path()), Err(VerifyError::Unreadable(StoreError::NotAJournal { .. }))));
    fs::remove_file(&file).expect("removes");
    sql(dir.path(), "CREATE TABLE shopping(item TEXT)");
    assert!(matches!(open(dir.path()), Err(StoreError::NotAJournal { .. })));

    // SQLite takes these two for empty databases, and would write over them.
    let stub = tempfile::tempdir().expect("a temporary directory");
    fs::write(stub.path().join(FILE_NAME), "milk, bread").expect("writes");
    assert!(matches!(open(stub.path()), Err(StoreError::NotAJournal { .. })));
    assert!(matches!(verify(stub.path()), Err(VerifyError::Unreadable(StoreError::NotAJournal { .. }))));
    assert_eq!(fs::read(stub.path().join(FILE_NAME)).expect("reads"), b"milk, bread");
    let log = stub.path().join(format!("{FILE_NAME}-wal"));
    for left in ["", "SQLite format 3"] {
        fs::write(stub.path().join(FILE_NAME), left).expect("writes");
        fs::write(&log, "the newest events").expect("writes");
        let error = open(stub.path()).err().expect("its beginning is lost");
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        story(&error);
        assert!(verify(stub.path()).is_err());
        assert_eq!(fs::read(&log).expect("reads"), b"the newest events", "it was not deleted");
    }

    let newer = journal_of(1);
    sql(newer.path(), "PRAGMA user_version = 7");
    let error = open(newer.path()).err().expect("from the future");
    assert!(matches!(error, StoreError::NewerFormat { found: 7, known: 1, .. }), "{error}");

    let blocked = dir.path().join("a-file");
    fs::write(&blocked, "").expect("writes");
    let error = open(&blocked).err().expect("not a directory");
    assert!(matches!(error, StoreError::Directory { .. }), "{error}");
    story(&error);
    assert!(matches!(open(&blocked.join("below")), Err(StoreError::Directory { .. })));
}

#[test]
fn the_head_and_the_events_have_to_agree_before_more_is_written() {
    for manipulation in ["DELETE FROM events WHERE seq = 5", "UPDATE head SET seq = 6", "DELETE FROM head"] {
        let dir = journal_of(5);
        sql(dir.path(), manipulation);
        let error = open(dir.path()).err().expect(manipulation);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{manipulation}: {error}");
        assert!(error.to_string().contains("mainstay journal verify"), "{error}");
    }
}

#[test]
fn tables_are_rebuilt_from_events_alone() {
    let dir = journal_of(30);
    sql(
        dir.path(),
        r#"UPDATE fold_last SET value = '{"version":1,"seq":2}' WHERE id = 's/3';
           UPDATE fold_last SET created = 1 WHERE id = 's/4';
           DELETE FROM fold_last WHERE id = 's/5';
           INSERT INTO fold_last VALUES('s/55', 1, 1, 'null');"#,
    );
    let found = rebuild(dir.path(), &folds(1), false).expect("compares");
    assert_eq!((found.events, found.tables[0].rows), (30, 10));
    assert_eq!(found.tables[0].differing, ["s/3", "s/4", "s/5", "s/55"]);
    assert_eq!(rebuild(dir.path(), &folds(1), true).expect("replaces"), found);
    assert!(rebuild(dir.path(), &folds(1), false).expect("compares").agrees());
    let journal = open(dir.path()).expect("opens");
    assert_eq!(journal.row("last", "s/3").expect("reads"), Some(json!({ "version": 1, "seq": 24 })));
    assert_eq!(journal.row("last", "s/55").expect("reads"), None);
    // The proof is of events: tables do not matter to it.
    assert!(verify(dir.path()).is_ok());
}

#[test]
fn a_fold_that_is_new_changed_or_gone_is_settled_when_opening() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let with =
        |folds| SqliteJournal::open(dir.path(), Options { folds, ..Options::default() }).expect("opens");
    let version = |journal: &SqliteJournal| -> Option<Value> {
        journal.row("last", "s/1").expect("reads").map(|row| row["version"].clone())
    };
    fill(&with(vec![]), 0..20);
    let journal = with(folds(1));
    assert_eq!(version(&journal), Some(json!(1)), "new: computed from the events there are");
    fill(&journal, 20..25);
    drop(journal);
    assert_eq!(version(&with(folds(2))), Some(json!(2)), "changed: computed anew");
    drop(with(vec![]));
    fill(&with(vec![]), 25..45);
    let journal = with(folds(2));
    let row = journal.row("last", "s/1").expect("reads");
    assert_eq!(
        row,
        Some(json!({ "version": 2, "seq": 42 })),
        "it did not miss what happened while it was gone"
    );
    drop(journal);
    assert!(rebuild(dir.path(), &folds(2), false).expect("compares").agrees());

    struct Named(&'static str);
    impl Fold for Named {
        fn table(&self) -> &'static str {
            self.0
        }
        fn apply(&self, _: &Event, _: &mut dyn Rows) {}
    }
    for bad in ["", "Runs", "a b", "1a", "x\"; DROP TABLE events"] {
        let folds: Vec<Arc<dyn Fold>> = vec![Arc::new(Named(bad))];
        let refused = SqliteJournal::open(dir.path(), Options { folds, ..Options::default() });
        assert!(matches!(refused, Err(StoreError::FoldTable { .. })), "{bad:?}");
    }
    let twice: Vec<Arc<dyn Fold>> = vec![Arc::new(Named("a")), Arc::new(Named("a"))];
    assert!(SqliteJournal::open(dir.path(), Options { folds: twice, ..Options::default() }).is_err());
}

#[test]
fn a_nearly_full_disk_is_refused_before_it_is_full() {
    let dir = journal_of(5);
    let greedy = Options { folds: folds(1), min_free_bytes: u64::MAX };
    let journal = SqliteJournal::open(dir.path(), greedy).expect("reading works on a full disk");
    let error = runtime().block_on(journal.append(vec![draft(6)])).expect_err("no space");
    let text = story(&error);
    assert!(matches!(error, StoreError::NoSpace { free: Some(_), .. }), "{text}");
    assert!(text.contains("free some space or move the data directory"), "{text}");
    assert_eq!(journal.read(0, 10).expect("reads").len(), 5);
    drop(journal);
    let journal = open(dir.path()).expect("opens");
    fill(&journal, 6..8);
    assert_eq!(journal.head().seq, 7);
}

/// A really full disk. Needs a small file system of its own (`MAINSTAY_SMALL_DISK`, for example a tmpfs of 8 MiB).
#[test]
fn a_full_disk_loses_nothing_and_works_again_when_there_is_space() {
    let Some(disk) = std::env::var_os("MAINSTAY_SMALL_DISK") else {
        println!("skipped: no small disk (MAINSTAY_SMALL_DISK)");
        return;
    };
    let dir = tempfile::tempdir_in(disk).expect("a temporary directory");
    let ballast = dir.path().join("ballast");
    fs::write(&ballast, vec![1; 4 << 20]).expect("writes");
    let options = Options { folds: folds(1), min_free_bytes: 0 };
    let journal = SqliteJournal::open(dir.path(), options).expect("opens");
    let mut written = 0;
    let error = loop {
        match runtime().block_on(journal.append((0..50).map(|n| draft(written + n)).collect())) {
            Ok(_) => written += 50,
            Err(error) => break error,
        }
        assert!(written < 1_000_000, "the disk is not small");
    };
    assert!(matches!(error, StoreError::NoSpace { .. }), "{}", story(&error));
    assert_eq!(journal.head().seq, written);
    assert_eq!(journal.read(written - 1, 10).expect("reads").len(), 1, "nothing half-written");
    assert!(runtime().block_on(journal.append((0..50).map(|n| draft(written + n)).collect())).is_err());
    fs::remove_file(&ballast).expect("removes");
    let late = (0..100).map(|n| draft(written + n)).collect();
    assert_eq!(runtime().block_on(journal.append(late)).expect("there is space").len(), 100);
    drop(journal);
    assert_eq!(verify(dir.path()).expect("whole").events, written + 100);
    assert!(rebuild(dir.path(), &folds(1), false).expect("compares").agrees());
}
