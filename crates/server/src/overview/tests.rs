//! What is kept is what one finds who reads everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_api::link;
use mainstay_declare::{SourceFile, declare};
use mainstay_model::access::{Grant, Role};
use mainstay_model::{Actor, HostId, RevisionId, Tags, Timestamp};
use mainstay_plan::place;
use mainstay_store::MemoryJournal;
use proptest::prelude::*;

use super::*;
use crate::access::Via;
use crate::apply::drift_on;
use crate::changes::{self, Side};
use crate::clock::SystemClock;
use crate::hub::played::Connected;
use crate::languages::Spoken;
use crate::placement::{desired, duties, tagged};
use crate::revisions::Revision;

const COMPONENTS: &str = "components:
  web: { hosts: 'role=web', service: { run: ./web } }
  db: { hosts: 'role in (db,both)', service: { run: ./db }, depends_on: [web] }
  lost: { hosts: 'role=none', service: { run: ./lost } }
";

/// A workload, in one of a few revisions.
fn active(name: &str, number: u8) -> Active {
    let environments =
        ["", "environments: { live: { hosts: 'zone=a' }, test: { hosts: 'zone in (a,b)' } }\n"];
    let run = if number > 1 { COMPONENTS.replace("./web", "./web2") } else { COMPONENTS.to_owned() };
    let text = format!("workload: {name}\n{}{run}", environments[usize::from(number % 2)]);
    let file = SourceFile { path: "mainstay.yaml".to_owned(), bytes: text.into_bytes() };
    let declared = declare(&[file], &Spoken).declared.expect("a workload");
    let revision = Revision {
        workload: name.to_owned(),
        revision: RevisionId::new(format!("{name}-{number}")).expect("an id"),
        parent: None,
        digest: number.to_string(),
        directory: "/srv".to_owned(),
        files: BTreeMap::new(),
        message: None,
        applied_at: Timestamp::from_millis(0),
        applied_by: Actor::Person("maria".to_owned()),
    };
    Active::of(revision, declared).expect("fit for use")
}

/// What happens to one of a few hosts, or to what is wanted of them.
#[derive(Clone, Debug)]
enum Happens {
    Remembered(usize, Tags),
    Connected(usize, Tags),
    Lost(usize),
    Told(usize),
    /// With services in these phases, as told or not.
    Reported(usize, Vec<(u8, u8)>, bool),
    Applied(bool, u8),
    /// A change of the workload goes on at this host; or it ends.
    Changing(usize, bool),
    Changed,
    Asked(u8),
}

fn happens() -> impl Strategy<Value = Happens> {
    let role = prop::sample::select(vec!["web", "db", "both", "x"]);
    let zone = prop::sample::select(vec!["a", "b", "c"]);
    let tags =
        (role, zone).prop_map(|(role, zone)| [("role", role), ("zone", zone)].into_iter().collect::<Tags>());
    let host = 0..7_usize;
    prop_oneof![
        1 => (host.clone(), tags.clone()).prop_map(|(host, tags)| Happens::Remembered(host, tags)),
        4 => (host.clone(), tags).prop_map(|(host, tags)| Happens::Connected(host, tags)),
        2 => host.clone().prop_map(Happens::Lost),
        3 => host.clone().prop_map(Happens::Told),
        5 => (host.clone(), prop::collection::vec((0..5_u8, 0..3_u8), 0..5), any::<bool>())
            .prop_map(|(host, services, told)| Happens::Reported(host, services, told)),
        1 => (any::<bool>(), 0..4_u8).prop_map(|(which, number)| Happens::Applied(which, number)),
        2 => (host, any::<bool>()).prop_map(|(host, on)| Happens::Changing(host, on)),
        1 => Just(Happens::Changed),
        4 => (0..5_u8).prop_map(Happens::Asked),
    ]
}

struct World {
    hub: Hub,
    catalogue: Arc<Catalogue>,
    overview: Overview,
    links: BTreeMap<usize, Connected>,
    sessions: usize,
}

fn host(number: usize) -> HostId {
    HostId::new(format!("h{number}")).expect("an id")
}

fn service((which, phase): (u8, u8)) -> link::ServiceState {
    let (workload, component) =
        [("one", "web"), ("one", "db"), ("two", "web"), ("two", "db"), ("three", "gone")][usize::from(which)];
    link::ServiceState {
        workload: workload.to_owned(),
        component: component.to_owned(),
        phase: [link::Phase::Ready, link::Phase::Failed, link::Phase::Starting][usize::from(phase)].into(),
        ..link::ServiceState::default()
    }
}

fn callers() -> Vec<Caller> {
    let on = |on: &[&str]| -> Vec<Grant> {
        on.iter().map(|on| Grant { role: Role::Viewer, on: on.parse().expect("a selector") }).collect()
    };
    let caller = |grants, scope| Caller {
        user: "maria".to_owned(),
        via: Via::Machine,
        expires_at: None,
        grants,
        scope,
    };
    vec![
        Caller::machine(),
        caller(on(&["role=web", "host in (h1,h2)"]), None),
        caller(on(&["*"]), Some(on(&["zone!=a"]))),
        caller(Vec::new(), None),
    ]
}

impl World {
    fn new() -> Self {
        let journal = Arc::new(MemoryJournal::new(Vec::new()).expect("no folds"));
        let hub = Hub::new(journal, Arc::new(SystemClock), "test");
        let catalogue = Arc::new(Catalogue::default());
        catalogue.put(active("one", 0));
        let overview = Overview::new(hub.clone(), catalogue.clone());
        Self { hub, catalogue, overview, links: BTreeMap::new(), sessions: 0 }
    }

    fn told(&self) -> BTreeMap<HostId, link::Desired> {
        let (workloads, running) = (self.catalogue.now(), self.catalogue.running());
        let hosts = tagged(&self.hub.hosts());
        desired(&duties(&workloads, &running, &hosts), &workloads, &running, &hosts)
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Remembered(number, tags) => {
                self.hub.remember(&host(number), tags, Timestamp::from_millis(1));
            }
            Happens::Connected(number, tags) => {
                self.sessions += 1;
                let link = self.hub.play_connect(&host(number), tags, &format!("s{}", self.sessions));
                self.links.insert(number, link);
            }
            Happens::Lost(number) => {
                if let Some(link) = self.links.remove(&number) {
                    assert!(self.hub.play_loss(&link));
                }
            }
            Happens::Told(number) => {
                if let Some(desired) = self.told().remove(&host(number)) {
                    self.hub.set_desired(&host(number), desired);
                }
            }
            Happens::Reported(number, services, as_told) => {
                let told = self.told().remove(&host(number)).filter(|_| as_told);
                let revision = told.map_or_else(String::new, |told| told.revision);
                self.hub.play_report(&host(number), services.into_iter().map(service).collect(), revision);
            }
            Happens::Applied(which, number) => {
                self.catalogue.put(active(if which { "one" } else { "two" }, number));
            }
            Happens::Changing(number, on) => {
                let side = if on { Side::Next } else { Side::Current };
                let key = (host(number), "web".to_owned());
                let next = match self.catalogue.running().get("one") {
                    Some(known) => {
                        let mut next = changes::Running::clone(known);
                        next.wanted.insert(key, side);
                        next
                    }
                    None => changes::Running {
                        id: format!("c{number}"),
                        base: self.catalogue.get("one"),
                        next: Arc::new(active("one", 2)),
                        wanted: [(key, side)].into(),
                    },
                };
                self.catalogue.carry("one", next);
            }
            Happens::Changed => self.catalogue.carried("one"),
            Happens::Asked(_) => {}
        }
    }

    /// One answer, held against what one finds who reads everything.
    fn ask(&self, what: u8) {
        let hosts = self.hub.hosts();
        let callers = callers();
        match callers.get(usize::from(what)) {
            Some(caller) => {
                for most in [2, 100] {
                    let found = self.overview.hosts(caller, most);
                    let sees = sees(caller);
                    let seen: Vec<&Host> = hosts.iter().filter(|host| sees(&host.id, &host.tags)).collect();
                    assert_eq!(found.known, seen.len());
                    assert_eq!(found.connected, seen.iter().filter(|host| host.connected).count());
                    let wanted = |id: &HostId, tags: &Tags, _, _: &[link::ServiceState]| sees(id, tags);
                    assert_eq!(found.listed, self.hub.page(wanted, seen.len() > most, None, most).0);
                }
            }
            None => self.ask_of_workloads(&hosts),
        }
    }

    fn ask_of_workloads(&self, hosts: &[Host]) {
        let (workloads, running) = (self.catalogue.now(), self.catalogue.running());
        for active in workloads.values() {
            let found = self.overview.services(active);
            let placed = place(&active.declared, &tagged(hosts));
            assert_eq!(found.wanted, placed.services.len());
            assert_eq!(found.unplaced, placed.unplaced);
            let is_ready = |placed: &&mainstay_plan::Placed| {
                hosts.iter().any(|host| {
                    host.connected
                        && host.id == placed.host
                        && host.services.iter().any(|service| {
                            service.workload == active.name()
                                && service.component == placed.component
                                && service.phase() == link::Phase::Ready
                        })
                })
            };
            assert_eq!(found.ready, placed.services.iter().filter(is_ready).count());
            assert_eq!(self.overview.drift(active), drift_on(hosts, &workloads, &running, active));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_one_finds_who_reads_everything(
        story in prop::collection::vec(happens(), 0..60)
    ) {
        let mut world = World::new();
        for what in story {
            let asked = if let Happens::Asked(asked) = &what { Some(*asked) } else { None };
            world.happen(what);
            if let Some(asked) = asked {
                world.ask(asked);
            }
        }
        (0..5).for_each(|asked| world.ask(asked));
    }
}

/// As many people as there are, each with grants of their own.
#[test]
fn more_viewers_than_are_kept_are_answered_all_the_same() {
    let mut world = World::new();
    for number in 0..VIEWERS + 3 {
        let tags: Tags = [("role", "web".to_owned()), ("of", number.to_string())].into_iter().collect();
        world.happen(Happens::Connected(number, tags));
    }
    let viewer = |number: usize| Caller {
        grants: vec![Grant { role: Role::Viewer, on: format!("of={number}").parse().expect("a selector") }],
        ..Caller::machine()
    };
    for round in 0..2 {
        for number in 0..VIEWERS + 3 {
            let found = world.overview.hosts(&viewer(number), 10);
            assert_eq!((found.known, found.connected), (1, 1 - round), "{number}");
            assert_eq!(found.listed[0].id, host(number));
            world.happen(Happens::Lost(number));
        }
    }
    assert_eq!(world.overview.kept.lock().expect("nothing panicked").viewers.len(), VIEWERS);
}

#[test]
fn hosts_that_a_change_moves_on_are_looked_at_again() {
    let mut world = World::new();
    let tags: Tags = [("role", "web")].into_iter().collect();
    for number in 0..2 {
        world.happen(Happens::Connected(number, tags.clone()));
        world.happen(Happens::Changing(number, false));
    }
    for number in 0..2 {
        world.happen(Happens::Reported(number, vec![(0, 0)], true));
    }
    let drift = |world: &World| -> Vec<String> {
        world.ask(4);
        let active = world.catalogue.get("one").expect("a workload");
        world.overview.drift(&active).into_iter().map(|drift| drift.address).collect()
    };
    assert_eq!(drift(&world), [""; 0]);
    // No host has said anything since.
    world.happen(Happens::Changing(1, true));
    assert_eq!(drift(&world), ["h1/web"], "it is told something else by now");
    world.happen(Happens::Changing(1, false));
    assert_eq!(drift(&world), [""; 0]);
    world.happen(Happens::Changed);
    assert_eq!(drift(&world), ["h0/web", "h1/web"], "they are told without the change");
}
