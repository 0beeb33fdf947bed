//! Payment codes: what a person's phone shows and a till scans (R-REDEEM-2).
//!
//! # What always holds
//!
//! - A person has one code at most. The next one kills it, on whatever device it was made.
//! - A code is dead after one scan, after its life, and when it was replaced. Which of these it was, or whether
//!   there ever was such a code, nobody at a till can tell.
//! - A code is in no log and in no `Debug`. It is no event either: a restart of what keeps them ([`Home`]) kills all
//!   codes, and phones show the next ones.
//!
//! # A declined purchase burns its code
//!
//! [`Codes::take`] kills the code before anything else is known. An order that is then refused, as below the
//! threshold, needs the next code, which the phone shows within half a minute or when it is asked to: dead after
//! one scan means that nobody can try orders on a code that was seen once.
//! So a till's repeat must not get here. The order is known by merchant and number, and whoever asks again is told
//! by the ledger what became of it.
//!
//! # Guessing
//!
//! There are 10^14 codes of a shard. With 10^6 of them alive a guess hits one of them once in 10^8 tries. A terminal
//! has 5 wrong tries in any minute (`wrong_tries` and `wrong_per_s` of the plan), so at most 7,205 in a day, of which
//! 0.000072 are expected to hit; and only a terminal whose signature holds may try at all. Each node counts by itself:
//! at three nodes it has three times as many.
//! In a campaign of 99 days, with 10,000 codes alive at every instant, four tills that do nothing but guess at each of
//! three nodes expect 0.00086 hits. A test counts this from the constants. A code is shorter than a secret should be, so
//! it is that limit that makes it safe: a plan by which a terminal could expect a thousandth of a hit a day
//! ([`MOST_WRONG_A_DAY`]) is refused.
//!
//! # Not here
//!
//! How often a person may ask for a code, and where from: the gate's rates and the fence, which the handler asks.

mod bars;
mod codes;
pub mod handler;
mod home;
mod number;
mod svg;
mod tries;

pub use codes::{CodeRules, Codes, Made, NotTaken};
pub use home::{ForOrder, Found, Here, Holder, Home, Live};
pub use number::{Code, CodeShard, NotACode};
pub use svg::{barcode, square};

use crate::domain::At;

/// Codes alive at once that the chance of a guess is counted with.
const WATCHED_LIVE: u64 = 1_000_000;

/// Wrong tries of one terminal in a day at which it can expect a thousandth of a hit.
pub const MOST_WRONG_A_DAY: u64 = number::SECRETS / WATCHED_LIVE / 1_000;

/// How far apart, in milliseconds, the `now` of two who ask may be: of two threads, or of two nodes.
const SKEW_MS: i64 = 1_000;

/// Whether what was made then is alive. What was made in the future was made before the clock went back: nobody knows
/// how old it is.
fn is_alive(made_at: At, at: At, life_ms: u32) -> bool {
    let age = at.ms_since(made_at);
    -SKEW_MS <= age && age < i64::from(life_ms)
}
