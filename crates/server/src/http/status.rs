//! The state of everything, in one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::link::ServiceState;
use mainstay_api::v1::{Alive, HostView, MeasureView, Page, ServiceView, Status, WorkloadStatus};
use mainstay_model::{HostId, Tags};
use serde::Deserialize;

use super::error::Failure;
use super::extract::Asked;
use super::lists;
use crate::access::Caller;
use crate::app::App;
use crate::catalogue::Active;
use crate::hub::Host;
use crate::overview::sees;
use crate::placement::tagged;
use crate::{changes, views};

/// The most hosts that the status lists.
const MOST_HOSTS: usize = 200;

/// `GET /v1/health`: that the server answers, and nothing about what it does.
pub async fn health() -> Json<Alive> {
    Json(Alive { status: "ok".to_owned() })
}

/// Which hosts, and in which order.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HostsQuery {
    /// Those that a selector picks by their tags and `host`, their id: `role=app,env!=test`.
    selector: Option<String>,
    /// Those that are connected, or that are not.
    connected: Option<bool>,
    /// Those that have this text in their id, in any case of letters.
    contains: Option<String>,
    /// Those on which services of this workload run, or are to run.
    workload: Option<String>,
    /// `id`, the default; or `trouble`: those that are away first, then those of which a service is not ready.
    sort: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 1000 if not said.
    limit: Option<usize>,
}

/// `GET /v1/hosts`
pub async fn hosts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<HostsQuery>,
) -> Result<Json<Page<HostView>>, Failure> {
    let selector = lists::selector(query.selector.as_deref())?;
    let sort = lists::words(query.sort.as_deref(), "way to sort hosts", &["id", "trouble"])?;
    let trouble_first = sort.is_some_and(|words| words.contains(&"trouble"));
    let sees = sees(&caller);
    // Only where it is asked for: every host is looked at for it.
    let placed: Option<BTreeSet<HostId>> = query.workload.as_deref().map(|name| {
        let duties = app.applier.duties_on(&app.hub.tagged()).into_iter();
        duties.filter(|duty| duty.from.name() == name).map(|duty| duty.host).collect()
    });
    let has_it = |id: &HostId, services: &[ServiceState]| {
        placed.as_ref().is_none_or(|placed| placed.contains(id))
            || services.iter().any(|service| Some(&service.workload) == query.workload.as_ref())
    };
    let wanted = |id: &HostId, tags: &Tags, connected: bool, services: &[ServiceState]| {
        let tag = |key: &str| if key == "host" { Some(id.as_str()) } else { tags.get(key) };
        query.connected.is_none_or(|wanted| wanted == connected)
            && selector.as_ref().is_none_or(|selector| selector.matches_by(tag))
            && lists::contains(query.contains.as_deref(), [id.as_str()])
            && has_it(id, services)
            && sees(id, tags)
    };
    let (hosts, next) =
        app.hub.page(wanted, trouble_first, query.cursor.as_deref(), lists::limit(query.limit));
    Ok(Json(Page { items: host_views(&app, &hosts), next }))
}

/// Hosts with what their agents reported, and with what they should run and have not reported: of that nothing is known,
/// which is not the same as nothing.
fn host_views(app: &App, hosts: &[Host]) -> Vec<HostView> {
    let mut views: BTreeMap<&str, HostView> =
        hosts.iter().map(|host| (host.id.as_str(), views::host(host))).collect();
    for duty in app.applier.duties_on(&tagged(hosts)) {
        let Some(host) = views.get_mut(duty.host.as_str()) else { continue };
        let workload = duty.from.name();
        let is_it = |service: &ServiceView| service.name == duty.component && service.workload == workload;
        if !host.services.iter().any(is_it) {
            let service = views::unreported(host, workload, &duty.component);
            host.services.push(service);
        }
    }
    for host in views.values_mut() {
        host.services.sort_by(|a, b| (&a.workload, &a.name).cmp(&(&b.workload, &b.name)));
    }
    // In the order in which they were asked for.
    hosts.iter().filter_map(|host| views.remove(host.id.as_str())).collect()
}

/// `GET /v1/status`
pub async fn status(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Status>, Failure> {
    let head = app.journal.head();
    let sight = caller.sight(&app.catalogue);
    let mut open = changes::open(app.journal.as_ref())?;
    open.retain(|record| sight.sees(Some(&record.about.workload)));
    let workloads = app.catalogue.now();
    let seen = workloads.values().filter(|active| sight.sees(Some(active.name())));
    let workloads = seen.map(|active| workload(&app, active)).collect();
    let hosts = app.overview.hosts(&caller, MOST_HOSTS);
    Ok(Json(Status {
        version: app.config.version.clone(),
        pid: std::process::id(),
        started_at: app.started_at,
        journal_seq: head.seq,
        journal_hash: head.hash,
        workloads,
        changes: open.iter().map(changes::summary).collect(),
        hosts_known: hosts.known,
        hosts_connected: hosts.connected,
        hosts: host_views(&app, &hosts.listed),
        degraded: app.health.degraded(),
    }))
}

fn workload(app: &App, active: &Arc<Active>) -> WorkloadStatus {
    let services = app.overview.services(active);
    WorkloadStatus {
        workload: active.name().to_owned(),
        revision: active.revision.revision.to_string(),
        applied_at: active.revision.applied_at,
        services_ready: services.ready,
        services_wanted: services.wanted,
        measures: active
            .declared
            .workload
            .priorities
            .iter()
            .map(|priority| measure(app, active, priority))
            .collect(),
        unplaced: views::unplaced(&services.unplaced),
        drift: app
            .overview
            .drift(active)
            .into_iter()
            .map(|drift| format!("{}: {}", drift.address, drift.reason))
            .collect(),
    }
}

fn measure(app: &App, active: &Active, priority: &mainstay_declare::Priority) -> MeasureView {
    let known = app.measures.get(active.name(), &priority.goal);
    let state = known.as_ref().map_or("not evaluated", |measure| measure.standing.words());
    MeasureView {
        goal: priority.goal.clone(),
        measure: priority.measure.clone(),
        target: priority.target.to_string(),
        state: state.to_owned(),
        value: known.as_ref().and_then(|measure| measure.value).filter(|value| value.is_finite()),
        since: known.map(|measure| measure.since),
    }
}
