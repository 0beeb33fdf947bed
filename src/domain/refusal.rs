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
}

impl Refusal {
    /// Every refusal once, in the order above; numbers are zero.
    pub const ALL: [Refusal; 36] = [
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
