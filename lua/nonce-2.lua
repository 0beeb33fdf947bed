--[[
  Note that a till's request was heard.

  Input:
    KEYS[1]  meta   hash: lineage, epoch, seq, at
    KEYS[2]  nonce:<terminal>:<nonce>  text

    ARGV[1]  epoch the caller believes in
    ARGV[2]  ms for which the request could be heard again

  Output:
    { 'first' }
    { 'again' }               it was heard before

    { 'absent' }              no such shard here
    { 'fenced', epoch, seq }  not this master's lineage, or another epoch

  Holds:  of many copies one is heard.
  Cost:   O(1).
]]
local meta, no = enter(ARGV[1])
if no then return no end
if redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) then return { 'first' } end
return { 'again' }
