//! What an event's changes depend on beside the event: events of orders and batches name them, and say no more.

use super::NotSent;
use super::records::Slot;
use crate::domain::{At, BatchNo, Fen, KindNo, MerchantNo, PoolNo, RedemptionId};
use crate::ledger::event::{
    Confirmed, KindTerms, Locked, Paid, PaymentFailed, Refunded, Released, Settled, What,
};
use crate::ledger::machine::{Line, Order, Payment, Status};
use std::collections::BTreeMap;

/// Orders and batches of a shard, as far as they are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// The campaign's kinds.
    pub(crate) kinds: Vec<KindTerms>,
    /// Orders.
    pub(crate) slots: BTreeMap<RedemptionId, Slot>,
    /// How often a merchant came into a batch for a pool.
    pub(crate) settlements: BTreeMap<(MerchantNo, PoolNo), u32>,
    /// What batches have for merchants.
    pub(crate) lines: BTreeMap<(BatchNo, MerchantNo, PoolNo), Line>,
}

impl About {
    /// Of a campaign with these kinds, and nothing of its orders.
    pub(crate) fn of(kinds: &[KindTerms]) -> About {
        About { kinds: kinds.to_vec(), ..About::default() }
    }

    pub(crate) fn terms(&self, kind: KindNo) -> Result<&KindTerms, NotSent> {
        self.kinds.get(usize::from(kind.0)).ok_or(NotSent::Misplaced)
    }

    pub(crate) fn order(&self, redemption: RedemptionId) -> Result<&Order, NotSent> {
        let slot = self.slots.get(&redemption);
        slot.and_then(|slot| slot.order.as_ref()).ok_or(NotSent::Misplaced)
    }

    /// Takes the next event of the shard in, written at `at`. An order that does not follow is misplaced, and nothing
    /// is taken in.
    pub(crate) fn take(&mut self, what: &What, at: At) -> Result<(), NotSent> {
        match what {
            What::Opened(opened) => self.kinds.clone_from(&opened.kinds),
            What::Reserved(it) | What::Vacated(it) => {
                self.slots.entry(it.redemption).or_default().turn = it.turn;
            }
            What::Locked(locked) => self.lock(locked)?,
            What::Confirmed(Confirmed { redemption }) => {
                let order = self.locked(*redemption)?;
                let pool = self.terms(order.coupon.kind)?.pool;
                let settled = self.settlements.get(&(order.merchant, pool));
                let settlements = settled.copied().unwrap_or(0);
                self.put(
                    *redemption,
                    Order { status: Status::Confirmed { at }, settlements, ..order },
                );
            }
            What::Released(Released { redemption, why }) => {
                let order = self.locked(*redemption)?;
                let status = Status::Released { at, why: *why };
                self.put(*redemption, Order { status, ..order });
            }
            What::Refunded(refunded) => self.pay_back(refunded)?,
            What::Settled(settled) => self.settle(settled),
            What::Paid(Paid { batch, merchant, pool, .. }) => {
                let line = self.lines.get_mut(&(*batch, *merchant, *pool));
                line.ok_or(NotSent::Misplaced)?.payment = Payment::Paid;
            }
            What::PaymentFailed(failed) => {
                for (_, line) in self.lines_of(*failed) {
                    line.payment = Payment::Failed;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What a batch has for a merchant, by pool.
    pub(super) fn lines_of(
        &mut self,
        failed: PaymentFailed,
    ) -> impl Iterator<Item = (PoolNo, &mut Line)> {
        let PaymentFailed { batch, merchant } = failed;
        let all = (batch, merchant, PoolNo(0))..=(batch, merchant, PoolNo(u8::MAX));
        self.lines.range_mut(all).map(|((.., pool), line)| (*pool, line))
    }

    fn lock(&mut self, locked: &Locked) -> Result<(), NotSent> {
        let slot = self.slots.entry(locked.redemption).or_default();
        if slot.lives() {
            return Err(NotSent::Misplaced);
        }
        slot.order = Some(Order::locked(locked));
        Ok(())
    }

    fn locked(&self, redemption: RedemptionId) -> Result<Order, NotSent> {
        let order = self.order(redemption)?;
        let locked = matches!(order.status, Status::Locked { .. });
        locked.then(|| order.clone()).ok_or(NotSent::Misplaced)
    }

    fn put(&mut self, redemption: RedemptionId, order: Order) {
        self.slots.entry(redemption).or_default().order = Some(order);
    }

    fn pay_back(&mut self, refunded: &Refunded) -> Result<(), NotSent> {
        let order = self.order(refunded.redemption)?.clone();
        if !matches!(order.status, Status::Confirmed { .. }) {
            return Err(NotSent::Misplaced);
        }
        let sum = |a: Fen, b: Fen| a.checked_add(b).ok_or(NotSent::Number);
        let refund = sum(order.refunded, refunded.amount)?;
        let back = sum(order.back, refunded.back)?;
        self.put(refunded.redemption, Order { refunded: refund, back, ..order });
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) {
        let Settled { batch, merchant, pool, .. } = *settled;
        let count = self.settlements.entry((merchant, pool)).or_default();
        *count = count.saturating_add(1);
        self.lines
            .insert((batch, merchant, pool), Line { settled: *settled, payment: Payment::Payable });
    }
}
