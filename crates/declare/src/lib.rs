//! Files to a declared workload and diagnostics with source spans.
//!
//! Callers hand in the contents of a directory; nothing here reads a disk. What comes back is either a complete
//! [`Declared`] or none, and always every problem of every file in one go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use kind::{ContentKind, Role};
use read::{Content, File};
use source::Source;

mod cross;
pub mod diagnostic;
pub mod explain;
pub mod kind;
pub mod languages;
pub mod notes;
mod read;
mod resolve_fill;
pub mod schema;
mod shape;
mod source;
mod tree;
pub mod workload;

pub use diagnostic::{CODES, Diagnostic, LineCol, Related};
pub use kind::Kind;
pub use languages::{
    AlertFacts, Checked, Languages, Named, ParameterFacts, ProcedureFacts, RulesFacts, StepFacts,
    TargetFacts, TriggerFacts,
};
pub use notes::Note;
pub use source::{MAX_DIRECTORY_BYTES, MAX_FILE_BYTES};
pub use workload::{
    Approval, Changes, Comparison, Component, Environment, Health, HealthCheck, Limits, OnHost, Priority,
    Restart, SecretRef, Service, Stop, StopSignal, Target, Telemetry, Template, Variables, Workload,
    looks_secret,
};

/// One file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path relative to the workload's directory, with `/`.
    pub path: String,
    /// Its contents, whatever they are.
    pub bytes: Vec<u8>,
}

/// What came out of reading files.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The workload. `None` if there is any error.
    pub declared: Option<Declared>,
    /// Every problem, by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of every file that was read, by path: what the spans of the diagnostics count in, and what makes up a
    /// revision.
    pub sources: BTreeMap<String, String>,
}

/// A whole workload directory, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// What `mainstay.yaml` says.
    pub workload: Workload,
    /// Runbooks and playbooks, by name, which is the file's name without its extension.
    pub procedures: BTreeMap<String, Procedure>,
    /// Triggers, by name.
    pub triggers: BTreeMap<String, Trigger>,
    /// Rule files, in path order.
    pub rules: Vec<Rules>,
    /// What people wrote about it, in path order.
    pub notes: Vec<Note>,
}

/// A runbook or playbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Procedure {
    /// Its name.
    pub name: String,
    /// The file it is in.
    pub path: String,
    /// The SSM document.
    pub value: Value,
    /// What it says of itself.
    pub facts: ProcedureFacts,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// The file it is in.
    pub path: String,
    /// The EventBridge rule.
    pub value: Value,
    /// What it says of itself.
    pub facts: TriggerFacts,
}

/// One rule file, or one document of a rule file with several.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The file it is in.
    pub path: String,
    /// The rule file as a value.
    pub value: Value,
    /// What it says of itself.
    pub facts: RulesFacts,
}

/// A single file, checked by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct FileOutcome {
    /// What kind of file it is. `None` if that is not known, which is an error.
    pub kind: Option<Kind>,
    /// What it declares. `None` if there is any error.
    pub content: Option<FileContent>,
    /// Every problem, by position.
    pub diagnostics: Vec<Diagnostic>,
    /// The file's text by its path.
    pub sources: BTreeMap<String, String>,
}

/// What a single file declares.
#[derive(Clone, Debug, PartialEq)]
pub enum FileContent {
    /// A `mainstay.yaml`.
    Workload(Workload),
    /// A runbook or playbook.
    Procedure(Procedure),
    /// The documents of a rule file.
    Rules(Vec<Rules>),
    /// A trigger.
    Trigger(Trigger),
}

impl Outcome {
    /// Whether anything keeps the workload from being declared.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads a whole workload directory. `files` are all its files in any order; those that mean nothing are left alone, so
/// callers may hand in everything they find (and should leave out what they do not want read, such as links that lead
/// out of the directory).
pub fn declare(files: &[SourceFile], languages: &dyn Languages) -> Outcome {
    let by_path: BTreeMap<&str, &SourceFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let paths: BTreeSet<&str> = by_path.keys().copied().collect();
    let (mut read, mut diagnostics) = read_all(&by_path, languages);
    diagnostics.extend(layout(&paths));
    diagnostics.extend(cross::check(&read, &paths));
    let mut notes = notes::read(&by_path, &read);
    diagnostics.append(&mut notes.diagnostics);
    diagnostics.extend(read.iter_mut().flat_map(|file| std::mem::take(&mut file.diagnostics)));
    let diagnostics = diagnostic::in_order(diagnostics);
    let texts = read.iter().map(|file| (file.source.path.clone(), file.source.text.clone()));
    let sources = texts.chain(notes.sources).collect();
    let clean = !diagnostics.iter().any(Diagnostic::is_error);
    Outcome { declared: if clean { assemble(read, notes.notes) } else { None }, diagnostics, sources }
}

/// Reads the files that are to be read, as far as the directory's limit allows.
fn read_all(
    by_path: &BTreeMap<&str, &SourceFile>,
    languages: &dyn Languages,
) -> (Vec<File>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let mut diagnostics = Vec::new();
    let mut total = 0;
    for file in by_path.values() {
        let Role::Read(kind) = kind::role(&file.path) else { continue };
        let (source, broken) = Source::read(file);
        total += source.text.len();
        if total > MAX_DIRECTORY_BYTES {
            let message = format!(
                "With this file the directory has more than {MAX_DIRECTORY_BYTES} bytes to read; it and what follows is not read"
            );
            diagnostics.push(source.error("too-large", 0..0, message));
            break;
        }
        out.push(match broken {
            Some(diagnostic) => File::broken(source, kind, diagnostic),
            None => {
                let parsed = tree::parse(&source);
                File::read(source, kind, parsed, languages)
            }
        });
    }
    (out, diagnostics)
}

/// What is wrong with the names of files and folders.
fn layout(paths: &BTreeSet<&str>) -> Vec<Diagnostic> {
    let about = |path: &str| Source::named(path);
    let mut out = Vec::new();
    let mut not_built: BTreeMap<&str, (&str, &str, usize)> = BTreeMap::new();
    let mut unknown: BTreeMap<&str, &str> = BTreeMap::new();
    let mut misnamed = None;
    for path in paths {
        match kind::role(path) {
            Role::NotBuilt(folder, holds) => not_built.entry(folder).or_insert((holds, path, 0)).2 += 1,
            Role::UnknownFolder(folder) => drop(unknown.entry(folder).or_insert(path)),
            Role::Misnamed => misnamed = Some(*path),
            Role::Read(_) | Role::Ignored => {}
        }
    }
    for (folder, (holds, path, count)) in not_built {
        let files = if count == 1 { "one file".to_owned() } else { format!("{count} files") };
        let message = format!("{holds} are not built yet, and `{folder}/` has {files}");
        let help = "move the folder out of the workload's directory until then";
        out.push(about(path).error("unsupported-format", 0..0, message).help(help));
    }
    for (folder, path) in unknown {
        let message = format!("`{folder}/` is not a folder of a workload, so its files are not read");
        let diagnostic =
            about(path).warning("unknown-folder", 0..0, message).nearest(folder, kind::folder_names());
        out.push(match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic.help("procedures go to `runbooks/` or `playbooks/`, triggers to `triggers/`, rule files to `alarms/`"),
        });
    }
    if !paths.contains(kind::WORKLOAD_FILE) {
        let message = "There is no `mainstay.yaml` in this directory";
        let diagnostic = about(kind::WORKLOAD_FILE).error("no-workload-file", 0..0, message);
        out.push(match misnamed {
            Some(path) => diagnostic.help(format!("rename `{path}` to `mainstay.yaml`")),
            None => diagnostic.help("a workload's directory has one, beginning with `workload: NAME`"),
        });
    }
    out
}

/// Everything that was declared. `None` if a part is missing, which has been said.
fn assemble(files: Vec<File>, notes: Vec<Note>) -> Option<Declared> {
    let mut workload = None;
    let mut procedures = BTreeMap::new();
    let mut triggers = BTreeMap::new();
    let mut rules = Vec::new();
    for file in files {
        match content(file)? {
            FileContent::Workload(found) => workload = Some(found),
            FileContent::Procedure(procedure) => drop(procedures.insert(procedure.name.clone(), procedure)),
            FileContent::Rules(found) => rules.extend(found),
            FileContent::Trigger(trigger) => drop(triggers.insert(trigger.name.clone(), trigger)),
        }
    }
    Some(Declared { workload: workload?, procedures, triggers, rules, notes })
}

fn content(file: File) -> Option<FileContent> {
    let name = file.name().to_owned();
    let path = file.source.path;
    match file.content {
        Content::Workload(_, workload) => workload.map(FileContent::Workload),
        Content::Procedure(read) => {
            Some(FileContent::Procedure(Procedure { name, path, value: read.value, facts: read.facts? }))
        }
        Content::Trigger(read) => {
            let facts = read.facts?;
            let name = facts.name.as_ref().map_or(name, |named| named.name.clone());
            Some(FileContent::Trigger(Trigger { name, path, value: read.value, facts }))
        }
        Content::Rules(documents) => documents
            .into_iter()
            .map(|read| Some(Rules { path: path.clone(), value: read.value, facts: read.facts? }))
            .collect::<Option<Vec<_>>>()
            .map(FileContent::Rules),
        Content::Broken => None,
    }
}

/// Reads one file of any known kind, by itself: what it refers to in other files is not looked at. The kind is found
/// from the file's name, the folder it is in, and its content, in this order, unless it is given.
pub fn check_file(file: &SourceFile, kind: Option<Kind>, languages: &dyn Languages) -> FileOutcome {
    let (source, broken) = Source::read(file);
    let text = source.text.clone();
    let finish = |kind, content, diagnostics| FileOutcome {
        kind,
        content,
        diagnostics: diagnostic::in_order(diagnostics),
        sources: BTreeMap::from([(file.path.clone(), text)]),
    };
    if let Some(diagnostic) = broken {
        return finish(kind, None, vec![diagnostic]);
    }
    let parsed = tree::parse(&source);
    let kind = match kind.map_or_else(|| kind_of(&source, &parsed), |kind| Ok(Some(kind))) {
        Ok(Some(kind)) => kind,
        Ok(None) => return finish(None, None, parsed.diagnostics),
        Err(diagnostic) => return finish(None, None, vec![*diagnostic]),
    };
    let mut read = File::read(source, kind, parsed, languages);
    let diagnostics = std::mem::take(&mut read.diagnostics);
    let clean = !diagnostics.iter().any(Diagnostic::is_error);
    finish(Some(kind), if clean { content(read) } else { None }, diagnostics)
}

/// `None` where the file is too broken to tell.
fn kind_of(source: &Source, parsed: &tree::Parsed) -> Result<Option<Kind>, Box<Diagnostic>> {
    let refuse = |what: &str| {
        let message = format!("{what} are not built yet");
        Err(Box::new(source.error("unsupported-format", 0..0, message)))
    };
    match kind::role_of_single(&source.path) {
        Some(Role::Read(Kind::Rules)) if kind::is_rule_test(&source.path) => {
            return refuse("Tests of rules (promtool)");
        }
        Some(Role::Read(kind)) => return Ok(Some(kind)),
        Some(Role::NotBuilt(_, holds)) => return refuse(holds),
        _ => {}
    }
    let first = parsed.documents.iter().find(|node| !node.is_null());
    match first.map(kind::of_content) {
        Some(ContentKind::Known(kind)) => Ok(Some(kind)),
        Some(ContentKind::NotBuilt(what)) => refuse(what),
        None if !parsed.diagnostics.is_empty() => Ok(None),
        _ => {
            let known = Kind::ALL.map(Kind::description).join(", ");
            let message = "This file is of no kind that is known";
            let diagnostic = source.error("unknown-kind", 0..0, message);
            Err(Box::new(diagnostic.help(format!("known are {known}"))))
        }
    }
}
