//! TLS with an own authority and a client certificate; user and password.

use std::time::Duration;

use acs_session_redis::{RedisConfig, RedisCredentials, RedisTls};
use acs_store::contract::sample::{device, emitter, session, stamp};
use acs_store::{CachedSession, Error, SessionCache};
use acs_types::Secret;

use crate::support::{Authority, Server, cache, free_port, patient, redis_is_here, until};

fn cached() -> CachedSession {
    let (session, device, stamp, front_end) = (session(1), device(1), stamp(1), emitter());
    CachedSession { session, device, stamp, front_end, snapshot: vec![1] }
}

fn refused(config: RedisConfig) -> RedisConfig {
    RedisConfig { connect_timeout: Duration::from_secs(2), time_budget: Duration::from_secs(3), ..config }
}

#[tokio::test]
async fn tls_with_an_own_authority_and_a_client_certificate() {
    if !redis_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (authority, stranger) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "stranger"));
    authority.sign("server");
    authority.sign("client");
    stranger.sign("other");
    let tls_port = free_port();
    let _server = Server::start(&authority.configuration(tls_port));
    let with = |ca: &str, client: Option<&str>| {
        let client = client.map(|name| (path(&format!("{name}.pem")), path(&format!("{name}.key"))));
        let tls = RedisTls { ca: Some(path(ca)), client };
        RedisConfig { tls, ..patient(format!("rediss://127.0.0.1:{tls_port}")) }
    };

    let good = cache(with("ca.pem", Some("client")));
    assert_eq!(good.begin(&cached()).await.unwrap(), None);
    assert_eq!(good.session(&session(1)).await.unwrap(), Some(cached()));

    for (what, config) in [
        ("a server of an authority that is not ours", with("stranger.pem", Some("client"))),
        ("no client certificate", with("ca.pem", None)),
        ("a client certificate of somebody else", with("ca.pem", Some("other"))),
        ("a file that is not there", with("missing.pem", None)),
        ("the authorities of the system", RedisConfig { tls: RedisTls::default(), ..with("ca.pem", None) }),
    ] {
        let told = cache(refused(config)).begin(&cached()).await;
        assert!(matches!(told, Err(Error::Unavailable(_))), "{what}: {told:?}");
    }
}

/// Files are read at each connect, so a renewed certificate needs no restart.
#[tokio::test]
async fn rotated_files_serve_at_the_next_connect() {
    if !redis_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (authority, stranger) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "stranger"));
    authority.sign("server");
    stranger.sign("client");
    let tls_port = free_port();
    let _server = Server::start(&authority.configuration(tls_port));
    let tls = RedisTls { ca: Some(path("ca.pem")), client: Some((path("client.pem"), path("client.key"))) };
    let config = RedisConfig { tls, ..patient(format!("rediss://127.0.0.1:{tls_port}")) };
    let cache = cache(refused(config));
    assert!(cache.ping().await.is_err(), "a certificate of somebody else");
    authority.sign("client");
    until("the new certificate serves", async || cache.ping().await.is_ok()).await;
}

#[tokio::test]
async fn user_and_password() {
    if !redis_is_here() {
        return;
    }
    const PASSWORD: &str = "correct-horse";
    let rights = "~lm:* resetchannels +@all -@dangerous";
    let server = Server::start(&format!("user lastmile on >{PASSWORD} {rights}\nrequirepass default-horse\n"));
    let with = |username: Option<&str>, password: &str| {
        let username = username.map(str::to_owned);
        let credentials = Some(RedisCredentials { username, password: Secret::new(password) });
        RedisConfig { credentials, key_prefix: "lm".to_owned(), ..patient(server.url()) }
    };
    let good = cache(with(Some("lastmile"), PASSWORD));
    assert_eq!(good.begin(&cached()).await.unwrap(), None, "these rights are enough");
    assert_eq!(good.session(&session(1)).await.unwrap(), Some(cached()));
    assert_eq!(good.live_sessions().await.unwrap(), 1);
    let default = cache(with(None, "default-horse"));
    assert_eq!(default.current(&device(1)).await.unwrap(), Some(session(1)));

    for config in [with(Some("lastmile"), "wrong-horse"), with(None, "wrong-horse")] {
        let told = cache(refused(config)).begin(&cached()).await.unwrap_err();
        assert!(matches!(told, Error::Unavailable(_)), "{told:?}");
        assert!(!format!("{told} {told:?}").contains("horse"), "P26: {told:?}");
    }
    let none = RedisConfig { credentials: None, ..with(None, "") };
    assert!(cache(refused(none)).ping().await.is_err(), "without a login");
}
