//! `mainstay check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mainstay_declare::{Diagnostic, kind};
use serde_json::{Value, json};

use crate::args::{Check, Output};
use crate::diagnostics;
use crate::directory;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, count, say};

mod sarif;
mod watch;

/// The version of what `--output json` prints. It grows when a member changes its meaning or is gone; new members may
/// come without.
const VERSION: u32 = 1;

/// What a check found.
struct Answer {
    diagnostics: Vec<Diagnostic>,
    sources: BTreeMap<String, String>,
    /// What there is to say if nothing is wrong.
    clean: String,
    /// What the diagnostics' paths are relative to, as it was typed.
    root: PathBuf,
    /// The directories of standards that it uses.
    standards: Vec<PathBuf>,
}

/// Checks a directory or a file; problems are the answer, so they go to stdout.
pub fn run(screen: Screen, check: &Check) -> Result<(), Failure> {
    if check.watch {
        return watch::run(screen, &check.path);
    }
    let found = look(&check.path)?;
    match screen.output {
        Output::Json => screen.json(&value(&found))?,
        Output::Sarif => screen.json(&sarif::log(&found.diagnostics, &found.root))?,
        Output::Human => {
            screen.print(&diagnostics::render(&found.diagnostics, &found.sources, screen.style.color))?;
            say(&last_word(&found));
        }
    }
    answer(&found.diagnostics)
}

/// What stands on stderr after the problems.
fn last_word(found: &Answer) -> String {
    match found.diagnostics.first() {
        Some(first) => format!("`mainstay explain {}` says more, as for every code in brackets", first.code),
        None => found.clean.clone(),
    }
}

/// The answer for scripts.
fn value(found: &Answer) -> Value {
    let problems = found.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    json!({
        "version": VERSION,
        "clean": problems == 0,
        "problems": problems,
        "warnings": found.diagnostics.len() - problems,
        "diagnostics": diagnostics::to_json(&found.diagnostics),
    })
}

fn look(path: &Path) -> Result<Answer, Failure> {
    if path.is_file() { single(path) } else { whole(path) }
}

fn single(path: &Path) -> Result<Answer, Failure> {
    let root = PathBuf::new();
    let shown = path.display();
    if kind::is_test_file(&path.to_string_lossy()) {
        let loaded = super::test::load(path)?;
        let (tests, of) = loaded.tests.as_ref().map_or((0, "nothing"), |tests| (tests.len(), tests.of()));
        let clean =
            format!("{shown}: no problems in {} of {of}; `mainstay test` runs them", count(tests, "test"));
        return Ok(Answer {
            diagnostics: loaded.diagnostics,
            sources: loaded.sources,
            clean,
            root,
            standards: Vec::new(),
        });
    }
    let file = directory::read_single(path)?;
    let outcome = mainstay_declare::check_file(&file, None, &mainstay_server::languages::Spoken);
    let clean = match outcome.kind {
        Some(kind) => format!("{shown}: no problems in {}", kind.description()),
        None => String::new(),
    };
    Ok(Answer {
        diagnostics: outcome.diagnostics,
        sources: outcome.sources,
        clean,
        root,
        standards: Vec::new(),
    })
}

fn whole(path: &Path) -> Result<Answer, Failure> {
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
    Ok(Answer {
        diagnostics: checked.diagnostics,
        sources: checked.sources,
        clean: clean.unwrap_or_default(),
        root: path.to_owned(),
        standards: checked.standards,
    })
}

/// The exit code that problems mean.
pub fn answer(diagnostics: &[Diagnostic]) -> Result<(), Failure> {
    if diagnostics.iter().any(Diagnostic::is_error) { Err(Failure::said(Exit::No)) } else { Ok(()) }
}
