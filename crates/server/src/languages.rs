//! The languages of a workload's files, as `mainstay-declare` wants them: procedures from `runbook`, rules and triggers
//! from `detect`, queries from `promql`.

use mainstay_declare::{
    AlertFacts, Checked, Languages, Named, ParameterFacts, ProcedureFacts, RulesFacts, StepFacts,
    TargetFacts, TriggerFacts,
};
use mainstay_detect::{Rule, RuleFile, TargetInput, Trigger};
use mainstay_model::{Problem, Segment, Spot};
use mainstay_runbook::Document;
use serde_json::Value;

/// The languages this version speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spoken;

impl Languages for Spoken {
    fn document(&self, value: &Value) -> Checked<ProcedureFacts> {
        match Document::parse(value) {
            Ok(document) => Checked { facts: Some(procedure_facts(&document)), problems: document.warnings },
            Err(problems) => Checked::failed(problems),
        }
    }

    fn rules(&self, value: &Value) -> Checked<RulesFacts> {
        match RuleFile::parse(value) {
            Ok(file) => Checked { facts: Some(rules_facts(value, &file)), problems: file.warnings },
            Err(problems) => Checked::failed(problems),
        }
    }

    fn trigger(&self, value: &Value) -> Checked<TriggerFacts> {
        match Trigger::parse(value) {
            Ok(trigger) => Checked::ok(trigger_facts(value, &trigger)),
            Err(problems) => Checked::failed(problems),
        }
    }

    fn query(&self, promql: &str) -> Vec<Problem> {
        match mainstay_promql::parse(promql) {
            Ok(_) => Vec::new(),
            Err(errors) => errors
                .into_iter()
                .map(|error| {
                    let problem = Problem::error("bad-query", [], error.message).within(error.span);
                    match error.help {
                        Some(help) => problem.help(help),
                        None => problem,
                    }
                })
                .collect(),
        }
    }
}

fn procedure_facts(document: &Document) -> ProcedureFacts {
    ProcedureFacts {
        description: document.description.clone(),
        parameters: document
            .parameters
            .iter()
            .map(|(name, parameter)| {
                let facts =
                    ParameterFacts { kind: parameter.kind.name(), required: parameter.default.is_none() };
                (name.clone(), facts)
            })
            .collect(),
        steps: document
            .steps
            .iter()
            .map(|step| StepFacts { name: step.name.clone(), action: step.action.clone() })
            .collect(),
    }
}

/// Where the groups lie: at the root, or below `spec` in a Kubernetes manifest.
fn groups_path(value: &Value) -> Vec<Segment> {
    if value.get("groups").is_some() { vec!["groups".into()] } else { vec!["spec".into(), "groups".into()] }
}

fn rules_facts(value: &Value, file: &RuleFile) -> RulesFacts {
    let mut facts = RulesFacts::default();
    let groups = groups_path(value);
    for (group_index, group) in file.groups.iter().enumerate() {
        for (rule_index, rule) in group.rules.iter().enumerate() {
            let path = |keys: &[&str]| {
                let mut path = groups.clone();
                path.extend([Segment::from(group_index), "rules".into(), rule_index.into()]);
                path.extend(keys.iter().copied().map(Segment::from));
                path
            };
            match rule {
                Rule::Recording(rule) => facts.records.push(rule.record.clone()),
                Rule::Alerting(rule) => {
                    let lead = |key: &'static str| {
                        let text = rule.annotations.get(key)?.text();
                        let names_procedure =
                            !text.contains("{{") && !text.contains("://") && !text.is_empty();
                        names_procedure.then(|| Named::new(text, path(&["annotations", key])))
                    };
                    let runbook = lead("runbook").or_else(|| lead("runbook_url"));
                    let name = Named::new(&rule.alert, path(&["alert"]));
                    facts.alerts.push(AlertFacts { name, runbook, playbook: lead("playbook") });
                }
            }
        }
    }
    facts
}

fn trigger_facts(value: &Value, trigger: &Trigger) -> TriggerFacts {
    let targets = trigger
        .targets
        .iter()
        .enumerate()
        .map(|(index, target)| {
            let path = |key: &str| vec![Segment::from("Targets"), index.into(), key.into()];
            let written = value["Targets"][index]["Arn"].as_str().unwrap_or_default();
            let start = written.len().saturating_sub(target.procedure.len());
            let spot = if start == 0 { Spot::Value } else { Spot::Within(start..written.len()) };
            TargetFacts {
                procedure: Named::new(&target.procedure, path("Arn")).at(spot),
                parameters: parameters(index, &value["Targets"][index], &target.input),
            }
        })
        .collect();
    TriggerFacts { name: Some(Named::new(&trigger.name, vec!["Name".into()])), targets }
}

/// The parameters a target gives, as far as they do not depend on the event.
fn parameters(index: usize, target: &Value, input: &TargetInput) -> Option<Vec<Named>> {
    let path = |keys: &[&str]| -> Vec<Segment> {
        let keys = keys.iter().copied().map(Segment::from);
        [Segment::from("Targets"), index.into()].into_iter().chain(keys).collect()
    };
    match input {
        TargetInput::None => Some(Vec::new()),
        TargetInput::Path(_) => None,
        TargetInput::Constant(parameters) => {
            let named = |name: &String| {
                if target["Input"].is_object() {
                    Named::new(name, path(&["Input", name])).at(Spot::Key)
                } else {
                    Named::new(name, path(&["Input"]))
                }
            };
            Some(parameters.keys().map(named).collect())
        }
        TargetInput::Transformer(transformer) => {
            let template = path(&["InputTransformer", "InputTemplate"]);
            Some(
                transformer
                    .parameter_names()
                    .into_iter()
                    .map(|name| Named::new(name, template.clone()))
                    .collect(),
            )
        }
    }
}
