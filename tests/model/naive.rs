//! The rules once more, over plain lists of what happened. No balance is kept: every amount is added up
//! from the coupons each time it is asked for.

use super::till::Shops;
use quan::ledger::event::{Armed, Bound, Statement};
use quan::ledger::machine::{Command, Grant};

/// Everything that happened, as it was asked for.
#[derive(Default)]
pub(crate) struct Naive {
    clock: Option<i64>,
    campaigns: Vec<Campaign>,
}

pub(crate) struct Campaign {
    name: String,
    pub(crate) pools: Vec<(String, i128)>,
    pub(crate) kinds: Vec<Kind>,
    stopped: bool,
    /// The latest that a decision on the interlock that was heard was proposed.
    word: Option<i64>,
    pub(crate) armed: Vec<Armed>,
    pub(crate) expired: Vec<u8>,
    passes: Vec<Bound>,
    pub(crate) coupons: Vec<Coupon>,
    pub(crate) shops: Shops,
}

#[derive(PartialEq)]
pub(crate) struct Kind {
    name: String,
    pub(crate) pool: usize,
    pub(crate) face: i128,
    pub(crate) threshold: i128,
}

pub(crate) struct Coupon {
    pub(crate) round: u8,
    pub(crate) kind: usize,
    pub(crate) person: [u8; 16],
    pub(crate) ordinal: usize,
    from: i64,
    pub(crate) until: i64,
}

/// What can be compared after each step.
#[derive(Debug, PartialEq)]
pub(crate) struct Totals {
    /// Budget, available, reserved, frozen, consumed, payable, paid of every pool.
    pub(crate) pools: Vec<[i128; 7]>,
    /// What every kind of every armed round has left, how many are used, and how many held for orders.
    pub(crate) left: Vec<[u32; 3]>,
    /// Campaign, person, round, kind, ordinal, and what became of it.
    pub(crate) holders: Vec<(u16, u8, u8, u8, u32, String)>,
}

/// An answer, and whether anything happened.
pub(crate) type Told = (String, bool);

pub(crate) fn no(why: &str) -> Told {
    (why.to_owned(), false)
}

pub(crate) fn yes(answer: String) -> Told {
    (answer, true)
}

impl Naive {
    pub(crate) fn told(&mut self, command: &Command, asked: i64) -> String {
        // The clock of the log does not go back.
        let now = self.clock.map_or(asked, |clock| clock.max(asked));
        let (answer, happened) = self.answer(command, now);
        if happened {
            self.clock = Some(now);
        }
        answer
    }

    fn answer(&mut self, command: &Command, now: i64) -> Told {
        let campaign = match command {
            Command::Decided(it) => return self.decided(&it.0.statement, &it.1),
            Command::Open { .. } => return self.open(command),
            Command::Arm(no, _)
            | Command::Bind(no, _)
            | Command::Expire(no, _)
            | Command::Trip(no)
            | Command::Resume(no)
            | Command::Adjust(no, _)
            | Command::Extend(no, _)
            | Command::Admit(no, _)
            | Command::Stand(no, _)
            | Command::Confirm(no, _)
            | Command::Release(no, _)
            | Command::Lapse(no)
            | Command::SettleDue(no, _)
            | Command::Paid(no, ..)
            | Command::PaymentFailed(no, ..) => no,
            Command::Grant(grant) => &grant.campaign,
            Command::Lock(ask) => &ask.campaign,
            Command::Recall(ask) => &ask.campaign,
            Command::Refund(ask) => &ask.campaign,
            Command::Settle(ask) => &ask.campaign,
        };
        let Some(campaign) = self.campaigns.get_mut(usize::from(campaign.0)) else {
            return no("campaign_unknown");
        };
        match command {
            Command::Arm(_, armed) => campaign.arm(armed, now),
            Command::Bind(_, bound) => campaign.bind(bound, now),
            Command::Grant(grant) => campaign.grant(grant, now),
            Command::Expire(_, round) => campaign.expire(round.0, now),
            Command::Trip(_) => campaign.stop(true),
            Command::Resume(_) => campaign.stop(false),
            Command::Adjust(_, adjusted) => campaign.adjust(adjusted),
            Command::Extend(_, extended) => campaign.extend(extended, now),
            Command::Admit(_, admitted) => campaign.admit(admitted),
            Command::Stand(_, stands) => campaign.stand(*stands),
            Command::Lock(ask) => campaign.lock(ask, now),
            Command::Recall(ask) => campaign.recall(ask),
            Command::Confirm(_, order) => campaign.confirm(order.0, now),
            Command::Release(_, order) => campaign.release(order.0, now),
            Command::Lapse(_) => campaign.lapse(now),
            Command::Refund(ask) => campaign.refund(ask, now),
            Command::Settle(ask) => campaign.settle(ask),
            Command::SettleDue(_, batch) => campaign.settle_due(batch.0),
            Command::Paid(_, batch, merchant) => campaign.pay(batch.0, merchant.0),
            Command::PaymentFailed(_, batch, merchant) => campaign.fail(batch.0, merchant.0),
            Command::Open { .. } | Command::Decided(_) => unreachable!("answered above"),
        }
    }

    fn decided(&mut self, said: &Statement, command: &Command) -> Told {
        let (Command::Trip(campaign) | Command::Resume(campaign)) = command else {
            unreachable!("nothing else is decided")
        };
        let Some(campaign) = self.campaigns.get_mut(usize::from(campaign.0)) else {
            return no("campaign_unknown");
        };
        if said.what.campaign() != Some(campaign.name.as_str()) {
            return no("conflict");
        }
        let stops = matches!(command, Command::Trip(_));
        let late = campaign.word.is_some_and(|word| word >= said.at.0);
        if !stops && campaign.stopped && late {
            return no("conflict");
        }
        let (answer, happened) = campaign.stop(stops);
        let happened = happened || (stops && !late);
        if happened {
            campaign.word = campaign.word.max(Some(said.at.0));
        }
        (answer, happened)
    }

    fn open(&mut self, command: &Command) -> Told {
        let Command::Open { name, pools, kinds } = command else { unreachable!("asked to open") };
        let pools: Vec<(String, i128)> =
            pools.iter().map(|(name, fen)| (name.clone(), i128::from(fen.get()))).collect();
        let kinds: Vec<Kind> = kinds
            .iter()
            .map(|it| Kind {
                name: it.name.clone(),
                pool: usize::from(it.pool.0),
                face: i128::from(it.face.get()),
                threshold: i128::from(it.threshold.get()),
            })
            .collect();
        if kinds.is_empty() || kinds.len() > 32 || kinds.iter().any(|it| it.pool >= pools.len()) {
            return no("conflict");
        }
        if let Some(at) = self.campaigns.iter().position(|it| it.name == *name) {
            let known = &self.campaigns[at];
            let same = known.pools == pools && known.kinds == kinds;
            return if same { (format!("opened {at}"), false) } else { no("conflict") };
        }
        self.campaigns.push(Campaign {
            name: name.clone(),
            pools,
            kinds,
            stopped: false,
            word: None,
            armed: vec![],
            expired: vec![],
            passes: vec![],
            coupons: vec![],
            shops: Shops::default(),
        });
        yes(format!("opened {}", self.campaigns.len() - 1))
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals { pools: vec![], left: vec![], holders: vec![] };
        for (no, campaign) in (0_u16..).zip(&self.campaigns) {
            totals.pools.extend((0..campaign.pools.len()).map(|pool| campaign.money(pool)));
            let mut armed: Vec<&Armed> = campaign.armed.iter().collect();
            armed.sort_by_key(|it| it.round);
            for it in armed {
                for (kind, quantity) in it.quantities.iter().enumerate() {
                    let granted = u32::try_from(campaign.granted(it.round.0, kind)).unwrap();
                    let coupons = campaign.coupons.iter().enumerate();
                    let states: Vec<&str> = coupons
                        .filter(|(_, mine)| (mine.round, mine.kind) == (it.round.0, kind))
                        .map(|(at, _)| campaign.seen(at).state)
                        .collect();
                    let count = |of: &[&str]| states.iter().filter(|it| of.contains(it)).count();
                    let count = |of: &[&str]| u32::try_from(count(of)).unwrap();
                    let (used, locked) = (count(&["Used", "Returned"]), count(&["Locked"]));
                    totals.left.push([quantity - granted, used, locked]);
                }
            }
            totals.holders.extend(campaign.coupons.iter().enumerate().map(|(at, it)| {
                let kind = u8::try_from(it.kind).unwrap();
                let ordinal = u32::try_from(it.ordinal).unwrap();
                let state = campaign.seen(at).state.to_owned();
                (no, it.person[0], it.round, kind, ordinal, state)
            }));
        }
        totals.holders.sort_unstable();
        totals
    }
}

impl Campaign {
    fn granted(&self, round: u8, kind: usize) -> usize {
        self.coupons.iter().filter(|it| it.round == round && it.kind == kind).count()
    }

    /// Budget, available, reserved, frozen, consumed, payable, paid of a pool, added up anew.
    pub(crate) fn money(&self, pool: usize) -> [i128; 7] {
        let budget = self.pools[pool].1;
        let mut reserved = 0;
        for armed in self.armed.iter().filter(|it| !self.expired.contains(&it.round.0)) {
            for (no, kind) in self.kinds.iter().enumerate().filter(|(_, it)| it.pool == pool) {
                let granted = self.granted(armed.round.0, no) as i128;
                reserved += (i128::from(armed.quantities[no]) - granted) * kind.face;
            }
        }
        let coupons = self.coupons.iter().enumerate().filter(|(at, _)| self.seen(*at).frozen);
        let kinds = coupons.map(|(_, it)| &self.kinds[it.kind]);
        let frozen: i128 = kinds.filter(|it| it.pool == pool).map(|it| it.face).sum();
        let [consumed, payable, paid] = self.at_shops(pool);
        let available = budget - reserved - frozen - consumed - payable - paid;
        [budget, available, reserved, frozen, consumed, payable, paid]
    }

    fn arm(&mut self, armed: &Armed, now: i64) -> Told {
        if let Some(before) = self.armed.iter().find(|it| it.round == armed.round) {
            return no(if before == armed { "done" } else { "conflict" });
        }
        let (from, until) = (armed.window.from.0, armed.window.until.0);
        let decided = self.shops.adjusted.iter().rfind(|it| it.round == armed.round);
        let other = decided.is_some_and(|it| it.quantities != armed.quantities);
        let elsewhen = self.shops.further(armed.round.0).is_some_and(|it| it != [from, until]);
        let other = other || elsewhen;
        if armed.quantities.len() != self.kinds.len() || from >= until || now >= until || other {
            return no("conflict");
        }
        for pool in 0..self.pools.len() {
            let of_pool =
                self.kinds.iter().zip(&armed.quantities).filter(|(it, _)| it.pool == pool);
            let needed: i128 = of_pool.map(|(it, units)| it.face * i128::from(*units)).sum();
            if needed > self.money(pool)[1] {
                return no("not_enough");
            }
        }
        self.armed.push(armed.clone());
        yes("done".into())
    }

    fn expire(&mut self, round: u8, now: i64) -> Told {
        let Some(armed) = self.armed.iter().find(|it| it.round.0 == round) else {
            return no("round_unknown");
        };
        if self.expired.contains(&round) {
            return no("done");
        }
        if now < armed.window.until.0 {
            return no("conflict");
        }
        self.expired.push(round);
        yes("done".into())
    }

    fn stop(&mut self, stopped: bool) -> Told {
        let happened = self.stopped != stopped;
        self.stopped = stopped;
        ("done".into(), happened)
    }

    fn bind(&mut self, bound: &Bound, now: i64) -> Told {
        let mine = |it: &&Bound| it.round == bound.round;
        if let Some(same) = self.passes.iter().filter(mine).find(|it| it.pass == bound.pass) {
            if same.person == bound.person && same.kinds == bound.kinds {
                return no(&format!("bound until {}", same.expires_at.0));
            }
            return no("proof_spent");
        }
        let known = (1_u64 << self.kinds.len()) - 1;
        if bound.kinds.0 == 0 || u64::from(bound.kinds.0) & !known != 0 {
            return no("kind_unknown");
        }
        if now >= bound.expires_at.0 {
            return no("proof_expired");
        }
        let spent: Vec<_> = self.passes.iter().filter(mine).flat_map(|it| it.proofs).collect();
        if bound.proofs[0] == bound.proofs[1] || bound.proofs.iter().any(|it| spent.contains(it)) {
            return no("proof_spent");
        }
        for (at, word) in ["account", "phone", "card", "device"].iter().enumerate() {
            let others = self.passes.iter().filter(mine).filter(|it| it.person != bound.person);
            if others.map(|it| it.identifiers[at]).any(|it| it == bound.identifiers[at]) {
                return no(&format!("{word}_in_use"));
            }
        }
        self.passes.push(bound.clone());
        yes(format!("bound until {}", bound.expires_at.0))
    }

    fn grant(&mut self, grant: &Grant, now: i64) -> Told {
        let (round, kind, person) = (grant.round.0, usize::from(grant.kind.0), grant.person.0);
        if kind >= self.kinds.len() {
            return no("kind_unknown");
        }
        let mine = |it: &&Coupon| it.round == round && it.kind == kind && it.person == person;
        if let Some(it) = self.coupons.iter().find(mine) {
            return no(&format!("held {} from {} until {}", it.ordinal, it.from, it.until));
        }
        let Some(armed) = self.armed.iter().find(|it| it.round.0 == round) else {
            return no("round_unknown");
        };
        let (from, until) = (armed.window.from.0, armed.window.until.0);
        if self.stopped {
            return no("risk_control_degraded");
        }
        if now < from {
            return no("not_open");
        }
        if now >= until || self.expired.contains(&round) {
            return no("closed");
        }
        let pass = self
            .passes
            .iter()
            .find(|it| it.round.0 == round && it.pass == grant.pass && it.person == grant.person);
        let Some(pass) = pass else { return no("pass_invalid") };
        if now >= pass.expires_at.0 {
            return no("pass_expired");
        }
        if pass.kinds.0 >> kind & 1 == 0 {
            return no("kind_not_in_pass");
        }
        let ordinal = self.granted(round, kind) + 1;
        if ordinal > armed.quantities[kind] as usize {
            return no("sold_out");
        }
        self.coupons.push(Coupon { round, kind, person, ordinal, from: now, until });
        yes(format!("granted {ordinal} from {now} until {until}"))
    }
}
