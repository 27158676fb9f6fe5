//! What is wrong, where exactly, and what to do about it.

use std::ops::Range;

use mainstay_model::Severity;

/// A position in a file as people count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCol {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// One problem in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable code in kebab case. Those of this crate are listed in [`crate::CODES`]; the languages bring their own.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// A few words to stand under the underlined text.
    pub label: Option<String>,
    /// What to do about it, or what was probably meant.
    pub help: Option<String>,
    /// The file, relative to the directory, with `/`.
    pub path: String,
    /// The bytes it is about, in the text that [`crate::Outcome::sources`] holds for the path. Both ends lie on
    /// character boundaries. Empty where it is about the file as a whole.
    pub span: Range<usize>,
    /// Where the span starts.
    pub start: LineCol,
    /// Where the span ends: the position just after its last character.
    pub end: LineCol,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

/// Another place that belongs to a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// What is there (`first declared here`).
    pub message: String,
    /// The file.
    pub path: String,
    /// The bytes, as in [`Diagnostic::span`].
    pub span: Range<usize>,
    /// Where the span starts.
    pub start: LineCol,
    /// Where the span ends.
    pub end: LineCol,
}
