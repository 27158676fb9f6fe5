//! `mainstay check --watch`: checks again whenever a file changes, and prints what that changed.

use std::io::Write as _;
use std::path::Path;

use mainstay_declare::Diagnostic;

use super::{Answer, look, value};
use crate::args::Output;
use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, say};
use crate::watching::Watch;

/// Checks until it is interrupted.
pub fn run(screen: Screen, path: &Path) -> Result<(), Failure> {
    if screen.output == Output::Sarif {
        return Err(Failure::new(Exit::Usage, "`--watch` has no end, and SARIF is one document")
            .hint("use `--output json`, which prints one line for each check"));
    }
    let files = Watch::new()?;
    files.add(path)?;
    let mut before = look(path)?;
    before.standards.iter().try_for_each(|standard| files.add(standard))?;
    match screen.output {
        Output::Human => {
            screen.print(&diagnostics::render(&before.diagnostics, &before.sources, screen.style.color))?;
            if before.diagnostics.is_empty() {
                say(&before.clean);
            }
            say("waiting for changes; Ctrl-C ends it");
        }
        _ => screen.json_line(&value(&before))?,
    }
    loop {
        files.wait()?;
        // New folders are watched before they are read, so that nothing is missed in between.
        files.add(path)?;
        let now = look(path)?;
        now.standards.iter().try_for_each(|standard| files.add(standard))?;
        if now.sources == before.sources && now.diagnostics == before.diagnostics {
            continue;
        }
        match screen.output {
            Output::Human => {
                screen.print(&difference(&before, &now, screen.style.color))?;
                if now.diagnostics.is_empty() {
                    say(&now.clean);
                }
            }
            _ => screen.json_line(&value(&now))?,
        }
        let _ = std::io::stdout().flush();
        before = now;
    }
}

/// A problem without its place: one that only moved is not a new one.
fn same(a: &Diagnostic, b: &Diagnostic) -> bool {
    (a.code, &a.path, &a.message) == (b.code, &b.path, &b.message)
}

/// What is new is drawn in full, what is gone is named.
fn difference(before: &Answer, now: &Answer, color: bool) -> String {
    let missing = |from: &[Diagnostic], others: &[Diagnostic]| -> Vec<Diagnostic> {
        from.iter().filter(|one| !others.iter().any(|other| same(one, other))).cloned().collect()
    };
    let gone = missing(&before.diagnostics, &now.diagnostics);
    let new = missing(&now.diagnostics, &before.diagnostics);
    let mut out = String::new();
    for diagnostic in &gone {
        let line = format!("gone[{}]: {}\n --> {}\n", diagnostic.code, diagnostic.message, diagnostic.path);
        out.push_str(&crate::screen::clean_lines(&line));
    }
    if !gone.is_empty() {
        out.push('\n');
    }
    if !new.is_empty() {
        let drawn = diagnostics::render(&new, &now.sources, color);
        // The count is of all problems, and follows.
        out.push_str(drawn.trim_end().rsplit_once('\n').map_or("", |(problems, _)| problems));
        out.push('\n');
    }
    let old = now.diagnostics.len() - new.len();
    if !now.diagnostics.is_empty() {
        let kept =
            if old > 0 && !new.is_empty() { format!(", {old} of them as before") } else { String::new() };
        let kept = if new.is_empty() { ", none of them new".to_owned() } else { kept };
        out.push_str(&format!("{}{kept}\n", diagnostics::summary(&now.diagnostics)));
    }
    out
}
