//! What is measured: a server, and requests that are all answered alike.

use crate::common::plan::Shipped;
use crate::process::Server;

/// Round 1 has just opened.
pub(crate) const OPEN: &str = "2023-09-01T10:00:01+08:00";

/// A server and the requests that it gets.
pub(crate) trait Scene {
    /// The server.
    fn server(&self) -> &Server;
    /// What every request is answered with.
    fn status(&self) -> u16;
    /// Does what is not measured, so that so many requests can come.
    async fn ready(&mut self, requests: usize) -> anyhow::Result<()>;
    /// Writes the next request.
    fn next(&mut self, out: &mut Vec<u8>);
    /// Writes a request of the same size, for a server that doesn't mind which.
    fn again(&mut self, out: &mut Vec<u8>);
}

/// The plan with `units` of each kind a round, of a face value that its pools can carry, and rates
/// that never refuse.
pub(crate) fn roomy(units: usize) -> Shipped {
    let plan = Shipped::plan().set("units_per_round", &[units]).set("face_fen", &[1]);
    let rates =
        ["person", "device", "address"].map(|of| [format!("{of}_per_s"), format!("{of}_burst")]);
    rates.iter().flatten().fold(plan, |plan, rate| plan.set(rate, &[1_000_000_000]))
}
