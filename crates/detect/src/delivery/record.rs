//! What the machine decided, as the journal keeps it. Fields are short lists of numbers where there may be thousands of
//! calls: one record stands for all that was decided at once.

use mainstay_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Events that matched, and what follows: calls, and matches that nothing is called for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Routed {
    /// The triggers and targets that the numbers in `calls` stand for, with what became of their matches.
    pub triggers: Vec<Share>,
    /// Three numbers for each call: the place of the event, the trigger and the target in `triggers`.
    pub calls: Vec<u64>,
    /// Windows of throttles that were opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Calls of before that a newer match replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Origin>,
    /// Calls that found the queue of their target full: they are dead letters from the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full: Vec<Letter>,
    /// The replay that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

impl Routed {
    /// How many calls there are.
    pub fn len(&self) -> usize {
        self.calls.len() / 3
    }

    /// Whether there is no call.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether there is nothing to say at all.
    pub fn is_nothing(&self) -> bool {
        self.triggers.is_empty() && self.replaced.is_empty()
    }
}

/// The part of a record that is about one trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// Ids of its targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// The place of the last event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub last: u64,
    /// Events that matched.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub matched: u64,
    /// Of them, those within a window of the throttle.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled: u64,
    /// Calls left out because an earlier one was still worked on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// Calls left out because a newer one took their place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replaced: u64,
    /// Calls that have been answered well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delivered: u64,
    /// Tries that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Calls that were given up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dead: u64,
    /// The longest time from when an event matched until its call was answered, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lag_ms: u64,
    /// What the last answer was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A throttle lets nothing of this key through until then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The trigger.
    pub trigger: String,
    /// The key, as JSON text.
    pub key: String,
    /// When it ends.
    pub until: Timestamp,
}

/// Where an open call is written down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Origin {
    /// In the record at this place, under this number.
    Batch(u64, u32),
    /// By itself, under the call's id.
    Single(String),
}

/// A call that is kept by itself: it waits for another try, or for a run to end, or was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Its id, which is also the idempotency key of its requests.
    pub id: String,
    /// The workload of the trigger.
    pub workload: String,
    /// The trigger.
    pub trigger: String,
    /// The target's id.
    pub target: String,
    /// The place of the event.
    pub event: u64,
    /// When the event matched.
    pub since: Timestamp,
    /// Tries made.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// A try was begun, and is to be taken for made if nothing more is heard of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// The run that it started and that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A word for it, as the service has them (`TIMEOUT`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What ran out, for a call that was given up after more than one try (`MaximumRetryAttempts`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<String>,
    /// The replay that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// What came of calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// What became of the calls of each trigger.
    pub triggers: Vec<Share>,
    /// Two numbers for each call of a record that is over or kept by itself from now on: the record's place and the
    /// call's number in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<u64>,
    /// Calls that were kept by themselves and are over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over_single: Vec<String>,
    /// Calls that are kept by themselves from now on, or otherwise than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Letter>,
    /// Calls that were given up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<Letter>,
}

impl Settled {
    /// Whether it says nothing.
    pub fn is_nothing(&self) -> bool {
        self.triggers.is_empty() && self.waiting.is_empty()
    }
}
