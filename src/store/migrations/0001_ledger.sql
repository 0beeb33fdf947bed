-- The ledger as rows: a fold of its events, and beside it the events themselves.
--
-- Instants are Unix milliseconds, money is fen, persons and identifiers are keyed hashes of 16
-- bytes. For PostgreSQL: INTEGER becomes BIGINT, BLOB becomes BYTEA, STRICT and WITHOUT ROWID go.

-- How far each shard's log is in here, and who may write on.
CREATE TABLE cursor (
    shard       INTEGER NOT NULL PRIMARY KEY,
    seq         INTEGER NOT NULL CHECK (seq >= 0),
    owner_epoch INTEGER NOT NULL
) STRICT;

-- Append-only: the body of every entry that holds events, as it stands in the log.
CREATE TABLE events (
    shard INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body  BLOB    NOT NULL,
    PRIMARY KEY (shard, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE campaigns (
    campaign INTEGER NOT NULL PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE
) STRICT;

-- R-FUND-2: no account below zero, and what the treasury put in is what stands in the accounts.
CREATE TABLE pools (
    campaign      INTEGER NOT NULL REFERENCES campaigns (campaign),
    pool          INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    budget_fen    INTEGER NOT NULL DEFAULT 0 CHECK (budget_fen >= 0),
    available_fen INTEGER NOT NULL DEFAULT 0 CHECK (available_fen >= 0),
    reserved_fen  INTEGER NOT NULL DEFAULT 0 CHECK (reserved_fen >= 0),
    frozen_fen    INTEGER NOT NULL DEFAULT 0 CHECK (frozen_fen >= 0),
    PRIMARY KEY (campaign, pool),
    CHECK (available_fen + reserved_fen + frozen_fen = budget_fen)
) STRICT, WITHOUT ROWID;

CREATE TABLE kinds (
    campaign INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    pool     INTEGER NOT NULL,
    face_fen INTEGER NOT NULL CHECK (face_fen >= 0),
    PRIMARY KEY (campaign, kind),
    FOREIGN KEY (campaign, pool) REFERENCES pools (campaign, pool)
) STRICT, WITHOUT ROWID;

-- A round from its arming on.
CREATE TABLE rounds (
    campaign    INTEGER NOT NULL REFERENCES campaigns (campaign),
    round       INTEGER NOT NULL,
    opens_at_ms INTEGER NOT NULL,
    ends_at_ms  INTEGER NOT NULL,
    expired     INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1)),
    PRIMARY KEY (campaign, round)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock (
    campaign INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    granted  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign, round, kind),
    FOREIGN KEY (campaign, round) REFERENCES rounds (campaign, round),
    FOREIGN KEY (campaign, kind) REFERENCES kinds (campaign, kind),
    CHECK (granted >= 0 AND granted <= quantity)
) STRICT, WITHOUT ROWID;

-- A pass may come before its round is armed.
CREATE TABLE passes (
    campaign      INTEGER NOT NULL REFERENCES campaigns (campaign),
    round         INTEGER NOT NULL,
    pass          BLOB    NOT NULL CHECK (length(pass) = 16),
    person        BLOB    NOT NULL CHECK (length(person) = 16),
    kinds         INTEGER NOT NULL,
    bound_at_ms   INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (campaign, round, pass)
) STRICT, WITHOUT ROWID;

-- R-RISK-1: a proof is spent once, whatever it proves.
CREATE TABLE proofs (
    campaign INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    proof    BLOB    NOT NULL CHECK (length(proof) = 16),
    pass     BLOB    NOT NULL,
    PRIMARY KEY (campaign, round, proof),
    FOREIGN KEY (campaign, round, pass) REFERENCES passes (campaign, round, pass)
) STRICT, WITHOUT ROWID;

-- R-WHO-3: an identifier belongs to one person for the round.
CREATE TABLE bindings (
    campaign        INTEGER NOT NULL REFERENCES campaigns (campaign),
    round           INTEGER NOT NULL,
    identifier_kind INTEGER NOT NULL CHECK (identifier_kind BETWEEN 1 AND 4),
    identifier      BLOB    NOT NULL CHECK (length(identifier) = 16),
    person          BLOB    NOT NULL CHECK (length(person) = 16),
    PRIMARY KEY (campaign, round, identifier_kind, identifier)
) STRICT, WITHOUT ROWID;

-- R-CLAIM-1: one coupon a person, kind and round; a pass pays once for a kind.
CREATE TABLE coupons (
    campaign      INTEGER NOT NULL,
    round         INTEGER NOT NULL,
    kind          INTEGER NOT NULL,
    ordinal       INTEGER NOT NULL CHECK (ordinal >= 1),
    number        TEXT    NOT NULL,
    person        BLOB    NOT NULL CHECK (length(person) = 16),
    pass          BLOB    NOT NULL,
    granted_at_ms INTEGER NOT NULL,
    ends_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (campaign, round, kind, ordinal),
    UNIQUE (campaign, round, kind, person),
    UNIQUE (campaign, round, kind, pass),
    FOREIGN KEY (campaign, round, kind) REFERENCES stock (campaign, round, kind),
    FOREIGN KEY (campaign, round, pass) REFERENCES passes (campaign, round, pass)
) STRICT, WITHOUT ROWID;

-- Money moving inside a pool: the line-th event of an entry.
CREATE TABLE postings (
    shard    INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    pool     INTEGER NOT NULL,
    source   TEXT    NOT NULL CHECK (source IN ('treasury', 'available', 'reserved', 'frozen')),
    target   TEXT    NOT NULL CHECK (target IN ('treasury', 'available', 'reserved', 'frozen')),
    fen      INTEGER NOT NULL CHECK (fen >= 0),
    PRIMARY KEY (shard, seq, line),
    FOREIGN KEY (campaign, pool) REFERENCES pools (campaign, pool)
) STRICT, WITHOUT ROWID;

-- R-RISK-3: issuing stopped, or went on.
CREATE TABLE interlock (
    shard    INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    campaign INTEGER NOT NULL REFERENCES campaigns (campaign),
    change   TEXT    NOT NULL CHECK (change IN ('tripped', 'resumed')),
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (shard, seq, line)
) STRICT, WITHOUT ROWID;
