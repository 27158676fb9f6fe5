//! Connections for reading. They see what is durable and never wait for the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_model::{Event, EventId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row, ToSql, params};
use serde_json::Value;

use super::open::{classify, connect};
use super::schema::{self, Tables, place};
use crate::{Fold, Looked, Place, RowQuery, StoreError, fold, record};

/// Connections kept open. More are opened when more threads read at once, and closed afterwards.
const KEPT: usize = 4;

/// A read stops after so many bytes of events, however many were asked for.
pub(super) const PAGE_BYTES: usize = 16 << 20;

pub(super) struct Readers {
    dir: PathBuf,
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub fn new(dir: &Path, path: PathBuf) -> Self {
        Self { dir: dir.to_owned(), path, idle: Mutex::new(Vec::new()) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the connections, so that the writer's is the last one and tidies up the log.
    pub fn close(&mut self) {
        self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn with<T>(&self, read: impl FnOnce(&Reader<'_>) -> Result<T, ReadError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
                .map_err(|error| classify(&self.dir, 0, error))?,
        };
        let result = read(&Reader { conn: &conn })
            .map_err(|error| error.classified(|error| classify(&self.dir, 0, error)));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(conn);
        }
        result
    }
}

/// What a journal on disk answers by reading, whether it is also written to or not.
pub(super) struct Reading {
    folds: Arc<[Arc<dyn Fold>]>,
    tables: Tables,
    pub readers: Readers,
}

impl Reading {
    pub fn new(folds: Arc<[Arc<dyn Fold>]>, tables: Tables, readers: Readers) -> Self {
        Self { folds, tables, readers }
    }

    pub fn after(&self, seq: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.readers.with(|reader| reader.after(seq, limit))
    }

    pub fn before(&self, seq: u64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        self.readers.with(|reader| reader.before(seq, limit))
    }

    pub fn look(
        &self,
        place: Place,
        limit: usize,
        most: usize,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Looked, StoreError> {
        self.readers.with(|reader| reader.look(place, limit, most, wanted))
    }

    pub fn by_id(&self, source: &str, id: &EventId) -> Result<Option<Arc<Event>>, StoreError> {
        self.readers.with(|reader| reader.by_id(source, id.as_str()))
    }

    pub fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        self.readers.with(|reader| reader.cursor(name))
    }

    pub fn row(&self, table: &str, id: &str) -> Result<Option<Value>, StoreError> {
        let index = fold::index_of(&self.folds, table)?;
        self.readers.with(|reader| reader.row(&self.tables, index, table, id))
    }

    pub fn rows(&self, table: &str, query: &RowQuery) -> Result<Vec<(String, Value)>, StoreError> {
        let index = fold::index_of(&self.folds, table)?;
        self.readers.with(|reader| reader.rows(&self.tables, index, table, query))
    }
}

/// A failure that is still to be told apart, or already is.
pub(crate) enum ReadError {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl ReadError {
    pub fn classified(self, classify: impl FnOnce(rusqlite::Error) -> StoreError) -> StoreError {
        match self {
            Self::Sqlite(error) => classify(error),
            Self::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The columns every event is read from.
const EVENT: &str = "SELECT seq, prev, hash, body FROM events";

/// Reads an event from a row of [`EVENT`]. Also gives the size of its body.
pub(crate) fn read_event(row: &Row<'_>) -> Result<(Event, usize), ReadError> {
    let seq = schema::number(row.get_ref(0)?);
    let bad = |reason: String| StoreError::BadRecord { seq, reason };
    let prev = schema::hash(row.get_ref(1)?).ok_or_else(|| bad("its link is not a hash".to_owned()))?;
    let hash = schema::hash(row.get_ref(2)?).ok_or_else(|| bad("its hash is not a hash".to_owned()))?;
    let body = row.get_ref(3)?;
    let body = body.as_bytes().map_err(|_| bad("its body is not text".to_owned()))?;
    let draft = record::decode(body).map_err(bad)?;
    Ok((record::event(seq, &prev, &hash, draft), body.len()))
}

pub(super) struct Reader<'a> {
    conn: &'a Connection,
}

impl Reader<'_> {
    fn events(&self, sql: &str, params: impl Params) -> Result<Vec<Arc<Event>>, ReadError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut events = Vec::new();
        let mut size = 0;
        while size < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let (event, bytes) = read_event(row)?;
            size += bytes;
            events.push(Arc::new(event));
        }
        Ok(events)
    }

    pub fn after(&self, seq: u64, limit: usize) -> Result<Vec<Arc<Event>>, ReadError> {
        let sql = format!("{EVENT} WHERE seq > ? ORDER BY seq LIMIT ?");
        self.events(&sql, params![place(seq), count(limit)])
    }

    pub fn before(&self, seq: u64, limit: usize) -> Result<Vec<Arc<Event>>, ReadError> {
        let sql = format!("{EVENT} WHERE seq < ? ORDER BY seq DESC LIMIT ?");
        self.events(&sql, params![place(seq), count(limit)])
    }

    /// See [`Journal::look`](crate::Journal::look).
    pub fn look(
        &self,
        from: Place,
        limit: usize,
        most: usize,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Looked, ReadError> {
        let (condition, from) = match from {
            Place::After(seq) => ("seq > ? ORDER BY seq", seq),
            Place::Before(seq) => ("seq < ? ORDER BY seq DESC", seq),
        };
        let mut statement = self.conn.prepare_cached(&format!("{EVENT} WHERE {condition} LIMIT ?"))?;
        let mut rows = statement.query(params![place(from), count(limit)])?;
        let mut looked = Looked::default();
        let mut size = 0;
        while size < PAGE_BYTES
            && looked.events.len() < most
            && let Some(row) = rows.next()?
        {
            (looked.seen, looked.last) = (looked.seen + 1, schema::number(row.get_ref(0)?));
            // What is no text is read, which says what is wrong with it.
            if row.get_ref(3)?.as_str().is_ok_and(|body| !wanted(body)) {
                continue;
            }
            let (event, bytes) = read_event(row)?;
            size += bytes;
            looked.events.push(Arc::new(event));
        }
        Ok(looked)
    }

    pub fn by_id(&self, source: &str, id: &str) -> Result<Option<Arc<Event>>, ReadError> {
        let sql = format!("{EVENT} WHERE source = ? AND id = ?");
        Ok(self.events(&sql, params![source, id])?.pop())
    }

    pub fn cursor(&self, name: &str) -> Result<u64, ReadError> {
        let mut statement = self.conn.prepare_cached("SELECT seq FROM cursors WHERE name = ?")?;
        let seq = statement.query_row([name], |row| Ok(schema::number(row.get_ref(0)?))).optional()?;
        Ok(seq.unwrap_or(0))
    }

    pub fn row(
        &self,
        tables: &Tables,
        index: usize,
        table: &str,
        id: &str,
    ) -> Result<Option<Value>, ReadError> {
        let row = tables.load(self.conn, index, id)?;
        Ok(row.map(|row| fold::parse(table, row.changed, &row.text)).transpose()?)
    }

    pub fn rows(
        &self,
        tables: &Tables,
        index: usize,
        table: &str,
        query: &RowQuery,
    ) -> Result<Vec<(String, Value)>, ReadError> {
        let statements = tables.statements(index);
        let page = if query.newest_first { &statements.newest } else { &statements.by_id };
        let sql = page.choose(query.after_id.is_some(), query.under.is_some());
        // The row and those behind it have to be of one moment.
        let transaction = self.conn.unchecked_transaction()?;
        let mut created = None;
        if let Some(id) = query.after_id.as_ref().filter(|_| query.newest_first) {
            created = self
                .conn
                .prepare_cached(&statements.created)?
                .query_row([id], |row| row.get::<_, i64>(0))
                .optional()?;
            if created.is_none() {
                return Err(StoreError::NoSuchRow { table: table.to_owned(), id: id.clone() }.into());
            }
        }
        let under = query.under.as_deref().map(fold::under);
        let (from, to) = under.unzip();
        let limit = count(query.limit);
        let given: [(&str, &dyn ToSql); 5] =
            [("?1", &limit), ("?2", &query.after_id), ("?3", &created), ("?4", &from), ("?5", &to)];
        let rows = self.page(table, sql, &given);
        transaction.finish()?;
        rows
    }

    fn page(
        &self,
        table: &str,
        sql: &str,
        given: &[(&str, &dyn ToSql)],
    ) -> Result<Vec<(String, Value)>, ReadError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        // Each statement takes some of the parameters.
        for (name, value) in given {
            if let Some(place) = statement.parameter_index(name)? {
                statement.raw_bind_parameter(place, value)?;
            }
        }
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let text: String = row.get(2)?;
            let value = fold::parse(table, schema::number(row.get_ref(1)?), &text)?;
            rows.push((row.get(0)?, value));
        }
        Ok(rows)
    }
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
