//! The entry that a log stopped at.

use super::{Error, LogNo, Store, cursor::signed, cursor::unsigned};

/// An entry that contradicts the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its log.
    pub log: LogNo,
    /// Its place there.
    pub seq: u64,
    /// The table that it contradicts.
    pub table: String,
    /// What does not fit.
    pub why: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Store {
    /// Keeps an entry for people to look at, and what it contradicts. Once: whoever meets it again
    /// changes nothing.
    pub async fn quarantine(&self, entry: &Quarantined) -> Result<(), Error> {
        let keep = "INSERT INTO quarantine (log, seq, table_name, why, body, at_ms)
                    VALUES ($1, $2, $3, $4, $5, now_ms()) ON CONFLICT (log, seq) DO NOTHING";
        let Quarantined { log, seq, table, why, body } = entry;
        let seq = signed(*seq)?;
        let (table, why) = (table.as_str().into(), why.as_str().into());
        let values = [(*log).into(), seq.into(), table, why, body.as_slice().into()];
        self.db.execute(keep, &values).await?;
        Ok(())
    }

    /// What was kept, log by log.
    pub async fn quarantined(&self) -> Result<Vec<Quarantined>, Error> {
        let kept = "SELECT log, seq, table_name, why, body FROM quarantine ORDER BY log, seq";
        self.all(kept, &[], |[log, seq, table, why, body]| {
            Ok(Quarantined {
                log: LogNo::read(&log)?,
                seq: unsigned(seq.number())?,
                table: table.text(),
                why: why.text(),
                body: body.bytes(),
            })
        })
        .await
    }
}
