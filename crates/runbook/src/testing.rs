//! A loop around the machine for tests: a journal in memory, a clock that jumps to the next timer, a ledger that
//! performs each attempt once, and crashes after any event one likes.

use std::collections::BTreeMap;

use mainstay_model::{Actor, HostId, Timestamp};
use serde_json::{Map, Value};

use crate::{
    Action, AttemptId, Decision, Dispatch, Document, Effect, EffectKind, Input, Outcome, Run, RunEvent,
    Start, Transition, start, step,
};

/// What a performer says; nothing where it never answers.
pub type Performer<'a> = dyn FnMut(&Effect) -> Option<Outcome> + 'a;

/// What happens from outside while a run goes on.
#[derive(Clone, Debug, Default)]
pub struct Disturbance {
    /// The loop dies when the journal has so many events; the rest of what it was about to write is lost.
    pub crash_after: Option<usize>,
    /// Somebody cancels when the journal has so many events.
    pub cancel_after: Option<usize>,
    /// Everything that is said to the run is said twice, as a loop does that lost track; the second time must change
    /// nothing.
    pub twice: bool,
    /// What a person says of unknown outcomes; without it the run stays waiting.
    pub decision: Option<Decision>,
}

/// A run and how it came to be.
#[derive(Clone, Debug)]
pub struct Driven {
    /// The run at the end.
    pub run: Run,
    /// Its journal.
    pub events: Vec<RunEvent>,
    /// How often each attempt was performed: once, or something is wrong.
    pub performed: BTreeMap<AttemptId, u32>,
}

struct Loop<'a> {
    document: &'a Document,
    journal: Vec<RunEvent>,
    run: Run,
    at: Timestamp,
    crash_after: Option<usize>,
    crashed: bool,
    twice: bool,
}

impl Loop<'_> {
    fn commit(&mut self, transition: Transition) {
        for event in transition.events {
            if self.crash_after == Some(self.journal.len()) {
                self.crash_after = None;
                self.crashed = true;
                let folded = fold(&self.journal).expect("a journal that begins with the run's start");
                let resumed = step(self.document, &folded, Input::Resume, self.at);
                return self.commit(resumed);
            }
            self.journal.push(event);
        }
        self.run = transition.run;
    }

    fn input(&mut self, input: &Input) {
        let transition = step(self.document, &self.run, input.clone(), self.at);
        self.commit(transition);
        // After a crash the input may be lost, and saying it again is what has to be done.
        if self.twice && !self.crashed {
            let again = step(self.document, &self.run, input.clone(), self.at);
            assert_eq!(again.events, [], "said twice: {input:?}");
            assert_eq!(again.run, self.run, "said twice: {input:?}");
        }
    }
}

/// The run of a journal.
pub fn fold(events: &[RunEvent]) -> Option<Run> {
    let mut run = None;
    for event in events {
        run = Some(Run::fold(run, event).ok()?);
    }
    run
}

/// Drives a run until it is over, waits for a person, or nobody answers any more.
pub fn drive(
    document: &Document,
    begin: Start,
    hosts: &[HostId],
    performer: &mut Performer<'_>,
    disturbance: &Disturbance,
) -> Driven {
    let at = begin.at;
    let first = start(document, begin).expect("parameters that fit");
    let mut driver = Loop {
        document,
        journal: Vec::new(),
        run: first.run.clone(),
        at,
        // A run whose first event was lost never began.
        crash_after: disturbance.crash_after.filter(|after| *after > 0),
        crashed: false,
        twice: disturbance.twice,
    };
    driver.commit(first);
    let mut ledger: BTreeMap<AttemptId, (u32, Option<Outcome>)> = BTreeMap::new();
    // Every round journals something, and runs are finite; this bound only keeps a mistake from running for ever.
    for _ in 0..10_000 {
        let wanted = disturbance.cancel_after.is_some_and(|after| driver.journal.len() >= after);
        if wanted && driver.run.cancelling.is_none() && !driver.run.status.is_over() {
            let by = Actor::Person("tester".to_owned());
            driver.input(&Input::Cancel { by, reason: "Enough".to_owned() });
            continue;
        }
        if let (Some((attempt, _)), Some(decision)) = (driver.run.waiting(), &disturbance.decision) {
            let by = Actor::Person("tester".to_owned());
            let input = Input::Decide { attempt: attempt.clone(), by, decision: decision.clone() };
            driver.input(&input);
            continue;
        }
        let before = driver.journal.len();
        for action in driver.run.outstanding() {
            match action {
                Action::Perform(effect) => {
                    if let (EffectKind::Command(_), None) = (&effect.kind, &effect.dispatched) {
                        let commands = dispatch(&effect, hosts);
                        driver.input(&Input::Dispatched { attempt: effect.attempt, commands });
                        break;
                    }
                    let entry =
                        ledger.entry(effect.attempt.clone()).or_insert_with(|| (1, performer(&effect)));
                    if let Some(outcome) = entry.1.clone() {
                        driver.input(&Input::Settled { attempt: effect.attempt, outcome });
                        break;
                    }
                }
                Action::Wake { timer, at } => {
                    driver.at = driver.at.max(at);
                    driver.input(&Input::TimerDue { timer });
                    break;
                }
                Action::Stop { attempt, .. } => {
                    driver.input(&Input::Settled { attempt, outcome: Outcome::Cancelled });
                    break;
                }
            }
        }
        // A crash may have lost all that was about to be written; then the same is tried again.
        if driver.journal.len() == before && !std::mem::take(&mut driver.crashed) {
            break;
        }
    }
    Driven {
        run: driver.run,
        events: driver.journal,
        performed: ledger.into_iter().map(|(attempt, (times, _))| (attempt, times)).collect(),
    }
}

fn dispatch(effect: &Effect, hosts: &[HostId]) -> Vec<Dispatch> {
    hosts
        .iter()
        .enumerate()
        .map(|(position, host)| Dispatch {
            host: host.clone(),
            command: effect.attempt.command_on(host, position),
        })
        .collect()
}

/// A start with the given parameters, at the epoch.
pub fn begin(run: &str, parameters: Map<String, Value>) -> Start {
    Start {
        run: mainstay_model::RunId::new(run).expect("a run id"),
        procedure: "procedure".to_owned(),
        workload: Some("shop".to_owned()),
        digest: "digest".to_owned(),
        parameters,
        at: Timestamp::from_millis(0),
        by: Actor::Person("tester".to_owned()),
        reason: None,
        cause: None,
        host: None,
    }
}

/// How often a step in a loop is visited at most in the documents tests look at.
const MOST_VISITS: u32 = 32;

/// Runs the document once for each of its steps and makes that step fail each time it is tried; everything else gets
/// the performer's own answer. `check` is told the step and what came of it.
pub fn fail_every_step(
    document: &Document,
    begin: &Start,
    hosts: &[HostId],
    performer: &mut Performer<'_>,
    check: &mut dyn FnMut(&str, &Driven),
) {
    for broken in &document.steps {
        // Attempts carry their step's name, cut where it is long; the run knows the whole name.
        let prefix = |attempt: &AttemptId, index: usize| {
            (1..=broken.max_attempts.saturating_mul(MOST_VISITS))
                .any(|number| AttemptId::of(&begin.run, &broken.name, index, number) == *attempt)
        };
        let index = document.step(&broken.name).map_or(0, |(index, _)| index);
        let mut failing = |effect: &Effect| {
            if prefix(&effect.attempt, index) {
                Some(Outcome::failed("Made to fail"))
            } else {
                performer(effect)
            }
        };
        let driven = drive(document, begin.clone(), hosts, &mut failing, &Disturbance::default());
        check(&broken.name, &driven);
    }
}

/// Runs the document undisturbed, then once for each of its events with a crash before that event, and compares: the
/// run and its journal must come out the same, and no attempt may have been performed twice.
pub fn crash_everywhere(
    document: &Document,
    begin: &Start,
    hosts: &[HostId],
    performer: &mut Performer<'_>,
    disturbance: &Disturbance,
) -> Driven {
    let undisturbed = drive(document, begin.clone(), hosts, performer, disturbance);
    for crash_after in 1..undisturbed.events.len() {
        let disturbance = Disturbance { crash_after: Some(crash_after), ..disturbance.clone() };
        let crashed = drive(document, begin.clone(), hosts, performer, &disturbance);
        assert_eq!(crashed.run, undisturbed.run, "after a crash before event {}", crash_after + 1);
        assert_eq!(crashed.events, undisturbed.events, "after a crash before event {}", crash_after + 1);
        assert_eq!(
            crashed.performed,
            undisturbed.performed,
            "after a crash before event {}",
            crash_after + 1
        );
    }
    undisturbed
}
