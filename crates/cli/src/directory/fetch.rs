//! Standards from git: one commit, fetched once by the git command into a cache, and read from there.
//!
//! The commit is named in full, so what was fetched once can never be another thing, and needs no network again. No
//! working tree is made, no hook of the repository is run, submodules are not followed, and nobody is asked for a
//! password: what git cannot do by itself fails with its own words.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mainstay_declare::{Diagnostic, LineCol, MAX_DIRECTORY_BYTES, MAX_FILE_BYTES, SourceFile, kind};
use mainstay_model::Severity;

use super::{Found, MAX_FILES, matters};
use crate::exit::{Exit, Failure};

/// How long git may take to fetch.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most that is read of what git says.
const MOST: u64 = 4 * MAX_DIRECTORY_BYTES as u64;

/// One entry of a commit's tree.
struct Entry {
    path: String,
    object: String,
    size: usize,
    is_link: bool,
}

/// Reads a folder of a commit; its top if there is none. A URL that is a relative path is one from `root`.
pub fn read(root: &Path, url: &str, commit: &str, folder: Option<&str>) -> Result<Found, Failure> {
    read_with(&cache()?, root, url, commit, folder)
}

fn read_with(
    cache: &Path,
    root: &Path,
    url: &str,
    commit: &str,
    folder: Option<&str>,
) -> Result<Found, Failure> {
    let repository = Repository { dir: cache.join(name_of(url)), root };
    if !repository.has(commit) {
        repository.fetch(url, commit)?;
    }
    let folder = folder.map(|folder| folder.trim_matches('/')).filter(|folder| !matches!(*folder, "" | "."));
    let prefix = folder.map(|folder| format!("{}/", folder.trim_start_matches("./"))).unwrap_or_default();
    let entries = repository.list(commit, &prefix)?;
    if entries.is_empty() {
        let what = folder.map_or_else(|| "no files".to_owned(), |folder| format!("no folder `{folder}`"));
        return Err(Failure::new(Exit::Local, format!("the commit has {what}")));
    }
    if entries.len() > MAX_FILES {
        return Err(Failure::new(Exit::Local, format!("it has more than {MAX_FILES} files"))
            .hint("say with `folder` where in the repository the standard is"));
    }
    repository.files(entries)
}

/// Where repositories are kept.
fn cache() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| {
            Failure::new(Exit::Local, "there is no place to keep it")
                .hint("set HOME or XDG_CACHE_HOME, where fetched standards are kept")
        })?;
    Ok(base.join("mainstay").join("standards"))
}

/// A file name for a URL that people recognise. Two URLs that shared one would share a store of objects, each of which
/// is named by what it holds.
fn name_of(url: &str) -> String {
    // FNV-1a
    let hash = url.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let readable: String = url
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    let tail = readable.len().saturating_sub(60);
    format!("{}-{hash:016x}.git", readable[tail..].trim_matches(['-', '.']))
}

/// A bare repository of the cache.
struct Repository<'a> {
    dir: PathBuf,
    root: &'a Path,
}

impl Repository<'_> {
    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = mainstay_agent::perform::git();
        command.arg("--git-dir").arg(&self.dir).args(arguments).current_dir(self.root);
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
        }
        command
    }

    fn has(&self, commit: &str) -> bool {
        self.dir.is_dir()
            && said(self.git(&["cat-file", "-e", &format!("{commit}^{{commit}}")]), Vec::new()).is_ok()
    }

    fn fetch(&self, url: &str, commit: &str) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.dir).map_err(|error| {
            Failure::local(format!("the folder {} cannot be made", self.dir.display()), &error)
        })?;
        said(self.git(&["init", "--quiet", "--bare"]), Vec::new())
            .map_err(|error| error.failure("set up"))?;
        let kept = format!("+{commit}:refs/mainstay/{commit}");
        let one = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", url, &kept];
        let Err(first) = said(self.git(&one), Vec::new()) else { return Ok(()) };
        if first.is_final() {
            return Err(first.failure("fetched"));
        }
        // Not every server hands out a commit by its name: then all of its branches and tags are asked for.
        let all = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--",
            url,
            "+refs/heads/*:refs/mainstay/heads/*",
            "+refs/tags/*:refs/mainstay/tags/*",
        ];
        let second = said(self.git(&all), Vec::new());
        if self.has(commit) {
            return Ok(());
        }
        match second {
            Err(error) => Err(error.failure("fetched")),
            Ok(_) => Err(Failure::new(Exit::Local, format!("{url} has no commit {commit}"))
                .hint("it may not have been pushed yet, or belong to another repository")),
        }
    }

    fn list(&self, commit: &str, prefix: &str) -> Result<Vec<Entry>, Failure> {
        let mut arguments = vec!["ls-tree", "-r", "-z", "-l", "--full-tree", commit];
        let folder = prefix.trim_end_matches('/');
        if !folder.is_empty() {
            arguments.extend(["--", folder]);
        }
        // A folder's name is a name and no pattern.
        let mut command = self.git(&arguments);
        command.env("GIT_LITERAL_PATHSPECS", "1");
        let listed = said(command, Vec::new()).map_err(|error| error.failure("read"))?;
        let mut out = Vec::new();
        for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            // `MODE TYPE OBJECT SIZE<tab>PATH`
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Some((facts, path)) = line.split_once('\t') else { continue };
            let Some(path) = path.strip_prefix(prefix) else { continue };
            let facts: Vec<&str> = facts.split_whitespace().collect();
            let [mode, "blob", object, size] = facts.as_slice() else { continue };
            if path.split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            out.push(Entry {
                path: path.to_owned(),
                object: (*object).to_owned(),
                size: size.parse().unwrap_or(usize::MAX),
                is_link: *mode == "120000",
            });
        }
        Ok(out)
    }

    fn files(&self, entries: Vec<Entry>) -> Result<Found, Failure> {
        let mut out = Found::default();
        let mut wanted = String::new();
        let mut total = 0;
        for entry in &entries {
            if entry.is_link && matters(&entry.path, true) {
                out.problems.push(link(&entry.path));
            } else if is_read(entry) && entry.size <= MAX_FILE_BYTES {
                total += entry.size;
                let _ = writeln!(wanted, "{}", entry.object);
            }
        }
        if total > MAX_DIRECTORY_BYTES {
            return Err(Failure::new(
                Exit::Local,
                format!("its files have more than {MAX_DIRECTORY_BYTES} bytes"),
            ));
        }
        let objects = said(self.git(&["cat-file", "--batch"]), wanted.into_bytes())
            .map_err(|error| error.failure("read"))?;
        let mut rest = objects.as_slice();
        for entry in entries.into_iter().filter(|entry| !entry.is_link) {
            let bytes = match is_read(&entry) {
                false => Vec::new(),
                // One byte too many tells that there are too many.
                true if entry.size > MAX_FILE_BYTES => vec![b' '; MAX_FILE_BYTES + 1],
                true => next_object(&mut rest, entry.size).ok_or_else(|| {
                    Failure::new(Exit::Local, format!("git does not have all of its files: {}", entry.path))
                        .hint(format!("remove {}, so that it is fetched anew", self.dir.display()))
                })?,
            };
            out.files.push(SourceFile { path: entry.path, bytes });
        }
        Ok(out)
    }
}

fn is_read(entry: &Entry) -> bool {
    !entry.is_link && (kind::is_read_in_standard(&entry.path) || mainstay_declare::notes::may_be(&entry.path))
}

/// The next object of what `cat-file --batch` says: a line about it, its bytes, a line break.
fn next_object(rest: &mut &[u8], size: usize) -> Option<Vec<u8>> {
    let line = rest.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(rest.get(..line)?).ok()?;
    let told: usize = head.rsplit(' ').next()?.parse().ok()?;
    let bytes = rest.get(line + 1..line + 1 + size).filter(|_| told == size)?.to_vec();
    *rest = rest.get(line + 1 + size + 1..)?;
    Some(bytes)
}

fn link(path: &str) -> Diagnostic {
    Diagnostic {
        code: "link",
        severity: Severity::Error,
        message: "Links in a standard from git are not followed".to_owned(),
        label: None,
        help: Some("put the file there in the repository".to_owned()),
        path: path.to_owned(),
        span: 0..0,
        start: LineCol { line: 1, column: 1 },
        end: LineCol { line: 1, column: 1 },
        related: Vec::new(),
    }
}

/// Why git did not do it.
enum GitError {
    /// It cannot be started.
    Absent(std::io::Error),
    /// It did not end in time.
    Slow,
    /// It failed, in its own words.
    Failed(String),
}

impl GitError {
    /// Whether another way of asking would not help.
    fn is_final(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }

    fn failure(self, done: &str) -> Failure {
        match self {
            Self::Absent(error) => Failure::local("git cannot be started", &error)
                .hint("install git, or use the standard by `path`"),
            Self::Slow => Failure::new(
                Exit::Local,
                format!("it could not be {done} within {} seconds", PATIENCE.as_secs()),
            )
            .hint("see whether git can fetch it by hand"),
            Self::Failed(words) => {
                let mut failure = Failure::new(Exit::Local, format!("git says it cannot be {done}"));
                failure.causes.push(words);
                failure.hint("nobody is asked for a password here: git has to get at it by itself, as with a key or a credential helper")
            }
        }
    }
}

/// What git says, having been told this.
fn said(mut command: Command, told: Vec<u8>) -> Result<Vec<u8>, GitError> {
    let stdin = if told.is_empty() { Stdio::null() } else { Stdio::piped() };
    let spawned = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(GitError::Absent)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It answers while it is being told, so telling must not wait for the end of it.
        std::thread::spawn(move || stdin.write_all(&told));
    }
    let (sender, ended) = mpsc::channel();
    let (out, errors) = (child.stdout.take(), child.stderr.take());
    let words = std::thread::spawn(move || {
        let mut words = Vec::new();
        let _ = errors.map(|errors| errors.take(16 << 10).read_to_end(&mut words));
        words
    });
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let read = out.map(|out| out.take(MOST).read_to_end(&mut said));
        let _ = sender.send(read.is_some_and(|read| read.is_ok()).then_some(said));
    });
    let Ok(said) = ended.recv_timeout(PATIENCE) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(GitError::Slow);
    };
    let status = child.wait().map_err(GitError::Absent)?;
    let words = words.join().unwrap_or_default();
    match said {
        Some(said) if status.success() => Ok(said),
        _ => Err(GitError::Failed(last_words(&String::from_utf8_lossy(&words)))),
    }
}

/// What git says is wrong, in one line.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fault = |line: &&&str| line.starts_with("fatal:") || line.starts_with("error:");
    let line = lines.iter().find(fault).or(lines.last()).copied().unwrap_or("it gives no reason");
    let line = line.trim_start_matches("fatal: ").trim_start_matches("error: ");
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(dir: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.org", "-C"])
            .arg(dir)
            .args(arguments)
            .output()
            .expect("git");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    #[test]
    fn a_commit_is_fetched_once_and_read_without_its_repository() {
        if Command::new("git").arg("--version").output().is_err() {
            println!("skipped: no git");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (origin, cache) = (folder.path().join("origin"), folder.path().join("cache"));
        let write = |path: &str, text: &str| {
            let path = origin.join(path);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("web/standard.yaml", "standard: web\nversion: 1\n");
        write("web/alarms/web.yaml", "groups: []\n");
        write("web/scripts/big.bin", "not read");
        write("web/.hidden/alarms/x.yaml", "no");
        write("webs/standard.yaml", "another folder\n");
        git(folder.path(), &["init", "-q", "origin"]);
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "-q", "-m", "first"]);
        let first = git(&origin, &["rev-parse", "HEAD"]);
        write("web/alarms/web.yaml", "changed: []\n");
        std::os::unix::fs::symlink("/etc/passwd", origin.join("web/alarms/link.yaml")).expect("linked");
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "-q", "-m", "second"]);
        let second = git(&origin, &["rev-parse", "HEAD"]);

        let url = format!("file://{}", origin.display());
        let read = |commit: &str, folder: Option<&str>| read_with(&cache, &origin, &url, commit, folder);
        let texts = |found: &Found| -> Vec<(String, String)> {
            let text = |file: &SourceFile| String::from_utf8(file.bytes.clone()).expect("text");
            found.files.iter().map(|file| (file.path.clone(), text(file))).collect()
        };
        let expected = |alarms: &str| {
            [
                ("alarms/web.yaml", alarms),
                ("scripts/big.bin", ""),
                ("standard.yaml", "standard: web\nversion: 1\n"),
            ]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
        };
        let found = read(&first, Some("web")).expect("the first commit");
        assert_eq!(texts(&found), expected("groups: []\n"));
        let found = read(&second, Some("./web/")).expect("the second commit");
        assert_eq!(texts(&found), expected("changed: []\n"));
        let problems: Vec<_> = found.problems.iter().map(|p| (p.code, p.path.as_str())).collect();
        assert_eq!(problems, [("link", "alarms/link.yaml")]);
        assert!(read(&first, Some("wep")).is_err_and(|failure| failure.message.contains("no folder `wep`")));
        let unknown = "0123456789012345678901234567890123456789";
        let failure = read(unknown, None).expect_err("no such commit");
        assert!(failure.message.contains("has no commit"), "{failure:?}");

        // From here on there is no repository any more.
        std::fs::rename(&origin, folder.path().join("away")).expect("renamed");
        let read = |commit: &str| read_with(&cache, folder.path(), &url, commit, Some("web"));
        assert_eq!(texts(&read(&first).expect("kept")), expected("groups: []\n"));
        let failure = read(unknown).expect_err("neither kept nor there");
        assert!(!failure.causes.is_empty() && failure.hint.is_some(), "{failure:?}");
    }

    #[test]
    fn names_of_repositories_are_names_of_files() {
        let name = name_of("https://user:secret@git.example.org/team/standards.git");
        assert!(
            name.starts_with("git.example.org-team-standards.git-") && !name.contains("secret"),
            "{name}"
        );
        assert!(name_of(&"é/".repeat(500)).len() < 100);
        assert_ne!(name_of("a"), name_of("b"));
    }

    #[test]
    fn no_program_of_a_url_is_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = folder.path().join("made");
        let url = format!("ext::touch {}", made.display());
        let read = read_with(&folder.path().join("cache"), folder.path(), &url, &"a".repeat(40), None);
        assert!(read.is_err());
        assert!(!made.exists());
    }
}
