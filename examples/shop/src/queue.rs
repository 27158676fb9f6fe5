//! The queue of orders that wait for their confirmation, and the bug that stops its worker.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Orders in the order they were paid, for one worker. The ledger stays the truth: an order that was
/// not confirmed when the process ended is put in the queue again when it starts.
#[derive(Debug, Default)]
pub struct Queue {
    orders: Mutex<VecDeque<Paid>>,
    arrived: Notify,
    stuck: AtomicBool,
}

/// An order that was paid and is not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The order's id.
    pub order_id: String,
    /// When it was paid, in milliseconds since 1970.
    pub paid_ms: i64,
}

/// How the queue stands, as `GET /queue` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Orders that wait.
    pub depth: usize,
    /// How long the first of them has waited, in seconds; 0 when none waits.
    pub oldest_seconds: f64,
    /// What the worker does.
    pub worker: Worker,
}

/// What the worker of a queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Worker {
    /// It takes orders as they come.
    Running,
    /// It takes none.
    Stuck,
}

impl Queue {
    /// Adds an order at the end.
    pub fn push(&self, order: Paid) {
        self.lock().push_back(order);
        self.arrived.notify_one();
    }

    /// The next order, waiting for one to come. For one worker: two callers could miss an arrival.
    pub async fn next(&self) -> Paid {
        loop {
            if self.stuck.load(Ordering::Relaxed) {
                // The bug: the worker waits for something that never comes.
                std::future::pending::<()>().await;
            }
            if let Some(order) = self.lock().pop_front() {
                return order;
            }
            self.arrived.notified().await;
        }
    }

    /// Lets the worker get stuck before it takes its next order.
    pub fn stick(&self) {
        self.stuck.store(true, Ordering::Relaxed);
    }

    /// How many orders wait.
    pub fn depth(&self) -> usize {
        self.lock().len()
    }

    /// How the queue stands at `now_ms`, in milliseconds since 1970.
    pub fn standing(&self, now_ms: i64) -> Standing {
        let orders = self.lock();
        let oldest_ms = orders.front().map_or(0, |order| now_ms.saturating_sub(order.paid_ms).max(0));
        let stuck = self.stuck.load(Ordering::Relaxed);
        Standing {
            depth: orders.len(),
            oldest_seconds: oldest_ms as f64 / 1000.0,
            worker: if stuck { Worker::Stuck } else { Worker::Running },
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Paid>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn paid(order_id: &str, paid_ms: i64) -> Paid {
        Paid { order_id: order_id.to_owned(), paid_ms }
    }

    #[tokio::test]
    async fn orders_come_out_as_they_went_in() {
        let queue = Queue::default();
        queue.push(paid("a", 1_000));
        queue.push(paid("b", 2_000));
        assert_eq!(
            queue.standing(3_500),
            Standing { depth: 2, oldest_seconds: 2.5, worker: Worker::Running }
        );
        assert_eq!(queue.next().await.order_id, "a");
        assert_eq!(queue.next().await.order_id, "b");
        assert_eq!(queue.standing(9_000).oldest_seconds, 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_worker_takes_nothing_while_orders_are_still_accepted() {
        let queue = Queue::default();
        queue.stick();
        for count in 0..100 {
            queue.push(paid("x", count));
        }
        let next = tokio::time::timeout(Duration::from_secs(3600), queue.next()).await;
        assert!(next.is_err(), "time does not heal it");
        let standing = queue.standing(60_000);
        assert_eq!((standing.depth, standing.worker), (100, Worker::Stuck));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_worker_gets_stuck_when_the_next_order_comes() {
        let queue = Queue::default();
        let worker = async { queue.next().await };
        let fault = async {
            queue.stick();
            queue.push(paid("x", 0));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            order = worker => unreachable!("took {order:?}"),
            () = fault => unreachable!("never ends"),
            () = tokio::time::sleep(Duration::from_secs(3600)) => {}
        }
        assert_eq!(queue.depth(), 1);
    }
}
