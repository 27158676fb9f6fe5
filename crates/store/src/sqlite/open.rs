//! Opening a journal, and telling apart what can be wrong with it.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use tokio::sync::{Semaphore, mpsc, watch};

use super::checkpoint::{BACKSTOP, Checkpointer};
use super::readers::{Readers, Reading};
use super::recent::Recent;
use super::schema::{self, Tables};
use super::writer::Writer;
use super::{Options, ROOM_KIB, SqliteJournal, TUNING, file_in};
use crate::error::bytes;
use crate::lock::DirLock;
use crate::record::{Tip, hex};
use crate::{StoreError, fold, rebuild};

/// How long to wait for someone who looks at the file with another program.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Less than this free is a full disk, whatever SQLite called its failure.
const NEARLY_NOTHING: u64 = 1 << 20;

/// The smallest page of SQLite, in bytes, and so the smallest file that is not an empty database.
const SMALLEST_PAGE: u64 = 512;

/// Statements kept prepared on a connection: a handful, and a few for each fold.
const STATEMENTS: usize = 256;

pub(super) fn open(dir: &Path, options: Options) -> Result<SqliteJournal, StoreError> {
    let Options { folds, min_free_bytes } = options;
    fold::check(&folds)?;
    let unusable = |source| StoreError::Directory { path: dir.to_owned(), source: Arc::new(source) };
    // What happens in a workload is not for every user of the machine.
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    let lock = DirLock::take(dir)?;
    let path = file_in(dir);
    // SQLite takes an empty file for an empty database, and the system's own error is clearer than SQLite's.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(unusable)?;
    check_file(dir, &path)?;
    let failed = |error| classify(dir, min_free_bytes, error);
    let conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    let is_new = check_format(&conn, dir)? == Format::Empty;
    for (name, value) in TUNING {
        // Some of them answer with a row.
        conn.query_row(&format!("PRAGMA {name} = {value}"), [], |_| Ok(())).optional().map_err(failed)?;
    }
    if is_new {
        check_space(dir, min_free_bytes)?;
        schema::create(&conn).map_err(failed)?;
        tracing::info!(path = %path.display(), "made a new journal");
    }
    let tip = checked_tip(&conn, dir, min_free_bytes)?;
    settle_folds(&conn, dir, min_free_bytes, &folds)?;

    conn.query_row(BACKSTOP, [], |_| Ok(())).map_err(failed)?;
    let checkpointer = Checkpointer::start(path.clone()).map_err(unusable)?;

    let folds: Arc<[_]> = folds.into();
    let tables = Tables::of(&folds);
    let (head_sender, head) = watch::channel(tip.seq);
    let shared = Arc::new(Mutex::new(tip));
    let recent = Arc::new(Recent::default());
    let (requests, queue) = mpsc::unbounded_channel();
    let writer = Writer {
        conn,
        dir: dir.to_owned(),
        folds: folds.clone(),
        tables: tables.clone(),
        min_free_bytes,
        tip,
        shared: shared.clone(),
        recent: recent.clone(),
        head: head_sender,
        company: 0,
        checkpointer,
    };
    let thread = std::thread::Builder::new()
        .name("journal-writer".to_owned())
        .spawn(move || writer.run(queue))
        .map_err(unusable)?;
    Ok(SqliteJournal {
        requests: Some(requests),
        room: Arc::new(Semaphore::new(ROOM_KIB)),
        tip: shared,
        head,
        reading: Reading::new(folds, tables, Readers::new(dir, path)),
        recent,
        writer: Some(thread),
        _lock: lock,
    })
}

/// A connection on the file, which has to exist.
pub(super) fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// Opens the journal of a directory for a proof, beside a running server or not.
pub(crate) fn open_existing(dir: &Path, write: bool) -> Result<Connection, StoreError> {
    let path = file_in(dir);
    match std::fs::File::open(&path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::Missing { path: dir.to_owned() });
        }
        Err(error) => return Err(StoreError::Directory { path: dir.to_owned(), source: Arc::new(error) }),
    }
    check_file(dir, &path)?;
    let access = if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let failed = |error| classify(dir, 0, error);
    let conn = connect(&path, access).map_err(failed)?;
    let (conn, format) = match check_format(&conn, dir) {
        // A copy on a medium that cannot be written: SQLite wants to make its shared memory file beside it, but without
        // a log there is nothing to share.
        Err(StoreError::Sqlite { source, .. })
            if !write && source.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !has_log(&path) =>
        {
            let conn = connect(&immutable(&path), access | OpenFlags::SQLITE_OPEN_URI).map_err(failed)?;
            let format = check_format(&conn, dir)?;
            (conn, format)
        }
        format => (conn, format?),
    };
    match format {
        Format::Empty => Err(StoreError::Missing { path: dir.to_owned() }),
        Format::Known => Ok(conn),
    }
}

/// SQLite takes a file shorter than its smallest page for an empty database: it would write a new journal over what is
/// left of one, and delete the log with the newest events. Nothing but an empty file without a log is new.
fn check_file(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let unusable = |source| StoreError::Directory { path: dir.to_owned(), source: Arc::new(source) };
    let size = std::fs::metadata(path).map_err(unusable)?.len();
    match (size, has_log(path)) {
        (SMALLEST_PAGE.., _) | (0, false) => Ok(()),
        (_, false) => Err(StoreError::NotAJournal { path: path.to_owned() }),
        (_, true) => Err(StoreError::Corrupt {
            path: path.to_owned(),
            detail: format!("it has only {}, and yet there is a log beside it", bytes(size)),
        }),
    }
}

/// Whether there may be events in the log beside the file.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// The name under which SQLite opens a file that nobody changes.
fn immutable(path: &Path) -> PathBuf {
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                name.push(char::from(*byte));
            }
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name.push_str("?immutable=1");
    name.into()
}

#[derive(PartialEq, Eq)]
enum Format {
    Empty,
    Known,
}

fn check_format(conn: &Connection, dir: &Path) -> Result<Format, StoreError> {
    let failed = |error| classify(dir, 0, error);
    let ask = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(failed);
    let application = ask("PRAGMA application_id")?;
    let found = ask("PRAGMA user_version")?;
    let objects = ask("SELECT count(*) FROM sqlite_schema")?;
    let path = file_in(dir);
    match (application, found, objects) {
        (0, 0, 0) => Ok(Format::Empty),
        (schema::APPLICATION_ID, 1..=schema::FORMAT, _) => Ok(Format::Known),
        (schema::APPLICATION_ID, found, _) if found > schema::FORMAT => {
            Err(StoreError::NewerFormat { path, found, known: schema::FORMAT })
        }
        _ => Err(StoreError::NotAJournal { path }),
    }
}

/// The head, if it is what the events say. Anything else needs a person before more is written.
fn checked_tip(conn: &Connection, dir: &Path, min_free_bytes: u64) -> Result<Tip, StoreError> {
    let failed = |error| classify(dir, min_free_bytes, error);
    let damaged = |detail| StoreError::Corrupt { path: file_in(dir), detail };
    let head = schema::read_head(conn).map_err(failed)?;
    let head = head.ok_or_else(|| damaged("its head record is missing or not a hash".to_owned()))?;
    let last = conn
        .query_row("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((schema::number(row.get_ref(0)?), schema::hash(row.get_ref(1)?)))
        })
        .optional()
        .map_err(failed)?;
    let last = last.map_or(Some(Tip::EMPTY), |(seq, hash)| hash.map(|hash| Tip { seq, hash }));
    if last != Some(head) {
        let found = last
            .map_or_else(|| "unreadable".to_owned(), |last| format!("{} ({})", last.seq, hex(&last.hash)));
        return Err(damaged(format!(
            "the last event is {found}, the head record says {} ({})",
            head.seq,
            hex(&head.hash)
        )));
    }
    Ok(head)
}

/// Makes the tables be those of the folds.
fn settle_folds(
    conn: &Connection,
    dir: &Path,
    min_free_bytes: u64,
    folds: &[Arc<dyn crate::Fold>],
) -> Result<(), StoreError> {
    let failed = |error| classify(dir, min_free_bytes, error);
    let kept = schema::fold_versions(conn).map_err(failed)?;
    let gone: Vec<&String> = kept
        .iter()
        .map(|(name, _)| name)
        .filter(|name| folds.iter().all(|fold| fold.table() != *name))
        .collect();
    let stale: Vec<Arc<dyn crate::Fold>> = folds
        .iter()
        .filter(|fold| !kept.iter().any(|(name, version)| name == fold.table() && *version == fold.version()))
        .cloned()
        .collect();
    if gone.is_empty() && stale.is_empty() {
        return Ok(());
    }
    check_space(dir, min_free_bytes)?;
    conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    for name in gone {
        // It would fall behind unnoticed. It follows from the events, so nothing is lost.
        tracing::info!(table = %name, "dropped a table that no fold keeps any more");
        schema::drop_table(conn, name).map_err(failed)?;
    }
    for fold in &stale {
        schema::create_table(conn, fold.as_ref()).map_err(failed)?;
    }
    if !stale.is_empty() {
        let rebuilt = rebuild::recompute(conn, &stale, true, &failed)?;
        for table in &rebuilt.tables {
            let (events, rows, changed) = (rebuilt.events, table.rows, table.differing.len());
            tracing::info!(
                table = table.table,
                events,
                rows,
                changed,
                "computed a new or changed table from the events"
            );
        }
    }
    conn.execute_batch("COMMIT").map_err(failed)
}

/// Bytes that this process could still write there.
fn free_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Refuses to write when the disk is nearly full. When the system does not say, SQLite will.
pub(super) fn check_space(dir: &Path, needed: u64) -> Result<(), StoreError> {
    match free_bytes(dir) {
        Some(free) if free < needed => {
            Err(StoreError::NoSpace { path: dir.to_owned(), free: Some(free), needed })
        }
        _ => Ok(()),
    }
}

/// What a failure of SQLite means for whoever runs the server.
pub(crate) fn classify(dir: &Path, min_free_bytes: u64, error: rusqlite::Error) -> StoreError {
    let path = file_in(dir);
    let no_space = || StoreError::NoSpace {
        path: dir.to_owned(),
        free: free_bytes(dir),
        needed: min_free_bytes.max(NEARLY_NOTHING),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotAJournal { path },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { path, detail: error.to_string() },
        Some(ErrorCode::DiskFull) => no_space(),
        // SQLite has no word for a full disk where it maps its shared memory file.
        Some(ErrorCode::SystemIoFailure) if free_bytes(dir).is_some_and(|free| free < NEARLY_NOTHING) => {
            no_space()
        }
        _ => {
            tracing::debug!(free = %free_bytes(dir).map_or_else(|| "?".to_owned(), bytes), %error, "SQLite failed");
            StoreError::Sqlite { path, source: Arc::new(error) }
        }
    }
}
