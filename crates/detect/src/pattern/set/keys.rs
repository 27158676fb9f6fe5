//! What tests are found by. Every value that passes a test has the test's key.

use serde_json::{Number, Value};

use super::super::fold;
use super::super::test::{Bounds, Like, Test};
use super::table::{hash, mix, word};
use crate::network;

/// The longest piece of a wildcard that is looked for.
pub(super) const GRAM: usize = 8;

/// How many pieces of one wildcard are thought of.
const MOST_PIECES: usize = 256;

/// Kinds of texts, for [`hash`].
pub(super) const TEXT: u64 = 1;
pub(super) const FOLD: u64 = 2;
const NUMBER: u64 = 3;
const CONSTANT: u64 = 4;
const ADDRESS: u64 = 5;
const BLOCK: u64 = 6;
const BETWEEN: u64 = 7;
const AFFIX: u64 = 8;
const PIECE: u64 = 16;

/// Which end of a text counts, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affix {
    Prefix,
    Suffix,
    PrefixFold,
    SuffixFold,
}

impl Affix {
    pub(super) fn kind(self) -> u64 {
        AFFIX + self as u64
    }
}

/// How a value has to be looked up for a test to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Text,
    Fold,
    Number,
    Constant,
    Address,
    /// With this length.
    Affix(Affix, u32),
    /// With this mask.
    Block(bool, u128),
    /// With this many bits left out.
    Between(u8),
    /// By each piece of this length; with the piece.
    Gram(u8, u64),
}

/// Where a test is found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Slot(Way, u64),
    Above(u64),
    Below(u64),
    /// Only by trying.
    Any,
}

/// Numbers in the order of their values; equal ones are one.
pub(super) fn rank(number: &Number) -> Option<u64> {
    let bits = (number.as_f64()? + 0.0).to_bits();
    Some(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
}

pub(super) fn number(rank: u64) -> u64 {
    mix(NUMBER, rank)
}

pub(super) fn constant(number: u64) -> u64 {
    mix(CONSTANT, number)
}

fn wide(kind: u64, bits: u128) -> u64 {
    mix(mix(kind, (bits >> 64) as u64), bits as u64)
}

pub(super) fn address(v4: bool, bits: u128) -> u64 {
    wide(mix(ADDRESS, u64::from(v4)), bits)
}

pub(super) fn block(v4: bool, mask: u128, first: u128) -> u64 {
    wide(mix(mix(BLOCK, u64::from(v4)), u64::from(mask.count_ones())), first)
}

/// A range of numbers by the bits that its ends share, without the ones from where they differ.
pub(super) fn between(differ: u8, rank: u64) -> u64 {
    mix(mix(BETWEEN, u64::from(differ)), rank.checked_shr(u32::from(differ)).unwrap_or(0))
}

pub(super) fn gram_kind(length: usize) -> u64 {
    mix(PIECE, length as u64)
}

/// What [`fold::key`] makes of the characters of a text.
pub(super) fn fold_into(text: &str, room: &mut Vec<u8>) {
    if text.is_ascii() {
        room.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
    } else {
        room.extend(text.chars().map(fold::key));
    }
}

fn folded(text: &str) -> Vec<u8> {
    text.chars().map(fold::key).collect()
}

fn reversed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn affix(affix: Affix, bytes: &[u8]) -> Key {
    match u32::try_from(bytes.len()) {
        Ok(length) => Key::Slot(Way::Affix(affix, length), hash(affix.kind(), bytes)),
        Err(_) => Key::Any,
    }
}

fn text(text: &str) -> Key {
    Key::Slot(Way::Text, hash(TEXT, text.as_bytes()))
}

fn of_range(bounds: &Bounds) -> Key {
    let rank = |bound: &Option<(Number, bool)>| bound.as_ref().and_then(|(number, _)| rank(number));
    match (rank(&bounds.low), rank(&bounds.high)) {
        (Some(low), Some(high)) => {
            let differ = 64 - (low ^ high).leading_zeros() as u8;
            Key::Slot(Way::Between(differ), between(differ, low))
        }
        (Some(low), None) => Key::Above(low),
        (None, Some(high)) => Key::Below(high),
        (None, None) => Key::Any,
    }
}

/// Where a wildcard may be put: every text that it matches has each of these. The most telling ones come first: the
/// pieces of its longest part, the last of which is mostly what tells it from others, and then its ends. `None` for other
/// tests.
pub(super) fn of_wildcard(test: &Test) -> Option<Vec<Key>> {
    let Test::Like(Like::Wildcard(wildcard)) = test else { return None };
    let parts = wildcard.parts();
    let (first, last) = match parts {
        [] => return Some(Vec::new()),
        [only] => return Some(vec![text(only)]),
        [first, .., last] => (first.as_bytes(), last.as_bytes()),
    };
    let length = parts.iter().map(String::len).max().unwrap_or(0).min(GRAM);
    let mut keys = Vec::new();
    if length > 0 {
        let mut by_length: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        by_length.sort_by_key(|part| std::cmp::Reverse(part.len()));
        let pieces = by_length.into_iter().flat_map(|part| part.windows(length).rev());
        keys.extend(
            pieces
                .take(MOST_PIECES)
                .map(|piece| word(piece, 0))
                .map(|piece| Key::Slot(Way::Gram(length as u8, piece), mix(gram_kind(length), piece))),
        );
    }
    if !last.is_empty() {
        keys.push(affix(Affix::Suffix, &reversed(last.to_vec())));
    }
    if !first.is_empty() {
        keys.push(affix(Affix::Prefix, first));
    }
    Some(keys)
}

/// Where a test is found; a literal that is an address has two places.
pub(super) fn of(test: &Test) -> [Option<Key>; 2] {
    let key = match test {
        Test::Text(wanted, spelled) => {
            let spelled = spelled.map(|spelled| {
                let (bits, v4) = network::bits(spelled);
                Key::Slot(Way::Address, address(v4, bits))
            });
            return [Some(text(wanted)), spelled];
        }
        Test::Number(wanted) => match rank(wanted) {
            Some(rank) => Key::Slot(Way::Number, number(rank)),
            None => Key::Any,
        },
        Test::Constant(value) => Key::Slot(
            Way::Constant,
            constant(match value {
                Value::Bool(true) => 1,
                Value::Bool(false) => 2,
                _ => 0,
            }),
        ),
        Test::Like(like) => match like {
            Like::Equal(wanted) => text(wanted),
            Like::EqualFold(wanted) | Like::PrefixFold(wanted) | Like::SuffixFold(wanted)
                if !fold::keeps_length(wanted) =>
            {
                Key::Any
            }
            Like::EqualFold(wanted) => Key::Slot(Way::Fold, hash(FOLD, &folded(wanted))),
            Like::Prefix(wanted) => affix(Affix::Prefix, wanted.as_bytes()),
            Like::Suffix(wanted) => affix(Affix::Suffix, &reversed(wanted.as_bytes().to_vec())),
            Like::PrefixFold(wanted) => affix(Affix::PrefixFold, &folded(wanted)),
            Like::SuffixFold(wanted) => affix(Affix::SuffixFold, &reversed(folded(wanted))),
            // The caller chooses among the places a wildcard has.
            Like::Wildcard(_) => Key::Any,
        },
        Test::Numeric(bounds) => of_range(bounds),
        Test::Cidr(wanted) => {
            let (v4, mask, first) = wanted.key();
            Key::Slot(Way::Block(v4, mask), block(v4, mask, first))
        }
        Test::NoneOf(_) | Test::NotNumbers(_) | Test::Exists(true) => Key::Any,
        // A value that is there never passes.
        Test::Exists(false) => return [None, None],
    };
    [Some(key), None]
}

fn of_like(like: &Like) -> u64 {
    let (kind, text) = match like {
        Like::Equal(text) => (0, text),
        Like::EqualFold(text) => (1, text),
        Like::Prefix(text) => (2, text),
        Like::PrefixFold(text) => (3, text),
        Like::Suffix(text) => (4, text),
        Like::SuffixFold(text) => (5, text),
        Like::Wildcard(wildcard) => {
            return wildcard.parts().iter().fold(6, |state, part| mix(state, hash(6, part.as_bytes())));
        }
    };
    hash(kind, text.as_bytes())
}

/// A hash of the tests of a step: the same for equal ones.
pub(super) fn signature(tests: &[Test]) -> u64 {
    let of_number = |state: u64, number: &Number| mix(state, rank(number).unwrap_or(0));
    let of_bound = |state: u64, bound: &Option<(Number, bool)>| match bound {
        Some((number, closed)) => mix(of_number(state, number), u64::from(*closed)),
        None => mix(state, 2),
    };
    tests.iter().fold(tests.len() as u64, |state, test| match test {
        Test::Text(text, _) => mix(mix(state, 1), hash(TEXT, text.as_bytes())),
        Test::Number(number) => of_number(mix(state, 2), number),
        Test::Constant(value) => mix(mix(state, 3), value.as_bool().map_or(2, u64::from)),
        Test::Like(like) => mix(mix(state, 4), of_like(like)),
        Test::NoneOf(likes) => likes.iter().fold(mix(state, 5), |state, like| mix(state, of_like(like))),
        Test::NotNumbers(numbers) => numbers.iter().fold(mix(state, 6), of_number),
        Test::Numeric(bounds) => of_bound(of_bound(mix(state, 7), &bounds.low), &bounds.high),
        Test::Cidr(block) => {
            let (v4, mask, first) = block.key();
            wide(wide(mix(mix(state, 8), u64::from(v4)), mask), first)
        }
        Test::Exists(wanted) => mix(mix(state, 9), u64::from(*wanted)),
    })
}
