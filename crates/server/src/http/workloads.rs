//! Workloads: applied and shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{Applied, NewRevision, Page, WorkloadDetail};
use mainstay_declare::Workload;
use mainstay_model::access::Permission;

use super::error::Failure;
use super::extract::{Body, Path};
use crate::access::Caller;
use crate::app::App;
use crate::catalogue::Active;

/// `POST /v1/workloads`: makes the files the wanted state of the workload they declare.
pub async fn apply(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(new): Body<NewRevision>,
) -> Result<Json<Applied>, Failure> {
    let may = |declared: &Workload| caller.must_declare(Permission::Apply, &app.catalogue, declared);
    app.applier.apply(new, caller.actor(), &may).await.map(Json)
}

/// `GET /v1/workloads`
pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Json<Page<WorkloadDetail>> {
    let sight = caller.sight(&app.catalogue);
    let workloads = app.catalogue.now();
    let seen = workloads.values().filter(|active| sight.sees(Some(active.name())));
    let items = seen.map(|active| detail(active)).collect();
    Json(Page { items, next: None })
}

/// `GET /v1/workloads/{name}`
pub async fn get(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<WorkloadDetail>, Failure> {
    let active = app.catalogue.get(&name).ok_or_else(|| Failure::not_found("workload", &name))?;
    Ok(Json(detail(&active)))
}

fn detail(active: &Active) -> WorkloadDetail {
    let workload = &active.declared.workload;
    WorkloadDetail {
        workload: workload.name.clone(),
        title: workload.title.clone().unwrap_or_else(|| workload.name.clone()),
        owner: workload.owner.clone().unwrap_or_default(),
        revision: active.revision.revision.to_string(),
        applied_at: active.revision.applied_at,
        applied_by: active.revision.applied_by.to_string(),
        message: active.revision.message.clone(),
        components: workload.components.keys().cloned().collect(),
        procedures: active.procedures.keys().cloned().collect(),
        triggers: active.triggers.keys().cloned().collect(),
        alarms: active.alarms(),
    }
}
