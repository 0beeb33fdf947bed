//! Bytes that are told as hexadecimal digits.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// So many bytes, written as two small hexadecimal digits each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex<const N: usize>(pub [u8; N]);

/// The text is not so many hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0} hexadecimal digits")]
pub struct NotHex(usize);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Hex<N>, NotHex> {
        let digit =
            |digit: &u8| char::from(*digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let mut bytes = [0; N];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != N || !rest.is_empty() {
            return Err(NotHex(2 * N));
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = digit(high).zip(digit(low)).ok_or(NotHex(2 * N))?;
            *byte = high << 4 | low;
        }
        Ok(Hex(bytes))
    }
}

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = NotHex;

    fn try_from(text: String) -> Result<Hex<N>, NotHex> {
        text.parse()
    }
}

impl<const N: usize> From<Hex<N>> for String {
    fn from(hex: Hex<N>) -> String {
        hex.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_told_and_nothing_else_is_read() {
        let hex = Hex([0x00, 0x7f, 0xff]);
        assert_eq!(hex.to_string(), "007fff");
        assert_eq!("007fff".parse(), Ok(hex));
        assert_eq!("007FFF".parse(), Ok(hex));
        for bad in ["", "007ff", "007fff0", "007fff00", "007ffg", "00 7ff", "+07fff", "\u{e9}7fff"]
        {
            assert_eq!(bad.parse::<Hex<3>>(), Err(NotHex(6)), "{bad}");
        }
    }
}
