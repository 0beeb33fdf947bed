//! Every interleaving of the inventory's own source, with loom's atomics in place of the machine's.
#![expect(unreachable_pub, reason = "the file under test is a module of its own here")]

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
mod domain {
    pub(crate) use quan::domain::MOST_UNITS;
}
#[path = "../src/inventory/stock.rs"]
mod stock;

use atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::Arc;
use stock::{Shortage, Stock};

#[test]
fn two_takers_of_one_coupon_never_both_hold_it() {
    loom::model(|| {
        let stock = Arc::new(Stock::new(1, 1, 0));
        let out = Arc::new(AtomicU32::new(0));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let (stock, out) = (Arc::clone(&stock), Arc::clone(&out));
                loom::thread::spawn(move || {
                    if let Ok(hold) = stock.take() {
                        assert_eq!(out.fetch_add(1, SeqCst), 0, "two hold the same coupon");
                        out.fetch_sub(1, SeqCst);
                        drop(hold);
                    }
                })
            })
            .collect();
        for taker in takers {
            taker.join().unwrap();
        }
        assert_eq!(stock.held(), 0);
    });
}

#[test]
fn sold_out_is_never_said_before_the_last_decision() {
    loom::model(|| {
        let stock = Arc::new(Stock::new(1, 1, 1));
        let decided = Arc::new(AtomicU32::new(0));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let (stock, decided) = (Arc::clone(&stock), Arc::clone(&decided));
                loom::thread::spawn(move || match stock.take() {
                    // The ledger grants to whoever comes first, then its answer is confirmed.
                    Ok(hold) => {
                        decided.store(1, SeqCst);
                        hold.confirm(2, 0);
                    }
                    Err(Shortage::SoldOut) => assert_eq!(decided.load(SeqCst), 1),
                    Err(Shortage::Busy) => {}
                })
            })
            .collect();
        for taker in takers {
            taker.join().unwrap();
        }
        assert_eq!((stock.left(), stock.held()), (0, 0));
    });
}

#[test]
fn answers_in_any_order_leave_the_newest_level() {
    loom::model(|| {
        let stock = Arc::new(Stock::new(1, 3, 0));
        let answers: Vec<_> = [(2, 2), (3, 1)]
            .into_iter()
            .map(|(seq, left)| {
                let stock = Arc::clone(&stock);
                loom::thread::spawn(move || stock.confirm(seq, left))
            })
            .collect();
        for answer in answers {
            answer.join().unwrap();
        }
        assert_eq!(stock.left(), 1);
    });
}
