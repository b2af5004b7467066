//! Connection requests against CPEs as they are in the field (`quirks.md`), and against hostile ones (P19, P25).

use std::time::{Duration, Instant};

use acs_connreq::{Config, HttpConnectionRequests, Policy};
use acs_proto::{ConnectionRequests, WakeOutcome, WakeRequest};
use acs_telemetry::Metrics;

use cwmp_session::auth::{Credentials, DigestRequest, OfferedChallenge, Password, parse_challenges, respond};

use crate::cpe::{Cpe, Step};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CHALLENGE: &str = "HTTP/1.1 401 Unauthorized\r\n\
    WWW-Authenticate: Digest realm=\"cpe\", nonce=\"abc\", qop=\"auth\", opaque=\"o p\", algorithm=MD5\r\n\
    Content-Length: 5\r\n\r\nhello";

fn dev() -> Config {
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    Config { policy, answer_timeout: Duration::from_millis(700), min_interval: Duration::ZERO, ..Config::default() }
}

fn request(url: String) -> WakeRequest {
    let device = "00AABB-IGD-1".parse().unwrap();
    WakeRequest { device, url, username: "acs".into(), password: "secret".to_owned().into(), allow_basic: false }
}

async fn wake(cpe: &Cpe, path: &str) -> WakeOutcome {
    let waker = HttpConnectionRequests::new(dev(), &Metrics::default());
    waker.wake(request(format!("http://127.0.0.1:{}{path}", cpe.port))).await.unwrap()
}

fn unreachable(outcome: &WakeOutcome) -> &str {
    match outcome {
        WakeOutcome::Unreachable { reason } => reason,
        other => panic!("{other:?}"),
    }
}

/// Whether the request answers the challenge with the right digest for this uri.
fn digest_is_right(head: &str, challenge: &str, uri: &str) -> bool {
    let value = |text: &str, name: &str| text.lines().find_map(|l| l.strip_prefix(name).map(|v| v.trim().to_owned()));
    let (Some(answer), Some(offered)) = (value(head, "Authorization:"), value(challenge, "WWW-Authenticate:")) else {
        return false;
    };
    let Some(OfferedChallenge::Digest(challenge)) = parse_challenges(&offered).into_iter().next() else { return false };
    let credentials = Credentials { username: "acs".into(), password: Password::new("secret") };
    let cnonce = answer.split("cnonce=\"").nth(1).map_or("", |rest| rest.split('"').next().unwrap());
    // The digest itself is proved in cwmp-session; here it is that of these credentials, this challenge and this uri.
    answer == respond(&challenge, &credentials, &DigestRequest { method: "GET", uri, cnonce, count: 1 })
}

// CWMP-410, CWMP-411, CWMP-413
#[tokio::test]
async fn a_challenge_is_answered_on_the_same_connection() {
    let cpe = Cpe::listen(vec![Step::Say(CHALLENGE), Step::Say(OK)]).await;
    assert_eq!(wake(&cpe, "/cr?x=1").await, WakeOutcome::Accepted);
    let [first, second] = &cpe.requests()[..] else { panic!("{:?}", cpe.requests()) };
    assert!(first.starts_with("GET /cr?x=1 HTTP/1.1\r\n"), "{first}");
    assert!(first.contains(&format!("Host: 127.0.0.1:{}\r\n", cpe.port)), "{first}");
    assert!(!first.contains("Authorization") && !first.to_lowercase().contains("content-length"), "{first}");
    assert!(digest_is_right(second, CHALLENGE, "/cr?x=1"), "{second}");
    assert!(second.contains(r#"opaque="o p""#) && second.contains("algorithm=MD5"), "{second}");
    assert_eq!(cpe.connections(), 1);
}

#[tokio::test]
async fn each_form_of_a_challenge_is_answered() {
    // quirks.md: challenge without commas; no qop (CWMP-411); MD5-sess; SHA-256; blanks before the colon.
    for challenge in [
        "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"cpe\" nonce=\"n\" qop=\"auth\" algorithm=\"MD5\"\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=cpe, nonce=n\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"cpe\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=MD5-sess\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"cpe\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 401 x\r\nWWW-Authenticate: Digest realm=\"cpe\", nonce=\"n\"\r\n\r\n",
    ] {
        let cpe = Cpe::listen(vec![Step::SayAndClose(challenge), Step::Say(OK)]).await;
        assert_eq!(wake(&cpe, "/").await, WakeOutcome::Accepted, "{challenge}");
        let second = &cpe.requests()[1];
        assert!(digest_is_right(second, challenge, "/"), "{challenge}\n{second}");
        assert_eq!(second.contains("qop="), challenge.contains("qop="), "{second}");
        assert_eq!(cpe.connections(), 2, "the CPE had closed");
    }
}

#[tokio::test]
async fn a_challenge_whose_body_never_ends_is_answered_on_another_connection() {
    let endless = "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"n\"\r\n\r\nand so on";
    let cpe = Cpe::listen(vec![Step::Say(endless), Step::Say(OK)]).await;
    assert_eq!(wake(&cpe, "/").await, WakeOutcome::Accepted);
    assert_eq!(cpe.connections(), 2);
}

#[tokio::test]
async fn a_challenge_with_a_huge_body_is_answered_on_another_connection() {
    fn huge(_: &str) -> &'static str {
        let head =
            "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"n\"\r\nContent-Length: 99999999\r\n\r\n";
        Box::leak(format!("{head}{}", "x".repeat(100_000)).into_boxed_str())
    }
    let cpe = Cpe::listen(vec![Step::Judge(huge), Step::Say(OK)]).await;
    assert_eq!(wake(&cpe, "/").await, WakeOutcome::Accepted);
    assert_eq!(cpe.connections(), 2);
}

#[tokio::test]
async fn each_form_of_consent_is_taken() {
    // CWMP-413; quirks.md: no authentication, 200 without headers, chunked 200, a URL without a path.
    for answer in [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nServer : x\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
    ] {
        let cpe = Cpe::listen(vec![Step::Say(answer)]).await;
        assert_eq!(wake(&cpe, "").await, WakeOutcome::Accepted, "{answer}");
        assert!(cpe.requests()[0].starts_with("GET / HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn a_cpe_that_computes_with_the_root_is_served() {
    fn judge(head: &str) -> &'static str {
        if digest_is_right(head, CHALLENGE, "/") { OK } else { CHALLENGE }
    }
    let cpe = Cpe::listen(vec![Step::Judge(judge)]).await;
    assert_eq!(wake(&cpe, "/tr069/cr").await, WakeOutcome::Accepted);
    let requests = cpe.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|r| r.starts_with("GET /tr069/cr ")), "{requests:?}");
}

// CWMP-416, CWMP-417, CWMP-423
#[tokio::test]
async fn refusals_are_told_apart() {
    let cpe = Cpe::listen(vec![Step::Say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")]).await;
    assert_eq!(wake(&cpe, "/").await, WakeOutcome::Busy);

    let cpe = Cpe::listen(vec![Step::Say(CHALLENGE)]).await;
    assert_eq!(wake(&cpe, "/").await, WakeOutcome::WrongCredentials);
    assert_eq!(cpe.requests().len(), 2, "credentials are sent once");

    let cpe = Cpe::listen(vec![Step::Say("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n")]).await;
    assert_eq!(unreachable(&wake(&cpe, "/").await), "the device answered 404");

    // CWMP-412
    let basic = "HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"c\"\r\nContent-Length: 0\r\n\r\n";
    let cpe = Cpe::listen(vec![Step::Say(basic), Step::Say(OK)]).await;
    assert!(unreachable(&wake(&cpe, "/").await).contains("only Basic"));
    assert_eq!(cpe.requests().len(), 1);
    let cpe = Cpe::listen(vec![Step::Say(basic), Step::Say(OK)]).await;
    let waker = HttpConnectionRequests::new(dev(), &Metrics::default());
    let allowed = WakeRequest { allow_basic: true, ..request(format!("http://127.0.0.1:{}/", cpe.port)) };
    assert_eq!(waker.wake(allowed).await.unwrap(), WakeOutcome::Accepted);
    assert!(cpe.requests()[1].contains("Authorization: Basic YWNzOnNlY3JldA=="), "{:?}", cpe.requests());
}

// P25, CWMP-417
#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Cpe::listen(vec![Step::Say(OK)]).await;
    for status in [301, 302, 303, 307, 308] {
        let text =
            format!("HTTP/1.1 {status} x\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n", other.port);
        let cpe = Cpe::listen(vec![Step::Say(text.leak())]).await;
        assert!(unreachable(&wake(&cpe, "/").await).contains("not followed"), "{status}");
    }
    assert_eq!(other.connections(), 0);
}

// P19: time and size of an answer are bounded.
#[tokio::test]
async fn slow_silent_and_huge_answers_end() {
    let pause = Duration::from_millis(20);
    let cases = [
        (vec![Step::Silence], "no answer within"),
        (vec![Step::Endless("HTTP/1.1 200 OK\r\nX: y", pause)], ""),
        (vec![Step::Endless("H", pause)], ""),
        (vec![Step::Endless("HTTP/1.1 100 Continue\r\n\r\n", pause)], "no answer within"),
        (
            vec![Step::Endless(
                "HTTP/1.1 200 OK\r\nX: 012345678901234567890123456789012345678901234567890\r\n",
                Duration::ZERO,
            )],
            "no usable answer",
        ),
        (vec![Step::SayAndClose("")], "no usable answer"),
        (vec![Step::Say("SSH-2.0-OpenSSH_9.2\r\n\r\n")], "no usable answer"),
    ];
    for (number, (script, reason)) in cases.into_iter().enumerate() {
        let cpe = Cpe::listen(script).await;
        let begun = Instant::now();
        let outcome = wake(&cpe, "/").await;
        assert!(unreachable(&outcome).contains(reason), "{number} {outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{number} {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let waker = HttpConnectionRequests::new(dev(), &Metrics::default());
    let outcome = waker.wake(request(format!("http://127.0.0.1:{}/", unused_port().await))).await.unwrap();
    assert!(unreachable(&outcome).contains("no connection to 127.0.0.1"));
}

async fn unused_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

// CWMP-421
#[tokio::test]
async fn a_device_without_a_url_is_not_sent_to() {
    let waker = HttpConnectionRequests::new(dev(), &Metrics::default());
    let outcome = waker.wake(request(String::new())).await.unwrap();
    assert!(matches!(outcome, WakeOutcome::NotSent { reason } if reason.contains("no ConnectionRequestURL")));
}

// CWMP-418
#[tokio::test]
async fn wakes_that_meet_share_one_request_and_the_next_keeps_its_distance() {
    fn slowly(_: &str) -> &'static str {
        std::thread::sleep(Duration::from_millis(200));
        OK
    }
    let cpe = Cpe::listen(vec![Step::Judge(slowly)]).await;
    let metrics = Metrics::default();
    let config = Config { min_interval: Duration::from_secs(10), ..dev() };
    let waker = HttpConnectionRequests::new(config, &metrics);
    let url = format!("http://127.0.0.1:{}/", cpe.port);
    let (a, b, c) = tokio::join!(
        waker.wake(request(url.clone())),
        waker.wake(request(url.clone())),
        waker.wake(request(url.clone()))
    );
    for outcome in [a, b, c] {
        assert_eq!(outcome.unwrap(), WakeOutcome::Accepted);
    }
    assert_eq!(cpe.requests().len(), 1);
    let soon = waker.wake(request(url)).await.unwrap();
    assert!(matches!(&soon, WakeOutcome::NotSent { reason } if reason.contains("too soon")), "{soon:?}");
    assert_eq!(cpe.requests().len(), 1);
    let text = metrics.exposition();
    for line in [
        "lastmile_connreq_coalesced_total 2",
        r#"lastmile_connreq_wakes_total{outcome="accepted"} 3"#,
        "lastmile_connreq_devices 1",
        "lastmile_connreq_dials 0",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_from_others() {
    fn slowly(_: &str) -> &'static str {
        std::thread::sleep(Duration::from_millis(200));
        OK
    }
    let cpe = Cpe::listen(vec![Step::Judge(slowly)]).await;
    let waker = HttpConnectionRequests::new(dev(), &Metrics::default());
    let url = format!("http://127.0.0.1:{}/", cpe.port);
    let first = tokio::spawn({
        let (waker, url) = (waker.clone(), url.clone());
        async move { waker.wake(request(url)).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = tokio::spawn(async move { waker.wake(request(url)).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    first.abort();
    assert_eq!(second.await.unwrap().unwrap(), WakeOutcome::Accepted);
    assert_eq!(cpe.requests().len(), 1);
}

#[tokio::test]
async fn no_more_than_max_dials_are_open() {
    let silent = Cpe::listen(vec![Step::Silence]).await;
    let config = Config { max_dials: 1, queue_timeout: Duration::from_millis(50), ..dev() };
    let waker = HttpConnectionRequests::new(config, &Metrics::default());
    let url = format!("http://127.0.0.1:{}/", silent.port);
    let other = WakeRequest { device: "00AABB-IGD-2".parse().unwrap(), ..request(url.clone()) };
    let (first, second) = tokio::join!(waker.wake(request(url)), waker.wake(other));
    assert!(matches!(first.unwrap(), WakeOutcome::Unreachable { .. }));
    assert!(matches!(second.unwrap(), WakeOutcome::NotSent { reason } if reason.contains("on their way already")));
    assert_eq!(silent.connections(), 1);
}

// P26
#[tokio::test]
async fn the_password_is_in_no_outcome_and_no_metric() {
    let cpe = Cpe::listen(vec![Step::Say(CHALLENGE)]).await;
    let metrics = Metrics::default();
    let waker = HttpConnectionRequests::new(dev(), &metrics);
    let secret =
        WakeRequest { password: "canary-7".to_owned().into(), ..request(format!("http://127.0.0.1:{}/", cpe.port)) };
    let shown = format!("{secret:?} {:?} {}", waker.wake(secret.clone()).await, metrics.exposition());
    assert!(!shown.contains("canary"), "{shown}");
}
