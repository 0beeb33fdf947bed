//! What the journal asks of a disk, and the real one.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// One folder of a disk.
pub trait Disk {
    /// A file open for writing.
    type File: DiskFile;
    /// Proof that the folder is ours; dropping it gives it back.
    type Lock;

    /// Takes the folder for this process; `None` if another has it.
    fn lock(&self) -> io::Result<Option<Self::Lock>>;
    /// The names of the files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// All of a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// At most `len` bytes of a file from `offset` on; fewer only where the file ends.
    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// An empty file, replacing the one of that name.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Gives a file another name, atomically, replacing the one of that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file's name away.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable.
    fn sync_dir(&self) -> io::Result<()>;
}

/// A file open for writing.
pub trait DiskFile {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the contents durable.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, made (durably) if it is not there.
    pub fn open(path: &Path) -> io::Result<Folder> {
        if !path.is_dir() {
            fs::create_dir_all(path)?;
            for made in path.canonicalize()?.ancestors().skip(1) {
                File::open(made)?.sync_all()?;
            }
        }
        Ok(Folder { path: path.to_owned() })
    }
}

impl Disk for Folder {
    type File = File;
    type Lock = File;

    fn lock(&self) -> io::Result<Option<File>> {
        let path = self.path.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(&self.path)? {
            names.extend(item?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path.join(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(len);
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        File::create(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! A disk in memory that forgets what was not synced, and fails when told to.

    use super::{Disk, DiskFile};
    use std::{
        collections::BTreeMap,
        io,
        sync::{Arc, Mutex, MutexGuard},
    };

    /// What fails, and from when on.
    #[derive(Clone, Copy, Debug, Default)]
    pub(crate) enum Fault {
        #[default]
        None,
        /// Everything from the n-th write, sync, create or rename on: the power is gone.
        Freeze(usize),
        /// The next sync, once; the system then believes that all is clean.
        Sync(i32),
        /// The next write, once.
        Write(i32),
    }

    #[derive(Default)]
    struct Content {
        cached: Vec<u8>,
        durable: Vec<u8>,
    }

    #[derive(Default)]
    pub(crate) struct State {
        files: Vec<Content>,
        names: BTreeMap<String, usize>,
        durable_names: BTreeMap<String, usize>,
        pub(crate) fault: Fault,
        pub(crate) ops: usize,
        pub(crate) syncs: usize,
        /// Bytes asked for by `read_at`.
        pub(crate) bytes_read: usize,
    }

    #[derive(Clone, Default)]
    pub(crate) struct FakeDisk {
        state: Arc<Mutex<State>>,
        lock: Arc<()>,
    }

    pub(crate) struct FakeFile {
        disk: FakeDisk,
        file: usize,
    }

    impl FakeDisk {
        pub(crate) fn state(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap()
        }

        /// What is left after a power cut: all that was synced and, of the rest, the sectors and
        /// names that `luck` chooses (0 none, 1 all, else some).
        pub(crate) fn power_cut(&self, luck: u64) -> FakeDisk {
            let state = self.state();
            let lucky = |n: usize| match luck {
                0 => false,
                1 => true,
                _ => crc32fast::hash(&(luck * 1_000_003 + n as u64).to_le_bytes()) & 1 == 1,
            };
            let names = if lucky(usize::MAX >> 8) { &state.names } else { &state.durable_names };
            let files = state.files.iter().enumerate().map(|(file, content)| {
                let mut left = content.durable.clone();
                left.resize(content.cached.len(), 0);
                for (n, (to, from)) in
                    left.chunks_mut(32).zip(content.cached.chunks(32)).enumerate()
                {
                    if lucky(file * 7919 + n) {
                        to.copy_from_slice(from);
                    }
                }
                Content { cached: left.clone(), durable: left }
            });
            let state = State {
                files: files.collect(),
                names: names.clone(),
                durable_names: names.clone(),
                ..State::default()
            };
            FakeDisk { state: Arc::new(Mutex::new(state)), lock: Arc::default() }
        }

        /// Changes a file behind the journal's back, durably.
        pub(crate) fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
            let mut state = self.state();
            let file = state.names[name];
            change(&mut state.files[file].cached);
            state.files[file].durable = state.files[file].cached.clone();
        }

        /// Loses a file, durably.
        pub(crate) fn lose(&self, name: &str) {
            let mut state = self.state();
            state.names.remove(name);
            state.durable_names.remove(name);
        }

        fn step(&self) -> io::Result<MutexGuard<'_, State>> {
            let mut state = self.state();
            state.ops += 1;
            match state.fault {
                Fault::Freeze(at) if state.ops >= at => Err(io::Error::other("power cut")),
                _ => Ok(state),
            }
        }
    }

    impl Disk for FakeDisk {
        type File = FakeFile;
        type Lock = Arc<()>;

        fn lock(&self) -> io::Result<Option<Arc<()>>> {
            let ours = self.lock.clone();
            // Clones of the disk share one `state`; every lock held adds to `lock` only.
            let others = Arc::strong_count(&self.lock) - Arc::strong_count(&self.state);
            Ok((others == 1).then_some(ours))
        }

        fn list(&self) -> io::Result<Vec<String>> {
            Ok(self.state().names.keys().cloned().collect())
        }

        fn read(&self, name: &str) -> io::Result<Vec<u8>> {
            let state = self.state();
            let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(state.files[file].cached.clone())
        }

        fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
            let mut state = self.state();
            state.bytes_read += len;
            let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            let from = usize::try_from(offset).unwrap();
            Ok(state.files[file].cached.iter().skip(from).take(len).copied().collect())
        }

        fn create(&self, name: &str) -> io::Result<FakeFile> {
            let mut state = self.step()?;
            let file = state.files.len();
            state.files.push(Content::default());
            state.names.insert(name.to_owned(), file);
            Ok(FakeFile { disk: self.clone(), file })
        }

        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            let mut state = self.step()?;
            let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.to_owned(), file);
            Ok(())
        }

        fn remove(&self, name: &str) -> io::Result<()> {
            let mut state = self.step()?;
            state.names.remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
        }

        fn sync_dir(&self) -> io::Result<()> {
            let mut state = self.step()?;
            state.durable_names = state.names.clone();
            Ok(())
        }
    }

    impl DiskFile for FakeFile {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            let step = self.disk.step();
            let frozen = step.is_err();
            drop(step);
            let mut state = self.disk.state();
            if let Fault::Write(code) = state.fault {
                state.fault = Fault::None;
                return Err(io::Error::from_raw_os_error(code));
            }
            // The write during which the power goes may have reached the disk in part.
            let from = usize::try_from(offset).unwrap();
            let cached = &mut state.files[self.file].cached;
            cached.resize(cached.len().max(from + bytes.len()), 0);
            cached[from..from + bytes.len()].copy_from_slice(bytes);
            if frozen { Err(io::Error::other("power cut")) } else { Ok(()) }
        }

        fn sync(&self) -> io::Result<()> {
            let mut state = self.disk.step()?;
            state.syncs += 1;
            if let Fault::Sync(code) = state.fault {
                state.fault = Fault::None;
                return Err(io::Error::from_raw_os_error(code));
            }
            let content = &mut state.files[self.file];
            content.durable = content.cached.clone();
            Ok(())
        }
    }
}
