//! Nodes that share the logs, and what they say to each other when one has to be recovered.
//!
//! Everything here repeats safely: a node that does not know whether its word arrived says it again.

use super::{Error, LogNo, Record, Store, Value, cursor::signed, cursor::unsigned};
use crate::domain::CampaignNo;

/// A node that made itself known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub node: String,
    /// How long ago it was seen, by the database's clock.
    pub seen_ms_ago: i64,
    /// Whether it left: it tells nobody anything any more, and is not asked.
    pub left: bool,
    /// How long ago people gave it up, if they did.
    pub given_up_ms_ago: Option<i64>,
}

/// A recovery of a log's epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The log.
    pub log: LogNo,
    /// The epoch that is to be closed.
    pub epoch: u64,
    /// The node that asked for it.
    pub asked_by: String,
    /// How long ago, by the database's clock.
    pub asked_ms_ago: i64,
}

/// A node's word that it tells nobody anything of an epoch any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The node.
    pub node: String,
    /// The last entry that it told anybody of; 0 if none.
    pub acked_seq: u64,
}

/// An entry of an epoch that a node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The node.
    pub node: String,
    /// The entry.
    pub record: Record,
}

impl Store {
    /// Makes a node known, or known again after a restart.
    pub async fn register(&self, node: &str) -> Result<(), Error> {
        let register = "INSERT INTO nodes (node, started_at_ms, seen_at_ms)
            VALUES ($1, now_ms(), now_ms())
            ON CONFLICT (node) DO UPDATE SET started_at_ms = excluded.started_at_ms,
                seen_at_ms = excluded.seen_at_ms, gone = 0, given_up_at_ms = NULL";
        self.db.execute(register, &[node.into()]).await?;
        Ok(())
    }

    /// Says that a node is there; `false` if it is not registered, or has left.
    pub async fn seen(&self, node: &str) -> Result<bool, Error> {
        let seen = "UPDATE nodes SET seen_at_ms = now_ms() WHERE node = $1 AND gone = 0";
        Ok(self.db.execute(seen, &[node.into()]).await? == 1)
    }

    /// Says that a node tells nobody anything any more, so that it need not be asked.
    pub async fn leave(&self, node: &str) -> Result<(), Error> {
        let leave = "UPDATE nodes SET gone = 1 WHERE node = $1";
        self.db.execute(leave, &[node.into()]).await?;
        Ok(())
    }

    /// Says that nobody waits for a node any more: logs go on without what only it knows.
    pub async fn give_up(&self, node: &str) -> Result<(), Error> {
        let give_up =
            "UPDATE nodes SET gone = 1, given_up_at_ms = now_ms() WHERE node = $1 AND gone = 0";
        self.db.execute(give_up, &[node.into()]).await?;
        Ok(())
    }

    /// All nodes that ever made themselves known, in the order of their ids.
    pub async fn nodes(&self) -> Result<Vec<Registered>, Error> {
        let nodes = "SELECT node, now_ms() - seen_at_ms, gone,
                     COALESCE(now_ms() - given_up_at_ms, -1) FROM nodes";
        let mut nodes: Vec<Registered> = self
            .all(nodes, &[], |[node, ago, gone, given_up]| {
                Ok(Registered {
                    node: node.text(),
                    seen_ms_ago: ago.number(),
                    left: gone.number() != 0,
                    given_up_ms_ago: Some(given_up.number()).filter(|ms| *ms >= 0),
                })
            })
            .await?;
        nodes.sort_by(|a, b| a.node.cmp(&b.node));
        Ok(nodes)
    }

    /// Asks every node to close an epoch of `log`; `false` if that was asked before.
    pub async fn ask_recovery(&self, log: LogNo, epoch: u64, node: &str) -> Result<bool, Error> {
        let ask = "INSERT INTO recoveries (log, epoch, asked_by, asked_at_ms)
                   VALUES ($1, $2, $3, now_ms()) ON CONFLICT (log, epoch) DO NOTHING";
        let values = [log.into(), signed(epoch)?.into(), node.into()];
        Ok(self.db.execute(ask, &values).await? == 1)
    }

    /// Recoveries that were asked for and are not finished.
    pub async fn open_recoveries(&self) -> Result<Vec<Recovery>, Error> {
        let open =
            "SELECT log, epoch, asked_by, now_ms() - asked_at_ms FROM recoveries WHERE done = 0
                    ORDER BY log, epoch";
        self.all(open, &[], |[log, epoch, by, ago]| {
            Ok(Recovery {
                log: LogNo::read(&log)?,
                epoch: unsigned(epoch.number())?,
                asked_by: by.text(),
                asked_ms_ago: ago.number(),
            })
        })
        .await
    }

    /// Says that `node` tells nobody anything of that epoch any more, up to which entry it did, and
    /// what it knows of it: both or neither. Said again, it must be the same.
    pub async fn close_epoch(
        &self,
        log: LogNo,
        epoch: u64,
        node: &str,
        acked_seq: u64,
        entries: &[Record],
    ) -> Result<(), Error> {
        let epoch = signed(epoch)?;
        let acked = signed(acked_seq)?;
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            rows.push((signed(entry.seq)?, entry));
        }
        let mut tx = self.db.begin().await?;
        let close = "INSERT INTO closings (log, epoch, node, acked_seq) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (log, epoch, node) DO UPDATE SET acked_seq = excluded.acked_seq
                         WHERE closings.acked_seq = excluded.acked_seq";
        let values = [log.into(), epoch.into(), node.into(), acked.into()];
        let done = tx.execute(close, &values).await;
        let closed = done.map_err(|error| Error::in_table("closings", error))?;
        let head = "INSERT INTO evidence (log, epoch, node, seq, at_ms, body)";
        let tail = "ON CONFLICT (log, epoch, node, seq) DO UPDATE SET body = excluded.body
                    WHERE evidence.body = excluded.body AND evidence.at_ms = excluded.at_ms";
        let done = tx.insert(head, tail, &rows, |(seq, entry)| {
            let key = [log.into(), epoch.into(), node.into(), (*seq).into()];
            [&key[..], &[entry.at.0.into(), entry.body.as_slice().into()]].concat()
        });
        let told = done.await.map_err(|error| Error::in_table("evidence", error))?;
        if closed != 1 || told != entries.len() as u64 {
            let table = if closed == 1 { "evidence" } else { "closings" };
            let why = format!("{node} has closed epoch {epoch} of log {log} otherwise");
            return Err(Error::Contradiction { table, why });
        }
        tx.commit().await?;
        Ok(())
    }

    /// The last epoch of `log` that was to be closed; 0 if none.
    pub async fn closed(&self, log: LogNo) -> Result<u64, Error> {
        let last = "SELECT COALESCE(MAX(epoch), 0) FROM recoveries WHERE log = $1";
        let rows = self.query(last, &[log.into()]).await?;
        unsigned(rows.first().and_then(|row| row.first()).map_or(0, Value::number))
    }

    /// Campaigns and their names.
    pub async fn campaigns(&self) -> Result<Vec<(CampaignNo, String)>, Error> {
        let campaigns = "SELECT campaign, name FROM campaigns ORDER BY campaign";
        self.all(campaigns, &[], |[no, name]| {
            let no = u16::try_from(no.number()).map(CampaignNo);
            Ok((no.unwrap_or(CampaignNo(u16::MAX)), name.text()))
        })
        .await
    }

    /// The last epoch of `log` whose recovery is finished; 0 if none.
    pub async fn recovered(&self, log: LogNo) -> Result<u64, Error> {
        let last = "SELECT COALESCE(MAX(epoch), 0) FROM recoveries WHERE log = $1 AND done = 1";
        let rows = self.query(last, &[log.into()]).await?;
        unsigned(rows.first().and_then(|row| row.first()).map_or(0, Value::number))
    }

    /// The epochs of `log` whose recovery is finished, and whether `node` had closed them.
    pub async fn recovered_with(&self, log: LogNo, node: &str) -> Result<Vec<(u64, bool)>, Error> {
        let epochs =
            "SELECT epoch, (SELECT COUNT(*) FROM closings AS its WHERE its.log = recoveries.log
                          AND its.epoch = recoveries.epoch AND its.node = $2)
                      FROM recoveries WHERE log = $1 AND done = 1 ORDER BY epoch";
        self.all(epochs, &[log.into(), node.into()], |[epoch, closed]| {
            Ok((unsigned(epoch.number())?, closed.number() != 0))
        })
        .await
    }

    /// Who has closed an epoch.
    pub async fn closings(&self, log: LogNo, epoch: u64) -> Result<Vec<Closing>, Error> {
        let closings = "SELECT node, acked_seq FROM closings WHERE log = $1 AND epoch = $2";
        let values = [log.into(), signed(epoch)?.into()];
        self.all(closings, &values, |[node, acked]| {
            Ok(Closing { node: node.text(), acked_seq: unsigned(acked.number())? })
        })
        .await
    }

    /// What the nodes know of an epoch, in the order of its entries.
    pub async fn evidence(&self, log: LogNo, epoch: u64) -> Result<Vec<Evidence>, Error> {
        let evidence = "SELECT node, seq, at_ms, body FROM evidence WHERE log = $1 AND epoch = $2
                        ORDER BY seq";
        let values = [log.into(), signed(epoch)?.into()];
        self.all(evidence, &values, |[node, seq, at, body]| {
            Ok(Evidence { node: node.text(), record: Record::read(vec![seq, at, body])? })
        })
        .await
    }

    /// Says that an epoch's log goes on in the next one.
    pub async fn finish_recovery(&self, log: LogNo, epoch: u64) -> Result<(), Error> {
        let finish = "UPDATE recoveries SET done = 1 WHERE log = $1 AND epoch = $2";
        self.db.execute(finish, &[log.into(), signed(epoch)?.into()]).await?;
        Ok(())
    }

    /// The rows of a query with so many columns, each read by `read`.
    pub(super) async fn all<const N: usize, T>(
        &self,
        sql: &str,
        values: &[Value],
        read: impl Fn([Value; N]) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.query(sql, values).await?;
        let rows = rows.into_iter().filter_map(|row| <[Value; N]>::try_from(row).ok());
        rows.map(read).collect()
    }
}
