//! A trail looked at by an audit.

use super::{Head, line::Lines};
use crate::audit::Check;
use crate::domain::Hex;
use serde::Deserialize;
use std::{collections::BTreeMap, fs, io, path::Path};

/// What somebody else knows of a trail: it had this head once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Who knows it, in words.
    pub by: String,
    /// The trail that it was of, if that is known: its first record's hash.
    pub of: Option<Hex<32>>,
    /// The head.
    pub head: Head,
}

/// A file that has a head: the head alone, or as `trail` among other things.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Manifest { trail: Head },
    Head(Head),
}

/// The anchor in a file, such as a settlement's manifest.
pub fn read_anchor(file: &Path) -> io::Result<Anchor> {
    let written: Written = serde_json::from_slice(&fs::read(file)?).map_err(io::Error::other)?;
    let head = match written {
        Written::Manifest { trail } | Written::Head(trail) => trail,
    };
    Ok(Anchor { by: file.display().to_string(), of: None, head })
}

/// Looks at the trail in `file` and at what others know of it. Writes nothing.
pub fn check(file: &Path, anchors: &[Anchor]) -> Check {
    let what = "the trail of staff is whole, and reaches what the store and manifests know of it";
    let mut check = Check::new("trail", what);
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            check.find(format!("{}: {error}", file.display()));
            return check;
        }
    };
    let mut lines = Lines::after(None, &bytes);
    let mut hashes: BTreeMap<u64, Hex<32>> = BTreeMap::new();
    let mut damaged = false;
    while let Some(read) = lines.next_line() {
        check.row();
        match read {
            Ok(record) => drop(hashes.insert(record.seq, record.hash)),
            Err((line, why)) => {
                check.find(format!("{}: line {line}: {why}", file.display()));
                damaged = true;
                break;
            }
        }
    }
    let last = hashes.len();
    for Anchor { by, of, head } in anchors {
        let first = hashes.get(&1);
        let Head { seq, hash } = head;
        if of.is_some() && first.is_some() && of.as_ref() != first {
            check.find(format!("{by} knows record {seq} of another trail, which is not here"));
        } else if hashes.get(seq).is_some_and(|is| is != hash) {
            check.find(format!("{by} knows record {seq} with another hash: {hash}"));
        } else if !damaged && !hashes.contains_key(seq) {
            check.find(format!("{by} knows record {seq}: the trail is cut off after {last}"));
        }
    }
    check
}
