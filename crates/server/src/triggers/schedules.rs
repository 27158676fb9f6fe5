//! Schedules: a firing is an event of the journal like any other, and from there on goes the way of all that match.
//!
//! When a schedule came in force and how far it is settled is in the table of triggers. A firing's id follows from its
//! scheduled time, so one that is looked at twice, after a crash or after the clock went back, happens once.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_detect::delivery::TriggerId;
use mainstay_detect::schedule::Progress;
use mainstay_detect::{Missed, Schedule};
use mainstay_model::{Actor, EventDraft, EventId, Timestamp};
use mainstay_store::StoreError;
use serde_json::json;

use super::{Life, fold};

/// A firing that is later than this fell into a time when no server ran.
const ON_TIME: Duration = Duration::from_secs(60);

/// However late it is.
const ALWAYS: Duration = Duration::from_secs(100 * 366 * 86_400);

/// So many missed firings are made up for.
const MAX_MADE_UP: usize = 1000;

/// A schedule that is in force.
#[derive(Debug)]
pub(super) struct Planned {
    schedule: Schedule,
    missed: Missed,
    progress: Progress,
    /// When it is to be looked at again; at once if it never was.
    wake: Option<Timestamp>,
}

/// What a schedule is known by: another text is another schedule, which comes in force anew.
fn identity(schedule: &Schedule) -> String {
    format!("{} {}", schedule.text(), schedule.zone())
}

fn draft(kind: &str, id: &TriggerId, of: &str, time: Timestamp, data: serde_json::Value) -> EventDraft {
    let identity = format!("{kind}\n{}\n{}\n{of}", id.workload, id.trigger);
    let hex = blake3::hash(identity.as_bytes()).to_hex();
    let event = EventId::new(format!("schedule:{}", &hex[..24])).expect("hex digits are an id");
    EventDraft::new(event, kind, time, Actor::System("triggers".to_owned()), data)
        .subject(format!("trigger/{}", id.trigger))
        .workload(&id.workload)
}

impl Life {
    /// Takes what schedules there are now. One that is new or another than before comes in force now, which is said.
    pub(super) async fn plan_schedules(&mut self) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let workloads = self.workloads.clone();
        let mut planned = BTreeMap::new();
        let mut drafts = Vec::new();
        for active in workloads.values() {
            for trigger in active.triggers.values() {
                let id = TriggerId { workload: active.name().to_owned(), trigger: trigger.name.clone() };
                let did = fold::did(self.parts.journal.as_ref(), &id.workload, &id.trigger)?;
                let schedule = trigger.schedule.as_ref().filter(|_| trigger.enabled);
                let Some(schedule) = schedule else {
                    if did.armed.is_some() {
                        let data = json!({ "trigger": trigger.name });
                        drafts.push(draft("trigger.disarmed", &id, &now.to_string(), now, data));
                    }
                    continue;
                };
                let text = identity(schedule);
                let (since, settled) = match did.armed.filter(|armed| armed.schedule == text) {
                    Some(armed) => (armed.since, did.scheduled),
                    None => {
                        let data = json!({ "trigger": trigger.name, "schedule": text, "since": now });
                        drafts.push(draft("trigger.armed", &id, &now.to_string(), now, data));
                        (now, None)
                    }
                };
                let settled = settled.filter(|settled| *settled >= since);
                planned.insert(
                    id,
                    Planned {
                        schedule: schedule.clone(),
                        missed: trigger.handling.missed,
                        progress: Progress { since, settled },
                        wake: Some(now),
                    },
                );
            }
        }
        self.append(drafts).await?;
        self.schedules = planned;
        Ok(())
    }

    /// When a schedule is due next.
    pub(super) fn next_firing(&self) -> Option<Timestamp> {
        let on = self.schedules.iter().filter(|(id, _)| !self.off.contains_key(id));
        on.filter_map(|(_, planned)| planned.wake).min()
    }

    /// Fires what is due.
    pub(super) async fn fire(&mut self) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        if self.next_firing().is_none_or(|wake| wake > now) {
            return Ok(());
        }
        let mut drafts = Vec::new();
        for (id, planned) in &mut self.schedules {
            if self.off.contains_key(id) || planned.wake.is_none_or(|wake| wake > now) {
                continue;
            }
            planned.due(id, now, &mut drafts);
        }
        self.append(drafts).await.map(drop)
    }

    /// A schedule that was off does not make up for the time meanwhile.
    pub(super) fn skip_to(&mut self, id: &TriggerId, now: Timestamp) {
        if let Some(planned) = self.schedules.get_mut(id) {
            planned.progress.settled = planned.progress.settled.max(Some(now));
            planned.wake = Some(now);
        }
    }
}

impl Planned {
    fn due(&mut self, id: &TriggerId, now: Timestamp, drafts: &mut Vec<EventDraft>) {
        let delay = self.schedule.delay(&id.trigger);
        if self.missed == Missed::All {
            let from =
                self.progress.settled.unwrap_or_else(|| self.progress.since.minus(Duration::from_millis(1)));
            let until = now.minus(delay);
            let upcoming = self.schedule.upcoming(from, self.progress.since);
            let due: Vec<Timestamp> =
                upcoming.take(MAX_MADE_UP).take_while(|scheduled| *scheduled <= until).collect();
            // The last one is fired below, with what is left when there were too many.
            for scheduled in due.iter().rev().skip(1).rev() {
                drafts.push(firing(id, *scheduled, until.since(*scheduled)));
                self.progress.settled = Some(*scheduled);
            }
        }
        let patience = if self.missed == Missed::Skip { ON_TIME } else { ALWAYS };
        let due = self.schedule.due(self.progress, now, delay, patience);
        if due.missed > 0 || due.setback.is_some() {
            let mut data = json!({
                "trigger": id.trigger, "missed": due.missed, "last": due.last_missed, "upto": due.settled,
            });
            if let Some(setback) = due.setback {
                data["setback"] = json!(setback.settled);
                tracing::warn!(trigger = id.trigger, settled = %setback.settled, "the clock went back by more than a day");
            }
            let of = format!("{:?} {now}", due.settled);
            drafts.push(draft("trigger.missed", id, &of, now, data));
        }
        if let Some(scheduled) = due.fire {
            drafts.push(firing(id, scheduled, due.late));
        }
        self.progress.settled = due.settled;
        self.wake = due.wake;
    }
}

fn firing(id: &TriggerId, scheduled: Timestamp, late: Duration) -> EventDraft {
    let late = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
    let data = json!({ "trigger": id.trigger, "scheduled": scheduled, "late_ms": late });
    draft("trigger.scheduled", id, &scheduled.to_string(), scheduled, data)
}
