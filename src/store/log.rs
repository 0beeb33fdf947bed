use crate::domain::CampaignNo;

/// The number of a log in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogNo(pub u32);

impl LogNo {
    /// The journal of a server without others, which holds everything of every campaign.
    pub const EMBEDDED: LogNo = LogNo(0);
    /// In the place of a shard: the log of a campaign's identities.
    pub const IDENTITIES: u8 = u8::MAX;

    /// The log of a campaign's shard.
    pub const fn of(campaign: CampaignNo, shard: u8) -> LogNo {
        LogNo((campaign.0 as u32 + 1) << 8 | shard as u32)
    }

    /// Whether it holds what is unique across a campaign's persons, and no passes.
    pub const fn of_identities(self) -> bool {
        self.0 & 0xff == LogNo::IDENTITIES as u32
    }
}

impl std::fmt::Display for LogNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
