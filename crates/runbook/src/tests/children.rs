//! Procedures that start others.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{document, hosts, line, payload};
use crate::testing::{Disturbance, Driven, begin, crash_everywhere, drive, fail_every_step};
use crate::{AttemptId, Decision, Effect, Outcome, RunStatus, child};

const OUTER: &str = r"
schemaVersion: '0.3'
parameters: {Name: {type: String, default: web}}
outputs: [call.Output, call.look.N]
mainSteps:
- name: call
  action: aws:executeAutomation
  maxAttempts: 2
  onFailure: Continue
  inputs: {DocumentName: inner, RuntimeParameters: {Name: '{{ Name }}', Times: ['3']}}
- {name: tell, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'echo {{ call.Status }} {{ call.look.N }} {{ call.Output }}'}}
";

const INNER: &str = r"
schemaVersion: '0.3'
parameters: {Name: {type: String}, Times: {type: Integer}}
outputs: [look.Payload, look.N, never.Payload]
mainSteps:
- name: look
  action: aws:executeScript
  inputs: {Runtime: bash, Script: 'look {{ Name }} {{ Times }}'}
  outputs: [{Name: N, Selector: $.Payload.n, Type: Integer}]
- {name: skip, action: 'aws:branch', isEnd: true, inputs: {Choices: [{NextStep: never, Variable: '{{ look.N }}', NumericGreater: 100}]}}
- {name: never, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}}
";

fn procedures(list: &[(&str, &str)]) -> BTreeMap<String, crate::Document> {
    list.iter().map(|(name, text)| ((*name).to_owned(), document(text))).collect()
}

fn family() -> Disturbance {
    Disturbance { procedures: procedures(&[("inner", INNER)]), ..Disturbance::default() }
}

fn perform(effect: &Effect) -> Option<Outcome> {
    let _ = effect;
    Some(payload(json!({"n": 5})))
}

fn children(driven: &Driven) -> Vec<String> {
    driven.children.values().map(|(run, _)| format!("{} {}", run.procedure, run.status.as_str())).collect()
}

#[test]
fn a_child_runs_by_itself_and_its_outputs_are_the_parents_to_use() {
    let outer = document(OUTER);
    for twice in [false, true] {
        let disturbance = Disturbance { twice, ..family() };
        let driven = crash_everywhere(&outer, &begin("r", Map::new()), &hosts(), &mut perform, &disturbance);
        assert_eq!(line(&driven), "Success: call Success, tell Success");
        assert_eq!(children(&driven), ["inner Success"]);
        let (child, events) = driven.children.values().next().expect("a child");
        assert_eq!(child.parameters, *json!({"Name": "web", "Times": 3}).as_object().expect("a mapping"));
        let parent = child.parent.as_ref().expect("it has a parent");
        assert_eq!((parent.run.as_str(), parent.step.as_str()), ("r", "call"));
        assert_eq!(parent.chain, ["procedure"]);
        // The event that led to it is the start of the parent's attempt.
        assert_eq!(events[0].cause.as_ref().map(ToString::to_string).as_deref(), Some("r.e2"));
        let outputs = &driven.run.step("call").expect("a record").outputs;
        assert_eq!(
            Value::Object(outputs.clone()),
            json!({
                "ExecutionId": child.id, "Status": "Success", "look.Payload": {"n": 5}, "look.N": 5,
                "Output": ["{\"n\":5}", "5"],
            })
        );
        assert_eq!(
            Value::Object(driven.run.outputs.clone()),
            json!({"call.Output": ["{\"n\":5}", "5"], "call.look.N": 5})
        );
        assert_eq!(
            driven.run.step("call").and_then(|step| step.attempts[0].child.clone()),
            Some(child.id.clone())
        );
    }
}

#[test]
fn a_child_that_does_not_succeed_is_tried_again_under_another_id() {
    let mut seen = Vec::new();
    fail_every_step(
        &document(OUTER),
        &begin("r", Map::new()),
        &hosts(),
        &mut perform,
        &family(),
        &mut |step, driven| seen.push(format!("{step}: {} | {}", line(driven), children(driven).join(", "))),
    );
    assert_eq!(
        seen,
        [
            "call: Failed: call Failed, tell Failed | ",
            "tell: Failed: call Success, tell Failed | inner Success",
            "inner.look: Failed: call Failed, tell Failed | inner Failed, inner Failed",
            "inner.skip: Success: call Success, tell Success | inner Success",
            "inner.never: Success: call Success, tell Success | inner Success",
        ]
    );
}

#[test]
fn what_a_child_cannot_be_started_for_is_the_steps_failure() {
    let outer = document(OUTER);
    let failure = |disturbance: &Disturbance| {
        let driven = drive(&outer, begin("r", Map::new()), &hosts(), &mut perform, disturbance);
        driven.run.step("call").and_then(|step| step.failure.clone()).unwrap_or_default()
    };
    assert_eq!(failure(&Disturbance::default()), "There is no procedure inner");
    let other = INNER.replace("Times: {type: Integer}", "Times: {type: Boolean}");
    let other = Disturbance { procedures: procedures(&[("inner", &other)]), ..Disturbance::default() };
    assert_eq!(failure(&other), "Times: Parameter `Times` is a Boolean, found the text \"3\"");
}

const CALLS: &str = r"
schemaVersion: '0.3'
parameters: {Next: {type: String, default: b}}
mainSteps:
- {name: call, action: 'aws:executeAutomation', inputs: {DocumentName: '{{ Next }}'}}
";

#[test]
fn procedures_that_come_to_start_themselves_are_stopped() {
    let b = CALLS.replace("default: b", "default: a");
    let circle = Disturbance { procedures: procedures(&[("a", CALLS), ("b", &b)]), ..Disturbance::default() };
    let mut start = begin("r", Map::new());
    start.procedure = "a".to_owned();
    let driven = drive(&document(CALLS), start, &hosts(), &mut perform, &circle);
    assert_eq!(driven.run.status, RunStatus::Failed);
    let failure = driven.run.failure.unwrap_or_default();
    assert!(failure.ends_with("Step call: Procedure a would start itself: a -> b -> a"), "{failure}");
    // And so are those that only go deeper and deeper.
    let names: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    let texts: Vec<String> =
        (1..=12).map(|number| CALLS.replace("default: b", &format!("default: p{number}"))).collect();
    let list: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let deep = Disturbance { procedures: procedures(&list), ..Disturbance::default() };
    let mut start = begin("r", Map::new());
    start.procedure = "p0".to_owned();
    let driven = drive(&document(&texts[0]), start, &hosts(), &mut perform, &deep);
    assert_eq!(driven.children.len(), child::MAX_DEPTH - 1);
    let failure = driven.run.failure.unwrap_or_default();
    assert!(failure.contains("Runs can stand 8 deep at most: p0 -> p1"), "{failure}");
}

#[test]
fn a_cancellation_and_a_time_limit_go_down_and_a_wait_comes_up() {
    let hold = "schemaVersion: '0.3'\nmainSteps: [{name: hold, action: 'aws:pause', inputs: {}}]";
    let middle = "schemaVersion: '0.3'\nmainSteps: [{name: call, action: 'aws:executeAutomation', inputs: {DocumentName: hold}}]";
    let outer = document(&middle.replace("DocumentName: hold", "DocumentName: middle"));
    let disturbance = |cancel_after, decision| Disturbance {
        procedures: procedures(&[("hold", hold), ("middle", middle)]),
        cancel_after,
        decision,
        ..Disturbance::default()
    };
    let start = || begin("r", Map::new());
    let waits = crash_everywhere(&outer, &start(), &hosts(), &mut perform, &disturbance(None, None));
    assert_eq!(line(&waits), "Waiting: call Waiting");
    let words = waits.run.waits_for().unwrap_or_default();
    assert!(
        words.contains("of middle waits: Run ") && words.ends_with("until somebody resumes it"),
        "{words}"
    );
    assert!(waits.run.waiting().is_none(), "it is not the parent that somebody has to decide about");
    let yes = Some(Decision::Succeeded { outputs: Map::new() });
    let goes_on = crash_everywhere(&outer, &start(), &hosts(), &mut perform, &disturbance(None, yes));
    assert_eq!(line(&goes_on), "Success: call Success");
    for after in 1..waits.written {
        let cancelled =
            crash_everywhere(&outer, &start(), &hosts(), &mut perform, &disturbance(Some(after), None));
        assert_eq!(cancelled.run.status, RunStatus::Cancelled, "{after}");
        assert!(children(&cancelled).iter().all(|child| child.ends_with("Cancelled")), "{after}");
    }
    let limited = document(
        "schemaVersion: '0.3'\nmainSteps: [{name: call, action: 'aws:executeAutomation', timeoutSeconds: 5, inputs: {DocumentName: middle}}]",
    );
    let late = crash_everywhere(&limited, &start(), &hosts(), &mut perform, &disturbance(None, None));
    assert_eq!(line(&late), "TimedOut: call TimedOut");
    // At its limit: a child has no performer that would end it, so nobody is given time to.
    assert_eq!(late.run.finished_at, Some(mainstay_model::Timestamp::from_millis(5000)));
    assert_eq!(children(&late), ["hold Cancelled", "middle Cancelled"].map(str::to_owned));
}

#[test]
fn the_ids_of_children_follow_from_the_attempt() {
    let id = |attempt: &str, procedure: &str| {
        child::id(&AttemptId::parse(attempt).expect("an attempt"), procedure).to_string()
    };
    assert_eq!(id("r.call.1", "inner"), id("r.call.1", "inner"));
    assert_ne!(id("r.call.1", "inner"), id("r.call.2", "inner"));
    let long = id("r.call.1", &"x".repeat(120));
    assert!(long.len() <= crate::MAX_RUN_ID_BYTES && long.starts_with("xxxx"), "{long}");
    assert!(id("r.call.1", "--é.").len() == 24);
    assert_eq!(
        child::procedure_name("arn:aws:ssm:eu-west-1:123456789012:document/restore:$LATEST"),
        "restore"
    );
    assert_eq!(child::procedure_name("AWS-Restart"), "AWS-Restart");
}

#[test]
fn the_inputs_of_a_child_are_checked_where_they_stand() {
    let refused = |inputs: &str| -> Vec<String> {
        let text = format!(
            "schemaVersion: '0.3'\nmainSteps: [{{name: call, action: 'aws:executeAutomation', inputs: {inputs}}}]"
        );
        match crate::Document::parse(&super::common::value(&text)) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    };
    assert_eq!(
        refused("{DocumentName: a, DocumentVersion: $LATEST, RuntimeParameters: {A: [b]}}"),
        Vec::<String>::new()
    );
    assert_eq!(
        refused("{RuntimeParameters: x}"),
        [
            "mainSteps[0].inputs.RuntimeParameters: `RuntimeParameters` is a mapping, found the text \"x\"",
            "mainSteps[0].inputs: aws:executeAutomation needs `DocumentName`",
        ]
    );
    assert_eq!(
        refused("{DocumentName: a, DocumentVersion: '3', Targets: [], MaxErrors: '1'}"),
        [
            "mainSteps[0].inputs.Targets: `Targets` of aws:executeAutomation is not built yet",
            "mainSteps[0].inputs.MaxErrors: `MaxErrors` of aws:executeAutomation is not built yet",
            "mainSteps[0].inputs.DocumentVersion: Choosing a version of a procedure is not built yet",
        ]
    );
}
