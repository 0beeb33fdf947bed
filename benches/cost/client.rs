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
        mut request: impl FnMut(&mut Vec<u8>),
    ) -> anyhow::Result<Answers> {
        self.each(requests, |_, out| request(out), |_, _| {}).await
    }

    /// Sends these, and gives the answers in the same order.
    pub(crate) async fn ask(&mut self, requests: &[String]) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut answers = vec![vec![]; requests.len()];
        let write = |no: usize, out: &mut Vec<u8>| out.extend_from_slice(requests[no].as_bytes());
        let heard = |no: usize, answer: &[u8]| answers[no] = answer.to_vec();
        self.each(requests.len(), write, heard).await?;
        Ok(answers)
    }

    async fn each(
        &mut self,
        wanted: usize,
        write: impl FnMut(usize, &mut Vec<u8>),
        heard: impl FnMut(usize, &[u8]),
    ) -> anyhow::Result<Answers> {
        let work = Work { wanted, asked: 0, write, heard, answers: Answers::default() };
        let work = Rc::new(RefCell::new(work));
        let set = LocalSet::new();
        let workers = std::mem::take(&mut self.streams).into_iter().map(|stream| {
            // The closures borrow from the caller, so the tasks are joined here and not spawned.
            worker(stream, Rc::clone(&work))
        });
        let streams = set.run_until(futures_util::future::join_all(workers)).await;
        self.streams = streams.into_iter().collect::<anyhow::Result<_>>()?;
        let work = Rc::into_inner(work).context("a worker is still there")?.into_inner();
        Ok(work.answers)
    }
}

/// What the connections share.
struct Work<W, H> {
    wanted: usize,
    asked: usize,
    write: W,
    heard: H,
    answers: Answers,
}

async fn worker<W: FnMut(usize, &mut Vec<u8>), H: FnMut(usize, &[u8])>(
    mut stream: TcpStream,
    work: Rc<RefCell<Work<W, H>>>,
) -> anyhow::Result<TcpStream> {
    let (mut out, mut input) = (Vec::new(), Vec::new());
    loop {
        out.clear();
        let no = {
            let mut work = work.borrow_mut();
            let no = work.asked;
            if no == work.wanted {
                return Ok(stream);
            }
            work.asked += 1;
            (work.write)(no, &mut out);
            no
        };
        stream.write_all(&out).await?;
        input.clear();
        let status = answer(&mut stream, &mut input).await?;
        let mut work = work.borrow_mut();
        (work.heard)(no, &input);
        *work.answers.by_status.entry(status).or_default() += 1;
        work.answers.last.clone_from(&input);
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
