//! Redeeming once more, over plain lists: whatever is asked for is added up from the orders, each time anew.

use super::naive::{Campaign, Told, no, yes};
use quan::domain::CouponId;
use quan::ledger::event::{Adjusted, Admitted, Extended, Standing, Stands};
use quan::ledger::machine::{Lock, Recall, Refund, Settle};
use quan::redeem::{Case, Coupon, Money, Part, Side};

/// What happened at the merchants of a campaign.
#[derive(Default)]
pub(crate) struct Shops {
    merchants: Vec<Merchant>,
    orders: Vec<Order>,
    lines: Vec<Line>,
    pub(crate) adjusted: Vec<Adjusted>,
    extended: Vec<Extended>,
}

impl Shops {
    /// When a further round opens, and its coupons end.
    pub(crate) fn further(&self, round: u8) -> Option<[i64; 2]> {
        self.extended.iter().find_map(|it| {
            let nth = usize::from(round.checked_sub(it.extension.first.0)?);
            let window = it.extension.windows.get(nth)?;
            Some([window.from.0, window.until.0])
        })
    }
}

struct Merchant {
    no: u32,
    categories: u32,
    cap: i128,
    redeems: bool,
    settles: bool,
}

/// A lock, and what became of it; a name that was released may have another.
struct Order {
    name: [u8; 16],
    merchant: u32,
    person: [u8; 16],
    /// Which one in the campaign's list of coupons.
    coupon: usize,
    amount: i128,
    request: [u8; 8],
    state: State,
    in_batch: bool,
    refunds: Vec<PaidBack>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Locked { until: i64 },
    Confirmed { at: i64 },
    Released { at: i64, by_till: bool },
}

struct PaidBack {
    number: [u8; 16],
    amount: i128,
    back: i128,
    /// 1 used, 2 issued again, 3 returned.
    coupon: u8,
    owed: bool,
}

struct Line {
    batch: u32,
    merchant: u32,
    pool: usize,
    consumed: i128,
    owed: i128,
    paid: bool,
    failed: bool,
}

impl Order {
    fn back(&self) -> i128 {
        self.refunds.iter().map(|it| it.back).sum()
    }

    fn refunded(&self) -> i128 {
        self.refunds.iter().map(|it| it.amount).sum()
    }

    fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Confirmed { .. })
    }
}

/// What is to be known of a coupon.
pub(crate) struct Seen {
    pub(crate) state: &'static str,
    /// Whether its face is set aside for it.
    pub(crate) frozen: bool,
}

impl Campaign {
    /// What became of a coupon: the last order says so that was not released.
    pub(crate) fn seen(&self, coupon: usize) -> Seen {
        let mut orders = self.shops.orders.iter().filter(|it| it.coupon == coupon);
        let last = orders.rfind(|it| !matches!(it.state, State::Released { .. }));
        let state = match last {
            None => "Unused",
            Some(it) if matches!(it.state, State::Locked { .. }) => "Locked",
            Some(it) if it.refunds.iter().any(|it| it.coupon == 2) => "Unused",
            Some(it) if it.refunds.iter().any(|it| it.coupon == 3) => "Returned",
            Some(_) => "Used",
        };
        let expired = self.expired.contains(&self.coupons[coupon].round);
        Seen { state, frozen: state == "Locked" || (state == "Unused" && !expired) }
    }

    fn face(&self, order: &Order) -> i128 {
        self.kinds[self.coupons[order.coupon].kind].face
    }

    fn pool(&self, order: &Order) -> usize {
        self.kinds[self.coupons[order.coupon].kind].pool
    }

    /// Consumed, payable and paid of a pool.
    pub(crate) fn at_shops(&self, pool: usize) -> [i128; 3] {
        let merchants = self.shops.merchants.iter();
        let consumed = merchants.map(|it| self.due(it.no, pool)).sum();
        let lines = |paid| {
            let lines =
                self.shops.lines.iter().filter(move |it| it.pool == pool && it.paid == paid);
            lines.map(|it| it.consumed - it.owed).sum()
        };
        [consumed, lines(false), lines(true)]
    }

    /// What a merchant is due of a pool.
    fn due(&self, merchant: u32, pool: usize) -> i128 {
        let orders = self.shops.orders.iter().filter(|it| {
            it.merchant == merchant && self.pool(it) == pool && it.is_confirmed() && !it.in_batch
        });
        orders.map(|it| self.face(it) - it.back()).sum()
    }

    /// What a merchant owes of a pool.
    fn owed(&self, merchant: u32, pool: usize) -> i128 {
        let orders =
            self.shops.orders.iter().filter(|it| it.merchant == merchant && self.pool(it) == pool);
        let refunds = orders.flat_map(|it| &it.refunds).filter(|it| it.owed);
        let all: i128 = refunds.map(|it| it.back).sum();
        let lines = self.shops.lines.iter().filter(|it| it.merchant == merchant && it.pool == pool);
        all - lines.map(|it| it.owed).sum::<i128>()
    }

    fn order(&self, name: [u8; 16]) -> Option<usize> {
        self.shops.orders.iter().rposition(|it| it.name == name)
    }

    fn merchant(&self, no: u32) -> Option<usize> {
        self.shops.merchants.iter().position(|it| it.no == no)
    }

    fn shown(&self, at: usize) -> String {
        let it = &self.shops.orders[at];
        let coupon = &self.coupons[it.coupon];
        let state = match it.state {
            State::Locked { until } => format!("locked until {until}"),
            State::Confirmed { at } => format!("confirmed at {at}"),
            State::Released { at, by_till } => {
                format!("released at {at} {}", if by_till { "ByTill" } else { "AtDeadline" })
            }
        };
        let (round, kind, ordinal) = (coupon.round, coupon.kind, coupon.ordinal);
        let (amount, face) = (it.amount, self.face(it));
        let (refunded, back) = (it.refunded(), it.back());
        format!(
            "redemption {round} {kind} {ordinal} {amount} {face} {state}, {refunded} and {back} back"
        )
    }

    pub(crate) fn admit(&mut self, admitted: &Admitted) -> Told {
        let (categories, cap) = (admitted.categories.0, i128::from(admitted.cap.get()));
        if categories == 0 || categories >> self.pools.len() != 0 {
            return no("conflict");
        }
        if let Some(at) = self.merchant(admitted.merchant.0) {
            let known = &mut self.shops.merchants[at];
            let same = (known.categories, known.cap) == (categories, cap);
            (known.categories, known.cap) = (categories, cap);
            return ("done".into(), !same);
        }
        let no = admitted.merchant.0;
        let merchant = Merchant { no, categories, cap, redeems: true, settles: true };
        self.shops.merchants.push(merchant);
        yes("done".into())
    }

    pub(crate) fn stand(&mut self, stands: Stands) -> Told {
        let Some(at) = self.merchant(stands.merchant.0) else { return no("merchant_unknown") };
        let (redeems, settles) = match stands.standing {
            Standing::Active => (true, true),
            Standing::Suspended => (false, true),
            Standing::Held => (true, false),
            Standing::SuspendedAndHeld => (false, false),
        };
        let known = &mut self.shops.merchants[at];
        let same = (known.redeems, known.settles) == (redeems, settles);
        (known.redeems, known.settles) = (redeems, settles);
        ("done".into(), !same)
    }

    /// Why a coupon can't pay, and how far it is from it.
    fn against(
        &self,
        coupon: usize,
        merchant: &Merchant,
        amount: i128,
        now: i64,
    ) -> Option<(u8, &str)> {
        let it = &self.coupons[coupon];
        let kind = &self.kinds[it.kind];
        match self.seen(coupon).state {
            "Used" => Some((4, "coupon_used")),
            "Returned" => Some((5, "coupon_expired")),
            "Locked" => Some((2, "coupon_locked")),
            _ if now >= it.until => Some((5, "coupon_expired")),
            _ if merchant.categories >> kind.pool & 1 == 0 => Some((1, "wrong_category")),
            _ if amount < kind.threshold => Some((0, "below_threshold")),
            _ => None,
        }
    }

    pub(crate) fn lock(&mut self, ask: &Lock, now: i64) -> Told {
        let amount = i128::from(ask.amount.get());
        let known = self.order(ask.redemption.0);
        let known =
            known.filter(|at| !matches!(self.shops.orders[*at].state, State::Released { .. }));
        let is = |at: usize, choice: CouponId| {
            let it = &self.coupons[at];
            (it.round, it.kind, it.ordinal)
                == (choice.round.0, usize::from(choice.kind.0), choice.ordinal as usize)
        };
        if let Some(at) = known {
            let it = &self.shops.orders[at];
            let same = (it.merchant, it.person, it.amount)
                == (ask.merchant.0, ask.person.0, amount)
                && ask.choice.is_none_or(|choice| is(it.coupon, choice));
            if same && ask.at_once {
                return self.confirm(ask.redemption.0, now);
            }
            return no(&if same { self.shown(at) } else { "order_conflict".to_owned() });
        }
        let Some(at) = self.merchant(ask.merchant.0) else { return no("merchant_unknown") };
        let merchant = &self.shops.merchants[at];
        if !merchant.redeems {
            return no("merchant_suspended");
        }
        let mine = (0..self.coupons.len()).filter(|at| self.coupons[*at].person == ask.person.0);
        let coupon = if let Some(choice) = ask.choice {
            let Some(at) = mine.clone().find(|at| is(*at, choice)) else {
                return no("not_the_holder");
            };
            if let Some((_, why)) = self.against(at, merchant, amount, now) {
                return no(why);
            }
            at
        } else {
            let (fit, unfit): (Vec<usize>, Vec<usize>) =
                mine.partition(|at| self.against(*at, merchant, amount, now).is_none());
            let best_first = |at: &usize| {
                let it = &self.coupons[*at];
                (-self.kinds[it.kind].face, it.until, it.round, it.kind, it.ordinal)
            };
            let Some(best) = fit.into_iter().min_by_key(best_first) else {
                let whys = unfit.iter().filter_map(|at| self.against(*at, merchant, amount, now));
                return no(whys.min().map_or("no_coupon", |(_, why)| why));
            };
            best
        };
        let face = self.kinds[self.coupons[coupon].kind].face;
        let open = self.shops.orders.iter().filter(|it| {
            it.merchant == ask.merchant.0 && !matches!(it.state, State::Released { .. })
        });
        let redeemed: i128 = open.map(|it| self.face(it) - it.back()).sum();
        if merchant.cap > 0 && redeemed + face > merchant.cap {
            return no("merchant_cap");
        }
        self.shops.orders.push(Order {
            name: ask.redemption.0,
            merchant: ask.merchant.0,
            person: ask.person.0,
            coupon,
            amount,
            request: ask.request,
            state: if ask.at_once {
                State::Confirmed { at: now }
            } else {
                State::Locked { until: now + i64::from(ask.lock_ms) }
            },
            in_batch: false,
            refunds: vec![],
        });
        yes(self.shown(self.shops.orders.len() - 1))
    }

    pub(crate) fn recall(&self, ask: &Recall) -> Told {
        match (self.order(ask.redemption.0), ask.request) {
            (None, None) => no("order_unknown"),
            (Some(at), Some(request)) if self.shops.orders[at].request == request => {
                no(&self.shown(at))
            }
            (_, Some(_)) => no("code_dead"),
            (Some(at), None) => no(&self.shown(at)),
        }
    }

    pub(crate) fn confirm(&mut self, name: [u8; 16], now: i64) -> Told {
        let Some(at) = self.order(name) else { return no("order_unknown") };
        match self.shops.orders[at].state {
            State::Confirmed { .. } => no(&self.shown(at)),
            State::Locked { until } if now < until => {
                self.shops.orders[at].state = State::Confirmed { at: now };
                yes(self.shown(at))
            }
            State::Locked { .. } | State::Released { .. } => no("lock_expired"),
        }
    }

    pub(crate) fn release(&mut self, name: [u8; 16], now: i64) -> Told {
        let Some(at) = self.order(name) else { return no("order_unknown") };
        match self.shops.orders[at].state {
            State::Confirmed { .. } => no("order_conflict"),
            State::Released { .. } => no(&self.shown(at)),
            State::Locked { .. } => {
                self.shops.orders[at].state = State::Released { at: now, by_till: true };
                yes(self.shown(at))
            }
        }
    }

    pub(crate) fn lapse(&mut self, now: i64) -> Told {
        let late = |state| matches!(state, State::Locked { until } if until <= now);
        let all = self.shops.orders.iter_mut().filter(|it| late(it.state));
        let lapsed = all.map(|it| it.state = State::Released { at: now, by_till: false }).count();
        ("done".into(), lapsed > 0)
    }

    pub(crate) fn refund(&mut self, ask: &Refund, now: i64) -> Told {
        let amount = i128::from(ask.amount.get());
        let told = |it: &PaidBack| format!("refunded {} {} owed {}", it.back, it.coupon, it.owed);
        for order in &self.shops.orders {
            if let Some(made) = order.refunds.iter().find(|it| it.number == ask.refund.0) {
                let same = order.name == ask.redemption.0 && made.amount == amount;
                return no(&if same { told(made) } else { "refund_conflict".to_owned() });
            }
        }
        let Some(at) = self.order(ask.redemption.0) else { return no("order_unknown") };
        let order = &self.shops.orders[at];
        if !order.is_confirmed() {
            return no("not_confirmed");
        }
        if amount == 0 {
            return no("conflict");
        }
        let left = order.amount - order.refunded();
        if amount > left {
            return no("refund_too_large");
        }
        let rest = self.face(order) - order.back();
        // Half up: twice the share and one half, cut.
        let share = (2 * self.face(order) * amount + order.amount) / (2 * order.amount);
        let back = if amount == left { rest } else { share.min(rest) };
        let ended = now >= self.coupons[order.coupon].until;
        let side = |is| if is { Side::After } else { Side::Before };
        let part = if amount == order.amount { Part::Full } else { Part::Partial };
        let (end, settlement) = (side(ended), side(order.in_batch));
        let done = ask.policy.treatment(Case { part, end, settlement });
        let coupon = match done.coupon {
            Coupon::Stays => 1,
            Coupon::Back if ended => 3,
            Coupon::Back => 2,
        };
        let owed = done.money == Money::Owed;
        if owed && coupon == 2 && self.money(self.pool(order))[1] < back {
            return no("funds_short");
        }
        let made = PaidBack { number: ask.refund.0, amount, back, coupon, owed };
        let answer = told(&made);
        self.shops.orders[at].refunds.push(made);
        yes(answer)
    }

    /// Each merchant and pool by itself; of those that can't be settled, or have a line already, nothing.
    pub(crate) fn settle_due(&mut self, batch: u32) -> Told {
        if self.shops.lines.iter().any(|it| it.batch > batch) {
            return no("conflict");
        }
        let merchants: Vec<u32> = self.shops.merchants.iter().map(|it| it.no).collect();
        let (mut happened, pools) = (false, self.pools.len());
        for merchant in merchants {
            for pool in 0..pools {
                happened |= self.settle_one(batch, merchant, pool).1;
            }
        }
        ("left 0".into(), happened)
    }

    pub(crate) fn settle(&mut self, ask: &Settle) -> Told {
        self.settle_one(ask.batch.0, ask.merchant.0, usize::from(ask.pool.0))
    }

    fn settle_one(&mut self, batch: u32, merchant: u32, pool: usize) -> Told {
        let told = |consumed, owed| format!("settled {consumed} less {owed}");
        let mut lines = self.shops.lines.iter();
        let same = |it: &&Line| (it.batch, it.merchant, it.pool) == (batch, merchant, pool);
        if let Some(it) = lines.find(same) {
            return no(&told(it.consumed, it.owed));
        }
        let Some(at) = self.merchant(merchant) else { return no("merchant_unknown") };
        let later = self.shops.lines.iter().any(|it| it.batch > batch);
        let settles = self.shops.merchants[at].settles;
        if pool >= self.pools.len() || !settles || later || self.has_paid(batch, merchant) {
            return no("conflict");
        }
        let consumed = self.due(merchant, pool);
        let owed = self.owed(merchant, pool).min(consumed);
        if consumed == 0 {
            return no(&told(0, 0));
        }
        for at in 0..self.shops.orders.len() {
            let it = &self.shops.orders[at];
            if it.merchant == merchant && it.is_confirmed() && self.pool(it) == pool {
                self.shops.orders[at].in_batch = true;
            }
        }
        let (paid, failed) = (false, false);
        self.shops.lines.push(Line { batch, merchant, pool, consumed, owed, paid, failed });
        yes(told(consumed, owed))
    }

    fn has_paid(&self, batch: u32, merchant: u32) -> bool {
        self.shops
            .lines
            .iter()
            .any(|it| (it.batch, it.merchant, it.paid) == (batch, merchant, true))
    }

    /// The lines of a batch with something to pay to a merchant, if it has not paid.
    fn payments(&mut self, batch: u32, merchant: u32) -> Result<Vec<&mut Line>, Told> {
        if self.merchant(merchant).is_none() {
            return Err(no("merchant_unknown"));
        }
        if self.has_paid(batch, merchant) {
            return Err(no("conflict"));
        }
        let lines = self
            .shops
            .lines
            .iter_mut()
            .filter(|it| (it.batch, it.merchant) == (batch, merchant) && it.consumed > it.owed);
        let lines: Vec<&mut Line> = lines.collect();
        if lines.is_empty() { Err(no("conflict")) } else { Ok(lines) }
    }

    pub(crate) fn pay(&mut self, batch: u32, merchant: u32) -> Told {
        if self.has_paid(batch, merchant) {
            return no("done");
        }
        match self.payments(batch, merchant) {
            Err(told) => told,
            Ok(lines) => {
                for it in lines {
                    it.paid = true;
                }
                yes("done".into())
            }
        }
    }

    pub(crate) fn fail(&mut self, batch: u32, merchant: u32) -> Told {
        match self.payments(batch, merchant) {
            Err(told) => told,
            Ok(lines) => {
                let known = lines.iter().all(|it| it.failed);
                for it in lines {
                    it.failed = true;
                }
                ("done".into(), !known)
            }
        }
    }

    /// In the order of the period's ends, which are compared.
    pub(crate) fn extend(&mut self, it: &Extended, now: i64) -> Told {
        let Extended { extension, quantities } = it;
        let last = self.shops.extended.last();
        if self.shops.extended.contains(it) {
            return no("done");
        }
        let first = usize::from(extension.first.0);
        let rounds = extension.windows.len();
        let next = last.map(|last| {
            let end = last.extension.ends.0;
            (usize::from(last.extension.first.0) + last.extension.windows.len(), end)
        });
        if next.is_some_and(|next| next != (first, extension.ended.0)) {
            return no("conflict");
        }
        let opens: Vec<i64> = extension.windows.iter().map(|it| it.from.0).collect();
        let ordered = opens.windows(2).all(|two| two[0] < two[1])
            && extension.windows.iter().all(|it| it.from.0 < it.until.0)
            && opens.last().is_some_and(|last| *last < extension.ends.0);
        let known = self.armed.iter().any(|it| usize::from(it.round.0) >= first)
            || self.shops.adjusted.iter().any(|it| usize::from(it.round.0) >= first);
        if first == 0
            || first + rounds > 100
            || !ordered
            || extension.ends.0 <= extension.ended.0
            || now >= extension.ended.0
            || now >= opens[0]
            || known
            || quantities.len() != self.kinds.len()
        {
            return no("conflict");
        }
        // What was decided last of each round that is not armed is promised.
        let promised: Vec<&Adjusted> = (0..=u8::MAX)
            .filter(|round| self.armed.iter().all(|it| it.round.0 != *round))
            .filter_map(|round| self.shops.adjusted.iter().rfind(|it| it.round.0 == round))
            .collect();
        for pool in 0..self.pools.len() {
            let cost = |quantities: &[u32]| -> i128 {
                let kinds = self.kinds.iter().zip(quantities).filter(|(it, _)| it.pool == pool);
                kinds.map(|(it, units)| it.face * i128::from(*units)).sum()
            };
            let before: i128 = promised.iter().map(|it| cost(&it.quantities)).sum();
            let needed = before + cost(quantities) * rounds as i128;
            let gone: i128 = self.at_shops(pool).iter().sum();
            if needed > self.pools[pool].1 - gone {
                return no("not_enough");
            }
        }
        for round in extension.first.0..extension.first.0 + u8::try_from(rounds).unwrap() {
            let round = quan::domain::RoundNo(round);
            self.shops.adjusted.push(Adjusted {
                round,
                version: 1,
                quantities: quantities.clone(),
            });
        }
        self.shops.extended.push(it.clone());
        yes("done".into())
    }

    pub(crate) fn adjust(&mut self, adjusted: &Adjusted) -> Told {
        let of_round = self.shops.adjusted.iter().filter(|it| it.round == adjusted.round);
        let (last, times) = (of_round.clone().next_back(), of_round.count());
        if last == Some(adjusted) {
            return no("done");
        }
        if self.armed.iter().any(|it| it.round == adjusted.round) {
            return no("conflict");
        }
        let next = adjusted.version as usize == times + 1;
        if !next || adjusted.quantities.len() != self.kinds.len() {
            return no("conflict");
        }
        for pool in 0..self.pools.len() {
            let kinds = self.kinds.iter().zip(&adjusted.quantities);
            let needed: i128 = kinds
                .filter(|(it, _)| it.pool == pool)
                .map(|(it, units)| it.face * i128::from(*units))
                .sum();
            let gone: i128 = self.at_shops(pool).iter().sum();
            if needed > self.pools[pool].1 - gone {
                return no("not_enough");
            }
        }
        self.shops.adjusted.push(adjusted.clone());
        yes("done".into())
    }
}
