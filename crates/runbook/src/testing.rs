//! A loop around the machine for tests: a journal in memory, a clock that jumps to the next timer, a ledger that
//! performs each attempt once, and crashes after any event one likes.

use std::collections::BTreeMap;

use mainstay_model::{Actor, HostId, RunId, Timestamp};
use serde_json::{Map, Value};

use crate::{
    Action, AttemptId, Decision, Dispatch, Document, Effect, EffectKind, Input, Outcome, Run, RunEvent,
    Start, Transition, child, start, step,
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
    /// A run that stands in line gets its turn when the journal has so many events.
    pub release_after: Option<usize>,
    /// Everything that is said to a run is said twice, as a loop does that lost track; the second time must change
    /// nothing.
    pub twice: bool,
    /// What a person says of unknown outcomes; without it the run stays waiting.
    pub decision: Option<Decision>,
    /// The procedures that steps can start, by name.
    pub procedures: BTreeMap<String, Document>,
    /// A step that fails each time it is tried: its procedure and its name.
    pub broken: Option<(String, String)>,
}

/// A run and how it came to be.
#[derive(Clone, Debug)]
pub struct Driven {
    /// The run at the end.
    pub run: Run,
    /// Its journal.
    pub events: Vec<RunEvent>,
    /// The runs it started, and those that these started, each with its journal.
    pub children: BTreeMap<RunId, (Run, Vec<RunEvent>)>,
    /// How many events all of them have.
    pub written: usize,
    /// How often each attempt was performed: once, or something is wrong.
    pub performed: BTreeMap<AttemptId, u32>,
}

struct Live<'a> {
    document: &'a Document,
    run: Run,
}

struct Loop<'a> {
    /// The run that was asked for is the first; those it led to follow.
    runs: Vec<Live<'a>>,
    journal: Vec<RunEvent>,
    at: Timestamp,
    crashed: bool,
    disturbance: &'a Disturbance,
    crash_after: Option<usize>,
}

impl<'a> Loop<'a> {
    fn place(&self, id: &RunId) -> Option<usize> {
        self.runs.iter().position(|live| live.run.id == *id)
    }

    /// Writes what was decided, unless the loop dies in the middle of it.
    fn commit(&mut self, document: &'a Document, transition: Transition) {
        for event in transition.events {
            if self.crash_after == Some(self.journal.len()) {
                self.crash_after = None;
                self.crashed = true;
                return self.resume(document);
            }
            self.journal.push(event);
        }
        match self.place(&transition.run.id) {
            Some(place) => self.runs[place].run = transition.run,
            None => self.runs.push(Live { document, run: transition.run }),
        }
    }

    /// A new life: every run of the journal is read back and told to go on.
    fn resume(&mut self, document: &'a Document) {
        let documents: BTreeMap<RunId, &'a Document> =
            self.runs.iter().map(|live| (live.run.id.clone(), live.document)).collect();
        let mut ids: Vec<RunId> = Vec::new();
        for event in &self.journal {
            if !ids.contains(&event.run) {
                ids.push(event.run.clone());
            }
        }
        self.runs.clear();
        for id in &ids {
            let run = fold(&of(&self.journal, id)).expect("a journal that begins with the run's start");
            let document = documents.get(id).copied().unwrap_or(document);
            self.runs.push(Live { document, run });
        }
        for id in &ids {
            self.input(id, &Input::Resume);
        }
    }

    fn input(&mut self, id: &RunId, input: &Input) {
        let Some(place) = self.place(id) else { return };
        let Live { document, run } = &self.runs[place];
        let document = *document;
        let transition = step(document, run, input.clone(), self.at);
        self.commit(document, transition);
        // After a crash the input may be lost, and saying it again is what has to be done.
        if self.disturbance.twice && !self.crashed {
            let run = &self.runs[place].run;
            let again = step(document, run, input.clone(), self.at);
            assert_eq!(again.events, [], "said twice: {input:?}");
            assert_eq!(again.run, *run, "said twice: {input:?}");
        }
    }

    /// Starts a child, says what it waits for, or settles the attempt with its end.
    fn child(&mut self, parent: &RunId, attempt: AttemptId, stop: bool) {
        let Some(place) = self.place(parent) else { return };
        let above = self.runs[place].run.clone();
        let Some(effect) = above.open_child() else { return };
        let settled = |outcome| Input::Settled { attempt: attempt.clone(), outcome };
        let Some(below) = self.place(&effect.run).map(|place| &self.runs[place].run) else {
            if stop {
                return self.input(parent, &settled(Outcome::Cancelled));
            }
            let Some(document) = self.disturbance.procedures.get(&effect.procedure) else {
                let reason = format!("There is no procedure {}", effect.procedure);
                return self.input(parent, &settled(Outcome::failed(reason)));
            };
            let begin = child::start(&above, "digest".to_owned(), self.at).expect("a child is wanted");
            return match start(document, begin) {
                Ok(transition) => self.commit(document, transition),
                Err(problems) => {
                    let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    self.input(parent, &settled(Outcome::failed(reasons.join("; "))));
                }
            };
        };
        let below = below.clone();
        if below.status.is_over() {
            return self.input(parent, &settled(child::outcome(&above, &below)));
        }
        if stop {
            let by = Actor::Run(parent.to_string());
            return self.input(&below.id, &Input::Cancel { by, reason: "Its parent stops".to_owned() });
        }
        self.input(parent, &Input::Child { attempt, waiting: child::waits(&below) });
    }
}

fn of(journal: &[RunEvent], id: &RunId) -> Vec<RunEvent> {
    journal.iter().filter(|event| event.run == *id).cloned().collect()
}

/// The run of a journal. Holds on the way that each event left alone the steps that it says it did not touch
/// ([`Run::touched_by`]).
pub fn fold(events: &[RunEvent]) -> Option<Run> {
    let mut run: Option<Run> = None;
    for event in events {
        let before = run.clone();
        let after = Run::fold(run, event).ok()?;
        let touched = after.touched_by(event);
        for (place, record) in after.steps.iter().enumerate().filter(|(place, _)| !touched.contains(place)) {
            match &before {
                Some(before) => assert_eq!(before.steps[place], *record, "by {event:?}"),
                None => assert!(record.is_untouched(), "{record:?} by {event:?}"),
            }
        }
        run = Some(after);
    }
    run
}

type Ledger = BTreeMap<AttemptId, (u32, Option<Outcome>)>;

impl Loop<'_> {
    /// Does one thing that some run has outstanding and that needs no time. Answers whether there was one.
    fn work(&mut self, hosts: &[HostId], performer: &mut Performer<'_>, ledger: &mut Ledger) -> bool {
        let ids: Vec<RunId> = self.runs.iter().rev().map(|live| live.run.id.clone()).collect();
        for id in ids {
            let before = (self.journal.len(), self.crashed);
            let Some(place) = self.place(&id) else { continue };
            for action in self.runs[place].run.outstanding() {
                match action {
                    Action::Perform(effect) => self.perform(&id, effect, hosts, performer, ledger),
                    Action::Stop { attempt, .. } => {
                        if self.runs[place].run.open_child().is_some() {
                            self.child(&id, attempt, true);
                        } else {
                            self.input(&id, &Input::Settled { attempt, outcome: Outcome::Cancelled });
                        }
                    }
                    Action::Wake { .. } => continue,
                }
                break;
            }
            if (self.journal.len(), self.crashed) != before {
                return true;
            }
        }
        false
    }

    fn perform(
        &mut self,
        id: &RunId,
        effect: Effect,
        hosts: &[HostId],
        performer: &mut Performer<'_>,
        ledger: &mut Ledger,
    ) {
        let run = self.place(id).map(|place| &self.runs[place].run);
        let step = run.and_then(Run::open_attempt).map(|open| open.step.clone()).unwrap_or_default();
        let procedure = run.map(|run| run.procedure.clone()).unwrap_or_default();
        if self.disturbance.broken.as_ref() == Some(&(procedure, step)) {
            let outcome = Outcome::failed("Made to fail");
            return self.input(id, &Input::Settled { attempt: effect.attempt, outcome });
        }
        match (&effect.kind, &effect.dispatched) {
            (EffectKind::Child(_), _) => self.child(id, effect.attempt, false),
            (EffectKind::Command(_), None) => {
                let commands = dispatch(&effect, hosts);
                self.input(id, &Input::Dispatched { attempt: effect.attempt, commands });
            }
            _ => {
                let entry = ledger.entry(effect.attempt.clone()).or_insert_with(|| (1, performer(&effect)));
                if let Some(outcome) = entry.1.clone() {
                    self.input(id, &Input::Settled { attempt: effect.attempt, outcome });
                }
            }
        }
    }

    /// Lets time pass until the next timer of any run.
    fn wake(&mut self) {
        let timers = self.runs.iter().flat_map(|live| {
            let id = live.run.id.clone();
            live.run.outstanding().into_iter().filter_map(move |action| match action {
                Action::Wake { timer, at } => Some((at, id.clone(), timer)),
                _ => None,
            })
        });
        if let Some((at, id, timer)) = timers.min() {
            self.at = self.at.max(at);
            self.input(&id, &Input::TimerDue { timer });
        }
    }

    /// What people say, if they have to say something now.
    fn people(&mut self) -> bool {
        let by = || Actor::Person("tester".to_owned());
        let root = &self.runs[0].run;
        let wanted = self.disturbance.cancel_after.is_some_and(|after| self.journal.len() >= after);
        if wanted && root.cancelling.is_none() && !root.status.is_over() {
            let id = root.id.clone();
            self.input(&id, &Input::Cancel { by: by(), reason: "Enough".to_owned() });
            return true;
        }
        let turn = self.disturbance.release_after.is_some_and(|after| self.journal.len() >= after);
        if turn && matches!(root.position, crate::run::Position::Queued { .. }) {
            let id = root.id.clone();
            self.input(&id, &Input::Release);
            return true;
        }
        let Some(decision) = &self.disturbance.decision else { return false };
        let waits = self.runs.iter().find_map(|live| {
            let (attempt, _) = live.run.waiting()?;
            Some((live.run.id.clone(), attempt.clone()))
        });
        let Some((id, attempt)) = waits else { return false };
        self.input(&id, &Input::Decide { attempt, by: by(), decision: decision.clone() });
        true
    }
}

/// Drives a run, and those it starts, until it is over, waits for a person, or nobody answers any more.
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
        runs: vec![Live { document, run: first.run.clone() }],
        journal: Vec::new(),
        at,
        crashed: false,
        disturbance,
        // A run whose first event was lost never began.
        crash_after: disturbance.crash_after.filter(|after| *after > 0),
    };
    driver.commit(document, first);
    let mut ledger = Ledger::new();
    // Every round journals something, and runs are finite; this bound only keeps a mistake from running for ever.
    for _ in 0..10_000 {
        let before = driver.journal.len();
        if !driver.people() && !driver.work(hosts, performer, &mut ledger) {
            driver.wake();
        }
        // A crash may have lost all that was about to be written; then the same is tried again.
        if driver.journal.len() == before && !driver.crashed {
            break;
        }
        driver.crashed = false;
    }
    let mut runs = driver.runs.into_iter().map(|live| live.run);
    let run = runs.next().expect("the first run is there");
    Driven {
        events: of(&driver.journal, &run.id),
        children: runs.map(|run| (run.id.clone(), (run.clone(), of(&driver.journal, &run.id)))).collect(),
        run,
        written: driver.journal.len(),
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
        run: RunId::new(run).expect("a run id"),
        procedure: "procedure".to_owned(),
        workload: Some("shop".to_owned()),
        digest: "digest".to_owned(),
        parameters,
        at: Timestamp::from_millis(0),
        by: Actor::Person("tester".to_owned()),
        reason: None,
        cause: None,
        host: None,
        origin: crate::Origin::default(),
    }
}

/// Runs the document once for each of its steps, and for each step of the procedures it can start, and makes that step
/// fail each time it is tried; everything else gets the performer's own answer. `check` is told the step (with its
/// procedure, where it is another's) and what came of it.
pub fn fail_every_step(
    document: &Document,
    begin: &Start,
    hosts: &[HostId],
    performer: &mut Performer<'_>,
    disturbance: &Disturbance,
    check: &mut dyn FnMut(&str, &Driven),
) {
    let own = document.steps.iter().map(|step| (begin.procedure.clone(), step.name.clone()));
    let others = disturbance.procedures.iter().flat_map(|(name, document)| {
        document.steps.iter().map(move |step| (name.clone(), step.name.clone()))
    });
    for (procedure, step) in own.chain(others) {
        let disturbance =
            Disturbance { broken: Some((procedure.clone(), step.clone())), ..disturbance.clone() };
        let driven = drive(document, begin.clone(), hosts, performer, &disturbance);
        let label = if procedure == begin.procedure { step } else { format!("{procedure}.{step}") };
        check(&label, &driven);
    }
}

/// Runs the document undisturbed, then once for each event, its own and those of the runs it starts, with a crash
/// before that event, and compares: all runs and their journals must come out the same, and no attempt may have been
/// performed twice.
pub fn crash_everywhere(
    document: &Document,
    begin: &Start,
    hosts: &[HostId],
    performer: &mut Performer<'_>,
    disturbance: &Disturbance,
) -> Driven {
    let undisturbed = drive(document, begin.clone(), hosts, performer, disturbance);
    for crash_after in 1..undisturbed.written {
        let disturbance = Disturbance { crash_after: Some(crash_after), ..disturbance.clone() };
        let crashed = drive(document, begin.clone(), hosts, performer, &disturbance);
        let when = format!("after a crash before event {}", crash_after + 1);
        assert_eq!(crashed.run, undisturbed.run, "{when}");
        assert_eq!(crashed.events, undisturbed.events, "{when}");
        assert_eq!(crashed.children, undisturbed.children, "{when}");
        assert_eq!(crashed.performed, undisturbed.performed, "{when}");
    }
    undisturbed
}
