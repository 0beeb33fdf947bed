//! Made-up events of redeeming: orders of merchant 7, whose lock lasts half a second.

use super::{R, WINDOW, bound, expired, granted, opened, posted};
use crate::domain::*;
use crate::funds::Account::{self, Available, Consumed, Frozen, Payable, Reserved, Treasury};
use crate::ledger::event::Aftermath::{Issued, Returned, Used};
use crate::ledger::event::*;
use crate::ledger::journal::Entry;

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

/// Rounds 3 and 4, for a period that ended at 20,000.
pub(crate) fn extended(quantities: [u32; 2]) -> What {
    let (extension, quantities) = (decisions::extension(), quantities.to_vec());
    What::Extended(Extended { extension, quantities })
}

/// The events of an entry, and its instant.
pub(crate) type Timed = (i64, Vec<What>);

pub(crate) fn grant(who: u8, kind: u8, ordinal: u32) -> Timed {
    let fen = 10 * (u64::from(kind) + 1);
    (1_000, vec![What::Granted(granted(who, kind, ordinal)), posted(Reserved, Frozen, fen)])
}

pub(crate) fn lock(no: u8, at: i64, who: u8, kind: u8, ordinal: u32) -> Timed {
    (at, vec![What::Locked(locked(no, at, who, kind, ordinal))])
}

pub(crate) fn confirm(no: u8, at: i64, fen: u64) -> Timed {
    (at, vec![confirmed(no), posted(Frozen, Consumed, fen)])
}

/// All that can be: each order's number is that of its redemption.
pub(crate) fn story() -> Vec<Timed> {
    let What::Opened(mut alone) = opened(0) else { unreachable!() };
    alone.shard = Shard::ALONE;
    let armed = What::Armed(Armed { round: R, window: WINDOW, quantities: vec![4, 2] });
    let owed = Refunded { owed: true, ..refunded(2, 3, 500, 10, Issued) };
    let mut all = vec![
        (0, vec![What::Opened(alone), posted(Treasury, Available, 200)]),
        (1, vec![armed, posted(Available, Reserved, 40), posted(Available, Reserved, 40)]),
    ];
    all.extend((1..=4).map(|who| (10, vec![What::Bound(bound(who, who))])));
    all.extend([
        grant(1, 0, 1),
        grant(2, 0, 2),
        grant(3, 0, 3),
        grant(4, 0, 4),
        grant(1, 1, 1),
        (1_100, vec![adjusted(1, [1, 0])]),
        (1_100, vec![adjusted(2, [2, 1])]),
        (1_200, vec![admitted(7, 0)]),
        (1_200, vec![admitted(8, 5)]),
        (1_200, vec![stands(8, Standing::SuspendedAndHeld)]),
        // Again, on other terms: it stands as it stood.
        (1_200, vec![admitted(8, 6)]),
        // Order 1 is paid and later paid back by half.
        lock(1, 2_000, 1, 0, 1),
        confirm(1, 2_100, 10),
        // Order 2 is released, and paid at the second attempt.
        lock(2, 2_200, 2, 0, 2),
        (2_300, vec![released(2, Release::ByTill)]),
        lock(2, 2_400, 2, 0, 2),
        confirm(2, 2_500, 10),
        // Order 3 is paid back, and order 4 paid with its coupon.
        lock(3, 2_600, 1, 1, 1),
        confirm(3, 2_700, 20),
        (2_800, vec![What::Refunded(refunded(1, 1, 250, 5, Used)), posted(Consumed, Available, 5)]),
        (
            2_900,
            vec![What::Refunded(refunded(3, 2, 1_000, 20, Issued)), posted(Consumed, Frozen, 20)],
        ),
        lock(4, 3_000, 1, 1, 1),
        confirm(4, 3_100, 20),
        (3_200, vec![settled(1, 35, 0), posted(Consumed, Payable, 35)]),
        (3_300, vec![failed(1)]),
        (3_400, vec![paid(1, 35), posted(Payable, Account::Paid, 35)]),
        // Order 2 is paid back after it was settled: its coupon comes back before its money.
        (3_500, vec![What::Refunded(owed), posted(Available, Frozen, 10)]),
        // Order 5 is open when the round ends, order 6 is paid and given back after it.
        lock(6, 8_700, 4, 0, 4),
        confirm(6, 8_800, 10),
        lock(5, 8_900, 3, 0, 3),
        (9_000, vec![expired(), posted(Reserved, Available, 20), posted(Frozen, Available, 10)]),
        confirm(5, 9_300, 10),
        (
            9_400,
            vec![
                What::Refunded(refunded(6, 4, 500, 10, Returned)),
                posted(Consumed, Available, 10),
            ],
        ),
        (9_500, vec![settled(2, 10, 10), posted(Consumed, Available, 10)]),
    ]);
    all
}

pub(crate) fn entries(of: Vec<Timed>) -> Vec<Entry> {
    let entry = |(seq, (at, whats)): (u64, Timed)| {
        let campaign = CampaignNo(0);
        let events: Vec<Event> = whats.into_iter().map(|what| Event { campaign, what }).collect();
        let body = codec::encode(&events).unwrap();
        Entry { seq, durable: seq - 1, at: At(at), seal: false, body }
    };
    (1..).zip(of).map(entry).collect()
}
