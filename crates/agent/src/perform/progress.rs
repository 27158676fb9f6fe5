//! How far a document has come, noted beside its task: what is left to say where the process that ran it is gone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use mainstay_runbook::StepStatus;

use crate::files;

/// The name of the notes.
const FILE: &str = "steps";

/// The most of them that is read.
const MAX_BYTES: u64 = 1 << 20;

/// How many of the steps that have ended are named.
const NAMED: usize = 5;

/// Where it is noted.
pub(super) struct Progress(PathBuf);

impl Progress {
    /// The notes of the task in this file.
    pub fn beside(task: &Path) -> Self {
        Self(task.with_file_name(FILE))
    }

    /// A step is about to begin.
    pub fn begun(&self, step: &str) {
        self.note(&format!("begun {step}\n"));
    }

    /// A step has ended.
    pub fn ended(&self, step: &str, status: StepStatus) {
        self.note(&format!("ended {step} {}\n", status.as_str()));
    }

    /// Nothing depends on it: where it cannot be written, less is known.
    fn note(&self, line: &str) {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.0);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// What the notes in a command's directory say of its steps; nothing where it has none.
pub(crate) fn known(dir: &Path) -> Option<String> {
    let bytes = files::read_limited(&dir.join(FILE), MAX_BYTES).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut words: Vec<String> = Vec::new();
    let mut begun = None;
    for line in text.lines() {
        let mut parts = line.split(' ');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("begun"), Some(step), None) => begun = Some(step),
            (Some("ended"), Some(step), Some(status)) => {
                begun = begun.filter(|begun| *begun != step);
                words.push(format!("step {step} ended as {status}"));
            }
            // What was being written when the process was killed.
            _ => {}
        }
    }
    let earlier = words.len().saturating_sub(NAMED);
    words.drain(..earlier);
    if earlier > 0 {
        words.insert(0, format!("{earlier} steps before had ended"));
    }
    words.extend(begun.map(|step| format!("step {step} had begun")));
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(known(dir.path()), None);
        let progress = Progress::beside(&dir.path().join("script"));
        progress.begun("one");
        progress.ended("one", StepStatus::Failed);
        progress.begun("two");
        assert_eq!(known(dir.path()).as_deref(), Some("step one ended as Failed; step two had begun"));
        progress.ended("two", StepStatus::Success);
        for number in 3..9 {
            progress.ended(&number.to_string(), StepStatus::Success);
        }
        progress.note("begu");
        let said = known(dir.path()).expect("noted");
        assert!(said.starts_with("3 steps before had ended; step 4 ended as Success; "), "{said}");
        assert!(said.ends_with("; step 8 ended as Success"), "{said}");
    }
}
