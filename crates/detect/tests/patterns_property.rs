//! Event patterns against a second matcher that is written in another way and makes no attempt to be quick: it writes
//! out every pair of the event, every combination of alternatives, and every choice of one pair per field.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::{Pattern, PatternSet};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[path = "fuzz/naive.rs"]
mod naive;

use naive::naive;

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[abc]", 1 => Just("a.b".to_owned()), 1 => Just("b.c".to_owned())]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "[xyX]{0,3}".prop_map(Value::from),
        2 => (0..4_i64).prop_map(Value::from),
        1 => Just(json!(1.0)),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

fn event() -> impl Strategy<Value = Value> {
    let inner = scalar().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    prop::collection::btree_map(key(), inner, 0..4).prop_map(|map| json!(map))
}

fn entry() -> impl Strategy<Value = Value> {
    let text = || "[xyX]{1,2}";
    prop_oneof![
        6 => scalar(),
        1 => any::<bool>().prop_map(|wanted| json!({"exists": wanted})),
        1 => text().prop_map(|text| json!({"prefix": text})),
        1 => text().prop_map(|text| json!({"suffix": text})),
        1 => text().prop_map(|text| json!({"suffix": {"equals-ignore-case": text}})),
        1 => text().prop_map(|text| json!({"prefix": {"equals-ignore-case": text}})),
        1 => text().prop_map(|text| json!({"equals-ignore-case": text})),
        1 => "[xy]?\\*?[xy]\\*?".prop_map(|text| json!({"wildcard": text})),
        1 => (0..4).prop_map(|bound| json!({"numeric": [">=", bound]})),
        1 => (0..3).prop_map(|bound| json!({"numeric": [">", bound, "<=", bound + 1]})),
        1 => text().prop_map(|text| json!({"anything-but": text})),
        1 => (0..3).prop_map(|number| json!({"anything-but": [number, number + 1]})),
        1 => text().prop_map(|text| json!({"anything-but": {"prefix": [text, "y"]}})),
        1 => text().prop_map(|text| json!({"anything-but": {"equals-ignore-case": text}})),
        1 => Just(json!({"anything-but": {"wildcard": "*x"}})),
    ]
}

fn pattern() -> impl Strategy<Value = Value> {
    let leaf = prop::collection::vec(entry(), 1..3).prop_map(Value::from);
    let object = |inner: BoxedStrategy<Value>| {
        let fields = prop::collection::btree_map(key(), inner.clone(), 1..4);
        let plain = || prop::collection::btree_map(key(), inner.clone(), 1..3).prop_map(|map| json!(map));
        let or = prop::option::weighted(0.25, prop::collection::vec(plain(), 2..4));
        (fields, or).prop_map(|(fields, or)| {
            let mut map: Map<String, Value> = fields.into_iter().collect();
            if let Some(or) = or {
                map.insert("$or".to_owned(), or.into());
            }
            Value::Object(map)
        })
    };
    let inner = leaf.prop_recursive(2, 10, 3, move |inner| object(inner.boxed())).boxed();
    object(inner)
}

/// A number below `sides`, and the next seed.
fn roll(seed: &mut u64, sides: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).expect("31 bits") % sides
}

/// An event that has at the paths of a pattern what its literals ask for, so that matches are frequent.
fn towards(pattern: &Value, seed: &mut u64) -> Value {
    let wrap = roll(seed, 4);
    let value = match pattern {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, inner) in map {
                match inner.as_array().filter(|_| key == "$or") {
                    Some(alternatives) => {
                        let one = roll(seed, alternatives.len());
                        let mut fields = towards(&alternatives[one], seed);
                        if let Some(last) = fields.as_array_mut().and_then(Vec::pop) {
                            fields = last;
                        }
                        out.extend(fields.as_object().cloned().unwrap_or_default());
                    }
                    None => {
                        out.insert(key.clone(), towards(inner, seed));
                    }
                }
            }
            Value::Object(out)
        }
        Value::Array(entries) => match &entries[roll(seed, entries.len())] {
            Value::Object(operator) => {
                let texts = operator.values().filter(|operand| operand.is_string());
                texts.cloned().next_back().unwrap_or_else(|| json!(2))
            }
            scalar => scalar.clone(),
        },
        other => other.clone(),
    };
    match wrap {
        0 if !value.is_object() => json!([value, "z"]),
        0 | 1 if value.is_object() => json!([{"a": "x"}, value]),
        _ => value,
    }
}

/// Of what is made here, only patterns with too many combinations are refused.
fn parse(pattern: &Value) -> Option<Pattern> {
    Pattern::parse(pattern)
        .inspect_err(|problems| assert_eq!(problems[0].code, "too-many-combinations", "{pattern}"))
        .ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_naive_matcher(pattern in pattern(), event in event()) {
        let Some(parsed) = parse(&pattern) else { return Ok(()) };
        prop_assert_eq!(parsed.matches(&event), naive(&pattern, &event), "{} on {}", pattern, event);
        let explanation = parsed.explain(&event);
        prop_assert_eq!(explanation.matched, explanation.misses.is_empty(), "{}", explanation);
    }

    #[test]
    fn agrees_where_matches_are_frequent(pattern in pattern(), seed in any::<u64>()) {
        let Some(parsed) = parse(&pattern) else { return Ok(()) };
        let event = match towards(&pattern, &mut seed.clone()) {
            Value::Array(mut elements) => elements.pop().expect("an element"),
            other => other,
        };
        let matched = parsed.matches(&event);
        prop_assert_eq!(matched, naive(&pattern, &event), "{} on {}", pattern, event);
    }

    #[test]
    fn no_value_makes_the_reader_panic(value in event(), other in event()) {
        if let Ok(pattern) = Pattern::parse(&value) {
            pattern.explain(&other);
        }
    }
}

#[test]
fn a_set_answers_every_pattern_that_matches() {
    let mut set = PatternSet::new();
    let parse = |text| Pattern::parse_json(text).expect(text);
    set.add("b", parse(r#"{"source": ["mainstay"]}"#));
    set.add("a", parse(r#"{"detail": {"alarm": [{"exists": true}]}}"#));
    set.add("c", parse(r#"{"source": ["other"]}"#));
    let event = json!({"source": "mainstay", "detail": {"alarm": "CheckoutFailing"}});
    assert_eq!(set.matches(&event), [&"a", &"b"]);
    assert!(set.remove(&"a").is_some() && set.remove(&"a").is_none());
    assert_eq!(set.matches(&event), [&"b"]);
    assert!(set.add("b", parse(r#"{"source": ["other"]}"#)).is_some());
    assert!(set.matches(&event).is_empty() && set.len() == 2);
}
