//! The journal in one SQLite file.
//!
//! One thread writes: it takes everything that waits, puts it into one transaction, and answers everybody when that is
//! on disk. Readers have their own connections and never wait for the writer.

mod checkpoint;
mod look;
mod open;
mod readers;
mod recent;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures::future::BoxFuture;
use mainstay_model::{Event, EventDraft, EventId};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::lock::DirLock;
use crate::record::{MAX_BATCH_BYTES, Tip, seal_batch};
use crate::{Fold, Head, Journal, Looked, Place, RowQuery, StoreError};
use readers::Reading;
use recent::Recent;
use writer::{Request, Work};

pub use look::LookJournal;
pub(crate) use open::{classify, open_existing};
pub(crate) use readers::read_event;
pub(crate) use schema::{SqlBacking, Tables, create_table, hash, number, read_head, store_version};

/// The journal's file in its data directory.
pub const FILE_NAME: &str = "journal.sqlite";

/// How the writer's connection is set up, for whoever compares with it.
pub const TUNING: &[(&str, &str)] = &[
    // Events of half a kilobyte in groups of dozens: fewer, larger pages are fewer writes.
    ("page_size", "8192"),
    ("journal_mode", "WAL"),
    ("synchronous", "FULL"),
    // A checkpoint syncs the main file too; every 16 MiB of log instead of every 4 leaves more time for events.
    ("wal_autocheckpoint", "2048"),
    ("cache_size", "-16384"),
    ("cell_size_check", "ON"),
];

/// Waiting requests may hold so much memory; whoever comes next waits for room.
const ROOM_KIB: usize = 64 << 10;

/// What a journal is opened with.
pub struct Options {
    /// The tables to keep. A table whose fold is not here any more is dropped, a new one is computed from the events.
    pub folds: Vec<Arc<dyn Fold>>,
    /// Appends fail with [`StoreError::NoSpace`] when less than so many bytes are free on the disk, so that there is
    /// room left to work with when it is nearly full.
    pub min_free_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { folds: Vec::new(), min_free_bytes: 64 << 20 }
    }
}

/// A journal on disk, opened for writing. There is one per data directory. Dropping it finishes what was asked for.
pub struct SqliteJournal {
    /// None once the journal is being dropped.
    requests: Option<mpsc::UnboundedSender<Request>>,
    room: Arc<Semaphore>,
    tip: Arc<Mutex<Tip>>,
    head: watch::Receiver<u64>,
    reading: Reading,
    recent: Arc<Recent>,
    writer: Option<JoinHandle<()>>,
    /// Let go after the writer has ended.
    _lock: DirLock,
}

impl SqliteJournal {
    /// Opens the journal of a data directory, making both if they are not there yet.
    ///
    /// Tables of folds that are new or have another version are computed from the events first. Blocks meanwhile.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        open::open(dir.as_ref(), options)
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        self.reading.readers.path()
    }

    async fn ask<T>(
        &self,
        size: usize,
        work: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Work,
    ) -> Result<T, StoreError> {
        // The largest batch fits into the room many times over, so this always ends.
        let kib = u32::try_from(size.min(MAX_BATCH_BYTES) / 1024 + 1).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(kib).await.map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let request = Request { work: work(answer), room };
        self.requests.as_ref().ok_or(StoreError::Closed)?.send(request).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.reading.readers.close();
        self.requests = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the journal's writer had panicked");
        }
    }
}

impl Journal for SqliteJournal {
    fn append(&self, batch: Vec<EventDraft>) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
        Box::pin(async move {
            let (batch, size) = seal_batch(batch)?;
            if batch.is_empty() {
                return Ok(Vec::new());
            }
            Ok(self.ask(size, |answer| Work::Append { batch, answer }).await?.events)
        })
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        match self.recent.after(after, limit) {
            Some(events) => Ok(events),
            None => self.reading.after(after, limit),
        }
    }

    fn read_before(&self, before: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.reading.before(before, limit)
    }

    fn look(
        &self,
        place: Place,
        limit: usize,
        most: usize,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Looked, StoreError> {
        self.reading.look(place, limit, most, wanted)
    }

    fn read_by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError> {
        self.reading.by_id(source, id)
    }

    fn head(&self) -> Head {
        self.tip.lock().unwrap_or_else(PoisonError::into_inner).head()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        self.reading.cursor(name)
    }

    fn advance(&self, name: &str, seq: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        let name = name.to_owned();
        Box::pin(async move { self.ask(name.len(), |answer| Work::Advance { name, seq, answer }).await })
    }

    fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError> {
        self.reading.row(table, id)
    }

    fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError> {
        self.reading.rows(table, query)
    }
}

/// The journal's file in this directory.
pub(crate) fn file_in(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

#[cfg(test)]
mod tests;
