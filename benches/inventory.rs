//! Take, give back and the sold-out answer, by one thread and by two.

use criterion::{Criterion, criterion_group, criterion_main};
use quan::inventory::Stock;
use std::{hint::black_box, sync::Arc, time::Instant};

/// Times `per_thread` runs of `step` on each of two threads, as the slower of the two saw it.
fn two_threads(per_thread: u64, step: impl Fn() + Sync) -> std::time::Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..per_thread).for_each(|_| step());
            });
        }
    });
    start.elapsed()
}

fn inventory(c: &mut Criterion) {
    for (name, left) in [("take + give back", 1_000), ("sold out", 0)] {
        let stock = Arc::new(Stock::new(1, left, 64));
        let step = || drop(black_box(stock.take()));
        c.bench_function(&format!("{name}, 1 thread"), |b| b.iter(step));
        c.bench_function(&format!("{name}, 2 threads"), |b| {
            b.iter_custom(|n| two_threads(n, step));
        });
    }
}

criterion_group!(benches, inventory);
criterion_main!(benches);
