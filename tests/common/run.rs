//! What a long test is told, says and waits for.

use std::{
    env,
    fmt::Display,
    fs,
    io::{self, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect("a whole number"))
}

/// Tells people what they must see; the test harness would hide what `println!` says.
pub(crate) fn tell(what: impl Display) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// Waits until `done`, not for ever.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of ours");
    for item in fs::read_dir(from).expect("a folder") {
        let item = item.expect("a readable folder");
        let to = to.join(item.file_name());
        if item.file_type().expect("a known type").is_dir() {
            copy_folder(&item.path(), &to);
        } else {
            fs::copy(item.path(), to).expect("room for a copy");
        }
    }
}
