//! Readers that follow the journal.

use std::sync::Arc;

use mainstay_model::Event;
use tokio::sync::watch;

use crate::{Journal, StoreError};

/// How many events a follower hands over at once, unless told otherwise.
const PAGE: usize = 256;

/// Reads every event once, in order, and waits at the end for more.
pub struct Follower {
    journal: Arc<dyn Journal>,
    head: watch::Receiver<u64>,
    after: u64,
    page: usize,
}

impl Follower {
    /// Follows the events after this place; 0 for all of them, `journal.head().seq` for those to come.
    pub fn new(journal: Arc<dyn Journal>, after: u64) -> Self {
        let head = journal.watch();
        Self { journal, head, after, page: PAGE }
    }

    /// The same, with at most so many events at once (at least 1).
    #[must_use]
    pub fn page(mut self, events: usize) -> Self {
        self.page = events.max(1);
        self
    }

    /// The place of the last event handed over.
    pub fn position(&self) -> u64 {
        self.after
    }

    /// The next events, at least one; waits until there is one. [`StoreError::Closed`] when there will be none any more.
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, StoreError> {
        loop {
            let head = *self.head.borrow_and_update();
            if head > self.after {
                let events = self.journal.read(self.after, self.page)?;
                if let Some(last) = events.last() {
                    self.after = last.seq;
                    return Ok(events);
                }
            }
            self.head.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }
}

/// A follower that goes on where it stopped, across restarts. An event is delivered at least once: handle it, then
/// [`commit`](Self::commit); what was not committed comes again after a crash.
pub struct Subscription {
    follower: Follower,
    name: String,
}

impl Subscription {
    /// Goes on after what the subscription of this name has committed; from the first event if it is new.
    pub fn open(journal: Arc<dyn Journal>, name: impl Into<String>) -> Result<Self, StoreError> {
        let name = name.into();
        let after = journal.cursor(&name)?;
        Ok(Self { follower: Follower::new(journal, after), name })
    }

    /// The same, with at most so many events at once.
    #[must_use]
    pub fn page(mut self, events: usize) -> Self {
        self.follower = self.follower.page(events);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next events; see [`Follower::next`].
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, StoreError> {
        self.follower.next().await
    }

    /// Says that everything up to this event is handled. Resolves when that is durable.
    pub async fn commit(&self, seq: u64) -> Result<(), StoreError> {
        self.follower.journal.advance(&self.name, seq).await
    }
}
