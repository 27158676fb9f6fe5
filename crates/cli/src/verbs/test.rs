//! `mainstay test`: unit tests of alarms and recording rules, in promtool's format, and of triggers.

mod file;
mod glob;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mainstay_declare::Diagnostic;
use mainstay_declare::kind::is_test_file;
use mainstay_detect::unittest::TestOutcome;
use serde_json::{Value, json};

use crate::args::Test;
use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, Tone, clean, count, say};
use file::Loaded;

/// How deep folders are looked into, and how many files may be looked at.
const MAX_DEPTH: usize = 16;
const MAX_FILES: usize = 20_000;

/// Folders that hold what is built or written.
const SKIPPED: [&str; 5] = ["target", "bin", "data", "log", "node_modules"];

/// A test file to run, and the directory that was asked for if it was found in one.
struct Wanted {
    path: PathBuf,
    within: Option<PathBuf>,
}

/// What is said of a test, or of a file beside its tests.
#[derive(Clone, PartialEq)]
struct Piece {
    /// Which one: the file and what it is about.
    about: (String, String),
    text: String,
    /// Whether it is a remark, for stderr.
    is_remark: bool,
}

#[derive(Default)]
struct Sum {
    passed: usize,
    failed: usize,
    files: Vec<Value>,
    pieces: Vec<Piece>,
    /// Files that were read.
    read: BTreeSet<PathBuf>,
}

/// Runs all tests, whatever becomes of any of them.
pub fn run(screen: Screen, test: &Test) -> Result<(), Failure> {
    if test.watch {
        return watch::run(screen, &test.paths);
    }
    let wanted = wanted(&test.paths)?;
    if wanted.is_empty() {
        return Err(none_found(&test.paths));
    }
    let mut sum = Sum::default();
    for file in &wanted {
        sum.file(screen, file);
        if !screen.is_json() {
            sum.pieces.drain(..).try_for_each(|piece| piece.print(screen))?;
        }
    }
    if screen.is_json() {
        screen.json(&sum.value())?;
    } else {
        screen.print(&sum.summary(wanted.len()))?;
    }
    if sum.failed == 0 { Ok(()) } else { Err(Failure::said(Exit::No)) }
}

fn none_found(paths: &[PathBuf]) -> Failure {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    Failure::new(Exit::No, format!("There are no tests in {}", names.join(", "))).hint(
        "tests of `alarms/x.yaml` are in `alarms/x.test.yaml`, in the format of `promtool test rules`; tests of \
         `triggers/x.yaml` in `triggers/x.test.yaml`",
    )
}

impl Piece {
    fn print(&self, screen: Screen) -> Result<(), Failure> {
        if self.is_remark {
            say(&self.text);
            return Ok(());
        }
        screen.print(&self.text)
    }
}

/// A test file and what it tests, read and checked but not run.
pub fn load(path: &Path) -> Result<Loaded, Failure> {
    file::load(path, None)
}

/// The files to run, each once.
fn wanted(paths: &[PathBuf]) -> Result<Vec<Wanted>, Failure> {
    let mut out: Vec<Wanted> = Vec::new();
    let mut add = |wanted: Wanted| {
        if out.iter().all(|known| known.path != wanted.path) {
            out.push(wanted);
        }
    };
    for path in paths {
        let unreadable =
            |error: &std::io::Error| Failure::local(format!("{} cannot be read", path.display()), error);
        if std::fs::metadata(path).map_err(|error| unreadable(&error))?.is_dir() {
            let mut found = Vec::new();
            let mut seen = 0;
            walk(path, 0, &mut seen, &mut found).map_err(|error| unreadable(&error))?;
            found.sort();
            for file in found {
                add(Wanted { path: file, within: Some(path.clone()) });
            }
        } else {
            add(Wanted { path: path.clone(), within: None });
        }
    }
    Ok(out)
}

/// Links are not followed, so that nothing outside of the directory is taken for a part of it.
fn walk(folder: &Path, depth: usize, seen: &mut usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        *seen += 1;
        if *seen > MAX_FILES {
            return Err(std::io::Error::other(format!("it has more than {MAX_FILES} files")));
        }
        let kind = entry.file_type()?;
        if name.starts_with('.') {
            continue;
        }
        let path = if folder == Path::new(".") { PathBuf::from(&name) } else { entry.path() };
        if kind.is_dir() && depth < MAX_DEPTH && !(depth == 0 && SKIPPED.contains(&name.as_str())) {
            walk(&path, depth + 1, seen, found)?;
        } else if kind.is_file() && is_test_file(&name) {
            found.push(path);
        }
    }
    Ok(())
}

impl Sum {
    fn value(&self) -> Value {
        json!({ "passed": self.passed, "failed": self.failed, "files": self.files })
    }

    fn summary(&self, files: usize) -> String {
        format!("{} passed, {} failed in {}\n", self.passed, self.failed, count(files, "file"))
    }

    fn say(&mut self, path: &str, about: &str, text: String, is_remark: bool) {
        self.pieces.push(Piece { about: (path.to_owned(), about.to_owned()), text, is_remark });
    }

    fn file(&mut self, screen: Screen, wanted: &Wanted) {
        self.read.insert(wanted.path.clone());
        let loaded = match file::load(&wanted.path, wanted.within.as_deref()) {
            Ok(loaded) => loaded,
            Err(failure) => {
                self.failed += 1;
                let path = wanted.path.display().to_string();
                let why =
                    std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": ");
                self.say(&path, "", headline(screen, false, &path, &why), false);
                self.files.push(json!({ "path": path, "error": why, "diagnostics": [], "tests": [] }));
                return;
            }
        };
        self.read.extend(loaded.sources.keys().map(PathBuf::from));
        for note in &loaded.notes {
            self.say(&loaded.path, note, format!("note: {}", clean(note)), true);
        }
        if loaded.is_broken() {
            return self.broken(screen, &loaded);
        }
        let Some(tests) = &loaded.tests else { return };
        let (warnings, outcomes) = tests.run();
        let mut odd = loaded.diagnostics.clone();
        odd.extend(file::locate(&loaded.source, &warnings));
        for diagnostic in &odd {
            let at = diagnostic.start;
            let help = diagnostic.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
            let text = format!(
                "warning: {}:{}:{}: {}{help}",
                diagnostic.path, at.line, at.column, diagnostic.message
            );
            if !screen.is_json() {
                self.say(&loaded.path, &diagnostic.message, clean(&text), true);
            }
        }
        let mut results = Vec::new();
        for outcome in &outcomes {
            results.push(self.outcome(screen, &loaded, outcome));
        }
        if tests.len() == 0 && !screen.is_json() {
            let text = format!("warning: {} holds no tests", clean(&loaded.path));
            self.say(&loaded.path, "no tests", text, true);
        }
        self.files.push(json!({
            "path": loaded.path,
            "diagnostics": diagnostics::to_json(&odd),
            "tests": results,
        }));
    }

    /// A file of which no test can be run. Every test counts as failed, and at least one.
    fn broken(&mut self, screen: Screen, loaded: &Loaded) {
        let number = loaded.tests.as_ref().map_or(1, |tests| tests.len().max(1));
        self.failed += number;
        let why = if loaded.tests.is_none() { "is not a test file" } else { "what it tests has problems" };
        let drawn = diagnostics::render(&loaded.diagnostics, &loaded.sources, screen.style.color);
        self.say(&loaded.path, "", headline(screen, false, &loaded.path, why) + &drawn, false);
        self.files.push(json!({
            "path": loaded.path,
            "error": why,
            "diagnostics": diagnostics::to_json(&loaded.diagnostics),
            "tests": [],
        }));
    }

    fn outcome(&mut self, screen: Screen, loaded: &Loaded, outcome: &TestOutcome) -> Value {
        if outcome.passed() {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        let problems: Vec<_> = outcome.failures.iter().map(|failure| failure.problem.clone()).collect();
        let located = file::locate(&loaded.source, &problems);
        let mut text = headline(screen, outcome.passed(), &loaded.path, &outcome.name);
        for (failure, diagnostic) in outcome.failures.iter().zip(&located) {
            text.push_str(&explained(screen, diagnostic, &failure.diff()));
        }
        self.say(&loaded.path, &outcome.name, text, false);
        let places = diagnostics::to_json(&located);
        let failures: Vec<Value> = outcome
            .failures
            .iter()
            .zip(places.as_array().into_iter().flatten())
            .map(|(failure, place)| {
                let mut entry = place.clone();
                entry["expected"] = failure.expected.clone().into();
                entry["got"] = failure.got.clone().into();
                entry
            })
            .collect();
        json!({
            "name": outcome.name,
            "passed": outcome.passed(),
            "expectations": outcome.checks,
            "failures": failures,
        })
    }
}

fn headline(screen: Screen, passed: bool, path: &str, what: &str) -> String {
    let word =
        if passed { screen.style.paint(Tone::Good, "ok  ") } else { screen.style.paint(Tone::Bad, "FAIL") };
    format!("{word}  {}: {}\n", clean(path), clean(what))
}

/// A failure under the line of its test: where, what, the difference, and what may explain it.
fn explained(screen: Screen, diagnostic: &Diagnostic, diff: &[mainstay_detect::unittest::Line]) -> String {
    use mainstay_detect::unittest::Line;
    let mut out = format!("      line {}: {}\n", diagnostic.start.line, clean(&diagnostic.message));
    if !diff.is_empty() {
        out.push_str("        (- expected, + got)\n");
    }
    for line in diff {
        let text = clean(&line.to_string());
        let text = match line {
            Line::Same(_) => text,
            Line::Missing(_) => screen.style.paint(Tone::Bad, &text),
            Line::Unexpected(_) => screen.style.paint(Tone::Busy, &text),
        };
        out.push_str(&format!("        {text}\n"));
    }
    if let Some(help) = &diagnostic.help {
        out.push_str(&format!("        hint: {}\n", clean(help)));
    }
    out
}
