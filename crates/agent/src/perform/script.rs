//! Scripts and programs that a document runs on this host: in this process's group, with its output, each for as long
//! as it may.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mainstay_runbook::{REBOOT, ShellEffect, StepStatus, reboot};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::Ended;
use crate::shim::spec::signal_name;
use crate::{clock, procfs};

/// How long what is told to end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the script of a step.
pub(super) fn run(shell: &ShellEffect) -> Ended {
    if let Some(directory) = &shell.working_directory
        && !Path::new(directory).is_dir()
    {
        return Ended::failed(format!("its working directory `{directory}` does not exist on this host"));
    }
    let text = shell.script();
    let file = match tempfile(&text) {
        Ok(file) => file,
        Err(error) => return Ended::failed(format!("its script cannot be written: {error}")),
    };
    let mut words = shell.shell.interpreter(&text);
    let program = words.remove(0);
    let mut command = Command::new(&program);
    command.args(words).arg(&file.0).envs(shell.shell.environment()).envs(&shell.environment);
    if let Some(directory) = &shell.working_directory {
        command.current_dir(directory);
    }
    let limit = Duration::from_secs(shell.execution_timeout_s);
    match within(command.stdin(Stdio::null()), limit) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ended::failed(format!("`{program}` is not installed on this host"))
        }
        Err(error) => Ended::failed(format!("`{program}` could not be started: {error}")),
        Ok(None) => Ended {
            status: StepStatus::TimedOut,
            code: None,
            message: Some(format!(
                "ran longer than {} and was ended",
                mainstay_model::format_duration(limit)
            )),
        },
        Ok(Some(status)) => of_status(status),
    }
}

fn of_status(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ended { status: StepStatus::Success, code: Some(0), message: None },
        (Some(REBOOT), _) => {
            Ended { status: StepStatus::Failed, code: Some(REBOOT), message: Some(reboot()) }
        }
        (Some(code), _) => Ended {
            status: StepStatus::Failed,
            code: Some(code),
            message: Some(format!("ended with code {code}")),
        },
        (None, signal) => Ended::failed(format!("was ended by {}", signal_name(signal.unwrap_or(0)))),
    }
}

/// A script in a file of this command's own directory, which is removed in the end.
struct Script(std::path::PathBuf);

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tempfile(text: &str) -> std::io::Result<Script> {
    let directory = std::env::current_dir()?;
    for number in 0..1000 {
        let path = directory.join(format!(".step-{}-{number}", std::process::id()));
        match crate::files::write_new(&path, text.as_bytes()) {
            Ok(()) => return Ok(Script(path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

/// Runs a program for at most so long; `None` if it had to be ended, with everything it started.
pub(super) fn within(command: &mut Command, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let until = clock::monotonic().checked_add(limit);
    let pid = Pid::from_child(&child);
    let watched = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    if wait(&watched, until) {
        return child.wait().map(Some);
    }
    end(&mut child, &watched)?;
    Ok(None)
}

/// Waits for the end of a process. Says whether it came in time.
fn wait(watched: &std::os::fd::OwnedFd, until: Option<Instant>) -> bool {
    loop {
        let left = until.map(|until| until.saturating_duration_since(clock::monotonic()));
        let time = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        match rustix::event::poll(&mut [PollFd::new(watched, PollFlags::IN)], time.as_ref()) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

/// Asks a process and everything below it to end, then kills what is left.
fn end(child: &mut Child, watched: &std::os::fd::OwnedFd) -> std::io::Result<()> {
    let signal = |which: Signal| {
        for pid in procfs::descendants(std::process::id()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, which);
            }
        }
    };
    signal(Signal::TERM);
    wait(watched, clock::monotonic().checked_add(PATIENCE));
    signal(Signal::KILL);
    child.wait().map(drop)
}
