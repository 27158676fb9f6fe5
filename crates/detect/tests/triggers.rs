//! Triggers: reading them, and what they start.

#![allow(clippy::panic, reason = "a case that fails is told by a panic")]

use mainstay_detect::trigger::circle;
use mainstay_detect::{Trigger, TriggerError};
use serde_json::{Value, json};

fn trigger(target: &Value) -> Result<Trigger, Vec<String>> {
    let mut full = json!({"Id": "t", "Arn": "procedure/restore-checkout"});
    for (key, value) in target.as_object().expect("a mapping") {
        full[key] = value.clone();
    }
    Trigger::parse(&json!({
        "Name": "on-checkout-failing",
        "EventPattern": {"detail-type": ["alarm.firing"]},
        "Targets": [full],
    }))
    .map_err(|problems| problems.iter().map(|problem| format!("{}: {problem}", problem.code)).collect())
}

fn event() -> Value {
    json!({
        "version": "0", "id": "e1", "source": "mainstay", "detail-type": "alarm.firing",
        "account": "000000000000", "region": "local", "time": "2026-11-22T15:04:05.000Z",
        "resources": ["alarm/CheckoutFailing"],
        "detail": {"alarm": "CheckoutFailing", "labels": {"host": "web-1", "x y": "z"}, "value": 0.5, "quote": "a\"b\\c\nd"},
    })
}

fn parameters(target: &Value) -> Value {
    let trigger = trigger(target).expect("the trigger is valid");
    trigger.inputs(&event()).expect("it can start").remove(0).input
}

fn transformed(template: &str) -> Value {
    parameters(&json!({"InputTransformer": {
        "InputPathsMap": {
            "alarm": "$.detail.alarm", "labels": "$.detail.labels", "host": "$.detail.labels['host']",
            "first": "$.resources[0]", "value": "$.detail.value", "quote": "$.detail.quote",
            "none": "$.detail.nothing", "kind": "$.detail-type",
        },
        "InputTemplate": template,
    }}))
}

#[test]
fn inputs_are_shaped() {
    assert_eq!(parameters(&json!({})), json!({}));
    assert_eq!(
        parameters(&json!({"Input": "{\"Component\": \"payments\"}"})),
        json!({"Component": "payments"})
    );
    assert_eq!(parameters(&json!({"InputPath": "$.detail.labels"})), json!({"host": "web-1", "x y": "z"}));
    assert_eq!(
        transformed(
            r#"{"Alarm": <alarm>, "Text": "<alarm> on <host>: <value>", "All": <labels>, "V": [<value>]}"#
        ),
        json!({
            "Alarm": "CheckoutFailing", "Text": "CheckoutFailing on web-1: 0.5",
            "All": {"host": "web-1", "x y": "z"}, "V": [0.5],
        })
    );
    assert_eq!(transformed(r#"{"Host": "<first>", "Kind": "<kind>"}"#)["Host"], "alarm/CheckoutFailing");
    assert_eq!(transformed(r#"{"In": "<labels>"}"#)["In"], r#"{"host":"web-1","x y":"z"}"#);
    assert_eq!(transformed("<labels>")["host"], "web-1");
    assert_eq!(
        transformed(r#"{"a": "x < y > z <br/> \"<alarm>\" \\"}"#)["a"],
        "x < y > z <br/> \"CheckoutFailing\" \\"
    );
}

#[test]
fn what_is_not_there_leaves_no_trace_and_is_named() {
    assert_eq!(
        transformed(r#"{"a": <none>, "b": "[<none>]", "c": [1, <none>]}"#),
        json!({"b": "[]", "c": [1]})
    );
    let target =
        json!({"InputTransformer": {"InputPathsMap": {"none": "$.x"}, "InputTemplate": "{\"a\": <none>}"}});
    let calls = trigger(&target).expect("valid").inputs(&event()).expect("it can start");
    assert_eq!(calls[0].undefined, ["none"]);
}

#[test]
fn a_path_with_a_star_leads_to_all_there_is() {
    let target = json!({"InputTransformer": {
        "InputPathsMap": {"ids": "$.detail.hosts[*].id", "all": "$.detail.hosts[0].*", "none": "$.detail.gone[*].id"},
        "InputTemplate": "{\"Ids\": <ids>, \"All\": <all>, \"Text\": \"<ids>\", \"None\": <none>}",
    }});
    let event = json!({"detail": {"hosts": [{"id": "a", "n": 1}, {"n": 2}, {"id": "c"}]}});
    let call = trigger(&target).expect("valid").inputs(&event).expect("it can start").remove(0);
    assert_eq!(
        Value::Object(call.parameters()),
        json!({"Ids": ["a", "c"], "All": ["a", 1], "Text": "[\"a\",\"c\"]"})
    );
    assert_eq!(call.undefined, ["none"]);
}

#[test]
fn values_cannot_break_out_of_their_place() {
    assert_eq!(
        transformed(r#"{"a": "<quote>", "b": <quote>}"#),
        json!({"a": "a\"b\\c\nd", "b": "a\"b\\c\nd"})
    );
    let trigger = trigger(&json!({"InputTransformer": {
        "InputPathsMap": {"x": "$.detail.alarm"}, "InputTemplate": "{\"Safe\": \"<x>\"}",
    }}))
    .expect("valid");
    let hostile = json!({"detail": {"alarm": "\", \"Command\": \"rm <x> -rf"}});
    let call = trigger.inputs(&hostile).expect("it can start").remove(0);
    assert_eq!(call.input, json!({"Safe": "\", \"Command\": \"rm <x> -rf"}));
}

#[test]
fn reserved_variables_are_there() {
    let made = transformed(
        r#"{"rule": "<aws.events.rule-name>", "arn": <aws.events.rule-arn>, "at": <aws.events.event.ingestion-time>,
            "event": <aws.events.event>, "all": <aws.events.event.json>}"#,
    );
    assert_eq!(made["rule"], "on-checkout-failing");
    assert!(made["arn"].as_str().is_some_and(|arn| arn.ends_with("rule/on-checkout-failing")));
    assert_eq!(made["at"], "2026-11-22T15:04:05.000Z");
    assert_eq!(made["all"], event());
    assert!(made["event"].get("detail").is_none() && made["event"]["id"] == "e1");
}

#[test]
fn targets_that_cannot_be_started_say_why() {
    let start =
        |target: &Value| trigger(target).expect("valid").inputs(&event()).expect_err("it cannot start");
    assert_eq!(
        start(&json!({"InputPath": "$.detail.gone"})),
        TriggerError::NothingAtPath { target: "t".into(), path: "$.detail.gone".into() }
    );
    assert_eq!(
        start(&json!({"InputPath": "$.resources"})).to_string(),
        "target `t`: the input is a list, expected a mapping of parameters"
    );
}

#[test]
fn procedures_are_named_in_three_ways() {
    for (arn, name) in [
        ("restore", "restore"),
        ("procedure/restore", "restore"),
        ("arn:aws:ssm:us-east-1:123456789012:automation-definition/restore", "restore"),
        ("arn:aws:ssm:us-east-1:123456789012:automation-definition/AWS-Restart:$DEFAULT", "AWS-Restart"),
    ] {
        assert_eq!(trigger(&json!({"Arn": arn})).expect(arn).targets[0].to.procedure(), Some(name));
    }
}

#[test]
fn what_is_not_built_or_wrong_is_refused_by_name() {
    let refused = |target: &Value| trigger(target).expect_err("refused").join("\n");
    for (target, text) in [
        (
            json!({"RoleArn": "arn:aws:iam::1:role/x"}),
            "not-built: Targets[0].RoleArn: `RoleArn` is not supported: roles of targets are not built yet",
        ),
        (
            json!({"RetryPolicy": {"MaximumRetryAttempts": 186}}),
            "bad-value: Targets[0].RetryPolicy.MaximumRetryAttempts: `MaximumRetryAttempts` must be a whole number from 0 to 185, found 186",
        ),
        (
            json!({"HttpParameters": {}}),
            "bad-value: Targets[0].HttpParameters: A procedure has no HTTP parameters",
        ),
        (
            json!({"Arn": "webhook/pager", "HttpParameters": {"HeaderParameters": {"Webhook-Id": "1"}}}),
            "bad-value: Targets[0].HttpParameters.HeaderParameters.Webhook-Id: The header `Webhook-Id` is set by Mainstay",
        ),
        (json!({"InputPaht": "$"}), "unknown-key: Targets[0].InputPaht: A target has no key `InputPaht`"),
        (
            json!({"Arn": "arn:aws:lambda:us-east-1:1:function:x"}),
            "not-built: Targets[0].Arn: Targets of the service `lambda` are not built yet",
        ),
        (json!({"Arn": "procedure/"}), "bad-name: Targets[0].Arn: `procedure/` does not name a procedure"),
        (
            json!({"Input": "[]"}),
            "wrong-type: Targets[0].Input: `Input` must be a JSON mapping, found a list",
        ),
        (
            json!({"Input": "{}", "InputPath": "$"}),
            "two-inputs: Targets[0].InputPath: A target has at most one of `Input`, `InputPath` and `InputTransformer`",
        ),
        (
            json!({"InputPath": "$.a[0:2]"}),
            "bad-path: Targets[0].InputPath: Filters, slices and lists are not supported in a path of an event",
        ),
        (
            json!({"InputTransformer": {"InputTemplate": "{\"a\": <x>}"}}),
            "unknown-variable: Targets[0].InputTransformer.InputTemplate: `InputPathsMap` has no variable `x`",
        ),
        (
            json!({"InputTransformer": {"InputTemplate": "\"text\""}}),
            "wrong-type: Targets[0].InputTransformer.InputTemplate: `InputTemplate` must make a mapping of parameters, found a string",
        ),
        (
            json!({"InputTransformer": {"InputTemplate": "{\"a\": \"<aws.events.event>\"}"}}),
            "bad-template: Targets[0].InputTransformer.InputTemplate: `<aws.events.event>` cannot stand inside of quotes",
        ),
    ] {
        assert_eq!(refused(&target), text);
    }
    let problems = Trigger::parse(&json!({
        "Name": "a b", "State": "ENABELD", "EventBusName": "other", "EventPattern": {"a": [1]}, "Targtes": [], "Targets": [
            {"Id": "x", "Arn": "a"}, {"Id": "x", "Arn": "b"},
        ],
    }))
    .expect_err("refused");
    let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["not-built", "unknown-key", "bad-name", "bad-state", "duplicate-target"]);
    assert_eq!(problems[1].help.as_deref(), Some("did you mean `Targets`?"));
    assert_eq!(problems[3].help.as_deref(), Some("did you mean `ENABLED`?"));
    let pattern = json!({"Name": "n", "EventPattern": {"source": "x"}, "Targets": [{"Id": "x", "Arn": "a"}]});
    assert_eq!(Trigger::parse(&pattern).expect_err("refused")[0].path_text(), "EventPattern.source");
}

#[test]
fn every_field_of_the_service_is_read_or_refused_by_name() {
    // What the service's model has for `PutRule`, `PutTargets` and `CreateSchedule`, with the names that are read here.
    let rule = [
        ("Name", true),
        ("ScheduleExpression", true),
        ("EventPattern", true),
        ("State", true),
        ("Description", true),
        ("RoleArn", false),
        ("Tags", false),
        ("EventBusName", false),
        ("Arn", false),
        ("ManagedBy", false),
        ("CreatedBy", false),
        ("ScheduleExpressionTimezone", true),
        ("StartDate", true),
        ("EndDate", true),
        ("FlexibleTimeWindow", true),
        ("GroupName", false),
        ("KmsKeyArn", false),
        ("KmsKeyIdentifier", false),
        ("Target", false),
        ("ClientToken", false),
        ("ActionAfterCompletion", false),
        ("Type", false),
        ("Properties", false),
        ("Resources", false),
        ("Rule", false),
        ("CreationDate", false),
        ("LastModificationDate", false),
    ];
    let target = [
        ("Id", true),
        ("Arn", true),
        ("RoleArn", false),
        ("Input", true),
        ("InputPath", true),
        ("InputTransformer", true),
        ("KinesisParameters", false),
        ("RunCommandParameters", false),
        ("EcsParameters", false),
        ("BatchParameters", false),
        ("SqsParameters", false),
        ("HttpParameters", true),
        ("RedshiftDataParameters", false),
        ("SageMakerPipelineParameters", false),
        ("DeadLetterConfig", false),
        ("RetryPolicy", true),
        ("AppSyncParameters", false),
        ("EventBridgeParameters", false),
    ];
    let of = |place: &str, key: &str| -> Vec<(&'static str, String, Option<String>)> {
        let mut full = json!({"Name": "n", "EventPattern": {"source": ["x"]}, "Targets": [{"Id": "t", "Arn": "procedure/p"}]});
        let at = if place.is_empty() { &mut full } else { &mut full["Targets"][0] };
        at[key] = json!({"of": ["the", "service"]});
        let problems = Trigger::parse(&full).err().unwrap_or_default();
        problems.into_iter().map(|one| (one.code, one.path_text(), one.help)).collect()
    };
    for (place, key, is_read) in rule
        .iter()
        .map(|(key, is_read)| ("", *key, *is_read))
        .chain(target.iter().map(|(key, is_read)| ("Targets[0].", *key, *is_read)))
    {
        let found = of(place, key);
        let whole = format!("{place}{key}");
        assert!(found.iter().all(|one| (one.0, &one.1) != ("unknown-key", &whole)), "{key}: {found:?}");
        let refused: Vec<_> = found.iter().filter(|one| one.0 == "not-built").collect();
        if is_read {
            assert!(refused.is_empty(), "{key} is read: {found:?}");
        } else {
            let [(_, at, help)] = refused.as_slice() else { panic!("{key}: {found:?}") };
            assert_eq!(*at, whole);
            assert!(help.as_ref().is_some_and(|help| !help.is_empty()), "{key} says what to do");
        }
    }
}

#[test]
fn what_says_no_more_than_what_holds_anyway_is_taken() {
    for (key, value) in [
        ("EventBusName", "default"),
        ("EventBusName", "arn:aws:events:eu-central-1:123456789012:event-bus/default"),
        ("GroupName", "default"),
        ("ActionAfterCompletion", "NONE"),
    ] {
        let mut full = json!({"Name": "n", "EventPattern": {"source": ["x"]}, "Targets": [{"Id": "t", "Arn": "procedure/p"}]});
        full[key] = value.into();
        assert!(Trigger::parse(&full).is_ok(), "{key}: {value}");
    }
    for (key, value) in [
        ("EventBusName", "other"),
        ("EventBusName", "x:event-bus/default"),
        ("GroupName", "night"),
        ("ActionAfterCompletion", "DELETE"),
    ] {
        let mut full = json!({"Name": "n", "EventPattern": {"source": ["x"]}, "Targets": [{"Id": "t", "Arn": "procedure/p"}]});
        full[key] = value.into();
        assert_eq!(Trigger::parse(&full).expect_err("refused")[0].code, "not-built", "{key}: {value}");
    }
}

#[test]
fn limits_of_a_retry_policy_are_those_of_the_service() {
    let policy =
        |policy: &Value| trigger(&json!({ "RetryPolicy": policy })).map(|trigger| trigger.targets[0].retry);
    let good = |value: &Value| {
        let policy = policy(value).expect("valid");
        (policy.retries, policy.max_age.as_secs())
    };
    assert_eq!(good(&json!({})), (185, 86_400));
    assert_eq!(good(&json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})), (0, 60));
    assert_eq!(
        good(&json!({"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400})),
        (185, 86_400)
    );
    for (value, said) in [
        (json!({"MaximumRetryAttempts": 186}), "from 0 to 185, found 186"),
        (json!({"MaximumRetryAttempts": -1}), "from 0 to 185, found -1"),
        (json!({"MaximumRetryAttempts": 1.5}), "from 0 to 185, found 1.5"),
        (json!({"MaximumRetryAttempts": "3"}), "from 0 to 185, found a string"),
        (json!({"MaximumEventAgeInSeconds": 59}), "from 60 to 86400, found 59"),
        (json!({"MaximumEventAgeInSeconds": 86_401}), "from 60 to 86400, found 86401"),
        (json!({"MaximumEventAgeInSeconds": null}), "from 60 to 86400, found null"),
        (json!({"MaximumRetryAttempt": 3}), "A retry policy has no key `MaximumRetryAttempt`"),
        (json!([]), "`RetryPolicy` must be a mapping, found a list"),
    ] {
        let refused = policy(&value).expect_err("refused").join("\n");
        assert!(refused.contains(said), "{value}: {refused}");
    }
}

#[test]
fn patterns_may_be_text_and_state_counts() {
    let read = |state: &str, pattern: &str| {
        Trigger::parse(&json!({
            "Name": "n", "State": state, "EventBusName": "default", "EventPattern": pattern,
            "Targets": [{"Id": "x", "Arn": "a"}],
        }))
    };
    let parse = |state: &str| read(state, r#"{"source": ["mainstay"]}"#).expect("valid");
    assert!(parse("ENABLED").matches(&event()));
    assert!(!parse("DISABLED").matches(&event()));
    let told = |pattern: &str| {
        let problems = read("ENABLED", pattern).expect_err("refused");
        let texts = problems.iter().map(|problem| format!("{problem} {:?}", problem.spot));
        texts.collect::<Vec<_>>().join("\n")
    };
    let twice = read("ENABLED", r#"{"source": ["x"], "source": ["mainstay"]}"#).expect("the last one counts");
    assert!(twice.matches(&event()));
    let warnings: Vec<String> =
        twice.warnings.iter().map(|problem| format!("{problem} {:?}", problem.spot)).collect();
    assert_eq!(
        warnings,
        [
            "EventPattern: Of a key the last one counts, and a key is there twice, at `source` at line 1 column 19 Within(18..26)"
        ]
    );
    // What the text is, is told in it; what it says, of all of it.
    assert_eq!(
        told(r#"{"source": ["x"]"#),
        "EventPattern: The pattern is not JSON: EOF while parsing an object at line 1 column 16 Within(15..16)"
    );
    assert_eq!(
        told(r#"{"source": []}"#),
        "EventPattern: source: A field's list of values must not be empty Value"
    );
}

#[test]
fn a_trigger_that_would_cause_itself_is_found() {
    let chain = ["a", "b", "c"];
    assert_eq!(circle("d", &chain), None);
    assert_eq!(circle("b", &chain), Some(vec!["b".to_owned(), "c".to_owned(), "b".to_owned()]));
    assert_eq!(circle("a", &[] as &[&str]), None);
}
