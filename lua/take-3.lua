--[[
  Take a payment code from its person. It leads to the order that took it from now on, until it is forgotten.

  Input:
    KEYS[1]  meta            hash: lineage, epoch, seq, at
    KEYS[2]  shown:<person>  text: the person's code, as Rust writes it
    KEYS[3]  code:<digest>   text: what the code leads to, as Rust writes it

    ARGV[1]  epoch the caller believes in
    ARGV[2]  what the code is seen to lead to: this person
    ARGV[3]  what the person's code begins with, if it is this one
    ARGV[4]  the order that it leads to from now on

  Output:
    { 'taken', shown }        the person's code, as it was
    { 'gone', code }          what it leads to instead; empty if to nothing

    { 'absent' }              no such shard here
    { 'fenced', epoch, seq }  not this master's lineage, or another epoch

  Holds:  of many who take a code one gets it.
  Cost:   O(1).
]]
local meta, no = enter(ARGV[1])
if no then return no end
local shown, code = redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3])
if code ~= ARGV[2] then return { 'gone', code or '' } end
if not shown or string.sub(shown, 1, #ARGV[3]) ~= ARGV[3] then return { 'gone', '' } end
redis.call('SET', KEYS[3], ARGV[4], 'KEEPTTL')
redis.call('DEL', KEYS[2])
return { 'taken', shown }
