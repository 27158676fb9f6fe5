//! One disturbance, and what is known of it.

use std::collections::BTreeMap;
use std::fmt;

use mainstay_model::{EventDraft, EventId, IncidentId, Timestamp};

/// A disturbance of a workload.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Incident {
    /// Its id, derived from the event that opened it.
    pub id: IncidentId,
    /// The workload.
    pub workload: String,
    /// What it is about.
    pub title: String,
    /// Whether it is over.
    pub status: Status,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Since when an alarm of it has been firing.
    pub firing_since: Timestamp,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Who ended it, where it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<ByHand>,
    /// The event that opened it: the first alarm that fired.
    pub cause: EventId,
    /// Where to begin reading its story: the journal's place of the first event that may belong to it.
    pub from_seq: u64,
    /// Its alarms, by name and labels.
    pub alarms: BTreeMap<String, Alarm>,
    /// The workload's measures, by goal, as far as they were told.
    pub measures: BTreeMap<String, Measure>,
    /// Its runs, by id.
    pub runs: BTreeMap<String, Run>,
    /// What changed in the hour before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// An end by somebody's word.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ByHand {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What still kept it open then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waited_for: Vec<String>,
}

impl ByHand {
    /// What the end of an incident says of who ended it; nothing where it ended by itself.
    pub fn told(data: &serde_json::Value) -> Option<Self> {
        let waited_for = data["waited_for"].as_array().into_iter().flatten();
        Some(Self {
            by: data["resolved_by"].as_str()?.to_owned(),
            message: data["message"].as_str().map(str::to_owned),
            waited_for: waited_for.filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        })
    }
}

/// Whether an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It goes on.
    Open,
    /// Its alarms have cleared and the workload's measures are on target; or somebody says that it is over.
    Resolved,
}

impl Status {
    /// The word, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }
}

/// How an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its condition holds, but not yet for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It has cleared.
    Resolved,
    /// Its condition does not hold.
    Inactive,
    /// Nothing is known: there are no data.
    NoData,
    /// Nothing is known: the rule could not be evaluated.
    Error,
}

impl State {
    /// The state that an event of this kind tells (`alarm.firing`).
    pub fn of_kind(kind: &str) -> Option<Self> {
        Some(match kind.strip_prefix("alarm.")? {
            "pending" => Self::Pending,
            "firing" => Self::Firing,
            "resolved" => Self::Resolved,
            "inactive" => Self::Inactive,
            "no_data" => Self::NoData,
            "error" => Self::Error,
            _ => return None,
        })
    }

    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Inactive => "inactive",
            Self::NoData => "no data",
            Self::Error => "error",
        }
    }

    /// Whether nothing is wrong as far as this alarm knows. That nothing is known is not good.
    pub fn is_clear(self) -> bool {
        matches!(self, Self::Resolved | Self::Inactive)
    }
}

/// One alarm with one set of labels.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Alarm {
    /// Its name.
    pub alarm: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How it stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// When its condition began to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_since: Option<Timestamp>,
    /// Its last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

impl Alarm {
    /// The name and labels in one text, which tells it from others.
    pub fn key(alarm: &str, labels: &BTreeMap<String, String>) -> String {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        if labels.is_empty() { alarm.to_owned() } else { format!("{alarm}{{{}}}", labels.join(",")) }
    }
}

/// How a measure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The target is met.
    OnTarget,
    /// It is not.
    OffTarget,
    /// Nothing is known: there are no data, or the measure cannot be evaluated.
    Unknown,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnTarget => "on target",
            Self::OffTarget => "off target",
            Self::Unknown => "unknown",
        })
    }
}

/// A priority's measure.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Measure {
    /// How it stands.
    pub standing: Standing,
    /// Its last value that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Since when it stands so.
    pub since: Timestamp,
}

/// A run that answers the disturbance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// The procedure's name.
    pub procedure: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Its status, as the run's events write it (`InProgress`, `Waiting`, `Success`, ...).
    pub status: String,
    /// The event that triggered it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because_of: Option<EventId>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl Run {
    /// Whether an event of this kind about the run changes anything here. Most events of a run do not.
    pub fn is_changed_by(&self, kind: &str) -> bool {
        match kind {
            "run.waiting" | "run.cancelling" | "run.finished" => true,
            "run.attempt.started" | "run.step.finished" => self.status == "Waiting",
            _ => false,
        }
    }
}

/// A revision that was applied before the disturbance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// Its place in the journal.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The revision.
    pub revision: String,
}

impl Incident {
    /// The incident as an event tells it, if the event is one of an incident.
    pub fn told(event: &EventDraft) -> Option<Self> {
        if !["incident.opened", "incident.joined", "incident.resolved"].contains(&event.kind.as_str()) {
            return None;
        }
        let mut told: Self = serde_json::from_value(event.data.get("snapshot")?.clone()).ok()?;
        if told.status == Status::Resolved {
            told.by_hand = ByHand::told(&event.data);
        }
        Some(told)
    }

    /// Its alarms whose condition holds, in words: of those nobody can say that it is over.
    pub fn still_wrong(&self) -> Vec<String> {
        let holds = |alarm: &Alarm| matches!(alarm.state, State::Firing | State::Pending);
        let alarms = self.alarms.iter().filter(|(_, alarm)| holds(alarm));
        alarms.map(|(key, alarm)| format!("alarm {key} is {}", alarm.state.as_str())).collect()
    }

    /// What still keeps it open, in words; empty when nothing does. `goals` are the workload's priorities: each has to
    /// be on target, and one that was never told is not.
    pub fn waiting_for(&self, goals: &[String]) -> Vec<String> {
        let mut reasons = Vec::new();
        for (key, alarm) in self.alarms.iter().filter(|(_, alarm)| !alarm.state.is_clear()) {
            reasons.push(format!("alarm {key} is {}", alarm.state.as_str()));
        }
        for goal in goals {
            match self.measures.get(goal) {
                Some(measure) if measure.standing == Standing::OnTarget => {}
                Some(measure) => reasons.push(format!("\"{goal}\" is {}", measure.standing)),
                None => reasons.push(format!("\"{goal}\" has not been measured")),
            }
        }
        // A run that waits for a person may wait for days; the disturbance is over without it.
        for (id, run) in
            self.runs.iter().filter(|(_, run)| ["InProgress", "Cancelling"].contains(&run.status.as_str()))
        {
            reasons.push(format!("run {id} of {} goes on", run.procedure));
        }
        reasons
    }
}
