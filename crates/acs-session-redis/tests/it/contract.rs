//! The contract suites on a single Redis.

mod single {
    use acs_session_redis::RedisSessionCache;

    use crate::support::{Server, cache, patient, redis_is_here, shared_redis};

    /// The shared Redis; or one of the test's own where that is away, so that the contract is held in any case.
    async fn fresh() -> (RedisSessionCache, Option<Server>) {
        if let Some(url) = shared_redis() {
            return (cache(patient(url)), None);
        }
        assert!(redis_is_here(), "neither a shared Redis nor redis-server");
        let own = Server::start("");
        (cache(patient(own.url())), Some(own))
    }

    acs_store::session_cache_contract!(session_cache, fresh());
    acs_store::replay_window_contract!(replay_window, fresh());
}
