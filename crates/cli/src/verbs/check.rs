//! `mainstay check`.

use std::path::Path;

use mainstay_declare::Diagnostic;
use serde_json::json;

use crate::diagnostics;
use crate::directory;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, count, say};

/// Checks a directory or a file; problems are the answer, so they go to stdout.
pub fn run(screen: Screen, path: &Path) -> Result<(), Failure> {
    let (diagnostics, sources, clean) = if path.is_file() {
        let file = directory::read_single(path)?;
        let outcome = mainstay_declare::check_file(&file, None, &mainstay_server::languages::Spoken);
        let clean = match outcome.kind {
            Some(kind) => format!("{}: no problems in {}", path.display(), kind.description()),
            None => String::new(),
        };
        (outcome.diagnostics, outcome.sources, clean)
    } else {
        let checked = directory::check(path)?;
        let clean = checked.declared.map(|declared| {
            format!(
                "{}: no problems in {} ({}, {}, {}, {})",
                path.display(),
                count(checked.sources.len(), "file"),
                count(declared.workload.components.len(), "component"),
                count(declared.procedures.len(), "procedure"),
                count(declared.triggers.len(), "trigger"),
                count(declared.rules.iter().map(|rules| rules.facts.alerts.len()).sum(), "alarm"),
            )
        });
        (checked.diagnostics, checked.sources, clean.unwrap_or_default())
    };
    let problems = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    if screen.is_json() {
        screen.json(&json!({
            "clean": problems == 0,
            "problems": problems,
            "warnings": diagnostics.len() - problems,
            "diagnostics": diagnostics::to_json(&diagnostics),
        }))?;
    } else {
        screen.print(&diagnostics::render(&diagnostics, &sources, screen.style.color))?;
        if diagnostics.is_empty() {
            say(&clean);
        }
    }
    answer(&diagnostics)
}

/// The exit code that problems mean.
pub fn answer(diagnostics: &[Diagnostic]) -> Result<(), Failure> {
    if diagnostics.iter().any(Diagnostic::is_error) { Err(Failure::said(Exit::No)) } else { Ok(()) }
}
