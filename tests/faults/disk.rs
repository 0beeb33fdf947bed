//! A disk whose power can be cut: an ext4 in a file, mounted by the loop device.
//!
//! A cut drops all that was not synced, by whole pages. Stop the server first: a sync that races
//! the cut may come back with a yes that is none.

use super::tool::{compile, run};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

pub(crate) struct LoopDisk {
    folder: PathBuf,
}

impl LoopDisk {
    /// A fresh one of `mib` MiB below `home`; why not, if this machine or user may not.
    pub(crate) fn make(home: &Path, mib: u64) -> Result<LoopDisk, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = home.join(format!("disk-{}", COUNT.fetch_add(1, Relaxed)));
        let disk = LoopDisk { folder };
        fs::create_dir_all(disk.mount_point()).map_err(|error| error.to_string())?;
        compile("faults/cut.c", &[], &disk.cutter());
        let image = File::create(disk.image()).map_err(|error| error.to_string())?;
        image.set_len(mib << 20).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where a data folder goes.
    pub(crate) fn data(&self) -> PathBuf {
        self.mount_point().join("data")
    }

    /// Makes all that is on it durable.
    pub(crate) fn sync(&self) {
        run(Command::new("sync").arg("-f").arg(self.mount_point())).expect("a healthy disk");
    }

    /// The power goes.
    pub(crate) fn cut(&self) {
        run(Command::new(self.cutter()).arg(self.mount_point())).expect("the power can be cut");
    }

    /// The power is back; nobody has anything open.
    pub(crate) fn power_up(&self) {
        run(Command::new("umount").arg(self.mount_point())).expect("nothing is open");
        self.mount().expect("it can be mounted again");
    }

    /// Fills it up; remove the file for room again.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.mount_point().join("ballast");
        let mut file = File::create(&path).expect("room for a name");
        for bytes in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![7; bytes]).and_then(|()| file.sync_all()).is_ok() {}
        }
        path
    }

    fn mount(&self) -> Result<(), String> {
        let mut mount = Command::new("mount");
        run(mount.args(["-o", "loop"]).arg(self.image()).arg(self.mount_point()))
    }

    fn image(&self) -> PathBuf {
        self.folder.join("image")
    }

    fn cutter(&self) -> PathBuf {
        self.folder.join("cut")
    }

    fn mount_point(&self) -> PathBuf {
        self.folder.join("mount")
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// The folder `<name>-<our process>` in `home`; takes away what processes that are gone have left of
/// that name.
pub(crate) fn fresh_folder(home: &Path, name: &str) -> PathBuf {
    sweep(home, &format!("{name}-"));
    home.join(format!("{name}-{}", std::process::id()))
}

fn sweep(home: &Path, prefix: &str) {
    for item in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = item.file_name().into_string().unwrap_or_default();
        let gone = |pid: &str| !Path::new("/proc").join(pid).exists();
        if name.strip_prefix(prefix).is_some_and(gone) {
            for disk in fs::read_dir(item.path()).into_iter().flatten().flatten() {
                if disk.file_name().to_string_lossy().starts_with("disk-") {
                    remove(&disk.path());
                }
            }
            let _ = fs::remove_dir_all(item.path());
        }
    }
}

fn remove(disk: &Path) {
    // It is not mounted if mounting failed.
    let _ = run(Command::new("umount").arg("--lazy").arg(disk.join("mount")));
    let _ = fs::remove_dir_all(disk);
}
