//! A body, read from its front.

use super::REDEEMS;
use crate::domain::{
    At, BatchNo, CouponId, Fen, Hex, IdentifierKind, KeyedHash, KindNo, KindSet, MerchantNo,
    PassNonce, PersonId, PoolNo, PoolSet, ProofId, RedemptionId, RefundId, RoundNo, Shard, Window,
    calendar::Extension,
};
use crate::funds::{Account, Posting};
use crate::ledger::event::{
    Adjusted, Admitted, Aftermath, Armed, Bound, Confirmed, Decided, Expired, Extended, GivenBack,
    Granted, Interlock, KindTerms, Load, Locked, Opened, Paid, Passed, PaymentFailed, Refunded,
    Release, Released, Reservation, Settled, Signed, Standing, Stands, Statement, Transfer, What,
};

/// The last tag of version 1.
const LAST_OF_OLD: u8 = 12;

/// What is still to be read of a body.
pub(super) struct Bytes<'a> {
    /// Its version.
    pub(super) version: u8,
    /// The bytes.
    pub(super) rest: &'a [u8],
}

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
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

    /// Bytes with their length in front of them.
    fn long(&mut self) -> Option<&[u8]> {
        let len = usize::from(self.u16()?);
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.long()?.to_vec()).ok()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.u8()?).map(|_| one(self)).collect()
    }

    /// Whether redemptions may be in it.
    fn redeems(&self) -> bool {
        self.version >= REDEEMS
    }

    fn account(&mut self) -> Option<Account> {
        match self.u8()? {
            0 => Some(Account::Treasury),
            1 => Some(Account::Available),
            2 => Some(Account::Reserved),
            3 => Some(Account::Frozen),
            4 if self.redeems() => Some(Account::Consumed),
            5 if self.redeems() => Some(Account::Payable),
            6 if self.redeems() => Some(Account::Paid),
            _ => None,
        }
    }

    fn coupon(&mut self) -> Option<CouponId> {
        Some(CouponId {
            round: RoundNo(self.u8()?),
            kind: KindNo(self.u8()?),
            ordinal: self.u32()?,
        })
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
                let (name, pool, face) = (bytes.text()?, PoolNo(bytes.u8()?), bytes.fen()?);
                let threshold = if bytes.redeems() { bytes.fen()? } else { Fen::ZERO };
                Some(KindTerms { name, pool, face, threshold })
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

    fn bound(&mut self) -> Option<Bound> {
        Some(Bound {
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
        })
    }

    pub(super) fn what(&mut self) -> Option<What> {
        let tag = self.u8()?;
        if tag > LAST_OF_OLD {
            return if self.redeems() { self.redeeming(tag) } else { None };
        }
        Some(match tag {
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
            5 => What::Bound(self.bound()?),
            6 => What::Granted(Granted {
                coupon: self.coupon()?,
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

    /// What version 2 has beyond version 1.
    fn redeeming(&mut self, tag: u8) -> Option<What> {
        Some(match tag {
            13 => What::Admitted(Admitted {
                merchant: MerchantNo(self.u32()?),
                categories: PoolSet(self.u32()?),
                cap: self.fen()?,
            }),
            14 => What::Stands(Stands {
                merchant: MerchantNo(self.u32()?),
                standing: Standing::of(self.u8()?)?,
            }),
            15 => What::Locked(Locked {
                redemption: RedemptionId(self.array()?),
                merchant: MerchantNo(self.u32()?),
                person: PersonId(self.array()?),
                coupon: self.coupon()?,
                amount: self.fen()?,
                request: self.array()?,
                until: self.at()?,
            }),
            16 => What::Confirmed(Confirmed { redemption: RedemptionId(self.array()?) }),
            17 => What::Released(Released {
                redemption: RedemptionId(self.array()?),
                why: match self.u8()? {
                    1 => Release::ByTill,
                    2 => Release::AtDeadline,
                    _ => return None,
                },
            }),
            18 => What::Refunded(self.refunded()?),
            19 => What::Settled(Settled {
                batch: BatchNo(self.u32()?),
                merchant: MerchantNo(self.u32()?),
                pool: PoolNo(self.u8()?),
                consumed: self.fen()?,
                owed: self.fen()?,
            }),
            20 => What::Paid(Paid {
                batch: BatchNo(self.u32()?),
                merchant: MerchantNo(self.u32()?),
                pool: PoolNo(self.u8()?),
                fen: self.fen()?,
            }),
            21 => What::PaymentFailed(PaymentFailed {
                batch: BatchNo(self.u32()?),
                merchant: MerchantNo(self.u32()?),
            }),
            22 => What::Adjusted(Adjusted {
                round: RoundNo(self.u8()?),
                version: self.u32()?,
                quantities: self.list(Bytes::u32)?,
            }),
            23 => What::Decided(Decided {
                statement: Statement::read(self.long()?)?,
                signatures: self.list(|bytes| {
                    Some(Signed { by: bytes.text()?, signature: Hex(bytes.array()?) })
                })?,
            }),
            24 => What::Reserved(self.reservation()?),
            25 => What::Vacated(self.reservation()?),
            26 => What::GivenBack(GivenBack {
                refund: RefundId(self.array()?),
                merchant: MerchantNo(self.u32()?),
                fen: self.fen()?,
            }),
            28 => What::Extended(Extended {
                extension: Extension {
                    ended: self.at()?,
                    ends: self.at()?,
                    first: RoundNo(self.u8()?),
                    windows: self.list(|it| Some(Window { from: it.at()?, until: it.at()? }))?,
                },
                quantities: self.list(Bytes::u32)?,
            }),
            _ => return None,
        })
    }

    fn reservation(&mut self) -> Option<Reservation> {
        Some(Reservation {
            redemption: RedemptionId(self.array()?),
            merchant: MerchantNo(self.u32()?),
            shard: self.u8()?,
            turn: self.u32()?,
            face: self.fen()?,
        })
    }

    fn refunded(&mut self) -> Option<Refunded> {
        Some(Refunded {
            redemption: RedemptionId(self.array()?),
            refund: RefundId(self.array()?),
            amount: self.fen()?,
            back: self.fen()?,
            coupon: match self.u8()? {
                1 => Aftermath::Used,
                2 => Aftermath::Issued,
                3 => Aftermath::Returned,
                _ => return None,
            },
            owed: match self.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }
}
