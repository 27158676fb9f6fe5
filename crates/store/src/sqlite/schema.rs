//! The tables of disk format 1, and the statements on them.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use crate::fold::{Changes, Stored};
use crate::record::{Hash, Tip};
use crate::{Fold, StoreError};

/// The newest disk format this build reads and writes; `PRAGMA user_version`.
pub(super) const FORMAT: i64 = 1;

/// Marks the file as a journal of Mainstay ("Msty"); `PRAGMA application_id`.
pub(super) const APPLICATION_ID: i64 = 0x4d73_7479;

/// What stands before a fold's name in the name of its table.
const TABLE_PREFIX: &str = "fold_";

const CREATE: &str = "
CREATE TABLE events(
  seq INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  prev BLOB NOT NULL,
  hash BLOB NOT NULL,
  body TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_id ON events(id, source);
CREATE TABLE head(only INTEGER PRIMARY KEY CHECK(only = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL);
INSERT INTO head VALUES(1, 0, zeroblob(32));
CREATE TABLE cursors(name TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE folds(name TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
";

/// Makes an empty journal, all of it or nothing.
pub(super) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    conn.execute_batch(CREATE)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", FORMAT)?;
    conn.execute_batch("COMMIT")
}

/// A sequence number as SQLite takes it. Numbers beyond what it can hold are beyond every event.
pub(super) fn place(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A stored number. Ours are never negative; a damaged one reads as 0 and is found out by what it does not match.
pub(crate) fn number(value: ValueRef<'_>) -> u64 {
    value.as_i64().ok().and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// A stored hash, if it is one.
pub(crate) fn hash(value: ValueRef<'_>) -> Option<Hash> {
    value.as_blob().ok().and_then(|bytes| bytes.try_into().ok())
}

/// The head record, if it is there and whole.
pub(crate) fn read_head(conn: &Connection) -> rusqlite::Result<Option<Tip>> {
    conn.query_row("SELECT seq, hash FROM head WHERE only = 1", [], |row| {
        let seq = number(row.get_ref(0)?);
        Ok(hash(row.get_ref(1)?).map(|hash| Tip { seq, hash }))
    })
    .optional()
    .map(Option::flatten)
}

/// Names and versions of the tables that are kept.
pub(super) fn fold_versions(conn: &Connection) -> rusqlite::Result<Vec<(String, u32)>> {
    let mut statement = conn.prepare("SELECT name, version FROM folds ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

pub(crate) fn store_version(conn: &Connection, name: &str, version: u32) -> rusqlite::Result<()> {
    conn.execute("INSERT OR REPLACE INTO folds(name, version) VALUES(?, ?)", params![name, version])?;
    Ok(())
}

/// Makes the table of a fold, empty, if it is not there. Its rows lie in the order of their ids, without a tree of row
/// numbers beside: a page less to write for each transaction. Journals of earlier versions have that tree, and keep it.
pub(crate) fn create_table(conn: &Connection, fold: &dyn Fold) -> rusqlite::Result<()> {
    let name = fold.table();
    conn.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {TABLE_PREFIX}{name}(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL
         ) WITHOUT ROWID;"
    ))?;
    if fold.is_listed() {
        conn.execute_batch(&format!(
            "CREATE INDEX IF NOT EXISTS {TABLE_PREFIX}{name}_created ON {TABLE_PREFIX}{name}(created, id);"
        ))?;
    }
    Ok(())
}

/// Forgets a fold and its table. The name comes from the file, so it is quoted.
pub(super) fn drop_table(conn: &Connection, name: &str) -> rusqlite::Result<()> {
    let quoted = format!("\"{TABLE_PREFIX}{}\"", name.replace('"', "\"\""));
    conn.execute_batch(&format!("DROP TABLE IF EXISTS {quoted}"))?;
    conn.execute("DELETE FROM folds WHERE name = ?", [name])?;
    Ok(())
}

/// The statements on the folds' tables, by the folds' places. Names of folds are checked, so they can stand in SQL.
#[derive(Clone, Debug)]
pub(crate) struct Tables(Arc<[Statements]>);

#[derive(Debug)]
pub(crate) struct Statements {
    pub table: String,
    pub load: String,
    pub upsert: String,
    pub update: String,
    pub delete: String,
    pub scan: String,
    pub by_id: Page,
    pub newest: Page,
    pub created: String,
}

/// The statements that read a page of rows. One that left conditions open for what may not be given would look at all
/// rows before the page, too: SQLite finds its place in an index by plain comparisons only.
#[derive(Debug)]
pub(crate) struct Page {
    pub first: String,
    pub after: String,
    pub under: String,
    pub under_after: String,
}

impl Page {
    fn of(table: &str, after: &str, order: &str) -> Self {
        let select = |conditions: &str| {
            format!("SELECT id, changed, value FROM {table} WHERE {conditions} ORDER BY {order} LIMIT ?1")
        };
        const UNDER: &str = "id > ?4 AND id < ?5";
        Self {
            first: select("true"),
            after: select(after),
            under: select(UNDER),
            under_after: select(&format!("{UNDER} AND {after}")),
        }
    }

    /// The one for these parts of a query.
    pub fn choose(&self, after: bool, under: bool) -> &str {
        match (after, under) {
            (false, false) => &self.first,
            (true, false) => &self.after,
            (false, true) => &self.under,
            (true, true) => &self.under_after,
        }
    }
}

impl Tables {
    pub fn of(folds: &[Arc<dyn Fold>]) -> Self {
        Self(folds.iter().map(|fold| Statements::on(&format!("{TABLE_PREFIX}{}", fold.table()))).collect())
    }

    pub fn statements(&self, index: usize) -> &Statements {
        &self.0[index]
    }

    /// The name of a fold's table in the file.
    pub fn name(&self, index: usize) -> &str {
        &self.0[index].table
    }

    pub fn load(&self, conn: &Connection, index: usize, id: &str) -> rusqlite::Result<Option<Stored>> {
        conn.prepare_cached(&self.0[index].load)?
            .query_row([id], |row| {
                let (created, changed) = (number(row.get_ref(0)?), number(row.get_ref(1)?));
                Ok(Stored { created, changed, text: row.get(2)? })
            })
            .optional()
    }

    /// Writes changes of one table. Rows that were created at `before` or earlier are in it.
    pub fn write(
        &self,
        conn: &Connection,
        index: usize,
        changes: &Changes,
        before: u64,
    ) -> rusqlite::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut upsert = conn.prepare_cached(&self.0[index].upsert)?;
        let mut update = conn.prepare_cached(&self.0[index].update)?;
        let mut delete = conn.prepare_cached(&self.0[index].delete)?;
        for (id, row) in changes {
            let Some(row) = row else {
                delete.execute([id])?;
                continue;
            };
            // The index of creation is left alone where it does not change, so that its page need not be written.
            let is_there =
                row.created <= before && update.execute(params![id, place(row.changed), row.text])? == 1;
            if !is_there {
                upsert.execute(params![id, place(row.created), place(row.changed), row.text])?;
            }
        }
        Ok(())
    }
}

impl Statements {
    fn on(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            load: format!("SELECT created, changed, value FROM {table} WHERE id = ?"),
            upsert: format!(
                "INSERT INTO {table}(id, created, changed, value) VALUES(?, ?, ?, ?) ON CONFLICT(id) DO UPDATE
                 SET created = excluded.created, changed = excluded.changed, value = excluded.value"
            ),
            update: format!("UPDATE {table} SET changed = ?2, value = ?3 WHERE id = ?1"),
            delete: format!("DELETE FROM {table} WHERE id = ?"),
            scan: format!("SELECT id, created, changed, value FROM {table} ORDER BY id"),
            by_id: Page::of(table, "id > ?2", "id"),
            newest: Page::of(table, "(created, id) < (?3, ?2)", "created DESC, id DESC"),
            created: format!("SELECT created FROM {table} WHERE id = ?"),
        }
    }
}

/// One connection and what to call it in errors; rows of folds as they are in its tables.
pub(crate) struct SqlBacking<'a> {
    pub conn: &'a Connection,
    pub tables: &'a Tables,
    pub classify: &'a dyn Fn(rusqlite::Error) -> StoreError,
}

impl crate::fold::Backing for SqlBacking<'_> {
    fn load(&self, table: usize, id: &str) -> Result<Option<Stored>, StoreError> {
        self.tables.load(self.conn, table, id).map_err(self.classify)
    }
}
