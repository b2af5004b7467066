-- The session is over; that is remembered for a while.
-- KEYS: session, live sessions of its shard, its end. ARGV: session, life of the end (ms).
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
