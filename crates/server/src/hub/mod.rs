//! The hub: the server's end of the links to the agents. It knows the hosts, tells them what services are desired, has
//! commands run there at most once, and puts what agents say happened into the journal.
//!
//! It holds nothing that must survive: hosts come back by themselves, events wait in the agents' outboxes, and a command
//! asked for again by its id is answered with what became of it the first time. It decides nothing.

mod events;
mod look;
#[cfg(test)]
pub(crate) mod played;
mod service;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainstay_api::link::{self, FromServer, LinkServer, from_server};
use mainstay_model::{CommandId, HostId, Tags, Timestamp};
use mainstay_store::Journal;
use tokio::io::DuplexStream;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{UnboundedReceiverStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use look::Hosts;
pub use look::{Glance, RANKS};

/// The largest message: a command's result, or a report of very many services.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// The first number of pings by which [`Hub::settled`] knows that what was said before them has arrived.
const SETTLE: u64 = 1 << 62;

/// What a link inside this process holds in each direction.
const DUPLEX_BYTES: usize = 64 * 1024;

/// The most lines of output that are kept of a running command, and their length in characters: what an agent may say.
const OUTPUT: (usize, usize) = (20, 400);

/// A host, as far as the hub knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Its tags, as its agent said them last.
    pub tags: Tags,
    /// Whether its agent is connected.
    pub connected: bool,
    /// When its agent was last heard of.
    pub last_seen: Timestamp,
    /// The version of its agent.
    pub version: String,
    /// The process of its agent.
    pub agent_pid: u32,
    /// Its services, as its agent reported them last.
    pub services: Vec<link::ServiceState>,
    /// The revision that its agent holds the services to.
    pub revision: String,
}

/// A command for one host.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandSpec {
    /// The idempotency key: the host runs an id at most once, ever.
    pub id: CommandId,
    /// Program and arguments; the path of the script is added.
    pub interpreter: Vec<String>,
    /// The script.
    pub script: Vec<u8>,
    /// Its standard input.
    pub stdin: Vec<u8>,
    /// Variables beside the host's minimal ones.
    pub env: BTreeMap<String, String>,
    /// Absolute; a directory of the command's own when absent.
    pub directory: Option<String>,
    /// How long it may run; an hour when absent.
    pub timeout: Option<Duration>,
    /// Bytes.
    pub memory_limit: Option<u64>,
    /// Bytes kept of stdout and of stderr each; the most when absent.
    pub output_limit: Option<u32>,
    /// When it has not arrived at the host by then, it never runs there and the end is [`CommandEnd::NotDelivered`].
    pub deliver_by: Option<Timestamp>,
    /// An earlier server may have sent it. Then only the host can say that it has not arrived, and as long as the host
    /// is away the answer waits, also beyond `deliver_by`.
    pub maybe_sent: bool,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// How it ended.
    pub end: CommandEnd,
    /// Beginning and end of its standard output.
    pub stdout: Vec<u8>,
    /// Beginning and end of its standard error.
    pub stderr: Vec<u8>,
    /// Bytes left out of stdout.
    pub stdout_truncated: u64,
    /// Bytes left out of stderr.
    pub stderr_truncated: u64,
    /// When it started, by the host's clock; when it was known to be over, for one that did not run.
    pub started: Timestamp,
    /// When it ended, by the host's clock.
    pub finished: Timestamp,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which Mainstay did not send.
    Signaled(i32),
    /// It ran longer than this and was ended.
    TimedOut(Duration),
    /// It took more memory than allowed and was ended.
    MemoryExceeded(String),
    /// It was cancelled, before it began or while it ran.
    Cancelled(String),
    /// It certainly did not run.
    NotStarted(String),
    /// It did not arrive in time and will not run.
    NotDelivered,
    /// Nobody can know.
    Unknown(String),
}

/// How far a command is.
#[derive(Clone, Debug, PartialEq)]
enum Progress {
    Waiting,
    Accepted,
    Running,
    Finished(CommandResult),
}

/// A command that somebody waits for.
struct Pending {
    command: link::Command,
    /// It may have reached the host.
    maybe_sent: bool,
    progress: watch::Sender<Progress>,
    /// The last lines it wrote, as far as its host said.
    lines: Vec<String>,
    waiters: usize,
}

/// A link that is up.
struct Session {
    id: String,
    sender: mpsc::UnboundedSender<Result<FromServer, tonic::Status>>,
    end: CancellationToken,
}

impl Session {
    fn send(&self, body: from_server::Body) {
        // A link that just went down is noticed by its own task.
        let _ = self.sender.send(Ok(FromServer { body: Some(body) }));
    }
}

/// What [`Known::trouble`] says of a host on which all is well.
const NO_TROUBLE: u8 = 2;

/// What is known of one host.
struct Known {
    tags: Arc<Tags>,
    last_seen: Timestamp,
    version: String,
    agent_pid: u32,
    agent_id: String,
    services: Vec<link::ServiceState>,
    revision: String,
    session: Option<Session>,
    desired: Option<link::Desired>,
    commands: BTreeMap<CommandId, Pending>,
    /// To be told to the agent until it answers.
    cancels: BTreeMap<CommandId, link::Cancel>,
    /// To be told to the agent when it is back.
    forgets: BTreeSet<CommandId>,
    kept: Vec<CommandId>,
    /// The number of the last ping that was answered.
    answered: u64,
    /// Where it stands in the order of changes; 0 if nothing that is shown of it ever changed.
    changed: u64,
}

impl Known {
    fn new(last_seen: Timestamp) -> Self {
        Self {
            tags: Arc::default(),
            last_seen,
            version: String::new(),
            agent_pid: 0,
            agent_id: String::new(),
            services: Vec::new(),
            revision: String::new(),
            session: None,
            desired: None,
            commands: BTreeMap::new(),
            cancels: BTreeMap::new(),
            forgets: BTreeSet::new(),
            kept: Vec::new(),
            answered: 0,
            changed: 0,
        }
    }

    /// What [`Hub::with`] must leave as it is.
    fn standing(&self) -> (bool, bool, u8) {
        (self.agent_id.is_empty(), self.session.is_some(), self.trouble())
    }

    /// How much it needs a look, 0 the most and [`NO_TROUBLE`] not at all: it is away, a service of it is not ready or not
    /// reported, or nothing of that.
    fn trouble(&self) -> u8 {
        let is_ready = |service: &link::ServiceState| service.phase() == link::Phase::Ready;
        let wanted = self.desired.as_ref().map_or(0, |desired| desired.services.len());
        match () {
            () if self.session.is_none() => 0,
            () if self.services.len() < wanted || !self.services.iter().all(is_ready) => 1,
            () => NO_TROUBLE,
        }
    }

    /// Puts a command on its way if the host is connected; one that is cancelled goes as its cancellation.
    fn send_command(&mut self, id: &CommandId) {
        let Some(session) = &self.session else { return };
        if let Some(cancel) = self.cancels.get(id) {
            session.send(from_server::Body::Cancel(cancel.clone()));
        } else if let Some(pending) = self.commands.get_mut(id) {
            pending.maybe_sent = true;
            session.send(from_server::Body::Command(pending.command.clone()));
        }
    }
}

struct Inner {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    version: String,
    hosts: Mutex<Hosts>,
    changes: watch::Sender<u64>,
    settling: AtomicU64,
    tasks: TaskTracker,
}

/// The hub. Clones are the same hub.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

impl Hub {
    /// A hub that knows no host yet. `version` is said to agents.
    pub fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, version: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            journal,
            clock,
            version: version.into(),
            hosts: Mutex::default(),
            changes: watch::channel(0).0,
            settling: AtomicU64::new(0),
            tasks: TaskTracker::new(),
        }))
    }

    fn hosts_locked(&self) -> MutexGuard<'_, Hosts> {
        // Each change is complete before anything can panic.
        self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.0.changes.send_modify(|version| *version += 1);
    }

    /// Works on what is known of a host, which begins to be known by it. What is shown of it in lists stays as it is: who
    /// keeps that up to date is not told. [`Hub::change`] is for the rest.
    fn with<T>(&self, host: &HostId, work: impl FnOnce(&mut Known) -> T) -> T {
        let now = self.0.clock.now();
        let mut hosts = self.hosts_locked();
        let known = hosts.known.entry(host.clone()).or_insert_with(|| Known::new(now));
        let before = cfg!(debug_assertions).then(|| known.standing());
        let done = work(known);
        debug_assert!(before.is_none_or(|before| before == known.standing()), "`change` is for this");
        done
    }

    /// Changes what is shown of a host in lists: that it is there, its tags, whether it is connected, its services, and what
    /// it should run.
    fn change<T>(&self, host: &HostId, work: impl FnOnce(&mut Known) -> T) -> T {
        let now = self.0.clock.now();
        self.hosts_locked().change(host, now, work)
    }

    /// All hosts, by id.
    pub fn hosts(&self) -> Vec<Host> {
        let hosts = self.hosts_locked();
        let known = hosts.known.iter().filter(|(_, known)| !known.agent_id.is_empty());
        known.map(|(id, known)| view(id, known)).collect()
    }

    /// The ids and tags of all hosts.
    pub fn tagged(&self) -> Vec<(HostId, Tags)> {
        let hosts = self.hosts_locked();
        let known = hosts.known.iter().filter(|(_, known)| !known.agent_id.is_empty());
        known.map(|(id, known)| (id.clone(), Tags::clone(&known.tags))).collect()
    }

    /// A page of the hosts that are wanted, by id or those with trouble first, and the key of its last one if there are
    /// more. Hosts are looked at where they are, from behind the key on and no further than the page goes: of fifty thousand
    /// only those of the page are copied.
    pub fn page(
        &self,
        wanted: impl Fn(&HostId, &Tags, bool, &[link::ServiceState]) -> bool,
        trouble_first: bool,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Host>, Option<String>) {
        let hosts = self.hosts_locked();
        let behind = |after: Option<&str>| {
            hosts.known.range::<str, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
        };
        let is_wanted = |(id, known): &(&HostId, &Known)| {
            !known.agent_id.is_empty() && wanted(id, &known.tags, known.session.is_some(), &known.services)
        };
        let mut page: Vec<(String, &HostId, &Known)> = Vec::new();
        if trouble_first {
            for rank in 0..=NO_TROUBLE {
                let rank_text = rank.to_string();
                let from = match after.filter(|after| *after >= rank_text.as_str()) {
                    None => None,
                    Some(after) => match after.strip_prefix(&rank_text) {
                        Some(id) => Some(id),
                        // What it names comes later than all of these.
                        None => continue,
                    },
                };
                let of_rank = behind(from).filter(|(_, known)| known.trouble() == rank).filter(is_wanted);
                let of_page = of_rank.take((limit + 1).saturating_sub(page.len()));
                page.extend(of_page.map(|(id, known)| (format!("{rank_text}{id}"), id, known)));
            }
        } else {
            let of_page = behind(after).filter(is_wanted).take(limit + 1);
            page.extend(of_page.map(|(id, known)| (id.to_string(), id, known)));
        }
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|(key, ..)| key.clone());
        (page.into_iter().map(|(_, id, known)| view(id, known)).collect(), next)
    }

    /// One host.
    pub fn host(&self, host: &HostId) -> Option<Host> {
        let hosts = self.hosts_locked();
        hosts.known.get(host).filter(|known| !known.agent_id.is_empty()).map(|known| view(host, known))
    }

    /// Changes whenever anything about any host does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Makes a host known that the journal remembers (`host.connected`), so that it counts as a host that is away and
    /// not as none. Changes nothing for a host that has connected.
    pub fn remember(&self, host: &HostId, tags: Tags, last_seen: Timestamp) {
        self.change(host, |known| {
            if known.agent_id.is_empty() {
                known.agent_id = "remembered".to_owned();
                known.tags = Arc::new(tags);
                known.last_seen = last_seen;
            }
        });
        self.changed();
    }

    /// Says what services a host should run, now and whenever it connects. A host of which nothing was said keeps what
    /// it runs.
    pub fn set_desired(&self, host: &HostId, desired: link::Desired) {
        self.change(host, |known| {
            if let Some(session) = &known.session
                && known.desired.as_ref() != Some(&desired)
            {
                session.send(from_server::Body::Desired(desired.clone()));
            }
            known.desired = Some(desired);
        });
    }

    /// Has a command run on a host and answers with what became of it. The same id never runs twice: asked for again, by
    /// this or a later server, it is answered with what became of it the first time. Waits while the host is away.
    /// Dropping the future changes nothing on the host.
    pub async fn run_command(&self, host: &HostId, spec: CommandSpec) -> CommandResult {
        let (id, deliver_by) = (spec.id.clone(), spec.deliver_by);
        let mut progress = self.with(host, |known| {
            let pending = known.commands.entry(id.clone()).or_insert_with(|| Pending {
                maybe_sent: spec.maybe_sent,
                command: to_wire(spec),
                progress: watch::channel(Progress::Waiting).0,
                lines: Vec::new(),
                waiters: 0,
            });
            pending.waiters += 1;
            let progress = pending.progress.subscribe();
            if pending.waiters == 1 {
                known.send_command(&id);
            }
            progress
        });
        let _guard = Waiting { hub: self, host, id: &id };
        if let Some(at) = deliver_by {
            let arrived = progress.wait_for(|progress| *progress != Progress::Waiting);
            let late = self.0.clock.until(at);
            let is_late = tokio::select! {
                biased;
                _ = arrived => false,
                () = late => true,
            };
            if is_late {
                self.too_late(host, &id);
            }
        }
        let finished = progress.wait_for(|progress| matches!(progress, Progress::Finished(_))).await;
        match finished.as_deref() {
            Ok(Progress::Finished(result)) => result.clone(),
            // The sender lives as long as this waiter is counted.
            _ => over(CommandEnd::Unknown("the server ended".to_owned()), self.0.clock.now()),
        }
    }

    fn too_late(&self, host: &HostId, id: &CommandId) {
        let now = self.0.clock.now();
        self.with(host, |known| {
            let Some(pending) = known.commands.get(id) else { return };
            if *pending.progress.borrow() != Progress::Waiting {
                return;
            }
            if !pending.maybe_sent {
                // Never sent, and from now on never will be.
                pending.progress.send_replace(Progress::Finished(over(CommandEnd::NotDelivered, now)));
                return;
            }
            let reason = "it did not arrive in time".to_owned();
            let cancel = link::Cancel { id: id.to_string(), reason, unless_arrived: true };
            known.cancels.entry(id.clone()).or_insert(cancel);
            known.send_command(id);
        });
    }

    /// Ends a command, or keeps it from ever beginning. What became of it is what [`Hub::run_command`] answers. Told to
    /// the host when it is back, if it is away.
    pub fn cancel(&self, host: &HostId, id: &CommandId, reason: &str) {
        let now = self.0.clock.now();
        self.with(host, |known| {
            if let Some(pending) = known.commands.get(id)
                && !pending.maybe_sent
            {
                let end = CommandEnd::Cancelled(format!("{reason}; it was never sent to the host"));
                pending.progress.send_replace(Progress::Finished(over(end, now)));
                return;
            }
            let cancel =
                link::Cancel { id: id.to_string(), reason: reason.to_owned(), unless_arrived: false };
            known.cancels.insert(id.clone(), cancel);
            known.send_command(id);
        });
    }

    /// The result is durable here: the host need not keep it. Told to the host when it is back, if it is away.
    pub fn forget(&self, host: &HostId, id: &CommandId) {
        self.with(host, |known| match &known.session {
            Some(session) => {
                session.send(from_server::Body::Forget(link::Forget { id: id.to_string() }));
                known.kept.retain(|kept| kept != id);
            }
            None => {
                known.forgets.insert(id.clone());
            }
        });
    }

    /// Resolves when a host has taken in all that it was told before, or is not connected.
    pub async fn settled(&self, host: &HostId) {
        // Beyond every number that a link's own pings reach.
        let nonce = SETTLE + self.0.settling.fetch_add(1, Ordering::Relaxed);
        let mut changes = self.changes();
        self.with(host, |known| {
            if let Some(session) = &known.session {
                session.send(from_server::Body::Ping(link::Ping { nonce }));
            }
        });
        loop {
            changes.borrow_and_update();
            if self.with(host, |known| known.session.is_none() || known.answered >= nonce)
                || changes.changed().await.is_err()
            {
                return;
            }
        }
    }

    /// Commands whose results a host said to keep when it connected, oldest first: those that nobody waits for and that
    /// are in the journal can be forgotten.
    pub fn kept(&self, host: &HostId) -> Vec<CommandId> {
        self.hosts_locked().known.get(host).map(|known| known.kept.clone()).unwrap_or_default()
    }

    /// Serves agents at a Unix socket, mode 0600, until `stop`. An error says what is wrong with the path; another
    /// server that listens there is one of kind `AddrInUse`.
    pub async fn serve(&self, path: &Path, stop: CancellationToken) -> io::Result<()> {
        if UnixStream::connect(path).await.is_ok() {
            let message = format!("another server listens at `{}`", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let link = LinkServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let served = tonic::transport::Server::builder()
            .add_service(link)
            .serve_with_incoming_shutdown(UnixListenerStream::new(listener), {
                let (hub, stop) = (self.clone(), stop.clone());
                async move {
                    stop.cancelled().await;
                    // Links never end by themselves, and the server waits for them.
                    hub.close();
                }
            })
            .await;
        self.close();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let _ = std::fs::remove_file(path);
        served.map_err(io::Error::other)
    }

    /// Serves agents that are in this process until `stop`: what makes a connection, and the work of serving it.
    pub fn within(
        &self,
        stop: CancellationToken,
    ) -> (impl Fn() -> DuplexStream + Send + Sync + use<>, impl Future<Output = ()> + use<>) {
        let (sender, streams) = mpsc::unbounded_channel();
        let dial = move || {
            let (ours, theirs) = tokio::io::duplex(DUPLEX_BYTES);
            // A server that has ended drops its end, which the other end sees.
            let _ = sender.send(Ok::<_, io::Error>(ours));
            theirs
        };
        let hub = self.clone();
        let serving = async move {
            let link = LinkServer::new(hub.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES);
            let closing = hub.clone();
            let served = tonic::transport::Server::builder()
                .add_service(link)
                .serve_with_incoming_shutdown(UnboundedReceiverStream::new(streams), async move {
                    stop.cancelled().await;
                    closing.close();
                })
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the link inside this process failed");
            }
            hub.0.tasks.close();
            hub.0.tasks.wait().await;
        };
        (dial, serving)
    }

    /// The last lines that a command wrote, oldest first; none of one that nobody waits for.
    pub fn lines(&self, host: &HostId, id: &CommandId) -> Vec<String> {
        let hosts = self.hosts_locked();
        let pending = hosts.known.get(host).and_then(|known| known.commands.get(id));
        pending.map(|pending| pending.lines.clone()).unwrap_or_default()
    }

    fn close(&self) {
        let now = self.0.clock.now();
        let mut hosts = self.hosts_locked();
        let connected = hosts.known.iter().filter(|(_, known)| known.session.is_some());
        for host in connected.map(|(host, _)| host.clone()).collect::<Vec<_>>() {
            if let Some(session) = hosts.change(&host, now, |known| known.session.take()) {
                session.end.cancel();
            }
        }
    }
}

/// Counts a waiter out, also one whose future is dropped.
struct Waiting<'a> {
    hub: &'a Hub,
    host: &'a HostId,
    id: &'a CommandId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.hub.with(self.host, |known| {
            if let Some(pending) = known.commands.get_mut(self.id) {
                pending.waiters -= 1;
                if pending.waiters == 0 {
                    known.commands.remove(self.id);
                }
            }
        });
    }
}

fn view(id: &HostId, known: &Known) -> Host {
    Host {
        id: id.clone(),
        tags: Tags::clone(&known.tags),
        connected: known.session.is_some(),
        last_seen: known.last_seen,
        version: known.version.clone(),
        agent_pid: known.agent_pid,
        services: known.services.clone(),
        revision: known.revision.clone(),
    }
}

fn to_wire(spec: CommandSpec) -> link::Command {
    link::Command {
        id: spec.id.into(),
        interpreter: spec.interpreter,
        script: spec.script,
        stdin: spec.stdin,
        env: spec.env,
        directory: spec.directory.unwrap_or_default(),
        timeout_ms: spec.timeout.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)),
        memory_limit: spec.memory_limit.unwrap_or(0),
        output_limit: spec.output_limit.unwrap_or(0),
    }
}

fn over(end: CommandEnd, at: Timestamp) -> CommandResult {
    CommandResult {
        end,
        stdout: Vec::new(),
        stderr: Vec::new(),
        stdout_truncated: 0,
        stderr_truncated: 0,
        started: at,
        finished: at,
    }
}
