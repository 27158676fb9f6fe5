//! The languages of a workload's files, as `mainstay-declare` wants them: procedures from `runbook`, rules and triggers
//! from `detect`, queries from `promql`.

use mainstay_declare::{
    AlertFacts, CallFacts, Checked, Languages, Named, ParameterFacts, ProcedureFacts, RulesFacts, StepFacts,
    TargetFacts, TriggerFacts,
};
use mainstay_detect::{Rule, RuleFile, TargetInput, Trigger};
use mainstay_model::{Problem, Segment, Spot};
use mainstay_runbook::document::Language;
use mainstay_runbook::library::{AttachedFile, Place, file_bytes, file_problem, is_text, keep_file};
use mainstay_runbook::{Document, child};
use serde_json::{Map, Value};

/// The languages this version speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spoken;

impl Languages for Spoken {
    fn document(&self, value: &Value) -> Checked<ProcedureFacts> {
        match Document::parse(value) {
            Ok(document) => {
                let mut problems = document.warnings.clone();
                for query in &document.needs.queries {
                    problems.extend(self.query(&query.name).into_iter().map(|one| one.under(&query.path)));
                }
                Checked { facts: Some(procedure_facts(value, &document)), problems }
            }
            Err(problems) => Checked::failed(problems),
        }
    }

    fn attachment(&self, value: &Value, name: &str, bytes: &[u8]) -> Result<String, String> {
        let file = &value["files"][name];
        let said = AttachedFile {
            sha256: file["checksums"]["sha256"].as_str().unwrap_or_default().to_ascii_lowercase(),
            size: file["size"].as_u64(),
        };
        // An archive comes as its bytes from a directory, and as it is kept from a revision.
        let kept = std::str::from_utf8(bytes).ok().filter(|_| !is_text(name));
        let decoded = kept.and_then(|text| file_bytes(name, text));
        let bytes = decoded.as_deref().unwrap_or(bytes);
        if let Some(problem) = file_problem(name, &said, bytes) {
            return Err(problem);
        }
        keep_file(name, bytes).ok_or_else(|| format!("The attached file `{name}` is not UTF-8 text"))
    }

    fn unfit(&self, value: &Value, values: &Map<String, Value>) -> Vec<(String, String)> {
        Document::parse(value).map(|document| mainstay_runbook::unfit(&document, values)).unwrap_or_default()
    }

    fn rules(&self, value: &Value) -> Checked<RulesFacts> {
        match RuleFile::parse(value) {
            Ok(file) => Checked { facts: Some(rules_facts(value, &file)), problems: file.warnings },
            Err(problems) => Checked::failed(problems),
        }
    }

    fn trigger(&self, value: &Value) -> Checked<TriggerFacts> {
        match Trigger::parse(value) {
            Ok(trigger) => {
                Checked { facts: Some(trigger_facts(value, &trigger)), problems: trigger.warnings }
            }
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

fn procedure_facts(value: &Value, document: &Document) -> ProcedureFacts {
    let named = |places: &[Place]| -> Vec<Named> {
        places.iter().map(|place| Named::new(&place.name, place.path.clone())).collect()
    };
    let needs = &document.needs;
    let used = child::call_outputs(value);
    let outputs_of = |inputs: &[Segment]| -> Vec<Named> {
        let of_call = used.iter().filter(|used| used.inputs == inputs);
        of_call
            .map(|used| Named::new(&used.output, used.path.clone()).at(Spot::Within(used.span.clone())))
            .collect()
    };
    ProcedureFacts {
        outputs: document.outputs.iter().map(|(step, output)| format!("{step}.{output}")).collect(),
        is_command: document.language == Language::Command,
        calls: needs
            .calls
            .iter()
            .map(|call| CallFacts {
                procedure: Named::new(&call.document.name, call.document.path.clone()),
                is_command: call.language == Language::Command,
                parameters: call
                    .parameters
                    .as_ref()
                    .map(|places| named(places).into_iter().map(|one| one.at(Spot::Key)).collect()),
                values: call.values.clone(),
                outputs: call
                    .document
                    .path
                    .split_last()
                    .map(|(_, inputs)| outputs_of(inputs))
                    .unwrap_or_default(),
            })
            .collect(),
        documents: named(&needs.documents),
        files: document
            .files
            .keys()
            .map(|name| Named::new(name, ["files".into(), Segment::from(name.as_str())]).at(Spot::Key))
            .collect(),
        alarms: named(&needs.alarms),
        integrations: named(&needs.integrations),
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
            let name = target.to.name();
            let start = written.rfind(name).unwrap_or_default();
            let spot = if start == 0 { Spot::Value } else { Spot::Within(start..start + name.len()) };
            TargetFacts {
                to: Named::new(name, path("Arn")).at(spot),
                is_webhook: target.to.procedure().is_none(),
                parameters: parameters(index, &value["Targets"][index], &target.input),
                values: match &target.input {
                    TargetInput::Constant(Value::Object(values)) => values.clone(),
                    _ => Map::new(),
                },
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
            Some(parameters.as_object().into_iter().flat_map(Map::keys).map(named).collect())
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
