//! A journal whose server is killed at a chosen write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use mainstay_model::{Event, EventDraft, EventId};
use mainstay_store::{Head, Journal, RowQuery, StoreError};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

/// When the server dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// It is about to make this write (from 1), which does not reach the disk. What was done since the write before it
    /// has happened.
    Before(u64),
    /// This write (from 1) is on disk, and the server dies before it hears so: nothing follows from the write.
    After(u64),
    /// Not at all.
    Never,
}

/// What a server sees of the journal until it is killed. After that its writes never end, and
/// [`CrashingJournal::killed`] tells the scenario to drop the server and start another on the same inner journal.
pub struct CrashingJournal {
    inner: Arc<dyn Journal>,
    point: CrashPoint,
    writes: AtomicU64,
    killed: CancellationToken,
    gate: Semaphore,
}

impl CrashingJournal {
    /// A view of `inner` that ends at `point`, counting this view's writes only.
    pub fn new(inner: Arc<dyn Journal>, point: CrashPoint) -> Arc<Self> {
        let (writes, killed) = (AtomicU64::new(0), CancellationToken::new());
        Arc::new(Self { inner, point, writes, killed, gate: Semaphore::new(1) })
    }

    /// Resolves when the server is to be taken for dead.
    pub async fn killed(&self) {
        self.killed.cancelled().await;
    }

    /// How many writes were begun.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Keeps writes that are begun from now on from reaching the disk, until what this gives is dropped.
    pub async fn hold(&self) -> SemaphorePermit<'_> {
        self.gate.acquire().await.expect("the gate is never closed")
    }

    async fn die(&self) -> ! {
        self.killed.cancel();
        std::future::pending().await
    }
}

impl Journal for CrashingJournal {
    fn append(&self, batch: Vec<EventDraft>) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
        Box::pin(async move {
            let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
            if self.killed.is_cancelled() || self.point == CrashPoint::Before(write) {
                self.die().await;
            }
            drop(self.hold().await);
            let events = self.inner.append(batch).await?;
            if self.point == CrashPoint::After(write) {
                self.die().await;
            }
            Ok(events)
        })
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.inner.read(after, limit)
    }

    fn read_before(&self, before: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.inner.read_before(before, limit)
    }

    fn read_by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError> {
        self.inner.read_by_id(source, id)
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.inner.watch()
    }

    fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        self.inner.cursor(name)
    }

    fn advance(&self, name: &str, seq: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
            if self.killed.is_cancelled() || self.point == CrashPoint::Before(write) {
                self.die().await;
            }
            self.inner.advance(&name, seq).await?;
            if self.point == CrashPoint::After(write) {
                self.die().await;
            }
            Ok(())
        })
    }

    fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError> {
        self.inner.row(table, id)
    }

    fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError> {
        self.inner.rows(table, query)
    }
}
