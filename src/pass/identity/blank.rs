//! Identifiers that are none (R-WHO-3).
//!
//! Phones and apps that can't or won't say an identifier send these, the same one for many people: bound to the
//! first of them, it would shut out the others, and not bound it would let one person be many.

/// Words that programs write where they have no value.
const NO_VALUE: [&str; 4] = ["null", "unknown", "undefined", "none"];

/// What Android returns for a MAC address since version 6, without its separators.
const ANDROID_MAC: &str = "020000000000";

/// The device id that a faulty Android 2.2 gave to every phone of some makers; emulators still have it.
const ANDROID_ID: &str = "9774d56d682e549c";

/// Whether `text` says nothing about whom it belongs to.
pub(super) fn is_blank(text: &str) -> bool {
    // Five of these a request, and most are told by their first letters.
    !begins_plainly(text.as_bytes()) && says_nothing(text)
}

/// Whether a letter stands first with which no word for nothing begins, and after it one that is another.
fn begins_plainly(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    let other = rest.iter().find(|it| !it.eq_ignore_ascii_case(first));
    first.is_ascii_alphanumeric()
        && !b"nu09".contains(&first.to_ascii_lowercase())
        && other.is_some_and(u8::is_ascii_alphanumeric)
}

fn says_nothing(text: &str) -> bool {
    let bare = || {
        text.chars()
            .filter(|it| !it.is_whitespace() && !is_unseen(*it) && !"-:._".contains(*it))
            .flat_map(char::to_lowercase)
    };
    // One letter over and over: nothing was typed but a placeholder; the all-zero UUID and MAC are among them.
    let Some(first) = bare().next() else { return true };
    let is = |word: &&str| bare().eq(word.chars());
    bare().all(|it| it == first)
        || NO_VALUE.iter().any(is)
        || [ANDROID_MAC, ANDROID_ID].iter().any(is)
}

/// Characters that take no room: controls, the zero-width ones and the byte order mark.
pub(super) fn is_unseen(it: char) -> bool {
    it.is_control() || matches!(it, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_who_3_what_names_nobody_is_blank() {
        for text in [
            "",
            " ",
            "\t\u{3000}",
            "\u{200b}",
            "-",
            "0",
            "000000000000000",
            "xxxxXXXX",
            "1111-1111",
            "null",
            "NULL",
            "Unknown",
            "undefined",
            "none",
            " none ",
            "n-one",
            "00000000-0000-0000-0000-000000000000",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "02:00:00:00:00:00",
            "02-00-00-00-00-00",
            "9774d56d682e549c",
            "9774D56D682E549C",
        ] {
            assert!(is_blank(text), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn r_who_3_what_begins_plainly_says_something(text in "[0-9a-zA-Z]{1,3}\\PC{0,20}") {
            proptest::prop_assert!(!begins_plainly(text.as_bytes()) || !says_nothing(&text));
        }
    }

    #[test]
    fn r_who_3_no_word_for_nothing_begins_plainly() {
        for word in NO_VALUE.into_iter().chain([ANDROID_MAC, ANDROID_ID]) {
            for text in [word.to_owned(), word.to_uppercase()] {
                assert!(!begins_plainly(text.as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn r_who_3_what_may_name_somebody_is_not_blank() {
        for text in [
            "10",
            "device-1",
            "nullius",
            "unknown-7",
            "02:00:00:00:00:01",
            "9774d56d682e549d",
            "110101199001011237",
            "13800000000",
            "00000000-0000-0000-0000-000000000001",
            "张三",
        ] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
