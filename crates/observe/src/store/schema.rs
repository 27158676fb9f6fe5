//! The database file: its tables, its settings, and what is refused when it is opened.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::OpenError;

/// The schema this code writes. A later one is refused; an earlier one would be migrated here.
const VERSION: i64 = 1;

/// "MTel" in ASCII: tells our file from any other SQLite database.
const APPLICATION_ID: i64 = 0x4d54_656c;

/// Pages that wait in the write-ahead log before they are copied back; 1000 pages are 4 MiB.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
";

/// `samples.value` has no type affinity on purpose: a REAL is a number, an INTEGER holds the bits of a NaN, which
/// SQLite cannot store as REAL (it would become NULL and lose the staleness marker).
const TABLES: &str = "
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        labels TEXT NOT NULL UNIQUE
    );
    CREATE TABLE samples (
        series INTEGER NOT NULL,
        t_ms INTEGER NOT NULL,
        value NOT NULL,
        PRIMARY KEY (series, t_ms)
    ) WITHOUT ROWID;
    CREATE TABLE metrics (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        unit TEXT NOT NULL,
        help TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE logs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        received_ms INTEGER NOT NULL,
        time_ns INTEGER NOT NULL,
        service TEXT NOT NULL,
        severity INTEGER NOT NULL,
        trace_id TEXT NOT NULL,
        body TEXT NOT NULL,
        rest TEXT NOT NULL
    );
    CREATE INDEX logs_service ON logs (service, seq);
    CREATE INDEX logs_trace ON logs (trace_id, seq) WHERE trace_id <> '';
    CREATE TABLE spans (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        received_ms INTEGER NOT NULL,
        trace_id TEXT NOT NULL,
        span_id TEXT NOT NULL,
        parent_span_id TEXT NOT NULL,
        service TEXT NOT NULL,
        name TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        rest TEXT NOT NULL,
        UNIQUE (trace_id, span_id)
    );
    CREATE INDEX spans_start ON spans (start_ns);
";

fn classify(file: &Path, error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::Corrupt { file: file.to_owned(), detail: error.to_string() }
        }
        _ => OpenError::Database { file: file.to_owned(), source: error },
    }
}

/// Opens the file for the writer, making it when it is not there.
pub(super) fn open_writer(file: &Path) -> Result<Connection, OpenError> {
    let wrap = |error| classify(file, error);
    let connection = Connection::open(file).map_err(wrap)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(wrap)?;
    let application: i64 =
        connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(wrap)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(wrap)?;
    if tables > 0 && application != APPLICATION_ID {
        let detail = "it is an SQLite database of something else".to_owned();
        return Err(OpenError::Corrupt { file: file.to_owned(), detail });
    }
    if version > VERSION {
        return Err(OpenError::Newer { file: file.to_owned(), found: version, known: VERSION });
    }
    if tables == 0 {
        // Only an empty file can be given a vacuum mode; it lets retention hand pages back to the file system.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;").map_err(wrap)?;
    }
    connection.execute_batch(SETTINGS).map_err(wrap)?;
    if tables == 0 {
        let script = format!(
            "BEGIN; {TABLES} PRAGMA user_version = {VERSION}; PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
        );
        connection.execute_batch(&script).map_err(wrap)?;
    } else {
        check(&connection, file)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The tables have the columns this code uses. A full page check would read the whole file at each start; damaged
/// pages are reported where they are read.
fn check(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let probes = [
        "SELECT id, labels FROM series LIMIT 1",
        "SELECT series, t_ms, value FROM samples LIMIT 1",
        "SELECT name, kind, unit, help FROM metrics LIMIT 1",
        "SELECT seq, received_ms, time_ns, service, severity, trace_id, body, rest FROM logs LIMIT 1",
        "SELECT id, received_ms, trace_id, span_id, parent_span_id, service, name, start_ns, end_ns, failed, rest FROM spans LIMIT 1",
    ];
    for probe in probes {
        let result = connection.prepare(probe).and_then(|mut statement| statement.exists([]).map(|_| ()));
        if let Err(error) = result {
            return Err(OpenError::Corrupt { file: file.to_owned(), detail: error.to_string() });
        }
    }
    Ok(())
}

/// Opens the file for reading beside the writer.
pub(super) fn open_reader(file: &PathBuf) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}
