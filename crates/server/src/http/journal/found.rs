//! What a search finds is what one finds who reads every event and makes every sentence.

use mainstay_model::{Actor, EventDraft, EventId};
use mainstay_store::{MemoryJournal, Options, SqliteJournal};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use super::*;

const KINDS: [&str; 16] = [
    "alarm.firing",
    "measure.off_target",
    "service.exited",
    "run.step.finished",
    "run.attempt.settled",
    "run.started",
    "incident.resolved",
    "change.finished",
    "trigger.replayed",
    "access.granted",
    "access.password.set",
    "silence.created",
    "host.connected",
    "fault.injected",
    "order \"placed\"",
    "\u{212a}unden.ΑΣ",
];

const KEYS: [&str; 22] = [
    "alarm",
    "value",
    "labels",
    "goal",
    "reason",
    "host",
    "status",
    "step",
    "outputs",
    "outcome",
    "result",
    "procedure",
    "duration_ms",
    "message",
    "resolved_by",
    "user",
    "grant",
    "hash",
    "matched",
    "trigger",
    "description",
    "größe",
];

/// Texts with all that may go wrong: escapes, letters that change in lower case, and what is cut off.
fn texts() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "Success",
        "Failed",
        "needle",
        "a\"b\\c",
        "line\nbreak",
        "\u{1}",
        "\u{212a}elvin",
        "\u{130}stanbul",
        "ΟΔΟΣ",
        "ΟΔΟΣΑ",
        "straße",
        "null",
        "1e300",
        "0.1",
        "12",
        "\u{202e}",
        "  two  ",
        "Ärger",
        "x_y",
        "🙂",
    ]);
    prop_oneof![
        6 => prop::collection::vec(odd, 1..4).prop_map(|parts| parts.join(" ")),
        2 => "[a-c0-2 .:/\"\\\\]{0,8}",
        1 => ".{0,12}",
        1 => "[a-cΣ ]{1,4}".prop_map(|text| text.repeat(70)),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => texts().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => (0..300_u64).prop_map(Value::from),
        2 => any::<f64>().prop_map(Value::from),
        2 => (-2.0..2.0).prop_map(|value: f64| Value::from(value)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            objects(inner, 0..3).prop_map(Value::Object),
        ]
    })
}

fn objects(
    values: impl Strategy<Value = Value>,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((select(KEYS.as_slice()), values), size)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn drafts() -> impl Strategy<Value = Vec<EventDraft>> {
    let data = prop_oneof![1 => Just(Value::Null), 12 => objects(values(), 0..10).prop_map(Value::Object)];
    let optional = || proptest::option::of(texts());
    let one = (select(KINDS.as_slice()), optional(), optional(), texts(), texts(), data);
    let draft = |(number, (kind, subject, workload, actor, source, data)): (usize, _)| {
        let (kind, actor): (&str, String) = (kind, actor);
        let id = EventId::new(format!("e{number}")).expect("an id");
        let at = Timestamp::from_millis(1_795_359_845_250);
        let source: String = source;
        EventDraft {
            subject,
            workload,
            source: format!("s{source}"),
            ..EventDraft::new(id, kind, at, Actor::Person(actor), data)
        }
    };
    prop::collection::vec(one, 1..12).prop_map(move |all| all.into_iter().enumerate().map(draft).collect())
}

/// A part of a text, in some case of letters.
fn part(text: &str, (from, to, case): (Index, Index, u8)) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return String::new();
    }
    let (a, b) = (from.index(chars.len()), to.index(chars.len()));
    let part: String = chars[a.min(b)..=a.max(b)].iter().take(24).collect();
    match case {
        0 => part.to_lowercase(),
        1 => part.to_uppercase(),
        _ => part,
    }
}

/// What is asked: something that is shown of one of the events, or anything.
fn asked(drafts: &[EventDraft], which: Index, what: u8, cut: (Index, Index, u8), other: &str) -> Filter {
    let one = &drafts[which.index(drafts.len())];
    let sight = || Caller::machine().sight(&crate::catalogue::Catalogue::default());
    let of = |text: &str| Filter {
        contains: Some(part(text, cut)).filter(|text| !text.is_empty()),
        sight: sight(),
        ..Filter::default()
    };
    match what {
        0..=3 => of(&mainstay_learn::sentence(one)),
        4..=6 => of(&one.shown_data().to_string()),
        7 => of(&one.kind),
        8 => of(one.subject.as_deref().unwrap_or_default()),
        9 => of(&one.actor.to_string()),
        10 => of(other),
        11 => Filter { subject: one.subject.clone().or(Some(String::new())), ..of("") },
        12 => Filter { subject: Some(format!("{}/", part(other, cut))), ..of("") },
        13 => Filter { actor: Some(one.actor.to_string()), source: Some(one.source.clone()), ..of("") },
        14 => Filter::new(Some(&one.kind), one.workload.clone(), sight()).unwrap_or_else(|_| of("")),
        _ => {
            let cut = one.kind.char_indices().nth(2).map_or(0, |(at, _)| at);
            Filter::new(Some(&format!("{}*", &one.kind[..cut])), None, sight()).unwrap_or_else(|_| of(""))
        }
    }
}

/// Page by page to the end.
fn all(journal: &dyn Journal, filter: &Filter, from: Place, limit: usize) -> Vec<u64> {
    let (mut seqs, mut place) = (Vec::new(), from);
    loop {
        let (found, next) = find(journal, filter, place, limit).expect("readable");
        assert!(found.len() <= limit);
        seqs.extend(found.iter().map(|event| event.seq));
        let Some(next) = next else { return seqs };
        place = from.on_from(next);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_is_what_reading_everything_finds(
        drafts in drafts(),
        questions in prop::collection::vec((any::<Index>(), 0..16_u8, any::<(Index, Index)>(), 0..3_u8, texts()), 6),
        limit in 1..5_usize,
    ) {
        let journal = MemoryJournal::new(Vec::new()).expect("no folds");
        futures::FutureExt::now_or_never(journal.append(drafts)).expect("at once").expect("appended");
        let events = journal.read(0, 100).expect("readable");
        // As they are read: of some numbers the last digit is another one than was given.
        let drafts: Vec<EventDraft> = events.iter().map(|event| event.draft.clone()).collect();
        for (which, what, (from, to), case, other) in questions {
            let filter = asked(&drafts, which, what, (from, to, case), &other);
            let mut expected: Vec<u64> =
                events.iter().filter(|event| filter.takes(event)).map(|event| event.seq).collect();
            let shown = (&filter.contains, &filter.subject, &filter.kind);
            prop_assert_eq!(all(&journal, &filter, Place::After(0), limit), expected.clone(), "{:?}", shown);
            expected.reverse();
            prop_assert_eq!(all(&journal, &filter, Place::Before(u64::MAX), limit), expected, "{:?}", shown);
        }
    }
}

#[tokio::test]
async fn a_journal_on_disk_answers_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = SqliteJournal::open(dir.path(), Options::default()).expect("a journal");
    let draft = |number: usize| {
        let id = EventId::new(format!("e{number}")).expect("an id");
        let data = json!({ "host": format!("h{number}"), "why": if number.is_multiple_of(7) { "Too LOUD" } else { "so" } });
        let by = Actor::System("hub".to_owned());
        EventDraft::new(id, "host.connected", Timestamp::from_millis(1), by, data)
    };
    // More than is looked at in one go.
    let many = STRIDE + 500;
    for some in (0..many).collect::<Vec<_>>().chunks(500) {
        journal.append(some.iter().copied().map(draft).collect()).await.expect("durable");
    }
    let sight = Caller::machine().sight(&crate::catalogue::Catalogue::default());
    for (text, every) in
        [("too loud", 7), ("connected", 1), ("Host h4595 connected", many), ("needle", usize::MAX)]
    {
        let filter = Filter { contains: Some(text.to_owned()), sight: sight.clone(), ..Filter::default() };
        let expected: Vec<u64> = journal
            .read(0, usize::MAX)
            .expect("readable")
            .iter()
            .filter(|event| filter.takes(event))
            .map(|event| event.seq)
            .collect();
        assert_eq!(all(&journal, &filter, Place::After(0), 300), expected, "{text}");
        assert_eq!(expected.len(), if every == usize::MAX { 0 } else { many.div_ceil(every) }, "{text}");
        let backwards: Vec<u64> = expected.into_iter().rev().collect();
        assert_eq!(all(&journal, &filter, Place::Before(u64::MAX), 1000), backwards, "{text}");
    }
}

/// A number that reads back as another one is shown as it was read, and not as it is stored.
#[tokio::test]
async fn numbers_are_found_as_they_are_shown() {
    let reads_back = |number: &f64| serde_json::from_str::<f64>(&number.to_string()).ok() == Some(*number);
    let mut numbers = (1..).map(|n| f64::from(n) * 1.000_000_000_7e-9 + f64::from(n).sqrt());
    let number = numbers.find(|number| !reads_back(number)).expect("the quick reader is not exact");
    let journal = MemoryJournal::new(Vec::new()).expect("no folds");
    let id = EventId::new("e1").expect("an id");
    let by = Actor::System("test".to_owned());
    let draft =
        EventDraft::new(id, "order.placed", Timestamp::from_millis(1), by, json!({ "weight": number }));
    let event = journal.append(vec![draft]).await.expect("appended").remove(0);
    let shown = event.data["weight"].to_string();
    assert_ne!(shown, number.to_string());
    let sight = Caller::machine().sight(&crate::catalogue::Catalogue::default());
    let filter = Filter { contains: Some(shown), sight, ..Filter::default() };
    assert!(filter.takes(&event));
    assert_eq!(all(&journal, &filter, Place::After(0), 5), [1]);
}
