use super::{MOST_SEQ, Shortage, Stock};
use crate::domain::MOST_UNITS;
use std::sync::Arc;

#[test]
fn sold_out_is_said_only_when_the_ledger_confirmed_zero() {
    let stock = Arc::new(Stock::new(1, 1, 0));
    let hold = stock.take().unwrap();
    // The last coupon is held but not decided: come back, not "sold out".
    assert_eq!(stock.take().unwrap_err(), Shortage::Busy);
    hold.confirm(2, 0);
    assert_eq!(stock.take().unwrap_err(), Shortage::SoldOut);
}

#[test]
fn a_dropped_hold_frees_its_place() {
    let stock = Arc::new(Stock::new(1, 1, 0));
    drop(stock.take().unwrap());
    assert_eq!(stock.held(), 0);
    assert!(stock.take().is_ok());
}

#[test]
fn the_overshoot_lets_exactly_so_many_more_through() {
    let stock = Arc::new(Stock::new(1, 2, 3));
    let holds: Vec<_> = std::iter::from_fn(|| stock.take().ok()).collect();
    assert_eq!(holds.len(), 5);
}

#[test]
fn an_older_answer_changes_nothing() {
    let stock = Arc::new(Stock::new(5, 10, 0));
    stock.confirm(7, 8);
    stock.confirm(6, 9);
    assert_eq!(stock.left(), 8);
}

#[test]
fn stock_that_comes_back_can_be_taken_again() {
    let stock = Arc::new(Stock::new(1, 0, 0));
    stock.confirm(2, 1);
    assert!(stock.take().is_ok());
}

#[test]
fn numbers_beyond_the_word_stop_at_its_ends() {
    let stock = Arc::new(Stock::new(u64::MAX, u32::MAX, 0));
    assert_eq!(stock.left(), MOST_UNITS);
    stock.confirm(MOST_SEQ, 1);
    assert_eq!(stock.left(), MOST_UNITS, "the same seq never lowers a level");
}

#[test]
fn many_threads_never_hold_more_than_may_be_out() {
    let stock = Arc::new(Stock::new(1, 10, 2));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let hold = stock.take();
                    assert!(stock.held() <= 12);
                    drop(hold);
                }
            });
        }
    });
    assert_eq!(stock.held(), 0);
}
