use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{hosts, payload};
use crate::testing::{Disturbance, begin, crash_everywhere, fold};
use crate::{Decision, Document, Effect, Outcome, RunEvent};

/// A document with jumps forward only, so that it has no circles.
fn a_document() -> impl Strategy<Value = Value> {
    let step = (0..9_usize, 0..8_usize, any::<u16>(), 1..4_u32, proptest::option::of(any::<bool>()));
    proptest::collection::vec(step, 1..7).prop_map(|steps| {
        let count = steps.len();
        let later = |index: usize, pick: u16| {
            (index + 1 < count).then(|| format!("s{}", index + 1 + usize::from(pick) % (count - index - 1)))
        };
        let list: Vec<Value> = steps
            .into_iter()
            .enumerate()
            .map(|(index, (kind, keys, pick, attempts, critical))| {
                let mut step = json!({"name": format!("s{index}"), "maxAttempts": attempts});
                if kind == 7 {
                    step = json!({"name": format!("s{index}")});
                }
                let (action, inputs) = match kind {
                    0 => ("aws:sleep", json!({"Duration": format!("PT{}S", pick % 50)})),
                    1 => (
                        "aws:runCommand",
                        json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": ["app-1"],
                               "Parameters": {"commands": ["true"]}}),
                    ),
                    2 => match later(index, pick) {
                        Some(next) => (
                            "aws:branch",
                            json!({"Choices": [{"NextStep": next, "Variable": "{{ P }}", "NumericGreater": pick % 3}]}),
                        ),
                        None => ("aws:sleep", json!({"Timestamp": "1970-01-01T00:01:00Z"})),
                    },
                    5 => ("aws:pause", json!({})),
                    6 => ("aws:updateVariable", json!({"Name": "variable:v", "Value": pick % 9})),
                    7 => {
                        let inner = json!([
                            {"name": format!("i{index}"), "action": "aws:executeScript", "maxAttempts": attempts,
                             "onFailure": if pick % 2 == 0 { "Continue" } else { "Abort" },
                             "inputs": {"Runtime": "bash", "Script": "echo {{ variable:v }}"}},
                            {"name": format!("j{index}"), "action": "aws:sleep", "inputs": {"Duration": "PT1S"}},
                        ]);
                        let over = if pick % 3 == 0 {
                            json!({"Steps": inner, "Iterators": ["a", "b"]})
                        } else {
                            json!({"Steps": inner, "MaxIterations": 1 + pick % 3,
                                   "LoopCondition": {"Variable": "{{ variable:v }}", "NumericLesser": 5}})
                        };
                        ("aws:loop", over)
                    }
                    // The child may be a document that starts itself, which a run refuses.
                    8 => ("aws:executeAutomation", json!({"DocumentName": if pick % 7 == 0 { "none" } else { "child" }})),
                    _ => ("aws:executeScript", json!({"Runtime": "bash", "Script": "echo {{ P }}"})),
                };
                step["action"] = action.into();
                step["inputs"] = inputs;
                if let Some(critical) = critical {
                    step["isCritical"] = critical.into();
                }
                if !["aws:branch", "aws:loop"].contains(&action) && pick % 5 == 0 {
                    step["timeoutSeconds"] = (1 + pick % 40).into();
                }
                match (keys, later(index, pick.rotate_left(3))) {
                    (0, _) => step["isEnd"] = true.into(),
                    (1, Some(next)) => step["nextStep"] = next.into(),
                    (2, Some(next)) => step["onFailure"] = format!("step:{next}").into(),
                    (3, _) => step["onFailure"] = "Continue".into(),
                    _ => {}
                }
                step
            })
            .collect();
        json!({"schemaVersion": "0.3", "parameters": {"P": {"type": "Integer", "default": 1}}, "variables": {"v": {"type": "Integer", "default": 1}}, "mainSteps": list})
    })
}

/// Command documents of both shapes, with something of everything.
fn a_command_document() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({
            "schemaVersion": "2.2",
            "parameters": {"P": {"type": "StringList", "default": ["a"], "interpolationType": "ENV_VAR"}},
            "mainSteps": [
                {"name": "a", "action": "aws:runShellScript",
                 "precondition": {"StringEquals": ["platformType", "Linux"]},
                 "inputs": {"runCommand": "{{ P }}", "timeoutSeconds": "5", "onFailure": "exit"}},
                {"name": "b", "action": "aws:applications", "inputs": {"action": "Install", "source": "x"}},
                {"name": "c", "action": "aws:runShellScript",
                 "inputs": {"runCommand": ["x"], "finallyStep": true}},
            ],
        })),
        Just(json!({
            "schemaVersion": "1.2",
            "parameters": {"P": {"type": "String", "default": "a"}},
            "runtimeConfig": {"aws:runShellScript": {"properties": [{"id": "x", "runCommand": ["{{ P }}"]}]}},
        })),
    ]
}

fn an_outcome() -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        4 => Just(Some(payload(json!({"x": 1})))),
        3 => Just(Some(Outcome::failed("No"))),
        1 => Just(Some(Outcome::TimedOut { message: "Slow".to_owned(), outputs: Map::new() })),
        1 => Just(Some(Outcome::Cancelled)),
        1 => Just(Some(Outcome::Unknown { reason: "gone".to_owned() })),
        1 => Just(None),
    ]
}

fn a_decision() -> impl Strategy<Value = Option<Decision>> {
    prop_oneof![
        Just(None),
        Just(Some(Decision::Succeeded { outputs: Map::new() })),
        Just(Some(Decision::Failed { message: "Not done".to_owned() })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, and wherever the loop dies: the same run, the same journal, nothing done twice, and the run
    /// ends or waits for somebody.
    #[test]
    fn runs_end_replay_and_survive_crashes(
        document in a_document(),
        child in a_document(),
        outcomes in proptest::collection::vec(an_outcome(), 1..12),
        cancel_after in proptest::option::of(1..14_usize),
        decision in a_decision(),
        twice in any::<bool>(),
    ) {
        let parse = |document: &Value| {
            Document::parse(document).map_err(|problems| TestCaseError::fail(format!("{problems:?}")))
        };
        let document = parse(&document)?;
        let procedures = BTreeMap::from([("child".to_owned(), parse(&child)?)]);
        // What an attempt comes to depends on its id alone, so that it does not depend on the order of questions.
        let mut perform = |effect: &Effect| {
            let pick = effect.attempt.as_str().bytes().fold(7_usize, |sum, b| sum * 31 % 1009 + usize::from(b));
            outcomes[pick % outcomes.len()].clone()
        };
        let disturbance = Disturbance { cancel_after, decision, twice, procedures, ..Disturbance::default() };
        let driven = crash_everywhere(&document, &begin("r", Map::new()), &hosts(), &mut perform, &disturbance);
        prop_assert!(
            driven.run.status.is_over() || driven.run.waits_for().is_some(),
            "{:?} waits for nothing", driven.run
        );
        for (child, events) in driven.children.values() {
            prop_assert_eq!(fold(events), Some(child.clone()));
            let parent = child.parent.as_ref().map(|parent| parent.run.clone());
            prop_assert!(child.status.is_over() || !driven.run.status.is_over(), "{child:?} is left behind");
            prop_assert!(parent.is_some());
        }
        prop_assert!(driven.performed.values().all(|times| *times == 1));
        prop_assert_eq!(fold(&driven.events), Some(driven.run.clone()));
        let read: Vec<RunEvent> =
            driven.events.iter().map(|event| RunEvent::read(&event.draft()).expect("reads back")).collect();
        prop_assert_eq!(&read, &driven.events);
        prop_assert!(driven.run.finished_at.unwrap_or_default() >= Timestamp::from_millis(0));
    }

    /// A text that is one reference becomes the value and nothing else, wherever it stands; one inside a longer text
    /// leaves a text; everything else stays as it is.
    #[test]
    fn interpolation_never_changes_a_type(value in any_json(), around in any_json(), before in "[a-z ]{0,4}") {
        let resolve = |reference: &crate::reference::Reference| match reference {
            crate::reference::Reference::Parameter(name) if name == "P" => Ok(Some(value.clone())),
            _ => Ok(None),
        };
        let whole = json!({"a": ["{{ P }}", &around], "b": {"c": "{{P}}"}});
        let found = crate::reference::interpolate(&whole, &resolve);
        prop_assert_eq!(found, Ok(json!({"a": [&value, &around], "b": {"c": &value}})));
        let inside = crate::reference::interpolate(&json!(format!("{before}-{{{{ P }}}}")), &resolve);
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        prop_assert_eq!(inside, Ok(json!(format!("{before}-{text}"))));
    }

    /// No value at all makes the reader panic, and a refusal always has an error.
    #[test]
    fn parsing_never_panics(document in prop_oneof![2 => a_document(), 1 => a_command_document()], path in proptest::collection::vec(any::<u16>(), 1..6), new in a_value()) {
        let mut broken = document;
        mutate(&mut broken, &path, new);
        if let Err(problems) = Document::parse(&broken) {
            prop_assert!(problems.iter().any(|problem| problem.severity == mainstay_model::Severity::Error));
            for problem in problems {
                let mut at = &broken;
                for segment in &problem.path {
                    let inside = match segment {
                        mainstay_model::Segment::Key(key) => at.get(key),
                        mainstay_model::Segment::Index(index) => at.get(index),
                    };
                    prop_assert!(inside.is_some(), "{} leads nowhere in {}", problem.path_text(), broken);
                    at = inside.unwrap_or(at);
                }
                if let mainstay_model::problem::Spot::Within(range) = &problem.spot {
                    prop_assert!(at.as_str().is_some_and(|text| text.get(range.clone()).is_some()), "{problem:?} in {at}");
                }
            }
        }
    }
}

/// Any value, to a small depth; texts hold no braces of their own.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z$ ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn a_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-z{}:. $é]{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!("{{ s0.Payload }}")),
        Just(json!("step:s1")),
        Just(json!("s0")),
        Just(json!([{"Name": "x", "Selector": "$..a["}])),
        Just(json!(["{{ P }}", ["{{ P }}"], {"a": "{{ {{P}} }}"}])),
    ]
}

fn mutate(value: &mut Value, path: &[u16], new: Value) {
    let Some((pick, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    let pick = usize::from(*pick);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let index = pick % map.len();
            if let Some(inner) = map.values_mut().nth(index) {
                mutate(inner, rest, new);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            let index = pick % list.len();
            mutate(&mut list[index], rest, new);
        }
        other => *other = new,
    }
}
