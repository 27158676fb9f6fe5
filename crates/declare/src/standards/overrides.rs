//! What of a standard a workload declares itself: the standard's own is left out.

use std::collections::BTreeSet;

use super::{FOLDER, Origin, items, rules_of, split};
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::languages::Languages;
use crate::read::{Content, File, RULE_TEXTS, Read};
use crate::source::Source;
use crate::tree::{Node, NodeKind, Scalar};
use crate::workload::fields::Reader;
use crate::workload::standards::{Override, override_of};

/// What of a standard was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    /// `alarm/NAME`, `trigger/NAME` or `procedure/NAME`.
    pub what: String,
    /// Where the standard declares it.
    pub origin: Origin,
    /// Why the workload does otherwise.
    pub because: String,
}

/// What of a workload's file [`apply`] looks at.
pub(crate) const KEYS: [&str; 2] = ["standards", "overrides"];

/// Leaves out what is overridden, and says which overrides override nothing.
pub(crate) fn apply(
    files: &mut [File],
    workload: &Source,
    root: &Node,
    languages: &dyn Languages,
) -> (Vec<Overridden>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let mut left_out = Vec::new();
    let silent = Reader::new(workload);
    let known: Vec<String> = items(root, "standards").iter().filter_map(name_of_use).collect();
    for item in items(root, "overrides") {
        let Some(wanted) = override_of(&silent, item) else { continue };
        let at = |key: &str| item.get(key).map_or(0..0, |entry| entry.value.focus.clone());
        if !known.contains(&wanted.standard) {
            let message = format!("This workload uses no standard `{}`", wanted.standard);
            let diagnostic = workload.error("unknown-standard", at("standard"), message);
            out.push(diagnostic.nearest(&wanted.standard, known.iter().map(String::as_str)));
            continue;
        }
        let is_in = |file: &File| split(&file.source.path).is_some_and(|(name, _)| name == wanted.standard);
        let mut theirs = BTreeSet::new();
        let mut is_declared_elsewhere = false;
        let mut is_sure = true;
        for file in files.iter() {
            let names = names(file, wanted.kind);
            is_sure &= names.is_some();
            match (is_in(file), names) {
                (true, Some(names)) => theirs.extend(names),
                (false, Some(names)) => is_declared_elsewhere |= names.contains(&wanted.name),
                (_, None) => {}
            }
        }
        let Override { standard, kind, name, .. } = &wanted;
        if !theirs.contains(name) {
            if is_sure {
                let message =
                    format!("The standard `{standard}` has no {kind} `{name}`, so this overrides nothing");
                let diagnostic = workload.error("overrides-nothing", at("name"), message);
                let diagnostic = diagnostic.nearest(name, theirs.iter().map(String::as_str));
                out.push(match diagnostic.help {
                    Some(_) => diagnostic,
                    None => diagnostic.help("remove this override"),
                });
            }
            continue;
        }
        if !is_declared_elsewhere && is_sure {
            let message = format!(
                "This workload declares no {kind} `{name}` of its own, so nothing overrides that of the standard"
            );
            let help = format!("declare it in a file of `{}/`, or remove this override", folder(kind));
            out.push(workload.error("overrides-nothing", at("name"), message).help(help));
            continue;
        }
        left_out.extend(leave_out(files, &is_in, &wanted, languages));
    }
    (left_out, out)
}

fn name_of_use(item: &Node) -> Option<String> {
    match &item.get("name")?.value.kind {
        NodeKind::Scalar(scalar) => Some(scalar.text.to_string()),
        _ => None,
    }
}

fn folder(kind: &str) -> &'static str {
    match kind {
        "alarm" => "alarms",
        "trigger" => "triggers",
        _ => "runbooks",
    }
}

/// What a file declares of a kind; `None` if it is too broken to tell.
fn names(file: &File, kind: &str) -> Option<BTreeSet<String>> {
    let mut out = BTreeSet::new();
    match (kind, file.kind, &file.content) {
        ("alarm", Kind::Rules, Content::Rules(documents)) => {
            out.extend(documents.iter().flat_map(|read| rules_of(&read.node)).filter_map(|(_, named)| {
                match &named.value.kind {
                    NodeKind::Scalar(scalar) if named.key == "alert" => Some(scalar.text.to_string()),
                    _ => None,
                }
            }));
        }
        ("trigger", Kind::Trigger, Content::Trigger(read)) => {
            let named = read.facts.as_ref()?.name.as_ref();
            out.insert(named.map_or_else(|| file.name().to_owned(), |named| named.name.clone()));
        }
        // A procedure is called as its file, whatever is in it.
        ("procedure", Kind::Procedure, _) => drop(out.insert(file.name().to_owned())),
        ("alarm", Kind::Rules, _) | ("trigger", Kind::Trigger, _) => return None,
        _ => {}
    }
    Some(out)
}

fn leave_out(
    files: &mut [File],
    is_in: &dyn Fn(&File) -> bool,
    wanted: &Override,
    languages: &dyn Languages,
) -> Vec<Overridden> {
    let mut out = Vec::new();
    for file in files.iter_mut().filter(|file| is_in(file)) {
        if !names(file, wanted.kind).is_some_and(|names| names.contains(&wanted.name)) {
            continue;
        }
        let mut line = 1;
        match &mut file.content {
            Content::Rules(documents) => {
                let first = documents.iter().flat_map(|read| rules_of(&read.node)).find(|(_, named)| {
                    named.key == "alert"
                        && matches!(&named.value.kind, NodeKind::Scalar(s) if s.text == wanted.name)
                });
                line = first.map_or(1, |(_, named)| file.source.line_col(named.key_span.start).line);
                for read in documents.iter_mut() {
                    let node = without_alarm(&read.node, &wanted.name);
                    let value = node.to_value_with_texts(&RULE_TEXTS);
                    // What is wrong with it was said when all of it was read.
                    let facts = languages.rules(&value).facts;
                    *read = Read { node, value, facts };
                }
            }
            // Its text stays part of the revision; it declares nothing.
            content => *content = Content::Overridden,
        }
        out.push(Overridden {
            what: format!("{}/{}", wanted.kind, wanted.name),
            origin: Origin::new(&file.source.path, line),
            because: wanted.because.clone(),
        });
    }
    out
}

/// A rule file without the rules of an alarm.
fn without_alarm(node: &Node, name: &str) -> Node {
    let is_it = |item: &Node| {
        let named = item.get("alert").map(|entry| &entry.value.kind);
        matches!(named, Some(NodeKind::Scalar(Scalar { text, .. })) if text == name)
    };
    let kind = match &node.kind {
        NodeKind::List(items) => NodeKind::List(
            items.iter().filter(|item| !is_it(item)).map(|item| without_alarm(item, name)).collect(),
        ),
        NodeKind::Map(entries) => NodeKind::Map(
            entries
                .iter()
                .map(|entry| crate::tree::Entry { value: without_alarm(&entry.value, name), ..entry.clone() })
                .collect(),
        ),
        NodeKind::Scalar(_) => return node.clone(),
    };
    Node { kind, ..node.clone() }
}

/// What to do about two of one name, where a standard has one of them.
pub(crate) fn advice(paths: [&str; 2], kind: &str, name: &str) -> Option<String> {
    let (standard, _) = paths.iter().find_map(|path| split(path))?;
    Some(format!(
        "if that of the standard is not to count, say so in `overrides`: `{{ standard: {standard}, kind: {kind}, name: {name}, because: … }}`"
    ))
}

/// The folder of the standard that a file is of, with a slash; empty for the workload's own.
pub(crate) fn prefix(path: &str) -> &str {
    split(path).map_or("", |(name, _)| path.get(..FOLDER.len() + name.len() + 2).unwrap_or_default())
}
