//! Deletes what is too old or does not fit, a slice at a time, so that ingest never waits long.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::Shared;

/// Rows deleted, and series looked at, in one slice: a few milliseconds.
const SLICE_ROWS: i64 = 4000;
const SLICE_SERIES: usize = 400;

/// Pages given back to the file system in one slice.
const SLICE_PAGES: usize = 1000;

/// A file system that is nearly full never takes the telemetry of the last hour.
const KEPT_UNDER_PRESSURE_MS: i64 = 3_600_000;

/// Bytes free for us on the file system of `dir`; `None` when it cannot be told, which then limits nothing.
pub(super) fn free_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes the database takes on disk, with its log.
pub(super) fn bytes_on_disk(file: &Path) -> u64 {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    size(file) + size(Path::new(&log))
}

/// Bytes the database has in use: pages without the free ones.
fn bytes_in_use(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| -> rusqlite::Result<u64> {
        let value: i64 = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or(0))
    };
    Ok(pragma("page_count")?.saturating_sub(pragma("freelist_count")?) * pragma("page_size")?)
}

enum Stage {
    Samples(VecDeque<i64>),
    Logs,
    Spans,
    Series,
    Vacuum,
}

/// One pass over everything with one border in time.
struct Sweep {
    cutoff_ms: i64,
    stage: Stage,
    deleted: u64,
}

pub(super) struct Retention {
    shared: Arc<Shared>,
    sweep: Option<Sweep>,
    due_ms: i64,
    looked: bool,
    /// Passes in a row that deleted nothing while something was to go; ends a hopeless search.
    idle: u32,
    /// Who asked for the pass under way, and who asked since and waits for the next.
    serving: Vec<oneshot::Sender<()>>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Retention {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let due_ms = shared.now_ms();
        Self { shared, sweep: None, due_ms, looked: false, idle: 0, serving: Vec::new(), waiting: Vec::new() }
    }

    /// Whether there is something to do now.
    pub(super) fn is_active(&self) -> bool {
        self.sweep.is_some() || self.due_ms == i64::MIN
    }

    /// Whether the last step began by looking at what there is; resets.
    pub(super) fn looked(&mut self) -> bool {
        std::mem::take(&mut self.looked)
    }

    /// Looks at the next step, whatever the time.
    pub(super) fn wake(&mut self) {
        self.due_ms = i64::MIN;
    }

    /// As [`Self::wake`], and answers when nothing is left to delete.
    pub(super) fn request(&mut self, reply: oneshot::Sender<()>) {
        self.waiting.push(reply);
        self.wake();
    }

    /// Samples before this are refused and deleted.
    pub(super) fn oldest_kept_ms(&self, now_ms: i64) -> i64 {
        let age = i64::try_from(self.shared.options.retention_age.as_millis()).unwrap_or(i64::MAX);
        now_ms.saturating_sub(age)
    }

    /// One slice of work, if there is any.
    pub(super) fn step(&mut self, connection: &mut Connection) {
        if let Err(error) = self.try_step(connection) {
            // Retention must not take the writer down: say it and look again later.
            tracing::warn!(error = %error, "retention of telemetry failed");
            self.sweep = None;
            self.finish(self.shared.now_ms());
        }
    }

    fn finish(&mut self, now_ms: i64) {
        let interval = i64::try_from(self.shared.options.retention_interval.as_millis()).unwrap_or(i64::MAX);
        self.due_ms = now_ms.saturating_add(interval);
        self.idle = 0;
        if !self.waiting.is_empty() {
            self.wake();
        }
        for reply in self.serving.drain(..) {
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
    }

    fn try_step(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        let now_ms = self.shared.now_ms();
        let Some(mut sweep) = self.sweep.take() else {
            // A clock that was set back must not stop retention for as long as it was ahead.
            let interval =
                i64::try_from(self.shared.options.retention_interval.as_millis()).unwrap_or(i64::MAX);
            if now_ms < self.due_ms && self.due_ms.saturating_sub(now_ms) <= interval {
                return Ok(());
            }
            self.looked = true;
            self.serving.append(&mut self.waiting);
            let cutoff_ms = self.cutoff(connection, now_ms)?;
            self.sweep = Some(Sweep {
                cutoff_ms,
                stage: Stage::Samples(self.shared.index().ids().into()),
                deleted: 0,
            });
            return Ok(());
        };
        let more = self.slice(connection, &mut sweep)?;
        if more {
            self.sweep = Some(sweep);
            return Ok(());
        }
        // One pass may not have been enough to get below the bytes allowed.
        self.idle = if sweep.deleted > 0 { 0 } else { self.idle + 1 };
        let next = self.cutoff(connection, now_ms)?;
        if self.idle < 3 && next > sweep.cutoff_ms && next > self.oldest_kept_ms(now_ms) {
            self.sweep = Some(Sweep {
                cutoff_ms: next,
                stage: Stage::Samples(self.shared.index().ids().into()),
                deleted: 0,
            });
        } else {
            self.finish(now_ms);
        }
        Ok(())
    }

    /// The border in time: what is before it goes. Age sets it; too many bytes, or too few free, move it forward.
    fn cutoff(&self, connection: &Connection, now_ms: i64) -> rusqlite::Result<i64> {
        let options = &self.shared.options;
        let by_age = self.oldest_kept_ms(now_ms);
        let used = bytes_in_use(connection)?;
        let over = used.saturating_sub(options.retention_bytes);
        // Deleting begins before new telemetry has to be refused.
        let wanted_free = options.min_free_bytes.saturating_add(options.min_free_bytes / 4);
        let missing = free_bytes(&self.shared.dir).map_or(0, |free| wanted_free.saturating_sub(free));
        let latest = if over > 0 { now_ms } else { now_ms.saturating_sub(KEPT_UNDER_PRESSURE_MS) };
        let excess = over.max(missing);
        if excess == 0 {
            return Ok(by_age);
        }
        let Some(oldest_ms) = self.oldest(connection)? else { return Ok(by_age) };
        let oldest_ms = oldest_ms.max(by_age);
        // A tenth more than the share that is too much, so that the next look finds room.
        let share = (excess as f64 / used.max(1) as f64 * 1.1).clamp(0.01, 1.0);
        let step = ((now_ms.saturating_sub(oldest_ms)) as f64 * share) as i64;
        Ok(oldest_ms.saturating_add(step.max(1)).min(latest).max(by_age))
    }

    fn oldest(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let mut oldest: Option<i64> = None;
        let mut consider = |found: Option<i64>| {
            oldest = match (oldest, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        let mut first = connection.prepare_cached("SELECT min(t_ms) FROM samples WHERE series = ?1")?;
        for id in self.shared.index().ids() {
            consider(first.query_row([id], |row| row.get(0))?);
        }
        for sql in [
            "SELECT received_ms FROM logs ORDER BY seq LIMIT 1",
            "SELECT received_ms FROM spans ORDER BY id LIMIT 1",
        ] {
            consider(connection.query_row(sql, [], |row| row.get(0)).optional()?);
        }
        Ok(oldest)
    }

    /// Does one slice of a sweep; false when the sweep is complete.
    fn slice(&self, connection: &mut Connection, sweep: &mut Sweep) -> rusqlite::Result<bool> {
        let transaction = connection.transaction()?;
        let (deleted, next) = match &mut sweep.stage {
            Stage::Samples(ids) => {
                let deleted = samples(&transaction, ids, sweep.cutoff_ms)?;
                (deleted, ids.is_empty().then_some(Stage::Logs))
            }
            Stage::Logs => {
                let deleted = transaction
                    .prepare_cached(
                        "DELETE FROM logs WHERE seq IN
                         (SELECT seq FROM (SELECT seq, received_ms FROM logs ORDER BY seq LIMIT ?2)
                          WHERE received_ms < ?1)",
                    )?
                    .execute(params![sweep.cutoff_ms, SLICE_ROWS / 4])?;
                (deleted, (deleted == 0).then_some(Stage::Spans))
            }
            Stage::Spans => {
                let deleted = transaction
                    .prepare_cached(
                        "DELETE FROM spans WHERE id IN
                         (SELECT id FROM (SELECT id, received_ms FROM spans ORDER BY id LIMIT ?2)
                          WHERE received_ms < ?1)",
                    )?
                    .execute(params![sweep.cutoff_ms, SLICE_ROWS / 4])?;
                (deleted, (deleted == 0).then_some(Stage::Series))
            }
            Stage::Series | Stage::Vacuum => (0, None),
        };
        transaction.commit()?;
        sweep.deleted += deleted as u64;
        self.shared.counters.rows_expired.fetch_add(deleted as u64, Ordering::Relaxed);
        match &sweep.stage {
            Stage::Series => {
                self.remove_series(connection, sweep.cutoff_ms)?;
                sweep.stage = Stage::Vacuum;
            }
            Stage::Vacuum => return vacuum(connection),
            _ => {
                if let Some(next) = next {
                    sweep.stage = next;
                }
            }
        }
        Ok(true)
    }

    /// Series without samples left, in the database and in memory, and samples in memory that are deleted.
    fn remove_series(&self, connection: &mut Connection, cutoff_ms: i64) -> rusqlite::Result<()> {
        let gone: Vec<i64> = {
            let index = self.shared.index();
            index
                .iter(None)
                .filter(|(_, series)| series.last_ms.is_none_or(|last| last < cutoff_ms))
                .map(|(id, _)| id)
                .collect()
        };
        let transaction = connection.transaction()?;
        for id in &gone {
            transaction.prepare_cached("DELETE FROM series WHERE id = ?1")?.execute([id])?;
            // A late sample may have come in behind the sweep.
            transaction.prepare_cached("DELETE FROM samples WHERE series = ?1")?.execute([id])?;
        }
        transaction.commit()?;
        let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
        for id in gone {
            index.remove(id);
        }
        index.trim_all(cutoff_ms);
        Ok(())
    }
}

/// Deletes old samples of the next few series; takes those it is done with off the list.
fn samples(connection: &Connection, ids: &mut VecDeque<i64>, cutoff_ms: i64) -> rusqlite::Result<usize> {
    let mut border = connection.prepare_cached(
        "SELECT t_ms FROM samples WHERE series = ?1 AND t_ms < ?2 ORDER BY t_ms LIMIT 1 OFFSET ?3",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM samples WHERE series = ?1 AND t_ms < ?2")?;
    let mut deleted = 0;
    for _ in 0..SLICE_SERIES {
        if deleted >= SLICE_ROWS as usize {
            break;
        }
        let Some(&id) = ids.front() else { break };
        let partial: Option<i64> =
            border.query_row(params![id, cutoff_ms, SLICE_ROWS], |row| row.get(0)).optional()?;
        deleted += delete.execute(params![id, partial.unwrap_or(cutoff_ms)])?;
        if partial.is_none() {
            ids.pop_front();
        }
    }
    Ok(deleted)
}

/// Gives free pages back when they are many; false when there is nothing more to give.
fn vacuum(connection: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (pages, free) = (pragma("page_count")?, pragma("freelist_count")?);
    // A few free pages are what the next rows are written to.
    if free < 256 || free * 10 < pages {
        return Ok(false);
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({SLICE_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    // A database made without incremental vacuum keeps its free pages; do not try for ever.
    Ok(pragma("freelist_count")? < free)
}
