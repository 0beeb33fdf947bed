use super::*;
use proptest::prelude::*;

const RETAIL: PoolNo = PoolNo(1);
const CATERING: PoolNo = PoolNo(3);

fn line(no: u8, what: What, pool: PoolNo, fen: u64) -> Line {
    Line {
        at: At(i64::from(no)),
        what,
        redemption: RedemptionId([no; 16]),
        order: format!("order {no}"),
        pool,
        kind: "kind".to_owned(),
        fen: Fen::new(fen),
    }
}

fn refund(no: u8) -> RefundId {
    RefundId([no; 16])
}

fn settled(owed_before: u64, consumed: u64, kept: u64) -> PoolDue {
    let fen = Fen::new;
    PoolDue { owed_before: fen(owed_before), consumed: fen(consumed), kept: fen(kept) }
}

fn due(lines: Vec<Line>, pools: impl Into<BTreeMap<PoolNo, PoolDue>>) -> Due {
    let (merchant, name) = (MerchantNo(41), "甲".to_owned());
    Due { merchant, log: LogNo(0), name, held: false, lines, settled: pools.into() }
}

fn head() -> Head {
    Head {
        campaign: "c".to_owned(),
        batch: BatchNo(1),
        made_at: At(0),
        pay_on: jiff::civil::date(2023, 9, 8),
    }
}

#[test]
fn what_was_taken_back_and_what_is_owed_come_off() {
    let lines = vec![
        line(2, What::Redeemed, RETAIL, 4_000),
        line(1, What::Redeemed, RETAIL, 1_000),
        line(1, What::TakenBack(refund(1)), RETAIL, 333),
        line(1, What::TakenBack(refund(2)), RETAIL, 667),
        line(9, What::Owed(refund(3)), RETAIL, 500),
        line(3, What::Redeemed, CATERING, 2_000),
    ];
    let pools = [(RETAIL, settled(250, 4_000, 750)), (CATERING, settled(0, 2_000, 0))];
    let statement = Statement::of(due(lines, pools)).unwrap();
    let fen = Fen::new;
    let retail = Totals {
        redeemed: fen(5_000),
        taken_back: fen(1_000),
        owed_before: fen(250),
        owed_new: fen(500),
        kept: fen(750),
        payable: fen(3_250),
        owed_after: fen(0),
    };
    assert_eq!(statement.pools[&RETAIL], retail);
    assert_eq!(statement.total.payable, fen(5_250));
    assert_eq!(statement.total.redeemed, fen(7_000));
    let order: Vec<i64> = statement.lines.iter().map(|it| it.at.0).collect();
    assert_eq!(order, [1, 1, 1, 2, 3, 9]);
}

#[test]
fn what_can_not_be_kept_now_stays_owed_and_one_pool_does_not_pay_for_another() {
    let lines =
        vec![line(1, What::Redeemed, RETAIL, 1_000), line(2, What::Redeemed, CATERING, 2_000)];
    let pools = [(RETAIL, settled(1_700, 1_000, 1_000)), (CATERING, settled(0, 2_000, 0))];
    let statement = Statement::of(due(lines, pools)).unwrap();
    let retail = statement.pools[&RETAIL];
    assert_eq!((retail.payable, retail.owed_after), (Fen::ZERO, Fen::new(700)));
    assert_eq!(statement.pools[&CATERING].payable, Fen::new(2_000));
    // Nothing was redeemed since: all stays owed.
    let nothing = Statement::of(due(Vec::new(), [(RETAIL, settled(700, 0, 0))])).unwrap();
    assert_eq!((nothing.total.payable, nothing.total.owed_after), (Fen::ZERO, Fen::new(700)));
}

#[test]
fn r_audit_1_what_does_not_add_up_is_named() {
    let brings = || line(1, What::Redeemed, RETAIL, 1_000);
    let back = |fen| line(1, What::TakenBack(refund(1)), RETAIL, fen);
    let of = |lines, ledger| Statement::of(due(lines, [(RETAIL, ledger)])).unwrap_err();
    let good = settled(0, 1_000, 0);
    let id = RedemptionId([1; 16]);
    let (lines, ledger) = (Fen::new(1_000), Fen::new(1_001));
    assert_eq!(
        of(vec![brings()], settled(0, 1_001, 0)),
        Fault::Consumed { pool: RETAIL, lines, ledger }
    );
    let (lines, ledger) = (Fen::new(300), Fen::new(299));
    assert_eq!(
        of(vec![brings()], settled(300, 1_000, 299)),
        Fault::Kept { pool: RETAIL, lines, ledger }
    );
    assert_eq!(of(vec![brings(), brings()], good), Fault::LineTwice(id));
    assert_eq!(of(vec![brings(), back(1), back(2)], good), Fault::LineTwice(id));
    assert_eq!(of(vec![back(1)], good), Fault::NotInBatch(id));
    assert_eq!(of(vec![brings(), back(1_001)], good), Fault::BackBeyondFace(id));
    let elsewhere = line(1, What::TakenBack(refund(1)), CATERING, 1);
    assert_eq!(of(vec![brings(), elsewhere], good), Fault::BackBeyondFace(id));
    let owed = line(1, What::Owed(refund(1)), RETAIL, 1);
    assert_eq!(of(vec![brings(), owed], good), Fault::OwedInBatch(id));
    let most = |no| line(no, What::Redeemed, RETAIL, u64::MAX);
    assert_eq!(of(vec![most(1), most(2)], good), Fault::TooMuch);
    // Of a pool that the ledger settled nothing of.
    let strange = Statement::of(due(vec![brings()], [])).unwrap_err();
    assert_eq!(
        strange,
        Fault::Consumed { pool: RETAIL, lines: Fen::new(1_000), ledger: Fen::ZERO }
    );
}

#[test]
fn who_is_held_is_left_out_of_the_batch_and_listed() {
    let lines = vec![
        line(1, What::Redeemed, RETAIL, 1_000),
        line(1, What::TakenBack(refund(1)), RETAIL, 1),
    ];
    let paid = due(vec![line(1, What::Redeemed, RETAIL, 500)], [(RETAIL, settled(0, 500, 0))]);
    let held = Due { merchant: MerchantNo(7), held: true, ..due(lines.clone(), []) };
    let batch = make_batch(head(), vec![paid.clone(), held.clone()]).unwrap();
    assert_eq!(batch.statements.len(), 1);
    assert_eq!(batch.total.payable, Fen::new(500));
    let left_out = HeldBack { merchant: MerchantNo(7), name: "甲".to_owned(), due: Fen::new(999) };
    assert_eq!(batch.held, [left_out]);
    let settled_too = Due { settled: [(RETAIL, settled(0, 999, 0))].into(), ..held };
    let fault = make_batch(head(), vec![settled_too]).unwrap_err();
    assert_eq!(fault, (MerchantNo(7), Fault::SettledThoughHeld));
    let twice = make_batch(head(), vec![paid.clone(), paid]).unwrap_err();
    assert_eq!(twice, (MerchantNo(41), Fault::MerchantTwice));
}

proptest! {
    /// Over many batches, what a merchant redeemed less all that was taken back is what it was paid less what it owes.
    #[test]
    fn r_audit_1_nothing_is_lost_between_batches(
        batches in prop::collection::vec((prop::collection::vec(0..5_000_u64, 0..6), 0..6_000_u64), 1..8),
    ) {
        let (mut owed, mut paid, mut redeemed, mut taken_back) = (0, 0, 0, 0);
        for (faces, refunded) in batches {
            let mut lines: Vec<Line> = (1..)
                .zip(&faces)
                .map(|(no, face)| line(no, What::Redeemed, RETAIL, *face))
                .collect();
            // As much as there was before comes back; a merchant can't owe more than it got.
            let refunded = refunded.min(paid);
            lines.push(line(99, What::Owed(refund(1)), RETAIL, refunded));
            let consumed: u64 = faces.iter().sum();
            let kept = consumed.min(owed + refunded);
            let it = due(lines, [(RETAIL, settled(owed, consumed, kept))]);
            let total = Statement::of(it).unwrap().total;
            redeemed += total.redeemed.get();
            taken_back += total.owed_new.get();
            paid += total.payable.get();
            owed = total.owed_after.get();
            prop_assert_eq!(redeemed + owed, paid + taken_back);
        }
    }
}
