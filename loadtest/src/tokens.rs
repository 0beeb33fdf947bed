//! The tokens of the host app and of the captcha service, written from the contract alone.

use crate::keys::Keys;
use crate::people::Material;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use sha2::Sha256;

const VERSION: u8 = 1;
const KEY_ID: u8 = 1;
const GCJ_02: u8 = 2;
const ACCURACY_DM: u32 = 200;

/// Seconds that an identity token is good for.
const IDENTITY_S: i64 = 3600;

/// The two captchas.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Captcha {
    Slider = 1,
    Image = 2,
}

/// A place in 1e-7 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lat: i32,
    pub(crate) lon: i32,
}

/// Appends a position fix to `out`, signed for `device`.
pub(crate) fn fix(keys: &Keys, place: Place, taken_ms: i64, device: &str, out: &mut Vec<u8>) {
    signed_fix(&keys.fix, KEY_ID, place, taken_ms, device, out);
}

fn signed_fix(
    key: &Hmac<Sha256>,
    key_id: u8,
    place: Place,
    taken_ms: i64,
    device: &str,
    out: &mut Vec<u8>,
) {
    let mut token = [0; 56];
    if let Some((body, tag)) = token.split_first_chunk_mut::<24>() {
        let (lat, lon) = (place.lat.to_be_bytes(), place.lon.to_be_bytes());
        let parts: [&[u8]; 5] = [
            &[VERSION, key_id, GCJ_02, 0],
            &lat,
            &lon,
            &ACCURACY_DM.to_be_bytes(),
            &taken_ms.to_be_bytes(),
        ];
        for (byte, given) in body.iter_mut().zip(parts.into_iter().flatten()) {
            *byte = *given;
        }
        let mac = key.clone().chain_update(*body).chain_update(device);
        tag.copy_from_slice(&mac.finalize().into_bytes());
    }
    let mut text = [0; 75];
    if let Ok(length) = URL_SAFE_NO_PAD.encode_slice(token, &mut text) {
        out.extend_from_slice(text.get(..length).unwrap_or_default());
    }
}

/// A captcha proof that `material`'s person solved on that device.
pub(crate) fn proof(
    keys: &Keys,
    captcha: Captcha,
    round: u8,
    solved_ms: i64,
    id: [u8; 16],
    campaign: &str,
    material: &Material,
) -> String {
    let mut body = vec![VERSION, KEY_ID, captcha as u8, round];
    body.extend_from_slice(&solved_ms.to_be_bytes());
    body.extend_from_slice(&id);
    let mut mac = keys.captcha.clone().chain_update(&body);
    for text in [campaign, &material.idn, &material.dev] {
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        mac.update(&length.to_be_bytes());
        mac.update(text.as_bytes());
    }
    body.extend_from_slice(&mac.finalize().into_bytes());
    URL_SAFE_NO_PAD.encode(body)
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    real_name: bool,
    acc: &'a str,
    idn: &'a str,
    tel: &'a str,
    crd: &'a str,
    dev: &'a str,
}

/// The host app's token about this person.
pub(crate) fn identity(
    keys: &Keys,
    campaign: &str,
    now_ms: i64,
    material: &Material,
) -> anyhow::Result<String> {
    let iat = now_ms.div_euclid(1000);
    let claims = Claims {
        iss: "host",
        aud: campaign,
        iat,
        exp: iat.saturating_add(IDENTITY_S),
        real_name: true,
        acc: &material.acc,
        idn: &material.idn,
        tel: &material.tel,
        crd: &material.crd,
        dev: &material.dev,
    };
    let header = Header { kid: Some("host-1".to_owned()), ..Header::new(Algorithm::HS256) };
    Ok(jsonwebtoken::encode(&header, &claims, &keys.identity)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::KeyInit;
    use jsonwebtoken::EncodingKey;

    fn keys() -> Keys {
        let mac = Hmac::new_from_slice(&[7; 32]).unwrap();
        Keys { fix: mac.clone(), captcha: mac, identity: EncodingKey::from_secret(&[7; 32]) }
    }

    fn material() -> Material {
        let text = |name: &str| name.to_owned();
        Material {
            acc: text("acc"),
            idn: text("idn"),
            tel: text("tel"),
            crd: text("crd"),
            dev: text("dev"),
        }
    }

    #[test]
    fn r_risk_2_a_fix_is_the_one_that_another_program_signs() {
        // Python: struct.pack(">BBBBiiIq", ...), hmac and base64 of the standard library.
        let want = "AQMCABWBXwBCeJoAAAAAyAAAAYpOd_kAKR0DEWXTIzYuc_QoFlxA9ioeMhlHbABqPbzAz0DS45Y";
        let place = Place { lat: 360_800_000, lon: 1_115_200_000 };
        let mut out = vec![];
        signed_fix(&keys().fix, 3, place, 1_693_533_600_000, "device-1", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn r_risk_1_a_proof_is_the_one_that_another_program_signs() {
        // Python: struct.pack(">BBBBq", 1, 1, 2, 15, 1693533000000) + bytes(range(16)), then the same libraries.
        let want =
            "AQECDwAAAYpObtFAAAECAwQFBgcICQoLDA0OD5wTrQLCrv1DZ27zlSkqmwzP9VL9Qc-ZoeiPr_bJwkAm";
        let id = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let token = proof(&keys(), Captcha::Image, 15, 1_693_533_000_000, id, "camp", &material());
        assert_eq!((token.len(), token.as_str()), (80, want));
    }

    #[test]
    fn r_who_2_an_identity_token_carries_the_material_for_an_hour() {
        let token = identity(&keys(), "camp", 1_693_533_000_500, &material()).unwrap();
        let part = |at: usize| -> serde_json::Value {
            let text = token.split('.').nth(at).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let header = serde_json::json!({"typ": "JWT", "alg": "HS256", "kid": "host-1"});
        let claims = serde_json::json!({
            "iss": "host", "aud": "camp", "iat": 1_693_533_000, "exp": 1_693_536_600, "real_name": true,
            "acc": "acc", "idn": "idn", "tel": "tel", "crd": "crd", "dev": "dev",
        });
        assert_eq!((part(0), part(1)), (header, claims));
    }
}
