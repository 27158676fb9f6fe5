//! From what senders say to drafts for the journal: CloudEvents 1.0 in JSON and in headers, and EventBridge's entries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mainstay_model::{Actor, EventDraft, EventId, Timestamp, json};
use serde_json::{Map, Value, json};

/// The longest source, type and subject, in bytes.
const MAX_NAME: usize = 1024;

/// The longest value of an extension attribute, in bytes.
const MAX_EXTENSION: usize = 1024;

/// Attributes of the journal's own.
const OURS: [&str; 9] =
    ["actor", "hash", "prevhash", "prev_hash", "received", "seq", "tags", "trace", "data_base64"];

/// What is wrong with an event, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The attribute, or where it stands.
    pub at: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<&'static str>,
}

impl Fault {
    /// A fault at a place.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into(), hint: None }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// The id that the journal has for a sender's id: the same, or where it has characters that ids of ours cannot have, one
/// that follows from it.
fn journal_id(id: &str) -> (EventId, bool) {
    match EventId::new(id) {
        Ok(id) => (id, true),
        Err(_) => {
            let hex = blake3::hash(id.as_bytes()).to_hex();
            (EventId::new(format!("id:{}", &hex[..32])).expect("hex digits are an id"), false)
        }
    }
}

/// What may stand as a source: nothing that speaks for Mainstay or AWS.
pub fn check_source(source: &str) -> Result<(), Fault> {
    let reserved = ["mainstay", "aws"]
        .iter()
        .any(|name| source == *name || source.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')));
    if source.trim().is_empty() || reserved {
        return Err(Fault::new("source", format!("the source `{source}` cannot be used from outside"))
            .hint("name the sender, for example with its URL; `mainstay` and `aws` are reserved"));
    }
    Ok(())
}

/// What may stand as a type: nothing that only Mainstay says.
pub fn check_kind(kind: &str) -> Result<(), Fault> {
    if mainstay_model::event::reserved_to(kind).is_some() {
        return Err(Fault::new("type", format!("only Mainstay itself says `{kind}`"))
            .hint("choose a type of your own, for example with your system's name in front"));
    }
    Ok(())
}

fn text(at: &str, value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) if text.is_empty() => Err(Fault::new(at, "it is empty")),
        Value::String(text) if text.len() > MAX_NAME => {
            Err(Fault::new(at, format!("it has {} bytes, {MAX_NAME} is the most", text.len())))
        }
        Value::String(text) if text.contains(char::is_control) => {
            Err(Fault::new(at, "it has control characters"))
        }
        Value::String(text) => Ok(text),
        other => Err(Fault::new(at, format!("expected a string, found {}", kind_of(&other)))),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn time(at: &str, text: &str) -> Result<Timestamp, Fault> {
    text.parse().map_err(|error| {
        Fault::new(at, format!("it is not a time: {error}"))
            .hint("write it as 2026-11-22T15:04:05Z (RFC 3339)")
    })
}

/// Whether a media type is JSON.
pub fn is_json(media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}

/// One CloudEvent: its attributes and data as one mapping, as the JSON format has them.
pub fn cloud_event(mut map: Map<String, Value>, now: Timestamp) -> Result<EventDraft, Fault> {
    let required = |map: &mut Map<String, Value>, name: &str| match map.remove(name) {
        Some(value) => text(name, value),
        None => Err(Fault::new(name, "it is missing")),
    };
    let version = required(&mut map, "specversion")?;
    if version != "1.0" {
        return Err(Fault::new("specversion", format!("CloudEvents version `{version}` is not known"))
            .hint("send \"specversion\": \"1.0\""));
    }
    let given = required(&mut map, "id")?;
    let source = required(&mut map, "source")?;
    check_source(&source)?;
    let kind = required(&mut map, "type")?;
    check_kind(&kind)?;
    let optional = |map: &mut Map<String, Value>, name: &str| match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => text(name, value).map(Some),
    };
    let subject = optional(&mut map, "subject")?;
    let time = optional(&mut map, "time")?.map(|text| time("time", &text)).transpose()?;
    let media_type = optional(&mut map, "datacontenttype")?;
    let data = data(&mut map, media_type.as_deref())?;
    let (id, is_same) = journal_id(&given);
    let mut draft = EventDraft::new(id, kind, time.unwrap_or(now), Actor::External(source.clone()), data);
    draft.source = source;
    draft.subject = subject;
    draft.received = Some(now);
    if !is_same {
        draft.tags.0.insert("id".to_owned(), given);
    }
    if let Some(media_type) = media_type.filter(|media_type| !is_json(media_type)) {
        draft.tags.0.insert("datacontenttype".to_owned(), media_type);
    }
    for (name, value) in map {
        extension(&mut draft, name, value)?;
    }
    Ok(draft)
}

fn data(map: &mut Map<String, Value>, media_type: Option<&str>) -> Result<Value, Fault> {
    let data = map.remove("data");
    let Some(encoded) = map.remove("data_base64") else { return Ok(data.unwrap_or(Value::Null)) };
    if data.is_some() {
        return Err(Fault::new("data_base64", "there is `data`, too; an event has one of them"));
    }
    let Value::String(encoded) = encoded else {
        return Err(Fault::new("data_base64", format!("expected a string, found {}", kind_of(&encoded))));
    };
    let bytes = BASE64
        .decode(&encoded)
        .map_err(|error| Fault::new("data_base64", format!("it is not Base64: {error}")))?;
    if media_type.is_none_or(is_json) {
        return json::read(&bytes, super::MAX_DEPTH)
            .map_err(|fault| Fault::new("data_base64", super::not_kept(&fault)));
    }
    Ok(json!({ "data_base64": encoded }))
}

/// An attribute that CloudEvents itself does not know.
fn extension(draft: &mut EventDraft, name: String, value: Value) -> Result<(), Fault> {
    if OURS.contains(&name.as_str()) {
        return Err(Fault::new(&*name, "the journal sets it itself").hint("leave it out"));
    }
    let good = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !good {
        return Err(Fault::new(name, "an attribute's name has lower-case letters and digits only")
            .hint("put what belongs to the event into `data`"));
    }
    let value = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        other => {
            return Err(Fault::new(
                name,
                format!("an attribute is a text, a whole number or a boolean, found {}", kind_of(&other)),
            )
            .hint("put what belongs to the event into `data`"));
        }
    };
    if value.len() > MAX_EXTENSION || value.contains(char::is_control) {
        return Err(Fault::new(name, format!("it may have {MAX_EXTENSION} bytes and no control characters")));
    }
    match name.as_str() {
        "workload" => draft.workload = Some(value),
        "cause" => {
            draft.cause = Some(EventId::new(value).map_err(|error| Fault::new("cause", error.to_string()))?);
        }
        "traceparent" => match trace_of(&value) {
            Some(trace) => draft.trace = Some(trace),
            None => return Err(Fault::new("traceparent", "it is not a W3C trace context")),
        },
        _ => drop(draft.tags.0.insert(name, value)),
    }
    Ok(())
}

/// The trace id of a `traceparent`.
fn trace_of(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let good =
        is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && trace.bytes().any(|b| b != b'0');
    good.then(|| trace.to_owned())
}

/// One entry of `PutEvents`. The error is a code of the service and words.
pub fn entry(entry: &Value, now: Timestamp) -> Result<EventDraft, (&'static str, String)> {
    let invalid = |message: String| ("InvalidArgument", message);
    let Value::Object(map) = entry else {
        return Err(invalid(format!("an entry is an object, found {}", kind_of(entry))));
    };
    const KNOWN: [&str; 7] =
        ["Source", "DetailType", "Detail", "Resources", "Time", "EventBusName", "TraceHeader"];
    if let Some(key) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(invalid(format!("an entry has no `{key}`; it has {}", KNOWN.join(", "))));
    }
    let required = |name: &str| match map.get(name) {
        Some(Value::String(value)) if !value.is_empty() => Ok(value.as_str()),
        Some(other) if !other.is_string() => {
            Err(invalid(format!("`{name}` is a string, found {}", kind_of(other))))
        }
        _ => Err(invalid(format!("`{name}` is missing"))),
    };
    let (source, kind, detail) = (required("Source")?, required("DetailType")?, required("Detail")?);
    let refused = |fault: Fault| ("NotAuthorizedForSourceException", fault.message);
    check_source(source).map_err(refused)?;
    check_kind(kind).map_err(refused)?;
    for (name, value) in [("Source", source), ("DetailType", kind)] {
        text(name, value.into()).map_err(|fault| invalid(format!("`{name}`: {}", fault.message)))?;
    }
    match map.get("EventBusName") {
        None | Some(Value::Null) => {}
        Some(Value::String(bus)) if bus == "default" => {}
        Some(_) => return Err(invalid("there is one event bus, `default`".to_owned())),
    }
    let detail = json::read_text(detail, super::MAX_DEPTH)
        .map_err(|fault| ("MalformedDetail", format!("`Detail`: {}", super::not_kept(&fault))))?;
    if !detail.is_object() {
        return Err(("MalformedDetail", format!("`Detail` is an object, found {}", kind_of(&detail))));
    }
    let happened = match map.get("Time") {
        None | Some(Value::Null) => now,
        Some(Value::String(text)) => {
            time("Time", text).map_err(|fault| invalid(format!("`Time`: {}", fault.message)))?
        }
        // The service's own JSON has seconds since the epoch.
        Some(Value::Number(seconds)) => {
            let seconds = seconds.as_f64().filter(|seconds| seconds.is_finite());
            let seconds = seconds.ok_or_else(|| invalid("`Time` is no number of seconds".to_owned()))?;
            Timestamp::from_millis((seconds * 1000.0).round() as i64)
        }
        Some(other) => return Err(invalid(format!("`Time` is a time, found {}", kind_of(other)))),
    };
    let mut resources = Vec::new();
    match map.get("Resources") {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            for item in items {
                let item = text("Resources", item.clone());
                resources.push(item.map_err(|fault| invalid(format!("`Resources`: {}", fault.message)))?);
            }
        }
        Some(other) => return Err(invalid(format!("`Resources` is a list, found {}", kind_of(other)))),
    }
    let id = EventId::new(uuid::Uuid::now_v7().to_string()).expect("a UUID is an id");
    let mut draft = EventDraft::new(id, kind, happened, Actor::External(source.to_owned()), detail);
    draft.source = source.to_owned();
    draft.received = Some(now);
    if resources.len() > 1 {
        draft.tags.0.insert(mainstay_model::event::RESOURCES_TAG.to_owned(), json!(resources).to_string());
    }
    draft.subject = resources.into_iter().next();
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_359_845_000)
    }

    fn event(more: Value) -> Result<EventDraft, Fault> {
        let mut map = Map::new();
        for (key, value) in [("specversion", "1.0"), ("id", "e1"), ("source", "/ci"), ("type", "built")] {
            map.insert(key.to_owned(), value.into());
        }
        if let Value::Object(more) = more {
            map.extend(more);
        }
        map.retain(|_, value| *value != json!("(gone)"));
        cloud_event(map, now())
    }

    #[test]
    fn attributes_are_kept() {
        let draft = event(json!({
            "subject": "a/b", "time": "1999-01-01T00:00:00Z", "workload": "shop", "data": {"x": [1]},
            "partitionkey": "k", "sampled": true, "sequence": 7, "comexampleempty": null,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "cause": "call:t:7:ab",
        }))
        .expect("taken");
        assert_eq!(
            (draft.time.to_string().as_str(), draft.received),
            ("1999-01-01T00:00:00.000Z", Some(now()))
        );
        assert_eq!(draft.trace.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!((draft.workload.as_deref(), draft.subject.as_deref()), (Some("shop"), Some("a/b")));
        let tags: Vec<_> = draft.tags.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(tags, ["partitionkey=k", "sampled=true", "sequence=7"]);
        assert_eq!(draft.cause.expect("kept").as_str(), "call:t:7:ab");
    }

    #[test]
    fn ids_of_any_text_are_taken_and_stay_the_same() {
        let one = event(json!({"id": "a/b c"})).expect("taken");
        assert_eq!(one.id, event(json!({"id": "a/b c"})).expect("taken").id);
        assert_ne!(one.id, event(json!({"id": "a/b d"})).expect("taken").id);
        assert_eq!(one.tags.0["id"], "a/b c");
    }

    #[test]
    fn data_comes_in_three_ways() {
        assert_eq!(event(json!({"data_base64": "eyJhIjoxfQ=="})).expect("taken").data, json!({"a": 1}));
        let binary = event(json!({"data_base64": "/w==", "datacontenttype": "image/png"})).expect("taken");
        assert_eq!(binary.data, json!({"data_base64": "/w=="}));
        let text = event(json!({"data": "hi", "datacontenttype": "text/plain"})).expect("taken");
        assert_eq!((text.data, text.tags.0["datacontenttype"].as_str()), (json!("hi"), "text/plain"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (more, at) in [
            (json!({"specversion": "0.3"}), "specversion"),
            (json!({"specversion": "(gone)"}), "specversion"),
            (json!({"id": ""}), "id"),
            (json!({"id": 7}), "id"),
            (json!({"source": "mainstay"}), "source"),
            (json!({"source": "mainstay.agent"}), "source"),
            (json!({"source": "aws.ec2"}), "source"),
            (json!({"source": "a\u{1}"}), "source"),
            (json!({"type": "alarm.firing"}), "type"),
            (json!({"type": "trigger.scheduled"}), "type"),
            (json!({"time": "yesterday"}), "time"),
            (json!({"data": 1, "data_base64": "MQ=="}), "data_base64"),
            (json!({"data_base64": "%"}), "data_base64"),
            (json!({"actor": "person:maria"}), "actor"),
            (json!({"seq": 1}), "seq"),
            (json!({"Upper": "x"}), "Upper"),
            (json!({"nested": {"a": 1}}), "nested"),
            (json!({"cause": "a b"}), "cause"),
            (json!({"traceparent": "x"}), "traceparent"),
        ] {
            assert_eq!(event(more.clone()).expect_err("refused").at, at, "{more}");
        }
    }

    #[test]
    fn entries_are_those_of_the_service() {
        let good = json!({"Source": "my.app", "DetailType": "Order Placed", "Detail": "{\"n\": 1}",
            "Resources": ["arn:a", "arn:b"], "Time": 1_795_359_845});
        let draft = entry(&good, now()).expect("taken");
        assert_eq!((draft.kind.as_str(), &draft.data), ("Order Placed", &json!({"n": 1})));
        assert_eq!(draft.as_eventbridge()["resources"], json!(["arn:a", "arn:b"]));
        assert_eq!(draft.as_eventbridge()["time"], "2026-11-22T15:04:05.000Z");
        for (key, value, code) in [
            ("Source", json!("aws.s3"), "NotAuthorizedForSourceException"),
            ("DetailType", json!("run.finished"), "NotAuthorizedForSourceException"),
            ("Detail", json!("[1]"), "MalformedDetail"),
            ("Detail", json!("{\"a\":1,\"a\":2}"), "MalformedDetail"),
            ("Detail", json!({}), "InvalidArgument"),
            ("Source", json!(""), "InvalidArgument"),
            ("EventBusName", json!("other"), "InvalidArgument"),
            ("Bus", json!("other"), "InvalidArgument"),
            ("Time", json!("x"), "InvalidArgument"),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert_eq!(entry(&bad, now()).expect_err(key).0, code, "{bad}");
        }
    }
}
