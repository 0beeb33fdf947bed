//! The host app and the captcha service: they sign what an honest person shows.

use super::wire::{Wire, get, post};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{fs, net::SocketAddr, path::Path};

pub(crate) const CAMPAIGN: &str = "xiangning-2023";
pub(crate) const PASSES: &str = "/v1/campaigns/xiangning-2023/rounds/1/passes";
pub(crate) const CLAIMS: &str = "/v1/campaigns/xiangning-2023/rounds/1/claims";

pub(crate) struct Host {
    fix: Vec<u8>,
    captcha: Vec<u8>,
    identity: Vec<u8>,
}

/// What a person sends to get a pass.
#[derive(Clone)]
pub(crate) struct Application {
    pub(crate) identity: String,
    pub(crate) device: String,
    pub(crate) fix: String,
    pub(crate) body: Value,
}

impl Application {
    pub(crate) fn request(&self) -> Vec<u8> {
        let bearer = format!("authorization: Bearer {}\r\n", self.identity);
        post(PASSES, &bearer, &self.body.to_string())
    }

    /// What the same person sends to get a coupon.
    pub(crate) fn claim(&self, pass: &str) -> Value {
        json!({ "kind": "retail-10", "pass": pass, "device": self.device, "fix": self.fix })
    }
}

impl Host {
    pub(crate) fn with_keys_of(folder: &Path) -> Host {
        let key = |name: &str| {
            let text = fs::read_to_string(folder.join("keys").join(name)).expect("a keys folder");
            BASE64_STANDARD.decode(text.trim()).expect("one line of base64")
        };
        let (fix, captcha) = (key("fix-1.key"), key("captcha-1.key"));
        Host { fix, captcha, identity: key("identity-1.key") }
    }

    /// Everything that person number `who` needs at `now_ms`.
    pub(crate) fn application(&self, who: u32, now_ms: i64) -> Application {
        let device = format!("fiction-device-{who}");
        let fix = self.fix(&device, now_ms);
        let body = json!({
            "kinds": ["retail-10"], "device": device, "fix": fix,
            "slider": self.proof(1, who, now_ms), "image": self.proof(2, who, now_ms),
        });
        Application { identity: self.identity(who, now_ms), device, fix, body }
    }

    fn identity(&self, who: u32, now_ms: i64) -> String {
        let claims = json!({
            "iss": "host", "aud": CAMPAIGN, "iat": now_ms / 1_000, "exp": now_ms / 1_000 + 3_600,
            "real_name": true, "acc": format!("fiction-{who}"), "idn": idn(who),
            "tel": format!("100{who:08}"), "crd": format!("0000{:012}", who + 1),
            "dev": format!("fiction-device-{who}"),
        });
        let header = Header { kid: Some("host-1".to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(&self.identity)).expect("plain claims")
    }

    fn fix(&self, device: &str, now_ms: i64) -> String {
        let mut bytes = vec![1, 1, 2, 0];
        bytes.extend(360_800_000_i32.to_be_bytes());
        bytes.extend(1_115_200_000_i32.to_be_bytes());
        bytes.extend(200_u32.to_be_bytes());
        bytes.extend(now_ms.to_be_bytes());
        let tag = tag(&self.fix, &[&bytes, device.as_bytes()]);
        bytes.extend(tag);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn proof(&self, captcha: u8, who: u32, now_ms: i64) -> String {
        let mut bytes = vec![1, 1, captcha, 1];
        bytes.extend(now_ms.to_be_bytes());
        bytes.extend([captcha; 12]);
        bytes.extend(who.to_be_bytes());
        let mut signed = bytes.clone();
        for text in [CAMPAIGN, &idn(who), &format!("fiction-device-{who}")] {
            signed.extend(u16::try_from(text.len()).expect("short texts").to_be_bytes());
            signed.extend(text.as_bytes());
        }
        bytes.extend(tag(&self.captcha, &[&signed]));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn idn(who: u32) -> String {
    format!("000000001{:09}", who + 1)
}

fn tag(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(key).expect("any length will do");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The server's clock.
pub(crate) async fn now_ms(address: SocketAddr) -> i64 {
    let answer = Wire::open(address).await.ask(&get("/v1/time")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["now_ms"].as_i64().expect("a time")
}

/// Gets person number `who` a pass.
pub(crate) async fn pass(host: &Host, address: SocketAddr, who: u32) -> (Application, String) {
    let application = host.application(who, now_ms(address).await);
    let answer = Wire::open(address).await.ask(&application.request()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let pass = answer.json()["pass"].as_str().expect("a pass").to_owned();
    (application, pass)
}

/// What a yes is written down as, for the audit.
pub(crate) fn recorded(pass: &str, coupon: &Value, at_ms: i64) -> String {
    let number = &coupon["coupon"]["number"];
    let replayed = &coupon["replayed"];
    json!({ "pass": pass, "coupon": number, "kind": "retail-10", "replayed": replayed, "at_ms": at_ms })
        .to_string()
}
