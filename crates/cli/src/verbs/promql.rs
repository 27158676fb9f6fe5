//! `mainstay promql`: PromQL on files, with no server.

mod explain;
mod hints;
mod pretty;
mod query;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mainstay_declare::{Diagnostic, LineCol};
use mainstay_model::Severity;
use mainstay_promql::{Expr, ParseError, testscript};
use serde_json::{Value, json};

use crate::args::PromqlVerb;
use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, clean, is_colored, say, shorten};

/// What stands for a file's name where an expression from the command line is shown.
const EXPRESSION: &str = "expression";

/// The largest file of samples or scripts that is read.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Does what is asked.
pub fn run(screen: Screen, verb: &PromqlVerb) -> Result<(), Failure> {
    match verb {
        PromqlVerb::Test { files } => scripts(screen, files),
        PromqlVerb::Query(query) => query::run(screen, query),
        PromqlVerb::Format { expression } => {
            let printed = pretty::pretty(&parse(screen, expression)?);
            screen.show(&json!({ "formatted": printed }), |_| format!("{printed}\n"))
        }
        PromqlVerb::Explain { expression } => explain(screen, expression),
    }
}

/// A file's text, whatever its size up to a limit. Anything but a regular file is refused: a pipe could be waited for
/// without end.
fn read(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let failed =
        |error: &std::io::Error| Failure::local(format!("The file {} cannot be read", path.display()), error);
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(failed(&std::io::Error::other("it is not a regular file")));
    }
    if metadata.len() > MAX_FILE_BYTES {
        let message =
            format!("it has {} bytes, and {MAX_FILE_BYTES} is the most that is read", metadata.len());
        return Err(failed(&std::io::Error::other(message)));
    }
    let mut text = String::new();
    let mut file = std::fs::File::open(path).map_err(|error| failed(&error))?.take(MAX_FILE_BYTES);
    file.read_to_string(&mut text).map_err(|error| failed(&error))?;
    Ok(text)
}

/// Reads an expression; what is wrong with it is drawn on stderr.
fn parse(screen: Screen, text: &str) -> Result<Expr, Failure> {
    mainstay_promql::parse(text).map_err(|errors| {
        let diagnostics: Vec<Diagnostic> = errors.iter().map(|error| parse_problem(text, error)).collect();
        refuse(screen, text, &diagnostics)
    })
}

/// Draws problems of an expression (or prints them as JSON) and answers the failure that has nothing to add.
fn refuse(screen: Screen, text: &str, diagnostics: &[Diagnostic]) -> Failure {
    if screen.is_json() {
        let body = json!({ "diagnostics": diagnostics::to_json(diagnostics) });
        if let Err(failure) = screen.json(&body) {
            return failure;
        }
    } else {
        say(draw(text, diagnostics).trim_end());
    }
    Failure::said(Exit::No)
}

fn draw(text: &str, diagnostics: &[Diagnostic]) -> String {
    drawn(text, diagnostics, is_colored(&std::io::stderr()))
}

/// The diagnostics without the line that counts them and their files: there is one expression, and it is in none.
fn drawn(text: &str, diagnostics: &[Diagnostic], color: bool) -> String {
    let sources = BTreeMap::from([(EXPRESSION.to_owned(), text.to_owned())]);
    let mut out = diagnostics::render(diagnostics, &sources, color);
    out.truncate(out.trim_end().rfind('\n').map_or(0, |at| at + 1));
    out
}

fn parse_problem(text: &str, error: &ParseError) -> Diagnostic {
    let found =
        diagnostic(text, Severity::Error, "bad-expression", error.message.clone(), error.span.clone());
    Diagnostic { help: error.help.clone(), ..found }
}

/// Something about a part of an expression.
fn diagnostic(
    text: &str,
    severity: Severity,
    code: &'static str,
    message: String,
    span: std::ops::Range<usize>,
) -> Diagnostic {
    let boundary =
        |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = boundary(span.start);
    let end = boundary(span.end).max(start);
    let position = |at: usize| {
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        LineCol { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    };
    Diagnostic {
        code,
        severity,
        message,
        label: None,
        help: None,
        path: EXPRESSION.to_owned(),
        start: position(start),
        end: position(end),
        span: start..end,
        related: Vec::new(),
    }
}

fn explain(screen: Screen, text: &str) -> Result<(), Failure> {
    let expr = parse(screen, text)?;
    let tree = explain::tree(&expr);
    let hints: Vec<Diagnostic> = hints::hints(&expr)
        .into_iter()
        .map(|hint| {
            let found = diagnostic(text, Severity::Warning, hint.code, hint.message, hint.span.range());
            Diagnostic { help: Some(hint.help), ..found }
        })
        .collect();
    let selectors: Vec<String> = expr.selectors().into_iter().map(ToString::to_string).collect();
    if screen.is_json() {
        return screen.json(&json!({
            "tree": explain::to_json(&tree),
            "selectors": selectors,
            "hints": diagnostics::to_json(&hints),
        }));
    }
    let mut out = crate::screen::clean_lines(&explain::draw(&tree));
    if !selectors.is_empty() {
        out.push_str("\nReads\n");
        for selector in selectors {
            out.push_str(&format!("  {}\n", clean(&selector)));
        }
    }
    if !hints.is_empty() {
        out.push('\n');
        out.push_str(&drawn(text, &hints, screen.style.color));
    }
    screen.print(&out)
}

/// Runs Prometheus' test scripts. A file that cannot be read counts as one failure, and the others are still run.
fn scripts(screen: Screen, files: &[PathBuf]) -> Result<(), Failure> {
    let (mut passed, mut failed) = (0, 0);
    let mut told = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let report = match read(path) {
            Ok(text) => testscript::run(&text),
            Err(failure) => {
                failed += 1;
                let why =
                    std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": ");
                if !screen.is_json() {
                    screen.print(&format!("{}: {}\n", clean(&name), clean(&why)))?;
                }
                told.push(json!({ "path": name, "error": why, "passed": 0, "failed": 1, "failures": [] }));
                continue;
            }
        };
        let mut failures: Vec<Value> = Vec::new();
        for outcome in &report.outcomes {
            let Some(failure) = &outcome.failure else { continue };
            failures.push(json!({ "line": outcome.line, "expression": outcome.expr, "failure": failure }));
            if !screen.is_json() {
                let expr = match outcome.expr.is_empty() {
                    true => String::new(),
                    false => format!("{}: ", shorten(&clean(&outcome.expr), 200)),
                };
                screen.print(&format!("{}:{}: {expr}{}\n", clean(&name), outcome.line, clean(failure)))?;
            }
        }
        if report.outcomes.is_empty() && !screen.is_json() {
            say(&format!("warning: {} evaluates nothing", clean(&name)));
        }
        passed += report.passed();
        failed += report.failed();
        told.push(json!({
            "path": name,
            "passed": report.passed(),
            "failed": report.failed(),
            "failures": failures,
        }));
    }
    if screen.is_json() {
        screen.json(&json!({ "passed": passed, "failed": failed, "files": told }))?;
    } else {
        screen.print(&format!("{passed} passed, {failed} failed\n"))?;
    }
    if failed == 0 { Ok(()) } else { Err(Failure::said(Exit::No)) }
}
