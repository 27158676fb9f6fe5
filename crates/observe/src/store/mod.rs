//! The store: one writer thread that commits in groups, readers beside it, recent samples in memory.

mod index;
mod private;
mod read;
mod retention;
mod schema;
mod series;
mod writer;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::batch::{Batch, Outcome, Sample};
use crate::error::{IngestError, OpenError};
use crate::query::StoreStats;
use index::Index;

pub use series::{SeriesSamples, Snapshot};

/// Reads the time: milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of the machine.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        #[expect(clippy::disallowed_methods, reason = "this is the clock the rest of the crate is handed")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// How the store behaves. `Options::default()` fits a small server.
#[derive(Clone)]
pub struct Options {
    /// Samples, records and spans older than this are deleted, and samples older than this are refused.
    pub retention_age: Duration,
    /// The database may grow to about this many bytes; then the oldest telemetry is deleted.
    pub retention_bytes: u64,
    /// So many bytes stay free on the file system. Near it the oldest telemetry is deleted (but not that of the
    /// last hour); below it new telemetry is refused with [`IngestError::NoSpace`].
    pub min_free_bytes: u64,
    /// How often retention looks, at least.
    pub retention_interval: Duration,
    /// Samples as recent as this are kept in memory too, so that rules over them read no disk.
    pub memory_window: Duration,
    /// At most so many samples are kept in memory (16 bytes each); the window shrinks before this is exceeded.
    pub max_samples_in_memory: usize,
    /// A sample that would begin one series more than this is refused.
    pub max_series: usize,
    /// About so many bytes of batches may wait to be written; more is turned away as overload.
    pub max_waiting_bytes: usize,
    /// The clock.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention_age: Duration::from_secs(15 * 86_400),
            retention_bytes: 4 << 30,
            min_free_bytes: 256 << 20,
            retention_interval: Duration::from_secs(10),
            memory_window: Duration::from_secs(30 * 60),
            max_samples_in_memory: 8_000_000,
            max_series: 200_000,
            max_waiting_bytes: 64 << 20,
            clock: system_clock(),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("retention_age", &self.retention_age)
            .field("retention_bytes", &self.retention_bytes)
            .field("min_free_bytes", &self.min_free_bytes)
            .field("max_series", &self.max_series)
            .finish_non_exhaustive()
    }
}

/// What happened since the store was opened.
#[derive(Debug, Default)]
struct Counters {
    samples_stored: AtomicU64,
    samples_rejected: AtomicU64,
    logs_stored: AtomicU64,
    spans_stored: AtomicU64,
    commits: AtomicU64,
    overloaded: AtomicU64,
    rows_expired: AtomicU64,
}

/// What the writer and the readers share.
struct Shared {
    dir: PathBuf,
    file: PathBuf,
    options: Options,
    index: RwLock<Index>,
    readers: Mutex<Vec<Connection>>,
    waiting_bytes: AtomicUsize,
    counters: Counters,
    log_seq: watch::Sender<u64>,
}

impl Shared {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        // A panic while the lock is held for writing would be a bug of ours in plain map code; reading on is better
        // than taking every reader down with it.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        (self.options.clock)()
    }
}

enum Job {
    Write { batch: Batch, weight: usize, reply: oneshot::Sender<Result<Outcome, IngestError>> },
    Retain { reply: oneshot::Sender<()> },
}

/// The telemetry store. One per directory and machine; share it by `Arc`.
pub struct Telemetry {
    shared: Arc<Shared>,
    jobs: Option<SyncSender<Job>>,
    writer: Option<std::thread::JoinHandle<()>>,
    // Held, not read: the lock on the directory ends with it.
    _lock: File,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").field("file", &self.shared.file).finish_non_exhaustive()
    }
}

/// So many batches may wait, however small.
const MAX_WAITING_BATCHES: usize = 4096;

/// What a sender is told to wait when too much is waiting.
const RETRY_AFTER_MS: u64 = 1000;

impl Telemetry {
    /// Opens the store in `dir` (`telemetry.db` and its companions), making both when they are not there, and
    /// starts its writer thread, which ends when the last handle is dropped.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Arc<Self>, OpenError> {
        let dir = dir.as_ref().to_owned();
        let directory = |source| OpenError::Directory { dir: dir.clone(), source };
        private::make_folder(&dir).map_err(directory)?;
        let lock = File::options()
            .create(true)
            .mode(0o600)
            .truncate(false)
            .write(true)
            .open(dir.join("telemetry.lock"))
            .map_err(directory)?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::InUse { dir }),
            Err(error) => return Err(directory(error.into())),
        }
        let file = dir.join("telemetry.db");
        // Before SQLite makes them: the files beside it have the mode of the database.
        private::make_files(&file).map_err(directory)?;
        let connection = schema::open_writer(&file)?;
        let wrap = |source| OpenError::Database { file: file.clone(), source };
        let loaded = writer::load(&connection, &file)?;
        let log_seq = writer::last_log_seq(&connection).map_err(wrap)?;
        let shared = Arc::new(Shared {
            dir,
            file: file.clone(),
            options,
            index: RwLock::new(loaded.index),
            readers: Mutex::new(Vec::new()),
            waiting_bytes: AtomicUsize::new(0),
            counters: Counters::default(),
            log_seq: watch::Sender::new(log_seq),
        });
        let (jobs, inbox) = sync_channel(MAX_WAITING_BATCHES);
        let writer = writer::Writer::new(connection, Arc::clone(&shared), loaded.next_series);
        let writer = std::thread::Builder::new()
            .name("telemetry-writer".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|source| OpenError::Directory { dir: shared.dir.clone(), source })?;
        Ok(Arc::new(Self { shared, jobs: Some(jobs), writer: Some(writer), _lock: lock }))
    }

    fn jobs(&self) -> Result<&SyncSender<Job>, IngestError> {
        self.jobs.as_ref().ok_or(IngestError::Closed)
    }

    /// Stores a batch and resolves when it has been committed. The batch is stored whole or not at all, apart from
    /// the samples the [`Outcome`] says were refused. Dropping the future does not take the batch back.
    pub async fn ingest(&self, batch: Batch) -> Result<Outcome, IngestError> {
        let weight = batch.weight();
        let (reply, answer) = oneshot::channel();
        let waiting = self.shared.waiting_bytes.fetch_add(weight, Ordering::AcqRel);
        // One batch always fits, however large, so that the bound cannot refuse a batch for ever.
        let fits = waiting == 0 || waiting.saturating_add(weight) <= self.shared.options.max_waiting_bytes;
        let sent = if fits {
            self.jobs()?.try_send(Job::Write { batch, weight, reply }).map_err(|error| match error {
                TrySendError::Full(_) => self.overloaded(),
                TrySendError::Disconnected(_) => IngestError::Closed,
            })
        } else {
            Err(self.overloaded())
        };
        if let Err(error) = sent {
            self.shared.waiting_bytes.fetch_sub(weight, Ordering::AcqRel);
            return Err(error);
        }
        answer.await.unwrap_or(Err(IngestError::Closed))
    }

    fn overloaded(&self) -> IngestError {
        self.shared.counters.overloaded.fetch_add(1, Ordering::Relaxed);
        IngestError::Overloaded { retry_after_ms: RETRY_AFTER_MS }
    }

    /// Stores samples: what recording rules and `ALERTS` need. As [`Telemetry::ingest`].
    pub async fn append_samples(&self, samples: Vec<Sample>) -> Result<Outcome, IngestError> {
        self.ingest(Batch { samples, ..Batch::default() }).await
    }

    /// Runs retention now and resolves when nothing is left to delete.
    pub async fn enforce_retention(&self) -> Result<(), IngestError> {
        let (reply, answer) = oneshot::channel();
        self.jobs()?.try_send(Job::Retain { reply }).map_err(|_| IngestError::Closed)?;
        answer.await.map_err(|_| IngestError::Closed)
    }

    /// The sequence number of the last stored log record; changes when one is committed.
    pub fn log_sequence(&self) -> watch::Receiver<u64> {
        self.shared.log_seq.subscribe()
    }

    /// The time by the store's clock, milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }

    /// What the store holds and has done.
    pub fn stats(&self) -> StoreStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        let (series, samples_in_memory) = {
            let index = self.shared.index();
            (index.len(), index.samples_in_memory())
        };
        StoreStats {
            series,
            samples_in_memory,
            samples_stored: count(&counters.samples_stored),
            samples_rejected: count(&counters.samples_rejected),
            logs_stored: count(&counters.logs_stored),
            spans_stored: count(&counters.spans_stored),
            commits: count(&counters.commits),
            overloaded: count(&counters.overloaded),
            bytes: retention::bytes_on_disk(&self.shared.file),
            rows_expired: count(&counters.rows_expired),
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // The writer ends when the channel does; what waits in it is written first.
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the telemetry writer thread had panicked");
        }
    }
}
