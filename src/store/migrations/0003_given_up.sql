-- When people gave a node up; empty for one that is there or has left by itself.
ALTER TABLE nodes ADD COLUMN given_up_at_ms INTEGER;

-- Signatures that were used for an order: each counts once, for all nodes.
CREATE TABLE orders (
    signature  TEXT    NOT NULL PRIMARY KEY,
    used_at_ms INTEGER NOT NULL
) STRICT;
