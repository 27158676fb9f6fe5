//! The words every other crate uses: ids, time, tags and selectors, the event envelope, and problems
//! found in files.
//!
//! This crate is pure (no clock, no IO) and stays small. Nothing here is a wire or disk format by
//! itself: `mainstay-api` owns the wire and `mainstay-store` owns the disk.

pub mod access;
pub mod event;
pub mod hash;
pub mod header;
pub mod id;
pub mod json;
pub mod problem;
pub mod selector;
pub mod tags;
pub mod time;

pub use event::{Actor, Event, EventDraft};
pub use hash::{EventHash, InvalidHash};
pub use id::{CommandId, EventId, HostId, IncidentId, InvalidId, RevisionId, RunId};
pub use problem::{Problem, Segment, Severity, Spot};
pub use selector::{Selector, SelectorError};
pub use tags::Tags;
pub use time::{
    DurationError, Timestamp, TimestampError, duration_in_words, format_duration, parse_duration,
};
