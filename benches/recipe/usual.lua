--[[
  The usual recipe: one claim, decided where the stock is. Beside it the engine's own is measured.

  KEYS  holders (hash), stock of the kind, spent passes (set), stream
  ARGV  person and kind, pass and kind, instant
]]
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held then return { 'held', tonumber(held) } end
if redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 1 then return { 'spent', 0 } end
local left = tonumber(redis.call('GET', KEYS[2]) or '0')
if left <= 0 then return { 'sold_out', 0 } end
local ordinal = redis.call('DECR', KEYS[2]) + 1
redis.call('SADD', KEYS[3], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], ordinal)
redis.call('XADD', KEYS[4], '*', 'who', ARGV[1], 'pass', ARGV[2], 'no', ordinal, 'at', ARGV[3])
return { 'granted', ordinal }
