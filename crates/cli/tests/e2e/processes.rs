//! Processes of a test: started, listened to, signalled by id, waited for with a deadline, and never left behind.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// Nothing here takes nearly so long, also on a busy machine; it only keeps a broken test from waiting for ever.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Now, for deadlines and for what is measured.
#[expect(
    clippy::disallowed_methods,
    reason = "deadlines and measurements of real processes are in real time"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    // It may have ended meanwhile, which is what most signals are for.
    let _ = rustix::process::kill_process(pid, signal);
}

/// Whether a process exists and is not merely waiting to be noticed as ended.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Every process that has to do with a directory: by its arguments, its environment or where it works.
pub fn processes_of(dir: &Path) -> Vec<(u32, String)> {
    let wanted = dir.to_str().expect("the directory's path is text").as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let arguments = read("cmdline");
        let works_there = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
        if pid != std::process::id()
            && alive(pid)
            && (holds(&arguments) || holds(&read("environ")) || works_there)
        {
            found.push((pid, String::from_utf8_lossy(&arguments).replace('\0', " ")));
        }
    }
    found
}

/// Ends everything that has to do with a directory.
pub fn end_all_of(dir: &Path) {
    // A few rounds, because what is about to be ended may start something else meanwhile.
    for _ in 0..5000 {
        let left = processes_of(dir);
        if left.is_empty() {
            return;
        }
        for (pid, _) in left {
            signal(pid, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// What a process that has ended said.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// The JSON on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// Holds it to an exit code and to parts of what it says.
    #[track_caller]
    pub fn is(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        for part in parts {
            assert!(
                self.stdout.contains(part) || self.stderr.contains(part),
                "`{part}` is missing in: {self}"
            );
        }
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\nstdout: {}\nstderr: {}", self.code, self.stdout, self.stderr)
    }
}

fn gather(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut from = from;
        let _ = from.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: Command) -> Said {
    run_with(command, "")
}

/// The same, which reads this on standard input.
#[track_caller]
pub fn run_with(mut command: Command, input: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // Whoever reads nothing ends the pipe.
    std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    let stdout = gather(child.stdout.take().expect("piped"));
    let stderr = gather(child.stderr.take().expect("piped"));
    let pid = child.id();
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(child.wait()));
    let Ok(status) = ended.recv_timeout(PATIENCE) else {
        signal(pid, Signal::KILL);
        panic!("{command:?} did not end; stderr: {}", stderr.recv_timeout(PATIENCE).unwrap_or_default());
    };
    let code = status.expect("it can be waited for").code();
    let text = |receiver: Receiver<String>| receiver.recv_timeout(PATIENCE).unwrap_or_default();
    Said { code, stdout: text(stdout), stderr: text(stderr) }
}

/// A long-running process whose output is read line by line.
pub struct Process {
    pub name: &'static str,
    pub pid: u32,
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
    lines: Receiver<String>,
    log: Arc<Mutex<Vec<String>>>,
}

fn pour(
    from: impl Read + Send + 'static,
    log: Arc<Mutex<Vec<String>>>,
    lines: std::sync::mpsc::Sender<String>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            log.lock().expect("sound").push(line.clone());
            let _ = lines.send(line);
        }
    });
}

impl Process {
    /// Starts it.
    pub fn start(name: &'static str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (sender, lines) = channel();
        pour(child.stdout.take().expect("piped"), log.clone(), sender.clone());
        pour(child.stderr.take().expect("piped"), log.clone(), sender);
        let pid = child.id();
        let (sender, ended) = channel();
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                let _ = sender.send(status);
            }
        });
        Self { name, pid, ended, status: None, lines, log }
    }

    /// All it has said so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("sound").join("\n")
    }

    /// Waits for a line.
    #[track_caller]
    pub fn line(&mut self, wanted: &str) -> String {
        let deadline = now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{} never said `{wanted}`", self.name),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.ended.recv_timeout(PATIENCE);
                    panic!("{} ended ({status:?}) and never said `{wanted}`:\n{}", self.name, self.log());
                }
            }
        }
    }

    /// The next line within this time, whatever it is.
    pub fn next_line(&mut self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok()
    }

    fn has_ended(&mut self) -> bool {
        self.status = self.status.or_else(|| self.ended.try_recv().ok());
        self.status.is_some()
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, which: Signal) {
        if !self.has_ended() {
            signal(self.pid, which);
        }
    }

    /// Waits for its end: the exit code, or the signal as a negative number.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        if !self.has_ended() {
            self.status = self.ended.recv_timeout(PATIENCE).ok();
        }
        let status = self.status.unwrap_or_else(|| panic!("{} does not end", self.name));
        status.code().unwrap_or_else(|| -status.signal().unwrap_or_default())
    }

    /// Signals it and waits for its end.
    #[track_caller]
    pub fn end(&mut self, which: Signal) -> i32 {
        self.signal(which);
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.ended.recv_timeout(PATIENCE);
        if std::thread::panicking() {
            eprintln!("--- {} (process {})\n{}", self.name, self.pid, self.log());
        }
    }
}
