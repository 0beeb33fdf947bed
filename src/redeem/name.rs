//! What orders and refunds are called: digests, so that a retry is the same thing wherever it arrives.

use crate::domain::{CouponId, Fen, MerchantNo, RedemptionId, RefundId};
use sha2::{Digest, Sha256};

/// The redemption of an order (R-REDEEM-4): no two merchants, and no two orders of one, have the same.
pub fn redemption(campaign: &str, merchant: MerchantNo, order: &str) -> RedemptionId {
    let merchant = merchant.0.to_be_bytes();
    RedemptionId(first(&[b"quan redemption", campaign.as_bytes(), &merchant, order.as_bytes()]))
}

/// The refund of a redemption that a merchant gave this number.
pub fn refund(redemption: RedemptionId, number: &str) -> RefundId {
    RefundId(first(&[b"quan refund", &redemption.0, number.as_bytes()]))
}

/// What tells a request to redeem from another of the same order: its payment code, amount and choice.
pub fn request(code: &str, amount: Fen, choice: Option<CouponId>) -> [u8; 8] {
    let choice = choice.map_or_else(String::new, |choice| choice.to_string());
    let amount = amount.get().to_be_bytes();
    first(&[b"quan redemption request", code.as_bytes(), &amount, choice.as_bytes()])
}

/// The first bytes of SHA-256 over the parts, each after its length as a big-endian u64.
fn first<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut bytes = [0; N];
    bytes.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
    bytes
}
