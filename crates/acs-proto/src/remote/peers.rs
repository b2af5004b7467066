//! The processes of a service: found by name, watched, and chosen by device.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::connect::{self, MutualTls};
use crate::{ErrorClass, ServiceError};

/// How often names are resolved again.
pub const RESOLVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long a resolver may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often each process is asked whether it serves.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
/// How long its answer may take; a process that is slower gets no calls while others are quicker.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
/// Processes of one service, at most; what a name gives beyond is left out.
pub const PEERS_MAX: usize = 256;

/// The processes of one service, as a client sees them. Clones share connections.
///
/// Each call is about a device, and each device has its own order of the processes (rendezvous hashing), the same for all
/// clients: what a process remembers of a device stays warm, and when one goes, only its own devices move. Those that do not
/// serve come last in every order.
#[derive(Clone)]
pub struct Peers {
    inner: Arc<Inner>,
}

/// Where processes of a service are: `host:port`. A name may stand for any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName {
    host: String,
    port: u16,
}

/// A text that is no [`PeerName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not host:port")]
pub struct PeerNameError(String);

struct Inner {
    service: &'static str,
    current: ArcSwap<Vec<Arc<Peer>>>,
}

/// One process.
pub(super) struct Peer {
    /// `None`: only in tests and benches, where a channel is given.
    address: Option<SocketAddr>,
    channel: Channel,
    serves: AtomicBool,
}

impl Peers {
    /// Finds the processes of `service` under `names`, keeps watching them while a clone lives, and speaks mutual TLS to
    /// them. Within a Tokio runtime; does not wait for them.
    ///
    /// A server has to prove that it is the host of its name, whatever address that has.
    pub fn find(service: &'static str, names: Vec<PeerName>, tls: Arc<MutualTls>) -> Self {
        let inner = Arc::new(Inner { service, current: ArcSwap::default() });
        tokio::spawn(watch(Arc::downgrade(&inner), names, tls));
        Self { inner }
    }

    /// How many processes serve, and how many are known.
    pub fn serving(&self) -> (usize, usize) {
        let current = self.inner.current.load();
        (current.iter().filter(|peer| peer.serves()).count(), current.len())
    }

    /// The service's name, for people.
    pub fn service(&self) -> &'static str {
        self.inner.service
    }

    /// The processes in the order in which they are asked about `key`; never empty.
    pub(super) fn order(&self, key: &str) -> Result<Vec<Arc<Peer>>, ServiceError> {
        let current = self.inner.current.load();
        let mut order: Vec<_> = current.iter().map(|peer| (!peer.serves(), peer.weight(key), peer)).collect();
        if order.is_empty() {
            let text = format!("no process of {} is known yet; see its names in [grpc]", self.inner.service);
            return Err(ServiceError::new(ErrorClass::Unavailable, "unavailable", text));
        }
        order.sort_by_key(|(away, weight, _)| (*away, *weight));
        Ok(order.into_iter().map(|(_, _, peer)| Arc::clone(peer)).collect())
    }

    #[cfg(test)]
    pub(super) fn fixed(service: &'static str, addresses: impl Iterator<Item = SocketAddr>) -> Self {
        let peer = |address| Arc::new(Peer::new(Some(address), nowhere()));
        Self { inner: Arc::new(Inner { service, current: ArcSwap::from_pointee(addresses.map(peer).collect()) }) }
    }
}

/// One process that is always asked.
impl From<Channel> for Peers {
    fn from(channel: Channel) -> Self {
        let only = Arc::new(Peer::new(None, channel));
        Self { inner: Arc::new(Inner { service: "the service", current: ArcSwap::from_pointee(vec![only]) }) }
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peers({}: {:?})", self.inner.service, self.serving())
    }
}

impl FromStr for PeerName {
    type Err = PeerNameError;

    fn from_str(text: &str) -> Result<Self, PeerNameError> {
        let wrong = || PeerNameError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if !is_address && (!is_name || host.is_empty()) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl PeerName {
    async fn addresses(&self) -> Vec<SocketAddr> {
        let found = timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((self.host.as_str(), self.port))).await;
        match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => {
                tracing::debug!(host = self.host, %error, "a name is not resolved");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }
}

impl Peer {
    fn new(address: Option<SocketAddr>, channel: Channel) -> Self {
        Self { address, channel, serves: AtomicBool::new(true) }
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// No connection can be made: others first, until it says that it serves.
    pub(super) fn lost(&self) {
        self.serves.store(false, Ordering::Relaxed);
    }

    fn serves(&self) -> bool {
        self.serves.load(Ordering::Relaxed)
    }

    /// Where it stands in the order of `key`.
    fn weight(&self, key: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (key, self.address).hash(&mut hasher);
        hasher.finish()
    }

    async fn check(&self, service: &str) {
        let asked = HealthCheckRequest { service: String::new() };
        let mut stub = HealthClient::new(self.channel());
        let serves = match timeout(HEALTH_TIMEOUT, stub.check(asked)).await {
            Ok(Ok(reply)) => reply.into_inner().status() == ServingStatus::Serving,
            Ok(Err(status)) => status.code() == Code::Unimplemented,
            Err(_) => false,
        };
        if self.serves.swap(serves, Ordering::Relaxed) != serves {
            tracing::info!(service, peer = %self, serves, "a process of a service changed");
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("its address"),
        }
    }
}

/// Looks for processes and asks them how they are, while anybody has the peers.
async fn watch(peers: Weak<Inner>, names: Vec<PeerName>, tls: Arc<MutualTls>) {
    let mut resolve_at = Instant::now();
    loop {
        if Instant::now() >= resolve_at {
            let found = join_all(names.iter().map(PeerName::addresses)).await;
            let Some(inner) = peers.upgrade() else { return };
            inner.found(&names, found, |address, host| connect::channel(address, host, Arc::clone(&tls)));
            resolve_at = Instant::now() + RESOLVE_INTERVAL;
        }
        let Some(inner) = peers.upgrade() else { return };
        let current = inner.current.load_full();
        join_all(current.iter().map(|peer| peer.check(inner.service))).await;
        drop(inner);
        sleep(HEALTH_INTERVAL).await;
    }
}

impl Inner {
    /// Keeps what is known, adds what is new, drops what is gone. A resolver that finds nothing at all is not believed.
    fn found(&self, names: &[PeerName], found: Vec<Vec<SocketAddr>>, connect: impl Fn(SocketAddr, &str) -> Channel) {
        let known = self.current.load_full();
        let mut now: Vec<Arc<Peer>> = Vec::new();
        for (name, addresses) in names.iter().zip(found) {
            for address in addresses {
                if now.len() == PEERS_MAX || now.iter().any(|peer| peer.address == Some(address)) {
                    continue;
                }
                let kept = known.iter().find(|peer| peer.address == Some(address)).cloned();
                let new = || Arc::new(Peer::new(Some(address), connect(address, &name.host)));
                now.push(kept.unwrap_or_else(new));
            }
        }
        if now.is_empty() {
            tracing::warn!(service = self.service, known = known.len(), "no address is found for a service");
            return;
        }
        let same = now.len() == known.len() && now.iter().zip(known.iter()).all(|(a, b)| a.address == b.address);
        if !same {
            tracing::info!(service = self.service, processes = now.len(), "the processes of a service are others now");
            self.current.store(Arc::new(now));
        }
    }
}

#[cfg(test)]
pub(super) fn nowhere() -> Channel {
    tonic::transport::Endpoint::from_static("http://127.0.0.1:9").connect_lazy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: u8) -> Peers {
        Peers::fixed("provisioning", (1..=count).map(|n| ([127, 0, 0, n], 9).into()))
    }

    fn first(peers: &Peers, key: &str) -> Option<SocketAddr> {
        peers.order(key).unwrap()[0].address
    }

    #[tokio::test]
    async fn devices_are_shared_evenly_and_stay_when_another_process_goes() {
        let (three, two) = (peers(3), peers(2));
        let mut counts = [0; 3];
        for device in (0..3000).map(|n| format!("00D0E5-CPE-{n:012}")) {
            let at = three.order(&device).unwrap();
            let mut addresses: Vec<_> = at.iter().map(|peer| peer.address).collect();
            let before = addresses[0];
            addresses.retain(|address| *address != Some(([127, 0, 0, 3], 9).into()));
            assert_eq!(first(&two, &device), addresses[0], "the order of those that stay is the same");
            let number = usize::from(before.unwrap().ip().to_string().as_bytes()[8] - b'1');
            counts[number] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[tokio::test]
    async fn what_does_not_serve_comes_last() {
        let peers = peers(3);
        let order = peers.order("d").unwrap();
        order[0].lost();
        assert_eq!(peers.serving(), (2, 3));
        let addresses = |order: Vec<Arc<Peer>>| order.iter().map(|peer| peer.address).collect::<Vec<_>>();
        let after = addresses(peers.order("d").unwrap());
        let before = addresses(order);
        assert_eq!(after, [before[1], before[2], before[0]]);
    }

    #[tokio::test]
    async fn what_a_name_stands_for_may_change() {
        let at = |n: u16| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 9));
        let peers = Peers::fixed("provisioning", [at(1), at(2)].into_iter());
        let name = ["provisioning:9".parse().unwrap()];
        let find = |found: Vec<SocketAddr>| peers.inner.found(&name, vec![found], |_, _| nowhere());
        let known =
            |peers: &Peers| peers.inner.current.load().iter().filter_map(|peer| peer.address).collect::<Vec<_>>();
        let two = peers.inner.current.load()[1].clone();
        two.lost();
        find(vec![at(2), at(3), at(3)]);
        assert_eq!(known(&peers), [at(2), at(3)]);
        assert!(Arc::ptr_eq(&peers.inner.current.load()[0], &two), "its connection and its state stay");
        find(Vec::new());
        assert_eq!(known(&peers), [at(2), at(3)], "a resolver that finds nothing is not believed");
        // P19
        find((0..=u16::try_from(PEERS_MAX).unwrap()).map(at).collect());
        assert_eq!(known(&peers).len(), PEERS_MAX);
    }

    #[tokio::test]
    async fn without_an_address_a_call_is_told_so() {
        let error = peers(0).order("d").err().unwrap();
        assert_eq!(error.class, ErrorClass::Unavailable);
        assert!(error.text.contains("no process of provisioning is known"), "{error}");
    }

    #[test]
    fn names_have_a_host_and_a_port() {
        for good in ["provisioning.acs.svc:7601", "10.0.0.1:7601", "[::1]:7601", "localhost:1"] {
            assert_eq!(good.parse::<PeerName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for wrong in ["", "host", ":7601", "host:0", "host:65536", "http://host:1", "a b:1"] {
            assert_eq!(wrong.parse::<PeerName>(), Err(PeerNameError(wrong.to_owned())), "{wrong}");
        }
    }
}
