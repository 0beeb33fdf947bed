//! The folder that a server reads its registry from: `merchants.csv`, `shops.csv`, `terminals.csv`, and
//! `dishonest.csv` if there is such a list.

use super::{
    BadRows, Change, Dishonest, Fault, Import, Merchant, Registry, Standing, merchants, shops,
    terminals,
};
use crate::domain::{CampaignNo, Hex, MerchantNo, PoolSet};
use crate::ledger::event::{Admitted, Stands};
use crate::ledger::machine::Command;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
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

/// A folder's files that are read, in the order of their names.
const FILES: [&str; 4] = ["dishonest.csv", "merchants.csv", "shops.csv", "terminals.csv"];

/// What a folder says: a proposal until persons decided its digest (R-MERCH-1).
#[derive(Clone, Debug)]
pub struct Merchants {
    /// Merchants, shops and terminals.
    ///
    /// Who was admitted and came onto the list later is still registered: suspended, not gone.
    pub registry: Registry,
    /// Who is on the dishonesty list.
    pub dishonest: Dishonest,
    /// SHA-256 over the files, in the order of their names: of each its name and its bytes, each with its length as
    /// u64 before it, big-endian. A list that is not there has no part in it.
    pub sha256: Hex<32>,
    files: BTreeMap<&'static str, Vec<u8>>,
}

impl Merchants {
    /// Reads a folder; `pools` are the plan's, by number.
    pub fn load(folder: &Path, pools: &[&str]) -> Result<Merchants, FolderError> {
        let files = files(folder)?;
        let registry = registered(&files, Registry::default(), pools, folder)?;
        let dishonest = match files.get(FILES[0]) {
            None => Dishonest::default(),
            Some(bytes) => {
                let list = Dishonest::read(bytes, BadRows::Refuse);
                list.map_err(|faults| faulty(folder.join(FILES[0]), &faults))?.0
            }
        };
        let sha256 = digest(&files);
        Ok(Merchants { registry, dishonest, sha256, files })
    }

    /// Whether these go on from those that were registered before them; or the first fault, by its file and line.
    ///
    /// What a merchant is due is known by its number, so a number stays a company's and a company its number, and no
    /// merchant is left out. A till's orders are its merchant's, so it stays with that one.
    pub fn follow(&self, before: &Registry, pools: &[&str]) -> Result<(), FolderError> {
        registered(&self.files, before.clone(), pools, Path::new(""))?;
        let gone = before.merchants().find(|it| self.registry.merchant(it.number).is_none());
        gone.map_or(Ok(()), |gone| {
            let first = format!(
                "merchant {} is registered and not in it: leave its row, and suspend it if it has to go",
                gone.number
            );
            Err(FolderError::Faulty { file: FILES[1].into(), first, count: 1 })
        })
    }

    /// The files that it was read from, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (*name, bytes.as_slice()))
    }

    /// What the ledger is asked for them, in this order: to let them redeem on their terms, and then to suspend those
    /// on the list. What it knows already it does not write again.
    pub fn commands(&self, no: CampaignNo) -> Vec<Vec<Command>> {
        let admit = |it: &Merchant| {
            let (merchant, categories) = (MerchantNo(it.number), PoolSet(it.categories));
            Command::Admit(no, Admitted { merchant, categories, cap: it.cap })
        };
        // Who is held besides stays so: the ledger sees to that.
        let listed = self.dishonest.suspensions(&self.registry, |_| Standing::Active);
        let suspend = listed.into_iter().filter_map(|change| {
            let Change::Standing { merchant, standing } = change else { return None };
            let stands = Stands { merchant: MerchantNo(merchant), standing: standing.into() };
            Some(Command::Stand(no, stands))
        });
        vec![self.registry.merchants().map(admit).collect(), suspend.collect()]
    }
}

/// What the files make of those that are known.
fn registered(
    files: &BTreeMap<&'static str, Vec<u8>>,
    mut registry: Registry,
    pools: &[&str],
    folder: &Path,
) -> Result<Registry, FolderError> {
    let nobody = Dishonest::default();
    let mut take = |name: &str, import: &Importing| {
        let bytes = files.get(name).map(Vec::as_slice).unwrap_or_default();
        let import = import(bytes, &registry);
        let import = import.map_err(|faults| faulty(folder.join(name), &faults))?;
        import.changes.into_iter().for_each(|change| registry.apply(change));
        Ok(())
    };
    take("merchants.csv", &|file, known| merchants(file, known, pools, &nobody, BadRows::Refuse))?;
    take("shops.csv", &|file, known| shops(file, known, BadRows::Refuse))?;
    take("terminals.csv", &|file, known| terminals(file, known, BadRows::Refuse))?;
    Ok(registry)
}

/// The digest of a folder, as [`Merchants::sha256`] is, whatever its files say.
pub fn folder_digest(folder: &Path) -> Result<Hex<32>, FolderError> {
    files(folder).map(|files| digest(&files))
}

fn files(folder: &Path) -> Result<BTreeMap<&'static str, Vec<u8>>, FolderError> {
    let mut files = BTreeMap::new();
    for name in FILES {
        let file = folder.join(name);
        match fs::read(&file) {
            Ok(bytes) => drop(files.insert(name, bytes)),
            // Nobody has to be on a list.
            Err(error) if error.kind() == io::ErrorKind::NotFound && name == FILES[0] => {}
            Err(source) => return Err(FolderError::Read { file, source }),
        }
    }
    Ok(files)
}

fn digest(files: &BTreeMap<&str, Vec<u8>>) -> Hex<32> {
    let mut digest = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    Hex(digest.finalize().into())
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
        let Merchants { registry, dishonest: list, .. } =
            Merchants::load(folder, &["retail"]).unwrap();
        let (shop, merchant) = registry.at("T-1".parse().unwrap()).unwrap();
        assert_eq!((shop.number, merchant.number, list.len()), (7, 1, 0));
        // Who was admitted and is listed now is still registered.
        write("dishonest.csv", "credit_code,name\n91141029MA0KU0001G,乡宁百货\n");
        let Merchants { registry, dishonest: list, .. } =
            Merchants::load(folder, &["retail"]).unwrap();
        assert_eq!(list.suspensions(&registry, |_| super::super::Standing::Active).len(), 1);
        // What is due is known by the number: another company must not get it, nor this one a second limit.
        let before = registry;
        let follows = |merchants: &str, shops: &str| {
            write("merchants.csv", &format!("{head}{merchants}"));
            write("shops.csv", &format!("shop,merchant,name,address,lat,lon,datum\n{shops}"));
            let after = Merchants::load(folder, &["retail"]).unwrap();
            after.follow(&before, &["retail"]).map_err(|error| error.to_string())
        };
        let (shop, two) = ("7,1,总店,,,,\n", "2,91141029MA0KX1234Y,云丘电器,是,是,retail,,有,,\n");
        assert_eq!(follows(one, shop), Ok(()));
        assert_eq!(follows(&format!("{one}{two}"), shop), Ok(()));
        assert_eq!(follows(&one.replace("乡宁百货", "乡宁商场"), shop), Ok(()));
        for (merchants, shops, says) in [
            (two.replace("2,", "1,"), shop, "merchant 1 is registered with another one"),
            (one.replace("1,", "3,"), "7,3,总店,,,,\n", "merchant 1 is registered with it"),
            (two.to_owned(), "8,2,分店,,,,\n7,2,总店,,,,\n", "the shop is merchant 1's"),
        ] {
            let why = follows(&merchants, shops).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
        write("terminals.csv", "terminal,shop\nT-1,8\n");
        let why = follows(&format!("{one}{two}"), "8,2,分店,,,,\n").unwrap_err();
        assert!(why.contains("the terminal is merchant 1's"), "{why}");
        write("terminals.csv", "terminal,shop\n");
        let why = follows(two, "").unwrap_err();
        assert!(why.contains("merchant 1 is registered and not in it"), "{why}");
        write("merchants.csv", &format!("{head}{one}"));
        write("shops.csv", "shop,merchant,name,address,lat,lon,datum\n7,1,总店,迎旭西大街,,,\n");
        write("terminals.csv", "terminal,shop\nT-1,8\n");
        let error = Merchants::load(folder, &["retail"]).unwrap_err().to_string();
        assert!(error.contains("terminals.csv: line 2, shop: `8`"), "{error}");
    }
}
