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
        first: String,
        /// How many there are.
        count: usize,
    },
}

/// What a file asks of the registry that those before it made.
type Importing<'a> = dyn Fn(&[u8], &Registry) -> Result<Import, Vec<Fault>> + 'a;

/// Reads the registry and the dishonesty list; `pools` are the plan's, by number.
///
/// Who was admitted and came onto the list later is still registered: suspended, not gone (R-MERCH-1).
pub fn load(folder: &Path, pools: &[&str]) -> Result<(Registry, Dishonest), FolderError> {
    let nobody = Dishonest::default();
    let mut registry = Registry::default();
    let mut take = |name: &str, import: &Importing| {
        let file = folder.join(name);
        let import = import(&read(&file)?, &registry).map_err(|faults| faulty(file, &faults))?;
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
    let (list, _) = list.map_err(|faults| faulty(file, &faults))?;
    Ok((registry, list))
}

fn read(file: &Path) -> Result<Vec<u8>, FolderError> {
    fs::read(file).map_err(|source| FolderError::Read { file: file.to_owned(), source })
}

fn faulty(file: PathBuf, faults: &[Fault]) -> FolderError {
    let first = faults.first().map(ToString::to_string).unwrap_or_default();
    FolderError::Faulty { file, first, count: faults.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_merch_1_a_folder_is_a_registry_and_a_faulty_file_is_named_with_its_line() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let head = "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,\
                    safety_plan,offers\n";
        let one = "1,91141029MA0KU0001G,乡宁百货,是,是,retail,,有,,\n";
        write("merchants.csv", &format!("{head}{one}"));
        write("shops.csv", "shop,merchant,name,address,lat,lon,datum\n7,1,总店,迎旭西大街,,,\n");
        write("terminals.csv", "terminal,shop\nT-1,7\n");
        let (registry, list) = load(folder, &["retail"]).unwrap();
        let (shop, merchant) = registry.at("T-1".parse().unwrap()).unwrap();
        assert_eq!((shop.number, merchant.number, list.len()), (7, 1, 0));
        // Who was admitted and is listed now is still registered.
        write("dishonest.csv", "credit_code,name\n91141029MA0KU0001G,乡宁百货\n");
        let (registry, list) = load(folder, &["retail"]).unwrap();
        assert_eq!(list.suspensions(&registry, |_| super::super::Standing::Active).len(), 1);
        write("terminals.csv", "terminal,shop\nT-1,8\n");
        let error = load(folder, &["retail"]).unwrap_err().to_string();
        assert!(error.contains("terminals.csv: line 2, shop: `8`"), "{error}");
    }
}
