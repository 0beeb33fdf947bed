//! What all runs share: a small round, keys, people, and a data folder in which they have passes.

use super::server::Server;
use crate::common::{
    folder::copy_folder,
    link::{Link, get},
    people::{Claim, OPENING, People, Round, Time},
    plan::Shipped,
    run::number,
    server::write_keys,
};
use crate::faults::disk;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

/// A quarter of the coupons that are shipped.
pub(crate) const ROUND: Round = Round { people: 2_000, coupons: [1_000, 750, 150, 40, 250, 120] };

/// What all runs share.
pub(crate) struct World {
    folder: PathBuf,
    pub(crate) people: Arc<People>,
}

impl World {
    /// The one of this process; made when first needed.
    pub(crate) fn get() -> &'static World {
        static WORLD: LazyLock<World> = LazyLock::new(World::make);
        &WORLD
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("config/quan.toml")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Makes `data` a data folder as it is before the opening: everybody has a pass.
    pub(crate) fn before_opening(&self, data: &Path) {
        let _ = fs::remove_dir_all(data);
        copy_folder(&self.folder.join("base"), data);
    }

    /// Person 0's claim for the first kind they want.
    pub(crate) fn first_claim(&self) -> Claim {
        (0, self.people.all[0].wants[0])
    }

    /// The request for it.
    pub(crate) fn first_request(&self, time: Time) -> String {
        self.people.claim(self.first_claim(), time)
    }

    fn make() -> World {
        let folder = disk::fresh_folder(Path::new(env!("CARGO_TARGET_TMPDIR")), "crash");
        write_config(&folder.join("config"));
        let keys = folder.join("keys");
        write_keys(&keys);
        let mut world = World { people: Arc::new(People::nobody(&keys)), folder };
        let time = Time::from(OPENING.plus_ms(-120_000));
        let base = world.folder.join("base");
        let server = Server::start(&world, &base, time.now());
        world.people = Arc::new(People::with_passes(&keys, &ROUND, &[server.public], time));
        server.stop();
        world
    }
}

/// What is shipped, with a smaller round, small segments, and one address for everybody.
fn write_config(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder of ours");
    ROUND.plan().write(&folder.join("xiangning-2023.toml"));
    let segment_mib = number("QUAN_CRASH_SEGMENT_MIB", 1);
    Shipped::read("quan.toml").set("segment_mib", &[segment_mib]).write(&folder.join("quan.toml"));
}

/// What the ops port says of readiness.
pub(crate) fn ready(server: &Server) -> (u16, Value) {
    let answer = Link::default().ask(server.ops, &get("/ready")).expect("the ops port answers");
    (answer.status, answer.body)
}
