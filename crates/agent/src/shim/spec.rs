//! What an agent hands to a shim and what a shim leaves behind: the files of one directory.
//!
//! | file | written by | meaning |
//! |---|---|---|
//! | `spec.json` | agent | what to run; there until a shim begins |
//! | `begun.json` | shim | the same file, renamed: from here on it is never begun again |
//! | `lock` | shim | held (flock) as long as the shim lives |
//! | `control` | agent | a FIFO for orders: a line `stop <reason>` |
//! | `alive` | agent | a FIFO that the shim holds open as long as it lives |
//! | `status.json` | shim | [`Status`], replaced whole at each change |
//! | `script`, `stdin` | agent | input of a command |
//! | `stdout`, `stderr` | shim | output of a command |

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::files;

/// The version of [`Spec`] and [`Status`] on disk.
pub const VERSION: u32 = 1;

/// The largest specification or status that is read back.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// [`VERSION`].
    pub version: u32,
    /// A service or a command.
    pub purpose: Purpose,
    /// The program, resolved to a path, and its arguments.
    pub argv: Vec<String>,
    /// The whole environment: nothing else is inherited.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are read when it starts and are nowhere else (see [`crate::secrets`]).
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The directory it runs in.
    pub directory: PathBuf,
    /// It is ended after this time.
    pub timeout_ms: Option<u64>,
    /// It and all it starts may have this much memory together.
    pub memory_bytes: Option<u64>,
    /// Do not use a cgroup even where one could be.
    #[serde(default)]
    pub memory_by_polling: bool,
    /// How it is asked to end (`TERM`).
    pub stop_signal: StopSignal,
    /// How long it may take to end before its whole group is killed.
    pub stop_deadline_ms: u64,
}

/// What is run, and so where its output goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Purpose {
    /// Standard output and error go to one log file that is rotated by size.
    Service {
        /// The log file; older ones are `<log>.1`, `<log>.2`, ...
        log: PathBuf,
        /// The size at which it is rotated.
        rotate_bytes: u64,
        /// How many older files are kept.
        rotate_keep: u32,
    },
    /// Standard output and error go to files of their own, of which the beginning and the end are kept.
    Command {
        /// Bytes kept of each.
        output_bytes: u64,
    },
}

/// The signals by which something may be asked to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// SIGTERM.
    #[default]
    Term,
    /// SIGINT.
    Int,
    /// SIGHUP.
    Hup,
    /// SIGQUIT.
    Quit,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGKILL: no chance to end by itself.
    Kill,
}

impl StopSignal {
    /// Reads `TERM` or `SIGTERM`; empty is TERM.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("SIG").unwrap_or(text) {
            "" | "TERM" => Ok(Self::Term),
            "INT" => Ok(Self::Int),
            "HUP" => Ok(Self::Hup),
            "QUIT" => Ok(Self::Quit),
            "USR1" => Ok(Self::Usr1),
            "USR2" => Ok(Self::Usr2),
            "KILL" => Ok(Self::Kill),
            _ => Err(format!(
                "`{text}` is not a signal to stop with: expected TERM, INT, HUP, QUIT, USR1, USR2 or KILL"
            )),
        }
    }

    /// The signal itself.
    pub fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Int => Signal::INT,
            Self::Hup => Signal::HUP,
            Self::Quit => Signal::QUIT,
            Self::Usr1 => Signal::USR1,
            Self::Usr2 => Signal::USR2,
            Self::Kill => Signal::KILL,
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The shim has begun; there is no process yet.
    Starting,
    /// The process runs.
    Running,
    /// It has ended; `end` says how.
    Finished,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum End {
    /// By itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// By a signal that Mainstay did not send.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// It ran longer than allowed.
    TimedOut {
        /// What was allowed.
        after_ms: u64,
    },
    /// It was asked to end.
    Stopped {
        /// Whether it did not end in time and was killed.
        killed: bool,
        /// Its exit code, if it ended by itself.
        code: Option<i32>,
        /// Why, as whoever asked said it.
        reason: String,
    },
    /// It took more memory than allowed.
    MemoryExceeded {
        /// What was allowed.
        limit_bytes: u64,
    },
    /// It certainly did not run.
    NotStarted {
        /// Why.
        reason: String,
    },
    /// Nobody can know how it ended, or whether it ran.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// The name of a signal (`SIGKILL`), or its number.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited with code {code}"),
            Self::Signaled { signal } => write!(f, "ended by {}", signal_name(*signal)),
            Self::TimedOut { after_ms } => {
                let limit = mainstay_model::format_duration(std::time::Duration::from_millis(*after_ms));
                write!(f, "ran longer than {limit} and was ended")
            }
            Self::Stopped { killed: true, reason, .. } => write!(f, "killed: {reason}"),
            Self::Stopped { reason, .. } => write!(f, "stopped: {reason}"),
            Self::MemoryExceeded { limit_bytes } => {
                write!(f, "took more memory than its limit of {limit_bytes} bytes and was ended")
            }
            Self::NotStarted { reason } => write!(f, "not started: {reason}"),
            Self::Unknown { reason } => write!(f, "end unknown: {reason}"),
        }
    }
}

/// What was kept of one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Bytes in the file that are its beginning; what follows is its end.
    pub head_bytes: u64,
    /// Bytes left out between the two.
    pub left_out_bytes: u64,
}

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// How far it is.
    pub state: State,
    /// The boot of the host that the process ids belong to.
    pub boot_id: String,
    /// The shim.
    pub shim_pid: u32,
    /// The main process; it leads its process group.
    pub pid: Option<u32>,
    /// When the main process started; see [`crate::procfs::Stat::start_ticks`].
    pub start_ticks: Option<u64>,
    /// When the shim began: milliseconds since the epoch.
    pub started_ms: i64,
    /// When it had ended.
    pub finished_ms: Option<i64>,
    /// How it ended.
    pub end: Option<End>,
    /// What enforces the memory limit, if there is one.
    pub memory_limit_by: Option<String>,
    /// The cgroup that was made for it.
    pub cgroup: Option<PathBuf>,
    /// The last lines of its output.
    #[serde(default)]
    pub tail: Vec<String>,
    /// What was kept of a command's standard output.
    #[serde(default)]
    pub stdout: Kept,
    /// What was kept of a command's standard error.
    #[serde(default)]
    pub stderr: Kept,
}

impl Status {
    /// A status for something of which only the end is known.
    pub fn ended(end: End, at_ms: i64) -> Self {
        Self {
            version: VERSION,
            state: State::Finished,
            boot_id: String::new(),
            shim_pid: 0,
            pid: None,
            start_ticks: None,
            started_ms: at_ms,
            finished_ms: Some(at_ms),
            end: Some(end),
            memory_limit_by: None,
            cgroup: None,
            tail: Vec::new(),
            stdout: Kept::default(),
            stderr: Kept::default(),
        }
    }

    /// Reads `status.json`; `None` when there is none yet.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        match files::read_limited(&dir.join("status.json"), MAX_FILE_BYTES) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces `status.json`, durably.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        files::replace(&dir.join("status.json"), &serde_json::to_vec(self)?)
    }
}

impl Spec {
    /// Takes the specification for this process: of all that try, one gets it. `None` when it was taken before.
    pub fn take(dir: &Path) -> io::Result<Option<Self>> {
        match fs::rename(dir.join("spec.json"), dir.join("begun.json")) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        files::sync_dir(dir)?;
        let bytes = files::read_limited(&dir.join("begun.json"), MAX_FILE_BYTES)?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }
}
