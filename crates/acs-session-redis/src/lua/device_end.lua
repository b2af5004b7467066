-- A session of the device is over; takes the work hint, unless another session will find it.
-- KEYS: current session, device. ARGV: session.
local current = redis.call('GET', KEYS[1])
if current and current ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return redis.call('HDEL', KEYS[2], 'hint')
