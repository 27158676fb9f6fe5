//! What sentences add to what stands in the events they are made of. With it a search of very many events knows of most of
//! them that their sentences do not have a word, without making the sentences.

/// By the first part of the kind: the words that a sentence may have of its own, in lower case, and whether it may have
/// numbers that are worked out or rounded.
const ADDED: [(&str, &str, bool); 11] = [
    (
        "alarm",
        "alarm for is pending its condition holds value acknowledged fires has cleared inactive again no data to judge by \
         cannot be evaluated",
        true,
    ),
    ("measure", "is on target off value has no data cannot be measured", true),
    (
        "service",
        "service on is starting ready unhealthy ended with exit code by signal restarted stopped went running and supervised \
         again failed its last words",
        false,
    ),
    (
        "run",
        "run of began stands in line started by has its turn and begins the that step works again waits attempt sleeps until \
         goes to no host ran into time limit is stopped next loop iteration an for a person cancelled succeeded failed timed \
         out was unknown outcome skipped ended as decided",
        false,
    ),
    (
        "incident",
        "incident opened alarm joined the resolved after by a run hand what kept it open still acknowledged update draft of \
         post analysis written ms s min h d",
        true,
    ),
    (
        "change",
        "change of resource resources to revision began waits for an approval was approved refused cancelled by a step is \
         unknown ended as rolled back over kept in part the way back wave host",
        true,
    ),
    (
        "trigger",
        "trigger starts nothing could not start its procedure gave up of calls the schedule fired was disabled enabled given \
         event events past again",
        true,
    ),
    (
        "access",
        "user was added disabled enabled again the password of set granted on is no longer signed in with an account elsewhere \
         a known to from now by nothing still at work session ended made token taken back link that signs refused somebody \
         tried sign failed as",
        false,
    ),
    ("silence", "alarms with are silenced until the silence of was ended", false),
    ("server", "server started is stopping", false),
    ("revision", "revision was written down applied", false),
];

/// The same of what has no family of its own.
const OTHERS: (&str, bool) = ("host connected was lost fault injected at", false);

/// The words that any sentence may have.
const ALWAYS: &str = "event about unnamed";

/// Whether [`sentence`](crate::sentence) may put a word into what it says of an event of this kind that does not stand in the
/// event. `word` is a part of a word, or a number: letters and digits in lower case and nothing between them. What is not
/// told of here stands in the event's type, subject or data as it stands in the sentence, but for the case of letters.
pub fn adds(kind: &str, word: &str) -> bool {
    let family = kind.split('.').next().unwrap_or_default();
    let known = ADDED.iter().find(|(name, ..)| *name == family);
    let (words, numbers) = known.map_or(OTHERS, |(_, words, numbers)| (*words, *numbers));
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return numbers;
    }
    [ALWAYS, words].iter().any(|words| words.split(' ').any(|known| known.contains(word)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mainstay_model::{Actor, EventDraft, EventId, Timestamp};
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    /// What stands in quotes where sentences are made: the kinds, the keys that are read, and the values that decide.
    fn literals() -> Vec<String> {
        let source = concat!(include_str!("sentence.rs"), include_str!("case.rs"));
        let quoted = source.split('"').skip(1).step_by(2);
        let plain = |text: &&str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':'))
        };
        let all: BTreeSet<String> = quoted.filter(plain).map(str::to_owned).collect();
        all.into_iter().collect()
    }

    fn kinds() -> Vec<String> {
        let dotted = |text: &String| text.contains('.') && !text.starts_with('.') && !text.ends_with('.');
        let mut kinds: Vec<String> = literals().into_iter().filter(dotted).collect();
        kinds.extend(["order.placed", "alarm.other", "host"].map(str::to_owned));
        kinds
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => prop::sample::select(literals()),
            2 => "[a-zA-Z0-9]{1,6}([ ._:/-][a-zA-Z0-9]{1,6}){0,3}",
            1 => "\\PC{0,12}",
            1 => ".{0,20}".prop_map(|text| text.repeat(12)),
        ]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            8 => texts().prop_map(Value::from),
            1 => Just(Value::Null),
            1 => any::<bool>().prop_map(Value::from),
            2 => (0..5_u64).prop_map(Value::from),
            1 => any::<i64>().prop_map(Value::from),
            1 => any::<u64>().prop_map(Value::from),
            1 => (-1e6..1e6).prop_map(|value: f64| json!(value)),
        ];
        leaf.prop_recursive(2, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                objects(inner, 0..4).prop_map(Value::Object),
            ]
        })
    }

    fn objects(
        values: impl Strategy<Value = Value>,
        size: std::ops::Range<usize>,
    ) -> impl Strategy<Value = Map<String, Value>> {
        let keys = prop_oneof![6 => prop::sample::select(literals()), 1 => texts()];
        prop::collection::vec((keys, values), size).prop_map(|fields| fields.into_iter().collect())
    }

    fn events() -> impl Strategy<Value = EventDraft> {
        let subject = proptest::option::of(texts());
        (prop::sample::select(kinds()), subject, objects(values(), 0..50)).prop_map(
            |(kind, subject, data)| {
                let id = EventId::new("e1").expect("an id");
                let by = Actor::System("test".to_owned());
                let draft = EventDraft::new(id, kind, Timestamp::from_millis(1), by, Value::Object(data));
                EventDraft { subject, ..draft }
            },
        )
    }

    fn folded(text: &str) -> String {
        text.to_lowercase().replace('ς', "σ")
    }

    /// The words of a sentence that stand neither in the event nor are told of by [`adds`].
    fn unaccounted(event: &EventDraft) -> Vec<String> {
        let said = folded(&crate::sentence(event));
        let data = &event.data;
        let subject = event.subject.as_deref().unwrap_or_default();
        let stands = folded(&format!("{} {subject} {data}", event.kind));
        let words = said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.filter(|word| !stands.contains(word) && !adds(&event.kind, word)).map(str::to_owned).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_word_of_a_sentence_stands_in_the_event_or_is_added(event in events()) {
            let words = unaccounted(&event);
            prop_assert!(words.is_empty(), "{:?} of {}", words, crate::sentence(&event));
        }
    }

    #[test]
    fn every_kind_that_has_a_sentence_is_drawn() {
        let kinds = kinds();
        for kind in
            ["alarm.firing", "run.attempt.dispatched", "access.claimed", "fault.injected", "silence.expired"]
        {
            assert!(kinds.iter().any(|known| known == kind), "{kind}");
        }
        assert!(kinds.len() > 70, "{}", kinds.len());
    }

    #[test]
    fn what_is_added_is_told_by_kind() {
        assert!(adds("host.connected", "nnect") && !adds("run.finished", "connect"));
        assert!(adds("incident.resolved", "90") && !adds("run.finished", "90"));
        assert!(adds("order.placed", "about") && !adds("order.placed", "needle"));
    }
}
