//! One connection: one request at a time, opened again when the server closed it.

use crate::wire::{self, Read, Response};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long an answer is waited for.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// No connection could be opened.
    Refused,
    /// The connection broke.
    Broken,
    /// No answer came in time.
    TimedOut,
    /// What came was no HTTP answer.
    Garbled,
}

impl Lost {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Lost::Refused => "connection_refused",
            Lost::Broken => "connection_broken",
            Lost::TimedOut => "timed_out",
            Lost::Garbled => "garbled",
        }
    }
}

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Link {
    /// The number of the node it leads to.
    pub(crate) node: usize,
    target: SocketAddr,
    source: Option<IpAddr>,
    stream: Option<TcpStream>,
    /// The request; whoever asks writes it here.
    pub(crate) out: Vec<u8>,
    input: Vec<u8>,
    filled: usize,
}

/// A link on its way from one runtime to another.
#[derive(Debug)]
pub(crate) struct Parked {
    node: usize,
    target: SocketAddr,
    source: Option<IpAddr>,
    stream: Option<std::net::TcpStream>,
}

impl Parked {
    /// A link to node `node` that is not open yet, the `number`th of its run.
    pub(crate) fn new(node: usize, target: SocketAddr, number: usize, addresses: u16) -> Parked {
        Parked { node, target, source: source(target, number, addresses), stream: None }
    }

    /// The link, in the runtime of whoever calls.
    pub(crate) fn wake(self) -> io::Result<Link> {
        let Parked { node, target, source, stream } = self;
        let stream = stream.map(TcpStream::from_std).transpose()?;
        Ok(Link { node, target, source, stream, out: vec![], input: vec![0; 2048], filled: 0 })
    }
}

/// A server on this machine is asked from many addresses, as a county of phones would.
fn source(target: SocketAddr, number: usize, addresses: u16) -> Option<IpAddr> {
    if !(target.ip().is_loopback() && target.is_ipv4()) {
        return None;
    }
    let nth = u16::try_from(number % usize::from(addresses.max(1))).unwrap_or_default();
    let [high, low] = nth.to_be_bytes();
    Some(IpAddr::V4(Ipv4Addr::new(127, 1 + high, low, 1)))
}

impl Link {
    /// Takes the link out of this runtime.
    pub(crate) fn park(self) -> io::Result<Parked> {
        let stream = self.stream.map(TcpStream::into_std).transpose()?;
        Ok(Parked { node: self.node, target: self.target, source: self.source, stream })
    }

    /// Opens the connection if it is not open.
    pub(crate) async fn open(&mut self) -> Result<(), Lost> {
        if self.stream.is_some() {
            return Ok(());
        }
        match timeout(ANSWER_WITHIN, connect(self.target, self.source)).await {
            Ok(Ok(stream)) => {
                self.stream = Some(stream);
                Ok(())
            }
            Ok(Err(_)) => Err(Lost::Refused),
            Err(_) => Err(Lost::TimedOut),
        }
    }

    /// Sends what is in `out` and waits for the answer, some time but not forever.
    pub(crate) async fn exchange(&mut self) -> Result<Response<'_>, Lost> {
        match timeout(ANSWER_WITHIN, self.exchange_once_more()).await {
            Ok(Ok(())) => {}
            Ok(Err(lost)) => {
                self.stream = None;
                return Err(lost);
            }
            Err(_) => {
                self.stream = None; // the answer may still come, and must not be taken for the next one's
                return Err(Lost::TimedOut);
            }
        }
        match wire::read(self.input.get(..self.filled).unwrap_or_default()) {
            Read::Whole(response) => {
                if !response.keep {
                    self.stream = None;
                }
                Ok(response)
            }
            Read::Partial | Read::Garbled => Err(Lost::Garbled),
        }
    }

    /// A server may close a connection that idles just as a request is on its way: such a request is sent again on a
    /// new connection, at once. All requests here may be repeated.
    async fn exchange_once_more(&mut self) -> Result<(), Lost> {
        let used = self.stream.is_some();
        self.open().await?;
        match self.attempt().await {
            Err(Lost::Broken) if used && self.filled == 0 => {
                self.stream = None;
                self.open().await?;
                self.attempt().await
            }
            other => other,
        }
    }

    async fn attempt(&mut self) -> Result<(), Lost> {
        self.filled = 0;
        let stream = self.stream.as_mut().ok_or(Lost::Broken)?;
        stream.write_all(&self.out).await.map_err(|_| Lost::Broken)?;
        loop {
            if self.filled == self.input.len() {
                self.input.resize(self.input.len().saturating_mul(2), 0);
            }
            let room = self.input.get_mut(self.filled..).unwrap_or_default();
            let count = stream.read(room).await.map_err(|_| Lost::Broken)?;
            if count == 0 {
                return Err(Lost::Broken);
            }
            self.filled = self.filled.saturating_add(count);
            match wire::read(self.input.get(..self.filled).unwrap_or_default()) {
                Read::Whole(_) => return Ok(()),
                Read::Partial => {}
                Read::Garbled => return Err(Lost::Garbled),
            }
        }
    }

    /// Ends when the server closes the idle connection; never when there is none.
    pub(crate) async fn closed(&mut self) {
        if let Some(stream) = &self.stream {
            let mut byte = [0];
            loop {
                let _ = stream.readable().await;
                match stream.try_read(&mut byte) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    _ => break, // closed, broken, or talking unasked
                }
            }
            self.stream = None;
        } else {
            std::future::pending::<()>().await;
        }
    }
}

async fn connect(target: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.set_nodelay(true)?;
    socket.connect(target).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_spread_over_as_many_addresses_as_told_if_the_server_is_here() {
        let here: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let all: std::collections::HashSet<_> =
            (0..4096).map(|number| source(here, number, 300).unwrap()).collect();
        assert_eq!(all.len(), 300);
        assert!(all.iter().all(IpAddr::is_loopback));
        assert_eq!(source("192.0.2.1:80".parse().unwrap(), 5, 300), None);
    }
}
