//! The table of alarms: what is known of each rule's alarm after the last event about it. From it the evaluator takes
//! up its state after a restart, so that a firing alarm goes on firing and is not told a second time.

use std::collections::BTreeMap;

use mainstay_detect::{AlarmState, Condition, GroupState, Instance, Labels, Transition};
use mainstay_model::{Actor, Event, EventDraft, EventId, Timestamp};
use mainstay_store::{Fold, Journal, Rows, StoreError, rows_under};
use serde_json::Value;

/// The table's name. Rows are [`AlarmRow`], by [`row_id`].
pub const ALARMS_TABLE: &str = "alarms";

/// One rule's alarm.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AlarmRow {
    /// The workload.
    pub workload: String,
    /// The group: file and name.
    pub group: String,
    /// The rule within the group.
    pub rule: String,
    /// The alarm's name.
    pub alarm: String,
    /// What is known of it.
    pub state: AlarmState,
}

/// What an `alarm.*` event says: a transition, and whose it is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Told {
    group: String,
    rule: String,
    alarm: String,
    whole: bool,
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    from: Condition,
    to: Condition,
    value: Option<f64>,
    active_at: Option<Timestamp>,
    error: Option<String>,
    expr: String,
}

/// The id of a rule's row.
pub fn row_id(workload: &str, group: &str, rule: &str) -> String {
    format!("{workload}/{group}/{rule}")
}

/// The event that tells a transition. Its id follows from what it tells, so that telling it twice is telling it once.
pub fn draft(workload: &str, group: &str, rule: &str, transition: Transition) -> EventDraft {
    let Transition { alarm, whole, labels, annotations, from, to, value, at, active_at, error, expr } =
        transition;
    let kind = format!("alarm.{}", to.as_str());
    let subject = format!("alarm/{alarm}");
    let identity =
        format!("{workload}\n{group}\n{rule}\n{whole}\n{labels:?}\n{}\n{}", to.as_str(), at.as_millis());
    let hex = blake3::hash(identity.as_bytes()).to_hex();
    let id = EventId::new(format!("alarm:{}", &hex[..24])).expect("hex digits are an id");
    let told = Told {
        group: group.to_owned(),
        rule: rule.to_owned(),
        alarm,
        whole,
        labels,
        annotations,
        from,
        to,
        value: value.filter(|value| value.is_finite()),
        active_at,
        error,
        expr,
    };
    let data = serde_json::to_value(&told).unwrap_or(Value::Null);
    EventDraft::new(id, kind, at, Actor::System("alarms".to_owned()), data)
        .subject(subject)
        .workload(workload)
}

/// The events that end an alarm whose rule is no longer declared. Nothing would ever say that it is over otherwise, and
/// its incident would stay open.
pub fn ended(workload: &str, group: &str, rule: &str, state: &AlarmState, at: Timestamp) -> Vec<EventDraft> {
    // Recording rules keep a state too, without a condition or instances.
    let alarm =
        rule.strip_prefix("alert:").and_then(|rest| rest.split('{').next()).unwrap_or(rule).to_owned();
    let transition = |whole, labels, from, to| Transition {
        alarm: alarm.clone(),
        whole,
        labels,
        annotations: Labels::new(),
        from,
        to,
        value: None,
        at,
        active_at: None,
        error: None,
        expr: "the rule is no longer declared".to_owned(),
    };
    let mut transitions = Vec::new();
    if matches!(state.condition, Condition::NoData | Condition::Error) {
        let labels = Labels::from([("alertname".to_owned(), alarm.clone())]);
        transitions.push(transition(true, labels, state.condition, Condition::Inactive));
    }
    for instance in &state.instances {
        let to = match instance.condition {
            Condition::Firing | Condition::NoData | Condition::Error => Condition::Resolved,
            Condition::Pending => Condition::Inactive,
            Condition::Unknown | Condition::Inactive | Condition::Resolved => continue,
        };
        transitions.push(transition(false, instance.labels.clone(), instance.condition, to));
    }
    transitions.into_iter().map(|transition| draft(workload, group, rule, transition)).collect()
}

/// Keeps [`ALARMS_TABLE`].
pub struct AlarmsFold;

impl Fold for AlarmsFold {
    fn table(&self) -> &'static str {
        ALARMS_TABLE
    }

    fn apply(&self, event: &Event, rows: &mut dyn Rows) {
        let (true, Some(workload)) = (event.kind.starts_with("alarm."), event.workload.as_deref()) else {
            return;
        };
        let Ok(told) = serde_json::from_value::<Told>(event.data.clone()) else { return };
        let id = row_id(workload, &told.group, &told.rule);
        let mut row = rows.read(&id).unwrap_or_else(|| AlarmRow {
            workload: workload.to_owned(),
            group: told.group.clone(),
            rule: told.rule.clone(),
            alarm: told.alarm.clone(),
            state: AlarmState::default(),
        });
        told.onto(&mut row.state, event.time);
        rows.write(&id, &row);
    }
}

impl Told {
    fn onto(self, state: &mut AlarmState, at: Timestamp) {
        state.last_evaluation = Some(at);
        if self.whole {
            state.condition = self.to;
            state.since = Some(at);
            state.error = self.error;
            return;
        }
        // An instance moves only when its rule could be evaluated on data.
        if matches!(state.condition, Condition::Unknown) {
            state.condition = Condition::Inactive;
            state.since = Some(at);
        }
        let before = state.instances.iter().position(|instance| instance.labels == self.labels);
        let mut instance = match before {
            Some(index) => state.instances.remove(index),
            None => Instance {
                labels: self.labels,
                annotations: Labels::new(),
                condition: Condition::Inactive,
                value: 0.0,
                active_at: self.active_at.unwrap_or(at),
                fired_at: None,
                keep_firing_since: None,
                resolved_at: None,
            },
        };
        instance.condition = self.to;
        instance.annotations = self.annotations;
        instance.value = self.value.unwrap_or(instance.value);
        instance.active_at = self.active_at.unwrap_or(instance.active_at);
        match self.to {
            Condition::Firing => {
                instance.fired_at = instance.fired_at.filter(|_| self.from == Condition::NoData).or(Some(at));
                instance.resolved_at = None;
            }
            Condition::Resolved => instance.resolved_at = Some(at),
            Condition::Inactive | Condition::Unknown => return,
            Condition::Pending | Condition::NoData | Condition::Error => {}
        }
        state.instances.push(instance);
    }
}

/// Every alarm of a workload. A row that cannot be read as one is left out: the fold did not write it.
pub fn of(journal: &dyn Journal, workload: &str) -> Result<Vec<AlarmRow>, StoreError> {
    let alarm = |row: Result<(String, Value), StoreError>| {
        row.map(|(_, row)| serde_json::from_value::<AlarmRow>(row).ok()).transpose()
    };
    rows_under(journal, ALARMS_TABLE, workload).filter_map(alarm).collect()
}

/// The states of a workload's groups as the journal knows them, by group.
pub fn restore(journal: &dyn Journal, workload: &str) -> Result<BTreeMap<String, GroupState>, StoreError> {
    let mut groups: BTreeMap<String, GroupState> = BTreeMap::new();
    for row in of(journal, workload)? {
        groups.entry(row.group).or_default().alarms.insert(row.rule, row.state);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_store::MemoryJournal;
    use std::sync::Arc;

    fn transition(from: Condition, to: Condition, at: i64) -> Transition {
        Transition {
            alarm: "Slow".to_owned(),
            whole: false,
            labels: Labels::from([("alertname".to_owned(), "Slow".to_owned())]),
            annotations: Labels::new(),
            from,
            to,
            value: Some(2.0),
            at: Timestamp::from_millis(at),
            active_at: Some(Timestamp::from_millis(1000)),
            error: None,
            expr: "slow > 1".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_restart_takes_up_where_the_journal_ends() {
        let journal = MemoryJournal::new(vec![Arc::new(AlarmsFold)]).expect("a journal");
        let tell = |from, to, at| draft("shop", "a.yaml#g", "alert:Slow{}", transition(from, to, at));
        let told = vec![
            tell(Condition::Inactive, Condition::Pending, 1000),
            tell(Condition::Pending, Condition::Firing, 3000),
        ];
        journal.append(told.clone()).await.expect("appended");
        journal.append(told).await.expect("telling twice is telling once");
        assert_eq!(journal.head().seq, 2);
        let groups = restore(&journal, "shop").expect("read");
        let alarm = &groups["a.yaml#g"].alarms["alert:Slow{}"];
        assert_eq!(alarm.shown(), Condition::Firing);
        assert_eq!(alarm.instances[0].active_at, Timestamp::from_millis(1000));
        assert_eq!(alarm.instances[0].fired_at, Some(Timestamp::from_millis(3000)));

        let over = ended("shop", "a.yaml#g", "alert:Slow{}", alarm, Timestamp::from_millis(5000));
        assert_eq!(over.len(), 1);
        assert_eq!((over[0].kind.as_str(), over[0].data["alarm"].as_str()), ("alarm.resolved", Some("Slow")));

        journal.append(vec![tell(Condition::Firing, Condition::Resolved, 9000)]).await.expect("appended");
        let groups = restore(&journal, "shop").expect("read");
        assert_eq!(groups["a.yaml#g"].alarms["alert:Slow{}"].shown(), Condition::Inactive);
    }
}
