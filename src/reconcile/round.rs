//! How a round stands, for its [checklist](super::close): from the books and the folder of batches. Pure.

use super::close::Standing;
use super::{Report, sides};
use crate::books::{Books, Payment};
use crate::domain::{At, BatchNo, CampaignNo, Fen, MerchantNo, RoundNo, Window};
use crate::settle::{folder::Payments, payment::State};
use std::collections::{BTreeMap, BTreeSet};

/// What the checklist rests on beside the books.
#[derive(Clone, Debug)]
pub struct Beside<'a> {
    /// When it is looked at.
    pub at: At,
    /// The comparison.
    pub report: &'a Report,
    /// What was sent to the bank, batch by batch.
    pub payments: &'a BTreeMap<BatchNo, Payments>,
    /// The last entry that the store has, all logs together, of those that the books have.
    pub store_seq: u64,
    /// Whether the audit was clean, if one was made.
    pub audit_clean: Option<bool>,
}

/// How a round with this window stands.
pub fn standing(
    books: &Books,
    campaign: CampaignNo,
    round: RoundNo,
    window: Window,
    beside: &Beside<'_>,
) -> Standing {
    let (locks, expired, tied) = tied(books, campaign, round);
    let stopped = books.held(campaign, At(i64::MAX));
    let waiting = sides::in_no_batch(books, campaign, round);
    let (settled, held): (BTreeMap<_, _>, BTreeMap<_, _>) =
        waiting.into_iter().partition(|(no, _)| !stopped.contains(no));
    let owed = books.of(campaign).flat_map(|(_, book)| book.dues.values()).map(|it| it.owed);
    let shares = sides::in_batches(books, campaign, round);
    let (unpaid, on_their_way) = unpaid(books, campaign, &shares, beside.payments);
    let payments = beside.payments.values().flat_map(BTreeMap::values);
    let payments = payments.filter(|it| shares.contains(&(it.batch, it.merchant)));
    Standing {
        round,
        at: beside.at,
        ends_at: window.until,
        locks,
        expired,
        tied,
        ledger_seq: books.ends().values().map(|(seq, _)| *seq).sum(),
        store_seq: beside.store_seq,
        unsettled: sum(settled.into_values()),
        unpaid,
        on_their_way,
        disputed: count(payments.filter(|it| it.is_disputed())),
        held: sum(held.into_values()),
        owed: sum(owed),
        silent: beside.report.silent.clone(),
        differences: u64::try_from(beside.report.differences.len()).unwrap_or(u64::MAX),
        awaited: beside.report.awaited,
        audit_clean: beside.audit_clean,
    }
}

/// Locked coupons of a round, whether it has ended wherever it has stock, and what is reserved or frozen for it.
fn tied(books: &Books, campaign: CampaignNo, round: RoundNo) -> (u64, bool, Fen) {
    let (mut locks, mut expired, mut tied, mut armed) = (0, true, Fen::ZERO, false);
    for (_, book) in books.of(campaign) {
        let Some(here) = book.rounds.get(&round) else { continue };
        armed = true;
        expired &= here.expired;
        for (level, terms) in here.stock.iter().zip(&book.opened.kinds) {
            locks += u64::from(level.locked);
            // What is used is consumed; once the round has ended only what is held has its money yet.
            let units =
                if here.expired { level.locked } else { level.quantity.saturating_sub(level.used) };
            tied = sum([tied, terms.face.checked_mul(units.into()).unwrap_or(Fen::ZERO)]);
        }
    }
    (locks, expired && armed, tied)
}

/// Payments of these shares of batches that are not made, and of those the ones that the bank has not answered.
fn unpaid(
    books: &Books,
    campaign: CampaignNo,
    shares: &BTreeSet<(BatchNo, MerchantNo)>,
    payments: &BTreeMap<BatchNo, Payments>,
) -> (u64, u64) {
    let lines = books.lines(campaign).map(|(_, line)| line);
    let open = lines.filter(|it| it.payment != Payment::Paid && it.payable() > Fen::ZERO);
    let open: BTreeSet<(BatchNo, MerchantNo)> =
        open.map(|it| (it.batch, it.merchant)).filter(|of| shares.contains(of)).collect();
    let is_sent = |(batch, merchant): &&(BatchNo, MerchantNo)| {
        let payment = payments.get(batch).and_then(|it| it.get(merchant));
        payment.is_some_and(|it| it.state() == State::Sent)
    };
    let sent = count(open.iter().filter(is_sent));
    (count(open.iter()).saturating_sub(sent), sent)
}

fn count(of: impl Iterator) -> u64 {
    u64::try_from(of.count()).unwrap_or(u64::MAX)
}

/// Parts of one fund, which fits.
fn sum(of: impl IntoIterator<Item = Fen>) -> Fen {
    of.into_iter().fold(Fen::ZERO, |all, fen| all.checked_add(fen).unwrap_or(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::funds::Account::{Consumed, Payable};
    use crate::ledger::made::posted;
    use crate::ledger::made::redeeming::{Timed, entries, settled, story};
    use crate::store::LogNo;

    /// Payments of a round that are not made after these entries.
    fn unpaid_of(round: u8, all: Vec<Timed>) -> u64 {
        let mut books = Books::default();
        for entry in entries(all) {
            books.take(LogNo::EMBEDDED, &entry).unwrap();
        }
        let campaign = CampaignNo(0);
        let shares = sides::in_batches(&books, campaign, RoundNo(round));
        unpaid(&books, campaign, &shares, &BTreeMap::new()).0
    }

    #[test]
    fn r_camp_1_a_round_waits_for_the_payments_in_which_something_of_it_is() {
        let mut all = story();
        all.truncate(31);
        assert_eq!((unpaid_of(1, all.clone()), unpaid_of(2, all)), (1, 0), "batch 1 failed");
        let mut all = story();
        all.truncate(33);
        assert_eq!(unpaid_of(1, all), 0, "it was paid");
        let mut all = story();
        all.truncate(38);
        all.push((9_450, vec![settled(2, 20, 0), posted(Consumed, Payable, 20)]));
        assert_eq!((unpaid_of(1, all.clone()), unpaid_of(2, all)), (1, 0), "orders 5 and 6");
    }
}
