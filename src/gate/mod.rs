//! The cheap refusals, in front of everything: one function that says who may go on to the stock.
//!
//! # What always holds
//!
//! - Whoever is let through showed a pass of ours for this campaign, round, device and kind, and a fresh fix
//!   inside the fence that the host app signed for this device (R-RISK-2, R-WHO-1).
//! - Nothing here waits or touches a disk or the network, and signatures are HMAC only. Only an unknown person,
//!   device or address takes memory: its bucket.
//! - A claim before the opening leaves nothing behind but its address's bucket (R-CAL-4).
//!
//! # Not here
//!
//! Whether the pass was recorded or is spent, whether anything is left: the inventory and the ledger.

pub mod interlock;
pub mod outage;
pub mod rates;
pub mod window;

pub use interlock::{Interlock, Reason};
pub use outage::{Outage, Verdict};
pub use rates::Rates;

use crate::domain::{
    At, CampaignNo, KindNo, PassNonce, PersonId, Refusal, RoundNo,
    calendar::Round,
    fence::{FixRules, verdict},
};
use crate::pass::{Asked, Keyring};
use crate::plan::Plan;
use std::{net::IpAddr, sync::Arc};

/// The gate of one campaign.
#[derive(Debug)]
pub struct Gate {
    campaign: CampaignNo,
    keys: Arc<Keyring>,
    fix: FixRules,
    /// The buckets of persons, devices and addresses.
    pub rates: Rates,
    /// Why issuing is stopped, if it is.
    pub interlock: Interlock,
}

/// What a claim shows.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    /// Where it comes from.
    pub address: IpAddr,
    /// The kind that is wanted.
    pub kind: KindNo,
    /// The pass.
    pub pass: &'a str,
    /// The device that asks.
    pub device: &'a str,
    /// The position fix, if one came.
    pub fix: Option<&'a str>,
}

/// Who is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Whose pass it is: the coupon goes to nobody else.
    pub person: PersonId,
    /// The pass.
    pub pass: PassNonce,
}

/// An instant at which no pass has run out.
const BEFORE_EVERY_END: At = At(i64::MIN);

impl Gate {
    /// The gate of the campaign that the ledger knows under this number.
    pub fn new(campaign: CampaignNo, plan: &Plan, keys: Arc<Keyring>) -> Gate {
        Gate {
            campaign,
            keys,
            fix: plan.fix.clone(),
            rates: Rates::new(&plan.rates),
            interlock: Interlock::default(),
        }
    }

    /// Whether `claim` may go on at `now`; otherwise the first reason against it, cheapest first.
    ///
    /// The person's and the device's buckets come last: nobody can empty another one's without a good pass.
    pub fn admit(&self, round: &Round, claim: &Claim, now: At) -> Result<Admitted, Refusal> {
        self.rates.address(claim.address, now)?;
        self.interlock.check()?;
        window::open(round.window, now)?;
        let pass = self.keys.pass.open(claim.pass)?;
        let device = self.keys.hasher.device(claim.device);
        let asked = Asked { campaign: self.campaign, round: round.no, kind: claim.kind, device };
        pass.fits(&asked, now)?;
        let fix = claim.fix.map(|fix| self.keys.fix.read(fix, claim.device.as_bytes()));
        verdict(fix.transpose()?.as_ref(), now, &self.fix)?;
        self.rates.person(pass.person, now)?;
        self.rates.device(pass.device, now)?;
        Ok(Admitted { person: pass.person, pass: pass.nonce })
    }

    /// Whose pass `claim` shows on its own device, for a holder who asks again: that the pass has run
    /// out since, or issuing has stopped, takes nothing away.
    pub fn holder(&self, round: RoundNo, claim: &Claim) -> Option<PersonId> {
        let pass = self.keys.pass.open(claim.pass).ok()?;
        let device = self.keys.hasher.device(claim.device);
        let asked = Asked { campaign: self.campaign, round, kind: claim.kind, device };
        pass.fits(&asked, BEFORE_EVERY_END).is_ok().then_some(pass.person)
    }
}

#[cfg(test)]
mod tests;
