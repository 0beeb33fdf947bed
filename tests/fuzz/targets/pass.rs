//! Pass tokens.

use super::{KEY, OPENING, Target, body, only, signed};
use quan::domain::{CampaignNo, KeyedHash, KindSet, PassNonce, PersonId, RoundNo};
use quan::pass::{Keys, Pass, PassKeys};

const BODY: usize = 65;

pub(crate) fn target() -> Target {
    let keys: PassKeys = Keys::new([(1, KEY.as_slice()), (2, [8; 32].as_slice())]).unwrap().into();
    let older: PassKeys = Keys::new([(1, KEY.as_slice())]).unwrap().into();
    let pass = Pass {
        campaign: CampaignNo(3),
        round: RoundNo(4),
        kinds: KindSet(0b110),
        expires_at: OPENING,
        nonce: PassNonce([1; 16]),
        person: PersonId([2; 16]),
        device: KeyedHash([3; 16]),
    };
    let good = [keys.seal(&pass), older.seal(&pass)];
    let seeds = good.iter().map(|token| token.clone().into_bytes()).collect();
    let look = move |input: &[u8]| {
        let end = only(&good, input, |token| keys.open(token).is_ok());
        // Whatever we sealed ourselves is read back to the last bit, or is of no layout known here.
        let mut body = body::<BODY>(input);
        body[1] = 1;
        let token = signed(&body, &[]);
        match keys.open(&token) {
            Ok(pass) => assert_eq!((body[0], older.seal(&pass)), (1, token)),
            Err(_) => assert_ne!(body[0], 1),
        }
        format!("{end} {}", body[0] == 1)
    };
    Target { seeds, look: Box::new(look) }
}
