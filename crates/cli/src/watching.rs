//! Waiting for files to change, for verbs that look again whenever one does.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::io::Errno;

use crate::directory;
use crate::exit::Failure;

/// How long nothing may change before it is looked at: an editor that saves writes, renames and changes again.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 80_000_000 };

/// How often the quiet is waited for, so that a program that never stops writing does not keep the answer back.
const MOST_WAITS: usize = 25;

/// Folders that are watched.
pub struct Watch(OwnedFd);

impl Watch {
    /// None yet.
    pub fn new() -> Result<Self, Failure> {
        inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
            .map(Self)
            .map_err(|error| Failure::local("Changes of files cannot be watched", &error))
    }

    /// Watches every folder below a directory that may hold something, or the folder of a file. Watching one twice is
    /// watching it once.
    pub fn add(&self, path: &Path) -> Result<(), Failure> {
        use inotify::WatchFlags as Flags;
        let wanted = Flags::CLOSE_WRITE
            | Flags::CREATE
            | Flags::DELETE
            | Flags::MOVED_FROM
            | Flags::MOVED_TO
            | Flags::ATTRIB
            | Flags::ONLYDIR;
        let folders = if path.is_file() {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            vec![parent.unwrap_or(Path::new(".")).to_owned()]
        } else {
            directory::folders(path)
        };
        for folder in folders {
            match inotify::add_watch(&self.0, &folder, wanted) {
                // Gone in the meantime, which is a change that is seen from above.
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                Err(error) => {
                    let failure =
                        Failure::local(format!("The folder {} cannot be watched", folder.display()), &error);
                    return Err(match error {
                        Errno::NOSPC => failure.hint("raise fs.inotify.max_user_watches"),
                        _ => failure,
                    });
                }
            }
        }
        Ok(())
    }

    /// Waits for a change, and then until it is quiet.
    pub fn wait(&self) -> Result<(), Failure> {
        until_ready(&self.0, None)?;
        for _ in 0..MOST_WAITS {
            drain(&self.0)?;
            if !until_ready(&self.0, Some(&QUIET))? {
                break;
            }
        }
        drain(&self.0)
    }
}

fn until_ready(events: &OwnedFd, timeout: Option<&Timespec>) -> Result<bool, Failure> {
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::IN)], timeout) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::local("Changes of files cannot be watched", &error)),
        }
    }
}

fn drain(events: &OwnedFd) -> Result<(), Failure> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    loop {
        match reader.next() {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(Failure::local("Changes of files cannot be watched", &error)),
        }
    }
}
