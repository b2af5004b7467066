-- Work waits for the device; gives the session that will find the hint.
-- KEYS: current session, device. ARGV: life of a device (ms).
redis.call('HSET', KEYS[2], 'hint', '1')
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return redis.call('GET', KEYS[1])
