//! What a run keeps of its steps, attempts and loops, for people and for what follows.

use mainstay_model::{RunId, Timestamp};
use serde_json::{Map, Value};

use super::StepStatus;
use crate::effect::{AttemptId, Dispatch, EffectKind};
use crate::event::{StepName, StopReason};

/// One try of a step, for people.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AttemptRecord {
    /// Its id.
    pub attempt: AttemptId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// The commands it sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Dispatch>,
    /// The run it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<RunId>,
    /// How it ended: `succeeded`, `failed`, `timed out`, `cancelled`, `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// One step of a run, for people.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StepRecord {
    /// Its name.
    pub name: String,
    /// Its action.
    pub action: String,
    /// How it stands.
    pub status: StepStatus,
    /// When its first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Its tries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptRecord>,
    /// Its outputs.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The step that came next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The loop it stands in. Then everything above is of the loop's last iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The loop's iteration it was last begun in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    /// The run it was taken over from, where this one goes on with another: nothing of it was done here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<RunId>,
    /// For a loop that did not end well: where it stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<LoopFrame>,
    /// How many tries it had in earlier iterations.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_attempts: u32,
}

impl StepRecord {
    /// The record of a step that was not reached.
    pub fn pending(step: &StepName) -> Self {
        Self {
            name: step.name.clone(),
            action: step.action.clone(),
            status: StepStatus::Pending,
            started_at: None,
            finished_at: None,
            attempts: Vec::new(),
            outputs: Map::new(),
            failure: None,
            next: None,
            parent: step.parent.clone(),
            iteration: None,
            taken_from: None,
            left_at: None,
            earlier_attempts: 0,
        }
    }

    /// The step as the document has it.
    pub fn step_name(&self) -> StepName {
        StepName { name: self.name.clone(), action: self.action.clone(), parent: self.parent.clone() }
    }

    /// Whether nothing has happened to the step.
    pub fn is_untouched(&self) -> bool {
        *self == Self::pending(&self.step_name())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A loop that is going on.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LoopFrame {
    /// The loop's step.
    pub step: String,
    /// Which iteration, from 1.
    pub iteration: u32,
    /// The elements it goes through, where it goes through a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
}

impl LoopFrame {
    /// The element of this iteration, where the loop goes through a list.
    pub(crate) fn value(&self) -> Option<&Value> {
        let place = usize::try_from(self.iteration).unwrap_or(usize::MAX).saturating_sub(1);
        self.values.as_ref()?.get(place)
    }
}

/// The attempt that is open, or was settled last.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// Its step.
    pub step: String,
    /// Its id.
    pub attempt: AttemptId,
    /// Which try of the step, from 1.
    pub number: u32,
    /// What is performed; nothing for a sleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectKind>,
    /// For a sleep: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it has to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The commands that were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched: Option<Vec<Dispatch>>,
    /// Whether and why it is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<StopReason>,
    /// For a child: what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_waits: Option<String>,
    /// The place of the event that began it among the run's events; 0 where an older version wrote it.
    #[serde(default)]
    pub event: u64,
}
