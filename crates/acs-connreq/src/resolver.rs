use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use async_trait::async_trait;

/// Turns names into addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of a host name, which has no dot at its end.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // RFC 6761 section 6.3; with a dot at its end the system may not know it.
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        // The dot makes the name absolute: search domains (in a cluster: those of its services) are not tried.
        let absolute = format!("{name}.");
        Ok(tokio::net::lookup_host((absolute.as_str(), 0)).await?.map(|a| a.ip()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_loopback_and_nonsense_is_an_error() {
        assert!(SystemResolver.resolve("a.localhost").await.unwrap().iter().all(IpAddr::is_loopback));
        assert!(SystemResolver.resolve("no such name").await.is_err());
    }
}
