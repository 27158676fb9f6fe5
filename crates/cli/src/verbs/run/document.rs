//! The file that is run without a server: read, checked, and with what it needs of its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay_declare::{
    Checked, Diagnostic, FileContent, Kind, Languages, MAX_FILE_BYTES, ProcedureFacts, RulesFacts,
    SourceFile, TriggerFacts,
};
use mainstay_model::{Problem, Segment};
use mainstay_runbook::{Document, Language, Library};
use mainstay_server::languages::Spoken;
use mainstay_server::runs::{Found, Procedures};
use serde_json::Value;

use crate::diagnostics;
use crate::directory;
use crate::exit::{Exit, Failure};
use crate::screen::say;

/// What stands for standard input.
const STDIN: &str = "-";

/// A document as it is run.
#[derive(Debug)]
pub struct Read {
    /// Its name: that of its file without folder and extension.
    pub name: String,
    /// The document.
    pub document: Document,
    /// BLAKE3 of the document as JSON.
    pub digest: String,
}

/// Whether what was typed means a file. A name of a procedure has no folder and no such extension, so that what is meant
/// never depends on which files there are.
pub fn is_file(text: &str) -> bool {
    let extension = Path::new(text).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    text == STDIN || text.contains('/') || matches!(extension, "yaml" | "yml" | "json")
}

/// Reads a document and checks that it can be run with no server. Its problems go to stderr.
pub fn read(text: &str) -> Result<Read, Failure> {
    let file = if text == STDIN { from_stdin()? } else { directory::read_single(Path::new(text))? };
    let (found, problems, sources) = check(&file);
    if !problems.is_empty() {
        use std::io::IsTerminal as _;
        let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        say(diagnostics::render(&problems, &sources, color).trim_end());
    }
    let Some(found) = found else {
        return Err(Failure::new(Exit::No, format!("{text} has problems; nothing was run")));
    };
    Folder::of(text).complete(found).map_err(|reason| {
        Failure::new(Exit::No, format!("{text} needs what is not there; nothing was run"))
            .because(&Reason(reason))
    })
}

/// A sentence as the cause of a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);

type Sources = BTreeMap<String, String>;

fn check(file: &SourceFile) -> (Option<Read>, Vec<Diagnostic>, Sources) {
    let outcome = mainstay_declare::check_file(file, Some(Kind::Procedure), &Here);
    let broken = outcome.diagnostics.iter().any(Diagnostic::is_error);
    let found = match outcome.content {
        Some(FileContent::Procedure(procedure)) if !broken => {
            Document::parse(&procedure.value).ok().map(|document| {
                let name = if file.path == STDIN { "stdin".to_owned() } else { procedure.name };
                Read { name, document, digest: String::new() }
            })
        }
        _ => None,
    };
    (found, outcome.diagnostics, outcome.sources)
}

fn from_stdin() -> Result<SourceFile, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::local("Standard input cannot be read", &error))?;
    Ok(SourceFile { path: STDIN.to_owned(), bytes })
}

/// The language of procedures, without what needs a server.
struct Here;

impl Languages for Here {
    fn document(&self, value: &Value) -> Checked<ProcedureFacts> {
        let mut checked = Spoken.document(value);
        let mut problems = Vec::new();
        need_a_server(value, &mut Vec::new(), &mut problems);
        // What is refused by name already is not refused twice.
        problems.retain(|problem| !checked.problems.iter().any(|known| known.path == problem.path));
        checked.problems.extend(problems);
        checked
    }

    fn attachment(&self, value: &Value, name: &str, bytes: &[u8]) -> Result<String, String> {
        Spoken.attachment(value, name, bytes)
    }

    fn rules(&self, value: &Value) -> Checked<RulesFacts> {
        Spoken.rules(value)
    }

    fn trigger(&self, value: &Value) -> Checked<TriggerFacts> {
        Spoken.trigger(value)
    }

    fn query(&self, promql: &str) -> Vec<Problem> {
        Spoken.query(promql)
    }
}

/// Steps whose actions ask the server's telemetry, alarms, incidents or revisions.
fn need_a_server(value: &Value, path: &mut Vec<Segment>, problems: &mut Vec<Problem>) {
    for key in ["mainSteps", "Steps"] {
        let Some(Value::Array(steps)) = value.get(key) else { continue };
        path.push(key.into());
        for (index, step) in steps.iter().enumerate() {
            path.push(index.into());
            if let Some(action) = step.get("action").and_then(Value::as_str)
                && mainstay_runbook::actions::needs_server(action)
            {
                let at: Vec<Segment> = path.iter().cloned().chain(["action".into()]).collect();
                let message = format!("`{action}` needs a server, and this run has none");
                let help = "start a server with `mainstay up`, apply the workload that holds this procedure, and run it by its name";
                problems.push(Problem::error("not-built", at, message).help(help));
            }
            if let Some(inputs) = step.get("inputs") {
                path.push("inputs".into());
                need_a_server(inputs, path, problems);
                path.pop();
            }
            path.pop();
        }
        path.pop();
    }
}

/// The documents of a folder, by name: what a document may run or read.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// The folder of a document.
    pub fn of(text: &str) -> Self {
        let parent = if text == STDIN { None } else { Path::new(text).parent() };
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self(std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned()))
    }

    /// Why a run began, for people, and for [`Folder::said`].
    pub fn reason(&self, text: &str) -> String {
        let name = Path::new(text).file_name().filter(|_| text != STDIN);
        format!("mainstay run {}", self.0.join(name.unwrap_or(STDIN.as_ref())).display())
    }

    /// The folder that such a reason names.
    pub fn said(reason: Option<&str>) -> Self {
        Self::of(reason.and_then(|reason| reason.strip_prefix("mainstay run ")).unwrap_or(STDIN))
    }

    /// The document with what it needs of this folder: its attached files, and the Command documents that it, or one of
    /// those, runs or reads.
    fn complete(&self, read: Read) -> Result<Read, String> {
        let mut library = Library::default();
        for name in read.document.files.keys() {
            let path = self.0.join(name);
            let bytes = std::fs::read(&path)
                .map_err(|error| format!("The attached file {} cannot be read: {error}", path.display()))?;
            library.files.insert(name.clone(), Spoken.attachment(&read.document.source, name, &bytes)?);
        }
        let mut open = vec![read.document.needs.clone()];
        while let Some(needs) = open.pop() {
            let commands = needs.calls.iter().filter(|call| call.language == Language::Command);
            let named = commands.map(|call| &call.document).chain(&needs.documents);
            for name in named.map(|place| &place.name) {
                if !library.documents.contains_key(name) {
                    let found = self.find(name)?.document;
                    library.documents.insert(name.clone(), found.source);
                    open.push(found.needs);
                }
            }
        }
        let digest = mainstay_server::catalogue::digest(&read.document.source, &library);
        Ok(Read { document: read.document.with(library), digest, ..read })
    }

    /// The document of this name; or why it cannot be run, in sentence case.
    pub fn find(&self, name: &str) -> Result<Read, String> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        let paths = ["yaml", "yml", "json"].map(|extension| self.0.join(format!("{name}.{extension}")));
        let there: Vec<&PathBuf> = paths.iter().filter(|path| plain && path.is_file()).collect();
        let path = match there.as_slice() {
            [path] => path,
            [] => return Err(format!("There is no document {name} in {}", self.0.display())),
            _ => return Err(format!("Several files in {} have the name {name}", self.0.display())),
        };
        let file = directory::read_single(path).map_err(|failure| failure.message)?;
        let (found, problems, _) = check(&file);
        found.ok_or_else(|| {
            let first = problems.iter().find(|problem| problem.is_error());
            let first = first.map(|problem| format!(": line {}: {}", problem.start.line, problem.message));
            format!("{} has problems{}", path.display(), first.unwrap_or_default())
        })
    }
}

impl Procedures for Folder {
    fn find(&self, _workload: Option<&str>, name: &str) -> Result<Found, String> {
        let read = self.complete(self.find(name)?)?;
        Ok(Found { document: Arc::new(read.document), digest: read.digest })
    }

    /// Runs of several processes do not know of each other, so nothing limits them together.
    fn limit(&self, _workload: Option<&str>, _name: &str) -> Option<u32> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_a_file_or_a_name_whatever_files_there_are() {
        for file in ["-", "a.yaml", "./a", "runbooks/a", "a.json", "/x/y.yml"] {
            assert!(is_file(file), "{file}");
        }
        for name in ["restore", "restore-checkout", "a.b", "yaml"] {
            assert!(!is_file(name), "{name}");
        }
    }

    fn write(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("doc.yaml");
        std::fs::write(&path, text).expect("written");
        (folder, path)
    }

    const GOOD: &str = "schemaVersion: '0.3'\nmainSteps:\n  - name: a\n    action: aws:sleep\n    inputs: { Duration: PT1S }\n";

    #[test]
    fn documents_are_found_by_name_in_the_same_folder() {
        let (folder, path) = write(GOOD);
        let of = Folder::of(&path.display().to_string());
        assert_eq!(of.find("doc").expect("there").name, "doc");
        for bad in ["none", "../doc", "", ".doc"] {
            assert!(of.find(bad).expect_err(bad).starts_with("There is no document"), "{bad}");
        }
        std::fs::write(folder.path().join("doc.json"), "{}").expect("written");
        assert!(of.find("doc").expect_err("two").starts_with("Several files"));
        std::fs::write(folder.path().join("bad.yaml"), "schemaVersion: '0.3'\n").expect("written");
        assert!(of.find("bad").expect_err("bad").contains("has problems: line 1"));
    }

    #[test]
    fn what_needs_a_server_is_refused_at_its_line() {
        let text = GOOD.replace(
            "mainSteps:\n",
            "mainSteps:\n  - name: q\n    action: mainstay:query\n    inputs: { Query: up }\n",
        );
        let file = SourceFile { path: "doc.yaml".to_owned(), bytes: text.into_bytes() };
        let (found, problems, _) = check(&file);
        assert!(found.is_none());
        let first = problems.iter().find(|problem| problem.is_error()).expect("a problem");
        assert_eq!(first.start.line, 4, "{problems:?}");
    }
}
