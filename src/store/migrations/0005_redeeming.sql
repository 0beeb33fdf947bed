-- Redeeming, settling, adjusting.
--
-- SQLite can't change a constraint: where one has to be another, a new table takes the rows and then
-- the name of the old one, and so do those that refer to it.

-- R-KIND-2: the least order amount, inclusive. Campaigns that were opened before have none.
ALTER TABLE kinds ADD COLUMN threshold_fen INTEGER NOT NULL DEFAULT 0 CHECK (threshold_fen >= 0);

-- R-FUND-2, with the way of the money after a coupon: redeemed, in a settlement, with merchants.
CREATE TABLE pools_5 (
    log           INTEGER NOT NULL,
    campaign      INTEGER NOT NULL,
    pool          INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    budget_fen    INTEGER NOT NULL DEFAULT 0 CHECK (budget_fen >= 0),
    available_fen INTEGER NOT NULL DEFAULT 0 CHECK (available_fen >= 0),
    reserved_fen  INTEGER NOT NULL DEFAULT 0 CHECK (reserved_fen >= 0),
    frozen_fen    INTEGER NOT NULL DEFAULT 0 CHECK (frozen_fen >= 0),
    consumed_fen  INTEGER NOT NULL DEFAULT 0 CHECK (consumed_fen >= 0),
    payable_fen   INTEGER NOT NULL DEFAULT 0 CHECK (payable_fen >= 0),
    paid_fen      INTEGER NOT NULL DEFAULT 0 CHECK (paid_fen >= 0),
    PRIMARY KEY (log, campaign, pool),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign),
    CHECK (available_fen + reserved_fen + frozen_fen + consumed_fen + payable_fen + paid_fen
           = budget_fen)
) STRICT, WITHOUT ROWID;
INSERT INTO pools_5
    (log, campaign, pool, name, budget_fen, available_fen, reserved_fen, frozen_fen)
    SELECT log, campaign, pool, name, budget_fen, available_fen, reserved_fen, frozen_fen
    FROM pools;

-- Money moving inside a pool, but by a grant or a confirmed redemption.
CREATE TABLE postings_5 (
    log      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    pool     INTEGER NOT NULL,
    source   TEXT    NOT NULL CHECK (source IN
        ('treasury', 'available', 'reserved', 'frozen', 'consumed', 'payable', 'paid')),
    target   TEXT    NOT NULL CHECK (target IN
        ('treasury', 'available', 'reserved', 'frozen', 'consumed', 'payable', 'paid')),
    fen      INTEGER NOT NULL CHECK (fen >= 0),
    PRIMARY KEY (log, seq, line),
    FOREIGN KEY (log, campaign, pool) REFERENCES pools_5 (log, campaign, pool)
) STRICT, WITHOUT ROWID;
INSERT INTO postings_5 (log, seq, line, campaign, pool, source, target, fen)
    SELECT log, seq, line, campaign, pool, source, target, fen FROM postings;

CREATE TABLE transfers_5 (
    log       INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    line      INTEGER NOT NULL,
    campaign  INTEGER NOT NULL,
    direction TEXT    NOT NULL CHECK (direction IN ('sent', 'received')),
    peer      INTEGER NOT NULL,
    number    INTEGER NOT NULL CHECK (number >= 1),
    round     INTEGER,
    kind      INTEGER,
    units     INTEGER,
    pool      INTEGER,
    PRIMARY KEY (log, seq, line),
    UNIQUE (log, campaign, direction, peer, number),
    FOREIGN KEY (log, campaign, round, kind) REFERENCES stock (log, campaign, round, kind),
    FOREIGN KEY (log, campaign, pool) REFERENCES pools_5 (log, campaign, pool),
    CHECK ((round IS NULL) = (kind IS NULL) AND (round IS NULL) = (units IS NULL)),
    CHECK ((round IS NULL) <> (pool IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO transfers_5
    (log, seq, line, campaign, direction, peer, number, round, kind, units, pool)
    SELECT log, seq, line, campaign, direction, peer, number, round, kind, units, pool
    FROM transfers;

DROP TABLE transfers;
DROP TABLE postings;
DROP TABLE pools;
ALTER TABLE pools_5 RENAME TO pools;
ALTER TABLE postings_5 RENAME TO postings;
ALTER TABLE transfers_5 RENAME TO transfers;

-- Of the coupons granted, those held for an order, and those used; one that was given back past its
-- end stays among the used.
ALTER TABLE stock ADD COLUMN locked INTEGER NOT NULL DEFAULT 0 CHECK (locked >= 0);
ALTER TABLE stock ADD COLUMN used INTEGER NOT NULL DEFAULT 0
    CHECK (used >= 0 AND locked + used <= granted);

-- What became of a coupon, and by which redemption. That it expired is no write: its end is in the
-- row. So one that is `issued` may be past its end, and `returned` is past it.
ALTER TABLE coupons ADD COLUMN state TEXT NOT NULL DEFAULT 'issued'
    CHECK (state IN ('issued', 'locked', 'used', 'returned'));
ALTER TABLE coupons ADD COLUMN redemption BLOB
    CHECK ((state = 'issued') = (redemption IS NULL)
        AND (redemption IS NULL OR length(redemption) = 16));

-- R-MERCH-1: who redeems, and what for; `categories` has a bit a pool, a `cap_fen` of 0 is none.
CREATE TABLE merchants (
    log        INTEGER NOT NULL,
    campaign   INTEGER NOT NULL,
    merchant   INTEGER NOT NULL,
    categories INTEGER NOT NULL,
    cap_fen    INTEGER NOT NULL CHECK (cap_fen >= 0),
    standing   TEXT    NOT NULL DEFAULT 'active'
        CHECK (standing IN ('active', 'suspended', 'held', 'suspended and held')),
    PRIMARY KEY (log, campaign, merchant),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign)
) STRICT, WITHOUT ROWID;

-- R-REDEEM-4: a lock, by its place in the log, and how it ended. An order whose lock was released may
-- be locked anew, so one of its rows at most is not released.
--
-- The row of one that was confirmed is the posting as well: `fen` of `pool` went from frozen to
-- consumed in the entry `ended_seq`.
CREATE TABLE redemptions (
    log          INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    line         INTEGER NOT NULL,
    campaign     INTEGER NOT NULL,
    redemption   BLOB    NOT NULL CHECK (length(redemption) = 16),
    merchant     INTEGER NOT NULL,
    person       BLOB    NOT NULL CHECK (length(person) = 16),
    round        INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    pool         INTEGER NOT NULL,
    fen          INTEGER NOT NULL CHECK (fen >= 0),
    amount_fen   INTEGER NOT NULL CHECK (amount_fen >= 0),
    request      BLOB    NOT NULL CHECK (length(request) = 8),
    locked_at_ms INTEGER NOT NULL,
    until_ms     INTEGER NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'locked'
        CHECK (state IN ('locked', 'confirmed', 'released')),
    ended_seq    INTEGER,
    ended_at_ms  INTEGER,
    refunded_fen INTEGER NOT NULL DEFAULT 0,
    back_fen     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (log, seq, line),
    FOREIGN KEY (log, campaign, merchant) REFERENCES merchants (log, campaign, merchant),
    CHECK ((state = 'locked') = (ended_seq IS NULL)),
    CHECK ((state = 'locked') = (ended_at_ms IS NULL)),
    CHECK (state <> 'confirmed' OR ended_at_ms < until_ms),
    CHECK (state = 'confirmed' OR (refunded_fen = 0 AND back_fen = 0)),
    CHECK (refunded_fen BETWEEN 0 AND amount_fen),
    CHECK (back_fen BETWEEN 0 AND fen)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX redemptions_live ON redemptions (campaign, redemption)
    WHERE state <> 'released';

-- R-REDEEM-5: `back_fen` of the face was taken back, or is owed by the merchant; `coupon` is what
-- became of it.
CREATE TABLE refunds (
    log        INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    line       INTEGER NOT NULL,
    campaign   INTEGER NOT NULL,
    refund     BLOB    NOT NULL CHECK (length(refund) = 16),
    redemption BLOB    NOT NULL CHECK (length(redemption) = 16),
    amount_fen INTEGER NOT NULL CHECK (amount_fen >= 0),
    back_fen   INTEGER NOT NULL CHECK (back_fen >= 0),
    coupon     TEXT    NOT NULL CHECK (coupon IN ('used', 'issued', 'returned')),
    owed       INTEGER NOT NULL CHECK (owed IN (0, 1)),
    at_ms      INTEGER NOT NULL,
    PRIMARY KEY (campaign, refund)
) STRICT, WITHOUT ROWID;

-- What a batch has for a merchant of a pool: what is payable is `consumed_fen` less `owed_fen`. In it
-- are the redemptions confirmed and the refunds made before `seq` and in no batch before.
CREATE TABLE settlements (
    log            INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    campaign       INTEGER NOT NULL,
    batch          INTEGER NOT NULL,
    merchant       INTEGER NOT NULL,
    pool           INTEGER NOT NULL,
    consumed_fen   INTEGER NOT NULL CHECK (consumed_fen >= 0),
    owed_fen       INTEGER NOT NULL CHECK (owed_fen BETWEEN 0 AND consumed_fen),
    state          TEXT    NOT NULL DEFAULT 'payable' CHECK (state IN ('payable', 'paid', 'failed')),
    failures       INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    settled_at_ms  INTEGER NOT NULL,
    answered_at_ms INTEGER,
    PRIMARY KEY (log, campaign, batch, merchant, pool),
    FOREIGN KEY (log, campaign, merchant) REFERENCES merchants (log, campaign, merchant),
    FOREIGN KEY (log, campaign, pool) REFERENCES pools (log, campaign, pool),
    CHECK ((state = 'payable') = (answered_at_ms IS NULL)),
    CHECK (state <> 'failed' OR failures > 0)
) STRICT, WITHOUT ROWID;

-- R-ADJ-1: a round's quantities as they were decided, each time for all kinds; `follows` is the version
-- that these came after.
CREATE TABLE adjustments (
    log      INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    version  INTEGER NOT NULL CHECK (version >= 1),
    kind     INTEGER NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    follows  INTEGER,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (log, campaign, round, version, kind),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign),
    FOREIGN KEY (campaign, kind) REFERENCES kinds (campaign, kind),
    FOREIGN KEY (log, campaign, round, follows, kind)
        REFERENCES adjustments (log, campaign, round, version, kind),
    CHECK ((version = 1) = (follows IS NULL)),
    CHECK (follows IS NULL OR follows = version - 1)
) STRICT, WITHOUT ROWID;
