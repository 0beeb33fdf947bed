//! A black-box client of a voucher rush: it plays the host app, the captcha service and the people.
//!
//! [`prepare`] reads the round and gets everybody a pass; [`rush`] plays the opening; [`report`] says what came of it.
//!
//! The model is open: when people come does not depend on how fast the server is, so latency is counted from the
//! instant at which a request was wanted, and a stall shows in every request that it delayed. The service time, from
//! sending to answer, and the slip, from wanting to sending, stand beside it.
//!
//! It knows the server's contract, written down in the project's architecture, and none of its code.

mod answer;
mod claims;
mod clock;
mod crowd;
#[expect(clippy::float_arithmetic, reason = "rates are for people to read")]
mod curve;
mod errands;
mod keys;
mod link;
mod noted;
#[expect(clippy::float_arithmetic, reason = "milliseconds are for people to read")]
mod num;
mod options;
#[expect(clippy::float_arithmetic, reason = "instants are drawn from a distribution")]
mod pacer;
mod passes;
mod people;
pub mod progress;
mod record;
#[expect(clippy::float_arithmetic, reason = "plots are drawn in fractions of a point")]
pub mod report;
mod requests;
#[expect(clippy::float_arithmetic, reason = "rates are for people to read")]
mod run;
mod rush;
mod scenario;
mod seen;
mod shoppers;
mod shopping;
mod tally;
mod tills;
mod tokens;
mod told;
mod week;
mod wire;
mod world;

pub use claims::Claims;
pub use curve::Bucket;
pub use options::{Crowd, MOST_CHEATS_PER_MILLE, MOST_CONNECTIONS, Options};
pub use passes::Passes;
pub use run::{Holders, Prepared, prepare, rush, rush_and_hold};
pub use scenario::{Day, SCENARIO, Scenario};
pub use shoppers::{Market, Shoppers, Shopping, Sums};
pub use tally::{Spread, Totals};
pub use tills::Till;

/// The generator was too slow for its schedule when its slip p99 is above this, and the run says little.
pub const MOST_SLIP_MS_P99: f64 = 20.0;
