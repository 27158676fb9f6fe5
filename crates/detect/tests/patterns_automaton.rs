//! The automaton against the patterns by themselves: each answers alone what the set must answer.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::pattern::MAX_EVENT_DEPTH;
use mainstay_detect::{EventError, Pattern, PatternSet, Scratch};
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "fuzz/checks.rs"]
mod checks;
mod common;

/// JSON text as strange as JSON may be: blanks, escapes, and keys that are there twice, the wrong value first.
fn write(value: &Value, seed: &mut u64, out: &mut String) {
    let roll = |seed: &mut u64, sides: u64| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % sides
    };
    let text = |text: &str, seed: &mut u64, out: &mut String| {
        out.push('"');
        for c in text.chars() {
            match roll(seed, 6) {
                0 if c.is_ascii() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
                _ => out.push_str(Value::from(c.to_string()).to_string().trim_matches('"')),
            }
        }
        out.push('"');
    };
    if roll(seed, 5) == 0 {
        out.push_str([" ", "\n\t", "\r\n "][roll(seed, 3) as usize]);
    }
    match value {
        Value::Object(map) => {
            out.push('{');
            for (number, (key, inner)) in map.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                if roll(seed, 8) == 0 {
                    text(key, seed, out);
                    out.push_str([":\"x\",", ": [{\"a\":\"x\"}],", ":1 ,"][roll(seed, 3) as usize]);
                }
                text(key, seed, out);
                out.push_str([":", " : "][roll(seed, 2) as usize]);
                write(inner, seed, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (number, inner) in list.iter().enumerate() {
                if number > 0 {
                    out.push_str([",", " ,\n"][roll(seed, 2) as usize]);
                }
                write(inner, seed, out);
            }
            out.push(']');
        }
        Value::String(value) => text(value, seed, out),
        other => out.push_str(&other.to_string()),
    }
    if roll(seed, 5) == 0 {
        out.push(' ');
    }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[abc]", 1 => Just("a.b".to_owned()), 1 => Just("b.c".to_owned()), 1 => Just(String::new())]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[xyX]{0,3}",
        1 => "[xyX]{6,12}",
        1 => "[sSſkK\u{212a}éÉıiß]{1,3}",
        1 => "(10\\.0\\.[01]\\.[0-3]|::[0-3]|0:0::1)",
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3..4_i64).prop_map(Value::from),
        2 => (-4..8_i64).prop_map(|n| json!(n as f64 / 2.0)),
        1 => prop::sample::select(vec![
            json!(9_007_199_254_740_992_i64), json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0),
            json!(u64::MAX), json!(i64::MIN), json!(-0.0), json!(1e300),
        ]),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        2 => number(),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

fn event() -> impl Strategy<Value = Value> {
    let inner = scalar().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    prop::collection::btree_map(key(), inner, 1..5).prop_map(|map| json!(map))
}

fn entry() -> impl Strategy<Value = Value> {
    let wildcard =
        || "[xy]{0,2}\\*[xyX]{0,3}(\\*[xy]{0,2})?".prop_filter("one star", |text| !text.contains("**"));
    let affix = || "[xyXsSſkéß]{1,2}";
    prop_oneof![
        6 => scalar(),
        1 => any::<bool>().prop_map(|wanted| json!({"exists": wanted})),
        1 => prop::sample::select(vec!["prefix", "suffix"]).prop_flat_map(move |name| affix().prop_map(move |text| json!({name: text}))),
        1 => prop::sample::select(vec!["prefix", "suffix"]).prop_flat_map(move |name| affix().prop_map(move |text| json!({name: {"equals-ignore-case": text}}))),
        1 => Just(json!({"prefix": ""})),
        1 => text().prop_map(|text| json!({"equals-ignore-case": text})),
        2 => wildcard().prop_map(|text| json!({"wildcard": text})),
        1 => number().prop_map(|bound| json!({"numeric": ["=", bound]})),
        1 => (prop::sample::select(vec![">", ">=", "<", "<="]), number()).prop_map(|(name, bound)| json!({"numeric": [name, bound]})),
        2 => (-3..4_i64, 1..4_i64).prop_map(|(low, width)| json!({"numeric": [">", low, "<=", low + width]})),
        1 => text().prop_map(|text| json!({"anything-but": text})),
        1 => (0..3).prop_map(|number| json!({"anything-but": [number, number + 1]})),
        1 => affix().prop_map(|text| json!({"anything-but": {"prefix": [text, "y"]}})),
        1 => wildcard().prop_map(|text| json!({"anything-but": {"wildcard": text}})),
        1 => prop::sample::select(vec!["10.0.0.0/24", "10.0.0.2/31", "0.0.0.0/0", "::/0", "::1/128"]).prop_map(|block| json!({"cidr": block})),
    ]
}

fn pattern() -> impl Strategy<Value = Value> {
    let leaf = prop::collection::vec(entry(), 1..3).prop_map(Value::from);
    let object = |inner: BoxedStrategy<Value>| {
        let fields = prop::collection::btree_map(key(), inner.clone(), 1..3);
        let or = prop::option::weighted(
            0.2,
            prop::collection::vec(
                prop::collection::btree_map(key(), inner, 1..3).prop_map(|map| json!(map)),
                2..4,
            ),
        );
        (fields, or).prop_map(|(fields, or)| {
            let mut map: serde_json::Map<String, Value> = fields.into_iter().collect();
            map.extend(or.map(|or| ("$or".to_owned(), Value::Array(or))));
            Value::Object(map)
        })
    };
    let inner = leaf.prop_recursive(2, 8, 2, move |inner| object(inner.boxed())).boxed();
    object(inner)
}

/// Many patterns on few paths, so that what finds candidates is at work.
fn crowd() -> impl Strategy<Value = Vec<Value>> {
    let flat = (prop::sample::select(vec!["a", "b"]), prop::collection::vec(entry(), 1..3))
        .prop_map(|(key, entries)| json!({key: entries}));
    prop_oneof![prop::collection::vec(pattern(), 1..12), prop::collection::vec(flat, 10..40),]
}

/// Of what is made here, only patterns with too many combinations are refused.
fn parse(patterns: &[Value]) -> Vec<Pattern> {
    let parse = |pattern| {
        Pattern::parse(pattern)
            .inspect_err(|problems| assert_eq!(problems[0].code, "too-many-combinations", "{pattern}"))
            .ok()
    };
    patterns.iter().filter_map(parse).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_each_pattern_alone(patterns in crowd(), events in prop::collection::vec(event(), 1..4), seed in any::<u64>()) {
        let patterns = parse(&patterns);
        let mut scratch = Scratch::new();
        let mut seed = seed;
        for event in &events {
            let mut text = String::new();
            write(event, &mut seed, &mut text);
            checks::agree(&patterns, text.as_bytes(), &mut scratch);
        }
    }

    #[test]
    fn reads_what_is_json_and_nothing_else(patterns in crowd(), event in event(), seed in any::<u64>(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = String::new();
        write(&event, &mut seed.clone(), &mut text);
        let mut bytes = text.into_bytes();
        let at = cut.index(bytes.len());
        match seed % 3 {
            0 => bytes[at] = byte,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, b"\"\\{}[],:0e-."[usize::from(byte) % 12]),
        }
        checks::agree(&parse(&patterns), &bytes, &mut Scratch::new());
    }

    #[test]
    fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        checks::lines(&bytes);
    }
}

/// All events of a corpus against all of its patterns at once.
fn all_against_all(patterns: &[Pattern], events: &[String]) {
    let mut set = PatternSet::new();
    for (id, pattern) in patterns.iter().enumerate() {
        set.add(id, pattern.clone());
    }
    let mut scratch = Scratch::new();
    let mut matched = 0;
    for text in events {
        let event: Value = serde_json::from_str(text).expect("the event is JSON");
        let alone: Vec<usize> = (0..patterns.len()).filter(|id| patterns[*id].matches(&event)).collect();
        let found = set.matches_json(text.as_bytes(), &mut scratch).expect("the event is read");
        assert_eq!(found.into_iter().copied().collect::<Vec<_>>(), alone, "{text}");
        assert_eq!(set.matches(&event).into_iter().copied().collect::<Vec<_>>(), alone, "{text}");
        matched += alone.len();
    }
    println!("{} patterns, {} events, {matched} matches", patterns.len(), events.len());
    assert!(matched > 0);
}

#[test]
fn the_corpora_at_once() {
    let Some(folder) = common::corpus("eventbridge-localstack") else { return };
    let (mut patterns, mut events) = (Vec::new(), Vec::new());
    for file in common::files(&folder, &[".json5", ".json"]) {
        let case = common::json5(&common::read(&file));
        if let (Some(pattern), Some(event)) = (case.get("EventPattern"), case.get("Event")) {
            patterns.extend(Pattern::parse(pattern));
            events.push(event.to_string());
        }
    }
    if let Some(folder) = common::corpus("event-ruler") {
        let text = common::read(&folder.join("correctness-cases.expected.json"));
        for case in serde_json::from_str::<Vec<Value>>(&text).expect("the cases are JSON") {
            patterns.extend(Pattern::parse(&case["rule"]));
            events.push(case["event"].to_string());
        }
    }
    if let Some(folder) = common::corpus("docs-eventbridge") {
        for file in common::files(&folder.join("pattern"), &[".json"]) {
            patterns.extend(Pattern::parse(&common::json5(&common::read(&file))));
        }
        events.extend(
            common::files(&folder.join("event"), &[".json"])
                .iter()
                .filter_map(|file| serde_json::from_str::<Value>(&common::read(file)).ok())
                .map(|event| event.to_string()),
        );
    }
    assert!(patterns.len() > 100 && events.len() > 100);
    all_against_all(&patterns, &events);
}

#[test]
fn bad_events_are_told_where() {
    let mut set = PatternSet::new();
    set.add(
        1,
        Pattern::parse_json(r#"{"a": [{"exists": true}, {"numeric": [">", 1]}]}"#).expect("a pattern"),
    );
    let mut scratch = Scratch::new();
    let mut answer = |event: &[u8]| match set.matches_json(event, &mut scratch) {
        Ok(found) => format!("{} found", found.len()),
        Err(error) => error.to_string(),
    };
    for (event, expected) in [
        (&b"{\"a\": \"\xff\"}"[..], "the event is not UTF-8 from byte 7 on"),
        (b"", "the event is not JSON: it ends too early at byte 0"),
        (b"{\"a\": 1", "the event is not JSON: it ends too early at byte 7"),
        (b"{\"a\": 1,}", "the event is not JSON: a key in quotes is missing at byte 8"),
        (b"{\"a\": 01}", "the event is not JSON: a number starts with 0 at byte 7"),
        (b"{\"a\": 1e999}", "the event is not JSON: a number is out of range at byte 6"),
        (
            b"{\"a\": \"\\ud800\"}",
            "the event is not JSON: an escape does not stand for a character at byte 7",
        ),
        (b"{\"b\": \"\n\"}", "the event is not JSON: a control character stands in a text at byte 7"),
        (b"{\"b\": nul}", "the event is not JSON: a value is missing at byte 6"),
        (b"{} {}", "the event is not JSON: there is more after its end at byte 3"),
        (b"[{\"a\": 1}]", "0 found"),
        (b"{\"a\": 1, \"a\": {}}", "0 found"),
        (b"{\"a\": {}, \"a\": 1}", "1 found"),
    ] {
        assert_eq!(answer(event), expected, "{}", String::from_utf8_lossy(event));
    }
    for key in ["a", "b"] {
        let nested = |depth: usize| format!("{{\"{key}\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        let deepest = nested(MAX_EVENT_DEPTH - 1);
        assert_eq!(answer(deepest.as_bytes()), "0 found");
        assert!(serde_json::from_str::<Value>(&deepest).is_ok());
        let deeper = nested(MAX_EVENT_DEPTH);
        assert!(serde_json::from_str::<Value>(&deeper).is_err());
        assert!(answer(deeper.as_bytes()).starts_with("the event nests more than 127 deep"));
    }
    let error = set.matches_json(&vec![b' '; mainstay_detect::pattern::MAX_EVENT_BYTES + 1], &mut scratch);
    assert!(matches!(error, Err(EventError::TooLarge { .. })));
}

#[test]
fn steps_are_shared_and_given_back() {
    let parse = |number: usize| {
        Pattern::parse(&json!({"source": ["shop"], "detail": {"order": [format!("o{number}")]}}))
            .expect("a pattern")
    };
    let mut set = PatternSet::new();
    for number in 0..1_000 {
        set.add(number, parse(number));
    }
    let event = br#"{"source": "shop", "detail": {"order": "o7"}}"#;
    let mut scratch = Scratch::new();
    assert_eq!(set.matches_json(event, &mut scratch), Ok(vec![&7]));
    let nodes = set.nodes();
    assert!(nodes <= 2_001, "{nodes} nodes");
    for number in 0..1_000 {
        assert!(set.add(number, parse(number)).is_some());
    }
    assert_eq!(set.nodes(), nodes);
    for number in 0..1_000 {
        set.remove(&number);
    }
    assert_eq!(set.nodes(), 1);
    assert_eq!(set.matches_json(event, &mut scratch), Ok(vec![]));
}

#[test]
fn pieces_of_wildcards_are_found_wherever_they_stand() {
    for length in 1..=9_usize {
        let piece = |n: usize| -> String { "abcdefghijkl"[n..n + 1].repeat(length) };
        let mut set = PatternSet::new();
        for n in 0..12 {
            let pattern = json!({ "a": [{ "wildcard": format!("*{}*", piece(n)) }] });
            // Long pieces are refused as too complex where they repeat; those that are not must be found.
            if let Ok(pattern) = Pattern::parse(&pattern) {
                set.add(n, pattern);
            }
        }
        for (before, after) in (0..12).flat_map(|before| (0..12).map(move |after| (before, after))) {
            for n in (0..12).filter(|n| set.get(n).is_some()) {
                let text = format!("{}{}{}", "-".repeat(before), piece(n), "-".repeat(after));
                assert_eq!(set.matches(&json!({ "a": text })), [&n], "{text}");
            }
        }
    }
}
