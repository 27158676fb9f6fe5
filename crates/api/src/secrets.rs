//! Secrets by reference: read where they are needed when they are needed, and kept nowhere. Agents read those of services,
//! the server those of sources and webhooks.
//!
//! A reference is `file:/absolute/path` or `env:NAME`. The journal, and whatever else is written, holds only references;
//! messages name them and never a value.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The largest secret.
const MAX_BYTES: u64 = 64 * 1024;

/// A reference, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A file that only its owner may read.
    File(&'a Path),
    /// A variable of this process's environment.
    Environment(&'a str),
}

/// Reads a reference.
pub fn parse(text: &str) -> Result<Reference<'_>, String> {
    match text.split_once(':') {
        Some(("file", path)) if path.starts_with('/') => Ok(Reference::File(Path::new(path))),
        Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
            Ok(Reference::Environment(name))
        }
        // It may be the secret itself, so it is not repeated.
        _ => Err("a secret is not referred to by `file:/absolute/path` or `env:NAME`".to_owned()),
    }
}

/// The value that is referred to. One line break at the end of a file is no part of it.
pub fn read(reference: &str) -> Result<String, String> {
    match parse(reference)? {
        Reference::Environment(name) => std::env::var(name)
            .map_err(|_| format!("this process's environment has no variable {name} that is text")),
        Reference::File(path) => file(path),
    }
}

fn file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let said = |error: std::io::Error| format!("`{shown}` cannot be read: {error}");
    // Opening a pipe would wait for a writer, so it is looked at first; what counts is what was opened.
    if !fs::metadata(path).map_err(said)?.is_file() {
        return Err(format!("`{shown}` is not a regular file"));
    }
    let file = File::open(path).map_err(said)?;
    let metadata = file.metadata().map_err(said)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "`{shown}` may be read by others (mode {mode:04o}): chmod 600 makes it a secret"
        ));
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(format!("`{shown}` belongs to user {}, and this process is user {own}", metadata.uid()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("`{shown}` is larger than {MAX_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("`{shown}` is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() || text.contains('\0') {
        return Err(format!("`{shown}` holds no text that a variable could have"));
    }
    Ok(text.to_owned())
}

/// The variables of this process's environment that these references name: a shim inherits nothing else.
pub fn handed_on<'a>(references: impl Iterator<Item = &'a String>) -> Vec<(String, String)> {
    references
        .filter_map(|reference| match parse(reference) {
            Ok(Reference::Environment(name)) => Some((name.to_owned(), std::env::var(name).ok()?)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_what_its_owner_alone_can_read_is_a_secret() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("password");
        let reference = format!("file:{}", path.display());
        assert!(read(&reference).expect_err("not there").contains("cannot be read"));
        let write = |bytes: &[u8], mode: u32| {
            fs::write(&path, bytes).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        };
        write(b"s3cret with spaces\n", 0o600);
        assert_eq!(read(&reference).as_deref(), Ok("s3cret with spaces"));
        for mode in [0o640, 0o604, 0o620] {
            write(b"s3cret\n", mode);
            let said = read(&reference).expect_err("others can read it");
            assert!(said.contains(&format!("mode {mode:04o}")) && !said.contains("s3cret"), "{said}");
        }
        for bytes in [&b""[..], b"\n", b"a\0b", b"\xff"] {
            write(bytes, 0o600);
            assert!(read(&reference).is_err(), "{bytes:?}");
        }
        assert!(
            read(&format!("file:{}", dir.path().display())).expect_err("a directory").contains("regular")
        );
        for text in ["hunter2", "file:relative", "env:", "vault:x", ""] {
            assert!(!parse(text).expect_err(text).contains("hunter2"));
        }
        assert!(read("env:MAINSTAY_NO_SUCH_VARIABLE").is_err());
    }
}
