//! A disk that misbehaves when told to: see `shim.c`.

use super::world::World;
use crate::faults::tool::compile;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

pub(crate) struct Shim {
    library: PathBuf,
    control: PathBuf,
    folder: PathBuf,
}

impl Shim {
    /// One for a server's files below `folder`. It does nothing yet.
    pub(crate) fn over(world: &World, folder: &Path) -> Shim {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let library = world.folder().join(format!("shim-{count}.so"));
        compile("crash/shim.c", &["-shared", "-fPIC"], &library);
        let control = world.folder().join(format!("shim-{count}"));
        let folder = folder.canonicalize().expect("a folder that is there");
        Shim { library, control, folder }
    }

    /// What puts it before a server.
    pub(crate) fn env(&self) -> [(&'static str, OsString); 3] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("QUAN_SHIM_FOLDER", self.folder.clone().into()),
            ("QUAN_SHIM_CONTROL", self.control.clone().into()),
        ]
    }

    /// From now on misbehave like that, as `eio 1`.
    pub(crate) fn set(&self, fault: &str) {
        let new = self.control.with_extension("new");
        fs::write(&new, fault).expect("a file of ours");
        fs::rename(new, &self.control).expect("a file of ours");
    }

    /// Whether it has misbehaved.
    pub(crate) fn hit(&self) -> bool {
        self.control.with_extension("hit").exists()
    }
}
