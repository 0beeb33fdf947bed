//! What phones and tills share through Redis, at two nodes.

use super::super::Tills;
use super::super::keys::Place;
use super::node::{Site, person, wait_until};
use super::shard::reopened;
use crate::code::{Code, CodeRules, CodeShard, Codes, ForOrder, Holder, Made, NotTaken};
use crate::domain::fence::{Datum, Fix, Position};
use crate::domain::{At, CampaignNo, KeyedHash, NoAnswer, RedemptionId, Shard, TerminalId};
use crate::ledger::redis::RedisLedger;
use crate::merchant::terminal::Nonces;
use ::redis::cmd;
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::runtime::Runtime;

const C: CampaignNo = CampaignNo(0);
const NOW: At = At(1_693_533_600_000);
const DEAD: Result<Holder, NotTaken> = Err(NotTaken::Dead);

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn codes(node: &RedisLedger) -> Codes {
    let rules = CodeRules {
        rotate_s: number(30),
        life_s: number(60),
        wrong_tries: number(1_000),
        wrong_per_s: number(60),
    };
    Codes::new(rules, Arc::new(node.tills(C)))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn holder(who: u8) -> Holder {
    let position = Position { lat: 36.08, lon: 111.52, datum: Datum::Gcj02 };
    let fix = Fix { position, accuracy_dm: 100, taken_at: NOW, mock: false };
    // Their first byte deals people to shards.
    Holder { person: person(who), device: KeyedHash([who; 16]), fix: Some(fix) }
}

fn order(no: u8) -> ForOrder {
    ForOrder { redemption: RedemptionId([no; 16]), request: [1; 8] }
}

fn till(no: u32) -> TerminalId {
    format!("T-{no}").parse().unwrap()
}

async fn made(codes: &Codes, who: u8, at: At) -> Made {
    let made = codes.make(holder(who), at, |shard| Code::draw(shard, &mut rand::rng())).await;
    made.unwrap()
}

#[test]
fn r_redeem_2_a_code_that_one_node_gave_pays_once_at_another() {
    for shards in [1, 3] {
        let (site, runtime) = (Site::start(), runtime());
        let nodes = ["a", "b"].map(|name| site.node(name, shards));
        let [a, b] = [codes(&nodes[0]), codes(&nodes[1])];
        runtime.block_on(async {
            let mut seen = [false; 3];
            for who in [1, 100, 200] {
                let made = made(&a, who, NOW).await;
                seen[usize::from(made.code.shard().no())] = true;
                let took = b.take(&till(1), made.code, &order(who), NOW.plus_ms(59_999)).await;
                assert_eq!(took, Ok(holder(who)), "with its fix");
                for node in [&a, &b] {
                    let again = node.take(&till(1), made.code, &order(who + 1), NOW).await;
                    assert_eq!(again, DEAD);
                    let repeat = node.take(&till(1), made.code, &order(who), NOW).await;
                    assert_eq!(repeat, Err(NotTaken::Spent), "its lock may be on its way");
                }
            }
            assert_eq!(seen.iter().filter(|it| **it).count(), usize::from(shards));
            // One a person, whichever node made it; the second kills the first.
            let first = made(&a, 7, NOW).await.code;
            let second = made(&b, 7, NOW).await.code;
            assert_eq!(a.take(&till(1), first, &order(50), NOW).await, DEAD);
            assert_eq!(a.take(&till(1), second, &order(51), NOW).await, Ok(holder(7)));
            // Its instant says how old it is, and not Redis, which keeps it a little longer.
            let old = made(&a, 8, NOW).await.code;
            assert_eq!(b.take(&till(1), old, &order(52), NOW.plus_ms(60_000)).await, DEAD);
            // What nobody gave, and what names a shard that is not there.
            let none = Code::draw(CodeShard::ALONE, &mut rand::rng());
            assert_eq!(b.take(&till(1), none, &order(53), NOW).await, DEAD);
            let far = CodeShard::of(Shard { no: 99, of: 100 }).unwrap();
            let none = Code::draw(far, &mut rand::rng());
            assert_eq!(b.take(&till(1), none, &order(54), NOW).await, DEAD);
        });
        let keys: Vec<String> = site.redis.ask(cmd("KEYS").arg("*passing*")).unwrap();
        assert!(!keys.is_empty());
        for key in keys {
            let left_ms: i64 = site.redis.ask(cmd("PTTL").arg(&key)).unwrap();
            assert!((1..=65_000).contains(&left_ms), "{key} goes by itself: {left_ms}");
        }
    }
}

#[test]
fn r_redeem_2_of_many_tills_at_two_nodes_one_gets_a_code() {
    let (site, runtime) = (Site::start(), runtime());
    let nodes = ["a", "b"].map(|name| site.node(name, 1));
    let [a, b] = [Arc::new(codes(&nodes[0])), Arc::new(codes(&nodes[1]))];
    runtime.block_on(async {
        for round in 0..20_u8 {
            let code = made(&a, round, NOW).await.code;
            let scans = (0..64_u8).map(|no| {
                let node = Arc::clone(if no % 2 == 0 { &a } else { &b });
                let scan =
                    async move { node.take(&till(u32::from(no)), code, &order(no), NOW).await };
                tokio::spawn(scan)
            });
            let told = futures_util::future::join_all(scans).await;
            let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
            assert_eq!(told.iter().filter(|it| it.is_ok()).count(), 1, "{told:?}");
            assert_eq!(told.iter().filter(|it| **it == DEAD).count(), 63);
        }
    });
}

#[test]
fn r_redeem_2_a_code_is_dead_after_a_fence_though_redis_still_has_it() {
    let (site, runtime) = (Site::start(), runtime());
    let nodes = ["a", "b"].map(|name| site.node(name, 1));
    let [a, b] = [codes(&nodes[0]), codes(&nodes[1])];
    runtime.block_on(async {
        let code = made(&a, 1, NOW).await.code;
        let connection = &mut site.redis.connect().unwrap();
        // The shard was reconciled, as after a master that lost its tail: a scan may be lost with it.
        reopened(connection, Place::shard(C, 0), 1, 2);
        assert_eq!(b.take(&till(1), code, &order(1), NOW).await, DEAD);
        // The next one lives.
        let code = made(&a, 1, NOW).await.code;
        assert_eq!(b.take(&till(1), code, &order(2), NOW).await, Ok(holder(1)));
    });
}

#[test]
fn r_redeem_2_a_request_that_one_node_heard_no_other_hears() {
    let (site, runtime) = (Site::start(), runtime());
    let nodes = ["a", "b"].map(|name| site.node(name, 3));
    let [a, b]: [Tills; 2] = [nodes[0].tills(C), nodes[1].tills(C)];
    runtime.block_on(async {
        assert_eq!(a.note(till(1), [1; 16], 120_000).await, Ok(true));
        assert_eq!(a.note(till(1), [1; 16], 120_000).await, Ok(false));
        assert_eq!(b.note(till(1), [1; 16], 120_000).await, Ok(false));
        assert_eq!(b.note(till(2), [1; 16], 120_000).await, Ok(true), "another till's");
        assert_eq!(b.note(till(1), [2; 16], 120_000).await, Ok(true));
        // A fence does not let it be heard again, as long as Redis has it.
        let connection = &mut site.redis.connect().unwrap();
        reopened(connection, Place::identities(C), 1, 2);
        assert_eq!(a.note(till(1), [1; 16], 120_000).await, Ok(false));
    });
}

#[test]
fn r_redeem_2_without_redis_no_code_is_given_or_taken_and_no_till_is_heard() {
    let (mut site, runtime) = (Site::start(), runtime());
    let node = site.node("a", 1);
    let (here, tills) = (codes(&node), node.tills(C));
    let code = runtime.block_on(made(&here, 1, NOW)).code;
    site.redis.kill();
    runtime.block_on(async {
        let draw = |shard| Code::draw(shard, &mut rand::rng());
        assert_eq!(here.make(holder(2), NOW, draw).await, Err(NoAnswer));
        for _ in 0..1_001 {
            // No answer is no wrong try.
            let took = here.take(&till(1), code, &order(1), NOW).await;
            assert_eq!(took, Err(NotTaken::NoAnswer));
        }
        assert_eq!(tills.note(till(1), [1; 16], 120_000).await, Err(NoAnswer));
    });
    // Back, but under another lineage: nothing before it was recovered.
    site.redis.start_again().unwrap();
    wait_until("it is looked at", || !crate::ledger::service::Ledger::issues(&node, C));
    runtime.block_on(async {
        assert_eq!(here.take(&till(1), code, &order(1), NOW).await, Err(NotTaken::NoAnswer));
        assert_eq!(tills.note(till(1), [1; 16], 120_000).await, Err(NoAnswer));
    });
}

#[test]
fn r_redeem_2_no_two_persons_have_one_code_in_redis() {
    let (site, runtime) = (Site::start(), runtime());
    let node = site.node("a", 1);
    let here = codes(&node);
    runtime.block_on(async {
        let first = made(&here, 1, NOW).await.code;
        let mut drawn = 0;
        let draw = |shard| {
            drawn += 1;
            if drawn == 1 { first } else { Code::draw(shard, &mut rand::rng()) }
        };
        let second = here.make(holder(2), NOW, draw).await.unwrap().code;
        assert_eq!(drawn, 2);
        assert_eq!(here.take(&till(1), first, &order(1), NOW).await, Ok(holder(1)));
        assert_eq!(here.take(&till(1), second, &order(2), NOW).await, Ok(holder(2)));
    });
}
