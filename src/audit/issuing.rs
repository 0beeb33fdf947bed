//! I7: nothing is granted without a living pass, outside the window, or while issuing is stopped.
//!
//! A journal has each pass once, where it was bound. Of several logs the identities' has it as it was bound, and that
//! of its person's shard as it came there, where it is spent.

use super::{Book, Check, Look, Seen, Spot};
use crate::domain::{
    At, CampaignNo, IdentifierKind, KeyedHash, KindSet, PassNonce, PersonId, ProofId, RoundNo,
};
use crate::ledger::event::{Bound, Granted, Interlock, Passed, What};
use crate::store::LogNo;
use std::collections::{BTreeMap, HashMap};

/// By how much two nodes' clocks may differ: each at most 500 ms from the ledger's.
const APART_MS: i64 = 1_000;

/// Passes, proofs and bindings are a round's own.
type Round = (CampaignNo, RoundNo);

pub(super) struct Issuing {
    check: Check,
    /// Where a campaign's issuing was stopped in a log, while it is.
    tripped: BTreeMap<(LogNo, CampaignNo), Spot>,
    passes: HashMap<(LogNo, Round, PassNonce), Pass>,
    /// Where each proof was used.
    proofs: HashMap<(Round, ProofId), Spot>,
    bindings: HashMap<(Round, IdentifierKind, KeyedHash), (PersonId, Spot)>,
    /// Passes that came to a shard, in the order of their logs.
    came: Vec<(LogNo, Round, PassNonce)>,
}

struct Pass {
    spot: Spot,
    at: At,
    passed: Passed,
    spent: KindSet,
}

impl Default for Issuing {
    fn default() -> Issuing {
        let what = "no grant while tripped, outside its window or without an unspent pass";
        Issuing {
            check: Check::new("I7", what),
            tripped: BTreeMap::new(),
            passes: HashMap::new(),
            proofs: HashMap::new(),
            bindings: HashMap::new(),
            came: Vec::new(),
        }
    }
}

impl Look for Issuing {
    fn look(&mut self, entry: &Seen, book: &Book) {
        let spot = entry.spot;
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                What::Interlock(Interlock::Tripped) => {
                    self.tripped.entry((spot.log, campaign)).or_insert(spot);
                }
                What::Interlock(Interlock::Resumed) => {
                    self.tripped.remove(&(spot.log, campaign));
                }
                What::Bound(bound) => self.bind(entry, campaign, bound),
                What::Passed(passed) => {
                    self.check.row();
                    self.came.push((spot.log, (campaign, passed.round), passed.pass));
                    self.pass(entry, campaign, *passed);
                }
                What::Granted(granted) => {
                    self.check.row();
                    self.timely(entry, campaign, granted, book);
                    if let Err(why) = self.spend(entry, campaign, granted) {
                        let coupon = granted.coupon;
                        self.check.find(format!("{spot}: coupon {coupon}: {why}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn done(mut self: Box<Self>, _: &Book) -> Check {
        for no in std::mem::take(&mut self.came) {
            if let Err(why) = self.was_bound(no) {
                let spot = self.passes.get(&no).map_or(Spot { log: no.0, seq: 0 }, |it| it.spot);
                self.check.find(format!("{spot}: {:?} {why}", no.2));
            }
        }
        self.check
    }
}

impl Issuing {
    fn bind(&mut self, entry: &Seen, campaign: CampaignNo, bound: &Bound) {
        self.check.row();
        let (spot, round) = (entry.spot, (campaign, bound.round));
        for proof in bound.proofs {
            if let Some(before) = self.proofs.insert((round, proof), spot) {
                self.check.find(format!("{spot}: {proof:?} was used before, at {before}"));
            }
        }
        for (kind, hash) in bound.identifiers {
            let mine = (bound.person, spot);
            let (person, before) = *self.bindings.entry((round, kind, hash)).or_insert(mine);
            if person != bound.person {
                let text = format!("its {kind:?} belongs to {person:?} since {before}");
                self.check.find(format!("{spot}: a pass for {:?}, but {text}", bound.person));
            }
        }
        self.pass(entry, campaign, Passed::from(bound));
    }

    /// From here on the pass can be spent in this log.
    fn pass(&mut self, entry: &Seen, campaign: CampaignNo, passed: Passed) {
        let spot = entry.spot;
        let no = (spot.log, (campaign, passed.round), passed.pass);
        if let Some(before) = self.passes.get(&no) {
            let before = before.spot;
            self.check.find(format!("{spot}: {:?} was made before, at {before}", passed.pass));
        }
        let pass = Pass { spot, at: entry.at, passed, spent: KindSet::default() };
        self.passes.entry(no).or_insert(pass);
    }

    /// Whether a pass that came to a shard is one of the identities' log, made before it came.
    fn was_bound(&self, no: (LogNo, Round, PassNonce)) -> Result<(), String> {
        let (_, (campaign, round), nonce) = no;
        let Some(came) = self.passes.get(&no) else { return Ok(()) };
        let identities = LogNo::of(campaign, LogNo::IDENTITIES);
        let Some(bound) = self.passes.get(&(identities, (campaign, round), nonce)) else {
            return Err("came to a shard and was never bound".to_owned());
        };
        if bound.passed != came.passed {
            return Err(format!("came to a shard otherwise than it was bound at {}", bound.spot));
        }
        if bound.at > came.at.plus_ms(APART_MS) {
            return Err(format!("came to a shard before it was bound at {}", bound.spot));
        }
        Ok(())
    }

    fn timely(&mut self, entry: &Seen, campaign: CampaignNo, granted: &Granted, book: &Book) {
        let (spot, at, coupon) = (entry.spot, entry.at, granted.coupon);
        if let Some(trip) = self.tripped.get(&(spot.log, campaign)) {
            let text = format!("issuing was stopped at {trip}");
            self.check.find(format!("{spot}: coupon {coupon}: {text}"));
        }
        // A round without a stock has no window; that nothing can be granted in it is I1's.
        let window = book.window(campaign, coupon.round);
        if let Some(window) = window.filter(|window| at < window.from || window.until <= at) {
            let (from, until) = (window.from, window.until);
            let text = format!("{at:?} is outside its round's window {from:?} .. {until:?}");
            self.check.find(format!("{spot}: coupon {coupon}: {text}"));
        }
    }

    /// Spends the pass for the coupon's kind, or says why it can't pay for it.
    fn spend(
        &mut self,
        entry: &Seen,
        campaign: CampaignNo,
        granted: &Granted,
    ) -> Result<(), String> {
        let (round, kind) = ((campaign, granted.coupon.round), granted.coupon.kind);
        let no = granted.pass;
        let Some(pass) = self.passes.get_mut(&(entry.spot.log, round, no)) else {
            return Err(format!("{no:?} was not made before"));
        };
        let (spent, made, passed) = (pass.spent.has(kind), pass.spot, pass.passed);
        pass.spent = pass.spent.with(kind);
        let living = entry.at < passed.expires_at;
        match (passed.person == granted.person, passed.kinds.has(kind), living, spent) {
            (false, ..) => Err(format!("{no:?} of {made} is not {:?}'s", granted.person)),
            (_, false, ..) => Err(format!("{no:?} of {made} does not name kind {}", kind.0)),
            (_, _, false, _) => Err(format!("{no:?} of {made} ended at {:?}", passed.expires_at)),
            (.., true) => Err(format!("{no:?} of {made} was spent for this kind before")),
            _ => Ok(()),
        }
    }
}
