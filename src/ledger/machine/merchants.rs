//! Merchants: who may redeem, what each is due and owes, and what batches have for it.

use super::decide::{events, post};
use super::state::Campaign;
use super::{Answer, Decision, No, Settle};
use crate::domain::{At, BatchNo, CampaignNo, Fen, MerchantNo, PoolNo, PoolSet, Refusal};
use crate::funds::{Account, Funds};
use crate::ledger::event::{Admitted, Paid, PaymentFailed, Settled, Standing, Stands, What};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many lines come into a batch by one entry: three events each, of at most 256.
const LINES: usize = 60;

/// The merchants of a campaign, and what batches have for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merchants {
    all: BTreeMap<MerchantNo, Merchant>,
    lines: BTreeMap<(BatchNo, MerchantNo, PoolNo), Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Merchant {
    pub(crate) categories: PoolSet,
    pub(crate) cap: Fen,
    pub(crate) standing: Standing,
    /// The latest that a decision on its standing was proposed.
    pub(crate) word_at: Option<At>,
    /// Faces that are locked or confirmed, less what was taken back.
    pub(crate) redeemed: Fen,
    pub(crate) pools: BTreeMap<PoolNo, Dues>,
}

/// What stands between a merchant and a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dues {
    /// Redeemed and in no batch yet.
    pub(crate) due: Fen,
    /// Taken back after it had come into a batch, and not taken off one yet.
    pub(crate) owed: Fen,
    /// How often it came into a batch.
    pub(crate) settlements: u32,
}

/// What a batch has for a merchant of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) settled: Settled,
    pub(crate) payment: Payment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payment {
    /// To be made.
    Payable,
    /// Did not arrive, to be made again.
    Failed,
    Paid,
}

impl Line {
    fn payable(&self) -> Fen {
        self.settled.consumed.checked_sub(self.settled.owed).unwrap_or(Fen::ZERO)
    }
}

impl Merchant {
    /// Whether a coupon of this face is not too much for it.
    pub(super) fn may_redeem(&self, face: Fen) -> bool {
        let all = self.redeemed.checked_add(face);
        all.is_some_and(|all| self.cap == Fen::ZERO || all <= self.cap)
    }

    pub(super) fn dues(&self, pool: PoolNo) -> Dues {
        self.pools.get(&pool).copied().unwrap_or_default()
    }

    fn dues_mut(&mut self, pool: PoolNo) -> &mut Dues {
        self.pools.entry(pool).or_default()
    }

    pub(super) fn lock(&mut self, face: Fen) {
        self.redeemed = plus(self.redeemed, face);
    }

    pub(super) fn release(&mut self, face: Fen) {
        self.redeemed = less(self.redeemed, face);
    }

    /// Gives how often it was settled before.
    pub(super) fn confirm(&mut self, pool: PoolNo, face: Fen) -> u32 {
        let dues = self.dues_mut(pool);
        dues.due = plus(dues.due, face);
        dues.settlements
    }

    pub(super) fn take_back(&mut self, pool: PoolNo, fen: Fen, owed: bool) {
        self.redeemed = less(self.redeemed, fen);
        let dues = self.dues_mut(pool);
        if owed {
            dues.owed = plus(dues.owed, fen);
        } else {
            dues.due = less(dues.due, fen);
        }
    }
}

fn plus(a: Fen, b: Fen) -> Fen {
    a.checked_add(b).expect("sums of money that there is fit")
}

fn less(a: Fen, b: Fen) -> Fen {
    a.checked_sub(b).expect("no more is taken away than was there")
}

impl Merchants {
    pub(super) fn of(all: Vec<(MerchantNo, Merchant)>, lines: Vec<Line>) -> Merchants {
        let line = |it: Line| ((it.settled.batch, it.settled.merchant, it.settled.pool), it);
        Merchants { all: all.into_iter().collect(), lines: lines.into_iter().map(line).collect() }
    }

    pub(super) fn get(&self, merchant: MerchantNo) -> Result<&Merchant, Refusal> {
        self.all.get(&merchant).ok_or(Refusal::MerchantUnknown)
    }

    /// One that an order was locked at.
    pub(super) fn get_mut(&mut self, merchant: MerchantNo) -> &mut Merchant {
        self.all.get_mut(&merchant).expect("a merchant is admitted first")
    }

    pub(super) fn admit(&mut self, admitted: &Admitted) {
        let Admitted { merchant, categories, cap } = *admitted;
        let known = self.all.entry(merchant).or_insert_with(|| Merchant {
            categories,
            cap,
            standing: Standing::Active,
            word_at: None,
            redeemed: Fen::ZERO,
            pools: BTreeMap::new(),
        });
        (known.categories, known.cap) = (categories, cap);
    }

    pub(super) fn stand(&mut self, stands: Stands) {
        self.get_mut(stands.merchant).standing = stands.standing;
    }

    /// The latest that a decision on a merchant's standing was proposed.
    pub(super) fn word_at(&self, merchant: MerchantNo) -> Option<At> {
        self.all.get(&merchant).and_then(|it| it.word_at)
    }

    pub(super) fn hear(&mut self, merchant: MerchantNo, at: At) {
        let known = self.get_mut(merchant);
        known.word_at = known.word_at.max(Some(at));
    }

    pub(super) fn settle(&mut self, settled: &Settled) {
        let Settled { batch, merchant, pool, consumed, owed } = *settled;
        let dues = self.get_mut(merchant).dues_mut(pool);
        dues.due = less(dues.due, consumed);
        dues.owed = less(dues.owed, owed);
        dues.settlements += 1;
        let line = Line { settled: *settled, payment: Payment::Payable };
        let before = self.lines.insert((batch, merchant, pool), line);
        assert!(before.is_none(), "a batch has what is due of a pool once");
    }

    pub(super) fn pay(&mut self, paid: &Paid) {
        let line = self.lines.get_mut(&(paid.batch, paid.merchant, paid.pool));
        let line = line.expect("what is paid was settled");
        assert!(line.payment != Payment::Paid, "a batch pays a merchant once");
        line.payment = Payment::Paid;
    }

    pub(super) fn fail(&mut self, failed: PaymentFailed) {
        for (_, line) in self.lines.range_mut(lines_of(failed.batch, failed.merchant)) {
            assert!(line.payment != Payment::Paid, "what was paid did not fail");
            line.payment = Payment::Failed;
        }
    }

    fn not_later_than(&self, batch: BatchNo) -> Result<(), No> {
        let later = self.lines.last_key_value().is_some_and(|((last, ..), _)| *last > batch);
        if later { Err(No::Conflict("a later batch was begun")) } else { Ok(()) }
    }

    /// What a batch has to pay to a merchant: not what was all taken off for what it owed.
    fn to_pay(&self, batch: BatchNo, merchant: MerchantNo) -> impl Iterator<Item = &Line> {
        let lines = self.lines.range(lines_of(batch, merchant));
        lines.map(|(_, line)| line).filter(|line| line.payable() > Fen::ZERO)
    }

    fn has_paid(&self, batch: BatchNo, merchant: MerchantNo) -> bool {
        self.to_pay(batch, merchant).any(|line| line.payment == Payment::Paid)
    }
}

fn lines_of(
    batch: BatchNo,
    merchant: MerchantNo,
) -> std::ops::RangeInclusive<(BatchNo, MerchantNo, PoolNo)> {
    (batch, merchant, PoolNo(0))..=(batch, merchant, PoolNo(u8::MAX))
}

/// What a batch takes: all that is due, less what is owed, as far as it goes.
fn share(batch: BatchNo, merchant: MerchantNo, pool: PoolNo, dues: Dues) -> Settled {
    Settled { batch, merchant, pool, consumed: dues.due, owed: dues.owed.min(dues.due) }
}

fn settles(whats: &mut Vec<What>, funds: &mut Funds, settled: Settled) -> Result<(), No> {
    let Settled { pool, consumed, owed, .. } = settled;
    whats.push(What::Settled(settled));
    post(whats, funds, pool, Account::Consumed, Account::Available, owed)?;
    post(whats, funds, pool, Account::Consumed, Account::Payable, less(consumed, owed))
}

impl Campaign {
    pub(super) fn admit(&self, admitted: &Admitted) -> Result<Vec<What>, No> {
        let known = (0..=u8::MAX).map(PoolNo).take(self.pools.len());
        let known = known.fold(PoolSet::default(), PoolSet::with);
        if admitted.categories.is_empty() || admitted.categories.0 & !known.0 != 0 {
            return Err(No::Conflict("a merchant has one or more of the campaign's categories"));
        }
        let same = self
            .merchants
            .get(admitted.merchant)
            .is_ok_and(|it| (it.categories, it.cap) == (admitted.categories, admitted.cap));
        Ok(if same { vec![] } else { vec![What::Admitted(*admitted)] })
    }

    pub(super) fn stand(&self, stands: Stands) -> Result<Vec<What>, No> {
        let same = self.merchants.get(stands.merchant)?.standing == stands.standing;
        Ok(if same { vec![] } else { vec![What::Stands(stands)] })
    }

    /// What the log holds of the merchant and the pool up to here comes into the batch; what the merchant owes is
    /// taken off. The same again is answered as before.
    pub(super) fn settle(&self, ask: &Settle) -> Result<Decision, No> {
        let Settle { campaign, batch, merchant, pool } = *ask;
        let merchants = &self.merchants;
        if let Some(line) = merchants.lines.get(&(batch, merchant, pool)) {
            return Ok(Decision { events: vec![], answer: Answer::Settled(line.settled) });
        }
        let known = merchants.get(merchant)?;
        if usize::from(pool.0) >= self.pools.len() {
            return Err(No::Conflict("no such pool"));
        }
        if !known.standing.settles() {
            return Err(No::Conflict("the merchant is held: it is not settled"));
        }
        merchants.not_later_than(batch)?;
        if merchants.has_paid(batch, merchant) {
            return Err(No::Conflict("the batch has paid the merchant"));
        }
        let settled = share(batch, merchant, pool, known.dues(pool));
        let mut whats = Vec::new();
        if settled.consumed > Fen::ZERO {
            settles(&mut whats, &mut self.funds.clone(), settled)?;
        }
        Ok(Decision { events: events(campaign, whats), answer: Answer::Settled(settled) })
    }

    /// What the log holds up to here of all merchants and pools that the batch has nothing of yet.
    ///
    /// Not of those that are held, nor of those that the batch has paid: what they are due waits for the next one.
    pub(super) fn settle_due(&self, campaign: CampaignNo, batch: BatchNo) -> Result<Decision, No> {
        let merchants = &self.merchants;
        merchants.not_later_than(batch)?;
        let settled = merchants
            .all
            .iter()
            .filter(|(no, it)| it.standing.settles() && !merchants.has_paid(batch, **no));
        let lines = settled.flat_map(|(no, it)| {
            it.pools.iter().map(|(pool, dues)| share(batch, *no, *pool, *dues))
        });
        let mut lines = lines.filter(|it| {
            it.consumed > Fen::ZERO && !merchants.lines.contains_key(&(batch, it.merchant, it.pool))
        });
        let (mut whats, mut funds) = (Vec::new(), self.funds.clone());
        for line in lines.by_ref().take(LINES) {
            settles(&mut whats, &mut funds, line)?;
        }
        let left = u32::try_from(lines.count()).unwrap_or(u32::MAX);
        Ok(Decision { events: events(campaign, whats), answer: Answer::Left(left) })
    }

    pub(super) fn pay(&self, batch: BatchNo, merchant: MerchantNo) -> Result<Vec<What>, No> {
        if self.merchants.has_paid(batch, merchant) {
            return Ok(vec![]);
        }
        self.unpaid(batch, merchant)?;
        let (mut whats, mut funds) = (Vec::new(), self.funds.clone());
        for line in self.merchants.to_pay(batch, merchant) {
            let (pool, fen) = (line.settled.pool, line.payable());
            whats.push(What::Paid(Paid { batch, merchant, pool, fen }));
            post(&mut whats, &mut funds, pool, Account::Payable, Account::Paid, fen)?;
        }
        Ok(whats)
    }

    pub(super) fn fail(&self, batch: BatchNo, merchant: MerchantNo) -> Result<Vec<What>, No> {
        self.unpaid(batch, merchant)?;
        let mut lines = self.merchants.to_pay(batch, merchant);
        let known = lines.all(|line| line.payment == Payment::Failed);
        let failed = What::PaymentFailed(PaymentFailed { batch, merchant });
        Ok(if known { vec![] } else { vec![failed] })
    }

    /// A batch pays a merchant once.
    fn unpaid(&self, batch: BatchNo, merchant: MerchantNo) -> Result<(), No> {
        self.merchants.get(merchant)?;
        if self.merchants.has_paid(batch, merchant) {
            return Err(No::Conflict("the batch has paid the merchant"));
        }
        if self.merchants.to_pay(batch, merchant).next().is_none() {
            return Err(No::Conflict("the batch has nothing to pay to the merchant"));
        }
        Ok(())
    }
}
