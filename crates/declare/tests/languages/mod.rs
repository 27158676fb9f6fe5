//! Languages that know just enough to test what this crate does with their answers.

use std::collections::BTreeMap;

use mainstay_declare::{
    AlertFacts, CallFacts, Checked, Languages, Named, ParameterFacts, ProcedureFacts, RulesFacts, StepFacts,
    TargetFacts, TriggerFacts,
};
use mainstay_model::{Problem, Segment, Spot};
use serde_json::{Map, Value};

pub struct Few;

fn path(segments: &[Segment]) -> Vec<Segment> {
    segments.to_vec()
}

fn need<'v>(value: &'v Value, key: &str, problems: &mut Vec<Problem>) -> Option<&'v Value> {
    let found = value.get(key);
    if found.is_none() {
        problems.push(Problem::error("missing-key", path(&[]), format!("There is no `{key}`")));
    }
    found
}

impl Languages for Few {
    fn document(&self, value: &Value) -> Checked<ProcedureFacts> {
        let mut problems = Vec::new();
        match need(value, "schemaVersion", &mut problems) {
            None => return Checked::failed(problems),
            Some(version) if version != "0.3" && version != 0.3 => {
                let message = format!("There is no schema version {version}");
                let problem = Problem::error("unknown-version", path(&["schemaVersion".into()]), message);
                return Checked::failed(vec![problem.label("expected 0.3")]);
            }
            Some(_) => {}
        }
        let steps = need(value, "mainSteps", &mut problems).and_then(Value::as_array);
        let mut facts = ProcedureFacts {
            description: value["description"].as_str().map(str::to_owned),
            ..ProcedureFacts::default()
        };
        facts.outputs.extend(
            value["outputs"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned),
        );
        for (name, parameter) in value["parameters"].as_object().into_iter().flatten() {
            let kind = parameter["type"].as_str().unwrap_or("String").to_owned();
            let required = parameter.get("default").is_none();
            facts.parameters.insert(name.clone(), ParameterFacts { kind, required });
        }
        for (index, step) in steps.into_iter().flatten().enumerate() {
            let at = |key: &str| path(&["mainSteps".into(), index.into(), key.into()]);
            let name = step["name"].as_str().unwrap_or_default().to_owned();
            let action = step["action"].as_str().unwrap_or_default().to_owned();
            if !action.starts_with("aws:") && !action.starts_with("mainstay:") {
                let message = format!("There is no action `{action}`");
                problems
                    .push(Problem::error("unknown-action", at("action"), message).label("expected `aws:…`"));
            }
            let script = step["inputs"]["Script"].as_str().unwrap_or_default();
            if let Some(start) = script.find("{{ ") {
                let end = script[start..].find("}}").map_or(script.len(), |at| start + at + 2);
                let mut place = at("inputs");
                place.push("Script".into());
                let message = format!("There is no value `{}`", &script[start..end]);
                problems.push(Problem::error("unknown-reference", place, message).within(start..end));
            }
            let inputs = &step["inputs"];
            let named = |key: &str| {
                let name = inputs[key].as_str().filter(|name| !name.starts_with("AWS-"))?;
                let mut place = at("inputs");
                place.push(key.into());
                Some(Named::new(name, place))
            };
            match action.as_str() {
                "mainstay:waitForAlarm" => facts.alarms.extend(named("Alarm")),
                "aws:invokeWebhook" => facts.integrations.extend(named("IntegrationName")),
                "aws:runCommand" | "aws:executeAutomation" => {
                    let given = inputs["RuntimeParameters"].as_object().into_iter().flatten();
                    let inside = |keys: &[&str]| {
                        let mut place = at("inputs");
                        place.extend(keys.iter().map(|key| Segment::from(*key)));
                        place
                    };
                    let parameter = |(name, _): (&String, &Value)| {
                        Named::new(name, inside(&["RuntimeParameters", name])).at(Spot::Key)
                    };
                    facts.calls.extend(named("DocumentName").map(|procedure| CallFacts {
                        procedure,
                        is_command: action == "aws:runCommand",
                        parameters: Some(given.map(parameter).collect()),
                        values: inputs["RuntimeParameters"].as_object().cloned().unwrap_or_default(),
                        outputs: named("Uses").into_iter().collect(),
                    }));
                }
                _ => {}
            }
            facts.steps.push(StepFacts { name, action });
        }
        for name in value["files"].as_object().into_iter().flat_map(|files| files.keys()) {
            facts.files.push(Named::new(name, path(&["files".into(), name.as_str().into()])));
        }
        Checked { facts: Some(facts), problems }
    }

    fn unfit(&self, value: &Value, values: &Map<String, Value>) -> Vec<(String, String)> {
        let unfit = |(name, given): (&String, &Value)| {
            let allowed = value["parameters"][name]["allowedValues"].as_array()?;
            (!allowed.contains(given)).then(|| (name.clone(), format!("is not {given}")))
        };
        values.iter().filter_map(unfit).collect()
    }

    fn rules(&self, value: &Value) -> Checked<RulesFacts> {
        let mut problems = Vec::new();
        let groups = need(value, "groups", &mut problems).and_then(Value::as_array);
        let mut facts = RulesFacts::default();
        for (g, group) in groups.into_iter().flatten().enumerate() {
            for (r, rule) in group["rules"].as_array().into_iter().flatten().enumerate() {
                let at = |keys: &[&str]| {
                    let mut out = vec!["groups".into(), g.into(), "rules".into(), r.into()];
                    out.extend(keys.iter().map(|key| Segment::from(*key)));
                    out
                };
                let expr = rule["expr"].as_str().unwrap_or_default();
                problems.extend(self.query(expr).into_iter().map(|p| p.under(&at(&["expr"]))));
                if let Some(name) = rule["record"].as_str() {
                    facts.records.push(name.to_owned());
                }
                if let Some(name) = rule["alert"].as_str() {
                    let lead = |key: &'static str| {
                        let text = rule["annotations"][key].as_str()?;
                        let is_ours = !text.contains("://") && !text.contains("{{");
                        is_ours.then(|| Named::new(text, at(&["annotations", key])))
                    };
                    let runbook = lead("runbook").or_else(|| lead("runbook_url"));
                    let playbook = lead("playbook");
                    facts.alerts.push(AlertFacts {
                        name: Named::new(name, at(&["alert"])),
                        runbook,
                        playbook,
                    });
                }
            }
        }
        if problems.iter().any(|problem| problem.code == "missing-key") {
            return Checked::failed(problems);
        }
        Checked { facts: Some(facts), problems }
    }

    fn trigger(&self, value: &Value) -> Checked<TriggerFacts> {
        let mut problems = Vec::new();
        let name = value["Name"].as_str().map(|name| Named::new(name, path(&["Name".into()])));
        need(value, "EventPattern", &mut problems);
        let targets = need(value, "Targets", &mut problems).and_then(Value::as_array);
        let targets = targets.into_iter().flatten().enumerate().filter_map(|(index, target)| {
            let at = |keys: &[&str]| {
                let mut out = vec!["Targets".into(), index.into()];
                out.extend(keys.iter().map(|key| Segment::from(*key)));
                out
            };
            let arn = target["Arn"].as_str()?;
            let lead = arn.find('/').map_or(0, |slash| slash + 1);
            let procedure = Named::new(&arn[lead..], at(&["Arn"])).at(Spot::Within(lead..arn.len()));
            let parameters = target["Input"].as_object().map(|input| {
                input.keys().map(|key| Named::new(key, at(&["Input", key])).at(Spot::Key)).collect()
            });
            let values = target["Input"].as_object().cloned().unwrap_or_default();
            Some(TargetFacts { to: procedure, is_webhook: arn.starts_with("webhook/"), parameters, values })
        });
        let targets = targets.collect();
        if problems.is_empty() {
            Checked::ok(TriggerFacts { name, targets })
        } else {
            Checked::failed(problems)
        }
    }

    fn query(&self, promql: &str) -> Vec<Problem> {
        let mut open = BTreeMap::new();
        let mut problems = Vec::new();
        for (at, c) in promql.char_indices() {
            if c == '(' {
                open.insert(at, ());
            } else if c == ')' && open.pop_last().is_none() {
                let problem = Problem::error("bad-promql", path(&[]), "This parenthesis closes nothing");
                problems.push(problem.within(at..at + 1));
            }
        }
        problems.extend(open.keys().map(|at| {
            Problem::error("bad-promql", path(&[]), "This parenthesis is never closed").within(*at..*at + 1)
        }));
        problems
    }
}
