//! A client that writes bytes which are ready, and only counts the answers.

use anyhow::{Context, ensure};
use quan::ledger::{machine::Grant, redis::door};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

/// Claims a second, `depth` calls of a claim at once.
pub(crate) fn rate(server: SocketAddr, grants: &[Grant], depth: usize) -> anyhow::Result<f64> {
    let packed = |some: &[Grant]| {
        let calls = some.iter().map(|grant| door::command(std::slice::from_ref(grant)));
        let bytes = calls.map(|call| Some(call?.get_packed_command()));
        Some((some.len(), bytes.collect::<Option<Vec<_>>>()?.concat()))
    };
    let batches: Option<Vec<(usize, Vec<u8>)>> = grants.chunks(depth).map(packed).collect();
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    let (mut answers, mut granted) = (Vec::new(), 0);
    let start = Instant::now();
    for (calls, bytes) in batches.context("a call can't be made")? {
        stream.write_all(&bytes)?;
        answers.clear();
        let (mut at, mut seen) = (0, 0);
        while seen < calls {
            let mut more = [0; 8_192];
            let count = stream.read(&mut more)?;
            ensure!(count > 0, "Redis closed the connection");
            answers.extend_from_slice(&more[..count]);
            while let Some(end) = answer(&answers, at) {
                at = end;
                seen += 1;
            }
        }
        granted += answers.windows(9).filter(|word| *word == b"\ngranted\r").count();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = grants.len() as f64 / start.elapsed().as_secs_f64();
    ensure!(granted == grants.len(), "{granted} of {} were granted", grants.len());
    Ok(rate)
}

/// Where the answer at `at` ends, if it is here whole.
fn answer(bytes: &[u8], at: usize) -> Option<usize> {
    let line = bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
    let after = at + line + 2;
    let number = || std::str::from_utf8(&bytes[at + 1..at + line]).ok()?.parse::<usize>().ok();
    match bytes[at] {
        b'$' => Some(after + number()? + 2).filter(|end| *end <= bytes.len()),
        b'*' => (0..number()?).try_fold(after, |at, _| answer(bytes, at)),
        _ => Some(after),
    }
}
