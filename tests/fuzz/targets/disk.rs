//! A folder in memory.

use quan::ledger::journal::{Disk, DiskFile};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

/// A file keeps its bytes when its name changes.
#[derive(Clone, Default)]
pub(crate) struct File(Arc<Mutex<Vec<u8>>>);

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<BTreeMap<String, File>>>);

impl Memory {
    pub(crate) fn with(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Memory {
        let files =
            files.into_iter().map(|(name, bytes)| (name, File(Arc::new(Mutex::new(bytes)))));
        Memory(Arc::new(Mutex::new(files.collect())))
    }

    /// Names and bytes of all files.
    pub(crate) fn all(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.0.lock().unwrap();
        files.iter().map(|(name, file)| (name.clone(), file.0.lock().unwrap().clone())).collect()
    }

    fn file(&self, name: &str) -> io::Result<File> {
        Ok(self.0.lock().unwrap().get(name).ok_or(io::ErrorKind::NotFound)?.clone())
    }
}

impl Disk for Memory {
    type File = File;
    type Lock = ();

    fn lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(name)?.0.lock().unwrap().clone())
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        Ok(self.read(name)?.into_iter().skip(from).take(len).collect())
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let file = File::default();
        self.0.lock().unwrap().insert(name.into(), file.clone());
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.lock().unwrap();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let mut file = self.0.lock().unwrap();
        let end = file.len().max(from + bytes.len());
        file.resize(end, 0);
        file[from..from + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
