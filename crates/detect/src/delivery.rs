//! From matches to calls: a machine without a clock or IO.
//!
//! It is told which events matched, what came of calls, and the time; it answers with records for the journal and with
//! the calls to make now. What it knows follows from the records, so a machine that is given the records of before goes
//! on where the other stopped.
//!
//! - A call is one target of one trigger for one event. Its id follows from these, so the same call has the same id in
//!   every life of the server.
//! - Each target has a queue of its own, and queues take turns, so a storm at one does not keep the others waiting.
//! - A call that fails is tried again under its [`RetryPolicy`], after a pause that doubles, with a part of it left to
//!   chance, which comes in as a number. After that it is a dead letter.
//! - Nobody can know whether a call that was under way when the server was killed has reached its target. It counts as
//!   tried. Where few tries are allowed ([`EXACT`]), each is written down before it is made, so that even then none is
//!   made too often.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mainstay_model::Timestamp;

use crate::trigger::{Concurrency, Handling, RetryPolicy};

mod record;
mod settle;
#[cfg(test)]
mod tests;

pub use record::{Letter, Origin, Routed, Settled, Share, Window};
pub use settle::{Outcome, Told, Unsaved, backoff};

/// A policy with fewer tries after the first than this has each try written down before it is made.
pub const EXACT: u32 = 4;

/// So many calls may wait for one target. More are dead letters at once: nothing is lost, and memory has an end.
pub const MAX_QUEUED: usize = 100_000;

/// So many calls at the most are given up at a time.
const MAX_OVER: usize = 4096;

/// What targets share may have so many calls made at once however little room there is.
const LEAST: usize = 2;

/// So many keys of a throttle are kept for one trigger. For a further one, the window that ends first is closed early.
pub const MAX_WINDOWS: usize = 10_000;

/// A trigger among all workloads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TriggerId {
    /// Its workload.
    pub workload: String,
    /// Its name.
    pub trigger: String,
}

/// What the machine has to know of a trigger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Its calls are held while it is off.
    pub enabled: bool,
    /// How its matches are handled.
    pub handling: Handling,
    /// Its targets, by id.
    pub targets: BTreeMap<String, Duty>,
}

/// What the machine has to know of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Duty {
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// So many calls at once.
    pub parallel: usize,
    /// What it calls shares `parallel` with all targets that name the same.
    pub pool: Option<Arc<str>>,
    /// A call that is repeated does no harm: starting a run under an id that it has already.
    pub repeatable: bool,
}

/// An event that matched.
#[derive(Clone, Debug)]
pub struct Match<'a> {
    /// The trigger's name, in the workload that is routed for.
    pub trigger: &'a str,
    /// The event's place.
    pub event: u64,
    /// The key for the throttle, if there is one.
    pub key: Option<String>,
}

/// A call to make now.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// What [`Delivery::settle`] calls it.
    pub handle: u64,
    /// The trigger.
    pub trigger: Arc<TriggerId>,
    /// The target's id.
    pub target: Arc<str>,
    /// The place of the event.
    pub event: u64,
    /// Which try it is, from 1.
    pub number: u32,
    /// When the event matched.
    pub since: Timestamp,
    /// The replay that asked for it.
    pub replay: Option<Arc<str>>,
    /// The try has to be written down ([`Delivery::begun`]) before it is made.
    pub exact: bool,
}

/// What a call is.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// The trigger.
    pub trigger: Arc<TriggerId>,
    /// The target's id.
    pub target: Arc<str>,
    /// The place of the event.
    pub event: u64,
    /// The replay that asked for it.
    pub replay: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
struct Call {
    origin: Origin,
    lane: LaneId,
    event: u64,
    since: Timestamp,
    attempts: u32,
    replay: Option<Arc<str>>,
    reason: Option<(String, String)>,
    run: Option<String>,
    /// The pool it takes room in while it is made.
    pool: Option<Arc<str>>,
}

type LaneId = (Arc<TriggerId>, Arc<str>);

/// The calls of one target.
#[derive(Debug, Default)]
struct Lane {
    /// To be made, in this order.
    queue: VecDeque<u64>,
    /// Being made.
    flying: usize,
    /// Waiting for their next try.
    waiting: BTreeSet<u64>,
    /// The call whose run goes on.
    running: Option<u64>,
    /// Stands in the round of those that have something to do.
    in_round: bool,
}

impl Lane {
    fn is_busy(&self) -> bool {
        !self.queue.is_empty() || self.flying > 0 || !self.waiting.is_empty() || self.running.is_some()
    }

    fn len(&self) -> usize {
        self.queue.len() + self.flying + self.waiting.len()
    }
}

/// Room for calls that several targets share.
#[derive(Debug, Default)]
struct Pool {
    /// Calls that are being made.
    flying: usize,
    /// How many there may be, by the target that asked last.
    limit: usize,
    /// Lanes that found no room. They stand here instead of in the round, so that a full pool costs the others nothing.
    parked: VecDeque<LaneId>,
}

/// What became of a lane's turn.
enum Turn {
    /// It may have more to do without any further input.
    Stays,
    /// It has nothing to do until something else happens.
    Leaves,
    /// It waits for room in this pool.
    Parked(Arc<str>),
}

/// What calls there are, and what comes next for them.
#[derive(Debug, Default)]
pub struct Delivery {
    definitions: BTreeMap<Arc<TriggerId>, Definition>,
    calls: BTreeMap<u64, Call>,
    lanes: BTreeMap<LaneId, Lane>,
    /// Lanes that have something in their queue, each once. The first one is next.
    round: VecDeque<LaneId>,
    timers: BTreeSet<(Timestamp, u64)>,
    windows: BTreeMap<Arc<TriggerId>, BTreeMap<String, Timestamp>>,
    runs: BTreeMap<String, u64>,
    /// What targets share, by its name.
    pools: BTreeMap<Arc<str>, Pool>,
    next_handle: u64,
}

/// What became of one record's matches, beside the record itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routing {
    /// To be journalled.
    pub record: Routed,
    /// Runs to be cancelled, because a newer match replaces them.
    pub cancel: Vec<String>,
    /// Matches of triggers that the machine was never told of, from which nothing follows: whoever finds matches has to
    /// look at the triggers that it was told of.
    pub unknown: usize,
}

/// What there is of a trigger now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that wait for their turn.
    pub queued: usize,
    /// Calls that are being made.
    pub under_way: usize,
    /// Calls that wait for another try.
    pub waiting: usize,
    /// Runs that others wait behind.
    pub running: usize,
    /// Windows of the throttle that are open.
    pub windows: usize,
}

impl Delivery {
    /// A machine that knows of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what the triggers are now. Calls of those that are gone are given up when their turn comes.
    pub fn define(&mut self, definitions: BTreeMap<Arc<TriggerId>, Definition>) {
        self.definitions = definitions;
        // What waited for room may be in another pool now, or nowhere.
        self.pools.values_mut().for_each(|pool| self.round.extend(pool.parked.drain(..)));
        let lanes: Vec<LaneId> =
            self.lanes.iter().filter(|(_, lane)| !lane.queue.is_empty()).map(|(id, _)| id.clone()).collect();
        // Held ones may go on.
        for lane in lanes {
            self.enter(&lane);
        }
    }

    /// Whether a trigger is on.
    pub fn is_enabled(&self, trigger: &TriggerId) -> bool {
        self.definitions.get(trigger).is_some_and(|definition| definition.enabled)
    }

    /// Holds the calls of a trigger, or lets them go on.
    pub fn enable(&mut self, trigger: &TriggerId, enabled: bool) {
        if let Some(definition) = self.definitions.get_mut(trigger) {
            definition.enabled = enabled;
        }
        let lanes: Vec<LaneId> = self.lanes_of(trigger).map(|(id, _)| id.clone()).collect();
        for lane in lanes {
            self.enter(&lane);
        }
    }

    fn lanes_of<'a>(&'a self, trigger: &'a TriggerId) -> impl Iterator<Item = (&'a LaneId, &'a Lane)> {
        let from = (Arc::new(trigger.clone()), Arc::from(""));
        self.lanes.range(from..).take_while(move |((id, _), _)| **id == *trigger)
    }

    /// How many calls there are in all.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is nothing left to do.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// What there is of a trigger.
    pub fn counts(&self, trigger: &TriggerId, now: Timestamp) -> Counts {
        let mut counts = Counts::default();
        for (_, lane) in self.lanes_of(trigger) {
            counts.queued += lane.queue.len();
            counts.under_way += lane.flying;
            counts.waiting += lane.waiting.len();
            counts.running += usize::from(lane.running.is_some());
        }
        let open = self.windows.get(trigger).into_iter().flat_map(BTreeMap::values);
        counts.windows = open.filter(|until| **until > now).count();
        counts
    }

    /// Decides what follows from matches of one workload's triggers, in the order of the events. Windows open at once;
    /// calls are taken in with [`Delivery::take`], once the record is durable.
    pub fn route(
        &mut self,
        workload: &str,
        matches: &[Match<'_>],
        replay: Option<&str>,
        now: Timestamp,
    ) -> Routing {
        let mut out = Routing::default();
        out.record.replay = replay.map(str::to_owned);
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for one in matches {
            let id = TriggerId { workload: workload.to_owned(), trigger: one.trigger.to_owned() };
            let Some((id, definition)) = self.definitions.get_key_value(&id) else {
                out.unknown += 1;
                continue;
            };
            let (id, handling) = (id.clone(), definition.handling.clone());
            let place = *places.entry(one.trigger).or_insert_with(|| {
                out.record.triggers.push(Share {
                    name: one.trigger.to_owned(),
                    targets: definition.targets.keys().cloned().collect(),
                    ..Share::default()
                });
                out.record.triggers.len() - 1
            });
            let share = &mut out.record.triggers[place];
            share.matched += 1;
            share.last = one.event;
            if let (None, Some(throttle), Some(key)) = (replay, &handling.throttle, &one.key)
                && !self.open_window(&id, key, throttle.window, now, &mut out.record)
            {
                out.record.triggers[place].throttled += 1;
                continue;
            }
            for target in 0..out.record.triggers[place].targets.len() {
                self.call(&id, handling.concurrency, place, target, one.event, now, &mut out);
            }
        }
        out
    }

    /// Forgets the windows that have ended, of one workload's triggers, and answers with them: triggers and keys.
    pub fn close_windows(&mut self, workload: &str, now: Timestamp) -> Vec<(String, String)> {
        let mut closed = Vec::new();
        for (id, windows) in self.windows.iter_mut().filter(|(id, _)| id.workload == workload) {
            windows.retain(|key, until| {
                let is_open = *until > now;
                if !is_open {
                    closed.push((id.trigger.clone(), key.clone()));
                }
                is_open
            });
        }
        self.windows.retain(|_, windows| !windows.is_empty());
        closed
    }

    /// Whether a match of this key may go through; then nothing of its key may until the window ends.
    fn open_window(
        &mut self,
        id: &Arc<TriggerId>,
        key: &str,
        window: Duration,
        now: Timestamp,
        record: &mut Routed,
    ) -> bool {
        let windows = self.windows.entry(id.clone()).or_default();
        // A window that ends later than one of now would has been opened under a clock that was ahead.
        let until = now.plus(window);
        if windows.get(key).is_some_and(|open| *open > now && *open <= until) {
            return false;
        }
        if windows.len() >= MAX_WINDOWS && !windows.contains_key(key) {
            windows.retain(|_, until| *until > now);
            let first = windows.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
            if let Some(first) = first.filter(|_| windows.len() >= MAX_WINDOWS) {
                windows.remove(&first);
            }
        }
        windows.insert(key.to_owned(), until);
        record.windows.push(Window { trigger: id.trigger.clone(), key: key.to_owned(), until });
        true
    }

    #[expect(clippy::too_many_arguments, reason = "one step of a loop, taken out for its length")]
    fn call(
        &mut self,
        id: &Arc<TriggerId>,
        concurrency: Concurrency,
        place: usize,
        target: usize,
        event: u64,
        now: Timestamp,
        out: &mut Routing,
    ) {
        let name: Arc<str> = out.record.triggers[place].targets[target].as_str().into();
        let lane_id = (id.clone(), name);
        let numbers = [event, place as u64, target as u64];
        let in_record =
            |record: &Routed| record.calls.chunks_exact(3).filter(|call| call[1..] == numbers[1..]).count();
        let lane = self.lanes.get(&lane_id);
        match concurrency {
            Concurrency::Allow | Concurrency::Queue => {}
            Concurrency::Skip => {
                if lane.is_some_and(Lane::is_busy) || in_record(&out.record) > 0 {
                    out.record.triggers[place].skipped += 1;
                    return;
                }
            }
            Concurrency::Replace => {
                let before = out.record.calls.len();
                let kept = out.record.calls.chunks_exact(3).filter(|call| call[1..] != numbers[1..]);
                out.record.calls = kept.flatten().copied().collect();
                let mut left_out = (before - out.record.calls.len()) / 3;
                for handle in lane.into_iter().flat_map(|lane| lane.queue.iter().chain(&lane.waiting)) {
                    let origin = &self.calls[handle].origin;
                    if !out.record.replaced.contains(origin) {
                        out.record.replaced.push(origin.clone());
                        left_out += 1;
                    }
                }
                out.record.triggers[place].replaced += left_out as u64;
                let running = lane.and_then(|lane| lane.running).and_then(|handle| self.calls.get(&handle));
                let run = running.and_then(|call| call.run.clone());
                out.cancel.extend(run.filter(|run| !out.cancel.contains(run)));
            }
        }
        if lane.map_or(0, Lane::len) + out.record.calls.len() / 3 >= MAX_QUEUED
            && lane.map_or(0, Lane::len) + in_record(&out.record) >= MAX_QUEUED
        {
            out.record.triggers[place].dead += 1;
            out.record.full.push(Letter {
                id: String::new(),
                workload: id.workload.clone(),
                trigger: id.trigger.clone(),
                target: lane_id.1.to_string(),
                event,
                since: now,
                attempts: 0,
                next: None,
                begun: false,
                run: None,
                reason: Some(format!("{MAX_QUEUED} calls wait for this target already")),
                code: Some("THROTTLING".to_owned()),
                exhausted: None,
                replay: out.record.replay.clone(),
            });
            return;
        }
        out.record.calls.extend(numbers);
    }

    /// Takes in the calls of a record that is durable at this place. `is_over` says which of them are over already;
    /// `lives` is 0 in the life in which they were decided. In a later one, those that may have been under way count
    /// as tried once.
    pub fn take(
        &mut self,
        workload: &str,
        place: u64,
        record: &Routed,
        since: Timestamp,
        is_over: impl Fn(u32) -> bool,
        lives: u32,
    ) {
        for origin in &record.replaced {
            self.forget(origin);
        }
        let replay: Option<Arc<str>> = record.replay.as_deref().map(Arc::from);
        let ids: Vec<(Arc<TriggerId>, Vec<Arc<str>>)> = record
            .triggers
            .iter()
            .map(|share| {
                let id = TriggerId { workload: workload.to_owned(), trigger: share.name.clone() };
                let id =
                    self.definitions.get_key_value(&id).map_or_else(|| Arc::new(id), |(id, _)| id.clone());
                (id, share.targets.iter().map(|target| Arc::from(target.as_str())).collect())
            })
            .collect();
        for (number, call) in record.calls.chunks_exact(3).enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let index = |at: usize| usize::try_from(call[at]).unwrap_or(usize::MAX);
            let Some((id, targets)) = ids.get(index(1)) else { continue };
            let Some(target) = targets.get(index(2)) else { continue };
            if is_over(number) {
                continue;
            }
            let lane = (id.clone(), target.clone());
            let attempts = if lives > 0 && !self.is_exact(&lane) { 1 } else { 0 };
            self.enqueue(Call {
                origin: Origin::Batch(place, number),
                lane,
                event: call[0],
                since,
                attempts,
                replay: replay.clone(),
                reason: None,
                run: None,
                pool: None,
            });
        }
    }

    /// Takes in a call that is kept by itself: one that an earlier life wrote down, or one that is tried again because
    /// somebody asked for it.
    pub fn take_letter(&mut self, letter: &Letter, now: Timestamp) {
        let id = TriggerId { workload: letter.workload.clone(), trigger: letter.trigger.clone() };
        let id = self.definitions.get_key_value(&id).map_or_else(|| Arc::new(id), |(id, _)| id.clone());
        let lane: LaneId = (id, letter.target.as_str().into());
        let maybe_tried = letter.next.is_some_and(|next| next <= now) && !self.is_exact(&lane);
        let call = Call {
            origin: Origin::Single(letter.id.clone()),
            lane,
            event: letter.event,
            since: letter.since,
            attempts: letter.attempts + u32::from(maybe_tried),
            replay: letter.replay.as_deref().map(Arc::from),
            reason: letter.reason.clone().zip(letter.code.clone()),
            run: letter.run.clone(),
            pool: None,
        };
        if let Some(run) = letter.run.clone() {
            let (handle, lane) = (self.insert(call.clone()), call.lane);
            self.runs.insert(run, handle);
            self.lanes.entry(lane).or_default().running = Some(handle);
            return;
        }
        match letter.next.filter(|next| *next > now) {
            Some(next) => {
                let lane = call.lane.clone();
                let handle = self.insert(call);
                self.lanes.entry(lane).or_default().waiting.insert(handle);
                self.timers.insert((next, handle));
            }
            None => self.enqueue(call),
        }
    }

    /// Takes in a window that an earlier life opened.
    pub fn take_window(&mut self, workload: &str, window: &Window) {
        let id = TriggerId { workload: workload.to_owned(), trigger: window.trigger.clone() };
        self.windows.entry(Arc::new(id)).or_default().insert(window.key.clone(), window.until);
    }

    fn duty(&self, lane: &LaneId) -> Option<Duty> {
        self.definitions.get(&lane.0)?.targets.get(&*lane.1).cloned()
    }

    fn is_exact(&self, lane: &LaneId) -> bool {
        self.duty(lane).is_none_or(|duty| duty.repeatable || duty.retry.retries < EXACT)
    }

    fn insert(&mut self, call: Call) -> u64 {
        self.next_handle += 1;
        self.calls.insert(self.next_handle, call);
        self.next_handle
    }

    fn enqueue(&mut self, call: Call) {
        let lane = call.lane.clone();
        let handle = self.insert(call);
        self.lanes.entry(lane.clone()).or_default().queue.push_back(handle);
        self.enter(&lane);
    }

    /// Puts a lane into the round, if it has something to do and is not there.
    fn enter(&mut self, id: &LaneId) {
        if let Some(lane) = self.lanes.get_mut(id)
            && !lane.in_round
            && !lane.queue.is_empty()
        {
            lane.in_round = true;
            self.round.push_back(id.clone());
        }
    }

    /// Forgets an open call that is not being made.
    fn forget(&mut self, origin: &Origin) {
        let found = self.calls.iter().find(|(_, call)| call.origin == *origin).map(|(handle, _)| *handle);
        if let Some(handle) = found {
            self.remove(handle);
        }
    }

    fn remove(&mut self, handle: u64) -> Option<Call> {
        let call = self.calls.remove(&handle)?;
        if let Some(lane) = self.lanes.get_mut(&call.lane) {
            lane.queue.retain(|other| *other != handle);
            if lane.waiting.remove(&handle) {
                self.timers.retain(|(_, other)| *other != handle);
            }
            if lane.running == Some(handle) {
                lane.running = None;
            }
            if !lane.is_busy() && !lane.in_round {
                self.lanes.remove(&call.lane);
            }
        }
        Some(call)
    }

    fn handles_waiting(&self, trigger: &TriggerId) -> Vec<u64> {
        self.lanes_of(trigger).flat_map(|(_, lane)| lane.queue.iter().chain(&lane.waiting).copied()).collect()
    }

    /// Where the open calls of a trigger that are not being made are written down.
    pub fn waiting_of(&self, trigger: &TriggerId) -> Vec<Origin> {
        let handles = self.handles_waiting(trigger);
        handles.iter().filter_map(|handle| Some(self.calls.get(handle)?.origin.clone())).collect()
    }

    /// Forgets the open calls of a trigger that are not being made: a person dropped them.
    pub fn drop_waiting(&mut self, trigger: &TriggerId) -> Vec<Origin> {
        let handles = self.handles_waiting(trigger);
        let lanes: Vec<LaneId> = self.lanes_of(trigger).map(|(id, _)| id.clone()).collect();
        for id in lanes {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.queue.clear();
                let waited = std::mem::take(&mut lane.waiting);
                self.timers.retain(|(_, handle)| !waited.contains(handle));
                if !lane.is_busy() && !lane.in_round {
                    self.lanes.remove(&id);
                }
            }
        }
        handles.into_iter().filter_map(|handle| self.calls.remove(&handle)).map(|call| call.origin).collect()
    }

    /// What a call is: its trigger, its target, the place of its event, and its replay.
    pub fn describe(&self, handle: u64) -> Option<Described> {
        let call = self.calls.get(&handle)?;
        let (trigger, target) = call.lane.clone();
        Some(Described { trigger, target, event: call.event, replay: call.replay.clone() })
    }

    /// When something is due that no input will tell.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The calls to make now, at most so many, one of each lane in turn; and what ran out before its turn came.
    pub fn ready(&mut self, room: usize, now: Timestamp) -> (Vec<Attempt>, Vec<(u64, Outcome)>) {
        while let Some((at, handle)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            let Some(lane) = self.calls.get(&handle).map(|call| call.lane.clone()) else { continue };
            let found = self.lanes.entry(lane.clone()).or_default();
            found.waiting.remove(&handle);
            // What was there first goes first.
            found.queue.push_front(handle);
            self.enter(&lane);
        }
        let (mut attempts, mut over) = (Vec::new(), Vec::new());
        loop {
            let came_back = self.unpark();
            let before = (attempts.len(), over.len());
            // Each lane of the round has a turn that leads to nothing at most once before this ends.
            let mut idle = 0;
            while attempts.len() < room && idle < self.round.len() && over.len() <= MAX_OVER {
                let Some(id) = self.round.pop_front() else { break };
                let made = attempts.len();
                match self.take_turn(&id, now, room, &mut attempts, &mut over) {
                    Turn::Stays => {
                        self.round.push_back(id);
                        idle = if attempts.len() > made { 0 } else { idle + 1 };
                    }
                    Turn::Leaves => self.leave_round(&id),
                    Turn::Parked(pool) => self.pools.entry(pool).or_default().parked.push_back(id),
                }
            }
            // A lane that came back to the round may have left the room in its pool to the next one, whether or not it
            // made a call.
            let is_done = attempts.len() >= room || over.len() > MAX_OVER;
            if is_done || (came_back == 0 && before == (attempts.len(), over.len())) {
                return (attempts, over);
            }
        }
    }

    /// A lane is not in the round any more, and is forgotten if nothing is left of it.
    fn leave_round(&mut self, id: &LaneId) {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.in_round = false;
            if !lane.is_busy() {
                self.lanes.remove(id);
            }
        }
    }

    /// Lets as many lanes back into the round as there is room in their pools, and says how many. They have waited, so
    /// they are next.
    fn unpark(&mut self) -> usize {
        let mut came_back = 0;
        for pool in self.pools.values_mut() {
            let room = pool.limit.saturating_sub(pool.flying).min(pool.parked.len());
            came_back += room;
            pool.parked.drain(..room).rev().for_each(|id| self.round.push_front(id));
        }
        self.pools.retain(|_, pool| pool.flying > 0 || !pool.parked.is_empty());
        came_back
    }

    /// One lane's turn.
    fn take_turn(
        &mut self,
        id: &LaneId,
        now: Timestamp,
        room: usize,
        attempts: &mut Vec<Attempt>,
        over: &mut Vec<(u64, Outcome)>,
    ) -> Turn {
        let Some(lane) = self.lanes.get_mut(id) else { return Turn::Leaves };
        let Some(handle) = lane.queue.front().copied() else { return Turn::Leaves };
        let Some(definition) = self.definitions.get(&id.0) else {
            lane.queue.pop_front();
            lane.flying += 1;
            over.push((handle, Outcome::gone("the trigger is no longer declared")));
            return Turn::Stays;
        };
        let Some(duty) = definition.targets.get(&*id.1) else {
            lane.queue.pop_front();
            lane.flying += 1;
            over.push((handle, Outcome::gone("the target is no longer declared")));
            return Turn::Stays;
        };
        let Some(call) = self.calls.get_mut(&handle) else {
            lane.queue.pop_front();
            return Turn::Stays;
        };
        let is_old = now.since(call.since) > duty.retry.max_age;
        let is_tried = call.attempts > duty.retry.retries;
        if is_old || is_tried {
            lane.queue.pop_front();
            lane.flying += 1;
            over.push((handle, if is_tried { Outcome::TriedOut } else { Outcome::TooOld }));
            return Turn::Stays;
        }
        let one_by_one = definition.handling.concurrency != Concurrency::Allow;
        let limit = if one_by_one { 1 } else { duty.parallel.max(1) };
        // What is held, and what waits for one before it, is entered again when that changes.
        if !definition.enabled
            || lane.flying >= limit
            || (one_by_one && (lane.running.is_some() || !lane.waiting.is_empty()))
        {
            return Turn::Leaves;
        }
        if let Some(pool) = &duty.pool {
            let found = self.pools.entry(pool.clone()).or_default();
            // One that hangs must not take all the room that there is: it may have as much as it leaves.
            let left = room.saturating_sub(attempts.len());
            found.limit = duty.parallel.min(left.max(LEAST)).max(1);
            if found.flying >= found.limit {
                return Turn::Parked(pool.clone());
            }
            found.flying += 1;
            call.pool = Some(pool.clone());
        }
        lane.queue.pop_front();
        lane.flying += 1;
        attempts.push(Attempt {
            handle,
            trigger: id.0.clone(),
            target: id.1.clone(),
            event: call.event,
            number: call.attempts + 1,
            since: call.since,
            replay: call.replay.clone(),
            exact: !duty.repeatable && duty.retry.retries < EXACT,
        });
        if lane.queue.is_empty() { Turn::Leaves } else { Turn::Stays }
    }
}
