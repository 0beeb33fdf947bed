//! The tills of shops, and how they sign, written from the contract alone.

use crate::keys;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::Path;

/// What every signature begins with.
const LABEL: &[u8] = b"quan terminal 1";

/// A till, as its maker knows it; its key is `terminal-ID-1.key` in the keys folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Till {
    /// Its id.
    pub id: String,
    /// The number of the merchant that it speaks for.
    pub merchant: u32,
    /// The pools whose coupons it takes.
    pub pools: Vec<String>,
    /// Whether it is where the people are.
    pub near: bool,
}

/// A till with its key.
pub(crate) struct Signer {
    pub(crate) till: Till,
    key: Hmac<Sha256>,
}

impl fmt::Debug for Signer {
    /// No key is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.till.fmt(f)
    }
}

/// What is signed of a request, beside what names the till.
#[derive(Clone, Copy)]
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) at_ms: i64,
    pub(crate) nonce: [u8; 16],
}

impl Signer {
    /// The till with its key from `folder`.
    pub(crate) fn of(folder: &Path, till: Till) -> anyhow::Result<Signer> {
        let key = keys::secret(folder, &format!("terminal-{}-1.key", till.id))?;
        Ok(Signer { key: Hmac::new_from_slice(&key)?, till })
    }

    /// The value of the header that says who asks.
    pub(crate) fn sign(&self, it: Unsigned<'_>) -> String {
        let (id, at) = (&self.till.id, it.at_ms.to_string());
        let nonce = URL_SAFE_NO_PAD.encode(it.nonce);
        let body = Sha256::digest(it.body);
        let parts: [&[u8]; 8] = [
            LABEL,
            id.as_bytes(),
            b"1",
            it.method.as_bytes(),
            it.target.as_bytes(),
            &body,
            at.as_bytes(),
            nonce.as_bytes(),
        ];
        let mac = parts.into_iter().fold(self.key.clone(), |mac, part| {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            mac.chain_update(length.to_be_bytes()).chain_update(part)
        });
        let mac = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("Quan-Terminal id={id}, key=1, at={at}, nonce={nonce}, mac={mac}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_redeem_2_a_signature_is_the_one_that_another_program_makes() {
        // Python: hmac.new(bytes([7] * 32), b"".join(struct.pack(">I", len(p)) + p for p in parts), "sha256").
        let till = Till { id: "T-1".to_owned(), merchant: 1, pools: vec![], near: true };
        let signer = Signer { key: Hmac::new_from_slice(&[7; 32]).unwrap(), till };
        let nonce = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let (method, target, body) = ("POST", "/v1/campaigns/c/redemptions", b"{}".as_slice());
        let at_ms = 1_693_533_600_000;
        let header = signer.sign(Unsigned { method, target, body, at_ms, nonce });
        let want = "Quan-Terminal id=T-1, key=1, at=1693533600000, nonce=AAECAwQFBgcICQoLDA0ODw, mac=LnWxhHTaZmjTUW5hWgP_6MapHoAVi4Uh5tRUhh5_e44";
        assert_eq!(header, want);
    }
}
