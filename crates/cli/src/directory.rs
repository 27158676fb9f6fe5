//! A workload's directory, read from the disk: what means something by its name is read, the rest is named only.
//!
//! Nothing outside of the directory is read, whatever links it holds; what cannot be read is a problem like any other
//! and is reported with them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mainstay_declare::standards::STANDARD_FILE;
use mainstay_declare::{Declared, Diagnostic, LineCol, MAX_FILE_BYTES, SourceFile, kind};
use mainstay_model::Severity;

use crate::exit::{Exit, Failure};

mod fetch;
mod standards;

/// The most files of a directory that are looked at.
const MAX_FILES: usize = 20_000;

/// How deep folders are looked into.
const MAX_DEPTH: usize = 16;

/// Folders that are never looked into, besides hidden ones: they hold what is built, written or fetched.
const SKIPPED: [&str; 5] = ["target", "bin", "data", "log", "node_modules"];

/// A directory as it was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Its files.
    pub files: Vec<SourceFile>,
    /// What could not be read.
    pub problems: Vec<Diagnostic>,
}

/// A directory that was read and checked.
#[derive(Debug)]
pub struct Checked {
    /// The directory, absolute and without links.
    pub root: PathBuf,
    /// What it declares; none if there is any error.
    pub declared: Option<Declared>,
    /// Every problem, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of each file that was read, by the path that people see. That of a file of a standard leads to where it
    /// is.
    pub sources: BTreeMap<String, String>,
    /// The same by the paths that a revision has: the files of a standard lie below `standards/NAME/`.
    pub files: BTreeMap<String, String>,
    /// The directories of the standards that are used, absolute and without links.
    pub standards: Vec<PathBuf>,
}

/// Reads and checks a directory.
pub fn check(dir: &Path) -> Result<Checked, Failure> {
    let root = root(dir)?;
    let mut found = read(&root)?;
    let brought = standards::bring(&root, &mut found);
    let outcome = mainstay_declare::declare(&found.files, &mainstay_server::languages::Spoken);
    let unread = found.problems.iter().any(Diagnostic::is_error);
    let mut diagnostics = found.problems;
    // A file that could not be read is not a missing one.
    let lost: Vec<String> = diagnostics.iter().map(|problem| problem.path.clone()).collect();
    let about_lost = |d: &Diagnostic| match d.code {
        "no-workload-file" => lost.contains(&d.path),
        "no-standard" => diagnostics.iter().any(|p| p.code == "unreadable-standard" && p.span == d.span),
        _ => false,
    };
    let rest: Vec<_> = outcome.diagnostics.into_iter().filter(|d| !about_lost(d)).collect();
    diagnostics.extend(rest);
    for diagnostic in &mut diagnostics {
        brought.show(&mut diagnostic.path);
        diagnostic.related.iter_mut().for_each(|related| brought.show(&mut related.path));
    }
    diagnostics.sort_by(|a, b| (&a.path, a.span.start).cmp(&(&b.path, b.span.start)));
    let declared = if unread { None } else { outcome.declared };
    let shown = |(path, text): (&String, &String)| {
        let mut path = path.clone();
        brought.show(&mut path);
        (path, text.clone())
    };
    let sources = outcome.sources.iter().map(shown).collect();
    Ok(Checked { root, declared, diagnostics, sources, files: outcome.sources, standards: brought.folders })
}

/// The directory, absolute and without links.
fn root(dir: &Path) -> Result<PathBuf, Failure> {
    let root = std::fs::canonicalize(dir).map_err(|error| {
        Failure::local(format!("The directory {} cannot be opened", dir.display()), &error)
    })?;
    if root.is_dir() {
        Ok(root)
    } else {
        Err(Failure::new(Exit::Local, format!("{} is not a directory", dir.display()))
            .hint("`mainstay check` takes single files too"))
    }
}

/// Reads a directory that was canonicalised.
pub fn read(root: &Path) -> Result<Found, Failure> {
    walk(root, false)
}

/// Reads the directory of a workload or of a standard.
fn walk(root: &Path, is_standard: bool) -> Result<Found, Failure> {
    let mut walk = Walk { root, is_standard, found: Found::default(), seen: 0 };
    let entries = std::fs::read_dir(root).map_err(|error| {
        Failure::local(format!("The directory {} cannot be read", root.display()), &error)
    })?;
    walk.folder(entries, "", 0);
    walk.found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

/// Reads a single file, which is not larger than declared files may be by more than one byte: that one tells.
pub fn read_single(path: &Path) -> Result<SourceFile, Failure> {
    let bytes = read_limited(path)
        .map_err(|error| Failure::local(format!("The file {} cannot be read", path.display()), &error))?;
    Ok(SourceFile { path: path.to_string_lossy().into_owned(), bytes })
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    // Opening a pipe would wait for a writer, so it is looked at first.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Walk<'a> {
    root: &'a Path,
    is_standard: bool,
    found: Found,
    seen: usize,
}

/// Whether a file or folder that cannot be looked at would have been read.
fn matters(path: &str, is_standard: bool) -> bool {
    match path.split_once('/') {
        None if is_standard => path == STANDARD_FILE,
        None => path == kind::WORKLOAD_FILE,
        Some((folder, _)) => kind::is_read_folder(folder) || mainstay_declare::notes::may_be(path),
    }
}

/// Every folder of a directory that is looked into, itself included. What cannot be read is left out.
pub fn folders(root: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut stack = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = stack.pop() {
        let entries = std::fs::read_dir(&folder).map(|entries| entries.filter_map(Result::ok));
        let is_skipped = |name: &str| name.starts_with('.') || (depth == 0 && SKIPPED.contains(&name));
        for entry in entries.into_iter().flatten().take(MAX_FILES) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && depth + 1 < MAX_DEPTH && !is_skipped(&entry.file_name().to_string_lossy()) {
                stack.push((entry.path(), depth + 1));
            }
        }
        out.push(folder);
        if out.len() >= MAX_FILES {
            break;
        }
    }
    out
}

impl Walk<'_> {
    fn problem(&mut self, severity: Severity, code: &'static str, path: &str, message: String, help: &str) {
        self.found.problems.push(Diagnostic {
            code,
            severity,
            message,
            label: None,
            help: (!help.is_empty()).then(|| help.to_owned()),
            path: path.to_owned(),
            span: 0..0,
            start: LineCol { line: 1, column: 1 },
            end: LineCol { line: 1, column: 1 },
            related: Vec::new(),
        });
    }

    fn folder(&mut self, entries: std::fs::ReadDir, prefix: &str, depth: usize) {
        let mut entries: Vec<std::fs::DirEntry> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else {
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if matters(&path, self.is_standard) {
                    let message = "The name of this file is not UTF-8".to_owned();
                    self.problem(Severity::Error, "unreadable-file", &path, message, "rename it");
                }
                continue;
            };
            if name.starts_with('.') || (prefix.is_empty() && SKIPPED.contains(&name.as_str())) {
                continue;
            }
            // What a workload uses of its own folder of standards is read for those that it names.
            if prefix.is_empty() && !self.is_standard && name == mainstay_declare::standards::FOLDER {
                continue;
            }
            self.seen += 1;
            if self.seen > MAX_FILES {
                if self.seen == MAX_FILES + 1 {
                    let message =
                        format!("This directory has more than {MAX_FILES} files; from here on none is read");
                    let help = "a workload's directory holds its declaration, not its data";
                    self.problem(
                        Severity::Error,
                        "too-many-files",
                        &format!("{prefix}{name}"),
                        message,
                        help,
                    );
                }
                return;
            }
            self.entry(&entry, format!("{prefix}{name}"), depth);
        }
    }

    fn entry(&mut self, entry: &std::fs::DirEntry, path: String, depth: usize) {
        let on_disk = entry.path();
        let Ok(kind) = entry.file_type() else { return };
        if kind.is_symlink() {
            return self.link(&on_disk, path);
        }
        if kind.is_dir() {
            if depth + 1 >= MAX_DEPTH {
                let message = format!("Folders are read {MAX_DEPTH} deep; what is in this one is not");
                return self.problem(Severity::Warning, "too-deep", &path, message, "");
            }
            match std::fs::read_dir(&on_disk) {
                Ok(entries) => self.folder(entries, &format!("{path}/"), depth + 1),
                Err(error) if kind::is_read_folder(path.split('/').next().unwrap_or_default()) => {
                    let message = format!("This folder cannot be read: {error}");
                    self.problem(Severity::Error, "unreadable-file", &path, message, "");
                }
                Err(_) => {}
            }
        } else if kind.is_file() {
            self.file(&on_disk, path);
        }
    }

    fn link(&mut self, on_disk: &Path, path: String) {
        let target = std::fs::canonicalize(on_disk);
        match target {
            Ok(target) if target.starts_with(self.root) && target.is_file() => self.file(&target, path),
            _ if !self.matters(&format!("{path}/")) && !self.matters(&path) => {}
            Ok(target) if target.starts_with(self.root) => {
                let message = "This link to a folder is not followed".to_owned();
                self.problem(Severity::Warning, "link", &path, message, "put the files where the link is");
            }
            Ok(_) => {
                let whose = if self.is_standard { "standard" } else { "workload" };
                let message = format!("This link leads out of the {whose}'s directory and is not followed");
                self.problem(Severity::Error, "link", &path, message, "copy the file here");
            }
            Err(error) => {
                let message = format!("This link leads nowhere: {error}");
                self.problem(Severity::Error, "link", &path, message, "remove it");
            }
        }
    }

    fn matters(&self, path: &str) -> bool {
        matters(path, self.is_standard)
    }

    fn file(&mut self, on_disk: &Path, path: String) {
        let is_read = if self.is_standard { kind::is_read_in_standard } else { kind::is_read };
        if !is_read(&path) && !mainstay_declare::notes::may_be(&path) {
            self.found.files.push(SourceFile { path, bytes: Vec::new() });
            return;
        }
        match read_limited(on_disk) {
            Ok(bytes) => self.found.files.push(SourceFile { path, bytes }),
            Err(error) => {
                let message = format!("This file cannot be read: {error}");
                self.problem(Severity::Error, "unreadable-file", &path, message, "");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_belongs_to_the_directory_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = tempfile::tempdir().expect("a folder");
        let root = std::fs::canonicalize(folder.path()).expect("there");
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("mainstay.yaml", "workload: x");
        write("src/main.rs", "fn main() {}");
        write("runbooks/a.yaml", "a");
        write("runbooks/.b.yaml", "hidden");
        write("target/runbooks/c.yaml", "built");
        write("runbooks/data/d.yaml", "not skipped here");
        std::fs::write(outside.path().join("secret.yaml"), "secret").expect("written");
        symlink(outside.path().join("secret.yaml"), root.join("alarms.yaml")).expect("linked");
        std::fs::create_dir(root.join("alarms")).expect("made");
        symlink(outside.path().join("secret.yaml"), root.join("alarms/s.yaml")).expect("linked");
        symlink(root.join("runbooks/a.yaml"), root.join("alarms/t.yaml")).expect("linked");
        symlink(&root, root.join("alarms/u")).expect("linked");
        let found = read(&root).expect("read");
        let files: Vec<(&str, &str)> = found
            .files
            .iter()
            .map(|file| (file.path.as_str(), std::str::from_utf8(&file.bytes).expect("text")))
            .collect();
        assert_eq!(
            files,
            [
                ("alarms/t.yaml", "a"),
                ("mainstay.yaml", "workload: x"),
                ("runbooks/a.yaml", "a"),
                ("runbooks/data/d.yaml", "not skipped here"),
                ("src/main.rs", ""),
            ]
        );
        let problems: Vec<(&str, &str, bool)> =
            found.problems.iter().map(|d| (d.path.as_str(), d.code, d.is_error())).collect();
        assert_eq!(problems, [("alarms/s.yaml", "link", true), ("alarms/u", "link", false)]);
    }

    #[test]
    fn a_file_that_is_too_large_is_a_problem_and_not_read_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("mainstay.yaml"), vec![b'#'; MAX_FILE_BYTES + 4096])
            .expect("written");
        let checked = check(folder.path()).expect("read");
        assert_eq!(checked.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["too-large"]);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let failure = check(Path::new("/nonexistent")).expect_err("not there");
        assert_eq!(failure.exit, Exit::Local);
        let folder = tempfile::tempdir().expect("a folder");
        let checked = check(folder.path()).expect("read");
        assert_eq!(checked.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["no-workload-file"]);
    }
}
