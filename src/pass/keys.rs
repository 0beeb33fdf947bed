//! Keys: several of a use, each under its id, so that a key can be changed in a running round.
//!
//! A fix, a proof and a pass are built alike: a body whose byte 1 is the key's id, then the HMAC-SHA-256 of the
//! body and of a tail that is signed but not carried. How such a token is opened and sealed stands here, once.
//! Nothing here shows a key: `Debug` tells the ids.

mod folder;

pub use folder::{
    Keyring, TerminalKeys, read_key, staff_in, write_fresh, write_key, write_terminal_key,
};

use crate::domain::{CampaignNo, KeyedHash, PassNonce, PersonId, ProofId, RoundNo};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

const TAG: usize = 32;
/// Room for the longest token, the pass of 97 bytes: the decoder counts its need in whole groups of three.
const ROOM: usize = 99;
/// The shortest key taken, in bytes: the width of the hash.
pub(super) const SHORTEST_KEY: usize = 32;

/// Characters of a token with a body of `body` bytes: base64url without padding.
pub(super) const fn chars(body: usize) -> usize {
    ((body + TAG) * 4).div_ceil(3)
}

/// The keys of one use. The one with the highest id seals; all of them open.
#[derive(Clone)]
pub struct Keys {
    newest: u8,
    keys: Vec<(u8, Hmac<Sha256>)>,
}

/// Why a set of keys is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A key has fewer than 32 bytes.
    TooShort,
    /// Two keys have this id.
    TwiceNamed(u8),
    /// There is no key.
    None,
    /// The bytes are no Ed25519 public key.
    NotEd25519,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::TooShort => write!(f, "the key is shorter than {SHORTEST_KEY} bytes"),
            KeyError::TwiceNamed(id) => write!(f, "two keys have the id {id}"),
            KeyError::None => f.write_str("there is no key"),
            KeyError::NotEd25519 => f.write_str("the key is not an Ed25519 public key of 32 bytes"),
        }
    }
}

impl std::error::Error for KeyError {}

impl fmt::Debug for Keys {
    /// The ids only, never a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl Keys {
    /// These keys, each with its id.
    pub fn new<'a>(given: impl IntoIterator<Item = (u8, &'a [u8])>) -> Result<Keys, KeyError> {
        let mut keys: Vec<(u8, Hmac<Sha256>)> = Vec::new();
        for (id, key) in given {
            if keys.iter().any(|(other, _)| *other == id) {
                return Err(KeyError::TwiceNamed(id));
            }
            keys.push((id, mac(key)?));
        }
        let newest = keys.iter().map(|(id, _)| *id).max().ok_or(KeyError::None)?;
        Ok(Keys { newest, keys })
    }

    /// The body of `token` if one of these keys signed it and `tail`. Allocates nothing.
    pub(super) fn open<const BODY: usize>(
        &self,
        token: &str,
        tail: &[&[u8]],
    ) -> Option<[u8; BODY]> {
        if token.len() != chars(BODY) {
            return None;
        }
        let mut bytes = [0; ROOM];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        let (body, tag) = bytes.get(..length)?.split_first_chunk::<BODY>()?;
        // `verify_slice` takes the same time wherever the tags differ, and refuses a tag of another length.
        self.signing(*body.get(1)?, body, tail)?.verify_slice(tag).ok()?;
        Some(*body)
    }

    /// The token of `body` and `tail`; the newest key's id is written into byte 1.
    pub(super) fn seal<const BODY: usize>(&self, mut body: [u8; BODY], tail: &[&[u8]]) -> String {
        if let Some(key_id) = body.get_mut(1) {
            *key_id = self.newest;
        }
        let mac =
            self.signing(self.newest, &body, tail).expect("the newest key is one of the keys");
        let mut token = String::with_capacity(chars(BODY));
        let bytes = [body.as_slice(), mac.finalize().into_bytes().as_slice()].concat();
        URL_SAFE_NO_PAD.encode_string(bytes, &mut token);
        token
    }

    /// The id of the key that seals.
    pub(crate) fn newest(&self) -> u8 {
        self.newest
    }

    /// The tag of these bytes under the key of that id, to be compared or told.
    pub(crate) fn signing(&self, key_id: u8, body: &[u8], tail: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let (_, key) = self.keys.iter().find(|(id, _)| *id == key_id)?;
        let begun = key.clone().chain_update(body);
        Some(tail.iter().fold(begun, Mac::chain_update))
    }
}

/// What makes keyed hashes of the material a person is known by (R-WHO-2): the material itself is never kept.
#[derive(Clone)]
pub struct Hasher(Hmac<Sha256>);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(..)")
    }
}

impl Hasher {
    /// Hashes under `key`.
    pub fn new(key: &[u8]) -> Result<Hasher, KeyError> {
        Ok(Hasher(mac(key)?))
    }

    /// Who has this ID number. Its check letter may be written small: it is the same number (R-WHO-3).
    pub fn person(&self, id_number: &str) -> PersonId {
        PersonId(self.hash("person", &[id_number.to_ascii_uppercase().as_bytes()]))
    }

    /// The hash of an account.
    pub fn account(&self, account: &str) -> KeyedHash {
        KeyedHash(self.hash("account", &[account.as_bytes()]))
    }

    /// The hash of a phone number.
    pub fn phone(&self, phone: &str) -> KeyedHash {
        KeyedHash(self.hash("phone", &[phone.as_bytes()]))
    }

    /// The hash of a bank card's number.
    pub fn card(&self, card: &str) -> KeyedHash {
        KeyedHash(self.hash("card", &[card.as_bytes()]))
    }

    /// The hash of a device id.
    pub fn device(&self, device: &str) -> KeyedHash {
        KeyedHash(self.hash("device", &[device.as_bytes()]))
    }

    /// The nonce of the pass that these proofs give this person: the same again when a lost answer is asked for.
    pub fn nonce(
        &self,
        campaign: CampaignNo,
        round: RoundNo,
        person: PersonId,
        [slider, image]: [ProofId; 2],
    ) -> PassNonce {
        let (campaign, round) = (campaign.0.to_be_bytes(), [round.0]);
        PassNonce(self.hash("pass", &[&campaign, &round, &person.0, &slider.0, &image.0]))
    }

    /// A label, a zero byte and the text, so that no two uses share a hash.
    fn hash(&self, label: &str, parts: &[&[u8]]) -> [u8; 16] {
        let begun = self.0.clone().chain_update(label).chain_update([0]);
        let mac = parts.iter().fold(begun, Mac::chain_update);
        let whole: [u8; TAG] = mac.finalize().into_bytes().into();
        let [half, _] = *whole.as_chunks().0 else { unreachable!("32 bytes are twice 16") };
        half
    }
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, KeyError> {
    if key.len() < SHORTEST_KEY {
        return Err(KeyError::TooShort);
    }
    Hmac::new_from_slice(key).map_err(|_| KeyError::TooShort)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn r_risk_2_weak_ambiguous_or_no_keys_are_refused_and_no_key_is_shown() {
        let why = |keys: &[(u8, &[u8])]| Keys::new(keys.iter().copied()).unwrap_err();
        assert_eq!(why(&[(1, &[7; 31])]), KeyError::TooShort);
        assert_eq!(why(&[(1, &KEY), (1, &KEY)]), KeyError::TwiceNamed(1));
        assert_eq!(why(&[]), KeyError::None);
        assert_eq!(Hasher::new(&[7; 31]).unwrap_err(), KeyError::TooShort);
        let keys = Keys::new([(3, KEY.as_slice()), (4, KEY.as_slice())]).unwrap();
        assert_eq!(format!("{keys:?}"), "{3, 4}");
        assert_eq!(format!("{:?}", Hasher::new(&KEY).unwrap()), "Hasher(..)");
    }

    #[test]
    fn the_newest_key_seals_and_every_key_opens() {
        let old = Keys::new([(1, KEY.as_slice())]).unwrap();
        let both = Keys::new([(2, [8; 32].as_slice()), (1, KEY.as_slice())]).unwrap();
        let token = old.seal([9_u8; 24], &[b"tail"]);
        assert_eq!(both.open::<24>(&token, &[b"tail"]).unwrap()[..3], [9, 1, 9]);
        let token = both.seal([9_u8; 24], &[b"tail"]);
        assert_eq!(both.open::<24>(&token, &[b"ta", b"il"]).unwrap()[..3], [9, 2, 9]);
        assert_eq!(old.open::<24>(&token, &[b"tail"]), None);
        assert_eq!(both.open::<24>(&token, &[b"tale"]), None);
        assert_eq!(both.open::<25>(&token, &[b"tail"]), None);
    }

    #[test]
    fn r_who_2_the_hashes_are_those_another_program_makes() {
        // Python: hmac.new(bytes([7] * 32), b"device\0device-1", "sha256").digest()[:16]
        let hasher = Hasher::new(&KEY).unwrap();
        let hex = |hash: [u8; 16]| hash.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(hasher.device("device-1").0), "fba322f79ddda1192dc0bf8149938fee");
        assert_eq!(hex(hasher.person("11010119900101123x").0), "fa2b89502d0734d5e9f11225d52407e2");
        assert_eq!(hasher.person("11010119900101123x"), hasher.person("11010119900101123X"));
    }

    #[test]
    fn r_who_2_the_same_text_has_another_hash_under_every_label() {
        let hasher = Hasher::new(&KEY).unwrap();
        let text = "1";
        let mut all = vec![hasher.person(text).0, hasher.account(text).0, hasher.phone(text).0];
        all.extend([hasher.card(text).0, hasher.device(text).0]);
        all.extend([hasher.account("").0, hasher.account("0").0]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
    }

    #[test]
    fn r_risk_1_a_nonce_is_of_all_it_is_made_from() {
        let hasher = Hasher::new(&KEY).unwrap();
        let (person, a, b) = (PersonId([1; 16]), ProofId([2; 16]), ProofId([3; 16]));
        let nonce = |campaign, round, person, proofs| {
            hasher.nonce(CampaignNo(campaign), RoundNo(round), person, proofs)
        };
        let first = nonce(1, 2, person, [a, b]);
        assert_eq!(nonce(1, 2, person, [a, b]), first);
        for other in [
            nonce(2, 2, person, [a, b]),
            nonce(1, 3, person, [a, b]),
            nonce(1, 2, PersonId([9; 16]), [a, b]),
            nonce(1, 2, person, [b, a]),
            nonce(1, 2, person, [a, a]),
        ] {
            assert_ne!(other, first);
        }
    }
}
