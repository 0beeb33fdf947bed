//! A Redis that lost everything is filled again from the store and the nodes, and never begun anew.

#[path = "common"]
mod common {
    pub(crate) mod server;
}

use common::server::{Process, QUAN, Serve, Server, write_keys};
use quan::{
    rush::servers::{RedisServer, Settings},
    store::{LogNo, Store, StoreUrl},
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

struct Site {
    folder: tempfile::TempDir,
    redis: RedisServer,
    config: PathBuf,
}

impl Site {
    fn node(&self, no: u8) -> Process {
        let at = |name: &str| self.folder.path().join(name);
        let serve = Serve {
            program: Command::new(QUAN),
            config: &self.config,
            keys: &at("keys"),
            data: &at(&format!("data-{no}")),
            clock: "2023-09-01T09:00:00+08:00",
            log: at(&format!("log-{no}")),
        };
        serve.start()
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    fn recover(&self, wait: &str) -> Output {
        let mut recover = Command::new(QUAN);
        recover.arg("recover").arg("--config").arg(&self.config).args(["--wait", wait]);
        recover.output().expect("quan runs")
    }

    fn seq(&self) -> u64 {
        let meta = self.redis.ask(redis::cmd("HGET").arg("quan:{0:0}:meta").arg("seq"));
        meta.ok().and_then(|seq: Option<u64>| seq).unwrap_or(0)
    }

    /// How often an epoch was closed.
    async fn closings(&self) -> i64 {
        let store = Store::open(&StoreUrl::File(self.store())).await.expect("the store opens");
        let rows = store.query("SELECT COUNT(*) FROM closings", &[]).await.expect("a count");
        store.close().await;
        rows.into_iter().flatten().map(|it| it.number()).sum()
    }

    async fn stored(&self) -> u64 {
        let store = Store::open(&StoreUrl::File(self.store())).await.expect("the store opens");
        let seq = store.seq(LogNo(256)).await.expect("it has a cursor");
        store.close().await;
        seq
    }

    fn flush(&self) {
        let done: Result<String, _> = self.redis.ask(&redis::cmd("FLUSHALL"));
        done.expect("it is flushed");
    }
}

fn until(what: &str, said: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}: {}", said());
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn i3_a_redis_that_lost_everything_is_filled_again_and_not_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    write_keys(&folder.path().join("keys"));
    let redis = RedisServer::start(&folder.path().join("redis"), &Settings::default());
    let redis = redis.expect("a Redis");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let text = fs::read_to_string(shipped.join("quan.toml")).expect("it is shipped");
    let plan = format!("plan = \"{}/xiangning", shipped.display());
    let text = text.replace("plan = \"xiangning", &plan);
    let (ledger, store) = (redis.url(), folder.path().join("store.sqlite"));
    let more = format!("\n[ledger]\nurl = \"{ledger}\"\n[store]\nurl = \"{}\"\n", store.display());
    let config = folder.path().join("quan.toml");
    fs::write(&config, text + &more).expect("a file");
    let site = Site { folder, redis, config };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");

    let Server { process, public, ops } = site.node(0).serving();
    assert_eq!([public, ops].map(|it| it.ip()), [SocketAddr::from(([127, 0, 0, 1], 0)).ip(); 2]);
    // The opening and the arming of the round.
    until("the store has the arming", || process.said(), || runtime.block_on(site.stored()) == 2);

    // While it runs.
    site.flush();
    until("it is put back", || process.said(), || site.seq() == 2);

    // While nothing runs. The node was killed, so what it told is only on its disk: the log stays shut.
    drop(process);
    site.flush();
    let shut = site.recover("3");
    let said = String::from_utf8_lossy(&shut.stdout);
    assert!(!shut.status.success() && said.contains(r#""open":false"#), "{said}");
    assert!(!said.contains(r#""waits_for":[]"#), "{said}");
    assert_eq!(site.seq(), 0, "it is not begun anew");

    // A recovery that is killed half way is nobody to wait for.
    let before = runtime.block_on(site.closings());
    let mut half = Command::new(QUAN);
    half.arg("recover").arg("--config").arg(&site.config).args(["--wait", "60"]);
    let mut half = half.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("quan runs");
    let closed = || runtime.block_on(site.closings()) > before;
    until("it takes part", String::new, closed);
    half.kill().expect("it runs");
    half.wait().expect("it is our child");

    // It returns, and with it what it told.
    let Server { process, .. } = site.node(0).serving();
    until("it is put back by the node that returned", || process.said(), || site.seq() == 2);
    let fine = site.recover("10");
    let said = String::from_utf8_lossy(&fine.stdout);
    assert!(fine.status.success() && said.contains(r#""redis_seq":2"#), "{said}");
    drop(process);
}
