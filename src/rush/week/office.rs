//! The persons who decide in a played week: two with keys of their own, who sign what the server's ops port is sent.

use super::now;
use crate::decision::{roles::Needs, roles::Role, sign};
use crate::ledger::event::{Decided, Statement, Subject};
use crate::pass::write_key;
use anyhow::{Context, Result, bail};
use ed25519_dalek::SigningKey;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{fs::OpenOptions, io::Write, net::SocketAddr, path::Path, time::Duration};
use tokio::{net::TcpStream, time::sleep};

/// A server that does not know yet is asked again so often, and after so long.
const TRIES: u32 = 100;
const AGAIN: Duration = Duration::from_millis(200);

/// Their names and what they are.
const STAFF: [(&str, Role); 2] = [("play-bureau", Role::Bureau), ("play-finance", Role::Finance)];

pub(super) struct Office {
    staff: Vec<(&'static str, SigningKey)>,
}

impl Office {
    /// Makes their keys; the public ones go to the servers' keys folder.
    pub(super) fn open(keys: &Path) -> Result<Office> {
        let mut staff = vec![];
        for (name, role) in STAFF {
            let key = SigningKey::from_bytes(&rand::random());
            let public = keys.join(format!("staff-{name}.pub"));
            write_key(&public, key.verifying_key().as_bytes(), 0o644)?;
            let mut file = OpenOptions::new().append(true).open(&public)?;
            writeln!(file, "{}", role.word())?;
            staff.push((name, key));
        }
        Ok(Office { staff })
    }

    /// Both sign, and the server at `ops` carries it out.
    pub(super) async fn decide(&self, ops: SocketAddr, what: Subject, why: &str) -> Result<()> {
        let at = now();
        let until = at.plus_ms(Needs::of(&what).open_ms);
        let (by, why) = (STAFF[0].0.to_owned(), why.to_owned());
        let statement = Statement { what, why, by, at, until };
        let signed = self.staff.iter().map(|(name, key)| sign(&statement, name, key));
        let decided = Decided { signatures: signed.collect(), statement };
        let body = serde_json::to_vec(&decided)?;
        let mut said = String::new();
        for _ in 0..TRIES {
            let (status, answer) = post(ops, body.clone()).await?;
            match status {
                StatusCode::OK => return Ok(()),
                // Not known yet: the same again tells.
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::ACCEPTED => said = answer,
                status => bail!("{:?}: {status}: {answer}", decided.statement.what),
            }
            sleep(AGAIN).await;
        }
        bail!("{:?} was not carried out: {said}", decided.statement.what)
    }
}

async fn post(ops: SocketAddr, body: Vec<u8>) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(ops).await.with_context(|| ops.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::post("/decisions").header(header::HOST, ops.to_string());
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
    let status = answer.status();
    let said = answer.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((status, String::from_utf8_lossy(&said).into_owned()))
}
