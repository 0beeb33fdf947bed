//! Balancing: shards that run dry are sent stock, and what was interrupted is finished.

use super::super::place::Cell;
use super::super::shared::Places;
use super::{Fault, Office};
use crate::domain::{KindNo, RoundNo, Window};
use crate::ledger::event::Load;
use crate::ledger::machine::{Level, RoundSummary};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a transfer may hold the others up.
const MOVED: Duration = Duration::from_secs(1);

impl Office {
    /// Sends each shard that has no unit left of a kind half of what the richest has, and finishes what was
    /// interrupted. The last unit goes only where somebody waits for it: it would never come to rest.
    pub(in crate::ledger::redis) async fn balance(&self, places: &Places) -> Result<(), Fault> {
        let mut done = self.finish_some(places).await;
        done = done.and(self.tell_of_rounds(places).await);
        let now = self.shared.now();
        let rounds: Vec<(RoundNo, Window)> = places.shards.first().map_or_else(Vec::new, |first| {
            let seen = first.seen();
            let open = seen.standing.rounds.values().filter(|it| it.window.has(now) && !it.expired);
            open.map(|it| (it.round, it.window)).collect()
        });
        let kinds = places.shards.first().map_or(0, |first| {
            first.seen().standing.opened.as_ref().map_or(0, |opened| opened.kinds.len())
        });
        for (round, window) in rounds {
            for kind in (0..kinds).filter_map(|kind| u8::try_from(kind).ok().map(KindNo)) {
                done = done.and(self.balance_kind(places, round, window, kind).await);
            }
        }
        done
    }

    /// The same between shards that decide just now, for as long as [`MOVED`] each: one that can't be reached holds
    /// none of the others up.
    async fn finish_some(&self, places: &Places) -> Result<(), Fault> {
        let mut done = Ok(());
        for from in 0..places.of() {
            for to in (0..places.of()).filter(|to| *to != from) {
                if decides(places, from) && decides(places, to) {
                    done = done.and(soon(self.finish(places, from, to)).await);
                }
            }
        }
        done
    }

    /// Tells shards of rounds of which an interrupted arming did not tell them.
    async fn tell_of_rounds(&self, places: &Places) -> Result<(), Fault> {
        let Some(first) = places.shards.first() else { return Ok(()) };
        let now = self.shared.now();
        let rounds: Vec<(RoundNo, Window)> = {
            let seen = first.seen();
            let lives = |it: &&RoundSummary| !it.expired && now < it.window.until;
            seen.standing.rounds.values().filter(lives).map(|it| (it.round, it.window)).collect()
        };
        let mut done = Ok(());
        for (round, window) in rounds {
            for (peer, cell) in (0..).zip(&places.shards) {
                let known = cell.seen().standing.rounds.contains_key(&round);
                if !known && decides(places, 0) && decides(places, peer) {
                    let load = Load::Stock { round, window, kind: KindNo(0), units: 0 };
                    done = done.and(soon(self.transfer(places, 0, peer, load)).await.map(drop));
                }
            }
        }
        done
    }

    async fn balance_kind(
        &self,
        places: &Places,
        round: RoundNo,
        window: Window,
        kind: KindNo,
    ) -> Result<(), Fault> {
        let left = |cell: &Arc<Cell>| {
            let seen = cell.seen();
            let level = seen.standing.level(round, kind).map_or(0, Level::left);
            level.saturating_sub(seen.beyond(round, kind))
        };
        let wanted = |to: u8| {
            let cell = places.shards.get(usize::from(to));
            cell.is_some_and(|cell| cell.seen().wanted.remove(&(round, kind)))
        };
        let mut done = Ok(());
        for to in (0..places.of()).filter(|to| decides(places, *to)) {
            let dry = places.shards.get(usize::from(to)).is_some_and(|cell| left(cell) == 0);
            let deciding = (0..).zip(&places.shards).filter(|(no, _)| decides(places, *no));
            let richest = deciding.max_by_key(|(_, cell)| left(cell));
            if let (true, Some((from, richest))) = (dry, richest)
                && left(richest) > 0
                && (left(richest) > 1 || wanted(to))
            {
                let load = Load::Stock { round, window, kind, units: left(richest).div_ceil(2) };
                done = done.and(soon(self.transfer(places, from, to, load)).await.map(drop));
            }
        }
        done
    }
}

/// Whether a shard can be asked, as of a moment ago.
fn decides(places: &Places, shard: u8) -> bool {
    places.shards.get(usize::from(shard)).is_some_and(|cell| cell.seen().healthy())
}

/// Gives `what` up after [`MOVED`]; whatever of a transfer was made is finished later.
async fn soon<T>(what: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(MOVED, what).await.unwrap_or(Err(Fault::Unknown))
}
