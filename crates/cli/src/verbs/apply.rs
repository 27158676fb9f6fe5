//! `mainstay apply`, and what the applied workloads hold.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use mainstay_api::client::{Client, ClientError};
use mainstay_api::v1::{
    Applied, ChangeDetail, ChangeSummary, DiagnosticView, ErrorKind, Expect, FileBody, GitView, NewRevision,
    PlanView, WorkloadDetail,
};
use mainstay_declare::Diagnostic;
use mainstay_plan::{ChangeEvent, Plan};
use serde_json::json;

use crate::args::Carry;
use crate::canvas::Canvas;
use crate::diagnostics;
use crate::directory::{self, Checked};
use crate::exit::{Exit, Failure};
use crate::feed::Feed;
use crate::screen::{Field, Screen, Style, clean, count, say, table};
use crate::sentence;
use crate::time::clock;
use crate::verbs::plan as plans;

mod live;

use live::Board;

/// How often a change is drawn on a terminal while nothing happens, so that its seconds go on.
const REDRAW: std::time::Duration = std::time::Duration::from_millis(200);

/// What goes with the files of an apply.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Why.
    pub message: Option<String>,
    /// Where the files came from.
    pub git: Option<GitView>,
    /// Whether what is done stays when something fails.
    pub keep: bool,
    /// The earlier revision whose files they are.
    pub restores: Option<String>,
    /// What has to hold still.
    pub expect: Option<Expect>,
}

/// Checks a directory, shows what would change, and carries it out.
pub async fn run(
    screen: Screen,
    client: &Client,
    path: &Path,
    message: Option<String>,
    carry: &Carry,
) -> Result<(), Failure> {
    let mut asked = Asked { message, keep: carry.keep, ..Asked::default() };
    let (checked, read) = if plans::is_file(path) {
        let (file, plan) = plans::read(path)?;
        (directory::check(&file.directory)?, Some((plan, file.plan)))
    } else {
        (directory::check(path)?, None)
    };
    asked.git = crate::git::commit_of(&checked.root).await;
    if let Some((plan, value)) = read {
        // What was read and decided upon is the plan of the file; another one is not carried out.
        let base = plan.base.as_ref().map(|base| base.revision.to_string());
        asked.expect = Some(Expect { base, digest: plan.digest, plan: Some(value) });
        let new = new_revision(&checked, &asked, screen)?;
        return carry_out(screen, client, &new, carry).await;
    }
    let view = plan(client, &checked, &asked, screen).await?;
    if view.changed {
        decide(screen, &plans::of(&view)?, &view, carry)?;
    }
    asked.expect = Some(expectation(&view, carry));
    let new = new_revision(&checked, &asked, screen)?;
    carry_out(screen, client, &new, carry).await
}

/// What somebody has seen. Who was asked on a terminal decided about this very plan; a script about these files.
pub fn expectation(view: &PlanView, carry: &Carry) -> Expect {
    let plan = asks(carry).then(|| view.plan.clone());
    Expect { base: view.base.clone(), digest: Some(view.digest.clone()), plan }
}

/// Whether there is somebody to ask.
fn asks(carry: &Carry) -> bool {
    !carry.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows a plan, and asks whether to carry it out where there is somebody to ask.
pub fn decide(screen: Screen, plan: &Plan, view: &PlanView, carry: &Carry) -> Result<(), Failure> {
    if !screen.is_json() {
        say(plans::render(plan, view, Style::default()).trim_end());
    }
    if !asks(carry) {
        return Ok(());
    }
    let _ = write!(std::io::stderr(), "Carry this out? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::local("Your answer cannot be read", &error))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::No, "Nothing was changed"))
    }
}

/// Begins a change, and waits for its end unless told otherwise.
pub async fn carry_out(
    screen: Screen,
    client: &Client,
    new: &NewRevision,
    carry: &Carry,
) -> Result<(), Failure> {
    let head = client.status().await?.journal_seq;
    let mut applied = sent(client, new, screen).await?;
    let Some(change) = applied.change.clone() else {
        return screen.show(&applied, |applied| render(applied, screen.style));
    };
    if carry.no_wait || change.finished || change.state == "held" {
        screen.show(&applied, |applied| render(applied, screen.style))?;
        return verdict(&change, carry.no_wait);
    }
    say(&format!(
        "change {} of {}: {}; Ctrl-C stops watching, not the change",
        change.id,
        change.workload,
        count(change.waves, "wave")
    ));
    let ended = watch(client, &change.id, head).await?;
    applied.change = Some(ended.summary.clone());
    screen.show(&applied, |applied| {
        let mut text = render(applied, screen.style);
        if ended.summary.state != "applied" {
            text.push_str(&steps(&ended, screen.style));
        }
        text
    })?;
    verdict(&ended.summary, carry.no_wait)
}

/// The exit code that a change's state stands for.
fn verdict(change: &ChangeSummary, no_wait: bool) -> Result<(), Failure> {
    match change.state.as_str() {
        "applied" => Ok(()),
        "held" => Err(Failure::new(Exit::No, format!("Change {} waits for an approval", change.id))
            .hint(format!("`mainstay approve {0}` lets it begin, `mainstay refuse {0}` ends it", change.id))),
        _ if no_wait && !change.finished => Ok(()),
        _ => Err(Failure::said(Exit::No)),
    }
}

/// Follows a change until it is over: a terminal shows all its steps and how far they are, anything else gets a line for
/// each event.
pub async fn watch(client: &Client, id: &str, after: u64) -> Result<ChangeDetail, Failure> {
    let follow = async {
        let pattern = json!({ "subject": [format!("change/{id}")] }).to_string();
        let feed = Feed::after(client.clone(), after).matching(Some(pattern));
        match board(client, id).await? {
            Some(board) => draw(feed.quiet(), board).await,
            None => tell(feed).await,
        }
    };
    tokio::select! {
        ended = follow => ended?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::local("Ctrl-C cannot be waited for", &error))?;
            say(&format!("the change goes on: see `mainstay show {id}`, stop it and roll it back with `mainstay refuse {id}`"));
            return Err(Failure::said(Exit::Interrupted));
        }
    }
    Ok(client.change(id).await?)
}

/// What is drawn, where there is a terminal that can be drawn on.
async fn board(client: &Client, id: &str) -> Result<Option<Board>, Failure> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if dumb || !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    let plan = client.change(id).await?.plan;
    Ok(Plan::from_json(&plan.to_string()).ok().map(|plan| Board::new(id, &plan)))
}

async fn draw(mut feed: Feed, mut board: Board) -> Result<(), Failure> {
    let style = Style { color: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) };
    let mut canvas = Canvas::default();
    let mut tick = tokio::time::interval(REDRAW);
    loop {
        let event = tokio::select! {
            event = feed.next() => Some(event?),
            _ = tick.tick() => None,
        };
        let over = event.as_ref().is_some_and(|event| event.kind == "change.finished");
        if let Some(event) = event
            && let Ok(happened) = ChangeEvent::from_data(&event.data)
        {
            board.take(happened, event.time);
        }
        let mut lines = board.draw(crate::time::now(), style);
        if feed.is_broken() {
            lines.push("the connection to the server broke; trying again".to_owned());
        }
        canvas.draw(&lines);
        if over {
            return Ok(());
        }
    }
}

async fn tell(mut feed: Feed) -> Result<(), Failure> {
    loop {
        let event = feed.next().await?;
        if event.kind != "change.started" {
            say(&format!("  {}  {}", clock(event.time), sentence::of(&event)));
        }
        if event.kind == "change.finished" {
            return Ok(());
        }
    }
}

/// What became of each step.
pub fn steps(detail: &ChangeDetail, style: Style) -> String {
    if detail.actions.is_empty() {
        return String::new();
    }
    let rows = detail.actions.iter().map(|action| {
        vec![
            format!("  {}", action.wave).into(),
            action.address.clone().into(),
            action.action.clone().into(),
            Field::State(action.outcome.clone()),
            crate::screen::shorten(&clean(action.reason.as_deref().unwrap_or_default()), 100).into(),
        ]
    });
    table(style, &["  WAVE", "WHAT", "ACTION", "OUTCOME", ""], rows.collect())
}

/// Shows the problems of a directory on stderr, and fails if there is an error among them.
pub fn must_be_clean(checked: &Checked) -> Result<(), Failure> {
    use std::io::IsTerminal as _;
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if !checked.diagnostics.is_empty() {
        say(diagnostics::render(&checked.diagnostics, &checked.sources, color).trim_end());
    }
    if checked.diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Failure::new(
            Exit::No,
            format!("{} has problems; nothing was changed", checked.root.display()),
        ));
    }
    Ok(())
}

/// What is sent of a checked directory. A directory with a problem is not sent.
fn new_revision(checked: &Checked, asked: &Asked, screen: Screen) -> Result<NewRevision, Failure> {
    if screen.is_json() && checked.diagnostics.iter().any(Diagnostic::is_error) {
        screen.json(&json!({ "diagnostics": diagnostics::to_json(&checked.diagnostics) }))?;
        return Err(Failure::said(Exit::No));
    }
    must_be_clean(checked)?;
    let files = checked
        .files
        .iter()
        .map(|(path, content)| FileBody { path: path.clone(), content: content.clone() })
        .collect();
    let directory = checked.root.to_str().ok_or_else(|| {
        Failure::new(Exit::Local, format!("The path {} is not UTF-8", checked.root.display()))
    })?;
    let Asked { message, git, keep, restores, expect } = asked.clone();
    Ok(NewRevision { files, directory: directory.to_owned(), message, git, keep, restores, expect })
}

/// What applying a checked directory would do.
pub async fn plan(
    client: &Client,
    checked: &Checked,
    asked: &Asked,
    screen: Screen,
) -> Result<PlanView, Failure> {
    let new = new_revision(checked, asked, screen)?;
    planned(client, &new, screen).await
}

/// What applying files would do.
pub async fn planned(client: &Client, new: &NewRevision, screen: Screen) -> Result<PlanView, Failure> {
    client.plan(new).await.map_err(|error| refusal(error, screen))
}

/// Sends a checked directory to a server, which begins to carry it out.
pub async fn apply(
    client: &Client,
    checked: &Checked,
    asked: &Asked,
    screen: Screen,
) -> Result<Applied, Failure> {
    let new = new_revision(checked, asked, screen)?;
    sent(client, &new, screen).await
}

async fn sent(client: &Client, new: &NewRevision, screen: Screen) -> Result<Applied, Failure> {
    client.apply(new).await.map_err(|error| refusal(error, screen))
}

/// The server may know more problems than we do, if it is of another version.
fn refusal(error: ClientError, screen: Screen) -> Failure {
    let body = match error {
        ClientError::Refused(body) if body.kind == ErrorKind::Invalid && !body.diagnostics.is_empty() => body,
        error => return error.into(),
    };
    if screen.is_json() {
        return match screen.json(&json!({ "diagnostics": body.diagnostics })) {
            Ok(()) => Failure::said(Exit::No),
            Err(failure) => failure,
        };
    }
    for diagnostic in &body.diagnostics {
        say(&line(diagnostic));
    }
    Failure::new(
        Exit::No,
        format!("The server found {}; nothing was changed", count(body.diagnostics.len(), "problem")),
    )
}

/// A problem on one line, where the text it is about is not at hand.
pub fn line(diagnostic: &DiagnosticView) -> String {
    let DiagnosticView { path, line, column, severity, code, message, .. } = diagnostic;
    let help = diagnostic.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
    clean(&format!("{path}:{line}:{column}: {severity}[{code}]: {message}{help}"))
}

/// What an apply did.
pub fn render(applied: &Applied, style: Style) -> String {
    let mut out = String::new();
    let Applied { workload, revision, .. } = applied;
    let after =
        applied.parent.as_deref().map_or_else(|| "the first".to_owned(), |parent| format!("after {parent}"));
    let reason = |change: &ChangeSummary| {
        change.reason.as_deref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default()
    };
    let still = || {
        let before = applied.parent.as_deref();
        before.map_or_else(
            || "nothing of it is wanted".to_owned(),
            |parent| format!("revision {parent} is still the wanted one"),
        )
    };
    let _ = match &applied.change {
        _ if !applied.changed => {
            writeln!(out, "{workload}: revision {revision} was wanted already; nothing to change")
        }
        Some(change) => match change.state.as_str() {
            "applied" => writeln!(
                out,
                "{workload}: revision {revision} is wanted now ({after}), by change {}",
                change.id
            ),
            "held" => writeln!(
                out,
                "{workload}: change {} to revision {revision} is held{}",
                change.id,
                reason(change)
            ),
            "kept in part" => writeln!(
                out,
                "{workload}: revision {revision} is wanted now ({after}), and not all of it works{}",
                reason(change)
            ),
            word if change.finished => {
                writeln!(out, "{workload}: change {} {word}{}; {}", change.id, reason(change), still())
            }
            _ => writeln!(
                out,
                "{workload}: revision {revision} ({after}) is being carried out by change {}",
                change.id
            ),
        },
        None => writeln!(out, "{workload}: revision {revision} is wanted now ({after})"),
    };
    if !applied.changes.is_empty() && applied.change.as_ref().is_none_or(|change| change.state == "applied") {
        let rows = applied.changes.iter().map(|change| {
            vec![
                format!("  {}", change.host).into(),
                change.component.clone().into(),
                change.change.clone().into(),
                change.fields.join(", ").into(),
            ]
        });
        out.push_str(&table(style, &["  HOST", "COMPONENT", "CHANGE", "FIELDS"], rows.collect()));
    }
    for reason in &applied.unplaced {
        let _ = writeln!(out, "  not placed: {}", clean(reason));
    }
    for warning in &applied.warnings {
        let _ = writeln!(out, "  {}", line(warning));
    }
    out
}

/// `mainstay procedures`
pub async fn procedures(screen: Screen, client: &Client) -> Result<(), Failure> {
    let page = client.workloads().await?;
    screen.show(&page, |page| render_procedures(&page.items, screen.style))
}

fn render_procedures(workloads: &[WorkloadDetail], style: Style) -> String {
    if workloads.is_empty() {
        return "No workload has been applied. `mainstay apply DIR` does.\n".to_owned();
    }
    let rows: Vec<Vec<_>> = workloads
        .iter()
        .flat_map(|workload| {
            let names = workload.procedures.iter();
            names.map(|name| vec![workload.workload.clone().into(), name.clone().into()])
        })
        .collect();
    if rows.is_empty() {
        return "None: put SSM documents into `runbooks/` of the workload's directory.\n".to_owned();
    }
    table(style, &["WORKLOAD", "PROCEDURE"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_api::v1::ChangeView;

    #[test]
    fn an_apply_says_what_changes() {
        let applied = Applied {
            workload: "shop".to_owned(),
            revision: "8f3a".to_owned(),
            parent: Some("11aa".to_owned()),
            changed: true,
            changes: vec![ChangeView {
                host: "web-1".to_owned(),
                component: "payments".to_owned(),
                change: "replace".to_owned(),
                fields: vec!["run".to_owned(), "limits".to_owned()],
            }],
            unplaced: vec!["checkout: no connected host matches `role=app`".to_owned()],
            warnings: Vec::new(),
            change: Some(change("applied", None)),
        };
        assert_eq!(
            render(&applied, Style::default()),
            "shop: revision 8f3a is wanted now (after 11aa), by change c1\n\
             \x20 HOST   COMPONENT  CHANGE   FIELDS\n\
             \x20 web-1  payments   replace  run, limits\n\
             \x20 not placed: checkout: no connected host matches `role=app`\n"
        );
        let failed = change("rolled back", Some("web-1/payments failed: it ended"));
        let failed = Applied { change: Some(failed), unplaced: Vec::new(), ..applied.clone() };
        assert_eq!(
            render(&failed, Style::default()),
            "shop: change c1 rolled back: web-1/payments failed: it ended; revision 11aa is still the wanted one\n"
        );
        let again =
            Applied { changed: false, changes: Vec::new(), unplaced: Vec::new(), change: None, ..applied };
        assert_eq!(
            render(&again, Style::default()),
            "shop: revision 8f3a was wanted already; nothing to change\n"
        );
    }

    fn change(state: &str, reason: Option<&str>) -> ChangeSummary {
        serde_json::from_value(json!({
            "id": "c1", "workload": "shop", "base": "11aa", "revision": "8f3a", "state": state,
            "finished": true, "started_at": "2026-11-22T14:30:00Z", "by": "person:operator",
            "resources": 1, "done": 1, "waves": 1, "wave": 0, "reason": reason,
        }))
        .expect("a change")
    }
}
