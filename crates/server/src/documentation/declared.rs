//! From what files declare to what documentation is written of.

use std::collections::BTreeMap;

use mainstay_declare::{Declared, Health, HealthCheck, Service};
use mainstay_detect::{AlertingRule, Rule, RuleFile, TargetInput, Trigger};
use mainstay_learn::docs;
use mainstay_model::{Problem, format_duration};
use mainstay_runbook::Document;
use mainstay_runbook::branch::{Condition, Operator};
use mainstay_runbook::document::{OnFailure, Timeout, Work};
use serde_json::{Value, json};

use super::Unreadable;

fn unreadable(file: &str) -> impl Fn(Vec<Problem>) -> Unreadable + '_ {
    |problems| Unreadable {
        file: file.to_owned(),
        reason: problems.first().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Everything that is declared. What follows from it is filled in by `learn`.
pub(super) fn subject(declared: &Declared) -> Result<docs::Documentation, Unreadable> {
    let workload = &declared.workload;
    let mut out = docs::Documentation {
        workload: docs::About {
            name: workload.name.clone(),
            title: workload.title.clone().unwrap_or_else(|| workload.name.clone()),
            owner: workload.owner.clone(),
            tags: workload.tags.0.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..docs::About::default()
        },
        ..docs::Documentation::default()
    };
    out.priorities = workload
        .priorities
        .iter()
        .map(|priority| docs::Priority {
            goal: priority.goal.clone(),
            measure: priority.measure.clone(),
            target: priority.target.to_string(),
            components: priority.components.clone(),
        })
        .collect();
    for standard in &declared.standards {
        out.standards.insert(standard.name.clone(), of_standard(standard, declared));
    }
    for (name, environment) in &workload.environments {
        out.environments.insert(name.clone(), docs::Environment { hosts: environment.hosts.to_string() });
    }
    for (name, component) in &workload.components {
        let mut documented = of_component(component);
        for (place, environment) in &workload.environments {
            if let Some(there) = environment.components.get(name).map(of_component) {
                let there = docs::Variant {
                    endpoint: there.endpoint,
                    metrics: there.metrics,
                    service: there.service,
                    configuration: there.configuration,
                };
                documented.environments.insert(place.clone(), there);
            }
        }
        out.components.insert(name.clone(), documented);
    }
    for procedure in declared.procedures.values() {
        let document = Document::parse(&procedure.value).map_err(unreadable(&procedure.path))?;
        out.procedures.insert(procedure.name.clone(), of_procedure(&procedure.path, &document));
    }
    let mut triggers = BTreeMap::new();
    for trigger in declared.triggers.values() {
        let parsed = Trigger::parse(&trigger.value).map_err(unreadable(&trigger.path))?;
        out.triggers.insert(trigger.name.clone(), of_trigger(&trigger.path, &trigger.value, &parsed));
        triggers.insert(trigger.name.clone(), parsed);
    }
    for rules in &declared.rules {
        let file = RuleFile::parse(&rules.value).map_err(unreadable(&rules.path))?;
        for group in &file.groups {
            for rule in &group.rules {
                match rule {
                    Rule::Recording(rule) => {
                        let recording =
                            docs::Recording { file: rules.path.clone(), expr: rule.expr.trim().to_owned() };
                        out.recordings.insert(rule.record.clone(), recording);
                    }
                    Rule::Alerting(rule) => {
                        let alarm = out.alarms.entry(rule.alert.clone()).or_default();
                        add_rule(alarm, &rules.path, &group.name, rule);
                        alarm.leads_to.extend(by_trigger(&workload.name, rule, &triggers));
                    }
                }
            }
        }
        for alert in &rules.facts.alerts {
            let (Some(alarm), Some(runbook)) = (out.alarms.get_mut(&alert.name.name), &alert.runbook) else {
                continue;
            };
            match procedure_of(&runbook.name, declared) {
                Some(procedure) => {
                    alarm.leads_to.push(docs::LeadsTo { procedure, trigger: None, always: false });
                }
                None => alarm.runbook = Some(runbook.name.clone()),
            }
        }
    }
    Ok(out)
}

fn of_standard(standard: &mainstay_declare::Standard, declared: &Declared) -> docs::Standard {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let is_its =
        |one: &&mainstay_declare::standards::Overridden| one.origin.standard.as_ref() == Some(&standard.name);
    let overridden = declared.overridden.iter().filter(is_its);
    // A parameter is part of files that many can read, yet what looks like a secret is not repeated.
    let shown = |name: &str, value| match mainstay_declare::looks_secret(name) {
        true => "(hidden)".to_owned(),
        false => text(value),
    };
    docs::Standard {
        source: standard.source.to_string(),
        description: standard.definition.description.clone(),
        parameters: standard
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), shown(name, value)))
            .collect(),
        overridden: overridden.map(|one| (one.what.clone(), one.because.clone())).collect(),
    }
}

/// The procedure an annotation means: its name, or the path of its file.
fn procedure_of(text: &str, declared: &Declared) -> Option<String> {
    let text = text.split('#').next().unwrap_or(text);
    let last = text.rsplit('/').next().unwrap_or(text);
    let stem = [".yaml", ".yml", ".json"].iter().find_map(|extension| last.strip_suffix(extension));
    let name = stem.unwrap_or(last);
    declared.procedures.contains_key(name).then(|| name.to_owned())
}

// ---- components ----

fn of_component(component: &mainstay_declare::Component) -> docs::Component {
    let service = component.service.as_ref();
    let port = service.and_then(|service| service.port);
    let speaks_http = component.telemetry.scrape.is_some()
        || service
            .and_then(|service| service.health.as_ref())
            .is_some_and(|health| matches!(health.check, HealthCheck::Http { .. }));
    let scheme = if speaks_http { "http://" } else { "" };
    docs::Component {
        description: component.description.clone(),
        hosts: component.hosts.to_string(),
        endpoint: port.map(|port| format!("{scheme}127.0.0.1:{port}")),
        metrics: port
            .zip(component.telemetry.scrape.as_ref())
            .map(|(port, path)| format!("http://127.0.0.1:{port}{path}")),
        depends_on: component.depends_on.clone(),
        service: service.map(of_service),
        configuration: service.map(configuration).unwrap_or_default(),
        ..docs::Component::default()
    }
}

fn of_service(service: &Service) -> docs::Service {
    docs::Service {
        run: service.run.as_str().to_owned(),
        directory: service.directory.clone(),
        port: service.port,
        health: service.health.as_ref().map(health),
        restart: service.restart.as_str().to_owned(),
        stop: format!(
            "{}, and SIGKILL if it has not ended after {}",
            service.stop.signal.as_str(),
            spaced(service.stop.deadline)
        ),
        memory_limit_bytes: service.limits.memory_bytes,
    }
}

/// `1 s`, `1 min 30 s`.
fn spaced(length: std::time::Duration) -> String {
    docs::length(&format_duration(length))
}

fn health(health: &Health) -> String {
    let what = match &health.check {
        HealthCheck::Http { path } => format!("`GET {path}` answers"),
        HealthCheck::Tcp { port } => format!("port {port} takes a connection"),
        HealthCheck::Exec { command } => format!("`{}` succeeds", command.as_str().replace('`', "'")),
    };
    format!(
        "{what} within {}, tried every {}; unhealthy after {} failures in a row",
        spaced(health.timeout),
        spaced(health.every),
        health.unhealthy_after
    )
}

/// The variables of a service. A reference to a secret is shown, a value under a name that promises one is not.
fn configuration(service: &Service) -> BTreeMap<String, docs::Setting> {
    let plain = service.env.iter().map(|(name, value)| {
        let value = (!mainstay_declare::workload::looks_secret(name)).then(|| value.as_str().to_owned());
        (name.clone(), docs::Setting { value, secret: None })
    });
    let secrets = service.secrets.iter().map(|(name, reference)| {
        (name.clone(), docs::Setting { value: None, secret: Some(reference.to_string()) })
    });
    plain.chain(secrets).collect()
}

// ---- alarms ----

fn add_rule(alarm: &mut docs::Alarm, file: &str, group: &str, rule: &AlertingRule) {
    let texts = |map: &BTreeMap<String, mainstay_detect::template::Template>| -> BTreeMap<String, String> {
        map.iter().map(|(name, value)| (name.clone(), value.text().trim().to_owned())).collect()
    };
    let annotations = texts(&rule.annotations);
    if alarm.summary.is_none() {
        alarm.summary = annotations.get("summary").or_else(|| annotations.get("message")).cloned();
    }
    if let Some(address) = annotations.get("runbook_url").filter(|text| text.contains("://")) {
        alarm.runbook = Some(address.clone());
    }
    alarm.rules.push(docs::AlarmRule {
        file: file.to_owned(),
        group: group.to_owned(),
        expr: rule.expr.trim().to_owned(),
        r#for: format_duration(rule.hold),
        keep_firing_for: format_duration(rule.keep_firing_for),
        labels: texts(&rule.labels),
        annotations,
    });
}

/// The procedures that triggers start when this rule fires: found by asking each pattern about such an event. What the
/// rule does not fix (labels of series, the value, the time) is not known before it fires; a pattern that misses only
/// there may match.
fn by_trigger(
    workload: &str,
    rule: &AlertingRule,
    triggers: &BTreeMap<String, Trigger>,
) -> Vec<docs::LeadsTo> {
    let texts = |map: &BTreeMap<String, mainstay_detect::template::Template>| -> BTreeMap<String, String> {
        let fixed = map.iter().filter(|(_, value)| value.is_constant());
        fixed.map(|(name, value)| (name.clone(), value.text().to_owned())).collect()
    };
    let mut labels = texts(&rule.labels);
    labels.insert("alertname".to_owned(), rule.alert.clone());
    let event = json!({
        "version": "0",
        "source": mainstay_model::event::SOURCE_SERVER,
        "detail-type": "alarm.firing",
        "account": "000000000000",
        "region": "local",
        "resources": [format!("alarm/{}", rule.alert)],
        "detail": {
            "alarm": rule.alert,
            "expr": rule.expr,
            "labels": labels,
            "annotations": texts(&rule.annotations),
        },
        "type": "alarm.firing",
        "subject": format!("alarm/{}", rule.alert),
        "workload": workload,
        "actor": "system:alarms",
    });
    let fixed = |path: &str| {
        let known = [
            "source",
            "detail-type",
            "type",
            "workload",
            "subject",
            "detail.alarm",
            "actor",
            "resources",
            "account",
            "region",
        ];
        known.contains(&path)
            || path.strip_prefix("detail.labels.").is_some_and(|name| labels.contains_key(name))
    };
    let mut found = Vec::new();
    for (name, trigger) in triggers.iter().filter(|(_, trigger)| trigger.enabled) {
        let Some(pattern) = &trigger.pattern else { continue };
        let answer = pattern.explain(&event);
        if answer.matched
            || answer.misses.iter().all(|miss| !fixed(&miss.path) && !miss.path.ends_with("$or"))
        {
            let procedures = trigger.targets.iter().filter_map(|target| target.to.procedure());
            found.extend(procedures.map(|procedure| docs::LeadsTo {
                procedure: procedure.to_owned(),
                trigger: Some(name.clone()),
                always: answer.matched,
            }));
        }
    }
    found
}

// ---- triggers ----

fn of_trigger(file: &str, value: &Value, trigger: &Trigger) -> docs::Trigger {
    let pattern = match &value["EventPattern"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        other => other.clone(),
    };
    let procedures = trigger.targets.iter().filter_map(|target| Some((target, target.to.procedure()?)));
    let starts = procedures.map(|(target, procedure)| docs::Target {
        procedure: procedure.to_owned(),
        parameters: match &target.input {
            TargetInput::None | TargetInput::Path(_) => BTreeMap::new(),
            TargetInput::Constant(value) => {
                let entries = value.as_object().into_iter().flatten();
                entries.map(|(name, value)| (name.clone(), Some(value.clone()))).collect()
            }
            TargetInput::Transformer(transformer) => {
                transformer.parameter_names().into_iter().map(|name| (name.to_owned(), None)).collect()
            }
        },
    });
    docs::Trigger {
        file: file.to_owned(),
        description: trigger.description.clone(),
        enabled: trigger.enabled,
        pattern,
        schedule: trigger.schedule.as_ref().map(|schedule| docs::Schedule {
            expression: schedule.text().to_owned(),
            zone: schedule.zone().to_owned(),
        }),
        starts: starts.collect(),
        sends_to: trigger
            .targets
            .iter()
            .filter(|target| target.to.procedure().is_none())
            .map(|target| target.to.name().to_owned())
            .collect(),
        ..docs::Trigger::default()
    }
}

// ---- procedures ----

fn of_procedure(file: &str, document: &Document) -> docs::Procedure {
    let parameters = document.parameters.iter().map(|(name, parameter)| {
        let parameter = docs::Parameter {
            r#type: parameter.kind.name(),
            description: parameter.description.clone(),
            required: parameter.default.is_none(),
            default: parameter.default.clone(),
            allowed_values: parameter.allowed_values.clone(),
            allowed_pattern: parameter.allowed_pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
        };
        (name.clone(), parameter)
    });
    docs::Procedure {
        file: file.to_owned(),
        description: document.description.clone(),
        parameters: parameters.collect(),
        steps: document.steps.iter().map(of_step).collect(),
        outputs: document.outputs.iter().map(|(step, output)| format!("{step}.{output}")).collect(),
        ..docs::Procedure::default()
    }
}

fn of_step(step: &mainstay_runbook::document::Step) -> docs::Step {
    let choices = match &step.work {
        Work::Branch { choices, default } => {
            let chosen = choices.iter().map(|choice| docs::Choice {
                when: Some(condition(&choice.condition)),
                next: choice.next_step.clone(),
            });
            chosen.chain(default.iter().map(|next| docs::Choice { when: None, next: next.clone() })).collect()
        }
        _ => Vec::new(),
    };
    docs::Step {
        name: step.name.clone(),
        action: step.action.clone(),
        description: step.description.clone(),
        inputs: Value::Object(step.inputs.clone()),
        max_attempts: step.max_attempts,
        timeout: step.timeout.as_ref().map(|timeout| match timeout {
            Timeout::Seconds(seconds) => seconds.to_string(),
            Timeout::Parameter(name) => name.clone(),
        }),
        on_failure: match &step.on_failure {
            OnFailure::Abort => "abort".to_owned(),
            OnFailure::Continue => "continue".to_owned(),
            OnFailure::Step(name) => name.clone(),
        },
        is_end: step.is_end && step.parent.is_none(),
        // An end among the steps of a loop leads back to the loop.
        next: if step.is_end { step.parent.clone() } else { step.next_step.clone() },
        choices,
        ..docs::Step::default()
    }
}

/// When a way of a branch is taken, in words.
fn condition(condition: &Condition) -> String {
    let all = |parts: &[Condition], word: &str| {
        let words: Vec<String> = parts.iter().map(self::condition).collect();
        if words.len() == 1 { words.concat() } else { format!("({})", words.join(&format!(" {word} "))) }
    };
    match condition {
        Condition::And(parts) => all(parts, "and"),
        Condition::Or(parts) => all(parts, "or"),
        Condition::Not(part) => format!("it is not so that {}", self::condition(part)),
        Condition::Compare { variable, operator, constant } => {
            let is = match operator {
                Operator::StringEquals | Operator::NumericEquals | Operator::BooleanEquals => "is",
                Operator::EqualsIgnoreCase => "is, in any case,",
                Operator::StartsWith => "begins with",
                Operator::EndsWith => "ends with",
                Operator::Contains => "contains",
                Operator::NumericGreater => "is greater than",
                Operator::NumericLesser => "is less than",
                Operator::NumericGreaterOrEquals => "is at least",
                Operator::NumericLesserOrEquals => "is at most",
            };
            format!("{} {is} {}", shown(variable), shown(constant))
        }
    }
}

/// A value as code; a lone reference without its braces.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let alone = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    let text = alone.filter(|inner| !inner.contains("{{")).unwrap_or(&text);
    format!("`{}`", text.replace('`', "'"))
}
