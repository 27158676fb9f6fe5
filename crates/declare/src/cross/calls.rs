//! Whether procedures that start others get what they use of them, and none comes to start itself; and whether limits
//! are for procedures that are there.

use std::collections::BTreeMap;

use super::Known;
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::languages::{CallFacts, ProcedureFacts};
use crate::read::{Content, File, Read};
use crate::tree::{Node, NodeKind};

type Procedures<'a> = BTreeMap<&'a str, Known<'a>>;

fn facts<'a>(known: &Known<'a>) -> Option<(&'a Node, &'a ProcedureFacts)> {
    match known.read {
        Some(Read { node, facts: Some(facts), .. }) => Some((node, facts)),
        _ => None,
    }
}

/// Checks every step that starts another procedure, and the limits that are declared for procedures.
pub(super) fn check(files: &[File], procedures: &Procedures<'_>, out: &mut Vec<Diagnostic>) {
    for known in procedures.values() {
        let Some((node, facts)) = facts(known) else { continue };
        for call in facts.calls.iter().filter(|call| !call.is_command) {
            if let Some(other) = procedures.get(call.procedure.name.as_str()) {
                outputs(known.file, node, call, other, out);
            }
        }
    }
    circles(procedures, out);
    limits(files, procedures, out);
}

fn outputs(file: &File, node: &Node, call: &CallFacts, other: &Known<'_>, out: &mut Vec<Diagnostic>) {
    let Some((_, facts)) = facts(other) else { return };
    for used in call.outputs.iter().filter(|used| !facts.outputs.contains(&used.name)) {
        let span = node.locate(&used.path, &used.spot, &file.source);
        let name = &call.procedure.name;
        let message = format!("The procedure `{name}` has no output `{}`", used.name);
        let known = facts.outputs.iter().map(String::as_str);
        let diagnostic = file.source.error("unknown-output", span, message).nearest(&used.name, known);
        out.push(match (&diagnostic.help, facts.outputs.is_empty()) {
            (Some(_), _) => diagnostic,
            (None, true) => diagnostic.help("its document has no `outputs`"),
            (None, false) => diagnostic.help(format!("its outputs are `{}`", facts.outputs.join("`, `"))),
        });
    }
}

/// Procedures that would come to start themselves. One way round is reported once, at the step that closes it.
fn circles(procedures: &Procedures<'_>, out: &mut Vec<Diagnostic>) {
    // 1: on the way, 2: done.
    let mut state: BTreeMap<&str, u8> = BTreeMap::new();
    for start in procedures.keys().copied() {
        if state.contains_key(start) {
            continue;
        }
        state.insert(start, 1);
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((at, next)) = way.last_mut() {
            let at = *at;
            let known = &procedures[at];
            let call = facts(known).and_then(|(node, facts)| Some((node, facts.calls.get(*next)?)));
            let Some((node, call)) = call else {
                state.insert(at, 2);
                way.pop();
                continue;
            };
            *next += 1;
            if call.is_command {
                continue;
            }
            let target = &call.procedure;
            let Some((to, _)) = procedures.get_key_value(target.name.as_str()) else { continue };
            match state.get(to) {
                None => {
                    state.insert(to, 1);
                    way.push((to, 0));
                }
                Some(1) => {
                    let from = way.iter().position(|(name, _)| name == to).unwrap_or(0);
                    let mut round: Vec<&str> = way[from..].iter().map(|(name, _)| *name).collect();
                    round.push(to);
                    let span = node.locate(&target.path, &target.spot, &known.file.source);
                    let message = format!("Procedures start each other in a circle: {}", round.join(" -> "));
                    out.push(known.file.source.error("procedure-cycle", span, message).help(
                        "repeat steps with aws:loop, or let one of them end without starting the other",
                    ));
                }
                Some(_) => {}
            }
        }
    }
}

/// `procedures` of `mainstay.yaml` names procedures that are there.
fn limits(files: &[File], procedures: &Procedures<'_>, out: &mut Vec<Diagnostic>) {
    for file in files {
        let Content::Workload(root, _) = &file.content else { continue };
        let Some(NodeKind::Map(entries)) = root.get("procedures").map(|entry| &entry.value.kind) else {
            continue;
        };
        for entry in entries.iter().filter(|entry| !procedures.contains_key(entry.key.as_str())) {
            if !crate::workload::procedures::is_procedure_name(&entry.key) {
                continue;
            }
            let message = format!("There is no procedure `{}`", entry.key);
            let diagnostic = file
                .source
                .error("unknown-procedure", entry.key_span.clone(), message)
                .nearest(&entry.key, procedures.keys().copied());
            out.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!(
                    "procedures are files of `runbooks/` and `playbooks/`: `{}.yaml` is not there",
                    entry.key
                )),
            });
        }
        debug_assert_eq!(file.kind, Kind::Workload);
    }
}
