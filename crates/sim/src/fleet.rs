//! Hosts that run services and outlive the server: each takes in what it is told and reports it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_api::link;
use mainstay_model::{HostId, Tags, Timestamp};
use mainstay_server::hub::Host;
use mainstay_server::placement::Fleet;
use tokio::sync::watch;

/// The hosts. Shared by every server of a scenario, one after the other.
pub struct SimFleet {
    hosts: Mutex<BTreeMap<HostId, Host>>,
    runs: Mutex<BTreeMap<HostId, BTreeMap<String, String>>>,
    changes: watch::Sender<u64>,
}

impl SimFleet {
    /// Hosts with tags, all connected, that run nothing.
    pub fn new(hosts: Vec<(HostId, Tags)>) -> Arc<Self> {
        let host = |(id, tags): (HostId, Tags)| {
            let host = Host {
                id: id.clone(),
                tags,
                connected: true,
                last_seen: Timestamp::from_millis(0),
                version: "sim".to_owned(),
                agent_pid: 1,
                services: Vec::new(),
                revision: String::new(),
            };
            (id, host)
        };
        let hosts = Mutex::new(hosts.into_iter().map(host).collect());
        Arc::new(Self { hosts, runs: Mutex::default(), changes: watch::channel(0).0 })
    }

    /// The command line of each service, by host and component: what really runs.
    pub fn runs(&self) -> BTreeMap<HostId, BTreeMap<String, String>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Fleet for SimFleet {
    fn hosts(&self) -> Vec<Host> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A service whose command line says `broken` cannot be started; every other is ready at once.
    fn set_desired(&self, host: &HostId, desired: link::Desired) {
        let state = |service: &link::Service| {
            let broken = service.run.contains("broken");
            let phase = if broken { link::Phase::Failed } else { link::Phase::Ready };
            link::ServiceState {
                workload: service.workload.clone(),
                component: service.component.clone(),
                phase: phase.into(),
                reason: if broken { "it is broken".to_owned() } else { String::new() },
                ..link::ServiceState::default()
            }
        };
        let runs = desired.services.iter().map(|service| (service.component.clone(), service.run.clone()));
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), runs.collect());
        if let Some(host) = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get_mut(host) {
            host.services = desired.services.iter().map(state).collect();
            host.revision.clone_from(&desired.revision);
        }
        self.changes.send_modify(|version| *version += 1);
    }
}
