//! Small files that are whole or not there.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Writes a file that only its owner may read, in folders of which the same is true where they have to be made.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write(path, bytes, 0o600, 0o700)
}

/// Makes a folder that only its owner may use, or takes away what others may do in one that is there. Says whether that had to be
/// done: whoever made it may not expect it. Refused where the folder is somebody else's and open to others.
pub fn make_private_folder(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let known = std::fs::metadata(path)?;
    if known.mode() & 0o077 == 0 {
        return Ok(false);
    }
    if known.uid() != rustix::process::geteuid().as_raw() {
        let why = format!(
            "it belongs to the user {}, and others may look into it: narrow it (`chmod 700`), or choose another one (`--data`)",
            known.uid()
        );
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    Ok(true)
}

/// Writes a file that others may read, as far as the process lets them.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write(path, bytes, 0o666, 0o777)
}

fn write(path: &Path, bytes: &[u8], mode: u32, folder_mode: u32) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(folder_mode).create(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    // What an earlier try left may have another mode.
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_others_may_look_into_is_narrowed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/data");
        let mode = || std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert!(!make_private_folder(&path).expect("made") && mode() == 0o700);
        for open in [0o755, 0o750, 0o701] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open)).expect("set");
            assert!(make_private_folder(&path).expect("narrowed") && mode() == 0o700, "{open:o}");
            assert!(!make_private_folder(&path).expect("as it should be"));
        }
    }

    #[test]
    fn a_private_file_is_private_from_the_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/secret.json");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        write_private(&path, b"one").expect("written");
        // What was left beside it, readable by everybody, is not written into.
        std::fs::write(path.with_file_name("secret.json.new"), "left").expect("written");
        write_private(&path, b"two").expect("written again");
        assert_eq!(std::fs::read(&path).expect("read"), b"two");
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        assert!(!path.with_file_name("secret.json.new").exists());
    }
}
