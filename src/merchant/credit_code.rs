//! The number by which a company is known to the state: its unified social credit code (GB 32100-2015).

use std::{fmt, str::FromStr};

/// The characters of a credit code, each worth its place: no I, O, S, V and Z.
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/// How many these are: the modulus of the check character.
const MODULUS: usize = 31;
/// Characters of a code.
const LENGTH: usize = 18;

/// A unified social credit code (统一社会信用代码).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditCode([u8; LENGTH]);

/// Why a text is no credit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACreditCode {
    /// It has another length, or characters that no code has.
    #[error("not {LENGTH} digits and letters without I, O, S, V and Z")]
    Characters,
    /// The last character does not fit the others.
    #[error("the check character is wrong")]
    Check,
}

impl FromStr for CreditCode {
    type Err = NotACreditCode;

    /// Reads a code; its letters may be written small.
    fn from_str(text: &str) -> Result<CreditCode, NotACreditCode> {
        let code: [u8; LENGTH] =
            text.as_bytes().try_into().map_err(|_| NotACreditCode::Characters)?;
        let code = code.map(|byte| byte.to_ascii_uppercase());
        let worth = |byte: &u8| ALPHABET.bytes().position(|it| it == *byte);
        let worths: Option<Vec<usize>> = code.iter().map(worth).collect();
        let worths = worths.ok_or(NotACreditCode::Characters)?;
        // The weights are the powers of three; with the check character, of weight 1, all of it comes to nothing.
        let (check, body) = worths.split_last().ok_or(NotACreditCode::Characters)?;
        let weighed = body.iter().rev().fold(0, |sum, worth| (sum * 3 + worth) % MODULUS);
        if (weighed + check) % MODULUS == 0 {
            Ok(CreditCode(code))
        } else {
            Err(NotACreditCode::Check)
        }
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreditCode({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_merch_1_the_standards_own_example_is_a_credit_code() {
        let code: CreditCode = "91350100M000100Y43".parse().unwrap();
        assert_eq!(code.to_string(), "91350100M000100Y43");
        assert_eq!("91350100m000100y43".parse(), Ok(code));
    }

    #[test]
    fn r_merch_1_a_slip_in_a_credit_code_is_noticed() {
        let good = "91350100M000100Y43";
        for place in 0..LENGTH {
            for other in ALPHABET.chars().filter(|it| !good[place..].starts_with(*it)) {
                let mut bad = good.to_owned();
                bad.replace_range(place..=place, &other.to_string());
                assert_eq!(bad.parse::<CreditCode>(), Err(NotACreditCode::Check), "{bad}");
            }
        }
        for bad in
            ["", &good[1..], "91350100M000100Y4O", "91350100M000100Y430", "９1350100M000100Y"]
        {
            assert_eq!(bad.parse::<CreditCode>(), Err(NotACreditCode::Characters), "{bad}");
        }
    }
}
