//! Events that the server has not yet acknowledged, on disk: one file each, so that each can go by itself.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mainstay_api::link::Happened;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::files;

/// The most events that are kept for a server that is away. Beyond it the oldest go, so that a host whose server never
/// returns does not fill its disk.
const MOST: usize = 10_000;

/// The largest event file that is read back.
const MAX_EVENT_BYTES: u64 = 1024 * 1024;

/// The disk form of [`Happened`].
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    kind: String,
    time_ms: i64,
    workload: String,
    subject: String,
    data_json: String,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<(u64, Happened)>,
    last: u64,
}

/// The events, in order.
#[derive(Debug)]
pub struct Outbox {
    dir: PathBuf,
    inner: Mutex<Inner>,
    last: watch::Sender<u64>,
}

impl Outbox {
    /// Opens the directory and reads what an earlier agent left. A file that cannot be read is put aside and said.
    pub fn open(dir: &Path) -> io::Result<Self> {
        files::make_dir(dir)?;
        let mut events = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let number =
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
            let (Some(number), Some("json")) = (number, path.extension().and_then(|e| e.to_str())) else {
                continue;
            };
            let read = files::read_limited(&path, MAX_EVENT_BYTES)
                .and_then(|bytes| Ok(serde_json::from_slice::<Stored>(&bytes)?));
            match read {
                Ok(event) => {
                    let Stored { id, kind, time_ms, workload, subject, data_json } = event;
                    events.push((number, Happened { id, kind, time_ms, workload, subject, data_json }));
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "an unsent event cannot be read and is put aside");
                    let _ = fs::rename(&path, path.with_extension("unreadable"));
                }
            }
        }
        events.sort_by_key(|(number, _)| *number);
        let last = events.last().map_or(0, |(number, _)| *number);
        let inner = Inner { events: events.into(), last };
        Ok(Self { dir: dir.to_owned(), inner: Mutex::new(inner), last: watch::channel(last).0 })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:020}.json"))
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Each change is complete before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event. One that the disk does not take is still sent, as long as this agent lives. Adding an event that
    /// is still there changes nothing.
    pub fn push(&self, event: Happened) {
        let mut inner = self.inner();
        if inner.events.iter().any(|(_, known)| known.id == event.id) {
            return;
        }
        inner.last += 1;
        let number = inner.last;
        let Happened { id, kind, time_ms, workload, subject, data_json } = event.clone();
        let stored = Stored { id, kind, time_ms, workload, subject, data_json };
        let written = serde_json::to_vec(&stored)
            .map_err(io::Error::from)
            .and_then(|bytes| files::replace(&self.path(number), &bytes));
        if let Err(error) = written {
            tracing::error!(kind = event.kind, %error, "an event could not be stored and is lost if the agent ends now");
        }
        inner.events.push_back((number, event));
        if inner.events.len() > MOST
            && let Some((oldest, lost)) = inner.events.pop_front()
        {
            let _ = fs::remove_file(self.path(oldest));
            tracing::error!(
                id = lost.id,
                kind = lost.kind,
                "the server is away for too long: an event is dropped"
            );
        }
        drop(inner);
        self.last.send_replace(number);
    }

    /// Up to `limit` events after this number, with their numbers.
    pub fn after(&self, number: u64, limit: usize) -> Vec<(u64, Happened)> {
        self.inner().events.iter().filter(|(n, _)| *n > number).take(limit).cloned().collect()
    }

    /// The number of the last event, and a wake-up when there is another.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Drops what the server has.
    pub fn acknowledged(&self, ids: &[String]) {
        let mut gone = Vec::new();
        self.inner().events.retain(|(number, event)| {
            let keep = !ids.contains(&event.id);
            if !keep {
                gone.push(*number);
            }
            keep
        });
        for number in gone {
            // Still there after a crash, it is sent again, which the server takes for what it is.
            let _ = fs::remove_file(self.path(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stay_until_acknowledged() {
        let dir = tempfile::tempdir().expect("a directory");
        let event = |id: &str| Happened {
            id: id.to_owned(),
            kind: "service.ready".to_owned(),
            ..Happened::default()
        };
        let ids = |outbox: &Outbox| outbox.after(0, 10).into_iter().map(|(_, e)| e.id).collect::<Vec<_>>();
        {
            let outbox = Outbox::open(dir.path()).expect("opened");
            for id in ["a", "b", "a", "c"] {
                outbox.push(event(id));
            }
            assert_eq!(ids(&outbox), ["a", "b", "c"]);
            outbox.acknowledged(&["b".to_owned(), "x".to_owned()]);
        }
        fs::write(dir.path().join("00000000000000000009.json"), "garbage").expect("written");
        let outbox = Outbox::open(dir.path()).expect("opened");
        assert_eq!(ids(&outbox), ["a", "c"]);
        outbox.push(event("d"));
        assert_eq!(ids(&outbox), ["a", "c", "d"]);
        assert_eq!(outbox.after(outbox.after(0, 10)[1].0, 10).len(), 1);
    }
}
