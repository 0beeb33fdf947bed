-- With the ledger in Redis an order may be released in one shard's log and locked in another's, and logs are
-- carried in any order: what is unique across them stands in the ledger, and the audit looks at it.
DROP INDEX redemptions_live;
CREATE UNIQUE INDEX redemptions_live ON redemptions (log, campaign, redemption)
    WHERE state <> 'released';
