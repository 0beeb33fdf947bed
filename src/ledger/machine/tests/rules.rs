//! Rules that hold because nothing in the ledger could break them; these tests are for the day something could.

use super::*;
use crate::funds::{Balances, Posting};
use crate::ledger::event::{Event, KindTerms};

/// Two pools, one kind each: `car` is rich, `retail` holds 30 fen.
fn two_pools() -> Command {
    let kind = |name: &str, pool, face| KindTerms {
        name: name.into(),
        pool: PoolNo(pool),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    Command::Open {
        name: "test".into(),
        pools: vec![("car".into(), Fen::new(1_000)), ("retail".into(), Fen::new(30))],
        kinds: vec![kind("big", 0, 100), kind("ten", 1, 10)],
    }
}

fn arm_round(round: u8, quantities: [u32; 2]) -> Command {
    let window = Window { from: OPENS, until: ENDS };
    Command::Arm(C, Armed { round: RoundNo(round), window, quantities: quantities.to_vec() })
}

fn pools(machine: &Machine) -> [Balances; 2] {
    let funds = machine.funds(C).unwrap();
    [*funds.pool(PoolNo(0)).unwrap(), *funds.pool(PoolNo(1)).unwrap()]
}

#[test]
fn r_fund_3_r_adj_3_a_pool_pays_for_its_own_kinds_and_goes_on_without_the_others() {
    let mut machine = Machine::default();
    machine.execute(&two_pools(), At(0)).unwrap();
    let before = pools(&machine);
    // 40 fen of a pool of 30, beside a pool that could pay them all.
    assert!(matches!(machine.execute(&arm_round(1, [1, 4]), At(0)), Err(No::Funds(_))));
    assert_eq!(pools(&machine), before, "nothing was taken from the other pool");
    machine.execute(&arm_round(2, [0, 3]), At(0)).unwrap();
    // One is used up to the last fen; a round of the other is armed all the same.
    assert_eq!(pools(&machine)[1].available, Fen::ZERO);
    assert!(matches!(machine.execute(&arm_round(3, [0, 1]), At(0)), Err(No::Funds(_))));
    machine.execute(&arm_round(4, [10, 0]), At(0)).unwrap();
    let after = pools(&machine);
    assert_eq!((after[0].reserved, after[1].reserved), (Fen::new(1_000), Fen::new(30)));
    assert_eq!(after.map(|pool| pool.budget), before.map(|pool| pool.budget));
}

#[test]
fn r_fund_4_a_grant_moves_the_face_of_its_kind_in_its_pool_and_nothing_else() {
    let mut machine = Machine::default();
    for command in [open(), arm(&[2, 1]), bind(1, 1)] {
        machine.execute(&command, At(10)).unwrap();
    }
    for (kind, face) in [(0, 10), (1, 20)] {
        let events = machine.execute(&grant(1, kind), OPENS).unwrap().events;
        let posted: Vec<&Posting> = events
            .iter()
            .filter_map(|event| match &event.what {
                What::Posted(posting) => Some(posting),
                _ => None,
            })
            .collect();
        let (from, to) = (Account::Reserved, Account::Frozen);
        assert_eq!(posted, [&Posting { pool: PoolNo(0), from, to, fen: Fen::new(face) }]);
    }
}

#[test]
fn r_adj_2_r_cal_3_an_issued_coupons_end_is_the_one_it_was_issued_with() {
    let mut machine = Machine::default();
    for (command, at) in [(open(), 0), (arm(&[2, 1]), 0), (bind(1, 1), 10), (grant(1, 0), 1_000)] {
        machine.execute(&command, At(at)).unwrap();
    }
    for until in [ENDS.plus_ms(-1), ENDS.plus_ms(1), ENDS.plus_ms(86_400_000)] {
        let window = Window { from: OPENS, until };
        let again = Command::Arm(C, Armed { round: R, window, quantities: vec![2, 1] });
        assert!(matches!(machine.execute(&again, At(1_001)), Err(No::Conflict(_))));
    }
    let held = |machine: &mut Machine, at| match machine.execute(&grant(1, 0), at).unwrap().answer {
        Answer::AlreadyHeld(held) => (held.starts_at, held.ends_at),
        other => panic!("{other:?}"),
    };
    assert_eq!(held(&mut machine, At(1_002)), (OPENS, ENDS));
    machine.execute(&Command::Expire(C, R), ENDS).unwrap();
    assert_eq!(held(&mut machine, ENDS), (OPENS, ENDS), "also after it");
}

#[test]
fn r_who_4_a_coupon_stays_with_the_person_of_its_pass() {
    let mut machine = Machine::default();
    for (command, at) in [(open(), 0), (arm(&[2, 1]), 0), (bind(1, 1), 10), (bind(2, 2), 10)] {
        machine.execute(&command, At(at)).unwrap();
    }
    let with_pass_of = |who: u8, pass: u8| {
        let (person, pass) = (PersonId([who; 16]), PassNonce([pass; 16]));
        Command::Grant(Grant { campaign: C, round: R, kind: KindNo(0), person, pass })
    };
    let holders = |machine: &Machine| {
        machine.holders().map(|(_, who, it)| (who.0[0], it.coupon.ordinal)).collect::<Vec<_>>()
    };
    let stolen = machine.execute(&with_pass_of(2, 1), OPENS);
    assert_eq!(stolen, Err(No::Refused(Refusal::PassInvalid)));
    machine.execute(&with_pass_of(1, 1), OPENS).unwrap();
    assert_eq!(holders(&machine), [(1, 1)]);
    // Whoever asks with the pass of a holder gets neither that coupon nor one of their own.
    assert_eq!(machine.execute(&with_pass_of(2, 1), OPENS), Err(No::Refused(Refusal::PassInvalid)));
    assert_eq!(holders(&machine), [(1, 1)]);
}

#[test]
fn r_audit_1_every_balance_at_every_instant_comes_of_the_events_until_then() {
    let mut machine = Machine::default();
    let mut log: Vec<(Event, At)> = Vec::new();
    let steps = [
        (open(), 0),
        (arm(&[2, 1]), 0),
        (bind(1, 1), 10),
        (grant(1, 0), 1_000),
        (grant(1, 1), 2_000),
        (Command::Trip(C), 2_500),
        (Command::Expire(C, R), 9_000),
    ];
    let mut seen = Vec::new();
    for (command, at) in steps {
        let events = machine.execute(&command, At(at)).unwrap().events;
        log.extend(events.into_iter().map(|event| (event, At(at))));
        let mut again = Machine::default();
        for (event, at) in &log {
            again.apply(event, *at);
        }
        assert_eq!(again, machine, "after {command:?}");
        let pool = *again.funds(C).unwrap().pool(PoolNo(0)).unwrap();
        seen.push([pool.available, pool.reserved, pool.frozen].map(Fen::get));
    }
    let armed = [60, 40, 0];
    let (one, both, back) = ([60, 30, 10], [60, 10, 30], [100, 0, 0]);
    assert_eq!(seen, [[100, 0, 0], armed, armed, one, both, both, back]);
}

#[test]
fn r_risk_1_a_proof_makes_one_pass_in_its_round() {
    let mut machine = Machine::default();
    machine.execute(&open(), At(0)).unwrap();
    machine.execute(&bind(1, 1), At(10)).unwrap();
    let bind_with = |round: u8, pass: u8, proofs: [u8; 2]| {
        let Command::Bind(no, mut bound) = bind(1, 1) else { unreachable!("binds") };
        (bound.round, bound.pass) = (RoundNo(round), PassNonce([pass; 16]));
        bound.proofs = proofs.map(|proof| ProofId([proof; 16]));
        Command::Bind(no, bound)
    };
    // Slider and image of pass 1 are the proofs 1 and 0x81.
    for proofs in [[1, 9], [9, 1], [0x81, 9], [9, 0x81], [9, 9]] {
        let again = machine.execute(&bind_with(1, 2, proofs), At(20));
        assert_eq!(again, Err(No::Refused(Refusal::ProofSpent)), "{proofs:?}");
    }
    assert!(machine.execute(&bind_with(1, 2, [8, 9]), At(20)).is_ok());
    assert!(machine.execute(&bind_with(2, 3, [1, 0x81]), At(20)).is_ok());
}
