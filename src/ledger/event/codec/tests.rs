use super::*;
use crate::domain::*;
use crate::funds::{Account, Posting};
use crate::ledger::event::decisions::{extension, statement, subjects};
use crate::ledger::event::*;

fn opened(shard: Shard) -> What {
    let kind = KindTerms {
        name: "ten".into(),
        pool: PoolNo(1),
        face: Fen::new(258),
        threshold: Fen::new(1_000),
    };
    What::Opened(Opened { name: "x".into(), pools: vec!["a".into()], kinds: vec![kind], shard })
}

fn body(what: What) -> Vec<u8> {
    encode(&[Event { campaign: CampaignNo(3), what }]).unwrap()
}

/// Each is read back, has that tag and length, and is not read if its end is missing.
#[track_caller]
fn as_drawn(all: impl IntoIterator<Item = (What, u8, usize)>) {
    for (what, tag, bytes) in all {
        let body = body(what.clone());
        assert_eq!(body[..4], [2, 3, 0, tag], "{what:?}");
        assert_eq!(body.len(), bytes, "{what:?}");
        assert_eq!(decode(&body).unwrap(), [Event { campaign: CampaignNo(3), what }]);
        for end in 1..body.len() {
            assert!(decode(&body[..end]).is_none_or(|events| events.is_empty()));
        }
    }
}

#[test]
fn what_shards_write_is_read_back_and_stays_as_drawn() {
    let window = Window { from: At(1), until: At(2) };
    let load = Load::Stock { round: RoundNo(4), window, kind: KindNo(5), units: 6 };
    let stock = Transfer { peer: 7, number: 8, load };
    let funds = Transfer { peer: 7, number: 9, load: Load::Funds { pool: PoolNo(2) } };
    let passed = Passed {
        round: RoundNo(1),
        person: PersonId([2; 16]),
        pass: PassNonce([3; 16]),
        kinds: KindSet(4),
        expires_at: At(5),
    };
    as_drawn([
        (opened(Shard { no: 1, of: 3 }), 12, 36),
        (opened(Shard::ALONE), 1, 34),
        (What::Passed(passed), 9, 49),
        (What::Sent(stock), 10, 32),
        (What::Received(stock), 11, 32),
        (What::Sent(funds), 10, 11),
    ]);
}

fn locked() -> Locked {
    Locked {
        redemption: RedemptionId([1; 16]),
        merchant: MerchantNo(2),
        person: PersonId([3; 16]),
        coupon: CouponId { round: RoundNo(4), kind: KindNo(5), ordinal: 6 },
        amount: Fen::new(7),
        request: [8; 8],
        until: At(9),
    }
}

fn refunded(coupon: Aftermath, owed: bool) -> What {
    let (redemption, refund) = (RedemptionId([1; 16]), RefundId([2; 16]));
    let (amount, back) = (Fen::new(3), Fen::new(4));
    What::Refunded(Refunded { redemption, refund, amount, back, coupon, owed })
}

/// One of each kind of event about redeeming, with its tag and length.
fn redeeming() -> Vec<(What, u8, usize)> {
    let (batch, merchant, pool) = (BatchNo(1), MerchantNo(2), PoolNo(3));
    let (cap, fen) = (Fen::new(500), Fen::new(u64::MAX));
    let categories = PoolSet(0b110);
    let settled = Settled { batch, merchant, pool, consumed: fen, owed: cap };
    let redemption = RedemptionId([7; 16]);
    let posting = Posting { pool, from: Account::Frozen, to: Account::Consumed, fen };
    let paid = Posting { pool, from: Account::Payable, to: Account::Paid, fen };
    let reservation = Reservation { redemption, merchant, shard: 4, turn: 5, face: cap };
    let given = GivenBack { refund: RefundId([8; 16]), merchant, fen };
    let adjusted = Adjusted { round: RoundNo(2), version: 3, quantities: vec![4, 5] };
    let stands = |standing| What::Stands(Stands { merchant, standing });
    let released = |why| What::Released(Released { redemption, why });
    vec![
        (What::Admitted(Admitted { merchant, categories, cap }), 13, 20),
        (stands(Standing::Active), 14, 9),
        (stands(Standing::Suspended), 14, 9),
        (stands(Standing::Held), 14, 9),
        (stands(Standing::SuspendedAndHeld), 14, 9),
        (What::Locked(locked()), 15, 70),
        (What::Confirmed(Confirmed { redemption }), 16, 20),
        (released(Release::ByTill), 17, 21),
        (released(Release::AtDeadline), 17, 21),
        (refunded(Aftermath::Used, false), 18, 54),
        (refunded(Aftermath::Issued, true), 18, 54),
        (refunded(Aftermath::Returned, false), 18, 54),
        (What::Settled(settled), 19, 29),
        (What::Paid(Paid { batch, merchant, pool, fen }), 20, 21),
        (What::PaymentFailed(PaymentFailed { batch, merchant }), 21, 12),
        (What::Adjusted(adjusted), 22, 18),
        (What::Reserved(reservation), 24, 37),
        (What::Vacated(reservation), 25, 37),
        (What::GivenBack(given), 26, 32),
        (What::Extended(Extended { extension: extension(), quantities: vec![6, 7] }), 28, 63),
        (What::Posted(posting), 2, 15),
        (What::Posted(paid), 2, 15),
    ]
}

#[test]
fn what_is_redeemed_is_read_back_and_stays_as_drawn() {
    as_drawn(redeeming());
    let body = body(What::Locked(locked()));
    assert_eq!(body[20..24], [2, 0, 0, 0], "the merchant");
    assert_eq!(body[40..46], [4, 5, 6, 0, 0, 0], "the coupon");
    assert_eq!(body[46..54], [7, 0, 0, 0, 0, 0, 0, 0], "the amount");
    assert_eq!(body[54..62], [8; 8], "the request");
}

#[test]
fn version_1_is_read_with_thresholds_of_zero_and_without_redemptions() {
    let mut old = body(opened(Shard::ALONE));
    // The threshold is the last field.
    old.truncate(old.len() - 8);
    old[0] = 1;
    let What::Opened(read) = decode(&old).unwrap().remove(0).what else { panic!("an opening") };
    assert_eq!((read.kinds[0].face, read.kinds[0].threshold), (Fen::new(258), Fen::ZERO));
    let What::Opened(planned) = opened(Shard::ALONE) else { unreachable!() };
    assert!(read.is(&planned) && planned.is(&planned) && !planned.is(&read));
    for (what, ..) in redeeming() {
        let mut body = body(what.clone());
        body[0] = 1;
        assert_eq!(decode(&body), None, "{what:?}");
    }
    for version in [0, 3] {
        assert_eq!(decode(&[version]), None);
    }
}

#[test]
fn a_choice_that_is_not_drawn_is_not_read() {
    for (what, ..) in redeeming() {
        let written = body(what.clone());
        let choices: &[usize] = match what {
            What::Stands(_) => &[8],
            What::Released(_) => &[20],
            What::Refunded(_) => &[52, 53],
            What::Posted(_) => &[5, 6],
            _ => &[],
        };
        for place in choices {
            let mut body = written.clone();
            body[*place] = 9;
            assert_eq!(decode(&body), None, "{what:?}");
        }
    }
}

#[test]
fn a_shard_that_can_t_be_is_not_read() {
    let mut body = body(opened(Shard { no: 1, of: 3 }));
    body[4] = 3;
    assert_eq!(decode(&body), None, "shards are 0 to 2");
    (body[4], body[5]) = (0, 1);
    assert_eq!(decode(&body), None, "the only shard is written as tag 1");
}

#[test]
fn what_was_decided_is_read_back_and_stays_as_drawn() {
    let decided = |what| {
        let signed = |by: &str, byte| Signed { by: by.into(), signature: Hex([byte; 64]) };
        let signatures = vec![signed("li", 8), signed("wang", 9)];
        What::Decided(Decided { statement: statement(what), signatures })
    };
    for what in subjects() {
        let what = decided(what);
        let written = body(what.clone());
        let read = decode(&written).map(|mut events| events.remove(0).what);
        assert_eq!(read.as_ref(), Some(&what));
        for cut in 2..written.len() {
            assert_eq!(decode(&written[..cut]), None, "{what:?} cut at {cut}");
        }
        let mut old = written.clone();
        old[0] = 1;
        assert!(decode(&old).is_none() && is_old(&old) && !is_old(&written));
    }
    let resume = subjects().swap_remove(1);
    let drawn = [
        &[2, 0, 0, 23, 54, 0][..],
        b"quan decision 1\x02\0\x04test\0\x0awell again\0\x02li",
        &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0x27, 0x10],
        &[2, 2, 0, b'l', b'i'],
        &[8; 64],
        &[4, 0, b'w', b'a', b'n', b'g'],
        &[9; 64],
    ];
    let written = body(decided(resume.clone()));
    // The campaign is the tests' own.
    assert_eq!(written[3..], drawn.concat()[3..]);
    let mut long = statement(resume);
    long.why = "y".repeat(70_000);
    let decided = Decided { statement: long, signatures: vec![] };
    let event = Event { campaign: CampaignNo(0), what: What::Decided(decided) };
    assert_eq!(encode(&[event]), None, "nothing is cut");
}
