//! Events as the bytes of an entry's body, version 2. All numbers are little-endian.
//!
//! ```text
//! body    | version u8 = 2 | event .. |
//! event   | campaign u16 | tag u8 | fields |
//!   1 opened     name text, count u8, pool texts, count u8, kinds (text, pool u8, face u64, threshold u64)
//!   2 posted     pool u8, from u8, to u8, fen u64     0 treasury 1 available 2 reserved 3 frozen
//!                                                     4 consumed 5 payable 6 paid
//!   3 armed      round u8, from i64, until i64, count u8, quantities u32
//!   4 expired    round u8
//!   5 bound      round u8, person 16, pass 16, kinds u32, expires i64, proofs 2 x 16,
//!                identifiers 4 x (kind u8, hash 16)
//!   6 granted    round u8, kind u8, ordinal u32, person 16, pass 16, ends i64
//!   7 tripped    8 resumed
//!   9 passed     round u8, person 16, pass 16, kinds u32, expires i64
//!  10 sent      11 received
//!                peer u8, number u32, load u8, then
//!                1 stock   round u8, from i64, until i64, kind u8, units u32
//!                2 funds   pool u8
//!  12 opened as a shard of several
//!                no u8, of u8, then as 1
//!  13 admitted   merchant u32, categories u32, cap u64
//!  14 stands     merchant u32, standing u8     1 active 2 suspended 3 held 4 suspended and held
//!  15 locked     redemption 16, merchant u32, person 16, round u8, kind u8, ordinal u32, amount u64,
//!                request 8, until i64
//!  16 confirmed  redemption 16
//!  17 released   redemption 16, why u8     1 by the till 2 at its deadline
//!  18 refunded   redemption 16, refund 16, amount u64, back u64, coupon u8, owed u8 = 0 or 1
//!                coupon     1 stays used 2 issued again 3 returned
//!  19 settled    batch u32, merchant u32, pool u8, consumed u64, owed u64
//!  20 paid       batch u32, merchant u32, pool u8, fen u64
//!  21 failed     batch u32, merchant u32
//!  22 adjusted   round u8, version u32, count u8, quantities u32
//!  23 decided    statement (bytes u16, what was signed), count u8, persons (name text, signature 64)
//!  24 reserved   redemption 16, merchant u32, shard u8, turn u32, face u64
//!  25 vacated    as 24
//!  26 given back refund 16, merchant u32, fen u64
//!  28 extended   ended i64, ends i64, first round u8, count u8, (from i64, until i64), count u8, quantities u32
//! text    | bytes u16 | UTF-8 |
//! ```
//!
//! Version 1 has the tags up to 12, accounts up to 3, and kinds without a threshold, which is then read as zero.
//!
//! Decoding never panics and takes the whole body or nothing.

mod read;
#[cfg(test)]
mod tests;

use super::{
    Bound, Decided, Event, Extended, Interlock, Load, Locked, Opened, Passed, Refunded,
    Reservation, Statement, Transfer, What,
};
use crate::domain::{BatchNo, CampaignNo, CouponId, MerchantNo, Shard};
use crate::funds::Account;
use read::Bytes;

/// What is written.
const VERSION: u8 = 2;
/// The first version that has redemptions.
const REDEEMS: u8 = 2;

/// Room for the body of a grant or of an order that is redeemed at once.
const ROOM: usize = 256;

/// The body of an entry that holds `events`; `None` if a text or list is too long for the format.
pub fn encode(events: &[Event]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(ROOM);
    out.push(VERSION);
    for event in events {
        out.extend(event.campaign.0.to_le_bytes());
        put(&mut out, &event.what)?;
    }
    Some(out)
}

/// The events of a body; `None` if it is not exactly a body of a version known here.
pub fn decode(body: &[u8]) -> Option<Vec<Event>> {
    let (&version, rest) = body.split_first()?;
    (1..=VERSION).contains(&version).then_some(())?;
    let mut bytes = Bytes { version, rest };
    let mut events = Vec::new();
    while !bytes.rest.is_empty() {
        let campaign = CampaignNo(bytes.u16()?);
        events.push(Event { campaign, what: bytes.what()? });
    }
    Some(events)
}

/// Whether a body is of an older version than what is written now.
pub fn is_old(body: &[u8]) -> bool {
    body.first().is_some_and(|version| *version < VERSION)
}

fn put(out: &mut Vec<u8>, what: &What) -> Option<()> {
    match what {
        What::Opened(opened) => put_opened(out, opened)?,
        What::Posted(posting) => {
            out.extend([2, posting.pool.0, account(posting.from), account(posting.to)]);
            out.extend(posting.fen.get().to_le_bytes());
        }
        What::Armed(armed) => {
            out.extend([3, armed.round.0]);
            out.extend(armed.window.from.0.to_le_bytes());
            out.extend(armed.window.until.0.to_le_bytes());
            put_quantities(out, &armed.quantities)?;
        }
        What::Expired(expired) => out.extend([4, expired.round.0]),
        What::Bound(bound) => put_bound(out, bound),
        What::Granted(granted) => {
            let CouponId { round, kind, ordinal } = granted.coupon;
            out.extend([6, round.0, kind.0]);
            out.extend(ordinal.to_le_bytes());
            out.extend(granted.person.0);
            out.extend(granted.pass.0);
            out.extend(granted.ends_at.0.to_le_bytes());
        }
        What::Interlock(Interlock::Tripped) => out.push(7),
        What::Interlock(Interlock::Resumed) => out.push(8),
        What::Passed(passed) => put_passed(out, passed),
        What::Sent(transfer) => put_transfer(out, 10, transfer),
        What::Received(transfer) => put_transfer(out, 11, transfer),
        What::Admitted(admitted) => {
            out.push(13);
            out.extend(admitted.merchant.0.to_le_bytes());
            out.extend(admitted.categories.0.to_le_bytes());
            out.extend(admitted.cap.get().to_le_bytes());
        }
        What::Stands(stands) => {
            out.push(14);
            out.extend(stands.merchant.0.to_le_bytes());
            out.push(stands.standing as u8);
        }
        What::Locked(locked) => put_locked(out, locked),
        What::Confirmed(confirmed) => {
            out.push(16);
            out.extend(confirmed.redemption.0);
        }
        What::Released(released) => {
            out.push(17);
            out.extend(released.redemption.0);
            out.push(released.why as u8);
        }
        What::Refunded(refunded) => put_refunded(out, refunded),
        What::Settled(settled) => {
            put_line(out, 19, settled.batch, settled.merchant);
            out.push(settled.pool.0);
            out.extend(settled.consumed.get().to_le_bytes());
            out.extend(settled.owed.get().to_le_bytes());
        }
        What::Paid(paid) => {
            put_line(out, 20, paid.batch, paid.merchant);
            out.push(paid.pool.0);
            out.extend(paid.fen.get().to_le_bytes());
        }
        What::PaymentFailed(failed) => put_line(out, 21, failed.batch, failed.merchant),
        What::Adjusted(adjusted) => {
            out.extend([22, adjusted.round.0]);
            out.extend(adjusted.version.to_le_bytes());
            put_quantities(out, &adjusted.quantities)?;
        }
        What::Decided(decided) => put_decided(out, decided)?,
        What::Reserved(it) => put_reservation(out, 24, it),
        What::Vacated(it) => put_reservation(out, 25, it),
        What::GivenBack(it) => {
            out.push(26);
            out.extend(it.refund.0);
            out.extend(it.merchant.0.to_le_bytes());
            out.extend(it.fen.get().to_le_bytes());
        }
        What::Extended(it) => put_extended(out, it)?,
    }
    Some(())
}

fn put_extended(out: &mut Vec<u8>, it: &Extended) -> Option<()> {
    let Extended { extension, quantities } = it;
    out.push(28);
    out.extend(extension.ended.0.to_le_bytes());
    out.extend(extension.ends.0.to_le_bytes());
    out.extend([extension.first.0, u8::try_from(extension.windows.len()).ok()?]);
    for window in &extension.windows {
        out.extend(window.from.0.to_le_bytes());
        out.extend(window.until.0.to_le_bytes());
    }
    put_quantities(out, quantities)
}

fn put_reservation(out: &mut Vec<u8>, tag: u8, it: &Reservation) {
    out.push(tag);
    out.extend(it.redemption.0);
    out.extend(it.merchant.0.to_le_bytes());
    out.push(it.shard);
    out.extend(it.turn.to_le_bytes());
    out.extend(it.face.get().to_le_bytes());
}

fn put_quantities(out: &mut Vec<u8>, quantities: &[u32]) -> Option<()> {
    out.push(u8::try_from(quantities.len()).ok()?);
    for quantity in quantities {
        out.extend(quantity.to_le_bytes());
    }
    Some(())
}

fn put_decided(out: &mut Vec<u8>, decided: &Decided) -> Option<()> {
    let Decided { statement, signatures } = decided;
    // A name or reason that is too long would be cut.
    let bytes = statement.bytes();
    (Statement::read(&bytes).as_ref() == Some(statement)).then_some(())?;
    out.push(23);
    out.extend(u16::try_from(bytes.len()).ok()?.to_le_bytes());
    out.extend(bytes);
    out.push(u8::try_from(signatures.len()).ok()?);
    for signed in signatures {
        put_text(out, &signed.by)?;
        out.extend(signed.signature.0);
    }
    Some(())
}

fn put_locked(out: &mut Vec<u8>, locked: &Locked) {
    let CouponId { round, kind, ordinal } = locked.coupon;
    out.push(15);
    out.extend(locked.redemption.0);
    out.extend(locked.merchant.0.to_le_bytes());
    out.extend(locked.person.0);
    out.extend([round.0, kind.0]);
    out.extend(ordinal.to_le_bytes());
    out.extend(locked.amount.get().to_le_bytes());
    out.extend(locked.request);
    out.extend(locked.until.0.to_le_bytes());
}

fn put_refunded(out: &mut Vec<u8>, refunded: &Refunded) {
    out.push(18);
    out.extend(refunded.redemption.0);
    out.extend(refunded.refund.0);
    out.extend(refunded.amount.get().to_le_bytes());
    out.extend(refunded.back.get().to_le_bytes());
    out.extend([refunded.coupon as u8, u8::from(refunded.owed)]);
}

/// The head of what is said of a batch and a merchant.
fn put_line(out: &mut Vec<u8>, tag: u8, batch: BatchNo, merchant: MerchantNo) {
    out.push(tag);
    out.extend(batch.0.to_le_bytes());
    out.extend(merchant.0.to_le_bytes());
}

fn put_opened(out: &mut Vec<u8>, opened: &Opened) -> Option<()> {
    match opened.shard {
        Shard::ALONE => out.push(1),
        Shard { no, of } => out.extend([12, no, of]),
    }
    put_text(out, &opened.name)?;
    out.push(u8::try_from(opened.pools.len()).ok()?);
    for pool in &opened.pools {
        put_text(out, pool)?;
    }
    out.push(u8::try_from(opened.kinds.len()).ok()?);
    for kind in &opened.kinds {
        put_text(out, &kind.name)?;
        out.push(kind.pool.0);
        out.extend(kind.face.get().to_le_bytes());
        out.extend(kind.threshold.get().to_le_bytes());
    }
    Some(())
}

fn put_bound(out: &mut Vec<u8>, bound: &Bound) {
    out.extend([5, bound.round.0]);
    out.extend(bound.person.0);
    out.extend(bound.pass.0);
    out.extend(bound.kinds.0.to_le_bytes());
    out.extend(bound.expires_at.0.to_le_bytes());
    bound.proofs.iter().for_each(|proof| out.extend(proof.0));
    for (kind, hash) in bound.identifiers {
        out.push(kind as u8);
        out.extend(hash.0);
    }
}

fn put_passed(out: &mut Vec<u8>, passed: &Passed) {
    out.extend([9, passed.round.0]);
    out.extend(passed.person.0);
    out.extend(passed.pass.0);
    out.extend(passed.kinds.0.to_le_bytes());
    out.extend(passed.expires_at.0.to_le_bytes());
}

fn put_transfer(out: &mut Vec<u8>, tag: u8, transfer: &Transfer) {
    out.extend([tag, transfer.peer]);
    out.extend(transfer.number.to_le_bytes());
    match transfer.load {
        Load::Stock { round, window, kind, units } => {
            out.extend([1, round.0]);
            out.extend(window.from.0.to_le_bytes());
            out.extend(window.until.0.to_le_bytes());
            out.push(kind.0);
            out.extend(units.to_le_bytes());
        }
        Load::Funds { pool } => out.extend([2, pool.0]),
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
    out.extend(text.as_bytes());
    Some(())
}

fn account(account: Account) -> u8 {
    match account {
        Account::Treasury => 0,
        Account::Available => 1,
        Account::Reserved => 2,
        Account::Frozen => 3,
        Account::Consumed => 4,
        Account::Payable => 5,
        Account::Paid => 6,
    }
}
