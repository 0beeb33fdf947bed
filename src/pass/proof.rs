//! Captcha proofs: the captcha service's word that this person solved one on this device for this round.
//!
//! The token is base64url without padding of 60 bytes, all numbers big-endian:
//!
//! | bytes  | what                                                                          |
//! |--------|-------------------------------------------------------------------------------|
//! | 0      | version, 1                                                                    |
//! | 1      | key id                                                                        |
//! | 2      | captcha: 1 slider, 2 image                                                    |
//! | 3      | round                                                                         |
//! | 4..12  | solved at, `i64`, Unix milliseconds                                           |
//! | 12..28 | proof id                                                                      |
//! | 28..60 | HMAC-SHA-256 of the 28 bytes, then campaign id, ID number and device id, each |
//! |        | as `u16` length and UTF-8 bytes                                               |
//!
//! That a proof is used once is for the ledger to say: it keeps the proof ids (R-RISK-1).

use super::AHEAD_MS;
use super::keys::{Keys, chars};
use crate::domain::{At, ProofId, Refusal, RoundNo};
use crate::plan::PassRules;

const VERSION: u8 = 1;
const BODY: usize = 28;

/// Characters of a token: base64url of 60 bytes without padding.
pub const TOKEN_CHARS: usize = chars(BODY);

/// Which captcha was solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Captcha {
    /// The slider.
    Slider = 1,
    /// The image.
    Image = 2,
}

impl Captcha {
    const fn invalid(self) -> Refusal {
        match self {
            Captcha::Slider => Refusal::SliderInvalid,
            Captcha::Image => Refusal::ImageInvalid,
        }
    }
}

/// For whom and what a proof must be.
#[derive(Clone, Copy)]
pub struct Solver<'a> {
    /// The campaign's id.
    pub campaign: &'a str,
    /// The round.
    pub round: RoundNo,
    /// The person's ID number.
    pub id_number: &'a str,
    /// The device id.
    pub device: &'a str,
}

/// The keys that the captcha service signs with.
#[derive(Clone, Debug)]
pub struct ProofKeys(Keys);

impl From<Keys> for ProofKeys {
    fn from(keys: Keys) -> ProofKeys {
        ProofKeys(keys)
    }
}

impl ProofKeys {
    /// The id of the proof in `token`, if it is one of `captcha`, solved by `solver` in time for the round that
    /// opens at `opening`.
    pub fn verify(
        &self,
        captcha: Captcha,
        token: &str,
        solver: &Solver,
        (opening, now): (At, At),
        rules: &PassRules,
    ) -> Result<ProofId, Refusal> {
        let proof = self.proof_in(captcha, token, solver).ok_or(captcha.invalid())?;
        if in_time(proof.solved_at, opening, now, rules) {
            Ok(proof.id)
        } else {
            Err(Refusal::ProofExpired)
        }
    }

    fn proof_in(&self, captcha: Captcha, token: &str, solver: &Solver) -> Option<Proof> {
        let [campaign, id_number, device] = [solver.campaign, solver.id_number, solver.device];
        let length = |text: &str| u16::try_from(text.len()).map(u16::to_be_bytes).ok();
        let tail: [&[u8]; 6] = [
            &length(campaign)?,
            campaign.as_bytes(),
            &length(id_number)?,
            id_number.as_bytes(),
            &length(device)?,
            device.as_bytes(),
        ];
        let body: [u8; BODY] = self.0.open(token, &tail)?;
        let ([version, _, of, round], rest) = body.split_first_chunk()?;
        let (solved_at, id) = rest.split_first_chunk()?;
        let fits = *version == VERSION && *of == captcha as u8 && *round == solver.round.0;
        fits.then_some(Proof {
            solved_at: At(i64::from_be_bytes(*solved_at)),
            id: ProofId(id.try_into().ok()?),
        })
    }
}

struct Proof {
    solved_at: At,
    id: ProofId,
}

fn in_time(solved_at: At, opening: At, now: At, rules: &PassRules) -> bool {
    let early_ms = i64::from(rules.solve_before_opening_s) * 1_000;
    let valid_ms = i64::from(rules.valid_s.get()) * 1_000;
    let age_ms = now.ms_since(solved_at);
    solved_at >= opening.plus_ms(-early_ms) && (-AHEAD_MS..=valid_ms).contains(&age_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::BoundFor;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    const OPENING: At = At(1_693_533_600_000);
    const SOLVED: At = OPENING.plus_ms(-60_000);
    const SOLVER: Solver = Solver {
        campaign: "xiangning-2023",
        round: RoundNo(1),
        id_number: "110101199001011237",
        device: "device-1",
    };

    fn keys() -> ProofKeys {
        Keys::new([(1, [7; 32].as_slice())]).unwrap().into()
    }

    fn rules() -> PassRules {
        PassRules {
            solve_before_opening_s: 600,
            valid_s: 900.try_into().unwrap(),
            one_kind_per_pass: false,
            bound_for: BoundFor::Round,
        }
    }

    fn body(captcha: u8, round: u8, solved_at: At) -> [u8; BODY] {
        let mut body = [5; BODY];
        body[..4].copy_from_slice(&[VERSION, 0, captcha, round]);
        body[4..12].copy_from_slice(&solved_at.0.to_be_bytes());
        body
    }

    fn token(body: [u8; BODY], solver: &Solver) -> String {
        let mut tail = Vec::new();
        for text in [solver.campaign, solver.id_number, solver.device] {
            tail.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            tail.extend(text.as_bytes());
        }
        keys().0.seal(body, &[&tail])
    }

    fn verify(captcha: Captcha, token: &str, now: At) -> Result<ProofId, Refusal> {
        keys().verify(captcha, token, &SOLVER, (OPENING, now), &rules())
    }

    #[test]
    fn r_risk_1_a_proof_made_by_another_program_holds() {
        // Python: struct.pack(">BBBBq16s", 1, 1, 1, 1, ...), hmac and base64 of the standard library.
        let made =
            "AQEBAQAAAYpOdw6gBQUFBQUFBQUFBQUFBQUFBYK-ZzPfUPBBFtC5OEVYItZQ5p5zJ36X1puGQmm4elJH";
        assert_eq!((made.len(), made), (TOKEN_CHARS, &*token(body(1, 1, SOLVED), &SOLVER)));
        assert_eq!(verify(Captcha::Slider, made, OPENING), Ok(ProofId([5; 16])));
        let image = token(body(2, 1, SOLVED), &SOLVER);
        assert_eq!(verify(Captcha::Image, &image, OPENING), Ok(ProofId([5; 16])));
    }

    #[test]
    fn r_risk_1_a_proof_of_somebody_or_something_else_is_invalid() {
        let elsewhere = [
            Solver { campaign: "xiangning-2024", ..SOLVER },
            Solver { id_number: "110101199001011238", ..SOLVER },
            Solver { device: "device-2", ..SOLVER },
            // The same letters, cut at other places.
            Solver { campaign: "xiangning-20231", id_number: "10101199001011237", ..SOLVER },
        ];
        for solver in elsewhere {
            let other = token(body(1, 1, SOLVED), &solver);
            assert_eq!(verify(Captcha::Slider, &other, OPENING), Err(Refusal::SliderInvalid));
        }
        let other_round = token(body(1, 2, SOLVED), &SOLVER);
        assert_eq!(verify(Captcha::Slider, &other_round, OPENING), Err(Refusal::SliderInvalid));
        let slider = token(body(1, 1, SOLVED), &SOLVER);
        assert_eq!(verify(Captcha::Image, &slider, OPENING), Err(Refusal::ImageInvalid));
        let neither = token(body(3, 1, SOLVED), &SOLVER);
        assert_eq!(verify(Captcha::Slider, &neither, OPENING), Err(Refusal::SliderInvalid));
        let mut newer = body(1, 1, SOLVED);
        newer[0] = 2;
        let newer = token(newer, &SOLVER);
        assert_eq!(verify(Captcha::Slider, &newer, OPENING), Err(Refusal::SliderInvalid));
        assert_eq!(verify(Captcha::Slider, "", OPENING), Err(Refusal::SliderInvalid));
    }

    #[test]
    fn r_risk_1_a_proof_holds_from_ten_minutes_before_the_opening_for_fifteen_minutes() {
        let at = |solved_ms: i64, now_ms: i64| {
            let made = token(body(1, 1, OPENING.plus_ms(solved_ms)), &SOLVER);
            verify(Captcha::Slider, &made, OPENING.plus_ms(now_ms)).map(|_| ())
        };
        let no = Err(Refusal::ProofExpired);
        assert_eq!((at(-600_000, -600_000), at(-600_001, -600_000)), (Ok(()), no));
        assert_eq!((at(0, 900_000), at(0, 900_001)), (Ok(()), no));
        assert_eq!((at(5_000, 0), at(5_001, 0)), (Ok(()), no));
        for end in [At(i64::MIN), At(i64::MAX)] {
            let made = token(body(1, 1, end), &SOLVER);
            assert_eq!(verify(Captcha::Slider, &made, OPENING).map(|_| ()), no);
        }
    }

    #[test]
    fn r_risk_1_no_bit_can_be_altered() {
        let good = URL_SAFE_NO_PAD.decode(token(body(1, 1, SOLVED), &SOLVER)).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let verdict = verify(Captcha::Slider, &URL_SAFE_NO_PAD.encode(&bad), OPENING);
            assert_eq!(verdict, Err(Refusal::SliderInvalid), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn r_risk_1_no_text_is_a_proof(text in ".{0,200}", raw in "[A-Za-z0-9_-]{80}") {
            for text in [text, raw] {
                prop_assert_eq!(verify(Captcha::Image, &text, OPENING), Err(Refusal::ImageInvalid));
            }
        }
    }
}
