//! Runs: started, listed, looked at, cancelled, decided.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures::Stream;
use mainstay_api::v1::{
    CancelRun, DecideRun, ErrorKind, Page, ResumeRun, RunDetail, RunSummary, StartRun, Time,
};
use mainstay_model::RunId;
use mainstay_model::access::Permission;
use mainstay_model::event::SOURCE_SERVER;
use mainstay_runbook::{AttemptId, Decision, Origin, Run, RunEvent, RunStatus, Start};
use serde::Deserialize;

use super::error::Failure;
use super::extract::{Asked, Body, Once, Path};
use super::lists;
use crate::access::Caller;
use crate::app::App;
use crate::catalogue::{Active, Procedure};
use crate::once::{self, Keyed};
use crate::{runs, views};

/// How often the output of running commands is looked at.
const OUTPUT_EVERY: Duration = Duration::from_millis(250);

/// A page of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// The `next` of the page before.
    #[serde(alias = "after")]
    cursor: Option<String>,
    /// At most so many entries, 1 to 500, 50 if not said.
    limit: Option<usize>,
    /// States, with commas between them.
    status: Option<String>,
    /// Those that are not over.
    #[serde(default)]
    active: bool,
    /// Those of this procedure.
    procedure: Option<String>,
    /// Those of this workload.
    workload: Option<String>,
    /// Those of workloads that a selector picks by their tags and `workload`, their name: `team=checkout`.
    selector: Option<String>,
    /// Those that started then or later.
    #[param(value_type = Option<Time>)]
    since: Option<mainstay_model::Timestamp>,
}

fn run_id(text: String) -> Result<RunId, Failure> {
    RunId::new(text).map_err(|error| Failure::bad_request(error.to_string()))
}

/// All states of a run.
pub(super) const STATUSES: [RunStatus; 8] = [
    RunStatus::Pending,
    RunStatus::InProgress,
    RunStatus::Waiting,
    RunStatus::Cancelling,
    RunStatus::Success,
    RunStatus::TimedOut,
    RunStatus::Cancelled,
    RunStatus::Failed,
];

fn is_status(word: &str) -> bool {
    STATUSES.iter().any(|status| status.as_str().eq_ignore_ascii_case(word))
}

/// `GET /v1/runs`: newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<Page<RunSummary>>, Failure> {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let wanted = runs::Wanted {
        status: query.status.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect(),
        active: query.active,
        procedure: query.procedure,
        workload: query.workload,
        seen: lists::sight(&app, &caller, query.selector.as_deref())?.only().cloned(),
        since: query.since,
    };
    if let Some(unknown) = wanted.status.iter().find(|word| !is_status(word)) {
        return Err(Failure::bad_request(format!("`{unknown}` is not a status of a run"))
            .hint(format!("there are: {}", STATUSES.map(RunStatus::as_str).join(", "))));
    }
    let journal = app.journal.clone();
    let runs =
        tokio::task::spawn_blocking(move || runs::list(journal.as_ref(), &wanted, query.cursor, limit));
    let runs = runs.await.map_err(|error| Failure::internal("The list could not be made", &error))??;
    let next = (runs.len() == limit).then(|| runs.last().map(|run| run.id.to_string())).flatten();
    Ok(Json(Page { items: runs.iter().map(views::run_summary).collect(), next }))
}

/// What is asked of one run.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct GetQuery {
    /// Whether the inputs and outputs of each attempt are wanted, too.
    #[serde(default)]
    record: bool,
}

/// `GET /v1/runs/{id}`
pub async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Asked(query): Asked<GetQuery>,
) -> Result<Json<RunDetail>, Failure> {
    let id = run_id(id)?;
    let run = find_run(&app, &id)?;
    if !query.record {
        return Ok(Json(views::run_detail(&run)));
    }
    let journal = app.journal.clone();
    let record = tokio::task::spawn_blocking(move || runs::record(journal.as_ref(), &run));
    let record =
        record.await.map_err(|error| Failure::internal("The record could not be read", &error))??;
    Ok(Json(record))
}

fn find_run(app: &App, id: &RunId) -> Result<Run, Failure> {
    runs::run(app.journal.as_ref(), id)?.ok_or_else(|| Failure::not_found("run", id.as_str()))
}

/// `GET /v1/runs/{id}/output`: server-sent events, each a list of what the running commands of the run wrote last. Only
/// what is said from now on: nothing of it is kept. The stream ends with the run.
pub async fn output(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Failure> {
    let id = run_id(id)?;
    find_run(&app, &id)?;
    let stream =
        futures::stream::unfold((app, caller, id, Vec::new()), |(app, caller, id, mut before)| async move {
            loop {
                tokio::select! {
                    () = app.stop.cancelled() => return None,
                    () = tokio::time::sleep(OUTPUT_EVERY) => {}
                }
                if !app.access.still_knows(&caller) {
                    return None;
                }
                let run = find_run(&app, &id).ok().filter(|run| !run.status.is_over())?;
                let now = runs::output(&app.hub, &run);
                if now != before {
                    before = now;
                    let event = SseEvent::default().data(serde_json::to_string(&before).unwrap_or_default());
                    return Some((Ok(event), (app, caller, id, before)));
                }
            }
        });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// `POST /v1/runs`
pub async fn start(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Body(start): Body<StartRun>,
) -> Result<(StatusCode, Json<RunSummary>), Failure> {
    let (active, procedure) = find(&app, &caller, &start)?;
    caller.must(Permission::Run, &app.catalogue, Some(active.name()))?;
    let once = once.keyed(&app, start.client_token.as_deref(), &start);
    let run = new_id("run", once.as_ref(), &caller)?;
    let start = Start {
        run,
        procedure: procedure.name.clone(),
        workload: Some(active.name().to_owned()),
        digest: procedure.digest.clone(),
        parameters: start.parameters,
        at: app.clock.now(),
        by: caller.actor(),
        reason: None,
        cause: None,
        host: None,
        origin: Origin { asked: asked(once.as_ref()), ..Origin::default() },
    };
    let run = app.engine.start(&procedure.document, start, Vec::new()).await?;
    is_what_was_asked(&app, &run, once.as_ref())?;
    Ok((StatusCode::CREATED, Json(views::run_summary(&run))))
}

/// The id of a run that is to begin: the same for the same key of the same caller.
fn new_id(operation: &str, once: Option<&Keyed>, caller: &Caller) -> Result<RunId, Failure> {
    run_id(once::id(operation, &caller.actor(), once))
}

fn asked(once: Option<&Keyed>) -> Option<String> {
    once.map(|keyed| keyed.asked().to_owned())
}

/// That a run under a key is what was asked for: its first event tells.
fn is_what_was_asked(app: &App, run: &Run, once: Option<&Keyed>) -> Result<(), Failure> {
    let Some(keyed) = once else { return Ok(()) };
    let first = app.journal.read_by_id(SOURCE_SERVER, &RunEvent::id_of(&run.id, 1))?;
    first.map_or(Ok(()), |first| keyed.check_event(&first.data))
}

/// The procedure that is meant. The workload may be left out when only one has a procedure of that name.
fn find(app: &App, caller: &Caller, start: &StartRun) -> Result<(Arc<Active>, Arc<Procedure>), Failure> {
    let sight = caller.sight(&app.catalogue);
    let mut workloads = (*app.catalogue.now()).clone();
    workloads.retain(|name, _| sight.sees(Some(name)));
    if let Some(name) = &start.workload
        && !workloads.contains_key(name)
    {
        return Err(Failure::not_found("workload", name));
    }
    let meant = |active: &&Arc<Active>| start.workload.as_deref().is_none_or(|name| name == active.name());
    let mut found: Vec<(Arc<Active>, Arc<Procedure>)> = workloads
        .values()
        .filter(meant)
        .filter_map(|active| Some((active.clone(), active.procedures.get(&start.procedure)?.clone())))
        .collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let known: Vec<&str> = workloads
                .values()
                .filter(meant)
                .flat_map(|active| active.procedures.keys().map(String::as_str))
                .collect();
            let failure = Failure::not_found("procedure", &start.procedure);
            Err(match mainstay_model::problem::nearest(&start.procedure, known.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None if known.is_empty() => {
                    failure.hint("no workload has been applied; see `mainstay apply`")
                }
                None => failure.hint(format!("there are: {}", known.join(", "))),
            })
        }
        _ => Err(Failure::new(
            ErrorKind::BadRequest,
            format!("Several workloads have a procedure `{}`", start.procedure),
        )
        .hint("say which one with `workload`")),
    }
}

/// `POST /v1/runs/{id}/resume`: a new run that goes on with one that is over.
pub async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Path(id): Path<String>,
    Body(resume): Body<ResumeRun>,
) -> Result<(StatusCode, Json<RunSummary>), Failure> {
    let id = run_id(id)?;
    let once = once.keyed(&app, resume.client_token.as_deref(), &resume);
    let new = new_id("resumed run", once.as_ref(), &caller)?;
    let asked = asked(once.as_ref());
    let run = app.engine.resume(&id, &resume.from, new, caller.actor(), asked).await?;
    is_what_was_asked(&app, &run, once.as_ref())?;
    Ok((StatusCode::CREATED, Json(views::run_summary(&run))))
}

/// `POST /v1/runs/{id}/cancel`
pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(cancel): Body<CancelRun>,
) -> Result<Json<RunSummary>, Failure> {
    let id = run_id(id)?;
    let reason = cancel.reason.unwrap_or_else(|| "Cancelled by a person".to_owned());
    app.engine.cancel(&id, caller.actor(), reason)?;
    summary(&app, &id)
}

/// `POST /v1/runs/{id}/decide`
pub async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(decide): Body<DecideRun>,
) -> Result<Json<RunSummary>, Failure> {
    let id = run_id(id)?;
    let run = find_run(&app, &id)?;
    let attempt: AttemptId = match run.waiting() {
        Some((attempt, _)) => attempt.clone(),
        None => {
            let failure = Failure::new(ErrorKind::Conflict, format!("Run {id} does not wait for a decision"));
            return Err(match run.open_child() {
                Some(child) => failure.hint(format!("it waits for run {}: decide about that one", child.run)),
                None => failure,
            });
        }
    };
    let decision = match decide {
        DecideRun::Succeeded { outputs } => Decision::Succeeded { outputs },
        DecideRun::Failed { message } => Decision::Failed { message },
        DecideRun::Retry {} => Decision::Retry,
    };
    app.engine.decide(&id, attempt, caller.actor(), decision)?;
    summary(&app, &id)
}

fn summary(app: &App, id: &RunId) -> Result<Json<RunSummary>, Failure> {
    Ok(Json(views::run_summary(&find_run(app, id)?)))
}
