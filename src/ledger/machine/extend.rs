//! What is decided of rounds that are not armed: what they may put out, and that there are further ones.

use super::No;
use super::command::pool_no;
use super::decide::face_of;
use super::state::Campaign;
use crate::domain::{At, MOST_UNITS, RoundNo, calendar::Round};
use crate::funds::{Account, Balances, Funds, Posting};
use crate::ledger::event::{Extended, What};

impl Campaign {
    /// R-ADJ-2: further rounds, after the last extension if there is one. The ledger has no plan: that the first one
    /// follows the plan's last round is looked at by whoever has it.
    pub(super) fn extend(&self, it: &Extended, now: At) -> Result<Vec<What>, No> {
        let Extended { extension, quantities } = it;
        if self.extended.contains(it) {
            return Ok(vec![]);
        }
        let follows = |last: &Extended| {
            (last.extension.ends, last.extension.next()) == (extension.ended, extension.first)
        };
        if !self.extended.last().is_none_or(follows) {
            return Err(No::Conflict("the campaign was extended meanwhile: look at it again"));
        }
        if !extension.is_sound() {
            return Err(No::Conflict("further rounds come one after the other in the new period"));
        }
        let opens = extension.windows.first().map(|window| window.from);
        if now >= extension.ended || opens.is_some_and(|opens| opens <= now) {
            return Err(No::Conflict("the campaign has ended: it is extended before its end"));
        }
        let mut decided = self.rounds.range(extension.first..);
        if decided.any(|(_, it)| it.armed.is_some() || it.adjusted.is_some()) {
            return Err(No::Conflict("something was decided of one of these rounds already"));
        }
        self.check_quantities(quantities)?;
        let mut funds = self.funds_by_then()?;
        // Nobody else was promised the same money.
        let unarmed = self.rounds.values().filter(|round| round.armed.is_none());
        for promised in unarmed.filter_map(|round| round.adjusted.as_ref()) {
            self.reserve(&mut funds, &promised.quantities)?;
        }
        for _ in &extension.windows {
            self.reserve(&mut funds, quantities)?;
        }
        Ok(vec![What::Extended(it.clone())])
    }

    /// The further round of that number, if it is one.
    pub(super) fn further(&self, round: RoundNo) -> Option<Round> {
        self.extended.iter().flat_map(|it| it.extension.rounds()).find(|it| it.no == round)
    }

    /// Whether a round can put out so many of each kind.
    pub(super) fn check_quantities(&self, quantities: &[u32]) -> Result<(), No> {
        if quantities.len() != self.kinds.len() {
            return Err(No::Conflict("a round has a quantity for each kind"));
        }
        if quantities.iter().any(|units| *units > MOST_UNITS) {
            return Err(No::Conflict("a round has fewer than 2^24 coupons of a kind"));
        }
        Ok(())
    }

    /// The pools as they could be before a round is armed: what is reserved or frozen may come back by then, what was
    /// redeemed will not.
    pub(super) fn funds_by_then(&self) -> Result<Funds, No> {
        let mut funds = self.funds.clone();
        for pool in (0..self.pools.len()).filter_map(|pool| pool_no(pool).ok()) {
            let Some(Balances { reserved, frozen, .. }) = funds.pool(pool).copied() else {
                continue;
            };
            for (from, fen) in [(Account::Reserved, reserved), (Account::Frozen, frozen)] {
                funds.post(&Posting { pool, from, to: Account::Available, fen })?;
            }
        }
        Ok(funds)
    }

    /// Sets the faces of a round aside, of `funds` alone.
    pub(super) fn reserve(&self, funds: &mut Funds, quantities: &[u32]) -> Result<(), No> {
        for (terms, &quantity) in self.kinds.iter().zip(quantities) {
            let (fen, pool) = (face_of(terms, quantity)?, terms.pool);
            let (from, to) = (Account::Available, Account::Reserved);
            funds.post(&Posting { pool, from, to, fen })?;
        }
        Ok(())
    }
}
