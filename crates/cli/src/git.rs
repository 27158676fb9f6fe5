//! Where a directory's files came from, as the git command there says. Where there is none, or no repository, nothing is
//! known, and nothing is said.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mainstay_api::v1::GitView;

/// How long git may take: a repository on a dead network disk must not hold up an apply.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that is read of what it says.
const MOST: u64 = 64 << 10;

/// The commit that a directory stands at, and whether files of it differ from that commit.
pub async fn commit_of(dir: &Path) -> Option<GitView> {
    let dir = dir.to_owned();
    let asked = tokio::task::spawn_blocking(move || ask(&dir));
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?
}

fn ask(dir: &Path) -> Option<GitView> {
    let commit = git(dir, &["rev-parse", "--verify", "HEAD"])?.trim().to_owned();
    if commit.len() < 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // Files that git does not know are part of what is applied, so they make the directory differ, too.
    let status = git(dir, &["status", "--porcelain", "--untracked-files=normal", "--", "."])?;
    Some(GitView { commit, dirty: !status.trim().is_empty() })
}

fn git(dir: &Path, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("git")
        // Asking must not run anything that the repository names, nor wait for anybody or take a lock.
        .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks", "-C"])
        .arg(dir)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut said = Vec::new();
    let read = child.stdout.take().map(|out| out.take(MOST).read_to_end(&mut said));
    let ended = child.wait().ok()?;
    // A status that is longer than what is read ends git by its closed pipe; that there is one is all that matters.
    let cut = said.len() as u64 == MOST;
    (read.is_some_and(|read| read.is_ok()) && (ended.success() || cut))
        .then(|| String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(dir: &Path, arguments: &[&str]) -> bool {
        Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.org", "-C"])
            .arg(dir)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    #[test]
    fn a_directory_says_its_commit_and_whether_it_differs() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        assert_eq!(ask(dir), None, "no repository");
        if !run(dir, &["init", "-q"]) {
            println!("skipped: no git");
            return;
        }
        assert_eq!(ask(dir), None, "no commit yet");
        std::fs::write(dir.join("mainstay.yaml"), "workload: x\n").expect("written");
        assert!(run(dir, &["add", "."]) && run(dir, &["commit", "-q", "-m", "first"]));
        let clean = ask(dir).expect("a commit");
        assert!(!clean.dirty && clean.commit.len() >= 40, "{clean:?}");
        std::fs::write(dir.join("new.yaml"), "").expect("written");
        assert_eq!(ask(dir), Some(GitView { dirty: true, ..clean }));
    }
}
