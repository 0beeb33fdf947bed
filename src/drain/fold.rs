//! Entries as rows. Decides nothing: what does not follow from what came before is a misfit.

use crate::domain::{At, CampaignNo, KindNo, Shard};
use crate::funds::{Account, Posting};
use crate::ledger::event::{
    Adjusted, Armed, Bound, Event, Granted, Load, Passed, Transfer, What, codec,
};
use crate::ledger::journal::Entry;
use crate::store::rows::{Deed, Direction};
use crate::store::{LogNo, Rows};
use std::{
    collections::{BTreeMap, VecDeque, btree_map},
    fmt,
};

/// Why there is no row for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is not in a format known here.
    Foreign,
    /// It holds a number or a list that is larger than the store's.
    TooLarge,
    /// It is of a campaign that its log has not opened.
    NotOpened,
    /// It grants a coupon that does not follow the one before it (I1).
    NotNext,
    /// It grants a coupon without the posting that pays for it, or the other way round (I5).
    NotPaid,
    /// It confirms a redemption without the posting that consumes its money, or the other way round (I5).
    NotConsumed,
    /// It changes a round's quantities before there was a first time (R-ADJ-1).
    NoVersion,
    /// It arms a round that is there, or gives it another window.
    OtherRound,
    /// It binds an identifier that belongs to somebody else (R-WHO-3).
    BoundToAnother,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misfit::Foreign => "not in a format known here; run the version that wrote it",
            Misfit::TooLarge => "a number or list is larger than the store can hold",
            Misfit::NotOpened => "the log has not opened the campaign",
            Misfit::NotNext => "a coupon does not follow the one before it",
            Misfit::NotPaid => "a coupon and what pays for it do not come together",
            Misfit::NotConsumed => "a redemption and what it consumes do not come together",
            Misfit::NoVersion => "quantities are changed for the zeroth time",
            Misfit::OtherRound => "a round is armed again or has another window",
            Misfit::BoundToAnother => "an identifier belongs to somebody else",
        })
    }
}

/// Which shard of its campaigns a log is.
pub(super) type Shards = BTreeMap<CampaignNo, Shard>;

/// The rows of `entries` of `log`, or the first seq that has none.
pub(super) fn rows(log: LogNo, known: &Shards, entries: &[Entry]) -> Result<Rows, (u64, Misfit)> {
    let mut fold = Fold { log, shards: known.clone(), rows: Rows::default() };
    for entry in entries.iter().filter(|entry| !entry.seal) {
        fold.add(entry).map_err(|misfit| (entry.seq, misfit))?;
    }
    Ok(fold.rows)
}

struct Fold {
    log: LogNo,
    shards: Shards,
    rows: Rows,
}

impl Fold {
    fn add(&mut self, entry: &Entry) -> Result<(), Misfit> {
        let seq = i64::try_from(entry.seq).map_err(|_| Misfit::TooLarge)?;
        let events = codec::decode(&entry.body).ok_or(Misfit::Foreign)?;
        // A grant's posting is its coupon's row, a confirmed redemption's is that one's.
        let mut frozen = Paired::of(&events, |what| matches!(what, What::Granted(_)), FROZEN);
        let mut consumed = Paired::of(&events, |what| matches!(what, What::Confirmed(_)), CONSUMED);
        if !frozen.fit() {
            return Err(Misfit::NotPaid);
        }
        if !consumed.fit() {
            return Err(Misfit::NotConsumed);
        }
        for (line, event) in events.iter().enumerate() {
            let line = u16::try_from(line).map_err(|_| Misfit::TooLarge)?;
            let campaign = event.campaign;
            match &event.what {
                What::Granted(granted) => {
                    let posting = frozen.next().ok_or(Misfit::NotPaid)?;
                    self.grant(campaign, entry.at, granted, posting)?;
                }
                What::Confirmed(it) => {
                    let posting = consumed.next().ok_or(Misfit::NotConsumed)?;
                    let deed = Deed::Confirmed(it.redemption, posting);
                    self.deed(seq, line, campaign, entry.at, deed)?;
                }
                What::Posted(posting) => {
                    self.rows.balance(campaign, *posting).ok_or(Misfit::TooLarge)?;
                    if !frozen.has(posting) && !consumed.has(posting) {
                        self.rows.postings.push((seq, line, campaign, *posting));
                    }
                }
                _ => self.add_event(seq, line, entry.at, event)?,
            }
        }
        self.rows.events.push((seq, entry.at, entry.body.clone()));
        Ok(())
    }

    fn add_event(&mut self, seq: i64, line: u16, at: At, event: &Event) -> Result<(), Misfit> {
        let campaign = event.campaign;
        let deed = match event.what {
            What::Admitted(it) => Some(Deed::Admitted(it)),
            What::Stands(it) => Some(Deed::Stands(it)),
            What::Locked(it) => Some(Deed::Locked(it)),
            What::Released(it) => Some(Deed::Released(it.redemption)),
            What::Refunded(it) => Some(Deed::Refunded(it)),
            What::Settled(it) => Some(Deed::Settled(it)),
            What::Paid(it) => Some(Deed::Paid(it)),
            What::PaymentFailed(it) => Some(Deed::Failed(it)),
            _ => None,
        };
        if let Some(deed) = deed {
            return self.deed(seq, line, campaign, at, deed);
        }
        match &event.what {
            What::Opened(opened) => {
                self.shards.insert(campaign, opened.shard);
                self.rows.open(campaign, opened).ok_or(Misfit::TooLarge)?;
            }
            What::Armed(armed) => self.arm(campaign, armed)?,
            What::Expired(expired) => self.rows.expired.push((campaign, expired.round)),
            What::Bound(bound) => self.bind(campaign, at, bound)?,
            What::Passed(passed) => self.rows.passes.push((campaign, at, *passed)),
            What::Sent(transfer) => {
                self.transfer(seq, line, campaign, Direction::Sent, *transfer)?;
            }
            What::Received(transfer) => {
                self.transfer(seq, line, campaign, Direction::Received, *transfer)?;
            }
            What::Interlock(change) => self.rows.interlock.push((seq, line, campaign, *change, at)),
            What::Adjusted(adjusted) => self.adjust(campaign, at, adjusted)?,
            What::Extended(extended) => {
                extended.adjusted().try_for_each(|it| self.adjust(campaign, at, &it))?;
                self.rows.extensions.push((campaign, at, extended.extension.clone()));
            }
            What::Decided(decided) => {
                self.rows.decided.push((seq, line, campaign, decided.clone()));
            }
            // These have their rows above.
            What::Posted(_)
            | What::Granted(_)
            | What::Admitted(_)
            | What::Stands(_)
            | What::Locked(_)
            | What::Confirmed(_)
            | What::Released(_)
            | What::Refunded(_)
            | What::Settled(_)
            | What::Paid(_)
            | What::PaymentFailed(_)
            // Of these there is the entry alone.
            | What::Reserved(_)
            | What::Vacated(_)
            | What::GivenBack(_) => {}
        }
        Ok(())
    }

    fn deed(
        &mut self,
        seq: i64,
        line: u16,
        campaign: CampaignNo,
        at: At,
        deed: Deed,
    ) -> Result<(), Misfit> {
        deed.fits().then_some(()).ok_or(Misfit::TooLarge)?;
        self.rows.deeds.push((seq, line, campaign, at, deed));
        Ok(())
    }

    fn adjust(&mut self, campaign: CampaignNo, at: At, adjusted: &Adjusted) -> Result<(), Misfit> {
        let Adjusted { round, version, quantities } = adjusted;
        if *version == 0 {
            return Err(Misfit::NoVersion);
        }
        for (kind, quantity) in quantities.iter().enumerate() {
            let kind = u8::try_from(kind).map(KindNo).map_err(|_| Misfit::TooLarge)?;
            self.rows.adjustments.push((campaign, *round, *version, kind, *quantity, at));
        }
        Ok(())
    }

    fn arm(&mut self, campaign: CampaignNo, armed: &Armed) -> Result<(), Misfit> {
        let round = self.rows.round(campaign, armed.round, armed.window, true);
        round.ok_or(Misfit::OtherRound)?;
        for (kind, quantity) in armed.quantities.iter().enumerate() {
            let kind = u8::try_from(kind).map(KindNo).map_err(|_| Misfit::TooLarge)?;
            let stock = self.rows.stock.entry((campaign, armed.round, kind)).or_default();
            stock.armed = true;
            stock.units = i64::from(*quantity);
        }
        Ok(())
    }

    /// Numbers that are given in turns: see [`Shard::nth`].
    fn grant(
        &mut self,
        campaign: CampaignNo,
        at: At,
        granted: &Granted,
        posting: Posting,
    ) -> Result<(), Misfit> {
        let coupon = granted.coupon;
        let shard = self.shards.get(&campaign).ok_or(Misfit::NotOpened)?;
        let nth = shard.nth(coupon.ordinal).ok_or(Misfit::NotNext)?;
        let stock = self.rows.stock.entry((campaign, coupon.round, coupon.kind)).or_default();
        // An entry that was lost before anybody was told of it took its turn with it.
        stock.grant(nth, self.log != LogNo::EMBEDDED).ok_or(Misfit::NotNext)?;
        self.rows.coupons.push((campaign, at, *granted, posting));
        Ok(())
    }

    fn transfer(
        &mut self,
        seq: i64,
        line: u16,
        campaign: CampaignNo,
        direction: Direction,
        transfer: Transfer,
    ) -> Result<(), Misfit> {
        if let Load::Stock { round, window, kind, units } = transfer.load {
            let received = direction == Direction::Received;
            if received {
                let round = self.rows.round(campaign, round, window, false);
                round.ok_or(Misfit::OtherRound)?;
            }
            let stock = self.rows.stock.entry((campaign, round, kind)).or_default();
            stock.received |= received;
            stock.units += if received { i64::from(units) } else { -i64::from(units) };
        }
        self.rows.transfers.push((seq, line, campaign, direction, transfer));
        Ok(())
    }

    fn bind(&mut self, campaign: CampaignNo, at: At, bound: &Bound) -> Result<(), Misfit> {
        for proof in bound.proofs {
            self.rows.proofs.push((campaign, bound.round, proof, bound.pass));
        }
        for (kind, identifier) in bound.identifiers {
            match self.rows.bindings.entry((campaign, bound.round, kind, identifier)) {
                btree_map::Entry::Vacant(free) => drop(free.insert(bound.person)),
                btree_map::Entry::Occupied(taken) if *taken.get() == bound.person => {}
                btree_map::Entry::Occupied(_) => return Err(Misfit::BoundToAnother),
            }
        }
        // Where identities have a log of their own, the pass stands in its person's log.
        if !self.log.of_identities() {
            self.rows.passes.push((campaign, at, Passed::from(bound)));
        }
        Ok(())
    }
}

/// What pays for a coupon.
const FROZEN: (Account, Account) = (Account::Reserved, Account::Frozen);
/// What a redemption consumes.
const CONSUMED: (Account, Account) = (Account::Frozen, Account::Consumed);

/// The postings of an entry that stand in the rows of other events of it, one for each.
struct Paired {
    events: usize,
    accounts: (Account, Account),
    postings: VecDeque<Posting>,
}

impl Paired {
    fn of(
        events: &[Event],
        has_posting: impl Fn(&What) -> bool,
        accounts: (Account, Account),
    ) -> Paired {
        let count = events.iter().filter(|event| has_posting(&event.what)).count();
        let mut paired = Paired { events: count, accounts, postings: VecDeque::new() };
        let postings = events.iter().filter_map(|event| match event.what {
            What::Posted(posting) if paired.has(&posting) => Some(posting),
            _ => None,
        });
        paired.postings = postings.collect();
        paired
    }

    /// Whether there is one for each.
    fn fit(&self) -> bool {
        self.postings.len() == self.events
    }

    /// Whether it is one of them. Without such events it is a posting as any other.
    fn has(&self, posting: &Posting) -> bool {
        self.events > 0 && (posting.from, posting.to) == self.accounts
    }

    fn next(&mut self) -> Option<Posting> {
        self.postings.pop_front()
    }
}
