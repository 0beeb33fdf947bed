//! Where things stand in Redis.

use crate::domain::{CampaignNo, Hex, PersonId, RoundNo, TerminalId};

/// Name -> number of every campaign, numbers given in order.
pub(crate) const DIRECTORY: &str = "quan:{directory}:campaigns";

/// What of it is hashed to a slot.
pub(crate) const DIRECTORY_TAG: &str = "directory";

/// The number of the identities' log among a campaign's.
const IDENTITIES: u8 = 255;

/// Slots of a Redis Cluster.
pub(crate) const SLOTS: u16 = 16_384;

/// One log and all that it is about, in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The campaign.
    pub(crate) campaign: CampaignNo,
    /// Which of its logs.
    pub(crate) part: Part,
}

/// Which of a campaign's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// A share of its people and stock, from 0.
    Shard(u8),
    /// What is unique across persons.
    Identities,
}

/// A key of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// Lineage, epoch, seq and what concerns the whole shard.
    Meta,
    /// Balances of the pools.
    Funds,
    /// Window and stock of a round.
    Round(RoundNo),
    /// Who holds what.
    Holders(RoundNo),
    /// Passes and what they were spent for.
    Passes(RoundNo),
    /// What was sent and is not known to be received.
    Transit,
    /// What became of coupons that are not unused.
    States(RoundNo),
    /// Orders; among the identities, where each is reserved.
    Orders,
    /// Refunds; among the identities, what was given back for each.
    Refunds,
    /// Merchants: their terms, what they are due; among the identities, what counts against their caps.
    Merchants,
    /// What batches have for merchants.
    Lines,
    /// Proofs that are spent.
    Proofs(RoundNo),
    /// Whose an identifier is.
    Bindings(RoundNo),
    /// The stream of entries.
    Log,
}

impl Place {
    /// Shard `no` of `campaign`.
    pub(crate) const fn shard(campaign: CampaignNo, no: u8) -> Place {
        Place { campaign, part: Part::Shard(no) }
    }

    /// The identities of `campaign`.
    pub(crate) const fn identities(campaign: CampaignNo) -> Place {
        Place { campaign, part: Part::Identities }
    }

    /// The place whose log has that number in the store; `None` of a journal's.
    pub(crate) fn of(log: u32) -> Option<Place> {
        let campaign = CampaignNo(u16::try_from((log >> 8).checked_sub(1)?).ok()?);
        match u8::try_from(log & 0xff).ok()? {
            IDENTITIES => Some(Place::identities(campaign)),
            no => Some(Place::shard(campaign, no)),
        }
    }

    /// The log's number in the store and in an entry's check.
    pub(crate) fn log(self) -> u32 {
        let part = match self.part {
            Part::Shard(no) => no,
            Part::Identities => IDENTITIES,
        };
        (u32::from(self.campaign.0) + 1) << 8 | u32::from(part)
    }

    /// What is hashed to a slot: the same for all keys of a place.
    pub(crate) fn tag(self) -> String {
        match self.part {
            Part::Shard(no) => format!("{}:{no}", self.campaign.0),
            Part::Identities => format!("{}:i", self.campaign.0),
        }
    }

    /// The slot of all keys of the place.
    pub(crate) fn slot(self) -> u16 {
        slot(&self.tag())
    }

    /// What stands under this is no log's: it is forgotten by itself.
    pub(crate) fn passing(self) -> String {
        format!("quan:{{{}}}:passing:", self.tag())
    }

    /// The key of the payment code that a person has.
    pub(crate) fn shown(self, person: PersonId) -> String {
        format!("{}shown:{}", self.passing(), Hex(person.0))
    }

    /// The key of what a payment code leads to. Its digest names it: who reads what Redis has reads no codes.
    pub(crate) fn code(self, digest: [u8; 16]) -> String {
        format!("{}code:{}", self.passing(), Hex(digest))
    }

    /// The key of the nonce of a till's request.
    pub(crate) fn nonce(self, terminal: TerminalId, nonce: [u8; 16]) -> String {
        format!("{}nonce:{terminal}:{}", self.passing(), Hex(nonce))
    }

    /// The name of `key`.
    pub(crate) fn key(self, key: Key) -> String {
        let (name, round) = match key {
            Key::Meta => ("meta", None),
            Key::Funds => ("funds", None),
            Key::Round(round) => ("round", Some(round)),
            Key::Holders(round) => ("holders", Some(round)),
            Key::Passes(round) => ("passes", Some(round)),
            Key::Transit => ("transit", None),
            Key::States(round) => ("states", Some(round)),
            Key::Orders => ("orders", None),
            Key::Refunds => ("refunds", None),
            Key::Merchants => ("merchants", None),
            Key::Lines => ("lines", None),
            Key::Proofs(round) => ("proofs", Some(round)),
            Key::Bindings(round) => ("bindings", Some(round)),
            Key::Log => ("log", None),
        };
        let tag = self.tag();
        match round {
            Some(round) => format!("quan:{{{tag}}}:{name}:{}", round.0),
            None => format!("quan:{{{tag}}}:{name}"),
        }
    }
}

impl Key {
    /// The round it is of, if it is of one.
    pub(crate) fn round(self) -> Option<RoundNo> {
        match self {
            Key::Round(round)
            | Key::Holders(round)
            | Key::Passes(round)
            | Key::States(round)
            | Key::Proofs(round)
            | Key::Bindings(round) => Some(round),
            Key::Meta
            | Key::Funds
            | Key::Transit
            | Key::Orders
            | Key::Refunds
            | Key::Merchants
            | Key::Lines
            | Key::Log => None,
        }
    }
}

/// The slot that Redis Cluster gives a tag.
pub(crate) fn slot(tag: &str) -> u16 {
    crc16(tag.as_bytes()) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}

/// The shard among `of` that `person` belongs to, for ever: person ids are keyed hashes, so their first
/// bytes cut the people into equal parts.
pub(crate) fn shard_of(person: PersonId, of: u8) -> u8 {
    let (first, _) = person.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let part = (u128::from(u64::from_be_bytes(*first)) * u128::from(of)) >> 64;
    u8::try_from(part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    const C: CampaignNo = CampaignNo(7);

    #[test]
    fn the_slots_are_redis_clusters() {
        // The check value of CRC-16/XMODEM, and slots that Redis gives: CLUSTER KEYSLOT.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        for (tag, want) in [("foo", 12_182), ("7:0", 7_224), ("7:i", 6_116)] {
            assert_eq!(slot(tag), want, "{tag}");
        }
        assert_eq!(Place::identities(C).slot(), slot("7:i"));
    }

    #[test]
    fn keys_and_logs_are_named_as_drawn() {
        let (shard, identities) = (Place::shard(C, 2), Place::identities(C));
        assert_eq!(shard.key(Key::Meta), "quan:{7:2}:meta");
        assert_eq!(shard.key(Key::Holders(RoundNo(15))), "quan:{7:2}:holders:15");
        assert_eq!(identities.key(Key::Proofs(RoundNo(1))), "quan:{7:i}:proofs:1");
        assert_eq!(DIRECTORY, "quan:{directory}:campaigns");
        assert_eq!((shard.log(), identities.log()), (8 << 8 | 2, 8 << 8 | 255));
        assert_eq!(
            [shard, identities].map(|it| Place::of(it.log())),
            [Some(shard), Some(identities)]
        );
        assert_eq!(Place::of(0), None);
    }

    #[test]
    fn a_person_stays_in_a_shard_for_ever() {
        let person = |first: u64| {
            let mut id = [0xff; 16];
            id[..8].copy_from_slice(&first.to_be_bytes());
            PersonId(id)
        };
        for (first, of, want) in [
            (0, 3, 0),
            (0x5555_5555_5555_5555, 3, 0),
            (0x5555_5555_5555_5556, 3, 1),
            (0xaaaa_aaaa_aaaa_aaab, 3, 2),
            (u64::MAX, 3, 2),
            (u64::MAX, 255, 254),
            (u64::MAX, 1, 0),
            (0x0123_4567_89ab_cdef, 16, 0),
            (0xfedc_ba98_7654_3210, 16, 15),
        ] {
            assert_eq!(shard_of(person(first), of), want, "{first:x} of {of}");
        }
    }

    #[test]
    fn people_are_dealt_evenly() {
        let mut people = [0_u32; 7];
        for no in 0..70_000_u32 {
            let hash = Sha256::digest(no.to_le_bytes());
            people[usize::from(shard_of(PersonId(hash[..16].try_into().unwrap()), 7))] += 1;
        }
        // Four standard deviations of 10,000 are 370.
        assert!(people.iter().all(|count| (9_630..=10_370).contains(count)), "{people:?}");
    }
}
