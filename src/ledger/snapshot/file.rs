//! The bytes of a snapshot, as drawn in [the module](super).

use super::{Fault, Snapshot};

/// The format version written. A change of the machine's fields is a new one.
pub const VERSION: u32 = 6;

const MAGIC: &[u8; 8] = b"QUANSNAP";

pub(super) fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, postcard::Error> {
    let body = postcard::to_stdvec(&snapshot.machine)?;
    let mut out = Vec::with_capacity(body.len() + 40);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&snapshot.journal.to_le_bytes());
    out.extend_from_slice(&snapshot.seq.to_le_bytes());
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    out.extend_from_slice(&body);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(out)
}

pub(super) fn decode(bytes: &[u8]) -> Result<Snapshot, Fault> {
    let (covered, crc) = bytes.split_last_chunk::<4>().ok_or(Fault::Damaged)?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return Err(Fault::Damaged);
    }
    let (magic, rest) = covered.split_first_chunk::<8>().ok_or(Fault::Damaged)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(Fault::Damaged)?;
    let version = u32::from_le_bytes(*version);
    if magic != MAGIC {
        return Err(Fault::Damaged);
    }
    if version != VERSION {
        return Err(Fault::Version(version));
    }
    let (journal, rest) = number(rest)?;
    let (seq, rest) = number(rest)?;
    let (length, body) = number(rest)?;
    if length != body.len() as u64 {
        return Err(Fault::Damaged);
    }
    let (machine, rest) = postcard::take_from_bytes(body).map_err(|_| Fault::Damaged)?;
    if rest.is_empty() { Ok(Snapshot { journal, seq, machine }) } else { Err(Fault::Damaged) }
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), Fault> {
    let (number, rest) = bytes.split_first_chunk::<8>().ok_or(Fault::Damaged)?;
    Ok((u64::from_le_bytes(*number), rest))
}

pub(super) fn name(seq: u64) -> String {
    format!("{seq:020}.snapshot")
}

pub(super) fn seq_of(file: &str) -> Option<u64> {
    let seq = file.strip_suffix(".snapshot")?.parse().ok()?;
    (name(seq) == file).then_some(seq)
}
