//! The events of a change, which are the truth of it.
//!
//! | kind | data beside the plan's own shapes | said when |
//! |---|---|---|
//! | `change.started` | `plan`, `request` (`by`, `message`, `commit`, `keep`, `deadline_ms`), `holds` | a plan is to be carried out; the first event |
//! | `change.held` | `holds` | it waits for an approval |
//! | `change.approved` | `by`, `message`, `own` | somebody approved it |
//! | `change.refused` | `by`, `message` | somebody refused it; `change.finished` follows |
//! | `change.cancelled` | `by`, `message` | somebody wants it to end; what is done is rolled back unless `keep` |
//! | `change.wave.started` | `wave`, `back`, `actions`, `deadline` | the actions of a wave begin, or their way back |
//! | `change.action.lost` | `action`, `reason` | the host of an action went away; its outcome is unknown for now |
//! | `change.action.returned` | `action` | the host came back |
//! | `change.action.finished` | `actions`, `outcome`, `reason` | the outcome of actions is known, or their time is over |
//! | `change.rolling_back` | `reason` | no more waves; what was begun goes back, last wave first |
//! | `change.finished` | `end`, `reason`, `outcomes` | the last event |
//!
//! Actions are named by their place in the plan. The data of an event is [`ChangeEvent::data`]; a journal adds what its
//! envelope has (the change's id as subject, the workload, the actor, the time).

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_model::{Actor, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::Hold;
use crate::value::Plan;

/// The place of an action in [`Plan::actions`].
pub type ActionId = usize;

/// Who wants a change, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who.
    pub by: Actor,
    /// The person for whom it was: who started the run that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behalf: Option<Actor>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The git commit of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Whether what was done stays when something fails.
    #[serde(default)]
    pub keep: bool,
    /// How long a wave may take, in milliseconds, in place of what its actions need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

impl Request {
    /// A request with nothing optional set: what fails is rolled back.
    pub fn new(by: Actor) -> Self {
        Self { by, behalf: None, message: None, commit: None, keep: false, deadline_ms: None }
    }

    /// Whether somebody asked for it, themselves or by a run of theirs.
    pub fn is_of(&self, somebody: &Actor) -> bool {
        self.by == *somebody || self.behalf.as_ref() == Some(somebody)
    }
}

/// A git commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// Whether the files differ from it.
    #[serde(default)]
    pub dirty: bool,
}

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It worked.
    Applied,
    /// It did not work.
    Failed,
    /// It was never begun.
    Skipped,
    /// It was begun and then undone; what was there before is there again.
    RolledBack,
    /// It was begun, and undoing it did not work.
    RollbackFailed,
    /// Nobody knows: the host was away until its time was over. Never counted as good.
    Unknown,
}

impl Outcome {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::RolledBack => "rolled back",
            Self::RollbackFailed => "rollback failed",
            Self::Unknown => "unknown",
        }
    }
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All of it was applied: the next declaration is the current one.
    Applied,
    /// Something failed, and all that was begun is as it was before.
    RolledBack,
    /// Something failed, and what was done stays, as was asked.
    KeptPart,
    /// Something failed, and of something that was begun it is not known that it is as before.
    Failed,
    /// Somebody refused it. Nothing was begun.
    Refused,
    /// Somebody cancelled it. What was begun is as before, or stays if that was asked.
    Cancelled,
}

impl End {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::RolledBack => "rolled back",
            Self::KeptPart => "kept in part",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Something that happened to a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ChangeEvent {
    /// A plan is to be carried out.
    Started {
        /// The plan.
        #[serde(with = "shared")]
        plan: Arc<Plan>,
        /// Who wants it, and how.
        request: Request,
        /// Why it needs an approval.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        holds: Vec<Hold>,
    },
    /// It waits for an approval.
    Held {
        /// Why.
        holds: Vec<Hold>,
    },
    /// Somebody approved it.
    Approved {
        /// Who.
        by: Actor,
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Whether it is their own change.
        #[serde(default)]
        own: bool,
    },
    /// Somebody refused it.
    Refused {
        /// Who.
        by: Actor,
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Somebody wants it to end.
    Cancelled {
        /// Who.
        by: Actor,
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The actions of a wave begin, or their way back.
    WaveStarted {
        /// Its place in the plan.
        wave: usize,
        /// Whether this is the way back.
        #[serde(default)]
        back: bool,
        /// The actions; on the way back only those that were begun.
        actions: Vec<ActionId>,
        /// When what is not known to have worked counts as failed.
        deadline: Timestamp,
    },
    /// The host of an action went away.
    ActionLost {
        /// The action.
        action: ActionId,
        /// What is known.
        reason: String,
    },
    /// The host of an action came back.
    ActionReturned {
        /// The action.
        action: ActionId,
    },
    /// The outcome of actions is known, or their time is over.
    ActionFinished {
        /// The actions.
        actions: Vec<ActionId>,
        /// What became of them.
        outcome: Outcome,
        /// Why, where it is not good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// No more waves; what was begun goes back.
    RollingBack {
        /// Why.
        reason: String,
    },
    /// It is over.
    Finished {
        /// How.
        end: End,
        /// Why, where it is not applied.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How many actions had which outcome.
        outcomes: BTreeMap<Outcome, usize>,
    },
}

impl ChangeEvent {
    /// Every kind, as a journal calls it.
    pub const KINDS: [&'static str; 11] = [
        "change.started",
        "change.held",
        "change.approved",
        "change.refused",
        "change.cancelled",
        "change.wave.started",
        "change.action.lost",
        "change.action.returned",
        "change.action.finished",
        "change.rolling_back",
        "change.finished",
    ];

    /// Its kind, as a journal calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "change.started",
            Self::Held { .. } => "change.held",
            Self::Approved { .. } => "change.approved",
            Self::Refused { .. } => "change.refused",
            Self::Cancelled { .. } => "change.cancelled",
            Self::WaveStarted { .. } => "change.wave.started",
            Self::ActionLost { .. } => "change.action.lost",
            Self::ActionReturned { .. } => "change.action.returned",
            Self::ActionFinished { .. } => "change.action.finished",
            Self::RollingBack { .. } => "change.rolling_back",
            Self::Finished { .. } => "change.finished",
        }
    }

    /// Its data, for a journal. [`ChangeEvent::from_data`] reads it back.
    pub fn data(&self) -> Value {
        serde_json::to_value(self).expect("events have only text keys, so they have a JSON form")
    }

    /// Reads what [`ChangeEvent::data`] wrote.
    pub fn from_data(data: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(data)
    }
}

/// A plan that is shared in memory is written as the plan it is.
pub(super) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::value::Plan;

    pub(in crate::change) fn serialize<S: Serializer>(
        plan: &Arc<Plan>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        plan.as_ref().serialize(serializer)
    }

    pub(in crate::change) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Plan>, D::Error> {
        Plan::deserialize(deserializer).map(Arc::new)
    }
}
