//! The targets of `tests/fuzz.rs` for libFuzzer: `QUAN_FUZZ_TARGET` names one, and its seeds are written into
//! the folder that `QUAN_FUZZ_CORPUS` names.
#![no_main]

#[path = "../../tests/fuzz/targets/mod.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;
use std::{env, fs, path::Path};
use targets::Target;

thread_local! {
    static TARGET: Target = target();
}

fn target() -> Target {
    let name = env::var("QUAN_FUZZ_TARGET").expect("QUAN_FUZZ_TARGET names a target");
    match name.as_str() {
        "code" => targets::code::target(),
        "events" => targets::events::target(),
        "fence" => targets::fence::target(),
        "fix" => targets::fix::target(),
        "identity" => targets::identity::target(),
        "journal" => targets::journal::target(),
        "merchants" => targets::merchants::target(),
        "pass" => targets::pass::target(),
        "plan" => targets::plan::target(),
        "proof" => targets::proof::target(),
        "record" => targets::record::target(),
        "request" => targets::request::target(),
        "snapshot" => targets::snapshot::target(),
        "terminal" => targets::terminal::target(),
        _ => panic!("there is no target {name}"),
    }
}

fn write_seeds() {
    let Ok(folder) = env::var("QUAN_FUZZ_CORPUS") else { return };
    TARGET.with(|target| {
        for (no, seed) in target.seeds.iter().enumerate() {
            let file = Path::new(&folder).join(format!("seed-{no}"));
            fs::write(file, seed).expect("a seed can be written");
        }
    });
}

fuzz_target!(init: write_seeds(), |input: &[u8]| {
    TARGET.with(|target| (target.look)(input));
});
