//! The writer: takes what waits, writes it in one transaction, shows it to readers, then answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::oneshot;

use super::index::{Head, Index};
use super::retention::{Retention, free_bytes};
use super::{Job, Shared};
use crate::batch::{
    self, Batch, Labels, LogRecord, MetricMetadata, Outcome, Point, Rejection, Sample, SpanRecord,
};
use crate::error::{IngestError, OpenError};

/// A group holds at most so many batches and about so many bytes, so that the first of them does not wait for ever.
const GROUP_BATCHES: usize = 512;
const GROUP_BYTES: usize = 16 << 20;

/// Samples further ahead of the clock than this are refused, as Prometheus does.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// The recent samples of so many series are read back into memory after one commit, so that the first commits after
/// opening do not wait for all of them. Until its turn a series is read from the database.
const HEADS_AT_A_TIME: usize = 64;

/// What opening reads into memory.
pub(super) struct Loaded {
    pub(super) index: Index,
    pub(super) next_series: i64,
}

/// Reads the series, when each was last written, and the metadata. Samples stay on disk until a series is written
/// to, so that opening a large store is quick.
pub(super) fn load(connection: &Connection, file: &Path) -> Result<Loaded, OpenError> {
    let mut index = Index::default();
    let mut next_series = 1;
    let mut damaged = None;
    let mut read = || -> rusqlite::Result<()> {
        let mut last = connection.prepare("SELECT max(t_ms) FROM samples WHERE series = ?1")?;
        let mut series = connection.prepare("SELECT id, labels FROM series ORDER BY id")?;
        let mut rows = series.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let text: String = row.get(1)?;
            let last_ms: Option<i64> = last.query_row([id], |row| row.get(0))?;
            match batch::from_canonical(&text) {
                Ok(labels) => index.add(id, labels, last_ms, None),
                Err(error) => damaged = Some(format!("series {id}: {error}")),
            }
            next_series = id + 1;
        }
        let mut metrics = connection.prepare("SELECT name, kind, unit, help FROM metrics")?;
        let mut rows = metrics.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let kind: String = row.get(1)?;
            let Ok(kind) = serde_json::from_value(kind.into()) else {
                damaged = Some(format!("metric {name}: unknown kind"));
                continue;
            };
            let metadata = MetricMetadata { name: name.clone(), kind, unit: row.get(2)?, help: row.get(3)? };
            index.metadata.insert(name, metadata);
        }
        Ok(())
    };
    read().map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Corrupt { file: file.to_owned(), detail: error.to_string() }
        }
        _ => OpenError::Database { file: file.to_owned(), source: error },
    })?;
    match damaged {
        Some(detail) => Err(OpenError::Corrupt { file: file.to_owned(), detail }),
        None => Ok(Loaded { index, next_series }),
    }
}

/// The number of the last log record ever given out, also when retention has deleted it since.
pub(super) fn last_log_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let seq: Option<i64> = connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'logs'", [], |row| row.get(0))
        .optional()?;
    Ok(u64::try_from(seq.unwrap_or(0)).unwrap_or(0))
}

/// A value as the `value` column has it; see the schema.
pub(super) fn bind(value: f64) -> rusqlite::types::Value {
    if value.is_nan() {
        rusqlite::types::Value::Integer(value.to_bits().cast_signed())
    } else {
        rusqlite::types::Value::Real(value)
    }
}

/// The value of a `value` column.
pub(super) fn unbind(value: ValueRef<'_>) -> rusqlite::Result<f64> {
    match value {
        ValueRef::Real(value) => Ok(value),
        ValueRef::Integer(bits) => Ok(f64::from_bits(bits.cast_unsigned())),
        other => Err(rusqlite::Error::InvalidColumnType(0, "value".to_owned(), other.data_type())),
    }
}

/// What a group changes in memory once it is committed.
#[derive(Default)]
struct Changes {
    series: BTreeMap<i64, Labels>,
    new_ids: BTreeMap<Labels, i64>,
    samples: Vec<(i64, i64, f64)>,
    metadata: BTreeMap<String, MetricMetadata>,
    logs: u64,
    spans: u64,
    log_seq: Option<u64>,
}

type Reply = oneshot::Sender<Result<Outcome, IngestError>>;

pub(super) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    next_series: i64,
    retention: Retention,
    /// How far back samples are kept in memory; shorter than configured while there are too many.
    window_ms: i64,
}

impl Writer {
    pub(super) fn new(connection: Connection, shared: Arc<Shared>, next_series: i64) -> Self {
        let window_ms = i64::try_from(shared.options.memory_window.as_millis()).unwrap_or(i64::MAX);
        let retention = Retention::new(Arc::clone(&shared));
        Self { connection, shared, next_series, retention, window_ms }
    }

    /// Writes until every sender is gone and nothing waits.
    pub(super) fn run(mut self, inbox: &Receiver<Job>) {
        loop {
            // While retention has work, ingest has the first turn each time and never waits for more than a slice.
            let next = if self.retention.is_active() {
                inbox.try_recv().map_err(|error| error == TryRecvError::Disconnected)
            } else {
                let wait = self.shared.options.retention_interval;
                inbox.recv_timeout(wait).map_err(|error| error == RecvTimeoutError::Disconnected)
            };
            match next {
                Ok(job) => self.take(job, inbox),
                Err(true) => return,
                Err(false) => {}
            }
            self.retention.step(&mut self.connection);
            if self.retention.looked() {
                self.trim();
            }
        }
    }

    fn take(&mut self, first: Job, inbox: &Receiver<Job>) {
        let mut group: Vec<(Batch, Reply)> = Vec::new();
        let mut weight = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Retain { reply } => self.retention.request(reply),
                Job::Write { batch, weight: more, reply } => {
                    weight += more;
                    group.push((batch, reply));
                }
            }
            next = if group.len() < GROUP_BATCHES && weight < GROUP_BYTES {
                inbox.try_recv().ok()
            } else {
                None
            };
        }
        if !group.is_empty() {
            let (batches, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let answers = self.write(batches);
            self.shared.waiting_bytes.fetch_sub(weight, Ordering::AcqRel);
            match answers {
                Ok(outcomes) => {
                    for (reply, outcome) in replies.into_iter().zip(outcomes) {
                        // Whoever asked may have gone; the batch is stored all the same.
                        let _ = reply.send(Ok(outcome));
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %error, batches = replies.len(), "telemetry was not stored");
                    for reply in replies {
                        let _ = reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn no_space(&self, free_bytes: u64) -> IngestError {
        IngestError::NoSpace {
            dir: self.shared.dir.clone(),
            free_bytes,
            min_free_bytes: self.shared.options.min_free_bytes,
        }
    }

    fn write(&mut self, batches: Vec<Batch>) -> Result<Vec<Outcome>, IngestError> {
        if let Some(free) = free_bytes(&self.shared.dir)
            && free < self.shared.options.min_free_bytes
        {
            self.retention.wake();
            return Err(self.no_space(free));
        }
        let next_series = self.next_series;
        match self.transact(batches) {
            Ok((mut outcomes, changes)) => {
                self.publish(changes, &mut outcomes);
                Ok(outcomes)
            }
            Err(error) => {
                self.next_series = next_series;
                Err(match error.sqlite_error_code() {
                    Some(ErrorCode::DiskFull) => self.no_space(free_bytes(&self.shared.dir).unwrap_or(0)),
                    _ => IngestError::Database { detail: error.to_string() },
                })
            }
        }
    }

    fn transact(&mut self, batches: Vec<Batch>) -> rusqlite::Result<(Vec<Outcome>, Changes)> {
        let now_ms = self.shared.now_ms();
        let transaction = self.connection.transaction()?;
        let mut changes = Changes::default();
        let mut outcomes = Vec::with_capacity(batches.len());
        {
            let mut group = Group {
                statements: Statements::new(&transaction)?,
                index: self.shared.index(),
                changes: &mut changes,
                next_series: &mut self.next_series,
                max_series: self.shared.options.max_series,
                now_ms,
                oldest_ms: self.retention.oldest_kept_ms(now_ms),
            };
            for batch in batches {
                outcomes.push(group.batch(batch)?);
            }
        }
        transaction.commit()?;
        Ok((outcomes, changes))
    }

    /// Makes a committed group visible.
    fn publish(&mut self, changes: Changes, outcomes: &mut [Outcome]) {
        let heads = self.heads_to_load(&changes);
        let oldest = self.shared.now_ms().saturating_sub(self.window_ms);
        {
            let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
            for (id, labels) in changes.series {
                // A new series has all its samples in memory, however old they are.
                let head = Head { floor_ms: i64::MIN, samples: std::collections::VecDeque::new() };
                index.add(id, labels, None, Some(head));
            }
            for (id, head) in heads {
                index.set_head(id, head);
            }
            for (id, t_ms, value) in &changes.samples {
                index.insert(*id, *t_ms, *value);
            }
            for (id, ..) in &changes.samples {
                index.trim(*id, oldest);
            }
            index.metadata.extend(changes.metadata);
        }
        let counters = &self.shared.counters;
        let add = |counter: &std::sync::atomic::AtomicU64, n: u64| {
            counter.fetch_add(n, Ordering::Relaxed);
        };
        add(&counters.commits, 1);
        add(&counters.samples_stored, changes.samples.len() as u64);
        add(&counters.samples_rejected, outcomes.iter().map(|o| o.rejected_samples() as u64).sum());
        add(&counters.logs_stored, changes.logs);
        add(&counters.spans_stored, changes.spans);
        if let Some(seq) = changes.log_seq {
            self.shared.log_seq.send_replace(seq);
        }
        let log_seq = *self.shared.log_seq.borrow();
        for outcome in outcomes {
            outcome.log_seq = log_seq;
        }
    }

    /// The recent samples of series that are written to for the first time since opening.
    fn heads_to_load(&self, changes: &Changes) -> Vec<(i64, Head)> {
        let cold: BTreeSet<i64> = {
            let index = self.shared.index();
            changes
                .samples
                .iter()
                .map(|(id, ..)| *id)
                .filter(|id| index.get(*id).is_some_and(|series| series.head.is_none()))
                .collect()
        };
        let floor_ms = self.shared.now_ms().saturating_sub(self.window_ms);
        let mut heads = Vec::with_capacity(cold.len());
        for id in cold.into_iter().take(HEADS_AT_A_TIME) {
            match super::read::samples(&self.connection, id, floor_ms, i64::MAX) {
                Ok(samples) => heads.push((id, Head { floor_ms, samples: samples.into() })),
                // The series stays readable from the database; the next write tries again.
                Err(error) => tracing::warn!(error = %error, "cannot read recent samples into memory"),
            }
        }
        heads
    }

    /// Keeps memory within its bound; called when retention has looked.
    fn trim(&mut self) {
        let options = &self.shared.options;
        let full_ms = i64::try_from(options.memory_window.as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.shared.now_ms();
        let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.samples_in_memory() < options.max_samples_in_memory / 2 && self.window_ms < full_ms {
            self.window_ms = self.window_ms.saturating_mul(2).clamp(1000, full_ms);
        }
        index.trim_all(now_ms.saturating_sub(self.window_ms));
        while index.samples_in_memory() > options.max_samples_in_memory && self.window_ms > 0 {
            self.window_ms /= 2;
            index.trim_all(now_ms.saturating_sub(self.window_ms));
        }
    }
}

struct Statements<'c> {
    add_series: CachedStatement<'c>,
    add_sample: CachedStatement<'c>,
    at: CachedStatement<'c>,
    last_number: CachedStatement<'c>,
    metadata: CachedStatement<'c>,
    log: CachedStatement<'c>,
    span: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            add_series: connection.prepare_cached("INSERT INTO series (id, labels) VALUES (?1, ?2)")?,
            add_sample: connection.prepare_cached(
                "INSERT INTO samples (series, t_ms, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?,
            at: connection.prepare_cached("SELECT value FROM samples WHERE series = ?1 AND t_ms = ?2")?,
            last_number: connection.prepare_cached(
                "SELECT t_ms, value FROM samples WHERE series = ?1 AND typeof(value) = 'real'
                 ORDER BY t_ms DESC LIMIT 1",
            )?,
            metadata: connection.prepare_cached(
                "INSERT INTO metrics (name, kind, unit, help) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET kind = excluded.kind, unit = excluded.unit, help = excluded.help",
            )?,
            log: connection.prepare_cached(
                "INSERT INTO logs (received_ms, time_ns, service, severity, trace_id, body, rest)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            // A span sent again replaces itself, so that a retry does not double it.
            span: connection.prepare_cached(
                "INSERT INTO spans (received_ms, trace_id, span_id, parent_span_id, service, name, start_ns, end_ns,
                 failed, rest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (trace_id, span_id) DO UPDATE SET parent_span_id = excluded.parent_span_id,
                 service = excluded.service, name = excluded.name, start_ns = excluded.start_ns,
                 end_ns = excluded.end_ns, failed = excluded.failed, rest = excluded.rest",
            )?,
        })
    }
}

/// One transaction being filled.
struct Group<'a, 'c> {
    statements: Statements<'c>,
    index: std::sync::RwLockReadGuard<'a, Index>,
    changes: &'a mut Changes,
    next_series: &'a mut i64,
    max_series: usize,
    now_ms: i64,
    oldest_ms: i64,
}

impl Group<'_, '_> {
    fn batch(&mut self, batch: Batch) -> rusqlite::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut added = BTreeSet::new();
        for sample in batch.samples {
            match self.sample(sample, &mut added)? {
                None => outcome.samples += 1,
                Some(reason) => *outcome.rejected.entry(reason).or_default() += 1,
            }
        }
        for metadata in batch.metadata {
            self.metadata(metadata)?;
        }
        for log in batch.logs {
            self.log(log)?;
        }
        for span in batch.spans {
            self.span(&span)?;
        }
        Ok(outcome)
    }

    /// Stores a sample or says why not. `added` holds the amounts this batch has added already.
    fn sample(
        &mut self,
        sample: Sample,
        added: &mut BTreeSet<(i64, i64)>,
    ) -> rusqlite::Result<Option<Rejection>> {
        let Sample { labels, t_ms, point } = sample;
        if t_ms < self.oldest_ms {
            return Ok(Some(Rejection::TooOld));
        }
        if t_ms > self.now_ms.saturating_add(MAX_AHEAD_MS) {
            return Ok(Some(Rejection::TooFarAhead));
        }
        let id = match self.series(labels)? {
            Ok(id) => id,
            Err(reason) => return Ok(Some(reason)),
        };
        let value = match point {
            Point::Value(value) => value,
            Point::Add(amount) => {
                let last: Option<(i64, f64)> = self
                    .statements
                    .last_number
                    .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                match last {
                    None => amount,
                    Some((last_ms, last)) if last_ms < t_ms => last + amount,
                    // The same amount sent again after a lost answer: it is in the sum already.
                    Some((last_ms, _)) if last_ms == t_ms && !added.contains(&(id, t_ms)) => return Ok(None),
                    Some((last_ms, _)) if last_ms == t_ms => return Ok(Some(Rejection::Duplicate)),
                    Some(_) => return Ok(Some(Rejection::OutOfOrderDelta)),
                }
            }
        };
        if self.statements.add_sample.execute(params![id, t_ms, bind(value)])? == 0 {
            let stored = self.statements.at.query_row([id, t_ms], |row| unbind(row.get_ref(0)?))?;
            let same = stored.to_bits() == value.to_bits();
            return Ok((!same).then_some(Rejection::Duplicate));
        }
        if matches!(point, Point::Add(_)) {
            added.insert((id, t_ms));
        }
        self.changes.samples.push((id, t_ms, value));
        Ok(None)
    }

    fn series(&mut self, labels: Labels) -> rusqlite::Result<Result<i64, Rejection>> {
        if let Some(id) = self.index.id(&labels).or_else(|| self.changes.new_ids.get(&labels).copied()) {
            return Ok(Ok(id));
        }
        if labels.metric_name().is_empty() {
            return Ok(Err(Rejection::NoName));
        }
        if self.index.len() + self.changes.series.len() >= self.max_series {
            return Ok(Err(Rejection::TooManySeries));
        }
        let id = *self.next_series;
        self.statements.add_series.execute(params![id, batch::canonical(&labels)])?;
        *self.next_series += 1;
        self.changes.new_ids.insert(labels.clone(), id);
        self.changes.series.insert(id, labels);
        Ok(Ok(id))
    }

    fn metadata(&mut self, metadata: MetricMetadata) -> rusqlite::Result<()> {
        let known =
            self.changes.metadata.get(&metadata.name).or_else(|| self.index.metadata.get(&metadata.name));
        if known == Some(&metadata) {
            return Ok(());
        }
        let kind = serde_json::to_value(metadata.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or("unknown");
        self.statements.metadata.execute(params![metadata.name, kind, metadata.unit, metadata.help])?;
        self.changes.metadata.insert(metadata.name.clone(), metadata);
        Ok(())
    }

    fn log(&mut self, mut log: LogRecord) -> rusqlite::Result<()> {
        let body = std::mem::take(&mut log.body);
        let rest = to_json(&log)?;
        let seq = self.statements.log.insert(params![
            self.now_ms,
            log.time_ns,
            log.service,
            log.severity,
            log.trace_id,
            body,
            rest
        ])?;
        self.changes.logs += 1;
        self.changes.log_seq = u64::try_from(seq).ok();
        Ok(())
    }

    fn span(&mut self, span: &SpanRecord) -> rusqlite::Result<()> {
        let rest = to_json(span)?;
        self.statements.span.execute(params![
            self.now_ms,
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.service,
            span.name,
            span.start_ns,
            span.end_ns,
            span.status == crate::batch::SpanStatus::Error,
            rest
        ])?;
        self.changes.spans += 1;
        Ok(())
    }
}

fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
