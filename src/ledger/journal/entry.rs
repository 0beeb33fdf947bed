//! The bytes of entries and of segment headers, as drawn in [the journal](super).

use crate::domain::time::At;

/// The format version written.
pub const VERSION: u32 = 1;
/// The bytes of a segment's header.
pub const HEADER: usize = 32;
/// The bytes of an entry before its body.
pub const PREFIX: usize = 41;
/// The longest body.
pub const MAX_BODY: usize = 16 << 20;

const MAGIC: &[u8; 8] = b"QUANJRNL";
/// Where the bytes that an entry's crc covers begin.
const COVERED: usize = 8;

/// One entry, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal, from 1, without a gap.
    pub seq: u64,
    /// The highest seq known durable when it was written.
    pub durable: u64,
    /// When it was appended.
    pub at: At,
    /// Whether it is a seal: no body, only `durable` to say.
    pub seal: bool,
    /// What was appended.
    pub body: Vec<u8>,
}

impl Entry {
    /// Appends this entry's bytes to `out`; `false` and nothing if the body is too long.
    #[must_use]
    pub fn encode(&self, journal: u64, out: &mut Vec<u8>) -> bool {
        if self.body.len() > MAX_BODY {
            return false;
        }
        let Ok(len) = u32::try_from(PREFIX - COVERED + self.body.len()) else { return false };
        let [journal, seq, durable] = [journal, self.seq, self.durable].map(u64::to_le_bytes);
        let (at, seal) = (self.at.0.to_le_bytes(), [u8::from(self.seal)]);
        let covered = [&journal[..], &seq, &durable, &at, &seal, &self.body];
        let mut crc = crc32fast::Hasher::new();
        for part in covered {
            crc.update(part);
        }
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&crc.finalize().to_le_bytes());
        for part in covered {
            out.extend_from_slice(part);
        }
        true
    }

    /// The entry at the start of `bytes` and its length, if a valid one of this journal is there.
    pub fn decode(bytes: &[u8], journal: u64) -> Option<(Entry, usize)> {
        if u64_at(bytes, 8)? != journal {
            return None;
        }
        let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
        if !(PREFIX - COVERED..=PREFIX - COVERED + MAX_BODY).contains(&len) {
            return None;
        }
        let end = COVERED + len;
        if crc32fast::hash(bytes.get(COVERED..end)?) != u32_at(bytes, 4)? {
            return None;
        }
        let seal = match bytes.get(40)? {
            0 => false,
            1 if end == PREFIX => true,
            _ => return None,
        };
        let (seq, durable) = (u64_at(bytes, 16)?, u64_at(bytes, 24)?);
        if durable >= seq {
            return None;
        }
        let at = At(i64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?));
        let body = bytes.get(PREFIX..end)?.to_vec();
        Some((Entry { seq, durable, at, seal, body }, end))
    }
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The folder's random number.
    pub journal: u64,
    /// The seq of the segment's first entry. All before it is durable.
    pub first: u64,
}

/// What is at the start of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A header that can be read.
    Good(Header),
    /// A sound header of another format version.
    Version(u32),
    /// Not a header.
    Bad,
}

impl Header {
    /// The header's bytes.
    pub fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.journal.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Head {
        let read = || {
            let sound = bytes.starts_with(MAGIC)
                && crc32fast::hash(bytes.get(..HEADER - 4)?) == u32_at(bytes, HEADER - 4)?;
            if !sound {
                return None;
            }
            let version = u32_at(bytes, 8)?;
            if version != VERSION {
                return Some(Head::Version(version));
            }
            Some(Head::Good(Header { journal: u64_at(bytes, 12)?, first: u64_at(bytes, 20)? }))
        };
        read().unwrap_or(Head::Bad)
    }
}

/// The name of the segment that begins with `first`.
pub fn segment_name(first: u64) -> String {
    format!("{first:020}.journal")
}

/// The first seq that a segment's name states, if it is a segment's name.
pub fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".journal")?;
    let first = digits.parse().ok()?;
    (segment_name(first) == name).then_some(first)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
