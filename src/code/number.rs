//! The digits of a payment code.
//!
//! | digits | what                                  |
//! |--------|---------------------------------------|
//! | 1-2    | `62`, as `UnionPay`'s codes begin     |
//! | 3-4    | the shard in which its person's log is |
//! | 5-18   | random                                |
//! | 19     | the check digit                       |
//!
//! The check digit is Damm's (2004): it finds every wrong digit and every two neighbours that changed places. Luhn's
//! misses 09 for 90, and ISO 7064's MOD 11,10 one swap of 45, which is why neither is used.

use crate::domain::Shard;
use rand::{CryptoRng, RngExt};
use std::{fmt, str::FromStr};

/// How many codes a shard has: what the random digits can be.
pub(super) const SECRETS: u64 = 100_000_000_000_000;
/// Shards that two digits can name.
const SHARDS: u8 = 100;
/// What a code begins with.
const PREFIX: u64 = 62;
/// Digits of a code.
const DIGITS: usize = 19;

/// Damm's quasigroup of order 10: no digit twice in a row or column, and `x*y = y*x` only of `x = y`.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// A shard that a code can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeShard(u8);

impl CodeShard {
    /// The only one of a ledger of one log.
    pub const ALONE: CodeShard = CodeShard(Shard::ALONE.no);

    /// That shard; `None` if two digits can't name it.
    pub const fn of(shard: Shard) -> Option<CodeShard> {
        if shard.no < SHARDS { Some(CodeShard(shard.no)) } else { None }
    }

    /// Its number.
    pub const fn no(self) -> u8 {
        self.0
    }
}

/// A payment code.
///
/// `Display` writes its digits, for the phone that asked; `Debug` does not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    shard: CodeShard,
    secret: u64,
}

/// Why a text is not a payment code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACode {
    /// It is not nineteen digits.
    #[error("not nineteen digits")]
    Digits,
    /// It begins otherwise, so it is another scheme's.
    #[error("it does not begin with {PREFIX}")]
    Prefix,
    /// The check digit does not fit the others: it was mistyped or misread.
    #[error("the check digit is wrong")]
    CheckDigit,
}

impl Code {
    /// A new code of `shard`.
    pub fn draw(shard: CodeShard, random: &mut impl CryptoRng) -> Code {
        Code { shard, secret: random.random_range(0..SECRETS) }
    }

    /// In which shard its person's log is.
    pub const fn shard(self) -> CodeShard {
        self.shard
    }

    /// Its digits, the check digit last.
    pub(super) fn digits(self) -> Vec<u8> {
        self.to_string().bytes().map(|digit| digit - b'0').collect()
    }

    /// The number that the digits before the check digit are.
    fn body(self) -> u64 {
        (PREFIX * u64::from(SHARDS) + u64::from(self.shard.0)) * SECRETS + self.secret
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body().to_string();
        write!(f, "{body}{}", damm(body.as_bytes()))
    }
}

impl FromStr for Code {
    type Err = NotACode;

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Code, NotACode> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotACode::Digits);
        }
        let number: u64 = text.parse().map_err(|_| NotACode::Digits)?;
        let body = number / 10;
        let (head, secret) = (body / SECRETS, body % SECRETS);
        let (prefix, shard) = (head / u64::from(SHARDS), head % u64::from(SHARDS));
        if prefix != PREFIX {
            return Err(NotACode::Prefix);
        }
        // With its check digit a number has the check digit 0.
        if damm(text.as_bytes()) != 0 {
            return Err(NotACode::CheckDigit);
        }
        let shard = u8::try_from(shard).map_err(|_| NotACode::Digits)?;
        Ok(Code { shard: CodeShard(shard), secret })
    }
}

/// Damm's check digit of digits in ASCII. Zeros in front of them change nothing.
fn damm(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |row, digit| {
        let row = DAMM.get(usize::from(row)).expect("a check digit is a digit");
        *row.get(usize::from(digit - b'0')).expect("a digit has a column")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(shard: u8, secret: u64) -> Code {
        Code { shard: CodeShard(shard), secret }
    }

    #[test]
    fn the_check_digit_is_damms() {
        // The textbook number: 572 has the check digit 4.
        assert_eq!(damm(b"572"), 4);
        assert_eq!(damm(b"5724"), 0);
    }

    #[test]
    fn r_redeem_2_a_code_is_sixty_two_a_shard_fourteen_digits_and_a_check_digit() {
        let text = code(7, 31).to_string();
        assert_eq!((text.len(), &text[..18]), (DIGITS, "620700000000000031"));
        assert_eq!(code(99, SECRETS - 1).to_string()[..18], *"629999999999999999");
        assert_eq!(CodeShard::of(Shard { no: 99, of: 128 }).map(CodeShard::no), Some(99));
        assert_eq!(CodeShard::of(Shard { no: 100, of: 128 }), None, "two digits can't name it");
    }

    #[test]
    fn r_redeem_2_what_is_no_code_is_told_why() {
        let good = code(0, 12_345).to_string();
        assert_eq!(good.parse(), Ok(code(0, 12_345)));
        let wide = "６".to_owned() + &good[3..];
        let spaced = format!(" {}", &good[1..]);
        let signed = format!("+{}", &good[1..]);
        for text in ["", "62", &good[1..], &format!("{good}0"), &wide, &spaced, &signed] {
            assert_eq!(text.parse::<Code>(), Err(NotACode::Digits), "{text}");
        }
        let foreign = format!("28{}", &good[2..]);
        assert_eq!(foreign.parse::<Code>(), Err(NotACode::Prefix));
        assert_eq!("9".repeat(DIGITS).parse::<Code>(), Err(NotACode::Prefix));
    }

    #[test]
    fn r_redeem_2_a_code_is_in_no_debug_text() {
        assert_eq!(format!("{:?}", code(1, 2)), "Code(..)");
    }

    #[test]
    fn r_redeem_2_every_digit_of_drawn_codes_is_as_frequent() {
        // 14 places of 20,000 codes: each digit 2,000 times, give or take six standard deviations of 42.
        let mut random = rand::rng();
        let mut seen = [[0_u32; 10]; 14];
        for _ in 0..20_000 {
            let text = Code::draw(CodeShard::ALONE, &mut random).to_string();
            for (place, digit) in text.bytes().skip(4).take(14).enumerate() {
                seen[place][usize::from(digit - b'0')] += 1;
            }
        }
        let even = seen.iter().flatten().all(|count| (1_745..=2_255).contains(count));
        assert!(even, "{seen:?}");
    }

    proptest! {
        #[test]
        fn r_redeem_2_every_code_is_read_back(shard in 0..SHARDS, secret in 0..SECRETS) {
            let text = code(shard, secret).to_string();
            prop_assert_eq!(text.len(), DIGITS);
            prop_assert_eq!(text.parse(), Ok(code(shard, secret)));
        }

        #[test]
        fn r_redeem_2_one_wrong_digit_is_noticed(
            shard in 0..SHARDS, secret in 0..SECRETS, place in 0..DIGITS, other in b'0'..=b'9'
        ) {
            let mut text = code(shard, secret).to_string().into_bytes();
            prop_assume!(text[place] != other);
            text[place] = other;
            let text = String::from_utf8(text).unwrap();
            prop_assert!(text.parse::<Code>().is_err(), "{}", text);
        }

        #[test]
        fn r_redeem_2_two_neighbours_that_changed_places_are_noticed(
            shard in 0..SHARDS, secret in 0..SECRETS, place in 1..DIGITS
        ) {
            let mut text = code(shard, secret).to_string().into_bytes();
            prop_assume!(text[place - 1] != text[place]);
            text.swap(place - 1, place);
            let text = String::from_utf8(text).unwrap();
            prop_assert!(text.parse::<Code>().is_err(), "{}", text);
        }
    }
}
