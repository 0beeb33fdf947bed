--[[
  Put an entry that others still have back into the log of a fenced shard, and do what it did.

  Input:
    KEYS[1]  meta           hash
    KEYS[2]  funds          hash
    KEYS[3]  round:<R>      hash; of round 0, which is never there, if no round is concerned
    KEYS[4]  holders:<R>    hash
    KEYS[5]  passes:<R>     hash
    KEYS[6]  transit        hash
    KEYS[7]  proofs:<R>     hash
    KEYS[8]  bindings:<R>   hash
    KEYS[9]  states:<R>     hash
    KEYS[10] orders         hash
    KEYS[11] refunds        hash
    KEYS[12] merchants      hash
    KEYS[13] lines          hash
    KEYS[14] log            stream

    ARGV[1]  number of the log
    ARGV[2]  seq
    ARGV[3]  its instant, Unix ms
    ARGV[4]  epoch it was written in
    ARGV[5]  body
    ARGV[6]  how many changes follow
    then for each change: number of the key, field, set, stamp, add, upto, max, or, seq, delete, value

  Output:
    { 'restored', seq }
    { 'there', seq }             it was there already, the same
    { 'conflict', seq, check }   another is there; empty if the shard is past it and does not have it
    { 'gap', seq }               the one before it is missing; seq is the last there is
    { 'misfit', seq, which }     that change, from 1, can't be made
    { 'open', epoch, seq }       not fenced: entries come by decisions here

  Holds:  entries come back in order, each once, and none into a shard that decides. A shard that is not
          there begins with entry 1, fenced until it is reopened.
  Cost:   O(changes), which one event has a few of, and a kind.
]]
local log_key = KEYS[14]
local log, seq, at, epoch, body = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local meta = redis.call('HMGET', meta_key, 'lineage', 'epoch', 'seq')
local last, shard_epoch = tonumber(meta[3]) or 0, tonumber(meta[2]) or 0
if meta[1] == live_lineage() then return { 'open', shard_epoch, last } end
if seq <= last then
  local id = string.format('%d-0', seq)
  local there = redis.call('XRANGE', log_key, id, id)[1]
  local check = ''
  for i = 1, there and #there[2] or 0, 2 do
    if there[2][i] == 'c' then check = there[2][i + 1] end
  end
  if check ~= check_of(log, seq, at, body) then return { 'conflict', seq, check } end
  return { 'there', seq }
end
if seq ~= last + 1 then return { 'gap', last } end
local writes, misfit = plan(7, tonumber(ARGV[6]), seq, at)
if misfit then return { 'misfit', seq, misfit } end

append(log_key, log, seq, at, epoch, body)
make(writes)
redis.call('HSET', meta_key, 'seq', seq, 'at', at, 'epoch', math.max(shard_epoch, tonumber(epoch)))
return { 'restored', seq }
