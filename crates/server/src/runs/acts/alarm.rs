//! Waiting for an alarm: the journal's table of alarms is looked at, and again with each event.

use std::fmt;
use std::time::Duration;

use mainstay_detect::Condition;
use mainstay_runbook::{AwaitedState, Outcome, WaitForAlarmEffect};
use serde_json::json;

use super::{Control, outputs, refused};
use crate::alarms;
use crate::runs::Act;

/// How an alarm stands, over all of its rules and their series: the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Inactive,
    Unevaluated,
    NoData,
    Error,
    Pending,
    Firing,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inactive => "inactive",
            Self::Unevaluated => "not evaluated yet",
            Self::NoData => "without data",
            Self::Error => "in error",
            Self::Pending => "pending",
            Self::Firing => "firing",
        })
    }
}

fn of(condition: Condition) -> Standing {
    match condition {
        Condition::Unknown => Standing::Unevaluated,
        Condition::Inactive | Condition::Resolved => Standing::Inactive,
        Condition::Pending => Standing::Pending,
        Condition::Firing => Standing::Firing,
        Condition::NoData => Standing::NoData,
        Condition::Error => Standing::Error,
    }
}

/// How an alarm of a workload stands now, or that there is none.
pub(super) fn look(control: &Control, workload: &str, alarm: &str) -> Result<Standing, String> {
    let Some(active) = control.catalogue.get(workload) else {
        return Err(format!("There is no workload {workload}"));
    };
    let rows = alarms::of(control.journal.as_ref(), workload)
        .map_err(|error| format!("The journal cannot be read: {}", crate::views::chain(&error)))?;
    let mut standing: Option<Standing> = None;
    for group in &active.groups {
        let evaluated = control.evaluator.state(workload, &group.key());
        for (index, declared) in mainstay_detect::alarm::alarms(&group.group) {
            let rule = group.group.rule_key(index);
            if declared.alert != alarm {
                continue;
            }
            // What was told is what counts; a rule of which nothing was told is looked up where it is evaluated.
            let told = rows
                .iter()
                .find(|row| row.group == group.key() && row.rule == rule)
                .map(|row| row.state.clone());
            let state = told.or_else(|| evaluated.as_ref()?.alarms.get(&rule).cloned()).unwrap_or_default();
            let instances = state.instances.iter().map(|instance| of(instance.condition));
            let worst = instances.fold(of(state.condition), Ord::max);
            standing = Some(standing.map_or(worst, |known| known.max(worst)));
        }
    }
    standing.ok_or_else(|| format!("{workload} has no alarm {alarm}"))
}

/// How often a rule that was not evaluated yet is looked at: only that is told by no event.
const FIRST: Duration = Duration::from_secs(1);

/// Resolves when the alarm is in the state. Whoever calls this holds it to a deadline.
pub(super) async fn wait(control: &Control, act: &Act, wait: &WaitForAlarmEffect) -> Outcome {
    let Some(workload) = act.workload.as_deref() else {
        return Outcome::failed("The run belongs to no workload, so it has no alarms to wait for");
    };
    let mut events = control.journal.watch();
    loop {
        events.borrow_and_update();
        let standing = match look(control, workload, &wait.alarm) {
            Ok(standing) => standing,
            Err(message) => return Outcome::failed(message),
        };
        let is_there = match wait.state {
            AwaitedState::Inactive => standing == Standing::Inactive,
            AwaitedState::Firing => standing == Standing::Firing,
        };
        if is_there {
            return Outcome::Succeeded { outputs: outputs([("State", json!(wait.state.as_str()))]) };
        }
        let first = control.clock.until(control.clock.now().plus(FIRST));
        tokio::select! {
            changed = events.changed() => if changed.is_err() {
                return refused(&mainstay_store::StoreError::Closed);
            },
            () = first, if standing == Standing::Unevaluated => {}
        }
    }
}
