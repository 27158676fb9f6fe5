//! The resources of a declaration: every service on every host, and what the control plane itself takes up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use mainstay_declare::{
    Component, Declared, EventSource, HealthCheck, Scheme, Service, TextOrSecret, Webhook,
};
use mainstay_model::{HostId, format_duration};
use serde_json::{Map, Value, json};

use crate::place::Placement;
use crate::value::ResourceKind;

/// One version of a workload: what it declares, and where and what its files are.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// What it declares.
    pub declared: &'a Declared,
    /// The absolute path of its directory on the hosts.
    pub directory: &'a str,
    /// The digest of its files.
    pub digest: &'a str,
}

/// The place of a service's resource: its component and host.
pub(crate) type ServiceKey = (String, HostId);

/// The resources of one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    /// By component and environment; a component's service is the same on every host of an environment.
    services: BTreeMap<(String, Option<String>), ServiceSpec>,
    /// Where they run, with the environment whose values they have.
    pub placed: BTreeMap<ServiceKey, Option<String>>,
    /// What the control plane takes up, by kind and name.
    pub declared: BTreeMap<(ResourceKind, String), Value>,
    /// The components that only their services stand for.
    pub only_services: BTreeMap<String, Value>,
    /// How often a name came.
    counts: BTreeMap<(ResourceKind, String), usize>,
}

/// What a service is, in the form in which it is compared.
#[derive(Clone, Debug)]
pub(crate) struct ServiceSpec {
    pub value: Value,
    pub digest: String,
    pub port: Option<u16>,
    pub facts: Facts,
}

/// What the plan needs to know of a service beside its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// It ends by itself and is not started again: a job.
    pub once: bool,
    /// Whether it says how to see that it works.
    pub checked: bool,
    /// How long it may take to stop.
    pub stop: Duration,
    /// How long it may take to be known to work.
    pub start: Duration,
}

/// What a start may take where there is no health check to say: the agent sees at once whether the process runs.
const START_UNCHECKED: Duration = Duration::from_secs(10);

/// The digest of what a component's service is started with, 64 hex digits, or none if it has no service. Two services
/// with the same digest are the same; hosts report it as [`ServiceSeen::spec`](crate::ServiceSeen::spec).
pub fn spec_digest(component: &Component, directory: &str) -> Option<String> {
    component.service.as_ref().map(|service| digest(&started_with(component, service, directory)))
}

fn digest(value: &Value) -> String {
    blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
}

/// What the process depends on. Maps of `serde_json` are in key order, so the same service has the same text.
fn started_with(component: &Component, service: &Service, directory: &str) -> Value {
    let root = directory.trim_end_matches('/');
    let mut out = Map::new();
    out.insert("run".to_owned(), service.run.as_str().into());
    out.insert(
        "directory".to_owned(),
        match &service.directory {
            Some(folder) => format!("{root}/{}", folder.trim_start_matches("./")).into(),
            None => root.into(),
        },
    );
    if let Some(port) = service.port {
        out.insert("port".to_owned(), port.into());
    }
    if let Some(health) = &service.health {
        let mut check = Map::new();
        match &health.check {
            HealthCheck::Http { path } => check.insert("http".to_owned(), path.as_str().into()),
            HealthCheck::Tcp { port } => check.insert("tcp".to_owned(), (*port).into()),
            HealthCheck::Exec { command } => check.insert("exec".to_owned(), command.as_str().into()),
        };
        check.insert("every".to_owned(), format_duration(health.every).into());
        check.insert("timeout".to_owned(), format_duration(health.timeout).into());
        check.insert("unhealthy_after".to_owned(), health.unhealthy_after.into());
        check.insert("grace".to_owned(), format_duration(health.grace).into());
        out.insert("health".to_owned(), check.into());
    }
    out.insert("restart".to_owned(), service.restart.as_str().into());
    if let Some(bytes) = service.limits.memory_bytes {
        out.insert("limits".to_owned(), json!({ "memory": bytes }));
    }
    let mut env: Map<String, Value> =
        service.env.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    for (name, reference) in &service.secrets {
        env.insert(name.clone(), json!({ "secret": reference.to_string() }));
    }
    if !env.is_empty() {
        out.insert("env".to_owned(), env.into());
    }
    let stop =
        json!({ "signal": service.stop.signal.as_str(), "deadline": format_duration(service.stop.deadline) });
    out.insert("stop".to_owned(), stop);
    let mut value = json!({ "service": out });
    if !component.depends_on.is_empty() {
        value["depends_on"] = json!(component.depends_on);
    }
    value
}

fn spec(component: &Component, service: &Service, directory: &str) -> ServiceSpec {
    let mut value = started_with(component, service, directory);
    let digest = digest(&value);
    if let Some(path) = &component.telemetry.scrape {
        value["telemetry"] = json!({ "scrape": path });
    }
    let start = service.health.as_ref().map_or(START_UNCHECKED, |health| {
        health.grace.saturating_add(health.every.saturating_mul(health.unhealthy_after.saturating_add(1)))
    });
    let once = service.restart == mainstay_declare::Restart::Never;
    let facts = Facts { once, checked: service.health.is_some(), stop: service.stop.deadline, start };
    ServiceSpec { value, digest, port: service.port, facts }
}

/// What is declared of a component beside its service.
fn facts(component: &Component) -> Value {
    let mut out = Map::new();
    if let Some(text) = &component.description {
        out.insert("description".to_owned(), text.as_str().into());
    }
    out.insert("hosts".to_owned(), component.hosts.to_string().into());
    if !component.tags.is_empty() {
        out.insert("tags".to_owned(), json!(component.tags));
    }
    if component.service.is_none() {
        if !component.depends_on.is_empty() {
            out.insert("depends_on".to_owned(), json!(component.depends_on));
        }
        if let Some(path) = &component.telemetry.scrape {
            out.insert("telemetry".to_owned(), json!({ "scrape": path }));
        }
    }
    out.into()
}

impl Resources {
    /// All resources of a version, where it is placed so.
    pub(crate) fn of(version: Version<'_>, placement: &Placement) -> Self {
        let Declared { workload, procedures, triggers, rules, .. } = version.declared;
        let mut out = Self::default();
        for placed in &placement.services {
            out.placed.insert((placed.component.clone(), placed.host.clone()), placed.environment.clone());
            let key = (placed.component.clone(), placed.environment.clone());
            if let Entry::Vacant(place) = out.services.entry(key)
                && let Some(component) =
                    workload.component_in(placed.environment.as_deref(), &placed.component)
                && let Some(service) = &component.service
            {
                place.insert(spec(component, service, version.directory));
            }
        }
        let running: BTreeMap<&str, ()> =
            placement.services.iter().map(|placed| (placed.component.as_str(), ())).collect();
        for (name, component) in &workload.components {
            if running.contains_key(name.as_str()) {
                out.only_services.insert(name.clone(), facts(component));
            } else {
                out.put(ResourceKind::Component, name, facts(component));
            }
        }
        let approval = version.declared.changes().approval;
        let own = json!({
            "title": workload.title,
            "owner": workload.owner,
            "tags": workload.tags,
            "variables": workload.variables,
            "changes": without_nulls(json!({
                "resources": approval.resources,
                "fields": approval.fields,
                "irreversible": approval.irreversible.then_some(true),
            })),
        });
        let mut own = own;
        if !workload.sources.is_empty() {
            own["sources"] = workload.sources.iter().map(|(name, one)| (name.clone(), source(one))).collect();
        }
        if !workload.webhooks.is_empty() {
            own["webhooks"] =
                workload.webhooks.iter().map(|(name, one)| (name.clone(), webhook(one))).collect();
        }
        out.put(ResourceKind::Workload, &workload.name, without_nulls(own));
        for (name, environment) in &workload.environments {
            let value = json!({
                "hosts": environment.hosts.to_string(),
                "tags": environment.tags,
                "variables": environment.variables,
            });
            out.put(ResourceKind::Environment, name, without_nulls(value));
        }
        for (at, priority) in workload.priorities.iter().enumerate() {
            let mut value = json!({
                "rank": at + 1,
                "measure": priority.measure,
                "target": priority.target.to_string(),
            });
            if !priority.components.is_empty() {
                value["components"] = json!(priority.components);
            }
            out.put(ResourceKind::Priority, &priority.goal, value);
        }
        for file in rules {
            out.rules(&file.path, &file.value);
        }
        for trigger in triggers.values() {
            out.put(ResourceKind::Trigger, &trigger.name, trigger.value.clone());
        }
        for procedure in procedures.values() {
            out.put(ResourceKind::Procedure, &procedure.name, procedure.value.clone());
        }
        out
    }

    /// The service of a component on a host, if it is placed there.
    pub(crate) fn service(&self, key: &ServiceKey) -> Option<&ServiceSpec> {
        let environment = self.placed.get(key)?;
        self.services.get(&(key.0.clone(), environment.clone()))
    }

    /// Every rule of a rule file; what its group says of all its rules counts as each rule's own.
    fn rules(&mut self, path: &str, value: &Value) {
        let groups = value.get("groups").or_else(|| value.get("spec").and_then(|spec| spec.get("groups")));
        for group in groups.and_then(Value::as_array).into_iter().flatten() {
            let name = group.get("name").and_then(Value::as_str).unwrap_or_default();
            let shared: Map<String, Value> = group
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| !matches!(key.as_str(), "name" | "rules"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            for rule in group.get("rules").and_then(Value::as_array).into_iter().flatten() {
                let (kind, of) = match (rule.get("alert"), rule.get("record")) {
                    (Some(of), _) => (ResourceKind::Alarm, of),
                    (None, Some(of)) => (ResourceKind::RecordingRule, of),
                    (None, None) => continue,
                };
                let mut rule = rule.clone();
                if let (Some(rule), false) = (rule.as_object_mut(), shared.is_empty()) {
                    rule.insert("group".to_owned(), shared.clone().into());
                }
                self.put(kind, &format!("{path}#{name}/{}", of.as_str().unwrap_or_default()), rule);
            }
        }
    }

    /// A second resource of the same name, which rules and priorities may have, is told apart by its number.
    fn put(&mut self, kind: ResourceKind, name: &str, value: Value) {
        let count = self.counts.entry((kind, name.to_owned())).or_default();
        let mut key = (kind, name.to_owned());
        loop {
            *count += 1;
            if *count > 1 {
                key.1 = format!("{name} #{count}");
            }
            if !self.declared.contains_key(&key) {
                break;
            }
        }
        self.declared.insert(key, value);
    }
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
    }
    value
}

/// A source of events, as plans compare it. Secrets are named by where they are.
fn source(source: &EventSource) -> Value {
    let signature = source.signature.as_ref();
    without_nulls(json!({
        "kind": source.kind.as_str(),
        "token": source.token.as_ref().map(ToString::to_string),
        "signature": signature.map(|signature| json!({
            "secret": signature.secret.to_string(),
            "scheme": match signature.scheme {
                Scheme::Standard => "standard",
                Scheme::Hex => "hmac-sha256-hex",
                Scheme::Base64 => "hmac-sha256-base64",
            },
            "header": signature.header,
            "prefix": signature.prefix,
        })),
        "type": source.event_type,
        "id_header": source.id_header,
    }))
}

/// A webhook, as plans compare it. Secrets are named by where they are.
fn webhook(one: &Webhook) -> Value {
    let text = |value: &TextOrSecret| match value {
        TextOrSecret::Text(text) => json!(text),
        TextOrSecret::Secret(reference) => json!({ "secret": reference.to_string() }),
    };
    let headers: Map<String, Value> =
        one.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    without_nulls(json!({
        "description": one.description,
        "url": text(&one.url),
        "ca": one.ca,
        "secret": one.secret.as_ref().map(ToString::to_string),
        "token": one.token.as_ref().map(ToString::to_string),
        "headers": headers,
        "payload": one.payload,
        "repeatable": one.repeatable.then_some(true),
        "timeout": format_duration(one.timeout),
        "parallel": one.parallel,
    }))
}
