//! The `Authorization` header of a till's request, as text.

use crate::domain::{At, TerminalId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{fmt, str::FromStr};

/// What the header begins with.
pub const SCHEME: &str = "Quan-Terminal";
/// Characters of a header at most.
const LONGEST: usize = 256;
/// Bytes that the longest text is at most.
const ROOM: usize = LONGEST / 4 * 3;
/// The names of what it has.
const NAMES: [&str; 5] = ["id", "key", "at", "nonce", "mac"];

/// Who says that it sent a request, and how it shows that. Whether it is so, [`super::Terminals::hear`] says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub(super) terminal: TerminalId,
    pub(super) key: u8,
    pub(super) at: At,
    pub(super) nonce: [u8; 16],
    pub(super) mac: [u8; 32],
}

/// Why a text is no such header. To a till it is `signature_invalid`; whoever builds one wants to know more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAHeader {
    /// It is longer than any.
    #[error("longer than {LONGEST} characters")]
    TooLong,
    /// It is of another scheme.
    #[error("does not begin with {SCHEME} and a space")]
    Scheme,
    /// A part of it is no `name=value` of a known name.
    #[error("has parts other than id=, key=, at=, nonce= and mac=")]
    Unknown,
    /// A part is there twice.
    #[error("has {0} twice")]
    Twice(&'static str),
    /// A part is not there.
    #[error("has no {0}")]
    Missing(&'static str),
    /// A part can't be what it should.
    #[error("its {0} is malformed")]
    Malformed(&'static str),
}

impl Header {
    /// The terminal that it names.
    pub fn terminal(&self) -> TerminalId {
        self.terminal
    }

    /// Its nonce.
    pub fn nonce(&self) -> [u8; 16] {
        self.nonce
    }

    /// The nonce as it stands in the header.
    pub(super) fn nonce_text(&self) -> NonceText {
        let mut text = NonceText::default();
        let length = URL_SAFE_NO_PAD.encode_slice(self.nonce, &mut text);
        debug_assert_eq!(length, Ok(text.len()), "16 bytes are 22 characters");
        text
    }
}

/// 16 bytes in base64url without padding.
pub(super) type NonceText = [u8; 22];

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}, key {}, {:?}, ..)", self.terminal, self.key, self.at)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { terminal, key, at, nonce, mac } = self;
        let (nonce, mac) = (URL_SAFE_NO_PAD.encode(nonce), URL_SAFE_NO_PAD.encode(mac));
        write!(f, "{SCHEME} id={terminal}, key={key}, at={}, nonce={nonce}, mac={mac}", at.0)
    }
}

impl FromStr for Header {
    type Err = NotAHeader;

    /// Reads the header's value. Its parts come in any order; of each there is one spelling only, so what is signed
    /// is what was sent.
    fn from_str(text: &str) -> Result<Header, NotAHeader> {
        if text.len() > LONGEST {
            return Err(NotAHeader::TooLong);
        }
        let (scheme, rest) = text.split_once(' ').ok_or(NotAHeader::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(NotAHeader::Scheme);
        }
        let mut values: [Option<&str>; NAMES.len()] = [None; NAMES.len()];
        for part in rest.split(',') {
            let (name, value) =
                part.trim_matches([' ', '\t']).split_once('=').ok_or(NotAHeader::Unknown)?;
            let mut places = NAMES.iter().zip(&mut values);
            let (name, place) = places.find(|(it, _)| **it == name).ok_or(NotAHeader::Unknown)?;
            if place.replace(value).is_some() {
                return Err(NotAHeader::Twice(name));
            }
        }
        let [id, key, at, nonce, mac] = values;
        Ok(Header {
            terminal: read("id", id, |it| it.parse().ok())?,
            key: read("key", key, number)?,
            at: At(read("at", at, number)?),
            nonce: read("nonce", nonce, bytes)?,
            mac: read("mac", mac, bytes)?,
        })
    }
}

fn read<T>(
    name: &'static str,
    value: Option<&str>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, NotAHeader> {
    read(value.ok_or(NotAHeader::Missing(name))?).ok_or(NotAHeader::Malformed(name))
}

/// The number that digits are, without a sign or zeros in front.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let plain =
        text.bytes().all(|it| it.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// So many bytes in base64url without padding; bits that no byte takes must be zero.
fn bytes<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    // Base64 wants room for what it decodes at once, which may be more than there is in the end.
    let mut room = [0; ROOM];
    let read = URL_SAFE_NO_PAD.decode_slice(text, &mut room).ok()?;
    room.get(..read)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "Quan-Terminal id=T-0001, key=1, at=1693533600000, nonce=AAECAwQFBgcICQoLDA0ODw, mac=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn header() -> Header {
        let nonce = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let terminal = "T-0001".parse().unwrap();
        Header { terminal, key: 1, at: At(1_693_533_600_000), nonce, mac: [1; 32] }
    }

    #[test]
    fn a_header_is_read_as_it_is_written_and_in_any_order() {
        assert_eq!(header().to_string(), GOOD);
        assert_eq!(GOOD.parse(), Ok(header()));
        let mut parts: Vec<&str> = GOOD.split_once(' ').unwrap().1.split(", ").collect();
        parts.reverse();
        assert_eq!(format!("quan-terminal \t{}", parts.join("\t,")).parse(), Ok(header()));
    }

    #[test]
    fn what_is_no_header_is_told_why() {
        let no = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            GOOD.replace(from, to).parse::<Header>().unwrap_err()
        };
        assert_eq!("".parse::<Header>(), Err(NotAHeader::Scheme));
        assert_eq!(no("Quan-Terminal", "Bearer"), NotAHeader::Scheme);
        assert_eq!(no("Quan-Terminal ", "Quan-Terminal"), NotAHeader::Scheme);
        assert_eq!(no("id=", "ID="), NotAHeader::Unknown);
        assert_eq!(no("key=1", "key"), NotAHeader::Unknown);
        assert_eq!(no("key=1, ", "key=1, , "), NotAHeader::Unknown);
        assert_eq!(no("key=1, ", "key=1, key=1, "), NotAHeader::Twice("key"));
        for name in NAMES {
            let part =
                GOOD.split([' ', ',']).find(|it| it.starts_with(&format!("{name}="))).unwrap();
            let without = format!("{GOOD},").replace(&format!("{part},"), "");
            let without = without.trim_end_matches([',', ' ']);
            assert_eq!(without.parse::<Header>(), Err(NotAHeader::Missing(name)), "{without}");
        }
        for (from, to, name) in [
            ("T-0001", "T 1", "id"),
            ("T-0001", "", "id"),
            ("key=1", "key=256", "key"),
            ("key=1", "key=01", "key"),
            ("key=1", "key=+1", "key"),
            ("at=1", "at=-1", "at"),
            ("at=1", "at=01", "at"),
            ("at=1", "at=99999999", "at"),
            ("ODw,", "ODx,", "nonce"),
            ("ODw,", "ODw==,", "nonce"),
            ("ODw,", "ODwA,", "nonce"),
            ("AQE", "AQ+", "mac"),
            ("mac=AQEB", "mac=", "mac"),
        ] {
            assert_eq!(no(from, to), NotAHeader::Malformed(name), "{from} -> {to}");
        }
        assert_eq!(no("id=", &format!("{}id=", " ".repeat(200))), NotAHeader::TooLong);
    }

    #[test]
    fn a_log_shows_neither_nonce_nor_mac() {
        assert_eq!(
            format!("{:?}", header()),
            "Header(T-0001, key 1, 2023-09-01T02:00:00.000Z, ..)"
        );
    }

    proptest! {
        #[test]
        fn every_header_is_read_back(
            id in "[A-Za-z0-9-]{1,32}", key: u8, at in 0..=i64::MAX, nonce: [u8; 16], mac: [u8; 32]
        ) {
            let header = Header { terminal: id.parse().unwrap(), key, at: At(at), nonce, mac };
            prop_assert_eq!(header.to_string().parse(), Ok(header));
        }

        #[test]
        fn no_text_stops_the_reading(text in ".{0,300}", rest in "[a-z=, 0-9]{0,100}") {
            let _ = text.parse::<Header>();
            let rest = format!("Quan-Terminal {rest}").parse::<Header>();
            prop_assert!(rest.is_err(), "{:?}", rest);
        }
    }
}
