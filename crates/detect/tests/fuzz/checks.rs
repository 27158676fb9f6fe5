//! What must hold for any bytes as patterns and as an event; shared by the fuzz target and by its stable twin.

#[path = "naive.rs"]
mod naive;

use mainstay_detect::{EventError, Pattern, PatternSet, Scratch};
use serde_json::Value;

/// The most bytes that are worth a look.
const MOST_BYTES: usize = 1 << 16;

/// Patterns are the first lines that are not the last, the event is the last.
pub fn lines(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let event = lines.pop().unwrap_or_default();
    let patterns: Vec<Pattern> = lines
        .iter()
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter_map(|text| Pattern::parse_json(text).ok())
        .collect();
    agree(&patterns, event, &mut Scratch::new());
    // And each pattern by itself answers what a matcher answers that is written in another way.
    let Ok(event) = serde_json::from_slice::<Value>(event) else { return };
    if pairs_of(&event) > MOST_PAIRS || !event.is_object() {
        return;
    }
    for line in lines.iter().filter_map(|line| std::str::from_utf8(line).ok()) {
        let (Ok(pattern), Ok(written)) = (Pattern::parse_json(line), serde_json::from_str::<Value>(line))
        else {
            continue;
        };
        if pairs_of(&written) <= MOST_PAIRS {
            assert_eq!(pattern.matches(&event), naive::naive(&written, &event), "{written} on {event}");
        }
    }
}

/// The most scalars of a pattern or an event that the other matcher, which tries everything, is given.
const MOST_PAIRS: usize = 12;

fn pairs_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(pairs_of).sum(),
        Value::Object(map) => map.values().map(pairs_of).sum(),
        _ => 1,
    }
}

/// The automaton answers what each pattern answers by itself, before and after patterns came and went, and reads what
/// `serde_json` reads.
pub fn agree(patterns: &[Pattern], event: &[u8], scratch: &mut Scratch) {
    let value: Result<Value, _> = serde_json::from_slice(event);
    let mut set = PatternSet::new();
    for (id, pattern) in patterns.iter().enumerate() {
        set.add(id, pattern.clone());
        assert_eq!(set.get(&id), Some(pattern));
    }
    let full = set.nodes();
    for keep in [1, 2] {
        for id in (0..patterns.len()).filter(|id| id % 2 != keep % 2) {
            assert!(set.remove(&id).is_some());
        }
        same(&set, &value, event, scratch);
        for (id, pattern) in patterns.iter().enumerate() {
            set.add(id, pattern.clone());
        }
        same(&set, &value, event, scratch);
    }
    assert_eq!(set.nodes(), full, "as many steps as there were before patterns came and went");
    for id in 0..patterns.len() {
        set.remove(&id);
    }
    assert_eq!((set.nodes(), set.len()), (1, 0), "nothing is left behind");
}

fn same(set: &PatternSet<usize>, value: &serde_json::Result<Value>, event: &[u8], scratch: &mut Scratch) {
    let read = set.matches_json(event, scratch);
    let value = match (value, &read) {
        (Ok(value), _) => value,
        (Err(_), Err(error)) => {
            assert!(!error.to_string().is_empty());
            return;
        }
        (Err(error), Ok(_)) => {
            // What nobody looks at is not decoded.
            let text = error.to_string();
            let lenient = ["number out of range", "surrogate", "unicode code point", "escape"];
            assert!(lenient.iter().any(|part| text.contains(part)), "{text} was accepted");
            return;
        }
    };
    let alone: Vec<usize> =
        ids(set).filter(|id| set.get(id).is_some_and(|pattern| pattern.matches(value))).collect();
    let found: Vec<usize> = set.matches(value).into_iter().copied().collect();
    assert_eq!(found, alone, "by value: {value}");
    match read {
        Ok(found) => assert_eq!(found.into_iter().copied().collect::<Vec<_>>(), alone, "by text: {value}"),
        Err(EventError::TooLarge { .. }) => {}
        Err(error) => panic!("{error}, but it is JSON: {value}"),
    }
}

fn ids(set: &PatternSet<usize>) -> impl Iterator<Item = usize> {
    (0..1_000).filter(|id| set.get(id).is_some())
}
