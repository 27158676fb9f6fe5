//! Alarms as the API shows them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use mainstay_api::v1::AlarmView;
use mainstay_detect::{AlarmState, Condition, Labels};
use mainstay_store::StoreError;

use crate::app::App;
use crate::catalogue::Active;
use crate::incidents;
use crate::responses::{Acknowledgements, Silences};

/// An alarm with one label set that holds; or the alarm as a whole, where none does.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is shown of it.
    pub view: AlarmView,
    /// Whether it is the alarm as a whole.
    pub whole: bool,
}

/// The word for a condition.
pub fn words(condition: Condition) -> &'static str {
    match condition {
        Condition::Unknown => "not evaluated",
        Condition::NoData => "no data",
        Condition::Resolved => "inactive",
        other => other.as_str(),
    }
}

/// Every alarm of a workload, in the order of its rules.
pub fn of_workload(app: &App, active: &Active) -> Vec<Shown> {
    let mut all = Vec::new();
    for group in &active.groups {
        let state = app.evaluator.state(active.name(), &group.key()).unwrap_or_default();
        for (index, rule) in mainstay_detect::alarm::alarms(&group.group) {
            all.extend(of_rule(active.name(), &rule.alert, state.of(&group.group, index)));
        }
    }
    all
}

fn of_rule(workload: &str, alarm: &str, state: Option<&AlarmState>) -> Vec<Shown> {
    let whole = AlarmView {
        workload: workload.to_owned(),
        alarm: alarm.to_owned(),
        state: words(state.map_or(Condition::Unknown, AlarmState::shown)).to_owned(),
        labels: Labels::new(),
        annotations: Labels::new(),
        value: None,
        since: state.and_then(|state| state.since),
        error: state.and_then(|state| state.error.clone()),
        silenced_by: None,
        incident: None,
        acknowledged: None,
    };
    let holds = |condition| matches!(condition, Condition::Pending | Condition::Firing | Condition::NoData);
    let instances = state.into_iter().flat_map(|state| &state.instances);
    let held: Vec<Shown> = instances
        .filter(|instance| holds(instance.condition))
        .map(|instance| AlarmView {
            state: words(instance.condition).to_owned(),
            labels: without_name(&instance.labels),
            annotations: instance.annotations.clone(),
            value: Some(instance.value).filter(|value| value.is_finite()),
            since: match instance.condition {
                Condition::Firing => instance.fired_at,
                _ => Some(instance.active_at),
            },
            ..whole.clone()
        })
        .map(|view| Shown { view, whole: false })
        .collect();
    if held.is_empty() { vec![Shown { view: whole, whole: true }] } else { held }
}

/// Labels without `alertname`, which says again what the alarm is.
pub fn without_name(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.remove("alertname");
    labels
}

/// Adds to alarms who has them in hand, what silences them, and of which incident they are part.
pub fn complete(app: &App, shown: &mut [Shown]) -> Result<(), StoreError> {
    let journal = app.journal.as_ref();
    let silences = Silences::at(journal, app.clock.now())?;
    let mut open = BTreeMap::new();
    let mut acknowledged: BTreeMap<String, Acknowledgements> = BTreeMap::new();
    for Shown { view, whole } in shown.iter_mut() {
        view.silenced_by = silences.of(&view.workload, &view.alarm, &view.labels).map(str::to_owned);
        let said = match acknowledged.entry(view.workload.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Acknowledgements::of(journal, &view.workload)?),
        };
        view.acknowledged = said.of_alarm(&view.alarm, &view.labels, *whole);
        let incident = match open.entry(view.workload.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(incidents::desk(journal, &view.workload)?.open),
        };
        let is_of = |one: &mainstay_respond::Alarm| {
            one.alarm == view.alarm
                && one.labels.iter().filter(|(name, _)| *name != "alertname").eq(&view.labels)
        };
        view.incident = incident
            .as_ref()
            .filter(|incident| incident.alarms.values().any(is_of))
            .map(|incident| incident.id.to_string());
    }
    Ok(())
}
