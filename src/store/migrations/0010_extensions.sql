-- R-ADJ-2: further rounds of a campaign as they were decided, and the period's end before and since; their
-- quantities stand in `adjustments`.
CREATE TABLE extensions (
    log             INTEGER NOT NULL,
    campaign        INTEGER NOT NULL,
    round           INTEGER NOT NULL CHECK (round BETWEEN 1 AND 99),
    opens_at_ms     INTEGER NOT NULL,
    ends_at_ms      INTEGER NOT NULL,
    period_ended_ms INTEGER NOT NULL,
    period_ends_ms  INTEGER NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (log, campaign, round),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign),
    CHECK (opens_at_ms < ends_at_ms),
    CHECK (at_ms < period_ended_ms),
    CHECK (period_ended_ms < period_ends_ms),
    CHECK (opens_at_ms < period_ends_ms)
) STRICT, WITHOUT ROWID;
