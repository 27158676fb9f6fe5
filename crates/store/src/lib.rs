//! The journal and its folds on SQLite, with an in-memory twin.
//!
//! Everything that happens is one event in one append-only, hash-chained journal. This crate writes events durably
//! ([`Journal::append`]), lets readers follow them by sequence number ([`Follower`], [`Subscription`]), keeps tables that
//! are folds of the events and are written in the same transaction ([`Fold`]), and proves all of it offline ([`verify`],
//! [`rebuild`]). It decides nothing about what events mean.
//!
//! Disk format 1, in one SQLite file `journal.sqlite` of the data directory:
//! - `events(seq, source, id, prev, hash, body)`: `body` is the draft as canonical JSON (UTF-8, no white space, object
//!   keys sorted by their bytes) and is stored verbatim, so that a proof never serialises anything again;
//!   `hash = BLAKE3(prev ‖ seq as 8 bytes little endian ‖ BLAKE3(body))`, where `prev` is the 32-byte hash of the event
//!   before it, zeros before the first.
//! - `head(seq, hash)`: the last event. With it, a chain that lost its tail is seen to be short.
//! - `cursors(name, seq)`: positions of durable subscriptions.
//! - `folds(name, version)` and one table `fold_NAME(id, created, changed, value)` for each fold.
//!
//! The chain shows every change, loss or insertion short of a rewrite of everything after it together with the head.
//! Against that, keep a head elsewhere and give it to [`verify_since`].

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
mod fold;
mod follow;
mod lock;
mod memory;
mod pages;
mod rebuild;
mod record;
mod sqlite;
mod verify;

use std::sync::Arc;

use futures::future::BoxFuture;
use mainstay_model::{Event, EventDraft, EventId};
use serde_json::Value;
use tokio::sync::watch;

pub use error::{StoreError, directory_advice};
pub use fold::{Fold, MAX_ROW_BYTES, Rows};
pub use follow::{Follower, Subscription};
pub use memory::MemoryJournal;
pub use pages::{RowsFrom, all_rows, rows_from, rows_under};
pub use rebuild::{Rebuilt, RebuiltTable, rebuild};
pub use record::{MAX_BATCH_BYTES, MAX_DATA_DEPTH, MAX_EVENT_BYTES};
pub use sqlite::{FILE_NAME, LookJournal, Options, SqliteJournal, TUNING};
pub use verify::{Fault, Verified, VerifyError, verify, verify_since};

/// The last durable event of a journal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Its place; 0 when the journal is empty.
    pub seq: u64,
    /// Its hash, 64 hex digits; zeros when the journal is empty.
    pub hash: String,
}

/// From where on events are looked at, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Those after this place, in order.
    After(u64),
    /// Those before this place, last one first; `u64::MAX` starts at the end.
    Before(u64),
}

impl Place {
    /// On from another place, in the same direction.
    #[must_use]
    pub fn on_from(self, seq: u64) -> Self {
        match self {
            Self::After(_) => Self::After(seq),
            Self::Before(_) => Self::Before(seq),
        }
    }
}

/// What [`Journal::look`] found.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// The events that were wanted.
    pub events: Vec<Arc<Event>>,
    /// How many were looked at. None only if there is none.
    pub seen: usize,
    /// The place of the one that was looked at last.
    pub last: u64,
}

/// Which rows of a fold's table, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowQuery {
    /// Last created first; otherwise by id, in byte order.
    pub newest_first: bool,
    /// Only what stands after the row with this id, in that order. Any id will do in id order; in order of creation the
    /// row has to exist, or the answer is [`StoreError::NoSuchRow`].
    pub after_id: Option<String>,
    /// Only rows that stand under this id: whose own id is this one, a `/`, and more.
    pub under: Option<String>,
    /// At most so many rows.
    pub limit: usize,
}

impl RowQuery {
    /// The first `limit` rows by id.
    pub fn by_id(limit: usize) -> Self {
        Self { newest_first: false, after_id: None, under: None, limit }
    }

    /// The `limit` rows that were created last, last one first.
    pub fn newest(limit: usize) -> Self {
        Self { newest_first: true, after_id: None, under: None, limit }
    }

    /// All rows that stand under an id, by their ids; all of one moment.
    pub fn under(id: impl Into<String>) -> Self {
        Self { newest_first: false, after_id: None, under: Some(id.into()), limit: usize::MAX }
    }

    /// The same, from behind a row on if there is one.
    #[must_use]
    pub fn from(mut self, after: Option<String>) -> Self {
        self.after_id = after;
        self
    }

    /// The same, from behind this row on.
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.after_id = Some(id.into());
        self
    }
}

/// The journal: what the loops of the server know of storage.
///
/// Readers see durable events only, and the tables exactly as the folds left them after some durable event. `read*`,
/// `row*` and `cursor` block for as long as a few page reads take and may be called from async code.
pub trait Journal: Send + Sync + 'static {
    /// Appends a batch: all of it or nothing, with consecutive `seq`s for what is new in it. Resolves when it is durable,
    /// in the order of the drafts.
    ///
    /// A draft whose source and id are already in the journal, or earlier in the batch, is answered with the first
    /// record and not written again. So whoever got an error that leaves the outcome open (a failing disk), or none at
    /// all (a crash), appends the same drafts again. Dropping the future does not take the batch back.
    fn append(&self, batch: Vec<EventDraft>) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>>;

    /// Up to `limit` events after this place, in order. May be fewer than there are when they are big; none only if
    /// there is none (or `limit` is 0).
    fn read(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError>;

    /// Up to `limit` events before this place, last one first; `u64::MAX` starts at the end. May be fewer when they are
    /// big.
    fn read_before(&self, before: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError>;

    /// Looks at up to `limit` events from a place on, and reads those of which `wanted` takes the body: the canonical JSON of
    /// the draft, as it is stored. To leave one out by its body costs a small part of what reading it costs. Ends early
    /// when `most` are found, or when they are big.
    fn look(
        &self,
        place: Place,
        limit: usize,
        most: usize,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Looked, StoreError> {
        let events = match place {
            Place::After(place) => self.read(place, limit)?,
            Place::Before(place) => self.read_before(place, limit)?,
        };
        let mut looked = Looked::default();
        for event in events {
            (looked.seen, looked.last) = (looked.seen + 1, event.seq);
            if wanted(&record::body(&event)) {
                looked.events.push(event);
                if looked.events.len() >= most {
                    break;
                }
            }
        }
        Ok(looked)
    }

    /// The event with this source and id.
    fn read_by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError>;

    /// The last durable event.
    fn head(&self) -> Head;

    /// The place of the last durable event, and a wake-up when it moves. Closed when the journal is.
    fn watch(&self) -> watch::Receiver<u64>;

    /// Up to where the durable subscription of this name has handled events; 0 if it never said.
    fn cursor(&self, name: &str) -> Result<u64, StoreError>;

    /// Says that the subscription has handled everything up to this place. Never moves back; a place beyond the head is
    /// refused. Resolves when it is durable.
    fn advance(&self, name: &str, seq: u64) -> BoxFuture<'_, Result<(), StoreError>>;

    /// One row of a fold's table.
    fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError>;

    /// Rows of a fold's table with their ids.
    fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError>;
}
