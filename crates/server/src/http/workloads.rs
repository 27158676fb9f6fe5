//! Workloads: applied and shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{Applied, NewRevision, Page, WorkloadDetail};
use mainstay_declare::Workload;
use mainstay_model::access::Permission;
use serde::Deserialize;

use super::error::Failure;
use super::extract::{Asked, Body, Path};
use super::lists;
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

/// Which workloads.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct WorkloadsQuery {
    /// Those that a selector picks by their tags and `workload`, their name.
    selector: Option<String>,
    /// Those that have this text in their name, title or owner, in any case of letters.
    contains: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 1000 if not said.
    limit: Option<usize>,
}

/// `GET /v1/workloads`
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<WorkloadsQuery>,
) -> Result<Json<Page<WorkloadDetail>>, Failure> {
    let sight = caller.sight(&app.catalogue);
    let selector = lists::selector(query.selector.as_deref())?;
    let workloads = app.catalogue.now();
    let is_wanted = |active: &&Arc<Active>| {
        let Workload { tags, title, owner, name, .. } = &active.declared.workload;
        let tag = |key: &str| if key == "workload" { Some(name.as_str()) } else { tags.get(key) };
        let texts = [Some(name), title.as_ref(), owner.as_ref()].into_iter().flatten().map(String::as_str);
        sight.sees(Some(name))
            && selector.as_ref().is_none_or(|selector| selector.matches_by(tag))
            && lists::contains(query.contains.as_deref(), texts)
    };
    let seen = workloads.values().filter(is_wanted);
    let keyed = seen.map(|active| (active.name().to_owned(), active)).collect();
    let Page { items, next } = lists::page(keyed, query.cursor.as_deref(), query.limit);
    Ok(Json(Page { items: items.into_iter().map(|active| detail(active)).collect(), next }))
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
