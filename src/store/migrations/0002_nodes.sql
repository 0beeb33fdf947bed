-- Nodes that share the logs, and how they bring one back after its master was lost. Not of the
-- fold: what nodes say to each other. Instants are by the database's clock, unless they are an entry's.

CREATE TABLE nodes (
    node          TEXT    NOT NULL PRIMARY KEY,
    address       TEXT    NOT NULL,
    started_at_ms INTEGER NOT NULL,
    seen_at_ms    INTEGER NOT NULL,
    gone          INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1))
) STRICT;

-- Every registered node is asked to close an epoch of a log.
CREATE TABLE recoveries (
    log         INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    asked_by    TEXT    NOT NULL,
    asked_at_ms INTEGER NOT NULL,
    done        INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1)),
    PRIMARY KEY (log, epoch)
) STRICT, WITHOUT ROWID;

-- A node tells nobody anything of that epoch any more; the last entry it told anybody of, or 0.
CREATE TABLE closings (
    log       INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    node      TEXT    NOT NULL,
    acked_seq INTEGER NOT NULL CHECK (acked_seq >= 0),
    PRIMARY KEY (log, epoch, node)
) STRICT, WITHOUT ROWID;

-- Entries of that epoch that the node knows.
CREATE TABLE evidence (
    log   INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node  TEXT    NOT NULL,
    seq   INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body  BLOB    NOT NULL,
    PRIMARY KEY (log, epoch, node, seq),
    FOREIGN KEY (log, epoch, node) REFERENCES closings (log, epoch, node)
) STRICT, WITHOUT ROWID;
