-- KEYS: session, live sessions of its shard. ARGV: session.
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
