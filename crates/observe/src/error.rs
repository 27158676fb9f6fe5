//! What can go wrong, for each of the three things a caller does: open, ingest, query.

use std::path::PathBuf;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or read.
    #[error("cannot use the telemetry directory {dir}: check that it exists, is a directory and is writable")]
    Directory {
        /// The directory asked for.
        dir: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error(
        "the telemetry store in {dir} is in use by another process: stop that one first, or use another data directory"
    )]
    InUse {
        /// The directory asked for.
        dir: PathBuf,
    },
    /// The file is there and is not a sound database.
    #[error(
        "the telemetry database {file} is damaged or is not a database ({detail}): move it away to start with an empty one, or restore it from a copy"
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The file was written by a later version.
    #[error(
        "the telemetry database {file} has schema version {found}, this version of Mainstay knows up to {known}: use the newer Mainstay"
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// The version found.
        found: i64,
        /// The latest version known here.
        known: i64,
    },
    /// Any other refusal of the database.
    #[error("cannot open the telemetry database {file}")]
    Database {
        /// The file.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// Why a batch was not stored. Nothing of the batch was stored then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    /// More is waiting to be written than may wait. Send again later; nothing was lost silently.
    #[error("telemetry comes in faster than it can be written: send again in {retry_after_ms} ms")]
    Overloaded {
        /// When sending again makes sense, in milliseconds.
        retry_after_ms: u64,
    },
    /// The disk is full, or fuller than `Options::min_free_bytes` allows.
    #[error(
        "no space for telemetry in {dir}: {free_bytes} bytes are free and {min_free_bytes} must stay free; make space or lower the retention"
    )]
    NoSpace {
        /// The directory of the store.
        dir: PathBuf,
        /// Bytes free on its file system.
        free_bytes: u64,
        /// Bytes that must stay free.
        min_free_bytes: u64,
    },
    /// The database refused the write.
    #[error("the telemetry database refused the write: {detail}")]
    Database {
        /// What SQLite said.
        detail: String,
    },
    /// The store is closing or its writer has ended.
    #[error("the telemetry store is closed")]
    Closed,
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The database refused the read.
    #[error("cannot read the telemetry database")]
    Database(#[source] rusqlite::Error),
    /// A stored row is not what was written.
    #[error(
        "the telemetry database holds an unreadable row ({0}): it is damaged, restore it or move it away"
    )]
    Damaged(String),
    /// The question itself makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}
