//! Identity tokens: their signature, and whatever claims and header a good signature stands under.

use super::{KEY, OPENING, Target, only};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use quan::domain::At;
use quan::pass::IdentityKeys;
use serde_json::Value;

const NOW: At = OPENING;
const CAMPAIGN: &str = "xiangning-2023";
const HEADER: &str = r#"{"alg":"HS256","kid":"host-1"}"#;
const ED_HEADER: &str = r#"{"alg":"EdDSA","kid":"host-2"}"#;
const CLAIMS: &str = r#"{"iss":"host","aud":["quan","x"],"iat":1693533000,"exp":1693540000,"nbf":1693533000,"real_name":true,"acc":"user-1","idn":"110101199001011237","tel":"13800000001","crd":"6222020000000001","dev":"device-1"}"#;

/// The key pair of the first test of RFC 8032, 7.1.
const ED_SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const ED_PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];
/// What stands before the seed in a PKCS #8 file.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

pub(crate) fn target() -> Target {
    let mut keys = IdentityKeys::default();
    keys.add_hs256(1, &KEY).unwrap();
    keys.add_ed25519(2, &ED_PUBLIC).unwrap();
    let ed = EncodingKey::from_ed_der(&[PKCS8.as_slice(), &ED_SEED].concat());
    let good = [hs256(HEADER, CLAIMS), signed(ED_HEADER, CLAIMS, &ed, Algorithm::EdDSA)];
    let mut seeds: Vec<Vec<u8>> = good.iter().map(|token| token.clone().into_bytes()).collect();
    seeds.extend([CLAIMS.into(), format!("{HEADER}\n{CLAIMS}").into_bytes()]);
    let look = move |input: &[u8]| {
        let read = |token: &str| keys.read(Some(token), CAMPAIGN, NOW);
        let mut end = only(&good, input, |token| read(token).is_ok()).to_owned();
        // A header and claims, or claims alone, under a good signature.
        let text = String::from_utf8_lossy(input);
        let (header, claims) = text.split_once('\n').unwrap_or((HEADER, &text));
        match read(&hs256(header, claims)) {
            Err(why) => end = format!("{end} {}", why.code()),
            Ok(who) => {
                assert!(is_somebody(claims), "{claims}");
                assert!(header.contains("host-1") && header.contains("HS256"), "{header}");
                let said: Value = serde_json::from_str(claims).unwrap();
                assert_eq!(
                    (said["idn"].as_str(), said["dev"].as_str()),
                    (Some(who.id_number()), Some(who.device()))
                );
                end = format!("good {end}");
            }
        }
        end
    };
    Target { seeds, look: Box::new(look) }
}

fn hs256(header: &str, claims: &str) -> String {
    signed(header, claims, &EncodingKey::from_secret(&KEY), Algorithm::HS256)
}

fn signed(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// What must be in the claims of anybody who is let in, looked at once more.
fn is_somebody(claims: &str) -> bool {
    let Ok(said) = serde_json::from_str::<Value>(claims) else { return false };
    let ours = |name: &Value| name == "quan" || name == CAMPAIGN;
    let audience =
        ours(&said["aud"]) || said["aud"].as_array().is_some_and(|it| it.iter().any(ours));
    let seconds = NOW.0 / 1_000;
    let named = ["acc", "idn", "tel", "crd", "dev"].iter().all(|name| {
        said[*name]
            .as_str()
            .is_some_and(|text| text.len() > 1 && text.len() <= 128 && text.trim() == text)
    });
    audience
        && named
        && said["real_name"] == true
        && said["exp"].as_i64().is_some_and(|exp| exp > seconds)
        && said["iat"].as_i64().is_some_and(|iat| iat <= seconds + 5)
        && said["nbf"].as_i64().is_none_or(|nbf| nbf <= seconds + 5)
}
