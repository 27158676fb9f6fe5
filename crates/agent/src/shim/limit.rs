//! The memory limit of one process tree: by the kernel where a cgroup can be made, else by looking.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::procfs;

/// How often memory is looked at where no cgroup enforces the limit. A process can exceed its limit for so long.
pub const POLL_EVERY: Duration = Duration::from_millis(100);

/// What enforces the limit.
#[derive(Debug)]
pub enum Limiter {
    /// There is no limit.
    None,
    /// A cgroup of the memory controller, version 1 or 2.
    Cgroup {
        /// 1 or 2.
        version: u8,
        /// The cgroup made for the process tree.
        dir: PathBuf,
        /// The shim's own cgroup, to which it returns.
        home: PathBuf,
    },
    /// The resident memory of all descendants, added up every [`POLL_EVERY`]; shared pages count for each.
    Polling {
        /// The limit.
        bytes: u64,
    },
}

/// The cgroups of this process, read from text like `/proc/self/cgroup`: (version, path below the mount point).
fn own_cgroups(text: &str) -> Vec<(u8, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.split(',').any(|name| name == "memory") {
            found.push((1, path.to_owned()));
        } else if number == "0" && controllers.is_empty() {
            found.push((2, path.to_owned()));
        }
    }
    // Version 1 first: where it has the memory controller, version 2 has not.
    found.sort();
    found
}

fn make(version: u8, home: &Path, bytes: u64) -> io::Result<PathBuf> {
    let dir = home.join(format!("mainstay-{}", std::process::id()));
    // One of that name is empty and left by a shim that was killed, whose process id came round again.
    let _ = fs::remove_dir(&dir);
    fs::create_dir(&dir)?;
    let limit = bytes.to_string();
    let set = if version == 1 {
        fs::write(dir.join("memory.limit_in_bytes"), &limit).inspect(|()| {
            // Absent where the kernel does not account for swap.
            let _ = fs::write(dir.join("memory.memsw.limit_in_bytes"), &limit);
        })
    } else {
        // Absent where the parent does not hand the memory controller down.
        fs::write(dir.join("memory.max"), &limit).inspect(|()| {
            let _ = fs::write(dir.join("memory.swap.max"), "0");
            let _ = fs::write(dir.join("memory.oom.group"), "1");
        })
    };
    match set {
        Ok(()) => Ok(dir),
        Err(error) => {
            let _ = fs::remove_dir(&dir);
            Err(error)
        }
    }
}

impl Limiter {
    /// Prepares the limit.
    pub fn set_up(bytes: Option<u64>, by_polling: bool) -> Self {
        let Some(bytes) = bytes else { return Self::None };
        if !by_polling {
            let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            for (version, path) in own_cgroups(&own) {
                let mounts: &[&str] = if version == 1 {
                    &["/sys/fs/cgroup/memory"]
                } else {
                    &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
                };
                for mount in mounts {
                    let home = Path::new(mount).join(path.trim_start_matches('/'));
                    if let Ok(dir) = make(version, &home, bytes) {
                        return Self::Cgroup { version, dir, home };
                    }
                }
            }
        }
        Self::Polling { bytes }
    }

    /// What people read about it.
    pub fn label(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Cgroup { version: 1, .. } => Some("cgroup v1"),
            Self::Cgroup { .. } => Some("cgroup v2"),
            Self::Polling { .. } => Some("polling"),
        }
    }

    /// The cgroup made for it.
    pub fn cgroup(&self) -> Option<&Path> {
        match self {
            Self::Cgroup { dir, .. } => Some(dir),
            _ => None,
        }
    }

    /// Runs `spawn` with this process inside the cgroup, so that what it spawns is born there and nothing it starts in
    /// its first moments escapes the limit. The shim itself goes back: it must survive what its child does not.
    pub fn around<T>(&mut self, bytes: Option<u64>, spawn: impl FnOnce() -> T) -> T {
        let own = std::process::id().to_string();
        if let Self::Cgroup { dir, .. } = &*self
            && fs::write(dir.join("cgroup.procs"), &own).is_err()
        {
            self.tear_down();
            *self = Self::set_up(bytes, true);
        }
        let spawned = spawn();
        if let Self::Cgroup { home, .. } = &*self {
            // Cannot fail where the way in worked, short of a cgroup that was removed under us.
            let _ = fs::write(home.join("cgroup.procs"), &own);
        }
        spawned
    }

    /// Whether the limit was exceeded.
    pub fn exceeded(&self) -> bool {
        match self {
            Self::None => false,
            Self::Cgroup { version, dir, .. } => {
                let file = if *version == 1 { "memory.oom_control" } else { "memory.events" };
                fs::read_to_string(dir.join(file)).unwrap_or_default().lines().any(|line| {
                    line.strip_prefix("oom_kill ")
                        .is_some_and(|count| count.trim().parse::<u64>().is_ok_and(|n| n > 0))
                })
            }
            Self::Polling { bytes } => {
                let used: u64 =
                    procfs::descendants(std::process::id()).into_iter().map(procfs::resident_bytes).sum();
                used > *bytes
            }
        }
    }

    /// Removes the cgroup. Processes that left the group on purpose stay in it; then it stays too.
    pub fn tear_down(&self) {
        if let Self::Cgroup { dir, .. } = self {
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_cgroups_are_found() {
        let text = "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/c:d\n";
        assert_eq!(own_cgroups(text), [(1, "/a/b".to_owned()), (2, "/c:d".to_owned())]);
        assert_eq!(own_cgroups("garbage\n1:x"), []);
    }
}
