//! Events as the bytes of an entry's body, version 1. All numbers are little-endian.
//!
//! ```text
//! body    | version u8 = 1 | event .. |
//! event   | campaign u16 | tag u8 | fields |
//!   1 opened     name text, count u8, pool texts, count u8, kinds (text, pool u8, face u64)
//!   2 posted     pool u8, from u8, to u8, fen u64     0 treasury 1 available 2 reserved 3 frozen
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
//! text    | bytes u16 | UTF-8 |
//! ```
//!
//! Decoding never panics and takes the whole body or nothing.

use super::{
    Armed, Bound, Event, Expired, Granted, Interlock, KindTerms, Load, Opened, Passed, Transfer,
    What,
};
use crate::domain::{
    At, CampaignNo, CouponId, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId,
    PoolNo, ProofId, RoundNo, Shard, Window,
};
use crate::funds::{Account, Posting};

const VERSION: u8 = 1;

/// The body of an entry that holds `events`; `None` if a text or list is too long for the format.
pub fn encode(events: &[Event]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(96);
    out.push(VERSION);
    for event in events {
        out.extend(event.campaign.0.to_le_bytes());
        put(&mut out, &event.what)?;
    }
    Some(out)
}

/// The events of a body; `None` if it is not exactly a body of this version.
pub fn decode(body: &[u8]) -> Option<Vec<Event>> {
    let mut bytes = Bytes(body);
    (bytes.u8()? == VERSION).then_some(())?;
    let mut events = Vec::new();
    while !bytes.0.is_empty() {
        let campaign = CampaignNo(u16::from_le_bytes(bytes.array()?));
        events.push(Event { campaign, what: bytes.what()? });
    }
    Some(events)
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
            out.push(u8::try_from(armed.quantities.len()).ok()?);
            armed.quantities.iter().for_each(|quantity| out.extend(quantity.to_le_bytes()));
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
    }
    Some(())
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
    }
}

/// What is still to be read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn fen(&mut self) -> Option<Fen> {
        self.array().map(u64::from_le_bytes).map(Fen::new)
    }

    fn at(&mut self) -> Option<At> {
        self.array().map(i64::from_le_bytes).map(At)
    }

    fn text(&mut self) -> Option<String> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.u8()?).map(|_| one(self)).collect()
    }

    fn account(&mut self) -> Option<Account> {
        match self.u8()? {
            0 => Some(Account::Treasury),
            1 => Some(Account::Available),
            2 => Some(Account::Reserved),
            3 => Some(Account::Frozen),
            _ => None,
        }
    }

    fn identifier(&mut self) -> Option<(IdentifierKind, KeyedHash)> {
        let kind = match self.u8()? {
            1 => IdentifierKind::Account,
            2 => IdentifierKind::Phone,
            3 => IdentifierKind::Card,
            4 => IdentifierKind::Device,
            _ => return None,
        };
        Some((kind, KeyedHash(self.array()?)))
    }

    fn window(&mut self) -> Option<Window> {
        Some(Window { from: self.at()?, until: self.at()? })
    }

    fn opened(&mut self, shard: Shard) -> Option<Opened> {
        Some(Opened {
            name: self.text()?,
            pools: self.list(Bytes::text)?,
            kinds: self.list(|bytes| {
                let name = bytes.text()?;
                Some(KindTerms { name, pool: PoolNo(bytes.u8()?), face: bytes.fen()? })
            })?,
            shard,
        })
    }

    fn transfer(&mut self) -> Option<Transfer> {
        let (peer, number) = (self.u8()?, self.u32()?);
        let load = match self.u8()? {
            1 => Load::Stock {
                round: RoundNo(self.u8()?),
                window: self.window()?,
                kind: KindNo(self.u8()?),
                units: self.u32()?,
            },
            2 => Load::Funds { pool: PoolNo(self.u8()?) },
            _ => return None,
        };
        Some(Transfer { peer, number, load })
    }

    fn what(&mut self) -> Option<What> {
        Some(match self.u8()? {
            1 => What::Opened(self.opened(Shard::ALONE)?),
            2 => What::Posted(Posting {
                pool: PoolNo(self.u8()?),
                from: self.account()?,
                to: self.account()?,
                fen: self.fen()?,
            }),
            3 => What::Armed(Armed {
                round: RoundNo(self.u8()?),
                window: self.window()?,
                quantities: self.list(Bytes::u32)?,
            }),
            4 => What::Expired(Expired { round: RoundNo(self.u8()?) }),
            5 => What::Bound(Bound {
                round: RoundNo(self.u8()?),
                person: PersonId(self.array()?),
                pass: PassNonce(self.array()?),
                kinds: KindSet(self.u32()?),
                expires_at: self.at()?,
                proofs: [ProofId(self.array()?), ProofId(self.array()?)],
                identifiers: [
                    self.identifier()?,
                    self.identifier()?,
                    self.identifier()?,
                    self.identifier()?,
                ],
            }),
            6 => What::Granted(Granted {
                coupon: CouponId {
                    round: RoundNo(self.u8()?),
                    kind: KindNo(self.u8()?),
                    ordinal: self.u32()?,
                },
                person: PersonId(self.array()?),
                pass: PassNonce(self.array()?),
                ends_at: self.at()?,
            }),
            7 => What::Interlock(Interlock::Tripped),
            8 => What::Interlock(Interlock::Resumed),
            9 => What::Passed(Passed {
                round: RoundNo(self.u8()?),
                person: PersonId(self.array()?),
                pass: PassNonce(self.array()?),
                kinds: KindSet(self.u32()?),
                expires_at: self.at()?,
            }),
            10 => What::Sent(self.transfer()?),
            11 => What::Received(self.transfer()?),
            12 => {
                let shard = Shard { no: self.u8()?, of: self.u8()? };
                (shard.no < shard.of && shard.of > 1).then_some(())?;
                What::Opened(self.opened(shard)?)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::event::{Load, Transfer};

    fn opened(shard: Shard) -> What {
        let kinds = vec![KindTerms { name: "ten".into(), pool: PoolNo(1), face: Fen::new(258) }];
        What::Opened(Opened { name: "x".into(), pools: vec!["a".into()], kinds, shard })
    }

    fn body(what: What) -> Vec<u8> {
        encode(&[Event { campaign: CampaignNo(3), what }]).unwrap()
    }

    #[test]
    fn what_shards_write_is_read_back_and_stays_as_drawn() {
        let window = Window { from: At(1), until: At(2) };
        let load = Load::Stock { round: RoundNo(4), window, kind: KindNo(5), units: 6 };
        let stock = Transfer { peer: 7, number: 8, load };
        let funds = Transfer { peer: 7, number: 9, load: Load::Funds { pool: PoolNo(2) } };
        let passed = Passed {
            round: RoundNo(1),
            person: PersonId([2; 16]),
            pass: PassNonce([3; 16]),
            kinds: KindSet(4),
            expires_at: At(5),
        };
        for (what, tag, bytes) in [
            (opened(Shard { no: 1, of: 3 }), 12, 28),
            (opened(Shard::ALONE), 1, 26),
            (What::Passed(passed), 9, 49),
            (What::Sent(stock), 10, 32),
            (What::Received(stock), 11, 32),
            (What::Sent(funds), 10, 11),
        ] {
            let body = body(what.clone());
            assert_eq!(body[..4], [1, 3, 0, tag], "{what:?}");
            assert_eq!(body.len(), bytes, "{what:?}");
            assert_eq!(decode(&body).unwrap(), [Event { campaign: CampaignNo(3), what }]);
            for end in 1..body.len() {
                assert!(decode(&body[..end]).is_none_or(|events| events.is_empty()));
            }
        }
    }

    #[test]
    fn a_shard_that_can_t_be_is_not_read() {
        let mut body = body(opened(Shard { no: 1, of: 3 }));
        body[4] = 3;
        assert_eq!(decode(&body), None, "shards are 0 to 2");
        (body[4], body[5]) = (0, 1);
        assert_eq!(decode(&body), None, "the only shard is written as tag 1");
    }
}
