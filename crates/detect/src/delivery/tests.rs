//! Scripts against the machine: what is decided for which matches and answers, at which time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_model::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::trigger::{Missed, Throttle};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1000)
}

fn id(trigger: &str) -> TriggerId {
    TriggerId { workload: "shop".to_owned(), trigger: trigger.to_owned() }
}

fn handling(concurrency: Concurrency) -> Handling {
    Handling { throttle: None, concurrency, missed: Missed::default() }
}

/// A machine with triggers of one target `t` each.
struct World {
    machine: Delivery,
    place: u64,
    /// What a table would hold: the records of open calls.
    open: BTreeMap<(u64, u32), ()>,
    letters: BTreeMap<String, Letter>,
    dead: BTreeMap<String, Letter>,
    records: Vec<(u64, Routed, Timestamp)>,
    /// Results that are written with the next [`World::save`].
    unsaved: Unsaved,
    /// The calls they are of.
    unsaved_of: Vec<String>,
    /// Results are written only when they have to be.
    is_lazy: bool,
}

impl World {
    fn new(triggers: &[(&str, Handling, RetryPolicy)]) -> Self {
        let mut world = Self {
            machine: Delivery::new(),
            place: 1000,
            open: BTreeMap::new(),
            letters: BTreeMap::new(),
            dead: BTreeMap::new(),
            records: Vec::new(),
            unsaved: Unsaved::default(),
            unsaved_of: Vec::new(),
            is_lazy: false,
        };
        world.machine.define(Self::definitions(triggers));
        world
    }

    fn definitions(triggers: &[(&str, Handling, RetryPolicy)]) -> BTreeMap<Arc<TriggerId>, Definition> {
        triggers
            .iter()
            .map(|(name, handling, retry)| {
                let duty = Duty { retry: *retry, parallel: 2, pool: None, repeatable: false };
                let targets = BTreeMap::from([("t".to_owned(), duty)]);
                let definition = Definition { enabled: true, handling: handling.clone(), targets };
                (Arc::new(id(name)), definition)
            })
            .collect()
    }

    /// Matches come in, and their record is durable.
    fn matched(&mut self, matches: &[(&str, u64)], now: Timestamp) -> Routing {
        let matches: Vec<Match<'_>> = matches
            .iter()
            .map(|(trigger, event)| Match { trigger, event: *event, key: Some((event % 2).to_string()) })
            .collect();
        let routing = self.machine.route("shop", &matches, None, now);
        self.place += 1;
        let (place, record) = (self.place, routing.record.clone());
        for number in 0..record.len() {
            self.open.insert((place, u32::try_from(number).expect("few")), ());
        }
        for origin in &record.replaced {
            self.leave(origin);
        }
        self.machine.take("shop", place, &record, now, |_| false, 0);
        self.records.push((place, record, now));
        routing
    }

    fn leave(&mut self, origin: &Origin) {
        match origin {
            Origin::Batch(place, number) => drop(self.open.remove(&(*place, *number))),
            Origin::Single(id) => drop(self.letters.remove(id)),
        }
    }

    /// Writes down what came of calls.
    fn save(&mut self) {
        self.unsaved_of.clear();
        let records = self.unsaved.take();
        self.keep(records);
    }

    fn keep(&mut self, records: BTreeMap<String, Settled>) {
        for record in records.into_values() {
            for pair in record.over.chunks_exact(2) {
                self.open.remove(&(pair[0], u32::try_from(pair[1]).expect("few")));
            }
            for id in &record.over_single {
                self.letters.remove(id);
            }
            self.letters.extend(record.waiting.into_iter().map(|letter| (letter.id.clone(), letter)));
            self.dead.extend(record.dead.into_iter().map(|letter| (letter.id.clone(), letter)));
        }
    }

    /// The calls that are due, each begun if it has to be.
    fn due(&mut self, now: Timestamp) -> Vec<Attempt> {
        let (attempts, over) = self.machine.ready(100, now);
        let told: Vec<Told> =
            over.into_iter().map(|(handle, outcome)| (handle, self.name(handle), outcome)).collect();
        self.unsaved_of.extend(told.iter().map(|(_, name, _)| name.clone()));
        self.machine.settle_into(&mut self.unsaved, told, now, || 0.5);
        if !self.is_lazy || attempts.iter().any(|attempt| attempt.exact) {
            self.save();
        }
        let exact: Vec<(u64, String)> = attempts
            .iter()
            .filter(|attempt| attempt.exact)
            .map(|attempt| (attempt.handle, call_name(attempt)))
            .collect();
        let records = self.machine.begun(&exact);
        self.keep(records);
        attempts
    }

    fn name(&self, handle: u64) -> String {
        let call = self.machine.describe(handle).expect("there");
        format!("{}-{}", call.trigger.trigger, call.event)
    }

    fn told(&mut self, attempt: &Attempt, outcome: Outcome, now: Timestamp) {
        let is_alone = self.machine.is_alone(attempt.handle);
        let told = vec![(attempt.handle, call_name(attempt), outcome)];
        self.unsaved_of.push(call_name(attempt));
        self.machine.settle_into(&mut self.unsaved, told, now, || 0.5);
        if !self.is_lazy || is_alone {
            self.save();
        }
    }

    /// The server was killed; a new machine is made of what is written down.
    fn killed(&mut self, triggers: &[(&str, Handling, RetryPolicy)], now: Timestamp) {
        self.unsaved = Unsaved::default();
        self.unsaved_of.clear();
        let mut machine = Delivery::new();
        machine.define(Self::definitions(triggers));
        for (place, record, since) in &self.records {
            let mut record = record.clone();
            record.replaced.clear();
            let is_over = |number| !self.open.contains_key(&(*place, number));
            machine.take("shop", *place, &record, *since, is_over, 1);
        }
        for letter in self.letters.values() {
            machine.take_letter(letter, now);
        }
        self.machine = machine;
    }
}

fn call_name(attempt: &Attempt) -> String {
    format!("{}-{}", attempt.trigger.trigger, attempt.event)
}

fn names(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(call_name).collect()
}

fn failed() -> Outcome {
    Outcome::Failed { code: "TIMEOUT", reason: "slow".to_owned(), after: None }
}

fn good() -> Outcome {
    Outcome::Delivered("200".to_owned())
}

fn policy(retries: u32, seconds: u64) -> RetryPolicy {
    RetryPolicy { retries, max_age: Duration::from_secs(seconds) }
}

#[test]
fn queues_take_turns() {
    let allow = handling(Concurrency::Allow);
    let mut world = World::new(&[
        ("storm", allow.clone(), RetryPolicy::default()),
        ("calm", allow, RetryPolicy::default()),
    ]);
    let storm: Vec<(&str, u64)> = (1..=50).map(|event| ("storm", event)).chain([("calm", 51)]).collect();
    world.matched(&storm, at(0));
    // Two at once of each target, one of each in turn.
    assert_eq!(names(&world.due(at(0))), ["storm-1", "calm-51", "storm-2"]);
    assert!(world.due(at(0)).is_empty());
    assert_eq!(world.machine.counts(&id("storm"), at(0)).queued, 48);
}

#[test]
fn pools_are_shared() {
    let mut world = World::new(&[]);
    let duty =
        Duty { retry: RetryPolicy::default(), parallel: 2, pool: Some("chat".into()), repeatable: false };
    let definition = Definition {
        enabled: true,
        handling: Handling::default(),
        targets: BTreeMap::from([("t".to_owned(), duty)]),
    };
    let names_of = ["a", "b", "c"];
    world.machine.define(names_of.iter().map(|name| (Arc::new(id(name)), definition.clone())).collect());
    world.matched(&[("a", 1), ("a", 2), ("b", 3), ("c", 4)], at(0));
    let first = world.due(at(0));
    assert_eq!(names(&first), ["a-1", "b-3"]);
    world.told(&first[0], good(), at(1));
    assert_eq!(names(&world.due(at(1))), ["c-4"]);
    world.told(&first[1], good(), at(1));
    assert_eq!(names(&world.due(at(1))), ["a-2"]);
}

#[test]
fn what_hangs_leaves_room_for_others() {
    let mut world = World::new(&[]);
    let definition = |pool: &str| Definition {
        enabled: true,
        handling: Handling::default(),
        targets: BTreeMap::from([(
            "t".to_owned(),
            Duty { retry: RetryPolicy::default(), parallel: 256, pool: Some(pool.into()), repeatable: false },
        )]),
    };
    let names = ["a", "b", "c", "d"];
    world.machine.define(names.iter().map(|name| (Arc::new(id(name)), definition(name))).collect());
    let mut room = 100;
    let mut made = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let matches: Vec<(&str, u64)> = (0..500).map(|event| (*name, event + number as u64 * 500)).collect();
        world.matched(&matches, at(0));
        // None of these is ever answered.
        let (attempts, _) = world.machine.ready(room, at(0));
        assert!(attempts.iter().all(|attempt| attempt.trigger.trigger == *name));
        room -= attempts.len();
        made.push(attempts.len());
    }
    assert_eq!(made, [50, 25, 13, 6], "each has half of what was left");
}

#[test]
fn room_in_a_pool_that_one_target_does_not_take_goes_to_the_next() {
    let mut world = World::new(&[]);
    let duty = |retry| Duty { retry, parallel: 1, pool: Some("chat".into()), repeatable: false };
    let definition = |retry| Definition {
        enabled: true,
        handling: Handling::default(),
        targets: BTreeMap::from([("t".to_owned(), duty(retry))]),
    };
    let named = |name: &str, retry| (Arc::new(id(name)), definition(retry));
    let patient = RetryPolicy::default();
    world.machine.define([named("a", patient), named("b", policy(5, 60)), named("c", patient)].into());
    world.matched(&[("a", 1), ("b", 2), ("b", 3), ("c", 4), ("a", 5)], at(0));
    world.matched(&[("c", 6)], at(0));
    let first = world.due(at(0));
    assert_eq!(names(&first), ["a-1"]);
    assert!(world.due(at(10)).is_empty(), "the pool is full");
    // When there is room again, what b has waits for too long already: another one takes the place, and nobody is
    // forgotten.
    world.told(&first[0], good(), at(100));
    let mut seen = Vec::new();
    for second in 100..103 {
        let attempts = world.due(at(second));
        assert_eq!(attempts.len(), 1, "one at a time, and always one: {seen:?}");
        world.told(&attempts[0], good(), at(second));
        seen.extend(names(&attempts));
    }
    seen.sort_unstable();
    assert_eq!(seen, ["a-5", "c-4", "c-6"]);
    assert!(world.machine.is_empty());
    assert_eq!(world.dead.keys().collect::<Vec<_>>(), ["b-2", "b-3"]);
}

#[test]
fn a_call_is_tried_again_and_then_given_up() {
    let triggers = [("a", handling(Concurrency::Allow), policy(2, 3600))];
    let mut world = World::new(&triggers);
    world.matched(&[("a", 7)], at(0));
    for (try_at, number) in [(0, 1), (1, 2), (3, 3)] {
        let due = world.due(at(try_at));
        assert_eq!(due.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [number], "at {try_at}");
        assert!(due[0].exact, "few tries are allowed, so each is written down");
        world.told(&due[0], failed(), at(try_at));
    }
    assert_eq!(world.machine.next_wake(), None);
    assert!(world.machine.is_empty() && world.letters.is_empty() && world.open.is_empty());
    let dead = &world.dead["a-7"];
    assert_eq!((dead.attempts, dead.exhausted.as_deref()), (3, Some("MaximumRetryAttempts")));
    assert_eq!((dead.reason.as_deref(), dead.code.as_deref()), (Some("slow"), Some("TIMEOUT")));
    // Somebody has it tried again: it begins anew.
    let letter = Letter { since: at(50), attempts: 0, exhausted: None, ..dead.clone() };
    world.machine.take_letter(&letter, at(50));
    let due = world.due(at(50));
    assert_eq!(due[0].number, 1);
    world.told(&due[0], good(), at(50));
    assert!(world.machine.is_empty());
}

#[test]
fn age_counts_from_the_match_and_a_target_may_ask_to_be_left_alone() {
    let triggers = [("a", handling(Concurrency::Allow), policy(100, 60))];
    let mut world = World::new(&triggers);
    world.matched(&[("a", 1)], at(0));
    let due = world.due(at(0));
    let after = |seconds| Outcome::Failed {
        code: "THROTTLING",
        reason: "busy".to_owned(),
        after: Some(Duration::from_secs(seconds)),
    };
    world.told(&due[0], after(30), at(0));
    assert!(world.due(at(29)).is_empty());
    let due = world.due(at(30));
    world.told(&due[0], after(31), at(30));
    assert_eq!(world.dead["a-1"].exhausted.as_deref(), Some("MaximumEventAgeInSeconds"));
    // What never had its turn in time is given up without a try.
    world.matched(&[("a", 2)], at(100));
    assert!(world.due(at(161)).is_empty());
    assert_eq!((world.dead["a-2"].attempts, world.machine.len()), (0, 0));
    // What is refused is not tried again.
    world.matched(&[("a", 3)], at(200));
    let due = world.due(at(200));
    world.told(&due[0], Outcome::Refused { code: "X", reason: "no".to_owned() }, at(200));
    assert_eq!((world.dead["a-3"].attempts, world.dead["a-3"].exhausted.as_deref()), (1, None));
}

#[test]
fn a_window_lets_one_of_each_key_through() {
    let throttle = Throttle { window: Duration::from_secs(60), key: None };
    let throttled = Handling { throttle: Some(throttle), ..Handling::default() };
    let mut world = World::new(&[("a", throttled, RetryPolicy::default())]);
    // The key is whether the event's number is odd.
    let routing = world.matched(&[("a", 1), ("a", 2), ("a", 3), ("a", 5)], at(0));
    assert_eq!((routing.record.len(), routing.record.triggers[0].throttled), (2, 2));
    assert_eq!(world.matched(&[("a", 7)], at(59)).record.len(), 0);
    assert_eq!(world.matched(&[("a", 9)], at(60)).record.len(), 1);
    // A window that was opened under a clock that was ahead counts as ended.
    world.matched(&[("a", 11)], at(100_000));
    assert_eq!(world.matched(&[("a", 13)], at(200)).record.len(), 1);
    assert_eq!(world.machine.close_windows("shop", at(250)), [("a".to_owned(), "0".to_owned())]);
}

#[test]
fn one_by_one_in_four_ways() {
    let of = |concurrency| World::new(&[("a", handling(concurrency), RetryPolicy::default())]);
    let started = |run: &str| Outcome::Started { run: run.to_owned() };

    let mut world = of(Concurrency::Queue);
    world.matched(&[("a", 1), ("a", 2)], at(0));
    let due = world.due(at(0));
    assert_eq!(names(&due), ["a-1"]);
    world.told(&due[0], started("r1"), at(0));
    assert!(world.due(at(1)).is_empty());
    assert_eq!(world.letters["a-1"].run.as_deref(), Some("r1"));
    let (_, record) = world.machine.run_over("r1", "Success", at(9)).expect("waited for");
    assert_eq!(record.over_single, ["a-1"]);
    assert_eq!(names(&world.due(at(9))), ["a-2"]);
    assert_eq!(world.machine.run_over("r1", "Success", at(9)), None);

    let mut world = of(Concurrency::Queue);
    world.matched(&[("a", 1), ("a", 2)], at(0));
    let due = world.due(at(0));
    world.told(&due[0], failed(), at(0));
    // In order: the second waits until the first has been tried again.
    assert!(world.due(at(0)).is_empty());
    assert_eq!(names(&world.due(at(1))), ["a-1"]);

    let mut world = of(Concurrency::Skip);
    let routing = world.matched(&[("a", 1), ("a", 2)], at(0));
    assert_eq!((routing.record.len(), routing.record.triggers[0].skipped), (1, 1));
    let due = world.due(at(0));
    world.told(&due[0], started("r1"), at(0));
    assert_eq!(world.matched(&[("a", 3)], at(1)).record.triggers[0].skipped, 1);
    world.machine.run_over("r1", "Failed", at(2)).expect("waited for");
    assert_eq!(world.matched(&[("a", 4)], at(3)).record.len(), 1);

    let mut world = of(Concurrency::Replace);
    let routing = world.matched(&[("a", 1), ("a", 2)], at(0));
    assert_eq!((&*routing.record.calls, routing.record.triggers[0].replaced), (&[2, 0, 0][..], 1));
    let due = world.due(at(0));
    world.told(&due[0], started("r2"), at(0));
    assert_eq!(world.matched(&[("a", 3)], at(1)).cancel, ["r2"]);
    let routing = world.matched(&[("a", 4)], at(2));
    assert_eq!(routing.record.replaced, [Origin::Batch(1002, 0)]);
    assert!(world.due(at(2)).is_empty(), "until the run has been cancelled");
    world.machine.run_over("r2", "Cancelled", at(3)).expect("waited for");
    assert_eq!(names(&world.due(at(3))), ["a-4"]);
}

#[test]
fn what_is_off_is_held_and_what_is_gone_is_given_up() {
    let triggers = [("a", handling(Concurrency::Allow), RetryPolicy::default())];
    let mut world = World::new(&triggers);
    world.matched(&[("a", 1)], at(0));
    world.machine.enable(&id("a"), false);
    assert!(world.due(at(1)).is_empty());
    world.machine.enable(&id("a"), true);
    assert_eq!(world.due(at(1)).len(), 1);
    world.matched(&[("a", 2)], at(2));
    world.machine.define(BTreeMap::new());
    assert!(world.due(at(2)).is_empty());
    assert_eq!(world.dead["a-2"].code.as_deref(), Some("NO_RESOURCE"));
}

#[test]
fn pauses_double_up_to_an_end() {
    let seconds = |tries| backoff(tries, 1.0).as_secs();
    assert_eq!([1, 2, 3, 9, 10, 1000].map(seconds), [1, 2, 4, 256, 300, 300]);
    assert_eq!(backoff(3, 0.0), Duration::from_secs(2));
}

#[derive(Clone, Debug)]
enum Step {
    Match(u8),
    Work,
    Fail,
    Save,
    Kill,
    Wait(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_u8..6).prop_map(Step::Match),
        4 => Just(Step::Work),
        2 => Just(Step::Fail),
        2 => Just(Step::Save),
        1 => Just(Step::Kill),
        1 => (1_u8..100).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever happens, each call ends once, as delivered or as a dead letter, and none is made more often than its
    /// policy allows, kills of the server included.
    #[test]
    fn every_call_ends_and_none_is_made_too_often(
        steps in steps(),
        retries in 0_u32..6,
        policy_word in 0_usize..2,
    ) {
        let concurrency = [Concurrency::Allow, Concurrency::Queue][policy_word];
        let triggers = [("a", handling(concurrency), policy(retries, 86_400))];
        let mut world = World::new(&triggers);
        world.is_lazy = true;
        let (mut now, mut event) = (0, 0);
        let mut made: BTreeMap<String, u32> = BTreeMap::new();
        let mut delivered: BTreeMap<String, u32> = BTreeMap::new();
        let mut flying: Vec<Attempt> = Vec::new();
        let mut lives_with_it: BTreeMap<String, u32> = BTreeMap::new();
        let mut work = |world: &mut World,
                        flying: &mut Vec<Attempt>,
                        delivered: &mut BTreeMap<String, u32>,
                        now: i64,
                        is_good: bool| {
            for attempt in world.due(at(now)) {
                *made.entry(call_name(&attempt)).or_default() += 1;
                flying.push(attempt);
            }
            if !flying.is_empty() {
                let attempt = flying.remove(0);
                if is_good {
                    *delivered.entry(call_name(&attempt)).or_default() += 1;
                }
                world.told(&attempt, if is_good { good() } else { failed() }, at(now));
            }
        };
        for step in steps {
            match step {
                Step::Match(count) => {
                    let matches: Vec<(&str, u64)> = (0..count).map(|_| { event += 1; ("a", event) }).collect();
                    world.matched(&matches, at(now));
                }
                Step::Work => work(&mut world, &mut flying, &mut delivered, now, true),
                Step::Fail => work(&mut world, &mut flying, &mut delivered, now, false),
                Step::Save => world.save(),
                Step::Kill => {
                    for attempt in flying.drain(..) {
                        *lives_with_it.entry(call_name(&attempt)).or_default() += 1;
                    }
                    // What is not written down is not known any more: such a call is made again.
                    for name in &world.unsaved_of {
                        *lives_with_it.entry(name.clone()).or_default() += 1;
                        delivered.remove(name);
                    }
                    world.killed(&triggers, at(now));
                }
                Step::Wait(seconds) => now += i64::from(seconds),
            }
        }
        for _ in 0..10_000 {
            now += 400;
            work(&mut world, &mut flying, &mut delivered, now, true);
            if world.machine.is_empty() && flying.is_empty() {
                break;
            }
        }
        world.save();
        prop_assert!(world.machine.is_empty());
        prop_assert!(world.open.is_empty() && world.letters.is_empty());
        for event in 1..=event {
            let name = format!("a-{event}");
            let ends = delivered.get(&name).copied().unwrap_or_default() + u32::from(world.dead.contains_key(&name));
            prop_assert_eq!(ends, 1, "{}", name);
            let calls = made.get(&name).copied().unwrap_or_default();
            // Under a generous policy, lives of the server that ended within a call count once between two answers.
            let spare = if retries < EXACT { 0 } else { lives_with_it.get(&name).copied().unwrap_or_default() };
            prop_assert!(calls <= retries + 1 + spare, "{} was made {} times", name, calls);
        }
    }
}

/// What happens in [`no_turn_is_lost`]; a trigger is told by its number.
#[derive(Clone, Debug)]
enum Move {
    Match(u8, u8),
    /// The call that was made first is answered: well, not, or with a run that goes on.
    Answer(u8),
    RunOver,
    Enable(u8, bool),
    Drop(u8),
    /// Only the triggers whose bits are set are declared.
    Declare(u8),
    Wait(u8),
}

const TRIGGERS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let trigger = || 0_u8..5;
    let step = prop_oneof![
        6 => (trigger(), 1_u8..4).prop_map(|(trigger, count)| Move::Match(trigger, count)),
        8 => (0_u8..6).prop_map(Move::Answer),
        2 => Just(Move::RunOver),
        2 => (trigger(), any::<bool>()).prop_map(|(trigger, on)| Move::Enable(trigger, on)),
        1 => trigger().prop_map(Move::Drop),
        1 => (0_u8..32).prop_map(Move::Declare),
        2 => (1_u8..5).prop_map(Move::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

/// Triggers that share a pool and such that do not, under every policy.
fn declared(mask: u8) -> BTreeMap<Arc<TriggerId>, Definition> {
    let policies = [
        Concurrency::Allow,
        Concurrency::Allow,
        Concurrency::Queue,
        Concurrency::Allow,
        Concurrency::Replace,
    ];
    let pools = [Some("chat"), Some("chat"), Some("chat"), None, Some("mail")];
    let of = |number: usize| {
        let pool = pools[number].map(Arc::from);
        let duty = Duty { retry: policy(3, 3600), parallel: 1 + number % 2, pool, repeatable: true };
        let targets = BTreeMap::from([("t".to_owned(), duty)]);
        let definition = Definition { enabled: true, handling: handling(policies[number]), targets };
        (Arc::new(id(TRIGGERS[number])), definition)
    };
    (0..5).filter(|number| mask >> number & 1 == 1).map(of).collect()
}

impl Delivery {
    /// A lane that could have a call made now, and has none made.
    fn left_out(&self, now: Timestamp) -> Option<&LaneId> {
        assert!(
            self.timers.first().is_none_or(|(at, _)| *at > now),
            "a pause has ended and nobody has seen it"
        );
        let could = |(id, lane): &(&LaneId, &Lane)| {
            if lane.queue.is_empty() {
                return false;
            }
            let Some(definition) = self.definitions.get(&id.0) else { return true };
            let Some(duty) = definition.targets.get(&*id.1) else { return true };
            let is_alone = definition.handling.concurrency != Concurrency::Allow;
            let has_turn = if is_alone {
                lane.flying == 0 && lane.running.is_none() && lane.waiting.is_empty()
            } else {
                lane.flying < duty.parallel
            };
            let has_room = duty
                .pool
                .as_ref()
                .and_then(|pool| self.pools.get(pool))
                .is_none_or(|pool| pool.flying < pool.limit);
            definition.enabled && has_turn && has_room
        };
        self.lanes.iter().find(could).map(|(id, _)| id)
    }
}

proptest! {
    /// Whatever happened before: when the machine is asked what to do and is given room, no call whose time has come
    /// and that nothing stands in the way of is left where it is. With little room, each has its turn after so many
    /// others as there are.
    #[test]
    fn no_turn_is_lost(moves in moves(), room in prop_oneof![Just(1_usize), Just(2), Just(100)]) {
        let mut world = World::new(&[]);
        world.machine.define(declared(31));
        let (mut now, mut event) = (0, 0);
        let mut flying: Vec<Attempt> = Vec::new();
        let mut runs: Vec<String> = Vec::new();
        for step in moves {
            match step {
                Move::Match(trigger, count) => {
                    let name = TRIGGERS[usize::from(trigger)];
                    let matches: Vec<(&str, u64)> = (0..count).map(|_| { event += 1; (name, event) }).collect();
                    world.matched(&matches, at(now));
                }
                Move::Answer(how) if !flying.is_empty() => {
                    let attempt = flying.remove(0);
                    let outcome = match how {
                        0 => failed(),
                        1 => {
                            let run = format!("run-{}", call_name(&attempt));
                            runs.push(run.clone());
                            Outcome::Started { run }
                        }
                        _ => good(),
                    };
                    world.told(&attempt, outcome, at(now));
                }
                Move::Answer(_) => {}
                Move::RunOver => {
                    let over = runs.pop().and_then(|run| world.machine.run_over(&run, "Success", at(now)));
                    world.keep(over.into_iter().collect());
                }
                Move::Enable(trigger, on) => world.machine.enable(&id(TRIGGERS[usize::from(trigger)]), on),
                Move::Drop(trigger) => {
                    for origin in world.machine.drop_waiting(&id(TRIGGERS[usize::from(trigger)])) {
                        world.leave(&origin);
                    }
                }
                Move::Declare(mask) => world.machine.define(declared(mask)),
                Move::Wait(seconds) => now += i64::from(seconds),
            }
            let (attempts, over) = world.machine.ready(room, at(now));
            let is_all = attempts.len() < room;
            flying.extend(attempts);
            let told = over.into_iter().map(|(handle, outcome)| (handle, world.name(handle), outcome)).collect();
            let records = world.machine.settle(told, at(now), || 0.5);
            world.keep(records);
            prop_assert!(!is_all || world.machine.left_out(at(now)).is_none(), "{:?}", world.machine);
        }
        // Everything is on and everybody answers: then everything ends, one call for each turn at the latest.
        world.machine.define(declared(31));
        runs.into_iter().for_each(|run| drop(world.machine.run_over(&run, "Success", at(now))));
        let open = world.machine.len();
        now += 3600;
        for _ in 0..=open {
            for attempt in std::mem::take(&mut flying) {
                world.told(&attempt, good(), at(now));
            }
            let (attempts, over) = world.machine.ready(room, at(now));
            flying.extend(attempts);
            let told = over.into_iter().map(|(handle, outcome)| (handle, world.name(handle), outcome)).collect();
            world.machine.settle(told, at(now), || 0.5);
        }
        for attempt in flying {
            world.told(&attempt, good(), at(now));
        }
        prop_assert!(world.machine.is_empty(), "{:?}", world.machine);
        prop_assert!(world.machine.lanes.is_empty() && world.machine.round.is_empty(), "{:?}", world.machine);
    }
}
