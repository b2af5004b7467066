-- Keeps a session, in place of what was there of it, and counts it.
-- KEYS: session, live sessions of its shard. ARGV: session, device, stamp, front-end, snapshot, life (ms).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'device', ARGV[2], 'stamp', ARGV[3], 'front_end', ARGV[4], 'snapshot', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[6], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
