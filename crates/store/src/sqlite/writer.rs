//! The thread that writes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mainstay_model::{Event, EventDraft};
use rusqlite::{CachedStatement, Connection, params};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::checkpoint::Checkpointer;
use super::open::{BUSY, check_space, classify};
use super::recent::Recent;
use super::schema::{SqlBacking, Tables, place};
use crate::fold::{self, Overlay};
use crate::record::{self, Hash, Sealed, Tip};
use crate::{Fold, StoreError};

/// A transaction takes in so many bytes of events and rows and is then committed, so that the first caller of a busy
/// moment does not wait for ever.
const GROUP_BYTES: usize = 8 << 20;

/// And so many requests.
const GROUP_REQUESTS: usize = 4096;

/// A transaction that could still get more company waits so long for the next request before it is committed: a small
/// part of what a sync to disk takes, and many times what a caller needs to ask again.
const PATIENCE: Duration = Duration::from_micros(50);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What someone waits for.
pub(super) struct Request {
    pub work: Work,
    /// Given back when the request is done with.
    pub room: OwnedSemaphorePermit,
}

pub(super) enum Work {
    Append {
        batch: Vec<Sealed>,
        answer: Answer<Appended>,
    },
    Advance {
        name: String,
        seq: u64,
        answer: Answer<()>,
    },
    /// Lets a test do something to the writer's connection.
    #[cfg(test)]
    Meddle {
        with: Box<dyn FnOnce(&Connection) + Send>,
        answer: Answer<()>,
    },
}

/// What was appended, and the bytes it was written from. These go back to the caller to be freed by the thread that made
/// them; freed here, they cost the writer more than storing them does. So do older events that are not kept any more.
pub(super) struct Appended {
    pub events: Vec<Arc<Event>>,
    pub spent: Vec<String>,
    pub old: Vec<Arc<Event>>,
}

/// An answer that is given once the transaction is durable, or replaced by the reason why it is not.
enum Pending {
    Append(Answer<Appended>, Result<Appended, StoreError>),
    Done(Answer<()>, Result<(), StoreError>),
}

impl Pending {
    // Whoever does not wait any more does not care for the answer.
    fn give(self) {
        match self {
            Self::Append(answer, result) => drop(answer.send(result)),
            Self::Done(answer, result) => drop(answer.send(result)),
        }
    }

    fn appended(&mut self) -> Option<&mut Appended> {
        match self {
            Self::Append(_, Ok(appended)) => Some(appended),
            Self::Append(..) | Self::Done(..) => None,
        }
    }

    fn fail(self, error: &StoreError) {
        match self {
            Self::Append(answer, _) => drop(answer.send(Err(error.clone()))),
            Self::Done(answer, _) => drop(answer.send(Err(error.clone()))),
        }
    }
}

pub(super) struct Writer {
    pub conn: Connection,
    pub dir: PathBuf,
    pub folds: Arc<[Arc<dyn Fold>]>,
    pub tables: Tables,
    pub min_free_bytes: u64,
    /// The last durable event.
    pub tip: Tip,
    /// The same, for everyone.
    pub shared: Arc<Mutex<Tip>>,
    /// The last events, for everyone.
    pub recent: Arc<Recent>,
    pub head: watch::Sender<u64>,
    /// How many are asking, as far as is known: those in the last transaction and those who waited behind it.
    pub company: usize,
    pub checkpointer: Checkpointer,
}

/// The statement that writes an event, prepared once for a transaction.
type Insert<'c> = Option<CachedStatement<'c>>;

/// A transaction in the making.
struct Group {
    tip: Tip,
    changes: Overlay,
    /// New events, with the bytes of each.
    fresh: Vec<(Arc<Event>, usize)>,
    bytes: usize,
    pending: Vec<Pending>,
    rooms: Vec<OwnedSemaphorePermit>,
}

impl Writer {
    /// Works until nobody can ask any more.
    pub fn run(mut self, mut queue: mpsc::UnboundedReceiver<Request>) {
        while let Some(first) = self.next(&mut queue) {
            self.group(first, &mut queue);
        }
        let Self { conn, checkpointer, .. } = self;
        // The last connection that is closed folds in what is left of the log and removes it.
        drop(checkpointer);
        drop(conn);
    }

    /// The first request of the next transaction. `None` when nobody can ask any more.
    fn next(&self, queue: &mut mpsc::UnboundedReceiver<Request>) -> Option<Request> {
        // Callers who were just answered are about to ask again. To sleep and be woken would cost more than the wait.
        let start = now();
        while self.company > 1 && start.elapsed() < PATIENCE {
            match queue.try_recv() {
                Ok(request) => return Some(request),
                Err(_) => std::thread::yield_now(),
            }
        }
        queue.blocking_recv()
    }

    fn classify(&self, error: rusqlite::Error) -> StoreError {
        classify(&self.dir, self.min_free_bytes, error)
    }

    fn group(&mut self, first: Request, queue: &mut mpsc::UnboundedReceiver<Request>) {
        let mut group = Group {
            tip: self.tip,
            changes: Overlay::new(self.folds.len()),
            fresh: Vec::new(),
            bytes: 0,
            pending: Vec::new(),
            rooms: Vec::new(),
        };
        let outcome = self.fill(&mut group, first, queue);
        self.company = group.pending.len() + queue.len();
        match outcome {
            Ok(()) => {
                self.tip = group.tip;
                *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = group.tip;
                // Before anybody is told that they are there.
                let mut old = self.recent.push(group.fresh);
                if let Some(answer) = group.pending.iter_mut().find_map(Pending::appended) {
                    answer.old.append(&mut old);
                }
                self.head.send_if_modified(|head| std::mem::replace(head, group.tip.seq) != group.tip.seq);
                group.pending.into_iter().for_each(Pending::give);
                self.checkpointer.committed(&self.conn, group.bytes + group.changes.bytes);
            }
            Err(error) => {
                self.roll_back(&error);
                group.pending.into_iter().for_each(|pending| pending.fail(&error));
            }
        }
    }

    fn roll_back(&self, cause: &StoreError) {
        tracing::error!(error = cause as &dyn std::error::Error, "the journal could not write");
        // SQLite has already rolled back after some failures.
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "the journal could not roll back");
        }
        // Where SQLite itself ran out of space, the next group finds what this gives back.
        if matches!(cause, StoreError::NoSpace { .. }) {
            self.shrink_log();
        }
    }

    /// The log holds many versions of the same pages. Folding them into the file gives back space when it is short, as
    /// far as nobody reads in it just now.
    fn shrink_log(&self) {
        let checkpoint = || self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let shrunk = self.conn.busy_timeout(Duration::ZERO).and_then(|()| checkpoint());
        let patient_again = self.conn.busy_timeout(BUSY);
        if let Err(error) = shrunk.and(patient_again) {
            tracing::warn!(%error, "the journal's log could not be folded in to free space");
        }
    }

    /// Puts everything that waits into one transaction and commits it. Requests that arrive meanwhile still come along;
    /// with many writers that makes one sync to disk do for nearly all of them.
    fn fill(
        &self,
        group: &mut Group,
        first: Request,
        queue: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Result<(), StoreError> {
        let space = check_space(&self.dir, self.min_free_bytes).or_else(|_| {
            self.shrink_log();
            check_space(&self.dir, self.min_free_bytes)
        });
        let ready =
            space.and_then(|()| self.run_cached("BEGIN IMMEDIATE").map_err(|error| self.classify(error)));
        let mut insert = None;
        self.take(group, &mut insert, first, ready)?;
        let mut last = now();
        while group.bytes + group.changes.bytes < GROUP_BYTES && group.pending.len() < GROUP_REQUESTS {
            match queue.try_recv() {
                Ok(request) => {
                    self.take(group, &mut insert, request, Ok(()))?;
                    last = now();
                }
                // Those who were answered last are about to ask again; the processor is better used by them than by an
                // early sync that they all have to wait for.
                Err(_) if group.pending.len() < self.company && last.elapsed() < PATIENCE => {
                    std::thread::yield_now();
                }
                Err(_) => break,
            }
        }
        self.finish(group).map_err(|error| self.classify(error))
    }

    /// Does one request. An error fails the whole group; what only concerns this request is in its answer.
    fn take<'c>(
        &'c self,
        group: &mut Group,
        insert: &mut Insert<'c>,
        request: Request,
        ready: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        group.rooms.push(request.room);
        match request.work {
            Work::Append { batch, answer } => {
                let done = ready.and_then(|()| self.append(group, insert, batch));
                let (result, failure) = split(done);
                group.pending.push(Pending::Append(answer, result));
                failure
            }
            Work::Advance { name, seq, answer } => {
                let done = ready.and_then(|()| self.advance(group, name, seq));
                let (result, failure) = split(done);
                group.pending.push(Pending::Done(answer, result));
                failure
            }
            #[cfg(test)]
            Work::Meddle { with, answer } => {
                with(&self.conn);
                group.pending.push(Pending::Done(answer, Ok(())));
                ready
            }
        }
    }

    fn append<'c>(
        &'c self,
        group: &mut Group,
        insert: &mut Insert<'c>,
        batch: Vec<Sealed>,
    ) -> Result<Done<Appended>, StoreError> {
        let before = (group.tip, group.fresh.len());
        let mut changes = Overlay::new(self.folds.len());
        let mut answer = Appended {
            events: Vec::with_capacity(batch.len()),
            spent: Vec::with_capacity(batch.len()),
            old: Vec::new(),
        };
        for Sealed { draft, body, digest } in batch {
            let inserted = self.insert(group, insert, &mut changes, draft, &body, &digest);
            answer.spent.push(body);
            match inserted {
                Ok(event) => answer.events.push(event),
                Err(error @ StoreError::Fold { .. }) => {
                    // This caller's events are taken out again; the others in the group are not concerned.
                    let mut statement = self
                        .conn
                        .prepare_cached("DELETE FROM events WHERE seq > ?")
                        .map_err(|e| self.classify(e))?;
                    let (tip, events) = before;
                    statement.execute([place(tip.seq)]).map_err(|e| self.classify(e))?;
                    group.tip = tip;
                    group.fresh.truncate(events);
                    return Ok(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        group.changes.absorb(changes);
        Ok(Ok(answer))
    }

    fn insert<'c>(
        &'c self,
        group: &mut Group,
        insert: &mut Insert<'c>,
        changes: &mut Overlay,
        draft: EventDraft,
        body: &str,
        digest: &Hash,
    ) -> Result<Arc<Event>, StoreError> {
        const INSERT: &str = "INSERT INTO events(seq, source, id, prev, hash, body) VALUES(?, ?, ?, ?, ?, ?)
                              ON CONFLICT(id, source) DO NOTHING";
        const FIRST: &str = "SELECT seq, prev, hash, body FROM events WHERE source = ? AND id = ?";
        let classify = |error| self.classify(error);
        let next = group.tip.next(digest);
        let prev = group.tip.hash;
        let insert = match insert {
            Some(prepared) => prepared,
            none => none.insert(self.conn.prepare_cached(INSERT).map_err(classify)?),
        };
        let id = draft.id.as_str();
        let added = insert
            .execute(params![place(next.seq), draft.source, id, prev, next.hash, body])
            .map_err(classify)?;
        if added == 0 {
            let mut first = self.conn.prepare_cached(FIRST).map_err(classify)?;
            let found = first.query_row(params![draft.source, id], |row| Ok(super::readers::read_event(row)));
            let (event, _) = found.map_err(classify)?.map_err(|error| error.classified(classify))?;
            return Ok(Arc::new(event));
        }
        let event = Arc::new(record::event(next.seq, &prev, &next.hash, draft));
        let backing = SqlBacking { conn: &self.conn, tables: &self.tables, classify: &classify };
        fold::apply(&self.folds, &event, &backing, &group.changes, changes)?;
        group.tip = next;
        group.bytes += body.len();
        group.fresh.push((event.clone(), body.len()));
        Ok(event)
    }

    fn advance(&self, group: &Group, name: String, seq: u64) -> Result<Done<()>, StoreError> {
        const ADVANCE: &str = "INSERT INTO cursors(name, seq) VALUES(?, ?)
                               ON CONFLICT(name) DO UPDATE SET seq = max(seq, excluded.seq)";
        if seq > group.tip.seq {
            return Ok(Err(StoreError::BeyondHead { name, seq, head: group.tip.seq }));
        }
        let mut statement = self.conn.prepare_cached(ADVANCE).map_err(|error| self.classify(error))?;
        statement.execute(params![name, place(seq)]).map_err(|error| self.classify(error))?;
        Ok(Ok(()))
    }

    fn finish(&self, group: &Group) -> rusqlite::Result<()> {
        for (index, changes) in group.changes.tables.iter().enumerate() {
            self.tables.write(&self.conn, index, changes, self.tip.seq)?;
        }
        if group.tip != self.tip {
            let mut head = self.conn.prepare_cached("UPDATE head SET seq = ?, hash = ? WHERE only = 1")?;
            head.execute(params![place(group.tip.seq), group.tip.hash])?;
        }
        self.run_cached("COMMIT")
    }

    fn run_cached(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long to wait for company is no state: no event depends on it"
)]
fn now() -> Instant {
    Instant::now()
}

/// A request's own result; an error around it concerns the whole group.
type Done<T> = Result<T, StoreError>;

fn split<T>(done: Result<Done<T>, StoreError>) -> (Done<T>, Result<(), StoreError>) {
    match done {
        Ok(result) => (result, Ok(())),
        Err(error) => (Err(error.clone()), Err(error)),
    }
}
