//! How far a log is in the store, and who may carry it on.

use super::{Error, LogNo, Store, Value, sql::Tx};
use std::time::Duration;

/// The right to write a log's rows, until somebody else takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The log.
    pub log: LogNo,
    /// The last entry that is in the store.
    pub seq: u64,
    /// The owner's number: each owner has a higher one than the one before.
    pub owner_epoch: i64,
}

/// Whoever it belongs to, the new owner's epoch is the next one.
const TAKE: &str = "INSERT INTO cursor (log, seq, owner_epoch, owner, renewed_at_ms)
    VALUES ($1, 0, 1, $2, now_ms())
    ON CONFLICT (log) DO UPDATE SET owner_epoch = cursor.owner_epoch + 1,
        owner = excluded.owner, renewed_at_ms = excluded.renewed_at_ms";
/// If nobody has it, we do, or whoever has it was not heard of for so long.
const IF_FREE: &str = " WHERE cursor.owner IN ('', excluded.owner)
    OR cursor.renewed_at_ms <= excluded.renewed_at_ms - $3";
const RETURNING: &str = " RETURNING seq, owner_epoch";

impl Store {
    /// The last entry of `log` that is in the store; 0 if there is none.
    pub async fn seq(&self, log: LogNo) -> Result<u64, Error> {
        let rows = self.query("SELECT seq FROM cursor WHERE log = $1", &[log.into()]).await?;
        unsigned(rows.first().and_then(|row| row.first()).map_or(0, Value::number))
    }

    /// The logs that have a cursor, and how far each of them is.
    pub async fn logs(&self) -> Result<Vec<(LogNo, u64)>, Error> {
        let rows = self.query("SELECT log, seq FROM cursor ORDER BY log", &[]).await?;
        rows.iter()
            .map(|row| match row.as_slice() {
                [log, seq] => Ok((LogNo::read(log)?, unsigned(seq.number())?)),
                _ => Err(out_of_range()),
            })
            .collect()
    }

    /// Takes the cursor of `log` away from whoever has it, for `node`; nobody's name, `""`, leaves
    /// it free to be taken by a node.
    pub async fn take(&self, log: LogNo, node: &str) -> Result<Cursor, Error> {
        let taken = self.query(&format!("{TAKE}{RETURNING}"), &[log.into(), node.into()]).await?;
        cursor(log, &taken)?.ok_or_else(out_of_range)
    }

    /// Takes the cursor of `log` for `node`, if nobody has it, `node` has it, or whoever has it has
    /// not renewed it for `stale`, by the database's clock.
    ///
    /// That a lease ran out proves nothing about whoever had it; that its writes fail does, and
    /// they fail because the epoch is another one.
    pub async fn try_take(
        &self,
        log: LogNo,
        node: &str,
        stale: Duration,
    ) -> Result<Option<Cursor>, Error> {
        let stale = i64::try_from(stale.as_millis()).unwrap_or(i64::MAX >> 1);
        let values = [log.into(), node.into(), stale.into()];
        cursor(log, &self.query(&format!("{TAKE}{IF_FREE}{RETURNING}"), &values).await?)
    }

    /// Says that the owner is alive. A batch that is written says so as well.
    pub async fn renew(&self, cursor: Cursor) -> Result<(), Error> {
        let renew =
            "UPDATE cursor SET renewed_at_ms = now_ms() WHERE log = $1 AND owner_epoch = $2";
        let values = [cursor.log.into(), cursor.owner_epoch.into()];
        if self.db.execute(renew, &values).await? == 1 {
            return Ok(());
        }
        let epoch = "SELECT owner_epoch FROM cursor WHERE log = $1";
        let rows = self.query(epoch, &[cursor.log.into()]).await?;
        let owner_epoch = rows.first().and_then(|row| row.first()).map_or(0, Value::number);
        Err(Error::Lost { owner_epoch })
    }

    /// Leaves the cursor to whoever wants it; nothing if somebody has it already.
    pub async fn release(&self, cursor: Cursor) -> Result<(), Error> {
        let release = "UPDATE cursor SET owner = '', owner_epoch = owner_epoch + 1
                       WHERE log = $1 AND owner_epoch = $2";
        self.db.execute(release, &[cursor.log.into(), cursor.owner_epoch.into()]).await?;
        Ok(())
    }

    /// Begins a transaction in which the cursor stands at `to`; `None` if it stood there already.
    ///
    /// The first statement writes, so from here on nobody else writes this log.
    pub(super) async fn advance(&self, cursor: Cursor, to: u64) -> Result<Option<Tx>, Error> {
        let mut tx = self.db.begin().await?;
        let advance = "UPDATE cursor SET seq = $1, renewed_at_ms = now_ms()
                       WHERE log = $2 AND seq = $3 AND owner_epoch = $4";
        let (from, to) = (signed(cursor.seq)?, signed(to)?);
        let values = [to.into(), cursor.log.into(), from.into(), cursor.owner_epoch.into()];
        if tx.execute(advance, &values).await? == 1 {
            return Ok(Some(tx));
        }
        let there = "SELECT seq, owner_epoch FROM cursor WHERE log = $1";
        let rows = tx.fetch(there, &[cursor.log.into()]).await?;
        let there = rows.first().map_or([0, 0], |row| match row.as_slice() {
            [seq, epoch] => [seq.number(), epoch.number()],
            _ => [0, 0],
        });
        let [seq, owner_epoch] = there;
        if owner_epoch != cursor.owner_epoch {
            return Err(Error::Lost { owner_epoch });
        }
        if seq == to {
            return Ok(None);
        }
        let why = format!("the cursor stands at {seq}, not at {from}");
        Err(Error::Contradiction { table: "cursor", why })
    }
}

impl From<LogNo> for Value {
    fn from(log: LogNo) -> Value {
        log.0.into()
    }
}

impl LogNo {
    pub(super) fn read(value: &Value) -> Result<LogNo, Error> {
        u32::try_from(value.number()).map(LogNo).map_err(|_| out_of_range())
    }
}

fn cursor(log: LogNo, taken: &[Vec<Value>]) -> Result<Option<Cursor>, Error> {
    let Some([seq, epoch]) = taken.first().map(Vec::as_slice) else { return Ok(None) };
    Ok(Some(Cursor { log, seq: unsigned(seq.number())?, owner_epoch: epoch.number() }))
}

pub(super) fn signed(seq: u64) -> Result<i64, Error> {
    i64::try_from(seq).map_err(|_| out_of_range())
}

pub(super) fn unsigned(seq: i64) -> Result<u64, Error> {
    u64::try_from(seq).map_err(|_| out_of_range())
}

fn out_of_range() -> Error {
    Error::Contradiction { table: "cursor", why: "a number is beyond its type".to_owned() }
}
