//! Every rule of event patterns with pairs of its own, in `patterns/rules.txt`: by the matcher of one pattern, by the
//! automaton on values and on text, and by a second matcher that is written in another way.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::{Pattern, PatternSet, Scratch};
use mainstay_model::Spot;
use serde_json::Value;

#[path = "fuzz/naive.rs"]
mod naive;

const RULES: &str = include_str!("patterns/rules.txt");

fn check(line: &str) -> Result<bool, String> {
    let (word, rest) = line.split_once(' ').ok_or("no words")?;
    if word == "refused" {
        let (pattern, code) = rest.rsplit_once(" : ").ok_or("no ` : `")?;
        return match Pattern::parse_json(pattern) {
            Ok(_) => Err("it is accepted".to_owned()),
            Err(problems) if problems.iter().any(|problem| problem.code == code) => Ok(false),
            Err(problems) => Err(format!("refused with {}", problems[0].code)),
        };
    }
    let expected = match word {
        "yes" => true,
        "no" => false,
        other => return Err(format!("`{other}`")),
    };
    let (pattern_text, event_text) = rest.split_once(" <- ").ok_or("no ` <- `")?;
    let pattern =
        Pattern::parse_json(pattern_text).map_err(|problems| format!("refused: {}", problems[0]))?;
    let event: Value = serde_json::from_str(event_text).map_err(|error| error.to_string())?;
    let mut set = PatternSet::new();
    set.add((), pattern.clone());
    let by_text =
        set.matches_json(event_text.as_bytes(), &mut Scratch::new()).map_err(|error| error.to_string())?;
    let written: Value = serde_json::from_str(pattern_text).map_err(|error| error.to_string())?;
    let answers = [
        ("alone", pattern.matches(&event)),
        ("by value", !set.matches(&event).is_empty()),
        ("by text", !by_text.is_empty()),
        ("by the other matcher", naive::naive(&written, &event)),
    ];
    let explained = pattern.explain(&event);
    if explained.matched != expected || explained.misses.is_empty() != expected {
        return Err(format!("explained: {explained}"));
    }
    match answers.iter().find(|(_, answer)| *answer != expected) {
        None => Ok(true),
        Some((how, answer)) => Err(format!("{how}: {answer}")),
    }
}

#[test]
fn each_rule_holds_on_its_pairs() {
    let lines = RULES.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (mut pairs, mut refusals, mut wrong) = (0, 0, Vec::new());
    for (number, line) in lines {
        match check(line) {
            Ok(true) => pairs += 1,
            Ok(false) => refusals += 1,
            Err(reason) => wrong.push(format!("{}: {line}: {reason}", number + 1)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pairs >= 200 && refusals >= 50, "{pairs} pairs, {refusals} refusals");
}

#[test]
fn a_thousand_combinations_are_the_most() {
    let or = |first: usize, second: usize| {
        let list = |key: &str, count: usize| {
            (0..count).map(|n| format!("{{\"{key}\":[{n}]}}")).collect::<Vec<_>>().join(",")
        };
        format!("{{\"x\":{{\"$or\":[{}]}},\"y\":{{\"$or\":[{}]}}}}", list("a", first), list("b", second))
    };
    assert!(Pattern::parse_json(&or(25, 40)).is_ok());
    let problems = Pattern::parse_json(&or(26, 40)).expect_err("1,040 combinations");
    assert_eq!(problems[0].code, "too-many-combinations");
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts_and_it_is_told_where() {
    let text = "{\"source\": [\"shop\"], \"detail\": {\n  \"state\": [\"a\"],\n  \"state\" : [\"b\"]}}";
    let (pattern, told) = Pattern::parse_told(text).expect("as the service takes it");
    let event = |state: &str| serde_json::json!({ "source": "shop", "detail": { "state": state } });
    assert!(pattern.matches(&event("b")) && !pattern.matches(&event("a")));
    let problem = told.expect("told");
    let Spot::Within(range) = &problem.spot else { panic!("{:?}", problem.spot) };
    assert_eq!(
        (&text[range.clone()], range.start),
        ("\"state\"", text.rfind("\"state").expect("it is there"))
    );
    let words =
        "Of a key the last one counts, and a key is there twice, at `detail.state` at line 3 column 3";
    assert_eq!((problem.code, problem.message.as_str()), ("duplicate-key", words));
    let two_mappings = r#"{"a": {"x": [1]}, "b": {"x": [1]}}"#;
    assert!(Pattern::parse_told(two_mappings).is_ok_and(|(_, told)| told.is_none()));
    let broken = Pattern::parse_json(r#"{"a": [1], "a": [2], "b": }"#).expect_err("no JSON");
    assert!(broken[0].message.starts_with("The pattern is not JSON: "), "{}", broken[0]);
}

#[test]
fn a_pattern_is_so_long_and_no_longer() {
    let text = |chars: usize| format!("{{\"a\": [\"{}\"]}}", "\u{e9}".repeat(chars - 11));
    assert!(Pattern::parse_json(&text(4096)).is_ok(), "characters count, not bytes");
    let problems = Pattern::parse_json(&text(4097)).expect_err("refused");
    let words = "The pattern has 4097 characters as JSON, and 4096 are the most";
    assert_eq!((problems[0].code, problems[0].message.as_str()), ("pattern-too-long", words));
    assert!(
        problems[0]
            .help
            .as_ref()
            .is_some_and(|help| help.contains("without spaces") && help.contains("`prefix`"))
    );
    // As a mapping it has no spaces to leave out.
    let value = |chars| serde_json::from_str::<Value>(&text(chars)).expect("JSON");
    assert!(Pattern::parse(&value(4097)).is_ok());
    let problems = Pattern::parse(&value(4098)).expect_err("refused");
    assert_eq!(problems[0].message, words);
    assert!(
        problems[0]
            .help
            .as_ref()
            .is_some_and(|help| !help.contains("spaces") && help.contains("several triggers"))
    );
}
