//! Captcha proofs.

use super::{DEVICE, KEY, OPENING, Target, body, only, signed};
use quan::domain::{At, Refusal, RoundNo};
use quan::pass::{Captcha, Keys, ProofKeys, Solver};
use quan::plan::{BoundFor, PassRules};

const BODY: usize = 28;
const NOW: At = OPENING.plus_ms(-300_000);
const SOLVER: Solver = Solver {
    campaign: "xiangning-2023",
    round: RoundNo(1),
    id_number: "110101199001011237",
    device: DEVICE,
};

pub(crate) fn target() -> Target {
    let keys: ProofKeys = Keys::new([(1, KEY.as_slice())]).unwrap().into();
    let rules = PassRules {
        solve_before_opening_s: 600,
        valid_s: 900.try_into().unwrap(),
        one_kind_per_pass: false,
        bound_for: BoundFor::Round,
    };
    let good = [signed(&good_body(), &tail())];
    let seeds = vec![good[0].clone().into_bytes(), good_body().to_vec()];
    let look = move |input: &[u8]| {
        let verify =
            |token: &str| keys.verify(Captcha::Slider, token, &SOLVER, (OPENING, NOW), &rules);
        let end = only(&good, input, |token| verify(token).is_ok());
        let mut body = body::<BODY>(input);
        body[1] = 1;
        let told = verify(&signed(&body, &tail()));
        if let Ok(id) = told {
            assert_eq!((body[0], body[2], body[3]), (1, 1, 1), "not a slider of round 1");
            assert_eq!(id.0, body[12..]);
            let solved = At(i64::from_be_bytes(body[4..12].try_into().unwrap()));
            assert!(solved >= OPENING.plus_ms(-600_000) && solved <= NOW.plus_ms(5_000));
        }
        let told = told.map_or_else(Refusal::code, |_| "held");
        if input.len() == BODY && told == "held" {
            "good body".into()
        } else {
            format!("{end} {told}")
        }
    };
    Target { seeds, look: Box::new(look) }
}

fn good_body() -> [u8; BODY] {
    let mut body = [5; BODY];
    body[..4].copy_from_slice(&[1, 1, 1, 1]);
    body[4..12].copy_from_slice(&NOW.plus_ms(-60_000).0.to_be_bytes());
    body
}

fn tail() -> Vec<u8> {
    let mut tail = Vec::new();
    for text in [SOLVER.campaign, SOLVER.id_number, SOLVER.device] {
        tail.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        tail.extend(text.as_bytes());
    }
    tail
}
