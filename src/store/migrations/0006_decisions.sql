-- Orders became decisions, which are signed otherwise: no signature of an order counts any more.
DROP TABLE orders;

-- R-ROLE-1: what persons decided stands in the entry that does it; who they are, by name.
CREATE TABLE decided (
    log      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    decision BLOB    NOT NULL CHECK (length(decision) = 16),
    subject  TEXT    NOT NULL,
    persons  TEXT    NOT NULL,
    PRIMARY KEY (log, seq, line),
    FOREIGN KEY (log, campaign) REFERENCES openings (log, campaign)
) STRICT, WITHOUT ROWID;

-- Not of the fold: what persons propose and what became of it. The statement is what they sign. An approved one is
-- carried out by whoever tried it last, or by anybody if that was a while ago.
CREATE TABLE decisions (
    decision      BLOB    NOT NULL PRIMARY KEY CHECK (length(decision) = 16),
    statement     BLOB    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN
                      ('proposed', 'approved', 'carried_out', 'failed', 'rejected', 'withdrawn', 'expired')),
    why           TEXT    NOT NULL DEFAULT '',
    until_ms      INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    tried_at_ms   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Who signed it.
CREATE TABLE signatures (
    decision  BLOB NOT NULL REFERENCES decisions (decision),
    person    TEXT NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (decision, person)
) STRICT, WITHOUT ROWID;
