//! Whether people, tills and ledger have the same coupons and the same money.

use super::settling::Settled;
use crate::audit::{KindTotals, PoolTotals, Totals};
use loadtest::report::weeks::{Flow, Kind, Pool, Week};
use loadtest::report::{Audit, Check};
use loadtest::{Shopping, Sums};

/// The pools of the report.
pub(super) fn pools(totals: &Totals) -> Vec<Pool> {
    let pool = |it: &PoolTotals| Pool {
        pool: it.pool.clone(),
        flows: it
            .flows
            .iter()
            .map(|it| Flow { from: it.from.to_owned(), to: it.to.to_owned(), fen: it.fen })
            .collect(),
        accounts: it.accounts.iter().map(|(name, fen)| ((*name).to_owned(), *fen)).collect(),
    };
    totals.pools.iter().map(pool).collect()
}

/// The kinds of the report.
pub(super) fn kinds(totals: &Totals) -> Vec<Kind> {
    let kind = |it: &KindTotals| Kind {
        kind: it.kind.clone(),
        pool: it.pool.clone(),
        face_fen: it.face_fen,
        granted: it.granted,
        used: it.used,
        returned: it.returned,
        expired: it.expired,
        held: it.held,
        unused: it.unused,
        lapsed: it.lapsed,
        taken_back_fen: it.taken_back_fen,
    };
    totals.kinds.iter().map(kind).collect()
}

/// Holds the three against each other.
pub(super) fn of(totals: &Totals, weeks: &[Week], shopping: &Shopping, settled: &Settled) -> Audit {
    Audit::of(vec![
        granted(totals, weeks),
        ended(totals),
        told(totals, shopping),
        zero(totals),
        frozen(totals),
        consumed(totals),
        payable(totals),
        files(totals, shopping, settled),
    ])
}

/// A check of rows, each of which says what is wrong with it.
fn check<T>(name: &str, what: &str, rows: &[T], wrong: impl Fn(&T) -> Option<String>) -> Check {
    let found: Vec<String> = rows.iter().filter_map(wrong).collect();
    Check {
        name: name.to_owned(),
        what: what.to_owned(),
        rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        clean: found.is_empty(),
        detail: found.join("; "),
    }
}

/// An answer that nobody got may be a grant that nobody counted.
fn granted(totals: &Totals, weeks: &[Week]) -> Check {
    let what = "people were told as many coupons as the ledger granted";
    check("week_granted", what, &totals.kinds, |kind| {
        let claims = || weeks.iter().map(|week| &week.claims);
        let told: u64 = claims().filter_map(|it| it.granted.get(&kind.kind)).sum();
        let of = claims().flat_map(|it| &it.demand).filter(|it| it.kind == kind.kind);
        let most = told.saturating_add(of.map(|it| it.unknown).sum());
        let fits = (told..=most).contains(&kind.granted);
        (!fits).then(|| format!("{}: {told} told, {} granted", kind.kind, kind.granted))
    })
}

fn ended(totals: &Totals) -> Check {
    let what = "granted = redeemed + returned + expired + still frozen, of each kind";
    check("week_coupons", what, &totals.kinds, |kind| {
        let KindTotals { granted, used, returned, expired, held, unused, .. } = kind;
        let sum = [used, returned, expired, held, unused].into_iter().sum::<u64>();
        (sum != *granted).then(|| format!("{}: {granted} granted, {sum} accounted for", kind.kind))
    })
}

/// What nobody was answered may have been done.
fn told(totals: &Totals, shopping: &Shopping) -> Check {
    let what =
        "tills were told what the ledger has: orders paid, refunds, and what these took back";
    let open = shopping.errors.values().sum::<u64>();
    check("week_tills", what, &totals.kinds, |kind| {
        let nothing = Sums::default();
        let told = shopping.sums.get(&kind.kind).unwrap_or(&nothing);
        let near = |has: u64, told: u64| (told..=told.saturating_add(open)).contains(&has);
        let back = kind.taken_back_fen == i128::from(told.taken_back_fen) || open > 0;
        let fits = near(kind.confirmations, told.redeemed)
            && near(kind.refunds, told.refunds)
            && near(kind.returned, told.returned)
            && back;
        let (name, paid, refunds) = (&kind.kind, kind.confirmations, kind.refunds);
        (!fits).then(|| {
            let back = kind.taken_back_fen;
            format!("{name}: {told:?}; the ledger: {paid} paid, {refunds} refunds of {back} fen")
        })
    })
}

fn account(pool: &PoolTotals, name: &str) -> i128 {
    pool.accounts.get(name).copied().unwrap_or(0)
}

fn flow(pool: &PoolTotals, from: &str, to: &str) -> i128 {
    pool.flows.iter().filter(|it| (it.from, it.to) == (from, to)).map(|it| it.fen).sum()
}

fn zero(totals: &Totals) -> Check {
    let what = "postings sum to zero in each pool, and no account but the treasury's is below zero";
    check("week_zero", what, &totals.pools, |pool| {
        let sum: i128 = pool.accounts.values().sum();
        let below = pool.accounts.iter().any(|(name, fen)| *name != "treasury" && *fen < 0);
        (sum != 0 || below).then(|| format!("{}: {:?}", pool.pool, pool.accounts))
    })
}

/// Faces of the pool's coupons of which `count` says how many.
fn faces(totals: &Totals, pool: &PoolTotals, count: impl Fn(&KindTotals) -> u64) -> i128 {
    let kinds = totals.kinds.iter().filter(|it| it.pool == pool.pool);
    kinds.map(|it| i128::from(it.face_fen) * i128::from(count(it))).sum()
}

fn frozen(totals: &Totals) -> Check {
    let what = "what is frozen are the faces of coupons that are held or to be used";
    check("week_frozen", what, &totals.pools, |pool| {
        let (has, want) =
            (account(pool, "frozen"), faces(totals, pool, |it| it.held.saturating_add(it.unused)));
        (has != want).then(|| format!("{}: {has} fen, of {want}", pool.pool))
    })
}

/// What was taken back after a settlement stays with the merchant until the next one.
fn consumed(totals: &Totals) -> Check {
    let what =
        "merchants have or are due what was redeemed, less what was taken back and is not owed";
    check("week_consumed", what, &totals.pools, |pool| {
        let redeemed = faces(totals, pool, |it| it.confirmations);
        let kinds = totals.kinds.iter().filter(|it| it.pool == pool.pool);
        let back: i128 = kinds.map(|it| it.taken_back_fen).sum();
        let merchants = ["consumed", "payable", "paid"].iter().map(|name| account(pool, name));
        let merchants: i128 = merchants.sum();
        let owed = merchants - (redeemed - back);
        let settled = flow(pool, "consumed", "payable") != 0;
        let fits = flow(pool, "frozen", "consumed") == redeemed
            && (owed == 0 || settled && (0..=back).contains(&owed));
        (!fits).then(|| {
            let name = &pool.pool;
            format!("{name}: {redeemed} fen redeemed, {back} back, {merchants} with merchants")
        })
    })
}

fn payable(totals: &Totals) -> Check {
    let what = "what was paid or is to be paid is what came into settlement batches";
    check("week_settled", what, &totals.pools, |pool| {
        let (batches, paid) = (flow(pool, "consumed", "payable"), flow(pool, "payable", "paid"));
        let fits = account(pool, "paid") == paid && account(pool, "payable") == batches - paid;
        (!fits).then(|| format!("{}: {batches} fen in batches, {paid} paid", pool.pool))
    })
}

/// What tills were told to be taken off the next settlement is owed; everything else that was taken back was never due.
fn files(totals: &Totals, shopping: &Shopping, settled: &Settled) -> Check {
    let what = "the settlement files add up to what was redeemed and came into batches, to the fen";
    check("week_files", what, &[()], |()| {
        let all = |of: &dyn Fn(&PoolTotals) -> i128| totals.pools.iter().map(of).sum::<i128>();
        let batches = all(&|pool| flow(pool, "consumed", "payable"));
        let left = all(&|pool| account(pool, "consumed"));
        let redeemed = all(&|pool| flow(pool, "frozen", "consumed"));
        let back: i128 = totals.kinds.iter().map(|kind| kind.taken_back_fen).sum();
        let owed: i128 = shopping.sums.values().map(|it| i128::from(it.owed_fen)).sum();
        let Settled { payable_fen, kept_fen, .. } = *settled;
        let fits =
            payable_fen == batches && payable_fen + kept_fen + left == redeemed - (back - owed);
        (!fits).then(|| {
            format!(
                "files: {payable_fen} fen to pay, {kept_fen} kept; the ledger: {batches} to pay, {left} due, \
                 {redeemed} redeemed, {back} taken back, of these {owed} owed"
            )
        })
    })
}

/// Whether each week was reconciled without a difference.
pub(super) fn reconciled(weeks: u8, differences: &[String]) -> Check {
    Check {
        name: "week_reconciled".to_owned(),
        what: "ledger, store, batches and payment channel say the same at the end of each week"
            .to_owned(),
        rows: u64::from(weeks),
        clean: differences.is_empty(),
        detail: differences.join("; "),
    }
}
