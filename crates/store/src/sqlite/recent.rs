//! The events that were written last, kept in memory: those who follow the journal ask for what was just appended, and need
//! not have it read from disk and decoded again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_model::Event;

use super::readers::PAGE_BYTES;

/// So many bytes of events are kept, counted in their canonical form. In memory they take a few times that.
const KEPT_BYTES: usize = 4 << 20;

/// And so many events.
const KEPT_EVENTS: usize = 8192;

/// The last events, without gaps up to the last durable one.
#[derive(Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Each with the bytes of its canonical form.
    events: VecDeque<(Arc<Event>, usize)>,
    bytes: usize,
}

impl Recent {
    /// Takes in what has just become durable, and gives back what there is no room for any more: to free an event costs
    /// more than to write it, and the writer has better things to do.
    pub fn push(&self, fresh: Vec<(Arc<Event>, usize)>) -> Vec<Arc<Event>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, bytes) in fresh {
            kept.bytes += bytes;
            kept.events.push_back((event, bytes));
        }
        let mut old = Vec::new();
        while kept.bytes > KEPT_BYTES || kept.events.len() > KEPT_EVENTS {
            let Some((event, bytes)) = kept.events.pop_front() else { break };
            kept.bytes -= bytes;
            old.push(event);
        }
        old
    }

    /// Up to `limit` events after this place. `None` if that is further back than what is kept.
    pub fn after(&self, place: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.events.front()?.0.seq;
        let skip = usize::try_from(place.checked_add(1)?.checked_sub(first)?).ok()?;
        let mut size = 0;
        let fits = |(_, bytes): &&(Arc<Event>, usize)| {
            let has_room = size < PAGE_BYTES;
            size += bytes;
            has_room
        };
        let found = kept.events.iter().skip(skip).take(limit).take_while(fits);
        Some(found.map(|(event, _)| event.clone()).collect())
    }
}
