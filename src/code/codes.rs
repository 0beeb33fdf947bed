//! The codes that are alive: by person, and from code to person.
//!
//! The person's entry is what counts; the other map only finds it. No entry of one map is locked while one of the
//! other is, but that a terminal's tries are locked around both.

use super::{
    Code, CodeShard,
    tries::{SKEW_MS, Tries},
};
use crate::domain::{At, KeyedHash, PersonId, TerminalId, fence::Fix, keyed::KeyedState};
use dashmap::{DashMap, Entry};
use rand::CryptoRng;
use std::{fmt, num::NonZeroU32};

/// How long codes live, and how often a terminal may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRules {
    /// Seconds after which the phone shows the next code.
    pub rotate_s: NonZeroU32,
    /// Seconds that a code lives.
    pub life_s: NonZeroU32,
    /// Codes that are dead or never were, which a terminal may show ..
    pub wrong_tries: NonZeroU32,
    /// .. in any so many seconds.
    pub wrong_per_s: NonZeroU32,
}

impl CodeRules {
    fn life_ms(&self) -> i64 {
        i64::from(self.life_s.get()) * 1_000
    }

    pub(super) fn wrong_per_ms(&self) -> i64 {
        i64::from(self.wrong_per_s.get()) * 1_000
    }

    /// How often one terminal can be wrong in so many seconds.
    pub fn wrong_in(&self, seconds: u32) -> u64 {
        // One more span than fits: the first may be full already as the time begins.
        let spans = u64::from(seconds / self.wrong_per_s) + 1;
        spans * u64::from(self.wrong_tries.get())
    }
}

/// Whose code it is, and what it was made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder {
    /// The person.
    pub person: PersonId,
    /// The device that shows it.
    pub device: KeyedHash,
    /// Where that device was, if it was asked.
    pub fix: Option<Fix>,
}

/// A code as its phone is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The code.
    pub code: Code,
    /// When the phone shows the next one.
    pub rotates_at: At,
    /// The first instant at which it is dead.
    pub dead_at: At,
}

/// Why a terminal gets nobody for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no such code, or not any more.
    Dead,
    /// The terminal was wrong too often; it was not looked at.
    TooFast {
        /// How long to wait before the next code is looked at.
        retry_after_ms: u32,
    },
}

#[derive(Clone, Copy)]
struct Live {
    code: Code,
    made_at: At,
    holder: Holder,
}

/// The codes of one campaign in this server's memory: one a person at most.
pub struct Codes {
    rules: CodeRules,
    shard: CodeShard,
    by_person: DashMap<PersonId, Live, KeyedState>,
    /// Whose a code is. We draw the codes ourselves, so nobody chooses keys that collide.
    persons: DashMap<Code, PersonId, KeyedState>,
    tries: Tries,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Codes {
    /// No codes yet, of people whose log is in `shard`.
    pub fn new(rules: CodeRules, shard: CodeShard) -> Codes {
        Codes {
            rules,
            shard,
            by_person: DashMap::default(),
            persons: DashMap::default(),
            tries: Tries::new(&rules),
        }
    }

    /// A new code; the person's old one is dead from now on.
    pub fn make(&self, holder: Holder, at: At, random: &mut impl CryptoRng) -> Made {
        let person = holder.person;
        let code = self.draw(person, random);
        let old = self.by_person.insert(person, Live { code, made_at: at, holder });
        if let Some(old) = old {
            self.forget(old.code, person);
        }
        let rotate_ms = i64::from(self.rules.rotate_s.get()) * 1_000;
        let dead_at = at.plus_ms(self.rules.life_ms());
        Made { code, rotates_at: at.plus_ms(rotate_ms), dead_at }
    }

    /// Whose code this is; it is dead from now on.
    pub fn take(&self, terminal: TerminalId, code: Code, at: At) -> Result<Holder, NotTaken> {
        self.tries.look(terminal, at, || {
            let (_, person) = self.persons.remove(&code)?;
            let (_, live) = self.by_person.remove_if(&person, |_, live| live.code == code)?;
            self.is_alive(&live, at).then_some(live.holder)
        })
    }

    /// Forgets what died of age, and wrong tries that count no longer. To be called on a timer, or what nobody
    /// scanned stays until its person's next one.
    pub fn tidy(&self, at: At) {
        let mut dead = Vec::new();
        self.by_person.retain(|person, live| {
            let alive = self.is_alive(live, at);
            if !alive {
                dead.push((live.code, *person));
            }
            alive
        });
        for (code, person) in dead {
            self.forget(code, person);
        }
        self.by_person.shrink_to_fit();
        self.persons.shrink_to_fit();
        self.tries.tidy(at);
    }

    /// Codes kept at this moment, dead of age among them. Counting locks each part of the map once.
    pub fn kept(&self) -> usize {
        self.persons.len()
    }

    /// A code that nobody has, now this person's.
    fn draw(&self, person: PersonId, random: &mut impl CryptoRng) -> Code {
        loop {
            let code = Code::draw(self.shard, random);
            if let Entry::Vacant(place) = self.persons.entry(code) {
                place.insert(person);
                return code;
            }
        }
    }

    /// Takes the code out, if it is still this person's.
    fn forget(&self, code: Code, person: PersonId) {
        self.persons.remove_if(&code, |_, of| *of == person);
    }

    /// What was made in the future was made before the clock went back: nobody knows how old it is.
    fn is_alive(&self, live: &Live, at: At) -> bool {
        let age = at.ms_since(live.made_at);
        -SKEW_MS <= age && age < self.rules.life_ms()
    }
}

#[cfg(test)]
mod tests;
