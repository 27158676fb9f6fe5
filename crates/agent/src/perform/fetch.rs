//! Repositories, by the host's git: one version, without history, hooks or submodules.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mainstay_runbook::{GitVersion, Secret, is_loopback};

use super::{Ended, place, script};
use mainstay_api::secrets;

/// How long git may take for one thing.
const PATIENCE: Duration = Duration::from_secs(900);

/// The most of what git says that is kept.
const WORDS_BYTES: u64 = 16 * 1024;

/// A git that nothing written in a repository, around it or in a submodule makes run a program, and that asks nobody
/// for a password.
pub fn hardened() -> Command {
    let mut command = Command::new("git");
    for setting in [
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "protocol.ext.allow=never",
        "fetch.recurseSubmodules=false",
        "gc.auto=0",
        "maintenance.auto=false",
        "credential.interactive=false",
    ] {
        command.args(["-c", setting]);
    }
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
        command.env_remove(variable);
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("SSH_ASKPASS", "true")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// What is fetched.
pub(super) struct Wanted<'a> {
    pub repository: &'a str,
    pub at: &'a GitVersion,
    pub path: Option<&'a str>,
    pub login: Option<&'a (String, Secret)>,
    pub ssh_key: Option<&'a Secret>,
    pub any_host_key: bool,
}

/// A folder of ours that is removed in the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fetches and puts into the destination what is wanted.
pub(super) fn run(wanted: &Wanted<'_>, destination: Option<&str>) -> Ended {
    match fetch(wanted, destination) {
        Ok(message) => Ended::good(message),
        Err(message) => Ended::failed(message),
    }
}

fn fetch(wanted: &Wanted<'_>, destination: Option<&str>) -> Result<String, String> {
    let destination = Path::new(destination.unwrap_or("."));
    // Beside the destination, so that what was fetched is moved there and not copied.
    let beside = match destination.parent() {
        Some(parent) if destination.is_absolute() && !destination.is_dir() => parent,
        _ => destination,
    };
    fs::create_dir_all(beside).map_err(|error| format!("`{}` cannot be made: {error}", beside.display()))?;
    let scratch = Scratch(beside.join(format!(".mainstay-fetch-{}", std::process::id())));
    let _ = fs::remove_dir_all(&scratch.0);
    let (store, tree) = (scratch.0.join("store"), scratch.0.join("tree"));
    fs::create_dir_all(&tree).map_err(|error| format!("`{}` cannot be made: {error}", tree.display()))?;
    let git =
        Git { store, tree: tree.clone(), environment: environment(wanted)?, scratch: scratch.0.clone() };
    git.run(&["init", "--quiet", "--bare"])?;
    let version = match wanted.at {
        GitVersion::Head => "HEAD".to_owned(),
        GitVersion::Branch(name) => format!("refs/heads/{name}"),
        GitVersion::Commit(commit) => commit.clone(),
    };
    let kept = format!("+{version}:refs/mainstay/wanted");
    let one = [
        "fetch",
        "--quiet",
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--",
        wanted.repository,
        &kept,
    ];
    if let Err(first) = git.run(&one) {
        let GitVersion::Commit(commit) = wanted.at else { return Err(first) };
        // Not every server hands out a commit by its name: then all of its branches are asked for.
        let all = "+refs/heads/*:refs/mainstay/heads/*";
        git.run(&["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", wanted.repository, all])?;
        git.run(&["cat-file", "-e", &format!("{commit}^{{commit}}")])
            .and_then(|()| git.run(&["update-ref", "refs/mainstay/wanted", commit]))
            .map_err(|_| format!("The repository has no commit {commit}"))?;
    }
    let work_tree = format!("--work-tree={}", tree.display());
    let mut checkout =
        vec![work_tree.as_str(), "checkout", "--quiet", "--force", "refs/mainstay/wanted", "--"];
    checkout.push(wanted.path.unwrap_or("."));
    git.run(&checkout).map_err(|words| match wanted.path {
        Some(path) => format!("The repository has no `{path}` in this version ({words})"),
        None => words,
    })?;
    let from = tree.join(wanted.path.unwrap_or(""));
    if from.is_dir() {
        let files = place::merge(&from, destination)?;
        return Ok(format!("put {files} files into {}", destination.display()));
    }
    let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let place = place::of_file(Some(&destination.display().to_string()), &name)?;
    if fs::symlink_metadata(&from).is_ok_and(|file| file.is_symlink()) {
        return Err(format!("`{name}` is a link, and what it leads to was not asked for"));
    }
    fs::rename(&from, &place).map_err(|error| format!("`{}` cannot be written: {error}", place.display()))?;
    Ok(format!("wrote {}", place.display()))
}

/// What git has in its environment: how it gets in. A password goes as a header that is set there for this server alone,
/// and so stands in no command line and no file.
fn environment(wanted: &Wanted<'_>) -> Result<Vec<(String, String)>, String> {
    let mut environment = Vec::new();
    let options = if wanted.any_host_key {
        "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    } else {
        "-o StrictHostKeyChecking=yes"
    };
    let mut ssh = format!("ssh -o BatchMode=yes {options}");
    if let Some(key) = wanted.ssh_key {
        // Read once, so that what is wrong with it is said as for any secret.
        secrets::read(&key.secret)
            .map_err(|reason| format!("The secret privateSSHKey cannot be had: {reason}"))?;
        let path = key.secret.trim_start_matches("file:");
        ssh.push_str(&format!(" -o IdentitiesOnly=yes -i '{}'", path.replace('\'', "'\\''")));
    }
    environment.push(("GIT_SSH_COMMAND".to_owned(), ssh));
    if let Some((user, password)) = wanted.login {
        let origin = origin(wanted.repository)?;
        let password = secrets::read(&password.secret)
            .map_err(|reason| format!("The secret for the login cannot be had: {reason}"))?;
        let header = format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")));
        environment.extend([
            ("GIT_CONFIG_COUNT".to_owned(), "1".to_owned()),
            ("GIT_CONFIG_KEY_0".to_owned(), format!("http.{origin}/.extraHeader")),
            ("GIT_CONFIG_VALUE_0".to_owned(), header),
        ]);
    }
    Ok(environment)
}

/// Scheme, host and port of a URL over which a password may go.
fn origin(repository: &str) -> Result<String, String> {
    let parts = repository
        .split_once("://")
        .map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or_default()));
    match parts {
        Some((scheme @ "https", host)) => Ok(format!("{scheme}://{host}")),
        Some((scheme @ "http", host)) if is_loopback(host) => Ok(format!("{scheme}://{host}")),
        _ => Err("A password goes over https only; for ssh there is `privateSSHKey`".to_owned()),
    }
}

struct Git {
    store: PathBuf,
    tree: PathBuf,
    scratch: PathBuf,
    environment: Vec<(String, String)>,
}

impl Git {
    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let words = self.scratch.join("words");
        let errors = fs::File::create(&words).map_err(|error| format!("`{}`: {error}", words.display()))?;
        let mut command = hardened();
        command
            .arg("--git-dir")
            .arg(&self.store)
            .args(arguments)
            .current_dir(&self.tree)
            .env("GIT_LITERAL_PATHSPECS", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(errors);
        match script::within(&mut command, PATIENCE) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err("`git` is not installed on this host".to_owned())
            }
            Err(error) => Err(format!("`git` could not be started: {error}")),
            Ok(None) => Err(format!("git was not done after {} seconds", PATIENCE.as_secs())),
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(_)) => {
                let mut text = String::new();
                let _ = fs::File::open(&words).map(|file| file.take(WORDS_BYTES).read_to_string(&mut text));
                let last: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                let last = last.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join("; ");
                Err(format!("git says: {last}"))
            }
        }
    }
}
