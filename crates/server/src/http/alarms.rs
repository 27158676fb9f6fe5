//! Alarms, shown and taken in hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{AcknowledgeAlarm, AlarmState, AlarmView, Page};
use serde::Deserialize;

use super::error::Failure;
use super::extract::{Asked, Body, Path};
use super::lists;
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
    /// Those that a selector picks by their labels, `alertname` and `workload`: `severity=page,zone in (a,b)`.
    selector: Option<String>,
    /// Those that have this text in their name or the value of a label, in any case of letters.
    contains: Option<String>,
    /// `name`, the default: by workload, name and labels; or `state`: those that fire first, then those of which nothing is
    /// known, then those that are pending.
    sort: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 1000 if not said.
    limit: Option<usize>,
}

/// How much a state needs a look.
fn rank(state: &str) -> u8 {
    match state {
        "firing" => 0,
        "error" | "no data" => 1,
        "pending" => 2,
        "not evaluated" => 3,
        _ => 4,
    }
}

/// Where an alarm stands in the list.
fn key(one: &Shown, by_state: bool) -> String {
    let AlarmView { workload, alarm, labels, state, .. } = &one.view;
    let rank = if by_state { rank(state) } else { 0 };
    let labels = blake3::hash(format!("{labels:?}").as_bytes()).to_hex();
    format!("{rank}.{workload}.{alarm}.{}", &labels[..16])
}

/// `GET /v1/alarms`: every alarm of every workload, with one entry for each label set that holds.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<AlarmsQuery>,
) -> Result<Json<Page<AlarmView>>, Failure> {
    let states = lists::words(query.state.as_deref(), "state of an alarm", AlarmState::ALL)?;
    let selector = lists::selector(query.selector.as_deref())?;
    let sort = lists::words(query.sort.as_deref(), "way to sort alarms", &["name", "state"])?;
    let by_state = sort.is_some_and(|words| words.contains(&"state"));
    let sight = caller.sight(&app.catalogue);
    let workloads = app.catalogue.now();
    let is_asked_for = |name: &str| query.workload.as_deref().is_none_or(|wanted| wanted == name);
    let seen =
        workloads.values().filter(|active| sight.sees(Some(active.name())) && is_asked_for(active.name()));
    let is_wanted = |one: &Shown| {
        let AlarmView { workload, alarm, labels, state, .. } = &one.view;
        let label = |name: &str| match name {
            "alertname" => Some(alarm.as_str()),
            "workload" => Some(workload.as_str()),
            _ => labels.get(name).map(String::as_str),
        };
        states.as_ref().is_none_or(|states| states.contains(&state.as_str()))
            && selector.as_ref().is_none_or(|selector| selector.matches_by(label))
            && lists::contains(
                query.contains.as_deref(),
                std::iter::once(alarm.as_str()).chain(labels.values().map(String::as_str)),
            )
    };
    let shown = seen.flat_map(|active| of_workload(&app, active)).filter(is_wanted);
    let keyed = shown.map(|one| (key(&one, by_state), one)).collect();
    let Page { items: mut shown, next } = lists::page(keyed, query.cursor.as_deref(), query.limit);
    complete(&app, &mut shown)?;
    Ok(Json(Page { items: shown.into_iter().map(|one| one.view).collect(), next }))
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
