//! What was redeemed and settled: one after the other, each a change of rows that have to be as they are expected.

use super::Batch;
use crate::domain::{At, CampaignNo, CouponId, KindNo, RedemptionId, RoundNo};
use crate::funds::Posting;
use crate::ledger::event::{
    Admitted, Aftermath, Locked, Paid, PaymentFailed, Refunded, Settled, Standing, Stands,
};
use crate::store::rows::Deed;
use crate::store::{Error, Rows, Value, Values};
use std::collections::BTreeMap;

/// By how much the coupons that are locked and used become more, of a kind and round.
type Counts = BTreeMap<(CampaignNo, RoundNo, KindNo), (i64, i64)>;

/// Where a deed stands and when it was done.
#[derive(Clone, Copy)]
struct Spot {
    seq: i64,
    line: u16,
    campaign: CampaignNo,
    at: At,
}

/// The redemption of this id that is not released: as the index says it, so that it is found by it.
const LIVE: &str = "log = $1 AND campaign = $2 AND redemption = $3 AND state <> 'released'";
const COUPON: &str = "log = $1 AND campaign = $2 AND round = $3 AND kind = $4 AND ordinal = $5";

impl Batch {
    pub(super) async fn deeds(&mut self, rows: &Rows) -> Result<(), Error> {
        let mut counts = Counts::new();
        for (seq, line, campaign, at, deed) in &rows.deeds {
            let spot = Spot { seq: *seq, line: *line, campaign: *campaign, at: *at };
            match deed {
                Deed::Admitted(admitted) => self.admit(spot, admitted).await?,
                Deed::Stands(stands) => self.stand(spot, *stands).await?,
                Deed::Locked(locked) => self.lock(spot, locked, &mut counts).await?,
                Deed::Confirmed(redemption, posting) => {
                    self.confirm(spot, *redemption, *posting, &mut counts).await?;
                }
                Deed::Released(redemption) => self.free(spot, *redemption, &mut counts).await?,
                Deed::Refunded(refunded) => self.refund(spot, refunded, &mut counts).await?,
                Deed::Settled(settled) => self.settle(spot, settled).await?,
                Deed::Paid(paid) => self.pay(spot, paid).await?,
                Deed::Failed(failed) => self.fail(spot, *failed).await?,
            }
        }
        for ((campaign, round, kind), (locked, used)) in counts {
            let change = "UPDATE stock SET locked = locked + $5, used = used + $6
                          WHERE log = $1 AND campaign = $2 AND round = $3 AND kind = $4";
            let key = [self.log.into(), campaign.0.into(), round.0.into(), kind.0.into()];
            let why = || format!("{round:?} has no stock of {kind:?}");
            self.one("stock", change, &[&key[..], &[locked.into(), used.into()]].concat(), why)
                .await?;
        }
        self.adjustments(rows).await?;
        self.extensions(rows).await
    }

    /// On new terms, if it was admitted before; how it stands is another matter.
    async fn admit(&mut self, spot: Spot, admitted: &Admitted) -> Result<(), Error> {
        let Admitted { merchant, categories, cap } = *admitted;
        let admit = "INSERT INTO merchants (log, campaign, merchant, categories, cap_fen)
                     VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (log, campaign, merchant)
                     DO UPDATE SET categories = excluded.categories, cap_fen = excluded.cap_fen";
        let key = [self.log.into(), spot.campaign.0.into(), merchant.0.into()];
        let values = [&key[..], &[categories.0.into(), cap.into()]].concat();
        self.one("merchants", admit, &values, || format!("{merchant:?} is otherwise there")).await
    }

    async fn stand(&mut self, spot: Spot, stands: Stands) -> Result<(), Error> {
        let Stands { merchant, standing } = stands;
        let stand = "UPDATE merchants SET standing = $4
                     WHERE log = $1 AND campaign = $2 AND merchant = $3";
        let standing = match standing {
            Standing::Active => "active",
            Standing::Suspended => "suspended",
            Standing::Held => "held",
            Standing::SuspendedAndHeld => "suspended and held",
        };
        let (log, campaign) = (self.log.into(), spot.campaign.0.into());
        let values = [log, campaign, merchant.0.into(), standing.into()];
        self.one("merchants", stand, &values, || format!("{merchant:?} was not admitted")).await
    }

    /// The coupon is its holder's and issued; what it is worth stands in its row.
    async fn lock(
        &mut self,
        spot: Spot,
        locked: &Locked,
        counts: &mut Counts,
    ) -> Result<(), Error> {
        let coupon = locked.coupon;
        let take = format!(
            "UPDATE coupons SET state = 'locked', redemption = $6
             WHERE {COUPON} AND state = 'issued' AND person = $7 RETURNING pool, fen"
        );
        let of = [locked.redemption.0[..].into(), locked.person.0[..].into()];
        let values = [&self.coupon(spot, coupon)[..], &of].concat();
        let why = || format!("coupon {coupon} is not {:?}'s to be used", locked.person);
        let [pool, fen] = self.row("coupons", &take, &values, why).await?;
        let head = "INSERT INTO redemptions (log, seq, line, campaign, redemption, merchant, person, round,
                    kind, ordinal, pool, fen, amount_fen, request, locked_at_ms, until_ms)";
        let row = vec![
            self.log.into(),
            spot.seq.into(),
            spot.line.into(),
            spot.campaign.0.into(),
            locked.redemption.0[..].into(),
            locked.merchant.0.into(),
            locked.person.0[..].into(),
            coupon.round.0.into(),
            coupon.kind.0.into(),
            coupon.ordinal.into(),
            pool,
            fen,
            locked.amount.into(),
            locked.request[..].into(),
            spot.at.0.into(),
            locked.until.0.into(),
        ];
        self.insert("redemptions", head, "", &[row], Values::clone).await?;
        count(counts, spot, coupon, (1, 0));
        Ok(())
    }

    /// What was frozen for the coupon is what is consumed.
    async fn confirm(
        &mut self,
        spot: Spot,
        redemption: RedemptionId,
        posting: Posting,
        counts: &mut Counts,
    ) -> Result<(), Error> {
        let end = format!(
            "UPDATE redemptions SET state = 'confirmed', ended_seq = $4, ended_at_ms = $5
             WHERE {LIVE} AND state = 'locked' AND pool = $6 AND fen = $7
             RETURNING round, kind, ordinal"
        );
        let of = [spot.seq.into(), spot.at.0.into(), posting.pool.0.into(), posting.fen.into()];
        let values = [&self.redemption(spot, redemption)[..], &of].concat();
        let why = || format!("{redemption:?} is not open, or is of other money");
        let coupon = self.row("redemptions", &end, &values, why).await?;
        let use_up = format!(
            "UPDATE coupons SET state = 'used' WHERE {COUPON} AND state = 'locked' AND redemption = $6"
        );
        self.of_redemption(spot, coupon, redemption, &use_up, (-1, 1), counts).await
    }

    async fn free(
        &mut self,
        spot: Spot,
        redemption: RedemptionId,
        counts: &mut Counts,
    ) -> Result<(), Error> {
        let end = format!(
            "UPDATE redemptions SET state = 'released', ended_seq = $4, ended_at_ms = $5
             WHERE {LIVE} AND state = 'locked' RETURNING round, kind, ordinal"
        );
        let of = [spot.seq.into(), spot.at.0.into()];
        let values = [&self.redemption(spot, redemption)[..], &of].concat();
        let why = || format!("{redemption:?} is not open");
        let coupon = self.row("redemptions", &end, &values, why).await?;
        let free = format!(
            "UPDATE coupons SET state = 'issued', redemption = NULL
             WHERE {COUPON} AND state = 'locked' AND redemption = $6"
        );
        self.of_redemption(spot, coupon, redemption, &free, (-1, 0), counts).await
    }

    async fn refund(
        &mut self,
        spot: Spot,
        refunded: &Refunded,
        counts: &mut Counts,
    ) -> Result<(), Error> {
        let Refunded { redemption, refund, amount, back, coupon, owed } = *refunded;
        let (becomes, set, used) = match coupon {
            Aftermath::Used => ("used", "state = 'used'", 0),
            Aftermath::Issued => ("issued", "state = 'issued', redemption = NULL", -1),
            Aftermath::Returned => ("returned", "state = 'returned'", 0),
        };
        let head = "INSERT INTO refunds (log, seq, line, campaign, refund, redemption, amount_fen, back_fen,
                    coupon, owed, at_ms)";
        let row = vec![
            self.log.into(),
            spot.seq.into(),
            spot.line.into(),
            spot.campaign.0.into(),
            refund.0[..].into(),
            redemption.0[..].into(),
            amount.into(),
            back.into(),
            becomes.into(),
            owed.into(),
            spot.at.0.into(),
        ];
        self.insert("refunds", head, "", &[row], Values::clone).await?;
        let take_off = format!(
            "UPDATE redemptions SET refunded_fen = refunded_fen + $4, back_fen = back_fen + $5
             WHERE {LIVE} AND state = 'confirmed' RETURNING round, kind, ordinal"
        );
        let values =
            [&self.redemption(spot, redemption)[..], &[amount.into(), back.into()]].concat();
        let why = || format!("{redemption:?} is not confirmed");
        let coupon = self.row("redemptions", &take_off, &values, why).await?;
        let become_it = format!(
            "UPDATE coupons SET {set} WHERE {COUPON} AND state = 'used' AND redemption = $6"
        );
        self.of_redemption(spot, coupon, redemption, &become_it, (0, used), counts).await
    }

    async fn settle(&mut self, spot: Spot, settled: &Settled) -> Result<(), Error> {
        let Settled { batch, merchant, pool, consumed, owed } = *settled;
        let head = "INSERT INTO settlements
                    (log, seq, campaign, batch, merchant, pool, consumed_fen, owed_fen, settled_at_ms)";
        let row = vec![
            self.log.into(),
            spot.seq.into(),
            spot.campaign.0.into(),
            batch.0.into(),
            merchant.0.into(),
            pool.0.into(),
            consumed.into(),
            owed.into(),
            spot.at.0.into(),
        ];
        self.insert("settlements", head, "", &[row], Values::clone).await
    }

    async fn pay(&mut self, spot: Spot, paid: &Paid) -> Result<(), Error> {
        let Paid { batch, merchant, pool, fen } = *paid;
        let pay = "UPDATE settlements SET state = 'paid', answered_at_ms = $7
                   WHERE log = $1 AND campaign = $2 AND batch = $3 AND merchant = $4 AND pool = $5
                       AND state <> 'paid' AND consumed_fen - owed_fen = $6";
        let key = [self.log.into(), spot.campaign.0.into(), batch.0.into(), merchant.0.into()];
        let of = [pool.0.into(), fen.into(), spot.at.0.into()];
        let why = || {
            let fen = fen.get();
            format!("{batch:?} has not {fen} fen to pay for {merchant:?} of {pool:?}")
        };
        self.one("settlements", pay, &[&key[..], &of].concat(), why).await
    }

    /// All that the batch has for the merchant and has not paid.
    async fn fail(&mut self, spot: Spot, failed: PaymentFailed) -> Result<(), Error> {
        let PaymentFailed { batch, merchant } = failed;
        let fail = "UPDATE settlements
                    SET state = 'failed', failures = failures + 1, answered_at_ms = $5
                    WHERE log = $1 AND campaign = $2 AND batch = $3 AND merchant = $4
                        AND state <> 'paid'";
        let key = [self.log.into(), spot.campaign.0.into(), batch.0.into(), merchant.0.into()];
        let values = [&key[..], &[spot.at.0.into()]].concat();
        let done = self.tx.execute(fail, &values).await;
        match done.map_err(|error| Error::in_table("settlements", error))? {
            0 => {
                let why = format!("{batch:?} has nothing to pay for {merchant:?}");
                Err(Error::Contradiction { table: "settlements", why })
            }
            _ => Ok(()),
        }
    }

    async fn adjustments(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        let head = "INSERT INTO adjustments
                    (log, campaign, round, version, kind, quantity, follows, at_ms)";
        self.insert("adjustments", head, "", &rows.adjustments, |adjustment| {
            let (campaign, round, version, kind, quantity, at) = *adjustment;
            let follows = version.checked_sub(1).filter(|before| *before > 0);
            vec![
                log.into(),
                campaign.0.into(),
                round.0.into(),
                version.into(),
                kind.0.into(),
                quantity.into(),
                follows.map_or(Value::Null, Value::from),
                at.0.into(),
            ]
        })
        .await
    }

    async fn extensions(&mut self, rows: &Rows) -> Result<(), Error> {
        let log = self.log;
        let head = "INSERT INTO extensions (log, campaign, round, opens_at_ms, ends_at_ms, period_ended_ms,
                    period_ends_ms, at_ms)";
        let further = rows.extensions.iter();
        let further = further.flat_map(|of| of.2.rounds().map(move |round| (of, round)));
        let further: Vec<_> = further.collect();
        self.insert("extensions", head, "", &further, |((campaign, at, extension), round)| {
            vec![
                log.into(),
                campaign.0.into(),
                round.no.0.into(),
                round.window.from.0.into(),
                round.window.until.0.into(),
                extension.ended.0.into(),
                extension.ends.0.into(),
                at.0.into(),
            ]
        })
        .await
    }

    /// Changes the coupon of a redemption, which has to be of it, and counts that.
    async fn of_redemption(
        &mut self,
        spot: Spot,
        [round, kind, ordinal]: [Value; 3],
        redemption: RedemptionId,
        update: &str,
        change: (i64, i64),
        counts: &mut Counts,
    ) -> Result<(), Error> {
        let [round, kind, ordinal] = [round, kind, ordinal].map(|value| value.number());
        let why = || format!("a coupon is not the one of {redemption:?}");
        let (Ok(round), Ok(kind), Ok(ordinal)) =
            (round.try_into(), kind.try_into(), ordinal.try_into())
        else {
            return Err(Error::Contradiction { table: "redemptions", why: why() });
        };
        let coupon = CouponId { round: RoundNo(round), kind: KindNo(kind), ordinal };
        let values = [&self.coupon(spot, coupon)[..], &[redemption.0[..].into()]].concat();
        self.one("coupons", update, &values, why).await?;
        count(counts, spot, coupon, change);
        Ok(())
    }

    /// The values of [`COUPON`].
    fn coupon(&self, spot: Spot, coupon: CouponId) -> [Value; 5] {
        let CouponId { round, kind, ordinal } = coupon;
        let (log, campaign) = (self.log.into(), spot.campaign.0.into());
        [log, campaign, round.0.into(), kind.0.into(), ordinal.into()]
    }

    /// The values of [`LIVE`].
    fn redemption(&self, spot: Spot, redemption: RedemptionId) -> [Value; 3] {
        [self.log.into(), spot.campaign.0.into(), redemption.0[..].into()]
    }

    /// Changes one row, or it is an error; what the statement gives back of it.
    async fn row<const N: usize>(
        &mut self,
        table: &'static str,
        update: &str,
        values: &[Value],
        why: impl FnOnce() -> String,
    ) -> Result<[Value; N], Error> {
        let done = self.tx.fetch(update, values).await;
        let mut rows = done.map_err(|error| Error::in_table(table, error))?;
        let row = if rows.len() == 1 { rows.pop() } else { None };
        let row = row.and_then(|row| row.try_into().ok());
        row.ok_or_else(|| Error::Contradiction { table, why: why() })
    }
}

fn count(counts: &mut Counts, spot: Spot, coupon: CouponId, (locked, used): (i64, i64)) {
    let of = counts.entry((spot.campaign, coupon.round, coupon.kind)).or_default();
    of.0 += locked;
    of.1 += used;
}
