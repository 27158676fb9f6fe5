//! A clock that runs on tokio's time, which a test pauses.

use std::time::Duration;

use futures::future::BoxFuture;
use mainstay_model::Timestamp;
use mainstay_server::clock::Clock;
use tokio::time::Instant;

/// Starts at a given instant and moves with tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    origin: Timestamp,
    started: Instant,
}

impl SimClock {
    /// A clock that now shows `origin`. To be made inside a runtime whose time is paused.
    pub fn starting_at(origin: Timestamp) -> Self {
        Self { origin, started: Instant::now() }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        // Tokio's timers are exact to the millisecond and fire a little late rather than early.
        self.origin.plus(self.started.elapsed())
    }

    fn until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let wait: Duration = at.since(self.origin);
        Box::pin(tokio::time::sleep_until(self.started + wait))
    }
}
