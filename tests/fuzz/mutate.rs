//! Damaged copies, the same in every run with the same seed.
//!
//! An input that ends otherwise than all before it is kept and damaged further: so the ways into the code are
//! found without measuring it.

use crate::targets::Target;
use std::{
    any::Any,
    collections::HashSet,
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

/// Inputs kept at most.
const KEPT: usize = 1_024;
/// Bytes of an input, beyond which it is not made longer.
const LONGEST: usize = 1 << 15;
/// Numbers at which programs go wrong.
const ODD: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];
/// The same as people write them, and what ends texts early.
const ODD_TEXTS: [&str; 20] = [
    "0",
    "-1",
    "00",
    "1e999",
    "-0",
    "1.5",
    "255",
    "256",
    "65536",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "null",
    "\"",
    "\\u0000",
    "[[",
    "{}",
    "é",
    "\u{feff}",
];

/// Looks at damaged copies of the target's seeds for as long as the environment says.
pub(crate) fn run(name: &str, target: &Target) {
    let number = |key: &str| env::var(key).ok().map(|text| text.parse::<u64>().unwrap());
    let time = Duration::from_secs(number("QUAN_FUZZ_SECONDS").unwrap_or(1));
    let mut random = Random(number("QUAN_FUZZ_SEED").unwrap_or(1) | 1 << 63);
    let mut kept = target.seeds.clone();
    let mut ends = HashSet::new();
    for seed in &target.seeds {
        let end = look(target, seed);
        assert!(end.starts_with("good"), "{name}: a seed is not good, so nothing is tested: {end}");
        ends.insert(end);
    }
    let (begun, mut inputs) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        for _ in 0..64 {
            let input = random.damaged(&target.seeds, &kept);
            let end = look(target, &input);
            if ends.insert(end) && kept.len() < KEPT {
                kept.push(input);
            }
            inputs += 1;
        }
    }
    println!("{name}: {inputs} inputs, {} different ends", ends.len());
    assert!(ends.len() > 1, "{name}: every input ended alike");
}

/// How the input ends; one that stops the program is told.
fn look(target: &Target, input: &[u8]) -> String {
    let end = catch_unwind(AssertUnwindSafe(|| (target.look)(input)));
    end.unwrap_or_else(|why: Box<dyn Any + Send>| {
        println!("the input: b\"{}\"", input.escape_ascii());
        resume_unwind(why)
    })
}

/// A xorshift64* generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end.max(1)
    }

    fn damaged(&mut self, seeds: &[Vec<u8>], kept: &[Vec<u8>]) -> Vec<u8> {
        // Half of all come of good inputs: most that are kept are refused early.
        let from = if self.below(2) == 0 { seeds } else { kept };
        let mut input = from[self.below(from.len())].clone();
        let other = &kept[self.below(kept.len())];
        // Mostly one damage: whoever checks least lets a single one through.
        for _ in 0..[1, 1, 1, 2, 3, 8][self.below(6)] {
            self.damage(&mut input, other);
        }
        input
    }

    fn damage(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len());
        if input.is_empty() || input.len() > LONGEST {
            input.truncate(at);
            input.push(u8::try_from(self.below(256)).unwrap());
            return;
        }
        match self.below(12) {
            0 | 1 => input[at] ^= 1 << self.below(8),
            2 => input[at] = u8::try_from(self.below(256)).unwrap(),
            3 => input.truncate(at),
            4 => {
                let end = (at + 1 + self.below(16)).min(input.len());
                input.drain(at..end);
            }
            5 => {
                // A piece of another one, over this one or in between.
                let from = self.below(other.len());
                let to = (from + 1 + self.below(64)).min(other.len());
                let over = if self.below(2) == 0 { to - from } else { 0 };
                let end = (at + over).min(input.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            6 => {
                let width = [1, 2, 4, 8][self.below(4)];
                let odd = ODD[self.below(ODD.len())].wrapping_add(self.next() % 3).wrapping_sub(1);
                let mut bytes = odd.to_le_bytes()[..width].to_vec();
                if self.below(2) == 0 {
                    bytes.reverse();
                }
                for (place, byte) in input[at..].iter_mut().zip(bytes) {
                    *place = byte;
                }
            }
            7 => {
                let text = ODD_TEXTS[self.below(ODD_TEXTS.len())];
                let end = (at + self.below(text.len() + 1)).min(input.len());
                input.splice(at..end, text.bytes());
            }
            8 => {
                // Any byte of the printable alphabet, so that texts stay texts.
                input[at] = u8::try_from(32 + self.below(95)).unwrap();
            }
            9 | 10 => {
                // Another number where there is one.
                if let Some(digit) = input[at..].iter_mut().find(|it| it.is_ascii_digit()) {
                    *digit = b'0' + u8::try_from(self.below(10)).unwrap();
                }
            }
            _ => {
                // The same piece once more, right behind itself.
                let end = (at + 1 + self.below(48)).min(input.len());
                let piece = input[at..end].to_vec();
                input.splice(end..end, piece);
            }
        }
    }
}
