//! Every value as it counts, where it is said, and what it wins over.
//!
//! The order is that of the reader: default, standard, workload, environment; a variable has the environment's value,
//! else the workload's. Of limits for changes the stricter wins, whoever says it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::diagnostic::LineCol;
use crate::kind::WORKLOAD_FILE;
use crate::source::Source;
use crate::standards::{FOLDER, Origin, STANDARD_FILE};
use crate::tree::{self, Node, NodeKind};
use crate::workload::environments::Layers;
use crate::workload::looks_secret;
use crate::{Declared, SourceFile};

mod components;
mod defaults;

/// What is shown in place of a value that looks like a secret. References to secrets are shown as they are.
const HIDDEN: &str = "(hidden: it looks like a secret)";

/// The values in one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The environment; `None` in a workload without any.
    pub environment: Option<String>,
    /// The values, by path.
    pub values: BTreeMap<String, Settled>,
}

/// One value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// What counts.
    pub value: Value,
    /// The text that was written, where variables are filled in.
    pub written: Option<String>,
    /// Who says so.
    pub by: Layer,
    /// Where; `None` for a default that no file says.
    pub origin: Option<Origin>,
    /// What else is said, and does not count, the nearest to winning first.
    pub over: Vec<Said>,
}

/// A value that something says.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The value.
    pub value: Value,
    /// Who says so.
    pub by: Layer,
    /// Where.
    pub origin: Option<Origin>,
    /// Why it does not count, where somebody said that.
    pub because: Option<String>,
}

/// Who can say what a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// What counts where nobody says anything.
    Default,
    /// A standard, by its name in the workload.
    Standard(String),
    /// The workload, or a component of it.
    Workload,
    /// An environment.
    Environment(String),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Standard(name) => write!(f, "standard {name}"),
            Self::Workload => f.write_str("workload"),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// One file with its tree.
struct Tree {
    source: Source,
    root: Node,
}

impl Tree {
    fn of(sources: &BTreeMap<String, String>, path: &str) -> Option<Self> {
        let bytes = sources.get(path)?.clone().into_bytes();
        let (source, _) = Source::read(&SourceFile { path: path.to_owned(), bytes });
        let root = tree::parse(&source).documents.into_iter().find(|node| !node.is_null())?;
        Some(Self { source, root })
    }

    fn origin(&self, at: usize) -> Origin {
        let LineCol { line, .. } = self.source.line_col(at);
        Origin::new(&self.source.path, line)
    }

    /// What a node says.
    fn said(&self, node: &Node, by: Layer) -> Said {
        Said { value: node.to_value(), by, origin: Some(self.origin(node.focus.start)), because: None }
    }
}

/// Resolves a workload that was declared of these texts, in one environment or in each.
pub fn resolve(
    declared: &Declared,
    sources: &BTreeMap<String, String>,
    environment: Option<&str>,
) -> Vec<Resolved> {
    let Some(file) = Tree::of(sources, WORKLOAD_FILE) else { return Vec::new() };
    let all = declared.workload.environments.keys().map(|name| Some(name.as_str()));
    let mut places: Vec<Option<&str>> =
        all.filter(|place| environment.is_none() || *place == environment).collect();
    if declared.workload.environments.is_empty() {
        places.push(None);
    }
    let once = once(declared, sources, &file);
    places
        .into_iter()
        .map(|place| {
            let mut values = once.clone();
            let layers = Layers::of(&file.root);
            variables(&file, &layers, place, &mut values);
            if let Some(place) = place {
                environment_own(&file, place, &mut values);
            }
            components::settle(declared, &file, &layers, place, &mut values);
            hide(&mut values);
            Resolved { environment: place.map(str::to_owned), values }
        })
        .collect()
}

type Values = BTreeMap<String, Settled>;

/// Settles a value among what is said, of which the last counts.
fn settle(values: &mut Values, path: String, mut said: Vec<Said>) {
    let Some(Said { value, by, origin, .. }) = said.pop() else { return };
    said.reverse();
    values.insert(path, Settled { value, written: None, by, origin, over: said });
}

/// The node at the end of some keys.
fn find<'n>(root: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    keys.iter().try_fold(root, |node, key| node.get(key).map(|entry| &entry.value))
}

fn entries(node: Option<&Node>) -> &[tree::Entry] {
    match node.map(|node| &node.kind) {
        Some(NodeKind::Map(entries)) => entries,
        _ => &[],
    }
}

/// What is the same in every environment.
fn once(declared: &Declared, sources: &BTreeMap<String, String>, file: &Tree) -> Values {
    let mut out = Values::new();
    let layers = Layers::of(&file.root);
    for key in ["workload", "title", "owner"] {
        if let Some(node) = find(&file.root, &[key]) {
            settle(&mut out, key.to_owned(), vec![file.said(node, Layer::Workload)]);
        }
    }
    if let Some(NodeKind::List(items)) = find(&file.root, &["priorities"]).map(|node| &node.kind) {
        for (at, item) in items.iter().enumerate() {
            components::leaves(item, &mut vec![format!("priorities[{at}]")], &mut |path, node| {
                let mut said = file.said(node, Layer::Workload);
                let filled = components::filled(&layers, None, node, &file.source);
                let written = (filled != said.value).then(|| std::mem::replace(&mut said.value, filled));
                settle(&mut out, path.join("."), vec![said]);
                if let (Some(Value::String(written)), Some(settled)) = (written, out.get_mut(&path.join(".")))
                {
                    settled.written = Some(written);
                }
            });
        }
    }
    for standard in &declared.standards {
        let path = format!("{FOLDER}/{}/{STANDARD_FILE}", standard.name);
        let Some(definition) = Tree::of(sources, &path) else { continue };
        parameters(standard, &definition, file, &layers, &mut out);
    }
    changes(declared, sources, file, &mut out);
    for (what, origin) in &declared.origins {
        let by = origin.standard.clone().map_or(Layer::Workload, Layer::Standard);
        let over = declared.overridden.iter().filter(|one| one.what == *what).map(|one| Said {
            value: Value::String(what.clone()),
            by: one.origin.standard.clone().map_or(Layer::Workload, Layer::Standard),
            origin: Some(one.origin.clone()),
            because: Some(one.because.clone()),
        });
        let (kind, name) = what.split_once('/').unwrap_or(("", what));
        let settled = Settled {
            value: Value::String(name.to_owned()),
            written: None,
            by,
            origin: Some(origin.clone()),
            over: over.collect(),
        };
        out.insert(format!("{kind}s.{name}"), settled);
    }
    out
}

fn parameters(
    standard: &crate::Standard,
    definition: &Tree,
    file: &Tree,
    layers: &Layers<'_>,
    out: &mut Values,
) {
    let is_it = |item: &&Node| {
        let name = item.get("name").map(|entry| entry.value.to_value());
        name.is_some_and(|name| name == Value::String(standard.name.clone()))
    };
    let item = match find(&file.root, &["standards"]).map(|node| &node.kind) {
        Some(NodeKind::List(items)) => items.iter().find(is_it),
        _ => None,
    };
    let path = |name: &str| format!("standards.{}.parameters.{name}", standard.name);
    for name in standard.parameters.keys() {
        let mut said = Vec::new();
        if let Some(node) = find(&definition.root, &["parameters", name, "default"]) {
            said.push(definition.said(node, Layer::Standard(standard.name.clone())));
        }
        let given = item.and_then(|item| find(item, &["parameters", name]));
        let mut written = None;
        if let Some(node) = given {
            let mut one = file.said(node, Layer::Workload);
            let filled = components::filled(layers, None, node, &file.source);
            if filled != one.value {
                written = one.value.as_str().map(str::to_owned);
                one.value = filled;
            }
            said.push(one);
        }
        settle(out, path(name), said);
        if let Some(settled) = out.get_mut(&path(name)) {
            settled.written = written;
        }
    }
}

/// Of limits the stricter counts: the smaller number, and `true` of a flag. Of two that are the same the workload's.
fn changes(declared: &Declared, sources: &BTreeMap<String, String>, file: &Tree, out: &mut Values) {
    for key in ["resources", "fields", "irreversible"] {
        let keys = ["changes", "approval", key];
        let mut said: Vec<Said> =
            find(&file.root, &keys).map(|node| file.said(node, Layer::Workload)).into_iter().collect();
        for standard in &declared.standards {
            let path = format!("{FOLDER}/{}/{STANDARD_FILE}", standard.name);
            let Some(definition) = Tree::of(sources, &path) else { continue };
            if let Some(node) = find(&definition.root, &keys) {
                said.push(definition.said(node, Layer::Standard(standard.name.clone())));
            }
        }
        // Strict last; the sort keeps the order of equals, so it is turned around twice.
        said.reverse();
        said.sort_by_key(|said| match &said.value {
            Value::Bool(value) => u64::from(*value),
            value => u64::MAX - value.as_u64().unwrap_or(u64::MAX),
        });
        settle(out, keys.join("."), said);
    }
}

fn variables(file: &Tree, layers: &Layers<'_>, place: Option<&str>, out: &mut Values) {
    for entry in entries(find(&file.root, &["variables"])) {
        let mut said = vec![file.said(&entry.value, Layer::Workload)];
        if let Some(place) = place
            && let Some(node) = layers.variable(Some(place), &entry.key)
            && node.span != entry.value.span
        {
            said.push(file.said(node, Layer::Environment(place.to_owned())));
        }
        settle(out, format!("variables.{}", entry.key), said);
    }
}

/// The environment's hosts, and the tags that everything in it has.
fn environment_own(file: &Tree, place: &str, out: &mut Values) {
    if let Some(node) = find(&file.root, &["environments", place, "hosts"]) {
        let said = file.said(node, Layer::Environment(place.to_owned()));
        settle(out, "hosts".to_owned(), vec![said]);
    }
}

/// Values whose names are those of secrets are not shown, wherever they are said.
fn hide(values: &mut Values) {
    for (path, settled) in values.iter_mut() {
        let is_named =
            path.starts_with("variables.") || path.contains(".parameters.") || path.contains(".env.");
        let name = path.rsplit('.').next().unwrap_or_default();
        // `{ secret: … }` only says where it is.
        if is_named && name != "secret" && looks_secret(name) {
            let hidden = || Value::String(HIDDEN.to_owned());
            settled.value = hidden();
            settled.over.iter_mut().for_each(|said| said.value = hidden());
        }
        // What is filled in may be one, too.
        let names_secret = |written: &String| {
            crate::resolve_fill::references(written, "var")
                .iter()
                .any(|found| looks_secret(&written[found.name.clone()]))
        };
        if let Some(written) = settled.written.take_if(|written| names_secret(written)) {
            settled.value = Value::String(written);
        }
    }
}

#[cfg(test)]
mod tests;
