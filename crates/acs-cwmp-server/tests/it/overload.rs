//! P17, and how a front-end stops.

use std::time::Duration;

use acs_cwmp_server::CpeAuthScheme;
use acs_types::SessionOutcome;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn cwmp_033_new_sessions_over_the_budget_get_503_and_begun_ones_go_on_p17() {
    let world = World::with(CpeAuthScheme::Open, |config| config.overload.sessions = 2);
    let mut first = world.connect();
    first.post(&inform_of("S1", &["1 BOOT"], 0)).await;
    let mut second = world.connect();
    second.post(&inform_of("S2", &["1 BOOT"], 0)).await;
    second.expect_inform_response();
    let mut third = world.connect();
    // The refusal does not wait for the body.
    let request = Sent::post(inform_of("S3", &["1 BOOT"], 0));
    third.write(&Sent { body: Vec::new(), ..request }.bytes()).await;
    third.read().await;
    third.expect_status(503);
    assert!(third.answer.header("retry-after").is_some() && third.answer.closes(), "CWMP-033");
    // An old cookie does not help a new Inform in.
    let mut fourth = world.connect().with_cookie_of(&second);
    fourth.post(&inform_of("S4", &["1 BOOT"], 0)).await;
    fourth.expect_status(503);
    first.empty_post().await;
    first.expect_end();
    second.empty_post().await;
    second.expect_end();
    let mut later = world.connect();
    later.post(&inform_of("S3", &["1 BOOT"], 1)).await;
    later.expect_inform_response();
    assert_eq!(world.metric("informs_shed_total{reason=\"sessions\"}"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn informs_in_flight_are_limited_p17() {
    let world = World::with(CpeAuthScheme::Open, |config| {
        config.overload.informs = 1;
        config.overload.informs_waiting = 1;
    });
    world.provisioning.set_delay(Duration::from_secs(2));
    let mut slow = world.connect();
    let mut other = world.connect();
    let before = tokio::time::Instant::now();
    let (slow, (other, after)) =
        tokio::join!(async { slow.post(&inform_of("S1", &["1 BOOT"], 0)).await.status }, async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let status = other.post(&inform_of("S2", &["1 BOOT"], 0)).await.status;
            (status, before.elapsed())
        });
    assert_eq!((slow, other), (200, 503));
    assert!(after <= Duration::from_millis(55), "P17: refusals are quick, this one took {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_begun_sessions_finish_p12() {
    let world = World::open();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let served =
        tokio::spawn(acs_cwmp_server::serve(listener, None, std::sync::Arc::clone(&world.front_end), shutdown.clone()));
    let connect = || async { Cpe::new(tokio::net::TcpStream::connect(address).await.unwrap()) };
    let (mut finishes, mut hangs, mut idle) = (connect().await, connect().await, connect().await);
    finishes.post(&inform_of("S1", &["1 BOOT"], 0)).await;
    finishes.expect_inform_response();
    hangs.post(&inform_of("S2", &["1 BOOT"], 0)).await;
    hangs.expect_inform_response();
    idle.send(Sent::post("").line("GET / HTTP/1.1")).await;
    shutdown.cancel();
    assert!(idle.is_closed().await, "an idle connection closes at once");
    finishes.empty_post().await;
    finishes.expect_end();
    served.await.unwrap();
    let outcomes: Vec<_> = world.accounts().await.into_iter().map(|a| a.outcome).collect();
    assert_eq!(outcomes, [SessionOutcome::Completed, SessionOutcome::Drained]);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the listener is closed");
}
