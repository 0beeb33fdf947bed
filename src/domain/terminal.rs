//! The name of a till.

use std::{fmt, str::FromStr};

/// Characters of a terminal's id at most.
const LONGEST: usize = 32;

/// A terminal's id: 1 to 32 letters, digits and hyphens, as `T-0001`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalId([u8; LONGEST]);

/// The text is no terminal's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to {LONGEST} letters, digits and hyphens")]
pub struct NotATerminal;

impl TerminalId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        let text = str::from_utf8(&self.0).unwrap_or_default();
        text.trim_end_matches('\0')
    }
}

impl FromStr for TerminalId {
    type Err = NotATerminal;

    fn from_str(text: &str) -> Result<TerminalId, NotATerminal> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(plain) {
            return Err(NotATerminal);
        }
        let mut id = [0; LONGEST];
        id.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Ok(TerminalId(id))
    }
}

impl fmt::Display for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TerminalId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminals_id_is_read_as_it_is_written() {
        for text in ["T", "T-0001", "-", &"x".repeat(LONGEST)] {
            assert_eq!(text.parse::<TerminalId>().unwrap().to_string(), text);
        }
        for text in ["", "T 1", "T\0", "T_1", "终端", &"x".repeat(LONGEST + 1)] {
            assert_eq!(text.parse::<TerminalId>(), Err(NotATerminal), "{text}");
        }
    }
}
