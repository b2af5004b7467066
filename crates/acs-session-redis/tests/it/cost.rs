//! What an idle session costs Redis (`design.md` §4.9).

use acs_store::contract::sample::{device, emitter, session, stamp};
use acs_store::{CachedSession, SessionCache};

use crate::support::{Server, cache, patient, redis_is_here};

#[tokio::test]
async fn an_idle_session_costs_six_round_trips_of_which_scripts_are_four() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let cache = cache(patient(server.url()));
    let live = async |n: u8| {
        let (session, device, front_end) = (session(n), device(u32::from(n)), emitter());
        let cached = CachedSession { session, device, stamp: stamp(1), front_end, snapshot: Vec::new() };
        cache.last_stamp(&cached.device).await.unwrap();
        cache.begin(&cached).await.unwrap();
        assert!(!cache.take_hint(&cached.device).await.unwrap());
        assert!(!cache.end(&cached.device, &cached.session).await.unwrap());
    };
    live(1).await;
    assert_eq!(server.ask(&["CONFIG", "RESETSTAT"]), "OK");
    let sessions = 50;
    for n in 0..sessions {
        live(n).await;
    }
    let stats = server.ask(&["INFO", "commandstats"]);
    let calls = |command: &str| -> u32 {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
    };
    let sessions = u32::from(sessions);
    assert_eq!(calls("evalsha"), 4 * sessions, "two of begin, two of end");
    assert_eq!(calls("eval") + calls("script|load"), 0, "a script is sent once");
    // `last_stamp`, and one within `begin`; `take_hint`, and one within `end`.
    assert_eq!((calls("hget"), calls("hdel")), (2 * sessions, 2 * sessions));
    assert_eq!(calls("scan") + calls("keys"), 0, "nothing reads the key space");
}
