//! What the machine asks for and what it is told: effects, timers, outcomes. All of it is data.

mod host;
mod kind;

use std::fmt;
use std::time::Duration;

use mainstay_model::{CommandId, HostId, RunId, Timestamp};
use serde_json::{Map, Value};

pub use host::{HostEnd, HostResult, MAX_OUTPUT_CHARS, REBOOT, aggregate, reboot};
pub use kind::{
    ApplyRevisionEffect, AwaitedState, ChildEffect, CommandEffect, EffectKind, GitVersion, HostReport,
    HostStep, HostTask, HostWork, MAX_REPORT_BYTES, Nested, NotifyEffect, PackageAction, Plugin,
    PluginEffect, QueryEffect, REPORT_MARK, ResolveIncidentEffect, RollbackEffect, Runtime, ScriptEffect,
    Secret, Shell, ShellEffect, Source, TagFilter, Targets, WaitForAlarmEffect, WebhookEffect,
    strict_powershell,
};

/// The longest run id a machine accepts, in bytes, so that every id derived from it stays an id.
pub const MAX_RUN_ID_BYTES: usize = 64;

/// How much of a step's name goes into its attempts' ids, in bytes.
const MAX_STEP_IN_ID_BYTES: usize = 32;

/// One try of one step: `{run}.{step}.{n}`. It is the idempotency key of the effect: a performer that has already been
/// given this id answers with what it did then. Its text is also a valid [`CommandId`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AttemptId(CommandId);

impl AttemptId {
    /// The id of try `number` (from 1, counted over the whole run) of the step at `index` in its document. A name that
    /// is too long for an id is cut and made unique by the step's index.
    pub(crate) fn of(run: &RunId, step: &str, index: usize, number: u32) -> Self {
        let text = if step.len() <= MAX_STEP_IN_ID_BYTES {
            format!("{run}.{step}.{number}")
        } else {
            let cut: String = step.chars().take(MAX_STEP_IN_ID_BYTES - 8).collect();
            format!("{run}.{cut}-{index}.{number}")
        };
        // Run ids are checked when a run starts and step names when its document is read, so this is an id; the
        // fall-back keeps an unforeseen name from stopping a run.
        let id = CommandId::new(text)
            .or_else(|_| CommandId::new(format!("{run}.{index}.{number}")))
            .expect("a run id of at most 64 bytes, a short name and two numbers make an id");
        Self(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as the command it is, for performers that run one command per attempt.
    pub fn as_command(&self) -> &CommandId {
        &self.0
    }

    /// The command this attempt sends to `host`. `position` is the host's place in the list of chosen hosts; it stands
    /// in for the name where that is too long for an id.
    pub fn command_on(&self, host: &HostId, position: usize) -> CommandId {
        CommandId::new(format!("{self}:{host}"))
            .or_else(|_| CommandId::new(format!("{self}:host-{position}")))
            .unwrap_or_else(|_| self.0.clone())
    }

    /// An attempt's id read back from text.
    pub fn parse(text: &str) -> Result<Self, mainstay_model::InvalidId> {
        CommandId::new(text).map(Self)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A timer of a run. The same timer may be set any number of times; only when it is due counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TimerId(pub(crate) String);

impl TimerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run waits for somebody else to do. Performing an action twice must be harmless: effects carry their
/// [`AttemptId`], timers their [`TimerId`].
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Perform this effect and answer with [`crate::Input::Settled`].
    Perform(Effect),
    /// Answer with [`crate::Input::TimerDue`] at that time or later.
    Wake {
        /// Which timer.
        timer: TimerId,
        /// When.
        at: Timestamp,
    },
    /// Stop the effect of this attempt and answer with [`crate::Input::Settled`]: what it came to, cancelled if it was
    /// stopped or never began, unknown if nobody can tell.
    Stop {
        /// Which attempt.
        attempt: AttemptId,
        /// The commands that were sent for it, if it got that far.
        dispatched: Option<Vec<Dispatch>>,
    },
}

/// One effect to perform.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The idempotency key.
    pub attempt: AttemptId,
    /// When the performer itself must end it and settle it as timed out.
    pub deadline: Option<Timestamp>,
    /// What to do.
    pub kind: EffectKind,
    /// For commands: the hosts chosen, once [`crate::Input::Dispatched`] was journalled. A performer that finds this
    /// set chooses no hosts again.
    pub dispatched: Option<Vec<Dispatch>>,
}

/// One command of an attempt, on one host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dispatch {
    /// The host.
    pub host: HostId,
    /// The command's id there.
    pub command: CommandId,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded {
        /// The fixed outputs of its action (`Payload`; `Status`, `ResponseCode`, ...).
        #[serde(default)]
        outputs: Map<String, Value>,
    },
    /// It failed, and it is over.
    Failed {
        /// Why, in sentence case.
        message: String,
        /// What it left all the same.
        #[serde(default)]
        outputs: Map<String, Value>,
    },
    /// It ran into its deadline and was stopped.
    TimedOut {
        /// What exactly took too long.
        message: String,
        /// What it left all the same.
        #[serde(default)]
        outputs: Map<String, Value>,
    },
    /// It was stopped on request, or never began.
    Cancelled,
    /// Nobody can say whether it happened.
    Unknown {
        /// Why not.
        reason: String,
    },
}

impl Outcome {
    /// Success without outputs.
    pub fn succeeded() -> Self {
        Self::Succeeded { outputs: Map::new() }
    }

    /// Failure without outputs.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), outputs: Map::new() }
    }

    /// The outputs, where there can be some.
    pub fn outputs(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Succeeded { outputs } | Self::Failed { outputs, .. } | Self::TimedOut { outputs, .. } => {
                Some(outputs)
            }
            Self::Cancelled | Self::Unknown { .. } => None,
        }
    }
}

/// A `Payload` from what a bash script wrote to standard output: a JSON mapping or list, if all of it is one, else the
/// text without its last line break. A text that looks like a number stays a text: `1.10` is a version more often than
/// a number, and a script that means a number can say `{"n": 5}`.
pub fn payload_from_stdout(stdout: &str) -> Value {
    match serde_json::from_str(stdout.trim()) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(stdout.strip_suffix('\n').unwrap_or(stdout).to_owned()),
    }
}

/// Seconds as a duration, for deadlines.
pub(crate) fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
