//! The one place where the control plane reads the clock. Everything else is handed the time, so that scenarios run
//! on a clock of their own.

use std::time::Duration;

use futures::future::BoxFuture;
use mainstay_model::Timestamp;

/// The time, and waiting for it.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Resolves when `now()` has reached the instant.
    fn until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}

/// Resolves at an instant; never where there is none.
pub fn until_if_ever(clock: &dyn Clock, at: Option<Timestamp>) -> BoxFuture<'static, ()> {
    at.map_or_else(|| Box::pin(std::future::pending()) as _, |at| clock.until(at))
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A wait is cut into pieces, so that it ends in time although the clock was set forward meanwhile.
const LONGEST_NAP: Duration = Duration::from_secs(10);

impl SystemClock {
    fn read() -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the Clock implementation that reads the clock"
        )]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Self::read()
    }

    fn until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let left = at.since(Self::read());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_NAP)).await;
            }
        })
    }
}
