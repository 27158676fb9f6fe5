//! What comes of a try: over, another one later, or given up.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::Timestamp;

use super::{Call, Delivery, Letter, Origin, Settled, Share};
use crate::trigger::Concurrency;

/// The first pause before another try, and the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(300);

/// What came of a try.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was answered well.
    Delivered(String),
    /// It started a run that the next call has to wait for.
    Started {
        /// The run.
        run: String,
    },
    /// It failed, and another try may succeed.
    Failed {
        /// A word for it (`TIMEOUT`).
        code: &'static str,
        /// Why.
        reason: String,
        /// The target asks to be left alone for so long.
        after: Option<Duration>,
    },
    /// It failed, and another try would, too.
    Refused {
        /// A word for it (`NO_RESOURCE`).
        code: &'static str,
        /// Why.
        reason: String,
    },
    /// All tries have been made.
    TriedOut,
    /// It is older than its policy allows.
    TooOld,
}

impl Outcome {
    pub(super) fn gone(reason: &str) -> Self {
        Self::Refused { code: "NO_RESOURCE", reason: reason.to_owned() }
    }
}

/// How long to wait after this many tries: a second, doubled each time, five minutes at most; half of it is fixed and
/// half is left to chance, which is a number from 0 to 1.
pub fn backoff(tries: u32, chance: f64) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(PAUSE_MOST);
    doubled.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}

/// What a result is told by: the handle, the call's id and what came of it.
pub type Told = (u64, String, Outcome);

impl Delivery {
    /// What has to be written down before these tries are made: their handles and ids. One record for each workload.
    pub fn begun(&mut self, tries: &[(u64, String)]) -> BTreeMap<String, Settled> {
        let mut records: BTreeMap<String, Settled> = BTreeMap::new();
        for (handle, id) in tries {
            let Some(call) = self.calls.get_mut(handle) else { continue };
            let record = records.entry(call.lane.0.workload.clone()).or_default();
            if let Origin::Batch(place, number) = call.origin {
                record.over.extend([place, u64::from(number)]);
            }
            call.origin = Origin::Single(id.clone());
            let letter = letter(call, id.clone());
            record.waiting.push(Letter { attempts: call.attempts + 1, begun: true, ..letter });
        }
        records
    }

    /// Takes in what came of tries. One record for each workload, to be journalled. `chance` gives a number from 0 to 1
    /// each time it is asked.
    pub fn settle(
        &mut self,
        results: Vec<Told>,
        now: Timestamp,
        chance: impl FnMut() -> f64,
    ) -> BTreeMap<String, Settled> {
        let mut unsaved = Unsaved::default();
        self.settle_into(&mut unsaved, results, now, chance);
        unsaved.take()
    }

    /// The same, where the records are written later, with those of further results.
    pub fn settle_into(
        &mut self,
        unsaved: &mut Unsaved,
        results: Vec<Told>,
        now: Timestamp,
        mut chance: impl FnMut() -> f64,
    ) {
        for (handle, id, outcome) in results {
            let Some(mut call) = self.calls.remove(&handle) else { continue };
            unsaved.results += 1;
            let records = unsaved.records(&call.lane.0.workload);
            let policy = self.duty(&call.lane).map(|duty| duty.retry).unwrap_or_default();
            if let Some(lane) = self.lanes.get_mut(&call.lane) {
                lane.flying = lane.flying.saturating_sub(1);
            }
            if let Some(pool) = call.pool.take().and_then(|pool| self.pools.get_mut(&pool)) {
                pool.flying = pool.flying.saturating_sub(1);
            }
            records.leave(&call.origin);
            let tried = call.attempts + 1;
            let lag = u64::try_from(now.since(call.since).as_millis()).unwrap_or(u64::MAX);
            match outcome {
                Outcome::Delivered(result) => {
                    records.leave_single();
                    let share = records.share(&call.lane.0.trigger);
                    share.delivered += 1;
                    share.lag_ms = share.lag_ms.max(lag);
                    share.result = Some(result);
                }
                Outcome::Started { run } => {
                    call.attempts = tried;
                    call.run = Some(run.clone());
                    call.origin = Origin::Single(id.clone());
                    records.waiting.insert(id.clone(), letter(&call, id));
                    let share = records.share(&call.lane.0.trigger);
                    share.result = Some(format!("run {run} goes on"));
                    share.lag_ms = share.lag_ms.max(lag);
                    self.runs.insert(run, handle);
                    self.lanes.entry(call.lane.clone()).or_default().running = Some(handle);
                    self.enter(&call.lane);
                    self.calls.insert(handle, call);
                    continue;
                }
                Outcome::Failed { code, reason, after } => {
                    let share = records.share(&call.lane.0.trigger);
                    share.failed += 1;
                    share.result = Some(reason.clone());
                    call.attempts = tried;
                    call.reason = Some((reason, code.to_owned()));
                    let pause = backoff(tried, chance()).max(after.unwrap_or_default());
                    let next = now.plus(pause);
                    let last = call.since.plus(policy.max_age);
                    if tried > policy.retries || next > last {
                        let what =
                            if next > last { "MaximumEventAgeInSeconds" } else { "MaximumRetryAttempts" };
                        records.give_up(&call, id, Some(what));
                    } else {
                        call.origin = Origin::Single(id.clone());
                        let letter = Letter { next: Some(next), ..letter(&call, id.clone()) };
                        records.waiting.insert(id, letter);
                        self.lanes.entry(call.lane.clone()).or_default().waiting.insert(handle);
                        self.timers.insert((next, handle));
                        // While it waits, the next one may have its place.
                        self.enter(&call.lane);
                        self.calls.insert(handle, call);
                        continue;
                    }
                }
                Outcome::Refused { code, reason } => {
                    let share = records.share(&call.lane.0.trigger);
                    share.failed += 1;
                    share.result = Some(reason.clone());
                    call.attempts = tried;
                    call.reason = Some((reason, code.to_owned()));
                    records.give_up(&call, id, None);
                }
                Outcome::TriedOut | Outcome::TooOld => {
                    let is_tried = outcome == Outcome::TriedOut;
                    let what = if is_tried { "MaximumRetryAttempts" } else { "MaximumEventAgeInSeconds" };
                    call.reason.get_or_insert_with(|| {
                        let reason = if is_tried {
                            "the server ended between a call and its answer, and no further try is allowed"
                        } else {
                            "its turn did not come in time"
                        };
                        (reason.to_owned(), "TIMEOUT".to_owned())
                    });
                    records.give_up(&call, id, Some(what));
                }
            }
            self.leave_lane(&call);
        }
    }

    /// Whether the next call of this one's target waits for its end. It must not begin before that end is durable: after a
    /// crash this one would be made again behind it.
    pub fn is_alone(&self, handle: u64) -> bool {
        let definition = self.calls.get(&handle).and_then(|call| self.definitions.get(&call.lane.0));
        definition.is_some_and(|definition| definition.handling.concurrency != Concurrency::Allow)
    }

    /// A run is over. If calls waited behind it, the next may go on, and this one has been delivered.
    pub fn run_over(&mut self, run: &str, result: &str, now: Timestamp) -> Option<(String, Settled)> {
        let mut unsaved = Unsaved::default();
        self.run_over_into(&mut unsaved, run, result, now);
        unsaved.take().pop_first()
    }

    /// The same, where the record is written later. Whether a call waited for it.
    pub fn run_over_into(&mut self, unsaved: &mut Unsaved, run: &str, result: &str, now: Timestamp) -> bool {
        let handle = self.runs.remove(run);
        let Some(call) = handle.and_then(|handle| self.calls.remove(&handle)) else { return false };
        unsaved.results += 1;
        let records = unsaved.records(&call.lane.0.workload);
        records.leave(&call.origin);
        records.leave_single();
        let share = records.share(&call.lane.0.trigger);
        share.delivered += 1;
        share.lag_ms = u64::try_from(now.since(call.since).as_millis()).unwrap_or(u64::MAX);
        share.result = Some(format!("run {run}: {result}"));
        if let Some(lane) = self.lanes.get_mut(&call.lane) {
            lane.running = None;
        }
        self.leave_lane(&call);
        true
    }

    /// The runs that calls wait behind.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        self.runs.keys().map(String::as_str)
    }

    /// A call left its lane: the next may have its turn.
    fn leave_lane(&mut self, call: &Call) {
        match self.lanes.get(&call.lane) {
            Some(lane) if !lane.is_busy() && !lane.in_round => drop(self.lanes.remove(&call.lane)),
            Some(_) => self.enter(&call.lane),
            None => {}
        }
    }
}

/// What came of calls and is not written down yet: a record for each workload, which grows until it is taken. After a
/// crash the calls are made again, under the same ids.
#[derive(Debug, Default)]
pub struct Unsaved {
    records: BTreeMap<String, Records>,
    results: usize,
}

impl Unsaved {
    /// How many results there are.
    pub fn len(&self) -> usize {
        self.results
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.results == 0
    }

    /// The records, to be written now.
    pub fn take(&mut self) -> BTreeMap<String, Settled> {
        let taken = std::mem::take(self);
        let whole = |Records { mut record, waiting, .. }: Records| {
            record.waiting = waiting.into_values().collect();
            record
        };
        taken.records.into_iter().map(|(workload, records)| (workload, whole(records))).collect()
    }

    fn records(&mut self, workload: &str) -> &mut Records {
        // Nearly always there is one.
        if !self.records.contains_key(workload) {
            self.records.insert(workload.to_owned(), Records::default());
        }
        self.records.get_mut(workload).expect("it was put there")
    }
}

/// A record in the making.
#[derive(Debug, Default)]
struct Records {
    record: Settled,
    /// Calls that are kept by themselves, by id: of one that had several results, what the last one says.
    waiting: BTreeMap<String, Letter>,
    places: BTreeMap<String, usize>,
    /// The id of the call at hand, if it was kept by itself.
    single: Option<String>,
}

impl Records {
    fn share(&mut self, trigger: &str) -> &mut Share {
        let place = match self.places.get(trigger) {
            Some(place) => *place,
            None => {
                self.record.triggers.push(Share { name: trigger.to_owned(), ..Share::default() });
                self.places.insert(trigger.to_owned(), self.record.triggers.len() - 1);
                self.record.triggers.len() - 1
            }
        };
        &mut self.record.triggers[place]
    }

    /// The call is not where it was any more.
    fn leave(&mut self, origin: &Origin) {
        self.single = None;
        match origin {
            Origin::Batch(place, number) => self.record.over.extend([*place, u64::from(*number)]),
            Origin::Single(id) => self.single = Some(id.clone()),
        }
    }

    /// The call at hand is over.
    fn leave_single(&mut self) {
        if let Some(id) = self.single.take() {
            self.waiting.remove(&id);
            self.record.over_single.push(id);
        }
    }

    fn give_up(&mut self, call: &Call, id: String, exhausted: Option<&str>) {
        self.leave_single();
        self.share(&call.lane.0.trigger).dead += 1;
        // Where nothing ran out but it failed for good, that is its reason alone.
        self.record.dead.push(Letter { exhausted: exhausted.map(str::to_owned), ..letter(call, id) });
    }
}

fn letter(call: &Call, id: String) -> Letter {
    let (reason, code) = call.reason.clone().unzip();
    Letter {
        id,
        workload: call.lane.0.workload.clone(),
        trigger: call.lane.0.trigger.clone(),
        target: call.lane.1.to_string(),
        event: call.event,
        since: call.since,
        attempts: call.attempts,
        next: None,
        begun: false,
        run: call.run.clone(),
        reason,
        code,
        exhausted: None,
        replay: call.replay.as_deref().map(str::to_owned),
    }
}
