//! A machine that knows of one campaign what a decision needs, and no more: for a ledger whose state is elsewhere.

use super::merchants::{Line, Merchant, Merchants, Payment};
use super::orders::{Order, Orders};
use super::state::{ArmedRound, Campaign, Machine, Round};
use super::{Held, Roll, RoundSummary};
use crate::domain::{At, BatchNo, Fen, MerchantNo, PersonId, PoolNo, RedemptionId, RoundNo};
use crate::funds::Funds;
use crate::ledger::event::{Adjusted, Extended, Opened, Refunded, Settled};
use std::collections::BTreeMap;

/// What is known of the campaign, which is number 0 there.
#[derive(Clone, Debug)]
pub(in crate::ledger) struct Sketch {
    pub(in crate::ledger) opened: Opened,
    pub(in crate::ledger) funds: Funds,
    pub(in crate::ledger) tripped: bool,
    /// The latest that a decision on the interlock was proposed.
    pub(in crate::ledger) word_at: Option<At>,
    /// The folder of merchants that is in force, where that matters.
    pub(in crate::ledger) roll: Option<Roll>,
    pub(in crate::ledger) rounds: Vec<RoundSummary>,
    /// Whether a round has expired, if that was read later than the rounds.
    pub(in crate::ledger) expired: Vec<(RoundNo, bool)>,
    pub(in crate::ledger) adjusted: Vec<Adjusted>,
    pub(in crate::ledger) extended: Vec<Extended>,
    /// The instant of the last event.
    pub(in crate::ledger) last_at: At,
    pub(in crate::ledger) holders: Vec<(PersonId, Held)>,
    pub(in crate::ledger) merchants: Vec<(MerchantNo, Merchant)>,
    pub(in crate::ledger) lines: Vec<Line>,
    /// The latest batch that was begun, if it is not among the lines.
    pub(in crate::ledger) latest: Option<BatchNo>,
    pub(in crate::ledger) orders: Vec<(RedemptionId, Order)>,
    pub(in crate::ledger) refunds: Vec<Refunded>,
}

impl From<Sketch> for Machine {
    fn from(sketch: Sketch) -> Machine {
        let mut rounds: BTreeMap<RoundNo, Round> = BTreeMap::new();
        for it in sketch.rounds {
            let round = rounds.entry(it.round).or_default();
            round.armed = Some(ArmedRound { window: it.window, stock: it.stock });
            round.expired = it.expired;
        }
        for (round, expired) in sketch.expired {
            rounds.entry(round).or_default().expired = expired;
        }
        for adjusted in sketch.adjusted {
            let round = rounds.entry(adjusted.round).or_default();
            round.adjusted = Some(adjusted);
        }
        for (person, held) in sketch.holders {
            let round = rounds.entry(held.coupon.round).or_default();
            round.holders.insert((person, held.coupon.kind), held);
        }
        let nothing = |batch| Settled {
            batch,
            merchant: MerchantNo(0),
            pool: PoolNo(u8::MAX),
            consumed: Fen::ZERO,
            owed: Fen::ZERO,
        };
        let latest = sketch.latest.map(nothing);
        let latest = latest.map(|settled| Line { settled, payment: Payment::Payable });
        let lines = latest.into_iter().chain(sketch.lines).collect();
        let Opened { name, pools, kinds, shard } = sketch.opened;
        let campaign = Campaign {
            name,
            shard,
            pools,
            kinds,
            funds: sketch.funds,
            tripped: sketch.tripped,
            word_at: sketch.word_at,
            roll: sketch.roll,
            rounds,
            extended: sketch.extended,
            merchants: Merchants::of(sketch.merchants, lines),
            orders: Orders::of(sketch.orders, sketch.refunds),
        };
        Machine::of(campaign, sketch.last_at)
    }
}
