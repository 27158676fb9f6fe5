//! Incidents and silences, shown and seen to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mainstay_api::v1::{
    Acknowledge, IncidentDetail, IncidentSummary, NewNote, NewSilence, NoteView, Page, ResolveIncident,
    ResolvedView, SilenceState, SilenceView, TimelineEntry,
};
use mainstay_model::access::Permission;
use mainstay_respond::{Incident, Status};
use serde::Deserialize;

use super::error::Failure;
use super::etag::IfMatch;
use super::extract::{Asked, Body, Once, Path};
use super::lists;
use crate::access::Caller;
use crate::analysis::{self, Story};
use crate::app::App;
use crate::incidents::{self, IncidentRow};
use crate::responses;

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
    /// Those of workloads that a selector picks by their tags and `workload`, their name: `team=checkout`.
    selector: Option<String>,
}

/// `GET /v1/incidents`: newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<Page<IncidentSummary>>, Failure> {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let sight = lists::sight(&app, &caller, query.selector.as_deref())?;
    if let Some(word) = query.status.as_deref().filter(|word| !["open", "resolved"].contains(word)) {
        return Err(Failure::bad_request(format!("`{word}` is not a status of an incident"))
            .hint("give open or resolved"));
    }
    let wanted = |incident: &Incident| {
        sight.sees(Some(&incident.workload))
            && query.status.as_deref().is_none_or(|word| word == incident.status.as_str())
            && query.workload.as_deref().is_none_or(|name| name == incident.workload)
    };
    let kind = match (query.status.as_deref(), &query.workload) {
        (Some("open"), _) => incidents::Kind::Open,
        (_, Some(workload)) => incidents::Kind::Of(workload),
        (_, None) => incidents::Kind::All,
    };
    let mut rows = incidents::newest(app.journal.as_ref(), kind, wanted, query.cursor, limit + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.incident.id.to_string());
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
            kind: entry.kind.clone(),
            subject: entry.subject.clone(),
            outcome: entry.outcome.clone(),
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

/// `POST /v1/incidents/{id}/resolve`
pub async fn resolve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(said): Body<ResolveIncident>,
) -> Result<Json<IncidentSummary>, Failure> {
    responses::resolve(&app, &id, &said, &caller.actor()).await?;
    summary(&app, &responses::incident(&app, &id)?.incident).map(Json)
}

/// `POST /v1/incidents/{id}/notes`
pub async fn note(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Path(id): Path<String>,
    Body(new): Body<NewNote>,
) -> Result<(StatusCode, Json<NoteView>), Failure> {
    let once = once.keyed(&app, new.client_token.as_deref(), &new);
    let note = responses::note(&app, &id, new, once, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(note)))
}

/// Which silences.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SilencesQuery {
    /// Those that are over, too.
    #[serde(default)]
    all: bool,
    /// Those of this workload.
    workload: Option<String>,
    /// Those of workloads that a selector picks by their tags and `workload`, their name: `team=checkout`.
    selector: Option<String>,
    /// States, with commas between them: `pending`, `active`, `expired`; goes before `all`.
    state: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 1000 if not said.
    limit: Option<usize>,
}

/// `GET /v1/silences`: newest first.
pub async fn silences(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<SilencesQuery>,
) -> Result<Json<Page<SilenceView>>, Failure> {
    let sight = lists::sight(&app, &caller, query.selector.as_deref())?;
    let states = lists::words(query.state.as_deref(), "state of a silence", SilenceState::ALL)?;
    let is_wanted = |silence: &SilenceView| {
        sight.sees(silence.workload.as_deref())
            && query.workload.is_none() | (query.workload == silence.workload)
            && match &states {
                Some(states) => states.contains(&silence.state.as_str()),
                None => query.all || silence.state != "expired",
            }
    };
    let limit = lists::limit(query.limit);
    let mut items = responses::silences(&app, is_wanted, query.cursor, limit + 1)?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|silence| silence.id.clone());
    Ok(Json(Page { items, next }))
}

/// `POST /v1/silences`
pub async fn silence(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Body(new): Body<NewSilence>,
) -> Result<(StatusCode, Json<SilenceView>), Failure> {
    let once = once.keyed(&app, new.client_token.as_deref(), &new);
    caller.must(Permission::Respond, &app.catalogue, new.workload.as_deref())?;
    let made = responses::create(&app, new, once, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /v1/silences/{id}`
pub async fn get_silence(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SilenceView>, Failure> {
    let known = responses::silence(&app, &id)?;
    caller.must(Permission::Read, &app.catalogue, known.workload.as_deref())?;
    Ok(Json(known))
}

/// `POST /v1/silences/{id}/expire`
pub async fn expire(
    State(app): State<Arc<App>>,
    caller: Caller,
    expected: IfMatch,
    Path(id): Path<String>,
) -> Result<Json<SilenceView>, Failure> {
    let known = responses::silence(&app, &id)?;
    caller.must(Permission::Respond, &app.catalogue, known.workload.as_deref())?;
    expected.check(&known)?;
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
        resolved_by: incident.by_hand.as_ref().map(|known| ResolvedView {
            by: known.by.clone(),
            reason: known.message.clone(),
            waited_for: known.waited_for.clone(),
        }),
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
