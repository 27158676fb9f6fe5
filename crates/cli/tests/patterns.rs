//! The real binary on event patterns: what it says of them, and its exit codes.

mod common;

use common::{folder, mainstay};
use serde_json::Value;

const TRIGGER: &str = "Name: restore\nEventPattern:\n  source: [shop]\n  detail: { state: [{ anything-but: sent }] }\n\
    Targets: [{ Id: one, Arn: procedure/restore }]\n";

#[test]
fn a_pattern_is_tried_on_an_event() {
    let folder = folder(&[
        ("trigger.yaml", TRIGGER),
        ("pattern.json", r#"{"source": ["shop"], "detail": {"state": [{"anything-but": "sent"}]}}"#),
        ("paid.json", r#"{"source": "shop", "detail": {"state": "paid"}}"#),
        ("sent.json", r#"{"source": "shop", "detail": {"state": "sent"}}"#),
    ]);
    let test = |arguments: &[&str]| mainstay(folder.path(), &[&["events", "test"], arguments].concat());
    for pattern in ["trigger.yaml", "pattern.json"] {
        let (code, stdout, stderr) = test(&[pattern, "paid.json"]);
        assert_eq!((code, stdout.as_str()), (0, "matches\n"), "{stderr}");
        let (code, stdout, stderr) = test(&[pattern, "sent.json"]);
        let expected = "does not match\n  detail.state: expected [{\"anything-but\":\"sent\"}], the event has \"sent\"\n";
        assert_eq!((code, stdout.as_str()), (1, expected), "{stderr}");
    }
    let (code, stdout, _) = test(&["pattern.json", "sent.json", "--output", "json"]);
    let answer: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &answer["matched"]), (1, &false.into()));
    assert_eq!(answer["misses"][0]["path"], "detail.state");
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts_and_it_is_told() {
    let json = "{\"source\": [\"shop\"],\n \"source\": [\"other\"]}";
    let folder = folder(&[
        ("twice.json", json),
        (
            "text.yaml",
            &format!(
                "Name: restore\nEventPattern: |\n  {}\nTargets: [{{ Id: one, Arn: procedure/restore }}]\n",
                json.replace('\n', "\n  ")
            ),
        ),
        ("twice.yaml", "source: [shop]\nsource: [other]\n"),
        ("shop.json", r#"{"source": "shop"}"#),
        ("other.json", r#"{"source": "other"}"#),
    ]);
    let test = |arguments: &[&str]| mainstay(folder.path(), &[&["events", "test"], arguments].concat());
    for (pattern, place) in [("twice.json", "twice.json:2:2"), ("text.yaml", "text.yaml:4:4")] {
        for (event, expected) in [("other.json", 0), ("shop.json", 1)] {
            let (code, _, stderr) = test(&[pattern, event]);
            assert_eq!(code, expected, "{stderr}");
            for part in ["warning[duplicate-key]", place, "with all its values in one list"] {
                assert!(stderr.contains(part), "{part}: {stderr}");
            }
        }
    }
    // In YAML it is an error of the file.
    let (code, _, stderr) = test(&["twice.yaml", "other.json"]);
    assert!(code == 2 && stderr.contains("error[duplicate-key]"), "{code} {stderr}");
}

#[test]
fn what_is_refused_is_told_where_and_why() {
    let folder = folder(&[
        ("bad.json", "{\"source\": [{\"prefx\": \"a\"}],\n \"detail\": {\"a\": []}}"),
        ("cut.json", "{\"source\": [\"a\"]"),
        ("good.json", r#"{"source": ["a"]}"#),
        ("list.json", r#"["a"]"#),
        ("long.json", &format!("{{\"source\": [\"{}\"]}}", "a".repeat(4096))),
    ]);
    for (arguments, parts) in [
        (
            ["bad.json", "good.json"],
            &["bad.json:1:", "did you mean `prefix`?", "bad.json:2:", "must not be empty"][..],
        ),
        (["cut.json", "good.json"], &["cut.json:"]),
        (
            ["long.json", "good.json"],
            &["long.json:1:1", "4111 characters", "4096 are the most", "several triggers"],
        ),
        (["good.json", "cut.json"], &["cut.json is not an event", "ends too early at byte 16"]),
        (["good.json", "list.json"], &["list.json is not an event", "not an object"]),
        (["good.json", "missing.json"], &["missing.json cannot be read"]),
    ] {
        let (code, stdout, stderr) = mainstay(folder.path(), &[&["events", "test"], &arguments[..]].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{part} is missing in\n{stderr}");
        }
    }
}
