//! What is looked at: good inputs, and what must hold of any input.

pub(crate) mod code;
pub(crate) mod disk;
pub(crate) mod events;
pub(crate) mod fence;
pub(crate) mod fix;
pub(crate) mod identity;
pub(crate) mod journal;
pub(crate) mod log;
pub(crate) mod merchants;
pub(crate) mod pass;
pub(crate) mod plan;
pub(crate) mod proof;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod snapshot;
pub(crate) mod terminal;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use quan::domain::At;
use sha2::Sha256;

/// The opening of round 1 of the shipped plan.
pub(crate) const OPENING: At = At(1_693_533_600_000);
pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const DEVICE: &str = "device-1";

/// How an input ends, in words. Panics if what must hold does not.
pub(crate) type Look = Box<dyn Fn(&[u8]) -> String>;

/// Something that reads bytes from outside.
pub(crate) struct Target {
    /// Good inputs: each ends with a word that begins with `good`.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Looks at an input.
    pub(crate) look: Look,
}

/// The token of `body` and `tail` under [`KEY`], made as another program would.
pub(crate) fn signed(body: &[u8], tail: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    let tag = mac.chain_update(body).chain_update(tail).finalize().into_bytes();
    URL_SAFE_NO_PAD.encode([body, tag.as_slice()].concat())
}

/// Whether one of `good` opens under `opens` and nothing else does: not as a text, and not as the bytes of one.
pub(crate) fn only(good: &[String], input: &[u8], opens: impl Fn(&str) -> bool) -> &'static str {
    let mut end = "no";
    for text in [String::from_utf8_lossy(input).into_owned(), URL_SAFE_NO_PAD.encode(input)] {
        if opens(&text) {
            assert!(good.contains(&text), "an altered token was taken: {text}");
            end = "good";
        }
    }
    end
}

/// The first bytes of `input` as a body, and what is missing as zeros.
pub(crate) fn body<const BODY: usize>(input: &[u8]) -> [u8; BODY] {
    let mut body = [0; BODY];
    body.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
    body
}
