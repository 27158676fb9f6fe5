//! Whether everything has the tags that the workload and its standards ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use mainstay_model::selector::contradiction;

use super::rules_of;
use crate::diagnostic::Diagnostic;
use crate::read::{Content, File};
use crate::source::Source;
use crate::tree::{Node, NodeKind};
use crate::workload::{TagRule, Workload};

/// So many of the things that share a wrong tag are pointed at.
const MAX_POINTED: usize = 3;

/// A rule and the file it stands in.
struct Rule<'a> {
    rule: &'a TagRule,
    source: &'a Source,
}

/// What is wrong with one tag at one place, and of what it is a tag, in which environments.
#[derive(Default)]
struct Fault {
    message: String,
    bearers: BTreeMap<String, (Range<usize>, BTreeSet<String>)>,
}

/// Checks the tags of everything that was read.
pub(crate) fn check(files: &[File]) -> Vec<Diagnostic> {
    let mut rules = Vec::new();
    let mut found = None;
    for file in files {
        let own = match &file.content {
            Content::Workload(root, Some(workload)) => {
                found = Some((&file.source, root, workload));
                &workload.tag_policy
            }
            Content::Standard(_, Some(definition)) => &definition.tag_policy,
            _ => continue,
        };
        rules.extend(own.iter().map(|rule| Rule { rule, source: &file.source }));
    }
    let Some((source, root, workload)) = found else { return Vec::new() };
    let mut out = Vec::new();
    for rule in &rules {
        let mut check = Check { rule, source, root, workload, faults: BTreeMap::new() };
        check.components();
        check.environments();
        check.workload();
        out.extend(check.diagnostics());
        out.extend(alarms(rule, files));
    }
    out
}

struct Check<'a> {
    rule: &'a Rule<'a>,
    source: &'a Source,
    root: &'a Node,
    workload: &'a Workload,
    /// By place.
    faults: BTreeMap<(usize, usize), Fault>,
}

/// The entry at the end of some keys.
fn find<'n>(root: &'n Node, keys: &[&str]) -> Option<(&'n Range<usize>, &'n Node)> {
    let mut at = None;
    let mut node = root;
    for key in keys {
        let entry = node.get(key)?;
        at = Some(&entry.key_span);
        node = &entry.value;
    }
    Some((at?, node))
}

impl<'a> Check<'a> {
    fn components(&mut self) {
        let places: Vec<Option<&str>> = match self.workload.environments.len() {
            0 => vec![None],
            _ => self.workload.environments.keys().map(|name| Some(name.as_str())).collect(),
        };
        for (name, component) in &self.workload.components {
            for place in &places {
                let hosts =
                    place.and_then(|place| self.workload.environments.get(place)).map(|one| &one.hosts);
                let here =
                    self.workload.component_in(*place, name).map_or(&component.hosts, |one| &one.hosts);
                // Where it can never run it needs no tag either.
                let never = hosts.is_some_and(|hosts| contradiction(&[hosts, here]).is_some());
                if never || !self.rule.rule.is_about("components", *place) {
                    continue;
                }
                let tags = self.workload.tags_of(*place, name);
                let mut ways = vec![vec!["components", name, "tags"]];
                if let Some(place) = place {
                    ways.insert(0, vec!["environments", place, "components", name, "tags"]);
                    ways.push(vec!["environments", place, "tags"]);
                }
                ways.push(vec!["tags"]);
                let bearer = find(self.root, &["components", name]).map_or(0..0, |(key, _)| key.clone());
                self.one(&format!("`{name}`"), bearer, *place, tags.0.get(&self.rule.rule.key), &ways);
            }
        }
    }

    fn environments(&mut self) {
        for (name, environment) in &self.workload.environments {
            if !self.rule.rule.is_about("environments", Some(name)) {
                continue;
            }
            let mut tags = self.workload.tags.clone();
            tags.0.extend(environment.tags.0.clone());
            let ways = [vec!["environments", name, "tags"], vec!["tags"]];
            let bearer = find(self.root, &["environments", name]).map_or(0..0, |(key, _)| key.clone());
            let what = format!("the environment `{name}`");
            self.one(&what, bearer, None, tags.0.get(&self.rule.rule.key), &ways);
        }
    }

    fn workload(&mut self) {
        if self.rule.rule.is_about("workload", None) {
            let bearer = find(self.root, &["workload"]).map_or(0..0, |(_, node)| node.focus.clone());
            let value = self.workload.tags.0.get(&self.rule.rule.key);
            self.one("the workload", bearer, None, value, &[vec!["tags"]]);
        }
    }

    /// Looks at one tag of one thing. `ways` lead to the tags that it may be among, the one that counts first.
    fn one(
        &mut self,
        what: &str,
        bearer: Range<usize>,
        environment: Option<&str>,
        value: Option<&String>,
        ways: &[Vec<&str>],
    ) {
        let rule = self.rule.rule;
        let (span, message) = match value {
            None if rule.required => {
                (bearer.clone(), format!("{} has no tag `{}`", sentence(what), rule.key))
            }
            Some(value) if !rule.allows(value) => {
                let written = ways.iter().find_map(|way| {
                    let way: Vec<&str> = way.iter().copied().chain([rule.key.as_str()]).collect();
                    find(self.root, &way)
                });
                let span = written.map_or(bearer.clone(), |(_, node)| node.focus.clone());
                (span, format!("`{value}` is not possible for the tag `{}`", rule.key))
            }
            _ => return,
        };
        let fault = self.faults.entry((span.start, span.end)).or_default();
        fault.message = message;
        let (_, places) = fault.bearers.entry(what.to_owned()).or_insert_with(|| (bearer, BTreeSet::new()));
        places.extend(environment.map(str::to_owned));
    }

    fn diagnostics(self) -> Vec<Diagnostic> {
        let all = self.workload.environments.len();
        let mut out = Vec::new();
        for ((start, end), fault) in self.faults {
            let places: BTreeSet<&str> =
                fault.bearers.values().flat_map(|(_, places)| places.iter().map(String::as_str)).collect();
            let mut message = fault.message;
            if !places.is_empty() && places.len() < all {
                let list = places.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                message = format!("{message} in {list}");
            }
            let mut diagnostic =
                self.source.error("tag-policy", start..end, message).help(advice(self.rule.rule));
            for (what, (bearer, _)) in fault.bearers.iter().take(MAX_POINTED) {
                if *bearer != (start..end) {
                    let place = self.source.place(bearer.clone(), format!("it is a tag of {what}"));
                    diagnostic = diagnostic.related(place);
                }
            }
            out.push(diagnostic.related(asked(self.rule)));
        }
        out
    }
}

/// The labels of alarms are their tags.
fn alarms(rule: &Rule<'_>, files: &[File]) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    if !rule.rule.is_about("alarms", None) {
        return out;
    }
    let key = rule.rule.key.as_str();
    for file in files {
        let Content::Rules(documents) = &file.content else { continue };
        for (node, named) in documents.iter().flat_map(|read| rules_of(&read.node)) {
            let NodeKind::Scalar(name) = &named.value.kind else { continue };
            if named.key != "alert" {
                continue;
            }
            let label = find(node, &["labels", key]).map(|(_, node)| node);
            let text = label.and_then(|node| match &node.kind {
                NodeKind::Scalar(scalar) => Some(scalar.text.as_str()),
                _ => None,
            });
            let (span, message) = match (label, text) {
                (None, _) if rule.rule.required => {
                    (named.value.focus.clone(), format!("The alarm `{}` has no label `{key}`", name.text))
                }
                // What a template makes of it is known when the alarm fires.
                (Some(label), Some(text)) if !text.contains("{{") && !rule.rule.allows(text) => {
                    (label.focus.clone(), format!("`{text}` is not possible for the label `{key}`"))
                }
                _ => continue,
            };
            let diagnostic = file.source.error("tag-policy", span, message).help(advice(rule.rule));
            out.push(diagnostic.related(asked(rule)));
        }
    }
    out
}

fn asked(rule: &Rule<'_>) -> crate::Related {
    let words = match &rule.rule.because {
        Some(because) => format!("asked for here: {because}"),
        None => "asked for here".to_owned(),
    };
    rule.source.place(rule.rule.span.clone(), words)
}

/// What the tag may be.
fn advice(rule: &TagRule) -> String {
    let list = rule.values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    let pattern = rule.pattern.as_ref().map(regex::Regex::as_str).unwrap_or_default();
    let pattern = pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern);
    match (rule.values.is_empty(), pattern.is_empty()) {
        (true, true) => format!("add `{}: …`", rule.key),
        (false, true) => format!("expected one of {list}"),
        (true, false) => format!("expected a text that fits `{pattern}`"),
        (false, false) => format!("expected one of {list} that fits `{pattern}`"),
    }
}

/// As the beginning of a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default() + chars.as_str()
}
