//! Going on from a chosen step.

use mainstay_model::{Actor, RunId, Timestamp};
use serde_json::{Map, Value, json};

use super::{document, hosts, line, payload};
use crate::testing::{Disturbance, Driven, begin, crash_everywhere, drive};
use crate::{Document, Effect, Outcome, Run, Start, resume};

const LINE: &str = r"
schemaVersion: '0.3'
parameters: {Name: {type: String, default: web}}
variables: {seen: {type: String, default: none}}
outputs: [a.Payload, d.Payload]
mainSteps:
- name: a
  action: aws:executeScript
  inputs: {Runtime: bash, Script: 'a {{ Name }}'}
  outputs: [{Name: N, Selector: $.Payload.n, Type: Integer}]
- {name: b, action: 'aws:updateVariable', inputs: {Name: 'variable:seen', Value: '{{ a.Payload }}-{{ a.N }}'}}
- name: choose
  action: aws:branch
  inputs: {Default: d, Choices: [{NextStep: c, Variable: '{{ a.N }}', NumericEquals: 5}]}
- {name: c, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'c {{ variable:seen }} {{ a.N }}'}}
- {name: d, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'd {{ c.Payload }}'}}
";

fn good(_: &Effect) -> Option<Outcome> {
    Some(payload(json!({"n": 5})))
}

/// The run in which one step fails.
fn broken(document: &Document, step: &str) -> Run {
    let broken = Some(("procedure".to_owned(), step.to_owned()));
    let disturbance = Disturbance { broken, ..Disturbance::default() };
    drive(document, begin("r", Map::new()), &hosts(), &mut good, &disturbance).run
}

fn start(document: &Document, earlier: &Run, from: &str) -> Result<Start, Vec<String>> {
    let id = RunId::new("r2").expect("an id");
    let by = Actor::Person("maria".to_owned());
    let at = Timestamp::from_millis(1000);
    resume::start(document, earlier, from, id, by, at)
        .map_err(|problems| problems.iter().map(|problem| problem.message.clone()).collect())
}

fn go_on(document: &Document, earlier: &Run, from: &str) -> Driven {
    let start = start(document, earlier, from).unwrap_or_else(|problems| unreachable!("{problems:?}"));
    crash_everywhere(document, &start, &hosts(), &mut good, &Disturbance::default())
}

fn attempts(driven: &Driven) -> Vec<&str> {
    driven.performed.keys().map(crate::AttemptId::as_str).collect()
}

#[test]
fn what_was_done_is_taken_over_and_not_done_again() {
    let document = document(LINE);
    let driven = go_on(&document, &broken(&document, "c"), "c");
    assert_eq!(line(&driven), "Success: a Success, b Success, choose Success, c Success, d Success");
    assert_eq!(attempts(&driven), ["r2.c.1", "r2.d.1"]);
    assert_eq!(
        driven.run.step("a").and_then(|step| step.taken_from.clone()).map(|run| run.to_string()).as_deref(),
        Some("r")
    );
    assert_eq!(driven.run.step("c").and_then(|step| step.taken_from.clone()), None);
    assert_eq!(driven.run.variables["seen"], "{\"n\":5}-5");
    assert_eq!(
        Value::Object(driven.run.outputs.clone()),
        json!({"a.Payload": {"n": 5}, "d.Payload": {"n": 5}})
    );
    // A run that went on can itself be gone on with, and what the first one did is still there.
    let again = go_on(&document, &driven.run, "d");
    assert_eq!(attempts(&again), ["r2.d.1"]);
    assert_eq!(again.run.step("a").map(|step| step.outputs["N"].clone()), Some(json!(5)));
    // The chosen step may be one that succeeded: then it is done again, because somebody said so.
    let earlier = go_on(&document, &driven.run, "a");
    assert_eq!(attempts(&earlier), ["r2.a.1", "r2.c.1", "r2.d.1"]);
    assert_eq!(driven.events[0].cause.as_ref().map(ToString::to_string).as_deref(), Some("r.e10"));
}

#[test]
fn a_run_that_cannot_be_gone_on_with_says_why() {
    let document = document(LINE);
    let failed = broken(&document, "a");
    assert_eq!(start(&document, &failed, "e"), Err(vec!["The procedure has no step `e`".to_owned()]));
    assert_eq!(
        start(&document, &failed, "c"),
        Err(vec!["Step `c` needs {{ a.N }}, which step `a` did not leave: it is Failed in run r".to_owned()])
    );
    assert_eq!(
        start(&document, &failed, "choose").map(|_| ()),
        Err(vec![
            "Step `choose` needs {{ a.N }}, which step `a` did not leave: it is Failed in run r".to_owned()
        ])
    );
    assert!(start(&document, &failed, "a").is_ok());
    let mut open = failed;
    open.status = crate::RunStatus::Waiting;
    assert_eq!(
        start(&document, &open, "a"),
        Err(vec!["Run r is Waiting, and only a run that is over can be gone on with".to_owned()])
    );
}

const LOOP: &str = r"
schemaVersion: '0.3'
outputs: [after.Payload]
mainSteps:
- {name: first, action: 'aws:executeScript', inputs: {Runtime: bash, Script: first}}
- name: each
  action: aws:loop
  inputs:
    Iterators: [x, y, z]
    Steps:
    - {name: one, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'one {{ each.CurrentIteratorValue }}'}}
    - {name: two, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'two {{ each.CurrentIteratorValue }} {{ one.Payload }}'}}
- {name: after, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'after {{ each.CurrentIteration }}'}}
";

#[test]
fn a_loop_is_entered_where_it_was_left() {
    let document = document(LOOP);
    let mut second = |effect: &Effect| {
        Some(if effect.attempt.as_str() == "r.two.2" {
            Outcome::failed("No")
        } else {
            payload(json!({"n": 5}))
        })
    };
    let failed = drive(&document, begin("r", Map::new()), &hosts(), &mut second, &Disturbance::default());
    assert_eq!(line(&failed), "Failed: first Success, each Failed, one Success, two Failed");
    let driven = go_on(&document, &failed.run, "two");
    assert_eq!(
        line(&driven),
        "Success: first Success, each Success, one Success, two Success, after Success"
    );
    assert_eq!(attempts(&driven), ["r2.after.1", "r2.one.1", "r2.two.1", "r2.two.2"]);
    let scripts: Vec<String> = driven
        .events
        .iter()
        .filter_map(|event| match &event.body {
            crate::Body::AttemptStarted { effect: Some(crate::EffectKind::Script(script)), .. } => {
                Some(script.script.clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(scripts, ["two y {\"n\":5}", "one z", "two z {\"n\":5}", "after 3"]);
    // From the loop itself it begins anew.
    assert_eq!(go_on(&document, &failed.run, "each").performed.len(), 7);
    // A loop that is over, or was never reached, cannot be entered.
    let whole = drive(&document, begin("r", Map::new()), &hosts(), &mut good, &Disturbance::default());
    let message = |run: &Run| {
        start(&document, run, "one").err().map(|messages| messages.join("; ")).unwrap_or_default()
    };
    assert!(
        message(&whole.run).contains("the loop `each`, which is over (Success) in run r"),
        "{}",
        message(&whole.run)
    );
    assert!(message(&broken(&document, "first")).contains("the loop `each`, which was not reached"));
}

#[test]
fn a_command_document_goes_on_from_a_plugin() {
    let document = document(
        "schemaVersion: '2.2'\nmainSteps:\n- {name: a, action: 'aws:runShellScript', inputs: {runCommand: [a]}}\n- {name: b, action: 'aws:runShellScript', inputs: {runCommand: [b]}}",
    );
    let driven = go_on(&document, &broken(&document, "b"), "b");
    assert_eq!(attempts(&driven), ["r2.b.1"]);
    assert_eq!(line(&driven), "Success: a Success, b Success");
}

/// Wherever a document fails, going on from there comes to what the undisturbed run came to, and does what was left.
#[test]
fn going_on_after_any_failure_comes_to_the_same_end() {
    for text in [LINE, LOOP] {
        let document = document(text);
        let whole = drive(&document, begin("r", Map::new()), &hosts(), &mut good, &Disturbance::default());
        for step in document.steps.iter().filter(|step| step.action == "aws:executeScript") {
            let failed = broken(&document, &step.name);
            assert_eq!(failed.status, crate::RunStatus::Failed, "{}", step.name);
            let driven = go_on(&document, &failed, &step.name);
            assert_eq!(line(&driven), line(&whole), "{}", step.name);
            assert_eq!(driven.run.outputs, whole.run.outputs, "{}", step.name);
            assert_eq!(driven.run.variables, whole.run.variables, "{}", step.name);
            let done: usize = failed
                .steps
                .iter()
                .map(|step| {
                    step.earlier_attempts as usize
                        + step
                            .attempts
                            .iter()
                            .filter(|attempt| attempt.result.as_deref() == Some("succeeded"))
                            .count()
                })
                .sum();
            assert_eq!(
                done + driven.performed.len(),
                whole.performed.len(),
                "{}: each thing once",
                step.name
            );
        }
    }
}

/// Held because a mutation of it survived.
#[test]
fn a_step_that_was_not_reached_is_not_taken_over() {
    let document = document(
        "schemaVersion: '0.3'\nparameters: {P: {type: String, default: x}}\nmainSteps:\n- {name: choose, action: 'aws:branch', inputs: {Default: d, Choices: [{NextStep: c, Variable: '{{ P }}', StringEquals: y}]}}\n- {name: c, action: 'aws:executeScript', inputs: {Runtime: bash, Script: c}}\n- {name: d, action: 'aws:executeScript', inputs: {Runtime: bash, Script: d}}",
    );
    let start = start(&document, &broken(&document, "d"), "d").expect("it can go on");
    let taken: Vec<String> = start
        .origin
        .continues
        .iter()
        .flat_map(|continued| continued.steps.iter().map(|taken| taken.step.clone()))
        .collect();
    assert_eq!(taken, ["choose"]);
    let driven = go_on(&document, &broken(&document, "d"), "d");
    assert_eq!(line(&driven), "Success: choose Success, d Success");
}
