//! The values of components in one environment.

use serde_json::Value;

use super::{Layer, Said, Settled, Tree, Values, defaults, entries, find};
use crate::Declared;
use crate::resolve_fill::{Place, place_in_component};
use crate::source::Source;
use crate::tree::{Node, NodeKind};
use crate::workload::environments::Layers;

/// Calls back for every value that is no mapping, with the way to it. A list is one value.
pub(super) fn leaves<'n>(node: &'n Node, path: &mut Vec<String>, each: &mut impl FnMut(&[String], &'n Node)) {
    match &node.kind {
        NodeKind::Map(entries) => {
            for entry in entries {
                path.push(entry.key.to_string());
                leaves(&entry.value, path, each);
                path.pop();
            }
        }
        _ => each(path, node),
    }
}

/// A value outside of components with its variables in place.
pub(super) fn filled(layers: &Layers<'_>, place: Option<&str>, node: &Node, source: &Source) -> Value {
    layers.filler(place).fill(node, |_| Place::Plain, source, &mut Vec::new()).to_value()
}

/// A component's tags: its own over the environment's over the workload's.
fn tags(file: &Tree, place: Option<&str>, name: &str, path: &str, out: &mut Values) {
    let environment = |place: &str| Layer::Environment(place.to_owned());
    let mut ways: Vec<(Vec<&str>, Layer)> = vec![(vec!["tags"], Layer::Workload)];
    if let Some(place) = place {
        ways.push((vec!["environments", place, "tags"], environment(place)));
    }
    ways.push((vec!["components", name, "tags"], Layer::Workload));
    if let Some(place) = place {
        ways.push((vec!["environments", place, "components", name, "tags"], environment(place)));
    }
    let mut keys: Vec<&str> = Vec::new();
    for (way, _) in &ways {
        keys.extend(entries(find(&file.root, way)).iter().map(|entry| entry.key.as_str()));
    }
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let said = ways.iter().filter_map(|(way, by)| {
            let node = find(&file.root, way)?.get(key)?;
            Some(file.said(&node.value, by.clone()))
        });
        super::settle(out, format!("{path}.tags.{key}"), said.collect());
    }
}

/// Adds the values of every component.
pub(super) fn settle(
    declared: &Declared,
    file: &Tree,
    layers: &Layers<'_>,
    place: Option<&str>,
    out: &mut Values,
) {
    let filler = layers.filler(place);
    for name in declared.workload.components.keys() {
        let Some((merged, _)) = layers.component(place, name) else { continue };
        let base = find(&file.root, &["components", name]);
        let over = place.and_then(|place| find(&file.root, &["environments", place, "components", name]));
        let start = format!("components.{name}");
        let full = filler.fill(&merged, place_in_component, &file.source, &mut Vec::new());
        leaves(&merged, &mut Vec::new(), &mut |path, node| {
            let keys: Vec<&str> = path.iter().map(String::as_str).collect();
            if keys.first() == Some(&"tags") {
                return;
            }
            let by = match (place, over.and_then(|over| find(over, &keys))) {
                (Some(place), Some(_)) => Layer::Environment(place.to_owned()),
                _ => Layer::Workload,
            };
            let mut said = Vec::new();
            if by != Layer::Workload
                && let Some(below) = base.and_then(|base| find(base, &keys))
            {
                let mut one = file.said(below, Layer::Workload);
                one.value = filler.fill(below, |_| Place::Plain, &file.source, &mut Vec::new()).to_value();
                said.push(one);
            }
            let mut one = file.said(node, by);
            let value = find(&full, &keys).map_or(Value::Null, Node::to_value);
            let written = (value != one.value).then(|| std::mem::replace(&mut one.value, value));
            said.push(one);
            let path = format!("{start}.{}", keys.join("."));
            super::settle(out, path.clone(), said);
            if let (Some(Value::String(written)), Some(settled)) = (written, out.get_mut(&path)) {
                settled.written = Some(written);
            }
        });
        tags(file, place, name, &start, out);
        let Some(component) = declared.workload.component_in(place, name) else { continue };
        for (path, value) in defaults::of(component) {
            out.entry(format!("{start}.{path}")).or_insert_with(|| Settled {
                value,
                written: None,
                by: Layer::Default,
                origin: None,
                over: Vec::<Said>::new(),
            });
        }
    }
}
