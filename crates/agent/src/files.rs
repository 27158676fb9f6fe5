//! Small files that survive a crash: written beside their place, synced, renamed into it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;

/// Makes a directory and its parents, readable by the owner only. One that exists is fine.
pub fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a new file, readable by the owner only, and syncs it. Its name is not durable before [`sync_dir`].
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces a file so that a reader, also one after a crash, sees the old or the new content and never a part.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    write_new(beside, bytes)?;
    fs::rename(beside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// The content of a file up to `limit` bytes; a larger file is an error, because a small one was expected.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// A lock on a file that lasts as long as the value, and never longer than the process.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock, or says `None` when another process has it.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes in the lock file who has it, for people.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_a_lock_is_exclusive() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("f");
        replace(&path, b"one").expect("written");
        replace(&path, b"two").expect("written");
        assert_eq!(read_limited(&path, 3).expect("small"), b"two");
        assert!(read_limited(&path, 2).is_err());
        let lock = Lock::try_take(&dir.path().join("lock")).expect("io").expect("free");
        assert!(Lock::try_take(&dir.path().join("lock")).expect("io").is_none());
        drop(lock);
        assert!(Lock::try_take(&dir.path().join("lock")).expect("io").is_some());
    }
}
