//! Scripts against the pure core: what happens, and what is decided.

use std::fmt::Write as _;
use std::time::Duration;

use mainstay_model::Timestamp;

use super::decide::{Effect, Observation, Phase, State, Why, decide, outcome};
use super::spec::{Check, Desired, HealthSpec, Restart, ServiceSpec, Times};
use crate::shim::spec::{End, StopSignal};

fn service(component: &str, depends_on: &[&str]) -> ServiceSpec {
    ServiceSpec {
        workload: "w".to_owned(),
        component: component.to_owned(),
        run: "./x".to_owned(),
        directory: "/".into(),
        port: None,
        env: Default::default(),
        secrets: Default::default(),
        health: Some(HealthSpec {
            check: Check::Tcp { port: 1 },
            every_ms: 1000,
            timeout_ms: 1000,
            unhealthy_after: 2,
            grace_ms: 5000,
        }),
        restart: Restart::OnFailure,
        memory_limit: None,
        stop_signal: StopSignal::Term,
        stop_deadline_ms: 1000,
        depends_on: depends_on.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// A world of one host, in which time only passes when it is told to.
struct World {
    desired: Option<Desired>,
    state: State,
    now: Timestamp,
    log: String,
}

impl World {
    fn new(services: Vec<ServiceSpec>) -> Self {
        let mut world = Self {
            desired: None,
            state: State::default(),
            now: Timestamp::from_millis(0),
            log: String::new(),
        };
        world.desire(services);
        world
    }

    fn desire(&mut self, services: Vec<ServiceSpec>) {
        let services = services.into_iter().map(|spec| (spec.name(), spec)).collect();
        self.desired = Some(Desired { services, ..Desired::default() });
    }

    fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            let line = match effect {
                Effect::Wait { service, on } => format!("{service} waits for {}", on.join(" ")),
                Effect::Start { service, .. } => format!("start {service}"),
                Effect::Stop { service, why, .. } => format!("stop {service} {}", name(why)),
                Effect::Drop { service } => format!("drop {service}"),
                Effect::Say(said) => {
                    let mut line = format!("say {} {}", said.component, said.kind);
                    if let Some(ms) = said.delay_ms {
                        let _ = write!(line, " +{ms}");
                    }
                    line
                }
            };
            let _ = writeln!(self.log, "{line}");
        }
    }

    /// Decides until nothing is left, and says what was done since the last time.
    fn settle(&mut self) -> String {
        for round in 0.. {
            assert!(round < 20, "it never comes to rest: {}", self.log);
            let effects = decide(self.desired.as_ref(), &self.state, &Times::default(), self.now);
            if effects.is_empty() {
                break;
            }
            for effect in &effects {
                self.state.apply(effect, self.now);
            }
            self.note(&effects);
        }
        std::mem::take(&mut self.log).trim_end().replace('\n', "; ")
    }

    fn see(&mut self, service: &str, seen: Observation) -> String {
        let effects = self.state.observe(&format!("w.{service}"), seen, &Times::default(), self.now);
        self.note(&effects);
        self.settle()
    }

    fn instance(&self, service: &str) -> String {
        let live = self.state.services[&format!("w.{service}")].live();
        live.map(|live| live.instance.clone()).unwrap_or_default()
    }

    fn started(&mut self, service: &str) -> String {
        let instance = self.instance(service);
        self.see(service, Observation::Started { instance, pid: 7 })
    }

    fn good(&mut self, service: &str) -> String {
        let instance = self.instance(service);
        self.see(service, Observation::Checked { instance, result: Ok(()) })
    }

    fn bad(&mut self, service: &str) -> String {
        let instance = self.instance(service);
        self.see(service, Observation::Checked { instance, result: Err("no answer".to_owned()) })
    }

    fn ended(&mut self, service: &str, end: End) -> String {
        let instance = self.instance(service);
        self.see(
            service,
            Observation::Ended { instance, end, tail: vec!["last words".to_owned()], jitter: 500 },
        )
    }

    fn up(&mut self, service: &str) {
        self.started(service);
        self.good(service);
    }

    fn pass(&mut self, ms: u64) -> String {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.settle()
    }
}

fn name(why: &Why) -> &'static str {
    match why {
        Why::Removed => "removed",
        Why::Changed => "changed",
        Why::Restart(_) => "restart",
        Why::Held => "held",
        Why::Unhealthy(_) => "unhealthy",
        Why::Shutdown => "shutdown",
    }
}

const CODE_1: End = End::Exited { code: 1 };

fn asked_for(code: i32) -> End {
    End::Stopped { killed: false, code: Some(code), reason: String::new() }
}

#[test]
fn dependencies_come_first_and_go_last() {
    let mut w = World::new(vec![service("a", &["b"]), service("b", &["c"]), service("c", &[])]);
    assert_eq!(w.settle(), "w.a waits for w.b; w.b waits for w.c; start w.c");
    assert_eq!(w.started("c"), "say c starting");
    assert_eq!(w.good("c"), "say c ready; start w.b");
    w.started("b");
    assert_eq!(w.good("b"), "say b ready; start w.a");
    w.up("a");
    w.state.shutdown = true;
    assert_eq!(w.settle(), "stop w.a shutdown");
    assert_eq!(w.ended("a", asked_for(0)), "say a stopped; stop w.b shutdown");
    assert_eq!(w.ended("b", asked_for(0)), "say b stopped; stop w.c shutdown");
    assert_eq!(w.ended("c", asked_for(0)), "say c stopped");
}

#[test]
fn a_dependency_is_not_waited_for_for_ever() {
    let mut w = World::new(vec![service("a", &["b", "elsewhere"]), service("b", &[])]);
    assert_eq!(w.settle(), "w.a waits for w.b; start w.b");
    w.started("b");
    assert_eq!(w.state.next_wake(&Times::default()), Some(Timestamp::from_millis(30_000)));
    assert_eq!(w.pass(29_999), "");
    assert_eq!(w.pass(1), "start w.a");
}

#[test]
fn a_circle_still_starts_and_stops() {
    let mut w = World::new(vec![service("a", &["b"]), service("b", &["a"])]);
    assert_eq!(w.settle(), "w.a waits for w.b; w.b waits for w.a");
    assert_eq!(w.pass(30_000), "start w.a; start w.b");
    w.up("a");
    w.up("b");
    w.desire(vec![]);
    assert_eq!(w.settle(), "stop w.a removed");
    assert_eq!(w.ended("a", asked_for(0)), "say a stopped; stop w.b removed; drop w.a");
    assert_eq!(w.ended("b", asked_for(0)), "say b stopped; drop w.b");
}

#[test]
fn a_failure_is_tried_again_later_and_later_then_slowly() {
    let mut w = World::new(vec![service("a", &[])]);
    w.settle();
    let mut said = Vec::new();
    for _ in 0..6 {
        w.started("a");
        said.push(w.ended("a", CODE_1));
        let until = w.state.next_wake(&Times::default()).expect("it is tried again");
        assert_eq!(w.pass(until.since(w.now).as_millis() as u64), "start w.a");
    }
    assert_eq!(
        said,
        [
            "say a exited; say a restarting +500",
            "say a exited; say a restarting +1000",
            "say a exited; say a restarting +2000",
            "say a exited; say a restarting +4000",
            "say a exited; say a failed +60000",
            "say a exited; say a failed +60000",
        ]
    );
    // Once it has run for a while, it begins anew.
    w.up("a");
    w.pass(10_000);
    assert_eq!(w.ended("a", CODE_1), "say a exited; say a restarting +500");
}

#[test]
fn the_restart_policy_holds() {
    for (policy, end, said) in [
        (Restart::Always, End::Exited { code: 0 }, "say a exited; say a restarting +500"),
        (Restart::OnFailure, End::Exited { code: 0 }, "say a exited"),
        (Restart::OnFailure, End::Signaled { signal: 9 }, "say a exited; say a restarting +500"),
        (Restart::OnFailure, End::MemoryExceeded { limit_bytes: 1 }, "say a exited; say a restarting +500"),
        (Restart::OnFailure, End::Unknown { reason: String::new() }, "say a exited; say a restarting +500"),
        (Restart::Never, CODE_1, "say a exited"),
    ] {
        let mut w = World::new(vec![ServiceSpec { restart: policy, ..service("a", &[]) }]);
        w.settle();
        w.up("a");
        assert_eq!(w.ended("a", end), said, "{policy:?}");
    }
}

#[test]
fn what_ended_for_good_comes_back_when_it_changes_or_is_asked_for() {
    let ended = || {
        let mut w = World::new(vec![ServiceSpec { restart: Restart::Never, ..service("a", &[]) }]);
        w.settle();
        w.up("a");
        w.ended("a", CODE_1);
        assert_eq!(w.pass(3_600_000), "");
        w
    };
    let mut w = ended();
    w.desire(vec![ServiceSpec { run: "./y".to_owned(), ..service("a", &[]) }]);
    assert_eq!(w.settle(), "start w.a");
    assert_eq!(ended().see("a", Observation::Restart { reason: String::new() }), "start w.a");
}

#[test]
fn failed_checks_count_after_the_grace_and_in_a_row() {
    let mut w = World::new(vec![service("a", &[])]);
    w.settle();
    w.started("a");
    for _ in 0..5 {
        assert_eq!(w.bad("a"), "");
    }
    w.pass(5000);
    assert_eq!(w.bad("a"), "");
    assert_eq!(w.bad("a"), "say a unhealthy; stop w.a unhealthy");
    assert_eq!(w.ended("a", asked_for(0)), "say a stopped; say a restarting +500");
    assert_eq!(w.pass(500), "start w.a");
    w.up("a");
    assert_eq!((w.bad("a"), w.good("a"), w.bad("a")), (String::new(), String::new(), String::new()));
    // A late answer of a check of an earlier start means nothing.
    let seen = Observation::Checked { instance: "old".to_owned(), result: Err(String::new()) };
    assert_eq!(w.see("a", seen), "");
    assert_eq!(w.bad("a"), "say a unhealthy; stop w.a unhealthy");
}

#[test]
fn an_unhealthy_service_that_may_not_restart_recovers_by_itself() {
    let mut w = World::new(vec![ServiceSpec { restart: Restart::Never, ..service("a", &[]) }]);
    w.settle();
    w.up("a");
    w.bad("a");
    assert_eq!(w.bad("a"), "say a unhealthy");
    assert!(!w.state.services["w.a"].is_ready());
    assert_eq!(w.good("a"), "say a ready");
}

#[test]
fn only_what_changed_is_restarted() {
    let mut w = World::new(vec![service("a", &["b"]), service("b", &[])]);
    w.settle();
    w.up("b");
    w.up("a");
    w.desire(vec![service("a", &["b"]), ServiceSpec { run: "./new".to_owned(), ..service("b", &[]) }]);
    assert_eq!(w.settle(), "stop w.b changed");
    assert_eq!(w.ended("b", asked_for(0)), "say b stopped; say b restarting +0; start w.b");
    w.up("b");
    assert_eq!(w.settle(), "");
}

#[test]
fn a_restart_answers_when_it_is_ready_or_has_failed() {
    let mut w = World::new(vec![service("a", &[])]);
    w.settle();
    w.up("a");
    let before = w.instance("a");
    assert_eq!(w.see("a", Observation::Restart { reason: "asked".to_owned() }), "stop w.a restart");
    assert_eq!(outcome(&w.state, "w.a", Some(&before)), None);
    assert_eq!(w.ended("a", asked_for(0)), "say a stopped; say a restarting +0; start w.a");
    w.started("a");
    assert_eq!(outcome(&w.state, "w.a", Some(&before)), None);
    w.good("a");
    assert_eq!(outcome(&w.state, "w.a", Some(&before)), Some(Ok(7)));

    let before = w.instance("a");
    w.see("a", Observation::Restart { reason: "asked".to_owned() });
    w.ended("a", asked_for(0));
    let reason = "its port 1 is in use by `nc` (process 5)".to_owned();
    assert_eq!(w.ended("a", End::NotStarted { reason: reason.clone() }), "say a failed +10000");
    assert_eq!(outcome(&w.state, "w.a", Some(&before)), Some(Err(reason)));
    assert_eq!(w.pass(10_000), "start w.a");
}

#[test]
fn what_stands_in_the_way_of_a_start_is_said_once() {
    let mut w = World::new(vec![service("a", &[])]);
    w.settle();
    let not_started = |reason: &str| End::NotStarted { reason: reason.to_owned() };
    assert_eq!(w.ended("a", not_started("no such file")), "say a failed +10000");
    assert_eq!(w.pass(10_000), "start w.a");
    assert_eq!(w.ended("a", not_started("no such file")), "");
    assert_eq!(w.pass(10_000), "start w.a");
    assert_eq!(w.ended("a", not_started("its port is in use")), "say a failed +10000");
    // Whoever asks, or applies something else, is answered anew.
    assert_eq!(w.see("a", Observation::Restart { reason: "asked".to_owned() }), "start w.a");
    assert_eq!(w.ended("a", not_started("its port is in use")), "say a failed +10000");
    w.desire(vec![ServiceSpec { run: "./y".to_owned(), ..service("a", &[]) }]);
    assert_eq!(w.settle(), "start w.a");
    assert_eq!(w.ended("a", not_started("its port is in use")), "say a failed +10000");
}

#[test]
fn what_is_stopped_by_hand_stays_stopped() {
    let mut w = World::new(vec![service("a", &[])]);
    w.settle();
    w.up("a");
    assert_eq!(w.see("a", Observation::Hold), "stop w.a held");
    assert_eq!(w.ended("a", asked_for(0)), "say a stopped");
    w.desire(vec![ServiceSpec { run: "./y".to_owned(), ..service("a", &[]) }]);
    assert_eq!(w.pass(60_000), "");
    assert_eq!(w.see("a", Observation::Release), "start w.a");
}

#[test]
fn a_stop_waits_until_there_is_a_process_to_stop() {
    let mut w = World::new(vec![service("a", &[])]);
    w.settle();
    w.desire(vec![]);
    assert_eq!(w.settle(), "");
    assert_eq!(w.started("a"), "say a starting; stop w.a removed");
}

#[test]
fn what_an_earlier_agent_left_is_taken_up() {
    let adopt = |spec: ServiceSpec| Observation::Adopted {
        instance: "i".to_owned(),
        spec: Box::new(spec),
        pid: Some(9),
        started: Timestamp::from_millis(0),
    };
    let mut w = World::new(vec![service("a", &[])]);
    assert_eq!(w.see("a", adopt(service("a", &[]))), "say a adopted");
    assert_eq!(w.good("a"), "say a ready");
    // Nothing is stopped before the server has said what it wants.
    let mut w = World::new(vec![]);
    w.desired = None;
    assert_eq!(w.see("a", adopt(service("a", &[]))), "say a adopted");
    w.desire(vec![]);
    assert_eq!(w.settle(), "stop w.a removed");

    let found = |end: End| Observation::FoundEnded {
        instance: "i".to_owned(),
        spec: Box::new(service("a", &[])),
        started: Timestamp::from_millis(0),
        end,
        tail: Vec::new(),
        jitter: 0,
    };
    let mut w = World::new(vec![service("a", &[])]);
    assert_eq!(w.see("a", found(CODE_1)), "say a exited; say a restarting +375");
    let mut w = World::new(vec![service("a", &[])]);
    assert_eq!(w.see("a", found(asked_for(0))), "say a stopped; say a restarting +0; start w.a");
}

#[test]
fn a_senseless_declaration_does_not_stop_what_runs() {
    let mut w = World::new(vec![service("a", &[])]);
    w.settle();
    w.up("a");
    w.desire(vec![]);
    let refused = [("w.a".to_owned(), "nonsense".to_owned())].into();
    w.desired = Some(Desired { refused, ..Desired::default() });
    assert_eq!(w.settle(), "");
    assert!(matches!(w.state.services["w.a"].phase, Phase::Live(_)));
}
