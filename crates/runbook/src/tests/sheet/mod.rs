//! The rules of the two references (Automation and Command documents), one by one, each with a document that shows it:
//! the tables are the YAML files beside this one.

use mainstay_model::problem::Severity;
use serde_json::{Map, Value};

use super::common::value;
use super::{hosts, line};
use crate::testing::{Disturbance, begin, drive};
use crate::{Document, Effect, EffectKind, Outcome, start};

const DO: &str = "action: 'aws:executeScript', inputs: {Runtime: bash, Script: x}";
const SH: &str = "action: 'aws:runShellScript', inputs: {runCommand: [x]}";

/// The document of a rule.
fn text(rule: &Map<String, Value>, version: &str, default: &str) -> String {
    let part = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let whole = if rule.contains_key("whole") {
        part("whole")
    } else {
        let steps = if rule.contains_key("steps") { part("steps") } else { default.to_owned() };
        let long = rule.get("long").and_then(Value::as_u64).map_or_else(String::new, |length| {
            format!("description: {}\n", "x".repeat(usize::try_from(length).unwrap_or_default()))
        });
        format!("schemaVersion: '{version}'\n{long}{}\nmainSteps:\n{}\n", part("head"), steps.trim_end())
    };
    whole.replace("$do", DO).replace("$sh", SH)
}

/// The problems of a document, each as its code and its place.
fn says(document: &Value) -> (Option<Document>, Vec<String>) {
    let (document, problems) = match Document::parse(document) {
        Ok(document) => {
            let warnings = document.warnings.clone();
            assert!(warnings.iter().all(|problem| problem.severity == Severity::Warning));
            (Some(document), warnings)
        }
        Err(problems) => (None, problems),
    };
    let short = |problem: &mainstay_model::Problem| {
        format!("{} {}", problem.code, problem.path_text()).trim_end().to_owned()
    };
    (document, problems.iter().map(short).collect())
}

fn outcome(word: &str) -> Outcome {
    match word {
        "fail" => Outcome::failed("Made to fail"),
        "time-out" => Outcome::TimedOut { message: "Made to take too long".to_owned(), outputs: Map::new() },
        other => unreachable!("no such answer: {other}"),
    }
}

/// What is handed to the performer: the payload of a script, or the text of a shell script.
fn handed(effect: &Effect) -> Option<Value> {
    match &effect.kind {
        EffectKind::Script(script) => Some(Value::Object(script.payload.clone())),
        EffectKind::Shell(shell) => Some(shell.script().into()),
        _ => None,
    }
}

/// What is wrong with a rule's document, if anything.
fn wrong(rule: &Map<String, Value>, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let texts = |key: &str| -> Vec<String> {
        let list = rule.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
    };
    let (document, found) = says(&value(text));
    if found != texts("says") {
        wrong.push(format!("says {found:?}, not {:?}", texts("says")));
    }
    let Some(document) = document else { return wrong };
    let parameters = rule.get("parameters").and_then(Value::as_object).cloned();
    if let Some(reason) = rule.get("refuses").and_then(Value::as_str) {
        match start(&document, begin("r", parameters.unwrap_or_default())) {
            Ok(_) => wrong.push("it starts".to_owned()),
            Err(problems) if problems.iter().any(|problem| problem.to_string().contains(reason)) => {}
            Err(problems) => wrong.push(format!("refuses {problems:?}, not {reason}")),
        }
        return wrong;
    }
    if !["runs", "performs", "performed"].iter().any(|key| rule.contains_key(*key)) {
        return wrong;
    }
    let answers = rule.get("answers").and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut performed, mut last) = (Vec::new(), None);
    let mut perform = |effect: &Effect| {
        let attempt = effect.attempt.as_str().strip_prefix("r.").unwrap_or_default();
        performed.push(attempt.split('.').next().unwrap_or_default().to_owned());
        last = handed(effect).or(last.take());
        Some(match answers.get(attempt).and_then(Value::as_str) {
            Some(word) => outcome(word),
            None => Outcome::Succeeded { outputs: Map::new() },
        })
    };
    let start = begin("r", parameters.unwrap_or_default());
    let driven = drive(&document, start, &hosts(), &mut perform, &Disturbance::default());
    let came = line(&driven);
    if let Some(expected) = rule.get("runs").and_then(Value::as_str)
        && came != expected
    {
        wrong.push(format!("runs {came} ({:?}), not {expected}", driven.run.failure));
    }
    if let Some(expected) = rule.get("performs")
        && last.as_ref() != Some(expected)
    {
        wrong.push(format!("performs {last:?}, not {expected}; {came} ({:?})", driven.run.failure));
    }
    if rule.contains_key("performed") && performed != texts("performed") {
        wrong.push(format!("performed {performed:?}"));
    }
    wrong
}

fn every_rule(table: &str, version: &str, default: &str) {
    const KEYS: [&str; 12] = [
        "rule",
        "whole",
        "head",
        "steps",
        "long",
        "says",
        "answers",
        "runs",
        "parameters",
        "refuses",
        "performs",
        "performed",
    ];
    let rules = value(table);
    let rules = rules.as_array().expect("a list of rules");
    let mut report = Vec::new();
    for rule in rules {
        let rule = rule.as_object().expect("a rule");
        let name = rule.get("rule").and_then(Value::as_str).expect("a rule's sentence");
        assert!(rule.keys().all(|key| KEYS.contains(&key.as_str())), "{name}: an unknown key");
        let text = text(rule, version, default);
        let wrong = wrong(rule, &text);
        if !wrong.is_empty() {
            report.push(format!("{name}\n  {}\n{text}", wrong.join("\n  ")));
        }
    }
    assert!(report.is_empty(), "{} of {} rules:\n\n{}", report.len(), rules.len(), report.join("\n"));
}

#[test]
fn every_rule_of_automation_documents() {
    every_rule(include_str!("automation.yaml"), "0.3", "- {name: a, $do}");
}

#[test]
fn every_rule_of_command_documents() {
    every_rule(include_str!("command.yaml"), "2.2", "- {name: a, $sh}");
}
