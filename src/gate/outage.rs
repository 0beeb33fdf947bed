//! When issuing may go on after what it rests on failed (R-RISK-3).

/// An outage that was shorter ends by itself; a longer one is ended by two persons.
pub const HEALS_WITHIN_MS: i64 = 60_000;
/// How long everything must be well before issuing goes on.
pub const CLEAN_MS: i64 = 1_000;

/// What an outage asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Issuing goes on.
    Open,
    /// Issuing is stopped, here and for now.
    Shut,
    /// It lasted too long: issuing is stopped here until two persons say otherwise.
    People,
}

/// The outage of one thing, if there is one. Instants are of a clock that only runs forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// When it began.
    since: Option<i64>,
    /// Since when all has been well again.
    well_since: Option<i64>,
    /// Whether it lasted so long that only people end it.
    long: bool,
}

impl Outage {
    /// Looks at `now_ms`: is it well?
    pub fn look(&mut self, now_ms: i64, well: bool) -> Verdict {
        if !well {
            let since = *self.since.get_or_insert(now_ms);
            self.long |= now_ms.saturating_sub(since) > HEALS_WITHIN_MS;
            self.well_since = None;
        }
        let Some(since) = self.since else { return Verdict::Open };
        if well {
            let well_since = *self.well_since.get_or_insert(now_ms);
            self.long |= well_since.saturating_sub(since) > HEALS_WITHIN_MS;
            if !self.long && now_ms.saturating_sub(well_since) >= CLEAN_MS {
                *self = Outage::default();
                return Verdict::Open;
            }
        }
        if self.long { Verdict::People } else { Verdict::Shut }
    }

    /// People say that issuing may go on; it does if all is well.
    pub fn resume(&mut self) {
        *self = Outage::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(looks: &[(i64, bool)]) -> Vec<Verdict> {
        let mut outage = Outage::default();
        looks.iter().map(|(now, well)| outage.look(*now, *well)).collect()
    }

    #[test]
    fn r_risk_3_a_short_outage_ends_after_a_clean_second() {
        use Verdict::{Open, Shut};
        let seen = looks(&[(0, true), (100, false), (200, true), (1_199, true), (1_200, true)]);
        assert_eq!(seen, [Open, Shut, Shut, Shut, Open]);
        let flapping = looks(&[
            (0, false),
            (100, true),
            (1_000, false),
            (1_100, true),
            (2_099, true),
            (2_100, true),
        ]);
        assert_eq!(flapping, [Shut, Shut, Shut, Shut, Shut, Open]);
    }

    #[test]
    fn r_risk_3_a_long_outage_is_ended_by_people() {
        use Verdict::{Open, People, Shut};
        assert_eq!(looks(&[(0, false), (60_000, true), (61_000, true)]), [Shut, Shut, Open]);
        assert_eq!(looks(&[(0, false), (60_001, true), (99_000, true)]), [Shut, People, People]);
        let mut outage = Outage::default();
        outage.look(0, false);
        assert_eq!(outage.look(60_001, false), People);
        outage.resume();
        assert_eq!(outage.look(60_100, false), Shut, "it is not well yet");
        outage.resume();
        assert_eq!(outage.look(60_200, true), Open);
    }
}
