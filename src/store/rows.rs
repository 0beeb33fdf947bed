//! What a batch of entries adds to the store, table by table.

use crate::domain::{At, CampaignNo, CouponId, IdentifierKind, KeyedHash, KindNo, PoolNo, RoundNo};
use crate::domain::{PassNonce, PersonId, ProofId};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Bound, Granted, Interlock, KindTerms, Opened};
use std::collections::BTreeMap;

/// New rows and changes of old ones. They stand for a run of the log without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Entries with events: seq, instant, body.
    pub events: Vec<(i64, At, Vec<u8>)>,
    /// Campaigns by name.
    pub campaigns: Vec<(CampaignNo, String)>,
    /// Pools by name.
    pub pools: Vec<(CampaignNo, PoolNo, String)>,
    /// Kinds and their terms.
    pub kinds: Vec<(CampaignNo, KindNo, KindTerms)>,
    /// Rounds that were armed: opening and end.
    pub rounds: Vec<(CampaignNo, RoundNo, At, At)>,
    /// What they were armed with.
    pub stock: Vec<(CampaignNo, RoundNo, KindNo, u32)>,
    /// Passes and when they were bound.
    pub passes: Vec<(CampaignNo, At, Bound)>,
    /// Proofs and the pass they were spent for.
    pub proofs: Vec<(CampaignNo, RoundNo, ProofId, PassNonce)>,
    /// To whom an identifier belongs for a round.
    pub bindings: BTreeMap<(CampaignNo, RoundNo, IdentifierKind, KeyedHash), PersonId>,
    /// Coupons and when they were granted.
    pub coupons: Vec<(CampaignNo, At, Granted)>,
    /// Grants of a kind in a round: the first and the last ordinal.
    pub granted: BTreeMap<(CampaignNo, RoundNo, KindNo), (u32, u32)>,
    /// Postings, each with its entry and its line there.
    pub postings: Vec<(i64, u8, CampaignNo, Posting)>,
    /// What the postings add up to.
    pub balances: BTreeMap<(CampaignNo, PoolNo), Change>,
    /// Stops and resumptions, each with its entry, its line there and its instant.
    pub interlock: Vec<(i64, u8, CampaignNo, Interlock, At)>,
    /// Rounds whose coupons ran out.
    pub expired: Vec<(CampaignNo, RoundNo)>,
}

/// By how much a pool's accounts change, in fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What the treasury put in.
    pub budget: i64,
    /// Not promised to anybody.
    pub available: i64,
    /// Set aside for armed rounds.
    pub reserved: i64,
    /// In coupons that people hold.
    pub frozen: i64,
}

impl Change {
    fn account(&mut self, account: Account) -> &mut i64 {
        match account {
            Account::Treasury => &mut self.budget,
            Account::Available => &mut self.available,
            Account::Reserved => &mut self.reserved,
            Account::Frozen => &mut self.frozen,
        }
    }
}

impl Rows {
    /// The rows of a campaign that was opened; `None` if a number is beyond its type.
    pub fn open(&mut self, campaign: CampaignNo, opened: &Opened) -> Option<()> {
        self.campaigns.push((campaign, opened.name.clone()));
        for (no, name) in opened.pools.iter().enumerate() {
            self.pools.push((campaign, PoolNo(u8::try_from(no).ok()?), name.clone()));
        }
        for (no, terms) in opened.kinds.iter().enumerate() {
            i64::try_from(terms.face.get()).ok()?;
            self.kinds.push((campaign, KindNo(u8::try_from(no).ok()?), terms.clone()));
        }
        Some(())
    }

    /// A posting and what it does to its pool's accounts; `None` if a sum is beyond its type.
    pub fn post(
        &mut self,
        seq: i64,
        line: u8,
        campaign: CampaignNo,
        posting: Posting,
    ) -> Option<()> {
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
        self.postings.push((seq, line, campaign, posting));
        Some(())
    }

    /// Counts a coupon in; `None` if it does not follow the one before it.
    pub fn count(&mut self, campaign: CampaignNo, coupon: CouponId) -> Option<()> {
        let key = (campaign, coupon.round, coupon.kind);
        let before = coupon.ordinal.checked_sub(1)?;
        let (_, last) = self.granted.entry(key).or_insert((coupon.ordinal, before));
        (*last == before).then(|| *last = coupon.ordinal)
    }
}
