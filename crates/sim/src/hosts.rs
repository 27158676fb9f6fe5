//! Hosts that outlive the server: each runs a command id at most once, goes on while the server is dead, and keeps the
//! result until it is told to forget it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use mainstay_model::{CommandId, HostId, Tags, Timestamp};
use mainstay_runbook::{HostEnd, HostResult, Targets};
use mainstay_server::clock::Clock;
use mainstay_server::runs::{Order, Performer};

/// What a command comes to, and how long it takes.
#[derive(Clone, Debug)]
pub struct Work {
    /// How it ends.
    pub ended: HostEnd,
    /// What it writes.
    pub stdout: String,
    /// How long it takes.
    pub takes: Duration,
}

type Behaviour = dyn Fn(&Order) -> Work + Send + Sync;

struct Entry {
    done_at: Timestamp,
    result: HostResult,
}

/// The hosts. Shared by every server of a scenario, one after the other.
pub struct SimHosts {
    hosts: Vec<(HostId, Tags)>,
    clock: Arc<dyn Clock>,
    behaviour: Box<Behaviour>,
    ledger: Mutex<BTreeMap<CommandId, Entry>>,
    executed: Mutex<BTreeMap<String, u32>>,
}

impl SimHosts {
    /// Hosts with tags; the first is the control plane's own. `behaviour` says what a command comes to and is asked once
    /// for each execution.
    pub fn new(
        hosts: Vec<(HostId, Tags)>,
        clock: Arc<dyn Clock>,
        behaviour: impl Fn(&Order) -> Work + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            hosts,
            clock,
            behaviour: Box::new(behaviour),
            ledger: Mutex::new(BTreeMap::new()),
            executed: Mutex::new(BTreeMap::new()),
        })
    }

    /// How often each script was executed: the counter files of a real host.
    pub fn executed(&self) -> BTreeMap<String, u32> {
        self.executed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the command into the ledger, executing it if it is new. Answers when it is done.
    fn take(&self, order: &Order) -> Timestamp {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        ledger
            .entry(order.id.clone())
            .or_insert_with(|| {
                let script = order.script.lines().next().unwrap_or_default().to_owned();
                *self.executed.lock().unwrap_or_else(PoisonError::into_inner).entry(script).or_default() += 1;
                let work = (self.behaviour)(order);
                let result = HostResult {
                    host: order.host.clone(),
                    ended: work.ended,
                    stdout: work.stdout,
                    stderr: String::new(),
                };
                Entry { done_at: now.plus(work.takes), result }
            })
            .done_at
    }
}

impl Performer for SimHosts {
    fn choose(&self, targets: &Targets) -> Result<Vec<HostId>, String> {
        let chosen: Vec<HostId> = self
            .hosts
            .iter()
            .filter(|(host, tags)| targets.selects(host, tags))
            .map(|(host, _)| host.clone())
            .collect();
        if chosen.is_empty() { Err(format!("There are no {targets}")) } else { Ok(chosen) }
    }

    fn control_host(&self) -> BoxFuture<'_, HostId> {
        let host = self.hosts[0].0.clone();
        Box::pin(async move { host })
    }

    fn perform(&self, order: Order) -> BoxFuture<'_, HostResult> {
        Box::pin(async move {
            let done_at = self.take(&order);
            self.clock.until(done_at).await;
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            match ledger.get(&order.id) {
                Some(entry) => entry.result.clone(),
                None => HostResult {
                    host: order.host.clone(),
                    ended: HostEnd::Unknown("the host was told to forget it".to_owned()),
                    stdout: String::new(),
                    stderr: String::new(),
                },
            }
        })
    }

    fn stop(&self, host: &HostId, id: &CommandId) {
        let now = self.clock.now();
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let cancelled = || HostResult {
            host: host.clone(),
            ended: HostEnd::Cancelled,
            stdout: String::new(),
            stderr: String::new(),
        };
        let entry = ledger.entry(id.clone()).or_insert_with(|| Entry { done_at: now, result: cancelled() });
        if entry.done_at > now {
            *entry = Entry { done_at: now, result: cancelled() };
        }
    }

    fn forget(&self, _host: &HostId, id: &CommandId) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
