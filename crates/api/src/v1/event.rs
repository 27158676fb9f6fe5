//! Journal events on the wire: CloudEvents 1.0 in structured JSON, with our extension attributes.

use mainstay_model::access::is_privileged;
use mainstay_model::{Actor, Event, Tags, Timestamp};
use serde_json::Value;

/// One journal event.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct EventView {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique together with `source`.
    pub id: String,
    /// What said it.
    pub source: String,
    /// What happened (`alarm.firing`).
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When.
    #[schema(value_type = super::Time)]
    pub time: Timestamp,
    /// When it came in, for an event from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub received: Option<Timestamp>,
    /// Who did it.
    #[schema(value_type = String, example = "person:operator")]
    pub actor: Actor,
    /// Whether a person did what only few may: an auditor looks at it first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// The workload it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Tags of the subject.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub tags: Tags,
    /// The event that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The W3C trace id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Its place in the journal.
    pub seq: u64,
    /// The hash of the event before it.
    pub prev_hash: String,
    /// Its own hash.
    pub hash: String,
    /// What is known about it.
    #[serde(default)]
    #[schema(required = true)]
    pub data: Value,
    /// What happened, in one sentence for people; lists and the stream have it. It may be worded anew at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl From<&Event> for EventView {
    fn from(event: &Event) -> Self {
        let draft = &event.draft;
        Self {
            specversion: "1.0".to_owned(),
            id: draft.id.to_string(),
            source: draft.source.clone(),
            kind: draft.kind.clone(),
            subject: draft.subject.clone(),
            time: draft.time,
            received: draft.received,
            actor: draft.actor.clone(),
            workload: draft.workload.clone(),
            tags: draft.tags.clone(),
            cause: draft.cause.as_ref().map(ToString::to_string),
            trace: draft.trace.clone(),
            seq: event.seq,
            prev_hash: event.prev_hash.to_string(),
            hash: event.hash.to_string(),
            data: draft.shown_data().into_owned(),
            privileged: is_privileged(&draft.kind) && matches!(draft.actor, Actor::Person(_)),
            text: None,
        }
    }
}

/// An event from outside: the CloudEvents attributes a sender sets, in structured JSON. Extension attributes may stand
/// beside them and are kept.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct NewEvent {
    /// Must be `1.0`.
    pub specversion: String,
    /// Unique together with `source`; sending it again changes nothing.
    pub id: String,
    /// The sender. `mainstay` and what begins with `mainstay.` or `aws.` is reserved.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When; the time of arrival if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub time: Option<Timestamp>,
    /// The workload it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// `application/json` or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// What is known about it.
    #[serde(default)]
    pub data: Value,
}

/// The answer to events that were taken in, as they were sent.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Appended {
    /// Of one event.
    One(Box<EventView>),
    /// Of a batch.
    Many(AppendedMany),
}

/// The events of a batch, in its order.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AppendedMany {
    /// Where each of them is in the journal now.
    pub events: Vec<AppendedOne>,
}

/// Where an event is in the journal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AppendedOne {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Its place.
    pub seq: u64,
}

/// The answer to entries of EventBridge, in its words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct EntriesAnswer {
    /// How many were refused.
    pub failed_entry_count: usize,
    /// What became of each.
    pub entries: Vec<EntryAnswer>,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct EntryAnswer {
    /// The event's id, if it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}
