//! The control socket: how people and scripts on the host speak to its agent. One JSON object per line each way; one
//! answer for each request.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_model::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::supervisor::Input;

/// The longest request line.
const MAX_REQUEST_BYTES: u64 = 64 * 1024;

/// The most lines of a log that are answered.
const MAX_LOG_LINES: usize = 10_000;

/// How much of a log is looked through for its last lines.
const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// What can be asked of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// All services of the host.
    Services,
    /// Stop a service, start it, answer when it is ready.
    Restart {
        /// `component`, or `workload.component`.
        name: String,
    },
    /// Stop a service until it is started by hand; answer when it has ended.
    Stop {
        /// `component`, or `workload.component`.
        name: String,
    },
    /// Start a service that was stopped by hand; answer when it is ready.
    Start {
        /// `component`, or `workload.component`.
        name: String,
    },
    /// The last lines a service wrote.
    Logs {
        /// `component`, or `workload.component`.
        name: String,
        /// How many.
        lines: usize,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Reply {
    /// All services.
    Services {
        /// By workload and component.
        services: Vec<ServiceLine>,
    },
    /// It is done.
    Done {
        /// The service, as `workload.component`.
        service: String,
        /// Its process, if it runs now.
        pid: Option<u32>,
    },
    /// Lines of a log, oldest first.
    Logs {
        /// Without line ends.
        lines: Vec<String>,
    },
    /// It could not be done.
    Failed {
        /// Why.
        error: String,
    },
}

/// One service, as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLine {
    /// The workload.
    pub workload: String,
    /// The component.
    pub component: String,
    /// `ready`, `starting`, `failed`, ...
    pub phase: String,
    /// Since when.
    pub since: Timestamp,
    /// Its process.
    pub pid: Option<u32>,
    /// What is wrong; empty when nothing is.
    pub reason: String,
    /// Starts again since the agent began.
    pub restarts: u32,
    /// What enforces its memory limit; empty without one.
    pub memory_limit_by: String,
    /// Its log file.
    pub log: String,
}

/// Why an agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no agent at the socket.
    #[error("no agent answers at `{}`: is it running, and is this its data directory?", .socket.display())]
    NoAgent {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the agent at `{}` ended before it answered; what was asked for may still be done", .socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("the agent at `{}` did not answer within {} s; what was asked for may still be done", .socket.display(), .waited.as_secs())]
    Late {
        /// The socket.
        socket: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The answer makes no sense.
    #[error("the agent at `{}` gave an answer that this version does not understand", .socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What was wrong with it.
        source: serde_json::Error,
    },
    /// The agent said no.
    #[error("{0}")]
    Failed(String),
}

/// Asks the agent at `socket` and waits for its answer, at most for `timeout`. [`Reply::Failed`] comes as an error.
pub fn call(socket: &Path, request: &Request, timeout: Duration) -> Result<Reply, ControlError> {
    let owned = || socket.to_owned();
    let mut stream =
        UnixStream::connect(socket).map_err(|source| ControlError::NoAgent { socket: owned(), source })?;
    let broken = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            ControlError::Late { socket: owned(), waited: timeout }
        }
        _ => ControlError::Broken { socket: owned(), source },
    };
    stream.set_read_timeout(Some(timeout.max(Duration::from_millis(1)))).map_err(broken)?;
    let mut line =
        serde_json::to_vec(request).map_err(|source| ControlError::Answer { socket: owned(), source })?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let mut answer = String::new();
    let length = BufReader::new(stream).read_line(&mut answer).map_err(broken)?;
    if length == 0 {
        return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
    }
    match serde_json::from_str(&answer).map_err(|source| ControlError::Answer { socket: owned(), source })? {
        Reply::Failed { error } => Err(ControlError::Failed(error)),
        reply => Ok(reply),
    }
}

/// Answers at the socket for ever.
pub async fn serve(listener: UnixListener, inputs: mpsc::Sender<Input>) {
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    callers.spawn(answer(stream, inputs.clone()));
                }
                Err(error) => {
                    // Out of descriptors, most likely; some are free again soon.
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = callers.join_next() => {}
        }
    }
}

async fn answer(stream: tokio::net::UnixStream, inputs: mpsc::Sender<Input>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(MAX_REQUEST_BYTES).read_until(b'\n', &mut line).await {
            Ok(length) if length > 0 => {}
            _ => return,
        }
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => {
                let (sender, receiver) = oneshot::channel();
                if inputs.send(Input::Asked(request, sender)).await.is_err() {
                    return;
                }
                match receiver.await {
                    Ok(reply) => reply,
                    Err(_) => Reply::Failed { error: "the agent is ending".to_owned() },
                }
            }
            Err(error) => Reply::Failed { error: format!("this request is not understood: {error}") },
        };
        let Ok(mut bytes) = serde_json::to_vec(&reply) else { return };
        bytes.push(b'\n');
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// The last lines of a log, from its rotated predecessor too where that is needed.
pub fn log_tail(path: &Path, lines: usize) -> Reply {
    let lines = lines.min(MAX_LOG_LINES);
    let mut older = path.as_os_str().to_owned();
    older.push(".1");
    let mut found: VecDeque<String> = VecDeque::new();
    for path in [path, Path::new(&older)] {
        let Ok(mut file) = File::open(path) else { continue };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let skipped = length.saturating_sub(MAX_LOG_BYTES);
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(skipped))
            .and_then(|_| file.take(MAX_LOG_BYTES).read_to_end(&mut bytes));
        if let Err(error) = read {
            return Reply::Failed { error: format!("`{}` cannot be read: {error}", path.display()) };
        }
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines().skip(usize::from(skipped > 0)).collect::<Vec<_>>().into_iter().rev() {
            if found.len() == lines {
                return Reply::Logs { lines: found.into() };
            }
            found.push_front(line.to_owned());
        }
    }
    Reply::Logs { lines: found.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_come_from_both_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("s.log");
        std::fs::write(dir.path().join("s.log.1"), "a\nb\n").expect("written");
        std::fs::write(&log, "c\nd\n").expect("written");
        let lines = |count| match log_tail(&log, count) {
            Reply::Logs { lines } => lines.join(""),
            other => format!("{other:?}"),
        };
        assert_eq!(
            (lines(0), lines(1), lines(3), lines(9)),
            ("".into(), "d".into(), "bcd".into(), "abcd".into())
        );
    }

    #[test]
    fn requests_are_read_strictly() {
        let read = |text: &str| serde_json::from_str::<Request>(text);
        assert_eq!(
            read(r#"{"do":"restart","name":"x"}"#).expect("good"),
            Request::Restart { name: "x".to_owned() }
        );
        assert!(read(r#"{"do":"explode"}"#).is_err());
        assert!(read(r#"{"do":"stop"}"#).is_err());
    }
}
