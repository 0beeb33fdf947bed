use super::*;
use crate::domain::workdays::WorkingDays;
use crate::domain::{PoolNo, RefundId};
use crate::drain::{Drain, Handed, Step};
use crate::ledger::event::{Event, What as Said, codec};
use crate::ledger::journal::Entry;
use crate::ledger::made::redeeming::{entries, story};
use crate::store::{Store, StoreUrl};
use jiff::civil::Time;
use std::num::NonZeroU8;

const C: CampaignNo = CampaignNo(0);
const A: LogNo = LogNo::of(C, 0);
const B: LogNo = LogNo::of(C, 1);

fn terms() -> Terms {
    Terms {
        name: "test".to_owned(),
        campaign: C,
        zone: TimeZone::UTC,
        rules: SettlementRules {
            days: WorkingDays::default(),
            cut_at: Time::midnight().saturating_add(jiff::Span::new().hours(23)),
            pay_after_days: NonZeroU8::MIN,
        },
        names: BTreeMap::new(),
        orders: BTreeMap::new(),
    }
}

fn flip(id: [u8; 16]) -> [u8; 16] {
    id.map(|it| it ^ 0x80)
}

/// The story's entries, as they are and as another log has them: the same of other orders.
fn two_logs() -> (Books, Vec<Entry>) {
    let mut books = Books::default();
    let all = entries(story());
    for entry in &all {
        books.take(A, entry).unwrap();
        let mut events: Vec<Event> = codec::decode(&entry.body).unwrap();
        for event in &mut events {
            match &mut event.what {
                Said::Locked(it) => it.redemption.0 = flip(it.redemption.0),
                Said::Confirmed(it) => it.redemption.0 = flip(it.redemption.0),
                Said::Released(it) => it.redemption.0 = flip(it.redemption.0),
                Said::Refunded(it) => {
                    it.redemption.0 = flip(it.redemption.0);
                    it.refund.0 = flip(it.refund.0);
                }
                _ => {}
            }
        }
        let body = codec::encode(&events).unwrap();
        books.take(B, &Entry { body, ..entry.clone() }).unwrap();
    }
    (books, all)
}

/// What a store has of both logs.
async fn rows(all: Vec<Entry>) -> Vec<store::Due> {
    let scratch = tempfile::tempdir().unwrap();
    let url = StoreUrl::File(scratch.path().join("store.sqlite"));
    let store = Store::open(&url).await.unwrap();
    let drain = Drain::open(store.clone(), LogNo::EMBEDDED, |_| Ok(Handed::default()));
    let mut drain = drain.await.unwrap();
    for entry in all {
        drain.source.push(entry);
    }
    while drain.step().await.unwrap() != Step::Empty {}
    let rows = store.dues(C).await.unwrap();
    let here = rows.iter().map(|it| store::Due { log: A, ..*it });
    let there = rows.iter().map(|it| store::Due {
        log: B,
        redemption: RedemptionId(flip(it.redemption.0)),
        refund: it.refund.map(|(id, owed)| (RefundId(flip(id.0)), owed)),
        ..*it
    });
    here.chain(there).collect()
}

#[tokio::test]
async fn r_audit_1_a_batch_of_several_logs_is_the_sum_of_what_each_has() {
    let (books, all) = two_logs();
    let rows = rows(all).await;
    let terms = terms();
    let fen = |it: Fen| it.get();
    let first = terms.batch(BatchNo(1), &books, &rows).unwrap();
    assert_eq!((fen(first.total.payable), first.statements[0].lines.len()), (2 * 35, 2 * 6));
    let second = terms.batch(BatchNo(2), &books, &rows).unwrap();
    let pool = second.statements[0].pools[&PoolNo(0)];
    assert_eq!([pool.owed_new, pool.kept, pool.payable, pool.owed_after].map(fen), [20, 20, 0, 0]);
    assert_eq!(terms.next_batch(&books), BatchNo(3));
    assert_eq!(terms.next(&books), []);
    // One log is a fen short, the other has it too much: each is held to its own.
    let mut wrong = rows.clone();
    for (log, fen) in [(A, 1), (B, 19)] {
        let it = wrong.iter_mut().find(|it| it.log == log && it.refund.is_none()).unwrap();
        it.fen = Fen::new(fen);
    }
    let error = terms.batch(BatchNo(1), &books, &wrong).unwrap_err().to_string();
    assert!(error.contains("batch 1: merchant 7"), "{error}");
    // A log that the store does not have is missed.
    let half: Vec<_> = rows.into_iter().filter(|it| it.log == A).collect();
    assert!(matches!(terms.batch(BatchNo(1), &books, &half), Err(Unmade::Differs { .. })));
    assert_eq!(terms.batch(BatchNo(9), &books, &half), Err(Unmade::NotBegun(BatchNo(9))));
}
