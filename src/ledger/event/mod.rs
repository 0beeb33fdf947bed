//! What happened, in the ledger's words. State changes by events and in no other way.
//!
//! The events that one command makes are one entry of the log: they take effect together or not
//! at all.

mod binding;
pub mod codec;
mod coupon;
mod decided;
mod funds;
mod interlock;
mod merchant;
mod redemption;
mod reservation;
mod settlement;
mod stock;
mod transfer;

pub use binding::{Bound, Passed};
pub use coupon::Granted;
#[cfg(test)]
pub(crate) use decided::tests as decisions;
pub use decided::{Decided, DecisionId, Signed, Statement, Subject};
pub use funds::{KindTerms, Opened};
pub use interlock::Interlock;
pub use merchant::{Admitted, Standing, Stands};
pub use redemption::{Aftermath, Confirmed, Locked, Refunded, Release, Released};
pub use reservation::{GivenBack, Reservation};
pub use settlement::{Paid, PaymentFailed, Settled};
pub use stock::{Adjusted, Armed, Expired, Extended};
pub use transfer::{Load, Transfer};

use crate::domain::{CampaignNo, RedemptionId};
use crate::funds::Posting;
use serde::{Deserialize, Serialize};

/// One thing that happened in one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The campaign it happened in.
    pub campaign: CampaignNo,
    /// What happened.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A campaign was opened.
    Opened(Opened),
    /// Money moved inside a pool.
    Posted(Posting),
    /// A round got its stock.
    Armed(Armed),
    /// A round's coupons ran out.
    Expired(Expired),
    /// A pass was made and its identifiers bound.
    Bound(Bound),
    /// A person was granted a coupon.
    Granted(Granted),
    /// Issuing was stopped or went on.
    Interlock(Interlock),
    /// A pass came to its person's shard.
    Passed(Passed),
    /// Stock or money left for another shard.
    Sent(Transfer),
    /// Stock or money came from another shard.
    Received(Transfer),
    /// A merchant may redeem.
    Admitted(Admitted),
    /// What a merchant may do has changed.
    Stands(Stands),
    /// A coupon is held for an order.
    Locked(Locked),
    /// The order was paid.
    Confirmed(Confirmed),
    /// The coupon is not held any more.
    Released(Released),
    /// The order was paid back, whole or in part.
    Refunded(Refunded),
    /// What a merchant is due came into a batch.
    Settled(Settled),
    /// A merchant was paid.
    Paid(Paid),
    /// A payment did not arrive.
    PaymentFailed(PaymentFailed),
    /// A round's quantities were changed.
    Adjusted(Adjusted),
    /// The campaign has further rounds.
    Extended(Extended),
    /// Persons decided what else is in the entry.
    Decided(Decided),
    /// A shard may hold a coupon for an order, or holds it in the same entry.
    Reserved(Reservation),
    /// It may not any more, or never will in that turn.
    Vacated(Reservation),
    /// A merchant may redeem so much more, since it was taken back.
    GivenBack(GivenBack),
}

impl What {
    /// The order that it is about, if it is about one.
    pub fn redemption(&self) -> Option<RedemptionId> {
        match self {
            What::Locked(it) => Some(it.redemption),
            What::Confirmed(it) => Some(it.redemption),
            What::Released(it) => Some(it.redemption),
            What::Refunded(it) => Some(it.redemption),
            _ => None,
        }
    }
}
