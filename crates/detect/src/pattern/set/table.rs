//! Hashes and hash tables that are the same on every run.

use std::hash::{BuildHasherDefault, Hasher};

/// A table by 64-bit hashes that are made with [`mix`]. What rules say decides its keys, and people with access write
/// those; what strangers send is only looked up, so nobody can fill it with keys that collide.
#[expect(
    clippy::disallowed_types,
    reason = "the order of iteration shows nowhere, and the hash has no random seed"
)]
pub(super) type Hashed<V> = std::collections::HashMap<u64, V, BuildHasherDefault<Same>>;

/// Hands a hash on as it is.
#[derive(Clone, Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |state, byte| mix(state, u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER: u64 = 0xd1b5_4a32_d192_ed03;

/// One more word for a hash.
pub(super) fn mix(state: u64, word: u64) -> u64 {
    let wide = u128::from(state ^ word ^ OTHER) * u128::from(ODD ^ state.rotate_left(32));
    (wide >> 64) as u64 ^ wide as u64
}

/// The eight bytes from a place on, or what there is of them.
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => bytes.iter().skip(at).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The hash of a text; `kind` keeps texts of different meaning apart.
pub(super) fn hash(kind: u64, bytes: &[u8]) -> u64 {
    Beginnings::new(kind, bytes).hash(bytes.len())
}

/// Hashes of the beginnings of a text, each as [`hash`] would have it, for less than each by itself.
pub(super) struct Beginnings<'t> {
    bytes: &'t [u8],
    state: u64,
    /// How many bytes are in the state.
    at: usize,
}

impl<'t> Beginnings<'t> {
    pub(super) fn new(kind: u64, bytes: &'t [u8]) -> Self {
        Self { bytes, state: mix(kind, ODD), at: 0 }
    }

    /// Of the first so many bytes. Lengths must not get shorter, nor be longer than the text.
    pub(super) fn hash(&mut self, length: usize) -> u64 {
        while self.at + 8 <= length {
            self.state = mix(self.state, word(self.bytes, self.at));
            self.at += 8;
        }
        let rest = length - self.at;
        let tail = if rest == 0 { 0 } else { word(self.bytes, self.at) & (u64::MAX >> (64 - 8 * rest)) };
        mix(mix(self.state, tail), length as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_hash_as_they_do_alone() {
        let text: Vec<u8> = (0..=255).collect();
        for skip in 0..20 {
            let text = &text[skip..];
            let mut beginnings = Beginnings::new(7, text);
            let mut seen = std::collections::BTreeSet::new();
            for length in 0..=text.len() {
                assert_eq!(beginnings.hash(length), hash(7, &text[..length]), "{length}");
                assert!(seen.insert(hash(7, &text[..length])) && seen.insert(hash(8, &text[..length])));
            }
        }
    }
}
