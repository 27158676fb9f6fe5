//! What documents in use do that the reference does not speak of.

use mainstay_model::Severity;
use serde_json::json;

use super::refusals::problems;
use super::{document, line, payload, run};

#[test]
fn an_output_left_empty_is_an_error_only_where_its_value_is_needed() {
    let text = "
schemaVersion: '0.3'
mainSteps:
- name: find
  action: aws:executeScript
  inputs: {Runtime: bash, Script: 'true'}
  outputs:
  - {Name: Found, Selector: $.Payload.found, Type: String}
  - {Name: Lost, Selector: $.Payload.lost, Type: String}
- name: which
  action: aws:branch
  inputs:
    Choices:
    - NextStep: use
      Not: {Variable: '{{ find.Lost }}', StringEquals: gone}
  isEnd: true
- {name: use, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'echo {{ find.Found }}'}}
outputs: [find.Found, find.Lost]
";
    let found = run(text, &[("find.1", payload(json!({"found": "x"})))]);
    assert_eq!(line(&found), "Success: find Success, which Success, use Success");
    assert_eq!(serde_json::Value::Object(found.run.outputs), json!({"find.Found": "x"}));
    let lost = run(text, &[("find.1", payload(json!({"lost": "gone"})))]);
    assert_eq!(line(&lost), "Success: find Success, which Success");
    let neither = run(text, &[("find.1", payload(json!({})))]);
    assert_eq!(
        neither.run.failure.as_deref(),
        Some(
            "Step use: Step find left no output Found (at `$.Payload.found` there is nothing; its outputs: Payload)"
        )
    );
    let null = run(text, &[("find.1", payload(json!({"found": null})))]);
    assert_eq!(
        null.run.failure.as_deref(),
        Some(
            "Step use: Step find left no output Found (at `$.Payload.found` there is null; its outputs: Payload)"
        )
    );
}

#[test]
fn a_variable_without_default_has_to_be_set_before_it_is_read() {
    let text = |first: &str| {
        format!(
            "
schemaVersion: '0.3'
variables: {{place: {{type: String}}}}
mainSteps:
- {{name: first, action: 'aws:branch', inputs: {{Choices: [{{Variable: x, StringEquals: x, NextStep: {first}}}]}}}}
- {{name: set, action: 'aws:updateVariable', inputs: {{Name: 'variable:place', Value: here}}}}
- {{name: read, action: 'aws:executeScript', inputs: {{Runtime: bash, Script: 'echo {{{{ variable:place }}}}'}}}}
"
        )
    };
    assert_eq!(line(&run(&text("set"), &[])), "Success: first Success, set Success, read Success");
    let unset = run(&text("read"), &[]);
    assert_eq!(
        unset.run.failure.as_deref(),
        Some("Step read: Variable place has no default, and no step has set it")
    );
}

#[test]
fn two_ways_to_name_hosts_may_be_handed_on_if_one_comes_out_empty() {
    let text = "
schemaVersion: '0.3'
parameters:
  Ids: {type: StringList, default: []}
  Tags: {type: MapList, default: []}
mainSteps:
- name: go
  action: aws:runCommand
  inputs:
    DocumentName: AWS-RunShellScript
    InstanceIds: '{{ Ids }}'
    Targets: '{{ Tags }}'
    Parameters: {commands: [ls]}
";
    assert_eq!(problems(text), Vec::<String>::new());
    assert_eq!(
        run(text, &[]).run.failure.as_deref(),
        Some("Step go: InstanceIds: `InstanceIds` and `Targets` both name no host")
    );
    let one = text.replacen("default: []", "default: [web-1]", 1);
    assert_eq!(line(&run(&one, &[])), "Success: go Success");
    let both = one.replacen("default: []", "default: [{Key: tag-key, Values: [x]}]", 1);
    assert_eq!(
        run(&both, &[]).run.failure.as_deref(),
        Some("Step go: Targets: `InstanceIds` and `Targets` exclude each other")
    );
}

#[test]
fn values_written_in_quotes_are_read_as_what_they_are() {
    let text = "
schemaVersion: '0.3'
parameters:
  Count: {type: Integer, default: '5', allowedValues: ['5', 6]}
mainSteps:
- name: check
  action: aws:branch
  inputs: {Choices: [{Variable: '{{ Count }}', NumericEquals: 5, NextStep: end}]}
- {name: between, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}}
- {name: end, action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}}
";
    assert_eq!(line(&run(text, &[])), "Success: check Success, end Success");
    let warnings = document(text).warnings;
    assert!(warnings.iter().all(|problem| problem.severity == Severity::Warning) && warnings.len() == 1);
}

#[test]
fn actions_on_resources_declare_outputs_of_their_answers() {
    let found = problems(
        "
schemaVersion: '0.3'
mainSteps:
- name: start
  action: aws:runInstances
  inputs: {ImageId: x}
  outputs: [{Name: First, Selector: '$.InstanceIds[0]', Type: String}]
- name: rest
  action: aws:sleep
  inputs: {Duration: PT1S}
  outputs: [{Name: First, Selector: $.x}]
",
    );
    assert_eq!(
        found,
        [
            "not-built mainSteps[0].action: aws:runInstances has no performer yet",
            "bad-value mainSteps[1].outputs key: aws:sleep takes no declared outputs",
        ]
    );
}

#[test]
fn patterns_are_those_of_java_as_far_as_documents_use_them() {
    let outcome = |pattern: &str, value: &str| {
        let text = format!(
            "
schemaVersion: '0.3'
parameters: {{P: {{type: String, default: {value:?}, allowedPattern: {pattern:?}}}}}
mainSteps: [{{name: s, action: 'aws:sleep', inputs: {{Duration: PT1S}}}}]
"
        );
        match problems(&text).as_slice() {
            [] => "fits".to_owned(),
            [one] => one.split(": ").nth(1).unwrap_or_default().to_owned(),
            many => many.join("; "),
        }
    };
    let refused = "The default does not fit its parameter, which must match";
    for (pattern, fits, not) in [
        (r"(?=^.{3,63}$)(?!^(\d+\.)+\d+$)^[a-z0-9.-]+$", "a-bucket", "10.0.0.1"),
        (r"^(?!aws:).+$", "name", "aws:name"),
        (r"^(?!.*--)[a-z-]{2,9}(?<!-)$", "a-b-c", "a-b-"),
        (r"(\w)\1", "aa", "ab"),
        (r"^[a-zA-Z0-9-_/]+(.log)$", "/var/x-1.log", "/var/x.txt"),
        (r"^$|^i-[a-f0-9]{8}(?:[a-f0-9]{9})?$", "i-0123456789abcdef0", "i-01"),
        (r"[\p{L}\p{Z}_.:/=+\-%@]*", "Größe 1".split(' ').next().unwrap_or_default(), "a;b"),
        (r"(Start|Stop)", "Stop", "Stopped"),
        (r"[\w+=,.@\-]{1,64}", "a@b-c", "a b"),
        (r"^\S+@\S+\.\S+$", "a@b.c", "a b@c"),
    ] {
        assert_eq!(outcome(pattern, fits), "fits", "{pattern} {fits}");
        assert!(outcome(pattern, not).starts_with(refused), "{pattern} {not}: {}", outcome(pattern, not));
    }
    assert_eq!(outcome("(?=x", "x"), "This is not a regular expression");
    let hard = outcome(r"(?=(a+)+$)(?!b)(a*)*\2b", &"a".repeat(60));
    assert!(hard.starts_with("The default does not fit its parameter, which"), "{hard}");
}

#[test]
fn what_may_be_left_out_may_be_left_empty() {
    let text = "
schemaVersion: '0.3'
description:
parameters:
variables:
files:
outputs:
mainSteps:
- {name: s, action: 'aws:sleep', description: , outputs: , inputs: {Duration: PT1S}}
";
    assert_eq!(problems(text), Vec::<String>::new());
    assert_eq!(line(&run(text, &[])), "Success: s Success");
}

#[test]
fn a_way_that_leads_nowhere_is_reported_once() {
    let found = problems(
        "
schemaVersion: '0.3'
mainSteps:
- {name: one, action: 'aws:sleep', nextStep: thre, inputs: {Duration: PT1S}}
- name: two
  action: aws:branch
  inputs:
    Choices: [{Variable: x, StringEquals: x, Nextstep: three}]
    Default: for
- {name: three, action: 'aws:sleep', inputs: {Duration: PT1S}}
",
    );
    assert_eq!(
        found,
        [
            "missing-key mainSteps[1].inputs.Choices[0]: A choice needs `NextStep`",
            "unknown-operator mainSteps[1].inputs.Choices[0].Nextstep key: `Nextstep` is not an operator of aws:branch (Did you mean `NextStep`?)",
            "unknown-step mainSteps[0].nextStep \"thre\": There is no step `thre` (Did you mean `three`?)",
            "unknown-step mainSteps[1].inputs.Default \"for\": There is no step `for`",
        ]
    );
}

#[test]
fn a_script_is_read_by_what_its_first_line_names() {
    for (script, expected) in [
        ("ls", &["/bin/sh"][..]),
        ("#!/bin/bash\n[[ a == a ]]", &["/bin/bash"]),
        ("#! /bin/bash -ex\r\nls", &["/bin/bash", "-ex"]),
        ("#!/usr/bin/env python3\nprint(1)", &["/usr/bin/env", "python3"]),
        ("#!/usr/bin/env -S awk -f\n", &["/usr/bin/env", "-S awk -f"]),
        ("# !/bin/bash\nls", &["/bin/sh"]),
        ("\n#!/bin/bash\nls", &["/bin/sh"]),
        ("#!bash\nls", &["/bin/sh"]),
        ("", &["/bin/sh"]),
    ] {
        assert_eq!(crate::Shell::Sh.interpreter(script), expected, "{script:?}");
    }
}
