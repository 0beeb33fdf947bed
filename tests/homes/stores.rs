//! Stores of both kinds, each new, and what must be in them.

use quan::audit::Check;
use quan::domain::{CampaignNo, PoolNo};
use quan::ledger::machine::Machine;
use quan::rush::servers::Postgres;
use quan::store::{Store, StoreUrl, Value};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::{
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use tokio::runtime::Runtime;

/// It ends with this process.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(&[]).unwrap());
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A store's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A folder that goes when the test does: in memory where there is such a place, since nobody cuts the power here.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory } else { &std::env::temp_dir() };
        Scratch(tempfile::Builder::new().prefix("quan-homes-").tempdir_in(place).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// A runtime of one's own.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A new place.
pub(crate) fn place(runtime: &Runtime, scratch: &Scratch, kind: Kind) -> StoreUrl {
    if kind == Kind::Sqlite {
        return StoreUrl::File(scratch.file("store.sqlite"));
    }
    let name = format!("home_{}", DATABASES.fetch_add(1, Relaxed));
    let Ok(StoreUrl::Postgres(options)) = SERVER.url("postgres").parse() else {
        panic!("a server")
    };
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        let make = sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")));
        connection.execute(make).await.unwrap();
    });
    SERVER.url(&name).parse().unwrap()
}

/// What a store holds that nobody writes any more.
pub(crate) struct Stored {
    /// Whether it is the fold of its logs.
    fold: Check,
    /// Person, round, kind.
    coupons: Vec<(Vec<u8>, i64, i64)>,
    /// Available, reserved, frozen of the pool, over all its logs.
    money: [i64; 3],
    quarantined: Vec<String>,
}

impl Stored {
    pub(crate) async fn of(store: &Store, fold: Check) -> Stored {
        let rows = store.query("SELECT person, round, kind FROM coupons", &[]).await.unwrap();
        let mut coupons: Vec<_> = rows
            .into_iter()
            .map(|row| match row.as_slice() {
                [Value::Bytes(who), Value::Number(round), Value::Number(kind)] => {
                    (who.clone(), *round, *kind)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        coupons.sort_unstable();
        let pools = "SELECT available_fen, reserved_fen, frozen_fen FROM pools";
        let mut money = [0; 3];
        for row in store.query(pools, &[]).await.unwrap() {
            for (sum, value) in money.iter_mut().zip(row) {
                let Value::Number(fen) = value else { panic!("{value:?}") };
                *sum += fen;
            }
        }
        let quarantined = store.quarantined().await.unwrap();
        let quarantined = quarantined.iter().map(|it| format!("{it:?}")).collect();
        Stored { fold, coupons, money, quarantined }
    }

    #[track_caller]
    pub(crate) fn is_a_fold(&self) {
        assert!(self.fold.clean && self.fold.rows > 0, "{:?}", self.fold);
        assert!(self.quarantined.is_empty(), "contradictions: {:?}", self.quarantined);
    }

    #[track_caller]
    pub(crate) fn has_what(&self, machine: &Machine) {
        let mut coupons: Vec<_> = machine
            .holders()
            .map(|(_, who, held)| {
                (who.0.to_vec(), i64::from(held.coupon.round.0), i64::from(held.coupon.kind.0))
            })
            .collect();
        coupons.sort_unstable();
        assert_eq!(self.coupons, coupons, "coupons");
        let pool = machine.funds(CampaignNo(0)).unwrap().pool(PoolNo(0)).unwrap();
        let money = [pool.available, pool.reserved, pool.frozen];
        let money = money.map(|fen| i64::try_from(fen.get()).unwrap());
        assert_eq!(self.money, money, "available, reserved, frozen");
    }
}
