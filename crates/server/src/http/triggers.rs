//! Triggers, shown and influenced.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mainstay_api::v1::{
    ChosenCalls, Count, DeadLetter, DisabledView, ErrorKind, NewReplay, Page, ReplayView, SwitchTrigger,
    TargetView, TriggerState, TriggerView, Triggers,
};
use mainstay_detect::Trigger;
use mainstay_detect::delivery::{Counts, TriggerId};
use mainstay_model::Timestamp;
use mainstay_model::access::Permission;
use mainstay_model::problem::nearest;
use serde::Deserialize;
use serde_json::Value;

use super::error::Failure;
use super::extract::{Asked, Body, Once, Path};
use super::lists;
use crate::access::Caller;
use crate::app::App;
use crate::catalogue::Active;
use crate::triggers::{self, Chosen, CommandError, Replay};

/// The most dead letters in one answer.
const MAX_PAGE: usize = 1000;

/// Which triggers.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct OfWorkload {
    /// The workload; needed where several have a trigger of that name.
    workload: Option<String>,
}

/// Which triggers of the list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TriggersQuery {
    /// Those of this workload.
    workload: Option<String>,
    /// Those of workloads that a selector picks by their tags and `workload`, their name: `team=checkout`.
    selector: Option<String>,
    /// States, with commas between them: `on`, `off`, `disabled`.
    state: Option<String>,
    /// Those that have this text in their name or description, in any case of letters.
    contains: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 1000 if not said.
    limit: Option<usize>,
}

/// Which dead letters.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DeadQuery {
    /// Those of this workload.
    workload: Option<String>,
    /// Those of workloads that a selector picks by their tags and `workload`, their name: `team=checkout`.
    selector: Option<String>,
    /// Those of this trigger.
    trigger: Option<String>,
    /// The `next` of the page before.
    #[serde(alias = "after")]
    cursor: Option<String>,
    /// At most so many entries, 1 to 1000, 100 if not said.
    limit: Option<usize>,
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Away => Self::new(ErrorKind::Unavailable, error.to_string()),
            CommandError::Refused(reason) => Self::new(ErrorKind::Conflict, reason),
            CommandError::NotFound { what, name } => Self::not_found(what, &name),
            CommandError::KeyUsed => crate::once::used(),
            CommandError::Store(error) => error.into(),
        }
    }
}

/// `GET /v1/triggers`
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<TriggersQuery>,
) -> Result<Json<Triggers>, Failure> {
    let sight = lists::sight(&app, &caller, query.selector.as_deref())?;
    let states = lists::words(query.state.as_deref(), "state of a trigger", TriggerState::ALL)?;
    let seen = Seen::of(&app).await?;
    let workloads = app.catalogue.now();
    let mut found: Vec<(String, (&Active, &Trigger))> = Vec::new();
    for active in workloads.values() {
        if !sight.sees(Some(active.name()))
            || query.workload.as_deref().is_some_and(|name| name != active.name())
        {
            continue;
        }
        for trigger in active.triggers.values() {
            let text = trigger.description.as_deref().unwrap_or_default();
            if !lists::contains(query.contains.as_deref(), [trigger.name.as_str(), text]) {
                continue;
            }
            if let Some(states) = &states {
                let did = triggers::did(app.journal.as_ref(), active.name(), &trigger.name)?;
                if !states.contains(&state(did.off.is_some(), trigger)) {
                    continue;
                }
            }
            found.push((format!("{}.{}", active.name(), trigger.name), (active, trigger)));
        }
    }
    let Page { items, next } = lists::page(found, query.cursor.as_deref(), query.limit);
    let items = items.into_iter().map(|(active, trigger)| seen.view(&app, active, trigger));
    let items = items.collect::<Result<Vec<TriggerView>, Failure>>()?;
    let behind = triggers::behind(app.journal.as_ref())?;
    Ok(Json(Triggers { items, next, behind }))
}

/// `GET /v1/triggers/{name}`
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Asked(query): Asked<OfWorkload>,
) -> Result<Json<TriggerView>, Failure> {
    let id = find(&app, &caller, &name, query.workload.as_deref())?;
    let seen = Seen::of(&app).await?;
    let active = app.catalogue.get(&id.workload);
    let found = active.as_ref().and_then(|active| Some((active, active.triggers.get(&id.trigger)?)));
    let (active, trigger) = found.ok_or_else(|| Failure::not_found("trigger", &name))?;
    seen.view(&app, active, trigger).map(Json)
}

/// Whether a trigger works: its file may say that it does not, or a person.
fn state(off: bool, trigger: &Trigger) -> &'static str {
    match (off, trigger.enabled) {
        (_, false) => "off",
        (true, true) => "disabled",
        (false, true) => "on",
    }
}

/// What the loop and the table of dead letters say, read once for all triggers.
struct Seen {
    counts: Option<BTreeMap<TriggerId, Counts>>,
    dead: BTreeMap<TriggerId, usize>,
    now: Timestamp,
}

impl Seen {
    async fn of(app: &App) -> Result<Self, Failure> {
        let counts = app.triggers.counts().await;
        let dead = triggers::dead_counts(app.journal.as_ref())?;
        Ok(Self { counts, dead, now: app.clock.now() })
    }

    fn view(&self, app: &App, active: &Active, trigger: &Trigger) -> Result<TriggerView, Failure> {
        let did = triggers::did(app.journal.as_ref(), active.name(), &trigger.name)?;
        let id = TriggerId { workload: active.name().to_owned(), trigger: trigger.name.clone() };
        let counts = self.counts.as_ref().map(|counts| counts.get(&id).copied().unwrap_or_default());
        let state = state(did.off.is_some(), trigger);
        let schedule = trigger.schedule.as_ref();
        let next = schedule.filter(|_| state == "on").and_then(|schedule| {
            let since = did.armed.as_ref().map_or(self.now, |armed| armed.since);
            Some(schedule.next_after(self.now, since)?.plus(schedule.delay(&trigger.name)))
        });
        let written = active.declared.triggers.get(&trigger.name);
        let pattern = written.and_then(|written| written.value.get("EventPattern")).cloned();
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Ok(TriggerView {
            workload: id.workload.clone(),
            trigger: id.trigger.clone(),
            description: trigger.description.clone(),
            state: state.to_owned(),
            disabled: did.off.map(|off| DisabledView { by: off.by, at: off.at, reason: off.reason }),
            targets: trigger
                .targets
                .iter()
                .map(|target| TargetView {
                    id: target.id.clone(),
                    calls: target.to.to_string(),
                    retries: target.retry.retries,
                    max_age_ms: millis(target.retry.max_age),
                })
                .collect(),
            pattern: pattern.unwrap_or(Value::Null),
            schedule: schedule.map(|schedule| match schedule.zone() {
                "UTC" => schedule.text().to_owned(),
                zone => format!("{} {zone}", schedule.text()),
            }),
            next,
            last_match: did.last_match.map(|(_, at)| at),
            last_match_seq: did.last_match.map(|(seq, _)| seq),
            last_result: did.last_result.as_ref().map(|(result, _)| result.clone()),
            last_result_at: did.last_result.map(|(_, at)| at),
            lag_ms: did.lag_ms,
            matched: did.matched,
            throttled: did.throttled,
            skipped: did.skipped,
            replaced: did.replaced,
            delivered: did.delivered,
            failed: did.failed,
            dead: self.dead.get(&id).copied().unwrap_or_default(),
            queued: counts.map(|counts| counts.queued),
            under_way: counts.map(|counts| counts.under_way + counts.running),
            waiting: counts.map(|counts| counts.waiting),
        })
    }
}

/// The trigger of this name; the workload has to be said where several have one.
fn find(app: &App, caller: &Caller, name: &str, workload: Option<&str>) -> Result<TriggerId, Failure> {
    let workloads = app.catalogue.now();
    let sight = caller.sight(&app.catalogue);
    let of_it = || {
        let meant = |name: &str| workload.is_none_or(|wanted| wanted == name) && sight.sees(Some(name));
        workloads.values().filter(move |active| meant(active.name()))
    };
    let found: Vec<&str> =
        of_it().filter(|active| active.triggers.contains_key(name)).map(|active| active.name()).collect();
    match found.as_slice() {
        [one] => Ok(TriggerId { workload: (*one).to_owned(), trigger: name.to_owned() }),
        [] => {
            let known: Vec<&str> =
                of_it().flat_map(|active| active.triggers.keys().map(String::as_str)).collect();
            let failure = Failure::not_found("trigger", name);
            Err(match nearest(name, known.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`mainstay triggers` lists them"),
            })
        }
        several => {
            Err(Failure::new(ErrorKind::Conflict, format!("Several workloads have a trigger `{name}`"))
                .hint(format!("say which: --workload {}", several.join(" or --workload "))))
        }
    }
}

/// `GET /v1/dead-letters`
pub async fn dead(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(query): Asked<DeadQuery>,
) -> Result<Json<Page<DeadLetter>>, Failure> {
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_PAGE);
    let sight = lists::sight(&app, &caller, query.selector.as_deref())?;
    let wanted = |workload: &str, trigger: &str| {
        sight.sees(Some(workload))
            && query.workload.as_deref().is_none_or(|name| name == workload)
            && query.trigger.as_deref().is_none_or(|name| name == trigger)
    };
    let (found, next) = triggers::dead_letters(app.journal.as_ref(), wanted, query.cursor.clone(), limit)?;
    let items = found.into_iter().map(|dead| {
        let triggers::Dead { at, letter } = dead;
        DeadLetter {
            id: letter.id,
            workload: letter.workload,
            trigger: letter.trigger,
            target: letter.target,
            event_seq: letter.event,
            since: letter.since,
            at,
            attempts: letter.attempts,
            reason: letter.reason,
            code: letter.code,
            exhausted: letter.exhausted,
            replay: letter.replay,
        }
    });
    Ok(Json(Page { items: items.collect(), next }))
}

/// What is chosen, if who asks may see to it.
fn chosen(app: &App, caller: &Caller, asked: &ChosenCalls) -> Result<Chosen, Failure> {
    let chosen = choose(app, caller, asked)?;
    let workload = match (&chosen.id, &chosen.trigger) {
        (_, Some(trigger)) => Some(trigger.workload.clone()),
        (Some(id), None) => triggers::dead_letter(app.journal.as_ref(), id)?.map(|dead| dead.letter.workload),
        (None, None) => None,
    };
    // Of a letter that is not there the loop says so.
    if workload.is_some() || !caller.may_somewhere(Permission::Operate) {
        caller.must(Permission::Operate, &app.catalogue, workload.as_deref())?;
    }
    Ok(chosen)
}

fn choose(app: &App, caller: &Caller, asked: &ChosenCalls) -> Result<Chosen, Failure> {
    match (&asked.id, &asked.trigger) {
        (Some(_), Some(_)) | (None, None) => {
            Err(Failure::bad_request("Say either which dead letter by `id`, or of which `trigger`"))
        }
        (Some(id), None) => Ok(Chosen { id: Some(id.clone()), trigger: None }),
        // A trigger that is no longer declared may still have some.
        (None, Some(name)) => match &asked.workload {
            Some(workload) => {
                let id = TriggerId { workload: workload.clone(), trigger: name.clone() };
                Ok(Chosen { id: None, trigger: Some(id) })
            }
            None => Ok(Chosen { id: None, trigger: Some(find(app, caller, name, None)?) }),
        },
    }
}

/// `POST /v1/dead-letters/redrive`
pub async fn redrive(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(asked): Body<ChosenCalls>,
) -> Result<Json<Count>, Failure> {
    if asked.waiting {
        return Err(Failure::bad_request("Calls that wait are tried again by themselves"));
    }
    let count = app.triggers.redrive(chosen(&app, &caller, &asked)?, caller.actor()).await?;
    Ok(Json(Count { count }))
}

/// `POST /v1/dead-letters/drop`
pub async fn drop_letters(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(asked): Body<ChosenCalls>,
) -> Result<Json<Count>, Failure> {
    let chosen = chosen(&app, &caller, &asked)?;
    let count = app.triggers.drop_calls(chosen, asked.waiting, asked.reason, caller.actor()).await?;
    Ok(Json(Count { count }))
}

/// `POST /v1/triggers/{name}/replay`
pub async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller,
    once: Once,
    Path(name): Path<String>,
    Body(asked): Body<NewReplay>,
) -> Result<Json<ReplayView>, Failure> {
    if asked.from > asked.to {
        return Err(Failure::bad_request("The end of the time to replay is before its beginning"));
    }
    let trigger = find(&app, &caller, &name, asked.workload.as_deref())?;
    caller.must(Permission::Operate, &app.catalogue, Some(&trigger.workload))?;
    let once = once.keyed(&app, None, &asked);
    let replay = Replay { trigger, from: asked.from, to: asked.to, dry_run: asked.dry_run, once };
    let told = app.triggers.replay(replay, caller.actor()).await?;
    Ok(Json(ReplayView { replay: told.name, matched: told.matched, circles: told.circles }))
}

/// `POST /v1/triggers/{name}/disable`
pub async fn disable(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(asked): Body<SwitchTrigger>,
) -> Result<Json<TriggerView>, Failure> {
    switch(app, caller, name, asked, false).await
}

/// `POST /v1/triggers/{name}/enable`
pub async fn enable(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(asked): Body<SwitchTrigger>,
) -> Result<Json<TriggerView>, Failure> {
    switch(app, caller, name, asked, true).await
}

async fn switch(
    app: Arc<App>,
    caller: Caller,
    name: String,
    asked: SwitchTrigger,
    enabled: bool,
) -> Result<Json<TriggerView>, Failure> {
    let id = find(&app, &caller, &name, asked.workload.as_deref())?;
    caller.must(Permission::Operate, &app.catalogue, Some(&id.workload))?;
    app.triggers.enable(id.clone(), enabled, asked.reason, caller.actor()).await?;
    let query = OfWorkload { workload: Some(id.workload) };
    get(State(app), caller, Path(name), Asked(query)).await
}
