//! Writing down what was decided and what came of calls: one write at a time, and calls go on meanwhile. What comes in the
//! while is written with the next one.
//!
//! A result that is not written down when the server is killed makes its call be made again, under the same idempotency
//! key. Where that would be in the wrong order, or once too often, the loop waits for the write ([`Life::flush`]).

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use mainstay_detect::delivery::{Outcome, Routed, Told};
use mainstay_model::{Event, EventDraft, Timestamp};
use mainstay_store::StoreError;

use super::perform::Made;
use super::{Life, RETRY_FIRST, RETRY_MOST, Triggers, next};

/// How long the last write may take when the server is stopped.
const LAST: Duration = Duration::from_secs(2);

/// So many results are taken in at once.
const MAX_HEARD: usize = 4096;

/// A record of matches that is being written.
pub(super) struct Decided {
    /// Its place among the drafts.
    pub place: usize,
    pub workload: String,
    pub record: Routed,
    /// Runs to be cancelled then.
    pub cancel: Vec<String>,
    /// When it was decided.
    pub now: Timestamp,
}

/// A write.
pub(super) struct Saving {
    done: BoxFuture<'static, Result<Vec<Arc<Event>>, StoreError>>,
    /// The records in it whose calls are taken in then.
    decided: Vec<Decided>,
    /// How far events are routed with it.
    upto: u64,
}

/// Waits for what is being written. Nothing is lost when this is dropped.
pub(super) async fn saved(saving: &mut Option<Saving>) -> Result<Vec<Arc<Event>>, StoreError> {
    match saving {
        Some(saving) => (&mut saving.done).await,
        None => std::future::pending().await,
    }
}

impl Triggers {
    /// Appends what was decided. A disk that is full for a while does not make what was done be forgotten.
    pub(super) async fn append(
        self: Arc<Self>,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<Arc<Event>>, StoreError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let mut pause = RETRY_FIRST;
        loop {
            match self.journal.append(drafts.clone()).await {
                Ok(events) => return Ok(events),
                Err(error @ (StoreError::NoSpace { .. } | StoreError::Sqlite { .. })) => {
                    tracing::error!(%error, "the journal refused what triggers did; trying again");
                    self.clock.until(self.clock.now().plus(pause)).await;
                    pause = (pause * 2).min(RETRY_MOST);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Life {
    /// Takes in what came of calls.
    pub(super) async fn heard(&mut self, first: Option<Made>) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let mut told: Vec<Told> = Vec::new();
        let mut started = Vec::new();
        let mut made = first;
        let mut is_alone = false;
        while let Some(one) = made.take() {
            self.said.extend(one.said);
            if let Outcome::Started { run } = &one.outcome {
                started.push(run.clone());
            }
            is_alone |= self.machine.is_alone(one.handle);
            told.push((one.handle, one.id, one.outcome));
            if told.len() < MAX_HEARD {
                made = self.calls.try_join_next().and_then(Result::ok);
            }
        }
        self.settle(told, now);
        // A run may have ended before it was known that something waits behind it.
        self.runs_over(&started, now)?;
        if is_alone { self.flush().await } else { Ok(()) }
    }

    /// Takes in results, which are written down later.
    pub(super) fn settle(&mut self, told: Vec<Told>, now: Timestamp) {
        let mut chance = self.chance;
        self.machine.settle_into(&mut self.unsaved, told, now, || next(&mut chance));
        self.chance = chance;
    }

    /// Begins to write what there is, if nothing is being written.
    pub(super) fn save(&mut self) {
        if self.saving.is_some() || (self.unsaved.is_empty() && self.said.is_empty()) {
            return;
        }
        let now = self.parts.clock.now();
        // Before the results, so that the places of `decided` are those among all.
        let mut drafts = std::mem::take(&mut self.said);
        for (workload, record) in self.unsaved.take() {
            drafts.push(self.settled_draft("trigger.settled", &workload, &record, now));
            drafts.extend(self.deaths(&workload, &record, now));
        }
        let done = Box::pin(self.parts.clone().append(drafts));
        self.saving = Some(Saving { done, decided: std::mem::take(&mut self.decided), upto: self.routed });
    }

    /// What was being written is durable: the calls that were decided are taken in.
    pub(super) fn saved(&mut self, events: &[Arc<Event>]) {
        let Some(Saving { upto, decided, .. }) = self.saving.take() else { return };
        for Decided { place, workload, record, cancel, now } in decided {
            let Some(event) = events.get(place) else { continue };
            self.committed = upto;
            self.take(&workload, event.seq, &record, now, cancel);
        }
    }

    /// Whether there are records whose calls are not taken in yet. What is decided next has to know of them.
    pub(super) fn is_deciding(&self) -> bool {
        !self.decided.is_empty() || self.saving.as_ref().is_some_and(|saving| !saving.decided.is_empty())
    }

    /// Waits until everything is durable that was decided or that came of calls so far.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        loop {
            self.save();
            if self.saving.is_none() {
                return Ok(());
            }
            let events = saved(&mut self.saving).await?;
            self.saved(&events);
        }
    }

    /// The server is stopped: what came of calls is written down, if the journal takes it.
    pub(super) async fn end(&mut self) -> Result<(), StoreError> {
        let late = self.parts.clock.until(self.parts.clock.now().plus(LAST));
        tokio::select! {
            flushed = self.flush() => flushed,
            () = late => Ok(()),
        }
    }
}
