-- Makes a session the current one of its device; gives the one before.
-- KEYS: current session, device. ARGV: session, stamp, life of a session, life of a device (ms).
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
-- Lua's numbers hold microseconds exactly until the year 2255.
local last = tonumber(redis.call('HGET', KEYS[2], 'stamp') or '0') or 0
if last < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[2], 'stamp', ARGV[2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if before and before ~= ARGV[1] then
  return before
end
return false
