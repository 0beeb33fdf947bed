--[[
  Let a shard decide again, under this master and a new epoch. Whoever believes in the old one is fenced.

  Input:
    KEYS[1]  meta   hash: lineage, epoch, seq, at

    ARGV[1]  epoch that was reconciled
    ARGV[2]  epoch from now on, a later one
    ARGV[3]  replication id of the master that was reconciled

  Output:
    { 'reopened', epoch, seq, at, live }
    { 'taken', epoch, seq }   another epoch is there, or another master, than was reconciled
    { 'absent' }              no such shard here

  Holds:  of those who reopen the same epoch one succeeds; a master that came since decides nothing.
  Cost:   O(1). live is this master's replication id.
]]
local meta = redis.call('HMGET', meta_key, 'lineage', 'epoch', 'seq', 'at')
if not meta[3] then return { 'absent' } end
local seq, at = tonumber(meta[3]), tonumber(meta[4])
if meta[2] ~= ARGV[1] then return { 'taken', tonumber(meta[2]), seq } end
local live = live_lineage()
if live ~= ARGV[3] then return { 'taken', tonumber(meta[2]), seq } end
redis.call('HSET', meta_key, 'lineage', live, 'epoch', ARGV[2])
return { 'reopened', tonumber(ARGV[2]), seq, at, live }
