//! The pass: what a person shows with a claim, made once both captchas are solved (R-RISK-1).
//!
//! The token is base64url without padding of 97 bytes, all numbers big-endian:
//!
//! | bytes  | what                                                         |
//! |--------|--------------------------------------------------------------|
//! | 0      | version, 1                                                   |
//! | 1      | key id                                                       |
//! | 2..4   | campaign, `u16`                                              |
//! | 4      | round                                                        |
//! | 5..9   | kinds, `u32`, one bit a kind                                 |
//! | 9..17  | expires at, `i64`, Unix milliseconds, exclusive              |
//! | 17..33 | nonce                                                        |
//! | 33..49 | person                                                       |
//! | 49..65 | keyed hash of the device id                                  |
//! | 65..97 | HMAC-SHA-256 under the key of that id, of the 65 bytes       |
//!
//! It is stateless: it survives a restart. Whether it was spent is for the ledger to say.

use super::keys::{Keys, chars};
use crate::domain::{
    At, CampaignNo, KeyedHash, KindNo, KindSet, PassNonce, PersonId, Refusal, RoundNo,
};

const VERSION: u8 = 1;
const BODY: usize = 65;

/// Characters of a token: base64url of 97 bytes without padding.
pub const TOKEN_CHARS: usize = chars(BODY);

/// What a pass says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The campaign it is for.
    pub campaign: CampaignNo,
    /// The round it is for.
    pub round: RoundNo,
    /// The kinds the person chose.
    pub kinds: KindSet,
    /// The end of its life, exclusive.
    pub expires_at: At,
    /// Its number.
    pub nonce: PassNonce,
    /// Whose it is.
    pub person: PersonId,
    /// The device it was made on.
    pub device: KeyedHash,
}

/// What a pass is asked to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The campaign of the claim.
    pub campaign: CampaignNo,
    /// The round of the claim.
    pub round: RoundNo,
    /// The kind that is wanted.
    pub kind: KindNo,
    /// The device that asks.
    pub device: KeyedHash,
}

impl Pass {
    /// Whether the pass is good for what is asked at `now`. A copy shown by another device is worthless (R-RISK-2).
    pub fn fits(&self, asked: &Asked, now: At) -> Result<(), Refusal> {
        if (self.campaign, self.round) != (asked.campaign, asked.round) {
            return Err(Refusal::PassWrongRound);
        }
        if self.device != asked.device {
            return Err(Refusal::PassWrongDevice);
        }
        if now >= self.expires_at {
            return Err(Refusal::PassExpired);
        }
        if !has(self.kinds, asked.kind) {
            return Err(Refusal::KindNotInPass);
        }
        Ok(())
    }
}

/// A set holds no kind beyond its bits; shifting alone would wrap one around to a kind that it holds.
fn has(kinds: KindSet, kind: KindNo) -> bool {
    usize::from(kind.0) < KindSet::MOST && kinds.has(kind)
}

/// The keys that passes are sealed and opened with.
#[derive(Clone, Debug)]
pub struct PassKeys(Keys);

impl From<Keys> for PassKeys {
    fn from(keys: Keys) -> PassKeys {
        PassKeys(keys)
    }
}

impl PassKeys {
    /// The token of `pass`.
    pub fn seal(&self, pass: &Pass) -> String {
        self.0.seal(body_of(pass), &[])
    }

    /// The pass in `token`, if we sealed it; otherwise `pass_invalid`. Allocates nothing.
    pub fn open(&self, token: &str) -> Result<Pass, Refusal> {
        let body = self.0.open(token, &[]);
        body.and_then(|body| pass_of(&body)).ok_or(Refusal::PassInvalid)
    }
}

fn body_of(pass: &Pass) -> [u8; BODY] {
    let mut body = [0; BODY];
    let parts: [&[u8]; 8] = [
        &[VERSION, 0], // the key's id is written when the body is sealed
        &pass.campaign.0.to_be_bytes(),
        &[pass.round.0],
        &pass.kinds.0.to_be_bytes(),
        &pass.expires_at.0.to_be_bytes(),
        &pass.nonce.0,
        &pass.person.0,
        &pass.device.0,
    ];
    for (place, byte) in body.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    body
}

/// The pass in a body whose signature held.
fn pass_of(body: &[u8; BODY]) -> Option<Pass> {
    let ([version, _], rest) = body.split_first_chunk()?;
    let (campaign, rest) = rest.split_first_chunk()?;
    let ([round], rest) = rest.split_first_chunk()?;
    let (kinds, rest) = rest.split_first_chunk()?;
    let (expires_at, rest) = rest.split_first_chunk()?;
    let (nonce, rest) = rest.split_first_chunk()?;
    let (person, device) = rest.split_first_chunk()?;
    (*version == VERSION).then_some(Pass {
        campaign: CampaignNo(u16::from_be_bytes(*campaign)),
        round: RoundNo(*round),
        kinds: KindSet(u32::from_be_bytes(*kinds)),
        expires_at: At(i64::from_be_bytes(*expires_at)),
        nonce: PassNonce(*nonce),
        person: PersonId(*person),
        device: KeyedHash(device.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    const DEVICE: KeyedHash = KeyedHash([3; 16]);
    const ASKED: Asked =
        Asked { campaign: CampaignNo(258), round: RoundNo(4), kind: KindNo(1), device: DEVICE };

    fn keys() -> PassKeys {
        Keys::new([(1, [7; 32].as_slice())]).unwrap().into()
    }

    fn pass() -> Pass {
        Pass {
            campaign: CampaignNo(258),
            round: RoundNo(4),
            kinds: KindSet(0b110),
            expires_at: At(1_693_534_500_000),
            nonce: PassNonce([1; 16]),
            person: PersonId([2; 16]),
            device: DEVICE,
        }
    }

    #[test]
    fn r_risk_1_a_pass_is_read_as_it_was_sealed_and_by_another_program() {
        // Python: struct.pack(">BBHBIq16s16s16s", 1, 1, 258, 4, 6, ...), hmac and base64 of the standard library.
        let token = "AQEBAgQAAAAGAAABik6FtKABAQEBAQEBAQEBAQEBAQEBAgICAgICAgICAgICAgICAgMDAwMDAwMDAwMDAwMDAwPDDxGS0X9-vDPVwDLHgf9B5FnKFlCHeVhhIOv8LoNWRg";
        assert_eq!(keys().seal(&pass()), token);
        assert_eq!((token.len(), keys().open(token)), (TOKEN_CHARS, Ok(pass())));
    }

    #[test]
    fn r_risk_2_no_bit_and_no_character_can_be_altered() {
        let token = keys().seal(&pass());
        let good = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let opened = keys().open(&URL_SAFE_NO_PAD.encode(&bad));
            assert_eq!(opened, Err(Refusal::PassInvalid), "bit {bit}");
        }
        // The last character has bits that no byte takes: a second spelling of one pass is none.
        let digits = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain("-_=+/ \u{7f}".chars());
        for at in 0..token.len() {
            for other in digits.clone().filter(|it| !token[at..].starts_with(*it)) {
                let bad = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert_eq!(keys().open(&bad), Err(Refusal::PassInvalid), "{bad}");
            }
        }
        for length in 0..token.len() {
            assert_eq!(keys().open(&token[..length]), Err(Refusal::PassInvalid));
        }
        assert_eq!(keys().open(&(token + "A")), Err(Refusal::PassInvalid));
    }

    #[test]
    fn r_risk_2_another_version_is_not_guessed_at() {
        for version in [0, 2, 255] {
            let mut body = body_of(&pass());
            body[0] = version;
            assert_eq!(keys().open(&keys().0.seal(body, &[])), Err(Refusal::PassInvalid));
        }
    }

    #[test]
    fn r_risk_2_a_pass_fits_its_own_round_device_time_and_kinds_only() {
        let (pass, now) = (pass(), At(1_693_534_499_999));
        assert_eq!(pass.fits(&ASKED, now), Ok(()));
        let no = |asked, now| pass.fits(&asked, now).unwrap_err();
        assert_eq!(no(Asked { campaign: CampaignNo(1), ..ASKED }, now), Refusal::PassWrongRound);
        assert_eq!(no(Asked { round: RoundNo(5), ..ASKED }, now), Refusal::PassWrongRound);
        assert_eq!(
            no(Asked { device: KeyedHash([4; 16]), ..ASKED }, now),
            Refusal::PassWrongDevice
        );
        assert_eq!(no(ASKED, now.plus_ms(1)), Refusal::PassExpired);
        for kind in [0, 3, 31, 32, 33, 34, 255] {
            assert_eq!(no(Asked { kind: KindNo(kind), ..ASKED }, now), Refusal::KindNotInPass);
        }
    }

    proptest! {
        #[test]
        fn r_risk_2_no_text_opens_that_was_not_sealed(text in ".{0,200}", raw in "[A-Za-z0-9_-]{130}") {
            prop_assert_eq!(keys().open(&text), Err(Refusal::PassInvalid));
            prop_assert_eq!(keys().open(&raw), Err(Refusal::PassInvalid));
        }

        #[test]
        fn r_risk_1_every_pass_comes_back(
            numbers in any::<(u16, u8, u32, i64)>(), hashes in any::<[[u8; 16]; 3]>()
        ) {
            let (campaign, round, kinds, expires_at) = numbers;
            let [nonce, person, device] = hashes;
            let pass = Pass {
                campaign: CampaignNo(campaign),
                round: RoundNo(round),
                kinds: KindSet(kinds),
                expires_at: At(expires_at),
                nonce: PassNonce(nonce),
                person: PersonId(person),
                device: KeyedHash(device),
            };
            prop_assert_eq!(keys().open(&keys().seal(&pass)), Ok(pass));
        }
    }
}
