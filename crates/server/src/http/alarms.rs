//! Alarms, shown and taken in hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{AcknowledgeAlarm, AlarmView, Page};
use serde::Deserialize;

use super::error::Failure;
use super::extract::{Asked, Body, Path};
use crate::access::Caller;
use crate::alarms::{Shown, complete, of_workload};
use crate::app::App;
use crate::responses;

/// Which alarms.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AlarmsQuery {
    /// States, with commas between them: `firing,pending`.
    state: Option<String>,
    /// Those of this workload.
    workload: Option<String>,
}

/// `GET /v1/alarms`: every alarm of every workload, with one entry for each label set that holds.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<AlarmsQuery>,
) -> Result<Json<Page<AlarmView>>, Failure> {
    let states: Option<Vec<&str>> =
        query.state.as_deref().map(|text| text.split(',').map(str::trim).collect());
    let sight = caller.sight(&app.catalogue);
    let workloads = app.catalogue.now();
    let is_asked_for = |name: &str| query.workload.as_deref().is_none_or(|wanted| wanted == name);
    let seen =
        workloads.values().filter(|active| sight.sees(Some(active.name())) && is_asked_for(active.name()));
    let mut shown: Vec<Shown> = seen.flat_map(|active| of_workload(&app, active)).collect();
    shown.retain(|one| states.as_ref().is_none_or(|states| states.contains(&one.view.state.as_str())));
    complete(&app, &mut shown)?;
    let items = shown.into_iter().map(|one| one.view).collect();
    Ok(Json(Page { items, next: None }))
}

/// `POST /v1/alarms/{workload}/{alarm}/acknowledge`
pub async fn acknowledge(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((workload, alarm)): Path<(String, String)>,
    Body(said): Body<AcknowledgeAlarm>,
) -> Result<Json<Page<AlarmView>>, Failure> {
    let items = responses::acknowledge_alarm(&app, &workload, &alarm, said, &caller.actor()).await?;
    Ok(Json(Page { items, next: None }))
}
