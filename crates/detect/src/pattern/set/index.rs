//! Finds the tests of one path that a value may pass, without going through all of them. What is found is tried
//! afterwards, so an index may find too much, never too little.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::test::{Scalar, Test};
use super::keys::{self, Key, Way};
use super::slots::{Entry, List, Slots};
use super::table::{Beginnings, hash, mix, word};
use crate::network;

/// How many tests need a way of looking up. Ways that nobody needs cost nothing.
#[derive(Clone, Debug, Default)]
struct Ways {
    texts: u32,
    folds: u32,
    addresses: u32,
    /// The lengths of prefixes and suffixes, by [`keys::Affix`], each with how many tests have it.
    affixes: [Vec<(u32, u32)>; 4],
    /// Masks of blocks of addresses, IPv4 or not.
    blocks: Vec<((bool, u128), u32)>,
    /// How many bits of a rank a range of numbers leaves open.
    between: Vec<(u8, u32)>,
    /// By the length of the piece.
    grams: [u32; keys::GRAM + 1],
    /// A bit for the first two bytes of each piece. Pieces that go leave theirs.
    starts: Starts,
}

/// How pieces start: small enough to be at hand, and mostly enough to know that no piece starts here.
#[derive(Clone, Debug, Default)]
struct Starts([u64; 8]);

impl Starts {
    fn place(word: u64) -> (usize, u64) {
        let hash = (word & 0xffff).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash >> 61) as usize, 1 << (hash >> 55 & 63))
    }

    fn has(&self, word: u64) -> bool {
        let (at, bit) = Self::place(word);
        self.0[at] & bit != 0
    }

    fn add(&mut self, word: u64) {
        let (at, bit) = Self::place(word);
        self.0[at] |= bit;
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    slots: Slots,
    ways: Ways,
    /// Numbers from here on.
    above: BTreeMap<u64, List>,
    /// Numbers up to here.
    below: BTreeMap<u64, List>,
    /// Where each wildcard was put.
    wildcards: BTreeMap<Entry, Key>,
    pieces: Pieces,
    /// Tests that nearly everything passes.
    pub(super) rest: Vec<Entry>,
}

/// How many wildcards have a piece, roughly: pieces may share a counter, so it may be too high.
#[derive(Clone, Debug, Default)]
struct Pieces(Vec<u16>);

/// Counters for each wildcard.
const COUNTERS: usize = 16;

impl Pieces {
    fn at(&mut self, hash: u64) -> &mut u16 {
        let mask = self.0.len() - 1;
        &mut self.0[hash as usize & mask]
    }

    /// One more; answers how many there were before.
    fn add(&mut self, hash: u64) -> u16 {
        let count = self.at(hash);
        let before = *count;
        *count = before.saturating_add(1);
        before
    }

    fn remove(&mut self, hash: u64) {
        let count = self.at(hash);
        *count = count.saturating_sub(1);
    }

    /// Makes room for so many wildcards. Each counter is split in two that both start from it.
    fn wildcards(&mut self, count: usize) {
        if self.0.is_empty() {
            self.0.resize(COUNTERS, 0);
        }
        while self.0.len() < count * COUNTERS {
            self.0.extend_from_within(..);
        }
    }
}

/// One more or one less use of something in a sorted list of uses.
fn count<K: Ord + Copy>(uses: &mut Vec<(K, u32)>, key: K, more: bool) {
    match uses.binary_search_by_key(&key, |(key, _)| *key) {
        Ok(at) if more => uses[at].1 += 1,
        Ok(at) if uses[at].1 == 1 => {
            uses.remove(at);
        }
        Ok(at) => uses[at].1 -= 1,
        Err(at) if more => uses.insert(at, (key, 1)),
        Err(_) => {}
    }
}

fn step(uses: &mut u32, more: bool) {
    *uses = if more { *uses + 1 } else { uses.saturating_sub(1) };
}

impl Ways {
    fn count(&mut self, way: Way, more: bool) {
        match way {
            Way::Text => step(&mut self.texts, more),
            Way::Fold => step(&mut self.folds, more),
            Way::Address => step(&mut self.addresses, more),
            Way::Affix(affix, length) => count(&mut self.affixes[affix as usize], length, more),
            Way::Block(v4, mask) => count(&mut self.blocks, (v4, mask), more),
            Way::Between(differ) => count(&mut self.between, differ, more),
            Way::Gram(length, piece) => {
                step(&mut self.grams[usize::from(length)], more);
                if more {
                    self.starts.add(piece);
                }
            }
            // A look costs next to nothing.
            Way::Number | Way::Constant => {}
        }
    }
}

impl Index {
    /// Where a test goes. Wildcards share most of their pieces, so each goes by the one that the fewest others have: what
    /// is rare among them is rare in events, too.
    fn places(&mut self, test: &Test, entry: Entry) -> [Option<Key>; 2] {
        let Some(pieces) = keys::of_wildcard(test) else { return keys::of(test) };
        self.pieces.wildcards(self.wildcards.len() + 1);
        let mut least: Option<(u16, Key)> = None;
        for key in pieces {
            let Key::Slot(_, hash) = key else { continue };
            let others = self.pieces.add(hash);
            if least.as_ref().is_none_or(|(before, _)| others < *before) {
                least = Some((others, key));
            }
        }
        let key = least.map_or(Key::Any, |(_, key)| key);
        self.wildcards.insert(entry, key);
        [Some(key), None]
    }

    pub(super) fn add(&mut self, test: &Test, entry: Entry) {
        for key in self.places(test, entry).into_iter().flatten() {
            let push = |lists: &mut BTreeMap<u64, List>, at: u64| {
                lists.entry(at).and_modify(|list| list.push(entry)).or_insert(List::One(entry));
            };
            match key {
                Key::Slot(way, hash) => {
                    self.ways.count(way, true);
                    self.slots.add(hash, entry);
                }
                Key::Above(at) => push(&mut self.above, at),
                Key::Below(at) => push(&mut self.below, at),
                Key::Any => self.rest.push(entry),
            }
        }
    }

    pub(super) fn remove(&mut self, test: &Test, entry: Entry) {
        let keys = match (self.wildcards.remove(&entry), keys::of_wildcard(test)) {
            (Some(key), Some(pieces)) => {
                for piece in pieces {
                    if let Key::Slot(_, hash) = piece {
                        self.pieces.remove(hash);
                    }
                }
                [Some(key), None]
            }
            _ => keys::of(test),
        };
        for key in keys.into_iter().flatten() {
            let take = |lists: &mut BTreeMap<u64, List>, at: u64| {
                if lists.get_mut(&at).is_some_and(|list| list.take(entry)) {
                    lists.remove(&at);
                }
            };
            match key {
                Key::Slot(way, hash) => {
                    self.ways.count(way, false);
                    self.slots.remove(hash, entry);
                }
                Key::Above(at) => take(&mut self.above, at),
                Key::Below(at) => take(&mut self.below, at),
                Key::Any => self.rest.retain(|other| *other != entry),
            }
        }
    }

    /// Hands over the tests that a value may pass, except those of `rest`; one may come more than once.
    pub(super) fn candidates(&self, value: Scalar<'_>, room: &mut Vec<u8>, found: &mut impl FnMut(Entry)) {
        let mut all = |entries: &[Entry]| entries.iter().for_each(|entry| found(*entry));
        match value {
            Scalar::Text(text) => self.texts(text, room, &mut all),
            Scalar::Number(number) => {
                let Some(rank) = keys::rank(number) else { return };
                all(self.slots.get(keys::number(rank)));
                self.above.range(..=rank).for_each(|(_, list)| all(list.as_slice()));
                self.below.range(rank..).for_each(|(_, list)| all(list.as_slice()));
                for (differ, _) in &self.ways.between {
                    all(self.slots.get(keys::between(*differ, rank)));
                }
            }
            Scalar::Bool(value) => all(self.slots.get(keys::constant(if value { 1 } else { 2 }))),
            Scalar::Null => all(self.slots.get(keys::constant(0))),
        }
    }

    fn texts(&self, text: &str, room: &mut Vec<u8>, all: &mut impl FnMut(&[Entry])) {
        use keys::Affix::{Prefix, PrefixFold, Suffix, SuffixFold};
        let bytes = text.as_bytes();
        if self.ways.texts > 0 {
            all(self.slots.get(hash(keys::TEXT, bytes)));
        }
        self.beginnings(Prefix, bytes, all);
        let longest =
            |affix: keys::Affix| self.ways.affixes[affix as usize].last().map_or(0, |uses| uses.0 as usize);
        if !self.ways.affixes[Suffix as usize].is_empty() {
            room.clear();
            room.extend(bytes.iter().rev().take(longest(Suffix)));
            self.beginnings(Suffix, room, all);
        }
        if self.ways.folds > 0 || !self.ways.affixes[PrefixFold as usize].is_empty() {
            room.clear();
            keys::fold_into(text, room);
            if self.ways.folds > 0 {
                all(self.slots.get(hash(keys::FOLD, room)));
            }
            self.beginnings(PrefixFold, room, all);
        }
        if !self.ways.affixes[SuffixFold as usize].is_empty() {
            room.clear();
            keys::fold_into(text, room);
            room.reverse();
            self.beginnings(SuffixFold, room, all);
        }
        if self.ways.addresses > 0 || !self.ways.blocks.is_empty() {
            self.addresses(text, all);
        }
        for (length, uses) in self.ways.grams.iter().enumerate() {
            if *uses > 0 {
                self.grams(length, bytes, all);
            }
        }
    }

    /// Every prefix of a kind that the text starts with.
    fn beginnings(&self, affix: keys::Affix, bytes: &[u8], all: &mut impl FnMut(&[Entry])) {
        let lengths = &self.ways.affixes[affix as usize];
        if lengths.is_empty() {
            return;
        }
        let mut beginnings = Beginnings::new(affix.kind(), bytes);
        for (length, _) in lengths {
            let length = *length as usize;
            if length > bytes.len() {
                return;
            }
            all(self.slots.get(beginnings.hash(length)));
        }
    }

    fn addresses(&self, text: &str, all: &mut impl FnMut(&[Entry])) {
        let Some(address) = address(text) else { return };
        let (bits, v4) = network::bits(address);
        all(self.slots.get(keys::address(v4, bits)));
        for ((kind, mask), _) in &self.ways.blocks {
            if *kind == v4 {
                all(self.slots.get(keys::block(v4, *mask, bits & !mask)));
            }
        }
    }

    fn grams(&self, length: usize, bytes: &[u8], all: &mut impl FnMut(&[Entry])) {
        let kind = keys::gram_kind(length);
        let mask = u64::MAX >> (64 - 8 * length);
        let starts = &self.ways.starts;
        for chunk in bytes.array_windows::<8>() {
            let piece = u64::from_le_bytes(*chunk) & mask;
            if starts.has(piece) {
                all(self.slots.get(mix(kind, piece)));
            }
        }
        // The last pieces that are shorter than a word.
        for at in bytes.len().saturating_sub(7)..(bytes.len() + 1).saturating_sub(length) {
            all(self.slots.get(mix(kind, word(bytes, at) & mask)));
        }
    }
}

/// The address that a text spells; most texts do not even start like one.
fn address(text: &str) -> Option<IpAddr> {
    let first = *text.as_bytes().first()?;
    if first.is_ascii_hexdigit() || first == b':' { text.parse().ok() } else { None }
}
