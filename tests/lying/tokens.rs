//! Tokens as ARCHITECTURE.md draws them, read and made without any key.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use quan::domain::{At, IdentifierKind, KeyedHash, KindSet, PassNonce, PersonId, ProofId, RoundNo};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Who somebody says to be.
pub(crate) struct Identity {
    pub(crate) person: PersonId,
    pub(crate) identifiers: [(IdentifierKind, KeyedHash); 4],
}

/// The claims of an identity token, taken at their word.
pub(crate) fn identity(token: &str) -> Option<Identity> {
    let claims = BASE64.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let hash = |name: &str| Some(hash(&[name.as_bytes(), claims.get(name)?.as_str()?.as_bytes()]));
    Some(Identity {
        person: PersonId(hash("idn")?),
        identifiers: [
            (IdentifierKind::Account, KeyedHash(hash("acc")?)),
            (IdentifierKind::Phone, KeyedHash(hash("tel")?)),
            (IdentifierKind::Card, KeyedHash(hash("crd")?)),
            (IdentifierKind::Device, KeyedHash(hash("dev")?)),
        ],
    })
}

/// The id inside a captcha proof.
pub(crate) fn proof(token: &str) -> Option<ProofId> {
    let bytes = BASE64.decode(token).ok()?;
    Some(ProofId(bytes.get(12..28)?.try_into().ok()?))
}

/// What a pass carries for this server.
#[derive(Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) round: RoundNo,
    pub(crate) kinds: KindSet,
    pub(crate) expires_at: At,
    pub(crate) nonce: PassNonce,
    pub(crate) person: PersonId,
}

impl Pass {
    /// The nonce of this person's pass by these proofs.
    pub(crate) fn nonce(person: PersonId, round: RoundNo, proofs: [ProofId; 2]) -> PassNonce {
        let [slider, image] = proofs;
        PassNonce(hash(&[&person.0, &[round.0], &slider.0, &image.0]))
    }

    pub(crate) fn write(self) -> String {
        // Version 1, key 1, campaign 0.
        let mut bytes = vec![1, 1, 0, 0, self.round.0];
        bytes.extend(self.kinds.0.to_be_bytes());
        bytes.extend(self.expires_at.0.to_be_bytes());
        bytes.extend(self.nonce.0);
        bytes.extend(self.person.0);
        // No device and no tag: it never looks at them.
        bytes.resize(97, 0);
        BASE64.encode(bytes)
    }

    pub(crate) fn read(token: &str) -> Option<Pass> {
        let bytes = BASE64.decode(token).ok()?;
        Some(Pass {
            round: RoundNo(*bytes.get(4)?),
            kinds: KindSet(u32::from_be_bytes(bytes.get(5..9)?.try_into().ok()?)),
            expires_at: At(i64::from_be_bytes(bytes.get(9..17)?.try_into().ok()?)),
            nonce: PassNonce(bytes.get(17..33)?.try_into().ok()?),
            person: PersonId(bytes.get(33..49)?.try_into().ok()?),
        })
    }
}

/// A person's identity token, signed by nobody.
pub(crate) fn identity_of(who: usize) -> String {
    let claims = serde_json::json!({
        "iss": "host", "aud": "quan", "real_name": true,
        "acc": format!("acc-{who}"), "idn": format!("idn-{who}"), "tel": format!("tel-{who}"),
        "crd": format!("crd-{who}"), "dev": format!("dev-{who}"),
    });
    format!("e30.{}.", BASE64.encode(claims.to_string()))
}

/// A proof of this captcha for this person, signed by nobody.
pub(crate) fn proof_of(captcha: u8, who: usize) -> String {
    let mut bytes = vec![1, 1, captcha, 1];
    bytes.resize(12, 0);
    bytes.extend(hash(&[&[captcha], &who.to_be_bytes()]));
    bytes.resize(60, 0);
    BASE64.encode(bytes)
}

fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let all: [u8; 32] = hash.finalize().into();
    let (first, _) = all.split_first_chunk().expect("32 bytes hold 16");
    *first
}
