//! What each event does to the books.

use super::{Book, Books, Contradiction, Dues, Line, Order, Payment, Refund, Round, Status};
use crate::domain::{At, Fen, KindNo, MerchantNo, PoolNo, RoundNo, Window};
use crate::funds::{Account, Funds, Posting};
use crate::ledger::event::{
    Aftermath, Armed, Event, Load, Locked, Opened, Paid, PaymentFailed, Refunded, Released,
    Settled, Standing, Subject, Transfer, What, codec,
};
use crate::ledger::journal::Entry;
use crate::ledger::machine::{Level, Roll};
use crate::store::LogNo;
use std::collections::BTreeMap;

type Done = Result<(), &'static str>;

/// Where an event stands.
#[derive(Clone, Copy)]
struct Spot {
    seq: u64,
    at: At,
}

impl Books {
    /// Takes the next entry of a log in.
    pub fn take(&mut self, log: LogNo, entry: &Entry) -> Result<(), Contradiction> {
        let seq = entry.seq;
        let of = |why| Contradiction { log, seq, why };
        if self.ends.get(&log).is_some_and(|(end, _)| *end >= seq) {
            return Err(of("it comes after a later one"));
        }
        self.ends.insert(log, (seq, entry.at));
        if entry.seal {
            return Ok(());
        }
        let events = codec::decode(&entry.body).ok_or(of("it is not in a format known here"))?;
        let spot = Spot { seq, at: entry.at };
        // The posting of a transfer goes to, or comes from, the treasury's side.
        let sent = events.iter().any(|it| matches!(it.what, What::Sent(_) | What::Received(_)));
        for event in &events {
            self.event(log, spot, event, sent).map_err(of)?;
        }
        Ok(())
    }

    fn event(&mut self, log: LogNo, spot: Spot, event: &Event, sent: bool) -> Done {
        let no = (event.campaign, log);
        if let What::Opened(opened) = &event.what {
            let before = self.logs.insert(no, Book::of(opened));
            return if before.is_none() { Ok(()) } else { Err("a campaign is opened again") };
        }
        match self.logs.get_mut(&no) {
            Some(book) => book.event(spot, &event.what, sent),
            // Where identities have a log of their own, no campaign is opened in it.
            None if log.of_identities() => Ok(()),
            None => Err("its campaign was not opened"),
        }
    }
}

impl Book {
    fn of(opened: &Opened) -> Book {
        Book {
            opened: opened.clone(),
            funds: Funds::new(opened.pools.len()),
            sent: BTreeMap::new(),
            orders: BTreeMap::new(),
            refunds: BTreeMap::new(),
            lines: Vec::new(),
            dues: BTreeMap::new(),
            roll: None,
            standings: BTreeMap::new(),
            rounds: BTreeMap::new(),
        }
    }

    fn event(&mut self, spot: Spot, what: &What, sent: bool) -> Done {
        match what {
            What::Posted(posting) => self.post(posting, sent),
            What::Armed(armed) => self.arm(armed),
            What::Expired(it) => {
                self.rounds.get_mut(&it.round).ok_or("a round expires that is not here")?.expired =
                    true;
                Ok(())
            }
            What::Granted(it) => {
                let level = self.level(it.coupon.round, it.coupon.kind)?;
                level.granted = level.granted.checked_add(1).ok_or("too many coupons")?;
                Ok(())
            }
            What::Sent(it) => self.transfer(it, false),
            What::Received(it) => self.transfer(it, true),
            What::Admitted(it) => {
                let said = self.standings.entry(it.merchant).or_default();
                if said.is_empty() {
                    said.push((spot.at, Standing::Active));
                }
                Ok(())
            }
            What::Stands(it) => {
                self.standings.entry(it.merchant).or_default().push((spot.at, it.standing));
                Ok(())
            }
            What::Locked(it) => self.lock(spot, it),
            What::Confirmed(it) => {
                let order = self.end(spot, it.redemption, Status::Confirmed)?;
                self.count(order, |level| {
                    (level.locked, level.used) = (level.locked.checked_sub(1)?, level.used + 1);
                    Some(())
                })?;
                let dues = self.dues.entry((order.merchant, order.pool)).or_default();
                plus(&mut dues.due, order.face)
            }
            What::Released(Released { redemption, why }) => {
                let order = self.end(spot, *redemption, Status::Released(*why))?;
                self.count(order, |level| {
                    level.locked = level.locked.checked_sub(1)?;
                    Some(())
                })
            }
            What::Refunded(it) => self.refund(spot, it),
            What::Settled(it) => self.settle(spot, it),
            What::Paid(it) => self.pay(it),
            What::PaymentFailed(it) => {
                self.fail(*it);
                Ok(())
            }
            // Whose order it is, is said again by its lock.
            What::Reserved(_)
            | What::Vacated(_)
            | What::GivenBack(_)
            | What::Opened(_)
            | What::Bound(_)
            | What::Passed(_)
            | What::Interlock(_)
            | What::Adjusted(_)
            | What::Extended(_) => Ok(()),
            What::Decided(decided) => {
                if let Subject::Admit { sha256, .. } = &decided.statement.what {
                    let roll = Roll { at: decided.statement.at, sha256: *sha256 };
                    if roll.follows(self.roll) {
                        self.roll = Some(roll);
                    }
                }
                Ok(())
            }
        }
    }

    fn post(&mut self, posting: &Posting, sent: bool) -> Done {
        self.funds.post(posting).map_err(|_| "an account does not hold what is posted from it")?;
        let fen = i128::from(posting.fen.get());
        let on_its_way = self.sent.entry(posting.pool).or_default();
        match (posting.from, posting.to) {
            (Account::Treasury, _) if sent => *on_its_way -= fen,
            (_, Account::Treasury) if sent => *on_its_way += fen,
            _ => {}
        }
        Ok(())
    }

    fn arm(&mut self, armed: &Armed) -> Done {
        let stock = armed.quantities.iter().map(|&quantity| Level { quantity, ..Level::default() });
        let round = Round { window: armed.window, expired: false, stock: stock.collect() };
        let before = self.rounds.insert(armed.round, round);
        if before.is_none() { Ok(()) } else { Err("a round is armed again") }
    }

    fn transfer(&mut self, transfer: &Transfer, received: bool) -> Done {
        let Load::Stock { round, window, kind, units } = transfer.load else { return Ok(()) };
        if received {
            self.round(round, window);
        }
        let level = self.level(round, kind)?;
        let quantity = if received {
            level.quantity.checked_add(units)
        } else {
            level.quantity.checked_sub(units)
        };
        level.quantity = quantity.ok_or("more stock is sent than there is")?;
        Ok(())
    }

    fn round(&mut self, round: RoundNo, window: Window) {
        let stock = vec![Level::default(); self.opened.kinds.len()];
        self.rounds.entry(round).or_insert(Round { window, expired: false, stock });
    }

    fn level(&mut self, round: RoundNo, kind: KindNo) -> Result<&mut Level, &'static str> {
        let round = self.rounds.get_mut(&round);
        let level = round.and_then(|it| it.stock.get_mut(usize::from(kind.0)));
        level.ok_or("there is no stock of it")
    }

    fn count(&mut self, order: Order, change: impl Fn(&mut Level) -> Option<()>) -> Done {
        change(self.level(order.round, order.kind)?).ok_or("fewer coupons are held or used")
    }

    fn lock(&mut self, spot: Spot, locked: &Locked) -> Done {
        let kinds = &self.opened.kinds;
        let terms = kinds.get(usize::from(locked.coupon.kind.0)).ok_or("there is no such kind")?;
        let order = Order {
            merchant: locked.merchant,
            round: locked.coupon.round,
            kind: locked.coupon.kind,
            pool: terms.pool,
            face: terms.face,
            status: Status::Locked(locked.until),
            seq: spot.seq,
            at: spot.at,
        };
        self.count(order, |level| {
            level.locked += 1;
            Some(())
        })?;
        match self.orders.insert(locked.redemption, order).map(|before| before.status) {
            None | Some(Status::Released(_)) => Ok(()),
            Some(_) => Err("an order is locked that was not released"),
        }
    }

    /// How a held order ends.
    fn end(
        &mut self,
        spot: Spot,
        redemption: crate::domain::RedemptionId,
        status: Status,
    ) -> Result<Order, &'static str> {
        let order = self.orders.get_mut(&redemption);
        let held = order.filter(|it| matches!(it.status, Status::Locked(_)));
        let order = held.ok_or("no coupon is held for the order")?;
        (order.status, order.seq, order.at) = (status, spot.seq, spot.at);
        Ok(*order)
    }

    fn refund(&mut self, spot: Spot, it: &Refunded) -> Done {
        let order = self.orders.get(&it.redemption).copied();
        let order = order.filter(|order| order.status == Status::Confirmed);
        let order = order.ok_or("what is refunded was not paid")?;
        let refund = Refund {
            redemption: it.redemption,
            merchant: order.merchant,
            pool: order.pool,
            back: it.back,
            owed: it.owed,
            seq: spot.seq,
            at: spot.at,
        };
        if self.refunds.insert(it.refund, refund).is_some() {
            return Err("a refund is made again");
        }
        if it.coupon == Aftermath::Issued {
            self.count(order, |level| {
                level.used = level.used.checked_sub(1)?;
                Some(())
            })?;
        }
        let dues = self.dues.entry((order.merchant, order.pool)).or_default();
        if it.owed { plus(&mut dues.owed, it.back) } else { less(&mut dues.due, it.back) }
    }

    fn settle(&mut self, spot: Spot, settled: &Settled) -> Done {
        let Settled { batch, merchant, pool, consumed, owed } = *settled;
        let twice = self.lines_of(batch, merchant).any(|it| it.pool == pool);
        if twice {
            return Err("a batch has what is due of a pool twice");
        }
        let dues = self.dues.entry((merchant, pool)).or_default();
        let line = Line {
            batch,
            merchant,
            pool,
            consumed,
            owed_before: dues.owed_after_line,
            owed,
            payment: Payment::Payable,
            seq: spot.seq,
            at: spot.at,
        };
        less(&mut dues.due, consumed)?;
        less(&mut dues.owed, owed)?;
        dues.owed_after_line = dues.owed;
        plus(&mut dues.payable, line.payable())?;
        self.lines.push(line);
        Ok(())
    }

    fn lines_of(
        &mut self,
        batch: crate::domain::BatchNo,
        merchant: MerchantNo,
    ) -> impl Iterator<Item = &mut Line> {
        // A batch is begun after those before it, so its lines are the last ones.
        let last = self.lines.iter_mut().rev().skip_while(move |it| it.batch > batch);
        last.take_while(move |it| it.batch == batch).filter(move |it| it.merchant == merchant)
    }

    fn pay(&mut self, paid: &Paid) -> Done {
        let Paid { batch, merchant, pool, fen } = *paid;
        let line = self.lines_of(batch, merchant).find(|it| it.pool == pool);
        let line = line.ok_or("what is paid was not settled")?;
        if line.payment == Payment::Paid || line.payable() != fen {
            return Err("it was paid, or is another amount");
        }
        line.payment = Payment::Paid;
        let dues = self.dues.entry((merchant, pool)).or_default();
        less(&mut dues.payable, fen)?;
        plus(&mut dues.paid, fen)
    }

    fn fail(&mut self, failed: PaymentFailed) {
        let unpaid = self.lines_of(failed.batch, failed.merchant);
        unpaid.filter(|it| it.payment != Payment::Paid).for_each(|it| it.payment = Payment::Failed);
    }
}

fn plus(sum: &mut Fen, fen: Fen) -> Done {
    *sum = sum.checked_add(fen).ok_or("a sum is beyond any amount of money")?;
    Ok(())
}

fn less(sum: &mut Fen, fen: Fen) -> Done {
    *sum = sum.checked_sub(fen).ok_or("more is taken off than was there")?;
    Ok(())
}

impl Dues {
    /// A pool's share of what is owed, due, payable and paid, of a merchant in several logs.
    #[must_use]
    pub fn sum(self, other: Dues) -> Dues {
        // Sums of one fund, which fits.
        let sum = |a: Fen, b: Fen| a.checked_add(b).unwrap_or(a);
        Dues {
            due: sum(self.due, other.due),
            owed: sum(self.owed, other.owed),
            owed_after_line: sum(self.owed_after_line, other.owed_after_line),
            payable: sum(self.payable, other.payable),
            paid: sum(self.paid, other.paid),
        }
    }
}

/// What pools are, by number: for who shows them.
impl Book {
    /// The name of a pool.
    pub fn pool(&self, pool: PoolNo) -> &str {
        self.opened.pools.get(usize::from(pool.0)).map_or("", String::as_str)
    }
}
