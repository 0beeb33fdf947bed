//! Made-up events of redeeming: orders of merchant 7, whose lock lasts half a second.

use super::{R, granted};
use crate::domain::*;
use crate::ledger::event::*;

pub(crate) const MERCHANT: MerchantNo = MerchantNo(7);
const POOL: PoolNo = PoolNo(0);

pub(crate) fn admitted(merchant: u32, cap: u64) -> What {
    let (merchant, cap) = (MerchantNo(merchant), Fen::new(cap));
    What::Admitted(Admitted { merchant, categories: PoolSet(0b1), cap })
}

pub(crate) fn stands(merchant: u32, standing: Standing) -> What {
    What::Stands(Stands { merchant: MerchantNo(merchant), standing })
}

pub(crate) fn order(no: u8) -> RedemptionId {
    RedemptionId([no; 16])
}

/// A lock of a coupon for order `no` of ten times the least amount.
pub(crate) fn locked(no: u8, at: i64, who: u8, kind: u8, ordinal: u32) -> Locked {
    let Granted { coupon, person, .. } = granted(who, kind, ordinal);
    Locked {
        redemption: order(no),
        merchant: MERCHANT,
        person,
        coupon,
        amount: Fen::new(500 * (u64::from(kind) + 1)),
        request: [no; 8],
        until: At(at + 500),
    }
}

pub(crate) fn confirmed(no: u8) -> What {
    What::Confirmed(Confirmed { redemption: order(no) })
}

pub(crate) fn released(no: u8, why: Release) -> What {
    What::Released(Released { redemption: order(no), why })
}

/// Refund `refund` of order `no`, before it was settled.
pub(crate) fn refunded(no: u8, refund: u8, amount: u64, back: u64, coupon: Aftermath) -> Refunded {
    let (amount, back) = (Fen::new(amount), Fen::new(back));
    Refunded {
        redemption: order(no),
        refund: RefundId([refund; 16]),
        amount,
        back,
        coupon,
        owed: false,
    }
}

pub(crate) fn settled(batch: u32, consumed: u64, owed: u64) -> What {
    let (consumed, owed) = (Fen::new(consumed), Fen::new(owed));
    What::Settled(Settled { batch: BatchNo(batch), merchant: MERCHANT, pool: POOL, consumed, owed })
}

pub(crate) fn paid(batch: u32, fen: u64) -> What {
    let fen = Fen::new(fen);
    What::Paid(Paid { batch: BatchNo(batch), merchant: MERCHANT, pool: POOL, fen })
}

pub(crate) fn failed(batch: u32) -> What {
    What::PaymentFailed(PaymentFailed { batch: BatchNo(batch), merchant: MERCHANT })
}

/// Of the round after the one that is armed.
pub(crate) fn adjusted(version: u32, quantities: [u32; 2]) -> What {
    let round = RoundNo(R.0 + 1);
    What::Adjusted(Adjusted { round, version, quantities: quantities.to_vec() })
}
