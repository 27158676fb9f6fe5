//! The only place of this crate that reads the clock. Everything that decides takes the time as a value.

use std::time::Instant;

use mainstay_model::Timestamp;

/// The wall clock, to the millisecond.
#[expect(clippy::disallowed_methods, reason = "this is the clock that all other code is handed values of")]
pub fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// The monotonic clock: for deadlines inside one process.
#[expect(clippy::disallowed_methods, reason = "this is the clock that all other code is handed values of")]
pub fn monotonic() -> Instant {
    Instant::now()
}
