--[[
  Make a pass in the identities' log: spend its two proofs and bind its four identifiers, or say why not.

  Input:
    KEYS[1]  meta           hash: lineage, epoch, seq, at, asked
    KEYS[2]  passes:<R>     hash, pass -> person, kinds, expires, 0
    KEYS[3]  proofs:<R>     hash, proof -> pass
    KEYS[4]  bindings:<R>   hash, kind of identifier and its hash -> person
    KEYS[5]  log            stream

    ARGV[1]  epoch the caller believes in
    ARGV[2]  now, Unix ms
    ARGV[3]  number of the log
    ARGV[4]  1 if the campaign has all the kinds that the pass names, and it names some
    ARGV[5]  pass
    ARGV[6]  person
    ARGV[7]  set of kinds
    ARGV[8]  end of the pass, Unix ms
    ARGV[9]  proof of the slider
    ARGV[10] proof of the image
    ARGV[11] entry's body
    ARGV[12] identifier, as the next three: its kind in a byte, its hash
    ARGV[13] identifier
    ARGV[14] identifier
    ARGV[15] identifier

  Output:
    { 'decided', epoch, seq, at, outcome }   seq is the last there is now

    { 'bound', expires, new }   new is 1 if this wrote an entry, 0 if the same pass was there
    { 'proof_spent' }
    { 'kind_unknown' }
    { 'proof_expired' }
    { 'account_in_use' }
    { 'phone_in_use' }
    { 'card_in_use' }
    { 'device_in_use' }

    { 'absent' }              no such shard here
    { 'fenced', epoch, seq }  not this master's lineage, or another epoch

  Holds:  a proof makes one pass, and an identifier belongs to one person for the round. The order of the
          checks is the machine's.
  Cost:   O(1): five reads, five writes at most.
]]
local passes_key, proofs_key, bindings_key, log_key = KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, nonce, person, slider, image = ARGV[1], ARGV[5], ARGV[6], ARGV[9], ARGV[10]
local kinds, expires = tonumber(ARGV[7]), tonumber(ARGV[8])
local meta, no = enter(epoch, 'asked')
if no then return no end
local seq, at, asked = tonumber(meta[3]), not_before(meta[4], ARGV[2]), (tonumber(meta[5]) or 0) + 1

local known = redis.call('HGET', passes_key, nonce)
local proofs = redis.call('HMGET', proofs_key, slider, image)
local bindings = redis.call('HMGET', bindings_key, ARGV[12], ARGV[13], ARGV[14], ARGV[15])

local function refusal()
  if known then
    local whose, may, ends = struct.unpack('<c16I4i8', known)
    if whose == person and may == kinds then return { 'bound', ends, 0 } end
    return { 'proof_spent' }
  end
  if ARGV[4] ~= '1' then return { 'kind_unknown' } end
  if at >= expires then return { 'proof_expired' } end
  if slider == image or proofs[1] or proofs[2] then return { 'proof_spent' } end
  for i = 1, 4 do
    if bindings[i] and bindings[i] ~= person then
      local kind = string.byte(ARGV[11 + i])
      if kind == 1 then return { 'account_in_use' } end
      if kind == 2 then return { 'phone_in_use' } end
      if kind == 3 then return { 'card_in_use' } end
      return { 'device_in_use' }
    end
  end
end

local outcome = refusal()
if outcome then
  redis.call('HSET', meta_key, 'asked', asked)
  return { 'decided', tonumber(epoch), seq, at, outcome }
end
seq = seq + 1
append(log_key, ARGV[3], seq, at, epoch, ARGV[11])
redis.call('HSET', passes_key, nonce, person .. struct.pack('<I4i8I4', kinds, expires, 0))
redis.call('HSET', proofs_key, slider, nonce, image, nonce)
redis.call('HSET', bindings_key, ARGV[12], person, ARGV[13], person, ARGV[14], person, ARGV[15], person)
redis.call('HSET', meta_key, 'seq', seq, 'at', at, 'asked', asked)
outcome = { 'bound', expires, 1 }
return { 'decided', tonumber(epoch), seq, at, outcome }
