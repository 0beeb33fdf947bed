//! Keys and tokens for tests: what the host app and the captcha service would sign.

use super::keys::Keys;
use super::{Hasher, IdentityKeys, Keyring};
use crate::domain::At;

pub(crate) const FIX: [u8; 32] = [3; 32];
pub(crate) const CAPTCHA: [u8; 32] = [4; 32];

pub(crate) fn keyring() -> Keyring {
    let keys = |key: [u8; 32]| Keys::new([(1, key.as_slice())]).unwrap();
    let mut identity = IdentityKeys::default();
    identity.add_hs256(1, &[5; 32]).unwrap();
    Keyring {
        staff: crate::decision::Staff::default(),
        terminals: std::collections::HashMap::new(),
        hasher: Hasher::new(&[1; 32]).unwrap(),
        pass: keys([2; 32]).into(),
        fix: keys(FIX).into(),
        proof: keys(CAPTCHA).into(),
        identity,
    }
}

/// The token of a body and its tail under key 1.
pub(crate) fn signed<const BODY: usize>(body: [u8; BODY], tail: &[u8], key: [u8; 32]) -> String {
    Keys::new([(1, key.as_slice())]).unwrap().seal(body, &[tail])
}

/// A good fix inside the county's city.
pub(crate) fn fix(taken_at: At, device: &str) -> String {
    fix_at(360_800_000, taken_at, device)
}

/// A fix at this latitude, in 1e-7 degrees.
pub(crate) fn fix_at(lat: i32, taken_at: At, device: &str) -> String {
    let mut body = [0; 24];
    body[..4].copy_from_slice(&[1, 1, 2, 0]);
    body[4..8].copy_from_slice(&lat.to_be_bytes());
    body[8..12].copy_from_slice(&1_115_200_000_i32.to_be_bytes());
    body[12..16].copy_from_slice(&200_u32.to_be_bytes());
    body[16..].copy_from_slice(&taken_at.0.to_be_bytes());
    signed(body, device.as_bytes(), FIX)
}
