//! One set of stories for every home of the ledger: the machine alone, the embedded ledger, Redis, a Redis Cluster;
//! kept by SQLite and by PostgreSQL; and with everything that can be restarted restarted between any two steps.
//!
//! The same is answered everywhere, but that shards number coupons each in its turn. At the end what the store
//! holds is the fold of its logs, and has the coupons and the money that the machine has.
//!
//! Two nodes serve each campaign in Redis: `@1` in a step is the other one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what is not there"
)]

#[path = "homes/beside.rs"]
mod beside;
#[path = "model/commands.rs"]
mod commands;
#[path = "homes/death.rs"]
mod death;
#[path = "homes/local.rs"]
mod local;
#[path = "homes/nodes.rs"]
mod nodes;
#[path = "homes/persons.rs"]
mod persons;
#[path = "homes/random.rs"]
mod random;
#[path = "homes/redeem.rs"]
mod redeem;
#[path = "model/redeeming.rs"]
mod redeeming;
#[path = "homes/renumbered.rs"]
mod renumbered;
#[path = "homes/servers.rs"]
mod servers;
#[path = "homes/stores.rs"]
mod stores;
#[path = "homes/story.rs"]
mod story;

use local::{Alone, Here};
use nodes::Nodes;
use quan::domain::At;
use quan::rush::servers::{RedisCluster, RedisServer, Settings};
use servers::Servers;
use stores::{Kind, Scratch};
use story::{Told, check};

/// Name and steps of each.
const STORIES: [(&str, &str); 9] = [
    (
        "r_claim_1_stock",
        "
        0    arm 2 1       -> done
        10   bind 1 1      -> done
        10   bind 2 2      -> done
        10   bind@1 3 3    -> done
        1000 claim 1 0     -> granted 1
        1001 claim 1 0     -> already_held 1
        1002 claim@1 1 0   -> already_held 1
        1002 coupons@1 1   -> 1
        1002 claim 1 1     -> granted 1
        1003 claim@1 2 0   -> granted 2
        1003 left 0 0      -> 0
        1004 claim 3 0     -> sold_out
        1004 claim 2 1     -> sold_out
        1004 claim 3 7     -> kind_unknown
        1005 coupons 1     -> 2
        1005 coupons@1 1   -> 2
        1005 coupons 3     -> 0
        ",
    ),
    (
        "r_cal_1_window",
        "
        999  claim 1 0     -> round_unknown
        999  arm 2 1       -> done
        999  bind 1 1      -> done
        999  claim 1 0     -> not_open
        1000 claim@1 1 0   -> granted 1
        8998 claim 2 0     -> pass_invalid
        9000 claim 1 1     -> closed
        9000 claim 1 0     -> already_held 1
        ",
    ),
    (
        "r_risk_3_interlock",
        "
        0    arm 2 1       -> done
        10   bind 1 1      -> done
        10   bind 2 2      -> done
        10   trip          -> done
        10   trip@1        -> done
        1000 claim@1 1 0   -> risk_control_degraded
        1000 claim@1 2 0   -> risk_control_degraded
        1001 resume@1      -> done
        1002 claim 1 0     -> granted 1
        1003 trip@1        -> done
        1003 claim 1 0     -> already_held 1
        1003 claim 2 0     -> risk_control_degraded
        1004 resume        -> done
        1004 claim@1 2 0   -> granted 2
        ",
    ),
    (
        "r_who_3_identifiers",
        "
        10   bind 1 1      -> done
        10   bind@1 1 1    -> done
        10   bind@1 2 1    -> phone_in_use
        11   bind 2 2      -> done
        12   bind@1 3 2    -> phone_in_use
        4999 bind 4 4      -> done
        5000 bind 3 3      -> proof_expired
        5000 bind 4 4      -> done
        ",
    ),
    (
        "r_risk_1_passes",
        "
        0    arm 2 1       -> done
        10   bind 1 1      -> done
        10   bind 4 4      -> done
        1000 claim 2 0     -> pass_invalid
        1000 steal 2 1     -> pass_invalid
        1000 steal@1 4 1   -> pass_invalid
        4999 claim@1 4 1   -> granted 1
        5000 claim 1 0     -> pass_expired
        5000 claim 4 1     -> already_held 1
        ",
    ),
    (
        "r_fund_2_arming",
        "
        0    open          -> done
        0    open other    -> conflict
        0    arm 9 1       -> not_enough
        0    arm 6 2       -> done
        1    arm 6 2       -> done
        1    arm@1 6 2     -> done
        1    arm 2 1       -> conflict
        1    arm@1 6 1     -> conflict
        1    arm 2 0       -> conflict
        10   bind 1 1      -> done
        1000 claim 1 0     -> granted 1
        8999 expire        -> conflict
        9000 expire@1      -> done
        9000 expire        -> done
        9001 arm 6 2       -> done
        9001 claim 1 0     -> already_held 1
        9001 claim 1 1     -> closed
        9002 arm_2 5 2     -> done
        9003 arm_3 1 1     -> not_enough
        9003 arm_3 1 0     -> done
        ",
    ),
    (
        "r_fund_2_a_round_that_is_not_there",
        "
        10   bind 1 1      -> done
        1000 expire        -> round_unknown
        1000 claim 1 0     -> round_unknown
        9500 arm 1 1       -> conflict
        9500 expire@1      -> round_unknown
        9500 claim 1 0     -> round_unknown
        ",
    ),
    (
        "r_claim_2_one_unit",
        "
        0    arm 1 0       -> done
        10   bind 1 1      -> done
        10   bind 2 2      -> done
        10   bind 3 3      -> done
        10   claim 1 0     -> not_open
        10   claim 2 0     -> not_open
        10   claim@1 3 0   -> not_open
        1000 claim 1 1     -> sold_out
        1000 claim@1 2 1   -> sold_out
        1000 claim 4 0     -> pass_invalid
        1000 claim 5 0     -> pass_invalid
        1000 claim 6 0     -> pass_invalid
        1000 claim 2 0     -> granted 1
        1001 claim 1 0     -> sold_out
        1001 claim@1 3 0   -> sold_out
        1001 left@1 0 0    -> 0
        ",
    ),
    (
        "i3_restarts",
        "
        0    arm 3 1       -> done
        0    restart
        10   bind 1 1      -> done
        10   restart
        1000 claim 1 0     -> granted 1
        1000 restart
        1001 claim 1 0     -> already_held 1
        1001 trip          -> done
        1001 restart
        1002 claim 1 1     -> risk_control_degraded
        1002 resume        -> done
        1003 claim 1 1     -> granted 1
        1003 restart
        1003 left 1 0      -> 0
        9000 expire        -> done
        9000 restart
        9000 expire        -> done
        9000 coupons 1     -> 2
        ",
    ),
];

/// The stories; with `QUAN_STORY` those whose names have that in them.
fn told() -> impl Iterator<Item = (&'static str, &'static str)> {
    let these = std::env::var("QUAN_STORY").unwrap_or_default();
    STORIES.into_iter().chain(redeem::STORIES).filter(move |(name, _)| name.contains(&these))
}

/// With each store, each story in a home that `home` makes.
fn everywhere<'a>(home: impl Fn(Kind, &str, &Scratch) -> Box<dyn story::Home + 'a>, often: bool) {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for (name, steps) in told() {
            let scratch = Scratch::new();
            check(&mut *home(kind, name, &scratch), name, steps, often);
        }
    }
}

#[test]
fn r_claim_1_r_fund_2_the_machine_alone() {
    for (name, steps) in STORIES.into_iter().chain(redeem::STORIES) {
        check(&mut Alone::default(), name, steps, false);
    }
}

#[test]
fn r_claim_1_r_fund_2_i8_embedded() {
    everywhere(|kind, _, scratch| Box::new(Here::new(scratch, kind)), false);
}

#[test]
fn r_claim_1_r_fund_2_i3_i8_embedded_and_restarted_between_any_two_steps() {
    everywhere(|kind, _, scratch| Box::new(Here::new(scratch, kind)), true);
}

#[test]
fn r_claim_1_r_fund_2_i8_redis() {
    let folder = Scratch::new();
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let servers = Servers::one(redis);
    everywhere(|kind, name, at| Box::new(Nodes::start(&servers, 1, name, at, kind)), false);
}

#[test]
fn r_claim_1_r_fund_2_i8_redis_with_three_shards() {
    let folder = Scratch::new();
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let servers = Servers::one(redis);
    everywhere(|kind, name, at| Box::new(Nodes::start(&servers, 3, name, at, kind)), false);
}

#[test]
fn r_claim_1_r_fund_2_i3_i8_redis_and_everything_restarted_between_any_two_steps() {
    let folder = Scratch::new();
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let servers = Servers::one(redis);
    // Three shards, so that what a recovery restores is counted in turns.
    let home = |kind, name: &str, at: &Scratch| -> Box<dyn story::Home> {
        Box::new(Nodes::start(&servers, 3, name, at, kind))
    };
    if std::env::var_os("QUAN_HOMES").is_some() {
        return everywhere(home, true);
    }
    // A recovery takes seconds in a debug build: the other stories are told by hand, with QUAN_HOMES=all.
    let (scratch, (name, steps)) = (Scratch::new(), STORIES[0]);
    check(&mut *home(Kind::Postgres, name, &scratch), name, steps, true);
}

#[test]
fn r_claim_1_r_fund_2_i8_a_cluster() {
    let folder = Scratch::new();
    let servers = Servers::cluster(RedisCluster::start(folder.path(), 3, 1).unwrap());
    everywhere(|kind, name, at| Box::new(Nodes::start(&servers, 3, name, at, kind)), false);
}

/// Persons in the first of three shards.
const NEIGHBOURS: [u8; 3] = [3, 6, 8];

#[test]
fn i2_two_nodes_claim_for_one_person_at_once_and_one_coupon_comes_of_it() {
    let (folder, scratch) = (Scratch::new(), Scratch::new());
    let servers = Servers::cluster(RedisCluster::start(folder.path(), 3, 1).unwrap());
    let mut nodes = Nodes::start(&servers, 3, "twice", &scratch, Kind::Sqlite);
    let told = |told: Told| assert_eq!(told.word, "done");
    told(story::step(&mut nodes, "0 arm 5 2"));
    for who in 1..=5 {
        told(story::step(&mut nodes, &format!("10 bind@{} {who} {who}", who % 2)));
    }
    for who in 1..=5 {
        let mut words = nodes.at_once(&[0, 1].map(|node| format!("1000 claim@{node} {who} 0")));
        words.sort();
        let [held, granted] = words.as_slice() else { panic!("{words:?}") };
        let ordinal = granted.strip_prefix("granted ").expect("one is granted");
        assert_eq!(*held, format!("already_held {ordinal}"));
    }
    assert_eq!(story::step(&mut nodes, "1001 left 0 0").word, "0");
    story::Home::end(&mut nodes).unwrap().is_a_fold();
}

#[test]
fn i4_two_shards_lock_one_order_at_once_and_one_of_them_holds_a_coupon() {
    let (folder, scratch) = (Scratch::new(), Scratch::new());
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let servers = Servers::one(redis);
    let mut nodes = Nodes::start(&servers, 3, "one order", &scratch, Kind::Sqlite);
    let mut done = |line: &str| {
        let told = story::step(&mut nodes, line).word;
        assert!(told == "done" || told.starts_with("granted"), "{line}: {told}");
    };
    done("0 admit 7 0");
    done("0 arm 6 0");
    // Each is of another shard.
    for who in 1..=3 {
        done(&format!("10 bind {who} {who}"));
        done(&format!("1000 claim {who} 0"));
    }
    for order in 1..=5 {
        let lock = |who: usize| format!("1001 lock@{} {order} {who} 7 60", who % 2);
        let told = nodes.at_once(&[1, 2, 3].map(lock));
        let locked: Vec<_> = told.iter().filter(|it| it.starts_with("locked")).collect();
        let refused = told.iter().filter(|it| *it == "order_conflict").count();
        assert_eq!((locked.len(), refused), (1, 2), "order {order}: {told:?}");
        let told = story::step(&mut nodes, &format!("1002 release@1 {order}")).word;
        assert_eq!(told, "released 1002");
    }
    story::Home::end(&mut nodes).unwrap().is_a_fold();
}

#[test]
fn i3_what_is_restored_took_its_shards_turns() {
    let (folder, scratch) = (Scratch::new(), Scratch::new());
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let servers = Servers::one(redis);
    let mut nodes = Nodes::start(&servers, 3, "turns", &scratch, Kind::Sqlite);
    assert_eq!(story::step(&mut nodes, "0 arm 9 0").word, "done");
    for who in NEIGHBOURS {
        assert_eq!(story::step(&mut nodes, &format!("10 bind {who} {who}")).word, "done");
    }
    for (nth, who) in NEIGHBOURS.into_iter().enumerate() {
        let told = story::step(&mut nodes, &format!("1000 claim {who} 0"));
        // Shard 0 of 3 numbers its coupons 1, 4, 7.
        assert_eq!(told.word, format!("granted {}", 1 + 3 * nth));
        nodes.restart_all(At(1_000));
    }
    story::Home::end(&mut nodes).unwrap().is_a_fold();
}

#[test]
fn r_risk_3_a_resume_right_after_another_nodes_trip_resumes() {
    let (folder, scratch) = (Scratch::new(), Scratch::new());
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let servers = Servers::one(redis);
    let mut nodes = Nodes::start(&servers, 3, "resume", &scratch, Kind::Sqlite);
    assert_eq!(story::step(&mut nodes, "0 arm 2 1").word, "done");
    for at in 1_000..1_020 {
        for (verb, want) in [("trip@1", "risk_control_degraded"), ("resume@0", "pass_invalid")] {
            assert_eq!(story::step(&mut nodes, &format!("{at} {verb}")).word, "done");
            assert_eq!(story::step(&mut nodes, &format!("{at} claim 1 0")).word, want, "{at}");
        }
    }
    story::Home::end(&mut nodes).unwrap().is_a_fold();
}

#[test]
fn r_claim_1_a_claim_of_an_unknown_kind_costs_nobody_else_theirs() {
    let (folder, scratch) = (Scratch::new(), Scratch::new());
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let servers = Servers::one(redis);
    let mut nodes = Nodes::start(&servers, 1, "batch", &scratch, Kind::Sqlite);
    assert_eq!(story::step(&mut nodes, "0 arm 6 2").word, "done");
    for who in 1..=6 {
        assert_eq!(story::step(&mut nodes, &format!("10 bind {who} {who}")).word, "done");
    }
    let claims = (1..=6).flat_map(|who| [0, 7].map(|kind| format!("1000 claim {who} {kind}")));
    let told = nodes.at_once(&claims.collect::<Vec<_>>());
    let granted = |nth: usize| format!("granted {}", nth + 1);
    let want = (0..6).flat_map(|nth| [granted(nth), "kind_unknown".into()]);
    assert_eq!(told, want.collect::<Vec<_>>());
    story::Home::end(&mut nodes).unwrap().is_a_fold();
}

#[test]
fn i9_stock_of_other_shards_comes_to_whoever_asks_and_its_end_is_seen_by_all_within_250_ms() {
    let folder = Scratch::new();
    let servers = Servers::cluster(RedisCluster::start(folder.path(), 3, 1).unwrap());
    // Others may use the machine: it is in time if it once was.
    let mut slowest = vec![];
    while slowest.len() < 20 && !slowest.iter().any(|ms| *ms <= 250) {
        slowest.push(runs_dry(&servers, &format!("dry {}", slowest.len())));
    }
    assert!(slowest.iter().any(|ms| *ms <= 250), "the slowest of each turn: {slowest:?} ms");
}

/// The longest that an answer, or news of one, took in a campaign whose shards run dry.
fn runs_dry(servers: &Servers, name: &str) -> u128 {
    let scratch = Scratch::new();
    let mut nodes = Nodes::start(servers, 3, name, &scratch, Kind::Sqlite);
    assert_eq!(story::step(&mut nodes, "0 arm 3 0").word, "done");
    for who in NEIGHBOURS {
        assert_eq!(story::step(&mut nodes, &format!("10 bind {who} {who}")).word, "done");
    }
    let mut slowest = 0;
    for (at, who) in NEIGHBOURS.into_iter().enumerate() {
        // The first has a unit where it asks, the others' come from elsewhere.
        let told = story::step(&mut nodes, &format!("1000 claim@{} {who} 0", at % 2));
        assert!(told.word.starts_with("granted "), "{told:?}");
        slowest = slowest.max(told.ms);
    }
    for node in [0, 1] {
        let told = story::step(&mut nodes, &format!("1001 left@{node} 0 0"));
        assert_eq!(told.word, "0", "node {node}");
        slowest = slowest.max(told.ms);
    }
    story::Home::end(&mut nodes).unwrap().is_a_fold();
    slowest
}
