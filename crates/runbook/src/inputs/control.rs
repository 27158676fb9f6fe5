//! The inputs of what the control plane performs itself: webhooks, and our own actions.

use mainstay_model::problem::nearest;
use mainstay_model::{Problem, Timestamp};
use serde_json::{Map, Value};

use super::finally;
use crate::document::describe;
use crate::effect::{
    ApplyRevisionEffect, AwaitedState, EffectKind, NotifyEffect, QueryEffect, ResolveIncidentEffect,
    RollbackEffect, WaitForAlarmEffect, WebhookEffect,
};
use crate::reader::Reader;

/// The most characters of a message to people: that of `aws:approve`.
const MAX_MESSAGE_CHARS: usize = 4096;

/// The largest body of a webhook, in bytes.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The effect of an action that the control plane performs.
pub(crate) fn control(action: &str, inputs: &Map<String, Value>) -> Result<EffectKind, String> {
    finally(|reader| read(action, inputs, reader))
}

/// How long such an effect may take where its step does not say, in seconds.
pub(crate) fn limit(effect: &EffectKind) -> u64 {
    match effect {
        EffectKind::WaitForAlarm(_) | EffectKind::ApplyRevision(_) | EffectKind::Rollback(_) => 3600,
        _ => 60,
    }
}

/// Checks the inputs of an action that the control plane performs, and reads them where references have been replaced.
/// `None` for any other action.
pub(crate) fn read(action: &str, inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<EffectKind> {
    for key in crate::actions::facts(action)?.required.iter().filter(|key| !inputs.contains_key(**key)) {
        reader.missing(key, action);
    }
    match action {
        "aws:invokeWebhook" => {
            let body = body(inputs, reader);
            let integration = filled(inputs, "IntegrationName", reader);
            Some(EffectKind::Webhook(WebhookEffect { integration: integration?, body: body? }))
        }
        "mainstay:query" => {
            let time = time(inputs, reader);
            let query = filled(inputs, "Query", reader);
            Some(EffectKind::Query(QueryEffect { query: query?, time: time? }))
        }
        "mainstay:waitForAlarm" => {
            let state = state(inputs, reader);
            let alarm = filled(inputs, "Alarm", reader);
            Some(EffectKind::WaitForAlarm(WaitForAlarmEffect { alarm: alarm?, state: state? }))
        }
        "mainstay:notify" => {
            let to = match inputs.get("To") {
                None => Some(Vec::new()),
                Some(_) => reader.texts(inputs, "To"),
            };
            let title = optional(inputs, "Title", reader);
            let message = filled(inputs, "Message", reader).map(|text| bounded(text, "Message", reader));
            Some(EffectKind::Notify(NotifyEffect { title: title?, message: message?, to: to? }))
        }
        "mainstay:resolveIncident" => {
            let message = optional(inputs, "Message", reader);
            let incident = filled(inputs, "Incident", reader);
            Some(EffectKind::ResolveIncident(ResolveIncidentEffect {
                incident: incident?,
                message: message?,
            }))
        }
        "mainstay:applyRevision" => {
            let workload = optional(inputs, "Workload", reader);
            let revision = filled(inputs, "Revision", reader);
            Some(EffectKind::ApplyRevision(ApplyRevisionEffect { workload: workload?, revision: revision? }))
        }
        "mainstay:rollback" => {
            let workload = optional(inputs, "Workload", reader);
            let revision = optional(inputs, "Revision", reader);
            Some(EffectKind::Rollback(RollbackEffect { workload: workload?, revision: revision? }))
        }
        _ => None,
    }
}

/// A text that says something.
fn filled(inputs: &Map<String, Value>, key: &str, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(inputs, key)?;
    if text.trim().is_empty() {
        reader.push(Problem::error("bad-value", reader.at(key), format!("`{key}` is empty")));
        return None;
    }
    Some(text)
}

/// A text that may be left out; an empty one is left out too, as defaults of parameters are. The outer `None` is a
/// mistake.
fn optional(inputs: &Map<String, Value>, key: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    match inputs.get(key) {
        None => Some(None),
        Some(_) => {
            let text = reader.text(inputs, key)?;
            Some(Some(bounded(text, key, reader)).filter(|text| !text.is_empty()))
        }
    }
}

fn bounded(text: String, key: &str, reader: &mut Reader<'_>) -> String {
    let length = text.chars().count();
    if length > MAX_MESSAGE_CHARS {
        reader.push(Problem::error(
            "bad-value",
            reader.at(key),
            format!("`{key}` has at most {MAX_MESSAGE_CHARS} characters, found {length}"),
        ));
    }
    text
}

/// `Body`: a text, or what becomes one as JSON.
fn body(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let text = match inputs.get("Body") {
        None => return Some(None),
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Object(_) | Value::Array(_))) => value.to_string(),
        Some(other) => {
            reader.wrong(reader.at("Body"), "Body", "a text, a mapping or a list", other);
            return None;
        }
    };
    if text.len() > MAX_BODY_BYTES {
        reader.push(Problem::error(
            "bad-value",
            reader.at("Body"),
            format!("A body has at most {MAX_BODY_BYTES} bytes, found {}", text.len()),
        ));
        return None;
    }
    Some(Some(text))
}

fn time(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<Option<Timestamp>> {
    let Some(value) = inputs.get("Time") else { return Some(None) };
    if reader.open(value) {
        return None;
    }
    let text = match value {
        Value::String(text) if text.is_empty() => return Some(None),
        Value::String(text) => text,
        other => {
            reader.wrong(reader.at("Time"), "Time", "a text such as 2026-11-25T10:00:00Z", other);
            return None;
        }
    };
    match text.parse::<Timestamp>() {
        Ok(at) => Some(Some(at)),
        Err(error) => {
            reader.push(Problem::error("bad-value", reader.at("Time"), error.to_string()));
            None
        }
    }
}

fn state(inputs: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<AwaitedState> {
    let Some(value) = inputs.get("State") else { return Some(AwaitedState::Inactive) };
    if reader.open(value) {
        return None;
    }
    match value.as_str() {
        Some("inactive" | "") => Some(AwaitedState::Inactive),
        Some("firing") => Some(AwaitedState::Firing),
        _ => {
            let problem = Problem::error(
                "bad-value",
                reader.at("State"),
                format!("`State` is inactive or firing, found {}", describe(value)),
            );
            let near = value.as_str().and_then(|text| nearest(text, ["inactive", "firing"]));
            reader.push(match near {
                Some(near) => problem.help(format!("Did you mean `{near}`?")),
                None => problem,
            });
            None
        }
    }
}
