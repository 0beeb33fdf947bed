//! What servers have told of their trails. No part of the fold.

use super::{Error, Store, Value};
use crate::domain::Hex;
use crate::trail::Head;

impl Store {
    /// Notes how far a trail is, which its first record's hash names; gives the last that is known of it then. It never
    /// goes back.
    pub async fn note_trail(&self, trail: Hex<32>, head: Head) -> Result<Head, Error> {
        let note = "INSERT INTO trails (trail, seq, hash) VALUES ($1, $2, $3)
                    ON CONFLICT (trail) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
                    WHERE trails.seq < excluded.seq";
        let seq = i64::try_from(head.seq).unwrap_or(i64::MAX);
        self.db.execute(note, &[trail.0[..].into(), seq.into(), head.hash.0[..].into()]).await?;
        let known = self.trails().await?;
        let known = known.into_iter().find(|(it, _)| *it == trail);
        Ok(known.map_or(head, |(_, head)| head))
    }

    /// Every trail that was told of, and its last record.
    pub async fn trails(&self) -> Result<Vec<(Hex<32>, Head)>, Error> {
        let wrong = || Error::Contradiction { table: "trails", why: "not a hash".to_owned() };
        let hex = |value: Value| value.bytes().try_into().map(Hex).map_err(|_| wrong());
        let all = "SELECT trail, seq, hash FROM trails ORDER BY trail";
        self.all(all, &[], |[trail, seq, hash]| {
            let seq = u64::try_from(seq.number()).unwrap_or_default();
            Ok((hex(trail)?, Head { seq, hash: hex(hash)? }))
        })
        .await
    }
}
