--[[
  The number of a campaign; the next one if it has none yet.

  Input:
    KEYS[1]  directory   hash, name -> number

    ARGV[1]  name
    ARGV[2]  the number that the store knows it by; empty if it knows none
    ARGV[3]  the least number that is free, as far as the store knows

  Output:
    { 'number', number }

  Holds:  a name keeps its number, and no two have the same, also when the directory was lost.
  Cost:   O(campaigns) for a new one, O(1) otherwise.
]]
local number = redis.call('HGET', meta_key, ARGV[1])
if not number then
  number = ARGV[2]
  if number == '' then
    number = tonumber(ARGV[3])
    local taken = redis.call('HVALS', meta_key)
    for i = 1, #taken do
      number = math.max(number, tonumber(taken[i]) + 1)
    end
  end
  redis.call('HSET', meta_key, ARGV[1], number)
end
return { 'number', tonumber(number) }
