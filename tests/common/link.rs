//! One connection of one client: a request at a time.

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It was not sent.
    Unsent,
    /// It was sent; whether it was heard, nobody knows.
    Unanswered,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The stable name of a refusal; empty for a yes.
    pub(crate) fn code(&self) -> &str {
        self.text("/code")
    }
}

/// A connection that is kept open.
#[derive(Default)]
pub(crate) struct Link(Option<(SocketAddr, TcpStream)>);

impl Link {
    /// Asks once; the caller decides whether to ask again.
    pub(crate) fn ask(&mut self, to: SocketAddr, request: &str) -> Result<Answer, Lost> {
        if self.0.as_ref().is_none_or(|(open, _)| *open != to) {
            self.0 = Some((to, connect(to).ok_or(Lost::Unsent)?));
        }
        let (_, stream) = self.0.as_mut().expect("just opened");
        let answer = match stream.write_all(request.as_bytes()) {
            Err(_) => Err(Lost::Unsent),
            Ok(()) => read(stream).ok_or(Lost::Unanswered),
        };
        if answer.is_err() {
            self.0 = None;
        }
        answer
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: quan\r\n\r\n")
}

pub(crate) fn post(path: &str, identity: Option<&str>, body: &Value) -> String {
    let body = body.to_string();
    let bearer = identity.map(|token| format!("authorization: Bearer {token}\r\n"));
    format!(
        "POST {path} HTTP/1.1\r\nhost: quan\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        bearer.unwrap_or_default(),
        body.len()
    )
}

fn connect(to: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(to).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    Some(stream)
}

/// A whole answer, whose length the server states.
fn read(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut some = [0; 2_048];
    loop {
        let count = stream.read(&mut some).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&some[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length?.parse().ok()?;
        if let Some(body) = bytes.get(end + 4..end + 4 + length) {
            let status = head.get(9..12)?.parse().ok()?;
            return Some(Answer { status, body: serde_json::from_slice(body).ok()? });
        }
    }
}
