//! Writing a batch: many rows a statement, everything in one transaction.

mod deeds;

use super::{
    Cursor, Error, LogNo, Rows, Store, Value, Values,
    rows::{Change, Direction, Stock},
    sql::Tx,
};
use crate::domain::{CampaignNo, Fen, KindNo, PoolNo, RoundNo, Shard};
use crate::ledger::event::{Decided, Interlock, Load};
use std::collections::BTreeMap;

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
    ) -> Result<Option<Tx>, Error> {
        let Some(tx) = self.advance(cursor, to).await? else { return Ok(None) };
        let mut batch = Batch { tx, log: cursor.log };
        batch.terms(rows).await?;
        batch.stock(rows).await?;
        batch.passes(rows).await?;
        batch.coupons(rows).await?;
        batch.deeds(rows).await?;
        batch.money(rows).await?;
        batch.rest(rows).await?;
        Ok(Some(batch.tx))
    }

    /// Which shard of its campaigns `log` is, as far as it is in the store.
    pub async fn shards(&self, log: LogNo) -> Result<BTreeMap<CampaignNo, Shard>, Error> {
        let openings = "SELECT campaign, shard, shards FROM openings WHERE log = $1";
        let rows = self.query(openings, &[log.into()]).await?;
        let shard = |row: &Values| match row.as_slice() {
            [campaign, no, of] => {
                let campaign = CampaignNo(u16::try_from(campaign.number()).ok()?);
                let no = u8::try_from(no.number()).ok()?;
                Some((campaign, Shard { no, of: u8::try_from(of.number()).ok()? }))
            }
            _ => None,
        };
        let wrong = || Error::Contradiction { table: "openings", why: "not a shard".to_owned() };
        rows.iter().map(|row| shard(row).ok_or_else(wrong)).collect()
    }
}

/// The rows of one log on their way into the store.
struct Batch {
    tx: Tx,
    log: LogNo,
}

impl Batch {
    /// Campaigns, pools, kinds and rounds. What other logs say of a campaign they have to say alike.
    async fn terms(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        for (campaign, name) in &rows.campaigns {
            self.campaign(*campaign, name).await?;
        }
        let agree = "ON CONFLICT (campaign, kind) DO UPDATE SET name = excluded.name
                     WHERE kinds.name = excluded.name AND kinds.pool = excluded.pool
                         AND kinds.face_fen = excluded.face_fen
                         AND kinds.threshold_fen = excluded.threshold_fen";
        let head = "INSERT INTO kinds (campaign, kind, name, pool, face_fen, threshold_fen)";
        self.insert("kinds", head, agree, &rows.kinds, |(campaign, kind, terms)| {
            let [face, threshold] = [terms.face, terms.threshold].map(Value::from);
            let (name, pool) = (terms.name.as_str().into(), terms.pool.0.into());
            vec![campaign.0.into(), kind.0.into(), name, pool, face, threshold]
        })
        .await?;
        let head = "INSERT INTO openings (log, campaign, shard, shards)";
        self.insert("openings", head, "", &rows.openings, |(campaign, shard)| {
            vec![log.into(), campaign.0.into(), shard.no.into(), shard.of.into()]
        })
        .await?;
        let head = "INSERT INTO pools (log, campaign, pool, name)";
        self.insert("pools", head, "", &rows.pools, |(campaign, pool, name)| {
            vec![log.into(), campaign.0.into(), pool.0.into(), name.as_str().into()]
        })
        .await?;
        let (armed, received): (Vec<_>, Vec<_>) = rows.rounds.iter().partition(|(_, it)| it.1);
        let agree =
            "ON CONFLICT (log, campaign, round) DO UPDATE SET ends_at_ms = excluded.ends_at_ms
                     WHERE rounds.opens_at_ms = excluded.opens_at_ms
                         AND rounds.ends_at_ms = excluded.ends_at_ms";
        for (rounds, tail) in [(armed, ""), (received, agree)] {
            let head = "INSERT INTO rounds (log, campaign, round, opens_at_ms, ends_at_ms)";
            self.insert("rounds", head, tail, &rounds, |((campaign, round), (window, _))| {
                let key = [log.into(), campaign.0.into(), round.0.into()];
                [&key[..], &[window.from.0.into(), window.until.0.into()]].concat()
            })
            .await?;
        }
        Ok(())
    }

    /// A campaign, which another log may be writing at this moment: no conflict is one before what
    /// the other wrote is seen. PostgreSQL watches for both at once only the keys that a conflict
    /// names, and of a name it would say that it is taken.
    async fn campaign(&mut self, campaign: CampaignNo, name: &str) -> Result<(), Error> {
        let values = [campaign.0.into(), name.into()];
        let insert =
            "INSERT INTO campaigns (campaign, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let done = self.tx.execute(insert, &values).await;
        done.map_err(|error| Error::in_table("campaigns", error))?;
        let same = "UPDATE campaigns SET name = name WHERE campaign = $1 AND name = $2";
        let why = || format!("campaign {} or the name {name:?} is otherwise there", campaign.0);
        self.one("campaigns", same, &values, why).await
    }

    async fn stock(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        let head = "INSERT INTO stock (log, campaign, round, kind)";
        let key = |((campaign, round, kind), _): &(&(CampaignNo, RoundNo, KindNo), &Stock)| {
            vec![log.into(), campaign.0.into(), round.0.into(), kind.0.into()]
        };
        let armed: Vec<_> = rows.stock.iter().filter(|(_, stock)| stock.armed).collect();
        self.insert("stock", head, "", &armed, key).await?;
        let received: Vec<_> =
            rows.stock.iter().filter(|(_, stock)| stock.received && !stock.armed).collect();
        let there = "ON CONFLICT (log, campaign, round, kind) DO UPDATE SET last = stock.last";
        self.insert("stock", head, there, &received, key).await?;
        for (key, stock) in &rows.stock {
            self.change(*key, *stock).await?;
        }
        Ok(())
    }

    /// The stock goes on where the coupons before these ended (I1): in the embedded log exactly
    /// there, in others ahead of it, since an entry that was lost took its turn with it.
    async fn change(
        &mut self,
        (campaign, round, kind): (CampaignNo, RoundNo, KindNo),
        stock: Stock,
    ) -> Result<(), Error> {
        let Stock { units, granted, first, last, .. } = stock;
        let key = [self.log.into(), campaign.0.into(), round.0.into(), kind.0.into(), units.into()];
        if granted == 0 {
            let change = "UPDATE stock SET quantity = quantity + $5
                          WHERE log = $1 AND campaign = $2 AND round = $3 AND kind = $4";
            let why = || format!("{round:?} has no stock of {kind:?}");
            return self.one("stock", change, &key, why).await;
        }
        let least = if self.log == LogNo::EMBEDDED { first.saturating_sub(1) } else { 0 };
        let change = "UPDATE stock SET quantity = quantity + $5, granted = granted + $6, last = $7
                      WHERE log = $1 AND campaign = $2 AND round = $3 AND kind = $4
                          AND last >= $8 AND last < $9";
        let of = [granted.into(), last.into(), least.into(), first.into()];
        let why = || format!("turn {first} of {round:?} and {kind:?} is not the next one");
        self.one("stock", change, &[&key[..], &of].concat(), why).await
    }

    async fn passes(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        let head = "INSERT INTO passes
                    (log, campaign, round, pass, person, kinds, bound_at_ms, expires_at_ms)";
        self.insert("passes", head, "", &rows.passes, |(campaign, at, passed)| {
            vec![
                log.into(),
                campaign.0.into(),
                passed.round.0.into(),
                passed.pass.0[..].into(),
                passed.person.0[..].into(),
                passed.kinds.0.into(),
                at.0.into(),
                passed.expires_at.0.into(),
            ]
        })
        .await?;
        let head = "INSERT INTO proofs (campaign, round, proof, pass)";
        self.insert("proofs", head, "", &rows.proofs, |(campaign, round, proof, pass)| {
            vec![campaign.0.into(), round.0.into(), proof.0[..].into(), pass.0[..].into()]
        })
        .await?;
        let bindings: Vec<_> = rows.bindings.iter().collect();
        let head = "INSERT INTO bindings (campaign, round, identifier_kind, identifier, person)";
        // A person's next pass binds the same identifiers again. One that is somebody else's is left
        // as it is, so fewer rows change than were given, and that is a contradiction.
        let tail = "ON CONFLICT (campaign, round, identifier_kind, identifier)
                    DO UPDATE SET person = excluded.person WHERE bindings.person = excluded.person";
        self.insert("bindings", head, tail, &bindings, |(key, person)| {
            let (campaign, round, kind, identifier) = key;
            let kind = *kind as u8;
            let of = [identifier.0[..].into(), person.0[..].into()];
            [&[campaign.0.into(), round.0.into(), kind.into()], &of[..]].concat()
        })
        .await
    }

    async fn money(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        let head = "INSERT INTO postings (log, seq, line, campaign, pool, source, target, fen)";
        self.insert("postings", head, "", &rows.postings, |(seq, line, campaign, posting)| {
            vec![
                log.into(),
                (*seq).into(),
                (*line).into(),
                campaign.0.into(),
                posting.pool.0.into(),
                posting.from.name().into(),
                posting.to.name().into(),
                posting.fen.into(),
            ]
        })
        .await?;
        for ((campaign, pool), change) in &rows.balances {
            self.balance(*campaign, *pool, *change).await?;
        }
        Ok(())
    }

    async fn balance(
        &mut self,
        campaign: CampaignNo,
        pool: PoolNo,
        change: Change,
    ) -> Result<(), Error> {
        let update = "UPDATE pools SET budget_fen = budget_fen + $1,
                          available_fen = available_fen + $2,
                          reserved_fen = reserved_fen + $3,
                          frozen_fen = frozen_fen + $4,
                          consumed_fen = consumed_fen + $5,
                          payable_fen = payable_fen + $6,
                          paid_fen = paid_fen + $7
                      WHERE log = $8 AND campaign = $9 AND pool = $10";
        let Change { budget, available, reserved, frozen, consumed, payable, paid } = change;
        let by = [budget, available, reserved, frozen, consumed, payable, paid].map(Value::from);
        let key = [self.log.into(), campaign.0.into(), pool.0.into()];
        let why = || format!("{pool:?} is not there");
        self.one("pools", update, &[&by[..], &key].concat(), why).await
    }

    async fn coupons(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        let head = "INSERT INTO coupons (log, campaign, round, kind, ordinal, number, person, pass,
                    pool, fen, granted_at_ms, ends_at_ms)";
        self.insert("coupons", head, "", &rows.coupons, |(campaign, at, granted, posting)| {
            let coupon = granted.coupon;
            vec![
                log.into(),
                campaign.0.into(),
                coupon.round.0.into(),
                coupon.kind.0.into(),
                coupon.ordinal.into(),
                Value::Text(coupon.to_string()),
                granted.person.0[..].into(),
                granted.pass.0[..].into(),
                posting.pool.0.into(),
                posting.fen.into(),
                at.0.into(),
                granted.ends_at.0.into(),
            ]
        })
        .await?;
        for (campaign, round) in &rows.expired {
            let expire = "UPDATE rounds SET expired = 1
                          WHERE log = $1 AND campaign = $2 AND round = $3 AND expired = 0";
            let key = [log.into(), campaign.0.into(), round.0.into()];
            let why = || format!("{round:?} is not there or has expired before");
            self.one("rounds", expire, &key, why).await?;
        }
        Ok(())
    }

    /// Transfers, the interlock, decisions, and the entries themselves.
    async fn rest(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        let head = "INSERT INTO transfers
                    (log, seq, line, campaign, direction, peer, number, round, kind, units, pool)";
        self.insert("transfers", head, "", &rows.transfers, |transfer| {
            let (seq, line, campaign, direction, transfer) = transfer;
            let direction = match direction {
                Direction::Sent => "sent",
                Direction::Received => "received",
            };
            let load = match transfer.load {
                Load::Stock { round, kind, units, .. } => {
                    [round.0.into(), kind.0.into(), units.into(), Value::Null]
                }
                Load::Funds { pool } => [Value::Null, Value::Null, Value::Null, pool.0.into()],
            };
            let key = [log.into(), (*seq).into(), (*line).into(), campaign.0.into()];
            let pair = [direction.into(), transfer.peer.into(), transfer.number.into()];
            [&key[..], &pair, &load].concat()
        })
        .await?;
        let head = "INSERT INTO interlock (log, seq, line, campaign, change, at_ms)";
        self.insert("interlock", head, "", &rows.interlock, |(seq, line, campaign, change, at)| {
            let change = match change {
                Interlock::Tripped => "tripped",
                Interlock::Resumed => "resumed",
            };
            let key = [log.into(), (*seq).into(), (*line).into(), campaign.0.into()];
            [&key[..], &[change.into(), at.0.into()]].concat()
        })
        .await?;
        let head = "INSERT INTO decided (log, seq, line, campaign, decision, subject, persons)";
        self.insert("decided", head, "", &rows.decided, |(seq, line, campaign, decided)| {
            let persons: Vec<&str> = decided.signatures.iter().map(|it| it.by.as_str()).collect();
            let key = [log.into(), (*seq).into(), (*line).into(), campaign.0.into()];
            let Decided { statement, .. } = decided;
            let of = [statement.id().0[..].into(), statement.what.word().into()];
            [&key[..], &of, &[Value::Text(persons.join(", "))]].concat()
        })
        .await?;
        let head = "INSERT INTO events (log, seq, at_ms, body)";
        self.insert("events", head, "", &rows.events, |(seq, at, body)| {
            vec![log.into(), (*seq).into(), at.0.into(), body.as_slice().into()]
        })
        .await
    }

    /// Inserts `rows`: all of them, or it is an error.
    async fn insert<T>(
        &mut self,
        table: &'static str,
        head: &str,
        tail: &str,
        rows: &[T],
        values: impl Fn(&T) -> Values,
    ) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let done = self.tx.insert(head, tail, rows, values).await;
        let written = done.map_err(|error| Error::in_table(table, error))?;
        if written == rows.len() as u64 {
            return Ok(());
        }
        let other = rows.len() as u64 - written;
        let why = format!("{other} rows of {} are otherwise there", rows.len());
        Err(Error::Contradiction { table, why })
    }

    /// Changes one row, or it is an error.
    async fn one(
        &mut self,
        table: &'static str,
        update: &str,
        values: &[Value],
        why: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let done = self.tx.execute(update, values).await;
        match done.map_err(|error| Error::in_table(table, error))? {
            1 => Ok(()),
            _ => Err(Error::Contradiction { table, why: why() }),
        }
    }
}

/// The fold gives no amounts that are beyond the column.
impl From<Fen> for Value {
    fn from(fen: Fen) -> Value {
        fen.get().cast_signed().into()
    }
}
