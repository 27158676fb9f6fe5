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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::check;
    use super::*;

    #[test]
    fn standards_are_read_beside_the_workload_and_travel_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        let uses =
            "workload: x\nstandards:\n  - { name: web, path: ../shared/web, parameters: { job: a } }\n";
        write("x/mainstay.yaml", uses);
        write("x/standards/web/standard.yaml", "this is another one, which nobody uses");
        let parameters = "parameters: { job: { type: text } }\n";
        write("shared/web/standard.yaml", &format!("standard: web\nversion: 1\n{parameters}"));
        write("shared/web/README.md", "not read");
        let alarms =
            "groups: [{ name: web, rules: [{ alert: Down, expr: 'up{job=\"${standard.job}\"}' }] }]\n";
        write("shared/web/alarms/web.yaml", alarms);
        let checked = check(&folder.path().join("x")).expect("read");
        assert_eq!(checked.diagnostics, []);
        let shown: Vec<&str> = checked.sources.keys().map(String::as_str).collect();
        let expected = ["../shared/web/alarms/web.yaml", "../shared/web/standard.yaml", "mainstay.yaml"];
        assert_eq!(shown, expected);
        let declared = checked.declared.expect("clean");
        assert_eq!(declared.origins["alarm/Down"].to_string(), "standard web, alarms/web.yaml:1");

        // The files alone, as a revision keeps them, declare the same.
        let files: Vec<SourceFile> = checked
            .files
            .iter()
            .map(|(path, text)| SourceFile { path: path.clone(), bytes: text.clone().into_bytes() })
            .collect();
        let again = mainstay_declare::declare(&files, &mainstay_server::languages::Spoken);
        assert_eq!(again.declared, Some(declared));

        // A link out of the standard's directory is not followed, though it leads into the workload's.
        symlink(folder.path().join("x/mainstay.yaml"), folder.path().join("shared/web/alarms/link.yaml"))
            .expect("linked");
        let checked = check(&folder.path().join("x")).expect("read");
        let problems: Vec<_> = checked.diagnostics.iter().map(|d| (d.code, d.path.as_str())).collect();
        assert_eq!(problems, [("link", "../shared/web/alarms/link.yaml")]);

        // One that is not there is one problem, where it is named.
        write("x/mainstay.yaml", &uses.replace("../shared/web", "../shared/wep"));
        let checked = check(&folder.path().join("x")).expect("read");
        let problems: Vec<_> =
            checked.diagnostics.iter().map(|d| (d.code, d.path.as_str(), d.start.line)).collect();
        assert_eq!(problems, [("unreadable-standard", "mainstay.yaml", 3)]);
    }
}
