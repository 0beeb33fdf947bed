//! I5: no pool promises more than it has, and every movement of money has its cause.
//!
//! A posting names one pool, two accounts and one amount, so that it stays in its pool and sums to
//! zero is the journal's format; what is left to look at is that the pool is one of the
//! campaign's, that no account goes below zero, and that the postings of an entry are exactly
//! those that the other events of the entry call for.

use super::book::StockNo;
use super::{Book, Check, Look, Seen};
use crate::domain::{CampaignNo, Fen, KindNo, PoolNo, RoundNo};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Armed, Granted, KindTerms, What};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Funds {
    check: Check,
    pools: BTreeMap<(CampaignNo, PoolNo), Pool>,
    granted: BTreeMap<StockNo, u64>,
    expired: BTreeSet<(CampaignNo, RoundNo)>,
}

/// One pool's accounts in fen; wide and signed, so that whatever was posted can be counted.
#[derive(Clone, Copy, Default)]
struct Pool {
    budget: i128,
    available: i128,
    reserved: i128,
    frozen: i128,
}

/// A posting and the campaign whose pool it moves money in.
type Movement = (CampaignNo, Posting);

impl Default for Funds {
    fn default() -> Funds {
        let what = "available >= 0; reserved + frozen <= budget; every posting has its cause";
        Funds {
            check: Check::new("I5", what),
            pools: BTreeMap::new(),
            granted: BTreeMap::new(),
            expired: BTreeSet::new(),
        }
    }
}

impl Look for Funds {
    fn look(&mut self, entry: &Seen, book: &Book) {
        let mut due = Vec::new();
        let mut opened = BTreeSet::new();
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                What::Opened(_) => {
                    opened.insert(campaign);
                }
                What::Armed(armed) => due.extend(reserves(campaign, armed, book)),
                What::Granted(granted) => due.extend(self.freezes(campaign, granted, book)),
                What::Expired(expired) => due.extend(self.returns(campaign, expired.round, book)),
                What::Posted(_)
                | What::Bound(_)
                | What::Interlock(_)
                | What::Passed(_)
                | What::Sent(_)
                | What::Received(_) => {}
            }
        }
        due.retain(|(_, posting)| posting.fen > Fen::ZERO);
        for event in &entry.events {
            let What::Posted(posting) = event.what else { continue };
            self.post(entry.seq, event.campaign, posting, book);
            self.settle(entry.seq, (event.campaign, posting), &mut due, &opened, book);
        }
        for (campaign, posting) in due {
            let text = told(campaign, &posting);
            self.check.find(format!("seq {}: a posting is missing: {text}", entry.seq));
        }
    }

    fn done(self: Box<Self>, _: &Book) -> Check {
        self.check
    }
}

impl Funds {
    /// Moves the money and looks at the pool's accounts.
    fn post(&mut self, seq: u64, campaign: CampaignNo, posting: Posting, book: &Book) {
        self.check.row();
        if usize::from(posting.pool.0) >= book.pools(campaign) {
            let text = told(campaign, &posting);
            self.check.find(format!("seq {seq}: there is no such pool: {text}"));
            return;
        }
        let pool = self.pools.entry((campaign, posting.pool)).or_default();
        let fen = i128::from(posting.fen.get());
        pool.put(posting.from, -fen);
        pool.put(posting.to, fen);
        if !pool.sound() {
            let Pool { budget, available, reserved, frozen } = *pool;
            self.check.find(format!(
                "seq {seq}: pool {} of campaign {}: available {available}, reserved {reserved}, \
                 frozen {frozen} fen of a budget of {budget}",
                posting.pool.0, campaign.0
            ));
        }
    }

    /// Takes the posting off what is due, or finds that nothing called for it.
    fn settle(
        &mut self,
        seq: u64,
        movement: Movement,
        due: &mut Vec<Movement>,
        opened: &BTreeSet<CampaignNo>,
        book: &Book,
    ) {
        let (campaign, posting) = movement;
        let budget = posting.from == Account::Treasury && posting.to == Account::Available;
        let known = usize::from(posting.pool.0) < book.pools(campaign);
        if posting.fen == Fen::ZERO || (budget && known && opened.contains(&campaign)) {
            return;
        }
        if let Some(index) = due.iter().position(|due| *due == movement) {
            due.swap_remove(index);
            return;
        }
        let text = told(campaign, &posting);
        self.check.find(format!("seq {seq}: nothing calls for this posting: {text}"));
    }

    fn freezes(
        &mut self,
        campaign: CampaignNo,
        granted: &Granted,
        book: &Book,
    ) -> Option<Movement> {
        let coupon = granted.coupon;
        *self.granted.entry((campaign, coupon.round, coupon.kind)).or_default() += 1;
        let terms = book.kind(campaign, coupon.kind)?;
        Some((campaign, posting(terms, Account::Reserved, Account::Frozen, 1)))
    }

    /// What goes back when the round expires, for the first time.
    fn returns(&mut self, campaign: CampaignNo, round: RoundNo, book: &Book) -> Vec<Movement> {
        if !self.expired.insert((campaign, round)) {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (kind, terms) in numbered(book.kinds(campaign)) {
            let stock = (campaign, round, kind);
            let granted = self.granted.get(&stock).copied().unwrap_or(0);
            let unclaimed = u64::from(book.quantity(stock)).saturating_sub(granted);
            let (reserved, frozen) = (Account::Reserved, Account::Frozen);
            due.push((campaign, posting(terms, reserved, Account::Available, unclaimed)));
            due.push((campaign, posting(terms, frozen, Account::Available, granted)));
        }
        due
    }
}

impl Pool {
    fn put(&mut self, account: Account, fen: i128) {
        match account {
            // The treasury's side is the budget's mirror image.
            Account::Treasury => self.budget -= fen,
            Account::Available => self.available += fen,
            Account::Reserved => self.reserved += fen,
            Account::Frozen => self.frozen += fen,
        }
    }

    /// What is available is the budget less reserved and frozen, so available >= 0 is as well
    /// that no more is promised than there is.
    fn sound(self) -> bool {
        self.available >= 0 && self.reserved >= 0 && self.frozen >= 0
    }
}

fn reserves(campaign: CampaignNo, armed: &Armed, book: &Book) -> Vec<Movement> {
    let kinds = book.kinds(campaign).iter().zip(&armed.quantities);
    let (from, to) = (Account::Available, Account::Reserved);
    kinds.map(|(terms, units)| (campaign, posting(terms, from, to, u64::from(*units)))).collect()
}

/// The face value of so many units. Beyond `u64` it is no amount that can have been posted.
fn posting(terms: &KindTerms, from: Account, to: Account, units: u64) -> Posting {
    let fen = Fen::new(terms.face.get().saturating_mul(units));
    Posting { pool: terms.pool, from, to, fen }
}

fn numbered(kinds: &[KindTerms]) -> impl Iterator<Item = (KindNo, &KindTerms)> {
    (0..=u8::MAX).map(KindNo).zip(kinds)
}

fn told(campaign: CampaignNo, posting: &Posting) -> String {
    let Posting { pool, from, to, fen } = posting;
    let fen = fen.get();
    format!("campaign {} pool {}: {fen} fen from {from:?} to {to:?}", campaign.0, pool.0)
}
