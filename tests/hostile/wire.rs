//! Bytes to the server and answers from it, with no library between that would mend them.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// No test has to wait this long for a byte.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer of HTTP/1.1.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, in small letters.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| line.split_once(": ").is_some_and(|(key, _)| key == name);
        let line = self.head.split("\r\n").find(|it| line(it))?;
        line.split_once(": ").map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection.
pub(crate) struct Wire {
    reader: Reader,
    writer: Writer,
}

/// Its side that listens.
pub(crate) struct Reader {
    half: OwnedReadHalf,
    read: Vec<u8>,
}

/// Its side that speaks.
pub(crate) struct Writer(OwnedWriteHalf);

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a fresh socket");
        let (half, writer) = stream.into_split();
        Wire { reader: Reader { half, read: Vec::new() }, writer: Writer(writer) }
    }

    pub(crate) fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.writer.send(bytes).await
    }

    pub(crate) async fn answer(&mut self, to_head: bool) -> Option<Answer> {
        self.reader.answer(to_head).await
    }

    pub(crate) async fn closed(&mut self) -> &[u8] {
        self.reader.closed().await
    }

    /// Asks, and gets an answer now.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Answer {
        self.send(request).await;
        self.answer(false).await.expect("an answer")
    }

    /// The next head, a 1xx too.
    pub(crate) async fn next_head(&mut self) -> String {
        loop {
            if let Some(answer) = self.reader.whole(true) {
                return answer.head;
            }
            assert!(self.reader.more().await, "closed without a word");
        }
    }
}

impl Writer {
    /// Whether the peer takes it; if not, it has closed.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = timeout(PATIENCE, self.0.write_all(bytes)).await;
        sent.expect("the server takes it or closes").is_ok()
    }

    /// Says that no more is coming.
    pub(crate) async fn end(&mut self) {
        // The peer may be gone.
        let _ = self.0.shutdown().await;
    }
}

impl Reader {
    /// The next whole answer that is not a 1xx; `None` once the server has closed.
    pub(crate) async fn answer(&mut self, to_head: bool) -> Option<Answer> {
        loop {
            match self.whole(to_head) {
                Some(answer) if answer.status >= 200 => return Some(answer),
                None if !self.more().await => return None,
                _ => {}
            }
        }
    }

    /// Waits until the server closes; gives all that it sent.
    pub(crate) async fn closed(&mut self) -> &[u8] {
        while self.more().await {}
        &self.read
    }

    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.half.read_buf(&mut self.read)).await;
        // A connection that breaks has ended as well.
        read.expect("the server says something or closes").is_ok_and(|read| read > 0)
    }

    fn whole(&mut self, to_head: bool) -> Option<Answer> {
        let end = self.read.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.read[..end]).to_lowercase();
        let status = head.split(' ').nth(1)?.parse().expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |it| it.parse().expect("a length"));
        let length = if to_head || status < 200 { 0 } else { length };
        let rest = self.read.get(end..end + length)?;
        answer.body = rest.to_vec();
        self.read.drain(..end + length);
        Some(answer)
    }
}

/// A request with the headers that everybody sends.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: quan\r\n");
    format!("{head}content-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

/// A request with a JSON body.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    request("POST", path, &format!("content-type: application/json\r\n{headers}"), body)
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: quan\r\n\r\n").into_bytes()
}
