//! Where what runs is not what is wanted. What is said of a host follows from the host, from what is wanted, and from the
//! changes that are being carried out; so only hosts are looked at of which one of these has changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mainstay_model::{HostId, RevisionId};
use mainstay_plan::{Drift, is_placed_on};

use crate::apply::drift_on;
use crate::catalogue::{Active, Catalogue, Workloads};
use crate::changes::{Running, Runnings};
use crate::hub::{Glance, Host, Hub};

/// So many hosts that a change moved on are looked at together.
const TOGETHER: usize = 512;

/// Where one workload differs, as far as it was taken in.
#[derive(Default)]
pub(super) struct Drifting {
    /// Up to where changes of hosts were taken in.
    place: u64,
    /// What was wanted then, of all workloads: hosts are told all of it together.
    wanted: Vec<RevisionId>,
    /// The changes that were being carried out then.
    running: Runnings,
    /// The hosts of which there is something to say.
    found: BTreeMap<HostId, Vec<Drift>>,
}

impl Drifting {
    /// Takes in what has changed.
    pub fn take_in(&mut self, active: &Active, hub: &Hub, catalogue: &Catalogue) {
        // The changes first: one that ends is taken out after its revision has become the wanted one.
        let running = catalogue.running();
        let workloads = catalogue.now();
        let wanted: Vec<RevisionId> = workloads.values().map(|one| one.revision.revision.clone()).collect();
        let moved = moved(&self.running, &running).filter(|_| self.wanted == wanted);
        let moved = moved.unwrap_or_else(|| {
            (self.place, self.found) = (0, BTreeMap::new());
            BTreeSet::new()
        });
        (self.wanted, self.running) = (wanted, running);
        let mut moved: VecDeque<HostId> = moved.into_iter().collect();
        while !moved.is_empty() {
            let some: Vec<HostId> = moved.drain(..moved.len().min(TOGETHER)).collect();
            let mut hosts = Vec::new();
            hub.see(&some, |glance| hosts.push(glance.host()));
            self.look(active, &workloads, &mut hosts);
        }
        loop {
            let mut hosts = Vec::new();
            let (place, is_all) = hub.changed_since(self.place, |glance| {
                if is_about(active, glance) {
                    hosts.push(glance.host());
                } else {
                    self.found.remove(glance.id);
                }
            });
            self.look(active, &workloads, &mut hosts);
            self.place = place;
            if is_all {
                return;
            }
        }
    }

    fn look(&mut self, active: &Active, workloads: &Workloads, hosts: &mut [Host]) {
        hosts.sort_by(|a, b| a.id.cmp(&b.id));
        for host in hosts.iter() {
            self.found.remove(&host.id);
        }
        for drift in drift_on(hosts, workloads, &self.running, active) {
            self.found.entry(drift.host.clone()).or_default().push(drift);
        }
    }

    /// All of it, by host and component.
    pub fn all(&self) -> Vec<Drift> {
        self.found.values().flatten().cloned().collect()
    }
}

/// Whether there may be something to say of a host: a service of the workload belongs there, or is there.
fn is_about(active: &Active, glance: &Glance<'_>) -> bool {
    glance.services.iter().any(|service| service.workload == active.name())
        || is_placed_on(&active.declared, glance.tags)
}

/// The hosts of which other services are wanted by the changes that are being carried out now than by those before, and
/// nothing if it may be any host.
fn moved(before: &Runnings, now: &Runnings) -> Option<BTreeSet<HostId>> {
    if Arc::ptr_eq(before, now) {
        return Some(BTreeSet::new());
    }
    if !before.keys().eq(now.keys()) {
        return None;
    }
    let mut hosts = BTreeSet::new();
    for (before, now) in before.values().zip(now.values()) {
        if !is_same_change(before, now) {
            return None;
        }
        for (one, other) in [(before, now), (now, before)] {
            let differ = one.wanted.iter().filter(|(key, side)| other.wanted.get(*key) != Some(*side));
            hosts.extend(differ.map(|((host, _), _)| host.clone()));
        }
    }
    Some(hosts)
}

fn is_same_change(one: &Running, other: &Running) -> bool {
    let is_same_base = match (&one.base, &other.base) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    };
    one.id == other.id && is_same_base && Arc::ptr_eq(&one.next, &other.next)
}
