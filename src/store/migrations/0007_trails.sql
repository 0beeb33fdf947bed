-- Not of the fold: the last record of each trail of staff that a server has told of, so that one whose end was cut off
-- is noticed (R-AUDIT-1). A trail is known by its first record's hash.
CREATE TABLE trails (
    trail BLOB    NOT NULL PRIMARY KEY CHECK (length(trail) = 32),
    seq   INTEGER NOT NULL CHECK (seq >= 1),
    hash  BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;
