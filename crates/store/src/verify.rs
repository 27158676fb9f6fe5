//! The proof that the journal is whole.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::record::{self, Tip, chain, digest, hex};
use crate::sqlite::{classify, file_in, hash, number, open_existing, read_head};
use crate::{Head, StoreError};

/// What was proved: so many events, without a gap, each as it was written, ending in this hash. Whoever keeps the pair
/// elsewhere can later prove that history was not rewritten ([`verify_since`]).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// How many events there are, which is also the place of the last one.
    pub events: u64,
    /// The hash of the last one, 64 hex digits.
    pub head_hash: String,
}

/// Why the proof failed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There was nothing to prove, or it could not be read at all.
    #[error("the journal cannot be verified")]
    Unreadable(#[source] StoreError),
    /// An event is not as it was written.
    #[error(
        "the journal is broken at event {seq}: {fault}; events before it are whole. Keep a copy of the directory, and restore a backup or find out who changed it"
    )]
    Broken {
        /// The first event that is not proved.
        seq: u64,
        /// What is wrong there.
        fault: Fault,
    },
    /// The file is damaged, as failing disks and copies made while it was written leave it.
    #[error("the journal {} has damaged pages ({detail}); events 1 to {whole_until} are whole. Stop the server, keep a copy of the directory, check the disk, and restore the file from a backup", path.display())]
    Pages {
        /// The file.
        path: PathBuf,
        /// What SQLite's check found first.
        detail: String,
        /// The chain could be followed up to this event; 0 if to none.
        whole_until: u64,
    },
}

/// What is wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not there, but a later one is.
    #[error("it is missing, the next one is {next}")]
    Missing {
        /// The next event there is.
        next: u64,
    },
    /// The chain ends before it although the head record goes on.
    #[error("it is missing, and so is everything up to {head}, where the journal ended")]
    TailMissing {
        /// The last event by the head record.
        head: u64,
    },
    /// It stands behind the end that the head record gives.
    #[error("the journal ended before it, it was added by something else")]
    BehindHead,
    /// The head record does not have its hash, or there is none.
    #[error("it is not the event that the head record names")]
    NotHead,
    /// It does not continue the event before it.
    #[error("it does not follow from the event before it")]
    Unlinked,
    /// Its bytes are not those that were hashed.
    #[error("its content was changed after it was written")]
    Altered,
    /// Its bytes hash as they should but are no event.
    #[error("its content is not an event ({0})")]
    Unreadable(String),
    /// It cannot be found by its id, or is found by another.
    #[error("it cannot be found by its source and id")]
    Misfiled,
    /// It has not the hash it is known to have had.
    #[error("it is not the event it was when its hash was noted: history was rewritten")]
    Rewritten,
    /// It is known to have been there.
    #[error("it was there when its hash was noted, the journal ends before it now")]
    Lost,
}

/// Proves the journal of a data directory: the file's pages, and of every event its place, its link, its hash over the
/// stored bytes, its content and its index entry, up to the head record. Works beside a running server.
pub fn verify(dir: &Path) -> Result<Verified, VerifyError> {
    verify_since(dir, None)
}

/// The same, and that the journal goes on from an event whose place and hash were noted before.
pub fn verify_since(dir: &Path, known: Option<&Head>) -> Result<Verified, VerifyError> {
    let unreadable = |error: rusqlite::Error| VerifyError::Unreadable(classify(dir, 0, error));
    let conn = match open_existing(dir, false) {
        // Damage on the first pages shows as soon as the file is opened.
        Err(StoreError::Corrupt { path, detail }) => {
            return Err(VerifyError::Pages { path, detail, whole_until: 0 });
        }
        opened => opened.map_err(VerifyError::Unreadable)?,
    };
    conn.execute_batch("BEGIN").map_err(unreadable)?;
    let damage = match conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(word) if word == "ok" => None,
        Ok(detail) => Some(detail),
        Err(error) => match classify(dir, 0, error) {
            StoreError::Corrupt { detail, .. } => Some(detail),
            other => return Err(VerifyError::Unreadable(other)),
        },
    };
    let mut tip = Tip::EMPTY;
    let walked = walk(&conn, known, &mut tip);
    if let Some(detail) = damage {
        let detail = detail.replace('\n', " ");
        return Err(VerifyError::Pages { path: file_in(dir), detail, whole_until: tip.seq });
    }
    match walked {
        Ok(()) => Ok(Verified { events: tip.seq, head_hash: hex(&tip.hash) }),
        Err(Stop::Fault(seq, fault)) => Err(VerifyError::Broken { seq, fault }),
        Err(Stop::Sqlite(error)) => Err(match classify(dir, 0, error) {
            StoreError::Corrupt { path, detail } => VerifyError::Pages { path, detail, whole_until: tip.seq },
            other => VerifyError::Unreadable(other),
        }),
    }
}

enum Stop {
    Fault(u64, Fault),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Follows the chain. `tip` is the last event that was proved.
fn walk(conn: &Connection, known: Option<&Head>, tip: &mut Tip) -> Result<(), Stop> {
    let mut statement = conn.prepare("SELECT seq, prev, hash, body, source, id FROM events ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq = row.get_ref(0)?.as_i64().unwrap_or(i64::MIN);
        let expected = tip.seq + 1;
        if i64::try_from(expected) != Ok(seq) {
            // Places below 1 are never given; whatever stands there was added.
            let fault = u64::try_from(seq).map_or(Fault::BehindHead, |next| Fault::Missing { next });
            return Err(Stop::Fault(expected, fault));
        }
        *tip = check(conn, row, tip)?.map_err(|fault| Stop::Fault(expected, fault))?;
        if let Some(known) = known
            && known.seq == tip.seq
            && known.hash != hex(&tip.hash)
        {
            return Err(Stop::Fault(tip.seq, Fault::Rewritten));
        }
    }
    let next = tip.seq + 1;
    match read_head(conn)? {
        Some(head) if head.seq > tip.seq => {
            return Err(Stop::Fault(next, Fault::TailMissing { head: head.seq }));
        }
        Some(head) if head.seq < tip.seq => return Err(Stop::Fault(head.seq + 1, Fault::BehindHead)),
        Some(head) if head == *tip => {}
        _ => return Err(Stop::Fault(tip.seq, Fault::NotHead)),
    }
    match known {
        Some(known) if known.seq > tip.seq => Err(Stop::Fault(next, Fault::Lost)),
        _ => Ok(()),
    }
}

/// One event that has the right place.
fn check(conn: &Connection, row: &Row<'_>, before: &Tip) -> rusqlite::Result<Result<Tip, Fault>> {
    let seq = before.seq + 1;
    if hash(row.get_ref(1)?) != Some(before.hash) {
        return Ok(Err(Fault::Unlinked));
    }
    let Ok(body) = row.get_ref(3)?.as_bytes() else { return Ok(Err(Fault::Altered)) };
    let proved = chain(&before.hash, seq, &digest(body));
    if hash(row.get_ref(2)?) != Some(proved) {
        return Ok(Err(Fault::Altered));
    }
    let draft = match record::decode(body) {
        Ok(draft) => draft,
        Err(reason) => return Ok(Err(Fault::Unreadable(reason))),
    };
    if row.get_ref(4)?.as_str() != Ok(draft.source.as_str())
        || row.get_ref(5)?.as_str() != Ok(draft.id.as_str())
    {
        return Ok(Err(Fault::Misfiled));
    }
    // The index is what keeps an event from being written twice, so it is proved too.
    let filed = conn
        .prepare_cached("SELECT seq FROM events INDEXED BY events_by_id WHERE source = ? AND id = ?")?
        .query_row(params![draft.source, draft.id.as_str()], |row| Ok(number(row.get_ref(0)?)))
        .optional()?;
    if filed != Some(seq) {
        return Ok(Err(Fault::Misfiled));
    }
    Ok(Ok(Tip { seq, hash: proved }))
}
