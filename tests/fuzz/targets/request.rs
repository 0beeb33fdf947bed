//! The bodies of requests: known keys, each once, each of its type.

use super::Target;
use quan::claim::handler::ClaimRequest;
use quan::pass::handler::PassRequest;
use serde_json::Value;

const CLAIM: &str = r#"{"kind":"retail-10","pass":"AQEB","device":"device-1","fix":"AQMC"}"#;
const BARE_CLAIM: &str = r#"{"kind":"retail-10","pass":"AQEB","device":"device-1","fix":null}"#;
const PASS: &str = r#"{"kinds":["retail-10","catering-20"],"device":"device-1","fix":"AQMC","slider":"AQEB","image":"AQEC"}"#;

pub(crate) fn target() -> Target {
    let look = |input: &[u8]| {
        let said = serde_json::from_slice::<Value>(input).unwrap_or_default();
        let claim = serde_json::from_slice::<ClaimRequest>(input).is_ok();
        let pass = serde_json::from_slice::<PassRequest>(input).is_ok();
        if claim {
            texts(&said, &["kind", "pass", "device"], &[]);
        }
        if pass {
            texts(&said, &["device", "slider", "image"], &["kinds"]);
            assert!(said["kinds"].as_array().unwrap().iter().all(Value::is_string));
        }
        let end = if claim || pass { "good" } else { "no" };
        format!("{end} {}", said.as_object().map_or(0, serde_json::Map::len))
    };
    let seeds = [CLAIM, BARE_CLAIM, PASS].map(|text| text.as_bytes().to_vec());
    Target { seeds: seeds.into(), look: Box::new(look) }
}

/// The object has these texts, may have a fix, may have `more`, and has nothing else.
fn texts(said: &Value, must: &[&str], more: &[&str]) {
    let said = said.as_object().expect("a request is an object");
    assert!(must.iter().all(|key| said[*key].is_string()), "{said:?}");
    let known = |key: &String| key == "fix" || must.contains(&&**key) || more.contains(&&**key);
    assert!(said.keys().all(known), "{said:?}");
    assert!(said.get("fix").is_none_or(|fix| fix.is_null() || fix.is_string()), "{said:?}");
}
