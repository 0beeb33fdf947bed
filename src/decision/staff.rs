//! The persons who decide, and whether what came from them counts.

use super::Refused;
use super::roles::{Needs, Role, Seat, told};
use crate::domain::{At, Hex};
use crate::ledger::event::{Decided, DecisionId, Signed, Statement, Subject};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// By how much a person's clock may be ahead.
const AHEAD_MS: i64 = 60_000;
/// Signatures that come with a decision.
const MOST_SIGNATURES: usize = 8;
/// What is signed to end a decision begins with this.
const ENDING: &[u8] = b"quan decision ends 1";

/// A person's key and roles.
#[derive(Clone, Debug)]
struct Person {
    key: VerifyingKey,
    roles: BTreeSet<Role>,
}

/// Those who decide, by name.
#[derive(Clone, Debug, Default)]
pub struct Staff(BTreeMap<String, Person>);

/// Somebody's no to a decision that is open, or its proposer's second thought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// The decision.
    pub decision: DecisionId,
    /// Why.
    pub why: String,
    /// Whose.
    pub by: String,
    /// The Ed25519 signature.
    pub signature: Hex<64>,
}

/// Signs a statement as `by`.
pub fn sign(statement: &Statement, by: &str, key: &SigningKey) -> Signed {
    Signed { by: by.to_owned(), signature: Hex(key.sign(&statement.bytes()).to_bytes()) }
}

impl Ending {
    /// Says no as `by`.
    pub fn sign(decision: DecisionId, why: &str, by: &str, key: &SigningKey) -> Ending {
        let (why, by) = (why.to_owned(), by.to_owned());
        let mut ending = Ending { decision, why, by, signature: Hex([0; 64]) };
        ending.signature = Hex(key.sign(&ending.bytes()).to_bytes());
        ending
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = ENDING.to_vec();
        out.extend(self.decision.0);
        for text in [&self.why, &self.by] {
            out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(text.as_bytes());
        }
        out
    }
}

impl Staff {
    /// One more person; `None` if the bytes are no key.
    pub fn add(
        &mut self,
        name: &str,
        key: &[u8],
        roles: impl IntoIterator<Item = Role>,
    ) -> Option<()> {
        let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        self.0.insert(name.to_owned(), Person { key, roles: roles.into_iter().collect() });
        Some(())
    }

    /// What still lacks of a decision that came in at `now`, or why it does not count.
    pub fn look(&self, decided: &Decided, now: At) -> Result<Vec<Seat>, Refused> {
        let lacking = self.lacking(decided)?;
        let Statement { by, at, until, what, .. } = &decided.statement;
        let open_ms = Needs::of(what).open_ms;
        if at.ms_since(now) > AHEAD_MS {
            return Err(Refused::Early(by.clone()));
        }
        if until.ms_since(*at) > open_ms {
            return Err(Refused::Open { minutes: open_ms / 60_000 });
        }
        if now >= *until {
            return Err(Refused::Expired);
        }
        Ok(lacking)
    }

    /// What still lacks of a decision, whenever it was decided; or why it does not count.
    pub fn lacking(&self, decided: &Decided) -> Result<Vec<Seat>, Refused> {
        let Decided { statement, signatures } = decided;
        if let Some(fault) = statement.fault() {
            return Err(Refused::Form(fault));
        }
        if signatures.len() > MOST_SIGNATURES {
            return Err(Refused::Form("at most 8 signatures come with a decision"));
        }
        let seats = Needs::of(&statement.what).seats;
        let message = statement.bytes();
        let mut persons: BTreeMap<[u8; 32], (&str, &BTreeSet<Role>)> = BTreeMap::new();
        for Signed { by, signature } in signatures {
            let person = self.signed(by, &message, signature)?;
            Staff::may(by, person, &statement.what)?;
            let before = persons.insert(person.key.to_bytes(), (by, &person.roles));
            if before.is_some() {
                return Err(Refused::Twice(by.clone()));
            }
        }
        if !persons.values().any(|(by, _)| *by == statement.by) {
            return Err(Refused::Proposer(statement.by.clone()));
        }
        let roles: Vec<&BTreeSet<Role>> = persons.into_values().map(|(_, roles)| roles).collect();
        Ok(lacks(seats, &roles))
    }

    /// Whether enough persons have signed it, whenever that was, and it is about that campaign.
    pub fn has_decided(&self, decided: &Decided, campaign: &str) -> bool {
        decided.statement.what.campaign() == Some(campaign)
            && self.lacking(decided).is_ok_and(|lacks| lacks.is_empty())
    }

    /// Whether an ending of what was proposed counts; `true` if it is the proposer's own.
    pub fn ends(&self, ending: &Ending, statement: &Statement) -> Result<bool, Refused> {
        if ending.why.trim().is_empty() || ending.why.len() > 1_000 {
            return Err(Refused::Form("a reason of 1 to 1,000 bytes is missing"));
        }
        let person = self.signed(&ending.by, &ending.bytes(), &ending.signature)?;
        if ending.by == statement.by {
            return Ok(true);
        }
        Staff::may(&ending.by, person, &statement.what).map(|()| false)
    }

    fn signed(&self, by: &str, message: &[u8], signature: &Hex<64>) -> Result<&Person, Refused> {
        let person = self.0.get(by).ok_or_else(|| Refused::Stranger(by.to_owned()))?;
        let signature = Signature::from_bytes(&signature.0);
        let fits = person.key.verify_strict(message, &signature).is_ok();
        fits.then_some(person).ok_or_else(|| Refused::Signature(by.to_owned()))
    }

    /// Whether the person has a word in such decisions.
    fn may(by: &str, person: &Person, what: &Subject) -> Result<(), Refused> {
        let seats = Needs::of(what).seats;
        if seats.iter().any(|seat| sits(seat, &person.roles)) {
            return Ok(());
        }
        let needed = seats.iter().map(|seat| told(seat)).collect::<BTreeSet<_>>();
        let needed = needed.into_iter().collect::<Vec<_>>().join(", ");
        Err(Refused::Role { by: by.to_owned(), what: what.word(), needed })
    }
}

fn sits(seat: Seat, roles: &BTreeSet<Role>) -> bool {
    seat.iter().any(|role| roles.contains(role))
}

/// The fewest seats that stay empty, however the persons sit: each on one seat at most.
fn lacks(seats: &[Seat], persons: &[&BTreeSet<Role>]) -> Vec<Seat> {
    let Some((first, rest)) = seats.split_first() else { return Vec::new() };
    let mut fewest = lacks(rest, persons);
    fewest.insert(0, first);
    for (place, roles) in persons.iter().enumerate() {
        if sits(first, roles) {
            let mut others = persons.to_vec();
            others.remove(place);
            let lacks = lacks(rest, &others);
            if lacks.len() < fewest.len() {
                fewest = lacks;
            }
        }
    }
    fewest
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ledger::event::decisions::{statement, subjects};

    const NOW: At = At(1_000);

    pub(crate) fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    /// Somebody of each role, whose key is of the role's place and whose name is its word; and Li, an operator.
    pub(crate) fn staff() -> Staff {
        let mut staff = Staff::default();
        for (seed, role) in (100..).zip(Role::ALL) {
            staff.add(role.word(), key(seed).verifying_key().as_bytes(), [role]).unwrap();
        }
        staff.add("li", key(1).verifying_key().as_bytes(), [Role::Operator]).unwrap();
        staff
    }

    fn key_of(name: &str) -> SigningKey {
        let role = (100..).zip(Role::ALL).find(|(_, role)| role.word() == name);
        key(role.map_or(1, |(seed, _)| seed))
    }

    /// `what`, proposed by the first of these persons, signed by all.
    pub(crate) fn decided(what: Subject, by: &[&str]) -> Decided {
        let statement = Statement { by: by[0].into(), ..statement(what) };
        let signatures = by.iter().map(|by| sign(&statement, by, &key_of(by))).collect();
        Decided { statement, signatures }
    }

    fn resume() -> Subject {
        Subject::Resume { campaign: "test".into() }
    }

    #[test]
    fn r_role_1_each_subject_is_decided_by_those_it_needs_and_by_nobody_else() {
        let staff = staff();
        let mut people: Vec<&str> = Role::ALL.map(Role::word).to_vec();
        people.push("li");
        for what in subjects() {
            let seats = Needs::of(&what).seats;
            let role = |name: &str| name.parse().unwrap_or(Role::Operator);
            let fits = |name: &str, seat: Seat| seat.contains(&role(name));
            for one in &people {
                let alone = staff.look(&decided(what.clone(), &[one]), NOW);
                let may = seats.iter().any(|seat| fits(one, seat));
                assert_eq!(alone.is_ok(), may, "{one} {what:?}: {alone:?}");
                assert_eq!(alone == Ok(vec![]), may && seats.len() == 1, "{one} alone {what:?}");
                for other in people.iter().filter(|other| *other != one) {
                    let both = staff.look(&decided(what.clone(), &[one, other]), NOW);
                    let enough = match seats {
                        [seat] => fits(one, seat) && fits(other, seat),
                        [a, b] => fits(one, a) && fits(other, b) || fits(one, b) && fits(other, a),
                        _ => unreachable!("a decision takes one or two"),
                    };
                    assert_eq!(both == Ok(vec![]), enough, "{one}, {other} {what:?}: {both:?}");
                }
            }
        }
    }

    #[test]
    fn r_risk_3_one_person_under_two_names_or_with_two_signatures_is_one_person() {
        let mut staff = staff();
        staff.add("wang", key(1).verifying_key().as_bytes(), [Role::Bureau]).unwrap();
        let twice = staff.look(&decided(resume(), &["li", "wang"]), NOW);
        assert_eq!(twice, Err(Refused::Twice("wang".into())));
        let twice = staff.look(&decided(resume(), &["li", "li"]), NOW);
        assert_eq!(twice, Err(Refused::Twice("li".into())));
        assert_eq!(staff.look(&decided(resume(), &["li", "bureau"]), NOW), Ok(vec![]));
        // Who has both roles still sits once.
        staff
            .add("zhao", key(3).verifying_key().as_bytes(), [Role::Bureau, Role::Finance])
            .unwrap();
        let settle = subjects().swap_remove(6);
        let mut alone = decided(settle, &["bureau"]);
        alone.statement.by = "zhao".into();
        alone.signatures = vec![sign(&alone.statement, "zhao", &key(3))];
        assert_eq!(staff.look(&alone, NOW).map(|lacks| lacks.len()), Ok(1));
    }

    #[test]
    fn a_decision_that_was_changed_or_is_late_or_somebody_elses_does_not_count() {
        let staff = staff();
        let no = |decided: &Decided| staff.look(decided, NOW).unwrap_err();
        let good = decided(resume(), &["li", "bureau"]);
        let changed = |change: fn(&mut Statement)| {
            let mut decided = good.clone();
            change(&mut decided.statement);
            no(&decided)
        };
        let li = || "li".to_owned();
        assert_eq!(changed(|it| it.why = "other".into()), Refused::Signature(li()));
        assert_eq!(changed(|it| it.until = At(10_001)), Refused::Signature(li()));
        let mut stranger = good.clone();
        stranger.signatures[1].by = "zhou".into();
        assert_eq!(no(&stranger), Refused::Stranger("zhou".into()));
        let mut nobody = good.clone();
        nobody.signatures.remove(0);
        assert_eq!(no(&nobody), Refused::Proposer(li()));
        nobody.signatures.clear();
        assert_eq!(no(&nobody), Refused::Proposer(li()));
        assert_eq!(staff.look(&good, At(9_999)), Ok(vec![]));
        assert_eq!(staff.look(&good, At(10_000)), Err(Refused::Expired));
        let moved = |at: i64, until: i64| {
            let statement = Statement { at: At(at), until: At(until), ..good.statement.clone() };
            let signatures = ["li", "bureau"].map(|by| sign(&statement, by, &key_of(by))).to_vec();
            staff.look(&Decided { statement, signatures }, NOW)
        };
        assert_eq!(moved(1_000 + AHEAD_MS, 1_001 + AHEAD_MS), Ok(vec![]));
        assert_eq!(moved(1_001 + AHEAD_MS, 1_002 + AHEAD_MS), Err(Refused::Early(li())));
        assert_eq!(moved(0, 600_000), Ok(vec![]));
        assert_eq!(moved(0, 600_001), Err(Refused::Open { minutes: 10 }));
        assert!(matches!(no(&decided(resume(), &["li"; 9])), Refused::Form(_)));
    }

    #[test]
    fn who_proposed_it_withdraws_and_who_has_a_word_in_it_rejects() {
        let staff = staff();
        let said = decided(resume(), &["li"]).statement;
        let end = |by: &str, key: SigningKey| {
            staff.ends(&Ending::sign(said.id(), "not yet", by, &key), &said)
        };
        assert_eq!(end("li", key(1)), Ok(true));
        assert_eq!(end("bureau", key_of("bureau")), Ok(false));
        assert!(matches!(end("finance", key_of("finance")), Err(Refused::Role { .. })));
        assert_eq!(end("li", key(2)), Err(Refused::Signature("li".into())));
        let other = Ending::sign(Hex([1; 16]), "not yet", "li", &key(1));
        let moved = Ending { decision: said.id(), ..other };
        assert_eq!(staff.ends(&moved, &said), Err(Refused::Signature("li".into())));
        let silent = Ending::sign(said.id(), " ", "li", &key(1));
        assert!(matches!(staff.ends(&silent, &said), Err(Refused::Form(_))));
    }
}
