//! Phones that may not have a payment code.

use super::site::{CODES, HOMES, Site, Wish};
use crate::common::{host::Application, link::post};
use crate::refused;
use serde_json::json;

/// Taiyuan, 200 km from the fence.
const ELSEWHERE: (i32, i32) = (378_700_000, 1_125_500_000);

/// R-WHO-1, R-REDEEM-2: where a coupon was claimed is not enough; its holder is looked at again when it is to be used.
#[test]
fn r_who_1_a_payment_code_is_made_inside_the_fence_on_the_device_of_the_person() {
    let site = Site::start(&Wish::shipped(HOMES[0]));
    let customer = site.customer(1, &["retail-10"]);
    let asked = |from: &str, fix: Option<String>| {
        let Application { identity, .. } = site.host.application(1, &[], site.now_ms());
        site.ask(&post(CODES, Some(&identity), &json!({ "device": from, "fix": fix })))
    };
    let (now, other) = (|| site.now_ms(), "fiction-device-2");
    let own = site.host.application(1, &[], now()).device;
    let outside = site.host.fix_at(ELSEWHERE, &own, now());
    refused(&asked(&own, Some(outside)), 403, "position_outside");
    refused(&asked(&own, None), 403, "position_missing");
    let stale = site.host.fix(&own, now() - 61_000);
    refused(&asked(&own, Some(stale)), 403, "position_stale");
    let lent = site.host.fix(other, now());
    refused(&asked(&own, Some(lent)), 403, "position_unsigned");
    let copied = site.host.fix(other, now());
    refused(&asked(other, Some(copied)), 403, "wrong_device");
    assert_eq!(site.code_answer(&customer).status, 201);
    site.ends_well();
}
