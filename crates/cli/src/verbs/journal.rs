//! `mainstay journal …`: works on the data directory, without a server.

use std::fmt::Write as _;
use std::path::Path;

use mainstay_store::{Rebuilt, StoreError, Verified, VerifyError};

use crate::args::JournalVerb;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, count};

/// How many ids of differing rows are listed for a table.
const MAX_IDS: usize = 10;

/// Proves or rebuilds the journal of a data directory.
pub fn run(screen: Screen, data: &Path, verb: &JournalVerb) -> Result<(), Failure> {
    let dir = mainstay_server::config::journal_dir(data);
    match verb {
        JournalVerb::Verify => {
            let verified = verify(&dir)?;
            screen.show(&verified, render_verified)
        }
        JournalVerb::Rebuild { check } => {
            let folds = mainstay_server::folds();
            let rebuilt =
                mainstay_store::rebuild(&dir, &folds, !check).map_err(|error| store_failure(&error))?;
            screen.show(&rebuilt, |rebuilt| render_rebuilt(rebuilt, !check))?;
            if *check && !rebuilt.agrees() {
                return Err(Failure::new(Exit::No, "The tables are not what the events say")
                    .hint("stop the server and run `mainstay journal rebuild`"));
            }
            Ok(())
        }
    }
}

/// Proves the journal in a directory.
pub fn verify(dir: &Path) -> Result<Verified, Failure> {
    mainstay_store::verify(dir).map_err(|error| match &error {
        VerifyError::Unreadable(store) => store_failure(store),
        VerifyError::Broken { .. } | VerifyError::Pages { .. } => Failure::of(Exit::No, &error),
    })
}

/// What a proof said.
pub fn render_verified(verified: &Verified) -> String {
    format!(
        "The journal is whole: {}, none changed, lost or added. Its head is {}\n",
        count(usize::try_from(verified.events).unwrap_or(usize::MAX), "event"),
        verified.head_hash
    )
}

fn render_rebuilt(rebuilt: &Rebuilt, written: bool) -> String {
    let mut out = String::new();
    let events = count(usize::try_from(rebuilt.events).unwrap_or(usize::MAX), "event");
    let tables = count(rebuilt.tables.len(), "table");
    if rebuilt.agrees() {
        let _ = writeln!(out, "{tables} computed from {events}: every row is as it was stored");
    } else {
        let what = if written { "replaced" } else { "different" };
        let rows: usize = rebuilt.tables.iter().map(|table| table.differing.len()).sum();
        let _ = writeln!(out, "{tables} computed from {events}: {} {what}", count(rows, "row"));
    }
    for table in &rebuilt.tables {
        let _ = write!(
            out,
            "  {}: {}",
            table.table,
            count(usize::try_from(table.rows).unwrap_or(usize::MAX), "row")
        );
        if !table.differing.is_empty() {
            let shown: Vec<&str> = table.differing.iter().take(MAX_IDS).map(String::as_str).collect();
            let more = table.differing.len().saturating_sub(MAX_IDS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = write!(
                out,
                ", {}: {}{more}",
                if written { "replaced" } else { "different" },
                shown.join(", ")
            );
        }
        out.push('\n');
    }
    out
}

fn store_failure(error: &StoreError) -> Failure {
    Failure::of(Exit::Local, error)
}

#[cfg(test)]
mod tests {
    use mainstay_store::RebuiltTable;

    use super::*;

    #[test]
    fn a_rebuild_says_what_differs() {
        let table = |differing: Vec<String>| RebuiltTable { table: "runs", rows: 2, differing };
        let agreed = Rebuilt { events: 7, tables: vec![table(Vec::new())] };
        assert_eq!(
            render_rebuilt(&agreed, false),
            "1 table computed from 7 events: every row is as it was stored\n  runs: 2 rows\n"
        );
        let other = Rebuilt { events: 7, tables: vec![table(vec!["a".to_owned()])] };
        assert_eq!(
            render_rebuilt(&other, true),
            "1 table computed from 7 events: 1 row replaced\n  runs: 2 rows, replaced: a\n"
        );
    }

    #[test]
    fn no_journal_is_a_local_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(verify(folder.path()).expect_err("nothing there").exit, Exit::Local);
    }
}
