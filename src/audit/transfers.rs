//! Transfers, for I5: what was received is what was sent, and the rest is on its way.

use super::funds::{Due, due};
use super::{Book, Check, Spot};
use crate::domain::{CampaignNo, PoolNo};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Load, Transfer};
use std::collections::BTreeMap;

/// A transfer: campaign, from which shard, to which, and its number among those.
type TransferNo = (CampaignNo, u8, u8, u32);

#[derive(Default)]
pub(super) struct Transfers {
    sent: BTreeMap<TransferNo, Moved>,
    received: BTreeMap<TransferNo, Moved>,
    /// The last number of each pair, by who wrote it.
    last: BTreeMap<(CampaignNo, u8, u8, End), u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Sent,
    Received,
}

struct Moved {
    spot: Spot,
    load: Load,
    /// The money that goes along, as the sender posts it.
    money: Option<Posting>,
}

impl Transfers {
    /// One end of a transfer, in the log of shard `me`, and the posting of its money.
    pub(super) fn take(
        &mut self,
        (spot, campaign, me): (Spot, CampaignNo, u8),
        end: End,
        transfer: &Transfer,
        money: Option<Posting>,
        check: &mut Check,
    ) {
        check.row();
        let Transfer { peer, number, load } = *transfer;
        let (from, to, all, money) = match end {
            End::Sent => (me, peer, &mut self.sent, money),
            End::Received => (peer, me, &mut self.received, money.map(back)),
        };
        let last = self.last.entry((campaign, from, to, end)).or_default();
        let expected = last.saturating_add(1);
        *last = number;
        if number != expected {
            let pair = format!("from shard {from} to {to}");
            check.find(format!("{spot}: transfer {number} {pair} where {expected} was next"));
        }
        all.entry((campaign, from, to, number)).or_insert(Moved { spot, load, money });
    }

    /// What does not fit, and the money that is on its way.
    pub(super) fn done(self, check: &mut Check) -> BTreeMap<(CampaignNo, PoolNo), i128> {
        for (no, received) in &self.received {
            let Moved { spot, load, money } = received;
            let (_, from, _, number) = no;
            match self.sent.get(no) {
                None => {
                    check.find(format!(
                        "{spot}: transfer {number} from shard {from} was never sent"
                    ));
                }
                Some(sent) if (sent.load, sent.money) != (*load, *money) => {
                    let text = "was received otherwise than it was sent at";
                    check.find(format!("{spot}: transfer {number} {text} {}", sent.spot));
                }
                Some(_) => {}
            }
        }
        let mut underway = BTreeMap::new();
        let sent = self.sent.iter().filter(|(no, _)| !self.received.contains_key(no));
        for ((campaign, ..), moved) in sent {
            let Some(money) = moved.money else { continue };
            *underway.entry((*campaign, money.pool)).or_default() += i128::from(money.fen.get());
        }
        underway
    }
}

/// The money that a transfer calls for, as its sender posts it; of money itself the amount is whatever there was.
pub(super) fn money(campaign: CampaignNo, load: &Load, book: &Book) -> Option<Due> {
    Some(match *load {
        Load::Stock { kind, units, .. } => {
            let terms = book.kind(campaign, kind)?;
            due(terms, Account::Reserved, Account::Treasury, u64::from(units))
        }
        Load::Funds { pool } => {
            Due { pool, from: Account::Available, to: Account::Treasury, fen: None }
        }
    })
}

fn back(posting: Posting) -> Posting {
    Posting { from: posting.to, to: posting.from, ..posting }
}
