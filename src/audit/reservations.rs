//! What is unique across shards, for I6: each lock rests on a reservation of its turn, an order has one at a time, and
//! what merchants took over all shards is within their caps.
//!
//! The shards' logs are read first, the identities' last. A journal has no reservations.

use super::{Book, Check, Seen, Spot};
use crate::domain::{CampaignNo, MerchantNo, RedemptionId, RefundId};
use crate::ledger::event::{GivenBack, Locked, Reservation, What};
use crate::store::LogNo;
use std::collections::BTreeMap;

/// An order in a turn.
type TurnNo = (CampaignNo, RedemptionId, u32);

#[derive(Default)]
pub(super) struct Reservations {
    /// What stands in a shard of each turn.
    turns: BTreeMap<TurnNo, Turn>,
    /// The last turn of an order in a shard's log.
    last: BTreeMap<(LogNo, CampaignNo, RedemptionId), u32>,
    /// What each refund took back, and of whom.
    refunds: BTreeMap<(CampaignNo, RefundId), (MerchantNo, u64)>,
    /// What the identities have: each order's last reservation, and whether it holds.
    reserved: BTreeMap<(CampaignNo, RedemptionId), (Reservation, bool)>,
    /// Every reservation there was.
    all: BTreeMap<TurnNo, Reservation>,
    given_back: BTreeMap<(CampaignNo, RefundId), Spot>,
    /// What counts against each merchant's cap; signed, so that whatever happened can be counted.
    taken: BTreeMap<(CampaignNo, MerchantNo), i128>,
}

/// What a shard has of a turn.
struct Turn {
    spot: Spot,
    reservation: Reservation,
    /// Whether a coupon is held, or was used.
    lives: bool,
    /// Whether a coupon was ever held.
    locked: bool,
}

impl Reservations {
    pub(super) fn look(&mut self, entry: &Seen, book: &Book, check: &mut Check) {
        if entry.spot.log == LogNo::EMBEDDED {
            return;
        }
        for event in &entry.events {
            let campaign = event.campaign;
            if entry.spot.log.of_identities() {
                self.of_identities(entry.spot, campaign, &event.what, book, check);
            } else {
                self.of_shard(entry, campaign, &event.what, book, check);
            }
        }
    }

    fn of_shard(
        &mut self,
        entry: &Seen,
        campaign: CampaignNo,
        what: &What,
        book: &Book,
        check: &mut Check,
    ) {
        let spot = entry.spot;
        match what {
            What::Locked(locked) => {
                let rests_on = entry.events.iter().find_map(|event| match event.what {
                    What::Reserved(it) if it.redemption == locked.redemption => Some(it),
                    _ => None,
                });
                match rests_on {
                    None => check.find(format!(
                        "{spot}: {:?} is locked and not reserved",
                        locked.redemption
                    )),
                    Some(it) => self.lock(spot, campaign, locked, it, book, check),
                }
            }
            What::Released(it) => {
                let last = self.last.get(&(spot.log, campaign, it.redemption));
                let no = last.map(|turn| (campaign, it.redemption, *turn));
                if let Some(turn) = no.and_then(|no| self.turns.get_mut(&no)) {
                    turn.lives = false;
                }
            }
            What::Vacated(it) => {
                self.turn(spot, campaign, *it, false, check);
            }
            What::Refunded(it) if it.back.get() > 0 => {
                let last = self.last.get(&(spot.log, campaign, it.redemption));
                let no = last.map(|turn| (campaign, it.redemption, *turn));
                if let Some(turn) = no.and_then(|no| self.turns.get(&no)) {
                    let of = (turn.reservation.merchant, it.back.get());
                    self.refunds.insert((campaign, it.refund), of);
                }
            }
            _ => {}
        }
    }

    fn lock(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        locked: &Locked,
        it: Reservation,
        book: &Book,
        check: &mut Check,
    ) {
        let face = book.kind(campaign, locked.coupon.kind).map(|terms| terms.face);
        if it.merchant != locked.merchant || face.is_some_and(|face| face != it.face) {
            check.find(format!("{spot}: {:?} is locked for what was not reserved", it.redemption));
        }
        self.turn(spot, campaign, it, true, check);
    }

    /// The next turn of an order in a shard.
    fn turn(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        it: Reservation,
        locked: bool,
        check: &mut Check,
    ) {
        check.row();
        let (redemption, no) = (it.redemption, it.turn);
        let last = self.last.insert((spot.log, campaign, redemption), no);
        if let Some(last) = last.filter(|last| *last >= no) {
            check.find(format!("{spot}: {redemption:?} has turn {no} after turn {last}"));
        }
        let turn = Turn { spot, reservation: it, lives: locked, locked };
        if let Some(before) = self.turns.insert((campaign, redemption, no), turn) {
            let at = before.spot;
            check.find(format!("{spot}: turn {no} of {redemption:?} is over or held since {at}"));
        }
    }

    fn of_identities(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        what: &What,
        book: &Book,
        check: &mut Check,
    ) {
        match what {
            What::Reserved(it) => self.reserve(spot, campaign, *it, book, check),
            What::Vacated(it) => self.vacate(spot, campaign, *it, check),
            What::GivenBack(it) => self.give_back(spot, campaign, *it, check),
            _ => {}
        }
    }

    fn reserve(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        it: Reservation,
        book: &Book,
        check: &mut Check,
    ) {
        check.row();
        let Reservation { redemption, merchant, turn, .. } = it;
        self.all.insert((campaign, redemption, turn), it);
        match self.reserved.insert((campaign, redemption), (it, true)) {
            Some((_, true)) => {
                check.find(format!("{spot}: {redemption:?} is reserved, and was not vacated"));
            }
            Some((before, false)) if before.turn.checked_add(1) == Some(turn) => {}
            None if turn == 1 => {}
            _ => check.find(format!("{spot}: {redemption:?} is reserved in turn {turn}")),
        }
        let taken = self.taken.entry((campaign, merchant)).or_default();
        *taken += i128::from(it.face.get());
        let known = book.merchant(spot.log, campaign, merchant);
        match known.map(|known| known.terms.cap.get()) {
            None => check.find(format!("{spot}: {merchant:?} was not admitted")),
            Some(cap) if cap > 0 && *taken > i128::from(cap) => {
                let text = format!("{merchant:?} has taken {taken} fen, of at most {cap}");
                check.find(format!("{spot}: {text}"));
            }
            Some(_) => {}
        }
    }

    fn vacate(&mut self, spot: Spot, campaign: CampaignNo, it: Reservation, check: &mut Check) {
        check.row();
        let Reservation { redemption, merchant, turn, .. } = it;
        let before = self.reserved.insert((campaign, redemption), (it, false));
        if before != Some((it, true)) {
            check.find(format!("{spot}: {redemption:?} is vacated, and was not reserved so"));
        }
        match self.turns.get(&(campaign, redemption, turn)) {
            Some(known) if known.lives => {
                let at = known.spot;
                check.find(format!("{spot}: {redemption:?} is vacated, and held since {at}"));
            }
            Some(_) => {}
            None => {
                check
                    .find(format!("{spot}: {redemption:?} is vacated, and its shard says nothing"));
            }
        }
        *self.taken.entry((campaign, merchant)).or_default() -= i128::from(it.face.get());
    }

    fn give_back(&mut self, spot: Spot, campaign: CampaignNo, it: GivenBack, check: &mut Check) {
        check.row();
        let GivenBack { refund, merchant, fen } = it;
        let known = self.refunds.get(&(campaign, refund));
        if known != Some(&(merchant, fen.get())) {
            check.find(format!(
                "{spot}: {} fen are given back for {refund:?} and were not taken back",
                fen.get()
            ));
        }
        if let Some(before) = self.given_back.insert((campaign, refund), spot) {
            check.find(format!("{spot}: {refund:?} was given back at {before}"));
        }
        *self.taken.entry((campaign, merchant)).or_default() -= i128::from(fen.get());
    }

    /// Every lock's reservation is among the identities.
    pub(super) fn done(&self, check: &mut Check) {
        for (no, turn) in self.turns.iter().filter(|(_, turn)| turn.locked) {
            if self.all.get(no) != Some(&turn.reservation) {
                let (spot, redemption) = (turn.spot, no.1);
                check.find(format!(
                    "{spot}: {redemption:?} is locked by a reservation that was not made"
                ));
            }
        }
    }
}
