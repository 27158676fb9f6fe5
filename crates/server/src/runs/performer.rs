//! What the run engine needs of the world: hosts, and commands that run there at most once.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use mainstay_model::{CommandId, EventId, HostId, RunId, Timestamp};
use mainstay_runbook::{AttemptId, EffectKind, HostResult, Outcome, Targets};
use tokio_util::sync::CancellationToken;

/// A command for one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Where.
    pub host: HostId,
    /// The idempotency key: the host runs an id at most once, ever.
    pub id: CommandId,
    /// The program that reads the script's file, with its arguments (`["/bin/sh"]`).
    pub interpreter: Vec<String>,
    /// The script.
    pub script: String,
    /// What the script can read on standard input.
    pub stdin: String,
    /// Environment beside the host's minimal one.
    pub environment: BTreeMap<String, String>,
    /// Where to run it; the agent's choice when absent.
    pub working_directory: Option<String>,
    /// How long it may run, in seconds.
    pub timeout_s: u64,
    /// Give up and answer [`mainstay_runbook::HostEnd::NotDelivered`] if the host has not taken it by then.
    pub deliver_by: Option<Timestamp>,
    /// How much memory it and all it starts may have together, in bytes; no limit where none is said.
    pub memory_limit: Option<u64>,
    /// How much of each output stream is kept, in bytes.
    pub output_limit: u64,
    /// Whether an earlier server may have sent it: then only the host knows whether it arrived.
    pub maybe_sent: bool,
}

/// What the control plane is to do itself.
#[derive(Clone, Debug)]
pub struct Act {
    /// The attempt: the idempotency key.
    pub attempt: AttemptId,
    /// The run.
    pub run: RunId,
    /// The run's procedure.
    pub procedure: String,
    /// The run's workload.
    pub workload: Option<String>,
    /// The event by which the run began: the cause of what follows.
    pub cause: EventId,
    /// What to do.
    pub kind: EffectKind,
    /// When it has to be over.
    pub deadline: Option<Timestamp>,
    /// Whether an earlier server may have begun it.
    pub maybe_begun: bool,
    /// When this is cancelled, it should stop and say what it came to.
    pub stop: CancellationToken,
}

/// The hosts, as the engine sees them. The server's hub is one, the simulator's another.
pub trait Performer: Send + Sync + 'static {
    /// The hosts that are meant, connected or not; or why there is none.
    fn choose(&self, targets: &Targets) -> Result<Vec<HostId>, String>;

    /// The host on which `aws:executeScript` runs: the control plane's own. Waits until its agent is known.
    fn control_host(&self) -> BoxFuture<'_, HostId>;

    /// Has the command performed and answers with what became of it. Ordering the same id again never runs it again:
    /// the answer is what became of it the first time. Waits as long as it takes; dropping the future changes nothing.
    fn perform(&self, order: Order) -> BoxFuture<'_, HostResult>;

    /// Performs what no host does (see [`EffectKind::is_of_control_plane`]) and answers with what it came to. Asked
    /// again for the same attempt, it does not do it again where that would matter; what it cannot know is unknown.
    fn act(&self, act: Act) -> BoxFuture<'_, Outcome> {
        let what = act.kind.action();
        Box::pin(async move { Outcome::failed(format!("{what} needs a server, and this run has none")) })
    }

    /// Asks for the command to be stopped, or never to begin. What became of it is still what [`Performer::perform`]
    /// answers.
    fn stop(&self, host: &HostId, id: &CommandId);

    /// The result is in the journal: the host may forget it.
    fn forget(&self, host: &HostId, id: &CommandId);
}
