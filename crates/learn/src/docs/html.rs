//! The documentation as pages: no script, nothing loaded from elsewhere, readable from a folder as from a server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::diagram;
use super::prose::{Resolve, is_web, line_to_html, to_html};
use super::subject::{Alarm, Component, Documentation, Note, NoteState, Procedure, Standard, Step, Trigger};
use super::words;

/// The style sheet of all pages.
const STYLE: &str = include_str!("style.css");

/// A text as it stands in HTML, in an element or in a quoted attribute. What turns the direction of writing around, and
/// control characters, become spaces.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out
}

/// A name as the id of an element and as a fragment of an address: what is not plain becomes its code.
pub(super) fn anchor(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || c == '-' {
            out.push(c);
        } else {
            let _ = write!(out, "_{:x}_", c as u32);
        }
    }
    out
}

/// Every page by its path.
pub(super) fn pages(documentation: &Documentation) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    out.insert("style.css".to_owned(), STYLE.to_owned());
    let site = Site { documentation };
    out.insert("index.html".to_owned(), site.overview());
    for (name, component) in &documentation.components {
        out.insert(format!("components/{name}.html"), site.component(name, component));
    }
    for (name, procedure) in &documentation.procedures {
        out.insert(format!("procedures/{name}.html"), site.procedure(name, procedure));
    }
    if !documentation.alarms.is_empty() {
        out.insert("alarms.html".to_owned(), site.alarms());
    }
    if !documentation.triggers.is_empty() {
        out.insert("triggers.html".to_owned(), site.triggers());
    }
    if documentation.history.is_some() {
        out.insert("history.html".to_owned(), site.history());
    }
    out
}

struct Site<'a> {
    documentation: &'a Documentation,
}

/// The way from a page to the site's root.
fn up(path: &str) -> &'static str {
    if path.contains('/') { "../" } else { "" }
}

/// A row of a list of facts; nothing where there is nothing to say.
fn fact(name: &str, html: &str) -> String {
    if html.is_empty() { String::new() } else { format!("<div><dt>{name}</dt><dd>{html}</dd></div>\n") }
}

fn facts(rows: &[String]) -> String {
    let rows = rows.concat();
    if rows.is_empty() { rows } else { format!("<dl class=\"facts\">\n{rows}</dl>\n") }
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<code>{}</code>", escape(text)) }
}

fn block(text: &str) -> String {
    format!("<pre tabindex=\"0\"><code>{}</code></pre>\n", escape(text.trim_end()))
}

/// A standard: where it is, what it is for, what it was given, and what of it does not count.
fn standard(name: &str, standard: &Standard) -> String {
    let given: Vec<String> = standard
        .parameters
        .iter()
        .map(|(name, value)| format!("{} is {}", escape(name), code(value)))
        .collect();
    let given = if given.is_empty() { String::new() } else { format!(", {}", given.join(", ")) };
    let overridden = standard.overridden.iter().map(|(what, because)| {
        format!(
            "<br/><span class=\"quiet\">its {} does not count here: {}</span>",
            code(what),
            escape(because)
        )
    });
    format!(
        "{} <span class=\"quiet\">from {}{given}</span>{}",
        escape(name),
        code(&standard.source),
        overridden.collect::<String>()
    )
}

/// Code whose lines may be broken, as its form means nothing: a command, an expression.
fn line(text: &str) -> String {
    format!("<pre class=\"line\"><code>{}</code></pre>\n", escape(text.trim_end()))
}

/// When a service is started again, in words.
pub(super) fn restart(policy: &str) -> &'static str {
    match policy {
        "always" => "whenever it ends",
        "never" => "never",
        _ => "when it fails or is found unhealthy",
    }
}

pub(super) fn bytes(count: u64) -> String {
    for (unit, size) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if count >= size && count.is_multiple_of(size) {
            return format!("{} {unit}", count / size);
        }
    }
    format!("{count} bytes")
}

/// An instant to the minute; the exact one on hover.
fn instant(text: &str) -> String {
    let shown = match (text.get(..10), text.get(11..16)) {
        (Some(date), Some(time)) => format!("{date} {time} UTC"),
        _ => text.to_owned(),
    };
    format!("<time datetime=\"{0}\" title=\"{0}\">{1}</time>", escape(text), escape(&shown))
}

impl Site<'_> {
    /// Where a thing is shown, from the root: `component/checkout`, `alarm/X`.
    fn href(&self, about: &str) -> Option<String> {
        let known = self.documentation;
        match about.split_once('/') {
            None if about == "workload" => Some("index.html".to_owned()),
            Some(("component", name)) if known.components.contains_key(name) => {
                Some(format!("components/{name}.html"))
            }
            Some(("procedure", name)) if known.procedures.contains_key(name) => {
                Some(format!("procedures/{name}.html"))
            }
            Some(("alarm", name)) if known.alarms.contains_key(name) => {
                Some(format!("alarms.html#{}", anchor(name)))
            }
            Some(("trigger", name)) if known.triggers.contains_key(name) => {
                Some(format!("triggers.html#{}", anchor(name)))
            }
            _ => None,
        }
    }

    fn link(&self, from: &str, kind: &str, name: &str) -> String {
        match self.href(&format!("{kind}/{name}")) {
            Some(href) => format!("<a href=\"{}{}\">{}</a>", up(from), escape(&href), escape(name)),
            None => escape(name),
        }
    }

    fn links<'n>(&self, from: &str, kind: &str, names: impl IntoIterator<Item = &'n String>) -> String {
        names.into_iter().map(|name| self.link(from, kind, name)).collect::<Vec<_>>().join(", ")
    }

    fn prose(&self, from: &str, text: &str) -> String {
        let resolve: &Resolve<'_> = &|address| {
            if is_web(address) {
                return Some(address.to_owned());
            }
            self.href(address).map(|href| format!("{}{href}", up(from)))
        };
        to_html(text, resolve)
    }

    fn notes(&self, from: &str, notes: &[Note]) -> String {
        let mut out = String::new();
        for note in notes {
            let (class, says) = match note.state {
                NoteState::Current => ("note", String::new()),
                NoteState::Unknown => {
                    ("note", "<p class=\"quiet\">Not confirmed for this version yet.</p>\n".to_owned())
                }
                NoteState::Earlier => {
                    let changed = if note.changed.is_empty() {
                        String::new()
                    } else {
                        let names: Vec<String> = note.changed.iter().map(|name| code(name)).collect();
                        format!(" Changed since: {}.", names.join(", "))
                    };
                    (
                        "note earlier",
                        format!(
                            "<p class=\"flag\"><strong>Written for an earlier version.</strong>{changed}</p>\n"
                        ),
                    )
                }
            };
            let _ = write!(
                out,
                "<aside class=\"{class}\" aria-label=\"Note\">\n{says}{}<p class=\"source\">From {}</p>\n</aside>\n",
                self.prose(from, &note.text),
                code(&note.file)
            );
        }
        out
    }

    fn menu(&self, path: &str) -> String {
        let known = self.documentation;
        let entry = |href: String, name: &str, class: &str| {
            let here = if href == path { " aria-current=\"page\"" } else { "" };
            format!("<li{class}><a href=\"{}{}\"{here}>{}</a></li>\n", up(path), escape(&href), escape(name))
        };
        let mut out = format!(
            "<nav id=\"menu\" aria-label=\"Contents\">\n<ul>\n{}</ul>\n",
            entry("index.html".to_owned(), "Overview", "")
        );
        let mut group = |title: &str, kind: &str, names: Vec<&String>| {
            if names.is_empty() {
                return;
            }
            let _ = write!(out, "<h2>{title}</h2>\n<ul>\n");
            for name in names {
                if let Some(href) = self.href(&format!("{kind}/{name}")) {
                    out.push_str(&entry(href, name, ""));
                }
            }
            out.push_str("</ul>\n");
        };
        group("Components", "component", known.components.keys().collect());
        group("Alarms", "alarm", known.alarms.keys().collect());
        group("Triggers", "trigger", known.triggers.keys().collect());
        group("Procedures", "procedure", known.procedures.keys().collect());
        if known.history.is_some() {
            let _ = write!(
                out,
                "<h2>What happened</h2>\n<ul>\n{}</ul>\n",
                entry("history.html".to_owned(), "Changes, runs, incidents", "")
            );
        }
        out.push_str("</nav>\n");
        out
    }

    fn page(&self, path: &str, title: &str, kicker: &str, body: &str) -> String {
        let workload = &self.documentation.workload;
        let root = up(path);
        let revision = match &self.documentation.revision {
            Some(revision) => format!(
                "Revision {}, applied {} by {}.",
                code(&revision.revision),
                instant(&revision.applied_at),
                escape(&revision.applied_by)
            ),
            None => "Written from the files; nothing of what runs is in it.".to_owned(),
        };
        let whole = if title == workload.title {
            escape(title)
        } else {
            format!("{} · {}", escape(title), escape(&workload.title))
        };
        let kicker =
            if kicker.is_empty() { String::new() } else { format!("<p class=\"kicker\">{kicker}</p>\n") };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{whole}</title>\n<link rel=\"stylesheet\" href=\"{root}style.css\"/>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<header class=\"bar\"><a class=\"brand\" href=\"{root}index.html\">{}</a><a class=\"to-menu\" href=\"#menu\">Contents</a></header>\n<div class=\"frame\">\n<main id=\"content\">\n{kicker}<h1>{}</h1>\n{body}<footer><p>{revision} As data: <a href=\"{root}docs.json\">docs.json</a>, as one text: <a href=\"{root}docs.md\">docs.md</a>.</p></footer>\n</main>\n{}</div>\n</body>\n</html>\n",
            escape(&workload.title),
            escape(title),
            self.menu(path),
        )
    }

    fn overview(&self) -> String {
        let known = self.documentation;
        let workload = &known.workload;
        let path = "index.html";
        let tags: Vec<String> = workload
            .tags
            .iter()
            .map(|(key, value)| format!("<span class=\"tag\">{}={}</span>", escape(key), escape(value)))
            .collect();
        let environments: Vec<String> = known
            .environments
            .iter()
            .map(|(name, environment)| {
                format!("{} <span class=\"quiet\">on hosts {}</span>", escape(name), code(&environment.hosts))
            })
            .collect();
        let standards: Vec<String> = known.standards.iter().map(|(name, one)| standard(name, one)).collect();
        let mut body = facts(&[
            fact("Workload", &code(&workload.name)),
            fact("Owner", &escape(workload.owner.as_deref().unwrap_or_default())),
            fact("Environments", &environments.join("<br/>")),
            fact("Tags", &tags.join(" ")),
            fact("Standards", &standards.join("<br/>")),
        ]);
        body.push_str(&self.notes(path, &workload.notes));
        body.push_str(&self.earlier(path));
        if !known.priorities.is_empty() {
            body.push_str("<h2>What matters</h2>\n<ol class=\"goals\">\n");
            for priority in &known.priorities {
                let needs = self.links(path, "component", &priority.components);
                let needs = if needs.is_empty() { "every component".to_owned() } else { needs };
                let _ = writeln!(
                    body,
                    "<li><strong>{}</strong><p>{} should be {}. Needs {needs}.</p></li>",
                    escape(&priority.goal),
                    code(&priority.measure),
                    code(&priority.target)
                );
            }
            body.push_str("</ol>\n");
        }
        if known.components.is_empty() {
            body.push_str("<h2>Components</h2>\n<p>This workload declares no components yet. Add them under <code>components:</code> in <code>mainstay.yaml</code>.</p>\n");
        } else {
            body.push_str("<h2>Components</h2>\n");
            let _ = writeln!(
                body,
                "<figure><div class=\"scroll\" tabindex=\"0\">{}</div><figcaption>An arrow leads from a component to one it needs.</figcaption></figure>",
                diagram::draw(known, diagram::Kind::Inline)
            );
            let rows = known.components.iter().map(|(name, component)| {
                vec![
                    self.link(path, "component", name),
                    escape(component.description.as_deref().unwrap_or("")),
                    code(component.endpoint.as_deref().unwrap_or_default()),
                ]
            });
            body.push_str(&table(&["Component", "What it does", "Endpoint"], rows));
        }
        if !known.alarms.is_empty() {
            body.push_str("<h2>When something is wrong</h2>\n");
            let rows = known.alarms.iter().map(|(name, alarm)| {
                vec![
                    self.link(path, "alarm", name),
                    escape(&words::summary(alarm.summary.as_deref().unwrap_or(""))),
                    self.answers(path, alarm),
                ]
            });
            body.push_str(&table(&["Alarm", "What it means", "What answers"], rows));
        }
        self.page(path, &workload.title, "", &body)
    }

    /// What answers an alarm, in a cell.
    fn answers(&self, path: &str, alarm: &Alarm) -> String {
        let mut names: Vec<&String> = alarm.leads_to.iter().map(|way| &way.procedure).collect();
        names.dedup();
        match (&alarm.runbook, names.is_empty()) {
            (Some(runbook), true) if is_web(runbook) => {
                format!("<a href=\"{0}\">{0}</a>", escape(runbook))
            }
            (Some(runbook), true) => code(runbook),
            (None, true) => "<span class=\"quiet\">nothing</span>".to_owned(),
            _ => {
                let by_itself = alarm.leads_to.iter().any(|way| way.trigger.is_some());
                let how = if by_itself { "by itself" } else { "by hand" };
                format!("{} <span class=\"quiet\">{how}</span>", self.links(path, "procedure", names))
            }
        }
    }

    /// A list of what people wrote for an earlier version, so that it is seen without looking at every page.
    fn earlier(&self, path: &str) -> String {
        let known = self.documentation;
        let all = known
            .components
            .values()
            .flat_map(|item| &item.notes)
            .chain(known.alarms.values().flat_map(|item| &item.notes))
            .chain(known.triggers.values().flat_map(|item| &item.notes))
            .chain(known.procedures.values().flat_map(|item| &item.notes));
        let stale: Vec<String> = all
            .filter(|note| note.state == NoteState::Earlier)
            .filter_map(|note| {
                let name = note.about.split_once('/').map_or(note.about.as_str(), |(_, name)| name);
                self.href(&note.about)
                    .map(|href| format!("<a href=\"{}{}\">{}</a>", up(path), escape(&href), escape(name)))
            })
            .collect();
        if stale.is_empty() {
            return String::new();
        }
        format!(
            "<p class=\"flag\"><strong>Notes written for an earlier version:</strong> {}.</p>\n",
            stale.join(", ")
        )
    }

    fn component(&self, name: &str, component: &Component) -> String {
        let path = format!("components/{name}.html");
        let mut body = String::new();
        if let Some(description) = &component.description {
            let _ = writeln!(body, "<p class=\"lead\">{}</p>", escape(description));
        }
        let hosts = if component.hosts.is_empty() { "every host".to_owned() } else { code(&component.hosts) };
        let none = |html: String| {
            if html.is_empty() { "<span class=\"quiet\">nothing</span>".to_owned() } else { html }
        };
        body.push_str(&facts(&[
            fact("Endpoint", &code(component.endpoint.as_deref().unwrap_or_default())),
            fact("Metrics", &code(component.metrics.as_deref().unwrap_or_default())),
            fact("Runs on hosts", &hosts),
            fact("Needs", &none(self.links(&path, "component", &component.depends_on))),
            fact("Needed by", &none(self.links(&path, "component", &component.dependents))),
            fact(
                "Matters for",
                &component.priorities.iter().map(|goal| escape(goal)).collect::<Vec<_>>().join("<br/>"),
            ),
        ]));
        body.push_str(&self.notes(&path, &component.notes));
        if let Some(service) = &component.service {
            body.push_str("<h2>Service</h2>\n");
            body.push_str(&line(&service.run));
            body.push_str(&facts(&[
                fact("Working directory", &code(service.directory.as_deref().unwrap_or_default())),
                fact(
                    "Health",
                    &service.health.as_deref().map(line_to_html).unwrap_or_else(|| {
                        "<span class=\"quiet\">not checked: it counts as ready once it has started</span>"
                            .to_owned()
                    }),
                ),
                fact("Restart", restart(&service.restart)),
                fact("Stop", &escape(&service.stop)),
                fact("Memory limit", &service.memory_limit_bytes.map(bytes).unwrap_or_default()),
            ]));
        }
        if !component.configuration.is_empty() {
            body.push_str("<h2>Configuration</h2>\n");
            let rows = component.configuration.iter().map(|(key, setting)| {
                let value = match (&setting.secret, &setting.value) {
                    (Some(secret), _) => format!("<span class=\"tag\">secret</span> {}", code(secret)),
                    (None, Some(value)) => code(value),
                    (None, None) => "<span class=\"quiet\">not shown</span>".to_owned(),
                };
                vec![code(key), value]
            });
            body.push_str(&table(&["Variable", "Value"], rows));
        }
        for (place, there) in &component.environments {
            let rows = there.differences(component);
            if !rows.is_empty() {
                let _ = writeln!(body, "<h2>In {}</h2>", escape(place));
                body.push_str(&table(
                    &["What differs", "Value there"],
                    rows.iter().map(|(name, value)| vec![escape(name), code(value)]),
                ));
            }
        }
        self.page(&path, name, "Component", &body)
    }

    fn alarms(&self) -> String {
        let path = "alarms.html";
        let mut body = String::new();
        for (name, alarm) in &self.documentation.alarms {
            let _ = write!(body, "<section id=\"{}\">\n<h2>{}</h2>\n", anchor(name), escape(name));
            if let Some(summary) = &alarm.summary {
                let _ = writeln!(body, "<p class=\"lead\">{}</p>", escape(&words::summary(summary)));
            }
            let _ = writeln!(body, "<p>{}</p>", line_to_html(&alarm.words));
            body.push_str(&self.notes(path, &alarm.notes));
            for rule in &alarm.rules {
                body.push_str(&line(&rule.expr));
                let labels: Vec<String> = rule
                    .labels
                    .iter()
                    .map(|(key, value)| {
                        format!("<span class=\"tag\">{}={}</span>", escape(key), escape(value))
                    })
                    .collect();
                body.push_str(&facts(&[
                    fact("Has to hold for", &escape(&super::words::length(&rule.r#for))),
                    fact("Labels", &labels.join(" ")),
                    fact(
                        "Says",
                        &code(rule.annotations.get("description").map(String::as_str).unwrap_or_default()),
                    ),
                    fact("Answer", &self.answers(path, alarm)),
                    fact("Rule", &format!("group {} in {}", code(&rule.group), code(&rule.file))),
                ]));
            }
            body.push_str("</section>\n");
        }
        if !self.documentation.recordings.is_empty() {
            body.push_str("<section id=\"recordings\">\n<h2>Recorded series</h2>\n");
            let rows = self
                .documentation
                .recordings
                .iter()
                .map(|(name, recording)| vec![code(name), code(&recording.expr)]);
            body.push_str(&table(&["Series", "Expression"], rows));
            body.push_str("</section>\n");
        }
        self.page(path, "Alarms", "", &body)
    }

    fn triggers(&self) -> String {
        let path = "triggers.html";
        let mut body = String::new();
        for (name, trigger) in &self.documentation.triggers {
            let _ = write!(
                body,
                "<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n",
                anchor(name),
                escape(name),
                self.trigger(path, trigger)
            );
        }
        self.page(path, "Triggers", "", &body)
    }

    fn trigger(&self, path: &str, trigger: &Trigger) -> String {
        let mut out = String::new();
        if let Some(description) = &trigger.description {
            let _ = writeln!(out, "<p class=\"lead\">{}</p>", escape(description));
        }
        let _ = writeln!(out, "<p>{}</p>", line_to_html(&trigger.words));
        out.push_str(&self.notes(path, &trigger.notes));
        let starts = self.links(path, "procedure", trigger.starts.iter().map(|target| &target.procedure));
        out.push_str(&facts(&[
            fact("State", if trigger.enabled { "on" } else { "off" }),
            fact("Starts", &starts),
            fact("Sends to", &trigger.sends_to.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ")),
            fact("File", &code(&trigger.file)),
        ]));
        if let Some(schedule) = &trigger.schedule {
            let zone = escape(&schedule.zone);
            out.push_str(&facts(&[fact("Schedule", &format!("{} {zone}", code(&schedule.expression)))]));
        }
        if !trigger.pattern.is_null() {
            let pattern = serde_json::to_string_pretty(&trigger.pattern).unwrap_or_default();
            let _ = write!(
                out,
                "<details><summary>Pattern as written</summary>\n{}</details>\n",
                block(&pattern)
            );
        }
        out
    }

    fn procedure(&self, name: &str, procedure: &Procedure) -> String {
        let path = format!("procedures/{name}.html");
        let mut body =
            procedure.description.as_deref().map(|text| self.prose(&path, text)).unwrap_or_default();
        let started = self.links(&path, "trigger", &procedure.started_by);
        body.push_str(&facts(&[
            fact("Answers", &self.links(&path, "alarm", &procedure.alarms)),
            fact(
                "Started by",
                &if started.is_empty() {
                    "hand".to_owned()
                } else {
                    format!("trigger {started}, or by hand")
                },
            ),
            fact("By hand", &code(&by_hand(name, procedure))),
            fact("File", &code(&procedure.file)),
        ]));
        body.push_str(&self.notes(&path, &procedure.notes));
        if !procedure.parameters.is_empty() {
            body.push_str("<h2>Parameters</h2>\n");
            let rows = procedure.parameters.iter().map(|(key, parameter)| {
                let mut about = vec![parameter.description.as_deref().map(line_to_html).unwrap_or_default()];
                if !parameter.allowed_values.is_empty() {
                    let values: Vec<String> =
                        parameter.allowed_values.iter().map(|value| code(&plain(value))).collect();
                    about.push(format!("<span class=\"quiet\">One of {}</span>", values.join(", ")));
                }
                if let Some(pattern) = &parameter.allowed_pattern {
                    about.push(format!("<span class=\"quiet\">Matches {}</span>", code(pattern)));
                }
                about.retain(|part| !part.is_empty());
                let default = match &parameter.default {
                    Some(value) => code(&plain(value)),
                    None => "<span class=\"tag\">required</span>".to_owned(),
                };
                vec![code(key), escape(&parameter.r#type), default, about.join("<br/>")]
            });
            body.push_str(&table(&["Parameter", "Type", "Default", "What for"], rows));
        }
        body.push_str("<h2>Steps</h2>\n<ol class=\"steps\">\n");
        for step in &procedure.steps {
            body.push_str(&one_step(step));
        }
        body.push_str("</ol>\n");
        if !procedure.outputs.is_empty() {
            let outputs: Vec<String> = procedure.outputs.iter().map(|output| code(output)).collect();
            let _ = write!(body, "<h2>Outputs</h2>\n<p>{}</p>\n", outputs.join(", "));
        }
        self.page(&path, name, "Procedure", &body)
    }

    fn history(&self) -> String {
        let path = "history.html";
        let Some(history) = &self.documentation.history else { return String::new() };
        let mut body = String::from("<h2>Incidents</h2>\n");
        if history.incidents.is_empty() {
            body.push_str("<p>None is in the journal.</p>\n");
        }
        for incident in &history.incidents {
            let resolved = incident
                .resolved_at
                .as_deref()
                .map(|at| format!(", resolved {}", instant(at)))
                .unwrap_or_default();
            let state = if incident.status == "open" { "<span class=\"tag open\">open</span> " } else { "" };
            let alarms = self.links(path, "alarm", &incident.alarms);
            let alarms = if alarms.is_empty() { String::new() } else { format!(" Alarms: {alarms}.") };
            let _ = write!(
                body,
                "<section>\n<h3>{state}{}</h3>\n<p>Opened {}{resolved}.{alarms} <span class=\"quiet\">{}</span></p>\n",
                escape(&incident.title),
                instant(&incident.opened_at),
                escape(&incident.id)
            );
            if !incident.lessons.is_empty() {
                body.push_str("<p class=\"quiet\">What the journal suggests:</p>\n<ul>\n");
                for lesson in &incident.lessons {
                    let _ = writeln!(body, "<li>{}</li>", line_to_html(lesson));
                }
                body.push_str("</ul>\n");
            }
            body.push_str("</section>\n");
        }
        body.push_str("<h2>Changes</h2>\n");
        let rows = history.changes.iter().map(|change| {
            vec![
                instant(&change.applied_at),
                code(&change.revision),
                escape(&change.applied_by),
                escape(change.message.as_deref().unwrap_or("")),
            ]
        });
        body.push_str(&table(&["Applied", "Revision", "By", "Why"], rows));
        body.push_str("<h2>Runs</h2>\n");
        if history.runs.is_empty() {
            body.push_str("<p>No procedure has run.</p>\n");
        } else {
            let rows = history.runs.iter().map(|run| {
                vec![
                    instant(&run.started_at),
                    self.link(path, "procedure", &run.procedure),
                    escape(&run.status),
                    escape(&run.started_by),
                ]
            });
            body.push_str(&table(&["Started", "Procedure", "How it stands", "Started by"], rows));
        }
        self.page(path, "What happened", "", &body)
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The command that starts a procedure, with what has to be given.
pub(super) fn by_hand(name: &str, procedure: &Procedure) -> String {
    let required: String = procedure
        .parameters
        .iter()
        .filter(|(_, parameter)| parameter.required)
        .map(|(key, _)| format!(" --param {key}=…"))
        .collect();
    format!("mainstay run {name}{required}")
}

/// What a step runs, as code; nothing for steps that say it all in words.
pub(super) fn body_of(step: &Step) -> Option<String> {
    let inputs = &step.inputs;
    let commands = &inputs["Parameters"]["commands"];
    if let Some(list) = commands.as_array() {
        return Some(list.iter().map(plain).collect::<Vec<_>>().join("\n"));
    }
    if let Some(text) = commands.as_str().or_else(|| inputs["Script"].as_str()) {
        return Some(text.to_owned());
    }
    match step.action.as_str() {
        "aws:branch" | "aws:sleep" => None,
        _ if inputs.as_object().is_none_or(serde_json::Map::is_empty) => None,
        _ => serde_json::to_string_pretty(inputs).ok(),
    }
}

fn one_step(step: &Step) -> String {
    let mut out = format!("<li>\n<h3>{}</h3>\n", escape(&step.name));
    if let Some(description) = &step.description {
        let _ = writeln!(out, "<p>{}</p>", line_to_html(description));
    }
    let _ =
        writeln!(out, "<p class=\"quiet\">{} {}</p>", line_to_html(&step.words), line_to_html(&step.then));
    if let Some(text) = body_of(step) {
        let what = if step.action == "aws:executeScript" { "Script" } else { "Commands" };
        let what = if step.inputs["Parameters"]["commands"].is_null() && step.action != "aws:executeScript" {
            "Inputs"
        } else {
            what
        };
        let _ = write!(out, "<details><summary>{what}</summary>\n{}</details>\n", block(&text));
    }
    out.push_str("</li>\n");
    out
}

/// A table; on a phone each row becomes a list of its cells under their headings, so that nothing has to be scrolled.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let column = |head: &&str| format!("<th scope=\"col\" role=\"columnheader\">{head}</th>");
    let row = "<tr role=\"row\">";
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"rows\" role=\"table\">\n<thead>{row}{}</tr></thead>\n<tbody>\n",
        heads.iter().map(column).collect::<String>()
    );
    for cells in rows {
        let cell = |(cell, head): (&String, &&str)| {
            format!("<td role=\"cell\" data-head=\"{}\"><div>{cell}</div></td>", escape(head))
        };
        let _ = writeln!(out, "{row}{}</tr>", cells.iter().zip(heads).map(cell).collect::<String>());
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}
