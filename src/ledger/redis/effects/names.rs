//! What fields are called.

use crate::domain::{
    Hex, IdentifierKind, KeyedHash, KindNo, MerchantNo, PersonId, PoolNo, RedemptionId, RefundId,
};
use crate::funds::Account;

/// A person's coupon of a kind in `holders`.
pub(crate) fn holder(person: PersonId, kind: KindNo) -> Vec<u8> {
    let mut field = person.0.to_vec();
    field.push(kind.0);
    field
}

/// An identifier in `bindings`.
pub(crate) fn binding((kind, hash): (IdentifierKind, KeyedHash)) -> Vec<u8> {
    let mut field = vec![kind as u8];
    field.extend(hash.0);
    field
}

/// A pool's account in `funds`; the treasury's is the budget that came from it.
pub(crate) fn account(account: Account, pool: PoolNo) -> Vec<u8> {
    let name = if account == Account::Treasury { "budget" } else { account.name() };
    format!("{name}:{}", pool.0).into_bytes()
}

/// A kind's number in `round`, as `left`.
pub(crate) fn of_kind(name: &str, kind: usize) -> Vec<u8> {
    format!("{name}:{kind}").into_bytes()
}

/// What is known of a merchant, in `merchants`.
pub(crate) fn of_merchant(name: &str, merchant: MerchantNo) -> Vec<u8> {
    format!("{name}:{}", merchant.0).into_bytes()
}

/// The same, of a merchant and a pool.
pub(crate) fn of_pool(name: &str, merchant: MerchantNo, pool: PoolNo) -> Vec<u8> {
    format!("{name}:{}:{}", merchant.0, pool.0).into_bytes()
}

/// An order that was reserved, in `transit` of the identities: its lock is not known yet.
pub(crate) fn to_lock(redemption: RedemptionId) -> Vec<u8> {
    format!("lock:{}", Hex(redemption.0)).into_bytes()
}

/// An order that was released, in `transit` of its shard: its reservation is not known to be vacated.
pub(crate) fn to_vacate(redemption: RedemptionId) -> Vec<u8> {
    format!("vacate:{}", Hex(redemption.0)).into_bytes()
}

/// A refund, in `transit` of its shard: what it took back is not known to be given back.
pub(crate) fn to_give_back(refund: RefundId) -> Vec<u8> {
    format!("give_back:{}", Hex(refund.0)).into_bytes()
}
