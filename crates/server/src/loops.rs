//! Keeps loops going: one that fails is started again, and the failure is seen meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::Health;
use crate::clock::Clock;
use crate::views;

const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// A loop that lasts so long is taken to work again.
const SETTLED: Duration = Duration::from_secs(5);

/// Where loops run.
#[derive(Clone)]
pub struct Loops {
    /// The tasks.
    pub tasks: TaskTracker,
    /// Ends them.
    pub stop: CancellationToken,
    clock: Arc<dyn Clock>,
    health: Health,
}

impl Loops {
    /// No loops yet.
    pub fn new(clock: Arc<dyn Clock>, health: Health, stop: CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), stop, clock, health }
    }

    /// The clock they go by.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Runs a loop that ends by itself when stopped and does not fail.
    pub fn run(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(future);
    }

    /// Runs a loop that may fail. `make` starts it anew from what is durable.
    pub fn keep<F, E>(&self, part: &'static str, mut make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let Self { stop, clock, health, .. } = self.clone();
        self.tasks.spawn(async move {
            let mut pause = PAUSE_FIRST;
            loop {
                let began = clock.now();
                let work = make();
                tokio::pin!(work);
                let settled = clock.until(began.plus(SETTLED));
                let ended = tokio::select! {
                    ended = &mut work => ended,
                    () = settled => {
                        health.good(part);
                        pause = PAUSE_FIRST;
                        work.await
                    }
                };
                let Err(error) = ended else { return };
                let reason = views::chain(&error);
                tracing::error!(part, reason, "a part of the server failed; starting it again");
                health.bad(part, reason);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = clock.until(clock.now().plus(pause)) => {}
                }
                pause = (pause * 2).min(PAUSE_MOST);
            }
        });
    }
}
