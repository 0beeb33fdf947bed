//! Made-up events of round 1 of a campaign, for tests: its kinds are `ten` and `twenty`, of one pool.

pub(crate) mod redeeming;

use crate::domain::*;
use crate::funds::{Account, Posting};
use crate::ledger::event::*;

pub(crate) const R: RoundNo = RoundNo(1);
pub(crate) const WINDOW: Window = Window { from: At(1_000), until: At(9_000) };

pub(crate) fn kinds() -> Vec<KindTerms> {
    let kind = |name: &str, face| KindTerms {
        name: name.into(),
        pool: PoolNo(0),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    vec![kind("ten", 10), kind("twenty", 20)]
}

/// The opening, as it stands in the log of one shard of two.
pub(crate) fn opened(no: u8) -> What {
    let shard = Shard { no, of: 2 };
    What::Opened(Opened {
        name: "test".into(),
        pools: vec!["retail".into()],
        kinds: kinds(),
        shard,
    })
}

/// Two persons decided to go on with issuing.
pub(crate) fn went_on() -> Vec<What> {
    let statement = decisions::statement(Subject::Resume { campaign: "test".into() });
    let signed = |by: &str| Signed { by: by.into(), signature: Hex([7; 64]) };
    let signatures = vec![signed("li"), signed("wang")];
    let decided = What::Decided(Decided { statement, signatures });
    vec![decided, What::Interlock(Interlock::Resumed)]
}

pub(crate) fn posted(from: Account, to: Account, fen: u64) -> What {
    What::Posted(Posting { pool: PoolNo(0), from, to, fen: Fen::new(fen) })
}

/// Stock of the first kind.
pub(crate) fn units(peer: u8, number: u32, units: u32) -> Transfer {
    let load = Load::Stock { round: R, window: WINDOW, kind: KindNo(0), units };
    Transfer { peer, number, load }
}

pub(crate) fn money(peer: u8, number: u32) -> Transfer {
    Transfer { peer, number, load: Load::Funds { pool: PoolNo(0) } }
}

/// Pass `who` of person `who`, for both kinds until 5,000.
pub(crate) fn bound(who: u8, phone: u8) -> Bound {
    let hash = |label: u8, value: u8| KeyedHash([label ^ value.wrapping_mul(31); 16]);
    Bound {
        round: R,
        person: PersonId([who; 16]),
        pass: PassNonce([who; 16]),
        kinds: KindSet(0b11),
        expires_at: At(5_000),
        proofs: [ProofId([who; 16]), ProofId([who ^ 0x80; 16])],
        identifiers: [
            (IdentifierKind::Account, hash(1, who)),
            (IdentifierKind::Phone, hash(2, phone)),
            (IdentifierKind::Card, hash(3, who)),
            (IdentifierKind::Device, hash(4, who)),
        ],
    }
}

/// That pass, as it stands in its person's shard.
pub(crate) fn passed(who: u8) -> What {
    What::Passed(Passed::from(&bound(who, who)))
}

/// A grant by that pass.
pub(crate) fn granted(who: u8, kind: u8, ordinal: u32) -> Granted {
    Granted {
        coupon: CouponId { round: R, kind: KindNo(kind), ordinal },
        person: PersonId([who; 16]),
        pass: PassNonce([who; 16]),
        ends_at: WINDOW.until,
    }
}

pub(crate) fn expired() -> What {
    What::Expired(Expired { round: R })
}
