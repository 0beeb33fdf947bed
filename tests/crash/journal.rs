//! The grants in a journal at rest, read from the entries alone.

use super::{
    book::{Book, Claim},
    world::{KINDS, World},
};
use quan::{
    data::DataFolder,
    domain::KindNo,
    ledger::{
        event::{What, codec},
        journal::{Folder, Reader},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// A grant as the journal has it.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) coupon: String,
    /// Whether the journal itself proves that it was synced.
    pub(crate) proven: bool,
}

/// All grants of a journal, by their claims.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    all: BTreeMap<Claim, Vec<Grant>>,
    /// Why it could not be read to its end.
    pub(crate) damage: Option<String>,
}

impl Grants {
    /// Reads the journal of `data`, which no server has open.
    pub(crate) fn read(world: &World, data: &Path) -> Grants {
        let who: HashMap<[u8; 16], usize> =
            world.people.iter().enumerate().map(|(who, person)| (person.nonce, who)).collect();
        let disk = Folder::open(&DataFolder::at(data).journal()).expect("a journal");
        let mut reader = Reader::all(&disk).expect("a readable folder");
        let (mut found, mut damage) = (Vec::new(), None);
        for entry in reader.by_ref() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    damage = Some(error.to_string());
                    break;
                }
            };
            for event in codec::decode(&entry.body).unwrap_or_default() {
                let What::Granted(granted) = event.what else { continue };
                let KindNo(kind) = granted.coupon.kind;
                found.push((entry.seq, (who[&granted.pass.0], kind), granted.coupon.to_string()));
            }
        }
        let mut grants = Grants { damage, ..Grants::default() };
        for (seq, claim, coupon) in found {
            let grant = Grant { coupon, proven: seq <= reader.proven() };
            grants.all.entry(claim).or_default().push(grant);
        }
        grants
    }

    /// The grant of this claim.
    pub(crate) fn get(&self, claim: Claim) -> Option<&Grant> {
        self.all.get(&claim)?.first()
    }

    /// Claims that were told yes and of which nothing, or another coupon, is here.
    pub(crate) fn lost(&self, told: &Book) -> Vec<Claim> {
        let there = |claim, coupon: &str| self.get(claim).is_some_and(|it| it.coupon == coupon);
        let lost = told.yes.iter().filter(|(claim, yes)| !there(**claim, &yes.coupon));
        lost.map(|(claim, _)| *claim).collect()
    }

    /// Claims granted more than once.
    pub(crate) fn twice(&self) -> usize {
        self.all.values().filter(|grants| grants.len() > 1).count()
    }

    /// Granted and quantity of every kind.
    pub(crate) fn stock(&self) -> [(usize, usize); 6] {
        let of = |no: usize| {
            let here = self.all.iter().filter(|((_, kind), _)| usize::from(*kind) == no);
            (here.map(|(_, grants)| grants.len()).sum(), KINDS[no].1 as usize)
        };
        std::array::from_fn(of)
    }
}
