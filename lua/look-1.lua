--[[
  How a shard stands, and that somebody looked.

  Input:
    KEYS[1]  meta   hash: lineage, epoch, seq, at; looked is written

  Output:
    { 'open', epoch, seq, at, now, live }
    { 'fenced', epoch, seq, at, now, live }   the lineage is not this master's
    { 'absent', now, live }                   no such shard here

  Holds:  a WAIT after it covers all that was written before it.
  Cost:   O(1). now is this master's clock in Unix ms, live its replication id.
]]
local time = redis.call('TIME')
local now, live = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), live_lineage()
local meta = redis.call('HMGET', meta_key, 'lineage', 'epoch', 'seq', 'at')
if not meta[3] then return { 'absent', now, live } end
local epoch, seq, at = tonumber(meta[2]), tonumber(meta[3]), tonumber(meta[4])
redis.call('HSET', meta_key, 'looked', now)
if meta[1] ~= live then return { 'fenced', epoch, seq, at, now, live } end
return { 'open', epoch, seq, at, now, live }
