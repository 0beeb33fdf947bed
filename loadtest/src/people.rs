//! The people: who they are, what they want and who of them cheats. All from the seed.
//!
//! Their material is made up and obviously so: ID numbers of a region `000000` that does not exist, phones that no
//! operator gives out, cards of an issuer `0000`.

use crate::tokens::Place;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Kinds that a person asks for at most.
pub(crate) const MOST_PICKS: usize = 3;

/// How a person cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    /// Two accounts, phones, cards and devices under one ID number: still one coupon a kind.
    TwoAccounts,
    /// Uses the device of the person before: no pass.
    SharedDevice,
    /// Sends the pass of the person before from another device: refused.
    CopiedPass,
    /// Sends the same claim twice at once: one coupon.
    Parallel,
    /// Changes a character of the own pass: refused.
    AlteredPass,
}

const CHEATS: [Cheat; 5] = [
    Cheat::TwoAccounts,
    Cheat::SharedDevice,
    Cheat::CopiedPass,
    Cheat::Parallel,
    Cheat::AlteredPass,
];

/// The kinds that somebody asks for, in that order: places in the campaign's list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picks {
    kinds: [u8; MOST_PICKS],
    count: u8,
}

impl Picks {
    pub(crate) fn get(self, slot: u8) -> Option<usize> {
        (slot < self.count).then(|| self.kinds.get(usize::from(slot)).copied().map(usize::from))?
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.kinds.iter().take(usize::from(self.count)).copied().map(usize::from)
    }

    fn push(&mut self, kind: usize) {
        if let (Some(slot), Ok(kind)) =
            (self.kinds.get_mut(usize::from(self.count)), u8::try_from(kind))
        {
            *slot = kind;
            self.count = self.count.saturating_add(1);
        }
    }
}

/// One app that asks: a person with an account on a device.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// Whose ID number it is; two actors of one person have the same.
    pub(crate) person: u32,
    /// The number that account, phone and card are made from.
    own: u32,
    /// The number that the device is made from.
    device: u32,
    pub(crate) picks: Picks,
    pub(crate) cheat: Option<Cheat>,
    /// Whether this is the second account of its person.
    pub(crate) second: bool,
    pub(crate) pass: Option<Box<str>>,
    /// The node that this app asks, until a connection to it breaks.
    pub(crate) node: usize,
}

/// What a person is known by, as the host app hands it over.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    pub(crate) acc: String,
    pub(crate) idn: String,
    pub(crate) tel: String,
    pub(crate) crd: String,
    pub(crate) dev: String,
}

impl Actor {
    /// Asks the next of `nodes` from now on.
    pub(crate) fn move_on(&mut self, nodes: usize) {
        self.node = self.node.saturating_add(1).checked_rem(nodes).unwrap_or(0);
    }

    /// Whether this person asks for coupons as people should, with a pass of the own: one that must get an answer.
    pub(crate) fn is_honest(&self) -> bool {
        !self.second && matches!(self.cheat, None | Some(Cheat::TwoAccounts | Cheat::Parallel))
    }

    pub(crate) fn material(&self, seed: u64) -> Material {
        let town = seed % 1000; // other seeds, other people
        // From one on: nothing but zeros would be no identifier at all.
        let (person, own) = (u64::from(self.person) + 1, u64::from(self.own) + 1);
        Material {
            acc: format!("fiction-{seed:x}-{own}"),
            idn: format!("000000{town:03}{person:09}"),
            tel: format!("100{town:03}{own:08}"),
            crd: format!("0000{town:03}{own:012}"),
            dev: self.device(seed),
        }
    }

    pub(crate) fn device(&self, seed: u64) -> String {
        format!("fiction-device-{seed:x}-{}", self.device)
    }

    /// A place in the middle of Linfen, GCJ-02, a few hundred metres from other people's.
    pub(crate) fn place(&self) -> Place {
        let step = |by: u32| {
            i32::try_from(self.own.wrapping_mul(by) % 200_001).unwrap_or_default() - 100_000
        };
        Place { lat: 360_800_000 + step(7919), lon: 1_115_200_000 + step(104_729) }
    }
}

/// What a round is drawn from: the people of a seed are the same in every round, what they do is not.
pub(crate) fn draw(seed: u64, round: u8) -> u64 {
    seed ^ u64::from(round.saturating_sub(1)) << 48
}

/// `people` actors, then the second accounts. Everybody picks 1 to 3 kinds, each kind as often as its quantity says.
pub(crate) fn people(
    people: u32,
    cheats_per_mille: u32,
    quantities: &[u32],
    seed: u64,
) -> Vec<Actor> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x70_656f_706c_6500);
    let mut actors: Vec<Actor> = (0..people)
        .map(|number| Actor {
            person: number,
            own: number,
            device: number,
            picks: picks(quantities, &mut rng),
            cheat: None,
            second: false,
            pass: None,
            node: 0,
        })
        .collect();
    let mut seconds = vec![];
    for (nth, at) in cheats_at(people, cheats_per_mille).enumerate() {
        let cheat = CHEATS.get(nth % CHEATS.len()).copied();
        let before = usize::try_from(at).ok().and_then(|at| at.checked_sub(1));
        let victim =
            before.and_then(|before| actors.get(before)).map(|actor| (actor.device, actor.picks));
        let Some(actor) = usize::try_from(at).ok().and_then(|at| actors.get_mut(at)) else {
            continue;
        };
        actor.cheat = cheat;
        match (cheat, victim) {
            (Some(Cheat::TwoAccounts), _) => {
                let number = people.saturating_add(u32::try_from(nth).unwrap_or(u32::MAX));
                seconds.push(Actor { own: number, device: number, second: true, ..actor.clone() });
            }
            (Some(Cheat::SharedDevice), Some((device, _))) => actor.device = device,
            (Some(Cheat::CopiedPass), Some((_, picks))) => actor.picks = picks,
            _ => {}
        }
    }
    actors.append(&mut seconds);
    actors
}

/// Evenly spread, never the first; with at most 50 per mille nobody's neighbour cheats too.
fn cheats_at(people: u32, per_mille: u32) -> impl Iterator<Item = u32> {
    let until = move |number: u32| u64::from(number) * u64::from(per_mille) / 1000;
    (1..people).filter(move |&number| until(number.saturating_add(1)) > until(number))
}

fn picks(quantities: &[u32], rng: &mut StdRng) -> Picks {
    let wanted = match rng.random_range(0..10) {
        0..5 => 1,
        5..8 => 2,
        _ => MOST_PICKS,
    };
    let mut left = quantities.to_vec();
    let mut picks = Picks::default();
    for _ in 0..wanted {
        let total: u64 = left.iter().copied().map(u64::from).sum();
        if total == 0 {
            break;
        }
        let mut ticket = rng.random_range(0..total);
        let drawn = left.iter().position(|&weight| {
            let weight = u64::from(weight);
            let hit = ticket < weight;
            ticket = ticket.saturating_sub(weight);
            hit
        });
        let Some(kind) = drawn else { break };
        picks.push(kind);
        if let Some(weight) = left.get_mut(kind) {
            *weight = 0;
        }
    }
    picks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const QUANTITIES: [u32; 6] = [4000, 3000, 600, 160, 1000, 480];

    #[test]
    fn the_same_seed_gives_the_same_people_and_another_seed_others() {
        let shown = |seed| format!("{:?}", people(500, 30, &QUANTITIES, seed));
        assert_eq!(shown(1), shown(1));
        assert_ne!(shown(1), shown(2));
        let actor = &people(1, 0, &QUANTITIES, 1)[0];
        assert_ne!(actor.material(1).idn, actor.material(2).idn);
    }

    #[test]
    fn every_kind_is_over_asked_about_equally() {
        let mut asked = [0_u32; 6];
        for actor in people(50_000, 0, &QUANTITIES, 1) {
            let picks: Vec<usize> = actor.picks.iter().collect();
            assert!((1..=MOST_PICKS).contains(&picks.len()));
            assert_eq!(picks.iter().collect::<HashSet<_>>().len(), picks.len());
            for kind in picks {
                asked[kind] += 1;
            }
        }
        for (asked, quantity) in asked.iter().zip(QUANTITIES) {
            assert!((6..=14).contains(&(asked / quantity)), "{asked} of {quantity}");
        }
    }

    #[test]
    fn cheats_are_as_many_as_told_and_stand_beside_honest_people() {
        let actors = people(10_000, 50, &QUANTITIES, 1);
        let cheats: Vec<usize> = (0..10_000).filter(|&at| actors[at].cheat.is_some()).collect();
        assert_eq!(cheats.len(), 500);
        assert!(cheats.iter().all(|&at| actors[at - 1].cheat.is_none()));
        assert_eq!(actors.len(), 10_100);
        let device = |at: usize| actors[at].device(1);
        for at in cheats {
            let shares = device(at) == device(at - 1);
            assert_eq!(shares, actors[at].cheat == Some(Cheat::SharedDevice));
        }
        for second in &actors[10_000..] {
            let first = &actors[usize::try_from(second.person).unwrap()];
            let (a, b) = (first.material(1), second.material(1));
            assert_eq!(a.idn, b.idn);
            assert!(a.acc != b.acc && a.tel != b.tel && a.crd != b.crd && a.dev != b.dev);
            assert!(first.is_honest() && !second.is_honest());
        }
    }

    #[test]
    fn people_differ_in_every_identifier_and_stay_near_the_middle_of_the_city() {
        let mut seen = HashSet::new();
        for actor in people(2000, 0, &QUANTITIES, 1000) {
            let material = actor.material(1000);
            let Material { acc, idn, tel, crd, dev } = material;
            for text in [acc, idn, tel, crd, dev] {
                assert!((1..=128).contains(&text.len()));
                assert!(!text.trim_matches('0').is_empty(), "no identifier at all");
                assert!(seen.insert(text));
            }
            let place = actor.place();
            assert!((place.lat - 360_800_000).abs() <= 100_000);
            assert!((place.lon - 1_115_200_000).abs() <= 100_000);
        }
    }

    #[test]
    fn a_round_without_stock_is_asked_for_nothing() {
        assert_eq!(people(3, 0, &[0, 0], 1)[0].picks, Picks::default());
    }
}
