//! Settling: each shard's log has its share, and a batch's line of a merchant and a pool is their sum.

use super::super::effects::{of_merchant, of_pool};
use super::super::keys::Key;
use super::super::place::Cell;
use super::super::records::{line_name, read_line};
use super::super::shared::Places;
use super::fetch::{self, Fetched, Want, damaged, known_of, of_a_merchant, pools_of};
use super::{Draft, Fault, Office};
use crate::domain::{BatchNo, CampaignNo, Fen, MerchantNo, PoolNo};
use crate::ledger::event::{Event, Settled, What};
use crate::ledger::machine::{Answer, Command, Decision, Line, No, Payment};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::time::Instant;

/// A pool that is none: what is said of it is said of the merchant in other shards.
const ELSEWHERE: PoolNo = PoolNo(u8::MAX);

/// What the shards have of batches, as far as it counts in each of them.
#[derive(Default)]
struct Batches {
    /// The latest that was begun.
    latest: Option<BatchNo>,
    /// What the batch has paid to merchants, in whichever shard.
    paid: BTreeMap<MerchantNo, Line>,
    /// What the batch has, in whichever shard.
    lines: BTreeSet<(MerchantNo, PoolNo)>,
}

/// What a shard decided.
struct Share {
    decided: Result<Answer, Fault>,
    /// Whether it wrote an entry.
    wrote: bool,
    /// Whether the batch has a line of the merchant there.
    has_line: bool,
}

impl Office {
    /// Takes what a merchant is due of a pool into a batch, in every shard.
    pub(super) async fn settle(
        &self,
        no: CampaignNo,
        (batch, merchant, pool): (BatchNo, MerchantNo, PoolNo),
        command: &Command,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        let batches = self.batches(&places, batch, Some(merchant)).await?;
        let mut sum: Option<Settled> = None;
        for cell in &places.shards {
            let share = self.share_in(cell, no, (batch, Some(merchant)), &batches, command).await?;
            // It is told again as it was settled: a shard that had nothing for it then takes no part now.
            let again = batches.lines.contains(&(merchant, pool));
            if again && matches!(share.decided, Err(Fault::No(No::Conflict(_)))) {
                continue;
            }
            let Answer::Settled(it) = share.decided? else {
                return Err(Fault::Wrong("a settlement is answered otherwise".to_owned()));
            };
            let plus = |a: Fen, b: Fen| a.checked_add(b).ok_or_else(|| damaged("a line"));
            sum = Some(match sum {
                None => it,
                Some(sum) => Settled {
                    consumed: plus(sum.consumed, it.consumed)?,
                    owed: plus(sum.owed, it.owed)?,
                    ..sum
                },
            });
        }
        sum.map(Answer::Settled).ok_or_else(|| Fault::Wrong("no shard".to_owned()))
    }

    /// Takes what all merchants are due into a batch, as much as one entry takes in each shard.
    pub(super) async fn settle_due(
        &self,
        no: CampaignNo,
        batch: BatchNo,
        command: &Command,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        let batches = self.batches(&places, batch, None).await?;
        let mut left = 0_u32;
        for cell in &places.shards {
            let share = self.share_in(cell, no, (batch, None), &batches, command).await?;
            if let Answer::Left(more) = share.decided? {
                left = left.saturating_add(more);
            }
        }
        Ok(Answer::Left(left))
    }

    /// Writes down in every shard with a line of the batch that the merchant has its money. Each shard pays what it has:
    /// one that did so before an interruption does not keep the others from it.
    pub(super) async fn paid(
        &self,
        no: CampaignNo,
        of: (BatchNo, MerchantNo),
        command: &Command,
    ) -> Result<Answer, Fault> {
        self.answered(&self.places(no)?, no, of, &Batches::default(), command).await
    }

    /// Writes down in every shard with a line of the batch that the payment did not arrive.
    pub(super) async fn failed(
        &self,
        no: CampaignNo,
        (batch, merchant): (BatchNo, MerchantNo),
        command: &Command,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        let batches = self.batches(&places, batch, Some(merchant)).await?;
        self.answered(&places, no, (batch, merchant), &batches, command).await
    }

    /// Writes down in every shard what the bank said of the merchant's payment.
    async fn answered(
        &self,
        places: &Places,
        no: CampaignNo,
        (batch, merchant): (BatchNo, MerchantNo),
        batches: &Batches,
        command: &Command,
    ) -> Result<Answer, Fault> {
        let mut shares = Vec::new();
        for cell in &places.shards {
            shares.push(self.share_in(cell, no, (batch, Some(merchant)), batches, command).await?);
        }
        answer_of(shares)
    }

    /// What all shards have of batches.
    async fn batches(
        &self,
        places: &Places,
        batch: BatchNo,
        merchant: Option<MerchantNo>,
    ) -> Result<Batches, Fault> {
        let mut all = Batches::default();
        for cell in &places.shards {
            let (fetched, lines) = self.lines(cell, batch, merchant).await?;
            all.latest = all.latest.max(latest(&fetched));
            all.lines.extend(lines.iter().map(|it| (it.settled.merchant, it.settled.pool)));
            let paid = lines.into_iter().filter(|it| it.payment == Payment::Paid);
            all.paid.extend(paid.map(|it| (it.settled.merchant, it)));
        }
        Ok(all)
    }

    /// What a shard has of merchants, and of a batch's lines of them.
    async fn lines(
        &self,
        cell: &Arc<Cell>,
        batch: BatchNo,
        merchant: Option<MerchantNo>,
    ) -> Result<(Fetched, Vec<Line>), Fault> {
        let pools = {
            let seen = cell.seen();
            seen.standing.opened.as_ref().ok_or(Fault::Unknown)?.pools.len()
        };
        let names = |who: &BTreeSet<MerchantNo>| -> Vec<Vec<u8>> {
            let lines = who.iter().flat_map(|it| {
                pools_of(pools).map(|pool| line_name(batch, *it, pool).into_bytes())
            });
            lines.collect()
        };
        let mut wants = match merchant {
            Some(merchant) => {
                let mut fields = of_a_merchant(merchant, pools);
                fields.push(b"batch".to_vec());
                vec![Want::Fields(Key::Merchants, fields)]
            }
            None => vec![Want::All(Key::Merchants)],
        };
        // Who there are is read first: a merchant that comes meanwhile is due nothing.
        let who = match merchant {
            Some(merchant) => BTreeSet::from([merchant]),
            None => merchants(&self.fetch(cell, &wants).await?),
        };
        if !who.is_empty() {
            wants.push(Want::Fields(Key::Lines, names(&who)));
        }
        wants.push(Want::All(Key::Funds));
        let fetched = self.fetch(cell, &wants).await?;
        let line = |(name, text): (&[u8], &[u8])| {
            read_line(name, text).ok_or_else(|| damaged("a batch's line"))
        };
        let lines = fetched.all(Key::Lines).map(line).collect::<Result<Vec<_>, _>>()?;
        Ok((fetched, lines))
    }

    /// Does a shard's share.
    async fn share_in(
        &self,
        cell: &Arc<Cell>,
        no: CampaignNo,
        (batch, merchant): (BatchNo, Option<MerchantNo>),
        batches: &Batches,
        command: &Command,
    ) -> Result<Share, Fault> {
        let start = Instant::now();
        let mut tried = false;
        loop {
            let (fetched, lines) = self.lines(cell, batch, merchant).await?;
            let has_line = !lines.is_empty();
            let mut sketch = fetch::sketch(cell, &fetched)?;
            let pools = sketch.opened.pools.len();
            let mut about = known_of(&sketch.opened);
            let all = merchant.map_or_else(|| merchants(&fetched), |it| BTreeSet::from([it]));
            for who in all {
                let known = fetched.merchant(who, pools)?;
                sketch.merchants.extend(known.map(|it| (who, it)));
                for pool in pools_of(pools) {
                    about.settlements.insert((who, pool), fetched.settlements(who, pool));
                }
            }
            about.lines = lines.iter().map(|it| (no_of(it), *it)).collect();
            sketch.latest = latest(&fetched).max(batches.latest);
            let elsewhere = batches
                .paid
                .values()
                .map(|it| Line { settled: Settled { pool: ELSEWHERE, ..it.settled }, ..*it });
            sketch.lines = lines.into_iter().chain(elsewhere).collect();
            let decision = match self.decide(no, sketch, command) {
                Ok(decision) => decision,
                // It was this request, which did not hear of it.
                Err(Fault::No(No::Conflict(_))) if tried && has_line => {
                    return Ok(Share { decided: Ok(Answer::Done), wrote: true, has_line });
                }
                Err(Fault::No(refused)) => {
                    self.read_up_to(cell, fetched.seq, start).await?;
                    return Ok(Share { decided: Err(Fault::No(refused)), wrote: false, has_line });
                }
                Err(error) => return Err(error),
            };
            let Decision { events, answer } = decision;
            if events.is_empty() {
                self.read_up_to(cell, fetched.seq, start).await?;
                return Ok(Share { decided: Ok(answer), wrote: false, has_line });
            }
            let compares = compares(&fetched, batch, &events, pools);
            if self.write(cell, Draft { events, compares, about, ..Draft::default() }).await? {
                return Ok(Share { decided: Ok(answer), wrote: true, has_line: true });
            }
            tried = true;
            self.patience(start).await?;
        }
    }
}

/// Done if any shard has done it, now or before; otherwise why those with a line did not.
fn answer_of(shares: Vec<Share>) -> Result<Answer, Fault> {
    let done = shares.iter().any(|share| share.wrote);
    let mut first = None;
    for share in shares {
        match share.decided {
            Ok(_) if !done => return Ok(Answer::Done),
            Ok(_) => {}
            Err(Fault::No(no)) => {
                if first.is_none() || share.has_line {
                    first = Some(no);
                }
            }
            Err(error) => return Err(error),
        }
    }
    if done { Ok(Answer::Done) } else { Err(first.map_or(Fault::Unknown, Fault::No)) }
}

fn no_of(line: &Line) -> (BatchNo, MerchantNo, PoolNo) {
    (line.settled.batch, line.settled.merchant, line.settled.pool)
}

fn latest(fetched: &Fetched) -> Option<BatchNo> {
    let text = std::str::from_utf8(fetched.get(Key::Merchants, b"batch")?).ok()?;
    text.parse().ok().map(BatchNo)
}

/// Every merchant that was admitted there.
fn merchants(fetched: &Fetched) -> BTreeSet<MerchantNo> {
    let named = fetched.all(Key::Merchants).filter_map(|(name, _)| {
        std::str::from_utf8(name).ok()?.strip_prefix("terms:")?.parse().ok().map(MerchantNo)
    });
    named.collect()
}

/// What a share rests on: of what it takes, what is due; of what it pays, the lines.
fn compares(
    fetched: &Fetched,
    batch: BatchNo,
    events: &[Event],
    pools: usize,
) -> Vec<super::Compare> {
    let mut compares = vec![fetched.same(Key::Merchants, b"batch".as_slice())];
    let mut lines = BTreeSet::new();
    let mut held = BTreeSet::new();
    for event in events {
        match event.what {
            What::Settled(Settled { merchant, pool, .. }) => {
                for name in ["due", "owed", "settlements"] {
                    compares.push(fetched.same(Key::Merchants, of_pool(name, merchant, pool)));
                }
                held.insert(merchant);
                lines.extend(pools_of(pools).map(|pool| (merchant, pool)));
            }
            What::Paid(it) => lines.extend(pools_of(pools).map(|pool| (it.merchant, pool))),
            What::PaymentFailed(it) => {
                lines.extend(pools_of(pools).map(|pool| (it.merchant, pool)));
            }
            _ => {}
        }
    }
    let standing = |it| fetched.same(Key::Merchants, of_merchant("standing", it));
    compares.extend(held.into_iter().map(standing));
    let line =
        |(merchant, pool)| fetched.same(Key::Lines, line_name(batch, merchant, pool).into_bytes());
    compares.extend(lines.into_iter().map(line));
    compares
}
