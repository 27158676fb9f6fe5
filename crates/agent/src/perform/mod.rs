//! What a host does by itself when it is told more than to run one script: Command documents, and the plugins that run
//! documents, download and install.
//!
//! It is a command like any other: a process of this binary under a shim, which holds it to its time and its memory,
//! keeps its output, and runs it at most once. What scripts write goes straight to its output; what became of each step
//! is its last line on standard error (see [`mainstay_runbook::REPORT_MARK`]).

mod download;
mod fetch;
mod package;
mod place;
mod progress;
mod read;
mod script;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_model::{Actor, RunId};
use mainstay_runbook::library::{MAX_NESTING, command_document};
use mainstay_runbook::{
    Action, Document, EffectKind, HostReport, HostStep, HostTask, HostWork, Input, Library, MAX_REPORT_BYTES,
    Nested, Outcome, Plugin, REPORT_MARK, Run, RunStatus, Source, Start, StepStatus,
};
use serde_json::{Map, Value};

use crate::{clock, files};
use progress::Progress;

pub use fetch::hardened as git;
pub(crate) use progress::known;

/// The largest task, and the largest document that is read from this host.
const MAX_TASK_BYTES: u64 = 8 * 1024 * 1024;
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Does what the file at `path` says, and gives the exit code: 0, the code of the first script that failed, or 1.
pub fn main(path: &Path) -> std::process::ExitCode {
    // What a script leaves behind is below this process, so that a step can end all of it.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let task = files::read_limited(path, MAX_TASK_BYTES)
        .map_err(|error| error.to_string())
        .and_then(|bytes| serde_json::from_slice::<HostTask>(&bytes).map_err(|error| error.to_string()));
    let report = match task {
        Ok(task) => Performer { library: task.library, progress: Progress::beside(path) }.task(task.work),
        Err(error) => HostReport {
            status: RunStatus::Failed.as_str().to_owned(),
            steps: vec![HostStep {
                name: "task".to_owned(),
                action: "mainstay:perform".to_owned(),
                status: StepStatus::Failed.as_str().to_owned(),
                code: None,
                message: Some(format!("This version of the agent cannot read what it is told: {error}")),
            }],
        },
    };
    let code = if report.status == RunStatus::Success.as_str() { 0 } else { first_code(&report) };
    let line = fitting(report);
    let _ = std::io::stderr().write_all(format!("\n{REPORT_MARK}{line}\n").as_bytes());
    std::process::ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// A report as one line that is kept whole: long messages are cut, and where that is not enough, what went well is left
/// out before the rest is.
fn fitting(mut report: HostReport) -> String {
    let line = |report: &HostReport| {
        let line = serde_json::to_string(report).unwrap_or_default();
        (line.len() <= MAX_REPORT_BYTES).then_some(line)
    };
    for most in [4000, 400, 40] {
        for message in report.steps.iter_mut().filter_map(|step| step.message.as_mut()) {
            if let Some((at, _)) = message.char_indices().nth(most) {
                message.truncate(at);
                message.push('…');
            }
        }
        if let Some(line) = line(&report) {
            return line;
        }
    }
    let went_well = [StepStatus::Success, StepStatus::Skipped, StepStatus::Pending].map(StepStatus::as_str);
    report.steps.retain(|step| !went_well.contains(&step.status.as_str()));
    loop {
        if let Some(line) = line(&report) {
            return line;
        }
        report.steps.truncate(report.steps.len() / 2);
    }
}

fn first_code(report: &HostReport) -> i32 {
    report.steps.iter().find_map(|step| step.code.filter(|code| *code != 0)).unwrap_or(1)
}

/// How one piece of work ended.
#[derive(Debug)]
struct Ended {
    status: StepStatus,
    code: Option<i32>,
    message: Option<String>,
}

impl Ended {
    fn good(message: impl Into<String>) -> Self {
        Self { status: StepStatus::Success, code: None, message: Some(message.into()) }
    }

    fn failed(message: impl Into<String>) -> Self {
        Self { status: StepStatus::Failed, code: None, message: Some(message.into()) }
    }

    fn outcome(&self) -> Outcome {
        let (message, outputs) = (self.message.clone().unwrap_or_default(), Map::new());
        match self.status {
            StepStatus::Success => Outcome::succeeded(),
            StepStatus::TimedOut => Outcome::TimedOut { message, outputs },
            _ => Outcome::Failed { message, outputs },
        }
    }
}

struct Performer {
    library: Library,
    progress: Progress,
}

impl Performer {
    fn task(&self, work: HostWork) -> HostReport {
        match work {
            HostWork::Document { name, parameters } => match command_document(&self.library, &name) {
                Ok(document) => self.document(&name, &document, parameters, 1),
                Err(message) => self.alone(&name, "aws:runDocument", &Ended::failed(message)),
            },
            HostWork::Plugin(plugin) => {
                let name = plugin.name();
                let ended = self.plugin(plugin, 0);
                self.alone(name, name, &ended)
            }
        }
    }

    /// The report of one piece of work.
    fn alone(&self, name: &str, action: &str, ended: &Ended) -> HostReport {
        let status = match ended.status {
            StepStatus::Success => RunStatus::Success,
            StepStatus::TimedOut => RunStatus::TimedOut,
            _ => RunStatus::Failed,
        };
        HostReport { status: status.as_str().to_owned(), steps: vec![step(name, action, ended)] }
    }

    /// Runs a Command document with the machine that the server runs procedures with.
    fn document(
        &self,
        name: &str,
        document: &Document,
        parameters: Map<String, Value>,
        depth: u32,
    ) -> HostReport {
        let start = Start {
            run: RunId::new("host").expect("a word is an id"),
            procedure: name.to_owned(),
            workload: None,
            digest: String::new(),
            parameters,
            at: clock::now(),
            by: Actor::System("agent".to_owned()),
            reason: None,
            cause: None,
            host: None,
            origin: mainstay_runbook::Origin::default(),
        };
        let mut run = match mainstay_runbook::start(document, start) {
            Ok(transition) => transition.run,
            Err(problems) => {
                let words: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
                let message = format!("The document does not take its parameters: {}", words.join("; "));
                return self.alone(name, "aws:runDocument", &Ended::failed(message));
            }
        };
        let mut codes: Vec<(String, i32)> = Vec::new();
        while !run.status.is_over() {
            let effect = run.outstanding().into_iter().find_map(|action| match action {
                Action::Perform(effect) => Some(effect),
                Action::Wake { .. } | Action::Stop { .. } => None,
            });
            let Some(effect) = effect else { break };
            let step = run.open_attempt().map(|open| open.step.clone()).filter(|_| depth == 1);
            if let Some(step) = &step {
                self.progress.begun(step);
            }
            let ended = match effect.kind {
                EffectKind::Shell(shell) => script::run(&shell),
                EffectKind::Plugin(plugin) => self.plugin(plugin.plugin, depth),
                other => Ended::failed(format!("{} is nothing that a host does", other.action())),
            };
            if let (Some(code), Some(open)) = (ended.code, run.open_attempt()) {
                codes.push((open.step.clone(), code));
            }
            let input = Input::Settled { attempt: effect.attempt, outcome: ended.outcome() };
            run = mainstay_runbook::step(document, &run, input, clock::now()).run;
            if let Some(record) = step.and_then(|step| run.step(&step)) {
                self.progress.ended(&record.name, record.status);
            }
        }
        report(&run, &codes)
    }

    fn plugin(&self, plugin: Plugin, depth: u32) -> Ended {
        match plugin {
            Plugin::RunDocument { document, parameters } => self.nested(&document, parameters, depth),
            Plugin::Download { source: Source::Document { name }, destination } => {
                match self.library.documents.get(&name) {
                    Some(value) => place::document(&name, value, destination.as_deref()),
                    None => Ended::failed(format!("There is no document {name}: the run began without it")),
                }
            }
            Plugin::Download { source, destination } => download::run(&source, destination.as_deref()),
            Plugin::Package { name, action, version, in_place } => {
                package::run(&name, action, version.as_deref(), in_place)
            }
        }
    }

    fn nested(&self, nested: &Nested, parameters: Map<String, Value>, depth: u32) -> Ended {
        if depth >= MAX_NESTING {
            return Ended::failed(format!("Documents run documents at most {MAX_NESTING} deep"));
        }
        let (name, document) = match nested {
            Nested::Name(name) => (name.clone(), command_document(&self.library, name)),
            Nested::Path(path) => (path.clone(), local_document(path, &self.library)),
        };
        let document = match document {
            Ok(document) => document,
            Err(message) => return Ended::failed(message),
        };
        let report = self.document(&name, &document, parameters, depth + 1);
        let bad: Vec<String> = report
            .steps
            .iter()
            .filter(|step| {
                ![StepStatus::Success.as_str(), StepStatus::Skipped.as_str()].contains(&&*step.status)
            })
            .filter_map(|step| Some(format!("step {} {}", step.name, step.message.as_deref()?)))
            .collect();
        if report.status == RunStatus::Success.as_str() {
            Ended::good(format!("{name} ran"))
        } else {
            let status = match report.status == RunStatus::TimedOut.as_str() {
                true => StepStatus::TimedOut,
                false => StepStatus::Failed,
            };
            // A request for a restart is not honoured inside a document that another one runs.
            let code = Some(first_code(&report));
            Ended { status, code, message: Some(format!("{name}: {}", bad.join("; "))) }
        }
    }
}

fn step(name: &str, action: &str, ended: &Ended) -> HostStep {
    HostStep {
        name: name.to_owned(),
        action: action.to_owned(),
        status: ended.status.as_str().to_owned(),
        code: ended.code,
        message: ended.message.clone(),
    }
}

fn report(run: &Run, codes: &[(String, i32)]) -> HostReport {
    let steps = run
        .steps
        .iter()
        .map(|record| HostStep {
            name: record.name.clone(),
            action: record.action.clone(),
            status: record.status.as_str().to_owned(),
            code: codes.iter().find(|(step, _)| *step == record.name).map(|(_, code)| *code),
            message: record.failure.clone(),
        })
        .collect();
    HostReport { status: run.status.as_str().to_owned(), steps }
}

/// A Command document that lies on this host; `path` may be a folder with one document in it.
fn local_document(path: &str, library: &Library) -> Result<Document, String> {
    let path = PathBuf::from(path);
    let path = if path.is_dir() { only_document(&path)? } else { path };
    let shown = path.display();
    let bytes = files::read_limited(&path, MAX_DOCUMENT_BYTES)
        .map_err(|error| format!("The document `{shown}` cannot be read: {error}"))?;
    let document = read::document(&path, bytes)?;
    if document.language != mainstay_runbook::document::Language::Command {
        return Err(format!("`{shown}` is an Automation document, and hosts run Command documents"));
    }
    Ok(document.with(library.clone()))
}

fn only_document(folder: &Path) -> Result<PathBuf, String> {
    let shown = folder.display();
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("The folder `{shown}` cannot be read: {error}"))?;
    let is_document = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| ["json", "yaml", "yml"].iter().any(|known| extension == *known))
    };
    let mut found: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_document).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(format!("There is no document in the folder `{shown}`")),
        (Some(_), false) => {
            Err(format!("There are several documents in the folder `{shown}`: name one of them"))
        }
    }
}

/// How long a step of a document may take, where it does not say.
const STEP: Duration = Duration::from_secs(mainstay_runbook::EXECUTION_TIMEOUT_S);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_and_what_failed_is_left_out_last() {
        let report = |steps: usize, message: &str| HostReport {
            status: RunStatus::Failed.as_str().to_owned(),
            steps: (0..steps)
                .map(|number| HostStep {
                    name: format!("step-{number}"),
                    action: "aws:runShellScript".to_owned(),
                    status: if number == 7 { "Failed" } else { "Success" }.to_owned(),
                    code: Some(i32::from(number == 7)),
                    message: Some(message.to_owned()),
                })
                .collect(),
        };
        let read = |steps: usize, message: &str| -> HostReport {
            let line = fitting(report(steps, message));
            assert!(line.len() <= MAX_REPORT_BYTES);
            serde_json::from_str(&line).expect("a report")
        };
        assert_eq!(read(20, "ended with code 1"), report(20, "ended with code 1"));
        let cut = read(100, &"é".repeat(3000));
        assert_eq!(cut.steps.len(), 100);
        assert_eq!(cut.steps[7].message.as_deref().map(|text| text.chars().count()), Some(401));
        let few = read(5000, "x");
        assert_eq!((few.steps.len(), few.steps[0].name.as_str()), (1, "step-7"));
    }
}
