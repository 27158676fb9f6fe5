//! Where the tests of an index are found: lists by the hash of what is looked for, with a filter in front that is small
//! enough to stay near the processor. Most of what an event asks for is not there, and the filter says so.
//!
//! Only hashes are kept. Texts that share one share a list, and whoever finds a test tries it.

use super::table::Hashed;

/// A test: the node it leads to, and which of the node's tests it is.
pub(super) type Entry = (u32, u32);

/// Tests that are found together, mostly one.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "nearly all are one, and so each takes two words")]
pub(super) enum List {
    One(Entry),
    Many(Box<Vec<Entry>>),
}

impl List {
    pub(super) fn as_slice(&self) -> &[Entry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        match self {
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, entry])),
            Self::Many(entries) => entries.push(entry),
        }
    }

    /// Takes an entry out; whether nothing is left.
    pub(super) fn take(&mut self, entry: Entry) -> bool {
        match self {
            Self::One(only) => *only == entry,
            Self::Many(entries) => {
                if let Some(at) = entries.iter().position(|other| *other == entry) {
                    entries.swap_remove(at);
                }
                entries.is_empty()
            }
        }
    }
}

/// Bits of the filter for each hash, so that few that are not there get past it.
const BITS: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    lists: Hashed<List>,
    /// A power of two of words, or none.
    filter: Vec<u64>,
    /// Hashes that were added since the filter was made; it forgets none that went.
    added: usize,
}

/// The word and the bit of a hash in a filter. Tables look at the lowest and the highest bits.
fn place(hash: u64, words: usize) -> (usize, u64) {
    let hash = hash >> 20;
    ((hash >> 6) as usize & (words - 1), 1 << (hash & 63))
}

impl Slots {
    pub(super) fn get(&self, hash: u64) -> &[Entry] {
        if self.filter.is_empty() {
            return &[];
        }
        let (word, bit) = place(hash, self.filter.len());
        if self.filter[word] & bit == 0 {
            return &[];
        }
        self.lists.get(&hash).map_or(&[], List::as_slice)
    }

    pub(super) fn add(&mut self, hash: u64, entry: Entry) {
        use std::collections::hash_map::Entry::{Occupied, Vacant};
        match self.lists.entry(hash) {
            Occupied(mut list) => list.get_mut().push(entry),
            Vacant(room) => {
                room.insert(List::One(entry));
                self.added += 1;
                if self.added * BITS > self.filter.len() * 64 {
                    self.filter_again();
                } else {
                    let (word, bit) = place(hash, self.filter.len());
                    self.filter[word] |= bit;
                }
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, entry: Entry) {
        if self.lists.get_mut(&hash).is_some_and(|list| list.take(entry)) {
            self.lists.remove(&hash);
        }
    }

    fn filter_again(&mut self) {
        let words = (self.lists.len() * 2 * BITS).div_ceil(64).next_power_of_two();
        self.filter.clear();
        self.filter.resize(words, 0);
        self.added = self.lists.len();
        for hash in self.lists.keys() {
            let (word, bit) = place(*hash, words);
            self.filter[word] |= bit;
        }
    }
}
