//! What an honest person sends, and is told.

use super::wire::{Wire, get, post};
use crate::common::host::{Application, Host, PASSES};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What everybody here wants.
const KIND: &str = "retail-10";

impl Application {
    pub(crate) fn request(&self) -> Vec<u8> {
        let bearer = format!("authorization: Bearer {}\r\n", self.identity);
        post(PASSES, &bearer, &self.body.to_string())
    }

    /// What the same person sends to get a coupon.
    pub(crate) fn claim(&self, pass: &str) -> Value {
        let fix = &self.body["fix"];
        json!({ "kind": KIND, "pass": pass, "device": self.device, "fix": fix })
    }
}

/// What person number `who` needs for a pass, by the server's clock.
pub(crate) async fn application(host: &Host, address: SocketAddr, who: usize) -> Application {
    host.application(who, &[KIND], now_ms(address).await)
}

/// The server's clock.
pub(crate) async fn now_ms(address: SocketAddr) -> i64 {
    let answer = Wire::open(address).await.ask(&get("/v1/time")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["now_ms"].as_i64().expect("a time")
}

/// Gets person number `who` a pass.
pub(crate) async fn pass(host: &Host, address: SocketAddr, who: usize) -> (Application, String) {
    let application = application(host, address, who).await;
    let answer = Wire::open(address).await.ask(&application.request()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let pass = answer.json()["pass"].as_str().expect("a pass").to_owned();
    (application, pass)
}

/// What a yes is written down as, for the audit.
pub(crate) fn recorded(pass: &str, coupon: &Value, at_ms: i64) -> String {
    let number = &coupon["coupon"]["number"];
    let replayed = &coupon["replayed"];
    json!({ "pass": pass, "coupon": number, "kind": KIND, "replayed": replayed, "at_ms": at_ms })
        .to_string()
}
