//! What an event does to the keys: said here and nowhere else, but for grants and passes, which their
//! scripts make. A restored log has the bytes that were there.

mod names;

pub(crate) use names::{
    account, binding, holder, of_kind, of_merchant, of_pool, to_give_back, to_lock, to_vacate,
};

use super::about::About;
use super::keys::{Key, Part, Place};
use super::records::{self, line_name};
use super::{NotSent, count, fen, ms, whole};
use crate::domain::{
    At, CouponId, CouponState, Fen, KindSet, MerchantNo, PersonId, PoolNo, RedemptionId, Shard,
};
use crate::funds::{Account, Posting};
use crate::ledger::event::{
    Adjusted, Aftermath, Armed, Bound, Decided, Event, Extended, GivenBack, Granted, Interlock,
    Load, Locked, Opened, Passed, PaymentFailed, Refunded, Reservation, Settled, Subject, Transfer,
    What, codec,
};
use crate::ledger::machine::Roll;

/// One field that becomes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The hash it is in.
    pub(crate) key: Key,
    /// Its name.
    pub(crate) field: Vec<u8>,
    /// What it becomes.
    pub(crate) op: Op,
}

/// What a field becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// This, whatever it was.
    Set(Vec<u8>),
    /// This record of an order, with the entry's instant in its place: the script alone knows it.
    Stamp(Vec<u8>),
    /// So much more, or less; it must not leave 0 to 2^53.
    Add(i64),
    /// So much more, if that is no more than the second; no event says it, who decides does.
    UpTo(u64, u64),
    /// This, or what it was if that is more.
    Max(i64),
    /// A pass's record that is also spent for these kinds.
    Spend(KindSet),
    /// The seq of the entry that does it.
    Seq,
    /// Nothing.
    Delete,
}

/// What a field must be for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compare {
    /// The hash it is in.
    pub(crate) key: Key,
    /// Its name.
    pub(crate) field: Vec<u8>,
    /// What it was; `None` if it was not there. No field is empty.
    pub(crate) was: Option<Vec<u8>>,
}

/// What the events of one entry, written at `at`, do to the keys of `place`. Each field is there once.
///
/// `shard` says how the place's ordinals are counted; the identities count none. `known` is what of orders and batches
/// the events are about, and is as they leave it afterwards.
pub(crate) fn changes(
    place: Place,
    shard: Shard,
    at: At,
    events: &[Event],
    known: &mut About,
) -> Result<Vec<Change>, NotSent> {
    let mut list = List { place, shard, at, events, known, changes: vec![] };
    for event in events {
        if event.campaign != place.campaign {
            return Err(NotSent::Misplaced);
        }
        list.event(event)?;
    }
    Ok(list.changes)
}

struct List<'a> {
    place: Place,
    shard: Shard,
    at: At,
    events: &'a [Event],
    known: &'a mut About,
    changes: Vec<Change>,
}

impl List<'_> {
    fn event(&mut self, event: &Event) -> Result<(), NotSent> {
        let identities = self.place.part == Part::Identities;
        match &event.what {
            What::Opened(opened) => self.opened(opened),
            What::Bound(bound) if identities => self.bound(bound),
            What::Interlock(it) if !identities => {
                let tripped = if *it == Interlock::Tripped { "1" } else { "0" };
                self.set(Key::Meta, "tripped", tripped)?;
                self.basis()
            }
            What::Decided(it) => self.decided(it),
            What::Posted(posting) if !identities => self.posted(posting),
            What::Armed(armed) if !identities => self.armed(armed),
            What::Expired(expired) if !identities => {
                self.set(Key::Round(expired.round), "expired", "1")
            }
            What::Granted(granted) if !identities => self.granted(granted),
            What::Passed(passed) if !identities => self.passed(passed),
            What::Sent(transfer) if !identities => self.sent(transfer),
            What::Received(transfer) if !identities => self.received(transfer),
            What::Admitted(it) => {
                self.set(Key::Merchants, of_merchant("terms", it.merchant), records::terms(it))
            }
            What::Reserved(it) if identities => self.reserved(it),
            What::Vacated(it) if identities => self.vacated(it),
            What::GivenBack(it) if identities => self.given_back(it),
            _ if identities => Err(NotSent::Misplaced),
            what => self.redeeming(what),
        }
    }

    /// What is remembered of a decision, so that none that was proposed earlier overrules it.
    fn decided(&mut self, decided: &Decided) -> Result<(), NotSent> {
        let at = ms(decided.statement.at)?;
        let identities = self.place.part == Part::Identities;
        match &decided.statement.what {
            Subject::Trip { .. } | Subject::Resume { .. } if !identities => {
                self.push(Key::Meta, b"word".to_vec(), Op::Max(at))
            }
            Subject::Standing { merchant, .. } if !identities => {
                self.push(Key::Merchants, of_merchant("word", *merchant), Op::Max(at))
            }
            Subject::Admit { sha256, .. } => {
                let roll = Roll { at: decided.statement.at, sha256: *sha256 };
                self.set(Key::Meta, "roll", records::roll(&roll))
            }
            _ => Ok(()),
        }
    }

    /// The terms are the whole entry: budgets belong to them.
    fn opened(&mut self, opened: &Opened) -> Result<(), NotSent> {
        let terms = codec::encode(self.events).ok_or(NotSent::Body)?;
        self.set(Key::Meta, "name", opened.name.as_str())?;
        match self.place.part {
            Part::Shard(no) if no == opened.shard.no && opened.shard.of == self.shard.of => {
                self.set(Key::Meta, "shard", no.to_string())?;
            }
            Part::Shard(_) => return Err(NotSent::Misplaced),
            Part::Identities => self.set(Key::Meta, "shard", "i")?,
        }
        self.set(Key::Meta, "of", opened.shard.of.to_string())?;
        self.set(Key::Meta, "terms", terms)?;
        self.set(Key::Meta, "tripped", "0")?;
        self.known.take(&What::Opened(opened.clone()), self.at)
    }

    fn posted(&mut self, posting: &Posting) -> Result<(), NotSent> {
        let fen = fen(posting.fen)?;
        // The budget is what the treasury put in: it grows by what leaves the treasury.
        let (less, more) = match (posting.from, posting.to) {
            (Account::Treasury, _) => (fen, fen),
            (_, Account::Treasury) => (-fen, -fen),
            _ => (-fen, fen),
        };
        self.push(Key::Funds, account(posting.from, posting.pool), Op::Add(less))?;
        self.push(Key::Funds, account(posting.to, posting.pool), Op::Add(more))
    }

    fn armed(&mut self, armed: &Armed) -> Result<(), NotSent> {
        let key = Key::Round(armed.round);
        self.set(Key::Meta, format!("round:{}", armed.round.0), "1")?;
        self.set(key, "from", ms(armed.window.from)?.to_string())?;
        self.set(key, "until", ms(armed.window.until)?.to_string())?;
        self.set(key, "expired", "0")?;
        for (kind, quantity) in armed.quantities.iter().enumerate() {
            self.set(key, of_kind("left", kind), quantity.to_string())?;
            self.set(key, of_kind("armed", kind), quantity.to_string())?;
        }
        self.basis()
    }

    /// Grants rest on this entry: who tells of one has it written down as well.
    fn basis(&mut self) -> Result<(), NotSent> {
        self.push(Key::Meta, b"basis".to_vec(), Op::Seq)
    }

    fn bound(&mut self, bound: &Bound) -> Result<(), NotSent> {
        self.passed(&Passed::from(bound))?;
        for proof in bound.proofs {
            self.set(Key::Proofs(bound.round), proof.0, bound.pass.0)?;
        }
        for identifier in bound.identifiers {
            self.set(Key::Bindings(bound.round), binding(identifier), bound.person.0)?;
        }
        Ok(())
    }

    fn passed(&mut self, passed: &Passed) -> Result<(), NotSent> {
        let mut record = passed.person.0.to_vec();
        record.extend(passed.kinds.0.to_le_bytes());
        record.extend(ms(passed.expires_at)?.to_le_bytes());
        record.extend(KindSet::default().0.to_le_bytes());
        self.set(Key::Passes(passed.round), passed.pass.0, record)
    }

    fn granted(&mut self, granted: &Granted) -> Result<(), NotSent> {
        let CouponId { round, kind, ordinal } = granted.coupon;
        let turn = self.shard.nth(ordinal).ok_or(NotSent::Misplaced)?;
        let mut record = ordinal.to_le_bytes().to_vec();
        record.extend(ms(self.at)?.to_le_bytes());
        record.extend(ms(granted.ends_at)?.to_le_bytes());
        record.extend(granted.pass.0);
        self.set(Key::Holders(round), holder(granted.person, kind), record)?;
        let spend = Op::Spend(KindSet::of(kind));
        self.push(Key::Passes(round), granted.pass.0.to_vec(), spend)?;
        let kind = usize::from(kind.0);
        self.push(Key::Round(round), of_kind("left", kind), Op::Add(-1))?;
        self.push(Key::Round(round), of_kind("granted", kind), Op::Add(1))?;
        self.set(Key::Round(round), of_kind("last", kind), turn.to_string())
    }

    /// What is sent is kept with its money, as the entry says it, until it is known to be received.
    fn sent(&mut self, transfer: &Transfer) -> Result<(), NotSent> {
        let body = codec::encode(self.events).ok_or(NotSent::Body)?;
        let Transfer { peer, number, .. } = transfer;
        self.set(Key::Meta, format!("sent:{peer}"), number.to_string())?;
        self.set(Key::Transit, format!("{peer}:{number}"), body)?;
        if let Load::Stock { round, kind, units, .. } = transfer.load {
            let field = of_kind("left", usize::from(kind.0));
            self.push(Key::Round(round), field, Op::Add(-i64::from(units)))?;
        }
        Ok(())
    }

    fn received(&mut self, transfer: &Transfer) -> Result<(), NotSent> {
        let Transfer { peer, number, .. } = transfer;
        self.set(Key::Meta, format!("received:{peer}"), number.to_string())?;
        if let Load::Stock { round, window, kind, units } = transfer.load {
            let key = Key::Round(round);
            self.set(Key::Meta, format!("round:{}", round.0), "1")?;
            self.set(key, "from", ms(window.from)?.to_string())?;
            self.set(key, "until", ms(window.until)?.to_string())?;
            let field = of_kind("left", usize::from(kind.0));
            self.push(key, field, Op::Add(i64::from(units)))?;
        }
        self.basis()
    }

    /// Which shard may hold a coupon for it, until whoever reserved it has seen that it does.
    fn reserved(&mut self, it: &Reservation) -> Result<(), NotSent> {
        self.reservation(it, What::Reserved(*it))?;
        self.redeemed(it.merchant, fen(it.face)?)?;
        self.set(Key::Transit, to_lock(it.redemption), it.turn.to_string())
    }

    fn vacated(&mut self, it: &Reservation) -> Result<(), NotSent> {
        self.reservation(it, What::Vacated(*it))?;
        self.redeemed(it.merchant, -fen(it.face)?)?;
        self.push(Key::Transit, to_lock(it.redemption), Op::Delete)
    }

    fn reservation(&mut self, it: &Reservation, what: What) -> Result<(), NotSent> {
        let said = self.body(what)?;
        self.set(Key::Orders, it.redemption.0, said)
    }

    fn given_back(&mut self, it: &GivenBack) -> Result<(), NotSent> {
        self.set(Key::Refunds, it.refund.0, it.fen.get().to_string())?;
        self.redeemed(it.merchant, -fen(it.fen)?)
    }

    /// What counts against a merchant's cap.
    fn redeemed(&mut self, merchant: MerchantNo, fen: i64) -> Result<(), NotSent> {
        self.push(Key::Merchants, of_merchant("redeemed", merchant), Op::Add(fen))
    }

    fn body(&self, what: What) -> Result<Vec<u8>, NotSent> {
        codec::encode(&[Event { campaign: self.place.campaign, what }]).ok_or(NotSent::Body)
    }

    /// What happens in a shard to orders, merchants and batches.
    fn redeeming(&mut self, what: &What) -> Result<(), NotSent> {
        self.known.take(what, self.at)?;
        match what {
            What::Adjusted(adjusted) => self.adjusted(adjusted),
            What::Extended(extended) => self.extended(extended),
            What::Stands(it) => {
                let field = of_merchant("standing", it.merchant);
                self.set(Key::Merchants, field, (it.standing as u8).to_string())
            }
            What::Reserved(it) | What::Vacated(it) => self.slot(it.redemption),
            What::Locked(it) => self.locked(it),
            What::Confirmed(it) => {
                let order = self.known.order(it.redemption)?.clone();
                let terms = self.known.terms(order.coupon.kind)?;
                let (pool, face) = (terms.pool, terms.face);
                self.stamped(it.redemption)?;
                self.becomes(order.person, order.coupon, CouponState::Used)?;
                self.count("locked", order.coupon, -1)?;
                self.count("used", order.coupon, 1)?;
                self.due("due", order.merchant, pool, fen(face)?)
            }
            What::Released(it) => {
                let order = self.known.order(it.redemption)?.clone();
                self.stamped(it.redemption)?;
                self.becomes(order.person, order.coupon, CouponState::Unused)?;
                self.count("locked", order.coupon, -1)?;
                let turn = self.known.slots.get(&it.redemption).map_or(0, |slot| slot.turn);
                self.set(Key::Transit, to_vacate(it.redemption), turn.to_string())
            }
            What::Refunded(it) => self.refunded(it),
            What::Settled(it) => self.settled(it),
            What::Paid(it) => self.line(line_name(it.batch, it.merchant, it.pool)),
            What::PaymentFailed(it) => self.payment_failed(*it),
            _ => Err(NotSent::Misplaced),
        }
    }

    fn adjusted(&mut self, it: &Adjusted) -> Result<(), NotSent> {
        self.set(Key::Meta, format!("adjusted:{}", it.round.0), records::adjusted(it))
    }

    fn extended(&mut self, it: &Extended) -> Result<(), NotSent> {
        it.adjusted().try_for_each(|adjusted| self.adjusted(&adjusted))?;
        self.set(Key::Meta, "extended", ms(it.extension.ends)?.to_string())?;
        let said = self.body(What::Extended(it.clone()))?;
        self.set(Key::Meta, format!("extended:{}", it.extension.first.0), said)
    }

    fn slot(&mut self, redemption: RedemptionId) -> Result<(), NotSent> {
        let slot = self.known.slots.get(&redemption).ok_or(NotSent::Misplaced)?.encode();
        self.set(Key::Orders, redemption.0, slot)
    }

    /// The same, of an order that became so by this entry, at its instant.
    fn stamped(&mut self, redemption: RedemptionId) -> Result<(), NotSent> {
        let slot = self.known.slots.get(&redemption).ok_or(NotSent::Misplaced)?.encode();
        self.push(Key::Orders, redemption.0.to_vec(), Op::Stamp(slot))
    }

    fn locked(&mut self, it: &Locked) -> Result<(), NotSent> {
        self.slot(it.redemption)?;
        self.becomes(it.person, it.coupon, CouponState::Locked)?;
        self.count("locked", it.coupon, 1)
    }

    fn becomes(
        &mut self,
        who: PersonId,
        coupon: CouponId,
        state: CouponState,
    ) -> Result<(), NotSent> {
        let (key, field) = (Key::States(coupon.round), holder(who, coupon.kind));
        match records::state(state) {
            Some(word) => self.set(key, field, word),
            None => self.push(key, field, Op::Delete),
        }
    }

    /// Coupons that are used or locked, of a kind.
    fn count(&mut self, name: &str, coupon: CouponId, more: i64) -> Result<(), NotSent> {
        let field = of_kind(name, usize::from(coupon.kind.0));
        self.push(Key::Round(coupon.round), field, Op::Add(more))
    }

    fn due(&mut self, name: &str, who: MerchantNo, pool: PoolNo, fen: i64) -> Result<(), NotSent> {
        self.push(Key::Merchants, of_pool(name, who, pool), Op::Add(fen))
    }

    fn refunded(&mut self, it: &Refunded) -> Result<(), NotSent> {
        let order = self.known.order(it.redemption)?.clone();
        let pool = self.known.terms(order.coupon.kind)?.pool;
        self.slot(it.redemption)?;
        let said = self.body(What::Refunded(*it))?;
        self.set(Key::Refunds, it.refund.0, said)?;
        match it.coupon {
            Aftermath::Used => {}
            Aftermath::Issued => {
                self.becomes(order.person, order.coupon, CouponState::Unused)?;
                self.count("used", order.coupon, -1)?;
            }
            Aftermath::Returned => {
                self.becomes(order.person, order.coupon, CouponState::Returned)?;
            }
        }
        if it.back == Fen::ZERO {
            return Ok(());
        }
        let back = fen(it.back)?;
        let (name, more) = if it.owed { ("owed", back) } else { ("due", -back) };
        self.due(name, order.merchant, pool, more)?;
        let given = GivenBack { refund: it.refund, merchant: order.merchant, fen: it.back };
        let given = self.body(What::GivenBack(given))?;
        self.set(Key::Transit, to_give_back(it.refund), given)
    }

    fn settled(&mut self, it: &Settled) -> Result<(), NotSent> {
        let Settled { batch, merchant, pool, consumed, owed } = *it;
        self.due("due", merchant, pool, -fen(consumed)?)?;
        if owed > Fen::ZERO {
            self.due("owed", merchant, pool, -fen(owed)?)?;
        }
        let settlements = self.known.settlements.get(&(merchant, pool)).copied().unwrap_or(0);
        let field = of_pool("settlements", merchant, pool);
        self.set(Key::Merchants, field, settlements.to_string())?;
        self.push(Key::Merchants, b"batch".to_vec(), Op::Max(i64::from(batch.0)))?;
        self.line(line_name(batch, merchant, pool))
    }

    fn payment_failed(&mut self, it: PaymentFailed) -> Result<(), NotSent> {
        let pools: Vec<PoolNo> = self.known.lines_of(it).map(|(pool, _)| pool).collect();
        pools.into_iter().try_for_each(|pool| self.line(line_name(it.batch, it.merchant, pool)))
    }

    /// A batch's line as it is now.
    fn line(&mut self, name: String) -> Result<(), NotSent> {
        let line = records::line_no(&name).and_then(|no| self.known.lines.get(&no));
        let text = records::line(line.ok_or(NotSent::Misplaced)?);
        self.set(Key::Lines, name, text)
    }

    fn set(
        &mut self,
        key: Key,
        field: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), NotSent> {
        self.push(key, field.into(), Op::Set(value.into()))
    }

    /// A script looks at a field once, so what an entry does to it is one change.
    fn push(&mut self, key: Key, field: Vec<u8>, op: Op) -> Result<(), NotSent> {
        let before = self.changes.iter_mut().find(|it| it.key == key && it.field == field);
        let Some(before) = before else {
            self.changes.push(Change { key, field, op });
            return Ok(());
        };
        before.op = match (&before.op, op) {
            (Op::Add(one), Op::Add(more)) => Op::Add(whole(one.saturating_add(more))?),
            (Op::Max(one), Op::Max(more)) => Op::Max(more.max(*one)),
            (Op::Spend(one), Op::Spend(more)) => Op::Spend(KindSet(one.0 | more.0)),
            // What it becomes after that has that instant as well.
            (Op::Stamp(_), Op::Set(_)) => return Err(NotSent::Misplaced),
            (_, op @ (Op::Set(_) | Op::Stamp(_) | Op::Seq | Op::Delete)) => op,
            (_, Op::Add(_) | Op::UpTo(..) | Op::Max(_) | Op::Spend(_)) => {
                return Err(NotSent::Misplaced);
            }
        };
        Ok(())
    }
}

/// A field that is a number, as it is compared.
pub(crate) fn number(number: u64) -> Result<Vec<u8>, NotSent> {
    Ok(count(number)?.to_string().into_bytes())
}
