//! The state of alarms, as Prometheus keeps it, with two conditions of our own beside: `no data` and `error`.
//!
//! An alerting rule holds an *alarm*; each series its expression answers is an *instance* of it. Instances go from
//! inactive to pending to firing and back exactly as in Prometheus, and the series `ALERTS` and `ALERTS_FOR_STATE` are
//! those of Prometheus. What differs is what people are told:
//! - An alarm whose selectors select nothing at all is in `no data`. It is neither firing nor fine, and an instance
//!   that was firing when the data went away has not resolved: it waits in `no data` until data are back.
//! - An alarm whose rule failed is in `error`; its instances stay as they last were.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;

use crate::rules::{Rule, RuleGroup};
use crate::template::Queries;
use crate::{Labels, Sample};

mod machine;

pub use machine::{evaluate, evaluate_rule};

/// What an alarm or one of its instances is in. The order is that of urgency when one has to be shown for all.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Never evaluated.
    #[default]
    Unknown,
    /// Does not hold.
    Inactive,
    /// Held until now and fired; an instance stays so for fifteen minutes.
    Resolved,
    /// Holds, but not yet for as long as `for` says.
    Pending,
    /// Holds.
    Firing,
    /// Nothing is known: there are no data to decide on.
    NoData,
    /// Nothing is known: the rule could not be evaluated.
    Error,
}

impl Condition {
    /// The condition in a word, as it stands in events and screens (`firing`, `no_data`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Resolved => "resolved",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::NoData => "no_data",
            Self::Error => "error",
        }
    }
}

/// One label set of an alarm.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Instance {
    /// Its labels, `alertname` included.
    pub labels: Labels,
    /// Its annotations, as expanded at the last evaluation that answered it.
    pub annotations: Labels,
    /// Pending, firing, resolved or no data.
    pub condition: Condition,
    /// The value at the last evaluation that answered it.
    #[serde(with = "crate::number::float_text")]
    pub value: f64,
    /// Since when it holds.
    pub active_at: Timestamp,
    /// Since when it fires or fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Timestamp>,
    /// Since when it fires only because of `keep_firing_for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_firing_since: Option<Timestamp>,
    /// When it resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
}

/// One alarm, or the memory of one recording rule.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AlarmState {
    /// What the last evaluation said of the rule as a whole.
    pub condition: Condition,
    /// Since when it is in that condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why the last evaluation failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The instances, by their labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Instance>,
    /// The series written at the last evaluation, so that those that end can be marked stale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<Labels>,
    /// When it was last evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_evaluation: Option<Timestamp>,
}

/// The state of a rule group. Serializable, so that it survives a restart; start with the default.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GroupState {
    /// By [`RuleGroup::rule_key`], which stays the same while a rule is moved or its expression is changed.
    pub alarms: BTreeMap<String, AlarmState>,
}

/// What evaluating one rule's expression gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The samples of the result (a scalar is one sample without labels), or why there are none.
    pub result: Result<Vec<Sample>, String>,
    /// Whether the selectors of the expression selected any series at all. Expressions without selectors have data.
    pub had_data: bool,
}

/// What the rules of a group are evaluated in.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The time of evaluation; the state machine runs on it.
    pub now: Timestamp,
    /// Labels of this server, for templates.
    pub external_labels: &'a Labels,
    /// Where this server is reached, for templates.
    pub external_url: &'a str,
    /// Answers `query` in templates.
    pub queries: &'a dyn Queries,
}

/// One step of an alarm or of one of its instances, to be told and journalled.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Transition {
    /// The alarm's name.
    pub alarm: String,
    /// `true` when this is the alarm as a whole, which only enters and leaves `no data` and `error`; `false` when it is
    /// one instance.
    pub whole: bool,
    /// The instance's labels; of a whole alarm `alertname` and the labels that need no data.
    pub labels: Labels,
    /// What people are told.
    pub annotations: Labels,
    /// Before.
    pub from: Condition,
    /// After.
    pub to: Condition,
    /// The value that led to it, where there is one.
    pub value: Option<f64>,
    /// The time of the evaluation.
    pub at: Timestamp,
    /// Since when an instance holds.
    pub active_at: Option<Timestamp>,
    /// Why the rule failed, when it goes to `error`.
    pub error: Option<String>,
    /// The rule's expression.
    pub expr: String,
}

/// What evaluating one rule leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleEvaluation {
    /// Series to write at the time of evaluation less the group's `query_offset`, before the next rule runs.
    pub series: Vec<Sample>,
    /// Series that end: to be marked stale at the same time.
    pub stale: Vec<Labels>,
    /// What changed, in order of labels.
    pub transitions: Vec<Transition>,
    /// Why the rule failed, if it did; nothing is written then.
    pub error: Option<String>,
}

/// What evaluating a group leads to: those of its rules, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Series to write.
    pub series: Vec<Sample>,
    /// Series to mark stale.
    pub stale: Vec<Labels>,
    /// What changed.
    pub transitions: Vec<Transition>,
}

impl GroupState {
    /// The state of a rule, if it was evaluated before.
    pub fn of(&self, group: &RuleGroup, index: usize) -> Option<&AlarmState> {
        self.alarms.get(&group.rule_key(index))
    }

    /// Takes a state up again after a time without evaluations, as Prometheus restores `for`: an instance that was
    /// pending waits for what was left to wait, the time in between not counted, and for at least ten minutes where
    /// less was left. After more than an hour, and for rules whose `for` is shorter than ten minutes, it starts anew.
    /// Firing instances keep firing.
    pub fn resume(&mut self, group: &RuleGroup, now: Timestamp) {
        for (index, rule) in alarms(group) {
            if let Some(alarm) = self.alarms.get_mut(&group.rule_key(index)) {
                machine::resume(alarm, rule, now);
            }
        }
    }

    /// Forgets rules that the group no longer has, and answers the series they wrote, to be marked stale.
    pub fn retain(&mut self, group: &RuleGroup) -> Vec<Labels> {
        let keys = group.rule_keys();
        let mut gone = Vec::new();
        self.alarms.retain(|key, alarm| {
            let kept = keys.contains(key);
            if !kept {
                gone.append(&mut alarm.written);
            }
            kept
        });
        gone
    }
}

impl AlarmState {
    /// The one condition to show for the alarm: `error` and `no data` before all, then firing, then pending.
    pub fn shown(&self) -> Condition {
        match self.condition {
            Condition::Unknown | Condition::Error | Condition::NoData => self.condition,
            _ => self.active().map(|instance| instance.condition).max().unwrap_or(Condition::Inactive),
        }
    }

    /// Pending and firing instances.
    pub fn active(&self) -> impl Iterator<Item = &Instance> {
        self.instances
            .iter()
            .filter(|instance| matches!(instance.condition, Condition::Pending | Condition::Firing))
    }
}

/// Which rules of a group are alarms, with their place in it.
pub fn alarms(group: &RuleGroup) -> impl Iterator<Item = (usize, &crate::rules::AlertingRule)> {
    group.rules.iter().enumerate().filter_map(|(index, rule)| match rule {
        Rule::Alerting(rule) => Some((index, rule)),
        Rule::Recording(_) => None,
    })
}
