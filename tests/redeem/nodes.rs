//! What several nodes share of redeeming, over HTTP.

use super::{
    site::{Home, Rows, Site, Wish},
    till::{Order, send},
};
use crate::common::{link::Answer, run::wait_until};
use std::thread;

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
}

#[test]
fn r_redeem_2_what_one_node_heard_another_does_not_hear_and_without_redis_nobody_is_heard() {
    let mut site = Site::start(&Wish::shipped(Home::Redis { shards: 1, store: Rows::Sqlite }));
    let till = site.till("T-1");
    let customer = site.customer(1, &["retail-10", "retail-40"]);
    let another = site.customer(2, &["retail-10"]);
    let [one, other] = site.all()[..] else { panic!("two nodes") };

    // A copy of a request that was heard, at the other node.
    let order = Order::new("N-1", &site.code(&customer), 5_000);
    let signed = till.redeem(&order, site.now_ms());
    assert_eq!(send(one, &signed).status, 201);
    refused(&send(other, &signed), 401, "request_replayed");
    refused(&send(one, &signed), 401, "request_replayed");
    // Signed anew it is answered by both, though its code is taken.
    for node in [one, other] {
        let again = send(node, &till.redeem(&order, site.now_ms()));
        assert_eq!((again.status, again.text("/redemption/state")), (200, "locked"), "{again:?}");
    }

    let code = site.code(&customer);
    site.pause_redis(true);
    let order = Order::new("N-2", &code, 18_000);
    // Of another person, since Redis may do later what was not answered, and a new code kills the one before. All at once:
    // a Redis that is away for long is recovered, and codes of before are dead then.
    let told = thread::scope(|scope| {
        [
            scope.spawn(|| site.redeem(&till, &order)),
            scope.spawn(|| site.look(&till, "N-1")),
            scope.spawn(|| site.code_answer(&another)),
        ]
        .map(|asked| asked.join().unwrap())
    });
    site.pause_redis(false);
    for it in &told {
        refused(it, 503, "unavailable");
    }
    // It was only slow: the same code is still good, since nothing was done.
    wait_until("Redis answers", || {
        let told = site.redeem(&till, &order);
        assert_ne!(told.code(), "code_dead", "{told:?}");
        told.status == 201 || told.status == 200
    });

    // After a restart nobody knows what was scanned last: codes of before are dead.
    let code = site.code(&customer);
    site.restart_redis();
    let order = Order::new("N-3", &code, 5_000);
    wait_until("it is recovered", || site.redeem(&till, &order).code() == "code_dead");
    let till = site.till("T-1");
    assert_eq!(site.look(&till, "N-2").text("/redemption/state"), "locked");
    let confirmed = site.end(&till, "N-2", "confirm");
    assert_eq!(confirmed.text("/redemption/state"), "confirmed", "{confirmed:?}");
    site.ends_well();
}
