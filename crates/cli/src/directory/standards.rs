//! The standards that a workload uses, brought together with its own files.
//!
//! A standard may lie outside of the workload's directory, which is its point. Inside its own directory the same holds as
//! for a workload: links that lead out of it are not followed.

use std::path::{Path, PathBuf};

use mainstay_declare::standards::{self, FOLDER, Wanted};
use mainstay_declare::{Diagnostic, SourceFile, StandardSource, kind};
use mainstay_model::Severity;

use super::{Found, fetch, walk};
use crate::exit::Failure;

/// What was brought.
#[derive(Debug, Default)]
pub struct Brought {
    /// The directories on this machine that they come from, absolute and without links.
    pub folders: Vec<PathBuf>,
    /// The paths of files as they are handed in, and as people see them: how each begins.
    shown: Vec<(String, String)>,
}

impl Brought {
    /// Makes of the path of a file the one that people can open.
    pub fn show(&self, path: &mut String) {
        for (handed, shown) in &self.shown {
            if let Some(rest) = path.strip_prefix(handed) {
                *path = format!("{shown}{rest}");
                return;
            }
        }
    }
}

/// Adds the files of the standards that a workload's files ask for.
pub fn bring(root: &Path, found: &mut Found) -> Brought {
    let mut out = Brought::default();
    let Some(file) = found.files.iter().find(|file| file.path == kind::WORKLOAD_FILE) else { return out };
    for wanted in standards::wanted(file) {
        let name = &wanted.standard.name;
        let prefix = format!("{FOLDER}/{name}/");
        match one(root, &wanted, &mut out) {
            Ok(brought) => {
                let named = |path: String| format!("{prefix}{path}");
                let files = brought.files.into_iter();
                found.files.extend(files.map(|file| SourceFile { path: named(file.path), ..file }));
                let problems = brought.problems.into_iter();
                found.problems.extend(problems.map(|p| Diagnostic { path: named(p.path), ..p }));
            }
            Err(failure) => found.problems.push(unreadable(&wanted, &failure)),
        }
    }
    out
}

fn one(root: &Path, wanted: &Wanted, out: &mut Brought) -> Result<Found, Failure> {
    let handed = format!("{FOLDER}/{}/", wanted.standard.name);
    match &wanted.standard.source {
        StandardSource::Path(path) => {
            let folder =
                super::root(&root.join(path)).map_err(|failure| Failure { hint: None, ..failure })?;
            let found = walk(&folder, true)?;
            let shown = path.trim_start_matches("./").trim_end_matches('/');
            out.shown.push((handed, if shown.is_empty() { String::new() } else { format!("{shown}/") }));
            out.folders.push(folder);
            Ok(found)
        }
        StandardSource::Git { url, commit, folder } => {
            let short = commit.get(..12).unwrap_or(commit);
            out.shown.push((handed, format!("{FOLDER}/{}@{short}/", wanted.standard.name)));
            fetch::read(root, url, commit, folder.as_deref())
        }
    }
}

fn unreadable(wanted: &Wanted, failure: &Failure) -> Diagnostic {
    let mut message = format!("The standard `{}` cannot be had: {}", wanted.standard.name, failure.message);
    for cause in &failure.causes {
        message = format!("{message}: {cause}");
    }
    Diagnostic {
        code: "unreadable-standard",
        severity: Severity::Error,
        message,
        label: None,
        help: failure.hint.clone(),
        path: kind::WORKLOAD_FILE.to_owned(),
        span: wanted.span.clone(),
        start: wanted.start,
        end: wanted.end,
        related: Vec::new(),
    }
}
