use std::time::Duration;

use mainstay_model::{Actor, Timestamp};
use serde_json::{Map, Value, json};

use super::{document, hosts, line, payload, run};
use crate::testing::{Disturbance, begin, crash_everywhere, drive, fail_every_step, fold};
use crate::{
    Action, Body, Decision, Document, EffectKind, HostEnd, HostResult, Input, Outcome, RunEvent, RunStatus,
    StepStatus, Targets, aggregate, start, step,
};

/// Three scripts, with the given keys on the first.
fn three(keys: &str) -> String {
    let script = "action: aws:executeScript, inputs: {Runtime: bash, Script: 'true'}";
    format!(
        "schemaVersion: '0.3'\nmainSteps:\n- {{name: a, {script}{keys}}}\n- {{name: b, {script}}}\n- {{name: c, {script}}}\n"
    )
}

#[test]
fn failures_follow_the_matrix_of_the_reference() {
    let failed = [("a.1", Outcome::failed("No")), ("a.2", Outcome::failed("No again"))];
    let timed_out = [("a.1", Outcome::TimedOut { message: "Slow".to_owned(), outputs: Map::new() })];
    for (keys, expected) in [
        ("", "Failed: a Failed"),
        (", onFailure: Abort, isCritical: false", "Failed: a Failed"),
        (", onFailure: Continue", "Success: a Failed, b Success, c Success"),
        (", onFailure: Continue, isCritical: true", "Failed: a Failed, b Success, c Success"),
        (", onFailure: Continue, nextStep: c", "Success: a Failed, c Success"),
        (", onFailure: 'step:c'", "Failed: a Failed, c Success"),
        (", onFailure: 'step:c', isCritical: false", "Success: a Failed, c Success"),
        (", onFailure: 'step:c', isEnd: true", "Failed: a Failed"),
        (", onFailure: Continue, isEnd: true", "Success: a Failed"),
        (", maxAttempts: 2", "Failed: a Failed"),
        (", maxAttempts: 3", "Success: a Success, b Success, c Success"),
    ] {
        assert_eq!(line(&run(&three(keys), &failed)), expected, "{keys}");
    }
    assert_eq!(line(&run(&three(""), &timed_out)), "TimedOut: a TimedOut");
    assert_eq!(line(&run(&three(", onFailure: 'step:c'"), &timed_out)), "TimedOut: a TimedOut, c Success");
    assert_eq!(
        line(&run(&three(", maxAttempts: 2"), &timed_out)),
        "Success: a Success, b Success, c Success"
    );
    let then_aborts = [timed_out[0].clone(), ("c.1", Outcome::failed("No"))];
    assert_eq!(line(&run(&three(", onFailure: 'step:c'"), &then_aborts)), "Failed: a TimedOut, c Failed");
}

#[test]
fn success_follows_next_step_and_is_end() {
    for (keys, expected) in [
        ("", "Success: a Success, b Success, c Success"),
        (", nextStep: c", "Success: a Success, c Success"),
        (", isEnd: true", "Success: a Success"),
    ] {
        assert_eq!(line(&run(&three(keys), &[])), expected, "{keys}");
    }
}

const BRANCHES: &str = r"
schemaVersion: '0.3'
parameters: {Limit: {type: Integer, default: 5}}
outputs: [look.N, '{{ high.Payload }}', low.Payload]
mainSteps:
- name: look
  action: aws:executeScript
  inputs: {Runtime: python3.11, Handler: f, Script: 'def f(e, c): return {}'}
  outputs:
  - {Name: N, Selector: $.Payload.n, Type: Integer}
  - {Name: S, Selector: $.Payload.s, Type: String}
- name: judge
  action: aws:branch
  inputs:
    Choices:
    - NextStep: high
      And:
      - {Variable: '{{ look.N }}', NumericGreaterOrEquals: '{{ Limit }}'}
      - Not: {Variable: '{{ look.S }}', StringEquals: skip}
      - Or:
        - {Variable: '{{ look.S }}', StartsWith: a}
        - {Variable: '{{ look.S }}', EqualsIgnoreCase: ZED}
    - {NextStep: low, Variable: '{{ look.N }}', NumericLesser: 0}
  isEnd: true
- {name: high, action: 'aws:executeScript', isEnd: true, inputs: {Runtime: bash, Script: 'echo {{ look.S }} {{look.N}}'}}
- {name: low, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}}
";

#[test]
fn branches_take_the_first_choice_that_holds() {
    for (look, expected) in [
        (json!({"n": 5, "s": "abc"}), "Success: look Success, judge Success, high Success"),
        (json!({"n": 5, "s": "zed"}), "Success: look Success, judge Success, high Success"),
        (json!({"n": 5, "s": "skip"}), "Success: look Success, judge Success"),
        (json!({"n": 4, "s": "abc"}), "Success: look Success, judge Success"),
        (json!({"n": -1, "s": ""}), "Success: look Success, judge Success, low Success"),
        (json!({"n": "5", "s": "abc"}), "Success: look Success, judge Success, high Success"),
        (json!({"n": "five", "s": "abc"}), "Failed: look Failed"),
        // Nothing equals no constant.
        (json!({"s": "abc"}), "Success: look Success, judge Success"),
        (json!({"n": 5, "s": null}), "Success: look Success, judge Success"),
    ] {
        let driven = run(BRANCHES, &[("look.1", payload(look.clone()))]);
        assert_eq!(line(&driven), expected, "{look}");
    }
    let driven =
        run(BRANCHES, &[("look.1", payload(json!({"n": 7, "s": "a"}))), ("high.1", payload(json!([1])))]);
    assert_eq!(Value::Object(driven.run.outputs.clone()), json!({"look.N": 7, "high.Payload": [1]}));
    let scripts: Vec<&EffectKind> = driven
        .events
        .iter()
        .filter_map(|event| match &event.body {
            Body::AttemptStarted { effect: Some(effect), .. } => Some(effect),
            _ => None,
        })
        .collect();
    assert!(matches!(scripts[1], EffectKind::Script(script) if script.script == "echo a 7"), "{scripts:?}");
}

#[test]
fn a_declared_output_is_converted_where_the_reference_says_so_and_fails_its_step_elsewhere() {
    for (kind, value, expected) in [
        ("String", json!("x"), Some(json!("x"))),
        ("String", json!(5), Some(json!("5"))),
        ("String", json!(1.5), Some(json!("1.5"))),
        ("String", json!(true), Some(json!("true"))),
        ("String", json!([7]), Some(json!("7"))),
        ("String", json!(["a", "b"]), None),
        ("String", json!([]), None),
        ("String", json!({"a": 1}), None),
        ("Integer", json!("-12"), Some(json!(-12))),
        ("Integer", json!(["3"]), Some(json!(3))),
        ("Integer", json!([3]), Some(json!(3))),
        ("Integer", json!("3.5"), None),
        ("Integer", json!(3.5), None),
        ("Integer", json!(true), None),
        ("Boolean", json!("True"), Some(json!(true))),
        ("Boolean", json!(["false"]), Some(json!(false))),
        ("Boolean", json!([true]), Some(json!(true))),
        ("Boolean", json!("yes"), None),
        ("Boolean", json!(1), None),
        ("StringList", json!("a"), Some(json!(["a"]))),
        ("StringList", json!(5), Some(json!(["5"]))),
        ("StringList", json!(false), Some(json!(["false"]))),
        ("StringList", json!([1, "b", true]), Some(json!(["1", "b", "true"]))),
        ("StringList", json!([["a"]]), None),
        ("StringMap", json!({"a": [1]}), Some(json!({"a": [1]}))),
        ("StringMap", json!("{}"), None),
        ("MapList", json!([{"a": 1}]), Some(json!([{"a": 1}]))),
        ("MapList", json!({"a": 1}), None),
    ] {
        let text = format!(
            "
schemaVersion: '0.3'
mainSteps:
- name: a
  action: aws:executeScript
  inputs: {{Runtime: bash, Script: x}}
  outputs: [{{Name: O, Selector: $.Payload.o, Type: {kind}}}, {{Name: P, Selector: $.Payload.o}}]
outputs: [a.O, a.P]
"
        );
        let driven = run(&text, &[("a.1", payload(json!({"o": value})))]);
        let wanted = expected.map_or_else(Map::new, |converted| {
            [("a.O".to_owned(), converted), ("a.P".to_owned(), value.clone())].into_iter().collect()
        });
        assert_eq!(driven.run.outputs, wanted, "{value} as {kind}");
        let state = if wanted.is_empty() { "Failed: a Failed" } else { "Success: a Success" };
        assert_eq!(line(&driven), state, "{value} as {kind}");
    }
}

#[test]
fn an_output_of_a_step_that_did_not_run_fails_the_step_that_needs_it() {
    let text = "
schemaVersion: '0.3'
mainSteps:
- {name: a, action: 'aws:executeScript', onFailure: 'step:c', inputs: {Runtime: bash, Script: 'true'}}
- {name: b, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}}
- {name: c, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'echo {{ b.Payload }}'}, maxAttempts: 3}
";
    let driven = run(text, &[("a.1", Outcome::failed("No"))]);
    assert_eq!(line(&driven), "Failed: a Failed, c Failed");
    assert_eq!(
        driven.run.failure.as_deref(),
        Some("Step c: Step b has not run, so it has no output Payload")
    );
}

const RESTORE: &str = "
schemaVersion: '0.3'
parameters:
  Role: {type: String, default: app}
mainSteps:
- name: inspect
  action: aws:runCommand
  timeoutSeconds: 60
  inputs:
    DocumentName: AWS-RunShellScript
    Targets: [{Key: 'tag:role', Values: ['{{ Role }}']}]
    Parameters: {commands: ['curl -s http://127.0.0.1:8103/pool', 'exit 0'], workingDirectory: [/tmp], executionTimeout: '30'}
- {name: wait, action: 'aws:sleep', inputs: {Duration: PT2S}}
- {name: verify, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true', InputPayload: {by: '{{ inspect.Outputs }}'}}}
";

fn done(effect: &crate::Effect) -> Option<Outcome> {
    Some(match &effect.dispatched {
        None => payload(Value::Null),
        Some(commands) => aggregate(
            &effect.attempt,
            &commands
                .iter()
                .map(|dispatch| HostResult {
                    host: dispatch.host.clone(),
                    ended: HostEnd::Exited(0),
                    stdout: format!("{{\"host\":\"{}\"}}\n", dispatch.host),
                    stderr: String::new(),
                })
                .collect::<Vec<_>>(),
        ),
    })
}

#[test]
fn a_command_names_its_hosts_before_anything_is_sent_and_a_sleep_its_end() {
    let document = document(RESTORE);
    let first = start(&document, begin("r", Map::new())).expect("starts");
    let [Action::Perform(effect), Action::Wake { .. }] = &first.run.outstanding()[..] else {
        unreachable!("{:?}", first.run.outstanding())
    };
    let EffectKind::Command(command) = &effect.kind else { unreachable!("{effect:?}") };
    assert_eq!(command.script(), "curl -s http://127.0.0.1:8103/pool\nexit 0\n");
    assert_eq!((command.execution_timeout_s, command.working_directory.as_deref()), (30, Some("/tmp")));
    assert_eq!(effect.deadline, Some(Timestamp::from_millis(60_000)));
    let tags = |role: &str| [("role", role)].into_iter().collect();
    assert!(
        command.targets.selects(&hosts()[0], &tags("app"))
            && !command.targets.selects(&hosts()[0], &tags("db"))
    );
    assert!(matches!(&command.targets, Targets::Tags(_)));

    let driven =
        crash_everywhere(&document, &begin("r", Map::new()), &hosts(), &mut done, &Disturbance::default());
    assert_eq!(line(&driven), "Success: inspect Success, wait Success, verify Success");
    let record = &driven.run.steps[0];
    assert_eq!(record.attempts[0].commands[1].command.as_str(), "r.inspect.1:app-2");
    assert_eq!(
        record.outputs["Outputs"],
        json!({"app-1": "{\"host\":\"app-1\"}\n", "app-2": "{\"host\":\"app-2\"}\n"})
    );
    assert_eq!(record.outputs.get("Output"), None, "several hosts");
    assert_eq!(driven.run.steps[1].finished_at, Some(Timestamp::from_millis(2000)));
    assert!(driven.performed.values().all(|times| *times == 1), "{:?}", driven.performed);
}

#[test]
fn no_host_at_all_fails_the_step_and_says_which_were_meant() {
    let driven = drive(&document(RESTORE), begin("r", Map::new()), &[], &mut done, &Disturbance::default());
    assert_eq!(line(&driven), "Failed: inspect Failed");
    assert_eq!(driven.run.failure.as_deref(), Some("Step inspect: No host matches: hosts with tag role=app"));
    assert!(driven.performed.is_empty());
}

#[test]
fn every_step_may_fail_and_the_run_still_ends() {
    let mut seen = Vec::new();
    fail_every_step(
        &document(RESTORE),
        &begin("r", Map::new()),
        &hosts(),
        &mut done,
        &Disturbance::default(),
        &mut |step, driven| {
            seen.push(format!("{step}: {}", line(driven)));
        },
    );
    assert_eq!(
        seen,
        [
            "inspect: Failed: inspect Failed",
            "wait: Success: inspect Success, wait Success, verify Success",
            "verify: Failed: inspect Success, wait Success, verify Failed",
        ]
    );
}

#[test]
fn an_unknown_outcome_waits_for_a_person_and_is_not_repeated() {
    let text = three(", maxAttempts: 5");
    let unknown = [("a.1", Outcome::Unknown { reason: "the host is gone".to_owned() })];
    let driven = run(&text, &unknown);
    assert_eq!(line(&driven), "Waiting: a OutcomeUnknown");
    let (attempt, reason) = driven.run.waiting().expect("waits");
    assert_eq!(attempt.as_str(), "r.a.1");
    assert_eq!(reason, "Nobody knows whether step a happened: the host is gone");
    assert!(driven.run.outstanding().is_empty());

    let document = document(&text);
    let at = Timestamp::from_millis(9);
    let by = || Actor::Person("maria".to_owned());
    let decide = |decision| Input::Decide { attempt: attempt.clone(), by: by(), decision };
    let good = step(&document, &driven.run, decide(Decision::Succeeded { outputs: Map::new() }), at);
    assert_eq!(good.run.step("a").map(|step| step.status), Some(StepStatus::Success));
    assert_eq!(good.events[0].actor, by());
    let bad = step(&document, &driven.run, decide(Decision::Failed { message: "Not done".to_owned() }), at);
    assert_eq!(bad.run.status, RunStatus::Failed, "a person's word is not tried again");
    let again = step(&document, &driven.run, decide(Decision::Retry), at);
    assert_eq!(again.run.open_attempt().map(|open| open.attempt.as_str()), Some("r.a.2"));
    assert_eq!(again.run.status, RunStatus::InProgress);
    let found_out = Input::Settled { attempt: attempt.clone(), outcome: payload(Value::Null) };
    assert_eq!(
        step(&document, &driven.run, found_out, at).run.step("a").map(|s| s.status),
        Some(StepStatus::Success)
    );
    let cancel = Input::Cancel { by: by(), reason: "Give up".to_owned() };
    let cancelled = step(&document, &driven.run, cancel, at).run;
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    assert_eq!(cancelled.step("a").map(|step| step.status), Some(StepStatus::OutcomeUnknown));
}

#[test]
fn cancelling_stops_the_attempt_and_takes_the_way_out_the_step_names() {
    let text = three(", onCancel: 'step:c', maxAttempts: 3");
    let document = document(&text);
    let started = start(&document, begin("r", Map::new())).expect("starts");
    let by = Actor::Person("maria".to_owned());
    let cancel = Input::Cancel { by, reason: "Wrong host".to_owned() };
    let stopping = step(&document, &started.run, cancel.clone(), Timestamp::from_millis(5));
    assert_eq!(stopping.run.status, RunStatus::Cancelling);
    let attempt = started.run.open_attempt().expect("open").attempt.clone();
    assert_eq!(stopping.run.outstanding(), [Action::Stop { attempt: attempt.clone(), dispatched: None }]);
    let twice = step(&document, &stopping.run, cancel, Timestamp::from_millis(6));
    assert!(twice.events.is_empty(), "cancelling twice is cancelling once");

    let settled = Input::Settled { attempt, outcome: Outcome::Cancelled };
    let way_out = step(&document, &stopping.run, settled, Timestamp::from_millis(7));
    let open = way_out.run.open_attempt().expect("the way out runs");
    assert_eq!(open.step, "c");
    assert_eq!(open.deadline, Some(Timestamp::from_millis(5).plus(Duration::from_secs(120))));
    let settled = Input::Settled { attempt: open.attempt.clone(), outcome: payload(Value::Null) };
    let over = step(&document, &way_out.run, settled, Timestamp::from_millis(8)).run;
    assert_eq!(over.status, RunStatus::Cancelled);
    assert_eq!(over.failure.as_deref(), Some("Cancelled by person:maria: Wrong host"));
    let statuses: Vec<&str> = over.steps.iter().map(|step| step.status.as_str()).collect();
    assert_eq!(statuses, ["Cancelled", "Pending", "Success"]);
}

#[test]
fn an_attempt_that_outlives_its_deadline_is_stopped_and_timed_out() {
    let document = document(&three(", timeoutSeconds: 10"));
    let mut silent = |_: &crate::Effect| None;
    let driven = drive(&document, begin("r", Map::new()), &[], &mut silent, &Disturbance::default());
    assert_eq!(line(&driven), "TimedOut: a TimedOut");
    let kinds: Vec<&str> = driven.events.iter().map(RunEvent::kind).collect();
    assert_eq!(
        kinds,
        [
            "run.started",
            "run.attempt.started",
            "run.attempt.stopping",
            "run.attempt.settled",
            "run.step.finished",
            "run.finished"
        ]
    );
    assert_eq!(driven.run.finished_at, Some(Timestamp::from_millis(15_000)));
}

#[test]
fn late_repeated_and_foreign_inputs_change_nothing() {
    let document = document(&three(""));
    let started = start(&document, begin("r", Map::new())).expect("starts");
    let attempt = started.run.open_attempt().expect("open").attempt.clone();
    let settle = Input::Settled { attempt, outcome: payload(Value::Null) };
    let next = step(&document, &started.run, settle.clone(), Timestamp::from_millis(1)).run;
    let other = crate::AttemptId::parse("other.a.1").expect("an id");
    for input in [
        settle,
        Input::Resume,
        Input::Settled { attempt: other.clone(), outcome: Outcome::Cancelled },
        Input::Dispatched { attempt: other.clone(), commands: Vec::new() },
        Input::TimerDue { timer: crate::TimerId("r.b.1.stop".to_owned()) },
        Input::TimerDue { timer: crate::TimerId("nonsense".to_owned()) },
        Input::Decide { attempt: other, by: Actor::Person("x".to_owned()), decision: Decision::Retry },
    ] {
        let same = step(&document, &next, input.clone(), Timestamp::from_millis(2));
        assert!(same.events.is_empty(), "{input:?}");
        assert_eq!(same.run, next);
    }
}

#[test]
fn outputs_too_large_to_keep_fail_the_step() {
    let big = "x".repeat(crate::MAX_OUTPUT_BYTES);
    let driven = run(&three(""), &[("a.1", payload(Value::from(big)))]);
    assert_eq!(line(&driven), "Failed: a Failed");
    assert!(
        driven.run.failure.as_deref().is_some_and(|text| text.contains("It succeeded, but its outputs have"))
    );
}

#[test]
fn parameters_are_bound_with_their_types_and_all_problems_at_once() {
    let text = r"
schemaVersion: '0.3'
assumeRole: '{{ Role }}'
parameters:
  Role: {type: String, default: ''}
  N: {type: Integer}
  B: {type: Boolean, default: false}
  L: {type: StringList, default: [], maxItems: 2}
  M: {type: StringMap, default: {}}
  P: {type: String, default: abc, allowedPattern: '[a-c]+'}
  V: {type: String, default: x, allowedValues: [x, y]}
  I: {type: 'AWS::EC2::Instance::Id', default: ''}
  T: {type: String, default: 'at-{{global:DATE_TIME}}'}
mainSteps: [{name: s, action: 'aws:sleep', inputs: {Duration: PT1S}}]
";
    let document = document(text);
    let with = |value: Value| {
        let Value::Object(map) = value else { unreachable!("a mapping") };
        start(&document, begin("r", map))
    };
    let bound = |value: Value| Value::Object(with(value).expect("fits").run.parameters);
    assert_eq!(bound(json!({"N": 5}))["T"], "at-1970-01-01_00.00.00");
    let wire = bound(json!({"N": ["5"], "B": ["true"], "L": ["a", "b"], "M": ["{\"k\":1}"], "P": ["ab"]}));
    assert_eq!(
        (&wire["N"], &wire["B"], &wire["L"], &wire["M"], &wire["P"]),
        (&json!(5), &json!(true), &json!(["a", "b"]), &json!({"k": 1}), &json!("ab"))
    );
    let texts = bound(json!({"N": ["-5"], "B": ["False"], "P": ["abc"], "V": ["y"], "L": ["a"]}));
    assert_eq!(
        (&texts["N"], &texts["B"], &texts["P"], &texts["V"], &texts["L"]),
        (&json!(-5), &json!(false), &json!("abc"), &json!("y"), &json!(["a"]))
    );
    assert_eq!(bound(json!({"N": ["5"], "P": ["abc"], "T": ["{\"k\": 1}"]}))["T"], "{\"k\": 1}");
    // What cannot be read as the type is judged as the text it is.
    let no_json = with(json!({"N": ["5"], "M": ["{k: 1}"]})).expect_err("a mapping that is no JSON");
    assert_eq!(
        no_json[0].message,
        "Parameter `M` is a StringMap, found the text \"{k: 1}\", which is no JSON: key must be a string at line 1 column 2"
    );
    let unread = with(json!({"N": ["5.0"], "B": ["on"], "M": ["k=1"]})).expect_err("nothing can be read");
    let unread: Vec<&str> = unread.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        unread,
        [
            "Parameter `B` is a Boolean, found the text \"on\"",
            "Parameter `M` is a StringMap, found the text \"k=1\"",
            "Parameter `N` is an Integer, found the text \"5.0\"",
        ]
    );
    let problems =
        with(json!({"n": 1, "B": "true", "L": ["a", "b", "c"], "P": "xaby", "V": "z", "I": "i-1"}))
            .expect_err("nothing fits");
    let mut texts: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "Parameter `B` is a Boolean, found the text \"true\"",
            "Parameter `I` is an AWS::EC2::Instance::Id, found the text \"i-1\"",
            "Parameter `L` has at most 2 elements, found 3",
            "Parameter `N` needs a value: it has no default",
            "Parameter `P` must match `[a-c]+`, found the text \"xaby\"",
            "Parameter `V` is one of x, y, found the text \"z\"",
            "The procedure has no parameter `n`",
        ]
    );
    let role = with(json!({"N": 1, "Role": "arn:aws:iam::123456789012:role/x"})).expect_err("no roles");
    assert_eq!(role[0].code, "not-built");
    let mut long = begin("r", Map::new());
    long.run = mainstay_model::RunId::new("x".repeat(65)).expect("an id");
    assert_eq!(start(&document, long).expect_err("too long")[0].code, "bad-run-id");
}

#[test]
fn long_names_still_make_ids() {
    let name = "s".repeat(200);
    let script = "action: aws:executeScript, inputs: {Runtime: bash, Script: 'true'}";
    let text = format!("schemaVersion: 0.3\nmainSteps: [{{name: {name}, {script}}}]\n");
    let document = document(&text);
    let run = mainstay_model::RunId::new("r".repeat(64)).expect("an id");
    let started = start(&document, crate::Start { run, ..begin("r", Map::new()) }).expect("starts");
    let attempt = &started.run.open_attempt().expect("open").attempt;
    assert_eq!(attempt.as_str(), format!("{}.{}-0.1", "r".repeat(64), "s".repeat(24)));
    let host = mainstay_model::HostId::new("h".repeat(128)).expect("an id");
    assert_eq!(attempt.command_on(&host, 3).as_str(), format!("{attempt}:host-3"));
}

#[test]
fn one_host_nobody_knows_of_makes_the_whole_unknown() {
    let attempt = crate::AttemptId::parse("r.a.1").expect("an id");
    let result = |host: &str, ended: HostEnd| HostResult {
        host: mainstay_model::HostId::new(host).expect("an id"),
        ended,
        stdout: "out".to_owned(),
        stderr: String::new(),
    };
    let of = |ends: &[HostEnd]| {
        let results: Vec<HostResult> =
            ends.iter().enumerate().map(|(i, end)| result(&format!("h{i}"), end.clone())).collect();
        aggregate(&attempt, &results)
    };
    use HostEnd::{Cancelled, Exited, NotDelivered, TimedOut, Unknown};
    assert!(matches!(of(&[Exited(0)]), Outcome::Succeeded { outputs } if outputs["Output"] == "out"));
    assert!(matches!(of(&[Exited(0), Exited(3)]), Outcome::Failed { message, outputs }
        if message == "h1 ended with code 3" && outputs["ResponseCode"] == 3));
    assert!(matches!(of(&[Exited(3), Unknown("gone".to_owned())]), Outcome::Unknown { .. }));
    let late = || "ran longer than 1m and was ended".to_owned();
    assert!(matches!(of(&[Exited(0), TimedOut(late())]), Outcome::TimedOut { .. }));
    assert!(matches!(of(&[NotDelivered]), Outcome::TimedOut { .. }));
    assert!(matches!(of(&[Exited(1), TimedOut(late())]), Outcome::Failed { .. }));
    assert!(matches!(of(&[Exited(0), Cancelled]), Outcome::Cancelled));
    assert!(matches!(of(&[]), Outcome::Failed { .. }));
}

#[test]
fn a_journal_reads_back_as_the_same_run() {
    let driven = run(BRANCHES, &[("look.1", payload(json!({"n": 5, "s": "abc"})))]);
    let read: Vec<RunEvent> = driven
        .events
        .iter()
        .map(|event| {
            let text = serde_json::to_string(&event.draft()).expect("JSON");
            RunEvent::read(&serde_json::from_str(&text).expect("reads back")).expect("an event of a run")
        })
        .collect();
    assert_eq!(read, driven.events);
    assert_eq!(fold(&read), Some(driven.run.clone()));
    let text = serde_json::to_string(&driven.run).expect("JSON");
    assert_eq!(serde_json::from_str::<crate::Run>(&text).expect("reads back"), driven.run);
    let pinned = Document::pinned(&read[0]).expect("the start").expect("parses");
    assert_eq!(pinned.source, document(BRANCHES).source);

    let mut newer = read[0].draft();
    newer.data["v"] = 2.into();
    assert!(matches!(RunEvent::read(&newer), Err(crate::ReadError::Newer { version: 2, .. })));
    newer.kind = "alarm.firing".to_owned();
    assert!(matches!(RunEvent::read(&newer), Err(crate::ReadError::OtherKind { .. })));
    let mut torn = read[1].draft();
    torn.data = json!({"v": 1, "run": "r", "procedure": "p", "number": 2});
    assert!(matches!(RunEvent::read(&torn), Err(crate::ReadError::Shape { .. })));
}
