//! Payment codes: what a person's phone shows and a till scans (R-REDEEM-2).
//!
//! # What always holds
//!
//! - A person has one code at most. The next one kills it, on whatever device it was made.
//! - A code is dead after one scan, after its life, and when it was replaced. Which of these it was, or whether
//!   there ever was such a code, nobody at a till can tell.
//! - A code is in no log and in no `Debug`. It is no event either: a restart kills all codes, and phones show the
//!   next ones.
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
//! has 5 wrong tries in any minute (`wrong_tries` and `wrong_per_s` of the plan), so at most 7,205 in a day, in which
//! it can expect 7.2 in 100,000 hits; and only a terminal whose signature holds may try at all. A test counts this
//! from the constants. A code is shorter than a secret should be, so it is that limit that makes it safe.
//!
//! # Not here
//!
//! How often a person may ask for a code, and where from: the gate's rates and the fence, which the handler asks.

mod bars;
mod codes;
pub mod handler;
mod number;
mod svg;
mod tries;

pub use codes::{CodeRules, Codes, Holder, Made, NotTaken};
pub use number::{Code, CodeShard, NotACode};
pub use svg::{barcode, square};
