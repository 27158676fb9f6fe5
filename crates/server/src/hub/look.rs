//! What others keep of the hosts and follow: which of them changed, in the order in which they did.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use mainstay_api::link;
use mainstay_model::{HostId, Tags, Timestamp};

use super::{Host, Hub, Known, view};

/// So many hosts are looked at before others may go on that need the hub.
const AT_ONCE: usize = 512;

/// The hosts, and the order in which they changed.
#[derive(Default)]
pub(super) struct Hosts {
    pub known: BTreeMap<HostId, Known>,
    /// By the place of its last change, every host that ever changed.
    order: BTreeMap<u64, HostId>,
    /// The place of the last change of all.
    last: u64,
}

impl Hosts {
    /// Works on what is known of a host, which begins to be known by it, and puts it last in the order of changes.
    pub fn change<T>(&mut self, host: &HostId, now: Timestamp, work: impl FnOnce(&mut Known) -> T) -> T {
        let known = self.known.entry(host.clone()).or_insert_with(|| Known::new(now));
        let done = work(known);
        self.last += 1;
        self.order.remove(&known.changed);
        known.changed = self.last;
        self.order.insert(self.last, host.clone());
        done
    }
}

/// What a host shows at a glance.
pub struct Glance<'a> {
    /// Its id.
    pub id: &'a HostId,
    /// Its tags; the same value as before where they have not changed.
    pub tags: &'a Arc<Tags>,
    /// Whether its agent is connected.
    pub connected: bool,
    /// How much it needs a look: below [`RANKS`], and the lower the more.
    pub trouble: u8,
    /// Its services, as its agent reported them last.
    pub services: &'a [link::ServiceState],
    known: &'a Known,
}

/// How many values [`Glance::trouble`] has.
pub const RANKS: usize = super::NO_TROUBLE as usize + 1;

impl Glance<'_> {
    fn of<'a>(id: &'a HostId, known: &'a Known) -> Glance<'a> {
        Glance {
            id,
            tags: &known.tags,
            connected: known.session.is_some(),
            trouble: known.trouble(),
            services: &known.services,
            known,
        }
    }

    /// All that is known of it.
    pub fn host(&self) -> Host {
        view(self.id, self.known)
    }
}

impl Hub {
    /// Shows hosts of which something changed behind a place in the order of changes, 0 being before all of them: not all at
    /// once, so that others get at the hub. Answers with the place from which to go on, and whether these were all. A host
    /// that changes meanwhile is shown again. The hub is not to be called from within.
    pub fn changed_since(&self, place: u64, mut see: impl FnMut(&Glance<'_>)) -> (u64, bool) {
        let hosts = self.hosts_locked();
        let (mut place, mut seen) = (place, 0);
        for (at, id) in hosts.order.range((Bound::Excluded(place), Bound::Unbounded)).take(AT_ONCE) {
            (place, seen) = (*at, seen + 1);
            if let Some(known) = hosts.known.get(id).filter(|known| !known.agent_id.is_empty()) {
                see(&Glance::of(id, known));
            }
        }
        (place, seen < AT_ONCE)
    }

    /// Shows these hosts, as far as they are known. The hub is not to be called from within.
    pub fn see<'a>(&self, ids: impl IntoIterator<Item = &'a HostId>, mut see: impl FnMut(&Glance<'_>)) {
        let mut ids = ids.into_iter().peekable();
        while ids.peek().is_some() {
            let hosts = self.hosts_locked();
            for id in ids.by_ref().take(AT_ONCE) {
                if let Some(known) = hosts.known.get(id).filter(|known| !known.agent_id.is_empty()) {
                    see(&Glance::of(id, known));
                }
            }
        }
    }
}
