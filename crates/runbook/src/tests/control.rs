//! Loops, variables, pauses, and Command documents.

use mainstay_model::{Actor, Timestamp};
use serde_json::{Map, Value, json};

use super::{document, hosts, line, payload, run};
use crate::testing::{Disturbance, Driven, begin, crash_everywhere, drive, fail_every_step};
use crate::{Action, Body, Decision, Effect, EffectKind, Input, Outcome, RunStatus, StepStatus, start, step};

const EACH: &str = r"
schemaVersion: '0.3'
variables: {seen: {type: StringList, default: []}, last: {type: String, default: none}}
parameters: {Names: {type: StringList, default: [x, y, z]}}
outputs: [act.Payload]
mainSteps:
- name: all
  action: aws:loop
  inputs:
    Iterators: '{{ Names }}'
    Steps:
    - {name: act, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'echo {{ all.CurrentIteratorValue }} {{ all.CurrentIteration }} {{ variable:last }}'}}
    - {name: note, action: 'aws:updateVariable', inputs: {Name: 'variable:last', Value: '{{ all.CurrentIteratorValue }}'}}
- {name: tell, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'echo {{ variable:last }} {{ all.CurrentIteration }}'}}
";

/// The scripts that were performed, by attempt.
fn scripts(driven: &Driven) -> Vec<String> {
    driven
        .events
        .iter()
        .filter_map(|event| match &event.body {
            Body::AttemptStarted { attempt, effect: Some(EffectKind::Script(script)), .. } => {
                Some(format!("{attempt}: {}", script.script))
            }
            Body::AttemptStarted { attempt, effect: Some(EffectKind::Shell(shell)), .. } => {
                Some(format!("{attempt}: {}", shell.script().trim_end()))
            }
            _ => None,
        })
        .collect()
}

fn done(_: &Effect) -> Option<Outcome> {
    Some(payload(Value::Null))
}

#[test]
fn a_loop_goes_through_its_list_and_survives_crashes() {
    let document = document(EACH);
    let driven =
        crash_everywhere(&document, &begin("r", Map::new()), &hosts(), &mut done, &Disturbance::default());
    assert_eq!(line(&driven), "Success: all Success, act Success, note Success, tell Success");
    assert_eq!(
        scripts(&driven),
        ["r.act.1: echo x 1 none", "r.act.2: echo y 2 x", "r.act.3: echo z 3 y", "r.tell.1: echo z 3",]
    );
    let act = driven.run.step("act").expect("a record");
    assert_eq!((act.attempts.len(), act.earlier_attempts, act.iteration), (1, 2, Some(3)));
    assert_eq!(driven.run.variables["last"], "z");
    assert_eq!(Value::Object(driven.run.outputs.clone()), json!({"act.Payload": null}));
    let none = Map::from_iter([("Names".to_owned(), json!([]))]);
    let none = drive(&document, begin("r", none), &hosts(), &mut done, &Disturbance::default());
    assert_eq!(
        none.run.failure.as_deref(),
        Some("Step tell: Step all left no output CurrentIteration (it is Success; its outputs: none)")
    );
    assert_eq!(none.run.step("act").map(|step| step.status), Some(StepStatus::Pending));
}

#[test]
fn a_failure_inside_a_loop_is_the_affair_of_the_step_that_failed() {
    let keys = |keys: &str| EACH.replace("{name: act,", &format!("{{name: act, {keys}"));
    for (text, expected) in [
        ("", "Failed: all Failed, act Failed"),
        ("onFailure: Continue,", "Success: all Success, act Success, note Success, tell Success"),
        ("onFailure: 'step:tell', isCritical: false,", "Success: all Exited, act Failed, tell Success"),
        ("onFailure: Continue, isEnd: true,", "Success: all Success, act Success, tell Success"),
        ("maxAttempts: 2,", "Success: all Success, act Success, note Success, tell Success"),
    ] {
        let failed = [("act.2", Outcome::failed("No"))];
        let driven = run(&keys(text), &failed);
        assert_eq!(line(&driven), expected, "{text}");
    }
    // Each iteration has all its attempts.
    let failures: Vec<String> = [1, 3, 5].map(|number| format!("act.{number}")).to_vec();
    let failures: Vec<(&str, Outcome)> =
        failures.iter().map(|name| (name.as_str(), Outcome::failed("No"))).collect();
    let driven = run(&keys("maxAttempts: 2,"), &failures);
    assert_eq!(line(&driven), "Success: all Success, act Success, note Success, tell Success");
    assert_eq!(driven.run.step("act").map(|step| step.earlier_attempts), Some(4));
    let document = document(EACH);
    let mut seen = Vec::new();
    fail_every_step(
        &document,
        &begin("r", Map::new()),
        &hosts(),
        &mut done,
        &Disturbance::default(),
        &mut |name, driven| {
            seen.push(format!("{name}: {}", line(driven)));
        },
    );
    assert_eq!(
        seen,
        [
            "all: Success: all Success, act Success, note Success, tell Success",
            "act: Failed: all Failed, act Failed",
            "note: Success: all Success, act Success, note Success, tell Success",
            "tell: Failed: all Success, act Success, note Success, tell Failed",
        ]
    );
}

const WHILE: &str = r"
schemaVersion: '0.3'
mainSteps:
- name: outer
  action: aws:loop
  inputs:
    LoopCondition: {Or: [{Variable: '{{ look.N }}', NumericLesser: 3}, {Not: {Variable: '{{ outer.CurrentIteration }}', NumericGreater: 1}}]}
    MaxIterations: 4
    Steps:
    - name: inner
      action: aws:loop
      inputs:
        Iterators: [1, 2]
        IteratorDataType: Integer
        Steps:
        - {name: wait, action: 'aws:sleep', inputs: {Duration: 'PT{{ inner.CurrentIteratorValue }}S'}}
    - name: look
      action: aws:executeScript
      inputs: {Runtime: bash, Script: 'look {{ outer.CurrentIteration }}'}
      outputs: [{Name: N, Selector: $.Payload.n, Type: Integer}]
- {name: after, action: 'aws:sleep', inputs: {Timestamp: '1970-01-01T00:00:00Z'}}
";

#[test]
fn a_condition_repeats_and_loops_nest() {
    let look = |number: i64| payload(json!({"n": number}));
    let enough = run(WHILE, &[("look.1", look(9)), ("look.2", look(3))]);
    assert_eq!(scripts(&enough), ["r.look.1: look 1", "r.look.2: look 2"]);
    assert_eq!(enough.run.status, RunStatus::Success);
    let sleeps = |driven: &Driven| {
        driven
            .events
            .iter()
            .filter(|event| matches!(&event.body, Body::AttemptStarted { step, .. } if step == "wait"))
            .count()
    };
    assert_eq!(sleeps(&enough), 4);
    let never = [1, 2, 3, 4, 5].map(|number| format!("look.{number}"));
    let never: Vec<(&str, Outcome)> = never.iter().map(|name| (name.as_str(), look(0))).collect();
    let limited = run(WHILE, &never);
    assert_eq!(scripts(&limited).len(), 4, "MaxIterations");
    assert_eq!(limited.run.status, RunStatus::Success);
    let broken = run(WHILE, &[("look.1", payload(json!({"n": "x"})))]);
    assert_eq!(line(&broken), "Failed: outer Failed, inner Success, wait Success, look Failed");
    let document = document(WHILE);
    for cancel_after in 1..enough.events.len() {
        let mut perform = |_: &Effect| Some(look(0));
        let disturbance = Disturbance { cancel_after: Some(cancel_after), ..Disturbance::default() };
        let driven =
            crash_everywhere(&document, &begin("r", Map::new()), &hosts(), &mut perform, &disturbance);
        assert_eq!(driven.run.status, RunStatus::Cancelled, "after {cancel_after}");
        assert!(driven.run.loops.is_empty());
        assert!(driven.run.steps.iter().all(|step| step.status != StepStatus::InProgress));
    }
}

#[test]
fn variables_keep_their_type() {
    let set = |kind: &str, default: &str, value: &str| {
        let text = format!(
            "schemaVersion: '0.3'
variables: {{v: {{type: {kind}, default: {default}}}}}
mainSteps:
- {{name: make, action: 'aws:executeScript', inputs: {{Runtime: bash, Script: 'true'}}}}
- {{name: set, action: 'aws:updateVariable', inputs: {{Name: 'variable:v', Value: {value}}}}}
- {{name: use, action: 'aws:executeScript', inputs: {{Runtime: bash, Script: 'true', InputPayload: {{v: '{{{{ variable:v }}}}'}}}}}}"
        );
        let driven = run(&text, &[("make.1", payload(json!({"a": [1]})))]);
        driven.run.failure.clone().unwrap_or_else(|| driven.run.variables["v"].to_string())
    };
    assert_eq!(set("Integer", "1", "2"), "2");
    assert_eq!(set("StringMap", "{a: 1}", "'{{ make.Payload }}'"), r#"{"a":[1]}"#);
    assert_eq!(set("String", "x", "'{{ variable:v }}{{ variable:v }}'"), r#""xx""#);
    assert_eq!(
        set("Integer", "1", "'{{ make.Payload }}'"),
        "Step set: The value does not fit the variable v: it is Integer, found a mapping"
    );
    assert_eq!(
        set("String", "x", &format!("'{{{{ variable:v }}}}{}'", "y".repeat(600))),
        "Step set: The value does not fit the variable v: a text has 1 to 512 characters, found 601"
    );
}

#[test]
fn a_pause_waits_for_a_word_or_for_its_time() {
    let text = "schemaVersion: '0.3'
mainSteps:
- {name: hold, action: 'aws:pause', timeoutSeconds: 60, inputs: {}}
- {name: go, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}}";
    let document = document(text);
    let first = start(&document, begin("r", Map::new())).expect("starts");
    assert_eq!(first.run.status, RunStatus::Waiting);
    let (attempt, reason) = first.run.waiting().expect("waits");
    assert_eq!(reason, "Step hold pauses the run until somebody resumes it");
    let Some(Action::Wake { timer, at }) = first.run.outstanding().pop() else { unreachable!("a limit") };
    assert_eq!(at, Timestamp::from_millis(60_000));
    let late = step(&document, &first.run, Input::TimerDue { timer: timer.clone() }, at);
    assert_eq!(late.run.status, RunStatus::TimedOut);
    let early = step(&document, &first.run, Input::TimerDue { timer }, Timestamp::from_millis(59_999));
    assert_eq!(early.run, first.run);
    let by = || Actor::Person("tester".to_owned());
    let resume = Input::Decide {
        attempt: attempt.clone(),
        by: by(),
        decision: Decision::Succeeded { outputs: Map::new() },
    };
    let resumed = step(&document, &first.run, resume, Timestamp::from_millis(1));
    assert_eq!(resumed.run.step("hold").map(|step| step.status), Some(StepStatus::Success));
    assert_eq!(resumed.run.open_attempt().map(|open| open.step.as_str()), Some("go"));
    let cancelled = step(
        &document,
        &first.run,
        Input::Cancel { by: by(), reason: "No".to_owned() },
        Timestamp::from_millis(1),
    );
    assert_eq!(cancelled.run.status, RunStatus::Cancelled);
    for decision in
        [Decision::Succeeded { outputs: Map::new() }, Decision::Failed { message: "No".to_owned() }]
    {
        let disturbance = Disturbance { decision: Some(decision), ..Disturbance::default() };
        crash_everywhere(&document, &begin("r", Map::new()), &hosts(), &mut done, &disturbance);
    }
}

const COMMAND: &str = r"
schemaVersion: '2.2'
parameters:
  Who: {type: String, default: me}
  Secret: {type: String, default: '$(id)', interpolationType: ENV_VAR}
  Role: {type: String, default: app}
  Lines: {type: StringList, default: [one, two]}
mainSteps:
- {name: a b, action: 'aws:runShellScript', inputs: {runCommand: '{{ Lines }}', timeoutSeconds: '30', workingDirectory: /tmp}}
- {name: win, action: 'aws:runPowerShellScript', precondition: {StringEquals: [platformType, Windows]}, inputs: {runCommand: [x]}}
- {name: db, action: 'aws:runShellScript', precondition: {StringEquals: ['{{ Role }}', db]}, inputs: {runCommand: [x]}}
- {name: msi, action: 'aws:applications', inputs: {action: Install, source: 'https://example.org/x.msi'}}
- {name: c, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ Who }} {{ Secret }} {{ a.b }} {{.X}}', exit 3] KEYS}}
- {name: d, action: 'aws:runShellScript', inputs: {runCommand: echo d}}
- {name: last, action: 'aws:runShellScript', inputs: {runCommand: [bye], finallyStep: true}}
";

#[test]
fn a_command_document_runs_its_plugins_in_order() {
    let fails = [("c.1", Outcome::failed("No"))];
    for (keys, answers, expected) in [
        (
            "",
            &[][..],
            "Success: a b Success, win Skipped, db Skipped, msi Skipped, c Success, d Success, last Success",
        ),
        (
            "",
            &fails,
            "Failed: a b Success, win Skipped, db Skipped, msi Skipped, c Failed, d Success, last Success",
        ),
        (
            ", onFailure: exit",
            &fails,
            "Failed: a b Success, win Skipped, db Skipped, msi Skipped, c Failed, last Success",
        ),
        (
            ", onFailure: successAndExit",
            &fails,
            "Success: a b Success, win Skipped, db Skipped, msi Skipped, c Success, last Success",
        ),
        (
            ", onSuccess: exit",
            &[],
            "Success: a b Success, win Skipped, db Skipped, msi Skipped, c Success, last Success",
        ),
    ] {
        let driven = run(&COMMAND.replace(" KEYS", keys), answers);
        assert_eq!(line(&driven), expected, "{keys} {answers:?}");
    }
    let driven = run(&COMMAND.replace(" KEYS", ""), &[]);
    let shells: Vec<_> = driven
        .events
        .iter()
        .filter_map(|event| match &event.body {
            Body::AttemptStarted { effect: Some(EffectKind::Shell(shell)), deadline, .. } => {
                Some((shell, deadline))
            }
            _ => None,
        })
        .collect();
    let (first, deadline) = &shells[0];
    assert_eq!(first.script(), "one\ntwo\n");
    assert_eq!((first.execution_timeout_s, first.working_directory.as_deref()), (30, Some("/tmp")));
    assert_eq!(**deadline, Some(Timestamp::from_millis(3_630_000)));
    // What is handed over in the environment never becomes part of the script.
    assert_eq!(shells[1].0.script(), "echo me {{ Secret }} {{ a.b }} {{.X}}\nexit 3\n");
    assert_eq!(shells[1].0.environment.get("SSM_Secret").map(String::as_str), Some("$(id)"));
    assert_eq!(shells[1].0.host, None);
    let document = document(&COMMAND.replace(" KEYS", ""));
    crash_everywhere(&document, &begin("r", Map::new()), &hosts(), &mut done, &Disturbance::default());
    fail_every_step(
        &document,
        &begin("r", Map::new()),
        &hosts(),
        &mut done,
        &Disturbance::default(),
        &mut |name, driven| {
            let skipped = ["win", "db", "msi"].contains(&name);
            assert_eq!(driven.run.status == RunStatus::Success, skipped, "{name}");
            assert_eq!(driven.run.step("last").map(|step| step.status.is_over()), Some(true));
        },
    );
    let role = Map::from_iter([("Role".to_owned(), json!("db"))]);
    let driven = drive(&document, begin("r", role), &hosts(), &mut done, &Disturbance::default());
    assert_eq!(driven.run.step("db").map(|step| step.status), Some(StepStatus::Success));
}

#[test]
fn version_1_2_runs_each_set_of_properties() {
    let text = r"
schemaVersion: '1.2'
parameters: {commands: {type: StringList}}
runtimeConfig:
  aws:runShellScript:
    properties:
    - {id: 0.first, runCommand: '{{ commands }}'}
    - {runCommand: [b]}
";
    let given = Map::from_iter([("commands".to_owned(), json!(["a"]))]);
    let driven = drive(&document(text), begin("r", given), &hosts(), &mut done, &Disturbance::default());
    assert_eq!(line(&driven), "Success: 0.first Success, runShellScript1 Success");
    assert_eq!(scripts(&driven), ["r.0.first.1: a", "r.runShellScript1.1: b"]);
}

/// Every step of every procedure of the examples fails, everything is said twice, and the loop dies after each event.
#[test]
fn the_procedures_of_the_examples_survive_everything() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for path in super::common::files(&folder) {
        let name = path.display().to_string();
        if !["runbooks", "playbooks"].iter().any(|folder| name.contains(&format!("/{folder}/"))) {
            continue;
        }
        let document = document(&std::fs::read_to_string(&path).expect("readable"));
        // A value for each parameter that has no default, of its type.
        let given: Map<String, Value> = document
            .parameters
            .iter()
            .filter(|(_, parameter)| parameter.default.is_none())
            .map(|(name, parameter)| {
                let value = parameter.allowed_values.first().cloned();
                (name.clone(), value.unwrap_or_else(|| sample(&parameter.kind.name())))
            })
            .collect();
        let begin = begin("r", given);
        seen += 1;
        let decision = Some(Decision::Succeeded { outputs: Map::new() });
        for twice in [false, true] {
            let disturbance = Disturbance { twice, decision: decision.clone(), ..Disturbance::default() };
            let driven = crash_everywhere(&document, &begin, &hosts(), &mut done, &disturbance);
            assert!(driven.run.status.is_over() || driven.run.waiting().is_some(), "{name}");
            assert!(driven.performed.values().all(|times| *times == 1), "{name}");
        }
        fail_every_step(
            &document,
            &begin,
            &hosts(),
            &mut done,
            &Disturbance::default(),
            &mut |step, driven| {
                assert!(driven.run.status.is_over(), "{name}: {step}: {:?}", driven.run.position);
                let failed = driven.run.step(step).map(|record| record.status);
                assert_ne!(failed, Some(StepStatus::InProgress), "{name}: {step}");
            },
        );
    }
    assert!(seen > 0, "the examples have procedures");
}

fn sample(kind: &str) -> Value {
    match kind {
        "Integer" => json!(1),
        "Boolean" => json!(true),
        "StringList" => json!(["x"]),
        "MapList" => json!([{"x": "y"}]),
        "StringMap" => json!({"x": "y"}),
        _ => json!("x"),
    }
}
