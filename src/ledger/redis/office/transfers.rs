//! Transfers: stock and money between shards, sent in one log and received in the other.

use super::super::effects::{Compare, number};
use super::super::keys::Key;
use super::super::link::Item;
use super::super::shared::Places;
use super::super::standing::Standing;
use super::{AGAIN, Fault, Office};
use crate::domain::{Fen, PoolNo, RoundNo};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Event, Load, Transfer, What, codec};
use crate::ledger::machine::No;
use redis::{Value, cmd};
use tokio::time::sleep;

impl Office {
    /// Moves `load` from one shard to another: sent, received, forgotten. Interrupted, [`Office::finish`] goes on.
    pub(in crate::ledger::redis) async fn transfer(
        &self,
        places: &Places,
        from: u8,
        to: u8,
        load: Load,
    ) -> Result<bool, Fault> {
        self.send(places, from, to, load, None).await
    }

    /// Moves so much of what is available to another shard; `false` if there is not so much.
    pub(super) async fn transfer_money(
        &self,
        places: &Places,
        from: u8,
        to: u8,
        (pool, fen): (PoolNo, Fen),
    ) -> Result<bool, Fault> {
        self.send(places, from, to, Load::Funds { pool }, Some(fen)).await
    }

    async fn send(
        &self,
        places: &Places,
        from: u8,
        to: u8,
        load: Load,
        fen: Option<Fen>,
    ) -> Result<bool, Fault> {
        self.finish(places, from, to).await?;
        let Some(source) = places.shards.get(usize::from(from)) else { return Ok(false) };
        let before = source.seen().standing.clone();
        let last = before.sent.get(&to).copied().unwrap_or(0);
        let transfer = Transfer { peer: to, number: last.saturating_add(1), load };
        let Some(posting) = money(&before, &load, Account::Treasury) else { return Ok(false) };
        let posting = Posting { fen: fen.unwrap_or(posting.fen), ..posting };
        // Somebody else moved it since it was seen. Stock without units tells of its round.
        if posting.fen == Fen::ZERO && matches!(load, Load::Funds { .. }) {
            return Ok(false);
        }
        let posted = (posting.fen > Fen::ZERO).then_some(What::Posted(posting));
        let events: Vec<Event> = [What::Sent(transfer)]
            .into_iter()
            .chain(posted)
            .map(|what| Event { campaign: source.place.campaign, what })
            .collect();
        let mut compares = vec![counter("sent", to, last)?];
        if let Load::Stock { round, .. } = load {
            if has_expired(&before, round) {
                return Ok(false);
            }
            compares.push(expired(&before, round));
        }
        match self.make(source, &events, &compares).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // It was granted meanwhile.
            Err(Fault::No(No::Funds(_))) => {
                source.kick.notify_one();
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        self.finish(places, from, to).await?;
        Ok(true)
    }

    /// Receives whatever was sent and is not received.
    pub(super) async fn finish_all(&self, places: &Places) -> Result<(), Fault> {
        let shards = places.of();
        for from in 0..shards {
            for to in (0..shards).filter(|to| *to != from) {
                self.finish(places, from, to).await?;
            }
        }
        Ok(())
    }

    /// Receives what was sent from one shard to another and is not received.
    pub(super) async fn finish(&self, places: &Places, from: u8, to: u8) -> Result<(), Fault> {
        let (Some(source), Some(target)) =
            (places.shards.get(usize::from(from)), places.shards.get(usize::from(to)))
        else {
            return Ok(());
        };
        loop {
            let sent = source.seen().standing.sent.get(&to).copied().unwrap_or(0);
            let received = target.seen().standing.received.get(&from).copied().unwrap_or(0);
            if received >= sent {
                return Ok(());
            }
            let next = received.saturating_add(1);
            let field = format!("{to}:{next}");
            let command = cmd("HGET").arg(source.place.key(Key::Transit)).arg(&field).to_owned();
            let Some(value) = self.one(source, Item::plain(command)).await else {
                return Err(Fault::Unknown);
            };
            let Value::BulkString(body) = value else {
                // It was received and forgotten meanwhile: the target's log will say so.
                target.kick.notify_one();
                sleep(AGAIN).await;
                if target.seen().standing.received.get(&from).copied().unwrap_or(0) <= received {
                    return Err(Fault::Unknown);
                }
                continue;
            };
            let sent = codec::decode(&body).unwrap_or_default();
            let standing = target.seen().standing.clone();
            let mut compares = vec![counter("received", from, received)?];
            let mut events = Vec::new();
            let mut gone = false;
            for event in sent {
                let mut whats = Vec::new();
                match event.what {
                    What::Sent(transfer) => {
                        if let Load::Stock { round, .. } = transfer.load {
                            gone = has_expired(&standing, round);
                            compares.push(expired(&standing, round));
                        }
                        whats.push(What::Received(Transfer { peer: from, ..transfer }));
                    }
                    What::Posted(it) => {
                        whats.push(What::Posted(Posting { from: it.to, to: it.from, ..it }));
                        // What is received after the round has expired here comes too late to be given back with it.
                        if gone {
                            let (from, to) = (it.from, Account::Available);
                            whats.push(What::Posted(Posting { from, to, ..it }));
                        }
                    }
                    _ => return Err(Fault::Wrong("what was sent is no transfer".to_owned())),
                }
                events.extend(whats.into_iter().map(|what| Event { what, ..event }));
            }
            if self.make(target, &events, &compares).await? {
                self.forget(source, field.into_bytes(), None).await;
            } else {
                // Somebody else received it: the target's log is about to say so.
                sleep(AGAIN).await;
            }
        }
    }
}

/// The money that goes along with a load; `None` if its kind or pool is not known.
fn money(standing: &Standing, load: &Load, to: Account) -> Option<Posting> {
    Some(match *load {
        Load::Stock { kind, units, .. } => {
            let terms = standing.kind(kind)?;
            Posting {
                pool: terms.pool,
                from: Account::Reserved,
                to,
                fen: terms.face.checked_mul(u64::from(units))?,
            }
        }
        Load::Funds { pool } => Posting {
            pool,
            from: Account::Available,
            to,
            fen: standing.funds.pool(pool)?.available,
        },
    })
}

fn counter(name: &str, peer: u8, last: u32) -> Result<Compare, Fault> {
    let was = if last == 0 { None } else { Some(number(u64::from(last))?) };
    Ok(Compare { key: Key::Meta, field: format!("{name}:{peer}").into(), was })
}

fn has_expired(standing: &Standing, round: RoundNo) -> bool {
    standing.rounds.get(&round).is_some_and(|it| it.expired)
}

/// That a round has expired or not, as it was. One that came by a transfer has no such field before it expires.
fn expired(standing: &Standing, round: RoundNo) -> Compare {
    let was = match (has_expired(standing, round), standing.armed.contains_key(&round)) {
        (true, _) => Some(b"1".to_vec()),
        (false, true) => Some(b"0".to_vec()),
        (false, false) => None,
    };
    Compare { key: Key::Round(round), field: b"expired".to_vec(), was }
}
