//! The agent's side of a shim: prepare its directory, start it, find it again, wait for its end.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::clock;
use crate::files::{self, Lock};
use crate::procfs;
use crate::shim::spec::{End, Spec, State, Status};

/// How often a shim that was just begun is asked again for its first status.
const BEGINNING: Duration = Duration::from_millis(10);

/// Variables a service or command gets from the agent's own environment: what programs need to find their way, and
/// nothing that could be a secret.
pub const INHERITED: [&str; 11] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PATH",
    // Which certificates are trusted, where those of the system are not enough.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Writes a shim's directory so that it is there whole or not at all, also after a crash. `extra` are more files by
/// name. An existing directory of that name is an error of kind `AlreadyExists`.
pub fn prepare(dir: &Path, spec: &Spec, extra: &[(&str, &[u8])]) -> io::Result<()> {
    let parent = dir.parent().ok_or_else(|| io::Error::other("the directory has no parent"))?;
    if dir.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let beside = parent.join(format!(".{name}.new"));
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files::make_dir(&beside)?;
    let made = || -> io::Result<()> {
        for fifo in ["control", "alive"] {
            rustix::fs::mkfifoat(CWD, beside.join(fifo), Mode::RUSR | Mode::WUSR)?;
        }
        fs::create_dir(beside.join("work"))?;
        for (name, bytes) in extra {
            files::write_new(&beside.join(name), bytes)?;
        }
        files::write_new(&beside.join("spec.json"), &serde_json::to_vec(spec)?)?;
        files::sync_dir(&beside)?;
        fs::rename(&beside, dir)?;
        files::sync_dir(parent)
    };
    made().inspect_err(|_| {
        let _ = fs::remove_dir_all(&beside);
    })
}

/// What a directory of a shim turned out to be.
#[derive(Debug)]
pub enum Found {
    /// Nobody has begun it.
    NotBegun,
    /// Its shim lives.
    Alive(Shim),
    /// It is over; this is how it ended, as far as anybody can know.
    Over(Status),
}

/// A living shim, or one whose end was not yet waited for.
#[derive(Debug)]
pub struct Shim {
    dir: PathBuf,
    child: Option<Child>,
    /// The FIFO `alive`, whose only writer is the shim: it ends when the shim does, however that ends, and needs no
    /// process id that could have become another's.
    alive: pipe::Receiver,
    announce: Option<pipe::Receiver>,
}

/// Waits until nobody has a FIFO or pipe open for writing; at once where nobody has.
async fn closed(pipe: &mut pipe::Receiver) {
    let mut byte = [0; 1];
    // Asked before it is waited for: of a FIFO that was opened when nobody wrote, the kernel announces no end before
    // somebody has come and gone. Once a writer is seen here, its end is announced.
    loop {
        match rustix::io::read(&*pipe, &mut byte) {
            Ok(0) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(_) => return,
        }
    }
    while pipe.read(&mut byte).await.is_ok_and(|length| length > 0) {}
}

impl Shim {
    /// Starts a shim on a prepared directory. Must be called inside a tokio runtime. If another shim has begun the
    /// directory, this one ends at once and the directory tells the story of the other.
    ///
    /// Its environment is empty but for `env`: the variables of the agent's own that it is to hand on as secrets.
    pub fn launch(binary: &Path, dir: &Path, env: &[(String, String)]) -> io::Result<Self> {
        let errors = OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join("shim.err"))?;
        let alive = pipe::OpenOptions::new().open_receiver(dir.join("alive"))?;
        let mut child = Command::new(binary)
            .arg("shim")
            .arg(dir)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()?;
        let announce =
            child.stdout.take().map(|stdout| pipe::Receiver::from_owned_fd(stdout.into())).transpose()?;
        Ok(Self { dir: dir.to_owned(), child: Some(child), alive, announce })
    }

    /// Looks at a directory that an earlier agent prepared. Says [`Found::Over`] also for what nobody can know, with
    /// [`End::Unknown`], after ending what may be left of it.
    pub async fn find(dir: &Path) -> Found {
        loop {
            let lock = match Lock::try_take(&dir.join("lock")) {
                Ok(lock) => lock,
                Err(error) => return Found::Over(unknown(format!("its lock cannot be read: {error}"))),
            };
            if let Some(_held_while_it_is_read) = lock {
                // A shim that is about to begin waits for the lock; without it, what is read here could be its first
                // moments, which look like the end of one that was killed.
                if dir.join("spec.json").exists() {
                    return Found::NotBegun;
                }
                return Found::Over(over(dir));
            }
            // Before its first status a shim may not have opened `alive` yet, which would look like its end.
            if let Ok(Some(_)) = Status::read(dir)
                && let Ok(alive) = pipe::OpenOptions::new().open_receiver(dir.join("alive"))
            {
                return Found::Alive(Self { dir: dir.to_owned(), child: None, alive, announce: None });
            }
            tokio::time::sleep(BEGINNING).await;
        }
    }

    /// Waits until it is known how the start went. The status is `Running` or `Finished`.
    pub async fn started(&mut self) -> Status {
        if let Some(mut announce) = self.announce.take() {
            let mut byte = [0; 1];
            // A byte or the end of the stream: either way the directory now tells.
            let _ = announce.read(&mut byte).await;
        }
        loop {
            match Status::read(&self.dir) {
                Ok(Some(status)) if status.state != State::Starting => return status,
                _ => {}
            }
            // Only for a shim of an earlier agent that is between its first two writes, or one that just died.
            tokio::select! {
                biased;
                () = closed(&mut self.alive) => return self.finished().await,
                () = tokio::time::sleep(BEGINNING) => {}
            }
        }
    }

    /// Waits for the end. May be called again.
    pub async fn finished(&mut self) -> Status {
        closed(&mut self.alive).await;
        if let Some(mut child) = self.child.take() {
            // Soon, but not at once where another shim was first: it looks for a while whether it is needed.
            let _ = tokio::task::spawn_blocking(move || child.wait()).await;
            if let Some(status) = not_begun(&self.dir, || why_it_did_not_begin(&self.dir)) {
                return status;
            }
        }
        over(&self.dir)
    }
}

/// Asks whatever runs in this directory to end. Resolves when the shim was told, or there is none any more.
pub async fn stop(dir: &Path, reason: &str) {
    let line = format!("stop {}\n", reason.replace('\n', " ").chars().take(900).collect::<String>());
    loop {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(fifo) = rustix::fs::open(dir.join("control"), flags, Mode::empty())
            && fs::File::from(fifo).write_all(line.as_bytes()).is_ok()
        {
            return;
        }
        // Nobody reads: the shim has not yet opened its end, or is gone. The lock is not kept, or the shim would not
        // get it.
        let is_alive = matches!(Lock::try_take(&dir.join("lock")), Ok(None));
        if !is_alive && !dir.join("spec.json").exists() {
            return;
        }
        tokio::time::sleep(BEGINNING).await;
    }
}

/// Makes sure that a directory nobody has begun is never begun, and says whether that succeeded.
pub fn abandon(dir: &Path) -> bool {
    fs::rename(dir.join("spec.json"), dir.join("abandoned.json")).is_ok()
}

/// Ends a directory whose shim came to its end without having begun it, or could not be started: nobody begins it any
/// more, and it says why. `None` when another shim has begun it.
pub fn not_begun(dir: &Path, reason: impl FnOnce() -> String) -> Option<Status> {
    if !abandon(dir) {
        return None;
    }
    let _ = fs::rename(dir.join("abandoned.json"), dir.join("begun.json"));
    let status = Status::ended(End::NotStarted { reason: reason() }, clock::now().as_millis());
    let _ = status.write(dir);
    Some(status)
}

/// What a shim that did not begin said last.
fn why_it_did_not_begin(dir: &Path) -> String {
    let said = fs::read(dir.join("shim.err")).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    match said.lines().last() {
        Some(line) => format!("its supervisor ended before it began: {line}"),
        None => "its supervisor ended before it began, and said nothing".to_owned(),
    }
}

fn unknown(reason: String) -> Status {
    Status::ended(End::Unknown { reason }, clock::now().as_millis())
}

/// What is known of a directory whose shim is gone.
fn over(dir: &Path) -> Status {
    let mut status = match Status::read(dir) {
        Ok(Some(status)) => status,
        Ok(None) if dir.join("begun.json").exists() => {
            // The first status is written before anything is started.
            let reason =
                "its supervisor ended before it could record the start (is the disk full?)".to_owned();
            return Status::ended(End::NotStarted { reason }, clock::now().as_millis());
        }
        Ok(None) => return unknown("its record is gone".to_owned()),
        Err(error) => return unknown(format!("its record cannot be read: {error}")),
    };
    if status.state == State::Finished {
        return status;
    }
    let mut reason = if status.boot_id == procfs::boot_id() {
        end_leftovers(&status);
        "its supervisor was killed while it ran".to_owned()
    } else {
        "the host was restarted while it ran".to_owned()
    };
    if let Some(steps) = crate::perform::known(dir) {
        reason.push_str(&format!(" (as far as was noted: {steps})"));
    }
    status.state = State::Finished;
    status.finished_ms = Some(clock::now().as_millis());
    status.end = Some(End::Unknown { reason });
    // Recorded, so that the answer stays the same and nobody looks for the process again.
    let _ = status.write(dir);
    status
}

/// A shim that was killed leaves its process behind, which nobody would watch any more.
fn end_leftovers(status: &Status) {
    if let (Some(pid), Some(ticks)) = (status.pid, status.start_ticks)
        && procfs::is_alive(pid, ticks)
        && let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw)
    {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    if let Some(cgroup) = &status.cgroup {
        let _ = fs::remove_dir(cgroup);
    }
}

/// The part of the agent's environment that is passed on (see [`INHERITED`]), with `bin_dir` first in `PATH`.
pub fn inherited(bin_dir: Option<&Path>) -> std::collections::BTreeMap<String, String> {
    let mut env: std::collections::BTreeMap<String, String> =
        INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    let path = env
        .remove("PATH")
        .unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    let path = match bin_dir {
        Some(dir) => format!("{}:{path}", dir.display()),
        None => path,
    };
    env.insert("PATH".to_owned(), path);
    env
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::process::CommandExt;

    use tokio::task::JoinSet;

    use super::*;
    use crate::shim::spec::{Purpose, StopSignal, VERSION};

    fn prepared(dir: &Path) -> PathBuf {
        let spec = Spec {
            version: VERSION,
            purpose: Purpose::Command { output_bytes: 1000 },
            argv: vec!["/bin/true".to_owned()],
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            directory: PathBuf::from("/"),
            timeout_ms: None,
            memory_bytes: None,
            memory_by_polling: false,
            stop_signal: StopSignal::Term,
            stop_deadline_ms: 1000,
        };
        let entry = dir.join("c1");
        prepare(&entry, &spec, &[]).expect("prepared");
        entry
    }

    async fn soon<T>(what: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), what).await.expect("it is not waited for in vain")
    }

    fn reason(status: Status) -> String {
        match status.end {
            Some(End::NotStarted { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_shim_that_has_just_gone_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let entry = prepared(dir.path());
        Spec::take(&entry).expect("io").expect("ours");
        let end = Status::ended(End::Exited { code: 4 }, 7);
        end.write(&entry).expect("written");
        // Of what a shim holds, the lock is seen first, and `alive` is given back before it is opened here.
        let lock = Lock::try_take(&entry.join("lock")).expect("io").expect("free");
        let Found::Alive(mut shim) = soon(Shim::find(&entry)).await else { panic!("its lock is held") };
        drop(lock);
        assert_eq!(soon(shim.started()).await, end);
        assert_eq!(soon(shim.finished()).await, end);
    }

    #[tokio::test]
    async fn a_shim_that_ends_before_it_begins_has_an_end_and_nobody_begins_after_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let entry = prepared(dir.path());
        let mut shim = Shim::launch(Path::new("/bin/false"), &entry, &[]).expect("started");
        assert_eq!(
            reason(soon(shim.started()).await),
            "its supervisor ended before it began, and said nothing"
        );
        assert!(Spec::take(&entry).expect("io").is_none());
        soon(stop(&entry, "nothing to stop")).await;
        assert!(matches!(Shim::find(&entry).await, Found::Over(_)));

        let dir = tempfile::tempdir().expect("a directory");
        let entry = prepared(dir.path());
        let mut shim = Shim::launch(Path::new("/bin/cat"), &entry, &[]).expect("started");
        let said = reason(soon(shim.started()).await);
        assert!(said.starts_with("its supervisor ended before it began: ") && said.contains("cat"), "{said}");
        assert_eq!(reason(soon(shim.finished()).await), said, "and says so again");
    }

    #[tokio::test]
    async fn what_ran_when_its_shim_or_host_went_down_has_an_unknown_end_and_no_stranger_is_killed() {
        for (boot_id, expected, ends) in [
            ("of an earlier boot".to_owned(), "the host was restarted while it ran", false),
            (procfs::boot_id(), "its supervisor was killed while it ran", true),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let entry = prepared(dir.path());
            Spec::take(&entry).expect("io").expect("ours");
            let mut sleeper = Command::new("sleep")
                .arg("1000")
                .process_group(0)
                .stdin(Stdio::null())
                .spawn()
                .expect("started");
            let running = Status {
                state: State::Running,
                boot_id,
                pid: Some(sleeper.id()),
                start_ticks: procfs::stat(sleeper.id()).map(|stat| stat.start_ticks),
                ..Status::ended(End::NotStarted { reason: String::new() }, 7)
            };
            running.write(&entry).expect("written");
            let Found::Over(first) = Shim::find(&entry).await else { panic!("nobody holds its lock") };
            let Some(End::Unknown { reason }) = &first.end else { panic!("{:?}", first.end) };
            assert_eq!(reason, expected);
            if !ends {
                let stranger = Pid::from_child(&sleeper);
                rustix::process::kill_process(stranger, Signal::TERM).expect("it lives");
            }
            let signal = std::os::unix::process::ExitStatusExt::signal(&sleeper.wait().expect("waited for"));
            assert_eq!(signal, Some(if ends { 9 } else { 15 }));
            let Found::Over(again) = Shim::find(&entry).await else { panic!("it is over") };
            assert_eq!(again, first, "the answer stays the same");
        }
    }

    #[tokio::test]
    async fn who_waits_to_stop_a_shim_leaves_it_the_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let entry = prepared(dir.path());
        let mut stopping = JoinSet::new();
        stopping.spawn({
            let entry = entry.clone();
            async move { stop(&entry, "enough").await }
        });
        // As a shim does it, which gives up after a number of attempts.
        let mut lock = None;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            lock = Lock::try_take(&entry.join("lock")).expect("io");
            if lock.is_some() {
                break;
            }
        }
        assert!(lock.is_some(), "the lock is never free");
        Spec::take(&entry).expect("io").expect("ours");
        drop(lock);
        soon(stopping.join_next()).await.expect("it was started").expect("no panic");
    }
}
