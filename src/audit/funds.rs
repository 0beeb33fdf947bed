//! I5: no pool promises more than it has, and every movement of money has its cause.
//!
//! A posting names one pool, two accounts and one amount, so that it stays in its pool and sums to
//! zero is the journal's format; what is left to look at is that the pool is one of the
//! campaign's, that no account goes below zero, and that the postings of an entry are exactly
//! those that the other events of the entry call for.
//!
//! Of several logs each has accounts of its own. Money moves between them by way of the treasury's side, and all of
//! them and what is on its way are the budget.

use super::book::StockNo;
use super::dues::{DueNo, Dues};
use super::transfers::{self, End, Transfers};
use super::{Book, Check, Look, Seen, Spot};
use crate::domain::{CampaignNo, Fen, KindNo, PoolNo, RedemptionId, RoundNo};
use crate::funds::{Account, Posting};
use crate::ledger::event::{
    Aftermath, Armed, Granted, KindTerms, Load, Locked, Refunded, Settled, Transfer, What,
};
use crate::store::LogNo;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) struct Funds {
    check: Check,
    pools: BTreeMap<(LogNo, CampaignNo, PoolNo), Pool>,
    /// What the treasury put in, over all logs.
    budgets: BTreeMap<(CampaignNo, PoolNo), i128>,
    granted: BTreeMap<(LogNo, StockNo), u64>,
    /// Of those granted, how many are held for an order or used, so that no expiry frees their money.
    held: BTreeMap<(LogNo, StockNo), u64>,
    orders: HashMap<(LogNo, CampaignNo, RedemptionId), Order>,
    dues: Dues,
    /// Units that a shard received less those it sent.
    moved: BTreeMap<(LogNo, StockNo), i64>,
    expired: BTreeSet<(LogNo, CampaignNo, RoundNo)>,
    transfers: Transfers,
}

/// An order that a coupon was locked for.
#[derive(Clone, Copy)]
struct Order {
    due: DueNo,
    stock: StockNo,
    /// The entry that confirmed it.
    confirmed: Option<u64>,
}

/// One pool's accounts in fen; wide and signed, so that whatever was posted can be counted.
#[derive(Clone, Copy, Default)]
struct Pool {
    budget: i128,
    available: i128,
    reserved: i128,
    frozen: i128,
    consumed: i128,
    payable: i128,
    paid: i128,
}

/// A posting that is called for, and the campaign whose pool it moves money in.
type Movement = (CampaignNo, Due);

/// A posting that is called for.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) pool: PoolNo,
    pub(super) from: Account,
    pub(super) to: Account,
    /// How much, if that is given.
    pub(super) fen: Option<Fen>,
}

impl Due {
    fn is(&self, it: &Posting) -> bool {
        (self.pool, self.from, self.to) == (it.pool, it.from, it.to)
            && self.fen.is_none_or(|fen| fen == it.fen)
    }
}

impl Default for Funds {
    fn default() -> Funds {
        let what = "available >= 0; what is promised <= budget; every posting has its cause";
        Funds {
            check: Check::new("I5", what),
            pools: BTreeMap::new(),
            budgets: BTreeMap::new(),
            granted: BTreeMap::new(),
            held: BTreeMap::new(),
            orders: HashMap::new(),
            dues: Dues::default(),
            moved: BTreeMap::new(),
            expired: BTreeSet::new(),
            transfers: Transfers::default(),
        }
    }
}

impl Look for Funds {
    fn look(&mut self, entry: &Seen, book: &Book) {
        let spot = entry.spot;
        let mut due = Vec::new();
        let mut opened = BTreeSet::new();
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                // The budget stands in the first shard.
                What::Opened(terms) if terms.shard.no == 0 => {
                    opened.insert(campaign);
                }
                What::Armed(armed) => due.extend(reserves(campaign, armed, book)),
                What::Granted(granted) => {
                    due.extend(self.freezes(spot.log, campaign, granted, book));
                }
                What::Expired(expired) => {
                    due.extend(self.returns(spot.log, campaign, expired.round, book));
                }
                What::Sent(sent) => due.extend(self.moves(entry, campaign, End::Sent, sent, book)),
                What::Received(it) => {
                    let moved = self.moves(entry, campaign, End::Received, it, book);
                    due.extend(moved);
                    due.extend(moved.and_then(|moved| self.too_late(spot.log, it, moved)));
                }
                // Its money stays where it is.
                What::Locked(locked) => self.lock(spot.log, campaign, locked, book),
                What::Confirmed(it) => {
                    due.extend(self.confirm(spot, campaign, it.redemption, book));
                }
                What::Released(it) => due.extend(self.release(spot, campaign, it.redemption, book)),
                What::Refunded(it) => due.extend(self.refund(spot, campaign, it)),
                What::Settled(settled) => {
                    self.dues.settle(spot, campaign, settled, book, &mut self.check);
                    due.extend(settles(settled).map(|due| (campaign, due)));
                }
                What::Paid(paid) => {
                    self.dues.pay(spot, campaign, paid, &mut self.check);
                    due.push((campaign, of(paid.pool, Account::Payable, Account::Paid, paid.fen)));
                }
                What::PaymentFailed(failed) => {
                    self.dues.fail(spot, campaign, *failed, &mut self.check);
                }
                What::Opened(_)
                | What::Posted(_)
                | What::Bound(_)
                | What::Interlock(_)
                | What::Decided(_)
                | What::Passed(_)
                | What::Admitted(_)
                | What::Stands(_)
                | What::Adjusted(_)
                | What::Extended(_)
                | What::Reserved(_)
                | What::Vacated(_)
                | What::GivenBack(_) => {}
            }
        }
        due.retain(|(_, due)| due.fen != Some(Fen::ZERO));
        for event in &entry.events {
            let What::Posted(posting) = event.what else { continue };
            self.post(spot, event.campaign, posting, book);
            self.settle(spot, (event.campaign, posting), &mut due, &opened, book);
        }
        for (campaign, due) in due {
            let text = told(campaign, &due);
            self.check.find(format!("{spot}: a posting is missing: {text}"));
        }
    }

    fn done(mut self: Box<Self>, _: &Book) -> Check {
        let mut all = std::mem::take(&mut self.transfers).done(&mut self.check);
        for ((log, campaign, pool), accounts) in &self.pools {
            if *log != LogNo::EMBEDDED {
                *all.entry((*campaign, *pool)).or_default() += accounts.sum();
            }
        }
        for ((campaign, pool), fen) in all {
            let budget = self.budgets.get(&(campaign, pool)).copied().unwrap_or(0);
            if fen != budget {
                let (campaign, pool) = (campaign.0, pool.0);
                self.check.find(format!(
                    "pool {pool} of campaign {campaign}: {fen} fen in all shards and on their way, \
                     of a budget of {budget}"
                ));
            }
        }
        self.check
    }
}

impl Funds {
    /// Moves the money and looks at the pool's accounts.
    fn post(&mut self, spot: Spot, campaign: CampaignNo, posting: Posting, book: &Book) {
        self.check.row();
        if usize::from(posting.pool.0) >= book.pools(campaign) {
            let text = told(campaign, &posting.into());
            self.check.find(format!("{spot}: there is no such pool: {text}"));
            return;
        }
        let pool = self.pools.entry((spot.log, campaign, posting.pool)).or_default();
        let fen = i128::from(posting.fen.get());
        pool.put(posting.from, -fen);
        pool.put(posting.to, fen);
        if !pool.sound() {
            let Pool { budget, available, reserved, frozen, consumed, payable, paid } = *pool;
            self.check.find(format!(
                "{spot}: pool {} of campaign {}: available {available}, reserved {reserved}, \
                 frozen {frozen}, consumed {consumed}, payable {payable}, paid {paid} fen of a \
                 budget of {budget}",
                posting.pool.0, campaign.0
            ));
        }
    }

    /// Takes the posting off what is due, or finds that nothing called for it.
    fn settle(
        &mut self,
        spot: Spot,
        (campaign, posting): (CampaignNo, Posting),
        due: &mut Vec<Movement>,
        opened: &BTreeSet<CampaignNo>,
        book: &Book,
    ) {
        if let Some(index) = due.iter().position(|(no, due)| *no == campaign && due.is(&posting)) {
            due.swap_remove(index);
            return;
        }
        let budget = posting.from == Account::Treasury && posting.to == Account::Available;
        let known = usize::from(posting.pool.0) < book.pools(campaign);
        if budget && known && opened.contains(&campaign) {
            let pool = (campaign, posting.pool);
            *self.budgets.entry(pool).or_default() += i128::from(posting.fen.get());
        } else if posting.fen != Fen::ZERO {
            let text = told(campaign, &posting.into());
            self.check.find(format!("{spot}: nothing calls for this posting: {text}"));
        }
    }

    fn freezes(
        &mut self,
        log: LogNo,
        campaign: CampaignNo,
        granted: &Granted,
        book: &Book,
    ) -> Option<Movement> {
        let coupon = granted.coupon;
        *self.granted.entry((log, (campaign, coupon.round, coupon.kind))).or_default() += 1;
        let terms = book.kind(campaign, coupon.kind)?;
        Some((campaign, due(terms, Account::Reserved, Account::Frozen, 1)))
    }

    fn lock(&mut self, log: LogNo, campaign: CampaignNo, locked: &Locked, book: &Book) {
        let stock = (campaign, locked.coupon.round, locked.coupon.kind);
        let Some(terms) = book.kind(campaign, locked.coupon.kind) else { return };
        let due = (log, campaign, locked.merchant, terms.pool);
        self.orders
            .insert((due.0, campaign, locked.redemption), Order { due, stock, confirmed: None });
        *self.held.entry((log, stock)).or_default() += 1;
    }

    fn confirm(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        redemption: RedemptionId,
        book: &Book,
    ) -> Option<Movement> {
        let order = self.orders.get_mut(&(spot.log, campaign, redemption))?;
        order.confirmed = Some(spot.seq);
        let (_, _, kind) = order.stock;
        let terms = book.kind(campaign, kind)?;
        self.dues.confirm(order.due, terms.face.get());
        Some((campaign, due(terms, Account::Frozen, Account::Consumed, 1)))
    }

    /// The coupon's money stays frozen, unless its round has expired meanwhile.
    fn release(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        redemption: RedemptionId,
        book: &Book,
    ) -> Option<Movement> {
        let Order { due: (log, ..), stock, .. } =
            *self.orders.get(&(spot.log, campaign, redemption))?;
        self.lets_go(log, stock);
        let (_, round, kind) = stock;
        let terms = book.kind(campaign, kind)?;
        let gone = self.expired.contains(&(log, campaign, round));
        gone.then(|| (campaign, due(terms, Account::Frozen, Account::Available, 1)))
    }

    /// What was settled is with the merchant, who owes it; if the coupon is issued again, the pool lends it the money.
    fn refund(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        refunded: &Refunded,
    ) -> Option<Movement> {
        let Refunded { redemption, back, coupon, owed, .. } = *refunded;
        let Order { due, stock, confirmed } =
            *self.orders.get(&(spot.log, campaign, redemption))?;
        let settled = confirmed.is_some_and(|seq| self.dues.is_settled(due, seq));
        if owed != settled {
            let was = if settled { "was settled before" } else { "was not settled" };
            self.check.find(format!("{spot}: {redemption:?} {was}; it is told otherwise"));
        }
        self.dues.take_back(due, back.get(), owed);
        if coupon == Aftermath::Issued {
            self.lets_go(due.0, stock);
        }
        let (from, to) = match (owed, coupon) {
            (false, Aftermath::Issued) => (Account::Consumed, Account::Frozen),
            (false, _) => (Account::Consumed, Account::Available),
            (true, Aftermath::Issued) => (Account::Available, Account::Frozen),
            (true, _) => return None,
        };
        Some((campaign, of(due.3, from, to, back)))
    }

    fn lets_go(&mut self, log: LogNo, stock: StockNo) {
        let held = self.held.entry((log, stock)).or_default();
        *held = held.saturating_sub(1);
    }

    /// One end of a transfer, and the money that goes along.
    fn moves(
        &mut self,
        entry: &Seen,
        campaign: CampaignNo,
        end: End,
        transfer: &Transfer,
        book: &Book,
    ) -> Option<Movement> {
        let log = entry.spot.log;
        let sent = transfers::money(campaign, &transfer.load, book);
        let due = match end {
            End::Sent => sent,
            End::Received => sent.map(|due| Due { from: due.to, to: due.from, ..due }),
        };
        if let Load::Stock { round, kind, units, .. } = transfer.load {
            let sign = if end == End::Sent { -1 } else { 1 };
            *self.moved.entry((log, (campaign, round, kind))).or_default() +=
                sign * i64::from(units);
        }
        let money = entry.events.iter().find_map(|event| match event.what {
            What::Posted(posting) if due.is_some_and(|due| due.is(&posting)) => Some(posting),
            _ => None,
        });
        let place = (entry.spot, campaign, book.shard(campaign, log).no);
        self.transfers.take(place, end, transfer, money, &mut self.check);
        due.map(|due| (campaign, due))
    }

    /// Stock that is received after its round has expired there gives its money back at once.
    fn too_late(
        &self,
        log: LogNo,
        received: &Transfer,
        (campaign, due): Movement,
    ) -> Option<Movement> {
        let Load::Stock { round, .. } = received.load else { return None };
        let late = self.expired.contains(&(log, campaign, round));
        late.then_some((campaign, Due { from: due.to, to: Account::Available, ..due }))
    }

    /// What goes back when the round expires, for the first time.
    fn returns(
        &mut self,
        log: LogNo,
        campaign: CampaignNo,
        round: RoundNo,
        book: &Book,
    ) -> Vec<Movement> {
        if !self.expired.insert((log, campaign, round)) {
            return Vec::new();
        }
        let first = book.shard(campaign, log).no == 0;
        let mut all = Vec::new();
        for (kind, terms) in numbered(book.kinds(campaign)) {
            let stock = (campaign, round, kind);
            let granted = self.granted.get(&(log, stock)).copied().unwrap_or(0);
            let held = self.held.get(&(log, stock)).copied().unwrap_or(0);
            let moved = self.moved.get(&(log, stock)).copied().unwrap_or(0);
            let armed = if first { u64::from(book.quantity(stock)) } else { 0 };
            let unclaimed = armed.saturating_add_signed(moved).saturating_sub(granted);
            let (reserved, frozen) = (Account::Reserved, Account::Frozen);
            all.push((campaign, due(terms, reserved, Account::Available, unclaimed)));
            let unused = granted.saturating_sub(held);
            all.push((campaign, due(terms, frozen, Account::Available, unused)));
        }
        all
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
            Account::Consumed => self.consumed += fen,
            Account::Payable => self.payable += fen,
            Account::Paid => self.paid += fen,
        }
    }

    fn sum(self) -> i128 {
        self.accounts().iter().sum()
    }

    /// What is available is the budget less all others, so available >= 0 is as well that no more is
    /// promised than there is.
    fn sound(self) -> bool {
        self.accounts().iter().all(|fen| *fen >= 0)
    }

    /// All but the treasury's.
    fn accounts(self) -> [i128; 6] {
        [self.available, self.reserved, self.frozen, self.consumed, self.payable, self.paid]
    }
}

fn reserves(campaign: CampaignNo, armed: &Armed, book: &Book) -> Vec<Movement> {
    let kinds = book.kinds(campaign).iter().zip(&armed.quantities);
    let (from, to) = (Account::Available, Account::Reserved);
    kinds.map(|(terms, units)| (campaign, due(terms, from, to, u64::from(*units)))).collect()
}

/// What is owed stays in the pool, the rest is for the merchant.
fn settles(settled: &Settled) -> [Due; 2] {
    let Settled { pool, consumed, owed, .. } = *settled;
    let payable = Fen::new(consumed.get().saturating_sub(owed.get()));
    [
        of(pool, Account::Consumed, Account::Available, owed),
        of(pool, Account::Consumed, Account::Payable, payable),
    ]
}

fn of(pool: PoolNo, from: Account, to: Account, fen: Fen) -> Due {
    Due { pool, from, to, fen: Some(fen) }
}

/// The face value of so many units. Beyond `u64` it is no amount that can have been posted.
pub(super) fn due(terms: &KindTerms, from: Account, to: Account, units: u64) -> Due {
    let fen = Some(Fen::new(terms.face.get().saturating_mul(units)));
    Due { pool: terms.pool, from, to, fen }
}

fn numbered(kinds: &[KindTerms]) -> impl Iterator<Item = (KindNo, &KindTerms)> {
    (0..=u8::MAX).map(KindNo).zip(kinds)
}

impl From<Posting> for Due {
    fn from(posting: Posting) -> Due {
        let Posting { pool, from, to, fen } = posting;
        Due { pool, from, to, fen: Some(fen) }
    }
}

fn told(campaign: CampaignNo, due: &Due) -> String {
    let Due { pool, from, to, fen } = due;
    let fen = fen.map_or("some".to_owned(), |fen| fen.get().to_string());
    format!("campaign {} pool {}: {fen} fen from {from:?} to {to:?}", campaign.0, pool.0)
}
