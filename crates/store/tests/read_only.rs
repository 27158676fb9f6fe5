//! A journal on a medium that cannot be written, such as a mounted backup.

use std::path::PathBuf;

use mainstay_store::{rebuild, verify};

/// Needs a journal's directory on a file system mounted read-only (`MAINSTAY_READ_ONLY_JOURNAL`).
#[test]
fn a_read_only_copy_can_be_proved() {
    let Some(dir) = std::env::var_os("MAINSTAY_READ_ONLY_JOURNAL").map(PathBuf::from) else {
        println!("skipped: no read-only journal (MAINSTAY_READ_ONLY_JOURNAL)");
        return;
    };
    let proved = verify(&dir).expect("whole");
    assert_eq!(rebuild(&dir, &[], false).expect("compares").events, proved.events);
    assert!(rebuild(&dir, &[], true).is_err());
}
