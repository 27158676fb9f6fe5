//! What procedures refer to: other procedures, attached files, alarms and integrations of the workload.

use std::collections::{BTreeMap, BTreeSet};

use crate::SourceFile;
use crate::cross::{Given, Known, unknown_procedure};
use crate::diagnostic::Diagnostic;
use crate::languages::{CallFacts, Languages, Named, ProcedureFacts};
use crate::read::{Content, File, Read};
use crate::source::Source;
use crate::tree::Node;

/// What a language of procedures is called.
fn language(is_command: bool) -> &'static str {
    if is_command { "a Command document" } else { "an Automation document" }
}

/// Checks what procedures say of each other and of the workload.
pub(crate) fn check(
    files: &[File],
    procedures: &BTreeMap<&str, Known<'_>>,
    languages: &dyn Languages,
    out: &mut Vec<Diagnostic>,
) {
    let alarms = alarms(files);
    let integrations = integrations(files);
    for (file, Read { node, facts, .. }) in readable(files) {
        let Some(facts) = facts else { continue };
        let source = &file.source;
        for call in &facts.calls {
            called(source, node, call, procedures, languages, out);
        }
        for document in facts.documents.iter().filter(|one| !procedures.contains_key(one.name.as_str())) {
            out.push(unknown_procedure(source, node, document, procedures));
        }
        if let Some(alarms) = &alarms {
            for alarm in facts.alarms.iter().filter(|alarm| !alarms.contains(alarm.name.as_str())) {
                let known = alarms.iter().copied();
                out.push(
                    unknown(source, node, alarm, "unknown-alarm", "alarm", known)
                        .or_help("alarms are the rules with `alert:` in the files of `alarms/`"),
                );
            }
        }
        if let Some(integrations) = &integrations {
            let is_unknown = |one: &&Named| !integrations.contains(one.name.as_str());
            for one in facts.integrations.iter().filter(is_unknown) {
                let known = integrations.iter().copied();
                out.push(
                    unknown(source, node, one, "unknown-integration", "integration", known)
                        .or_help("integrations are declared in `mainstay.yaml`, under `webhooks:`"),
                );
            }
        }
    }
}

fn readable(files: &[File]) -> impl Iterator<Item = (&File, &Read<ProcedureFacts>)> {
    files.iter().filter_map(|file| match &file.content {
        Content::Procedure(read) => Some((file, read)),
        _ => None,
    })
}

fn called(
    source: &Source,
    node: &Node,
    call: &CallFacts,
    procedures: &BTreeMap<&str, Known<'_>>,
    languages: &dyn Languages,
    out: &mut Vec<Diagnostic>,
) {
    let Some(known) = procedures.get(call.procedure.name.as_str()) else {
        return out.push(unknown_procedure(source, node, &call.procedure, procedures));
    };
    let Some(facts) = known.read.and_then(|read| read.facts.as_ref()) else { return };
    if facts.is_command != call.is_command {
        let span = node.locate(&call.procedure.path, &call.procedure.spot, source);
        let (is, wanted) = (language(facts.is_command), language(call.is_command));
        let message = format!("`{}` is {is}, and this runs {wanted}", call.procedure.name);
        let help = if call.is_command {
            "an Automation document is run by `aws:executeAutomation`"
        } else {
            "a Command document is run on hosts by `aws:runCommand`"
        };
        return out.push(source.error("wrong-language", span, message).help(help));
    }
    if let Some(parameters) = &call.parameters {
        let given = Given { source, node, called: &call.procedure, parameters, values: &call.values };
        given.names(known, "give it here, or give it a default there", out);
        given.fit(known, languages, out);
    }
}

fn unknown<'n>(
    source: &Source,
    node: &Node,
    named: &Named,
    code: &'static str,
    what: &str,
    known: impl Iterator<Item = &'n str>,
) -> Diagnostic {
    let span = node.locate(&named.path, &named.spot, source);
    source.error(code, span, format!("There is no {what} `{}`", named.name)).nearest(&named.name, known)
}

/// The names of all alarms; `None` if a file that may hold some could not be read.
fn alarms(files: &[File]) -> Option<BTreeSet<&str>> {
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| file.kind == crate::Kind::Rules) {
        match &file.content {
            Content::Rules(documents) => {
                for document in documents {
                    let facts = document.facts.as_ref()?;
                    names.extend(facts.alerts.iter().map(|alert| alert.name.name.as_str()));
                }
            }
            Content::Overridden => {}
            _ => return None,
        }
    }
    Some(names)
}

/// The names of all webhooks, which documents call integrations; `None` if the workload's file could not be read.
fn integrations(files: &[File]) -> Option<BTreeSet<&str>> {
    files.iter().find_map(|file| match &file.content {
        Content::Workload(_, Some(workload)) => Some(workload.webhooks.keys().map(String::as_str).collect()),
        _ => None,
    })
}

/// The attached files of all procedures by their paths, in the form in which they are kept. They lie beside their
/// documents.
pub(crate) fn attachments(
    files: &[File],
    by_path: &BTreeMap<&str, &SourceFile>,
    languages: &dyn Languages,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (file, Read { node, value, facts }) in readable(files) {
        for named in facts.iter().flat_map(|facts| &facts.files) {
            let path = beside(&file.source.path, &named.name);
            let span = node.locate(&named.path, &named.spot, &file.source);
            let Some(found) = by_path.get(path.as_str()) else {
                let message = format!("There is no file `{path}`");
                let names = by_path.keys().copied();
                out.push(
                    file.source
                        .error("bad-attachment", span, message)
                        .nearest(&path, names)
                        .or_help("attached files lie beside the document, in the same folder"),
                );
                continue;
            };
            match languages.attachment(value, &named.name, &found.bytes) {
                Ok(text) => drop(kept.insert(path, text)),
                Err(message) => out.push(file.source.error("bad-attachment", span, message)),
            }
        }
    }
    kept
}

/// The path of a file in the same folder as another.
pub fn beside(path: &str, name: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

impl Diagnostic {
    /// Help where there is none yet.
    fn or_help(self, help: &str) -> Self {
        match self.help {
            Some(_) => self,
            None => self.help(help),
        }
    }
}
