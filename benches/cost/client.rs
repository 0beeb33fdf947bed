//! A closed loop: each connection asks again as soon as it has its answer.

use anyhow::{Context, ensure};
use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, rc::Rc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

/// Connections to one server.
pub(crate) struct Client {
    streams: Vec<TcpStream>,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) by_status: BTreeMap<u16, usize>,
    /// The last answer, whole.
    pub(crate) last: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, connections: usize) -> anyhow::Result<Client> {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        Ok(Client { streams })
    }

    /// Sends `requests` requests, each written by `request`, and waits for all answers.
    pub(crate) async fn run(
        &mut self,
        requests: usize,
        request: impl FnMut(&mut Vec<u8>),
    ) -> anyhow::Result<Answers> {
        let left = Rc::new(RefCell::new((requests, request, Answers::default())));
        let set = LocalSet::new();
        let work = std::mem::take(&mut self.streams).into_iter().map(|stream| {
            // The closure borrows from the caller, so the tasks are joined here and not spawned.
            worker(stream, Rc::clone(&left))
        });
        let streams = set.run_until(futures_util::future::join_all(work)).await;
        self.streams = streams.into_iter().collect::<anyhow::Result<_>>()?;
        let left = Rc::into_inner(left).context("a worker is still there")?.into_inner();
        Ok(left.2)
    }
}

type Left<F> = Rc<RefCell<(usize, F, Answers)>>;

async fn worker<F: FnMut(&mut Vec<u8>)>(
    mut stream: TcpStream,
    left: Left<F>,
) -> anyhow::Result<TcpStream> {
    let (mut out, mut input) = (Vec::new(), Vec::new());
    loop {
        out.clear();
        {
            let mut left = left.borrow_mut();
            if left.0 == 0 {
                return Ok(stream);
            }
            left.0 -= 1;
            (left.1)(&mut out);
        }
        stream.write_all(&out).await?;
        input.clear();
        let status = answer(&mut stream, &mut input).await?;
        let answers = &mut left.borrow_mut().2;
        *answers.by_status.entry(status).or_default() += 1;
        answers.last.clone_from(&input);
    }
}

/// Reads one answer with a content-length; gives its status.
pub(crate) async fn answer(stream: &mut TcpStream, input: &mut Vec<u8>) -> anyhow::Result<u16> {
    loop {
        if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = std::str::from_utf8(&input[..end])?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if input.len()
                >= end + 4 + length.context("an answer without a length")?.parse::<usize>()?
            {
                return Ok(head.get(9..12).context("no status")?.parse()?);
            }
        }
        ensure!(stream.read_buf(input).await? > 0, "the server closed the connection");
    }
}
