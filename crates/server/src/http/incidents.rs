//! Alarms and incidents, shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{AlarmView, IncidentDetail, IncidentSummary, Page, TimelineEntry};
use mainstay_detect::{AlarmState, Condition, Labels};
use mainstay_respond::{Incident, Status};
use serde::Deserialize;

use super::error::Failure;
use super::extract::{Asked, Path};
use crate::access::Caller;
use crate::analysis::{self, Story};
use crate::app::App;
use crate::catalogue::Active;
use crate::incidents::{self, IncidentRow};

/// A page of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// The `next` of the page before.
    #[serde(alias = "after")]
    cursor: Option<String>,
    /// At most so many entries, 1 to 500, 50 if not said.
    limit: Option<usize>,
}

/// `GET /v1/alarms`: every alarm of every workload, with one entry for each label set that holds.
pub async fn alarms(State(app): State<Arc<App>>, caller: Caller) -> Json<Page<AlarmView>> {
    let sight = caller.sight(&app.catalogue);
    let mut items = Vec::new();
    for active in app.catalogue.now().values().filter(|active| sight.sees(Some(active.name()))) {
        for group in &active.groups {
            let state = app.evaluator.state(active.name(), &group.key()).unwrap_or_default();
            for (index, rule) in mainstay_detect::alarm::alarms(&group.group) {
                items.extend(views(active, &rule.alert, state.of(&group.group, index)));
            }
        }
    }
    Json(Page { items, next: None })
}

fn words(condition: Condition) -> &'static str {
    match condition {
        Condition::Unknown => "not evaluated",
        Condition::NoData => "no data",
        Condition::Resolved => "inactive",
        other => other.as_str(),
    }
}

fn views(active: &Active, alarm: &str, state: Option<&AlarmState>) -> Vec<AlarmView> {
    let whole = AlarmView {
        workload: active.name().to_owned(),
        alarm: alarm.to_owned(),
        state: words(state.map_or(Condition::Unknown, AlarmState::shown)).to_owned(),
        labels: Labels::new(),
        annotations: Labels::new(),
        value: None,
        since: state.and_then(|state| state.since),
        error: state.and_then(|state| state.error.clone()),
    };
    let Some(state) = state else { return vec![whole] };
    let held: Vec<AlarmView> = state
        .instances
        .iter()
        .filter(|instance| {
            matches!(instance.condition, Condition::Pending | Condition::Firing | Condition::NoData)
        })
        .map(|instance| AlarmView {
            state: words(instance.condition).to_owned(),
            labels: instance.labels.iter().filter(|(name, _)| *name != "alertname").map(clone).collect(),
            annotations: instance.annotations.clone(),
            value: Some(instance.value).filter(|value| value.is_finite()),
            since: match instance.condition {
                Condition::Firing => instance.fired_at,
                _ => Some(instance.active_at),
            },
            ..whole.clone()
        })
        .collect();
    if held.is_empty() { vec![whole] } else { held }
}

fn clone((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// `GET /v1/incidents`: newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<Page<IncidentSummary>>, Failure> {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let sight = caller.sight(&app.catalogue);
    let wanted = |incident: &Incident| sight.sees(Some(&incident.workload));
    let rows = incidents::newest(app.journal.as_ref(), wanted, query.cursor, limit)?;
    let next = (rows.len() == limit).then(|| rows.last().map(|row| row.incident.id.to_string())).flatten();
    Ok(Json(Page { items: rows.iter().map(|row| summary(&app, &row.incident)).collect(), next }))
}

/// `GET /v1/incidents/{id}`
pub async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Failure> {
    let row =
        incidents::get(app.journal.as_ref(), &id)?.ok_or_else(|| Failure::not_found("incident", &id))?;
    let parts = app.clone();
    tokio::task::spawn_blocking(move || detail(&parts, &row))
        .await
        .map_err(|error| Failure::internal("The incident could not be read", &error))?
        .map(Json)
}

fn detail(app: &App, row: &IncidentRow) -> Result<IncidentDetail, Failure> {
    let story = Story::read(app.journal.as_ref(), row)?;
    let timeline = story
        .entries
        .iter()
        .map(|entry| TimelineEntry {
            at: entry.at,
            offset_ms: entry.offset_ms,
            actor: entry.actor.clone(),
            text: entry.text.clone(),
            seq: entry.event_seq,
        })
        .collect();
    let draft = (row.incident.status == Status::Resolved)
        .then(|| story.draft(app.catalogue.get(&row.incident.workload).as_deref()));
    Ok(IncidentDetail {
        summary: summary(app, &row.incident),
        times: analysis::times_view(&story.times),
        timeline,
        draft,
        draft_path: row.draft_path.clone(),
    })
}

fn summary(app: &App, incident: &Incident) -> IncidentSummary {
    let goals = incidents::goals(&app.catalogue, &incident.workload);
    IncidentSummary {
        id: incident.id.to_string(),
        workload: incident.workload.clone(),
        title: incident.title.clone(),
        status: incident.status.as_str().to_owned(),
        opened_at: incident.opened_at,
        resolved_at: incident.resolved_at,
        alarms: incident
            .alarms
            .iter()
            .map(|(key, alarm)| (key.clone(), alarm.state.as_str().to_owned()))
            .collect(),
        runs: incident.runs.keys().cloned().collect(),
        waiting_for: match incident.status {
            Status::Open => incident.waiting_for(&goals),
            Status::Resolved => Vec::new(),
        },
    }
}
