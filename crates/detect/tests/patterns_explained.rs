//! What people are told of patterns that do not match, and of those that are refused.

use mainstay_detect::Pattern;
use serde_json::{Value, json};

fn explained(pattern: &str, event: &Value) -> String {
    Pattern::parse_json(pattern).expect(pattern).explain(event).to_string()
}

#[test]
fn every_field_that_did_not_match_is_named() {
    let event = json!({
        "source": "mainstay", "detail-type": "alarm.resolved",
        "detail": {"labels": {"host": "web-1"}, "hops": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]},
    });
    for (pattern, text) in [
        (r#"{"source": ["mainstay"]}"#, "matches"),
        (
            r#"{"detail-type": ["alarm.firing", {"prefix": "run."}], "detail": {"labels": ["x"], "value": [1]}}"#,
            "does not match
  detail.labels: expected [\"x\"], the event has an object there
  detail.value: expected [1], the event has no such field
  detail-type: expected [\"alarm.firing\",{\"prefix\":\"run.\"}], the event has \"alarm.resolved\"",
        ),
        (
            r#"{"detail": {"hops": {"from": ["a"], "to": ["c"]}}, "source": ["mainstay"]}"#,
            "does not match
  detail.hops.from: [\"a\"] is there, but not in the same list element as the other fields
  detail.hops.to: [\"c\"] is there, but not in the same list element as the other fields",
        ),
        (
            r#"{"$or": [{"source": ["x"]}, {"detail": {"labels": {"host": [{"exists": false}]}}}]}"#,
            "does not match
  $or: none of the alternatives holds
    alternative 1:
    source: expected [\"x\"], the event has \"mainstay\"
    alternative 2:
    detail.labels.host: expected [{\"exists\":false}], the event has \"web-1\"",
        ),
    ] {
        let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        let (mut found, mut expected) = (lines(&explained(pattern, &event)), lines(text));
        // The order of fields is that of the JSON reader.
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{pattern}");
    }
    assert!(!Pattern::parse_json(r#"{"a": [{"exists": false}]}"#).expect("valid").matches(&json!([])));
}

#[test]
fn all_refusals_are_reported_at_their_place() {
    let problems = Pattern::parse(&json!({
        "a": [], "b": 1, "c": {}, "d": [{"prefx": "x"}], "e": [{"prefix": "x", "suffix": "y"}], "f": [["x"]],
        "g": [{"numeric": [">", 5, "<", 5]}], "h": [{"anything-but": ["x", 1]}], "i": [{"wildcard": "a**b"}],
        "j": [{"exists": "yes"}], "k": [{"anything-but": {"numeric": ["=", 1]}}], "l": [{"cidr": "10.0.0.0"}],
        "$or": [{"prefix": ["x"]}, 1],
    }))
    .expect_err("refused");
    let mut found: Vec<String> =
        problems.iter().map(|problem| format!("{} {}", problem.path_text(), problem.code)).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "$or[0].prefix reserved-field",
            "$or[1] bad-or",
            "a empty-list",
            "b bad-pattern",
            "c empty-pattern",
            "d[0].prefx unknown-operator",
            "e[0] bad-operator",
            "f[0] bad-value",
            "g[0].numeric bad-numeric",
            "h[0].anything-but bad-operator",
            "i[0].wildcard bad-wildcard",
            "j[0].exists bad-operator",
            "k[0].anything-but.numeric unknown-operator",
            "l[0].cidr bad-cidr",
        ]
    );
    let near = problems.iter().find(|problem| problem.code == "unknown-operator").expect("it is there");
    assert!(near.help.is_some());

    let ten = |name: &str| (0..10).map(|n| json!({name: [n]})).collect::<Vec<_>>();
    let wide = json!({"a": {"$or": ten("x")}, "b": {"$or": ten("x")}, "c": {"$or": ten("x")}});
    assert!(Pattern::parse(&wide).is_ok(), "exactly a thousand combinations");
    let wider = json!({"a": {"$or": ten("x")}, "b": {"$or": ten("x")}, "c": {"$or": ten("x")}, "$or": [{"d": [1]}, {"d": [2]}]});
    assert_eq!(Pattern::parse(&wider).expect_err("too many")[0].code, "too-many-combinations");
    let deep = (0..200).fold(json!(["x"]), |inner, _| json!({"a": inner}));
    assert_eq!(Pattern::parse(&deep).expect_err("too deep")[0].code, "pattern-too-deep");
}

#[test]
fn near_misses_are_named() {
    for (pattern, event, expected) in [
        (
            json!({"a": ["Prod"]}),
            json!({"a": "prod"}),
            r#"a: expected ["Prod"], the event has "prod" ("prod" differs in case only; `equals-ignore-case` takes both)"#,
        ),
        (
            json!({"a": [5]}),
            json!({"a": ["x", "5"]}),
            r#"a: expected [5], the event has "x", "5" ("5" is a text, and the pattern has 5 without quotes)"#,
        ),
        (
            json!({"a": ["true"]}),
            json!({"a": true}),
            r#"a: expected ["true"], the event has true (true is no text, and the pattern has it in quotes)"#,
        ),
        (
            json!({"a": [{"numeric": [">", 1]}]}),
            json!({"a": "7"}),
            r#"a: expected [{"numeric":[">",1]}], the event has "7" ("7" is a text, and `numeric` compares numbers only)"#,
        ),
        (
            json!({"a": [{"prefix": "Web"}]}),
            json!({"a": "web-1"}),
            r#"a: expected [{"prefix":"Web"}], the event has "web-1" ("web-1" begins so in another case; `equals-ignore-case` inside of `prefix` takes both)"#,
        ),
        (
            json!({"detail": {"alarm": ["x"]}}),
            json!({"detail": {"labels": [{"alarm": "x"}]}}),
            r#"detail.alarm: expected ["x"], the event has no such field (the event has `detail.labels.alarm`)"#,
        ),
        (
            json!({"detail": {"alarm": ["x"]}}),
            json!({"Detail": {"Alarm": "x"}, "alarm": "x"}),
            r#"detail.alarm: expected ["x"], the event has no such field (the event has `Detail.Alarm`)"#,
        ),
        (json!({"a": ["x"]}), json!({"a": "y"}), r#"a: expected ["x"], the event has "y""#),
    ] {
        let said = Pattern::parse(&pattern).expect("a pattern").explain(&event).to_string();
        assert_eq!(said, format!("does not match\n  {expected}"));
    }
}
