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
    let (unpaid, on_their_way) = unpaid(books, campaign, beside.payments);
    let payments = beside.payments.values().flat_map(BTreeMap::values);
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

/// Payments that are not made, and of those the ones that the bank has not answered.
fn unpaid(
    books: &Books,
    campaign: CampaignNo,
    payments: &BTreeMap<BatchNo, Payments>,
) -> (u64, u64) {
    let lines = books.lines(campaign).map(|(_, line)| line);
    let open = lines.filter(|it| it.payment != Payment::Paid && it.payable() > Fen::ZERO);
    let open: BTreeSet<(BatchNo, MerchantNo)> = open.map(|it| (it.batch, it.merchant)).collect();
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
