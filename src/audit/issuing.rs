//! I7: nothing is granted without a living pass, outside the window, or while issuing is stopped.

use super::{Book, Check, Look, Seen};
use crate::domain::{
    At, CampaignNo, IdentifierKind, KeyedHash, KindSet, PassNonce, PersonId, ProofId, RoundNo,
};
use crate::ledger::event::{Bound, Granted, Interlock, What};
use std::collections::{BTreeMap, HashMap};

/// Passes, proofs and bindings are a round's own.
type Round = (CampaignNo, RoundNo);

pub(super) struct Issuing {
    check: Check,
    /// The seq at which a campaign's issuing was stopped, while it is.
    tripped: BTreeMap<CampaignNo, u64>,
    passes: HashMap<(Round, PassNonce), Pass>,
    /// The seq at which each proof was used.
    proofs: HashMap<(Round, ProofId), u64>,
    bindings: HashMap<(Round, IdentifierKind, KeyedHash), (PersonId, u64)>,
}

struct Pass {
    seq: u64,
    person: PersonId,
    kinds: KindSet,
    expires_at: At,
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
        }
    }
}

impl Look for Issuing {
    fn look(&mut self, entry: &Seen, book: &Book) {
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                What::Interlock(Interlock::Tripped) => {
                    self.tripped.entry(campaign).or_insert(entry.seq);
                }
                What::Interlock(Interlock::Resumed) => {
                    self.tripped.remove(&campaign);
                }
                What::Bound(bound) => self.bind(entry.seq, campaign, bound),
                What::Granted(granted) => {
                    self.check.row();
                    self.timely(entry, campaign, granted, book);
                    if let Err(why) = self.spend(entry.at, campaign, granted) {
                        let (seq, coupon) = (entry.seq, granted.coupon);
                        self.check.find(format!("seq {seq}: coupon {coupon}: {why}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn done(self: Box<Self>, _: &Book) -> Check {
        self.check
    }
}

impl Issuing {
    fn bind(&mut self, seq: u64, campaign: CampaignNo, bound: &Bound) {
        self.check.row();
        let round = (campaign, bound.round);
        for proof in bound.proofs {
            if let Some(before) = self.proofs.insert((round, proof), seq) {
                self.check.find(format!("seq {seq}: {proof:?} was used before, at seq {before}"));
            }
        }
        for (kind, hash) in bound.identifiers {
            let mine = (bound.person, seq);
            let (person, before) = *self.bindings.entry((round, kind, hash)).or_insert(mine);
            if person != bound.person {
                let text = format!("its {kind:?} belongs to {person:?} since seq {before}");
                self.check.find(format!("seq {seq}: a pass for {:?}, but {text}", bound.person));
            }
        }
        let pass = Pass {
            seq,
            person: bound.person,
            kinds: bound.kinds,
            expires_at: bound.expires_at,
            spent: KindSet::default(),
        };
        let pass_no = (round, bound.pass);
        if let Some(before) = self.passes.get(&pass_no) {
            let before = before.seq;
            self.check
                .find(format!("seq {seq}: {:?} was made before, at seq {before}", bound.pass));
        }
        self.passes.entry(pass_no).or_insert(pass);
    }

    fn timely(&mut self, entry: &Seen, campaign: CampaignNo, granted: &Granted, book: &Book) {
        let (seq, at, coupon) = (entry.seq, entry.at, granted.coupon);
        if let Some(trip) = self.tripped.get(&campaign) {
            let text = format!("issuing was stopped at seq {trip}");
            self.check.find(format!("seq {seq}: coupon {coupon}: {text}"));
        }
        // A round without a stock has no window; that nothing can be granted in it is I1's.
        let window = book.window(campaign, coupon.round);
        if let Some(window) = window.filter(|window| at < window.from || window.until <= at) {
            let (from, until) = (window.from, window.until);
            let text = format!("{at:?} is outside its round's window {from:?} .. {until:?}");
            self.check.find(format!("seq {seq}: coupon {coupon}: {text}"));
        }
    }

    /// Spends the pass for the coupon's kind, or says why it can't pay for it.
    fn spend(&mut self, at: At, campaign: CampaignNo, granted: &Granted) -> Result<(), String> {
        let (round, kind) = ((campaign, granted.coupon.round), granted.coupon.kind);
        let no = granted.pass;
        let Some(pass) = self.passes.get_mut(&(round, no)) else {
            return Err(format!("{no:?} was not made before"));
        };
        let (spent, made) = (pass.spent.has(kind), pass.seq);
        pass.spent = pass.spent.with(kind);
        let living = at < pass.expires_at;
        match (pass.person == granted.person, pass.kinds.has(kind), living, spent) {
            (false, ..) => Err(format!("{no:?} of seq {made} is not {:?}'s", granted.person)),
            (_, false, ..) => Err(format!("{no:?} of seq {made} does not name kind {}", kind.0)),
            (_, _, false, _) => Err(format!("{no:?} of seq {made} ended at {:?}", pass.expires_at)),
            (.., true) => Err(format!("{no:?} of seq {made} was spent for this kind before")),
            _ => Ok(()),
        }
    }
}
