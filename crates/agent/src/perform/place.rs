//! Where what was downloaded goes: into a new file or folder, or into a folder that is there. Nothing is seen half
//! written, and nothing leaves the destination.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::Ended;

/// A file beside its final place, removed unless it gets there.
pub(super) struct Pending {
    temporary: PathBuf,
    place: PathBuf,
    /// What is written to.
    pub file: File,
    done: bool,
}

impl Pending {
    /// A new file for `place`, whose folder is made if it is not there.
    pub fn new(place: &Path) -> io::Result<Self> {
        let folder = place.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.{}.new", std::process::id()));
        let file = File::options().write(true).create_new(true).open(&temporary)?;
        Ok(Self { temporary, place: place.to_owned(), file, done: false })
    }

    /// Puts it in its place, in place of what was there.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.place)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Where a single file goes: the destination itself, or a file of that name in it where it is a folder.
pub(super) fn of_file(destination: Option<&str>, name: &str) -> Result<PathBuf, String> {
    let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && name.len() <= 255;
    let within = |folder: &Path| {
        if plain {
            Ok(folder.join(name))
        } else {
            Err("what is downloaded has no name of its own: name the file in `destinationPath`".to_owned())
        }
    };
    match destination {
        None => within(Path::new("")),
        Some(text) if text.ends_with('/') || Path::new(text).is_dir() => within(Path::new(text)),
        Some(text) => Ok(PathBuf::from(text)),
    }
}

/// Puts a document of the workload there, as JSON.
pub(super) fn document(name: &str, value: &Value, destination: Option<&str>) -> Ended {
    let written = of_file(destination, &format!("{name}.json")).and_then(|place| {
        let said = |error: io::Error| format!("`{}` cannot be written: {error}", place.display());
        let mut pending = Pending::new(&place).map_err(said)?;
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        pending.file.write_all(text.as_bytes()).map_err(said)?;
        pending.keep().map_err(said)?;
        Ok(place)
    });
    match written {
        Ok(place) => Ended::good(format!("wrote {}", place.display())),
        Err(message) => Ended::failed(message),
    }
}

/// Moves what is in `from` to `to`, into what is there. Links that lead out of `from` are refused before anything is
/// moved, and no link of the destination is followed.
pub(super) fn merge(from: &Path, to: &Path) -> Result<usize, String> {
    let mut links = Vec::new();
    let files = survey(from, from, &mut links)?;
    if let Some(link) = links.first() {
        return Err(format!("it holds the link `{}`, which leads out of it", link.display()));
    }
    fs::create_dir_all(to).map_err(|error| format!("`{}` cannot be made: {error}", to.display()))?;
    move_into(from, to)?;
    Ok(files)
}

/// Counts files, and notes links that lead out.
fn survey(root: &Path, folder: &Path, links: &mut Vec<PathBuf>) -> Result<usize, String> {
    let mut files = 0;
    let said = |error: io::Error| format!("`{}` cannot be read: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(said)? {
        let entry = entry.map_err(said)?;
        let kind = entry.file_type().map_err(said)?;
        if kind.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(said)?;
            if leads_out(root, folder, &target) {
                links.push(entry.path().strip_prefix(root).unwrap_or(&entry.path()).to_owned());
            }
            files += 1;
        } else if kind.is_dir() {
            files += survey(root, &entry.path(), links)?;
        } else {
            files += 1;
        }
    }
    Ok(files)
}

fn leads_out(root: &Path, folder: &Path, target: &Path) -> bool {
    let mut depth = folder.strip_prefix(root).map_or(0, |path| path.components().count());
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return true,
        }
    }
    false
}

fn move_into(from: &Path, to: &Path) -> Result<(), String> {
    let said = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("`{path}` cannot be written: {error}")
    };
    for entry in fs::read_dir(from).map_err(said(from))? {
        let entry = entry.map_err(said(from))?;
        let place = to.join(entry.file_name());
        let there = fs::symlink_metadata(&place).ok();
        let is_folder = entry.file_type().map_err(said(from))?.is_dir();
        match there {
            Some(there) if is_folder && there.is_dir() => move_into(&entry.path(), &place)?,
            Some(there) if is_folder || there.is_dir() => {
                return Err(format!("`{}` is there and is something else", place.display()));
            }
            _ => fs::rename(entry.path(), &place).map_err(said(&place))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_is_not_moved() {
        let root = tempfile::tempdir().expect("a directory");
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("a/b")).expect("made");
        fs::write(from.join("a/b/file"), "new").expect("written");
        std::os::unix::fs::symlink("../b/file", from.join("a/b/link")).expect("linked");
        fs::create_dir_all(to.join("a")).expect("made");
        fs::write(to.join("kept"), "kept").expect("written");
        assert_eq!(merge(&from, &to), Ok(2));
        assert_eq!(fs::read_to_string(to.join("a/b/link")).expect("read"), "new");
        assert_eq!(fs::read_to_string(to.join("kept")).expect("read"), "kept");

        for target in ["/etc/passwd", "../../x", "b/../../../x"] {
            fs::create_dir_all(from.join("a")).expect("made");
            std::os::unix::fs::symlink(target, from.join("a/out")).expect("linked");
            let said = merge(&from, &to).expect_err(target);
            assert!(said.contains("a/out"), "{said}");
            assert!(fs::symlink_metadata(to.join("a/out")).is_err(), "{target}");
            fs::remove_file(from.join("a/out")).expect("removed");
        }
        // A link of the destination is not followed.
        fs::create_dir_all(from.join("c")).expect("made");
        fs::write(from.join("c/file"), "x").expect("written");
        std::os::unix::fs::symlink(root.path(), to.join("c")).expect("linked");
        assert!(merge(&from, &to).expect_err("a link").contains("something else"));
        assert!(!root.path().join("file").exists());
    }

    #[test]
    fn a_file_is_named_by_what_it_is_or_by_the_destination() {
        let root = tempfile::tempdir().expect("a directory");
        let folder = root.path().display().to_string();
        assert_eq!(of_file(Some(&folder), "a.sh"), Ok(root.path().join("a.sh")));
        assert_eq!(of_file(Some(&format!("{folder}/new/")), "a.sh"), Ok(root.path().join("new/a.sh")));
        assert_eq!(of_file(Some(&format!("{folder}/b.sh")), "a.sh"), Ok(root.path().join("b.sh")));
        assert_eq!(of_file(None, "a.sh"), Ok(PathBuf::from("a.sh")));
        for name in ["", "..", "."] {
            assert!(of_file(Some(&folder), name).is_err(), "{name}");
        }
    }
}
