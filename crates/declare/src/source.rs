//! The text of a file, and where in it a byte stands.

use std::ops::Range;

use mainstay_model::Severity;

use crate::SourceFile;
use crate::diagnostic::{Diagnostic, LineCol, Related};

/// The largest file that is read. A rule file of a thousand alarms takes a third of it.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The most that is read of one directory.
pub const MAX_DIRECTORY_BYTES: usize = 16 * 1024 * 1024;

/// One file's text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub path: String,
    pub text: String,
    line_starts: Vec<usize>,
    /// The characters before each block of [`BLOCK`] bytes, so that columns of very long lines are cheap to tell.
    blocks: Vec<usize>,
}

const BLOCK: usize = 1024;

/// The characters that start in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

impl Source {
    fn new(path: &str, text: String) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let blocks = text
            .as_bytes()
            .chunks(BLOCK)
            .scan(0, |before, block| Some(std::mem::replace(before, *before + characters(block))))
            .collect();
        Self { path: path.to_owned(), text, line_starts, blocks }
    }

    /// A file of which only the name matters.
    pub fn named(path: &str) -> Self {
        Self::new(path, String::new())
    }

    /// Decodes a file. With an error the text is only good for showing the error.
    pub fn read(file: &SourceFile) -> (Self, Option<Diagnostic>) {
        if file.bytes.len() > MAX_FILE_BYTES {
            let source = Self::new(&file.path, String::new());
            let message = format!(
                "This file has {} bytes, and {MAX_FILE_BYTES} is the most that is read",
                file.bytes.len()
            );
            let diagnostic = source
                .error("too-large", 0..0, message)
                .help("split it into several files of the same folder");
            return (source, Some(diagnostic));
        }
        match std::str::from_utf8(&file.bytes) {
            Ok(text) => {
                let source = Self::new(&file.path, text.to_owned());
                let problem = source.control_character();
                (source, problem)
            }
            Err(error) => {
                // The replacement characters come after the first error or stand in its place, so its offset holds.
                let source = Self::new(&file.path, String::from_utf8_lossy(&file.bytes).into_owned());
                let at = error.valid_up_to();
                let byte = file.bytes.get(at).copied().unwrap_or_default();
                let message = format!(
                    "This file is not UTF-8: byte {at} (0x{byte:02x}) on line {} is not part of a character",
                    source.line_col(at).line
                );
                let wide = matches!(file.bytes.get(..2), Some([0xff, 0xfe] | [0xfe, 0xff]));
                let help = if wide { "it looks like UTF-16; save it as UTF-8" } else { "save it as UTF-8" };
                let diagnostic = source
                    .error("invalid-utf8", at..at + '\u{fffd}'.len_utf8(), message)
                    .label("not UTF-8 from here on")
                    .help(help);
                (source, Some(diagnostic))
            }
        }
    }

    /// The first character that neither YAML nor JSON allows. The YAML scanner would take a NUL for the end of the file
    /// and silently leave the rest unread.
    fn control_character(&self) -> Option<Diagnostic> {
        let start = self.content_start();
        let (at, c) = self.text[start..].char_indices().find(|(_, c)| {
            (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'))
                || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        })?;
        let at = start + at;
        let what = if c == '\u{feff}' {
            "byte order mark".to_owned()
        } else {
            format!("character U+{:04X}", c as u32)
        };
        Some(
            self.error("control-character", at..at + c.len_utf8(), format!("A {what} cannot stand here"))
                .help("remove it, or write it as an escape in double quotes"),
        )
    }

    /// Where the text starts: after a byte order mark.
    pub fn content_start(&self) -> usize {
        if self.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
    }

    /// The position of a byte.
    pub fn line_col(&self, at: usize) -> LineCol {
        let at = floor_boundary(&self.text, at);
        let line = self.line_starts.partition_point(|start| *start <= at);
        let mut from = self.line_starts[line - 1];
        if line == 1 {
            from = self.content_start().min(at);
        }
        LineCol { line, column: self.characters_before(at) - self.characters_before(from) + 1 }
    }

    fn characters_before(&self, at: usize) -> usize {
        match self.blocks.get(at / BLOCK) {
            Some(before) => before + characters(&self.text.as_bytes()[at / BLOCK * BLOCK..at]),
            None => self.blocks.last().map_or(0, |before| {
                before + characters(&self.text.as_bytes()[(self.blocks.len() - 1) * BLOCK..])
            }),
        }
    }

    /// The span moved onto character boundaries inside the text.
    pub fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let start = floor_boundary(&self.text, span.start);
        let end = floor_boundary(&self.text, span.end).max(start);
        start..end
    }

    /// An error about these bytes.
    pub fn error(&self, code: &'static str, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let span = self.clamp(span);
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            label: None,
            help: None,
            path: self.path.clone(),
            start: self.line_col(span.start),
            end: self.line_col(span.end),
            span,
            related: Vec::new(),
        }
    }

    /// A warning about these bytes.
    pub fn warning(&self, code: &'static str, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..self.error(code, span, message) }
    }

    /// A place that belongs to a problem elsewhere.
    pub fn place(&self, span: Range<usize>, message: impl Into<String>) -> Related {
        let span = self.clamp(span);
        Related {
            message: message.into(),
            path: self.path.clone(),
            start: self.line_col(span.start),
            end: self.line_col(span.end),
            span,
        }
    }
}

/// The nearest character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Source, Option<Diagnostic>) {
        Source::read(&SourceFile { path: "x.yaml".to_owned(), bytes: bytes.to_vec() })
    }

    #[test]
    fn positions_count_characters_and_not_the_byte_order_mark() {
        let (source, problem) = read("\u{feff}aé\r\nb\u{1F600}c".as_bytes());
        assert_eq!(problem, None);
        let at = |needle| source.line_col(source.text.find(needle).expect("there"));
        assert_eq!(at("a"), LineCol { line: 1, column: 1 });
        assert_eq!(at("é"), LineCol { line: 1, column: 2 });
        assert_eq!(at("c"), LineCol { line: 2, column: 3 });
        assert_eq!(source.line_col(999), LineCol { line: 2, column: 4 });
        assert_eq!(source.line_col(0), LineCol { line: 1, column: 1 });
        for length in [1023, 1024, 1025, 4096] {
            let (source, _) = read(format!("{}x", "é".repeat(length)).as_bytes());
            assert_eq!(source.line_col(2 * length), LineCol { line: 1, column: length + 1 });
            assert_eq!(source.line_col(usize::MAX), LineCol { line: 1, column: length + 2 });
        }
    }

    #[test]
    fn what_is_not_text_is_refused_with_its_place() {
        let (_, problem) = read(b"a: b\nc: \xff\xfe");
        let problem = problem.expect("not UTF-8");
        assert_eq!((problem.code, problem.span, problem.start.line), ("invalid-utf8", 8..11, 2));
        let (_, problem) = read(b"a: b\0c");
        assert_eq!(problem.map(|p| (p.code, p.span)), Some(("control-character", 4..5)));
        let (_, problem) = read(&vec![b'a'; MAX_FILE_BYTES + 1]);
        assert_eq!(problem.map(|p| p.code), Some("too-large"));
    }
}
