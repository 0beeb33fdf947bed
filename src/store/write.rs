//! Writing a batch: many rows a statement, everything in one transaction.

use super::{Cursor, Error, Rows, Store, rows::Change};
use crate::domain::{CampaignNo, KindNo, PoolNo, RoundNo};
use crate::funds::Account;
use crate::ledger::event::Interlock;
use sqlx::{
    QueryBuilder, Sqlite, SqliteConnection, SqliteTransaction, error::ErrorKind,
    query_builder::Separated,
};

/// So many rows go into a statement; with ten columns far below every database's limit.
const ROWS: usize = 500;

type Row<'a> = Separated<'a, Sqlite, &'static str>;

impl Store {
    /// Writes `rows` and moves the cursor to `to`, both or neither; `false` if the cursor was
    /// there already.
    pub async fn write(&self, cursor: Cursor, to: u64, rows: &Rows) -> Result<bool, Error> {
        let Some(tx) = self.stage(cursor, to, rows).await? else { return Ok(false) };
        tx.commit().await?;
        Ok(true)
    }

    /// All of [`Store::write`] but the commit.
    pub(crate) async fn stage(
        &self,
        cursor: Cursor,
        to: u64,
        rows: &Rows,
    ) -> Result<Option<SqliteTransaction<'static>>, Error> {
        let Some(mut tx) = self.advance(cursor, to).await? else { return Ok(None) };
        write_log(&mut tx, cursor.shard, rows).await?;
        write_terms(&mut tx, rows).await?;
        write_passes(&mut tx, rows).await?;
        write_coupons(&mut tx, rows).await?;
        write_money(&mut tx, cursor.shard, rows).await?;
        Ok(Some(tx))
    }
}

async fn write_log(tx: &mut SqliteConnection, shard: u32, rows: &Rows) -> Result<(), Error> {
    let head = "INSERT INTO events (shard, seq, at_ms, body) ";
    insert(tx, "events", head, &rows.events, |mut row, (seq, at, body)| {
        row.push_bind(shard).push_bind(*seq).push_bind(at.0).push_bind(body.clone());
    })
    .await
}

/// Campaigns, pools, kinds, rounds and their stock.
async fn write_terms(tx: &mut SqliteConnection, rows: &Rows) -> Result<(), Error> {
    let head = "INSERT INTO campaigns (campaign, name) ";
    insert(tx, "campaigns", head, &rows.campaigns, |mut row, (campaign, name)| {
        row.push_bind(campaign.0).push_bind(name.clone());
    })
    .await?;
    let head = "INSERT INTO pools (campaign, pool, name) ";
    insert(tx, "pools", head, &rows.pools, |mut row, (campaign, pool, name)| {
        row.push_bind(campaign.0).push_bind(pool.0).push_bind(name.clone());
    })
    .await?;
    let head = "INSERT INTO kinds (campaign, kind, name, pool, face_fen) ";
    insert(tx, "kinds", head, &rows.kinds, |mut row, (campaign, kind, terms)| {
        row.push_bind(campaign.0).push_bind(kind.0).push_bind(terms.name.clone());
        row.push_bind(terms.pool.0).push_bind(terms.face.get().cast_signed());
    })
    .await?;
    let head = "INSERT INTO rounds (campaign, round, opens_at_ms, ends_at_ms) ";
    insert(tx, "rounds", head, &rows.rounds, |mut row, (campaign, round, opens, ends)| {
        row.push_bind(campaign.0).push_bind(round.0).push_bind(opens.0).push_bind(ends.0);
    })
    .await?;
    let head = "INSERT INTO stock (campaign, round, kind, quantity) ";
    insert(tx, "stock", head, &rows.stock, |mut row, (campaign, round, kind, quantity)| {
        row.push_bind(campaign.0).push_bind(round.0).push_bind(kind.0).push_bind(*quantity);
    })
    .await
}

async fn write_passes(tx: &mut SqliteConnection, rows: &Rows) -> Result<(), Error> {
    let head =
        "INSERT INTO passes (campaign, round, pass, person, kinds, bound_at_ms, expires_at_ms) ";
    insert(tx, "passes", head, &rows.passes, |mut row, (campaign, at, bound)| {
        row.push_bind(campaign.0).push_bind(bound.round.0);
        row.push_bind(bound.pass.0.to_vec()).push_bind(bound.person.0.to_vec());
        row.push_bind(bound.kinds.0).push_bind(at.0).push_bind(bound.expires_at.0);
    })
    .await?;
    let head = "INSERT INTO proofs (campaign, round, proof, pass) ";
    insert(tx, "proofs", head, &rows.proofs, |mut row, (campaign, round, proof, pass)| {
        row.push_bind(campaign.0).push_bind(round.0);
        row.push_bind(proof.0.to_vec()).push_bind(pass.0.to_vec());
    })
    .await?;
    let bindings: Vec<_> = rows.bindings.iter().collect();
    let head = "INSERT INTO bindings (campaign, round, identifier_kind, identifier, person) ";
    // A person's next pass binds the same identifiers again. One that is somebody else's is left
    // as it is, so fewer rows change than were given, and that is a contradiction.
    let tail = " ON CONFLICT (campaign, round, identifier_kind, identifier)
                 DO UPDATE SET person = excluded.person WHERE bindings.person = excluded.person";
    insert_or(tx, "bindings", head, tail, &bindings, |mut row, (key, person)| {
        let (campaign, round, kind, identifier) = key;
        row.push_bind(campaign.0).push_bind(round.0).push_bind(*kind as u8);
        row.push_bind(identifier.0.to_vec()).push_bind(person.0.to_vec());
    })
    .await
}

async fn write_coupons(tx: &mut SqliteConnection, rows: &Rows) -> Result<(), Error> {
    let head = "INSERT INTO coupons (campaign, round, kind, ordinal, number, person, pass, \
                granted_at_ms, ends_at_ms) ";
    insert(tx, "coupons", head, &rows.coupons, |mut row, (campaign, at, granted)| {
        let coupon = granted.coupon;
        row.push_bind(campaign.0).push_bind(coupon.round.0).push_bind(coupon.kind.0);
        row.push_bind(coupon.ordinal).push_bind(coupon.to_string());
        row.push_bind(granted.person.0.to_vec()).push_bind(granted.pass.0.to_vec());
        row.push_bind(at.0).push_bind(granted.ends_at.0);
    })
    .await?;
    for (key, (first, last)) in &rows.granted {
        count(tx, *key, *first, *last).await?;
    }
    for (campaign, round) in &rows.expired {
        expire(tx, *campaign, *round).await?;
    }
    Ok(())
}

async fn write_money(tx: &mut SqliteConnection, shard: u32, rows: &Rows) -> Result<(), Error> {
    let head = "INSERT INTO postings (shard, seq, line, campaign, pool, source, target, fen) ";
    insert(tx, "postings", head, &rows.postings, |mut row, (seq, line, campaign, posting)| {
        row.push_bind(shard).push_bind(*seq).push_bind(*line);
        row.push_bind(campaign.0).push_bind(posting.pool.0);
        row.push_bind(account(posting.from)).push_bind(account(posting.to));
        row.push_bind(posting.fen.get().cast_signed());
    })
    .await?;
    for ((campaign, pool), change) in &rows.balances {
        balance(tx, *campaign, *pool, *change).await?;
    }
    let head = "INSERT INTO interlock (shard, seq, line, campaign, change, at_ms) ";
    insert(tx, "interlock", head, &rows.interlock, |mut row, (seq, line, campaign, change, at)| {
        let change = match change {
            Interlock::Tripped => "tripped",
            Interlock::Resumed => "resumed",
        };
        row.push_bind(shard).push_bind(*seq).push_bind(*line);
        row.push_bind(campaign.0).push_bind(change).push_bind(at.0);
    })
    .await
}

/// The stock goes on exactly where the coupons before these ended (I1).
async fn count(
    tx: &mut SqliteConnection,
    (campaign, round, kind): (CampaignNo, RoundNo, KindNo),
    first: u32,
    last: u32,
) -> Result<(), Error> {
    let statement = "UPDATE stock SET granted = $1
                     WHERE campaign = $2 AND round = $3 AND kind = $4 AND granted = $5";
    let query = sqlx::query(statement).bind(last).bind(campaign.0).bind(round.0).bind(kind.0);
    let done = query.bind(i64::from(first) - 1).execute(tx).await;
    one(done, "stock", || format!("coupon {first} of {round:?} and {kind:?} is not the next one"))
}

async fn expire(
    tx: &mut SqliteConnection,
    campaign: CampaignNo,
    round: RoundNo,
) -> Result<(), Error> {
    let statement =
        "UPDATE rounds SET expired = 1 WHERE campaign = $1 AND round = $2 AND expired = 0";
    let done = sqlx::query(statement).bind(campaign.0).bind(round.0).execute(tx).await;
    one(done, "rounds", || format!("{round:?} is not there or has expired before"))
}

async fn balance(
    tx: &mut SqliteConnection,
    campaign: CampaignNo,
    pool: PoolNo,
    change: Change,
) -> Result<(), Error> {
    let statement = "UPDATE pools SET budget_fen = budget_fen + $1,
                         available_fen = available_fen + $2,
                         reserved_fen = reserved_fen + $3,
                         frozen_fen = frozen_fen + $4
                     WHERE campaign = $5 AND pool = $6";
    let query = sqlx::query(statement).bind(change.budget).bind(change.available);
    let query = query.bind(change.reserved).bind(change.frozen);
    let done = query.bind(campaign.0).bind(pool.0).execute(tx).await;
    one(done, "pools", || format!("{pool:?} is not there"))
}

fn account(account: Account) -> &'static str {
    match account {
        Account::Treasury => "treasury",
        Account::Available => "available",
        Account::Reserved => "reserved",
        Account::Frozen => "frozen",
    }
}

/// Inserts `rows`: all of them, or it is an error.
async fn insert<T>(
    tx: &mut SqliteConnection,
    table: &'static str,
    head: &'static str,
    rows: &[T],
    bind: impl Fn(Row<'_>, &T),
) -> Result<(), Error> {
    insert_or(tx, table, head, "", rows, bind).await
}

async fn insert_or<T>(
    tx: &mut SqliteConnection,
    table: &'static str,
    head: &'static str,
    tail: &'static str,
    rows: &[T],
    bind: impl Fn(Row<'_>, &T),
) -> Result<(), Error> {
    for some in rows.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(head);
        query.push_values(some, &bind).push(tail);
        // Full statements are all alike and worth keeping.
        let done = query.build().persistent(some.len() == ROWS).execute(&mut *tx).await;
        let written = done.map_err(|error| contradicts(table, error))?.rows_affected();
        if written != some.len() as u64 {
            let why = format!(
                "{} rows of {} are otherwise there",
                some.len() as u64 - written,
                some.len()
            );
            return Err(Error::Contradiction { table, why });
        }
    }
    Ok(())
}

fn one(
    done: Result<sqlx::sqlite::SqliteQueryResult, sqlx::Error>,
    table: &'static str,
    why: impl FnOnce() -> String,
) -> Result<(), Error> {
    match done.map_err(|error| contradicts(table, error))?.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::Contradiction { table, why: why() }),
    }
}

/// A broken constraint is a contradiction; any other fault may pass.
fn contradicts(table: &'static str, error: sqlx::Error) -> Error {
    match error.as_database_error() {
        Some(database) if !matches!(database.kind(), ErrorKind::Other) => {
            Error::Contradiction { table, why: database.message().to_owned() }
        }
        _ => error.into(),
    }
}
