//! Host side: supervises services, performs commands once, reports.
//!
//! | module | job |
//! |---|---|
//! | [`shim`] | the small process around each service and command, which outlives the agent |
//! | `handle` | the agent's side of a shim |
//! | `supervisor` | keeps services as they are desired: a pure core (`decide`) and a loop |
//! | `ledger` | commands, each at most once |
//! | [`perform`] | what a command does that is more than a script: documents, downloads, packages |
//! | `outbox` | events until the server has them |
//! | `connection` | the link to the server |
//! | `embed` | an agent inside another process, for commands only |
//! | [`control`] | the socket for people and scripts on the host |
//!
//! What the agent does not do: it decides nothing about workloads, keeps no history, and opens no network port.
//!
//! Services and commands start with an environment of their own: what is declared, what Mainstay says (`MAINSTAY_*`,
//! `OTEL_*`, `PORT`), and of the agent's environment only `HOME`, `USER`, `LOGNAME`, `SHELL`, `LANG`, `LC_ALL`, `TZ`,
//! `TMPDIR`, `SSL_CERT_FILE`, `SSL_CERT_DIR` and `PATH`.

mod clock;
mod connection;
pub mod control;
mod embed;
mod files;
mod handle;
mod launch;
mod ledger;
mod outbox;
pub mod perform;
mod procfs;
pub mod shim;
mod supervisor;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mainstay_api::link;
use mainstay_model::{HostId, Tags};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use connection::Within;
use connection::{Connection, Way};
pub use embed::{Embedded, embed};
use files::Lock;
use launch::Place;
use ledger::Ledger;
pub use ledger::describe as describe_end;
use outbox::Outbox;
use supervisor::{Input, Supervisor};

/// The longest path a Unix socket can have, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// How often the data directory's lock is tried, and the pause between. An agent that was killed while it started a
/// process can leave the lock to that process for the moment until it is another program.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How an agent is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Mainstay's data directory on this host; the agent keeps its own in `agent/` below.
    pub data: PathBuf,
    /// The host's id; its name where none is given.
    pub host: Option<HostId>,
    /// The host's tags.
    pub tags: Tags,
    /// Where the server listens: the path of a Unix socket, with or without `unix:`.
    pub server: String,
    /// Where services send telemetry over OTLP/HTTP (`http://127.0.0.1:4318`).
    pub otlp_endpoint: String,
    /// The `mainstay` binary, absolute. It is run as `BINARY shim DIR`, and its directory comes first in the `PATH` of
    /// services and commands.
    pub binary: PathBuf,
    /// Watch memory limits by polling even where a cgroup could hold them.
    pub memory_by_polling: bool,
}

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Agents over the network are not built yet.
    #[error(
        "`{0}` is a network address; agents over the network are not built yet: give the path of the server's socket (`<data>/agent.sock`)"
    )]
    NetworkServer(String),
    /// A file or directory of the agent's own.
    #[error("the agent cannot use `{}`", .path.display())]
    Data {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another agent has the data directory.
    #[error("another agent{} uses `{}`: stop it, or give this one another data directory", .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), .data.display())]
    Taken {
        /// The data directory.
        data: PathBuf,
        /// The other agent's process, if it said.
        pid: Option<String>,
    },
    /// A socket path is longer than the system allows.
    #[error("`{}` is too long for a socket ({} bytes, at most {MAX_SOCKET_PATH}): use a shorter data directory", .0.display(), .0.as_os_str().len())]
    SocketPath(PathBuf),
    /// The binary is not where it should be.
    #[error("`{}` is not an absolute path to the mainstay binary", .0.display())]
    Binary(PathBuf),
    /// Signals cannot be received.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// A part of the agent ended by a bug; services keep running and are taken up by the next agent.
    #[error("a part of the agent ended unexpectedly; services keep running")]
    Broken,
}

/// The host's name, made into an id: what an agent calls its host unless it is told otherwise.
pub fn host_name() -> HostId {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let safe: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .collect();
    let safe = safe.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    HostId::new(safe).or_else(|_| HostId::new("localhost")).expect("`localhost` is an id")
}

fn server_socket(server: &str) -> Result<PathBuf, AgentError> {
    if server.contains("://") && !server.starts_with("unix://") {
        return Err(AgentError::NetworkServer(server.to_owned()));
    }
    let path = server.strip_prefix("unix://").or_else(|| server.strip_prefix("unix:")).unwrap_or(server);
    short_enough(PathBuf::from(path))
}

fn short_enough(path: PathBuf) -> Result<PathBuf, AgentError> {
    if path.as_os_str().len() > MAX_SOCKET_PATH { Err(AgentError::SocketPath(path)) } else { Ok(path) }
}

/// The agent's id, made at its first start.
fn agent_id(path: &Path) -> std::io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => {
            let id = uuid::Uuid::now_v7().to_string();
            files::replace(path, id.as_bytes())?;
            Ok(id)
        }
    }
}

fn listen(path: &Path) -> std::io::Result<UnixListener> {
    // Ours to remove: the lock says that no other agent has this directory.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Makes the agent's own directory and takes its lock.
async fn take(data: &Path, dir: &Path) -> Result<Lock, AgentError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| AgentError::Data { path, source }
    };
    files::make_dir(dir).map_err(at(dir))?;
    let lock_path = dir.join("lock");
    for _ in 0..LOCK_ATTEMPTS {
        if let Some(mut lock) = Lock::try_take(&lock_path).map_err(at(&lock_path))? {
            lock.note(&std::process::id().to_string()).map_err(at(&lock_path))?;
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    let pid = std::fs::read_to_string(&lock_path).ok().filter(|pid| !pid.is_empty());
    Err(AgentError::Taken { data: data.to_owned(), pid })
}

/// Runs an agent until SIGTERM, which leaves services and commands running for the next agent to take up, or SIGINT,
/// which stops the services first, in reverse order of their dependencies, and then the commands. SIGTERM also ends one
/// that is stopping them.
pub async fn run(config: Config) -> Result<(), AgentError> {
    let socket = server_socket(&config.server)?;
    if !config.binary.is_absolute() || !config.binary.is_file() {
        return Err(AgentError::Binary(config.binary));
    }
    let made = files::make_dir(&config.data).and_then(|()| config.data.canonicalize());
    let data = made.map_err(|source| AgentError::Data { path: config.data.clone(), source })?;
    let dir = data.join("agent");
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| AgentError::Data { path, source }
    };
    let _lock = take(&data, &dir).await?;
    let place = Arc::new(Place {
        dir: dir.clone(),
        has_control: true,
        host: config.host.unwrap_or_else(host_name).into(),
        binary: config.binary,
        otlp_endpoint: config.otlp_endpoint,
        memory_by_polling: config.memory_by_polling,
    });
    let control = short_enough(place.control_socket())?;
    // Before anything is found, so that a signal from now on is not lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(AgentError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AgentError::Signals)?;

    let outbox = Arc::new(Outbox::open(&dir.join("outbox")).map_err(at(&dir.join("outbox")))?);
    let (inputs, received) = mpsc::channel(256);
    let (report_sender, report) = watch::channel(link::Report::default());
    let supervisor = Supervisor::open(Arc::clone(&place), Arc::clone(&outbox), inputs.clone(), report_sender);
    let supervisor = supervisor.await.map_err(at(&dir))?;
    let ledger = Ledger::open(Arc::clone(&place)).await.map_err(at(&dir.join("ledger")))?;
    let listener = listen(&control).map_err(at(&control))?;
    let hello = link::Hello {
        protocol: link::PROTOCOL,
        host: place.host.clone(),
        tags: config.tags.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: procfs::boot_id(),
        pid: std::process::id(),
        agent_id: agent_id(&dir.join("id")).map_err(at(&dir.join("id")))?,
        session: String::new(),
        kept_commands: Vec::new(),
    };
    let commands = ledger.clone();
    let connection =
        Connection { way: Way::Socket(socket), hello, inputs: inputs.clone(), report, ledger, outbox };

    let mut tasks = JoinSet::new();
    let supervising = tasks.spawn(supervisor.run(received)).id();
    tasks.spawn(control::serve(listener, inputs.clone()));
    tasks.spawn(connection.run());
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = terminate.recv() => {
                tracing::info!("the agent ends; services keep running");
                return Ok(());
            }
            _ = interrupt.recv(), if !stopping => {
                tracing::info!("the agent stops its services and ends");
                stopping = true;
                let _ = inputs.send(Input::Shutdown).await;
            }
            Some(ended) = tasks.join_next_with_id() => {
                return match ended {
                    Ok((id, ())) if id == supervising && stopping => {
                        tokio::select! {
                            () = commands.stop_all("the agent ends") => {}
                            _ = terminate.recv() => {
                                tracing::warn!("the agent ends before its commands have; the next agent takes them up");
                            }
                        }
                        Ok(())
                    }
                    _ => Err(AgentError::Broken),
                };
            }
        }
    }
}
