//! What the ledger is asked for a till, and in which order.

use super::heard::Heard;
use crate::app::App;
use crate::campaign::Campaign;
use crate::claim::not_taken;
use crate::code::{Code, ForOrder, NotTaken};
use crate::domain::{At, CouponId, Fen, RedemptionId, Refusal};
use crate::http::Problem;
use crate::ledger::embedded::Outcome;
use crate::ledger::event::Refunded;
use crate::ledger::machine::{Answer, Command, Lock, No, Recall, Redemption, Refund, Status};
use crate::ledger::service::told;
use crate::redeem;
use futures_util::FutureExt;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a request waits for the lock of another that has taken its code.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// How long until it looks for that again.
const ASKED_EVERY: Duration = Duration::from_millis(10);

/// An order that a till wants paid with a coupon.
#[derive(Clone, Copy)]
pub(super) struct Purchase<'a> {
    /// The merchant's number of it.
    pub(super) order: &'a str,
    /// The customer's payment code.
    pub(super) code: Code,
    /// The same as it was scanned, in its one spelling: not to be in any log, so there is no `Debug`.
    pub(super) scanned: &'a str,
    /// The order's amount.
    pub(super) amount: Fen,
    /// The coupon that the customer chose, if any.
    pub(super) choice: Option<CouponId>,
    /// Whether it is paid already.
    pub(super) at_once: bool,
}

/// An order, and whether an earlier request had it.
pub(super) type Bought = (Redemption, bool);

/// What a till's requests are about.
pub(super) struct Desk<'a> {
    /// The server.
    pub(super) app: &'a App,
    /// The campaign.
    pub(super) campaign: &'a Campaign,
    /// The till.
    pub(super) from: Heard<'a>,
}

impl Desk<'_> {
    /// Holds a coupon for an order, or uses it at once. A repeat is told what became of it, and the code is not touched.
    pub(super) async fn lock(&self, it: &Purchase<'_>, now: At) -> Result<Bought, Problem> {
        let redemption = self.named(it.order);
        let request = redeem::request(it.scanned, it.amount, it.choice);
        if self.app.ledger.view().request(self.campaign.no, redemption) == Some(request) {
            return self.again(redemption, request).await;
        }
        let order = ForOrder { redemption, request };
        let codes = &self.campaign.till()?.codes;
        let holder = match codes.take(&self.from.terminal, it.code, &order, now).await {
            Ok(holder) => holder,
            Err(NotTaken::Dead) => return self.again(redemption, request).await,
            // Rare, so its room is not in every request's.
            Err(NotTaken::Spent) => {
                return Box::pin(self.on_its_way(redemption, request)).await;
            }
            Err(NotTaken::TooFast { retry_after_ms }) => {
                return Err(Refusal::TooFast { retry_after_ms }.into());
            }
            Err(NotTaken::NoAnswer) => return Err(Problem::UNAVAILABLE),
        };
        let rules = &self.campaign.plan.redeem;
        if holder.fix.is_some_and(|fix| self.from.shop.is_far_from(&fix, rules.far_m)) {
            return Err(Refusal::TooFarFromShop.into());
        }
        let lock = Lock {
            campaign: self.campaign.no,
            redemption,
            merchant: self.from.merchant,
            person: holder.person,
            amount: it.amount,
            choice: it.choice,
            request,
            lock_ms: rules.lock_ms,
            at_once: it.at_once,
        };
        Ok((self.order(Command::Lock(lock)).await?, false))
    }

    /// What becomes of an order whose code the same request has taken already: its lock may be on its way, so this
    /// waits for it, for [`ON_ITS_WAY`] at most.
    async fn on_its_way(
        &self,
        redemption: RedemptionId,
        request: [u8; 8],
    ) -> Result<Bought, Problem> {
        let start = Instant::now();
        loop {
            let told = self.again(redemption, request).await;
            let dead = told.as_ref().is_err_and(|it| *it == Refusal::CodeDead.into());
            if !dead || start.elapsed() > ON_ITS_WAY {
                return told;
            }
            sleep(ASKED_EVERY).await;
        }
    }

    /// What became of an order that this request was for before.
    async fn again(&self, redemption: RedemptionId, request: [u8; 8]) -> Result<Bought, Problem> {
        let order = self.recall(redemption, Some(request)).await?;
        match order.status {
            Status::Locked { .. } | Status::Confirmed { .. } => Ok((order, true)),
            // It can be begun anew, with the next code.
            Status::Released { .. } => Err(Refusal::LockExpired.into()),
        }
    }

    /// An order of this till's merchant as it stands.
    pub(super) async fn look(&self, order: &str) -> Result<Redemption, Problem> {
        self.recall(self.named(order), None).await
    }

    /// The order was paid.
    pub(super) async fn confirm(&self, order: &str) -> Result<Redemption, Problem> {
        self.order(Command::Confirm(self.campaign.no, self.named(order))).await
    }

    /// The order came to nothing.
    pub(super) async fn release(&self, order: &str) -> Result<Redemption, Problem> {
        self.order(Command::Release(self.campaign.no, self.named(order))).await
    }

    /// Pays an order back; gives the refund, and the order after it.
    pub(super) async fn refund(
        &self,
        order: &str,
        number: &str,
        amount: Fen,
    ) -> Result<(Refunded, Redemption), Problem> {
        let redemption = self.named(order);
        let policy = self.campaign.plan.redeem.refunds;
        let refund = redeem::refund_id(redemption, number);
        let refund = Refund { campaign: self.campaign.no, redemption, refund, amount, policy };
        let Answer::Refunded(made) = self.ask(Command::Refund(refund)).await? else {
            return Err(Problem::INTERNAL);
        };
        Ok((made, self.recall(redemption, None).await?))
    }

    fn named(&self, order: &str) -> RedemptionId {
        redeem::redemption(&self.campaign.plan.id, self.from.merchant, order)
    }

    /// As [`Desk::ask`], of an order as it stands.
    fn recall(
        &self,
        redemption: RedemptionId,
        request: Option<[u8; 8]>,
    ) -> impl Future<Output = Result<Redemption, Problem>> + use<> {
        let recall = Recall { campaign: self.campaign.no, redemption, request };
        self.order(Command::Recall(recall))
    }

    /// As [`Desk::ask`], for an order.
    fn order(&self, command: Command) -> impl Future<Output = Result<Redemption, Problem>> + use<> {
        self.ask(command).map(|answer| match answer? {
            Answer::Redemption(order) => Ok(order),
            _ => Err(Problem::INTERNAL),
        })
    }

    /// Asks the ledger, now; what waits for its answer is small, for there is one for each request under way.
    fn ask(&self, command: Command) -> impl Future<Output = Result<Answer, Problem>> + use<> {
        told(&*self.app.ledger, command).map(|told| match told.map_err(not_taken)? {
            Outcome::Yes(answer) => Ok(answer),
            Outcome::No(No::Refused(refusal)) => Err(refusal.into()),
            Outcome::No(No::Funds(_) | No::Conflict(_)) => Err(Problem::UNAVAILABLE),
            Outcome::Unknown => Err(Problem::OUTCOME_UNKNOWN),
        })
    }
}
