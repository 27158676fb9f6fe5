//! What goes into the machine and what comes out of it.

use mainstay_model::{Actor, EventId, HostId, RunId, Timestamp};
use serde_json::{Map, Value};

use crate::effect::{AttemptId, Dispatch, Outcome, TimerId};
use crate::event::{Origin, RunEvent};
use crate::run::Run;

/// What a run begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The new run's id, at most 64 bytes.
    pub run: RunId,
    /// The procedure's name.
    pub procedure: String,
    /// The workload it belongs to.
    pub workload: Option<String>,
    /// The document's digest.
    pub digest: String,
    /// The values given: typed, or in the wire form of `StartAutomationExecution` (each a list of texts).
    pub parameters: Map<String, Value>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// Why, in words for people.
    pub reason: Option<String>,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// For a Command document: the host to run it on, where that is not the control plane's own.
    pub host: Option<HostId>,
    /// The run it belongs to or goes on with, and whether it stands in line first. Nothing of it for most runs.
    pub origin: Origin,
}

/// What happens to a run from outside. An input that no longer fits (an attempt that is settled already, a timer of
/// the past, a run that is over) changes nothing, so every input may be repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Nothing: go on from wherever the journal ends. What a loop says to each run that is not over when it starts.
    Resume,
    /// The hosts of a command have been chosen. None at all fails the attempt.
    Dispatched {
        /// Which attempt.
        attempt: AttemptId,
        /// Which command goes to which host.
        commands: Vec<Dispatch>,
    },
    /// An attempt is over.
    Settled {
        /// Which attempt.
        attempt: AttemptId,
        /// What it came to.
        outcome: Outcome,
    },
    /// The run that an attempt started waits for something, or no longer does.
    Child {
        /// Which attempt.
        attempt: AttemptId,
        /// What it waits for ([`crate::child::waits`]).
        waiting: Option<String>,
    },
    /// It is the run's turn: it stood in line and may begin.
    Release,
    /// A timer is due.
    TimerDue {
        /// Which.
        timer: TimerId,
    },
    /// Somebody wants the run to stop.
    Cancel {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// A person says what came of an attempt of which nobody knew.
    Decide {
        /// Which attempt.
        attempt: AttemptId,
        /// Who.
        by: Actor,
        /// What they say.
        decision: Decision,
    },
}

/// What a person says of an attempt whose outcome is unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It did what it should; these are its outputs.
    Succeeded {
        /// The action's outputs, as far as the person knows them.
        outputs: Map<String, Value>,
    },
    /// It failed.
    Failed {
        /// Why.
        message: String,
    },
    /// It is safe to do it again.
    Retry,
}

/// What came of an input: the run as it is then, and the events that made it so, to be journalled in one go before
/// anything of [`Run::outstanding`] is performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The run, with the events applied.
    pub run: Run,
    /// The new events, in order.
    pub events: Vec<RunEvent>,
}
