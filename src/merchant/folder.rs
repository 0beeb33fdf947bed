//! The folder that a server reads its registry from: `merchants.csv`, `shops.csv`, `terminals.csv`, and
//! `dishonest.csv` if there is such a list.

use super::{BadRows, Dishonest, Fault, Import, Registry, merchants, shops, terminals};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a registry can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file can't be read.
    #[error("{file}: {source}", file = file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is wrong.
    #[error("{file}: {first} ({count} faults)", file = file.display())]
    Faulty {
        /// The file.
        file: PathBuf,
        /// The first thing that is wrong with it.
        first: Fault,
        /// How many there are.
        count: usize,
    },
}

/// Reads the registry and the dishonesty list; `pools` are the plan's, by number.
///
/// Who was admitted and came onto the list later is still registered: suspended, not gone (R-MERCH-1).
pub fn load(folder: &Path, pools: &[&str]) -> Result<(Registry, Dishonest), FolderError> {
    let nobody = Dishonest::default();
    let mut registry = Registry::default();
    let mut take = |name: &str, import: &dyn Fn(&[u8], &Registry) -> Result<Import, Vec<Fault>>| {
        let file = folder.join(name);
        let import = import(&read(&file)?, &registry).map_err(|faults| faulty(file, faults))?;
        import.changes.into_iter().for_each(|change| registry.apply(change));
        Ok(())
    };
    take("merchants.csv", &|file, known| merchants(file, known, pools, &nobody, BadRows::Refuse))?;
    take("shops.csv", &|file, known| shops(file, known, BadRows::Refuse))?;
    take("terminals.csv", &|file, known| terminals(file, known, BadRows::Refuse))?;
    let file = folder.join("dishonest.csv");
    if !file.exists() {
        return Ok((registry, nobody));
    }
    let list = Dishonest::read(&read(&file)?, BadRows::Refuse);
    let (list, _) = list.map_err(|faults| faulty(file, faults))?;
    Ok((registry, list))
}

fn read(file: &Path) -> Result<Vec<u8>, FolderError> {
    fs::read(file).map_err(|source| FolderError::Read { file: file.to_owned(), source })
}

fn faulty(file: PathBuf, faults: Vec<Fault>) -> FolderError {
    let count = faults.len();
    let none = || Fault {
        line: 0,
        field: "",
        value: String::new(),
        wrong: "it was refused".to_owned(),
        remedy: "look at it".to_owned(),
    };
    FolderError::Faulty { file, first: faults.into_iter().next().unwrap_or_else(none), count }
}
