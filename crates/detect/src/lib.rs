//! Deciding what events and signals mean: event patterns and triggers in the shape of Amazon EventBridge rules, and
//! rule groups with their alarms in the shape of Prometheus.
//!
//! Pure: nothing here reads a clock, a file or a database, or evaluates a query. Callers bring events, query results
//! and the time; answers are values. Running the targets, scheduling the groups, writing the series and keeping the
//! state are the caller's.

use std::collections::BTreeMap;

pub mod alarm;
pub mod delivery;
mod expr;
mod network;
mod number;
pub mod pattern;
mod read;
pub mod rules;
pub mod schedule;
pub mod template;
pub mod trigger;
pub mod unittest;
mod wildcard;

pub use alarm::{
    AlarmState, Condition, Evaluation, GroupState, Instance, Outcome, RuleEvaluation, Transition, evaluate,
    evaluate_rule,
};
pub use pattern::{EventError, Explanation, Miss, Pattern, PatternSet, Scratch};
pub use rules::{AlertingRule, RecordingRule, Rule, RuleFile, RuleGroup};
pub use schedule::Schedule;
pub use template::{Data, NoQueries, Queries, Template, TemplateError};
pub use trigger::{
    Concurrency, Destination, Handling, Missed, RetryPolicy, Target, TargetCall, TargetInput, Throttle,
    Trigger, TriggerError,
};

/// The labels of one series or alarm, in name order. A label with an empty value is the same as none.
pub type Labels = BTreeMap<String, String>;

/// One series at one instant, as a query answers it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sample {
    /// Its labels, `__name__` included where the query kept it.
    pub labels: Labels,
    /// Its value; not-a-number and the infinities are written as text, which JSON has no number for.
    #[serde(with = "number::float_text")]
    pub value: f64,
}

impl Sample {
    /// A sample of these labels.
    pub fn new<K: Into<String>, V: Into<String>>(
        labels: impl IntoIterator<Item = (K, V)>,
        value: f64,
    ) -> Self {
        Self { labels: labels.into_iter().map(|(name, text)| (name.into(), text.into())).collect(), value }
    }
}
