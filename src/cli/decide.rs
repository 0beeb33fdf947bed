//! `quan decide`: stopping issuing, going on with it, giving up a node.

use super::runtime;
use anyhow::{Context, Result, ensure};
use ed25519_dalek::SigningKey;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use quan::{
    clock::wall,
    decision::{Decision as Signed, Subject},
    pass::{read_key, write_key},
};
use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};
use tokio::net::TcpStream;

/// Stop issuing, go on with it, or give up a node that does not return.
///
/// Stopping takes one person, everything else two. Each signs with a key of their own; whoever runs the servers sends
/// what was signed to the ops port, within ten minutes. After a long outage each node is told by itself.
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
    },
    /// Sign a decision; it is written to standard output.
    Sign {
        /// The person who signs.
        #[arg(long)]
        by: String,
        /// That person's key.
        #[arg(long)]
        key: PathBuf,
        #[command(subcommand)]
        what: About,
    },
    /// Send signed decisions to a server, which carries them out.
    Send {
        /// The server's ops address, as 127.0.0.1:9090.
        #[arg(long)]
        ops: SocketAddr,
        /// Files with a decision each.
        #[arg(required = true)]
        decisions: Vec<PathBuf>,
    },
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
}

impl From<About> for Subject {
    fn from(about: About) -> Subject {
        match about {
            About::Trip { campaign } => Subject::Trip { campaign },
            About::Resume { campaign } => Subject::Resume { campaign },
            About::Forget { node } => Subject::Forget { node },
        }
    }
}

impl Decide {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.action {
            Action::Key { name, folder } => {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                ensure!(
                    !name.is_empty() && name.chars().all(plain),
                    "a name is of letters, digits, - and _"
                );
                fs::create_dir_all(&folder)?;
                let key = SigningKey::from_bytes(&rand::random());
                write_key(&folder.join(format!("{name}.key")), &key.to_bytes(), 0o600)?;
                let public = key.verifying_key();
                write_key(&folder.join(format!("staff-{name}.pub")), public.as_bytes(), 0o644)?;
            }
            Action::Sign { by, key, what } => {
                let bytes = read_key(&key)?;
                let bytes = bytes.as_slice().try_into();
                let key = SigningKey::from_bytes(bytes.context("not the key of a person")?);
                let decision = Signed::sign(what.into(), &by, wall(), &key);
                writeln!(io::stdout().lock(), "{}", serde_json::to_string(&decision)?)?;
            }
            Action::Send { ops, decisions } => {
                let mut signed = Vec::new();
                for file in decisions {
                    let text =
                        fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                    let decision: Signed =
                        serde_json::from_str(&text).with_context(|| file.display().to_string())?;
                    signed.push(decision);
                }
                let (done, said) = runtime()?.block_on(send(ops, &signed))?;
                writeln!(io::stdout().lock(), "{said}")?;
                return Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn send(ops: SocketAddr, decisions: &[Signed]) -> Result<(bool, String)> {
    let stream = TcpStream::connect(ops).await.with_context(|| ops.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let body = Full::new(Bytes::from(serde_json::to_vec(decisions)?));
    let request = Request::post("/decisions").header(header::HOST, ops.to_string());
    let request = request.header(header::CONTENT_TYPE, "application/json").body(body)?;
    let answer = sender.send_request(request).await?;
    let done = answer.status().is_success();
    let said = answer.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((done, String::from_utf8_lossy(&said).into_owned()))
}
