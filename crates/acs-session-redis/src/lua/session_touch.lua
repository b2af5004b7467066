-- Gives a session and, if there is one, keeps its new snapshot. Once half of its life is over it gets a whole one again,
-- and '1' says so, because then its device is to be touched, too.
-- KEYS: session, live sessions of its shard. ARGV: session, life (ms), perhaps a snapshot.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
if ARGV[3] then
  redis.call('HSET', KEYS[1], 'snapshot', ARGV[3])
end
local touched = '0'
if redis.call('PTTL', KEYS[1]) * 2 < tonumber(ARGV[2]) then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  touched = '1'
end
local device = redis.call('HGET', KEYS[1], 'device')
if ARGV[3] then
  return { touched, device }
end
local rest = redis.call('HMGET', KEYS[1], 'stamp', 'front_end', 'snapshot')
return { touched, device, rest[1], rest[2], rest[3] }
