//! What the run engine needs of the world: hosts, and commands that run there at most once.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use mainstay_model::{CommandId, HostId, Timestamp};
use mainstay_runbook::{HostResult, Targets};

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
    /// How much of each output stream is kept, in bytes.
    pub output_limit: u64,
    /// Whether an earlier server may have sent it: then only the host knows whether it arrived.
    pub maybe_sent: bool,
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

    /// Asks for the command to be stopped, or never to begin. What became of it is still what [`Performer::perform`]
    /// answers.
    fn stop(&self, host: &HostId, id: &CommandId);

    /// The result is in the journal: the host may forget it.
    fn forget(&self, host: &HostId, id: &CommandId);
}
