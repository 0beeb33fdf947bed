use crate::domain::{At, CouponId, PassNonce, PersonId};
use serde::{Deserialize, Serialize};

/// A person was granted a coupon (R-CLAIM-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The coupon.
    pub coupon: CouponId,
    /// Who holds it.
    pub person: PersonId,
    /// The pass that was spent for its kind.
    pub pass: PassNonce,
    /// The end of its validity, exclusive: set now and never again (R-CAL-3).
    pub ends_at: At,
}
