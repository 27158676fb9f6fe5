//! Finds the tests of one path that a value may pass, without going through all of them. What is found is tried
//! afterwards, so an index may find too much, never too little.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Number, Value};

use super::super::fold;
use super::super::test::{Bounds, Like, Scalar, Test};
use super::table::Table;
use crate::network;
use crate::wildcard::Wildcard;

/// A test: the node it leads to, and which of the node's tests it is.
pub(super) type Entry = (u32, u32);

/// The longest piece of a wildcard that is looked for.
const GRAM: usize = 8;

/// How many pieces of one wildcard are thought of.
const MOST_PIECES: usize = 256;

/// Keys that need no allocation to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Small {
    Address(IpAddr),
    Number(u64),
    Constant(u8),
    Block(bool, u128, u128),
    /// A range of numbers, by the bits that its ends share, and how many they do not.
    Between(u8, u64),
    Gram(u8, u64),
}

/// A way to look up a value that is only worth it when some test needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Probe {
    Address,
    Block(bool, u128),
    Between(u8),
    Gram(u8),
    Fold,
}

/// Where a test is found.
#[derive(Clone, Debug)]
enum Key {
    Text(Box<[u8]>),
    Fold(Box<[u8]>),
    Small(Small, Option<Probe>),
    Affix(Affix, Box<[u8]>),
    Above(u64),
    Below(u64),
    /// Only by trying.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affix {
    Prefix,
    Suffix,
    PrefixFold,
    SuffixFold,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    texts: Table<Box<[u8]>, Vec<Entry>>,
    folds: Table<Box<[u8]>, Vec<Entry>>,
    small: Table<Small, Vec<Entry>>,
    affixes: [BTreeMap<Box<[u8]>, Vec<Entry>>; 4],
    /// Numbers from here on.
    above: BTreeMap<u64, Vec<Entry>>,
    /// Numbers up to here.
    below: BTreeMap<u64, Vec<Entry>>,
    probes: BTreeMap<Probe, u32>,
    /// Where each wildcard was put.
    wildcards: BTreeMap<Entry, Key>,
    /// Tests that nearly everything passes.
    pub(super) rest: Vec<Entry>,
}

/// Numbers in the order of their values; equal ones are one.
fn rank(number: &Number) -> Option<u64> {
    let bits = (number.as_f64()? + 0.0).to_bits();
    Some(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
}

fn folded(text: &str) -> Box<[u8]> {
    text.chars().map(fold::key).collect()
}

fn reversed(bytes: &[u8]) -> Box<[u8]> {
    bytes.iter().rev().copied().collect()
}

fn constant(value: &Value) -> u8 {
    match value {
        Value::Bool(true) => 1,
        Value::Bool(false) => 2,
        _ => 0,
    }
}

fn gram(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |gram, byte| gram << 8 | u64::from(*byte))
}

/// The bits in which two ranks differ, and what is left without them.
fn shared(low: u64, high: u64) -> (u8, u64) {
    let differ = 64 - (low ^ high).leading_zeros() as u8;
    (differ, without(low, differ))
}

fn without(rank: u64, bits: u8) -> u64 {
    rank.checked_shr(u32::from(bits)).unwrap_or(0)
}

/// Where a wildcard may be put: every text that it matches has each of these.
fn wildcard_keys(wildcard: &Wildcard) -> Vec<Key> {
    let parts = wildcard.parts();
    let (first, last) = match parts {
        [text] => return vec![Key::Text(text.as_bytes().into())],
        [first, .., last] => (first, last),
        [] => return Vec::new(),
    };
    let mut keys = Vec::new();
    if !first.is_empty() {
        keys.push(Key::Affix(Affix::Prefix, first.as_bytes().into()));
    }
    if !last.is_empty() {
        keys.push(Key::Affix(Affix::Suffix, reversed(last.as_bytes())));
    }
    let length = parts.iter().map(String::len).max().unwrap_or(0).min(GRAM);
    if length > 0 {
        let pieces = parts.iter().flat_map(|part| part.as_bytes().windows(length)).take(MOST_PIECES);
        keys.extend(pieces.map(|piece| {
            let length = length as u8;
            Key::Small(Small::Gram(length, gram(piece)), Some(Probe::Gram(length)))
        }));
    }
    keys
}

fn range_key(bounds: &Bounds) -> Key {
    let rank = |bound: &Option<(Number, bool)>| bound.as_ref().and_then(|(number, _)| rank(number));
    match (rank(&bounds.low), rank(&bounds.high)) {
        (Some(low), Some(high)) => {
            let (differ, rest) = shared(low, high);
            Key::Small(Small::Between(differ, rest), Some(Probe::Between(differ)))
        }
        (Some(low), None) => Key::Above(low),
        (None, Some(high)) => Key::Below(high),
        (None, None) => Key::Any,
    }
}

/// Where a test is found; a literal that is an address has two places.
fn keys(test: &Test) -> [Option<Key>; 2] {
    let key = match test {
        Test::Text(text, address) => {
            let address = address.map(|address| Key::Small(Small::Address(address), Some(Probe::Address)));
            return [Some(Key::Text(text.as_bytes().into())), address];
        }
        Test::Number(number) => match rank(number) {
            Some(rank) => Key::Small(Small::Number(rank), None),
            None => Key::Any,
        },
        Test::Constant(value) => Key::Small(Small::Constant(constant(value)), None),
        Test::Like(like) => match like {
            Like::Equal(text) => Key::Text(text.as_bytes().into()),
            Like::EqualFold(text) => Key::Fold(folded(text)),
            Like::Prefix(text) => Key::Affix(Affix::Prefix, text.as_bytes().into()),
            Like::Suffix(text) => Key::Affix(Affix::Suffix, reversed(text.as_bytes())),
            Like::PrefixFold(text) => Key::Affix(Affix::PrefixFold, folded(text)),
            Like::SuffixFold(text) => Key::Affix(Affix::SuffixFold, reversed(&folded(text))),
            // The caller chooses among the places a wildcard has.
            Like::Wildcard(_) => Key::Any,
        },
        Test::Numeric(bounds) => range_key(bounds),
        Test::Cidr(block) => {
            let (v4, mask, first) = block.key();
            Key::Small(Small::Block(v4, mask, first), Some(Probe::Block(v4, mask)))
        }
        Test::NoneOf(_) | Test::NotNumbers(_) | Test::Exists(true) => Key::Any,
        // A value that is there never passes.
        Test::Exists(false) => return [None, None],
    };
    [Some(key), None]
}

/// Takes an entry out of a list; whether nothing is left of it.
fn take(entries: Option<&mut Vec<Entry>>, entry: Entry) -> bool {
    entries.is_some_and(|entries| {
        entries.retain(|other| *other != entry);
        entries.is_empty()
    })
}

impl Index {
    /// How many tests are found in a place.
    fn crowd(&self, key: &Key) -> usize {
        let entries = match key {
            Key::Text(key) => self.texts.get(key),
            Key::Small(key, _) => self.small.get(key),
            Key::Affix(affix, key) => self.affixes[*affix as usize].get(key),
            _ => None,
        };
        entries.map_or(0, Vec::len)
    }

    /// Where a test goes. Wildcards share their beginnings and ends, so each goes where the fewest others are.
    fn places(&mut self, test: &Test, entry: Entry) -> [Option<Key>; 2] {
        let Test::Like(Like::Wildcard(wildcard)) = test else { return keys(test) };
        let mut least: Option<(usize, Key)> = None;
        for key in wildcard_keys(wildcard) {
            let crowd = self.crowd(&key);
            if least.as_ref().is_none_or(|(before, _)| crowd < *before) {
                least = Some((crowd, key));
            }
            if crowd == 0 {
                break;
            }
        }
        let key = least.map_or(Key::Any, |(_, key)| key);
        self.wildcards.insert(entry, key.clone());
        [Some(key), None]
    }

    pub(super) fn add(&mut self, test: &Test, entry: Entry) {
        for key in self.places(test, entry).into_iter().flatten() {
            let probe = probe(&key);
            match key {
                Key::Text(key) => self.texts.entry(key).or_default().push(entry),
                Key::Fold(key) => self.folds.entry(key).or_default().push(entry),
                Key::Small(key, _) => self.small.entry(key).or_default().push(entry),
                Key::Affix(affix, key) => self.affixes[affix as usize].entry(key).or_default().push(entry),
                Key::Above(key) => self.above.entry(key).or_default().push(entry),
                Key::Below(key) => self.below.entry(key).or_default().push(entry),
                Key::Any => self.rest.push(entry),
            }
            if let Some(probe) = probe {
                *self.probes.entry(probe).or_default() += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, test: &Test, entry: Entry) {
        let keys = match self.wildcards.remove(&entry) {
            Some(key) => [Some(key), None],
            None => keys(test),
        };
        for key in keys.into_iter().flatten() {
            if let Some(probe) = probe(&key)
                && let Some(uses) = self.probes.get_mut(&probe)
            {
                *uses -= 1;
                if *uses == 0 {
                    self.probes.remove(&probe);
                }
            }
            match key {
                Key::Text(key) => {
                    if take(self.texts.get_mut(&key), entry) {
                        self.texts.remove(&key);
                    }
                }
                Key::Fold(key) => {
                    if take(self.folds.get_mut(&key), entry) {
                        self.folds.remove(&key);
                    }
                }
                Key::Small(key, _) => {
                    if take(self.small.get_mut(&key), entry) {
                        self.small.remove(&key);
                    }
                }
                Key::Affix(affix, key) => {
                    let affixes = &mut self.affixes[affix as usize];
                    if take(affixes.get_mut(&key), entry) {
                        affixes.remove(&key);
                    }
                }
                Key::Above(key) => {
                    if take(self.above.get_mut(&key), entry) {
                        self.above.remove(&key);
                    }
                }
                Key::Below(key) => {
                    if take(self.below.get_mut(&key), entry) {
                        self.below.remove(&key);
                    }
                }
                Key::Any => self.rest.retain(|other| *other != entry),
            }
        }
    }

    /// Hands over the tests that a value may pass, except those of `rest`; one may come more than once.
    pub(super) fn candidates(&self, value: Scalar<'_>, room: &mut Vec<u8>, found: &mut impl FnMut(Entry)) {
        let mut all = |entries: Option<&Vec<Entry>>| {
            entries.into_iter().flatten().for_each(|entry| found(*entry));
        };
        match value {
            Scalar::Text(text) => {
                all(self.texts.get(text.as_bytes()));
                self.affixes(Affix::Prefix, text.as_bytes(), &mut all);
                if !self.affixes[Affix::Suffix as usize].is_empty() {
                    room.clear();
                    room.extend(text.bytes().rev());
                    self.affixes(Affix::Suffix, room, &mut all);
                }
                self.folded(text, room, &mut all);
                for probe in self.probes.keys() {
                    self.probe(*probe, text, &mut all);
                }
            }
            Scalar::Number(number) => {
                let Some(rank) = rank(number) else { return };
                all(self.small.get(&Small::Number(rank)));
                self.above.range(..=rank).for_each(|(_, entries)| all(Some(entries)));
                self.below.range(rank..).for_each(|(_, entries)| all(Some(entries)));
                for probe in self.probes.keys() {
                    if let Probe::Between(differ) = probe {
                        all(self.small.get(&Small::Between(*differ, without(rank, *differ))));
                    }
                }
            }
            Scalar::Bool(value) => all(self.small.get(&Small::Constant(if value { 1 } else { 2 }))),
            Scalar::Null => all(self.small.get(&Small::Constant(0))),
        }
    }

    fn folded(&self, text: &str, room: &mut Vec<u8>, all: &mut impl FnMut(Option<&Vec<Entry>>)) {
        if !self.probes.contains_key(&Probe::Fold) {
            return;
        }
        room.clear();
        room.extend(text.chars().map(fold::key));
        all(self.folds.get(room.as_slice()));
        self.affixes(Affix::PrefixFold, room, all);
        room.reverse();
        self.affixes(Affix::SuffixFold, room, all);
    }

    /// Every key that the text starts with: the greatest key up to the text is either one, or shares only so much with
    /// the text as any other may have.
    fn affixes(&self, affix: Affix, text: &[u8], all: &mut impl FnMut(Option<&Vec<Entry>>)) {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let keys = &self.affixes[affix as usize];
        if keys.is_empty() {
            return;
        }
        let mut to = Included(text);
        while let Some((key, entries)) = keys.range::<[u8], _>((Unbounded, to)).next_back() {
            let shared = key.iter().zip(text).take_while(|(a, b)| a == b).count();
            if shared == key.len() {
                all(Some(entries));
                to = Excluded(&text[..shared]);
            } else {
                to = Included(&text[..shared]);
            }
        }
    }

    fn probe(&self, probe: Probe, text: &str, all: &mut impl FnMut(Option<&Vec<Entry>>)) {
        match probe {
            Probe::Address => {
                if let Some(address) = address(text) {
                    all(self.small.get(&Small::Address(address)));
                }
            }
            Probe::Block(v4, mask) => {
                if let Some(address) = address(text) {
                    let (bits, kind) = network::bits(address);
                    if kind == v4 {
                        all(self.small.get(&Small::Block(v4, mask, bits & !mask)));
                    }
                }
            }
            Probe::Gram(length) => {
                for piece in text.as_bytes().windows(usize::from(length)) {
                    all(self.small.get(&Small::Gram(length, gram(piece))));
                }
            }
            Probe::Between(_) | Probe::Fold => {}
        }
    }
}

/// The address that a text spells; most texts do not even start like one.
fn address(text: &str) -> Option<IpAddr> {
    let first = *text.as_bytes().first()?;
    if first.is_ascii_hexdigit() || first == b':' { text.parse().ok() } else { None }
}

fn probe(key: &Key) -> Option<Probe> {
    match key {
        Key::Small(_, probe) => *probe,
        Key::Fold(_) | Key::Affix(Affix::PrefixFold | Affix::SuffixFold, _) => Some(Probe::Fold),
        _ => None,
    }
}
