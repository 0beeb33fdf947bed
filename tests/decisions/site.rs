//! Several nodes on one Redis, and the persons whose keys they know.

use crate::common::server::{QUAN, Serve, write_keys};
use crate::office::{CLOCK, Office};
use quan::rush::servers::{RedisServer, Settings};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Keys for servers in `folder`, and persons of several roles.
pub(crate) fn staff(folder: &Path) -> PathBuf {
    let keys = folder.join("keys");
    write_keys(&keys);
    for (name, role) in [
        ("li", "operator"),
        ("wang", "bureau"),
        ("zhao", "finance"),
        ("sun", "auditor"),
        ("zhou", "leading_group"),
    ] {
        let made = key(folder, name, role);
        assert!(made.status.success(), "{made:?}");
        let public = format!("staff-{name}.pub");
        fs::copy(folder.join("staff").join(&public), keys.join(&public)).expect("a copy");
    }
    keys
}

pub(crate) fn key(folder: &Path, name: &str, role: &str) -> Output {
    let mut key = Command::new(QUAN);
    key.args(["decide", "key", name, "--role", role]).arg(folder.join("staff"));
    key.output().expect("quan runs")
}

/// Several nodes on one Redis.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    keys: PathBuf,
    config: PathBuf,
    pub(crate) redis: RedisServer,
}

impl Site {
    pub(crate) fn new() -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let keys = staff(path);
        let redis = RedisServer::start(&path.join("redis"), &Settings::default()).expect("a Redis");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let text = fs::read_to_string(shipped.join("quan.toml")).expect("it is shipped");
        let plan = format!("plan = \"{}/xiangning", shipped.display());
        let (ledger, store) = (redis.url(), path.join("store.sqlite"));
        let more =
            format!("\n[ledger]\nurl = \"{ledger}\"\n[store]\nurl = \"{}\"\n", store.display());
        let config = path.join("quan.toml");
        fs::write(&config, text.replace("plan = \"xiangning", &plan) + &more).expect("a file");
        Site { folder, keys, config, redis }
    }

    pub(crate) fn node(&self, name: &str) -> Office {
        let path = self.folder.path();
        let (data, log) = (&path.join(name), path.join(format!("{name}.log")));
        let (config, keys, program) = (&self.config, &self.keys, Command::new(QUAN));
        let serve = Serve { program, config, keys, data, clock: CLOCK, log };
        Office::of(path, serve.start().serving())
    }
}
