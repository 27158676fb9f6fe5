//! Computing the tables anew from the events, to compare or to replace what is stored.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Rows};

use crate::StoreError;
use crate::fold::{self, Fold, Overlay, Stored};
use crate::lock::DirLock;
use crate::sqlite::{
    SqlBacking, Tables, classify, create_table, number, open_existing, read_event, store_version,
};

/// Changes are put aside to disk when they take so much memory.
const OVERLAY_BYTES: usize = 32 << 20;

/// What the events say about the tables.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// How many events were read.
    pub events: u64,
    /// One entry for each fold, in the order given.
    pub tables: Vec<RebuiltTable>,
}

impl Rebuilt {
    /// Whether every table was as the events say.
    pub fn agrees(&self) -> bool {
        self.tables.iter().all(|table| table.differing.is_empty())
    }
}

/// One table, computed anew.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RebuiltTable {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has by the events.
    pub rows: u64,
    /// Ids of the rows that were stored otherwise, not at all, or in excess.
    pub differing: Vec<String>,
}

/// Computes the tables of these folds from nothing but the events, compares them with what is stored, and with `write`
/// replaces what differs, in one transaction.
///
/// Comparing works beside a running server; writing needs the data directory for itself ([`StoreError::Locked`]).
pub fn rebuild(dir: &Path, folds: &[Arc<dyn Fold>], write: bool) -> Result<Rebuilt, StoreError> {
    fold::check(folds)?;
    // A directory without a journal should not get a lock file from us.
    drop(open_existing(dir, false)?);
    let _lock = if write { Some(DirLock::take(dir)?) } else { None };
    let conn = open_existing(dir, write)?;
    let failed = |error| classify(dir, 0, error);
    conn.execute_batch(if write { "BEGIN IMMEDIATE" } else { "BEGIN" }).map_err(failed)?;
    let rebuilt = recompute(&conn, folds, write, &failed)?;
    conn.execute_batch("COMMIT").map_err(failed)?;
    Ok(rebuilt)
}

/// The same within a transaction of the caller's.
pub(crate) fn recompute(
    conn: &Connection,
    folds: &[Arc<dyn Fold>],
    write: bool,
    classify: &dyn Fn(rusqlite::Error) -> StoreError,
) -> Result<Rebuilt, StoreError> {
    let tables = Tables::of(folds);
    // An unnamed database lives in a temporary file that nobody else sees; it holds tables larger than memory.
    let scratch = Connection::open("").map_err(classify)?;
    scratch.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(classify)?;
    for fold in folds {
        create_table(&scratch, fold.as_ref()).map_err(classify)?;
    }
    let events = replay(conn, &scratch, folds, &tables, classify)?;
    let mut found = Vec::with_capacity(folds.len());
    for (index, fold) in folds.iter().enumerate() {
        if write {
            create_table(conn, fold.as_ref()).map_err(classify)?;
        }
        let table = compare(conn, &scratch, fold.as_ref(), &tables, index).map_err(classify)?;
        if write {
            for id in &table.differing {
                let row = tables.load(&scratch, index, id).map_err(classify)?;
                tables.write(conn, index, &[(id.clone(), row)].into(), 0).map_err(classify)?;
            }
            store_version(conn, fold.table(), fold.version()).map_err(classify)?;
        }
        found.push(table);
    }
    Ok(Rebuilt { events, tables: found })
}

/// Applies every event to the tables in `scratch`.
fn replay(
    conn: &Connection,
    scratch: &Connection,
    folds: &[Arc<dyn Fold>],
    tables: &Tables,
    classify: &dyn Fn(rusqlite::Error) -> StoreError,
) -> Result<u64, StoreError> {
    let backing = SqlBacking { conn: scratch, tables, classify };
    let none = Overlay::new(folds.len());
    let mut changes = Overlay::new(folds.len());
    let mut count = 0;
    let mut statement =
        conn.prepare("SELECT seq, prev, hash, body FROM events ORDER BY seq").map_err(classify)?;
    let mut rows = statement.query([]).map_err(classify)?;
    while let Some(row) = rows.next().map_err(classify)? {
        let (event, _) = read_event(row).map_err(|error| error.classified(classify))?;
        fold::apply(folds, &event, &backing, &none, &mut changes)?;
        count += 1;
        if changes.bytes > OVERLAY_BYTES {
            flush(scratch, tables, &mut changes).map_err(classify)?;
        }
    }
    flush(scratch, tables, &mut changes).map_err(classify)?;
    Ok(count)
}

fn flush(scratch: &Connection, tables: &Tables, changes: &mut Overlay) -> rusqlite::Result<()> {
    let full = std::mem::replace(changes, Overlay::new(changes.tables.len()));
    scratch.execute_batch("BEGIN")?;
    for (index, changes) in full.tables.iter().enumerate() {
        tables.write(scratch, index, changes, 0)?;
    }
    scratch.execute_batch("COMMIT")
}

/// Walks both tables side by side in the order of their ids.
fn compare(
    conn: &Connection,
    scratch: &Connection,
    fold: &dyn Fold,
    tables: &Tables,
    index: usize,
) -> rusqlite::Result<RebuiltTable> {
    let scan = &tables.statements(index).scan;
    let mut right = scratch.prepare(scan)?;
    let mut right = right.query([])?;
    // The stored table is not there when the journal was never opened with this fold.
    let exists = conn
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = ?", [tables.name(index)], |_| Ok(()))
        .optional()?
        .is_some();
    let mut left = conn.prepare(if exists { scan } else { "SELECT 1 WHERE 0" })?;
    let mut left = left.query([])?;
    let mut table = RebuiltTable { table: fold.table(), rows: 0, differing: Vec::new() };
    let (mut stored, mut computed) = (next(&mut left)?, next(&mut right)?);
    loop {
        let order = match (&stored, &computed) {
            (None, None) => return Ok(table),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let differs = order != Ordering::Equal
            || stored.as_ref().map(|(_, row)| row) != computed.as_ref().map(|(_, row)| row);
        if differs {
            let id = if order == Ordering::Greater { &computed } else { &stored };
            table.differing.extend(id.iter().map(|(id, _)| id.clone()));
        }
        if order != Ordering::Greater {
            stored = next(&mut left)?;
        }
        if order != Ordering::Less {
            table.rows += 1;
            computed = next(&mut right)?;
        }
    }
}

/// The next row with its id. What is no text (someone wrote into the file) reads as a row that differs from every row.
fn next(rows: &mut Rows<'_>) -> rusqlite::Result<Option<(String, Stored)>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let id = row.get(0)?;
    let text = row.get_ref(3)?.as_str().unwrap_or_default().to_owned();
    Ok(Some((id, Stored { created: number(row.get_ref(1)?), changed: number(row.get_ref(2)?), text })))
}
