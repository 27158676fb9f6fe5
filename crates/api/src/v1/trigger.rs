//! Triggers on the wire: what each does, and the calls that were given up.

use mainstay_model::Timestamp;
use serde_json::Value;

/// A trigger and what it did.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TriggerView {
    /// Its workload.
    pub workload: String,
    /// Its name.
    pub trigger: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it works: `off` is what its file says, `disabled` what a person did.
    #[schema(value_type = super::TriggerState)]
    pub state: String,
    /// Who disabled it, when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<DisabledView>,
    /// Its targets.
    pub targets: Vec<TargetView>,
    /// The event pattern as written.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub pattern: Value,
    /// The schedule's expression and zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// When it fires next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub next: Option<Timestamp>,
    /// When the last event matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub last_match: Option<Timestamp>,
    /// The place of that event in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_match_seq: Option<u64>,
    /// What the last call came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::Time>)]
    pub last_result_at: Option<Timestamp>,
    /// How long the slowest of the calls that were answered last took from the match on, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// Events that matched.
    pub matched: u64,
    /// Of them, those that a throttle kept back.
    pub throttled: u64,
    /// Calls left out because an earlier one was still worked on.
    pub skipped: u64,
    /// Calls left out because a newer one took their place.
    pub replaced: u64,
    /// Calls that were answered well.
    pub delivered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Dead letters that are listed now.
    pub dead: usize,
    /// Calls that wait for their turn; absent when nobody knows, because the loop does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<usize>,
    /// Calls that are being made, and runs that others wait behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_way: Option<usize>,
    /// Calls that wait for another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<usize>,
}

/// Who disabled a trigger.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct DisabledView {
    /// Who.
    pub by: String,
    /// When.
    #[schema(value_type = super::Time)]
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A target of a trigger.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TargetView {
    /// Its id.
    pub id: String,
    /// What it calls: `procedure/NAME` or `webhook/NAME`.
    pub calls: String,
    /// Tries after the first.
    pub retries: u32,
    /// How old a call may become, in milliseconds.
    pub max_age_ms: u64,
}

/// All triggers, and how far events have been routed to them.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Triggers {
    /// The triggers, by workload and name.
    pub items: Vec<TriggerView>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many events of the journal have not been matched yet.
    pub behind: u64,
}

/// A call that was given up.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct DeadLetter {
    /// Its id, which was the idempotency key of its requests.
    pub id: String,
    /// The workload.
    pub workload: String,
    /// The trigger.
    pub trigger: String,
    /// The target's id.
    pub target: String,
    /// The place of the event in the journal.
    pub event_seq: u64,
    /// When the event matched.
    #[schema(value_type = super::Time)]
    pub since: Timestamp,
    /// When the call was given up.
    #[schema(value_type = super::Time)]
    pub at: Timestamp,
    /// Tries made.
    pub attempts: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A word for it (`TIMEOUT`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What ran out: `MaximumRetryAttempts` or `MaximumEventAgeInSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<String>,
    /// The replay that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// Which calls are tried again or dropped: one dead letter, or those of a trigger.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenCalls {
    /// The dead letter with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Those of this trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The trigger's workload, where several have one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Not the dead letters but the calls that wait; to drop only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
    /// Why; part of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How many there were.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Count {
    /// So many.
    pub count: usize,
}

/// A replay to ask for.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReplay {
    /// From when on events came in.
    #[schema(value_type = super::Time)]
    pub from: Timestamp,
    /// Until when.
    #[schema(value_type = super::Time)]
    pub to: Timestamp,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
    /// The trigger's workload, where several have one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
}

/// What a replay comes to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ReplayView {
    /// Its name, which events carry as `replay-name`; absent for one that only counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// Events that match.
    pub matched: usize,
    /// Events left out, because the trigger would cause itself.
    pub circles: usize,
}

/// Why a trigger is turned off or on.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchTrigger {
    /// The trigger's workload, where several have one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Why; part of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
