//! Where runs without a server keep their journals, and what is in them.
//!
//! A journal is a directory: `journal/` as a server has it, `agent/` for the commands. By itself each run has one of its
//! own, named after it, below the user's state directory, so that runs are in nobody's way; `--journal DIR` names one for
//! several runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay_model::RunId;
use mainstay_runbook::Run;
use mainstay_server::runs::{self, FactsFold, RunsFold};
use mainstay_store::{Fold, Journal as _, LookJournal, Options, SqliteJournal, StoreError};

use crate::exit::{Exit, Failure};

/// How many journals are looked into for a list.
const MAX_JOURNALS: usize = 10_000;

/// Which journals are meant.
#[derive(Clone, Debug)]
pub enum Places {
    /// This one.
    One(PathBuf),
    /// All of the user's own, below this directory.
    Own(PathBuf),
}

/// A run and the journal that holds it.
#[derive(Debug)]
pub struct Kept {
    /// The journal's directory.
    pub dir: PathBuf,
    /// The run.
    pub run: Run,
}

impl Places {
    /// The journal of this directory, or the user's own.
    pub fn of(journal: Option<&Path>) -> Result<Self, Failure> {
        if let Some(dir) = journal {
            return Ok(Self::One(dir.to_owned()));
        }
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        match state {
            Some(state) => Ok(Self::Own(state.join("mainstay/runs"))),
            None => Err(Failure::new(
                Exit::Usage,
                "There is no place for the journal of a run: neither XDG_STATE_HOME nor HOME is set",
            )
            .hint("name a directory with --journal")),
        }
    }

    /// Where a new run's journal is.
    pub fn place(&self, run: &RunId) -> PathBuf {
        match self {
            Self::One(dir) => dir.clone(),
            Self::Own(root) => root.join(run.as_str()),
        }
    }

    /// What to add to a command so that it means these journals.
    pub fn option(&self) -> String {
        match self {
            Self::One(dir) => format!(" --journal {}", dir.display()),
            Self::Own(_) => String::new(),
        }
    }

    /// The journals there are, those made last first.
    fn journals(&self) -> Result<Vec<PathBuf>, Failure> {
        let root = match self {
            Self::One(dir) => return Ok(vec![dir.clone()]),
            Self::Own(root) => root,
        };
        let unreadable =
            |error: &std::io::Error| Failure::local(format!("{} cannot be read", root.display()), error);
        let entries = match std::fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(&error)),
        };
        let mut dirs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&error))?;
            let file = entry.path().join("journal").join(mainstay_store::FILE_NAME);
            if let Ok(made) = file.metadata().and_then(|file| file.created().or_else(|_| file.modified())) {
                dirs.push((made, entry.path()));
            }
        }
        dirs.sort();
        Ok(dirs.into_iter().rev().take(MAX_JOURNALS).map(|(_, dir)| dir).collect())
    }

    /// The runs, those that started last first. Journals that cannot be read are said and left out.
    pub fn runs(&self, most: usize, wanted: impl Fn(&Run) -> bool) -> Result<Vec<Kept>, Failure> {
        let mut found = Vec::new();
        for dir in self.journals()? {
            if found.len() >= most {
                break;
            }
            let read = look(&dir).and_then(|journal| pages(&journal, most, &wanted));
            match (read, self) {
                (Ok(runs), _) => found.extend(runs.into_iter().map(|run| Kept { dir: dir.clone(), run })),
                (Err(error), Self::One(_)) => return Err(unreadable(&dir, &error)),
                (Err(error), Self::Own(_)) => {
                    let failure = unreadable(&dir, &error);
                    let words: Vec<String> = std::iter::once(failure.message).chain(failure.causes).collect();
                    crate::screen::say(&words.join(": "));
                }
            }
        }
        found.sort_by_key(|kept| std::cmp::Reverse(kept.run.started_at));
        found.truncate(most);
        Ok(found)
    }

    /// The run of this id, or the one whose id begins like this.
    pub fn find(&self, id: &str) -> Result<Kept, Failure> {
        if let (Self::Own(root), Ok(run)) = (self, RunId::new(id)) {
            let dir = root.join(run.as_str());
            if let Ok(journal) = look(&dir)
                && let Ok(Some(run)) = runs::run(&journal, &run)
            {
                return Ok(Kept { dir, run });
            }
        }
        let mut found = self.runs(usize::MAX, |run| run.id.as_str().starts_with(id))?;
        if let Some(exact) = found.iter().position(|kept| kept.run.id.as_str() == id) {
            return Ok(found.swap_remove(exact));
        }
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Failure::new(Exit::Refused, format!("There is no run {id} of this host"))
                .hint(format!("`mainstay runs --local{}` lists them", self.option()))),
            _ => {
                Err(Failure::new(Exit::Refused, format!("Several runs begin with `{id}`"))
                    .hint(names(&found)))
            }
        }
    }

    /// The run that was left: the only one that is not over.
    pub fn left(&self) -> Result<Kept, Failure> {
        let mut found = self.runs(usize::MAX, |run| !run.status.is_over() && run.parent.is_none())?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                Err(Failure::new(Exit::Refused, "No run of this host was left: there is nothing to continue")
                    .hint(format!("`mainstay runs --local{}` lists all runs", self.option())))
            }
            _ => Err(Failure::new(Exit::Refused, "Several runs of this host are not over")
                .hint(format!("say which one is meant: {}", names(&found)))),
        }
    }
}

fn names(found: &[Kept]) -> String {
    let ids: Vec<&str> = found.iter().take(8).map(|kept| kept.run.id.as_str()).collect();
    ids.join(", ")
}

/// The journal of a directory, to be looked at also while a run goes on in it.
///
/// Where another version wrote it, its tables are computed anew first, from its events: that takes the directory for
/// itself, as a run does.
pub fn look(dir: &Path) -> Result<LookJournal, StoreError> {
    let journal = dir.join("journal");
    // Only the tables that are read, so that a journal of another version can be looked at as far as it has these.
    let open = || {
        let folds: Vec<Arc<dyn Fold>> = vec![Arc::new(RunsFold::default()), Arc::new(FactsFold)];
        LookJournal::open(&journal, folds)
    };
    match open() {
        Err(StoreError::NoSuchTable { .. }) => {
            let options = Options { folds: mainstay_server::folds(), ..Options::default() };
            drop(SqliteJournal::open(&journal, options)?);
            open()
        }
        opened => opened,
    }
}

/// Why a journal cannot be looked at.
pub fn unreadable(dir: &Path, error: &StoreError) -> Failure {
    match error {
        StoreError::Missing { .. } => {
            Failure::new(Exit::Local, format!("There is no journal of runs in {}", dir.display()))
                .hint("`mainstay run DOC --journal DIR` makes one")
        }
        // To look at a journal takes no lock, unless it has to be brought up to date.
        StoreError::Locked { pid, .. } => {
            let by = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            Failure::new(
                Exit::Refused,
                format!("The journal in {} was written by another version of mainstay, and {by} has a run going on in it", dir.display()),
            )
            .hint("wait for that run's end, or look at it with the version that runs it")
        }
        StoreError::NoSpace { .. } => Failure::local(
            format!(
                "The journal in {} was written by another version of mainstay, and its tables cannot be computed anew",
                dir.display()
            ),
            error,
        ),
        _ => Failure::local(format!("The journal in {} cannot be read", dir.display()), error),
    }
}

fn pages(journal: &LookJournal, most: usize, wanted: &impl Fn(&Run) -> bool) -> Result<Vec<Run>, StoreError> {
    const PAGE: usize = 100;
    let mut found = Vec::new();
    let mut after = None;
    if journal.head().seq == 0 {
        return Ok(found);
    }
    loop {
        let page = runs::newest(journal, after, PAGE)?;
        let full = page.len() == PAGE;
        after = page.last().map(|run| run.id.to_string());
        found.extend(page.into_iter().filter(wanted));
        if !full || found.len() >= most {
            return Ok(found);
        }
    }
}
