//! Alarms and incidents, shown.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mainstay_api::v1::{
    Acknowledge, AlarmView, IncidentDetail, IncidentSummary, NewNote, NewSilence, NoteView, Page,
    SilenceView, TimelineEntry,
};
use mainstay_detect::{AlarmState, Condition, Labels};
use mainstay_model::access::Permission;
use mainstay_respond::{Incident, Status};
use serde::Deserialize;

use super::error::Failure;
use super::extract::{Asked, Body, Once, Path};
use crate::access::Caller;
use crate::analysis::{self, Story};
use crate::app::App;
use crate::catalogue::Active;
use crate::incidents::{self, IncidentRow};
use crate::responses::{self, Silences};

/// A page of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// The `next` of the page before.
    #[serde(alias = "after")]
    cursor: Option<String>,
    /// At most so many entries, 1 to 500, 50 if not said.
    limit: Option<usize>,
    /// `open` or `resolved`.
    status: Option<String>,
    /// Those of this workload.
    workload: Option<String>,
}

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
pub async fn alarms(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<AlarmsQuery>,
) -> Result<Json<Page<AlarmView>>, Failure> {
    let silences = Silences::at(app.journal.as_ref(), app.clock.now())?;
    let states: Option<Vec<&str>> =
        query.state.as_deref().map(|text| text.split(',').map(str::trim).collect());
    let sight = caller.sight(&app.catalogue);
    let mut items = Vec::new();
    let mut open = BTreeMap::new();
    for active in app.catalogue.now().values().filter(|active| sight.sees(Some(active.name()))) {
        for group in &active.groups {
            let state = app.evaluator.state(active.name(), &group.key()).unwrap_or_default();
            for (index, rule) in mainstay_detect::alarm::alarms(&group.group) {
                items.extend(views(active, &rule.alert, state.of(&group.group, index)));
            }
        }
    }
    items.retain(|view| {
        query.workload.as_deref().is_none_or(|name| name == view.workload)
            && states.as_ref().is_none_or(|states| states.contains(&view.state.as_str()))
    });
    for view in &mut items {
        view.silenced_by = silences.of(&view.workload, &view.alarm, &view.labels).map(str::to_owned);
        let incident = match open.entry(view.workload.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(incidents::desk(app.journal.as_ref(), &view.workload)?.open),
        };
        let is_of = |one: &mainstay_respond::Alarm| {
            one.alarm == view.alarm
                && one.labels.iter().filter(|(name, _)| *name != "alertname").eq(&view.labels)
        };
        view.incident = incident
            .as_ref()
            .filter(|incident| incident.alarms.values().any(is_of))
            .map(|incident| incident.id.to_string());
    }
    Ok(Json(Page { items, next: None }))
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
        silenced_by: None,
        incident: None,
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
    if let Some(word) = query.status.as_deref().filter(|word| !["open", "resolved"].contains(word)) {
        return Err(Failure::bad_request(format!("`{word}` is not a status of an incident"))
            .hint("give open or resolved"));
    }
    let wanted = |incident: &Incident| {
        sight.sees(Some(&incident.workload))
            && query.status.as_deref().is_none_or(|word| word == incident.status.as_str())
            && query.workload.as_deref().is_none_or(|name| name == incident.workload)
    };
    let rows = incidents::newest(app.journal.as_ref(), wanted, query.cursor, limit)?;
    let next = (rows.len() == limit).then(|| rows.last().map(|row| row.incident.id.to_string())).flatten();
    let items = rows.iter().map(|row| summary(&app, &row.incident)).collect::<Result<_, Failure>>()?;
    Ok(Json(Page { items, next }))
}

/// `GET /v1/incidents/{id}`
pub async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Failure> {
    let row = responses::incident(&app, &id)?;
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
        summary: summary(app, &row.incident)?,
        notes: responses::said(app.journal.as_ref(), row.incident.id.as_str())?.notes(),
        times: analysis::times_view(&story.times),
        timeline,
        draft,
        draft_path: row.draft_path.clone(),
    })
}

/// `POST /v1/incidents/{id}/acknowledge`
pub async fn acknowledge(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(said): Body<Acknowledge>,
) -> Result<Json<IncidentSummary>, Failure> {
    responses::acknowledge(&app, &id, said.message, &caller.actor()).await?;
    summary(&app, &responses::incident(&app, &id)?.incident).map(Json)
}

/// `POST /v1/incidents/{id}/notes`
pub async fn note(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Path(id): Path<String>,
    Body(mut new): Body<NewNote>,
) -> Result<(StatusCode, Json<NoteView>), Failure> {
    new.client_token = once.or(new.client_token);
    let note = responses::note(&app, &id, new, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(note)))
}

/// Which silences.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SilencesQuery {
    /// Those that are over, too.
    #[serde(default)]
    all: bool,
}

/// `GET /v1/silences`: newest first.
pub async fn silences(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<SilencesQuery>,
) -> Result<Json<Page<SilenceView>>, Failure> {
    let sight = caller.sight(&app.catalogue);
    let mut items = responses::silences(&app, query.all)?;
    items.retain(|silence| sight.sees(silence.workload.as_deref()));
    Ok(Json(Page { items, next: None }))
}

/// `POST /v1/silences`
pub async fn silence(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Body(mut new): Body<NewSilence>,
) -> Result<(StatusCode, Json<SilenceView>), Failure> {
    new.client_token = once.or(new.client_token);
    caller.must(Permission::Respond, &app.catalogue, new.workload.as_deref())?;
    let made = responses::create(&app, new, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `POST /v1/silences/{id}/expire`
pub async fn expire(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SilenceView>, Failure> {
    let known = responses::silence(&app, &id)?;
    caller.must(Permission::Respond, &app.catalogue, known.workload.as_deref())?;
    responses::expire(&app, &id, &caller.actor()).await.map(Json)
}

fn summary(app: &App, incident: &Incident) -> Result<IncidentSummary, Failure> {
    let goals = incidents::goals(&app.catalogue, &incident.workload);
    Ok(IncidentSummary {
        acknowledged: responses::said(app.journal.as_ref(), incident.id.as_str())?.acknowledged(),
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
    })
}
