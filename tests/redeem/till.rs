//! Tills, as ARCHITECTURE.md and the README tell their makers how to build one: their signature is made here anew.

use crate::common::link::{Answer, Link};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fs, net::SocketAddr, path::Path};

pub(crate) const REDEMPTIONS: &str = "/v1/campaigns/xiangning-2023/redemptions";

/// A till of a shop.
#[derive(Clone)]
pub(crate) struct Till {
    id: String,
    key: Vec<u8>,
}

/// A request that a till signed, as it goes over the wire.
pub(crate) type Signed = String;

impl Till {
    pub(crate) fn of(keys: &Path, id: &str) -> Till {
        let file = keys.join(format!("terminal-{id}-1.key"));
        let key = BASE64_STANDARD.decode(fs::read_to_string(file).expect("its key").trim());
        Till { id: id.to_owned(), key: key.expect("base64") }
    }

    /// The same till with a key that nobody gave it.
    pub(crate) fn forged(&self) -> Till {
        Till { key: vec![7; 32], ..self.clone() }
    }

    /// Signs a request at an instant of its clock.
    pub(crate) fn sign(&self, method: &str, path: &str, body: &str, at_ms: i64) -> Signed {
        let nonce = BASE64.encode(rand::rng().random::<[u8; 16]>());
        let at = at_ms.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length will do");
        let digest = Sha256::digest(body);
        let parts: [&[u8]; 8] = [
            b"quan terminal 1",
            self.id.as_bytes(),
            b"1",
            method.as_bytes(),
            path.as_bytes(),
            &digest,
            at.as_bytes(),
            nonce.as_bytes(),
        ];
        for part in parts {
            mac.update(&u32::try_from(part.len()).expect("short").to_be_bytes());
            mac.update(part);
        }
        let mac = BASE64.encode(mac.finalize().into_bytes());
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        format!(
            "{method} {path} HTTP/1.1\r\nhost: quan\r\nauthorization: Quan-Terminal id={}, key=1, at={at}, \
             nonce={nonce}, mac={mac}\r\n{kind}content-length: {}\r\n\r\n{body}",
            self.id,
            body.len()
        )
    }

    /// The request to redeem.
    pub(crate) fn redeem(&self, order: &Order, at_ms: i64) -> Signed {
        self.sign("POST", REDEMPTIONS, &order.body().to_string(), at_ms)
    }
}

/// An order at a till.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) number: String,
    pub(crate) code: String,
    pub(crate) amount_fen: u64,
    pub(crate) coupon: Option<String>,
    pub(crate) scan: &'static str,
    pub(crate) one_step: bool,
}

impl Order {
    pub(crate) fn new(number: &str, code: &str, amount_fen: u64) -> Order {
        let (number, code) = (number.to_owned(), code.to_owned());
        Order { number, code, amount_fen, coupon: None, scan: "merchant", one_step: false }
    }

    fn body(&self) -> Value {
        let Order { number, code, amount_fen, coupon, scan, one_step } = self;
        let mut body = json!({
            "order": number, "code": code, "amount_fen": amount_fen, "scan": scan,
        });
        if let Some(coupon) = coupon {
            body["coupon"] = json!(coupon);
        }
        if *one_step {
            body["one_step"] = json!(true);
        }
        body
    }
}

/// Sends what was signed, on a connection of its own.
pub(crate) fn send(to: SocketAddr, signed: &Signed) -> Answer {
    Link::default().ask(to, signed).expect("an answer")
}
