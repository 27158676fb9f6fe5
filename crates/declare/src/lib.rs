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
pub mod procedures;
mod read;
mod resolve_fill;
pub mod resolved;
pub mod schema;
mod shape;
mod source;
pub mod standards;
mod tree;
pub mod workload;

pub use diagnostic::{CODES, Diagnostic, LineCol, Related};
pub use kind::Kind;
pub use languages::{
    AlertFacts, CallFacts, Checked, DocumentsOnly, Languages, Named, ParameterFacts, ProcedureFacts,
    RulesFacts, StepFacts, TargetFacts, TriggerFacts,
};
pub use notes::Note;
pub use source::{MAX_DIRECTORY_BYTES, MAX_FILE_BYTES};
pub use standards::{Origin, Standard};
pub use workload::{
    Approval, Changes, Comparison, Component, Environment, EventSource, Health, HealthCheck, Limits, OnHost,
    Override, Priority, ProcedureLimits, Restart, Scheme, SecretRef, Service, Signature, SourceKind,
    StandardSource, StandardUse, Stop, StopSignal, TagRule, Target, Telemetry, Template, TextOrSecret,
    Variables, Webhook, Workload, looks_secret,
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
    /// The files attached to procedures, by path, in the form in which they are kept (see [`Languages::attachment`]).
    pub attachments: BTreeMap<String, String>,
    /// What people wrote about it, in path order.
    pub notes: Vec<Note>,
    /// The standards it uses, in the order it names them.
    pub standards: Vec<Standard>,
    /// Where each thing is declared, by `alarm/NAME`, `recording/NAME`, `trigger/NAME` and `procedure/NAME`. An alarm of
    /// several rules stands where its first does.
    pub origins: BTreeMap<String, Origin>,
    /// What of its standards it declares itself, where the standards declare it.
    pub overridden: Vec<standards::Overridden>,
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
    /// A `standard.yaml`.
    Standard(standards::Definition),
    /// A file that the workload overrides.
    Nothing,
}

impl Declared {
    /// Which changes wait for an approval: what the workload and every standard it uses say, the strictest of each.
    pub fn changes(&self) -> workload::Changes {
        self.standards.iter().fold(self.workload.changes, |all, one| all.and(one.definition.changes))
    }

    /// The standard that declares something, by the standard's name in the workload. The key is that of
    /// [`Declared::origins`]; nothing for what is the workload's own, or not declared.
    pub fn standard_of(&self, key: &str) -> Option<&str> {
        self.origins.get(key)?.standard.as_deref()
    }
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
///
/// The files of a standard are handed in below `standards/NAME/`; [`standards::wanted`] says which are needed.
pub fn declare(files: &[SourceFile], languages: &dyn Languages) -> Outcome {
    let by_path: BTreeMap<&str, &SourceFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let paths: BTreeSet<&str> = by_path.keys().copied().collect();
    let (mut read, mut diagnostics, whole) = read_all(&by_path, languages);
    let mut bound = standards::Bound::default();
    let mut is_complete = true;
    let mut overridden = Vec::new();
    if let Some((source, root)) = workload_of(&read).filter(|_| whole) {
        bound = standards::bind(&by_path, source, root, languages);
        is_complete = !bound.diagnostics.iter().any(|problem| problem.code == "no-standard");
        // What follows changes the files, so it gets what it needs of this one as a copy.
        let (source, root) = (source.clone(), root.with_keys(&standards::overrides::KEYS));
        // First those of the standards, so that of two of one name the workload's own is the second.
        read.splice(0..0, std::mem::take(&mut bound.files));
        diagnostics.append(&mut bound.diagnostics);
        let (left_out, mut problems) = standards::overrides::apply(&mut read, &source, &root, languages);
        overridden = left_out;
        diagnostics.append(&mut problems);
    }
    diagnostics.extend(standards::policy::check(&read));
    diagnostics.extend(layout(&paths));
    let mut between = cross::check(&read, &paths, languages);
    let attachments = procedures::attachments(&read, &by_path, languages, &mut between);
    let mut notes = notes::read(&by_path, &read, &bound.texts);
    between.append(&mut notes.diagnostics);
    // Who lacks a standard lacks what is in it.
    between.retain(|problem| is_complete || !OF_OTHERS.contains(&problem.code));
    bound.point_home(&read, &mut between);
    diagnostics.append(&mut between);
    diagnostics.extend(read.iter_mut().flat_map(|file| std::mem::take(&mut file.diagnostics)));
    let diagnostics = diagnostic::in_order(diagnostics);
    let clean = !diagnostics.iter().any(Diagnostic::is_error);
    read.sort_by(|a, b| a.source.path.cmp(&b.source.path));
    let origins = if clean { origins(&read) } else { BTreeMap::new() };
    let text = |file: &mut File| (file.source.path.clone(), std::mem::take(&mut file.source.text));
    let attached = attachments.iter().map(|(path, text)| (path.clone(), text.clone()));
    let sources = read.iter_mut().map(text).chain(notes.sources).chain(attached).collect();
    let declared =
        if clean { assemble(read, origins, notes.notes, bound.standards, overridden) } else { None };
    let declared = declared.map(|declared| Declared { attachments, ..declared });
    Outcome { declared, diagnostics, sources }
}

/// Codes that say that something is not there.
const OF_OTHERS: [&str; 4] = ["unknown-alarm", "unknown-procedure", "unknown-recording", "unknown-subject"];

/// The workload's file, if it could be parsed.
fn workload_of(files: &[File]) -> Option<(&Source, &tree::Node)> {
    files.iter().find_map(|file| match &file.content {
        Content::Workload(root, _) => Some((&file.source, root)),
        _ => None,
    })
}

/// Reads the workload's own files, as far as the directory's limit allows. Also says whether it did.
fn read_all(
    by_path: &BTreeMap<&str, &SourceFile>,
    languages: &dyn Languages,
) -> (Vec<File>, Vec<Diagnostic>, bool) {
    let mut wanted = Vec::new();
    let mut total = 0;
    for file in by_path.values() {
        let of_standard = standards::split(&file.path);
        let role = match of_standard {
            Some((_, path)) => kind::role_in_standard(path),
            None => kind::role(&file.path),
        };
        let kind = match role {
            Role::Read(kind) => Some(kind),
            Role::Attached => None,
            _ => continue,
        };
        total += file.bytes.len();
        if total > MAX_DIRECTORY_BYTES {
            let message = format!(
                "With this file the directory has more than {MAX_DIRECTORY_BYTES} bytes to read; it and what follows is not read"
            );
            let problem = Source::named(&file.path).error("too-large", 0..0, message);
            return (read::each(&wanted, languages), vec![problem], false);
        }
        if let (None, Some(kind)) = (of_standard, kind) {
            wanted.push((*file, kind));
        }
    }
    (read::each(&wanted, languages), Vec::new(), true)
}

/// What is wrong with the names of files and folders.
fn layout(paths: &BTreeSet<&str>) -> Vec<Diagnostic> {
    let mut out = layout_of(paths.iter().copied().filter(|path| standards::split(path).is_none()), "");
    let misnamed = paths.iter().find(|path| kind::role(path) == Role::Misnamed);
    if !paths.contains(kind::WORKLOAD_FILE) {
        let message = "There is no `mainstay.yaml` in this directory";
        let diagnostic = Source::named(kind::WORKLOAD_FILE).error("no-workload-file", 0..0, message);
        out.push(match misnamed {
            Some(path) => diagnostic.help(format!("rename `{path}` to `mainstay.yaml`")),
            None if paths.contains(standards::STANDARD_FILE) => diagnostic
                .help("this is the directory of a standard, which is checked with a workload that uses it"),
            None => diagnostic.help("a workload's directory has one, beginning with `workload: NAME`"),
        });
    }
    out
}

/// The same of the directory of a workload or, with the prefix under which it is handed in, of a standard.
pub(crate) fn layout_of<'p>(paths: impl Iterator<Item = &'p str>, prefix: &str) -> Vec<Diagnostic> {
    let about = |path: &str| Source::named(&format!("{prefix}{path}"));
    let (whose, role): (_, fn(&str) -> Role<'_>) = match prefix {
        "" => ("a workload", kind::role),
        _ => ("a standard", kind::role_in_standard),
    };
    let mut out = Vec::new();
    let mut not_built: BTreeMap<&str, (&str, &str, usize)> = BTreeMap::new();
    let mut unknown: BTreeMap<&str, &str> = BTreeMap::new();
    for path in paths {
        match role(path) {
            Role::NotBuilt(folder, holds) => not_built.entry(folder).or_insert((holds, path, 0)).2 += 1,
            Role::UnknownFolder(folder) => drop(unknown.entry(folder).or_insert(path)),
            Role::Read(_) | Role::Attached | Role::Misnamed | Role::Ignored => {}
        }
    }
    for (folder, (holds, path, count)) in not_built {
        let files = if count == 1 { "one file".to_owned() } else { format!("{count} files") };
        let message = format!("{holds} are not built yet, and `{folder}/` has {files}");
        let help =
            format!("move the folder out of the {}'s directory until then", whose.trim_start_matches("a "));
        out.push(about(path).error("unsupported-format", 0..0, message).help(help));
    }
    for (folder, path) in unknown {
        let message = format!("`{folder}/` is not a folder of {whose}, so its files are not read");
        let diagnostic =
            about(path).warning("unknown-folder", 0..0, message).nearest(folder, kind::folder_names());
        out.push(match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic.help("procedures go to `runbooks/` or `playbooks/`, triggers to `triggers/`, rule files to `alarms/`"),
        });
    }
    out
}

/// Everything that was declared. `None` if a part is missing, which has been said.
fn assemble(
    files: Vec<File>,
    origins: BTreeMap<String, Origin>,
    notes: Vec<Note>,
    standards: Vec<Standard>,
    overridden: Vec<standards::Overridden>,
) -> Option<Declared> {
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
            FileContent::Standard(_) | FileContent::Nothing => {}
        }
    }
    let attachments = BTreeMap::new();
    Some(Declared {
        workload: workload?,
        procedures,
        triggers,
        rules,
        attachments,
        notes,
        standards,
        origins,
        overridden,
    })
}

/// Where everything with a name is declared.
fn origins(files: &[File]) -> BTreeMap<String, Origin> {
    let mut out = BTreeMap::new();
    for file in files {
        let path = &file.source.path;
        match &file.content {
            Content::Procedure(_) => {
                out.insert(format!("procedure/{}", file.name()), Origin::new(path, 1));
            }
            Content::Trigger(read) => {
                let named = read.facts.as_ref().and_then(|facts| facts.name.as_ref());
                let name = named.map_or(file.name(), |named| &named.name);
                out.insert(format!("trigger/{name}"), Origin::new(path, 1));
            }
            Content::Rules(documents) => {
                for (_, named) in documents.iter().flat_map(|read| standards::rules_of(&read.node)) {
                    let tree::NodeKind::Scalar(name) = &named.value.kind else { continue };
                    let kind = if named.key == "alert" { "alarm" } else { "recording" };
                    let line = file.source.line_col(named.key_span.start).line;
                    out.entry(format!("{kind}/{}", name.text)).or_insert_with(|| Origin::new(path, line));
                }
            }
            _ => {}
        }
    }
    out
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
        Content::Standard(_, definition) => definition.map(FileContent::Standard),
        Content::Overridden => Some(FileContent::Nothing),
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
        Some(Role::Read(Kind::Rules)) if kind::is_test_file(&source.path) => {
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

#[cfg(test)]
mod anything;
