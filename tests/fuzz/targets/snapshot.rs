//! A snapshot file. A damaged one is passed over; one whose checksum fits, whatever it holds, stops nothing.

use super::Target;
use super::disk::Memory;
use super::log::{JOURNAL, story};
use quan::ledger::snapshot::{Snapshot, newest, write};

pub(crate) fn target() -> Target {
    let good = Snapshot { journal: JOURNAL, seq: 14, machine: story().1 };
    let folder = Memory::default();
    write(&folder, &good).unwrap();
    let [(name, bytes)] = folder.all().try_into().expect("one file");
    let seeds = vec![bytes.clone()];
    let look = move |input: &[u8]| {
        let told = read(&name, input).map(|found| {
            assert_eq!(found, good, "a damaged snapshot was taken");
            assert_eq!(input, bytes, "two files are one snapshot");
        });
        let Some((covered, _)) = input.split_last_chunk::<4>() else { return "short".into() };
        let crc = crc32fast::hash(covered).to_le_bytes();
        let resealed = read(&name, &[covered, &crc].concat());
        match (told, resealed) {
            (Ok(()), _) => "good".into(),
            (Err(_), Ok(found)) => {
                format!("whole with {} campaigns", found.machine.campaigns().min(3))
            }
            (Err(why), Err(other)) => format!("{why} {other}"),
        }
    };
    Target { seeds, look: Box::new(look) }
}

fn read(name: &str, bytes: &[u8]) -> Result<Snapshot, String> {
    let folder = Memory::with([(name.to_owned(), bytes.to_vec())]);
    let (found, warnings) = newest(&folder, JOURNAL).unwrap();
    let warnings = warnings.iter().map(ToString::to_string).collect::<Vec<_>>().concat();
    found.ok_or_else(|| warnings.chars().filter(|it| !it.is_ascii_digit()).collect())
}
