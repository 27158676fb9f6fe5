//! What can go wrong, in words that say what to do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the journal did not do what was asked. Cloneable, because a group of callers may share one cause.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be created, entered or written.
    #[error("cannot use the data directory {}: {}", path.display(), directory_advice(source))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// There is no journal in the directory.
    #[error("there is no journal in {}: give the directory that the server was started with (`--data`)", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has the journal open for writing.
    #[error("the data directory {} is in use by {}: stop that server first, or give this one another directory (`--data`)",
        path.display(), match pid { Some(pid) => format!("the process {pid}"), None => "another process".to_owned() })]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down.
        pid: Option<u32>,
    },
    /// The file is there but is not a journal.
    #[error("{} is not a Mainstay journal: move it away, or give another data directory (`--data`)", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// The journal was written by a newer Mainstay.
    #[error("{} has disk format {found}, this Mainstay knows up to {known}: use the newer Mainstay that wrote it", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this build reads.
        known: i64,
    },
    /// The file is damaged.
    #[error("the journal {} is damaged ({detail}): stop the server, keep a copy of the directory, run `mainstay journal verify` to see up to which event it is whole, and restore the file from a backup", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The disk is full, or so nearly that the journal stops before it is.
    #[error("no space for the journal in {}: {} free, at least {} needed; free some space or move the data directory, and nothing that was acknowledged is lost",
        path.display(), match free { Some(free) => bytes(*free), None => "an unknown amount is".to_owned() }, bytes(*needed))]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// Bytes free there, if the system says.
        free: Option<u64>,
        /// Bytes that have to stay free.
        needed: u64,
    },
    /// SQLite failed in another way. Whether the batch was written is open: append the same drafts again.
    #[error("the journal {} cannot be read or written", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// A stored event cannot be read.
    #[error("event {seq} of the journal cannot be read ({reason}): run `mainstay journal verify`")]
    BadRecord {
        /// Its place.
        seq: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A draft is refused for what it is.
    #[error("the event `{id}` ({kind}) is refused: {reason}")]
    Refused {
        /// Its id.
        id: String,
        /// Its kind.
        kind: String,
        /// Why.
        reason: String,
    },
    /// A batch is too big.
    #[error("a batch of {found} events and {} is refused: {} is the most", bytes(*size as u64), bytes(*limit as u64))]
    BatchTooLarge {
        /// How many events it has.
        found: usize,
        /// Their size in bytes.
        size: usize,
        /// The largest size in bytes.
        limit: usize,
    },
    /// A fold failed on an event, which is therefore not in the journal.
    #[error("the table `{table}` cannot take event {seq}: {reason}")]
    Fold {
        /// The fold's table.
        table: String,
        /// The place the event has, or would have had.
        seq: u64,
        /// What it did.
        reason: String,
    },
    /// The set of folds cannot work.
    #[error("the fold table `{table}` is refused: {reason}")]
    FoldTable {
        /// The table's name.
        table: String,
        /// Why.
        reason: &'static str,
    },
    /// No fold keeps such a table.
    #[error("the journal keeps no table `{table}`; it keeps {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoSuchTable {
        /// The name asked for.
        table: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The row to continue after is not there.
    #[error("the table `{table}` has no row `{id}` to continue after: start again without it")]
    NoSuchRow {
        /// The table.
        table: String,
        /// The row's id.
        id: String,
    },
    /// A subscription claims to have handled what has not happened.
    #[error("the subscription `{name}` cannot stand at event {seq}: the last event is {head}")]
    BeyondHead {
        /// The subscription.
        name: String,
        /// Where it wanted to stand.
        seq: u64,
        /// The last event.
        head: u64,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

/// A number of bytes as people read it.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} bytes");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// What to do where a data directory cannot be used, by what the system said.
pub fn directory_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "there is no space left; free some, or move the directory, and nothing that was acknowledged is lost"
        }
        _ => "check that it exists and that this user may read and write it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_taken_for_a_missing_directory() {
        let said = |kind: io::ErrorKind| {
            let source = Arc::new(io::Error::from(kind));
            StoreError::Directory { path: PathBuf::from("/srv/data"), source }.to_string()
        };
        assert!(said(io::ErrorKind::StorageFull).contains("/srv/data: there is no space left; free some"));
        assert!(said(io::ErrorKind::NotFound).contains("check that it exists"));
    }
}
