#!lua
--[[
  What the scripts of a shard have in common. It stands in front of each of them; alone it does nothing.

  Holds:  nothing is decided on a shard whose lineage is not this master's, or whose epoch is not the
          caller's. All that a script can fail at comes before its first write, since Redis undoes nothing.

  Numbers are exact up to 2^53; Rust sends none beyond. `..` writes 14 digits of a number, so what may be
  longer is written by `%d`.
]]
local meta_key = KEYS[1]
local most = 9007199254740991

-- The replication id of the master this runs on: another after each restart and promotion.
local function live_lineage()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- lineage, epoch, seq, at and the fields named; or nothing and the reply that says why not.
local function enter(epoch, ...)
  local meta = redis.call('HMGET', meta_key, 'lineage', 'epoch', 'seq', 'at', ...)
  if not meta[3] then return nil, { 'absent' } end
  if meta[1] ~= live_lineage() or meta[2] ~= epoch then
    return nil, { 'fenced', tonumber(meta[2]), tonumber(meta[3]) }
  end
  return meta
end

-- The time of what happens now: a log's time never goes back.
local function not_before(last, now)
  return math.max(tonumber(last), tonumber(now))
end

local function check_of(log, seq, at, body)
  return string.sub(redis.sha1hex(log .. string.format('|%d|%d|', seq, at) .. body), 1, 16)
end

-- One entry of the log. The first write of every script that makes one: a log that can't take it stops the
-- script before anything else is changed.
local function append(key, log, seq, at, epoch, body)
  local check = check_of(log, seq, at, body)
  redis.call('XADD', key, string.format('%d-0', seq), 't', at, 'e', epoch, 'b', body, 'c', check)
end

-- What a list of changes makes of the fields they are of, four arguments each: number of the key, field,
-- what to do, value. Or nothing, and the number of the first change that can't be made. seq and at are their
-- entry's.
local function plan(first, changes, seq, at)
  local writes = {}
  for i = 1, changes do
    local arg = first + (i - 1) * 4
    local key, field, what, value = KEYS[tonumber(ARGV[arg])], ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3]
    local was = redis.call('HGET', key, field)
    if what == 'add' then
      value = tonumber(was or 0) + tonumber(value)
      if value < 0 or value > most then return nil, i end
    elseif what == 'upto' then
      local more, limit = string.match(value, '^(%d+) (%d+)$')
      value = tonumber(was or 0) + tonumber(more)
      if value > tonumber(limit) then return nil, i end
    elseif what == 'or' then
      if not was or #was ~= 32 then return nil, i end
      local bits = bit.bor(struct.unpack('<I4', was, 29), tonumber(value))
      value = string.sub(was, 1, 28) .. struct.pack('<I4', bits)
    elseif what == 'stamp' then
      -- Turn and order of a slot up to its status; its instant; the rest: records.rs draws it.
      if #value < 55 then return nil, i end
      value = string.sub(value, 1, 47) .. struct.pack('<i8', at) .. string.sub(value, 56)
    elseif what == 'max' then
      value = math.max(tonumber(was or value), tonumber(value))
    elseif what == 'seq' then
      value = seq
    end
    writes[i] = { key = key, field = field, value = what ~= 'delete' and value }
  end
  return writes
end

local function make(writes)
  for i = 1, #writes do
    local it = writes[i]
    if it.value then
      redis.call('HSET', it.key, it.field, it.value)
    else
      redis.call('HDEL', it.key, it.field)
    end
  end
end
