//! `mainstay history`, `show`, `diff`, `rollback`, `approve` and `refuse`: what was changed, by whom, and how to take it
//! back.

use std::fmt::Write as _;

use mainstay_api::client::{Client, ClientError};
use mainstay_api::v1::{
    ChangeDetail, ChangeSummary, Decide, ErrorKind, FileBody, GitView, NewRevision, RevisionDetail,
};
use mainstay_declare::{Declared, SourceFile};
use mainstay_model::Timestamp;
use mainstay_plan::{NotRestored, Plan};
use serde_json::json;

use crate::args::Carry;
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, Tone, clean, count, say, shorten, table};
use crate::time::{age, length, now, stamp};
use crate::unified;
use crate::verbs::{apply, plan as plans};

/// `mainstay history`
pub async fn history(
    screen: Screen,
    client: &Client,
    workload: Option<&str>,
    lines: usize,
) -> Result<(), Failure> {
    let page = client.changes(workload, lines).await?;
    screen.show(&page, |page| render_history(&page.items, now(), screen.style))
}

fn render_history(changes: &[ChangeSummary], now: Timestamp, style: Style) -> String {
    if changes.is_empty() {
        return "Nothing has been changed yet. `mainstay apply DIR` does.\n".to_owned();
    }
    let rows = changes.iter().map(|change| {
        let why = match (&change.message, &change.restores) {
            (Some(message), _) => clean(message),
            (None, Some(revision)) => format!("back to {revision}"),
            (None, None) => String::new(),
        };
        vec![
            change.id.clone().into(),
            format!("{} ago", age(Some(change.started_at), now)).into(),
            change.workload.clone().into(),
            Field::State(change.state.clone()),
            change.revision.clone().into(),
            count(change.resources, "resource").into(),
            change.by.clone().into(),
            shorten(&why, 60).into(),
        ]
    });
    let heads = ["CHANGE", "ASKED FOR", "WORKLOAD", "STATE", "REVISION", "SIZE", "BY", "WHY"];
    table(style, &heads, rows.collect())
}

/// What an id is the id of.
enum Found {
    Change(Box<ChangeDetail>),
    Revision(Box<RevisionDetail>),
}

fn is_missing(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(body) if body.kind == ErrorKind::NotFound)
}

async fn find(client: &Client, id: &str) -> Result<Found, Failure> {
    match client.change(id).await {
        Ok(change) => return Ok(Found::Change(Box::new(change))),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match client.revision(id).await {
        Ok(revision) => Ok(Found::Revision(Box::new(revision))),
        Err(error) if is_missing(&error) => {
            Err(Failure::new(Exit::Refused, format!("There is no change and no revision `{}`", clean(id)))
                .hint("`mainstay history` lists both"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `mainstay show`
pub async fn show(screen: Screen, client: &Client, id: &str) -> Result<(), Failure> {
    match find(client, id).await? {
        Found::Change(change) => screen.show(&*change, |change| render_change(change, screen.style)),
        Found::Revision(revision) => {
            screen.show(&*revision, |revision| render_revision(revision, screen.style))
        }
    }
}

fn git(git: &GitView) -> String {
    let short: String = git.commit.chars().take(12).collect();
    let dirty = if git.dirty { ", with changes that are not in it" } else { "" };
    format!("{}{dirty}", clean(&short))
}

fn render_change(detail: &ChangeDetail, style: Style) -> String {
    let change = &detail.summary;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} of {}: {}",
        style.bold(&format!("change {}", change.id)),
        clean(&change.workload),
        style.state(&change.state)
    );
    let base = change.base.as_deref().unwrap_or("nothing");
    let _ = writeln!(out, "  from {base} to {}", change.revision);
    if let Some(restores) = &change.restores {
        let _ = writeln!(out, "  brings back the files of revision {restores}");
    }
    let took = change.ended_at.map(|end| format!(", took {}", length(end.since(change.started_at))));
    let _ = writeln!(
        out,
        "  asked for by {} at {}{}",
        clean(&change.by),
        stamp(change.started_at),
        took.unwrap_or_default()
    );
    if let Some(message) = &change.message {
        let _ = writeln!(out, "  why: {}", clean(message));
    }
    if let Some(commit) = &change.git {
        let _ = writeln!(out, "  git commit {}", git(commit));
    }
    for hold in &detail.holds {
        let _ = writeln!(out, "  {} {}", style.paint(Tone::Busy, "needs an approval:"), clean(hold));
    }
    if let Some(decision) = &detail.decision {
        let own = if decision.own { ", who asked for it" } else { "" };
        let message = decision.message.as_deref().map(|text| format!(": {}", clean(text)));
        let _ = writeln!(
            out,
            "  {} by {}{own} at {}{}",
            decision.decision,
            clean(&decision.by),
            stamp(decision.at),
            message.unwrap_or_default()
        );
    }
    if let Some(reason) = &change.reason {
        let _ = writeln!(out, "  {}", clean(reason));
    }
    if !detail.actions.is_empty() {
        out.push('\n');
        out.push_str(&apply::steps(detail, style));
    }
    if let Ok(plan) = Plan::from_json(&detail.plan.to_string())
        && !plan.is_empty()
    {
        let _ = writeln!(out, "\n{}", style.bold("Its plan"));
        out.push_str(&plans::actions(&plan, style));
    }
    out
}

fn render_revision(revision: &RevisionDetail, style: Style) -> String {
    let mut out = String::new();
    let current = if revision.current { ", which is wanted now" } else { "" };
    let _ = writeln!(
        out,
        "{} of {}{current}",
        style.bold(&format!("revision {}", revision.revision)),
        clean(&revision.workload)
    );
    let _ = writeln!(out, "  after {}", revision.parent.as_deref().unwrap_or("nothing"));
    let _ = writeln!(out, "  by {} at {}", clean(&revision.by), stamp(revision.at));
    if let Some(message) = &revision.message {
        let _ = writeln!(out, "  why: {}", clean(message));
    }
    let _ = writeln!(out, "  from {}", clean(&revision.directory));
    // A revision that this version does not take any more is shown all the same.
    for standard in declared(revision).map(|declared| declared.standards).unwrap_or_default() {
        let _ = writeln!(
            out,
            "  with standard {}, which is {}",
            standard.name,
            clean(&standard.source.to_string())
        );
    }
    let rows = revision
        .files
        .iter()
        .map(|(path, text)| vec![format!("  {path}").into(), count(text.lines().count(), "line").into()]);
    out.push_str(&table(style, &["  FILE", ""], rows.collect()));
    out
}

/// The revision that an id is, or that a change leads to.
async fn revision(client: &Client, id: &str) -> Result<RevisionDetail, Failure> {
    match find(client, id).await? {
        Found::Revision(revision) => Ok(*revision),
        Found::Change(change) => Ok(client.revision(&change.summary.revision).await?),
    }
}

fn declared(revision: &RevisionDetail) -> Result<Declared, Failure> {
    let files: Vec<SourceFile> = revision
        .files
        .iter()
        .map(|(path, text)| SourceFile { path: path.clone(), bytes: text.clone().into_bytes() })
        .collect();
    mainstay_declare::declare(&files, &mainstay_server::languages::Spoken).declared.ok_or_else(|| {
        Failure::new(
            Exit::No,
            format!("Revision {} no longer checks clean with this version", revision.revision),
        )
    })
}

/// `mainstay diff`: the files, and what the difference means for hosts and control plane.
pub async fn diff(screen: Screen, client: &Client, old: &str, new: &str) -> Result<(), Failure> {
    let (old, new) = (revision(client, old).await?, revision(client, new).await?);
    if old.workload != new.workload {
        return Err(Failure::new(
            Exit::Usage,
            format!("These are revisions of two workloads: {} and {}", old.workload, new.workload),
        ));
    }
    let hosts = client.hosts().await?.items;
    let plan = plans::between((&old, &declared(&old)?), (&new, &declared(&new)?), &hosts)?;
    let files = |style| unified::of_files(&old.files, &new.files, (&old.revision, &new.revision), style);
    if screen.is_json() {
        let plan = serde_json::to_value(&plan)
            .map_err(|error| Failure::local("The plan cannot be written as JSON", &error))?;
        return screen.json(&json!({
            "workload": old.workload, "old": old.revision, "new": new.revision,
            "files": files(Style::default()), "plan": plan,
        }));
    }
    let mut text = files(screen.style);
    if text.is_empty() {
        text = format!("revisions {} and {} have the same files\n", old.revision, new.revision);
    }
    if !plan.is_empty() {
        let _ = writeln!(
            text,
            "\n{}",
            screen.style.bold(&format!("From {} to {} on the hosts of now", old.revision, new.revision))
        );
        text.push_str(&plans::actions(&plan, screen.style));
    }
    screen.print(&text)
}

/// The workload that is meant, where none is named.
async fn only_workload(client: &Client, named: Option<&str>) -> Result<String, Failure> {
    let workloads = client.workloads().await?.items;
    let names: Vec<&str> = workloads.iter().map(|workload| workload.workload.as_str()).collect();
    match (named, names.as_slice()) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [name]) => Ok((*name).to_owned()),
        (None, []) => Err(Failure::new(
            Exit::Refused,
            "No workload has been applied, so there is nothing to go back from",
        )),
        (None, _) => Err(Failure::new(Exit::Usage, "There are several workloads; say which with --workload")
            .hint(names.join(", "))),
    }
}

/// `mainstay rollback`: the files of an earlier revision as a new change.
pub async fn rollback(
    screen: Screen,
    client: &Client,
    to: Option<&str>,
    workload: Option<&str>,
    message: Option<String>,
    carry: &Carry,
) -> Result<(), Failure> {
    let target = match to {
        Some(id) => revision(client, id).await?,
        None => {
            let name = only_workload(client, workload).await?;
            let current =
                client.get::<mainstay_api::v1::WorkloadDetail>(&format!("/v1/workloads/{name}"), &[]).await?;
            let current = client.revision(&current.revision).await?;
            let Some(parent) = &current.parent else {
                return Err(Failure::new(
                    Exit::Refused,
                    format!(
                        "Revision {} of {name} is the first; there is none to go back to",
                        current.revision
                    ),
                )
                .hint("apply the workload without a component to stop its services"));
            };
            client.revision(parent).await?
        }
    };
    let files = target
        .files
        .iter()
        .map(|(path, content)| FileBody { path: path.clone(), content: content.clone() })
        .collect();
    let mut new = NewRevision {
        files,
        directory: target.directory.clone(),
        message: message.or_else(|| Some(format!("Back to revision {}", target.revision))),
        git: None,
        keep: carry.keep,
        restores: Some(target.revision.clone()),
        expect: None,
    };
    let view = apply::planned(client, &new, screen).await?;
    if view.changed {
        let plan = plans::of(&view)?;
        if !screen.is_json() {
            say(&format!(
                "Back to the files of revision {}, of {}; what programs and data they name is as it is now",
                target.revision,
                stamp(target.at)
            ));
            for lost in not_restored(client, &target, view.base.as_deref()).await? {
                say(&format!("not brought back: {}: {}", clean(&lost.address), clean(&lost.why)));
            }
        }
        apply::decide(screen, &plan, &view, carry)?;
    }
    new.expect = Some(apply::expectation(&view, carry));
    apply::carry_out(screen, client, &new, carry).await
}

/// What going back to an earlier revision does not bring back, judged by what led from there to the wanted one.
async fn not_restored(
    client: &Client,
    target: &RevisionDetail,
    current: Option<&str>,
) -> Result<Vec<NotRestored>, Failure> {
    let Some(current) = current else { return Ok(Vec::new()) };
    let current = client.revision(current).await?;
    let hosts = client.hosts().await?.items;
    let there = plans::between((target, &declared(target)?), (&current, &declared(&current)?), &hosts)?;
    Ok(mainstay_plan::not_restored(&there))
}

/// `mainstay approve` and `mainstay refuse`
pub async fn approve(
    screen: Screen,
    client: &Client,
    id: &str,
    message: Option<String>,
    own: bool,
    no_wait: bool,
) -> Result<(), Failure> {
    let head = client.status().await?.journal_seq;
    let change = client.approve_change(id, &Decide { message, own }).await?;
    decided(screen, client, change, head, no_wait).await
}

/// See [`approve`].
pub async fn refuse(
    screen: Screen,
    client: &Client,
    id: &str,
    message: Option<String>,
) -> Result<(), Failure> {
    let head = client.status().await?.journal_seq;
    let change = client.refuse_change(id, &Decide { message, own: false }).await?;
    match decided(screen, client, change, head, false).await {
        // That it was refused is what was asked for.
        Err(failure) if failure.exit == Exit::No && failure.message.is_empty() => Ok(()),
        other => other,
    }
}

async fn decided(
    screen: Screen,
    client: &Client,
    change: ChangeSummary,
    head: u64,
    no_wait: bool,
) -> Result<(), Failure> {
    let detail = if change.finished || no_wait {
        client.change(&change.id).await?
    } else {
        apply::watch(client, &change.id, head).await?
    };
    screen.show(&detail, |detail| render_change(detail, screen.style))?;
    let good = detail.summary.state == "applied" || (no_wait && !detail.summary.finished);
    if good { Ok(()) } else { Err(Failure::said(Exit::No)) }
}
