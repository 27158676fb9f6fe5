//! Diagnostics as people and scripts read them.
//!
//! Text is drawn as rustc draws it: the place, the line with the text underlined, other places that belong to it, and
//! what to do. Nothing that stands in a file reaches the terminal as a control sequence.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use mainstay_declare::{Diagnostic, LineCol};
use mainstay_model::Severity;
use serde_json::{Value, json};

/// Lines shown before and after what is underlined.
const CONTEXT_LINES: usize = 1;

/// The longest part of a line that is shown. Longer lines are those of generated JSON, which nobody reads as lines.
const MAX_LINE_BYTES: usize = 600;

/// Draws all of them, each followed by an empty line, and a line that counts them. Empty if there are none.
pub fn render(diagnostics: &[Diagnostic], sources: &BTreeMap<String, String>, color: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&renderer.render(&[group(diagnostic, sources)]));
        out.push_str("\n\n");
    }
    out.push_str(&summary(diagnostics));
    out.push('\n');
    out
}

/// `2 problems and 1 warning in 2 files`.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{number} {word}s")),
    };
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let parts = [count(errors, "problem"), count(diagnostics.len() - errors, "warning")];
    let files: std::collections::BTreeSet<&str> = diagnostics.iter().map(|d| d.path.as_str()).collect();
    let what = parts.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    match count(files.len(), "file") {
        Some(files) => format!("{what} in {files}"),
        None => "no problems".to_owned(),
    }
}

/// The same for scripts: a list of objects, in order. Lines and columns count from 1, columns in characters; `span`
/// is in bytes.
pub fn to_json(diagnostics: &[Diagnostic]) -> Value {
    let position = |at: LineCol| json!({"line": at.line, "column": at.column});
    let place = |path: &str, span: &Range<usize>, start: LineCol, end: LineCol| {
        json!({
            "path": path,
            "span": {"start": span.start, "end": span.end},
            "start": position(start),
            "end": position(end),
        })
    };
    diagnostics
        .iter()
        .map(|diagnostic| {
            let related = diagnostic.related.iter().map(|other| {
                json!({
                    "message": other.message,
                    "place": place(&other.path, &other.span, other.start, other.end),
                })
            });
            json!({
                "code": diagnostic.code,
                "severity": match diagnostic.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                "message": diagnostic.message,
                "label": diagnostic.label,
                "help": diagnostic.help,
                "place": place(&diagnostic.path, &diagnostic.span, diagnostic.start, diagnostic.end),
                "related": related.collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// A span to mark, and the words beside it.
struct Mark {
    kind: AnnotationKind,
    span: Range<usize>,
    line: usize,
    label: Option<String>,
}

fn group<'a>(diagnostic: &Diagnostic, sources: &BTreeMap<String, String>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(visible(&diagnostic.message)).id(diagnostic.code);
    // The file of the problem comes first, then those of the other places.
    let mut files: Vec<(&str, Vec<Mark>)> = Vec::new();
    let mut add = |path, mark: Mark| match files.iter_mut().find(|(known, _)| *known == path) {
        Some((_, marks)) => marks.push(mark),
        None => files.push((path, vec![mark])),
    };
    let label = diagnostic.label.as_deref().map(visible);
    add(
        diagnostic.path.as_str(),
        Mark {
            kind: AnnotationKind::Primary,
            span: diagnostic.span.clone(),
            line: diagnostic.start.line,
            label,
        },
    );
    for other in &diagnostic.related {
        let mark = Mark {
            kind: AnnotationKind::Context,
            span: other.span.clone(),
            line: other.start.line,
            label: Some(visible(&other.message)),
        };
        add(other.path.as_str(), mark);
    }
    let mut group = Group::with_title(title);
    for (path, marks) in files {
        group = match window(sources.get(path).map_or("", String::as_str), &marks) {
            Some((text, line, offset)) => {
                let annotations = marks.into_iter().map(|mark| {
                    let fit = |at: usize| at.saturating_sub(offset).min(text.len());
                    mark.kind.span(fit(mark.span.start)..fit(mark.span.end)).label(mark.label)
                });
                let annotations: Vec<_> = annotations.collect();
                group.element(
                    Snippet::source(text).line_start(line).path(visible(path)).annotations(annotations),
                )
            }
            // About the file as a whole.
            None => {
                let mut group = group;
                if path == diagnostic.path {
                    group = group.element(Origin::path(visible(path)));
                }
                for label in marks.into_iter().filter_map(|mark| mark.label) {
                    group = group.element(Level::NOTE.message(format!("{label}: {}", visible(path))));
                }
                group
            }
        };
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(visible(help))),
        None => group,
    }
}

/// The lines around the marks, the number of the first, and the byte where they start. `None` where every mark is
/// about the file as a whole.
fn window(text: &str, marks: &[Mark]) -> Option<(String, usize, usize)> {
    if text.is_empty() || marks.iter().all(|mark| mark.span == (0..0)) {
        return None;
    }
    let (first, first_line) = marks.iter().map(|mark| (mark.span.start, mark.line)).min()?;
    let first = first.min(text.len());
    let last = marks.iter().map(|mark| mark.span.end).max()?.min(text.len());
    let mut start = line_start(text, first);
    for _ in 0..CONTEXT_LINES {
        start = line_start(text, start.saturating_sub(1));
    }
    if start == 0 && text.starts_with('\u{feff}') {
        // A byte order mark is no character of the line, and would be counted as one.
        start = '\u{feff}'.len_utf8().min(first);
    }
    let mut end = line_end(text, last);
    for _ in 0..CONTEXT_LINES {
        end = line_end(text, (end + 1).min(text.len()));
    }
    let is_long = |window: &str| window.lines().any(|line| line.len() > MAX_LINE_BYTES);
    if end - start > MAX_LINE_BYTES && is_long(&text[start..end]) {
        (start, end) = around(text, first, last);
    }
    let line = first_line - text[start..first].matches('\n').count();
    Some((printable(&text[start..end]), line, start))
}

/// Of very long lines, the part around the marks, on one line.
fn around(text: &str, first: usize, last: usize) -> (usize, usize) {
    let boundary = |at: usize| {
        let at = at.min(text.len());
        (at.saturating_sub(3)..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = boundary(first.saturating_sub(MAX_LINE_BYTES / 4)).max(line_start(text, first));
    let end = boundary(last.min(first + MAX_LINE_BYTES / 2) + MAX_LINE_BYTES / 4).max(first);
    let end = text[first..end].find('\n').map_or(end, |length| first + length);
    (start, end)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].rfind('\n').map_or(0, |at| at + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text[at..].find('\n').map_or(text.len(), |length| at + length)
}

/// A source text without the control characters that the renderer lets through, each replaced by one of the same length
/// so that spans still hold.
fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\u{80}'..='\u{9f}') { '\u{b7}' } else { c }).collect()
}

/// A text without control characters: what stands in a file must not move the cursor of who looks at it.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            // These turn the direction of writing, so that text can look like other text.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}
