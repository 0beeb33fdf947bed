//! A position fix as the host app sends it: signed over its bytes and the device id.
//!
//! The token is base64url without padding of 56 bytes, all numbers big-endian:
//!
//! | bytes  | what                                                                     |
//! |--------|--------------------------------------------------------------------------|
//! | 0      | version, 1                                                               |
//! | 1      | key id                                                                   |
//! | 2      | datum: 1 WGS-84, 2 GCJ-02                                                |
//! | 3      | flags: bit 0 mock; the others are 0                                      |
//! | 4..8   | latitude, `i32`, 1e-7 degree                                             |
//! | 8..12  | longitude, `i32`, 1e-7 degree                                            |
//! | 12..16 | accuracy, `u32`, decimetres                                              |
//! | 16..24 | taken at, `i64`, Unix milliseconds                                       |
//! | 24..56 | HMAC-SHA-256 under the key of that id, of the 24 bytes and the device id |
//!
//! The device id is signed but not carried, so a fix copied to another device fails (R-RISK-2). Reading a token
//! allocates nothing.

use super::keys::{Keys, chars};
use crate::domain::fence::{Datum, Fix, Position};
use crate::domain::{At, Refusal};

const VERSION: u8 = 1;
const MOCK: u8 = 1;
const BODY: usize = 24;

/// Characters of a token: base64url of 56 bytes without padding.
pub const TOKEN_CHARS: usize = chars(BODY);

/// The keys that the host app signs fixes with.
#[derive(Clone, Debug)]
pub struct FixKeys(Keys);

impl From<Keys> for FixKeys {
    fn from(keys: Keys) -> FixKeys {
        FixKeys(keys)
    }
}

impl FixKeys {
    /// The fix in `token`, if the host app signed it for `device`; otherwise `position_unsigned`.
    ///
    /// Whether the fix is good enough is for [`crate::domain::fence::verdict`] to say. A blank device has no fix.
    pub fn read(&self, token: &str, device: &[u8]) -> Result<Fix, Refusal> {
        if device.is_empty() {
            return Err(Refusal::PositionUnsigned);
        }
        let body = self.0.open(token, &[device]);
        body.and_then(|body| fix_of(&body)).ok_or(Refusal::PositionUnsigned)
    }
}

/// The fix in a body whose signature held.
fn fix_of(body: &[u8; BODY]) -> Option<Fix> {
    let ([version, _, datum, flags], rest) = body.split_first_chunk()?;
    let (lat, rest) = rest.split_first_chunk()?;
    let (lon, rest) = rest.split_first_chunk()?;
    let (accuracy, taken_at) = rest.split_first_chunk()?;
    if *version != VERSION || flags & !MOCK != 0 {
        return None;
    }
    let datum = match datum {
        1 => Datum::Wgs84,
        2 => Datum::Gcj02,
        _ => return None,
    };
    Some(Fix {
        position: Position { lat: degrees(*lat), lon: degrees(*lon), datum },
        accuracy_dm: u32::from_be_bytes(*accuracy),
        taken_at: At(i64::from_be_bytes(taken_at.try_into().ok()?)),
        mock: flags & MOCK != 0,
    })
}

#[expect(clippy::float_arithmetic, reason = "the token has whole 1e-7 degrees, the fence degrees")]
fn degrees(bytes: [u8; 4]) -> f64 {
    f64::from(i32::from_be_bytes(bytes)) / 1e7
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    const KEY: [u8; 32] = [7; 32];
    const DEVICE: &[u8] = b"device-1";

    fn keys() -> FixKeys {
        Keys::new([(3, KEY.as_slice()), (4, [8; 32].as_slice())]).unwrap().into()
    }

    fn body() -> [u8; BODY] {
        let mut body = [0; BODY];
        body[..4].copy_from_slice(&[1, 3, 2, 0]);
        body[4..8].copy_from_slice(&360_800_000_i32.to_be_bytes());
        body[8..12].copy_from_slice(&1_115_200_000_i32.to_be_bytes());
        body[12..16].copy_from_slice(&200_u32.to_be_bytes());
        body[16..].copy_from_slice(&1_693_533_600_000_i64.to_be_bytes());
        body
    }

    fn signed(body: [u8; BODY]) -> Vec<u8> {
        let mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
        let tag = mac.chain_update(body).chain_update(DEVICE).finalize().into_bytes();
        [body.as_slice(), tag.as_slice()].concat()
    }

    fn read(bytes: &[u8]) -> Result<Fix, Refusal> {
        keys().read(&URL_SAFE_NO_PAD.encode(bytes), DEVICE)
    }

    const NO: Result<Fix, Refusal> = Err(Refusal::PositionUnsigned);

    #[test]
    fn r_risk_2_a_signed_fix_is_read_as_it_was_written() {
        let position = Position { lat: 36.08, lon: 111.52, datum: Datum::Gcj02 };
        let taken_at = At(1_693_533_600_000);
        let fix = Fix { position, accuracy_dm: 200, taken_at, mock: false };
        assert_eq!(URL_SAFE_NO_PAD.encode(signed(body())).len(), TOKEN_CHARS);
        assert_eq!(read(&signed(body())), Ok(fix));

        let mut other = body();
        (other[2], other[3]) = (1, 1);
        other[4..8].copy_from_slice(&(-1_i32).to_be_bytes());
        let position = Position { lat: -1e-7, datum: Datum::Wgs84, ..position };
        assert_eq!(read(&signed(other)), Ok(Fix { position, mock: true, ..fix }));
    }

    #[test]
    fn r_risk_2_a_token_made_by_another_program_is_read() {
        // Python: struct.pack(">BBBBiiIq", ...), hmac and base64 of the standard library.
        let token = "AQMCABWBXwBCeJoAAAAAyAAAAYpOd_kAKR0DEWXTIzYuc_QoFlxA9ioeMhlHbABqPbzAz0DS45Y";
        assert_eq!(keys().read(token, DEVICE), read(&signed(body())));
        assert!(keys().read(token, DEVICE).is_ok());
    }

    #[test]
    fn r_risk_2_a_fix_copied_to_another_device_is_unsigned() {
        let token = URL_SAFE_NO_PAD.encode(signed(body()));
        for device in [b"device-2".as_slice(), b"device-", b"device-10", b""] {
            assert_eq!(keys().read(&token, device), NO);
        }
    }

    #[test]
    fn r_risk_2_no_byte_can_be_altered() {
        let good = signed(body());
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(read(&bad), NO, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn r_risk_2_no_other_length_or_alphabet_is_read() {
        let good = signed(body());
        for length in 0..good.len() {
            assert_eq!(read(&good[..length]), NO, "{length} bytes");
        }
        assert_eq!(read(&[good.as_slice(), &[0]].concat()), NO);
        let token = URL_SAFE_NO_PAD.encode(&good);
        for bad in [format!("{token}="), format!(" {}", &token[1..]), format!("+{}", &token[1..])] {
            assert_eq!(keys().read(&bad, DEVICE), NO);
        }
        let strange = "é".repeat(37) + "A";
        assert_eq!((strange.len(), keys().read(&strange, DEVICE)), (TOKEN_CHARS, NO));
    }

    #[test]
    fn r_risk_2_only_the_named_key_opens_it() {
        for key_id in [0, 4, 5, 255] {
            let mut other = body();
            other[1] = key_id;
            assert_eq!(read(&signed(other)), NO, "key {key_id}");
        }
    }

    #[test]
    fn r_risk_2_a_signed_fix_of_another_layout_is_not_guessed_at() {
        for (at, value) in [(0, 0), (0, 2), (2, 0), (2, 3), (3, 2), (3, 129)] {
            let mut other = body();
            other[at] = value;
            assert_eq!(read(&signed(other)), NO, "byte {at} is {value}");
        }
    }
}
