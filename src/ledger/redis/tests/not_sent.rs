//! What is not sent at all.

use super::super::NotSent;
use super::super::about::About;
use super::super::effects::{Change, Compare, Op, changes};
use super::super::keys::{Key, Place};
use super::super::scripts::{Call, ClaimArgs, bind, claim, mv, reopen};
use super::campaign::{C, IDENTITIES, NOW, R, SHARD, bound, event, of};
use crate::domain::{At, CampaignNo, Fen, KindNo, PoolNo, RoundNo, Shard};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Passed, What};

#[test]
fn what_is_beyond_counting_is_not_sent() {
    let too_much = 1 << 53;
    let late = At(i64::try_from(too_much).unwrap());
    let face = |fen| ClaimArgs { face: Fen::new(fen), ..of(1) };
    assert!(claim(SHARD, R, too_much - 1, NOW, &[face(too_much - 1)]).is_ok());
    let mut bind_late = bound(1);
    bind_late.expires_at = late;
    let no = |call: Result<Call, NotSent>| call.unwrap_err();
    assert_eq!(no(claim(SHARD, R, 1, NOW, &[face(too_much)])), NotSent::Number);
    assert_eq!(no(claim(SHARD, R, 1, late, &[of(1)])), NotSent::Number);
    assert_eq!(no(claim(SHARD, R, 1, At(-late.0), &[of(1)])), NotSent::Number);
    assert_eq!(no(claim(SHARD, R, too_much, NOW, &[of(1)])), NotSent::Number);
    assert_eq!(no(bind(C, 1, 1, NOW, &bind_late)), NotSent::Number);
    assert_eq!(no(bind(C, 1, 1, late, &bound(1))), NotSent::Number);
    let add = Change { key: Key::Funds, field: b"x".to_vec(), op: Op::Add(late.0) };
    assert_eq!(no(mv(SHARD, 1, NOW, &[], &[add], b"", None)), NotSent::Number);
    assert_eq!(no(reopen(SHARD, 1, too_much, "")), NotSent::Number);
    assert_eq!(no(reopen(SHARD, 2, 2, "")), NotSent::Number);
    let posted = Posting {
        pool: PoolNo(0),
        from: Account::Treasury,
        to: Account::Available,
        fen: Fen::new(too_much),
    };
    let posted = [event(What::Posted(posted))];
    assert_eq!(
        changes(SHARD, Shard::ALONE, NOW, &posted, &mut About::default()),
        Err(NotSent::Number)
    );
}

#[test]
fn what_does_not_belong_together_is_not_sent() {
    let no = |claims: &[ClaimArgs]| claim(SHARD, R, 1, NOW, claims).unwrap_err();
    assert_eq!(no(&[]), NotSent::Batch(0));
    assert_eq!(no(&[of(1); 65]), NotSent::Batch(65));
    assert!(claim(SHARD, R, 1, NOW, &[of(1); 64]).is_ok());
    let other = |change: fn(&mut ClaimArgs)| {
        let mut it = of(2);
        change(&mut it);
        [of(1), it]
    };
    for wrong in [
        other(|it| it.grant.campaign = CampaignNo(1)),
        other(|it| it.grant.round = RoundNo(2)),
        other(|it| it.grant.kind = KindNo(32)),
        other(|it| it.face = Fen::new(11)),
    ] {
        assert_eq!(no(&wrong), NotSent::Misplaced, "{wrong:?}");
    }
    let of_round = |round| Compare { key: Key::Round(RoundNo(round)), field: vec![], was: None };
    let two = mv(SHARD, 1, NOW, &[of_round(1), of_round(2)], &[], b"", None);
    assert_eq!(two.unwrap_err(), NotSent::Rounds);
    let events = [event(What::Bound(bound(1)))];
    assert_eq!(
        changes(SHARD, Shard::ALONE, NOW, &events, &mut About::default()),
        Err(NotSent::Misplaced)
    );
    let events = [event(What::Passed(Passed::from(&bound(1))))];
    assert_eq!(
        changes(IDENTITIES, Shard::ALONE, NOW, &events, &mut About::default()),
        Err(NotSent::Misplaced)
    );
    let other = Place::shard(CampaignNo(1), 0);
    assert_eq!(
        changes(other, Shard::ALONE, NOW, &events, &mut About::default()),
        Err(NotSent::Misplaced)
    );
}
