//! What a script says of itself in its header is what it does.

use super::super::keys::{Key, Place};
use super::super::scripts::{Script, all, look, reopen};
use crate::domain::CampaignNo;
use std::collections::BTreeSet;

const COMMON: &str = include_str!("../../../../lua/shard.lua");
const READERS: [&str; 3] = [
    include_str!("../scripts/claim.rs"),
    include_str!("../scripts/bind.rs"),
    concat!(include_str!("../scripts/moving.rs"), include_str!("../scripts/shard.rs")),
];

/// Header and code of a file.
fn parts(text: &str) -> (&str, &str) {
    let (_, rest) = text.split_once("--[[").expect("a header");
    rest.split_once("]]").expect("the header's end")
}

fn own(script: &Script) -> &str {
    script.text().strip_prefix(COMMON).expect("what is common comes first")
}

/// The numbers that `text` takes of `list`, as in `KEYS[3]`.
fn taken(text: &str, list: &str) -> BTreeSet<usize> {
    let list = format!("{list}[");
    let places = text.split(&list).skip(1);
    places.filter_map(|rest| rest.split_once(']')?.0.parse().ok()).collect()
}

/// The answers in `text`, as in `{ 'word', one, two }`: the word and how many parts.
fn answers(text: &str) -> BTreeSet<(String, usize)> {
    let places = text.split("{ '").skip(1);
    places
        .map(|rest| {
            let answer = rest.split_once('}').expect("an answer ends").0;
            let word = answer.split_once('\'').expect("a word ends").0;
            (word.to_owned(), answer.split(',').count())
        })
        .collect()
}

#[test]
fn a_header_lists_the_keys_and_arguments_that_the_code_takes() {
    for script in all() {
        let (header, code) = parts(own(script));
        let number: usize = script.name.rsplit_once('-').unwrap().1.parse().unwrap();
        assert_eq!(taken(header, "KEYS"), (1..=number).collect(), "{}", script.name);
        let mut keys = taken(code, "KEYS");
        keys.extend(taken(parts(COMMON).1, "KEYS"));
        if code.contains("plan(") {
            assert!(keys.is_subset(&taken(header, "KEYS")), "{}", script.name);
        } else {
            assert_eq!(keys, taken(header, "KEYS"), "{}", script.name);
        }
        let arguments = taken(header, "ARGV");
        assert_eq!(arguments, (1..=arguments.len()).collect(), "{}", script.name);
        assert_eq!(taken(code, "ARGV"), arguments, "{}", script.name);
    }
}

#[test]
fn a_header_lists_the_answers_that_the_code_gives_and_rust_reads() {
    for script in all() {
        let (header, code) = parts(own(script));
        let mut given = answers(code);
        if code.contains("enter(") {
            given.extend(answers(parts(COMMON).1));
        }
        assert_eq!(answers(header), given, "{}", script.name);
        let reader = match script.name {
            "claim-6" => READERS[0],
            "bind-5" => READERS[1],
            "number-1" => include_str!("../scripts/mod.rs"),
            "show-3" | "take-3" | "nonce-2" => include_str!("../scripts/till.rs"),
            _ => READERS[2],
        };
        for (word, _) in given {
            assert!(reader.contains(&format!("\"{word}\"")), "{}: {word}", script.name);
        }
    }
}

#[test]
fn a_script_introduces_itself_and_is_refused_up_front_if_it_can_t_run() {
    for script in all() {
        assert!(script.text().starts_with("#!lua\n"), "{}", script.name);
        let header = parts(own(script)).0;
        for section in ["  Input:\n", "  Output:\n", "  Holds:  ", "  Cost:   "] {
            assert!(header.contains(section), "{} has no {section}", script.name);
        }
        let lines = script.text().lines();
        assert!(lines.clone().all(|line| line.len() <= 120 && !line.contains('\t')));
    }
}

#[test]
fn a_call_brings_as_many_keys_and_arguments_as_the_header_says() {
    let place = Place::shard(CampaignNo(0), 0);
    for call in [look(place), reopen(place, 1, 2, "").unwrap()] {
        let header = parts(own(call.script)).0;
        assert_eq!(call.keys, [place.key(Key::Meta)]);
        assert_eq!(call.args.len(), taken(header, "ARGV").len());
    }
    for (_, call) in super::campaign::deciding() {
        let header = parts(own(call.script)).0;
        let number = taken(header, "KEYS").len();
        assert_eq!(call.keys.len(), number, "{}", call.script.name);
        // A kind and a claim more, or two changes.
        let more = match call.script.name {
            "claim-6" | "move-12" => 8,
            _ => 0,
        };
        assert_eq!(call.args.len(), taken(header, "ARGV").len() + more, "{}", call.script.name);
    }
}
