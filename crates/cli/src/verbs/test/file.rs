//! Test files and the files they name, of rules, triggers and events, read from the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstay_declare::kind::is_test_file;
use mainstay_declare::{
    Checked, Diagnostic, FileContent, Kind, Languages, LineCol, ProcedureFacts, RulesFacts, SourceFile,
    TriggerFacts,
};
use mainstay_detect::unittest::{Suite, TestFile, TestOutcome, TriggerTests, texts_written_as_numbers};
use mainstay_detect::{RuleFile, Trigger};
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
    pub tests: Option<Tests>,
    /// What is wrong with the file or the files that are tested, and what is odd.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics are about.
    pub sources: BTreeMap<String, String>,
    /// What there is to say besides.
    pub notes: Vec<String>,
}

/// Tests, and what they test: of all files that the patterns name, empty if any has problems.
pub enum Tests {
    /// Of alarms and recording rules.
    Rules(TestFile, Vec<RuleFile>),
    /// Of triggers, with the events that the tests name.
    Triggers(TriggerTests, Vec<Trigger>, BTreeMap<String, Value>),
}

impl Tests {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Rules(file, _) => file.tests.len(),
            Self::Triggers(file, ..) => file.len(),
        }
    }

    /// What they are of, as people say it.
    pub fn of(&self) -> &'static str {
        match self {
            Self::Rules(..) => "rules",
            Self::Triggers(..) => "triggers",
        }
    }

    /// What is odd about them, and what became of each.
    pub fn run(&self) -> (Vec<Problem>, Vec<TestOutcome>) {
        match self {
            Self::Rules(file, rules) => {
                let suite = Suite::new(file, rules);
                (suite.warnings(), (0..file.tests.len()).filter_map(|index| suite.run(index)).collect())
            }
            Self::Triggers(file, triggers, events) => {
                (Vec::new(), (0..file.len()).filter_map(|index| file.run(index, triggers, events)).collect())
            }
        }
    }

    /// The patterns of the files that are tested, and the key they stand under.
    fn patterns(&self) -> (&'static str, Vec<String>) {
        match self {
            Self::Rules(file, _) => ("rule_files", file.rule_files.clone()),
            Self::Triggers(file, ..) => ("trigger_files", file.trigger_files.clone()),
        }
    }

    /// Reads a file that is tested.
    fn read(&mut self, path: &Path) -> ReadFile {
        match self {
            Self::Rules(_, rules) => {
                let (content, read) = read_file(path, Kind::Rules);
                if let Some(FileContent::Rules(documents)) = content {
                    // They were read without problems just now.
                    rules.extend(documents.iter().filter_map(|rules| RuleFile::parse(&rules.value).ok()));
                }
                read
            }
            Self::Triggers(_, triggers, _) => {
                let (content, read) = read_file(path, Kind::Trigger);
                if let Some(FileContent::Trigger(trigger)) = content {
                    triggers.extend(Trigger::parse(&trigger.value));
                }
                read
            }
        }
    }
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
        diagnostics: Vec::new(),
        sources: BTreeMap::new(),
        notes: Vec::new(),
    };
    loaded.read_tests();
    loaded.read_tested(path, within);
    loaded.read_events(path);
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
                        "This file is empty: expected tests of rules or triggers"
                            .clone_into(&mut diagnostic.message);
                    }
                }
                return;
            }
        };
        let parsed = if TriggerTests::is_one(&content) {
            TriggerTests::parse(&content).map(|file| Tests::Triggers(file, Vec::new(), BTreeMap::new()))
        } else {
            TestFile::parse(&self.with_texts(content)).map(|file| Tests::Rules(file, Vec::new()))
        };
        match parsed {
            Ok(tests) => self.tests = Some(tests),
            Err(problems) => self.diagnostics = locate(&self.source, &problems),
        }
    }

    /// The events that tests of triggers name. One that cannot be read keeps the tests from being run.
    fn read_events(&mut self, path: &Path) {
        let Some(Tests::Triggers(file, _, events)) = &mut self.tests else { return };
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut problems = Vec::new();
        for (name, place) in file.event_files() {
            match crate::verbs::events::pattern::read_event(&folder.join(name)) {
                Ok(event) => {
                    events.insert(name.to_owned(), event);
                }
                Err(failure) => {
                    let why: Vec<String> = std::iter::once(failure.message).chain(failure.causes).collect();
                    problems.push(Problem::error("unreadable-file", place, why.join(": ")));
                }
            }
        }
        self.diagnostics.extend(locate(&self.source, &problems));
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

    fn read_tested(&mut self, path: &Path, within: Option<&Path>) {
        let Some(mut tests) = self.tests.take() else { return };
        let folder = path.parent().unwrap_or(Path::new("."));
        let root = within.and_then(|dir| std::fs::canonicalize(dir).ok());
        let mut seen: Vec<PathBuf> = Vec::new();
        let (key, patterns) = tests.patterns();
        for (index, pattern) in patterns.iter().enumerate() {
            let place = vec![Segment::from(key), Segment::from(index)];
            let found = match glob::files(folder, pattern) {
                Ok(found) => found,
                Err(error) => {
                    let problem = Problem::error("bad-pattern", place, error);
                    self.diagnostics.extend(locate(&self.source, &[problem]));
                    continue;
                }
            };
            if found.is_empty() {
                let code = if key == "rule_files" { "no-rule-file" } else { "no-trigger-file" };
                let problem = Problem::warning(code, place, format!("There is no file `{pattern}`"))
                    .help("the path is relative to the test file; the tests run without it");
                self.diagnostics.extend(locate(&self.source, &[problem]));
            }
            for file in found {
                let Ok(real) = std::fs::canonicalize(&file) else { continue };
                // A pattern such as `*.yaml` names the tests beside what they test, too.
                let is_test = key == "trigger_files" && is_test_file(&file.to_string_lossy());
                if is_test || seen.contains(&real) {
                    continue;
                }
                if let (Some(root), Some(within)) = (&root, within)
                    && !real.starts_with(root)
                {
                    let (file, within) = (file.display(), within.display());
                    self.notes.push(format!("{} tests {file}, which lies outside of {within}", self.path));
                }
                seen.push(real);
                let read = tests.read(&file);
                self.diagnostics.extend(read.diagnostics);
                self.sources.extend(read.sources);
            }
        }
        self.tests = Some(tests);
    }
}

#[derive(Default)]
struct ReadFile {
    diagnostics: Vec<Diagnostic>,
    sources: BTreeMap<String, String>,
}

/// Reads a file that is tested. What only looks odd in it is said by `mainstay check`, and not again by every test.
fn read_file(path: &Path, kind: Kind) -> (Option<FileContent>, ReadFile) {
    let source = match directory::read_single(path) {
        Ok(source) => source,
        Err(failure) => {
            let path = path.to_string_lossy();
            let message =
                std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": ");
            return (None, ReadFile { diagnostics: vec![whole_file(&path, message)], ..ReadFile::default() });
        }
    };
    let outcome = mainstay_declare::check_file(&source, Some(kind), &mainstay_server::languages::Spoken);
    let mut read = ReadFile { sources: outcome.sources, ..ReadFile::default() };
    if outcome.content.is_none() {
        read.diagnostics = outcome.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    }
    (outcome.content, read)
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
