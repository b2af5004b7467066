use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::{Denied, Host, Policy, Resolver, Target};

/// Most addresses a name may have; each must pass the policy.
const ADDRESSES_MAX: usize = 16;
/// Most addresses that are tried.
const TRIES_MAX: usize = 4;

/// The only way out: resolves once, checks, and dials what it checked (P25).
#[derive(Clone)]
pub struct Dialler {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolver>,
    connect_timeout: Duration,
}

/// A target whose addresses the policy allows. Only [`Dialler::check`] makes one, so that nothing else can be dialled,
/// and dialling it again does not ask the resolver again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTarget {
    addresses: Vec<SocketAddr>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Policy forbids it; nothing was sent.
    #[error("policy `{rule}` forbids connection requests to {what}")]
    Denied {
        /// Which rule.
        rule: Denied,
        /// Name, address or port.
        what: String,
    },
    /// The name has no address.
    #[error("the name `{name}` cannot be resolved: {why}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver said.
        why: String,
    },
    /// No connection.
    #[error("no connection to {address}: {why}")]
    NoConnection {
        /// The last address tried.
        address: SocketAddr,
        /// Why.
        why: String,
    },
}

impl Dialler {
    /// A dialler by `policy`; `connect_timeout` is for resolving and, again, for connecting.
    pub fn new(policy: Policy, resolver: Arc<dyn Resolver>, connect_timeout: Duration) -> Self {
        Self { policy: Arc::new(policy), resolver, connect_timeout }
    }

    /// Resolves the target and holds every one of its addresses against the policy.
    pub async fn check(&self, target: &Target) -> Result<CheckedTarget, DialError> {
        let denied = |what: String| move |rule| DialError::Denied { rule, what };
        self.policy.check_port(target.port).map_err(denied(format!("port {}", target.port)))?;
        let addresses = match &target.host {
            Host::V4(address) => vec![IpAddr::V4(*address)],
            Host::V6(address) => vec![IpAddr::V6(*address)],
            Host::Name(name) => {
                self.policy.check_name(name).map_err(denied(format!("`{name}`")))?;
                self.resolve(name).await?
            }
        };
        for address in &addresses {
            self.policy.check_address(*address).map_err(denied(address.to_string()))?;
            if !self.policy.allow_loopback && is_own_address(address.to_canonical()).await {
                return Err(denied(address.to_string())(Denied::OwnNetwork));
            }
        }
        let socket = |address: IpAddr| SocketAddr::new(address.to_canonical(), target.port);
        Ok(CheckedTarget { addresses: addresses.into_iter().map(socket).collect() })
    }

    /// Connects to the first address that takes the connection.
    pub async fn connect(&self, target: &CheckedTarget) -> Result<TcpStream, DialError> {
        let tries = target.addresses.len().min(TRIES_MAX);
        let each = self.connect_timeout / u32::try_from(tries.max(1)).unwrap_or(1);
        let mut failure = None;
        for address in target.addresses.iter().take(TRIES_MAX) {
            let why = match timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {each:?}"),
            };
            failure = Some(DialError::NoConnection { address: *address, why });
        }
        Err(failure.expect("a checked target has an address"))
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, DialError> {
        let unresolved = |why: String| DialError::Unresolved { name: name.to_owned(), why };
        let addresses = match timeout(self.connect_timeout, self.resolver.resolve(name)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(unresolved(error.to_string())),
            Err(_) => return Err(unresolved(format!("no answer within {:?}", self.connect_timeout))),
        };
        match addresses.len() {
            0 => Err(unresolved("it has no address".into())),
            1..=ADDRESSES_MAX => Ok(addresses),
            many => Err(unresolved(format!("it has {many} addresses, more than {ADDRESSES_MAX}"))),
        }
    }
}

/// Whether packets to `address` would stay on this host. Connecting a UDP socket only asks the routing table; nothing is
/// sent.
async fn is_own_address(address: IpAddr) -> bool {
    let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let source = async {
        let socket = UdpSocket::bind(any).await?;
        socket.connect((address, 9)).await?;
        Ok::<_, io::Error>(socket.local_addr()?.ip())
    };
    source.await.is_ok_and(|source| source == address)
}
