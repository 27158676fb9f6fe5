//! Hash tables that are the same on every run.

use std::hash::{BuildHasherDefault, Hasher};

/// A hash table with a fixed hash. Its keys are what rules say, which people with access write; what strangers send is
/// only looked up, so nobody can fill it with keys that collide.
#[expect(clippy::disallowed_types, reason = "looked up, never iterated, and the hash has no random seed")]
pub(super) type Table<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Mix>>;

/// Multiplies eight bytes at a time; short keys are what counts here.
#[derive(Clone, Default)]
pub(super) struct Mix(u64);

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(ODD);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            self.add(u64::from_le_bytes(*chunk));
        }
        if !rest.is_empty() {
            let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.add(word);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.add(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    fn finish(&self) -> u64 {
        // Tables look at the lowest and at the highest bits, and a product has its best in the middle.
        let wide = u128::from(self.0 ^ ODD) * u128::from(ODD);
        (wide >> 64) as u64 ^ wide as u64
    }
}
