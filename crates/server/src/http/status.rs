//! The state of everything, in one answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{Alive, HostView, MeasureView, Page, ServiceView, Status, WorkloadStatus};
use mainstay_model::Selector;
use mainstay_model::access::{Permission, Resource, Verdict};
use serde::Deserialize;

use super::error::Failure;
use super::extract::Asked;
use crate::access::{Caller, host_tags};
use crate::app::App;
use crate::catalogue::Active;
use crate::{changes, views};

/// `GET /v1/health`: that the server answers, and nothing about what it does.
pub async fn health() -> Json<Alive> {
    Json(Alive { status: "ok".to_owned() })
}

/// Which hosts.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HostsQuery {
    /// Those that a selector picks by their tags and `host`, their id: `role=app,env!=test`.
    selector: Option<String>,
}

/// `GET /v1/hosts`
pub async fn hosts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<HostsQuery>,
) -> Result<Json<Page<HostView>>, Failure> {
    let selector: Option<Selector> = query
        .selector
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error| Failure::bad_request("The selector is not one").because(error))?;
    let mut items = seen_hosts(&caller, host_views(&app));
    items.retain(|host| {
        selector.as_ref().is_none_or(|selector| selector.matches(&host_tags(&host.id, &host.tags)))
    });
    Ok(Json(Page { items, next: None }))
}

/// Those of the hosts that somebody sees: by their own tags, or all of them with everything on them.
fn seen_hosts(caller: &Caller, mut hosts: Vec<HostView>) -> Vec<HostView> {
    if !caller.may_to_all(Permission::Read) {
        hosts.retain(|host| {
            let tags = host_tags(&host.id, &host.tags);
            caller.may(Permission::Read, Resource::Tagged(&tags)) == Verdict::Allowed
        });
    }
    hosts
}

/// Every host with what its agent reported, and with what it should run and has not reported: of that nothing is known,
/// which is not the same as nothing.
fn host_views(app: &App) -> Vec<HostView> {
    let mut hosts: Vec<HostView> = app.hub.hosts().iter().map(views::host).collect();
    for duty in app.applier.duties() {
        let Some(host) = hosts.iter_mut().find(|host| host.id == duty.host.as_str()) else { continue };
        let workload = duty.from.name();
        let is_it = |service: &ServiceView| service.name == duty.component && service.workload == workload;
        if !host.services.iter().any(is_it) {
            host.services.push(views::unreported(host, workload, &duty.component));
        }
    }
    for host in &mut hosts {
        host.services.sort_by(|a, b| (&a.workload, &a.name).cmp(&(&b.workload, &b.name)));
    }
    hosts
}

/// `GET /v1/status`
pub async fn status(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Status>, Failure> {
    let head = app.journal.head();
    let sight = caller.sight(&app.catalogue);
    let mut open = changes::open(app.journal.as_ref())?;
    open.retain(|record| sight.sees(Some(&record.about.workload)));
    let hosts = host_views(&app);
    let workloads = app.catalogue.now();
    let seen = workloads.values().filter(|active| sight.sees(Some(active.name())));
    let workloads = seen.map(|active| workload(&app, active, &hosts)).collect();
    let hosts = seen_hosts(&caller, hosts);
    Ok(Json(Status {
        version: app.config.version.clone(),
        pid: std::process::id(),
        started_at: app.started_at,
        journal_seq: head.seq,
        journal_hash: head.hash,
        workloads,
        changes: open.iter().map(changes::summary).collect(),
        hosts,
        degraded: app.health.degraded(),
    }))
}

fn workload(app: &App, active: &Active, hosts: &[HostView]) -> WorkloadStatus {
    let placed = app.applier.placement(active);
    let is_ready = |host: &str, component: &str| {
        hosts.iter().filter(|view| view.id == host && view.connected).any(|view| {
            view.services.iter().any(|service| {
                service.name == component && service.workload == active.name() && service.state == "ready"
            })
        })
    };
    let wanted = &placed.services;
    let ready = wanted.iter().filter(|service| is_ready(service.host.as_str(), &service.component)).count();
    WorkloadStatus {
        workload: active.name().to_owned(),
        revision: active.revision.revision.to_string(),
        applied_at: active.revision.applied_at,
        services_ready: ready,
        services_wanted: wanted.len(),
        measures: active
            .declared
            .workload
            .priorities
            .iter()
            .map(|priority| measure(app, active, priority))
            .collect(),
        unplaced: views::unplaced(&placed),
        drift: app
            .applier
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
