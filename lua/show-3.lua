--[[
  Give a person a payment code. The one before is dead from now on.

  Input:
    KEYS[1]  meta            hash: lineage, epoch, seq, at
    KEYS[2]  shown:<person>  text: the person's code, as Rust writes it
    KEYS[3]  code:<digest>   text: what the code leads to, as Rust writes it

    ARGV[1]  epoch the caller believes in
    ARGV[2]  ms after which both are forgotten
    ARGV[3]  the person's code
    ARGV[4]  what the code leads to

  Output:
    { 'shown' }
    { 'there' }               somebody has that code: nothing was changed

    { 'absent' }              no such shard here
    { 'fenced', epoch, seq }  not this master's lineage, or another epoch

  Holds:  a person has one code; no code leads to two persons.
  Cost:   O(1).
]]
local meta, no = enter(ARGV[1])
if no then return no end
if redis.call('EXISTS', KEYS[3]) == 1 then return { 'there' } end
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
return { 'shown' }
