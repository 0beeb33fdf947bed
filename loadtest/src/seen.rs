//! What the client saw the server say, and what may never be said.

use crate::crowd::Timing;
use crate::report::Check;
use serde_json::Value;
use std::collections::HashMap;

/// How far the two clocks may be apart before a yes counts as too early.
const CLOCK_ERROR_US: i64 = 5_000;

/// A coupon that somebody was told to hold.
#[derive(Debug)]
struct Held {
    coupon: String,
    /// When the first yes came.
    since: i64,
    /// How often it was said to be new.
    news: u32,
}

/// Everything said, by person and kind.
#[derive(Debug)]
pub(crate) struct Seen {
    opens_at: i64,
    quantities: Vec<u32>,
    held: HashMap<(u32, usize), Held>,
    holders: HashMap<String, (u32, usize)>,
    sold_out: Vec<u64>,
    yeses: u64,
    two_coupons: u64,
    shared: u64,
    new_twice: u64,
    too_early: u64,
    holder_sent_away: u64,
}

impl Seen {
    pub(crate) fn new(opens_at: i64, quantities: Vec<u32>) -> Seen {
        Seen {
            opens_at,
            sold_out: vec![0; quantities.len()],
            quantities,
            held: HashMap::new(),
            holders: HashMap::new(),
            yeses: 0,
            two_coupons: 0,
            shared: 0,
            new_twice: 0,
            too_early: 0,
            holder_sent_away: 0,
        }
    }

    /// A yes; whether it is the first about this coupon.
    pub(crate) fn yes(
        &mut self,
        person: u32,
        kind: usize,
        number: &Value,
        replayed: bool,
        timing: Timing,
    ) -> bool {
        add(&mut self.yeses, true);
        let coupon = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
        let early = timing.received.saturating_add(CLOCK_ERROR_US) < self.opens_at;
        add(&mut self.too_early, early);
        let holder = *self.holders.entry(coupon.clone()).or_insert((person, kind));
        add(&mut self.shared, holder != (person, kind));
        let mut first = false;
        let held = self.held.entry((person, kind)).or_insert_with(|| {
            first = true;
            Held { coupon: coupon.clone(), since: timing.received, news: 0 }
        });
        add(&mut self.two_coupons, held.coupon != coupon);
        held.news = held.news.saturating_add(u32::from(!replayed));
        add(&mut self.new_twice, !replayed && held.news == 2);
        first
    }

    /// The kind was said to be sold out; whether for the first time.
    pub(crate) fn sold_out(&mut self, person: u32, kind: usize, timing: Timing) -> bool {
        let held = self.held.get(&(person, kind));
        add(&mut self.holder_sent_away, held.is_some_and(|held| held.since < timing.sent));
        let Some(times) = self.sold_out.get_mut(kind) else { return false };
        *times = times.saturating_add(1);
        *times == 1
    }

    /// Every coupon that somebody was told to hold, with the person and the kind; in the order of persons.
    pub(crate) fn coupons(&self) -> Vec<(u32, usize, String)> {
        let of =
            |((person, kind), held): (&(u32, usize), &Held)| (*person, *kind, held.coupon.clone());
        let mut coupons: Vec<_> = self.held.iter().map(of).collect();
        coupons.sort_unstable();
        coupons
    }

    /// How often each kind was said to be sold out.
    pub(crate) fn sold_out_times(&self) -> &[u64] {
        &self.sold_out
    }

    /// Different coupons of each kind that were acknowledged.
    pub(crate) fn granted(&self) -> Vec<u64> {
        let mut granted = vec![0_u64; self.quantities.len()];
        for (_, kind) in self.holders.values() {
            if let Some(count) = granted.get_mut(*kind) {
                *count = count.saturating_add(1);
            }
        }
        granted
    }

    /// What may never be said, and how often it was. `unknown`: claims of each kind whose outcome nobody told us; a
    /// grant among them is one that we can't count.
    pub(crate) fn checks(&self, unknown: &[u64]) -> Vec<Check> {
        let never = |name, what, bad: u64| Check::counted(name, what, self.yeses, bad);
        let granted = self.granted();
        let per_kind =
            || self.quantities.iter().zip(&granted).zip(self.sold_out.iter().zip(unknown));
        let over = per_kind().filter(|((quantity, granted), _)| **granted > u64::from(**quantity));
        let early = per_kind().filter(|((quantity, granted), (told, unknown))| {
            **told > 0 && granted.saturating_add(**unknown) < u64::from(**quantity)
        });
        let (over, early) = (count(over), count(early));
        let told = self.sold_out.iter().fold(0_u64, |sum, told| sum.saturating_add(*told));
        let kinds = u64::try_from(self.quantities.len()).unwrap_or(u64::MAX);
        vec![
            never(
                "client_one_coupon_each",
                "no person was told two coupons of a kind",
                self.two_coupons,
            ),
            never("client_one_holder_each", "no coupon was told to two persons", self.shared),
            never("client_new_once", "no grant was called new twice", self.new_twice),
            never("client_not_before_opening", "no yes came before the opening", self.too_early),
            Check::counted(
                "client_within_stock",
                "no kind has more coupons than its stock",
                kinds,
                over,
            ),
            Check::counted(
                "client_sold_out_is_true",
                "no kind was called sold out of which fewer coupons than its stock were granted",
                told,
                early,
            ),
            Check::counted(
                "client_holder_is_known",
                "no holder was told sold out",
                told,
                self.holder_sent_away,
            ),
        ]
    }
}

fn add(count: &mut u64, one: bool) {
    *count = count.saturating_add(u64::from(one));
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sent: i64) -> Timing {
        Timing { intended: sent, sent, received: sent + 1_000 }
    }

    /// The names of the checks that are not clean after `say` was said by a server with one coupon of one kind.
    fn broken(say: impl Fn(&mut Seen)) -> Vec<String> {
        let mut seen = Seen::new(1_000_000, vec![1]);
        say(&mut seen);
        let checks = seen.checks(&[0]);
        checks.into_iter().filter(|check| !check.clean).map(|check| check.name).collect()
    }

    fn yes(seen: &mut Seen, person: u32, coupon: &str, replayed: bool, sent: i64) {
        seen.yes(person, 0, &Value::from(coupon), replayed, at(sent));
    }

    #[test]
    fn an_honest_server_breaks_nothing() {
        let none: Vec<String> = vec![];
        assert_eq!(
            broken(|seen| {
                yes(seen, 1, "a", false, 1_000_000);
                yes(seen, 1, "a", true, 1_100_000);
                seen.sold_out(2, 0, at(1_200_000));
            }),
            none
        );
    }

    #[test]
    fn each_lie_is_named() {
        let first = |seen: &mut Seen| yes(seen, 1, "a", false, 1_000_000);
        assert_eq!(
            broken(|seen| {
                first(seen);
                yes(seen, 2, "b", false, 1_000_001);
            }),
            ["client_within_stock"]
        );
        assert_eq!(
            broken(|seen| {
                first(seen);
                yes(seen, 2, "a", false, 1_000_001);
            }),
            ["client_one_holder_each"]
        );
        assert_eq!(
            broken(|seen| {
                first(seen);
                yes(seen, 1, "b", true, 1_000_001);
            }),
            ["client_one_coupon_each", "client_within_stock"]
        );
        assert_eq!(
            broken(|seen| {
                first(seen);
                yes(seen, 1, "a", false, 1_000_001);
            }),
            ["client_new_once"]
        );
        assert_eq!(broken(|seen| yes(seen, 1, "a", false, 900_000)), ["client_not_before_opening"]);
        assert_eq!(
            broken(|seen| {
                seen.sold_out(2, 0, at(1_000_001));
            }),
            ["client_sold_out_is_true"]
        );
        assert_eq!(
            broken(|seen| {
                first(seen);
                seen.sold_out(1, 0, at(1_100_000));
            }),
            ["client_holder_is_known"]
        );
    }

    #[test]
    fn a_claim_without_an_answer_may_have_taken_the_last_coupon() {
        let mut seen = Seen::new(0, vec![1]);
        seen.sold_out(1, 0, at(5));
        assert!(seen.checks(&[1]).iter().all(|check| check.clean));
    }
}
