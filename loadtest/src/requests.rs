//! The requests of phones and tills, as they go over the wire.

use crate::errands::{Step, Wrong};
use crate::shoppers::{Order, State};
use crate::shopping::{Ask, Visit};
use crate::tills::Unsigned;
use crate::tokens;
use crate::wire;
use anyhow::Context;
use rand::RngExt;
use serde_json::json;

impl Visit {
    /// Appends the request of `ask` to `out`.
    pub(crate) fn compose(
        &mut self,
        ask: Ask,
        node: usize,
        now_ms: i64,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let (customer, coupon, step) = self.step(ask).context("there is no such step")?;
        let host = self.hosts.get(node).context("there is no such node")?.clone();
        if step == Step::Code {
            return self.code(customer, &host, now_ms, out);
        }
        let mut order = self.about(coupon, step).context("there is no order")?.clone();
        let path = format!("{}/redemptions", self.shoppers.path());
        let (target, body) = match step {
            Step::Redeem { one_step, .. } => (path, self.redeem(coupon, &order, None, one_step)?),
            // As it was sent before, to the letter.
            Step::Again => {
                let one_step = order.state == State::Confirmed;
                (path, self.redeem(coupon, &order, None, one_step)?)
            }
            Step::Wrong(wrong) => {
                if wrong == Wrong::OtherAmount {
                    order.amount = order.amount.saturating_add(100);
                    order.code = self.code_of(customer);
                }
                (path, self.redeem(coupon, &order, Some(wrong), false)?)
            }
            Step::Confirm | Step::ConfirmLate => (format!("{path}/{}/confirm", order.name), vec![]),
            Step::Release => (format!("{path}/{}/release", order.name), vec![]),
            Step::Refund { .. } | Step::RefundAgain => {
                let refund = format!("r{}", order.refunds);
                let body = json!({ "refund": refund, "amount_fen": order.last.0 });
                (format!("{path}/{}/refunds", order.name), serde_json::to_vec(&body)?)
            }
            Step::RefundTooMuch => {
                let amount = order.amount.saturating_sub(order.refunded).saturating_add(1);
                let body = json!({ "refund": "more", "amount_fen": amount });
                (format!("{path}/{}/refunds", order.name), serde_json::to_vec(&body)?)
            }
            Step::Code | Step::AfterEnd => anyhow::bail!("nothing is asked of a till"),
        };
        let nonce = self.shoppers.rng.random();
        let till = self.shoppers.tills.get(order.till).context("there is no such till")?;
        let unsigned =
            Unsigned { method: "POST", target: &target, body: &body, at_ms: now_ms, nonce };
        wire::signed(&target, &host, &till.sign(unsigned), &body, out);
        Ok(())
    }

    fn code(
        &self,
        customer: usize,
        host: &str,
        now_ms: i64,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let shoppers = &self.shoppers;
        let actor = &shoppers.customers.get(customer).context("there is no such customer")?.actor;
        let market = &shoppers.market;
        let material = actor.material(market.seed);
        let identity = tokens::identity(&shoppers.keys, &market.campaign, now_ms, &material)?;
        let mut fix = vec![];
        tokens::fix(&shoppers.keys, actor.place(), now_ms, &material.dev, &mut fix);
        let body = json!({ "device": material.dev, "fix": String::from_utf8(fix)? });
        let head = wire::post_head(&format!("{}/payment-codes", shoppers.path()), host);
        wire::post(&head, Some(&identity), &serde_json::to_vec(&body)?, out);
        Ok(())
    }

    fn redeem(
        &self,
        coupon: usize,
        order: &Order,
        wrong: Option<Wrong>,
        one_step: bool,
    ) -> anyhow::Result<Vec<u8>> {
        let coupons = &self.shoppers.coupons;
        let own = coupons.get(coupon).context("there is no such coupon")?;
        let number = if wrong == Some(Wrong::NotTheHolder) {
            let others = coupons.iter().filter(|it| it.customer != own.customer);
            // A number that no coupon has is nobody's either.
            others.map(|it| it.number.as_str()).next().unwrap_or("0000000000000")
        } else {
            own.number.as_str()
        };
        let scan = if wrong == Some(Wrong::ConsumerScan) { "consumer" } else { "merchant" };
        let Order { name, code, amount, .. } = order;
        let body = json!({
            "order": name, "code": code, "amount_fen": amount, "coupon": number, "scan": scan,
            "one_step": one_step,
        });
        Ok(serde_json::to_vec(&body)?)
    }

    fn code_of(&self, customer: usize) -> String {
        self.shoppers.customers.get(customer).map_or(String::new(), |it| it.code.clone())
    }
}
