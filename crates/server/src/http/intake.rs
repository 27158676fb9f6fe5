//! Events taken in: CloudEvents in their three forms, the entries of EventBridge, and what the sources of workloads send.
//! The answer comes when the events are durable.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use mainstay_api::v1::{ErrorKind, EventView};
use mainstay_declare::SourceKind;
use mainstay_model::access::Permission;
use mainstay_model::{Event, EventDraft, Timestamp, json};
use serde_json::{Map, Value, json};

use super::error::Failure;
use super::extract::{self, Path, percent_decoded};
use crate::access::Caller;
use crate::app::App;
use crate::intake::events::{self, Fault};
use crate::intake::hooks::{self, Refusal};
use crate::intake::{LEVELS, MAX_EVENTS, Sender, not_kept};

/// How many faults are listed.
const MAX_FAULTS: usize = 20;

/// How a body says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One CloudEvent as JSON.
    Structured,
    /// A list of them.
    Batch,
    /// One CloudEvent with its attributes in headers.
    Binary,
    /// Entries of EventBridge.
    Entries,
}

fn media_type(headers: &HeaderMap) -> Result<String, Failure> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let charset =
        value.split(';').skip(1).find_map(|part| part.trim().strip_prefix("charset=").map(str::trim));
    match charset.map(|charset| charset.trim_matches('"').to_ascii_lowercase()) {
        Some(charset) if charset != "utf-8" && charset != "us-ascii" => {
            Err(Failure::new(ErrorKind::Unsupported, format!("The charset `{charset}` is not known"))
                .hint("send UTF-8"))
        }
        _ => Ok(extract::media_type(headers).unwrap_or_default()),
    }
}

fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let media_type = media_type(headers)?;
    match media_type.as_str() {
        "application/cloudevents-batch+json" => Ok(Form::Batch),
        "application/cloudevents+json" => Ok(Form::Structured),
        _ if headers.contains_key("ce-specversion") => Ok(Form::Binary),
        "application/x-amz-json-1.1" => Ok(Form::Entries),
        "application/json" => Ok(Form::Structured),
        other if other.starts_with("application/cloudevents") => {
            Err(Failure::new(ErrorKind::Unsupported, format!("The format `{other}` is not known"))
                .hint("send `application/cloudevents+json` or `application/cloudevents-batch+json`"))
        }
        "" => Err(Failure::new(ErrorKind::Unsupported, "There is no `Content-Type`")
            .hint("send `Content-Type: application/cloudevents+json`, or attributes in `ce-` headers")),
        other => Err(Failure::new(ErrorKind::Unsupported, format!("`{other}` is not known to be events"))
            .hint("send `Content-Type: application/cloudevents+json`, or attributes in `ce-` headers")),
    }
}

fn not_json(fault: &json::Fault) -> Failure {
    let mut failure = Failure::bad_request("The body is refused");
    failure.0.causes = vec![not_kept(fault)];
    failure
}

fn faulty(faults: &[Fault]) -> Failure {
    let title = match faults {
        [_] => "The event is refused".to_owned(),
        many => format!("{} faults, and nothing of it is taken", many.len()),
    };
    let mut failure = Failure::bad_request(title);
    failure.0.causes =
        faults.iter().take(MAX_FAULTS).map(|fault| format!("`{}`: {}", fault.at, fault.message)).collect();
    if faults.len() > MAX_FAULTS {
        failure.0.causes.push(format!("and {} more", faults.len() - MAX_FAULTS));
    }
    failure.0.hint = faults.iter().find_map(|fault| fault.hint).map(str::to_owned);
    failure
}

/// What was understood.
enum Said {
    One(EventDraft),
    Many(Vec<EventDraft>),
    Entries(Vec<Result<EventDraft, (&'static str, String)>>),
}

fn too_many(count: usize) -> Result<(), Failure> {
    if count <= MAX_EVENTS {
        return Ok(());
    }
    Err(Failure::new(
        ErrorKind::TooLarge,
        format!("There are {count} events, {MAX_EVENTS} are the most at once"),
    ))
}

fn understand(form: Form, headers: &HeaderMap, bytes: &[u8], now: Timestamp) -> Result<Said, Failure> {
    if form == Form::Binary {
        let map = binary(headers, bytes)?;
        return events::cloud_event(map, now).map(Said::One).map_err(|fault| faulty(&[fault]));
    }
    match (form, json::read(bytes, LEVELS).map_err(|fault| not_json(&fault))?) {
        (Form::Batch, Value::Array(items)) => batch(items, now),
        (Form::Structured | Form::Entries, Value::Object(mut map)) if map.contains_key("Entries") => {
            let entries = map.remove("Entries");
            if let Some(key) = map.keys().find(|key| *key != "EndpointId") {
                return Err(faulty(&[Fault::new(key, "`PutEvents` has `Entries` only")]));
            }
            let Some(Value::Array(entries)) = entries else {
                return Err(faulty(&[Fault::new("Entries", "expected a list")]));
            };
            too_many(entries.len())?;
            if entries.is_empty() {
                return Err(faulty(&[Fault::new("Entries", "it is empty")]));
            }
            Ok(Said::Entries(entries.iter().map(|entry| events::entry(entry, now)).collect()))
        }
        (Form::Entries, _) => Err(faulty(&[Fault::new("Entries", "it is missing")])),
        (Form::Structured, Value::Object(map)) => {
            events::cloud_event(map, now).map(Said::One).map_err(|fault| faulty(&[fault]))
        }
        (Form::Structured, Value::Array(_)) => Err(Failure::bad_request("A list of events is a batch")
            .hint("send `Content-Type: application/cloudevents-batch+json`")),
        (Form::Batch, _) => Err(Failure::bad_request("A batch is a list of events")
            .hint("send one event with `Content-Type: application/cloudevents+json`")),
        (Form::Structured | Form::Binary, _) => Err(Failure::bad_request("An event is a JSON object")),
    }
}

fn batch(items: Vec<Value>, now: Timestamp) -> Result<Said, Failure> {
    too_many(items.len())?;
    let (mut drafts, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let read = match item {
            Value::Object(map) => events::cloud_event(map, now),
            _ => Err(Fault::new("", "an event is an object")),
        };
        match read {
            Ok(draft) => drafts.push(draft),
            Err(fault) => {
                let at = format!("[{index}].{}", fault.at);
                faults.push(Fault { at: at.trim_end_matches('.').to_owned(), ..fault });
            }
        }
    }
    if faults.is_empty() { Ok(Said::Many(drafts)) } else { Err(faulty(&faults)) }
}

/// The attributes of `ce-` headers, and the body as the data.
fn binary(headers: &HeaderMap, bytes: &[u8]) -> Result<Map<String, Value>, Failure> {
    let mut map = Map::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let value = value.to_str().ok().and_then(percent_decoded);
        let Some(value) = value else {
            return Err(faulty(&[Fault::new(format!("ce-{name}"), "it is not text")]));
        };
        if map.insert(name.to_owned(), value.into()).is_some() {
            return Err(faulty(&[Fault::new(format!("ce-{name}"), "the header is there twice")]));
        }
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(media_type) = media_type {
        map.insert("datacontenttype".to_owned(), media_type.into());
    }
    if bytes.is_empty() {
        return Ok(map);
    }
    let is_json = media_type.is_none_or(events::is_json);
    let data = match std::str::from_utf8(bytes) {
        _ if is_json => json::read(bytes, LEVELS).map_err(|fault| not_json(&fault))?,
        Ok(text) if media_type.is_some_and(|kind| kind.starts_with("text/")) => text.into(),
        _ => {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            map.insert("data_base64".to_owned(), encoded.into());
            return Ok(map);
        }
    };
    map.insert("data".to_owned(), data);
    Ok(map)
}

/// `POST /v1/events`
pub async fn append(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = form(&parts.headers)?;
    let taken = app.intake.read(Sender::Known, &parts.headers, body).await?;
    let mut said = understand(form, &parts.headers, &taken.bytes, app.clock.now())?;
    let drafts = drafts(&mut said);
    for draft in &drafts {
        caller.must(Permission::Append, &app.catalogue, draft.workload.as_deref())?;
    }
    answer(&app, said, &parts.headers, Repeated::IsTheSame).await
}

/// The events that were understood.
fn drafts(said: &mut Said) -> Vec<&mut EventDraft> {
    match said {
        Said::One(draft) => vec![draft],
        Said::Many(drafts) => drafts.iter_mut().collect(),
        Said::Entries(entries) => entries.iter_mut().filter_map(|entry| entry.as_mut().ok()).collect(),
    }
}

/// What a workload's own source says belongs to that workload.
fn assign(said: &mut Said, workload: &str) {
    for draft in drafts(said) {
        draft.workload = Some(workload.to_owned());
    }
}

fn wants_little(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case("return=minimal")))
}

fn told(events: &[Arc<Event>]) -> Value {
    let one = |event: &Arc<Event>| json!({ "id": event.id, "source": event.source, "seq": event.seq });
    json!({ "events": events.iter().map(one).collect::<Vec<_>>() })
}

/// What is to be said of an event whose id and source are in the journal already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    /// It was taken before, whatever it says now: sources send again what they are not sure of, with another time in it.
    Counts,
    /// It has to say the same. Otherwise whoever sends it would take another one's event for theirs, and be shown it.
    IsTheSame,
}

impl Repeated {
    /// What has to be remembered of what is sent.
    fn keep(self, sent: &[EventDraft]) -> Vec<EventDraft> {
        if self == Self::IsTheSame { sent.to_vec() } else { Vec::new() }
    }

    /// That what is in the journal is what was sent, of each that was remembered.
    fn check(sent: &[EventDraft], kept: &[Arc<Event>]) -> Result<(), Failure> {
        let says = |draft: &EventDraft| (draft.kind.clone(), draft.workload.clone(), draft.subject.clone());
        let differs = |(sent, kept): &(&EventDraft, &Arc<Event>)| {
            says(sent) != says(&kept.draft) || sent.data != kept.data || sent.actor != kept.actor
        };
        let others: Vec<String> = sent
            .iter()
            .zip(kept)
            .filter(differs)
            .take(MAX_FAULTS)
            .map(|(sent, _)| format!("`{}` of `{}`", sent.id, sent.source))
            .collect();
        if others.is_empty() {
            return Ok(());
        }
        let mut failure = Failure::invalid(
            "An event of this id and source is in the journal already, and says something else",
        );
        failure.0.causes = others;
        Err(failure.hint("give each event an id of its own; what was sent beside these is in the journal"))
    }
}

async fn answer(app: &App, said: Said, headers: &HeaderMap, repeated: Repeated) -> Result<Response, Failure> {
    match said {
        Said::One(draft) => {
            let sent = repeated.keep(std::slice::from_ref(&draft));
            let event = super::append_one(app.journal.as_ref(), draft).await?;
            Repeated::check(&sent, std::slice::from_ref(&event))?;
            if wants_little(headers) {
                return Ok(StatusCode::NO_CONTENT.into_response());
            }
            Ok((StatusCode::CREATED, Json(EventView::from(event.as_ref()))).into_response())
        }
        Said::Many(drafts) => {
            let sent = repeated.keep(&drafts);
            let events = app.journal.append(drafts).await?;
            Repeated::check(&sent, &events)?;
            if wants_little(headers) {
                return Ok(StatusCode::NO_CONTENT.into_response());
            }
            Ok((StatusCode::CREATED, Json(told(&events))).into_response())
        }
        Said::Entries(entries) => {
            let good: Vec<EventDraft> = entries.iter().filter_map(|entry| entry.clone().ok()).collect();
            let mut events = app.journal.append(good).await?.into_iter();
            let failed = entries.iter().filter(|entry| entry.is_err()).count();
            let answers: Vec<Value> = entries
                .into_iter()
                .map(|entry| match entry {
                    Ok(_) => json!({ "EventId": events.next().map(|event| event.id.to_string()) }),
                    Err((code, message)) => json!({ "ErrorCode": code, "ErrorMessage": message }),
                })
                .collect();
            Ok(Json(json!({ "FailedEntryCount": failed, "Entries": answers })).into_response())
        }
    }
}

/// `POST /v1/hooks/{workload}/{source}`
pub async fn hook(
    State(app): State<Arc<App>>,
    Path((workload, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let active = app.catalogue.get(&workload);
    let source = active.as_ref().and_then(|active| active.declared.workload.sources.get(&name));
    let Some(source) = source else {
        return Err(Failure::not_found("source", &format!("{workload}/{name}"))
            .hint("declare it in `sources` of the workload's `mainstay.yaml`, and apply it"));
    };
    let taken = app.intake.read(Sender::Stranger, headers, body).await?;
    let now = app.clock.now();
    hooks::check(source, headers, &taken.bytes, &app.secrets, now).map_err(refused)?;
    let said = match source.kind {
        SourceKind::CloudEvents | SourceKind::EventBridge => {
            let form = match source.kind {
                // It says nothing more of its type, but text in another charset is none of it.
                SourceKind::EventBridge => media_type(headers).map(|_| Form::Entries)?,
                _ => form(headers)?,
            };
            let mut said = understand(form, headers, &taken.bytes, now)?;
            assign(&mut said, &workload);
            said
        }
        _ => {
            let media_type = media_type(headers)?;
            if !media_type.is_empty() && !events::is_json(&media_type) {
                let failure = Failure::new(ErrorKind::Unsupported, format!("`{media_type}` is not JSON"));
                return Err(failure.hint("let the sender send `application/json`"));
            }
            let body = json::read(&taken.bytes, LEVELS).map_err(|fault| not_json(&fault))?;
            Said::Many(hooks::drafts(&workload, source, headers, &body, now).map_err(refused)?)
        }
    };
    answer(&app, said, headers, Repeated::Counts).await
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Unknown(reason) => {
            let mut failure = Failure::new(ErrorKind::Unauthenticated, "It is not known who sends this");
            failure.0.causes = vec![reason];
            failure
        }
        Refusal::Unchecked(reason) => {
            tracing::error!(reason, "a source cannot be checked");
            let mut failure = Failure::new(ErrorKind::Unavailable, "The server cannot check who sends this");
            failure.0.causes = vec![reason];
            failure
        }
        Refusal::Faulty(faults) => faulty(&faults),
    }
}
