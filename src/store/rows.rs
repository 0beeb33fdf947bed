//! What a batch of entries adds to the store, table by table.

use crate::domain::{At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, PoolNo, RoundNo};
use crate::domain::{
    PassNonce, PersonId, ProofId, RedemptionId, Shard, Window, calendar::Extension,
};
use crate::funds::{Account, Posting};
use crate::ledger::event::{
    Admitted, Decided, Granted, Interlock, KindTerms, Locked, Opened, Paid,
};
use crate::ledger::event::{Passed, PaymentFailed, Refunded, Settled, Stands, Transfer};
use std::collections::BTreeMap;

/// New rows and changes of old ones. They stand for a run of one log without a gap.
///
/// Rows are the same however a log is cut into batches: what adds up over entries is a change of
/// a row, and every row belongs to one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Entries that are no seals: seq, instant, body.
    pub events: Vec<(i64, At, Vec<u8>)>,
    /// Campaigns by name.
    pub campaigns: Vec<(CampaignNo, String)>,
    /// Which shard of a campaign the log is.
    pub openings: Vec<(CampaignNo, Shard)>,
    /// Pools by name.
    pub pools: Vec<(CampaignNo, PoolNo, String)>,
    /// Kinds and their terms.
    pub kinds: Vec<(CampaignNo, KindNo, KindTerms)>,
    /// Rounds that the log may have for the first time, and whether by their arming.
    pub rounds: BTreeMap<(CampaignNo, RoundNo), (Window, bool)>,
    /// What happened to their stock.
    pub stock: BTreeMap<(CampaignNo, RoundNo, KindNo), Stock>,
    /// Passes and when they were bound.
    pub passes: Vec<(CampaignNo, At, Passed)>,
    /// Proofs and the pass they were spent for.
    pub proofs: Vec<(CampaignNo, RoundNo, ProofId, PassNonce)>,
    /// To whom an identifier belongs for a round.
    pub bindings: BTreeMap<(CampaignNo, RoundNo, IdentifierKind, KeyedHash), PersonId>,
    /// Coupons, when they were granted, and what they froze.
    pub coupons: Vec<(CampaignNo, At, Granted, Posting)>,
    /// Postings but those of grants and confirmed redemptions, each with its entry and its line there.
    pub postings: Vec<(i64, u16, CampaignNo, Posting)>,
    /// What all postings add up to.
    pub balances: BTreeMap<(CampaignNo, PoolNo), Change>,
    /// What moved between shards, each with its entry and its line there.
    pub transfers: Vec<(i64, u16, CampaignNo, Direction, Transfer)>,
    /// Stops and resumptions, each with its entry, its line there and its instant.
    pub interlock: Vec<(i64, u16, CampaignNo, Interlock, At)>,
    /// Decisions, each with its entry and its line there.
    pub decided: Vec<(i64, u16, CampaignNo, Decided)>,
    /// Rounds whose coupons ran out.
    pub expired: Vec<(CampaignNo, RoundNo)>,
    /// What was redeemed and settled, in the order of the log, since each changes rows of those before it; with its
    /// entry, its line there and its instant.
    pub deeds: Vec<(i64, u16, CampaignNo, At, Deed)>,
    /// What was decided of a round that is not armed: its version, a kind and its quantity, and when.
    pub adjustments: Vec<(CampaignNo, RoundNo, u32, KindNo, u32, At)>,
    /// What was decided of further rounds, and when.
    pub extensions: Vec<(CampaignNo, At, Extension)>,
}

/// Something that merchants, people with coupons, or those who pay did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A merchant may redeem.
    Admitted(Admitted),
    /// What a merchant may do has changed.
    Stands(Stands),
    /// A coupon is held for an order.
    Locked(Locked),
    /// The order was paid; what that moved.
    Confirmed(RedemptionId, Posting),
    /// The coupon is not held any more.
    Released(RedemptionId),
    /// The order was paid back, whole or in part.
    Refunded(Refunded),
    /// What a merchant is due came into a batch.
    Settled(Settled),
    /// A merchant was paid.
    Paid(Paid),
    /// A payment did not arrive.
    Failed(PaymentFailed),
}

impl Deed {
    /// Whether the store can hold its amounts.
    pub fn fits(&self) -> bool {
        let amounts = match self {
            Deed::Admitted(it) => [it.cap, Fen::ZERO],
            Deed::Locked(it) => [it.amount, Fen::ZERO],
            Deed::Confirmed(_, posting) => [posting.fen, Fen::ZERO],
            Deed::Refunded(it) => [it.amount, it.back],
            Deed::Settled(it) => [it.consumed, it.owed],
            Deed::Paid(it) => [it.fen, Fen::ZERO],
            Deed::Stands(_) | Deed::Released(_) | Deed::Failed(_) => [Fen::ZERO; 2],
        };
        amounts.iter().all(|fen| i64::try_from(fen.get()).is_ok())
    }
}

/// Where a transfer goes, as its log sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the other shard.
    Sent,
    /// From it.
    Received,
}

/// What happened to the stock of a kind in a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Armed: there was none before.
    pub armed: bool,
    /// Received: there may have been none before.
    pub received: bool,
    /// Units armed and received, less units sent.
    pub units: i64,
    /// Coupons granted.
    pub granted: u32,
    /// The turn of the first of them; 0 if there is none.
    pub first: u32,
    /// The turn of the last of them.
    pub last: u32,
}

impl Stock {
    /// Counts the coupon of the `nth` turn in; `None` if it does not follow the one before it.
    /// Without `gaps` it is the next one.
    pub fn grant(&mut self, nth: u32, gaps: bool) -> Option<()> {
        let follows = match self.granted {
            0 => nth >= 1,
            _ if gaps => nth > self.last,
            _ => self.last.checked_add(1) == Some(nth),
        };
        if self.granted == 0 {
            self.first = nth;
        }
        self.granted = self.granted.checked_add(1)?;
        self.last = nth;
        follows.then_some(())
    }
}

/// By how much a pool's accounts change, in fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What came in, from the treasury or from other shards.
    pub budget: i64,
    /// Not promised to anybody.
    pub available: i64,
    /// Set aside for armed rounds.
    pub reserved: i64,
    /// In coupons that people hold.
    pub frozen: i64,
    /// Of coupons that were redeemed, in no settlement yet.
    pub consumed: i64,
    /// In settlement batches, for merchants.
    pub payable: i64,
    /// With merchants.
    pub paid: i64,
}

impl Change {
    fn account(&mut self, account: Account) -> &mut i64 {
        match account {
            Account::Treasury => &mut self.budget,
            Account::Available => &mut self.available,
            Account::Reserved => &mut self.reserved,
            Account::Frozen => &mut self.frozen,
            Account::Consumed => &mut self.consumed,
            Account::Payable => &mut self.payable,
            Account::Paid => &mut self.paid,
        }
    }
}

impl Rows {
    /// The rows of a campaign that was opened; `None` if a number is beyond its type, or names
    /// nothing.
    pub fn open(&mut self, campaign: CampaignNo, opened: &Opened) -> Option<()> {
        self.campaigns.push((campaign, opened.name.clone()));
        self.openings.push((campaign, opened.shard));
        for (no, name) in opened.pools.iter().enumerate() {
            self.pools.push((campaign, PoolNo(u8::try_from(no).ok()?), name.clone()));
        }
        for (no, terms) in opened.kinds.iter().enumerate() {
            i64::try_from(terms.face.get()).ok()?;
            i64::try_from(terms.threshold.get()).ok()?;
            opened.pools.get(usize::from(terms.pool.0))?;
            self.kinds.push((campaign, KindNo(u8::try_from(no).ok()?), terms.clone()));
        }
        Some(())
    }

    /// What a posting does to its pool's accounts; `None` if a sum is beyond its type.
    pub fn balance(&mut self, campaign: CampaignNo, posting: Posting) -> Option<()> {
        let fen = i64::try_from(posting.fen.get()).ok()?;
        let change = self.balances.entry((campaign, posting.pool)).or_default();
        let source = change.account(posting.from);
        *source = match posting.from {
            // The treasury owes what it pays out: that is the pool's budget.
            Account::Treasury => source.checked_add(fen)?,
            _ => source.checked_sub(fen)?,
        };
        let target = change.account(posting.to);
        *target = match posting.to {
            Account::Treasury => target.checked_sub(fen)?,
            _ => target.checked_add(fen)?,
        };
        Some(())
    }

    /// A round as the log has it; `None` if these entries say otherwise, or arm it a second time.
    pub fn round(
        &mut self,
        campaign: CampaignNo,
        round: RoundNo,
        window: Window,
        armed: bool,
    ) -> Option<()> {
        let (there, _) = self.rounds.entry((campaign, round)).or_insert((window, armed));
        let fits = *there == window;
        let first = !armed || self.stock.range(kinds_of(campaign, round)).next().is_none();
        (fits && first).then_some(())
    }
}

fn kinds_of(
    campaign: CampaignNo,
    round: RoundNo,
) -> std::ops::RangeInclusive<(CampaignNo, RoundNo, KindNo)> {
    (campaign, round, KindNo(0))..=(campaign, round, KindNo(u8::MAX))
}
