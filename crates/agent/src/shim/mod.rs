//! The shim: a small process between the agent and each service or command.
//!
//! It outlives the agent and the server, so a service keeps running while either is replaced, and how it ended is on
//! disk for whoever asks later. It captures output, enforces the time-out and the memory limit, asks the process to end
//! and kills its whole tree when it does not. It decides nothing else and talks to nobody: an agent writes to its FIFO
//! and reads its files (see [`spec`]).
//!
//! It is synchronous and has one thread, because there may be one of it for each service of a host.

pub mod limit;
pub mod output;
pub mod spec;

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use crate::clock;
use crate::files::Lock;
use crate::procfs;
use limit::Limiter;
use mainstay_api::secrets;
use output::{Output, Stream};
use spec::{End, Purpose, Spec, State, Status, VERSION};

/// The exit code of a shim that found its specification taken: another one runs it or ran it.
const EXIT_TAKEN: u8 = 3;

/// How long a command's output is still waited for after its main process ended: what it started in the background may
/// be about to write the last of it.
const LINGER: Duration = Duration::from_millis(500);

/// How often the last lines of a command are shown while it writes.
const PUBLISH: Duration = Duration::from_millis(200);

/// How often ended orphans are collected.
const TICK: Duration = Duration::from_secs(5);

/// How long killed processes are waited for. Longer only for those that hang in the kernel.
const DYING: Duration = Duration::from_secs(5);

/// How often a result that the disk does not take is written again, and how many times.
const RETRY: (Duration, u32) = (Duration::from_secs(1), 600);

/// Runs what `<dir>/spec.json` says and records how it ended. The entry of the hidden `mainstay shim <dir>`.
pub fn main(dir: &Path) -> ExitCode {
    match run(dir) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_TAKEN),
        Err(error) => {
            let _ = writeln!(io::stderr(), "mainstay shim: {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}

/// Whether it was this shim's to run.
fn run(dir: &Path) -> io::Result<bool> {
    // A session of its own: signals of a terminal and the end of the agent's session do not reach it. Fails only for
    // a process group leader, which a spawned process is not.
    let _ = rustix::process::setsid();
    // Orphans below become its children, so that they can be found and killed wherever they hide.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let Some(lock) = lock(dir)? else { return Ok(false) };
    // Held open until this process ends, which is how an agent sees that it has. Never read or written. Neither is
    // given back by this program: an agent that did not start the shim itself knows nothing else to wait for, and
    // would be told of the end before it has come.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let writer = rustix::fs::open(dir.join("alive"), flags, Mode::empty())?;
    let _until_the_end = (ManuallyDrop::new(lock), ManuallyDrop::new(writer));
    let Some(spec) = Spec::take(dir)? else { return Ok(false) };
    let mut status = Status {
        version: VERSION,
        state: State::Starting,
        boot_id: procfs::boot_id(),
        shim_pid: std::process::id(),
        started_ms: clock::now().as_millis(),
        finished_ms: None,
        end: None,
        ..Status::ended(End::NotStarted { reason: String::new() }, 0)
    };
    // From here on a crash means that nobody knows; before it, that nothing ran.
    status.write(dir)?;
    match Shim::start(dir, spec, status.clone()) {
        Ok(mut shim) => {
            let running = shim.status.write(dir);
            announce();
            if let Err(error) = running {
                shim.ask(Asked::Stop(format!("its start could not be recorded: {error}")));
            }
            shim.watch();
            shim.finish();
        }
        Err(reason) => {
            status.state = State::Finished;
            status.finished_ms = Some(clock::now().as_millis());
            status.end = Some(End::NotStarted { reason });
            persist(&status, dir);
            announce();
        }
    }
    Ok(true)
}

/// Takes the directory's lock; `None` when another shim has it. An agent that looks whether a shim lives holds it for a
/// moment, and a process it starts in that moment holds it until it is another program; those are waited for.
fn lock(dir: &Path) -> io::Result<Option<Lock>> {
    for _ in 0..100 {
        if let Some(lock) = Lock::try_take(&dir.join("lock"))? {
            return Ok(Some(lock));
        }
        if !dir.join("spec.json").exists() {
            break;
        }
        pause(Duration::from_millis(20));
    }
    Ok(None)
}

/// Tells the agent, if it still listens, that `status.json` says how the start went.
fn announce() {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(b"started\n");
    let _ = stdout.flush();
}

fn pause(duration: Duration) {
    let _ = rustix::event::poll(&mut [], Some(&timespec(duration)));
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// Writes a final status however long the disk refuses it: a result is all that is left of a command.
fn persist(status: &Status, dir: &Path) {
    for _ in 0..RETRY.1 {
        if status.write(dir).is_ok() {
            return;
        }
        pause(RETRY.0);
    }
}

/// Why the process was asked to end.
#[derive(Debug)]
enum Asked {
    Stop(String),
    TimedOut,
    Memory,
}

struct Shim {
    dir: PathBuf,
    spec: Spec,
    status: Status,
    output: Output,
    limiter: Limiter,
    main: Pid,
    main_fd: OwnedFd,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    control: File,
    asked: Option<Asked>,
    timeout_at: Option<Instant>,
    kill_at: Option<Instant>,
    killed: bool,
}

fn spawn_failure(spec: &Spec, error: &io::Error) -> String {
    let program = spec.argv.first().map_or("", String::as_str);
    if error.kind() == io::ErrorKind::NotFound && Path::new(program).exists() {
        return format!("`{program}` exists but the interpreter its first line names does not");
    }
    format!("`{program}` could not be started in `{}`: {error}", spec.directory.display())
}

impl Shim {
    fn start(dir: &Path, spec: Spec, mut status: Status) -> Result<Self, String> {
        let said = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("{what}: {error}")
        };
        if spec.version != VERSION {
            return Err(format!("its specification has version {}, this shim reads {VERSION}", spec.version));
        }
        let control = rustix::fs::open(
            dir.join("control"),
            OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| format!("its control pipe cannot be opened: {error}"))?;
        let [program, arguments @ ..] = &spec.argv[..] else {
            return Err("there is no program to run".to_owned());
        };
        let output = match &spec.purpose {
            Purpose::Service { log, rotate_bytes, rotate_keep } => {
                Output::service(log.clone(), *rotate_bytes, *rotate_keep)
            }
            Purpose::Command { output_bytes } => Output::command(dir, *output_bytes),
        };
        let (stdout, child_stdout) = io::pipe().map_err(said("no pipe for its output"))?;
        let (stderr, child_stderr) = match &spec.purpose {
            // One pipe for both keeps the order of what is written to them.
            Purpose::Service { .. } => {
                (None, child_stdout.try_clone().map_err(said("no pipe for its output"))?)
            }
            Purpose::Command { .. } => {
                let (stderr, child_stderr) = io::pipe().map_err(said("no pipe for its output"))?;
                (Some(stderr), child_stderr)
            }
        };
        let stdin = File::open(dir.join("stdin")).map_or_else(|_| Stdio::null(), Stdio::from);
        let mut limiter = Limiter::set_up(spec.memory_bytes, spec.memory_by_polling);
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&spec.env).current_dir(&spec.directory).process_group(0);
        for (name, reference) in &spec.secrets {
            let value = secrets::read(reference)
                .map_err(|reason| format!("its secret {name} cannot be had: {reason}"))?;
            command.env(name, value);
        }
        command.stdin(stdin).stdout(child_stdout).stderr(child_stderr);
        let spawned = limiter.around(spec.memory_bytes, || command.spawn());
        // Its copies of the write ends would keep the pipes from ever ending.
        drop(command);
        let child = spawned.map_err(|error| {
            limiter.tear_down();
            spawn_failure(&spec, &error)
        })?;
        let main = Pid::from_child(&child);
        // It cannot have been waited for by anyone yet, so the id is still its own.
        let main_fd = rustix::process::pidfd_open(main, PidfdFlags::empty()).map_err(|error| {
            let _ = rustix::process::kill_process_group(main, Signal::KILL);
            format!("it cannot be watched: {error}")
        })?;
        for pipe in [Some(&stdout), stderr.as_ref()].into_iter().flatten() {
            rustix::fs::fcntl_setfl(pipe, OFlags::NONBLOCK)
                .map_err(io::Error::from)
                .map_err(said("its output"))?;
        }
        status.state = State::Running;
        status.pid = Some(child.id());
        status.start_ticks = procfs::stat(child.id()).map(|stat| stat.start_ticks);
        status.memory_limit_by = limiter.label().map(str::to_owned);
        status.cgroup = limiter.cgroup().map(Path::to_owned);
        let timeout_at =
            spec.timeout_ms.and_then(|ms| clock::monotonic().checked_add(Duration::from_millis(ms)));
        Ok(Self {
            dir: dir.to_owned(),
            spec,
            status,
            output,
            limiter,
            main,
            main_fd,
            stdout: Some(stdout),
            stderr,
            control: File::from(control),
            asked: None,
            timeout_at,
            kill_at: None,
            killed: false,
        })
    }

    /// Takes what there is to read, at most 1 MiB of each stream.
    fn read_output(&mut self) {
        let mut buffer = [0; 16 * 1024];
        for (pipe, stream) in [(&mut self.stdout, Stream::Stdout), (&mut self.stderr, Stream::Stderr)] {
            for _ in 0..64 {
                let Some(reader) = pipe else { break };
                match reader.read(&mut buffer) {
                    Ok(0) => *pipe = None,
                    Ok(length) => self.output.write(stream, &buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => *pipe = None,
                }
            }
        }
    }

    /// Waits for output, an order or the end of the main process. Says whether the main process has ended.
    fn wait(&mut self, at_most: Duration, orders: bool) -> bool {
        let mut fds = vec![PollFd::new(&self.main_fd, PollFlags::IN)];
        if orders {
            fds.push(PollFd::new(&self.control, PollFlags::IN));
        }
        for pipe in [&self.stdout, &self.stderr].into_iter().flatten() {
            fds.push(PollFd::new(pipe, PollFlags::IN));
        }
        let polled = rustix::event::poll(&mut fds, Some(&timespec(at_most)));
        let ended = polled.is_ok() && !fds[0].revents().is_empty();
        let ordered = orders && polled.is_ok() && !fds[1].revents().is_empty();
        drop(fds);
        self.read_output();
        if ordered {
            let mut text = [0; 4096];
            let length = self.control.read(&mut text).unwrap_or(0);
            let text = String::from_utf8_lossy(&text[..length]).into_owned();
            // `stop <reason>`; anything else is not ours.
            if let Some(reason) = text.lines().find_map(|line| line.strip_prefix("stop ")) {
                self.ask(Asked::Stop(reason.to_owned()));
            }
        }
        ended
    }

    /// Begins to end the process. The first reason stays the reason.
    fn ask(&mut self, asked: Asked) {
        if self.asked.is_some() {
            return;
        }
        if matches!(asked, Asked::Memory) {
            self.kill_at = Some(clock::monotonic());
        } else {
            let _ = rustix::process::kill_process_group(self.main, self.spec.stop_signal.signal());
            self.kill_at = clock::monotonic().checked_add(Duration::from_millis(self.spec.stop_deadline_ms));
        }
        self.asked = Some(asked);
    }

    /// Stays until the main process has ended.
    fn watch(&mut self) {
        let mut tick_at = clock::monotonic() + TICK;
        // The first lines come a little later too: a command that ends at once shows nothing.
        let mut publish_at = clock::monotonic() + PUBLISH;
        loop {
            let now = clock::monotonic();
            let publish = self.output.has_news().then_some(publish_at);
            let polls = matches!(self.limiter, Limiter::Polling { .. }).then(|| now + limit::POLL_EVERY);
            let timeout_at = self.timeout_at.filter(|_| self.asked.is_none());
            let next = [Some(tick_at), timeout_at, self.kill_at, polls, publish]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(tick_at);
            // A millisecond more, so that it does not wake just before the time.
            if self.wait(next.saturating_duration_since(now) + Duration::from_millis(1), true) {
                return;
            }
            let now = clock::monotonic();
            if timeout_at.is_some_and(|at| at <= now) {
                self.ask(Asked::TimedOut);
            }
            if polls.is_some() && self.asked.is_none() && self.limiter.exceeded() {
                self.ask(Asked::Memory);
            }
            if self.kill_at.is_some_and(|at| at <= now) {
                self.killed = true;
                self.kill_group();
                kill_descendants(None);
                // Once more after a while: a process may have forked meanwhile.
                self.kill_at = Some(now + Duration::from_millis(100));
            }
            if self.output.has_news() && publish_at <= now {
                self.output.publish();
                publish_at = now + PUBLISH;
            }
            if tick_at <= now {
                tick_at = now + TICK;
                reap_orphans(self.main);
            }
        }
    }

    fn kill_group(&self) {
        let _ = rustix::process::kill_process_group(self.main, Signal::KILL);
    }

    /// After the main process: its output, what it left behind, its result.
    fn finish(&mut self) {
        let service = matches!(self.spec.purpose, Purpose::Service { .. });
        if !service && self.asked.is_none() {
            let until = clock::monotonic() + LINGER;
            while (self.stdout.is_some() || self.stderr.is_some()) && clock::monotonic() < until {
                let fds = [&self.stdout, &self.stderr];
                let mut fds: Vec<PollFd<'_>> =
                    fds.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
                let left = until.saturating_duration_since(clock::monotonic());
                let _ = rustix::event::poll(&mut fds, Some(&timespec(left)));
                drop(fds);
                self.read_output();
            }
        }
        // Before the main process is waited for: until then nobody else can get its id as a group id. What a command
        // leaves in its own group ends with it; a daemon that made a session of its own stays, as it would after a
        // shell. A service and whatever was told to end leave nothing.
        self.kill_group();
        let status = loop {
            match rustix::process::waitpid(Some(self.main), WaitOptions::empty()) {
                Ok(Some((_, status))) => break Some(status),
                Err(rustix::io::Errno::INTR) | Ok(None) => {}
                Err(_) => break None,
            }
        };
        if service || self.asked.is_some() {
            kill_descendants(Some(DYING));
        }
        self.read_output();
        self.status.end = Some(self.end(status));
        self.limiter.tear_down();
        self.status.state = State::Finished;
        self.status.finished_ms = Some(clock::now().as_millis());
        self.status.tail = self.output.tail();
        for _ in 0..RETRY.1 {
            if let Ok((stdout, stderr)) = self.output.finish() {
                (self.status.stdout, self.status.stderr) = (stdout, stderr);
                break;
            }
            pause(RETRY.0);
        }
        persist(&self.status, &self.dir);
    }

    fn end(&self, status: Option<WaitStatus>) -> End {
        let code = status.and_then(WaitStatus::exit_status);
        let signal = status.and_then(WaitStatus::terminating_signal);
        let memory = || End::MemoryExceeded { limit_bytes: self.spec.memory_bytes.unwrap_or(0) };
        match &self.asked {
            Some(Asked::Stop(reason)) => End::Stopped { killed: self.killed, code, reason: reason.clone() },
            Some(Asked::TimedOut) => End::TimedOut { after_ms: self.spec.timeout_ms.unwrap_or(0) },
            Some(Asked::Memory) => memory(),
            None => {
                let by_kernel = matches!(self.limiter, Limiter::Cgroup { .. }) && self.limiter.exceeded();
                match (code, signal) {
                    (Some(0), _) => End::Exited { code: 0 },
                    // A kill inside the limit's cgroup, of the main process or of one it could not do without.
                    _ if by_kernel => memory(),
                    (Some(code), _) => End::Exited { code },
                    (None, Some(signal)) => End::Signaled { signal },
                    (None, None) => End::Unknown { reason: "the system did not say how it ended".to_owned() },
                }
            }
        }
    }
}

/// Collects orphans that have ended, so that they do not stay as zombies. The main process is not theirs to collect.
fn reap_orphans(main: Pid) {
    for pid in procfs::ended_children(std::process::id()) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
            && pid != main
        {
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Kills everything below this process, also what made a session of its own; with a time, again and again until there is
/// nothing left or the time is over. Children must then not include one whose exit is still of interest.
fn kill_descendants(until_gone: Option<Duration>) {
    let until = until_gone.map(|time| clock::monotonic() + time);
    loop {
        let below = procfs::descendants(std::process::id());
        for pid in &below {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        let Some(until) = until else { return };
        while let Ok(Some(_)) = rustix::process::waitpid(None, WaitOptions::NOHANG) {}
        if below.is_empty() || clock::monotonic() >= until {
            return;
        }
        pause(Duration::from_millis(5));
    }
}
