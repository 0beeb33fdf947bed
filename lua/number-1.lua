--[[
  The number of a campaign; the next one if it has none yet.

  Input:
    KEYS[1]  directory   hash, name -> number

    ARGV[1]  name

  Output:
    { 'number', number }

  Holds:  a name keeps its number, and no two have the same.
  Cost:   O(1).
]]
local number = redis.call('HGET', meta_key, ARGV[1])
if not number then
  number = redis.call('HLEN', meta_key)
  redis.call('HSET', meta_key, ARGV[1], number)
end
return { 'number', tonumber(number) }
