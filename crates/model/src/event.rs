//! The event envelope: one record of the journal, with CloudEvents 1.0 attributes and a few of ours.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeMap as _;
use serde_json::{Value, json};

use crate::hash::EventHash;
use crate::id::EventId;
use crate::tags::Tags;
use crate::time::Timestamp;

/// The `source` of everything the control plane itself says. Triggers match on it.
pub const SOURCE_SERVER: &str = "mainstay";

/// The `source` of what an agent says of its host: `mainstay.agent`.
pub const SOURCE_AGENT: &str = "mainstay.agent";

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// Mainstay by itself, naming the part (`system:alarms`).
    System(String),
    /// A person (`person:maria`).
    Person(String),
    /// A run, by its id (`run:0198…`).
    Run(String),
    /// A host's agent, by the host's id (`agent:web-1`).
    Agent(String),
    /// Anything outside that sent an event (`external:github`).
    External(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::System(name) => ("system", name),
            Self::Person(name) => ("person", name),
            Self::Run(name) => ("run", name),
            Self::Agent(name) => ("agent", name),
            Self::External(name) => ("external", name),
        };
        write!(f, "{kind}:{name}")
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> String {
        actor.to_string()
    }
}

impl TryFrom<String> for Actor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("system", name)) => Ok(Self::System(name.to_owned())),
            Some(("person", name)) => Ok(Self::Person(name.to_owned())),
            Some(("run", name)) => Ok(Self::Run(name.to_owned())),
            Some(("agent", name)) => Ok(Self::Agent(name.to_owned())),
            Some(("external", name)) => Ok(Self::External(name.to_owned())),
            _ => Err(format!(
                "`{text}` is not an actor: expected `person:NAME`, `system:PART`, `run:ID`, `agent:HOST` or `external:NAME`"
            )),
        }
    }
}

/// What is about to be written to the journal. The journal gives it its place (`seq`) and its hashes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EventDraft {
    /// Unique together with `source`. Appending the same id and source again is a no-op that answers with the first
    /// record, so handlers that derive ids from what they handle are idempotent.
    pub id: EventId,
    /// What said it: [`SOURCE_SERVER`], [`SOURCE_AGENT`], or the sender's own URI.
    pub source: String,
    /// What happened, in past tense and dotted (`alarm.firing`, `run.step.finished`).
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to (`component/checkout`, `alarm/CheckoutFailing`, `run/0198…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, by the clock of who says so.
    pub time: Timestamp,
    /// When it came in, by the server's clock, for an event from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Timestamp>,
    /// Who did it.
    pub actor: Actor,
    /// The workload it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Tags of the subject at that time.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The id of the event that led to this one, so that a story can be told from its cause on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<EventId>,
    /// The W3C trace id (32 hex digits) this belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// What is known about it. Its shape belongs to its `kind`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl EventDraft {
    /// A draft from the control plane itself, with nothing optional set.
    pub fn new(id: EventId, kind: impl Into<String>, time: Timestamp, actor: Actor, data: Value) -> Self {
        Self {
            id,
            source: SOURCE_SERVER.to_owned(),
            kind: kind.into(),
            subject: None,
            time,
            received: None,
            actor,
            workload: None,
            tags: Tags::default(),
            cause: None,
            trace: None,
            data,
        }
    }

    /// The same, about this subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same, in this workload.
    #[must_use]
    pub fn workload(mut self, workload: impl Into<String>) -> Self {
        self.workload = Some(workload.into());
        self
    }

    /// The same, led to by that event.
    #[must_use]
    pub fn cause(mut self, cause: EventId) -> Self {
        self.cause = Some(cause);
        self
    }
}

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// Its place: 1 for the first, without gaps.
    pub seq: u64,
    /// The hash of the record before it; zeros before the first.
    pub prev_hash: EventHash,
    /// BLAKE3 over `prev_hash`, `seq` and the digest of the canonical bytes of the rest.
    pub hash: EventHash,
    /// What was said.
    #[serde(flatten)]
    pub draft: EventDraft,
}

impl std::ops::Deref for Event {
    type Target = EventDraft;

    fn deref(&self) -> &EventDraft {
        &self.draft
    }
}

/// Families of kinds that only the control plane itself may say.
const KINDS_OF_SERVER: [&str; 11] = [
    "server", "revision", "change", "host", "alarm", "measure", "trigger", "run", "incident", "access",
    "silence",
];

/// Kinds of events that the trigger loop says of its own work. Patterns do not see them: one that did would feed on
/// itself.
const BOOKKEEPING: [&str; 3] = ["trigger.routed", "trigger.begun", "trigger.settled"];

/// Whether an event is one of the trigger loop's own notes, of which there are many.
pub fn is_bookkeeping(kind: &str) -> bool {
    BOOKKEEPING.contains(&kind)
}

/// The tag of an event with several resources: their names as a JSON list. The first one is its subject.
pub const RESOURCES_TAG: &str = "resources";

/// Families of kinds that only agents may say.
const KINDS_OF_AGENT: [&str; 1] = ["service"];

/// Who alone may say events of this kind: the `source` they must have. `None` where anybody may.
pub fn reserved_to(kind: &str) -> Option<&'static str> {
    let family = kind.split('.').next().unwrap_or_default();
    if KINDS_OF_SERVER.contains(&family) {
        Some(SOURCE_SERVER)
    } else if KINDS_OF_AGENT.contains(&family) {
        Some(SOURCE_AGENT)
    } else {
        None
    }
}

impl EventDraft {
    /// Whether its sender is one who may say events of its kind. State follows from authentic events only; what an
    /// outsider calls `alarm.firing` is a record of somebody having said so and nothing more.
    pub fn is_authentic(&self) -> bool {
        reserved_to(&self.kind).is_none_or(|source| source == self.source)
    }

    /// The text of [`EventDraft::as_eventbridge`], made without making the value: for every event that comes in.
    pub fn eventbridge_json(&self) -> String {
        serde_json::to_string(&Presented(self)).expect("names, texts and JSON are JSON")
    }

    /// The names of what it is about.
    fn resources(&self) -> Option<Vec<Value>> {
        // Only what comes from outside may have several.
        self.received?;
        match serde_json::from_str(self.tags.0.get(RESOURCES_TAG)?) {
            Ok(Value::Array(several)) => Some(several),
            _ => None,
        }
    }

    /// What is known about it, as it is shown and handed on. Of what is said of people the hashes of their secrets are
    /// left out: nobody needs them but who checks a secret.
    pub fn shown_data(&self) -> Cow<'_, Value> {
        if !self.kind.starts_with("access.") {
            return Cow::Borrowed(&self.data);
        }
        let mut data = self.data.clone();
        data.as_object_mut().map(|map| map.remove("hash"));
        Cow::Owned(data)
    }

    /// The event as EventBridge would present it, which is what trigger patterns are written against: `detail-type` is
    /// the kind, `detail` the data, `resources` the subject. `type`, `subject`, `workload`, `actor` and `tags` stand
    /// beside them, for patterns that want them.
    pub fn as_eventbridge(&self) -> Value {
        let mut value = json!({
            "version": "0",
            "id": self.id,
            "source": self.source,
            "detail-type": self.kind,
            "account": "000000000000",
            "region": "local",
            "time": self.time,
            "resources": self.subject.iter().collect::<Vec<_>>(),
            "detail": if self.data.is_null() { json!({}) } else { self.shown_data().into_owned() },
            "type": self.kind,
            "subject": self.subject,
            "workload": self.workload,
            "actor": self.actor,
            "tags": self.tags,
        });
        if let Some(received) = self.received {
            value["received"] = json!(received);
        }
        if let Some(several) = self.resources() {
            value["resources"] = Value::Array(several);
        }
        value
    }
}

/// An event as EventBridge would present it, to be written: [`EventDraft::as_eventbridge`] with its keys in order.
struct Presented<'a>(&'a EventDraft);

/// A mapping, also where there is nothing.
struct Detail<'a>(&'a Value);

impl serde::Serialize for Detail<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_map(Some(0))?.end(),
            value => value.serialize(serializer),
        }
    }
}

impl serde::Serialize for Presented<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let draft = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("account", "000000000000")?;
        map.serialize_entry("actor", &format_args!("{}", draft.actor))?;
        map.serialize_entry("detail", &Detail(&draft.shown_data()))?;
        map.serialize_entry("detail-type", &draft.kind)?;
        map.serialize_entry("id", draft.id.as_str())?;
        if let Some(received) = &draft.received {
            map.serialize_entry("received", received)?;
        }
        map.serialize_entry("region", "local")?;
        match draft.resources() {
            Some(several) => map.serialize_entry("resources", &several)?,
            None => map.serialize_entry("resources", draft.subject.as_slice())?,
        }
        map.serialize_entry("source", &draft.source)?;
        map.serialize_entry("subject", &draft.subject)?;
        map.serialize_entry("tags", &draft.tags)?;
        map.serialize_entry("time", &draft.time)?;
        map.serialize_entry("type", &draft.kind)?;
        map.serialize_entry("version", "0")?;
        map.serialize_entry("workload", &draft.workload)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let draft = EventDraft::new(
            EventId::new("e1").expect("valid"),
            "alarm.firing",
            Timestamp::from_millis(5),
            Actor::System("alarms".to_owned()),
            json!({"alarm": "CheckoutFailing"}),
        )
        .subject("alarm/CheckoutFailing")
        .workload("shop");
        let event = Event { seq: 1, prev_hash: EventHash::default(), hash: EventHash([0xaa; 32]), draft };
        let text = serde_json::to_string(&event).expect("an event is JSON");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("reads back"), event);
        assert!(text.contains("\"type\":\"alarm.firing\""), "{text}");
        let outside = event.as_eventbridge();
        assert_eq!(outside["detail-type"], "alarm.firing");
        assert_eq!(outside["detail"]["alarm"], "CheckoutFailing");
        assert_eq!(outside["resources"], json!(["alarm/CheckoutFailing"]));
    }

    #[test]
    fn the_text_of_an_event_is_that_of_its_value() {
        let mut draft = EventDraft::new(
            EventId::new("e1").expect("valid"),
            "order \"placed\"",
            Timestamp::from_millis(5),
            Actor::External("web".to_owned()),
            Value::Null,
        );
        let same = |draft: &EventDraft| {
            let text = draft.eventbridge_json();
            assert_eq!(text, draft.as_eventbridge().to_string());
            text
        };
        assert!(same(&draft).contains("\"detail\":{}"));
        draft.data = json!({"b": [1, 2.5, null], "a": {"x": "é\n"}});
        draft = draft.subject("order/1").workload("shop");
        same(&draft);
        draft.received = Some(Timestamp::from_millis(7));
        draft.tags.0.insert(RESOURCES_TAG.to_owned(), "[\"a\",\"b\"]".to_owned());
        assert!(same(&draft).contains("\"resources\":[\"a\",\"b\"]"));
        draft.tags.0.insert(RESOURCES_TAG.to_owned(), "no list".to_owned());
        assert!(same(&draft).contains("\"resources\":[\"order/1\"]"));
        // Only what comes from outside may have several.
        draft.tags.0.insert(RESOURCES_TAG.to_owned(), "[\"a\",\"b\"]".to_owned());
        draft.received = None;
        assert!(same(&draft).contains("\"resources\":[\"order/1\"]"));
    }

    #[test]
    fn outsiders_cannot_speak_for_the_control_plane() {
        let mut draft = EventDraft::new(
            EventId::new("e1").expect("valid"),
            "alarm.firing",
            Timestamp::from_millis(5),
            Actor::External("ci".to_owned()),
            Value::Null,
        );
        assert!(draft.is_authentic());
        draft.source = "ci".to_owned();
        assert!(!draft.is_authentic());
        for (kind, authentic) in
            [("service.ready", false), ("build.finished", true), ("alarms", true), ("fault.injected", true)]
        {
            draft.kind = kind.to_owned();
            assert_eq!(draft.is_authentic(), authentic, "{kind}");
        }
    }

    #[test]
    fn hashes_of_secrets_are_not_handed_on() {
        let draft = |kind: &str| {
            let data = json!({ "user": "maria", "hash": "$argon2id$" });
            let at = Timestamp::from_millis(5);
            EventDraft::new(
                EventId::new("e1").expect("valid"),
                kind,
                at,
                Actor::System("access".to_owned()),
                data,
            )
        };
        let set = draft("access.password.set");
        assert_eq!(*set.shown_data(), json!({ "user": "maria" }));
        assert!(!set.eventbridge_json().contains("argon2"));
        assert_eq!(set.as_eventbridge()["detail"], json!({ "user": "maria" }));
        assert_eq!(draft("build.finished").shown_data()["hash"], "$argon2id$");
    }

    #[test]
    fn actors_read_back() {
        for text in ["person:maria", "system:alarms", "run:1", "agent:web-1", "external:https://x/y"] {
            assert_eq!(Actor::try_from(text.to_owned()).map(String::from), Ok(text.to_owned()));
        }
        assert!(Actor::try_from("maria".to_owned()).is_err());
    }
}
