//! I1: never more than the stock.
//!
//! A shard grants of what it was armed with or received less what it sent, and gives its own turns in order. A turn
//! is missing only where an entry was lost: one without events stands in its place.
//!
//! What was decided of a round before it was armed (R-ADJ-1) is what it is armed with, and of a further round (R-ADJ-2)
//! also when. An extension moves the period's end on from where the last one left it, and is in time.

use super::book::StockNo;
use super::{Book, Check, Look, Seen, Spot};
use crate::domain::{CampaignNo, RoundNo, Shard};
use crate::ledger::event::{Adjusted, Armed, Extended, Granted, Load, Transfer, What};
use crate::store::LogNo;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Stock {
    check: Check,
    armed: BTreeSet<(CampaignNo, RoundNo)>,
    /// What was decided last of each round, and where.
    adjusted: BTreeMap<(CampaignNo, RoundNo), (Adjusted, Spot)>,
    /// The extensions of each campaign, in order.
    extended: BTreeMap<CampaignNo, Vec<Extended>>,
    /// What was granted of each stock, over all shards.
    given: BTreeMap<StockNo, u32>,
    shares: BTreeMap<(LogNo, StockNo), Share>,
    lost: BTreeMap<LogNo, Lost>,
}

/// A shard's share of a stock.
#[derive(Clone, Copy, Default)]
struct Share {
    /// What it was dealt and has not granted; signed, so that whatever happened can be counted.
    left: i64,
    last_turn: u32,
    /// Entries of its log that were lost before the last turn.
    lost: u32,
}

/// What a log has lost.
#[derive(Clone, Copy, Default)]
struct Lost {
    /// Entries, of which there is only the place.
    entries: u32,
    /// Turns that were nobody's.
    turns: u32,
}

impl Default for Stock {
    fn default() -> Stock {
        let what = "granted <= stock; ordinals 1, 2, 3 .. without gaps";
        Stock {
            check: Check::new("I1", what),
            armed: BTreeSet::new(),
            adjusted: BTreeMap::new(),
            extended: BTreeMap::new(),
            given: BTreeMap::new(),
            shares: BTreeMap::new(),
            lost: BTreeMap::new(),
        }
    }
}

impl Look for Stock {
    fn look(&mut self, entry: &Seen, book: &Book) {
        let spot = entry.spot;
        // A journal fills no gaps: it is cut where it was torn.
        if entry.events.is_empty() && spot.log != LogNo::EMBEDDED {
            let lost = self.lost.entry(spot.log).or_default();
            lost.entries = lost.entries.saturating_add(1);
        }
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                What::Armed(armed) => self.arm(spot, campaign, armed, book),
                What::Adjusted(adjusted) => self.adjust(spot, campaign, adjusted, book),
                What::Extended(it) => self.extend(entry, campaign, it, book),
                What::Granted(granted) => self.grant(spot, campaign, granted, book),
                What::Sent(sent) => self.transfer(spot, campaign, sent, -1, book),
                What::Received(received) => self.transfer(spot, campaign, received, 1, book),
                _ => {}
            }
        }
    }

    fn done(self: Box<Self>, _: &Book) -> Check {
        self.check
    }
}

impl Stock {
    fn arm(&mut self, spot: Spot, campaign: CampaignNo, armed: &Armed, book: &Book) {
        let round = armed.round;
        if book.shard(campaign, spot.log).no != 0 {
            let no = round.0;
            self.check.find(format!("{spot}: round {no} gets its stock in another shard than 0"));
        }
        if !self.armed.insert((campaign, round)) {
            self.check.find(format!("{spot}: round {} got its stock before", round.0));
            return;
        }
        self.one_a_kind(spot, round, &armed.quantities, campaign, book);
        if let Some((decided, before)) = self.adjusted.get(&(campaign, round))
            && decided.quantities != armed.quantities
        {
            let text = format!("round {} gets another stock than was decided", round.0);
            self.check.find(format!("{spot}: {text} at {before}"));
        }
        self.in_time(spot, campaign, armed);
        for (kind, units) in (0..=u8::MAX).map(crate::domain::KindNo).zip(&armed.quantities) {
            self.share(spot, (campaign, round, kind)).left += i64::from(*units);
        }
    }

    fn one_a_kind(
        &mut self,
        spot: Spot,
        round: RoundNo,
        quantities: &[u32],
        campaign: CampaignNo,
        book: &Book,
    ) {
        let (stocks, kinds) = (quantities.len(), book.kinds(campaign).len());
        if stocks != kinds {
            let text = format!("round {} has {stocks} stocks for {kinds} kinds", round.0);
            self.check.find(format!("{spot}: {text}"));
        }
    }

    fn adjust(&mut self, spot: Spot, campaign: CampaignNo, adjusted: &Adjusted, book: &Book) {
        self.check.row();
        let round = adjusted.round;
        if self.armed.contains(&(campaign, round)) {
            let text = "is adjusted and has its stock already";
            self.check.find(format!("{spot}: round {} {text}", round.0));
        }
        self.one_a_kind(spot, round, &adjusted.quantities, campaign, book);
        let before = self.adjusted.insert((campaign, round), (adjusted.clone(), spot));
        let next = before.map_or(0, |(it, _)| it.version).saturating_add(1);
        if adjusted.version != next {
            let (no, version) = (round.0, adjusted.version);
            self.check
                .find(format!("{spot}: round {no} has version {version} where {next} was next"));
        }
    }

    /// A further round, and every one after it, is one that was decided, at that time.
    fn in_time(&mut self, spot: Spot, campaign: CampaignNo, armed: &Armed) {
        let Some(all) = self.extended.get(&campaign) else { return };
        let (no, mut rounds) = (armed.round.0, all.iter().flat_map(|it| it.extension.rounds()));
        let of_plan = all.first().is_some_and(|first| armed.round < first.extension.first);
        match rounds.find(|it| it.no == armed.round) {
            Some(decided) if decided.window != armed.window => {
                self.check.find(format!("{spot}: round {no} opens or ends otherwise than decided"));
            }
            None if !of_plan => {
                self.check.find(format!("{spot}: round {no} is beyond those that were decided"));
            }
            _ => {}
        }
    }

    fn extend(&mut self, entry: &Seen, campaign: CampaignNo, it: &Extended, book: &Book) {
        let (spot, extension) = (entry.spot, &it.extension);
        let no = extension.first.0;
        if entry.at >= extension.ended {
            self.check.find(format!("{spot}: rounds from {no} on are decided after the end"));
        }
        if !extension.is_sound() {
            self.check.find(format!("{spot}: rounds from {no} on are not one after the other"));
        }
        let all = self.extended.entry(campaign).or_default();
        if let Some(last) = all.last().map(|last| &last.extension)
            && (last.next(), last.ends) != (extension.first, extension.ended)
        {
            let text = "don't follow the extension before them";
            self.check.find(format!("{spot}: rounds from {no} on {text}"));
        }
        all.push(it.clone());
        for adjusted in it.adjusted() {
            self.adjust(spot, campaign, &adjusted, book);
        }
    }

    fn share(&mut self, spot: Spot, stock: StockNo) -> &mut Share {
        self.shares.entry((spot.log, stock)).or_default()
    }

    fn grant(&mut self, spot: Spot, campaign: CampaignNo, granted: &Granted, book: &Book) {
        self.check.row();
        let coupon = granted.coupon;
        let stock = (campaign, coupon.round, coupon.kind);
        let shard = book.shard(campaign, spot.log);
        self.turn(spot, stock, shard, granted);
        let given = self.given.entry(stock).or_default();
        *given = given.saturating_add(1);
        let (nth, quantity) = (*given, book.quantity(stock));
        if nth > quantity {
            self.check
                .find(format!("{spot}: coupon {coupon} is grant {nth} of a stock of {quantity}"));
        }
        let part = self.share(spot, stock);
        part.left -= 1;
        // A shard that is alone has the whole stock, which was just looked at.
        if part.left < 0 && shard != Shard::ALONE {
            self.check.find(format!("{spot}: coupon {coupon} is granted of a shard's empty stock"));
        }
    }

    /// Whether the coupon is the shard's next.
    fn turn(&mut self, spot: Spot, stock: StockNo, shard: Shard, granted: &Granted) {
        let coupon = granted.coupon;
        let part = self.shares.entry((spot.log, stock)).or_default();
        let lost = self.lost.entry(spot.log).or_default();
        let next = part.last_turn.saturating_add(1);
        let turn = shard.nth(coupon.ordinal);
        let skipped = turn.and_then(|turn| turn.checked_sub(next));
        let since = lost.entries.saturating_sub(part.lost);
        lost.turns = lost.turns.saturating_add(skipped.unwrap_or(0));
        // An entry that was lost took at most one turn of one stock with it.
        let in_turn = skipped.is_some_and(|turns| turns <= since) && lost.turns <= lost.entries;
        part.last_turn = turn.unwrap_or(part.last_turn);
        part.lost = lost.entries;
        if !in_turn {
            let (ordinal, expected) = (coupon.ordinal, shard.ordinal(next));
            self.check.find(format!(
                "{spot}: coupon {coupon} has ordinal {ordinal} where {expected} was next"
            ));
            // Said once.
            lost.turns = lost.turns.saturating_sub(skipped.unwrap_or(0));
        }
    }

    fn transfer(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        transfer: &Transfer,
        sign: i64,
        book: &Book,
    ) {
        let Load::Stock { round, window, kind, units } = transfer.load else { return };
        self.check.row();
        let part = self.share(spot, (campaign, round, kind));
        part.left += sign * i64::from(units);
        let (left, no) = (part.left, round.0);
        if left < 0 && sign < 0 {
            let lacking = left.unsigned_abs();
            self.check.find(format!(
                "{spot}: {units} units of round {no} are sent, {lacking} more than were left"
            ));
        }
        if book.window(campaign, round) != Some(window) {
            self.check
                .find(format!("{spot}: a transfer names another window than its round {no} has"));
        }
    }
}
