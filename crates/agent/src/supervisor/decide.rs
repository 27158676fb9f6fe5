//! What to do next about the host's services: a pure function of what is desired, what is known and the time.
//!
//! [`State::observe`] takes in what happened, [`decide`] says what to do, [`State::apply`] notes that it is being done.
//! Nothing here starts a process, reads a clock or draws lots.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainstay_model::Timestamp;

use super::spec::{Desired, Restart, ServiceSpec, Times};
use crate::shim::spec::End;

/// What is known of the host's services.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// The agent ends and takes its services with it.
    pub shutdown: bool,
    /// Starts so far, so that instances have different names within a millisecond.
    pub starts: u64,
}

/// What is known of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Where it is.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// A person stopped it; it stays so until a person starts it.
    pub held: bool,
    /// Somebody asked for a restart, and why.
    pub restart: Option<String>,
    /// Ends in a row that came soon after the start.
    pub quick_ends: u32,
    /// Starts again since the agent began.
    pub restarts: u32,
    /// What is wrong, as people read it.
    pub trouble: Option<String>,
}

/// Where a service is.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// No process, nothing due.
    Idle,
    /// Waits for these services.
    Waiting {
        /// Their names.
        on: Vec<String>,
    },
    /// There is a process, or there is about to be one.
    Live(Box<Live>),
    /// Started again at a time.
    Delayed {
        /// The time.
        until: Timestamp,
        /// Given up on quick restarts, or impossible to start.
        failed: bool,
        /// What was tried.
        spec: Box<ServiceSpec>,
    },
    /// Ended, and its policy leaves it so.
    Ended {
        /// What ended.
        spec: Box<ServiceSpec>,
    },
}

/// A process of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The name of this start.
    pub instance: String,
    /// What was started.
    pub spec: ServiceSpec,
    /// Its process id, when it is known.
    pub pid: Option<u32>,
    /// When it was started.
    pub started: Timestamp,
    /// Whether it has been ready.
    pub ready: bool,
    /// Whether too many checks in a row failed.
    pub unhealthy: bool,
    /// Failed checks in a row.
    pub failures: u32,
    /// It was told to end.
    pub stopping: Option<Why>,
}

/// Why a service is told to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is no longer desired.
    Removed,
    /// It is desired in another form.
    Changed,
    /// Somebody asked for a restart.
    Restart(String),
    /// A person stopped it.
    Held,
    /// Its health checks failed.
    Unhealthy(String),
    /// The agent ends and takes its services with it.
    Shutdown,
}

impl Why {
    /// As people read it.
    pub fn text(&self) -> String {
        match self {
            Self::Removed => "it is no longer part of the workload".to_owned(),
            Self::Changed => "its declaration changed".to_owned(),
            Self::Restart(reason) => reason.clone(),
            Self::Held => "it was stopped by hand".to_owned(),
            Self::Unhealthy(reason) => format!("it is unhealthy: {reason}"),
            Self::Shutdown => "the agent ends".to_owned(),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A process of an earlier agent was found running.
    Adopted {
        /// Its start.
        instance: String,
        /// What was started.
        spec: Box<ServiceSpec>,
        /// Its process.
        pid: Option<u32>,
        /// When it was started.
        started: Timestamp,
    },
    /// A process of an earlier agent was found ended.
    FoundEnded {
        /// Its start.
        instance: String,
        /// What was started.
        spec: Box<ServiceSpec>,
        /// When it was started.
        started: Timestamp,
        /// How it ended.
        end: End,
        /// Its last lines.
        tail: Vec<String>,
        /// 0 to 1000, drawn by the caller.
        jitter: u16,
    },
    /// It was started.
    Started {
        /// The start.
        instance: String,
        /// Its process.
        pid: u32,
    },
    /// It ended, or could not be started.
    Ended {
        /// The start.
        instance: String,
        /// How.
        end: End,
        /// Its last lines.
        tail: Vec<String>,
        /// 0 to 1000, drawn by the caller.
        jitter: u16,
    },
    /// A health check was made.
    Checked {
        /// The start.
        instance: String,
        /// Good, or why not.
        result: Result<(), String>,
    },
    /// Somebody wants it started again.
    Restart {
        /// Why.
        reason: String,
    },
    /// A person wants it stopped.
    Hold,
    /// A person wants it started.
    Release,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Note that it waits.
    Wait {
        /// The service.
        service: String,
        /// For these.
        on: Vec<String>,
    },
    /// Start it.
    Start {
        /// The service.
        service: String,
        /// The name of this start.
        instance: String,
        /// What to start.
        spec: Box<ServiceSpec>,
    },
    /// Tell it to end.
    Stop {
        /// The service.
        service: String,
        /// The start.
        instance: String,
        /// Why.
        why: Why,
    },
    /// Drop what is known of it: it is not desired and there is no process.
    Drop {
        /// The service.
        service: String,
    },
    /// Tell the server.
    Say(Said),
}

/// Something to tell the server: a `service.*` event.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The last part of the event's kind (`ready`).
    pub kind: &'static str,
    /// The workload.
    pub workload: String,
    /// The component.
    pub component: String,
    /// The start it is about.
    pub instance: String,
    /// The process, if there is one.
    pub pid: Option<u32>,
    /// Why, as people read it.
    pub reason: Option<String>,
    /// The exit code, if it ended with one.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// When it is started again, counted from now, in milliseconds.
    pub delay_ms: Option<u64>,
    /// Its last lines.
    pub tail: Vec<String>,
}

impl Said {
    fn with(kind: &'static str, spec: &ServiceSpec, instance: &str, add: impl FnOnce(&mut Self)) -> Effect {
        let mut said = Self {
            kind,
            workload: spec.workload.clone(),
            component: spec.component.clone(),
            instance: instance.to_owned(),
            pid: None,
            reason: None,
            exit_code: None,
            signal: None,
            delay_ms: None,
            tail: Vec::new(),
        };
        add(&mut said);
        Effect::Say(said)
    }
}

impl Service {
    fn new(now: Timestamp) -> Self {
        Self {
            phase: Phase::Idle,
            since: now,
            held: false,
            restart: None,
            quick_ends: 0,
            restarts: 0,
            trouble: None,
        }
    }

    fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.since = now;
    }

    /// The process, if there is one.
    pub fn live(&self) -> Option<&Live> {
        match &self.phase {
            Phase::Live(live) => Some(live),
            _ => None,
        }
    }

    /// Whether others may rely on it.
    pub fn is_ready(&self) -> bool {
        self.live().is_some_and(|live| live.ready && !live.unhealthy && live.stopping.is_none())
    }
}

/// What to do now. Does not change what is known: call [`State::apply`] for each effect, then ask again at
/// [`State::next_wake`] or after the next observation.
pub fn decide(desired: Option<&Desired>, state: &State, times: &Times, now: Timestamp) -> Vec<Effect> {
    let mut effects = stops(desired, state);
    if let (Some(desired), false) = (desired, state.shutdown) {
        effects.extend(starts(desired, state, times, now));
    }
    effects
}

fn why_stop(
    desired: Option<&Desired>,
    state: &State,
    name: &str,
    service: &Service,
    live: &Live,
) -> Option<Why> {
    if state.shutdown {
        return Some(Why::Shutdown);
    }
    if service.held {
        return Some(Why::Held);
    }
    // Before the server has said anything, or after it said something senseless about it, what runs keeps running.
    let desired = desired?;
    let Some(spec) = desired.services.get(name) else {
        return (!desired.refused.contains_key(name)).then_some(Why::Removed);
    };
    if *spec != live.spec {
        return Some(Why::Changed);
    }
    if let Some(reason) = &service.restart {
        return Some(Why::Restart(reason.clone()));
    }
    if live.unhealthy && spec.restart != Restart::Never {
        return Some(Why::Unhealthy(service.trouble.clone().unwrap_or_default()));
    }
    None
}

fn stops(desired: Option<&Desired>, state: &State) -> Vec<Effect> {
    let mut due: BTreeMap<&String, (&Live, Why)> = BTreeMap::new();
    let mut leaving: BTreeSet<&String> = BTreeSet::new();
    for (name, service) in &state.services {
        let Some(live) = service.live() else { continue };
        if live.stopping.is_some() {
            leaving.insert(name);
        } else if let Some(why) = why_stop(desired, state, name, service, live) {
            if live.pid.is_some() {
                due.insert(name, (live, why));
            } else {
                // Between start and process there is nothing yet to tell; what it depends on stays until there is.
                leaving.insert(name);
            }
        }
    }
    // What goes for good goes in reverse order: after everything that depends on it and goes too.
    let in_order = |why: &Why| matches!(why, Why::Removed | Why::Shutdown);
    let needed_by_other = |name: &String| {
        state.services.iter().any(|(other, service)| {
            other != name
                && (leaving.contains(other) || due.contains_key(other))
                && service
                    .live()
                    .is_some_and(|live| live.spec.depends_on.iter().any(|d| live.spec.sibling(d) == *name))
        })
    };
    let mut effects: Vec<Effect> = due
        .iter()
        .filter(|(name, (_, why))| !in_order(why) || !needed_by_other(name))
        .map(|(name, (live, why))| stop(name, live, why))
        .collect();
    if effects.is_empty()
        && leaving.is_empty()
        && let Some((name, (live, why))) = due.iter().next()
    {
        // A circle of dependencies: any of them has to be the first.
        effects.push(stop(name, live, why));
    }
    effects
}

fn stop(name: &str, live: &Live, why: &Why) -> Effect {
    Effect::Stop { service: name.to_owned(), instance: live.instance.clone(), why: why.clone() }
}

fn starts(desired: &Desired, state: &State, times: &Times, now: Timestamp) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut count = state.starts;
    for (name, service) in &state.services {
        let known = desired.services.contains_key(name) || desired.refused.contains_key(name);
        if !known && service.live().is_none() {
            effects.push(Effect::Drop { service: name.clone() });
        }
    }
    for (name, spec) in &desired.services {
        let service = state.services.get(name);
        if service.is_some_and(|service| service.held) {
            continue;
        }
        let asked = service.is_some_and(|service| service.restart.is_some());
        let missing: Vec<String> = spec
            .depends_on
            .iter()
            .map(|component| spec.sibling(component))
            .filter(|other| desired.services.contains_key(other))
            .filter(|other| !state.services.get(other).is_some_and(Service::is_ready))
            .collect();
        let due = match service.map(|service| (&service.phase, service.since)) {
            None | Some((Phase::Idle, _)) if asked || missing.is_empty() => true,
            None | Some((Phase::Idle, _)) => {
                effects.push(Effect::Wait { service: name.clone(), on: missing });
                false
            }
            Some((Phase::Waiting { .. }, since)) => {
                missing.is_empty() || asked || now >= since.plus(times.dependencies)
            }
            Some((Phase::Live(_), _)) => false,
            Some((Phase::Delayed { until, spec: tried, .. }, _)) => {
                now >= *until || asked || **tried != *spec
            }
            Some((Phase::Ended { spec: tried }, _)) => asked || **tried != *spec,
        };
        if due {
            count += 1;
            let instance = format!("{:011x}-{count}", now.as_millis().max(0));
            effects.push(Effect::Start { service: name.clone(), instance, spec: Box::new(spec.clone()) });
        }
    }
    effects
}

impl State {
    /// Notes that an effect is being performed.
    pub fn apply(&mut self, effect: &Effect, now: Timestamp) {
        match effect {
            Effect::Wait { service, on } => {
                self.service(service, now).enter(Phase::Waiting { on: on.clone() }, now);
            }
            Effect::Start { service, instance, spec } => {
                self.starts += 1;
                let service = self.service(service, now);
                let changed = match &service.phase {
                    Phase::Delayed { spec: tried, .. } | Phase::Ended { spec: tried } => tried != spec,
                    _ => false,
                };
                if changed || service.restart.take().is_some() {
                    service.quick_ends = 0;
                    service.trouble = None;
                }
                let live = Live {
                    instance: instance.clone(),
                    spec: (**spec).clone(),
                    pid: None,
                    started: now,
                    ready: false,
                    unhealthy: false,
                    failures: 0,
                    stopping: None,
                };
                service.enter(Phase::Live(Box::new(live)), now);
            }
            Effect::Stop { service, why, .. } => {
                let service = self.service(service, now);
                service.since = now;
                if let Phase::Live(live) = &mut service.phase {
                    live.stopping = Some(why.clone());
                }
                if matches!(why, Why::Restart(_)) {
                    service.restart = None;
                }
            }
            Effect::Drop { service } => {
                self.services.remove(service);
            }
            Effect::Say(_) => {}
        }
    }

    fn service(&mut self, name: &str, now: Timestamp) -> &mut Service {
        self.services.entry(name.to_owned()).or_insert_with(|| Service::new(now))
    }

    /// When to decide again, if nothing happens before.
    pub fn next_wake(&self, times: &Times) -> Option<Timestamp> {
        self.services
            .values()
            .filter_map(|service| match &service.phase {
                Phase::Waiting { .. } => Some(service.since.plus(times.dependencies)),
                Phase::Delayed { until, .. } if !service.held => Some(*until),
                _ => None,
            })
            .min()
    }

    /// Takes in what happened to a service, and says what to tell about it. What happened to a start that is over is
    /// nothing any more.
    pub fn observe(&mut self, name: &str, seen: Observation, times: &Times, now: Timestamp) -> Vec<Effect> {
        let service = self.service(name, now);
        match seen {
            Observation::Adopted { instance, spec, pid, started } => {
                let say = Said::with("adopted", &spec, &instance, |said| said.pid = pid);
                service.enter(Phase::Live(Box::new(Live::found(instance, *spec, pid, started))), now);
                vec![say]
            }
            Observation::FoundEnded { instance, spec, started, end, tail, jitter } => {
                let mut live = Live::found(instance.clone(), *spec, None, started);
                if let End::Stopped { reason, .. } = &end {
                    // The earlier agent asked for it and did not live to see it.
                    live.stopping = Some(Why::Restart(reason.clone()));
                }
                service.enter(Phase::Live(Box::new(live)), now);
                service.ended(&instance, end, tail, jitter, times, now)
            }
            Observation::Started { instance, pid } => service.started(&instance, pid, now),
            Observation::Ended { instance, end, tail, jitter } => {
                service.ended(&instance, end, tail, jitter, times, now)
            }
            Observation::Checked { instance, result } => service.checked(&instance, result, now),
            Observation::Restart { reason } => {
                service.restart = Some(reason);
                service.held = false;
                Vec::new()
            }
            Observation::Hold => {
                service.held = true;
                service.restart = None;
                if service.live().is_none() {
                    service.enter(Phase::Idle, now);
                }
                Vec::new()
            }
            Observation::Release => {
                service.held = false;
                if service.live().is_none() {
                    service.trouble = None;
                    service.enter(Phase::Idle, now);
                }
                Vec::new()
            }
        }
    }
}

impl Live {
    fn found(instance: String, spec: ServiceSpec, pid: Option<u32>, started: Timestamp) -> Self {
        let ready = spec.health.is_none();
        Self { instance, spec, pid, started, ready, unhealthy: false, failures: 0, stopping: None }
    }
}

impl Service {
    fn started(&mut self, instance: &str, pid: u32, now: Timestamp) -> Vec<Effect> {
        let Phase::Live(live) = &mut self.phase else { return Vec::new() };
        if live.instance != instance {
            return Vec::new();
        }
        live.pid = Some(pid);
        let with_pid =
            |kind, live: &Live| Said::with(kind, &live.spec, instance, |said| said.pid = Some(pid));
        let mut says = vec![with_pid("starting", live)];
        if live.spec.health.is_none() {
            live.ready = true;
            says.push(with_pid("ready", live));
            self.trouble = None;
            self.since = now;
        }
        says
    }

    fn checked(&mut self, instance: &str, result: Result<(), String>, now: Timestamp) -> Vec<Effect> {
        let Phase::Live(live) = &mut self.phase else { return Vec::new() };
        if live.instance != instance || live.stopping.is_some() {
            return Vec::new();
        }
        match result {
            Ok(()) => {
                live.failures = 0;
                if live.ready && !live.unhealthy {
                    return Vec::new();
                }
                (live.ready, live.unhealthy) = (true, false);
                self.since = now;
                self.trouble = None;
                vec![Said::with("ready", &live.spec, instance, |said| said.pid = live.pid)]
            }
            Err(reason) => {
                let Some(health) = &live.spec.health else { return Vec::new() };
                let in_grace = !live.ready && now < live.started.plus(Duration::from_millis(health.grace_ms));
                if in_grace || live.unhealthy {
                    return Vec::new();
                }
                live.failures += 1;
                if live.failures < health.unhealthy_after {
                    return Vec::new();
                }
                live.unhealthy = true;
                let say = Said::with("unhealthy", &live.spec, instance, |said| {
                    said.pid = live.pid;
                    said.reason = Some(reason.clone());
                });
                self.since = now;
                self.trouble = Some(reason);
                vec![say]
            }
        }
    }

    fn ended(
        &mut self,
        instance: &str,
        end: End,
        tail: Vec<String>,
        jitter: u16,
        times: &Times,
        now: Timestamp,
    ) -> Vec<Effect> {
        let live = match &self.phase {
            Phase::Live(live) if live.instance == instance => (**live).clone(),
            _ => return Vec::new(),
        };
        let spec = Box::new(live.spec.clone());
        if let Some(why) = live.stopping {
            return self.stopped(instance, &why, spec, &end, (tail, jitter), times, now);
        }
        let reason = end.to_string();
        if let End::NotStarted { reason } = end {
            // It is tried again and again; what stands in its way is news only when it is something else.
            let known = self.trouble.as_ref() == Some(&reason);
            self.trouble = Some(reason.clone());
            self.enter(Phase::Delayed { until: now.plus(times.not_started), failed: true, spec }, now);
            if known {
                return Vec::new();
            }
            return vec![Said::with("failed", &live.spec, instance, |said| {
                said.reason = Some(reason);
                said.delay_ms = Some(millis(times.not_started));
                said.tail = tail;
            })];
        }
        let mut says = vec![Said::with("exited", &live.spec, instance, |said| {
            said.pid = live.pid;
            (said.exit_code, said.signal) = codes(&end);
            said.reason = Some(reason.clone());
            said.tail = tail;
        })];
        let good = matches!(end, End::Exited { code: 0 });
        let again = match live.spec.restart {
            Restart::Always => true,
            Restart::OnFailure => !good,
            Restart::Never => false,
        };
        if !again {
            self.trouble = (!good).then_some(reason);
            self.enter(Phase::Ended { spec }, now);
            return says;
        }
        if now.since(live.started) >= times.quick {
            self.quick_ends = 0;
        }
        says.extend(self.delay(instance, spec, reason, jitter, times, now));
        says
    }

    /// Sets the time of the next start after an end that nobody wanted.
    fn delay(
        &mut self,
        instance: &str,
        spec: Box<ServiceSpec>,
        reason: String,
        jitter: u16,
        times: &Times,
        now: Timestamp,
    ) -> Vec<Effect> {
        self.quick_ends += 1;
        self.restarts += 1;
        let failed = self.quick_ends >= times.quick_ends;
        let delay = if failed {
            times.failed
        } else {
            let doubled = times.backoff.saturating_mul(1 << (self.quick_ends - 1).min(16));
            // Three quarters to five quarters, so that services that fell together do not rise together.
            doubled.min(times.backoff_most).saturating_mul(750 + u32::from(jitter.min(1000)) / 2) / 1000
        };
        let (kind, reason) = if failed {
            ("failed", format!("{reason}; it ended {} times in a row soon after its start", self.quick_ends))
        } else {
            ("restarting", reason)
        };
        let say = Said::with(kind, &spec, instance, |said| {
            said.reason = Some(reason.clone());
            said.delay_ms = Some(millis(delay));
        });
        self.trouble = Some(reason);
        self.enter(Phase::Delayed { until: now.plus(delay), failed, spec }, now);
        vec![say]
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the facts of one end, which only this function takes apart"
    )]
    fn stopped(
        &mut self,
        instance: &str,
        why: &Why,
        spec: Box<ServiceSpec>,
        end: &End,
        (tail, jitter): (Vec<String>, u16),
        times: &Times,
        now: Timestamp,
    ) -> Vec<Effect> {
        let killed = matches!(end, End::Stopped { killed: true, .. });
        let mut says = vec![Said::with("stopped", &spec, instance, |said| {
            said.reason = Some(if killed {
                format!("{}; it did not end in time and was killed", why.text())
            } else {
                why.text()
            });
            (said.exit_code, said.signal) = codes(end);
            said.tail = if killed { tail } else { Vec::new() };
        })];
        match why {
            Why::Unhealthy(_) => says.extend(self.delay(instance, spec, why.text(), jitter, times, now)),
            Why::Restart(_) | Why::Changed => {
                says.push(Said::with("restarting", &spec, instance, |said| {
                    said.reason = Some(why.text());
                    said.delay_ms = Some(0);
                }));
                self.restarts += 1;
                self.quick_ends = 0;
                self.trouble = None;
                // The next start does not wait for dependencies: it is the same service, asked for now.
                self.restart.get_or_insert_with(|| why.text());
                self.enter(Phase::Idle, now);
            }
            Why::Removed | Why::Held | Why::Shutdown => {
                self.trouble = None;
                self.enter(Phase::Idle, now);
            }
        }
        says
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn codes(end: &End) -> (Option<i32>, Option<i32>) {
    match end {
        End::Exited { code } => (Some(*code), None),
        End::Signaled { signal } => (None, Some(*signal)),
        End::Stopped { code, .. } => (*code, None),
        _ => (None, None),
    }
}

/// What became of a restart or start that somebody asked for, once it is known. `before` is the start that ran when it
/// was asked for.
pub fn outcome(state: &State, name: &str, before: Option<&str>) -> Option<Result<u32, String>> {
    let Some(service) = state.services.get(name) else {
        return Some(Err("it is no longer part of the workload".to_owned()));
    };
    let trouble = || service.trouble.clone().unwrap_or_else(|| "no reason is known".to_owned());
    match &service.phase {
        Phase::Live(live) if before == Some(&live.instance) || live.stopping.is_some() => None,
        Phase::Live(live) if live.unhealthy => Some(Err(format!("it is unhealthy: {}", trouble()))),
        Phase::Live(live) if live.ready => live.pid.map(Ok),
        Phase::Live(_) | Phase::Waiting { .. } => None,
        _ if service.restart.is_some() => None,
        Phase::Idle if service.held => Some(Err("it was stopped by hand meanwhile".to_owned())),
        Phase::Idle => None,
        Phase::Delayed { .. } | Phase::Ended { .. } => Some(Err(trouble())),
    }
}
