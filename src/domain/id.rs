//! The names of things: small numbers inside, readable text at the edges.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A campaign's number in this server's ledger, given when the campaign is opened and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CampaignNo(pub u16);

/// A round's number within its campaign, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoundNo(pub u8);

/// Which share of a campaign's people and stock a log is about.
///
/// A person belongs to one shard; each shard has a log of its own, in which everything about that person stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shard {
    /// Its number, from 0.
    pub no: u8,
    /// How many there are, at least 1.
    pub of: u8,
}

impl Shard {
    /// The only one.
    pub const ALONE: Shard = Shard { no: 0, of: 1 };

    /// The ordinal of the `nth` coupon (from 1) that this shard grants of a round and kind: shards
    /// take turns, so no two give the same and none has to ask another.
    pub const fn ordinal(self, nth: u32) -> u32 {
        nth.saturating_sub(1).saturating_mul(self.of as u32).saturating_add(self.no as u32 + 1)
    }

    /// Which of this shard's coupons has that ordinal; `None` if another shard's has.
    pub const fn nth(self, ordinal: u32) -> Option<u32> {
        let of = self.of as u32;
        let Some(before) = ordinal.checked_sub(self.no as u32 + 1) else { return None };
        match (before.checked_rem(of), before.checked_div(of)) {
            (Some(0), Some(turns)) => turns.checked_add(1),
            _ => None,
        }
    }
}

/// A coupon kind's place in its campaign's list of kinds, from 0 (at most 32 kinds).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KindNo(pub u8);

/// A pool's place in its campaign's list of pools, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolNo(pub u8);

/// Coupons of a kind in a round at most: what 24 bits hold, so that a level and its seq are one word.
pub const MOST_UNITS: u32 = (1 << 24) - 1;

/// A set of kinds, one bit a [`KindNo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KindSet(pub u32);

impl KindSet {
    /// Kinds a campaign can have at most: one bit each.
    pub const MOST: usize = 32;

    /// The set of this one kind.
    pub const fn of(kind: KindNo) -> KindSet {
        KindSet(1_u32.wrapping_shl(kind.0 as u32))
    }

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: KindNo) -> KindSet {
        KindSet(self.0 | KindSet::of(kind).0)
    }

    /// Whether `kind` is in the set.
    pub const fn has(self, kind: KindNo) -> bool {
        self.0 & KindSet::of(kind).0 != 0
    }

    /// Whether no kind is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A set of pools, one bit a [`PoolNo`]: the categories of a merchant (R-KIND-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PoolSet(pub u32);

impl PoolSet {
    /// Pools that a set can name: those with a number below this.
    pub const MOST: usize = 32;

    /// The set of this one pool; empty if it is beyond those that a set can name.
    pub const fn of(pool: PoolNo) -> PoolSet {
        match 1_u32.checked_shl(pool.0 as u32) {
            Some(bit) => PoolSet(bit),
            None => PoolSet(0),
        }
    }

    /// This set and `pool`.
    #[must_use]
    pub const fn with(self, pool: PoolNo) -> PoolSet {
        PoolSet(self.0 | PoolSet::of(pool).0)
    }

    /// Whether `pool` is in the set.
    pub const fn has(self, pool: PoolNo) -> bool {
        self.0 & PoolSet::of(pool).0 != 0
    }

    /// Whether no pool is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A merchant's number in its campaign, given by the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MerchantNo(pub u32);

/// A settlement batch's number in its campaign; later batches have higher ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchNo(pub u32);

/// One order at one merchant, paid with one coupon: made from the merchant and its order number, so a
/// retry is the same redemption (R-REDEEM-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RedemptionId(pub [u8; 16]);

/// One refund of an order: made from the redemption and the refund's number, so a retry is the same refund.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RefundId(pub [u8; 16]);

/// A person: the keyed hash of the ID number (R-WHO-2, R-WHO-3).
///
/// `Debug` shows four digits only, so that a log line can be followed but nobody can be looked up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId(pub [u8; 16]);

/// The keyed hash of an account, phone, card or device (R-WHO-2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyedHash(pub [u8; 16]);

/// The number of one pass: derived from person, round and proofs, so a retry makes the same pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PassNonce(pub [u8; 16]);

/// The number that makes a captcha proof single-use (R-RISK-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProofId(pub [u8; 16]);

macro_rules! short_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [a, b, ..] = self.0;
                write!(f, concat!(stringify!($name), "({:02x}{:02x}..)"), a, b)
            }
        }
    )*};
}
short_debug!(PersonId, KeyedHash, PassNonce, ProofId, RedemptionId, RefundId);

/// What a device, phone, card or account is bound as (R-WHO-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum IdentifierKind {
    /// The host app's account.
    Account = 1,
    /// The phone number.
    Phone = 2,
    /// The bank card.
    Card = 3,
    /// The device.
    Device = 4,
}

/// One coupon: the `ordinal`-th (from 1) of its round and kind.
///
/// A ledger of one log gives ordinals in log order without gaps, so `ordinal <= stock` is I1 on one
/// coupon. With shards each has its own (see [`Shard::ordinal`]): an ordinal is then a name, and I1 a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CouponId {
    /// The round it was granted in.
    pub round: RoundNo,
    /// Its kind.
    pub kind: KindNo,
    /// Its place among the grants of that round and kind, from 1.
    pub ordinal: u32,
}

impl fmt::Display for CouponId {
    /// 2 digits round, 2 digits kind (from 1), 8 digits ordinal, 1 Luhn check digit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = u64::from(self.round.0) * 10_000_000_000
            + (u64::from(self.kind.0) + 1) * 100_000_000
            + u64::from(self.ordinal);
        write!(f, "{body:012}{}", luhn(body))
    }
}

/// Why a text is not a coupon's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACoupon {
    /// It is not thirteen digits.
    #[error("not thirteen digits")]
    Digits,
    /// The check digit does not fit the others.
    #[error("the check digit is wrong")]
    CheckDigit,
    /// Round, kind or ordinal is zero: they count from 1.
    #[error("round, kind and ordinal count from 1")]
    Zero,
}

impl FromStr for CouponId {
    type Err = NotACoupon;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<CouponId, NotACoupon> {
        if text.len() != 13 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotACoupon::Digits);
        }
        let number: u64 = text.parse().map_err(|_| NotACoupon::Digits)?;
        let body = number / 10;
        if luhn(body) != number % 10 {
            return Err(NotACoupon::CheckDigit);
        }
        let part = |unit: u64, size: u64| body / unit % size;
        let round = u8::try_from(part(10_000_000_000, 100)).map_err(|_| NotACoupon::Digits)?;
        let kind = u8::try_from(part(100_000_000, 100)).map_err(|_| NotACoupon::Digits)?;
        let ordinal = u32::try_from(part(1, 100_000_000)).map_err(|_| NotACoupon::Digits)?;
        if round == 0 || kind == 0 || ordinal == 0 {
            return Err(NotACoupon::Zero);
        }
        Ok(CouponId { round: RoundNo(round), kind: KindNo(kind - 1), ordinal })
    }
}

/// The Luhn check digit of `body` (ISO/IEC 7812-1, annex B).
fn luhn(mut body: u64) -> u64 {
    let mut sum = 0;
    let mut double = true;
    while body > 0 {
        let digit = body % 10;
        sum += match (double, digit) {
            (false, _) => digit,
            (true, 0..=4) => digit * 2,
            (true, _) => digit * 2 - 9,
        };
        double = !double;
        body /= 10;
    }
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_pools_has_those_it_was_made_of_and_no_other() {
        let set = PoolSet::of(PoolNo(0)).with(PoolNo(31)).with(PoolNo(32));
        let has: Vec<u8> = (0..=u8::MAX).filter(|pool| set.has(PoolNo(*pool))).collect();
        assert_eq!(has, [0, 31], "pool 32 is beyond it, and is not taken for pool 0");
        assert!(PoolSet::default().is_empty() && !set.is_empty());
    }

    #[test]
    fn the_check_digit_is_luhns() {
        // 7992739871 with check digit 3 is the textbook number.
        assert_eq!(luhn(7_992_739_871), 3);
    }

    #[test]
    fn a_coupon_number_is_thirteen_digits() {
        let id = CouponId { round: RoundNo(1), kind: KindNo(0), ordinal: 3214 };
        assert_eq!(id.to_string().len(), 13);
        assert!(id.to_string().starts_with("010100003214"));
    }

    #[test]
    fn a_coupon_number_is_read_back() {
        for (round, kind, ordinal) in [(1, 0, 1), (15, 5, 4_000), (99, 98, 99_999_999)] {
            let id = CouponId { round: RoundNo(round), kind: KindNo(kind), ordinal };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn a_slip_in_one_digit_of_a_coupon_number_is_noticed() {
        let id = CouponId { round: RoundNo(3), kind: KindNo(2), ordinal: 1_234 };
        let right = id.to_string();
        for place in 0..right.len() {
            for digit in "0123456789".chars().filter(|digit| !right[place..].starts_with(*digit)) {
                let mut wrong = right.clone();
                wrong.replace_range(place..=place, &digit.to_string());
                assert_eq!(wrong.parse::<CouponId>(), Err(NotACoupon::CheckDigit), "{wrong}");
            }
        }
    }

    #[test]
    fn what_is_not_thirteen_digits_or_counts_from_zero_is_no_coupon_number() {
        for text in ["", "123", "01010000321400", "+101000032140", "０1010000321"] {
            assert_eq!(text.parse::<CouponId>(), Err(NotACoupon::Digits), "{text}");
        }
        for body in [100_000_001, 10_000_000_001_u64, 10_100_000_000] {
            let text = format!("{body:012}{}", luhn(body));
            assert_eq!(text.parse::<CouponId>(), Err(NotACoupon::Zero), "{text}");
        }
    }

    #[test]
    fn a_person_in_a_log_line_is_four_digits() {
        assert_eq!(format!("{:?}", PersonId([0xab; 16])), "PersonId(abab..)");
    }

    #[test]
    fn i1_shards_take_turns_and_no_ordinal_is_two_shards() {
        assert_eq!((1..=3).map(|nth| Shard::ALONE.ordinal(nth)).collect::<Vec<_>>(), [1, 2, 3]);
        let shards = [0, 1, 2].map(|no| Shard { no, of: 3 });
        let mut all: Vec<u32> =
            shards.iter().flat_map(|shard| (1..=4).map(|nth| shard.ordinal(nth))).collect();
        for shard in shards {
            for ordinal in 0..=12 {
                let nth = shard.nth(ordinal);
                assert_eq!(nth.is_some(), ordinal > 0 && (ordinal - 1) % 3 == u32::from(shard.no));
                assert!(nth.is_none_or(|nth| shard.ordinal(nth) == ordinal));
            }
        }
        all.sort_unstable();
        assert_eq!(all, (1..=12).collect::<Vec<u32>>());
    }
}
