//! Plans, changes and revisions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{ChangeDetail, ChangeSummary, Decide, NewRevision, Page, PlanView, RevisionDetail};
use mainstay_declare::Workload;
use mainstay_model::access::Permission;
use mainstay_model::{HostId, Tags};
use serde::Deserialize;

use super::error::Failure;
use super::extract::{Asked, Body, Path};
use super::lists;
use crate::access::Caller;
use crate::app::App;
use crate::apply::SeesHost;
use crate::{changes, overview, revisions};

/// A page of the history.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Those of this workload.
    workload: Option<String>,
    /// Those of workloads that a selector picks by their tags and `workload`, their name: `team=checkout`.
    selector: Option<String>,
    /// The `next` of the page before.
    #[serde(alias = "after")]
    cursor: Option<String>,
    /// At most so many entries, 1 to 500, 50 if not said.
    limit: Option<usize>,
}

/// `POST /v1/plans`: what applying the files would do. Changes nothing.
pub async fn plan(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(new): Body<NewRevision>,
) -> Result<Json<PlanView>, Failure> {
    let may = |declared: &Workload| caller.must_declare(Permission::Read, &app.catalogue, declared);
    // A plan by who may not apply it is no way to find out which hosts there are.
    let sees = |declared: &Workload| {
        let applies = caller.must_declare(Permission::Apply, &app.catalogue, declared).is_ok();
        let all = applies || caller.may_to_all(Permission::Read);
        let caller = caller.clone();
        (!all)
            .then(|| Box::new(move |id: &HostId, tags: &Tags| overview::sees(&caller)(id, tags)) as SeesHost)
    };
    app.applier.plan(new, &may, &sees).await.map(Json)
}

/// `GET /v1/changes`: newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<HistoryQuery>,
) -> Result<Json<Page<ChangeSummary>>, Failure> {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let sight = lists::sight(&app, &caller, query.selector.as_deref())?;
    let journal = app.journal.clone();
    let work = move || {
        let wanted = |name: &str| {
            query.workload.as_deref().is_none_or(|asked| asked == name) && sight.sees(Some(name))
        };
        changes::newest(journal.as_ref(), wanted, query.cursor, limit)
    };
    let records = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::internal("The list could not be made", &error))??;
    let last = records.last().map(|record| record.about.change.clone());
    let next = last.filter(|_| records.len() == limit);
    Ok(Json(Page { items: records.iter().map(changes::summary).collect(), next }))
}

/// `GET /v1/changes/{id}`
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<ChangeDetail>, Failure> {
    let record =
        changes::change(app.journal.as_ref(), &id)?.ok_or_else(|| Failure::not_found("change", &id))?;
    Ok(Json(changes::detail(&record)))
}

/// `POST /v1/changes/{id}/approve`
pub async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(decide): Body<Decide>,
) -> Result<Json<ChangeSummary>, Failure> {
    let record = app.changes.approve(&id, caller.actor(), decide.message, decide.own).await?;
    Ok(Json(changes::summary(&record)))
}

/// `POST /v1/changes/{id}/refuse`: ends a change that is held, stops one that is being carried out.
pub async fn refuse(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(decide): Body<Decide>,
) -> Result<Json<ChangeSummary>, Failure> {
    let record = app.changes.refuse(&id, caller.actor(), decide.message).await?;
    Ok(Json(changes::summary(&record)))
}

/// `GET /v1/revisions/{id}`
pub async fn revision(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<RevisionDetail>, Failure> {
    let found = revisions::revision(app.journal.as_ref(), &id)?;
    let revision = found.ok_or_else(|| Failure::not_found("revision", &id))?;
    let current = app.catalogue.get(&revision.workload);
    Ok(Json(RevisionDetail {
        current: current.is_some_and(|active| active.revision.revision == revision.revision),
        workload: revision.workload,
        revision: revision.revision.to_string(),
        parent: revision.parent.map(|parent| parent.to_string()),
        digest: revision.digest,
        directory: revision.directory,
        at: revision.applied_at,
        by: revision.applied_by.to_string(),
        message: revision.message,
        files: revision.files,
    }))
}
