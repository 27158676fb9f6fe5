//! The thread that folds the log into the file, so that appends do not wait for it.
//!
//! It copies what the log holds while events are still being written behind it, so it never comes to an end by itself;
//! the writer then folds in the little that is left, and the log begins anew from its start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::open::connect;

/// The log is folded in when it has grown by about so many bytes.
const LOG_BYTES: usize = 16 << 20;

/// What a transaction adds to the log besides its events and rows: pages that are written again though little of them
/// changed.
const PER_TRANSACTION: usize = 48 << 10;

/// If this thread does not keep up, the writer folds the log in itself when it has so many pages.
pub(super) const BACKSTOP: &str = "PRAGMA wal_autocheckpoint = 8192";

/// The writer's side.
pub(super) struct Checkpointer {
    /// About how many bytes were logged since the log was folded in.
    logged: usize,
    wake: Option<SyncSender<()>>,
    /// The thread has done its part.
    ready: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread for the journal in this file.
    pub fn start(path: PathBuf) -> std::io::Result<Self> {
        let (wake, wakes) = sync_channel(1);
        let ready = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("journal-log".to_owned()).spawn({
            let ready = ready.clone();
            move || work(&path, &wakes, &ready)
        })?;
        Ok(Self { logged: 0, wake: Some(wake), ready, thread: Some(thread) })
    }

    /// To be called after each transaction, with the bytes of events and rows in it.
    pub fn committed(&mut self, conn: &Connection, bytes: usize) {
        self.logged += bytes + PER_TRANSACTION;
        if self.ready.swap(false, Ordering::AcqRel) {
            // A reader of an old page may keep a part of the log in use; then this is tried again, in a while.
            self.logged = match fold_in(conn) {
                Ok(true) => 0,
                Ok(false) => LOG_BYTES / 2,
                Err(error) => {
                    tracing::warn!(%error, "the journal's log could not be folded in");
                    LOG_BYTES / 2
                }
            };
        } else if self.logged > LOG_BYTES
            && let Some(wake) = &self.wake
        {
            match wake.try_send(()) {
                // It is counted from here until the thread is through.
                Ok(()) => self.logged = 0,
                Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for the journal's log had panicked");
        }
    }
}

fn work(path: &Path, wakes: &Receiver<()>, ready: &AtomicBool) {
    let mut conn = None;
    while wakes.recv().is_ok() {
        let folded = match &conn {
            Some(conn) => fold_in(conn),
            None => connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
                .and_then(|opened| fold_in(conn.insert(opened))),
        };
        match folded {
            Ok(_) => ready.store(true, Ordering::Release),
            // The writer folds it in when the log has become too long.
            Err(error) => {
                tracing::warn!(%error, "the journal's log could not be folded in beside the writer");
            }
        }
    }
}

/// Copies what can be copied without waiting for anybody. Whether that was all.
fn fold_in(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })
}
