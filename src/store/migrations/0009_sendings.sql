-- Not of the fold: the folder from which the payments of a batch are sent, so that none is sent from two (R-ROLE-1).
CREATE TABLE sendings (
    campaign INTEGER NOT NULL,
    batch    INTEGER NOT NULL,
    folder   BLOB    NOT NULL CHECK (length(folder) = 16),
    PRIMARY KEY (campaign, batch)
) STRICT, WITHOUT ROWID;
