//! Who is registered: merchants, their shops and their tills.

use super::CreditCode;
use crate::domain::{
    Fen, TerminalId,
    fence::{Fix, Position},
};
use crate::ledger::event;
use std::{collections::BTreeMap, sync::Arc};

/// A merchant (R-MERCH-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merchant {
    /// Its number, given when it is admitted.
    pub number: u32,
    /// The company that it is.
    pub credit_code: CreditCode,
    /// Its name.
    pub name: String,
    /// Its categories, a bit a pool of the plan (R-KIND-4).
    pub categories: u32,
    /// The most that it may redeem; none if it is zero.
    pub cap: Fen,
    /// Its promotion plan (R-MERCH-3).
    pub promotion_plan: Paper,
    /// Its safety plan (R-MERCH-3).
    pub safety_plan: Paper,
    /// What it offers of its own, for people to read (R-MERCH-3).
    pub offers: String,
}

/// A paper that a merchant hands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// It is here.
    Given,
    /// It is not; the merchant is listed as owing it.
    Open,
}

/// A shop of a merchant.
#[derive(Clone, Debug, PartialEq)]
pub struct Shop {
    /// Its number, unique among all merchants' shops.
    pub number: u32,
    /// Whose it is.
    pub merchant: u32,
    /// Its name.
    pub name: String,
    /// Where it is, for people.
    pub address: String,
    /// Where it is, in WGS-84, if that is known.
    pub position: Option<Position>,
}

impl Shop {
    /// Whether a code that was made at `fix` can't be shown here: further away than `most_m` metres, the fix's own
    /// inaccuracy left out (R-REDEEM-2). A shop without a position keeps nobody out.
    #[expect(clippy::float_arithmetic, reason = "metres are floats")]
    pub fn is_far_from(&self, fix: &Fix, most_m: u32) -> bool {
        let inaccuracy_m = f64::from(fix.accuracy_dm) / 10.0;
        // A distance that is no number is far.
        let is_near = |shop| fix.position.metres_to(shop) <= f64::from(most_m) + inaccuracy_m;
        !self.position.is_none_or(is_near)
    }
}

/// Whether a merchant may redeem and is paid (R-MERCH-1, R-MERCH-2), as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// It redeems and is paid.
    Active = 1,
    /// It redeems nothing; what it redeemed before is paid.
    Suspended = 2,
    /// It redeems and is not paid.
    Held = 3,
    /// Neither.
    SuspendedAndHeld = 4,
}

impl Standing {
    const fn of(suspended: bool, held: bool) -> Standing {
        match (suspended, held) {
            (false, false) => Standing::Active,
            (true, false) => Standing::Suspended,
            (false, true) => Standing::Held,
            (true, true) => Standing::SuspendedAndHeld,
        }
    }

    /// Whether it redeems nothing.
    pub const fn is_suspended(self) -> bool {
        matches!(self, Standing::Suspended | Standing::SuspendedAndHeld)
    }

    /// Whether it is not paid.
    pub const fn is_held(self) -> bool {
        matches!(self, Standing::Held | Standing::SuspendedAndHeld)
    }

    /// As it is, but suspended or not.
    #[must_use]
    pub const fn suspended(self, suspended: bool) -> Standing {
        Standing::of(suspended, self.is_held())
    }

    /// As it is, but held or not.
    #[must_use]
    pub const fn held(self, held: bool) -> Standing {
        Standing::of(self.is_suspended(), held)
    }
}

impl From<event::Standing> for Standing {
    fn from(standing: event::Standing) -> Standing {
        Standing::of(!standing.redeems(), !standing.settles())
    }
}

impl From<Standing> for event::Standing {
    fn from(standing: Standing) -> event::Standing {
        match standing {
            Standing::Active => event::Standing::Active,
            Standing::Suspended => event::Standing::Suspended,
            Standing::Held => event::Standing::Held,
            Standing::SuspendedAndHeld => event::Standing::SuspendedAndHeld,
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of the ledger: admit a merchant, or on other terms.
    Admit {
        /// Its number.
        merchant: u32,
        /// Its categories, a bit a pool.
        categories: u32,
        /// The most that it may redeem; none if it is zero.
        cap: Fen,
    },
    /// Of the ledger: how a merchant stands from now on.
    Standing {
        /// Its number.
        merchant: u32,
        /// How.
        standing: Standing,
    },
    /// Of the registry: a merchant, new or changed.
    Merchant(Merchant),
    /// Of the registry: a shop, new or changed.
    Shop(Shop),
    /// Of the registry: a till, and the shop that it is in.
    Terminal {
        /// Its id.
        terminal: TerminalId,
        /// The shop's number.
        shop: u32,
    },
}

/// Everything registered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    merchants: BTreeMap<u32, Merchant>,
    companies: BTreeMap<CreditCode, u32>,
    /// Shared with the requests of their tills.
    shops: BTreeMap<u32, Arc<Shop>>,
    terminals: BTreeMap<TerminalId, u32>,
}

impl Registry {
    /// Takes what is the registry's; what is the ledger's is the ledger's.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Merchant(merchant) => {
                self.companies.insert(merchant.credit_code, merchant.number);
                self.merchants.insert(merchant.number, merchant);
            }
            Change::Shop(shop) => {
                self.shops.insert(shop.number, Arc::new(shop));
            }
            Change::Terminal { terminal, shop } => {
                self.terminals.insert(terminal, shop);
            }
            Change::Admit { .. } | Change::Standing { .. } => {}
        }
    }

    /// The merchant of that number.
    pub fn merchant(&self, number: u32) -> Option<&Merchant> {
        self.merchants.get(&number)
    }

    /// The merchant that is that company.
    pub fn company(&self, code: CreditCode) -> Option<&Merchant> {
        self.merchant(*self.companies.get(&code)?)
    }

    /// The shop of that number.
    pub fn shop(&self, number: u32) -> Option<&Arc<Shop>> {
        self.shops.get(&number)
    }

    /// The shop of that till, and the merchant whose it is.
    pub fn at(&self, terminal: TerminalId) -> Option<(&Arc<Shop>, &Merchant)> {
        let shop = self.shop(*self.terminals.get(&terminal)?)?;
        Some((shop, self.merchant(shop.merchant)?))
    }

    /// All merchants, by number.
    pub fn merchants(&self) -> impl Iterator<Item = &Merchant> {
        self.merchants.values()
    }

    /// Merchants that owe their promotion plan or their safety plan (R-MERCH-3).
    pub fn owing_papers(&self) -> impl Iterator<Item = &Merchant> {
        let owes = |it: &&Merchant| [it.promotion_plan, it.safety_plan].contains(&Paper::Open);
        self.merchants().filter(owes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{At, fence::Datum};

    #[test]
    fn r_merch_1_r_merch_2_being_suspended_and_being_held_do_not_undo_each_other() {
        use Standing::{Active, Held, Suspended, SuspendedAndHeld};
        let all = [Active, Suspended, Held, SuspendedAndHeld];
        assert_eq!(all.map(|it| it as u8), [1, 2, 3, 4]);
        assert_eq!(
            all.map(|it| it.suspended(true)),
            [Suspended, Suspended, SuspendedAndHeld, SuspendedAndHeld]
        );
        assert_eq!(all.map(|it| it.suspended(false)), [Active, Active, Held, Held]);
        assert_eq!(all.map(|it| it.held(true)), [Held, SuspendedAndHeld, Held, SuspendedAndHeld]);
        assert_eq!(all.map(|it| it.held(false)), [Active, Suspended, Active, Suspended]);
        assert_eq!(all.map(Standing::is_suspended), [false, true, false, true]);
        assert_eq!(all.map(Standing::is_held), [false, false, true, true]);
    }

    #[test]
    fn r_redeem_2_a_code_that_was_made_far_from_the_till_is_told_from_one_made_near() {
        let here = Position { lat: 35.97, lon: 110.84, datum: Datum::Wgs84 };
        let shop = |position| Shop {
            number: 1,
            merchant: 1,
            name: "门店".into(),
            address: "迎旭西大街".into(),
            position,
        };
        let fix =
            |position, accuracy_dm| Fix { position, accuracy_dm, taken_at: At(0), mock: false };
        let north = |metres: f64| Position { lat: here.lat + metres / 111_195.0, ..here };
        let far = |fix: &Fix| shop(Some(here)).is_far_from(fix, 500);
        assert!(!far(&fix(here, 1)));
        assert!(!far(&fix(north(499.0), 1)));
        assert!(far(&fix(north(502.0), 1)));
        assert!(!far(&fix(north(502.0), 50)), "five metres off, it may be near");
        assert!(!far(&fix(here.to(Datum::Gcj02), 1)), "another datum is no other place");
        assert!(far(&fix(Position { lat: f64::NAN, ..here }, 1)));
        assert!(!shop(None).is_far_from(&fix(north(9_000.0), 1), 500), "nobody knows");
    }
}
