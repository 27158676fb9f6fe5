//! Inputs of targets: every line of `transforms/table.txt` holds.

#![allow(clippy::panic, reason = "a line that fails is told by a panic")]

use mainstay_detect::Trigger;
use serde_json::{Map, Value, json};

/// What a line is about.
#[derive(Default)]
struct World {
    event: Value,
    map: Map<String, Value>,
}

fn trigger(arn: &str, target: &Value) -> Result<Trigger, Vec<&'static str>> {
    let mut full = json!({"Id": "t", "Arn": arn});
    for (key, value) in target.as_object().expect("a mapping") {
        full[key] = value.clone();
    }
    let whole = json!({"Name": "t", "EventPattern": {"source": ["x"]}, "Targets": [full]});
    Trigger::parse(&whole).map_err(|problems| problems.iter().map(|problem| problem.code).collect())
}

fn transformer(world: &World, template: &str) -> Value {
    json!({"InputTransformer": {"InputPathsMap": world.map, "InputTemplate": template.replace('⏎', "\n")}})
}

/// What a target is given, or the codes of what is refused; `nothing` where it cannot be called.
fn given(arn: &str, target: &Value, event: &Value) -> Result<(String, Vec<String>), String> {
    let trigger = trigger(arn, target).map_err(|codes| codes.join(" "))?;
    match trigger.inputs(event) {
        Ok(mut calls) => {
            let call = calls.remove(0);
            Ok((call.input.to_string(), call.undefined))
        }
        Err(_) => Ok(("nothing".to_owned(), Vec::new())),
    }
}

fn normal(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string())
}

fn check(world: &mut World, verb: &str, rest: &str) -> bool {
    const WEBHOOK: &str = "webhook/w";
    const PROCEDURE: &str = "procedure/p";
    let (said, expected) =
        rest.rsplit_once(" => ").or_else(|| Some((rest.strip_suffix(" =>")?, ""))).unwrap_or((rest, ""));
    let event = &world.event;
    let made = |arn: &str, target: &Value| {
        given(arn, target, event).map_or_else(|codes| format!("refused: {codes}"), |(input, _)| input)
    };
    let codes = |arn: &str, target: &Value| given(arn, target, event).expect_err("refused");
    let (found, expected) = match verb {
        "event" => {
            world.event = serde_json::from_str(rest).expect("an event");
            world.map.clear();
            return false;
        }
        "map" => {
            let (name, path) = rest.split_once(' ').expect("a name and a path");
            world.map.insert(name.to_owned(), path.into());
            return false;
        }
        "made" => (made(WEBHOOK, &transformer(world, said)), normal(expected)),
        "gives" => (made(PROCEDURE, &transformer(world, said)), normal(expected)),
        "lacks" => {
            let (_, undefined) = given(PROCEDURE, &transformer(world, said), event).expect("it is taken");
            (undefined.join(" "), expected.to_owned())
        }
        "refused" => (codes(PROCEDURE, &transformer(world, said)), expected.to_owned()),
        "path" => (made(WEBHOOK, &json!({"InputPath": said})), normal(expected)),
        "nopath" => (codes(WEBHOOK, &json!({"InputPath": said})), expected.to_owned()),
        "input" => (made(WEBHOOK, &json!({"Input": said})), normal(expected)),
        "noinput" => (codes(PROCEDURE, &json!({"Input": said})), expected.to_owned()),
        "nomap" => {
            let (name, path) = said.split_once(' ').expect("a name and a path");
            let target = json!({"InputTransformer": {"InputPathsMap": {name: path}, "InputTemplate": "{}"}});
            (codes(PROCEDURE, &target), expected.to_owned())
        }
        other => panic!("there is no `{other}`"),
    };
    assert_eq!(found, expected, "{verb} {rest}");
    true
}

#[test]
fn every_line_of_the_table_holds() {
    let mut world = World::default();
    let mut pairs = 0;
    let mut failed = Vec::new();
    for line in include_str!("transforms/table.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (verb, rest) = line.split_once(' ').expect("a word and a rest");
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut world, verb, rest)));
        match held {
            Ok(is_pair) => pairs += usize::from(is_pair),
            Err(_) => failed.push(line),
        }
    }
    assert!(failed.is_empty(), "{} lines fail:\n{}", failed.len(), failed.join("\n"));
    assert!(pairs >= 60, "{pairs} pairs");
}
