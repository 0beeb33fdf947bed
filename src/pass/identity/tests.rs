use super::*;
use crate::pass::Hasher;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: [u8; 32] = [7; 32];
const NOW: At = At(1_693_533_000_000);
const NOW_S: i64 = 1_693_533_000;

/// The key pair of the first test of RFC 8032, 7.1.
const ED_SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const ED_PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// `host-1` is a secret, `host-2` an Ed25519 key.
fn keys() -> IdentityKeys {
    let mut keys = IdentityKeys::default();
    keys.add_hs256(1, &SECRET).unwrap();
    keys.add_ed25519(2, &bytes(ED_PUBLIC)).unwrap();
    keys
}

fn claims() -> Value {
    json!({
        "iss": "host", "aud": "xiangning-2023", "iat": NOW_S - 60, "exp": NOW_S + 60, "real_name": true,
        "acc": "user-1", "idn": "110101199001011237", "tel": "13800000001", "crd": "6222020000000001",
        "dev": "device-1",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn signed(header: &str, payload: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

const HEADER: &str = r#"{"alg":"HS256","kid":"host-1"}"#;

fn hs256(header: &str, payload: &str) -> String {
    signed(header, payload, &EncodingKey::from_secret(&SECRET), Algorithm::HS256)
}

fn ed25519(header: &str, payload: &str) -> String {
    let pkcs8 = [bytes("302e020100300506032b657004220420"), bytes(ED_SEED)].concat();
    signed(header, payload, &EncodingKey::from_ed_der(&pkcs8), Algorithm::EdDSA)
}

fn read(token: &str) -> Result<Material, Refusal> {
    keys().read(Some(token), "xiangning-2023", NOW)
}

fn said(claims: &Value) -> Result<(), Refusal> {
    read(&hs256(HEADER, &claims.to_string())).map(|_| ())
}

#[test]
fn r_who_2_a_person_is_known_by_hashes_under_either_kind_of_key() {
    let hasher = Hasher::new(&SECRET).unwrap();
    let payload = claims().to_string();
    let one = read(&hs256(HEADER, &payload)).unwrap();
    let two = read(&ed25519(r#"{"alg":"EdDSA","kid":"host-2","typ":"JWT"}"#, &payload)).unwrap();
    assert_eq!(one.identity(&hasher), two.identity(&hasher));
    assert_eq!(one.identity(&hasher).person, hasher.person("110101199001011237"));
    assert_eq!(one.identity(&hasher).account, hasher.account("user-1"));
    assert_eq!(one.identity(&hasher).phone, hasher.phone("13800000001"));
    assert_eq!(one.identity(&hasher).card, hasher.card("6222020000000001"));
    assert_eq!(one.identity(&hasher).device, hasher.device("device-1"));
    assert_eq!((one.id_number(), one.device()), ("110101199001011237", "device-1"));
    assert_eq!(format!("{one:?} {:?}", keys()), r#"Material(..) {"host-1", "host-2"}"#);
}

#[test]
fn r_risk_2_without_the_host_apps_token_nothing_is_issued() {
    assert_eq!(keys().read(None, "xiangning-2023", NOW), Err(Refusal::ChannelRequired));
    assert_eq!(read(""), Err(Refusal::ChannelRequired));
}

#[test]
fn r_who_2_a_key_has_one_algorithm_whatever_the_token_says() {
    let payload = claims().to_string();
    let public = EncodingKey::from_secret(&bytes(ED_PUBLIC));
    let secret = EncodingKey::from_secret(&SECRET);
    let none = |header: &str| {
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&payload))
    };
    let ed = ed25519(r#"{"alg":"EdDSA","kid":"host-2"}"#, &payload);
    assert!(read(&ed).is_ok());
    let forged = [
        none(r#"{"alg":"none","kid":"host-1"}"#),
        none(r#"{"alg":"None","kid":"host-2"}"#),
        none(HEADER),
        // The public key, which everybody has, used as a secret.
        signed(r#"{"alg":"HS256","kid":"host-2"}"#, &payload, &public, Algorithm::HS256),
        signed(r#"{"alg":"EdDSA","kid":"host-2"}"#, &payload, &public, Algorithm::HS256),
        // A good secret under another hash, and a good key under the other's name.
        signed(r#"{"alg":"HS512","kid":"host-1"}"#, &payload, &secret, Algorithm::HS512),
        signed(r#"{"alg":"HS512","kid":"host-1"}"#, &payload, &secret, Algorithm::HS256),
        ed25519(r#"{"alg":"EdDSA","kid":"host-1"}"#, &payload),
        ed25519(r#"{"alg":"HS256","kid":"host-2"}"#, &payload),
        hs256(r#"{"alg":"HS256","kid":"host-2"}"#, &payload),
    ];
    for token in forged {
        assert_eq!(read(&token), Err(Refusal::IdentityInvalid), "{token}");
    }
}

#[test]
fn r_who_2_only_the_exact_name_of_a_key_finds_it() {
    let payload = claims().to_string();
    for header in [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":null}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"alg":"HS256","kid":""}"#,
        r#"{"alg":"HS256","kid":"host-01"}"#,
        r#"{"alg":"HS256","kid":"HOST-1"}"#,
        r#"{"alg":"HS256","kid":"host-1 "}"#,
        r#"{"alg":"HS256","kid":"host-1\u0000"}"#,
        r#"{"alg":"HS256","kid":"../host-1"}"#,
        r#"{"alg":"HS256","kid":"host-3","jwk":{"kty":"oct","k":"BwcH"}}"#,
        r#"{"alg":"HS256","kid":"host-1","crit":["exp"]}"#,
        r#"{"alg":"HS256","kid":"host-1","kid":"host-1"}"#,
        r#"{"alg":"HS256","alg":"HS256","kid":"host-1"}"#,
        r#"["HS256","host-1"]"#,
        "",
    ] {
        assert_eq!(read(&hs256(header, &payload)), Err(Refusal::IdentityInvalid), "{header}");
    }
    assert!(read(&hs256(r#"{"alg":"HS256","kid":"host-\u0031"}"#, &payload)).is_ok());
}

#[test]
fn r_who_2_claims_hold_for_this_campaign_and_this_time_only() {
    let soon = NOW_S + 1;
    for (claims, verdict) in [
        (claims(), Ok(())),
        (with("aud", json!("quan")), Ok(())),
        (with("aud", json!(["other", "quan"])), Ok(())),
        (with("aud", json!(["other"])), Err(Refusal::IdentityInvalid)),
        (with("aud", json!([])), Err(Refusal::IdentityInvalid)),
        (with("aud", json!("xiangning-2024")), Err(Refusal::IdentityInvalid)),
        (with("iss", json!("")), Err(Refusal::IdentityInvalid)),
        (with("exp", json!(soon)), Ok(())),
        (with("exp", json!(NOW_S)), Err(Refusal::IdentityExpired)),
        (with("exp", json!(i64::MIN)), Err(Refusal::IdentityExpired)),
        (with("iat", json!(NOW_S + 5)), Ok(())),
        (with("iat", json!(NOW_S + 6)), Err(Refusal::IdentityInvalid)),
        (with("iat", json!(i64::MAX)), Err(Refusal::IdentityInvalid)),
        (with("nbf", json!(NOW_S + 5)), Ok(())),
        (with("nbf", json!(NOW_S + 6)), Err(Refusal::IdentityInvalid)),
        (with("exp", json!("9999999999")), Err(Refusal::IdentityInvalid)),
        (with("exp", json!(1e12)), Err(Refusal::IdentityInvalid)),
        (with("real_name", json!(false)), Err(Refusal::NotRealName)),
        (with("real_name", json!("true")), Err(Refusal::IdentityInvalid)),
    ] {
        assert_eq!(said(&claims), verdict, "{claims}");
    }
    for name in ["iss", "aud", "iat", "exp", "real_name", "acc", "idn", "tel", "crd", "dev"] {
        let mut less = claims();
        less.as_object_mut().unwrap().remove(name);
        assert_eq!(said(&less), Err(Refusal::IdentityInvalid), "without {name}");
        assert_eq!(said(&with(name, Value::Null)), Err(Refusal::IdentityInvalid), "null {name}");
    }
}

#[test]
fn r_who_3_every_identifier_must_name_somebody_in_one_way() {
    for name in ["acc", "idn", "tel", "crd", "dev"] {
        let verdict = |text: &str| said(&with(name, json!(text)));
        for blank in ["", "  ", "0000", "null", "Unknown", "undefined", "9774d56d682e549c"] {
            assert_eq!(verdict(blank), Err(Refusal::IdentifierBlank), "{name} {blank:?}");
        }
        for second_spelling in [" device-1", "device-1\n", "device\u{200b}-1", "device-1\u{0}"] {
            assert_eq!(verdict(second_spelling), Err(Refusal::IdentityInvalid), "{name}");
        }
        assert_eq!(verdict(&"ab".repeat(64)), Ok(()));
        assert_eq!(verdict(&"ab".repeat(65)), Err(Refusal::IdentityInvalid));
        assert_eq!(verdict(&"a".repeat(129)), Err(Refusal::IdentityInvalid));
    }
}

#[test]
fn r_who_2_a_claim_that_stands_there_twice_is_not_chosen_from() {
    let once = claims().to_string();
    for twice in [r#","idn":"110101199001011238"}"#, r#","aud":"quan"}"#, r#","exp":9999999999}"#] {
        let payload = format!("{}{twice}", once.strip_suffix('}').unwrap());
        assert_eq!(read(&hs256(HEADER, &payload)), Err(Refusal::IdentityInvalid), "{twice}");
    }
    let harmless = format!(r#"{},"jti":"1"}}"#, once.strip_suffix('}').unwrap());
    assert!(read(&hs256(HEADER, &harmless)).is_ok());
}

#[test]
fn r_who_2_no_bit_can_be_altered_and_no_part_left_out() {
    let payload = claims().to_string();
    for good in [hs256(HEADER, &payload), ed25519(r#"{"alg":"EdDSA","kid":"host-2"}"#, &payload)] {
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone().into_bytes();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(bad) = String::from_utf8(bad) {
                assert_eq!(read(&bad), Err(Refusal::IdentityInvalid), "bit {bit}");
            }
        }
        for length in 1..good.len() {
            assert_eq!(read(&good[..length]), Err(Refusal::IdentityInvalid), "{length}");
        }
        for bad in
            [format!("{good}."), format!(".{good}"), format!("{good}="), format!("Bearer {good}")]
        {
            assert_eq!(read(&bad), Err(Refusal::IdentityInvalid), "{bad}");
        }
    }
}

#[test]
fn r_who_2_a_header_that_was_seen_opens_nothing_by_itself() {
    let (keys, payload) = (keys(), claims().to_string());
    let read = |token: &str| keys.read(Some(token), "xiangning-2023", NOW).map(drop);
    let other = r#"{"kid":"host-1","alg":"HS256","typ":"JWT"}"#;
    let (one, two) =
        (hs256(HEADER, &payload), ed25519(r#"{"alg":"EdDSA","kid":"host-2"}"#, &payload));
    for token in [&one, &two, &hs256(other, &payload), &one, &two] {
        assert_eq!(read(token), Ok(()));
    }
    let part = |token: &str, at| token.split('.').nth(at).unwrap().to_owned();
    for bad in [
        format!("{}.{}.{}", part(&one, 0), part(&two, 1), part(&two, 2)),
        format!("{}.{}.{}", part(&two, 0), part(&one, 1), part(&one, 2)),
        format!("{}.{}.", part(&one, 0), part(&one, 1)),
        format!("{}.{}", part(&one, 0), part(&one, 2)),
        format!("{}.x.{}.{}", part(&one, 0), part(&one, 1), part(&one, 2)),
        format!("{}.{}.x.{}", part(&one, 0), part(&one, 1), part(&one, 2)),
    ] {
        assert_eq!(read(&bad), Err(Refusal::IdentityInvalid), "{bad}");
    }
}

#[test]
fn r_who_2_a_huge_token_is_not_looked_at() {
    let mut large = with("more", json!("x".repeat(5_000)));
    assert!(said(&large).is_ok());
    large["more"] = json!("x".repeat(6_200));
    assert_eq!(said(&large), Err(Refusal::IdentityInvalid));
    assert_eq!(read(&"a.".repeat(1_000_000)), Err(Refusal::IdentityInvalid));
}

#[test]
fn r_who_2_the_longest_honest_token_is_taken() {
    let mut longest = claims();
    for name in ["iss", "acc", "idn", "tel", "crd", "dev"] {
        // Two bytes of text that JSON may write in six.
        longest[name] = json!("éß".repeat(32));
    }
    let escaped = longest.to_string().replace('é', "\\u00e9").replace('ß', "\\u00df");
    assert!(read(&hs256(HEADER, &escaped)).is_ok());
}

#[test]
fn r_who_2_a_key_that_can_check_nothing_is_refused_when_it_is_read() {
    let mut keys = keys();
    assert_eq!(keys.add_hs256(3, &[1; 31]), Err(KeyError::TooShort));
    for bad in [vec![], vec![1; 31], vec![1; 33], [vec![2], vec![0; 31]].concat()] {
        assert_eq!(keys.add_ed25519(3, &bad), Err(KeyError::NotEd25519), "{bad:?}");
    }
    assert_eq!(keys.add_hs256(2, &SECRET), Err(KeyError::TwiceNamed(2)));
    assert_eq!(keys.add_ed25519(1, &bytes(ED_PUBLIC)), Err(KeyError::TwiceNamed(1)));
}

proptest! {
    #[test]
    fn r_who_2_no_text_is_a_token(text in ".{1,300}", parts in "[A-Za-z0-9_-]{0,90}\\.[A-Za-z0-9_-]{0,90}\\.[A-Za-z0-9_-]{43}") {
        prop_assert_eq!(read(&text), Err(Refusal::IdentityInvalid));
        prop_assert_eq!(read(&parts), Err(Refusal::IdentityInvalid));
    }

    #[test]
    fn r_who_2_no_signed_bytes_stop_the_program(payload in ".{0,200}", header in ".{0,100}") {
        prop_assert!(read(&hs256(HEADER, &payload)).is_err());
        prop_assert!(read(&hs256(&header, &claims().to_string())).is_err());
    }
}
