//! What staff decision: stopping issuing, going on with it, giving up a node (R-RISK-3).
//!
//! # What always holds
//!
//! - A decision counts if a person signed it whose public key is in the keys folder, a moment ago.
//! - Stopping takes one person; going on, and giving up a node that may have told people something, take two
//!   different ones who signed the same.
//! - A signature counts once for a server, and what was decided is written down before it is done. Of several
//!   servers it counts once for all, but for stopping, which must not wait for the store that says so.

/// `POST /decisions` on the ops port.
pub mod handler;

use crate::domain::At;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

/// How long a decision may be on its way.
const FRESH_MS: i64 = 10 * 60_000;
/// By how much a person's clock may be ahead.
const AHEAD_MS: i64 = 60_000;

/// What can be decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "subject", rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// Stop issuing in a campaign.
    Trip {
        /// Its id.
        campaign: String,
    },
    /// Go on issuing in a campaign.
    Resume {
        /// Its id.
        campaign: String,
    },
    /// Recover logs without a node that does not return: what only it knows is given up.
    Forget {
        /// Its id.
        node: String,
    },
}

impl Subject {
    /// How many persons it takes.
    fn persons(&self) -> usize {
        match self {
            Subject::Trip { .. } => 1,
            Subject::Resume { .. } | Subject::Forget { .. } => 2,
        }
    }

    /// Whether its signatures count once for all servers.
    fn is_once_for_all(&self) -> bool {
        !matches!(self, Subject::Trip { .. })
    }

    fn words(&self) -> (&str, &str) {
        match self {
            Subject::Trip { campaign } => ("trip", campaign),
            Subject::Resume { campaign } => ("resume", campaign),
            Subject::Forget { node } => ("forget", node),
        }
    }
}

/// A decision and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is decided.
    pub what: Subject,
    /// When it was signed, in Unix milliseconds.
    pub at_ms: i64,
    /// Who signed it.
    pub by: String,
    /// Base64 of the Ed25519 signature.
    pub signature: String,
}

impl Decision {
    /// Signs `what` as `by`.
    pub fn sign(what: Subject, by: &str, at: At, key: &SigningKey) -> Decision {
        let signature = key.sign(&message(&what, by, at.0));
        let signature = STANDARD.encode(signature.to_bytes());
        Decision { what, at_ms: at.0, by: by.to_owned(), signature }
    }
}

/// What is signed: no two decisions have the same.
fn message(what: &Subject, by: &str, at_ms: i64) -> Vec<u8> {
    let (word, subject) = what.words();
    let mut out = b"qua decision 1".to_vec();
    for part in [word, subject, by] {
        out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(part.as_bytes());
    }
    out.extend(at_ms.to_be_bytes());
    out
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No decision came.
    #[error("no decision")]
    Nothing,
    /// They are not all the same decision.
    #[error("the decisions differ: all must be of the same thing")]
    Differ,
    /// No key of that name.
    #[error("{0} is not known: there is no staff-{0}.pub in the keys folder")]
    Stranger(String),
    /// The signature is not that person's, of this decision.
    #[error("the signature of {0} does not fit")]
    Signature(String),
    /// It was signed too long ago, or in the future.
    #[error("the decision of {0} is not of the last ten minutes: sign it anew")]
    Stale(String),
    /// Issuing was stopped after it was signed.
    #[error("issuing was stopped after {0} signed this: look why, and sign anew")]
    Stopped(String),
    /// It was carried out, or tried, before.
    #[error("the decision of {0} was used before: sign it anew")]
    Used(String),
    /// More persons have to sign.
    #[error("{needed} different persons have to sign this, {signed} did")]
    Persons {
        /// So many.
        needed: usize,
        /// So many did.
        signed: usize,
    },
}

/// The public keys of those who may decision, by name.
#[derive(Clone, Debug, Default)]
pub struct Staff(BTreeMap<String, VerifyingKey>);

impl Staff {
    /// One more person; `None` if the bytes are no key.
    pub fn add(&mut self, name: &str, key: &[u8]) -> Option<()> {
        let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        self.0.insert(name.to_owned(), key);
        Some(())
    }

    /// What all of `decisions` decision, if enough persons did at `now`.
    pub fn decide(&self, decisions: &[Decision], now: At) -> Result<Subject, Refused> {
        let what = decisions.first().ok_or(Refused::Nothing)?.what.clone();
        let mut persons = BTreeSet::new();
        for decision in decisions {
            if decision.what != what {
                return Err(Refused::Differ);
            }
            let by = decision.by.clone();
            let key = self.0.get(&by).ok_or_else(|| Refused::Stranger(by.clone()))?;
            let signature = STANDARD.decode(&decision.signature).ok();
            let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
            let message = message(&decision.what, &by, decision.at_ms);
            let fits = signature.is_some_and(|it| key.verify(&message, &it).is_ok());
            if !fits {
                return Err(Refused::Signature(by));
            }
            let age = now.ms_since(At(decision.at_ms));
            if !(-AHEAD_MS..=FRESH_MS).contains(&age) {
                return Err(Refused::Stale(by));
            }
            persons.insert(key.to_bytes());
        }
        let (needed, signed) = (what.persons(), persons.len());
        if signed < needed { Err(Refused::Persons { needed, signed }) } else { Ok(what) }
    }
}

/// Where decisions come in: who may give them, which were used, and where they are written down.
#[derive(Debug)]
pub struct Decisions {
    staff: Staff,
    used: Mutex<BTreeSet<String>>,
    /// By campaign, when this server saw that issuing is stopped.
    stops: Mutex<BTreeMap<String, At>>,
    file: PathBuf,
}

/// Why a decision is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum NotCarriedOut {
    /// It does not count.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It can't be written down.
    #[error("the decision can't be written down: {0}")]
    File(#[from] io::Error),
    /// Whether another server used it can't be known.
    #[error("the store can't say whether another server used it, so sign it anew: {0}")]
    Store(String),
}

impl Decisions {
    /// Decisions of `staff`, written down in `file`; those in it were used.
    pub fn of(staff: Staff, file: PathBuf) -> io::Result<Decisions> {
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut used = BTreeSet::new();
        for line in text.lines() {
            // A torn last line is of a decision that was not carried out.
            if let Ok(Decision { signature, .. }) = serde_json::from_str(line) {
                used.insert(signature);
            }
        }
        Ok(Decisions { staff, used: Mutex::new(used), stops: Mutex::default(), file })
    }

    /// Issuing in a campaign is stopped, or not, as seen at `now`.
    pub fn stopped(&self, campaign: &str, stopped: bool, now: At) {
        let mut stops = self.stops.lock();
        if !stopped {
            stops.remove(campaign);
        } else if !stops.contains_key(campaign) {
            stops.insert(campaign.to_owned(), now);
        }
    }

    /// What is to be done, once it is written down. `others` uses signatures for all servers, and gives the place of
    /// the first that was used before.
    pub async fn take_for_all<F>(
        &self,
        decisions: &[Decision],
        now: At,
        others: impl FnOnce(Vec<String>) -> F,
    ) -> Result<Subject, NotCarriedOut>
    where
        F: Future<Output = Result<Option<usize>, String>>,
    {
        let what = self.take(decisions, now)?;
        if what.is_once_for_all() {
            let signatures = decisions.iter().map(|decision| decision.signature.clone()).collect();
            let used = others(signatures).await.map_err(NotCarriedOut::Store)?;
            if let Some(decision) = used.and_then(|place| decisions.get(place)) {
                return Err(Refused::Used(decision.by.clone()).into());
            }
        }
        Ok(what)
    }

    /// What is to be done, once it is written down.
    pub fn take(&self, decisions: &[Decision], now: At) -> Result<Subject, NotCarriedOut> {
        let what = self.staff.decide(decisions, now)?;
        if let Subject::Resume { campaign } = &what {
            let stop = self.stops.lock().get(campaign).copied();
            let early = |decision: &&Decision| stop.is_some_and(|stop| decision.at_ms < stop.0);
            if let Some(decision) = decisions.iter().find(early) {
                return Err(Refused::Stopped(decision.by.clone()).into());
            }
        }
        let mut used = self.used.lock();
        if let Some(decision) = decisions.iter().find(|decision| used.contains(&decision.signature))
        {
            return Err(Refused::Used(decision.by.clone()).into());
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
        // Whatever stands at the end, torn by a crash, is no part of this.
        writeln!(file)?;
        for decision in decisions {
            let line = serde_json::to_string(decision).map_err(io::Error::other)?;
            writeln!(file, "{line}")?;
        }
        file.sync_all()?;
        used.extend(decisions.iter().map(|decision| decision.signature.clone()));
        Ok(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: At = At(1_000_000_000);

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn staff() -> Staff {
        let mut staff = Staff::default();
        for (name, seed) in [("li", 1), ("wang", 2)] {
            staff.add(name, key(seed).verifying_key().as_bytes()).unwrap();
        }
        staff
    }

    fn resume(by: &str, seed: u8, at: At) -> Decision {
        Decision::sign(Subject::Resume { campaign: "x".into() }, by, at, &key(seed))
    }

    #[test]
    fn r_risk_3_two_different_persons_resume_and_one_stops() {
        let (li, wang) = (resume("li", 1, NOW), resume("wang", 2, NOW));
        let staff = staff();
        let what = Subject::Resume { campaign: "x".into() };
        assert_eq!(staff.decide(&[li.clone(), wang.clone()], NOW), Ok(what));
        let one = Refused::Persons { needed: 2, signed: 1 };
        assert_eq!(staff.decide(std::slice::from_ref(&li), NOW), Err(one.clone()));
        assert_eq!(staff.decide(&[li.clone(), resume("li", 1, At(NOW.0 + 1))], NOW), Err(one));
        let trip = Decision::sign(Subject::Trip { campaign: "x".into() }, "li", NOW, &key(1));
        assert_eq!(staff.decide(std::slice::from_ref(&trip), NOW), Ok(trip.what.clone()));
        assert_eq!(staff.decide(&[li, trip], NOW), Err(Refused::Differ));
        assert_eq!(staff.decide(&[], NOW), Err(Refused::Nothing));
    }

    #[test]
    fn a_decision_that_was_changed_or_is_old_or_somebody_elses_does_not_count() {
        let (staff, wang) = (staff(), resume("wang", 2, NOW));
        let no = |li: Decision| staff.decide(&[li, wang.clone()], NOW).unwrap_err();
        let good = resume("li", 1, NOW);
        let li = || "li".to_owned();
        assert_eq!(
            no(Decision { at_ms: good.at_ms + 1, ..good.clone() }),
            Refused::Signature(li())
        );
        assert_eq!(
            no(Decision { by: "wang".into(), ..good.clone() }),
            Refused::Signature("wang".into())
        );
        assert_eq!(
            no(Decision { signature: "AA==".into(), ..good.clone() }),
            Refused::Signature(li())
        );
        assert_eq!(no(resume("li", 2, NOW)), Refused::Signature(li()));
        assert_eq!(no(resume("zhao", 1, NOW)), Refused::Stranger("zhao".into()));
        assert_eq!(no(resume("li", 1, At(NOW.0 - FRESH_MS - 1))), Refused::Stale(li()));
        assert_eq!(no(resume("li", 1, At(NOW.0 + AHEAD_MS + 1))), Refused::Stale(li()));
        assert!(staff.decide(&[resume("li", 1, At(NOW.0 - FRESH_MS)), wang.clone()], NOW).is_ok());
    }

    #[test]
    fn a_decision_counts_once_and_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("decisions.jsonl");
        let decisions = Decisions::of(staff(), file.clone()).unwrap();
        let both = [resume("li", 1, NOW), resume("wang", 2, NOW)];
        assert!(decisions.take(&both, NOW).is_ok());
        let again = decisions.take(&both, NOW).unwrap_err();
        assert!(matches!(again, NotCarriedOut::Refused(Refused::Used(_))), "{again}");
        let written = std::fs::read_to_string(&file).unwrap();
        let lines = written.lines().filter(|line| !line.is_empty());
        let read: Vec<Decision> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, both);
        let after_a_restart = Decisions::of(staff(), file).unwrap();
        assert!(after_a_restart.take(&both, NOW).is_err(), "nor after a restart");
        let nowhere = Decisions::of(staff(), folder.path().join("no/decisions.jsonl")).unwrap();
        assert!(matches!(nowhere.take(&both, NOW), Err(NotCarriedOut::File(_))));
    }

    #[tokio::test]
    async fn r_risk_3_what_another_server_used_or_may_have_used_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let decisions = |name: &str| Decisions::of(staff(), folder.path().join(name)).unwrap();
        let both = [resume("li", 1, NOW), resume("wang", 2, NOW)];
        let used =
            decisions("a").take_for_all(&both, NOW, async |_| Ok(Some(1))).await.unwrap_err();
        assert!(
            matches!(&used, NotCarriedOut::Refused(Refused::Used(by)) if by == "wang"),
            "{used}"
        );
        let away = async |_| Err("away".to_owned());
        let unknown = decisions("b").take_for_all(&both, NOW, away).await.unwrap_err();
        assert!(matches!(unknown, NotCarriedOut::Store(_)), "{unknown}");
        let trip = [Decision::sign(Subject::Trip { campaign: "x".into() }, "li", NOW, &key(1))];
        assert!(
            decisions("b").take_for_all(&trip, NOW, away).await.is_ok(),
            "stopping does not wait"
        );
        let given = async |signatures: Vec<String>| {
            assert_eq!(signatures, both.clone().map(|decision| decision.signature));
            Ok(None)
        };
        assert!(decisions("c").take_for_all(&both, NOW, given).await.is_ok());
    }

    #[test]
    fn r_risk_3_who_resumes_knows_of_the_last_stop() {
        let folder = tempfile::tempdir().unwrap();
        let decisions = Decisions::of(staff(), folder.path().join("decisions.jsonl")).unwrap();
        let both = [resume("li", 1, NOW), resume("wang", 2, NOW)];
        decisions.stopped("x", true, At(NOW.0 + 1));
        decisions.stopped("x", true, At(NOW.0 + 5));
        let early = decisions.take(&both, NOW).unwrap_err();
        assert!(matches!(early, NotCarriedOut::Refused(Refused::Stopped(_))), "{early}");
        let later = [resume("li", 1, At(NOW.0 + 1)), resume("wang", 2, At(NOW.0 + 1))];
        assert!(decisions.take(&later, NOW).is_ok());
        decisions.stopped("x", false, At(NOW.0 + 9));
        assert!(decisions.take(&both, NOW).is_ok());
    }
}
