//! Where a pass is made: everything a person shows is looked at, and one record for the ledger comes of it.
//!
//! Nothing is kept here. The pass is good once the ledger has recorded it, and until the instant the ledger says.

use super::{Captcha, Keyring, Material, Pass, Solver};
use crate::domain::{
    At, CampaignNo, IdentifierKind, KindSet, Refusal, calendar::Round, fence::verdict,
};
use crate::ledger::event::Bound;
use crate::plan::Plan;

/// Where the passes of one campaign are made.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// All keys.
    pub keys: &'a Keyring,
    /// The campaign's plan.
    pub plan: &'a Plan,
    /// The campaign's number in the ledger.
    pub campaign: CampaignNo,
}

/// What a person shows beside the identity token.
#[derive(Clone, Copy)]
pub struct Application<'a> {
    /// The kinds that are wanted.
    pub kinds: KindSet,
    /// The device that asks.
    pub device: &'a str,
    /// The position fix, if one came.
    pub fix: Option<&'a str>,
    /// The proof of the slider captcha.
    pub slider: &'a str,
    /// The proof of the image captcha.
    pub image: &'a str,
}

impl Desk<'_> {
    /// Who asks, by the identity token.
    pub fn identify(&self, token: Option<&str>, now: At) -> Result<Material, Refusal> {
        self.keys.identity.read(token, &self.plan.id, now)
    }

    /// The record of the pass that `who` gets for `round` at `now`.
    pub fn make(
        &self,
        round: &Round,
        who: &Material,
        shown: &Application,
        now: At,
    ) -> Result<Bound, Refusal> {
        if now >= round.window.until {
            return Err(Refusal::Closed);
        }
        self.kinds(shown.kinds)?;
        // The identity token names the device it was given to; on another one it is a copy (R-RISK-2).
        if who.device() != shown.device {
            return Err(Refusal::PassWrongDevice);
        }
        let fix = shown.fix.map(|fix| self.keys.fix.read(fix, shown.device.as_bytes()));
        verdict(fix.transpose()?.as_ref(), now, &self.plan.fix)?;
        let proofs = [
            self.proof(Captcha::Slider, shown.slider, round, who, now)?,
            self.proof(Captcha::Image, shown.image, round, who, now)?,
        ];
        let known = who.identity(&self.keys.hasher);
        let valid_ms = i64::from(self.plan.pass.valid_s.get()) * 1_000;
        Ok(Bound {
            round: round.no,
            person: known.person,
            pass: self.keys.hasher.nonce(self.campaign, round.no, known.person, proofs),
            kinds: shown.kinds,
            expires_at: now.plus_ms(valid_ms),
            proofs,
            identifiers: [
                (IdentifierKind::Account, known.account),
                (IdentifierKind::Phone, known.phone),
                (IdentifierKind::Card, known.card),
                (IdentifierKind::Device, known.device),
            ],
        })
    }

    /// The token of a pass that the ledger has recorded as valid until `expires_at`.
    pub fn seal(&self, bound: &Bound, expires_at: At) -> String {
        let [_, _, _, (_, device)] = bound.identifiers;
        self.keys.pass.seal(&Pass {
            campaign: self.campaign,
            round: bound.round,
            kinds: bound.kinds,
            expires_at,
            nonce: bound.pass,
            person: bound.person,
            device,
        })
    }

    fn kinds(&self, kinds: KindSet) -> Result<(), Refusal> {
        let beyond =
            u64::from(kinds.0).checked_shr(u32::try_from(self.plan.kinds.len()).unwrap_or(64));
        if kinds.is_empty() || beyond.unwrap_or(0) != 0 {
            return Err(Refusal::KindUnknown);
        }
        if self.plan.pass.one_kind_per_pass && kinds.0.count_ones() > 1 {
            return Err(Refusal::OneKindPerPass);
        }
        Ok(())
    }

    fn proof(
        &self,
        captcha: Captcha,
        token: &str,
        round: &Round,
        who: &Material,
        now: At,
    ) -> Result<crate::domain::ProofId, Refusal> {
        let solver = Solver {
            campaign: &self.plan.id,
            round: round.no,
            id_number: who.id_number(),
            device: who.device(),
        };
        let rules = &self.plan.pass;
        self.keys.proof.verify(captcha, token, &solver, (round.window.from, now), rules)
    }
}

#[cfg(test)]
mod tests;
