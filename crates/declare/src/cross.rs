//! Whether the files of a directory fit together.
//!
//! A file that is broken says nothing, and nothing that refers to it is called wrong: one mistake is one diagnostic.

mod calls;

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::Spot;
use mainstay_model::selector::contradiction;
use serde_json::{Map, Value};

use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, stem};
use crate::languages::{Languages, Named, ProcedureFacts};
use crate::read::{Content, File, Read};
use crate::source::Source;
use crate::standards::overrides::{advice, prefix};
use crate::tree::{Node, NodeKind, Scalar};
use crate::workload::procedures::is_procedure_name;

/// A procedure by name: its file, and what it says of itself if it could be read.
pub(crate) struct Known<'a> {
    pub file: &'a File,
    pub read: Option<&'a Read<ProcedureFacts>>,
}

/// Checks all files against each other. `paths` are all files of the directory, read or not.
pub(crate) fn check(files: &[File], paths: &BTreeSet<&str>, languages: &dyn Languages) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let procedures = procedures(files, &mut out);
    triggers(files, &procedures, webhooks(files).as_ref(), languages, &mut out);
    crate::procedures::check(files, &procedures, languages, &mut out);
    calls::check(files, &procedures, &mut out);
    alarms(files, &procedures, paths, &mut out);
    measures(files, &mut out);
    hosts(files, &mut out);
    out
}

fn bad_name(file: &File, what: &str) -> Option<Diagnostic> {
    let name = file.name();
    let good = is_procedure_name(name);
    (!good).then(|| {
        let message = format!("The file's name names the {what}, and `{name}` is not possible as one");
        file.source
            .error("bad-name", 0..0, message)
            .help("rename it: up to 128 letters, digits, `-`, `_` and `.`, starting with a letter or digit")
    })
}

fn procedures<'a>(files: &'a [File], out: &mut Vec<Diagnostic>) -> BTreeMap<&'a str, Known<'a>> {
    let mut known: BTreeMap<&str, Known<'_>> = BTreeMap::new();
    let is_one = |file: &&File| file.kind == Kind::Procedure && !matches!(file.content, Content::Overridden);
    for file in files.iter().filter(is_one) {
        out.extend(bad_name(file, "procedure"));
        if let Some(first) = known.get(file.name()) {
            let message = format!("There are two procedures called `{}`", file.name());
            let paths = [file.source.path.as_str(), first.file.source.path.as_str()];
            let help = advice(paths, "procedure", file.name()).unwrap_or_else(|| {
                "rename one of the files, as the file's name is the procedure's".to_owned()
            });
            out.push(
                file.source
                    .error("duplicate-procedure", 0..0, message)
                    .help(help)
                    .related(first.file.source.place(0..0, "first declared here")),
            );
            continue;
        }
        let read = match &file.content {
            Content::Procedure(read) => Some(read),
            _ => None,
        };
        known.insert(file.name(), Known { file, read });
    }
    known
}

pub(crate) fn unknown_procedure(
    source: &Source,
    node: &Node,
    named: &Named,
    procedures: &BTreeMap<&str, Known<'_>>,
) -> Diagnostic {
    let span = node.locate(&named.path, &named.spot, source);
    let message = format!("There is no procedure `{}`", named.name);
    let diagnostic =
        source.error("unknown-procedure", span, message).nearest(&named.name, procedures.keys().copied());
    match diagnostic.help {
        Some(_) => diagnostic,
        None => {
            let help = format!(
                "procedures are files of `runbooks/` and `playbooks/`: `{}.yaml` is not there",
                named.name
            );
            diagnostic.help(help)
        }
    }
}

/// The names of the webhooks. `None` where the workload's file is broken and may have more.
fn webhooks(files: &[File]) -> Option<BTreeSet<&str>> {
    let mut names = BTreeSet::new();
    for file in files {
        if let Content::Workload(_, workload) = &file.content {
            names.extend(workload.as_ref()?.webhooks.keys().map(String::as_str));
        }
    }
    Some(names)
}

fn unknown_webhook(source: &Source, node: &Node, named: &Named, webhooks: &BTreeSet<&str>) -> Diagnostic {
    let span = node.locate(&named.path, &named.spot, source);
    let message = format!("There is no webhook `{}`", named.name);
    let diagnostic =
        source.error("unknown-webhook", span, message).nearest(&named.name, webhooks.iter().copied());
    match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic.help(format!(
            "declare it in `mainstay.yaml`: `webhooks: {{ {}: {{ url: https://… }} }}`",
            named.name
        )),
    }
}

fn triggers(
    files: &[File],
    procedures: &BTreeMap<&str, Known<'_>>,
    webhooks: Option<&BTreeSet<&str>>,
    languages: &dyn Languages,
    out: &mut Vec<Diagnostic>,
) {
    let mut seen = BTreeMap::new();
    for file in files.iter().filter(|file| file.kind == Kind::Trigger) {
        let Content::Trigger(Read { node, facts: Some(facts), .. }) = &file.content else { continue };
        let (name, span) = match &facts.name {
            Some(named) => (named.name.as_str(), node.locate(&named.path, &named.spot, &file.source)),
            None => {
                out.extend(bad_name(file, "trigger"));
                (file.name(), 0..0)
            }
        };
        let place = file.source.place(span.clone(), "first declared here");
        if let Some(first) = seen.get(name) {
            let message = format!("There are two triggers called `{name}`");
            let first: crate::Related = std::clone::Clone::clone(first);
            let help = advice([&file.source.path, &first.path], "trigger", name);
            let diagnostic = file.source.error("duplicate-trigger", span, message).related(first);
            out.push(Diagnostic { help, ..diagnostic });
        } else {
            seen.insert(name, place);
        }
        for target in &facts.targets {
            if target.is_webhook {
                if let Some(webhooks) = webhooks.filter(|names| !names.contains(target.to.name.as_str())) {
                    out.push(unknown_webhook(&file.source, node, &target.to, webhooks));
                }
                continue;
            }
            match procedures.get(target.to.name.as_str()) {
                None => out.push(unknown_procedure(&file.source, node, &target.to, procedures)),
                Some(procedure) => {
                    let Some(parameters) = &target.parameters else { continue };
                    let help =
                        "give it in `Input` or `InputTransformer`, or give it a default in the procedure";
                    let (source, called, values) = (&file.source, &target.to, &target.values);
                    let given = Given { source, node, called, parameters, values };
                    given.names(procedure, help, out);
                    given.fit(procedure, languages, out);
                }
            }
        }
    }
}

/// What somebody who starts a procedure gives it.
pub(crate) struct Given<'a> {
    /// Where that stands.
    pub source: &'a Source,
    pub node: &'a Node,
    /// The procedure.
    pub called: &'a Named,
    /// The parameters.
    pub parameters: &'a [Named],
    /// The values of those that are written out.
    pub values: &'a Map<String, Value>,
}

impl Given<'_> {
    /// Whether these are parameters that the procedure takes, and all that it needs. `help` says where a missing one can be
    /// given.
    pub fn names(&self, procedure: &Known<'_>, help: &str, out: &mut Vec<Diagnostic>) {
        let Some(Read { node: document, facts: Some(facts), .. }) = procedure.read else { return };
        let (source, name) = (self.source, &self.called.name);
        let is_unknown = |parameter: &&Named| !facts.parameters.contains_key(&parameter.name);
        for parameter in self.parameters.iter().filter(is_unknown) {
            let span = self.node.locate(&parameter.path, &parameter.spot, source);
            let message = format!("The procedure `{name}` has no parameter `{}`", parameter.name);
            let known: Vec<&str> = facts.parameters.keys().map(String::as_str).collect();
            let diagnostic = source
                .error("unknown-parameter", span, message)
                .nearest(&parameter.name, known.iter().copied());
            out.push(match (&diagnostic.help, known.is_empty()) {
                (Some(_), _) => diagnostic,
                (None, true) => diagnostic.help("it has no parameters at all"),
                (None, false) => diagnostic.help(format!("its parameters are `{}`", known.join("`, `"))),
            });
        }
        let is_given = |name: &str| self.parameters.iter().any(|parameter| parameter.name == name);
        let missing = facts.parameters.iter().filter(|(name, facts)| facts.required && !is_given(name));
        for (parameter, _) in missing {
            let span = self.node.locate(&self.called.path, &self.called.spot, source);
            let message =
                format!("The procedure `{name}` requires the parameter `{parameter}`, which is not given");
            let declared = declaration(document, parameter, &procedure.file.source);
            out.push(
                source
                    .error("missing-parameter", span, message)
                    .help(help)
                    .related(procedure.file.source.place(declared, "declared here, without a default")),
            );
        }
    }

    /// Whether the values that are written out are ones that the parameters take.
    pub fn fit(&self, procedure: &Known<'_>, languages: &dyn Languages, out: &mut Vec<Diagnostic>) {
        let Some(Read { node: document, value, facts: Some(_) }) = procedure.read else { return };
        if self.values.is_empty() {
            return;
        }
        for (parameter, reason) in languages.unfit(value, self.values) {
            let Some(place) = self.parameters.iter().find(|place| place.name == parameter) else { continue };
            let span = self.node.locate(&place.path, &Spot::Value, self.source);
            let message = format!("The parameter `{parameter}` of `{}` {reason}", self.called.name);
            let declared = declaration(document, &parameter, &procedure.file.source);
            let declared = procedure.file.source.place(declared, "declared here");
            out.push(self.source.error("bad-value", span, message).related(declared));
        }
    }
}

/// Where a document declares a parameter.
fn declaration(document: &Node, parameter: &str, source: &Source) -> std::ops::Range<usize> {
    document.locate(&["parameters".into(), parameter.into()], &Spot::Key, source)
}

fn alarms(
    files: &[File],
    procedures: &BTreeMap<&str, Known<'_>>,
    paths: &BTreeSet<&str>,
    out: &mut Vec<Diagnostic>,
) {
    let mut seen: BTreeMap<&str, (&str, crate::Related)> = BTreeMap::new();
    for file in files {
        let Content::Rules(documents) = &file.content else { continue };
        for Read { node, facts, .. } in documents {
            for alert in facts.iter().flat_map(|facts| &facts.alerts) {
                let span = node.locate(&alert.name.path, &alert.name.spot, &file.source);
                match seen.get(alert.name.name.as_str()) {
                    // The same name within one file is how severities are written.
                    Some((path, first)) if *path != file.source.path => {
                        let message = format!("There are two alarms called `{}`", alert.name.name);
                        let help = advice([&file.source.path, path], "alarm", &alert.name.name);
                        let help = help.unwrap_or_else(|| {
                            "rename one of them, or put both in one file if they are levels of one alarm"
                                .to_owned()
                        });
                        out.push(
                            file.source
                                .error("duplicate-alarm", span, message)
                                .help(help)
                                .related(first.clone()),
                        );
                    }
                    Some(_) => {}
                    None => {
                        let place = file.source.place(span, "first declared here");
                        seen.insert(&alert.name.name, (&file.source.path, place));
                    }
                }
                for lead in alert.runbook.iter().chain(&alert.playbook) {
                    if leads_somewhere(&lead.name, prefix(&file.source.path), procedures, paths) {
                        continue;
                    }
                    if is_words(&lead.name) {
                        out.push(unknown_words(&file.source, node, lead, paths));
                        continue;
                    }
                    let named = Named { name: procedure_name(&lead.name).to_owned(), ..lead.clone() };
                    out.push(unknown_procedure(&file.source, node, &named, procedures));
                }
            }
        }
    }
}

/// `restore`, `procedure/restore`, `runbooks/restore.yaml` and `../runbooks/restore.yaml` are the same procedure.
fn procedure_name(text: &str) -> &str {
    let text = text.split('#').next().unwrap_or(text);
    let last = text.rsplit('/').next().unwrap_or(text);
    let is_file = [".yaml", ".yml", ".json", ".md"].iter().any(|extension| last.ends_with(extension));
    if is_file { stem(last) } else { last }
}

/// A runbook may also be words: a Markdown file of the directory.
fn is_words(text: &str) -> bool {
    inside(text).ends_with(".md")
}

/// The path in the directory that a text leads to.
fn inside(text: &str) -> &str {
    let path = text.split('#').next().unwrap_or(text);
    path.trim_start_matches("../").trim_start_matches("./")
}

fn unknown_words(source: &Source, node: &Node, lead: &Named, paths: &BTreeSet<&str>) -> Diagnostic {
    let span = node.locate(&lead.path, &lead.spot, source);
    let path = inside(&lead.name);
    let message = format!("There is no file `{path}` in this directory");
    let words = paths.iter().copied().filter(|path| path.ends_with(".md"));
    let diagnostic = source.error("unknown-procedure", span, message).nearest(path, words);
    match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic.help("name a procedure, or a Markdown file by its path in the directory"),
    }
}

fn leads_somewhere(
    text: &str,
    prefix: &str,
    procedures: &BTreeMap<&str, Known<'_>>,
    paths: &BTreeSet<&str>,
) -> bool {
    if !is_words(text) {
        return procedures.contains_key(procedure_name(text));
    }
    let path = inside(text);
    // A standard's alarm means a file of the standard, and may also mean one that every workload has.
    (!prefix.is_empty() && paths.contains(format!("{prefix}{path}").as_str())) || paths.contains(path)
}

/// A measure that reads a recorded series needs a rule that records it.
fn measures(files: &[File], out: &mut Vec<Diagnostic>) {
    let mut recorded = BTreeSet::new();
    for file in files.iter().filter(|file| file.kind == Kind::Rules) {
        let Content::Rules(documents) = &file.content else { return };
        for document in documents {
            let Some(facts) = &document.facts else { return };
            recorded.extend(facts.records.iter().map(String::as_str));
        }
    }
    for file in files {
        let Content::Workload(root, _) = &file.content else { continue };
        let priorities = root.get("priorities").map(|entry| &entry.value.kind);
        let Some(NodeKind::List(priorities)) = priorities else { continue };
        for measure in priorities.iter().filter_map(|priority| priority.get("measure")) {
            let NodeKind::Scalar(Scalar { text, .. }) = &measure.value.kind else { continue };
            for at in recorded_names(text) {
                let name = &text[at.clone()];
                if !recorded.contains(name) {
                    let span = measure.value.within(at.clone(), &file.source);
                    let message = format!("No rule file records `{name}`, so this measure has no data");
                    let diagnostic = file
                        .source
                        .warning("unknown-recording", span, message)
                        .nearest(name, recorded.iter().copied());
                    out.push(match diagnostic.help {
                        Some(_) => diagnostic,
                        None => diagnostic.help("add a rule with `record:` to a file of `alarms/`"),
                    });
                }
            }
        }
    }
}

/// Whether each service can run anywhere. Which hosts there are is not known here, but some selectors choose none
/// whatever their tags.
fn hosts(files: &[File], out: &mut Vec<Diagnostic>) {
    for file in files {
        let Content::Workload(root, Some(workload)) = &file.content else { continue };
        let place = |section: &str, name: &str| {
            let path = [section.into(), name.into(), "hosts".into()];
            root.locate(&path, &mainstay_model::Spot::Value, &file.source)
        };
        let mut possible = Vec::new();
        for (name, environment) in &workload.environments {
            match contradiction(&[&environment.hosts]) {
                Some(key) => {
                    let message = format!("No host can belong to `{name}`: no `{key}` fits all of this");
                    let span = place("environments", name);
                    out.push(file.source.warning("no-host", span, message));
                }
                None => possible.push((name, &environment.hosts)),
            }
        }
        for (name, component) in workload.components.iter().filter(|(_, c)| c.service.is_some()) {
            let span = place("components", name);
            // An environment may choose other hosts for a component.
            let in_environment = |environment: &str| {
                workload.component_in(Some(environment), name).map_or(&component.hosts, |one| &one.hosts)
            };
            let is_same = possible.iter().all(|(name, _)| *in_environment(name) == component.hosts);
            if is_same && let Some(key) = contradiction(&[&component.hosts]) {
                let message = format!("No host can run `{name}`: no `{key}` fits all of this");
                out.push(file.source.warning("no-host", span, message));
                continue;
            }
            let conflicts: Option<Vec<_>> = possible
                .iter()
                .map(|(name, hosts)| Some((*name, contradiction(&[in_environment(name), hosts])?)))
                .collect();
            let Some(conflicts) = conflicts.filter(|conflicts| !conflicts.is_empty()) else { continue };
            let message = format!("No host of any environment can run `{name}`");
            let mut diagnostic = file
                .source
                .warning("no-host", span, message)
                .help("a service runs on hosts that both its own `hosts` and those of an environment choose");
            for (environment, key) in conflicts {
                let words = format!("`{environment}` asks for another `{key}`");
                diagnostic = diagnostic.related(file.source.place(place("environments", environment), words));
            }
            out.push(diagnostic);
        }
    }
}

/// Where names with a `:` stand in an expression, which by convention are those of recording rules. Label matchers,
/// ranges (`[5m:1m]` has a colon too), texts and comments are left out.
fn recorded_names(expression: &str) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let mut chars = expression.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let until = match c {
            '"' | '\'' | '`' => c,
            '{' => '}',
            '[' => ']',
            '#' => '\n',
            c if c.is_ascii_alphanumeric() || matches!(c, '_' | ':') => {
                let mut end = at + 1;
                while chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || matches!(c, '_' | ':')).is_some() {
                    end += 1;
                }
                if expression[at..end].contains(':') && !c.is_ascii_digit() {
                    out.push(at..end);
                }
                continue;
            }
            _ => continue,
        };
        let mut quote = None;
        while let Some((_, c)) = chars.next() {
            match quote {
                // A brace inside a quoted label value closes nothing.
                Some(open) if c == open => quote = None,
                Some('`') => {}
                Some(_) if c == '\\' => drop(chars.next()),
                Some(_) => {}
                None if c == until => break,
                None if until == '}' && matches!(c, '"' | '\'' | '`') => quote = Some(c),
                None if c == '\\' && matches!(until, '"' | '\'') => drop(chars.next()),
                None => {}
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_series_are_found_by_their_colon() {
        let names = |text: &'static str| -> Vec<&str> {
            recorded_names(text).into_iter().map(|at| &text[at]).collect()
        };
        assert_eq!(names("shop:a:ratio"), ["shop:a:ratio"]);
        assert_eq!(names("sum(job:x{l=\"a:b}\"}[5m:1m]) / up # c:d\n* e:f"), ["job:x", "e:f"]);
        assert_eq!(names("x{l=~'\\'}:'} + \"p:q\" + `r:\\` + s:t"), ["s:t"]);
        assert_eq!(names("rate(http_requests_total[5m])"), Vec::<&str>::new());
        assert_eq!(names("\"é:ü"), Vec::<&str>::new());
    }

    #[test]
    fn a_runbook_is_named_in_several_ways() {
        for text in ["restore", "procedure/restore", "runbooks/restore.yaml", "../runbooks/restore.yml#step"]
        {
            assert_eq!(procedure_name(text), "restore", "{text}");
        }
        assert_eq!(procedure_name("restore.v2"), "restore.v2");
    }
}
