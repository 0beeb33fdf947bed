//! What a campaign counts while it serves: plain arrays, no name looked up, nothing made.

use super::redeeming::Redeeming;
use crate::domain::{KindNo, RoundNo, calendar::MOST_ROUNDS};
use crate::http::Problem;
use crate::ledger::machine::Summary;
use crate::plan::Plan;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Granted now.
const GRANTED: usize = 0;
/// The holder's repeat.
const ALREADY_HELD: usize = 1;
/// The first no; the others follow in the order of [`Problem::all`].
const NO: usize = 2;
/// How a claim can be answered.
const OUTCOMES: usize = NO + Problem::COUNT;

/// No coupon has been the last one yet.
const NEVER: i64 = i64::MIN;

/// What one campaign counts.
#[derive(Debug)]
pub struct Counts {
    /// By round.
    claims: Box<[[AtomicU64; OUTCOMES]]>,
    /// By round.
    passes: Box<[AtomicU64]>,
    rejected: [AtomicU64; Problem::COUNT],
    /// Whether the campaign has been seen as it stood at the start.
    begun: AtomicBool,
    /// By round and kind.
    stock: Box<[Box<[Seen]>]>,
    /// Of tills and payment codes.
    pub redeeming: Redeeming,
}

/// What was seen of a kind's stock in a round.
#[derive(Debug)]
struct Seen {
    granted: AtomicU32,
    issued: AtomicU64,
    /// Milliseconds from the opening to the last coupon.
    sold_out_ms: AtomicI64,
}

/// How a claim was answered: by the place of its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(usize);

impl Told {
    /// Yes: the coupon, for the first time or again.
    pub fn yes(replayed: bool) -> Told {
        Told(if replayed { ALREADY_HELD } else { GRANTED })
    }

    /// No.
    pub fn no(problem: &Problem) -> Told {
        Told(NO + problem.place())
    }

    /// Where it is in an array of all outcomes.
    pub(super) fn place(self) -> usize {
        self.0
    }
}

/// The name of each outcome, by its place.
pub(super) fn outcomes() -> impl Iterator<Item = &'static str> {
    ["granted", "already_held"].into_iter().chain(Problem::all().map(|no| no.code()))
}

// Relaxed throughout: the numbers guard no other memory; they are the data.
impl Counts {
    /// Nothing counted yet, for any round and the kinds of `plan`.
    pub fn of(plan: &Plan) -> Counts {
        let zero = || AtomicU64::new(0);
        let seen = || Seen {
            granted: AtomicU32::new(0),
            issued: zero(),
            sold_out_ms: AtomicI64::new(NEVER),
        };
        // Also those by which it may be extended.
        let rounds = || 0..MOST_ROUNDS;
        Counts {
            claims: rounds().map(|_| std::array::from_fn(|_| zero())).collect(),
            passes: rounds().map(|_| zero()).collect(),
            rejected: std::array::from_fn(|_| zero()),
            begun: AtomicBool::new(false),
            stock: rounds().map(|_| plan.kinds.iter().map(|_| seen()).collect()).collect(),
            redeeming: Redeeming::new(),
        }
    }

    /// A claim was answered.
    pub fn claim(&self, round: RoundNo, told: Told) {
        let round = self.claims.get(place(round));
        if let Some(count) = round.and_then(|outcomes| outcomes.get(told.0)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A pass was given out.
    pub fn pass(&self, round: RoundNo) {
        if let Some(count) = self.passes.get(place(round)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// An application for a pass was refused.
    pub fn pass_rejected(&self, problem: &Problem) {
        if let Some(count) = self.rejected.get(problem.place()) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// The campaign stands like this now, durably, at `now_ms`. What stood at the first call was
    /// there before.
    pub fn note(&self, summary: &Summary, now_ms: i64) {
        self.stands(summary, now_ms, true);
    }

    /// The same where several nodes grant: what each granted it counts itself, by [`Counts::granted`].
    pub fn note_shared(&self, summary: &Summary, now_ms: i64) {
        self.stands(summary, now_ms, false);
    }

    /// This node granted a coupon.
    pub fn granted(&self, round: RoundNo, kind: KindNo) {
        let stock = self.stock.get(place(round));
        if let Some(seen) = stock.and_then(|it| it.get(usize::from(kind.0))) {
            seen.issued.fetch_add(1, Relaxed);
        }
    }

    fn stands(&self, summary: &Summary, now_ms: i64, all_own: bool) {
        let begun = self.begun.swap(true, Relaxed);
        for round in &summary.rounds {
            let Some(stock) = self.stock.get(place(round.round)) else { continue };
            for (seen, level) in stock.iter().zip(&round.stock) {
                let before = seen.granted.swap(level.granted, Relaxed);
                let new = level.granted.saturating_sub(before);
                if !begun || new == 0 {
                    continue;
                }
                if all_own {
                    seen.issued.fetch_add(u64::from(new), Relaxed);
                }
                if level.left() == 0 {
                    let since = now_ms.saturating_sub(round.window.from.0);
                    seen.sold_out_ms.store(since, Relaxed);
                }
            }
        }
    }

    /// Claims of a round by outcome: the places of [`outcomes`].
    pub(super) fn claims(&self, round: RoundNo) -> impl Iterator<Item = u64> {
        loaded(self.claims.get(place(round)).map_or(&[], |it| it.as_slice()))
    }

    pub(super) fn passes(&self, round: RoundNo) -> u64 {
        self.passes.get(place(round)).map_or(0, |it| it.load(Relaxed))
    }

    /// Refused applications by problem.
    pub(super) fn rejected(&self) -> impl Iterator<Item = u64> {
        loaded(&self.rejected)
    }

    /// Coupons that this process saw granted, and milliseconds to the last one if it saw that.
    pub(super) fn issued(&self, round: RoundNo, kind: KindNo) -> (u64, Option<i64>) {
        let stock = self.stock.get(place(round));
        let Some(seen) = stock.and_then(|it| it.get(usize::from(kind.0))) else { return (0, None) };
        let ms = seen.sold_out_ms.load(Relaxed);
        (seen.issued.load(Relaxed), (ms != NEVER).then_some(ms))
    }
}

fn loaded(counts: &[AtomicU64]) -> impl Iterator<Item = u64> {
    counts.iter().map(|count| count.load(Relaxed))
}

/// Rounds are numbered from 1, lists from 0; round 0 is nowhere.
fn place(round: RoundNo) -> usize {
    usize::from(round.0).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{At, Refusal, Window};
    use crate::ledger::machine::{Level, RoundSummary};

    const R: RoundNo = RoundNo(1);

    fn counts() -> Counts {
        Counts::of(&crate::plan::tests::shipped())
    }

    fn standing(granted: u32) -> Summary {
        let round = RoundSummary {
            round: R,
            window: Window { from: At(1_000), until: At(9_000) },
            expired: false,
            stock: vec![Level { quantity: 5, granted, ..Level::default() }],
        };
        Summary {
            tripped: false,
            funds: crate::funds::Funds::new(0),
            rounds: vec![round],
            adjusted: Vec::new(),
            extended: Vec::new(),
            lapses_at: None,
        }
    }

    #[test]
    fn a_claim_counts_under_its_own_outcome_and_round() {
        let counts = counts();
        let no = Problem::from(Refusal::SoldOut);
        let told = [Told::yes(false), Told::yes(true), Told::no(&no), Told::no(&Problem::INTERNAL)];
        for (at, told) in told.into_iter().enumerate() {
            (0..=at).for_each(|_| counts.claim(R, told));
        }
        let counted: Vec<_> =
            outcomes().zip(counts.claims(R)).filter(|(_, count)| *count > 0).collect();
        assert_eq!(
            counted,
            [("granted", 1), ("already_held", 2), ("sold_out", 3), ("internal", 4)]
        );
        assert_eq!(counts.claims(RoundNo(2)).sum::<u64>(), 0);
        counts.claim(RoundNo(0), Told::yes(false));
        counts.claim(RoundNo(99), Told::yes(false));
        assert_eq!(counts.claims(R).sum::<u64>(), 10, "a round of no plan counts nowhere");
    }

    #[test]
    fn every_outcome_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = outcomes().collect();
        assert_eq!((names.len(), outcomes().count()), (OUTCOMES, OUTCOMES));
    }

    #[test]
    fn what_was_granted_before_the_start_is_not_counted_and_the_last_coupon_is_timed() {
        let (counts, kind) = (counts(), KindNo(0));
        counts.note(&standing(2), 1_100);
        assert_eq!(counts.issued(R, kind), (0, None));
        counts.note(&standing(4), 1_200);
        counts.note(&standing(4), 1_300);
        assert_eq!(counts.issued(R, kind), (2, None));
        counts.note(&standing(5), 1_450);
        counts.note(&standing(5), 1_900);
        assert_eq!(counts.issued(R, kind), (3, Some(450)));
    }

    #[test]
    fn of_several_nodes_each_counts_what_it_granted() {
        let (counts, kind) = (counts(), KindNo(0));
        counts.note_shared(&standing(2), 1_100);
        counts.granted(R, kind);
        counts.note_shared(&standing(5), 1_450);
        assert_eq!(counts.issued(R, kind), (1, Some(450)));
    }

    #[test]
    fn grants_of_the_batch_that_arms_the_round_are_counted() {
        let counts = counts();
        counts.note(&Summary { rounds: vec![], ..standing(0) }, 0);
        counts.note(&standing(3), 1_200);
        assert_eq!(counts.issued(R, KindNo(0)), (3, None));
    }
}
