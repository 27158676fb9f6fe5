//! What has to happen in the demo, told from the journal's own events. A stage counts when its event was seen, and by
//! nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainstay_api::v1::EventView;
use mainstay_model::Timestamp;

use crate::sentence;
use crate::time::length;

/// What happens after the fault, in the order in which it usually does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A priority's measure left its target.
    OffTarget,
    /// The alarm's condition holds.
    AlarmPending,
    /// The alarm fires.
    AlarmFiring,
    /// An incident opened.
    IncidentOpened,
    /// A trigger matched.
    TriggerMatched,
    /// A run started.
    RunStarted,
    /// The broken service is ready again.
    ServiceRestarted,
    /// The run succeeded.
    RunSucceeded,
    /// The alarm is quiet again.
    AlarmResolved,
    /// The measure is back on target.
    BackOnTarget,
    /// The incident is resolved.
    IncidentResolved,
    /// The draft of its analysis is written.
    DraftWritten,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::OffTarget,
        Self::AlarmPending,
        Self::AlarmFiring,
        Self::IncidentOpened,
        Self::TriggerMatched,
        Self::RunStarted,
        Self::ServiceRestarted,
        Self::RunSucceeded,
        Self::AlarmResolved,
        Self::BackOnTarget,
        Self::IncidentResolved,
        Self::DraftWritten,
    ];

    /// What did not happen, if it did not.
    pub fn words(self) -> &'static str {
        match self {
            Self::OffTarget => "no priority's measure went off target",
            Self::AlarmPending => "no alarm became pending",
            Self::AlarmFiring => "no alarm fired",
            Self::IncidentOpened => "no incident opened",
            Self::TriggerMatched => "no trigger matched",
            Self::RunStarted => "no run started",
            Self::ServiceRestarted => "the broken service did not become ready again",
            Self::RunSucceeded => "the run did not succeed",
            Self::AlarmResolved => "the alarm did not clear",
            Self::BackOnTarget => "the priority's measure did not come back on target",
            Self::IncidentResolved => "the incident was not resolved",
            Self::DraftWritten => "the draft of the analysis was not written",
        }
    }
}

/// The demo so far.
#[derive(Debug)]
pub struct Story {
    began: Timestamp,
    broken: String,
    waiting_for: BTreeSet<String>,
    goals: BTreeMap<String, bool>,
    active_alarms: BTreeSet<String>,
    open_incidents: BTreeSet<String>,
    connected: bool,
    fault: Option<Timestamp>,
    done: BTreeMap<Stage, Timestamp>,
    off: BTreeSet<String>,
    alarm: Option<String>,
    run: Option<String>,
    incident: Option<String>,
    failed: Option<String>,
}

/// What stands behind the `/` of an event's subject.
fn name(event: &EventView) -> String {
    let subject = event.subject.as_deref().unwrap_or_default();
    subject.split_once('/').map_or(subject, |(_, name)| name).to_owned()
}

impl Story {
    /// A story in which `services` have to be ready and `goals` on target before `broken`, one of the services, is
    /// broken.
    pub fn new(
        began: Timestamp,
        services: impl IntoIterator<Item = String>,
        goals: impl IntoIterator<Item = String>,
        broken: &str,
    ) -> Self {
        Self {
            began,
            broken: broken.to_owned(),
            waiting_for: services.into_iter().collect(),
            goals: goals.into_iter().map(|goal| (goal, false)).collect(),
            active_alarms: BTreeSet::new(),
            open_incidents: BTreeSet::new(),
            connected: false,
            fault: None,
            done: BTreeMap::new(),
            off: BTreeSet::new(),
            alarm: None,
            run: None,
            incident: None,
            failed: None,
        }
    }

    /// Takes an event in, and tells it if it belongs to the story.
    pub fn tell(&mut self, event: &EventView) -> Option<String> {
        self.follow(event);
        if self.fault.is_some() {
            self.advance(event);
        }
        let told = match event.kind.as_str() {
            "alarm.inactive" | "alarm.no_data" | "measure.no_data" | "run.attempt.started" => false,
            "run.started" | "run.step.finished" | "run.waiting" | "run.finished" => true,
            kind => ["host.", "service.", "measure.", "alarm.", "incident.", "trigger.", "fault."]
                .iter()
                .any(|prefix| kind.starts_with(prefix)),
        };
        told.then(|| format!("{}  {}", self.offset(event.time), sentence::of(event)))
    }

    /// The time since the fault, or before it since the beginning.
    fn offset(&self, at: Timestamp) -> String {
        let from = self.fault.unwrap_or(self.began);
        format!("{:>9}", format!("+{}", length(at.since(from))))
    }

    /// What is so before and after the fault alike.
    fn follow(&mut self, event: &EventView) {
        match event.kind.as_str() {
            "host.connected" => self.connected = true,
            "service.ready" | "service.adopted" => drop(self.waiting_for.remove(&name(event))),
            "service.exited" | "service.unhealthy" | "service.failed" | "service.stopped" => {
                self.waiting_for.insert(name(event));
            }
            "measure.on_target" | "measure.off_target" | "measure.no_data" | "measure.error" => {
                if let Some(goal) = event.data["goal"].as_str() {
                    self.goals.insert(goal.to_owned(), event.kind == "measure.on_target");
                }
            }
            "alarm.pending" | "alarm.firing" => drop(self.active_alarms.insert(name(event))),
            "alarm.resolved" | "alarm.inactive" => drop(self.active_alarms.remove(&name(event))),
            "incident.opened" => drop(self.open_incidents.insert(name(event))),
            "incident.resolved" => drop(self.open_incidents.remove(&name(event))),
            _ => {}
        }
    }

    /// Whether all is well: only then something may be broken.
    pub fn is_well(&self) -> bool {
        self.not_well().is_empty()
    }

    /// What is not well yet.
    pub fn not_well(&self) -> Vec<String> {
        let mut list = Vec::new();
        if !self.connected {
            list.push("the agent is not connected".to_owned());
        }
        list.extend(self.waiting_for.iter().map(|service| format!("{service} is not ready")));
        let off = self.goals.iter().filter(|(_, on)| !**on);
        list.extend(off.map(|(goal, _)| format!("\"{goal}\" is not on target")));
        list.extend(self.active_alarms.iter().map(|alarm| format!("alarm {alarm} is active")));
        list.extend(self.open_incidents.iter().map(|incident| format!("incident {incident} is open")));
        list
    }

    /// From now on the stages count.
    pub fn break_it(&mut self, at: Timestamp) {
        self.fault = Some(at);
    }

    fn reach(&mut self, stage: Stage, at: Timestamp) {
        self.done.entry(stage).or_insert(at);
    }

    fn advance(&mut self, event: &EventView) {
        let subject = name(event);
        let at = event.time;
        let goal = event.data["goal"].as_str().unwrap_or_default();
        match event.kind.as_str() {
            "measure.off_target" => {
                self.off.insert(goal.to_owned());
                self.reach(Stage::OffTarget, at);
            }
            "measure.on_target" => {
                self.off.remove(goal);
                if self.off.is_empty() && self.done.contains_key(&Stage::OffTarget) {
                    self.reach(Stage::BackOnTarget, at);
                }
            }
            "alarm.pending" => self.reach(Stage::AlarmPending, at),
            "alarm.firing" => {
                self.alarm.get_or_insert(subject);
                self.reach(Stage::AlarmFiring, at);
            }
            "alarm.resolved" | "alarm.inactive" if self.alarm.as_ref() == Some(&subject) => {
                self.reach(Stage::AlarmResolved, at);
            }
            "incident.opened" => {
                self.incident.get_or_insert(subject);
                self.reach(Stage::IncidentOpened, at);
            }
            "incident.resolved" if self.incident.as_ref() == Some(&subject) => {
                self.reach(Stage::IncidentResolved, at);
            }
            "incident.drafted" if self.incident.as_ref() == Some(&subject) => {
                self.reach(Stage::DraftWritten, at);
            }
            "trigger.matched" => self.reach(Stage::TriggerMatched, at),
            "trigger.failed" => self.failed = Some(sentence::of(event)),
            "run.started" => {
                self.run.get_or_insert(subject);
                self.reach(Stage::RunStarted, at);
            }
            "run.finished" if self.run.as_ref() == Some(&subject) => {
                if event.data["status"] == "Success" {
                    self.reach(Stage::RunSucceeded, at);
                } else {
                    self.failed = Some(sentence::of(event));
                }
            }
            "service.ready" if subject == self.broken => self.reach(Stage::ServiceRestarted, at),
            _ => {}
        }
    }

    /// What went wrong for good.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// The stages that have not happened.
    pub fn missing(&self) -> Vec<Stage> {
        Stage::ALL.into_iter().filter(|stage| !self.done.contains_key(stage)).collect()
    }

    /// How long after the fault a stage was reached.
    pub fn reached(&self, stage: Stage) -> Option<Duration> {
        Some(self.done.get(&stage)?.since(self.fault?))
    }

    /// The incident, once there is one.
    pub fn incident(&self) -> Option<&str> {
        self.incident.as_deref()
    }

    /// The run, once there is one.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sentence::tests::event;

    fn story() -> Story {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Story::new(Timestamp::from_millis(0), names(&["payments", "checkout"]), names(&["Pay"]), "payments")
    }

    fn play(story: &mut Story, events: &[(i64, &str, &str, Value)]) -> Vec<String> {
        let events = events.iter().enumerate();
        events
            .filter_map(|(at, (ms, kind, subject, data))| {
                story.tell(&event(at as u64, *ms, kind, subject, data.clone()))
            })
            .collect()
    }

    fn begin(story: &mut Story) {
        play(
            story,
            &[
                (100, "host.connected", "host/h", json!({})),
                (900, "service.ready", "component/payments", json!({})),
                (950, "service.ready", "component/checkout", json!({})),
                (2000, "measure.on_target", "workload/shop", json!({"goal": "Pay"})),
            ],
        );
    }

    #[test]
    fn nothing_is_broken_before_all_is_well() {
        let mut story = story();
        assert_eq!(
            story.not_well(),
            [
                "the agent is not connected",
                "checkout is not ready",
                "payments is not ready",
                "\"Pay\" is not on target"
            ]
        );
        begin(&mut story);
        assert!(story.is_well());
        play(&mut story, &[(2100, "alarm.pending", "alarm/A", json!({}))]);
        assert_eq!(story.not_well(), ["alarm A is active"]);
        play(
            &mut story,
            &[
                (2200, "alarm.inactive", "alarm/A", json!({})),
                (2300, "service.exited", "component/checkout", json!({})),
            ],
        );
        assert_eq!(story.not_well(), ["checkout is not ready"]);
    }

    #[test]
    fn every_stage_has_to_happen() {
        let mut story = story();
        begin(&mut story);
        story.break_it(Timestamp::from_millis(10_000));
        let told = play(
            &mut story,
            &[
                (
                    12_000,
                    "measure.off_target",
                    "workload/shop",
                    json!({"goal": "Pay", "value": 0.5, "target": ">= 0.9"}),
                ),
                (12_100, "alarm.pending", "alarm/A", json!({})),
                (14_100, "alarm.firing", "alarm/A", json!({})),
                (14_150, "incident.opened", "incident/i1", json!({})),
                (14_160, "trigger.matched", "trigger/t", json!({"runs": [{"procedure": "p"}]})),
                (14_200, "run.started", "run/r1", json!({"procedure": "p"})),
                (16_000, "service.ready", "component/payments", json!({})),
                (17_000, "run.finished", "run/r1", json!({"procedure": "p", "status": "Success"})),
                (20_000, "alarm.resolved", "alarm/A", json!({})),
                (21_000, "measure.on_target", "workload/shop", json!({"goal": "Pay"})),
                (21_100, "incident.resolved", "incident/i1", json!({})),
            ],
        );
        assert_eq!(told[0], "   +2.0 s  \"Pay\" is off target (value 0.5), target >= 0.9");
        assert_eq!(told.len(), 11);
        assert_eq!(story.missing(), [Stage::DraftWritten]);
        play(&mut story, &[(21_200, "incident.drafted", "incident/i1", json!({}))]);
        assert_eq!(story.missing(), []);
        assert_eq!(story.reached(Stage::AlarmFiring), Some(Duration::from_millis(4100)));
        assert_eq!((story.incident(), story.run()), (Some("i1"), Some("r1")));
    }

    #[test]
    fn a_run_that_fails_ends_the_story() {
        let mut story = story();
        begin(&mut story);
        story.break_it(Timestamp::from_millis(10_000));
        play(
            &mut story,
            &[
                (11_000, "run.started", "run/r1", json!({"procedure": "p"})),
                (12_000, "run.finished", "run/r2", json!({"procedure": "q", "status": "Failed"})),
            ],
        );
        assert_eq!(story.failed(), None, "another run is another story");
        play(
            &mut story,
            &[(
                13_000,
                "run.finished",
                "run/r1",
                json!({"procedure": "p", "status": "Failed", "failure": "no"}),
            )],
        );
        assert_eq!(story.failed(), Some("run r1 of p ended: Failed: no"));
    }
}
