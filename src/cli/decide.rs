//! `quan decide`: what persons decide, proposed, signed, sent and looked at.

use super::runtime;
use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use quan::{
    clock::wall,
    decision::{Clerk, Ending, roles::Needs, roles::Role, sign},
    domain::{BatchNo, MerchantNo, RoundNo, calendar::MOST_ROUNDS},
    ledger::event::{Decided, DecisionId, Standing, Statement, Subject},
    merchant::folder_digest,
    pass::{read_key, write_key},
    plan::Plan,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio::net::TcpStream;

/// Decide what takes persons to decide: stop issuing, go on with it, give up a node, change quantities, extend a
/// campaign, admit merchants, settle.
///
/// Stopping takes one person, everything else two, of the roles that have a word in it. Whoever proposes signs with a
/// key of their own; another signs the same, at the same server or any other. Each can sign where their key is: `sign`
/// and `cosign` need no server, and whoever runs one sends the file.
#[derive(clap::Args)]
pub(crate) struct Decide {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Make a person's keys: NAME.key, which only that person keeps, and staff-NAME.pub for the keys folder.
    Key {
        /// The person.
        name: String,
        /// Where they go; made if it is not there.
        folder: PathBuf,
        /// What the person is: operator, verifier, bureau, finance, `leading_group`, auditor, ..; again for more.
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
    },
    /// Propose and sign a decision; it is written to standard output.
    Sign {
        #[command(flatten)]
        signer: Signer,
        /// Why; only stopping needs no reason.
        #[arg(long, default_value = "")]
        why: String,
        /// For how many minutes it may be signed; as long as it may be unless said otherwise.
        #[arg(long)]
        minutes: Option<u32>,
        #[command(subcommand)]
        what: About,
    },
    /// Sign what somebody else proposed; what it says is shown, and it is written to standard output with your signature.
    Cosign {
        #[command(flatten)]
        signer: Signer,
        /// The file with the decision.
        file: PathBuf,
    },
    /// Send a signed decision to a server, which keeps it, or carries it out if all have signed.
    Send {
        /// The server's ops address, as 127.0.0.1:9090.
        #[arg(long)]
        ops: SocketAddr,
        /// The file with the decision.
        file: PathBuf,
    },
    /// List decisions as a server knows them, those that are open first.
    List {
        /// The server's ops address.
        #[arg(long)]
        ops: SocketAddr,
    },
    /// Sign a decision that a server lists, and send it back.
    Approve {
        /// The server's ops address.
        #[arg(long)]
        ops: SocketAddr,
        #[command(flatten)]
        signer: Signer,
        /// The decision.
        id: DecisionId,
    },
    /// Say no to a decision that is open; its proposer withdraws it so.
    #[command(visible_alias = "withdraw")]
    Reject {
        /// The server's ops address.
        #[arg(long)]
        ops: SocketAddr,
        #[command(flatten)]
        signer: Signer,
        /// Why.
        #[arg(long)]
        why: String,
        /// The decision.
        id: DecisionId,
    },
}

#[derive(clap::Args)]
struct Signer {
    /// The person who signs.
    #[arg(long)]
    by: String,
    /// That person's key.
    #[arg(long)]
    key: PathBuf,
}

#[derive(clap::Subcommand)]
enum About {
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
    /// Recover logs without a node: what only it knows is given up.
    Forget {
        /// Its id, as in its data folder's `node`.
        node: String,
    },
    /// Change the quantities of a round that is not armed yet.
    Adjust {
        /// The campaign's id.
        campaign: String,
        /// The round.
        round: u8,
        /// How often its quantities were changed, with this time.
        version: u32,
        /// Every kind and its coupons, as `car-fuel=120`.
        #[arg(required = true, value_parser = quantity)]
        quantities: Vec<(String, u32)>,
    },
    /// Add further rounds after the last one, by the rule of the plan; the period ends as many weeks later.
    Extend {
        /// The plan file, as servers have it.
        plan: PathBuf,
        /// The first of the rounds.
        first: u8,
        /// How many.
        rounds: u8,
        /// Every kind and its coupons in each of them, as `car-fuel=120`.
        #[arg(required = true, value_parser = quantity)]
        quantities: Vec<(String, u32)>,
    },
    /// Let a merchant redeem and be paid, or not.
    Standing {
        /// The campaign's id.
        campaign: String,
        /// The merchant's number.
        merchant: u32,
        /// active, suspended, held, or `suspended_and_held`.
        #[arg(value_parser = standing)]
        standing: Standing,
    },
    /// Admit the merchants of a folder, and suspend those whom its dishonesty list names.
    Admit {
        /// The campaign's id.
        campaign: String,
        /// The folder, with the same files as the one that servers are configured with.
        folder: PathBuf,
    },
    /// Settle what merchants are due, as a batch.
    Settle {
        /// The campaign's id.
        campaign: String,
        /// The batch's number.
        batch: u32,
    },
    /// A merchant has what a batch had for it.
    Paid {
        /// The campaign's id.
        campaign: String,
        /// The batch's number.
        batch: u32,
        /// The merchant's number.
        merchant: u32,
    },
    /// A payment of a batch to a merchant did not arrive.
    Failed {
        /// The campaign's id.
        campaign: String,
        /// The batch's number.
        batch: u32,
        /// The merchant's number.
        merchant: u32,
    },
}

fn quantity(text: &str) -> Result<(String, u32), String> {
    let (kind, units) = text.split_once('=').ok_or("not a kind and its coupons, as ten=120")?;
    let units = units.parse().map_err(|error| format!("{units}: {error}"))?;
    Ok((kind.to_owned(), units))
}

fn standing(text: &str) -> Result<Standing, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn by_name(quantities: Vec<(String, u32)>) -> Result<BTreeMap<String, u32>> {
    let named = quantities.len();
    let quantities: BTreeMap<_, _> = quantities.into_iter().collect();
    ensure!(named == quantities.len(), "a kind is named twice");
    Ok(quantities)
}

impl About {
    fn subject(self) -> Result<Subject> {
        Ok(match self {
            About::Trip { campaign } => Subject::Trip { campaign },
            About::Resume { campaign } => Subject::Resume { campaign },
            About::Forget { node } => Subject::Forget { node },
            About::Adjust { campaign, round, version, quantities } => {
                let quantities = by_name(quantities)?;
                Subject::Adjust { campaign, round: RoundNo(round), version, quantities }
            }
            About::Extend { plan, first, rounds, quantities } => {
                let (file, plan) = (plan.display().to_string(), Plan::usable(&plan)?);
                let last = plan.rounds.last().map_or(0, |round| round.no.0);
                let extension = plan.extension(RoundNo(first), rounds.into());
                let extension = extension.with_context(|| {
                    format!("{file}: further rounds come after {last}, at least one, up to {MOST_ROUNDS}")
                })?;
                Subject::Extend { campaign: plan.id, extension, quantities: by_name(quantities)? }
            }
            About::Standing { campaign, merchant, standing } => {
                Subject::Standing { campaign, merchant: MerchantNo(merchant), standing }
            }
            About::Admit { campaign, folder } => {
                Subject::Admit { campaign, sha256: folder_digest(&folder)? }
            }
            About::Settle { campaign, batch } => {
                Subject::Settle { campaign, batch: BatchNo(batch) }
            }
            About::Paid { campaign, batch, merchant } => {
                Subject::Paid { campaign, batch: BatchNo(batch), merchant: MerchantNo(merchant) }
            }
            About::Failed { campaign, batch, merchant } => {
                Subject::Failed { campaign, batch: BatchNo(batch), merchant: MerchantNo(merchant) }
            }
        })
    }
}

impl Decide {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.action {
            Action::Key { name, folder, roles } => make_key(&name, &folder, &roles)?,
            Action::Sign { signer, why, minutes, what } => {
                let what = what.subject()?;
                let at = wall();
                let open_ms = minutes.map_or(Needs::of(&what).open_ms, |it| i64::from(it) * 60_000);
                let (by, until) = (signer.by.clone(), at.plus_ms(open_ms));
                let statement = Statement { what, why, by, at, until };
                if let Some(fault) = statement.fault() {
                    bail!("{fault}");
                }
                let signatures = vec![sign(&statement, &signer.by, &signer.key()?)];
                write(&Decided { statement, signatures })?;
            }
            Action::Cosign { signer, file } => {
                let mut decided: Decided = read(&file)?;
                // Nobody signs what they were not shown.
                let shown = serde_json::to_string_pretty(&decided.statement)?;
                writeln!(io::stderr().lock(), "{} signs: {shown}", signer.by)?;
                let signed = sign(&decided.statement, &signer.by, &signer.key()?);
                decided.signatures.push(signed);
                write(&decided)?;
            }
            Action::Send { ops, file } => {
                let decided: Decided = read(&file)?;
                return told(runtime()?.block_on(ask(ops, "/decisions", Some(&decided)))?);
            }
            Action::List { ops } => {
                return told(runtime()?.block_on(ask::<()>(ops, "/decisions", None))?);
            }
            Action::Approve { ops, signer, id } => {
                let runtime = runtime()?;
                let (found, list) = runtime.block_on(ask::<()>(ops, "/decisions", None))?;
                if !found {
                    return told((found, list));
                }
                let all: Vec<Listed> = serde_json::from_str(&list).context("the server's list")?;
                let listed = all.into_iter().find(|it| it.decided.statement.id() == id);
                let Listed { mut decided, changes } =
                    listed.with_context(|| format!("the server lists no decision {id}"))?;
                let shown = serde_json::to_string_pretty(&decided.statement)?;
                writeln!(io::stderr().lock(), "{} signs: {shown}\n{changes}", signer.by)?;
                let signed = sign(&decided.statement, &signer.by, &signer.key()?);
                decided.signatures.retain(|before| before.by != signed.by);
                decided.signatures.push(signed);
                return told(runtime.block_on(ask(ops, "/decisions", Some(&decided)))?);
            }
            Action::Reject { ops, signer, why, id } => {
                let ending = Ending::sign(id, &why, &signer.by, &signer.key()?);
                return told(runtime()?.block_on(ask(ops, "/decisions/end", Some(&ending)))?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A decision in a server's list.
#[derive(Deserialize)]
struct Listed {
    decided: Decided,
    changes: String,
}

impl Signer {
    fn key(&self) -> Result<SigningKey> {
        let bytes = read_key(&self.key)?;
        let bytes = bytes.as_slice().try_into();
        Ok(SigningKey::from_bytes(bytes.context("not the key of a person")?))
    }
}

fn make_key(name: &str, folder: &Path, roles: &[Role]) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ensure!(!name.is_empty() && name.chars().all(plain), "a name is of letters, digits, - and _");
    let Clerk { key, .. } = Clerk::hire(name, roles, folder)?;
    write_key(&folder.join(format!("{name}.key")), &key.to_bytes(), 0o600)?;
    Ok(())
}

fn read(file: &Path) -> Result<Decided> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

fn write(decided: &Decided) -> Result<()> {
    writeln!(io::stdout().lock(), "{}", serde_json::to_string(decided)?)?;
    Ok(())
}

fn told((done, said): (bool, String)) -> Result<ExitCode> {
    writeln!(io::stdout().lock(), "{said}")?;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks a server; whether it did it, and what it said.
async fn ask<T: serde::Serialize>(
    ops: SocketAddr,
    path: &str,
    body: Option<&T>,
) -> Result<(bool, String)> {
    let stream = TcpStream::connect(ops).await.with_context(|| ops.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::builder().uri(path).header(header::HOST, ops.to_string());
    let (method, bytes) = match body {
        None => ("GET", Vec::new()),
        Some(body) => ("POST", serde_json::to_vec(body)?),
    };
    let request = request.method(method).header(header::CONTENT_TYPE, "application/json");
    let answer: Response<Incoming> =
        sender.send_request(request.body(Full::new(Bytes::from(bytes)))?).await?;
    let done = answer.status().is_success();
    let said = answer.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((done, String::from_utf8_lossy(&said).into_owned()))
}
