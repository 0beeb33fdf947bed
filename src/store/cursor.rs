//! How far a shard's log is in the store, and who may carry it on.

use super::{Error, Store};
use sqlx::{SqliteConnection, SqliteTransaction};

/// The right to write a shard's rows, until somebody else takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The shard.
    pub shard: u32,
    /// The last entry that is in the store.
    pub seq: u64,
    /// The owner's number: each owner has a higher one than the one before.
    pub owner_epoch: i64,
}

impl Store {
    /// The last entry of `shard` that is in the store; 0 if there is none.
    pub async fn seq(&self, shard: u32) -> Result<u64, Error> {
        let seq: Option<i64> = sqlx::query_scalar("SELECT seq FROM cursor WHERE shard = $1")
            .bind(shard)
            .fetch_optional(&self.pool)
            .await?;
        unsigned(seq.unwrap_or(0))
    }

    /// Takes the cursor of `shard` away from whoever has it.
    pub async fn take(&self, shard: u32) -> Result<Cursor, Error> {
        let mut tx = self.pool.begin().await?;
        let taken: Option<(i64, i64)> = sqlx::query_as(
            "UPDATE cursor SET owner_epoch = owner_epoch + 1 WHERE shard = $1
             RETURNING seq, owner_epoch",
        )
        .bind(shard)
        .fetch_optional(&mut *tx)
        .await?;
        let (seq, owner_epoch) = match taken {
            Some(taken) => taken,
            None => first(&mut tx, shard).await?,
        };
        tx.commit().await?;
        Ok(Cursor { shard, seq: unsigned(seq)?, owner_epoch })
    }

    /// Begins a transaction in which the cursor stands at `to`; `None` if it stood there already.
    ///
    /// The first statement writes, so from here on nobody else does.
    pub(super) async fn advance(
        &self,
        cursor: Cursor,
        to: u64,
    ) -> Result<Option<SqliteTransaction<'static>>, Error> {
        let mut tx = self.pool.begin().await?;
        let moved = sqlx::query(
            "UPDATE cursor SET seq = $1 WHERE shard = $2 AND seq = $3 AND owner_epoch = $4",
        )
        .bind(signed(to)?)
        .bind(cursor.shard)
        .bind(signed(cursor.seq)?)
        .bind(cursor.owner_epoch)
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 1 {
            return Ok(Some(tx));
        }
        let (seq, owner_epoch): (i64, i64) =
            sqlx::query_as("SELECT seq, owner_epoch FROM cursor WHERE shard = $1")
                .bind(cursor.shard)
                .fetch_one(&mut *tx)
                .await?;
        if owner_epoch != cursor.owner_epoch {
            return Err(Error::Lost { owner_epoch });
        }
        if seq == signed(to)? {
            return Ok(None);
        }
        let why = format!("the cursor stands at {seq}, not at {}", cursor.seq);
        Err(Error::Contradiction { table: "cursor", why })
    }
}

async fn first(connection: &mut SqliteConnection, shard: u32) -> Result<(i64, i64), Error> {
    sqlx::query("INSERT INTO cursor (shard, seq, owner_epoch) VALUES ($1, 0, 1)")
        .bind(shard)
        .execute(connection)
        .await?;
    Ok((0, 1))
}

fn signed(seq: u64) -> Result<i64, Error> {
    i64::try_from(seq).map_err(|_| out_of_range())
}

fn unsigned(seq: i64) -> Result<u64, Error> {
    u64::try_from(seq).map_err(|_| out_of_range())
}

fn out_of_range() -> Error {
    Error::Contradiction { table: "cursor", why: "the seq is beyond 63 bits".to_owned() }
}
