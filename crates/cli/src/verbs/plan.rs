//! `mainstay plan`: what applying a directory would do. Also how plans and drift are shown by the other verbs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mainstay_api::client::Client;
use mainstay_api::v1::{HostView, PlanView, RevisionDetail};
use mainstay_declare::Declared;
use mainstay_model::{HostId, RevisionId};
use mainstay_plan::{Action, Drift, FieldChange, HostSeen, Observed, Plan, Shown, Stage, Verb, Version};
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::screen::{Screen, Style, Tone, clean, count, shorten, table};
use crate::verbs::apply::{self, Asked};

/// The version of the form of a plan file: the plan, and the directory whose files it was made of.
const FORMAT: &str = "mainstay.plan-file/v1";

/// So many of an action's fields are shown; all of them are in the JSON.
const MAX_FIELDS: usize = 12;

/// How much of a value is shown.
const MAX_VALUE: usize = 60;

/// A plan as it is kept in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// [`FORMAT`].
    format: String,
    /// The workload's directory.
    pub directory: PathBuf,
    /// The plan, in its own format.
    pub plan: serde_json::Value,
}

/// Whether a path is that of a plan file: a file, where a directory is taken for a workload.
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Reads a plan file.
pub fn read(path: &Path) -> Result<(PlanFile, Plan), Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::local(format!("The plan file {shown} cannot be read"), &error))?;
    let not_one = |reason: String| {
        let mut failure = Failure::new(Exit::Local, format!("{shown} is not a plan file"));
        failure.causes.push(reason);
        failure.hint("`mainstay plan DIR --out FILE` writes one; `mainstay apply` takes a directory, too")
    };
    let file: PlanFile = serde_json::from_str(&text).map_err(|error| not_one(error.to_string()))?;
    if file.format != FORMAT {
        return Err(not_one(format!("its `format` is `{}`, expected `{FORMAT}`", file.format)));
    }
    let plan = Plan::from_json(&file.plan.to_string()).map_err(|error| not_one(error.to_string()))?;
    Ok((file, plan))
}

/// The plan of an answer.
pub fn of(view: &PlanView) -> Result<Plan, Failure> {
    Plan::from_json(&view.plan.to_string()).map_err(|error| {
        Failure::of(Exit::Unreachable, &error)
            .hint("the server is of another version; bring both to the same")
    })
}

/// `mainstay plan`
pub async fn run(screen: Screen, client: &Client, dir: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let checked = crate::directory::check(dir)?;
    let view = apply::plan(client, &checked, &Asked::default(), screen).await?;
    let plan = of(&view)?;
    if let Some(path) = out {
        let file =
            PlanFile { format: FORMAT.to_owned(), directory: checked.root.clone(), plan: view.plan.clone() };
        write(path, &file)?;
    }
    screen.show(&view, |view| {
        let mut text = render(&plan, view, screen.style);
        if let Some(declared) = &checked.declared {
            text.push_str(&of_standards(&plan, declared));
        }
        if let Some(path) = out {
            let path = path.display();
            let _ = writeln!(
                text,
                "Written to {path}; `mainstay apply {path}` carries out this plan and no other"
            );
        }
        text
    })
}

/// What of a plan comes from standards, and where those are.
fn of_standards(plan: &Plan, declared: &Declared) -> String {
    let mut out = String::new();
    for standard in &declared.standards {
        let is_of = |action: &&Action| action.resource.standard.as_ref() == Some(&standard.name);
        let brought = plan.actions.iter().filter(is_of).count();
        if brought > 0 {
            let _ = writeln!(
                out,
                "{} of this {} from standard {}, which is {}",
                count(brought, "resource"),
                if brought == 1 { "comes" } else { "come" },
                standard.name,
                clean(&standard.source.to_string())
            );
        }
    }
    out
}

/// Beside and renamed, so that a plan file is whole or not there.
fn write(path: &Path, file: &PlanFile) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::local(format!("The plan file {} cannot be written", path.display()), &error)
    };
    let text = serde_json::to_string_pretty(file).map_err(|error| failed(error.into()))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, text + "\n").and_then(|()| std::fs::rename(&beside, path)).map_err(failed)
}

/// A plan with what else somebody who decides should know.
pub fn render(plan: &Plan, view: &PlanView, style: Style) -> String {
    let mut out = String::new();
    let against = view.base.as_deref().map_or_else(
        || "nothing is wanted yet".to_owned(),
        |base| format!("against revision {base}, which is wanted now"),
    );
    if !view.changed {
        let base = view.base.as_deref().unwrap_or(&view.revision);
        let _ = writeln!(
            out,
            "{}: these are the files of revision {base}, which is wanted now; nothing to change",
            view.workload
        );
    } else if plan.is_empty() {
        let _ = writeln!(
            out,
            "{}: the files differ ({against}), and nothing on hosts or in the control plane does",
            view.workload
        );
    } else {
        let _ = writeln!(out, "{}: plan {against}", style.bold(&view.workload));
        out.push_str(&actions(plan, style));
    }
    for unplaced in &view.unplaced {
        let _ = writeln!(out, "not placed: {}", clean(unplaced));
    }
    if view.partial {
        let _ = writeln!(
            out,
            "not all hosts: those that you do not see were left out, since you may not apply it"
        );
    }
    for hold in &view.holds {
        let _ = writeln!(out, "{} {}", style.paint(Tone::Busy, "needs an approval:"), clean(hold));
    }
    if let Some(running) = &view.running {
        let _ = writeln!(
            out,
            "{} change {running} is being carried out; another one has to wait for its end",
            style.paint(Tone::Busy, "not now:")
        );
    }
    for warning in &view.warnings {
        let _ = writeln!(out, "{}", apply::line(warning));
    }
    out.push_str(&drift(&plan.drift, style));
    out
}

/// What differs on hosts from what is wanted already.
pub fn drift(drift: &[Drift], style: Style) -> String {
    if drift.is_empty() {
        return String::new();
    }
    let rows = drift.iter().map(|one| {
        let word = serde_json::to_value(one.verdict).ok();
        let word = word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().replace('_', " ");
        vec![
            format!("  {}", one.address).into(),
            crate::screen::Field::State(word),
            shorten(&clean(&one.reason), 120).into(),
        ]
    });
    let drawn = table(style, &["", "", ""], rows.collect());
    format!(
        "{}, apart from any plan: what runs is not what is wanted\n{}",
        style.bold("Drift"),
        drawn.split_once('\n').map_or("", |(_, rest)| rest)
    )
}

/// The actions, wave by wave, and how large it all is.
pub fn actions(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    for (at, wave) in plan.waves.iter().enumerate() {
        let what = match wave.stage {
            Stage::MakeRoom => "stop first what holds a port that is needed",
            Stage::Services => "services",
            Stage::Removals => "services that go",
            Stage::Declarations => "in the control plane, together with the revision",
        };
        let _ = writeln!(out, "  wave {} of {}: {what}", at + 1, plan.waves.len());
        for (_, action) in plan.in_wave(at) {
            render_action(&mut out, plan, action, style);
        }
    }
    let size = &plan.size;
    let verbs: Vec<String> =
        size.by_verb.iter().map(|(verb, number)| format!("{number} to {}", verb.word())).collect();
    let _ = write!(
        out,
        "{}: {}, {}",
        verbs.join(", "),
        count(size.resources, "resource"),
        count(size.fields, "field")
    );
    let hosts: Vec<String> =
        size.by_host.iter().take(6).map(|(host, number)| format!("{host} {number}")).collect();
    if !hosts.is_empty() {
        let more = size.by_host.len().saturating_sub(6);
        let more = if more > 0 { format!(", {} more", count(more, "host")) } else { String::new() };
        let _ = write!(out, "; services by host: {}{more}", hosts.join(", "));
    }
    if size.interrupted > 0 {
        let _ = write!(out, "; interrupts {}", count(size.interrupted, "service"));
    }
    if size.irreversible > 0 {
        let _ = write!(out, "; {} cannot be undone", size.irreversible);
    }
    out.push('\n');
    out
}

fn render_action(out: &mut String, plan: &Plan, action: &Action, style: Style) {
    let (sign, tone) = match action.verb {
        Verb::Create => ("+", Tone::Good),
        Verb::Update => ("~", Tone::Busy),
        Verb::Replace => ("±", Tone::Busy),
        Verb::Remove => ("-", Tone::Bad),
    };
    let verb = style.paint(tone, &format!("{sign} {}", action.verb.word()));
    let environment = action.resource.environment.as_deref();
    let environment = environment.map(|name| format!(" ({})", clean(name))).unwrap_or_default();
    let _ = writeln!(out, "    {verb} {}{environment}{}", clean(&action.resource.address), standard(action));
    // All fields of what comes or goes would be noise; what it is stands in the files.
    if matches!(action.verb, Verb::Update | Verb::Replace) {
        for field in action.fields.iter().take(MAX_FIELDS) {
            let _ = writeln!(out, "        {}", self::field(field));
        }
        if action.fields.len() > MAX_FIELDS {
            let _ = writeln!(out, "        and {}", count(action.fields.len() - MAX_FIELDS, "more field"));
        }
    }
    if let Some(why) = &action.why {
        let _ = writeln!(out, "        cannot be changed in place: {}", clean(why));
    }
    if let Some(why) = action.reversal.why_not() {
        let _ = writeln!(out, "        {} {}", style.paint(Tone::Bad, "cannot be undone:"), clean(why));
    }
    for caution in &action.cautions {
        let _ = writeln!(out, "        {}", clean(caution));
    }
    if let Some(affected) = plan.affected_by(action) {
        let mut parts = Vec::new();
        if !affected.direct.is_empty() {
            let further = affected.further_count;
            let further = if further > 0 { format!(" and {further} further") } else { String::new() };
            parts.push(format!("felt by {}{further}", clean(&affected.direct.join(", "))));
        }
        if !affected.priorities.is_empty() {
            parts.push(format!("matters to: {}", clean(&affected.priorities.join("; "))));
        }
        if !parts.is_empty() {
            let _ = writeln!(out, "        {}", parts.join("; "));
        }
    }
}

/// Which standard it comes from, where its address does not say so.
fn standard(action: &Action) -> String {
    let named = action.resource.standard.as_ref().filter(|name| {
        !action.resource.address.contains(&format!("{}/{name}/", mainstay_declare::standards::FOLDER))
    });
    named.map(|name| format!(" (standard {})", clean(name))).unwrap_or_default()
}

/// `path: old -> new`
fn field(field: &FieldChange) -> String {
    let side = |shown: &Shown| match shown {
        Shown::Absent => "(none)".to_owned(),
        Shown::Hidden => "(hidden)".to_owned(),
        Shown::Value(serde_json::Value::String(text)) => shorten(&clean(text), MAX_VALUE),
        Shown::Value(value) => shorten(&clean(&value.to_string()), MAX_VALUE),
    };
    format!("{}: {} -> {}", clean(&field.path), side(&field.old), side(&field.new))
}

/// What leads from one revision to another on these hosts, whatever runs there now.
pub fn between(
    old: (&RevisionDetail, &Declared),
    new: (&RevisionDetail, &Declared),
    hosts: &[HostView],
) -> Result<Plan, Failure> {
    let unreadable = |error: mainstay_model::InvalidId| {
        Failure::of(Exit::Unreachable, &error)
            .hint("the server is of another version; bring both to the same")
    };
    let mut observed = Observed::default();
    for host in hosts {
        let seen = HostSeen { tags: host.tags.clone(), away: !host.connected, ..HostSeen::default() };
        observed.hosts.insert(HostId::new(host.id.clone()).map_err(unreadable)?, seen);
    }
    let base = RevisionId::new(old.0.revision.clone()).map_err(unreadable)?;
    let (old, new) = (version(old), version(new));
    let mut plan = mainstay_plan::plan(new, Some((&base, old)), &observed);
    // Nothing was looked at on the hosts, so nothing can be said of them.
    plan.drift.clear();
    Ok(plan)
}

fn version<'a>((revision, declared): (&'a RevisionDetail, &'a Declared)) -> Version<'a> {
    Version { declared, digest: &revision.digest, directory: &revision.directory }
}
