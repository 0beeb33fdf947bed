//! Why a person is told no. A refusal is a normal answer of a healthy system: counted, never logged.

/// How long somebody waits, in milliseconds, who came while the rest was held by others or on its way.
pub const BUSY_MS: u32 = 200;

/// Every named no. `Copy`, so making one costs nothing.
///
/// The public contract (status and texts) of each is one row in `http/error.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No such campaign here.
    CampaignUnknown,
    /// No such round in the campaign.
    RoundUnknown,
    /// No such kind in the campaign.
    KindUnknown,
    /// The plan lets a pass name one kind only, and more were asked for (R-RISK-1).
    OneKindPerPass,
    /// Issuing is stopped: risk control is degraded (R-RISK-3).
    RiskControlDegraded,
    /// The round opens later (R-CAL-1).
    NotOpen {
        /// Milliseconds until it opens.
        opens_in_ms: i64,
    },
    /// The round is over (R-CAL-4).
    Closed,
    /// The pass is not one of ours, or was altered.
    PassInvalid,
    /// The pass has run out (R-RISK-1).
    PassExpired,
    /// The pass is for another campaign or round (R-RISK-2).
    PassWrongRound,
    /// The pass belongs to another device (R-RISK-2).
    PassWrongDevice,
    /// The pass does not name this kind (R-RISK-1).
    KindNotInPass,
    /// The pass was already spent for this kind (R-RISK-1).
    PassSpent,
    /// No position fix came with the request (R-WHO-1).
    PositionMissing,
    /// The fix does not carry the host app's signature for this device (R-RISK-2).
    PositionUnsigned,
    /// The fix is too old, or from the future (R-WHO-1).
    PositionStale,
    /// The fix is too inaccurate (R-WHO-1).
    PositionCoarse,
    /// The fix comes from a mock provider (R-WHO-1).
    PositionMock,
    /// The accuracy circle crosses the fence (R-WHO-1).
    PositionUncertain,
    /// The position is outside the fence (R-WHO-1).
    PositionOutside,
    /// This person, device or address asks too often (R-RISK-4).
    TooFast {
        /// How long to wait before the next attempt can succeed.
        retry_after_ms: u32,
    },
    /// What is left is held by others at this moment; some of it may come back.
    Busy {
        /// How long to wait before trying again.
        retry_after_ms: u32,
    },
    /// The ledger has decided the last coupon of this kind (R-CLAIM-2).
    SoldOut,
    /// No host-app token came with the request (R-RISK-2).
    ChannelRequired,
    /// The identity token is not the host app's, or was altered (R-WHO-2).
    IdentityInvalid,
    /// The identity token has run out.
    IdentityExpired,
    /// The person is not real-name verified (R-WHO-2).
    NotRealName,
    /// An identifier is blank or a maker's default (R-WHO-3).
    IdentifierBlank,
    /// The account is bound to somebody else (R-WHO-3).
    AccountInUse,
    /// The phone is bound to somebody else (R-WHO-3).
    PhoneInUse,
    /// The card is bound to somebody else (R-WHO-3).
    CardInUse,
    /// The device is bound to somebody else (R-WHO-3).
    DeviceInUse,
    /// The slider proof is not valid for this person, device and round (R-RISK-1).
    SliderInvalid,
    /// The image proof is not valid for this person, device and round (R-RISK-1).
    ImageInvalid,
    /// A proof is too old, or was solved too early (R-RISK-1).
    ProofExpired,
    /// A proof was already used (R-RISK-1).
    ProofSpent,
    /// The coupon has ended (R-CAL-2, R-REDEEM-6).
    CouponExpired,
    /// The coupon starts later (R-REDEEM-6).
    CouponNotYetValid,
    /// The merchant has not the category that the coupon is for (R-KIND-4).
    WrongCategory,
    /// The order is below the threshold of the coupon (R-KIND-2).
    BelowThreshold,
    /// The merchant is not admitted (R-MERCH-1).
    MerchantUnknown,
    /// The merchant is suspended (R-MERCH-1, R-MERCH-2).
    MerchantSuspended,
    /// The merchant has reached the most that it may redeem.
    MerchantCap,
    /// The person has no coupon that could be used (R-REDEEM-3).
    NoCoupon,
    /// The coupon was used before (R-REDEEM-6).
    CouponUsed,
    /// The coupon is held for another order (R-REDEEM-4).
    CouponLocked,
    /// The coupon is another person's (R-WHO-4, R-REDEEM-6).
    NotTheHolder,
    /// The order number stands for something else already (R-REDEEM-4).
    OrderConflict,
    /// No such order of this merchant is known.
    OrderUnknown,
    /// The coupon is not held for the order any more (R-REDEEM-4).
    LockExpired,
    /// More would be refunded than the order has left (R-REDEEM-5).
    RefundTooLarge,
    /// The refund number stands for another refund (R-REDEEM-5).
    RefundConflict,
    /// The pool has no money to freeze for a coupon that comes back (R-FUND-2).
    FundsShort,
    /// The order was not confirmed, so there is nothing to refund (R-REDEEM-5).
    NotConfirmed,
    /// The payment code is used, replaced, too old or none of ours (R-REDEEM-2).
    CodeDead,
    /// The consumer scanned the shop's code (R-REDEEM-1).
    WrongScanDirection,
}

impl Refusal {
    /// Every refusal once, in the order above; numbers are zero.
    pub const ALL: [Refusal; 56] = [
        Refusal::CampaignUnknown,
        Refusal::RoundUnknown,
        Refusal::KindUnknown,
        Refusal::OneKindPerPass,
        Refusal::RiskControlDegraded,
        Refusal::NotOpen { opens_in_ms: 0 },
        Refusal::Closed,
        Refusal::PassInvalid,
        Refusal::PassExpired,
        Refusal::PassWrongRound,
        Refusal::PassWrongDevice,
        Refusal::KindNotInPass,
        Refusal::PassSpent,
        Refusal::PositionMissing,
        Refusal::PositionUnsigned,
        Refusal::PositionStale,
        Refusal::PositionCoarse,
        Refusal::PositionMock,
        Refusal::PositionUncertain,
        Refusal::PositionOutside,
        Refusal::TooFast { retry_after_ms: 0 },
        Refusal::Busy { retry_after_ms: 0 },
        Refusal::SoldOut,
        Refusal::ChannelRequired,
        Refusal::IdentityInvalid,
        Refusal::IdentityExpired,
        Refusal::NotRealName,
        Refusal::IdentifierBlank,
        Refusal::AccountInUse,
        Refusal::PhoneInUse,
        Refusal::CardInUse,
        Refusal::DeviceInUse,
        Refusal::SliderInvalid,
        Refusal::ImageInvalid,
        Refusal::ProofExpired,
        Refusal::ProofSpent,
        Refusal::CouponExpired,
        Refusal::CouponNotYetValid,
        Refusal::WrongCategory,
        Refusal::BelowThreshold,
        Refusal::MerchantUnknown,
        Refusal::MerchantSuspended,
        Refusal::MerchantCap,
        Refusal::NoCoupon,
        Refusal::CouponUsed,
        Refusal::CouponLocked,
        Refusal::NotTheHolder,
        Refusal::OrderConflict,
        Refusal::OrderUnknown,
        Refusal::LockExpired,
        Refusal::RefundTooLarge,
        Refusal::RefundConflict,
        Refusal::FundsShort,
        Refusal::NotConfirmed,
        Refusal::CodeDead,
        Refusal::WrongScanDirection,
    ];

    /// The stable name, used in HTTP answers, metrics and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Refusal::CampaignUnknown => "campaign_unknown",
            Refusal::RoundUnknown => "round_unknown",
            Refusal::KindUnknown => "kind_unknown",
            Refusal::OneKindPerPass => "one_kind_per_pass",
            Refusal::RiskControlDegraded => "risk_control_degraded",
            Refusal::NotOpen { .. } => "not_open",
            Refusal::Closed => "closed",
            Refusal::PassInvalid => "pass_invalid",
            Refusal::PassExpired => "pass_expired",
            Refusal::PassWrongRound => "pass_wrong_round",
            Refusal::PassWrongDevice => "pass_wrong_device",
            Refusal::KindNotInPass => "kind_not_in_pass",
            Refusal::PassSpent => "pass_spent",
            Refusal::PositionMissing => "position_missing",
            Refusal::PositionUnsigned => "position_unsigned",
            Refusal::PositionStale => "position_stale",
            Refusal::PositionCoarse => "position_coarse",
            Refusal::PositionMock => "position_mock",
            Refusal::PositionUncertain => "position_uncertain",
            Refusal::PositionOutside => "position_outside",
            Refusal::TooFast { .. } => "too_fast",
            Refusal::Busy { .. } => "busy",
            Refusal::SoldOut => "sold_out",
            Refusal::ChannelRequired => "channel_required",
            Refusal::IdentityInvalid => "identity_invalid",
            Refusal::IdentityExpired => "identity_expired",
            Refusal::NotRealName => "not_real_name",
            Refusal::IdentifierBlank => "identifier_blank",
            Refusal::AccountInUse => "account_in_use",
            Refusal::PhoneInUse => "phone_in_use",
            Refusal::CardInUse => "card_in_use",
            Refusal::DeviceInUse => "device_in_use",
            Refusal::SliderInvalid => "slider_invalid",
            Refusal::ImageInvalid => "image_invalid",
            Refusal::ProofExpired => "proof_expired",
            Refusal::ProofSpent => "proof_spent",
            Refusal::CouponExpired => "coupon_expired",
            Refusal::CouponNotYetValid => "coupon_not_yet_valid",
            Refusal::WrongCategory => "wrong_category",
            Refusal::BelowThreshold => "below_threshold",
            Refusal::MerchantUnknown => "merchant_unknown",
            Refusal::MerchantSuspended => "merchant_suspended",
            Refusal::MerchantCap => "merchant_cap",
            Refusal::NoCoupon => "no_coupon",
            Refusal::CouponUsed => "coupon_used",
            Refusal::CouponLocked => "coupon_locked",
            Refusal::NotTheHolder => "not_the_holder",
            Refusal::OrderConflict => "order_conflict",
            Refusal::OrderUnknown => "order_unknown",
            Refusal::LockExpired => "lock_expired",
            Refusal::RefundTooLarge => "refund_too_large",
            Refusal::RefundConflict => "refund_conflict",
            Refusal::FundsShort => "funds_short",
            Refusal::NotConfirmed => "not_confirmed",
            Refusal::CodeDead => "code_dead",
            Refusal::WrongScanDirection => "wrong_scan_direction",
        }
    }

    /// Its place in [`Refusal::ALL`]: where an array of counters has its own.
    pub const fn place(self) -> usize {
        match self {
            Refusal::CampaignUnknown => 0,
            Refusal::RoundUnknown => 1,
            Refusal::KindUnknown => 2,
            Refusal::OneKindPerPass => 3,
            Refusal::RiskControlDegraded => 4,
            Refusal::NotOpen { .. } => 5,
            Refusal::Closed => 6,
            Refusal::PassInvalid => 7,
            Refusal::PassExpired => 8,
            Refusal::PassWrongRound => 9,
            Refusal::PassWrongDevice => 10,
            Refusal::KindNotInPass => 11,
            Refusal::PassSpent => 12,
            Refusal::PositionMissing => 13,
            Refusal::PositionUnsigned => 14,
            Refusal::PositionStale => 15,
            Refusal::PositionCoarse => 16,
            Refusal::PositionMock => 17,
            Refusal::PositionUncertain => 18,
            Refusal::PositionOutside => 19,
            Refusal::TooFast { .. } => 20,
            Refusal::Busy { .. } => 21,
            Refusal::SoldOut => 22,
            Refusal::ChannelRequired => 23,
            Refusal::IdentityInvalid => 24,
            Refusal::IdentityExpired => 25,
            Refusal::NotRealName => 26,
            Refusal::IdentifierBlank => 27,
            Refusal::AccountInUse => 28,
            Refusal::PhoneInUse => 29,
            Refusal::CardInUse => 30,
            Refusal::DeviceInUse => 31,
            Refusal::SliderInvalid => 32,
            Refusal::ImageInvalid => 33,
            Refusal::ProofExpired => 34,
            Refusal::ProofSpent => 35,
            Refusal::CouponExpired => 36,
            Refusal::CouponNotYetValid => 37,
            Refusal::WrongCategory => 38,
            Refusal::BelowThreshold => 39,
            Refusal::MerchantUnknown => 40,
            Refusal::MerchantSuspended => 41,
            Refusal::MerchantCap => 42,
            Refusal::NoCoupon => 43,
            Refusal::CouponUsed => 44,
            Refusal::CouponLocked => 45,
            Refusal::NotTheHolder => 46,
            Refusal::OrderConflict => 47,
            Refusal::OrderUnknown => 48,
            Refusal::LockExpired => 49,
            Refusal::RefundTooLarge => 50,
            Refusal::RefundConflict => 51,
            Refusal::FundsShort => 52,
            Refusal::NotConfirmed => 53,
            Refusal::CodeDead => 54,
            Refusal::WrongScanDirection => 55,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_list_of_all_has_every_refusal_once() {
        let codes: HashSet<&str> = Refusal::ALL.into_iter().map(Refusal::code).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        // `code` is a match without a catch-all; its rows are counted here.
        let rows = include_str!("refusal.rs").matches("=> \"").count();
        assert_eq!(rows, Refusal::ALL.len());
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.place(), place, "{refusal:?}");
        }
    }
}
