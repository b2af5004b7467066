//! P25 and X26: no spelling of an address, no name and no resolver leads a connection request where policy forbids it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use acs_connreq::{Config, HttpConnectionRequests, Policy, Resolver};
use acs_proto::{ConnectionRequests, WakeOutcome, WakeRequest};
use acs_telemetry::Metrics;
use async_trait::async_trait;

use crate::cpe::{Cpe, Step};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Answers each question with the next of its answers; the last is repeated.
struct Script {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self { answers: answers.iter().map(|a| a.to_vec()).collect(), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolver for Script {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert!(!name.ends_with('.'), "{name}");
        let at = self.asked.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1);
        Ok(self.answers[at].iter().map(|a| a.parse().unwrap()).collect())
    }
}

fn request(url: &str) -> WakeRequest {
    WakeRequest {
        device: "00AABB-IGD-1".parse().unwrap(),
        url: url.to_owned(),
        username: "acs".into(),
        password: "secret".to_owned().into(),
        allow_basic: true,
    }
}

async fn wake(policy: Policy, resolver: Arc<dyn Resolver>, url: &str) -> WakeOutcome {
    let config = Config { policy, ..Config::default() };
    HttpConnectionRequests::with_resolver(config, resolver, &Metrics::default()).wake(request(url)).await.unwrap()
}

// CWMP-420
#[tokio::test]
async fn the_corpus_of_hostile_urls_is_refused() {
    let cpe = Cpe::listen(vec![Step::Say(OK)]).await;
    let port = cpe.port;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "0",
        "0.0.0.0",
        "0x0",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "lo%63alhost",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[ff02::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "169.254.0.1",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "100.100.100.200",
        "metadata",
        "metadata.google.internal",
        "instance-data",
        "redis",
        "kubernetes.default.svc",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.51.100.7",
        "203.0.113.7",
        "[2001:db8::1]",
    ];
    for host in hosts {
        let url = format!("http://{host}:{port}/cr");
        // Whatever a resolver would say to a name: here, the listener's address.
        let outcome = wake(Policy::default(), Script::new(&[&["127.0.0.1"]]), &url).await;
        assert!(matches!(outcome, WakeOutcome::Refused { .. }), "{url} {outcome:?}");
    }
    let others = [
        format!("https://8.8.8.8:{port}/"),
        format!("ftp://8.8.8.8:{port}/"),
        format!("http://user@8.8.8.8:{port}/"),
        format!("http://8.8.8.8@127.0.0.1:{port}/"),
        format!("http:\\\\8.8.8.8:{port}/"),
        format!("//127.0.0.1:{port}/"),
        "http://8.8.8.8:22/".into(),
        "http://8.8.8.8:25/".into(),
        "http://8.8.8.8/ HTTP/1.1\r\nX: y".into(),
        "http://256.256.256.256/".into(),
        "http://[::1/".into(),
        format!("http://h/{}", "x".repeat(1000)),
    ];
    for url in others {
        let outcome = wake(Policy::default(), Script::new(&[&["127.0.0.1"]]), &url).await;
        assert!(matches!(outcome, WakeOutcome::Refused { .. }), "{url} {outcome:?}");
    }
    assert_eq!(cpe.connections(), 0);
}

#[tokio::test]
async fn every_address_of_a_name_must_pass() {
    let url = "http://cpe.example.net:7547/";
    for addresses in [&["10.0.0.1", "127.0.0.1"][..], &["10.0.0.1", "::1"], &["10.0.0.1", "::ffff:169.254.169.254"]] {
        let outcome = wake(Policy::default(), Script::new(&[addresses]), url).await;
        assert!(matches!(outcome, WakeOutcome::Refused { .. }), "{addresses:?} {outcome:?}");
    }
}

// CWMP-420. A rebinding name: allowed when it is checked, forbidden when it would be asked again.
#[tokio::test]
async fn a_name_is_resolved_once_and_only_the_checked_address_is_dialled() {
    let challenge = "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"n\"\r\nContent-Length: 0\r\n\r\n";
    let cpe = Cpe::listen(vec![Step::SayAndClose(challenge), Step::Say(OK)]).await;
    let resolver = Script::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let policy =
        Policy { allow_loopback: true, own_networks: vec!["127.0.0.2/32".parse().unwrap()], ..Policy::default() };
    let url = format!("http://cpe.example.net:{}/", cpe.port);
    assert_eq!(wake(policy.clone(), resolver.clone(), &url).await, WakeOutcome::Accepted);
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1, "also for the second connection");
    assert_eq!(cpe.connections(), 2);
    assert!(cpe.requests()[0].contains(&format!("Host: cpe.example.net:{}\r\n", cpe.port)));
    // Asked again by the next wake, it is forbidden.
    let outcome = wake(policy, resolver, &url).await;
    assert!(matches!(outcome, WakeOutcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn this_host_is_refused_by_its_other_addresses_too() {
    let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    // Needs a route to somewhere; without one this host has no other address.
    if socket.connect("198.18.0.1:9").await.is_err() {
        return;
    }
    let own = socket.local_addr().unwrap().ip();
    let outcome = wake(Policy::default(), Script::new(&[&["127.0.0.1"]]), &format!("http://{own}:7547/")).await;
    assert!(matches!(outcome, WakeOutcome::Refused { .. }), "{own} {outcome:?}");
}

#[tokio::test]
async fn names_without_or_with_too_many_addresses_are_unreachable() {
    let many: Vec<&'static str> = vec!["10.0.0.1"; 17];
    for addresses in [&[][..], &many] {
        let outcome = wake(Policy::default(), Script::new(&[addresses]), "http://cpe.example.net/").await;
        assert!(matches!(outcome, WakeOutcome::Unreachable { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_asked() {
    let cpe = Cpe::listen(vec![Step::Say(OK)]).await;
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    wake(policy, Script::new(&[&["127.0.0.1"]]), &format!("http://127.0.0.1:{}/x", cpe.port)).await;
    assert!(cpe.requests()[0].starts_with("GET /x HTTP/1.1"), "the request line of a direct request");
}
