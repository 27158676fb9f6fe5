//! Environments and variables: which value a component has where.
//!
//! There is one order, and the last that says something wins:
//!
//! 1. what the component says,
//! 2. what the environment says of the component (`environments.NAME.components.COMPONENT`).
//!
//! In both, `${var.NAME}` stands for the value of a variable: what the environment's `variables` say, and else what the
//! workload's say. A mapping is merged key by key; a text, number or list replaces the whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::Reader;
use super::read::References;
use super::{Component, Environment, secrets};
use crate::resolve_fill::{self, Filler, Place, place_in_component};
use crate::shape;
use crate::tree::{Entry, Node, NodeKind, Scalar, Typed};

/// More environments than these are a mistake, and each is read whole.
const MAX_ENVIRONMENTS: usize = 100;

const DECLARED_IN: &str =
    "the workload's `variables`, with the value it has where no environment gives another";

/// One `mainstay.yaml` in layers.
pub(crate) struct Layers<'n> {
    components: &'n [Entry],
    /// The same by name, because each environment asks for each of them.
    by_name: BTreeMap<&'n str, &'n Node>,
    variables: &'n [Entry],
    environments: &'n [Entry],
}

fn entries<'n>(node: &'n Node, key: &str) -> &'n [Entry] {
    match node.get(key).map(|entry| &entry.value.kind) {
        Some(NodeKind::Map(entries)) => entries,
        _ => &[],
    }
}

impl<'n> Layers<'n> {
    /// The layers of a workload's root.
    pub fn of(root: &'n Node) -> Self {
        let components = entries(root, "components");
        Self {
            components,
            by_name: components.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect(),
            variables: entries(root, "variables"),
            environments: entries(root, "environments"),
        }
    }

    fn environment(&self, name: &str) -> Option<&'n Node> {
        self.environments.iter().find(|entry| entry.key == name).map(|entry| &entry.value)
    }

    /// Where a variable gets its value from in an environment.
    pub fn variable(&self, environment: Option<&str>, name: &str) -> Option<&'n Node> {
        let own = environment.and_then(|name| self.environment(name)).map(|node| entries(node, "variables"));
        let find = |entries: &'n [Entry]| entries.iter().find(|entry| entry.key == name);
        let declared = find(self.variables)?;
        Some(&own.and_then(find).unwrap_or(declared).value)
    }

    /// Every component as an environment has it, before its variables are filled in, with whether the environment says
    /// anything of it.
    pub fn component(&self, environment: Option<&str>, name: &str) -> Option<(Cow<'n, Node>, bool)> {
        let base = self.base(name)?;
        let over = environment
            .and_then(|environment| self.environment(environment))
            .and_then(|node| entries(node, "components").iter().find(|entry| entry.key == name));
        Some(match over {
            Some(over) => (Cow::Owned(merge(base, &known(&over.value), &mut Vec::new())), true),
            None => (Cow::Borrowed(base), false),
        })
    }

    /// A component as it is declared.
    fn base(&self, name: &str) -> Option<&'n Node> {
        self.by_name.get(name).copied()
    }

    /// The names of the components.
    pub fn components(&self) -> impl Iterator<Item = &'n str> {
        self.components.iter().map(|entry| entry.key.as_str())
    }

    /// The names of the environments.
    pub fn environments(&self) -> impl Iterator<Item = &'n str> {
        self.environments.iter().map(|entry| entry.key.as_str())
    }

    /// The values of the variables in an environment.
    pub fn filler(&self, environment: Option<&str>) -> Filler<'n> {
        let scalar = |node: &'n Node| matches!(node.kind, NodeKind::Scalar(_)).then_some(node);
        let values = self
            .variables
            .iter()
            .map(|entry| (entry.key.as_str(), self.variable(environment, &entry.key).and_then(scalar)))
            .collect();
        Filler { prefix: "var", values, declared_in: DECLARED_IN }
    }
}

/// What an environment can say of a component: the rest has been refused, and is not refused again for the component.
fn known(over: &Node) -> Node {
    let mut over = over.clone();
    if let NodeKind::Map(entries) = &mut over.kind {
        entries.retain(|entry| shape::OVERRIDE.key(&entry.key).is_some());
    }
    over
}

/// The one over the other.
fn merge<'n>(base: &'n Node, over: &'n Node, path: &mut Vec<&'n str>) -> Node {
    let (NodeKind::Map(below), NodeKind::Map(above)) = (&base.kind, &over.kind) else { return over.clone() };
    // Some keys are one choice: to say another is to take back the first.
    let choice: &[&str] = match path.as_slice() {
        ["service", "health"] => &["http", "tcp", "exec"],
        ["service", "env", _] => &["secret"],
        _ => &[],
    };
    let chosen = above.iter().any(|entry| choice.contains(&entry.key.as_str()));
    let mut out: Vec<Entry> = Vec::new();
    for entry in below {
        match above.iter().find(|other| other.key == entry.key) {
            Some(other) => {
                path.push(&entry.key);
                let value = merge(&entry.value, &other.value, path);
                path.pop();
                out.push(Entry { key: entry.key.clone(), key_span: other.key_span.clone(), value });
            }
            None if chosen && choice.contains(&entry.key.as_str()) => {}
            None => out.push(entry.clone()),
        }
    }
    let new = above.iter().filter(|entry| !below.iter().any(|other| other.key == entry.key));
    out.extend(new.cloned());
    Node { kind: NodeKind::Map(out), span: base.span.clone(), focus: base.focus.clone() }
}

/// Whether a value may name any variable.
fn mentions(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.text.contains("${"),
        NodeKind::List(items) => items.iter().any(mentions),
        NodeKind::Map(entries) => entries.iter().any(|entry| mentions(&entry.value)),
    }
}

/// Whether a value names one of these variables.
fn names_any(node: &Node, names: &BTreeSet<&str>) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => resolve_fill::references(&scalar.text, "var")
            .iter()
            .any(|found| !found.escaped && names.contains(&scalar.text[found.name.clone()])),
        NodeKind::List(items) => items.iter().any(|item| names_any(item, names)),
        NodeKind::Map(entries) => entries.iter().any(|entry| names_any(&entry.value, names)),
    }
}

/// Reads a mapping of variables.
pub(super) fn variables(reader: &Reader<'_>, node: &Node) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    for entry in reader.entries(node).unwrap_or_default() {
        let name = &entry.key;
        let fits = name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !fits {
            let message = format!("`{name}` is not a name for a variable");
            reader.push(
                reader
                    .error("bad-name", entry.key_span.clone(), message)
                    .help("such names have up to 64 letters, digits, `_` and `-`, and start with a letter"),
            );
        }
        let Some(text) = reader.written(&entry.value) else { continue };
        if !resolve_fill::references(&text, "var").is_empty() {
            let message = "The value of a variable cannot name another";
            let diagnostic = reader.error("bad-value", entry.value.focus.clone(), message);
            reader.push(diagnostic.help("use both where they are needed: `http://${var.host}:${var.port}`"));
        }
        secrets::warn_of_literal(reader, entry, false);
        out.insert(name.to_string(), entry.value.to_value());
    }
    out
}

/// Reads the environments. `layers` are those of the same file.
pub(super) fn read(
    reader: &Reader<'_>,
    layers: &Layers<'_>,
    references: &mut References,
) -> BTreeMap<String, Environment> {
    let mut out = BTreeMap::new();
    for (index, entry) in layers.environments.iter().enumerate() {
        if index == MAX_ENVIRONMENTS {
            let message = format!("A workload has at most {MAX_ENVIRONMENTS} environments");
            reader.push(reader.error("bad-value", entry.key_span.clone(), message));
            break;
        }
        reader.name(&entry.key, entry.key_span.clone(), "an environment");
        if let Some(environment) = environment(reader, layers, &entry.key, &entry.value, references) {
            out.insert(entry.key.to_string(), environment);
        }
    }
    out
}

fn environment(
    reader: &Reader<'_>,
    layers: &Layers<'_>,
    name: &str,
    node: &Node,
    references: &mut References,
) -> Option<Environment> {
    let fields = reader.fields(node, &shape::ENVIRONMENT)?;
    // A variable in it has been refused, and is no part of a selector.
    let plain =
        |node: &&Node| !matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.text.contains("${var."));
    let hosts = fields.required("hosts", "\"tag:environment=NAME\"").filter(plain);
    let hosts = hosts.and_then(|node| reader.selector(node));
    let tags = fields.get("tags").map(|node| super::read::tags(reader, node)).unwrap_or_default();
    let variables = fields.get("variables").map(|node| variables(reader, node)).unwrap_or_default();
    for entry in entries(node, "variables") {
        if !layers.variables.iter().any(|declared| declared.key == entry.key) {
            let message = format!("The workload declares no variable `{}`", entry.key);
            let known = layers.variables.iter().map(|declared| declared.key.as_str());
            let diagnostic =
                reader.error("unknown-variable", entry.key_span.clone(), message).nearest(&entry.key, known);
            reader.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!("declare it in {DECLARED_IN}")),
            });
        }
    }
    let overrides = fields.get("components").and_then(|node| reader.entries(node)).unwrap_or_default();
    for entry in overrides {
        override_of(reader, layers, entry, references);
    }
    let set: BTreeSet<&str> = variables.keys().map(String::as_str).collect();
    let filler = layers.filler(Some(name));
    let mut components = BTreeMap::new();
    let mut here = References::default();
    // The port of a component that is the same here as there.
    let ports: BTreeMap<String, _> =
        references.ports.iter().map(|port| (port.2.clone(), port.clone())).collect();
    for component in layers.components() {
        let Some((merged, said)) = layers.component(Some(name), component) else { continue };
        // A service that only an environment has was refused above.
        let has_service = |node: &Node| node.get("service").is_some();
        if has_service(&merged) && !layers.base(component).is_some_and(has_service) {
            continue;
        }
        if !said && !names_any(&merged, &set) {
            here.ports.extend(ports.get(component).map(|port| (*port).clone()));
            continue;
        }
        let place = format!(" in `{name}`");
        if let Some(read) = filled(reader, &filler, component, &merged, &place, &mut here) {
            components.insert(component.to_owned(), read);
        }
    }
    if !components.is_empty() {
        super::references::ports(reader, &here);
    }
    Some(Environment { hosts: hosts?, tags, variables, components })
}

/// Reads a component with its variables filled in.
pub(super) fn filled(
    reader: &Reader<'_>,
    filler: &Filler<'_>,
    name: &str,
    node: &Node,
    place: &str,
    references: &mut References,
) -> Option<Component> {
    // Most components name no variable; the whole text is not searched again for each.
    if !mentions(node) {
        return super::read::component(reader, name, node, references);
    }
    let mut problems = Vec::new();
    let full = filler.fill(node, place_in_component, reader.source, &mut problems);
    let before = reader.len();
    let component = super::read::component(reader, name, &full, references);
    let home = |name: &str, value: &Node| {
        reader.source.place(value.focus.clone(), format!("the value of `{name}`{place}"))
    };
    reader.since(before, |found| filler.point_home(node, &home, found));
    for problem in problems {
        reader.push(problem);
    }
    component
}

/// What an environment may say of a component, apart from the values, which are read where they are merged.
fn override_of(reader: &Reader<'_>, layers: &Layers<'_>, entry: &Entry, references: &mut References) {
    let Some(base) = layers.components.iter().find(|base| base.key == entry.key) else {
        references
            .named
            .push(super::fields::Spanned { text: entry.key.to_string(), span: entry.key_span.clone() });
        return;
    };
    reader.fields(&entry.value, &shape::OVERRIDE);
    if let Some(service) = entry.value.get("service")
        && base.value.get("service").is_none()
    {
        let message = format!("`{}` has no service that an environment could give other values", entry.key);
        reader.push(
            reader
                .error("bad-value", service.key_span.clone(), message)
                .help("declare the service at the component, and the `hosts` it has in each environment")
                .related(reader.source.place(base.key_span.clone(), "declared without a service here")),
        );
    }
}

/// A text outside of components and priorities cannot hold variables, and must not look as if it did.
pub(super) fn misplaced(reader: &Reader<'_>, root: &Node) {
    if !resolve_fill::is_used(reader.source, "var") {
        return;
    }
    let NodeKind::Map(entries) = &root.kind else { return };
    for entry in entries {
        match (entry.key.as_str(), &entry.value.kind) {
            ("components" | "variables", _) => {}
            ("standards", NodeKind::List(items)) => {
                for item in items {
                    let NodeKind::Map(keys) = &item.kind else { continue };
                    keys.iter()
                        .filter(|key| key.key != "parameters")
                        .for_each(|key| refuse(reader, &key.value));
                }
            }
            ("priorities", NodeKind::List(items)) => {
                for item in items {
                    let NodeKind::Map(keys) = &item.kind else { continue };
                    keys.iter().filter(|key| key.key != "target").for_each(|key| refuse(reader, &key.value));
                }
            }
            ("environments", NodeKind::Map(environments)) => {
                for environment in environments {
                    let NodeKind::Map(keys) = &environment.value.kind else { continue };
                    let other = |key: &&Entry| !matches!(key.key.as_str(), "components" | "variables");
                    keys.iter().filter(other).for_each(|key| refuse(reader, &key.value));
                }
            }
            _ => refuse(reader, &entry.value),
        }
    }
}

fn refuse(reader: &Reader<'_>, node: &Node) {
    match &node.kind {
        NodeKind::Scalar(Scalar { text, typed: Typed::Text, .. }) => {
            for found in resolve_fill::references(text, "var").iter().filter(|found| !found.escaped) {
                let message = "Variables cannot be used here";
                let span = node.within(found.whole.clone(), reader.source);
                reader.push(reader.error("misplaced-variable", span, message).help(
                    "they can in components, in the targets of priorities and in the parameters of standards",
                ));
            }
        }
        NodeKind::Scalar(_) => {}
        NodeKind::List(items) => items.iter().for_each(|item| refuse(reader, item)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| refuse(reader, &entry.value)),
    }
}

/// A priority is measured once for the whole workload, so its target takes the workload's values.
pub(super) fn target(reader: &Reader<'_>, layers: &Layers<'_>, node: &Node) -> Node {
    let why = "A priority is measured once for the whole workload, so its target";
    fill_once(reader, layers, node, why, "this target has the workload's value")
}

/// A standard's files are there once for the whole workload, so its parameters take the workload's values.
pub(crate) fn of_workload(reader: &Reader<'_>, layers: &Layers<'_>, node: &Node) -> Node {
    let NodeKind::Map(parameters) = &node.kind else { return node.clone() };
    let why = "A standard's files are there once for the whole workload, so this parameter";
    let there = "this parameter has the workload's value";
    let filled = parameters
        .iter()
        .map(|entry| Entry { value: fill_once(reader, layers, &entry.value, why, there), ..entry.clone() })
        .collect();
    Node { kind: NodeKind::Map(filled), ..node.clone() }
}

fn fill_once(reader: &Reader<'_>, layers: &Layers<'_>, node: &Node, why: &str, there: &str) -> Node {
    let mut problems = Vec::new();
    let filled = layers.filler(None).fill(node, |_| Place::Plain, reader.source, &mut problems);
    for problem in problems {
        reader.push(problem);
    }
    let NodeKind::Scalar(scalar) = &node.kind else { return filled };
    for found in resolve_fill::references(&scalar.text, "var").iter().filter(|found| !found.escaped) {
        let name = &scalar.text[found.name.clone()];
        for environment in layers.environments {
            let other = entries(&environment.value, "variables").iter().find(|entry| entry.key == name);
            let Some(other) = other else { continue };
            let message = format!("{why} takes no value of `{}`", environment.key);
            let place = reader.source.place(node.focus.clone(), there);
            reader.push(
                reader.source.warning("unused-variable", other.key_span.clone(), message).related(place),
            );
        }
    }
    filled
}

/// A variable that nothing names is most likely a slip of the pen.
pub(super) fn unused(reader: &Reader<'_>, layers: &Layers<'_>, root: &Node) {
    for entry in layers.variables {
        let name = BTreeSet::from([entry.key.as_str()]);
        let used = ["components", "environments", "priorities", "standards"]
            .iter()
            .filter_map(|key| root.get(key))
            .any(|entry| names_any(&entry.value, &name));
        if !used {
            let message = format!("Nothing names the variable `{}`", entry.key);
            let help = format!("write `${{var.{}}}` where its value belongs, or remove it", entry.key);
            let diagnostic = reader.source.warning("unused-variable", entry.key_span.clone(), message);
            reader.push(diagnostic.help(help));
        }
    }
}
