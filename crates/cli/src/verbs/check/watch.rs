//! `mainstay check --watch`: checks again whenever a file changes, and prints what that changed.

use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use mainstay_declare::Diagnostic;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::io::Errno;

use super::{Answer, look, value};
use crate::args::Output;
use crate::diagnostics;
use crate::directory;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, say};

/// How long nothing may change before it is checked: an editor that saves writes, renames and changes again.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 80_000_000 };

/// How often the quiet is waited for, so that a program that never stops writing does not keep the answer back.
const MOST_WAITS: usize = 25;

/// Checks until it is interrupted.
pub fn run(screen: Screen, path: &Path) -> Result<(), Failure> {
    if screen.output == Output::Sarif {
        return Err(Failure::new(Exit::Usage, "`--watch` has no end, and SARIF is one document")
            .hint("use `--output json`, which prints one line for each check"));
    }
    let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
        .map_err(|error| Failure::local("Changes of files cannot be watched", &error))?;
    watch(&events, path)?;
    let mut before = look(path)?;
    before.standards.iter().try_for_each(|standard| watch(&events, standard))?;
    match screen.output {
        Output::Human => {
            screen.print(&diagnostics::render(&before.diagnostics, &before.sources, screen.style.color))?;
            if before.diagnostics.is_empty() {
                say(&before.clean);
            }
            say("waiting for changes; Ctrl-C ends it");
        }
        _ => screen.json_line(&value(&before))?,
    }
    loop {
        wait(&events)?;
        // New folders are watched before they are read, so that nothing is missed in between.
        watch(&events, path)?;
        let now = look(path)?;
        now.standards.iter().try_for_each(|standard| watch(&events, standard))?;
        if now.sources == before.sources && now.diagnostics == before.diagnostics {
            continue;
        }
        match screen.output {
            Output::Human => {
                screen.print(&difference(&before, &now, screen.style.color))?;
                if now.diagnostics.is_empty() {
                    say(&now.clean);
                }
            }
            _ => screen.json_line(&value(&now))?,
        }
        let _ = std::io::stdout().flush();
        before = now;
    }
}

/// Watches every folder that may hold something. Watching one twice is watching it once.
fn watch(events: &OwnedFd, path: &Path) -> Result<(), Failure> {
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
        match inotify::add_watch(events, &folder, wanted) {
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
fn wait(events: &OwnedFd) -> Result<(), Failure> {
    until_ready(events, None)?;
    for _ in 0..MOST_WAITS {
        drain(events)?;
        if !until_ready(events, Some(&QUIET))? {
            break;
        }
    }
    drain(events)
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

/// A problem without its place: one that only moved is not a new one.
fn same(a: &Diagnostic, b: &Diagnostic) -> bool {
    (a.code, &a.path, &a.message) == (b.code, &b.path, &b.message)
}

/// What is new is drawn in full, what is gone is named.
fn difference(before: &Answer, now: &Answer, color: bool) -> String {
    let missing = |from: &[Diagnostic], others: &[Diagnostic]| -> Vec<Diagnostic> {
        from.iter().filter(|one| !others.iter().any(|other| same(one, other))).cloned().collect()
    };
    let gone = missing(&before.diagnostics, &now.diagnostics);
    let new = missing(&now.diagnostics, &before.diagnostics);
    let mut out = String::new();
    for diagnostic in &gone {
        let line = format!("gone[{}]: {}\n --> {}\n", diagnostic.code, diagnostic.message, diagnostic.path);
        out.push_str(&crate::screen::clean_lines(&line));
    }
    if !gone.is_empty() {
        out.push('\n');
    }
    if !new.is_empty() {
        let drawn = diagnostics::render(&new, &now.sources, color);
        // The count is of all problems, and follows.
        out.push_str(drawn.trim_end().rsplit_once('\n').map_or("", |(problems, _)| problems));
        out.push('\n');
    }
    let old = now.diagnostics.len() - new.len();
    if !now.diagnostics.is_empty() {
        let kept =
            if old > 0 && !new.is_empty() { format!(", {old} of them as before") } else { String::new() };
        let kept = if new.is_empty() { ", none of them new".to_owned() } else { kept };
        out.push_str(&format!("{}{kept}\n", diagnostics::summary(&now.diagnostics)));
    }
    out
}
