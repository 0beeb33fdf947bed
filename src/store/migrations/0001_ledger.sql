-- The ledger as rows: a fold of its logs, and beside it their entries themselves.
--
-- Instants are Unix milliseconds, money is fen, persons and identifiers are keyed hashes of 16
-- bytes. For PostgreSQL: INTEGER becomes BIGINT, BLOB becomes BYTEA, STRICT and WITHOUT ROWID go.
--
-- Logs are carried here independently, so nothing refers to a row that another log makes. What has
-- `log` in its key is one log's share; the whole is the sum over logs.

-- How far each log is in here, and who may write on: nobody, if the owner is ''.
CREATE TABLE cursor (
    log           INTEGER NOT NULL PRIMARY KEY,
    seq           INTEGER NOT NULL CHECK (seq >= 0),
    owner_epoch   INTEGER NOT NULL,
    owner         TEXT    NOT NULL,
    renewed_at_ms INTEGER NOT NULL
) STRICT;

-- Append-only: the body of every entry that is no seal, as it stands in the log.
CREATE TABLE events (
    log   INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body  BLOB    NOT NULL,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;

-- The entry at which a log stopped, because it contradicts what is here.
CREATE TABLE quarantine (
    log        INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    table_name TEXT    NOT NULL,
    why        TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    at_ms      INTEGER NOT NULL,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;

-- Each log of a campaign says the same of it.
CREATE TABLE campaigns (
    campaign INTEGER NOT NULL PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE kinds (
    campaign INTEGER NOT NULL REFERENCES campaigns (campaign),
    kind     INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    pool     INTEGER NOT NULL,
    face_fen INTEGER NOT NULL CHECK (face_fen >= 0),
    PRIMARY KEY (campaign, kind)
) STRICT, WITHOUT ROWID;

-- Which shard of a campaign a log is, and of how many.
CREATE TABLE openings (
    log      INTEGER NOT NULL,
    campaign INTEGER NOT NULL REFERENCES campaigns (campaign),
    shard    INTEGER NOT NULL,
    shards   INTEGER NOT NULL CHECK (shards >= 1),
    PRIMARY KEY (log, campaign)
) STRICT, WITHOUT ROWID;

-- R-FUND-2: no account below zero, and what came in is what stands in the accounts. A log's budget
-- is what came in net, from the treasury and from other shards.
CREATE TABLE pools (
    log           INTEGER NOT NULL,
    campaign      INTEGER NOT NULL,
    pool          INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    budget_fen    INTEGER NOT NULL DEFAULT 0 CHECK (budget_fen >= 0),
    available_fen INTEGER NOT NULL DEFAULT 0 CHECK (available_fen >= 0),
    reserved_fen  INTEGER NOT NULL DEFAULT 0 CHECK (reserved_fen >= 0),
    frozen_fen    INTEGER NOT NULL DEFAULT 0 CHECK (frozen_fen >= 0),
    PRIMARY KEY (log, campaign, pool),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign),
    CHECK (available_fen + reserved_fen + frozen_fen = budget_fen)
) STRICT, WITHOUT ROWID;

-- A round in a log, from its arming or from the first stock that was received.
CREATE TABLE rounds (
    log         INTEGER NOT NULL,
    campaign    INTEGER NOT NULL,
    round       INTEGER NOT NULL,
    opens_at_ms INTEGER NOT NULL,
    ends_at_ms  INTEGER NOT NULL,
    expired     INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1)),
    PRIMARY KEY (log, campaign, round),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign)
) STRICT, WITHOUT ROWID;

-- `quantity` is what was armed and received less what was sent; `granted` counts, and `last` is the
-- turn of the last coupon, which is ahead of the count where entries were lost.
CREATE TABLE stock (
    log      INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    quantity INTEGER NOT NULL DEFAULT 0,
    granted  INTEGER NOT NULL DEFAULT 0,
    last     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (log, campaign, round, kind),
    FOREIGN KEY (log, campaign, round) REFERENCES rounds (log, campaign, round),
    FOREIGN KEY (campaign, kind) REFERENCES kinds (campaign, kind),
    CHECK (granted >= 0 AND granted <= quantity),
    CHECK (last >= granted)
) STRICT, WITHOUT ROWID;

-- In the log of the person, where it is spent. A pass may come before its round is armed.
CREATE TABLE passes (
    log           INTEGER NOT NULL,
    campaign      INTEGER NOT NULL,
    round         INTEGER NOT NULL,
    pass          BLOB    NOT NULL CHECK (length(pass) = 16),
    person        BLOB    NOT NULL CHECK (length(person) = 16),
    kinds         INTEGER NOT NULL,
    bound_at_ms   INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (campaign, round, pass),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign)
) STRICT, WITHOUT ROWID;

-- R-RISK-1: a proof is spent once, whatever it proves.
CREATE TABLE proofs (
    campaign INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    proof    BLOB    NOT NULL CHECK (length(proof) = 16),
    pass     BLOB    NOT NULL CHECK (length(pass) = 16),
    PRIMARY KEY (campaign, round, proof)
) STRICT, WITHOUT ROWID;

-- R-WHO-3: an identifier belongs to one person for the round.
CREATE TABLE bindings (
    campaign        INTEGER NOT NULL,
    round           INTEGER NOT NULL,
    identifier_kind INTEGER NOT NULL CHECK (identifier_kind BETWEEN 1 AND 4),
    identifier      BLOB    NOT NULL CHECK (length(identifier) = 16),
    person          BLOB    NOT NULL CHECK (length(person) = 16),
    PRIMARY KEY (campaign, round, identifier_kind, identifier)
) STRICT, WITHOUT ROWID;

-- R-CLAIM-1: one coupon a person, kind and round; a pass pays once for a kind. In every log.
--
-- The row is the posting of its grant as well: `fen` of `pool` went from reserved to frozen. That its
-- stock and pool are there is seen once a batch, when they change; a key for it would ask for each row.
CREATE TABLE coupons (
    log           INTEGER NOT NULL,
    campaign      INTEGER NOT NULL,
    round         INTEGER NOT NULL,
    kind          INTEGER NOT NULL,
    ordinal       INTEGER NOT NULL CHECK (ordinal >= 1),
    number        TEXT    NOT NULL,
    person        BLOB    NOT NULL CHECK (length(person) = 16),
    pass          BLOB    NOT NULL,
    pool          INTEGER NOT NULL,
    fen           INTEGER NOT NULL CHECK (fen >= 0),
    granted_at_ms INTEGER NOT NULL,
    ends_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (campaign, round, kind, ordinal),
    UNIQUE (campaign, round, kind, person),
    UNIQUE (campaign, round, kind, pass),
    FOREIGN KEY (campaign, round, pass) REFERENCES passes (campaign, round, pass)
) STRICT, WITHOUT ROWID;

-- Money moving inside a pool, but by a grant: the line-th event of an entry.
CREATE TABLE postings (
    log      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    pool     INTEGER NOT NULL,
    source   TEXT    NOT NULL CHECK (source IN ('treasury', 'available', 'reserved', 'frozen')),
    target   TEXT    NOT NULL CHECK (target IN ('treasury', 'available', 'reserved', 'frozen')),
    fen      INTEGER NOT NULL CHECK (fen >= 0),
    PRIMARY KEY (log, seq, line),
    FOREIGN KEY (log, campaign, pool) REFERENCES pools (log, campaign, pool)
) STRICT, WITHOUT ROWID;

-- What moved between shards: units of a round and kind, or money of a pool. The money is a posting
-- of the same entry.
CREATE TABLE transfers (
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
    FOREIGN KEY (log, campaign, pool) REFERENCES pools (log, campaign, pool),
    CHECK ((round IS NULL) = (kind IS NULL) AND (round IS NULL) = (units IS NULL)),
    CHECK ((round IS NULL) <> (pool IS NULL))
) STRICT, WITHOUT ROWID;

-- R-RISK-3: issuing stopped, or went on.
CREATE TABLE interlock (
    log      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    change   TEXT    NOT NULL CHECK (change IN ('tripped', 'resumed')),
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (log, seq, line),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign)
) STRICT, WITHOUT ROWID;
