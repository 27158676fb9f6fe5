//! Event patterns against a second matcher that is written in another way and makes no attempt to be quick: it writes
//! out every pair of the event, every combination of alternatives, and every choice of one pair per field.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::{Pattern, PatternSet};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A pair of the event: path, scalar, and the list elements it lies in as (path of the list with indices, index).
type Pair = (String, Value, Vec<(String, usize)>);

fn pairs(value: &Value, path: &str, place: &str, elements: &[(String, usize)], out: &mut Vec<Pair>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let joined = if place.is_empty() { key.clone() } else { format!("{path}.{key}") };
                pairs(inner, &joined, &format!("{place}/{key:?}"), elements, out);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                let mut within = elements.to_vec();
                if inner.is_object() || inner.is_array() {
                    within.push((place.to_owned(), index));
                }
                pairs(inner, path, &format!("{place}/{index}"), &within, out);
            }
        }
        scalar => out.push((path.to_owned(), scalar.clone(), elements.to_vec())),
    }
}

/// Every combination of fields that the pattern stands for: lists of (path, entries).
fn combinations(pattern: &Map<String, Value>, path: Option<&str>) -> Vec<Vec<(String, Vec<Value>)>> {
    let mut out = vec![Vec::new()];
    for (key, value) in pattern {
        let joined = path.map_or(key.clone(), |path| format!("{path}.{key}"));
        let choices: Vec<Vec<(String, Vec<Value>)>> = match value {
            Value::Array(alternatives) if key == "$or" => alternatives
                .iter()
                .flat_map(|alternative| combinations(alternative.as_object().expect("an object"), path))
                .collect(),
            Value::Object(inner) => combinations(inner, Some(&joined)),
            Value::Array(entries) => vec![vec![(joined, entries.clone())]],
            other => panic!("not a pattern: {other}"),
        };
        out = out
            .iter()
            .flat_map(|before| choices.iter().map(move |choice| [before.clone(), choice.clone()].concat()))
            .collect();
    }
    out
}

fn passes(entry: &Value, value: &Value) -> bool {
    let Some(operator) = entry.as_object() else {
        return match (entry, value) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (a, b) => a == b,
        };
    };
    let (name, operand) = operator.iter().next().expect("one key");
    let text = value.as_str();
    let glob = |pattern: &str, text: &str| {
        let pattern = format!("(?s)^{}$", regex::escape(pattern).replace("\\*", ".*"));
        regex::Regex::new(&pattern).expect("a regular expression").is_match(text)
    };
    let lower = |text: &str| text.to_lowercase();
    let like = |name: &str, operand: &str, text: &str| match name {
        "prefix" => text.starts_with(operand),
        "suffix" => text.ends_with(operand),
        "equals-ignore-case" => lower(text) == lower(operand),
        _ => glob(operand, text),
    };
    match (name.as_str(), operand) {
        ("exists", wanted) => wanted == true,
        ("numeric", Value::Array(terms)) => value.as_f64().is_some_and(|value| {
            terms.chunks(2).all(|pair| {
                let bound = pair[1].as_f64().expect("a number");
                match pair[0].as_str().expect("a comparison") {
                    "=" => value == bound,
                    "<" => value < bound,
                    "<=" => value <= bound,
                    ">" => value > bound,
                    _ => value >= bound,
                }
            })
        }),
        ("anything-but", Value::Object(inner)) => {
            let (name, operand) = inner.iter().next().expect("one key");
            let operands = operand.as_array().cloned().unwrap_or_else(|| vec![operand.clone()]);
            !operands
                .iter()
                .any(|operand| text.is_some_and(|text| like(name, operand.as_str().expect("a text"), text)))
        }
        ("anything-but", Value::Array(list)) => !list.iter().any(|entry| passes(entry, value)),
        ("anything-but", single) => !passes(single, value),
        (name, Value::Object(fold)) => text.is_some_and(|text| {
            like(name, &lower(fold["equals-ignore-case"].as_str().expect("a text")), &lower(text))
        }),
        (name, operand) => text.is_some_and(|text| like(name, operand.as_str().expect("a text"), text)),
    }
}

fn chosen(fields: &[(String, Vec<Value>)], all: &[Pair], elements: &[(String, usize)]) -> bool {
    let Some(((path, entries), rest)) = fields.split_first() else { return true };
    let here: Vec<&Pair> = all.iter().filter(|pair| pair.0 == *path).collect();
    if here.is_empty() {
        return entries.contains(&json!({"exists": false})) && chosen(rest, all, elements);
    }
    here.iter().any(|(_, value, within)| {
        let agrees = within
            .iter()
            .all(|(list, index)| elements.iter().all(|(other, chosen)| list != other || index == chosen));
        agrees
            && entries.iter().any(|entry| passes(entry, value))
            && chosen(rest, all, &[elements, within.as_slice()].concat())
    })
}

fn naive(pattern: &Value, event: &Value) -> bool {
    let mut all = Vec::new();
    pairs(event, "", "", &[], &mut all);
    let pattern = pattern.as_object().expect("a pattern is an object");
    combinations(pattern, None).iter().any(|fields| chosen(fields, &all, &[]))
}

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
