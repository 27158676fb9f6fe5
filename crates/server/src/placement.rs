//! The loop that tells each host what it should run, and the scraper what to scrape. It takes no input: a change only
//! wakes it, and it looks at the whole truth, so a restart and a change are one path.
//!
//! What a host should run follows from the wanted revisions and from the changes that are being carried out: within a
//! change, each service on each host is that of the revision before it, that of the one it leads to, or none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use mainstay_api::link;
use mainstay_declare::{Component, HealthCheck, Restart, Service};
use mainstay_model::{HostId, Tags};
use mainstay_observe::scrape::{Scraper, Target};
use mainstay_plan::{Placed, place};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::Health;
use crate::catalogue::{Active, Catalogue, Workloads};
use crate::changes::{Running, Runnings, Side};
use crate::hub::{Host, Hub};

/// How often a component's metrics are scraped.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);

/// The hosts, as far as placing services and carrying changes out need them. The hub is this; so are the hosts of a
/// scenario.
pub trait Fleet: Send + Sync + 'static {
    /// All hosts, by id, those that are away included.
    fn hosts(&self) -> Vec<Host>;

    /// Changes whenever anything about any host does.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Says what services a host should run, now and whenever it connects.
    fn set_desired(&self, host: &HostId, desired: link::Desired);
}

impl Fleet for Hub {
    fn hosts(&self) -> Vec<Host> {
        Hub::hosts(self)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Hub::changes(self)
    }

    fn set_desired(&self, host: &HostId, desired: link::Desired) {
        Hub::set_desired(self, host, desired);
    }
}

/// The ids and tags of hosts.
pub fn tagged(hosts: &[Host]) -> Vec<(HostId, Tags)> {
    hosts.iter().map(|host| (host.id.clone(), host.tags.clone())).collect()
}

/// One service that should run on one host, and the revision it is taken from.
pub struct Duty {
    /// The host.
    pub host: HostId,
    /// The component.
    pub component: String,
    /// The environment whose values it has there.
    pub environment: Option<String>,
    /// Where its declaration stands.
    pub from: Arc<Active>,
}

/// Everything that should run now: by wanted revision, or by the change that is being carried out.
pub fn duties(workloads: &Workloads, running: &Runnings, hosts: &[(HostId, Tags)]) -> Vec<Duty> {
    let mut duties = Vec::new();
    let names: std::collections::BTreeSet<&String> = workloads.keys().chain(running.keys()).collect();
    for name in names {
        match (running.get(name), workloads.get(name)) {
            (Some(change), _) => duties.extend(within(change, hosts)),
            (None, Some(active)) => {
                let placed = place(&active.declared, hosts).services;
                duties.extend(placed.into_iter().map(|placed| Duty {
                    host: placed.host,
                    component: placed.component,
                    environment: placed.environment,
                    from: active.clone(),
                }));
            }
            (None, None) => {}
        }
    }
    duties
}

/// What should run while a change is being carried out.
fn within(change: &Running, hosts: &[(HostId, Tags)]) -> Vec<Duty> {
    let next = place(&change.next.declared, hosts).services;
    let before = change.base.as_ref().map(|base| place(&base.declared, hosts).services).unwrap_or_default();
    let mut all: Vec<Placed> = next.clone();
    all.extend(before.iter().filter(|placed| !next.contains(placed)).cloned());
    all.into_iter()
        .filter_map(|placed| {
            let from = match change.side(&placed.host, &placed.component) {
                Side::Next if next.contains(&placed) => change.next.clone(),
                Side::Current if before.contains(&placed) => change.base.clone()?,
                Side::Next | Side::Current | Side::Absent => return None,
            };
            Some(Duty {
                host: placed.host,
                component: placed.component,
                environment: placed.environment,
                from,
            })
        })
        .collect()
}

/// What each of these hosts should be told. The revision it is told under stands for exactly these services, so that a
/// host that reports it has taken them all in.
pub fn desired(
    duties: &[Duty],
    workloads: &Workloads,
    running: &Runnings,
    hosts: &[(HostId, Tags)],
) -> BTreeMap<HostId, link::Desired> {
    let mut desired: BTreeMap<HostId, link::Desired> =
        hosts.iter().map(|(host, _)| (host.clone(), link::Desired::default())).collect();
    for duty in duties {
        let Some((component, service)) = declaration(duty) else { continue };
        if let Some(host) = desired.get_mut(&duty.host) {
            host.services.push(wire_service(&duty.from, component, service));
        }
    }
    let revisions: Vec<&str> = workloads.values().map(|active| active.revision.revision.as_str()).collect();
    let changes: String = running.values().map(|change| format!("+{}", change.id)).collect();
    for desired in desired.values_mut() {
        let mut text = String::new();
        for service in &desired.services {
            let _ = writeln!(text, "{service:?}");
        }
        let digest = blake3::hash(text.as_bytes()).to_hex();
        desired.revision = format!("{}{changes}#{}", revisions.join("+"), &digest[..12]);
    }
    desired
}

/// What a duty's revision says of its component.
pub fn declaration(duty: &Duty) -> Option<(&Component, &Service)> {
    let workload = &duty.from.declared.workload;
    let component = workload.component_in(duty.environment.as_deref(), &duty.component)?;
    Some((component, component.service.as_ref()?))
}

/// The loop.
pub struct Placer {
    /// The wanted state.
    pub catalogue: Arc<Catalogue>,
    /// The hosts.
    pub fleet: Arc<dyn Fleet>,
    /// The scraper; none where nothing is scraped.
    pub scraper: Option<Arc<Scraper>>,
    /// Where problems are shown.
    pub health: Health,
}

impl Placer {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut workloads = self.catalogue.watch();
        let mut running = self.catalogue.watch_running();
        let mut hosts = self.fleet.changes();
        let mut told: BTreeMap<HostId, link::Desired> = BTreeMap::new();
        loop {
            hosts.borrow_and_update();
            // The changes first: one that ends is taken out after its revision has become the wanted one.
            let changes = running.borrow_and_update().clone();
            let current = workloads.borrow_and_update().clone();
            self.look(&current, &changes, &mut told);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = workloads.changed() => if changed.is_err() { return },
                changed = running.changed() => if changed.is_err() { return },
                changed = hosts.changed() => if changed.is_err() { return },
            }
        }
    }

    fn look(&self, workloads: &Workloads, running: &Runnings, told: &mut BTreeMap<HostId, link::Desired>) {
        // A host keeps what it runs until something was applied: an empty journal must not stop services.
        if workloads.is_empty() && running.is_empty() {
            return;
        }
        let hosts = tagged(&self.fleet.hosts());
        let duties = duties(workloads, running, &hosts);
        for (host, desired) in desired(&duties, workloads, running, &hosts) {
            if told.get(&host) == Some(&desired) {
                continue;
            }
            self.fleet.set_desired(&host, desired.clone());
            told.insert(host, desired);
        }
        let Some(scraper) = &self.scraper else { return };
        let problems = scraper.set_targets(duties.iter().filter_map(target).collect());
        match problems.first() {
            Some(problem) => {
                self.health.bad("scrape", format!("{} is not scraped: {}", problem.job, problem.reason));
            }
            None => self.health.good("scrape"),
        }
    }
}

/// Hosts are this machine today, so their metrics are on loopback.
fn target(duty: &Duty) -> Option<Target> {
    let (component, service) = declaration(duty)?;
    let (path, port) = (component.telemetry.scrape.as_ref()?, service.port?);
    let host = &duty.host;
    let mut target = Target::new(
        component.name.clone(),
        format!("{host}:{port}"),
        format!("http://127.0.0.1:{port}{path}"),
        SCRAPE_INTERVAL,
    );
    target.labels.insert("workload".to_owned(), duty.from.name().to_owned());
    target.labels.insert("host".to_owned(), host.to_string());
    Some(target)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wire_service(active: &Active, component: &Component, service: &Service) -> link::Service {
    let root = active.revision.directory.trim_end_matches('/');
    let directory = match &service.directory {
        Some(folder) => format!("{root}/{}", folder.trim_start_matches("./")),
        None => root.to_owned(),
    };
    link::Service {
        workload: active.name().to_owned(),
        component: component.name.clone(),
        run: service.run.as_str().to_owned(),
        directory,
        port: u32::from(service.port.unwrap_or(0)),
        env: service.env.iter().map(|(name, value)| (name.clone(), value.as_str().to_owned())).collect(),
        secrets: service.secrets.iter().map(|(name, found)| (name.clone(), found.to_string())).collect(),
        health: service.health.as_ref().map(|health| link::Health {
            check: Some(match &health.check {
                HealthCheck::Http { path } => link::health::Check::Http(path.clone()),
                HealthCheck::Tcp { port } => link::health::Check::Tcp(u32::from(*port)),
                HealthCheck::Exec { command } => link::health::Check::Exec(command.as_str().to_owned()),
            }),
            every_ms: millis(health.every),
            timeout_ms: millis(health.timeout),
            unhealthy_after: health.unhealthy_after,
            grace_ms: millis(health.grace),
        }),
        restart: match service.restart {
            Restart::Always => link::Restart::Always,
            Restart::OnFailure => link::Restart::OnFailure,
            Restart::Never => link::Restart::Never,
        }
        .into(),
        memory_limit: service.limits.memory_bytes.unwrap_or(0),
        stop: Some(link::Stop {
            signal: service.stop.signal.as_str().trim_start_matches("SIG").to_owned(),
            deadline_ms: millis(service.stop.deadline),
        }),
        depends_on: component.depends_on.clone(),
    }
}
