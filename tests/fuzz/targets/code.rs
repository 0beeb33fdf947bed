//! Payment codes as a till sends them: the text of one, and none that a slip of the hand makes of another.

use super::Target;
use quan::code::{Code, barcode, square};

/// Both of shard 7; their check digits were counted by another program.
const GOOD: [&str; 2] = ["6207000000123456787", "6207999999999999991"];

pub(crate) fn target() -> Target {
    let look = |input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let code = match text.parse::<Code>() {
            Err(why) => return format!("{why:?}"),
            Ok(code) => code,
        };
        assert_eq!(code.to_string(), text, "a code has one spelling");
        for good in GOOD.iter().filter(|it| **it != text) {
            assert!(!is_slip(good.as_bytes(), text.as_bytes()), "{text} is {good} mistyped");
        }
        let svg = barcode(code, &text) + &square(code, &text);
        assert_eq!(svg.matches(&*text).count(), 2, "in the titles alone");
        format!("good {}", code.shard().no())
    };
    Target { seeds: GOOD.map(|it| it.as_bytes().to_vec()).into(), look: Box::new(look) }
}

/// Whether one digit is wrong, or two neighbours changed places.
fn is_slip(from: &[u8], to: &[u8]) -> bool {
    let wrong: Vec<usize> = (0..from.len()).filter(|at| from[*at] != to[*at]).collect();
    match wrong[..] {
        [_] => true,
        [a, b] => b == a + 1 && from[a] == to[b] && from[b] == to[a],
        _ => false,
    }
}
