//! Entries into the machine (a start) and into the store (the drain): grants, two events each.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quan::{
    domain::{
        At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId,
        PoolNo, ProofId, RoundNo, Window,
    },
    drain::{Drain, MOST_ENTRIES, Source, SourceError, Step},
    ledger::{
        event::{Armed, Bound, KindTerms, codec},
        journal::Entry,
        machine::{Command, Grant, Machine},
    },
    store::{LogNo, Store, StoreUrl},
};
use std::{path::Path, time::Duration};

const GRANTS: u32 = 50_000;
const R: RoundNo = RoundNo(1);
const C: CampaignNo = CampaignNo(0);

/// What a keyed hash looks like: spread all over.
fn hash(n: u32, salt: u64) -> [u8; 16] {
    let mut x = (u64::from(n) << 8 | salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let high = x ^ (x >> 27);
    let low = high.wrapping_mul(0x94d0_49bb_1331_11eb);
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

fn bound(who: u32) -> Bound {
    let id = |kind, salt| (kind, KeyedHash(hash(who, salt)));
    Bound {
        round: R,
        person: PersonId(hash(who, 0)),
        pass: PassNonce(hash(who, 1)),
        kinds: KindSet(1),
        expires_at: At(9_000),
        proofs: [ProofId(hash(who, 2)), ProofId(hash(who, 3))],
        identifiers: [
            id(IdentifierKind::Account, 4),
            id(IdentifierKind::Phone, 5),
            id(IdentifierKind::Card, 6),
            id(IdentifierKind::Device, 7),
        ],
    }
}

/// A campaign, its passes and its grants, as the entries of a journal: before the rush, and it.
fn entries() -> (Vec<Entry>, Vec<Entry>) {
    let face = Fen::new(1_000);
    let kinds = vec![KindTerms { name: "ten".into(), pool: PoolNo(0), face, threshold: face }];
    let budget = Fen::new(1_000 * u64::from(GRANTS));
    let pools = vec![("retail".into(), budget)];
    let window = Window { from: At(1_000), until: At(9_000) };
    let mut commands = vec![
        Command::Open { name: "bench".into(), pools, kinds },
        Command::Arm(C, Armed { round: R, window, quantities: vec![GRANTS] }),
    ];
    commands.extend((0..GRANTS).map(|who| Command::Bind(C, bound(who))));
    let grant = |who| {
        let (person, pass) = (PersonId(hash(who, 0)), PassNonce(hash(who, 1)));
        Command::Grant(Grant { campaign: C, round: R, kind: KindNo(0), person, pass })
    };
    commands.extend((0..GRANTS).map(grant));
    let mut machine = Machine::default();
    let mut before: Vec<Entry> = (1..)
        .zip(&commands)
        .map(|(seq, command)| {
            let decision = machine.execute(command, At(1_000)).expect("the story fits");
            let body = codec::encode(&decision.events).expect("the names are short");
            Entry { seq, durable: seq - 1, at: At(1_000), seal: false, body }
        })
        .collect();
    let rush = before.split_off(before.len() - GRANTS as usize);
    (before, rush)
}

fn apply(machine: &mut Machine, entries: &[Entry]) {
    for entry in entries {
        for event in codec::decode(&entry.body).expect("it was encoded") {
            machine.apply(&event, entry.at);
        }
    }
}

fn machine(c: &mut Criterion) {
    let (before, rush) = entries();
    let mut armed = Machine::default();
    apply(&mut armed, &before);
    let mut group = c.benchmark_group("machine");
    group.throughput(Throughput::Elements(2 * u64::from(GRANTS)));
    group.bench_function("events of grants, decoded and applied", |b| {
        let replay = |mut machine: Machine| {
            apply(&mut machine, &rush);
            machine
        };
        b.iter_batched(|| armed.clone(), replay, BatchSize::PerIteration);
    });
    group.finish();
}

/// A log in memory.
struct Log(std::vec::IntoIter<Entry>);

impl Source for Log {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError> {
        Ok(self.0.by_ref().take(most).collect())
    }

    fn end(&self) -> u64 {
        self.0.as_slice().last().map_or(0, |entry| entry.seq)
    }
}

async fn drain(store: &Store, entries: Vec<Entry>) -> Duration {
    let source = |_| Ok(Log(entries.into_iter()));
    let mut drain =
        Drain::open(store.clone(), LogNo::EMBEDDED, source).await.expect("the cursor is free");
    let start = std::time::Instant::now();
    while drain.step().await.expect("the entries fit") != Step::Empty {}
    start.elapsed()
}

async fn fresh(file: &Path) -> Store {
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
    Store::open(&StoreUrl::from(file)).await.expect("the folder can be written")
}

fn store(c: &mut Criterion) {
    let (before, rush) = entries();
    let file = std::env::temp_dir().join(format!("quan-bench-{}.sqlite", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime of one thread");
    let run = |passes: bool| {
        runtime.block_on(async {
            let store = fresh(&file).await;
            let (bound, granted) =
                (drain(&store, before.clone()).await, drain(&store, rush.clone()).await);
            store.close().await;
            if passes { bound } else { granted }
        })
    };
    let mut group = c.benchmark_group(format!("drain into SQLite, {MOST_ENTRIES} entries a batch"));
    group.sample_size(10);
    group.throughput(Throughput::Elements(2 * u64::from(GRANTS)));
    group.bench_function("events of grants", |b| {
        b.iter_custom(|n| (0..n).map(|_| run(false)).sum());
    });
    group.throughput(Throughput::Elements(u64::from(GRANTS)));
    group.bench_function("passes", |b| b.iter_custom(|n| (0..n).map(|_| run(true)).sum()));
    group.finish();
    drop(runtime.block_on(fresh(&file)));
    let _ = std::fs::remove_file(file);
}

criterion_group!(benches, machine, store);
criterion_main!(benches);
