//! The grants in a journal at rest, read from the entries alone.

use super::world::{ROUND, World};
use crate::common::{book::Book, people::Claim, promises::Promises};
use quan::{
    data::DataFolder,
    domain::KindNo,
    ledger::{
        event::{What, codec},
        journal::{Folder, Reader},
    },
};
use std::{collections::BTreeMap, path::Path};

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
        let who = world.people.whose();
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

    /// What these grants make of what was told.
    pub(crate) fn promises(&self, told: &Book) -> Promises {
        let twice = self.all.values().filter(|grants| grants.len() > 1).count();
        let mut promises = Promises { lost: self.lost(told).len(), twice, ..Promises::default() };
        for (kind, quantity) in (0..).zip(ROUND.coupons) {
            let granted = self.all.iter().filter(|((_, of), _)| *of == kind);
            promises.granted(granted.map(|(_, grants)| grants.len()).sum(), quantity);
        }
        promises
    }
}
