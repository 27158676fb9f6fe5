//! The documentation as one Markdown document.

use std::fmt::Write as _;

use serde_json::Value;

use super::html::{body_of, by_hand, bytes, restart};
use super::prose::{is_web, to_markdown, to_markdown_with};
use super::subject::{Documentation, Note, NoteState, Procedure, Step};
use super::words::{self, code, length};
use crate::markdown::{escape, table};

/// The place in this document where a thing is told, as readers of Markdown make it from its heading: `#alarm-slow`.
/// Names that they would write differently, or that differ in the size of letters alone, have none.
fn place(documentation: &Documentation, about: &str) -> Option<String> {
    let (kind, name) = about.split_once('/')?;
    let names: Vec<&String> = match kind {
        "component" => documentation.components.keys().collect(),
        "alarm" => documentation.alarms.keys().collect(),
        "trigger" => documentation.triggers.keys().collect(),
        "procedure" => documentation.procedures.keys().collect(),
        _ => return None,
    };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut same = names.iter().filter(|known| known.eq_ignore_ascii_case(name));
    let only = same.next().is_some_and(|known| *known == name) && same.next().is_none();
    (plain && only).then(|| format!("#{kind}-{}", name.to_ascii_lowercase()))
}

/// A name that leads to where its thing is told.
fn link(documentation: &Documentation, kind: &str, name: &str) -> String {
    match place(documentation, &format!("{kind}/{name}")) {
        Some(place) => format!("[{}]({place})", code(name)),
        None => code(name),
    }
}

fn links<'n>(
    documentation: &Documentation,
    kind: &str,
    names: impl IntoIterator<Item = &'n String>,
) -> String {
    names.into_iter().map(|name| link(documentation, kind, name)).collect::<Vec<_>>().join(", ")
}

/// What people write, with its links to things that are told here.
fn prose(documentation: &Documentation, text: &str) -> String {
    to_markdown_with(text, &|address| place(documentation, address)).trim().to_owned()
}

/// The document.
pub(super) fn document(documentation: &Documentation) -> String {
    let workload = &documentation.workload;
    let mut out = format!("# {}\n\n", escape(&workload.title));
    let mut facts = vec![format!("Workload {}", code(&workload.name))];
    facts.extend(workload.owner.as_deref().map(|owner| format!("owner {}", escape(owner))));
    if !workload.tags.is_empty() {
        let tags: Vec<String> =
            workload.tags.iter().map(|(key, value)| code(&format!("{key}={value}"))).collect();
        facts.push(format!("tags {}", tags.join(", ")));
    }
    let _ = writeln!(out, "{}.\n", facts.join("; "));
    if let Some(revision) = &documentation.revision {
        let _ = writeln!(
            out,
            "Revision {}, applied {} by {}.\n",
            code(&revision.revision),
            escape(&revision.applied_at),
            escape(&revision.applied_by)
        );
    }
    notes(&mut out, documentation, &workload.notes);
    priorities(&mut out, documentation);
    environments(&mut out, documentation);
    standards(&mut out, documentation);
    components(&mut out, documentation);
    alarms(&mut out, documentation);
    triggers(&mut out, documentation);
    for (name, one) in &documentation.procedures {
        procedure(&mut out, documentation, name, one);
    }
    history(&mut out, documentation);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn notes(out: &mut String, documentation: &Documentation, notes: &[Note]) {
    for note in notes {
        let mut text = String::new();
        if note.state == NoteState::Earlier {
            text.push_str("**Written for an earlier version.**");
            if !note.changed.is_empty() {
                let names: Vec<String> = note.changed.iter().map(|name| code(name)).collect();
                let _ = write!(text, " Changed since: {}.", names.join(", "));
            }
            text.push_str("\n\n");
        }
        text.push_str(&prose(documentation, &note.text));
        let _ = write!(text, "\n\nFrom {}", code(&note.file));
        for line in text.lines() {
            let _ = writeln!(out, "{}", format!("> {line}").trim_end());
        }
        out.push('\n');
    }
}

fn fenced(out: &mut String, language: &str, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(out, "{fence}{language}\n{}\n{fence}\n", text.trim_end());
}

fn rows(out: &mut String, heads: &[&str], rows: &[Vec<String>]) {
    if !rows.is_empty() {
        out.push_str(&table(heads, rows));
        out.push('\n');
    }
}

/// Code within a table's cell.
fn cell(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { code(text).replace('|', "\\|") }
}

fn priorities(out: &mut String, documentation: &Documentation) {
    if documentation.priorities.is_empty() {
        return;
    }
    out.push_str("## What matters\n\n");
    for (index, priority) in documentation.priorities.iter().enumerate() {
        let needs = links(documentation, "component", &priority.components);
        let needs = if needs.is_empty() { "every component".to_owned() } else { needs };
        let _ = writeln!(
            out,
            "{}. **{}**: {} should be {}. Needs {needs}.",
            index + 1,
            escape(&priority.goal),
            code(&priority.measure),
            code(&priority.target)
        );
    }
    out.push('\n');
}

fn standards(out: &mut String, documentation: &Documentation) {
    if documentation.standards.is_empty() {
        return;
    }
    out.push_str("## Standards\n\n");
    for (name, standard) in &documentation.standards {
        let words = standard.description.as_ref().map(|words| format!(": {}", escape(words)));
        let _ = write!(
            out,
            "- **{}** from {}{}",
            escape(name),
            code(&standard.source),
            words.unwrap_or_default()
        );
        let given: Vec<String> = standard
            .parameters
            .iter()
            .map(|(name, value)| format!("{} is {}", escape(name), code(value)))
            .collect();
        if !given.is_empty() {
            let _ = write!(out, " ({})", given.join(", "));
        }
        out.push('\n');
        for (what, because) in &standard.overridden {
            let _ = writeln!(out, "  - its {} does not count here: {}", code(what), escape(because));
        }
    }
    out.push('\n');
}

fn environments(out: &mut String, documentation: &Documentation) {
    if documentation.environments.is_empty() {
        return;
    }
    out.push_str("## Environments\n\n");
    let all: Vec<Vec<String>> = documentation
        .environments
        .iter()
        .map(|(name, environment)| vec![escape(name), cell(&environment.hosts)])
        .collect();
    rows(out, &["Environment", "Hosts"], &all);
}

fn components(out: &mut String, documentation: &Documentation) {
    if documentation.components.is_empty() {
        return;
    }
    out.push_str("## Components\n\n![Components and what they depend on](components.svg)\n\n");
    for (name, component) in &documentation.components {
        let _ = writeln!(out, "### Component {}\n", escape(name));
        if let Some(description) = &component.description {
            let _ = writeln!(out, "{}\n", escape(description));
        }
        notes(out, documentation, &component.notes);
        let list = |names: &[String]| {
            if names.is_empty() { "nothing".to_owned() } else { links(documentation, "component", names) }
        };
        let mut fact = |name: &str, text: Option<String>| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let _ = writeln!(out, "- {name}: {text}");
            }
        };
        fact("Endpoint", component.endpoint.as_deref().map(code));
        fact("Metrics", component.metrics.as_deref().map(code));
        fact(
            "Runs on hosts",
            Some(if component.hosts.is_empty() { "every host".to_owned() } else { code(&component.hosts) }),
        );
        fact("Needs", Some(list(&component.depends_on)));
        fact("Needed by", Some(list(&component.dependents)));
        fact(
            "Matters for",
            Some(component.priorities.iter().map(|goal| escape(goal)).collect::<Vec<_>>().join("; ")),
        );
        if let Some(service) = &component.service {
            fact("Command", Some(code(&service.run)));
            fact("Health", service.health.as_deref().map(to_markdown));
            fact("Restart", Some(restart(&service.restart).to_owned()));
            fact("Stop", Some(escape(&service.stop)));
            fact("Memory limit", service.memory_limit_bytes.map(bytes));
        }
        out.push('\n');
        let settings: Vec<Vec<String>> = component
            .configuration
            .iter()
            .map(|(key, setting)| {
                let value = match (&setting.secret, &setting.value) {
                    (Some(secret), _) => format!("secret {}", cell(secret)),
                    (None, Some(value)) => cell(value),
                    (None, None) => "not shown".to_owned(),
                };
                vec![cell(key), value]
            })
            .collect();
        rows(out, &["Variable", "Value"], &settings);
        for (place, there) in &component.environments {
            let differs: Vec<Vec<String>> = there
                .differences(component)
                .iter()
                .map(|(name, value)| vec![escape(name), cell(value)])
                .collect();
            if !differs.is_empty() {
                let _ = writeln!(out, "In {}:\n", escape(place));
                rows(out, &["What differs", "Value there"], &differs);
            }
        }
    }
}

fn alarms(out: &mut String, documentation: &Documentation) {
    if documentation.alarms.is_empty() && documentation.recordings.is_empty() {
        return;
    }
    out.push_str("## Alarms\n\n");
    for (name, alarm) in &documentation.alarms {
        let _ = writeln!(out, "### Alarm {}\n", escape(name));
        if let Some(summary) = &alarm.summary {
            let _ = writeln!(out, "{}\n", escape(&words::summary(summary)));
        }
        let _ = writeln!(out, "{}\n", to_markdown(&alarm.words));
        notes(out, documentation, &alarm.notes);
        for rule in &alarm.rules {
            fenced(out, "promql", &rule.expr);
            let labels: Vec<String> =
                rule.labels.iter().map(|(key, value)| code(&format!("{key}={value}"))).collect();
            let labels =
                if labels.is_empty() { String::new() } else { format!("; labels {}", labels.join(", ")) };
            let _ = writeln!(out, "Holds for {}{labels}; in {}.\n", length(&rule.r#for), code(&rule.file));
        }
        let mut answers: Vec<&String> = alarm.leads_to.iter().map(|way| &way.procedure).collect();
        answers.dedup();
        if !answers.is_empty() {
            let _ = writeln!(out, "Answer: {}.\n", links(documentation, "procedure", answers));
        }
        if let Some(runbook) = alarm.runbook.as_deref().filter(|runbook| is_web(runbook)) {
            let _ = writeln!(out, "Runbook: {}\n", code(runbook));
        }
    }
    let all: Vec<Vec<String>> = documentation
        .recordings
        .iter()
        .map(|(name, recording)| {
            vec![
                cell(name),
                format!(
                    "`{}`",
                    crate::sentence::plain(&recording.expr).replace('|', "\\|").replace('`', "'")
                ),
            ]
        })
        .collect();
    if !all.is_empty() {
        out.push_str("### Recorded series\n\n");
        rows(out, &["Series", "Expression"], &all);
    }
}

fn triggers(out: &mut String, documentation: &Documentation) {
    if documentation.triggers.is_empty() {
        return;
    }
    out.push_str("## Triggers\n\n");
    for (name, trigger) in &documentation.triggers {
        let _ = writeln!(out, "### Trigger {}\n\n{}\n", escape(name), to_markdown(&trigger.words));
        let starts = links(documentation, "procedure", trigger.starts.iter().map(|target| &target.procedure));
        let state = if trigger.enabled { "on" } else { "off" };
        let hooks: Vec<String> = trigger.sends_to.iter().map(|name| code(name)).collect();
        let does: Vec<String> = [("Starts", starts), ("Calls the webhooks", hooks.join(", "))]
            .into_iter()
            .filter(|(_, what)| !what.is_empty())
            .map(|(verb, what)| format!("{verb} {what}; "))
            .collect();
        let _ = writeln!(out, "{}{state}; in {}.\n", does.concat(), code(&trigger.file));
        notes(out, documentation, &trigger.notes);
    }
}

fn procedure(out: &mut String, documentation: &Documentation, name: &str, procedure: &Procedure) {
    let _ = writeln!(out, "## Procedure {}\n", escape(name));
    if let Some(description) = &procedure.description {
        let _ = writeln!(out, "{}\n", prose(documentation, description));
    }
    notes(out, documentation, &procedure.notes);
    let by = links(documentation, "trigger", &procedure.started_by);
    if !by.is_empty() {
        let _ = writeln!(out, "- Started by trigger {by}");
    }
    if !procedure.alarms.is_empty() {
        let _ = writeln!(out, "- Answers alarm {}", links(documentation, "alarm", &procedure.alarms));
    }
    let _ = writeln!(out, "- By hand: {}\n", code(&by_hand(name, procedure)));
    let parameters: Vec<Vec<String>> = procedure
        .parameters
        .iter()
        .map(|(key, parameter)| {
            let default = parameter.default.as_ref().map_or("required".to_owned(), |value| {
                cell(&match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
            });
            vec![
                cell(key),
                escape(&parameter.r#type),
                default,
                escape(parameter.description.as_deref().unwrap_or("-")),
            ]
        })
        .collect();
    rows(out, &["Parameter", "Type", "Default", "What for"], &parameters);
    for (index, step) in procedure.steps.iter().enumerate() {
        one_step(out, index, step);
    }
    if !procedure.outputs.is_empty() {
        let _ = writeln!(
            out,
            "Outputs: {}\n",
            procedure.outputs.iter().map(|output| code(output)).collect::<Vec<_>>().join(", ")
        );
    }
}

fn one_step(out: &mut String, index: usize, step: &Step) {
    let _ = writeln!(out, "### {}. {}\n", index + 1, escape(&step.name));
    if let Some(description) = &step.description {
        let _ = writeln!(out, "{}\n", to_markdown(description).trim());
    }
    let _ = writeln!(out, "{} {}\n", to_markdown(&step.words), to_markdown(&step.then));
    if let Some(text) = body_of(step) {
        let language = match step.inputs["Runtime"].as_str().unwrap_or("sh") {
            runtime if runtime.starts_with("python") => "python",
            _ => "sh",
        };
        fenced(out, language, &text);
    }
}

fn history(out: &mut String, documentation: &Documentation) {
    let Some(history) = &documentation.history else { return };
    out.push_str("## What happened\n\n");
    for incident in &history.incidents {
        let until = incident
            .resolved_at
            .as_deref()
            .map(|at| format!(", resolved {}", escape(at)))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "### Incident: {}\n\nOpened {}{until}; {}.\n",
            escape(&incident.title),
            incident.opened_at,
            escape(&incident.status)
        );
        for lesson in &incident.lessons {
            let _ = writeln!(out, "- {}", to_markdown(&crate::sentence::plain(lesson)));
        }
        out.push('\n');
    }
    let changes: Vec<Vec<String>> = history
        .changes
        .iter()
        .map(|change| {
            vec![
                escape(&change.applied_at),
                cell(&change.revision),
                escape(&change.applied_by),
                escape(change.message.as_deref().unwrap_or("-")),
            ]
        })
        .collect();
    rows(out, &["Applied", "Revision", "By", "Why"], &changes);
    let runs: Vec<Vec<String>> = history
        .runs
        .iter()
        .map(|run| {
            vec![escape(&run.started_at), cell(&run.procedure), escape(&run.status), escape(&run.started_by)]
        })
        .collect();
    rows(out, &["Started", "Procedure", "How it stands", "Started by"], &runs);
}
