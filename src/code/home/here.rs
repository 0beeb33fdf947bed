//! Codes in this server's memory: by person, and from code to person.
//!
//! The person's entry is what counts; the other map only finds it. No entry of one map is locked while one of the
//! other is.

use super::{ForOrder, Found, Home, Live};
use crate::code::{Code, CodeShard, is_alive};
use crate::domain::{At, NoAnswer, PersonId, keyed::KeyedState};
use dashmap::{DashMap, Entry};
use futures_util::future::{BoxFuture, FutureExt, ready};

/// What a code leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    /// Its person, who may have a later one.
    Person(PersonId),
    /// The order that it was taken for, and when.
    Order(ForOrder, At),
}

/// The codes of a ledger of one log. A restart kills all of them.
#[derive(Default)]
pub struct Here {
    by_person: DashMap<PersonId, Live, KeyedState>,
    /// What each code leads to. We draw the codes ourselves, so nobody chooses keys that collide.
    codes: DashMap<Code, To, KeyedState>,
}

impl Here {
    fn put_now(&self, live: Live) -> bool {
        let person = live.holder.person;
        match self.codes.entry(live.code) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(place) => drop(place.insert(To::Person(person))),
        }
        if let Some(old) = self.by_person.insert(person, live) {
            self.forget(old.code, person);
        }
        true
    }

    fn take_now(&self, code: Code, order: ForOrder, at: At) -> Found {
        let person = {
            let Some(mut place) = self.codes.get_mut(&code) else { return Found::Nothing };
            match *place {
                To::Order(by, _) if by == order => return Found::Spent,
                To::Order(..) => return Found::Nothing,
                To::Person(person) => {
                    *place = To::Order(order, at);
                    person
                }
            }
        };
        let live = self.by_person.remove_if(&person, |_, live| live.code == code);
        live.map_or_else(
            || {
                // It was replaced a moment ago.
                self.codes.remove(&code);
                Found::Nothing
            },
            |(_, live)| Found::Live(live),
        )
    }

    /// Takes the code out, if it is still this person's.
    fn forget(&self, code: Code, person: PersonId) {
        self.codes.remove_if(&code, |_, to| *to == To::Person(person));
    }

    /// Persons and codes that are kept.
    #[cfg(test)]
    pub(in crate::code) fn kept(&self) -> (usize, usize) {
        (self.by_person.len(), self.codes.len())
    }

    /// As it is in the middle of a replacement, before the old code is forgotten.
    #[cfg(test)]
    pub(in crate::code) fn half_replaced(&self, code: Code, person: PersonId) {
        self.codes.insert(code, To::Person(person));
    }
}

impl Home for Here {
    fn shard(&self, _: PersonId) -> Result<CodeShard, NoAnswer> {
        Ok(CodeShard::ALONE)
    }

    fn put(&self, live: Live, _: u32) -> BoxFuture<'_, Result<bool, NoAnswer>> {
        ready(Ok(self.put_now(live))).boxed()
    }

    fn take(&self, code: Code, order: ForOrder, at: At) -> BoxFuture<'_, Result<Found, NoAnswer>> {
        ready(Ok(self.take_now(code, order, at))).boxed()
    }

    fn tidy(&self, at: At, life_ms: u32) {
        let mut dead = Vec::new();
        self.by_person.retain(|person, live| {
            let alive = is_alive(live.made_at, at, life_ms);
            if !alive {
                dead.push((live.code, *person));
            }
            alive
        });
        for (code, person) in dead {
            self.forget(code, person);
        }
        self.codes.retain(|_, to| match to {
            To::Person(_) => true,
            To::Order(_, taken_at) => is_alive(*taken_at, at, life_ms),
        });
        self.by_person.shrink_to_fit();
        self.codes.shrink_to_fit();
    }
}
