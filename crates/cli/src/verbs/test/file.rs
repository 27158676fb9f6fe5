//! Test files and the rule files they name, read from the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstay_declare::{
    Checked, Diagnostic, FileContent, Kind, Languages, LineCol, ProcedureFacts, RulesFacts, SourceFile,
    TriggerFacts,
};
use mainstay_detect::RuleFile;
use mainstay_detect::unittest::{TestFile, texts_written_as_numbers};
use mainstay_model::{Problem, Segment, Severity};
use serde_json::Value;

use super::glob;
use crate::directory;
use crate::exit::Failure;

/// How many problems are located at once; `mainstay-declare` shows no more than a thousand of one file.
const BATCH: usize = 500;

/// A test file with everything its tests need.
pub struct Loaded {
    /// As it was named.
    pub path: String,
    /// The file, to locate problems in.
    pub source: SourceFile,
    /// The tests; none if the file has problems.
    pub tests: Option<TestFile>,
    /// The rules, of all files that the patterns name. Empty if any has problems.
    pub rules: Vec<RuleFile>,
    /// What is wrong with the file or the rule files, and what is odd.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics are about.
    pub sources: BTreeMap<String, String>,
    /// What there is to say besides.
    pub notes: Vec<String>,
}

impl Loaded {
    /// Whether anything keeps the tests from being run.
    pub fn is_broken(&self) -> bool {
        self.tests.is_none() || self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads test files as if they were rule files, which are YAML or JSON as well: what is read and said of the value is
/// this function.
struct Reads<F>(F);

impl<F: Fn(&Value) -> Vec<Problem> + Sync> Languages for Reads<F> {
    fn document(&self, _: &Value) -> Checked<ProcedureFacts> {
        Checked::failed(Vec::new())
    }

    fn rules(&self, value: &Value) -> Checked<RulesFacts> {
        Checked { facts: Some(RulesFacts::default()), problems: (self.0)(value) }
    }

    fn trigger(&self, _: &Value) -> Checked<TriggerFacts> {
        Checked::failed(Vec::new())
    }

    fn query(&self, _: &str) -> Vec<Problem> {
        Vec::new()
    }
}

/// Where problems of a file's value stand in its text, in the order they are given and one for each.
pub fn locate(source: &SourceFile, problems: &[Problem]) -> Vec<Diagnostic> {
    let mut places: BTreeMap<usize, Diagnostic> = BTreeMap::new();
    for (batch, part) in problems.chunks(BATCH).enumerate() {
        // Diagnostics come back sorted by their places, so each carries its number for a message meanwhile.
        let numbered = |_: &Value| {
            let number = |(index, problem): (usize, &Problem)| Problem {
                message: (batch * BATCH + index).to_string(),
                ..problem.clone()
            };
            part.iter().enumerate().map(number).collect()
        };
        let outcome = mainstay_declare::check_file(source, Some(Kind::Rules), &Reads(numbered));
        let located = outcome.diagnostics.into_iter();
        places.extend(located.filter_map(|diagnostic| Some((diagnostic.message.parse().ok()?, diagnostic))));
    }
    let place = |(index, problem): (usize, &Problem)| {
        let message = problem.message.clone();
        match places.remove(&index) {
            Some(diagnostic) => Diagnostic { message, ..diagnostic },
            None => Diagnostic {
                code: problem.code,
                severity: problem.severity,
                help: problem.help.clone(),
                ..whole_file(&source.path, message)
            },
        }
    };
    problems.iter().enumerate().map(place).collect()
}

/// Reads a test file and the rule files it names. `within` is the folder that was asked for, if one was.
pub fn load(path: &Path, within: Option<&Path>) -> Result<Loaded, Failure> {
    let source = directory::read_single(path)?;
    let mut loaded = Loaded {
        path: source.path.clone(),
        source,
        tests: None,
        rules: Vec::new(),
        diagnostics: Vec::new(),
        sources: BTreeMap::new(),
        notes: Vec::new(),
    };
    loaded.read_tests();
    loaded.read_rules(path, within);
    Ok(loaded)
}

impl Loaded {
    fn read_tests(&mut self) {
        let documents = AtomicUsize::new(0);
        let count = |_: &Value| match documents.fetch_add(1, Ordering::Relaxed) {
            0 => Vec::new(),
            _ => vec![
                Problem::error("several-documents", [], "A test file is one document")
                    .help("put each in a file of its own"),
            ],
        };
        let outcome = mainstay_declare::check_file(&self.source, Some(Kind::Rules), &Reads(count));
        self.sources.extend(outcome.sources);
        let content = match outcome.content {
            Some(FileContent::Rules(mut documents)) if !documents.is_empty() => {
                documents.swap_remove(0).value
            }
            _ => {
                self.diagnostics = outcome.diagnostics;
                for diagnostic in &mut self.diagnostics {
                    if diagnostic.code == "empty-file" {
                        "This file is empty: expected tests of rules".clone_into(&mut diagnostic.message);
                    }
                }
                return;
            }
        };
        let value = self.with_texts(content);
        match TestFile::parse(&value) {
            Ok(tests) => self.tests = Some(tests),
            Err(problems) => self.diagnostics = locate(&self.source, &problems),
        }
    }

    /// The value with numbers put back as they are written where the format wants a text: `0x10` is not sixteen there.
    fn with_texts(&self, mut value: Value) -> Value {
        let places = texts_written_as_numbers(&value);
        let problems: Vec<Problem> =
            places.iter().map(|place| Problem::warning("text", place.clone(), "")).collect();
        let located = locate(&self.source, &problems);
        let Some(text) = self.sources.get(&self.path) else { return value };
        for (place, diagnostic) in places.iter().zip(located) {
            let written = text.get(diagnostic.span).map(str::trim).filter(|written| !written.is_empty());
            if let (Some(written), Some(target)) = (written, find(&mut value, place)) {
                *target = Value::String(written.to_owned());
            }
        }
        value
    }

    fn read_rules(&mut self, path: &Path, within: Option<&Path>) {
        let Some(tests) = &self.tests else { return };
        let folder = path.parent().unwrap_or(Path::new("."));
        let root = within.and_then(|dir| std::fs::canonicalize(dir).ok());
        let mut seen: Vec<PathBuf> = Vec::new();
        for (index, pattern) in tests.rule_files.iter().enumerate() {
            let place = vec![Segment::from("rule_files"), Segment::from(index)];
            let found = match glob::files(folder, pattern) {
                Ok(found) => found,
                Err(error) => {
                    let problem = Problem::error("bad-pattern", place, error);
                    self.diagnostics.extend(locate(&self.source, &[problem]));
                    continue;
                }
            };
            if found.is_empty() {
                let problem =
                    Problem::warning("no-rule-file", place, format!("There is no file `{pattern}`"))
                        .help("the path is relative to the test file; the tests run without it");
                self.diagnostics.extend(locate(&self.source, &[problem]));
            }
            for file in found {
                let Ok(real) = std::fs::canonicalize(&file) else { continue };
                if seen.contains(&real) {
                    continue;
                }
                if let (Some(root), Some(within)) = (&root, within)
                    && !real.starts_with(root)
                {
                    let (file, within) = (file.display(), within.display());
                    self.notes.push(format!("{} tests {file}, which lies outside of {within}", self.path));
                }
                seen.push(real);
                let read = read_rule_file(&file);
                self.rules.extend(read.rules);
                self.diagnostics.extend(read.diagnostics);
                self.sources.extend(read.sources);
            }
        }
    }
}

#[derive(Default)]
struct ReadRules {
    rules: Vec<RuleFile>,
    diagnostics: Vec<Diagnostic>,
    sources: BTreeMap<String, String>,
}

/// Reads a rule file. What only looks odd in it is said by `mainstay check`, and not again by every test.
fn read_rule_file(path: &Path) -> ReadRules {
    let source = match directory::read_single(path) {
        Ok(source) => source,
        Err(failure) => {
            let path = path.to_string_lossy();
            let message =
                std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": ");
            return ReadRules { diagnostics: vec![whole_file(&path, message)], ..ReadRules::default() };
        }
    };
    let outcome =
        mainstay_declare::check_file(&source, Some(Kind::Rules), &mainstay_server::languages::Spoken);
    let mut read = ReadRules { sources: outcome.sources, ..ReadRules::default() };
    match outcome.content {
        Some(FileContent::Rules(documents)) => {
            // They were read without problems just now.
            read.rules = documents.iter().filter_map(|rules| RuleFile::parse(&rules.value).ok()).collect();
        }
        _ => read.diagnostics = outcome.diagnostics.into_iter().filter(Diagnostic::is_error).collect(),
    }
    read
}

fn whole_file(path: &str, message: String) -> Diagnostic {
    Diagnostic {
        code: "unreadable-file",
        severity: Severity::Error,
        message,
        label: None,
        help: None,
        path: path.to_owned(),
        span: 0..0,
        start: LineCol { line: 1, column: 1 },
        end: LineCol { line: 1, column: 1 },
        related: Vec::new(),
    }
}

fn find<'v>(value: &'v mut Value, path: &[Segment]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    })
}
