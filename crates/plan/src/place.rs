//! Which service belongs on which host.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_declare::{Component, Declared, OnHost};
use mainstay_model::{HostId, Tags};

use crate::placing::NAMED;

/// One service on one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// The host.
    pub host: HostId,
    /// The component.
    pub component: String,
    /// The environment whose values it has there (see `Workload::component_in`); none if the workload has none.
    pub environment: Option<String>,
}

/// A component that should run somewhere and does not, or not everywhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unplaced {
    /// The component.
    pub component: String,
    /// Why, as people read it.
    pub reason: String,
}

/// Where everything belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Every service on every host: dependencies first, then by component and host.
    pub services: Vec<Placed>,
    /// Components with a service for which there is no host.
    pub unplaced: Vec<Unplaced>,
}

impl Placement {
    /// The components that belong on a host, dependencies first.
    pub fn on<'a>(&'a self, host: &'a HostId) -> impl Iterator<Item = &'a str> {
        self.services
            .iter()
            .filter(move |placed| placed.host == *host)
            .map(|placed| placed.component.as_str())
    }
}

/// Places every component that has a service on every host its selector selects, among the hosts of the workload's
/// environments. A workload that declares no environment runs on any host. On a host of several environments that give
/// a component different values it is not placed: nobody can say which are meant.
pub fn place(declared: &Declared, hosts: &[(HostId, Tags)]) -> Placement {
    let mut placement = Placement::default();
    let workload = &declared.workload;
    let all = hosts;
    let mut hosts: Vec<&(HostId, Tags)> =
        hosts.iter().filter(|(_, tags)| is_within(declared, tags)).collect();
    hosts.sort_by(|a, b| a.0.cmp(&b.0));
    for name in waves(declared).into_iter().flatten() {
        let Some(component) = workload.components.get(name).filter(|c| c.service.is_some()) else {
            continue;
        };
        let before = (placement.services.len(), placement.unplaced.len());
        for (host, tags) in &hosts {
            match workload.on_host(name, tags) {
                OnHost::No => {}
                OnHost::Yes { environment, .. } => placement.services.push(Placed {
                    host: host.clone(),
                    component: name.to_owned(),
                    environment: environment.map(str::to_owned),
                }),
                OnHost::Ambiguous { environments } => placement
                    .unplaced
                    .push(Unplaced { component: name.to_owned(), reason: ambiguous(host, &environments) }),
            }
        }
        if (placement.services.len(), placement.unplaced.len()) == before {
            let first: Vec<_> = hosts.iter().take(NAMED).map(|(host, tags)| (host, tags)).collect();
            let reason =
                why_not(component, &first, hosts.len(), all.first().map(|(host, tags)| (host, tags)));
            placement.unplaced.push(Unplaced { component: name.to_owned(), reason });
        }
    }
    placement
}

/// Whether hosts with these tags are hosts of the workload.
pub(crate) fn is_within(declared: &Declared, tags: &Tags) -> bool {
    let workload = &declared.workload;
    workload.environments.is_empty() || workload.environments_of(tags).next().is_some()
}

/// Whether any service of the workload is placed on a host with these tags.
pub fn is_placed_on(declared: &Declared, tags: &Tags) -> bool {
    let workload = &declared.workload;
    let mut services = workload.components.iter().filter(|(_, component)| component.service.is_some());
    is_within(declared, tags)
        && services.any(|(name, _)| matches!(workload.on_host(name, tags), OnHost::Yes { .. }))
}

/// Why a component is not placed on a host of several environments.
pub(crate) fn ambiguous(host: &HostId, environments: &[&str]) -> String {
    let names = environments.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
    format!("{host} belongs to the environments {}, which give it different values", names.join(" and "))
}

/// Why a component is on no host: by the first hosts of the workload, how many there are of them, and the first of all.
pub(crate) fn why_not(
    component: &Component,
    first: &[(&HostId, &Tags)],
    within: usize,
    any: Option<(&HostId, &Tags)>,
) -> String {
    if let Some((host, tags)) = any.filter(|_| within == 0) {
        return format!("no host belongs to an environment of the workload ({host} has {tags})");
    }
    if within == 0 {
        return "no host has joined yet".to_owned();
    }
    let known: Vec<String> = first.iter().map(|(host, tags)| format!("{host} has {tags}")).collect();
    let more =
        if within > first.len() { format!(" and {} more", within - first.len()) } else { String::new() };
    format!("no host matches `{}` ({}{more})", component.hosts, known.join("; "))
}

/// The components in waves: each depends only on components of earlier waves. A circle, which `declare` refuses, would
/// come last in one wave.
pub fn waves(declared: &Declared) -> Vec<Vec<&str>> {
    let components = &declared.workload.components;
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = components
        .iter()
        .map(|(name, component)| {
            let on = component.depends_on.iter().map(String::as_str);
            (name.as_str(), on.filter(|other| components.contains_key(*other)).collect())
        })
        .collect();
    let mut waves = Vec::new();
    while !waiting.is_empty() {
        let mut wave: Vec<&str> =
            waiting.iter().filter(|(_, on)| on.is_empty()).map(|(name, _)| *name).collect();
        if wave.is_empty() {
            wave = waiting.keys().copied().collect();
        }
        for name in &wave {
            waiting.remove(name);
        }
        for on in waiting.values_mut() {
            on.retain(|other| wave.binary_search(other).is_err());
        }
        waves.push(wave);
    }
    waves
}
