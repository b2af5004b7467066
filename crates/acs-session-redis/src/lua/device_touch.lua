-- The session goes on, if it is still the current one of the device.
-- KEYS: current session. ARGV: session, life of a session (ms).
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
