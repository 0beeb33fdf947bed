//! Entries as they stand in the store.

use super::{Error, LogNo, Store, Values, cursor::signed, cursor::unsigned};
use crate::domain::At;

/// An entry, as its log's: what a recovery compares and restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in its log.
    pub seq: u64,
    /// When it was made.
    pub at: At,
    /// The body, in the codec of events.
    pub body: Vec<u8>,
}

impl Record {
    pub(super) fn read(row: Values) -> Result<Record, Error> {
        let mut values = row.into_iter();
        let (seq, at, body) = (values.next(), values.next(), values.next());
        let seq = unsigned(seq.map_or(0, |seq| seq.number()))?;
        let at = At(at.map_or(0, |at| at.number()));
        Ok(Record { seq, at, body: body.map(super::Value::bytes).unwrap_or_default() })
    }
}

impl Store {
    /// The entries of `log` after `seq` that are no seals, at most `most`.
    pub async fn events_after(
        &self,
        log: LogNo,
        seq: u64,
        most: usize,
    ) -> Result<Vec<Record>, Error> {
        let events = "SELECT seq, at_ms, body FROM events WHERE log = $1 AND seq > $2
                      ORDER BY seq LIMIT $3";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.query(events, &[log.into(), signed(seq)?.into(), most.into()]).await?;
        rows.into_iter().map(Record::read).collect()
    }

    /// The entry `seq` of `log`; `None` if it is not there, or a seal.
    pub async fn event(&self, log: LogNo, seq: u64) -> Result<Option<Record>, Error> {
        let event = "SELECT seq, at_ms, body FROM events WHERE log = $1 AND seq = $2";
        let rows = self.query(event, &[log.into(), signed(seq)?.into()]).await?;
        rows.into_iter().next().map(Record::read).transpose()
    }
}
