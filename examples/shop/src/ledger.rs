//! Ledgers: one SQLite file per service, under the directory given with `--data`.
//!
//! The files are written ahead (`journal_mode=WAL`) with `synchronous=NORMAL`: what was committed
//! survives a crash or a kill of the process. Only a power cut can lose the last moments, which is
//! enough for an example and keeps the services light on the disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use crate::ShopError;

/// One connection to a ledger, used by one piece of work at a time.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Ledger {
    /// Opens `file` in `data`, making both and the tables of `schema` (`CREATE TABLE IF NOT EXISTS ..`)
    /// where they are missing.
    ///
    /// # Errors
    /// [`ShopError::DataDirectory`] and [`ShopError::Ledger`].
    pub fn open(data: &Path, file: &str, schema: &str) -> Result<Arc<Self>, ShopError> {
        std::fs::create_dir_all(data)
            .map_err(|source| ShopError::DataDirectory { path: data.to_owned(), source })?;
        let path = data.join(file);
        let connection = connect(&path)?;
        connection
            .execute_batch(schema)
            .map_err(|source| ShopError::Ledger { path: path.clone(), source })?;
        Ok(Arc::new(Self { path, connection: Mutex::new(connection) }))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does `work` with the connection, away from the threads that serve requests. The work is finished
    /// even when the caller has gone away.
    ///
    /// # Errors
    /// [`ShopError::Ledger`] with what SQLite said.
    pub async fn with<T, W>(self: &Arc<Self>, work: W) -> Result<T, ShopError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let ledger = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let connection = ledger.connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection).map_err(|source| ShopError::Ledger { path: ledger.path.clone(), source })
        })
        .await
        .map_err(ShopError::Interrupted)?
    }

    /// Whether the file is still there and can be read; for `/healthz`. The error is the reason in words.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn check(&self) -> Result<(), String> {
        if !self.path.exists() {
            return Err(format!("the ledger {} is gone", self.path.display()));
        }
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(|error| format!("the ledger {} cannot be read: {error}", self.path.display()))
    }
}

/// A connection to a ledger file. A writer waits up to two seconds for another to finish.
///
/// # Errors
/// [`ShopError::Ledger`] with what SQLite said.
pub fn connect(path: &Path) -> Result<Connection, ShopError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(connection)
    };
    open().map_err(|source| ShopError::Ledger { path: path.to_owned(), source })
}

/// The time, in milliseconds since 1970, as the ledgers keep it.
#[expect(clippy::disallowed_methods, reason = "a service stamps its own records; this is its one clock")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart_and_health_names_a_lost_file() {
        let data = tempfile::tempdir().expect("a directory");
        let schema = "CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY) STRICT";
        let ledger = Ledger::open(&data.path().join("deep"), "things.db", schema).expect("opens");
        ledger.with(|c| c.execute("INSERT INTO things VALUES ('one')", [])).await.expect("written");
        drop(ledger);

        let ledger = Ledger::open(&data.path().join("deep"), "things.db", schema).expect("opens again");
        let count: i64 = ledger
            .with(|c| c.query_row("SELECT count(*) FROM things", [], |row| row.get(0)))
            .await
            .expect("read");
        assert_eq!(count, 1);
        assert_eq!(ledger.check(), Ok(()));

        std::fs::remove_file(ledger.path()).expect("removed");
        assert!(ledger.check().expect_err("unhealthy").ends_with("things.db is gone"));
    }

    #[test]
    fn a_data_directory_that_is_a_file_is_refused_by_name() {
        let data = tempfile::tempdir().expect("a directory");
        let file = data.path().join("file");
        std::fs::write(&file, "").expect("written");
        let error = Ledger::open(&file.join("below"), "x.db", "").expect_err("refused");
        assert!(matches!(error, ShopError::DataDirectory { .. }), "{error}");
    }
}
