//! Staff of a played campaign: who signs, and decisions that are sent to a server.

use crate::clock::wall;
use crate::decision::roles::{
    self, Needs,
    Role::{Bureau, Finance, Operator},
    Seat,
};
use crate::decision::{Clerk, decide};
use crate::domain::MerchantNo;
use crate::ledger::event::{Decided, Standing, Subject};
use crate::merchant::folder_digest;
use anyhow::{Context, Result, ensure};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a server may take for a decision.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long until it is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// An operator, and those of the bureau and of finance: enough for all that two persons decide.
#[derive(Debug)]
pub struct Office {
    operator: Clerk,
    bureau: Clerk,
    finance: Clerk,
}

impl Office {
    /// Three persons whose public keys come into `keys`, before the servers start that read them.
    pub fn open(keys: &Path) -> Result<Office> {
        let hire = |name, role| Clerk::hire(name, &[role], keys);
        Ok(Office {
            operator: hire("office-operator", Operator)?,
            bureau: hire("office-bureau", Bureau)?,
            finance: hire("office-finance", Finance)?,
        })
    }

    /// Has a server carry out what two persons decide now, who have a word in it.
    pub fn decide(&self, ops: SocketAddr, what: Subject) -> Result<()> {
        let (word, signers) = (what.word(), self.signers(&what)?);
        let decided = decide(what, "as it was agreed", &signers, wall());
        let begins = Instant::now();
        loop {
            let said = send(ops, &decided).with_context(|| format!("{word} at {ops}"))?;
            if said.starts_with("HTTP/1.1 200") {
                return Ok(());
            }
            // Another server is at it: the same again is told what became of it.
            let later = said.starts_with("HTTP/1.1 503") && begins.elapsed() < PATIENCE;
            ensure!(later, "{word} at {ops}: {said}");
            sleep(AGAIN);
        }
    }

    /// One of the staff for each seat of the decision.
    fn signers(&self, what: &Subject) -> Result<Vec<&Clerk>> {
        let all = [(Bureau, &self.bureau), (Finance, &self.finance), (Operator, &self.operator)];
        let mut left = Vec::from(all);
        let signer = |seat: &Seat| {
            let at = left.iter().position(|(role, _)| seat.contains(role));
            let at = at.with_context(|| format!("nobody here is {}", roles::told(seat)))?;
            Ok(left.remove(at).1)
        };
        Needs::of(what).seats.iter().map(signer).collect()
    }

    /// Admits the merchants of a folder.
    pub fn admit(&self, ops: SocketAddr, campaign: &str, folder: &Path) -> Result<()> {
        let sha256 = folder_digest(folder)?;
        self.decide(ops, Subject::Admit { campaign: campaign.to_owned(), sha256 })
    }

    /// Says what a merchant may do.
    pub fn stand(&self, ops: SocketAddr, campaign: &str, no: u32, it: Standing) -> Result<()> {
        let (campaign, merchant) = (campaign.to_owned(), MerchantNo(no));
        self.decide(ops, Subject::Standing { campaign, merchant, standing: it })
    }
}

/// Sends a decision; gives the whole answer.
fn send(ops: SocketAddr, decided: &Decided) -> Result<String> {
    let body = serde_json::to_string(decided)?;
    let mut stream = TcpStream::connect(ops)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = "POST /decisions HTTP/1.1\r\nhost: ops\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}
