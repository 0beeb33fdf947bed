//! What stands in the fields about redeeming, as bytes and back.
//!
//! ```text
//! slot  | turn u32 | nothing, or an order |      little-endian numbers
//! order | merchant u32 | person 16 | round u8 | kind u8 | ordinal u32 | amount u64 | request 8
//!       | status u8 | its instant i64 | settlements u32 | refunded u64 | back u64 |
//! ```
//! Status: 1 locked until, 2 confirmed at, 3 released by the till at, 4 released at its deadline at.

use crate::domain::{
    At, BatchNo, CouponId, CouponState, Fen, KindNo, MerchantNo, PersonId, PoolNo, PoolSet, RoundNo,
};
use crate::ledger::event::{Adjusted, Admitted, Release, Settled};
use crate::ledger::machine::{Line, Order, Payment, Roll, Status};

/// An order in a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The last turn in which it was held here, or will never be: see
    /// [`Reservation`](crate::ledger::event::Reservation).
    pub(crate) turn: u32,
    /// The order, if a coupon was ever held for it here.
    pub(crate) order: Option<Order>,
}

impl Slot {
    /// Whether a coupon is held for it, or was used.
    pub(crate) fn lives(&self) -> bool {
        self.order.as_ref().is_some_and(|order| !order.is_released())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.turn.to_le_bytes().to_vec();
        let Some(order) = &self.order else { return out };
        let CouponId { round, kind, ordinal } = order.coupon;
        out.extend(order.merchant.0.to_le_bytes());
        out.extend(order.person.0);
        out.extend([round.0, kind.0]);
        out.extend(ordinal.to_le_bytes());
        out.extend(order.amount.get().to_le_bytes());
        out.extend(order.request);
        let (status, at) = match order.status {
            Status::Locked { until } => (1, until),
            Status::Confirmed { at } => (2, at),
            Status::Released { at, why: Release::ByTill } => (3, at),
            Status::Released { at, why: Release::AtDeadline } => (4, at),
        };
        out.push(status);
        out.extend(at.0.to_le_bytes());
        out.extend(order.settlements.to_le_bytes());
        out.extend(order.refunded.get().to_le_bytes());
        out.extend(order.back.get().to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Slot> {
        let (turn, rest) = bytes.split_first_chunk()?;
        let turn = u32::from_le_bytes(*turn);
        if rest.is_empty() {
            return Some(Slot { turn, order: None });
        }
        let (merchant, rest) = rest.split_first_chunk()?;
        let (person, rest) = rest.split_first_chunk()?;
        let ([round, kind], rest) = rest.split_first_chunk()?;
        let (ordinal, rest) = rest.split_first_chunk()?;
        let (amount, rest) = rest.split_first_chunk()?;
        let (request, rest) = rest.split_first_chunk()?;
        let ([status], rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let at = At(i64::from_le_bytes(*at));
        let (settlements, rest) = rest.split_first_chunk()?;
        let (refunded, rest) = rest.split_first_chunk()?;
        let fen = |bytes: &[u8; 8]| Fen::new(u64::from_le_bytes(*bytes));
        let order = Order {
            merchant: MerchantNo(u32::from_le_bytes(*merchant)),
            person: PersonId(*person),
            coupon: CouponId {
                round: RoundNo(*round),
                kind: KindNo(*kind),
                ordinal: u32::from_le_bytes(*ordinal),
            },
            amount: fen(amount),
            request: *request,
            status: match status {
                1 => Status::Locked { until: at },
                2 => Status::Confirmed { at },
                3 => Status::Released { at, why: Release::ByTill },
                4 => Status::Released { at, why: Release::AtDeadline },
                _ => return None,
            },
            settlements: u32::from_le_bytes(*settlements),
            refunded: fen(refunded),
            back: fen(rest.try_into().ok()?),
        };
        Some(Slot { turn, order: Some(order) })
    }
}

/// What became of a coupon, in a word; one that is unused has no field.
pub(crate) fn state(state: CouponState) -> Option<&'static str> {
    match state {
        CouponState::Unused => None,
        CouponState::Locked => Some("locked"),
        CouponState::Used => Some("used"),
        CouponState::Returned => Some("returned"),
    }
}

/// The state that a field says; `None` if it is not in a word of [`state`].
pub(crate) fn read_state(word: Option<&[u8]>) -> Option<CouponState> {
    match word {
        None => Some(CouponState::Unused),
        Some(b"locked") => Some(CouponState::Locked),
        Some(b"used") => Some(CouponState::Used),
        Some(b"returned") => Some(CouponState::Returned),
        Some(_) => None,
    }
}

/// A merchant's categories and cap.
pub(crate) fn terms(admitted: &Admitted) -> String {
    format!("{} {}", admitted.categories.0, admitted.cap.get())
}

/// The folder of merchants that is in force, and when it was proposed.
pub(crate) fn roll(roll: &Roll) -> String {
    format!("{} {}", roll.at.0, roll.sha256)
}

/// The folder that a field says.
pub(crate) fn read_roll(text: &[u8]) -> Option<Roll> {
    let (at, sha256) = std::str::from_utf8(text).ok()?.split_once(' ')?;
    Some(Roll { at: At(at.parse().ok()?), sha256: sha256.parse().ok()? })
}

/// The categories and cap that a field says.
pub(crate) fn read_terms(text: &[u8]) -> Option<(PoolSet, Fen)> {
    let (categories, cap) = std::str::from_utf8(text).ok()?.split_once(' ')?;
    Some((PoolSet(categories.parse().ok()?), Fen::new(cap.parse().ok()?)))
}

/// How often a merchant came into a batch for a pool, if the field says that.
pub(crate) fn settlements(name: &[u8], value: &[u8]) -> Option<((MerchantNo, PoolNo), u32)> {
    let mut parts = std::str::from_utf8(name).ok()?.strip_prefix("settlements:")?.split(':');
    let of = (MerchantNo(parts.next()?.parse().ok()?), PoolNo(parts.next()?.parse().ok()?));
    Some((of, std::str::from_utf8(value).ok()?.parse().ok()?))
}

/// The quantities that were decided for a round, after their version.
pub(crate) fn adjusted(adjusted: &Adjusted) -> String {
    let quantities = adjusted.quantities.iter().map(|units| format!(" {units}"));
    quantities.fold(adjusted.version.to_string(), |text, units| text + &units)
}

/// The name of a batch's line.
pub(crate) fn line_name(batch: BatchNo, merchant: MerchantNo, pool: PoolNo) -> String {
    format!("{}:{}:{}", batch.0, merchant.0, pool.0)
}

/// The batch, merchant and pool of a line's name.
pub(crate) fn line_no(name: &str) -> Option<(BatchNo, MerchantNo, PoolNo)> {
    let mut parts = name.split(':');
    let batch = BatchNo(parts.next()?.parse().ok()?);
    let merchant = MerchantNo(parts.next()?.parse().ok()?);
    let pool = PoolNo(parts.next()?.parse().ok()?);
    parts.next().is_none().then_some((batch, merchant, pool))
}

/// A batch's line.
pub(crate) fn line(line: &Line) -> String {
    let payment = match line.payment {
        Payment::Payable => "payable",
        Payment::Failed => "failed",
        Payment::Paid => "paid",
    };
    format!("{} {} {payment}", line.settled.consumed.get(), line.settled.owed.get())
}

/// The line that a field says, by its name.
pub(crate) fn read_line(name: &[u8], text: &[u8]) -> Option<Line> {
    let (batch, merchant, pool) = line_no(std::str::from_utf8(name).ok()?)?;
    let mut text = std::str::from_utf8(text).ok()?.split(' ');
    let settled = Settled {
        batch,
        merchant,
        pool,
        consumed: Fen::new(text.next()?.parse().ok()?),
        owed: Fen::new(text.next()?.parse().ok()?),
    };
    let payment = match text.next()? {
        "payable" => Payment::Payable,
        "failed" => Payment::Failed,
        "paid" => Payment::Paid,
        _ => return None,
    };
    text.next().is_none().then_some(Line { settled, payment })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_whole_or_not_at_all() {
        let order = Order {
            merchant: MerchantNo(7),
            person: PersonId([3; 16]),
            coupon: CouponId { round: RoundNo(1), kind: KindNo(2), ordinal: 9 },
            amount: Fen::new(10_000),
            request: [5; 8],
            status: Status::Confirmed { at: At(-4) },
            settlements: 2,
            refunded: Fen::new(30),
            back: Fen::new(4),
        };
        let at = At(77);
        for status in [
            Status::Locked { until: at },
            Status::Confirmed { at },
            Status::Released { at, why: Release::ByTill },
            Status::Released { at, why: Release::AtDeadline },
        ] {
            let slot = Slot { turn: 6, order: Some(Order { status, ..order.clone() }) };
            let bytes = slot.encode();
            assert_eq!(Slot::decode(&bytes).as_ref(), Some(&slot));
            assert!((0..bytes.len()).all(|end| end == 4 || Slot::decode(&bytes[..end]).is_none()));
            assert_eq!(Slot::decode(&[&bytes[..], &[0]].concat()), None);
        }
        let gone = Slot { turn: 8, order: None };
        assert_eq!(Slot::decode(&gone.encode()), Some(gone));
        let settled = Settled {
            batch: BatchNo(1),
            merchant: MerchantNo(2),
            pool: PoolNo(3),
            consumed: Fen::new(40),
            owed: Fen::new(5),
        };
        for payment in [Payment::Payable, Payment::Failed, Payment::Paid] {
            let it = Line { settled, payment };
            let name = line_name(settled.batch, settled.merchant, settled.pool);
            assert_eq!(read_line(name.as_bytes(), line(&it).as_bytes()), Some(it));
        }
        for (name, text) in
            [("1:2", "1 2 payable"), ("1:2:3", "1 payable"), ("1:2:3", "1 2 payable x")]
        {
            assert_eq!(read_line(name.as_bytes(), text.as_bytes()), None);
        }
        for it in
            [CouponState::Unused, CouponState::Locked, CouponState::Used, CouponState::Returned]
        {
            assert_eq!(read_state(state(it).map(str::as_bytes)), Some(it));
        }
        assert_eq!(read_state(Some(b"")), None);
    }
}
