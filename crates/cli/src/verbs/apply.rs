//! `mainstay apply`, and what the applied workloads hold.

use std::fmt::Write as _;
use std::path::Path;

use mainstay_api::client::{Client, ClientError};
use mainstay_api::v1::{Applied, DiagnosticView, ErrorKind, FileBody, NewRevision, WorkloadDetail};
use mainstay_declare::Diagnostic;

use crate::diagnostics;
use crate::directory::{self, Checked};
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, Style, clean, count, say, table};

/// Checks a directory and makes it the wanted state.
pub async fn run(
    screen: Screen,
    client: &Client,
    dir: &Path,
    message: Option<String>,
) -> Result<(), Failure> {
    let checked = directory::check(dir)?;
    let applied = apply(client, &checked, message, screen).await?;
    screen.show(&applied, |applied| render(applied, screen.style))
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

/// Sends a checked directory to a server.
pub async fn apply(
    client: &Client,
    checked: &Checked,
    message: Option<String>,
    screen: Screen,
) -> Result<Applied, Failure> {
    if screen.is_json() && checked.diagnostics.iter().any(Diagnostic::is_error) {
        screen.json(&serde_json::json!({ "diagnostics": diagnostics::to_json(&checked.diagnostics) }))?;
        return Err(Failure::said(Exit::No));
    }
    must_be_clean(checked)?;
    let files = checked
        .sources
        .iter()
        .map(|(path, content)| FileBody { path: path.clone(), content: content.clone() })
        .collect();
    let directory = checked.root.to_str().ok_or_else(|| {
        Failure::new(Exit::Local, format!("The path {} is not UTF-8", checked.root.display()))
    })?;
    let revision = NewRevision { files, directory: directory.to_owned(), message };
    match client.apply(&revision).await {
        Ok(applied) => Ok(applied),
        // The server may know more problems than we do, if it is of another version.
        Err(ClientError::Refused(body))
            if body.kind == ErrorKind::Invalid && !body.diagnostics.is_empty() =>
        {
            if screen.is_json() {
                screen.json(&serde_json::json!({ "diagnostics": body.diagnostics }))?;
                return Err(Failure::said(Exit::No));
            }
            for diagnostic in &body.diagnostics {
                say(&line(diagnostic));
            }
            Err(Failure::new(
                Exit::No,
                format!("The server found {}; nothing was changed", count(body.diagnostics.len(), "problem")),
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// A problem on one line, where the text it is about is not at hand.
fn line(diagnostic: &DiagnosticView) -> String {
    let DiagnosticView { path, line, column, severity, code, message, .. } = diagnostic;
    let help = diagnostic.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
    clean(&format!("{path}:{line}:{column}: {severity}[{code}]: {message}{help}"))
}

/// What an apply did.
pub fn render(applied: &Applied, style: Style) -> String {
    let mut out = String::new();
    let Applied { workload, revision, .. } = applied;
    if applied.changed {
        let parent = applied
            .parent
            .as_deref()
            .map_or_else(|| "the first".to_owned(), |parent| format!("after {parent}"));
        let _ = writeln!(out, "{workload}: revision {revision} is wanted now ({parent})");
    } else {
        let _ = writeln!(out, "{workload}: revision {revision} was wanted already; nothing to change");
    }
    if !applied.changes.is_empty() {
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

/// `mainstay procedures` and `mainstay triggers`.
pub async fn list(screen: Screen, client: &Client, what: What) -> Result<(), Failure> {
    let page = client.workloads().await?;
    screen.show(&page, |page| render_list(&page.items, what, screen.style))
}

/// Which part of the workloads is listed.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// Their procedures.
    Procedures,
    /// Their triggers.
    Triggers,
}

fn render_list(workloads: &[WorkloadDetail], what: What, style: Style) -> String {
    if workloads.is_empty() {
        return "No workload has been applied. `mainstay apply DIR` does.\n".to_owned();
    }
    let (head, hint) = match what {
        What::Procedures => ("PROCEDURE", "put SSM documents into `runbooks/` of the workload's directory"),
        What::Triggers => ("TRIGGER", "put EventBridge rules into `triggers/` of the workload's directory"),
    };
    let rows: Vec<Vec<_>> = workloads
        .iter()
        .flat_map(|workload| {
            let names = match what {
                What::Procedures => &workload.procedures,
                What::Triggers => &workload.triggers,
            };
            names.iter().map(|name| vec![workload.workload.clone().into(), name.clone().into()])
        })
        .collect();
    if rows.is_empty() { format!("None: {hint}.\n") } else { table(style, &["WORKLOAD", head], rows) }
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
                change: "update".to_owned(),
                fields: vec!["run".to_owned(), "limits".to_owned()],
            }],
            unplaced: vec!["checkout: no connected host matches `role=app`".to_owned()],
            warnings: Vec::new(),
        };
        assert_eq!(
            render(&applied, Style::default()),
            "shop: revision 8f3a is wanted now (after 11aa)\n\
             \x20 HOST   COMPONENT  CHANGE  FIELDS\n\
             \x20 web-1  payments   update  run, limits\n\
             \x20 not placed: checkout: no connected host matches `role=app`\n"
        );
        let again = Applied { changed: false, changes: Vec::new(), unplaced: Vec::new(), ..applied };
        assert_eq!(
            render(&again, Style::default()),
            "shop: revision 8f3a was wanted already; nothing to change\n"
        );
    }
}
