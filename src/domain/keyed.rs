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

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            // An odd constant near 2^64 / golden ratio spreads what is added over all bits.
            self.0 = (self.0.rotate_left(23) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}
