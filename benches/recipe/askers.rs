//! A closed loop whose people come back when they are told to: each connection asks for whoever is
//! next as soon as it has an answer, until everybody has one that is final.

use crate::client::answer;
use anyhow::{Context, ensure};
use loadtest::Claims;
use std::{
    cell::RefCell,
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

/// What `busy` says, and what everybody keeps to.
const AGAIN: Duration = Duration::from_millis(200);

/// Connections to one server.
pub(crate) struct Askers(Vec<TcpStream>);

struct Round {
    /// The next who has not asked yet.
    next: usize,
    /// Who asks again, and when.
    again: VecDeque<(Instant, usize)>,
    /// Those without a final answer.
    open: usize,
    told: Told,
}

/// What everybody was told in the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) granted: usize,
    /// Answers that said to come back.
    pub(crate) busy: usize,
}

impl Askers {
    pub(crate) async fn connect(server: SocketAddr, connections: usize) -> anyhow::Result<Askers> {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(server).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        Ok(Askers(streams))
    }

    /// Asks for all `claims` in their order; what came of it.
    pub(crate) async fn ask(self, claims: &Claims) -> anyhow::Result<Told> {
        let (next, open, told) = (0, claims.len(), Told::default());
        let round = RefCell::new(Round { next, again: VecDeque::new(), open, told });
        let asking = self.0.into_iter().map(|stream| asker(stream, claims, &round));
        futures_util::future::try_join_all(asking).await?;
        Ok(round.into_inner().told)
    }
}

impl Round {
    fn due(&mut self, claims: usize) -> Option<usize> {
        if self.again.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            return self.again.pop_front().map(|(_, who)| who);
        }
        (self.next < claims).then(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

async fn asker(
    mut stream: TcpStream,
    claims: &Claims,
    round: &RefCell<Round>,
) -> anyhow::Result<()> {
    let (mut out, mut input) = (Vec::new(), Vec::new());
    while round.borrow().open > 0 {
        let due = round.borrow_mut().due(claims.len());
        let Some(who) = due else {
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        out.clear();
        ensure!(claims.write(who, &mut out), "claim {who}");
        stream.write_all(&out).await?;
        input.clear();
        let status = answer(&mut stream, &mut input).await?;
        let mut round = round.borrow_mut();
        match status {
            // 200 after an outcome that was not known.
            200 | 201 => round.told.granted += 1,
            409 => {}
            503 => {
                round.told.busy += 1;
                round.again.push_back((Instant::now() + AGAIN, who));
                continue;
            }
            _ => Err(anyhow::anyhow!(String::from_utf8_lossy(&input).into_owned()))
                .context("an answer that nobody expects")?,
        }
        round.open -= 1;
    }
    Ok(())
}
