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

/// A journal whose disk does what the test says, once for each word.
fn at_a_word(
    dir: &Path,
) -> (SqliteJournal, std::sync::mpsc::Sender<std::io::Result<()>>, std::sync::mpsc::Receiver<()>) {
    let (say, said) = std::sync::mpsc::channel();
    let (tell, asked) = std::sync::mpsc::channel();
    let sync = Box::new(move || {
        tell.send(()).ok();
        said.recv().unwrap_or(Ok(()))
    });
    let options = Options { folds: folds(), ..Options::default() };
    (open::open_with(dir, options, sync).expect("opens"), say, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_before_it_is_durable() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (journal, say, asked) = at_a_word(dir.path());
    let journal = Arc::new(journal);
    let mut first = tokio::task::JoinSet::new();
    let mut again = tokio::task::JoinSet::new();
    let appending = |set: &mut tokio::task::JoinSet<_>| {
        let journal = journal.clone();
        set.spawn(async move { append(&journal, 0..3).await });
    };
    appending(&mut first);
    // The disk is being asked, so the transaction is committed and readers' connections can see it.
    tokio::task::block_in_place(|| asked.recv()).expect("the first sync");
    let seen = open_existing(dir.path(), false).expect("opens");
    let count = |sql| seen.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("counts");
    assert_eq!(count("SELECT count(*) FROM events"), 3);

    assert_eq!(journal.head().seq, 0);
    assert_eq!(*journal.watch().borrow(), 0);
    assert_eq!(journal.read(0, 10).expect("reads"), vec![]);
    assert_eq!(journal.read_before(u64::MAX, 10).expect("reads"), vec![]);
    let reading = |what: fn(&SqliteJournal) -> bool| {
        let journal = journal.clone();
        tokio::task::spawn_blocking(move || what(&journal))
    };
    let row = reading(|journal| journal.row("kinds", "k").expect("reads").is_some());
    let by_id = reading(|journal| {
        let id = EventId::new("e1").expect("valid");
        journal.read_by_id("mainstay", &id).expect("reads").is_some()
    });
    // The same events again are not written again, and yet not acknowledged before those of the first time are durable.
    appending(&mut again);
    assert!(first.try_join_next().is_none() && again.try_join_next().is_none());
    assert!(!row.is_finished() && !by_id.is_finished());

    say.send(Ok(())).expect("the first sync is waiting");
    let first = first.join_next().await.expect("a task").expect("no panic").expect("appended");
    assert_eq!(first.len(), 3);
    assert!(row.await.expect("no panic"));
    assert!(by_id.await.expect("no panic"));
    assert_eq!(journal.head().seq, 3);
    assert_eq!(journal.read(0, 10).expect("reads").len(), 3);
    drop(say);
    let again = again.join_next().await.expect("a task").expect("no panic").expect("appended");
    assert_eq!(again, journal.read(0, 10).expect("reads"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_confirm_ends_the_writing_and_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (journal, say, _asked) = at_a_word(dir.path());
    say.send(Ok(())).expect("kept");
    say.send(Err(std::io::Error::from_raw_os_error(5))).expect("kept");
    append(&journal, 0..2).await.expect("appended");
    let unconfirmed = |result: Result<Vec<Arc<Event>>, StoreError>| match result {
        Err(error @ StoreError::Unconfirmed { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let said = unconfirmed(append(&journal, 2..4).await);
    assert!(said.contains("check the disk"), "{said}");
    // A later sync that succeeds says nothing of what was lost before it.
    drop(say);
    unconfirmed(append(&journal, 4..6).await);
    assert!(matches!(journal.advance("reader", 1).await, Err(StoreError::Unconfirmed { .. })));
    assert_eq!(journal.head().seq, 2);
    assert_eq!(journal.read(0, 10).expect("reads").len(), 2);
    assert!(matches!(journal.row("kinds", "k"), Err(StoreError::Unconfirmed { .. })));
    drop(journal);

    // What is there is there, whether it was confirmed or not; the rest can be appended again.
    let whole = verify(dir.path()).expect("whole").events;
    assert!((2..=4).contains(&whole), "{whole}");
    let journal = open(dir.path());
    append(&journal, 0..6).await.expect("appended");
    assert_eq!(journal.head().seq, 6);
}
