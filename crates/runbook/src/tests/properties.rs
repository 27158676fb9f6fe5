use mainstay_model::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{hosts, payload};
use crate::testing::{Disturbance, begin, crash_everywhere, fold};
use crate::{Decision, Document, Effect, Outcome, RunEvent};

/// A document with jumps forward only, so that it has no circles.
fn a_document() -> impl Strategy<Value = Value> {
    let step = (0..5_usize, 0..8_usize, any::<u16>(), 1..4_u32, proptest::option::of(any::<bool>()));
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
                    _ => ("aws:executeScript", json!({"Runtime": "bash", "Script": "echo {{ P }}"})),
                };
                step["action"] = action.into();
                step["inputs"] = inputs;
                if let Some(critical) = critical {
                    step["isCritical"] = critical.into();
                }
                if action != "aws:branch" && pick % 5 == 0 {
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
        json!({"schemaVersion": "0.3", "parameters": {"P": {"type": "Integer", "default": 1}}, "mainSteps": list})
    })
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
        outcomes in proptest::collection::vec(an_outcome(), 1..12),
        cancel_after in proptest::option::of(1..14_usize),
        decision in a_decision(),
    ) {
        let document = match Document::parse(&document) {
            Ok(document) => document,
            Err(problems) => return Err(TestCaseError::fail(format!("{problems:?}"))),
        };
        // What an attempt comes to depends on its id alone, so that it does not depend on the order of questions.
        let mut perform = |effect: &Effect| {
            let pick = effect.attempt.as_str().bytes().fold(7_usize, |sum, b| sum * 31 % 1009 + usize::from(b));
            outcomes[pick % outcomes.len()].clone()
        };
        let disturbance = Disturbance { cancel_after, decision, crash_after: None };
        let driven = crash_everywhere(&document, &begin("r", Map::new()), &hosts(), &mut perform, &disturbance);
        prop_assert!(
            driven.run.status.is_over() || driven.run.waiting().is_some(),
            "{:?} waits for nothing", driven.run
        );
        prop_assert!(driven.performed.values().all(|times| *times == 1));
        prop_assert_eq!(fold(&driven.events), Some(driven.run.clone()));
        let read: Vec<RunEvent> =
            driven.events.iter().map(|event| RunEvent::read(&event.draft()).expect("reads back")).collect();
        prop_assert_eq!(&read, &driven.events);
        prop_assert!(driven.run.finished_at.unwrap_or_default() >= Timestamp::from_millis(0));
    }

    /// No value at all makes the reader panic, and a refusal always has an error.
    #[test]
    fn parsing_never_panics(document in a_document(), path in proptest::collection::vec(any::<u16>(), 1..6), new in a_value()) {
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
