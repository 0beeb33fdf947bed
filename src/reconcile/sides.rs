//! The rows of each side, of a real campaign.

use super::{Id, Key, Row, State};
use crate::books::{Book, Books, Status};
use crate::domain::{At, BatchNo, CampaignNo, Fen, MerchantNo, PoolNo, RoundNo};
use crate::settle::{What, folder::Filed};
use std::collections::{BTreeMap, BTreeSet};

/// The ledger's: each order as it stands, and each refund.
pub fn ledger(books: &Books, campaign: CampaignNo) -> Vec<Row> {
    books
        .of(campaign)
        .flat_map(|(_, book)| orders(book).chain(refunds(book)))
        .map(|it| it.row)
        .collect()
}

/// The settlement's, from the files of its batches.
pub fn settlement(batches: &[Filed]) -> Vec<Row> {
    let lines = batches.iter().flat_map(|batch| &batch.lines);
    let row = |line: &crate::settle::files::LineRow| {
        let id = match line.what {
            What::Redeemed => Id::Redemption(line.redemption),
            What::TakenBack(refund) | What::Owed(refund) => Id::Refund(refund),
        };
        let key = Key { merchant: line.merchant, id };
        Row { key, fen: line.fen, state: State::Done, at: line.at }
    };
    lines.map(row).collect()
}

/// What no batch could have: it came after the one that was begun last, or less was taken back of it than was redeemed.
pub fn unsettled(books: &Books, campaign: CampaignNo) -> BTreeSet<Key> {
    let last = books.last_batch(campaign);
    let lines = books.lines(campaign).filter(|(_, line)| Some(line.batch) == last);
    // In an instant of a batch some of it is in, and some is not.
    let begun = lines.map(|(_, line)| line.at).min().unwrap_or(At(i64::MIN));
    let mut unsettled = BTreeSet::new();
    for (_, book) in books.of(campaign) {
        let mut settled: BTreeMap<(MerchantNo, PoolNo), u64> = BTreeMap::new();
        for line in &book.lines {
            settled.insert((line.merchant, line.pool), line.seq);
        }
        let mut waiting: BTreeMap<_, (i128, Vec<Key>)> = BTreeMap::new();
        let done = orders(book).filter(|it| it.row.state == State::Done);
        for it in done.chain(refunds(book)) {
            let of = (it.row.key.merchant, it.pool);
            if settled.get(&of).is_some_and(|line| *line > it.seq) {
                continue;
            }
            if it.row.at >= begun {
                unsettled.insert(it.row.key);
            }
            let (due, keys) = waiting.entry(of).or_default();
            if it.row.at < begun || it.sign < 0 {
                *due += it.sign * i128::from(it.row.fen.get());
                keys.push(it.row.key);
            }
        }
        let nothing = waiting.into_values().filter(|(due, _)| *due <= 0);
        unsettled.extend(nothing.flat_map(|(_, keys)| keys));
    }
    unsettled
}

/// What a round has of a merchant's that is in no batch: the faces less what was taken back.
pub fn in_no_batch(
    books: &Books,
    campaign: CampaignNo,
    round: RoundNo,
) -> BTreeMap<MerchantNo, Fen> {
    let mut due: BTreeMap<MerchantNo, i128> = BTreeMap::new();
    for (_, book) in books.of(campaign) {
        let last = |merchant, pool| book.last_line(merchant, pool).map_or(0, |line| line.seq);
        let done = orders(book).filter(|it| it.row.state == State::Done);
        for it in done.chain(refunds(book)).filter(|it| it.round == Some(round)) {
            if it.seq > last(it.row.key.merchant, it.pool) {
                *due.entry(it.row.key.merchant).or_default() +=
                    it.sign * i128::from(it.row.fen.get());
            }
        }
    }
    // A refund comes after its redemption, so no sum is below zero.
    due.into_iter().map(|(no, fen)| (no, Fen::new(u64::try_from(fen).unwrap_or(0)))).collect()
}

/// The merchants' shares of batches in which something of a round is.
pub fn in_batches(
    books: &Books,
    campaign: CampaignNo,
    round: RoundNo,
) -> BTreeSet<(BatchNo, MerchantNo)> {
    let mut shares = BTreeSet::new();
    for (_, book) in books.of(campaign) {
        let mut lines: BTreeMap<(MerchantNo, PoolNo), BTreeMap<u64, BatchNo>> = BTreeMap::new();
        for line in &book.lines {
            lines.entry((line.merchant, line.pool)).or_default().insert(line.seq, line.batch);
        }
        let done = orders(book).filter(|it| it.row.state == State::Done);
        for it in done.chain(refunds(book)).filter(|it| it.round == Some(round)) {
            let merchant = it.row.key.merchant;
            let later = lines.get(&(merchant, it.pool)).map(|of| of.range(it.seq..));
            if let Some((_, batch)) = later.and_then(|mut later| later.next()) {
                shares.insert((*batch, merchant));
            }
        }
    }
    shares
}

/// A row, and where it stands.
struct Placed {
    row: Row,
    pool: PoolNo,
    round: Option<RoundNo>,
    seq: u64,
    /// What it does to what is due: 0 if it is owed instead.
    sign: i128,
}

fn orders(book: &Book) -> impl Iterator<Item = Placed> {
    book.orders.iter().map(|(id, order)| {
        let state = match order.status {
            Status::Locked(_) => State::Open,
            Status::Confirmed => State::Done,
            Status::Released(_) => State::Undone,
        };
        let key = Key { merchant: order.merchant, id: Id::Redemption(*id) };
        let row = Row { key, fen: order.face, state, at: order.at };
        Placed { row, pool: order.pool, round: Some(order.round), seq: order.seq, sign: 1 }
    })
}

fn refunds(book: &Book) -> impl Iterator<Item = Placed> {
    book.refunds.iter().map(|(id, it)| {
        let key = Key { merchant: it.merchant, id: Id::Refund(*id) };
        let row = Row { key, fen: it.back, state: State::Done, at: it.at };
        let round = book.orders.get(&it.redemption).map(|order| order.round);
        let sign = if it.owed { 0 } else { -1 };
        Placed { row, pool: it.pool, round, seq: it.seq, sign }
    })
}
