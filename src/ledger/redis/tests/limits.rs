//! What claims and passes are refused for, and that all are counted.

use super::super::effects::number;
use super::super::keys::Key;
use super::super::scripts::{BindReply, ClaimReply, bind, claim};
use super::campaign::{C, IDENTITIES, NOW, R, SHARD, bound, campaign, claims, of, told};
use super::server::Server;
use super::shard::{call, get, set};
use crate::domain::{At, Refusal};
use crate::funds::FundsRefusal;
use crate::ledger::event::Bound;
use crate::ledger::machine::{Answer, No};

#[test]
fn r_fund_2_i7_a_pass_pays_once_and_no_grant_is_without_money() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    // Neither can come of the rules; a grant that did not find it would be wrong all the same.
    let mut record = get(connection, SHARD, Key::Passes(R), &[1; 16]).unwrap();
    record[28] = 1;
    let mut cmd = ::redis::cmd("HSET");
    cmd.arg(SHARD.key(Key::Passes(R)))
        .arg([1_u8; 16].as_slice())
        .arg(record)
        .exec(connection)
        .unwrap();
    assert_eq!(told(claims(connection, 1, &[1])), [Err(Refusal::PassSpent.into())]);
    set(connection, SHARD, Key::Funds, "reserved:0", b"19");
    let told = told(claims(connection, 1, &[2, 3]));
    assert!(matches!(told[0], Ok(Answer::Granted(_))), "{told:?}");
    assert_eq!(told[1], Err(No::Funds(FundsRefusal::NotEnough)));
    assert_eq!(get(connection, SHARD, Key::Funds, b"reserved:0").unwrap(), b"9");
}

#[test]
fn r_cal_4_r_risk_1_limits_are_met_to_the_millisecond() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let mut at = |now, who| {
        let claims = [of(who)];
        let reply = call(connection, &claim(SHARD, R, 1, At(now), &claims).unwrap()).unwrap();
        told(ClaimReply::read(reply, &claims).unwrap())[0]
    };
    let no = |refusal: Refusal| Err(No::Refused(refusal));
    assert_eq!(at(999, 1), no(Refusal::NotOpen { opens_in_ms: 1 }));
    assert!(matches!(at(1_000, 1), Ok(Answer::Granted(_))));
    assert!(matches!(at(4_999, 2), Ok(Answer::Granted(_))));
    assert_eq!(at(5_000, 3), no(Refusal::PassExpired));
    assert_eq!(at(8_999, 3), no(Refusal::PassExpired));
    assert_eq!(at(9_000, 3), no(Refusal::Closed));
    for (now, who, want) in
        [(4_999, 1, Ok(Answer::Bound(At(5_000)))), (5_000, 2, no(Refusal::ProofExpired))]
    {
        let reply = call(connection, &bind(C, 1, 1, At(now), &bound(who)).unwrap()).unwrap();
        let BindReply::Decided { told, .. } = BindReply::read(reply).unwrap() else { panic!() };
        assert_eq!(told, want);
    }
}

#[test]
fn r_risk_1_either_proof_makes_one_pass_of_one_person() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let mut bind = |bound: &Bound| {
        let reply = call(connection, &bind(C, 1, 1, NOW, bound).unwrap()).unwrap();
        let BindReply::Decided { told, .. } = BindReply::read(reply).unwrap() else { panic!() };
        told
    };
    assert!(bind(&bound(1)).is_ok());
    let (one, two) = (bound(1), bound(2));
    let [slider, image] = one.proofs;
    for spent in [
        Bound { pass: one.pass, ..two.clone() },
        Bound { proofs: [slider, two.proofs[1]], ..two.clone() },
        Bound { proofs: [image, two.proofs[1]], ..two.clone() },
        Bound { proofs: [two.proofs[0], image], ..two.clone() },
        Bound { proofs: [two.proofs[0]; 2], ..two.clone() },
    ] {
        assert_eq!(bind(&spent), Err(Refusal::ProofSpent.into()), "{spent:?}");
    }
    assert_eq!(bind(&two), Ok(Answer::Bound(two.expires_at)));
}

#[test]
fn every_evaluation_is_counted() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    claims(connection, 1, &[1, 1, 2, 3, 4]);
    claims(connection, 1, &[5, 6]);
    // Granted, held, sold out.
    let evaluated = get(connection, SHARD, Key::Meta, b"evaluated");
    assert_eq!(evaluated, Some(number(7).unwrap()));
    assert_eq!(get(connection, SHARD, Key::Meta, b"asked"), Some(number(7).unwrap()), "moves");
    for who in [1, 1] {
        call(connection, &bind(C, 1, 1, NOW, &bound(who)).unwrap()).unwrap();
    }
    let asked = get(connection, IDENTITIES, Key::Meta, b"asked");
    assert_eq!(asked, Some(number(2).unwrap()));
}
