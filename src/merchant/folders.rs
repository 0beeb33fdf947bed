//! A server's folders of merchants, of which each is a proposal until persons decided its digest (R-MERCH-1).

use super::{Merchants, Registry, folder_digest};
use crate::domain::Hex;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The folders that a server is configured with, by campaign, and where copies are kept of those that were decided: a
/// folder that is changed later leaves them in force.
#[derive(Debug)]
pub struct Folders {
    folders: BTreeMap<String, Folder>,
    kept: PathBuf,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The names of the plan's pools, by number.
    pools: Vec<String>,
}

impl Folder {
    fn load(&self, path: &Path) -> Result<Merchants, String> {
        let pools: Vec<&str> = self.pools.iter().map(String::as_str).collect();
        Merchants::load(path, &pools).map_err(|error| error.to_string())
    }
}

impl Folders {
    /// None yet; copies are kept in `kept`.
    pub fn new(kept: PathBuf) -> Folders {
        Folders { folders: BTreeMap::new(), kept }
    }

    /// The folder of a campaign; `pools` are its plan's, by number.
    pub fn add(&mut self, campaign: &str, path: &Path, pools: Vec<String>) {
        self.folders.insert(campaign.to_owned(), Folder { path: path.to_owned(), pools });
    }

    /// The merchants with this digest: of the folder, or of the copy that was kept; or why there are none.
    pub fn with(&self, campaign: &str, sha256: Hex<32>) -> Result<Merchants, String> {
        let folder = self.folders.get(campaign);
        let folder = folder
            .ok_or_else(|| format!("this server has no folder of merchants of {campaign}"))?;
        let mut why = match folder.load(&folder.path) {
            Ok(merchants) if merchants.sha256 == sha256 => return Ok(merchants),
            Ok(other) => {
                format!(
                    "{} has the digest {} here, not {sha256}",
                    folder.path.display(),
                    other.sha256
                )
            }
            Err(fault) => fault,
        };
        let copy = self.copy(sha256);
        if copy.exists() {
            match folder.load(&copy) {
                Ok(merchants) if merchants.sha256 == sha256 => return Ok(merchants),
                Ok(_) => why = format!("{} is damaged; {why}", copy.display()),
                Err(fault) => why = format!("{fault}; {why}"),
            }
        }
        Err(why)
    }

    /// Whether merchants go on from those that are in force.
    pub fn follow(
        &self,
        campaign: &str,
        merchants: &Merchants,
        before: &Registry,
    ) -> Result<(), String> {
        let pools = self.folders.get(campaign).map(|it| it.pools.as_slice()).unwrap_or_default();
        let pools: Vec<&str> = pools.iter().map(String::as_str).collect();
        merchants.follow(before, &pools).map_err(|error| error.to_string())
    }

    /// Keeps a copy, which is there as a whole or not at all.
    pub fn keep(&self, merchants: &Merchants) -> io::Result<()> {
        let copy = self.copy(merchants.sha256);
        if copy.exists() {
            return Ok(());
        }
        let half = copy.with_extension("half");
        if half.exists() {
            fs::remove_dir_all(&half)?;
        }
        fs::create_dir_all(&half)?;
        for (name, bytes) in merchants.files() {
            let file = half.join(name);
            fs::write(&file, bytes)?;
            fs::File::open(&file)?.sync_all()?;
        }
        fs::File::open(&half)?.sync_all()?;
        fs::rename(&half, &copy)?;
        fs::File::open(&self.kept)?.sync_all()
    }

    /// What is to be said if the campaign's folder is not the one that is in force here.
    pub fn differs(&self, campaign: &str, in_force: Option<Hex<32>>) -> Option<String> {
        let path = &self.folders.get(campaign)?.path;
        let shown = path.display();
        match (folder_digest(path), in_force) {
            (Ok(is), Some(in_force)) if is == in_force => None,
            (Ok(is), None) => Some(format!("{shown} is not decided: {is}")),
            (Ok(is), Some(of)) => Some(format!("{shown} is not decided: {is}; in force is {of}")),
            (Err(error), _) => Some(error.to_string()),
        }
    }

    fn copy(&self, sha256: Hex<32>) -> PathBuf {
        self.kept.join(sha256.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_merch_1_what_was_decided_stays_in_force_when_the_folder_is_changed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("merchants");
        fs::create_dir(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write(
            "merchants.csv",
            "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n\
             1,91141029MA0KU0001G,乡宁百货,是,是,retail,,有,,\n",
        );
        write("shops.csv", "shop,merchant,name,address,lat,lon,datum\n7,1,总店,迎旭西大街,,,\n");
        write("terminals.csv", "terminal,shop\nT-1,7\n");
        let mut folders = Folders::new(temporary.path().join("kept"));
        let none = folders.with("test", Hex([0; 32])).unwrap_err();
        assert!(none.contains("no folder of merchants of test"), "{none}");
        folders.add("test", &folder, vec!["retail".into()]);
        let sha256 = folder_digest(&folder).unwrap();
        assert!(folders.differs("test", None).unwrap().contains("is not decided"));
        let merchants = folders.with("test", sha256).unwrap();
        folders.keep(&merchants).unwrap();
        folders.keep(&merchants).unwrap();
        assert_eq!(folders.differs("test", Some(sha256)), None);
        // A list that was not there has a part in the digest once it is.
        write("dishonest.csv", "credit_code,name\n91141029MA0KU0001G,乡宁百货\n");
        let listed = folder_digest(&folder).unwrap();
        assert_ne!(listed, sha256);
        let said = folders.differs("test", Some(sha256)).unwrap();
        assert!(said.contains(&listed.to_string()) && said.contains(&sha256.to_string()), "{said}");
        assert!(folders.with("test", sha256).unwrap().dishonest.is_empty(), "the copy");
        assert_eq!(folders.with("test", listed).unwrap().dishonest.len(), 1);
        let copy = temporary.path().join("kept").join(sha256.to_string());
        fs::write(copy.join("terminals.csv"), "terminal,shop\nT-2,7\n").unwrap();
        let damaged = folders.with("test", sha256).unwrap_err();
        assert!(damaged.contains("is damaged"), "{damaged}");
    }
}
