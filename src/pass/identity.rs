//! The identity token: the host app's word on who a person is (R-WHO-2), a JWT under one of its keys.
//!
//! A key has one algorithm, fixed where the key is read: what a token's header says is compared with it and
//! never followed, so a public key can't be used as a secret and `none` opens nothing. Every instant is compared
//! with `now`; the library's own clock is never asked.

mod blank;
mod claims;

pub use claims::Material;

use super::keys::{KeyError, SHORTEST_KEY};
use crate::domain::{At, KeyedHash, PersonId, Refusal};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use claims::Claims;
use jsonwebtoken::{Algorithm, DecodingKey, crypto, decode_header};
use std::{fmt, sync::OnceLock};

/// A longer token is not looked at: eleven claims of 128 bytes at most, escaped and in base64, stay below it.
const MOST_BYTES: usize = 8_192;

/// Who a person is, in hashes (R-WHO-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The person: the ID number.
    pub person: PersonId,
    /// The host app's account.
    pub account: KeyedHash,
    /// The phone number.
    pub phone: KeyedHash,
    /// The bank card.
    pub card: KeyedHash,
    /// The device.
    pub device: KeyedHash,
}

/// The host app's keys, each under its `kid`, `host-<id>`.
#[derive(Clone, Default)]
pub struct IdentityKeys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: u8,
    kid: String,
    algorithm: Algorithm,
    verifier: DecodingKey,
    /// The header of a token that it signed, as it was written: a host app writes the same one each time.
    header: OnceLock<String>,
}

impl fmt::Debug for IdentityKeys {
    /// The names only, never a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|key| &key.kid)).finish()
    }
}

impl IdentityKeys {
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a secret for `HS256`.
    pub fn add_hs256(&mut self, id: u8, secret: &[u8]) -> Result<(), KeyError> {
        if secret.len() < SHORTEST_KEY {
            return Err(KeyError::TooShort);
        }
        self.add(id, Algorithm::HS256, DecodingKey::from_secret(secret))
    }

    /// Adds an Ed25519 public key for `EdDSA`: its 32 bytes.
    pub fn add_ed25519(&mut self, id: u8, public: &[u8]) -> Result<(), KeyError> {
        // The library would take the first 32 bytes of more, and stop the program at fewer.
        let public: &[u8; 32] = public.try_into().map_err(|_| KeyError::NotEd25519)?;
        let key = DecodingKey::from_ed_der(public);
        // An empty signature is false under a good key; only a bad key is an error.
        crypto::verify("", b"", &key, Algorithm::EdDSA).map_err(|_| KeyError::NotEd25519)?;
        self.add(id, Algorithm::EdDSA, key)
    }

    fn add(&mut self, id: u8, algorithm: Algorithm, verifier: DecodingKey) -> Result<(), KeyError> {
        if self.0.iter().any(|key| key.id == id) {
            return Err(KeyError::TwiceNamed(id));
        }
        let (kid, header) = (format!("host-{id}"), OnceLock::new());
        self.0.push(Key { id, kid, algorithm, verifier, header });
        Ok(())
    }

    /// What the host app says in `token` about the person who asks `campaign` for something at `now`.
    pub fn read(&self, token: Option<&str>, campaign: &str, now: At) -> Result<Material, Refusal> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::ChannelRequired)?;
        let text = self.claims(token).ok_or(Refusal::IdentityInvalid)?;
        let claims: Claims = serde_json::from_slice(&text).map_err(|_| Refusal::IdentityInvalid)?;
        claims.material(campaign, now)
    }

    /// The key that the header of `token` names, if it is to be used so.
    fn named(&self, token: &str) -> Option<&Key> {
        let header = decode_header(token).ok()?;
        // A critical extension must be understood or refused (RFC 7515, 4.1.11), and none is understood here.
        let kid = header.kid.filter(|_| header.crit.is_none())?;
        self.0.iter().find(|key| key.kid == kid && key.algorithm == header.alg)
    }

    /// The claims, as JSON, of a token that the key of its `kid` signed.
    fn claims(&self, token: &str) -> Option<Vec<u8>> {
        if token.len() > MOST_BYTES {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let known = self.0.iter().find(|key| key.header.get().is_some_and(|it| it == header));
        let key = known.or_else(|| self.named(token))?;
        let good = crypto::verify(signature, message.as_bytes(), &key.verifier, key.algorithm);
        good.ok().filter(|good| *good)?;
        if known.is_none() {
            // Another one may have been seen meanwhile; it is as good.
            let _ = key.header.set(header.to_owned());
        }
        BASE64_URL_SAFE_NO_PAD.decode(claims).ok()
    }
}

#[cfg(test)]
mod tests;
