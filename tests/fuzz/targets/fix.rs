//! Position fixes: their signature, and whatever place, time and accuracy a good signature stands under.

use super::fence::SHIPPED;
use super::{DEVICE, KEY, OPENING, Target, body, only, signed};
use quan::domain::fence::{Fence, FixRules, verdict};
use quan::domain::{At, Refusal};
use quan::pass::{FixKeys, Keys};

const BODY: usize = 24;

pub(crate) fn target() -> Target {
    let keys: FixKeys = Keys::new([(1, KEY.as_slice())]).unwrap().into();
    let fence = Fence::from_geojson(SHIPPED).unwrap();
    let rules =
        FixRules { fence, max_age_ms: 60_000, max_ahead_ms: 5_000, max_accuracy_dm: 10_000 };
    let good = [1, 2].map(|datum| signed(&good_body(datum), DEVICE.as_bytes()));
    let mut seeds: Vec<Vec<u8>> = good.iter().map(|token| token.clone().into_bytes()).collect();
    seeds.extend([1, 2].map(|datum| good_body(datum).to_vec()));
    let look = move |input: &[u8]| {
        let read = |token: &str| keys.read(token, DEVICE.as_bytes());
        let mut end = only(&good, input, |token| read(token).is_ok()).to_owned();
        let mut body = body::<BODY>(input);
        (body[0], body[1]) = (1, 1);
        match read(&signed(&body, DEVICE.as_bytes())) {
            Err(why) => end += why.code(),
            Ok(fix) => {
                let told = verdict(Some(&fix), OPENING, &rules);
                assert!(told.is_err() || may_be_inside(&body), "{fix:?} is inside");
                end += told.map_or_else(Refusal::code, |()| "inside");
            }
        }
        if input.len() == BODY && end.ends_with("inside") { format!("good {end}") } else { end }
    };
    Target { seeds, look: Box::new(look) }
}

fn good_body(datum: u8) -> [u8; BODY] {
    let mut body = [0; BODY];
    body[..4].copy_from_slice(&[1, 1, datum, 0]);
    body[4..8].copy_from_slice(&360_800_000_i32.to_be_bytes());
    body[8..12].copy_from_slice(&1_115_200_000_i32.to_be_bytes());
    body[12..16].copy_from_slice(&200_u32.to_be_bytes());
    body[16..].copy_from_slice(&OPENING.plus_ms(-1_000).0.to_be_bytes());
    body
}

/// What any fix inside must be, read from its bytes: no mock, fresh, fine, and in the box around the city.
fn may_be_inside(body: &[u8; BODY]) -> bool {
    let number = |at: usize| i32::from_be_bytes(body[at..at + 4].try_into().unwrap());
    let accuracy = u32::from_be_bytes(body[12..16].try_into().unwrap());
    let age = OPENING.ms_since(At(i64::from_be_bytes(body[16..].try_into().unwrap())));
    body[3] == 0
        && (353_000_000..=370_500_000).contains(&number(4))
        && (1_103_000_000..=1_126_500_000).contains(&number(8))
        && (1..=10_000).contains(&accuracy)
        && (-5_000..=60_000).contains(&age)
}
