//! What every journal does, whatever it is made of. Each backend runs [`contract`] in its tests.
//!
//! The cases use nothing but the [`Journal`] trait and fail by panicking, as tests do.

#![allow(clippy::disallowed_methods, reason = "every task that a case spawns is awaited by it")]

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use serde_json::{Value, json};

use crate::record::{ZERO, chain, digest, hex};
use crate::{
    Fold, Follower, Head, Journal, MAX_DATA_DEPTH, Place, RowQuery, Rows, StoreError, Subscription, rows_from,
};

/// A new, empty journal and whatever has to live as long as it does.
pub struct Fresh {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// For example its temporary directory.
    pub keep: Box<dyn Any + Send>,
}

/// Makes fresh journals that keep the tables of these folds.
pub type Make<'a> = &'a (dyn Fn(Vec<Arc<dyn Fold>>) -> Fresh + Sync);

/// The folds the cases use; a backend's own tests may use them too.
pub fn folds() -> Vec<Arc<dyn Fold>> {
    vec![Arc::new(Kinds), Arc::new(Subjects)]
}

/// Counts events by kind.
pub struct Kinds;

impl Fold for Kinds {
    fn table(&self) -> &'static str {
        "kinds"
    }

    fn is_listed(&self) -> bool {
        // Rows may be asked for in that order all the same.
        false
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let count = rows.get(&event.kind).and_then(|row| row["count"].as_u64()).unwrap_or(0);
        rows.put(&event.kind, &json!({"count": count + 1, "last": event.seq}));
    }
}

/// Keeps the data of each subject's last event. `subject.removed` removes it, `subject.panics` is a bug of ours, and
/// `subject.deep` makes a row that cannot be kept.
pub struct Subjects;

impl Fold for Subjects {
    fn table(&self) -> &'static str {
        "subjects"
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let Some(subject) = &event.subject else { return };
        match event.kind.as_str() {
            "subject.removed" => rows.remove(subject),
            "subject.deep" => {
                rows.put(subject, &(0..=MAX_DATA_DEPTH).fold(json!(0), |inner, _| json!([inner])));
            }
            "subject.renewed" => {
                rows.remove(subject);
                rows.put(subject, &event.data);
            }
            kind => {
                assert!(kind != "subject.panics", "this fold panics on purpose");
                rows.put(subject, &event.data);
            }
        }
    }
}

/// A draft about nothing in particular.
pub fn draft(id: impl Into<String>, kind: &str) -> EventDraft {
    EventDraft::new(
        EventId::new(id).expect("the cases use valid ids"),
        kind,
        Timestamp::from_millis(1_795_359_845_250),
        Actor::System("contract".to_owned()),
        Value::Null,
    )
}

fn about(id: impl Into<String>, kind: &str, subject: &str, data: Value) -> EventDraft {
    let mut draft = draft(id, kind).subject(subject);
    draft.data = data;
    draft
}

/// Runs every case, each on a fresh journal.
pub async fn contract(make: Make<'_>) {
    an_empty_journal_says_so(make);
    events_are_chained_and_read_back(make).await;
    events_are_looked_at_by_their_bodies(make).await;
    the_same_id_is_written_once(make).await;
    a_batch_is_all_or_nothing(make).await;
    a_failing_fold_concerns_its_caller_only(make).await;
    tables_follow_the_events(make).await;
    rows_come_in_pages(make).await;
    numbers_are_seen_as_they_will_be_read_back(make).await;
    cursors_only_move_forward(make).await;
    followers_miss_nothing(make).await;
    subscriptions_go_on_where_they_committed(make).await;
    concurrent_writers_share_one_chain(make).await;
}

fn seqs(events: &[Arc<Event>]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

fn an_empty_journal_says_so(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    assert_eq!(journal.head(), Head { seq: 0, hash: hex(&ZERO) });
    assert_eq!(*journal.watch().borrow(), 0);
    assert_eq!(journal.read(0, 10).expect("reads"), vec![]);
    assert_eq!(journal.read_before(u64::MAX, 10).expect("reads"), vec![]);
    assert_eq!(journal.read_by_id("mainstay", &draft("a", "k").id).expect("reads"), None);
    assert_eq!(journal.cursor("nobody").expect("reads"), 0);
    assert_eq!(journal.row("kinds", "a").expect("reads"), None);
    assert_eq!(journal.rows("kinds", &RowQuery::newest(5)).expect("reads"), vec![]);
    let error = journal.row("runs", "a").expect_err("no such table");
    assert!(error.to_string().contains("`runs`; it keeps kinds, subjects"), "{error}");
}

async fn events_are_chained_and_read_back(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    assert_eq!(journal.append(vec![]).await.expect("an empty batch is no work"), vec![]);
    let first = journal.append(vec![draft("a", "k.one"), draft("b", "k.two")]).await.expect("appends");
    let second =
        journal.append(vec![about("c", "k.three", "s/1", json!({"x": [1, "y"]}))]).await.expect("appends");
    let all: Vec<_> = first.into_iter().chain(second).collect();
    assert_eq!(seqs(&all), [1, 2, 3]);
    let mut prev = ZERO;
    for event in &all {
        let body = crate::record::seal_batch(vec![event.draft.clone()]).expect("fine").0.remove(0).body;
        assert_eq!(event.prev_hash.0, prev);
        prev = chain(&prev, event.seq, &digest(body.as_bytes()));
        assert_eq!(event.hash.0, prev);
    }
    assert_eq!(journal.head(), Head { seq: 3, hash: hex(&prev) });
    assert_eq!(*journal.watch().borrow(), 3);
    assert_eq!(journal.read(0, 10).expect("reads"), all);
    assert_eq!(seqs(&journal.read(1, 1).expect("reads")), [2]);
    assert_eq!(seqs(&journal.read(3, 10).expect("reads")), [0; 0]);
    assert_eq!(seqs(&journal.read(u64::MAX, 10).expect("reads")), [0; 0]);
    assert_eq!(seqs(&journal.read(0, 0).expect("reads")), [0; 0]);
    assert_eq!(seqs(&journal.read_before(u64::MAX, 2).expect("reads")), [3, 2]);
    assert_eq!(seqs(&journal.read_before(2, 10).expect("reads")), [1]);
    assert_eq!(seqs(&journal.read_before(0, 10).expect("reads")), [0; 0]);
    assert_eq!(journal.read_by_id("mainstay", &all[1].id).expect("reads").as_ref(), Some(&all[1]));
    assert_eq!(journal.read_by_id("elsewhere", &all[1].id).expect("reads"), None);
}

async fn events_are_looked_at_by_their_bodies(make: Make<'_>) {
    let fresh = make(Vec::new());
    let journal = &fresh.journal;
    let drafts =
        (1..=9).map(|n| about(format!("e{n}"), "subject.made", &format!("s{}", n % 3), json!({"n": n})));
    let events = journal.append(drafts.collect()).await.expect("durable");
    let mut bodies = Vec::new();
    let mut wanted = |body: &str| {
        bodies.push(body.to_owned());
        body.contains(r#""subject":"s1""#)
    };
    let looked = journal.look(Place::After(1), 6, 10, &mut wanted).expect("looks");
    assert_eq!((seqs(&looked.events), looked.seen, looked.last), (vec![4, 7], 6, 7));
    assert_eq!(looked.events[0], events[3], "read as by its place");
    let back = journal.look(Place::Before(u64::MAX), 100, 2, &mut wanted).expect("looks");
    assert_eq!((seqs(&back.events), back.last), (vec![7, 4], 4), "no more than are asked for");
    let none = journal.look(Place::After(9), 5, 5, &mut |_| true).expect("looks");
    assert_eq!((none.events.len(), none.seen), (0, 0));
    let fields = json!({
        "actor": "system:contract", "data": {"n": 2}, "id": "e2", "source": "mainstay", "subject": "s2",
        "time": "2026-11-22T15:04:05.250Z", "type": "subject.made",
    });
    assert_eq!(bodies[0], fields.to_string(), "the canonical form");
}

async fn the_same_id_is_written_once(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    let first = journal.append(vec![draft("a", "k.first")]).await.expect("appends").remove(0);
    let again = journal.append(vec![draft("a", "k.second")]).await.expect("answers").remove(0);
    assert_eq!(again, first);
    let mixed = vec![draft("b", "k.new"), draft("a", "k.third"), draft("b", "k.newer"), draft("c", "k.new")];
    let mixed = journal.append(mixed).await.expect("appends");
    assert_eq!(seqs(&mixed), [2, 1, 2, 3]);
    assert_eq!((mixed[1].kind.as_str(), mixed[2].kind.as_str()), ("k.first", "k.new"));
    let mut elsewhere = draft("a", "k.other");
    elsewhere.source = "https://example.test/hooks".to_owned();
    assert_eq!(seqs(&journal.append(vec![elsewhere]).await.expect("appends")), [4]);
    assert_eq!(journal.head().seq, 4);
    assert_eq!(journal.row("kinds", "k.new").expect("reads"), Some(json!({"count": 2, "last": 3})));
    assert_eq!(journal.row("kinds", "k.second").expect("reads"), None);
}

async fn a_batch_is_all_or_nothing(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    let big = about("b", "k", "s", json!("x".repeat(crate::MAX_EVENT_BYTES)));
    let error = journal.append(vec![draft("a", "k"), big]).await.expect_err("one is too big");
    assert!(matches!(error, StoreError::Refused { ref id, .. } if id == "b"), "{error}");
    let mut nameless = draft("c", "");
    nameless.kind.clear();
    assert!(journal.append(vec![draft("a", "k"), nameless]).await.is_err());
    assert_eq!(journal.head().seq, 0);
    assert_eq!(journal.rows("kinds", &RowQuery::by_id(9)).expect("reads"), vec![]);
    assert_eq!(seqs(&journal.append(vec![draft("a", "k")]).await.expect("appends")), [1]);
}

async fn a_failing_fold_concerns_its_caller_only(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    for (round, kind) in ["subject.panics", "subject.deep"].into_iter().enumerate() {
        let good = (0..20).map(|n| {
            let journal = journal.clone();
            tokio::spawn(
                async move { journal.append(vec![draft(format!("good-{round}-{n}"), "k.good")]).await },
            )
        });
        let good: Vec<_> = good.collect();
        let batch = vec![
            draft(format!("with-{round}"), "k.with"),
            about(format!("bad-{round}"), kind, "s", json!(1)),
        ];
        let error = journal.append(batch.clone()).await.expect_err("the fold fails");
        assert!(matches!(error, StoreError::Fold { ref table, .. } if table == "subjects"), "{error}");
        for task in good {
            task.await.expect("no panic").expect("the others are written");
        }
        assert_eq!(journal.read_by_id("mainstay", &batch[0].id).expect("reads"), None);
    }
    assert_eq!(journal.head().seq, 40);
    assert_eq!(journal.row("kinds", "k.with").expect("reads"), None);
    assert_eq!(journal.row("kinds", "k.good").expect("reads"), Some(json!({"count": 40, "last": 40})));
}

async fn tables_follow_the_events(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    let row = |id: &str| journal.row("subjects", id).expect("reads");
    journal.append(vec![about("1", "k", "a", json!({"n": 1}))]).await.expect("appends");
    assert_eq!(row("a"), Some(json!({"n": 1})));
    let batch = vec![
        about("2", "k", "a", json!({"n": 2})),
        about("3", "k", "b", json!({"n": 3})),
        about("4", "subject.removed", "a", Value::Null),
        about("5", "subject.removed", "never-there", Value::Null),
    ];
    journal.append(batch).await.expect("appends");
    assert_eq!((row("a"), row("b")), (None, Some(json!({"n": 3}))));
    journal.append(vec![about("6", "k", "a", json!(null))]).await.expect("appends");
    assert_eq!(row("a"), Some(Value::Null), "a row may be null, which is not the same as no row");
    assert_eq!(journal.row("kinds", "k").expect("reads"), Some(json!({"count": 4, "last": 6})));
}

async fn rows_come_in_pages(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    // Created in this order; `d` is changed last, `b` is made anew last.
    for (n, (id, kind)) in
        [("d", "k"), ("b", "k"), ("c", "k"), ("a\0z", "k"), ("a", "k"), ("b", "subject.renewed"), ("d", "k")]
            .into_iter()
            .enumerate()
    {
        journal.append(vec![about(format!("e{n}"), kind, id, json!(n))]).await.expect("appends");
    }
    let ids = |query: RowQuery| -> Vec<String> {
        journal.rows("subjects", &query).expect("reads").into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids(RowQuery::by_id(9)), ["a", "a\0z", "b", "c", "d"]);
    assert_eq!(ids(RowQuery::by_id(2).after("a")), ["a\0z", "b"]);
    assert_eq!(ids(RowQuery::by_id(2).after("bb")), ["c", "d"], "a removed row is no obstacle");
    assert_eq!(ids(RowQuery::newest(9)), ["b", "a", "a\0z", "c", "d"]);
    assert_eq!(ids(RowQuery::newest(2).after("a")), ["a\0z", "c"]);
    assert_eq!(ids(RowQuery::newest(2).after("d")), [""; 0]);
    assert_eq!(ids(RowQuery::newest(0)), [""; 0]);
    for (n, id) in ["c/2", "c/1", "c0", "c-1", "c/", "cc/1", "c/1/x"].into_iter().enumerate() {
        journal.append(vec![about(format!("u{n}"), "k", id, json!(n))]).await.expect("appends");
    }
    assert_eq!(ids(RowQuery::under("c")), ["c/1", "c/1/x", "c/2"]);
    assert_eq!(ids(RowQuery::under("c").after("c/1")), ["c/1/x", "c/2"]);
    assert_eq!(ids(RowQuery::under("nobody")), [""; 0]);
    let newest = RowQuery { under: Some("c".to_owned()), ..RowQuery::newest(2) };
    assert_eq!(ids(newest.clone()), ["c/1/x", "c/1"]);
    assert_eq!(ids(newest.after("c/1")), ["c/2"]);
    let error = journal.rows("subjects", &RowQuery::newest(2).after("x")).expect_err("it is not there");
    assert!(matches!(error, StoreError::NoSuchRow { .. }), "{error}");
    assert_eq!(journal.rows("subjects", &RowQuery::by_id(1)).expect("reads"), [("a".to_owned(), json!(4))]);
    // However large the pages are, the same rows come in the same order.
    for page in [0, 1, 2, 3, 9] {
        let one_by_one = |query: RowQuery| -> Vec<String> {
            let rows = rows_from(journal.as_ref(), "subjects", RowQuery { limit: page, ..query });
            rows.map(|row| row.expect("reads").0).collect()
        };
        let under = RowQuery::under("c").after("c/1");
        for query in [RowQuery::by_id(99), RowQuery::newest(99).after("a"), under, RowQuery::under("nobody")]
        {
            assert_eq!(one_by_one(query.clone()), ids(query.clone()), "{query:?}, {page} at once");
        }
    }
    let first = |wanted| {
        rows_from(journal.as_ref(), "subjects", RowQuery::newest(2)).first(wanted, |id, _| {
            let is_wanted = !id.starts_with('c');
            if id == "d" { Err(StoreError::Closed) } else { Ok(is_wanted.then_some(id)) }
        })
    };
    assert_eq!(first(0).expect("nothing is read"), [""; 0]);
    assert_eq!(first(3).expect("reads"), ["b", "a", "a\0z"], "what is behind the last one is not looked at");
    assert!(matches!(first(4), Err(StoreError::Closed)));
    let mut gone = rows_from(journal.as_ref(), "subjects", RowQuery::newest(2).after("x"));
    assert!(matches!(gone.next(), Some(Err(StoreError::NoSuchRow { .. }))));
    assert!(gone.next().is_none(), "an error is the last of it");
}

async fn numbers_are_seen_as_they_will_be_read_back(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    // The last digits of such numbers may not survive a JSON text. What a fold saw has to be what a rebuild will see.
    for n in 0_u32..500 {
        let value = f64::from(n).sqrt() / 1e7;
        let event =
            about(format!("e{n}"), "k", "s", json!({"value": value, "max": u64::MAX, "min": i64::MIN}));
        let written = journal.append(vec![event]).await.expect("appends").remove(0);
        assert_eq!(journal.read(u64::from(n), 1).expect("reads"), std::slice::from_ref(&written));
        assert_eq!(journal.row("subjects", "s").expect("reads").as_ref(), Some(&written.data));
    }
}

async fn cursors_only_move_forward(make: Make<'_>) {
    let fresh = make(folds());
    let journal = &fresh.journal;
    journal.append((0..5).map(|n| draft(format!("e{n}"), "k")).collect()).await.expect("appends");
    journal.advance("mailer", 3).await.expect("moves");
    journal.advance("mailer", 2).await.expect("is no move");
    journal.advance("other", 5).await.expect("moves");
    let error = journal.advance("mailer", 6).await.expect_err("there is no event 6");
    assert!(matches!(error, StoreError::BeyondHead { seq: 6, head: 5, .. }), "{error}");
    assert_eq!(journal.cursor("mailer").expect("reads"), 3);
    assert_eq!(journal.cursor("other").expect("reads"), 5);
    assert_eq!(journal.cursor("third").expect("reads"), 0);
}

async fn followers_miss_nothing(make: Make<'_>) {
    let fresh = make(folds());
    let journal = fresh.journal.clone();
    let mut follower = Follower::new(journal.clone(), 0).page(7);
    {
        // Nothing is there yet, so it waits; giving up waiting loses nothing.
        let mut waiting = pin!(follower.next());
        assert!(matches!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    let following = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 200 {
            let events = follower.next().await.expect("follows");
            assert!((1..=7).contains(&events.len()));
            assert_eq!(events.last().map(|event| event.seq), Some(follower.position()));
            seen.extend(seqs(&events));
        }
        seen
    });
    for n in 0..100 {
        let pair = vec![draft(format!("a{n}"), "k"), draft(format!("b{n}"), "k")];
        journal.append(pair).await.expect("appends");
    }
    assert_eq!(following.await.expect("no panic"), (1..=200).collect::<Vec<u64>>());
    let mut late = Follower::new(journal.clone(), 198);
    assert_eq!(seqs(&late.next().await.expect("follows")), [199, 200]);
}

async fn subscriptions_go_on_where_they_committed(make: Make<'_>) {
    let fresh = make(folds());
    let journal = fresh.journal.clone();
    journal.append((0..10).map(|n| draft(format!("e{n}"), "k")).collect()).await.expect("appends");
    let mut first = Subscription::open(journal.clone(), "triggers").expect("opens").page(4);
    assert_eq!(first.name(), "triggers");
    assert_eq!(seqs(&first.next().await.expect("reads")), [1, 2, 3, 4]);
    first.commit(2).await.expect("commits");
    assert_eq!(seqs(&first.next().await.expect("reads")), [5, 6, 7, 8]);
    drop(first);
    // What was handed over and not committed comes again.
    let mut second = Subscription::open(journal.clone(), "triggers").expect("opens").page(4);
    assert_eq!(seqs(&second.next().await.expect("reads")), [3, 4, 5, 6]);
    second.commit(6).await.expect("commits");
    let mut other = Subscription::open(journal.clone(), "mailer").expect("opens");
    assert_eq!(seqs(&other.next().await.expect("reads")).len(), 10);
}

async fn concurrent_writers_share_one_chain(make: Make<'_>) {
    const WRITERS: u64 = 32;
    const EACH: u64 = 20;
    let fresh = make(folds());
    let journal = fresh.journal.clone();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut answered = BTreeMap::new();
                for n in 0..EACH {
                    // Every other event is also written by the next writer.
                    let id =
                        if n % 2 == 0 { format!("w{writer}-{n}") } else { format!("w{}-{n}", writer / 2) };
                    let event =
                        journal.append(vec![draft(id.clone(), "k")]).await.expect("appends").remove(0);
                    assert!(journal.head().seq >= event.seq, "answered before it was durable");
                    assert_eq!(journal.read(event.seq - 1, 1).expect("reads"), std::slice::from_ref(&event));
                    answered.insert(id, event);
                }
                answered
            })
        })
        .collect();
    let mut answered: BTreeMap<String, Arc<Event>> = BTreeMap::new();
    for writer in writers {
        for (id, event) in writer.await.expect("no panic") {
            let first = answered.entry(id).or_insert_with(|| event.clone());
            assert_eq!(first.seq, event.seq, "one id, two records");
        }
    }
    let all = journal.read(0, usize::MAX).expect("reads");
    let distinct = WRITERS * EACH * 3 / 4;
    assert_eq!(seqs(&all), (1..=distinct).collect::<Vec<_>>());
    assert!(all.windows(2).all(|pair| pair[0].hash == pair[1].prev_hash));
    assert_eq!(answered.len() as u64, distinct);
    assert_eq!(journal.row("kinds", "k").expect("reads"), Some(json!({"count": distinct, "last": distinct})));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryJournal, Options, SqliteJournal};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        contract(&|folds| {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let journal =
                SqliteJournal::open(dir.path(), Options { folds, ..Options::default() }).expect("opens");
            Fresh { journal: Arc::new(journal), keep: Box::new(dir) }
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn memory() {
        contract(&|folds| {
            let journal = MemoryJournal::new(folds).expect("fine folds");
            Fresh { journal: Arc::new(journal), keep: Box::new(()) }
        })
        .await;
    }
}
