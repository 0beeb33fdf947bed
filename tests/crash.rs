//! What was told stays true when the server is killed, when its power is cut, and when its disk
//! fails: shown on the real program, by a crowd that was told.

#[path = "crash/mod.rs"]
mod harness;

use harness::{
    cycle::{Rush, Tally},
    number, tell,
    server::Server,
    world::World,
};

#[test]
fn killed_at_any_instant_it_keeps_every_promise() {
    let world = World::get();
    let data = world.folder().join("killed");
    let (cycles, first) = (number("QUAN_CRASH_CYCLES", 20), number("QUAN_CRASH_SEED", 1));
    let mut all = Tally::default();
    let mut seed = first;
    while all.crashes < usize::try_from(cycles).expect("a small number") {
        world.before_opening(&data);
        let tally = Rush::start(world, &data, seed, &[]).crash(Server::kill).recover();
        assert!(tally.is_clean(), "seed {seed}: {tally}");
        all += tally;
        assert!(all.idle <= 5 + all.crashes / 4, "the crash comes too late too often: {all}");
        seed += 1;
    }
    tell(format_args!("kill -9, seeds {first}..{seed}: {all}"));
}
