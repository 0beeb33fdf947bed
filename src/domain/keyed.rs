//! Maps whose keys are keyed hashes already, so that their own bytes are a hash.
//!
//! Nobody outside knows the hash key, so nobody can choose keys that collide; a second, slower
//! hash would protect nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// How such maps hash.
pub type KeyedState = BuildHasherDefault<KeyedHasher>;

/// A map by keyed hashes.
pub type KeyedMap<K, V> = HashMap<K, V, KeyedState>;

/// Folds bytes that are a keyed hash, and the small numbers beside them.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyedHasher(u64);

impl KeyedHasher {
    fn fold(&mut self, word: u64) {
        // An odd constant near 2^64 / golden ratio spreads what is added over all bits.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.fold(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.fold(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number as u64);
    }
}
