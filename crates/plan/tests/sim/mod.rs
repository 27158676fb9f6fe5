//! Hosts that do as they are told, or as the script says, on a clock of their own; and the journal of a change.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_declare::Declared;
use mainstay_model::{Actor, HostId, Timestamp};
use mainstay_plan::{
    ActionId, Change, ChangeEvent, Hold, Input, Observed, Phase, Plan, Progress, Report, Request, SeenState,
    Wanted, place, spec_digest, start, step,
};

use super::common::{DIRECTORY, seen};

/// What runs where: the digest of what it was started with, by host and component.
pub type Running = BTreeMap<(HostId, String), String>;

/// How a host takes it when it is told to change a service, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It works.
    Works,
    /// It is told, and what it starts fails.
    Fails,
    /// It is told, and nothing is ever heard of it.
    Hangs,
    /// It goes away before it does it, and comes back in time.
    ComesBack,
    /// It goes away before it does it, until after the deadline.
    StaysAway,
    /// It works, and fails while the change still goes on.
    FailsLater,
}

/// The services that a declaration places on the hosts.
pub fn declared(declared: &Declared, observed: &Observed) -> Running {
    let hosts: Vec<_> = observed.hosts.iter().map(|(host, seen)| (host.clone(), seen.tags.clone())).collect();
    let services = place(declared, &hosts).services.into_iter();
    services
        .filter_map(|placed| {
            let spec = spec_digest(&declared.workload.components[&placed.component], DIRECTORY)?;
            Some(((placed.host, placed.component), spec))
        })
        .collect()
}

/// The hosts as they are seen when this runs on them.
pub fn observed(running: &Running, hosts: &Observed) -> Observed {
    let mut out = hosts.clone();
    for host in out.hosts.values_mut() {
        host.services.clear();
    }
    for ((host, component), spec) in running {
        let services = &mut out.hosts.get_mut(host).expect("a host").services;
        services.insert(component.clone(), seen(SeenState::Healthy, Some(spec)));
    }
    out
}

/// A change, its hosts, and all that was journalled.
pub struct World {
    pub running: Running,
    pub change: Change,
    pub now: Timestamp,
    /// What was heard, when, and the events that followed. The first has no input.
    pub journal: Vec<(Option<Input>, Timestamp, Vec<ChangeEvent>)>,
    /// What hosts have said to have failed while the change was on its way there.
    pub failed: Vec<ActionId>,
    script: BTreeMap<(ActionId, bool), Does>,
    told: BTreeMap<(ActionId, bool), ()>,
    cancel: Option<usize>,
}

pub fn somebody() -> Actor {
    Actor::Person("maria".to_owned())
}

impl World {
    pub fn new(plan: Plan, keep: bool, holds: Vec<Hold>, running: Running) -> Self {
        let now = Timestamp::from_millis(1_000_000);
        let request = Request { keep, ..Request::new(somebody()) };
        let (change, events) = start(Arc::new(plan), request, holds, now);
        let journal = vec![(None, now, events)];
        let (failed, script, told) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { running, change, now, journal, failed, script, told, cancel: None }
    }

    /// What the host of an action does when it is told to do it, or to undo it.
    pub fn script(mut self, action: ActionId, back: bool, does: Does) -> Self {
        self.script.insert((action, back), does);
        self
    }

    /// Somebody cancels the change when so many things have been heard.
    pub fn cancel_after(&mut self, heard: Option<usize>) {
        self.cancel = heard;
    }

    pub fn hear(&mut self, input: Input) -> usize {
        let events = step(&self.change, &input, self.now);
        for event in &events {
            self.change.take(event).expect("the machine's events follow");
        }
        let count = events.len();
        if count > 0 {
            self.journal.push((Some(input), self.now, events));
        }
        count
    }

    pub fn events(&self) -> impl Iterator<Item = &ChangeEvent> {
        self.journal.iter().flat_map(|(_, _, events)| events)
    }

    /// Makes the host of an action hold to what is wanted of it.
    fn obey(&mut self, action: ActionId) {
        let (plan, wanted) = (Arc::clone(&self.change.plan), self.change.wanted_of(action));
        let action = &plan.actions[action];
        let host = action.resource.host.clone().expect("a service has a host");
        let place = (host, action.resource.name.clone());
        match (wanted, &action.before, &action.after) {
            (Some(Wanted::Current), Some(spec), _) | (Some(Wanted::Next), _, Some(spec)) => {
                self.running.insert(place, spec.clone());
            }
            _ => drop(self.running.remove(&place)),
        }
    }

    fn report(&mut self, action: ActionId, report: Report) -> usize {
        // That what is removed fails later is no matter: it is not there any more.
        let counts = !matches!(self.change.actions[action].forward, Progress::Done { .. })
            || self.change.plan.actions[action].after.is_some();
        if matches!(report, Report::Failed { .. }) && self.change.phase == Phase::Applying && counts {
            self.failed.push(action);
        }
        self.hear(Input::Report { action, report })
    }

    /// One action of the wave that goes on does something. Answers whether anything followed.
    fn act(&mut self, action: ActionId) -> bool {
        let back = self.change.is_going_back();
        let state = &self.change.actions[action];
        let progress = if back { &state.back } else { &state.forward };
        if !matches!(progress, Progress::Going) {
            return false;
        }
        let does = self.script.get(&(action, back)).copied().unwrap_or(Does::Works);
        if self.told.insert((action, back), ()).is_some() {
            return false;
        }
        match does {
            Does::Works => {
                self.obey(action);
                self.report(action, Report::Ready) > 0
            }
            Does::Fails => {
                self.obey(action);
                self.report(action, Report::Failed { reason: "exit code 1".to_owned() }) > 0
            }
            Does::Hangs => {
                self.obey(action);
                false
            }
            Does::ComesBack => {
                let first = self.report(action, Report::HostLost);
                let second = self.report(action, Report::HostBack);
                self.obey(action);
                first + second + self.report(action, Report::Ready) > 0
            }
            Does::StaysAway => self.report(action, Report::HostLost) > 0,
            Does::FailsLater => {
                self.obey(action);
                let count = self.report(action, Report::Ready);
                count + self.report(action, Report::Failed { reason: "it crashed".to_owned() }) > 0
            }
        }
    }

    /// Goes on until the change is over or waits for somebody. Time passes only when nothing else happens.
    pub fn run(&mut self) {
        let mut left = 20 * (self.change.plan.actions.len() + self.change.plan.waves.len() + 2);
        loop {
            assert!(left > 0, "the change goes on for ever: {:?}", self.change);
            left -= 1;
            if self.cancel.is_some_and(|heard| self.journal.len() > heard) {
                self.cancel = None;
                self.hear(Input::Cancel { by: somebody(), message: None });
            }
            let actions = self.change.wave.clone().map(|wave| wave.actions).unwrap_or_default();
            let acted = actions
                .into_iter()
                .any(|action| self.change.plan.actions[action].is_on_host() && self.act(action));
            if acted {
                continue;
            }
            let Some(deadline) = self.change.next_deadline() else { return };
            self.now = deadline;
            assert!(self.hear(Input::Resume) > 0, "at its deadline a change goes on: {:?}", self.change);
        }
    }

    /// Hosts that were away or of which nothing was heard do what is wanted, as the placement loop goes on telling them.
    pub fn settle(&mut self) {
        for action in 0..self.change.plan.actions.len() {
            if self.change.plan.actions[action].is_on_host() {
                self.obey(action);
            }
        }
    }

    /// Killing whoever journals between any two events, and going on from what is journalled, changes nothing: the rest
    /// of the events is the same, and so is the change.
    pub fn assert_kills_change_nothing(&self) {
        let mut before: Option<Change> = None;
        for (input, at, events) in &self.journal {
            let settled = before.as_ref().map_or(0, |state| step(state, &Input::Resume, *at).len());
            for cut in usize::from(before.is_none())..events.len() {
                let mut state = before.clone();
                for event in &events[..cut] {
                    state = Some(Change::fold(state, event).expect("the events are in order"));
                }
                let mut state = state.expect("a change began");
                let mut rest = step(&state, &Input::Resume, *at);
                for event in &rest {
                    state.take(event).expect("the machine's events follow");
                }
                // What had not been journalled of what was heard is heard again.
                if let Some(input) = input.as_ref().filter(|_| cut <= settled) {
                    rest.extend(step(&state, input, *at));
                }
                assert_eq!(rest, events[cut..], "killed after {cut} events of {input:?}");
            }
            for event in events {
                let read = ChangeEvent::from_data(&event.data()).expect("events read back");
                assert_eq!(read, *event);
                before = Some(Change::fold(before, &read).expect("the events are in order"));
            }
        }
        let folded = before.expect("a change began");
        assert_eq!(folded, self.change);
        let stored = serde_json::to_value(&folded).expect("a change has a JSON form");
        let loaded: Change = serde_json::from_value(stored).expect("a change reads back");
        assert_eq!(loaded, self.change);
    }
}
