//! The events that calls are about, kept while it is likely that they are asked for: those that were read last, each with its
//! text as patterns and targets see it, and a few pages of older ones.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mainstay_model::Event;
use mainstay_store::{Journal, StoreError};

/// Texts of so many bytes are kept.
const KEPT_BYTES: usize = 16 << 20;

/// And so many events.
const KEPT_EVENTS: usize = 16 << 10;

/// Older events are read so many at once: calls that wait long come nearly in the order of their events.
const PAGE: u64 = 64;

/// So many pages of older events are kept; fewer where a page is short because its events are large.
const PAGES: usize = 32;

/// An event with its text.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The event.
    pub event: Arc<Event>,
    /// [`mainstay_model::EventDraft::eventbridge_json`]; empty where nobody has asked for it.
    pub text: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct KnownEvents {
    /// Without gaps, from this place on; nothing for events that no call can be about.
    last: VecDeque<Option<Known>>,
    first: u64,
    bytes: usize,
    /// Pages by the place before their first event, the one that was asked for last at the end.
    older: VecDeque<(u64, Vec<Arc<Event>>)>,
}

impl KnownEvents {
    /// Takes in the next events of the journal, from this place on; nothing for those that no call can be about.
    pub fn push(&mut self, place: u64, events: impl IntoIterator<Item = Option<Known>>) {
        if self.first + self.last.len() as u64 != place {
            self.last.clear();
            (self.first, self.bytes) = (place, 0);
        }
        let bytes = |known: &Option<Known>| known.as_ref().map_or(0, |known| known.text.len());
        for known in events {
            self.bytes += bytes(&known);
            self.last.push_back(known);
        }
        while self.bytes > KEPT_BYTES || self.last.len() > KEPT_EVENTS {
            let Some(known) = self.last.pop_front() else { break };
            self.first += 1;
            self.bytes -= bytes(&known);
        }
    }

    /// The event at this place.
    pub fn get(&mut self, journal: &dyn Journal, place: u64) -> Result<Option<Known>, StoreError> {
        if let Some(known) = self.recent(place) {
            return Ok(Some(known));
        }
        let before = place.saturating_sub(1) / PAGE * PAGE;
        if let Some(at) = self.older.iter().position(|(first, _)| *first == before) {
            if let Some(page) = self.older.remove(at) {
                self.older.push_back(page);
            }
        } else {
            let page = journal.read(before, PAGE as usize)?;
            self.older.push_back((before, page));
            let weight = |(_, page): &(u64, Vec<_>)| PAGE as usize / page.len().max(1);
            while self.older.len() > 1 && self.older.iter().map(weight).sum::<usize>() > PAGES {
                self.older.pop_front();
            }
        }
        let found = self.older.back().and_then(|(_, page)| page.iter().find(|event| event.seq == place));
        if let Some(event) = found {
            return Ok(Some(Known { event: event.clone(), text: Bytes::new() }));
        }
        // A page may end early where events are large, or have grown since.
        let found = journal.read(place.saturating_sub(1), 1)?.pop().filter(|event| event.seq == place);
        Ok(found.map(|event| Known { event, text: Bytes::new() }))
    }

    fn recent(&self, place: u64) -> Option<Known> {
        self.last.get(usize::try_from(place.checked_sub(self.first)?).ok()?)?.clone()
    }
}
