use crate::domain::{
    At, BatchNo, CampaignNo, CouponId, CouponState, Fen, KindNo, MerchantNo, PassNonce, PersonId,
    PoolNo, RedemptionId, RefundId, Refusal, RoundNo,
};
use crate::funds::FundsRefusal;
use crate::ledger::event::{
    Adjusted, Admitted, Armed, Bound, Decided, Extended, Granted, KindTerms, Refunded, Release,
    Settled, Stands,
};
use crate::redeem::Policy;
use serde::{Deserialize, Serialize};

/// What the ledger can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open a campaign with these pools and budgets.
    Open {
        /// The campaign's name; one campaign a name.
        name: String,
        /// Pools and their budgets.
        pools: Vec<(String, Fen)>,
        /// Its kinds.
        kinds: Vec<KindTerms>,
    },
    /// Give a round its stock and set its face value aside (R-FUND-2).
    Arm(CampaignNo, Armed),
    /// Make a pass and bind its identifiers (R-WHO-3).
    Bind(CampaignNo, Bound),
    /// Grant a coupon.
    Grant(Grant),
    /// Take back what a round's coupons did not use.
    Expire(CampaignNo, RoundNo),
    /// Stop issuing.
    Trip(CampaignNo),
    /// Go on issuing.
    Resume(CampaignNo),
    /// Change the quantities of a round that is not armed; the version is one more than what that rests on (R-ADJ-1).
    Adjust(CampaignNo, Adjusted),
    /// Add further rounds; the period's end that it moves is the one that stands (R-ADJ-2).
    Extend(CampaignNo, Extended),
    /// Let a merchant redeem, on these terms (R-MERCH-1).
    Admit(CampaignNo, Admitted),
    /// Say what a merchant may do (R-MERCH-1, R-MERCH-2).
    Stand(CampaignNo, Stands),
    /// Hold a coupon for an order (R-REDEEM-4).
    Lock(Lock),
    /// Tell what became of an order; changes nothing.
    Recall(Recall),
    /// The order was paid: the coupon is used.
    Confirm(CampaignNo, RedemptionId),
    /// The order came to nothing: the coupon is its holder's again.
    Release(CampaignNo, RedemptionId),
    /// Release what is held past its deadline, as much as one entry takes.
    Lapse(CampaignNo),
    /// Pay an order back, whole or in part (R-REDEEM-5).
    Refund(Refund),
    /// Take what a merchant is due of a pool into a batch.
    Settle(Settle),
    /// Take what all merchants are due into a batch, as much as one entry takes; ask again until nothing is left.
    SettleDue(CampaignNo, BatchNo),
    /// A merchant has what the batch had for it.
    Paid(CampaignNo, BatchNo, MerchantNo),
    /// A payment to a merchant did not arrive.
    PaymentFailed(CampaignNo, BatchNo, MerchantNo),
    /// Do what persons decided, and write down with it that they did (R-ROLE-1).
    Decided(Box<(Decided, Command)>),
}

impl Command {
    /// The refusal of what takes persons to decide and comes without their decision (R-ROLE-1, R-ADJ-1, R-ADJ-2, R-MERCH-1).
    /// Stopping does not take them.
    pub fn bypass(&self) -> Option<No> {
        let takes_persons = matches!(
            self,
            Command::Resume(_)
                | Command::Adjust(..)
                | Command::Extend(..)
                | Command::Admit(..)
                | Command::Stand(..)
                | Command::Settle(_)
                | Command::SettleDue(..)
                | Command::Paid(..)
                | Command::PaymentFailed(..)
        );
        takes_persons.then_some(No::Conflict("this takes persons to decide, and none have"))
    }
}

/// An order that is to be paid with a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The campaign.
    pub campaign: CampaignNo,
    /// The redemption: see [`crate::redeem::redemption`].
    pub redemption: RedemptionId,
    /// Whose order it is.
    pub merchant: MerchantNo,
    /// Who pays.
    pub person: PersonId,
    /// The order's amount, before the coupon and after the merchant's own discount.
    pub amount: Fen,
    /// The coupon that was chosen; the best one if none was.
    pub choice: Option<CouponId>,
    /// What was asked: see [`crate::redeem::request`].
    pub request: [u8; 8],
    /// How long the coupon is held, at least a millisecond: a plan says seconds. In Redis none is written at its deadline.
    pub lock_ms: u32,
    /// Whether the order is confirmed in the same entry: it is paid by then.
    pub at_once: bool,
}

/// Somebody wants to know what became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recall {
    /// The campaign.
    pub campaign: CampaignNo,
    /// The redemption.
    pub redemption: RedemptionId,
    /// The request that is made again, its payment code dead by now; `None` if it is but looked at.
    pub request: Option<[u8; 8]>,
}

/// An order that is paid back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The campaign.
    pub campaign: CampaignNo,
    /// The redemption.
    pub redemption: RedemptionId,
    /// The refund: see [`crate::redeem::refund_id`].
    pub refund: RefundId,
    /// How much of the order is paid back.
    pub amount: Fen,
    /// What is done about it, by the plan.
    pub policy: Policy,
}

/// A merchant's share of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The campaign.
    pub campaign: CampaignNo,
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// The pool.
    pub pool: PoolNo,
}

/// A claim that passed the gate and holds a place in the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The campaign.
    pub campaign: CampaignNo,
    /// The round of the pass.
    pub round: RoundNo,
    /// The kind that is wanted.
    pub kind: KindNo,
    /// The person of the pass, whoever sent it.
    pub person: PersonId,
    /// The pass.
    pub pass: PassNonce,
}

/// A coupon as its holder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The coupon.
    pub coupon: CouponId,
    /// The start of its validity: when it was granted (R-CAL-2).
    pub starts_at: At,
    /// The end of its validity, exclusive.
    pub ends_at: At,
    /// What became of it.
    pub state: CouponState,
}

impl Held {
    /// The coupon that `granted`, written at `at`, tells of.
    pub fn of(granted: &Granted, at: At) -> Held {
        let Granted { coupon, ends_at, .. } = *granted;
        Held { coupon, starts_at: at, ends_at, state: CouponState::Unused }
    }
}

/// An order as its merchant sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// Which one.
    pub redemption: RedemptionId,
    /// Whose order it is.
    pub merchant: MerchantNo,
    /// The coupon.
    pub coupon: CouponId,
    /// The order's amount.
    pub amount: Fen,
    /// What the coupon takes off.
    pub face: Fen,
    /// How it stands.
    pub status: Status,
    /// How much of the amount was paid back.
    pub refunded: Fen,
    /// How much of the face was taken back for it.
    pub back: Fen,
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// A coupon is held for it.
    Locked {
        /// The first instant at which it can't be confirmed any more.
        until: At,
    },
    /// It was paid with the coupon.
    Confirmed {
        /// When.
        at: At,
    },
    /// The coupon is not held any more.
    Released {
        /// Since when.
        at: At,
        /// Why.
        why: Release,
    },
}

/// What the ledger answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// The campaign is open under this number.
    Opened(CampaignNo),
    /// The pass is recorded and valid until then; a repeat gets the first answer's instant.
    Bound(At),
    /// Granted now.
    Granted(Held),
    /// The person held it already: the same coupon again (R-CLAIM-1).
    AlreadyHeld(Held),
    /// The order, as it stands now.
    Redemption(Redemption),
    /// The refund, as it was made.
    Refunded(Refunded),
    /// What the batch has for the merchant of the pool.
    Settled(Settled),
    /// So many are left, for whom it is to be asked again.
    Left(u32),
}

/// Why the ledger does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// A no that a person is told.
    Refused(Refusal),
    /// The money does not allow it (R-FUND-2).
    Funds(FundsRefusal),
    /// The command contradicts what the ledger already holds, or itself.
    Conflict(&'static str),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::Refused(refusal)
    }
}

impl From<FundsRefusal> for No {
    fn from(refusal: FundsRefusal) -> No {
        No::Funds(refusal)
    }
}

/// The budget postings and reservations name pools by number.
pub(super) fn pool_no(index: usize) -> Result<PoolNo, No> {
    u8::try_from(index).map(PoolNo).map_err(|_| No::Conflict("more than 256 pools"))
}
