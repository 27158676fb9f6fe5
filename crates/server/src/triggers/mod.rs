//! Triggers: each event of the journal is matched against the triggers of its workload, and what matches is delivered.
//!
//! What is decided is decided by `detect::delivery`, and its records are events. This loop reads the journal page by
//! page, matches each event once against all patterns, appends the records, and makes the calls that are due; what it
//! knows is in the journal, so a new life goes on where the last one stopped. How far events have been routed is a row
//! that is written with the record, so no event is routed twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mainstay_detect::delivery::{
    Attempt, Counts, Delivery, Letter, Match, Routed, Settled, TriggerId, Unsaved, Window,
};
use mainstay_detect::{Scratch, TriggerError};
use mainstay_model::event::is_bookkeeping;
use mainstay_model::{Actor, Event, EventDraft, EventId, RunId, Timestamp};
use mainstay_store::{Follower, Journal, StoreError, all_rows};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Active, Catalogue, Workloads};
use crate::clock::{Clock, until_if_ever};
use crate::runs::{self, Engine};
use crate::secrets::Secrets;
use crate::webhooks::Outbound;

mod adopt;
mod chain;
mod commands;
mod fold;
mod known;
mod outbound;
mod perform;
mod save;
mod schedules;

pub use commands::{Chosen, Command, CommandError, Replay, Replayed};
pub use fold::{
    CALLS_TABLE, CallsFold, DEAD_TABLE, Dead, DeadFold, Did, Off, ProgressFold, TriggersFold, WindowsFold,
    dead_counts, dead_letter, dead_letters, did,
};

use fold::{Batch, Handled, RoutedData};
use known::{Known, KnownEvents};
use perform::{About, Made};
use save::{Decided, Saving, saved};

/// The name of the durable subscription.
const SUBSCRIPTION: &str = "triggers";

/// So many events are routed at once.
const PAGE: usize = 1024;

/// So many calls are made at once, over all targets.
const MAX_IN_FLIGHT: usize = 512;

/// With so many results that are not written down, no further call is made until they are.
const MAX_UNSAVED: usize = 1024;

/// With so many calls open, no further event is routed until some are over. Events are safe in the journal meanwhile.
const MAX_OPEN: usize = 1_000_000;

/// So long windows that have ended are kept at most.
const SWEEP: Duration = Duration::from_secs(60);

/// How long a revision whose event is durable may take to come into the catalogue.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before writing to a journal again that refused, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(10);

/// The triggers of all workloads: what the loop works with, and what others ask it.
pub struct Triggers {
    journal: Arc<dyn Journal>,
    engine: Engine,
    clock: Arc<dyn Clock>,
    catalogue: Arc<Catalogue>,
    secrets: Arc<Secrets>,
    outbound: Arc<dyn Outbound>,
    commands: mpsc::Sender<Command>,
    heard: Mutex<mpsc::Receiver<Command>>,
    /// The journal's end when these began: the revisions up to there are in the catalogue.
    born: u64,
}

impl Triggers {
    /// Triggers; [`Triggers::run`] is their loop.
    pub fn new(
        journal: Arc<dyn Journal>,
        engine: Engine,
        clock: Arc<dyn Clock>,
        catalogue: Arc<Catalogue>,
        secrets: Arc<Secrets>,
        outbound: Arc<dyn Outbound>,
    ) -> Arc<Self> {
        let (commands, heard) = mpsc::channel(64);
        let heard = Mutex::new(heard);
        let born = journal.head().seq;
        Arc::new(Self { journal, engine, clock, catalogue, secrets, outbound, commands, heard, born })
    }

    /// Handles events until stopped.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), StoreError> {
        let mut heard = self.heard.lock().await;
        let mut life = Life::begin(self.clone()).await?;
        life.live(&mut heard, &stop).await
    }
}

/// How far events have been routed.
fn progress(journal: &dyn Journal) -> Result<u64, StoreError> {
    let row = journal.row(fold::PROGRESS_TABLE, fold::PROGRESS)?;
    let routed = row.and_then(|row| row["upto"].as_u64()).unwrap_or_default();
    Ok(routed.max(journal.cursor(SUBSCRIPTION)?))
}

/// How many events have not been matched yet, as far as is written down: what nothing matched is written down every so
/// often only.
pub fn behind(journal: &dyn Journal) -> Result<u64, StoreError> {
    let behind = journal.head().seq.saturating_sub(progress(journal)?);
    Ok(if behind <= PAGE as u64 { 0 } else { behind })
}

/// One life of the loop.
struct Life {
    parts: Arc<Triggers>,
    machine: Delivery,
    follower: Follower,
    /// The workloads as others change them.
    changing: watch::Receiver<Workloads>,
    /// The workloads that events are matched against: those of the place up to which events are routed.
    workloads: Workloads,
    /// The place of the last revision that was taken over.
    adopted: u64,
    /// Everything up to this place is routed.
    routed: u64,
    /// And this much of it is known to be, in the journal.
    committed: u64,
    known: KnownEvents,
    /// What matching needs for an event, used again for the next.
    scratch: Scratch,
    /// What came of calls and is to be written next.
    unsaved: Unsaved,
    /// What is to be written with it.
    said: Vec<EventDraft>,
    /// The records among `said` whose calls are taken in once they are durable.
    decided: Vec<Decided>,
    /// What is being written.
    saving: Option<Saving>,
    /// The calls that are being made. They end with this life; the next one tries them again under their policies.
    calls: JoinSet<Made>,
    schedules: BTreeMap<TriggerId, schedules::Planned>,
    /// What persons turned off: rows of triggers.
    off: BTreeMap<TriggerId, bool>,
    swept_at: Timestamp,
    /// The state of the numbers that pauses are left to chance by.
    chance: u64,
}

/// Matches of one page in one workload.
#[derive(Default)]
struct Found {
    /// Trigger, place of the event, key of the throttle.
    matches: Vec<(String, u64, Option<String>)>,
    /// What is said of matches that nothing follows from.
    said: Vec<EventDraft>,
}

impl Life {
    async fn begin(parts: Arc<Triggers>) -> Result<Self, StoreError> {
        let journal = parts.journal.as_ref();
        let routed = progress(journal)?;
        let now = parts.clock.now();
        let mut life = Self {
            machine: Delivery::new(),
            follower: Follower::new(parts.journal.clone(), routed).page(PAGE),
            workloads: parts.catalogue.now(),
            changing: parts.catalogue.watch(),
            adopted: parts.born,
            routed,
            committed: routed,
            known: KnownEvents::default(),
            scratch: Scratch::new(),
            unsaved: Unsaved::default(),
            said: Vec::new(),
            decided: Vec::new(),
            saving: None,
            calls: JoinSet::new(),
            schedules: BTreeMap::new(),
            off: BTreeMap::new(),
            swept_at: now,
            chance: now.as_millis().unsigned_abs() | 1,
            parts,
        };
        life.restore(now).await?;
        Ok(life)
    }

    /// Takes up what the last life left.
    async fn restore(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let journal = self.parts.journal.clone();
        for row in all_rows(journal.as_ref(), fold::TRIGGERS_TABLE) {
            let (id, row) = row?;
            if let Some((workload, trigger)) = id.split_once('/')
                && row.get("off").is_some()
            {
                let id = TriggerId { workload: workload.to_owned(), trigger: trigger.to_owned() };
                self.off.insert(id, true);
            }
        }
        self.define();
        for row in all_rows(journal.as_ref(), fold::WINDOWS_TABLE) {
            let (_, row) = row?;
            if let (Some(workload), Ok(window)) = (row["workload"].as_str(), Window::deserialize(&row)) {
                self.machine.take_window(workload, &window);
            }
        }
        let mut running = Vec::new();
        for row in all_rows(journal.as_ref(), fold::CALLS_TABLE) {
            let (id, row) = row?;
            let Some(place) = fold::place_of(&id) else {
                if let Ok(letter) = Letter::deserialize(&row) {
                    running.extend(letter.run.clone());
                    self.machine.take_letter(&letter, now);
                }
                continue;
            };
            let event = journal.read(place.saturating_sub(1), 1)?.pop();
            let (Some(event), Ok(batch)) = (event, Batch::deserialize(&row)) else { continue };
            let Ok(mut data) = RoutedData::deserialize(&event.data) else { continue };
            // What it replaced is gone from the table, too.
            data.record.replaced.clear();
            let bits = batch.bits();
            let workload = event.workload.as_deref().unwrap_or_default();
            let is_over = |number| Batch::is_over(&bits, number);
            self.machine.take(workload, place, &data.record, event.time, is_over, 1);
        }
        self.runs_over(&running, now)?;
        self.flush().await?;
        self.plan_schedules().await
    }

    async fn live(
        &mut self,
        heard: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        loop {
            // Where nothing can be routed for a while, a change must not wait: it may be what ends that.
            self.fire().await?;
            self.perform().await?;
            self.save();
            let wake = [self.machine.next_wake(), self.next_firing()].into_iter().flatten().min();
            let timer = until_if_ever(self.parts.clock.as_ref(), wake);
            let may_route = self.machine.len() < MAX_OPEN;
            tokio::select! {
                () = stop.cancelled() => return self.end().await,
                events = saved(&mut self.saving), if self.saving.is_some() => self.saved(&events?),
                Some(made) = self.calls.join_next(), if !self.calls.is_empty() => self.heard(made.ok()).await?,
                page = self.follower.next(), if may_route && !self.is_deciding() => {
                    self.page(page?, stop).await?;
                }
                Some(command) = heard.recv() => {
                    self.flush().await?;
                    self.command(command).await?;
                }
                // Where nothing can be routed for a while, a change must not wait for its event: it may be what ends that.
                changed = self.changing.changed(), if !may_route => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let workloads = self.changing.borrow_and_update().clone();
                    self.adopt(workloads).await?;
                }
                () = timer => {}
            }
        }
    }

    /// Routes a page of events. The records are written with what came of calls meanwhile.
    async fn turn(&mut self, page: Vec<Arc<Event>>) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let ended: Vec<String> = page.iter().filter_map(|event| self.run_that_ended(event)).collect();
        self.runs_over(&ended, now)?;
        let upto = page.last().map_or(self.routed, |last| last.seq);
        let mut is_urgent = false;
        for (workload, found) in self.find(&page)? {
            self.said.extend(found.said);
            let closed = self.sweep(&workload, now);
            let routed = self.route(&workload, &found.matches, &page, None, now)?;
            self.said.extend(routed.matched);
            if !routed.data.is_nothing() || !closed.is_empty() {
                let data = RoutedData { upto: Some(upto), closed, record: routed.data };
                let draft = self.routed_draft(&workload, &data, &format!("{}-{upto}", self.routed), now);
                // What is replaced must not begin before that is known to be so.
                is_urgent |= !data.record.replaced.is_empty() || !routed.cancel.is_empty();
                let place = self.said.len();
                self.said.push(draft);
                self.decided.push(Decided {
                    place,
                    workload,
                    record: data.record,
                    cancel: routed.cancel,
                    now,
                });
            }
        }
        self.routed = upto;
        if is_urgent {
            self.flush().await
        } else if self.decided.is_empty() {
            self.commit(PAGE as u64).await
        } else {
            // The records say how far events are routed.
            Ok(())
        }
    }

    fn take(&mut self, workload: &str, place: u64, record: &Routed, now: Timestamp, cancel: Vec<String>) {
        self.machine.take(workload, place, record, now, |_| false, 0);
        for run in cancel {
            if let Ok(run) = RunId::new(run)
                && let Err(error) = self.parts.engine.cancel(
                    &run,
                    Actor::System("triggers".to_owned()),
                    "a newer match replaces it".to_owned(),
                )
            {
                tracing::debug!(%run, %error, "a run that was to be replaced is over");
            }
        }
    }

    /// Says how far events have been routed, if that is at least so many more than is known.
    async fn commit(&mut self, least: u64) -> Result<(), StoreError> {
        if self.routed >= self.committed + least {
            // What follows from the events up to there is written first.
            self.flush().await?;
        }
        if self.routed >= self.committed + least {
            self.parts.journal.advance(SUBSCRIPTION, self.routed).await?;
            self.committed = self.routed;
        }
        Ok(())
    }

    fn sweep(&mut self, workload: &str, now: Timestamp) -> Vec<(String, String)> {
        if now.since(self.swept_at) < SWEEP && now >= self.swept_at {
            return Vec::new();
        }
        self.swept_at = now;
        self.machine.close_windows(workload, now)
    }

    /// The run whose end this event tells, if a call waits behind it.
    fn run_that_ended(&self, event: &Event) -> Option<String> {
        if event.kind != "run.finished" || !event.is_authentic() {
            return None;
        }
        let run = event.data["run"].as_str()?;
        self.machine.runs().any(|waited| waited == run).then(|| run.to_owned())
    }

    /// Takes in the ends of those of these runs that are over.
    fn runs_over(&mut self, ids: &[String], now: Timestamp) -> Result<(), StoreError> {
        for id in ids {
            let Ok(run_id) = RunId::new(id.clone()) else { continue };
            let status = runs::run(self.parts.journal.as_ref(), &run_id)?.map(|run| run.status);
            if status.is_some_and(|status| !status.is_over()) {
                continue;
            }
            let result = status.map_or("not known".to_owned(), |status| format!("{status:?}"));
            self.machine.run_over_into(&mut self.unsaved, id, &result, now);
        }
        Ok(())
    }

    /// Matches each event of a page once.
    fn find(&mut self, page: &[Arc<Event>]) -> Result<BTreeMap<String, Found>, StoreError> {
        let workloads = self.workloads.clone();
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        let mut known = Vec::with_capacity(page.len());
        for event in page {
            let mut text = Bytes::new();
            let before = found.values().map(|found| found.matches.len()).sum::<usize>();
            if !is_bookkeeping(&event.kind) {
                self.scheduled(event, &mut found)?;
                let mut chain = None;
                for active in workloads.values().filter(|active| !active.patterns.is_empty()) {
                    if event.workload.as_deref().is_some_and(|name| name != active.name()) {
                        continue;
                    }
                    if text.is_empty() {
                        text = event.eventbridge_json().into();
                    }
                    let names = match active.patterns.matches_json(&text, &mut scratch) {
                        Ok(names) => names,
                        Err(error) => {
                            tracing::error!(seq = event.seq, %error, "an event's own text cannot be read");
                            active.patterns.matches(&event.as_eventbridge())
                        }
                    };
                    for name in names {
                        let value = &|| event.as_eventbridge();
                        self.found(active, name, event, value, &mut chain, &mut found)?;
                    }
                }
            }
            let after = found.values().map(|found| found.matches.len()).sum::<usize>();
            known.push((after > before).then(|| Known { event: event.clone(), text }));
        }
        if let Some(first) = page.first() {
            self.known.push(first.seq, known);
        }
        self.scratch = scratch;
        Ok(found)
    }

    /// A firing is for the trigger whose schedule it is of, whatever patterns say.
    fn scheduled(&self, event: &Event, found: &mut BTreeMap<String, Found>) -> Result<(), StoreError> {
        if event.kind != "trigger.scheduled" || !event.is_authentic() {
            return Ok(());
        }
        let active = event.workload.as_ref().and_then(|name| self.workloads.get(name));
        let (Some(active), Some(name)) = (active, event.data["trigger"].as_str()) else { return Ok(()) };
        let Some(trigger) = active.triggers.get(name) else { return Ok(()) };
        let value = &|| outbound::presented(trigger, event, None);
        self.found(active, name, event, value, &mut None, found)
    }

    fn found(
        &self,
        active: &Active,
        name: &str,
        event: &Event,
        value: &dyn Fn() -> Value,
        chain: &mut Option<chain::Chain>,
        found: &mut BTreeMap<String, Found>,
    ) -> Result<(), StoreError> {
        let Some(trigger) = active.triggers.get(name) else { return Ok(()) };
        if self.is_off(active.name(), name) {
            return Ok(());
        }
        if event.cause.is_some() {
            let chain = match chain {
                Some(chain) => chain,
                none => none.insert(chain::of(self.parts.journal.as_ref(), event)?),
            };
            if let Some(reason) = chain.forbids(name) {
                let about = About { workload: active.name(), trigger: name, target: "", event, replay: None };
                let said = about.failed(self.parts.clock.now(), &reason);
                found.entry(active.name().to_owned()).or_default().said.push(said);
                return Ok(());
            }
        }
        let key = trigger.handling.throttle.as_ref().map(|throttle| throttle.key_of(&value()));
        let of_workload = found.entry(active.name().to_owned()).or_default();
        of_workload.matches.push((name.to_owned(), event.seq, key));
        Ok(())
    }

    fn is_off(&self, workload: &str, trigger: &str) -> bool {
        !self.off.is_empty()
            && self
                .off
                .contains_key(&TriggerId { workload: workload.to_owned(), trigger: trigger.to_owned() })
    }

    /// What follows from matches. Beside the record there is a `trigger.matched` for each that starts runs, which is
    /// their cause.
    fn route(
        &mut self,
        workload: &str,
        found: &[(String, u64, Option<String>)],
        page: &[Arc<Event>],
        replay: Option<&str>,
        now: Timestamp,
    ) -> Result<RoutedNow, StoreError> {
        let matches: Vec<Match<'_>> = found
            .iter()
            .map(|(trigger, event, key)| Match { trigger, event: *event, key: key.clone() })
            .collect();
        let routing = self.machine.route(workload, &matches, replay, now);
        if routing.unknown > 0 {
            tracing::error!(
                workload,
                matches = routing.unknown,
                "events matched triggers that nobody has declared"
            );
        }
        let mut data = routing.record;
        for letter in &mut data.full {
            if let Some(event) = in_page(page, letter.event) {
                letter.id =
                    chain::call_id(workload, &letter.trigger, &letter.target, event, replay).to_string();
            }
        }
        let matched = self.matched(workload, &data, page, replay);
        Ok(RoutedNow { data, cancel: routing.cancel, matched })
    }

    /// A `trigger.matched` for each trigger and event that starts runs.
    fn matched(
        &self,
        workload: &str,
        record: &Routed,
        page: &[Arc<Event>],
        replay: Option<&str>,
    ) -> Vec<EventDraft> {
        let Some(active) = self.workloads.get(workload) else { return Vec::new() };
        let mut drafts = Vec::new();
        let same = |a: &[u64], b: &[u64]| a[..2] == b[..2];
        let calls: Vec<&[u64]> = record.calls.chunks_exact(3).collect();
        for of_one in calls.chunk_by(|a, b| same(a, b)) {
            let place = usize::try_from(of_one[0][1]).unwrap_or(usize::MAX);
            let Some(share) = record.triggers.get(place) else { continue };
            let Some(trigger) = active.triggers.get(&share.name) else { continue };
            let procedures = trigger.targets.iter().filter(|target| target.to.procedure().is_some());
            let Some(event) = procedures.clone().next().and_then(|_| in_page(page, of_one[0][0])) else {
                continue;
            };
            let value = outbound::presented(trigger, event, replay);
            let mut said = Vec::new();
            for target in procedures {
                let chosen = of_one.iter().any(|call| {
                    let at = usize::try_from(call[2]).unwrap_or(usize::MAX);
                    share.targets.get(at) == Some(&target.id)
                });
                // One that cannot be made is said when it is tried.
                let call: Option<Result<_, TriggerError>> = trigger.call(&target.id, &value);
                if let (true, Some(Ok(call))) = (chosen, call) {
                    said.push(json!({
                        "run": perform::run_of(workload, &share.name, &target.id, event, replay),
                        "target": target.id,
                        "procedure": call.to.name(),
                        "parameters": call.parameters(),
                        "undefined": call.undefined,
                    }));
                }
            }
            if !said.is_empty() {
                let mut data = json!({
                    "trigger": share.name, "event": event.id, "event_seq": event.seq, "runs": said,
                });
                if let Some(replay) = replay {
                    data["replay"] = replay.into();
                }
                let about = About { workload, trigger: &share.name, target: "", event, replay };
                drafts.push(about.draft("trigger.matched", self.parts.clock.now(), data));
            }
        }
        drafts
    }

    fn routed_draft(&self, workload: &str, data: &RoutedData, identity: &str, now: Timestamp) -> EventDraft {
        let value = serde_json::to_value(data).expect("a record of names and numbers is JSON");
        self.record_draft("trigger.routed", workload, &data.record.triggers, identity, value, now)
    }

    fn settled_draft(&mut self, kind: &str, workload: &str, record: &Settled, now: Timestamp) -> EventDraft {
        let value = serde_json::to_value(record).expect("a record of names and numbers is JSON");
        let identity = format!("{}-{}", now.as_millis(), self.number());
        self.record_draft(kind, workload, &record.triggers, &identity, value, now)
    }

    fn record_draft(
        &self,
        kind: &str,
        workload: &str,
        triggers: &[mainstay_detect::delivery::Share],
        identity: &str,
        data: Value,
        now: Timestamp,
    ) -> EventDraft {
        let id = record_id(kind, workload, identity);
        let subject = match triggers {
            [one] => format!("trigger/{}", one.name),
            _ => format!("workload/{workload}"),
        };
        EventDraft::new(id, kind, now, Actor::System("triggers".to_owned()), data)
            .subject(subject)
            .workload(workload)
    }

    /// One `trigger.dead` for each trigger that gave up calls, for people and for triggers that listen for it.
    fn deaths(&mut self, workload: &str, record: &Settled, now: Timestamp) -> Vec<EventDraft> {
        let mut by_trigger: BTreeMap<&str, Vec<&Letter>> = BTreeMap::new();
        for letter in &record.dead {
            by_trigger.entry(&letter.trigger).or_default().push(letter);
        }
        let mut drafts = Vec::new();
        for (trigger, letters) in by_trigger {
            let Some(first) = letters.first() else { continue };
            let data = json!({
                "trigger": trigger,
                "target": first.target,
                "calls": letters.len(),
                "reason": first.reason,
                "code": first.code,
                "exhausted": first.exhausted,
                "attempts": first.attempts,
                "first": first.id,
            });
            let hex = blake3::hash(format!("trigger.dead\n{workload}\n{}\n{}", first.id, now).as_bytes());
            let id = EventId::new(format!("trigger:{}", &hex.to_hex()[..24])).expect("hex digits are an id");
            let mut draft =
                EventDraft::new(id, "trigger.dead", now, Actor::System("triggers".to_owned()), data)
                    .subject(format!("trigger/{trigger}"))
                    .workload(workload);
            // So that a trigger that listens for dead letters and dies itself is a circle that is seen.
            draft.cause = EventId::new(first.id.clone()).ok();
            drafts.push(draft);
        }
        drafts
    }

    fn number(&mut self) -> u64 {
        next(&mut self.chance);
        self.chance
    }

    /// Makes the calls that are due.
    async fn perform(&mut self) -> Result<(), StoreError> {
        loop {
            let now = self.parts.clock.now();
            let unsaved = MAX_UNSAVED.saturating_sub(self.unsaved.len());
            let room = MAX_IN_FLIGHT.min(unsaved).saturating_sub(self.calls.len());
            let (attempts, over) = self.machine.ready(room, now);
            if attempts.is_empty() && over.is_empty() {
                return Ok(());
            }
            let mut told = Vec::new();
            for (handle, outcome) in over {
                let id = self.id_of(handle)?;
                told.push((handle, id, outcome));
            }
            self.settle(told, now);
            self.start(attempts, now).await?;
        }
    }

    async fn start(&mut self, attempts: Vec<Attempt>, now: Timestamp) -> Result<(), StoreError> {
        let mut ready = Vec::with_capacity(attempts.len());
        let mut exact = Vec::new();
        for attempt in attempts {
            let Some(known) = self.known.get(self.parts.journal.as_ref(), attempt.event)? else {
                return Err(StoreError::BadRecord {
                    seq: attempt.event,
                    reason: "a call is open for it and it is not there".to_owned(),
                });
            };
            if attempt.exact {
                let TriggerId { workload, trigger } = &*attempt.trigger;
                let replay = attempt.replay.as_deref();
                let id = chain::call_id(workload, trigger, &attempt.target, &known.event, replay);
                exact.push((attempt.handle, id.to_string()));
            }
            ready.push((attempt, known));
        }
        if !exact.is_empty() {
            // What is written of a call later must not come before what is known of it now.
            self.flush().await?;
        }
        let records = self.machine.begun(&exact);
        let mut drafts = Vec::new();
        for (workload, record) in records {
            drafts.push(self.settled_draft("trigger.begun", &workload, &record, now));
        }
        self.append(drafts).await?;
        for (attempt, known) in ready {
            self.calls.spawn(self.parts.clone().make(attempt, known));
        }
        Ok(())
    }

    /// The id of a call.
    fn id_of(&mut self, handle: u64) -> Result<String, StoreError> {
        let Some(call) = self.machine.describe(handle) else { return Ok(String::new()) };
        let TriggerId { workload, trigger } = &*call.trigger;
        let known = self.known.get(self.parts.journal.as_ref(), call.event)?;
        Ok(known.map_or_else(String::new, |known| {
            chain::call_id(workload, trigger, &call.target, &known.event, call.replay.as_deref()).to_string()
        }))
    }

    fn append(
        &self,
        drafts: Vec<EventDraft>,
    ) -> impl Future<Output = Result<Vec<Arc<Event>>, StoreError>> + use<> {
        self.parts.clone().append(drafts)
    }

    fn counts(&self) -> BTreeMap<TriggerId, Counts> {
        let now = self.parts.clock.now();
        let ids = self.workloads.values().flat_map(|active| {
            active
                .triggers
                .keys()
                .map(|trigger| TriggerId { workload: active.name().to_owned(), trigger: trigger.clone() })
        });
        ids.map(|id| (id.clone(), self.machine.counts(&id, now))).collect()
    }

    fn handled_draft(&mut self, kind: &str, workload: &str, by: &Actor, handled: &Handled) -> EventDraft {
        let now = self.parts.clock.now();
        let value = serde_json::to_value(handled).expect("a record of names and numbers is JSON");
        let id = EventId::new(format!("trigger:{:016x}-{:x}", self.number(), now.as_millis()))
            .expect("hex digits are an id");
        let mut draft = EventDraft::new(id, kind, now, by.clone(), value).workload(workload);
        draft.subject = Some(match &handled.trigger {
            Some(trigger) => format!("trigger/{trigger}"),
            None => format!("workload/{workload}"),
        });
        draft
    }
}

/// The id of an event that is written once under this identity.
fn record_id(kind: &str, workload: &str, identity: &str) -> EventId {
    let hex = blake3::hash(format!("{kind}\n{workload}\n{identity}").as_bytes()).to_hex();
    EventId::new(format!("trigger:{}", &hex[..24])).expect("hex digits are an id")
}

/// What follows from matches.
struct RoutedNow {
    data: Routed,
    cancel: Vec<String>,
    matched: Vec<EventDraft>,
}

/// An event of a page by its place; pages have no gaps.
fn in_page(page: &[Arc<Event>], place: u64) -> Option<&Arc<Event>> {
    let first = page.first()?.seq;
    let at = usize::try_from(place.checked_sub(first)?).ok()?;
    page.get(at).filter(|event| event.seq == place)
}

/// A number from 0 to 1, and the state after it: a step of SplitMix64. How long a pause is needs no better chance.
fn next(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
}
