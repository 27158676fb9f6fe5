//! The thread that makes transactions durable, and what everybody may know of it.
//!
//! The writer commits into the log without waiting for the disk (`synchronous=NORMAL`) and hands the transaction over to
//! this thread, which syncs the log and then tells its callers. So the next transaction is filled while the one before it
//! is on its way to the disk. The order on disk does not matter: the frames of SQLite's log carry a running checksum, and
//! after a loss of power it ends where the first one is missing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::StoreError;
use crate::record::Tip;

use super::writer::Pending;

/// Makes durable what was committed before the call.
pub(super) type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;

/// Up to where the journal is durable.
pub(super) struct Durable {
    state: Mutex<State>,
    moved: Condvar,
    head: watch::Sender<u64>,
}

struct State {
    tip: Tip,
    /// Set for good when the disk has failed: what it holds is then not known.
    failed: Option<StoreError>,
}

impl Durable {
    pub fn new(tip: Tip) -> (Self, watch::Receiver<u64>) {
        let (head, follow) = watch::channel(tip.seq);
        (Self { state: Mutex::new(State { tip, failed: None }), moved: Condvar::new(), head }, follow)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tip(&self) -> Tip {
        self.state().tip
    }

    /// The reason why nothing can be made durable any more.
    pub fn failure(&self) -> Option<StoreError> {
        self.state().failed.clone()
    }

    /// Waits until everything up to this event is durable.
    pub fn wait(&self, seq: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        while state.tip.seq < seq {
            if let Some(failure) = &state.failed {
                return Err(failure.clone());
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn reached(&self, tip: Tip) {
        self.state().tip = tip;
        self.moved.notify_all();
        self.head.send_if_modified(|head| std::mem::replace(head, tip.seq) != tip.seq);
    }

    fn fail(&self, failure: &StoreError) {
        self.state().failed.get_or_insert_with(|| failure.clone());
        self.moved.notify_all();
    }
}

/// A transaction that readers can see but that may not be on disk yet.
pub(super) struct Committed {
    /// The last event after it.
    pub tip: Tip,
    pub pending: Vec<Pending>,
    /// Given back when its callers have their answers.
    pub rooms: Vec<OwnedSemaphorePermit>,
}

/// What the writer looks at to decide how many to take into a transaction.
#[derive(Default)]
struct Shared {
    /// Requests that were handed over and have no answer yet.
    under_way: AtomicUsize,
    /// How many microseconds the last sync took.
    sync_micros: AtomicU64,
}

/// The writer's side of the thread.
pub(super) struct Syncer {
    pub durable: Arc<Durable>,
    handed: Option<Sender<Committed>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    pub fn start(file: PathBuf, durable: Arc<Durable>, sync: Sync) -> io::Result<Self> {
        let (handed, taken) = channel();
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("journal-sync".to_owned()).spawn({
            let (durable, shared) = (durable.clone(), shared.clone());
            move || work(&file, &durable, sync, &taken, &shared)
        })?;
        Ok(Self { durable, handed: Some(handed), shared, thread: Some(thread) })
    }

    /// How many requests are on their way to the disk.
    pub fn under_way(&self) -> usize {
        self.shared.under_way.load(Ordering::Acquire)
    }

    /// How long the last sync took.
    pub fn sync_time(&self) -> Duration {
        Duration::from_micros(self.shared.sync_micros.load(Ordering::Relaxed))
    }

    pub fn hand_over(&self, committed: Committed) {
        self.shared.under_way.fetch_add(committed.pending.len(), Ordering::AcqRel);
        let unsent = match &self.handed {
            Some(handed) => handed.send(committed).err().map(|unsent| unsent.0),
            None => Some(committed),
        };
        // The thread only ends before the writer does if it panicked.
        if let Some(committed) = unsent {
            self.durable.fail(&StoreError::Closed);
            committed.pending.into_iter().for_each(|pending| pending.fail(&StoreError::Closed));
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.handed = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the journal had panicked");
        }
    }
}

fn work(file: &Path, durable: &Durable, mut sync: Sync, taken: &Receiver<Committed>, shared: &Shared) {
    let _end = End(durable);
    while let Ok(first) = taken.recv() {
        // What was committed while the last sync ran needs only one between them.
        let mut group = vec![first];
        group.extend(taken.try_iter());
        let done = match durable.failure() {
            Some(failure) => Err(failure),
            // Whether a second attempt would say the truth depends on the file system, so there is none.
            None => timed(&mut sync, shared).map_err(|error| {
                tracing::error!(%error, "the disk did not confirm what was written to the journal");
                StoreError::Unconfirmed { path: file.to_owned(), source: Arc::new(error) }
            }),
        };
        match &done {
            Ok(()) => group.last().into_iter().for_each(|last| durable.reached(last.tip)),
            Err(failure) => durable.fail(failure),
        }
        let answered = group.iter().map(|committed| committed.pending.len()).sum();
        shared.under_way.fetch_sub(answered, Ordering::AcqRel);
        for Committed { pending, rooms, .. } in group {
            for pending in pending {
                match &done {
                    Ok(()) => pending.give(),
                    Err(failure) => pending.fail(failure),
                }
            }
            drop(rooms);
        }
    }
}

/// Lets nobody wait for a thread that has panicked.
struct End<'a>(&'a Durable);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&StoreError::Closed);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long the disk takes is no state: no event depends on it")]
fn timed(sync: &mut Sync, shared: &Shared) -> io::Result<()> {
    let start = Instant::now();
    sync()?;
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    shared.sync_micros.store(micros, Ordering::Relaxed);
    Ok(())
}

/// Syncs the log of the journal in this file. The log is there from the writer's first transaction on and stays the same
/// file for as long as the writer has a connection.
pub(super) fn log_of(file: &Path) -> Sync {
    let mut path = file.as_os_str().to_owned();
    path.push("-wal");
    let (path, directory) = (PathBuf::from(path), file.parent().map(Path::to_owned));
    let mut log: Option<File> = None;
    Box::new(move || {
        let log = match &log {
            Some(log) => log,
            None => {
                // Its name has to be durable too.
                if let Some(directory) = &directory {
                    File::open(directory)?.sync_all()?;
                }
                log.insert(File::options().write(true).open(&path)?)
            }
        };
        log.sync_data()
    })
}
