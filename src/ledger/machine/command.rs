use crate::domain::{
    At, CampaignNo, CouponId, Fen, KindNo, PassNonce, PersonId, PoolNo, Refusal, RoundNo,
};
use crate::funds::FundsRefusal;
use crate::ledger::event::{Armed, Bound, Decided, Granted, KindTerms};
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
    /// Do what persons decided, and write down with it that they did (R-ROLE-1).
    Decided(Box<(Decided, Command)>),
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
}

impl Held {
    /// The coupon that `granted`, written at `at`, tells of.
    pub fn of(granted: &Granted, at: At) -> Held {
        Held { coupon: granted.coupon, starts_at: at, ends_at: granted.ends_at }
    }
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
