//! Codes in this server's memory: from code to whose it is, and each person's latest.
//!
//! The code's entry is what counts, so that a scan has one place to look; the other map only finds what the next code
//! kills. A person's entry is locked until that is done, and codes are locked after persons. While a code is being
//! replaced both can be scanned: the old one until it is killed, which is before anybody is told the new one.

use super::{ForOrder, Found, Home, Live};
use crate::code::{Code, CodeShard, is_alive};
use crate::domain::{At, NoAnswer, PersonId, keyed::KeyedState};
use dashmap::{DashMap, Entry};
use futures_util::future::{BoxFuture, FutureExt, ready};

/// What a code leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    /// Whose it is: it was not scanned.
    Live(Live),
    /// The order that it was taken for, and when.
    Order(ForOrder, At),
}

/// The codes of a ledger of one log. A restart kills all of them.
#[derive(Default)]
pub struct Here {
    /// What each code leads to. We draw the codes ourselves, so nobody chooses keys that collide.
    codes: DashMap<Code, To, KeyedState>,
    /// The last code that each person made, and when.
    last: DashMap<PersonId, (Code, At), KeyedState>,
}

impl Here {
    fn put_now(&self, live: Live) -> bool {
        let person = live.holder.person;
        match self.codes.entry(live.code) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(place) => drop(place.insert(To::Live(live))),
        }
        let made = (live.code, live.made_at);
        match self.last.entry(person) {
            Entry::Vacant(place) => drop(place.insert(made)),
            Entry::Occupied(mut place) => {
                let (before, _) = place.insert(made);
                // Somebody else may have drawn it since.
                let is_theirs = |to: &To| matches!(to, To::Live(it) if it.holder.person == person);
                self.codes.remove_if(&before, |_, to| is_theirs(to));
            }
        }
        true
    }

    fn take_now(&self, code: Code, order: ForOrder, at: At) -> Found {
        let Some(mut place) = self.codes.get_mut(&code) else { return Found::Nothing };
        match *place {
            To::Order(by, _) if by == order => Found::Spent,
            To::Order(..) => Found::Nothing,
            To::Live(live) => {
                *place = To::Order(order, at);
                Found::Live(live)
            }
        }
    }

    /// Codes that can be scanned, and all that are kept.
    #[cfg(test)]
    pub(in crate::code) fn kept(&self) -> (usize, usize) {
        let live = self.codes.iter().filter(|it| matches!(**it, To::Live(_))).count();
        (live, self.codes.len())
    }

    /// Forgets all codes, but not who made them last.
    #[cfg(test)]
    pub(in crate::code) fn codes_forgotten(&self) {
        self.codes.clear();
    }

    /// Persons whose last code is kept.
    #[cfg(test)]
    pub(in crate::code) fn persons(&self) -> usize {
        self.last.len()
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
        // Persons first: whose entry goes had a code before, which goes with it.
        self.last.retain(|_, (_, made_at)| is_alive(*made_at, at, life_ms));
        self.codes.retain(|_, to| {
            let (To::Live(Live { made_at: since, .. }) | To::Order(_, since)) = *to;
            is_alive(since, at, life_ms)
        });
        self.codes.shrink_to_fit();
        self.last.shrink_to_fit();
    }
}
