//! A ledger in Redis with its store, played as a node plays it: sound, and with one thing wrong at a time.

use super::log::{ENDS, R, breaks, posted, token, yes};
use crate::audit::{Audit, ElsewhereError, audit_elsewhere, audit_store, exit_code};
use crate::domain::*;
use crate::drain::{Drain, Step, tests::Scratch};
use crate::funds::Account::{Reserved, Treasury};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Admitted, Event, KindTerms, Load, Transfer, What, codec};
use crate::ledger::machine::tests::{arm, bind, decided, grant, resume};
use crate::ledger::machine::{Answer, Command, Lock, Refund, Settle, Summary};
use crate::ledger::redis::about::About;
use crate::ledger::redis::effects::changes;
use crate::ledger::redis::keys::Place;
use crate::ledger::redis::scripts::mv;
use crate::ledger::redis::{Known, Opening, Options, RedisLedger, RedisUrl, entry};
use crate::ledger::service::{BatchStats, Ledger, Watcher, told};
use crate::store::{Store, StoreUrl, tests::change};
use redis::{Client, Connection, Value, cmd};
use std::net::TcpListener;
use std::process::{Child, Command as Program, Stdio};
use std::time::Duration;

const C: CampaignNo = CampaignNo(0);
/// One person of each shard, and one more of the second.
const PEOPLE: [u8; 3] = [1, 0xc2, 0xe2];

/// A server of its own, gone with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &std::path::Path) -> Server {
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = Program::new("redis-server")
                .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"])
                .arg(folder)
                .args(["--appendonly", "yes", "--appendfsync", "always"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is installed");
            let mut server = Server { child, port };
            // Somebody else may have taken the port meanwhile.
            if server.listens() {
                return server;
            }
        }
        panic!("redis-server does not listen");
    }

    fn listens(&mut self) -> bool {
        let client = self.client();
        for _ in 0..500 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(mut connection) = client.get_connection()
                && cmd("PING").exec(&mut connection).is_ok()
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn client(&self) -> Client {
        Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap()
    }

    fn connect(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    fn url(&self) -> RedisUrl {
        format!("redis://127.0.0.1:{}", self.port).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

struct Nobody;

impl Watcher for Nobody {
    fn campaign(&mut self, _: u64, _: CampaignNo, _: &Summary) {}
    fn batch(&mut self, _: &BatchStats) {}
}

/// Order 1 is paid by a person of the first shard and paid back; order 2 is released by one of the second and paid by
/// that of the first; order 3 stays held. The merchant may redeem three tens.
async fn redeem(ledger: &RedisLedger) {
    let merchant = MerchantNo(7);
    let admitted = Admitted { merchant, categories: PoolSet(0b1), cap: Fen::new(30) };
    ask(ledger, Command::Admit(C, admitted)).await;
    let lock = |no: u8, who: u8| {
        Command::Lock(Lock {
            campaign: C,
            redemption: RedemptionId([no; 16]),
            merchant,
            person: PersonId([who; 16]),
            amount: Fen::new(50),
            choice: None,
            request: [no; 8],
            lock_ms: 500,
            at_once: false,
        })
    };
    let confirm = |no: u8| Command::Confirm(C, RedemptionId([no; 16]));
    ask(ledger, lock(1, 1)).await;
    ask(ledger, confirm(1)).await;
    ask(ledger, lock(2, 0xc2)).await;
    ask(ledger, Command::Release(C, RedemptionId([2; 16]))).await;
    let policy = crate::plan::tests::shipped().redeem.refunds;
    let (redemption, refund) = (RedemptionId([1; 16]), RefundId([9; 16]));
    let amount = Fen::new(50);
    ask(ledger, Command::Refund(Refund { campaign: C, redemption, refund, amount, policy })).await;
    ask(ledger, lock(2, 1)).await;
    ask(ledger, confirm(2)).await;
    ask(ledger, lock(3, 0xe2)).await;
    let batch = Settle { campaign: C, batch: BatchNo(1), merchant, pool: PoolNo(0) };
    ask(ledger, Command::Settle(batch)).await;
    ask(ledger, Command::Paid(C, BatchNo(1), merchant)).await;
}

/// Of 5 `ten` two go to the second of two shards, which grants both and is sent one more; the first grants one, is
/// stopped and goes on.
struct Played {
    scratch: Scratch,
    server: Server,
    redis: Connection,
    store: Store,
    record: std::path::PathBuf,
}

impl Played {
    async fn new(name: &str) -> Played {
        let scratch = Scratch::new(name);
        let server = Server::start(&scratch.file(""));
        let redis = server.connect();
        let options =
            Options { url: server.url(), shards: 2, replicas: 0, acks: scratch.file("acks") };
        let mut opening = Opening::connect(options, Known::default(), At(0)).await.unwrap();
        let kind = |name: &str, face| KindTerms {
            name: name.into(),
            pool: PoolNo(0),
            face: Fen::new(face),
            threshold: Fen::new(5 * face),
        };
        let (pools, kinds) =
            ([("retail".to_owned(), Fen::new(100))], [kind("ten", 10), kind("twenty", 20)]);
        assert_eq!(opening.open("test", &pools, &kinds, At(0)).await.unwrap(), C);
        let ledger = RedisLedger::start(opening, || At(1_500), Box::new(Nobody)).unwrap();
        ledger.wait_until_read();
        let store = Store::open(&StoreUrl::File(scratch.file("store.sqlite"))).await.unwrap();
        ask(&ledger, arm(&[5, 0])).await;
        for who in PEOPLE {
            ask(&ledger, bind(who, who)).await;
        }
        carry(&ledger, &store).await;
        ask(&ledger, Command::Trip(C)).await;
        ask(&ledger, resume(1)).await;
        let mut lines = Vec::new();
        for who in PEOPLE {
            let Answer::Granted(held) = ask(&ledger, grant(who, 0)).await else {
                panic!("{who} is granted nothing")
            };
            lines.push(yes(&token(who, who), 0, held.coupon.ordinal, false));
        }
        redeem(&ledger).await;
        let record = scratch.file("record.jsonl");
        std::fs::write(&record, lines.join("\n")).unwrap();
        let mut played = Played { scratch, server, redis, store, record };
        // The store lags, and the nodes run: what it lacks is in the streams.
        breaks(&played.audit().await.unwrap(), &[], "audit of 3 logs");
        played.balanced().await;
        carry(&ledger, &played.store).await;
        ledger.close();
        played.sound().await;
        played
    }

    /// The second shard ran dry and was sent half of what was left in the first.
    async fn balanced(&mut self) {
        for _ in 0..500 {
            let (mut meta, mut transit) = (cmd("HGET"), cmd("EXISTS"));
            meta.arg("quan:{0:1}:meta").arg("received:0");
            let received: Option<u32> = meta.query(&mut self.redis).unwrap();
            let underway: u32 = transit.arg("quan:{0:0}:transit").query(&mut self.redis).unwrap();
            if received == Some(2) && underway == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no stock comes to the second shard");
    }

    async fn audit(&self) -> Result<Audit, ElsewhereError> {
        audit_elsewhere(&self.server.url(), self.store.url(), Some(&self.record), None).await
    }

    async fn sound(&mut self) {
        let audit = self.audit().await.unwrap();
        breaks(&audit, &[], "audit of 3 logs");
        let names: Vec<_> = audit.checks.iter().map(|check| check.name).collect();
        assert_eq!(
            names,
            ["logs", "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9", "decisions", "I8", "R1"]
        );
        let rows: Vec<_> = audit.checks.iter().map(|check| check.rows).collect();
        assert_eq!((rows[3], exit_code(&audit)), (3, 0));
        assert!(rows[11] > 50, "{audit}");
        let audit = audit_store(self.store.url(), Some(&self.record), None).await.unwrap();
        breaks(&audit, &[], "audit of 3 logs");
    }

    /// What is found while `words` were done to a key, which is put back.
    async fn tampered(&mut self, words: &[&[u8]], names: &[&str], finding: &str) {
        let was: Value = cmd("DUMP").arg(words[1]).query(&mut self.redis).unwrap();
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.exec(&mut self.redis).unwrap();
        let audit = self.audit().await.unwrap();
        breaks(&audit, names, finding);
        assert_eq!(exit_code(&audit), 11);
        cmd("DEL").arg(words[1]).exec(&mut self.redis).unwrap();
        if let Value::BulkString(was) = was {
            cmd("RESTORE").arg(words[1]).arg(0).arg(was).exec(&mut self.redis).unwrap();
        }
    }

    async fn key(&mut self, words: &[&str], finding: &str) {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.tampered(&words, &["R1"], finding).await;
    }

    /// What is found while the store was changed, which is undone.
    async fn row(&mut self, sql: &str, names: &[&str], finding: &str) {
        let file = self.scratch.file("store.sqlite");
        let kept = self.scratch.file("kept.sqlite");
        let place = StoreUrl::File(file.clone());
        self.store.clone().close().await;
        std::fs::copy(&file, &kept).unwrap();
        self.store = Store::open(&place).await.unwrap();
        assert!(change(&self.store, sql).await > 0, "{sql}");
        breaks(&self.audit().await.unwrap(), names, finding);
        self.store.clone().close().await;
        std::fs::rename(&kept, &file).unwrap();
        self.store = Store::open(&place).await.unwrap();
    }
}

async fn ask(ledger: &RedisLedger, command: Command) -> Answer {
    let command =
        if command.bypass().is_some() { decided(command, "test", 1_000) } else { command };
    match told(ledger, command.clone()).await {
        Ok(Outcome::Yes(answer)) => answer,
        other => panic!("{command:?}: {other:?}"),
    }
}

/// Carries every log into the store.
async fn carry(ledger: &RedisLedger, store: &Store) {
    for log in ledger.logs() {
        // What this node has read decides how far it carries.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut drain =
            Drain::open(store.clone(), log.no(), |seq| Ok(log.after(seq))).await.unwrap();
        while drain.step().await.unwrap() != Step::Empty {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_what_is_wrong_in_redis_is_found_and_nothing_is_where_nothing_is() {
    let mut it = Played::new("audit-redis").await;
    it.key(
        &["HSET", "quan:{0:0}:round:1", "left:0", "9"],
        "R1: quan:{0:0}:round:1 left:0: 9 is there, the entries make 1",
    )
    .await;
    it.key(
        &["HDEL", "quan:{0:1}:funds", "frozen:0"],
        "frozen:0: nothing is there, the entries make 20",
    )
    .await;
    it.key(&["HSET", "quan:{0:1}:meta", "tripped", "1"], "tripped: 1 is there, the entries make 0")
        .await;
    it.key(&["HSET", "quan:{0:1}:meta", "at", "1501"], "at: 1501 is there, the entries make 1500")
        .await;
    it.key(&["DEL", "quan:{0:0}:holders:1"], "quan:{0:0}:holders:1 0101..: nothing is there").await;
    it.key(
        &["HSET", "quan:{0:i}:bindings:1", "x", "y"],
        "bindings:1 x: y is there, the entries make nothing",
    )
    .await;
    it.key(
        &["HSET", "quan:{0:i}:proofs:2", "x", "y"],
        "quan:{0:i}:proofs:2 is there, and no entry makes it",
    )
    .await;
    it.key(
        &["HSET", "quan:{0:1}:transit", "0:1", "y"],
        "quan:{0:1}:transit 0:1: y is there, the entries make nothing",
    )
    .await;
    it.key(
        &["HSET", "quan:{0:i}:merchants", "redeemed:7", "5"],
        "merchants redeemed:7: 5 is there, the entries make 20",
    )
    .await;
    it.key(&["DEL", "quan:{0:1}:states:1"], "quan:{0:1}:states:1 e2e2..: nothing is there").await;
    it.key(&["HDEL", "quan:{0:0}:lines", "1:7:0"], "lines 1:7:0: nothing is there").await;
    let mut pass: Vec<u8> =
        cmd("HGET").arg("quan:{0:0}:passes:1").arg(&[1_u8; 16]).query(&mut it.redis).unwrap();
    pass[28] = 0;
    it.tampered(
        &[b"HSET", b"quan:{0:0}:passes:1", &[1; 16], &pass],
        &["R1"],
        "passes:1 0101..: 0101.. is there",
    )
    .await;
    it.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_what_is_on_its_way_is_there_until_it_is_received() {
    let mut it = Played::new("audit-transit").await;
    let place = Place::shard(C, 0);
    let window = Window { from: At(1_000), until: ENDS };
    let load = Load::Stock { round: R, window, kind: KindNo(0), units: 1 };
    let sent = What::Sent(Transfer { peer: 1, number: 3, load });
    let events = [sent, posted(Reserved, Treasury, 10)].map(|what| Event { campaign: C, what });
    let made =
        changes(place, Shard { no: 0, of: 2 }, At(1_600), &events, &mut About::default()).unwrap();
    let body = codec::encode(&events).unwrap();
    let sending = mv(place, 1, At(1_600), &[], &made, &body, None).unwrap();
    sending.eval_cmd().exec(&mut it.redis).unwrap();
    breaks(&it.audit().await.unwrap(), &[], "audit of 3 logs");
    let finding = "R1: quan:{0:0}:transit: 1:3 is forgotten and not received";
    it.key(&["HDEL", "quan:{0:0}:transit", "1:3"], finding).await;
    it.key(&["HSET", "quan:{0:0}:transit", "1:3", "x"], "transit 1:3: x is there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_what_is_wrong_in_a_stream_is_found() {
    let mut it = Played::new("audit-stream").await;
    let log = "quan:{0:0}:log";
    let seq: u64 = cmd("HGET").arg("quan:{0:0}:meta").arg("seq").query(&mut it.redis).unwrap();
    it.key(&["XDEL", log, "3-0"], "R1: log 256: entry 3 is missing, 4 follows").await;
    let (last, before) = (format!("{seq}-0"), seq - 1);
    let finding = format!("R1: log 256: the stream ends at {before}, its meta says {seq}");
    it.key(&["XDEL", log, &last], &finding).await;
    it.key(&["XADD", log, "99-1", "t", "1"], "is not an entry").await;
    // The last entry, otherwise.
    let body = codec::encode(&[]).unwrap();
    let check = entry::check(256, seq, At(1_500), &body);
    let other = |check: &str| {
        let words =
            ["XADD", log, &last, "t", "1500", "e", "1", "b"].map(|it| it.as_bytes().to_vec());
        let mut words = words.to_vec();
        words.extend([body.clone(), b"c".to_vec(), check.as_bytes().to_vec()]);
        words
    };
    for (check, finding) in [
        (
            check.as_str(),
            format!("R1: log 256 seq {seq}: the stream has another entry than the store"),
        ),
        ("0123456789abcdef", format!("R1: log 256: entry {seq} does not fit its check")),
    ] {
        let whole: Value = cmd("DUMP").arg(log).query(&mut it.redis).unwrap();
        // An id that is gone can be given again only in a stream that knows nothing of it.
        let left: Value = cmd("XRANGE")
            .arg(log)
            .arg("-")
            .arg(format!("{before}-0"))
            .query(&mut it.redis)
            .unwrap();
        cmd("DEL").arg(log).exec(&mut it.redis).unwrap();
        let Value::Array(left) = left else { panic!("{left:?}") };
        for item in left {
            let (id, fields): (String, Vec<Vec<u8>>) = redis::from_redis_value(item).unwrap();
            let mut add = cmd("XADD");
            add.arg(log).arg(id);
            for field in fields {
                add.arg(field);
            }
            add.exec(&mut it.redis).unwrap();
        }
        let words = other(check);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        it.tampered(&words, &["R1"], &finding).await;
        let Value::BulkString(whole) = whole else { panic!("{whole:?}") };
        cmd("RESTORE").arg(log).arg(0).arg(whole).arg("REPLACE").exec(&mut it.redis).unwrap();
    }
    it.sound().await;
    // What is neither in the store nor in the stream is missing in the logs as well.
    let cut = "DELETE FROM events WHERE log = 256 AND seq > 3";
    cmd("XTRIM").arg(log).arg("MINID").arg("6-0").exec(&mut it.redis).unwrap();
    it.sound().await;
    change(&it.store, cut).await;
    change(&it.store, "UPDATE cursor SET seq = 3 WHERE log = 256").await;
    let audit = it.audit().await.unwrap().to_string();
    let finding = "R1: log 256: entries 4..5 are neither in the store nor there";
    assert!(audit.contains(finding), "{audit}");
    assert!(audit.contains("logs: log 256 seq 6: seq 4 was expected here"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_server_that_lost_everything_is_found_and_one_that_goes_on_is_not_audited() {
    let mut it = Played::new("audit-lost").await;
    let (stop, meta) =
        (std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)), "quan:{0:1}:meta");
    let (stopped, mut other) = (stop.clone(), it.server.connect());
    let going = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            cmd("HINCRBY").arg(meta).arg("seq").arg(1).exec(&mut other).unwrap();
        }
    });
    let audit = it.audit().await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    going.join().unwrap();
    assert!(matches!(audit, Err(ElsewhereError::Moving)), "{audit:?}");
    cmd("FLUSHALL").exec(&mut it.redis).unwrap();
    let audit = it.audit().await.unwrap();
    breaks(&audit, &["R1"], "R1: log 257: it is not in Redis");
    assert_eq!(audit.checks.last().unwrap().found, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_what_is_wrong_in_the_store_is_found() {
    let mut it = Played::new("audit-store").await;
    it.row("UPDATE coupons SET granted_at_ms = 1 WHERE ordinal = 1", &["I8"], "I8: coupons").await;
    it.row("DELETE FROM bindings WHERE identifier_kind = 2", &["I8"], "I8: bindings").await;
    // An entry of another instant: the keys that it makes are others as well.
    let sql = "UPDATE events SET at_ms = 1499 WHERE log = 511 AND seq = 3";
    let finding = "R1: log 511 seq 3: the stream has another entry than the store";
    it.row(sql, &["logs", "R1"], finding).await;
    // No rows can be made of it.
    let sql = "UPDATE events SET body = x'63' WHERE log = 511 AND seq = 4";
    let finding = "I8: no store can be made from its entries: ";
    let audit = "logs: log 511 seq 4: the body is not in a format known here";
    it.row(sql, &["logs", "I7", "I8", "R1"], finding).await;
    it.row(sql, &["logs", "I7", "I8", "R1"], audit).await;
    let sql = "DELETE FROM events WHERE log = 511 AND seq = 11";
    // A reservation is its entry alone, and the stream still has it.
    it.row(sql, &["logs"], "logs: after log 511 seq 10: the store says that it has 11").await;
    it.sound().await;
}

#[tokio::test]
async fn a_store_that_is_not_there_or_holds_no_logs_is_no_audit() {
    let scratch = Scratch::new("audit-no-store");
    let place = StoreUrl::File(scratch.file("none.sqlite"));
    assert!(matches!(audit_store(&place, None, None).await, Err(ElsewhereError::NoStore(_))));
    let store = Store::open(&place).await.unwrap();
    assert!(matches!(audit_store(&place, None, None).await, Err(ElsewhereError::NoLogs)));
    store.take(crate::store::LogNo::EMBEDDED, "").await.unwrap();
    assert!(matches!(audit_store(&place, None, None).await, Err(ElsewhereError::Embedded)));
}
