--[[
  Decide claims of one round, one or many, in their order: grant a coupon each, or say why not.

  Input:
    KEYS[1]  meta          hash: lineage, epoch, seq, at, evaluated, tripped, shard, of, basis
    KEYS[2]  funds         hash: reserved:<pool>, frozen:<pool>
    KEYS[3]  round:<R>     hash: from, until, expired, left:<kind>, granted:<kind>, last:<kind>
    KEYS[4]  holders:<R>   hash, person and kind -> ordinal, starts, ends, pass
    KEYS[5]  passes:<R>    hash, pass -> person, kinds, expires, kinds it was spent for
    KEYS[6]  log           stream

    ARGV[1]  epoch the caller believes in
    ARGV[2]  now, Unix ms
    ARGV[3]  number of the log
    ARGV[4]  how many kinds follow
    then for each kind: its number, its pool's number, its face in fen, an entry's bytes before the
    ordinal and after the end of validity
    then for each claim, 64 at most: place in that list of kinds from 1, person, pass

  Output:
    { 'decided', epoch, seq, at, outcomes, basis }   an outcome a claim; seq is the last there is now, basis
                                                     the last that grants rest on: stock, the interlock

    { 'granted', left, ordinal, starts, ends }        in an entry of its own
    { 'already_held', left, ordinal, starts, ends }   the first answer again, whatever stands against it now
    { 'not_open', left, opens_in }
    { 'round_unknown', left }
    { 'risk_control_degraded', left }
    { 'closed', left }
    { 'pass_invalid', left }
    { 'pass_expired', left }
    { 'kind_not_in_pass', left }
    { 'pass_spent', left }
    { 'sold_out', left }
    { 'not_enough', left }   the money set aside does not cover the face

    { 'absent' }              no such shard here: "no key" is not "no stock"
    { 'fenced', epoch, seq }  not this master's lineage, or another epoch

  Holds:  a person has at most one coupon of a kind and round; no more is granted than the stock, and none
          without money, outside the window, while tripped, or twice by one pass and kind. The order of
          the checks is the machine's.
  Cost:   O(claims): six reads, an XADD a grant, five writes at most. left counts this shard's units.
]]
local funds_key, round_key, holders_key, passes_key, log_key = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local epoch, log = ARGV[1], ARGV[3]
local meta, no = enter(epoch, 'evaluated', 'tripped', 'shard', 'of', 'basis')
if no then return no end
local seq, at = tonumber(meta[3]), not_before(meta[4], ARGV[2])
local evaluated = tonumber(meta[5]) or 0
local tripped, shard, of = meta[6] == '1', tonumber(meta[7]), tonumber(meta[8])
local basis = tonumber(meta[9]) or 0

-- Kinds and the fields that hold their stock and money.
local kinds, stock_fields, funds_fields = {}, {}, {}
for i = 1, tonumber(ARGV[4]) do
  local number, pool = ARGV[i * 5], ARGV[i * 5 + 1]
  kinds[i] = {
    pool = pool,
    bit = bit.lshift(1, tonumber(number)),
    byte = string.char(number),
    face = tonumber(ARGV[i * 5 + 2]),
    head = ARGV[i * 5 + 3],
    tail = ARGV[i * 5 + 4],
    left_field = 'left:' .. number,
    granted_field = 'granted:' .. number,
    last_field = 'last:' .. number,
  }
  stock_fields[i * 3 - 2] = kinds[i].left_field
  stock_fields[i * 3 - 1] = kinds[i].granted_field
  stock_fields[i * 3] = kinds[i].last_field
  funds_fields[i * 2 - 1] = 'reserved:' .. pool
  funds_fields[i * 2] = 'frozen:' .. pool
end
local round = redis.call('HMGET', round_key, 'from', 'until', 'expired', unpack(stock_fields))
local funds = redis.call('HMGET', funds_key, unpack(funds_fields))
local pools = {}
for i = 1, #kinds do
  local kind = kinds[i]
  kind.left = tonumber(round[i * 3 + 1]) or 0
  kind.granted = tonumber(round[i * 3 + 2]) or 0
  kind.last = tonumber(round[i * 3 + 3]) or 0
  pools[kind.pool] = pools[kind.pool]
    or { reserved = tonumber(funds[i * 2 - 1]) or 0, frozen = tonumber(funds[i * 2]) or 0 }
end
local armed, expired = round[1], round[3] == '1'
local from, ends = tonumber(round[1]), tonumber(round[2])

-- Claims, what their persons hold, and their passes.
local claims, holder_fields, nonces = {}, {}, {}
for arg = (#kinds + 1) * 5, #ARGV, 3 do
  local kind = kinds[tonumber(ARGV[arg])]
  local i = #claims + 1
  holder_fields[i] = ARGV[arg + 1] .. kind.byte
  nonces[i] = ARGV[arg + 2]
  claims[i] = { kind = kind, person = ARGV[arg + 1] }
end
local held, passes = {}, {}
local records = redis.call('HMGET', holders_key, unpack(holder_fields))
for i = 1, #records do
  if records[i] then
    local ordinal, starts, until_ = struct.unpack('<I4i8i8', records[i])
    held[holder_fields[i]] = { ordinal = ordinal, starts = starts, ends = until_ }
  end
end
records = redis.call('HMGET', passes_key, unpack(nonces))
for i = 1, #records do
  if records[i] and not passes[nonces[i]] then
    local person, may, expires, spent = struct.unpack('<c16I4i8I4', records[i])
    passes[nonces[i]] = { record = records[i], person = person, may = may, expires = expires, spent = spent }
  end
end

local bodies, now_held, now_spent = {}, {}, {}
local function decide(person, kind, nonce, holder)
  local left = kind.left
  local mine = held[holder]
  if mine then return { 'already_held', left, mine.ordinal, mine.starts, mine.ends } end
  if not armed then return { 'round_unknown', left } end
  if tripped then return { 'risk_control_degraded', left } end
  if at < from then return { 'not_open', left, from - at } end
  if expired or at >= ends then return { 'closed', left } end
  local pass = passes[nonce]
  if not pass or pass.person ~= person then return { 'pass_invalid', left } end
  if at >= pass.expires then return { 'pass_expired', left } end
  if bit.band(pass.may, kind.bit) == 0 then return { 'kind_not_in_pass', left } end
  if bit.band(pass.spent, kind.bit) ~= 0 then return { 'pass_spent', left } end
  if left <= 0 then return { 'sold_out', left } end
  local money = pools[kind.pool]
  if money.reserved < kind.face then return { 'not_enough', left } end

  left = left - 1
  local ordinal = kind.last * of + shard + 1
  kind.left, kind.granted, kind.last, kind.changed = left, kind.granted + 1, kind.last + 1, true
  money.reserved, money.frozen, money.changed = money.reserved - kind.face, money.frozen + kind.face, true
  pass.spent = bit.bor(pass.spent, kind.bit)
  held[holder] = { ordinal = ordinal, starts = at, ends = ends }
  local packed = struct.pack('<I4', ordinal)
  bodies[#bodies + 1] = kind.head .. packed .. person .. nonce .. struct.pack('<i8', ends) .. kind.tail
  now_held[#now_held + 1] = holder
  now_held[#now_held + 1] = packed .. struct.pack('<i8i8', at, ends) .. nonce
  now_spent[#now_spent + 1] = nonce
  return { 'granted', left, ordinal, at, ends }
end

local outcomes = {}
for i = 1, #claims do
  outcomes[i] = decide(claims[i].person, claims[i].kind, nonces[i], holder_fields[i])
end

-- Writes from here on.
if #bodies == 0 then
  redis.call('HSET', meta_key, 'evaluated', evaluated + #claims)
  return { 'decided', tonumber(epoch), seq, at, outcomes, basis }
end
for i = 1, #bodies do
  seq = seq + 1
  append(log_key, log, seq, at, epoch, bodies[i])
end
local now_passes, now_stock, now_funds = {}, {}, {}
for i = 1, #now_spent do
  local pass = passes[now_spent[i]]
  now_passes[i * 2 - 1] = now_spent[i]
  now_passes[i * 2] = string.sub(pass.record, 1, 28) .. struct.pack('<I4', pass.spent)
end
for i = 1, #kinds do
  local kind, n = kinds[i], #now_stock
  if kind.changed then
    now_stock[n + 1], now_stock[n + 2] = kind.left_field, kind.left
    now_stock[n + 3], now_stock[n + 4] = kind.granted_field, kind.granted
    now_stock[n + 5], now_stock[n + 6] = kind.last_field, kind.last
  end
end
for pool, money in pairs(pools) do
  local n = #now_funds
  if money.changed then
    now_funds[n + 1], now_funds[n + 2] = 'reserved:' .. pool, money.reserved
    now_funds[n + 3], now_funds[n + 4] = 'frozen:' .. pool, money.frozen
  end
end
redis.call('HSET', holders_key, unpack(now_held))
redis.call('HSET', passes_key, unpack(now_passes))
redis.call('HSET', round_key, unpack(now_stock))
redis.call('HSET', funds_key, unpack(now_funds))
redis.call('HSET', meta_key, 'seq', seq, 'at', at, 'evaluated', evaluated + #claims)
return { 'decided', tonumber(epoch), seq, at, outcomes, basis }
