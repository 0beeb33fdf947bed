//! A client's record. Whatever it says, the audit goes on; a yes that the journal does not have is found.

use super::Target;
use super::log::entries;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quan::audit::{Record, audit};
use quan::domain::{CouponId, KindNo, RoundNo};
use quan::ledger::event::{What, codec};
use serde_json::{Value, json};

pub(crate) fn target() -> Target {
    let log = entries();
    let events = log.iter().filter_map(|entry| codec::decode(&entry.body)).flatten();
    let granted: Vec<(CouponId, u8)> = events
        .filter_map(|event| match event.what {
            What::Granted(granted) => Some((granted.coupon, granted.person.0[0])),
            _ => None,
        })
        .collect();
    let mut lines: Vec<Value> = granted.iter().map(|(coupon, who)| yes(*coupon, *who)).collect();
    lines.push(json!({"sold_out": "ten", "at_ms": 1_300}));
    lines.push(json!({"sold_out_told": "ten", "times": 3}));
    lines.push(json!({"unanswered": "twenty"}));
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let numbers: Vec<String> = granted.iter().map(|(coupon, _)| coupon.to_string()).collect();
    let look = move |input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let record: Record = match text.parse() {
            Ok(record) => record,
            Err(why) => return format!("{}", why.line.min(9)),
        };
        let audit = audit(log.iter().cloned().map(Ok), Some(&record));
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let Some(number) = line["coupon"].as_str() else { continue };
            let known = numbers.iter().any(|it| it == number);
            assert!(known || !audit.clean, "{number} is not in the journal");
        }
        let broken = audit.checks.iter().filter(|check| !check.clean).map(|check| check.name);
        format!("good {}", broken.collect::<Vec<_>>().join(" "))
    };
    Target { seeds: vec![lines.join("\n").into_bytes()], look: Box::new(look) }
}

fn yes(coupon: CouponId, who: u8) -> Value {
    let CouponId { round: RoundNo(round), kind: KindNo(kind), .. } = coupon;
    let mut pass = [0_u8; 97];
    (pass[0], pass[4]) = (1, round);
    pass[17..49].fill(who);
    json!({
        "pass": URL_SAFE_NO_PAD.encode(pass), "coupon": coupon.to_string(), "replayed": false,
        "kind": (["ten", "twenty"][usize::from(kind)]), "at_ms": 1_300,
    })
}
