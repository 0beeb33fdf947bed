//! Who goes shopping with which coupons, at which tills, and what they were told so far.

use crate::errands::{Step, errand};
use crate::keys::Keys;
use crate::options::MOST_CONNECTIONS;
use crate::people::{Actor, draw};
use crate::record::Record;
use crate::report::{Audit, Check};
use crate::run::Holders;
use crate::scenario::{Day, Fate, Fates, SCENARIO};
use crate::tally::{Spread, Times, count};
use crate::tills::{Signer, Till};
use crate::told::Asked;
use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Findings that are told in full.
const MOST_TOLD: usize = 5;

/// Where people go shopping.
#[derive(Clone, Debug)]
pub struct Market {
    /// The campaign's id.
    pub campaign: String,
    /// The seed that the people are of.
    pub seed: u64,
    /// The folder with the keys of host app, captcha service and tills.
    pub keys: PathBuf,
    /// The tills.
    pub tills: Vec<Till>,
    /// Where the record of what tills were told goes, as JSON lines.
    pub record: Option<PathBuf>,
    /// Connections that phones and tills share.
    pub connections: usize,
    /// Purchases that begin in a second.
    pub purchases_per_s: u32,
}

/// What a coupon pays, and where.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) kind: String,
    pub(crate) pool: String,
    pub(crate) face: u64,
    pub(crate) threshold: u64,
}

/// An order of a coupon.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) till: usize,
    pub(crate) amount: u64,
    /// The payment code that it was sent with.
    pub(crate) code: String,
    pub(crate) state: State,
    pub(crate) until_ms: i64,
    pub(crate) refunded: u64,
    pub(crate) back: u64,
    pub(crate) refunds: u8,
    /// The last refund: its amount, and what was taken back.
    pub(crate) last: (u64, u64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Asked,
    Locked,
    Confirmed,
    Over,
}

/// A coupon that somebody holds.
#[derive(Debug)]
pub(crate) struct Coupon {
    pub(crate) customer: usize,
    pub(crate) kind: usize,
    pub(crate) number: String,
    pub(crate) fate: Fate,
    pub(crate) order: Option<Order>,
    /// Orders that were given a number.
    pub(crate) orders: u32,
}

/// Somebody with coupons.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) actor: Actor,
    /// The payment code that the phone shows, and the one before.
    pub(crate) code: String,
    pub(crate) before: String,
}

/// What one customer does on a day, one after the other.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) customer: usize,
    pub(crate) steps: Vec<(usize, Step)>,
    pub(crate) at: usize,
    /// Requests of this step that have no answer yet, and answers that called the order new.
    pub(crate) waiting: u8,
    pub(crate) news: u8,
}

/// What tills were told of the coupons of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Orders that a coupon was locked for.
    pub locked: u64,
    /// Orders that were confirmed.
    pub redeemed: u64,
    /// Faces of these, in fen.
    pub redeemed_fen: u64,
    /// Orders that their till released.
    pub released: u64,
    /// Refunds.
    pub refunds: u64,
    /// Parts of faces that these took back, in fen.
    pub taken_back_fen: u64,
    /// Of these, what is taken off the next settlement, in fen.
    pub owed_fen: u64,
    /// Coupons that a refund gave back to their holder, to be used once more.
    pub given_back: u64,
    /// Coupons that a refund ended, after their end.
    pub returned: u64,
}

/// Everything that phones and tills came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Shopping {
    /// Requests by what was asked, from the intended instant to the answer, in milliseconds.
    pub latency_ms: BTreeMap<&'static str, Spread>,
    /// The same from the sending.
    pub service_ms: BTreeMap<&'static str, Spread>,
    /// Refusals by reason, those that were meant and those that were tried again.
    pub refused: BTreeMap<String, u64>,
    /// Requests without an answer of the contract, by reason.
    pub errors: BTreeMap<String, u64>,
    /// By kind.
    pub sums: BTreeMap<String, Sums>,
    /// Orders and coupons that were too late by the clock, and were told so.
    pub missed: u64,
    /// What a client alone can see.
    pub client: Audit,
}

/// Counts of everything that was told.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) latency: BTreeMap<Asked, Times>,
    pub(crate) service: BTreeMap<Asked, Times>,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) sums: BTreeMap<usize, Sums>,
    pub(crate) answers: u64,
    pub(crate) missed: u64,
    pub(crate) unanswered: u64,
    pub(crate) surprises: Vec<String>,
    pub(crate) surprised: u64,
}

impl Counts {
    pub(crate) fn refused(&mut self, code: &str) {
        count(&mut self.refused, code);
    }

    pub(crate) fn error(&mut self, reason: &str) {
        count(&mut self.errors, reason);
    }

    /// Something that must not be told was told.
    pub(crate) fn surprise(&mut self, what: String) {
        self.surprised = self.surprised.saturating_add(1);
        if self.surprises.len() < MOST_TOLD {
            self.surprises.push(what);
        }
    }
}

/// The people of a campaign who go shopping, round by round.
pub struct Shoppers {
    pub(crate) market: Market,
    pub(crate) keys: Keys,
    pub(crate) tills: Vec<Signer>,
    pub(crate) terms: Vec<Terms>,
    pub(crate) round: u8,
    pub(crate) ends_at_ms: i64,
    pub(crate) customers: Vec<Customer>,
    pub(crate) coupons: Vec<Coupon>,
    /// Orders beside, that must be refused, by the coupon that they are about.
    pub(crate) wrong: BTreeMap<usize, Order>,
    pub(crate) record: Record,
    pub(crate) counts: Counts,
    pub(crate) rng: StdRng,
}

impl Shoppers {
    /// People and tills, with nobody holding a coupon yet.
    pub fn new(market: Market) -> anyhow::Result<Shoppers> {
        let most = MOST_CONNECTIONS;
        ensure!((1..=most).contains(&market.connections), "connections must be 1 to {most}");
        ensure!((1..=100_000).contains(&market.purchases_per_s), "1 to 100,000 purchases a second");
        let keys = Keys::read(&market.keys)?;
        let signer = |till: &Till| Signer::of(&market.keys, till.clone());
        let tills = market.tills.iter().map(signer).collect::<Result<_, _>>()?;
        let record = Record::to(market.record.as_deref())?;
        let rng = StdRng::seed_from_u64(market.seed ^ 0x7469_6c6c_7300);
        let (terms, customers, coupons) = (vec![], vec![], vec![]);
        let wrong = BTreeMap::new();
        let (round, ends_at_ms, counts) = (0, 0, Counts::default());
        Ok(Shoppers {
            market,
            keys,
            tills,
            terms,
            round,
            ends_at_ms,
            customers,
            coupons,
            wrong,
            record,
            counts,
            rng,
        })
    }

    /// The coupons of a round are theirs; those of the round before are forgotten.
    pub fn hold(&mut self, holders: Holders) {
        let Holders { round, actors, coupons } = holders;
        let mut fates = Fates::new(SCENARIO, draw(self.market.seed, round));
        (self.round, self.customers, self.coupons) = (round, vec![], vec![]);
        self.wrong.clear();
        let mut last = None;
        for (person, kind, number) in coupons {
            if last != Some(person) {
                let actor = usize::try_from(person).ok().and_then(|at| actors.get(at));
                let Some(actor) = actor.cloned() else { continue };
                let (code, before) = (String::new(), String::new());
                self.customers.push(Customer { actor, code, before });
                last = Some(person);
            }
            let Some(customer) = self.customers.len().checked_sub(1) else { continue };
            let fate = fates.next();
            self.coupons.push(Coupon { customer, kind, number, fate, order: None, orders: 0 });
        }
    }

    /// What everybody does on `day`.
    pub(crate) fn scripts(&self, day: Day) -> Vec<Script> {
        let mut scripts: Vec<Script> = vec![];
        for (at, coupon) in self.coupons.iter().enumerate() {
            let stands = coupon.order.as_ref().is_some_and(|order| order.state == State::Locked);
            let steps = errand(coupon.fate, day, stands);
            if steps.is_empty() {
                continue;
            }
            if scripts.last().is_none_or(|script| script.customer != coupon.customer) {
                let (customer, steps) = (coupon.customer, vec![]);
                scripts.push(Script { customer, steps, at: 0, waiting: 0, news: 0 });
            }
            if let Some(script) = scripts.last_mut() {
                script.steps.extend(steps.into_iter().map(|step| (at, step)));
            }
        }
        for script in &mut scripts {
            // What waits for the coupons' end comes after what does not.
            let mut ended = BTreeSet::new();
            let (mut early, mut late) = (vec![], vec![]);
            for (coupon, step) in script.steps.drain(..) {
                if step == Step::AfterEnd {
                    ended.insert(coupon);
                }
                let to = if ended.contains(&coupon) { &mut late } else { &mut early };
                to.push((coupon, step));
            }
            early.append(&mut late);
            script.steps = early;
        }
        scripts
    }

    /// How long the purchases of a day begin, in milliseconds.
    pub fn span_ms(&self, day: Day) -> i64 {
        let count = i64::try_from(self.scripts(day).len()).unwrap_or(i64::MAX);
        count.saturating_mul(1000) / i64::from(self.market.purchases_per_s)
    }

    /// A till that takes coupons of the pool or does not, where the people are or elsewhere.
    pub(crate) fn till(&mut self, pool: &str, takes: bool, near: bool) -> Option<usize> {
        let fits = |signer: &Signer| {
            let Till { pools, near: here, .. } = &signer.till;
            pools.iter().any(|it| it == pool) == takes && *here == near
        };
        let fitting = self.tills.iter().enumerate().filter(|(_, signer)| fits(signer));
        let fitting: Vec<usize> = fitting.map(|(at, _)| at).collect();
        let nth = self.rng.random_range(0..fitting.len().max(1));
        fitting.get(nth).copied()
    }

    /// What phones and tills came to so far.
    pub fn shopping(&self) -> Shopping {
        let Counts { latency, service, refused, errors, sums, missed, .. } = &self.counts;
        let spreads = |times: &BTreeMap<Asked, Times>| {
            let spread = |asked| times.get(&asked).map(Times::spread).unwrap_or_default();
            Asked::ALL.into_iter().map(|asked| (asked.name(), spread(asked))).collect()
        };
        let name = |at: &usize| self.terms.get(*at).map_or(String::new(), |it| it.kind.clone());
        Shopping {
            latency_ms: spreads(latency),
            service_ms: spreads(service),
            refused: refused.clone(),
            errors: errors.clone(),
            sums: sums.iter().map(|(at, sums)| (name(at), *sums)).collect(),
            missed: *missed,
            client: Audit::of(self.checks()),
        }
    }

    fn checks(&self) -> Vec<Check> {
        let Counts { answers, unanswered, surprises, surprised, .. } = &self.counts;
        let mut told = Check::counted(
            "client_tills_told_as_expected",
            "every yes and every refusal of a till was the one that had to come",
            *answers,
            *surprised,
        );
        if !told.clean {
            told.detail = format!("{}: {}", told.detail, surprises.join("; "));
        }
        let answered = Check::counted(
            "client_tills_are_answered",
            "every phone and every till got an answer in the end",
            *answers,
            *unanswered,
        );
        vec![told, answered]
    }

    /// Everything that tills were told is on file, or why not.
    pub fn finish(self) -> anyhow::Result<Shopping> {
        let shopping = self.shopping();
        self.record.finish()?;
        Ok(shopping)
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/campaigns/{}", self.market.campaign)
    }

    /// Where the record is.
    pub fn record(&self) -> Option<&Path> {
        self.market.record.as_deref()
    }
}
