//! The ledger of commands: each id runs at most once on this host, whatever crashes, and its result is kept until the
//! server has journalled it.
//!
//! An entry is a shim's directory `<ledger>/<id>`, written whole before anything is started: that is the intent. Of all
//! shims ever started on it one runs it (see [`crate::shim::spec::Spec::take`]), so an agent that finds an intent that
//! nobody has begun may safely start a shim again, and one that finds a begun entry never does.
//!
//! A forgotten command leaves a tombstone, so that a late duplicate does not run either. Tombstones go after
//! [`TOMBSTONES`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainstay_api::link::{self, CommandState, command_state, finished, from_agent};
use mainstay_model::{CommandId, Timestamp, format_duration};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock;
use crate::files;
use crate::handle::{self, Found, Shim};
use crate::launch::{Place, resolve};
use crate::shim::output;
use crate::shim::spec::{End, Purpose, Spec, State, Status, StopSignal, VERSION, signal_name};

/// How long a tombstone is kept at least as far as the number allows, and how many are kept at most.
const TOMBSTONES: (Duration, usize) = (Duration::from_secs(7 * 24 * 3600), 10_000);

/// Room for the line that says how much of an output is left out.
const NOTE_BYTES: u32 = 64;

/// How long a command that is told to end may take before its group is killed.
const STOP_DEADLINE_MS: u64 = 2000;

/// The time-out of a command that names none.
const DEFAULT_TIMEOUT_MS: u64 = 3_600_000;

/// Where the states of commands, and the last lines they write, go while a server is connected.
pub type Updates = mpsc::UnboundedSender<from_agent::Body>;

/// With less room on its disk the ledger cannot write down how a command ended.
const ROOM_BYTES: u64 = 64 * 1024;

/// How often the last lines of a running command are looked at, and of how many commands at a time.
const TAILS: (Duration, usize) = (Duration::from_millis(250), 32);

#[derive(Default)]
struct Inner {
    /// Commands that are not over, and what is known of them.
    live: BTreeMap<CommandId, command_state::State>,
    updates: Option<Updates>,
    tasks: JoinSet<()>,
    /// How many commands' output is being followed.
    followed: usize,
    forgotten: usize,
    /// It was said that the disk is full.
    is_full: bool,
}

/// The commands of this host.
#[derive(Clone)]
pub struct Ledger {
    place: Arc<Place>,
    dir: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

impl Ledger {
    /// Opens the ledger and takes up what an earlier agent left: waits for what runs, starts what was intended and not
    /// begun. Must be called inside a tokio runtime.
    pub async fn open(place: Arc<Place>) -> io::Result<Self> {
        let dir = place.dir.join("ledger");
        files::make_dir(&dir)?;
        files::make_dir(&dir.join("forgotten"))?;
        let ledger = Self { place, dir, inner: Arc::default() };
        ledger.prune()?;
        for id in ledger.ids()? {
            if ledger.tombstone(&id).exists() {
                let _ = fs::remove_dir_all(ledger.entry(&id));
                continue;
            }
            match Shim::find(&ledger.entry(&id)).await {
                Found::NotBegun => {
                    tracing::info!(command = %id, "a command that was intended and not begun is started");
                    ledger.start(&mut ledger.inner(), id, None);
                }
                Found::Alive(shim) => {
                    tracing::info!(command = %id, "a running command is taken up");
                    ledger.start(&mut ledger.inner(), id, Some(shim));
                }
                Found::Over(_) => {}
            }
        }
        Ok(ledger)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is complete before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &CommandId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    fn tombstone(&self, id: &CommandId) -> PathBuf {
        self.dir.join("forgotten").join(id.as_str())
    }

    fn ids(&self) -> io::Result<Vec<CommandId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // `.x.new` is an intent that was never completed, and `forgotten` is not an entry.
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                let _ = fs::remove_dir_all(entry.path());
            } else if name != "forgotten"
                && let Ok(id) = CommandId::new(name)
            {
                ids.push(id);
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Commands whose results are kept, at most 1,000.
    pub fn kept(&self) -> Vec<String> {
        self.ids().unwrap_or_default().into_iter().take(1000).map(String::from).collect()
    }

    /// Sends what happens to commands there from now on.
    pub fn connected(&self, updates: Updates) {
        self.inner().updates = Some(updates);
    }

    /// Takes a command: runs it if its id was never seen, and says what is known of it in any case.
    pub fn receive(&self, command: link::Command) -> CommandState {
        let id = match command_id(&command.id) {
            Ok(id) => id,
            Err(reason) => return not_started(command.id, reason),
        };
        let mut inner = self.inner();
        if let Some(known) = self.known(&inner, &id) {
            return known;
        }
        let (spec, script, stdin) = match self.spec(&id, command) {
            Ok(spec) => spec,
            Err(reason) => return not_started(id.into(), reason),
        };
        let mut extra: Vec<(&str, &[u8])> = vec![("script", &script)];
        if !stdin.is_empty() {
            extra.push(("stdin", &stdin));
        }
        if let Err(error) = handle::prepare(&self.entry(&id), &spec, &extra) {
            let reason = format!(
                "it cannot be recorded in `{}`, and what is not recorded is not run: {error}",
                self.dir.display()
            );
            return not_started(id.into(), reason);
        }
        self.start(&mut inner, id.clone(), None);
        CommandState { id: id.into(), state: Some(accepted()) }
    }

    fn known(&self, inner: &Inner, id: &CommandId) -> Option<CommandState> {
        if let Some(state) = inner.live.get(id) {
            return Some(CommandState { id: id.to_string(), state: Some(state.clone()) });
        }
        if let Ok(words) = fs::read_to_string(self.tombstone(id)) {
            return Some(buried(id, &words));
        }
        let entry = self.entry(id);
        entry.exists().then(|| finished(id, &entry, &self.over(&entry)))
    }

    /// The result in an entry that is not live. One without a readable result is never run again.
    fn over(&self, entry: &Path) -> Status {
        match Status::read(entry) {
            Ok(Some(status)) if status.state == State::Finished => status,
            Ok(Some(_)) => ended(End::Unknown {
                reason: "its record says neither that it ended nor who runs it".to_owned(),
            }),
            Ok(None) if entry.join("begun.json").exists() => {
                let reason = "its supervisor ended before it could record the start".to_owned();
                ended(End::NotStarted { reason })
            }
            Ok(None) => ended(End::Unknown { reason: "its record is gone".to_owned() }),
            Err(error) => ended(End::Unknown { reason: format!("its record cannot be read: {error}") }),
        }
    }

    fn spec(&self, id: &CommandId, command: link::Command) -> Result<(Spec, Vec<u8>, Vec<u8>), String> {
        for (what, bytes) in [("script", &command.script), ("standard input", &command.stdin)] {
            if bytes.len() > link::MAX_SCRIPT_BYTES {
                return Err(format!(
                    "its {what} has {} bytes; at most {} are taken",
                    bytes.len(),
                    link::MAX_SCRIPT_BYTES
                ));
            }
        }
        let entry = self.entry(id);
        let directory = match command.directory.as_str() {
            "" => entry.join("work"),
            text if Path::new(text).is_absolute() => PathBuf::from(text),
            text => return Err(format!("its directory `{text}` is not an absolute path")),
        };
        let mut env = self.place.base_env();
        env.insert("MAINSTAY_COMMAND".to_owned(), id.to_string());
        env.extend(command.env);
        let Some(interpreter) = command.interpreter.first() else {
            return Err("it names no interpreter for its script".to_owned());
        };
        // The command's own directory is made together with its entry, and an interpreter is not looked for in it.
        let looked_from = if command.directory.is_empty() { Path::new("/") } else { &directory };
        let program = resolve(interpreter, looked_from, env.get("PATH").map_or("", String::as_str))?;
        let mut argv = vec![program.display().to_string()];
        argv.extend(command.interpreter.into_iter().skip(1));
        argv.push(entry.join("script").display().to_string());
        let limit = match command.output_limit {
            0 => link::DEFAULT_OUTPUT_BYTES,
            limit => limit.min(link::MAX_OUTPUT_BYTES),
        };
        let spec = Spec {
            version: VERSION,
            purpose: Purpose::Command { output_bytes: u64::from(limit.saturating_sub(NOTE_BYTES)) },
            argv,
            env,
            secrets: BTreeMap::new(),
            directory,
            timeout_ms: Some(if command.timeout_ms == 0 { DEFAULT_TIMEOUT_MS } else { command.timeout_ms }),
            memory_bytes: (command.memory_limit > 0).then_some(command.memory_limit),
            memory_by_polling: self.place.memory_by_polling,
            stop_signal: StopSignal::Term,
            stop_deadline_ms: STOP_DEADLINE_MS,
        };
        Ok((spec, command.script, command.stdin))
    }

    /// Starts a shim on an entry, or takes up one that lives, and follows it to its end.
    fn start(&self, inner: &mut Inner, id: CommandId, shim: Option<Shim>) {
        inner.live.insert(id.clone(), accepted());
        let ledger = self.clone();
        // Tasks that are over go here; those that are not end with the agent and leave their shims alone.
        while inner.tasks.try_join_next().is_some() {}
        inner.tasks.spawn(async move {
            let entry = ledger.entry(&id);
            let status = match shim.map_or_else(|| Shim::launch(&ledger.place.binary, &entry, &[]), Ok) {
                Ok(mut shim) => {
                    let status = shim.started().await;
                    if let (State::Running, Some(pid)) = (status.state, status.pid) {
                        let running = link::Running { started_ms: status.started_ms, pid };
                        ledger.update(&id, command_state::State::Running(running));
                    }
                    let _following = ledger.follow(&id, &entry);
                    shim.finished().await
                }
                Err(error) => ledger.cannot_launch(&entry, &error),
            };
            // Not live before the entry says how it ended, so that nobody ever finds it neither live nor over.
            let state = finished(&id, &entry, &status);
            let mut inner = ledger.inner();
            inner.live.remove(&id);
            if let Some(updates) = &inner.updates {
                // Not received is fine: the server asks again when it is back.
                let _ = updates.send(from_agent::Body::Command(state));
            }
        });
    }

    /// Says what a command writes while it runs, until the value is dropped. Nothing when many are followed already.
    fn follow(&self, id: &CommandId, entry: &Path) -> Option<Following> {
        let mut inner = self.inner();
        if inner.followed >= TAILS.1 {
            return None;
        }
        inner.followed += 1;
        drop(inner);
        let (ledger, id, path) = (self.clone(), id.clone(), entry.join(output::LIVE));
        let mut seen = None;
        let task = async move {
            loop {
                tokio::time::sleep(TAILS.0).await;
                ledger.look_for_room();
                let changed = fs::metadata(&path).and_then(|file| Ok((file.modified()?, file.len()))).ok();
                if changed.is_none() || changed == seen {
                    continue;
                }
                seen = changed;
                let Ok(text) = files::read_limited(&path, output::MAX_LIVE_BYTES) else { continue };
                let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
                if let Some(updates) = &ledger.inner().updates {
                    let output = link::Output { id: id.to_string(), lines };
                    let _ = updates.send(from_agent::Body::Output(output));
                }
            }
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        Some(Following { ledger: self.clone(), _tasks: tasks })
    }

    /// Says so once where the disk has no room for how commands end: until it has, they seem to go on.
    fn look_for_room(&self) {
        let Ok(disk) = rustix::fs::statvfs(&self.dir) else { return };
        let is_full = disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_BYTES;
        if std::mem::replace(&mut self.inner().is_full, is_full) || !is_full {
            return;
        }
        tracing::warn!(
            "the disk is full that holds {}: how a command ends cannot be written down there, and is told when there is room again",
            self.dir.display()
        );
    }

    fn cannot_launch(&self, entry: &Path, error: &io::Error) -> Status {
        let binary = self.place.binary.display();
        let reason = format!("its supervisor `{binary}` cannot be started: {error}");
        handle::not_begun(entry, || reason.clone()).unwrap_or_else(|| ended(End::NotStarted { reason }))
    }

    fn update(&self, id: &CommandId, state: command_state::State) {
        let mut inner = self.inner();
        inner.live.insert(id.clone(), state.clone());
        if let Some(updates) = &inner.updates {
            let state = CommandState { id: id.to_string(), state: Some(state) };
            let _ = updates.send(from_agent::Body::Command(state));
        }
    }

    /// Ends a command. One that never arrived will not run when it does. The answer is what is known now; the end comes
    /// as an update.
    pub fn cancel(&self, cancel: &link::Cancel) -> CommandState {
        let id = match command_id(&cancel.id) {
            Ok(id) => id,
            Err(reason) => return not_started(cancel.id.clone(), reason),
        };
        let mut inner = self.inner();
        let reason = if cancel.reason.is_empty() { "cancelled".to_owned() } else { cancel.reason.clone() };
        if inner.live.contains_key(&id) && !cancel.unless_arrived {
            let entry = self.entry(&id);
            let reason = reason.clone();
            inner.tasks.spawn(async move { handle::stop(&entry, &reason).await });
        }
        if let Some(known) = self.known(&inner, &id) {
            return known;
        }
        let words = format!("{} {reason}", if cancel.unless_arrived { "not-delivered" } else { "cancelled" });
        match self.bury(&id, &words) {
            Ok(()) => buried(&id, &words),
            Err(error) => {
                // Not promised: without the tombstone it would run if it still arrived.
                tracing::error!(command = %id, %error, "a command that was cancelled before it arrived cannot be recorded");
                let reason =
                    format!("it had not arrived, and that it must not run could not be recorded: {error}");
                finished(&id, Path::new(""), &ended(End::Unknown { reason }))
            }
        }
    }

    /// Ends all commands and waits until they are over, so that nothing is left running.
    pub async fn stop_all(&self, reason: &str) {
        let mut tasks = {
            let mut inner = self.inner();
            let live: Vec<CommandId> = inner.live.keys().cloned().collect();
            for id in live {
                let (entry, reason) = (self.entry(&id), reason.to_owned());
                inner.tasks.spawn(async move { handle::stop(&entry, &reason).await });
            }
            std::mem::take(&mut inner.tasks)
        };
        while tasks.join_next().await.is_some() {}
    }

    /// Leaves a tombstone. Its words are empty for a command that ran.
    fn bury(&self, id: &CommandId, words: &str) -> io::Result<()> {
        files::write_new(&self.tombstone(id), words.as_bytes())?;
        files::sync_dir(&self.dir.join("forgotten"))
    }

    /// Drops a result. Does nothing to a command that still runs.
    pub fn forget(&self, id: &str) -> io::Result<()> {
        let Ok(id) = CommandId::new(id) else { return Ok(()) };
        let mut inner = self.inner();
        if inner.live.contains_key(&id) || !self.entry(&id).exists() {
            return Ok(());
        }
        self.bury(&id, "")?;
        fs::remove_dir_all(self.entry(&id))?;
        inner.forgotten += 1;
        if inner.forgotten.is_multiple_of(256) {
            self.prune()?;
        }
        Ok(())
    }

    /// Removes tombstones that are old, or too many.
    fn prune(&self) -> io::Result<()> {
        let mut tombstones = Vec::new();
        for entry in fs::read_dir(self.dir.join("forgotten"))? {
            let entry = entry?;
            tombstones.push((entry.metadata()?.modified()?, entry.path()));
        }
        tombstones.sort();
        let surplus = tombstones.len().saturating_sub(TOMBSTONES.1);
        let oldest = clock::now().minus(TOMBSTONES.0);
        for (index, (modified, path)) in tombstones.iter().enumerate() {
            let since_epoch = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let at = Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
            if index < surplus || at < oldest {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// A command's output is being followed.
struct Following {
    ledger: Ledger,
    /// Ends with the value.
    _tasks: JoinSet<()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.ledger.inner().followed -= 1;
    }
}

/// `forgotten` is the ledger's own directory; no command may have that name.
fn command_id(text: &str) -> Result<CommandId, String> {
    match CommandId::new(text) {
        Ok(id) if id.as_str() != "forgotten" => Ok(id),
        Ok(_) => Err("`forgotten` cannot be a command id".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn accepted() -> command_state::State {
    command_state::State::Accepted(link::Accepted {})
}

fn ended(end: End) -> Status {
    Status::ended(end, clock::now().as_millis())
}

fn not_started(id: String, reason: String) -> CommandState {
    without_output(id, finished::End::NotStarted(reason))
}

/// What a tombstone says.
fn buried(id: &CommandId, words: &str) -> CommandState {
    let end = match words.split_once(' ') {
        Some(("cancelled", reason)) => finished::End::Cancelled(format!("{reason}; it had not begun")),
        Some(("not-delivered", reason)) => finished::End::NotDelivered(reason.to_owned()),
        _ => finished::End::Unknown(
            "it was here before; its result was handed over and is no longer kept".to_owned(),
        ),
    };
    without_output(id.to_string(), end)
}

fn without_output(id: String, end: finished::End) -> CommandState {
    let at = clock::now().as_millis();
    let end = Some(end);
    let finished = link::Finished { end, started_ms: at, finished_ms: at, ..link::Finished::default() };
    CommandState { id, state: Some(command_state::State::Finished(finished)) }
}

/// A result as it goes over the link.
fn finished(id: &CommandId, entry: &Path, status: &Status) -> CommandState {
    let limit = u64::from(link::MAX_OUTPUT_BYTES);
    let end = match status.end.clone() {
        Some(End::Exited { code }) => finished::End::ExitCode(code),
        Some(End::Signaled { signal }) => finished::End::Signal(signal),
        Some(End::TimedOut { after_ms }) => finished::End::TimedOutMs(after_ms),
        Some(End::Stopped { reason, .. }) => finished::End::Cancelled(reason),
        Some(End::MemoryExceeded { limit_bytes }) => finished::End::MemoryExceeded(format!(
            "it took more memory than its limit of {limit_bytes} bytes (held by {})",
            status.memory_limit_by.as_deref().unwrap_or("nothing")
        )),
        Some(End::NotStarted { reason }) => finished::End::NotStarted(reason),
        Some(End::Unknown { reason }) => finished::End::Unknown(reason),
        None => finished::End::Unknown("its record has no end".to_owned()),
    };
    let finished = link::Finished {
        end: Some(end),
        stdout: output::read_back(&entry.join("stdout"), status.stdout, limit),
        stderr: output::read_back(&entry.join("stderr"), status.stderr, limit),
        stdout_truncated: status.stdout.left_out_bytes,
        stderr_truncated: status.stderr.left_out_bytes,
        started_ms: status.started_ms,
        finished_ms: status.finished_ms.unwrap_or(status.started_ms),
    };
    CommandState { id: id.to_string(), state: Some(command_state::State::Finished(finished)) }
}

/// How a command ended, as people read it.
pub fn describe(end: &finished::End) -> String {
    match end {
        finished::End::ExitCode(code) => format!("exited with code {code}"),
        finished::End::Signal(signal) => format!("ended by {}", signal_name(*signal)),
        finished::End::TimedOutMs(ms) => {
            format!("timed out after {}", format_duration(Duration::from_millis(*ms)))
        }
        finished::End::Cancelled(reason) => format!("cancelled: {reason}"),
        finished::End::MemoryExceeded(reason) => format!("ended: {reason}"),
        finished::End::NotDelivered(reason) => format!("not delivered: {reason}"),
        finished::End::NotStarted(reason) => format!("not started: {reason}"),
        finished::End::Unknown(reason) => format!("outcome unknown: {reason}"),
    }
}
