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
  detail.hops[0] is the nearest of 2 elements: 1 of 2 fields match
  detail.hops[0].to: expected [\"c\"], the event has \"b\"; it matches at detail.hops[1].to",
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
fn of_lists_the_nearest_element_is_shown() {
    let event = json!({
        "orders": [
            {"state": "new", "item": {"kind": "book"}, "total": 5},
            {"state": "paid", "item": {"kind": "lamp"}, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "total": 9},
            "none",
            {"state": "paid", "item": {"kind": "chair"}},
        ],
        "grid": [[{"x": 1, "y": 2}], [{"x": 3, "y": 4}]],
        "one": [{"a": 1, "b": 2}],
    });
    for (pattern, expected) in [
        // Two of three fields hold in the second order.
        (
            json!({"orders": {"state": ["paid"], "item": {"kind": ["lamp"]}, "total": [{"numeric": [">", 10]}]}}),
            "orders[1] is the nearest of 4 elements: 2 of 3 fields match
             orders[1].total: expected [{\"numeric\":[\">\",10]}], the event has 9",
        ),
        // What the nearest element does not have at all.
        (
            json!({"orders": {"state": ["paid"], "item": {"kind": ["chair"]}, "total": [9]}}),
            "orders[1] is the nearest of 4 elements: 2 of 3 fields match
             orders[1].item.kind: expected [\"chair\"], the event has \"lamp\"; it matches at orders[3].item.kind",
        ),
        (
            json!({"orders": {"item": {"kind": ["chair"]}, "total": [8]}}),
            "orders[3] is the nearest of 4 elements: 1 of 2 fields match
             orders[3].total: expected [8], that element has no such field",
        ),
        // A list inside of an element.
        (
            json!({"orders": {"state": ["paid"], "lines": {"sku": ["a"], "n": [2]}}}),
            "orders[1] is the nearest of 4 elements: 2 of 3 fields match
             orders[1].lines[0] is the nearest of 2 elements: 1 of 2 fields match
             orders[1].lines[0].n: expected [2], the event has 1; it matches at orders[1].lines[1].n",
        ),
        // Lists of lists.
        (
            json!({"grid": {"x": [3], "y": [2]}}),
            "grid[0] is the nearest of 2 elements: 1 of 2 fields match
             grid[0][0], the only element: 1 of 2 fields match
             grid[0][0].x: expected [3], the event has 1; it matches at grid[1][0].x",
        ),
        (
            json!({"one": {"a": [1], "b": [1]}}),
            "one[0], the only element: 1 of 2 fields match
             one[0].b: expected [1], the event has 2",
        ),
        // One field alone is not a matter of elements, and what must be absent is so in every one.
        (json!({"orders": {"total": [1]}}), "orders.total: expected [1], the event has 5, 9"),
        (
            json!({"orders": {"state": ["new"], "lines": {"n": [{"exists": false}]}}}),
            "orders.lines.n: expected [{\"exists\":false}], the event has 1, 2",
        ),
        // A field that no element has is missing in the event.
        (
            json!({"orders": {"state": ["paid"], "item": {"kind": ["lamp"]}, "city": ["x"]}}),
            "orders.city: expected [\"x\"], the event has no such field",
        ),
        (
            json!({"orders": {"state": ["new"], "total": [9]}, "one": {"a": [2], "b": [2]}}),
            "one[0], the only element: 1 of 2 fields match
             orders[0] is the nearest of 4 elements: 1 of 2 fields match
             one[0].a: expected [2], the event has 1
             orders[0].total: expected [9], the event has 5; it matches at orders[1].total",
        ),
    ] {
        told(&pattern, &event, expected);
    }
    let many: Vec<_> = (0..100).map(|n| json!({"n": n})).collect();
    told(
        &json!({"a": {"n": ["x"]}}),
        &json!({ "a": many }),
        "a.n: expected [\"x\"], the event has 0, 1, 2, 3, 4, 5, 6, 7 and 92 more",
    );
}

fn told(pattern: &Value, event: &Value, expected: &str) {
    let said = Pattern::parse(pattern).expect("a pattern").explain(event).to_string();
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(said.trim_start_matches("does not match\n")), lines(expected), "{pattern}");
}

#[test]
fn of_alternatives_each_is_shown_with_what_it_misses() {
    let event = json!({
        "source": "shop",
        "items": [{"sku": "a", "n": 1, "at": "x"}, {"sku": "b", "n": 2, "at": "y"}],
    });
    for (pattern, expected) in [
        // The one with the fewest faults is the nearest.
        (
            json!({"$or": [{"source": ["x"], "kind": ["y"]}, {"source": ["shop"], "kind": ["y"]}]}),
            "$or: none of the alternatives holds
             alternative 1:
             kind: expected [\"y\"], the event has no such field
             source: expected [\"x\"], the event has \"shop\"
             alternative 2, the nearest:
             kind: expected [\"y\"], the event has no such field",
        ),
        // Equally near: none is named.
        (
            json!({"$or": [{"source": ["x"]}, {"source": ["y"]}]}),
            "$or: none of the alternatives holds
             alternative 1:
             source: expected [\"x\"], the event has \"shop\"
             alternative 2:
             source: expected [\"y\"], the event has \"shop\"",
        ),
        // As many faults, but more that is right.
        (
            json!({"$or": [{"source": ["x"]}, {"source": ["shop"], "kind": ["y"]}]}),
            "$or: none of the alternatives holds
             alternative 1:
             source: expected [\"x\"], the event has \"shop\"
             alternative 2, the nearest:
             kind: expected [\"y\"], the event has no such field",
        ),
        // Each alternative has an element of its own.
        (
            json!({"items": {"$or": [{"sku": ["a"], "n": [2]}, {"sku": ["b"], "n": [3]}]}}),
            "items.$or: none of the alternatives holds
             alternative 1:
             items[0] is the nearest of 2 elements: 1 of 2 fields match
             items[0].n: expected [2], the event has 1; it matches at items[1].n
             alternative 2:
             items[1] is the nearest of 2 elements: 1 of 2 fields match
             items[1].n: expected [3], the event has 2",
        ),
        // The field beside `$or` holds, and so does an alternative, but in different elements.
        (
            json!({"items": {"sku": ["a"], "$or": [{"n": [2]}, {"n": [3]}]}}),
            "items.$or: none of the alternatives holds
             alternative 1:
             items[0] is the nearest of 2 elements: 1 of 2 fields match
             items[0].n: expected [2], the event has 1; it matches at items[1].n
             alternative 2:
             items[0] is the nearest of 2 elements: 1 of 2 fields match
             items[0].n: expected [3], the event has 1",
        ),
        // Two `$or` that hold in different elements only.
        (
            json!({"items": {"$or": [{"sku": ["a"]}, {"sku": ["c"]}]}, "$or": [{"items": {"n": [2]}}, {"items": {"n": [3]}}]}),
            "items[0] is the nearest of 2 elements: 1 of 2 fields match
             items[0].n: expected [2], the event has 1; it matches at items[1].n",
        ),
        // One inside of another.
        (
            json!({"$or": [{"source": ["x"]}, {"source": ["shop"], "$or": [{"kind": [1]}, {"kind": [2]}]}]}),
            "$or: none of the alternatives holds
             alternative 1:
             source: expected [\"x\"], the event has \"shop\"
             alternative 2, the nearest:
             $or: none of the alternatives holds
             alternative 1:
             kind: expected [1], the event has no such field
             alternative 2:
             kind: expected [2], the event has no such field",
        ),
    ] {
        told(&pattern, &event, expected);
    }
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
