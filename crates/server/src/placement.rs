//! The loop that tells each host what it should run, and the scraper what to scrape. It takes no input: a change only
//! wakes it, and it looks at the whole truth, so a restart and a change are one path.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_api::link;
use mainstay_declare::{Component, HealthCheck, Restart, Service};
use mainstay_model::{HostId, Tags};
use mainstay_observe::scrape::{Scraper, Target};
use mainstay_plan::{Placement, place};
use tokio_util::sync::CancellationToken;

use crate::app::Health;
use crate::catalogue::{Active, Catalogue, Workloads};
use crate::hub::Hub;

/// How often a component's metrics are scraped.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);

/// Where a workload's services belong on the hosts that are known.
pub fn placement(active: &Active, hub: &Hub) -> Placement {
    let hosts: Vec<(HostId, Tags)> = hub.hosts().into_iter().map(|host| (host.id, host.tags)).collect();
    place(&active.declared, &hosts)
}

/// The loop.
pub struct Placer {
    /// The wanted state.
    pub catalogue: Arc<Catalogue>,
    /// The hosts.
    pub hub: Hub,
    /// The scraper.
    pub scraper: Arc<Scraper>,
    /// Where problems are shown.
    pub health: Health,
}

impl Placer {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut workloads = self.catalogue.watch();
        let mut hosts = self.hub.changes();
        let mut told: BTreeMap<HostId, link::Desired> = BTreeMap::new();
        loop {
            hosts.borrow_and_update();
            let current = workloads.borrow_and_update().clone();
            self.look(&current, &mut told);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = workloads.changed() => if changed.is_err() { return },
                changed = hosts.changed() => if changed.is_err() { return },
            }
        }
    }

    fn look(&self, workloads: &Workloads, told: &mut BTreeMap<HostId, link::Desired>) {
        let hosts: Vec<(HostId, Tags)> =
            self.hub.hosts().into_iter().map(|host| (host.id, host.tags)).collect();
        let mut desired: BTreeMap<HostId, link::Desired> =
            hosts.iter().map(|(host, _)| (host.clone(), link::Desired::default())).collect();
        let mut targets = Vec::new();
        for active in workloads.values() {
            for placed in place(&active.declared, &hosts).services {
                let Some(component) = active.declared.workload.components.get(&placed.component) else {
                    continue;
                };
                let Some(service) = &component.service else { continue };
                if let Some(host) = desired.get_mut(&placed.host) {
                    host.services.push(wire_service(active, component, service));
                }
                targets.extend(target(active, &placed.host, component, service));
            }
        }
        let revisions: Vec<&str> =
            workloads.values().map(|active| active.revision.revision.as_str()).collect();
        for (host, mut desired) in desired {
            desired.revision = revisions.join("+");
            // A host keeps what it runs until something was applied: an empty journal must not stop services.
            if workloads.is_empty() || told.get(&host) == Some(&desired) {
                continue;
            }
            self.hub.set_desired(&host, desired.clone());
            told.insert(host, desired);
        }
        let problems = self.scraper.set_targets(targets);
        match problems.first() {
            Some(problem) => {
                self.health.bad("scrape", format!("{} is not scraped: {}", problem.job, problem.reason));
            }
            None => self.health.good("scrape"),
        }
    }
}

/// Hosts are this machine today, so their metrics are on loopback.
fn target(active: &Active, host: &HostId, component: &Component, service: &Service) -> Option<Target> {
    let (path, port) = (component.telemetry.scrape.as_ref()?, service.port?);
    let mut target = Target::new(
        component.name.clone(),
        format!("{host}:{port}"),
        format!("http://127.0.0.1:{port}{path}"),
        SCRAPE_INTERVAL,
    );
    target.labels.insert("workload".to_owned(), active.name().to_owned());
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
