//! What only shows from inside: failures of SQLite in the middle of a transaction.

use super::*;
use crate::contract::{draft, folds};
use crate::{rebuild, verify};

fn open(dir: &Path) -> SqliteJournal {
    SqliteJournal::open(dir, Options { folds: folds(), ..Options::default() }).expect("opens")
}

async fn meddle(journal: &SqliteJournal, sql: &'static str) {
    let with = Box::new(move |conn: &rusqlite::Connection| conn.execute_batch(sql).expect("meddles"));
    journal.ask(0, |answer| Work::Meddle { with, answer }).await.expect("is written");
}

async fn append(
    journal: &SqliteJournal,
    events: std::ops::Range<u64>,
) -> Result<Vec<Arc<Event>>, StoreError> {
    journal.append(events.map(|n| draft(format!("e{n}"), "k")).collect()).await
}

#[tokio::test]
async fn no_space_fails_the_whole_group_and_ends_with_the_shortage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path());
    append(&journal, 0..10).await.expect("appends");
    // SQLite answers as on a full disk when it may not use another page.
    meddle(&journal, "PRAGMA max_page_count = 1").await;
    let mut written = 10;
    let error = loop {
        match append(&journal, written..written + 20).await {
            Ok(_) => written += 20,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the limit does not hold");
    };
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
    let (a, b) = (append(&journal, written..written + 30), append(&journal, written + 30..written + 60));
    let (a, b) = futures::future::join(a, b).await;
    assert!(a.is_err() && b.is_err());
    assert_eq!(journal.head().seq, written);
    assert_eq!(journal.read(written, 10).expect("reads"), vec![]);
    assert_eq!(journal.row("kinds", "k").expect("reads").expect("is there")["count"], written);
    meddle(&journal, "PRAGMA max_page_count = 1000000").await;
    // The same drafts again, as a caller does that got an error.
    let late = append(&journal, written - 5..written + 20).await.expect("appends");
    assert_eq!(late.last().map(|event| event.seq), Some(written + 20));
    drop(journal);
    assert_eq!(verify(dir.path()).expect("whole").events, written + 20);
    assert!(rebuild(dir.path(), &folds(), false).expect("compares").agrees());
}

#[tokio::test]
async fn a_failure_of_sqlite_rolls_back_and_the_next_group_works() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path());
    append(&journal, 0..3).await.expect("appends");
    meddle(&journal, "ALTER TABLE fold_subjects RENAME TO elsewhere").await;
    let lost = journal.append(vec![draft("a", "k"), draft("b", "k").subject("s")]).await;
    assert!(matches!(lost, Err(StoreError::Sqlite { .. })), "{lost:?}");
    assert_eq!(journal.head().seq, 3);
    meddle(&journal, "ALTER TABLE elsewhere RENAME TO fold_subjects").await;
    let again = journal.append(vec![draft("a", "k"), draft("b", "k").subject("s")]).await.expect("appends");
    assert_eq!(again[1].seq, 5);
    drop(journal);
    assert_eq!(verify(dir.path()).expect("whole").events, 5);
}

#[tokio::test]
async fn dropping_the_future_does_not_take_back_and_closing_finishes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path());
    let head = journal.watch();
    for n in 0..50 {
        let mut asked = Box::pin(append(&journal, n..n + 1));
        assert!(futures::poll!(&mut asked).is_pending() || journal.head().seq > 0);
    }
    drop(journal);
    assert_eq!(*head.borrow(), 50);
    assert!(head.has_changed().is_err(), "followers see that it is closed");
    assert!(!dir.path().join(format!("{FILE_NAME}-wal")).exists(), "the log is folded in");
    assert_eq!(verify(dir.path()).expect("whole").events, 50);
}

#[tokio::test]
async fn the_log_is_folded_in_beside_the_writer() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path());
    let size = |name: &str| std::fs::metadata(dir.path().join(name)).expect("is there").len();
    let (file, log) = (FILE_NAME.to_owned(), format!("{FILE_NAME}-wal"));
    let mut batches = 0;
    while size(&file) < 4 << 20 {
        let events = (0..100).map(|n| {
            let mut large = draft(format!("e{batches}-{n}"), "k");
            large.data = serde_json::json!({ "text": "x".repeat(4000) });
            large
        });
        journal.append(events.collect()).await.expect("appends");
        batches += 1;
        assert!(size(&log) < 60 << 20, "the writer would have to fold it in itself");
    }
    drop(journal);
    assert_eq!(verify(dir.path()).expect("whole").events, batches * 100);
}

#[tokio::test]
async fn what_was_just_appended_reads_as_it_reads_from_disk() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path());
    // More than is kept in memory, in batches of different sizes, with ids that are there already.
    let mut written = 0_u64;
    for size in (1..).map(|n: u64| n * 37 % 200 + 1) {
        append(&journal, written.saturating_sub(3)..written + size).await.expect("appends");
        written += size;
        if written > 20_000 {
            break;
        }
    }
    let disk = LookJournal::open(dir.path(), folds()).expect("opens");
    for after in
        [0, 1, written / 2, written - 9000, written - 8193, written - 100, written - 1, written, written + 5]
    {
        for limit in [0, 1, 7, 5000] {
            let read = journal.read(after, limit).expect("reads");
            assert_eq!(read, disk.read(after, limit).expect("reads"), "{limit} after {after}");
        }
    }
    // A new life has nothing in memory yet.
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(journal.read(written - 2, 10).expect("reads").len(), 2);
    append(&journal, written..written + 2).await.expect("appends");
    assert_eq!(journal.read(written - 2, 10).expect("reads").len(), 4);
    assert_eq!(journal.read(written, 10).expect("reads").len(), 2);
}

#[tokio::test]
async fn a_table_has_the_indexes_that_it_needs_and_an_older_one_is_written_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = open(dir.path());
    append(&journal, 0..3).await.expect("appends");
    let newest = journal.rows("kinds", &RowQuery::newest(9)).expect("reads");
    assert_eq!(newest.len(), 1);
    drop(journal);
    let conn = open_existing(dir.path(), true).expect("opens");
    let names = |conn: &rusqlite::Connection| -> Vec<String> {
        let sql =
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name LIKE 'fold_%' ORDER BY name";
        let mut statement = conn.prepare(sql).expect("prepared");
        let rows = statement.query_map([], |row| row.get(0)).expect("asked");
        rows.collect::<Result<_, _>>().expect("read")
    };
    let own = names(&conn);
    assert!(own.contains(&"fold_subjects_created".to_owned()), "{own:?}");
    assert!(!own.contains(&"fold_kinds_created".to_owned()), "{own:?}");
    // As earlier versions made it: with row numbers, and the index.
    conn.execute_batch(
        "ALTER TABLE fold_kinds RENAME TO before;
         CREATE TABLE fold_kinds(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
         INSERT INTO fold_kinds SELECT * FROM before;
         DROP TABLE before;
         CREATE INDEX fold_kinds_created ON fold_kinds(created, id);",
    )
    .expect("made");
    drop(conn);
    let journal = open(dir.path());
    append(&journal, 3..8).await.expect("appends");
    assert_eq!(journal.row("kinds", "k").expect("reads").expect("is there")["count"], 8);
    drop(journal);
    assert!(rebuild(dir.path(), &folds(), false).expect("compares").agrees());
    verify(dir.path()).expect("whole");
}
