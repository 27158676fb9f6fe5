//! The events of a run: its truth. A run is the fold of these and nothing else.

use mainstay_model::{Actor, Event, EventDraft, EventId, HostId, RunId, Timestamp};
use serde::Deserialize as _;
use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde_json::{Map, Value};

use crate::effect::{AttemptId, Dispatch, EffectKind, Outcome};
use crate::library::Library;
use crate::run::{LoopFrame, RunStatus, StepStatus};

/// The version of the shapes below. A reader refuses a newer one by name.
pub const VERSION: u64 = 1;

/// One transition of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// The run.
    pub run: RunId,
    /// The name of its procedure, so that each event reads by itself.
    pub procedure: String,
    /// The workload it belongs to.
    pub workload: Option<String>,
    /// Its place among the run's events, from 1 without gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who made it happen.
    pub actor: Actor,
    /// The event that led to it: the one that started the run, or the run's own start.
    pub cause: Option<EventId>,
    /// What happened.
    pub body: Body,
}

/// What happened to a run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind")]
pub enum Body {
    /// The run began. The document is kept here, so that the run stays pinned to it.
    #[serde(rename = "run.started")]
    Started {
        /// The whole document.
        document: Value,
        /// Its digest, as the caller computes it.
        digest: String,
        /// All parameters with their values, defaults filled in.
        parameters: Map<String, Value>,
        /// The document's steps: name and action, in its order.
        steps: Vec<StepName>,
        /// The variables with what they begin with.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        variables: Map<String, Value>,
        /// For a Command document: the host it runs on, where it is not the control plane's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<HostId>,
        /// Who or what asked for it, in words for people (`trigger restore-checkout`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What the document needs beside itself: other documents and attached files, as they were.
        #[serde(default, skip_serializing_if = "Library::is_empty")]
        library: Library,
        /// The names of the document's outputs (`step.Output`), in its order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outputs: Vec<String>,
        /// The run that started it, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
        /// The run it goes on with, where it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continues: Option<Continued>,
        /// What it stands in line behind, where there are as many runs of its procedure as there may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queued: Option<Queued>,
        /// What was asked for under a key that makes it safe to ask again: a hash, for who compares it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<String>,
    },
    /// A run that stood in line is let go.
    #[serde(rename = "run.released")]
    Released {},
    /// An attempt is about to begin.
    #[serde(rename = "run.attempt.started")]
    AttemptStarted {
        /// The step.
        step: String,
        /// Its action.
        action: String,
        /// The attempt.
        attempt: AttemptId,
        /// Which try of the step this is, from 1.
        attempt_number: u32,
        /// What is to be performed; nothing for a step that only waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effect: Option<EffectKind>,
        /// For `aws:sleep`: until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// When it has to be over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// Its hosts have been chosen. Commands are sent only after this was journalled.
    #[serde(rename = "run.attempt.dispatched")]
    AttemptDispatched {
        /// The step.
        step: String,
        /// The attempt.
        attempt: AttemptId,
        /// Which command goes to which host.
        commands: Vec<Dispatch>,
    },
    /// The attempt has been asked to stop.
    #[serde(rename = "run.attempt.stopping")]
    AttemptStopping {
        /// The step.
        step: String,
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        because: StopReason,
    },
    /// The run that an attempt started waits for something, or no longer does.
    #[serde(rename = "run.child.changed")]
    ChildChanged {
        /// The step.
        step: String,
        /// The attempt.
        attempt: AttemptId,
        /// The child.
        child: RunId,
        /// What it waits for, in sentence case; nothing where it works again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting: Option<String>,
    },
    /// The attempt is over, as far as anyone knows.
    #[serde(rename = "run.attempt.settled")]
    AttemptSettled {
        /// The step.
        step: String,
        /// The attempt.
        attempt: AttemptId,
        /// What it came to.
        outcome: Outcome,
        /// Whether a person decided so because nobody could know.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        decided: bool,
    },
    /// A loop begins an iteration.
    #[serde(rename = "run.loop.iterating")]
    LoopIterating {
        /// The loop.
        step: String,
        /// Which iteration, from 1.
        iteration: u32,
        /// With the first iteration: all elements the loop goes through, where it goes through a list. They are kept
        /// here because what the list was made from may change while the loop runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        values: Option<Vec<Value>>,
        /// The step the iteration begins with.
        first: String,
    },
    /// The step is over.
    #[serde(rename = "run.step.finished")]
    StepFinished {
        /// The step.
        step: String,
        /// Its action.
        action: String,
        /// How it ended.
        status: StepStatus,
        /// How many attempts it took.
        attempts: u32,
        /// Its outputs, fixed and declared.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        outputs: Map<String, Value>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
        /// What it means for the run, where it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight: Option<Weight>,
        /// The step that comes next; none at the end.
        next: Option<String>,
        /// The loop whose iteration ends with this step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<String>,
        /// The variables it sets.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        set: Map<String, Value>,
    },
    /// The run waits for a person.
    #[serde(rename = "run.waiting")]
    Waiting {
        /// The step.
        step: String,
        /// The attempt.
        attempt: AttemptId,
        /// What for, in sentence case.
        reason: String,
    },
    /// Somebody cancelled the run.
    #[serde(rename = "run.cancelling")]
    Cancelling {
        /// Why, in their words.
        reason: String,
        /// When the cancellation itself has to be over.
        deadline: Timestamp,
    },
    /// The run is over.
    #[serde(rename = "run.finished")]
    Finished {
        /// How it ended.
        status: RunStatus,
        /// The document's outputs (`step.Output`) that came to be.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        outputs: Map<String, Value>,
        /// Why it did not succeed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
}

/// Where a run comes from beside the person or trigger that asked for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The run that starts it.
    pub parent: Option<Parent>,
    /// The run it goes on with.
    pub continues: Option<Continued>,
    /// What it stands in line behind.
    pub queued: Option<Queued>,
    /// The hash of what was asked for, where it may be asked for again under the same key.
    pub asked: Option<String>,
}

/// The run that started another.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Parent {
    /// The run.
    pub run: RunId,
    /// Its step.
    pub step: String,
    /// Its attempt.
    pub attempt: AttemptId,
    /// The procedures above, from that of the first run to that of the parent.
    pub chain: Vec<String>,
}

/// What a run takes over from one that is over.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Continued {
    /// The run it goes on with.
    pub run: RunId,
    /// The step it begins with.
    pub from: String,
    /// The steps before it, as they ended there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<TakenOver>,
    /// The variables as they were.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub variables: Map<String, Value>,
    /// The loops that are entered in the middle, the innermost last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loops: Vec<LoopFrame>,
}

/// One step a run takes over.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TakenOver {
    /// The step.
    pub step: String,
    /// How it ended.
    pub status: StepStatus,
    /// What it left.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// What a run stands in line behind.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Queued {
    /// How many runs of the procedure may go on at once.
    pub limit: u32,
    /// The runs that go on.
    pub running: Vec<RunId>,
    /// How many stand in line before it.
    pub ahead: u32,
}

/// A step of the document, as the run's start lists them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StepName {
    /// Its name.
    pub name: String,
    /// Its action.
    pub action: String,
    /// The loop it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// Why an attempt is stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Its deadline has passed.
    TimedOut,
    /// The run is being cancelled.
    Cancelled,
}

/// What a bad step means for the run's own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Nothing: the run can still succeed.
    Harmless,
    /// The run goes on, and ends failed or timed out as the first such step did.
    Critical,
    /// The run ends now, failed or timed out as this step did.
    Abort,
}

/// Why a journal record is not an event of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The record belongs to something else.
    #[error("`{kind}` is not an event of a run")]
    OtherKind {
        /// Its kind.
        kind: String,
    },
    /// The record was written by a newer version.
    #[error(
        "`{kind}` has shape version {version}, this version of Mainstay reads up to {VERSION}: upgrade it"
    )]
    Newer {
        /// Its kind.
        kind: String,
        /// Its version.
        version: u64,
    },
    /// The record's data is not what its kind says.
    #[error("the data of `{kind}` does not have the shape of its kind: {reason}")]
    Shape {
        /// Its kind.
        kind: String,
        /// What does not fit.
        reason: String,
    },
}

impl Body {
    /// The journal's event type (`run.started`, ...).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "run.started",
            Self::Released {} => "run.released",
            Self::AttemptStarted { .. } => "run.attempt.started",
            Self::AttemptDispatched { .. } => "run.attempt.dispatched",
            Self::AttemptStopping { .. } => "run.attempt.stopping",
            Self::ChildChanged { .. } => "run.child.changed",
            Self::AttemptSettled { .. } => "run.attempt.settled",
            Self::LoopIterating { .. } => "run.loop.iterating",
            Self::StepFinished { .. } => "run.step.finished",
            Self::Waiting { .. } => "run.waiting",
            Self::Cancelling { .. } => "run.cancelling",
            Self::Finished { .. } => "run.finished",
        }
    }
}

/// All kinds of events a run writes.
pub const KINDS: [&str; 12] = [
    "run.started",
    "run.released",
    "run.attempt.started",
    "run.attempt.dispatched",
    "run.attempt.stopping",
    "run.child.changed",
    "run.attempt.settled",
    "run.loop.iterating",
    "run.step.finished",
    "run.waiting",
    "run.cancelling",
    "run.finished",
];

/// What stands in the data of each event beside its body; and `kind`, which the record itself has.
const COMMON: [&str; 5] = ["v", "run", "procedure", "number", "kind"];

/// A field of a body, as it is read from a record without a copy of its data.
enum Field<'a> {
    Kind(&'a str),
    Of(&'a Value),
}

impl<'a> IntoDeserializer<'a, serde_json::Error> for Field<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Kind(kind) => visitor.visit_borrowed_str(kind),
            Self::Of(value) => value.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

fn shape(kind: &str, reason: &str) -> ReadError {
    ReadError::Shape { kind: kind.to_owned(), reason: reason.to_owned() }
}

/// What each event of a run says beside what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The run.
    pub run: RunId,
    /// The name of its procedure.
    pub procedure: String,
    /// The event's place among the run's events, from 1 without gaps.
    pub number: u64,
}

impl Head {
    /// Of a journal record, and all its data.
    fn of(record: &EventDraft) -> Result<(Self, &Map<String, Value>), ReadError> {
        let kind = record.kind.as_str();
        if !KINDS.contains(&kind) {
            return Err(ReadError::OtherKind { kind: kind.to_owned() });
        }
        let data = record.data.as_object().ok_or_else(|| shape(kind, "it is not a mapping"))?;
        let version = data.get("v").and_then(Value::as_u64).ok_or_else(|| shape(kind, "`v` is missing"))?;
        if version > VERSION {
            return Err(ReadError::Newer { kind: kind.to_owned(), version });
        }
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let run = text("run")
            .and_then(|id| RunId::new(id).ok())
            .filter(|id| id.as_str().len() <= crate::effect::MAX_RUN_ID_BYTES)
            .ok_or_else(|| shape(kind, "`run` is not a run id"))?;
        let procedure =
            text("procedure").ok_or_else(|| shape(kind, "`procedure` is not a string"))?.to_owned();
        let number = data
            .get("number")
            .and_then(Value::as_u64)
            .ok_or_else(|| shape(kind, "`number` is not a number"))?;
        Ok((Self { run, procedure, number }, data))
    }

    /// Of a journal record. Whether what happened can be read, too, is not looked at: that may be a whole document.
    pub fn read(record: &EventDraft) -> Result<Self, ReadError> {
        Self::of(record).map(|(head, _)| head)
    }
}

impl RunEvent {
    /// The journal's event type.
    pub fn kind(&self) -> &'static str {
        self.body.kind()
    }

    /// The id of event `number` of a run. Derived, so that journalling a transition twice is a no-op.
    pub fn id_of(run: &RunId, number: u64) -> EventId {
        EventId::new(format!("{run}.e{number}"))
            .expect("a run id of at most 64 bytes and a number make an id")
    }

    /// This event's id.
    pub fn id(&self) -> EventId {
        Self::id_of(&self.run, self.number)
    }

    /// The record to journal. Its subject is `run/{id}`.
    pub fn draft(&self) -> EventDraft {
        let mut data = match serde_json::to_value(&self.body) {
            Ok(Value::Object(map)) => map,
            // A body is a struct of JSON values, so this cannot be; an empty record would be refused on reading.
            _ => Map::new(),
        };
        data.remove("kind");
        data.insert("v".to_owned(), VERSION.into());
        data.insert("run".to_owned(), self.run.as_str().into());
        data.insert("procedure".to_owned(), self.procedure.as_str().into());
        data.insert("number".to_owned(), self.number.into());
        let mut draft =
            EventDraft::new(self.id(), self.kind(), self.at, self.actor.clone(), Value::Object(data))
                .subject(format!("run/{}", self.run));
        draft.workload.clone_from(&self.workload);
        draft.cause.clone_from(&self.cause);
        draft
    }

    /// The transition a journal record holds.
    pub fn read(record: &EventDraft) -> Result<Self, ReadError> {
        Self::read_fields(record, |_| true)
    }

    /// The same for the fold of a run, which takes nothing of the document and its library: they are left where they are,
    /// and the document is null. They may be a megabyte, where all else is a few hundred bytes.
    pub fn outline(record: &EventDraft) -> Result<Self, ReadError> {
        Self::read_fields(record, |key| !matches!(key, "document" | "library"))
    }

    /// The transition with those fields of its body that are wanted, and null for the document if it is not.
    fn read_fields(record: &EventDraft, is_wanted: impl Fn(&str) -> bool) -> Result<Self, ReadError> {
        let (head, data) = Head::of(record)?;
        let kind = record.kind.as_str();
        let fields = data.iter().filter(|(key, _)| !COMMON.contains(&key.as_str()));
        let fields = fields.filter_map(|(key, value)| match key.as_str() {
            key if is_wanted(key) => Some((key, Field::Of(value))),
            "document" => Some(("document", Field::Of(&Value::Null))),
            _ => None,
        });
        let fields = MapDeserializer::new(std::iter::once(("kind", Field::Kind(kind))).chain(fields));
        let body =
            Body::deserialize(fields).map_err(|error: serde_json::Error| shape(kind, &error.to_string()))?;
        Ok(Self {
            run: head.run,
            procedure: head.procedure,
            workload: record.workload.clone(),
            number: head.number,
            at: record.time,
            actor: record.actor.clone(),
            cause: record.cause.clone(),
            body,
        })
    }

    /// The transition a journal event holds, if it holds one that this version can read.
    pub fn from_event(event: &Event) -> Option<Self> {
        Self::read(event).ok()
    }
}
