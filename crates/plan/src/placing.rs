//! What [`place`](crate::place) says, kept up to date while hosts come and change one by one. It costs what changes: a
//! fleet of fifty thousand hosts is not placed anew whenever somebody asks how many services there should be.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_declare::{Declared, OnHost};
use mainstay_model::{HostId, Tags};

use crate::place::{Unplaced, ambiguous, is_within, waves, why_not};

/// So many hosts are named where none matches.
pub(crate) const NAMED: usize = 3;

/// Where the services of one workload belong, on the hosts that were put into it.
#[derive(Clone, Debug, Default)]
pub struct Placing {
    /// The components on each host that has any.
    on: BTreeMap<HostId, Vec<String>>,
    /// On how many hosts each component is.
    hosts_of: BTreeMap<String, usize>,
    /// Why a component is not placed on a host that it should be on, by component.
    ambiguous: BTreeMap<String, BTreeMap<HostId, String>>,
    services: usize,
    /// How many hosts belong to an environment of the workload.
    within: usize,
    /// The first of those by id, as far as they are known. They are looked for again when one of them has left.
    first: Option<BTreeSet<HostId>>,
}

impl Placing {
    /// Takes in a host that has come, or that has other tags than `before`. It has to be the same workload each time.
    pub fn put(&mut self, declared: &Declared, host: &HostId, before: Option<&Tags>, tags: &Tags) {
        let was_within = before.is_some_and(|tags| is_within(declared, tags));
        let is_now_within = is_within(declared, tags);
        if was_within {
            self.take_out(host, is_now_within);
        }
        if !is_now_within {
            return;
        }
        if !was_within {
            self.within += 1;
            self.add_to_first(host);
        }
        let workload = &declared.workload;
        for (name, _) in workload.components.iter().filter(|(_, component)| component.service.is_some()) {
            match workload.on_host(name, tags) {
                OnHost::No => {}
                OnHost::Yes { .. } => {
                    self.on.entry(host.clone()).or_default().push(name.clone());
                    *self.hosts_of.entry(name.clone()).or_default() += 1;
                    self.services += 1;
                }
                OnHost::Ambiguous { environments } => {
                    let reason = ambiguous(host, &environments);
                    self.ambiguous.entry(name.clone()).or_default().insert(host.clone(), reason);
                }
            }
        }
    }

    fn take_out(&mut self, host: &HostId, stays_within: bool) {
        for name in self.on.remove(host).unwrap_or_default() {
            if let Some(hosts) = self.hosts_of.get_mut(&name) {
                *hosts -= 1;
            }
            self.services -= 1;
        }
        self.ambiguous.retain(|_, hosts| {
            hosts.remove(host);
            !hosts.is_empty()
        });
        if !stays_within {
            self.within -= 1;
            if self.first.as_ref().is_some_and(|first| first.contains(host)) {
                self.first = None;
            }
        }
    }

    fn add_to_first(&mut self, host: &HostId) {
        if self.within == 1 {
            self.first = Some(BTreeSet::new());
        }
        if let Some(first) = &mut self.first {
            first.insert(host.clone());
            if first.len() > NAMED {
                first.pop_last();
            }
        }
    }

    /// The components that belong on a host, in no particular order.
    pub fn on(&self, host: &HostId) -> &[String] {
        self.on.get(host).map_or(&[], Vec::as_slice)
    }

    /// The hosts on which something belongs, by id.
    pub fn hosts(&self) -> impl Iterator<Item = &HostId> {
        self.on.keys()
    }

    /// How many services belong somewhere.
    pub fn services(&self) -> usize {
        self.services
    }

    /// The components that should run somewhere and do not, or not everywhere. `fleet` are the hosts that were put in, by
    /// id; few of them are looked at.
    pub fn unplaced<'a>(
        &mut self,
        declared: &Declared,
        fleet: &(impl Iterator<Item = (&'a HostId, &'a Tags)> + Clone),
    ) -> Vec<Unplaced> {
        let mut unplaced = Vec::new();
        for name in waves(declared).into_iter().flatten() {
            let Some(component) = declared.workload.components.get(name).filter(|c| c.service.is_some())
            else {
                continue;
            };
            let said = |reason| Unplaced { component: name.to_owned(), reason };
            let on_some = self.hosts_of.get(name).is_some_and(|hosts| *hosts > 0);
            match self.ambiguous.get(name) {
                Some(hosts) => unplaced.extend(hosts.values().cloned().map(said)),
                None if on_some => {}
                None => {
                    let first = self.first_within(declared, fleet);
                    unplaced.push(said(why_not(component, &first, self.within, fleet.clone().next())));
                }
            }
        }
        unplaced
    }

    /// The first hosts within the workload's environments, with their tags.
    fn first_within<'a>(
        &mut self,
        declared: &Declared,
        fleet: &(impl Iterator<Item = (&'a HostId, &'a Tags)> + Clone),
    ) -> Vec<(&'a HostId, &'a Tags)> {
        let wanted = self.within.min(NAMED);
        let known = self.first.clone();
        let is_one = |host: &HostId, tags: &Tags| match &known {
            Some(first) => first.contains(host),
            None => is_within(declared, tags),
        };
        let found: Vec<_> = fleet.clone().filter(|(host, tags)| is_one(host, tags)).take(wanted).collect();
        self.first = Some(found.iter().map(|(host, _)| (*host).clone()).collect());
        found
    }
}
