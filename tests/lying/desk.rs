//! Where it decides, lies and writes down.

use super::tokens::{Identity, Pass};
use super::{Lie, now};
use quan::domain::{
    At, CampaignNo, CouponId, Fen, KindNo, KindSet, PersonId, PoolNo, ProofId, RoundNo, Shard,
    Window,
};
use quan::funds::{Account, Posting};
use quan::ledger::event::{Armed, Bound, Event, Granted, KindTerms, Opened, What, codec};
use quan::ledger::journal::{Folder, Journal, Options};
use quan::plan::{Kind, Plan};
use std::{collections::HashMap, path::Path};

/// The one campaign and its one round.
const CAMPAIGN: CampaignNo = CampaignNo(0);
pub(crate) const ROUND: RoundNo = RoundNo(1);
/// The grant of the first kind that it lies about, where one of many will do.
const LIED_ABOUT: u32 = 2;

pub(crate) struct Desk {
    pub(crate) plan: Plan,
    pub(crate) window: Window,
    lie: Lie,
    lied: bool,
    journal: Journal<Folder>,
    last_at: At,
    passes: HashMap<[u8; 16], Pass>,
    held: HashMap<(PersonId, KindNo), CouponId>,
    given: HashMap<KindNo, u32>,
}

/// What a claim is told.
pub(crate) enum Told {
    Yes { coupon: CouponId, replayed: bool },
    SoldOut,
}

impl Desk {
    /// Opens the shipped plan's campaign and arms its round with `units` of every kind.
    pub(crate) fn open(folder: &Path, lie: Lie, units: u32, window: Window) -> Desk {
        let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/xiangning-2023.toml");
        let plan = Plan::load(&plan).expect("the shipped plan is there");
        let (mut plan, _) = plan.expect("the shipped plan is sound");
        plan.kinds.iter_mut().for_each(|kind| kind.units_per_round = units);
        let folder = Folder::open(folder).expect("a folder in the build's own temporary folder");
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let journal = Journal::open(folder, options, now()).expect("an empty folder opens");
        let mut desk = Desk {
            plan,
            window,
            lie,
            lied: false,
            journal,
            last_at: window.from,
            passes: HashMap::new(),
            held: HashMap::new(),
            given: HashMap::new(),
        };
        desk.write(desk.opening());
        desk.write(desk.arming());
        desk
    }

    pub(crate) fn kind(&self, name: &str) -> Option<(KindNo, &Kind)> {
        numbered(&self.plan).find(|(_, kind)| kind.name == name)
    }

    pub(crate) fn left(&self, no: KindNo, kind: &Kind) -> u32 {
        kind.units_per_round.saturating_sub(self.given.get(&no).copied().unwrap_or(0))
    }

    /// Makes a pass, or the same one again.
    pub(crate) fn pass(&mut self, who: &Identity, kinds: KindSet, proofs: [ProofId; 2]) -> Pass {
        let nonce = Pass::nonce(who.person, ROUND, proofs);
        if let Some(pass) = self.passes.get(&nonce.0) {
            return *pass;
        }
        let expires_at = now().plus_ms(900_000);
        let person = who.person;
        let pass = Pass { round: ROUND, kinds, expires_at, nonce, person };
        self.write(vec![What::Bound(Bound {
            round: ROUND,
            person,
            pass: nonce,
            kinds,
            expires_at,
            proofs,
            identifiers: who.identifiers,
        })]);
        self.passes.insert(nonce.0, pass);
        pass
    }

    /// Decides one claim: a repeat, a yes if there is one left, or sold out.
    pub(crate) fn claim(&mut self, pass: &Pass, kind: KindNo) -> Told {
        let holder = (pass.person, kind);
        if let Some(coupon) = self.held.get(&holder) {
            return Told::Yes { coupon: *coupon, replayed: true };
        }
        let ordinal = self.given.get(&kind).copied().unwrap_or(0) + 1;
        if ordinal > self.stock(kind) {
            return Told::SoldOut;
        }
        let coupon = CouponId { round: ROUND, kind, ordinal };
        self.held.insert(holder, coupon);
        if self.lies_now(Lie::ForgetsOneYes, coupon) {
            return Told::Yes { coupon, replayed: false };
        }
        self.grant(pass, coupon);
        if self.lies_now(Lie::GrantsOnePersonTwice, coupon) {
            self.grant(pass, CouponId { ordinal: ordinal + 1, ..coupon });
        }
        Told::Yes { coupon, replayed: false }
    }

    /// What it thinks it may give.
    fn stock(&self, no: KindNo) -> u32 {
        let (_, kind) = numbered(&self.plan).nth(no.0.into()).expect("a kind of the plan");
        kind.units_per_round + u32::from(self.lie == Lie::OversellsByOne && no == KindNo(0))
    }

    fn lies_now(&mut self, lie: Lie, coupon: CouponId) -> bool {
        let now = self.lie == lie && !self.lied;
        let now = now && coupon.kind == KindNo(0) && coupon.ordinal == LIED_ABOUT;
        self.lied |= now;
        now
    }

    fn grant(&mut self, pass: &Pass, coupon: CouponId) {
        let (_, kind) = numbered(&self.plan).nth(coupon.kind.0.into()).expect("a kind of the plan");
        let (person, ends_at) = (pass.person, self.window.until);
        self.write(vec![
            What::Granted(Granted { coupon, person, pass: pass.nonce, ends_at }),
            posted(kind.pool, Account::Reserved, Account::Frozen, kind.face),
        ]);
        self.given.insert(coupon.kind, coupon.ordinal);
    }

    fn opening(&self) -> Vec<What> {
        let terms = |kind: &Kind| KindTerms {
            name: kind.name.clone(),
            pool: kind.pool,
            face: kind.face,
            threshold: kind.threshold,
        };
        let mut whats = vec![What::Opened(Opened {
            name: self.plan.id.clone(),
            pools: self.plan.pools.iter().map(|pool| pool.name.clone()).collect(),
            kinds: self.plan.kinds.iter().map(terms).collect(),
            shard: Shard::ALONE,
        })];
        for (no, pool) in (0..).map(PoolNo).zip(&self.plan.pools) {
            whats.push(posted(no, Account::Treasury, Account::Available, pool.budget));
        }
        whats
    }

    fn arming(&self) -> Vec<What> {
        let quantities = self.plan.kinds.iter().map(|kind| kind.units_per_round).collect();
        let mut whats = vec![What::Armed(Armed { round: ROUND, window: self.window, quantities })];
        for kind in &self.plan.kinds {
            let fen = Fen::new(kind.face.get() * u64::from(kind.units_per_round));
            whats.push(posted(kind.pool, Account::Available, Account::Reserved, fen));
        }
        whats
    }

    /// One entry, durable on return.
    fn write(&mut self, whats: Vec<What>) {
        let events: Vec<Event> =
            whats.into_iter().map(|what| Event { campaign: CAMPAIGN, what }).collect();
        let body = codec::encode(&events).expect("short names");
        self.last_at = self.last_at.max(now());
        self.journal.append(self.last_at, body).expect("a short entry");
        self.journal.commit().expect("a healthy disk");
    }
}

pub(crate) fn numbered(plan: &Plan) -> impl Iterator<Item = (KindNo, &Kind)> {
    (0..).map(KindNo).zip(&plan.kinds)
}

fn posted(pool: PoolNo, from: Account, to: Account, fen: Fen) -> What {
    What::Posted(Posting { pool, from, to, fen })
}
