//! The store is its owner's alone: logs and traces of services are not for every user of the machine. What an earlier version
//! left open to others is narrowed.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Makes the folder, or takes away what others may do in it.
pub(super) fn make_folder(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    narrow(dir, 0o700)
}

/// Makes the database's file, and takes away what others may do with it and with those that SQLite keeps beside it.
pub(super) fn make_files(database: &Path) -> io::Result<()> {
    File::options().create(true).truncate(false).write(true).mode(0o600).open(database)?;
    narrow(database, 0o600)?;
    for suffix in ["-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        let beside = PathBuf::from(name);
        if beside.exists() {
            narrow(&beside, 0o600)?;
        }
    }
    narrow(&database.with_file_name("telemetry.lock"), 0o600)
}

fn narrow(path: &Path, mode: u32) -> io::Result<()> {
    if std::fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Telemetry};

    #[test]
    fn nobody_else_reads_the_store_whatever_an_earlier_version_left() {
        let temp = tempfile::tempdir().expect("a folder");
        let dir = temp.path().join("telemetry");
        let modes = || -> Vec<(String, u32)> {
            let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
            let files = std::fs::read_dir(&dir).expect("there").map(|entry| entry.expect("an entry").path());
            let mut all: Vec<_> = files.map(|path| (path.display().to_string(), mode(&path))).collect();
            all.push((".".to_owned(), mode(&dir)));
            all
        };
        let is_private =
            |all: &[(String, u32)]| all.len() >= 4 && all.iter().all(|(_, mode)| mode & 0o077 == 0);
        let store = Telemetry::open(&dir, Options::default()).expect("opened");
        assert!(is_private(&modes()), "{:?}", modes());
        drop(store);
        for (path, _) in modes() {
            let path = if path == "." { dir.clone() } else { PathBuf::from(path) };
            let open = if path == dir { 0o755 } else { 0o644 };
            std::fs::set_permissions(path, Permissions::from_mode(open)).expect("set");
        }
        let _store = Telemetry::open(&dir, Options::default()).expect("opened again");
        assert!(is_private(&modes()), "{:?}", modes());
    }
}
