//! A workload's standards: their parameters get values, and their files are read with these in place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::definition::{self, Definition};
use super::{FOLDER, STANDARD_FILE, Standard, items, name_of, split};
use crate::SourceFile;
use crate::diagnostic::{Diagnostic, Related};
use crate::kind::{self, Kind, Role};
use crate::languages::Languages;
use crate::read::{Content, File};
use crate::resolve_fill::{self, Filler, Place};
use crate::source::Source;
use crate::tree::{self, Node, NodeKind};
use crate::workload::StandardUse;
use crate::workload::environments::{self, Layers};
use crate::workload::fields::Reader;
use crate::workload::standards::uses as read_uses;

/// The standards of a workload with their files.
#[derive(Default)]
pub(crate) struct Bound {
    /// Their files, values filled in. Those that say what a standard is are among them.
    pub files: Vec<File>,
    /// Those that could be read.
    pub standards: Vec<Standard>,
    /// What is wrong with how they are used.
    pub diagnostics: Vec<Diagnostic>,
    /// The values of each standard's parameters, as texts, for what is no YAML.
    pub texts: BTreeMap<String, BTreeMap<String, String>>,
    /// Where each standard's parameters get their values.
    places: BTreeMap<String, BTreeMap<String, Related>>,
}

impl Bound {
    /// Says with each problem that lies where a parameter of a standard stands where that gets its value: there it can
    /// be mended. `files` are those in which the problems are.
    pub fn point_home(&self, files: &[File], problems: &mut [Diagnostic]) {
        for problem in problems {
            let Some(places) = split(&problem.path).and_then(|(name, _)| self.places.get(name)) else {
                continue;
            };
            let file = files.iter().find(|file| file.source.path == problem.path);
            let text = file.and_then(|file| file.source.text.get(problem.span.clone())).unwrap_or_default();
            for found in resolve_fill::references(text, "standard").into_iter().filter(|found| !found.escaped)
            {
                if let Some(place) =
                    places.get(&text[found.name]).filter(|place| !problem.related.contains(place))
                {
                    problem.related.push(place.clone());
                }
            }
        }
    }
}

/// The standards that a workload uses, each with the node that says so.
pub(super) fn uses<'n>(reader: &Reader<'_>, root: &'n Node) -> Vec<(StandardUse, &'n Node)> {
    let Some(node) = root.get("standards") else { return Vec::new() };
    let read = read_uses(reader, &Layers::of(root), &node.value);
    let named = |name: &str| {
        let is = |item: &&Node| item.get("name").is_some_and(|entry| is_text(&entry.value, name));
        items(root, "standards").iter().find(is)
    };
    read.into_iter().filter_map(|one| named(&one.name).map(|node| (one, node))).collect()
}

fn is_text(node: &Node, text: &str) -> bool {
    matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.text == text)
}

/// Where a parameter's value stands.
struct Given {
    node: Node,
    place: Related,
}

/// Reads the standards of a workload, of which the other files were handed in by the same paths.
pub(crate) fn bind(
    by_path: &BTreeMap<&str, &SourceFile>,
    workload: &Source,
    root: &Node,
    languages: &dyn Languages,
) -> Bound {
    let mut out = Bound::default();
    // What is wrong with the entries themselves was said when the workload was read.
    let silent = Reader::new(workload);
    let layers = Layers::of(root);
    for (used, item) in uses(&silent, root) {
        let prefix = format!("{FOLDER}/{}/", used.name);
        let files: Vec<(&str, &SourceFile)> = by_path
            .range(prefix.as_str()..)
            .map_while(|(path, file)| Some((path.strip_prefix(prefix.as_str())?, *file)))
            .collect();
        let at = name_of(item).focus.clone();
        if files.is_empty() {
            let message = format!("The files of the standard `{}` are not here", used.name);
            let help = format!("its place is {}; it has to have a `{STANDARD_FILE}`", used.source);
            out.diagnostics.push(workload.error("no-standard", at, message).help(help));
            continue;
        }
        let Some((_, file)) = files.iter().find(|(path, _)| *path == STANDARD_FILE) else {
            let message = format!("The standard `{}` has no `{STANDARD_FILE}`", used.name);
            let mut help = format!("{STANDARD_FILE} has to begin with `standard: NAME` and `version: 1`");
            if files.iter().any(|(path, _)| *path == kind::WORKLOAD_FILE) {
                "this is a workload's directory; a standard's is another".clone_into(&mut help);
            }
            out.diagnostics.push(workload.error("no-standard", at, message).help(help));
            continue;
        };
        out.diagnostics.extend(crate::layout_of(files.iter().map(|(path, _)| *path), &prefix));
        let definition = File::of(file, Kind::Standard, languages);
        one(&mut out, &silent, &layers, &used, item, &definition, &files, languages);
        out.files.push(definition);
    }
    out
}

#[expect(clippy::too_many_arguments, reason = "one step of the loop above, of which it takes every part")]
fn one(
    out: &mut Bound,
    reader: &Reader<'_>,
    layers: &Layers<'_>,
    used: &StandardUse,
    item: &Node,
    file: &File,
    files: &[(&str, &SourceFile)],
    languages: &dyn Languages,
) {
    let Content::Standard(root, Some(definition)) = &file.content else {
        return out.files.extend(untold(files));
    };
    let given = item.get("parameters").map(|entry| environments::of_workload(reader, layers, &entry.value));
    let values = values(out, reader.source, item, given.as_ref(), definition, root, &file.source);
    if values.values().any(Option::is_none) {
        return out.files.extend(untold(files));
    }
    let filler = Filler {
        prefix: "standard",
        values: values
            .iter()
            .map(|(name, given)| (name.as_str(), given.as_ref().map(|given| &given.node)))
            .collect(),
        declared_in: "the `parameters` of `standard.yaml`",
    };
    let mut named = BTreeSet::new();
    let mut whole = true;
    for (path, file) in files {
        let text = String::from_utf8_lossy(&file.bytes);
        named.extend(
            resolve_fill::references(&text, "standard").into_iter().map(|found| text[found.name].to_owned()),
        );
        let Role::Read(kind) = kind::role_in_standard(path) else { continue };
        if kind == Kind::Standard {
            continue;
        }
        let read = filled(file, kind, &filler, &values, languages);
        whole &= !matches!(read.content, Content::Broken);
        out.files.push(read);
    }
    for name in definition.parameters.keys().filter(|name| whole && !named.contains(*name)) {
        let at = parameter_at(root, name).map_or(0..0, |(key, _)| key);
        let message = format!("Nothing in this standard names its parameter `{name}`");
        let help = format!("write `${{standard.{name}}}` where its value belongs, or remove it");
        out.diagnostics.push(file.source.warning("unused-variable", at, message).help(help));
    }
    let texts = values.iter().filter_map(|(name, given)| match &given.as_ref()?.node.kind {
        NodeKind::Scalar(scalar) => Some((name.clone(), scalar.text.to_string())),
        _ => None,
    });
    out.texts.insert(used.name.clone(), texts.collect());
    let places =
        values.iter().filter_map(|(name, given)| Some((name.clone(), given.as_ref()?.place.clone())));
    out.places.insert(used.name.clone(), places.collect());
    out.standards.push(Standard {
        name: used.name.clone(),
        source: used.source.clone(),
        definition: definition.clone(),
        parameters: values
            .into_iter()
            .filter_map(|(name, given)| Some((name, given?.node.to_value())))
            .collect::<BTreeMap<String, Value>>(),
    });
}

/// Without the values of its parameters, what a standard's files say is not known: only that they are there.
fn untold<'f>(files: &'f [(&str, &'f SourceFile)]) -> impl Iterator<Item = File> + 'f {
    files.iter().filter_map(|(path, file)| match kind::role_in_standard(path) {
        Role::Read(kind) if kind != Kind::Standard => Some(File::untold(file, kind)),
        _ => None,
    })
}

/// Where a parameter is declared: its key, and what it says.
fn parameter_at<'n>(root: &'n Node, name: &str) -> Option<(std::ops::Range<usize>, &'n Node)> {
    let entry = root.get("parameters")?.value.get(name)?;
    Some((entry.key_span.clone(), &entry.value))
}

/// The value of each parameter. `None` is one that is known and has no good value, which has been said.
fn values(
    out: &mut Bound,
    workload: &Source,
    item: &Node,
    given: Option<&Node>,
    definition: &Definition,
    root: &Node,
    source: &Source,
) -> BTreeMap<String, Option<Given>> {
    let entries = match given.map(|node| &node.kind) {
        Some(NodeKind::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    for entry in entries.iter().filter(|entry| !definition.parameters.contains_key(entry.key.as_str())) {
        let message = format!("The standard has no parameter `{}`", entry.key);
        let known: Vec<&str> = definition.parameters.keys().map(String::as_str).collect();
        let diagnostic = workload
            .error("unknown-parameter", entry.key_span.clone(), message)
            .nearest(&entry.key, known.iter().copied());
        out.diagnostics.push(match (&diagnostic.help, known.is_empty()) {
            (Some(_), _) => diagnostic,
            (None, true) => diagnostic.help("it has no parameters at all"),
            (None, false) => diagnostic.help(format!("its parameters are `{}`", known.join("`, `"))),
        });
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in &definition.parameters {
        let (declared, node) = parameter_at(root, name).map_or((0..0, root), |found| found);
        let declared = |words: &str| source.place(declared.clone(), words);
        let value = match entries.iter().find(|entry| entry.key == *name) {
            Some(entry) => {
                let reader = Reader::new(workload);
                let fits = definition::is_of(&reader, &entry.value, parameter.kind);
                let mut problems = reader.into_diagnostics();
                if fits && let Some(message) = parameter.refuses(&entry.value.to_value()) {
                    problems.push(workload.error("bad-value", entry.value.focus.clone(), message));
                }
                let is_good = problems.is_empty();
                let related = problems.into_iter().map(|problem| problem.related(declared("declared here")));
                out.diagnostics.extend(related);
                let place = workload.place(entry.value.focus.clone(), format!("the value of `{name}`"));
                is_good.then(|| Given { node: entry.value.clone(), place })
            }
            None => match node.get("default") {
                Some(entry) => {
                    let words = format!("the value of `{name}`, which is the default");
                    let place = source.place(entry.value.focus.clone(), words);
                    Some(Given { node: entry.value.clone(), place })
                }
                None => {
                    let at =
                        item.get("parameters").map_or(name_of(item).focus.clone(), |e| e.key_span.clone());
                    let message = format!("The standard requires the parameter `{name}`, which is not given");
                    let help = match &parameter.description {
                        Some(text) => format!("add `{name}: …` to its `parameters`: {text}"),
                        None => format!("add `{name}: …` to its `parameters`"),
                    };
                    let diagnostic = workload.error("missing-parameter", at, message).help(help);
                    out.diagnostics.push(diagnostic.related(declared("declared here, without a default")));
                    None
                }
            },
        };
        values.insert(name.clone(), value);
    }
    values
}

/// Reads a file of a standard with the values of its parameters in place.
fn filled(
    file: &SourceFile,
    kind: Kind,
    filler: &Filler<'_>,
    values: &BTreeMap<String, Option<Given>>,
    languages: &dyn Languages,
) -> File {
    let (source, broken) = Source::read(file);
    if let Some(diagnostic) = broken {
        return File::broken(source, kind, diagnostic);
    }
    let mut parsed = tree::parse(&source);
    let mut problems = Vec::new();
    if resolve_fill::is_used(&source, "var") {
        parsed.documents.iter().for_each(|node| no_variables(node, &source, &mut problems));
    }
    if !resolve_fill::is_used(&source, filler.prefix) {
        let mut read = File::read(source, kind, parsed, languages);
        read.diagnostics.extend(problems);
        return read;
    }
    let before = std::mem::take(&mut parsed.documents);
    parsed.documents =
        before.iter().map(|node| filler.fill(node, |_| Place::Plain, &source, &mut problems)).collect();
    let mut read = File::read(source, kind, parsed, languages);
    let home = |name: &str, _: &Node| match values.get(name) {
        Some(Some(given)) => given.place.clone(),
        _ => read.source.place(0..0, ""),
    };
    for node in &before {
        filler.point_home(node, &home, &mut read.diagnostics);
    }
    read.diagnostics.extend(problems);
    read
}

/// A standard is shared by workloads with other variables, or with none.
fn no_variables(node: &Node, source: &Source, out: &mut Vec<Diagnostic>) {
    match &node.kind {
        NodeKind::Scalar(scalar) => {
            for found in resolve_fill::references(&scalar.text, "var").iter().filter(|found| !found.escaped) {
                let name = &scalar.text[found.name.clone()];
                let message = "A standard knows no variables of a workload";
                let help = format!(
                    "declare a parameter, write `${{standard.{name}}}`, and let the workload give it `${{var.{name}}}`"
                );
                let span = node.within(found.whole.clone(), source);
                out.push(source.error("misplaced-variable", span, message).help(help));
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| no_variables(item, source, out)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| no_variables(&entry.value, source, out)),
    }
}
