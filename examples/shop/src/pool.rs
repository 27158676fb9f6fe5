//! A bounded pool of database connections, and the bug that empties it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A fixed number of things, each used by one caller at a time.
#[derive(Debug)]
pub struct Pool<T> {
    size: usize,
    idle: Mutex<Vec<T>>,
    /// One permit for each idle thing; waiting callers are served in the order they came.
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// How a pool stands, as `GET /pool` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Connections in all.
    pub size: usize,
    /// Connections taken and not given back.
    pub in_use: usize,
    /// Connections free to take.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

impl<T> Pool<T> {
    /// A pool of these things.
    pub fn new(things: Vec<T>) -> Arc<Self> {
        Arc::new(Self {
            size: things.len(),
            permits: Arc::new(Semaphore::new(things.len())),
            idle: Mutex::new(things),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Takes a thing, waiting up to `patience` for one to be given back. `None` when none was.
    pub async fn take(self: &Arc<Self>, patience: Duration) -> Option<Lease<T>> {
        let waiting = Waiting::new(&self.waiting);
        let permit = tokio::time::timeout(patience, Arc::clone(&self.permits).acquire_owned()).await;
        drop(waiting);
        let permit = permit.ok()?.ok()?;
        let thing = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Lease { pool: Arc::clone(self), thing: Some(thing), _permit: permit })
    }

    /// How the pool stands now.
    pub fn usage(&self) -> Usage {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).len();
        let waiting = self.waiting.load(Ordering::Relaxed);
        Usage { size: self.size, in_use: self.size - idle, idle, waiting }
    }
}

/// A thing taken from a pool. It goes back when this is dropped.
#[derive(Debug)]
pub struct Lease<T> {
    pool: Arc<Pool<T>>,
    thing: Option<T>,
    // Declared last, so that it is released only after `drop` has put the thing back.
    _permit: OwnedSemaphorePermit,
}

impl<T> Lease<T> {
    /// The bug: the thing is never given back, and its place in the pool is lost until the process ends.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl<T> std::ops::Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().expect("a lease holds its thing until it is dropped")
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let thing = self.thing.take();
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(thing);
    }
}

/// Counts one waiting caller, also when the caller gives up in the middle.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(150);

    #[tokio::test(start_paused = true)]
    async fn a_lease_goes_back_and_serves_who_waits() {
        let pool = Pool::new(vec!["a"]);
        let lease = pool.take(PATIENCE).await.expect("free");
        assert_eq!(*lease, "a");
        assert_eq!(pool.usage(), Usage { size: 1, in_use: 1, idle: 0, waiting: 0 });

        let mut second = Box::pin(pool.take(PATIENCE));
        assert!(futures_poll(&mut second).is_none(), "it waits");
        assert_eq!(pool.usage().waiting, 1);
        drop(lease);
        assert!(second.await.is_some());
        assert_eq!(pool.usage(), Usage { size: 1, in_use: 0, idle: 1, waiting: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn forgotten_leases_empty_the_pool_for_ever() {
        let pool = Pool::new(vec![1, 2, 3]);
        for _ in 0..3 {
            pool.take(PATIENCE).await.expect("still one free").forget();
        }
        assert!(pool.take(PATIENCE).await.is_none());
        assert!(pool.take(Duration::from_secs(3600)).await.is_none(), "time does not heal it");
        assert_eq!(pool.usage(), Usage { size: 3, in_use: 3, idle: 0, waiting: 0 });
    }

    /// Polls once.
    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
