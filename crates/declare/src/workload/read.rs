//! `mainstay.yaml` from nodes to types.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use mainstay_model::{Problem, Selector, Tags};

use super::command::Template;
use super::environments::{self, Layers};
use super::fields::{Reader, Spanned};
use super::secrets::{self, SecretRef};
use super::{
    Comparison, Component, Health, HealthCheck, Limits, Priority, Restart, Service, Stop, StopSignal, Target,
    Telemetry, Workload, changes, edges, procedures, standards, webhooks,
};
use crate::diagnostic::Diagnostic;
use crate::languages::Languages;
use crate::shape;
use crate::source::Source;
use crate::tree::{Node, NodeKind, Scalar, Typed};

/// What was read, as far as it could be.
pub(crate) struct Read {
    /// `None` with any error.
    pub workload: Option<Workload>,
    pub diagnostics: Vec<Diagnostic>,
}

/// What is needed to check how the parts of a workload refer to each other.
#[derive(Default)]
pub(super) struct References {
    /// The components and where their names stand.
    pub components: BTreeMap<String, Range<usize>>,
    /// What each component depends on.
    pub depends_on: BTreeMap<String, Vec<Spanned>>,
    /// Components that priorities name.
    pub named: Vec<Spanned>,
    /// Ports, with the component and its hosts.
    pub ports: Vec<(u16, Range<usize>, String, Option<Selector>)>,
}

/// Reads `mainstay.yaml`.
pub(crate) fn read(source: &Source, root: &Node, languages: &dyn Languages) -> Read {
    let reader = Reader::new(source);
    let mut references = References::default();
    let workload = workload(&reader, root, languages, &mut references);
    super::references::check(&reader, &references);
    let workload = workload.filter(|_| !reader.has_errors());
    // What is wrong with a component is wrong in each environment that has other values for a part of it.
    Read { workload, diagnostics: crate::diagnostic::in_order(reader.into_diagnostics()) }
}

fn workload(
    reader: &Reader<'_>,
    root: &Node,
    languages: &dyn Languages,
    references: &mut References,
) -> Option<Workload> {
    let fields = reader.fields(root, &shape::WORKLOAD)?;
    let name = fields
        .required("workload", "NAME")
        .and_then(|node| reader.text(node))
        .and_then(|text| reader.name(&text.text, text.span, "a workload"));
    let layers = Layers::of(root);
    let variables =
        fields.get("variables").map(|node| environments::variables(reader, node)).unwrap_or_default();
    environments::misplaced(reader, root);
    environments::unused(reader, &layers, root);
    let priorities = fields.get("priorities").and_then(|node| reader.list(node)).unwrap_or_default();
    let priorities: Vec<_> =
        priorities.iter().filter_map(|node| priority(reader, node, &layers, languages, references)).collect();
    let filler = layers.filler(None);
    let mut components = BTreeMap::new();
    let nodes = fields.get("components").map(|node| named(reader, node, "a component")).unwrap_or_default();
    for (name, node) in nodes {
        if let Some(component) = environments::filled(reader, &filler, &name, node, "", references) {
            components.insert(name, component);
        }
    }
    fields.get("environments").map(|node| reader.entries(node));
    let environments = environments::read(reader, &layers, references);
    let sources = fields.get("sources").map(|node| edges::sources(reader, node)).unwrap_or_default();
    let webhooks = webhooks::read(reader, fields.get("webhooks"), fields.get("integrations"));
    let changes = fields.get("changes").map(|node| changes::read(reader, node)).unwrap_or_default();
    let procedures = fields.get("procedures").map(|node| procedures::read(reader, node)).unwrap_or_default();
    let uses = fields.get("standards").map(|node| standards::uses(reader, &layers, node)).unwrap_or_default();
    let overrides =
        fields.get("overrides").map(|node| standards::overrides(reader, node)).unwrap_or_default();
    let places: Vec<&str> = layers.environments().collect();
    let tag_policy = fields
        .get("tag_policy")
        .map(|node| standards::tag_policy(reader, node, Some(&places)))
        .unwrap_or_default();
    // A component that could not be read is still declared, so that nothing else is called wrong for it.
    if let Some(Node { kind: NodeKind::Map(entries), .. }) = fields.get("components") {
        references.components = entries.iter().map(|e| (e.key.to_string(), e.key_span.clone())).collect();
    }
    let title = fields.text("title");
    let owner = fields.text("owner");
    let tags = fields.get("tags").map(|node| tags(reader, node)).unwrap_or_default();
    Some(Workload {
        name: name?,
        title,
        owner,
        tags,
        priorities,
        variables,
        environments,
        components,
        procedures,
        sources,
        webhooks,
        changes,
        standards: uses,
        overrides,
        tag_policy,
    })
}

/// The entries of a mapping whose keys are names.
pub(super) fn named<'n>(reader: &Reader<'_>, node: &'n Node, what: &str) -> Vec<(String, &'n Node)> {
    let entries = reader.entries(node).unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            // A bad name is said once; the rest of the entry is read all the same.
            reader.name(&entry.key, entry.key_span.clone(), what);
            (entry.key.to_string(), &entry.value)
        })
        .collect()
}

/// Tags: texts by texts.
pub(super) fn tags(reader: &Reader<'_>, node: &Node) -> Tags {
    let entries = reader.entries(node).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), reader.written(&entry.value)?))).collect()
}

fn priority(
    reader: &Reader<'_>,
    node: &Node,
    layers: &Layers<'_>,
    languages: &dyn Languages,
    references: &mut References,
) -> Option<Priority> {
    let fields = reader.fields(node, &shape::PRIORITY)?;
    let goal = fields.required("goal", "what matters, in a sentence").and_then(|node| reader.text(node));
    let measure = fields.required("measure", "a PromQL expression");
    let measure_text = measure.and_then(|node| reader.text(node));
    if let (Some(node), Some(text)) = (measure, &measure_text) {
        for problem in languages.query(&text.text) {
            reader.push(node.diagnostic(Problem { path: Vec::new(), ..problem }, reader.source));
        }
    }
    let target = fields.required("target", "\">= 0.99\"").and_then(|node| {
        let filled = environments::target(reader, layers, node);
        target(reader, &filled)
    });
    let components = fields.get("components").map(|node| reader.texts(node)).unwrap_or_default();
    references.named.extend(components.iter().cloned());
    Some(Priority {
        goal: goal?.text,
        measure: measure_text?.text,
        target: target?,
        components: components.into_iter().map(|text| text.text).collect(),
    })
}

fn target(reader: &Reader<'_>, node: &Node) -> Option<Target> {
    const SYMBOLS: [Comparison; 5] =
        [Comparison::AtLeast, Comparison::AtMost, Comparison::Equal, Comparison::Above, Comparison::Below];
    const HELP: &str =
        "write a comparison (`>=`, `>`, `<=`, `<`, `==`) and a number, in quotes: `\">= 0.995\"`";
    if let NodeKind::Scalar(Scalar { typed: Typed::Number(_), text, .. }) = &node.kind {
        let message = "A target says how to compare: a number alone does not".to_owned();
        let diagnostic = reader.error("bad-target", node.focus.clone(), message);
        reader.push(diagnostic.help(format!("write `\">= {text}\"` or `\"<= {text}\"`")));
        return None;
    }
    let text = reader.text(node)?.text;
    let lead = text.len() - text.trim_start().len();
    let found = SYMBOLS.into_iter().find(|comparison| text[lead..].starts_with(comparison.symbol()));
    let Some(comparison) = found else {
        let message = format!("`{text}` is not a target: expected a comparison first");
        reader.push(reader.error("bad-target", node.focus.clone(), message).help(HELP));
        return None;
    };
    let after = lead + comparison.symbol().len();
    let number = text[after..].trim();
    match crate::tree::scalar::number(number) {
        Typed::Number(value) => Some(Target { comparison, value: value.as_f64()? }),
        _ => {
            let at = text.len() - text[after..].trim_start().len();
            let span = node.within(at..at + number.len(), reader.source);
            let message = match number {
                "" => format!("Expected a number after `{}`", comparison.symbol()),
                _ => format!("Expected a number after `{}`, found `{number}`", comparison.symbol()),
            };
            let diagnostic = reader.error("bad-target", span, message);
            let help = if number.ends_with('%') { "write a ratio: `0.995` instead of `99.5%`" } else { HELP };
            reader.push(diagnostic.help(help));
            None
        }
    }
}

pub(super) fn component(
    reader: &Reader<'_>,
    name: &str,
    node: &Node,
    references: &mut References,
) -> Option<Component> {
    let fields = reader.fields(node, &shape::COMPONENT)?;
    let service_node = fields.get("service");
    let hosts_node = match service_node {
        Some(_) => fields.required("hosts", "\"*\"` for every host, or a selector such as `\"role=app\""),
        None => fields.get("hosts"),
    };
    let hosts = hosts_node.map(|node| reader.selector(node));
    let service = service_node.map(|node| service(reader, node));
    if let Some(node) = service_node.and_then(|node| node.get("port"))
        && let Some(port) = service.as_ref().and_then(|service| service.port)
    {
        references.ports.push((port, node.value.focus.clone(), name.to_owned(), hosts.clone().flatten()));
    }
    let depends_on = fields.get("depends_on").map(|node| reader.texts(node)).unwrap_or_default();
    references.depends_on.insert(name.to_owned(), depends_on.clone());
    let has_port = service_node.is_some_and(|node| node.get("port").is_some());
    let telemetry = fields.get("telemetry").map(|node| telemetry(reader, node, has_port));
    Some(Component {
        name: name.to_owned(),
        description: fields.text("description"),
        hosts: hosts.flatten().unwrap_or_else(Selector::any),
        tags: fields.get("tags").map(|node| tags(reader, node)).unwrap_or_default(),
        service: match service {
            Some(ReadService { service, .. }) => Some(service?),
            None => None,
        },
        telemetry: telemetry.unwrap_or_default(),
        depends_on: depends_on.into_iter().map(|text| text.text).collect(),
    })
}

fn telemetry(reader: &Reader<'_>, node: &Node, has_port: bool) -> Telemetry {
    let Some(fields) = reader.fields(node, &shape::TELEMETRY) else {
        return Telemetry::default();
    };
    let scrape = fields.get("scrape").and_then(|node| {
        needs_port(reader, node, has_port, "`scrape`");
        reader.url_path(node)
    });
    Telemetry { scrape }
}

fn needs_port(reader: &Reader<'_>, node: &Node, has_port: bool, what: &str) {
    if !has_port {
        let message = format!("{what} needs to know the port, and the component has no `service.port`");
        reader.push(
            reader.error("missing-key", node.focus.clone(), message).help("add `port:` to its service"),
        );
    }
}

/// A service as far as it could be read.
struct ReadService {
    port: Option<u16>,
    service: Option<Service>,
}

fn service(reader: &Reader<'_>, node: &Node) -> ReadService {
    let mut out = ReadService { port: None, service: None };
    let Some(fields) = reader.fields(node, &shape::SERVICE) else { return out };
    out.port = fields.get("port").and_then(|node| reader.port(node));
    let has_port = fields.get("port").is_some();
    let run = match fields.get("systemd") {
        // Said already.
        Some(_) => None,
        None => fields.required("run", "./bin/NAME"),
    };
    let run = run.and_then(|node| command(reader, node, has_port));
    let health = fields.get("health").map(|node| health(reader, node, has_port));
    let restart = fields.get("restart").map(|node| {
        reader.one_of(node, &[Restart::Always, Restart::OnFailure, Restart::Never].map(|r| (r.as_str(), r)))
    });
    let limits = fields.get("limits").map(|node| limits(reader, node));
    let (env, secrets) = fields.get("env").map(|node| env(reader, node, has_port)).unwrap_or_default();
    let directory = fields.get("directory").map(|node| reader.relative_path(node));
    let stop = fields.get("stop").map(|node| stop(reader, node));
    out.service = run.map(|run| Service {
        run,
        port: out.port,
        health: health.flatten(),
        restart: restart.flatten().unwrap_or_default(),
        limits: limits.unwrap_or_default(),
        env,
        secrets,
        directory: directory.flatten(),
        stop: stop.unwrap_or_default(),
    });
    out
}

fn command(reader: &Reader<'_>, node: &Node, has_port: bool) -> Option<Template> {
    let text = reader.text(node)?;
    reader.template(node, &text.text, |text| Template::command(text, has_port))
}

/// From what the agent can hold to in time, to a week, beyond which it is a mistake.
const EVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);
const WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

fn health(reader: &Reader<'_>, node: &Node, has_port: bool) -> Option<Health> {
    let fields = reader.fields(node, &shape::HEALTH)?;
    let checks: Vec<&str> =
        ["http", "tcp", "exec"].into_iter().filter(|key| fields.get(key).is_some()).collect();
    if checks.len() > 1 {
        let list = checks.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ");
        let span = node.get(checks[1]).map_or(node.focus.clone(), |entry| entry.key_span.clone());
        let message = format!("A health check tries one thing, and this has {list}");
        reader.push(reader.error("bad-value", span, message));
    } else if checks.is_empty() {
        let message = "A health check says what to try: `http`, `tcp` or `exec`";
        reader.push(reader.error("missing-key", node.focus.clone(), message).help("add `http: /healthz`"));
    }
    let http = fields.get("http").and_then(|node| {
        needs_port(reader, node, has_port, "An `http` check");
        reader.url_path(node).map(|path| HealthCheck::Http { path })
    });
    let tcp = fields.get("tcp").and_then(|node| reader.port(node)).map(|port| HealthCheck::Tcp { port });
    let exec = fields
        .get("exec")
        .and_then(|node| command(reader, node, has_port))
        .map(|command| HealthCheck::Exec { command });
    let duration = |key, range| fields.get(key).and_then(|node| reader.duration(node, range));
    let every = duration("every", EVERY).unwrap_or(Duration::from_secs(5));
    let timeout = duration("timeout", EVERY);
    if let (Some(node), Some(timeout)) = (fields.get("timeout"), timeout)
        && timeout > every
    {
        let message = format!(
            "A try may take longer than the time to the next one, which is {}",
            mainstay_model::format_duration(every)
        );
        reader.push(
            reader
                .error("bad-duration", node.focus.clone(), message)
                .help("make `timeout` shorter or `every` longer"),
        );
    }
    let unhealthy_after = fields.get("unhealthy_after").and_then(|node| reader.count(node, 1..=1000));
    Some(Health {
        check: http.or(tcp).or(exec)?,
        every,
        timeout: timeout.unwrap_or(Duration::from_secs(2)).min(every),
        unhealthy_after: unhealthy_after.unwrap_or(3),
        grace: duration("grace", WAIT).unwrap_or(Duration::from_secs(30)),
    })
}

fn limits(reader: &Reader<'_>, node: &Node) -> Limits {
    let fields = reader.fields(node, &shape::LIMITS);
    Limits { memory_bytes: fields.and_then(|fields| fields.get("memory")).and_then(|node| reader.size(node)) }
}

/// The variables of a service: those whose values are written, and those that are secrets.
type Env = (BTreeMap<String, Template>, BTreeMap<String, SecretRef>);

fn env(reader: &Reader<'_>, node: &Node, has_port: bool) -> Env {
    let entries = reader.entries(node).unwrap_or_default();
    let (mut plain, mut secret) = Env::default();
    for entry in entries {
        if !secrets::is_variable(&entry.key) {
            let message = format!("`{}` is not a name for an environment variable", entry.key);
            reader.push(
                reader
                    .error("bad-name", entry.key_span.clone(), message)
                    .help("such names have letters, digits and `_`, and do not start with a digit"),
            );
        }
        if matches!(entry.value.kind, NodeKind::Map(_)) {
            secret.extend(secrets::read(reader, &entry.value).map(|found| (entry.key.to_string(), found)));
            continue;
        }
        secrets::warn_of_literal(reader, entry, true);
        let value = reader
            .written(&entry.value)
            .and_then(|text| reader.template(&entry.value, &text, |text| Template::text(text, has_port)));
        plain.extend(value.map(|value| (entry.key.to_string(), value)));
    }
    (plain, secret)
}

fn stop(reader: &Reader<'_>, node: &Node) -> Stop {
    let default = Stop::default();
    let Some(fields) = reader.fields(node, &shape::STOP) else { return default };
    Stop {
        signal: fields
            .get("signal")
            .and_then(|node| reader.one_of(node, &StopSignal::ALL))
            .unwrap_or(default.signal),
        deadline: fields
            .get("deadline")
            .and_then(|node| reader.duration(node, WAIT))
            .unwrap_or(default.deadline),
    }
}
