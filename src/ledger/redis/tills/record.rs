//! What Redis keeps of a payment code, in bytes. Numbers are little-endian.
//!
//! | key      | bytes                                                                                      |
//! |----------|--------------------------------------------------------------------------------------------|
//! | `code:`  | `p` and the person, 16; or `o`, the redemption that took it, 16, and its request, 8         |
//! | `shown:` | the code's digest, 16; made at, 8; epoch, 8; device, 16; and where it was, if that is known: |
//! |          | latitude and longitude, `f64` each; datum, 1; accuracy, 4; taken at, 8; mock, 1             |

use crate::code::{Code, ForOrder, Holder, Live};
use crate::domain::fence::{Datum, Fix, Position};
use crate::domain::{At, KeyedHash, PersonId, RedemptionId};
use sha2::{Digest, Sha256};

/// What a code is called in Redis.
pub(super) fn digest(code: Code) -> [u8; 16] {
    let mut digest = [0; 16];
    let whole = Sha256::new().chain_update(b"quan payment code").chain_update(code.to_string());
    digest.iter_mut().zip(whole.finalize()).for_each(|(to, from)| *to = from);
    digest
}

/// What a code leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LeadsTo {
    /// A person, who may have a later one.
    Person(PersonId),
    /// The order that took it.
    Order(ForOrder),
}

impl LeadsTo {
    pub(super) fn write(self) -> Vec<u8> {
        match self {
            LeadsTo::Person(person) => [b"p".as_slice(), &person.0].concat(),
            LeadsTo::Order(ForOrder { redemption, request }) => {
                [b"o".as_slice(), &redemption.0, &request].concat()
            }
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Option<LeadsTo> {
        match bytes.split_first()? {
            (b'p', person) => Some(LeadsTo::Person(PersonId(person.try_into().ok()?))),
            (b'o', order) => {
                let (redemption, request) = order.split_first_chunk()?;
                let (redemption, request) = (RedemptionId(*redemption), request.try_into().ok()?);
                Some(LeadsTo::Order(ForOrder { redemption, request }))
            }
            _ => None,
        }
    }
}

/// The code that a person has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    /// The epoch of the shard in which it was made.
    pub(super) epoch: u64,
    /// The code.
    pub(super) live: Live,
}

impl Shown {
    /// Begins with the code's digest.
    pub(super) fn write(&self) -> Vec<u8> {
        let Live { code, made_at, holder } = self.live;
        let mut bytes = digest(code).to_vec();
        bytes.extend(made_at.0.to_le_bytes());
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(holder.device.0);
        if let Some(fix) = holder.fix {
            bytes.extend(fix.position.lat.to_le_bytes());
            bytes.extend(fix.position.lon.to_le_bytes());
            bytes.push(match fix.position.datum {
                Datum::Wgs84 => 1,
                Datum::Gcj02 => 2,
            });
            bytes.extend(fix.accuracy_dm.to_le_bytes());
            bytes.extend(fix.taken_at.0.to_le_bytes());
            bytes.push(u8::from(fix.mock));
        }
        bytes
    }

    /// What was written of `code`, which led to `person`.
    pub(super) fn read(bytes: &[u8], code: Code, person: PersonId) -> Option<Shown> {
        let (named, rest) = bytes.split_first_chunk()?;
        let (made_at, rest) = rest.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (device, rest) = rest.split_first_chunk()?;
        let fix = if rest.is_empty() { None } else { Some(fix_of(rest)?) };
        let holder = Holder { person, device: KeyedHash(*device), fix };
        let live = Live { code, made_at: At(i64::from_le_bytes(*made_at)), holder };
        (*named == digest(code)).then_some(Shown { epoch: u64::from_le_bytes(*epoch), live })
    }
}

fn fix_of(bytes: &[u8]) -> Option<Fix> {
    let (lat, rest) = bytes.split_first_chunk()?;
    let (lon, rest) = rest.split_first_chunk()?;
    let ([datum], rest) = rest.split_first_chunk()?;
    let (accuracy, rest) = rest.split_first_chunk()?;
    let (taken_at, mock) = rest.split_first_chunk()?;
    let datum = match datum {
        1 => Datum::Wgs84,
        2 => Datum::Gcj02,
        _ => return None,
    };
    let mock = match mock {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let position = Position { lat: f64::from_le_bytes(*lat), lon: f64::from_le_bytes(*lon), datum };
    let (accuracy_dm, taken_at) =
        (u32::from_le_bytes(*accuracy), At(i64::from_le_bytes(*taken_at)));
    Some(Fix { position, accuracy_dm, taken_at, mock })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::CodeShard;
    use proptest::prelude::*;

    fn code() -> Code {
        Code::draw(CodeShard::ALONE, &mut rand::rng())
    }

    proptest! {
        #[test]
        fn r_redeem_2_what_is_kept_of_a_code_is_read_back(
            person: [u8; 16], device: [u8; 16], made: i64, epoch: u64, request: [u8; 8],
            fix in prop::option::of((-90.0..90.0, -180.0..180.0, any::<bool>(), any::<u32>(), any::<i64>(), any::<bool>()))
        ) {
            let (code, person) = (code(), PersonId(person));
            let fix = fix.map(|(lat, lon, gps, accuracy_dm, taken, mock)| {
                let datum = if gps { Datum::Wgs84 } else { Datum::Gcj02 };
                let position = Position { lat, lon, datum };
                Fix { position, accuracy_dm, taken_at: At(taken), mock }
            });
            let holder = Holder { person, device: KeyedHash(device), fix };
            let shown = Shown { epoch, live: Live { code, made_at: At(made), holder } };
            prop_assert_eq!(Shown::read(&shown.write(), code, person), Some(shown));
            for to in [
                LeadsTo::Person(person),
                LeadsTo::Order(ForOrder { redemption: RedemptionId(device), request }),
            ] {
                prop_assert_eq!(LeadsTo::read(&to.write()), Some(to));
            }
        }

        #[test]
        fn r_redeem_2_no_bytes_stop_the_reading(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let _ = LeadsTo::read(&bytes);
            prop_assert_eq!(Shown::read(&bytes, code(), PersonId([0; 16])), None);
        }
    }

    #[test]
    fn r_redeem_2_redis_sees_no_code() {
        let (code, person) = (code(), PersonId([1; 16]));
        let holder = Holder { person, device: KeyedHash([2; 16]), fix: None };
        let shown = Shown { epoch: 1, live: Live { code, made_at: At(0), holder } };
        let text = code.to_string();
        let kept = String::from_utf8_lossy(&shown.write()).into_owned();
        assert!(!kept.contains(&text[4..18]), "{kept}");
        assert_eq!(Shown::read(&shown.write(), super::tests::code(), person), None, "another's");
    }
}
