use super::Standing;
use crate::domain::{At, BatchNo, Hex, MerchantNo, RoundNo, Window, calendar::Extension};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is signed begins with this: nothing else that a person signs does.
const PREFIX: &[u8] = b"quan decision 1";
/// The longest name of a person, campaign, node or kind, in bytes.
const LONGEST_NAME: usize = 128;
/// The longest reason, in bytes.
const LONGEST_WHY: usize = 1_000;
/// Kinds that quantities may name.
const MOST_KINDS: usize = 32;

/// What persons decide on (R-ROLE-1). Each is known in what is signed by its number, and by its word elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "subject", rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// 1: stop issuing in a campaign.
    Trip {
        /// Its id.
        campaign: String,
    },
    /// 2: go on issuing in a campaign.
    Resume {
        /// Its id.
        campaign: String,
    },
    /// 3: recover logs without a node that does not return: what only it knows is given up.
    Forget {
        /// Its id.
        node: String,
    },
    /// 4: change the quantities of a round that is not armed yet (R-ADJ-1).
    Adjust {
        /// The campaign's id.
        campaign: String,
        /// The round.
        round: RoundNo,
        /// How often its quantities were changed, with this time.
        version: u32,
        /// Coupons of every kind, by its name.
        quantities: BTreeMap<String, u32>,
    },
    /// 5: what a merchant may do (R-MERCH-1, R-MERCH-2).
    Standing {
        /// The campaign's id.
        campaign: String,
        /// The merchant.
        merchant: MerchantNo,
        /// What it may do.
        standing: Standing,
    },
    /// 6: admit the merchants of a folder, and suspend those whom its dishonesty list names (R-MERCH-1).
    Admit {
        /// The campaign's id.
        campaign: String,
        /// The folder's digest: see [`crate::merchant::Merchants::sha256`].
        sha256: Hex<32>,
    },
    /// 7: settle what merchants are due, as a batch.
    Settle {
        /// The campaign's id.
        campaign: String,
        /// The batch.
        batch: BatchNo,
    },
    /// 8: a merchant has what a batch had for it.
    Paid {
        /// The campaign's id.
        campaign: String,
        /// The batch.
        batch: BatchNo,
        /// The merchant.
        merchant: MerchantNo,
    },
    /// 9: a payment of a batch to a merchant did not arrive.
    Failed {
        /// The campaign's id.
        campaign: String,
        /// The batch.
        batch: BatchNo,
        /// The merchant.
        merchant: MerchantNo,
    },
    /// 10: extend a campaign by further rounds (R-ADJ-2).
    Extend {
        /// The campaign's id.
        campaign: String,
        /// The rounds, and until when the period goes.
        extension: Extension,
        /// Coupons of every kind in each of the rounds, by its name.
        quantities: BTreeMap<String, u32>,
    },
}

impl Subject {
    /// Its word, as people write it.
    pub fn word(&self) -> &'static str {
        match self {
            Subject::Trip { .. } => "trip",
            Subject::Resume { .. } => "resume",
            Subject::Forget { .. } => "forget",
            Subject::Adjust { .. } => "adjust",
            Subject::Standing { .. } => "standing",
            Subject::Admit { .. } => "admit",
            Subject::Settle { .. } => "settle",
            Subject::Paid { .. } => "paid",
            Subject::Failed { .. } => "failed",
            Subject::Extend { .. } => "extend",
        }
    }

    /// The campaign it is of, if it is of one.
    pub fn campaign(&self) -> Option<&str> {
        match self {
            Subject::Forget { .. } => None,
            Subject::Trip { campaign }
            | Subject::Resume { campaign }
            | Subject::Adjust { campaign, .. }
            | Subject::Standing { campaign, .. }
            | Subject::Admit { campaign, .. }
            | Subject::Settle { campaign, .. }
            | Subject::Paid { campaign, .. }
            | Subject::Failed { campaign, .. }
            | Subject::Extend { campaign, .. } => Some(campaign),
        }
    }

    /// Whether it stops issuing or goes on with it.
    pub fn is_of_the_interlock(&self) -> bool {
        matches!(self, Subject::Trip { .. } | Subject::Resume { .. })
    }
}

/// What is decided, why, and how long it may be: what everybody signs who decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// What.
    pub what: Subject,
    /// Why.
    pub why: String,
    /// Who proposes it.
    pub by: String,
    /// When it was proposed, by that person's clock.
    #[serde(rename = "at_ms")]
    pub at: At,
    /// The first instant at which it can't be decided any more.
    #[serde(rename = "until_ms")]
    pub until: At,
}

/// A person's word: the signature of the [statement's bytes](Statement::bytes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The person.
    pub by: String,
    /// The Ed25519 signature.
    pub signature: Hex<64>,
}

/// A decision is known by the first half of SHA-256 of what was signed.
pub type DecisionId = Hex<16>;

/// It was decided, by these persons. It stands in the entry of what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// What.
    pub statement: Statement,
    /// By whom.
    pub signatures: Vec<Signed>,
}

impl Statement {
    /// What is known of it by everybody who has it.
    pub fn id(&self) -> DecisionId {
        let digest: [u8; 32] = Sha256::digest(self.bytes()).into();
        let (id, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Hex(*id)
    }

    /// What is wrong with its form, if anything is.
    pub fn fault(&self) -> Option<&'static str> {
        let name = |text: &str| !text.is_empty() && text.len() <= LONGEST_NAME;
        let subject = match &self.what {
            Subject::Forget { node } => node,
            what => what.campaign().unwrap_or_default(),
        };
        if !name(subject) || !name(&self.by) {
            return Some("a name has 1 to 128 bytes");
        }
        if self.why.len() > LONGEST_WHY {
            return Some("a reason has at most 1,000 bytes");
        }
        if self.why.trim().is_empty() && !matches!(self.what, Subject::Trip { .. }) {
            return Some("a reason is missing");
        }
        if let Subject::Extend { extension, .. } = &self.what
            && !extension.is_sound()
        {
            return Some("further rounds come one after the other in the new period, 99 in all");
        }
        if let Subject::Adjust { quantities, .. } | Subject::Extend { quantities, .. } = &self.what
            && (quantities.is_empty()
                || quantities.len() > MOST_KINDS
                || !quantities.keys().all(|kind| name(kind)))
        {
            return Some("quantities are of 1 to 32 kinds, with names of 1 to 128 bytes");
        }
        (self.until <= self.at).then_some("it ends before it begins")
    }

    /// What is signed: no two statements have the same. Numbers are big-endian, texts have their length as u16 first.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = PREFIX.to_vec();
        let head = |out: &mut Vec<u8>, no: u8, name: &str| {
            out.push(no);
            put_text(out, name);
        };
        match &self.what {
            Subject::Trip { campaign } => head(&mut out, 1, campaign),
            Subject::Resume { campaign } => head(&mut out, 2, campaign),
            Subject::Forget { node } => head(&mut out, 3, node),
            Subject::Adjust { campaign, round, version, quantities } => {
                head(&mut out, 4, campaign);
                out.push(round.0);
                out.extend(version.to_be_bytes());
                put_quantities(&mut out, quantities);
            }
            Subject::Standing { campaign, merchant, standing } => {
                head(&mut out, 5, campaign);
                out.extend(merchant.0.to_be_bytes());
                out.push(*standing as u8);
            }
            Subject::Admit { campaign, sha256 } => {
                head(&mut out, 6, campaign);
                out.extend(sha256.0);
            }
            Subject::Settle { campaign, batch } => {
                head(&mut out, 7, campaign);
                out.extend(batch.0.to_be_bytes());
            }
            Subject::Paid { campaign, batch, merchant } => {
                head(&mut out, 8, campaign);
                out.extend(batch.0.to_be_bytes());
                out.extend(merchant.0.to_be_bytes());
            }
            Subject::Failed { campaign, batch, merchant } => {
                head(&mut out, 9, campaign);
                out.extend(batch.0.to_be_bytes());
                out.extend(merchant.0.to_be_bytes());
            }
            Subject::Extend { campaign, extension, quantities } => {
                head(&mut out, 10, campaign);
                out.extend(extension.ended.0.to_be_bytes());
                out.extend(extension.ends.0.to_be_bytes());
                out.push(extension.first.0);
                out.push(u8::try_from(extension.windows.len()).unwrap_or(u8::MAX));
                for window in &extension.windows {
                    out.extend(window.from.0.to_be_bytes());
                    out.extend(window.until.0.to_be_bytes());
                }
                put_quantities(&mut out, quantities);
            }
        }
        put_text(&mut out, &self.why);
        put_text(&mut out, &self.by);
        out.extend(self.at.0.to_be_bytes());
        out.extend(self.until.0.to_be_bytes());
        out
    }

    /// The statement of these bytes; `None` if they are not exactly what one has.
    pub fn read(bytes: &[u8]) -> Option<Statement> {
        let mut read = Read(bytes.strip_prefix(PREFIX)?);
        let (no, name) = (read.u8()?, read.text()?);
        let what = match no {
            1 => Subject::Trip { campaign: name },
            2 => Subject::Resume { campaign: name },
            3 => Subject::Forget { node: name },
            4 => {
                let (round, version) = (RoundNo(read.u8()?), read.u32()?);
                let quantities = read.quantities()?;
                Subject::Adjust { campaign: name, round, version, quantities }
            }
            5 => Subject::Standing {
                campaign: name,
                merchant: MerchantNo(read.u32()?),
                standing: Standing::of(read.u8()?)?,
            },
            6 => Subject::Admit { campaign: name, sha256: Hex(read.array()?) },
            7 => Subject::Settle { campaign: name, batch: BatchNo(read.u32()?) },
            8 => Subject::Paid {
                campaign: name,
                batch: BatchNo(read.u32()?),
                merchant: MerchantNo(read.u32()?),
            },
            9 => Subject::Failed {
                campaign: name,
                batch: BatchNo(read.u32()?),
                merchant: MerchantNo(read.u32()?),
            },
            10 => {
                let (ended, ends) = (At(read.i64()?), At(read.i64()?));
                let (first, rounds) = (RoundNo(read.u8()?), read.u8()?);
                let windows = (0..rounds)
                    .map(|_| Some(Window { from: At(read.i64()?), until: At(read.i64()?) }))
                    .collect::<Option<_>>()?;
                let extension = Extension { ended, ends, first, windows };
                Subject::Extend { campaign: name, extension, quantities: read.quantities()? }
            }
            _ => return None,
        };
        let (why, by) = (read.text()?, read.text()?);
        let (at, until) = (At(read.i64()?), At(read.i64()?));
        read.0.is_empty().then_some(Statement { what, why, by, at, until })
    }
}

/// What is longer than the format allows is cut: its [fault](Statement::fault) was to be looked at before.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend(text.bytes().take(usize::from(len)));
}

fn put_quantities(out: &mut Vec<u8>, quantities: &BTreeMap<String, u32>) {
    out.push(u8::try_from(quantities.len()).unwrap_or(u8::MAX));
    for (kind, quantity) in quantities {
        put_text(out, kind);
        out.extend(quantity.to_be_bytes());
    }
}

struct Read<'a>(&'a [u8]);

impl Read<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// Names ascend, so that there is one way to write them.
    fn quantities(&mut self) -> Option<BTreeMap<String, u32>> {
        let mut quantities = BTreeMap::new();
        for _ in 0..self.u8()? {
            let kind = self.text()?;
            quantities.last_key_value().is_none_or(|(last, _)| *last < kind).then_some(())?;
            quantities.insert(kind, self.u32()?);
        }
        Some(quantities)
    }

    fn text(&mut self) -> Option<String> {
        let len = usize::from(u16::from_be_bytes(self.array()?));
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One of each subject.
    pub(crate) fn subjects() -> Vec<Subject> {
        let campaign = || "test".to_owned();
        let (merchant, batch) = (MerchantNo(7), BatchNo(9));
        vec![
            Subject::Trip { campaign: campaign() },
            Subject::Resume { campaign: campaign() },
            Subject::Forget { node: "abc".into() },
            Subject::Adjust {
                campaign: campaign(),
                round: RoundNo(3),
                version: 2,
                quantities: [("ten".to_owned(), 5), ("twenty".to_owned(), 0)].into(),
            },
            Subject::Standing { campaign: campaign(), merchant, standing: Standing::Held },
            Subject::Admit { campaign: campaign(), sha256: Hex([3; 32]) },
            Subject::Settle { campaign: campaign(), batch },
            Subject::Paid { campaign: campaign(), batch, merchant },
            Subject::Failed { campaign: campaign(), batch, merchant },
            Subject::Extend {
                campaign: campaign(),
                extension: extension(),
                quantities: [("ten".to_owned(), 1), ("twenty".to_owned(), 2)].into(),
            },
        ]
    }

    /// Rounds 3 and 4, after a period that ended at 20,000.
    pub(crate) fn extension() -> Extension {
        let window = |from, until| Window { from: At(from), until: At(until) };
        Extension {
            ended: At(20_000),
            ends: At(40_000),
            first: RoundNo(3),
            windows: vec![window(21_000, 29_000), window(31_000, 39_000)],
        }
    }

    pub(crate) fn statement(what: Subject) -> Statement {
        Statement { what, why: "well again".into(), by: "li".into(), at: At(5), until: At(10_000) }
    }

    #[test]
    fn a_statement_is_read_as_it_was_signed_and_no_two_are_signed_alike() {
        let mut seen = std::collections::BTreeSet::new();
        for what in subjects() {
            let said = statement(what);
            let bytes = said.bytes();
            assert_eq!(Statement::read(&bytes), Some(said.clone()));
            assert_eq!(said.fault(), None);
            for cut in 0..bytes.len() {
                assert_eq!(Statement::read(&bytes[..cut]), None, "{said:?} cut at {cut}");
            }
            assert_eq!(Statement::read(&[&bytes[..], &[0]].concat()), None);
            let json = serde_json::to_string(&said).unwrap();
            assert_eq!(serde_json::from_str::<Statement>(&json).unwrap(), said, "{json}");
            assert!(json.contains(&format!("\"subject\":\"{}\"", said.what.word())), "{json}");
            for other in [
                said.clone(),
                Statement { why: "not well".into(), ..said.clone() },
                Statement { by: "wang".into(), ..said.clone() },
                // The same letters, divided otherwise.
                Statement { why: "well agai".into(), by: "nli".into(), ..said.clone() },
                Statement { at: At(6), ..said.clone() },
                Statement { until: At(10_001), ..said },
            ] {
                assert!(seen.insert(other.id()), "{other:?}");
            }
        }
    }

    #[test]
    fn what_is_too_long_or_says_nothing_is_not_signed() {
        let resume = statement(Subject::Resume { campaign: "x".into() });
        let is = |said: &Statement, words: &str| {
            assert!(said.fault().is_some_and(|fault| fault.contains(words)), "{:?}", said.fault());
        };
        is(&Statement { why: " ".into(), ..resume.clone() }, "reason is missing");
        is(&Statement { why: "y".repeat(1_001), ..resume.clone() }, "1,000 bytes");
        is(&Statement { by: String::new(), ..resume.clone() }, "1 to 128");
        is(&Statement { until: At(5), ..resume.clone() }, "ends before");
        is(&statement(Subject::Forget { node: "n".repeat(129) }), "1 to 128");
        let adjust = |quantities: BTreeMap<String, u32>| {
            let (campaign, round, version) = ("x".to_owned(), RoundNo(1), 1);
            statement(Subject::Adjust { campaign, round, version, quantities })
        };
        is(&adjust(BTreeMap::new()), "1 to 32 kinds");
        is(&adjust((0..33).map(|kind| (kind.to_string(), 1)).collect()), "1 to 32 kinds");
        let extend = |extension, quantities: BTreeMap<String, u32>| {
            statement(Subject::Extend { campaign: "x".to_owned(), extension, quantities })
        };
        is(&extend(extension(), BTreeMap::new()), "1 to 32 kinds");
        let none = Extension { windows: vec![], ..extension() };
        is(&extend(none, [("ten".to_owned(), 1)].into()), "one after the other");
        let trip = Subject::Trip { campaign: "x".into() };
        assert_eq!(Statement { why: String::new(), ..statement(trip) }.fault(), None);
    }

    #[test]
    fn there_is_one_way_to_write_quantities() {
        let said = statement(subjects().swap_remove(3));
        let bytes = said.bytes();
        let at = bytes.windows(5).position(|it| it == b"\0\x03ten").unwrap();
        let (ten, twenty) = (&bytes[at..at + 9], &bytes[at + 9..at + 21]);
        let swapped = [&bytes[..at], twenty, ten, &bytes[at + 21..]].concat();
        assert_eq!(Statement::read(&swapped), None);
        assert_eq!(
            Statement::read(&[&bytes[..at], ten, twenty, &bytes[at + 21..]].concat()),
            Some(said)
        );
    }
}
