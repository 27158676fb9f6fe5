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
fn what_is_refused_is_told_where_and_why() {
    let folder = folder(&[
        ("bad.json", "{\"source\": [{\"prefx\": \"a\"}],\n \"detail\": {\"a\": []}}"),
        ("cut.json", "{\"source\": [\"a\"]"),
        ("good.json", r#"{"source": ["a"]}"#),
        ("list.json", r#"["a"]"#),
        (
            "twice.yaml",
            "Name: restore\nEventPattern: |\n  {\"source\": [\"shop\"],\n   \"source\": [\"other\"]}\n\
             Targets: [{ Id: one, Arn: procedure/restore }]\n",
        ),
        ("long.json", &format!("{{\"source\": [\"{}\"]}}", "a".repeat(4096))),
    ]);
    for (arguments, parts) in [
        (
            ["bad.json", "good.json"],
            &["bad.json:1:", "did you mean `prefix`?", "bad.json:2:", "must not be empty"][..],
        ),
        (["cut.json", "good.json"], &["cut.json:"]),
        (["twice.yaml", "good.json"], &["twice.yaml:4:4", "a key is there twice, at `source`"]),
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
