--[[
  Make what the machine decided happen, if all that it decided on is still as it saw it.

  Input:
    KEYS[1]  meta         hash
    KEYS[2]  funds        hash
    KEYS[3]  round:<R>    hash; of round 0, which is never there, if no round is concerned
    KEYS[4]  holders:<R>  hash
    KEYS[5]  passes:<R>   hash
    KEYS[6]  transit      hash
    KEYS[7]  states:<R>   hash
    KEYS[8]  orders       hash
    KEYS[9]  refunds      hash
    KEYS[10] merchants    hash
    KEYS[11] lines        hash
    KEYS[12] log          stream

    ARGV[1]  epoch the caller believes in
    ARGV[2]  now, Unix ms
    ARGV[3]  number of the log
    ARGV[4]  entry's body; empty for a change that is no event
    ARGV[5]  the first instant at which it is too late, Unix ms; empty if it never is
    ARGV[6]  how many compares follow
    ARGV[7]  how many changes follow
    then for each compare: number of the key, field, value; empty for a field that is not there
    then for each change: number of the key, field, set, stamp, add, upto, max, or, seq, delete, value

  Output:
    { 'moved', epoch, seq, at }           seq is the last there is now
    { 'changed', epoch, seq, at, which }  that compare, from 1, finds something else
    { 'misfit', epoch, seq, at, which }   that change, from 1, can't be made: a sum would leave 0 to 2^53, or be above
                                          its limit
    { 'late', epoch, seq, at }            by this log's time it is too late
    { 'absent' }                          no such shard here
    { 'fenced', epoch, seq }              not this master's lineage, or another epoch

  Holds:  all changes or none; nothing is decided on what is not so any more.
  Cost:   O(compares + changes), which one event has a few of, and a kind.
]]
local log_key = KEYS[12]
local epoch, log, body, late = ARGV[1], ARGV[3], ARGV[4], tonumber(ARGV[5])
local compares, changes = tonumber(ARGV[6]), tonumber(ARGV[7])
local meta, no = enter(epoch, 'asked')
if no then return no end
local seq, at, asked = tonumber(meta[3]), tonumber(meta[4]), (tonumber(meta[5]) or 0) + 1

local function differs()
  for i = 1, compares do
    local arg = 5 + i * 3
    local is = redis.call('HGET', KEYS[tonumber(ARGV[arg])], ARGV[arg + 1])
    if (is or '') ~= ARGV[arg + 2] then return i end
  end
end

local which = differs()
if which then
  redis.call('HSET', meta_key, 'asked', asked)
  return { 'changed', tonumber(epoch), seq, at, which }
end
local now = not_before(at, ARGV[2])
local writes, misfit = plan(8 + compares * 3, changes, seq + 1, now)
if misfit then
  redis.call('HSET', meta_key, 'asked', asked)
  return { 'misfit', tonumber(epoch), seq, at, misfit }
end
if late and now >= late then
  redis.call('HSET', meta_key, 'asked', asked)
  return { 'late', tonumber(epoch), seq, now }
end
if body ~= '' then
  seq, at = seq + 1, now
  append(log_key, log, seq, at, epoch, body)
end
make(writes)
redis.call('HSET', meta_key, 'seq', seq, 'at', at, 'asked', asked)
return { 'moved', tonumber(epoch), seq, at }
