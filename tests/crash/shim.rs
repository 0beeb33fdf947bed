//! A disk that misbehaves when told to: see `shim.c`.

use super::world::World;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
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
        compile("shim.c", &["-shared", "-fPIC"], &library);
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

/// Compiles a source beside this file.
pub(super) fn compile(source: &str, flags: &[&str], to: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash").join(source);
    let mut cc = Command::new("cc");
    cc.args(flags).args(["-O1", "-Wall", "-Werror", "-o"]).arg(to).arg(source);
    run(&mut cc).expect("a C compiler");
}

/// Runs a command, wherever the system keeps it; what it complained of if it failed.
pub(super) fn run(command: &mut Command) -> Result<(), String> {
    let path = std::env::var("PATH").unwrap_or_default();
    match command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(format!("{}: {}", command.get_program().display(), said.trim()))
        }
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}
