//! I9: nobody is told "sold out", or left without an answer, while there is stock.
//!
//! A line of the record names a kind and no round, so it is held against every round the record
//! is about: those of its passes, or all that have a stock if it has none. If there are several,
//! "sold out" is held against those whose window it was told in, and who was unanswered may say the round. Stock that expires unclaimed was
//! left too: who was unanswered for it was let down.

use super::book::StockNo;
use super::record::{Said, SoldOut, Unanswered};
use super::{Book, Check, Look, Record, Seen, Spot};
use crate::domain::{At, CampaignNo, KindNo, RoundNo};
use crate::ledger::event::What;
use std::collections::{BTreeMap, BTreeSet};

type Round = (CampaignNo, RoundNo);

pub(super) struct Undersell<'a> {
    check: Check,
    record: &'a Record,
    /// When and where each unit was granted; in the order of time when all is read.
    granted: BTreeMap<StockNo, Vec<(At, Spot)>>,
}

impl<'a> Undersell<'a> {
    pub(super) fn of(record: &'a Record) -> Undersell<'a> {
        let what =
            "no sold_out before the decision of the last unit; nobody unanswered while any is left";
        Undersell { check: Check::new("I9", what), record, granted: BTreeMap::new() }
    }

    fn left(&self, stock: StockNo, book: &Book) -> u32 {
        let granted = self.granted.get(&stock).map_or(0, Vec::len);
        book.quantity(stock).saturating_sub(u32::try_from(granted).unwrap_or(u32::MAX))
    }

    /// Why "sold out" was not true of this stock when it was told.
    fn untrue(&self, told: At, stock: StockNo, book: &Book) -> Option<String> {
        let left = self.left(stock, book);
        if left > 0 {
            return Some(format!("round {} has {left} left", stock.1.0));
        }
        let last = usize::try_from(book.quantity(stock)).ok()?.checked_sub(1)?;
        let (at, spot) = self.granted.get(&stock)?.get(last)?;
        let latest = told.plus_ms(self.record.clock_error_ms);
        (latest < *at).then(|| format!("its last unit was decided at {at:?}, at {spot}"))
    }

    fn sold_out(&mut self, line: usize, said: &SoldOut, rounds: &BTreeSet<Round>, book: &Book) {
        let stocks = if rounds.len() == 1 {
            stocks(rounds.iter(), &said.kind, book)
        } else {
            let open = |(campaign, round): &&Round| {
                book.window(*campaign, *round).is_some_and(|window| window.has(said.at))
            };
            stocks(rounds.iter().filter(open), &said.kind, book)
        };
        let start =
            format!("record line {line}: {:?} told as sold out at {:?}", said.kind, said.at);
        if stocks.is_empty() {
            self.check.find(format!("{start}, but no round then had a stock of it"));
        }
        for stock in stocks {
            if let Some(why) = self.untrue(said.at, stock, book) {
                self.check.find(format!("{start}, but {why}"));
            }
        }
    }

    fn unanswered(
        &mut self,
        line: usize,
        said: &Unanswered,
        rounds: &BTreeSet<Round>,
        book: &Book,
    ) {
        let kind = &said.kind;
        let of = |(_, round): &&Round| said.round.is_none_or(|said| said == round.0);
        for stock in stocks(rounds.iter().filter(of), kind, book) {
            let (round, left) = (stock.1.0, self.left(stock, book));
            if left > 0 {
                self.check.find(format!(
                    "record line {line}: unanswered for {kind:?}, but round {round} has {left} left"
                ));
            }
        }
    }
}

/// The stocks of the kind of this name in these rounds.
fn stocks<'a>(rounds: impl Iterator<Item = &'a Round>, kind: &str, book: &Book) -> Vec<StockNo> {
    rounds
        .filter_map(|(campaign, round)| {
            let armed = book.armed(*campaign, *round)?;
            let index = book.kinds(*campaign).iter().position(|terms| terms.name == kind)?;
            armed.quantities.get(index)?;
            Some((*campaign, *round, KindNo(u8::try_from(index).ok()?)))
        })
        .collect()
}

impl Look for Undersell<'_> {
    fn look(&mut self, entry: &Seen, _: &Book) {
        for event in &entry.events {
            let What::Granted(granted) = event.what else { continue };
            let stock = (event.campaign, granted.coupon.round, granted.coupon.kind);
            self.granted.entry(stock).or_default().push((entry.at, entry.spot));
        }
    }

    fn done(mut self: Box<Self>, book: &Book) -> Check {
        // What several logs granted is in the order of time only now.
        self.granted.values_mut().for_each(|grants| grants.sort_by_key(|(at, _)| *at));
        let mut rounds: BTreeSet<Round> =
            self.record.passes().map(|pass| (pass.campaign, pass.round)).collect();
        if rounds.is_empty() {
            rounds.extend(book.rounds());
        }
        for (line, said) in self.record.numbered() {
            match said {
                Said::Yes(_) | Said::Order(_) | Said::Refund(_) => continue,
                // The first time has its own line, and what is true then stays true.
                Said::SoldOutTimes(told) => {
                    self.check.rows += told.times.saturating_sub(1);
                    continue;
                }
                Said::SoldOut(said) => self.sold_out(line, said, &rounds, book),
                Said::Unanswered(said) => self.unanswered(line, said, &rounds, book),
            }
            self.check.row();
        }
        self.check
    }
}
