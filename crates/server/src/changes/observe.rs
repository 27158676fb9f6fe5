//! What the hosts say of services, held against what they were told.

use std::collections::BTreeMap;

use mainstay_api::link;
use mainstay_model::HostId;
use mainstay_plan::{HostSeen, Observed, SeenState, ServiceSeen};

use crate::hub::Host;

/// What is known of one service on one host, beside what the host should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The host's agent is away.
    Away,
    /// Not what was told yet, or on its way to it.
    Pending,
    /// It runs what was told and is ready; or it is gone, where nothing was told.
    Ready {
        /// Whether a health check says so. Without one it only runs.
        checked: bool,
    },
    /// It cannot.
    Failed(String),
}

/// How a service stands on its host, for which `told` is what the host was told last.
pub fn standing(host: Option<&Host>, told: &link::Desired, workload: &str, component: &str) -> Standing {
    let Some(host) = host.filter(|host| host.connected) else { return Standing::Away };
    // What was reported before the host took in what it was told says nothing about that.
    if host.revision != told.revision {
        return Standing::Pending;
    }
    let of_it =
        |service: &&link::ServiceState| service.workload == workload && service.component == component;
    let wanted =
        told.services.iter().find(|service| service.workload == workload && service.component == component);
    // A service that the host refuses is reported beside what still runs of it.
    let states: Vec<&link::ServiceState> = host.services.iter().filter(of_it).collect();
    let Some(wanted) = wanted else {
        return if states.is_empty() { Standing::Ready { checked: true } } else { Standing::Pending };
    };
    let failed = states.iter().find(|state| state.phase() == link::Phase::Failed);
    let Some(state) = failed.or(states.first()) else { return Standing::Pending };
    let why = |otherwise: &str| {
        let reason = if state.reason.is_empty() { otherwise } else { &state.reason };
        Standing::Failed(reason.to_owned())
    };
    match state.phase() {
        link::Phase::Ready => Standing::Ready { checked: wanted.health.is_some() },
        link::Phase::Failed => why("it cannot be started"),
        link::Phase::Unhealthy => why("it does not answer its health check"),
        link::Phase::Ended if state.reason.is_empty() => Standing::Ready { checked: true },
        link::Phase::Ended => why("it ended"),
        link::Phase::Stopped if state.reason == "stopped by hand" => Standing::Failed(format!(
            "it was stopped by hand on {}; `mainstay service start {component}` there lets it run again",
            host.id
        )),
        link::Phase::Stopped
        | link::Phase::Waiting
        | link::Phase::Starting
        | link::Phase::Stopping
        | link::Phase::Backoff
        | link::Phase::Unspecified => Standing::Pending,
    }
}

/// What is known of the hosts, as far as one workload is concerned. `told` is what each host was told, and `digests` the
/// digest of each service's declaration there: a host that has taken in what it was told runs that.
pub fn observed(
    hosts: &[Host],
    told: &BTreeMap<HostId, link::Desired>,
    workload: &str,
    digests: &BTreeMap<(HostId, String), String>,
) -> Observed {
    let seen = |host: &Host, state: &link::ServiceState| {
        let is_told = told.get(&host.id).is_some_and(|told| told.revision == host.revision);
        ServiceSeen {
            state: match state.phase() {
                link::Phase::Ready => SeenState::Healthy,
                link::Phase::Unhealthy => SeenState::Unhealthy,
                link::Phase::Failed => SeenState::Failed,
                link::Phase::Ended => SeenState::Ended,
                link::Phase::Stopped if state.reason == "stopped by hand" => SeenState::Stopped,
                _ => SeenState::Starting,
            },
            spec: digests.get(&(host.id.clone(), state.component.clone())).filter(|_| is_told).cloned(),
            revision: None,
            reason: (!state.reason.is_empty()).then(|| state.reason.clone()),
        }
    };
    let host = |host: &Host| HostSeen {
        tags: host.tags.clone(),
        away: !host.connected,
        services: host
            .services
            .iter()
            .filter(|state| state.workload == workload)
            .map(|state| (state.component.clone(), seen(host, state)))
            .collect(),
    };
    Observed { hosts: hosts.iter().map(|one| (one.id.clone(), host(one))).collect() }
}
