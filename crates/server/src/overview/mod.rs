//! What the status says of the whole fleet: how many hosts there are and which of them have trouble, how many services are
//! ready of those that should be, and where what runs is not what is wanted. It is kept, and each question first takes in the
//! hosts that have changed since the last one: many consoles ask every few seconds, and a fleet of fifty thousand hosts is
//! not read for each of them.
//!
//! Nothing of it must survive: all of it follows from the hub and the catalogue.

mod drift;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainstay_api::link;
use mainstay_model::access::{Permission, Resource, Verdict};
use mainstay_model::{HostId, Tags};
use mainstay_plan::{Drift, Placing, Unplaced};

use crate::access::{Caller, host_tags};
use crate::catalogue::{Active, Catalogue};
use crate::hub::{Glance, Host, Hub, RANKS};
use drift::Drifting;

/// For so many callers with grants of their own their hosts are kept. For more of them they are looked for anew when those
/// come who have not been there for longest.
const VIEWERS: usize = 16;

/// Which hosts somebody sees: by their own tags, or all of them with everything on them.
pub fn sees(caller: &Caller) -> impl Fn(&HostId, &Tags) -> bool {
    let all = caller.may_to_all(Permission::Read);
    move |id, tags| {
        all || caller.may(Permission::Read, Resource::Tagged(&host_tags(id.as_str(), tags)))
            == Verdict::Allowed
    }
}

/// The hosts that somebody sees.
pub struct Hosts {
    /// How many have ever joined.
    pub known: usize,
    /// How many of them are connected.
    pub connected: usize,
    /// Them by id, or, if there are more than are to be listed, the first of those with most trouble.
    pub listed: Vec<Host>,
}

/// The services of a workload.
pub struct Services {
    /// How many are ready on hosts that are connected, as their agents say, of those that should be.
    pub ready: usize,
    /// How many should be.
    pub wanted: usize,
    /// Components that should run somewhere and do not.
    pub unplaced: Vec<Unplaced>,
}

/// The overview. One per server.
pub struct Overview {
    hub: Hub,
    catalogue: Arc<Catalogue>,
    kept: Mutex<Kept>,
    drifting: Mutex<BTreeMap<String, Drifting>>,
}

/// What is kept.
#[derive(Default)]
struct Kept {
    /// Up to where changes of hosts were taken in.
    place: u64,
    fleet: BTreeMap<HostId, Seen>,
    /// Those who asked last stand last.
    viewers: Vec<Viewer>,
    workloads: BTreeMap<String, Running>,
}

/// A host as it was taken in.
#[derive(Clone)]
struct Seen {
    tags: Arc<Tags>,
    connected: bool,
    trouble: u8,
}

/// Somebody, or several people with the same grants, and the hosts they see.
struct Viewer {
    caller: Caller,
    ranks: [BTreeSet<HostId>; RANKS],
    connected: usize,
}

/// The services of a workload in one revision.
struct Running {
    of: Arc<Active>,
    placing: Placing,
    /// How many are ready on each host that has such.
    ready_on: BTreeMap<HostId, usize>,
    ready: usize,
}

impl Overview {
    /// Of these hosts and workloads.
    pub fn new(hub: Hub, catalogue: Arc<Catalogue>) -> Self {
        Self { hub, catalogue, kept: Mutex::default(), drifting: Mutex::default() }
    }

    /// The hosts that somebody sees, `most` of them listed.
    pub fn hosts(&self, caller: &Caller, most: usize) -> Hosts {
        let mut kept = self.taken_in();
        let viewer = kept.viewer(caller);
        let (known, connected) = (viewer.ranks.iter().map(BTreeSet::len).sum(), viewer.connected);
        let mut ids: Vec<HostId> = viewer.ranks.iter().flatten().take(most).cloned().collect();
        drop(kept);
        if known <= most {
            ids.sort();
        }
        let mut listed = Vec::with_capacity(ids.len());
        self.hub.see(&ids, |glance| listed.push(glance.host()));
        Hosts { known, connected, listed }
    }

    /// How the services of a workload stand.
    pub fn services(&self, active: &Arc<Active>) -> Services {
        let mut kept = self.taken_in();
        let Kept { fleet, workloads, .. } = &mut *kept;
        if !workloads.get(active.name()).is_some_and(|known| Arc::ptr_eq(&known.of, active)) {
            workloads.insert(active.name().to_owned(), Running::new(active, fleet, &self.hub));
        }
        let running = workloads.get_mut(active.name()).expect("it was put in, if it was not there");
        Services {
            ready: running.ready,
            wanted: running.placing.services(),
            unplaced: running.placing.unplaced(&active.declared, &tagged(fleet)),
        }
    }

    /// Where what runs of a workload is not what is wanted, by host and component.
    pub fn drift(&self, active: &Active) -> Vec<Drift> {
        let mut drifting = self.drifting.lock().unwrap_or_else(PoisonError::into_inner);
        let drifting = drifting.entry(active.name().to_owned()).or_default();
        drifting.take_in(active, &self.hub, &self.catalogue);
        drifting.all()
    }

    /// What is kept, after all has been taken in that happened until now.
    fn taken_in(&self) -> MutexGuard<'_, Kept> {
        // After a panic in between a host would be counted twice.
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| {
            let mut kept = poisoned.into_inner();
            *kept = Kept::default();
            self.kept.clear_poison();
            kept
        });
        loop {
            let (place, is_all) = self.hub.changed_since(kept.place, |glance| kept.put(glance));
            kept.place = place;
            if is_all {
                return kept;
            }
        }
    }
}

fn tagged(fleet: &BTreeMap<HostId, Seen>) -> impl Iterator<Item = (&HostId, &Tags)> + Clone {
    fleet.iter().map(|(id, seen)| (id, &*seen.tags))
}

impl Kept {
    /// Takes in a host as it is now.
    fn put(&mut self, glance: &Glance<'_>) {
        let now = Seen { tags: glance.tags.clone(), connected: glance.connected, trouble: glance.trouble };
        let before = self.fleet.insert(glance.id.clone(), now.clone());
        for viewer in &mut self.viewers {
            viewer.put(glance.id, before.as_ref(), &now);
        }
        for running in self.workloads.values_mut() {
            running.put(before.as_ref(), glance);
        }
    }

    /// Who asks, with the hosts they see.
    fn viewer(&mut self, caller: &Caller) -> &Viewer {
        let all = |caller: &Caller| caller.may_to_all(Permission::Read);
        let is_same = |viewer: &Viewer| {
            let known = &viewer.caller;
            known.grants == caller.grants && known.scope == caller.scope || all(known) && all(caller)
        };
        let viewer = match self.viewers.iter().position(is_same) {
            Some(at) => self.viewers.remove(at),
            None => {
                let mut viewer = Viewer::new(caller.clone());
                for (id, seen) in &self.fleet {
                    viewer.put(id, None, seen);
                }
                viewer
            }
        };
        if self.viewers.len() >= VIEWERS {
            self.viewers.remove(0);
        }
        self.viewers.push(viewer);
        self.viewers.last().expect("one was just put in")
    }
}

impl Seen {
    fn has_tags(&self, tags: &Arc<Tags>) -> bool {
        Arc::ptr_eq(&self.tags, tags) || self.tags == *tags
    }
}

impl Viewer {
    fn new(caller: Caller) -> Self {
        Self { caller, ranks: Default::default(), connected: 0 }
    }

    fn put(&mut self, id: &HostId, before: Option<&Seen>, now: &Seen) {
        let was_seen = before.is_some_and(|before| self.ranks[usize::from(before.trouble)].remove(id));
        if let Some(before) = before.filter(|_| was_seen) {
            self.connected -= usize::from(before.connected);
        }
        let is_seen = match before {
            Some(before) if before.has_tags(&now.tags) => was_seen,
            _ => sees(&self.caller)(id, &now.tags),
        };
        if is_seen {
            self.ranks[usize::from(now.trouble)].insert(id.clone());
            self.connected += usize::from(now.connected);
        }
    }
}

impl Running {
    fn new(active: &Arc<Active>, fleet: &BTreeMap<HostId, Seen>, hub: &Hub) -> Self {
        let mut placing = Placing::default();
        for (id, tags) in tagged(fleet) {
            placing.put(&active.declared, id, None, tags);
        }
        let mut running =
            Self { of: active.clone(), placing: Placing::default(), ready_on: BTreeMap::new(), ready: 0 };
        // What has changed since the fleet was taken in comes again.
        hub.see(placing.hosts(), |glance| running.count(placing.on(glance.id), glance));
        running.placing = placing;
        running
    }

    fn put(&mut self, before: Option<&Seen>, glance: &Glance<'_>) {
        if !before.is_some_and(|before| before.has_tags(glance.tags)) {
            let before = before.map(|before| &*before.tags);
            self.placing.put(&self.of.declared, glance.id, before, glance.tags);
        }
        let placing = std::mem::take(&mut self.placing);
        self.count(placing.on(glance.id), glance);
        self.placing = placing;
    }

    /// Counts the services that are ready of those that belong on a host.
    fn count(&mut self, components: &[String], glance: &Glance<'_>) {
        let is_ready = |component: &&String| {
            glance.services.iter().any(|service| {
                service.component == **component
                    && service.workload == self.of.name()
                    && service.phase() == link::Phase::Ready
            })
        };
        let ready = if glance.connected { components.iter().filter(is_ready).count() } else { 0 };
        let before = match ready {
            0 => self.ready_on.remove(glance.id),
            _ => self.ready_on.insert(glance.id.clone(), ready),
        };
        self.ready = self.ready + ready - before.unwrap_or(0);
    }
}
