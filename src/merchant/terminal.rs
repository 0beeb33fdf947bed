//! Who sent a till's request: its signature, how old it is, and that it comes once.
//!
//! ```text
//! Authorization: Quan-Terminal id=T-0001, key=1, at=1693533600000, nonce=AAECAwQFBgcICQoLDA0ODw, mac=<43 characters>
//! ```
//!
//! `id` is the terminal's, `key` the number of its key, `at` its clock in Unix milliseconds, `nonce` 16 random bytes,
//! `mac` the HMAC-SHA-256 under that key; the last two in base64url without padding. Signed are these eight, each as
//! its length (4 bytes, big-endian) and its bytes:
//!
//! | what        | bytes                                                              |
//! |-------------|--------------------------------------------------------------------|
//! | label       | `quan terminal 1`                                                  |
//! | id, key     | as in the header                                                   |
//! | method      | as in the request, `POST`                                          |
//! | target      | path and query as in the request, `/v1/campaigns/x/redemptions?a=b` |
//! | body        | the 32 bytes of SHA-256 over it, also if it is empty               |
//! | `at`, nonce | as in the header                                                   |
//!
//! # What always holds
//!
//! - Who has not the key makes no request, changes none, and sends none twice.
//! - A request is heard for a minute before and after its instant (`window_s`), and its nonce is remembered for as long
//!   as it could be heard. A terminal has room for so many nonces (`requests`) and waits when that is full: none is
//!   forgotten early.
//! - Only a good signature takes memory.
//!
//! Servers that share a ledger share the nonces as well ([`Nonces`]), so that what one has heard no other hears again;
//! how many a terminal has room for each server counts by itself. A server that is alone forgets all of them when it is
//! restarted. That is harmless: whatever a till asks for is known by its order number and done once, so a request that
//! somebody sends again is answered and changes nothing.

mod header;
mod seen;

pub use header::{Header, NotAHeader, SCHEME};

use crate::domain::{At, NoAnswer, Refusal, TerminalId};
use crate::pass::{Keys, TerminalKeys};
use futures_util::future::BoxFuture;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use seen::Seen;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, fmt, io::Write, num::NonZeroU32};

/// What every signature begins with.
const LABEL: &[u8] = b"quan terminal 1";

/// What is asked of a request's age and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalRules {
    /// Seconds by which a request's instant may be off, before or after.
    pub window_s: NonZeroU32,
    /// Requests of one terminal in twice that time.
    pub requests: NonZeroU32,
}

/// The nonces that any of several servers has heard.
pub trait Nonces: Send + Sync {
    /// Notes a nonce, for `kept_ms` at least; `false` if it came before. An error means that this is not known: the
    /// request is not heard then.
    fn note(
        &self,
        terminal: TerminalId,
        nonce: [u8; 16],
        kept_ms: u64,
    ) -> BoxFuture<'_, Result<bool, NoAnswer>>;
}

impl TerminalRules {
    /// How long a request can be heard that comes at the beginning of its time, in milliseconds.
    pub fn heard_for_ms(self) -> u64 {
        u64::from(self.window_s.get()).saturating_mul(2_000)
    }

    fn window_ms(self) -> i64 {
        i64::from(self.window_s.get()) * 1_000
    }
}

/// What is signed of a request beside the header's own.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query, as they came.
    pub target: &'a str,
    /// The body, as it came.
    pub body: &'a [u8],
}

/// Why a request is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// There is no such terminal here.
    TerminalUnknown,
    /// It is not what the terminal signed under a key that it has.
    SignatureInvalid,
    /// It was signed too long ago, or the terminal's clock is ahead.
    RequestStale,
    /// It came before.
    RequestReplayed,
    /// There is no room for its nonce.
    TooFast {
        /// How long to wait before there is.
        retry_after_ms: u32,
    },
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        match refused {
            Refused::TerminalUnknown => Refusal::TerminalUnknown,
            Refused::SignatureInvalid => Refusal::SignatureInvalid,
            Refused::RequestStale => Refusal::RequestStale,
            Refused::RequestReplayed => Refusal::RequestReplayed,
            Refused::TooFast { retry_after_ms } => Refusal::TooFast { retry_after_ms },
        }
    }
}

struct Known {
    keys: Keys,
    seen: Mutex<Seen>,
}

/// The terminals that may ask.
pub struct Terminals {
    rules: TerminalRules,
    known: HashMap<TerminalId, Known>,
}

impl fmt::Debug for Terminals {
    /// The ids and the keys' numbers only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.known.iter().map(|(id, known)| (id, &known.keys))).finish()
    }
}

impl Terminals {
    /// Terminals with these keys, none of which has asked anything yet.
    pub fn new(keys: &TerminalKeys, rules: TerminalRules) -> Terminals {
        let known = |keys: &Keys| Known { keys: keys.clone(), seen: Mutex::default() };
        Terminals { rules, known: keys.iter().map(|(id, keys)| (*id, known(keys))).collect() }
    }

    /// Which terminal sent this request, if it is heard.
    pub fn hear(&self, header: &Header, request: &Request, now: At) -> Result<TerminalId, Refused> {
        let known = self.known.get(&header.terminal).ok_or(Refused::TerminalUnknown)?;
        let mac = signing(&known.keys, header, request).ok_or(Refused::SignatureInvalid)?;
        // The same time wherever they differ.
        mac.verify_slice(&header.mac).map_err(|_| Refused::SignatureInvalid)?;
        let (age, window) = (now.ms_since(header.at), self.rules.window_ms());
        if !(-window..=window).contains(&age) {
            return Err(Refused::RequestStale);
        }
        known.seen.lock().note(header.nonce, now, self.rules)?;
        Ok(header.terminal)
    }

    /// Forgets the nonces that can't be heard any more. To be called on a timer, or a terminal that is silent keeps
    /// its last ones.
    pub fn tidy(&self, now: At) {
        for known in self.known.values() {
            known.seen.lock().turn(now, self.rules);
        }
    }
}

/// The value of the header with which a terminal signs a request, under the newest of its keys.
pub fn sign(
    terminal: TerminalId,
    keys: &Keys,
    request: &Request,
    at: At,
    nonce: [u8; 16],
) -> String {
    let unsigned = Header { terminal, key: keys.newest(), at, nonce, mac: [0; 32] };
    Header { mac: newest(keys, &unsigned, request), ..unsigned }.to_string()
}

fn newest(keys: &Keys, header: &Header, request: &Request) -> [u8; 32] {
    let mac = signing(keys, header, request).expect("the newest key is one of the keys");
    mac.finalize().into_bytes().into()
}

/// The signature of `request` with what stands in `header`.
fn signing(keys: &Keys, header: &Header, request: &Request) -> Option<Hmac<Sha256>> {
    let (mut key, mut at) = ([0; 3], [0; 20]);
    let (key, at) = (digits(header.key, &mut key)?, digits(header.at.0, &mut at)?);
    let nonce = header.nonce_text();
    let body: [u8; 32] = Sha256::digest(request.body).into();
    let parts = [
        LABEL,
        header.terminal.as_str().as_bytes(),
        key,
        request.method.as_bytes(),
        request.target.as_bytes(),
        &body,
        at,
        &nonce,
    ];
    // In place: a state is as large as all that is signed.
    let mut mac = keys.signing(header.key, &[], &[])?;
    for part in parts {
        mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        mac.update(part);
    }
    Some(mac)
}

/// A number as text, in `room`.
fn digits(number: impl fmt::Display, room: &mut [u8]) -> Option<&[u8]> {
    let most = room.len();
    let mut rest = &mut *room;
    write!(rest, "{number}").ok()?;
    let length = most - rest.len();
    room.get(..length)
}

#[cfg(test)]
mod tests;
