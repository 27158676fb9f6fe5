//! Problems found in what people wrote, located by path instead of by file.
//!
//! The languages (`promql`, `detect`, `runbook`) read plain JSON values and know nothing of files. They name the place
//! of a problem by its path in the value; `mainstay-declare`, which keeps the source text, turns paths into spans.

use std::fmt;
use std::ops::Range;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// The value of this key of a mapping.
    Key(String),
    /// This element of a list, from 0.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Which part of the place a problem is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Spot {
    /// The value at the path.
    #[default]
    Value,
    /// The key by which the path's last segment is named.
    Key,
    /// These bytes of the string value at the path.
    Within(Range<usize>),
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, but probably not as meant. Does not fail a check.
    Warning,
    /// Cannot be applied.
    #[default]
    Error,
}

/// One problem in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable code in kebab case, such as `unknown-key`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The way from the root of the value to the place.
    pub path: Vec<Segment>,
    /// Which part of the place.
    pub spot: Spot,
    /// What is wrong: one sentence in sentence case without a full stop.
    pub message: String,
    /// A few words to stand under the underlined text (`expected a list`).
    pub label: Option<String>,
    /// What to do about it, or what was probably meant.
    pub help: Option<String>,
}

impl Problem {
    /// An error about the value at `path`.
    pub fn error(code: &'static str, path: impl Into<Vec<Segment>>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            path: path.into(),
            spot: Spot::Value,
            message: message.into(),
            label: None,
            help: None,
        }
    }

    /// A warning about the value at `path`.
    pub fn warning(code: &'static str, path: impl Into<Vec<Segment>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, message) }
    }

    /// The same, about the key instead of the value.
    #[must_use]
    pub fn on_key(mut self) -> Self {
        self.spot = Spot::Key;
        self
    }

    /// The same, about these bytes of the string value.
    #[must_use]
    pub fn within(mut self, bytes: Range<usize>) -> Self {
        self.spot = Spot::Within(bytes);
        self
    }

    /// The same, with words under the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, seen from further out: `prefix` comes before the path.
    #[must_use]
    pub fn under(mut self, prefix: &[Segment]) -> Self {
        let mut path = prefix.to_vec();
        path.append(&mut self.path);
        self.path = path;
        self
    }

    /// The path as people read it (`mainSteps[2].inputs`).
    pub fn path_text(&self) -> String {
        let mut out = String::new();
        for segment in &self.path {
            if matches!(segment, Segment::Key(_)) && !out.is_empty() {
                out.push('.');
            }
            out.push_str(&segment.to_string());
        }
        out
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path_text();
        if path.is_empty() { f.write_str(&self.message) } else { write!(f, "{path}: {}", self.message) }
    }
}

impl std::error::Error for Problem {}

/// The candidate nearest to `word` (at most a third of it mistyped), for "did you mean".
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *candidate != word)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance, ignoring case: insertions, deletions, substitutions, neighbouring swaps.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let substitute = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitute.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_reads_like_code() {
        let problem =
            Problem::error("x", vec!["mainSteps".into(), 2.into(), "inputs".into()], "Not a mapping");
        assert_eq!(problem.to_string(), "mainSteps[2].inputs: Not a mapping");
        assert_eq!(problem.under(&["files".into(), 0.into()]).path_text(), "files[0].mainSteps[2].inputs");
    }

    #[test]
    fn near_misses_are_found_and_far_ones_are_not() {
        let keys = ["components", "environments", "priorities"];
        assert_eq!(nearest("componets", keys), Some("components"));
        assert_eq!(nearest("Components", keys), Some("components"));
        assert_eq!(nearest("enviroments", keys), Some("environments"));
        assert_eq!(nearest("hosts", keys), None);
    }
}
