//! The host app and the captcha service: they sign what an honest person shows, as ARCHITECTURE.md
//! draws it.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{fs, path::Path};

const CAMPAIGN: &str = "xiangning-2023";
pub(crate) const PASSES: &str = "/v1/campaigns/xiangning-2023/rounds/1/passes";
pub(crate) const CLAIMS: &str = "/v1/campaigns/xiangning-2023/rounds/1/claims";

/// What they sign with.
pub(crate) struct Host {
    fix: Hmac<Sha256>,
    captcha: Hmac<Sha256>,
    identity: EncodingKey,
}

/// What a person sends to get a pass.
#[derive(Clone)]
pub(crate) struct Application {
    pub(crate) identity: String,
    pub(crate) device: String,
    pub(crate) body: Value,
}

impl Host {
    pub(crate) fn with_keys(folder: &Path) -> Host {
        let secret = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).expect("`quan keys` wrote it");
            BASE64_STANDARD.decode(text.trim()).expect("one line of base64")
        };
        let mac = |name: &str| Hmac::new_from_slice(&secret(name)).expect("any length will do");
        Host {
            fix: mac("fix-1.key"),
            captcha: mac("captcha-1.key"),
            identity: EncodingKey::from_secret(&secret("identity-1.key")),
        }
    }

    /// What person number `who` sends at `at_ms` for a pass of these kinds.
    pub(crate) fn application(&self, who: usize, kinds: &[&str], at_ms: i64) -> Application {
        let device = device(who);
        let body = json!({
            "kinds": kinds, "device": device, "fix": self.fix(&device, at_ms),
            "slider": self.proof(1, who, at_ms), "image": self.proof(2, who, at_ms),
        });
        Application { identity: self.identity(who, at_ms), device, body }
    }

    /// A fix in the middle of Linfen, taken at `at_ms` by this device.
    pub(crate) fn fix(&self, device: &str, at_ms: i64) -> String {
        self.fix_at((360_800_000, 1_115_200_000), device, at_ms)
    }

    /// A fix at this latitude and longitude, in 1e-7 degrees.
    pub(crate) fn fix_at(&self, (lat, lon): (i32, i32), device: &str, at_ms: i64) -> String {
        let mut token = vec![1, 1, 2, 0];
        token.extend(lat.to_be_bytes());
        token.extend(lon.to_be_bytes());
        token.extend(200_u32.to_be_bytes());
        token.extend(at_ms.to_be_bytes());
        let tag = self.fix.clone().chain_update(&token).chain_update(device).finalize();
        token.extend(tag.into_bytes());
        BASE64.encode(token)
    }

    /// A proof of captcha 1 or 2 that this person solved for round 1.
    fn proof(&self, captcha: u8, who: usize, at_ms: i64) -> String {
        let mut token = vec![1, 1, captcha, 1];
        token.extend(at_ms.to_be_bytes());
        token.extend((who as u128 * 2 + u128::from(captcha)).to_be_bytes());
        let mut mac = self.captcha.clone().chain_update(&token);
        for text in [CAMPAIGN, &id_number(who), &device(who)] {
            mac.update(&u16::try_from(text.len()).expect("a short text").to_be_bytes());
            mac.update(text.as_bytes());
        }
        token.extend(mac.finalize().into_bytes());
        BASE64.encode(token)
    }

    /// Who somebody is, for an hour.
    fn identity(&self, who: usize, at_ms: i64) -> String {
        let at = at_ms / 1_000;
        let claims = json!({
            "iss": "host", "aud": CAMPAIGN, "iat": at, "exp": at + 3_600, "real_name": true,
            "acc": format!("fiction-{who}"), "idn": id_number(who), "dev": device(who),
            "tel": format!("100{:08}", who + 1), "crd": format!("0000{:015}", who + 1),
        });
        let header = Header { kid: Some("host-1".to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &self.identity).expect("it signs")
    }
}

fn device(who: usize) -> String {
    format!("fiction-device-{who}")
}

/// Of a region that does not exist.
fn id_number(who: usize) -> String {
    format!("000000{:012}", who + 1)
}
