//! Event patterns against recorded behaviour.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::Pattern;
use serde_json::Value;

mod common;

#[derive(Debug, PartialEq)]
enum Answer {
    Matches,
    DoesNot,
    Refused,
}

fn answer(pattern: &Value, event: &Value) -> Answer {
    match Pattern::parse(pattern) {
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal says why");
            Answer::Refused
        }
        Ok(pattern) => {
            let explanation = pattern.explain(event);
            assert_eq!(explanation.matched, explanation.misses.is_empty(), "{explanation}");
            if explanation.matched { Answer::Matches } else { Answer::DoesNot }
        }
    }
}

#[test]
fn pairs_recorded_against_the_service() {
    let Some(folder) = common::corpus("eventbridge-localstack") else { return };
    let mut count = 0;
    let files = common::files(&folder, &[".json5", ".json"]);
    for file in &files {
        let case = common::json5(&common::read(file));
        let (Some(pattern), Some(event)) = (case.get("EventPattern"), case.get("Event")) else { continue };
        let name = common::name(file);
        let expected = if name.contains("_EXC") {
            Answer::Refused
        } else if name.contains("_NEG") {
            Answer::DoesNot
        } else {
            Answer::Matches
        };
        assert_eq!(answer(pattern, event), expected, "{name}");
        count += 1;
    }
    println!("{count} pairs");
    // This pattern has one key twice, of which the last counts.
    let two =
        |name: &str| files.iter().find(|file| common::name(file) == name).map(|file| common::read(file));
    let event = two("complex_multi_key_event.json").expect("the event");
    let pattern = two("complex_multi_key_event_pattern.json").expect("the pattern");
    let (pattern, told) = Pattern::parse_told(&pattern).expect("the pattern is valid");
    let told = told.expect("a key is there twice").to_string();
    assert!(told.contains("a key is there twice, at `detail."), "{told}");
    assert!(pattern.matches(&serde_json::from_str(&event).expect("the event is JSON")));
    assert!(count >= 110, "only {count} pairs were found");
}

#[test]
fn cases_of_the_published_engine() {
    let Some(folder) = common::corpus("event-ruler") else { return };
    let text = common::read(&folder.join("correctness-cases.expected.json"));
    let cases: Vec<Value> = serde_json::from_str(&text).expect("the cases are JSON");
    for case in &cases {
        let expected = if case["expected"] == "MATCH" { Answer::Matches } else { Answer::DoesNot };
        assert_eq!(answer(&case["rule"], &case["event"]), expected, "{}", case["name"]);
    }
    assert_eq!(cases.len(), 51);

    let data = folder.join("src/test/data");
    let load = |name: &str| common::json5(&common::read(&data.join(name)));
    for (rule, event, expected) in [
        ("arrayRule1.json", "arrayEvent2.json", Answer::DoesNot),
        ("arrayRule3.json", "arrayEvent3.json", Answer::DoesNot),
        ("arrayRule3.json", "arrayEvent4.json", Answer::Matches),
        ("arrayRule4.json", "arrayEvent3.json", Answer::Matches),
    ] {
        assert_eq!(answer(&load(rule), &load(event)), expected, "{rule} on {event}");
    }
    for rule in load("orRelationshipRules.json").as_array().expect("a list of rules") {
        assert!(Pattern::parse(rule).is_ok(), "{rule}");
    }
    for rule in load("wrongOrRelationshipRules.json").as_array().expect("a list of rules") {
        let problems = Pattern::parse(rule).expect_err("a wrong `$or`");
        assert!(problems.iter().all(|problem| problem.code == "bad-or"), "{problems:?}");
    }
}

#[test]
fn patterns_of_the_user_guide() {
    let Some(folder) = common::corpus("docs-eventbridge") else { return };
    let events: Vec<Value> = common::files(&folder.join("event"), &[".json"])
        .iter()
        .filter_map(|file| serde_json::from_str(&common::read(file)).ok())
        .collect();
    let mut matched = 0;
    for file in common::files(&folder.join("pattern"), &[".json"]) {
        let value = common::json5(&common::read(&file));
        match (common::name(&file).as_str(), Pattern::parse(&value)) {
            // These fragments break the service's own rules: an empty list, and a number that is not in a list.
            (
                "eb-tutorial-datadog-1.json" | "eb-tutorial-salesforce-1.json" | "eb-tutorial-zendesk-1.json",
                result,
            ) => {
                assert_eq!(result.expect_err("an empty list")[0].code, "empty-list");
            }
            ("eb-event-patterns-content-based-filtering-10.json", result) => {
                assert_eq!(result.expect_err("a bare number")[0].code, "bad-pattern");
            }
            (name, result) => {
                let pattern = result.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
                matched += events.iter().filter(|event| pattern.matches(event)).count();
            }
        }
    }
    assert!(matched > 0, "the guide's events match some of its patterns");
}

#[test]
fn large_lists_are_matched_in_reasonable_steps() {
    // The shapes are those of the engine's performance scenarios.
    let tags: Vec<Value> = (0..3000).map(|number| format!("t{number}").into()).collect();
    let pattern = |text: &str| Pattern::parse_json(text).expect(text);
    let event = serde_json::json!({"d": {"tags": tags, "type": "x"}});
    assert!(pattern(r#"{"d": {"tags": [{"exists": true}], "type": [{"exists": true}]}}"#).matches(&event));
    let objects: Vec<Value> =
        (0..3000).map(|n| serde_json::json!({"a": n, "b": n + 1, "c": [{"x": n}, {"y": n}]})).collect();
    let event = serde_json::json!({"d": objects, "e": objects});
    assert!(pattern(r#"{"d": {"a": [2999], "b": [3000]}, "e": {"a": [7], "b": [8]}}"#).matches(&event));
    assert!(!pattern(r#"{"d": {"a": [2999], "b": [2999]}, "e": {"a": [7], "b": [8]}}"#).matches(&event));
    let inner =
        r#"{"d": {"a": [{"numeric": [">", 0]}], "c": {"x": [{"exists": true}], "y": [{"exists": true}]}}}"#;
    assert!(!pattern(inner).matches(&event));
}
